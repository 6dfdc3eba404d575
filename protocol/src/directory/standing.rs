//! What counts: identities in force, openings that stand, positions that a revocation lets stand.
//!
//! Everything here is a function of the set of statements, whatever came first.

use std::collections::BTreeSet;

use crate::hash::Ref;
use crate::name::{Lane, LogName, Position, SeatId};
use crate::statement::{BindsFrom, Forked, Revocation};
use crate::words::reason;

use super::{Directory, Epochs, Verified, VerifiedIdentity, VerifiedOpening};

/// What an opening counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpeningStanding {
    /// Its epoch counts.
    Stands,
    /// It is not known here.
    Unknown,
    /// A counter before it is not known here (7): for a person, after asking everybody.
    Skips,
    /// Another opening of its counter, and nobody has decided yet (6): headers under both wait.
    Contested,
    /// The seat itself or the authority has declared it void.
    Void,
    /// The seat's keys were called back and the epoch is not among what stands.
    Revoked,
}

/// What a header counts for, as far as a directory can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeaderStanding {
    /// It counts.
    Stands,
    /// Its epoch does not, or not yet.
    Opening(OpeningStanding),
    /// The seat's keys were called back and the position lies above what stands, or the identity was issued by somebody whose
    /// keys were called back and is not among what stands.
    Revoked,
    /// Its key is not one of the identity that binds at this position (13): it verifies as history, the log stops there.
    KeyNoLongerBinds,
    /// The authority has decided for another header at its place.
    Void,
    /// Its key is not one that binds, and there are two identities of the serial that it is signed under, or another one was
    /// decided for (15).
    IdentityContested,
}

impl HeaderStanding {
    /// The number by which parties tell each other that the log is held or stopped; `None` where it is not.
    pub const fn reason(self) -> Option<u16> {
        match self {
            Self::Stands => None,
            Self::Opening(OpeningStanding::Stands) => None,
            Self::Opening(OpeningStanding::Unknown) => Some(reason::OPENING_UNKNOWN),
            Self::Opening(OpeningStanding::Skips) => Some(reason::COUNTER_SKIPPED),
            Self::Opening(OpeningStanding::Contested | OpeningStanding::Void) => {
                Some(reason::TWO_OPENINGS)
            }
            Self::Opening(OpeningStanding::Revoked) | Self::Revoked => Some(reason::REVOKED),
            Self::KeyNoLongerBinds => Some(reason::KEY_NO_LONGER_BINDS),
            Self::Void => Some(reason::TWO_HEADERS),
            Self::IdentityContested => Some(reason::TWO_IDENTITIES),
        }
    }
}

impl Directory {
    /// The identity under which a seat may speak now: its greatest uncontested serial, unless a revocation covers it.
    pub fn identity(&self, seat: &SeatId) -> Option<&VerifiedIdentity> {
        self.newest_identity(seat)
            .filter(|identity| self.revoked(identity).is_none())
    }

    /// A seat's greatest uncontested serial, whether it is called back or not: what says its node and its name.
    pub fn newest_identity(&self, seat: &SeatId) -> Option<&VerifiedIdentity> {
        let serials = self.held.serials.get(seat)?;
        let mut newest = serials.keys().rev();
        newest.find_map(|serial| self.uncontested(seat, *serial))
    }

    /// The identity that binds at a position of a lane: the greatest uncontested serial whose binds-from is not behind it.
    pub fn identity_at(
        &self,
        seat: &SeatId,
        lane: Lane,
        counter: u32,
        sequence: u64,
    ) -> Option<&VerifiedIdentity> {
        let position = BindsFrom { counter, sequence };
        let serials = self.held.serials.get(seat)?;
        let mut newest = serials.keys().rev();
        newest.find_map(|serial| {
            self.uncontested(seat, *serial)
                .filter(|i| i.identity().binds_from(lane) <= position)
        })
    }

    /// The newest identities of all seats that may speak now.
    pub fn identities(&self) -> impl Iterator<Item = &VerifiedIdentity> {
        let seats = self.held.serials.keys();
        seats.filter_map(|seat| self.identity(seat))
    }

    /// All identities of a seat by ascending serial, whether they count or not.
    pub fn of_seat(&self, seat: &SeatId) -> impl Iterator<Item = &VerifiedIdentity> {
        let serials = self.held.serials.get(seat).into_iter();
        serials
            .flat_map(|serials| serials.values().flatten())
            .filter_map(|reference| self.identity_by_ref(reference))
    }

    /// All identities of one serial of a seat.
    pub(super) fn of_serial(
        &self,
        seat: &SeatId,
        serial: u32,
    ) -> impl Iterator<Item = &VerifiedIdentity> {
        let serials = self.held.serials.get(seat);
        serials
            .and_then(|serials| serials.get(&serial))
            .into_iter()
            .flatten()
            .filter_map(|reference| self.identity_by_ref(reference))
    }

    pub(super) fn any_identity(&self, seat: &SeatId) -> Option<&VerifiedIdentity> {
        self.of_seat(seat).next()
    }

    /// Whether an issuing seat has admitted a seat: has issued its first serial.
    pub(super) fn admitted_by(&self, seat: &SeatId, issuer: &SeatId) -> bool {
        self.of_serial(seat, 1).any(|first| {
            let by = self.identity_by_ref(&first.identity().issuer);
            by.is_some_and(|by| by.identity().seat == *issuer)
        })
    }

    /// Serials of a seat of which there are two that nobody has decided between: neither is in force.
    pub fn contested_serials(&self, seat: &SeatId) -> Vec<u32> {
        let serials = self.held.serials.get(seat);
        let all = serials.into_iter().flat_map(|serials| serials.keys());
        all.filter(|serial| {
            self.standing_of_serial(seat, **serial).count() > 1
                && self.uncontested(seat, **serial).is_none()
        })
        .copied()
        .collect()
    }

    fn standing_of_serial(
        &self,
        seat: &SeatId,
        serial: u32,
    ) -> impl Iterator<Item = &VerifiedIdentity> {
        self.of_serial(seat, serial)
            .filter(|identity| self.is_issued(identity))
    }

    /// The identity of one serial that counts: the only one, or the one decided for.
    pub(crate) fn uncontested(&self, seat: &SeatId, serial: u32) -> Option<&VerifiedIdentity> {
        let mut standing = self.standing_of_serial(seat, serial);
        match self.decision(seat, Forked::Identity(serial)) {
            Some(decision) => standing.find(|i| i.reference() == decision.statement().survivor),
            None => standing.next().filter(|_| standing.next().is_none()),
        }
    }

    /// Whether an identity was issued by who could issue it: each issuer up to the root stands, or what he issued was let
    /// stand when his keys were called back. Does not ask whether its own keys were.
    pub fn is_issued(&self, identity: &VerifiedIdentity) -> bool {
        self.issuer_stands(&identity.identity().issuer, &identity.reference())
    }

    /// Whether what an issuer has signed counts: a root version of the chain; an identity that is issued and not called back,
    /// or called back by a revocation that lets this statement stand.
    pub(super) fn issuer_stands(&self, issuer: &Ref, statement: &Ref) -> bool {
        match self.identity_by_ref(issuer) {
            None => self.held.root_chain.contains(issuer),
            Some(issuer) => {
                let lets = |r: &Verified<Revocation>| r.statement().lets_stand(statement);
                self.is_issued(issuer) && self.revoked(issuer).is_none_or(lets)
            }
        }
    }

    /// The revocation that has called an identity back, if one has.
    pub fn revoked(&self, identity: &VerifiedIdentity) -> Option<&Verified<Revocation>> {
        let identity = identity.identity();
        self.revocation(&identity.seat)
            .filter(|r| identity.serial <= r.statement().through)
    }

    /// What an opening counts for.
    pub fn opening_standing(&self, reference: &Ref) -> OpeningStanding {
        let Some(opening) = self.opening(reference) else {
            return OpeningStanding::Unknown;
        };
        let counter = opening.opening().counter;
        let of_seat = self.held.epochs.get(&opening.opening().seat);
        let Some(epochs) = of_seat.filter(|epochs| counter <= epochs.reached) else {
            return OpeningStanding::Skips;
        };
        if !self.may_open(opening) {
            return OpeningStanding::Revoked;
        }
        let decided = self.decided(opening, epochs);
        match decided {
            _ if decided.standing.contains(reference) => OpeningStanding::Stands,
            _ if decided.open => OpeningStanding::Contested,
            _ => OpeningStanding::Void,
        }
    }

    /// Whether the epoch of an opening counts.
    pub fn opening_stands(&self, reference: &Ref) -> bool {
        self.opening_standing(reference) == OpeningStanding::Stands
    }

    /// The opening of the next epoch of the same seat, if one stands: at positions up to its last known, the chains that end
    /// there stand (D80).
    pub fn next_opening(&self, reference: &Ref) -> Option<&VerifiedOpening> {
        let opening = self.opening(reference)?.opening();
        let next = opening.counter.checked_add(1)?;
        let epochs = self.held.epochs.get(&opening.seat)?;
        let mut of_counter = epochs.by_counter.get(&next)?.iter();
        of_counter
            .find(|next| self.opening_stands(next))
            .and_then(|next| self.opening(next))
    }

    /// Where a log ends by its seat's own next opening; `None` while there is none that stands.
    pub fn former_end(&self, log: &LogName) -> Option<Position> {
        let next = self.next_opening(&log.opening)?.opening();
        Some(next.last_known(log.lane as u8))
    }

    /// Whether the identity that an opening names could open an epoch.
    fn may_open(&self, opening: &VerifiedOpening) -> bool {
        let Some(identity) = self.identity_by_ref(&opening.opening().identity) else {
            return false;
        };
        let names = |r: &Verified<Revocation>| r.statement().names_epoch(&opening.reference());
        self.is_issued(identity) && self.revoked(identity).is_none_or(names)
    }

    /// Openings of one counter that could be, whatever the others say.
    fn candidates(&self, epochs: &Epochs, counter: u32) -> Vec<&VerifiedOpening> {
        let of_counter = epochs.by_counter.get(&counter).into_iter().flatten();
        of_counter
            .filter_map(|reference| self.opening(reference))
            .filter(|opening| self.may_open(opening))
            .collect()
    }

    /// Which openings of an opening's counter stand. A counter is decided by the authority, or by the seat's own opening of
    /// the next counter, which may itself have to be decided first: the run of such counters is worked off from its end.
    fn decided(&self, opening: &VerifiedOpening, epochs: &Epochs) -> Decided {
        let seat = &opening.opening().seat;
        let mut run = vec![(
            opening.opening().counter,
            self.candidates(epochs, opening.opening().counter),
        )];
        loop {
            let (counter, of_counter) = &run[run.len() - 1];
            let Some(next) = counter.checked_add(1) else {
                break;
            };
            let of_next = self.candidates(epochs, next);
            let voids = |next: &&VerifiedOpening| {
                let mut of_counter = of_counter.iter();
                of_counter.any(|opening| next.opening().void.contains(&opening.reference()))
            };
            if !of_next.iter().any(voids) {
                break;
            }
            run.push((next, of_next));
        }
        let mut decided = Decided::default();
        while let Some((counter, of_counter)) = run.pop() {
            let survivor = self
                .decision(seat, Forked::Opening(counter))
                .map(|decision| decision.statement().survivor);
            let stands = |opening: &&VerifiedOpening| {
                let reference = opening.reference();
                survivor.map_or(!decided.voids.contains(&reference), |s| s == reference)
            };
            let left: Vec<_> = of_counter.into_iter().filter(stands).collect();
            let open = left.len() > 1;
            let standing = left.into_iter().filter(|_| !open);
            let standing: Vec<&VerifiedOpening> = standing.collect();
            decided = Decided {
                voids: standing
                    .iter()
                    .flat_map(|o| o.opening().void.iter().copied())
                    .collect(),
                standing: standing.iter().map(|o| o.reference()).collect(),
                open,
            };
        }
        decided
    }

    /// What a header counts for: `identity` is what it is signed under, `position` its sequence and reference, `counter` that
    /// of its epoch.
    pub fn header_standing(
        &self,
        identity: &VerifiedIdentity,
        log: &LogName,
        counter: u32,
        position: &Position,
    ) -> HeaderStanding {
        match self.opening_standing(&log.opening) {
            OpeningStanding::Stands => {}
            other => return HeaderStanding::Opening(other),
        }
        if !self.is_issued(identity) || !self.is_before_revocation(identity, log, position) {
            return HeaderStanding::Revoked;
        }
        let place = Forked::Header {
            lane: log.lane as u8,
            opening: log.opening,
            sequence: position.sequence,
        };
        let decision = self.decision(&log.seat, place);
        if decision.is_some_and(|d| d.statement().survivor != position.header) {
            return HeaderStanding::Void;
        }
        // whatever serial it names, it is judged by the one that binds
        let binding = self.identity_at(&log.seat, log.lane, counter, position.sequence);
        let keys = &identity.identity().keys;
        if binding.is_some_and(|binding| binding.identity().keys.signing().eq(keys.signing())) {
            return HeaderStanding::Stands;
        }
        let named = self.uncontested(&log.seat, identity.identity().serial);
        match named.is_some_and(|named| named.reference() == identity.reference()) {
            true => HeaderStanding::KeyNoLongerBinds,
            false => HeaderStanding::IdentityContested,
        }
    }

    /// Whether a position lies at or below what stands of its log, if the identity that it is signed under was called back.
    pub fn is_before_revocation(
        &self,
        identity: &VerifiedIdentity,
        log: &LogName,
        position: &Position,
    ) -> bool {
        let Some(revocation) = self.revoked(identity) else {
            return true;
        };
        revocation
            .statement()
            .last(log)
            .is_some_and(|last| position.sequence < last.sequence || *position == last)
    }
}

/// Openings of one counter.
#[derive(Default)]
struct Decided {
    /// The one that stands, if there is one.
    standing: BTreeSet<Ref>,
    /// What it declares void of the counter before.
    voids: BTreeSet<Ref>,
    /// Several are left.
    open: bool,
}
