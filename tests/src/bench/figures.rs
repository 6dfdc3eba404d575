//! Medians, percentiles, and the disk's own synchronisation time that latencies are read beside.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// The middle of several figures; of an even number the lower one of the two in the middle. 0 if there are none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 50.0)
}

/// The value that so many percent of the figures do not exceed. 0 if there are none.
pub fn percentile(values: impl IntoIterator<Item = f64>, percent: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

/// Processor time that a process has used so far, in microseconds; 0 if it is gone. Unlike elapsed time it does not depend
/// on who else is busy.
pub fn cpu_us(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // behind the name, which may hold anything, come state and numbers; user and system time are the 14th and 15th field
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<u64>().ok());
    ticks.sum::<u64>() * TICK_US
}

/// Linux tells processor time in hundredths of a second.
const TICK_US: u64 = 10_000;

/// Median and 99th percentile, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    /// The middle.
    pub p50: f64,
    /// What one of a hundred exceeds.
    pub p99: f64,
}

impl Spread {
    /// The spread of instants' differences in microseconds.
    pub fn of_micros(values: &[i64]) -> Self {
        let of = |percent| percentile(values.iter().map(|v| *v as f64 / 1_000.0), percent);
        Self {
            p50: of(50.0),
            p99: of(99.0),
        }
    }
}

/// How long the disk under `folder` takes for 4 KiB appended and synchronised.
pub fn sync_time(folder: &Path, samples: usize) -> std::io::Result<Spread> {
    let path = folder.join("sync.probe");
    let mut file = File::create(&path)?;
    let block = [0x5a; 4_096];
    let mut micros = Vec::with_capacity(samples);
    for _ in 0..samples {
        let began = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        micros.push(began.elapsed().as_micros() as i64);
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(Spread::of_micros(&micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], percent: f64, expected: f64) {
        assert_eq!(
            percentile(values.iter().copied(), percent),
            expected,
            "{values:?} {percent}"
        );
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        check(&[], 50.0, 0.0);
        check(&[3.0], 99.0, 3.0);
        check(&[3.0, 1.0, 2.0], 50.0, 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 50.0, 2.0);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        check(&hundred, 99.0, 99.0);
        check(&hundred, 100.0, 100.0);
    }
}
