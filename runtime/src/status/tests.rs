//! The status port over real sockets: answers, bounds, and what it refuses.

use tokio::net::TcpStream;

use super::*;

async fn port() -> (SocketAddr, Shutdown) {
    let metrics = Metrics::new();
    metrics.counter("zongheng_test_total", "Test.", &[]).add(7);
    let shutdown = Shutdown::new();
    let address = Status::new(metrics)
        .check("db", || Ok(()))
        .check("link", || Err("上级\"断开\"".to_owned()))
        .page("/", |request| async move {
            Page::html(format!("<p>{}</p>", request.query))
        })
        .page("/panic", |_| async { panic!("broken page") })
        .serve("127.0.0.1:0".parse().expect("address"), shutdown.clone())
        .await
        .expect("listening");
    (address, shutdown)
}

async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connecting");
    // a server that refuses early may have closed already
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

async fn check(address: SocketAddr, request: &str, status: u16, contains: &str) {
    let answer = ask(address, request.as_bytes()).await;
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{request} → {answer}"
    );
    assert!(answer.contains(contains), "{request} → {answer}");
}

#[tokio::test]
async fn requests_are_answered_or_refused() {
    let (address, shutdown) = port().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost:1\r\n\r\n");
    check(address, &get("/healthz"), 200, "\r\n\r\nok\n").await;
    check(
        address,
        &get("/readyz"),
        503,
        "{\"ready\":false,\"failing\":[{\"check\":\"link\",\"reason\":\"上级\\\"断开\\\"\"}]}",
    )
    .await;
    check(address, &get("/metrics"), 200, "zongheng_test_total 7\n").await;
    check(address, &get("/?a=b"), 200, "<p>a=b</p>").await;
    check(address, &get("/panic"), 500, "详见日志").await;
    check(address, &get("/healthz"), 200, "ok").await;
    check(address, &get("/none"), 404, "没有").await;
    let head = ask(address, b"HEAD /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"));
    let host = |line: &str| format!("GET /healthz HTTP/1.1\r\n{line}\r\n");
    check(address, &host("Host: evil.example\r\n"), 421, "本机").await;
    check(address, &host(""), 400, "Host").await;
    check(
        address,
        &host("Host: localhost\r\nHost: localhost\r\n"),
        400,
        "Host",
    )
    .await;
    check(
        address,
        "POST /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        405,
        "GET",
    )
    .await;
    check(address, "\x01\x02\r\n\r\n", 400, "请求").await;
    check(
        address,
        "GET http://x/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        400,
        "HTTP",
    )
    .await;
    shutdown.begin();
}

#[tokio::test]
async fn a_long_head_is_cut_and_silent_clients_do_not_block_others() {
    let (address, shutdown) = port().await;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}",
        "x".repeat(2 * REQUEST_BYTES_MAX)
    );
    check(address, &long, 431, "过长").await;
    let mut silent = Vec::new();
    for _ in 0..3 * CONNECTIONS_MAX {
        silent.push(TcpStream::connect(address).await.expect("connecting"));
    }
    check(address, "GET /healthz HTTP/1.0\r\n\r\n", 200, "ok").await;
    shutdown.begin();
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let error = Status::default()
        .serve("0.0.0.0:0".parse().expect("address"), Shutdown::new())
        .await
        .expect_err("not loopback");
    assert!(error.to_string().contains("回环"));
}
