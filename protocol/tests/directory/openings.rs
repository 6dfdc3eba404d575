//! Openings: who may open, and which of several counts.

use protocol::directory::{KnownOpenings, Missing, OpeningStanding, Refusal, StatementFault, What};
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::Position;
use protocol::statement::{EpochOpening, ForkDecision, Forked};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY_KEY, DISTRICT, DISTRICT_KEY, NOBODY, World, at, city_world, open,
    opening, reference, signed, stray,
};

#[test]
fn an_epoch_is_opened_by_its_seat() {
    let mut world = city_world();
    let bureau = reference(&world.bureau);
    let next = opening(2, bureau);
    world.check("by its seat", &open(&next, BUREAU_KEY), Ok(()));
    world.check(
        "by another key",
        &open(&next, DISTRICT_KEY),
        Err(StatementFault::BadSignature),
    );
    let of_another = EpochOpening {
        seat: DISTRICT,
        ..next.clone()
    };
    world.check(
        "of another seat",
        &open(&of_another, BUREAU_KEY),
        Err(Refusal::AnotherSeat.into()),
    );
    let spoken = world.directory.speaker(&open(&of_another, BUREAU_KEY));
    assert_eq!(spoken, Some(BUREAU), "whatever seat it is about");
    let unknown = EpochOpening {
        identity: stray(1),
        ..next.clone()
    };
    world.check(
        "under an identity that is not known",
        &open(&unknown, BUREAU_KEY),
        Err(StatementFault::Unknown(Missing::Statement(stray(1)))),
    );
    let under_root = EpochOpening {
        identity: world.authority(),
        ..next.clone()
    };
    world.check(
        "under a root version",
        &open(&under_root, BUREAU_KEY),
        Err(StatementFault::Unknown(Missing::Statement(
            world.authority(),
        ))),
    );
    let admitted = world.take(&open(&next, BUREAU_KEY));
    assert_eq!(admitted.what, What::Opening(BUREAU));
    let counters: Vec<u32> = world
        .directory
        .openings(&BUREAU)
        .map(|o| o.opening().counter)
        .collect();
    assert_eq!(counters, [1, 2]);
    assert_eq!(world.directory.openings(&NOBODY).count(), 0);
}

fn standing(world: &World, opening: Ref) -> OpeningStanding {
    let standing = world.directory.opening_standing(&opening);
    let stands = world.directory.opening_stands(&opening);
    assert_eq!(stands, standing == OpeningStanding::Stands);
    standing
}

#[test]
fn an_opening_waits_for_the_counters_before_it() {
    let mut world = city_world();
    let bureau = reference(&world.bureau);
    let (second, third) = (
        open(&opening(2, bureau), BUREAU_KEY),
        open(&opening(3, bureau), BUREAU_KEY),
    );
    let far = open(&opening(u32::MAX, bureau), BUREAU_KEY);
    assert_eq!(
        standing(&world, reference(&third)),
        OpeningStanding::Unknown
    );
    world.take(&third);
    world.take(&far);
    assert_eq!(standing(&world, reference(&third)), OpeningStanding::Skips);
    assert_eq!(standing(&world, reference(&far)), OpeningStanding::Skips);
    let known = |world: &World, counter| world.directory.known_openings(&BUREAU, counter);
    let beside = |greatest, beside: &[Ref]| KnownOpenings {
        greatest,
        beside: beside.to_vec(),
    };
    assert_eq!(known(&world, 2), beside(1, &[]));
    assert_eq!(known(&world, 3), beside(1, &[reference(&third)]));
    assert_eq!(
        world.directory.known_openings(&NOBODY, 1),
        KnownOpenings::default()
    );
    world.take(&second);
    assert_eq!(
        standing(&world, reference(&second)),
        OpeningStanding::Stands
    );
    assert_eq!(standing(&world, reference(&third)), OpeningStanding::Stands);
    assert_eq!(standing(&world, reference(&far)), OpeningStanding::Skips);
    assert_eq!(known(&world, 4), beside(3, &[]));
}

/// Openings of the bureau by counter, a letter to tell twins apart and what they declare void.
fn twin(world: &World, counter: u32, letter: u8, void: &[Ref]) -> EpochOpening {
    let mut void = void.to_vec();
    void.sort();
    EpochOpening {
        nonce: [letter; 16],
        void,
        ..opening(counter, reference(&world.bureau))
    }
}

fn opened(world: &mut World, opening: &EpochOpening) -> Ref {
    world.take(&open(opening, BUREAU_KEY)).reference
}

#[test]
fn of_two_openings_of_one_counter_the_seats_next_one_decides() {
    let mut world = city_world();
    let a = twin(&world, 2, b'a', &[]);
    let a = opened(&mut world, &a);
    assert_eq!(standing(&world, a), OpeningStanding::Stands);
    let b = twin(&world, 2, b'b', &[]);
    let b = opened(&mut world, &b);
    assert_eq!(standing(&world, a), OpeningStanding::Contested);
    assert_eq!(standing(&world, b), OpeningStanding::Contested);
    let silent = twin(&world, 3, b'c', &[]);
    let mut undecided = city_world();
    opened(&mut undecided, &twin(&world, 2, b'a', &[]));
    opened(&mut undecided, &twin(&world, 2, b'b', &[]));
    let c = opened(&mut undecided, &silent);
    assert_eq!(standing(&undecided, a), OpeningStanding::Contested);
    assert_eq!(standing(&undecided, c), OpeningStanding::Stands);
    // the seat has seen both
    let decides = twin(&world, 3, b'd', &[a]);
    let d = opened(&mut world, &decides);
    assert_eq!(standing(&world, a), OpeningStanding::Void);
    assert_eq!(standing(&world, b), OpeningStanding::Stands);
    assert_eq!(standing(&world, d), OpeningStanding::Stands);
    // at a holder that has only the void one, it is void, too
    let mut half = city_world();
    opened(&mut half, &twin(&world, 2, b'a', &[]));
    opened(&mut half, &decides);
    assert_eq!(standing(&half, a), OpeningStanding::Void);
    // all void: none stands
    let mut world = city_world();
    opened(&mut world, &twin(&half, 2, b'a', &[]));
    opened(&mut world, &twin(&half, 2, b'b', &[]));
    let none = twin(&half, 3, b'e', &[a, b]);
    opened(&mut world, &none);
    assert_eq!(standing(&world, a), OpeningStanding::Void);
    assert_eq!(standing(&world, b), OpeningStanding::Void);
}

/// A decision by an opening that is itself void decides nothing; runs of twins are worked off from their end.
#[test]
fn a_void_opening_decides_nothing() {
    let mut world = city_world();
    let a = twin(&world, 2, b'a', &[]);
    let b = twin(&world, 2, b'b', &[]);
    let (a, b) = (opened(&mut world, &a), opened(&mut world, &b));
    let for_b = twin(&world, 3, b'c', &[a]);
    let for_a = twin(&world, 3, b'd', &[b]);
    let (for_b, for_a) = (opened(&mut world, &for_b), opened(&mut world, &for_a));
    for opening in [a, b, for_a, for_b] {
        assert_eq!(standing(&world, opening), OpeningStanding::Contested);
    }
    let last = twin(&world, 4, b'e', &[for_b]);
    let last = opened(&mut world, &last);
    for (opening, expected) in [
        (a, OpeningStanding::Stands),
        (b, OpeningStanding::Void),
        (for_a, OpeningStanding::Stands),
        (for_b, OpeningStanding::Void),
        (last, OpeningStanding::Stands),
    ] {
        assert_eq!(standing(&world, opening), expected);
    }
}

/// A long run of twins costs its length, not two to its power.
#[test]
fn a_run_of_twins_is_worked_off_once() {
    let mut world = city_world();
    let mut before = Vec::new();
    for counter in 2..60 {
        let void: Vec<Ref> = before.iter().take(1).copied().collect();
        let twins = [b'a', b'b'].map(|letter| twin(&world, counter, letter, &void));
        before = twins.iter().map(|o| opened(&mut world, o)).collect();
        assert_eq!(standing(&world, before[0]), OpeningStanding::Contested);
    }
    let end = twin(&world, 60, b'z', &[before[1]]);
    opened(&mut world, &end);
    let first: Vec<Ref> = world
        .directory
        .openings(&BUREAU)
        .filter(|o| o.opening().counter == 2)
        .map(|o| o.reference())
        .collect();
    assert_eq!(standing(&world, before[0]), OpeningStanding::Stands);
    assert_eq!(standing(&world, first[0]), OpeningStanding::Void);
    assert_eq!(standing(&world, first[1]), OpeningStanding::Stands);
}

#[test]
fn the_authority_decides_before_the_seat() {
    let mut world = city_world();
    let a = twin(&world, 2, b'a', &[]);
    let b = twin(&world, 2, b'b', &[]);
    let (a, b) = (opened(&mut world, &a), opened(&mut world, &b));
    let decision = ForkDecision {
        seat: BUREAU,
        serial: 1,
        place: Forked::Opening(2),
        survivor: a,
        others: vec![b],
        reason: String::new(),
        issuer: reference(&world.city),
    };
    let envelope = signed(
        protocol::envelope::kind::FORK_DECISION,
        decision.to_bytes(),
        &[CITY_KEY],
    );
    world.take(&envelope);
    assert_eq!(standing(&world, a), OpeningStanding::Stands);
    assert_eq!(standing(&world, b), OpeningStanding::Void);
    let against = twin(&world, 3, b'c', &[a]);
    opened(&mut world, &against);
    assert_eq!(standing(&world, a), OpeningStanding::Stands);
    assert_eq!(standing(&world, b), OpeningStanding::Void);
}

#[test]
fn the_next_opening_says_where_the_former_epoch_ends() {
    let mut world = city_world();
    let first = reference(&world.opening);
    let log = world.log(first);
    assert_eq!(world.directory.former_end(&log), None);
    let next = EpochOpening {
        last_known: vec![(2, at(9))],
        ..twin(&world, 2, b'a', &[])
    };
    let next = opened(&mut world, &next);
    assert_eq!(world.directory.former_end(&log), Some(at(9)));
    let cases = protocol::name::LogName {
        lane: protocol::name::Lane::Cases,
        ..log
    };
    assert_eq!(world.directory.former_end(&cases), Some(Position::START));
    let found = world.directory.next_opening(&first).expect("the next");
    assert_eq!(found.reference(), next);
    assert!(world.directory.next_opening(&next).is_none());
    assert!(world.directory.next_opening(&stray(1)).is_none());
    // one that does not stand says nothing
    let beside = twin(&world, 2, b'b', &[]);
    opened(&mut world, &beside);
    assert_eq!(world.directory.former_end(&log), None);
}

#[test]
fn openings_of_one_key_are_bounded() {
    let quota = || Err(StatementFault::OverQuota(BUREAU));
    // beside each other
    let mut world = city_world();
    for letter in 0..=limits::VOID_OPENINGS_MAX as u8 {
        let twin = twin(&world, 2, letter, &[]);
        opened(&mut world, &twin);
    }
    let more = twin(&world, 2, 99, &[]);
    world.check("one more twin", &open(&more, BUREAU_KEY), quota());
    let next = twin(&world, 3, 99, &[]);
    world.check("of another counter", &open(&next, BUREAU_KEY), Ok(()));
    // ahead
    let mut world = city_world();
    for n in 0..limits::OPENINGS_AHEAD_MAX as u32 {
        let ahead = twin(&world, 3 + n, 1, &[]);
        opened(&mut world, &ahead);
    }
    let ahead = twin(&world, 1_000, 1, &[]);
    world.check("one more ahead", &open(&ahead, BUREAU_KEY), quota());
    let next = twin(&world, 2, 1, &[]);
    world.check("the next one", &open(&next, BUREAU_KEY), Ok(()));
    opened(&mut world, &next);
    world.check("ahead again", &open(&ahead, BUREAU_KEY), Ok(()));
}

#[test]
fn openings_of_one_identity_are_bounded_and_a_new_identity_begins_anew() {
    let mut world = city_world();
    for counter in 2..=limits::OPENINGS_PER_IDENTITY_MAX as u32 {
        let next = twin(&world, counter, 1, &[]);
        opened(&mut world, &next);
    }
    let next = limits::OPENINGS_PER_IDENTITY_MAX as u32 + 1;
    let more = twin(&world, next, 1, &[]);
    world.check(
        "one more",
        &open(&more, BUREAU_KEY),
        Err(StatementFault::OverQuota(BUREAU)),
    );
    let identity = crate::world::issue(&world.next(&world.bureau), &[DISTRICT_KEY]);
    world.take(&identity);
    let under_next = EpochOpening {
        identity: reference(&identity),
        ..more
    };
    world.check(
        "under the next identity",
        &open(&under_next, BUREAU_KEY),
        Ok(()),
    );
}
