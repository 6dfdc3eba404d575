//! What an opening means at a holder: the whole table.

use protocol::directory::{HeldLane, KnownOpenings, LanePlace, OpeningPlace, opening_place};
use protocol::hash::Ref;
use protocol::name::Position;
use protocol::statement::{EpochOpening, SeatKind};
use protocol::words::reason;

use crate::world::{self, at, stray};

/// The next opening of a seat whose former epochs are known up to 1.
fn next() -> EpochOpening {
    EpochOpening {
        last_known: vec![(0, at(2)), (2, at(7))],
        ..world::opening(2, stray(9))
    }
}

fn known(greatest: u32, beside: &[Ref]) -> KnownOpenings {
    KnownOpenings {
        greatest,
        beside: beside.to_vec(),
    }
}

fn held(last: u64, at_last_known: Option<Ref>) -> HeldLane {
    HeldLane {
        last: match last {
            0 => Position::START,
            last => at(last),
        },
        at_last_known,
    }
}

#[track_caller]
fn check(
    what: &str,
    counter: u32,
    known: &KnownOpenings,
    held: &[(u8, HeldLane)],
    owes: bool,
    expected: OpeningPlace,
) {
    let opening = EpochOpening { counter, ..next() };
    let of_kind = |kind, forks| {
        let reference = stray(100);
        opening_place(&opening, &reference, kind, known, held, owes, forks)
    };
    for kind in [SeatKind::City, SeatKind::District, SeatKind::Department] {
        assert_eq!(of_kind(kind, 0), expected, "{what}");
    }
}

#[test]
fn an_opening_has_its_place() {
    let agrees = |lane| LanePlace::Agrees { lane };
    let both = [(0, held(2, Some(stray(2)))), (2, held(7, Some(stray(7))))];
    let taken = |lanes: &[LanePlace]| OpeningPlace::TakenIn(lanes.to_vec());
    let fits = known(1, &[]);
    check(
        "all agrees",
        2,
        &fits,
        &both,
        true,
        taken(&[agrees(0), agrees(2)]),
    );
    let itself = known(2, &[stray(100)]);
    check("known", 2, &itself, &both, true, OpeningPlace::Known);
    let with_twin = known(2, &[stray(8), stray(100)]);
    check(
        "known beside another",
        2,
        &with_twin,
        &both,
        true,
        OpeningPlace::Known,
    );
    let other = known(2, &[stray(8)]);
    check(
        "another of its counter",
        2,
        &other,
        &both,
        true,
        OpeningPlace::Beside,
    );
    let beyond = known(4, &[stray(8)]);
    check(
        "another long ago",
        2,
        &beyond,
        &both,
        true,
        OpeningPlace::Beside,
    );
    check(
        "a counter that went by",
        2,
        &known(2, &[]),
        &both,
        true,
        OpeningPlace::Beside,
    );
    check(
        "a counter skipped",
        3,
        &fits,
        &both,
        true,
        OpeningPlace::Skips,
    );
    check(
        "many skipped",
        u32::MAX,
        &fits,
        &both,
        true,
        OpeningPlace::Skips,
    );
    let ahead = known(1, &[stray(8)]);
    check(
        "beside one ahead",
        3,
        &ahead,
        &both,
        true,
        OpeningPlace::Beside,
    );
    check(
        "nothing known",
        2,
        &known(0, &[]),
        &both,
        true,
        OpeningPlace::Skips,
    );
    let first = EpochOpening {
        last_known: Vec::new(),
        ..world::opening(1, stray(9))
    };
    let none = known(0, &[]);
    let place = opening_place(&first, &stray(1), SeatKind::City, &none, &[], true, 0);
    assert_eq!(place, taken(&[]), "the first of all");
    // a lane of which nothing is held
    let missing = |waits| LanePlace::Beyond {
        lane: 2,
        from: 1,
        to: 7,
        waits,
    };
    let only = [(0, held(2, Some(stray(2))))];
    check(
        "nothing held",
        2,
        &fits,
        &only,
        true,
        taken(&[agrees(0), missing(true)]),
    );
    check(
        "at a partial holder",
        2,
        &fits,
        &only,
        false,
        taken(&[agrees(0), missing(false)]),
    );
    let short = [(2, held(5, None)), (0, held(2, Some(stray(2))))];
    let tail = LanePlace::Beyond {
        lane: 2,
        from: 6,
        to: 7,
        waits: true,
    };
    check(
        "the rest is missing",
        2,
        &fits,
        &short,
        true,
        taken(&[agrees(0), tail]),
    );
    let more = [(0, held(2, Some(stray(2)))), (2, held(9, Some(stray(7))))];
    let surplus = LanePlace::Surplus { lane: 2, from: 8 };
    check(
        "more is held",
        2,
        &fits,
        &more,
        true,
        taken(&[agrees(0), surplus]),
    );
    let unnamed = [(0, held(2, Some(stray(2)))), (1, held(3, None)), both[1]];
    let all = LanePlace::Surplus { lane: 1, from: 1 };
    check(
        "a lane that it does not name",
        2,
        &fits,
        &unnamed,
        true,
        taken(&[agrees(0), all, agrees(2)]),
    );
    let beside = [(0, held(2, Some(stray(2)))), (2, held(9, Some(stray(70))))];
    let voids = LanePlace::Voids {
        lane: 2,
        last_known: at(7),
    };
    check(
        "another header there",
        2,
        &fits,
        &beside,
        true,
        taken(&[agrees(0), voids]),
    );
    check(
        "and at a partial holder",
        2,
        &fits,
        &beside,
        false,
        taken(&[agrees(0), voids]),
    );
    // held beyond it with a hole there
    let hole = [(0, held(2, Some(stray(2)))), (2, held(9, None))];
    check(
        "a hole there",
        2,
        &fits,
        &hole,
        false,
        taken(&[agrees(0), surplus]),
    );
}

#[test]
fn an_agents_fourth_fork_waits_for_a_decision() {
    let fork = [(2, held(9, Some(stray(70))))];
    let place = |kind, forks, held: &[(u8, HeldLane)]| {
        let known = known(1, &[]);
        opening_place(&next(), &stray(100), kind, &known, held, true, forks)
    };
    let held_back = |kind, forks| place(kind, forks, &fork) == OpeningPlace::ForksTooOften;
    assert!(!held_back(SeatKind::Department, 2));
    assert!(held_back(SeatKind::Department, 3));
    assert!(held_back(SeatKind::Department, 4));
    assert!(!held_back(SeatKind::District, 9));
    assert!(!held_back(SeatKind::City, 9));
    let agrees = [(2, held(7, Some(stray(7))))];
    let place = place(SeatKind::Department, 9, &agrees);
    assert!(matches!(place, OpeningPlace::TakenIn(_)), "no fork");
}

#[test]
fn the_places_have_reasons() {
    let beyond = |waits| {
        OpeningPlace::TakenIn(vec![
            LanePlace::Agrees { lane: 0 },
            LanePlace::Beyond {
                lane: 2,
                from: 1,
                to: 2,
                waits,
            },
        ])
    };
    for (place, expected) in [
        (OpeningPlace::Known, None),
        (OpeningPlace::Beside, Some(reason::TWO_OPENINGS)),
        (OpeningPlace::Skips, Some(reason::COUNTER_SKIPPED)),
        (OpeningPlace::ForksTooOften, Some(reason::TWO_HEADERS)),
        (OpeningPlace::TakenIn(Vec::new()), None),
        (beyond(true), Some(reason::WAITS_FOR_FORMER_EPOCH)),
        (beyond(false), None),
    ] {
        assert_eq!(place.reason(), expected, "{place:?}");
    }
}
