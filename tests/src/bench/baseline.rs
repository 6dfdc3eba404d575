//! What one SQLite store of this driver does without any of our own work: the table that everything is compared with.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::Failure;
use super::figures::cpu_us;
use super::rows::{COLUMNS, Row, shuffled};

/// Page cache of a node in the default configuration.
const CACHE_MIB: u32 = 64;
/// Pages between checkpoints, as the node has them.
const CHECKPOINT_PAGES: u32 = 32_768;
/// Rows of a transaction.
const TRANSACTION_ROWS: usize = 1_000;

/// Rows per second of a table under the pragmas and the cache of a node.
#[derive(Debug, Clone, Copy, Default)]
pub struct Baseline {
    /// Rows put into the empty table, 100 per statement.
    pub load: f64,
    /// Fresh random upserts of the same rows, all columns in SET, 100 per statement, 1,000 per transaction.
    pub upsert_100: f64,
    /// The same, 1,000 per statement.
    pub upsert_1000: f64,
    /// The same, 100 per statement, 20,000 per transaction. Not what the aim is stated against; told beside it.
    pub upsert_large: f64,
    /// Processor time of a row at the better of the two, in microseconds.
    pub cpu: f64,
}

impl Baseline {
    /// The rate that the aim is stated against: the better of 100 and 1,000 rows per statement.
    pub fn rate(&self) -> f64 {
        self.upsert_100.max(self.upsert_1000)
    }
}

/// Measures all of it in `folder`, with `rows` rows.
pub async fn measure(folder: &Path, rows: u64) -> Result<Baseline, Failure> {
    let load = timed_load(folder, rows).await?;
    let (mut rates, mut cpu) = ([0.0; 3], [0.0; 3]);
    let ways = [
        (100, TRANSACTION_ROWS),
        (1_000, TRANSACTION_ROWS),
        (100, 20_000),
    ];
    for (at, (statement, transaction)) in ways.into_iter().enumerate() {
        // every way starts from a table of its own that nobody has warmed, and writes rows that it has not seen
        let file = folder.join("table.db");
        let copy = folder.join("copy.db");
        std::fs::copy(&file, &copy)?;
        let pool = open(&copy).await?;
        let fresh = made(rows, 11 + at as u64, 1 + at as u64);
        let (began, before) = (Instant::now(), cpu_us(std::process::id()));
        upsert(&pool, fresh, statement, transaction).await?;
        rates[at] = rate(rows, began.elapsed());
        cpu[at] = (cpu_us(std::process::id()) - before) as f64 / rows as f64;
        pool.close().await;
        remove(&copy);
    }
    remove(&folder.join("table.db"));
    let [upsert_100, upsert_1000, upsert_large] = rates;
    Ok(Baseline {
        load,
        upsert_100,
        upsert_1000,
        upsert_large,
        cpu: cpu[0].min(cpu[1]),
    })
}

/// Rows in a random order, made before the clock runs.
fn made(rows: u64, seed: u64, version: u64) -> Vec<Row> {
    shuffled(rows, seed)
        .into_iter()
        .map(|number| Row::new(number, version))
        .collect()
}

async fn timed_load(folder: &Path, rows: u64) -> Result<f64, Failure> {
    let file = folder.join("table.db");
    remove(&file);
    let pool = open(&file).await?;
    let names: Vec<String> = COLUMNS[1..]
        .iter()
        .map(|c| format!("{c} TEXT NOT NULL"))
        .collect();
    let table = format!(
        "CREATE TABLE t (NBXH TEXT NOT NULL PRIMARY KEY, {})",
        names.join(", ")
    );
    sqlx::query(AssertSqlSafe(table)).execute(&pool).await?;
    sqlx::query("CREATE INDEX t_name ON t (QYMC)")
        .execute(&pool)
        .await?;
    let fresh = made(rows, 5, 0);
    let began = Instant::now();
    upsert(&pool, fresh, 100, TRANSACTION_ROWS).await?;
    let load = rate(rows, began.elapsed());
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&pool)
        .await?;
    pool.close().await;
    Ok(load)
}

async fn upsert(
    pool: &SqlitePool,
    mut fresh: Vec<Row>,
    statement: usize,
    transaction: usize,
) -> Result<(), Failure> {
    let set: Vec<String> = COLUMNS[1..]
        .iter()
        .map(|c| format!("{c} = excluded.{c}"))
        .collect();
    let text = |rows: usize| {
        let row = format!("({})", vec!["?"; COLUMNS.len()].join(","));
        format!(
            "INSERT INTO t ({}) VALUES {} ON CONFLICT (NBXH) DO UPDATE SET {}",
            COLUMNS.join(","),
            vec![row.as_str(); rows].join(","),
            set.join(",")
        )
    };
    let whole = text(statement);
    for rows in fresh.chunks_mut(transaction) {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        for rows in rows.chunks_mut(statement) {
            let sql = if rows.len() == statement {
                whole.clone()
            } else {
                text(rows.len())
            };
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in rows.iter_mut().flat_map(|row| &mut row.0) {
                query = query.bind(std::mem::take(value));
            }
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

async fn open(file: &Path) -> Result<SqlitePool, Failure> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", format!("-{}", CACHE_MIB * 1024))
        .disable_statement_logging();
    Ok(SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?)
}

/// Opens a database of a party beside it, for reading alone.
pub async fn read_only(file: &Path) -> Result<SqliteConnection, Failure> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .disable_statement_logging();
    Ok(SqliteConnection::connect_with(&options).await?)
}

fn rate(rows: u64, took: Duration) -> f64 {
    rows as f64 / took.as_secs_f64()
}

fn remove(file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        // what is not there need not be removed
        let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
    }
}
