//! Who may say what: checking a statement and taking it up.
//!
//! First the signatures that its named signer owes, then whether it is known, then what that signer may say.

use crate::blame::{Unread, judge_unread, reads};
use crate::code::is_within;
use crate::envelope::{Envelope, kind};
use crate::hash::Ref;
use crate::limits;
use crate::name::SeatId;
use crate::statement::{
    Activation, Closing, Consent, EpochOpening, Erasure, Identity, Revocation, Root, SeatKind,
    Statement,
};

use super::{
    Admitted, Directory, Missing, Refusal, StatementFault, Verified, VerifiedIdentity, What,
};

type Checked = Result<(), StatementFault>;

/// Who signs a statement.
enum Signer<'a> {
    Root(&'a Verified<Root>),
    Seat(&'a VerifiedIdentity),
}

impl Directory {
    /// Checks a statement and takes it up. What is known already changes nothing, but the presented copy is checked all the
    /// same. See [`StatementFault`] for what to do with one that is not taken up.
    pub fn admit(&mut self, envelope: &Envelope) -> Result<Admitted, StatementFault> {
        if !reads(envelope) {
            return Err(StatementFault::Unread(self.note_unread(envelope)));
        }
        let statement = match Statement::read(envelope) {
            None => return Err(StatementFault::NotAStatement(envelope.kind)),
            Some(Err(malformed)) => {
                return Err(match judge_unread(self, envelope) {
                    Unread::Keep(_) => StatementFault::SignedMalformed(malformed),
                    _ => StatementFault::Malformed(malformed),
                });
            }
            Some(Ok(statement)) => statement,
        };
        let canonical = self.canonical(&statement, envelope)?;
        // what is read has a name suite that names it
        let reference = canonical.reference().ok_or(StatementFault::BadSignature)?;
        let known = self.knows(&reference);
        if !known {
            self.permit(&statement)?;
        }
        let what = self.what(&statement);
        if !known {
            self.take_up(statement, reference);
        }
        Ok(Admitted {
            envelope: canonical,
            reference,
            what,
            known,
        })
    }

    /// Judges what is not read, and remembers seats of which an identity is kept.
    fn note_unread(&mut self, envelope: &Envelope) -> Unread {
        let unread = judge_unread(self, envelope);
        if let (Unread::Keep(_), kind::IDENTITY, Some(seat)) =
            (unread, envelope.kind, envelope.seat())
            && self.held.unread.len() < limits::UNREAD_SEATS_MAX
        {
            self.change().unread.insert(seat);
        }
        unread
    }

    /// The seat that a statement names as its signer, as far as its identity is known here; `None` for a root's word. Whose
    /// word it is, only its signature says.
    pub fn speaker(&self, envelope: &Envelope) -> Option<SeatId> {
        let named = match Statement::read(envelope)?.ok()? {
            Statement::Root(_) => return None,
            Statement::Identity(i) => i.issuer,
            Statement::Revocation(r) => r.issuer,
            Statement::Opening(o) => o.identity,
            Statement::Closing(c) => c.identity,
            Statement::ForkDecision(d) => d.issuer,
            Statement::Activation(a) => a.issuer,
            Statement::Erasure(e) => e.issuer,
        };
        self.identity_by_ref(&named).map(|i| i.identity().seat)
    }

    fn signer(&self, reference: &Ref) -> Result<Signer<'_>, StatementFault> {
        if let Some(identity) = self.held.identities.get(reference) {
            return Ok(Signer::Seat(identity));
        }
        let root = self.held.roots.get(reference);
        root.map(Signer::Root)
            .ok_or(StatementFault::Unknown(Missing::Statement(*reference)))
    }

    fn seat_of(&self, reference: &Ref) -> Result<&VerifiedIdentity, StatementFault> {
        self.identity_by_ref(reference)
            .ok_or(StatementFault::Unknown(Missing::Statement(*reference)))
    }

    /// The envelope with exactly the signatures that are required of it.
    fn canonical(
        &self,
        statement: &Statement,
        envelope: &Envelope,
    ) -> Result<Envelope, StatementFault> {
        let by = |signer: Signer<'_>| match signer {
            Signer::Root(root) => root.statement().canonical(None, envelope),
            Signer::Seat(identity) => envelope.canonical(&identity.identity().keys),
        };
        let canonical = match statement {
            Statement::Root(root) if root.version == 1 => {
                // a first version is trusted or it is not: its own signatures prove nothing
                let trusted = envelope.reference() == Some(self.authority());
                root.canonical(None, envelope).filter(|_| trusted)
            }
            Statement::Root(root) => {
                let unknown = StatementFault::Unknown(Missing::Statement(root.former));
                let former = self.held.roots.get(&root.former).ok_or(unknown)?;
                root.canonical(Some(former.statement()), envelope)
            }
            Statement::Identity(i) => by(self.signer(&i.issuer)?),
            Statement::Revocation(r) => by(self.signer(&r.issuer)?),
            Statement::Opening(o) => by(Signer::Seat(self.seat_of(&o.identity)?)),
            Statement::Closing(c) => by(Signer::Seat(self.seat_of(&c.identity)?)),
            Statement::ForkDecision(d) => by(self.signer(&d.issuer)?),
            Statement::Activation(a) => by(self.signer(&a.issuer)?),
            Statement::Erasure(e) => by(self.signer(&e.issuer)?),
        };
        canonical.ok_or(StatementFault::BadSignature)
    }

    /// Whether the signer, whose signature is good, may say it.
    fn permit(&self, statement: &Statement) -> Checked {
        match statement {
            Statement::Root(root) => self.permit_root(root),
            Statement::Identity(identity) => self.permit_identity(identity),
            Statement::Revocation(revocation) => self.permit_revocation(revocation),
            Statement::Opening(opening) => self.permit_opening(opening),
            Statement::Closing(closing) => self.permit_closing(closing),
            Statement::ForkDecision(d) => self.authority_over(&d.issuer, &d.seat),
            Statement::Activation(activation) => self.permit_activation(activation),
            Statement::Erasure(e) => self.authority_over(&e.issuer, &e.seat),
        }
    }

    fn permit_root(&self, root: &Root) -> Checked {
        let former = self.held.roots.get(&root.former);
        let follows = former.and_then(|f| f.statement().version.checked_add(1));
        match follows == Some(root.version) {
            true => Ok(()),
            false => Err(Refusal::RootVersion.into()),
        }
    }

    fn permit_identity(&self, identity: &Identity) -> Checked {
        let signer = self.signer(&identity.issuer)?;
        match (&signer, identity.kind) {
            (Signer::Root(_), SeatKind::City) => {}
            (Signer::Root(_), _) | (Signer::Seat(_), SeatKind::City) => {
                return Err(Refusal::RootAndCity.into());
            }
            (Signer::Seat(issuer), _) => may_admit(issuer.identity(), identity)?,
        }
        self.permit_serial(identity, &signer)?;
        if !identity.is_possessed(&self.authority()) {
            return Err(Refusal::Possession.into());
        }
        if !identity.kind.is_node() {
            let node = self
                .any_identity(&identity.node)
                .ok_or(StatementFault::Unknown(Missing::Seat(identity.node)))?;
            if !node.identity().kind.is_node() {
                return Err(Refusal::NodeIsNone.into());
            }
        }
        Ok(())
    }

    /// Whether an identity follows the seat's others.
    fn permit_serial(&self, identity: &Identity, signer: &Signer<'_>) -> Checked {
        let seat = identity.seat;
        if let Some(known) = self.any_identity(&seat)
            && known.identity().kind != identity.kind
        {
            return Err(Refusal::KindChanged.into());
        }
        let city = match signer {
            Signer::Root(_) => true,
            Signer::Seat(issuer) => {
                let issuer = issuer.identity();
                if issuer.kind != SeatKind::City
                    && self.any_identity(&seat).is_some()
                    && !self.admitted_by(&seat, &issuer.seat)
                {
                    return Err(Refusal::AdmittedByAnother.into());
                }
                issuer.kind == SeatKind::City
            }
        };
        if identity.serial == 1 {
            return Ok(());
        }
        let former = identity.serial - 1;
        let mut fault = StatementFault::Unknown(Missing::Serial(seat, former));
        for former in self.of_serial(&seat, former) {
            match self.permit_keys(identity, former.identity(), city) {
                Ok(()) => return Ok(()),
                Err(refusal) => fault = refusal.into(),
            }
        }
        Err(fault)
    }

    /// Whether the keys may follow those of the serial before.
    fn permit_keys(&self, next: &Identity, former: &Identity, city: bool) -> Result<(), Refusal> {
        if next.keys == former.keys {
            let silent = next.consent.is_empty() && next.reason.is_empty();
            return silent.then_some(()).ok_or(Refusal::ReasonNotCalledFor);
        }
        let reasoned = !next.reason.is_empty();
        match next.consent_of(&former.keys, &self.authority()) {
            Consent::Bad => Err(Refusal::Consent),
            Consent::Full if reasoned => Err(Refusal::ReasonNotCalledFor),
            Consent::NotFull if !reasoned || !city => Err(Refusal::ReasonMissing),
            Consent::Full | Consent::NotFull => Ok(()),
        }
    }

    /// The city is over every seat but its own, which the root is over.
    fn authority_over(&self, issuer: &Ref, seat: &SeatId) -> Checked {
        let about = self.any_identity(seat).map(|i| i.identity().kind);
        let over = match (self.signer(issuer)?, about) {
            (Signer::Root(_), None) => return Err(StatementFault::Unknown(Missing::Seat(*seat))),
            (Signer::Root(_), Some(kind)) => kind == SeatKind::City,
            (Signer::Seat(issuer), about) => {
                issuer.identity().kind == SeatKind::City && about != Some(SeatKind::City)
            }
        };
        over.then_some(()).ok_or(Refusal::NotOverThisSeat.into())
    }

    fn permit_revocation(&self, revocation: &Revocation) -> Checked {
        let seat = &revocation.seat;
        let issuer_admitted = match self.signer(&revocation.issuer)? {
            Signer::Seat(issuer) => self.admitted_by(seat, &issuer.identity().seat),
            Signer::Root(_) => false,
        };
        if !issuer_admitted {
            self.authority_over(&revocation.issuer, seat)?;
        }
        if revocation.standing.is_empty() {
            return Ok(());
        }
        let of_seat = self.held.serials.get(seat);
        let newest = of_seat.and_then(|serials| serials.keys().next_back());
        if newest.is_none_or(|newest| *newest < revocation.through) {
            // a later one could admit
            return Err(StatementFault::Unknown(Missing::Serial(
                *seat,
                revocation.through,
            )));
        }
        let admits = self
            .of_seat(seat)
            .any(|i| i.identity().serial <= revocation.through && i.identity().admits);
        admits.then_some(()).ok_or(Refusal::StandingOfNobody.into())
    }

    fn permit_opening(&self, opening: &EpochOpening) -> Checked {
        let identity = self.seat_of(&opening.identity)?;
        if identity.identity().seat != opening.seat {
            return Err(Refusal::AnotherSeat.into());
        }
        let Some(epochs) = self.held.epochs.get(&opening.seat) else {
            return Ok(());
        };
        let of_identity = self.held.opened.get(&opening.identity).map_or(0, |n| *n);
        let count = |counters: std::ops::RangeInclusive<u32>| {
            let others = epochs.by_counter.range(counters).flat_map(|(_, of)| of);
            let others = others.filter_map(|other| self.opening(other));
            others
                .filter(|other| other.opening().identity == opening.identity)
                .count()
        };
        let beside = count(opening.counter..=opening.counter);
        let next = epochs.reached.saturating_add(1);
        let skips = opening.counter > next;
        let over = of_identity >= limits::OPENINGS_PER_IDENTITY_MAX
            || beside > limits::VOID_OPENINGS_MAX
            || (skips && count(next..=u32::MAX) >= limits::OPENINGS_AHEAD_MAX);
        match over {
            true => Err(StatementFault::OverQuota(opening.seat)),
            false => Ok(()),
        }
    }

    fn permit_closing(&self, closing: &Closing) -> Checked {
        let unknown = StatementFault::Unknown(Missing::Statement(closing.opening));
        let opening = self.opening(&closing.opening).ok_or(unknown)?.opening();
        let signer = self.seat_of(&closing.identity)?.identity();
        let seat = closing.seat;
        if opening.seat != seat {
            return Err(Refusal::AnotherSeat.into());
        }
        let by_city = signer.seat != seat;
        if by_city {
            if signer.kind != SeatKind::City {
                return Err(Refusal::AnotherSeat.into());
            }
            let revocations = self.held.revocations.get(&seat);
            let mut all = revocations.into_iter().flat_map(|of| of.values());
            let agrees =
                |r: &Verified<Revocation>| r.statement().ends(&closing.opening) == closing.ends;
            if !all.any(agrees) {
                return Err(StatementFault::Unknown(Missing::Revocation(seat)));
            }
        } else {
            let epochs = self.held.epochs.get(&seat);
            let newest = epochs.and_then(|epochs| epochs.by_counter.keys().next_back());
            if newest.is_none_or(|newest| *newest <= opening.counter) {
                let missing = Missing::LaterOpening(seat, opening.counter);
                return Err(StatementFault::Unknown(missing));
            }
        }
        let kept = self.held.closings.get(&closing.opening);
        let Some(kept) = kept.and_then(|of| of.get(&by_city)) else {
            return Ok(());
        };
        let kept = kept.statement();
        let agrees = match closing.serial.cmp(&kept.serial) {
            std::cmp::Ordering::Less => kept.contains(closing),
            std::cmp::Ordering::Equal => false,
            std::cmp::Ordering::Greater => closing.contains(kept),
        };
        agrees
            .then_some(())
            .ok_or(Refusal::ClosingContradicts.into())
    }

    fn permit_activation(&self, activation: &Activation) -> Checked {
        match self.signer(&activation.issuer)? {
            Signer::Seat(issuer) if issuer.identity().kind == SeatKind::City => Ok(()),
            _ => Err(Refusal::NotOverThisSeat.into()),
        }
    }

    fn what(&self, statement: &Statement) -> What {
        match statement {
            Statement::Root(_) => What::Root,
            Statement::Identity(i) => What::Identity(i.seat),
            Statement::Revocation(r) => What::Revocation(r.seat),
            Statement::Opening(o) => What::Opening(o.seat),
            Statement::Closing(c) => What::Closing(c.seat),
            Statement::ForkDecision(d) => What::ForkDecision(d.seat),
            Statement::Activation(_) => What::Activation,
            Statement::Erasure(e) => What::Erasure(e.seat),
        }
    }

    fn take_up(&mut self, statement: Statement, reference: Ref) {
        let by_city = match &statement {
            Statement::Closing(c) => self
                .identity_by_ref(&c.identity)
                .is_some_and(|signer| signer.identity().seat != c.seat),
            _ => false,
        };
        let held = self.change();
        held.known.insert(reference);
        match statement {
            Statement::Root(root) => {
                // of two of one number the first stays in the chain
                if held.root_chain.last() == Some(&root.former) {
                    held.root_chain.push(reference);
                }
                held.roots.insert(reference, Verified::new(root, reference));
            }
            Statement::Identity(identity) => {
                let serials = held.serials.entry(identity.seat).or_default();
                serials.entry(identity.serial).or_default().push(reference);
                held.identities
                    .insert(reference, Verified::new(identity, reference));
            }
            Statement::Opening(opening) => {
                *held.opened.entry(opening.identity).or_default() += 1;
                let epochs = held.epochs.entry(opening.seat).or_default();
                epochs
                    .by_counter
                    .entry(opening.counter)
                    .or_default()
                    .push(reference);
                while let Some(next) = epochs.reached.checked_add(1)
                    && epochs.by_counter.contains_key(&next)
                {
                    epochs.reached = next;
                }
                held.openings
                    .insert(reference, Verified::new(opening, reference));
            }
            Statement::Revocation(r) => {
                let of_seat = held.revocations.entry(r.seat).or_default();
                keep_greatest(of_seat, r.issuer, Verified::new(r, reference), |r| r.serial);
            }
            Statement::Closing(c) => {
                let of_epoch = held.closings.entry(c.opening).or_default();
                keep_greatest(of_epoch, by_city, Verified::new(c, reference), |c| c.serial);
            }
            Statement::ForkDecision(d) => {
                let of_place = held.decisions.entry((d.seat, d.place)).or_default();
                keep_greatest(of_place, d.issuer, Verified::new(d, reference), |d| {
                    d.serial
                });
            }
            // its reference is kept, nothing follows from it
            Statement::Activation(_) => {}
            Statement::Erasure(erasure) => {
                let of_seat: &mut Vec<Verified<Erasure>> =
                    held.erasures.entry(erasure.seat).or_default();
                of_seat.push(Verified::new(erasure, reference));
            }
        }
    }
}

/// Keeps the statement of the greater (serial, reference) under a key.
fn keep_greatest<K: Ord, T>(
    kept: &mut std::collections::BTreeMap<K, Verified<T>>,
    key: K,
    new: Verified<T>,
    serial: impl Fn(&T) -> u32,
) {
    let order = |v: &Verified<T>| (serial(v.statement()), v.reference());
    match kept.get_mut(&key) {
        Some(old) if order(old) >= order(&new) => {}
        Some(old) => *old = new,
        None => {
            kept.insert(key, new);
        }
    }
}

/// Whether an issuer, which is no root, may admit a seat that is no city.
fn may_admit(issuer: &Identity, identity: &Identity) -> Result<(), Refusal> {
    if !issuer.admits {
        return Err(Refusal::IssuerDoesNotAdmit);
    }
    // departments do not admit, so the rest is about districts
    if issuer.kind == SeatKind::City {
        return Ok(());
    }
    if identity.kind != SeatKind::Department {
        return Err(Refusal::IssuerKind);
    }
    if !is_within(&identity.jurisdiction, &issuer.jurisdiction) {
        return Err(Refusal::Jurisdiction);
    }
    if identity.node != issuer.seat {
        return Err(Refusal::NotItsNode);
    }
    Ok(())
}
