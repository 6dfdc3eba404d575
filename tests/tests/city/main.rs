//! Whole cities of real processes: a registration file through city, districts and agents, with and without kills; the
//! demonstration; a row's journey as people see it; and what two processes on one folder, or an agent that states what it
//! may not, run into; programs that nobody listens to; how programs stop, and who may read what they keep; a city that nobody
//! prepared; what an operator meets: a full disk, metrics, wrong settings; and what everybody
//! is told of an accident.

mod any_city;
mod clock;
mod desk;
mod folders;
mod hostile;
mod journey;
mod limits;
mod listeners;
mod operator;
mod pipe;
mod sources;
mod stop;
mod told;
mod world;

use std::process::Command;
use std::time::Duration;

use tests::legacy::generate::generate_registrations_file;
use tests::process::{Host, Running, temporary_folder};
use tests::real_city::{Plan, Report, run};

/// The binary that holds the three programs.
fn host() -> Host {
    Host::at(env!("CARGO_BIN_EXE_programs"))
}

async fn real_city(rows: u64, kill: Option<u64>) -> Report {
    let folder = temporary_folder().expect("a folder");
    let file = folder.path().join("registrations.csv.zst");
    generate_registrations_file(rows, "370100", 11, &file).expect("generated");
    let plan = Plan {
        file,
        city: "370100".to_owned(),
        rows: None,
        kill,
        folder: folder.path().join("city"),
        timeout: Duration::from_secs(240),
    };
    match run(&plan, &host(), |text| println!("{text}")).await {
        Ok(report) => report,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn every_row_of_a_file_is_accounted_for() {
    let report = real_city(2_500, None).await;
    assert_eq!(report.faults, Vec::<String>::new());
    let expected = &report.expected;
    assert_eq!(expected.rows, 2_500);
    assert!(expected.refused > 0, "the file has rows to refuse");
    assert!(expected.registration_number > 0);
    assert_eq!(expected.accepted + expected.refused, expected.rows);
}

#[tokio::test]
async fn kills_at_random_moments_change_nothing() {
    let report = real_city(2_000, Some(5)).await;
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(
        report.kills.values().all(|kills| *kills > 0),
        "{:?}",
        report.kills
    );
}

#[test]
fn the_demonstration_converges() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_programs"));
    command.args([
        tests::reexec::AS,
        "demo",
        "--once",
        "--json",
        "--small",
        "--timeout",
        "200",
    ]);
    let demo = Running::start("demo", command, None).expect("it starts");
    let done = demo.wait(Duration::from_secs(240)).expect("it ends");
    assert!(
        done.status.success(),
        "{}\n{}",
        done.stdout.join("\n"),
        done.stderr.join("\n")
    );
    let last = done.stdout.last().expect("it says something");
    let said: serde_json::Value = serde_json::from_str(last).expect("its last line is JSON");
    assert_eq!(said["converged"], true);
    assert!(said["elapsed_s"].as_f64().is_some_and(|s| s > 0.0));
    for (key, least) in [("entities", 4), ("records", 4), ("refusals", 4)] {
        assert_eq!(
            said[key].as_object().map(serde_json::Map::len),
            Some(least),
            "{key}"
        );
    }
    assert!(
        said["refusals"]["370100"].as_u64().is_some_and(|n| n > 0),
        "dirt is refused"
    );
}
