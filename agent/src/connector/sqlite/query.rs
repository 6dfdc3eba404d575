//! The statements by which a table is read. Names are quoted in one function; values are always bound.

use protocol::value::Value;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite};

use super::SqliteSettings;
use super::position::{Cell, Phase, Tuple};
use crate::connector::watermark::Watermark;
use crate::connector::{ReadError, VALUE_BYTES_MAX, nearest};

/// A table as it was found: by what its rows are told apart, and the texts of its queries.
pub(super) struct Table {
    /// Key columns, or `rowid`.
    pub(super) key: Vec<String>,
    /// Whether those are columns of the table, not the row number.
    pub(super) has_key: bool,
    select: String,
    time: Option<String>,
    key_list: String,
}

impl Table {
    /// Checks that table and columns are there.
    pub(super) async fn inspect(
        connection: &mut SqliteConnection,
        settings: &SqliteSettings,
    ) -> Result<Result<Self, ReadError>, sqlx::Error> {
        let tables =
            sqlx::query("SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view')")
                .fetch_all(&mut *connection)
                .await?;
        let mut names = Vec::with_capacity(tables.len());
        let mut found = None;
        for row in &tables {
            let name: String = row.try_get(0)?;
            if name.eq_ignore_ascii_case(&settings.table) {
                found = Some(row.try_get::<String, _>(1)? == "table");
            }
            names.push(name);
        }
        let Some(is_table) = found else {
            return Ok(Err(ReadError::NoTable {
                path: settings.path.clone(),
                table: settings.table.clone(),
                nearest: nearest(&settings.table, names.iter().map(String::as_str)),
            }));
        };
        let rows = sqlx::query("SELECT name, pk FROM pragma_table_xinfo($1) ORDER BY cid")
            .bind(settings.table.as_str())
            .fetch_all(&mut *connection)
            .await?;
        let mut columns: Vec<(String, i64)> = Vec::with_capacity(rows.len());
        for row in &rows {
            columns.push((row.try_get(0)?, row.try_get(1)?));
        }
        let time = settings.watermark.as_ref().map(|w| &w.column);
        for wanted in settings.columns.iter().chain(&settings.key).chain(time) {
            if !columns
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(wanted))
            {
                return Ok(Err(ReadError::NoColumn {
                    table: settings.table.clone(),
                    column: wanted.clone(),
                    nearest: nearest(wanted, columns.iter().map(|(name, _)| name.as_str())),
                }));
            }
        }
        let key = if settings.key.is_empty() {
            let mut primary: Vec<&(String, i64)> =
                columns.iter().filter(|(_, pk)| *pk > 0).collect();
            primary.sort_by_key(|(_, pk)| *pk);
            let shadowed = columns
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("rowid"));
            if !primary.is_empty() {
                primary.into_iter().map(|(name, _)| name.clone()).collect()
            } else if is_table && !shadowed {
                vec!["rowid".to_owned()]
            } else {
                return Ok(Err(ReadError::NoKey {
                    table: settings.table.clone(),
                }));
            }
        } else {
            settings.key.clone()
        };
        Ok(Ok(Self::of(settings, key)))
    }

    fn of(settings: &SqliteSettings, key: Vec<String>) -> Self {
        let key_list = key.iter().map(|k| quoted(k)).collect::<Vec<_>>().join(", ");
        let time = settings.watermark.as_ref().map(|w| quoted(&w.column));
        let mut select = format!("SELECT {key_list}");
        if let Some(time) = &time {
            select.push_str(", ");
            select.push_str(time);
        }
        for column in &settings.columns {
            let name = quoted(column);
            select.push_str(&format!(
                ", iif(octet_length({name}) > {VALUE_BYTES_MAX}, x'{OVERSIZED_HEX}', {name})"
            ));
        }
        select.push_str(&format!(" FROM {}", quoted(&settings.table)));
        Self {
            has_key: key != ["rowid"],
            key,
            select,
            time,
            key_list,
        }
    }

    /// The query for the next page of a phase.
    pub(super) fn page(&self, phase: &Phase, watermark: Option<&Watermark>, limit: usize) -> Query {
        let mut query = Query {
            sql: self.select.clone(),
            binds: Vec::new(),
        };
        let by_key = format!(" ORDER BY {}", self.key_list);
        match (phase, &self.time, watermark) {
            (Phase::Irregular { at, horizon, .. }, Some(time), Some(w)) => {
                query
                    .sql
                    .push_str(&format!(" WHERE ({time} IS NULL OR {time} < "));
                query.bind_value(&w.floor());
                query.sql.push_str(&format!(" OR {time} > "));
                query.bind_value(horizon);
                query.sql.push(')');
                if let Some(at) = at {
                    query.sql.push_str(" AND ");
                    query.after(&self.key_list, None, at);
                }
                query.sql.push_str(&by_key);
            }
            (
                Phase::Window {
                    lower, at, upper, ..
                },
                Some(time),
                Some(w),
            ) => {
                query.sql.push_str(" WHERE ");
                match (at, lower) {
                    (Some(at), _) => {
                        let list = format!("{time}, {}", self.key_list);
                        // the first condition says the same to the planner, which uses it for the index
                        query.sql.push_str(&format!("{time} >= "));
                        query.bind_cell(at.time.as_ref().unwrap_or(&Cell::Null));
                        query.sql.push_str(" AND ");
                        query.after(&list, at.time.as_ref(), at);
                    }
                    (None, lower) => {
                        query.sql.push_str(&format!("{time} >= "));
                        match lower {
                            Some(lower) => query.bind_value(lower),
                            None => query.bind_value(&w.floor()),
                        }
                    }
                }
                query.sql.push_str(&format!(" AND {time} <= "));
                query.bind_value(upper);
                query
                    .sql
                    .push_str(&format!(" ORDER BY {time}, {}", self.key_list));
            }
            (Phase::Full { at }, ..) => {
                if let Some(at) = at {
                    query.sql.push_str(" WHERE ");
                    query.after(&self.key_list, None, at);
                }
                query.sql.push_str(&by_key);
            }
            // a window without an update column, or no phase at all: there is nothing to read
            _ => query.sql.push_str(" WHERE 0"),
        }
        query.sql.push_str(&format!(" LIMIT {limit}"));
        query
    }
}

/// A statement with its values.
pub(super) struct Query {
    sql: String,
    binds: Vec<Cell>,
}

impl Query {
    fn bind_cell(&mut self, cell: &Cell) {
        // text that is not UTF-8 can only be bound as bytes, and is text again behind the cast
        match cell {
            Cell::Text(bytes) if std::str::from_utf8(bytes).is_err() => {
                self.sql.push_str("CAST(? AS TEXT)");
                self.binds.push(Cell::Blob(bytes.clone()));
            }
            other => {
                self.sql.push('?');
                self.binds.push(other.clone());
            }
        }
    }

    fn bind_value(&mut self, value: &Value) {
        self.bind_cell(&match value {
            Value::Integer(v) => Cell::Integer(*v),
            Value::Text(s) | Value::Decimal(s) => Cell::Text(s.clone().into_bytes()),
            Value::Raw(b) => Cell::Blob(b.clone()),
            Value::Empty => Cell::Text(Vec::new()),
            _ => Cell::Null,
        });
    }

    fn after(&mut self, list: &str, time: Option<&Cell>, at: &Tuple) {
        self.sql.push_str(&format!("({list}) > ("));
        for (n, cell) in time.into_iter().chain(&at.key).enumerate() {
            if n > 0 {
                self.sql.push_str(", ");
            }
            self.bind_cell(cell);
        }
        self.sql.push(')');
    }

    /// Runs the statement and hands over row by row as they are read, until there are none or `take` says stop. Tells
    /// whether it was stopped.
    pub(super) async fn each(
        self,
        connection: &mut SqliteConnection,
        mut take: impl FnMut(&SqliteRow) -> Result<Go, sqlx::Error> + Send,
    ) -> Result<bool, sqlx::Error> {
        let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(self.sql));
        for cell in self.binds {
            query = bind(query, cell);
        }
        let mut stopped = false;
        let ended = query
            .try_map(|row: SqliteRow| {
                // an error is the only way to end a statement early; it is our own and means no harm
                if take(&row)? == Go::Stop {
                    stopped = true;
                    return Err(sqlx::Error::RowNotFound);
                }
                Ok(())
            })
            .fetch_all(connection)
            .await;
        match ended {
            Err(_) if stopped => Ok(true),
            Err(e) => Err(e),
            Ok(_) => Ok(false),
        }
    }
}

/// Whether a statement goes on after a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    /// The next row.
    On,
    /// This row was the last that is wanted.
    Stop,
}

fn bind(
    query: sqlx::query::Query<'static, Sqlite, SqliteArguments>,
    cell: Cell,
) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
    match cell {
        Cell::Null => query.bind(None::<i64>),
        Cell::Integer(v) => query.bind(v),
        Cell::Real(v) => query.bind(v),
        Cell::Text(bytes) => match String::from_utf8(bytes) {
            Ok(text) => query.bind(text),
            Err(e) => query.bind(e.into_bytes()),
        },
        Cell::Blob(bytes) => query.bind(bytes),
    }
}

/// A name of the source, quoted. `rowid` is no column and stays bare.
pub(super) fn quoted(name: &str) -> String {
    if name == "rowid" {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What stands in the place of a value that is too large.
pub(super) const OVERSIZED_MARK: &[u8] = b"\0zongheng:oversized";
const OVERSIZED_HEX: &str = "007A6F6E6768656E673A6F76657273697A6564";
