//! Fork decisions and activations: who may decide, and what counts then.

use protocol::directory::{HeaderStanding, Missing, Refusal, StatementFault, What};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::name::{Position, SeatId};
use protocol::statement::{Activation, ForkDecision, Forked};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT_KEY, NOBODY, ROOT, World, at, city_world, issue,
    reference, revocation, revoke, signed, stray,
};

fn decision(world: &World, serial: u32, place: Forked, survivor: Ref) -> ForkDecision {
    ForkDecision {
        seat: BUREAU,
        serial,
        place,
        survivor,
        others: vec![stray(200)],
        reason: String::new(),
        issuer: reference(&world.city),
    }
}

fn decide(decision: &ForkDecision, signers: &[u8]) -> Envelope {
    signed(kind::FORK_DECISION, decision.to_bytes(), signers)
}

#[test]
fn forks_are_decided_by_the_city_and_its_own_by_the_root() {
    let mut world = city_world();
    let base = decision(&world, 1, Forked::Identity(2), stray(1));
    let with = |seat, issuer| ForkDecision {
        seat,
        issuer,
        ..base.clone()
    };
    let (city, root) = (reference(&world.city), world.authority());
    let refused = || Err(Refusal::NotOverThisSeat.into());
    let check = |what, decision: &ForkDecision, signers: &[u8], expected| {
        world.check(what, &decide(decision, signers), expected);
    };
    check("by the city", &base, &[CITY_KEY], Ok(()));
    check(
        "of a seat not known",
        &with(NOBODY, city),
        &[CITY_KEY],
        Ok(()),
    );
    check(
        "of the city by itself",
        &with(CITY, city),
        &[CITY_KEY],
        refused(),
    );
    check(
        "of the city by the root",
        &with(CITY, root),
        &ROOT[..2],
        Ok(()),
    );
    check(
        "of a bureau by the root",
        &with(BUREAU, root),
        &ROOT[..2],
        refused(),
    );
    let unknown = || Err(StatementFault::Unknown(Missing::Seat(NOBODY)));
    check(
        "by the root of a seat not known",
        &with(NOBODY, root),
        &ROOT[..2],
        unknown(),
    );
    let district = reference(&world.district);
    check(
        "by its district",
        &with(BUREAU, district),
        &[DISTRICT_KEY],
        refused(),
    );
    let bureau = reference(&world.bureau);
    check("by itself", &with(BUREAU, bureau), &[BUREAU_KEY], refused());
    let bad = || Err(StatementFault::BadSignature);
    check("not signed by who it names", &base, &[DISTRICT_KEY], bad());
    let admitted = world.take(&decide(&base, &[CITY_KEY]));
    assert_eq!(admitted.what, What::ForkDecision(BUREAU));
}

#[test]
fn of_two_identities_the_survivor_is_in_force() {
    let mut world = city_world();
    let twin = |world: &World, title: &str| {
        let mut identity = world.next(&world.bureau);
        identity.title = title.into();
        issue(&identity, &[DISTRICT_KEY])
    };
    let (a, b) = (twin(&world, "甲"), twin(&world, "乙"));
    let place = Forked::Identity(2);
    world.take(&a);
    let newest = |world: &World| {
        let identity = world.directory.identity(&BUREAU);
        identity.map(|identity| identity.reference())
    };
    // decided before the survivor has come: the one that is here lost
    let for_b = decision(&world, 3, place, reference(&b));
    world.take(&decide(&for_b, &[CITY_KEY]));
    assert_eq!(newest(&world), Some(reference(&world.bureau)));
    assert!(world.directory.contested_serials(&BUREAU).is_empty());
    world.take(&b);
    assert_eq!(newest(&world), Some(reference(&b)));
    assert!(world.directory.contested_serials(&BUREAU).is_empty());
    // a lower serial changes nothing, a greater one does, of equal ones the greater reference
    let for_a = decision(&world, 2, place, reference(&a));
    world.take(&decide(&for_a, &[CITY_KEY]));
    assert_eq!(newest(&world), Some(reference(&b)));
    let for_a = decision(&world, 4, place, reference(&a));
    world.take(&decide(&for_a, &[CITY_KEY]));
    assert_eq!(newest(&world), Some(reference(&a)));
    let elsewhere = decision(&world, 9, Forked::Identity(1), stray(1));
    let elsewhere = ForkDecision {
        seat: NOBODY,
        ..elsewhere
    };
    world.take(&decide(&elsewhere, &[CITY_KEY]));
    assert_eq!(newest(&world), Some(reference(&a)), "about another seat");
    let chain = world.directory.chain(&[BUREAU]);
    let decided = world.directory.decision(&BUREAU, place).expect("decided");
    assert_eq!(chain.last(), Some(&decided.reference()));
    assert_eq!(chain.len(), 7, "the chain carries the decision");
}

#[test]
fn equal_decisions_are_told_apart_by_their_references() {
    let mut winners = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let mut world = city_world();
        let place = Forked::Identity(2);
        let both = [stray(1), stray(2)].map(|survivor| {
            let decision = decision(&world, 1, place, survivor);
            decide(&decision, &[CITY_KEY])
        });
        for at in order {
            world.take(&both[at]);
        }
        let decided = world.directory.decision(&BUREAU, place).expect("decided");
        assert_eq!(
            decided.reference(),
            both.iter().map(reference).max().expect("two"),
            "the greater reference"
        );
        winners.push(decided.reference());
    }
    assert_eq!(winners[0], winners[1], "whatever came first");
}

#[test]
fn of_two_headers_the_survivor_counts() {
    let mut world = city_world();
    let opening = reference(&world.opening);
    let place = Forked::Header {
        lane: 2,
        opening,
        sequence: 7,
    };
    let decision = decision(&world, 1, place, at(7).header);
    world.take(&decide(&decision, &[CITY_KEY]));
    let standing = |position: Position| {
        let identity = world.directory.identity(&BUREAU).expect("it speaks");
        let log = world.log(opening);
        world
            .directory
            .header_standing(identity, &log, 1, &position)
    };
    let other = Position {
        sequence: 7,
        header: stray(70),
    };
    assert_eq!(standing(at(7)), HeaderStanding::Stands);
    assert_eq!(standing(other), HeaderStanding::Void);
    let elsewhere = Position {
        sequence: 8,
        header: stray(70),
    };
    assert_eq!(standing(elsewhere), HeaderStanding::Stands);
}

/// What a city decided whose keys were called back counts only if the root lets it stand.
#[test]
fn a_decision_counts_with_its_issuer() {
    let mut world = city_world();
    let place = Forked::Opening(2);
    let decision = decide(&decision(&world, 1, place, stray(1)), &[CITY_KEY]);
    world.take(&decision);
    assert!(world.directory.decision(&BUREAU, place).is_some());
    let mut of_city = revocation(CITY, 1, world.authority());
    world.take(&revoke(&of_city, &ROOT[..2]));
    assert!(world.directory.decision(&BUREAU, place).is_none());
    of_city.serial = 2;
    of_city.standing = vec![reference(&decision)];
    world.take(&revoke(&of_city, &ROOT[..2]));
    assert!(world.directory.decision(&BUREAU, place).is_some());
}

#[test]
fn activations_are_the_citys() {
    let mut world = city_world();
    let activation = |seat, issuer| Activation {
        seat,
        serial: 1,
        suite: 2,
        kind: 9,
        format: 2,
        from: Vec::new(),
        issuer,
    };
    let activate = |activation: &Activation, signers: &[u8]| {
        signed(kind::ACTIVATION, activation.to_bytes(), signers)
    };
    let city = reference(&world.city);
    let for_all = activate(&activation(SeatId::default(), city), &[CITY_KEY]);
    world.check("for all", &for_all, Ok(()));
    let for_one = activate(&activation(BUREAU, city), &[CITY_KEY]);
    world.check("for one", &for_one, Ok(()));
    let refused = || Err(Refusal::NotOverThisSeat.into());
    let by_root = activate(&activation(BUREAU, world.authority()), &ROOT[..2]);
    world.check("by the root", &by_root, refused());
    let district = reference(&world.district);
    let by_district = activate(&activation(BUREAU, district), &[DISTRICT_KEY]);
    world.check("by a district", &by_district, refused());
    let admitted = world.take(&for_all);
    assert_eq!(admitted.what, What::Activation);
    assert!(
        world.directory.knows(&reference(&for_all)),
        "stored and relayed"
    );
}
