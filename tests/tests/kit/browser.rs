//! The browser sees what it should see: errors, foreign requests, sideways scrolling, focus, pages without scripts. Served
//! from one tiny page, so that these checks are known to fail where a page breaks its promise.

use std::net::SocketAddr;

use tests::browser::{Browser, Look};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const GOOD: &str = "<!doctype html><html lang=zh-CN><meta charset=utf-8><title>主体查询</title>
    <link rel=icon href='data:,'><body><h1>主体查询</h1><form><input name=q><button id=go>查询</button></form>
    <a href='/'>首页</a><p id=by></p><script>document.getElementById('by').textContent = '脚本已运行'</script>";
const BAD: &str = "<!doctype html><html lang=zh-CN><meta charset=utf-8><title>坏页</title><link rel=icon href='data:,'>
    <style>a:focus { outline: none }</style><body><div style='width: 3000px'>宽</div><a href='/'>首页</a>
    <img src='http://localhost:9/foreign.png' alt=''><script>throw new Error('broken page')</script>";

/// Serves `GOOD` at `/` and `BAD` at `/bad` until the test ends.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 16 << 10];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let page = if head[..read].starts_with(b"GET /bad") {
                    BAD
                } else {
                    GOOD
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}",
                    page.len()
                );
                // The browser may hang up before it has read everything.
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_of_a_page_are_checked() {
    let origin = format!("http://{}", serve().await);
    let mut browser = Browser::start().await.expect("Chromium starts");
    browser.open(&origin).await.expect("the page opens");
    assert_eq!(browser.client().title().await.expect("a title"), "主体查询");
    assert_eq!(
        browser.console_errors().expect("a log"),
        Vec::<String>::new()
    );
    assert_eq!(
        browser.foreign_requests(&origin).expect("a log"),
        Vec::<String>::new()
    );
    assert!(
        browser
            .requests()
            .expect("a log")
            .contains(&format!("{origin}/"))
    );
    assert!(!browser.scrolls_sideways().await.expect("a measure"));
    let way = browser.tab_through(10).await.expect("keys work");
    let names: Vec<_> = way
        .iter()
        .map(|stop| (stop.element.as_str(), stop.visible))
        .collect();
    assert_eq!(
        names,
        [
            ("input[q] ", true),
            ("button#go 查询", true),
            ("a 首页", true)
        ]
    );
    let folder = tests::process::temporary_folder().expect("a folder");
    let picture = folder.path().join("page.png");
    browser.screenshot(&picture).await.expect("a picture");
    assert!(
        std::fs::read(&picture)
            .expect("it is there")
            .starts_with(b"\x89PNG")
    );

    browser
        .open(&format!("{origin}/bad"))
        .await
        .expect("the page opens");
    assert!(browser.scrolls_sideways().await.expect("a measure"));
    let way = browser.tab_through(10).await.expect("keys work");
    assert_eq!(
        way.iter().map(|stop| stop.visible).collect::<Vec<_>>(),
        [false]
    );
    let errors = browser.console_errors().expect("a log");
    assert!(
        errors.iter().any(|error| error.contains("broken page")),
        "{errors:?}"
    );
    let foreign = browser.foreign_requests(&origin).expect("a log");
    assert_eq!(foreign, ["http://localhost:9/foreign.png"]);
    browser.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_seen_narrow_and_without_scripts() {
    let origin = format!("http://{}", serve().await);
    let look = Look {
        width: 360,
        height: 640,
        scripts: false,
    };
    let browser = Browser::start_with(look).await.expect("Chromium starts");
    browser.open(&origin).await.expect("the page opens");
    let by = browser
        .client()
        .find(fantoccini::Locator::Css("#by"))
        .await
        .expect("it is there");
    assert_eq!(by.text().await.expect("its text"), "");
    let wide = browser
        .evaluate("return document.documentElement.clientWidth")
        .await
        .expect("a measure");
    assert_eq!(wide.as_u64(), Some(360));
    assert!(!browser.scrolls_sideways().await.expect("a measure"));
}
