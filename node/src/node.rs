//! A node's parts in one place: who it is, what it believes, where its logs stand, and the bells between its stages.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::batch::LogState;
use protocol::directory::{Directory, Identity, LogName, VerifiedIdentity};
use protocol::envelope::Envelope;
use protocol::hash;
use protocol::merkle::History;
use protocol::name::{FeedId, InstanceId, Lane, SeatId};
use protocol::sign::SigningKey;
use runtime::link::registry::Links;
use runtime::worker::Bell;
use store::Store;
use supervision::division::City;
use supervision::judge::Judge;
use supervision::standard::Standards;

use crate::error::StepError;
use crate::intake::Moves;

/// Which of the two tiers a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The city hub.
    City,
    /// A district node.
    District,
}

/// The subject hash that stores keep: the first eight bytes of SHA-256 over the tagged subject.
pub fn subject_key(tagged: &str) -> u64 {
    let full = hash::sha256(&[tagged.as_bytes()]);
    u64::from_be_bytes([
        full.0[0], full.0[1], full.0[2], full.0[3], full.0[4], full.0[5], full.0[6], full.0[7],
    ])
}

/// What a node is made of.
pub struct Parts {
    /// Its store, open.
    pub store: Store,
    /// City or district.
    pub tier: Tier,
    /// Its seat.
    pub seat: SeatId,
    /// Its signing key.
    pub key: SigningKey,
    /// What it trusts so far: the root, its own identity, its parent's.
    pub directory: Directory,
    /// Drawn at this start.
    pub instance: InstanceId,
    /// Its feed.
    pub feed: FeedId,
    /// The city with its districts.
    pub city: City,
    /// Standards in force.
    pub standards: Standards,
    /// Judging under them.
    pub judge: Judge,
    /// The sessions that stand.
    pub links: Links,
    /// The statements that prove this node to others: root first.
    pub chain: Vec<Envelope>,
}

/// A node. Cheap to clone; clones are the same node.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    parts: Parts,
    identity: VerifiedIdentity,
    directory: RwLock<Directory>,
    logs: Mutex<HashMap<LogName, LogState>>,
    stopped: Mutex<HashMap<LogName, String>>,
    held: Mutex<HeldLogs>,
    moves: Mutex<Moves>,
    warnings: Mutex<Vec<String>>,
    applying: Bell,
    folding: Bell,
    receipting: Bell,
    wanting: Bell,
    pub(crate) receipts: Mutex<crate::receipts::Ledger>,
    applied_sequence: std::sync::atomic::AtomicU64,
    sign_in_failures: std::sync::atomic::AtomicU64,
    write_trouble: Mutex<Option<String>>,
}

/// Per peer, the logs (seat, lane, opening) that it brought and that are held.
type HeldLogs = HashMap<SeatId, HashSet<(SeatId, u8, hash::Hash)>>;

/// A node could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The node's own identity is missing from its directory: it was not admitted, or its folder was tampered with.
    #[error("本节点的身份不在其名录中：尚未入网，或数据目录不完整。请重新执行 init 或 join")]
    NoIdentity,
    /// A stored directory statement or log position cannot be read.
    #[error("数据库中的名录或日志位置已损坏（{0}）。请从备份恢复")]
    Damaged(&'static str),
}

impl Node {
    /// Puts a node together: reads directory statements and log positions from its store.
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let mut directory = parts.directory.clone();
        for row in parts.store.directory().await? {
            let envelope =
                Envelope::from_bytes(&row.bytes).map_err(|_| OpenError::Damaged("directory"))?;
            // statements entered the store verified; a fork keeps its second statement as evidence only
            let _ = directory.admit(&envelope);
        }
        let identity = directory
            .identity(&parts.seat)
            .ok_or(OpenError::NoIdentity)?
            .clone();
        let mut logs = HashMap::new();
        for row in parts.store.log_frontiers().await? {
            let lane = Lane::from_u8(row.lane).ok_or(OpenError::Damaged("lane"))?;
            let log = LogName {
                seat: row.seat,
                lane,
                opening: row.opening,
            };
            let epoch = directory
                .opening(&row.opening)
                .ok_or(OpenError::Damaged("opening"))?
                .opening()
                .epoch;
            let history = History::from_bytes(&row.history).ok_or(OpenError::Damaged("history"))?;
            logs.insert(
                log,
                LogState {
                    log,
                    epoch,
                    sequence: row.sequence,
                    last: row.last_hash,
                    history,
                },
            );
        }
        let ledger = crate::receipts::Ledger::load(&parts.store).await?;
        Ok(Self(Arc::new(Inner {
            identity,
            directory: RwLock::new(directory),
            logs: Mutex::new(logs),
            stopped: Mutex::default(),
            held: Mutex::default(),
            moves: Mutex::default(),
            warnings: Mutex::default(),
            applying: Bell::new(),
            folding: Bell::new(),
            receipting: Bell::new(),
            wanting: Bell::new(),
            receipts: Mutex::new(ledger),
            applied_sequence: std::sync::atomic::AtomicU64::new(0),
            sign_in_failures: std::sync::atomic::AtomicU64::new(0),
            write_trouble: Mutex::default(),
            parts,
        })))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }
    /// The node's identity statement.
    pub fn identity(&self) -> &Identity {
        self.0.identity.identity()
    }
    /// Hash of the identity statement.
    pub fn identity_hash(&self) -> hash::Hash {
        self.0.identity.hash()
    }
    /// The node's seat.
    pub fn seat(&self) -> SeatId {
        self.0.parts.seat
    }
    /// The node's signing key.
    pub fn key(&self) -> &SigningKey {
        &self.0.parts.key
    }
    /// City or district.
    pub fn tier(&self) -> Tier {
        self.0.parts.tier
    }
    /// The region of a district node; the city's own code for the city.
    pub fn region(&self) -> &str {
        &self.identity().jurisdiction
    }
    /// The city with its districts.
    pub fn city(&self) -> &City {
        &self.0.parts.city
    }
    /// Standards in force.
    pub fn standards(&self) -> &Standards {
        &self.0.parts.standards
    }
    /// The statements that prove this node to others: root first.
    pub fn chain(&self) -> &[Envelope] {
        &self.0.parts.chain
    }
    /// Judging.
    pub fn judge(&self) -> &Judge {
        &self.0.parts.judge
    }
    /// The node's feed.
    pub fn feed(&self) -> FeedId {
        self.0.parts.feed
    }
    /// This start of the process.
    pub fn instance(&self) -> InstanceId {
        self.0.parts.instance
    }
    /// Directory statements believed so far.
    pub fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.0
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.0
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn logs(&self) -> MutexGuard<'_, HashMap<LogName, LogState>> {
        self.0.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn moves(&self) -> MutexGuard<'_, Moves> {
        self.0.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn ledger(&self) -> MutexGuard<'_, crate::receipts::Ledger> {
        self.0
            .receipts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs that each peer has brought since the start and that are held.
    pub(crate) fn held_logs(&self) -> MutexGuard<'_, HeldLogs> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs that were stopped at a bad header, with the reason.
    pub fn stopped(&self) -> HashMap<LogName, String> {
        self.0
            .stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
    pub(crate) fn stop_log(&self, log: LogName, why: String) {
        tracing::error!(seat = %log.seat, lane = log.lane as u8, why, "log stopped");
        self.0
            .stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(log, why);
    }
    pub(crate) fn is_stopped(&self, log: &LogName) -> bool {
        self.0
            .stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(log)
    }

    /// What every page should say in red.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = self
            .0
            .warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let stopped = self.stopped().len();
        if stopped > 0 {
            all.push(format!(
                "{stopped} 个来源日志因签名或结构错误已停止接收，详见「节点与代理」"
            ));
        }
        all
    }
    /// Adds a standing warning (a clock offset, say).
    pub fn warn(&self, text: impl Into<String>) {
        self.0
            .warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.into());
    }

    /// Rung when something was logged: apply has work.
    pub fn applying(&self) -> &Bell {
        &self.0.applying
    }
    /// Rung when something was applied: fold has work.
    pub fn folding(&self) -> &Bell {
        &self.0.folding
    }
    /// Rung when receipts may be due.
    pub fn receipting(&self) -> &Bell {
        &self.0.receipting
    }
    /// Rung when there may be wants to open.
    pub fn wanting(&self) -> &Bell {
        &self.0.wanting
    }
    /// Tells the sessions that feed, routes or receipts have grown.
    pub(crate) fn ring_sessions(&self) {
        self.0.parts.links.grown();
    }

    /// Why this node cannot write, if it cannot: by the last attempt, or by whoever watches the disk.
    pub fn write_trouble(&self) -> Option<String> {
        self.store().write_trouble().or_else(|| {
            self.0
                .write_trouble
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
    }
    pub(crate) fn note_write_trouble(&self, trouble: Option<&String>) {
        *self
            .0
            .write_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = trouble.cloned();
    }

    /// Sign-ins that failed since the start.
    pub fn sign_in_failures(&self) -> u64 {
        self.0
            .sign_in_failures
            .load(std::sync::atomic::Ordering::Relaxed)
    }
    /// Counts a wrong password.
    pub fn count_sign_in_failure(&self) {
        self.0
            .sign_in_failures
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// Counts groups applied since the start; grows with every one.
    pub fn applied_groups(&self) -> u64 {
        self.0
            .applied_sequence
            .load(std::sync::atomic::Ordering::Relaxed)
    }
    pub(crate) fn count_applied(&self) {
        self.0
            .applied_sequence
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Identity of a record: first 16 bytes of SHA-256 over type, key and origin, each with its length.
pub fn record_id(record_type: &str, key: &[u8], origin: &SeatId) -> [u8; 16] {
    let full = hash::sha256(&[
        &[record_type.len() as u8],
        record_type.as_bytes(),
        &(key.len() as u16).to_be_bytes(),
        key,
        &origin.0,
    ]);
    let mut id = [0; 16];
    id.copy_from_slice(&full.0[..16]);
    id
}

impl From<store::StoreError> for Box<StepError> {
    fn from(e: store::StoreError) -> Self {
        Self::new(StepError::Store(e))
    }
}
