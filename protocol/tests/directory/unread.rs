//! What this release does not read: kept, dropped, and whose fault it is. And that it is taken in once it is read.

use protocol::blame::{Blame, Unread, judge_unread, reads};
use protocol::directory::StatementFault;
use protocol::envelope::{Envelope, Signature, kind};
use protocol::hash::{SUITE, object};
use protocol::name::SeatId;

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER, OTHER_KEY,
    ROOT, THIEF, World, city_world, cosign, issue, key, reference, revocation, revoke,
};

/// An object of a later release, about a seat.
fn later(kind: u8, format: u16, name_suite: u8, seat: SeatId, signer: u8) -> Envelope {
    let mut bytes = seat.0.to_vec();
    bytes.extend_from_slice(&[0; 40]);
    let key = key(signer);
    let hash = object(name_suite, kind, format, &bytes);
    Envelope {
        name_suite,
        kind,
        format,
        bytes,
        signatures: vec![Signature {
            suite: SUITE,
            key: key.public().0.to_vec(),
            bytes: key.sign(&hash).to_vec(),
        }],
    }
}

#[track_caller]
fn check(world: &World, what: &str, envelope: &Envelope, expected: Unread) {
    assert!(!reads(envelope), "{what}");
    assert_eq!(judge_unread(&world.directory, envelope), expected, "{what}");
    let mut directory = world.directory.clone();
    let fault = directory.admit(envelope).expect_err("unread");
    assert_eq!(fault, StatementFault::Unread(expected), "{what}");
    assert_eq!(fault.blame(), expected.blame(), "{what}");
}

#[test]
fn what_is_not_read_is_kept_if_somebody_has_signed_who_answers_for_the_seat() {
    let world = city_world();
    // every kind in another format, other kinds, another suite
    for kind in 1..=13 {
        let envelope = later(kind, 2, 1, BUREAU, BUREAU_KEY);
        check(&world, "format 2", &envelope, Unread::Keep(BUREAU));
        let envelope = later(kind, 1, 2, BUREAU, BUREAU_KEY);
        check(&world, "suite 2", &envelope, Unread::Keep(BUREAU));
    }
    for kind in [0, 14, 255] {
        let envelope = later(kind, 1, 1, BUREAU, BUREAU_KEY);
        check(&world, "another kind", &envelope, Unread::Keep(BUREAU));
    }
    let keep = |what, seat, signer, charged: SeatId| {
        let envelope = later(kind::IDENTITY, 2, 1, seat, signer);
        check(&world, what, &envelope, Unread::Keep(charged));
    };
    keep("by its district", BUREAU, DISTRICT_KEY, BUREAU);
    keep("by the city", BUREAU, CITY_KEY, BUREAU);
    keep("by the root", BUREAU, ROOT[2], BUREAU);
    keep("a district by the city", DISTRICT, CITY_KEY, DISTRICT);
    keep("the city by the root", CITY, ROOT[0], CITY);
    let zero = SeatId::default();
    keep("the authority by the root", zero, ROOT[1], zero);
    keep("the authority by the city", zero, CITY_KEY, zero);
    // a seat that is not known yet is charged to who brings it
    keep("a new seat by a district", NOBODY, DISTRICT_KEY, DISTRICT);
    keep("a new seat by the city", NOBODY, CITY_KEY, CITY);
    keep("a new seat by the root", NOBODY, ROOT[0], zero);
    let drop = |what, seat, signer| {
        let envelope = later(kind::IDENTITY, 2, 1, seat, signer);
        check(&world, what, &envelope, Unread::Unsigned);
    };
    drop("by another district", BUREAU, OTHER_KEY);
    drop("by a thief", BUREAU, THIEF);
    drop("a district by its bureau", DISTRICT, BUREAU_KEY);
    drop("the city by a district", CITY, DISTRICT_KEY);
    drop("the authority by a district", zero, DISTRICT_KEY);
    drop("a new seat by a bureau", NOBODY, BUREAU_KEY);
    drop("a district by another", OTHER, DISTRICT_KEY);
    let mut short = later(14, 1, 1, BUREAU, BUREAU_KEY);
    short.bytes.truncate(15);
    check(&world, "of no seat", &short, Unread::Unsigned);
    let mut turned = later(14, 1, 1, BUREAU, BUREAU_KEY);
    turned.name_suite = 2;
    check(
        &world,
        "a suite turned by a relay",
        &turned,
        Unread::Unsigned,
    );
    assert_eq!(Unread::Unsigned.blame(), Blame::Relay);
    assert_eq!(Unread::Uncheckable.blame(), Blame::Nobody);
    assert_eq!(Unread::Keep(BUREAU).blame(), Blame::Nobody);
}

#[test]
fn only_keys_in_force_answer_for_a_seat() {
    let mut world = city_world();
    let rekeyed = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    world.take(&issue(&rekeyed, &[DISTRICT_KEY]));
    let of = |signer| later(14, 1, 1, BUREAU, signer);
    check(&world, "the new key", &of(NEW_KEY), Unread::Keep(BUREAU));
    check(&world, "the former key", &of(BUREAU_KEY), Unread::Unsigned);
    let called_back = revocation(BUREAU, 2, reference(&world.city));
    world.take(&revoke(&called_back, &[CITY_KEY]));
    check(&world, "called back", &of(NEW_KEY), Unread::Unsigned);
    check(
        &world,
        "its district",
        &of(DISTRICT_KEY),
        Unread::Keep(BUREAU),
    );
    // a district that was called back answers for nobody
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    world.take(&revoke(&called_back, &[CITY_KEY]));
    check(
        &world,
        "a district called back",
        &of(DISTRICT_KEY),
        Unread::Unsigned,
    );
    let new = later(14, 1, 1, NOBODY, DISTRICT_KEY);
    check(&world, "nor for a new one", &new, Unread::Unsigned);
}

/// A seat whose only identity is one that is not read: nothing of it can be checked, and nobody is to blame.
#[test]
fn a_seat_that_cannot_be_checked_is_nobodys_fault() {
    let mut world = city_world();
    let of_seat = later(kind::HEADER, 1, 2, NOBODY, THIEF);
    check(&world, "before", &of_seat, Unread::Unsigned);
    let foreign = later(kind::CLOSING, 2, 1, NOBODY, CITY_KEY);
    let _ = world.directory.admit(&foreign);
    check(
        &world,
        "after another statement",
        &of_seat,
        Unread::Unsigned,
    );
    let forged = later(kind::IDENTITY, 2, 1, NOBODY, THIEF);
    let _ = world.directory.admit(&forged);
    check(
        &world,
        "after a forged identity",
        &of_seat,
        Unread::Unsigned,
    );
    let identity = later(kind::IDENTITY, 2, 1, NOBODY, CITY_KEY);
    assert_eq!(
        world.directory.admit(&identity),
        Err(StatementFault::Unread(Unread::Keep(CITY)))
    );
    check(&world, "after its identity", &of_seat, Unread::Uncheckable);
    assert!(world.directory.is_seat_unread(&NOBODY));
    // a seat that is known stays checkable
    let of_bureau = later(kind::IDENTITY, 2, 1, BUREAU, CITY_KEY);
    let _ = world.directory.admit(&of_bureau);
    assert!(!world.directory.is_seat_unread(&BUREAU));
    let stranger = later(14, 1, 1, BUREAU, THIEF);
    check(&world, "a known seat", &stranger, Unread::Unsigned);
}

#[test]
fn seats_that_are_not_read_are_remembered_up_to_a_bound() {
    let mut world = city_world();
    let seat = |n: usize| {
        let mut seat = [0xaa; 16];
        seat[..8].copy_from_slice(&(n as u64).to_be_bytes());
        SeatId(seat)
    };
    let max = protocol::limits::UNREAD_SEATS_MAX;
    for n in 0..=max {
        let identity = later(kind::IDENTITY, 2, 1, seat(n), CITY_KEY);
        let _ = world.directory.admit(&identity);
    }
    assert!(world.directory.is_seat_unread(&seat(max - 1)));
    assert!(!world.directory.is_seat_unread(&seat(max)));
}

#[test]
fn a_lane_of_a_later_release_is_not_read() {
    let header = |lane| {
        let mut envelope = later(kind::HEADER, 1, 1, BUREAU, BUREAU_KEY);
        envelope.bytes[16] = lane;
        reads(&envelope)
    };
    assert!(header(0) && header(1) && header(2));
    assert!(header(3), "read and refused");
    assert!(!header(4) && !header(255));
    let mut statement = later(kind::OPENING, 1, 1, BUREAU, BUREAU_KEY);
    statement.bytes[16] = 4;
    assert!(reads(&statement), "only headers have a lane there");
    for kind in 1..=13 {
        assert!(reads(&later(kind, 1, 1, BUREAU, BUREAU_KEY)));
        assert!(!reads(&later(kind, 0, 1, BUREAU, BUREAU_KEY)));
    }
    let mut cosigned = later(14, 1, 1, BUREAU, THIEF);
    cosign(&mut cosigned, 1);
    check(
        &city_world(),
        "signed in suite 2 only",
        &cosigned,
        Unread::Unsigned,
    );
}
