//! Identities: who may admit whom, what may change with a serial, and which one is in force where.

use protocol::blame::Blame;
use protocol::directory::{Missing, Refusal, StatementFault, What};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::name::{Lane, SeatId};
use protocol::sign::{Keys, Sigs};
use protocol::statement::{BindsFrom, Identity, SeatKind, possession_hash};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER, OTHER_KEY,
    ROOT, THIEF, World, city_world, first_identity, issue, key, keys, possessed, reference, stray,
};

/// A new bureau of the district.
fn fresh(world: &World) -> Identity {
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
fn keys_belong_to_the_seat_that_has_signed_with_them() {
    let world = city_world();
    let identity = fresh(&world);
    let refused = || Err(Refusal::Possession.into());
    let check = |what: &str, identity: &Identity, expected| {
        world.check(what, &issue(identity, &[DISTRICT_KEY]), expected);
    };
    check("possessed", &identity, Ok(()));
    let none = Identity {
        possession: Sigs::default(),
        ..identity.clone()
    };
    check("by nobody", &none, refused());
    check(
        "by another key",
        &possessed(&identity, world.authority(), THIEF),
        refused(),
    );
    check(
        "for another authority",
        &possessed(&identity, stray(1), NEW_KEY),
        refused(),
    );
    let other = Identity {
        seat: SeatId([0xe7; 16]),
        ..identity.clone()
    };
    check("for another seat", &other, refused());
    let sealed = Identity {
        keys: Keys::of(key(NEW_KEY).public(), Some([1; 32])),
        ..identity
    };
    check("for another seal key", &sealed, refused());
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
fn keys_are_replaced_with_consent_or_with_a_reason_of_the_city() {
    let mut world = city_world();
    let refused = |refusal: Refusal| Err(StatementFault::from(refusal));
    let agreed = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    let silent = world.rekeyed(&world.bureau, NEW_KEY, None);
    let forged = world.rekeyed(&world.bureau, NEW_KEY, Some(THIEF));
    let same = world.next(&world.bureau);
    let reasoned = |identity: &Identity| Identity {
        reason: "原密钥丢失".into(),
        ..identity.clone()
    };
    let consented = |identity: &Identity| Identity {
        consent: agreed.consent.clone(),
        ..identity.clone()
    };
    let by_city = |identity: &Identity| Identity {
        issuer: reference(&world.city),
        ..identity.clone()
    };
    for (what, identity, of_city, expected) in [
        ("the same keys", &same, false, Ok(())),
        (
            "the same keys with a reason",
            &reasoned(&same),
            false,
            refused(Refusal::ReasonNotCalledFor),
        ),
        (
            "the same keys with a consent",
            &consented(&same),
            false,
            refused(Refusal::ReasonNotCalledFor),
        ),
        ("with consent", &agreed, false, Ok(())),
        ("with consent, by the city", &agreed, true, Ok(())),
        (
            "with consent and a reason",
            &reasoned(&agreed),
            true,
            refused(Refusal::ReasonNotCalledFor),
        ),
        (
            "without consent",
            &silent,
            false,
            refused(Refusal::ReasonMissing),
        ),
        (
            "without consent, by the city without a reason",
            &silent,
            true,
            refused(Refusal::ReasonMissing),
        ),
        (
            "without consent, with a district's reason",
            &reasoned(&silent),
            false,
            refused(Refusal::ReasonMissing),
        ),
        ("with the city's reason", &reasoned(&silent), true, Ok(())),
        (
            "with a forged consent",
            &forged,
            false,
            refused(Refusal::Consent),
        ),
        (
            "with a forged consent and the city's reason",
            &reasoned(&forged),
            true,
            refused(Refusal::Consent),
        ),
    ] {
        let envelope = match of_city {
            true => issue(&by_city(identity), &[CITY_KEY]),
            false => issue(identity, &[DISTRICT_KEY]),
        };
        world.check(what, &envelope, expected);
    }
    // the city's own keys: the root says why
    let city = world.rekeyed(&world.city, NEW_KEY, None);
    let root = |what: &str, identity: &Identity, expected| {
        world.check(what, &issue(identity, &ROOT[..2]), expected);
    };
    root(
        "the city's without a reason",
        &city,
        refused(Refusal::ReasonMissing),
    );
    root("the city's with a reason", &reasoned(&city), Ok(()));
    // the consent that counts is that of the serial just before
    world.take(&issue(&agreed, &[DISTRICT_KEY]));
    let next = issue(&agreed, &[DISTRICT_KEY]);
    let by_first = world.rekeyed(&next, 22, Some(BUREAU_KEY));
    let by_second = world.rekeyed(&next, 22, Some(NEW_KEY));
    let third = |what: &str, identity: &Identity, expected| {
        world.check(what, &issue(identity, &[DISTRICT_KEY]), expected);
    };
    third(
        "consent of an earlier key",
        &by_first,
        refused(Refusal::Consent),
    );
    third("consent of the last key", &by_second, Ok(()));
}

/// A seat with keys of two suites: both must consent, unless the city has a reason; what there is must be good.
#[test]
fn consent_is_that_of_every_suite() {
    let world = city_world();
    let mut two = fresh(&world);
    two.keys = crate::world::keys_of_two_suites(NEW_KEY);
    let hash =
        |identity: &Identity| possession_hash(&identity.seat, &world.authority(), &identity.keys);
    let of_first = |seed: u8, identity: &Identity| key(seed).sign(&hash(identity)).to_vec();
    let both = |seed: u8, identity: &Identity| {
        crate::world::sigs(&[(1, of_first(seed, identity)), (2, vec![5; 64])])
    };
    two.possession = Sigs::of(key(NEW_KEY).sign(&hash(&two)));
    let refused = |refusal: Refusal| Err(StatementFault::from(refusal));
    let district = |what: &str, identity: &Identity, expected| {
        world.check(what, &issue(identity, &[DISTRICT_KEY]), expected);
    };
    district(
        "possession of one suite",
        &two,
        refused(Refusal::Possession),
    );
    two.possession = both(NEW_KEY, &two);
    district("possession of both", &two, Ok(()));
    let first = issue(&two, &[DISTRICT_KEY]);
    let mut next = world.rekeyed(&first, 22, None);
    next.consent = both(NEW_KEY, &next);
    let mut with = city_world();
    with.take(&first);
    let district = |what: &str, identity: &Identity, expected| {
        with.check(what, &issue(identity, &[DISTRICT_KEY]), expected);
    };
    district("both agree", &next, Ok(()));
    next.consent = Sigs::of(key(NEW_KEY).sign(&hash(&next)));
    district("one agrees", &next, refused(Refusal::ReasonMissing));
    next.reason = "另一密钥丢失".into();
    next.issuer = reference(&world.city);
    with.check(
        "one agrees, with a reason",
        &issue(&next, &[CITY_KEY]),
        Ok(()),
    );
    next.consent = crate::world::sigs(&[(2, vec![5; 64])]);
    with.check(
        "the other agrees, with a reason",
        &issue(&next, &[CITY_KEY]),
        Ok(()),
    );
    next.consent = crate::world::sigs(&[(3, vec![5; 64])]);
    with.check(
        "a suite that it never had",
        &issue(&next, &[CITY_KEY]),
        refused(Refusal::Consent),
    );
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

/// With two of one serial, the next follows whichever its keys follow.
#[test]
fn a_serial_follows_any_of_the_serial_before() {
    let mut world = city_world();
    let a = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    let b = world.rekeyed(&world.bureau, 22, Some(BUREAU_KEY));
    let (a, b) = (issue(&a, &[DISTRICT_KEY]), issue(&b, &[DISTRICT_KEY]));
    world.take(&a);
    world.take(&b);
    for (envelope, seed) in [(&a, NEW_KEY), (&b, 22)] {
        let next = world.next(envelope);
        world.check("the same keys", &issue(&next, &[DISTRICT_KEY]), Ok(()));
        let rekeyed = world.rekeyed(envelope, 23, Some(seed));
        world.check("with consent", &issue(&rekeyed, &[DISTRICT_KEY]), Ok(()));
    }
    let stranger = world.rekeyed(&a, 23, Some(THIEF));
    world.check(
        "with consent of neither",
        &issue(&stranger, &[DISTRICT_KEY]),
        Err(Refusal::Consent.into()),
    );
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

#[test]
fn everything_that_was_taken_up_is_known() {
    let world = city_world();
    let mut all = [
        &world.root,
        &world.city,
        &world.district,
        &world.other,
        &world.bureau,
        &world.opening,
    ]
    .map(reference);
    all.sort();
    let known: Vec<Ref> = world.directory.references().copied().collect();
    assert_eq!(known, all);
    assert!(all.iter().all(|reference| world.directory.knows(reference)));
    assert!(!world.directory.knows(&stray(1)));
}

/// What is presented is checked in a copy; the directory itself learns nothing from it.
#[test]
fn a_scratch_copy_is_a_copy() {
    let world = city_world();
    let mut scratch = world.directory.clone();
    let next = issue(&world.next(&world.bureau), &[DISTRICT_KEY]);
    scratch.admit(&next).expect("it is taken up there");
    assert!(scratch.knows(&reference(&next)));
    assert!(!world.directory.knows(&reference(&next)));
}

#[test]
fn a_kind_that_is_no_statement_is_refused() {
    let world = city_world();
    for kind in [
        kind::POSSESSION,
        kind::HEADER,
        kind::RECEIPT,
        kind::PRESENCE,
        kind::FEED_HEAD,
    ] {
        let mut bytes = world.bureau.bytes.clone();
        bytes[16] = 0;
        let envelope = crate::world::signed(kind, bytes, &[BUREAU_KEY]);
        let fault = StatementFault::NotAStatement(kind);
        assert_eq!(fault.blame(), Blame::Relay);
        world.check("no statement", &envelope, Err(fault));
    }
}

/// What follows no layout is the fault of whoever answers for the seat, if such a one has signed it; else of the relay.
#[test]
fn malformed_objects_are_blamed_on_who_signed_them() {
    let world = city_world();
    let mut bytes = world.bureau.bytes.clone();
    bytes.push(0);
    let check = |signer: u8, blame: Blame| {
        let envelope = crate::world::signed(kind::IDENTITY, bytes.clone(), &[signer]);
        let mut directory = world.directory.clone();
        let fault = directory.admit(&envelope).expect_err("malformed");
        assert_eq!(fault.blame(), blame, "{signer}: {fault:?}");
        assert!(!fault.to_string().is_empty());
    };
    check(BUREAU_KEY, Blame::Origin);
    check(DISTRICT_KEY, Blame::Origin);
    check(CITY_KEY, Blame::Origin);
    check(ROOT[2], Blame::Origin);
    check(OTHER_KEY, Blame::Relay);
    check(THIEF, Blame::Relay);
}

#[test]
fn faults_say_whose_they_are() {
    for (fault, blame) in [
        (StatementFault::BadSignature, Blame::Relay),
        (Refusal::Possession.into(), Blame::Origin),
        (StatementFault::OverQuota(BUREAU), Blame::Nobody),
        (
            StatementFault::Unknown(Missing::Revocation(BUREAU)),
            Blame::Nobody,
        ),
    ] {
        assert_eq!(fault.blame(), blame, "{fault}");
    }
    let named = Missing::Statement(stray(1));
    assert_eq!(named.reference(), Some(stray(1)));
    assert_eq!(Missing::Seat(BUREAU).reference(), None);
}
