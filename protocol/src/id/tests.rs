//! Ids against their pre-images written out, and the arithmetic of sums.

use super::*;
use crate::value::Value;

fn key() -> Key {
    Key::columns(&[Value::from_text("K1")])
}

fn sha(parts: &[&[u8]]) -> Hash {
    hash::sha256(&[&parts.concat()])
}

/// A string after its length in one byte, and in two.
fn short(s: &[u8]) -> Vec<u8> {
    [&[s.len() as u8], s].concat()
}
fn medium(s: &[u8]) -> Vec<u8> {
    [&(s.len() as u16).to_be_bytes(), s].concat()
}

const SEAT: SeatId = SeatId([0xd1; 16]);

fn case<'a>(about: About<'a>) -> Case<'a> {
    Case {
        standard: "cn.case.notice",
        about,
        item: "4601",
        organisation: "310115.scjg",
        ordinal: 2,
        opener: SEAT,
    }
}

#[test]
fn a_case_is_named_by_all_that_stands_in_its_first_line() {
    let key = key();
    let rest = [
        medium(b"4601"),
        short(b"310115.scjg"),
        2u32.to_be_bytes().to_vec(),
        SEAT.0.to_vec(),
    ]
    .concat();
    let entity = case(About::Entity("uscc:91310115MA1K000001"));
    let of_entity = sha(&[
        &[5],
        &medium(b"cn.case.notice"),
        &[1],
        &medium(b"uscc:91310115MA1K000001"),
        &rest,
    ]);
    assert_eq!(entity.id(), Some(of_entity));
    let record = case(About::Record {
        record_type: "registration",
        key: &key,
        origin: SeatId([0xe1; 16]),
    });
    let of_record = sha(&[
        &[5],
        &medium(b"cn.case.notice"),
        &[2],
        &short(b"registration"),
        &medium(key.as_bytes()),
        &[0xe1; 16],
        &rest,
    ]);
    assert_eq!(record.id(), Some(of_record));
    let others = [
        Case {
            standard: "cn.case.other",
            ..entity
        },
        case(About::Entity("uscc:91310115MA1K000002")),
        Case {
            item: "4602",
            ..entity
        },
        Case {
            organisation: "",
            ..entity
        },
        Case {
            ordinal: 3,
            ..entity
        },
        Case {
            opener: SeatId([0xc1; 16]),
            ..entity
        },
    ];
    for other in others {
        assert_ne!(other.id(), entity.id(), "{other:?}");
    }
}

#[test]
fn a_part_longer_than_its_length_can_say_has_no_id() {
    let (longest, longer) = ("a".repeat(65_535), "a".repeat(65_536));
    let (short, too_long) = ("a".repeat(255), "a".repeat(256));
    let key = key();
    let entity = |subject| case(About::Entity(subject));
    let record = |record_type| {
        case(About::Record {
            record_type,
            key: &key,
            origin: SEAT,
        })
    };
    for (what, case, there) in [
        ("subject", entity(&longest), true),
        ("subject", entity(&longer), false),
        ("type", record(&short), true),
        ("type", record(&too_long), false),
        (
            "item",
            Case {
                item: &longer,
                ..entity("")
            },
            false,
        ),
        (
            "organisation",
            Case {
                organisation: &too_long,
                ..entity("")
            },
            false,
        ),
        (
            "standard",
            Case {
                standard: &longer,
                ..entity("")
            },
            false,
        ),
    ] {
        assert_eq!(case.id().is_some(), there, "{what}");
    }
    let zero = Hash::ZERO;
    assert!(act(&zero, &[7; 255]).is_some() && act(&zero, &[7; 256]).is_none());
    assert!(bucket(&short, &key, &SEAT).is_some() && bucket(&too_long, &key, &SEAT).is_none());
    assert!(person(&[1; 32], &short, &short).is_some());
    assert!(person(&[1; 32], &too_long, "1").is_none());
    assert!(person(&[1; 32], "1", &too_long).is_none());
    assert_eq!(unidentified(&too_long, &key), [0; 16]);
}

#[test]
fn effects_acts_and_subjects_of_records() {
    let case = Hash([0xca; 32]);
    let effect_id = sha(&[&[6], &case.0, &[0, 0, 0, 2], &[0, 0, 0, 9], &[0, 3]]);
    assert_eq!(effect(&case, 2, 9, 3), effect_id);
    let act_id = act(&case, LEFT).expect("short");
    let full = sha(&[&[0x0c], &case.0, &short(b"left")]);
    assert_eq!(act_id.0, full.0[..16]);
    assert_eq!(act_id.to_string(), full.to_string()[..32]);
    let record = sha(&[&[7], &short(b"permit"), &medium(key().as_bytes())]);
    assert_eq!(unidentified("permit", &key()), record.0[..16]);
    assert_ne!(
        unidentified("permit", &key()),
        unidentified("penalty", &key())
    );
}

#[test]
fn cases_have_one_text() {
    let case = Hash([0xab; 32]);
    let text = case_text(&case);
    assert_eq!(case_of_text(&text), Some(case));
    for other in [
        text.to_uppercase(),
        format!("case:{}", "AB".repeat(32)),
        text[5..].to_owned(),
        text[..68].to_owned(),
        format!("{text}a"),
        "case:".to_owned(),
    ] {
        assert_eq!(case_of_text(&other), None, "{other}");
    }
}

#[test]
fn a_person_is_a_document_and_its_number_in_capitals() {
    let secret = [7; 32];
    let of = |document: &str, number: &str| person(&secret, document, number);
    let message = [short(b"1"), short(b"11010519491231002X")].concat();
    let expected = Some(hash::hmac(&secret, &message).0);
    assert_eq!(of("1", "11010519491231002X"), expected);
    assert_eq!(of("1", "11010519491231002x"), expected);
    assert_eq!(of("", "11010519491231002x"), expected);
    assert_ne!(of("2", "11010519491231002X"), expected);
    // the lengths keep type and number apart
    assert_ne!(of("11", "10"), of("1", "110"));
    assert_ne!(person(&[8; 32], "1", "11010519491231002X"), expected);
}

#[test]
fn terms_and_buckets_of_records() {
    let key = key();
    let version = Version {
        epoch: 1,
        sequence: 2,
        index: 3,
    };
    let counted = Counted {
        record_type: "registration",
        key: &key,
        origin: SEAT,
        version,
        mask: 0x8003,
        region: "310115",
    };
    let term = sha(&[
        &[0x0b],
        &short(b"registration"),
        &medium(key.as_bytes()),
        &SEAT.0,
        &version.to_bytes(),
        &[0x80, 0x03],
        &short(b"310115"),
    ]);
    assert_eq!(counted.term(), Some(term));
    let named = sha(&[&short(b"registration"), &medium(key.as_bytes()), &SEAT.0]);
    assert_eq!(counted.bucket(), Some(named.0[0]));
    let later = Counted {
        version: Version {
            sequence: 9,
            ..version
        },
        ..counted
    };
    assert_ne!(later.term(), counted.term());
    assert_eq!(later.bucket(), counted.bucket());
    let reference = Ref::of(Hash([3; 32]));
    let statement = sha(&[&[0x0a], &reference.to_bytes()]);
    assert_eq!(statement_term(&reference), statement);
}

#[test]
fn sums_are_of_256_bits() {
    let number = |low: u8| {
        let mut bytes = [0; 32];
        bytes[31] = low;
        Hash(bytes)
    };
    let mut sum = Sum::ZERO;
    sum.subtract(&number(1));
    assert_eq!(sum, Sum([0xff; 32]), "zero less one is 2^256 - 1");
    sum.add(&number(1));
    assert_eq!(sum, Sum::ZERO, "and one more is zero again");
    sum.add(&number(0xff));
    sum.add(&number(0x02));
    let mut expected = [0; 32];
    (expected[30], expected[31]) = (1, 1);
    assert_eq!(sum, Sum(expected), "a carry goes to the byte before");
    sum.subtract(&number(0x02));
    assert_eq!(sum, Sum(number(0xff).0), "and is borrowed back");
    // a carry through a byte that is full
    let mut sum = Sum([0xff; 32]);
    sum.add(&Hash([0xff; 32]));
    let mut expected = [0xff; 32];
    expected[31] = 0xfe;
    assert_eq!(sum, Sum(expected));
    sum.subtract(&Hash([0xff; 32]));
    assert_eq!(sum, Sum([0xff; 32]));
}

#[test]
fn sums_do_not_ask_for_order() {
    let terms: Vec<Hash> = (0..40u8).map(|n| hash::sha256(&[&[n]])).collect();
    let sum_of = |terms: &mut dyn Iterator<Item = &Hash>| {
        let mut sum = Sum::ZERO;
        terms.for_each(|t| sum.add(t));
        sum
    };
    let forward = sum_of(&mut terms.iter());
    assert_eq!(forward, sum_of(&mut terms.iter().rev()));
    let mut without = forward;
    terms[..17].iter().for_each(|t| without.subtract(t));
    assert_eq!(without, sum_of(&mut terms[17..].iter()));
}
