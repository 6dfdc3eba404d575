//! Suites, references between objects, and the one hash of suite 1 (SHA-256) with every domain that it is used in.
//!
//! Objects are hashed under the prefix `"zongheng" 00 suite kind format length`; everywhere else one of the raw one-byte
//! prefixes below keeps the domains apart, and the list is closed. No other file computes a digest of signed bytes.

use std::fmt;

use ring::digest::{Context, SHA256};

use crate::bytes::{Malformed, Put, Reader};

/// Hash and signature, fixed per epoch. What is of another suite is carried, never computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Suite {
    /// SHA-256 and Ed25519.
    Sha256Ed25519 = 1,
}

impl Suite {
    /// The suite of a number; 2 is reserved for SM3/SM2 and not read by this release.
    pub const fn from_u8(v: u8) -> Option<Self> {
        match v {
            1 => Some(Self::Sha256Ed25519),
            _ => None,
        }
    }
}

/// Number of the suite that this release computes.
pub const SUITE: u8 = Suite::Sha256Ed25519 as u8;

/// Prefix of a leaf.
pub const LEAF: u8 = 0x00;
/// Prefix of an inner node, as in RFC 6962.
pub const NODE: u8 = 0x01;
/// Prefix of a section's commitment.
pub const SECTION: u8 = 0x02;
/// Prefix of a group of leaves with one audience hint.
pub const GROUP: u8 = 0x03;
/// Prefix of the derivation of a section's salt.
pub const SECTION_SALT: u8 = 0x04;
/// Prefix of a case id; always SHA-256, like all that only name and protect nothing.
pub const CASE: u8 = 0x05;
/// Prefix of the id of an effect of a case; always SHA-256.
pub const EFFECT: u8 = 0x06;
/// Prefix of the name of an unidentified subject; always SHA-256.
pub const UNIDENTIFIED: u8 = 0x07;
/// Prefix of the hash of a standard; always SHA-256.
pub const STANDARD: u8 = 0x08;
/// Prefix of a piece of an attachment.
pub const PIECE: u8 = 0x09;
/// Prefix of a statement's term in a sum over statements.
pub const STATEMENT_TERM: u8 = 0x0A;
/// Prefix of a record's term in a sum over records.
pub const RECORD_TERM: u8 = 0x0B;
/// Prefix of the id of an act; always SHA-256.
pub const ACT: u8 = 0x0C;

/// A 32-byte hash. Inside one object's trees it stands bare; between objects it is named together with its suite by a [`Ref`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The all-zero value: "there is none yet". No object has it.
    pub const ZERO: Self = Self([0; 32]);

    /// The first eight hexadecimal digits, for people; never compared.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Length of a reference's bytes.
pub const REF_BYTES: usize = 33;

/// A reference to a signed object: the suite that names it and its hash in that suite. The zero reference, suite 0 with the
/// zero hash, stands for "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ref {
    /// Number of the name suite, as a number since later releases may know more.
    pub suite: u8,
    /// Hash in that suite.
    pub hash: Hash,
}

impl Ref {
    /// "None".
    pub const ZERO: Self = Self {
        suite: 0,
        hash: Hash::ZERO,
    };

    /// The reference to an object of the suite that this release computes.
    pub const fn of(hash: Hash) -> Self {
        Self { suite: SUITE, hash }
    }

    /// Whether it names nothing.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The first eight hexadecimal digits of the hash, for people; never compared.
    pub fn short(&self) -> String {
        self.hash.short()
    }

    /// Bytes of the reference: suite, hash.
    pub fn to_bytes(&self) -> [u8; REF_BYTES] {
        let mut out = [0; REF_BYTES];
        out[0] = self.suite;
        out[1..].copy_from_slice(&self.hash.0);
        out
    }

    /// Appends [`Ref::to_bytes`].
    pub fn put(&self, out: &mut Vec<u8>) {
        out.put(&self.to_bytes());
    }

    /// Reads a reference. Suite 0 with another hash than zero, or a suite with the zero hash, is malformed.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let read = Self {
            suite: r.u8()?,
            hash: Hash(r.array()?),
        };
        if (read.suite == 0) != (read.hash == Hash::ZERO) {
            return Err(r.malformed());
        }
        Ok(read)
    }

    /// Reads a reference that must name something.
    pub fn read_some(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        match Self::read(r)? {
            none if none.is_zero() => Err(r.malformed()),
            some => Ok(some),
        }
    }

    /// A reference from exactly its bytes, as a store keeps them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "reference");
        let read = Self::read(&mut r)?;
        r.finish()?;
        Ok(read)
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.suite, self.hash)
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// SHA-256 over the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Hash(out)
}

/// HMAC-SHA-256, for keys and persons that must not travel in the clear (D11).
pub fn hmac(secret: &[u8; 32], message: &[u8]) -> Hash {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let mut out = [0; 32];
    out.copy_from_slice(ring::hmac::sign(&key, message).as_ref());
    Hash(out)
}

/// Hash of a signed object in the suite that this release computes:
/// `SHA-256("zongheng" 00 suite kind format length bytes)`, where `suite` is the one that names the object. If that is the
/// computing suite, this is the object's name; it is in any case what a signature of this suite signs, so that a signature
/// vouches for the bytes *and* for the suite that names them.
pub fn object(name_suite: u8, kind: u8, format: u16, bytes: &[u8]) -> Hash {
    let length = (bytes.len() as u32).to_be_bytes();
    sha256(&[
        b"zongheng\x00",
        &[name_suite, kind],
        &format.to_be_bytes(),
        &length,
        bytes,
    ])
}

/// Salt of section `number` under a leaf's salt.
pub fn section_salt(leaf_salt: &Salt, number: u8) -> Salt {
    let full = sha256(&[&[SECTION_SALT], leaf_salt, &[number]]);
    let mut salt = [0; 16];
    salt.copy_from_slice(&full.0[..16]);
    salt
}

/// Commitment to a section's bytes.
pub fn section(number: u8, salt: &Salt, bytes: &[u8]) -> Hash {
    sha256(&[&[SECTION, number], salt, bytes])
}

/// Leaf over the sections that are present, each named by its number, so that nobody can mislabel a withheld one.
pub fn leaf(sections: impl ExactSizeIterator<Item = (u8, Hash)>) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF, sections.len() as u8]);
    for (number, commitment) in sections {
        context.update(&[number]);
        context.update(&commitment.0);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Hash(out)
}

/// Inner node.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[NODE], &left.0, &right.0])
}

/// Leaf of the tree over groups: hint, count and the group's own root.
pub fn group(hint: &[u8], count: u32, root: &Hash) -> Hash {
    let length = (hint.len() as u16).to_be_bytes();
    sha256(&[&[GROUP], &length, hint, &count.to_be_bytes(), &root.0])
}

/// 128 random bits that keep a commitment from being guessed.
pub type Salt = [u8; 16];
