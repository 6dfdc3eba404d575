//! SQLite files as a source: a table or view, read only, page by page, by update column or by comparing the whole table.
//!
//! A page is one short read transaction in which the source's own clock is read, too, so that we never make the
//! business system wait. Reading goes by a tuple cursor (update column, key). Every cycle reads what lies above the
//! greatest tuple seen; the overlap below it is read again as often as its size allows, because rows are committed late
//! or at an equal time; rows whose update column is empty, no time, or ahead of the clock are read with it. What was
//! read before is recognised by its hash, not by the cursor.

mod position;
mod probe;
mod query;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::value::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{ConnectOptions, Connection, Decode, Row, Sqlite, TypeInfo, ValueRef};

use super::watermark::Watermark;
use super::{
    LegacyRow, PAGE_BYTES_MAX, Page, Probe, ReadContext, ReadError, RowDefect, decode_text,
    identity, shown_key,
};
use position::{Cell, Phase, Position, Tuple};
use query::{Go, Table};

/// How an SQLite source is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteSettings {
    /// Name of the source.
    pub name: String,
    /// The database file.
    pub path: PathBuf,
    /// Table or view.
    pub table: String,
    /// Columns that tell rows apart; empty: the primary key, else the row number.
    pub key: Vec<String>,
    /// Columns to be read.
    pub columns: Vec<String>,
    /// The update column; without one the whole table is compared each cycle.
    pub watermark: Option<Watermark>,
}

/// A table or view of an SQLite file.
pub struct SqliteSource {
    settings: SqliteSettings,
    columns: Arc<[String]>,
    clock_sql: &'static str,
    open: Option<Open>,
}

struct Open {
    connection: SqliteConnection,
    table: Table,
}

impl SqliteSource {
    /// A source that is opened at its first page.
    pub fn new(settings: SqliteSettings) -> Self {
        Self {
            columns: settings.columns.clone().into(),
            settings,
            clock_sql: "SELECT CAST(strftime('%s', 'now') AS INTEGER)",
            open: None,
        }
    }

    /// What the file holds, and how well the update column serves.
    pub async fn probe(&mut self) -> Result<Probe, ReadError> {
        let mut connection = self.connect().await?;
        let found = probe::probe(&mut connection, &self.settings, self.clock_sql).await;
        let closed = connection.close().await;
        let probe = found.map_err(|e| self.failed(e))?;
        closed.map_err(|e| self.failed(e))?;
        Ok(probe)
    }

    /// A position from which the whole table is compared once, and reading then goes on where it stood.
    pub fn position_for_full_compare(&self, position: &[u8]) -> Result<Vec<u8>, ReadError> {
        let mut position = self.read_position(position)?;
        position.phase = Phase::Full { at: None };
        Ok(position.to_bytes())
    }

    /// The page after `position`.
    pub async fn read_page(
        &mut self,
        position: &[u8],
        context: &ReadContext<'_>,
    ) -> Result<Page, ReadError> {
        let mut position = self.read_position(position)?;
        if position.phase == Phase::Idle || self.open.is_none() {
            // once per cycle: a restored or replaced file is then found by its path, and no lock outlives a cycle
            self.open = None;
            self.open = Some(self.open().await?);
        }
        let read = self.read(&mut position, context.rows_max).await;
        let (rows, clock, more) = match read {
            Ok(page) => page,
            Err(e) => {
                self.open = None;
                return Err(self.failed(e));
            }
        };
        if !more {
            self.open = None;
        }
        Ok(Page {
            columns: self.columns.clone(),
            note: self.clock_note(&position, clock),
            rows,
            position: position.to_bytes(),
            more,
            clock: Some(match &self.settings.watermark {
                Some(w) => w.at(clock).to_string(),
                None => clock.to_string(),
            }),
            file: None,
        })
    }

    async fn read(
        &mut self,
        position: &mut Position,
        rows_max: usize,
    ) -> Result<(Vec<LegacyRow>, i64, bool), sqlx::Error> {
        let Some(open) = &mut self.open else {
            return Err(sqlx::Error::WorkerCrashed);
        };
        let mut tx = open.connection.begin().await?;
        let clock: i64 = sqlx::query_scalar(self.clock_sql)
            .fetch_one(&mut *tx)
            .await?;
        let watermark = self.settings.watermark.as_ref();
        if position.phase == Phase::Idle {
            position.begin_cycle(watermark, clock);
        }
        let mut rows = Vec::new();
        let mut more = true;
        while rows.is_empty() && more {
            let query = open.table.page(&position.phase, watermark, rows_max);
            let mut bytes = 0;
            let mut last = None;
            let cut = query
                .each(&mut tx, |row| {
                    let (tuple, row) = self.settings.row(&open.table, row, &mut bytes)?;
                    last = Some(tuple);
                    rows.push(row);
                    let full = rows.len() == rows_max || bytes >= PAGE_BYTES_MAX;
                    Ok(if full { Go::Stop } else { Go::On })
                })
                .await?;
            position.advance(last, rows.len() as u64);
            if !cut {
                more = position.end_phase(watermark, clock);
            }
        }
        tx.rollback().await?;
        Ok((rows, clock, more))
    }

    fn clock_note(&self, position: &Position, clock: i64) -> Option<String> {
        let watermark = self.settings.watermark.as_ref()?;
        let high = position.high.as_ref()?.time.as_ref()?;
        let ahead = watermark.seconds(&high.to_value())? - clock;
        (ahead > CLOCK_BEHIND_S).then(|| {
            format!(
                "源库时钟比最新一行的更新时间落后 {} 分钟，新的变更要等时钟赶上后才读取；请校准源库所在机器的时钟",
                ahead / 60
            )
        })
    }

    async fn open(&self) -> Result<Open, ReadError> {
        let mut connection = self.connect().await?;
        let table = Table::inspect(&mut connection, &self.settings)
            .await
            .map_err(|e| self.failed(e))??;
        Ok(Open { connection, table })
    }

    async fn connect(&self) -> Result<SqliteConnection, ReadError> {
        let path = &self.settings.path;
        match std::fs::File::open(path) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(ReadError::Absent { path: path.clone() });
            }
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(ReadError::Denied { path: path.clone() });
            }
            Err(e) => {
                return Err(ReadError::Failed {
                    path: path.clone(),
                    detail: e.to_string(),
                });
            }
        }
        SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT)
            .row_buffer_size(ROW_BUFFER)
            .disable_statement_logging()
            .connect()
            .await
            .map_err(|e| self.failed(e))
    }

    fn failed(&self, error: sqlx::Error) -> ReadError {
        let path = self.settings.path.clone();
        let code = error
            .as_database_error()
            .and_then(|e| e.code())
            .and_then(|code| code.parse::<i32>().ok())
            .unwrap_or(0);
        let detail = error
            .as_database_error()
            .map_or_else(|| error.to_string(), |e| e.message().to_owned());
        // the lower eight bits are the primary result code
        match code & 0xff {
            5 | 6 => ReadError::Locked { path },
            11 | 26 => ReadError::Corrupt { path, detail },
            3 | 23 => ReadError::Denied { path },
            _ => ReadError::Failed { path, detail },
        }
    }

    fn read_position(&self, bytes: &[u8]) -> Result<Position, ReadError> {
        Position::read(bytes).map_err(|_| ReadError::Position {
            source_name: self.settings.name.clone(),
        })
    }

    #[cfg(test)]
    fn with_clock(mut self, sql: &'static str) -> Self {
        self.clock_sql = sql;
        self
    }
}

impl SqliteSettings {
    /// One row: its cursor tuple, and the row with its values.
    fn row(
        &self,
        table: &Table,
        row: &SqliteRow,
        bytes: &mut usize,
    ) -> Result<(Tuple, LegacyRow), sqlx::Error> {
        let keys = table.key.len();
        let mut key_cells = Vec::with_capacity(keys);
        for at in 0..keys {
            key_cells.push(cell(row, at)?);
        }
        let mut at = keys;
        let time = if self.watermark.is_some() {
            at += 1;
            Some(cell(row, at - 1)?)
        } else {
            None
        };
        let key: Vec<Value> = key_cells.iter().map(Cell::to_value).collect();
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut defect = None;
        for n in 0..self.columns.len() {
            let raw = row.try_get_raw(at + n)?;
            let value = value(raw, bytes)?;
            if matches!(&value, Value::Raw(b) if b == query::OVERSIZED_MARK) {
                defect = Some(RowDefect::Oversized);
            }
            columns.push(value);
        }
        *bytes += ROW_OVERHEAD_BYTES;
        let legacy = LegacyRow {
            position: format!("{}:{}", self.table, shown_key(&table.key, &key)),
            identity: identity(&key),
            key: table.has_key.then_some(key),
            columns,
            defect,
        };
        Ok((
            Tuple {
                time,
                key: key_cells,
            },
            legacy,
        ))
    }
}

/// Storage class of a value that is not null.
#[derive(Clone, Copy)]
enum Kind {
    Integer,
    Real,
    Text,
    Blob,
}

impl Kind {
    fn of(raw: &SqliteValueRef<'_>) -> Self {
        match raw.type_info().name() {
            "INTEGER" => Self::Integer,
            "REAL" => Self::Real,
            "TEXT" => Self::Text,
            _ => Self::Blob,
        }
    }
}

fn value(raw: SqliteValueRef<'_>, bytes: &mut usize) -> Result<Value, sqlx::Error> {
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match Kind::of(&raw) {
        Kind::Integer => Value::Integer(decode(raw)?),
        Kind::Real => real(decode(raw)?),
        Kind::Text => {
            let text: &[u8] = decode(raw)?;
            *bytes += text.len();
            decode_text(text)
        }
        Kind::Blob => {
            let blob: &[u8] = decode(raw)?;
            *bytes += blob.len();
            if blob.is_empty() {
                Value::Empty
            } else {
                Value::Raw(blob.to_vec())
            }
        }
    })
}

fn cell(row: &SqliteRow, at: usize) -> Result<Cell, sqlx::Error> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    Ok(match Kind::of(&raw) {
        Kind::Integer => Cell::Integer(decode(raw)?),
        Kind::Real => Cell::Real(decode(raw)?),
        Kind::Text => Cell::Text(decode::<&[u8]>(raw)?.to_vec()),
        Kind::Blob => Cell::Blob(decode::<&[u8]>(raw)?.to_vec()),
    })
}

fn decode<'r, T: Decode<'r, Sqlite>>(raw: SqliteValueRef<'r>) -> Result<T, sqlx::Error> {
    T::decode(raw).map_err(sqlx::Error::Decode)
}

/// A real as decimal text, if it is a number at all.
fn real(v: f64) -> Value {
    Value::decimal(&v.to_string()).unwrap_or_else(|| Value::Raw(v.to_string().into_bytes()))
}

/// The connector's own check that a configured path is a database, without reading it.
pub fn looks_like_database(path: &Path) -> bool {
    let mut head = [0; 16];
    std::fs::File::open(path)
        .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut head))
        .is_ok()
        && head == *b"SQLite format 3\0"
}

const BUSY_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 5_000 });
const ROW_BUFFER: usize = 128;
const ROW_OVERHEAD_BYTES: usize = 128;
const CLOCK_BEHIND_S: i64 = 60;
