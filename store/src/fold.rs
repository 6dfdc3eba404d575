//! Fold: the views that people search and read, in one transaction with the folded cursor. Views are functions of current
//! records: they can be thrown away and made again.

use std::collections::{BTreeMap, HashMap};

use crate::apply::advance;
use crate::engine::{Arg, Bulk, Column, Kind, Row, Tx, args, own};
use crate::search::{SearchText, codes};
use crate::{DirtyRow, EntityRow, FoldGroup, Heads, Store, StoreError, unsettled};

/// Subjects of a page, whatever is asked for.
const PAGE_MAX: usize = 16_384;

pub(crate) const ENTITY_COLUMNS: &str = "e.subject, e.subject_text, e.name, e.former_names, e.uscc, e.reg_no, e.org_code, \
     e.region, e.kind_text, e.state, e.address, e.legal_rep, e.updated_at_us, e.event_date";

const COLUMNS: &[Column] = &[
    ("subject", Kind::Int),
    ("subject_text", Kind::Text),
    ("name", Kind::Text),
    ("former_names", Kind::Text),
    ("name_key", Kind::Text),
    ("search_text", Kind::Text),
    ("uscc", Kind::Text),
    ("reg_no", Kind::Text),
    ("org_code", Kind::Text),
    ("region", Kind::Text),
    ("kind_text", Kind::Text),
    ("state", Kind::Text),
    ("address", Kind::Text),
    ("legal_rep", Kind::Text),
    ("event_date", Kind::Text),
    ("updated_at_us", Kind::Int),
];

/// New entities, and those whose indexed columns changed.
const WHOLE: Bulk = Bulk {
    table: "entity",
    columns: COLUMNS,
    tail: "ON CONFLICT (subject) DO UPDATE SET subject_text = excluded.subject_text, name = excluded.name, \
           former_names = excluded.former_names, name_key = excluded.name_key, search_text = excluded.search_text, \
           uscc = excluded.uscc, reg_no = excluded.reg_no, org_code = excluded.org_code, region = excluded.region, \
           kind_text = excluded.kind_text, state = excluded.state, address = excluded.address, \
           legal_rep = excluded.legal_rep, event_date = excluded.event_date, \
           updated_at_us = excluded.updated_at_us",
};

/// Entities whose indexed columns are as they were: those stay out of SET.
const PLAIN: Bulk = Bulk {
    table: "entity",
    columns: COLUMNS,
    tail: "ON CONFLICT (subject) DO UPDATE SET subject_text = excluded.subject_text, name = excluded.name, \
           former_names = excluded.former_names, region = excluded.region, kind_text = excluded.kind_text, \
           state = excluded.state, address = excluded.address, legal_rep = excluded.legal_rep, \
           event_date = excluded.event_date, updated_at_us = excluded.updated_at_us",
};

impl Store {
    /// Subjects to fold again, oldest first.
    pub async fn dirty_page(&self, limit: usize) -> Result<Vec<DirtyRow>, StoreError> {
        let rows = self
            .rows(
                "SELECT subject, mark FROM dirty ORDER BY mark, subject LIMIT $1",
                args![limit.min(PAGE_MAX)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(DirtyRow {
                    subject: row.uint(0)?,
                    mark: row.uint(1)?,
                })
            })
            .collect()
    }

    /// Writes a group and moves the folded cursor. If it fails, nothing of it was written.
    pub async fn fold(&self, group: FoldGroup) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // rising order of subjects: the gram index is written in one run
        let entities: BTreeMap<i64, EntityRow> = group
            .entities
            .into_iter()
            .map(|e| (e.subject.cast_signed(), e))
            .collect();
        let mut gone: Vec<i64> = group.gone.into_iter().map(u64::cast_signed).collect();
        gone.retain(|subject| !entities.contains_key(subject));
        gone.sort_unstable();
        gone.dedup();
        unsettled::put(&mut tx, &entities, &gone, group.unsettled).await?;
        let removed = remove(&mut tx, gone).await?;
        let added = put(&mut tx, entities).await?;
        for row in group.dirty_done {
            tx.exec(
                "DELETE FROM dirty WHERE subject = $1 AND mark = $2",
                args![row.subject, row.mark],
            )
            .await?;
        }
        if added != removed {
            tx.exec(
                "INSERT INTO progress (name, value) VALUES ('entities', $1) \
                 ON CONFLICT (name) DO UPDATE SET value = progress.value + excluded.value",
                args![added - removed],
            )
            .await?;
        }
        if let Some(through) = group.through {
            advance(&mut tx, "folded", through).await?;
        }
        tx.commit().await?;
        self.moved(Heads {
            folded: group.through.unwrap_or(0),
            ..Heads::default()
        });
        Ok(())
    }

    /// The entity of a subject.
    pub async fn entity(&self, subject: u64) -> Result<Option<EntityRow>, StoreError> {
        let sql = format!("SELECT {ENTITY_COLUMNS} FROM entity e WHERE e.subject = $1");
        self.rows(own(sql), args![subject])
            .await?
            .first()
            .map(entity)
            .transpose()
    }
}

async fn remove(tx: &mut Tx, gone: Vec<i64>) -> Result<i64, StoreError> {
    if gone.is_empty() {
        return Ok(0);
    }
    remove_grams(tx, gone.clone()).await?;
    let sql = format!("DELETE FROM entity WHERE {}", tx.among("subject", 1));
    Ok(tx.exec(own(sql), args![gone]).await?.cast_signed())
}

async fn remove_grams(tx: &mut Tx, subjects: Vec<i64>) -> Result<(), StoreError> {
    if subjects.is_empty() {
        return Ok(());
    }
    let column = if tx.is_sqlite() { "rowid" } else { "subject" };
    let sql = format!("DELETE FROM entity_gram WHERE {}", tx.among(column, 1));
    tx.exec(own(sql), args![subjects]).await?;
    Ok(())
}

/// Writes entities; returns how many are new.
async fn put(tx: &mut Tx, entities: BTreeMap<i64, EntityRow>) -> Result<i64, StoreError> {
    if entities.is_empty() {
        return Ok(0);
    }
    let known = indexed_columns(tx, entities.keys().copied().collect()).await?;
    let added = entities.len() - known.len();
    let (mut whole, mut plain) = (Vec::new(), Vec::new());
    let (mut stale, mut texts) = (Vec::new(), Vec::new());
    for (subject, row) in entities {
        let text = SearchText::of(&row.name, &row.former_names);
        let [uscc, reg_no, org_code] = codes([&row.uscc, &row.reg_no, &row.org_code]);
        let indexed = [text.searched.clone(), uscc, reg_no, org_code];
        let before = known.get(&subject);
        let renamed = before.is_none_or(|before| before[0] != indexed[0]);
        if renamed && before.is_some() {
            stale.push(subject);
        }
        let out = if before == Some(&indexed) {
            &mut plain
        } else {
            &mut whole
        };
        let [searched, uscc, reg_no, org_code] = indexed;
        out.extend(args![
            subject,
            row.subject_text,
            row.name,
            row.former_names,
            text.key.as_str(),
            searched,
            uscc,
            reg_no,
            org_code,
            row.region,
            row.kind_text,
            row.state,
            row.address,
            row.legal_rep,
            row.event_date,
            row.updated_at_us
        ]);
        if renamed {
            texts.push((subject, text));
        }
    }
    tx.bulk(&WHOLE, whole).await?;
    tx.bulk(&PLAIN, plain).await?;
    remove_grams(tx, stale).await?;
    put_grams(tx, texts).await?;
    Ok(i64::try_from(added).unwrap_or(i64::MAX))
}

/// Searched text and codes of the entities that exist.
async fn indexed_columns(
    tx: &mut Tx,
    subjects: Vec<i64>,
) -> Result<HashMap<i64, [String; 4]>, StoreError> {
    let sql = format!(
        "SELECT subject, search_text, uscc, reg_no, org_code FROM entity WHERE {}",
        tx.among("subject", 1)
    );
    let rows = tx.rows(own(sql), args![subjects]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.int(0)?,
                [row.text(1)?, row.text(2)?, row.text(3)?, row.text(4)?],
            ))
        })
        .collect()
}

async fn put_grams(tx: &mut Tx, texts: Vec<(i64, SearchText)>) -> Result<(), StoreError> {
    if texts.is_empty() {
        return Ok(());
    }
    if tx.is_sqlite() {
        let rows: Vec<String> = texts
            .into_iter()
            .map(|(subject, text)| {
                // the word between two names keeps a phrase from spanning them
                let names: Vec<String> = text.grams().iter().map(|grams| words(grams)).collect();
                format!(
                    "[{subject},\"{} x {}\"]",
                    whole_word(&text.key),
                    names.join(" x ")
                )
            })
            .collect();
        // one statement: FTS5 writes out what it has gathered at the end of each
        tx.exec(
            "INSERT INTO entity_gram (rowid, grams) \
             SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each($1)",
            args![format!("[{}]", rows.join(","))],
        )
        .await?;
        return Ok(());
    }
    let (subjects, arrays): (Vec<i64>, Vec<String>) = texts
        .into_iter()
        .map(|(subject, text)| {
            let mut grams = text.grams().concat();
            grams.sort_unstable();
            grams.dedup();
            let grams: Vec<String> = grams.iter().map(u64::to_string).collect();
            (subject, format!("[{}]", grams.join(",")))
        })
        .unzip();
    // arrays of unequal lengths cannot be unnested side by side: they travel as one JSON text
    tx.exec(
        "INSERT INTO entity_gram (subject, grams) \
         SELECT s.subject, ARRAY(SELECT CAST(t AS BIGINT) FROM json_array_elements_text(g.grams) t) \
         FROM UNNEST($1) WITH ORDINALITY AS s(subject, at) \
         JOIN json_array_elements(CAST($2 AS json)) WITH ORDINALITY AS g(grams, at) ON g.at = s.at",
        args![Arg::Ints(subjects), format!("[{}]", arrays.join(","))],
    )
    .await?;
    Ok(())
}

/// Bigrams of a name as words of the FTS5 index: hexadecimal digits, which need no quoting.
pub(crate) fn words(grams: &[u64]) -> String {
    let words: Vec<String> = grams.iter().map(|gram| format!("{gram:x}")).collect();
    words.join(" ")
}

/// A whole name as one word, so rare that a name is found by it as by an index of its own, at a fraction of the writes. Two
/// names may share it.
pub(crate) fn whole_word(name_key: &str) -> String {
    let hash = protocol::hash::sha256(&[name_key.as_bytes()]).to_string();
    format!("n{}", &hash[..16])
}

pub(crate) fn entity(row: &Row) -> Result<EntityRow, StoreError> {
    Ok(EntityRow {
        subject: row.uint(0)?,
        subject_text: row.text(1)?,
        name: row.text(2)?,
        former_names: row.text(3)?,
        uscc: row.text(4)?,
        reg_no: row.text(5)?,
        org_code: row.text(6)?,
        region: row.text(7)?,
        kind_text: row.text(8)?,
        state: row.text(9)?,
        address: row.text(10)?,
        legal_rep: row.text(11)?,
        updated_at_us: row.int(12)?,
        event_date: row.text(13)?,
    })
}
