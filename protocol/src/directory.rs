//! The directory: the verified statements that a party holds, and what follows from them.
//!
//! A chain of them lets anybody check a header: root version → city → district → department → opening → header. What is
//! taken up is decided by signatures and by the statements that it names, never by what came first; what *counts* is worked
//! out from the whole of it on being asked, so that every holder of the same statements gives the same answer. The one
//! exception is two root versions of one number, of which the first to come stays: no object can decide between them.
//!
//! - `admit`: who may say what, and what is held back until something else comes.
//! - `standing`: which identities, openings and positions count.
//! - `place`: what an opening means at a holder.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bytes::Malformed;
use crate::envelope::{Envelope, kind};
use crate::hash::{Hash, Ref};
use crate::name::{LogName, SeatId};
use crate::sign::PublicKey;
use crate::statement::{
    Closing, EpochOpening, Erasure, ForkDecision, Forked, Identity, Revocation, Root,
};

mod admit;
mod chain;
mod fault;
mod place;
mod standing;

pub use fault::{Missing, Refusal, StatementFault};
pub use place::{HeldLane, KnownOpenings, LanePlace, OpeningPlace, opening_place};
pub use standing::{HeaderStanding, OpeningStanding};

/// Least bytes of the authority's reference by which trust can begin: join codes carry 20.
pub const AUTHORITY_BYTES_MIN: usize = 16;

/// A statement whose signatures have been checked; made only by [`Directory`]. Clones share it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified<T>(Arc<(T, Ref)>);

impl<T> Clone for Verified<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Verified<T> {
    fn new(statement: T, reference: Ref) -> Self {
        Self(Arc::new((statement, reference)))
    }

    /// The statement.
    pub fn statement(&self) -> &T {
        &self.0.0
    }

    /// Its reference.
    pub fn reference(&self) -> Ref {
        self.0.1
    }
}

/// An identity whose chain up to the root has been checked.
pub type VerifiedIdentity = Verified<Identity>;
/// An opening whose signature has been checked.
pub type VerifiedOpening = Verified<EpochOpening>;

impl VerifiedIdentity {
    /// The statement.
    pub fn identity(&self) -> &Identity {
        self.statement()
    }
}

impl VerifiedOpening {
    /// The statement.
    pub fn opening(&self) -> &EpochOpening {
        self.statement()
    }
}

/// What a statement turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A root version.
    Root,
    /// An identity of this seat.
    Identity(SeatId),
    /// A revocation of this seat.
    Revocation(SeatId),
    /// An opening of this seat.
    Opening(SeatId),
    /// A closing of an epoch of this seat.
    Closing(SeatId),
    /// A decision about a fork of this seat.
    ForkDecision(SeatId),
    /// An activation; obeyed by no one in this release.
    Activation,
    /// An erasure of entries of this seat.
    Erasure(SeatId),
}

/// A statement that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The canonical envelope: what is stored and relayed.
    pub envelope: Envelope,
    /// Its reference.
    pub reference: Ref,
    /// What it is.
    pub what: What,
    /// Whether a statement of this reference had been taken up before. The presented copy has verified all the same.
    pub known: bool,
}

/// The verified statements that a party holds. Clones are cheap: what is presented in a hello is checked in a scratch copy
/// before anything of it is taken in (D50).
#[derive(Debug, Clone)]
pub struct Directory {
    held: Arc<Held>,
}

#[derive(Debug, Clone, Default)]
struct Held {
    authority: Ref,
    roots: BTreeMap<Ref, Verified<Root>>,
    /// Versions in force, from 1 on.
    root_chain: Vec<Ref>,
    identities: BTreeMap<Ref, VerifiedIdentity>,
    serials: BTreeMap<SeatId, BTreeMap<u32, Vec<Ref>>>,
    openings: BTreeMap<Ref, VerifiedOpening>,
    epochs: BTreeMap<SeatId, Epochs>,
    /// How many openings there are under each identity.
    opened: BTreeMap<Ref, usize>,
    /// By seat and issuer, the greatest of each.
    revocations: BTreeMap<SeatId, BTreeMap<Ref, Verified<Revocation>>>,
    /// By epoch and by whether the city has signed; the greatest of each.
    closings: BTreeMap<Ref, BTreeMap<bool, Verified<Closing>>>,
    /// By place and issuer, the greatest of each.
    decisions: BTreeMap<(SeatId, Forked), BTreeMap<Ref, Verified<ForkDecision>>>,
    erasures: BTreeMap<SeatId, Vec<Verified<Erasure>>>,
    /// References of everything that was taken up.
    known: BTreeSet<Ref>,
    /// Seats of which only identities are kept that this release does not read.
    unread: BTreeSet<SeatId>,
}

/// The openings of a seat.
#[derive(Debug, Clone, Default)]
struct Epochs {
    by_counter: BTreeMap<u32, Vec<Ref>>,
    /// Counters from 1 to here are all known.
    reached: u32,
}

impl Directory {
    /// A directory that trusts the first root version whose reference begins with these bytes of hash: the whole 32, or the
    /// 20 that join codes carry, at least [`AUTHORITY_BYTES_MIN`]. Nothing else enters before it.
    pub fn trusting(root: &Envelope, authority_prefix: &[u8]) -> Result<Self, StatementFault> {
        let Some(reference) = root.reference().filter(|_| root.kind == kind::ROOT) else {
            return Err(StatementFault::BadSignature);
        };
        let long_enough = authority_prefix.len() >= AUTHORITY_BYTES_MIN;
        if !long_enough || !reference.hash.0.starts_with(authority_prefix) || root.format != 1 {
            return Err(StatementFault::BadSignature);
        }
        let statement = Root::from_bytes(&root.bytes).map_err(StatementFault::Malformed)?;
        if statement.version != 1 {
            return Err(Refusal::RootVersion.into());
        }
        if statement.canonical(None, root).is_none() {
            return Err(StatementFault::BadSignature);
        }
        let held = Held {
            authority: reference,
            roots: BTreeMap::from([(reference, Verified::new(statement, reference))]),
            root_chain: vec![reference],
            known: BTreeSet::from([reference]),
            ..Held::default()
        };
        Ok(Self {
            held: Arc::new(held),
        })
    }

    /// The authority's name: the reference of root version 1, for ever.
    pub fn authority(&self) -> Ref {
        self.held.authority
    }

    /// The root version in force: the greatest of the chain.
    pub fn root(&self) -> &Verified<Root> {
        let newest = self.held.root_chain.last();
        newest
            .and_then(|reference| self.held.roots.get(reference))
            .expect("made with the first root version")
    }

    /// Root versions that stand beside the chain because another of their number came first: red everywhere, until trust is
    /// given anew from outside.
    pub fn contested_roots(&self) -> impl Iterator<Item = &Verified<Root>> {
        let in_chain = |root: &&Verified<Root>| self.held.root_chain.contains(&root.reference());
        self.held.roots.values().filter(move |root| !in_chain(root))
    }

    /// Whether a statement of this reference has been taken up.
    pub fn knows(&self, reference: &Ref) -> bool {
        self.held.known.contains(reference)
    }

    /// References of everything that has been taken up, ascending: what the digest of statements sums over.
    pub fn references(&self) -> impl Iterator<Item = &Ref> {
        self.held.known.iter()
    }

    /// An identity by its reference, in force or not: what a header, receipt or opening was signed under.
    pub fn identity_by_ref(&self, reference: &Ref) -> Option<&VerifiedIdentity> {
        self.held.identities.get(reference)
    }

    /// An opening by its reference, whether it stands or not.
    pub fn opening(&self, reference: &Ref) -> Option<&VerifiedOpening> {
        self.held.openings.get(reference)
    }

    /// All openings of a seat by ascending counter, whether they stand or not.
    pub fn openings(&self, seat: &SeatId) -> impl Iterator<Item = &VerifiedOpening> {
        self.held
            .epochs
            .get(seat)
            .into_iter()
            .flat_map(|epochs| epochs.by_counter.values().flatten())
            .filter_map(|reference| self.opening(reference))
    }

    /// What is known of a seat's openings beside one of this counter, for [`opening_place`].
    pub fn known_openings(&self, seat: &SeatId, counter: u32) -> KnownOpenings {
        let epochs = self.held.epochs.get(seat);
        KnownOpenings {
            greatest: epochs.map_or(0, |epochs| epochs.reached),
            beside: epochs
                .and_then(|epochs| epochs.by_counter.get(&counter))
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// Erasures of entries of a seat that count.
    pub fn erasures(&self, seat: &SeatId) -> impl Iterator<Item = &Verified<Erasure>> {
        self.held
            .erasures
            .get(seat)
            .into_iter()
            .flatten()
            .filter(|erasure| self.issuer_stands(&erasure.statement().issuer, &erasure.reference()))
    }

    /// Sections, bit per number, that erasures which count have ended of the leaf at a place.
    pub fn erased_mask(&self, log: &LogName, sequence: u64, index: u32, leaf: &Hash) -> u16 {
        self.erasures(&log.seat).fold(0, |mask, erasure| {
            let lane = log.lane as u8;
            mask | erasure
                .statement()
                .mask(lane, &log.opening, sequence, index, leaf)
        })
    }

    /// Whether a section of the leaf at a place is erased.
    pub fn is_erased(
        &self,
        log: &LogName,
        sequence: u64,
        index: u32,
        leaf: &Hash,
        section: u8,
    ) -> bool {
        let bit = 1u16.checked_shl(u32::from(section)).unwrap_or(0);
        self.erased_mask(log, sequence, index, leaf) & bit != 0
    }

    /// Closings of an epoch that count: by the seat itself, and by the city for a revoked seat.
    pub fn closings(&self, opening: &Ref) -> impl Iterator<Item = &Verified<Closing>> {
        self.held
            .closings
            .get(opening)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|closing| {
                let statement = closing.statement();
                self.issuer_stands(&statement.identity, &closing.reference())
            })
    }

    /// Whether a header is declared lost by a closing that counts; see [`Closing::declares`].
    pub fn is_declared_lost(&self, log: &LogName, sequence: u64, safeguarded: u64) -> bool {
        let lane = log.lane as u8;
        self.closings(&log.opening)
            .any(|closing| closing.statement().declares(lane, sequence, safeguarded))
    }

    /// The decision about a place that counts: the one of the greatest serial whose issuer stands.
    pub fn decision(&self, seat: &SeatId, place: Forked) -> Option<&Verified<ForkDecision>> {
        self.held
            .decisions
            .get(&(*seat, place))?
            .values()
            .filter(|d| self.issuer_stands(&d.statement().issuer, &d.reference()))
            .max_by_key(|d| (d.statement().serial, d.reference()))
    }

    /// The revocation of a seat that counts: one whose issuer stands before one whose issuer does not, then the one of the
    /// greatest serial. A revocation never lapses with its issuer: what was called back stays so until somebody who stands
    /// says otherwise.
    pub fn revocation(&self, seat: &SeatId) -> Option<&Verified<Revocation>> {
        let of_seat = self.held.revocations.get(seat)?;
        of_seat.values().max_by_key(|r| {
            let stands = self.issuer_stands(&r.statement().issuer, &r.reference());
            (stands, r.statement().serial, r.reference())
        })
    }

    /// Whether only an identity of this seat is kept that this release does not read.
    pub fn is_seat_unread(&self, seat: &SeatId) -> bool {
        self.held.unread.contains(seat) && !self.held.serials.contains_key(seat)
    }

    /// Whom an object of `seat` is charged to if anybody has signed it who can: the seat itself, if it is known, else the
    /// signer; see [`crate::blame::judge_unread`].
    pub(crate) fn signer_for(&self, seat: &SeatId, envelope: &Envelope) -> Option<SeatId> {
        let known = *seat == SeatId::default() || self.held.serials.contains_key(seat);
        let signs = |(_, key): &(SeatId, PublicKey)| envelope.is_signed_by(key);
        let (signer, _) = self.keys_over(seat).into_iter().find(signs)?;
        Some(if known { *seat } else { signer })
    }

    fn change(&mut self) -> &mut Held {
        Arc::make_mut(&mut self.held)
    }
}

/// Bytes that follow no layout, as a fault.
impl From<Malformed> for StatementFault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
