//! What people ask a seat: how its sources go, what waits, which rows are refused, what the tiers above confirmed.

use protocol::name::Lane;
use sqlx::Row;

use super::{SeatError, SeatStore};

/// How a source goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// Number of the source in this database.
    pub id: i64,
    /// Its configured name.
    pub name: String,
    /// Rows that it is known to have, each counted once.
    pub rows_known: u64,
    /// Records that stand stated from its rows, each counted once.
    pub records_stated: u64,
    /// Rows read since the database was made, repeats included.
    pub rows_read: u64,
    /// Entries stated since the database was made, repeats and refusals included.
    pub rows_stated: u64,
    /// Rows refused now.
    pub refused: u64,
    /// When it was last read, milliseconds since 1970.
    pub cycle_ms: Option<i64>,
    /// When it last had something new, milliseconds since 1970.
    pub changed_ms: Option<i64>,
    /// What stood in the way of the last cycle.
    pub trouble: Option<String>,
    /// What people should know that is not a fault.
    pub note: Option<String>,
}

/// What waits here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Entries captured and not sealed.
    pub unsealed_entries: u64,
    /// Batches sealed and kept here. The opening of an epoch, which is kept for ever, is none.
    pub sealed_batches: u64,
    /// Entries in those batches.
    pub sealed_entries: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Newest sealed sequence per lane; 0 if none.
    pub sealed_up_to: [u64; 3],
    /// When the oldest entry that waits was captured, milliseconds since 1970.
    pub oldest_ms: Option<i64>,
}

/// A refused row as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectListed {
    /// Configured name of its source.
    pub source: String,
    /// Where it stands in the source.
    pub position: String,
    /// Refused since, milliseconds since 1970.
    pub since_ms: i64,
    /// Reasons (JSON).
    pub reasons: String,
    /// The row (JSON).
    pub row: String,
}

/// The last receipt of a node for a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Seat of the node that signed it.
    pub node: [u8; 16],
    /// The lane.
    pub lane: Lane,
    /// Durable at the node up to here.
    pub durable: u64,
    /// Held in a second failure domain up to here.
    pub safeguarded: u64,
    /// The instant in the receipt, microseconds since 1970.
    pub issued_us: i64,
    /// When it arrived here, milliseconds since 1970.
    pub heard_ms: i64,
    /// The signed envelope.
    pub envelope: Vec<u8>,
}

impl SeatStore {
    /// How each source goes, by name.
    pub async fn source_reports(&self) -> Result<Vec<SourceReport>, SeatError> {
        let rows = sqlx::query(
            "SELECT s.id, s.name, s.rows_read, s.rows_stated, \
             (SELECT COUNT(*) FROM reject r WHERE r.source = s.id), \
             s.cycle_at, s.changed_at, s.trouble, s.note, s.rows_known, s.records_stated FROM source s ORDER BY s.name",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(SourceReport {
                    id: row.try_get(0)?,
                    name: row.try_get(1)?,
                    rows_read: row.try_get::<i64, _>(2)? as u64,
                    rows_stated: row.try_get::<i64, _>(3)? as u64,
                    refused: row.try_get::<i64, _>(4)? as u64,
                    cycle_ms: row.try_get(5)?,
                    changed_ms: row.try_get(6)?,
                    trouble: row.try_get(7)?,
                    note: row.try_get(8)?,
                    rows_known: row.try_get::<i64, _>(9)? as u64,
                    records_stated: row.try_get::<i64, _>(10)? as u64,
                })
            })
            .collect()
    }

    /// What waits here.
    pub async fn queue_state(&self) -> Result<QueueState, SeatError> {
        let row = sqlx::query(
            "SELECT (SELECT COALESCE(SUM(entries), 0) FROM unsealed), (SELECT COUNT(*) FROM sealed WHERE sequence > 0), \
             (SELECT COALESCE(SUM(entries), 0) FROM sealed), \
             (SELECT MIN(c) FROM (SELECT MIN(captured) AS c FROM unsealed \
              UNION ALL SELECT MIN(captured) FROM sealed WHERE sequence > 0))",
        )
        .fetch_one(&self.reader)
        .await?;
        let mut state = QueueState {
            unsealed_entries: row.try_get::<i64, _>(0)? as u64,
            sealed_batches: row.try_get::<i64, _>(1)? as u64,
            sealed_entries: row.try_get::<i64, _>(2)? as u64,
            bytes: self.queued_bytes(),
            sealed_up_to: [0; 3],
            oldest_ms: row.try_get(3)?,
        };
        for row in sqlx::query("SELECT lane, sequence FROM frontier")
            .fetch_all(&self.reader)
            .await?
        {
            let lane = row.try_get::<i64, _>(0)? as usize;
            if let Some(slot) = state.sealed_up_to.get_mut(lane) {
                *slot = row.try_get::<i64, _>(1)? as u64;
            }
        }
        Ok(state)
    }

    /// Refused rows, oldest first, a page at a time; `source` narrows to one.
    pub async fn rejects(
        &self,
        source: Option<&str>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RejectListed>, SeatError> {
        let rows = sqlx::query(
            "SELECT s.name, r.position, r.since, r.reasons, r.row FROM reject r JOIN source s ON s.id = r.source \
             WHERE $1 IS NULL OR s.name = $1 ORDER BY r.since, r.source, r.identity LIMIT $2 OFFSET $3",
        )
        .bind(source)
        .bind(i64::from(limit))
        .bind(after as i64)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(RejectListed {
                    source: row.try_get(0)?,
                    position: row.try_get(1)?,
                    since_ms: row.try_get(2)?,
                    reasons: row.try_get(3)?,
                    row: row.try_get(4)?,
                })
            })
            .collect()
    }

    /// Keeps the last receipt per node and lane; which one is the newer has been judged, by what they say and not by time.
    pub async fn put_receipts(&self, receipts: &[ReceiptRow]) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        for receipt in receipts {
            sqlx::query(
                "INSERT INTO receipt (node, lane, durable, safeguarded, issued, heard, envelope) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (node, lane) DO UPDATE SET \
                 durable = excluded.durable, safeguarded = excluded.safeguarded, issued = excluded.issued, \
                 heard = excluded.heard, envelope = excluded.envelope",
            )
            .bind(receipt.node.to_vec())
            .bind(i64::from(receipt.lane as u8))
            .bind(receipt.durable as i64)
            .bind(receipt.safeguarded as i64)
            .bind(receipt.issued_us)
            .bind(receipt.heard_ms)
            .bind(receipt.envelope.as_slice())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The last receipt of every node, per lane.
    pub async fn receipts(&self) -> Result<Vec<ReceiptRow>, SeatError> {
        let rows = sqlx::query(
            "SELECT node, lane, durable, safeguarded, issued, heard, envelope FROM receipt ORDER BY node, lane",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let node: &[u8] = row.try_get(0)?;
                Ok(ReceiptRow {
                    node: node
                        .try_into()
                        .map_err(|_| SeatError::Corrupt("回执节点"))?,
                    lane: u8::try_from(row.try_get::<i64, _>(1)?)
                        .ok()
                        .and_then(Lane::from_u8)
                        .ok_or(SeatError::Corrupt("回执通道"))?,
                    durable: row.try_get::<i64, _>(2)? as u64,
                    safeguarded: row.try_get::<i64, _>(3)? as u64,
                    issued_us: row.try_get(4)?,
                    heard_ms: row.try_get(5)?,
                    envelope: row.try_get(6)?,
                })
            })
            .collect()
    }
}
