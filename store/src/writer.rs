//! The one writing connection of an SQLite database, for a node's store and an agent's database alike: how it is opened,
//! how it begins, and when it is thrown away.
//!
//! SQLite ends a transaction by itself when the disk is full or fails, and the driver goes on counting it as open: on such a
//! connection no transaction could ever begin again. So a connection is used only if no transaction is open on it; one that
//! came back otherwise is closed, which takes back whatever it had not committed, and another is opened in its place.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection as _, Sqlite, Transaction};

/// How long a caller waits for the writer. A group takes milliseconds; longer means that the disk hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The connection. At most one transaction is open at any time.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: SqlitePool,
    #[cfg(any(test, feature = "testing"))]
    pages_max: fault::Pages,
}

impl Writer {
    /// Opens the connection.
    pub(crate) async fn open(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .acquire_timeout(PATIENCE)
            .before_acquire(|connection, _| {
                // what was dropped has been rolled back by now; what could not be is thrown away here
                let settled = !connection.is_in_transaction();
                Box::pin(async move { Ok(settled) })
            });
        #[cfg(any(test, feature = "testing"))]
        let (pool, pages_max) = fault::limited(pool);
        Ok(Self {
            pool: pool.connect_with(options).await?,
            #[cfg(any(test, feature = "testing"))]
            pages_max,
        })
    }

    /// Begins a transaction, with the right to write at once.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.pool.begin_with("BEGIN IMMEDIATE").await
    }

    /// The connection as a pool of one, for migrations.
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Closes the connection.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A disk that is full, for tests: SQLite refuses to let the file grow as it does when the system has no room.
#[cfg(any(test, feature = "testing"))]
mod fault {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use sqlx::AssertSqlSafe;
    use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions};

    /// SQLite's own bound.
    const PAGES_MAX: u32 = u32::MAX - 1;

    /// Pages that the file may have; 0: no bound was ever set. Holds for connections to come, too.
    pub(super) type Pages = Arc<AtomicU32>;

    pub(super) fn limited(pool: SqlitePoolOptions) -> (SqlitePoolOptions, Pages) {
        let pages = Pages::default();
        let bound = pages.clone();
        let pool = pool.after_connect(move |connection, _| {
            let pages = bound.load(Ordering::SeqCst);
            Box::pin(async move {
                match pages {
                    0 => Ok(()),
                    pages => set(connection, pages).await,
                }
            })
        });
        (pool, pages)
    }

    async fn set(connection: &mut SqliteConnection, pages: u32) -> Result<(), sqlx::Error> {
        let bound = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(bound).fetch_all(connection).await.map(drop)
    }

    impl super::Writer {
        /// Lets the file grow no further, or again.
        pub(crate) async fn set_full(&self, full: bool) -> Result<(), sqlx::Error> {
            let pages = if full { 1 } else { PAGES_MAX };
            self.pages_max.store(pages, Ordering::SeqCst);
            set(&mut *self.pool.acquire().await?, pages).await
        }
    }
}
