//! `verify`: everything that this node has stored, checked again from the root, by four questions that are never mixed.
//!
//! - *bytes*: is what lies here what was signed? Statements, headers, receipts; in a deep run bodies down to each leaf.
//! - *completeness*: is everything here that should be? The feed without a hole; each log that is owed in full in its own
//!   order, whatever order it came in; against our own receipts, the city's and the seat's next opening.
//! - *views*: do records, refusals and entities follow from the log? In a deep run they are worked out again and compared.
//! - *audit*: does the chain of acts hold?
//!
//! A run reads and changes nothing but its own result, which stands on readiness, the page of nodes and metrics until the next.
//! The node may work meanwhile: what moves during a run is looked at again before it is called wrong.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::name::SeatId;
use runtime::worker::chain;
use serde::{Deserialize, Serialize};
use store::StoreError;

use crate::error::StepError;
use crate::node::Node;

mod blocks;
mod entities;
mod feed;
mod logs;
mod receipts;
mod records;
mod statements;
mod told;
mod walk;

/// Faults of a part that are told one by one.
pub const FAULTS_MAX: usize = 100;
/// Faults of a part that are remembered from run to run.
const FAULTS_KEPT: usize = 20;
/// Remarks of a part.
const NOTES_MAX: usize = 20;
/// Characters of one text.
const TEXT_MAX: usize = 400;
/// Records that are worked out at once, about: some 60 MiB.
const RECORDS_HELD: usize = 250_000;
/// Under which key the store keeps what the last runs found.
const KEPT_AS: &str = "verify";
/// Who is to be asked when the store cannot be trusted any more.
const RESTORE: &str =
    "请停止节点，从最近的备份恢复数据目录，再次核对；没有备份的，请保留现场并联系平台维护单位";

/// What a run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Whether what lies here is what was signed.
    pub bytes: Part,
    /// Whether everything is here that should be.
    pub completeness: Part,
    /// Whether what people see follows from it.
    pub views: Part,
    /// Whether the record of acts is untouched.
    pub audit: Part,
    /// When the run ended.
    pub at_us: i64,
    /// Whether bodies were hashed and views worked out again.
    pub deep: bool,
}

/// What a run found by one of its questions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Things that were checked; `None` if the run did not ask this.
    pub checked: Option<u64>,
    /// What is wrong, the first [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How much more is wrong.
    pub more: u64,
    /// What is to be known and is no fault.
    pub notes: Vec<String>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where.
    pub place: String,
    /// What.
    pub what: String,
    /// What to do.
    #[serde(rename = "do")]
    pub todo: String,
}

/// The last runs. A quick run does not make a deep one's findings go away: they stand until the next deep run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Last {
    /// The last deep run.
    pub deep: Option<Verified>,
    /// The last quick run, if it came after that.
    pub quick: Option<Verified>,
}

/// The parts of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartName {
    /// Bytes.
    Bytes,
    /// Completeness.
    Completeness,
    /// Views.
    Views,
    /// Audit.
    Audit,
}

impl PartName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bytes, Self::Completeness, Self::Views, Self::Audit];

    /// For machines.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Completeness => "completeness",
            Self::Views => "views",
            Self::Audit => "audit",
        }
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Bytes => "内容字节",
            Self::Completeness => "完整性",
            Self::Views => "查询视图",
            Self::Audit => "审计记录",
        }
    }
}

impl Verified {
    /// A part by its name.
    pub const fn part(&self, name: PartName) -> &Part {
        match name {
            PartName::Bytes => &self.bytes,
            PartName::Completeness => &self.completeness,
            PartName::Views => &self.views,
            PartName::Audit => &self.audit,
        }
    }

    /// Whether nothing that was asked is wrong.
    pub fn is_good(&self) -> bool {
        PartName::ALL.iter().all(|name| self.part(*name).is_good())
    }

    fn shortened(&self) -> Self {
        Self {
            bytes: self.bytes.shortened(),
            completeness: self.completeness.shortened(),
            views: self.views.shortened(),
            audit: self.audit.shortened(),
            ..*self
        }
    }
}

impl Part {
    /// Whether nothing is wrong, or nothing was asked.
    pub const fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// How much is wrong.
    pub const fn count(&self) -> u64 {
        self.faults.len() as u64 + self.more
    }

    fn checked(&mut self, n: u64) {
        *self.checked.get_or_insert(0) += n;
    }

    fn fault(&mut self, place: impl Into<String>, what: impl Into<String>, todo: &str) {
        if self.faults.len() >= FAULTS_MAX {
            self.more += 1;
            return;
        }
        self.faults.push(Fault {
            place: bounded(place.into()),
            what: bounded(what.into()),
            todo: bounded(todo.to_owned()),
        });
    }

    fn note(&mut self, text: impl Into<String>) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(bounded(text.into()));
        }
    }

    fn shortened(&self) -> Self {
        let kept = self.faults.len().min(FAULTS_KEPT);
        Self {
            faults: self.faults[..kept].to_vec(),
            more: self.count() - kept as u64,
            ..self.clone()
        }
    }
}

fn bounded(text: String) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Last {
    /// The result that stands on a part: the newest that asked, and an older deep one that found something.
    pub fn faults(&self, name: PartName) -> Option<(&Verified, &Part)> {
        let runs = [&self.quick, &self.deep];
        let asked = runs.into_iter().flatten().map(|run| (run, run.part(name)));
        let mut asked = asked.filter(|(_, part)| part.checked.is_some());
        asked.find(|(_, part)| !part.is_good())
    }

    /// Whether a part is good by the last runs; `None` if none has asked.
    pub fn is_good(&self, name: PartName) -> Option<bool> {
        let mut runs = [&self.quick, &self.deep].into_iter().flatten();
        runs.any(|run| run.part(name).checked.is_some())
            .then(|| self.faults(name).is_none())
    }

    /// The newest run.
    pub fn newest(&self) -> Option<&Verified> {
        self.quick.as_ref().or(self.deep.as_ref())
    }

    fn with(self, run: &Verified) -> Self {
        match run.deep {
            true => Self {
                deep: Some(run.clone()),
                quick: None,
            },
            false => Self {
                quick: Some(run.clone()),
                ..self
            },
        }
    }
}

/// Why a run came to no result.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Another one is at it.
    #[error("已有一次核对正在进行（{0}），请等它完成，或用 verify --stop 中止")]
    Busy(String),
    /// It was asked to stop.
    #[error("核对已中止，没有结果；上次的结果不变")]
    Stopped,
    /// The store failed, and not because of damage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a run is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    stop: AtomicBool,
    stage: Mutex<&'static str>,
    done: AtomicU64,
    of: AtomicU64,
}

impl Progress {
    fn text(&self) -> String {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, of) = (
            self.done.load(Ordering::Relaxed),
            self.of.load(Ordering::Relaxed),
        );
        match of {
            0 => format!("{stage}，已核对 {done} 项"),
            of => format!("{stage}，已核对 {done} 项，共约 {of} 项"),
        }
    }
}

/// The verification that runs, if any, and what the last ones found.
#[derive(Debug, Default)]
pub struct Verifying {
    running: Mutex<Option<Arc<Progress>>>,
    last: Mutex<Option<Last>>,
}

/// Why a part was not gone through to its end.
enum Ended {
    Stopped,
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A run.
struct Run<'n> {
    node: &'n Node,
    progress: Arc<Progress>,
    deep: bool,
    /// Records that are worked out at once, about.
    hold: usize,
    now_us: i64,
}

/// Ends the run for others, however it ends.
struct Occupied<'v>(&'v Verifying);

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        *lock(&self.0.running) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run<'_> {
    /// Begins a stage of `of` things, 0 if nobody knows how many.
    fn begin(&self, stage: &'static str, of: u64) -> Result<(), Ended> {
        tracing::debug!(stage, of, "verification goes on");
        *lock(&self.progress.stage) = stage;
        self.progress.done.store(0, Ordering::Relaxed);
        self.progress.of.store(of, Ordering::Relaxed);
        self.went(0)
    }

    /// Goes on by so many things, unless it was asked to stop.
    fn went(&self, by: u64) -> Result<(), Ended> {
        self.progress.done.fetch_add(by, Ordering::Relaxed);
        match self.progress.stop.load(Ordering::Relaxed) {
            true => Err(Ended::Stopped),
            false => Ok(()),
        }
    }

    /// A seat as people name it.
    fn seat(&self, seat: &SeatId) -> String {
        format!("来源「{}」", self.node.title_of(seat))
    }
}

/// What has ended a part early: damage is a fault of the part, everything else ends the run.
fn settle(ended: Result<(), Ended>, part: &mut Part) -> Result<(), VerifyError> {
    match ended {
        Ok(()) => Ok(()),
        Err(Ended::Stopped) => Err(VerifyError::Stopped),
        Err(Ended::Store(error)) if error.is_damage() => {
            part.checked(0);
            let what = format!("读到此处时数据库报告损坏，其余未能核对：{}", chain(&error));
            part.fault("数据库", what, RESTORE);
            Ok(())
        }
        Err(Ended::Store(error)) => Err(VerifyError::Store(error)),
    }
}

impl Node {
    /// Checks everything stored. `deep` also hashes every entry up to its header's root and works records, refusals and entities
    /// out again. Dropped before its end, it leaves no result.
    pub async fn verify(&self, deep: bool, now_us: i64) -> Result<Verified, VerifyError> {
        self.verify_holding(RECORDS_HELD, deep, now_us).await
    }

    /// As [`Node::verify`], with so many records worked out at once: the fewer, the less memory and the more often the log is
    /// gone through.
    pub async fn verify_holding(
        &self,
        records: usize,
        deep: bool,
        now_us: i64,
    ) -> Result<Verified, VerifyError> {
        let progress = Arc::new(Progress::default());
        let occupied = {
            let mut running = lock(&self.verifying().running);
            if let Some(other) = running.as_ref() {
                return Err(VerifyError::Busy(other.text()));
            }
            *running = Some(progress.clone());
            Occupied(self.verifying())
        };
        let run = Run {
            node: self,
            progress,
            deep,
            hold: records.max(1),
            now_us,
        };
        let verified = run.all().await?;
        drop(occupied);
        let before = self.last_verified().await?;
        let last = before.with(&verified.shortened());
        if let Ok(bytes) = serde_json::to_vec(&last) {
            self.store().meta_put(KEPT_AS, &bytes).await?;
        }
        *lock(&self.verifying().last) = Some(last);
        match verified.is_good() {
            true => tracing::info!(deep, "verified: nothing is wrong"),
            false => tracing::error!(deep, "verified: something is wrong"),
        }
        Ok(verified)
    }

    /// How far the run is that goes on now, for people; `None` if none does.
    pub fn verify_progress(&self) -> Option<String> {
        lock(&self.verifying().running)
            .as_ref()
            .map(|progress| progress.text())
    }

    /// Asks the run that goes on now to stop. Returns whether there is one.
    pub fn stop_verify(&self) -> bool {
        let running = lock(&self.verifying().running);
        if let Some(progress) = running.as_ref() {
            progress.stop.store(true, Ordering::Relaxed);
        }
        running.is_some()
    }

    /// What the last runs found, also before this start.
    pub async fn last_verified(&self) -> Result<Last, StoreError> {
        if let Some(last) = lock(&self.verifying().last).as_ref() {
            return Ok(last.clone());
        }
        let kept = self.store().meta_get(KEPT_AS).await?.unwrap_or_default();
        // what another release has kept and this one does not read is as if nobody had asked
        let last: Last = serde_json::from_slice(&kept).unwrap_or_default();
        *lock(&self.verifying().last) = Some(last.clone());
        Ok(last)
    }
}

impl Run<'_> {
    async fn all(&self) -> Result<Verified, VerifyError> {
        let (mut bytes, mut completeness) = (Part::default(), Part::default());
        let (mut views, mut audit) = (Part::default(), Part::default());
        if self.deep {
            settle(self.engine(&mut bytes).await, &mut bytes)?;
        }
        let mut directory = self.node.directory().clone();
        let read = self.statements(&mut bytes).await;
        settle(read.map(|read| directory = read), &mut bytes)?;
        let walked = self.outline(&mut bytes, &mut completeness).await;
        settle(walked, &mut completeness)?;
        let mut said = Vec::new();
        let read = self.receipts(&directory, &mut bytes).await;
        settle(read.map(|read| said = read), &mut bytes)?;
        let walked = self
            .logs(&directory, &said, &mut bytes, &mut completeness)
            .await;
        settle(walked, &mut completeness)?;
        if self.deep {
            settle(self.records(&mut views).await, &mut views)?;
            settle(self.entities(&mut views).await, &mut views)?;
        }
        settle(self.audit(&mut audit).await, &mut audit)?;
        Ok(Verified {
            bytes,
            completeness,
            views,
            audit,
            at_us: self.now_us,
            deep: self.deep,
        })
    }

    /// What the engine says of its own file.
    async fn engine(&self, part: &mut Part) -> Result<(), Ended> {
        self.begin("检查数据库文件", 0)?;
        for complaint in self.node.store().engine_faults().await? {
            part.fault("数据库文件", format!("结构损坏：{complaint}"), RESTORE);
        }
        Ok(())
    }

    /// The chain of acts.
    async fn audit(&self, part: &mut Part) -> Result<(), Ended> {
        self.begin("核对审计记录", 0)?;
        let check = self.node.store().audit_check().await?;
        part.checked(check.rows + check.before_chain);
        if let Some(fault) = check.fault {
            part.fault(
                "审计记录",
                fault.to_string(),
                "有人绕过本程序改动过数据库，或数据库已损坏；请保留现场，与此前导出的审计记录比对，并追查能够写入数据库的账号",
            );
        }
        Ok(())
    }
}

/// Goes through a page of items one by one where the page as a whole cannot be read.
async fn each<T, F>(offsets: &[u64], mut read: impl FnMut(u64) -> F) -> Result<Vec<T>, Ended>
where
    F: Future<Output = Result<Vec<T>, StoreError>>,
{
    let mut all = Vec::new();
    for offset in offsets {
        match read(*offset).await {
            Ok(items) => all.extend(items),
            // it is named where bytes and the feed are checked
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// What a step of the pipeline could not do: damage, which is named where bytes are checked, or something else.
fn as_damage(error: StepError) -> Result<(), Ended> {
    match error {
        StepError::Store(error) if !error.is_damage() => Err(error.into()),
        StepError::Store(_) | StepError::Damaged { .. } => Ok(()),
    }
}
