//! Composition: opens what the agent is made of, starts its workers, stops them in order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::name::{FeedId, InstanceId};
use runtime::config::ConfigError;
use runtime::disk::Disk;
use runtime::door::{self, Clock, TestMarker};
use runtime::link::endpoint::{Dialer, EndpointError, Settings};
use runtime::link::registry::Links;
use runtime::link::{LinkEnd, keep_session};
use runtime::recurring::Recurring;
use runtime::status::{Page, Status, StatusError};
use runtime::telemetry::Metrics;
use runtime::tls::{IdentityError, InstanceIdentity};
use runtime::trace::Trace;
use runtime::worker::{Bell, Shutdown, Step, Workers, chain, unless};
use runtime::{control, say, worker};
use store::seat::{OpenSeatError, SeatError, SeatStore};
use supervision::standard::Standards;

use crate::config::Config;
use crate::home::{Home, HomeError};
use crate::seal::{SealFault, SealStep, Sealer};
use crate::status::{DiskState, Report};
use crate::told::Telling;
use crate::uplink::{Parts, Uplink};
use crate::watch::{Board, Shared, Watch, WatchError, places, shared_types};

/// Why the agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its data folder, or it was not admitted.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its database, or another process has it.
    #[error(transparent)]
    Open(#[from] OpenSeatError),
    /// Its database, later.
    #[error(transparent)]
    Store(#[from] SeatError),
    /// It cannot go on with its logs.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// Its certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Its sockets.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Its status port.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// Its control socket.
    #[error(transparent)]
    Control(#[from] control::ControlError),
    /// A source cannot be set up.
    #[error(transparent)]
    Source(#[from] WatchError),
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// An agent at work.
pub struct Running {
    /// Where its page and its metrics are.
    pub status: SocketAddr,
    teller: Teller,
    workers: Workers,
    dialer: Arc<Dialer>,
}

/// Runs the agent until `shutdown`. Returns when everything has stopped in order.
pub async fn run(config: &Config, shutdown: Shutdown) -> Result<(), StartError> {
    let running = start(config).await?;
    shutdown.begun().await;
    running.stop().await;
    Ok(())
}

/// Starts the agent: from here on it reads and sends until [`Running::stop`].
pub async fn start(config: &Config) -> Result<Running, StartError> {
    let faults = config.faults();
    if !faults.is_empty() {
        return Err(ConfigError::Unfit { faults }.into());
    }
    let home = Home::at(&config.agent.folder)?;
    let admission = home.admission()?;
    let parent = home.parent()?;
    let store = Arc::new(SeatStore::open(&home.database()).await?);
    let clock = clock(config);
    let metrics = Metrics::new();
    let workers = Workers::new(metrics.clone());
    let standards = Arc::new(Standards::builtin());
    let instance = InstanceId(door::random());
    let feed = feed(&store).await?;
    let sealer = Sealer::open(
        store.clone(),
        &admission,
        home.mark_file(),
        home.folder(),
        instance,
        door::random,
    )
    .await?;
    let sealing = Bell::new();
    let uplink = Uplink::new(Parts {
        store: store.clone(),
        admission: &admission,
        opening: sealer.opening(),
        instance,
        feed,
        clock: clock.clone(),
        progress: sealer.progress(),
        sealing: sealing.clone(),
    })
    .await?;
    let board = Board::default();
    let disk = Disk::of(home.folder(), config.agent.disk_low.map(|size| size.0));
    let shared = Shared {
        store: store.clone(),
        shared_types: Arc::new(
            shared_types(&config.sources, &standards).map_err(WatchError::SetUp)?,
        ),
        standards,
        places: places(&admission.city()),
        outbox_max: config.agent.outbox_max.0,
        disk: disk.clone(),
        clock: clock.clone(),
        sealing: sealing.clone(),
        board: board.clone(),
        trace: Trace::default(),
        captured: Arc::default(),
        metrics: metrics.clone(),
    };
    let teller = Teller {
        title: admission.own().title.clone(),
        node: parent.clone(),
        store: store.clone(),
        uplink: uplink.clone(),
        board: board.clone(),
        trace: shared.trace.clone(),
        outbox_max: config.agent.outbox_max.0,
        clock: clock.clone(),
        sealing_trouble: Arc::default(),
        disk,
        workers: workers.clone(),
        last: Arc::default(),
    };
    teller.keep(&metrics);
    // mistakes in mappings are told at the start, not in a log at night
    for source in &config.sources {
        Watch::open(source, &shared, |id| home.spool(id)).await?;
    }
    let links = Links::new();
    keep_sealing(&workers, sealer, links.clone(), sealing, &teller, &uplink);
    let settling = uplink.clone();
    workers.step("receipts", Bell::new(), SETTLE, move || {
        let uplink = settling.clone();
        async move { uplink.settle().await.map(|()| Step::Idle) }
    });
    let seat = store.clone();
    workers.step("checkpoint", Bell::new(), CHECKPOINT, move || {
        let seat = seat.clone();
        async move { seat.checkpoint().await.map(|()| Step::Idle) }
    });
    for source in config.sources.clone() {
        let (shared, home) = (shared.clone(), home.clone());
        workers.keep(format!("source {}", source.name), move |shutdown| {
            let (source, shared, home) = (source.clone(), shared.clone(), home.clone());
            async move {
                let mut watch = Watch::open(&source, &shared, |id| home.spool(id)).await?;
                watch.run(&shutdown).await
            }
        });
    }
    let identity = InstanceIdentity::load_or_generate(&home.instance_file())?;
    let dialer = Arc::new(Dialer::new(&identity, Settings::default())?);
    keep_link(&workers, uplink, dialer.clone(), parent, links, &clock);
    let status = serve(config, &home, &teller, &workers, metrics).await?;
    tracing::info!(%status, "agent is up");
    Ok(Running {
        status,
        teller,
        workers,
        dialer,
    })
}

async fn feed(store: &SeatStore) -> Result<FeedId, SeatError> {
    if let Some(bytes) = store.meta("feed").await? {
        return Ok(FeedId(
            bytes
                .try_into()
                .map_err(|_| SeatError::Corrupt("发送序列标识"))?,
        ));
    }
    let feed = FeedId(door::random());
    store.put_meta("feed", &feed.0).await?;
    Ok(feed)
}

fn clock(config: &Config) -> Clock {
    let test = config.test.as_ref();
    match test.and_then(|t| {
        Some((
            TestMarker::from_setting(t.marker.as_deref())?,
            t.clock_offset_s,
        ))
    }) {
        Some((marker, offset)) if offset != 0 => {
            Clock::offset(offset.saturating_mul(1_000_000), marker)
        }
        _ => Clock::system(),
    }
}

fn keep_sealing(
    workers: &Workers,
    sealer: Sealer,
    links: Links,
    bell: Bell,
    teller: &Teller,
    uplink: &Uplink,
) {
    let progress = sealer.progress();
    let uplink = uplink.clone();
    let sealer = Arc::new(tokio::sync::Mutex::new(sealer));
    let (teller, ring, shutdown) = (teller.clone(), bell.clone(), workers.shutdown());
    workers.step("seal", bell, AT_LEAST, move || {
        let (sealer, links, ring) = (sealer.clone(), links.clone(), ring.clone());
        let shutdown = shutdown.clone();
        let (teller, progress) = (teller.clone(), progress.clone());
        let uplink = uplink.clone();
        async move {
            // an old copy of the folder must not seal before it could have been told
            if !uplink.has_asked() {
                return Ok(Step::Idle);
            }
            if let Some(why) = progress.halted() {
                teller.note_sealing(Some(why));
                return Ok(Step::Idle);
            }
            let now_ms = teller.clock.now_us() / 1_000;
            let step = sealer.lock().await.step(now_ms, door::random).await;
            teller.note_sealing(step.as_ref().err().map(|e| chain(e)));
            Ok::<_, SealFault>(match step? {
                SealStep::Sealed(_) => {
                    let sendable = progress.sendable.load(Ordering::Acquire);
                    teller.trace.note("sealed", sendable, teller.clock.now_us());
                    links.grown();
                    Step::Again
                }
                SealStep::Wait(rest) => {
                    unless(&shutdown, ring.heard_within(rest)).await;
                    Step::Again
                }
                SealStep::Idle => Step::Idle,
            })
        }
    });
}

fn keep_link(
    workers: &Workers,
    uplink: Uplink,
    dialer: Arc<Dialer>,
    address: String,
    links: Links,
    clock: &Clock,
) {
    let (clock, shutdown) = (clock.clone(), workers.shutdown());
    workers.once(async move {
        let noting = uplink.clone();
        let mut faults = Recurring::default();
        let since = clock.clone();
        let told = |end: &LinkEnd, wait: Option<Duration>| {
            let text = end.text();
            noting.note_trouble(text);
            if let Some(times) = faults.note(text, since.since_start()) {
                tracing::warn!(
                    address,
                    reason = text,
                    times,
                    ?wait,
                    "link to {address} ended"
                );
            }
        };
        let host = Arc::new(uplink);
        keep_session(&dialer, &address, host, links, clock, &shutdown, told).await;
    });
}

async fn serve(
    config: &Config,
    home: &Home,
    teller: &Teller,
    workers: &Workers,
    metrics: Metrics,
) -> Result<SocketAddr, StartError> {
    let (page, json, check) = (teller.clone(), teller.clone(), teller.clone());
    let status = Status::new(metrics)
        .check("agent", move || check.check())
        .page("/", move |_| {
            let teller = page.clone();
            async move {
                match teller.report().await {
                    Ok(report) => Page::html(report.html()),
                    Err(error) => Page::text(format!("{}\n", chain(&error))),
                }
            }
        })
        .page("/status.json", move |_| {
            let teller = json.clone();
            async move {
                match teller.report().await {
                    Ok(report) => Page::json(200, report.json().to_string()),
                    Err(error) => {
                        let text = serde_json::json!({ "error": chain(&error) });
                        Page::json(500, text.to_string())
                    }
                }
            }
        })
        .serve(config.status.listen, workers.shutdown())
        .await?;
    let desk = teller.clone();
    control::serve(home.folder(), workers, move |_, request| {
        let teller = desk.clone();
        async move { teller.answer(&request).await }
    })?;
    Ok(status)
}

/// Tells how the running agent is.
#[derive(Clone)]
pub struct Teller {
    title: String,
    node: String,
    store: Arc<SeatStore>,
    uplink: Uplink,
    board: Board,
    trace: Trace,
    outbox_max: u64,
    clock: Clock,
    sealing_trouble: Arc<Mutex<Option<String>>>,
    disk: Disk,
    workers: Workers,
    last: Arc<Mutex<Option<Report>>>,
}

impl Teller {
    /// How the agent is now.
    pub async fn report(&self) -> Result<Report, SeatError> {
        let mut report = Report::read(&self.store, self.clock.now_us() / 1_000).await?;
        report.title.clone_from(&self.title);
        report.node.clone_from(&self.node);
        report.running = true;
        report.clock_doubt = self.uplink.clock_doubt();
        report.outbox_max = self.outbox_max;
        report.receipts = self.uplink.receipt_views();
        report.skipped = self.uplink.skipped();
        report.city = self.uplink.city_word().await?;
        report.stuck = self.uplink.stuck().await?;
        report.district_silent = self.uplink.district_silent().await?;
        self.as_now(&mut report);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
        Ok(report)
    }

    fn note_sealing(&self, trouble: Option<String>) {
        *self
            .sealing_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// As it was last read, with what is known without reading.
    fn last(&self) -> Option<Report> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = last.clone()?;
        drop(last);
        self.as_now(&mut report);
        Some(report)
    }

    fn as_now(&self, report: &mut Report) {
        report.link = self.uplink.link();
        report.node_word = self.uplink.node_word();
        report.sealing_trouble = self
            .sealing_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        report.disk = Some(DiskState {
            folder: self.disk.folder().to_owned(),
            room: self.disk.room().map_err(|error| say::refused(&error)),
        });
        report.failing = self
            .workers
            .health()
            .into_iter()
            .filter_map(|(name, health)| match health {
                worker::Health::Failing(why) => Some((name, why)),
                _ => None,
            })
            .collect();
        for (source, doing) in &mut report.sources {
            *doing = self.board.of(&source.name);
        }
    }

    /// What keeps the agent from being ready, in one text.
    fn check(&self) -> Result<(), String> {
        let Some(report) = self.last() else {
            return Err("正在启动".to_owned());
        };
        let why = report.unready();
        if why.is_empty() {
            Ok(())
        } else {
            Err(why.join("；"))
        }
    }

    /// Reads the report every two seconds, for readiness and metrics, and tells it to the node; link, disk and sources are as
    /// they are when asked.
    fn keep(&self, metrics: &Metrics) {
        let shown = self.clone();
        metrics.collect(move |sheet| {
            if let Some(report) = shown.last() {
                report.measure(sheet);
            }
        });
        let this = self.clone();
        let telling = Arc::new(tokio::sync::Mutex::new(Telling::default()));
        self.workers.step("report", Bell::new(), REPORT, move || {
            let (this, telling) = (this.clone(), telling.clone());
            async move {
                let report = this.report().await?;
                let since_start = this.clock.since_start();
                let mut telling = telling.lock().await;
                telling.tell(&this.uplink, &report, since_start).await;
                Ok::<_, SeatError>(Step::Idle)
            }
        });
    }

    /// Answers the control socket: `{"command":"status"}`, `{"command":"trace"}` and
    /// `{"command":"rejects","source":…,"after":…,"limit":…}`.
    async fn answer(&self, request: &str) -> String {
        let request: serde_json::Value = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(_) => {
                return serde_json::json!({ "error": "请求不是合法的 JSON" }).to_string();
            }
        };
        let answered = match request["command"].as_str() {
            Some("status") => self
                .report()
                .await
                .map(|r| serde_json::json!({ "status": r.json(), "text": r.text() })),
            Some("trace") => Ok(serde_json::json!({ "passages": self.trace.pairs() })),
            Some("rejects") => {
                let limit = request["limit"].as_u64().unwrap_or(100).min(REJECTS_MAX) as u32;
                let after = request["after"].as_u64().unwrap_or(0);
                self.store
                    .rejects(request["source"].as_str(), after, limit)
                    .await
                    .map(|rows| crate::rejects::to_json(&rows))
            }
            other => {
                Ok(serde_json::json!({ "error": format!("没有命令 {}", other.unwrap_or("")) }))
            }
        };
        match answered {
            Ok(answer) => answer.to_string(),
            Err(error) => serde_json::json!({ "error": chain(&error) }).to_string(),
        }
    }
}

impl Running {
    /// Tells how the agent is.
    pub fn teller(&self) -> &Teller {
        &self.teller
    }

    /// Stops in order: sources read to the end of their page, sealing ended, session drained, database closed.
    pub async fn stop(self) {
        let left = self.workers.stop(STOP).await;
        if !left.is_empty() {
            tracing::warn!(?left, "workers did not end in time");
        }
        self.dialer.close().await;
        if let Err(error) = self.teller.uplink.settle().await {
            tracing::warn!(%error, "last receipts were not kept");
        }
        self.teller.store.close().await;
    }
}

/// The folder of the database of a configuration.
pub fn database(config: &Config) -> PathBuf {
    config.agent.folder.join("database")
}

const AT_LEAST: Duration = Duration::from_millis(500);
const SETTLE: Duration = Duration::from_millis(500);
/// Between two times that the local database's log is brought home.
const CHECKPOINT: Duration = Duration::from_secs(2);
/// Between two reports for readiness and metrics.
const REPORT: Duration = Duration::from_secs(5);
const STOP: Duration = Duration::from_secs(20);
/// Refused rows in one answer of the control socket.
pub const REJECTS_MAX: u64 = 500;

#[cfg(test)]
mod tests;
