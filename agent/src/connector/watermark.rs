//! The update column of a table: how it is written, and the bounds of a reading window in that writing.
//!
//! Bounds are computed in whole seconds and rounded down only: a lower bound may lie too low, and then rows are read
//! again and recognised by their hash; it never lies too high.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use protocol::value::Value;

/// How an update column is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The column.
    pub column: String,
    /// How it is written.
    pub format: Format,
    /// How far the reading goes back below the greatest value seen, in seconds: at least the longest transaction.
    pub overlap_s: i64,
    /// How far the reading stays below the source's clock, in seconds.
    pub lag_s: i64,
    /// Offset of the column's times from UTC, in seconds.
    pub utc_offset_s: i64,
}

/// How an update column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `2024-05-01 08:30:00`, with or without fraction.
    DateTime,
    /// `2024/05/01 08:30:00`.
    Slashes,
    /// `2024-05-01T08:30:00`.
    Iso,
    /// `20240501083000`.
    Compact,
    /// `2024-05-01`.
    Date,
    /// Seconds since 1970.
    Epoch,
    /// Milliseconds since 1970.
    EpochMillis,
}

impl Format {
    /// The format of a configured name.
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, f)| *f)
    }

    /// All configured names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(n, _)| *n)
    }

    /// The seconds that one value of the column may stand for.
    pub(crate) const fn unit_s(self) -> i64 {
        match self {
            Self::Date => 86_400,
            _ => 1,
        }
    }

    const fn pattern(self) -> Option<(&'static str, usize)> {
        match self {
            Self::DateTime => Some(("%Y-%m-%d %H:%M:%S", 19)),
            Self::Slashes => Some(("%Y/%m/%d %H:%M:%S", 19)),
            Self::Iso => Some(("%Y-%m-%dT%H:%M:%S", 19)),
            Self::Compact => Some(("%Y%m%d%H%M%S", 14)),
            Self::Date => Some(("%Y-%m-%d", 10)),
            Self::Epoch | Self::EpochMillis => None,
        }
    }
}

const NAMES: [(&str, Format); 7] = [
    ("datetime", Format::DateTime),
    ("slashes", Format::Slashes),
    ("iso", Format::Iso),
    ("compact", Format::Compact),
    ("date", Format::Date),
    ("epoch", Format::Epoch),
    ("epoch_ms", Format::EpochMillis),
];

impl Watermark {
    /// A time of the source's clock (seconds since 1970, UTC) as the column would have it, rounded down.
    pub fn at(&self, epoch_s: i64) -> Value {
        let local = epoch_s.saturating_add(self.utc_offset_s);
        match self.format.pattern() {
            Some((pattern, _)) => {
                let time = DateTime::from_timestamp(local.clamp(YEAR_1, YEAR_9999), 0)
                    .expect("seconds within years 1 to 9999 are times");
                Value::Text(time.naive_utc().format(pattern).to_string())
            }
            None if self.format == Format::Epoch => Value::Integer(epoch_s),
            None => Value::Integer(epoch_s.saturating_mul(1_000)),
        }
    }

    /// The seconds since 1970, UTC, that a value of the column means, rounded down; `None` if it is no time.
    pub fn seconds(&self, value: &Value) -> Option<i64> {
        let local = match (self.format.pattern(), value) {
            (Some((pattern, length)), Value::Text(s)) => parse(s, pattern, length)?,
            (Some((pattern, length)), Value::Integer(v)) => parse(&v.to_string(), pattern, length)?,
            (None, value) => {
                let units = match value {
                    Value::Integer(v) => *v,
                    Value::Text(s) | Value::Decimal(s) => {
                        s.split('.').next().and_then(|s| s.parse().ok())?
                    }
                    _ => return None,
                };
                return Some(match self.format {
                    Format::EpochMillis => units.div_euclid(1_000),
                    _ => units,
                });
            }
            _ => return None,
        };
        Some(local - self.utc_offset_s)
    }

    /// The smallest value that is a time at all: what lies below (numbers in a text column, empty text, all-zero
    /// dates) is irregular and found by comparison with it.
    pub fn floor(&self) -> Value {
        match self.format {
            Format::Epoch | Format::EpochMillis => Value::Integer(1),
            Format::Compact => Value::Text("00010101".to_owned()),
            _ => Value::Text("0001-".to_owned()),
        }
    }
}

fn parse(s: &str, pattern: &str, length: usize) -> Option<i64> {
    let head = s.trim().get(..length)?;
    if length == 10 {
        let date = NaiveDate::parse_from_str(head, pattern).ok()?;
        return Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp());
    }
    Some(
        NaiveDateTime::parse_from_str(head, pattern)
            .ok()?
            .and_utc()
            .timestamp(),
    )
}

const YEAR_1: i64 = -62_135_596_800;
const YEAR_9999: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn watermark(format: &str) -> Watermark {
        Watermark {
            column: "GXSJ".to_owned(),
            format: Format::from_name(format).expect("a format"),
            overlap_s: 600,
            lag_s: 2,
            utc_offset_s: 8 * 3600,
        }
    }

    #[test]
    fn bounds_are_written_as_the_column_is_and_only_rounded_down() {
        let noon = 1_714_536_000; // 2024-05-01 12:00:00 in Shanghai
        let cases = [
            ("datetime", Value::Text("2024-05-01 12:00:00".into()), noon),
            ("slashes", Value::Text("2024/05/01 12:00:00".into()), noon),
            ("iso", Value::Text("2024-05-01T12:00:00".into()), noon),
            ("compact", Value::Text("20240501120000".into()), noon),
            ("date", Value::Text("2024-05-01".into()), noon - 12 * 3600),
            ("epoch", Value::Integer(noon), noon),
            ("epoch_ms", Value::Integer(noon * 1000), noon),
        ];
        for (format, written, seconds) in cases {
            let w = watermark(format);
            assert_eq!(w.at(noon), written, "{format}");
            assert_eq!(w.seconds(&written), Some(seconds), "{format}");
        }
        let w = watermark("datetime");
        for fraction in ["2024-05-01 12:00:00.999", "2024-05-01 12:00:00"] {
            assert_eq!(w.seconds(&Value::Text(fraction.into())), Some(noon));
        }
        assert_eq!(
            watermark("compact").seconds(&Value::Integer(20_240_501_120_000)),
            Some(noon)
        );
        assert_eq!(
            watermark("epoch_ms").seconds(&Value::Integer(noon * 1000 + 999)),
            Some(noon)
        );
    }

    #[test]
    fn what_is_no_time_has_no_seconds() {
        let w = watermark("datetime");
        for bad in [
            "",
            "0000-00-00 00:00:00",
            "2025-00-15 00:00:00",
            "昨天",
            "2024-05-01",
        ] {
            assert_eq!(w.seconds(&Value::Text(bad.into())), None, "{bad}");
        }
        assert_eq!(w.seconds(&Value::Null), None);
        // far away times do not panic
        assert!(matches!(w.at(i64::MAX), Value::Text(_)));
        assert!(matches!(w.at(i64::MIN), Value::Text(_)));
    }
}
