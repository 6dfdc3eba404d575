//! The one signature of suite 1 (Ed25519), the keys that make it, and lists of keys and signatures of any suite.
//!
//! Signatures are over 32-byte object hashes. What is of a suite that this release does not read is carried and its presence
//! asked for; it is never checked.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::{self, Hash, SUITE};
use crate::limits;

pub use crate::hash::Suite;

/// What a key is for. Numbers are permanent.
pub mod key_use {
    /// Signing.
    pub const SIGN: u8 = 1;
    /// Being sealed to (X25519 in suite 1).
    pub const SEAL: u8 = 2;
}

/// A public signing key of suite 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

/// The y coordinates of the points of small order, as canonical encodings without the sign of x: with such a key a
/// signature over anything can be made. Orders 4, 1, 8, 8 and 2.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

impl PublicKey {
    /// A key from its bytes. Encodings that are not canonical and points of small order are refused: two verifiers could
    /// disagree on them, or anything could be signed with them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key: [u8; 32] = bytes.try_into().ok()?;
        let mut y = key;
        y[31] &= 0x7f;
        // y >= 2^255 - 19
        let canonical = !(y[31] == 0x7f && y[1..31].iter().all(|b| *b == 0xff) && y[0] >= 0xed);
        (canonical && !SMALL_ORDER.contains(&y)).then_some(Self(key))
    }

    /// Whether `signature` is this key's over `hash`.
    pub fn verifies(&self, hash: &Hash, signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&hash.0, signature)
            .is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Hash(self.0))
    }
}

/// A public key of any suite and use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Suite.
    pub suite: u8,
    /// What it is for; see [`key_use`].
    pub key_use: u8,
    /// The key's bytes.
    pub bytes: Vec<u8>,
}

/// The keys of a seat, ascending strictly by (suite, use): at least the signing key of suite 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Keys in any order.
    pub fn new(mut keys: Vec<Key>) -> Result<Self, Malformed> {
        keys.sort();
        let what = Malformed::of("keys");
        if keys.is_empty() || keys.len() > limits::KEYS_MAX {
            return Err(what);
        }
        if !keys.is_sorted_by(|a, b| (a.suite, a.key_use) < (b.suite, b.key_use)) {
            return Err(what);
        }
        for k in &keys {
            let known_use = matches!(k.key_use, key_use::SIGN | key_use::SEAL);
            let fits = match (k.suite, k.key_use) {
                (SUITE, key_use::SIGN) => PublicKey::from_bytes(&k.bytes).is_some(),
                (SUITE, _) => k.bytes.len() == 32,
                _ => !k.bytes.is_empty() && k.bytes.len() <= usize::from(u8::MAX),
            };
            if k.suite == 0 || !known_use || !fits {
                return Err(what);
            }
        }
        let signs = |k: &Key| (k.suite, k.key_use) == (SUITE, key_use::SIGN);
        if !keys.iter().any(signs) {
            return Err(what);
        }
        Ok(Self(keys))
    }

    /// One signing key of suite 1 and, for nodes and seats that state persons, a seal key.
    pub fn of(sign: PublicKey, seal: Option<[u8; 32]>) -> Self {
        let mut keys = vec![Key {
            suite: SUITE,
            key_use: key_use::SIGN,
            bytes: sign.0.to_vec(),
        }];
        keys.extend(seal.map(|bytes| Key {
            suite: SUITE,
            key_use: key_use::SEAL,
            bytes: bytes.to_vec(),
        }));
        Self(keys)
    }

    /// All keys, ascending by (suite, use).
    pub fn all(&self) -> &[Key] {
        &self.0
    }

    /// The signing key of the suite that this release reads.
    pub fn sign(&self) -> PublicKey {
        let mut of_suite = self.signing().filter(|k| k.suite == SUITE);
        let key = of_suite.next().expect("made with a signing key of suite 1");
        PublicKey::from_bytes(&key.bytes).expect("checked when made")
    }

    /// The seal key of the suite that this release reads.
    pub fn seal(&self) -> Option<[u8; 32]> {
        let seals = |k: &&Key| (k.suite, k.key_use) == (SUITE, key_use::SEAL);
        self.0
            .iter()
            .find(seals)
            .and_then(|k| k.bytes.as_slice().try_into().ok())
    }

    /// The signing keys of all suites: each of them must sign what the seat states.
    pub fn signing(&self) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(|k| k.key_use == key_use::SIGN)
    }

    /// Bytes: `n u8, n times (suite u8, use u8, key short)`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.0.len() as u8);
        for k in &self.0 {
            out.put_u8(k.suite);
            out.put_u8(k.key_use);
            out.put_short(&k.bytes);
        }
    }

    /// Reads keys; another order than ascending is malformed.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let n = usize::from(r.u8()?);
        if n == 0 || n > limits::KEYS_MAX {
            return Err(r.malformed());
        }
        let mut keys = Vec::with_capacity(n);
        for _ in 0..n {
            keys.push(Key {
                suite: r.u8()?,
                key_use: r.u8()?,
                bytes: r.short()?.to_vec(),
            });
        }
        if !keys.is_sorted_by(|a, b| (a.suite, a.key_use) < (b.suite, b.key_use)) {
            return Err(r.malformed());
        }
        Self::new(keys).map_err(|_| r.malformed())
    }

    /// What people compare: SHA-256 over the bytes of the keys.
    pub fn fingerprint(&self) -> Hash {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        hash::sha256(&[&bytes])
    }
}

/// Signatures of a seat over one object, at most one per suite, ascending strictly by suite. They name no key: whoever
/// reads them knows whose they must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Sigs(Vec<(u8, Vec<u8>)>);

impl Sigs {
    /// The signature of the suite that this release makes.
    pub fn of(signature: [u8; 64]) -> Self {
        Self(vec![(SUITE, signature.to_vec())])
    }

    /// Signatures as (suite, bytes), ascending.
    pub fn all(&self) -> &[(u8, Vec<u8>)] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is exactly one per signing suite of `keys`, and the one that this release reads is good. `hash` is the
    /// object's hash in that suite.
    pub fn verify(&self, keys: &Keys, hash: &Hash) -> bool {
        let suites = self.0.iter().map(|(suite, _)| *suite);
        suites.eq(keys.signing().map(|k| k.suite))
            && self.0.iter().all(|(suite, bytes)| {
                *suite != SUITE
                    || <&[u8; 64]>::try_from(bytes.as_slice())
                        .is_ok_and(|bytes| keys.sign().verifies(hash, bytes))
            })
    }

    /// Bytes: `n u8, n times (suite u8, signature short)`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.0.len() as u8);
        for (suite, bytes) in &self.0 {
            out.put_u8(*suite);
            out.put_short(bytes);
        }
    }

    /// Reads signatures: 0 to 4, ascending strictly by suite, those of suite 1 of 64 bytes.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let n = usize::from(r.u8()?);
        if n > limits::KEYS_MAX {
            return Err(r.malformed());
        }
        let mut sigs: Vec<(u8, Vec<u8>)> = Vec::with_capacity(n);
        for _ in 0..n {
            let (suite, bytes) = (r.u8()?, r.short()?);
            let fits = match suite {
                0 => false,
                SUITE => bytes.len() == 64,
                _ => !bytes.is_empty(),
            };
            if !fits || sigs.last().is_some_and(|(last, _)| *last >= suite) {
                return Err(r.malformed());
            }
            sigs.push((suite, bytes.to_vec()));
        }
        Ok(Self(sigs))
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
