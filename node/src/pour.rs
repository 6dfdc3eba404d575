//! Who goes first when much arrives at once: being durable, then being applied. Apply stands back for some seconds while
//! large groups come in one after the other, so that senders are relieved soon; then it works beside them until it has
//! caught up, however long they go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::frame::Item;

/// A group of so many bytes is a large one: about a full batch.
const LARGE_BYTES: u64 = 64 << 10;
/// Large groups belong together when no more time than this lies between them.
const GAP_US: i64 = 100_000;
/// Apply stands back for so long at most.
const STANDS_BACK_US: i64 = 3_000_000;
/// And looks again after this.
const LOOKS_AGAIN: Duration = Duration::from_millis(10);

/// What arrives at a node in large groups. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Pour(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Large groups that are being stored.
    storing: u32,
    /// When the last one was stored.
    stored_us: i64,
    /// Since when apply has stood back, or had to work beside.
    since_us: Option<i64>,
}

/// A group while it is being stored.
#[derive(Debug)]
pub struct Storing(Option<Pour>);

impl Pour {
    /// A group is about to be stored.
    pub fn storing(&self, items: &[(u64, Item)]) -> Storing {
        let large = items.iter().map(|(_, item)| item.weight()).sum::<u64>() >= LARGE_BYTES;
        if large {
            self.lock().storing += 1;
        }
        Storing(large.then(|| self.clone()))
    }

    /// How long apply is to wait before it asks again; `None`: it may work.
    pub fn stands_back(&self, now_us: i64) -> Option<Duration> {
        let mut state = self.lock();
        // a clock that was set back makes a time long ago of it
        let recent = (0..GAP_US).contains(&(now_us - state.stored_us));
        if state.storing == 0 && !recent {
            return None;
        }
        let since_us = *state.since_us.get_or_insert(now_us);
        (0..STANDS_BACK_US)
            .contains(&(now_us - since_us))
            .then_some(LOOKS_AGAIN)
    }

    /// Everything that had arrived is applied.
    pub fn caught_up(&self) {
        self.lock().since_us = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storing {
    /// It is stored.
    pub fn stored(self, now_us: i64) {
        if let Some(pour) = &self.0 {
            pour.lock().stored_us = now_us;
        }
    }
}

impl Drop for Storing {
    fn drop(&mut self) {
        if let Some(pour) = &self.0 {
            pour.lock().storing -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn group(bytes: usize) -> Vec<(u64, Item)> {
        vec![(1, Item::Envelope(vec![0; bytes]))]
    }

    #[test]
    fn single_changes_let_nobody_wait() {
        let pour = Pour::default();
        let storing = pour.storing(&group(500));
        assert_eq!(pour.stands_back(S), None);
        storing.stored(S);
        assert_eq!(pour.stands_back(S), None);
    }

    #[test]
    fn apply_stands_back_while_much_arrives_but_not_for_long() {
        let pour = Pour::default();
        let large = || pour.storing(&group(100_000));
        let first = large();
        assert!(pour.stands_back(10 * S).is_some());
        first.stored(10 * S);
        assert!(pour.stands_back(10 * S + GAP_US - 1).is_some());
        assert_eq!(pour.stands_back(10 * S + GAP_US), None, "they have ended");
        // they go on: the time counts from the first, until all is applied
        let second = large();
        assert!(pour.stands_back(12 * S).is_some());
        assert_eq!(pour.stands_back(13 * S), None);
        second.stored(13 * S);
        assert_eq!(pour.stands_back(13 * S), None);
        pour.caught_up();
        let third = large();
        assert!(pour.stands_back(14 * S).is_some());
        // one that failed is not being stored any more
        drop(third);
        assert_eq!(pour.stands_back(14 * S), None);
    }

    #[test]
    fn a_clock_set_back_stops_nobody() {
        let pour = Pour::default();
        pour.storing(&group(100_000)).stored(100 * S);
        assert_eq!(pour.stands_back(50 * S), None);
    }
}
