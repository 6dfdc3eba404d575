//! PostgreSQL: how a database is opened, locked and fenced, how values are bound, how rows go in in bulk.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Connection as _, Postgres, SqlStr, Transaction};
use tokio::sync::Mutex;

use super::{Arg, Bulk, Kind, LOCK_PAUSE, LOCK_TRIES, Open, Tx};
use crate::writing::Writing;
use crate::{Heads, OpenError, StoreError, migrate};

/// Connections of the pool.
const CONNECTIONS: u32 = 8;
/// Advisory lock of the process that may write, held by a connection of its own.
const PROCESS_LOCK: i64 = 0x7a6f_6e67_0001;
/// Advisory lock of the transaction that numbers feed items.
pub(crate) const FEED_LOCK: i64 = 0x7a6f_6e67_0002;

/// A PostgreSQL store: a pool, and the connection that holds the lock of the process.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    fence: i64,
    lock: Mutex<Option<PgConnection>>,
    pub(crate) writing: Writing,
    pub(crate) heads: std::sync::Mutex<Heads>,
}

impl PostgresStore {
    pub(crate) async fn open(url: &str) -> Result<Self, OpenError> {
        let options = options(url)?;
        let mut lock = locked(&options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(120))
            .before_acquire(|connection, _| {
                // one that came back with a transaction still open is closed, and another opened in its place
                let settled = !connection.is_in_transaction();
                Box::pin(async move { Ok(settled) })
            })
            .connect_with(options)
            .await?;
        migrate::run(&migrate::postgres(), &pool).await?;
        let fence =
            sqlx::query_scalar("UPDATE fence SET value = value + 1 WHERE one = 1 RETURNING value")
                .fetch_one(&mut lock)
                .await?;
        Ok(Self {
            pool,
            fence,
            lock: Mutex::new(Some(lock)),
            writing: Writing::default(),
            heads: std::sync::Mutex::default(),
        })
    }

    /// Begins in a task of its own: a caller that is dropped while `begin` runs would leave the pooled connection inside a
    /// transaction (sqlx 0.9.0). Then looks whether this process may still write; the shared row lock keeps a successor
    /// from taking over before this transaction has ended.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move {
            let mut tries = 0;
            loop {
                match begin(&pool).await {
                    // a server that was restarted leaves its dead connections in the pool: nothing was written on them yet
                    Err(error) if is_broken(&error) && tries < CONNECTIONS => tries += 1,
                    settled => return settled,
                }
            }
        });
        let begun = begun.await.map_err(|_| StoreError::Interrupted)?;
        let (now, begun) = match begun {
            Ok((tx, now)) => (now, Ok(Open::Postgres(tx))),
            Err(error) => (self.fence, Err(error)),
        };
        if now != self.fence {
            return Err(StoreError::Fenced);
        }
        Tx::begun(begun, &self.writing)
    }

    pub(crate) fn reader(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
        if let Some(lock) = self.lock.lock().await.take()
            && let Err(error) = lock.close().await
        {
            tracing::debug!(%error, "lock connection did not close cleanly; the server releases it");
        }
    }
}

/// Whether a database could be opened.
pub(crate) async fn check(url: &str) -> Result<(), OpenError> {
    let lock = locked(&options(url)?).await?;
    // the lock goes with its connection
    Ok(lock.close().await?)
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(OpenError::Url)?
        .application_name("zongheng")
        .options([
            ("synchronous_commit", "on"),
            ("idle_in_transaction_session_timeout", "60s"),
            ("statement_timeout", "300s"),
            // a plan made for no value in particular reads the whole gram index for two characters
            ("plan_cache_mode", "force_custom_plan"),
        ])
        .disable_statement_logging();
    Ok(options)
}

/// A connection that holds the lock of the process, to a database in which every name can be kept.
async fn locked(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    let mut lock = PgConnection::connect_with(options).await?;
    let database: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut lock)
        .await?;
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(&mut lock)
        .await?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { database, encoding });
    }
    let mut tries = 0;
    while !try_lock(&mut lock).await? {
        if tries == LOCK_TRIES {
            return Err(OpenError::DatabaseLocked { database });
        }
        tries += 1;
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(lock)
}

async fn begin(pool: &PgPool) -> Result<(Transaction<'static, Postgres>, i64), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let fence = sqlx::query_scalar("SELECT value FROM fence WHERE one = 1 FOR SHARE")
        .fetch_one(&mut *tx)
        .await?;
    Ok((tx, fence))
}

/// Whether it was the connection that failed: it is gone, or the server has ended it (class 57P).
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

async fn try_lock(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(PROCESS_LOCK)
        .fetch_one(connection)
        .await
}

pub(crate) fn query(sql: SqlStr, args: Vec<Arg>) -> Query<'static, Postgres, PgArguments> {
    args.into_iter()
        .fold(sqlx::query(sql), |query, arg| match arg {
            Arg::Int(v) => query.bind(v),
            Arg::Text(v) => query.bind(v),
            Arg::Blob(v) => query.bind(v),
            Arg::NoBlob => query.bind(None::<Vec<u8>>),
            Arg::NoInt => query.bind(None::<i64>),
            Arg::Ints(v) => query.bind(v),
        })
}

/// One statement over arrays, one per column: one plan for any number of rows.
pub(crate) async fn bulk(
    tx: &mut Transaction<'static, Postgres>,
    bulk: &Bulk,
    values: Vec<Arg>,
) -> Result<(), sqlx::Error> {
    let width = bulk.columns.len();
    let mut columns: Vec<Vec<Arg>> = bulk
        .columns
        .iter()
        .map(|_| Vec::with_capacity(values.len() / width))
        .collect();
    for (at, value) in values.into_iter().enumerate() {
        columns[at % width].push(value);
    }
    let names: Vec<&str> = bulk.columns.iter().map(|c| c.0).collect();
    let arrays: Vec<String> = bulk
        .columns
        .iter()
        .enumerate()
        .map(|(at, (_, kind))| match kind {
            Kind::Int => format!("${}::bigint[]", at + 1),
            Kind::Text => format!("${}::text[]", at + 1),
            Kind::Blob => format!("${}::bytea[]", at + 1),
        })
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT * FROM UNNEST({}) {}",
        bulk.table,
        names.join(","),
        arrays.join(","),
        bulk.tail
    );
    let mut query = sqlx::query(super::own(sql));
    for (column, (_, kind)) in columns.into_iter().zip(bulk.columns) {
        query = match kind {
            Kind::Int => query.bind(take(column, |arg| match arg {
                Arg::Int(v) => Some(v),
                _ => None,
            })),
            Kind::Text => query.bind(take(column, |arg| match arg {
                Arg::Text(v) => Some(v),
                _ => None,
            })),
            Kind::Blob => query.bind(take(column, |arg| match arg {
                Arg::Blob(v) => Some(v),
                _ => None,
            })),
        };
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

fn take<T>(column: Vec<Arg>, value: impl Fn(Arg) -> Option<T>) -> Vec<Option<T>> {
    column.into_iter().map(value).collect()
}
