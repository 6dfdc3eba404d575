//! Refusals as people work through them: newest first, and how many there are of which reason.

use std::collections::BTreeMap;

use protocol::name::SeatId;

use crate::engine::{Arg, Row, args, own};
use crate::{RecordId, RefusalFilter, RefusalRow, Store, StoreError};

/// Rows of a page, whatever is asked for.
const PAGE_MAX: usize = 1_000;

pub(crate) const COLUMNS: &str =
    "id, origin, record_type, key_text, reasons, fields, message, at_us, is_open";

impl Store {
    /// Refusals, newest first; `after` is (instant, identity) of the last row of the page before.
    pub async fn refusals(
        &self,
        filter: &RefusalFilter,
        after: Option<(i64, RecordId)>,
        limit: usize,
    ) -> Result<Vec<RefusalRow>, StoreError> {
        let (mut conditions, mut args) = conditions(filter);
        if let Some((at_us, id)) = after {
            args.extend(args![at_us, id]);
            conditions.push(format!(
                "(at_us, id) < (${}, ${})",
                args.len() - 1,
                args.len()
            ));
        }
        args.extend(args![limit.clamp(1, PAGE_MAX)]);
        let sql = format!(
            "SELECT {COLUMNS} FROM refusal WHERE {} ORDER BY at_us DESC, id DESC LIMIT ${}",
            conditions.join(" AND "),
            args.len()
        );
        self.rows(own(sql), args).await?.iter().map(read).collect()
    }

    /// How many refusals there are of each reason code, most frequent first. One with several reasons counts for each.
    pub async fn refusal_counts(
        &self,
        filter: &RefusalFilter,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let (conditions, args) = conditions(filter);
        let sql = format!(
            "SELECT reasons, COUNT(*) FROM refusal WHERE {} GROUP BY reasons",
            conditions.join(" AND ")
        );
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for row in self.rows(own(sql), args).await? {
            for reason in row.text(0)?.split(',').filter(|r| !r.is_empty()) {
                *counts.entry(reason.to_owned()).or_default() += row.uint(1)?;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(counts)
    }

    /// Open refusals per origin.
    pub async fn refusals_open(&self) -> Result<Vec<(SeatId, u64)>, StoreError> {
        let rows = self
            .rows(
                "SELECT origin, COUNT(*) FROM refusal WHERE is_open = 1 GROUP BY origin ORDER BY origin",
                args![],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.seat(0)?, row.uint(1)?)))
            .collect()
    }

    /// The refusal of a record, open or closed.
    pub async fn refusal(&self, id: RecordId) -> Result<Option<RefusalRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM refusal WHERE id = $1");
        let rows = self.rows(own(sql), args![id]).await?;
        rows.first().map(read).transpose()
    }
}

fn conditions(filter: &RefusalFilter) -> (Vec<String>, Vec<Arg>) {
    let (mut conditions, mut args) = (vec!["id IS NOT NULL".to_owned()], Vec::new());
    if let Some(origin) = filter.origin {
        args.extend(args![origin]);
        conditions.push(format!("origin = ${}", args.len()));
    }
    // a literal, so that the partial index serves
    match filter.open {
        Some(true) => conditions.push("is_open = 1".to_owned()),
        Some(false) => conditions.push("is_open = 0".to_owned()),
        None => {}
    }
    (conditions, args)
}

pub(crate) fn read(row: &Row) -> Result<RefusalRow, StoreError> {
    Ok(RefusalRow {
        id: row.fixed(0, "refusal")?,
        origin: row.seat(1)?,
        record_type: row.text(2)?,
        key_text: row.text(3)?,
        reasons: row.text(4)?,
        fields: row.text(5)?,
        message: row.text(6)?,
        at_us: row.int(7)?,
        open: row.int(8)? == 1,
    })
}
