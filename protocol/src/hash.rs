//! The one hash of suite 1 (SHA-256) and every domain that it is used in.
//!
//! Objects are hashed under the prefix `"zongheng" 00 kind format length`; inside trees the raw one-byte prefixes
//! [`LEAF`] to [`SECTION_SALT`] keep the domains apart. No other file computes a digest of signed bytes.

use std::fmt;

use ring::digest::{Context, SHA256};

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

/// A SHA-256 value. References between objects are object hashes of this type.
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

/// Hash of a signed object: `SHA-256("zongheng" 00 kind format length bytes)`. Signatures sign these 32 bytes and every
/// reference to the object is this value.
pub fn object(kind: u8, format: u16, bytes: &[u8]) -> Hash {
    let length = (bytes.len() as u32).to_be_bytes();
    sha256(&[
        b"zongheng\x00",
        &[kind],
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
