//! Strangers at the listeners of a real node: sign-ins that their clients drop, requests that are never finished, HTTPS with the
//! local authority, and set-ups that are refused before anything is made.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use demo::process::{STATUS, ask};
use demo::site::{NodeSite, Ports};
use protocol::hash::sha256;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use tests::http::Request;
use tests::process::{Program, Running, temporary_folder};
use tests::real_city::party::{invite, node_site, ready, run};

use crate::desk::Desk;
use crate::host;
use crate::world::{CITY, HERE};

/// Within this a node must be its old self.
const RECOVERY: Duration = Duration::from_secs(20);
/// A command's time.
const LONG: Duration = Duration::from_secs(60);
/// Memory that a node may take whatever strangers do, in KiB.
const MEMORY_KIB_MAX: u64 = 256 << 10;
/// A name of the console.
const NAME: &str = "jg.example";

struct City {
    site: NodeSite,
    running: Running,
    folder: TempDir,
    ports: Ports,
}

impl City {
    /// A city whose configuration has these lines under `[console]`; its process may have so many files open.
    async fn new(console: &str, files: Option<u32>) -> Self {
        let folder = temporary_folder().expect("a folder");
        let ports = Ports::default();
        let site = node_site(folder.path(), "city", &ports).expect("a node on disk");
        add_to_console(&site, console);
        run(
            &host(),
            Program::City,
            "city",
            &site.found("测试市平台", CITY),
        )
        .expect("founded");
        let mut command = tests::reexec::command(
            std::path::Path::new(env!("CARGO_BIN_EXE_programs")),
            Program::City,
        );
        command.args(site.command("run"));
        if let Some(files) = files {
            command = limited(&command, files);
        }
        let running = Running::start("city", command, None).expect("started");
        ready(&site.data(), "city").await.expect("the city is up");
        Self {
            site,
            running,
            folder,
            ports,
        }
    }

    /// The most memory that the process ever had, in KiB, by the system's own account.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.pid()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse().ok())
            .expect("a figure")
    }
}

fn add_to_console(site: &NodeSite, lines: &str) {
    let path = site.config();
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let text = text.replace("[console]\n", &format!("[console]\n{lines}\n"));
    std::fs::write(&path, text).expect("written");
}

/// The same command under a limit of open files that it cannot raise.
fn limited(command: &Command, files: u32) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("ulimit -n {files} && exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Sends these bytes on a connection of its own and leaves it open.
fn leave_open(address: SocketAddr, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    // a listener that closes at once may be faster
    let _ = stream.write_all(bytes);
    Some(stream)
}

async fn healthy_within(city: &City, at_most: Duration) {
    let began = Instant::now();
    loop {
        let page = |address, path| {
            let answer = Request::get(path).send(address);
            answer.map_or_else(
                |error| error.to_string(),
                |answer| answer.status.to_string(),
            )
        };
        let seen = [
            page(city.site.console, "/sign-in"),
            page(city.site.status, "/healthz"),
            page(city.site.status, "/readyz"),
            match ask(&city.site.data(), STATUS).await {
                Some(_) => "200".to_owned(),
                None => "no answer at the control socket".to_owned(),
            },
        ];
        if seen.iter().all(|seen| seen == "200") {
            println!("healthy after {:?}", began.elapsed());
            return;
        }
        assert!(began.elapsed() < at_most, "{seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_that_their_clients_drop_cost_a_bounded_amount_of_memory() {
    // a proxy on this machine, so that every attempt is another client's and nobody is slowed down
    let city = City::new("trusted_proxies = [\"127.0.0.1\"]", None).await;
    let before = city.peak_kib();
    let form = Request::get("/sign-in")
        .send(city.site.console)
        .expect("the form");
    let token = form.text();
    let token = token
        .split_once("name=\"csrf\" value=\"")
        .expect("a token")
        .1;
    let token = token.split('"').next().expect("a token");
    let cookie = form.header("set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a cookie");
    let mut open = std::collections::VecDeque::new();
    for n in 0..2_000_u32 {
        let body = format!("csrf={token}&account=ghost{n}&password=not-the-password");
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nX-Forwarded-For: 10.{}.{}.1\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            n / 250,
            n % 250,
            body.len()
        );
        open.extend(leave_open(city.site.console, request.as_bytes()));
        if open.len() > 40 {
            open.pop_front();
        }
    }
    drop(open);
    healthy_within(&city, RECOVERY).await;
    Desk::sign_in(city.site.console);
    let peak = city.peak_kib();
    println!("peak {before} KiB before, {peak} KiB after 2,000 dropped sign-ins");
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_that_are_never_finished_leave_a_node_healthy() {
    runtime::descriptors::raise();
    for files in [None, Some(1_024)] {
        let city = City::new("", files).await;
        let mut open = Vec::new();
        for n in 0..1_000 {
            let half = match n % 3 {
                0 => &b""[..],
                1 => b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
                _ => {
                    b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ncsrf="
                }
            };
            open.extend(leave_open(city.site.console, half));
            if n % 4 == 0 {
                open.extend(leave_open(city.site.status, b"GET /healthz HTT"));
            }
        }
        healthy_within(&city, RECOVERY).await;
        assert_eq!(open.len(), 1_250);
        Desk::sign_in(city.site.console);
    }
}

/// Asks over TLS under a name, trusting this certificate only; what the server answered, or why there was no answer.
fn over_tls(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    name: &str,
    host: &str,
) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).map_err(|e| e.to_string())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let stream = TcpStream::connect(address).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(RECOVERY)).expect("set");
    let mut stream = StreamOwned::new(client, stream);
    let request = format!("GET /sign-in HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|e| e.to_string())?;
    let mut answer = Vec::new();
    // a server need not say goodbye after its answer
    if let Err(error) = stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(error.to_string());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_trusts_the_local_authority_reaches_the_console_over_https() {
    let mut city = City::new(
        &format!("tls = \"local\"\nnames = [\"{NAME}\", \"127.0.0.1\"]"),
        None,
    )
    .await;
    let offered = Request::get("/authority.crt")
        .send(city.site.status)
        .expect("offered");
    assert_eq!(
        offered.header("content-type"),
        Some("application/x-x509-ca-cert")
    );
    let file = std::fs::read(city.site.data().join("authority.crt")).expect("a file");
    assert_eq!(offered.body, file);
    let trusted = CertificateDer::from_pem_slice(&offered.body).expect("a certificate");
    let pairs: Vec<String> = sha256(&[&trusted])
        .0
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    city.running
        .wait_line(&pairs.join(":"), LONG)
        .expect("told in the terminal");
    city.running
        .wait_line(&format!("https://{NAME}:"), LONG)
        .expect("told in the terminal");

    let console = city.site.console;
    let page = over_tls(console, &trusted, NAME, NAME).expect("reached");
    let head = page
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("</html>"),
        "{head}"
    );
    assert!(
        head.contains("; secure") && head.contains("strict-transport-security"),
        "{head}"
    );
    let address = over_tls(console, &trusted, "127.0.0.1", "127.0.0.1").expect("reached");
    assert!(address.starts_with("HTTP/1.1 200"));
    let wrong = over_tls(console, &trusted, "other.example", NAME).expect_err("another name");
    assert!(
        wrong.contains("NotValidForName") || wrong.contains("not valid for name"),
        "{wrong}"
    );
    let foreign = over_tls(console, &trusted, NAME, "other.example").expect("an answer");
    assert!(foreign.starts_with("HTTP/1.1 421"), "{foreign}");
    assert!(
        Request::get("/sign-in").send(console).is_err(),
        "plain HTTP is not answered"
    );

    // the authority stays over a restart, and is another installation's nowhere
    city.running.terminate(LONG).expect("stopped");
    let running = host().start(Program::City, "city", city.site.command("run"));
    let _running = running.expect("started");
    ready(&city.site.data(), "city").await.expect("up again");
    over_tls(console, &trusted, NAME, NAME).expect("reached again");
    let other = City::new(&format!("tls = \"local\"\nnames = [\"{NAME}\"]"), None).await;
    let stranger = over_tls(other.site.console, &trusted, NAME, NAME).expect_err("not trusted");
    assert!(
        stranger.contains("UnknownIssuer") || stranger.contains("BadSignature"),
        "{stranger}"
    );
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_anything_is_made() {
    let city = City::new("", None).await;
    // beyond loopback only over HTTPS and under names
    let open = node_site(city.folder.path(), "open", &city.ports).expect("a node on disk");
    let text = std::fs::read_to_string(open.config()).expect("a configuration");
    let listen = format!("listen = \"{}\"", open.console);
    let check = |console: &str, words: &str| {
        std::fs::write(open.config(), text.replace(&listen, console)).expect("written");
        for args in [open.command("check-config"), open.found("测试市平台", CITY)] {
            let done = host()
                .run(Program::City, "open", &args, LONG)
                .expect("it ends");
            let said = done.stderr.join("\n");
            assert_eq!(done.status.code(), Some(78), "{said}");
            assert!(said.contains(words), "{said}");
        }
        assert!(!open.data().exists());
    };
    check("listen = \"0.0.0.0:0\"", "必须启用 HTTPS");
    check("listen = \"0.0.0.0:0\"\ntls = \"local\"", "console.names");

    // a password that cannot be one spends no code and makes no node
    let words = [
        "--kind",
        "district",
        "--title",
        HERE,
        "--jurisdiction",
        HERE,
        "--organisation",
        "370102.zx",
    ];
    let code = invite(&host(), Program::City, &city.site, &words).expect("a code");
    let here = node_site(city.folder.path(), HERE, &city.ports).expect("a node on disk");
    let password = std::fs::read(here.password_file()).expect("a password");
    std::fs::write(here.password_file(), "short").expect("written");
    let done = host()
        .run(Program::District, HERE, here.join(&code), LONG)
        .expect("it ends");
    let said = done.stderr.join("\n");
    assert!(
        !done.status.success() && said.contains("口令至少"),
        "{said}"
    );
    assert!(!here.data().exists(), "nothing was made");
    std::fs::write(here.password_file(), password).expect("written");
    run(&host(), Program::District, HERE, &here.join(&code)).expect("the code is still good");
}
