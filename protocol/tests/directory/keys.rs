//! Keys of identities: whose they are, and how they are replaced.

use protocol::directory::{Refusal, StatementFault};
use protocol::name::SeatId;
use protocol::sign::{Keys, Sigs};
use protocol::statement::{Identity, possession_hash};

use crate::identities::fresh;
use crate::world::{
    BUREAU_KEY, CITY_KEY, DISTRICT_KEY, NEW_KEY, ROOT, THIEF, city_world, issue, key, possessed,
    reference, stray,
};

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
