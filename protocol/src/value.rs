//! Field values as sources give them, and their tagged bytes (D10).
//!
//! A value that does not fit exactly (an unsigned 64-bit number, infinity, a date BC, 2025-00-15, text with NUL) is
//! [`Value::Raw`]: kept, and refused later only if the standard obliges the field.

use std::fmt;

use crate::bytes::{Malformed, Put, Reader, text};
use crate::hash::Hash;
use crate::limits;

/// A civil date as the source has it: no time zone, never converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilDate {
    year: i16,
    month: u8,
    day: u8,
}

impl CivilDate {
    /// A date of the proleptic Gregorian calendar from year 1 on; `None` if there is no such day.
    pub fn new(year: i16, month: u8, day: u8) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return None,
        };
        (year >= 1 && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }
    /// Year.
    pub const fn year(self) -> i16 {
        self.year
    }
    /// Month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }
    /// Day, 1 to 31.
    pub const fn day(self) -> u8 {
        self.day
    }
    /// `YYYY-MM-DD` exactly, as [`fmt::Display`] writes it.
    pub fn parse_iso(s: &str) -> Option<Self> {
        let b = s.as_bytes();
        if b.len() != 10 || b[4] != b'-' || b[7] != b'-' || !s.is_ascii() {
            return None;
        }
        let digits = |r: std::ops::Range<usize>| -> Option<u16> {
            s[r.clone()]
                .bytes()
                .all(|c| c.is_ascii_digit())
                .then(|| s[r].parse().ok())?
        };
        Self::new(
            digits(0..4)? as i16,
            digits(5..7)? as u8,
            digits(8..10)? as u8,
        )
    }
    fn put(self, out: &mut Vec<u8>) {
        out.put(&self.year.to_be_bytes());
        out.put_u8(self.month);
        out.put_u8(self.day);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let year = i16::from_be_bytes(r.array()?);
        Self::new(year, r.u8()?, r.u8()?).ok_or(r.malformed())
    }
    pub(crate) fn put_to(self, out: &mut Vec<u8>) {
        self.put(out);
    }
    pub(crate) fn read_from(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::read(r)
    }
}

impl fmt::Display for CivilDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A civil date with time of day, microseconds, without zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilTime {
    date: CivilDate,
    hour: u8,
    minute: u8,
    second: u8,
    micro: u32,
}

impl CivilTime {
    /// A time of day on a date; `None` if the clock has no such time (60th seconds included).
    pub fn new(date: CivilDate, hour: u8, minute: u8, second: u8, micro: u32) -> Option<Self> {
        (hour < 24 && minute < 60 && second < 60 && micro < 1_000_000).then_some(Self {
            date,
            hour,
            minute,
            second,
            micro,
        })
    }
    /// The date.
    pub const fn date(self) -> CivilDate {
        self.date
    }
    /// Hour, minute, second, microsecond.
    pub const fn clock(self) -> (u8, u8, u8, u32) {
        (self.hour, self.minute, self.second, self.micro)
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:02}:{:02}:{:02}",
            self.date, self.hour, self.minute, self.second
        )?;
        if self.micro != 0 {
            write!(f, ".{:06}", self.micro)
        } else {
            Ok(())
        }
    }
}

/// An attachment by reference: its bytes travel apart, in pieces (see [`crate::attachment`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attachment {
    size: u64,
    media_type: String,
    name: String,
    root: Hash,
}

impl Attachment {
    /// An attachment of `size` bytes, 1 to [`limits::ATTACHMENT_BYTES_MAX`]; media type of 1 to
    /// [`limits::MEDIA_TYPE_BYTES_MAX`] bytes, file name of 1 to 255 bytes without `/`, `\` and control characters; `root`
    /// over its pieces. `None` if one of them is not so.
    pub fn new(
        size: u64,
        media_type: impl Into<String>,
        name: impl Into<String>,
        root: Hash,
    ) -> Option<Self> {
        let (media_type, name) = (media_type.into(), name.into());
        let fits = attachment_fits(size, &media_type, &name)
            && name.len() <= usize::from(u8::MAX)
            && !media_type.contains('\0');
        fits.then_some(Self {
            size,
            media_type,
            name,
            root,
        })
    }
    /// Bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }
    /// Media type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }
    /// File name as given.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Root of the tree over its pieces.
    pub const fn root(&self) -> Hash {
        self.root
    }
}

fn attachment_fits(size: u64, media_type: &str, name: &str) -> bool {
    (1..=limits::ATTACHMENT_BYTES_MAX).contains(&size)
        && (1..=limits::MEDIA_TYPE_BYTES_MAX).contains(&media_type.len())
        && !name.is_empty()
        && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
}

/// A field's value. A field that the source does not have is not listed at all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// Null at the source.
    Null,
    /// Present and empty at the source.
    Empty,
    /// Unreadable or inexact: the source's own bytes.
    Raw(Vec<u8>),
    /// UTF-8 without U+0000, not empty.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A decimal number as given, `-?d+(.d+)?`.
    Decimal(String),
    /// A civil date.
    Date(CivilDate),
    /// A civil date with time of day.
    Time(CivilTime),
    /// One of our own instants, microseconds since 1970 UTC.
    Instant(i64),
    /// An attachment.
    Attachment(Attachment),
}

impl Value {
    /// Text as a value: empty text is [`Value::Empty`], text with U+0000 is [`Value::Raw`].
    pub fn from_text(s: impl Into<String>) -> Self {
        let s = s.into();
        if s.is_empty() {
            Self::Empty
        } else if s.as_bytes().contains(&0) {
            Self::Raw(s.into_bytes())
        } else {
            Self::Text(s)
        }
    }

    /// A decimal text as given, if it has the form `-?d+(.d+)?`.
    pub fn decimal(s: &str) -> Option<Self> {
        is_decimal(s).then(|| Self::Decimal(s.to_owned()))
    }

    /// Appends tag and content.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.put_u8(1),
            Self::Empty => out.put_u8(2),
            Self::Raw(b) => {
                out.put_u8(3);
                out.put_long(b);
            }
            Self::Text(s) => {
                out.put_u8(4);
                out.put_long(s.as_bytes());
            }
            Self::Integer(v) => {
                out.put_u8(5);
                out.put_i64(*v);
            }
            Self::Decimal(s) => {
                out.put_u8(6);
                out.put_short(s.as_bytes());
            }
            Self::Date(d) => {
                out.put_u8(7);
                d.put(out);
            }
            Self::Time(t) => {
                out.put_u8(8);
                t.date.put(out);
                out.put(&[t.hour, t.minute, t.second]);
                out.put_u32(t.micro);
            }
            Self::Instant(v) => {
                out.put_u8(9);
                out.put_i64(*v);
            }
            Self::Attachment(a) => {
                out.put_u8(10);
                out.put_u64(a.size);
                out.put_short(a.media_type.as_bytes());
                out.put_short(a.name.as_bytes());
                out.put(&a.root.0);
            }
        }
    }

    /// Reads one tagged value.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(ValueRef::read(r)?.to_value())
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(s) => Some(s),
            _ => None,
        }
    }

    /// Whether the source had something to say: neither null nor empty.
    pub const fn is_present(&self) -> bool {
        !matches!(self, Self::Null | Self::Empty)
    }
}

/// A value as it lies in its bytes: read and checked without copying anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// Null at the source.
    Null,
    /// Present and empty at the source.
    Empty,
    /// Unreadable or inexact: the source's own bytes.
    Raw(&'a [u8]),
    /// UTF-8 without U+0000, not empty.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// A decimal number as given.
    Decimal(&'a str),
    /// A civil date.
    Date(CivilDate),
    /// A civil date with time of day.
    Time(CivilTime),
    /// One of our own instants, microseconds since 1970 UTC.
    Instant(i64),
    /// An attachment.
    Attachment {
        /// Bytes.
        size: u64,
        /// Media type.
        media_type: &'a str,
        /// File name as given.
        name: &'a str,
        /// Root of the tree over its pieces.
        root: Hash,
    },
}

impl<'a> ValueRef<'a> {
    /// Reads one tagged value.
    pub fn read(r: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match r.u8()? {
            1 => Self::Null,
            2 => Self::Empty,
            3 => Self::Raw(r.long()?),
            4 => match text(r.long()?) {
                None | Some("") => return Err(r.malformed()),
                Some(s) => Self::Text(s),
            },
            5 => Self::Integer(r.i64()?),
            6 => {
                let s = r.short_text()?;
                if !is_decimal(s) {
                    return Err(r.malformed());
                }
                Self::Decimal(s)
            }
            7 => Self::Date(CivilDate::read(r)?),
            8 => {
                let date = CivilDate::read(r)?;
                let [h, m, s] = r.array()?;
                Self::Time(CivilTime::new(date, h, m, s, r.u32()?).ok_or(r.malformed())?)
            }
            9 => Self::Instant(r.i64()?),
            10 => {
                let (size, media_type, name) = (r.u64()?, r.short_text()?, r.short_text()?);
                if !attachment_fits(size, media_type, name) {
                    return Err(r.malformed());
                }
                Self::Attachment {
                    size,
                    media_type,
                    name,
                    root: Hash(r.array()?),
                }
            }
            _ => return Err(r.malformed()),
        })
    }

    /// The value on its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Empty => Value::Empty,
            Self::Raw(b) => Value::Raw(b.to_vec()),
            Self::Text(s) => Value::Text(s.to_owned()),
            Self::Integer(v) => Value::Integer(v),
            Self::Decimal(s) => Value::Decimal(s.to_owned()),
            Self::Date(d) => Value::Date(d),
            Self::Time(t) => Value::Time(t),
            Self::Instant(v) => Value::Instant(v),
            Self::Attachment {
                size,
                media_type,
                name,
                root,
            } => Value::Attachment(Attachment {
                size,
                media_type: media_type.to_owned(),
                name: name.to_owned(),
                root,
            }),
        }
    }
}

impl fmt::Display for Value {
    /// The value as people read it; raw bytes are shown by their length only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null | Self::Empty => Ok(()),
            Self::Raw(b) => write!(f, "（无法识别，{} 字节）", b.len()),
            Self::Text(s) | Self::Decimal(s) => f.write_str(s),
            Self::Integer(v) | Self::Instant(v) => write!(f, "{v}"),
            Self::Date(d) => write!(f, "{d}"),
            Self::Time(t) => write!(f, "{t}"),
            Self::Attachment(a) => f.write_str(&a.name),
        }
    }
}

fn is_decimal(s: &str) -> bool {
    let digits = |p: &str| !p.is_empty() && p.bytes().all(|c| c.is_ascii_digit());
    let unsigned = s.strip_prefix('-').unwrap_or(s);
    s.len() <= usize::from(u8::MAX)
        && match unsigned.split_once('.') {
            None => digits(unsigned),
            Some((whole, fraction)) => digits(whole) && digits(fraction),
        }
}

#[cfg(test)]
mod tests;
