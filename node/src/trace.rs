//! When the feed last passed each stage: durable, applied, folded. Bounded, in memory, for people who ask how fast a node is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Passages that are kept per stage.
const PASSAGES_MAX: usize = 4_096;

/// A stage behind which the feed is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Taken in: stored and synchronised.
    Durable,
    /// Judged and written to current records.
    Applied,
    /// In views.
    Folded,
}

/// The feed up to here was behind a stage at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Last feed offset.
    pub through: u64,
    /// When, in microseconds since 1970.
    pub at_us: i64,
}

/// The last passages of each stage. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<[VecDeque<Passage>; 3]>>);

impl Trace {
    /// Notes that the feed is behind a stage up to an offset; nothing if that is no news.
    pub fn note(&self, stage: Stage, through: u64, at_us: i64) {
        let mut stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passages = &mut stages[stage as usize];
        if passages.back().is_some_and(|last| last.through >= through) {
            return;
        }
        if passages.len() == PASSAGES_MAX {
            passages.pop_front();
        }
        passages.push_back(Passage { through, at_us });
    }

    /// The passages of a stage that are still known, oldest first.
    pub fn passages(&self, stage: Stage) -> Vec<Passage> {
        let stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stages[stage as usize].iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_go_forward_and_are_bounded() {
        let trace = Trace::default();
        for at in [3, 3, 2, 5] {
            trace.note(Stage::Durable, at, 10 + at as i64);
        }
        let through = |stage| {
            trace
                .passages(stage)
                .iter()
                .map(|p| p.through)
                .collect::<Vec<_>>()
        };
        assert_eq!(through(Stage::Durable), [3, 5]);
        assert!(through(Stage::Applied).is_empty());
        for at in 0..2 * PASSAGES_MAX as u64 {
            trace.note(Stage::Folded, at, 0);
        }
        let kept = through(Stage::Folded);
        assert_eq!(
            (kept.len(), kept.last()),
            (PASSAGES_MAX, Some(&(2 * PASSAGES_MAX as u64 - 1)))
        );
    }
}
