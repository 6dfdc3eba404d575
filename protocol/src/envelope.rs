//! Envelopes: name suite, kind, format, bytes, signatures. Any release stores and forwards envelopes that it cannot read.

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::{self, Hash, Ref, SUITE};
use crate::limits;
use crate::name::SeatId;
use crate::sign::{Key, Keys, PublicKey, SigningKey, key_use};

/// Kinds of signed objects. Numbers are permanent. The first 16 bytes of every object of every kind and format, now and to
/// come, are the seat that speaks or is spoken about (zero: the authority).
pub mod kind {
    /// Root version: the keys of the city's authority.
    pub const ROOT: u8 = 1;
    /// Identity of a seat.
    pub const IDENTITY: u8 = 2;
    /// Possession of a seat's keys: signed, but never on a wire as an envelope.
    pub const POSSESSION: u8 = 3;
    /// Revocation by position.
    pub const REVOCATION: u8 = 4;
    /// Opening of an epoch.
    pub const OPENING: u8 = 5;
    /// Closing of an epoch.
    pub const CLOSING: u8 = 6;
    /// Decision of a fork.
    pub const FORK_DECISION: u8 = 7;
    /// Activation of a format or feature.
    pub const ACTIVATION: u8 = 8;
    /// Header of a batch.
    pub const HEADER: u8 = 9;
    /// Receipt.
    pub const RECEIPT: u8 = 10;
    /// Proof of holding a seat's key on one TLS connection; never stored.
    pub const PRESENCE: u8 = 11;
    /// Erasure of sections.
    pub const ERASURE: u8 = 12;
    /// Head of a node's feed.
    pub const FEED_HEAD: u8 = 13;
}

/// A signed object as it travels: its bytes are kept verbatim and only read after the signature is known good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Suite that names the object and makes its trees; as a number since later releases may know more.
    pub name_suite: u8,
    /// What it is; see [`kind`].
    pub kind: u8,
    /// Format of the bytes, from 1.
    pub format: u16,
    /// The object's bytes.
    pub bytes: Vec<u8>,
    /// Signatures, ascending strictly by (suite, key); outside of the object's hash.
    pub signatures: Vec<Signature>,
}

/// One signature on an envelope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// Suite of the signature, as a number since later releases may know more.
    pub suite: u8,
    /// The signer's public key.
    pub key: Vec<u8>,
    /// The signature.
    pub bytes: Vec<u8>,
}

impl Envelope {
    /// Lays out and signs an object of the suite that this release computes.
    pub fn signed(kind: u8, format: u16, bytes: Vec<u8>, key: &SigningKey) -> Self {
        Self::signed_by(kind, format, bytes, &[key])
    }

    /// The same with several keys, in any order.
    pub fn signed_by(kind: u8, format: u16, bytes: Vec<u8>, keys: &[&SigningKey]) -> Self {
        let hash = hash::object(SUITE, kind, format, &bytes);
        let mut signatures: Vec<_> = keys
            .iter()
            .map(|key| Signature {
                suite: SUITE,
                key: key.public().0.to_vec(),
                bytes: key.sign(&hash).to_vec(),
            })
            .collect();
        signatures.sort();
        Self {
            name_suite: SUITE,
            kind,
            format,
            bytes,
            signatures,
        }
    }

    /// The object's hash in the suite that this release computes: what signatures of that suite sign.
    pub fn hash(&self) -> Hash {
        hash::object(self.name_suite, self.kind, self.format, &self.bytes)
    }

    /// The object's name; `None` if its name suite is not read by this release.
    pub fn reference(&self) -> Option<Ref> {
        (self.name_suite == SUITE).then(|| Ref::of(self.hash()))
    }

    /// The seat in the first 16 bytes, which belongs to every object; zero for the authority, `None` if there are fewer bytes.
    pub fn seat(&self) -> Option<SeatId> {
        self.bytes.first_chunk::<16>().map(|b| SeatId(*b))
    }

    /// The lane of a header of any format: byte 17.
    pub fn lane(&self) -> Option<u8> {
        (self.kind == kind::HEADER)
            .then(|| self.bytes.get(16).copied())
            .flatten()
    }

    /// Whether one of the signatures is good and by `key`.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.signature_of(&self.hash(), key).is_some()
    }

    fn signature_of(&self, hash: &Hash, key: &PublicKey) -> Option<&Signature> {
        let good = |s: &&Signature| {
            s.suite == SUITE
                && s.key == key.0
                && <&[u8; 64]>::try_from(s.bytes.as_slice())
                    .is_ok_and(|bytes| key.verifies(hash, bytes))
        };
        self.signatures.iter().find(good)
    }

    /// The canonical envelope: exactly one signature for each signing key of `keys`, the others dropped. `None` if one is
    /// missing or the one that this release reads is not good; signatures of other suites must be present and are kept
    /// unchecked (D61).
    pub fn canonical(&self, keys: &Keys) -> Option<Self> {
        let signing: Vec<&Key> = keys.signing().collect();
        self.with_signatures_of(&signing)
    }

    /// As [`Envelope::canonical`], for exactly these keys.
    pub fn with_signatures_of(&self, keys: &[&Key]) -> Option<Self> {
        let hash = self.hash();
        let mut signatures = Vec::with_capacity(keys.len());
        for key in keys {
            debug_assert_eq!(key.key_use, key_use::SIGN);
            let found = if key.suite == SUITE {
                self.signature_of(&hash, &PublicKey::from_bytes(&key.bytes)?)
            } else {
                let by = |s: &&Signature| s.suite == key.suite && s.key == key.bytes;
                self.signatures.iter().find(by)
            };
            signatures.push(found?.clone());
        }
        signatures.sort();
        Some(Self {
            signatures,
            ..self.clone()
        })
    }

    /// Bytes of the envelope.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 128);
        out.put_u8(self.name_suite);
        out.put_u8(self.kind);
        out.put_u16(self.format);
        out.put_long(&self.bytes);
        out.put_u8(self.signatures.len() as u8);
        for s in &self.signatures {
            out.put_u8(s.suite);
            out.put_short(&s.key);
            out.put_short(&s.bytes);
        }
        out
    }

    /// Reads an envelope; all bytes must be consumed. 1 to 8 signatures, ascending strictly by (suite, key), those of suite 1
    /// with a key of 32 and a signature of 64 bytes. Whether they are good is not asked here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "envelope");
        let (name_suite, kind, format) = (r.u8()?, r.u8()?, r.u16()?);
        let object = r.long()?;
        let n = usize::from(r.u8()?);
        if name_suite == 0
            || object.len() > limits::ENVELOPE_BYTES_MAX
            || n == 0
            || n > limits::SIGNATURES_MAX
        {
            return Err(r.malformed());
        }
        let mut signatures: Vec<Signature> = Vec::with_capacity(n);
        for _ in 0..n {
            let s = Signature {
                suite: r.u8()?,
                key: r.short()?.to_vec(),
                bytes: r.short()?.to_vec(),
            };
            let fits = match s.suite {
                0 => false,
                SUITE => s.key.len() == 32 && s.bytes.len() == 64,
                _ => true,
            };
            let ascends = signatures
                .last()
                .is_none_or(|last| (last.suite, &last.key) < (s.suite, &s.key));
            if !fits || !ascends {
                return Err(r.malformed());
            }
            signatures.push(s);
        }
        r.finish()?;
        Ok(Self {
            name_suite,
            kind,
            format,
            bytes: object.to_vec(),
            signatures,
        })
    }
}
