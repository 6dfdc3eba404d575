//! What is not taken in, and why: logs that wait, logs that are stopped, evidence, statements that wait for others, items that
//! a peer refused, items that this release does not read. All of it survives restarts (D22, D51, D54).

use protocol::hash::Ref;
use protocol::limits;
use protocol::name::SeatId;

use crate::engine::{Row, Tx, args, bound};
use crate::{
    EvidenceRow, HeldRow, HeldStatementRow, SkippedRow, StoppedRow, Store, StoreError,
    UnreadItemRow,
};

/// Rows that one look returns.
const ROWS_MAX: usize = 10_000;

impl Store {
    /// Logs that are held back.
    pub async fn held(&self) -> Result<Vec<HeldRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT seat, lane, opening, from_sequence, reason, from_peer, at_us FROM held \
                 ORDER BY seat, lane, opening LIMIT $1",
                args![ROWS_MAX],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(HeldRow {
                    seat: row.seat(0)?,
                    lane: row.small(1, "held")?,
                    opening: row.reference(2)?,
                    from_sequence: row.uint(3)?,
                    reason: row.small(4, "held")?,
                    from_peer: row.seat(5)?,
                    at_us: row.int(6)?,
                })
            })
            .collect()
    }

    /// A log is not held back any more.
    pub async fn held_done(&self, seat: SeatId, lane: u8, opening: Ref) -> Result<(), StoreError> {
        self.write(
            "DELETE FROM held WHERE seat = $1 AND lane = $2 AND opening = $3",
            args![seat, lane, opening],
        )
        .await?;
        Ok(())
    }

    /// Logs that are stopped.
    pub async fn stopped(&self) -> Result<Vec<StoppedRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT seat, lane, opening, sequence, reason, detail, at_us FROM stopped \
                 ORDER BY seat, lane, opening LIMIT $1",
                args![ROWS_MAX],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(StoppedRow {
                    seat: row.seat(0)?,
                    lane: row.small(1, "stopped")?,
                    opening: row.reference(2)?,
                    sequence: row.uint(3)?,
                    reason: row.small(4, "stopped")?,
                    detail: row.text(5)?,
                    at_us: row.int(6)?,
                })
            })
            .collect()
    }

    /// A log goes on after a person has decided.
    pub async fn stopped_done(
        &self,
        seat: SeatId,
        lane: u8,
        opening: Ref,
    ) -> Result<bool, StoreError> {
        let touched = self
            .write(
                "DELETE FROM stopped WHERE seat = $1 AND lane = $2 AND opening = $3",
                args![seat, lane, opening],
            )
            .await?;
        Ok(touched > 0)
    }

    /// Stops a log outside of an intake group, such as one that was found damaged at a start.
    pub async fn stop(&self, row: StoppedRow) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        put_stopped(&mut tx, vec![row]).await?;
        tx.commit().await
    }

    /// What contradicts or may not be, newest first.
    pub async fn evidence(&self) -> Result<Vec<EvidenceRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT ref, kind, seat, reason, bytes, at_us FROM evidence ORDER BY at_us DESC, ref LIMIT $1",
                args![ROWS_MAX],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(EvidenceRow {
                    reference: row.reference(0)?,
                    kind: row.small(1, "evidence")?,
                    seat: row.seat(2)?,
                    reason: row.small(3, "evidence")?,
                    bytes: row.blob(4)?,
                    at_us: row.int(5)?,
                })
            })
            .collect()
    }

    /// Statements that wait for others, oldest first.
    pub async fn held_statements(&self) -> Result<Vec<HeldStatementRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT ref, missing, from_peer, bytes, at_us FROM held_statement ORDER BY at_us, ref LIMIT $1",
                args![ROWS_MAX],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(HeldStatementRow {
                    reference: row.reference(0)?,
                    missing: row.reference(1)?,
                    from_peer: row.seat(2)?,
                    bytes: row.blob(3)?,
                    at_us: row.int(4)?,
                })
            })
            .collect()
    }

    /// Notes that a peer has refused an item of our feed.
    pub async fn skip(&self, row: SkippedRow) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO skipped (peer, class, feed_offset, reason, release, at_us) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (peer, class, feed_offset) DO UPDATE SET reason = excluded.reason, \
             release = excluded.release, at_us = excluded.at_us",
            args![row.peer, row.class, bound(row.offset), row.reason, row.release, row.at_us],
        )
        .await?;
        Ok(())
    }

    /// Items of our feed that were refused: by one peer, or by all.
    pub async fn skipped(&self, peer: Option<SeatId>) -> Result<Vec<SkippedRow>, StoreError> {
        const COLUMNS: &str =
            "SELECT peer, class, feed_offset, reason, release, at_us FROM skipped";
        let rows = match peer {
            Some(peer) => {
                let sql = crate::engine::own(format!(
                    "{COLUMNS} WHERE peer = $1 ORDER BY class, feed_offset LIMIT $2"
                ));
                self.rows(sql, args![peer, ROWS_MAX]).await?
            }
            None => {
                let sql = crate::engine::own(format!(
                    "{COLUMNS} ORDER BY peer, class, feed_offset LIMIT $1"
                ));
                self.rows(sql, args![ROWS_MAX]).await?
            }
        };
        rows.iter().map(read_skipped).collect()
    }

    /// Offers again what a peer has refused under another release than `release`; with `None`, everything. Returns what was
    /// taken off the list.
    pub async fn unskip(
        &self,
        peer: SeatId,
        release: Option<&str>,
    ) -> Result<Vec<SkippedRow>, StoreError> {
        let mut tx = self.begin().await?;
        let rows = tx
            .rows(
                "SELECT peer, class, feed_offset, reason, release, at_us FROM skipped \
                 WHERE peer = $1 AND ($2 = '' OR release <> $2) ORDER BY class, feed_offset",
                args![peer, release.unwrap_or_default()],
            )
            .await?;
        let rows = rows
            .iter()
            .map(read_skipped)
            .collect::<Result<Vec<_>, _>>()?;
        tx.exec(
            "DELETE FROM skipped WHERE peer = $1 AND ($2 = '' OR release <> $2)",
            args![peer, release.unwrap_or_default()],
        )
        .await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Items that were kept unread, by peer and order.
    pub async fn unread_items(&self) -> Result<Vec<UnreadItemRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT peer, class, feed_offset, number, body, at_us FROM unread_item \
                 ORDER BY peer, class, feed_offset LIMIT $1",
                args![ROWS_MAX],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(UnreadItemRow {
                    peer: row.seat(0)?,
                    class: row.small(1, "unread item")?,
                    offset: row.uint(2)?,
                    number: row.small(3, "unread item")?,
                    body: row.blob(4)?,
                    at_us: row.int(5)?,
                })
            })
            .collect()
    }

    /// An item that was kept unread has been taken in.
    pub async fn unread_item_done(
        &self,
        peer: SeatId,
        class: u8,
        offset: u64,
    ) -> Result<(), StoreError> {
        self.write(
            "DELETE FROM unread_item WHERE peer = $1 AND class = $2 AND feed_offset = $3",
            args![peer, class, bound(offset)],
        )
        .await?;
        Ok(())
    }
}

fn read_skipped(row: &Row) -> Result<SkippedRow, StoreError> {
    Ok(SkippedRow {
        peer: row.seat(0)?,
        class: row.small(1, "skipped")?,
        offset: row.uint(2)?,
        reason: row.text(3)?,
        release: row.text(4)?,
        at_us: row.int(5)?,
    })
}

/// Logs that one peer may have brought and that are held, whatever origins it names: who has not stated a thing costs nothing.
pub const HELD_LOGS_PER_PEER_MAX: usize = 4_096;

/// Returns how many were not kept: one origin may have so many logs held and no more, and so may one peer.
pub(crate) async fn put_held(tx: &mut Tx, held: Vec<HeldRow>) -> Result<u64, StoreError> {
    let mut over = 0;
    for row in held {
        let others = tx
            .int(
                "SELECT COUNT(*) FROM held WHERE seat = $1 AND NOT (lane = $2 AND opening = $3)",
                args![row.seat, row.lane, row.opening],
            )
            .await?;
        let brought = tx
            .int(
                "SELECT COUNT(*) FROM held WHERE from_peer = $1 AND NOT (seat = $2 AND lane = $3 AND opening = $4)",
                args![row.from_peer, row.seat, row.lane, row.opening],
            )
            .await?;
        if others >= limits::HELD_LOGS_PER_ORIGIN_MAX as i64
            || brought >= HELD_LOGS_PER_PEER_MAX as i64
        {
            over += 1;
            continue;
        }
        tx.exec(
            "INSERT INTO held (seat, lane, opening, from_sequence, reason, from_peer, at_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (seat, lane, opening) DO UPDATE SET from_sequence = excluded.from_sequence, \
             reason = excluded.reason, from_peer = excluded.from_peer, at_us = excluded.at_us \
             WHERE excluded.from_sequence < held.from_sequence",
            args![
                row.seat,
                row.lane,
                row.opening,
                row.from_sequence,
                row.reason,
                row.from_peer,
                row.at_us
            ],
        )
        .await?;
    }
    Ok(over)
}

/// The first stop of a log stands: what follows from it is not another one.
pub(crate) async fn put_stopped(tx: &mut Tx, rows: Vec<StoppedRow>) -> Result<(), StoreError> {
    for row in rows {
        tx.exec(
            "INSERT INTO stopped (seat, lane, opening, sequence, reason, detail, at_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (seat, lane, opening) DO NOTHING",
            args![
                row.seat,
                row.lane,
                row.opening,
                row.sequence,
                row.reason,
                row.detail,
                row.at_us
            ],
        )
        .await?;
    }
    Ok(())
}

/// Pieces of evidence against one seat that are kept: enough to show what it does, and no disk full of it.
pub const EVIDENCE_PER_SEAT_MAX: usize = 1_024;

/// Returns how many were not kept: the first ones against a seat stay.
pub(crate) async fn put_evidence(tx: &mut Tx, rows: Vec<EvidenceRow>) -> Result<u64, StoreError> {
    let mut over = 0;
    for row in rows {
        let others = tx
            .int(
                "SELECT COUNT(*) FROM evidence WHERE seat = $1 AND ref <> $2",
                args![row.seat, row.reference],
            )
            .await?;
        if others >= EVIDENCE_PER_SEAT_MAX as i64 {
            over += 1;
            continue;
        }
        tx.exec(
            "INSERT INTO evidence (ref, kind, seat, reason, bytes, at_us) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (ref) DO NOTHING",
            args![row.reference, row.kind, row.seat, row.reason, row.bytes, row.at_us],
        )
        .await?;
    }
    Ok(over)
}

/// Returns how many were not kept: one peer may bring so many and no more.
pub(crate) async fn put_statements(
    tx: &mut Tx,
    rows: Vec<HeldStatementRow>,
) -> Result<u64, StoreError> {
    let mut over = 0;
    for row in rows {
        let brought = tx
            .int(
                "SELECT COUNT(*) FROM held_statement WHERE from_peer = $1 AND ref <> $2",
                args![row.from_peer, row.reference],
            )
            .await?;
        if brought >= limits::HELD_STATEMENTS_PER_PEER_MAX as i64 {
            over += 1;
            continue;
        }
        tx.exec(
            "INSERT INTO held_statement (ref, missing, from_peer, bytes, at_us) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (ref) DO NOTHING",
            args![row.reference, row.missing, row.from_peer, row.bytes, row.at_us],
        )
        .await?;
    }
    Ok(over)
}

pub(crate) async fn release_statements(tx: &mut Tx, rows: Vec<Ref>) -> Result<(), StoreError> {
    for reference in rows {
        tx.exec(
            "DELETE FROM held_statement WHERE ref = $1",
            args![reference],
        )
        .await?;
    }
    Ok(())
}

/// Returns how many were not kept: a peer has its share of bytes and no more.
pub(crate) async fn put_unread_items(
    tx: &mut Tx,
    rows: Vec<UnreadItemRow>,
) -> Result<u64, StoreError> {
    let mut over = 0;
    for row in rows {
        let charged = tx
            .int(
                "SELECT CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) FROM unread_item WHERE peer = $1",
                args![row.peer],
            )
            .await?;
        if charged.cast_unsigned() + row.body.len() as u64 > limits::UNREAD_ITEM_BYTES_PER_PEER_MAX
        {
            over += 1;
            continue;
        }
        tx.exec(
            "INSERT INTO unread_item (peer, class, feed_offset, number, body, at_us) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (peer, class, feed_offset) DO NOTHING",
            args![row.peer, row.class, bound(row.offset), row.number, row.body, row.at_us],
        )
        .await?;
    }
    Ok(over)
}
