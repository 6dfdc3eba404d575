//! Everything that is SQL: SQLite (the embedded default) and PostgreSQL, one suite for both.
//!
//! A node's store is few whole operations, each one transaction: take in a group, page the feed, apply, fold, search.
//! Business decisions stay out: rows are plain, bytes of the protocol opaque, `now` an argument. [`seat`] is an agent's own
//! database and shares nothing with the rest.
//!
//! Three cursors, never conflated: *intake* writes what was verified, sequentially and synced ([`Store::intake`]); *apply*
//! writes what it means ([`Store::apply`]); *fold* writes what people read ([`Store::fold`]). Each can be stopped and killed
//! at any time: a cursor moves in the transaction of what it covers.

mod account;
mod admission;
mod apply;
mod audit;
mod engine;
mod error;
mod feed;
mod fold;
mod held;
mod intake;
mod keeper;
mod login;
mod migrate;
mod private;
mod receipt;
mod record;
mod refusal;
mod row;
pub mod search;
pub mod seat;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
pub mod unsettled;
pub mod verify;
mod want;
mod writer;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;

use sqlx::SqlSafeStr;

use engine::{Arg, Row, Tx, args, postgres, sqlite};

pub use account::{AccountChange, AccountOutcome};
pub use audit::{AuditCheck, AuditFault, AuditFilter, AuditRow};
pub use engine::postgres::PostgresStore;
pub use engine::sqlite::SqliteStore;
pub use error::{OpenError, StoreError};
pub use held::{EVIDENCE_PER_SEAT_MAX, HELD_LOGS_PER_PEER_MAX};
pub use intake::STATEMENT_WANTS_MAX;
pub use row::*;

/// Where a node keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The engine.
    pub engine: Engine,
}

/// The two engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// Embedded, in a folder of the node's own.
    Sqlite {
        /// The folder; made if missing. Local disk only.
        folder: PathBuf,
        /// Page cache of the writer, MiB. More keeps the rate up when the database outgrows it. Default
        /// [`Engine::CACHE_MIB`].
        cache_mib: u32,
    },
    /// A PostgreSQL database of the node's own, encoding UTF8.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: String,
    },
}

impl Engine {
    /// Page cache of the writer unless configured.
    pub const CACHE_MIB: u32 = 64;
}

/// A node's store. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Store {
    /// Embedded.
    Sqlite(Arc<SqliteStore>),
    /// PostgreSQL.
    Postgres(Arc<PostgresStore>),
}

impl Store {
    /// Opens a store, brings its tables up to this release and takes the lock that keeps a second process out until
    /// [`Store::close`] or the end of the process.
    pub async fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        let store = match &config.engine {
            Engine::Sqlite { folder, cache_mib } => Self::Sqlite(Arc::new(
                sqlite::SqliteStore::open(folder, *cache_mib).await?,
            )),
            Engine::Postgres { url } => {
                Self::Postgres(Arc::new(postgres::PostgresStore::open(url).await?))
            }
        };
        store.moved(store.stored_heads().await.map_err(OpenError::Progress)?);
        Ok(store)
    }

    /// Whether a store could be opened, as far as can be told without changing anything: the folder and its file can be
    /// written, the server answers and has the right encoding, and nobody else has the database.
    pub async fn check(config: &StoreConfig) -> Result<(), OpenError> {
        match &config.engine {
            Engine::Sqlite { folder, .. } => sqlite::check(folder),
            Engine::Postgres { url } => postgres::check(url).await,
        }
    }

    /// Closes all connections after their running statements. The folder's lock goes with the last clone.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }

    /// Brings what was committed since the last call from the embedded engine's log into its file, so that no commit has to:
    /// for a caller of its own, every few seconds. PostgreSQL does so by itself.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.checkpoint().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Why the last attempt to write failed, if it did: the disk is full, the server gone. `None` as soon as anything was
    /// committed again.
    pub fn write_trouble(&self) -> Option<String> {
        match self {
            Self::Sqlite(store) => store.writing.trouble(),
            Self::Postgres(store) => store.writing.trouble(),
        }
    }

    /// How often writing failed since the store was opened, and why it did last: while a disk is full, some small write may
    /// succeed between others that fail.
    pub fn write_failures(&self) -> (u64, String) {
        match self {
            Self::Sqlite(store) => store.writing.failures(),
            Self::Postgres(store) => store.writing.failures(),
        }
    }

    /// Tries to write, for a process that knows that writing failed and has nothing to write just now.
    pub async fn try_write(&self, now_us: i64) -> Result<(), StoreError> {
        self.meta_put("write_tried", &now_us.to_be_bytes()).await
    }

    /// A small value of the caller's own.
    pub async fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self
            .rows("SELECT value FROM meta WHERE key = $1", args![key])
            .await?;
        rows.first().map(|row| row.blob(0)).transpose()
    }

    /// Keeps a small value of the caller's own.
    pub async fn meta_put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            args![key, value],
        )
        .await?;
        Ok(())
    }

    /// Begins a writing transaction. Dropped before its commit, it leaves nothing.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite(store) => store.begin().await,
            Self::Postgres(store) => store.begin().await,
        }
    }

    /// One writing statement in its own transaction; returns how many rows it touched.
    pub(crate) async fn write(
        &self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        let mut tx = self.begin().await?;
        let touched = tx.exec(sql, args).await?;
        tx.commit().await?;
        Ok(touched)
    }

    /// All rows of a query, read beside the writer.
    pub(crate) async fn rows(
        &self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        Ok(match self {
            Self::Sqlite(store) => {
                let rows = sqlite::query(sql, args).fetch_all(store.reader()).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(store) => {
                let rows = postgres::query(sql, args).fetch_all(store.reader()).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The one integer of a query that always has one row.
    pub(crate) async fn int(
        &self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<i64, StoreError> {
        self.rows(sql, args)
            .await?
            .first()
            .ok_or(StoreError::Corrupt { what: "count" })?
            .int(0)
    }

    pub(crate) const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub(crate) fn among(&self, column: &str, number: usize) -> String {
        engine::among(self.is_sqlite(), column, number)
    }
}
