//! Faults that recur: one log line when one begins, one an hour while it lasts, with how often it came.
//!
//! Decides whether to say something; what is said is the caller's.

use std::time::Duration;

/// While a fault lasts it is told this often.
pub const TOLD_EVERY: Duration = Duration::from_secs(3_600);
/// Different texts that are remembered; of more, the one that was told first is forgotten.
const TEXTS_MAX: usize = 8;

/// The faults of one thing that may have several by turns. Times are since the process began.
#[derive(Debug, Default)]
pub struct Recurring {
    faults: Vec<Fault>,
}

#[derive(Debug)]
struct Fault {
    text: String,
    told: Duration,
    times: u64,
}

impl Recurring {
    /// A fault occurred. `Some`: say so, with how often it occurred since it was last told; now counts.
    pub fn note(&mut self, text: &str, now: Duration) -> Option<u64> {
        if let Some(fault) = self.faults.iter_mut().find(|fault| fault.text == text) {
            fault.times += 1;
            if now.saturating_sub(fault.told) < TOLD_EVERY {
                return None;
            }
            fault.told = now;
            return Some(std::mem::take(&mut fault.times));
        }
        if self.faults.len() >= TEXTS_MAX {
            self.faults.remove(0);
        }
        self.faults.push(Fault {
            text: text.to_owned(),
            told: now,
            times: 0,
        });
        Some(1)
    }

    /// All is well. `Some`: it was not; how often faults occurred that were not told.
    pub fn over(&mut self) -> Option<u64> {
        let lasted = !self.faults.is_empty();
        let untold = self.faults.iter().map(|fault| fault.times).sum();
        self.faults.clear();
        lasted.then_some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_fault_is_told_when_it_begins_and_once_an_hour() {
        let mut faults = Recurring::default();
        let mut told = Vec::new();
        // every two seconds for three hours
        for n in 0..=5_400 {
            told.extend(
                faults
                    .note("no such file", at(2 * n))
                    .map(|times| (2 * n, times)),
            );
        }
        assert_eq!(
            told,
            [(0, 1), (3_600, 1_800), (7_200, 1_800), (10_800, 1_800)]
        );
    }

    #[test]
    fn a_change_is_told_and_faults_by_turns_are_not() {
        let mut faults = Recurring::default();
        assert_eq!(faults.over(), None);
        assert_eq!(faults.note("a", at(1)), Some(1));
        assert_eq!(faults.note("b", at(2)), Some(1));
        for n in 3..100 {
            assert_eq!(faults.note(if n % 2 == 0 { "a" } else { "b" }, at(n)), None);
        }
        assert_eq!(faults.over(), Some(97));
        assert_eq!(faults.over(), None);
        assert_eq!(faults.note("a", at(101)), Some(1));
    }

    #[test]
    fn texts_are_bounded() {
        let mut faults = Recurring::default();
        for n in 0..1_000 {
            faults.note(&n.to_string(), at(n));
        }
        assert_eq!(faults.faults.len(), TEXTS_MAX);
    }
}
