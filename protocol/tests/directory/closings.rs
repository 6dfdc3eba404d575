//! Closings: who may close which epoch, and what of it counts as lost.

use protocol::directory::{Missing, Refusal, StatementFault, What};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::statement::{Closing, Lost, Revocation};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY_KEY, DISTRICT, DISTRICT_KEY, World, at, city_world, open, opening,
    reference, revocation, revoke, revoked_log, signed, stray,
};

fn lost(from: u64, to: u64) -> Lost {
    Lost {
        lane: 2,
        from,
        to,
        header: Ref::ZERO,
    }
}

/// A closing of the bureau's first epoch.
fn closing(world: &World, serial: u32, lost: &[Lost]) -> Closing {
    Closing {
        seat: BUREAU,
        opening: reference(&world.opening),
        serial,
        identity: reference(&world.bureau),
        ends: vec![(2, at(9))],
        lost: lost.to_vec(),
        asked: true,
        note: String::new(),
    }
}

fn close(closing: &Closing, signer: u8) -> Envelope {
    signed(kind::CLOSING, closing.to_bytes(), &[signer])
}

fn closable() -> World {
    let mut world = city_world();
    let next = open(&opening(2, reference(&world.bureau)), BUREAU_KEY);
    world.take(&next);
    world
}

#[test]
fn an_epoch_is_closed_once_there_is_a_later_one() {
    let mut world = city_world();
    let first = closing(&world, 1, &[lost(2, 3)]);
    let waits = StatementFault::Unknown(Missing::LaterOpening(BUREAU, 1));
    world.check("the newest epoch", &close(&first, BUREAU_KEY), Err(waits));
    let next = open(&opening(2, reference(&world.bureau)), BUREAU_KEY);
    world.take(&next);
    world.check("a former epoch", &close(&first, BUREAU_KEY), Ok(()));
    world.check(
        "by another key",
        &close(&first, DISTRICT_KEY),
        Err(StatementFault::BadSignature),
    );
    let unknown = Closing {
        opening: stray(1),
        ..first.clone()
    };
    world.check(
        "an epoch that is not known",
        &close(&unknown, BUREAU_KEY),
        Err(StatementFault::Unknown(Missing::Statement(stray(1)))),
    );
    let of_nobody = Closing {
        identity: stray(2),
        ..first.clone()
    };
    world.check(
        "under an identity that is not known",
        &close(&of_nobody, BUREAU_KEY),
        Err(StatementFault::Unknown(Missing::Statement(stray(2)))),
    );
    let another = || Err(Refusal::AnotherSeat.into());
    let by_district = Closing {
        identity: reference(&world.district),
        ..first.clone()
    };
    world.check(
        "by its district",
        &close(&by_district, DISTRICT_KEY),
        another(),
    );
    let of_district = Closing {
        seat: DISTRICT,
        ..by_district
    };
    world.check(
        "an epoch of another",
        &close(&of_district, DISTRICT_KEY),
        another(),
    );
    let admitted = world.take(&close(&first, BUREAU_KEY));
    assert_eq!(admitted.what, What::Closing(BUREAU));
    // the last one of all, too
    let of_second = Closing {
        opening: reference(&next),
        ..first
    };
    let waits = StatementFault::Unknown(Missing::LaterOpening(BUREAU, 2));
    world.check(
        "the second epoch",
        &close(&of_second, BUREAU_KEY),
        Err(waits),
    );
}

fn declared(world: &World, sequence: u64) -> bool {
    let log = world.log(reference(&world.opening));
    world.directory.is_declared_lost(&log, sequence, 0)
}

#[test]
fn a_greater_closing_contains_the_lower() {
    let base = closable();
    let of = |serial, lost: &[Lost]| close(&closing(&base, serial, lost), BUREAU_KEY);
    let contradicts = || Err(Refusal::ClosingContradicts.into());
    let mut world = closable();
    world.take(&of(2, &[lost(2, 3), lost(5, 6)]));
    world.check(
        "the same and more",
        &of(3, &[lost(1, 3), lost(5, 9)]),
        Ok(()),
    );
    world.check("one range for two", &of(3, &[lost(2, 6)]), Ok(()));
    world.check("less at the front", &of(3, &[lost(3, 6)]), contradicts());
    world.check("less at the end", &of(3, &[lost(2, 5)]), contradicts());
    world.check("one range less", &of(3, &[lost(2, 3)]), contradicts());
    let lane = Lost {
        lane: 1,
        ..lost(5, 6)
    };
    world.check("another lane", &of(3, &[lane, lost(2, 3)]), contradicts());
    world.check("a lower one within", &of(1, &[lost(5, 5)]), Ok(()));
    world.check("a lower one beyond", &of(1, &[lost(7, 7)]), contradicts());
    world.check(
        "a second of its serial",
        &of(2, &[lost(2, 9)]),
        contradicts(),
    );
    assert!(declared(&world, 2) && declared(&world, 6) && !declared(&world, 4));
    world.take(&of(1, &[lost(5, 5)]));
    assert!(declared(&world, 2), "the greater one still counts");
    world.take(&of(3, &[lost(2, 6)]));
    assert!(declared(&world, 4));
    let log = world.log(stray(1));
    assert!(
        !world.directory.is_declared_lost(&log, 2, 0),
        "another epoch"
    );
    let cases = protocol::name::LogName {
        lane: protocol::name::Lane::Cases,
        ..world.log(reference(&world.opening))
    };
    assert!(
        !world.directory.is_declared_lost(&cases, 2, 0),
        "another lane"
    );
    // what a receipt calls safeguarded is not closed unasked
    let mut world = closable();
    let unasked = Closing {
        asked: false,
        ..closing(&world, 1, &[lost(2, 6)])
    };
    world.take(&close(&unasked, BUREAU_KEY));
    let log = world.log(reference(&world.opening));
    let at = |sequence, safeguarded| {
        world
            .directory
            .is_declared_lost(&log, sequence, safeguarded)
    };
    assert!(at(4, 3) && !at(4, 4));
}

#[test]
fn the_city_closes_for_a_seat_that_was_called_back() {
    let mut world = city_world();
    let city = reference(&world.city);
    let first = reference(&world.opening);
    let by_city = Closing {
        identity: city,
        ..closing(&world, 1, &[lost(2, 3)])
    };
    let waits = || Err(StatementFault::Unknown(Missing::Revocation(BUREAU)));
    world.check("of a seat that stands", &close(&by_city, CITY_KEY), waits());
    let called_back = Revocation {
        logs: vec![revoked_log(1, stray(3), 1), revoked_log(2, first, 9)],
        ..revocation(BUREAU, 1, city)
    };
    world.take(&revoke(&called_back, &[CITY_KEY]));
    world.check("of one called back", &close(&by_city, CITY_KEY), Ok(()));
    let elsewhere = Closing {
        ends: vec![(2, at(8))],
        ..by_city.clone()
    };
    world.check("with other ends", &close(&elsewhere, CITY_KEY), waits());
    let more = Closing {
        ends: vec![(1, at(1)), (2, at(9))],
        ..by_city.clone()
    };
    world.check("with more ends", &close(&more, CITY_KEY), waits());
    let none = Closing {
        ends: Vec::new(),
        ..by_city.clone()
    };
    world.check("with no end", &close(&none, CITY_KEY), waits());
    assert!(!declared(&world, 2));
    world.take(&close(&by_city, CITY_KEY));
    assert!(declared(&world, 2));
    // city and seat each count for themselves
    let next = open(&opening(2, reference(&world.bureau)), BUREAU_KEY);
    world.take(&next);
    let own = closing(&world, 1, &[lost(5, 6)]);
    world.take(&close(&own, BUREAU_KEY));
    assert!(
        !declared(&world, 5),
        "what a seat says whose keys were called back"
    );
    assert_eq!(world.directory.closings(&first).count(), 1);
    assert_eq!(world.directory.closings(&stray(1)).count(), 0);
}

#[test]
fn what_a_seat_closed_counts_until_it_is_called_back() {
    let mut world = closable();
    let own = closing(&world, 1, &[lost(5, 6)]);
    world.take(&close(&own, BUREAU_KEY));
    assert!(declared(&world, 5));
    let called_back = revocation(BUREAU, 1, reference(&world.city));
    world.take(&revoke(&called_back, &[CITY_KEY]));
    assert!(!declared(&world, 5));
}
