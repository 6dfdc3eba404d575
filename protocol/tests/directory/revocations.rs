//! Revocations: who may call back whom, and what of a seat's words stands.

use protocol::directory::{
    HeaderStanding, Missing, OpeningStanding, Refusal, StatementFault, What,
};
use protocol::hash::Ref;
use protocol::name::{Position, SeatId};
use protocol::statement::{Identity, Revocation};
use protocol::words::reason;

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER_KEY, ROOT,
    THIEF, World, at, city_world, issue, open, opening, possessed, reference, revocation, revoke,
    revoked_log, stray,
};

fn identity_of(world: &World, seat: SeatId) -> Option<Ref> {
    world.directory.identity(&seat).map(|i| i.reference())
}

#[test]
fn who_may_call_back_whom() {
    let mut world = city_world();
    let (city, district) = (reference(&world.city), reference(&world.district));
    let root = world.authority();
    let refused = || Err(Refusal::NotOverThisSeat.into());
    let unknown = || Err(StatementFault::Unknown(Missing::Seat(NOBODY)));
    let check = |world: &World, what, seat, issuer, signers: &[u8], expected| {
        world.check(
            what,
            &revoke(&revocation(seat, 1, issuer), signers),
            expected,
        );
    };
    check(
        &world,
        "a bureau by its district",
        BUREAU,
        district,
        &[DISTRICT_KEY],
        Ok(()),
    );
    check(
        &world,
        "a bureau by the city",
        BUREAU,
        city,
        &[CITY_KEY],
        Ok(()),
    );
    check(
        &world,
        "a district by the city",
        DISTRICT,
        city,
        &[CITY_KEY],
        Ok(()),
    );
    check(
        &world,
        "the city by the root",
        CITY,
        root,
        &ROOT[..2],
        Ok(()),
    );
    check(
        &world,
        "the city by itself",
        CITY,
        city,
        &[CITY_KEY],
        refused(),
    );
    check(
        &world,
        "a district by itself",
        DISTRICT,
        district,
        &[DISTRICT_KEY],
        refused(),
    );
    check(
        &world,
        "a bureau by the root",
        BUREAU,
        root,
        &ROOT[..2],
        refused(),
    );
    let other = reference(&world.other);
    check(
        &world,
        "a bureau by another district",
        BUREAU,
        other,
        &[OTHER_KEY],
        refused(),
    );
    let bureau = reference(&world.bureau);
    check(
        &world,
        "a bureau by itself",
        BUREAU,
        bureau,
        &[BUREAU_KEY],
        refused(),
    );
    check(
        &world,
        "by the root of a seat not known",
        NOBODY,
        root,
        &ROOT[..2],
        unknown(),
    );
    check(
        &world,
        "by the city of a seat not known",
        NOBODY,
        city,
        &[CITY_KEY],
        Ok(()),
    );
    let bad = || Err(StatementFault::BadSignature);
    check(
        &world,
        "not signed by who it names",
        BUREAU,
        city,
        &[DISTRICT_KEY],
        bad(),
    );
    // who admitted it may call it back, whoever has restated it since
    let restated = Identity {
        issuer: city,
        ..world.next(&world.bureau)
    };
    world.take(&issue(&restated, &[CITY_KEY]));
    check(
        &world,
        "a bureau that the city restated",
        BUREAU,
        district,
        &[DISTRICT_KEY],
        Ok(()),
    );
    let admitted = world.take(&revoke(&revocation(BUREAU, 2, city), &[CITY_KEY]));
    assert_eq!(admitted.what, What::Revocation(BUREAU));
}

#[test]
fn what_stands_under_a_seat_that_admits_nobody_is_nothing() {
    let mut world = city_world();
    let with = |seat, through, issuer| Revocation {
        standing: vec![stray(1)],
        ..revocation(seat, through, issuer)
    };
    let city = reference(&world.city);
    let by_city = |world: &World, what, seat, through, expected| {
        world.check(
            what,
            &revoke(&with(seat, through, city), &[CITY_KEY]),
            expected,
        );
    };
    by_city(&world, "a district", DISTRICT, 1, Ok(()));
    let nobody = || Err(Refusal::StandingOfNobody.into());
    by_city(&world, "a bureau", BUREAU, 1, nobody());
    let later = || Err(StatementFault::Unknown(Missing::Serial(DISTRICT, 2)));
    by_city(&world, "through a serial not known", DISTRICT, 2, later());
    let missing = StatementFault::Unknown(Missing::Serial(NOBODY, 1));
    by_city(&world, "of a seat not known", NOBODY, 1, Err(missing));
    // through a serial before it admitted
    let mut plain = world.next(&world.district);
    plain.admits = false;
    let plain = issue(&plain, &[CITY_KEY]);
    world.take(&plain);
    by_city(&world, "through one that admitted", DISTRICT, 2, Ok(()));
    let mut world = city_world();
    let mut plain = Identity {
        seat: NOBODY,
        node: NOBODY,
        admits: false,
        ..crate::world::read(&world.district)
    };
    plain.keys = crate::world::keys(NEW_KEY);
    let plain = possessed(&plain, world.authority(), NEW_KEY);
    let plain = issue(&plain, &[CITY_KEY]);
    world.take(&plain);
    let mut admits = world.next(&plain);
    admits.admits = true;
    world.take(&issue(&admits, &[CITY_KEY]));
    by_city(&world, "before it admitted", NOBODY, 1, nobody());
    by_city(&world, "once it admitted", NOBODY, 2, Ok(()));
}

#[test]
fn a_revoked_seat_speaks_no_more_until_it_has_new_keys() {
    let mut world = city_world();
    let city = reference(&world.city);
    assert_eq!(identity_of(&world, BUREAU), Some(reference(&world.bureau)));
    world.take(&revoke(&revocation(BUREAU, 1, city), &[CITY_KEY]));
    assert_eq!(identity_of(&world, BUREAU), None);
    let newest = world
        .directory
        .newest_identity(&BUREAU)
        .expect("still named");
    assert!(world.directory.revoked(newest).is_some());
    assert!(world.directory.revocation(&BUREAU).is_some());
    assert!(world.directory.revocation(&DISTRICT).is_none());
    assert_eq!(world.directory.identities().count(), 3);
    let mut next = world.rekeyed(&world.bureau, NEW_KEY, None);
    next.reason = "密钥被盗".into();
    next.issuer = city;
    let next = issue(&next, &[CITY_KEY]);
    world.take(&next);
    assert_eq!(identity_of(&world, BUREAU), Some(reference(&next)));
    // the greatest serial counts, whatever comes when
    let wider = Revocation {
        serial: 3,
        ..revocation(BUREAU, 2, city)
    };
    let narrower = Revocation {
        serial: 2,
        ..revocation(BUREAU, 1, city)
    };
    world.take(&revoke(&wider, &[CITY_KEY]));
    assert_eq!(identity_of(&world, BUREAU), None);
    world.take(&revoke(&narrower, &[CITY_KEY]));
    assert_eq!(identity_of(&world, BUREAU), None);
    let lifted = Revocation {
        serial: 4,
        ..revocation(BUREAU, 1, city)
    };
    world.take(&revoke(&lifted, &[CITY_KEY]));
    assert_eq!(identity_of(&world, BUREAU), Some(reference(&next)));
}

/// What a header counts for.
#[track_caller]
fn header(world: &World, what: &str, opening: Ref, position: Position, expected: HeaderStanding) {
    let opening_ = world.directory.opening(&opening).expect("known").opening();
    let identity = world.directory.identity_by_ref(&opening_.identity);
    let standing = world.directory.header_standing(
        identity.expect("known"),
        &world.log(opening),
        opening_.counter,
        &position,
    );
    assert_eq!(standing, expected, "{what}");
}

#[test]
fn what_was_said_up_to_the_last_good_header_stands() {
    let mut world = city_world();
    let first = reference(&world.opening);
    let second = open(&opening(2, reference(&world.bureau)), BUREAU_KEY);
    world.take(&second);
    header(&world, "before", first, at(9), HeaderStanding::Stands);
    let called_back = Revocation {
        logs: vec![revoked_log(1, first, 2), revoked_log(2, first, 7)],
        ..revocation(BUREAU, 1, reference(&world.city))
    };
    world.take(&revoke(&called_back, &[CITY_KEY]));
    header(&world, "below", first, at(6), HeaderStanding::Stands);
    header(&world, "the last", first, at(7), HeaderStanding::Stands);
    header(&world, "above", first, at(8), HeaderStanding::Revoked);
    let beside = Position {
        sequence: 7,
        header: stray(99),
    };
    header(
        &world,
        "beside the last",
        first,
        beside,
        HeaderStanding::Revoked,
    );
    let standing = |world: &World, opening| world.directory.opening_standing(&opening);
    assert_eq!(standing(&world, first), OpeningStanding::Stands);
    assert_eq!(
        standing(&world, reference(&second)),
        OpeningStanding::Revoked
    );
    header(
        &world,
        "an epoch that is not listed",
        reference(&second),
        at(1),
        HeaderStanding::Opening(OpeningStanding::Revoked),
    );
    // a lane that is not listed stands nowhere
    let identity = world.directory.identity_by_ref(&reference(&world.bureau));
    let directory_lane = protocol::name::LogName {
        lane: protocol::name::Lane::Directory,
        ..world.log(first)
    };
    let standing =
        world
            .directory
            .header_standing(identity.expect("known"), &directory_lane, 1, &at(1));
    assert_eq!(standing, HeaderStanding::Revoked);
    // with new keys it goes on
    let mut next = world.rekeyed(&world.bureau, NEW_KEY, None);
    next.reason = "密钥被盗".into();
    next.issuer = reference(&world.city);
    for binds in &mut next.binds_from {
        binds.counter = 3;
    }
    let next = issue(&next, &[CITY_KEY]);
    world.take(&next);
    let third = open(&opening(3, reference(&next)), NEW_KEY);
    world.take(&third);
    header(
        &world,
        "under new keys",
        reference(&third),
        at(1),
        HeaderStanding::Stands,
    );
    header(
        &world,
        "the history stays",
        first,
        at(7),
        HeaderStanding::Stands,
    );
    header(
        &world,
        "and so does its end",
        first,
        at(8),
        HeaderStanding::Revoked,
    );
    // one who still holds the former key and names the former identity is judged by the one that binds
    let named = world.directory.identity_by_ref(&reference(&world.bureau));
    let log = world.log(reference(&third));
    let standing = world
        .directory
        .header_standing(named.expect("known"), &log, 3, &at(2));
    assert_eq!(standing, HeaderStanding::Revoked);
}

#[test]
fn a_key_that_no_longer_binds_stops_the_log() {
    let mut world = city_world();
    let mut next = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    for binds in &mut next.binds_from {
        binds.sequence = 5;
    }
    let next = issue(&next, &[DISTRICT_KEY]);
    world.take(&next);
    let first = reference(&world.opening);
    header(&world, "below", first, at(4), HeaderStanding::Stands);
    header(
        &world,
        "from there on",
        first,
        at(5),
        HeaderStanding::KeyNoLongerBinds,
    );
    let named = world
        .directory
        .identity_by_ref(&reference(&next))
        .expect("known");
    let standing = |sequence| {
        let log = world.log(first);
        world
            .directory
            .header_standing(named, &log, 1, &at(sequence))
    };
    assert_eq!(standing(5), HeaderStanding::Stands);
    assert_eq!(standing(4), HeaderStanding::KeyNoLongerBinds);
    // two of the next serial: neither binds, and the header says which two
    let mut twin = crate::world::read(&next);
    twin.title = "另一名称".into();
    world.take(&issue(&twin, &[DISTRICT_KEY]));
    header(
        &world,
        "the one before goes on",
        first,
        at(5),
        HeaderStanding::Stands,
    );
    let named = world
        .directory
        .identity_by_ref(&reference(&next))
        .expect("known");
    let log = world.log(first);
    let contested = world.directory.header_standing(named, &log, 1, &at(5));
    assert_eq!(contested, HeaderStanding::IdentityContested);
    // keys of another suite beside the same one bind, too
    for (standing, number) in [
        (HeaderStanding::Stands, None),
        (HeaderStanding::Revoked, Some(reason::REVOKED)),
        (
            HeaderStanding::KeyNoLongerBinds,
            Some(reason::KEY_NO_LONGER_BINDS),
        ),
        (
            HeaderStanding::IdentityContested,
            Some(reason::TWO_IDENTITIES),
        ),
        (HeaderStanding::Void, Some(reason::TWO_HEADERS)),
        (HeaderStanding::Opening(OpeningStanding::Stands), None),
        (
            HeaderStanding::Opening(OpeningStanding::Unknown),
            Some(reason::OPENING_UNKNOWN),
        ),
        (
            HeaderStanding::Opening(OpeningStanding::Skips),
            Some(reason::COUNTER_SKIPPED),
        ),
        (
            HeaderStanding::Opening(OpeningStanding::Contested),
            Some(reason::TWO_OPENINGS),
        ),
        (
            HeaderStanding::Opening(OpeningStanding::Void),
            Some(reason::TWO_OPENINGS),
        ),
        (
            HeaderStanding::Opening(OpeningStanding::Revoked),
            Some(reason::REVOKED),
        ),
    ] {
        assert_eq!(standing.reason(), number, "{standing:?}");
    }
}

/// A later serial that adds a co-signature binds: a header without it does not, though its first key is the same.
#[test]
fn a_key_of_another_suite_must_be_there_once_it_binds() {
    let mut world = city_world();
    let hash = |identity: &Identity, world: &World| {
        protocol::statement::possession_hash(&identity.seat, &world.authority(), &identity.keys)
    };
    let mut next = world.next(&world.bureau);
    next.keys = crate::world::keys_of_two_suites(BUREAU_KEY);
    let signature = crate::world::key(BUREAU_KEY)
        .sign(&hash(&next, &world))
        .to_vec();
    next.possession = crate::world::sigs(&[(1, signature.clone()), (2, vec![1])]);
    next.consent = crate::world::sigs(&[(1, signature)]);
    let next = issue(&next, &[DISTRICT_KEY]);
    world.take(&next);
    let first = reference(&world.opening);
    header(
        &world,
        "without it",
        first,
        at(1),
        HeaderStanding::KeyNoLongerBinds,
    );
}

/// A stolen key of a district: what it issued stands as far as the city says so, in whichever order the words come.
#[test]
fn what_a_revoked_seat_issued_stands_if_it_is_listed() {
    let world = city_world();
    let mut forged = Identity {
        seat: SeatId([0xe8; 16]),
        ..crate::world::read(&world.bureau)
    };
    forged.keys = crate::world::keys(THIEF);
    let forged = issue(
        &possessed(&forged, world.authority(), THIEF),
        &[DISTRICT_KEY],
    );
    let seat = SeatId([0xe8; 16]);
    let called_back = |standing: Vec<Ref>| {
        let revocation = Revocation {
            standing,
            ..revocation(DISTRICT, 1, reference(&world.city))
        };
        revoke(&revocation, &[CITY_KEY])
    };
    let bureau = reference(&world.bureau);
    for order in [[0, 1], [1, 0]] {
        let mut world = city_world();
        let statements = [&forged, &called_back(vec![bureau])];
        for at in order {
            world.take(statements[at]);
        }
        assert_eq!(identity_of(&world, BUREAU), Some(bureau), "listed");
        assert_eq!(identity_of(&world, seat), None, "not listed");
        assert_eq!(identity_of(&world, DISTRICT), None);
        assert_eq!(world.directory.newest_identity(&seat), None);
        let forged = world.directory.identity_by_ref(&reference(&forged));
        let forged = forged.expect("kept as history");
        assert!(!world.directory.is_issued(forged));
        let log = world.log(reference(&world.opening));
        let standing = world.directory.header_standing(forged, &log, 1, &at(1));
        assert_eq!(standing, HeaderStanding::Revoked);
        let opening = world.directory.opening_stands(&reference(&world.opening));
        assert!(opening, "the listed bureau's epoch goes on");
        // what a forged seat opens does not
        let its = protocol::statement::EpochOpening {
            seat,
            ..crate::world::opening(1, forged.reference())
        };
        let its = open(&its, THIEF);
        world.take(&its);
        let standing = world.directory.opening_standing(&reference(&its));
        assert_eq!(standing, OpeningStanding::Revoked);
    }
    let mut world = city_world();
    world.take(&called_back(Vec::new()));
    assert_eq!(identity_of(&world, BUREAU), None, "nothing is listed");
}

/// What somebody said whose keys were called back since stays said until somebody who stands says otherwise.
#[test]
fn a_revocation_outlives_its_issuer() {
    let mut world = city_world();
    let city = reference(&world.city);
    let by_thief = Revocation {
        serial: u32::MAX,
        ..revocation(BUREAU, 1, reference(&world.district))
    };
    world.take(&revoke(&by_thief, &[DISTRICT_KEY]));
    let of_district = Revocation {
        standing: vec![reference(&world.bureau)],
        ..revocation(DISTRICT, 1, city)
    };
    world.take(&revoke(&of_district, &[CITY_KEY]));
    assert_eq!(identity_of(&world, BUREAU), None, "it stays called back");
    let lifted = Revocation {
        serial: 1,
        ..revocation(BUREAU, 0, city)
    };
    world.take(&revoke(&lifted, &[CITY_KEY]));
    assert_eq!(
        identity_of(&world, BUREAU),
        Some(reference(&world.bureau)),
        "who stands counts before who does not, whatever the serials"
    );
}

#[test]
fn the_chain_shows_who_was_called_back() {
    let mut world = city_world();
    let city = reference(&world.city);
    let of_district = revoke(&revocation(DISTRICT, 1, city), &[CITY_KEY]);
    world.take(&of_district);
    let mut chain = [&world.root, &world.city, &world.district, &world.bureau]
        .map(reference)
        .to_vec();
    chain.push(reference(&of_district));
    assert_eq!(world.directory.chain(&[BUREAU]), chain);
    assert_eq!(world.directory.chain(&[CITY]), chain[..2]);
}
