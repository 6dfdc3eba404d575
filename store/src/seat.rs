//! The agent's own database: positions, last images, what waits to be sealed, what is sealed and not yet safe, refused
//! rows and receipts of one seat.
//!
//! SQLite only, one writer, every commit synced. Nothing here knows what a row means or how a batch is signed; all of
//! it is a few whole operations, so that a crash between two of them loses and doubles nothing.

mod capture;
mod outbox;
mod report;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::keeper::Keeper;
use crate::private;
use crate::writer::Writer;
use crate::writing;

pub use capture::{
    Capture, Chunk, FileMark, FileRow, Image, ImageRow, RejectRow, SourceState, Stated, Told,
};
pub use outbox::{Frontier, Sealed, SealedRow, Sealing, Unsealed};
pub use report::{QueueState, ReceiptRow, RejectListed, SourceReport};

/// A seat's database. Cheap to share behind an `Arc`; its writer is one connection, so that commits are in one order.
pub struct SeatStore {
    writer: Writer,
    reader: SqlitePool,
    keeper: Keeper,
    folder: PathBuf,
    queued_bytes: AtomicU64,
    _lock: File,
}

/// Why a seat's database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenSeatError {
    /// Another process works in the folder.
    #[error(
        "数据目录 {} 正被另一个进程使用（{holder}）。同一数据目录只能运行一个代理；请先停止那个进程，或为本进程另配数据目录（folder）",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// What the lock file says about its holder.
        holder: String,
    },
    /// The folder cannot be made, read or written.
    #[error("无法使用数据目录 {}；请检查该目录是否存在、运行代理的账号是否可写、磁盘是否已满", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database file cannot be opened or brought to this release's shape.
    #[error("无法打开代理本地库 {}；文件可能已损坏或来自更新的版本，请勿删除，先备份该目录再联系平台运维", file.display())]
    Database {
        /// The database file.
        file: PathBuf,
        /// What the engine says.
        source: sqlx::Error,
    },
}

/// Why an operation on an open seat database failed. Nothing of the operation was kept.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// The disk is full. Nothing was lost; writing goes on by itself when there is room.
    #[error(
        "磁盘空间不足，无法写入代理本地库；已保存的数据不受影响，请在数据目录所在磁盘腾出空间，之后自动恢复"
    )]
    Full(#[source] sqlx::Error),
    /// The engine refused: file removed, corruption.
    #[error("代理本地库读写失败；请检查数据目录所在磁盘的状态，数据未丢失，恢复后自动继续")]
    Database(#[source] sqlx::Error),
    /// Something stored does not have the shape that it was written in.
    #[error("代理本地库中的 {0} 无法读出；请勿删除数据目录，先备份再联系平台运维")]
    Corrupt(&'static str),
}

impl From<sqlx::Error> for SeatError {
    fn from(error: sqlx::Error) -> Self {
        if writing::is_full(&error) {
            Self::Full(error)
        } else {
            Self::Database(error)
        }
    }
}

impl SeatStore {
    /// Opens, or makes, the database in `folder`. Fails if another process has it.
    pub async fn open(folder: &Path) -> Result<Self, OpenSeatError> {
        let trouble = |source| OpenSeatError::Folder {
            folder: folder.to_owned(),
            source,
        };
        private::folder(folder).map_err(trouble)?;
        let lock = lock(folder).await?;
        let file = folder.join(DATABASE_FILE);
        private::database(&file).map_err(trouble)?;
        let opened = async {
            let options = SqliteConnectOptions::new()
                .filename(&file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(10))
                .foreign_keys(false)
                .pragma("cache_size", format!("-{CACHE_KIB}"))
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
                .pragma("journal_size_limit", (64u32 << 20).to_string())
                .pragma("temp_store", "MEMORY");
            let writer = Writer::open(options.clone()).await?;
            migrator()
                .run(writer.pool())
                .await
                .map_err(|e| sqlx::Error::Migrate(Box::new(e)))?;
            let keeper = Keeper::open(options.clone()).await?;
            let reader = SqlitePoolOptions::new()
                .max_connections(2)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_with(options.read_only(true).pragma("cache_size", "-2048"))
                .await?;
            Ok((writer, reader, keeper))
        };
        let (writer, reader, keeper) = opened.await.map_err(|source| OpenSeatError::Database {
            file: file.clone(),
            source,
        })?;
        let store = Self {
            writer,
            reader,
            keeper,
            folder: folder.to_owned(),
            queued_bytes: AtomicU64::new(0),
            _lock: lock,
        };
        let queued = store.count_queued_bytes().await.map_err(|e| match e {
            SeatError::Full(source) | SeatError::Database(source) => {
                OpenSeatError::Database { file, source }
            }
            SeatError::Corrupt(what) => OpenSeatError::Database {
                file,
                source: sqlx::Error::Protocol(what.to_owned()),
            },
        })?;
        store.queued_bytes.store(queued, Ordering::Relaxed);
        Ok(store)
    }

    /// Whether a database was ever made in `folder`; does not open it.
    pub fn exists(folder: &Path) -> bool {
        folder.join(DATABASE_FILE).exists()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes that wait here, unsealed or not yet safeguarded: what the outbox's cap bounds.
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// A named value of the seat itself.
    pub async fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, SeatError> {
        Ok(sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?)
    }

    /// Keeps a named value of the seat itself.
    pub async fn put_meta(&self, name: &str, value: &[u8]) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Brings what was committed since the last call from the log into the database file, beside the writer, so that no
    /// commit has to: for a caller of its own, every few seconds.
    pub async fn checkpoint(&self) -> Result<(), SeatError> {
        Ok(self.keeper.checkpoint().await?)
    }

    /// Writes the log back into the database file and closes it; for an orderly stop.
    pub async fn close(&self) {
        self.reader.close().await;
        self.keeper.close().await;
        self.writer.close().await;
    }

    /// Lets the database file grow no further, as on a full disk, or again.
    #[cfg(any(test, feature = "testing"))]
    pub async fn set_full(&self, full: bool) -> Result<(), SeatError> {
        Ok(self.writer.set_full(full).await?)
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, SeatError> {
        self.keeper.note_written();
        Ok(self.writer.begin().await?)
    }
}

async fn lock(folder: &Path) -> Result<File, OpenSeatError> {
    // a process that was killed holds its lock until the system has taken it apart
    for _ in 0..LOCK_ATTEMPTS {
        match try_lock(folder) {
            Err(OpenSeatError::InUse { .. }) => tokio::time::sleep(LOCK_PAUSE).await,
            settled => return settled,
        }
    }
    try_lock(folder)
}

fn try_lock(folder: &Path) -> Result<File, OpenSeatError> {
    let trouble = |source| OpenSeatError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(LOCK_FILE))
        .map_err(trouble)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(trouble)?;
            write!(file, "进程号 {}", std::process::id()).map_err(trouble)?;
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let told = file
                .rewind()
                .and_then(|()| file.take(200).read_to_string(&mut holder));
            if told.is_err() || holder.is_empty() {
                holder = "进程号未知".to_owned();
            }
            Err(OpenSeatError::InUse {
                folder: folder.to_owned(),
                holder,
            })
        }
        Err(std::fs::TryLockError::Error(e)) => Err(trouble(e)),
    }
}

fn migrator() -> Migrator {
    let texts = [
        (1, "seat", include_str!("../migrations/seat/0001_seat.sql")),
        (
            2,
            "source_counts",
            include_str!("../migrations/seat/0002_source_counts.sql"),
        ),
    ];
    Migrator::with_migrations(
        texts
            .into_iter()
            .map(|(version, name, text)| {
                Migration::new(
                    version,
                    name.into(),
                    MigrationType::Simple,
                    sqlx::SqlStr::from_static(text),
                    false,
                )
            })
            .collect(),
    )
}

const DATABASE_FILE: &str = "seat.db";
const LOCK_FILE: &str = "lock";
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
const CACHE_KIB: u32 = 16 << 10;
const CHECKPOINT_PAGES: u32 = 8 << 10;
