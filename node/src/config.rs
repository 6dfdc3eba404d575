//! Configuration of a node, the same keys on both tiers: text to values in one place. Every key is explained in
//! `deploy/config/city.toml` and `deploy/config/district.toml`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use protocol::admission::code::ADDRESS_BYTES_MAX;
use runtime::config::{self, ConfigError, SecretFile, Size};
use runtime::telemetry::{self, LogForm};
use serde::Deserialize;
use store::{Engine, StoreConfig};

mod console;

pub use self::console::{ConsoleConfig, TlsConfig};

const KNOWN: &[&str] = &[
    "node.folder",
    "node.disk_low",
    "link.listen",
    "link.public",
    "console.listen",
    "console.names",
    "console.tls",
    "console.tls.certificate",
    "console.tls.key",
    "console.trusted_proxies",
    "status.listen",
    "store.engine",
    "store.url_file",
    "store.cache",
    "log.form",
    "log.level",
    "test.clock_offset_s",
    "test.marker",
];

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The node itself.
    pub node: NodeConfig,
    /// Links to other installations.
    pub link: LinkConfig,
    /// The web console.
    pub console: ConsoleConfig,
    /// Health and metrics.
    pub status: ListenConfig,
    /// The database.
    #[serde(default)]
    pub store: DatabaseConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
    /// For tests only.
    pub test: Option<TestConfig>,
}

/// The node itself.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeConfig {
    /// Data folder: keys, statements and, on SQLite, the database.
    pub folder: PathBuf,
    /// Room on its disk below which people are told.
    pub disk_low: Option<Size>,
}

/// Links to other installations.
#[derive(Debug, Clone, Deserialize)]
pub struct LinkConfig {
    /// UDP address to listen at.
    pub listen: SocketAddr,
    /// The same as others reach it, for join codes; the listening address if absent.
    pub public: Option<String>,
}

/// An address to listen at.
#[derive(Debug, Clone, Deserialize)]
pub struct ListenConfig {
    /// TCP address on loopback.
    pub listen: SocketAddr,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct DatabaseConfig {
    /// `sqlite` or `postgres`.
    pub engine: EngineName,
    /// File that holds the PostgreSQL address with its password.
    pub url_file: Option<PathBuf>,
    /// Page cache on SQLite.
    pub cache: Size,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// The embedded default.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            engine: EngineName::Sqlite,
            url_file: None,
            cache: Size(64 << 20),
        }
    }
}

/// Logging.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// Text or JSON.
    pub form: LogForm,
    /// Level, per room if wanted.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            form: LogForm::Text,
            level: "info".to_owned(),
        }
    }
}

/// For tests only.
#[derive(Debug, Clone, Deserialize)]
pub struct TestConfig {
    /// The marker that permits what follows.
    pub marker: Option<String>,
    /// Offset of this process's clock.
    #[serde(default)]
    pub clock_offset_s: i64,
}

impl Config {
    /// Reads the file; unknown keys are refused with the nearest known one.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config::load(path, KNOWN)
    }

    /// What keeps a node from starting with these values, each with what to do; empty if nothing does. Reads the file with
    /// the address of the database, and nothing else.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(error) = telemetry::check_filter(&self.log.level) {
            faults.push(format!("log.level：{error}"));
        }
        match (self.store.engine, &self.store.url_file) {
            (EngineName::Postgres, None) => faults.push(
                "store.engine 为 postgres 时必须填写 store.url_file（存放数据库连接串的文件，权限 0600）".to_owned(),
            ),
            (EngineName::Postgres, Some(file)) => {
                if let Err(error) = SecretFile(file.clone()).read() {
                    faults.push(format!("store.url_file：{error}"));
                }
            }
            (EngineName::Sqlite, Some(_)) => faults.push(
                "store.url_file 只用于 postgres；要用 PostgreSQL 请写 engine = \"postgres\"，否则请删除 url_file".to_owned(),
            ),
            (EngineName::Sqlite, None) => {}
        }
        if let Err(error) = self.advertised() {
            faults.push(error);
        }
        faults
    }

    /// The address that join codes carry, if others can reach it.
    pub fn advertised(&self) -> Result<String, String> {
        let Some(public) = &self.link.public else {
            let listen = self.link.listen;
            return if listen.ip().is_unspecified() {
                Err(format!(
                    "link.listen 为 {listen}（所有网卡）时必须填写 link.public：对方连接本节点的地址和端口，如 `10.0.0.10:{}`；它写入接入码",
                    listen.port()
                ))
            } else {
                Ok(listen.to_string())
            };
        };
        let wrong = |why: &str| {
            Err(format!(
                "link.public 不能是 `{public}`：{why}；请填写对方连接本节点的地址和端口，如 `10.0.0.10:4433`"
            ))
        };
        let Some((host, port)) = public.rsplit_once(':') else {
            return wrong("缺少端口");
        };
        let bare = host.trim_matches(['[', ']']);
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return wrong("端口应为 1 至 65535");
        }
        match bare.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => wrong("这是「所有网卡」，对方无法连接"),
            Ok(IpAddr::V6(_)) if bare == host => wrong("IPv6 地址须用方括号括起"),
            Ok(_) => Ok(public.clone()),
            Err(_)
                if bare.is_empty()
                    || bare.contains(|c: char| c.is_whitespace() || c == ':' || c == '/') =>
            {
                wrong("主机名有误")
            }
            Err(_) if public.len() > ADDRESS_BYTES_MAX => wrong("超过 64 字节"),
            Err(_) => Ok(public.clone()),
        }
    }

    /// How to open the store, given the node's database folder.
    pub fn store(&self, folder: PathBuf) -> Result<StoreConfig, ConfigError> {
        let engine = match (self.store.engine, &self.store.url_file) {
            (EngineName::Postgres, Some(file)) => Engine::Postgres {
                url: SecretFile(file.clone()).read()?.expose().to_owned(),
            },
            (EngineName::Sqlite, None) => Engine::Sqlite {
                folder,
                cache_mib: (self.store.cache.0 >> 20).max(8) as u32,
            },
            _ => {
                return Err(ConfigError::Unfit {
                    faults: self.faults(),
                });
            }
        };
        Ok(StoreConfig { engine })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good configuration with another table at its end, or with other lines under `[link]`.
    fn config(change: &str) -> Config {
        let (link, rest) = match change.starts_with("listen") {
            true => (change, ""),
            false => ("listen = \"127.0.0.1:4433\"", change),
        };
        let text = format!(
            "[node]\nfolder = \"data\"\n[console]\nlisten = \"127.0.0.1:8080\"\n[status]\nlisten = \"127.0.0.1:9090\"\n\
             [link]\n{link}\n{rest}\n"
        );
        config::parse(Path::new("x.toml"), &text, KNOWN).expect(&text)
    }

    #[test]
    fn what_would_do_something_else_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = folder.path().join("url");
        std::fs::write(&secret, "postgres://x@h/d\n").expect("written");
        let open = format!(
            "[store]\nengine = \"postgres\"\nurl_file = \"{}\"",
            secret.display()
        );
        let check = |change: &str, part: Option<&str>| {
            let config = config(change);
            let faults = config.faults();
            match part {
                None => assert_eq!(faults, Vec::<String>::new(), "{change}"),
                Some(part) => assert!(
                    faults.len() == 1 && faults[0].contains(part),
                    "{change}: {faults:?}"
                ),
            }
        };
        check("", None);
        check("[log]\nlevel = \"info,runtime=debug\"", None);
        check(
            "[log]\nlevel = \"verbose\"",
            Some("error、warn、info、debug、trace"),
        );
        check(
            "[store]\nengine = \"postgres\"",
            Some("必须填写 store.url_file"),
        );
        check("[store]\nurl_file = \"x\"", Some("只用于 postgres"));
        check(&open, Some("chmod o-r"));
        check(
            "[store]\nengine = \"postgres\"\nurl_file = \"/nowhere\"",
            Some("文件或目录不存在"),
        );
        check("listen = \"0.0.0.0:4433\"", Some("必须填写 link.public"));
        check("listen = \"[::]:4433\"", Some("必须填写 link.public"));
        let public = |text: &str| format!("listen = \"0.0.0.0:4433\"\npublic = \"{text}\"");
        check(&public("10.0.0.10:4433"), None);
        check(&public("[fd00::1]:4433"), None);
        check(&public("hub.example:4433"), None);
        for (wrong, why) in [
            ("10.0.0.10", "缺少端口"),
            ("10.0.0.10:0", "端口应为"),
            ("10.0.0.10:99999", "端口应为"),
            ("0.0.0.0:4433", "对方无法连接"),
            ("fd00::1:4433", "方括号"),
            (":4433", "主机名有误"),
            ("http://hub:4433", "主机名有误"),
        ] {
            check(&public(wrong), Some(why));
        }
        let error = config("[store]\nengine = \"postgres\"")
            .store("data".into())
            .expect_err("no url");
        assert!(error.to_string().contains("url_file"), "{error}");
    }
}
