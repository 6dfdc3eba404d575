//! What a seat has heard and keeps: receipts of the nodes above it, statements that came after its admission, items of its
//! own feed that a peer has refused.

use protocol::hash::Ref;
use protocol::name::{Lane, SeatId};
use sqlx::Row;

use super::{SeatError, SeatStore};

/// The receipt of a node for a lane that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Seat of the node that signed it.
    pub node: SeatId,
    /// The lane.
    pub lane: Lane,
    /// When it arrived here, milliseconds since 1970.
    pub heard_ms: i64,
    /// The signed envelope.
    pub envelope: Vec<u8>,
}

/// An item of the feed that a peer has refused for its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The peer.
    pub peer: SeatId,
    /// Class of the feed.
    pub class: u8,
    /// Offset in the feed.
    pub offset: u64,
    /// Why, in the peer's words.
    pub reason: String,
    /// Release of the peer's program: another one is offered the item again.
    pub release: String,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

impl SeatStore {
    /// Keeps the receipt that counts per node and lane.
    pub async fn put_receipts(&self, receipts: &[ReceiptRow]) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        for receipt in receipts {
            sqlx::query(
                "INSERT INTO receipt (node, lane, heard, envelope) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (node, lane) DO UPDATE SET heard = excluded.heard, envelope = excluded.envelope",
            )
            .bind(receipt.node.0.to_vec())
            .bind(i64::from(receipt.lane as u8))
            .bind(receipt.heard_ms)
            .bind(receipt.envelope.as_slice())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The receipt of every node that counts, per lane.
    pub async fn receipts(&self) -> Result<Vec<ReceiptRow>, SeatError> {
        let rows =
            sqlx::query("SELECT node, lane, heard, envelope FROM receipt ORDER BY node, lane")
                .fetch_all(&self.reader)
                .await?;
        rows.iter()
            .map(|row| {
                Ok(ReceiptRow {
                    node: seat(row.try_get(0)?, "回执节点")?,
                    lane: u8::try_from(row.try_get::<i64, _>(1)?)
                        .ok()
                        .and_then(Lane::from_u8)
                        .ok_or(SeatError::Corrupt("回执通道"))?,
                    heard_ms: row.try_get(2)?,
                    envelope: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// Keeps statements, in the order given, behind those that are kept. One that is kept already stays where it is.
    pub async fn put_statements(&self, statements: &[(Ref, Vec<u8>)]) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        for (reference, bytes) in statements {
            sqlx::query(
                "INSERT INTO statement (ref, bytes) VALUES ($1, $2) ON CONFLICT (ref) DO NOTHING",
            )
            .bind(reference.to_bytes().to_vec())
            .bind(bytes.as_slice())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The statements that are kept, in the order in which they came.
    pub async fn statements(&self) -> Result<Vec<Vec<u8>>, SeatError> {
        Ok(
            sqlx::query_scalar("SELECT bytes FROM statement ORDER BY id")
                .fetch_all(&self.reader)
                .await?,
        )
    }

    /// Notes that a peer refused an item.
    pub async fn skip(&self, item: &Skipped) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO skipped (peer, class, feed_offset, reason, release, at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (peer, class, feed_offset) DO UPDATE SET reason = excluded.reason, \
             release = excluded.release, at = excluded.at",
        )
        .bind(item.peer.0.to_vec())
        .bind(i64::from(item.class))
        .bind(item.offset as i64)
        .bind(item.reason.as_str())
        .bind(item.release.as_str())
        .bind(item.at_ms)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Forgets what a peer refused under another release than this, since that one may read it.
    pub async fn unskip(&self, peer: SeatId, release: &str) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM skipped WHERE peer = $1 AND release <> $2")
            .bind(peer.0.to_vec())
            .bind(release)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// What peers have refused, oldest first.
    pub async fn skipped(&self) -> Result<Vec<Skipped>, SeatError> {
        let rows = sqlx::query(
            "SELECT peer, class, feed_offset, reason, release, at FROM skipped ORDER BY at, feed_offset",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Skipped {
                    peer: seat(row.try_get(0)?, "对端节点")?,
                    class: u8::try_from(row.try_get::<i64, _>(1)?)
                        .map_err(|_| SeatError::Corrupt("发送类别"))?,
                    offset: row.try_get::<i64, _>(2)? as u64,
                    reason: row.try_get(3)?,
                    release: row.try_get(4)?,
                    at_ms: row.try_get(5)?,
                })
            })
            .collect()
    }
}

fn seat(bytes: &[u8], what: &'static str) -> Result<SeatId, SeatError> {
    bytes
        .try_into()
        .map(SeatId)
        .map_err(|_| SeatError::Corrupt(what))
}
