//! What an opening means at a holder, given what is known of the seat's epochs and held of the one before (D80, D84, D87).

use crate::hash::Ref;
use crate::name::Position;
use crate::statement::{EpochOpening, SeatKind};
use crate::words::reason;

/// What is known of a seat's openings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownOpenings {
    /// Counters from 1 to here are known; 0 for none.
    pub greatest: u32,
    /// Openings known of the counter in question.
    pub beside: Vec<Ref>,
}

/// What a holder has of one lane of the epoch before, compared with what an opening calls last known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldLane {
    /// The last header held that is in order.
    pub last: Position,
    /// The header held at the sequence that the opening calls last known, if one is.
    pub at_last_known: Option<Ref>,
}

/// What to do with an opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpeningPlace {
    /// It is known.
    Known,
    /// Another opening of its counter is known (6): both are kept, headers under both wait for the seat's next opening.
    Beside,
    /// Its counter is not the next (7): ask everybody for what lies between, then a person.
    Skips,
    /// One fork too many of an agent (5): for a decision.
    ForksTooOften,
    /// Taken in.
    TakenIn(Vec<LanePlace>),
}

/// What an opening that is taken in means for one lane of the epoch before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LanePlace {
    /// What is held and what is last known agree.
    Agrees {
        /// Lane.
        lane: u8,
    },
    /// The chain that ends at `last_known` stands; the other header held at that sequence and what hangs on it is void.
    Voids {
        /// Lane.
        lane: u8,
        /// Where the chain that stands ends.
        last_known: Position,
    },
    /// Headers of the former epoch are missing here: want them.
    Beyond {
        /// Lane.
        lane: u8,
        /// First sequence that is missing.
        from: u64,
        /// Last sequence that is missing.
        to: u64,
        /// Whether headers of the new epoch wait for them (12): only at who owes the log in full.
        waits: bool,
    },
    /// More is held than the seat knows. It stays valid and is shown in *logs*; the seat takes it back.
    Surplus {
        /// Lane.
        lane: u8,
        /// First sequence that the seat does not know.
        from: u64,
    },
}

/// Own forks of an agent within 30 days after which the next one waits for a decision.
pub const FORKS_MAX: usize = 3;

impl OpeningPlace {
    /// The number by which parties tell each other why the logs of the epoch are held; `None` where they are not.
    pub fn reason(&self) -> Option<u16> {
        match self {
            Self::Known => None,
            Self::Beside => Some(reason::TWO_OPENINGS),
            Self::Skips => Some(reason::COUNTER_SKIPPED),
            Self::ForksTooOften => Some(reason::TWO_HEADERS),
            Self::TakenIn(lanes) => {
                let waits =
                    |lane: &LanePlace| matches!(lane, LanePlace::Beyond { waits: true, .. });
                lanes
                    .iter()
                    .any(waits)
                    .then_some(reason::WAITS_FOR_FORMER_EPOCH)
            }
        }
    }
}

/// Decides what an opening means. `held` gives, for each lane of the former epoch in which this holder has a header or the
/// opening names one, what is held; `owes_in_full` says whether this holder owes the seat's logs in full; `forks` counts the
/// seat's own forks of the last 30 days.
pub fn opening_place(
    opening: &EpochOpening,
    reference: &Ref,
    kind: SeatKind,
    known: &KnownOpenings,
    held: &[(u8, HeldLane)],
    owes_in_full: bool,
    forks: usize,
) -> OpeningPlace {
    if known.beside.contains(reference) {
        return OpeningPlace::Known;
    }
    if opening.counter <= known.greatest || !known.beside.is_empty() {
        return OpeningPlace::Beside;
    }
    if opening.counter - known.greatest > 1 {
        return OpeningPlace::Skips;
    }
    let mut lanes: Vec<u8> = held.iter().map(|(lane, _)| *lane).collect();
    lanes.extend(opening.last_known.iter().map(|(lane, _)| *lane));
    lanes.sort_unstable();
    lanes.dedup();
    let places: Vec<LanePlace> = lanes
        .into_iter()
        .map(|lane| {
            let of_lane = held.iter().find(|(number, _)| *number == lane);
            let held = of_lane.map_or(HeldLane::default(), |(_, held)| *held);
            lane_place(lane, opening.last_known(lane), &held, owes_in_full)
        })
        .collect();
    let forked = places.iter().any(|p| matches!(p, LanePlace::Voids { .. }));
    if forked && kind == SeatKind::Department && forks >= FORKS_MAX {
        return OpeningPlace::ForksTooOften;
    }
    OpeningPlace::TakenIn(places)
}

fn lane_place(lane: u8, last_known: Position, held: &HeldLane, owes_in_full: bool) -> LanePlace {
    if held
        .at_last_known
        .is_some_and(|header| header != last_known.header)
    {
        return LanePlace::Voids { lane, last_known };
    }
    match held.last.sequence.cmp(&last_known.sequence) {
        std::cmp::Ordering::Equal => LanePlace::Agrees { lane },
        std::cmp::Ordering::Less => LanePlace::Beyond {
            lane,
            from: held.last.sequence + 1,
            to: last_known.sequence,
            waits: owes_in_full,
        },
        std::cmp::Ordering::Greater => LanePlace::Surplus {
            lane,
            from: last_known.sequence + 1,
        },
    }
}
