//! Configuration of a node, the same keys on both tiers: text to values in one place. Every key is explained in
//! `deploy/config/city.toml` and `deploy/config/district.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use runtime::config::{self, ConfigError, SecretFile, Size};
use runtime::telemetry::LogForm;
use serde::Deserialize;
use store::{Engine, StoreConfig};

mod console;

pub use self::console::{ConsoleConfig, TlsConfig};

const KNOWN: &[&str] = &[
    "node.folder",
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

    /// How to open the store, given the node's database folder.
    pub fn store(&self, folder: PathBuf) -> Result<StoreConfig, ConfigError> {
        let engine = match (self.store.engine, &self.store.url_file) {
            (EngineName::Postgres, Some(file)) => Engine::Postgres {
                url: SecretFile(file.clone()).read()?.expose().to_owned(),
            },
            _ => Engine::Sqlite {
                folder,
                cache_mib: (self.store.cache.0 >> 20).max(8) as u32,
            },
        };
        Ok(StoreConfig { engine })
    }

    /// The address that join codes carry.
    pub fn public(&self) -> String {
        self.link
            .public
            .clone()
            .unwrap_or_else(|| self.link.listen.to_string())
    }
}
