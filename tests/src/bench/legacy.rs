//! The department's own system in a benchmark: one table, filled at once, then changed by a clerk who is very quick.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::Failure;
use super::rows::{COLUMNS, Row, TABLE, key, shuffled};

/// Rows of a statement.
const STATEMENT_ROWS: usize = 500;
/// The time of a change, as the department's clock has it.
const NOW: &str = "datetime('now', '+8 hours')";

/// The system.
pub struct Legacy {
    path: PathBuf,
    connection: SqliteConnection,
}

impl Legacy {
    /// Makes it in a file, with this many rows.
    pub async fn make(path: &Path, rows: u64) -> Result<Self, Failure> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .disable_statement_logging();
        let connection = SqliteConnection::connect_with(&options).await?;
        let path = path.to_owned();
        let mut this = Self { path, connection };
        let columns: Vec<String> = COLUMNS[1..].iter().map(|c| format!("{c} TEXT")).collect();
        this.execute(format!(
            "CREATE TABLE {TABLE} (NBXH TEXT PRIMARY KEY, {})",
            columns.join(", ")
        ))
        .await?;
        this.execute(format!("CREATE INDEX IX_1 ON {TABLE} (GXSJ)"))
            .await?;
        this.execute("BEGIN".to_owned()).await?;
        for numbers in (0..rows).collect::<Vec<_>>().chunks(STATEMENT_ROWS) {
            let one = format!("({})", vec!["?"; COLUMNS.len()].join(","));
            let sql = format!(
                "INSERT INTO {TABLE} VALUES {}",
                vec![one.as_str(); numbers.len()].join(",")
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in numbers.iter().flat_map(|number| Row::new(*number, 0).0) {
                query = query.bind(value);
            }
            query.execute(&mut this.connection).await?;
        }
        this.execute("COMMIT".to_owned()).await?;
        Ok(this)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes all rows in a random order, in one transaction. Gives the instant of its commit.
    pub async fn change_all(&mut self, rows: u64, version: u64) -> Result<i64, Failure> {
        self.execute("BEGIN".to_owned()).await?;
        for number in shuffled(rows, version) {
            self.change(number, version).await?;
        }
        self.execute("COMMIT".to_owned()).await?;
        Ok(now_us())
    }

    /// Changes rows one by one, so many a second, each in a transaction of its own. Gives the keys with the instants of
    /// their commits.
    pub async fn change_some(
        &mut self,
        numbers: &[u64],
        version: u64,
        each_second: u32,
    ) -> Result<Vec<(String, i64)>, Failure> {
        let mut changes = Vec::with_capacity(numbers.len());
        let began = Instant::now();
        for (at, number) in numbers.iter().enumerate() {
            let due = Duration::from_secs(1) * at as u32 / each_second;
            tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
            self.change(*number, version).await?;
            changes.push((key(*number), now_us()));
        }
        Ok(changes)
    }

    async fn change(&mut self, number: u64, version: u64) -> Result<(), Failure> {
        let row = Row::new(number, version);
        let sql = format!("UPDATE {TABLE} SET DJZT = ?, FDDBR = ?, GXSJ = {NOW} WHERE NBXH = ?");
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(&row.0[3])
            .bind(&row.0[4])
            .bind(&row.0[0]);
        query.execute(&mut self.connection).await?;
        Ok(())
    }

    async fn execute(&mut self, sql: String) -> Result<(), Failure> {
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}

/// Microseconds since 1970, by the clock that all parties read.
pub fn now_us() -> i64 {
    runtime::door::Clock::system().now_us()
}
