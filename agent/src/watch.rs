//! Watching one source: reads it by its schedule, page by page, pauses at the outbox's cap, and tells how it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::disk::Disk;
use runtime::door::Clock;
use runtime::recurring::Recurring;
use runtime::telemetry::{Counter, Metrics};
use runtime::trace::Trace;
use runtime::worker::{Bell, Shutdown, chain, unless};
use store::seat::{SeatError, SeatStore};
use supervision::division::DivisionTable;
use supervision::standard::Standards;

use crate::capture::{CaptureError, Capturer, Now, Places};
use crate::config::{AgentConfigError, SourceConfig, SourceKind};
use crate::connector::LegacySource;
use crate::connector::csv_folder::{CsvFolder, CsvSettings};
use crate::connector::sqlite::{SqliteSettings, SqliteSource};
use crate::mapping::{Mapping, MappingError};
use crate::schedule::Schedule;

/// Why a source cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] AgentConfigError),
    /// Its mapping.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

/// The connector of a configured source.
pub fn connector(
    config: &SourceConfig,
    mapping: &Mapping,
    spool: &Path,
) -> Result<LegacySource, SetUpError> {
    Ok(match config.kind {
        SourceKind::Sqlite => LegacySource::Sqlite(Box::new(SqliteSource::new(SqliteSettings {
            name: config.name.clone(),
            path: config.path.clone(),
            table: config.table.clone().unwrap_or_default(),
            key: config.key.clone(),
            columns: mapping.columns.clone(),
            watermark: config.watermark()?,
        }))),
        SourceKind::Csv => LegacySource::Csv(Box::new(CsvFolder::new(CsvSettings {
            name: config.name.clone(),
            folder: config.path.clone(),
            extension: config.extension.clone(),
            delimiter: config.delimiter_byte()?,
            stable_ms: i64::try_from(config.stable.0.as_millis()).unwrap_or(i64::MAX),
            ok_required: config.ok_required,
            key: config.key.clone(),
            columns: mapping.columns.clone(),
            spool: spool.to_owned(),
        }))),
    })
}

/// The city and its divisions, if the table has it.
pub fn places(city: &str) -> Option<Arc<Places>> {
    let table = DivisionTable::builtin();
    let city = table.city(city).ok()?;
    Some(Arc::new(Places { city, table }))
}

/// Record types that more than one of these sources state: their keys alone do not say where a row is.
pub fn shared_types(
    sources: &[SourceConfig],
    standards: &Standards,
) -> Result<BTreeSet<String>, SetUpError> {
    let (mut seen, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for source in sources {
        let mapping = Mapping::load(&source.mapping, standards)?;
        let record_type = mapping.standard.record_type.clone();
        if !seen.insert(record_type.clone()) {
            shared.insert(record_type);
        }
    }
    Ok(shared)
}

/// What sources are doing now, by name. Clones are the same board.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Doing>>>);

/// What a source is doing now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doing {
    /// When it was last looked at, milliseconds since 1970.
    pub looked_ms: Option<i64>,
    /// When it was last read to its end without trouble, milliseconds since 1970.
    pub read_ms: Option<i64>,
    /// When it will be looked at next, if that is not at once.
    pub next_ms: Option<i64>,
    /// What it waits for, if reading pauses.
    pub paused: Option<Pause>,
    /// What stands in its way.
    pub trouble: Option<String>,
}

/// What reading waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// The outbox is at its cap.
    Outbox,
    /// There is little room on the disk.
    Disk,
}

impl Board {
    /// What a source is doing.
    pub fn of(&self, name: &str) -> Option<Doing> {
        self.lock().get(name).cloned()
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut Doing)) {
        change(self.lock().entry(name.to_owned()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Doing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches one source.
pub struct Watch {
    config: SourceConfig,
    capturer: Capturer,
    source: LegacySource,
    store: Arc<SeatStore>,
    position: Vec<u8>,
    outbox_max: u64,
    disk: Disk,
    clock: Clock,
    sealing: Bell,
    board: Board,
    trace: Trace,
    captured: Arc<AtomicU64>,
    read: Counter,
    stated: Counter,
    noted: Option<(Option<String>, Option<String>)>,
    faults: Recurring,
    full: Recurring,
}

/// What all watches of a process share.
#[derive(Clone)]
pub struct Shared {
    /// The seat's database.
    pub store: Arc<SeatStore>,
    /// Standards known.
    pub standards: Arc<Standards>,
    /// Where hints come from.
    pub places: Option<Arc<Places>>,
    /// Record types that several sources state.
    pub shared_types: Arc<BTreeSet<String>>,
    /// Bytes at which capture pauses.
    pub outbox_max: u64,
    /// The disk on which the data folder lies.
    pub disk: Disk,
    /// The clock.
    pub clock: Clock,
    /// Rung when there is something to seal.
    pub sealing: Bell,
    /// What sources are doing.
    pub board: Board,
    /// Notes when how many entries had been captured.
    pub trace: Trace,
    /// Entries captured since the start, of all sources.
    pub captured: Arc<AtomicU64>,
    /// Metrics.
    pub metrics: Metrics,
}

/// Why watching a source failed; it is taken up again.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It cannot be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// Our own database.
    #[error(transparent)]
    Store(#[from] SeatError),
}

impl Watch {
    /// A watch that goes on where the source stands.
    pub async fn open(
        config: &SourceConfig,
        shared: &Shared,
        spool: impl FnOnce(i64) -> std::path::PathBuf,
    ) -> Result<Self, WatchError> {
        let mapping =
            Mapping::load(&config.mapping, &shared.standards).map_err(SetUpError::Mapping)?;
        let state = shared.store.source(&config.name).await?;
        let source = connector(config, &mapping, &spool(state.id))?;
        let mut capturer = Capturer::new(
            state.id,
            state.generation,
            mapping,
            shared.standards.clone(),
            shared.places.clone(),
        );
        let record_type = &capturer.mapping.standard.record_type;
        capturer.shares_keys = shared.shared_types.contains(record_type);
        let mut position = state.position;
        if !state.fingerprint.is_empty() && state.fingerprint != capturer.fingerprint() {
            // a mended mapping speaks for every row, so every row is read again
            tracing::info!(
                source = config.name,
                "mapping changed, reading from the start"
            );
            position = Vec::new();
        }
        let labels: &[(&str, &str)] = &[("source", &config.name)];
        Ok(Self {
            read: shared.metrics.counter(
                "zongheng_agent_rows_read_total",
                "Rows read from sources, repeats included.",
                labels,
            ),
            stated: shared.metrics.counter(
                "zongheng_agent_rows_changed_total",
                "Rows that were new or changed.",
                labels,
            ),
            config: config.clone(),
            capturer,
            source,
            store: shared.store.clone(),
            position,
            outbox_max: shared.outbox_max,
            disk: shared.disk.clone(),
            clock: shared.clock.clone(),
            sealing: shared.sealing.clone(),
            board: shared.board.clone(),
            trace: shared.trace.clone(),
            captured: shared.captured.clone(),
            noted: None,
            faults: Recurring::default(),
            full: Recurring::default(),
        })
    }

    /// Reads the source by its schedule until shutdown.
    pub async fn run(&mut self, shutdown: &Shutdown) -> Result<(), WatchError> {
        let now_ms = self.now_ms();
        let schedule = self.config.schedule(now_ms).map_err(SetUpError::Config)?;
        let full = self
            .config
            .full_compare(now_ms)
            .map_err(SetUpError::Config)?;
        let mut full_due = next_ms(full.as_ref(), now_ms);
        let mut seen_ms = now_ms;
        // what a cron schedule waits for, a restart does not skip
        if let Schedule::Cron(_) = schedule
            && self.position.is_empty()
            && !self.pause_until_due(&schedule, shutdown).await
        {
            return Ok(());
        }
        loop {
            // a clock that was years ahead and has been set right must not put the compare off by years
            let now_ms = self.now_ms();
            if now_ms < seen_ms {
                full_due = next_ms(full.as_ref(), now_ms);
            }
            seen_ms = now_ms;
            if full_due.is_some_and(|due| self.now_ms() >= due) {
                full_due = next_ms(full.as_ref(), self.now_ms());
                match self.source.position_for_full_compare(&self.position) {
                    Ok(position) => self.position = position,
                    Err(error) => {
                        tracing::warn!(source = self.config.name, %error, "no full compare")
                    }
                }
            }
            self.cycle(shutdown).await?;
            if shutdown.has_begun() || !self.pause_until_due(&schedule, shutdown).await {
                return Ok(());
            }
        }
    }

    async fn pause_until_due(&self, schedule: &Schedule, shutdown: &Shutdown) -> bool {
        let now_ms = self.now_ms();
        let Some(wait) = schedule.wait(now_ms) else {
            return false;
        };
        let next = now_ms + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
        self.board
            .note(&self.config.name, |doing| doing.next_ms = Some(next));
        shutdown.pause(wait).await
    }

    /// One cycle: pages until the source has no more.
    async fn cycle(&mut self, shutdown: &Shutdown) -> Result<(), SeatError> {
        loop {
            if !self.wait_for_room(shutdown).await {
                return Ok(());
            }
            let now = Now::from_ms(self.now_ms());
            let reading = self.capturer.read_page(
                &mut self.source,
                &self.store,
                &self.position,
                self.config.page_rows,
                now,
            );
            // a source that is locked is waited for for seconds, and one on a share may hang
            let Some(read) = unless(shutdown, reading).await else {
                return Ok(());
            };
            let taken = match read {
                Ok(page) => self
                    .capturer
                    .keep_page(page, &mut self.source, &self.store, &mut self.position, now)
                    .await
                    .map_err(CaptureError::Store),
                Err(error) => Err(CaptureError::Read(error)),
            };
            match taken {
                Ok(taken) => {
                    self.read.add(taken.read);
                    self.stated.add(taken.changed);
                    if taken.changed > 0 {
                        let before = self.captured.fetch_add(taken.stated, Ordering::Relaxed);
                        let now_us = self.clock.now_us();
                        self.trace.note("captured", before + taken.stated, now_us);
                        self.sealing.ring();
                    }
                    if let Some(untold) = self.faults.over() {
                        tracing::info!(
                            source = self.config.name,
                            untold,
                            "source {} can be read again",
                            self.config.name
                        );
                    }
                    if !taken.more {
                        return self.note(None, taken.note, now.ms).await;
                    }
                    if shutdown.has_begun() {
                        return Ok(());
                    }
                }
                Err(CaptureError::Store(error)) => return Err(error),
                Err(CaptureError::Read(error)) => {
                    let text = chain(&error);
                    if let Some(times) = self.faults.note(&text, self.clock.since_start()) {
                        tracing::warn!(
                            source = self.config.name,
                            error = text,
                            times,
                            "source {} cannot be read",
                            self.config.name
                        );
                    }
                    return self.note(Some(text), None, now.ms).await;
                }
            }
        }
    }

    /// Waits while the outbox is at its cap or the disk nearly full. `false`: stop.
    async fn wait_for_room(&mut self, shutdown: &Shutdown) -> bool {
        let mut pausing = None;
        while let Some(pause) = self.wants_pause(pausing) {
            if pausing != Some(pause) {
                // it fills again as soon as there is room, many times an hour
                if let Some(times) = self
                    .full
                    .note(&format!("{pause:?}"), self.clock.since_start())
                {
                    tracing::warn!(source = self.config.name, ?pause, times, "capture pauses");
                }
                self.board
                    .note(&self.config.name, |doing| doing.paused = Some(pause));
                pausing = Some(pause);
            }
            if !shutdown.pause(ROOM_PAUSE).await {
                return false;
            }
        }
        if pausing.is_some() {
            self.board
                .note(&self.config.name, |doing| doing.paused = None);
        }
        true
    }

    /// What to wait for. Reading is taken up again with some room, so that it does not go on and off with every batch.
    fn wants_pause(&self, pausing: Option<Pause>) -> Option<Pause> {
        // a disk that cannot be looked at is told by the status; a write will show
        let little = self.disk.room().is_ok_and(|room| match pausing {
            Some(Pause::Disk) => room.is_low(),
            _ => room.is_short(),
        });
        if little {
            return Some(Pause::Disk);
        }
        let cap = match pausing {
            Some(_) => self.outbox_max / 10 * 9,
            None => self.outbox_max,
        };
        (self.store.queued_bytes() >= cap).then_some(Pause::Outbox)
    }

    async fn note(
        &mut self,
        trouble: Option<String>,
        note: Option<String>,
        now_ms: i64,
    ) -> Result<(), SeatError> {
        self.board.note(&self.config.name, |doing| {
            doing.looked_ms = Some(now_ms);
            if trouble.is_none() {
                doing.read_ms = Some(now_ms);
            }
            doing.trouble = trouble.clone();
        });
        let told = (trouble, note);
        // the database hears of it only when it changes: an idle cycle costs no sync
        if self.noted.as_ref() != Some(&told) {
            self.store
                .note_cycle(
                    self.capturer.source,
                    told.0.as_deref(),
                    told.1.as_deref(),
                    now_ms,
                )
                .await?;
            self.noted = Some(told);
        }
        Ok(())
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_us() / 1_000
    }
}

fn next_ms(schedule: Option<&Schedule>, now_ms: i64) -> Option<i64> {
    let wait = schedule?.wait(now_ms)?;
    Some(now_ms + i64::try_from(wait.as_millis()).ok()?)
}

const ROOM_PAUSE: Duration = Duration::from_millis(300);
