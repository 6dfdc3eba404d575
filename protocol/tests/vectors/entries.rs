//! Vectors of values and keys.

use protocol::entry::Key;
use protocol::hash::{self};
use protocol::id;
use protocol::value::{Attachment, CivilDate, CivilTime, Value};

use crate::json::{Json, hex, list, object, text};
use crate::refused::{self};
use crate::sample;

pub fn put(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// A value as the vectors show it: its kind, then its parts.
pub fn shown(value: &Value) -> Json {
    let parts = match value {
        Value::Null => vec![text("null")],
        Value::Empty => vec![text("empty")],
        Value::Raw(b) => vec![text("raw"), hex(b)],
        Value::Text(s) => vec![text("text"), text(s)],
        Value::Integer(v) => vec![text("integer"), text(v.to_string())],
        Value::Decimal(s) => vec![text("decimal"), text(s)],
        Value::Date(d) => vec![text("date"), text(d.to_string())],
        Value::Time(t) => {
            let (h, m, s, micro) = t.clock();
            let clock = format!("{} {h:02}:{m:02}:{s:02}.{micro:06}", t.date());
            vec![text("time"), text(clock)]
        }
        Value::Instant(v) => vec![text("instant"), text(v.to_string())],
        Value::Attachment(a) => vec![
            text("attachment"),
            text(a.size().to_string()),
            text(a.media_type()),
            text(a.name()),
            hex(a.root().0),
        ],
    };
    Json::List(parts)
}

pub fn date(year: i16, month: u8, day: u8) -> CivilDate {
    CivilDate::new(year, month, day).expect("a day of the calendar")
}

fn attachment(size: u64, media_type: &str, name: &str) -> Vec<u8> {
    let mut out = vec![10];
    out.extend(size.to_be_bytes());
    for part in [media_type, name] {
        out.push(part.len() as u8);
        out.extend(part.as_bytes());
    }
    out.extend([7; 32]);
    out
}

pub fn values() -> Json {
    let time = CivilTime::new(date(2025, 12, 31), 23, 59, 59, 999_999).expect("a time of day");
    let scan = |size, name: &str| {
        let root = hash::sha256(&[b"pieces"]);
        Value::Attachment(Attachment::new(size, "application/pdf", name, root).expect("fits"))
    };
    let accepted = [
        Value::Null,
        Value::Empty,
        Value::Raw(b"2025-00-15".to_vec()),
        Value::Raw(vec![]),
        Value::from_text("a\0b"),
        Value::from_text("上海𠮷企业"),
        Value::Integer(0),
        Value::Integer(i64::MAX),
        Value::Integer(i64::MIN),
        Value::Decimal("-0012.500".into()),
        Value::Decimal("18446744073709551616".into()),
        Value::Date(date(2024, 2, 29)),
        Value::Date(date(1, 1, 1)),
        Value::Date(date(9999, 12, 31)),
        Value::Time(time),
        Value::Instant(sample::INSTANT),
        Value::Instant(-1),
        scan(4, "营业执照.pdf"),
        scan(64 << 20, "a"),
    ];
    let refused: Vec<(&str, &'static str, Vec<u8>)> = vec![
        ("no tag", "end", vec![]),
        ("unknown tag", "form", vec![0]),
        ("unknown tag", "form", vec![11]),
        ("null with a byte more", "more", vec![1, 0]),
        ("text without content", "bound", vec![4, 0, 0, 0, 0]),
        ("text with U+0000", "text", vec![4, 0, 0, 0, 1, 0]),
        (
            "text that is not UTF-8",
            "text",
            vec![4, 0, 0, 0, 2, 0xc4, 0xcf],
        ),
        (
            "surrogate in UTF-8",
            "text",
            vec![4, 0, 0, 0, 3, 0xed, 0xa0, 0x80],
        ),
        (
            "UTF-8 that is not the shortest",
            "text",
            vec![4, 0, 0, 0, 2, 0xc0, 0xaf],
        ),
        (
            "text shorter than its length",
            "end",
            vec![4, 0, 0, 0, 2, b'a'],
        ),
        (
            "length beyond the bytes",
            "end",
            vec![3, 0xff, 0xff, 0xff, 0xff, 1],
        ),
        (
            "integer of seven bytes",
            "end",
            vec![5, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("decimal with sign +", "form", vec![6, 2, b'+', b'1']),
        ("decimal without whole part", "form", vec![6, 2, b'.', b'5']),
        ("decimal without fraction", "form", vec![6, 2, b'5', b'.']),
        ("decimal infinity", "form", vec![6, 3, b'I', b'n', b'f']),
        (
            "decimal of other digits",
            "form",
            vec![6, 3, 0xef, 0xbc, 0x91],
        ),
        ("empty decimal", "form", vec![6, 0]),
        ("day 2025-00-15", "form", vec![7, 0x07, 0xe9, 0, 15]),
        ("day 2025-02-29", "form", vec![7, 0x07, 0xe9, 2, 29]),
        ("day 2025-13-01", "form", vec![7, 0x07, 0xe9, 13, 1]),
        ("year 0", "form", vec![7, 0, 0, 1, 1]),
        ("a year before", "form", vec![7, 0xff, 0xff, 1, 1]),
        (
            "sixtieth second",
            "form",
            vec![8, 0x07, 0xe9, 1, 1, 0, 0, 60, 0, 0, 0, 0],
        ),
        (
            "hour 24",
            "form",
            vec![8, 0x07, 0xe9, 1, 1, 24, 0, 0, 0, 0, 0, 0],
        ),
        (
            "a million microseconds",
            "form",
            vec![8, 0x07, 0xe9, 1, 1, 0, 0, 0, 0, 0x0f, 0x42, 0x40],
        ),
        ("attachment of nothing", "bound", attachment(0, "a/b", "a")),
        (
            "attachment too large",
            "bound",
            attachment((64 << 20) + 1, "a/b", "a"),
        ),
        (
            "attachment without media type",
            "bound",
            attachment(1, "", "a"),
        ),
        (
            "long media type",
            "bound",
            attachment(1, &"a".repeat(101), "a"),
        ),
        ("attachment without name", "bound", attachment(1, "a/b", "")),
        ("file name with /", "form", attachment(1, "a/b", "a/b")),
        ("file name with \\", "form", attachment(1, "a/b", "a\\b")),
        (
            "file name with a line break",
            "form",
            attachment(1, "a/b", "a\nb"),
        ),
        (
            "file name with U+0085",
            "form",
            attachment(1, "a/b", "a\u{85}b"),
        ),
        (
            "file name with U+0000",
            "text",
            attachment(1, "a/b", "a\0b"),
        ),
    ];
    Json::Object(vec![
        (
            "accepted",
            list(&accepted, |v| {
                object([("reads", shown(v)), ("bytes", hex(put(v)))])
            }),
        ),
        refused::listed(refused::of("value", refused)),
    ])
}

pub fn record_keys() -> Json {
    let code = Value::from_text("91310115MA1K000001");
    let long = Value::from_text("长".repeat(100));
    let secret = [0x77; 32];
    let person = Value::from_text("110101199003070019");
    let columns = |values: &[Value]| list(values, |v| hex(put(v)));
    let plain = |values: &[Value]| {
        object([
            ("columns", columns(values)),
            ("key", hex(Key::columns(values).as_bytes())),
        ])
    };
    let personal = object([
        ("columns", columns(std::slice::from_ref(&person))),
        ("secret", hex(secret)),
        (
            "key",
            hex(Key::personal(std::slice::from_ref(&person), &secret).as_bytes()),
        ),
    ]);
    let persons = [
        ("", "11010119900307001x"),
        ("1", "11010119900307001X"),
        ("2", "E12345678"),
        ("护照", "é1"),
    ];
    let mut longest = vec![1, 1, 3];
    longest.extend(250u32.to_be_bytes());
    longest.extend([7; 250]);
    let refused = vec![
        ("nothing", "end", vec![]),
        ("form 0", "form", vec![0; 33]),
        ("form 4", "form", vec![4; 33]),
        ("a hash of 31 bytes", "end", vec![2; 32]),
        ("a hash of 33 bytes", "more", vec![2; 34]),
        ("an HMAC of 31 bytes", "end", vec![3; 32]),
        ("a column too few", "end", vec![1, 2, 1]),
        ("a column too many", "more", vec![1, 1, 1, 1]),
        ("a column that is no value", "form", vec![1, 1, 11]),
        ("a clear key of 257 bytes", "bound", longest),
    ];
    Json::Object(vec![
        (
            "keys",
            Json::List(vec![
                plain(&[]),
                plain(std::slice::from_ref(&code)),
                plain(&[code, Value::Integer(7), Value::Null]),
                plain(&[long]),
                plain(&[Value::Raw(vec![7; 249])]),
                plain(&[Value::Raw(vec![7; 250])]),
                personal,
            ]),
        ),
        (
            "persons",
            list(persons, |(document, of)| {
                let key = [0x99; 32];
                let person = id::person(&key, document, of).expect("short");
                object([
                    ("person_key", hex(key)),
                    ("document", text(document)),
                    ("number", text(of)),
                    ("person", hex(person)),
                ])
            }),
        ),
        refused::listed(refused::of("key", refused)),
    ])
}
