//! Vectors of keys, signatures and the names that people give.

use protocol::code;
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::{FeedId, Incarnation, Position};
use protocol::sign::{Key, Keys, PublicKey, Sigs, key_use};

use crate::json::{Json, flag, hex, list, number, object, text};
use crate::refused::{self, Edit, Refused};
use crate::sample;
use crate::world::{keys_of_two_suites, sigs};

/// Encodings that are no key: points of small order with either sign, numbers that are too large.
fn bad_keys() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let y = |first: u8, rest: u8, last: u8| {
        let mut key = [rest; 32];
        (key[0], key[31]) = (first, last);
        key.to_vec()
    };
    let order_8 = |hex: &str| {
        (0..32)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hexadecimal"))
            .collect::<Vec<u8>>()
    };
    let one = order_8("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
    let other = order_8("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
    let mut negative = one.clone();
    negative[31] |= 0x80;
    vec![
        ("order 4", "key", y(0, 0, 0)),
        ("order 4, other sign", "key", y(0, 0, 0x80)),
        ("order 1", "key", y(1, 0, 0)),
        ("order 1, other sign", "key", y(1, 0, 0x80)),
        ("order 8", "key", one),
        ("order 8, other sign", "key", negative),
        ("order 8, another", "key", other),
        ("order 2", "key", y(0xec, 0xff, 0x7f)),
        ("order 2, other sign", "key", y(0xec, 0xff, 0xff)),
        ("2^255 - 19", "key", y(0xed, 0xff, 0x7f)),
        ("2^255 - 18", "key", y(0xee, 0xff, 0x7f)),
        ("2^255 - 1", "key", y(0xff, 0xff, 0x7f)),
        ("2^255 - 1, other sign", "key", y(0xff, 0xff, 0xff)),
        ("31 bytes", "key", vec![9; 31]),
        ("33 bytes", "key", vec![9; 33]),
        ("nothing", "key", vec![]),
    ]
}

/// Keys as bytes say them, whatever the rules say.
fn put_keys(all: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![all.len() as u8];
    for (suite, use_, bytes) in all {
        out.extend([*suite, *use_, bytes.len() as u8]);
        out.extend(bytes);
    }
    out
}

fn refused_keys() -> Vec<Refused> {
    type List = Vec<(u8, u8, Vec<u8>)>;
    let public = |n: u8| sample::key(n).public().0.to_vec();
    let good: List = vec![(1, 1, public(1)), (1, 2, vec![7; 32]), (2, 1, vec![8; 65])];
    assert!(Keys::read(&mut protocol::bytes::Reader::new(&put_keys(&good), "keys")).is_ok());
    let edits: [Edit<List>; 13] = [
        ("no key", "bound", |k| k.clear()),
        ("five keys", "bound", |k| {
            k.push((2, 2, vec![1]));
            k.push((3, 1, vec![1]));
        }),
        ("suite 0", "form", |k| k[0].0 = 0),
        ("use 0", "form", |k| k[0].1 = 0),
        ("use 3", "form", |k| k[2].1 = 3),
        ("uses out of order", "order", |k| k.swap(0, 1)),
        ("suites out of order", "order", |k| k.swap(1, 2)),
        ("one use twice", "order", |k| k[1] = k[0].clone()),
        ("no signing key of suite 1", "key", |k| {
            k.remove(0);
        }),
        ("a signing key of small order", "key", |k| {
            k[0].2 = vec![0; 32]
        }),
        ("a short signing key", "key", |k| k[0].2.truncate(31)),
        ("a long seal key", "key", |k| k[1].2.push(7)),
        ("an empty key of another suite", "key", |k| k[2].2.clear()),
    ];
    refused::edits("keys", &good, |k| put_keys(k), &edits)
}

fn refused_sigs() -> Vec<Refused> {
    type List = Vec<(u8, Vec<u8>)>;
    fn put(all: &List) -> Vec<u8> {
        let mut out = vec![all.len() as u8];
        for (suite, bytes) in all {
            out.extend([*suite, bytes.len() as u8]);
            out.extend(bytes);
        }
        out
    }
    let good: List = vec![(1, vec![7; 64]), (2, vec![8; 70])];
    let edits: [Edit<List>; 7] = [
        ("five signatures", "bound", |s| {
            s.extend([(3, vec![1]), (4, vec![1]), (5, vec![1])]);
        }),
        ("suite 0", "form", |s| s[0].0 = 0),
        ("suites out of order", "order", |s| s.swap(0, 1)),
        ("one suite twice", "order", |s| s[1] = s[0].clone()),
        ("63 bytes in suite 1", "key", |s| s[0].1.truncate(63)),
        ("65 bytes in suite 1", "key", |s| s[0].1.push(1)),
        ("an empty signature of another suite", "key", |s| {
            s[1].1.clear()
        }),
    ];
    refused::edits("sigs", &good, put, &edits)
}

/// A signature of key 1 over 32 bytes 20 whose R lies beside the right one by the point of order 2: good only for verifiers
/// that multiply by the cofactor. Made apart.
const COFACTORED: &str = "cb2627864a95d4111e67820fb7e6584dab69bed56535ca58f1a25bf9eaf58f6d4676f97080c159bdc6a97a3fffa7dbc2c88d0c0c53eee02f725d90b637cabc0c";

pub fn keys() -> Json {
    let names = ["root 1", "city", "district", "department", "root 2"];
    let one = |(name, n): (&&str, u8)| {
        let key = sample::key(n);
        object([
            ("whose", text(*name)),
            ("seed", hex([n; 32])),
            ("public", hex(key.public().0)),
        ])
    };
    let lists = [
        ("a department's", Keys::of(sample::key(4).public(), None)),
        (
            "a node's",
            Keys::of(sample::key(3).public(), Some([0xd1; 32])),
        ),
        ("of two suites", keys_of_two_suites(4)),
        (
            "all that there can be",
            Keys::new(vec![
                Key {
                    suite: 1,
                    key_use: key_use::SIGN,
                    bytes: sample::key(4).public().0.to_vec(),
                },
                Key {
                    suite: 1,
                    key_use: key_use::SEAL,
                    bytes: vec![4; 32],
                },
                Key {
                    suite: 2,
                    key_use: key_use::SIGN,
                    bytes: vec![5],
                },
                Key {
                    suite: 255,
                    key_use: key_use::SEAL,
                    bytes: vec![6; 255],
                },
            ])
            .expect("four keys"),
        ),
    ];
    let keys = |(what, keys): &(&str, Keys)| {
        let mut bytes = Vec::new();
        keys.put(&mut bytes);
        let each = |k: &Key| Json::List(vec![number(k.suite), number(k.key_use), hex(&k.bytes)]);
        object([
            ("what", text(*what)),
            ("reads", list(keys.all(), each)),
            ("bytes", hex(bytes)),
            ("fingerprint", hex(keys.fingerprint().0)),
            (
                "shown",
                text(protocol::admission::newcomer::fingerprint(keys)),
            ),
        ])
    };
    let of_sigs = [
        ("none", Sigs::default()),
        ("of suite 1", Sigs::of([7; 64])),
        ("of two suites", sigs(&[(1, vec![7; 64]), (2, vec![8])])),
    ];
    let sigs = |(what, sigs): &(&str, Sigs)| {
        let mut bytes = Vec::new();
        sigs.put(&mut bytes);
        let each = |(suite, b): &(u8, Vec<u8>)| Json::List(vec![number(*suite), hex(b)]);
        object([
            ("what", text(*what)),
            ("reads", list(sigs.all(), each)),
            ("bytes", hex(bytes)),
        ])
    };
    let mut refused = refused::of("signing key", bad_keys());
    refused.extend(refused_keys());
    refused.extend(refused_sigs());
    Json::Object(vec![
        ("keys", list(names.iter().zip(1u8..), one)),
        ("lists", list(&lists, keys)),
        ("sigs", list(&of_sigs, sigs)),
        ("signatures", list(1..=3u8, good_signature)),
        (
            "bad_signatures",
            list(bad_signatures(), |(what, bytes)| {
                object([("what", text(what)), ("refused_bytes", hex(bytes))])
            }),
        ),
        refused::listed(refused),
    ])
}

fn good_signature(n: u8) -> Json {
    let (key, message) = (sample::key(n), Hash([0x10 * n; 32]));
    object([
        ("public", hex(key.public().0)),
        ("message", hex(message.0)),
        ("signature", hex(key.sign(&message))),
    ])
}

/// Key, message and signature that do not verify.
fn bad_signatures() -> Vec<(&'static str, Vec<u8>)> {
    let (key, message) = (sample::key(1), Hash([0x20; 32]));
    let (public, good) = (key.public().0, key.sign(&message));
    // the order of the base point, little-endian
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut larger = good;
    let mut carry = 0;
    for (byte, l) in larger[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    let mut bent = good;
    bent[40] ^= 1;
    let mut nothing = [0; 64];
    nothing[0] = 1;
    let mut identity = [0; 32];
    identity[0] = 1;
    let cofactored: Vec<u8> = (0..64)
        .map(|i| u8::from_str_radix(&COFACTORED[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect();
    let cofactored: [u8; 64] = cofactored.try_into().expect("a signature");
    let mut not_a_point = [0; 32];
    not_a_point[0] = 2;
    let all = [
        ("S is greater by the order of the group", public, larger),
        ("a bit of S", public, bent),
        ("good only with the cofactor", public, cofactored),
        (
            "everything is signed by the key of order 1",
            identity,
            nothing,
        ),
        ("a key that is no point of the curve", not_a_point, good),
        ("another key", sample::key(2).public().0, good),
    ];
    all.into_iter()
        .map(|(what, public, signature)| {
            let verifies = PublicKey::from_bytes(&public)
                .is_some_and(|key| key.verifies(&message, &signature));
            assert!(!verifies, "{what}");
            (what, [&public[..], &message.0, &signature].concat())
        })
        .collect()
}

pub fn names() -> Json {
    let texts: [(&str, &str); 34] = [
        ("division", "370102"),
        ("division", "370102001"),
        ("division", "37010"),
        ("division", "37010a"),
        ("division", "３７０１０２"),
        ("region", "370102"),
        ("region", "pilot-zone"),
        ("region", "pilot-"),
        ("region", "-pilot"),
        ("region", "Pilot"),
        ("region", "pilot_zone"),
        ("region", "*"),
        ("region", ""),
        (
            "region",
            "x123456789x123456789x123456789x123456789x123456789x123456789x123",
        ),
        (
            "region",
            "x123456789x123456789x123456789x123456789x123456789x123456789x1234",
        ),
        ("organisation", "370102.scjg"),
        ("organisation", "pilot-zone.a1"),
        ("organisation", "370102.abcdefghijklmnop"),
        ("organisation", "370102.abcdefghijklmnopq"),
        ("organisation", "370102.s"),
        ("organisation", "370102."),
        ("organisation", ".scjg"),
        ("organisation", "370102.SCJG"),
        ("organisation", "370102.scjg.a1"),
        ("organisation", "*.scjg"),
        ("organisation", "370102"),
        ("permitted", "registration"),
        ("permitted", "370102.*"),
        ("permitted", "*"),
        ("permitted", ".*"),
        ("permitted", "370102*"),
        ("permitted", "a*.*"),
        ("permitted", "市监"),
        ("permitted", ""),
    ];
    let holds = |what: &str, s: &str| match what {
        "division" => code::is_division(s),
        "region" => code::is_region(s),
        "organisation" => code::is_organisation(s),
        _ => permits(s),
    };
    let inside = [
        ("370102", "370102"),
        ("370102001", "370102"),
        ("370102", "370102001"),
        ("370103001", "370102"),
        ("pilot-east", "pilot"),
        ("37010200a", "370102"),
    ];
    let allowed = [
        ("registration", "registration"),
        ("registration", "registration2"),
        ("370102.*", "370102.permit"),
        ("370102.*", "370102."),
        ("370102.*", "370102"),
        ("370102.*", "370103.permit"),
    ];
    let mut identity = sample_identity();
    let mut lists = |permitted: &str, record_type: &str| {
        identity.permitted = vec![permitted.to_owned()];
        identity.lists(record_type)
    };
    let permitted = allowed.map(|(p, t)| {
        object([
            ("permitted", text(p)),
            ("text", text(t)),
            ("holds", flag(lists(p, t))),
        ])
    });
    Json::Object(vec![
        (
            "texts",
            list(texts, |(what, s)| {
                object([
                    ("what", text(what)),
                    ("text", text(s)),
                    ("holds", flag(holds(what, s))),
                ])
            }),
        ),
        (
            "inside",
            list(inside, |(inner, outer)| {
                object([
                    ("text", text(inner)),
                    ("outer_text", text(outer)),
                    ("holds", flag(is_within(inner, outer))),
                ])
            }),
        ),
        ("permits", Json::List(permitted.into())),
        refused::listed(refused_names()),
    ])
}

fn is_within(inner: &str, outer: &str) -> bool {
    code::is_within(inner, outer)
}

fn sample_identity() -> protocol::statement::Identity {
    let city = sample::city();
    let bytes = &city.department.bytes;
    protocol::statement::Identity::from_bytes(bytes).expect("an identity of our own")
}

/// Whether a list of permitted types may name it.
fn permits(name: &str) -> bool {
    let mut identity = sample_identity();
    identity.permitted = vec![name.to_owned()];
    identity.check().is_ok()
}

fn refused_names() -> Vec<Refused> {
    let some = Ref::of(Hash([3; 32])).to_bytes();
    let mut half = some;
    half[0] = 0;
    let mut other = [0; 33];
    other[0] = 1;
    let mut out = refused::of(
        "ref",
        vec![
            ("suite 0 with a hash", "zero", half.to_vec()),
            ("a suite with the zero hash", "zero", other.to_vec()),
            ("32 bytes", "end", some[..32].to_vec()),
            ("34 bytes", "more", [&some[..], &[0]].concat()),
        ],
    );
    let pos = |sequence: u64, reference: &[u8]| [&sequence.to_be_bytes(), reference].concat();
    let position = Position {
        sequence: limits::POSITION_MAX,
        header: Ref::of(Hash([3; 32])),
    };
    let mut greatest = Vec::new();
    position.put(&mut greatest);
    assert_eq!(greatest, pos(limits::POSITION_MAX, &some));
    out.extend(refused::of(
        "pos",
        vec![
            ("sequence 0 with a header", "zero", pos(0, &some)),
            ("a sequence without header", "zero", pos(1, &[0; 33])),
            (
                "above the greatest",
                "bound",
                pos(limits::POSITION_MAX + 1, &some),
            ),
            ("a bad reference", "zero", pos(1, &half)),
            ("cut", "end", greatest[..40].to_vec()),
        ],
    ));
    let incarnation = Incarnation {
        counter: limits::POSITION_MAX + 1,
        feed: FeedId([1; 16]),
    };
    out.extend(refused::of(
        "incarnation",
        vec![
            (
                "above the greatest",
                "bound",
                incarnation.to_bytes().to_vec(),
            ),
            ("cut", "end", vec![1; 23]),
        ],
    ));
    out
}
