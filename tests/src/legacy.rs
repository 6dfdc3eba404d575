//! Legacy databases as departments have them: a table with pinyin column names, filled from a registration file row by
//! row. Nothing of Zongheng's own store is made here, and the agent that reads them knows them only by its configuration.

pub mod generate;
pub mod registrations;

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use thiserror::Error;

use registrations::{Registration, Registrations, RegistrationsError};

/// The table that holds the registrations.
pub const TABLE: &str = "QYJBXX";
/// Its columns: row id, credit code, registration number, name, founded on, kind, legal representative, capital,
/// business scope, province, area, address, updated at.
pub const COLUMNS: [&str; 13] = [
    "NBXH", "TYSHXYDM", "ZCH", "QYMC", "CLRQ", "QYLX", "FDDBR", "ZCZB", "JYFW", "SZSF", "SSQY",
    "ZS", "GXSJ",
];

/// Rows of one insert statement: with 13 columns well below SQLite's bound of 32,766 parameters.
const STATEMENT_ROWS: usize = 500;
/// Statements of one transaction while a database is filled.
const TRANSACTION_STATEMENTS: usize = 20;
/// 2020-01-01 00:00:00 UTC, when the first imported rows were "updated".
const IMPORT_BEGAN: i64 = 1_577_836_800;
/// Rows that share one second of update time, as bulk imports do in real systems.
const ROWS_PER_SECOND: u64 = 50;

/// Why a legacy database could not be made or changed.
#[derive(Debug, Error)]
pub enum LegacyError {
    /// The registration file is at fault.
    #[error(transparent)]
    File(#[from] RegistrationsError),
    /// The database is at fault: not writable, locked, or not one of ours.
    #[error("{path}: {source}", path = path.display())]
    Database {
        /// Which database.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The test named a column that the table does not have.
    #[error("{TABLE} has no column {0}")]
    NoSuchColumn(String),
}

/// A department's database, open for its clerks.
#[derive(Debug)]
pub struct Legacy {
    path: PathBuf,
    connection: SqliteConnection,
    rows: u64,
}

impl Legacy {
    /// Makes an empty database at `path`, where nothing may be yet.
    pub async fn create(path: &Path) -> Result<Self, LegacyError> {
        let mut legacy = Self::connect(path, true).await?;
        let definitions = COLUMNS.map(|column| match column {
            "NBXH" => "NBXH TEXT PRIMARY KEY".to_owned(),
            "GXSJ" => "GXSJ TEXT NOT NULL".to_owned(),
            other => format!("{other} TEXT"),
        });
        legacy
            .execute(
                format!("CREATE TABLE {TABLE} ({})", definitions.join(", ")),
                &[],
            )
            .await?;
        legacy
            .execute(
                format!("CREATE INDEX IX_{TABLE}_GXSJ ON {TABLE} (GXSJ)"),
                &[],
            )
            .await?;
        Ok(legacy)
    }

    /// Opens a database that [`Legacy::create`] made.
    pub async fn open(path: &Path) -> Result<Self, LegacyError> {
        let mut legacy = Self::connect(path, false).await?;
        legacy.rows = legacy.count().await?;
        Ok(legacy)
    }

    async fn connect(path: &Path, create: bool) -> Result<Self, LegacyError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create);
        let options = options
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Off);
        let path = path.to_owned();
        match SqliteConnection::connect_with(&options).await {
            Ok(connection) => Ok(Self {
                path,
                connection,
                rows: 0,
            }),
            Err(source) => Err(LegacyError::Database { path, source }),
        }
    }

    /// Fills the table from a registration file (CSV, or CSV compressed by zstd), in bounded memory. Gives the number of
    /// rows. Rows are numbered on from what is there; [`row_id`] tells the key of each.
    pub async fn import(&mut self, file: &Path) -> Result<u64, LegacyError> {
        let mut source = Registrations::open(file)?;
        let before = self.rows;
        loop {
            self.execute("BEGIN", &[]).await?;
            let mut more = true;
            for _ in 0..TRANSACTION_STATEMENTS {
                let chunk = source
                    .by_ref()
                    .take(STATEMENT_ROWS)
                    .collect::<Result<Vec<_>, _>>()?;
                more = chunk.len() == STATEMENT_ROWS;
                self.insert(&chunk).await?;
                if !more {
                    break;
                }
            }
            self.execute("COMMIT", &[]).await?;
            if !more {
                return Ok(self.rows - before);
            }
        }
    }

    /// Adds rows as a bulk import does: with update times of the past that many rows share.
    pub async fn insert(&mut self, rows: &[Registration]) -> Result<(), LegacyError> {
        for chunk in rows.chunks(STATEMENT_ROWS) {
            let one = format!(
                "({}datetime(?, 'unixepoch'))",
                "?, ".repeat(COLUMNS.len() - 1)
            );
            let values = vec![one; chunk.len()].join(", ");
            let sql = format!(
                "INSERT INTO {TABLE} ({}) VALUES {values}",
                COLUMNS.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for row in chunk {
                let seconds = i64::try_from(self.rows / ROWS_PER_SECOND).unwrap_or(i64::MAX / 2);
                self.rows += 1;
                query = query
                    .bind(row_id(self.rows))
                    .bind(row.code.clone())
                    .bind(None::<String>);
                let texts = [
                    &row.name,
                    &row.founded,
                    &row.kind,
                    &row.representative,
                    &row.capital,
                    &row.scope,
                ];
                for text in texts
                    .into_iter()
                    .chain([&row.province, &row.area, &row.address])
                {
                    query = query.bind(text.clone());
                }
                query = query.bind(IMPORT_BEGAN + seconds);
            }
            let done = query.execute(&mut self.connection).await;
            done.map_err(|source| LegacyError::Database {
                path: self.path.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// A clerk changes one cell of a row; the update time is the database's own clock.
    pub async fn update(
        &mut self,
        id: &str,
        column: &str,
        value: Option<&str>,
    ) -> Result<bool, LegacyError> {
        if !COLUMNS.contains(&column) {
            return Err(LegacyError::NoSuchColumn(column.to_owned()));
        }
        let now = "datetime('now', '+8 hours')";
        let sql = format!("UPDATE {TABLE} SET {column} = ?, GXSJ = {now} WHERE NBXH = ?");
        Ok(self.execute(sql, &[value, Some(id)]).await? == 1)
    }

    /// A clerk strikes a row.
    pub async fn delete(&mut self, id: &str) -> Result<bool, LegacyError> {
        Ok(self
            .execute(format!("DELETE FROM {TABLE} WHERE NBXH = ?"), &[Some(id)])
            .await?
            == 1)
    }

    /// One cell, for comparing with what arrived elsewhere. `None` for a row that is not there and for NULL.
    pub async fn cell(&mut self, id: &str, column: &str) -> Result<Option<String>, LegacyError> {
        if !COLUMNS.contains(&column) {
            return Err(LegacyError::NoSuchColumn(column.to_owned()));
        }
        let sql = AssertSqlSafe(format!("SELECT {column} FROM {TABLE} WHERE NBXH = ?"));
        let found = sqlx::query_scalar::<_, Option<String>>(sql)
            .bind(id)
            .fetch_optional(&mut self.connection)
            .await;
        let found = found.map_err(|source| LegacyError::Database {
            path: self.path.clone(),
            source,
        })?;
        Ok(found.flatten())
    }

    /// How many rows there are.
    pub async fn count(&mut self) -> Result<u64, LegacyError> {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {TABLE}"));
        let count = sqlx::query_scalar::<_, i64>(sql)
            .fetch_one(&mut self.connection)
            .await;
        let count = count.map_err(|source| LegacyError::Database {
            path: self.path.clone(),
            source,
        })?;
        Ok(u64::try_from(count).expect("a count is not negative"))
    }

    /// Where the database lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn execute(
        &mut self,
        sql: impl Into<String>,
        values: &[Option<&str>],
    ) -> Result<u64, LegacyError> {
        let mut query = sqlx::query(AssertSqlSafe(sql.into()));
        for value in values {
            query = query.bind(value.map(str::to_owned));
        }
        match query.execute(&mut self.connection).await {
            Ok(done) => Ok(done.rows_affected()),
            Err(source) => Err(LegacyError::Database {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// The key that the `number`th row (from 1) gets in NBXH.
pub fn row_id(number: u64) -> String {
    format!("{number:012}")
}
