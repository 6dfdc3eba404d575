//! What is taken up is known; what is not is somebody's fault, or nobody's.

use protocol::blame::Blame;
use protocol::directory::{Missing, Refusal, StatementFault};
use protocol::envelope::kind;
use protocol::hash::Ref;

use crate::world::{
    BUREAU, BUREAU_KEY, CITY_KEY, DISTRICT_KEY, OTHER_KEY, ROOT, THIEF, city_world, issue,
    reference, stray,
};

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
