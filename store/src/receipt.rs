//! Receipts: per log and node the newest one.

use std::collections::HashMap;

use protocol::name::{FeedId, SeatId};

use crate::engine::{Bulk, Kind, Row, args, own};
use crate::{ReceiptRow, Store, StoreError};

const RECEIPT: Bulk = Bulk {
    table: "receipt",
    columns: &[
        ("seat", Kind::Blob),
        ("lane", Kind::Int),
        ("opening", Kind::Blob),
        ("node", Kind::Blob),
        ("incarnation", Kind::Blob),
        ("durable_sequence", Kind::Int),
        ("safeguarded_sequence", Kind::Int),
        ("bytes", Kind::Blob),
        ("at_us", Kind::Int),
    ],
    // of one incarnation the one that reaches further, whatever the clock said; of two the later one (D17)
    tail: "ON CONFLICT (seat, lane, opening, node) DO UPDATE SET incarnation = excluded.incarnation, \
           durable_sequence = excluded.durable_sequence, safeguarded_sequence = excluded.safeguarded_sequence, \
           bytes = excluded.bytes, at_us = excluded.at_us \
           WHERE (excluded.incarnation = receipt.incarnation \
           AND excluded.durable_sequence >= receipt.durable_sequence \
           AND excluded.safeguarded_sequence >= receipt.safeguarded_sequence) \
           OR (excluded.incarnation <> receipt.incarnation AND excluded.at_us > receipt.at_us)",
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
                    row.incarnation,
                    row.durable_sequence,
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
            "SELECT seat, lane, opening, node, incarnation, durable_sequence, safeguarded_sequence, bytes, at_us \
             FROM receipt {condition} ORDER BY seat, lane, opening, node"
        );
        self.rows(own(sql), args).await?.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<ReceiptRow, StoreError> {
    Ok(ReceiptRow {
        seat: row.seat(0)?,
        lane: row.small(1, "receipt")?,
        opening: row.hash(2)?,
        node: row.seat(3)?,
        incarnation: FeedId(row.fixed(4, "receipt")?),
        durable_sequence: row.uint(5)?,
        safeguarded_sequence: row.uint(6)?,
        bytes: row.blob(7)?,
        at_us: row.int(8)?,
    })
}
