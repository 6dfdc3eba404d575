//! Current records: their packed body, reading them by identity and subject, writing them set-based.
//!
//! A record row is hit at random by identity, so what counts is its size and the number of statements. Beside identity,
//! subject and latest version everything lies in one `body` of fixed layout, short where the shown image is the latest.

use std::collections::HashMap;

use crate::engine::{Row, Tx, args, own, part, strided};
use crate::{DigestRow, Pointer, RecordId, RecordRow, Store, StoreError};

/// Rows that one statement carries: some 2 MiB.
const ROWS_MAX: usize = 32_768;
/// Rows of a page, whatever is asked for.
const PAGE_MAX: usize = 16_384;

pub(crate) const COLUMNS: &str = "r.id, r.subject, r.latest_version, r.body";

impl Store {
    /// The stored rows of these records, in one statement; unknown ones are left out.
    pub async fn records(&self, ids: &[RecordId]) -> Result<Vec<RecordRow>, StoreError> {
        let mut out = Vec::with_capacity(ids.len());
        let sql = format!(
            "SELECT {COLUMNS} FROM n CROSS JOIN record r WHERE r.id = {}",
            part(0, 16)
        );
        for ids in ids.chunks(ROWS_MAX) {
            let packed = ids.concat();
            let length = packed.len();
            for row in self.rows(strided(16, &sql), args![packed, length]).await? {
                out.push(read(&row)?);
            }
        }
        Ok(out)
    }

    /// Records of a subject in order of identity, those behind `after`.
    pub async fn records_of_subject(
        &self,
        subject: u64,
        after: RecordId,
        limit: usize,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM record r WHERE r.subject = $1 AND r.id > $2 ORDER BY r.id LIMIT $3"
        );
        let rows = self
            .rows(
                own(sql),
                args![subject.to_be_bytes(), after, limit.min(PAGE_MAX)],
            )
            .await?;
        rows.iter().map(read).collect()
    }

    /// All records of these subjects.
    pub async fn records_of_subjects(
        &self,
        subjects: &[u64],
    ) -> Result<Vec<RecordRow>, StoreError> {
        let mut out = Vec::with_capacity(subjects.len());
        let sql = format!(
            "SELECT {COLUMNS} FROM n CROSS JOIN record r WHERE r.subject = {}",
            part(0, 8)
        );
        for subjects in subjects.chunks(ROWS_MAX) {
            let packed: Vec<u8> = subjects.iter().flat_map(|s| s.to_be_bytes()).collect();
            let length = packed.len();
            for row in self.rows(strided(8, &sql), args![packed, length]).await? {
                out.push(read(&row)?);
            }
        }
        Ok(out)
    }

    /// Records in order of identity, those behind `after`, for sums over what a side holds: of one region, or all. Those
    /// that left are not among them.
    pub async fn digest_rows(
        &self,
        region: Option<&str>,
        after: RecordId,
        limit: usize,
    ) -> Result<Vec<DigestRow>, StoreError> {
        let limit = limit.clamp(1, PAGE_MAX);
        // a page may be empty of matches without being the last: look on until it is not
        let mut after = after;
        let mut out = Vec::new();
        let wanted = region.map(pack_region).transpose()?;
        loop {
            let sql =
                format!("SELECT {COLUMNS} FROM record r WHERE r.id > $1 ORDER BY r.id LIMIT $2");
            let rows = self.rows(own(sql), args![after, limit]).await?;
            let full = rows.len() == limit;
            for row in &rows {
                let body = row.blob(3)?;
                let head = Head::of(&body)?;
                after = row.fixed(0, "record")?;
                if head.flags & RecordRow::LEFT == 0 && wanted.is_none_or(|w| w == head.region) {
                    out.push(DigestRow {
                        id: after,
                        kind: head.kind,
                        version: row.fixed(2, "record")?,
                        mask: head.mask,
                        region: text_of(head.region)?,
                    });
                }
            }
            if !out.is_empty() || !full {
                return Ok(out);
            }
        }
    }
}

/// Writes records set-based: one statement per body length, rows in order of identity.
pub(crate) async fn upsert(tx: &mut Tx, rows: Vec<RecordRow>) -> Result<(), StoreError> {
    let mut newest: HashMap<RecordId, RecordRow> = HashMap::with_capacity(rows.len());
    for row in rows {
        match newest.entry(row.id) {
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(row);
            }
            std::collections::hash_map::Entry::Occupied(mut slot) => {
                if row.latest.version >= slot.get().latest.version {
                    slot.insert(row);
                }
            }
        }
    }
    let mut rows: Vec<RecordRow> = newest.into_values().collect();
    rows.sort_unstable_by_key(|row| row.id);
    for rows in rows.chunks(ROWS_MAX) {
        let mut short = Vec::with_capacity(rows.len() * (KEY + SHORT));
        let mut long = Vec::new();
        for row in rows {
            let out = if row.shown == Some(row.latest) {
                &mut short
            } else {
                &mut long
            };
            out.extend_from_slice(&row.id);
            out.extend_from_slice(&row.subject.to_be_bytes());
            out.extend_from_slice(&row.latest.version);
            pack(row, out)?;
        }
        for (packed, body) in [(short, SHORT), (long, LONG)] {
            if !packed.is_empty() {
                let length = packed.len();
                tx.exec(upsert_text(body), args![packed, length]).await?;
            }
        }
    }
    Ok(())
}

/// The indexed column `subject` is not in SET: an index entry is written anew whenever its column is, changed or not.
fn upsert_text(body: usize) -> sqlx::SqlStr {
    let sql = format!(
        "INSERT INTO record (id, subject, latest_version, body) SELECT {}, {}, {}, {} FROM n WHERE true \
         ON CONFLICT (id) DO UPDATE SET latest_version = excluded.latest_version, body = excluded.body \
         WHERE excluded.latest_version >= record.latest_version",
        part(0, 16),
        part(16, 8),
        part(24, 16),
        part(KEY, body)
    );
    strided(KEY + body, &sql)
}

/// Sets the subject of single records.
pub(crate) async fn change_subjects(
    tx: &mut Tx,
    changed: Vec<(RecordId, u64)>,
) -> Result<(), StoreError> {
    for (id, subject) in changed {
        tx.exec(
            "UPDATE record SET subject = $2 WHERE id = $1",
            args![id, subject.to_be_bytes()],
        )
        .await?;
    }
    Ok(())
}

/// Rewrites the bodies of all records of a subject.
pub(crate) async fn rewrite(
    tx: &mut Tx,
    subject: u64,
    change: impl Fn(&mut RecordRow),
) -> Result<(), StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM record r WHERE r.subject = $1");
    for row in tx.rows(own(sql), args![subject.to_be_bytes()]).await? {
        let before = read(&row)?;
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            let mut body = Vec::new();
            pack(&after, &mut body)?;
            tx.exec(
                "UPDATE record SET body = $2 WHERE id = $1",
                args![after.id, body],
            )
            .await?;
        }
    }
    Ok(())
}

pub(crate) fn read(row: &Row) -> Result<RecordRow, StoreError> {
    const WHAT: &str = "record";
    let body = row.blob(3)?;
    let head = Head::of(&body)?;
    let latest = Pointer {
        version: row.fixed(2, WHAT)?,
        block: head.latest.block,
        position: head.latest.position,
    };
    Ok(RecordRow {
        id: row.fixed(0, WHAT)?,
        kind: head.kind,
        subject: u64::from_be_bytes(row.fixed(1, WHAT)?),
        region: text_of(head.region)?,
        latest,
        shown: match head.shown {
            Shown::Latest => Some(latest),
            Shown::Other(pointer) => Some(pointer),
            Shown::None => None,
        },
        mask: head.mask,
        flags: head.flags,
    })
}

/// Identity, subject and version ahead of a packed body.
const KEY: usize = 16 + 8 + 16;
/// Flags, type, mask, region, block (6 bytes), position.
const SHORT: usize = 1 + 2 + 2 + 6 + 6 + 4;
/// The same, and the shown pointer; a block of 0 stands for none.
const LONG: usize = SHORT + 16 + 6 + 4;

enum Shown {
    Latest,
    Other(Pointer),
    None,
}

struct Head {
    flags: u8,
    kind: u16,
    mask: u16,
    region: [u8; 6],
    latest: Pointer,
    shown: Shown,
}

impl Head {
    fn of(body: &[u8]) -> Result<Self, StoreError> {
        Self::read(body).ok_or(StoreError::Corrupt { what: "record" })
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut rest = body;
        let head = Self {
            flags: take::<1>(&mut rest)?[0],
            kind: u16::from_be_bytes(take(&mut rest)?),
            mask: u16::from_be_bytes(take(&mut rest)?),
            region: take(&mut rest)?,
            latest: Pointer {
                version: [0; 16],
                block: block(&mut rest)?,
                position: position(&mut rest)?,
            },
            shown: Shown::Latest,
        };
        if rest.is_empty() {
            return Some(head);
        }
        let version = take(&mut rest)?;
        let pointer = Pointer {
            version,
            block: block(&mut rest)?,
            position: position(&mut rest)?,
        };
        let shown = if pointer.block == 0 {
            Shown::None
        } else {
            Shown::Other(pointer)
        };
        rest.is_empty().then_some(Self { shown, ..head })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn block(rest: &mut &[u8]) -> Option<u64> {
    let six: [u8; 6] = take(rest)?;
    let mut eight = [0; 8];
    eight[2..].copy_from_slice(&six);
    Some(u64::from_be_bytes(eight))
}

fn position(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_be_bytes)
}

fn pack(row: &RecordRow, out: &mut Vec<u8>) -> Result<(), StoreError> {
    out.push(row.flags);
    out.extend_from_slice(&row.kind.to_be_bytes());
    out.extend_from_slice(&row.mask.to_be_bytes());
    out.extend_from_slice(&pack_region(&row.region)?);
    pack_place(&row.latest, out)?;
    match row.shown {
        Some(shown) if shown == row.latest => {}
        Some(shown) => {
            if shown.block == 0 {
                return Err(StoreError::Invalid {
                    what: "记录指向第 0 块",
                });
            }
            out.extend_from_slice(&shown.version);
            pack_place(&shown, out)?;
        }
        None => out.extend_from_slice(&[0; LONG - SHORT]),
    }
    Ok(())
}

fn pack_place(pointer: &Pointer, out: &mut Vec<u8>) -> Result<(), StoreError> {
    if pointer.block >> 48 != 0 {
        return Err(StoreError::Invalid {
            what: "块号过大"
        });
    }
    out.extend_from_slice(&pointer.block.to_be_bytes()[2..]);
    out.extend_from_slice(&pointer.position.to_be_bytes());
    Ok(())
}

fn pack_region(region: &str) -> Result<[u8; 6], StoreError> {
    let bytes = region.as_bytes();
    if bytes.len() > 6 || bytes.contains(&0) {
        return Err(StoreError::Invalid {
            what: "辖区代码超过六个字节",
        });
    }
    let mut out = [0; 6];
    out[..bytes.len()].copy_from_slice(bytes);
    Ok(out)
}

fn text_of(region: [u8; 6]) -> Result<String, StoreError> {
    let end = region.iter().position(|b| *b == 0).unwrap_or(region.len());
    String::from_utf8(region[..end].to_vec()).map_err(|_| StoreError::Corrupt { what: "record" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(region: &str, shown: Option<Pointer>, length: usize) {
        let latest = Pointer {
            version: [0; 16],
            block: (1 << 48) - 1,
            position: u32::MAX,
        };
        let row = RecordRow {
            id: [1; 16],
            kind: 513,
            subject: 7,
            region: region.to_owned(),
            latest,
            shown: shown.map(|s| if s.block == 1 { latest } else { s }),
            mask: 0x8001,
            flags: 255,
        };
        let mut body = Vec::new();
        pack(&row, &mut body).expect("row fits");
        assert_eq!(body.len(), length);
        let head = Head::of(&body).expect("body reads");
        assert_eq!(
            (head.kind, head.mask, head.flags),
            (row.kind, row.mask, row.flags)
        );
        assert_eq!(text_of(head.region).expect("text"), region);
        assert_eq!(head.latest, latest);
        let read = match head.shown {
            Shown::Latest => Some(latest),
            Shown::Other(pointer) => Some(pointer),
            Shown::None => None,
        };
        assert_eq!(read, row.shown);
    }

    #[test]
    fn a_body_reads_as_it_was_packed() {
        check(
            "310115",
            Some(Pointer {
                block: 1,
                ..Pointer::default()
            }),
            SHORT,
        );
        check("", None, LONG);
        check(
            "*",
            Some(Pointer {
                version: [9; 16],
                block: 5,
                position: 3,
            }),
            LONG,
        );
    }

    #[test]
    fn a_body_of_another_length_is_damage() {
        for length in [0, 1, SHORT - 1, SHORT + 1, LONG - 1, LONG + 1] {
            assert!(Head::of(&vec![1; length]).is_err(), "{length}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(pack_region("3101150").is_err());
        assert!(pack_region("31\0").is_err());
        let far = Pointer {
            block: 1 << 48,
            ..Pointer::default()
        };
        assert!(pack_place(&far, &mut Vec::new()).is_err());
    }
}
