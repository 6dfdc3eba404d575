//! Sealing: entries that wait become signed batches.
//!
//! At most 1,000 entries of the most urgent lane; at once when nothing of the lane is under way, else after a short while
//! that grows with what is; at most 64 batches ahead of acknowledgement (D30). Batches, the log's head and the consumed
//! entries are one synced transaction; then the mark is written and synced; only then may a frame leave (D14, I7).

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::batch::{self, Draft, LogState, SealError};
use protocol::bytes::{Malformed, Reader};
use protocol::entry::{Former, HEAD, Head};
use protocol::envelope::{Envelope, kind};
use protocol::hash::{Ref, sha256};
use protocol::limits;
use protocol::merkle::History;
use protocol::name::{HybridTime, InstanceId, Lane, Position};
use protocol::sign::SigningKey;
use protocol::slice;
use protocol::statement::EpochOpening;
use runtime::files::{Continuity, Mark, MarkError, Sealed as Marked};
use store::seat::{Frontier, Sealed, Sealing, SeatError, SeatStore, Token, Unsealed};

use crate::capture::chunk;
use crate::home::Admission;

/// Seals one seat's entries. There is one per seat and process.
pub struct Sealer {
    store: Arc<SeatStore>,
    key: Arc<SigningKey>,
    identity: Ref,
    opening: Envelope,
    logs: [LogState; 3],
    time: HybridTime,
    mark: Mark,
    mark_file: PathBuf,
    progress: Arc<Progress>,
}

/// How far sealing and acknowledgement are. Shared with the link.
#[derive(Debug, Default)]
pub struct Progress {
    /// Feed offset up to which frames may leave.
    pub sendable: AtomicU64,
    /// Newest sealed sequence per lane.
    pub sealed: [AtomicU64; 3],
    /// Acknowledged as durable by the next node, per lane.
    pub acknowledged: [AtomicU64; 3],
    halted: Mutex<Option<String>>,
}

impl Progress {
    /// Nothing more is sealed in this life of the process; what waits stays where it is. The first reason stands.
    pub fn halt(&self, why: impl Into<String>) {
        let mut halted = self.halted.lock().unwrap_or_else(PoisonError::into_inner);
        halted.get_or_insert_with(|| why.into());
    }

    /// Why nothing more is sealed, and what to do; `None` if sealing may go on.
    pub fn halted(&self) -> Option<String> {
        let halted = self.halted.lock().unwrap_or_else(PoisonError::into_inner);
        halted.clone()
    }
}

/// What a step of sealing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealStep {
    /// Batches were sealed; there may be more to do.
    Sealed(usize),
    /// Entries wait for so long yet, unless an acknowledgement comes before.
    Wait(Duration),
    /// Nothing waits, or everything waits for acknowledgement.
    Idle,
}

/// Why a seat cannot go on sealing.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// Its database.
    #[error(transparent)]
    Store(#[from] SeatError),
    /// Its mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// It cannot prove that its database is the newest of this seat.
    #[error(
        "不能证明本机数据是该来源的最新数据（{}），为避免同一来源出现两份矛盾的记录，已停止封装。\
         请恢复原机器、原目录的数据，或联系签发接入码的平台按恢复手册办理",
        why(*.0)
    )]
    NotContinuous(Continuity),
    /// Somebody has shown that sealing must not go on.
    #[error("{0}")]
    Halted(String),
    /// What waits cannot be sealed: a fault of this program.
    #[error("待封装的条目有误：{0}")]
    Seal(#[from] SealError),
    /// What is stored cannot be read.
    #[error("代理本地库中的批次状态无法读出：{0}")]
    Malformed(#[from] Malformed),
}

fn why(c: Continuity) -> &'static str {
    match c {
        Continuity::Proven => "无异常",
        Continuity::NoMark => "标记文件缺失",
        Continuity::OtherMachine => "数据来自另一台机器",
        Continuity::OtherFolder => "数据目录已改变",
        Continuity::DatabaseBehind => "本地库比标记旧，可能是从备份恢复的",
    }
}

impl Sealer {
    /// Takes up sealing where the seat stands; opens its epoch at the very first start. `fresh` gives random bytes.
    pub async fn open(
        store: Arc<SeatStore>,
        admission: &Admission,
        mark_file: PathBuf,
        data_folder: &std::path::Path,
        instance: InstanceId,
        fresh: impl Fn() -> [u8; 32],
    ) -> Result<Self, SealFault> {
        let seat = admission.own().seat;
        let key = admission.key.clone();
        let mut mark = Mark::here(data_folder, seat);
        let known = Mark::read(&mark_file)?;
        let envelope = match store.meta("opening").await? {
            Some(bytes) => Envelope::from_bytes(&bytes)?,
            None => {
                let opening = EpochOpening {
                    seat,
                    counter: 1,
                    nonce: half(fresh()),
                    identity: admission.identity.reference(),
                    instance,
                    last_known: Vec::new(),
                    void: Vec::new(),
                };
                let envelope = Envelope::signed(kind::OPENING, 1, opening.to_bytes(), &key);
                // a mark without a database is a database that was lost
                if known.is_some() {
                    return Err(SealFault::NotContinuous(Continuity::DatabaseBehind));
                }
                mark.write(&mark_file)?;
                let reference = Ref::of(envelope.hash());
                store
                    .commit_opening(reference, &envelope.to_bytes(), half(fresh()))
                    .await?;
                envelope
            }
        };
        let opening = EpochOpening::from_bytes(&envelope.bytes)?;
        let reference = Ref::of(envelope.hash());
        let mut logs = Lane::ALL.map(|lane| LogState::start(&opening, reference, lane));
        let mut time = HybridTime::default();
        let progress = Progress::default();
        for lane in Lane::ALL {
            let Some(frontier) = store.frontier(lane).await? else {
                continue;
            };
            let log = &mut logs[lane.index()];
            log.sequence = frontier.sequence;
            log.last = frontier.header;
            log.history =
                History::from_bytes(&frontier.history).ok_or(Malformed::of("log history"))?;
            time = time.max(frontier.hybrid_time);
            mark.sealed[lane.index()] = Some(Marked {
                counter: opening.counter,
                position: Position {
                    sequence: frontier.sequence,
                    header: frontier.header,
                },
            });
            progress.sealed[lane.index()].store(frontier.sequence, Ordering::Relaxed);
        }
        let continuity = Mark::continuity(Mark::read(&mark_file)?.as_ref(), &mark);
        if continuity != Continuity::Proven {
            return Err(SealFault::NotContinuous(continuity));
        }
        // a crash may have come between the commit of a sealing and its mark
        mark.write(&mark_file)?;
        progress
            .sendable
            .store(store.feed_head().await?, Ordering::Release);
        Ok(Self {
            store,
            key,
            identity: admission.identity.reference(),
            opening: envelope,
            logs,
            time,
            mark,
            mark_file,
            progress: Arc::new(progress),
        })
    }

    /// How far sealing and acknowledgement are.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// The opening of the epoch.
    pub const fn opening(&self) -> &Envelope {
        &self.opening
    }

    /// Seals what is due. `secrets` gives 32 fresh random bytes per batch.
    pub async fn step(
        &mut self,
        now_ms: i64,
        secrets: impl Fn() -> [u8; 32],
    ) -> Result<SealStep, SealFault> {
        if let Some(why) = self.progress.halted() {
            return Err(SealFault::Halted(why));
        }
        let mut wait: Option<Duration> = None;
        for lane in Lane::ALL {
            let ahead = self.ahead(lane);
            let room = limits::SEALED_AHEAD_MAX.saturating_sub(ahead);
            if room == 0 {
                continue;
            }
            let chunks = self
                .store
                .unsealed(
                    lane,
                    limits::BATCH_ENTRIES_MAX as u32 * GROUP_BATCHES,
                    GROUP_BYTES,
                )
                .await?;
            let Some(oldest) = chunks.first() else {
                continue;
            };
            let entries: u32 = chunks.iter().map(|c| c.entries).sum();
            let due = oldest.captured_ms + patience_ms(ahead);
            if (entries as usize) < limits::BATCH_ENTRIES_MAX && now_ms < due {
                let rest = Duration::from_millis((due - now_ms).clamp(1, PATIENCE_MS_MAX) as u64);
                wait = Some(wait.map_or(rest, |w| w.min(rest)));
                continue;
            }
            return self.seal(lane, chunks, room, now_ms, secrets).await;
        }
        Ok(wait.map_or(SealStep::Idle, SealStep::Wait))
    }

    fn ahead(&self, lane: Lane) -> u64 {
        let sealed = self.logs[lane.index()].sequence;
        let acknowledged = self.progress.acknowledged[lane.index()].load(Ordering::Relaxed);
        sealed.saturating_sub(acknowledged)
    }

    /// Seals chunks as batches of one group: one transaction, one mark.
    async fn seal(
        &mut self,
        lane: Lane,
        chunks: Vec<Unsealed>,
        room: u64,
        now_ms: i64,
        secrets: impl Fn() -> [u8; 32],
    ) -> Result<SealStep, SealFault> {
        let mut sealings = Vec::new();
        let (mut log, mut time) = (self.logs[lane.index()].clone(), self.time);
        let mut chunks = chunks.into_iter().peekable();
        while chunks.peek().is_some() && (sealings.len() as u64) < room {
            let (mut drafts, mut consumed) = (Vec::new(), Vec::new());
            let (mut captured_ms, mut bytes) = (i64::MAX, 0);
            while let Some(next) = chunks.peek() {
                let full = drafts.len() + next.entries as usize > limits::BATCH_ENTRIES_MAX
                    || bytes + next.body.len() > BATCH_BYTES;
                if full && !drafts.is_empty() {
                    break;
                }
                let Some(next) = chunks.next() else { break };
                bytes += next.body.len();
                captured_ms = captured_ms.min(next.captured_ms);
                consumed.push(next.id);
                drafts.extend(chunk::drafts(&next.body)?);
            }
            let (key, identity, state) = (self.key.clone(), self.identity, log.clone());
            let first = time.tick(u64::try_from(now_ms).unwrap_or(0));
            let secret = secrets();
            // hashing and compressing a thousand entries takes milliseconds; links must not wait for it
            let batches = tokio::task::spawn_blocking(move || {
                let mut batches = Vec::with_capacity(1);
                let with = With {
                    identity,
                    key: &key,
                    secret: &secret,
                };
                with.seal(state, drafts, first, &mut batches)?;
                Ok::<_, SealFault>(batches)
            })
            .await
            .map_err(|_| SealFault::Malformed(Malformed::of("sealing")))??;
            for batch in batches {
                (log, time) = (batch.log, batch.time);
                sealings.push(Sealing {
                    batch: Sealed {
                        lane,
                        sequence: log.sequence,
                        reference: log.last,
                        entries: batch.entries,
                        captured_ms,
                        header: batch.header.to_bytes(),
                        body: batch.body,
                    },
                    consumed: std::mem::take(&mut consumed),
                    frontier: Frontier {
                        sequence: log.sequence,
                        header: log.last,
                        history: log.history.to_bytes(),
                        hybrid_time: time,
                    },
                });
            }
        }
        let offset = self
            .store
            .commit_sealing(&sealings, half(secrets()))
            .await?;
        let mut mark = self.mark.clone();
        mark.sealed[lane.index()] = Some(Marked {
            counter: log.counter,
            position: Position {
                sequence: log.sequence,
                header: log.last,
            },
        });
        let path = self.mark_file.clone();
        let written = mark.clone();
        // what is committed stays committed whether the mark succeeds or not
        self.progress.sealed[lane.index()].store(log.sequence, Ordering::Relaxed);
        self.logs[lane.index()] = log;
        self.time = time;
        tokio::task::spawn_blocking(move || written.write(&path))
            .await
            .map_err(|_| SealFault::Malformed(Malformed::of("mark")))??;
        self.mark = mark;
        self.progress.sendable.store(offset, Ordering::Release);
        Ok(SealStep::Sealed(sealings.len()))
    }
}

/// How long entries wait for company when so many batches are under way: nothing when none is, a few milliseconds when
/// some are, up to 200 when the log is far ahead.
const fn patience_ms(ahead: u64) -> i64 {
    match ahead {
        0 => 0,
        1..=8 => 3,
        9..=16 => 20,
        17..=32 => 80,
        _ => PATIENCE_MS_MAX,
    }
}

/// A batch as it was sealed.
struct Batch {
    header: Envelope,
    body: Vec<u8>,
    entries: u32,
    time: HybridTime,
    log: LogState,
}

/// What batches are sealed with.
struct With<'a> {
    identity: Ref,
    key: &'a SigningKey,
    secret: &'a [u8; 32],
}

impl With<'_> {
    /// Seals drafts as the next batch of a log, or as several where one would be over its bounds. Of several images of one
    /// record the last one counts (D12) and says what others knew before the first. Returns where the log stands.
    fn seal(
        &self,
        log: LogState,
        drafts: Vec<Draft>,
        time: HybridTime,
        into: &mut Vec<Batch>,
    ) -> Result<LogState, SealFault> {
        // as a rule there is one batch; each further one has a secret of its own
        let secret = match into.len() as u32 {
            0 => *self.secret,
            n => sha256(&[self.secret, b"batch", &n.to_be_bytes()]).0,
        };
        match batch::seal(&log, &drafts, time, &secret, self.identity, self.key) {
            Ok(sealed) => {
                into.push(Batch {
                    header: sealed.header,
                    body: slice::pack(&sealed.body),
                    entries: drafts.len() as u32,
                    time,
                    log: sealed.log.clone(),
                });
                Ok(sealed.log)
            }
            Err(SealError::Repeated) => self.seal(log, last_images(drafts)?, time, into),
            Err(SealError::Full(_)) if drafts.len() > 1 => {
                let mut first = drafts;
                let second = first.split_off(first.len() / 2);
                let log = self.seal(log, first, time, into)?;
                self.seal(log, second, time.tick(0), into)
            }
            Err(e) => Err(e.into()),
        }
    }
}

fn last_images(drafts: Vec<Draft>) -> Result<Vec<Draft>, SealFault> {
    let mut places: HashMap<(String, Vec<u8>), usize> = HashMap::with_capacity(drafts.len());
    let mut kept: Vec<Option<Draft>> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let head = head_of(&draft)?;
        let record = (head.record_type.clone(), head.key.as_bytes().to_vec());
        let at = kept.len();
        match places
            .insert(record, at)
            .and_then(|former| kept[former].take())
        {
            None => kept.push(Some(draft)),
            Some(former) => {
                let was = head_of(&former)?.was;
                let mut merged = head;
                remember(&mut merged, was);
                kept.push(Some(with_head(&draft, &merged)?));
            }
        }
    }
    Ok(kept.into_iter().flatten().collect())
}

/// Takes over what others knew of a record before an earlier image that gives way to this one. What reads again as they know
/// it has not changed.
pub(crate) fn remember(head: &mut Head, was: Former) {
    head.was.subject = was.subject.or(head.was.subject.take());
    head.was.hint = was.hint.or(head.was.hint.take());
    if head.was.subject.as_ref() == Some(&head.subject) {
        head.was.subject = None;
    }
    if head.was.hint.as_ref() == Some(&head.hint) {
        head.was.hint = None;
    }
}

/// Half of 32 random bytes.
fn half(fresh: [u8; 32]) -> Token {
    let mut out = Token::default();
    out.copy_from_slice(&fresh[..16]);
    out
}

fn head_of(draft: &Draft) -> Result<Head, Malformed> {
    let mut r = Reader::new(draft.as_bytes(), "draft");
    r.u8()?;
    if r.u8()? != HEAD {
        return Err(r.malformed());
    }
    Head::from_bytes(r.long()?)
}

fn with_head(draft: &Draft, head: &Head) -> Result<Draft, Malformed> {
    let mut r = Reader::new(draft.as_bytes(), "draft");
    let n = r.u8()?;
    let mut sections = Vec::with_capacity(usize::from(n));
    for _ in 0..n {
        sections.push((r.u8()?, r.long()?.to_vec()));
    }
    let mut bytes = Vec::new();
    head.put(&mut bytes);
    sections[0] = (HEAD, bytes);
    Ok(Draft::new(&sections))
}

const PATIENCE_MS_MAX: i64 = 200;
/// Batches in one group, hence under one sync.
const GROUP_BATCHES: u32 = 4;
const GROUP_BYTES: usize = 4 << 20;
/// Bytes of drafts in one batch: well below what a slice may have.
const BATCH_BYTES: usize = 2 << 20;
