//! Vectors of what is not read: kept, dropped, and whose fault it is.

use protocol::envelope::{Envelope, Signature, kind};
use protocol::hash::{Hash, Ref, object as object_hash};
use protocol::name::SeatId;
use protocol::statement::{EpochOpening, Identity, Revocation, RevokedLog, SeatKind};

use crate::json::Json;
use crate::scene::{Base, Scene};
use crate::words::base;
use crate::world::{
    self, BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER_KEY,
    ROOT, THIEF, World, at, issue, open, opening, possessed, reference, revocation, revoke,
};

/// An object of a later release, about a seat.
fn later(kind: u8, format: u16, name_suite: u8, seat: SeatId, signer: u8) -> Envelope {
    let mut bytes = seat.0.to_vec();
    bytes.extend_from_slice(&[0; 24]);
    let key = world::key(signer);
    let hash = object_hash(name_suite, kind, format, &bytes);
    Envelope {
        name_suite,
        kind,
        format,
        bytes,
        signatures: vec![Signature {
            suite: 1,
            key: key.public().0.to_vec(),
            bytes: key.sign(&hash).to_vec(),
        }],
    }
}

pub fn unread() -> Json {
    let world = world::city_world();
    let base = base(&world);
    let cases = vec![
        unread_of_a_seat(&base),
        unread_of_others(&base),
        unread_seats(&base),
        unread_after_rotation(&base, &world),
        unread_in_what_is_read(&base, &world),
    ];
    base.file(cases)
}

fn unread_of_a_seat(base: &Base) -> Scene {
    let mut s = base.case("kinds, formats and suites that are not read, of a department");
    for (name, kind, format, suite) in [
        ("an identity of format 2", kind::IDENTITY, 2u16, 1u8),
        ("an opening of format 2", kind::OPENING, 2, 1),
        ("a header of format 2", kind::HEADER, 2, 1),
        ("a possession of format 2", kind::POSSESSION, 2, 1),
        ("a receipt of format 65535", kind::RECEIPT, u16::MAX, 1),
        ("an opening of format 0", kind::OPENING, 0, 1),
        ("an opening of name suite 2", kind::OPENING, 1, 2),
        ("a header of name suite 2", kind::HEADER, 1, 2),
        ("a closing of name suite 255", kind::CLOSING, 1, 255),
        ("kind 0", 0, 1, 1),
        ("kind 14", 14, 1, 1),
        ("kind 255", 255, 1, 1),
    ] {
        s.say(name, &later(kind, format, suite, BUREAU, BUREAU_KEY));
    }
    let mut lane_4 = later(kind::HEADER, 1, 1, BUREAU, BUREAU_KEY);
    lane_4.bytes[16] = 4;
    let signer = world::key(BUREAU_KEY);
    lane_4.signatures[0].bytes = signer.sign(&lane_4.hash()).to_vec();
    s.say("a header of lane 4", &lane_4);
    s
}

fn unread_of_others(base: &Base) -> Scene {
    let mut s = base.case("who answers for a seat");
    let zero = SeatId::default();
    for (name, seat, signer) in [
        ("by its district", BUREAU, DISTRICT_KEY),
        ("by the city", BUREAU, CITY_KEY),
        ("by the root", BUREAU, ROOT[2]),
        ("by another district", BUREAU, OTHER_KEY),
        ("by a stranger", BUREAU, THIEF),
        ("a district by its bureau", DISTRICT, BUREAU_KEY),
        ("the city by a district", CITY, DISTRICT_KEY),
        ("the city by the root", CITY, ROOT[0]),
        ("the authority by the root", zero, ROOT[1]),
        ("the authority by the city", zero, CITY_KEY),
        ("the authority by a district", zero, DISTRICT_KEY),
        ("a new seat by a district", NOBODY, DISTRICT_KEY),
        ("a new seat by the city", NOBODY, CITY_KEY),
        ("a new seat by the root", NOBODY, ROOT[0]),
        ("a new seat by a bureau", NOBODY, BUREAU_KEY),
    ] {
        s.say(name, &later(14, 1, 1, seat, signer));
    }
    let mut short = later(14, 1, 1, BUREAU, BUREAU_KEY);
    short.bytes.truncate(15);
    s.say("shorter than a seat", &short);
    let mut turned = later(14, 1, 1, BUREAU, BUREAU_KEY);
    turned.name_suite = 2;
    s.say("a name suite turned by a relay", &turned);
    s
}

fn unread_seats(base: &Base) -> Scene {
    let mut s = base.case("a seat whose only identity is not read");
    s.say("before", &later(kind::OPENING, 2, 1, NOBODY, THIEF));
    s.say(
        "its identity",
        &later(kind::IDENTITY, 2, 1, NOBODY, DISTRICT_KEY),
    );
    s.say("after", &later(kind::OPENING, 2, 1, NOBODY, THIEF));
    s.say(
        "by who brought it",
        &later(kind::OPENING, 2, 1, NOBODY, DISTRICT_KEY),
    );
    s.ask_seat(&NOBODY);
    s
}

fn unread_after_rotation(base: &Base, world: &World) -> Scene {
    let mut s = base.case("only keys in force answer for a seat");
    let rekeyed = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    s.say("bureau 2", &issue(&rekeyed, &[DISTRICT_KEY]));
    s.say("by the new key", &later(14, 1, 1, BUREAU, NEW_KEY));
    s.say("by the former key", &later(14, 1, 1, BUREAU, BUREAU_KEY));
    let called_back = revocation(BUREAU, 2, reference(&world.city));
    s.say("called back", &revoke(&called_back, &[CITY_KEY]));
    s.say(
        "by the key that is called back",
        &later(15, 1, 1, BUREAU, NEW_KEY),
    );
    s.say("by its district", &later(15, 1, 1, BUREAU, DISTRICT_KEY));
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    s.say(
        "its district is called back",
        &revoke(&called_back, &[CITY_KEY]),
    );
    s.say(
        "by a district that is called back",
        &later(16, 1, 1, BUREAU, DISTRICT_KEY),
    );
    s
}

/// Keys, lanes and codes of later releases within what is read.
fn unread_in_what_is_read(base: &Base, world: &World) -> Scene {
    let mut s = base.case("suites, lanes and codes that are not read, within statements that are");
    let mut two = world::first_identity(
        NOBODY,
        SeatKind::Department,
        NEW_KEY,
        reference(&world.district),
    );
    two.permitted.clear();
    two.keys = world::keys_of_two_suites(NEW_KEY);
    let one_sig = possessed(&two, world.authority(), NEW_KEY);
    s.say(
        "keys of two suites, possession of one",
        &issue(&one_sig, &[DISTRICT_KEY]),
    );
    let both = Identity {
        possession: world::sigs(&[(1, one_sig.possession.all()[0].1.clone()), (2, vec![9; 64])]),
        ..one_sig
    };
    let identity = issue(&both, &[DISTRICT_KEY]);
    s.say("keys of two suites", &identity);
    s.ask_seat(&NOBODY);
    let opened = EpochOpening {
        seat: NOBODY,
        ..opening(1, reference(&identity))
    };
    let alone = open(&opened, NEW_KEY);
    s.say("an opening with one of two signatures", &alone);
    let mut cosigned = alone.clone();
    world::cosign(&mut cosigned, THIEF);
    s.say("with a co-signature by another key", &cosigned);
    let mut cosigned = alone;
    world::cosign(&mut cosigned, NEW_KEY);
    s.say("with both", &cosigned);
    let called_back = Revocation {
        code: 77,
        logs: vec![RevokedLog {
            lane: 200,
            opening: Ref {
                suite: 2,
                hash: Hash([2; 32]),
            },
            last: at(1),
        }],
        ..revocation(BUREAU, 1, reference(&world.city))
    };
    s.say(
        "a revocation of a later code and lane",
        &revoke(&called_back, &[CITY_KEY]),
    );
    s
}
