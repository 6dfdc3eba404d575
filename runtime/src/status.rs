//! The status port: a small HTTP/1.1 server on loopback for `/healthz`, `/readyz`, `/metrics` and pages that the program adds.
//!
//! It reads, it changes nothing: only GET and HEAD, one request per connection, no bodies, everything bounded. The console
//! is another room's. Loopback is the whole protection, so other addresses are refused, and foreign `Host` names too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::descriptors;
use crate::listener::name::Name;
use crate::listener::{Arrival, Bounds, Gate, Stream};
use crate::telemetry::Metrics;
use crate::worker::{Shutdown, caught};

#[cfg(test)]
mod tests;

/// Bytes of a request's head.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Connections at once; beyond that the one that has waited longest for its request makes room.
pub const CONNECTIONS_MAX: usize = 64;
/// Within this a request must have arrived, and again its answer have been taken.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// What the port can answer. Built once, then given to [`Status::serve`].
#[derive(Default)]
pub struct Status {
    metrics: Metrics,
    checks: Vec<(&'static str, Check)>,
    pages: BTreeMap<&'static str, Handler>,
}

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;
type Handler = Box<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Page> + Send>> + Send + Sync>;

/// What a page is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path without the query.
    pub path: String,
    /// What follows `?`, undecoded; empty if nothing does.
    pub query: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its HTTP status.
    pub status: u16,
    /// Its content type with the character set.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Vec<u8>,
}

impl Page {
    /// An HTML page.
    pub fn html(body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, "text/html; charset=utf-8", body)
    }

    /// Plain text.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self::of(200, "text/plain; charset=utf-8", body)
    }

    /// A JSON document.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::of(status, "application/json", body)
    }

    fn of(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
        }
    }

    fn complaint(status: u16, text: &str) -> Self {
        Self::of(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }
}

/// Why the port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The address is not loopback.
    #[error("状态端口只能监听本机回环地址（如 127.0.0.1:7071），配置的是 {address}")]
    NotLoopback {
        /// What was configured.
        address: SocketAddr,
    },
    /// The system refuses the address.
    #[error("状态端口 {address} 无法监听，可能已被占用")]
    Listen {
        /// What was configured.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl Status {
    /// A port that shows these metrics.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            ..Self::default()
        }
    }

    /// Adds a readiness check. It must answer at once, from what is known already.
    pub fn check(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name, Box::new(check)));
        self
    }

    /// Adds a page at a path.
    pub fn page<F, Fut>(mut self, path: &'static str, page: F) -> Self
    where
        F: Fn(Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Page> + Send + 'static,
    {
        self.pages
            .insert(path, Box::new(move |request| Box::pin(page(request))));
        self
    }

    /// Listens and answers until shutdown. Returns the address, for a configured port 0, as soon as it listens.
    pub async fn serve(
        self,
        address: SocketAddr,
        shutdown: Shutdown,
    ) -> Result<SocketAddr, StatusError> {
        if !address.ip().is_loopback() {
            return Err(StatusError::NotLoopback { address });
        }
        let bounds = Bounds {
            connections: descriptors::connections(CONNECTIONS_MAX),
            // all of this machine is one party here
            per_party: CONNECTIONS_MAX,
            exempt: Vec::new(),
            life: 4 * REQUEST_TIME_MAX,
        };
        let gate = Gate::open("status port", address, bounds, None)
            .await
            .map_err(|source| StatusError::Listen { address, source })?;
        let bound = gate.address();
        let status = Arc::new(self);
        tokio::spawn(gate.serve(shutdown, move |arrival| {
            let status = status.clone();
            async move { serve_one(&status, arrival).await }
        }));
        Ok(bound)
    }

    async fn answer(&self, request: Request) -> Page {
        match request.path.as_str() {
            "/healthz" => Page::text("ok\n"),
            "/readyz" => self.readiness(),
            "/metrics" => Page::of(
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics.render(),
            ),
            path => match self.pages.get(path) {
                Some(page) => caught(page(request)).await.unwrap_or_else(|panic| {
                    tracing::error!(error = %panic, "status page panicked");
                    Page::complaint(500, "页面生成失败，详见日志")
                }),
                None => Page::complaint(404, "没有这个页面"),
            },
        }
    }

    fn readiness(&self) -> Page {
        let failing: Vec<(&str, String)> = self
            .checks
            .iter()
            .filter_map(|(name, check)| check().err().map(|why| (*name, why)))
            .collect();
        let mut json = format!("{{\"ready\":{},\"failing\":[", failing.is_empty());
        for (at, (name, why)) in failing.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(
                json,
                "{comma}{{\"check\":{},\"reason\":{}}}",
                json_text(name),
                json_text(why)
            );
        }
        json += "]}\n";
        Page::json(if failing.is_empty() { 200 } else { 503 }, json)
    }
}

/// A JSON string with its quotes.
pub fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

async fn serve_one(status: &Status, arrival: Arrival) {
    let Arrival {
        mut stream, place, ..
    } = arrival;
    let mut head = Vec::with_capacity(512);
    let (page, with_body) = match timeout(REQUEST_TIME_MAX, read_head(&mut stream, &mut head)).await
    {
        Ok(Ok(())) => match parse(&head) {
            Ok((request, with_body)) => {
                let _answering = place.answering();
                let page = timeout(REQUEST_TIME_MAX, status.answer(request)).await;
                let late = |_| Page::complaint(503, "页面未能及时生成");
                (page.unwrap_or_else(late), with_body)
            }
            Err(complaint) => (complaint, true),
        },
        Ok(Err(Some(complaint))) => (complaint, true),
        // gone or silent: nobody to answer
        Ok(Err(None)) | Err(_) => return,
    };
    let answer = async {
        let head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
             img-src data:; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n\r\n",
            page.status,
            reason(page.status),
            page.content_type,
            page.body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        if with_body {
            stream.write_all(&page.body).await?;
        }
        stream.shutdown().await?;
        // what the client still sends is read away, bounded, so that the answer is not lost to a reset
        let mut rest = [0; 1024];
        for _ in 0..16 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok::<(), io::Error>(())
    };
    // a client that went away or does not read is its own loss
    let _ = timeout(REQUEST_TIME_MAX, answer).await;
}

/// Reads up to the empty line. `Err(None)`: the client went away.
async fn read_head(stream: &mut Stream, head: &mut Vec<u8>) -> Result<(), Option<Page>> {
    let mut part = [0; 1024];
    loop {
        let read = stream.read(&mut part).await.map_err(|_| None)?;
        if read == 0 {
            return Err(None);
        }
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(&part[..read]);
        if let Some(end) = head[from..].windows(4).position(|w| w == b"\r\n\r\n") {
            head.truncate(from + end + 2);
            return Ok(());
        }
        if head.len() > REQUEST_BYTES_MAX {
            return Err(Some(Page::complaint(431, "请求头过长")));
        }
    }
}

/// The request, and whether its answer has a body.
fn parse(head: &[u8]) -> Result<(Request, bool), Page> {
    let wrong = |text: &str| Page::complaint(400, text);
    let head = std::str::from_utf8(head).map_err(|_| wrong("请求不是合法的 HTTP"))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(wrong("请求行不完整"));
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || !target.starts_with('/') {
        return Err(wrong("请求不是合法的 HTTP/1.1"));
    }
    let with_body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => return Err(Page::complaint(405, "只接受 GET 与 HEAD")),
    };
    let mut hosts = 0;
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| wrong("请求头有误"))?;
        if name.eq_ignore_ascii_case("host") {
            hosts += 1;
            if !Name::of_host_header(value.trim()).is_some_and(|name| name.is_local()) {
                // a page of the web could make a browser ask us under its own name
                return Err(Page::complaint(421, "只接受以本机名称访问"));
            }
        }
    }
    if hosts > 1 || hosts == 0 && version == "HTTP/1.1" {
        return Err(wrong("缺少 Host 或 Host 重复"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        path: path.to_owned(),
        query: query.to_owned(),
    };
    Ok((request, with_body))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
