//! The steps of a mapping rule. Each takes a value and gives a value; none guesses.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate};
use protocol::value::{CivilDate, Value};
use serde::Deserialize;

use crate::connector::nearest;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Trim,
    Upper,
    HalfWidth,
    Map {
        table: BTreeMap<String, String>,
        keep_others: bool,
    },
    Date(Vec<String>),
    Epoch(Epoch),
    Default(String),
    Concat(String),
    NullIf(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Epoch {
    Seconds,
    Millis,
    Julian,
}

/// A step as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum StepFile {
    Word(String),
    Table(StepTable),
}

#[derive(Deserialize)]
pub(super) struct StepTable {
    map: Option<BTreeMap<String, String>>,
    otherwise: Option<String>,
    date: Option<Vec<String>>,
    epoch: Option<String>,
    default: Option<String>,
    concat: Option<String>,
    null_if: Option<Vec<String>>,
}

impl Step {
    pub(super) fn from_file(file: StepFile) -> Result<Self, String> {
        let table = match file {
            StepFile::Word(word) => {
                return match word.as_str() {
                    "trim" => Ok(Self::Trim),
                    "upper" => Ok(Self::Upper),
                    "half_width" => Ok(Self::HalfWidth),
                    _ => Err(match nearest(&word, ["trim", "upper", "half_width"]) {
                        Some(name) => format!("没有步骤 {word}，是否指 {name}？"),
                        None => format!("没有步骤 {word}；可用：trim、upper、half_width"),
                    }),
                };
            }
            StepFile::Table(table) => table,
        };
        let mut steps = Vec::new();
        if let Some(map) = table.map {
            steps.push(Self::Map {
                table: map,
                keep_others: match table.otherwise.as_deref() {
                    None | Some("keep") => true,
                    Some("empty") => false,
                    Some(other) => {
                        return Err(format!("otherwise 只能是 keep 或 empty，不能是 {other}"));
                    }
                },
            });
        } else if table.otherwise.is_some() {
            return Err("otherwise 只能与 map 写在一起".to_owned());
        }
        if let Some(formats) = table.date {
            steps.push(Self::Date(formats));
        }
        if let Some(unit) = table.epoch {
            steps.push(Self::Epoch(match unit.as_str() {
                "s" => Epoch::Seconds,
                "ms" => Epoch::Millis,
                "julian" => Epoch::Julian,
                other => return Err(format!("epoch 只能是 s、ms 或 julian，不能是 {other}")),
            }));
        }
        steps.extend(table.default.map(Self::Default));
        steps.extend(table.concat.map(Self::Concat));
        steps.extend(table.null_if.map(Self::NullIf));
        match <[Self; 1]>::try_from(steps) {
            Ok([step]) => Ok(step),
            Err(_) => Err("一对花括号里写且只写一个步骤".to_owned()),
        }
    }

    pub(super) fn apply(&self, value: Value) -> Value {
        match self {
            Self::Trim => on_text(value, |s| {
                let trimmed = s.trim_matches(is_blank);
                (trimmed.len() != s.len()).then(|| trimmed.to_owned())
            }),
            Self::Upper => on_text(value, |s| {
                s.bytes()
                    .any(|b| b.is_ascii_lowercase())
                    .then(|| s.to_ascii_uppercase())
            }),
            Self::HalfWidth => on_text(value, |s| {
                s.chars()
                    .any(|c| half(c) != c)
                    .then(|| s.chars().map(half).collect())
            }),
            Self::Map { table, keep_others } => {
                let found = match &value {
                    Value::Text(s) | Value::Decimal(s) => table.get(s.trim_matches(is_blank)),
                    Value::Integer(v) => table.get(&v.to_string()),
                    Value::Null | Value::Empty => return value,
                    _ => None,
                };
                match found {
                    Some(label) => Value::from_text(label.as_str()),
                    None if *keep_others => value,
                    None => Value::Empty,
                }
            }
            Self::Date(formats) => {
                let text = match &value {
                    Value::Text(s) => s.trim_matches(is_blank).to_owned(),
                    Value::Integer(v) => v.to_string(),
                    _ => return value,
                };
                formats
                    .iter()
                    .find_map(|f| NaiveDate::parse_and_remainder(&text, f).ok())
                    .and_then(|(date, _)| civil(date))
                    .map_or(value, Value::Date)
            }
            Self::Epoch(unit) => {
                let number: f64 = match &value {
                    Value::Integer(v) => *v as f64,
                    Value::Text(s) | Value::Decimal(s) => match s.trim().parse() {
                        Ok(number) => number,
                        Err(_) => return value,
                    },
                    _ => return value,
                };
                let seconds = match unit {
                    Epoch::Seconds => number + SHANGHAI_S,
                    Epoch::Millis => number / 1_000.0 + SHANGHAI_S,
                    // days since noon of the first of January 4713 BC; civil as the source has it
                    Epoch::Julian => (number - JULIAN_1970) * 86_400.0,
                };
                DateTime::from_timestamp(seconds.floor() as i64, 0)
                    .and_then(|t| civil(t.date_naive()))
                    .map_or(value, Value::Date)
            }
            Self::Default(text) => match value {
                Value::Null | Value::Empty => Value::from_text(text.as_str()),
                other => other,
            },
            // joined before the steps ran
            Self::Concat(_) => value,
            Self::NullIf(texts) => match &value {
                Value::Text(s) if texts.iter().any(|t| t == s.trim_matches(is_blank)) => {
                    Value::Empty
                }
                Value::Integer(v) if texts.contains(&v.to_string()) => Value::Empty,
                _ => value,
            },
        }
    }
}

/// Texts of several columns with a separator between those that are present.
pub(super) fn concat<'a>(values: impl Iterator<Item = &'a Value>, separator: &str) -> Value {
    let mut out = String::new();
    for value in values {
        let part = match value {
            Value::Null | Value::Empty => continue,
            // what cannot be read makes the whole unreadable
            Value::Raw(_) => return value.clone(),
            other => other.to_string(),
        };
        if !out.is_empty() {
            out.push_str(separator);
        }
        out.push_str(&part);
    }
    Value::from_text(out)
}

fn on_text(value: Value, change: impl FnOnce(&str) -> Option<String>) -> Value {
    match &value {
        Value::Text(s) => match change(s) {
            Some(changed) => Value::from_text(changed),
            None => value,
        },
        _ => value,
    }
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}')
}

fn half(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

fn civil(date: NaiveDate) -> Option<CivilDate> {
    CivilDate::new(
        i16::try_from(date.year()).ok()?,
        date.month() as u8,
        date.day() as u8,
    )
}

const SHANGHAI_S: f64 = 8.0 * 3600.0;
const JULIAN_1970: f64 = 2_440_587.5;
