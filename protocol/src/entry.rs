//! One statement about one thing: the head that says what it is about, and sections of fields cut by audience class.
//!
//! The bytes of head and sections are what leaves commit to; they are laid out once by the origin and kept verbatim.
//!
//! Long because head, sections and fields are one layout, and its writer and its reader stand side by side.

use std::fmt;

use crate::bytes::{Malformed, Put, Reader, text};
use crate::hash::{self, Hash};
use crate::limits;
use crate::name::{SeatId, Version};
use crate::value::{CivilDate, Value};

/// Number of the head among an entry's sections.
pub const HEAD: u8 = 0;

/// Record types of the built-in standards whose entries the protocol itself understands (D7).
pub mod builtin {
    /// Which entity a subject is: score, method, person.
    pub const LINK: &str = "link";
    /// Which district an entity belongs to from when on.
    pub const ASSIGNMENT: &str = "assignment";
    /// A record that did not satisfy its standard: key, reason codes and field names, no values (D42).
    pub const REFUSAL: &str = "refusal";
}

/// Whom or what an entry is about, as the source said it. Which entity that is, is a conclusion.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Subject {
    /// The entry is about no entity.
    #[default]
    None,
    /// Unified social credit code (GB 32100), 18 characters.
    Uscc(String),
    /// Registration number (GS 15), as given.
    RegistrationNumber(String),
    /// Organisation code (GB 11714), nine characters without hyphen.
    OrganisationCode(String),
    /// Tax number.
    TaxNumber(String),
    /// A name and nothing else. Never colours an entity.
    NameOnly(String),
    /// A natural person: HMAC under the city person key of the given version (D11).
    Person {
        /// Version of the city person key.
        key_version: u8,
        /// The HMAC.
        pseudonym: [u8; 32],
    },
}

impl Subject {
    /// Appends tag and text.
    pub fn put(&self, out: &mut Vec<u8>) {
        let mut tagged = |tag: u8, s: &[u8]| {
            out.put_u8(tag);
            out.put_medium(s);
        };
        match self {
            Self::None => out.put_u8(0),
            Self::Uscc(s) => tagged(1, s.as_bytes()),
            Self::RegistrationNumber(s) => tagged(2, s.as_bytes()),
            Self::OrganisationCode(s) => tagged(3, s.as_bytes()),
            Self::TaxNumber(s) => tagged(4, s.as_bytes()),
            Self::NameOnly(s) => tagged(5, s.as_bytes()),
            Self::Person {
                key_version,
                pseudonym,
            } => {
                out.put_u8(6);
                out.put_u8(*key_version);
                out.put(pseudonym);
            }
        }
    }

    /// Reads a tagged subject.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let tag = r.u8()?;
        Ok(match tag {
            0 => Self::None,
            1..=5 => {
                let s = r.medium_text()?.to_owned();
                if s.is_empty() || s.len() > limits::SUBJECT_BYTES_MAX {
                    return Err(r.malformed());
                }
                match tag {
                    1 => Self::Uscc(s),
                    2 => Self::RegistrationNumber(s),
                    3 => Self::OrganisationCode(s),
                    4 => Self::TaxNumber(s),
                    _ => Self::NameOnly(s),
                }
            }
            6 => Self::Person {
                key_version: r.u8()?,
                pseudonym: r.array()?,
            },
            _ => return Err(r.malformed()),
        })
    }

    /// The subject as one text with its tag, `uscc:…`, `reg:…`, `org:…`, `tax:…`, `name:…`, `person:…`; empty for none.
    /// Unique per subject; stores use it as the key by which records of one subject lie together.
    pub fn tagged(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Uscc(s) => format!("uscc:{s}"),
            Self::RegistrationNumber(s) => format!("reg:{s}"),
            Self::OrganisationCode(s) => format!("org:{s}"),
            Self::TaxNumber(s) => format!("tax:{s}"),
            Self::NameOnly(s) => format!("name:{s}"),
            Self::Person {
                key_version,
                pseudonym,
            } => format!("person:{key_version}:{}", Hash(*pseudonym)),
        }
    }

    /// Reads what [`Subject::tagged`] wrote, and nothing else: no two texts name one subject.
    pub fn from_tagged(s: &str) -> Option<Self> {
        if s.is_empty() {
            return Some(Self::None);
        }
        let (tag, rest) = s.split_once(':')?;
        if rest.is_empty() || rest.len() > limits::SUBJECT_BYTES_MAX || rest.contains('\0') {
            return None;
        }
        let rest_owned = || rest.to_owned();
        let subject = match tag {
            "uscc" => Self::Uscc(rest_owned()),
            "reg" => Self::RegistrationNumber(rest_owned()),
            "org" => Self::OrganisationCode(rest_owned()),
            "tax" => Self::TaxNumber(rest_owned()),
            "name" => Self::NameOnly(rest_owned()),
            "person" => {
                let (version, hex) = rest.split_once(':')?;
                Self::Person {
                    key_version: version.parse().ok()?,
                    pseudonym: crate::name::from_hex(hex)?,
                }
            }
            _ => return None,
        };
        (subject.tagged() == s).then_some(subject)
    }
}

/// For whom an entry is meant, as far as the origin knows (D9). A hint: routing follows applied conclusions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Hint {
    /// The origin does not know.
    #[default]
    Unknown,
    /// A division of GB/T 2260, six digits.
    Division(String),
    /// A region of the city's own that has no such code.
    Region(String),
    /// Addressed to these seats, ascending, at most 16.
    Seats(Vec<SeatId>),
    /// For every district.
    CityWide,
    /// Stays at the node it was stated to.
    Local,
}

impl Hint {
    /// Bytes of the hint; groups are ordered by them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8);
        self.put(&mut out);
        out
    }

    /// Appends kind and body.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unknown => out.put_u8(0),
            Self::Division(code) => {
                out.put_u8(1);
                out.put_short(code.as_bytes());
            }
            Self::Region(id) => {
                out.put_u8(2);
                out.put_short(id.as_bytes());
            }
            Self::Seats(seats) => {
                out.put_u8(3);
                out.put_u8(seats.len() as u8);
                seats.iter().for_each(|s| out.put(&s.0));
            }
            Self::CityWide => out.put_u8(4),
            Self::Local => out.put_u8(5),
        }
    }

    /// Reads a hint.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match r.u8()? {
            0 => Self::Unknown,
            1 => {
                let code = r.short_text()?;
                if code.len() != 6 || !code.bytes().all(|c| c.is_ascii_digit()) {
                    return Err(r.malformed());
                }
                Self::Division(code.to_owned())
            }
            2 => {
                let id = r.short_text()?;
                if id.is_empty() || id.len() > limits::NAME_BYTES_MAX {
                    return Err(r.malformed());
                }
                Self::Region(id.to_owned())
            }
            3 => {
                let n = usize::from(r.u8()?);
                if n == 0 || n > limits::HINT_SEATS_MAX {
                    return Err(r.malformed());
                }
                let seats = (0..n)
                    .map(|_| r.array().map(SeatId))
                    .collect::<Result<Vec<_>, _>>()?;
                if !seats.is_sorted_by(|a, b| a < b) {
                    return Err(r.malformed());
                }
                Self::Seats(seats)
            }
            4 => Self::CityWide,
            5 => Self::Local,
            _ => return Err(r.malformed()),
        })
    }
}

/// A record's key within (type, origin). Never personal data in the clear (D11).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// Key columns as tagged values in the standard's order; over 256 bytes their hash stands for them.
    pub fn columns(values: &[Value]) -> Self {
        let mut out = vec![1, values.len() as u8];
        values.iter().for_each(|v| v.put(&mut out));
        if out.len() <= limits::KEY_BYTES_MAX {
            return Self(out);
        }
        let mut short = vec![2];
        short.put(&hash::sha256(&[&out]).0);
        Self(short)
    }

    /// A key with a personal column: HMAC under the seat's key secret.
    pub fn personal(values: &[Value], secret: &[u8; 32]) -> Self {
        let mut plain = vec![1, values.len() as u8];
        values.iter().for_each(|v| v.put(&mut plain));
        let mut out = vec![3];
        out.put(&hash::hmac(secret, &plain).0);
        Self(out)
    }

    /// A key from the bytes that [`Key::as_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = Malformed::of("key");
        match bytes.first() {
            Some(1) if bytes.len() <= limits::KEY_BYTES_MAX => {
                let mut r = Reader::new(&bytes[1..], "key");
                let n = r.u8()?;
                for _ in 0..n {
                    Value::read(&mut r)?;
                }
                r.finish()?;
            }
            Some(2 | 3) if bytes.len() == 33 => {}
            _ => return Err(malformed),
        }
        Ok(Self(bytes.to_vec()))
    }

    /// Bytes of the key; keys are equal when these are.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key columns, if they are in the clear.
    pub fn values(&self) -> Option<Vec<Value>> {
        let mut r = Reader::new(self.0.strip_prefix(&[1])?, "key");
        let n = r.u8().ok()?;
        (0..n).map(|_| Value::read(&mut r).ok()).collect()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values() {
            Some(values) => {
                for (at, v) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" / ")?;
                    }
                    write!(f, "{v}")?;
                }
                Ok(())
            }
            None => self.0[1..]
                .iter()
                .take(8)
                .try_for_each(|b| write!(f, "{b:02x}")),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What an entry does to its record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The record now reads so.
    State,
    /// The record is gone at its source.
    Retract,
    /// The generation of a type is complete: what was not stated again is retracted.
    Restated {
        /// The restated record type.
        record_type: String,
        /// The completed generation.
        generation: u32,
        /// Records stated in it.
        count: u64,
    },
}

/// A further subject with its role, for joint cases, pledges, persons.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FurtherSubject {
    /// Role as the standard names it.
    pub role: String,
    /// The subject.
    pub subject: Subject,
}

/// The named person behind an entry typed into a console.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Author {
    /// Account name.
    pub account: String,
    /// Real name (实名制).
    pub name: String,
    /// Department.
    pub department: String,
}

/// Why an entry exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cause {
    /// 1 intent, 2 request, 3 refusal answered.
    pub kind: u8,
    /// Leaf or object hash of what it answers.
    pub reference: Hash,
}

/// Where an entry's record stood before, when subject or audience changed, so that relays can tell those who no longer match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Former {
    /// Former subject, if it changed.
    pub subject: Option<Subject>,
    /// Former audience, if it changed.
    pub hint: Option<Hint>,
}

/// Head of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Head {
    /// For whom, as far as the origin knows. Must equal the hint of the leaf's group.
    pub hint: Hint,
    /// Record type.
    pub record_type: String,
    /// Key of the record within type and origin.
    pub key: Key,
    /// Record standard that the entry follows.
    pub standard: String,
    /// Version of that standard.
    pub standard_version: u16,
    /// What the entry does.
    pub operation: Operation,
    /// Generation of the (origin, type).
    pub generation: u32,
    /// Subject as the source said it.
    pub subject: Subject,
    /// Up to eight further subjects.
    pub further: Vec<FurtherSubject>,
    /// Former subject and audience, if they changed.
    pub was: Former,
    /// Date of the fact, as the source has it.
    pub event_date: Option<CivilDate>,
    /// Where in the source it was read, for lineage; opaque to everybody else.
    pub source_position: Vec<u8>,
    /// The person, if one typed it.
    pub author: Option<Author>,
    /// At most four causes.
    pub cause: Vec<Cause>,
    /// Version of the image that this one was made from.
    pub base: Option<Version>,
}

impl Head {
    /// A plain statement of a record; everything else is absent.
    pub fn state(
        record_type: impl Into<String>,
        key: Key,
        standard: impl Into<String>,
        standard_version: u16,
    ) -> Self {
        Self {
            hint: Hint::Unknown,
            record_type: record_type.into(),
            key,
            standard: standard.into(),
            standard_version,
            operation: Operation::State,
            generation: 1,
            subject: Subject::None,
            further: Vec::new(),
            was: Former::default(),
            event_date: None,
            source_position: Vec::new(),
            author: None,
            cause: Vec::new(),
            base: None,
        }
    }

    /// Appends the head's bytes: the content of section 0. Hint, type and key come first, so that order within a
    /// batch can be checked without reading further.
    pub fn put(&self, out: &mut Vec<u8>) {
        self.hint.put(out);
        out.put_short(self.record_type.as_bytes());
        out.put_medium(self.key.as_bytes());
        out.put_short(self.standard.as_bytes());
        out.put_u16(self.standard_version);
        let flags = u8::from(self.was.subject.is_some())
            | u8::from(self.was.hint.is_some()) << 1
            | u8::from(self.event_date.is_some()) << 2
            | u8::from(self.author.is_some()) << 3
            | u8::from(self.base.is_some()) << 4;
        out.put_u8(flags);
        match &self.operation {
            Operation::State => out.put_u8(1),
            Operation::Retract => out.put_u8(2),
            Operation::Restated {
                record_type,
                generation,
                count,
            } => {
                out.put_u8(3);
                out.put_short(record_type.as_bytes());
                out.put_u32(*generation);
                out.put_u64(*count);
            }
        }
        out.put_u32(self.generation);
        self.subject.put(out);
        out.put_u8(self.further.len() as u8);
        for f in &self.further {
            out.put_short(f.role.as_bytes());
            f.subject.put(out);
        }
        if let Some(s) = &self.was.subject {
            s.put(out);
        }
        if let Some(h) = &self.was.hint {
            h.put(out);
        }
        if let Some(d) = self.event_date {
            d.put_to(out);
        }
        out.put_medium(&self.source_position);
        if let Some(a) = &self.author {
            out.put_short(a.account.as_bytes());
            out.put_short(a.name.as_bytes());
            out.put_short(a.department.as_bytes());
        }
        out.put_u8(self.cause.len() as u8);
        for c in &self.cause {
            out.put_u8(c.kind);
            out.put(&c.reference.0);
        }
        if let Some(v) = self.base {
            v.put(out);
        }
    }

    /// Reads a head; all bytes must be consumed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "head");
        let hint = Hint::read(&mut r)?;
        let record_type = name(&mut r)?;
        let key = Key::from_bytes(r.medium()?)?;
        let standard = name(&mut r)?;
        let standard_version = r.u16()?;
        let flags = r.u8()?;
        if flags & !0b1_1111 != 0 {
            return Err(r.malformed());
        }
        let operation = match r.u8()? {
            1 => Operation::State,
            2 => Operation::Retract,
            3 => Operation::Restated {
                record_type: name(&mut r)?,
                generation: r.u32()?,
                count: r.u64()?,
            },
            _ => return Err(r.malformed()),
        };
        let generation = r.u32()?;
        let subject = Subject::read(&mut r)?;
        let n = usize::from(r.u8()?);
        if n > limits::FURTHER_SUBJECTS_MAX {
            return Err(r.malformed());
        }
        let mut further = Vec::with_capacity(n);
        for _ in 0..n {
            further.push(FurtherSubject {
                role: name(&mut r)?,
                subject: Subject::read(&mut r)?,
            });
        }
        let was = Former {
            subject: if flags & 1 != 0 {
                Some(Subject::read(&mut r)?)
            } else {
                None
            },
            hint: if flags & 2 != 0 {
                Some(Hint::read(&mut r)?)
            } else {
                None
            },
        };
        let event_date = if flags & 4 != 0 {
            Some(CivilDate::read_from(&mut r)?)
        } else {
            None
        };
        let source_position = r.medium()?.to_vec();
        if source_position.len() > limits::SOURCE_POSITION_BYTES_MAX {
            return Err(r.malformed());
        }
        let author = if flags & 8 != 0 {
            Some(Author {
                account: r.short_text()?.to_owned(),
                name: r.short_text()?.to_owned(),
                department: r.short_text()?.to_owned(),
            })
        } else {
            None
        };
        let n = usize::from(r.u8()?);
        if n > limits::CAUSES_MAX {
            return Err(r.malformed());
        }
        let mut cause = Vec::with_capacity(n);
        for _ in 0..n {
            cause.push(Cause {
                kind: r.u8()?,
                reference: Hash(r.array()?),
            });
        }
        let base = if flags & 16 != 0 {
            Some(Version::read(&mut r)?)
        } else {
            None
        };
        r.finish()?;
        Ok(Self {
            hint,
            record_type,
            key,
            standard,
            standard_version,
            operation,
            generation,
            subject,
            further,
            was,
            event_date,
            source_position,
            author,
            cause,
            base,
        })
    }
}

/// Type and key at the front of a head's bytes, and the hint before them, without reading the rest.
pub(crate) struct HeadFront<'a> {
    /// The hint's bytes.
    pub(crate) hint: &'a [u8],
    /// The record type's bytes.
    pub(crate) record_type: &'a [u8],
    /// The key's bytes.
    pub(crate) key: &'a [u8],
}

pub(crate) fn head_front(bytes: &[u8]) -> Result<HeadFront<'_>, Malformed> {
    let mut r = Reader::new(bytes, "head");
    Hint::read(&mut r)?;
    let hint = &bytes[..bytes.len() - r.rest().len()];
    Ok(HeadFront {
        hint,
        record_type: r.short()?,
        key: r.medium()?,
    })
}

fn name(r: &mut Reader<'_>) -> Result<String, Malformed> {
    let s = r.short_text()?;
    if s.is_empty() || s.len() > limits::NAME_BYTES_MAX {
        return Err(r.malformed());
    }
    Ok(s.to_owned())
}

/// The fields of one section, ascending by permanent number. Appends the section's bytes.
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

/// Reads a section's bytes back into (permanent number, value); numbers must ascend and all bytes be consumed.
pub fn read_fields(bytes: &[u8]) -> Result<Vec<(u16, Value)>, Malformed> {
    let mut r = Reader::new(bytes, "section");
    let n = usize::from(r.u16()?);
    if n == 0 || n > limits::FIELDS_PER_SECTION_MAX {
        return Err(r.malformed());
    }
    let mut fields: Vec<(u16, Value)> = Vec::with_capacity(n.min(r.rest().len() / 3));
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

/// Text of a source position for people, if it is text.
pub fn position_text(position: &[u8]) -> Option<&str> {
    text(position)
}
