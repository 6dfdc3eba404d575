//! Who is believed when he says hello, and what must be taken in before a session stands on it.

mod world;

use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::frame::{FRAME_HIGHEST, GoodbyeCode, Hello, HelloFault, ITEM_HIGHEST, Presence};
use protocol::name::{Incarnation, InstanceId, SeatId};
use protocol::presence;
use protocol::sign::Sigs;

use world::{
    BUREAU, BUREAU_KEY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER, OTHER_KEY, THIEF,
    World, city_world, cosign, key, revocation, revoke, sigs,
};

const EXPORTER: [u8; 32] = [0x33; 32];

fn present(seat: SeatId, seed: u8) -> Presence {
    Presence {
        seat,
        signatures: presence::sign(&seat, &EXPORTER, &key(seed)),
    }
}

fn hello(seats: Vec<Presence>, statements: &[&Envelope]) -> Hello {
    Hello {
        frames: FRAME_HIGHEST,
        items: ITEM_HIGHEST,
        instance: InstanceId([1; 16]),
        incarnation: Incarnation::default(),
        release: "test".into(),
        seats,
        statements: statements.iter().map(|e| e.to_bytes()).collect(),
    }
}

fn bureau(statements: &[&Envelope]) -> Hello {
    hello(vec![present(BUREAU, BUREAU_KEY)], statements)
}

/// A directory that holds nothing but its trust.
fn empty(world: &World) -> Directory {
    let authority = world.authority();
    Directory::trusting(&world.root, &authority.hash.0).expect("the root of the world")
}

/// Who is believed by a party that holds `directory`, and what it must take in. The party's own directory is the same
/// afterwards, whatever it was shown.
#[track_caller]
fn check(
    what: &str,
    directory: &Directory,
    hello: &Hello,
    expected: Result<(&[SeatId], &[&Envelope]), HelloFault>,
) {
    let before: Vec<_> = directory.references().copied().collect();
    let found = hello.verify(&mut directory.clone(), &EXPORTER);
    let after: Vec<_> = directory.references().copied().collect();
    assert_eq!(before, after, "{what}");
    let found = found.map(|believed| {
        let seats: Vec<SeatId> = believed.identities.iter().map(|i| i.seat).collect();
        (seats, believed.needed)
    });
    let expected = expected.map(|(seats, needed)| {
        let needed: Vec<Envelope> = needed.iter().map(|e| (*e).clone()).collect();
        (seats.to_vec(), needed)
    });
    assert_eq!(found, expected, "{what}");
}

#[test]
fn a_chain_that_verifies_is_believed_and_is_what_must_be_taken_in() {
    let w = city_world();
    let chain = [&w.city, &w.district, &w.bureau, &w.opening];
    let empty = empty(&w);
    check(
        "a whole chain",
        &empty,
        &bureau(&chain),
        Ok((&[BUREAU], &chain)),
    );
    check(
        "what is known is not needed",
        &w.directory,
        &bureau(&chain),
        Ok((&[BUREAU], &[])),
    );
    check(
        "nothing is shown to who knows all",
        &w.directory,
        &bureau(&[]),
        Ok((&[BUREAU], &[])),
    );
    check(
        "others' statements are not the hello's",
        &empty,
        &bureau(&[&w.city, &w.other, &w.district, &w.bureau]),
        Ok((&[BUREAU], &[&w.city, &w.district, &w.bureau])),
    );
    check(
        "several seats under one roof",
        &empty,
        &hello(
            vec![present(DISTRICT, DISTRICT_KEY), present(OTHER, OTHER_KEY)],
            &[&w.city, &w.district, &w.other],
        ),
        Ok((&[DISTRICT, OTHER], &[&w.city, &w.district, &w.other])),
    );
}

/// What is taken in is the canonical envelope, whatever the peer has added to it.
#[test]
fn signatures_that_nobody_asked_for_are_not_taken_in() {
    let w = city_world();
    let mut shown = w.bureau.clone();
    cosign(&mut shown, 9);
    check(
        "a further signature",
        &empty(&w),
        &bureau(&[&w.city, &w.district, &shown]),
        Ok((&[BUREAU], &[&w.city, &w.district, &w.bureau])),
    );
}

#[test]
fn a_seat_that_nobody_has_admitted_is_not_believed() {
    let w = city_world();
    let not_admitted = || Err(HelloFault::NotAdmitted(BUREAU));
    let empty = empty(&w);
    check("no chain", &empty, &bureau(&[]), not_admitted());
    check(
        "the issuer is missing",
        &empty,
        &bureau(&[&w.city, &w.bureau]),
        not_admitted(),
    );
    check(
        "the issuer comes behind",
        &empty,
        &bureau(&[&w.city, &w.bureau, &w.district]),
        not_admitted(),
    );
    let mut forged = w.bureau.clone();
    forged.signatures[0].bytes[5] ^= 1;
    check(
        "a signature that is not good",
        &empty,
        &bureau(&[&w.city, &w.district, &forged]),
        not_admitted(),
    );
    check(
        "a seat of nobody's",
        &w.directory,
        &hello(vec![present(NOBODY, THIEF)], &[]),
        Err(HelloFault::NotAdmitted(NOBODY)),
    );
    check(
        "the second of two seats",
        &w.directory,
        &hello(
            vec![present(BUREAU, BUREAU_KEY), present(NOBODY, THIEF)],
            &[],
        ),
        Err(HelloFault::NotAdmitted(NOBODY)),
    );
}

/// A copy of a known statement without its signatures is not the statement: it is not taken in, and harms nobody.
#[test]
fn a_known_statement_is_believed_for_its_own_signatures_only() {
    let w = city_world();
    let mut stripped = w.bureau.clone();
    stripped.signatures = w.district.signatures.clone();
    check(
        "known, shown without its signature",
        &w.directory,
        &bureau(&[&stripped]),
        Ok((&[BUREAU], &[])),
    );
}

#[test]
fn a_seat_proves_its_keys_on_this_connection() {
    let w = city_world();
    let cases = [
        (
            "another key",
            presence::sign(&BUREAU, &EXPORTER, &key(THIEF)),
        ),
        (
            "another connection",
            presence::sign(&BUREAU, &[0x34; 32], &key(BUREAU_KEY)),
        ),
        (
            "another seat's presence",
            presence::sign(&DISTRICT, &EXPORTER, &key(BUREAU_KEY)),
        ),
        ("no signature", Sigs::default()),
        ("a suite that it has no key of", sigs(&[(2, vec![7; 64])])),
    ];
    for (what, signatures) in cases {
        let presence = Presence {
            seat: BUREAU,
            signatures,
        };
        check(
            what,
            &w.directory,
            &hello(vec![presence], &[]),
            Err(HelloFault::NotProven(BUREAU)),
        );
    }
}

/// The keys that count are those of the newest serial.
#[test]
fn a_seat_with_new_keys_is_not_present_by_its_old_ones() {
    let mut w = city_world();
    let next = w.rekeyed(&w.bureau, NEW_KEY, Some(BUREAU_KEY));
    let next = world::issue(&next, &[DISTRICT_KEY]);
    check(
        "new keys that the hello itself brings",
        &w.directory,
        &hello(vec![present(BUREAU, NEW_KEY)], &[&next]),
        Ok((&[BUREAU], &[&next])),
    );
    w.take(&next);
    check(
        "the former keys",
        &w.directory,
        &bureau(&[]),
        Err(HelloFault::NotProven(BUREAU)),
    );
}

#[test]
fn a_revoked_seat_hears_that_it_is_revoked() {
    let mut w = city_world();
    let issuer = world::reference(&w.city);
    let word = revoke(&revocation(BUREAU, 1, issuer), &[CITY_KEY]);
    // whoever shows his own revocation is believed in that
    check(
        "shown in the hello",
        &w.directory,
        &bureau(&[&word]),
        Err(HelloFault::Revoked(BUREAU)),
    );
    w.take(&word);
    check(
        "known",
        &w.directory,
        &bureau(&[]),
        Err(HelloFault::Revoked(BUREAU)),
    );
}

#[test]
fn bytes_that_are_no_envelope_are_the_peers_fault() {
    let w = city_world();
    let mut said = bureau(&[&w.city]);
    said.statements.push(vec![1, 2, 3]);
    let fault = said.verify(&mut w.directory.clone(), &EXPORTER);
    let fault = fault.expect_err("no envelope");
    assert!(matches!(fault, HelloFault::Statement(_)), "{fault}");
    assert_eq!(fault.code(), GoodbyeCode::Misbehaved);
    for (fault, code) in [
        (HelloFault::NotAdmitted(BUREAU), GoodbyeCode::NotAdmitted),
        (HelloFault::NotProven(BUREAU), GoodbyeCode::NotAdmitted),
        (HelloFault::Revoked(BUREAU), GoodbyeCode::Revoked),
    ] {
        assert_eq!(fault.code(), code);
    }
}
