//! The one signature of suite 1 (Ed25519) and the keys that make it. Signatures are over 32-byte object hashes.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::hash::{self, Hash};

/// Hash and signature, fixed per epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Suite {
    /// SHA-256 and Ed25519.
    Sha256Ed25519 = 1,
}

impl Suite {
    /// The suite of a number; 2 is reserved for SM3/SM2 and not known to this release.
    pub const fn from_u8(v: u8) -> Option<Self> {
        match v {
            1 => Some(Self::Sha256Ed25519),
            _ => None,
        }
    }
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Whether `signature` is this key's over `hash`.
    pub fn verifies(&self, hash: &Hash, signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&hash.0, signature)
            .is_ok()
    }

    /// What people compare: SHA-256 of the key.
    pub fn fingerprint(&self) -> Hash {
        hash::sha256(&[&self.0])
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Hash(self.0))
    }
}

/// A signing key: made from 32 random bytes that the caller draws and keeps outside database backups.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are an Ed25519 seed");
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Self {
            pair,
            public: PublicKey(public),
        }
    }

    /// The public half.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs an object hash.
    pub fn sign(&self, hash: &Hash) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(&hash.0).as_ref());
        out
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}
