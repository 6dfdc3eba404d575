//! Cursors of peers that moved over what does not concern this node. There is nothing to store with them, and to be sent such
//! a step again costs nothing: they go into the store with the next group of their peer, so that a step without an item
//! needs no sync of its own.

use std::collections::{BTreeMap, HashMap};

use protocol::name::SeatId;
use store::CursorRow;

/// After so long they are stored by themselves: a peer then begins its reading not far back.
const WAIT_US: i64 = 5_000_000;

/// What waits, by peer.
#[derive(Debug, Default)]
pub struct Moves(HashMap<SeatId, Moved>);

#[derive(Debug)]
struct Moved {
    since_us: i64,
    /// By class; of one feed.
    rows: BTreeMap<u8, CursorRow>,
}

impl Moves {
    /// Notes a move. `true`: what waits is to be stored now.
    pub fn note(&mut self, row: CursorRow, now_us: i64) -> bool {
        let moved = self.0.entry(row.peer).or_insert_with(|| Moved {
            since_us: now_us,
            rows: BTreeMap::new(),
        });
        moved.rows.retain(|_, other| other.feed == row.feed);
        moved.rows.insert(row.class, row);
        // a clock that was set back makes a time long ago of it
        !(0..WAIT_US).contains(&(now_us - moved.since_us))
    }

    /// What waits of a peer, to be stored.
    pub fn take(&mut self, peer: &SeatId) -> Vec<CursorRow> {
        self.0
            .remove(peer)
            .map(|moved| moved.rows.into_values().collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use protocol::name::FeedId;

    use super::*;

    const S: i64 = 1_000_000;
    const PEER: SeatId = SeatId([1; 16]);

    fn row(class: u8, offset: u64, feed: u8) -> CursorRow {
        CursorRow {
            peer: PEER,
            feed: FeedId([feed; 16]),
            class,
            offset,
            interest_version: 1,
            token: [0; 16],
        }
    }

    #[test]
    fn the_last_move_of_each_class_waits_for_company_but_not_for_long() {
        let mut moves = Moves::default();
        assert!(!moves.note(row(1, 4, 0), 10 * S));
        assert!(!moves.note(row(2, 4, 0), 12 * S));
        assert!(!moves.note(row(1, 7, 0), 14 * S));
        assert!(moves.note(row(0, 7, 0), 15 * S));
        assert_eq!(
            moves.take(&PEER),
            [row(0, 7, 0), row(1, 7, 0), row(2, 4, 0)]
        );
        assert_eq!(moves.take(&PEER), []);
    }

    #[test]
    fn moves_of_a_feed_that_was_replaced_are_forgotten() {
        let mut moves = Moves::default();
        moves.note(row(1, 900, 0), 0);
        moves.note(row(2, 3, 1), 0);
        assert_eq!(moves.take(&PEER), [row(2, 3, 1)]);
    }

    #[test]
    fn a_clock_set_back_keeps_nothing_waiting() {
        let mut moves = Moves::default();
        assert!(!moves.note(row(1, 4, 0), 100 * S));
        assert!(moves.note(row(1, 5, 0), 50 * S));
    }
}
