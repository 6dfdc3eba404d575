//! The hash of a record standard over what decides: identity, lane, key, who sees which section, fields and their checks.
//! Labels, help, forms and legacy names are not in it. Heads carry it, so that two parties that know one (name, version) by
//! different texts notice.

use std::fmt;

use crate::bytes::{Malformed, Put};
use crate::hash;

/// First 16 bytes of the hash of a standard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StandardHash(pub [u8; 16]);

impl fmt::Display for StandardHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for StandardHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What of a record standard is hashed. Sections, fields and a field's checks may stand in any order; they are laid out
/// ascending. The alternatives of key, subject and event date stand in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StandardForm<'a> {
    /// Name.
    pub name: &'a str,
    /// Version.
    pub version: u16,
    /// Record type.
    pub record_type: &'a str,
    /// Lane.
    pub lane: u8,
    /// Whether an entity's region is concluded from its records.
    pub concludes: bool,
    /// Widest audience of anything in it: 1 public, 2 government, 3 source and city, 4 addressees.
    pub publicity: u8,
    /// Alternatives of key fields.
    pub key: Vec<Vec<u16>>,
    /// Fields that say what a record is about.
    pub subject: Vec<u16>,
    /// Fields that may be the date of the fact.
    pub event_date: Vec<u16>,
    /// Sections.
    pub sections: Vec<SectionForm>,
    /// Fields.
    pub fields: Vec<FieldForm<'a>>,
}

/// A section of a standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SectionForm {
    /// Number.
    pub number: u8,
    /// Audience, numbered as [`StandardForm::publicity`].
    pub audience: u8,
    /// Whether it holds personal data.
    pub personal: bool,
}

/// A field of a standard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldForm<'a> {
    /// Permanent number.
    pub number: u16,
    /// Section that it stands in.
    pub section: u8,
    /// Canonical name.
    pub name: &'a str,
    /// Type, as the standard's text writes it.
    pub kind: &'a str,
    /// Whether it must be there.
    pub obligation: Obligation,
    /// Group of which one field must be there; empty for none.
    pub group: &'a str,
    /// Code table; empty for none.
    pub codes: &'a str,
    /// Checks with their arguments, as the standard's text writes them, `when` as `field in v1 v2`.
    pub checks: Vec<(Check, &'a str)>,
}

/// Whether a field must be there. Numbers are permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Obligation {
    /// It need not.
    #[default]
    Optional = 0,
    /// It must.
    Required = 1,
    /// One field of its group must.
    OneOf = 2,
}

/// Checks of a field. Numbers are permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Check {
    /// The field counts only where another has certain values.
    When = 1,
    /// Greatest length.
    Max = 2,
    /// Pattern.
    Pattern = 3,
    /// Least value.
    Min = 4,
    /// Greatest value.
    MaxValue = 5,
    /// Not before another field.
    NotBefore = 6,
    /// Not after another field.
    NotAfter = 7,
    /// Not in the future.
    Past = 8,
    /// 长期 is a value.
    OpenEnded = 9,
    /// Form of a text, such as a telephone number.
    Form = 10,
}

const MALFORMED: Malformed = Malformed::of("standard");

fn put_list<T>(
    items: &[T],
    out: &mut Vec<u8>,
    mut put: impl FnMut(&T, &mut Vec<u8>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    out.put_u8(u8::try_from(items.len()).map_err(|_| MALFORMED)?);
    items.iter().try_for_each(|i| put(i, out))
}

fn put_number(number: &u16, out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.put_u16(*number);
    Ok(())
}

fn put_short(s: &str, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let length = u8::try_from(s.len()).map_err(|_| MALFORMED)?;
    out.put_u8(length);
    out.put(s.as_bytes());
    Ok(())
}

impl StandardForm<'_> {
    /// The bytes that are hashed. Malformed: a list or text longer than its length can say; a section, field or check named
    /// twice.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::with_capacity(256);
        put_short(self.name, &mut out)?;
        out.put_u16(self.version);
        put_short(self.record_type, &mut out)?;
        out.put(&[self.lane, u8::from(self.concludes), self.publicity]);
        put_list(&self.key, &mut out, |alternative, out| {
            put_list(alternative, out, put_number)
        })?;
        put_list(&self.subject, &mut out, put_number)?;
        put_list(&self.event_date, &mut out, put_number)?;

        let mut sections = self.sections.clone();
        sections.sort();
        if !sections.is_sorted_by(|a, b| a.number < b.number) {
            return Err(MALFORMED);
        }
        put_list(&sections, &mut out, |s, out| {
            out.put(&[s.number, s.audience, u8::from(s.personal)]);
            Ok(())
        })?;

        let mut fields: Vec<&FieldForm<'_>> = self.fields.iter().collect();
        fields.sort_by_key(|f| f.number);
        if !fields.is_sorted_by(|a, b| a.number < b.number) {
            return Err(MALFORMED);
        }
        out.put_u16(u16::try_from(fields.len()).map_err(|_| MALFORMED)?);
        for field in fields {
            field.put(&mut out)?;
        }
        Ok(out)
    }

    /// First 16 bytes of `H(08 bytes)`.
    pub fn hash(&self) -> Result<StandardHash, Malformed> {
        let full = hash::sha256(&[&[hash::STANDARD], &self.to_bytes()?]);
        let mut out = [0; 16];
        out.copy_from_slice(&full.0[..16]);
        Ok(StandardHash(out))
    }
}

impl FieldForm<'_> {
    fn put(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        out.put_u16(self.number);
        out.put_u8(self.section);
        put_short(self.name, out)?;
        put_short(self.kind, out)?;
        out.put_u8(self.obligation as u8);
        put_short(self.group, out)?;
        put_short(self.codes, out)?;
        let mut checks = self.checks.clone();
        checks.sort();
        if !checks.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(MALFORMED);
        }
        put_list(&checks, out, |(check, argument), out| {
            let length = u16::try_from(argument.len()).map_err(|_| MALFORMED)?;
            out.put_u8(*check as u8);
            out.put_u16(length);
            out.put(argument.as_bytes());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
