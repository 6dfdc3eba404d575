//! What waits to leave: unsealed entries per lane, sealed batches until they are safe elsewhere, the head of each log.

use std::sync::atomic::Ordering;

use protocol::hash::Hash;
use protocol::name::{HybridTime, Lane};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::{SeatError, SeatStore};

/// A chunk of entries that waits to be sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsealed {
    /// Its number; greater is later.
    pub id: i64,
    /// How many entries.
    pub entries: u32,
    /// When they were captured, milliseconds since 1970.
    pub captured_ms: i64,
    /// Their bytes as capture laid them out.
    pub body: Vec<u8>,
}

/// The head of a lane's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// Sequence of the newest header; 0 if there is none.
    pub sequence: u64,
    /// Hash of the newest header, or of the epoch's opening.
    pub hash: Hash,
    /// Peaks of the history tree, as protocol lays them out.
    pub history: Vec<u8>,
    /// Hybrid time of the newest header.
    pub hybrid_time: HybridTime,
}

/// A sealed batch as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The lane.
    pub lane: Lane,
    /// Sequence of its header.
    pub sequence: u64,
    /// Hash of its header.
    pub hash: Hash,
    /// How many entries.
    pub entries: u32,
    /// When the oldest of its entries was captured, milliseconds since 1970.
    pub captured_ms: i64,
    /// The header's envelope.
    pub header: Vec<u8>,
    /// The compressed openings.
    pub body: Vec<u8>,
}

/// A sealed batch with its place in the seat's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Offset in the feed, dense over all lanes, from 1.
    pub offset: u64,
    /// The batch.
    pub batch: Sealed,
}

/// One sealing: a batch, the chunks it consumed and the log's new head.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// The sealed batch.
    pub batch: Sealed,
    /// Chunks that are in it, of the same lane.
    pub consumed: Vec<i64>,
    /// The log's head with it.
    pub frontier: Frontier,
}

impl SeatStore {
    /// The oldest unsealed chunks of a lane: as many whole ones as hold at most `entries_max` entries and `bytes_max`
    /// bytes, and at least one if there is any.
    pub async fn unsealed(
        &self,
        lane: Lane,
        entries_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<Unsealed>, SeatError> {
        let sizes = sqlx::query(
            "SELECT id, entries, length(body) FROM unsealed WHERE lane = $1 ORDER BY id LIMIT $2",
        )
        .bind(i64::from(lane as u8))
        .bind(i64::from(entries_max))
        .fetch_all(&self.reader)
        .await?;
        let (mut entries, mut bytes, mut last) = (0_i64, 0_i64, None);
        for row in &sizes {
            entries += row.try_get::<i64, _>(1)?;
            bytes += row.try_get::<i64, _>(2)?;
            if last.is_some() && (entries > i64::from(entries_max) || bytes > bytes_max as i64) {
                break;
            }
            last = Some(row.try_get::<i64, _>(0)?);
        }
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query(
            "SELECT id, entries, captured, body FROM unsealed WHERE lane = $1 AND id <= $2 ORDER BY id",
        )
        .bind(i64::from(lane as u8))
        .bind(last)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Unsealed {
                    id: row.try_get(0)?,
                    entries: row.try_get::<i64, _>(1)? as u32,
                    captured_ms: row.try_get(2)?,
                    body: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// The head of a lane's log, if anything was sealed in it.
    pub async fn frontier(&self, lane: Lane) -> Result<Option<Frontier>, SeatError> {
        let row = sqlx::query(
            "SELECT sequence, hash, history, hybrid_time FROM frontier WHERE lane = $1",
        )
        .bind(i64::from(lane as u8))
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Frontier {
            sequence: row.try_get::<i64, _>(0)? as u64,
            hash: hash(&row, 1)?,
            history: row.try_get(2)?,
            hybrid_time: HybridTime(row.try_get::<i64, _>(3)? as u64),
        }))
    }

    /// Keeps sealed batches, consumes their chunks and moves the heads, in one synced transaction. Returns the feed
    /// offset of the last batch.
    pub async fn commit_sealing(&self, sealings: &[Sealing]) -> Result<u64, SeatError> {
        let mut tx = self.begin().await?;
        let mut offset = feed_head(&mut tx).await?;
        let (mut added, mut removed) = (0_u64, 0_u64);
        for sealing in sealings {
            offset += 1;
            let batch = &sealing.batch;
            added += (batch.header.len() + batch.body.len()) as u64;
            sqlx::query(
                "INSERT INTO sealed (feed_offset, lane, sequence, hash, entries, captured, header, body) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(offset as i64)
            .bind(i64::from(batch.lane as u8))
            .bind(batch.sequence as i64)
            .bind(batch.hash.0.to_vec())
            .bind(i64::from(batch.entries))
            .bind(batch.captured_ms)
            .bind(batch.header.as_slice())
            .bind(batch.body.as_slice())
            .execute(&mut *tx)
            .await?;
            for group in sealing.consumed.chunks(500) {
                let mut sql = String::from("DELETE FROM unsealed WHERE id IN (");
                for (at, id) in group.iter().enumerate() {
                    if at > 0 {
                        sql.push(',');
                    }
                    sql.push_str(&id.to_string());
                }
                sql.push_str(") RETURNING length(body)");
                let bytes: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
                    .persistent(false)
                    .fetch_all(&mut *tx)
                    .await?;
                removed += bytes.iter().sum::<i64>() as u64;
            }
            let head = &sealing.frontier;
            sqlx::query(
                "INSERT INTO frontier (lane, sequence, hash, history, hybrid_time) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (lane) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash, \
                 history = excluded.history, hybrid_time = excluded.hybrid_time",
            )
            .bind(i64::from(batch.lane as u8))
            .bind(head.sequence as i64)
            .bind(head.hash.0.to_vec())
            .bind(head.history.as_slice())
            .bind(head.hybrid_time.0 as i64)
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('feed_head', $1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(offset.to_be_bytes().to_vec())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.queued_bytes.fetch_add(added, Ordering::Relaxed);
        self.queued_bytes.fetch_sub(removed, Ordering::Relaxed);
        Ok(offset)
    }

    /// The newest offset of the feed; 0 before the first batch.
    pub async fn feed_head(&self) -> Result<u64, SeatError> {
        match self.meta("feed_head").await? {
            None => Ok(0),
            Some(bytes) => Ok(u64::from_be_bytes(
                bytes
                    .try_into()
                    .map_err(|_| SeatError::Corrupt("发送位次"))?,
            )),
        }
    }

    /// Puts the opening of the seat's epoch on the feed, ahead of everything: lane 0, sequence 0. Done once; the
    /// envelope is also kept as the value `opening`.
    pub async fn commit_opening(&self, hash: Hash, envelope: &[u8]) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        let offset = feed_head(&mut tx).await? + 1;
        sqlx::query(
            "INSERT INTO sealed (feed_offset, lane, sequence, hash, entries, captured, header, body) \
             VALUES ($1, 0, 0, $2, 0, 0, $3, x'')",
        )
        .bind(offset as i64)
        .bind(hash.0.to_vec())
        .bind(envelope)
        .execute(&mut *tx)
        .await?;
        for (name, value) in [
            ("feed_head", offset.to_be_bytes().to_vec()),
            ("opening", envelope.to_vec()),
        ] {
            sqlx::query(
                "INSERT INTO meta (name, value) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(name)
            .bind(value)
            .execute(&mut *tx)
            .await?;
        }
        // it is kept for ever and waits for nothing, so it does not count among what does
        tx.commit().await?;
        Ok(())
    }

    /// What one lane has on the feed behind `offset` and not behind `upto`, in order, up to about `bytes_max` bytes and
    /// at least one; and whether that is all of it.
    pub async fn sealed_after(
        &self,
        lane: Lane,
        offset: u64,
        upto: u64,
        bytes_max: usize,
    ) -> Result<(Vec<SealedRow>, bool), SeatError> {
        let sizes = sqlx::query(
            "SELECT feed_offset, length(header) + length(body) FROM sealed \
             WHERE lane = $1 AND feed_offset > $2 AND feed_offset <= $3 ORDER BY feed_offset LIMIT 65",
        )
        .bind(i64::from(lane as u8))
        .bind(offset as i64)
        .bind(upto as i64)
        .fetch_all(&self.reader)
        .await?;
        let (mut bytes, mut last, mut taken) = (0_i64, None, 0);
        for row in sizes.iter().take(64) {
            bytes += row.try_get::<i64, _>(1)?;
            if last.is_some() && bytes > bytes_max as i64 {
                break;
            }
            last = Some(row.try_get::<i64, _>(0)?);
            taken += 1;
        }
        let Some(last) = last else {
            return Ok((Vec::new(), true));
        };
        let rows = sqlx::query(
            "SELECT feed_offset, lane, sequence, hash, entries, captured, header, body FROM sealed \
             WHERE lane = $1 AND feed_offset > $2 AND feed_offset <= $3 ORDER BY feed_offset",
        )
        .bind(i64::from(lane as u8))
        .bind(offset as i64)
        .bind(last)
        .fetch_all(&self.reader)
        .await?;
        let rows = rows.iter().map(sealed_row).collect::<Result<_, _>>()?;
        Ok((rows, taken == sizes.len()))
    }

    /// Sequence of a lane's last batch that is still kept and not behind `offset` on the feed; 0 if there is none.
    pub async fn sequence_at(&self, lane: Lane, offset: u64) -> Result<u64, SeatError> {
        let sequence: Option<i64> = sqlx::query_scalar(
            "SELECT sequence FROM sealed WHERE lane = $1 AND feed_offset <= $2 \
             ORDER BY feed_offset DESC LIMIT 1",
        )
        .bind(i64::from(lane as u8))
        .bind(offset as i64)
        .fetch_optional(&self.reader)
        .await?;
        Ok(sequence.unwrap_or(0) as u64)
    }

    /// Sealed batches of one lane with sequences from `first` to `last`, in order, at most 8.
    pub async fn sealed_range(
        &self,
        lane: Lane,
        first: u64,
        last: u64,
    ) -> Result<Vec<SealedRow>, SeatError> {
        let rows = sqlx::query(
            "SELECT feed_offset, lane, sequence, hash, entries, captured, header, body FROM sealed \
             WHERE lane = $1 AND sequence >= $2 AND sequence <= $3 AND sequence > 0 ORDER BY sequence LIMIT 8",
        )
        .bind(i64::from(lane as u8))
        .bind(first as i64)
        .bind(last as i64)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(sealed_row).collect()
    }

    /// Forgets the batches of a lane up to a header that a full holder says is safe in a second failure domain. Nothing
    /// is forgotten if the header of that sequence is another one here.
    pub async fn prune(&self, lane: Lane, sequence: u64, hash: Hash) -> Result<u64, SeatError> {
        let mut tx = self.begin().await?;
        let ours: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT hash FROM sealed WHERE lane = $1 AND sequence = $2")
                .bind(i64::from(lane as u8))
                .bind(sequence as i64)
                .fetch_optional(&mut *tx)
                .await?;
        if ours.as_deref() != Some(hash.0.as_slice()) {
            return Ok(0);
        }
        let bytes: Vec<i64> = sqlx::query_scalar(
            "DELETE FROM sealed WHERE lane = $1 AND sequence > 0 AND sequence <= $2 \
             RETURNING length(header) + length(body)",
        )
        .bind(i64::from(lane as u8))
        .bind(sequence as i64)
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let freed = bytes.iter().sum::<i64>() as u64;
        self.queued_bytes.fetch_sub(freed, Ordering::Relaxed);
        Ok(bytes.len() as u64)
    }

    pub(super) async fn count_queued_bytes(&self) -> Result<u64, SeatError> {
        let bytes: i64 = sqlx::query_scalar(
            "SELECT (SELECT COALESCE(SUM(length(body)), 0) FROM unsealed) \
             + (SELECT COALESCE(SUM(length(header) + length(body)), 0) FROM sealed WHERE sequence > 0)",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok(bytes as u64)
    }
}

async fn feed_head(tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>) -> Result<u64, SeatError> {
    let bytes: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT value FROM meta WHERE name = 'feed_head'")
            .fetch_optional(&mut **tx)
            .await?;
    match bytes {
        None => Ok(0),
        Some(bytes) => Ok(u64::from_be_bytes(
            bytes
                .try_into()
                .map_err(|_| SeatError::Corrupt("发送位次"))?,
        )),
    }
}

fn sealed_row(row: &SqliteRow) -> Result<SealedRow, SeatError> {
    Ok(SealedRow {
        offset: row.try_get::<i64, _>(0)? as u64,
        batch: Sealed {
            lane: u8::try_from(row.try_get::<i64, _>(1)?)
                .ok()
                .and_then(Lane::from_u8)
                .ok_or(SeatError::Corrupt("批次通道"))?,
            sequence: row.try_get::<i64, _>(2)? as u64,
            hash: hash(row, 3)?,
            entries: row.try_get::<i64, _>(4)? as u32,
            captured_ms: row.try_get(5)?,
            header: row.try_get(6)?,
            body: row.try_get(7)?,
        },
    })
}

fn hash(row: &SqliteRow, at: usize) -> Result<Hash, SeatError> {
    let bytes: &[u8] = row.try_get(at)?;
    bytes
        .try_into()
        .map(Hash)
        .map_err(|_| SeatError::Corrupt("批次散列"))
}
