//! Clocks that are years off lock nobody out, lose nothing, and are told; when they are set right everything goes on.

use std::path::Path;
use std::time::{Duration, Instant};

use demo::agent_site::AgentSite;
use demo::process::{STATUS, ask};
use serde_json::Value;
use tests::legacy::row_id;
use tests::process::Program;

use crate::desk::{Desk, field};
use crate::world::{World, code, row};

const LONG: Duration = Duration::from_secs(60);
const YEAR_S: i64 = 365 * 86_400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_years_off_lose_nothing_and_lock_nobody_out() {
    let mut world = World::with_clocks(-20 * YEAR_S, 10 * YEAR_S).await;
    let (mut legacy, path) = world.legacy("ahead", &[row(1, "济南泉一有限公司")]).await;
    let ahead = world.agent("ahead", &path, Program::District, &[]);
    let (_behinds, path) = world.legacy("behind", &[row(2, "济南泉二有限公司")]).await;
    let behind = world.agent("behind", &path, Program::City, &[]);
    set_clock(&ahead.config(), 15 * YEAR_S);
    set_clock(&behind.config(), -40 * YEAR_S);
    world.start("ahead", &ahead);
    world.start("behind", &behind);

    let desks = || [&world.city, &world.here].map(|site| Desk::sign_in(site.console));
    let [city, here] = desks();
    for desk in [&city, &here] {
        desk.wait("a row of an agent that is years ahead", |d| {
            !d.dossier(&code(1)).is_null()
        });
    }
    // for the other one its row was founded in the future: refused with that reason, at the city too, and not lost
    city.wait("the refusal", |d| d.open_refusals() == 1);
    let refusals = city.json("/api/v1/refusals?state=open").to_string();
    assert!(
        refusals.contains("R-DATE-01") && refusals.contains("本机时钟"),
        "{refusals}"
    );
    let representative = |d: &Desk, n| field(&d.dossier(&code(n)), "法定代表人");
    assert_eq!(representative(&city, 2), None);
    let of_city = |status: &Value| status["receipts"]["city"]["durable"].as_u64();
    let first = wait(&ahead, "the city's receipt", |s| of_city(s) > Some(0)).await;
    // who is told that the clocks differ, is told what to do
    for agent in [&ahead, &behind] {
        wait(agent, "that the clocks differ", |s| {
            s["next_steps"].to_string().contains("校准")
        })
        .await;
    }

    world.stop();
    for config in [
        world.city.config(),
        world.here.config(),
        ahead.config(),
        behind.config(),
    ] {
        set_clock(&config, 0);
    }
    world.start_nodes().await;
    world.start("ahead", &ahead);
    world.start("behind", &behind);
    legacy
        .update(&row_id(1), "FDDBR", Some("李一"))
        .await
        .expect("changed");
    let [city, here] = [&world.city, &world.here].map(|site| Desk::sign_in(site.console));
    for desk in [&city, &here] {
        desk.wait("a change after the clocks were set right", |d| {
            representative(d, 1).as_deref() == Some("李一")
        });
        desk.wait("the row that had been refused", |d| {
            representative(d, 2).as_deref() == Some("王一") && d.open_refusals() == 0
        });
    }
    // receipts count by what they say, though their clock seems to have gone back by years
    wait(&ahead, "a further receipt", |s| {
        of_city(s) > of_city(&first)
    })
    .await;
    wait(&ahead, "that it may forget", |s| {
        s["receipts"]["district"]["safeguarded"].as_u64() >= of_city(s)
            && s["queue"]["sealed_entries"] == 0
    })
    .await;
}

async fn wait(agent: &AgentSite, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let status = ask(&agent.data(), STATUS).await.unwrap_or_default()["status"].take();
        if is_so(&status) {
            return status;
        }
        assert!(began.elapsed() < LONG, "never: {what}: {status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sets the clock of a party that is not running off by so many seconds.
pub fn set_clock(config: &Path, offset_s: i64) {
    let text = std::fs::read_to_string(config).expect("a configuration");
    let kept = text.split("\n[test]").next().unwrap_or_default();
    let marker = runtime::door::TestMarker::TEXT;
    let text = format!("{kept}\n[test]\nmarker = \"{marker}\"\nclock_offset_s = {offset_s}\n");
    std::fs::write(config, text).expect("written");
}
