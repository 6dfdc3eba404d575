//! Envelopes: kind, format, length, bytes, signatures. Any release stores and forwards envelopes that it cannot read.

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::{self, Hash};
use crate::limits;
use crate::sign::{PublicKey, SigningKey, Suite};

/// Kinds of signed objects. Numbers are permanent.
pub mod kind {
    /// Root version: the keys of the city's authority.
    pub const ROOT: u8 = 1;
    /// Identity of a seat.
    pub const IDENTITY: u8 = 2;
    /// Rotation of a signing key.
    pub const ROTATION: u8 = 3;
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
}

/// A signed object as it travels: its bytes are kept verbatim and only read after the signature is known good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What it is; see [`kind`].
    pub kind: u8,
    /// Format of the bytes, from 1.
    pub format: u16,
    /// The object's bytes.
    pub bytes: Vec<u8>,
    /// Signatures over the object hash; outside of it, so that further ones can be added.
    pub signatures: Vec<Signature>,
}

/// One signature on an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Suite of the signature, as a number since later releases may know more.
    pub suite: u8,
    /// The signer's public key.
    pub key: Vec<u8>,
    /// The signature.
    pub bytes: Vec<u8>,
}

impl Envelope {
    /// Lays out and signs an object.
    pub fn signed(kind: u8, format: u16, bytes: Vec<u8>, key: &SigningKey) -> Self {
        let hash = hash::object(kind, format, &bytes);
        let signature = Signature {
            suite: Suite::Sha256Ed25519 as u8,
            key: key.public().0.to_vec(),
            bytes: key.sign(&hash).to_vec(),
        };
        Self {
            kind,
            format,
            bytes,
            signatures: vec![signature],
        }
    }

    /// The object's hash: what references name and signatures sign.
    pub fn hash(&self) -> Hash {
        hash::object(self.kind, self.format, &self.bytes)
    }

    /// Whether one of the signatures is good and by `key`.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let hash = self.hash();
        self.signatures.iter().any(|s| {
            s.suite == Suite::Sha256Ed25519 as u8
                && s.key == key.0
                && <&[u8; 64]>::try_from(s.bytes.as_slice())
                    .is_ok_and(|bytes| key.verifies(&hash, bytes))
        })
    }

    /// Bytes of the envelope.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + 128);
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

    /// Reads an envelope; all bytes must be consumed. The signatures are not checked here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "envelope");
        let (kind, format) = (r.u8()?, r.u16()?);
        let object = r.long()?;
        let n = usize::from(r.u8()?);
        if object.len() > limits::ENVELOPE_BYTES_MAX || n > limits::SIGNATURES_MAX {
            return Err(r.malformed());
        }
        let mut signatures = Vec::with_capacity(n);
        for _ in 0..n {
            signatures.push(Signature {
                suite: r.u8()?,
                key: r.short()?.to_vec(),
                bytes: r.short()?.to_vec(),
            });
        }
        r.finish()?;
        Ok(Self {
            kind,
            format,
            bytes: object.to_vec(),
            signatures,
        })
    }
}
