//! How a process tells about itself: log lines to standard error, and a small registry of counters and gauges.
//!
//! Field names of log lines stand in [`field`], so that a search finds every line about one thing. Metric labels are
//! bounded: a metric that would grow beyond [`SERIES_MAX`] series counts the rest under one series labelled `other`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

/// Names of log fields. A thing has one name in all programs.
pub mod field {
    /// Stable identifier of an error, the same as in command line and console.
    pub const ERROR_CODE: &str = "error_code";
    /// The stage of the pipeline: capture, seal, intake, apply, fold.
    pub const STAGE: &str = "stage";
    /// The instance at the other end of a link.
    pub const PEER: &str = "peer";
    /// A seat.
    pub const SEAT: &str = "seat";
    /// A lane.
    pub const LANE: &str = "lane";
    /// Sequence of a batch.
    pub const SEQUENCE: &str = "sequence";
    /// An offset in a feed.
    pub const OFFSET: &str = "offset";
    /// A department's source.
    pub const SOURCE: &str = "source";
    /// A worker loop.
    pub const WORKER: &str = "worker";
    /// A failure's text.
    pub const ERROR: &str = "error";
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogForm {
    /// For people at a terminal.
    #[default]
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error(
        "日志级别 {filter:?} 无法识别；可写 error、warn、info、debug、trace、off，或如 \"info,runtime=debug\""
    )]
    Filter {
        /// What was configured.
        filter: String,
    },
    /// Something in this process has already set up logging.
    #[error("日志已初始化过，一个进程只能初始化一次")]
    Twice,
}

/// Sends log lines of this process to standard error. `filter` is `info` or finer, per room: `info,runtime::link=debug`.
pub fn init(form: LogForm, filter: &str) -> Result<(), TelemetryError> {
    check_filter(filter)?;
    let parsed = EnvFilter::builder()
        .parse(filter)
        .map_err(|_| TelemetryError::Filter {
            filter: filter.to_owned(),
        })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        // otherwise it complains of a lost line on standard error, and panics when that is the pipe nobody reads any more
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match form {
        LogForm::Text => lines.with_ansi(false).try_init(),
        LogForm::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|_| TelemetryError::Twice)
}

/// Whether [`init`] would take a filter: levels, or levels per room. A single word that is no level would be taken for a room
/// that does not exist, and nothing would be logged.
pub fn check_filter(filter: &str) -> Result<(), TelemetryError> {
    let is_level = |text: &str| {
        ["error", "warn", "info", "debug", "trace", "off"]
            .iter()
            .any(|level| text.eq_ignore_ascii_case(level))
    };
    let is_room = |text: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '-';
        !text.is_empty() && text.chars().all(good)
    };
    let good = filter
        .split(',')
        .all(|part| match part.trim().split_once('=') {
            Some((room, level)) => is_room(room.trim()) && is_level(level.trim()),
            None => is_level(part.trim()),
        });
    good.then_some(()).ok_or_else(|| TelemetryError::Filter {
        filter: filter.to_owned(),
    })
}

/// Series that one metric may have.
pub const SERIES_MAX: usize = 512;
/// Bytes of a label's value; longer ones are cut.
pub const LABEL_BYTES_MAX: usize = 128;

/// The registry of a process. Clones are the same registry.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Registry>);

#[derive(Default)]
struct Registry {
    kept: Mutex<Sheet>,
    collectors: Mutex<Vec<Collector>>,
}

type Collector = Box<dyn Fn(&mut Sheet) + Send + Sync>;

/// Metrics at one moment: what a collector writes anew each time, so that nothing that is gone goes on being shown.
#[derive(Default)]
pub struct Sheet(BTreeMap<&'static str, Family>);

struct Family {
    help: &'static str,
    kind: Kind,
    series: BTreeMap<String, Arc<AtomicU64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// A number that only grows.
#[derive(Clone, Debug)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds to it; a negative number takes away.
    pub fn add(&self, by: f64) {
        let add = |bits| Some((f64::from_bits(bits) + by).to_bits());
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Its value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter of that name and labels, made at first use. Names end in `_total` and begin with `zongheng_`.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Counter {
        Counter(self.series(name, help, Kind::Counter, labels))
    }

    /// The gauge of that name and labels, made at first use. Names end in their unit.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Gauge {
        Gauge(self.series(name, help, Kind::Gauge, labels))
    }

    /// Adds a collector, which is asked at every rendering. It must answer at once, from what is known already.
    pub fn collect(&self, collector: impl Fn(&mut Sheet) + Send + Sync + 'static) {
        self.0
            .collectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(collector));
    }

    /// All metrics in Prometheus' text form.
    pub fn render(&self) -> String {
        let mut collected = Sheet::default();
        for collector in self
            .0
            .collectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            collector(&mut collected);
        }
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut families: Vec<_> = kept.0.iter().chain(&collected.0).collect();
        families.sort_by_key(|(name, _)| **name);
        let mut out = String::new();
        for (name, family) in families {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in &family.series {
                let bits = value.load(Ordering::Relaxed);
                let _ = match family.kind {
                    Kind::Counter => writeln!(out, "{name}{labels} {bits}"),
                    Kind::Gauge => writeln!(out, "{name}{labels} {}", f64::from_bits(bits)),
                };
            }
        }
        out
    }

    fn series(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &[(&'static str, &str)],
    ) -> Arc<AtomicU64> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.series(name, help, kind, labels)
    }
}

impl Sheet {
    /// Writes a number that only grows. Of two of the same name and labels the later counts.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        value: u64,
    ) {
        let series = self.series(name, help, Kind::Counter, labels);
        series.store(value, Ordering::Relaxed);
    }

    /// Writes a number that goes up and down.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        let series = self.series(name, help, Kind::Gauge, labels);
        series.store(value.to_bits(), Ordering::Relaxed);
    }

    fn series(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &[(&'static str, &str)],
    ) -> Arc<AtomicU64> {
        let family = self.0.entry(name).or_insert_with(|| Family {
            help,
            kind,
            series: BTreeMap::new(),
        });
        debug_assert!(
            family.kind == kind,
            "metric {name} is both counter and gauge"
        );
        let mut key = label_text(labels.iter().map(|(name, value)| (*name, *value)));
        if !family.series.contains_key(&key) && family.series.len() >= SERIES_MAX {
            key = label_text(labels.iter().map(|(name, _)| (*name, "other")));
        }
        let fresh = match kind {
            Kind::Counter => 0,
            Kind::Gauge => 0f64.to_bits(),
        };
        family
            .series
            .entry(key)
            .or_insert_with(|| Arc::new(AtomicU64::new(fresh)))
            .clone()
    }
}

fn label_text<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in labels {
        let cut = value.floor_char_boundary(LABEL_BYTES_MAX);
        out.push(if out.is_empty() { '{' } else { ',' });
        out += name;
        out += "=\"";
        for c in value[..cut].chars() {
            match c {
                '\\' => out += "\\\\",
                '"' => out += "\\\"",
                '\n' => out += "\\n",
                c => out.push(c),
            }
        }
        out.push('"');
    }
    if !out.is_empty() {
        out.push('}');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_render_as_prometheus_reads_them() {
        let metrics = Metrics::new();
        let rows = metrics.counter("zongheng_rows_total", "Rows.", &[("source", "a\"b\\c\nd")]);
        rows.add(3);
        metrics
            .counter("zongheng_rows_total", "Rows.", &[("source", "a\"b\\c\nd")])
            .add(1);
        let lag = metrics.gauge("zongheng_lag_seconds", "Lag.", &[]);
        lag.set(1.5);
        lag.add(-1.0);
        assert_eq!(
            metrics.render(),
            "# HELP zongheng_lag_seconds Lag.\n# TYPE zongheng_lag_seconds gauge\nzongheng_lag_seconds 0.5\n\
             # HELP zongheng_rows_total Rows.\n# TYPE zongheng_rows_total counter\n\
             zongheng_rows_total{source=\"a\\\"b\\\\c\\nd\"} 4\n"
        );
    }

    #[test]
    fn labels_are_bounded() {
        let metrics = Metrics::new();
        for n in 0..SERIES_MAX + 100 {
            let counter = metrics.counter("zongheng_x_total", "X.", &[("peer", &n.to_string())]);
            counter.add(1);
        }
        let text = metrics.render();
        assert_eq!(text.lines().count(), 2 + SERIES_MAX + 1);
        assert!(text.contains("zongheng_x_total{peer=\"other\"} 100\n"));
        let long = "长".repeat(100);
        metrics.counter("zongheng_y_total", "Y.", &[("peer", &long)]);
        assert!(metrics.render().lines().all(|line| line.len() < 200));
    }

    #[test]
    fn what_is_collected_is_gone_when_it_is_gone() {
        let metrics = Metrics::new();
        let stopped = Arc::new(Mutex::new(vec!["a", "b"]));
        let told = stopped.clone();
        metrics.collect(move |sheet| {
            for log in told.lock().expect("no panic").iter() {
                sheet.gauge("zongheng_stopped", "Stopped.", &[("log", log)], 1.0);
            }
            sheet.counter("zongheng_done_total", "Done.", &[], 7);
        });
        metrics.gauge("zongheng_kept", "Kept.", &[]).set(2.0);
        let text = metrics.render();
        assert!(text.contains("zongheng_stopped{log=\"b\"} 1\n"), "{text}");
        assert!(text.starts_with("# HELP zongheng_done_total Done.\n# TYPE zongheng_done_total counter\nzongheng_done_total 7\n# HELP zongheng_kept"));
        stopped.lock().expect("no panic").clear();
        assert!(!metrics.render().contains("stopped"));
    }

    #[test]
    fn a_filter_that_logs_nothing_by_mistake_is_refused() {
        for good in [
            "info",
            "WARN",
            "off",
            "info,runtime=debug",
            "runtime::link=trace, node=warn",
        ] {
            check_filter(good).expect(good);
        }
        for wrong in [
            "verbose",
            "",
            "info,",
            "runtime=loud",
            "=info",
            "info runtime=debug",
            "verbose=verbose",
        ] {
            let error = check_filter(wrong).expect_err(wrong).to_string();
            assert!(
                error.contains(&format!("{wrong:?}")) && error.contains("debug"),
                "{error}"
            );
        }
        let error = init(LogForm::Text, "verbose").expect_err("no such level");
        assert!(error.to_string().contains("verbose"));
    }
}
