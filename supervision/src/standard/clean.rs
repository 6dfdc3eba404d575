//! Cleaning of single values, by the kind of their field: what sources write becomes what the standard means.
//!
//! Cleaning never guesses and never loses: what it does not understand stays as given (dates that are none become raw
//! bytes), and checking says so.

use std::borrow::Cow;

use protocol::value::{CivilDate, Value};

use super::{Field, FieldKind};
use crate::identifier::{is_nothing, normalise};

/// The value as the field's kind has it.
pub fn clean(field: &Field, raw: Value) -> Value {
    match field.kind {
        FieldKind::Text | FieldKind::Names | FieldKind::Code | FieldKind::PersonId => text(raw),
        FieldKind::Uscc
        | FieldKind::RegNo
        | FieldKind::OrgCode
        | FieldKind::TaxNo
        | FieldKind::Division => identifier(raw),
        FieldKind::Date => date(field, raw),
        FieldKind::Integer => match text(raw) {
            Value::Text(s) => match ungrouped(&s).parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Text(s),
            },
            Value::Decimal(s) => match s.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Decimal(s),
            },
            other => other,
        },
        FieldKind::Decimal | FieldKind::Amount => match text(raw) {
            Value::Text(s) => Value::decimal(&ungrouped(&s)).unwrap_or(Value::Text(s)),
            other => other,
        },
    }
}

/// A civil date in one of the forms that sources use: `20180727`, `2018-07-27`, `2018/7/27`, `2018.7.27`,
/// `2018年7月27日`, each also with a time of day behind it.
pub fn parse_date(text: &str) -> Option<CivilDate> {
    if let Some(date) = CivilDate::parse_iso(text) {
        return Some(date);
    }
    let text = text.trim();
    if text.len() > DATE_BYTES_MAX {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) && matches!(text.len(), 8 | 14) {
        return CivilDate::new(
            text[..4].parse().ok()?,
            text[4..6].parse().ok()?,
            text[6..8].parse().ok()?,
        );
    }
    let (year, rest) = number(text, 4)?;
    let between = rest.chars().next()?;
    let (month, rest) = number(&rest[between.len_utf8()..], 2)?;
    let (day, rest) = match between {
        '年' => {
            let (day, rest) = number(rest.strip_prefix('月')?, 2)?;
            (day, rest.strip_prefix('日')?)
        }
        '-' | '/' | '.' => number(rest.strip_prefix(between)?, 2)?,
        _ => return None,
    };
    is_time(rest).then(|| CivilDate::new(year, month as u8, day as u8))?
}

/// Whether a value says "without end": 长期, or one of the far dates that sources use for it.
pub fn is_open_ended(value: &Value) -> bool {
    match value {
        Value::Text(s) => s == OPEN_ENDED,
        Value::Date(d) => matches!(
            (d.year(), d.month(), d.day()),
            (2099 | 9999, 12, 31) | (9999, 9, 9)
        ),
        _ => false,
    }
}

/// Whether a date is one that sources write for "unknown".
pub fn is_fake(date: CivilDate) -> bool {
    matches!(
        (date.year(), date.month(), date.day()),
        (1900, 1, 1) | (1899, 12, 30 | 31) | (1, 1, 1)
    )
}

fn text(raw: Value) -> Value {
    match raw {
        Value::Text(s) => {
            let trimmed = s.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            if is_nothing(trimmed) {
                Value::Empty
            } else if trimmed.len() == s.len() {
                Value::Text(s)
            } else {
                Value::Text(trimmed.to_owned())
            }
        }
        other => other,
    }
}

fn identifier(raw: Value) -> Value {
    match raw {
        Value::Text(s) => match normalise(&s) {
            Cow::Borrowed("") => Value::Empty,
            Cow::Borrowed(_) => Value::Text(s),
            Cow::Owned(clean) => Value::from_text(clean),
        },
        // a number column keeps its digits, except leading zeros that it never had
        Value::Integer(number) => Value::Text(number.to_string()),
        Value::Decimal(s) if s.bytes().all(|b| b.is_ascii_digit()) => Value::Text(s),
        other => other,
    }
}

fn date(field: &Field, raw: Value) -> Value {
    match text(raw) {
        Value::Text(s) => match parse_date(&s) {
            Some(date) => Value::Date(date),
            None if field.open_ended && OPEN_ENDED_FORMS.contains(&s.as_str()) => {
                Value::Text(OPEN_ENDED.to_owned())
            }
            None => Value::Raw(s.into_bytes()),
        },
        Value::Integer(number) => match parse_date(&number.to_string()) {
            Some(date) => Value::Date(date),
            None => Value::Raw(number.to_string().into_bytes()),
        },
        Value::Time(time) => Value::Date(time.date()),
        other => other,
    }
}

/// Digits at the front, at least one and at most `most`.
fn number(text: &str, most: usize) -> Option<(i16, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits > most || (most == 4 && digits != 4) {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// Nothing, or something that looks like a time of day behind a date.
fn is_time(rest: &str) -> bool {
    rest.is_empty()
        || (rest.starts_with([' ', 'T'])
            && rest[1..]
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b' ' | b'Z' | b'+')))
}

/// Without thousands separators, if that is what the commas are.
fn ungrouped(text: &str) -> Cow<'_, str> {
    if !text.contains(',') {
        return Cow::Borrowed(text);
    }
    let whole = text.split('.').next().unwrap_or(text);
    let mut groups = whole.trim_start_matches('-').split(',');
    let first = groups.next().unwrap_or("");
    if (1..=3).contains(&first.len()) && groups.all(|g| g.len() == 3) {
        Cow::Owned(text.replace(',', ""))
    } else {
        Cow::Borrowed(text)
    }
}

/// Without end.
pub const OPEN_ENDED: &str = "长期";
const OPEN_ENDED_FORMS: [&str; 6] = [
    "长期",
    "长期有效",
    "永久",
    "永久有效",
    "无固定期限",
    "无期限",
];
const DATE_BYTES_MAX: usize = 40;
