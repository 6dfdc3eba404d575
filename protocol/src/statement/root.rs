//! Root version (kind 1): the keys of the authority. Trust begins with the first one.

use crate::bytes::{Malformed, Put, Reader};
use crate::envelope::Envelope;
use crate::hash::{Ref, SUITE};
use crate::limits;
use crate::name::SeatId;
use crate::sign::{Key, PublicKey, key_use};

/// A version of the authority's keys. Version 1 is signed by its own threshold; each later one by its own threshold and by
/// that of the one before. The reference of version 1 is the authority's name for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// 1 for the first.
    pub version: u32,
    /// The version before; zero exactly for the first.
    pub former: Ref,
    /// Signatures needed, of each suite.
    pub threshold: u8,
    /// Signing keys, which can be held offline; ascending strictly by (suite, key).
    pub keys: Vec<Key>,
}

impl Root {
    /// A version with keys of the suite that this release reads, in any order.
    pub fn of(version: u32, former: Ref, threshold: u8, keys: &[PublicKey]) -> Self {
        let mut keys: Vec<Key> = keys
            .iter()
            .map(|key| Key {
                suite: SUITE,
                key_use: key_use::SIGN,
                bytes: key.0.to_vec(),
            })
            .collect();
        keys.sort();
        Self {
            version,
            former,
            threshold,
            keys,
        }
    }

    /// Bytes of the statement; the first 16 are the zero seat.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&SeatId::default().0);
        out.put_u32(self.version);
        self.former.put(&mut out);
        out.put_u8(self.threshold);
        out.put_u8(self.keys.len() as u8);
        for key in &self.keys {
            out.put_u8(key.suite);
            out.put_short(&key.bytes);
        }
        out
    }

    /// Reads a root version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "root version");
        let zero = SeatId(r.array()?);
        let (version, former) = (r.u32()?, Ref::read(&mut r)?);
        let (threshold, n) = (r.u8()?, usize::from(r.u8()?));
        if n > limits::ROOT_KEYS_MAX {
            return Err(r.malformed());
        }
        let mut keys = Vec::new();
        for _ in 0..n {
            keys.push(Key {
                suite: r.u8()?,
                key_use: key_use::SIGN,
                bytes: r.short()?.to_vec(),
            });
        }
        let root = Self {
            version,
            former,
            threshold,
            keys,
        };
        let fits = zero == SeatId::default()
            && version >= 1
            && (version == 1) == former.is_zero()
            && root.keys_fit();
        if !fits {
            return Err(r.malformed());
        }
        r.finish()?;
        Ok(root)
    }

    fn keys_fit(&self) -> bool {
        let one_fits = |key: &Key| match key.suite {
            0 => false,
            SUITE => PublicKey::from_bytes(&key.bytes).is_some(),
            _ => !key.bytes.is_empty(),
        };
        let threshold = usize::from(self.threshold);
        // chunks of one suite: the keys ascend
        let suites_fit = self
            .keys
            .chunk_by(|a, b| a.suite == b.suite)
            .all(|of| (threshold..=limits::ROOT_KEYS_PER_SUITE_MAX).contains(&of.len()));
        self.threshold >= 1
            && self.keys.iter().all(one_fits)
            && self.keys.iter().any(|key| key.suite == SUITE)
            && self
                .keys
                .is_sorted_by(|a, b| (a.suite, &a.bytes) < (b.suite, &b.bytes))
            && suites_fit
    }

    /// Keys of which `envelope` carries a signature, the threshold of them in each suite and no more. `None` if a suite lacks
    /// some. Signatures of suites that this release does not read must be there and are not checked.
    pub(crate) fn signers(&self, envelope: &Envelope) -> Option<Vec<&Key>> {
        let signed = |key: &&Key| match key.suite {
            SUITE => PublicKey::from_bytes(&key.bytes).is_some_and(|k| envelope.is_signed_by(&k)),
            suite => {
                let mut all = envelope.signatures.iter();
                all.any(|s| s.suite == suite && s.key == key.bytes)
            }
        };
        let threshold = usize::from(self.threshold);
        let mut signers = Vec::new();
        for of_suite in self.keys.chunk_by(|a, b| a.suite == b.suite) {
            let before = signers.len();
            signers.extend(of_suite.iter().filter(signed).take(threshold));
            if signers.len() - before < threshold {
                return None;
            }
        }
        Some(signers)
    }

    /// The envelope with exactly the signatures that this version (and `former`, too, for a later root version) demands;
    /// `None` if one is missing.
    pub fn canonical(&self, former: Option<&Self>, envelope: &Envelope) -> Option<Envelope> {
        let mut signers = self.signers(envelope)?;
        if let Some(former) = former {
            signers.extend(former.signers(envelope)?);
        }
        signers.sort_by(|a, b| (a.suite, &a.bytes).cmp(&(b.suite, &b.bytes)));
        signers.dedup();
        envelope.with_signatures_of(&signers)
    }

    /// The signing keys of the suite that this release reads.
    pub fn read_keys(&self) -> impl Iterator<Item = PublicKey> {
        self.keys
            .iter()
            .filter(|key| key.suite == SUITE)
            .filter_map(|key| PublicKey::from_bytes(&key.bytes))
    }
}
