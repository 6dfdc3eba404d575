//! The figures of several runs as one table, each beside its aim, and as one line of JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::baseline::Baseline;
use super::figures::median;
use super::pipeline::{Flow, Measured};

/// What one run gave.
pub struct Run {
    /// The table without us, measured just before.
    pub baseline: Baseline,
    /// With us.
    pub measured: Measured,
}

/// A figure with its aim.
struct Line {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// Aim, and whether less is better.
    aim: Option<(f64, bool)>,
}

/// Name, unit, aim and what it is of a run.
type Figure = (
    &'static str,
    &'static str,
    Option<(f64, bool)>,
    fn(&Run) -> f64,
);

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Medians over runs. Ratios are taken within a run first, since machines have bad minutes.
pub struct Report<'a> {
    rows: u64,
    runs: &'a [Run],
}

impl<'a> Report<'a> {
    /// Over these runs.
    pub fn new(rows: u64, runs: &'a [Run]) -> Self {
        Self { rows, runs }
    }

    fn of(&self, value: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(value))
    }

    fn flow(
        &self,
        title: [&'static str; 6],
        flow: impl Fn(&Run) -> &Flow,
        aimed: bool,
        out: &mut Vec<Line>,
    ) {
        let rate = |value: fn(&Flow) -> f64| self.of(|run| value(flow(run)));
        let ratio = |value: fn(&Flow) -> f64| self.of(|run| value(flow(run)) / run.baseline.rate());
        let aim = |aim: f64| aimed.then_some((aim, false));
        let [
            district,
            durable,
            applied,
            folded,
            durable_ratio,
            applied_ratio,
        ] = title;
        for (name, value) in [
            (district, rate(|f| f.district_durable)),
            (durable, rate(|f| f.durable)),
            (applied, rate(|f| f.applied)),
            (folded, rate(|f| f.folded)),
        ] {
            out.push(Line {
                name,
                value,
                unit: "rows/s",
                aim: None,
            });
        }
        out.push(Line {
            name: durable_ratio,
            value: ratio(|f| f.durable),
            unit: "x baseline",
            aim: aim(3.0),
        });
        out.push(Line {
            name: applied_ratio,
            value: ratio(|f| f.applied),
            unit: "x baseline",
            aim: aim(1.0),
        });
    }

    fn lines(&self) -> Vec<Line> {
        let at_most = |aim: f64| Some((aim, true));
        let mut out = Vec::new();
        self.figures(
            &[
                ("baseline_load", "rows/s", None, |r| r.baseline.load),
                ("baseline_upsert_100", "rows/s", None, |r| {
                    r.baseline.upsert_100
                }),
                ("baseline_upsert_1000", "rows/s", None, |r| {
                    r.baseline.upsert_1000
                }),
                ("baseline_upsert_20000_per_tx", "rows/s", None, |r| {
                    r.baseline.upsert_large
                }),
                ("baseline", "rows/s", None, |r| r.baseline.rate()),
                ("capture_alone", "rows/s", None, |r| r.measured.capture),
            ],
            &mut out,
        );
        let titles = [
            "load_durable_at_district",
            "load_durable_at_city",
            "load_applied_at_city",
            "load_folded_at_city",
            "load_durable_ratio",
            "load_applied_ratio",
        ];
        self.flow(titles, |r| &r.measured.catch_up, true, &mut out);
        self.figures(
            &[
                ("cpu_baseline", "us/row", None, |r| r.baseline.cpu),
                ("cpu_capture", "us/row", None, |r| r.measured.capture_cpu),
                ("cpu_load_city", "us/row", None, |r| {
                    r.measured.catch_up.cpu[0]
                }),
                ("cpu_load_district", "us/row", None, |r| {
                    r.measured.catch_up.cpu[1]
                }),
                ("cpu_load_agent", "us/row", None, |r| {
                    r.measured.catch_up.cpu[2]
                }),
                ("cpu_changes_city", "us/row", None, |r| {
                    r.measured.caught_changes.cpu[0]
                }),
                ("cpu_changes_district", "us/row", None, |r| {
                    r.measured.caught_changes.cpu[1]
                }),
                ("cpu_changes_agent", "us/row", None, |r| {
                    r.measured.caught_changes.cpu[2]
                }),
            ],
            &mut out,
        );
        let titles = [
            "changes_durable_at_district",
            "changes_durable_at_city",
            "changes_applied_at_city",
            "changes_folded_at_city",
            "changes_durable_ratio",
            "changes_applied_ratio",
        ];
        self.flow(titles, |r| &r.measured.caught_changes, true, &mut out);
        let titles = [
            "full_path_durable_at_district",
            "full_path_durable_at_city",
            "full_path_applied_at_city",
            "full_path_folded_at_city",
            "full_path_durable_ratio",
            "full_path_applied_ratio",
        ];
        self.flow(titles, |r| &r.measured.changed, false, &mut out);
        self.figures(
            &[
                ("wire_load_first_hop", "bytes/row", at_most(115.0), |r| {
                    r.measured.catch_up.first_hop
                }),
                ("wire_load_second_hop", "bytes/row", at_most(115.0), |r| {
                    r.measured.catch_up.second_hop
                }),
                ("wire_changes_first_hop", "bytes/row", at_most(115.0), |r| {
                    r.measured.caught_changes.first_hop
                }),
                (
                    "wire_changes_second_hop",
                    "bytes/row",
                    at_most(115.0),
                    |r| r.measured.caught_changes.second_hop,
                ),
                ("latency_durable_p99", "ms", at_most(15.0), |r| {
                    r.measured.latency.durable.p99
                }),
                ("latency_applied_p99", "ms", at_most(40.0), |r| {
                    r.measured.latency.applied.p99
                }),
                ("memory_city", "MiB", at_most(320.0), |r| {
                    mib(r.measured.memory[0])
                }),
                ("memory_district", "MiB", at_most(320.0), |r| {
                    mib(r.measured.memory[1])
                }),
                ("memory_agent", "MiB", at_most(64.0), |r| {
                    mib(r.measured.memory[2])
                }),
                ("latency_durable_p50", "ms", None, |r| {
                    r.measured.latency.durable.p50
                }),
                ("latency_applied_p50", "ms", None, |r| {
                    r.measured.latency.applied.p50
                }),
                ("latency_sealed_p50", "ms", None, |r| {
                    r.measured.latency.sealed.p50
                }),
                ("latency_district_p50", "ms", None, |r| {
                    r.measured.latency.at_district.p50
                }),
                ("noticing_p50", "ms", None, |r| {
                    r.measured.latency.noticing.p50
                }),
                ("noticing_p99", "ms", None, |r| {
                    r.measured.latency.noticing.p99
                }),
                ("fdatasync_p50", "ms", None, |r| r.measured.latency.sync.p50),
                ("fdatasync_p99", "ms", None, |r| r.measured.latency.sync.p99),
                ("latency_changes", "changes", None, |r| {
                    r.measured.latency.changes as f64
                }),
                ("latency_blocks", "blocks", None, |r| {
                    r.measured.latency.blocks as f64
                }),
            ],
            &mut out,
        );
        out
    }

    fn figures(&self, figures: &[Figure], out: &mut Vec<Line>) {
        for (name, unit, aim, value) in figures {
            out.push(Line {
                name,
                value: self.of(value),
                unit,
                aim: *aim,
            });
        }
    }

    /// As a table.
    pub fn table(&self) -> String {
        let mut text = format!("{} rows, medians of {}\n", self.rows, self.runs.len());
        for line in self.lines() {
            let value = figure(line.value);
            let _ = write!(text, "{:<32} {value:>10} {:<11}", line.name, line.unit);
            if let Some((aim, less)) = line.aim {
                let (sign, met) = if less {
                    ("<=", line.value <= aim)
                } else {
                    (">=", line.value >= aim)
                };
                let share = line.value / aim;
                let _ = write!(
                    text,
                    " aim {sign} {:<6} {share:>5.2} of it, {}",
                    figure(aim),
                    if met { "met" } else { "missed" }
                );
            }
            text.push('\n');
        }
        text
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let lines = self
            .lines()
            .into_iter()
            .map(|line| (line.name.to_owned(), json!(line.value)));
        let mut all = serde_json::Map::from_iter([
            ("rows".to_owned(), json!(self.rows)),
            ("runs".to_owned(), json!(self.runs.len())),
        ]);
        all.extend(lines);
        Value::Object(all)
    }
}

fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 1_000.0 => format!("{value:.0}"),
        v if v >= 20.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_run() {
        let run = |baseline, applied| Run {
            baseline: Baseline {
                upsert_100: baseline,
                ..Baseline::default()
            },
            measured: Measured {
                catch_up: Flow {
                    applied,
                    ..Flow::default()
                },
                ..Measured::default()
            },
        };
        // a slow minute halves both, and says nothing about their ratio
        let runs = [run(100.0, 150.0), run(50.0, 75.0), run(100.0, 140.0)];
        let report = Report::new(7, &runs);
        assert_eq!(report.json()["load_applied_ratio"], 1.5);
        assert!(
            report.table().contains("load_applied_ratio"),
            "{}",
            report.table()
        );
    }
}
