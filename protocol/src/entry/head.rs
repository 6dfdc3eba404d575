//! The head of an entry: for whom, which record, under which standard, what happens to it, about whom, why.

use super::{Hint, Key, Subject};
use crate::bytes::{Malformed, Put, Reader};
use crate::code;
use crate::hash::Ref;
use crate::limits;
use crate::name::Version;
use crate::standard_hash::StandardHash;
use crate::value::CivilDate;

/// What an entry does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The record now reads so.
    State,
    /// The record is gone at its source.
    Retract,
    /// The generation of the head's type is complete: what was not stated again in it is retracted. The head's key is
    /// [`Key::marker`].
    Restated {
        /// Records stated in it.
        count: u64,
    },
}

/// A further subject with its role, for joint cases, pledges, persons.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FurtherSubject {
    /// Role as the standard names it.
    pub role: String,
    /// The subject; neither none nor unidentified.
    pub subject: Subject,
}

/// The person behind an entry that was typed at a node. No name travels in a head.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Author {
    /// Code of the organisation that the person acts for.
    pub organisation: String,
    /// The person's number there, 1 to 32 bytes.
    pub person: String,
}

/// Kinds of causes. Numbers are permanent; others are kept and shown as "other".
pub mod cause {
    /// An intent.
    pub const INTENT: u8 = 1;
    /// An act or line listed, the image of a trigger.
    pub const ACT: u8 = 2;
    /// The refusal that is answered.
    pub const REFUSAL: u8 = 3;
    /// The docket line before (D98); of an adoption the line that it names.
    pub const LINE: u8 = 4;
}

/// Why an entry exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cause {
    /// See [`cause`].
    pub kind: u8,
    /// What it answers: of an entry the name suite of its header and the leaf hash.
    pub reference: Ref,
}

/// Where an entry's record stood before, when subject or audience changed, so that relays can tell those who no longer match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Former {
    /// Former subject, if it changed; never the present one.
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
    /// Hash of that standard as its origin knows it.
    pub standard_hash: StandardHash,
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
    /// The person, if one typed it at a node.
    pub author: Option<Author>,
    /// At most four causes.
    pub cause: Vec<Cause>,
    /// Version of the image that this one was made from.
    pub base: Option<Version>,
}

const FORMER_SUBJECT: u8 = 1;
const FORMER_HINT: u8 = 1 << 1;
const EVENT_DATE: u8 = 1 << 2;
const AUTHOR: u8 = 1 << 3;
const BASE: u8 = 1 << 4;
const FLAGS: u8 = FORMER_SUBJECT | FORMER_HINT | EVENT_DATE | AUTHOR | BASE;

impl Head {
    /// A plain statement of a record under a standard (name, version, hash); everything else is absent.
    pub fn state(
        record_type: impl Into<String>,
        key: Key,
        standard: impl Into<String>,
        standard_version: u16,
        standard_hash: StandardHash,
    ) -> Self {
        Self {
            hint: Hint::Unknown,
            record_type: record_type.into(),
            key,
            standard: standard.into(),
            standard_version,
            standard_hash,
            operation: Operation::State,
            generation: 1,
            subject: Subject::None,
            further: Vec::new(),
            was: Former::default(),
            event_date: None,
            author: None,
            cause: Vec::new(),
            base: None,
        }
    }

    /// The head's bytes: the content of section 0.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        self.put(&mut out);
        out
    }

    /// Appends the head's bytes. Hint, type and key come first, so that order within a batch can be checked without reading
    /// further.
    pub fn put(&self, out: &mut Vec<u8>) {
        self.hint.put(out);
        out.put_short(self.record_type.as_bytes());
        out.put_medium(self.key.as_bytes());
        out.put_short(self.standard.as_bytes());
        out.put_u16(self.standard_version);
        out.put(&self.standard_hash.0);
        let flag = |there: bool, bit: u8| if there { bit } else { 0 };
        out.put_u8(
            flag(self.was.subject.is_some(), FORMER_SUBJECT)
                | flag(self.was.hint.is_some(), FORMER_HINT)
                | flag(self.event_date.is_some(), EVENT_DATE)
                | flag(self.author.is_some(), AUTHOR)
                | flag(self.base.is_some(), BASE),
        );
        match self.operation {
            Operation::State => out.put_u8(1),
            Operation::Retract => out.put_u8(2),
            Operation::Restated { count } => {
                out.put_u8(3);
                out.put_u64(count);
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
        if let Some(a) = &self.author {
            out.put_short(a.organisation.as_bytes());
            out.put_short(a.person.as_bytes());
        }
        out.put_u8(self.cause.len() as u8);
        for c in &self.cause {
            out.put_u8(c.kind);
            c.reference.put(out);
        }
        if let Some(v) = self.base {
            v.put(out);
        }
    }

    /// Reads a head; all bytes must be consumed. What does not read behind type and key is the origin's fault for this entry
    /// only: it is stored and relayed, and refused in interpretation.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "head");
        let hint = Hint::read(&mut r)?;
        let record_type = code::read_name(&mut r)?.to_owned();
        let key = Key::from_bytes(r.medium()?)?;
        let standard = code::read_name(&mut r)?.to_owned();
        let standard_version = r.u16()?;
        let standard_hash = StandardHash(r.array()?);
        let flags = r.u8()?;
        if flags & !FLAGS != 0 {
            return Err(r.malformed());
        }
        let operation = match r.u8()? {
            1 => Operation::State,
            2 => Operation::Retract,
            3 if key.is_marker() => Operation::Restated { count: r.u64()? },
            _ => return Err(r.malformed()),
        };
        let generation = r.u32()?;
        let subject = Subject::read(&mut r)?;
        let further = read_further(&mut r)?;
        let was = Former {
            subject: if_flag(flags & FORMER_SUBJECT, || Subject::read(&mut r))?,
            hint: if_flag(flags & FORMER_HINT, || Hint::read(&mut r))?,
        };
        if was.subject.as_ref() == Some(&subject) {
            return Err(r.malformed());
        }
        let event_date = if_flag(flags & EVENT_DATE, || CivilDate::read_from(&mut r))?;
        let author = if_flag(flags & AUTHOR, || read_author(&mut r))?;
        let cause = read_causes(&mut r)?;
        let base = if_flag(flags & BASE, || Version::read(&mut r))?;
        r.finish()?;
        Ok(Self {
            hint,
            record_type,
            key,
            standard,
            standard_version,
            standard_hash,
            operation,
            generation,
            subject,
            further,
            was,
            event_date,
            author,
            cause,
            base,
        })
    }
}

fn if_flag<T>(
    flag: u8,
    read: impl FnOnce() -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match flag {
        0 => Ok(None),
        _ => read().map(Some),
    }
}

fn read_further(r: &mut Reader<'_>) -> Result<Vec<FurtherSubject>, Malformed> {
    let n = usize::from(r.u8()?);
    if n > limits::FURTHER_SUBJECTS_MAX {
        return Err(r.malformed());
    }
    let mut further = Vec::with_capacity(n);
    for _ in 0..n {
        let role = code::read_name(r)?.to_owned();
        let subject = Subject::read(r)?;
        if matches!(subject, Subject::None | Subject::Unidentified) {
            return Err(r.malformed());
        }
        further.push(FurtherSubject { role, subject });
    }
    Ok(further)
}

fn read_author(r: &mut Reader<'_>) -> Result<Author, Malformed> {
    let organisation = code::read_organisation(r)?.to_owned();
    let person = r.short_text()?;
    if person.is_empty() || person.len() > limits::PERSON_NUMBER_BYTES_MAX {
        return Err(r.malformed());
    }
    Ok(Author {
        organisation,
        person: person.to_owned(),
    })
}

fn read_causes(r: &mut Reader<'_>) -> Result<Vec<Cause>, Malformed> {
    let n = usize::from(r.u8()?);
    if n > limits::CAUSES_MAX {
        return Err(r.malformed());
    }
    let mut causes = Vec::with_capacity(n);
    for _ in 0..n {
        let (kind, reference) = (r.u8()?, Ref::read(r)?);
        causes.push(Cause { kind, reference });
    }
    Ok(causes)
}

/// Hint, type and key at the front of a head's bytes, without reading the rest: by them a batch is ordered.
pub(crate) struct HeadFront<'a> {
    /// The hint's bytes.
    pub(crate) hint: &'a [u8],
    /// The record type's bytes.
    pub(crate) record_type: &'a [u8],
    /// The key's bytes.
    pub(crate) key: &'a [u8],
}

/// Reads the front of a head and copies nothing. Not readable: the origin has sealed what may not be.
pub(crate) fn head_front(bytes: &[u8]) -> Result<HeadFront<'_>, Malformed> {
    let mut r = Reader::new(bytes, "head");
    let hint = Hint::skip(&mut r)?;
    let record_type = code::read_name(&mut r)?.as_bytes();
    let key = r.medium()?;
    Key::check(key)?;
    Ok(HeadFront {
        hint,
        record_type,
        key,
    })
}
