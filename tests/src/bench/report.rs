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
        let mut out = Vec::new();
        let mut plain = |name, unit, value| {
            out.push(Line {
                name,
                value,
                unit,
                aim: None,
            })
        };
        plain("baseline_load", "rows/s", self.of(|r| r.baseline.load));
        plain(
            "baseline_upsert_100",
            "rows/s",
            self.of(|r| r.baseline.upsert_100),
        );
        plain(
            "baseline_upsert_1000",
            "rows/s",
            self.of(|r| r.baseline.upsert_1000),
        );
        plain(
            "baseline_upsert_20000_per_tx",
            "rows/s",
            self.of(|r| r.baseline.upsert_large),
        );
        plain("baseline", "rows/s", self.of(|r| r.baseline.rate()));
        plain("capture_alone", "rows/s", self.of(|r| r.measured.capture));
        let titles = [
            "load_durable_at_district",
            "load_durable_at_city",
            "load_applied_at_city",
            "load_folded_at_city",
            "load_durable_ratio",
            "load_applied_ratio",
        ];
        self.flow(titles, |r| &r.measured.catch_up, true, &mut out);
        let cpu = "us/row";
        for (name, value) in [
            ("cpu_baseline", self.of(|r| r.baseline.cpu)),
            ("cpu_capture", self.of(|r| r.measured.capture_cpu)),
            ("cpu_load_city", self.of(|r| r.measured.catch_up.cpu[0])),
            ("cpu_load_district", self.of(|r| r.measured.catch_up.cpu[1])),
            ("cpu_load_agent", self.of(|r| r.measured.catch_up.cpu[2])),
            (
                "cpu_changes_city",
                self.of(|r| r.measured.caught_changes.cpu[0]),
            ),
            (
                "cpu_changes_district",
                self.of(|r| r.measured.caught_changes.cpu[1]),
            ),
            (
                "cpu_changes_agent",
                self.of(|r| r.measured.caught_changes.cpu[2]),
            ),
        ] {
            out.push(Line {
                name,
                value,
                unit: cpu,
                aim: None,
            });
        }
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
        let mut aimed = |name, unit, aim, value| {
            out.push(Line {
                name,
                value,
                unit,
                aim: Some((aim, true)),
            })
        };
        let wire = "bytes/row";
        aimed(
            "wire_load_first_hop",
            wire,
            115.0,
            self.of(|r| r.measured.catch_up.first_hop),
        );
        aimed(
            "wire_load_second_hop",
            wire,
            115.0,
            self.of(|r| r.measured.catch_up.second_hop),
        );
        aimed(
            "wire_changes_first_hop",
            wire,
            115.0,
            self.of(|r| r.measured.caught_changes.first_hop),
        );
        aimed(
            "wire_changes_second_hop",
            wire,
            115.0,
            self.of(|r| r.measured.caught_changes.second_hop),
        );
        aimed(
            "latency_durable_p99",
            "ms",
            15.0,
            self.of(|r| r.measured.latency.durable.p99),
        );
        aimed(
            "latency_applied_p99",
            "ms",
            40.0,
            self.of(|r| r.measured.latency.applied.p99),
        );
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        aimed(
            "memory_city",
            "MiB",
            320.0,
            self.of(|r| mib(r.measured.memory[0])),
        );
        aimed(
            "memory_district",
            "MiB",
            320.0,
            self.of(|r| mib(r.measured.memory[1])),
        );
        aimed(
            "memory_agent",
            "MiB",
            64.0,
            self.of(|r| mib(r.measured.memory[2])),
        );
        let mut plain = |name, unit, value| {
            out.push(Line {
                name,
                value,
                unit,
                aim: None,
            })
        };
        plain(
            "latency_durable_p50",
            "ms",
            self.of(|r| r.measured.latency.durable.p50),
        );
        plain(
            "latency_applied_p50",
            "ms",
            self.of(|r| r.measured.latency.applied.p50),
        );
        plain(
            "latency_sealed_p50",
            "ms",
            self.of(|r| r.measured.latency.sealed.p50),
        );
        plain(
            "latency_district_p50",
            "ms",
            self.of(|r| r.measured.latency.at_district.p50),
        );
        plain(
            "noticing_p50",
            "ms",
            self.of(|r| r.measured.latency.noticing.p50),
        );
        plain(
            "noticing_p99",
            "ms",
            self.of(|r| r.measured.latency.noticing.p99),
        );
        plain(
            "fdatasync_p50",
            "ms",
            self.of(|r| r.measured.latency.sync.p50),
        );
        plain(
            "fdatasync_p99",
            "ms",
            self.of(|r| r.measured.latency.sync.p99),
        );
        plain(
            "latency_changes",
            "changes",
            self.of(|r| r.measured.latency.changes as f64),
        );
        plain(
            "latency_blocks",
            "blocks",
            self.of(|r| r.measured.latency.blocks as f64),
        );
        out
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
