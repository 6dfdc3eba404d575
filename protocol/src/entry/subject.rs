//! Subjects: whom or what an entry is about, as its source said it, and the one text by which each is named.

use std::fmt;

use super::Key;
use crate::bytes::{Malformed, Put, Reader};
use crate::hash::Hash;
use crate::id;
use crate::limits;
use crate::name::{SeatId, from_hex};

/// Whom or what an entry is about. Which entity that is, is a conclusion.
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
    /// Nothing identifies it but the record itself. Who states it cannot choose its name, which follows from seat, type and
    /// key.
    Unidentified,
    /// A natural person: HMAC under the city person key of the given version (D11).
    Person {
        /// Version of the city person key, from 1.
        key_version: u8,
        /// The HMAC.
        pseudonym: [u8; 32],
    },
}

impl Subject {
    /// Appends tag and content.
    pub fn put(&self, out: &mut Vec<u8>) {
        let mut tagged = |tag: u8, s: &str| {
            out.put_u8(tag);
            out.put_medium(s.as_bytes());
        };
        match self {
            Self::None => out.put_u8(0),
            Self::Uscc(s) => tagged(1, s),
            Self::RegistrationNumber(s) => tagged(2, s),
            Self::OrganisationCode(s) => tagged(3, s),
            Self::TaxNumber(s) => tagged(4, s),
            Self::Unidentified => out.put_u8(5),
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
            1..=4 => {
                let s = r.medium_text()?;
                if s.is_empty() || s.len() > limits::SUBJECT_BYTES_MAX {
                    return Err(r.malformed());
                }
                let s = s.to_owned();
                match tag {
                    1 => Self::Uscc(s),
                    2 => Self::RegistrationNumber(s),
                    3 => Self::OrganisationCode(s),
                    _ => Self::TaxNumber(s),
                }
            }
            5 => Self::Unidentified,
            6 => match r.u8()? {
                0 => return Err(r.malformed()),
                key_version => Self::Person {
                    key_version,
                    pseudonym: r.array()?,
                },
            },
            _ => return Err(r.malformed()),
        })
    }

    /// The subject as one text with its tag: `uscc:…`, `reg:…`, `org:…`, `tax:…`, `person:…`, `own:…` for an unidentified one,
    /// which is named by the record of which it is subject or former subject; empty for none. Unique per subject; stores use it as the key by which
    /// records of one subject lie together.
    pub fn text(&self, seat: &SeatId, record_type: &str, key: &Key) -> String {
        match self {
            Self::Unidentified => SubjectName::Own {
                seat: *seat,
                record: id::unidentified(record_type, key),
            }
            .to_string(),
            identified => SubjectName::Identified(identified.clone()).to_string(),
        }
    }
}

/// What the text of a subject names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectName {
    /// A subject that its text tells whole; never [`Subject::Unidentified`].
    Identified(Subject),
    /// The unidentified subject of one record.
    Own {
        /// Seat that stated the record.
        seat: SeatId,
        /// What stands for the record's type and key: see [`id::unidentified`].
        record: [u8; 16],
    },
}

impl SubjectName {
    /// Reads a subject's text, and nothing else: no two texts name one subject.
    pub fn from_text(s: &str) -> Option<Self> {
        if s.is_empty() {
            return Some(Self::Identified(Subject::None));
        }
        let (tag, rest) = s.split_once(':')?;
        if rest.is_empty() || rest.len() > limits::SUBJECT_BYTES_MAX || rest.contains('\0') {
            return None;
        }
        let code = |of: fn(String) -> Subject| Self::Identified(of(rest.to_owned()));
        let read = match tag {
            "uscc" => code(Subject::Uscc),
            "reg" => code(Subject::RegistrationNumber),
            "org" => code(Subject::OrganisationCode),
            "tax" => code(Subject::TaxNumber),
            "own" => {
                let (seat, record) = rest.split_once(':')?;
                Self::Own {
                    seat: SeatId(from_hex(seat)?),
                    record: from_hex(record)?,
                }
            }
            "person" => {
                let (version, hex) = rest.split_once(':')?;
                Self::Identified(Subject::Person {
                    key_version: version.parse().ok().filter(|v| *v != 0)?,
                    pseudonym: from_hex(hex)?,
                })
            }
            _ => return None,
        };
        // one spelling only: no capitals in hexadecimal, no sign, no leading zero
        (read.to_string() == s).then_some(read)
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // an unidentified subject has no text of its own: see `Own`
            Self::Identified(Subject::None | Subject::Unidentified) => Ok(()),
            Self::Identified(Subject::Uscc(s)) => write!(f, "uscc:{s}"),
            Self::Identified(Subject::RegistrationNumber(s)) => write!(f, "reg:{s}"),
            Self::Identified(Subject::OrganisationCode(s)) => write!(f, "org:{s}"),
            Self::Identified(Subject::TaxNumber(s)) => write!(f, "tax:{s}"),
            Self::Identified(Subject::Person {
                key_version,
                pseudonym,
            }) => write!(f, "person:{key_version}:{}", Hash(*pseudonym)),
            Self::Own { seat, record } => {
                write!(f, "own:{seat}:")?;
                record.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
    }
}
