//! Root versions: where trust begins, and the chain of them.

use protocol::blame::Blame;
use protocol::directory::{Directory, Missing, Refusal, StatementFault, What};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::sign::{Key, key_use};
use protocol::statement::{Identity, Root};

use crate::world::{
    self, CITY, ROOT, World, city_world, cosign, issue, key, reference, root, signed_root,
};

/// Whether trust can begin with a root version.
fn trusted(envelope: &Envelope) -> Result<(), StatementFault> {
    let prefix = world::hash_of(envelope).0;
    Directory::trusting(envelope, &prefix[..20]).map(|_| ())
}

#[test]
fn a_root_needs_its_threshold_of_different_keys() {
    let check = |threshold, seeds: &[u8], signers: &[u8], good: bool| {
        let envelope = signed_root(&root(1, Ref::ZERO, threshold, seeds), signers);
        let expected = match good {
            true => Ok(()),
            false => Err(StatementFault::BadSignature),
        };
        assert_eq!(
            trusted(&envelope),
            expected,
            "{threshold} {seeds:?} {signers:?}"
        );
    };
    check(1, &[1], &[1], true);
    check(2, &[1, 2], &[1, 2], true);
    check(2, &[1, 2, 3], &[1, 3], true);
    check(1, &[1, 2], &[2], true);
    check(2, &[1, 2], &[1], false);
    check(2, &[1, 2], &[1, 1], false);
    check(2, &[1, 2], &[1, 3], false);
    check(1, &[1], &[2], false);
}

#[test]
fn a_root_of_two_suites_needs_the_threshold_of_each() {
    let mut of_two = root(1, Ref::ZERO, 1, &[1, 2]);
    for seed in [1, 2] {
        of_two.keys.push(Key {
            suite: 2,
            key_use: key_use::SIGN,
            bytes: vec![seed; 65],
        });
    }
    let mut envelope = signed_root(&of_two, &[1, 2]);
    assert_eq!(trusted(&envelope), Err(StatementFault::BadSignature));
    cosign(&mut envelope, 9);
    assert_eq!(trusted(&envelope), Err(StatementFault::BadSignature));
    cosign(&mut envelope, 2);
    assert_eq!(trusted(&envelope), Ok(()));
    let canonical = of_two.canonical(None, &envelope).expect("signed");
    let signers: Vec<_> = canonical.signatures.iter().map(|s| s.suite).collect();
    assert_eq!(signers, [1, 2], "one of each suite is enough");
}

#[test]
fn trust_begins_with_the_bytes_that_are_named() {
    let envelope = signed_root(&root(1, Ref::ZERO, 1, &[1]), &[1]);
    let hash = reference(&envelope).hash.0;
    let begins = |envelope: &Envelope, prefix: &[u8]| Directory::trusting(envelope, prefix).is_ok();
    assert!(begins(&envelope, &hash));
    assert!(begins(&envelope, &hash[..20]));
    assert!(begins(&envelope, &hash[..16]));
    assert!(!begins(&envelope, &hash[..15]), "too short");
    let mut wrong = hash;
    wrong[19] ^= 1;
    assert!(!begins(&envelope, &wrong[..20]), "another root");
    let unread = |edit: fn(&mut Envelope)| {
        let mut edited = envelope.clone();
        edit(&mut edited);
        assert!(trusted(&edited).is_err(), "{edited:?}");
    };
    unread(|e| e.kind = kind::IDENTITY);
    unread(|e| e.format = 2);
    unread(|e| e.name_suite = 2);
    unread(|e| e.bytes.push(0));
    let later = signed_root(&root(2, reference(&envelope), 1, &[1]), &[1]);
    assert_eq!(trusted(&later), Err(Refusal::RootVersion.into()));
    // signed, though no root: what is malformed is told as such
    let mut malformed = root(1, Ref::ZERO, 1, &[1]).to_bytes();
    malformed.push(0);
    let malformed = world::signed(kind::ROOT, malformed, &[1]);
    assert!(matches!(
        trusted(&malformed),
        Err(StatementFault::Malformed(_))
    ));
    let of_kind = world::signed(kind::CLOSING, envelope.bytes.clone(), &[1]);
    assert_eq!(trusted(&of_kind), Err(StatementFault::BadSignature));
    let mut format = Envelope::signed(kind::ROOT, 2, envelope.bytes.clone(), &key(1));
    assert_eq!(trusted(&format), Err(StatementFault::BadSignature));
    format.name_suite = 2;
    assert_eq!(trusted(&format), Err(StatementFault::BadSignature));
}

fn second(world: &World) -> Root {
    root(2, reference(&world.root), 1, &[31, 32])
}

#[test]
fn a_later_root_is_signed_by_both_thresholds() {
    let world = city_world();
    let next = second(&world);
    let check = |what, root: &Root, signers: &[u8], expected| {
        world.check(what, &signed_root(root, signers), expected);
    };
    check("both", &next, &[1, 3, 31], Ok(()));
    check("all of both", &next, &[1, 2, 3, 31, 32], Ok(()));
    let bad = || Err(StatementFault::BadSignature);
    check("too few of the former", &next, &[1, 31], bad());
    check("none of the former", &next, &[31, 32], bad());
    check("none of its own", &next, &[1, 2, 3], bad());
    let kept = root(2, reference(&world.root), 2, &[1, 2, 31]);
    check("keys that stay sign once", &kept, &[1, 2], Ok(()));
    let skips = Root {
        version: 3,
        ..next.clone()
    };
    check(
        "a version skipped",
        &skips,
        &[1, 2, 31],
        Err(Refusal::RootVersion.into()),
    );
    let unknown = Root {
        former: world::stray(5),
        ..next.clone()
    };
    let missing = StatementFault::Unknown(Missing::Statement(world::stray(5)));
    assert_eq!(missing.blame(), Blame::Nobody);
    check(
        "a former that is not known",
        &unknown,
        &[1, 2, 31],
        Err(missing),
    );
    let foreign = root(1, Ref::ZERO, 1, &[31]);
    check(
        "the first version of another authority",
        &foreign,
        &[31],
        bad(),
    );
    world.check("the first version again", &world.root, Ok(()));
    let mut again = world.directory.clone();
    let admitted = again.admit(&world.root).expect("the root");
    assert!(admitted.known && admitted.what == What::Root);
}

#[test]
fn a_statement_is_stored_with_exactly_the_signatures_that_are_required() {
    let mut world = city_world();
    let next = second(&world);
    let admitted = world.take(&signed_root(&next, &[1, 2, 3, 31, 32]));
    let mut expected = signed_root(&next, &[1, 2, 3, 31, 32]);
    // keys by their bytes: the first two of the former's three, the first of its own two
    let chosen = |seeds: &[u8], n: usize| {
        let mut keys: Vec<_> = seeds.iter().map(|seed| key(*seed).public().0).collect();
        keys.sort_unstable();
        keys.truncate(n);
        keys
    };
    let required = [chosen(&ROOT, 2), chosen(&[31, 32], 1)].concat();
    expected
        .signatures
        .retain(|s| required.iter().any(|key| s.key == key));
    assert_eq!(admitted.envelope, expected);
    assert_eq!(admitted.envelope.signatures.len(), 3);
    let mut bureau = world.bureau.clone();
    bureau
        .signatures
        .extend(world::signed(kind::IDENTITY, bureau.bytes.clone(), &[99]).signatures);
    cosign(&mut bureau, 7);
    bureau.signatures.sort();
    let admitted = world.take(&bureau);
    assert!(admitted.known);
    assert_eq!(admitted.envelope, world.bureau);
}

#[test]
fn the_root_in_force_is_the_greatest_of_the_chain() {
    let mut world = city_world();
    let authority = world.authority();
    assert_eq!(world.directory.root().reference(), authority);
    let next = signed_root(&second(&world), &[1, 2, 31]);
    world.take(&next);
    assert_eq!(world.directory.root().reference(), reference(&next));
    assert_eq!(world.authority(), authority, "the name stays");
    let third = signed_root(&root(3, reference(&next), 1, &[41]), &[31, 41]);
    world.take(&third);
    assert_eq!(world.directory.root().reference(), reference(&third));
    // what the first version has admitted stands, and it may say more
    assert!(world.directory.identity(&CITY).is_some());
    let city = world.next(&world.city);
    world.check("under the first version", &issue(&city, &ROOT[..2]), Ok(()));
    let under_third = Identity {
        issuer: reference(&third),
        ..city.clone()
    };
    world.check(
        "under the third version",
        &issue(&under_third, &[41]),
        Ok(()),
    );
    world.check(
        "signed by a key of another version",
        &issue(&under_third, &ROOT[..2]),
        Err(StatementFault::BadSignature),
    );
}

#[test]
fn of_two_roots_of_one_version_the_first_stays() {
    let mut world = city_world();
    let first = signed_root(&second(&world), &[1, 2, 31]);
    let other = signed_root(&root(2, reference(&world.root), 1, &[51]), &[2, 3, 51]);
    world.take(&first);
    assert_eq!(world.directory.contested_roots().count(), 0);
    world.take(&other);
    assert_eq!(world.directory.root().reference(), reference(&first));
    let follows = signed_root(&root(3, reference(&other), 1, &[52]), &[51, 52]);
    world.take(&follows);
    assert_eq!(world.directory.root().reference(), reference(&first));
    let contested: Vec<Ref> = world
        .directory
        .contested_roots()
        .map(|root| root.reference())
        .collect();
    let mut expected = vec![reference(&other), reference(&follows)];
    expected.sort();
    assert_eq!(contested, expected);
    // who is admitted under what is not in the chain is not in force
    let city = Identity {
        issuer: reference(&other),
        ..world.next(&world.city)
    };
    world.take(&issue(&city, &[51]));
    let newest = world.directory.newest_identity(&CITY).expect("the city");
    assert_eq!(newest.reference(), reference(&world.city));
}
