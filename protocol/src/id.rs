//! Names that are computed rather than minted: subjects without a code, cases, effects, acts, persons; and the sums by which
//! two parties compare what they hold.
//!
//! All of it is SHA-256 in every suite: these name and protect nothing. Lengths stand before each part, so no two inputs have
//! one pre-image; a part that is longer than its length can say has no id (`None`).

use std::borrow::Cow;

use crate::bytes::Put;
use crate::entry::Key;
use crate::hash::{self, Hash, Ref};
use crate::name::{SeatId, Version, from_hex};

/// A pre-image under construction: a part that does not fit its length spoils it.
struct PreImage {
    bytes: Vec<u8>,
    fits: bool,
}

impl PreImage {
    fn of(prefix: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(160);
        bytes.put(prefix);
        Self { bytes, fits: true }
    }
    fn short(mut self, part: &[u8]) -> Self {
        match u8::try_from(part.len()) {
            Ok(_) => self.bytes.put_short(part),
            Err(_) => self.fits = false,
        }
        self
    }
    fn medium(mut self, part: &[u8]) -> Self {
        match u16::try_from(part.len()) {
            Ok(_) => self.bytes.put_medium(part),
            Err(_) => self.fits = false,
        }
        self
    }
    fn put(mut self, part: &[u8]) -> Self {
        self.bytes.put(part);
        self
    }
    fn hash(self) -> Option<Hash> {
        self.fits.then(|| hash::sha256(&[&self.bytes]))
    }
}

fn first_16(hash: Hash) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&hash.0[..16]);
    out
}

/// What stands for a record in the name of its unidentified subject: first 16 bytes of `H(07 type short key medium)`. All zero
/// for a type that no head can have.
pub fn unidentified(record_type: &str, key: &Key) -> [u8; 16] {
    let image = PreImage::of(&[hash::UNIDENTIFIED])
        .short(record_type.as_bytes())
        .medium(key.as_bytes());
    image.hash().map_or([0; 16], first_16)
}

/// What a case is about: its standard's trigger says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<'a> {
    /// An entity, by its subject's text: notices.
    Entity(&'a str),
    /// A record: what is to be mended.
    Record {
        /// Record type.
        record_type: &'a str,
        /// Key.
        key: &'a Key,
        /// Seat that stated it.
        origin: SeatId,
    },
}

impl About<'_> {
    /// Number in ids and in docket lines: 1 an entity, 2 a record.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Entity(_) => 1,
            Self::Record { .. } => 2,
        }
    }
}

/// What names a case (D94): who reads its first docket line computes the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case<'a> {
    /// Case standard.
    pub standard: &'a str,
    /// What it is about.
    pub about: About<'a>,
    /// Item.
    pub item: &'a str,
    /// Organisation addressed at opening; empty for a pool or a routing case.
    pub organisation: &'a str,
    /// 1 + acts `left` of the opener for the former parts (D95).
    pub ordinal: u32,
    /// Seat that opens it.
    pub opener: SeatId,
}

impl Case<'_> {
    /// `H(05 standard medium about u8 (1: subject text medium | 2: type short key medium origin) item medium organisation
    /// short ordinal u32 opener)`.
    pub fn id(&self) -> Option<Hash> {
        let image = PreImage::of(&[hash::CASE])
            .medium(self.standard.as_bytes())
            .put(&[self.about.number()]);
        let image = match self.about {
            About::Entity(subject) => image.medium(subject.as_bytes()),
            About::Record {
                record_type,
                key,
                origin,
            } => image
                .short(record_type.as_bytes())
                .medium(key.as_bytes())
                .put(&origin.0),
        };
        image
            .medium(self.item.as_bytes())
            .short(self.organisation.as_bytes())
            .put(&self.ordinal.to_be_bytes())
            .put(&self.opener.0)
            .hash()
    }
}

/// The text by which a case stands among subjects in stores and wants: `case:` and 64 hexadecimal digits.
pub fn case_text(case: &Hash) -> String {
    format!("case:{case}")
}

/// Reads [`case_text`], and nothing else.
pub fn case_of_text(text: &str) -> Option<Hash> {
    let case = Hash(from_hex(text.strip_prefix("case:")?)?);
    (case_text(&case) == text).then_some(case)
}

/// Id of an effect of a docket line: `H(06 case term u32 n u32 k u16)`. A record made by it has one key column, the id as text
/// of 64 hexadecimal digits.
pub fn effect(case: &Hash, term: u32, n: u32, k: u16) -> Hash {
    hash::sha256(&[
        &[hash::EFFECT],
        &case.0,
        &term.to_be_bytes(),
        &n.to_be_bytes(),
        &k.to_be_bytes(),
    ])
}

/// Id of an act on a case: first 16 bytes of `H(0C case token short)`. The token is that of the form, or [`LEFT`].
pub fn act(case: &Hash, token: &[u8]) -> Option<ActId> {
    let image = PreImage::of(&[hash::ACT]).put(&case.0).short(token);
    image.hash().map(|h| ActId(first_16(h)))
}

/// Token of the act by which an opener says that the ground of its case is gone (D95): so it comes once.
pub const LEFT: &[u8] = b"left";

/// Id of an act. Its text of 32 hexadecimal digits is the key of the act's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActId(pub [u8; 16]);

impl std::fmt::Display for ActId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A person under a version of the city person key (D11): HMAC of `document type short number short`. The type is the code of the
/// document, `1` where there is none; the number is taken in capitals. `None` if one is over 255 bytes.
pub fn person(key: &[u8; 32], document_type: &str, number: &str) -> Option<[u8; 32]> {
    let document_type = match document_type {
        "" => "1",
        given => given,
    };
    let number: Cow<'_, str> = match number.bytes().any(|c| c.is_ascii_lowercase()) {
        true => number.to_ascii_uppercase().into(),
        false => number.into(),
    };
    let (document_type, number) = (document_type.as_bytes(), number.as_bytes());
    let longest = usize::from(u8::MAX);
    if document_type.len() > longest || number.len() > longest {
        return None;
    }
    let mut message = Vec::with_capacity(24);
    message.put_short(document_type);
    message.put_short(number);
    Some(hash::hmac(key, &message).0)
}

/// A sum over terms modulo 2^256, so that what was added can be taken away again and order does not matter. Big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sum(pub [u8; 32]);

impl Sum {
    /// The sum over nothing.
    pub const ZERO: Self = Self([0; 32]);

    /// Adds a term.
    pub fn add(&mut self, term: &Hash) {
        let mut carry = false;
        for (mine, theirs) in self.0.iter_mut().zip(&term.0).rev() {
            let (sum, first) = mine.overflowing_add(*theirs);
            let (sum, second) = sum.overflowing_add(u8::from(carry));
            *mine = sum;
            carry = first || second;
        }
    }

    /// Takes a term away.
    pub fn subtract(&mut self, term: &Hash) {
        let mut borrow = false;
        for (mine, theirs) in self.0.iter_mut().zip(&term.0).rev() {
            let (rest, first) = mine.overflowing_sub(*theirs);
            let (rest, second) = rest.overflowing_sub(u8::from(borrow));
            *mine = rest;
            borrow = first || second;
        }
    }
}

/// A statement's term in a sum over statements: `H(0A ref)`.
pub fn statement_term(statement: &Ref) -> Hash {
    hash::sha256(&[&[hash::STATEMENT_TERM], &statement.to_bytes()])
}

/// A record as sums over a region count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted<'a> {
    /// Record type.
    pub record_type: &'a str,
    /// Key.
    pub key: &'a Key,
    /// Seat that stated it.
    pub origin: SeatId,
    /// Version of the image that is shown.
    pub version: Version,
    /// Sections to which routing entitles, less those that stored erasures name; bit i for section i.
    pub mask: u16,
    /// The place at the city, the followed region at the district (D117).
    pub region: &'a str,
}

impl Counted<'_> {
    /// `H(0B type short key medium origin version mask u16 region short)`.
    pub fn term(&self) -> Option<Hash> {
        PreImage::of(&[hash::RECORD_TERM])
            .short(self.record_type.as_bytes())
            .medium(self.key.as_bytes())
            .put(&self.origin.0)
            .put(&self.version.to_bytes())
            .put(&self.mask.to_be_bytes())
            .short(self.region.as_bytes())
            .hash()
    }

    /// Bucket of the record: first byte of `H(type short key medium origin)`. The same for every version of it.
    pub fn bucket(&self) -> Option<u8> {
        bucket(self.record_type, self.key, &self.origin)
    }
}

/// Bucket of a record by what names it; see [`Counted::bucket`].
pub fn bucket(record_type: &str, key: &Key, origin: &SeatId) -> Option<u8> {
    let image = PreImage::of(&[])
        .short(record_type.as_bytes())
        .medium(key.as_bytes())
        .put(&origin.0);
    image.hash().map(|h| h.0[0])
}

#[cfg(test)]
mod tests;
