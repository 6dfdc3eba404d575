//! Receipts: per log and node the newest one; and the newest head of each node's feed.

use std::collections::HashMap;

use protocol::name::{FeedId, Incarnation, SeatId};

use crate::engine::{Bulk, Kind, Row, args, own};
use crate::{FeedHeadRow, ReceiptRow, Store, StoreError};

const RECEIPT: Bulk = Bulk {
    table: "receipt",
    columns: &[
        ("seat", Kind::Blob),
        ("lane", Kind::Int),
        ("opening", Kind::Blob),
        ("node", Kind::Blob),
        ("incarnation", Kind::Int),
        ("feed", Kind::Blob),
        ("durable_sequence", Kind::Int),
        ("attached_sequence", Kind::Int),
        ("safeguarded_sequence", Kind::Int),
        ("bytes", Kind::Blob),
        ("at_us", Kind::Int),
    ],
    // a greater incarnation, or the same one with no position smaller; never the same counter with other bytes, and no clock
    tail: "ON CONFLICT (seat, lane, opening, node) DO UPDATE SET incarnation = excluded.incarnation, feed = excluded.feed, \
           durable_sequence = excluded.durable_sequence, attached_sequence = excluded.attached_sequence, \
           safeguarded_sequence = excluded.safeguarded_sequence, bytes = excluded.bytes, at_us = excluded.at_us \
           WHERE excluded.incarnation > receipt.incarnation \
           OR (excluded.incarnation = receipt.incarnation AND excluded.feed = receipt.feed \
           AND excluded.durable_sequence >= receipt.durable_sequence \
           AND excluded.attached_sequence >= receipt.attached_sequence \
           AND excluded.safeguarded_sequence >= receipt.safeguarded_sequence \
           AND (excluded.durable_sequence > receipt.durable_sequence \
           OR excluded.attached_sequence > receipt.attached_sequence \
           OR excluded.safeguarded_sequence > receipt.safeguarded_sequence))",
};

impl Store {
    /// Keeps receipts that are newer than what is kept, and passes over the others.
    pub async fn receipt_put(&self, rows: Vec<ReceiptRow>) -> Result<(), StoreError> {
        // one row per log and node and statement: further ones go in rounds, in the order given
        let mut rounds: Vec<Vec<ReceiptRow>> = Vec::new();
        let mut seen = HashMap::new();
        for row in rows {
            let round = seen
                .entry((row.seat, row.lane, row.opening, row.node))
                .or_insert(0usize);
            if rounds.len() == *round {
                rounds.push(Vec::new());
            }
            rounds[*round].push(row);
            *round += 1;
        }
        let mut tx = self.begin().await?;
        for rows in rounds {
            let mut values = Vec::with_capacity(rows.len() * RECEIPT.columns.len());
            for row in rows {
                values.extend(args![
                    row.seat,
                    row.lane,
                    row.opening,
                    row.node,
                    row.incarnation.counter,
                    row.incarnation.feed,
                    row.durable_sequence,
                    row.attached_sequence,
                    row.safeguarded_sequence,
                    row.bytes,
                    row.at_us
                ]);
            }
            tx.bulk(&RECEIPT, values).await?;
        }
        tx.commit().await
    }

    /// The newest receipts per log and node: of one origin, or all.
    pub async fn receipts(&self, seat: Option<SeatId>) -> Result<Vec<ReceiptRow>, StoreError> {
        let (condition, args) = match seat {
            Some(seat) => ("WHERE seat = $1", args![seat]),
            None => ("", args![]),
        };
        let sql = format!(
            "SELECT seat, lane, opening, node, incarnation, feed, durable_sequence, attached_sequence, safeguarded_sequence, \
             bytes, at_us \
             FROM receipt {condition} ORDER BY seat, lane, opening, node"
        );
        self.rows(own(sql), args).await?.iter().map(read).collect()
    }
}

impl Store {
    /// Keeps a node's word on the head of its feed, if it is newer than what is kept. Returns whether it was.
    pub async fn feed_head_put(&self, row: FeedHeadRow) -> Result<bool, StoreError> {
        let touched = self
            .write(
                "INSERT INTO feed_head (node, incarnation, feed, head, bytes, at_us) VALUES ($1, $2, $3, $4, $5, $6) \
                 ON CONFLICT (node) DO UPDATE SET incarnation = excluded.incarnation, feed = excluded.feed, \
                 head = excluded.head, bytes = excluded.bytes, at_us = excluded.at_us \
                 WHERE excluded.incarnation > feed_head.incarnation OR (excluded.incarnation = feed_head.incarnation \
                 AND excluded.feed = feed_head.feed AND excluded.head > feed_head.head)",
                args![
                    row.node,
                    row.incarnation.counter,
                    row.incarnation.feed,
                    row.head,
                    row.bytes,
                    row.at_us
                ],
            )
            .await?;
        Ok(touched > 0)
    }

    /// The newest head that a node has told.
    pub async fn feed_head_of(&self, node: SeatId) -> Result<Option<FeedHeadRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT node, incarnation, feed, head, bytes, at_us FROM feed_head WHERE node = $1",
                args![node],
            )
            .await?;
        rows.first()
            .map(|row| {
                Ok(FeedHeadRow {
                    node: row.seat(0)?,
                    incarnation: incarnation(row, 1)?,
                    head: row.uint(3)?,
                    bytes: row.blob(4)?,
                    at_us: row.int(5)?,
                })
            })
            .transpose()
    }
}

fn incarnation(row: &Row, at: usize) -> Result<Incarnation, StoreError> {
    Ok(Incarnation {
        counter: row.uint(at)?,
        feed: FeedId(row.fixed(at + 1, "incarnation")?),
    })
}

fn read(row: &Row) -> Result<ReceiptRow, StoreError> {
    Ok(ReceiptRow {
        seat: row.seat(0)?,
        lane: row.small(1, "receipt")?,
        opening: row.reference(2)?,
        node: row.seat(3)?,
        incarnation: incarnation(row, 4)?,
        durable_sequence: row.uint(6)?,
        attached_sequence: row.uint(7)?,
        safeguarded_sequence: row.uint(8)?,
        bytes: row.blob(9)?,
        at_us: row.int(10)?,
    })
}
