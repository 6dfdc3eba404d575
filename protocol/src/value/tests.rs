//! Values at their edges: what a source's text becomes, and which bytes are no value.

use super::*;

/// What a text of a source is, read as text, as decimal and as a day.
#[track_caller]
fn check(source: &str, as_text: &Value, is_decimal: bool, day: Option<(i16, u8, u8)>) {
    assert_eq!(&Value::from_text(source), as_text, "{source:?} as text");
    let decimal = is_decimal.then(|| Value::Decimal(source.to_owned()));
    assert_eq!(Value::decimal(source), decimal, "{source:?} as decimal");
    let day = day.map(|(y, m, d)| CivilDate::new(y, m, d).expect("the table names real days"));
    assert_eq!(CivilDate::parse_iso(source), day, "{source:?} as day");
    if let Some(day) = day {
        assert_eq!(day.to_string(), source);
    }
    for value in [Some(as_text.clone()), decimal, day.map(Value::Date)]
        .into_iter()
        .flatten()
    {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        let mut r = Reader::new(&bytes, "test");
        assert_eq!(Value::read(&mut r), Ok(value), "{source:?} back from bytes");
        assert_eq!(r.finish(), Ok(()));
    }
}

#[test]
fn texts_of_sources() {
    let text = |s: &str| Value::Text(s.into());
    check("", &Value::Empty, false, None);
    check(" ", &text(" "), false, None);
    check("a\0b", &Value::Raw(b"a\0b".to_vec()), false, None);
    check("\0", &Value::Raw(vec![0]), false, None);
    check("𠮷野家", &text("𠮷野家"), false, None);
    check("\u{feff}甲", &text("\u{feff}甲"), false, None);
    for decimal in [
        "0",
        "-0",
        "007",
        "-12.50",
        "9223372036854775808",
        "18446744073709551616",
        "0.000",
    ] {
        check(decimal, &text(decimal), true, None);
    }
    for not_decimal in [
        "+1", ".5", "5.", "-", "--1", "1.2.3", "1e5", "1,000", "inf", "NaN", " 1", "1 ", "１２",
        "0x1f", "-.", "-1.",
    ] {
        check(not_decimal, &text(not_decimal), false, None);
    }
    for (day, parts) in [
        ("2025-01-15", (2025, 1, 15)),
        ("0001-01-01", (1, 1, 1)),
        ("9999-12-31", (9999, 12, 31)),
        ("2024-02-29", (2024, 2, 29)),
        ("2000-02-29", (2000, 2, 29)),
    ] {
        check(day, &text(day), false, Some(parts));
    }
    for not_day in [
        "2025-00-15",
        "2025-13-01",
        "2025-04-31",
        "2025-02-29",
        "1900-02-29",
        "2025-01-00",
        "0000-01-01",
        "-001-01-01",
        "2025-1-15",
        "2025/01/15",
        "2025-01-15 ",
        "+025-01-15",
        "2025-01-1５",
        "２０25-01",
    ] {
        check(not_day, &text(not_day), false, None);
    }
    check("20250115", &text("20250115"), true, None);
    let longest = "9".repeat(255);
    check(&longest, &text(&longest), true, None);
    let too_long = "9".repeat(256);
    check(&too_long, &text(&too_long), false, None);
}

#[test]
fn whole_numbers_and_instants_at_their_bounds() {
    for v in [i64::MIN, -1, 0, 1, i64::MAX] {
        for value in [Value::Integer(v), Value::Instant(v)] {
            let mut bytes = Vec::new();
            value.put(&mut bytes);
            assert_eq!(bytes[1..], v.to_be_bytes());
            assert_eq!(Value::read(&mut Reader::new(&bytes, "test")), Ok(value));
        }
    }
}

#[test]
fn times_of_day() {
    let day = CivilDate::new(2025, 6, 30).expect("a day");
    for (h, m, s, micro, there) in [
        (0, 0, 0, 0, true),
        (23, 59, 59, 999_999, true),
        (24, 0, 0, 0, false),
        (0, 60, 0, 0, false),
        (23, 59, 60, 0, false),
        (0, 0, 0, 1_000_000, false),
    ] {
        assert_eq!(
            CivilTime::new(day, h, m, s, micro).is_some(),
            there,
            "{h}:{m}:{s}.{micro}"
        );
    }
}

/// Bytes of a value; whether they are one.
#[track_caller]
fn check_bytes(what: &str, bytes: &[u8], there: bool) {
    let mut r = Reader::new(bytes, "test");
    let read = Value::read(&mut r).and_then(|v| r.finish().map(|()| v));
    assert_eq!(read.is_ok(), there, "{what}: {read:?}");
    if let Ok(read) = read {
        let mut again = Vec::new();
        read.put(&mut again);
        assert_eq!(again, bytes, "{what}");
    }
}

#[test]
fn attachments_at_their_bounds() {
    let bytes = |size: u64, media_type: &[u8], name: &[u8]| {
        let mut out = vec![10];
        out.put_u64(size);
        out.put_short(media_type);
        out.put_short(name);
        out.put(&[7; 32]);
        out
    };
    let (media, name) = (b"application/pdf".as_slice(), "营业执照.pdf".as_bytes());
    let (long, longer) = ([b'a'; 100], [b'a'; 101]);
    for (what, size, media_type, name, there) in [
        ("one byte", 1, media, name, true),
        ("largest", limits::ATTACHMENT_BYTES_MAX, media, name, true),
        (
            "too large",
            limits::ATTACHMENT_BYTES_MAX + 1,
            media,
            name,
            false,
        ),
        ("empty", 0, media, name, false),
        ("longest media type", 1, &long, name, true),
        ("too long a media type", 1, &longer, name, false),
        ("no media type", 1, b"", name, false),
        ("U+0000 in it", 1, b"a\0", name, false),
        ("not UTF-8", 1, b"\xff", name, false),
        ("a name of one", 1, media, b"a", true),
        ("longest name", 1, media, &[b'a'; 255], true),
        ("no name", 1, media, b"", false),
        ("a slash", 1, media, b"a/b", false),
        ("a backslash", 1, media, b"a\\b", false),
        ("a line's end", 1, media, b"a\nb", false),
        ("U+0000", 1, media, b"a\0b", false),
        ("U+007F", 1, media, b"a\x7fb", false),
        ("U+0085", 1, media, "a\u{85}b".as_bytes(), false),
        ("a name that is not UTF-8", 1, media, b"\xff", false),
    ] {
        check_bytes(what, &bytes(size, media_type, name), there);
        let texts =
            std::str::from_utf8(media_type).and_then(|m| Ok((m, std::str::from_utf8(name)?)));
        if let Ok((media_type, name)) = texts {
            let made = Attachment::new(size, media_type, name, Hash([7; 32]));
            assert_eq!(made.is_some(), there, "{what}");
            if let Some(made) = made {
                let mut put = Vec::new();
                Value::Attachment(made.clone()).put(&mut put);
                assert_eq!(
                    put,
                    bytes(size, media_type.as_bytes(), name.as_bytes()),
                    "{what}"
                );
                assert_eq!(
                    (made.size(), made.media_type(), made.name()),
                    (size, media_type, name)
                );
                assert_eq!(made.root(), Hash([7; 32]));
            }
        }
    }
    let too_long = Attachment::new(1, "a", "a".repeat(256), Hash::ZERO);
    assert_eq!(too_long, None);
    let cut = bytes(1, media, name);
    check_bytes("without its root", &cut[..cut.len() - 1], false);
}

#[test]
fn bytes_that_are_no_value() {
    for (what, bytes, there) in [
        ("null", [1].as_slice(), true),
        ("empty", &[2], true),
        ("raw", &[3, 0, 0, 0, 1, 0xff], true),
        ("raw of nothing", &[3, 0, 0, 0, 0], true),
        ("text", &[4, 0, 0, 0, 1, b'a'], true),
        ("text of nothing", &[4, 0, 0, 0, 0], false),
        ("text with U+0000", &[4, 0, 0, 0, 1, 0], false),
        ("text that is not UTF-8", &[4, 0, 0, 0, 1, 0xff], false),
        ("integer", &[5, 0, 0, 0, 0, 0, 0, 0, 1], true),
        ("integer of seven bytes", &[5, 0, 0, 0, 0, 0, 0, 0], false),
        ("decimal", &[6, 1, b'1'], true),
        ("decimal of nothing", &[6, 0], false),
        ("decimal with a sign", &[6, 2, b'+', b'1'], false),
        ("date", &[7, 0x07, 0xe9, 1, 15], true),
        ("no such date", &[7, 0x07, 0xe9, 2, 29], false),
        ("time", &[8, 0x07, 0xe9, 1, 1, 23, 59, 59, 0, 0, 0, 0], true),
        (
            "no such time",
            &[8, 0x07, 0xe9, 1, 1, 24, 0, 0, 0, 0, 0, 0],
            false,
        ),
        ("instant", &[9, 0, 0, 0, 0, 0, 0, 0, 1], true),
        ("tag 0", &[0], false),
        ("tag 11", &[11], false),
        ("nothing", &[], false),
        ("bytes behind", &[1, 1], false),
    ] {
        check_bytes(what, bytes, there);
    }
}
