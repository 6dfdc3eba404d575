//! Nobody listens: programs whose output is a closed pipe neither panic nor fail, as in `zongheng-city status | head -1`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use demo::agent_site::{AgentSite, PAGE_ROWS, SourceSite};
use demo::site::Ports;
use tests::process::{Program, temporary_folder};
use tests::real_city::party::{node_site, ready};
use tests::real_city::source::COLUMNS;
use tests::reexec;

use crate::world::CITY;

const LONG: Duration = Duration::from_secs(60);

fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_programs"))
}

/// A pipe that nobody reads.
fn deaf() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Runs a program with its output unread, and gives its exit code and its complaints.
fn unheard(program: Program, args: &[String]) -> (Option<i32>, String) {
    let mut command = reexec::command(programs(), program);
    let mut child = command
        .args(args)
        .stdout(deaf())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let _standing = child.stdin.take();
    let done = child.wait_with_output().expect("it ends");
    (
        done.status.code(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    )
}

#[tokio::test]
async fn commands_of_a_node_end_well() {
    let folder = temporary_folder().expect("a folder");
    let site = node_site(folder.path(), "city", &Ports::default()).expect("a node on disk");
    let check = |args: &[String]| {
        assert_eq!(unheard(Program::City, args), (Some(0), String::new()));
    };
    check(&site.found("测试市平台", CITY));
    check(&site.command("check-config"));
    // nobody reads its log either
    let mut running = reexec::command(programs(), Program::City)
        .args(site.command("run"))
        .stdout(deaf())
        .stderr(deaf())
        .spawn()
        .expect("it starts");
    ready(&site.data(), "city").await.expect("the city is up");
    for word in ["status", "peers", "verify"] {
        check(&site.command(word));
    }
    let mut invite = site.command("invite");
    invite.extend(
        [
            "--kind",
            "department",
            "--title",
            "某局",
            "--department",
            "某局",
        ]
        .map(str::to_owned),
    );
    check(&invite);
    assert!(
        matches!(running.try_wait(), Ok(None)),
        "it goes on: {running:?}"
    );
    running.kill().expect("it is killed");
    running.wait().expect("it is gone");
    // a complaint that nobody hears is the reason of no other end
    let mut deaf_to_all = reexec::command(programs(), Program::City);
    let ended = deaf_to_all
        .args(site.command("status"))
        .stdout(deaf())
        .stderr(deaf())
        .spawn()
        .and_then(wait)
        .expect("it ends");
    assert_eq!(ended, Some(1));
}

#[test]
fn the_other_programs_end_well() {
    let folder = temporary_folder().expect("a folder");
    let ports = Ports::default();
    let district = node_site(folder.path(), "district", &ports).expect("a node on disk");
    // what `run` would refuse, a check refuses
    let (code, said) = unheard(Program::District, &district.command("check-config"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("还没有节点，请先执行 init"), "{said}");
    let source = SourceSite {
        name: "登记库",
        path: &folder.path().join("bureau.db"),
        table: Some("T"),
        key: "NBXH",
        updated: None,
        columns: &COLUMNS,
        page_rows: PAGE_ROWS,
    };
    let agent = AgentSite::write(&folder.path().join("agent"), &source, &ports).expect("on disk");
    let mut args = agent.command("check-config");
    args.push("--files-only".to_owned());
    assert_eq!(unheard(Program::Agent, &args), (Some(0), String::new()));
}

#[test]
fn the_demonstration_goes_on() {
    let folder = temporary_folder().expect("a folder");
    let place = folder.path().join("demo");
    let mut demo = Command::new(programs())
        .args([reexec::AS, "demo", "--small", "--dir"])
        .arg(&place)
        .stdin(Stdio::null())
        .stdout(deaf())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // its first words come before it founds the city
    let began = Instant::now();
    while !place.join("logs").exists() && matches!(demo.try_wait(), Ok(None)) {
        assert!(began.elapsed() < LONG, "no city is founded");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -s TERM \"$1\"", "sh", &demo.id().to_string()]);
    let asked = shell.status().expect("a shell");
    let done = demo.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(asked.success() && said.is_empty(), "{said}");
}

fn wait(mut child: Child) -> std::io::Result<Option<i32>> {
    let _standing = child.stdin.take();
    Ok(child.wait()?.code())
}
