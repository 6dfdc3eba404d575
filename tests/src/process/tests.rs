//! Tests of the process guard against small shell scripts.

use super::*;

fn shell(script: &str) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Running::start("shell", command, None).expect("a shell starts")
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn lines_are_awaited_and_an_early_end_is_told() {
    let mut talker = shell("echo first; echo listening on 7 >&2; read answer; echo got $answer");
    assert_eq!(
        talker.wait_line("listening", LONG).expect("said"),
        "listening on 7"
    );
    assert!(talker.peak_memory_bytes().expect("it runs") > 0);
    talker.type_line("word").expect("typed");
    assert_eq!(talker.wait_line("got", LONG).expect("said"), "got word");
    let error = talker.wait_line("never", LONG).expect_err("it has ended");
    assert!(
        matches!(&error, ProcessError::Ended { tail, .. } if tail.contains("first")),
        "{error}"
    );
    let done = talker.wait(LONG).expect("it has ended");
    assert_eq!(
        (done.stdout, done.stderr),
        (
            vec!["first".into(), "got word".into()],
            vec!["listening on 7".to_owned()]
        )
    );
}

#[test]
fn a_dropped_guard_takes_the_whole_group_with_it() {
    let mut parent = shell("sleep 600 & echo child $!; wait");
    let line = parent.wait_line("child", LONG).expect("said");
    let child: u32 = line
        .rsplit(' ')
        .next()
        .and_then(|pid| pid.parse().ok())
        .expect("a pid");
    drop(parent);
    let deadline = Instant::now() + LONG;
    let alive = || {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        status
            .lines()
            .any(|line| line.starts_with("State:") && !line.contains('Z'))
    };
    while alive() {
        assert!(Instant::now() < deadline, "{child} still runs");
        std::thread::sleep(LOOK_PAUSE);
    }
}

#[test]
fn a_process_is_stopped_and_terminated() {
    let mut sleeper =
        shell("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done");
    sleeper.wait_line("ready", LONG).expect("said");
    sleeper.suspend().expect("stopped");
    sleeper.resume().expect("continued");
    let done = sleeper.terminate(LONG).expect("it ends");
    assert_eq!(
        (done.status.code(), done.stdout.last().map(String::as_str)),
        (Some(5), Some("bye"))
    );
    let killed = shell("sleep 600").kill().expect("killed");
    assert!(!killed.status.success());
}
