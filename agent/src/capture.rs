//! One page of a source becomes what is stated: which rows changed, what they say now and said before, which are refused
//! and why. The result is kept in one local transaction together with the new source position.
//!
//! A row is recognised by its identity in the source, a change by the hash of its values. Of several images of one
//! record in a page the last one counts. A refused row stops nothing; its refusal is an entry of its own and is retracted
//! when the row is accepted.
//!
//! Long because a row's way through capture is one sequence of decisions that is kept in one transaction.

pub mod chunk;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use protocol::entry::{Head, Hint, Key, Operation, Subject};
use protocol::hash;
use protocol::limits;
use protocol::name::Lane;
use protocol::value::{CivilDate, Value};
use store::seat::{Capture, Image, ImageRow, RejectRow, SeatError, SeatStore, Stated, Told};
use supervision::conclude;
use supervision::division::{City, DivisionTable};
use supervision::standard::map::{MappedEntry, Refused};
use supervision::standard::refusal::{closes, refusal_entry};
use supervision::standard::{Context, Finding, Severity, Standards, reason, text_of};

use crate::connector::{LegacyRow, LegacySource, Page, ReadContext, ReadError};
use crate::mapping::Mapping;
use chunk::{Pending, chunks};
use shown::{reasons_json, row_json};

/// What a source's rows are turned into entries with.
pub struct Capturer {
    /// Number of the source in the local database.
    pub source: i64,
    /// Generation of what it states.
    pub generation: u32,
    /// The mapping.
    pub mapping: Mapping,
    /// The standards known.
    pub standards: Arc<Standards>,
    /// The city and its divisions, if hints can be concluded.
    pub places: Option<Arc<Places>>,
    fingerprint: [u8; 16],
}

/// Where hints come from: the city and the division table.
pub struct Places {
    /// The city.
    pub city: City,
    /// The table.
    pub table: DivisionTable,
}

/// What became of a page, besides what was stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Rows read.
    pub read: u64,
    /// Rows that were new or changed.
    pub changed: u64,
    /// Entries stated, refusals and retractions included.
    pub stated: u64,
    /// Rows refused.
    pub refused: u64,
    /// Whether the cycle goes on.
    pub more: bool,
    /// What people should know about the source.
    pub note: Option<String>,
}

/// Why a page could not be taken. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Our own database.
    #[error(transparent)]
    Store(#[from] SeatError),
}

impl Capturer {
    /// A capturer for a source of the local database.
    pub fn new(
        source: i64,
        generation: u32,
        mapping: Mapping,
        standards: Arc<Standards>,
        places: Option<Arc<Places>>,
    ) -> Self {
        let mut fingerprint = [0; 16];
        let what = mapping.fingerprint();
        let city = places.as_ref().map_or("", |p| p.city.code.as_str());
        fingerprint.copy_from_slice(&hash::sha256(&[&what, city.as_bytes()]).0[..16]);
        Self {
            source,
            generation,
            mapping,
            standards,
            places,
            fingerprint,
        }
    }

    /// Fingerprint of everything that decides what a row becomes. When it differs from the stored one, the source is read
    /// from its start, and every row counts as changed.
    pub const fn fingerprint(&self) -> &[u8; 16] {
        &self.fingerprint
    }

    /// Reads the next page, and keeps what it becomes together with the new position.
    pub async fn take_page(
        &self,
        source: &mut LegacySource,
        store: &SeatStore,
        position: &mut Vec<u8>,
        rows_max: usize,
        now: Now,
    ) -> Result<Taken, CaptureError> {
        let page = self
            .read_page(source, store, position, rows_max, now)
            .await?;
        Ok(self.keep_page(page, source, store, position, now).await?)
    }

    /// The first half of [`Capturer::take_page`]: reads, and may be given up at any moment.
    pub async fn read_page(
        &self,
        source: &mut LegacySource,
        store: &SeatStore,
        position: &[u8],
        rows_max: usize,
        now: Now,
    ) -> Result<Page, ReadError> {
        let context = ReadContext {
            rows_max,
            now_ms: now.ms,
            memory: store,
            source: self.source,
        };
        source.read_page(position, &context).await
    }

    /// The second half: stores what the page states, and moves the position behind it.
    pub async fn keep_page(
        &self,
        page: Page,
        source: &mut LegacySource,
        store: &SeatStore,
        position: &mut Vec<u8>,
        now: Now,
    ) -> Result<Taken, SeatError> {
        let more = page.more;
        let note = page.note.clone();
        let next = page.position.clone();
        let identities: Vec<&[u8]> = page.rows.iter().map(|r| r.identity.as_slice()).collect();
        let images = store.images(self.source, &identities).await?;
        let mut digest = self.digest(page, &images, now);
        digest.settle_rekeyed(store, self).await?;
        let taken = Taken {
            more,
            note,
            stated: digest.stated(),
            ..digest.taken
        };
        // an idle cycle costs no sync
        if digest.changes() || next != *position {
            store.commit_capture(&digest.into_capture()).await?;
        }
        *position = next;
        source.committed();
        Ok(taken)
    }

    /// What a page becomes. Pure but for the images given.
    pub fn digest(&self, page: Page, images: &HashMap<Vec<u8>, Image>, now: Now) -> Digest {
        let mut digest = Digest::new(self.source, &self.fingerprint, &page, now.ms);
        let context = Context { today: now.today };
        let columns = page.columns;
        // only the last image of a row in this page counts
        let mut last: HashMap<&[u8], usize> = HashMap::with_capacity(page.rows.len());
        for (at, row) in page.rows.iter().enumerate() {
            last.insert(&row.identity, at);
        }
        let counts: Vec<bool> = page
            .rows
            .iter()
            .enumerate()
            .map(|(at, row)| last[row.identity.as_slice()] == at)
            .collect();
        let mut scratch = Vec::with_capacity(512);
        for (row, counts) in page.rows.into_iter().zip(counts) {
            if !counts {
                continue;
            }
            let row_hash = self.row_hash(&row, &mut scratch);
            let image = images.get(&row.identity);
            let same = image.is_some_and(|image| image.row_hash == row_hash);
            if same && !self.is_mended_by_itself(&row, image, &context) {
                continue;
            }
            digest.taken.changed += 1;
            self.take_row(&mut digest, row, row_hash, image, &columns, &context);
        }
        digest
    }

    /// Whether a row that was refused as it still reads would now be accepted: a date that lay in the future has come.
    fn is_mended_by_itself(&self, row: &LegacyRow, image: Option<&Image>, at: &Context) -> bool {
        image.is_some_and(|image| image.refused.is_some())
            && row.defect.is_none()
            && self
                .mapping
                .standard
                .map(self.mapping.apply(row.columns.clone()), at)
                .is_ok_and(|entry| !too_long(&entry.head.subject))
    }

    fn take_row(
        &self,
        digest: &mut Digest,
        row: LegacyRow,
        row_hash: [u8; 16],
        image: Option<&Image>,
        columns: &[String],
        context: &Context,
    ) {
        let standard = &self.mapping.standard;
        let kept = row.columns.clone();
        let mapped = match row.defect {
            Some(defect) => Err(Box::new(
                self.refuse(defect.code(), defect.text().to_owned()),
            )),
            None => {
                let fields = self.mapping.apply(row.columns);
                let place = |role| text_of(&fields, role).map(str::to_owned);
                let places = (place(standard.roles.domicile), place(standard.roles.area));
                standard.map(fields, context).and_then(|entry| {
                    if too_long(&entry.head.subject) {
                        let text = "主体名称超过 512 字节".to_owned();
                        return Err(Box::new(self.refuse(reason::SIZE.code, text)));
                    }
                    Ok((entry, places))
                })
            }
        };
        let stated = image.and_then(|i| i.stated.as_ref());
        let told = image.and_then(|i| i.refused.as_ref());
        match mapped {
            Ok((entry, (domicile, area))) => {
                let head = entry.head;
                let hint = self.hint(&head, domicile.as_deref(), area.as_deref());
                let key = head.key.as_bytes().to_vec();
                let subject = bytes_of(|out| head.subject.put(out));
                if let Some(told) = told {
                    digest.close_refusal(self, told);
                    digest.capture.mended.push(row.identity.clone());
                }
                if let Some(former) = stated.filter(|s| s.key != key) {
                    digest.rekeyed.push((row.identity.clone(), former.clone()));
                }
                let mut head = head;
                head.generation = self.generation;
                head.source_position = position_bytes(&row.position);
                if let Some(former) = stated.filter(|s| s.key == key) {
                    if former.subject != subject {
                        head.was.subject = read_subject(&former.subject);
                    }
                    if former.hint != hint.to_bytes() {
                        head.was.hint = read_hint(&former.hint);
                    }
                }
                let hint_bytes = hint.to_bytes();
                head.hint = hint;
                digest.push(standard.lane, head, entry.sections);
                digest.keep(
                    row.identity,
                    row_hash,
                    image,
                    None,
                    Some(Stated {
                        key,
                        subject,
                        hint: hint_bytes,
                    }),
                );
            }
            Err(refused) => {
                digest.taken.refused += 1;
                let key = refused
                    .key
                    .clone()
                    .unwrap_or_else(|| row_key(&row.position));
                let subject = bytes_of(|out| refused.subject.put(out));
                if let Some(told) = told.filter(|t| t.key != key.as_bytes()) {
                    digest.close_refusal(self, told);
                }
                let entry = refusal_entry(&self.standards, &refused, &key, context);
                self.push_refusal(digest, entry, &row.position);
                digest.capture.rejects.push(RejectRow {
                    identity: row.identity.clone(),
                    position: row.position,
                    reasons: reasons_json(&refused.findings),
                    row: row_json(columns, &kept),
                });
                let told = Told {
                    key: key.as_bytes().to_vec(),
                    subject,
                };
                digest.keep(row.identity, row_hash, image, Some(told), stated.cloned());
            }
        }
    }

    fn push_refusal(&self, digest: &mut Digest, entry: MappedEntry, position: &str) {
        let mut head = entry.head;
        head.generation = self.generation;
        head.source_position = position_bytes(position);
        // a refusal goes up to the city with everything else and to no other district
        head.hint = Hint::Unknown;
        digest.push(Lane::Records, head, entry.sections);
    }

    fn refuse(&self, code: &'static str, message: String) -> Refused {
        let standard = &self.mapping.standard;
        Refused {
            record_type: standard.record_type.clone(),
            standard: standard.name.clone(),
            standard_version: standard.version,
            key: None,
            subject: Subject::None,
            findings: vec![Finding {
                code,
                severity: Severity::Refuse,
                field: 0,
                label: String::new(),
                message,
                fix: "请在源系统更正该行，更正后自动重送",
            }],
        }
    }

    /// For whom an entry is, as far as can be told here: the district that the published rules conclude.
    fn hint(&self, head: &Head, domicile: Option<&str>, area: Option<&str>) -> Hint {
        if !self.mapping.standard.concludes {
            return Hint::Unknown;
        }
        let code = match &head.subject {
            Subject::Uscc(code) | Subject::RegistrationNumber(code) => Some(code.as_str()),
            _ => None,
        };
        if let Some(places) = &self.places {
            let concluded = conclude::jurisdiction(
                &places.city,
                &places.table,
                domicile,
                area,
                code,
                head.event_date,
            );
            return Hint::Division(concluded.region);
        }
        let six = |s: &str| s.len() == 6 && s.bytes().all(|b| b.is_ascii_digit());
        let registering = match &head.subject {
            Subject::Uscc(code) => code.get(2..8),
            Subject::RegistrationNumber(code) => code.get(..6),
            _ => None,
        };
        domicile
            .map(str::trim)
            .filter(|s| six(s))
            .or(registering.filter(|s| six(s)))
            .map_or(Hint::Unknown, |s| Hint::Division(s.to_owned()))
    }

    fn row_hash(&self, row: &LegacyRow, scratch: &mut Vec<u8>) -> [u8; 16] {
        scratch.clear();
        scratch.extend_from_slice(&self.fingerprint);
        scratch.push(row.defect.map_or(0, |d| d as u8 + 1));
        row.columns.iter().for_each(|v| v.put(scratch));
        let mut out = [0; 16];
        out.copy_from_slice(&hash::sha256(&[scratch]).0[..16]);
        out
    }
}

/// The time that capture is told: milliseconds since 1970 and the civil day in Beijing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970.
    pub ms: i64,
    /// The day.
    pub today: CivilDate,
}

impl Now {
    /// From milliseconds since 1970.
    pub fn from_ms(ms: i64) -> Self {
        use chrono::Datelike as _;
        let day = crate::schedule::beijing(ms).map(|t| t.date_naive());
        let today = day
            .and_then(|d| {
                CivilDate::new(
                    i16::try_from(d.year()).ok()?,
                    d.month() as u8,
                    d.day() as u8,
                )
            })
            .unwrap_or_else(|| CivilDate::new(1970, 1, 1).expect("a day of the calendar"));
        Self { ms, today }
    }
}

/// What a page becomes, before it is kept.
pub struct Digest {
    /// Counts.
    pub taken: Taken,
    capture: Capture,
    entries: Vec<Pending>,
    by_record: HashMap<(String, Vec<u8>), usize>,
    rekeyed: Vec<(Vec<u8>, Stated)>,
}

impl Digest {
    fn new(source: i64, fingerprint: &[u8; 16], page: &Page, now_ms: i64) -> Self {
        let rows = page.rows.len();
        Self {
            taken: Taken {
                read: rows as u64,
                ..Taken::default()
            },
            capture: Capture {
                source,
                fingerprint: fingerprint.to_vec(),
                position: page.position.clone(),
                file: page.file.clone(),
                rows_read: rows as u64,
                now_ms,
                ..Capture::default()
            },
            entries: Vec::with_capacity(rows),
            by_record: HashMap::with_capacity(rows),
            rekeyed: Vec::new(),
        }
    }

    /// An entry to be stated. An earlier one of the same record in this page gives way, and leaves what others knew of
    /// the record before the page.
    fn push(&mut self, lane: Lane, mut head: Head, sections: Vec<(u8, Vec<u8>)>) {
        let record = (head.record_type.clone(), head.key.as_bytes().to_vec());
        let at = self.entries.len();
        if let Some(earlier) = self.by_record.insert(record, at)
            && let Some(earlier) = self.entries[earlier].give_way()
        {
            head.was.subject = earlier.was.subject.or(head.was.subject);
            head.was.hint = earlier.was.hint.or(head.was.hint);
        }
        self.entries.push(Pending::new(lane, head, sections));
    }

    fn close_refusal(&mut self, capturer: &Capturer, told: &Told) {
        let (Ok(key), Some(subject)) = (Key::from_bytes(&told.key), read_subject(&told.subject))
        else {
            return;
        };
        let entry = closes(&capturer.mapping.standard.record_type, &key, subject);
        capturer.push_refusal(self, entry, "");
    }

    fn keep(
        &mut self,
        identity: Vec<u8>,
        row_hash: [u8; 16],
        before: Option<&Image>,
        refused: Option<Told>,
        stated: Option<Stated>,
    ) {
        let stood = before.is_some_and(|image| image.stated.is_some());
        self.capture.rows_new += u64::from(before.is_none());
        self.capture.records_more += i64::from(stated.is_some()) - i64::from(stood);
        self.capture.images.push(ImageRow {
            identity,
            image: Image {
                row_hash,
                refused,
                stated,
            },
        });
    }

    /// Retracts the records that rows no longer state, unless another row states them.
    async fn settle_rekeyed(
        &mut self,
        store: &SeatStore,
        capturer: &Capturer,
    ) -> Result<(), SeatError> {
        if self.rekeyed.is_empty() {
            return Ok(());
        }
        let rekeyed = std::mem::take(&mut self.rekeyed);
        let here: HashSet<&[u8]> = self
            .capture
            .images
            .iter()
            .filter_map(|i| i.image.stated.as_ref())
            .map(|s| s.key.as_slice())
            .collect();
        let keys = rekeyed
            .iter()
            .map(|(_, s)| s.key.clone())
            .filter(|key| !here.contains(key.as_slice()))
            .collect();
        let except = self
            .capture
            .images
            .iter()
            .map(|i| i.identity.clone())
            .collect();
        let elsewhere = store
            .stated_elsewhere(capturer.source, &keys, &except)
            .await?;
        for (_, former) in rekeyed {
            if !keys.contains(&former.key) || elsewhere.contains(&former.key) {
                continue;
            }
            let Ok(key) = Key::from_bytes(&former.key) else {
                continue;
            };
            let standard = &capturer.mapping.standard;
            let mut head = Head::state(
                standard.record_type.as_str(),
                key,
                standard.name.as_str(),
                standard.version,
            );
            head.operation = Operation::Retract;
            head.generation = capturer.generation;
            head.subject = read_subject(&former.subject).unwrap_or_default();
            head.hint = read_hint(&former.hint).unwrap_or_default();
            self.push(standard.lane, head, Vec::new());
        }
        Ok(())
    }

    fn changes(&self) -> bool {
        !self.entries.is_empty() || !self.capture.images.is_empty() || self.capture.file.is_some()
    }

    fn stated(&self) -> u64 {
        self.entries.iter().filter(|e| e.counts()).count() as u64
    }

    fn into_capture(mut self) -> Capture {
        self.capture.rows_stated = self.stated();
        self.capture.chunks = chunks(&self.entries);
        self.capture
    }
}

/// The key that stands in for that of a row without one: the row's place in its source.
fn row_key(position: &str) -> Key {
    Key::columns(&[Value::from_text("row"), Value::from_text(position)])
}

fn too_long(subject: &Subject) -> bool {
    match subject {
        Subject::Uscc(s)
        | Subject::RegistrationNumber(s)
        | Subject::OrganisationCode(s)
        | Subject::TaxNumber(s)
        | Subject::NameOnly(s) => s.len() > limits::SUBJECT_BYTES_MAX,
        Subject::None | Subject::Person { .. } => false,
    }
}

fn position_bytes(position: &str) -> Vec<u8> {
    let mut end = position.len().min(limits::SOURCE_POSITION_BYTES_MAX);
    while !position.is_char_boundary(end) {
        end -= 1;
    }
    position.as_bytes()[..end].to_vec()
}

fn bytes_of(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    put(&mut out);
    out
}

fn read_subject(bytes: &[u8]) -> Option<Subject> {
    Subject::read(&mut protocol::bytes::Reader::new(bytes, "subject")).ok()
}

fn read_hint(bytes: &[u8]) -> Option<Hint> {
    Hint::read(&mut protocol::bytes::Reader::new(bytes, "hint")).ok()
}
