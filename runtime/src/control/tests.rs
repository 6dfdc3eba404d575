//! Tests of the control socket: requests that are not what they should be, and sockets that somebody else left or holds.

use super::*;
use crate::telemetry::Metrics;

const LONG: Duration = Duration::from_secs(20);

fn workers() -> Workers {
    Workers::new(Metrics::new())
}

/// Says back what it was asked; what it was not asked it does not say.
async fn echo(_: Caller, request: String) -> String {
    format!("asked {request}")
}

/// What one who sends these bytes and then ends is told.
async fn told(sent: &[u8]) -> String {
    let (here, there) = UnixStream::pair().expect("a pair");
    let serving = tokio::spawn(converse(there, LONG, echo));
    let answer = exchange(here, sent).await.expect("an answer");
    serving.await.expect("no panic").expect("answered");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn each_request_is_answered_or_told_what_is_wrong_with_it() {
    let check = async |sent: &[u8], expected: &str| {
        assert_eq!(told(sent).await, expected, "{} bytes", sent.len());
    };
    let most = REQUEST_BYTES_MAX as usize;
    check(b"", "asked ").await;
    check("状态".as_bytes(), "asked 状态").await;
    let longest = "x".repeat(most);
    check(longest.as_bytes(), &format!("asked {longest}")).await;
    check(&[0xff, 0xfe], "请求不是 UTF-8 文本").await;
    let too_large = "请求超过 65536 字节的上限";
    check(&vec![b'x'; most + 1], too_large).await;
    // more than the socket holds at once: it is heard out, so that the answer arrives
    check(&vec![b'x'; most * 64], too_large).await;
}

#[tokio::test]
async fn half_a_request_is_not_acted_upon() {
    let (mut here, there) = UnixStream::pair().expect("a pair");
    here.write_all(b"{\"command\":").await.expect("sent");
    let answer = |_: Caller, request: String| async move { panic!("acted upon {request}") };
    // no time at all is left for the other half
    converse(there, Duration::ZERO, answer)
        .await
        .expect("answered");
    let mut said = String::new();
    here.read_to_string(&mut said).await.expect("an answer");
    assert_eq!(said, "请求没有及时发完");
}

#[tokio::test]
async fn who_stops_in_the_middle_disturbs_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let workers = workers();
    serve(folder.path(), &workers, echo).expect("it serves");
    let path = folder.path().join(SOCKET);
    let mut silent = UnixStream::connect(&path).await.expect("connected");
    silent.write_all(b"half").await.expect("sent");
    drop(UnixStream::connect(&path).await.expect("connected"));
    let answer = ask(folder.path(), "whole").await.expect("an answer");
    assert_eq!(answer, "asked whole");
    drop(silent);
    assert!(workers.stop(LONG).await.is_empty());
}

#[tokio::test]
async fn an_answer_that_panics_is_told_and_the_next_one_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let workers = workers();
    let answer = |_: Caller, request: String| async move {
        assert!(request != "bad", "a bad one");
        request
    };
    serve(folder.path(), &workers, answer).expect("it serves");
    let said = ask(folder.path(), "bad").await.expect("an answer");
    assert!(said.contains("程序内部错误"), "{said}");
    assert_eq!(ask(folder.path(), "good").await.expect("one"), "good");
}

#[tokio::test]
async fn who_asks_in_vain_is_told_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(SOCKET);
    let refused = async || ask(folder.path(), "x").await.expect_err("nobody answers");
    // no socket, and one that a process left which is gone
    assert!(matches!(refused().await, ControlError::NotRunning { .. }));
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(path.exists());
    assert!(matches!(refused().await, ControlError::NotRunning { .. }));
    // somebody has the folder and does not listen yet
    let lock = crate::files::FolderLock::take(folder.path()).expect("free");
    let error = refused().await;
    assert!(matches!(error, ControlError::Starting { .. }));
    let (said, pid) = (error.to_string(), std::process::id().to_string());
    assert!(said.contains("正在启动") && said.contains(&pid), "{said}");
    drop(lock);
    assert!(matches!(refused().await, ControlError::NotRunning { .. }));
    // one who hangs up
    std::fs::remove_file(&path).expect("removed");
    let listener = UnixListener::bind(&path).expect("bound");
    let hanging_up = tokio::spawn(async move { drop(listener.accept().await) });
    assert!(matches!(refused().await, ControlError::NoAnswer));
    hanging_up.await.expect("no panic");
    // a request that nobody would read
    let long = "x".repeat(REQUEST_BYTES_MAX as usize + 1);
    let error = ask(folder.path(), &long).await.expect_err("too long");
    assert!(matches!(error, ControlError::TooLarge { bytes: 65_537 }));
    // a place where no socket can be is another matter than a process that does not run
    let error = ask(&path, "x").await.expect_err("no folder");
    assert!(matches!(error, ControlError::Io { .. }), "{error}");
}

#[tokio::test]
async fn what_a_dead_process_left_is_replaced_and_a_living_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(SOCKET);
    drop(UnixListener::bind(&path).expect("bound"));
    let first = workers();
    serve(folder.path(), &first, |_, _| async { "first".to_owned() }).expect("replaced");
    let mode = std::fs::metadata(&path).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600, "for its owner only");

    let error = serve(folder.path(), &workers(), echo).expect_err("it is taken");
    assert!(matches!(error, ControlError::InUse { .. }), "{error}");
    assert_eq!(ask(folder.path(), "x").await.expect("one"), "first");

    // after an orderly end nothing is left, and the place is free
    assert!(first.stop(LONG).await.is_empty());
    assert!(!path.exists());
    serve(folder.path(), &workers(), echo).expect("it serves");
    assert_eq!(ask(folder.path(), "x").await.expect("one"), "asked x");
}

#[tokio::test]
async fn the_system_vouches_for_who_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let workers = workers();
    let answer = |caller: Caller, _| async move { format!("{caller:?}") };
    serve(folder.path(), &workers, answer).expect("it serves");
    let own = Caller::own().expect("this process");
    let said = ask(folder.path(), "who").await.expect("an answer");
    assert_eq!(said, format!("{own:?}"));
}

#[test]
fn users_are_known_by_their_number() {
    let users = "root:x:0:0:root:/root:/bin/sh\n\n# no user\nli:x:1000:1000:李明:/home/li:/bin/sh\nli2:x:1000:1::/:/\n:x:7:7::/:/\nbroken\n";
    let check = |uid, expected: Option<&str>| {
        assert_eq!(user_of(users, uid).as_deref(), expected, "{uid}");
    };
    check(0, Some("root"));
    check(1000, Some("li"));
    check(7, None);
    check(1001, None);
}

#[tokio::test]
async fn a_folder_in_its_place_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join(SOCKET)).expect("a folder in the way");
    let error = serve(folder.path(), &workers(), echo).expect_err("in the way");
    assert!(matches!(error, ControlError::Io { .. }), "{error}");
}
