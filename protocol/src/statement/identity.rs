//! Identity (kind 2): what a seat is, what its statements are signed with and what it may state; and the possession of its
//! keys (kind 3), which is a field of it.

use crate::bytes::{Malformed, Put, Reader};
use crate::code;
use crate::envelope::kind;
use crate::hash::{self, Hash, Ref, SUITE};
use crate::limits;
use crate::name::{Lane, SeatId};
use crate::sign::{Keys, PublicKey, Sigs};

use super::{FORMAT, fits};

/// What kind of party a seat is. Never changes with a seat.
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

impl SeatKind {
    /// The kind of a number.
    pub const fn from_u8(v: u8) -> Option<Self> {
        match v {
            1 => Some(Self::City),
            2 => Some(Self::District),
            3 => Some(Self::Department),
            _ => None,
        }
    }

    /// Whether it is a node: the city or a district.
    pub const fn is_node(self) -> bool {
        matches!(self, Self::City | Self::District)
    }
}

/// From where in a lane an identity binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct BindsFrom {
    /// Counter of the epoch.
    pub counter: u32,
    /// Sequence in it.
    pub sequence: u64,
}

/// Identity of a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The seat.
    pub seat: SeatId,
    /// Counts statements about this seat without a gap, from 1.
    pub serial: u32,
    /// What it is.
    pub kind: SeatKind,
    /// Organisation code.
    pub organisation: String,
    /// Name for people, 1 to [`limits::TITLE_BYTES_MAX`] bytes.
    pub title: String,
    /// Region that the seat belongs to; the city's own code for the city.
    pub jurisdiction: String,
    /// The node that is home for what this seat triggers and holds its logs in full beside the city; a node's own seat.
    pub node: SeatId,
    /// Its keys.
    pub keys: Keys,
    /// The keys' signatures over [`possession_bytes`], one per signing suite.
    pub possession: Sigs,
    /// Signatures of the signing keys of the serial before over the same; empty if this is the first or they are the same.
    pub consent: Sigs,
    /// Why keys were replaced without the full consent of the former; otherwise empty.
    pub reason: String,
    /// Record types that a department may state: names, or `prefix.*`; ascending strictly. Empty for nodes, which go by kind.
    pub permitted: Vec<String>,
    /// Whether it may admit seats.
    pub admits: bool,
    /// From where it binds, by lane; all zero for the first serial.
    pub binds_from: [BindsFrom; Lane::ALL.len()],
    /// Identity of the issuer, or a root version.
    pub issuer: Ref,
}

impl Identity {
    /// Bytes of the statement. Call [`Identity::check`] before on what people have entered.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(384);
        out.put(&self.seat.0);
        out.put_u32(self.serial);
        out.put_u8(self.kind as u8);
        out.put_short(self.organisation.as_bytes());
        out.put_medium(self.title.as_bytes());
        out.put_short(self.jurisdiction.as_bytes());
        out.put(&self.node.0);
        self.keys.put(&mut out);
        self.possession.put(&mut out);
        self.consent.put(&mut out);
        out.put_short(self.reason.as_bytes());
        out.put_u8(self.permitted.len() as u8);
        self.permitted
            .iter()
            .for_each(|name| out.put_short(name.as_bytes()));
        out.put_u8(u8::from(self.admits));
        for from in &self.binds_from {
            out.put_u32(from.counter);
            out.put_u64(from.sequence);
        }
        self.issuer.put(&mut out);
        out
    }

    /// Reads an identity.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "identity");
        let (seat, serial) = (SeatId(r.array()?), r.u32()?);
        let kind = SeatKind::from_u8(r.u8()?).ok_or(r.malformed())?;
        let (organisation, title) = (r.short_text()?, r.medium_text()?);
        let (jurisdiction, node) = (r.short_text()?, SeatId(r.array()?));
        let keys = Keys::read(&mut r)?;
        let (possession, consent) = (Sigs::read(&mut r)?, Sigs::read(&mut r)?);
        let (reason, n) = (r.short_text()?, usize::from(r.u8()?));
        if n > limits::PERMITTED_TYPES_MAX {
            return Err(r.malformed());
        }
        let mut permitted = Vec::new();
        for _ in 0..n {
            permitted.push(r.short_text()?.to_owned());
        }
        let admits = r.flag()?;
        let mut binds_from = [BindsFrom::default(); Lane::ALL.len()];
        for from in &mut binds_from {
            *from = BindsFrom {
                counter: r.u32()?,
                sequence: r.u64()?,
            };
        }
        let identity = Self {
            seat,
            serial,
            kind,
            organisation: organisation.to_owned(),
            title: title.to_owned(),
            jurisdiction: jurisdiction.to_owned(),
            node,
            keys,
            possession,
            consent,
            reason: reason.to_owned(),
            permitted,
            admits,
            binds_from,
            issuer: Ref::read_some(&mut r)?,
        };
        r.finish()?;
        identity.check()?;
        Ok(identity)
    }

    /// What must hold of an identity by itself; the issuer and the seat's former identity are asked by the directory.
    pub fn check(&self) -> Result<(), Malformed> {
        let first = self.serial == 1;
        let node = self.kind.is_node();
        let binds = |from: &BindsFrom| {
            if first {
                *from == BindsFrom::default()
            } else {
                from.counter >= 1 && (1..=limits::POSITION_MAX).contains(&from.sequence)
            }
        };
        let all: [(bool, &'static str); 12] = [
            (self.seat != SeatId::default(), "identity: zero seat"),
            (self.serial >= 1, "identity: serial"),
            (
                code::is_organisation(&self.organisation),
                "identity: organisation",
            ),
            (
                !self.title.is_empty() && fits(&self.title, limits::TITLE_BYTES_MAX),
                "identity: title",
            ),
            (
                code::is_region(&self.jurisdiction),
                "identity: jurisdiction",
            ),
            (
                self.node != SeatId::default() && (self.node == self.seat) == node,
                "identity: node",
            ),
            (
                !node || self.keys.seal().is_some(),
                "identity: node without a seal key",
            ),
            (
                !first || (self.consent.is_empty() && self.reason.is_empty()),
                "identity: consent of nobody",
            ),
            (
                fits(&self.reason, limits::REASON_BYTES_MAX),
                "identity: reason",
            ),
            (
                self.permitted.len() <= limits::PERMITTED_TYPES_MAX
                    && self.permitted.iter().all(|name| is_permitted_name(name))
                    && self.permitted.is_sorted_by(|a, b| a < b)
                    && (self.permitted.is_empty() || !node),
                "identity: permitted types",
            ),
            (node || !self.admits, "identity: a department that admits"),
            (
                self.binds_from.iter().all(binds),
                "identity: from where it binds",
            ),
        ];
        match all.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(Malformed::of(what)),
            None => Ok(()),
        }
    }

    /// Whether the list of permitted types names a record type, by itself or by its prefix. Nodes have no list: they may
    /// state by kind (D64).
    pub fn lists(&self, record_type: &str) -> bool {
        self.permitted
            .iter()
            .any(|permitted| match permitted.strip_suffix('*') {
                Some(prefix) => record_type
                    .strip_prefix(prefix)
                    .is_some_and(|rest| !rest.is_empty()),
                None => permitted == record_type,
            })
    }

    /// Whether the possession holds: each signing key of the identity has signed seat, authority and keys.
    pub fn is_possessed(&self, authority: &Ref) -> bool {
        let hash = possession_hash(&self.seat, authority, &self.keys);
        self.possession.verify(&self.keys, &hash)
    }

    /// What the former keys say to these.
    pub(crate) fn consent_of(&self, former: &Keys, authority: &Ref) -> Consent {
        let hash = possession_hash(&self.seat, authority, &self.keys);
        consent(&self.consent, former, &hash)
    }

    /// From where it binds in a lane.
    pub fn binds_from(&self, lane: Lane) -> BindsFrom {
        self.binds_from[lane.index()]
    }

    /// The signing key of the suite that this release reads.
    pub fn key(&self) -> PublicKey {
        self.keys.sign()
    }
}

/// How far former keys consent to new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Every signing suite of the former keys has signed.
    Full,
    /// Some or all are missing; what is there is good.
    NotFull,
    /// A signature that is not by the former keys.
    Bad,
}

/// How far `former` keys have signed `hash`, the possession of new ones.
pub(crate) fn consent(signatures: &Sigs, former: &Keys, hash: &Hash) -> Consent {
    if signatures.verify(former, hash) {
        return Consent::Full;
    }
    let given = |(suite, bytes): &(u8, Vec<u8>)| match *suite {
        SUITE => <&[u8; 64]>::try_from(&bytes[..]).is_ok_and(|b| former.sign().verifies(hash, b)),
        suite => former.signing().any(|key| key.suite == suite),
    };
    match signatures.all().iter().all(given) {
        true => Consent::NotFull,
        false => Consent::Bad,
    }
}

/// Whether the text can stand in a list of permitted types: a name, or a prefix that ends with `.*`.
pub(crate) fn is_permitted_name(text: &str) -> bool {
    let name = text.strip_suffix(".*").unwrap_or(text);
    !name.is_empty() && fits(text, limits::NAME_BYTES_MAX) && !name.contains('*')
}

/// Bytes of a possession (kind 3): seat, authority, keys.
pub fn possession_bytes(seat: &SeatId, authority: &Ref, keys: &Keys) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.put(&seat.0);
    authority.put(&mut out);
    keys.put(&mut out);
    out
}

/// What the signing keys of a seat sign to show that they belong to it, and its former keys to consent.
pub fn possession_hash(seat: &SeatId, authority: &Ref, keys: &Keys) -> Hash {
    let bytes = possession_bytes(seat, authority, keys);
    hash::object(SUITE, kind::POSSESSION, FORMAT, &bytes)
}
