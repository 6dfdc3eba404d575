//! Whose word an item is, and what follows from that: taken up, refused, kept as evidence, held, kept unread (D50 to D54).

use protocol::blame::{self, Blame, Unread};
use protocol::codec;
use protocol::directory::{HeaderStanding, StatementFault};
use protocol::envelope::{Envelope, kind};
use protocol::frame::{Item, Routed, Want};
use protocol::hash::Ref;
use protocol::slice::{self, HeaderFault, HeaderPlace, SliceFault, VerifiedHeader, VerifiedSlice};
use protocol::statement::{Identity, SeatKind};
use protocol::words::{self, reason};
use store::{
    EnvelopeRow, EventRow, EvidenceRow, HeldRow, HeldStatementRow, StoppedRow, UnreadItemRow,
};

use super::{Arrival, Peer, Place, TakeInFault, Work};
use crate::intake::{Scope, want_row};
use crate::node::{LogKey, Node};

/// A slice that verifies, with the bytes that are stored and relayed.
pub(super) struct Brought {
    pub(super) slice: VerifiedSlice,
    pub(super) packed: Vec<u8>,
}

/// A unread object's name: its suite and our hash of its bytes.
fn name_of(envelope: &Envelope) -> Ref {
    Ref {
        suite: envelope.name_suite,
        hash: envelope.hash(),
    }
}

impl Node {
    /// A statement; without peer, one of our own making.
    pub(super) fn check_statement(
        &self,
        peer: Option<&Peer>,
        place: Place,
        bytes: Vec<u8>,
        now_us: i64,
        work: &mut Work,
    ) -> Result<(), TakeInFault> {
        let envelope = Envelope::from_bytes(&bytes).map_err(|m| place.refused(m))?;
        match work.directory.admit(&envelope) {
            Ok(admitted) => {
                if !admitted.known {
                    work.statements.push(admitted.reference);
                }
                work.group.envelopes.push(EnvelopeRow {
                    reference: admitted.reference,
                    kind: envelope.kind,
                    seat: envelope.seat().unwrap_or_default(),
                    class: 0,
                    read: true,
                    bytes: admitted.envelope.to_bytes(),
                });
                Ok(())
            }
            Err(fault) => {
                let Some(peer) = peer else {
                    return Err(TakeInFault::Peer(fault.to_string()));
                };
                self.not_taken_up(peer, place, &envelope, bytes, &fault, now_us, work)
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a statement with its bytes, its fault and where it came from"
    )]
    fn not_taken_up(
        &self,
        peer: &Peer,
        place: Place,
        envelope: &Envelope,
        bytes: Vec<u8>,
        fault: &StatementFault,
        now_us: i64,
        work: &mut Work,
    ) -> Result<(), TakeInFault> {
        let seat = envelope.seat().unwrap_or_default();
        match fault {
            StatementFault::Unread(Unread::Keep(charged)) => {
                work.group.envelopes.push(EnvelopeRow {
                    reference: name_of(envelope),
                    kind: envelope.kind,
                    seat: *charged,
                    class: 0,
                    read: false,
                    bytes,
                });
            }
            StatementFault::Unknown(missing) => {
                // it waits for what it names, which is wanted of everybody
                let missing = missing.reference().unwrap_or(Ref::ZERO);
                if !missing.is_zero() {
                    let want = Want::Statements(vec![missing]);
                    work.group
                        .wants
                        .push(want_row(Scope::Statement(missing), &want, now_us));
                }
                work.group.held_statements.push(HeldStatementRow {
                    reference: name_of(envelope),
                    missing,
                    from_peer: peer.identity.seat,
                    bytes,
                    at_us: now_us,
                });
            }
            other => match other.blame() {
                Blame::Relay => return Err(place.refused(other)),
                Blame::Origin => {
                    // against whoever has signed it, whatever seat it is about
                    let seat = work.directory.speaker(envelope).unwrap_or(seat);
                    tracing::error!(%seat, fault = %other, "statement kept as evidence");
                    work.group.evidence.push(EvidenceRow {
                        reference: name_of(envelope),
                        kind: envelope.kind,
                        seat,
                        reason: reason::SEALED_WRONGLY,
                        bytes,
                        at_us: now_us,
                    });
                }
                Blame::Nobody => {
                    tracing::warn!(%seat, fault = %other, "statement not kept");
                    work.unchecked += 1;
                }
            },
        }
        Ok(())
    }

    /// A slice: verified, or dealt with as its fault demands.
    #[expect(
        clippy::too_many_arguments,
        reason = "an item with its two parts and where it came from"
    )]
    pub(super) fn check_slice(
        &self,
        peer: &Peer,
        place: Place,
        header_bytes: Vec<u8>,
        packed: Vec<u8>,
        arrival: Arrival,
        now_us: i64,
        work: &mut Work,
    ) -> Result<Option<Brought>, TakeInFault> {
        let envelope = Envelope::from_bytes(&header_bytes).map_err(|m| place.refused(m))?;
        let held = |front: HeaderPlace, reason: u16| HeldRow {
            seat: front.seat,
            lane: front.lane,
            opening: front.opening,
            from_sequence: front.sequence,
            reason,
            from_peer: peer.identity.seat,
            at_us: now_us,
        };
        let header = match slice::verify_header(&work.directory, &envelope) {
            Ok(header) => header,
            Err(HeaderFault::Unread) => {
                let class = place.at.map_or(2, |(class, _)| class);
                return self
                    .keep_unread_slice(
                        place,
                        &envelope,
                        header_bytes,
                        packed,
                        class,
                        peer,
                        now_us,
                        work,
                    )
                    .map(|()| None);
            }
            Err(HeaderFault::UnknownIdentity(missing)) => {
                let front = HeaderPlace::read(&envelope).map_err(|m| place.refused(m))?;
                self.must_speak_for_itself(peer, arrival, &front)?;
                let want = Want::Statements(vec![missing]);
                work.group
                    .wants
                    .push(want_row(Scope::Statement(missing), &want, now_us));
                work.group.held.push(held(front, reason::IDENTITY_UNKNOWN));
                return Ok(None);
            }
            Err(HeaderFault::UnknownOpening(missing)) => {
                let front = HeaderPlace::read(&envelope).map_err(|m| place.refused(m))?;
                self.must_speak_for_itself(peer, arrival, &front)?;
                let want = Want::Statements(vec![missing]);
                work.group
                    .wants
                    .push(want_row(Scope::Statement(missing), &want, now_us));
                work.group.held.push(held(front, reason::OPENING_UNKNOWN));
                return Ok(None);
            }
            Err(fault @ HeaderFault::BadSignature(_)) => return Err(place.refused(fault)),
            Err(HeaderFault::Malformed(m)) => return Err(place.refused(m)),
            Err(HeaderFault::Origin { place: front, what }) => {
                stop(front, reason::SEALED_WRONGLY, what, &envelope, now_us, work);
                return Ok(None);
            }
            // no word of the seat's, and nobody can be blamed for it
            Err(fault @ HeaderFault::Disowned { .. }) => {
                tracing::warn!(%fault, "header not kept");
                work.unchecked += 1;
                return Ok(None);
            }
            Err(HeaderFault::DoesNotCount { header, standing }) => {
                self.does_not_count(&header, standing, peer, now_us, work);
                return Ok(None);
            }
        };
        let log = header.header().log();
        let front = HeaderPlace::of(header.header());
        if self.is_stopped(&LogKey::of(&log)) || work.stops(&LogKey::of(&log)) {
            return Ok(None);
        }
        if arrival.is_pushed() {
            within_jurisdiction(&work.directory, peer, header.identity().identity())?;
        }
        let body = slice::unpack(&packed).map_err(|m| place.refused(m))?;
        let canonical = header.envelope().clone();
        match slice::verify(header, body) {
            Ok(slice) => Ok(Some(Brought { slice, packed })),
            Err(SliceFault::Relay(what)) => Err(place.refused(what)),
            Err(SliceFault::Origin(what)) => {
                stop(
                    front,
                    reason::SEALED_WRONGLY,
                    what,
                    &canonical,
                    now_us,
                    work,
                );
                Ok(None)
            }
        }
    }

    /// A header that is its seat's own word and does not count where it stands.
    fn does_not_count(
        &self,
        header: &VerifiedHeader,
        standing: HeaderStanding,
        peer: &Peer,
        now_us: i64,
        work: &mut Work,
    ) {
        let front = HeaderPlace::of(header.header());
        let reason = standing.reason().unwrap_or(reason::REVOKED);
        if matches!(
            standing,
            HeaderStanding::KeyNoLongerBinds | HeaderStanding::IdentityContested
        ) {
            let what = "所用密钥在此位置不具效力";
            stop(front, reason, what, header.envelope(), now_us, work);
            return;
        }
        if matches!(standing, HeaderStanding::Revoked | HeaderStanding::Void) {
            // kept in quarantine, shown, and counted for nothing
            work.group.evidence.push(EvidenceRow {
                reference: header.reference(),
                kind: kind::HEADER,
                seat: front.seat,
                reason,
                bytes: header.envelope().to_bytes(),
                at_us: now_us,
            });
        }
        work.group.held.push(HeldRow {
            seat: front.seat,
            lane: front.lane,
            opening: front.opening,
            from_sequence: front.sequence,
            reason,
            from_peer: peer.identity.seat,
            at_us: now_us,
        });
    }

    /// A slice whose header this release does not read: kept verbatim, forwarded, its log held, charged to its seat (D54).
    #[expect(
        clippy::too_many_arguments,
        reason = "an item with its two parts and where it came from"
    )]
    fn keep_unread_slice(
        &self,
        place: Place,
        envelope: &Envelope,
        header: Vec<u8>,
        body: Vec<u8>,
        class: u8,
        peer: &Peer,
        now_us: i64,
        work: &mut Work,
    ) -> Result<(), TakeInFault> {
        match blame::judge_unread(&work.directory, envelope) {
            Unread::Unsigned => Err(place.refused("批头的签名不属于任何可以签署它的席位")),
            Unread::Uncheckable => {
                work.unchecked += 1;
                Ok(())
            }
            Unread::Keep(charged) => {
                let seat = envelope.seat().unwrap_or_default();
                work.group.envelopes.push(EnvelopeRow {
                    reference: name_of(envelope),
                    kind: kind::HEADER,
                    seat: charged,
                    class,
                    read: false,
                    bytes: Item::Slice { header, body }.to_bytes(),
                });
                work.group.held.push(HeldRow {
                    seat,
                    lane: envelope.lane().unwrap_or_default(),
                    opening: Ref::ZERO,
                    from_sequence: 0,
                    reason: reason::UNREAD,
                    from_peer: peer.identity.seat,
                    at_us: now_us,
                });
                Ok(())
            }
        }
    }

    /// A source speaks for itself only, whatever the identity that a header names.
    fn must_speak_for_itself(
        &self,
        peer: &Peer,
        arrival: Arrival,
        front: &HeaderPlace,
    ) -> Result<(), TakeInFault> {
        let pushed = arrival.is_pushed();
        if pushed && peer.identity.kind == SeatKind::Department && !peer.seats.contains(&front.seat)
        {
            return Err(TakeInFault::Jurisdiction {
                seat: front.seat,
                jurisdiction: "未知".into(),
            });
        }
        Ok(())
    }

    /// An entity's conclusion changed at the sender: the new side wants it, the old one notes that it has left (D25).
    pub(super) fn check_routed(
        &self,
        peer: &Peer,
        place: Place,
        routed: Routed,
        now_us: i64,
        work: &mut Work,
    ) -> Result<(), TakeInFault> {
        let Some((class, _)) = place.at else {
            return Err(TakeInFault::Peer("主体归属的变更不得作为答复发送".into()));
        };
        if peer.identity.kind != SeatKind::City {
            return Err(TakeInFault::Peer("主体归属的变更只能由市级节点推送".into()));
        }
        if routed.to == self.region() {
            for subject in &routed.subjects {
                let want = Want::Subject(subject.clone());
                work.group
                    .wants
                    .push(want_row(Scope::Subject(subject), &want, now_us));
            }
        }
        work.group.events.push(EventRow {
            class,
            bytes: codec::encode_routed(&routed),
            regions: Vec::new(),
        });
        Ok(())
    }
}

/// Keeps an item that this release does not read, as it came, charged to the peer: it has no seat that could be verified.
pub(super) fn keep_unread_item(
    peer: &Peer,
    place: Place,
    number: u8,
    body: Vec<u8>,
    now_us: i64,
    work: &mut Work,
) {
    let Some((class, offset)) = place.at else {
        work.unchecked += 1;
        return;
    };
    work.group.unread_items.push(UnreadItemRow {
        peer: peer.identity.seat,
        class,
        offset,
        number,
        body,
        at_us: now_us,
    });
}

/// The seat's own signed word is bad: kept as evidence, its log stops there, and nothing else does.
pub(super) fn stop(
    front: HeaderPlace,
    reason: u16,
    what: &str,
    envelope: &Envelope,
    now_us: i64,
    work: &mut Work,
) {
    tracing::error!(seat = %front.seat, lane = front.lane, sequence = front.sequence, reason, what, "log stopped");
    work.group.evidence.push(EvidenceRow {
        reference: name_of(envelope),
        kind: envelope.kind,
        seat: front.seat,
        reason,
        bytes: envelope.to_bytes(),
        at_us: now_us,
    });
    work.group.stopped.push(StoppedRow {
        seat: front.seat,
        lane: front.lane,
        opening: front.opening,
        sequence: front.sequence,
        reason,
        detail: what.to_owned(),
        at_us: now_us,
    });
}

impl Work {
    /// Whether this group stops a log.
    pub(super) fn stops(&self, log: &LogKey) -> bool {
        let mut stopped = self.group.stopped.iter();
        stopped.any(|row| LogKey::from(row) == *log)
    }
}

/// What a peer may push: the city everything, a district what it owes in full, a source its own (D23).
fn within_jurisdiction(
    directory: &protocol::directory::Directory,
    peer: &Peer,
    origin: &Identity,
) -> Result<(), TakeInFault> {
    let within = match peer.identity.kind {
        SeatKind::City => true,
        SeatKind::District => {
            words::owes_in_full(directory, &peer.identity.seat, &origin.seat)
                || origin.seat == peer.identity.seat
        }
        SeatKind::Department => peer.seats.contains(&origin.seat),
    };
    if within {
        Ok(())
    } else {
        Err(TakeInFault::Jurisdiction {
            seat: origin.seat,
            jurisdiction: origin.jurisdiction.clone(),
        })
    }
}
