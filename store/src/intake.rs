//! Intake: verified bytes become durable, with the sender's cursor, in one synced transaction of sequential writes (I3).
//! Nothing is judged here and nothing is overwritten.

use std::collections::{HashMap, HashSet};

use protocol::hash::Hash;

use crate::admission::put_peer;
use crate::audit::put_act;
use crate::engine::{Arg, Bulk, Kind, Tx, args, part, strided};
use crate::{
    BlockRow, CursorRow, EnvelopeRow, EventRow, HeaderRow, Heads, HeldRow, IntakeDone, IntakeGroup,
    LogAdvance, Store, StoreError, WantRow,
};

/// Kinds of feed items as stored.
pub(crate) mod kind {
    pub(crate) const ENVELOPE: u8 = 1;
    pub(crate) const BLOCK: u8 = 2;
    pub(crate) const EVENT: u8 = 3;
}

/// Class of everything outside of the logs.
const DIRECTORY_CLASS: u8 = 0;

pub(crate) const FEED: Bulk = Bulk {
    table: "feed",
    columns: &[
        ("feed_offset", Kind::Int),
        ("class", Kind::Int),
        ("kind", Kind::Int),
        ("from_peer", Kind::Blob),
        ("ref_hash", Kind::Blob),
        ("size", Kind::Int),
        ("entries", Kind::Int),
        ("at_us", Kind::Int),
        ("body", Kind::Blob),
    ],
    tail: "",
};

pub(crate) const ROUTED: Bulk = Bulk {
    table: "routed",
    columns: &[
        ("region", Kind::Text),
        ("class", Kind::Int),
        ("feed_offset", Kind::Int),
        ("positions", Kind::Blob),
    ],
    tail: "ON CONFLICT (region, class, feed_offset) DO UPDATE SET positions = excluded.positions",
};

const ENVELOPE: Bulk = Bulk {
    table: "envelope",
    columns: &[
        ("hash", Kind::Blob),
        ("kind", Kind::Int),
        ("seat", Kind::Blob),
        ("bytes", Kind::Blob),
        ("arrival", Kind::Int),
    ],
    tail: "",
};

const HEADER: Bulk = Bulk {
    table: "header",
    columns: &[
        ("hash", Kind::Blob),
        ("seat", Kind::Blob),
        ("lane", Kind::Int),
        ("epoch", Kind::Int),
        ("opening", Kind::Blob),
        ("sequence", Kind::Int),
        ("entries", Kind::Int),
        ("bytes", Kind::Blob),
    ],
    tail: "",
};

const LOG: Bulk = Bulk {
    table: "log",
    columns: &[
        ("seat", Kind::Blob),
        ("lane", Kind::Int),
        ("opening", Kind::Blob),
        ("epoch", Kind::Int),
        ("last_sequence", Kind::Int),
        ("last_hash", Kind::Blob),
        ("history", Kind::Blob),
    ],
    tail: "ON CONFLICT (seat, lane, opening) DO UPDATE SET last_sequence = excluded.last_sequence, \
           last_hash = excluded.last_hash, history = excluded.history \
           WHERE excluded.last_sequence > log.last_sequence",
};

const ORIGIN_STATS: Bulk = Bulk {
    table: "origin_stats",
    columns: &[
        ("seat", Kind::Blob),
        ("lane", Kind::Int),
        ("blocks", Kind::Int),
        ("entries", Kind::Int),
        ("bytes", Kind::Int),
        ("last_at_us", Kind::Int),
    ],
    tail: "ON CONFLICT (seat, lane) DO UPDATE SET blocks = origin_stats.blocks + excluded.blocks, \
           entries = origin_stats.entries + excluded.entries, bytes = origin_stats.bytes + excluded.bytes, \
           last_at_us = excluded.last_at_us",
};

impl Store {
    /// Stores a group. When this returns, all of it is durable; if it fails, nothing of it was stored.
    ///
    /// Envelopes and headers that are known are passed over without a new feed item, unless the block is a refill. Items
    /// are numbered in the order envelopes, blocks, events.
    pub async fn intake(&self, group: IntakeGroup) -> Result<IntakeDone, StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_feed().await?;
        let before = head(&mut tx).await?;
        let mut feed = FeedRows {
            head: before,
            from_peer: group.from_peer,
            at_us: group.at_us,
            values: Vec::new(),
        };
        put_envelopes(&mut tx, group.envelopes, &mut feed).await?;
        put_blocks(&mut tx, group.blocks, &mut feed).await?;
        let routes = feed.push_events(group.events);
        let head = feed.head;
        tx.bulk(&FEED, feed.values).await?;
        tx.bulk(&ROUTED, routes).await?;
        put_held(&mut tx, group.held, group.at_us).await?;
        put_wants(&mut tx, group.wants).await?;
        for cursor in group.cursors {
            put_cursor(&mut tx, cursor).await?;
        }
        if let Some((peer, act)) = &group.decision {
            put_peer(&mut tx, peer).await?;
            put_act(&mut tx, act).await?;
        }
        tx.commit().await?;
        self.moved(Heads {
            head,
            ..Heads::default()
        });
        Ok(IntakeDone {
            first_offset: before + 1,
            head,
        })
    }
}

/// Last offset of the feed.
pub(crate) async fn head(tx: &mut Tx) -> Result<u64, StoreError> {
    tx.int("SELECT COALESCE(MAX(feed_offset), 0) FROM feed", args![])
        .await
        .map(i64::cast_unsigned)
}

/// New feed items, numbered as they are pushed.
pub(crate) struct FeedRows {
    pub(crate) head: u64,
    pub(crate) from_peer: Option<protocol::name::SeatId>,
    pub(crate) at_us: i64,
    pub(crate) values: Vec<Arg>,
}

impl FeedRows {
    fn push(
        &mut self,
        class: u8,
        kind: u8,
        reference: Option<Hash>,
        size: usize,
        entries: u32,
        body: Option<Vec<u8>>,
    ) {
        self.head += 1;
        self.values.extend(args![
            self.head,
            class,
            kind,
            self.from_peer,
            reference.map(|h| h.0.to_vec()),
            size,
            entries,
            self.at_us,
            body
        ]);
    }

    /// Adds events and returns their routes for [`ROUTED`].
    pub(crate) fn push_events(&mut self, events: Vec<EventRow>) -> Vec<Arg> {
        let mut routes = Vec::new();
        for event in events {
            self.push(
                event.class,
                kind::EVENT,
                None,
                event.bytes.len(),
                0,
                Some(event.bytes),
            );
            let regions: HashSet<String> = event.regions.into_iter().collect();
            for region in regions {
                routes.extend(args![region, event.class, self.head, Arg::NoBlob]);
            }
        }
        routes
    }
}

async fn put_envelopes(
    tx: &mut Tx,
    envelopes: Vec<EnvelopeRow>,
    feed: &mut FeedRows,
) -> Result<(), StoreError> {
    let mut known = known_hashes(tx, "envelope", envelopes.iter().map(|e| e.hash)).await?;
    let mut rows = Vec::new();
    for envelope in envelopes {
        if known.insert(envelope.hash) {
            feed.push(
                DIRECTORY_CLASS,
                kind::ENVELOPE,
                Some(envelope.hash),
                envelope.bytes.len(),
                0,
                None,
            );
            rows.extend(args![
                envelope.hash,
                envelope.kind,
                envelope.seat,
                envelope.bytes,
                feed.head
            ]);
        }
    }
    tx.bulk(&ENVELOPE, rows).await
}

async fn put_blocks(
    tx: &mut Tx,
    blocks: Vec<BlockRow>,
    feed: &mut FeedRows,
) -> Result<(), StoreError> {
    let mut known = known_hashes(tx, "header", blocks.iter().map(|b| b.header.hash)).await?;
    let mut headers = Vec::new();
    let mut logs: HashMap<_, (HeaderRow, LogAdvance)> = HashMap::new();
    let mut stats: HashMap<_, [u64; 3]> = HashMap::new();
    for BlockRow {
        mut header,
        body,
        entries,
        log,
        refill,
    } in blocks
    {
        let new = known.insert(header.hash);
        let repeated = !new && !refill;
        let name = (header.seat, header.lane, header.opening);
        if repeated
            && (log.is_none()
                || logs
                    .get(&name)
                    .is_some_and(|(last, _)| last.sequence >= header.sequence)
                || holds(tx, &header).await?)
        {
            continue;
        }
        let size = header.bytes.len() + body.len();
        feed.push(
            header.lane,
            kind::BLOCK,
            Some(header.hash),
            size,
            entries,
            Some(body),
        );
        let [blocks, all_entries, bytes] = stats.entry((header.seat, header.lane)).or_default();
        *blocks += 1;
        *all_entries += u64::from(entries);
        *bytes += size as u64;
        if new {
            let bytes = std::mem::take(&mut header.bytes);
            headers.extend(args![
                header.hash,
                header.seat,
                header.lane,
                header.epoch,
                header.opening,
                header.sequence,
                header.count,
                bytes
            ]);
        }
        if let Some(advance) = log {
            match logs.entry(name) {
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert((header, advance));
                }
                std::collections::hash_map::Entry::Occupied(mut slot) => {
                    if header.sequence > slot.get().0.sequence {
                        slot.insert((header, advance));
                    }
                }
            }
        }
    }
    tx.bulk(&HEADER, headers).await?;
    let mut rows = Vec::new();
    for (header, advance) in logs.into_values() {
        rows.extend(args![
            header.seat,
            header.lane,
            header.opening,
            header.epoch,
            header.sequence,
            advance.last_hash,
            advance.history
        ]);
    }
    tx.bulk(&LOG, rows).await?;
    let mut rows = Vec::new();
    for ((seat, lane), [blocks, entries, bytes]) in stats {
        rows.extend(args![seat, lane, blocks, entries, bytes, feed.at_us]);
    }
    tx.bulk(&ORIGIN_STATS, rows).await
}

/// Whether a log is held up to this header. A header may be known by a part of its batch only, and then come whole as the
/// next of its log.
async fn holds(tx: &mut Tx, header: &HeaderRow) -> Result<bool, StoreError> {
    let held = tx
        .int(
            "SELECT COUNT(*) FROM log WHERE seat = $1 AND lane = $2 AND opening = $3 AND last_sequence >= $4",
            args![header.seat, header.lane, header.opening, header.sequence],
        )
        .await?;
    Ok(held > 0)
}

/// Which of these hashes the table holds.
async fn known_hashes(
    tx: &mut Tx,
    table: &'static str,
    hashes: impl Iterator<Item = Hash>,
) -> Result<HashSet<Hash>, StoreError> {
    let packed: Vec<u8> = hashes.flat_map(|h| h.0).collect();
    if packed.is_empty() {
        return Ok(HashSet::new());
    }
    let length = packed.len();
    let sql = format!(
        "SELECT t.hash FROM n CROSS JOIN {table} t WHERE t.hash = {}",
        part(0, 32)
    );
    let rows = tx.rows(strided(32, &sql), args![packed, length]).await?;
    rows.iter().map(|row| row.hash(0)).collect()
}

async fn put_held(tx: &mut Tx, held: Vec<HeldRow>, at_us: i64) -> Result<(), StoreError> {
    for row in held {
        tx.exec(
            "INSERT INTO held (seat, lane, opening, from_sequence, why, at_us) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (seat, lane, opening) DO UPDATE SET from_sequence = excluded.from_sequence, \
             why = excluded.why, at_us = excluded.at_us WHERE excluded.from_sequence < held.from_sequence",
            args![row.seat, row.lane, row.opening, row.from_sequence, row.why, at_us],
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn put_wants(tx: &mut Tx, wants: Vec<WantRow>) -> Result<(), StoreError> {
    for row in wants {
        tx.exec(
            "INSERT INTO want (id, want, resume, at_us) \
             VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM want), $1, $2, $3) ON CONFLICT (want) DO NOTHING",
            args![row.want, row.resume, row.at_us],
        )
        .await?;
    }
    Ok(())
}

async fn put_cursor(tx: &mut Tx, cursor: CursorRow) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO feed_cursor (peer, feed, class, feed_offset, interest_version) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (peer, feed, class) DO UPDATE SET feed_offset = excluded.feed_offset, \
         interest_version = excluded.interest_version \
         WHERE excluded.interest_version > feed_cursor.interest_version \
         OR (excluded.interest_version = feed_cursor.interest_version \
         AND excluded.feed_offset > feed_cursor.feed_offset)",
        args![cursor.peer, cursor.feed, cursor.class, cursor.offset, cursor.interest_version],
    )
    .await?;
    Ok(())
}
