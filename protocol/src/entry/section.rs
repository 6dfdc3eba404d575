//! Sections: fields by permanent number, and section 15, which is the platform's own in every standard.

use crate::bytes::{Malformed, Put, Reader, text};
use crate::limits;
use crate::value::Value;

/// Number of the head among an entry's sections.
pub const HEAD: u8 = 0;
/// Greatest number of a section that a standard may define.
pub const STANDARD_SECTION_MAX: u8 = 14;
/// Number of the section in which the platform keeps where a statement was made. Its audience is all of government.
pub const PLATFORM: u8 = 15;

/// The fields of one section, ascending by permanent number. Appends the section's bytes. A section without fields is left
/// out of its entry: nobody reads one.
pub fn put_fields(fields: &[(u16, Value)], out: &mut Vec<u8>) {
    debug_assert!(
        fields.is_sorted_by(|a, b| a.0 < b.0),
        "fields ascend by permanent number"
    );
    out.put_u16(fields.len() as u16);
    for (number, value) in fields {
        out.put_u16(*number);
        value.put(out);
    }
}

/// Reads a section's bytes back into (permanent number, value); 1 to 512 fields, numbers ascend, all bytes are consumed.
pub fn read_fields(bytes: &[u8]) -> Result<Vec<(u16, Value)>, Malformed> {
    let mut r = Reader::new(bytes, "section");
    let n = usize::from(r.u16()?);
    if n == 0 || n > limits::FIELDS_PER_SECTION_MAX {
        return Err(r.malformed());
    }
    let mut fields: Vec<(u16, Value)> = Vec::with_capacity(n);
    for _ in 0..n {
        let number = r.u16()?;
        if fields.last().is_some_and(|(last, _)| *last >= number) {
            return Err(r.malformed());
        }
        fields.push((number, Value::read(&mut r)?));
    }
    r.finish()?;
    Ok(fields)
}

/// Fields of section 15; other numbers are reserved: kept, not shown.
pub mod platform {
    /// Where in the source the record was read.
    pub const POSITION: u16 = 1;
    /// Account of the person who typed it.
    pub const ACCOUNT: u16 = 2;
    /// That person's real name (实名制).
    pub const REAL_NAME: u16 = 3;
}

/// What section 15 says: where a statement comes from, for lineage. Decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Provenance {
    /// Where in the source it was read, at most 1,024 bytes; not stated where the key already says it.
    pub position: Option<Vec<u8>>,
    /// Account of the person who typed it, at most 64 bytes.
    pub account: Option<String>,
    /// That person's real name, at most 100 bytes.
    pub real_name: Option<String>,
}

impl Provenance {
    /// A position and nothing else. What is over the bound is cut off, at a character's border where it is text; an empty one
    /// is none.
    pub fn at(position: &[u8]) -> Self {
        let mut end = position.len().min(limits::SOURCE_POSITION_BYTES_MAX);
        if let Ok(text) = std::str::from_utf8(position) {
            end = text.floor_char_boundary(end);
        }
        Self {
            position: (end > 0).then(|| position[..end].to_vec()),
            ..Self::default()
        }
    }

    /// Bytes of the section; `None` if it has no field and is left out. What is over its bound is the caller's mistake.
    pub fn to_section(&self) -> Result<Option<Vec<u8>>, Malformed> {
        let mut fields = Vec::new();
        if let Some(position) = &self.position {
            let value = match text(position) {
                Some(text) => Value::from_text(text),
                None => Value::Raw(position.clone()),
            };
            fields.push((platform::POSITION, value));
        }
        let texts = [
            (platform::ACCOUNT, &self.account),
            (platform::REAL_NAME, &self.real_name),
        ];
        for (number, text) in texts {
            fields.extend(text.iter().map(|t| (number, Value::from_text(t.as_str()))));
        }
        if fields.is_empty() {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(64);
        put_fields(&fields, &mut out);
        Self::from_section(&out)?;
        Ok(Some(out))
    }

    /// Reads section 15. Fields of other numbers are passed over; one of these three of another type or over its bound makes
    /// the section malformed.
    pub fn from_section(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = Malformed::of("section 15");
        let mut read = Self::default();
        for (number, value) in read_fields(bytes)? {
            match (number, value) {
                (platform::POSITION, value) => {
                    let position = match value {
                        Value::Text(text) => text.into_bytes(),
                        Value::Raw(bytes) => bytes,
                        _ => return Err(malformed),
                    };
                    if position.len() > limits::SOURCE_POSITION_BYTES_MAX {
                        return Err(malformed);
                    }
                    read.position = Some(position);
                }
                (platform::ACCOUNT, Value::Text(s)) if s.len() <= limits::ACCOUNT_BYTES_MAX => {
                    read.account = Some(s);
                }
                (platform::REAL_NAME, Value::Text(s)) if s.len() <= limits::REAL_NAME_BYTES_MAX => {
                    read.real_name = Some(s);
                }
                (platform::ACCOUNT | platform::REAL_NAME, _) => return Err(malformed),
                _ => {}
            }
        }
        Ok(read)
    }

    /// The position for people, if it is text.
    pub fn position_text(&self) -> Option<&str> {
        self.position.as_deref().and_then(text)
    }
}
