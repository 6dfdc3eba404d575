//! What a verification reads: everything as it lies there, page by page. A row that cannot be read is told as such and keeps
//! nobody from reading the next.
//!
//! Nothing here judges, and nothing is written.

use std::collections::{HashMap, HashSet};

use protocol::hash::Ref;
use protocol::name::SeatId;

use crate::engine::{args, bound, own};
use crate::fold::{ENTITY_COLUMNS, entity};
use crate::intake::kind;
use crate::search::{SearchText, codes};
use crate::{
    EntityRow, ItemKind, RecordId, RecordRow, RefusalRow, Store, StoreError, UnsettledRow, record,
    refusal, unsettled,
};

/// Rows of a page, whatever is asked for.
const PAGE_MAX: usize = 16_384;

/// Complaints of the engine.
const ENGINE_FAULTS_MAX: usize = 10;

/// A log as rows name it: also one whose lane this release does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogRef {
    /// Origin.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Reference of the epoch's opening.
    pub opening: Ref,
}

/// An item of the feed by its outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOutline {
    /// Place in the arrival order.
    pub offset: u64,
    /// What it is; `None` for a number that is none.
    pub kind: Option<ItemKind>,
    /// Whether what it stands for is there: the envelope, the header and the body, or the event.
    pub there: bool,
    /// Whether it has a token of the right length.
    pub token: bool,
}

/// A row of `envelope`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnvelope {
    /// Its feed offset: with the reference's bytes, where a page goes on.
    pub arrival: u64,
    /// Reference, if it reads as one.
    pub reference: Option<Ref>,
    /// The reference's bytes.
    pub reference_bytes: Vec<u8>,
    /// Kind.
    pub kind: i64,
    /// Whether it stands as read.
    pub read: bool,
    /// The bytes that travelled.
    pub bytes: Vec<u8>,
}

/// A row of `header`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHeader {
    /// Sequence.
    pub sequence: u64,
    /// Reference, if it reads as one.
    pub reference: Option<Ref>,
    /// The reference's bytes: with the sequence, where a page goes on.
    pub reference_bytes: Vec<u8>,
    /// Epoch counter.
    pub epoch: i64,
    /// Entries of the whole batch.
    pub entries: i64,
    /// What is held of it; `None` if it is whole.
    pub parts: Option<Vec<u8>>,
    /// The bytes that travelled.
    pub bytes: Vec<u8>,
    /// Blocks of the feed that are under it.
    pub blocks: u64,
}

/// A block of the feed under its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// Where it stands.
    pub place: BlockPlace,
    /// Opened entries in it, as the row says.
    pub entries: i64,
    /// The packed body; empty if there is none.
    pub body: Vec<u8>,
}

/// Where a page of blocks goes on: sequence, reference of the header, feed offset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct BlockPlace {
    /// Sequence of the header.
    pub sequence: u64,
    /// The bytes of its reference.
    pub reference: Vec<u8>,
    /// Feed offset of the block.
    pub offset: u64,
}

/// An entity with what a search finds it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntity {
    /// The row.
    pub row: EntityRow,
    /// Whether names, codes and the index of names are those of the row.
    pub found: bool,
}

impl Store {
    /// What the engine itself finds wrong with its file: the first complaints, none if all is well. PostgreSQL has checks
    /// of its own that are not for a client.
    pub async fn engine_faults(&self) -> Result<Vec<String>, StoreError> {
        if !self.is_sqlite() {
            return Ok(Vec::new());
        }
        // table by table, without the index of names: its own check tells of damage where another connection writes meanwhile
        let tables = self
            .rows(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                 AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
                args![],
            )
            .await?;
        let mut faults = Vec::new();
        for table in &tables {
            let name = table.text(0)?.replace('\'', "''");
            let sql = format!("PRAGMA quick_check('{name}')");
            for row in self.rows(own(sql), args![]).await? {
                let text = row.text(0)?;
                if text != "ok" && faults.len() < ENGINE_FAULTS_MAX {
                    faults.push(text);
                }
            }
        }
        Ok(faults)
    }

    /// Outlines of the items behind an offset, in order.
    pub async fn feed_outline(
        &self,
        after: u64,
        upto: u64,
        limit: usize,
    ) -> Result<Vec<ItemOutline>, StoreError> {
        let rows = self
            .rows(
                "SELECT f.feed_offset, f.kind, CAST(LENGTH(f.token) AS BIGINT), \
                 CAST(CASE WHEN f.body IS NULL THEN 0 ELSE 1 END AS BIGINT), \
                 CAST(CASE WHEN h.ref IS NULL THEN 0 ELSE 1 END AS BIGINT), \
                 CAST(CASE WHEN e.ref IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM feed f \
                 LEFT JOIN header h ON f.kind = 2 AND h.ref = f.ref \
                 LEFT JOIN envelope e ON f.kind = 1 AND e.ref = f.ref \
                 WHERE f.feed_offset > $1 AND f.feed_offset <= $2 ORDER BY f.feed_offset LIMIT $3",
                args![bound(after), bound(upto), limit.clamp(1, PAGE_MAX)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let (body, header, envelope) =
                    (row.int(3)? != 0, row.int(4)? != 0, row.int(5)? != 0);
                let (kind, there) = match u8::try_from(row.int(1)?) {
                    Ok(kind::ENVELOPE) => (Some(ItemKind::Envelope), envelope),
                    Ok(kind::BLOCK) => (Some(ItemKind::Block), header && body),
                    Ok(kind::EVENT) => (Some(ItemKind::Event), body),
                    _ => (None, false),
                };
                Ok(ItemOutline {
                    offset: row.uint(0)?,
                    kind,
                    there,
                    token: row.int(2)? == 16,
                })
            })
            .collect()
    }

    /// Routing events made here, behind an offset, in order: offset and bytes.
    pub async fn own_events(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self
            .rows(
                "SELECT feed_offset, body FROM feed WHERE feed_offset > $1 AND kind = 3 AND from_peer IS NULL \
                 AND body IS NOT NULL ORDER BY feed_offset LIMIT $2",
                args![bound(after), limit.clamp(1, PAGE_MAX)],
            )
            .await?;
        rows.iter()
            .map(|row| Ok((row.uint(0)?, row.blob(1)?)))
            .collect()
    }

    /// Statements in order of arrival, those behind a place.
    pub async fn stored_envelopes(
        &self,
        after: Option<(u64, Vec<u8>)>,
        limit: usize,
    ) -> Result<Vec<StoredEnvelope>, StoreError> {
        // the first ones may have any arrival, also one that is damaged
        let (arrival, reference) = after.map_or((i64::MIN, Vec::new()), |(arrival, reference)| {
            (arrival.cast_signed(), reference)
        });
        let rows = self
            .rows(
                "SELECT arrival, ref, kind, is_read, bytes FROM envelope WHERE (arrival, ref) > ($1, $2) \
                 ORDER BY arrival, ref LIMIT $3",
                args![arrival, reference, limit.clamp(1, PAGE_MAX)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let reference = row.blob(1)?;
                Ok(StoredEnvelope {
                    arrival: row.uint(0)?,
                    reference: Ref::from_bytes(&reference).ok(),
                    reference_bytes: reference,
                    kind: row.int(2)?,
                    read: row.int(3)? != 0,
                    bytes: row.blob(4)?,
                })
            })
            .collect()
    }

    /// Every log of which there is a header, and those whose names do not read as any, by how many rows.
    pub async fn stored_logs(&self) -> Result<(Vec<LogRef>, u64), StoreError> {
        let rows = self
            .rows(
                "SELECT seat, lane, opening, COUNT(*) FROM header GROUP BY seat, lane, opening \
                 ORDER BY seat, lane, opening",
                args![],
            )
            .await?;
        let (mut logs, mut unreadable) = (Vec::with_capacity(rows.len()), 0);
        for row in &rows {
            let read = || -> Result<LogRef, StoreError> {
                Ok(LogRef {
                    seat: row.seat(0)?,
                    lane: row.small(1, "header")?,
                    opening: row.reference(2)?,
                })
            };
            match read() {
                Ok(log) => logs.push(log),
                Err(_) => unreadable += row.uint(3)?,
            }
        }
        Ok((logs, unreadable))
    }

    /// Headers of a log in order of sequence, then of reference, those behind a place.
    pub async fn stored_headers(
        &self,
        log: LogRef,
        (sequence, reference): (u64, &[u8]),
        limit: usize,
    ) -> Result<Vec<StoredHeader>, StoreError> {
        let rows = self
            .rows(
                "SELECT h.sequence, h.ref, h.epoch, h.entries, h.parts, h.bytes, \
                 (SELECT COUNT(*) FROM feed f WHERE f.ref = h.ref) FROM header h \
                 WHERE h.seat = $1 AND h.lane = $2 AND h.opening = $3 AND (h.sequence, h.ref) > ($4, $5) \
                 ORDER BY h.sequence, h.ref LIMIT $6",
                args![
                    log.seat,
                    log.lane,
                    log.opening,
                    bound(sequence),
                    reference,
                    limit.clamp(1, PAGE_MAX)
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let reference = row.blob(1)?;
                Ok(StoredHeader {
                    sequence: row.uint(0)?,
                    reference: Ref::from_bytes(&reference).ok(),
                    reference_bytes: reference,
                    epoch: row.int(2)?,
                    entries: row.int(3)?,
                    parts: row.blob_opt(4)?,
                    bytes: row.blob(5)?,
                    blocks: row.uint(6)?,
                })
            })
            .collect()
    }

    /// Blocks of a log in order of sequence, header and arrival, those behind a place up to those of the header of another:
    /// so many bytes of bodies, at least one block if there is any.
    pub async fn stored_blocks(
        &self,
        log: LogRef,
        after: &BlockPlace,
        last: &BlockPlace,
        bytes_max: usize,
    ) -> Result<Vec<StoredBlock>, StoreError> {
        const BLOCKS_MAX: usize = 512;
        let rows = self
            .rows(
                "SELECT h.sequence, h.ref, f.feed_offset, CAST(COALESCE(LENGTH(f.body), 0) AS BIGINT), f.entries \
                 FROM header h JOIN feed f ON f.ref = h.ref \
                 WHERE h.seat = $1 AND h.lane = $2 AND h.opening = $3 \
                 AND (h.sequence, h.ref, f.feed_offset) > ($4, $5, $6) AND (h.sequence, h.ref) <= ($7, $8) \
                 ORDER BY h.sequence, h.ref, f.feed_offset LIMIT $9",
                args![
                    log.seat,
                    log.lane,
                    log.opening,
                    bound(after.sequence),
                    after.reference.as_slice(),
                    bound(after.offset),
                    bound(last.sequence),
                    last.reference.as_slice(),
                    BLOCKS_MAX
                ],
            )
            .await?;
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for row in &rows {
            bytes += row.small::<usize>(3, "block")?;
            if bytes > bytes_max && !blocks.is_empty() {
                break;
            }
            blocks.push(StoredBlock {
                place: BlockPlace {
                    sequence: row.uint(0)?,
                    reference: row.blob(1)?,
                    offset: row.uint(2)?,
                },
                entries: row.int(4)?,
                body: Vec::new(),
            });
        }
        let offsets: Vec<i64> = blocks
            .iter()
            .map(|block| block.place.offset.cast_signed())
            .collect();
        if offsets.is_empty() {
            return Ok(blocks);
        }
        let sql = format!(
            "SELECT f.feed_offset, f.body FROM feed f WHERE {}",
            self.among("f.feed_offset", 1)
        );
        let mut bodies = HashMap::with_capacity(offsets.len());
        for row in self.rows(own(sql), args![offsets]).await? {
            bodies.insert(row.uint(0)?, row.blob_opt(1)?.unwrap_or_default());
        }
        for block in &mut blocks {
            block.body = bodies.remove(&block.place.offset).unwrap_or_default();
        }
        Ok(blocks)
    }

    /// How many records there are.
    pub async fn records_count(&self) -> Result<u64, StoreError> {
        self.int("SELECT COUNT(*) FROM record", args![])
            .await
            .map(i64::cast_unsigned)
    }

    /// Records in order of identity, behind `after` and up to `last`; of one whose row cannot be read, its identity alone.
    pub async fn record_page(
        &self,
        after: Option<RecordId>,
        last: RecordId,
        limit: usize,
    ) -> Result<Vec<(RecordId, Option<RecordRow>)>, StoreError> {
        let sql = format!(
            "SELECT {} FROM record r WHERE r.id > $1 AND r.id <= $2 ORDER BY r.id LIMIT $3",
            record::COLUMNS
        );
        // what is shorter than any identity comes before all of them
        let after = after.map(|id| id.to_vec()).unwrap_or_default();
        let rows = self
            .rows(own(sql), args![after, last, limit.clamp(1, PAGE_MAX)])
            .await?;
        rows.iter()
            .map(|row| Ok((row.fixed(0, "record")?, record::read(row).ok())))
            .collect()
    }

    /// Subjects that records have, rising, those behind `after`.
    pub async fn subjects_page(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, StoreError> {
        let after = after
            .map(|subject| subject.to_be_bytes().to_vec())
            .unwrap_or_default();
        let rows = self
            .rows(
                "SELECT DISTINCT subject FROM record WHERE subject > $1 ORDER BY subject LIMIT $2",
                args![after, limit.clamp(1, PAGE_MAX)],
            )
            .await?;
        rows.iter()
            .map(|row| row.fixed(0, "subject").map(u64::from_be_bytes))
            .collect()
    }

    /// Open refusals in order of identity, behind `after` and up to `last`.
    pub async fn open_refusals_page(
        &self,
        after: Option<RecordId>,
        last: RecordId,
        limit: usize,
    ) -> Result<Vec<RefusalRow>, StoreError> {
        let after = after.map(|id| id.to_vec()).unwrap_or_default();
        let sql = format!(
            "SELECT {} FROM refusal WHERE id > $1 AND id <= $2 AND is_open = 1 ORDER BY id LIMIT $3",
            refusal::COLUMNS
        );
        let rows = self
            .rows(own(sql), args![after, last, limit.clamp(1, PAGE_MAX)])
            .await?;
        rows.iter().map(refusal::read).collect()
    }

    /// Subjects that have an entity, rising as signed numbers, those behind `after`.
    pub async fn entity_subjects_page(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, StoreError> {
        let (condition, after) = match after {
            Some(after) => ("subject > $1", after.cast_signed()),
            None => ("subject >= $1", i64::MIN),
        };
        let sql = format!("SELECT subject FROM entity WHERE {condition} ORDER BY subject LIMIT $2");
        let rows = self
            .rows(own(sql), args![after, limit.clamp(1, PAGE_MAX)])
            .await?;
        rows.iter().map(|row| row.uint(0)).collect()
    }

    /// The entities of these subjects, each with whether a search would find it by what it is.
    pub async fn stored_entities(&self, subjects: &[u64]) -> Result<Vec<StoredEntity>, StoreError> {
        let subjects: Vec<i64> = subjects.iter().map(|s| s.cast_signed()).collect();
        let gram = if self.is_sqlite() { "rowid" } else { "subject" };
        let sql = format!(
            "SELECT {gram} FROM entity_gram WHERE {}",
            self.among(gram, 1)
        );
        let indexed = self.rows(own(sql), args![subjects.clone()]).await?;
        let indexed: HashSet<u64> = indexed
            .iter()
            .map(|row| row.uint(0))
            .collect::<Result<_, _>>()?;
        let sql = format!(
            "SELECT {ENTITY_COLUMNS}, e.name_key, e.search_text FROM entity e WHERE {}",
            self.among("e.subject", 1)
        );
        let rows = self.rows(own(sql), args![subjects]).await?;
        rows.iter()
            .map(|stored| {
                let row = entity(stored)?;
                let text = SearchText::of(&row.name, &row.former_names);
                let kept = [&row.uscc, &row.reg_no, &row.org_code];
                let found = (stored.text(14)?, stored.text(15)?) == (text.key, text.searched)
                    && codes(kept.map(String::as_str)) == kept.map(Clone::clone)
                    && indexed.contains(&row.subject);
                Ok(StoredEntity { row, found })
            })
            .collect()
    }

    /// Of these subjects, those that wait to be folded again.
    pub async fn dirty_among(&self, subjects: &[u64]) -> Result<Vec<u64>, StoreError> {
        let subjects: Vec<i64> = subjects.iter().map(|s| s.cast_signed()).collect();
        let sql = format!(
            "SELECT subject FROM dirty WHERE {}",
            self.among("subject", 1)
        );
        let rows = self.rows(own(sql), args![subjects]).await?;
        rows.iter().map(|row| row.uint(0)).collect()
    }

    /// What is kept of the unsettled ones among these subjects.
    pub async fn unsettled_among(&self, subjects: &[u64]) -> Result<Vec<UnsettledRow>, StoreError> {
        let subjects: Vec<i64> = subjects.iter().map(|s| s.cast_signed()).collect();
        let sql = format!(
            "SELECT {} FROM unsettled u WHERE {}",
            unsettled::COLUMNS,
            self.among("u.subject", 1)
        );
        let rows = self.rows(own(sql), args![subjects]).await?;
        rows.iter().map(|row| unsettled::read(row, 0)).collect()
    }
}

impl StoreError {
    /// Whether what is stored is damaged, as opposed to a disk that is full, a server that is away, a process that ends.
    pub fn is_damage(&self) -> bool {
        let Self::Engine(sqlx::Error::Database(error)) = self else {
            return matches!(
                self,
                Self::Corrupt { .. } | Self::Engine(sqlx::Error::ColumnDecode { .. })
            );
        };
        let code = error.code().unwrap_or_default();
        // PostgreSQL's codes have five characters, and class XX is its own damage; of SQLite's the low byte is the code
        match code.parse::<u32>() {
            Ok(number) if code.len() < 5 => matches!(number & 0xff, SQLITE_CORRUPT | SQLITE_NOTADB),
            _ => code.starts_with("XX"),
        }
    }
}

const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;
