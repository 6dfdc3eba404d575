//! When something that only grows last passed each stage of a process: a feed durable, applied; entries captured. Bounded,
//! in memory, for people who ask how fast it goes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Passages that are kept per stage.
const PASSAGES_MAX: usize = 4_096;

/// Up to here was behind a stage at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// The last one: an offset or a count, as the stage has it.
    pub through: u64,
    /// When, in microseconds since 1970.
    pub at_us: i64,
}

/// The last passages of each stage. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<BTreeMap<&'static str, VecDeque<Passage>>>>);

impl Trace {
    /// Notes that everything up to `through` is behind a stage; nothing if that is no news.
    pub fn note(&self, stage: &'static str, through: u64, at_us: i64) {
        let mut stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passages = stages.entry(stage).or_default();
        if passages.back().is_some_and(|last| last.through >= through) {
            return;
        }
        if passages.len() == PASSAGES_MAX {
            passages.pop_front();
        }
        passages.push_back(Passage { through, at_us });
    }

    /// The same as pairs of count and instant, for answers in JSON.
    pub fn pairs(&self) -> BTreeMap<&'static str, Vec<(u64, i64)>> {
        let pair = |kept: Vec<Passage>| kept.iter().map(|p| (p.through, p.at_us)).collect();
        let stages = self.passages().into_iter();
        stages.map(|(stage, kept)| (stage, pair(kept))).collect()
    }

    /// The passages that are still known, by stage, oldest first.
    pub fn passages(&self) -> BTreeMap<&'static str, Vec<Passage>> {
        let stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = |(stage, kept): (&&'static str, &VecDeque<Passage>)| {
            (*stage, kept.iter().copied().collect())
        };
        stages.iter().map(copy).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_go_forward_and_are_bounded() {
        let trace = Trace::default();
        for at in [3, 3, 2, 5] {
            trace.note("durable", at, 10 + at as i64);
        }
        for at in 0..2 * PASSAGES_MAX as u64 {
            trace.note("folded", at, 0);
        }
        let passages = trace.passages();
        let through = |stage| -> Vec<u64> { passages[stage].iter().map(|p| p.through).collect() };
        assert_eq!(through("durable"), [3, 5]);
        let kept = through("folded");
        let last = 2 * PASSAGES_MAX as u64 - 1;
        assert_eq!((kept.len(), kept.last()), (PASSAGES_MAX, Some(&last)));
    }
}
