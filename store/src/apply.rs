//! Apply: what judged images mean for current records, routes, refusals and counts, in one transaction with the applied
//! cursor. Set-based; the caller has judged and compared (D41).

use std::collections::{BTreeMap, HashMap};

use crate::engine::{Bulk, Kind, Tx, args, part, strided};
use crate::intake::{self, FEED, FeedRows, ROUTED};
use crate::record;
use crate::{
    ApplyGroup, Heads, RecordId, RecordRow, RefusalRow, RoutedRow, Store, StoreError, TypeCount,
};

const REFUSAL: Bulk = Bulk {
    table: "refusal",
    columns: &[
        ("id", Kind::Blob),
        ("origin", Kind::Blob),
        ("record_type", Kind::Text),
        ("key_text", Kind::Text),
        ("reasons", Kind::Text),
        ("fields", Kind::Text),
        ("message", Kind::Text),
        ("at_us", Kind::Int),
        ("is_open", Kind::Int),
    ],
    tail: "ON CONFLICT (id) DO UPDATE SET origin = excluded.origin, record_type = excluded.record_type, \
           key_text = excluded.key_text, reasons = excluded.reasons, fields = excluded.fields, \
           message = excluded.message, at_us = CASE WHEN refusal.is_open = 1 THEN refusal.at_us ELSE excluded.at_us END, is_open = excluded.is_open, closed_at_us = NULL",
};

const TYPE_STATS: Bulk = Bulk {
    table: "type_stats",
    columns: &[
        ("origin", Kind::Blob),
        ("kind", Kind::Int),
        ("records", Kind::Int),
        ("refused", Kind::Int),
    ],
    tail: "ON CONFLICT (origin, kind) DO UPDATE SET records = type_stats.records + excluded.records, \
           refused = type_stats.refused + excluded.refused",
};

const DIRTY: Bulk = Bulk {
    table: "dirty",
    columns: &[("subject", Kind::Int), ("mark", Kind::Int)],
    tail: "ON CONFLICT (subject) DO UPDATE SET mark = excluded.mark",
};

impl Store {
    /// Writes a group and moves the applied cursor. If it fails, nothing of it was written.
    pub async fn apply(&self, group: ApplyGroup) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        record::upsert(&mut tx, group.records).await?;
        record::change_subjects(&mut tx, group.subject_changed).await?;
        for (subject, region) in group.moved {
            record::rewrite(&mut tx, subject, |row| row.region.clone_from(&region)).await?;
        }
        for (offset, subject, region) in group.left {
            let leave = |row: &mut RecordRow| {
                if row.latest.block < offset && row.region == region {
                    row.flags |= RecordRow::LEFT;
                }
            };
            record::rewrite(&mut tx, subject, leave).await?;
        }
        put_routes(&mut tx, group.routed).await?;
        put_refusals(&mut tx, group.refusals, group.closed_refusals, group.at_us).await?;
        put_dirty(&mut tx, group.dirty).await?;
        put_counts(&mut tx, group.counts).await?;
        advance(&mut tx, "applied", group.through).await?;
        let mut moved = Heads {
            applied: group.through,
            ..Heads::default()
        };
        if !group.events.is_empty() {
            // last: PostgreSQL holds the right to number items until the commit
            tx.lock_feed().await?;
            let head = intake::head(&mut tx).await?;
            let mut feed = FeedRows {
                head,
                from_peer: None,
                at_us: group.at_us,
                values: Vec::new(),
            };
            let routes = feed.push_events(group.events);
            moved.head = feed.head;
            tx.bulk(&FEED, feed.values).await?;
            tx.bulk(&ROUTED, routes).await?;
        }
        tx.commit().await?;
        self.moved(moved);
        Ok(())
    }
}

/// Moves a cursor on; never back.
pub(crate) async fn advance(
    tx: &mut Tx,
    name: &'static str,
    through: u64,
) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO progress (name, value) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > progress.value",
        args![name, through],
    )
    .await?;
    Ok(())
}

async fn put_routes(tx: &mut Tx, routed: Vec<RoutedRow>) -> Result<(), StoreError> {
    let mut unique: BTreeMap<(String, u8, u64), Option<Vec<u8>>> = BTreeMap::new();
    for row in routed {
        if row.positions.as_ref().is_some_and(|p| p.len() % 2 != 0) {
            return Err(StoreError::Invalid {
                what: "位置列表长度为奇数",
            });
        }
        unique.insert((row.region, row.class, row.offset), row.positions);
    }
    let mut rows = Vec::with_capacity(unique.len() * 4);
    for ((region, class, offset), positions) in unique {
        rows.extend(args![region, class, offset, positions]);
    }
    tx.bulk(&ROUTED, rows).await
}

async fn put_refusals(
    tx: &mut Tx,
    refusals: Vec<RefusalRow>,
    mut closed: Vec<RecordId>,
    at_us: i64,
) -> Result<(), StoreError> {
    let mut open: HashMap<RecordId, RefusalRow> = HashMap::new();
    for row in refusals {
        if row.open {
            open.insert(row.id, row);
        } else {
            open.remove(&row.id);
            closed.push(row.id);
        }
    }
    if !closed.is_empty() {
        let packed = closed.concat();
        let length = packed.len();
        let sql = format!(
            "UPDATE refusal SET is_open = 0, closed_at_us = $3 WHERE is_open = 1 AND id IN (SELECT {} FROM n)",
            part(0, 16)
        );
        tx.exec(strided(16, &sql), args![packed, length, at_us])
            .await?;
    }
    let mut rows = Vec::with_capacity(open.len() * REFUSAL.columns.len());
    for row in open.into_values() {
        rows.extend(args![
            row.id,
            row.origin,
            row.record_type,
            row.key_text,
            row.reasons,
            row.fields,
            row.message,
            row.at_us,
            true
        ]);
    }
    tx.bulk(&REFUSAL, rows).await
}

async fn put_dirty(tx: &mut Tx, mut subjects: Vec<u64>) -> Result<(), StoreError> {
    if subjects.is_empty() {
        return Ok(());
    }
    subjects.sort_unstable();
    subjects.dedup();
    let mark = tx
        .int("SELECT COALESCE(MAX(mark), 0) + 1 FROM dirty", args![])
        .await?;
    let rows = subjects
        .into_iter()
        .flat_map(|subject| args![subject, mark])
        .collect();
    tx.bulk(&DIRTY, rows).await
}

async fn put_counts(tx: &mut Tx, counts: Vec<TypeCount>) -> Result<(), StoreError> {
    let mut sums: BTreeMap<_, (i64, i64)> = BTreeMap::new();
    for count in counts {
        let sum = sums.entry((count.origin, count.kind)).or_default();
        sum.0 += count.records;
        sum.1 += count.refused;
    }
    let mut rows = Vec::new();
    for ((origin, kind), (records, refused)) in sums {
        rows.extend(args![origin, kind, records, refused]);
    }
    tx.bulk(&TYPE_STATS, rows).await
}
