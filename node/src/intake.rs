//! Intake: verify what a peer sent, store it with the peer's cursor in one synced transaction. Its commit is what "durable"
//! means (I3). Nothing is understood here: bytes that verify are stored whatever we think of their content (I4).
//!
//! Bytes are verified beside each other ([`check`]); what they mean for their logs is decided and stored by one at a time
//! ([`place`]), so that nothing that was looked at changes before it is acted upon, and what a node has in memory changes
//! only after the commit. Who is at fault follows the ladder of [`protocol::blame`]: a relay is told which item is refused and
//! skips it; what a seat has signed and may not be stops that log alone; what nobody can be blamed for waits.

use std::collections::HashMap;

use protocol::batch::LogState;
use protocol::bytes::Malformed;
use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::frame::{Cursor, Item};
use protocol::hash::Ref;
use protocol::name::{Incarnation, LogName, Position, SeatId};
use protocol::slice::Parts;
use protocol::statement::Identity;
use store::{CursorRow, DecisionRow, IntakeGroup};

use crate::error::StepError;
use crate::node::Node;

mod again;
mod check;
mod erase;
mod moves;
mod place;
mod wait;

pub(crate) use moves::Moves;
pub(crate) use wait::{Scope, want_row};

/// Who sent, as far as intake must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The peer's own identity.
    pub identity: Identity,
    /// Seats that it presented in its hello.
    pub seats: Vec<SeatId>,
    /// Which life of its store speaks; its feed.
    pub incarnation: Incarnation,
    /// Its release, for people.
    pub release: String,
}

/// Why a group was not taken in. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum TakeInFault {
    /// One item of the peer's feed is refused for its bytes; the peer relays or says what is nobody's word. It skips the
    /// item from now on (D51).
    #[error("对端第 {offset} 项内容未通过校验：{what}。该项已跳过，请对端运维检查其程序版本和存储")]
    Item {
        /// Class of the feed.
        class: u8,
        /// Its offset.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The peer is at fault otherwise: an answer that does not verify, or what it may not say. The session ends.
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

/// How a group arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// As the next of a class of the peer's feed.
    Feed {
        /// Class.
        class: u8,
        /// Cursor behind the group.
        through: Cursor,
        /// Version of the interest that it was filtered by.
        interest: u32,
    },
    /// As the answer to a want: accepted from any peer, since it verifies by itself (D23).
    Want,
    /// From our own store, where an earlier release kept it unread.
    Kept {
        /// Class of the feed in which it came.
        class: u8,
        /// Whether it is a peer's own word still, as in its feed.
        pushed: bool,
    },
}

impl Arrival {
    /// Whether it is pushed: then it has to lie within the jurisdiction of who pushes it (D23).
    const fn is_pushed(self) -> bool {
        matches!(self, Self::Feed { .. } | Self::Kept { pushed: true, .. })
    }

    /// Class of the feed in which it came, if it came in one.
    const fn class(self) -> Option<u8> {
        match self {
            Self::Feed { class, .. } | Self::Kept { class, .. } => Some(class),
            Self::Want => None,
        }
    }
}

/// An item and where it stood: class and offset of a feed, if it came in one.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: Option<(u8, u64)>,
}

impl Place {
    /// The fault of whoever sent the item.
    fn refused(self, what: impl ToString) -> TakeInFault {
        match self.at {
            Some((class, offset)) => TakeInFault::Item {
                class,
                offset,
                what: what.to_string(),
            },
            None => TakeInFault::Peer(what.to_string()),
        }
    }
}

/// What a group comes to, before its commit.
struct Work {
    group: IntakeGroup,
    /// The directory as it will be; a copy of the node's own until a statement is admitted.
    directory: protocol::directory::Directory,
    /// Statements that were taken up.
    statements: Vec<Ref>,
    /// Logs that advance.
    logs: HashMap<LogName, LogState>,
    /// What is held of batches that this group touches; `None` where nothing is missing.
    parts: HashMap<Ref, Option<Parts>>,
    /// Logs that have headers ahead of a gap.
    ahead: Vec<LogName>,
    /// What was dropped because nobody here can check it, for figures and alarms.
    unchecked: u64,
}

impl Node {
    /// Verifies and stores a group of items from a peer, durably. Items of a feed come with their offsets. Returns the head of
    /// the feed when it is durable.
    pub async fn take_in(
        &self,
        peer: &Peer,
        items: Vec<(u64, Item)>,
        arrival: Arrival,
        now_us: i64,
    ) -> Result<u64, TakeInFault> {
        let cursor = match arrival {
            Arrival::Feed {
                class,
                through,
                interest,
            } => Some(CursorRow {
                peer: peer.identity.seat,
                feed: peer.incarnation.feed,
                class,
                offset: through.offset,
                interest_version: interest,
                token: through.token.0,
            }),
            Arrival::Want | Arrival::Kept { .. } => None,
        };
        let mut cursors = Vec::new();
        if let Some(cursor) = cursor {
            let mut moves = self.moves();
            let due = moves.note(cursor, now_us);
            if items.is_empty() && !due {
                return Ok(self.store().feed_heads().head);
            }
            cursors = moves.take(&peer.identity.seat);
        }
        let has_statements = items.iter().any(|(_, i)| matches!(i, Item::Envelope(_)));
        // what stands on a statement of the same group is checked behind it
        let mut turn = match has_statements {
            true => Some(self.intake_turn().await),
            false => None,
        };
        let mut work = Work::new(
            self.directory().clone(),
            peer.identity.seat,
            self.token(),
            now_us,
        );
        work.group.cursors = cursors;
        let mut slices = Vec::new();
        for (offset, item) in items {
            let place = Place {
                at: arrival.class().map(|class| (class, offset)),
            };
            match item {
                Item::Envelope(bytes) => {
                    self.check_statement(Some(peer), place, bytes, now_us, &mut work)?;
                }
                Item::Slice { header, body } => {
                    slices.extend(
                        self.check_slice(peer, place, header, body, arrival, now_us, &mut work)?,
                    );
                }
                Item::Routed(routed) => {
                    self.check_routed(peer, place, routed, now_us, &mut work)?;
                }
                // sums are compared by a later release; saying so loses nothing
                Item::Checkpoint(_) | Item::Sums(_) | Item::Piece(_) => {
                    tracing::debug!(peer = %peer.identity.seat, "item passed over: not used by this release");
                }
                Item::Unread { number, body } => {
                    check::keep_unread_item(peer, place, number, body, now_us, &mut work);
                }
            }
        }
        if turn.is_none() {
            turn = Some(self.intake_turn().await);
        }
        if has_statements {
            self.release_statements(&mut work).await?;
        }
        self.place(slices, &mut work, now_us).await?;
        self.rewrite_erased(&work).await?;
        let head = self.commit(work, now_us).await?;
        drop(turn);
        Ok(head)
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

    /// Stores directory statements of our own making (an admission, our opening), or those that a hello has shown, and puts
    /// them on the feed.
    pub async fn publish(&self, envelopes: &[Envelope], now_us: i64) -> Result<(), TakeInFault> {
        let turn = self.intake_turn().await;
        let done = self.publish_with(envelopes, None, now_us).await;
        drop(turn);
        done
    }

    /// Decides about a seat over the directory as it stands, in the turn of intake, so that nothing changes between what was
    /// looked at and what is stored; then publishes what was decided, with rows and act in one transaction.
    pub(crate) async fn publish_decided<E: From<TakeInFault>>(
        &self,
        decide: impl FnOnce(&Directory) -> Result<(Vec<Envelope>, DecisionRow), E>,
        now_us: i64,
    ) -> Result<(), E> {
        let turn = self.intake_turn().await;
        let decided = decide(&self.directory());
        let (envelopes, decision) = decided?;
        let done = self.publish_with(&envelopes, Some(decision), now_us).await;
        drop(turn);
        Ok(done?)
    }

    /// In the turn of intake.
    async fn publish_with(
        &self,
        envelopes: &[Envelope],
        decision: Option<DecisionRow>,
        now_us: i64,
    ) -> Result<(), TakeInFault> {
        let mut work = Work::new(
            self.directory().clone(),
            SeatId::default(),
            self.token(),
            now_us,
        );
        work.group.from_peer = None;
        work.group.decision = decision;
        for envelope in envelopes {
            let place = Place { at: None };
            self.check_statement(None, place, envelope.to_bytes(), now_us, &mut work)?;
        }
        self.release_statements(&mut work).await?;
        self.rewrite_erased(&work).await?;
        self.commit(work, now_us).await?;
        Ok(())
    }

    /// Commits what a group comes to; only then does anything change in memory.
    async fn commit(&self, work: Work, now_us: i64) -> Result<u64, TakeInFault> {
        let Work {
            group,
            directory,
            statements,
            logs,
            ahead,
            unchecked,
            parts: _,
        } = work;
        let wanted = !group.wants.is_empty();
        let grew =
            !group.blocks.is_empty() || !group.envelopes.is_empty() || !group.events.is_empty();
        let told = !group.held.is_empty() || !group.stopped.is_empty();
        let stopped = group.stopped.clone();
        let durable: Vec<(LogName, Position)> = logs
            .values()
            .map(|state| {
                let position = Position {
                    sequence: state.sequence,
                    header: state.last,
                };
                (state.log, position)
            })
            .collect();
        let done = self.store().intake(group).await.map_err(StepError::Store)?;
        if !statements.is_empty() {
            *self.directory_mut() = directory;
            self.parting().ring();
        }
        for row in stopped {
            self.note_stopped(row);
        }
        self.count_dropped(done.over_quota, unchecked);
        self.logs().extend(logs);
        let closed = self.closed_gaps(&durable, &ahead).await?;
        self.note_ahead(&ahead, &closed, now_us);
        if told {
            self.note_holds();
        }
        if !durable.is_empty() {
            self.ledger().note_durable(&durable, now_us);
            self.receipting().ring();
        }
        if grew {
            self.applying().ring();
            self.ring_sessions();
        }
        let released = if statements.is_empty() {
            false
        } else {
            self.release_held(now_us).await?
        };
        if !durable.is_empty() {
            self.held_logs_came(&durable).await?;
        }
        if wanted || released {
            self.wanting().ring();
        }
        if told || !durable.is_empty() {
            self.telling().ring();
        }
        Ok(done.head)
    }
}

impl Work {
    fn new(
        directory: protocol::directory::Directory,
        from: SeatId,
        token: [u8; 16],
        now_us: i64,
    ) -> Self {
        Self {
            group: IntakeGroup {
                from_peer: Some(from),
                token,
                at_us: now_us,
                ..IntakeGroup::default()
            },
            directory,
            statements: Vec::new(),
            logs: HashMap::new(),
            parts: HashMap::new(),
            ahead: Vec::new(),
            unchecked: 0,
        }
    }
}

fn damaged(what: Malformed) -> TakeInFault {
    TakeInFault::Step(StepError::Damaged { offset: 0, what })
}
