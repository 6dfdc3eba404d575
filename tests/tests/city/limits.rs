//! What must stop, and what must be refused, without disturbing anybody else.

use std::time::{Duration, Instant};

use demo::process::{STATUS, ask};
use tests::process::Program;

use crate::desk::{Desk, field};
use crate::host;
use crate::world::{World, code, row};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_second_process_on_a_data_folder_says_so_and_stops() {
    let mut world = World::new().await;
    let (_legacy, path) = world.legacy("bureau", &[row(1, "济南泉一有限公司")]).await;
    let agent = world.agent("bureau", &path, Program::District, &[]);
    world.start("bureau", &agent);
    let began = Instant::now();
    while ask(&agent.data(), STATUS).await.is_none() {
        assert!(began.elapsed() < LONG, "the agent does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (program, args) in [
        (Program::City, world.city.command("run")),
        (Program::District, world.here.command("run")),
        (Program::Agent, agent.command("run")),
    ] {
        let second = host()
            .run(program, "second", &args, LONG)
            .expect("it stops by itself");
        let said = second.stderr.join("\n");
        assert!(!second.status.success(), "{program:?} went on");
        assert!(said.contains("正被另一个进程使用"), "{program:?}: {said}");
    }
    // the first ones were not disturbed
    for data in [world.city.data(), world.here.data(), agent.data()] {
        assert!(ask(&data, STATUS).await.is_some(), "{}", data.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_source_may_not_state_is_kept_and_refused() {
    let mut world = World::new().await;
    let (_legacy, path) = world
        .legacy(
            "bureau",
            &[row(1, "济南泉一有限公司"), row(2, "济南泉二有限公司")],
        )
        .await;
    let agent = world.agent("bureau", &path, Program::District, &["--type", "refusal"]);
    world.start("bureau", &agent);
    for site in [&world.here, &world.city] {
        let desk = Desk::sign_in(site.console);
        desk.wait("two refusals", |d| d.open_refusals() == 2);
        let refusals = desk.json("/api/v1/refusals?state=open").to_string();
        assert!(refusals.contains("R-PERM-01"), "{refusals}");
        let dossier = desk.dossier(&code(1));
        assert_eq!(
            field(&dossier, "企业"),
            None,
            "nothing of it is shown as a fact"
        );
        // the bytes were taken in all the same: they are the origin's own
        let status = ask(&site.data(), STATUS).await.expect("an answer");
        assert_eq!(status["stopped"], 0);
        assert_eq!(status["records"], 2);
        assert_eq!(status["entities"], 0, "no entity is made of it");
    }
}
