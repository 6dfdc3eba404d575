//! Chains: what somebody needs to check a seat, and whose keys answer for it.

use std::collections::BTreeSet;

use crate::hash::Ref;
use crate::name::SeatId;
use crate::sign::PublicKey;
use crate::statement::{Forked, SeatKind};

use super::Directory;

impl Directory {
    /// References of what somebody who knows only the authority needs, to check these seats: root versions, the identities of
    /// the seats, of their nodes and of all issuers, revocations of any of them and decisions between their identities. In an
    /// order in which each can be taken up.
    pub fn chain(&self, seats: &[SeatId]) -> Vec<Ref> {
        let mut chain = Chain {
            directory: self,
            references: self.held.root_chain.clone(),
            visited: BTreeSet::new(),
        };
        seats.iter().for_each(|seat| chain.seat(seat));
        let mut words = Vec::new();
        for seat in &chain.visited {
            let revocation = self.revocation(seat);
            words.extend(revocation.map(|r| (r.statement().issuer, r.reference())));
            let serials = self.held.serials.get(seat).into_iter();
            let decisions = serials
                .flat_map(|serials| serials.keys())
                .filter_map(|serial| self.decision(seat, Forked::Identity(*serial)));
            words.extend(decisions.map(|d| (d.statement().issuer, d.reference())));
        }
        // one by a seat off the chain could not be checked
        words.retain(|(issuer, _)| chain.references.contains(issuer));
        chain.references.extend(words.iter().map(|(_, word)| *word));
        chain.references
    }

    /// Signing keys of the suite that this release reads that answer for a seat, and whose they are: its own now, those of
    /// its issuers up to the root. For the zero seat, which is the authority, those of the root and of the city; for a seat
    /// that is not known, also those of everybody who admits seats.
    pub(super) fn keys_over(&self, seat: &SeatId) -> Vec<(SeatId, PublicKey)> {
        let mut over = BTreeSet::new();
        self.seats_over(seat, &mut over);
        if !self.held.serials.contains_key(seat) {
            let unknown = *seat != SeatId::default();
            let answers = self.identities().map(|i| i.identity()).filter(|i| {
                let is_city = i.kind == SeatKind::City;
                is_city || (unknown && i.admits)
            });
            over.extend(answers.map(|i| i.seat));
        }
        let of_seats = over
            .iter()
            .filter_map(|seat| Some((*seat, self.identity(seat)?.identity().keys.sign())));
        let of_root = self.root().statement().read_keys();
        of_seats
            .chain(of_root.map(|key| (SeatId::default(), key)))
            .collect()
    }

    fn seats_over(&self, seat: &SeatId, over: &mut BTreeSet<SeatId>) {
        if !self.held.serials.contains_key(seat) || !over.insert(*seat) {
            return;
        }
        let issuers: Vec<SeatId> = self
            .of_seat(seat)
            .filter(|identity| self.is_issued(identity))
            .filter_map(|i| self.identity_by_ref(&i.identity().issuer))
            .map(|issuer| issuer.identity().seat)
            .collect();
        issuers
            .iter()
            .for_each(|issuer| self.seats_over(issuer, over));
    }
}

/// Collects references in an order in which each can be taken up.
struct Chain<'a> {
    directory: &'a Directory,
    references: Vec<Ref>,
    visited: BTreeSet<SeatId>,
}

impl Chain<'_> {
    fn seat(&mut self, seat: &SeatId) {
        if !self.visited.insert(*seat) {
            return;
        }
        let directory = self.directory;
        for identity in directory.of_seat(seat) {
            let statement = identity.identity();
            if let Some(issuer) = directory.identity_by_ref(&statement.issuer) {
                self.seat(&issuer.identity().seat);
            }
            self.seat(&statement.node);
            self.references.push(identity.reference());
        }
    }
}
