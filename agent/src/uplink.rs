//! The link to the agent's node: serves the seat's feed, hears receipts and what is told of its logs, and lets go of what is
//! safe elsewhere.
//!
//! The agent wants nothing from its node but statements about nodes and itself (to check receipts by) and receipts. Its place
//! in the node's feed is kept in memory only and asked for again after a restart.

mod beside;
mod host;
mod receipts;
mod statements;
#[cfg(test)]
mod tests;
mod view;
mod word;

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::frame::{CLASSES, Cursor, LogEntry, Reason, State as LogState};
use protocol::hash::Ref;
use protocol::name::{FeedId, Incarnation, InstanceId, Lane, SeatId};
use protocol::receipt;
use protocol::statement::Identity;
use runtime::door::Clock;
use runtime::link::registry::Handle;
use runtime::worker::Bell;
use store::seat::{SeatError, SeatStore, Skipped};

use crate::home::Admission;
use crate::seal::Progress;
use receipts::Held;
use view::views;
pub use view::{CityWord, LinkState, LogView, NodeWord, ReceiptView, Stuck, kept_receipts};

/// Hosts the session with the agent's node. Clones are the same host.
#[derive(Clone)]
pub struct Uplink(Arc<Inner>);

struct Inner {
    store: Arc<SeatStore>,
    seat: SeatId,
    key: Arc<protocol::sign::SigningKey>,
    opening: Ref,
    opening_bytes: Vec<u8>,
    instance: InstanceId,
    incarnation: Incarnation,
    clock: Clock,
    progress: Arc<Progress>,
    /// Rung when an acknowledgement makes room.
    sealing: Bell,
    state: Mutex<State>,
    unkept: AtomicBool,
    /// Whether a node has told of our logs since the start, or could not be reached.
    asked: AtomicBool,
}

struct State {
    directory: Directory,
    /// Statements that can be shown to others.
    statements: HashMap<Ref, Vec<u8>>,
    /// Statements that wait for another one.
    waiting: Vec<Envelope>,
    cursors: HashMap<SeatId, (Incarnation, [Cursor; CLASSES])>,
    receipts: HashMap<(SeatId, Lane), Held>,
    /// Which life of each node's store counts.
    incarnations: BTreeMap<SeatId, Incarnation>,
    /// The same as it is kept.
    lives_kept: Vec<u8>,
    link: LinkState,
    /// Who is at the other end of the session that stands.
    peer: Option<SeatId>,
    handle: Option<Handle>,
    /// Raised with every session.
    sessions: u64,
    node: NodeWord,
    /// Wants of ours for statements, by number.
    wants: HashMap<u64, Vec<Ref>>,
    wanted: u64,
    /// Items of our feed that a peer has refused.
    skipped: Vec<Skipped>,
    /// Which node's clock and ours are far apart, and by how many milliseconds ours is behind.
    clocks_differ: Option<(SeatId, i64)>,
    /// By how much our clock is behind that of the node at the other end.
    clock_offset_ms: Option<i64>,
}

impl State {
    /// The node that is home for this seat, by its newest identity.
    fn own_node(&self, seat: &SeatId) -> Option<SeatId> {
        own_node(&self.directory, seat)
    }

    /// Notes which life of a node's store speaks: a greater one, or another one of the same counter if the node itself says
    /// so on a session. What others say of an equal counter changes nothing.
    fn note_incarnation(&mut self, node: SeatId, said: Incarnation, by_node: bool) {
        let known = self.incarnations.entry(node).or_insert(said);
        if said.counter > known.counter || (said.counter == known.counter && by_node) {
            *known = said;
        }
    }

    /// Notes by how much our clock is behind that of a node: far apart, or within these bounds again.
    fn note_clock(&mut self, node: SeatId, behind_ms: i64, fine: RangeInclusive<i64>) {
        if !fine.contains(&behind_ms) {
            self.clocks_differ = Some((node, behind_ms));
        } else if self.clocks_differ.is_some_and(|(of, _)| of == node) {
            self.clocks_differ = None;
        }
    }
}

fn own_node(directory: &Directory, seat: &SeatId) -> Option<SeatId> {
    let identity = directory.newest_identity(seat)?;
    Some(identity.identity().node)
}

/// What an uplink is made of.
pub struct Parts<'a> {
    /// The seat's database.
    pub store: Arc<SeatStore>,
    /// What the agent is.
    pub admission: &'a Admission,
    /// The opening of its epoch.
    pub opening: &'a Envelope,
    /// Drawn at start.
    pub instance: InstanceId,
    /// The seat's feed.
    pub feed: FeedId,
    /// The clock.
    pub clock: Clock,
    /// How far sealing and acknowledgement are.
    pub progress: Arc<Progress>,
    /// Rung when an acknowledgement makes room.
    pub sealing: Bell,
}

/// The node at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePeer {
    identity: Identity,
    incarnation: Incarnation,
    release: String,
}

impl Uplink {
    /// A host for the seat's sessions. Takes up the statements and receipts that were kept, and judges anew what stood in the
    /// way of sealing.
    pub async fn new(parts: Parts<'_>) -> Result<Self, SeatError> {
        let Parts {
            store,
            admission,
            opening,
            instance,
            feed,
            clock,
            progress,
            sealing,
        } = parts;
        let mut directory = admission.directory.clone();
        let mut statements = HashMap::new();
        let mut known = admission.chain.clone();
        for bytes in store.statements().await? {
            known.push(Envelope::from_bytes(&bytes).map_err(|_| SeatError::Corrupt("名录声明"))?);
        }
        known.push(opening.clone());
        for envelope in known {
            match directory.admit(&envelope) {
                Ok(admitted) => {
                    statements.insert(admitted.reference, admitted.envelope.to_bytes());
                }
                Err(fault) => tracing::warn!(%fault, "a statement that was kept is not believed"),
            }
        }
        let mut receipts = HashMap::new();
        for row in store.receipts().await? {
            let kept = Envelope::from_bytes(&row.envelope)
                .ok()
                .and_then(|envelope| receipt::verify(&directory, &envelope).ok());
            let Some(verified) = kept else {
                tracing::warn!(node = %row.node, "a receipt that was kept does not count any more");
                continue;
            };
            let receipt = verified.receipt();
            progress.acknowledged[row.lane.index()]
                .fetch_max(receipt.durable.sequence, Ordering::Relaxed);
            let held = Held {
                receipt: receipt.clone(),
                envelope: verified.envelope().clone(),
                heard_ms: row.heard_ms,
            };
            receipts.insert((row.node, row.lane), held);
        }
        let lives = store.meta(receipts::LIVES).await?.unwrap_or_default();
        let mut state = State {
            directory,
            statements,
            waiting: Vec::new(),
            cursors: HashMap::new(),
            incarnations: receipts::lives_from_bytes(&lives)
                .ok_or(SeatError::Corrupt("节点的运行代次"))?,
            lives_kept: lives,
            receipts: HashMap::new(),
            link: LinkState::default(),
            peer: None,
            handle: None,
            sessions: 0,
            node: NodeWord::default(),
            wants: HashMap::new(),
            wanted: 0,
            skipped: store.skipped().await?,
            clocks_differ: None,
            clock_offset_ms: None,
        };
        for ((node, _), held) in &receipts {
            state.note_incarnation(*node, held.receipt.incarnation, false);
        }
        state.receipts = receipts;
        let uplink = Self(Arc::new(Inner {
            store,
            seat: admission.own().seat,
            key: admission.key.clone(),
            opening: Ref::of(opening.hash()),
            opening_bytes: opening.to_bytes(),
            instance,
            // later lives come with what is done after an old copy was put back
            incarnation: Incarnation { counter: 1, feed },
            clock,
            progress,
            sealing,
            state: Mutex::new(state),
            unkept: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }));
        uplink.note_revocation();
        uplink.judge_evidence().await?;
        Ok(uplink)
    }

    /// How the link is.
    pub fn link(&self) -> LinkState {
        self.lock().link.clone()
    }

    /// Whether a node has been asked what it holds of this seat since the start, or cannot be reached: before that nothing is
    /// sealed, so that an old copy of the folder has no chance to.
    pub fn has_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Notes why an attempt to connect failed.
    pub fn note_trouble(&self, text: &str) {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let link = &mut state.link;
        if link.up || link.trouble.is_empty() {
            link.since_ms = now_ms;
        }
        link.up = false;
        link.trouble = text.to_owned();
        state.node = NodeWord::default();
        drop(state);
        self.note_asked();
    }

    /// The last receipts of the nodes above, per lane.
    pub fn receipt_views(&self) -> Vec<ReceiptView> {
        let state = self.lock();
        let receipts = state.receipts.iter();
        views(
            &state.directory,
            receipts.map(|(place, held)| (*place, &held.receipt, held.heard_ms)),
        )
    }

    /// Items of our feed that the node has refused for their bytes.
    pub fn skipped(&self) -> Vec<Skipped> {
        self.lock().skipped.clone()
    }

    /// By how many milliseconds our clock is behind that of the node, as far as it has said.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.lock().clock_offset_ms
    }

    /// The seat.
    pub fn seat(&self) -> SeatId {
        self.0.seat
    }

    /// The session that stands, if one does, and how many there have been.
    pub fn session(&self) -> (u64, Option<Handle>) {
        let state = self.lock();
        let handle = state.handle.clone().filter(|_| state.link.up);
        (state.sessions, handle)
    }

    fn note_asked(&self) {
        if !self.0.asked.swap(true, Ordering::AcqRel) {
            self.0.sealing.ring();
        }
    }

    /// The heads of our own logs, as they are shown to the node.
    async fn own_logs(&self) -> Result<Vec<LogEntry>, SeatError> {
        let tips = self.0.store.tips().await?;
        Ok(tips
            .into_iter()
            .map(|tip| self.entry(tip.lane, tip.sequence, tip.envelope))
            .collect())
    }

    fn entry(&self, lane: Lane, sequence: u64, header: Vec<u8>) -> LogEntry {
        let halted = self.0.progress.halted().is_some();
        LogEntry {
            seat: self.0.seat,
            lane: lane as u8,
            opening: self.0.opening,
            state: match halted {
                true => LogState::Stopped,
                false => LogState::Running,
            },
            reason: match halted {
                true => Reason::TwoHeaders,
                false => Reason::None,
            },
            since: 0,
            taken_in: sequence,
            applied: sequence,
            header,
            opening_envelope: self.0.opening_bytes.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_us() / 1_000
    }
}
