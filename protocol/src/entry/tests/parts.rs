//! What no subject, key or section is, and what section 15 says.

use super::key;
use crate::bytes::{Put, Reader};
use crate::entry::{Key, Provenance, Subject, SubjectName, put_fields, read_fields};
use crate::limits;
use crate::name::SeatId;
use crate::value::Value;

#[test]
fn bytes_that_are_no_subject() {
    let text = |tag: u8, s: &str| {
        let mut out = vec![tag];
        out.put_medium(s.as_bytes());
        out
    };
    let person = |version: u8, n: usize| [vec![6, version], vec![7; n]].concat();
    for (what, bytes, there) in [
        ("none", vec![0], true),
        ("a code", text(1, "9"), true),
        ("a number", text(2, "9"), true),
        ("a code", text(3, "9"), true),
        ("a number", text(4, "9"), true),
        ("longest", text(1, &"9".repeat(512)), true),
        ("too long", text(1, &"9".repeat(513)), false),
        ("empty", text(2, ""), false),
        ("U+0000", text(3, "a\0"), false),
        ("unidentified", vec![5], true),
        ("unidentified with a text", text(5, "甲"), false),
        ("a person", person(1, 32), true),
        ("a person", person(255, 32), true),
        ("version 0", person(0, 32), false),
        ("too short", person(1, 31), false),
        ("too long", person(1, 33), false),
        ("tag 7", text(7, "a"), false),
        ("tag 255", vec![255], false),
        ("nothing", vec![], false),
    ] {
        let mut r = Reader::new(&bytes, "test");
        let read = Subject::read(&mut r).and_then(|s| r.finish().map(|()| s));
        assert_eq!(read.is_ok(), there, "{what}");
        if let Ok(read) = read {
            let mut again = Vec::new();
            read.put(&mut again);
            assert_eq!(again, bytes, "{what}");
        }
    }
}

#[test]
fn subjects_as_texts() {
    let seat = SeatId([0xe1; 16]);
    let text = |s: Subject| s.text(&seat, "registration", &key());
    assert_eq!(text(Subject::None), "");
    assert_eq!(text(Subject::Uscc("9".into())), "uscc:9");
    assert_eq!(text(Subject::RegistrationNumber("9".into())), "reg:9");
    assert_eq!(text(Subject::OrganisationCode("9".into())), "org:9");
    assert_eq!(text(Subject::TaxNumber("9".into())), "tax:9");
    let person = Subject::Person {
        key_version: 12,
        pseudonym: [0xab; 32],
    };
    assert_eq!(text(person), format!("person:12:{}", "ab".repeat(32)));
    let own = text(Subject::Unidentified);
    let record = crate::id::unidentified("registration", &key());
    let hex: String = record.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(own, format!("own:{}:{hex}", "e1".repeat(16)));
    // another type, another key, another seat: another subject
    for other in [
        Subject::Unidentified.text(&seat, "penalty", &key()),
        Subject::Unidentified.text(&seat, "registration", &Key::marker()),
        Subject::Unidentified.text(&SeatId([0xe2; 16]), "registration", &key()),
    ] {
        assert_ne!(other, own);
    }
    let read = SubjectName::from_text(&own);
    assert_eq!(read, Some(SubjectName::Own { seat, record }));
}

#[test]
fn texts_that_name_no_subject() {
    let hex = "ab".repeat(32);
    let (seat, record) = ("e1".repeat(16), "0a".repeat(16));
    for (text, there) in [
        (String::new(), true),
        ("uscc:91310115MA1K000001".into(), true),
        ("reg:a:b".into(), true),
        (format!("uscc:{}", "9".repeat(512)), true),
        (format!("uscc:{}", "9".repeat(513)), false),
        (format!("person:1:{hex}"), true),
        (format!("person:255:{hex}"), true),
        (format!("person:0:{hex}"), false),
        (format!("person:1:{}", hex.to_uppercase()), false),
        (format!("person:01:{hex}"), false),
        (format!("person:+1:{hex}"), false),
        (format!("person:256:{hex}"), false),
        (format!("person:1:+{}", &hex[1..]), false),
        (format!("person:1:{}", &hex[2..]), false),
        (format!("person:{hex}"), false),
        (format!("own:{seat}:{record}"), true),
        (format!("own:{}:{record}", seat.to_uppercase()), false),
        (format!("own:{seat}"), false),
        (format!("own:{seat}:{record}00"), false),
        (format!("own:{}:{record}", &seat[2..]), false),
        (format!("own:{seat}:{record}:"), false),
        ("uscc:".into(), false),
        ("uscc".into(), false),
        ("USCC:1".into(), false),
        ("name:示范".into(), false),
        ("reg:a\0b".into(), false),
        (format!("case:{hex}"), false),
    ] {
        let read = SubjectName::from_text(&text);
        assert_eq!(read.is_some(), there, "{text:?}");
        if let Some(read) = read {
            assert_eq!(read.to_string(), text);
        }
    }
}

#[test]
fn bytes_that_are_no_key() {
    let clear = |values: &[Value]| {
        let mut out = vec![1, values.len() as u8];
        values.iter().for_each(|v| v.put(&mut out));
        out
    };
    let text = |n: usize| [Value::Text("a".repeat(n))];
    for (what, bytes, there) in [
        ("no columns", vec![1, 0], true),
        ("a column", clear(&text(1)), true),
        ("longest", clear(&text(249)), true),
        ("too long in the clear", clear(&text(250)), false),
        ("hashed", [vec![2], vec![7; 32]].concat(), true),
        ("personal", [vec![3], vec![7; 32]].concat(), true),
        ("hashed, short", [vec![2], vec![7; 31]].concat(), false),
        ("personal, long", [vec![3], vec![7; 33]].concat(), false),
        ("form 0", vec![0, 0], false),
        ("form 4", [vec![4], vec![7; 32]].concat(), false),
        ("nothing", vec![], false),
        ("no count", vec![1], false),
        ("fewer columns than said", vec![1, 1], false),
        ("more columns than said", vec![1, 0, 1], false),
        ("a column that is no value", vec![1, 1, 11], false),
    ] {
        let read = Key::from_bytes(&bytes);
        assert_eq!(read.is_ok(), there, "{what}");
        if let Ok(read) = read {
            assert_eq!(read.as_bytes(), bytes, "{what}");
            assert_eq!(read.is_marker(), bytes == [1, 0], "{what}");
        }
    }
    assert_eq!(
        Key::columns(&text(249)).as_bytes().len(),
        limits::KEY_BYTES_MAX
    );
    let hashed = Key::columns(&text(250));
    let full = crate::hash::sha256(&[&clear(&text(250))]);
    assert_eq!(hashed.as_bytes(), [&[2], full.0.as_slice()].concat());
    assert_eq!(hashed.values(), None);
    assert_eq!(Key::columns(&text(3)).values(), Some(text(3).to_vec()));
    let personal = Key::personal(&text(3), &[9; 32]);
    let mac = crate::hash::hmac(&[9; 32], &clear(&text(3)));
    assert_eq!(personal.as_bytes(), [&[3], mac.0.as_slice()].concat());
    assert_eq!(Key::marker(), Key::columns(&[]));
}

#[test]
fn keys_for_people() {
    let two = Key::columns(&[Value::from_text("甲"), Value::Integer(7)]);
    assert_eq!(two.to_string(), "甲 / 7");
    assert_eq!(format!("{two:?}"), "甲 / 7");
    let personal = Key::from_bytes(&[vec![3], vec![0xab; 32]].concat()).expect("a key");
    assert_eq!(personal.to_string(), "ab".repeat(8));
}

#[test]
fn bytes_that_are_no_section() {
    let field = |n: u16| [n.to_be_bytes().as_slice(), &[1]].concat();
    let of = |n: u16, fields: &[Vec<u8>]| [n.to_be_bytes().to_vec(), fields.concat()].concat();
    let all = |n: u16| (0..n).map(field).collect::<Vec<_>>();
    for (what, bytes, there) in [
        ("one", of(1, &[field(7)]), true),
        (
            "field 0 and the last",
            of(2, &[field(0), field(u16::MAX)]),
            true,
        ),
        ("512", of(512, &all(512)), true),
        ("513", of(513, &all(513)), false),
        ("none", of(0, &[]), false),
        ("twice", of(2, &[field(7), field(7)]), false),
        ("falling", of(2, &[field(7), field(6)]), false),
        ("fewer than said", of(2, &[field(7)]), false),
        ("more than said", of(1, &[field(7), field(8)]), false),
        ("no value", of(1, &[vec![0, 7, 11]]), false),
        ("nothing", vec![], false),
    ] {
        let read = read_fields(&bytes);
        assert_eq!(read.is_ok(), there, "{what}");
        if let Ok(read) = read {
            let mut again = Vec::new();
            put_fields(&read, &mut again);
            assert_eq!(again, bytes, "{what}");
        }
    }
}

/// A section 15 with this field; whether it is one, and what it says.
#[track_caller]
fn check_provenance(number: u16, value: Value, said: Option<Provenance>) {
    let mut bytes = Vec::new();
    put_fields(&[(number, value)], &mut bytes);
    assert_eq!(Provenance::from_section(&bytes).ok(), said);
}

#[test]
fn what_section_15_says() {
    let text = |n: usize| Value::Text("a".repeat(n));
    let position = |bytes: Vec<u8>| {
        Some(Provenance {
            position: Some(bytes),
            ..Provenance::default()
        })
    };
    check_provenance(1, text(1_024), position(vec![b'a'; 1_024]));
    check_provenance(1, text(1_025), None);
    check_provenance(
        1,
        Value::Raw(vec![0xff; 1_024]),
        position(vec![0xff; 1_024]),
    );
    check_provenance(1, Value::Raw(vec![0xff; 1_025]), None);
    check_provenance(1, Value::Integer(1), None);
    check_provenance(1, Value::Empty, None);
    let account = |n: usize| {
        Some(Provenance {
            account: Some("a".repeat(n)),
            ..Provenance::default()
        })
    };
    check_provenance(2, text(64), account(64));
    check_provenance(2, text(65), None);
    check_provenance(2, Value::Raw(vec![1]), None);
    let real_name = |n: usize| {
        Some(Provenance {
            real_name: Some("a".repeat(n)),
            ..Provenance::default()
        })
    };
    check_provenance(3, text(100), real_name(100));
    check_provenance(3, text(101), None);
    check_provenance(3, Value::Null, None);
    // reserved: kept, not shown
    check_provenance(0, text(9), Some(Provenance::default()));
    check_provenance(4, Value::Null, Some(Provenance::default()));
    assert!(Provenance::from_section(&[0, 0]).is_err());
}

#[test]
fn provenance_is_stated_within_its_bounds() {
    let at = |bytes: &[u8]| Provenance::at(bytes);
    assert_eq!(at(b"").to_section(), Ok(None));
    assert_eq!(at("甲:1".as_bytes()).position_text(), Some("甲:1"));
    let long = at("甲".repeat(400).as_bytes());
    assert_eq!(
        long.position_text().map(str::len),
        Some(1_023),
        "cut between characters"
    );
    let raw = at(&[0xff; 2_000]);
    assert_eq!(raw.position.as_ref().map(Vec::len), Some(1_024));
    assert_eq!(raw.position_text(), None);
    for said in [
        at(b"a"),
        long,
        raw,
        at(b"a\0b"),
        Provenance {
            account: Some("li".into()),
            real_name: Some("李某".into()),
            ..at(b"form")
        },
    ] {
        let bytes = said
            .to_section()
            .expect("within bounds")
            .expect("says something");
        assert_eq!(Provenance::from_section(&bytes), Ok(said));
    }
    let over = Provenance {
        account: Some("a".repeat(65)),
        ..Provenance::default()
    };
    assert!(over.to_section().is_err());
    let empty = Provenance {
        real_name: Some(String::new()),
        ..Provenance::default()
    };
    assert!(
        empty.to_section().is_err(),
        "an empty name is none: leave it out"
    );
}

/// Nobody reads such a section: whoever lays it out finds out at once.
#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "ascend"))]
fn fields_are_laid_out_once_each() {
    put_fields(&[(7, Value::Null), (7, Value::Empty)], &mut Vec::new());
}
