//! Data folders: who may read what programs keep and export, and what those are told who ask while a program starts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use demo::process::{STATUS, ask};
use runtime::files::FolderLock;
use store::seat::SeatStore;
use tests::process::{Finished, Program};

use crate::host;
use crate::world::{World, row};

const LONG: Duration = Duration::from_secs(60);

fn mode(path: &Path) -> u32 {
    let metadata = fs::symlink_metadata(path).expect("metadata");
    metadata.permissions().mode() & 0o777
}

/// A folder and everything in it.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(all(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn run(program: Program, args: &[String]) -> Finished {
    host().run(program, "asked", args, LONG).expect("it ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_programs_keep_is_for_their_account_only() {
    let mut world = World::new().await;
    let mut bad = row(2, "济南泉二有限公司");
    bad.code = Some("91370102MA00000000".to_owned());
    let (_legacy, path) = world
        .legacy("bureau", &[row(1, "济南泉一有限公司"), bad])
        .await;
    let agent = world.agent("bureau", &path, Program::District, &[]);
    // as an administrator or a package would have made it
    let data = agent.data();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).expect("opened to others");
    world.start("bureau", &agent);
    let began = std::time::Instant::now();
    while ask(&data, STATUS).await.is_none() {
        assert!(began.elapsed() < LONG, "the agent does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for data in [world.city.data(), world.here.data(), data] {
        for path in all(&data) {
            let open = mode(&path) & 0o077;
            assert_eq!(open, 0, "{} is open to others", path.display());
        }
    }

    // the same of what is exported; nothing is written over or through what is there
    let file = agent.folder.join("refused.csv");
    let mut export = agent.command("rejects");
    export.insert(1, "export".to_owned());
    export.push(file.display().to_string());
    let exported = run(Program::Agent, &export);
    assert!(exported.status.success(), "{}", exported.stderr.join("\n"));
    assert_eq!(mode(&file), 0o600);
    let again = run(Program::Agent, &export);
    assert_eq!(again.status.code(), Some(1));
    let said = again.stderr.join("\n");
    assert!(said.contains("已存在，未覆盖"), "{said}");
    let target = agent.folder.join("elsewhere");
    fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink(&target, &file).expect("linked");
    assert!(!run(Program::Agent, &export).status.success());
    assert!(!target.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_while_a_program_starts_is_told_so() {
    let mut world = World::new().await;
    let (_legacy, path) = world.legacy("bureau", &[row(1, "济南泉一有限公司")]).await;
    let agent = world.agent("bureau", &path, Program::District, &[]);
    world.stop();
    let told = |program, status: &[String], expected: &str| {
        let asked = run(program, status);
        let said = asked.stderr.join("\n");
        assert_eq!(asked.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let status = world.city.command("status");
    told(Program::City, &status, "程序没有在运行");
    // each of them has its folder, and does not listen yet
    let lock = FolderLock::take(&world.city.data()).expect("nobody has it");
    told(Program::City, &status, "正在启动");
    drop(lock);
    let seat = SeatStore::open(&agent.data().join("database")).await;
    told(Program::Agent, &agent.command("status"), "正在启动");
    drop(seat.expect("nobody has it"));
}
