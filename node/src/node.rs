//! A node's parts in one place: who it is, what it believes, where its logs stand, and the bells between its stages.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::batch::LogState;
use protocol::directory::{Directory, VerifiedIdentity};
use protocol::envelope::Envelope;
use protocol::hash::{self, Ref};
use protocol::name::{FeedId, Incarnation, InstanceId, LogName, Position, SeatId};
use protocol::sign::SigningKey;
use protocol::statement::Identity;
use runtime::door;
use runtime::link::registry::Links;
use runtime::worker::{Bell, Turn, Turns};
use store::{StoppedRow, Store};
use supervision::division::City;
use supervision::judge::Judge;
use supervision::standard::Standards;

use crate::error::StepError;
use crate::intake::Moves;
use crate::state::Heard;

mod open;

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
    /// Which life of its store speaks; the second half is the id of its feed.
    pub incarnation: Incarnation,
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
    stopped: Mutex<HashMap<LogKey, StoppedRow>>,
    /// Logs with headers ahead of what is missing, and since when this was seen.
    ahead: Mutex<HashMap<LogName, i64>>,
    /// Per log, the greatest sequence that was applied since the start.
    applied: Mutex<HashMap<LogName, u64>>,
    heard: Heard,
    /// Whether any log may be held: spares a query per group.
    holds: AtomicBool,
    dropped: Dropped,
    intake: Turns,
    other_texts: Mutex<HashSet<(SeatId, String)>>,
    telling: Bell,
    parting: Bell,
    /// Names of the organisations whose codes were minted here.
    minted: RwLock<BTreeMap<String, String>>,
    moves: Mutex<Moves>,
    warnings: Mutex<Vec<String>>,
    applying: Bell,
    folding: Bell,
    receipting: Bell,
    wanting: Bell,
    pub(crate) receipts: Mutex<crate::receipts::Ledger>,
    applied_sequence: AtomicU64,
    sign_in_failures: AtomicU64,
    write_trouble: Mutex<Option<String>>,
    apply_turns: Turns,
    fold_turns: Turns,
    verifying: crate::verify::Verifying,
}

/// A log by numbers: also one whose lane this release does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogKey {
    /// Seat.
    pub seat: SeatId,
    /// Number of the lane.
    pub lane: u8,
    /// Opening of the epoch.
    pub opening: Ref,
}

impl LogKey {
    /// The key of a log.
    pub const fn of(log: &LogName) -> Self {
        Self {
            seat: log.seat,
            lane: log.lane as u8,
            opening: log.opening,
        }
    }
}

impl From<&StoppedRow> for LogKey {
    fn from(row: &StoppedRow) -> Self {
        Self {
            seat: row.seat,
            lane: row.lane,
            opening: row.opening,
        }
    }
}

/// What was not kept since the start, for figures and alarms.
#[derive(Debug, Default)]
struct Dropped {
    over_quota: AtomicU64,
    unchecked: AtomicU64,
    hints: AtomicU64,
}

/// Pairs of seat and standard that are remembered as going by other texts.
const OTHER_TEXTS_MAX: usize = 1_024;

/// A node could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The node's own identity is missing from its directory: it was not admitted, or its folder was tampered with.
    #[error("本节点的身份不在其名录中：尚未入网，或数据目录不完整。请重新执行 init 或 join")]
    NoIdentity,
}

impl Node {
    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }
    /// The node's identity statement.
    pub fn identity(&self) -> &Identity {
        self.0.identity.identity()
    }
    /// Reference of the identity statement.
    pub fn identity_ref(&self) -> Ref {
        self.0.identity.reference()
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
    /// Which life of the node's store speaks.
    pub fn incarnation(&self) -> Incarnation {
        self.0.parts.incarnation
    }
    /// The node's feed.
    pub fn feed(&self) -> FeedId {
        self.0.parts.incarnation.feed
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
    pub(crate) fn minted(&self) -> RwLockReadGuard<'_, BTreeMap<String, String>> {
        self.0.minted.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn note_minted(&self, code: String, title: String) {
        let mut minted = (self.0.minted.write()).unwrap_or_else(PoisonError::into_inner);
        minted.insert(code, title);
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

    /// The turn of intake: who has it compares and stores, and nobody else does meanwhile.
    pub(crate) async fn intake_turn(&self) -> Turn<'_> {
        self.0.intake.take().await
    }

    /// The turn of apply: who has it knows that records stand still.
    pub(crate) async fn apply_turn(&self) -> Turn<'_> {
        self.0.apply_turns.take().await
    }

    /// The turn of fold: who has it knows that views stand still.
    pub(crate) async fn fold_turn(&self) -> Turn<'_> {
        self.0.fold_turns.take().await
    }

    /// The verification that runs, and what the last ones found.
    pub(crate) fn verifying(&self) -> &crate::verify::Verifying {
        &self.0.verifying
    }

    /// Drawn for one transaction of the feed.
    pub(crate) fn token(&self) -> [u8; 16] {
        door::random()
    }

    /// Logs that are stopped, with reason and since when.
    pub fn stopped(&self) -> Vec<StoppedRow> {
        let mut rows: Vec<StoppedRow> = self.lock_stopped().values().cloned().collect();
        rows.sort_by_key(|row| LogKey::from(row));
        rows
    }
    pub(crate) fn note_stopped(&self, row: StoppedRow) {
        self.lock_stopped().entry(LogKey::from(&row)).or_insert(row);
    }
    pub(crate) fn is_stopped(&self, log: &LogKey) -> bool {
        self.lock_stopped().contains_key(log)
    }

    /// A person has decided that a stopped log goes on. Returns whether it was stopped.
    pub async fn release_stopped(&self, log: &LogKey) -> Result<bool, StepError> {
        let released = self
            .store()
            .stopped_done(log.seat, log.lane, log.opening)
            .await?;
        self.lock_stopped().remove(log);
        self.wanting().ring();
        Ok(released)
    }

    fn lock_stopped(&self) -> MutexGuard<'_, HashMap<LogKey, StoppedRow>> {
        self.0
            .stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_ahead(&self) -> MutexGuard<'_, HashMap<LogName, i64>> {
        self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether headers of a log that is owed in full are held ahead of what is missing.
    pub(crate) fn has_ahead(&self, log: &LogName) -> bool {
        self.lock_ahead().contains_key(log)
    }

    /// Logs that are owed in full and of which something is missing before what is held.
    pub fn gaps(&self) -> Vec<LogName> {
        let mut gaps: Vec<LogName> = self.lock_ahead().keys().copied().collect();
        gaps.sort();
        gaps
    }

    /// Notes which logs have headers ahead of what is missing, and which have none any more.
    pub(crate) fn note_ahead(&self, ahead: &[LogName], closed: &[LogName], now_us: i64) {
        let mut all = self.lock_ahead();
        for log in ahead {
            all.entry(*log).or_insert(now_us);
        }
        for log in closed {
            all.remove(log);
        }
    }

    /// Since when something is missing of a log; 0 if that was before the start.
    pub(crate) fn gap_since(&self, log: &LogName) -> i64 {
        self.lock_ahead().get(log).copied().unwrap_or(0)
    }

    /// Notes that a batch was applied.
    pub(crate) fn note_applied(&self, log: LogName, sequence: u64) {
        let mut applied = self
            .0
            .applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = applied.entry(log).or_default();
        *known = sequence.max(*known);
    }

    /// Greatest sequence of a log that was applied since the start.
    pub(crate) fn applied_up_to(&self, log: &LogName) -> u64 {
        let applied = self
            .0
            .applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        applied.get(log).copied().unwrap_or(0)
    }

    pub(crate) fn heard(&self) -> &Heard {
        &self.0.heard
    }

    pub(crate) fn holds_logs(&self) -> bool {
        self.0.holds.load(Ordering::Relaxed)
    }
    pub(crate) fn note_holds(&self) {
        self.0.holds.store(true, Ordering::Relaxed);
    }

    /// Counts what was not kept: over a quota, and what nobody here can check.
    pub(crate) fn count_dropped(&self, over_quota: u64, unchecked: u64) {
        self.0
            .dropped
            .over_quota
            .fetch_add(over_quota, Ordering::Relaxed);
        self.0
            .dropped
            .unchecked
            .fetch_add(unchecked, Ordering::Relaxed);
        if over_quota + unchecked > 0 {
            tracing::warn!(over_quota, unchecked, "not kept");
        }
    }

    /// What was not kept since the start: over a quota, and what nobody here can check.
    pub fn dropped(&self) -> (u64, u64) {
        (
            self.0.dropped.over_quota.load(Ordering::Relaxed),
            self.0.dropped.unchecked.load(Ordering::Relaxed),
        )
    }

    /// Notes that a seat goes by another text of a standard than we do: told once a seat and standard (D63).
    pub(crate) fn note_other_text(&self, seat: SeatId, standard: &str) {
        let mut noted = self
            .0
            .other_texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if noted.len() < OTHER_TEXTS_MAX && noted.insert((seat, standard.to_owned())) {
            tracing::warn!(%seat, standard, "the seat goes by another text of the standard under our version");
        }
    }

    /// Seats that go by another text of a standard than we do under the same name and version.
    pub fn other_texts(&self) -> Vec<(SeatId, String)> {
        let noted = self
            .0
            .other_texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        noted.iter().cloned().collect()
    }

    /// Counts an entry whose hint its origin may not use.
    pub(crate) fn count_hint_not_allowed(&self, seat: SeatId) {
        tracing::debug!(%seat, "hint that its origin may not use");
        self.0.dropped.hints.fetch_add(1, Ordering::Relaxed);
    }

    /// Entries since the start whose hint their origin may not use; they count as without one (R-HINT-01).
    pub fn hints_not_allowed(&self) -> u64 {
        self.0.dropped.hints.load(Ordering::Relaxed)
    }

    /// How far a log is held.
    pub fn position(&self, log: &LogName) -> Position {
        self.logs()
            .get(log)
            .map_or(Position::START, |state| Position {
                sequence: state.sequence,
                header: state.last,
            })
    }

    /// Rung when the state of a log or seat may have changed: sessions are to be told.
    pub fn telling(&self) -> &Bell {
        &self.0.telling
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

    /// Rung when statements were taken up: sessions of seats that were called back are to end.
    pub fn parting(&self) -> &Bell {
        &self.0.parting
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
        self.0.applied_sequence.load(Ordering::Relaxed)
    }
    pub(crate) fn count_applied(&self) {
        self.0.applied_sequence.fetch_add(1, Ordering::Relaxed);
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
