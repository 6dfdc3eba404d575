//! HTTPS against a client that trusts what it was given and nothing else.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::*;

const DAY_S: i64 = 86_400;
const NOW_S: i64 = 1_790_000_000;

#[derive(Debug)]
struct Then(i64);

impl TimeProvider for Then {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            self.0.unsigned_abs(),
        )))
    }
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts
        .iter()
        .map(|t| Name::parse(t).expect("a name"))
        .collect()
}

/// What a client at that time, who trusts this certificate, says of a server that it asks under this name.
fn shake(https: &Https, trusted: &str, name: &str, now_s: i64) -> Result<(), String> {
    shake_with(https.shown.clone(), trusted, name, now_s)
}

fn shake_with(
    shown: Arc<dyn ResolvesServerCert>,
    trusted: &str,
    name: &str,
    now_s: i64,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    let anchor = CertificateDer::from_pem_slice(trusted.as_bytes()).expect("a certificate");
    roots.add(anchor).expect("an anchor");
    let config = ClientConfig::builder_with_details(provider(), Arc::new(Then(now_s)))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(shown);
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("written");
        server.read_tls(&mut bytes.as_slice()).expect("read");
        server.process_new_packets().map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).expect("written");
        client.read_tls(&mut bytes.as_slice()).expect("read");
        client.process_new_packets().map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn authority(folder: &Path, texts: &[&str], now_s: i64) -> Authority {
    let path = folder.join("authority.pem");
    Authority::load_or_make(&path, &names(texts), now_s).expect("an authority")
}

#[test]
fn who_trusts_the_local_authority_reaches_the_configured_names_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |texts: &[&str], asked: &str, expected: bool| {
        let authority = authority(folder.path(), texts, NOW_S);
        let trusted = authority.pem().to_owned();
        let https = Https::local(authority, NOW_S).expect("https");
        let said = shake(&https, &trusted, asked, NOW_S);
        assert_eq!(said.is_ok(), expected, "{texts:?} {asked}: {said:?}");
    };
    let both = ["jg.example", "10.0.0.10"];
    check(&both, "jg.example", true);
    check(&both, "10.0.0.10", true);
    check(&both, "other.example", false);
    check(&both, "10.0.0.11", false);
    check(&["fd00::1"], "fd00::1", true);
    check(&["zhjg"], "zhjg", true);
}

#[test]
fn the_authority_is_worth_nothing_for_other_names() {
    // one with wider constraints lends its leaf to one that is trusted for less
    let (wide, narrow) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let check = |permitted: &[&str], asked: &str| {
        let first = authority(wide.path(), &[asked], NOW_S);
        // the same key, trusted for other names: whoever has stolen it gets no further
        let file = std::fs::read(wide.path().join("authority.pem")).expect("read");
        std::fs::write(narrow.path().join("authority.pem"), file).expect("written");
        let trusted = authority(narrow.path(), permitted, NOW_S);
        let https = Https::local(first, NOW_S).expect("https");
        let said = shake(&https, trusted.pem(), asked, NOW_S).expect_err("constrained");
        assert!(
            said.contains("NameConstraint"),
            "{permitted:?} {asked}: {said}"
        );
    };
    check(&["jg.example"], "bank.example");
    check(&["jg.example"], "10.0.0.1");
    check(&["jg.example"], "fd00::1");
    check(&["10.0.0.1"], "10.0.0.2");
    check(&["10.0.0.1"], "jg.example");
    check(&["10.0.0.1"], "fd00::1");
    check(&["fd00::1"], "10.0.0.1");
}

#[test]
fn certificates_are_renewed_in_time_and_bear_slow_clocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = authority(folder.path(), &["jg.example"], NOW_S);
    let trusted = authority.pem().to_owned();
    let https = Https::local(authority, NOW_S).expect("https");
    let check = |days: i64, expected: bool| {
        let said = shake(&https, &trusted, "jg.example", NOW_S + days * DAY_S);
        assert_eq!(said.is_ok(), expected, "day {days}: {said:?}");
    };
    check(-29, true);
    check(-31, false);
    check(366, true);
    check(368, false);
    let renewed = |days: i64| https.renew(NOW_S + days * DAY_S).expect("looked");
    assert!(!renewed(0) && !renewed(243));
    assert!(renewed(245));
    check(368, true);
    assert!(!renewed(245));
    assert!(renewed(0), "a clock that was set right");
    check(0, true);
}

/// A certificate as an operator would have bought it, its key, and what is above it.
fn bought(folder: &Path, texts: &[&str]) -> (PathBuf, PathBuf, String) {
    let authority = authority(folder, texts, NOW_S);
    let leaf = authority.leaf(NOW_S).expect("a leaf");
    let (certificate, key) = (folder.join("c.pem"), folder.join("k.pem"));
    let pem = |what: &str, der: &[u8]| {
        let encoded = base64(der);
        format!("-----BEGIN {what}-----\n{encoded}\n-----END {what}-----\n")
    };
    std::fs::write(&certificate, pem("CERTIFICATE", &leaf.certificate)).expect("written");
    std::fs::write(&key, pem("PRIVATE KEY", leaf.key.secret_der())).expect("written");
    private(&key, 0o600);
    (certificate, key, authority.pem().to_owned())
}

fn private(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let number =
            part.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at <= part.len() { letter } else { '=' });
        }
    }
    out
}

#[test]
fn a_given_certificate_is_shown_and_exchanged_when_its_files_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key, trusted) = bought(folder.path(), &["jg.example"]);
    let https = Https::given(&certificate, &key, &names(&["jg.example"]), NOW_S).expect("https");
    shake(&https, &trusted, "jg.example", NOW_S).expect("trusted");
    assert!(!https.renew(NOW_S).expect("looked"));
    let shown = https.shown.now().files;
    std::fs::write(&certificate, "half written").expect("written");
    https.renew(NOW_S).expect_err("not usable");
    assert_eq!(https.shown.now().files, shown, "the former one stays");
    bought(folder.path(), &["jg.example"]);
    assert!(https.renew(NOW_S).expect("looked"));
    assert_ne!(https.shown.now().files, shown);
    shake(&https, &trusted, "jg.example", NOW_S).expect("trusted");
}

#[test]
fn what_cannot_be_shown_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key, _) = bought(folder.path(), &["jg.example"]);
    let check = |asked: &str, change: &dyn Fn(), expected: &str| {
        bought(folder.path(), &["jg.example"]);
        change();
        let https = Https::given(&certificate, &key, &names(&[asked]), NOW_S);
        let error = https.err().expect("refused").to_string();
        assert!(error.contains(expected), "{error}");
    };
    let write = |path: &Path, text: &str| std::fs::write(path, text).expect("written");
    let of_another = tempfile::tempdir().expect("a folder");
    let other = bought(of_another.path(), &["jg.example"]).1;
    check("other.example", &|| {}, "没有配置的名称 other.example");
    check("10.0.0.1", &|| {}, "没有配置的名称 10.0.0.1");
    check("jg.example", &|| write(&certificate, ""), "没有证书");
    check("jg.example", &|| write(&key, ""), "没有私钥");
    check(
        "jg.example",
        &|| {
            std::fs::copy(&other, &key).expect("copied");
        },
        "不匹配",
    );
    check("jg.example", &|| private(&key, 0o644), "chmod");
    check(
        "jg.example",
        &|| std::fs::remove_file(&certificate).expect("removed"),
        "无法读写",
    );
}
