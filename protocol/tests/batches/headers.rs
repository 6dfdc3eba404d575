//! Judging headers: whose word, whose fault, what waits.

use protocol::batch::{Group, Header};
use protocol::blame::Blame;
use protocol::directory::{Directory, HeaderStanding, OpeningStanding};
use protocol::envelope::{Envelope, kind};
use protocol::hash::{Hash, Ref};
use protocol::name::{Lane, Position};
use protocol::sign::SigningKey;
use protocol::slice::{self, HeaderFault, HeaderPlace};
use protocol::statement::{
    BindsFrom, EpochOpening, Identity, Revocation, RevokedLog, revocation_code,
};
use protocol::words::reason;

use crate::sample::{self, City, DEPARTMENT, DISTRICT, reference};

fn table() -> Vec<Group> {
    vec![Group {
        hint: vec![0],
        count: 2,
        root: Hash([5; 32]),
    }]
}

/// The first header of the department's log.
fn first(city: &City) -> Header {
    sample::header_over(&city.log(), table(), reference(&city.department))
}

fn signed(header: &Header, key: &SigningKey) -> Envelope {
    Envelope::signed(kind::HEADER, 1, header.to_bytes(), key)
}

/// What becomes of an envelope: nothing, or fault, blame and reason.
#[derive(Debug, PartialEq)]
enum Outcome {
    Stands,
    Malformed,
    Unread,
    UnknownIdentity,
    UnknownOpening,
    BadSignature,
    Origin,
    Disowned(HeaderStanding),
    DoesNotCount(HeaderStanding),
}

fn outcome(directory: &Directory, envelope: &Envelope) -> Outcome {
    let fault = match slice::verify_header(directory, envelope) {
        Ok(_) => return Outcome::Stands,
        Err(fault) => fault,
    };
    let (outcome, blame, reason) = match &fault {
        HeaderFault::Malformed(_) => (Outcome::Malformed, Blame::Relay, None),
        HeaderFault::Unread => (Outcome::Unread, Blame::Nobody, Some(reason::UNREAD)),
        HeaderFault::UnknownIdentity(_) => (
            Outcome::UnknownIdentity,
            Blame::Nobody,
            Some(reason::IDENTITY_UNKNOWN),
        ),
        HeaderFault::UnknownOpening(_) => (
            Outcome::UnknownOpening,
            Blame::Nobody,
            Some(reason::OPENING_UNKNOWN),
        ),
        HeaderFault::BadSignature(_) => (Outcome::BadSignature, Blame::Relay, None),
        HeaderFault::Origin { .. } => {
            (Outcome::Origin, Blame::Origin, Some(reason::SEALED_WRONGLY))
        }
        HeaderFault::Disowned { standing, .. } => {
            (Outcome::Disowned(*standing), Blame::Nobody, None)
        }
        HeaderFault::DoesNotCount { standing, header } => {
            assert_eq!(header.reference(), reference(envelope), "kept as history");
            let blame = match standing {
                HeaderStanding::KeyNoLongerBinds | HeaderStanding::Void => Blame::Origin,
                _ => Blame::Nobody,
            };
            (Outcome::DoesNotCount(*standing), blame, standing.reason())
        }
    };
    assert_eq!((fault.blame(), fault.reason()), (blame, reason), "{fault}");
    outcome
}

#[track_caller]
fn check(what: &str, city: &City, envelope: &Envelope, expected: Outcome) {
    assert_eq!(outcome(&city.directory, envelope), expected, "{what}");
}

/// The department's first header with a change, signed by the department and by somebody else.
#[track_caller]
fn check_changed(what: &str, change: impl Fn(&City, &mut Header), by_seat: Outcome) {
    let city = sample::city();
    let mut header = first(&city);
    change(&city, &mut header);
    check(what, &city, &signed(&header, &city.department_key), by_seat);
    let by_other = outcome(&city.directory, &signed(&header, &sample::key(99)));
    assert_ne!(by_other, Outcome::Stands, "{what}");
    assert_ne!(
        by_other,
        Outcome::Origin,
        "{what}: nobody's word stops a log"
    );
}

#[test]
fn a_header_of_its_seat_stands() {
    let city = sample::city();
    let header = first(&city);
    let envelope = signed(&header, &city.department_key);
    let verified = slice::verify_header(&city.directory, &envelope).expect("well signed");
    assert_eq!(verified.header(), &header);
    assert_eq!(verified.reference(), reference(&envelope));
    assert_eq!(verified.envelope(), &envelope);
    assert_eq!(verified.identity().reference(), reference(&city.department));
}

#[test]
fn only_the_signatures_that_are_asked_for_are_kept() {
    let city = sample::city();
    let header = first(&city);
    let plain = signed(&header, &city.department_key);
    let both = Envelope::signed_by(
        kind::HEADER,
        1,
        header.to_bytes(),
        &[&sample::key(99), &city.department_key],
    );
    let verified = slice::verify_header(&city.directory, &both).expect("one of them is asked for");
    assert_eq!(verified.envelope(), &plain);
    let mut bent = plain.clone();
    bent.signatures[0].bytes[3] ^= 1;
    check("a bent signature", &city, &bent, Outcome::BadSignature);
    let mut none = plain.clone();
    none.signatures.clear();
    check("no signature", &city, &none, Outcome::BadSignature);
    let mut other_bytes = plain;
    other_bytes.bytes[100] ^= 1;
    check("other bytes", &city, &other_bytes, Outcome::BadSignature);
}

#[test]
fn what_is_no_header_or_is_not_read() {
    let city = sample::city();
    let bytes = first(&city).to_bytes();
    let envelope = |kind, format, bytes: &[u8]| {
        Envelope::signed(kind, format, bytes.to_vec(), &city.department_key)
    };
    let lane = |lane: u8| {
        let mut bytes = bytes.clone();
        bytes[16] = lane;
        envelope(kind::HEADER, 1, &bytes)
    };
    let mut suite_2 = envelope(kind::HEADER, 1, &bytes);
    suite_2.name_suite = 2;
    let front = 16 + 1 + 4 + 33 + 8 + 33 + 32 + 8 + 33;
    for (what, envelope, expected) in [
        (
            "another kind",
            envelope(kind::OPENING, 1, &bytes),
            Outcome::Malformed,
        ),
        (
            "format 2",
            envelope(kind::HEADER, 2, &bytes),
            Outcome::Unread,
        ),
        (
            "format 0",
            envelope(kind::HEADER, 0, &bytes),
            Outcome::Unread,
        ),
        ("suite 2", suite_2, Outcome::Unread),
        ("lane 4", lane(4), Outcome::Unread),
        ("lane 255", lane(255), Outcome::Unread),
        ("lane 3", lane(3), Outcome::Origin),
        ("lane 0", lane(0), Outcome::Stands),
        ("lane 1", lane(1), Outcome::Stands),
        (
            "no bytes",
            envelope(kind::HEADER, 1, &[]),
            Outcome::Malformed,
        ),
        (
            "a seat alone",
            envelope(kind::HEADER, 1, &bytes[..16]),
            Outcome::Malformed,
        ),
        (
            "too short to name an identity",
            envelope(kind::HEADER, 1, &bytes[..front - 1]),
            Outcome::Malformed,
        ),
        (
            "nothing behind its identity",
            envelope(kind::HEADER, 1, &bytes[..front]),
            Outcome::Origin,
        ),
    ] {
        check(what, &city, &envelope, expected);
    }
}

#[test]
fn what_the_seat_has_signed_and_may_not_be() {
    let standing = || Outcome::Stands;
    check_changed("as it is", |_, _| {}, standing());
    check_changed("no opening", |_, h| h.opening = Ref::ZERO, Outcome::Origin);
    check_changed(
        "no previous",
        |_, h| h.previous = Ref::ZERO,
        Outcome::Origin,
    );
    check_changed("sequence 0", |_, h| h.sequence = 0, Outcome::Origin);
    check_changed("counter 0", |_, h| h.counter = 0, Outcome::Origin);
    check_changed("no group", |_, h| h.groups.clear(), Outcome::Origin);
    check_changed("a count too many", |_, h| h.count += 1, Outcome::Origin);
    check_changed(
        "another root",
        |_, h| h.root = Hash([1; 32]),
        Outcome::Origin,
    );
    check_changed(
        "hint 5",
        |_, h| {
            h.groups[0].hint = vec![5];
            h.root = sample::table_root(&h.groups);
        },
        Outcome::Origin,
    );
    check_changed(
        "hint *",
        |_, h| {
            h.groups[0].hint = b"\x02\x01*".to_vec();
            h.root = sample::table_root(&h.groups);
        },
        Outcome::Origin,
    );
    check_changed("counter 2", |_, h| h.counter = 2, Outcome::Origin);
    check_changed(
        "an epoch of suite 2",
        |_, h| h.opening.suite = 2,
        Outcome::Origin,
    );
}

#[test]
fn what_waits_for_a_statement() {
    check_changed(
        "an identity that is not known",
        |_, h| h.identity = Ref::of(Hash([9; 32])),
        Outcome::UnknownIdentity,
    );
    check_changed(
        "an identity of suite 2",
        |_, h| h.identity.suite = 2,
        Outcome::UnknownIdentity,
    );
    check_changed(
        "no identity",
        |_, h| h.identity = Ref::ZERO,
        Outcome::Malformed,
    );
    check_changed(
        "an opening that is not known",
        |_, h| h.opening = Ref::of(Hash([9; 32])),
        Outcome::UnknownOpening,
    );
    let city = sample::city();
    let envelope = signed(&first(&city), &city.department_key);
    let mut directory =
        Directory::trusting(&city.root, &reference(&city.root).hash.0).expect("root");
    for statement in [&city.city, &city.district, &city.department] {
        let waits = HeaderFault::UnknownIdentity(reference(&city.department));
        let fault = slice::verify_header(&directory, &envelope)
            .map(|_| ())
            .err();
        assert_eq!(fault, Some(waits));
        directory.admit(statement).expect("the chain verifies");
    }
    let waits = HeaderFault::UnknownOpening(reference(&city.opening_envelope));
    let fault = slice::verify_header(&directory, &envelope)
        .map(|_| ())
        .err();
    assert_eq!(fault, Some(waits));
    directory
        .admit(&city.opening_envelope)
        .expect("the chain verifies");
    assert_eq!(outcome(&directory, &envelope), Outcome::Stands);
}

/// What another seat signs about this one is no word of this one: it stops no log of it.
#[test]
fn nobody_speaks_for_another_seat() {
    let city = sample::city();
    let mut header = first(&city);
    header.identity = reference(&city.district);
    check(
        "signed by the seat of the identity",
        &city,
        &signed(&header, &city.district_key),
        Outcome::BadSignature,
    );
    check(
        "signed by the seat that it speaks for",
        &city,
        &signed(&header, &city.department_key),
        Outcome::BadSignature,
    );
    let both = Envelope::signed_by(
        kind::HEADER,
        1,
        header.to_bytes(),
        &[&city.district_key, &city.department_key],
    );
    check("signed by both", &city, &both, Outcome::Origin);
    // a seat that is not known has signed nothing
    header.seat = protocol::name::SeatId([0xee; 16]);
    check(
        "for a seat that is not known",
        &city,
        &signed(&header, &city.district_key),
        Outcome::BadSignature,
    );
}

#[test]
fn the_epoch_of_another_seat() {
    let mut city = sample::city();
    let opening = EpochOpening {
        seat: DISTRICT,
        identity: reference(&city.district),
        ..city.opening.clone()
    };
    let opening = Envelope::signed(kind::OPENING, 1, opening.to_bytes(), &city.district_key);
    city.directory.admit(&opening).expect("the district's own");
    let mut header = first(&city);
    header.opening = reference(&opening);
    check(
        "an opening of another seat",
        &city,
        &signed(&header, &city.department_key),
        Outcome::Origin,
    );
}

#[test]
fn faults_say_where_they_are() {
    let city = sample::city();
    let mut header = first(&city);
    header.sequence = 7;
    header.count += 1;
    let place = HeaderPlace {
        seat: DEPARTMENT,
        lane: 2,
        opening: reference(&city.opening_envelope),
        sequence: 7,
    };
    let fault = slice::verify_header(&city.directory, &signed(&header, &city.department_key));
    assert!(matches!(fault, Err(HeaderFault::Origin { place: p, .. }) if p == place));
    let fault = slice::verify_header(&city.directory, &signed(&header, &sample::key(99)));
    assert!(matches!(fault, Err(HeaderFault::BadSignature(p)) if p == place));
}

/// The department's second identity: another key, by consent of the former one, binding in lane 2 from (1, 2) on.
fn rotated(city: &City, key: &SigningKey) -> Envelope {
    let authority = reference(&city.root);
    let mut second = Identity::from_bytes(&city.department.bytes).expect("of the sample");
    sample::with_keys(&mut second, key, &authority);
    second.serial = 2;
    let hash = protocol::statement::possession_hash(&second.seat, &authority, &second.keys);
    second.consent = protocol::sign::Sigs::of(city.department_key.sign(&hash));
    let from = |sequence| BindsFrom {
        counter: 1,
        sequence,
    };
    second.binds_from = [from(1), from(1), from(2)];
    Envelope::signed(kind::IDENTITY, 1, second.to_bytes(), &city.district_key)
}

#[test]
fn a_key_binds_from_its_position_on() {
    let mut city = sample::city();
    let key = sample::key(44);
    let second = rotated(&city, &key);
    city.directory.admit(&second).expect("consented");
    let (old, new) = (reference(&city.department), reference(&second));
    let at = |lane: Lane, sequence: u64, identity: Ref, key: &SigningKey| {
        let header = Header {
            lane,
            sequence,
            identity,
            ..first(&city)
        };
        signed(&header, key)
    };
    let no_longer = || Outcome::DoesNotCount(HeaderStanding::KeyNoLongerBinds);
    let old_key = &city.department_key;
    for (what, envelope, expected) in [
        (
            "old key, before",
            at(Lane::Records, 1, old, old_key),
            Outcome::Stands,
        ),
        (
            "old key, from there on",
            at(Lane::Records, 2, old, old_key),
            no_longer(),
        ),
        (
            "old key, another lane",
            at(Lane::Cases, 1, old, old_key),
            no_longer(),
        ),
        (
            "new key, from there on",
            at(Lane::Records, 2, new, &key),
            Outcome::Stands,
        ),
        (
            "new key, another lane",
            at(Lane::Cases, 1, new, &key),
            Outcome::Stands,
        ),
        (
            "new key, before",
            at(Lane::Records, 1, new, &key),
            no_longer(),
        ),
        (
            "old identity, new key",
            at(Lane::Records, 2, old, &key),
            Outcome::BadSignature,
        ),
        (
            "new identity, old key",
            at(Lane::Records, 2, new, old_key),
            Outcome::BadSignature,
        ),
    ] {
        check(what, &city, &envelope, expected);
    }
    // a wrong header under a key that no longer binds is the seat's own all the same
    let wrong = Header {
        sequence: 2,
        count: 9,
        ..first(&city)
    };
    check("wrong", &city, &signed(&wrong, old_key), Outcome::Origin);
}

#[test]
fn what_a_revocation_lets_stand() {
    let mut city = sample::city();
    let at = |sequence: u64| {
        let header = Header {
            sequence,
            ..first(&city)
        };
        signed(&header, &city.department_key)
    };
    let envelopes = [at(1), at(2), at(3)];
    let revocation = Revocation {
        seat: DEPARTMENT,
        serial: 1,
        through: 1,
        logs: vec![RevokedLog {
            lane: 2,
            opening: reference(&city.opening_envelope),
            last: Position {
                sequence: 2,
                header: reference(&envelopes[1]),
            },
        }],
        standing: Vec::new(),
        code: revocation_code::STOLEN,
        reason: String::new(),
        issuer: reference(&city.city),
    };
    let revocation = Envelope::signed(kind::REVOCATION, 1, revocation.to_bytes(), &city.city_key);
    city.directory.admit(&revocation).expect("by the city");
    let revoked = || Outcome::DoesNotCount(HeaderStanding::Revoked);
    check("before", &city, &envelopes[0], Outcome::Stands);
    check("the last", &city, &envelopes[1], Outcome::Stands);
    check("above", &city, &envelopes[2], revoked());
    // whoever holds the key that was called back cannot stop the log with it
    let wrong = |change: fn(&mut Header)| {
        let mut header = first(&city);
        change(&mut header);
        signed(&header, &city.department_key)
    };
    let disowned = || Outcome::Disowned(HeaderStanding::Revoked);
    check("counts", &city, &wrong(|h| h.count += 1), disowned());
    check("suite", &city, &wrong(|h| h.opening.suite = 2), disowned());
    check("counter", &city, &wrong(|h| h.counter = 9), disowned());
}

/// Whoever may admit could bring a second identity of a seat about: what is signed under it is no word of the seat's, and
/// neither is what is signed under the first, until somebody decides.
#[test]
fn under_two_identities_nothing_is_the_seats_fault() {
    let mut city = sample::city();
    let authority = reference(&city.root);
    let mut other = Identity::from_bytes(&city.department.bytes).expect("of the sample");
    sample::with_keys(&mut other, &sample::key(66), &authority);
    let other = Envelope::signed(kind::IDENTITY, 1, other.to_bytes(), &city.district_key);
    city.directory.admit(&other).expect("both are kept");
    let contested = HeaderStanding::IdentityContested;
    for (identity, key) in [
        (reference(&city.department), sample::key(4)),
        (reference(&other), sample::key(66)),
    ] {
        let good = Header {
            identity,
            ..first(&city)
        };
        let wrong = Header {
            count: 9,
            ..good.clone()
        };
        check(
            "wrong",
            &city,
            &signed(&wrong, &key),
            Outcome::Disowned(contested),
        );
        let outcome = outcome(&city.directory, &signed(&good, &key));
        assert!(matches!(outcome, Outcome::DoesNotCount(_)), "{outcome:?}");
    }
}

#[test]
fn under_two_openings_headers_wait() {
    let mut city = sample::city();
    let envelope = signed(&first(&city), &city.department_key);
    let other = EpochOpening {
        nonce: [0x0f; 16],
        ..city.opening.clone()
    };
    let other = Envelope::signed(kind::OPENING, 1, other.to_bytes(), &city.department_key);
    city.directory.admit(&other).expect("both are kept");
    let contested = HeaderStanding::Opening(OpeningStanding::Contested);
    check(
        "the first",
        &city,
        &envelope,
        Outcome::DoesNotCount(contested),
    );
}
