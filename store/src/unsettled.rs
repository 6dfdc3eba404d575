//! Entities that the rules could not settle, as people work through them: by origin and reason; and entities that may be
//! the same as one of them. What the reasons mean and what is alike enough is the caller's.

use std::collections::BTreeMap;

use crate::engine::{Arg, Bulk, Kind, Row, Tx, args, bound, own};
use crate::fold::{ENTITY_COLUMNS, entity};
use crate::{EntityRow, Store, StoreError, UnsettledCount, UnsettledFilter, UnsettledRow};

/// Rows of a page, whatever is asked for.
pub const PAGE_MAX: usize = 200;
/// Origins that one question names at most.
pub const ORIGINS_MAX: usize = 1_000;

pub(crate) const COLUMNS: &str = "u.subject, u.origin, u.reasons, u.detail, u.tax_no, u.registry";
/// Where [`COLUMNS`] begin behind those of an entity.
const BEHIND_ENTITY: usize = 14;

const UNSETTLED: Bulk = Bulk {
    table: "unsettled",
    columns: &[
        ("subject", Kind::Int),
        ("origin", Kind::Blob),
        ("reasons", Kind::Int),
        ("detail", Kind::Text),
        ("tax_no", Kind::Text),
        ("registry", Kind::Text),
    ],
    tail: "",
};

/// Writes which of the entities of a fold group are unsettled; all others of the group are settled or gone.
pub(crate) async fn put(
    tx: &mut Tx,
    entities: &BTreeMap<i64, EntityRow>,
    gone: &[i64],
    rows: Vec<UnsettledRow>,
) -> Result<(), StoreError> {
    let subjects: Vec<i64> = entities.keys().chain(gone).copied().collect();
    if subjects.is_empty() {
        return Ok(());
    }
    let sql = format!("DELETE FROM unsettled WHERE {}", tx.among("subject", 1));
    tx.exec(own(sql), args![subjects]).await?;
    let mut values = Vec::new();
    for row in rows {
        if row.reasons == 0 || !entities.contains_key(&row.subject.cast_signed()) {
            return Err(StoreError::Invalid {
                what: "待核实主体没有原因，或不在本组主体之中",
            });
        }
        values.extend(args![
            row.subject,
            row.origin,
            row.reasons,
            row.detail,
            row.tax_no,
            row.registry
        ]);
    }
    tx.bulk(&UNSETTLED, values).await
}

impl Store {
    /// Unsettled entities by origin, reasons and subject, from the `skip`-th on.
    pub async fn unsettled(
        &self,
        filter: &UnsettledFilter,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<(UnsettledRow, EntityRow)>, StoreError> {
        let (condition, mut args) = condition(filter)?;
        args.extend(args![limit.clamp(1, PAGE_MAX), bound(skip)]);
        // the page is cut in the index alone
        let sql = format!(
            "SELECT {ENTITY_COLUMNS}, {COLUMNS} FROM \
             (SELECT subject FROM unsettled WHERE {condition} ORDER BY origin, reasons, subject LIMIT ${} OFFSET ${}) AS p \
             JOIN unsettled u ON u.subject = p.subject JOIN entity e ON e.subject = p.subject \
             ORDER BY u.origin, u.reasons, u.subject",
            args.len() - 1,
            args.len()
        );
        self.rows(own(sql), args)
            .await?
            .iter()
            .map(|row| Ok((read(row, BEHIND_ENTITY)?, entity(row)?)))
            .collect()
    }

    /// How many unsettled entities there are, by origin and reasons.
    pub async fn unsettled_counts(&self) -> Result<Vec<UnsettledCount>, StoreError> {
        self.rows(
            "SELECT origin, reasons, COUNT(*) FROM unsettled GROUP BY origin, reasons ORDER BY origin, reasons",
            args![],
        )
        .await?
        .iter()
        .map(|row| {
            Ok(UnsettledCount {
                origin: row.seat(0)?,
                reasons: row.small(1, "unsettled")?,
                count: row.uint(2)?,
            })
        })
        .collect()
    }

    /// How many unsettled entities match; counting stops at `most`.
    pub async fn unsettled_at_most(
        &self,
        filter: &UnsettledFilter,
        most: u64,
    ) -> Result<u64, StoreError> {
        let (condition, mut args) = condition(filter)?;
        args.extend(args![bound(most)]);
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM unsettled WHERE {condition} LIMIT ${}) AS m",
            args.len()
        );
        self.int(own(sql), args).await.map(i64::cast_unsigned)
    }

    /// Why the entity of a subject is unsettled; `None` if it is settled.
    pub async fn unsettled_of(&self, subject: u64) -> Result<Option<UnsettledRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM unsettled u WHERE u.subject = $1");
        self.rows(own(sql), args![subject])
            .await?
            .first()
            .map(|row| read(row, 0))
            .transpose()
    }
}

fn condition(filter: &UnsettledFilter) -> Result<(String, Vec<Arg>), StoreError> {
    let (mut conditions, mut args) = (Vec::new(), Vec::new());
    if let Some(origins) = &filter.origins {
        if origins.len() > ORIGINS_MAX {
            return Err(StoreError::Invalid {
                what: "一次查询的来源过多",
            });
        }
        let mut names = Vec::new();
        for origin in origins {
            args.extend(args![*origin]);
            names.push(format!("${}", args.len()));
        }
        conditions.push(if names.is_empty() {
            "1 = 0".to_owned()
        } else {
            format!("origin IN ({})", names.join(", "))
        });
    }
    if filter.reasons != 0 {
        args.extend(args![filter.reasons]);
        conditions.push(format!("(reasons & ${}) <> 0", args.len()));
    }
    if conditions.is_empty() {
        conditions.push("1 = 1".to_owned());
    }
    Ok((conditions.join(" AND "), args))
}

pub(crate) fn read(row: &Row, at: usize) -> Result<UnsettledRow, StoreError> {
    Ok(UnsettledRow {
        subject: row.uint(at)?,
        origin: row.seat(at + 1)?,
        reasons: row.small(at + 2, "unsettled")?,
        detail: row.text(at + 3)?,
        tax_no: row.text(at + 4)?,
        registry: row.text(at + 5)?,
    })
}
