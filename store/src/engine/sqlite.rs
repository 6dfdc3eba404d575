//! SQLite: how a folder is opened and locked, how values are bound, how rows go in in bulk.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqlStr, Sqlite, Transaction};

use super::{Arg, Bulk, LOCK_PAUSE, LOCK_TRIES, Open, Tx};
use crate::keeper::Keeper;
use crate::writer::Writer;
use crate::writing::Writing;
use crate::{Heads, OpenError, StoreError, migrate, private};

/// Pages of the log at which the writer itself brings home what [`SqliteStore::checkpoint`] has not: a group of random
/// updates must not checkpoint at every commit.
const WAL_AUTOCHECKPOINT_PAGES: u32 = 32_768;
/// Reading connections.
const READERS: u32 = 3;
/// Page cache of a reader, MiB.
const READER_CACHE_MIB: u32 = 8;
/// Rows that a statement hands over before it waits for its reader.
const ROW_BUFFER: usize = 1_024;
/// How long a caller waits for a reader.
const READER_PATIENCE: Duration = Duration::from_secs(120);
/// Binds that one statement may have.
const BINDS_MAX: usize = 32_766;
/// Rows that one statement carries at most.
const ROWS_MAX: usize = 256;

/// A SQLite store: one writing connection for ever, a few reading ones, one that brings the log home, the lock of the
/// folder.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) writer: Writer,
    reader: SqlitePool,
    keeper: Keeper,
    pub(crate) writing: Writing,
    pub(crate) heads: Mutex<Heads>,
    folder: PathBuf,
    _lock: File,
}

impl SqliteStore {
    pub(crate) async fn open(folder: &Path, cache_mib: u32) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Folder {
            folder: folder.to_owned(),
            source,
        };
        private::folder(folder).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("store.lock"))
            .map_err(unusable)?;
        let mut tries = 0;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                    tries += 1;
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::FolderLocked {
                        folder: folder.to_owned(),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
            }
        }
        let file = folder.join("store.db");
        private::database(&file).map_err(unusable)?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .row_buffer_size(ROW_BUFFER)
            .pragma("wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES.to_string())
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        let cache = |mib: u32| {
            options
                .clone()
                .pragma("cache_size", format!("-{}", u64::from(mib) * 1024))
        };
        let writer = Writer::open(cache(cache_mib)).await?;
        migrate::run(&migrate::sqlite(), writer.pool()).await?;
        let keeper = Keeper::open(options.clone()).await?;
        let reader = SqlitePoolOptions::new()
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(READER_PATIENCE)
            .max_connections(READERS)
            .connect_with(cache(READER_CACHE_MIB).read_only(true))
            .await?;
        Ok(Self {
            writer,
            reader,
            keeper,
            writing: Writing::default(),
            heads: Mutex::default(),
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.keeper.note_written();
        let begun = self.writer.begin().await;
        Tx::begun(begun.map(Open::Sqlite), &self.writing)
    }

    /// Copies committed pages from the log into the database file, beside the writer and without making it wait.
    pub(crate) async fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(self.keeper.checkpoint().await?)
    }

    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.keeper.close().await;
        self.writer.close().await;
    }
}

/// Whether the database file of a folder, if there is one, can be written.
pub(crate) fn check(folder: &Path) -> Result<(), OpenError> {
    let unusable = |source| OpenError::Folder {
        folder: folder.to_owned(),
        source,
    };
    match File::options()
        .read(true)
        .write(true)
        .open(folder.join("store.db"))
    {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(error)),
        _ => Ok(()),
    }
}

pub(crate) fn query(sql: SqlStr, args: Vec<Arg>) -> Query<'static, Sqlite, SqliteArguments> {
    bind(sqlx::query(sql), args)
}

fn bind(
    query: Query<'static, Sqlite, SqliteArguments>,
    args: Vec<Arg>,
) -> Query<'static, Sqlite, SqliteArguments> {
    args.into_iter().fold(query, |query, arg| match arg {
        Arg::Int(v) => query.bind(v),
        Arg::Text(v) => query.bind(v),
        Arg::Blob(v) => query.bind(v),
        Arg::NoBlob => query.bind(None::<Vec<u8>>),
        Arg::NoInt => query.bind(None::<i64>),
        Arg::Ints(v) => query.bind(json(&v)),
    })
}

fn json(values: &[i64]) -> String {
    let mut out = String::with_capacity(values.len() * 20 + 2);
    out.push('[');
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&value.to_string());
    }
    out.push(']');
    out
}

/// Multi-row VALUES. Bare `?` binds: numbered ones are looked up by name, in time square to their number. Row counts are
/// powers of four, so that few texts are prepared and all stay in the statement cache.
pub(crate) async fn bulk(
    tx: &mut Transaction<'static, Sqlite>,
    bulk: &Bulk,
    values: Vec<Arg>,
) -> Result<(), sqlx::Error> {
    let width = bulk.columns.len();
    let mut rows_left = values.len() / width;
    let mut values = values.into_iter();
    let mut rows = ROWS_MAX;
    while rows_left > 0 {
        while rows > rows_left || rows * width > BINDS_MAX {
            rows /= 4;
        }
        let group = values.by_ref().take(rows * width).collect();
        bind(sqlx::query(text(bulk, rows)), group)
            .execute(&mut **tx)
            .await?;
        rows_left -= rows;
    }
    Ok(())
}

fn text(bulk: &Bulk, rows: usize) -> SqlStr {
    let names: Vec<&str> = bulk.columns.iter().map(|c| c.0).collect();
    let row = format!("({})", vec!["?"; names.len()].join(","));
    super::own(format!(
        "INSERT INTO {} ({}) VALUES {} {}",
        bulk.table,
        names.join(","),
        vec![row.as_str(); rows].join(","),
        bulk.tail
    ))
}
