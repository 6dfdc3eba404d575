//! What is said at intervals, newest word first: at most one value per key waits, and bursts leave at least a pause apart.

use std::collections::BTreeMap;

use crate::session::Millis;

/// Values that leave in bursts. Within a burst each key is said once; between the end of one and the start of the next lies
/// the pause.
#[derive(Debug)]
pub(super) struct Paced<K, V> {
    pause: Millis,
    most: usize,
    waiting: BTreeMap<K, V>,
    leaving: BTreeMap<K, V>,
    next: Millis,
}

impl<K: Ord, V> Paced<K, V> {
    pub(super) const fn new(pause: Millis, most: usize) -> Self {
        Self {
            pause,
            most,
            waiting: BTreeMap::new(),
            leaving: BTreeMap::new(),
            next: 0,
        }
    }

    /// Takes a word in place of the one that waits for this key. `false` if it is of a further key and there is no room.
    pub(super) fn put(&mut self, now: Millis, key: K, value: V) -> bool {
        let fits = self.waiting.len() < self.most || self.waiting.contains_key(&key);
        if fits {
            self.waiting.insert(key, value);
            self.begin(now);
        }
        fits
    }

    /// Begins a burst if one is due.
    pub(super) fn begin(&mut self, now: Millis) {
        if self.leaving.is_empty() && now >= self.next {
            std::mem::swap(&mut self.waiting, &mut self.leaving);
        }
    }

    /// The next value of the burst that is leaving.
    pub(super) fn pop(&mut self, now: Millis) -> Option<V> {
        let (_, value) = self.leaving.pop_first()?;
        if self.leaving.is_empty() {
            self.next = now + self.pause;
        }
        Some(value)
    }

    /// When the next burst is due; a burst that is leaving waits for room, not for time.
    pub(super) fn timeout(&self) -> Option<Millis> {
        (self.leaving.is_empty() && !self.waiting.is_empty()).then_some(self.next)
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.leaving.clear();
    }

    /// Values that are kept.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.waiting.len() + self.leaving.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_of_a_key_leaves_once_a_pause() {
        let mut paced = Paced::new(1_000, 8);
        assert!(paced.put(0, 1, "a"));
        assert_eq!((paced.pop(5), paced.pop(5)), (Some("a"), None));
        for word in ["b", "c", "d"] {
            assert!(paced.put(10, 1, word));
        }
        assert_eq!(paced.pop(10), None);
        assert_eq!(paced.timeout(), Some(1_005));
        paced.begin(1_004);
        assert_eq!(paced.pop(1_004), None);
        paced.begin(1_005);
        assert_eq!(paced.timeout(), None, "it leaves now");
        assert_eq!((paced.pop(1_005), paced.pop(1_005)), (Some("d"), None));
        assert_eq!(paced.timeout(), None, "nothing waits");
    }

    #[test]
    fn a_key_is_not_said_twice_because_its_burst_was_slow() {
        let mut paced = Paced::new(1_000, 8);
        paced.put(0, 1, "a");
        paced.put(0, 2, "b");
        // the first leaves at once, the second waits for the next burst
        assert_eq!(paced.pop(0), Some("a"));
        assert_eq!(paced.pop(0), None);
        paced.put(500, 1, "c");
        paced.begin(1_000);
        assert_eq!(paced.pop(1_000), Some("c"));
        paced.put(1_500, 1, "d");
        assert_eq!(paced.pop(2_500), Some("b"));
        paced.begin(2_500);
        assert_eq!(paced.pop(2_500), None);
        assert_eq!(paced.timeout(), Some(3_500));
    }

    #[test]
    fn no_more_keys_wait_than_there_is_room_for() {
        let mut paced = Paced::new(1_000, 2);
        paced.put(0, 0, 0);
        paced.pop(0);
        assert!(paced.put(1, 1, 1) && paced.put(1, 2, 2));
        assert!(!paced.put(1, 3, 3), "a third key");
        assert!(paced.put(1, 2, 4), "a newer word of the second");
        assert_eq!(paced.held(), 2);
    }
}
