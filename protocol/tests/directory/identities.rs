//! Identities: who may admit whom, and which one is in force where.

use protocol::blame::Blame;
use protocol::directory::{Missing, Refusal, StatementFault, What};
use protocol::envelope::Envelope;
use protocol::hash::Ref;
use protocol::name::{Lane, SeatId};
use protocol::statement::{BindsFrom, Identity, SeatKind};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER, OTHER_KEY,
    ROOT, World, city_world, first_identity, issue, keys, possessed, reference, stray,
};

/// A new bureau of the district.
pub fn fresh(world: &World) -> Identity {
    let issuer = reference(&world.district);
    let identity = Identity {
        seat: SeatId([0xe9; 16]),
        ..first_identity(BUREAU, SeatKind::Department, NEW_KEY, issuer)
    };
    possessed(&identity, world.authority(), NEW_KEY)
}

fn restated(world: &World, identity: &Identity) -> Identity {
    possessed(identity, world.authority(), NEW_KEY)
}

#[test]
fn who_may_admit_whom() {
    let mut world = city_world();
    let taken = || Ok(());
    let refused = |refusal: Refusal| Err(StatementFault::from(refusal));
    let by_district = fresh(&world);
    let city = reference(&world.city);
    let with = |edit: fn(&mut Identity)| {
        let mut edited = by_district.clone();
        edit(&mut edited);
        edited
    };
    let from_city = |edit: fn(&mut Identity)| Identity {
        issuer: city,
        ..with(edit)
    };
    let district_like = |i: &mut Identity| {
        i.kind = SeatKind::District;
        i.node = i.seat;
        i.permitted.clear();
        i.admits = true;
    };
    let check = |what: &str, identity: &Identity, signer: u8, expected| {
        world.check(what, &issue(identity, &[signer]), expected);
    };
    check(
        "a bureau by its district",
        &by_district,
        DISTRICT_KEY,
        taken(),
    );
    check(
        "a town's bureau",
        &with(|i| i.jurisdiction = "370102001".into()),
        DISTRICT_KEY,
        taken(),
    );
    check(
        "a bureau by the city",
        &from_city(|_| {}),
        CITY_KEY,
        taken(),
    );
    check(
        "a bureau of the city's own",
        &from_city(|i| {
            i.jurisdiction = "370100".into();
            i.node = CITY;
        }),
        CITY_KEY,
        taken(),
    );
    check(
        "a district by the city",
        &from_city(district_like),
        CITY_KEY,
        taken(),
    );
    check(
        "a district by a district",
        &with(district_like),
        DISTRICT_KEY,
        refused(Refusal::IssuerKind),
    );
    check(
        "outside of its jurisdiction",
        &with(|i| i.jurisdiction = "370103".into()),
        DISTRICT_KEY,
        refused(Refusal::Jurisdiction),
    );
    check(
        "above its jurisdiction",
        &with(|i| i.jurisdiction = "370100".into()),
        DISTRICT_KEY,
        refused(Refusal::Jurisdiction),
    );
    check(
        "to another node",
        &with(|i| i.node = CITY),
        DISTRICT_KEY,
        refused(Refusal::NotItsNode),
    );
    check(
        "to a bureau as node",
        &from_city(|i| i.node = BUREAU),
        CITY_KEY,
        refused(Refusal::NodeIsNone),
    );
    let nowhere = StatementFault::Unknown(Missing::Seat(NOBODY));
    assert_eq!(nowhere.blame(), Blame::Nobody);
    check(
        "to a node that is not known",
        &from_city(|i| i.node = NOBODY),
        CITY_KEY,
        Err(nowhere),
    );
    let by_bureau = Identity {
        issuer: reference(&world.bureau),
        ..by_district.clone()
    };
    check(
        "a bureau by a bureau",
        &by_bureau,
        BUREAU_KEY,
        refused(Refusal::IssuerDoesNotAdmit),
    );
    let city_like = |i: &mut Identity| {
        i.kind = SeatKind::City;
        i.node = i.seat;
        i.permitted.clear();
    };
    check(
        "a city by the city",
        &from_city(city_like),
        CITY_KEY,
        refused(Refusal::RootAndCity),
    );
    let by_root = |edit: fn(&mut Identity)| Identity {
        issuer: world.authority(),
        ..with(edit)
    };
    let of_root = |what: &str, identity: &Identity, expected| {
        world.check(what, &issue(identity, &ROOT[..2]), expected);
    };
    of_root("a second city by the root", &by_root(city_like), taken());
    of_root(
        "a district by the root",
        &by_root(district_like),
        refused(Refusal::RootAndCity),
    );
    of_root(
        "a bureau by the root",
        &by_root(|_| {}),
        refused(Refusal::RootAndCity),
    );
    // signatures and what they stand on
    check(
        "signed by another district",
        &by_district,
        OTHER_KEY,
        Err(StatementFault::BadSignature),
    );
    let unknown = StatementFault::Unknown(Missing::Statement(stray(3)));
    check(
        "of an issuer that is not known",
        &with(|i| i.issuer = stray(3)),
        DISTRICT_KEY,
        Err(unknown),
    );
    check(
        "issued under an opening",
        &Identity {
            issuer: reference(&world.opening),
            ..by_district.clone()
        },
        BUREAU_KEY,
        Err(StatementFault::Unknown(Missing::Statement(reference(
            &world.opening,
        )))),
    );
    // who no longer admits
    let mut retired = world.next(&world.district);
    retired.admits = false;
    let retired = issue(&retired, &[CITY_KEY]);
    let under_retired = Identity {
        issuer: reference(&retired),
        ..by_district
    };
    world.take(&retired);
    world.check(
        "by a district that admits nobody",
        &issue(&under_retired, &[DISTRICT_KEY]),
        Err(Refusal::IssuerDoesNotAdmit.into()),
    );
}

#[test]
fn a_seat_is_restated_by_who_admitted_it_or_by_the_city() {
    let mut world = city_world();
    let next = world.next(&world.bureau);
    let by = |envelope: &Envelope, identity: &Identity| Identity {
        issuer: reference(envelope),
        ..identity.clone()
    };
    let check = |world: &World, what: &str, identity: &Identity, signer: u8, expected| {
        world.check(what, &issue(identity, &[signer]), expected);
    };
    check(&world, "by its district", &next, DISTRICT_KEY, Ok(()));
    let by_city = by(&world.city, &next);
    check(&world, "by the city", &by_city, CITY_KEY, Ok(()));
    let moved = |identity: &Identity| Identity {
        jurisdiction: "370103".into(),
        node: OTHER,
        ..by(&world.other, identity)
    };
    let another = || Err(Refusal::AdmittedByAnother.into());
    check(
        &world,
        "by another district",
        &moved(&next),
        OTHER_KEY,
        another(),
    );
    let first = moved(&read_first(&world));
    check(
        &world,
        "for the first time by another district",
        &first,
        OTHER_KEY,
        another(),
    );
    let kind = || Err(Refusal::KindChanged.into());
    let of_kind = |mut identity: Identity| {
        identity.kind = SeatKind::District;
        identity.node = identity.seat;
        identity.permitted.clear();
        identity
    };
    check(
        &world,
        "of another kind",
        &of_kind(by_city.clone()),
        CITY_KEY,
        kind(),
    );
    let first_of_kind = of_kind(by(&world.city, &read_first(&world)));
    check(
        &world,
        "of another kind from the start",
        &first_of_kind,
        CITY_KEY,
        kind(),
    );
    let of_district = Identity {
        seat: DISTRICT,
        keys: keys(NEW_KEY),
        ..fresh(&world)
    };
    let of_district = restated(&world, &of_district);
    // whatever seat it is, a district is not restated as somebody's bureau
    let by_other = Identity {
        jurisdiction: "370103".into(),
        node: OTHER,
        ..by(&world.other, &of_district)
    };
    check(
        &world,
        "a district as a bureau of another",
        &by_other,
        OTHER_KEY,
        kind(),
    );
    let skipping = Identity {
        serial: 3,
        ..next.clone()
    };
    let missing = StatementFault::Unknown(Missing::Serial(BUREAU, 2));
    check(
        &world,
        "with a serial skipped",
        &skipping,
        DISTRICT_KEY,
        Err(missing),
    );
    let admitted = world.take(&issue(&next, &[DISTRICT_KEY]));
    assert_eq!(admitted.what, What::Identity(BUREAU));
    check(
        &world,
        "once the one before is known",
        &skipping,
        DISTRICT_KEY,
        Ok(()),
    );
    // a seat that the city admitted stays the city's
    let city_own = restated(
        &world,
        &Identity {
            issuer: reference(&world.city),
            ..fresh(&world)
        },
    );
    let admitted = issue(&city_own, &[CITY_KEY]);
    world.take(&admitted);
    let taken_over = by(&world.district, &world.next(&admitted));
    check(
        &world,
        "a seat of the city's",
        &taken_over,
        DISTRICT_KEY,
        another(),
    );
}

fn read_first(world: &World) -> Identity {
    let mut first = crate::world::read(&world.bureau);
    first.title = "另一名称".into();
    first
}

#[test]
fn the_identity_in_force_goes_by_position() {
    let mut world = city_world();
    let mut second = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    second.binds_from = [
        BindsFrom {
            counter: 1,
            sequence: 1,
        },
        BindsFrom {
            counter: 2,
            sequence: 1,
        },
        BindsFrom {
            counter: 2,
            sequence: 7,
        },
    ];
    let second = issue(&second, &[DISTRICT_KEY]);
    world.take(&second);
    let (one, two) = (reference(&world.bureau), reference(&second));
    for (lane, counter, sequence, expected) in [
        (Lane::Directory, 1, 1, two),
        (Lane::Cases, 1, 9, one),
        (Lane::Cases, 2, 1, two),
        (Lane::Records, 1, u64::MAX, one),
        (Lane::Records, 2, 6, one),
        (Lane::Records, 2, 7, two),
        (Lane::Records, 3, 1, two),
    ] {
        let binding = world
            .directory
            .identity_at(&BUREAU, lane, counter, sequence);
        let binding = binding.map(|identity| identity.reference());
        assert_eq!(binding, Some(expected), "{lane:?} {counter} {sequence}");
    }
    let now = world.directory.identity(&BUREAU).expect("it may speak");
    assert_eq!(now.reference(), two);
    assert_eq!(
        world.directory.identity_at(&NOBODY, Lane::Cases, 1, 1),
        None
    );
    assert_eq!(world.directory.identities().count(), 4);
}

/// The issuer named is the one asked, whatever has become of it since: a rotation makes no history invalid.
#[test]
fn an_issuers_rotation_leaves_what_it_issued() {
    let mut world = city_world();
    let rekeyed = world.rekeyed(&world.district, NEW_KEY, Some(DISTRICT_KEY));
    let rekeyed = issue(&rekeyed, &[CITY_KEY]);
    world.take(&rekeyed);
    assert!(world.directory.identity(&BUREAU).is_some());
    let next = world.next(&world.bureau);
    world.check("under the former", &issue(&next, &[DISTRICT_KEY]), Ok(()));
    let under_new = Identity {
        issuer: reference(&rekeyed),
        ..next
    };
    world.check("under the new", &issue(&under_new, &[NEW_KEY]), Ok(()));
    world.check(
        "under the new with the former key",
        &issue(&under_new, &[DISTRICT_KEY]),
        Err(StatementFault::BadSignature),
    );
}

#[test]
fn two_identities_of_one_serial_are_both_not_in_force() {
    let world = city_world();
    let twin = |title: &str| {
        let mut identity = world.next(&world.bureau);
        identity.title = title.into();
        issue(&identity, &[DISTRICT_KEY])
    };
    let (a, b) = (twin("甲"), twin("乙"));
    for order in [[&a, &b], [&b, &a]] {
        let mut world = city_world();
        world.take(order[0]);
        let newest = |world: &World| {
            let identity = world.directory.identity(&BUREAU);
            identity.map(|identity| identity.reference())
        };
        assert_eq!(newest(&world), Some(reference(order[0])));
        assert!(world.directory.contested_serials(&BUREAU).is_empty());
        world.take(order[1]);
        assert_eq!(newest(&world), Some(reference(&world.bureau)));
        assert_eq!(world.directory.contested_serials(&BUREAU), [2]);
        // both are history
        assert!(world.directory.identity_by_ref(&reference(&a)).is_some());
        assert_eq!(world.directory.of_seat(&BUREAU).count(), 3);
        // a greater uncontested one ends it
        let third = issue(&world.next(order[0]), &[DISTRICT_KEY]);
        world.take(&third);
        assert_eq!(newest(&world), Some(reference(&third)));
        assert_eq!(world.directory.contested_serials(&BUREAU), [2]);
    }
    // neither first serial counts, so nobody does
    let mut world = city_world();
    let again = issue(&read_first(&world), &[DISTRICT_KEY]);
    world.take(&again);
    assert_eq!(world.directory.identity(&BUREAU), None);
    assert_eq!(world.directory.newest_identity(&BUREAU), None);
}

#[test]
fn a_chain_is_all_that_a_stranger_needs() {
    let mut world = city_world();
    let second = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    let second = Identity {
        issuer: reference(&world.city),
        ..second
    };
    let second = issue(&second, &[CITY_KEY]);
    world.take(&second);
    let chain = world.directory.chain(&[BUREAU]);
    let all = [
        &world.root,
        &world.city,
        &world.district,
        &world.bureau,
        &second,
    ];
    let expected: Vec<Ref> = all.iter().map(|envelope| reference(envelope)).collect();
    assert_eq!(chain, expected, "in an order in which each can be taken up");
    let mut stranger =
        protocol::directory::Directory::trusting(&world.root, &world.authority().hash.0)
            .expect("the root");
    for reference_ in chain.iter().skip(1) {
        let envelope = all.iter().find(|e| reference(e) == *reference_);
        stranger
            .admit(envelope.expect("of the chain"))
            .expect("it fits");
    }
    let now = stranger.identity(&BUREAU).map(|i| i.reference());
    assert_eq!(now, Some(reference(&second)));
    assert_eq!(
        world.directory.chain(&[OTHER, CITY]),
        [&world.root, &world.city, &world.other].map(reference)
    );
    assert_eq!(world.directory.chain(&[NOBODY]), [world.authority()]);
}
