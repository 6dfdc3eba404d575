//! What people are shown before a source is switched on: tables, columns, rows, and how well the update column serves.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Row};

use super::SqliteSettings;
use super::query::quoted;
use crate::connector::watermark::Watermark;
use crate::connector::{ColumnProbe, Probe, TableProbe, WatermarkProbe, decode_text};

pub(super) async fn probe(
    connection: &mut SqliteConnection,
    settings: &SqliteSettings,
    clock_sql: &'static str,
) -> Result<Probe, sqlx::Error> {
    let names: Vec<(String, bool)> = sqlx::query_as(
        "SELECT name, type = 'view' FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut tables = Vec::new();
    for (name, view) in names.into_iter().take(TABLES_MAX) {
        let chosen = name.eq_ignore_ascii_case(&settings.table);
        let mut table = TableProbe {
            columns: columns(connection, &name).await?,
            name,
            view,
            ..TableProbe::default()
        };
        if chosen {
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT COUNT(*) FROM {}",
                quoted(&table.name)
            )))
            .fetch_one(&mut *connection)
            .await?;
            table.rows = Some(rows as u64);
            if let Some(w) = &settings.watermark
                && let Some(column) = table
                    .columns
                    .iter()
                    .find(|c| c.name.eq_ignore_ascii_case(&w.column))
            {
                let indexed = column.indexed;
                table.watermark = Some(
                    watermark(connection, settings, w, indexed, rows as u64, clock_sql).await?,
                );
            }
        }
        tables.push(table);
    }
    Ok(Probe { tables })
}

async fn columns(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<ColumnProbe>, sqlx::Error> {
    let indexed: Vec<Option<String>> = sqlx::query_scalar(
        "SELECT i.name FROM pragma_index_list($1) l, pragma_index_info(l.name) i WHERE i.seqno = 0",
    )
    .bind(table)
    .fetch_all(&mut *connection)
    .await?;
    let rows = sqlx::query("SELECT name, type, pk FROM pragma_table_xinfo($1) ORDER BY cid")
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
    rows.iter()
        .map(|row| {
            let name: String = row.try_get(0)?;
            let pk: i64 = row.try_get(2)?;
            Ok(ColumnProbe {
                indexed: pk == 1 || indexed.iter().flatten().any(|i| *i == name),
                declared: row.try_get(1)?,
                key: pk > 0,
                name,
            })
        })
        .collect()
}

async fn watermark(
    connection: &mut SqliteConnection,
    settings: &SqliteSettings,
    w: &Watermark,
    indexed: bool,
    rows: u64,
    clock_sql: &'static str,
) -> Result<WatermarkProbe, sqlx::Error> {
    let (table, column) = (quoted(&settings.table), quoted(&w.column));
    let clock: i64 = sqlx::query_scalar(clock_sql)
        .fetch_one(&mut *connection)
        .await?;
    let greatest: Option<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT CAST(MAX({column}) AS BLOB) FROM {table}"
    )))
    .fetch_one(&mut *connection)
    .await?;
    let nulls: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT COUNT(*) FROM {table} WHERE {column} IS NULL"
    )))
    .fetch_one(&mut *connection)
    .await?;
    let ahead: i64 = {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE {column} > $1 OR {column} < $2");
        let query = sqlx::query_scalar(AssertSqlSafe(sql));
        match (w.at(clock), w.floor()) {
            (protocol::value::Value::Integer(now), protocol::value::Value::Integer(floor)) => {
                query.bind(now).bind(floor)
            }
            (now, floor) => query.bind(now.to_string()).bind(floor.to_string()),
        }
        .fetch_one(&mut *connection)
        .await?
    };
    let newest: Option<Vec<u8>> = {
        let sql = format!("SELECT CAST(MAX({column}) AS BLOB) FROM {table} WHERE {column} <= $1");
        let query = sqlx::query_scalar(AssertSqlSafe(sql));
        match w.at(clock + ZONES_S) {
            protocol::value::Value::Integer(until) => query.bind(until),
            until => query.bind(until.to_string()),
        }
        .fetch_one(&mut *connection)
        .await?
    };
    let newest = w.seconds(&decode_text(&newest.unwrap_or_default()));
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    let greatest = decode_text(&greatest.unwrap_or_default());
    if !indexed {
        warnings.push(format!(
            "更新时间列 {} 没有索引，每个周期都要扫全表；行数多时请商请厂商建索引，或把周期放长",
            w.column
        ));
    }
    if nulls * 100 > rows as i64 {
        warnings.push(format!(
            "更新时间列 {} 有 {nulls} 行为空，这些行的变更只能靠重读发现；建议配置 full_compare 定时全表核对",
            w.column
        ));
    }
    if let Some(by_s) = newest.map(|s| s - clock).filter(|by_s| *by_s > SKEW_S) {
        // what was written this moment should be as old as this moment
        faults.push(format!(
            "更新时间列 {} 的最新时间比源库时钟晚约 {} 分钟：utc_offset 与该列所用时区不符，或源库时钟有误；否则新的变更要等这么久才能读到",
            w.column,
            by_s / 60
        ));
    } else if ahead > 0 {
        warnings.push(format!(
            "更新时间列 {} 有 {ahead} 行晚于源库时钟或不是时间；请核对源库时钟、utc_offset 和 format",
            w.column
        ));
    }
    if rows > nulls as u64 && greatest.is_present() && w.seconds(&greatest).is_none() {
        faults.push(format!(
            "更新时间列 {} 的最大值 {greatest} 不符合所配格式；可用的 format：{}",
            w.column,
            super::super::watermark::Format::names()
                .collect::<Vec<_>>()
                .join("、")
        ));
    }
    Ok(WatermarkProbe {
        greatest: greatest.to_string(),
        clock: w.at(clock).to_string(),
        irregular: (nulls + ahead) as u64,
        faults,
        warnings,
    })
}

/// As far as time zones are apart.
const ZONES_S: i64 = 14 * 3_600;
/// As far as clocks of one department may be apart.
const SKEW_S: i64 = 300;
const TABLES_MAX: usize = 500;
