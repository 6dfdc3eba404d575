//! Reading the feed: pages for peers, what apply and fold have before them, single blocks, ranges of a log, cursors.
//! Long because all reading of the feed goes by one way of laying out rows.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use protocol::hash::{REF_BYTES, Ref};
use protocol::name::{FeedId, SeatId};

use crate::engine::{Arg, Row, args, bound, own, part, strided};
use crate::intake::kind;
use crate::{
    CursorRow, EnvelopeRow, FeedItem, FeedPage, FeedQuery, Heads, ItemKind, LogRow, Store,
    StoreError,
};

/// Items of a page, whatever is asked for.
pub const PAGE_ITEMS_MAX: usize = 4_096;
/// Offsets that one page looks through: a page without a match ends in bounded time, too.
const PAGE_SPAN_MAX: u64 = 1 << 16;
/// Regions that one query may name.
const REGIONS_MAX: usize = 1_024;

const ITEM: &str = "SELECT f.feed_offset, f.class, f.kind, f.from_peer, f.at_us, f.entries, f.ref, f.body, h.bytes, \
     e.bytes, f.token FROM feed f \
     LEFT JOIN header h ON f.kind = 2 AND h.ref = f.ref \
     LEFT JOIN envelope e ON f.kind = 1 AND e.ref = f.ref";

impl Store {
    /// The three cursors.
    /// Known without a query: whoever has a store open is the only one who writes to it.
    pub fn feed_heads(&self) -> Heads {
        *self.lock_heads()
    }

    /// Notes what a transaction has moved, after its commit. Nothing goes back.
    pub(crate) fn moved(&self, moved: Heads) {
        let mut heads = self.lock_heads();
        heads.head = heads.head.max(moved.head);
        heads.applied = heads.applied.max(moved.applied);
        heads.folded = heads.folded.max(moved.folded);
    }

    fn lock_heads(&self) -> MutexGuard<'_, Heads> {
        let heads = match self {
            Self::Sqlite(store) => &store.heads,
            Self::Postgres(store) => &store.heads,
        };
        heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads them again, and tells whether they had moved further: a commit may have succeeded although its caller was
    /// told nothing, or told of a lost connection.
    pub async fn refresh_heads(&self) -> Result<bool, StoreError> {
        let stored = self.stored_heads().await?;
        let known = self.feed_heads();
        self.moved(stored);
        Ok(self.feed_heads() != known)
    }

    /// Reads them; at the opening.
    pub(crate) async fn stored_heads(&self) -> Result<Heads, StoreError> {
        let rows = self
            .rows(
                "SELECT (SELECT COALESCE(MAX(feed_offset), 0) FROM feed), \
                 (SELECT COALESCE(MAX(value), 0) FROM progress WHERE name = 'applied'), \
                 (SELECT COALESCE(MAX(value), 0) FROM progress WHERE name = 'folded')",
                args![],
            )
            .await?;
        let row = rows
            .first()
            .ok_or(StoreError::Corrupt { what: "progress" })?;
        Ok(Heads {
            head: row.uint(0)?,
            applied: row.uint(1)?,
            folded: row.uint(2)?,
        })
    }

    /// A page of the feed. Loses nothing: offsets are dense and become visible in order.
    pub async fn feed_page(&self, query: FeedQuery) -> Result<FeedPage, StoreError> {
        // the head first: what arrives later belongs to the next page
        let head = self.feed_heads().head;
        let upto = query
            .upto
            .min(head)
            .min(query.after.saturating_add(PAGE_SPAN_MAX));
        let nothing = FeedPage {
            items: Vec::new(),
            through: upto.max(query.after),
        };
        if upto <= query.after {
            return Ok(nothing);
        }
        let items_max = query.items_max.clamp(1, PAGE_ITEMS_MAX);
        let (sizes, regions) = match &query.regions {
            None => (self.page_sizes(&query, upto, items_max).await?, None),
            Some(regions) if regions.is_empty() => return Ok(nothing),
            Some(regions) => {
                if regions.len() > REGIONS_MAX {
                    return Err(StoreError::Invalid {
                        what: "辖区过多"
                    });
                }
                (
                    self.routed_sizes(&query, upto, items_max, regions).await?,
                    Some(regions),
                )
            }
        };
        let full = sizes.len() == items_max;
        let offsets = cut(&sizes, query.bytes_max);
        let all = offsets.len() == sizes.len();
        let through = match offsets.last() {
            Some(last) if full || !all => last.cast_unsigned(),
            _ => upto,
        };
        let mut items = self.items_at(offsets.clone()).await?;
        if let Some(regions) = regions {
            let mut routes = self.routes(&query, offsets, regions).await?;
            for item in &mut items {
                item.positions = routes.remove(&item.offset).unwrap_or_default();
            }
        }
        Ok(FeedPage { items, through })
    }

    async fn page_sizes(
        &self,
        query: &FeedQuery,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<(i64, usize)>, StoreError> {
        let rows = self
            .rows(
                "SELECT feed_offset, size FROM feed WHERE class = $1 AND feed_offset > $2 AND feed_offset <= $3 \
                 AND (from_peer IS NULL OR from_peer <> $4) ORDER BY feed_offset LIMIT $5",
                args![query.class, bound(query.after), upto, excluded(query), limit],
            )
            .await?;
        rows.iter().map(size).collect()
    }

    async fn routed_sizes(
        &self,
        query: &FeedQuery,
        upto: u64,
        limit: usize,
        regions: &[String],
    ) -> Result<Vec<(i64, usize)>, StoreError> {
        let mut args = args![
            query.class,
            bound(query.after),
            upto,
            excluded(query),
            limit
        ];
        let among = name_regions(regions, &mut args);
        let sql = format!(
            "SELECT DISTINCT r.feed_offset, f.size FROM routed r JOIN feed f ON f.feed_offset = r.feed_offset \
             WHERE r.class = $1 AND r.feed_offset > $2 AND r.feed_offset <= $3 \
             AND (f.from_peer IS NULL OR f.from_peer <> $4) AND r.region IN ({among}) \
             ORDER BY r.feed_offset LIMIT $5"
        );
        self.rows(own(sql), args).await?.iter().map(size).collect()
    }

    /// Positions per item, united over the regions; `None` where a region has the whole item.
    async fn routes(
        &self,
        query: &FeedQuery,
        offsets: Vec<i64>,
        regions: &[String],
    ) -> Result<HashMap<u64, Option<Vec<u8>>>, StoreError> {
        let mut args = args![query.class, offsets];
        let among = name_regions(regions, &mut args);
        let sql = format!(
            "SELECT feed_offset, positions FROM routed WHERE class = $1 AND {} AND region IN ({among})",
            self.among("feed_offset", 2)
        );
        let mut routes: HashMap<u64, Option<Vec<u8>>> = HashMap::new();
        for row in self.rows(own(sql), args).await? {
            let positions = row.blob_opt(1)?;
            routes
                .entry(row.uint(0)?)
                .and_modify(|known| {
                    *known = known
                        .as_deref()
                        .zip(positions.as_deref())
                        .map(|(a, b)| unite(a, b))
                })
                .or_insert(positions);
        }
        Ok(routes)
    }

    /// Items behind a cursor, of all classes and kinds, in order: at least one if there is any.
    pub async fn unapplied(
        &self,
        after: u64,
        bytes_max: usize,
        blocks_max: usize,
    ) -> Result<Vec<FeedItem>, StoreError> {
        let rows = self
            .rows(
                "SELECT feed_offset, size FROM feed WHERE feed_offset > $1 ORDER BY feed_offset LIMIT $2",
                args![bound(after), blocks_max.clamp(1, PAGE_ITEMS_MAX)],
            )
            .await?;
        let sizes: Vec<(i64, usize)> = rows.iter().map(size).collect::<Result<_, _>>()?;
        self.items_at(cut(&sizes, bytes_max)).await
    }

    /// The items with these offsets, in order; unknown ones are left out.
    pub async fn blocks(&self, offsets: &[u64]) -> Result<Vec<FeedItem>, StoreError> {
        self.items_at(offsets.iter().map(|o| o.cast_signed()).collect())
            .await
    }

    /// Every stored item in order, for a deep verification.
    pub async fn verify_walk(&self, after: u64, limit: usize) -> Result<Vec<FeedItem>, StoreError> {
        self.unapplied(after, 8 << 20, limit).await
    }

    /// Blocks of a log with sequences in (`after`, `to`], each with its sequence, in order of sequence, then of arrival: at
    /// least one if there is any. A page ends between two sequences.
    pub async fn log_page(
        &self,
        seat: SeatId,
        lane: u8,
        opening: Ref,
        after: u64,
        to: u64,
        bytes_max: usize,
    ) -> Result<Vec<(u64, FeedItem)>, StoreError> {
        let rows = self
            .rows(
                "SELECT f.feed_offset, f.size, h.sequence FROM header h JOIN feed f ON f.ref = h.ref \
                 WHERE h.seat = $1 AND h.lane = $2 AND h.opening = $3 AND h.sequence > $4 AND h.sequence <= $5 \
                 ORDER BY h.sequence, f.feed_offset LIMIT $6",
                args![seat, lane, opening, bound(after), bound(to), PAGE_ITEMS_MAX],
            )
            .await?;
        let mut sequences = Vec::with_capacity(rows.len());
        let mut bytes = 0;
        for row in &rows {
            let (offset, size) = size(row)?;
            let sequence = row.uint(2)?;
            let begins = sequences.last().is_none_or(|(last, _)| *last != sequence);
            if begins && !sequences.is_empty() && bytes + size > bytes_max {
                break;
            }
            bytes += size;
            sequences.push((sequence, offset));
        }
        if rows.len() == PAGE_ITEMS_MAX
            && let Some((last, _)) = sequences.last().copied()
            && sequences.iter().any(|(s, _)| *s != last)
        {
            sequences.retain(|(s, _)| *s != last);
        }
        let items = self
            .items_at(sequences.iter().map(|(_, offset)| *offset).collect())
            .await?;
        let mut items: HashMap<u64, FeedItem> = items.into_iter().map(|i| (i.offset, i)).collect();
        Ok(sequences
            .into_iter()
            .filter_map(|(sequence, offset)| {
                Some((sequence, items.remove(&offset.cast_unsigned())?))
            })
            .collect())
    }

    async fn items_at(&self, offsets: Vec<i64>) -> Result<Vec<FeedItem>, StoreError> {
        if offsets.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "{ITEM} WHERE {} ORDER BY f.feed_offset",
            self.among("f.feed_offset", 1)
        );
        self.rows(own(sql), args![offsets])
            .await?
            .iter()
            .map(item)
            .collect()
    }

    /// Directory statements in order of arrival.
    pub async fn directory(&self) -> Result<Vec<EnvelopeRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT ref, kind, seat, class, is_read, bytes FROM envelope ORDER BY arrival",
                args![],
            )
            .await?;
        rows.iter().map(envelope).collect()
    }

    /// Statements by their references, in order of arrival; unknown ones are left out.
    pub async fn envelopes(&self, references: &[Ref]) -> Result<Vec<EnvelopeRow>, StoreError> {
        let packed: Vec<u8> = references.iter().flat_map(Ref::to_bytes).collect();
        if packed.is_empty() {
            return Ok(Vec::new());
        }
        let length = packed.len();
        let sql = format!(
            "SELECT t.ref, t.kind, t.seat, t.class, t.is_read, t.bytes FROM n CROSS JOIN envelope t \
             WHERE t.ref = {} ORDER BY t.arrival",
            part(0, REF_BYTES)
        );
        let rows = self
            .rows(strided(REF_BYTES, &sql), args![packed, length])
            .await?;
        rows.iter().map(envelope).collect()
    }

    /// How far each log is held.
    pub async fn log_frontiers(&self) -> Result<Vec<LogRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT seat, lane, opening, epoch, last_sequence, last_ref, history FROM log \
                 ORDER BY seat, lane, epoch, opening",
                args![],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(LogRow {
                    seat: row.seat(0)?,
                    lane: row.small(1, "log")?,
                    opening: row.reference(2)?,
                    epoch: row.small(3, "log")?,
                    sequence: row.uint(4)?,
                    last: row.reference(5)?,
                    history: row.blob(6)?,
                })
            })
            .collect()
    }

    /// The token of the step that ends at this offset; `None` if the feed has no such item.
    pub async fn token_at(&self, offset: u64) -> Result<Option<[u8; 16]>, StoreError> {
        let rows = self
            .rows(
                "SELECT token FROM feed WHERE feed_offset = $1",
                args![bound(offset)],
            )
            .await?;
        rows.first().map(|row| row.fixed(0, "token")).transpose()
    }

    /// What is held of these headers: `None` of a batch that is whole, the parts of one that is not. Unknown headers are not in
    /// the answer.
    pub async fn parts(
        &self,
        headers: &[Ref],
    ) -> Result<HashMap<Ref, Option<Vec<u8>>>, StoreError> {
        let packed: Vec<u8> = headers.iter().flat_map(Ref::to_bytes).collect();
        if packed.is_empty() {
            return Ok(HashMap::new());
        }
        let length = packed.len();
        let sql = format!(
            "SELECT t.ref, t.parts FROM n CROSS JOIN header t WHERE t.ref = {}",
            part(0, REF_BYTES)
        );
        let rows = self
            .rows(strided(REF_BYTES, &sql), args![packed, length])
            .await?;
        rows.iter()
            .map(|row| Ok((row.reference(0)?, row.blob_opt(1)?)))
            .collect()
    }

    /// References of the headers that are held of a log at a sequence: more than one only if they contradict each other.
    pub async fn headers_at(
        &self,
        seat: SeatId,
        lane: u8,
        opening: Ref,
        sequence: u64,
    ) -> Result<Vec<Ref>, StoreError> {
        let rows = self
            .rows(
                "SELECT ref FROM header WHERE seat = $1 AND lane = $2 AND opening = $3 AND sequence = $4 ORDER BY ref",
                args![seat, lane, opening, bound(sequence)],
            )
            .await?;
        rows.iter().map(|row| row.reference(0)).collect()
    }

    /// A header as it travelled.
    pub async fn header_bytes(&self, reference: Ref) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self
            .rows("SELECT bytes FROM header WHERE ref = $1", args![reference])
            .await?;
        rows.first().map(|row| row.blob(0)).transpose()
    }

    /// Headers of whole batches of a log at a sequence, with the bytes that travelled.
    pub async fn whole_headers_at(
        &self,
        seat: SeatId,
        lane: u8,
        opening: Ref,
        sequence: u64,
    ) -> Result<Vec<(Ref, Vec<u8>)>, StoreError> {
        let rows = self
            .rows(
                "SELECT ref, bytes FROM header WHERE seat = $1 AND lane = $2 AND opening = $3 AND sequence = $4 \
                 AND parts IS NULL ORDER BY ref",
                args![seat, lane, opening, bound(sequence)],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.reference(0)?, row.blob(1)?)))
            .collect()
    }

    /// Greatest sequence of a log of which a header is held, in whatever part.
    pub async fn greatest_header(
        &self,
        seat: SeatId,
        lane: u8,
        opening: Ref,
    ) -> Result<u64, StoreError> {
        self.int(
            "SELECT COALESCE(MAX(sequence), 0) FROM header WHERE seat = $1 AND lane = $2 AND opening = $3",
            args![seat, lane, opening],
        )
        .await
        .map(i64::cast_unsigned)
    }

    /// Logs of which headers are held beyond the sequence up to which they are held without a gap, be it for good since only
    /// parts of them are for this holder.
    pub async fn logs_ahead(&self) -> Result<Vec<(SeatId, u8, Ref)>, StoreError> {
        let rows = self
            .rows(
                "SELECT DISTINCT h.seat, h.lane, h.opening FROM header h LEFT JOIN log l ON l.seat = h.seat \
                 AND l.lane = h.lane AND l.opening = h.opening WHERE h.sequence > COALESCE(l.last_sequence, 0)",
                args![],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.seat(0)?, row.small(1, "log")?, row.reference(2)?)))
            .collect()
    }

    /// How far the feeds of a peer have been taken in.
    pub async fn cursors(&self, peer: SeatId) -> Result<Vec<CursorRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT peer, feed, class, feed_offset, interest_version, token FROM feed_cursor WHERE peer = $1 \
                 ORDER BY feed, class",
                args![peer],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(CursorRow {
                    peer: row.seat(0)?,
                    feed: FeedId(row.fixed(1, "cursor")?),
                    class: row.small(2, "cursor")?,
                    offset: row.uint(3)?,
                    interest_version: row.small(4, "cursor")?,
                    token: row.fixed(5, "cursor")?,
                })
            })
            .collect()
    }
}

/// A seat that no item can come from stands for "nobody", so that one text serves both cases.
fn excluded(query: &FeedQuery) -> Arg {
    query.exclude_peer.map_or(Arg::Blob(Vec::new()), Arg::from)
}

fn name_regions(regions: &[String], args: &mut Vec<Arg>) -> String {
    let first = args.len() + 1;
    args.extend(regions.iter().map(|r| Arg::from(r.as_str())));
    (first..=args.len())
        .map(|n| format!("${n}"))
        .collect::<Vec<_>>()
        .join(",")
}

fn envelope(row: &Row) -> Result<EnvelopeRow, StoreError> {
    Ok(EnvelopeRow {
        reference: row.reference(0)?,
        kind: row.small(1, "envelope")?,
        seat: row.seat(2)?,
        class: row.small(3, "envelope")?,
        read: row.int(4)? != 0,
        bytes: row.blob(5)?,
    })
}

fn size(row: &Row) -> Result<(i64, usize), StoreError> {
    Ok((row.int(0)?, row.small(1, "size")?))
}

/// Offsets whose sizes fit; at least one.
fn cut(sizes: &[(i64, usize)], bytes_max: usize) -> Vec<i64> {
    let mut bytes = 0usize;
    let fits = |(at, (_, size)): &(usize, &(i64, usize))| {
        bytes = bytes.saturating_add(*size);
        *at == 0 || bytes <= bytes_max
    };
    sizes
        .iter()
        .enumerate()
        .take_while(fits)
        .map(|(_, (offset, _))| *offset)
        .collect()
}

/// Union of two ascending lists of positions.
fn unite(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut all: Vec<[u8; 2]> = a
        .as_chunks::<2>()
        .0
        .iter()
        .chain(b.as_chunks::<2>().0)
        .copied()
        .collect();
    all.sort_unstable();
    all.dedup();
    all.concat()
}

fn item(row: &Row) -> Result<FeedItem, StoreError> {
    const WHAT: &str = "feed";
    let missing = || StoreError::Corrupt { what: WHAT };
    let number: u8 = row.small(2, WHAT)?;
    let (kind, header, bytes) = match number {
        kind::ENVELOPE => (
            ItemKind::Envelope,
            Vec::new(),
            row.blob_opt(9)?.ok_or_else(missing)?,
        ),
        kind::BLOCK => (
            ItemKind::Block,
            row.blob_opt(8)?.ok_or_else(missing)?,
            row.blob_opt(7)?.ok_or_else(missing)?,
        ),
        kind::EVENT => (
            ItemKind::Event,
            Vec::new(),
            row.blob_opt(7)?.ok_or_else(missing)?,
        ),
        _ => return Err(missing()),
    };
    let reference = row
        .blob_opt(6)?
        .map(|bytes| Ref::from_bytes(&bytes).map_err(|_| missing()))
        .transpose()?;
    Ok(FeedItem {
        offset: row.uint(0)?,
        class: row.small(1, WHAT)?,
        kind,
        from_peer: row.seat_opt(3)?,
        at_us: row.int(4)?,
        entries: row.small(5, WHAT)?,
        token: row.fixed(10, WHAT)?,
        reference,
        header,
        bytes,
        positions: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_by_bytes_but_never_empty() {
        let check = |sizes: &[usize], bytes_max, expected: usize| {
            let sizes: Vec<(i64, usize)> = sizes
                .iter()
                .enumerate()
                .map(|(at, s)| (at as i64, *s))
                .collect();
            assert_eq!(
                cut(&sizes, bytes_max).len(),
                expected,
                "{sizes:?} {bytes_max}"
            );
        };
        check(&[], 10, 0);
        check(&[100], 10, 1);
        check(&[4, 6, 1], 10, 2);
        check(&[100, 1], 10, 1);
        check(&[1, usize::MAX, usize::MAX], 10, 1);
    }

    #[test]
    fn positions_of_regions_are_united() {
        assert_eq!(unite(&[0, 1, 0, 3], &[0, 1, 0, 2]), [0, 1, 0, 2, 0, 3]);
        assert_eq!(unite(&[], &[0, 2]), [0, 2]);
    }
}
