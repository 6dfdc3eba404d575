//! The console's part of a node's configuration: where it listens, under which names, over what, and behind whom.

use std::net::SocketAddr;
use std::path::PathBuf;

use runtime::listener::name::Name;
use runtime::listener::prefix::Prefix;
use serde::Deserialize;

/// The web console. Beyond loopback it listens over HTTPS and under configured names only (D44, D77).
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct ConsoleConfig {
    /// TCP address.
    pub listen: SocketAddr,
    /// Names and addresses under which people reach it, beside those of this machine itself.
    pub names: Vec<Name>,
    /// HTTPS by itself; plain HTTP if absent.
    pub tls: Option<TlsConfig>,
    /// Reverse proxies, which are believed about who asks.
    pub trusted_proxies: Vec<Prefix>,
}

/// Whose certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsConfig {
    /// One of the local authority.
    Local,
    /// One that was given.
    Given {
        /// PEM file with the certificate and those above it.
        certificate: PathBuf,
        /// PEM file with its private key.
        key: PathBuf,
    },
}

#[derive(Deserialize)]
struct Written {
    listen: SocketAddr,
    #[serde(default)]
    names: Vec<Name>,
    tls: Option<WrittenTls>,
    #[serde(default)]
    trusted_proxies: Vec<Prefix>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "console.tls 应为 \"local\"（本地证书机构），或 { certificate = \"证书.pem\", key = \"私钥.pem\" }"
)]
enum WrittenTls {
    Word(Word),
    Files { certificate: PathBuf, key: PathBuf },
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Local,
}

impl TryFrom<Written> for ConsoleConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            listen,
            names,
            tls,
            trusted_proxies,
        } = written;
        if !listen.ip().to_canonical().is_loopback() {
            if tls.is_none() {
                return Err(format!(
                    "控制台在 {listen} 监听，不是本机回环地址，必须启用 HTTPS：请设置 console.tls，\
                     或改为在回环地址（如 127.0.0.1:8080）监听，由本机的反向代理提供 HTTPS"
                ));
            }
            if names.is_empty() {
                return Err(format!(
                    "控制台在 {listen} 监听，不是本机回环地址，必须在 console.names 中列出访问时使用的主机名或 IP 地址"
                ));
            }
        }
        Ok(Self {
            listen,
            names,
            tls: tls.map(|tls| match tls {
                WrittenTls::Word(Word::Local) => TlsConfig::Local,
                WrittenTls::Files { certificate, key } => TlsConfig::Given { certificate, key },
            }),
            trusted_proxies,
        })
    }
}

impl ConsoleConfig {
    /// A console on loopback, over plain HTTP, behind nobody.
    pub fn local(listen: SocketAddr) -> Self {
        Self {
            listen,
            names: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
        }
    }

    /// The names that a certificate of the local authority is for: those configured, or those of this machine itself.
    pub fn certified_names(&self) -> Vec<Name> {
        if self.names.is_empty() {
            let own = Name::Address(self.listen.ip().to_canonical());
            return vec![Name::Host("localhost".to_owned()), own];
        }
        self.names.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Whole {
        console: ConsoleConfig,
    }

    fn read(text: &str) -> Result<ConsoleConfig, String> {
        let text = format!("\n[console]\n{text}\n");
        runtime::config::parse::<Whole>(Path::new("c.toml"), &text, super::super::KNOWN)
            .map(|whole| whole.console)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn beyond_loopback_the_console_needs_https_and_names() {
        let check = |text: &str, expected: Result<(), &str>| match (read(text), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (read, expected) => panic!("{text}: {read:?}, expected {expected:?}"),
        };
        let here = "listen = \"127.0.0.1:8080\"";
        let all = "listen = \"0.0.0.0:8443\"";
        let mapped = "listen = \"[::ffff:10.0.0.1]:8443\"";
        let names = "names = [\"jg.example\", \"10.0.0.10\"]";
        let local = "tls = \"local\"";
        let given = "tls = { certificate = \"c.pem\", key = \"k.pem\" }";
        check(here, Ok(()));
        check("listen = \"[::1]:8080\"", Ok(()));
        check(&format!("{here}\n{local}"), Ok(()));
        check(&format!("{all}\n{names}\n{local}"), Ok(()));
        check(&format!("{all}\n{names}\n{given}"), Ok(()));
        check(all, Err("必须启用 HTTPS"));
        check(&format!("{all}\n{names}"), Err("必须启用 HTTPS"));
        check(&format!("{mapped}\n{names}"), Err("必须启用 HTTPS"));
        check(&format!("{all}\n{local}"), Err("console.names"));
        check(&format!("{here}\ntls = \"lokal\""), Err("console.tls 应为"));
        check(
            &format!("{here}\ntls = {{ certificate = \"c.pem\" }}"),
            Err("console.tls 应为"),
        );
        check(&format!("{here}\nnames = [\"a:80\"]"), Err("不带端口"));
        check(
            &format!("{here}\ntrusted_proxies = [\"10.0.0.1/8\"]"),
            Err("网段"),
        );
        check(
            &format!("{here}\ntrusted_proxy = [\"10.0.0.1\"]"),
            Err("trusted_proxies"),
        );
    }

    #[test]
    fn without_names_a_certificate_is_for_this_machine() {
        let names = |text: &str| {
            let names = read(text).expect("good").certified_names();
            names.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            names("listen = \"127.0.0.1:1\""),
            ["localhost", "127.0.0.1"]
        );
        assert_eq!(
            names("listen = \"127.0.0.1:1\"\nnames = [\"JG.example\"]"),
            ["jg.example"]
        );
    }
}
