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
