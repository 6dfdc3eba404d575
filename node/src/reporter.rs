//! Keeps a node's word about itself fresh: made anew every two seconds and whenever somebody asks, shown by readiness and
//! metrics as it stood last. When writing failed and nothing is to be written, it tries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::disk::{Disk, Room};
use runtime::door::Clock;
use runtime::say;
use runtime::telemetry::Metrics;
use runtime::worker::{Bell, Step, Workers};

use crate::host::NodeHost;
use crate::query::QueryError;
use crate::query::report::{Machine, Report};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// Writing that failed is told for so long, whatever else succeeds meanwhile.
const TOLD_US: i64 = 10_000_000;

/// Makes reports. Clones are the same.
#[derive(Clone)]
pub struct Reporter(Arc<Inner>);

struct Inner {
    host: NodeHost,
    disk: Disk,
    workers: Workers,
    clock: Clock,
    last: Mutex<Option<Arc<Report>>>,
    failed: Mutex<Failed>,
}

/// Failures of writing that were seen.
#[derive(Default)]
struct Failed {
    count: u64,
    seen_us: i64,
}

impl Reporter {
    /// A reporter for a node whose data lie on a disk and whose work is done by workers.
    pub fn new(host: NodeHost, disk: Disk, workers: Workers, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            host,
            disk,
            workers,
            clock,
            last: Mutex::default(),
            failed: Mutex::default(),
        }))
    }

    /// Looks now.
    pub async fn look(&self) -> Result<Arc<Report>, QueryError> {
        let now_us = self.0.clock.now_us();
        let report = Arc::new(Report::of(&self.0.host, self.machine(), now_us).await?);
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
        Ok(report)
    }

    /// As it stood last, with what the machine and the workers say now.
    pub fn last(&self) -> Option<Report> {
        let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = Report::clone(last.as_ref()?);
        drop(last);
        report.machine = self.machine();
        Some(report)
    }

    /// What keeps the node from being ready, in one text.
    pub fn check(&self) -> Result<(), String> {
        let Some(report) = self.last() else {
            return Err("正在启动".to_owned());
        };
        let texts: Vec<String> = report
            .troubles()
            .into_iter()
            .filter(|trouble| trouble.unready)
            .map(|trouble| trouble.text)
            .collect();
        match texts.is_empty() {
            true => Ok(()),
            false => Err(texts.join("；")),
        }
    }

    /// Looks every two seconds until shutdown, and gives the metrics what was seen.
    pub fn keep(&self, metrics: &Metrics) {
        let shown = self.clone();
        metrics.collect(move |sheet| {
            if let Some(report) = shown.last() {
                report.measure(sheet);
            }
        });
        let this = self.clone();
        self.0.workers.step("report", Bell::new(), EVERY, move || {
            let this = this.clone();
            async move {
                let store = this.0.host.node().store().clone();
                if store.write_trouble().is_some() {
                    // what it meets stands in the report
                    let _ = store.try_write(this.0.clock.now_us()).await;
                }
                let report = this.look().await?;
                let node = this.0.host.node();
                let health = report.health(node.seat(), report.now_us);
                node.note_own_health(health.clone(), report.now_us);
                this.0.host.tell_own_health(health).await;
                Ok::<_, QueryError>(Step::Idle)
            }
        });
    }

    fn machine(&self) -> Machine {
        let room = self.0.disk.room();
        let short = room.as_ref().is_ok_and(Room::is_short);
        let write_trouble = self.write_trouble(short);
        self.0
            .host
            .node()
            .note_write_trouble(write_trouble.as_ref());
        Machine {
            folder: self.0.disk.folder().display().to_string(),
            room_warning: room
                .as_ref()
                .ok()
                .and_then(|room| room.warning(self.0.disk.folder())),
            room: Some(room.map_err(|error| say::refused(&error))),
            write_trouble,
            workers: self.0.workers.health(),
        }
    }

    /// Why writing fails, or failed just now, or failed and there is as little room as then.
    fn write_trouble(&self, short: bool) -> Option<String> {
        let store = self.0.host.node().store();
        let (count, why) = store.write_failures();
        let now_us = self.0.clock.now_us();
        let mut failed = self.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if count > failed.count {
            failed.count = count;
            failed.seen_us = now_us;
        }
        if store.write_trouble().is_some() {
            return Some(why);
        }
        // a clock that was set back makes a time long ago of it
        let just_now = (0..TOLD_US).contains(&(now_us - failed.seen_us));
        let told = failed.seen_us > 0 && (just_now || short);
        if !told {
            failed.seen_us = 0;
        }
        told.then_some(why)
    }
}
