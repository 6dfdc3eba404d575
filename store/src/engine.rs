//! What both engines share at the level of one statement: arguments, rows, transactions, rows in bulk.
//!
//! A statement has one text where both engines take it (`$1` binds on both). Three kinds of value are enough: 64-bit
//! integers, text, bytes. No table is named here; what differs between the engines is in `engine/sqlite.rs` and
//! `engine/postgres.rs`.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use protocol::hash::Hash;
use protocol::name::{FeedId, SeatId};
use sqlx::{AssertSqlSafe, Postgres, Row as _, SqlSafeStr, SqlStr, Sqlite};

use crate::StoreError;
use crate::writing::Writing;

/// How often the lock of the process is tried: that of a killed predecessor goes a moment after it.
const LOCK_TRIES: u32 = 20;
/// Between two tries.
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// An argument of a statement.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
    NoBlob,
    NoInt,
    /// A list of integers, for [`Tx::among`] and [`among`].
    Ints(Vec<i64>),
}

macro_rules! from {
    ($($from:ty => |$v:ident| $arg:expr;)*) => {$(
        impl From<$from> for Arg {
            fn from($v: $from) -> Self {
                $arg
            }
        }
    )*};
}
from! {
    i64 => |v| Self::Int(v);
    u64 => |v| Self::Int(v.cast_signed());
    u32 => |v| Self::Int(v.into());
    u16 => |v| Self::Int(v.into());
    u8 => |v| Self::Int(v.into());
    bool => |v| Self::Int(v.into());
    usize => |v| Self::Int(i64::try_from(v).unwrap_or(i64::MAX));
    String => |v| Self::Text(v);
    &str => |v| Self::Text(v.to_owned());
    Vec<u8> => |v| Self::Blob(v);
    &[u8] => |v| Self::Blob(v.to_vec());
    Hash => |v| Self::Blob(v.0.to_vec());
    SeatId => |v| Self::Blob(v.0.to_vec());
    FeedId => |v| Self::Blob(v.0.to_vec());
    Option<Vec<u8>> => |v| v.map_or(Self::NoBlob, Self::Blob);
    Option<SeatId> => |v| v.map_or(Self::NoBlob, Self::from);
    Option<i64> => |v| v.map_or(Self::NoInt, Self::Int);
    Vec<i64> => |v| Self::Ints(v);
}
impl<const N: usize> From<[u8; N]> for Arg {
    fn from(v: [u8; N]) -> Self {
        Self::Blob(v.to_vec())
    }
}

macro_rules! args {
    ($($arg:expr),* $(,)?) => {
        vec![$($crate::engine::Arg::from($arg)),*]
    };
}
pub(crate) use args;

/// No store keeps U+0000 in text: PostgreSQL cannot, and both must behave alike.
fn checked(args: &[Arg]) -> Result<(), StoreError> {
    let nul = |arg: &Arg| matches!(arg, Arg::Text(s) if s.as_bytes().contains(&0));
    if args.iter().any(nul) {
        Err(StoreError::Invalid {
            what: "文本中含 U+0000",
        })
    } else {
        Ok(())
    }
}

/// A row of a result.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! column {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(&self, at: usize) -> Result<$type, StoreError> {
            Ok(match self {
                Self::Sqlite(row) => row.try_get_unchecked(at)?,
                Self::Postgres(row) => row.try_get(at)?,
            })
        }
    };
}

impl Row {
    column!(int, i64);
    column!(int_opt, Option<i64>);
    column!(text, String);
    column!(blob, Vec<u8>);
    column!(blob_opt, Option<Vec<u8>>);

    /// An unsigned integer that is stored as its two's complement.
    pub(crate) fn uint(&self, at: usize) -> Result<u64, StoreError> {
        self.int(at).map(i64::cast_unsigned)
    }

    /// An integer that fits a smaller type.
    pub(crate) fn small<T: TryFrom<i64>>(
        &self,
        at: usize,
        what: &'static str,
    ) -> Result<T, StoreError> {
        T::try_from(self.int(at)?).map_err(|_| StoreError::Corrupt { what })
    }

    /// Bytes of a fixed length.
    pub(crate) fn fixed<const N: usize>(
        &self,
        at: usize,
        what: &'static str,
    ) -> Result<[u8; N], StoreError> {
        let corrupt = |_| StoreError::Corrupt { what };
        match self {
            Self::Sqlite(row) => <&[u8]>::try_into(row.try_get_unchecked(at)?).map_err(corrupt),
            Self::Postgres(row) => <&[u8]>::try_into(row.try_get(at)?).map_err(corrupt),
        }
    }

    pub(crate) fn hash(&self, at: usize) -> Result<Hash, StoreError> {
        self.fixed(at, "hash").map(Hash)
    }

    pub(crate) fn seat(&self, at: usize) -> Result<SeatId, StoreError> {
        self.fixed(at, "seat").map(SeatId)
    }

    pub(crate) fn seat_opt(&self, at: usize) -> Result<Option<SeatId>, StoreError> {
        let Some(bytes) = self.blob_opt(at)? else {
            return Ok(None);
        };
        let bytes = bytes
            .try_into()
            .map_err(|_| StoreError::Corrupt { what: "seat" })?;
        Ok(Some(SeatId(bytes)))
    }
}

/// Rows of one table, written with as few statements as the engine allows.
pub(crate) struct Bulk {
    pub(crate) table: &'static str,
    pub(crate) columns: &'static [Column],
    /// What stands behind the rows: `ON CONFLICT …` or nothing.
    pub(crate) tail: &'static str,
}

/// Name and kind of a column in a [`Bulk`].
pub(crate) type Column = (&'static str, Kind);

/// Kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Blob,
}

/// A writing transaction. After a statement failed or was given up nothing more is written in it, since the engine may have
/// ended it by itself and would keep each further statement on its own.
pub(crate) struct Tx {
    open: Open,
    failed: bool,
    writing: Writing,
}

/// A transaction of either engine.
pub(crate) enum Open {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Tx {
    /// A transaction that was to begin.
    pub(crate) fn begun(
        begun: Result<Open, sqlx::Error>,
        writing: &Writing,
    ) -> Result<Self, StoreError> {
        let open = begun.inspect_err(|error| writing.failed(error))?;
        Ok(Self {
            open,
            failed: false,
            writing: writing.clone(),
        })
    }

    /// Executes a statement; returns how many rows it touched.
    pub(crate) async fn exec(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        checked(&args)?;
        let sql = sql.into_sql_str();
        self.enter()?;
        let done = match &mut self.open {
            Open::Sqlite(tx) => {
                let done = sqlite::query(sql, args).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
            }
            Open::Postgres(tx) => {
                let done = postgres::query(sql, args).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
            }
        };
        self.leave(done)
    }

    /// All rows of a query, which must be bounded by itself.
    pub(crate) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        checked(&args)?;
        let sql = sql.into_sql_str();
        self.enter()?;
        let done = match &mut self.open {
            Open::Sqlite(tx) => {
                let rows = sqlite::query(sql, args).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
            }
            Open::Postgres(tx) => {
                let rows = postgres::query(sql, args).fetch_all(&mut **tx).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        };
        self.leave(done)
    }

    /// The one integer of a query that always has one row.
    pub(crate) async fn int(
        &mut self,
        sql: impl SqlSafeStr,
        args: Vec<Arg>,
    ) -> Result<i64, StoreError> {
        self.rows(sql, args)
            .await?
            .first()
            .ok_or(StoreError::Corrupt { what: "count" })?
            .int(0)
    }

    /// Writes rows, given one after the other in column order. No two rows may meet the same conflict.
    pub(crate) async fn bulk(&mut self, bulk: &Bulk, values: Vec<Arg>) -> Result<(), StoreError> {
        debug_assert!(values.len().is_multiple_of(bulk.columns.len()));
        checked(&values)?;
        if values.is_empty() {
            return Ok(());
        }
        self.enter()?;
        let done = match &mut self.open {
            Open::Sqlite(tx) => sqlite::bulk(tx, bulk, values).await,
            Open::Postgres(tx) => postgres::bulk(tx, bulk, values).await,
        };
        self.leave(done)
    }

    /// Takes the right to number feed items until the end of the transaction. SQLite has one writer anyway.
    pub(crate) async fn lock_feed(&mut self) -> Result<(), StoreError> {
        self.enter()?;
        let done = match &mut self.open {
            Open::Sqlite(_) => Ok(()),
            Open::Postgres(tx) => sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(postgres::FEED_LOCK)
                .execute(&mut **tx)
                .await
                .map(drop),
        };
        self.leave(done)
    }

    /// Whether this is SQLite.
    pub(crate) const fn is_sqlite(&self) -> bool {
        matches!(self.open, Open::Sqlite(_))
    }

    /// `column` among the integers of argument `number`, an [`Arg::Ints`].
    pub(crate) fn among(&self, column: &str, number: usize) -> String {
        among(self.is_sqlite(), column, number)
    }

    /// Makes everything durable and visible.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.enter()?;
        let done = match self.open {
            Open::Sqlite(tx) => tx.commit().await,
            Open::Postgres(tx) => tx.commit().await,
        };
        match &done {
            Ok(()) => self.writing.works(),
            Err(error) => self.writing.failed(error),
        }
        Ok(done?)
    }

    fn enter(&mut self) -> Result<(), StoreError> {
        // until the statement has come back well
        if std::mem::replace(&mut self.failed, true) {
            return Err(StoreError::Invalid {
                what: "事务失败后仍继续使用",
            });
        }
        Ok(())
    }

    fn leave<T>(&mut self, done: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        match &done {
            Ok(_) => self.failed = false,
            Err(error) => self.writing.failed(error),
        }
        Ok(done?)
    }
}

/// A bound in an order: what is beyond any stored value stays beyond it.
pub(crate) fn bound(v: u64) -> i64 {
    i64::try_from(v).unwrap_or(i64::MAX)
}

/// The condition behind [`Tx::among`]: JSON on SQLite, an array on PostgreSQL, so that one text serves any number.
pub(crate) fn among(sqlite: bool, column: &str, number: usize) -> String {
    if sqlite {
        format!("{column} IN (SELECT value FROM json_each(${number}))")
    } else {
        format!("{column} = ANY(${number})")
    }
}

/// A common table `n(o)` with the positions (from 1) of fixed-width items in `$1`, whose length is `$2`. One blob carries
/// any number of identities or rows into a statement of fixed text, without a bind per value. Measured on SQLite: half the
/// time of multi-row VALUES.
pub(crate) fn strided(width: usize, statement: &str) -> SqlStr {
    AssertSqlSafe(format!(
        "WITH RECURSIVE n(o) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT o + {width} FROM n WHERE o + {width} <= $2) {statement}"
    ))
    .into_sql_str()
}

/// `substr` of `$1` in a [`strided`] statement: `length` bytes, `skip` bytes behind the item's start.
pub(crate) fn part(skip: usize, length: usize) -> String {
    format!("substr($1, CAST(o + {skip} AS INTEGER), {length})")
}

/// Marks a statement text that this crate put together from its own parts.
pub(crate) fn own(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}
