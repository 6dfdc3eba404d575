//! Intake: verified bytes become durable, with the sender's cursor, in one synced transaction of sequential writes (I3).
//! Nothing is judged here and nothing is overwritten.

use std::collections::{HashMap, HashSet};

use protocol::hash::{REF_BYTES, Ref};
use protocol::limits;
use protocol::name::SeatId;

use crate::admission::put_decision;
use crate::apply::put_dirty;
use crate::engine::{Arg, Bulk, Kind, Tx, args, part, strided};
use crate::{
    BlockRow, CursorRow, EnvelopeRow, EventRow, HeaderRow, Heads, IntakeDone, IntakeGroup,
    LogAdvance, LogRow, RewrittenRow, Store, StoreError, WantRow, held,
};

/// Kinds of feed items as stored.
pub(crate) mod kind {
    pub(crate) const ENVELOPE: u8 = 1;
    pub(crate) const BLOCK: u8 = 2;
    pub(crate) const EVENT: u8 = 3;
}

pub(crate) const FEED: Bulk = Bulk {
    table: "feed",
    columns: &[
        ("feed_offset", Kind::Int),
        ("class", Kind::Int),
        ("kind", Kind::Int),
        ("from_peer", Kind::Blob),
        ("ref", Kind::Blob),
        ("size", Kind::Int),
        ("entries", Kind::Int),
        ("at_us", Kind::Int),
        ("token", Kind::Blob),
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
        ("ref", Kind::Blob),
        ("kind", Kind::Int),
        ("seat", Kind::Blob),
        ("class", Kind::Int),
        ("is_read", Kind::Int),
        ("bytes", Kind::Blob),
        ("arrival", Kind::Int),
    ],
    tail: "",
};

const HEADER: Bulk = Bulk {
    table: "header",
    columns: &[
        ("ref", Kind::Blob),
        ("seat", Kind::Blob),
        ("lane", Kind::Int),
        ("epoch", Kind::Int),
        ("opening", Kind::Blob),
        ("sequence", Kind::Int),
        ("entries", Kind::Int),
        ("parts", Kind::Blob),
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
        ("last_ref", Kind::Blob),
        ("history", Kind::Blob),
    ],
    tail: "ON CONFLICT (seat, lane, opening) DO UPDATE SET last_sequence = excluded.last_sequence, \
           last_ref = excluded.last_ref, history = excluded.history \
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
    /// Envelopes and headers that are known are passed over without a new feed item, unless the block adds something. Items
    /// are numbered in the order envelopes, blocks, events. A header whose identity and opening do not stand verified in the
    /// store is the caller's mistake and refused with all of the group (D50). What nobody here can read yet is kept within
    /// the share of the seat or peer that it is charged to; what goes beyond is counted in the answer and not kept, and so are
    /// wants beyond [`STATEMENT_WANTS_MAX`].
    pub async fn intake(&self, group: IntakeGroup) -> Result<IntakeDone, StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_feed().await?;
        let before = head(&mut tx).await?;
        let mut feed = FeedRows {
            head: before,
            from_peer: group.from_peer,
            at_us: group.at_us,
            token: group.token,
            values: Vec::new(),
        };
        let mut over_quota = put_envelopes(&mut tx, group.envelopes, &mut feed).await?;
        put_blocks(&mut tx, group.blocks, &mut feed).await?;
        put_advances(&mut tx, group.advances).await?;
        let routes = feed.push_events(group.events);
        let head = feed.head;
        tx.bulk(&FEED, feed.values).await?;
        tx.bulk(&ROUTED, routes).await?;
        over_quota += held::put_held(&mut tx, group.held).await?;
        over_quota += held::put_statements(&mut tx, group.held_statements).await?;
        over_quota += held::put_unread_items(&mut tx, group.unread_items).await?;
        held::put_stopped(&mut tx, group.stopped).await?;
        over_quota += held::put_evidence(&mut tx, group.evidence).await?;
        held::release_statements(&mut tx, group.released_statements).await?;
        over_quota += put_wants(&mut tx, group.wants).await?;
        for cursor in group.cursors {
            put_cursor(&mut tx, cursor).await?;
        }
        if let Some(decision) = &group.decision {
            put_decision(&mut tx, decision).await?;
        }
        tx.commit().await?;
        self.moved(Heads {
            head,
            ..Heads::default()
        });
        Ok(IntakeDone {
            first_offset: before + 1,
            head,
            over_quota,
        })
    }

    /// Blocks whose bodies are to be kept otherwise, since an erasure ends what was open in them; fold looks at `subjects`
    /// again. In one transaction, and as often as one likes.
    pub async fn rewrite(
        &self,
        blocks: Vec<RewrittenRow>,
        subjects: Vec<u64>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for block in blocks {
            tx.exec(
                "UPDATE feed SET body = $2, size = $3 WHERE feed_offset = $1",
                args![block.offset, block.body.clone(), block.body.len()],
            )
            .await?;
        }
        put_dirty(&mut tx, subjects).await?;
        tx.commit().await
    }

    /// A statement that was kept unread has been read and verified by this release: `row` is how it stands from now on.
    pub async fn envelope_read(&self, kept: Ref, row: EnvelopeRow) -> Result<(), StoreError> {
        self.write(
            "UPDATE envelope SET ref = $2, is_read = $3, bytes = $4 WHERE ref = $1",
            args![kept, row.reference, row.read, row.bytes],
        )
        .await?;
        Ok(())
    }

    /// Bytes kept unread that are charged to a seat.
    pub async fn unread_bytes(&self, seat: SeatId) -> Result<u64, StoreError> {
        self.int(UNREAD_BYTES, args![seat])
            .await
            .map(i64::cast_unsigned)
    }
}

const UNREAD_BYTES: &str = "SELECT CAST(COALESCE(SUM(LENGTH(bytes)), 0) AS BIGINT) FROM envelope WHERE seat = $1 AND is_read = 0";

/// Last offset of the feed.
pub(crate) async fn head(tx: &mut Tx) -> Result<u64, StoreError> {
    tx.int("SELECT COALESCE(MAX(feed_offset), 0) FROM feed", args![])
        .await
        .map(i64::cast_unsigned)
}

/// New feed items, numbered as they are pushed.
pub(crate) struct FeedRows {
    pub(crate) head: u64,
    pub(crate) from_peer: Option<SeatId>,
    pub(crate) at_us: i64,
    pub(crate) token: [u8; 16],
    pub(crate) values: Vec<Arg>,
}

impl FeedRows {
    fn push(
        &mut self,
        class: u8,
        kind: u8,
        reference: Option<Ref>,
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
            reference.map(|r| r.to_bytes().to_vec()),
            size,
            entries,
            self.at_us,
            self.token,
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

/// Returns how many were not kept because the share of their seat is used up.
async fn put_envelopes(
    tx: &mut Tx,
    envelopes: Vec<EnvelopeRow>,
    feed: &mut FeedRows,
) -> Result<u64, StoreError> {
    let mut known = known(tx, "envelope", "", envelopes.iter().map(|e| e.reference)).await?;
    let mut unread: HashMap<SeatId, u64> = HashMap::new();
    let (mut rows, mut over_quota) = (Vec::new(), 0);
    for envelope in envelopes {
        if known.contains(&envelope.reference) {
            continue;
        }
        if !envelope.read {
            let charged = match unread.entry(envelope.seat) {
                std::collections::hash_map::Entry::Occupied(slot) => slot.into_mut(),
                std::collections::hash_map::Entry::Vacant(slot) => {
                    let stored = tx.int(UNREAD_BYTES, args![envelope.seat]).await?;
                    slot.insert(stored.cast_unsigned())
                }
            };
            if *charged + envelope.bytes.len() as u64 > limits::UNREAD_BYTES_PER_SEAT_MAX {
                over_quota += 1;
                continue;
            }
            *charged += envelope.bytes.len() as u64;
        }
        known.insert(envelope.reference);
        feed.push(
            envelope.class,
            kind::ENVELOPE,
            Some(envelope.reference),
            envelope.bytes.len(),
            0,
            None,
        );
        rows.extend(args![
            envelope.reference,
            envelope.kind,
            envelope.seat,
            envelope.class,
            envelope.read,
            envelope.bytes,
            feed.head
        ]);
    }
    tx.bulk(&ENVELOPE, rows).await?;
    Ok(over_quota)
}

async fn put_blocks(
    tx: &mut Tx,
    blocks: Vec<BlockRow>,
    feed: &mut FeedRows,
) -> Result<(), StoreError> {
    let mut known = known(tx, "header", "", blocks.iter().map(|b| b.header.reference)).await?;
    must_be_verified(
        tx,
        blocks
            .iter()
            .filter(|b| !known.contains(&b.header.reference)),
    )
    .await?;
    let mut headers = Vec::new();
    let mut parts_of: HashMap<Ref, Option<Vec<u8>>> = HashMap::new();
    let mut logs: HashMap<_, (HeaderRow, LogAdvance)> = HashMap::new();
    let mut stats: HashMap<_, [u64; 3]> = HashMap::new();
    for BlockRow {
        mut header,
        body,
        entries,
        log,
        parts,
        adds,
    } in blocks
    {
        let new = known.insert(header.reference);
        let repeated = !new && !adds;
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
            Some(header.reference),
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
                header.reference,
                header.seat,
                header.lane,
                header.epoch,
                header.opening,
                header.sequence,
                header.count,
                parts,
                bytes
            ]);
        } else {
            parts_of.insert(header.reference, parts);
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
    for (reference, parts) in parts_of {
        // nothing is ever missing again of what is whole
        tx.exec(
            "UPDATE header SET parts = $2 WHERE ref = $1 AND parts IS NOT NULL",
            args![reference, parts],
        )
        .await?;
    }
    let mut rows = Vec::new();
    for (header, advance) in logs.into_values() {
        rows.extend(args![
            header.seat,
            header.lane,
            header.opening,
            header.epoch,
            header.sequence,
            advance.last,
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

async fn put_advances(tx: &mut Tx, advances: Vec<LogRow>) -> Result<(), StoreError> {
    let mut last: HashMap<_, LogRow> = HashMap::new();
    for row in advances {
        last.insert((row.seat, row.lane, row.opening), row);
    }
    let mut rows = Vec::new();
    for row in last.into_values() {
        rows.extend(args![
            row.seat,
            row.lane,
            row.opening,
            row.epoch,
            row.sequence,
            row.last,
            row.history
        ]);
    }
    tx.bulk(&LOG, rows).await
}

/// Every header stands on an identity and an opening that were verified and are stored, in this transaction or before (D50).
async fn must_be_verified<'a>(
    tx: &mut Tx,
    blocks: impl Iterator<Item = &'a BlockRow>,
) -> Result<(), StoreError> {
    let needed: HashSet<Ref> = blocks
        .flat_map(|b| [b.header.opening, b.header.identity])
        .collect();
    let stored = known(tx, "envelope", "AND t.is_read = 1", needed.iter().copied()).await?;
    if stored.len() < needed.len() {
        return Err(StoreError::Invalid {
            what: "批次所依据的身份或开启声明未经核验入库",
        });
    }
    Ok(())
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

/// Which of these references the table holds.
async fn known(
    tx: &mut Tx,
    table: &'static str,
    condition: &'static str,
    references: impl Iterator<Item = Ref>,
) -> Result<HashSet<Ref>, StoreError> {
    let packed: Vec<u8> = references.flat_map(|r| r.to_bytes()).collect();
    if packed.is_empty() {
        return Ok(HashSet::new());
    }
    let length = packed.len();
    let sql = format!(
        "SELECT t.ref FROM n CROSS JOIN {table} t WHERE t.ref = {} {condition}",
        part(0, REF_BYTES)
    );
    let rows = tx
        .rows(strided(REF_BYTES, &sql), args![packed, length])
        .await?;
    rows.iter().map(|row| row.reference(0)).collect()
}

/// Wants of single statements that are open at a time; what is beyond is wanted when it comes up again.
pub const STATEMENT_WANTS_MAX: usize = 4_096;
/// First byte of the scope of such a want.
const STATEMENT_SCOPE: u8 = 3;

/// Returns how many were not put since so many wants of single statements are open.
pub(crate) async fn put_wants(tx: &mut Tx, wants: Vec<WantRow>) -> Result<u64, StoreError> {
    let (mut of_statements, mut over) = (None, 0);
    for row in wants {
        let bounded = row.scope.first() == Some(&STATEMENT_SCOPE);
        if bounded {
            let open = match of_statements {
                Some(open) => open,
                None => {
                    tx.int(
                        "SELECT COUNT(*) FROM want WHERE scope >= $1 AND scope < $2",
                        args![vec![STATEMENT_SCOPE], vec![STATEMENT_SCOPE + 1]],
                    )
                    .await?
                }
            };
            of_statements = Some(open);
            if open >= STATEMENT_WANTS_MAX as i64 {
                let known = tx
                    .int(
                        "SELECT COUNT(*) FROM want WHERE scope = $1",
                        args![row.scope],
                    )
                    .await?;
                over += u64::from(known == 0);
                continue;
            }
        }
        let put = tx
            .exec(
                "INSERT INTO want (id, scope, want, resume, tries, next_us, at_us) \
             VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM want), $1, $2, $3, $4, $5, $6) \
             ON CONFLICT (scope) DO NOTHING",
                args![
                    row.scope,
                    row.want,
                    row.resume,
                    row.tries,
                    row.next_us,
                    row.at_us
                ],
            )
            .await?;
        if bounded {
            of_statements = of_statements.map(|open| open + put.cast_signed());
        }
    }
    Ok(over)
}

async fn put_cursor(tx: &mut Tx, cursor: CursorRow) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO feed_cursor (peer, feed, class, feed_offset, interest_version, token) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (peer, feed, class) DO UPDATE SET \
         feed_offset = excluded.feed_offset, interest_version = excluded.interest_version, token = excluded.token \
         WHERE excluded.interest_version > feed_cursor.interest_version \
         OR (excluded.interest_version = feed_cursor.interest_version \
         AND excluded.feed_offset > feed_cursor.feed_offset)",
        args![cursor.peer, cursor.feed, cursor.class, cursor.offset, cursor.interest_version, cursor.token],
    )
    .await?;
    Ok(())
}
