//! Measures what the parties cost, against what the machine does without them: `bench baseline`, `bench pipeline`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tests::bench::report::{Report, Run};
use tests::bench::{Failure, baseline, figures, pipeline};

#[derive(Parser)]
#[command(name = "bench", about = "Measures the pipeline against its baseline")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One SQLite table under the node's pragmas and cache: rows per second.
    Baseline(How),
    /// Agent, district and city as separate processes, each run beside a baseline of its own.
    Pipeline(How),
}

#[derive(Args)]
struct How {
    /// Rows.
    #[arg(long, default_value_t = 300_000)]
    rows: u64,
    /// Runs, of which the medians are told.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Folder for the files, which stay there; a temporary one if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    if let Some(code) = tests::reexec::dispatch() {
        return code;
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.what)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("not measured: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(what: What) -> Result<(), Failure> {
    let (how, whole) = match what {
        What::Baseline(how) => (how, false),
        What::Pipeline(how) => (how, true),
    };
    let mut runs = Vec::new();
    for number in 1..=how.runs.max(1) {
        let temporary = tempfile::tempdir()?;
        let folder = match &how.dir {
            Some(dir) => dir.join(format!("run{number}")),
            None => temporary.path().to_owned(),
        };
        std::fs::create_dir_all(&folder)?;
        // the parties read their paths from where their own files lie
        let folder = folder.canonicalize()?;
        let told = |text: &str| eprintln!("run {number}: {text}");
        told("baseline");
        let baseline = measure_baseline(&folder, how.rows).await?;
        let measured = if whole {
            pipeline::measure(&folder, how.rows, told).await?
        } else {
            pipeline::Measured::default()
        };
        if whole {
            eprintln!("{measured:#?}");
        }
        runs.push(Run { baseline, measured });
    }
    if whole {
        let report = Report::new(how.rows, &runs);
        print!("{}", report.table());
        println!("{}", report.json());
    }
    Ok(())
}

async fn measure_baseline(folder: &Path, rows: u64) -> Result<baseline::Baseline, Failure> {
    let sync = figures::sync_time(folder, 1_000)?;
    let measured = baseline::measure(folder, rows).await?;
    eprintln!(
        "load {:.0} rows/s; upserts of 100 per statement {:.0}, of 1000 {:.0}, 20000 per transaction {:.0}; \
         fdatasync p50 {:.2} ms, p99 {:.2} ms",
        measured.load,
        measured.upsert_100,
        measured.upsert_1000,
        measured.upsert_large,
        sync.p50,
        sync.p99
    );
    Ok(measured)
}
