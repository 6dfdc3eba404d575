//! Bringing the log of an SQLite database home beside its writer, for a node's store and an agent's database alike.
//!
//! Databases are opened elsewhere; nothing here knows what lies in them.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

/// A connection that only copies committed pages from the log into the database file.
#[derive(Debug)]
pub(crate) struct Keeper {
    connection: SqlitePool,
    written: AtomicBool,
}

impl Keeper {
    /// Opens the connection, with the options of the writer beside which it works.
    pub(crate) async fn open(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let options = options
            .pragma("wal_autocheckpoint", "0")
            // it reads no pages
            .pragma("cache_size", "-256");
        let connection = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        Ok(Self {
            connection,
            written: AtomicBool::new(true),
        })
    }

    /// The writer has begun: there will be something to bring home.
    pub(crate) fn note_written(&self) {
        self.written.store(true, Ordering::Relaxed);
    }

    /// Brings home what was committed since the last time, without making the writer wait.
    pub(crate) async fn checkpoint(&self) -> Result<(), sqlx::Error> {
        if self.written.swap(false, Ordering::Relaxed) {
            let done = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
                .execute(&self.connection)
                .await;
            self.written.fetch_or(done.is_err(), Ordering::Relaxed);
            done?;
        }
        Ok(())
    }

    /// Closes the connection.
    pub(crate) async fn close(&self) {
        self.connection.close().await;
    }
}
