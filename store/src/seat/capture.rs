//! What one captured page leaves behind, in one transaction: unsealed entries, the new source position, last images,
//! refused rows. A position without its entries, or the reverse, cannot exist.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use protocol::bytes::{Malformed, Put, Reader};
use protocol::name::Lane;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, Sqlite, Transaction};

use super::{SeatError, SeatStore};

/// Where a configured source stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Number of the source in this database.
    pub id: i64,
    /// Generation of what it states.
    pub generation: u32,
    /// Fingerprint of the configuration that the images were made under; empty before the first page.
    pub fingerprint: Vec<u8>,
    /// Where reading goes on; empty: from the start.
    pub position: Vec<u8>,
}

/// The last image of a source row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Hash of the row as it was read, under the configuration's fingerprint.
    pub row_hash: [u8; 16],
    /// The refusal that was told, if the row was refused when it was last read.
    pub refused: Option<Told>,
    /// What was last stated from this row, if anything was.
    pub stated: Option<Stated>,
}

/// What was last stated from a source row: what others hold of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// Bytes of the record's key.
    pub key: Vec<u8>,
    /// Bytes of the subject.
    pub subject: Vec<u8>,
    /// Bytes of the audience hint.
    pub hint: Vec<u8>,
}

/// A refusal that others were told and that is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Bytes of the key that the refused record has, or stands in for it.
    pub key: Vec<u8>,
    /// Bytes of the subject in the refusal.
    pub subject: Vec<u8>,
}

/// A last image to be kept under the identity of its source row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Identity of the row within its source.
    pub identity: Vec<u8>,
    /// The image.
    pub image: Image,
}

/// Entries of one lane, laid out by the agent, not yet sealed. Consumed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The lane.
    pub lane: Lane,
    /// How many entries.
    pub entries: u32,
    /// Their bytes, opaque here.
    pub body: Vec<u8>,
}

/// A row that its standard refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectRow {
    /// Identity of the row within its source.
    pub identity: Vec<u8>,
    /// Where it stands in the source, for people.
    pub position: String,
    /// Reasons, as the agent writes them (JSON).
    pub reasons: String,
    /// The row itself, as the agent writes it (JSON). Never leaves this machine.
    pub row: String,
}

/// A file of a drop folder that was taken whole, or set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// File name.
    pub name: String,
    /// Hash of its content.
    pub hash: [u8; 32],
    /// Rows read from it.
    pub rows: u64,
    /// Why it was set aside; `None` if it was taken.
    pub trouble: Option<String>,
}

/// What is remembered of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMark {
    /// When it was taken or set aside, milliseconds since 1970.
    pub at_ms: i64,
    /// Rows read.
    pub rows: u64,
    /// Why it was set aside; `None` if it was taken.
    pub trouble: Option<String>,
}

/// Everything that one captured page changes.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    /// Source that was read.
    pub source: i64,
    /// Fingerprint of the configuration it was read under.
    pub fingerprint: Vec<u8>,
    /// Where reading goes on.
    pub position: Vec<u8>,
    /// Entries to be sealed, in order.
    pub chunks: Vec<Chunk>,
    /// Last images, at most one per identity.
    pub images: Vec<ImageRow>,
    /// Rows refused in this page.
    pub rejects: Vec<RejectRow>,
    /// Identities whose refusal is over.
    pub mended: Vec<Vec<u8>>,
    /// A file that ended with this page.
    pub file: Option<FileRow>,
    /// Rows read.
    pub rows_read: u64,
    /// Entries stated.
    pub rows_stated: u64,
    /// Rows that were not known before this page.
    pub rows_new: u64,
    /// Records that stand stated more than before this page, or fewer.
    pub records_more: i64,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

impl SeatStore {
    /// The state of the named source; makes it at its first mention.
    pub async fn source(&self, name: &str) -> Result<SourceState, SeatError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO source (name, generation, fingerprint, position) VALUES ($1, 1, x'', x'') \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .execute(&mut *tx)
        .await?;
        let row =
            sqlx::query("SELECT id, generation, fingerprint, position FROM source WHERE name = $1")
                .bind(name)
                .fetch_one(&mut *tx)
                .await?;
        tx.commit().await?;
        Ok(SourceState {
            id: row.try_get(0)?,
            generation: u32::try_from(row.try_get::<i64, _>(1)?)
                .map_err(|_| SeatError::Corrupt("来源代次"))?,
            fingerprint: row.try_get(2)?,
            position: row.try_get(3)?,
        })
    }

    /// The last images of these identities; those never seen are missing.
    pub async fn images(
        &self,
        source: i64,
        identities: &[&[u8]],
    ) -> Result<HashMap<Vec<u8>, Image>, SeatError> {
        let mut found = HashMap::new();
        for group in identities.chunks(LOOKUP_ROWS) {
            let sql = format!(
                "SELECT identity, row_hash, image FROM image WHERE source = ? AND identity IN ({})",
                places("?", group.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(sql))
                .persistent(group.len() == LOOKUP_ROWS)
                .bind(source);
            for identity in group {
                query = query.bind(*identity);
            }
            for row in query.fetch_all(&self.reader).await? {
                let row_hash: &[u8] = row.try_get(1)?;
                let image: &[u8] = row.try_get(2)?;
                let corrupt = SeatError::Corrupt("末次影像");
                let Ok(row_hash) = row_hash.try_into() else {
                    return Err(corrupt);
                };
                let image = Image::read(row_hash, image).map_err(|_| corrupt)?;
                found.insert(row.try_get(0)?, image);
            }
        }
        Ok(found)
    }

    /// Which of these record keys are also stated by a row other than these. Reads all images of the source: meant for
    /// the rare rows that change their key.
    pub async fn stated_elsewhere(
        &self,
        source: i64,
        keys: &HashSet<Vec<u8>>,
        except: &HashSet<Vec<u8>>,
    ) -> Result<HashSet<Vec<u8>>, SeatError> {
        let mut found = HashSet::new();
        sqlx::query("SELECT identity, image FROM image WHERE source = $1")
            .bind(source)
            .try_map(|row: SqliteRow| {
                let identity: &[u8] = row.try_get(0)?;
                let image: &[u8] = row.try_get(1)?;
                let stated = Image::read([0; 16], image).ok().and_then(|i| i.stated);
                if let Some(stated) = stated
                    && keys.contains(&stated.key)
                    && !except.contains(identity)
                {
                    found.insert(stated.key);
                }
                Ok(())
            })
            .fetch_all(&self.reader)
            .await?;
        Ok(found)
    }

    /// Keeps everything that one captured page changes, or nothing of it.
    pub async fn commit_capture(&self, capture: &Capture) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        let mut added = 0;
        for chunk in &capture.chunks {
            added += chunk.body.len() as u64;
            sqlx::query(
                "INSERT INTO unsealed (lane, entries, captured, body) VALUES ($1, $2, $3, $4)",
            )
            .bind(i64::from(chunk.lane as u8))
            .bind(i64::from(chunk.entries))
            .bind(capture.now_ms)
            .bind(chunk.body.as_slice())
            .execute(&mut *tx)
            .await?;
        }
        put_images(&mut tx, capture.source, &capture.images).await?;
        put_rejects(&mut tx, capture).await?;
        delete_mended(&mut tx, capture).await?;
        if let Some(file) = &capture.file {
            put_file(&mut tx, capture.source, file, capture.now_ms).await?;
        }
        sqlx::query(
            "UPDATE source SET position = $2, fingerprint = $3, rows_read = rows_read + $4, \
             rows_stated = rows_stated + $5, cycle_at = $6, \
             changed_at = CASE WHEN $5 > 0 THEN $6 ELSE changed_at END, trouble = NULL, \
             rows_known = rows_known + $7, records_stated = records_stated + $8 WHERE id = $1",
        )
        .bind(capture.source)
        .bind(capture.position.as_slice())
        .bind(capture.fingerprint.as_slice())
        .bind(capture.rows_read as i64)
        .bind(capture.rows_stated as i64)
        .bind(capture.now_ms)
        .bind(capture.rows_new as i64)
        .bind(capture.records_more)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.queued_bytes.fetch_add(added, Ordering::Relaxed);
        Ok(())
    }

    /// Notes how a cycle went that changed nothing else: that it ran, what stood in its way, what people should know.
    pub async fn note_cycle(
        &self,
        source: i64,
        trouble: Option<&str>,
        note: Option<&str>,
        now_ms: i64,
    ) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE source SET cycle_at = $2, trouble = $3, note = $4 WHERE id = $1")
            .bind(source)
            .bind(now_ms)
            .bind(trouble)
            .bind(note)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// What is remembered of a file with this name and content.
    pub async fn file(
        &self,
        source: i64,
        name: &str,
        hash: &[u8; 32],
    ) -> Result<Option<FileMark>, SeatError> {
        let row = sqlx::query(
            "SELECT at, rows, trouble FROM file WHERE source = $1 AND name = $2 AND hash = $3",
        )
        .bind(source)
        .bind(name)
        .bind(hash.as_slice())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(FileMark {
            at_ms: row.try_get(0)?,
            rows: row.try_get::<i64, _>(1)? as u64,
            trouble: row.try_get(2)?,
        }))
    }

    /// Remembers a file that was set aside.
    pub async fn put_file(
        &self,
        source: i64,
        file: &FileRow,
        now_ms: i64,
    ) -> Result<(), SeatError> {
        let mut tx = self.begin().await?;
        put_file(&mut tx, source, file, now_ms).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn put_images(
    tx: &mut Transaction<'static, Sqlite>,
    source: i64,
    images: &[ImageRow],
) -> Result<(), SeatError> {
    for group in images.chunks(WRITE_ROWS) {
        let sql = format!(
            "INSERT INTO image (source, identity, row_hash, image) VALUES {} \
             ON CONFLICT (source, identity) DO UPDATE SET row_hash = excluded.row_hash, image = excluded.image",
            places("(?,?,?,?)", group.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(group.len() == WRITE_ROWS);
        for row in group {
            let mut body = Vec::with_capacity(96);
            row.image.put(&mut body);
            query = query
                .bind(source)
                .bind(row.identity.as_slice())
                .bind(&row.image.row_hash[..])
                .bind(body);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

async fn put_rejects(
    tx: &mut Transaction<'static, Sqlite>,
    capture: &Capture,
) -> Result<(), SeatError> {
    for group in capture.rejects.chunks(WRITE_ROWS) {
        let sql = format!(
            "INSERT INTO reject (source, since, identity, position, reasons, row) VALUES {} \
             ON CONFLICT (source, identity) DO UPDATE SET position = excluded.position, \
             reasons = excluded.reasons, row = excluded.row",
            places("(?,?,?,?,?,?)", group.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(group.len() == WRITE_ROWS);
        for row in group {
            query = query
                .bind(capture.source)
                .bind(capture.now_ms)
                .bind(row.identity.as_slice())
                .bind(row.position.as_str())
                .bind(row.reasons.as_str())
                .bind(row.row.as_str());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

async fn delete_mended(
    tx: &mut Transaction<'static, Sqlite>,
    capture: &Capture,
) -> Result<(), SeatError> {
    for group in capture.mended.chunks(LOOKUP_ROWS) {
        let sql = format!(
            "DELETE FROM reject WHERE source = ? AND identity IN ({})",
            places("?", group.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .persistent(group.len() == LOOKUP_ROWS)
            .bind(capture.source);
        for identity in group {
            query = query.bind(identity.as_slice());
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}

async fn put_file(
    tx: &mut Transaction<'static, Sqlite>,
    source: i64,
    file: &FileRow,
    now_ms: i64,
) -> Result<(), SeatError> {
    sqlx::query(
        "INSERT INTO file (source, name, hash, taken, rows, at, trouble) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (source, name, hash) DO UPDATE SET taken = excluded.taken, rows = excluded.rows, \
         at = excluded.at, trouble = excluded.trouble",
    )
    .bind(source)
    .bind(file.name.as_str())
    .bind(file.hash.to_vec())
    .bind(i64::from(file.trouble.is_none()))
    .bind(file.rows as i64)
    .bind(now_ms)
    .bind(file.trouble.as_deref())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// So many times the same places for binds. Bare `?`: numbered ones are looked up by name, in time square to their number.
fn places(one: &str, count: usize) -> String {
    vec![one; count].join(",")
}

impl Image {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(u8::from(self.refused.is_some()) | u8::from(self.stated.is_some()) << 1);
        if let Some(told) = &self.refused {
            out.put_medium(&told.key);
            out.put_medium(&told.subject);
        }
        if let Some(stated) = &self.stated {
            out.put_medium(&stated.key);
            out.put_medium(&stated.subject);
            out.put_medium(&stated.hint);
        }
    }

    fn read(row_hash: [u8; 16], bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "last image");
        let flags = r.u8()?;
        let refused = if flags & 1 != 0 {
            Some(Told {
                key: r.medium()?.to_vec(),
                subject: r.medium()?.to_vec(),
            })
        } else {
            None
        };
        let stated = if flags & 2 != 0 {
            Some(Stated {
                key: r.medium()?.to_vec(),
                subject: r.medium()?.to_vec(),
                hint: r.medium()?.to_vec(),
            })
        } else {
            None
        };
        r.finish()?;
        Ok(Self {
            row_hash,
            refused,
            stated,
        })
    }
}

/// Rows in one writing statement: large enough that the hand-over to the engine's thread disappears.
const WRITE_ROWS: usize = 500;
const LOOKUP_ROWS: usize = 500;
