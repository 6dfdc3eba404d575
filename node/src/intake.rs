//! Intake: verify what a peer sent, store it with the peer's cursor in one synced transaction. Its commit is what "durable"
//! means (I3). Nothing is understood here: bytes that verify are stored whatever we think of their content (I4).

use std::collections::HashMap;

use protocol::batch::LogState;
use protocol::bytes::Malformed;
use protocol::directory::{DirectoryError, Identity, LogName, SeatKind};
use protocol::envelope::{Envelope, kind};
use protocol::frame::{Item, Routed, Want};
use protocol::hash::Hash;
use protocol::limits;
use protocol::name::{FeedId, SeatId};
use protocol::receipt::Position;
use protocol::slice::{self, HeaderFault, SliceFault, VerifiedSlice};
use store::{
    AuditRow, BlockRow, CursorRow, EnvelopeRow, EventRow, HeaderRow, HeldRow, IntakeGroup,
    LogAdvance, PeerRow, WantRow,
};

use crate::error::StepError;
use crate::node::Node;

mod held;
mod moves;

pub(crate) use moves::Moves;

/// Who sent, as far as intake must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The peer's own identity.
    pub identity: Identity,
    /// Seats that it presented in its hello.
    pub seats: Vec<SeatId>,
    /// Its feed.
    pub feed: FeedId,
}

/// Why a group was not taken in. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum TakeInFault {
    /// The peer is at fault: what it sent does not verify or is not laid out. The session ends.
    #[error("对端发来的内容未通过校验：{0}。请联系对端运维检查其程序版本和存储")]
    Peer(String),
    /// The peer pushed statements of a seat outside of its jurisdiction (D23). The session ends.
    #[error("对端推送了其管辖范围以外的来源 {seat}（属 {jurisdiction}）。请核对该节点的入网范围")]
    Jurisdiction {
        /// The seat.
        seat: SeatId,
        /// Its jurisdiction.
        jurisdiction: String,
    },
    /// This node is at fault; the group can be sent again.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl From<Malformed> for TakeInFault {
    fn from(m: Malformed) -> Self {
        Self::Peer(m.to_string())
    }
}

/// How a group arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// As the next of a class of the peer's feed, ending at this cursor.
    Feed {
        /// Class.
        class: u8,
        /// Cursor behind the group.
        through: u64,
        /// Version of the interest that it was filtered by.
        interest_version: u32,
    },
    /// As the answer to a want: accepted from any peer, since it verifies by itself (D23).
    Want,
}

/// Logs that one peer may have brought and that wait for a statement.
pub const HELD_MAX: usize = 256;

#[derive(Default)]
struct Checked {
    envelopes: Vec<EnvelopeRow>,
    blocks: Vec<BlockRow>,
    held: Vec<HeldRow>,
    wants: Vec<WantRow>,
    events: Vec<EventRow>,
    logs: HashMap<LogName, LogState>,
    /// Complete batches whose place in their log is taken already.
    repeated: Vec<(HeldRow, Hash)>,
}

impl Node {
    /// Verifies and stores a group of items from a peer, durably. Returns the head of the feed when it is durable.
    pub async fn take_in(
        &self,
        peer: &Peer,
        items: Vec<Item>,
        arrival: Arrival,
        now_us: i64,
    ) -> Result<u64, TakeInFault> {
        let empty = items.is_empty();
        let mut checked = Checked::default();
        for item in items {
            match item {
                Item::Envelope(bytes) => self.check_envelope(Some(peer), bytes, &mut checked)?,
                Item::Slice { header, body } => {
                    self.check_slice(peer, header, body, arrival, now_us, &mut checked)?
                }
                Item::Routed(routed) => {
                    self.check_routed(peer, routed, arrival, now_us, &mut checked)?
                }
            }
        }
        self.check_repeated(&mut checked).await?;
        self.check_held(peer, &checked)?;
        let cursor = match arrival {
            Arrival::Feed {
                class,
                through,
                interest_version,
            } => Some(CursorRow {
                peer: peer.identity.seat,
                feed: peer.feed,
                class,
                offset: through,
                interest_version,
            }),
            Arrival::Want => None,
        };
        let mut cursors = Vec::new();
        if let Some(cursor) = cursor {
            let mut moves = self.moves();
            let due = moves.note(cursor, now_us);
            if empty && !due {
                return Ok(self.store().feed_heads().head);
            }
            cursors = moves.take(&peer.identity.seat);
        }
        let wanted = !checked.wants.is_empty();
        let grew = !checked.blocks.is_empty()
            || !checked.envelopes.is_empty()
            || !checked.events.is_empty();
        let has_statements = !checked.envelopes.is_empty();
        let durable: Vec<(LogName, Position)> = checked
            .logs
            .values()
            .map(|state| (state.log, (state.sequence, state.last)))
            .collect();
        let group = IntakeGroup {
            envelopes: checked.envelopes,
            blocks: checked.blocks,
            held: checked.held,
            wants: checked.wants,
            events: checked.events,
            cursors,
            from_peer: Some(peer.identity.seat),
            at_us: now_us,
            decision: None,
        };
        let done = self.store().intake(group).await.map_err(StepError::Store)?;
        self.logs().extend(checked.logs);
        if !durable.is_empty() {
            self.ledger().note_durable(&durable, now_us);
            self.receipting().ring();
        }
        if wanted {
            self.wanting().ring();
        }
        if grew {
            self.applying().ring();
            self.ring_sessions();
        }
        if has_statements {
            self.release_held(now_us).await?;
        }
        if arrival == Arrival::Want {
            self.forget_held(&durable).await?;
        }
        Ok(done.head)
    }

    /// Stores the cursors of a peer that wait for company; when its session has ended.
    pub async fn keep_moves(&self, peer: &SeatId, now_us: i64) -> Result<(), StepError> {
        let cursors = self.moves().take(peer);
        if !cursors.is_empty() {
            let group = IntakeGroup {
                cursors,
                at_us: now_us,
                ..IntakeGroup::default()
            };
            self.store().intake(group).await?;
        }
        Ok(())
    }

    /// Stores directory statements of our own making (an admission, our opening) and puts them on the feed.
    pub async fn publish(&self, envelopes: &[Envelope], now_us: i64) -> Result<(), TakeInFault> {
        self.publish_with(envelopes, None, now_us).await
    }

    /// Publishes what was decided about a peer; its row and the act go with the statements, in one transaction.
    pub(crate) async fn publish_decision(
        &self,
        envelopes: &[Envelope],
        peer: PeerRow,
        act: AuditRow,
        now_us: i64,
    ) -> Result<(), TakeInFault> {
        let decision = Some((peer, act));
        self.publish_with(envelopes, decision, now_us).await
    }

    async fn publish_with(
        &self,
        envelopes: &[Envelope],
        decision: Option<(PeerRow, AuditRow)>,
        now_us: i64,
    ) -> Result<(), TakeInFault> {
        let mut checked = Checked::default();
        for envelope in envelopes {
            self.check_envelope(None, envelope.to_bytes(), &mut checked)?;
        }
        let group = IntakeGroup {
            envelopes: checked.envelopes,
            at_us: now_us,
            decision,
            ..IntakeGroup::default()
        };
        self.store().intake(group).await.map_err(StepError::Store)?;
        self.ring_sessions();
        Ok(())
    }

    /// A statement; without peer, one of our own making.
    fn check_envelope(
        &self,
        peer: Option<&Peer>,
        bytes: Vec<u8>,
        checked: &mut Checked,
    ) -> Result<(), TakeInFault> {
        let envelope = Envelope::from_bytes(&bytes)?;
        let seat = seat_of(&envelope);
        let admitted = self.directory_mut().admit(&envelope);
        match admitted {
            Ok(_) => {}
            // what a later release states is kept and forwarded; but somebody must answer for it
            Err(DirectoryError::Unread) => {
                let elsewhere = [kind::HEADER, kind::RECEIPT, kind::PRESENCE];
                if elsewhere.contains(&envelope.kind) {
                    return Err(TakeInFault::Peer("名录中夹有不属于名录的内容".into()));
                }
                let signer = self
                    .directory()
                    .signer(&envelope)
                    .map(|i| i.identity().clone());
                match (peer, signer) {
                    (None, _) => {}
                    (Some(peer), _) if peer.identity.kind == SeatKind::City => {}
                    (Some(peer), Some(signer)) => within_jurisdiction(peer, &signer)?,
                    (Some(_), None) => {
                        return Err(TakeInFault::Peer("名录声明的签发方不在名录中".into()));
                    }
                }
            }
            Err(DirectoryError::Fork(known)) => {
                // both are kept and relayed; who survives is the authority's decision
                self.warn(format!(
                    "发现互相矛盾的名录声明（与 {} 冲突），相关来源待市级裁决",
                    known.short()
                ));
            }
            Err(DirectoryError::UnknownIssuer(issuer)) => {
                tracing::warn!(%issuer, "directory statement held: issuer unknown");
                let Some(seat) = seat else { return Ok(()) };
                checked.held.push(HeldRow {
                    seat,
                    lane: 0,
                    opening: envelope.hash(),
                    from_sequence: 0,
                    why: "issuer".into(),
                });
                return Ok(());
            }
            Err(fault) => return Err(TakeInFault::Peer(fault.to_string())),
        }
        checked.envelopes.push(EnvelopeRow {
            hash: envelope.hash(),
            kind: envelope.kind,
            seat,
            bytes,
        });
        Ok(())
    }

    fn check_slice(
        &self,
        peer: &Peer,
        header_bytes: Vec<u8>,
        packed: Vec<u8>,
        arrival: Arrival,
        now_us: i64,
        checked: &mut Checked,
    ) -> Result<(), TakeInFault> {
        let envelope = Envelope::from_bytes(&header_bytes)?;
        let verified = slice::verify_header(&self.directory(), &envelope);
        let header = match verified {
            Ok(header) => header,
            Err(HeaderFault::UnknownIdentity(_) | HeaderFault::UnknownOpening(_)) => {
                let header = protocol::batch::Header::from_bytes(&envelope.bytes)?;
                // a source speaks for itself only, whatever the identity that a header names
                if peer.identity.kind == SeatKind::Department && !peer.seats.contains(&header.seat)
                {
                    return Err(TakeInFault::Jurisdiction {
                        seat: header.seat,
                        jurisdiction: "未知".into(),
                    });
                }
                checked.held.push(held(&header, WAITS));
                return Ok(());
            }
            Err(HeaderFault::BadSignature { seat, sequence }) => {
                let header = protocol::batch::Header::from_bytes(&envelope.bytes)?;
                // anybody can write another's name on a header: whom it may not speak for, a peer cannot stop
                let origin = self
                    .directory()
                    .identity(&seat)
                    .map(|i| i.identity().clone());
                match (arrival, origin) {
                    (Arrival::Feed { .. }, Some(origin)) => within_jurisdiction(peer, &origin)?,
                    _ => {
                        return Err(TakeInFault::Peer(format!(
                            "来源 {seat} 第 {sequence} 批的签名不符"
                        )));
                    }
                }
                self.stop_log(
                    header.log(),
                    format!("来源 {seat} 第 {sequence} 批的签名不符，{STOPPED}"),
                );
                checked.held.push(held(&header, "signature"));
                return Ok(());
            }
            Err(HeaderFault::Malformed(m)) => return Err(m.into()),
        };
        let log = header.header().log();
        if self.is_stopped(&log) {
            checked.held.push(held(header.header(), "stopped"));
            return Ok(());
        }
        if let Arrival::Feed { .. } = arrival {
            within_jurisdiction(peer, header.identity().identity())?;
        }
        let body = slice::unpack(&packed)?;
        let verified = match slice::verify(header, body) {
            Ok(verified) => verified,
            Err(SliceFault::Relay(what)) => return Err(TakeInFault::Peer(what.to_owned())),
            Err(SliceFault::Origin(what)) => {
                self.stop_log(
                    log,
                    format!("来源 {} 封装的批次有误（{what}），{STOPPED}", log.seat),
                );
                let header = protocol::batch::Header::from_bytes(&envelope.bytes)?;
                checked.held.push(held(&header, "origin"));
                return Ok(());
            }
        };
        let whole = peer.identity.kind != SeatKind::City;
        self.place(
            verified,
            header_bytes,
            packed,
            (arrival, whole, now_us),
            checked,
        );
        Ok(())
    }

    /// Decides what a verified slice means for its log: the next of it, a repetition, or a part of something. `whole`: who
    /// brought it has the whole log for us.
    fn place(
        &self,
        verified: VerifiedSlice,
        header_bytes: Vec<u8>,
        packed: Vec<u8>,
        (arrival, whole, now_us): (Arrival, bool, i64),
        checked: &mut Checked,
    ) {
        let header = verified.header().header();
        let hash = verified.header().hash();
        let log = header.log();
        let mut advance = None;
        if verified.is_complete() {
            let state = match checked.logs.get(&log) {
                Some(state) => Some(state.clone()),
                None => self.logs().get(&log).cloned(),
            };
            let state = state.or_else(|| {
                let directory = self.directory();
                let opening = directory.opening(&header.opening)?;
                Some(LogState::start(
                    opening.opening(),
                    opening.hash(),
                    header.lane,
                ))
            });
            if let Some(mut state) = state {
                if header.sequence <= state.sequence {
                    // held already, if it is the same: what was sent again changes nothing
                    checked.repeated.push((self::held(header, "fork"), hash));
                    return;
                }
                if header.sequence > state.sequence + 1 {
                    // kept, but only the whole log is acknowledged: what lies between is asked for, if it was to come.
                    // From above comes only what concerns us.
                    let rest = rest_of(
                        header.seat,
                        header.lane as u8,
                        header.opening,
                        state.sequence + 1,
                    );
                    checked.wants.extend(whole.then(|| want_row(&rest, now_us)));
                } else if !state.expects(header) {
                    self.stop_forked(&self::held(header, "fork"), checked);
                    return;
                } else {
                    state.advance(hash);
                    advance = Some(LogAdvance {
                        last_hash: state.last,
                        history: state.history.to_bytes(),
                    });
                    checked.logs.insert(log, state);
                }
            }
        }
        checked.blocks.push(BlockRow {
            header: HeaderRow {
                hash,
                seat: header.seat,
                lane: header.lane as u8,
                epoch: header.epoch.counter,
                opening: header.opening,
                sequence: header.sequence,
                count: header.count,
                bytes: header_bytes,
            },
            body: packed,
            entries: verified.opened().len() as u32,
            log: advance,
            refill: arrival == Arrival::Want || !verified.is_complete(),
        });
    }

    /// An entity's conclusion changed at the sender: the new side wants it, the old one notes that it has left (D25).
    fn check_routed(
        &self,
        peer: &Peer,
        routed: Routed,
        arrival: Arrival,
        now_us: i64,
        checked: &mut Checked,
    ) -> Result<(), TakeInFault> {
        let pushed = matches!(arrival, Arrival::Feed { .. });
        if peer.identity.kind != SeatKind::City || !pushed {
            return Err(TakeInFault::Peer("主体归属的变更只能由市级节点推送".into()));
        }
        let long = [&routed.from, &routed.to]
            .iter()
            .any(|r| r.len() > limits::NAME_BYTES_MAX);
        if long || routed.subject.len() > limits::SUBJECT_BYTES_MAX {
            return Err(Malformed::of("routing event").into());
        }
        if routed.to == self.region() {
            let want = Want::Subject(routed.subject.clone());
            checked.wants.push(want_row(&want, now_us));
        }
        checked.events.push(EventRow {
            class: 2,
            bytes: protocol::codec::encode_routed(&routed),
            regions: Vec::new(),
        });
        Ok(())
    }
}

fn held(header: &protocol::batch::Header, why: &str) -> HeldRow {
    HeldRow {
        seat: header.seat,
        lane: header.lane as u8,
        opening: header.opening,
        from_sequence: header.sequence,
        why: why.to_owned(),
    }
}

/// A log from a sequence on, whatever comes after it.
fn rest_of(seat: SeatId, lane: u8, opening: Hash, from: u64) -> Want {
    Want::Range {
        seat: seat.0,
        lane,
        opening: opening.0,
        from,
        to: 0,
    }
}

/// A want that arises now.
fn want_row(want: &Want, now_us: i64) -> WantRow {
    WantRow {
        id: 0,
        want: protocol::codec::encode_want(want),
        resume: Vec::new(),
        at_us: now_us,
    }
}

/// What follows from a stop, and what to do.
const STOPPED: &str =
    "已停止接收该日志；请来源单位核对其程序和数据目录，排除后重启本节点，缺少的批次会自动重新索取";

/// Why a log is held that only waits for a statement; other reasons wait for a person.
const WAITS: &str = "statement";

fn within_jurisdiction(peer: &Peer, origin: &Identity) -> Result<(), TakeInFault> {
    let within = match peer.identity.kind {
        SeatKind::City => true,
        SeatKind::District => origin.jurisdiction == peer.identity.jurisdiction,
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

fn seat_of(envelope: &Envelope) -> Option<SeatId> {
    // both statements start with their seat
    match envelope.kind {
        kind::IDENTITY | kind::OPENING => envelope.bytes.first_chunk::<16>().map(|b| SeatId(*b)),
        _ => None,
    }
}
