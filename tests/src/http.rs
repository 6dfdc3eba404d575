//! A small HTTP/1.1 client for asking our own programs and the browser's driver, one connection per question. It follows
//! no redirect and keeps no cookie, so that a test sees exactly what was answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use thiserror::Error;

/// The longest answer that is read. Pages are far smaller; a program that sends more is at fault.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long one question may take.
const ANSWER_SECONDS_MAX: u64 = 30;
/// How long to wait before asking again in [`wait_answer`].
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A question to one server.
#[derive(Debug, Clone)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header names in lower case with their values, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its transfer coding.
    pub body: Vec<u8>,
}

/// Why there is no answer to a question.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Nothing listens, or the connection broke.
    #[error("{address} did not answer: {source}")]
    Connection {
        /// Whom we asked.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// What came back is not HTTP/1.1; the server is at fault.
    #[error("{address} sent something that is not an HTTP answer: {reason}")]
    Malformed {
        /// Whom we asked.
        address: SocketAddr,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server did not answer in the time given.
    #[error("{address}{path} had no answer after {waited:?}; last: {last}")]
    Timeout {
        /// Whom we asked.
        address: SocketAddr,
        /// For what.
        path: String,
        /// How long.
        waited: Duration,
        /// How the last try ended.
        last: String,
    },
}

impl Request {
    /// A GET of `path`, query included.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A POST of a form.
    pub fn post_form(path: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{}={}", percent(name), percent(value)));
        let body = body.collect::<Vec<_>>().join("&").into_bytes();
        let request = Self {
            body,
            ..Self::new("POST", path)
        };
        request.header("content-type", "application/x-www-form-urlencoded")
    }

    /// A POST of a JSON value.
    pub fn post_json(path: impl Into<String>, value: &serde_json::Value) -> Self {
        let request = Self {
            body: value.to_string().into_bytes(),
            ..Self::new("POST", path)
        };
        request.header("content-type", "application/json; charset=utf-8")
    }

    fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks `address` and reads the whole answer.
    pub fn send(&self, address: SocketAddr) -> Result<Answer, HttpError> {
        let broken = |source| HttpError::Connection { address, source };
        let stream = self.ask(address).map_err(broken)?;
        read_answer(BufReader::new(stream.take(ANSWER_BYTES_MAX))).map_err(|fault| match fault {
            Fault::Broken(source) => broken(source),
            Fault::Malformed(reason) => HttpError::Malformed { address, reason },
        })
    }

    fn ask(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nconnection: close\r\n",
            self.method, self.path
        );
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: {address}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)?;
        Ok(stream)
    }
}

impl Answer {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, with what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// Asks `address` for `path` until it answers with any status below 500, or the time is over.
pub fn wait_answer(
    address: SocketAddr,
    path: &str,
    timeout: Duration,
) -> Result<Answer, HttpError> {
    let began = Instant::now();
    loop {
        let last = match Request::get(path).send(address) {
            Ok(answer) if answer.status < 500 => return Ok(answer),
            Ok(answer) => format!("status {}", answer.status),
            Err(error) => error.to_string(),
        };
        if began.elapsed() >= timeout {
            return Err(HttpError::Timeout {
                address,
                path: path.to_owned(),
                waited: timeout,
                last,
            });
        }
        std::thread::sleep(RETRY_PAUSE);
    }
}

/// Percent-encodes everything but what RFC 3986 leaves unreserved.
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

enum Fault {
    Broken(std::io::Error),
    Malformed(&'static str),
}

impl From<std::io::Error> for Fault {
    fn from(source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::UnexpectedEof => Fault::Malformed("it ends early"),
            _ => Fault::Broken(source),
        }
    }
}

/// Reads exactly one answer: a server that keeps the connection open must not keep us waiting.
fn read_answer(mut from: impl BufRead) -> Result<Answer, Fault> {
    let status = line(&mut from)?
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok());
    let status = status.ok_or(Fault::Malformed("no status code"))?;
    let mut headers = Vec::new();
    loop {
        let line = line(&mut from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line
            .split_once(':')
            .ok_or(Fault::Malformed("a header without a colon"))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if answer
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let size = line(&mut from)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .map_err(|_| Fault::Malformed("a chunk size is not a number"))?;
            if size == 0 {
                break;
            }
            read_exactly(&mut from, size, &mut answer.body)?;
            line(&mut from)?;
        }
    } else if let Some(length) = answer.header("content-length") {
        let length = length
            .parse()
            .map_err(|_| Fault::Malformed("content-length is not a number"))?;
        read_exactly(&mut from, length, &mut answer.body)?;
    } else if !matches!(status, 204 | 304) {
        from.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn line(from: &mut impl BufRead) -> Result<String, Fault> {
    let mut raw = Vec::new();
    from.read_until(b'\n', &mut raw)?;
    let text = std::str::from_utf8(&raw).map_err(|_| Fault::Malformed("headers are not UTF-8"))?;
    let line = text
        .strip_suffix("\r\n")
        .ok_or(Fault::Malformed("it ends early"))?;
    Ok(line.to_owned())
}

fn read_exactly(from: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> Result<(), Fault> {
    let read = from.take(length).read_to_end(into)?;
    if u64::try_from(read) == Ok(length) {
        Ok(())
    } else {
        Err(Fault::Malformed("it ends early"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Result<(u16, &str), &'static str>) {
        let got = match read_answer(raw.as_bytes()) {
            Ok(answer) => Ok((answer.status, answer.text())),
            Err(Fault::Malformed(reason)) => Err(reason),
            Err(Fault::Broken(source)) => panic!("memory does not break: {source}"),
        };
        assert_eq!(
            got,
            expected.map(|(status, body)| (status, body.to_owned())),
            "{raw:?}"
        );
    }

    #[test]
    fn answers_are_read_in_every_framing() {
        check("HTTP/1.1 200 OK\r\n\r\nall", Ok((200, "all")));
        check(
            "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nnoise",
            Ok((404, "no")),
        );
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            Ok((200, "abcde")),
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            Err("it ends early"),
        );
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc",
            Err("it ends early"),
        );
        check("HTTP/1.1 200 OK\r\n", Err("it ends early"));
        check("HTTP/1.1 x\r\n\r\n", Err("no status code"));
    }

    #[test]
    fn forms_are_encoded() {
        let request = Request::post_form("/sign-in", &[("账号", "a&b=c d")]);
        assert_eq!(request.body, b"%E8%B4%A6%E5%8F%B7=a%26b%3Dc%20d");
    }
}
