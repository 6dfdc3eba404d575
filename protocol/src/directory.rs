//! Statements about who is who: the authority's root, identities of seats, openings of epochs.
//!
//! A chain of them lets anybody check a header: root version → city → district (admits seats of its jurisdiction) →
//! department seat → opening → header. [`Directory`] holds what has been verified so far and is the only maker of
//! [`VerifiedIdentity`].

use std::collections::BTreeMap;

use crate::bytes::{Malformed, Put, Reader};
use crate::envelope::{Envelope, kind};
use crate::hash::Hash;
use crate::limits;
use crate::name::{Epoch, InstanceId, Lane, SeatId};
use crate::sign::{PublicKey, Suite};

/// Root version: the authority's keys. The first is signed by its own keys; its hash is what join codes carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// 1 for the first.
    pub version: u32,
    /// Hash of the former version; zero for the first.
    pub former: Hash,
    /// Signatures needed.
    pub threshold: u8,
    /// Keys, which can be held offline.
    pub keys: Vec<PublicKey>,
}

/// What kind of party a seat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum SeatKind {
    /// The city hub.
    City = 1,
    /// A district node.
    District = 2,
    /// A department's source system, stated through an agent.
    Department = 3,
}

/// Identity of a seat: what its statements are signed with and what it may state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The seat.
    pub seat: SeatId,
    /// Counts statements about this seat; the greatest that the issuer signed is in force.
    pub serial: u32,
    /// What it is.
    pub kind: SeatKind,
    /// Name for people, as 「示范区市场监管局 登记库」.
    pub title: String,
    /// Department, empty for nodes.
    pub department: String,
    /// Division or own region that the seat belongs to; the city's own code for the city.
    pub jurisdiction: String,
    /// Its signing key.
    pub key: PublicKey,
    /// Suite of its signatures.
    pub suite: Suite,
    /// Record types that it may state; what it states beyond them is refused in interpretation (D33).
    pub permitted_types: Vec<String>,
    /// Whether it may admit department seats of its own jurisdiction.
    pub admits: bool,
    /// Seat that signed this; the zero seat means the root.
    pub issuer: SeatId,
}

/// Opening of an epoch: one for all lanes of a seat (D6). The first header of each lane has its hash as previous hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochOpening {
    /// The seat.
    pub seat: SeatId,
    /// The epoch.
    pub epoch: Epoch,
    /// Identity that it is signed under.
    pub identity: Hash,
    /// Instance that opened it (D16).
    pub instance: InstanceId,
    /// Last header known of the epoch before, per lane: sequence (0 for none) and hash.
    pub last_known: [(u64, Hash); 3],
}

impl Root {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(self.version);
        out.put(&self.former.0);
        out.put_u8(self.threshold);
        out.put_u8(self.keys.len() as u8);
        self.keys.iter().for_each(|k| out.put(&k.0));
        out
    }

    /// Reads a root version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "root");
        let (version, former, threshold) = (r.u32()?, Hash(r.array()?), r.u8()?);
        let n = r.u8()?;
        let keys = (0..n)
            .map(|_| r.array().map(PublicKey))
            .collect::<Result<Vec<_>, _>>()?;
        if version == 0
            || threshold == 0
            || threshold > n
            || usize::from(n) > limits::SIGNATURES_MAX
            || keys
                .iter()
                .enumerate()
                .any(|(at, k)| keys[..at].contains(k))
        {
            return Err(r.malformed());
        }
        r.finish()?;
        Ok(Self {
            version,
            former,
            threshold,
            keys,
        })
    }
}

impl Identity {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.seat.0);
        out.put_u32(self.serial);
        out.put_u8(self.kind as u8);
        out.put_medium(self.title.as_bytes());
        out.put_medium(self.department.as_bytes());
        out.put_short(self.jurisdiction.as_bytes());
        out.put(&self.key.0);
        out.put_u8(self.suite as u8);
        out.put_u8(self.permitted_types.len() as u8);
        self.permitted_types
            .iter()
            .for_each(|t| out.put_short(t.as_bytes()));
        out.put_u8(u8::from(self.admits));
        out.put(&self.issuer.0);
        out
    }

    /// Reads an identity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "identity");
        let (seat, serial) = (SeatId(r.array()?), r.u32()?);
        let kind = match r.u8()? {
            1 => SeatKind::City,
            2 => SeatKind::District,
            3 => SeatKind::Department,
            _ => return Err(r.malformed()),
        };
        let (title, department) = (r.medium_text()?, r.medium_text()?);
        let jurisdiction = r.short_text()?;
        let key = PublicKey(r.array()?);
        let suite = Suite::from_u8(r.u8()?).ok_or(r.malformed())?;
        let n = usize::from(r.u8()?);
        if n > limits::PERMITTED_TYPES_MAX
            || title.len() > limits::TITLE_BYTES_MAX
            || department.len() > limits::TITLE_BYTES_MAX
            || jurisdiction.len() > limits::NAME_BYTES_MAX
        {
            return Err(r.malformed());
        }
        let permitted_types = (0..n)
            .map(|_| match r.short_text()? {
                t if t.is_empty() || t.len() > limits::NAME_BYTES_MAX => Err(r.malformed()),
                t => Ok(t.to_owned()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let admits = r.flag()?;
        let issuer = SeatId(r.array()?);
        r.finish()?;
        Ok(Self {
            seat,
            serial,
            kind,
            title: title.to_owned(),
            department: department.to_owned(),
            jurisdiction: jurisdiction.to_owned(),
            key,
            suite,
            permitted_types,
            admits,
            issuer,
        })
    }
}

impl EpochOpening {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.seat.0);
        out.put_u32(self.epoch.counter);
        out.put(&self.epoch.nonce);
        out.put(&self.identity.0);
        out.put(&self.instance.0);
        for (sequence, hash) in &self.last_known {
            out.put_u64(*sequence);
            out.put(&hash.0);
        }
        out
    }

    /// Reads an opening.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "epoch opening");
        let seat = SeatId(r.array()?);
        let epoch = Epoch {
            counter: r.u32()?,
            nonce: r.array()?,
        };
        let identity = Hash(r.array()?);
        let instance = InstanceId(r.array()?);
        let mut last_known = [(0, Hash::ZERO); 3];
        for slot in &mut last_known {
            *slot = (r.u64()?, Hash(r.array()?));
        }
        if epoch.counter == 0 {
            return Err(r.malformed());
        }
        r.finish()?;
        Ok(Self {
            seat,
            epoch,
            identity,
            instance,
            last_known,
        })
    }
}

/// An identity whose chain up to the root has been checked; made only by [`Directory::admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedIdentity {
    identity: Identity,
    hash: Hash,
}

impl VerifiedIdentity {
    /// The statement.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }
    /// Its object hash.
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

/// An epoch opening whose signature has been checked; made only by [`Directory::admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedOpening {
    opening: EpochOpening,
    hash: Hash,
}

impl VerifiedOpening {
    /// The statement.
    pub const fn opening(&self) -> &EpochOpening {
        &self.opening
    }
    /// Its object hash.
    pub const fn hash(&self) -> Hash {
        self.hash
    }
}

/// Why a directory statement was not taken up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The bytes do not follow the layout: the sender is at fault.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its issuer or identity is not known here yet: hold it, never reject it (D22).
    #[error("issuer not known yet: {0}")]
    UnknownIssuer(Hash),
    /// The signature is not by whom it should be: the sender is at fault.
    #[error("signature does not verify")]
    BadSignature,
    /// The issuer may not say this (a district that admits outside its jurisdiction, a department that admits).
    #[error("issuer may not state this: {0}")]
    NotPermitted(&'static str),
    /// Another statement stands in this place: equal serial or epoch counter with other content. A fork: kept as evidence.
    #[error("contradicts {0}")]
    Fork(Hash),
    /// A kind or format that this release does not read: store and forward it.
    #[error("not read by this release")]
    Unread,
}

/// What a statement turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// A root version.
    Root,
    /// An identity.
    Identity(SeatId),
    /// An opening.
    Opening(SeatId),
    /// Known already.
    Known,
}

/// The verified directory statements that a party holds.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    root: Option<(Hash, Root)>,
    identities: BTreeMap<Hash, VerifiedIdentity>,
    current: BTreeMap<SeatId, Hash>,
    openings: BTreeMap<Hash, VerifiedOpening>,
    epochs: BTreeMap<(SeatId, u32), Hash>,
}

impl Directory {
    /// A directory that trusts the root version with this hash (or whose hash starts with these bytes: join codes carry 20).
    /// Nothing else enters before it.
    pub fn trusting(root: &Envelope, hash_prefix: &[u8]) -> Result<Self, DirectoryError> {
        let hash = root.hash();
        if root.kind != kind::ROOT || hash_prefix.len() < 16 || !hash.0.starts_with(hash_prefix) {
            return Err(DirectoryError::BadSignature);
        }
        let statement = Root::from_bytes(&root.bytes)?;
        let signed = statement
            .keys
            .iter()
            .filter(|k| root.is_signed_by(k))
            .count();
        if signed < usize::from(statement.threshold) {
            return Err(DirectoryError::BadSignature);
        }
        Ok(Self {
            root: Some((hash, statement)),
            ..Self::default()
        })
    }

    /// Hash of the root version in force; zero when there is none.
    pub fn root_hash(&self) -> Hash {
        self.root.as_ref().map_or(Hash::ZERO, |(h, _)| *h)
    }

    /// Checks a statement and takes it up.
    pub fn admit(&mut self, envelope: &Envelope) -> Result<Admitted, DirectoryError> {
        let hash = envelope.hash();
        if self.identities.contains_key(&hash)
            || self.openings.contains_key(&hash)
            || self.root_hash() == hash
        {
            return Ok(Admitted::Known);
        }
        if envelope.format != 1 {
            return Err(DirectoryError::Unread);
        }
        match envelope.kind {
            kind::IDENTITY => self.admit_identity(envelope, hash),
            kind::OPENING => self.admit_opening(envelope, hash),
            kind::ROOT => Err(DirectoryError::NotPermitted(
                "root versions change by ceremony",
            )),
            _ => Err(DirectoryError::Unread),
        }
    }

    fn admit_identity(
        &mut self,
        envelope: &Envelope,
        hash: Hash,
    ) -> Result<Admitted, DirectoryError> {
        let identity = Identity::from_bytes(&envelope.bytes)?;
        if identity.seat == SeatId::default() {
            return Err(DirectoryError::NotPermitted("the zero seat is nobody's"));
        }
        if identity.issuer == SeatId::default() {
            let (_, root) = self
                .root
                .as_ref()
                .ok_or(DirectoryError::UnknownIssuer(Hash::ZERO))?;
            if identity.kind != SeatKind::City {
                return Err(DirectoryError::NotPermitted(
                    "the root admits the city only",
                ));
            }
            let signed = root
                .keys
                .iter()
                .filter(|k| envelope.is_signed_by(k))
                .count();
            if signed < usize::from(root.threshold) {
                return Err(DirectoryError::BadSignature);
            }
        } else {
            let unknown = DirectoryError::UnknownIssuer(Hash::ZERO);
            let issuer = self.identity(&identity.issuer).ok_or(unknown)?.identity();
            let permitted = match (issuer.kind, identity.kind) {
                (SeatKind::City, SeatKind::District | SeatKind::Department) => issuer.admits,
                (SeatKind::District, SeatKind::Department) => {
                    issuer.admits
                        && issuer.jurisdiction == identity.jurisdiction
                        && !identity.admits
                }
                _ => false,
            };
            if !permitted {
                return Err(DirectoryError::NotPermitted(
                    "issuer does not admit seats of this kind or jurisdiction",
                ));
            }
            if !envelope.is_signed_by(&issuer.key) {
                return Err(DirectoryError::BadSignature);
            }
            // A district may say more about the seats that it admitted, never about those of others.
            let taken = self.identity(&identity.seat).is_some_and(|known| {
                known.identity.kind != identity.kind
                    || (issuer.kind != SeatKind::City && known.identity.issuer != identity.issuer)
            });
            if taken {
                return Err(DirectoryError::NotPermitted(
                    "the seat was admitted by another or is of another kind",
                ));
            }
        }
        let seat = identity.seat;
        match self.identity(&seat) {
            Some(known) if known.identity.serial == identity.serial => {
                return Err(DirectoryError::Fork(known.hash));
            }
            Some(known) if known.identity.serial > identity.serial => {}
            _ => {
                self.current.insert(seat, hash);
            }
        }
        self.identities
            .insert(hash, VerifiedIdentity { identity, hash });
        Ok(Admitted::Identity(seat))
    }

    fn admit_opening(
        &mut self,
        envelope: &Envelope,
        hash: Hash,
    ) -> Result<Admitted, DirectoryError> {
        let opening = EpochOpening::from_bytes(&envelope.bytes)?;
        let identity = self
            .identities
            .get(&opening.identity)
            .ok_or(DirectoryError::UnknownIssuer(opening.identity))?;
        if identity.identity.seat != opening.seat {
            return Err(DirectoryError::NotPermitted(
                "opening under another seat's identity",
            ));
        }
        if !envelope.is_signed_by(&identity.identity.key) {
            return Err(DirectoryError::BadSignature);
        }
        let place = (opening.seat, opening.epoch.counter);
        if let Some(known) = self.epochs.get(&place) {
            return Err(DirectoryError::Fork(*known));
        }
        let seat = opening.seat;
        self.epochs.insert(place, hash);
        self.openings
            .insert(hash, VerifiedOpening { opening, hash });
        Ok(Admitted::Opening(seat))
    }

    /// Whose signature an envelope carries, among the identities in force; of no use for what the seat may say.
    pub fn signer(&self, envelope: &Envelope) -> Option<&VerifiedIdentity> {
        let names = |i: &VerifiedIdentity| {
            let mut signatures = envelope.signatures.iter();
            signatures.any(|s| s.key == i.identity.key.0)
        };
        let mut identities = self.current.values().filter_map(|h| self.identities.get(h));
        identities.find(|i| names(i) && envelope.is_signed_by(&i.identity.key))
    }

    /// The identity in force of a seat.
    pub fn identity(&self, seat: &SeatId) -> Option<&VerifiedIdentity> {
        self.identities.get(self.current.get(seat)?)
    }

    /// An identity by its hash: what a header was signed under.
    pub fn identity_by_hash(&self, hash: &Hash) -> Option<&VerifiedIdentity> {
        self.identities.get(hash)
    }

    /// An opening by its hash.
    pub fn opening(&self, hash: &Hash) -> Option<&VerifiedOpening> {
        self.openings.get(hash)
    }

    /// The identities in force.
    pub fn identities(&self) -> impl Iterator<Item = &VerifiedIdentity> {
        self.current.values().filter_map(|h| self.identities.get(h))
    }
}

/// What a seat signs on a TLS connection to show that it holds its key there (D31).
pub fn presence(exporter: &[u8; 32], seat: &SeatId) -> Hash {
    let mut bytes = exporter.to_vec();
    bytes.put(&seat.0);
    crate::hash::object(kind::PRESENCE, 1, &bytes)
}

/// Position of the last header of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogName {
    /// The seat.
    pub seat: SeatId,
    /// The lane.
    pub lane: Lane,
    /// Hash of the epoch's opening.
    pub opening: Hash,
}
