//! A drop folder of CSV files as a source.
//!
//! A file is taken when its size and time have stood still for a while, or when an `.ok` file stands beside it; then it
//! is checked as a whole and copied as UTF-8 into our own folder, and only that copy is read, page by page. So a file is
//! taken whole or not at all, whatever happens to it meanwhile. Nothing is moved, renamed or deleted in the drop folder:
//! what was taken or set aside is remembered by name and content.

mod stage;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use csv::{ByteRecord, ReaderBuilder};
use protocol::bytes::{Malformed, Put, Reader, text};
use protocol::hash::{Hash, sha256};
use protocol::value::Value;
use store::seat::FileRow;

use super::{
    ColumnProbe, LegacyRow, PAGE_BYTES_MAX, Page, Probe, ReadContext, ReadError, RowDefect,
    TableProbe, VALUE_BYTES_MAX, identity,
};
use stage::{Refused, Staged, stage};

/// How a drop folder is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvSettings {
    /// Name of the source.
    pub name: String,
    /// The drop folder.
    pub folder: PathBuf,
    /// Ending of the files that are meant, without dot.
    pub extension: String,
    /// Separator of fields.
    pub delimiter: u8,
    /// For how long size and time must stand still, in milliseconds.
    pub stable_ms: i64,
    /// Whether only files with an `.ok` file beside them are taken.
    pub ok_required: bool,
    /// Columns that tell rows apart, across files.
    pub key: Vec<String>,
    /// Columns to be read.
    pub columns: Vec<String>,
    /// Our own folder for the copy that is being read.
    pub spool: PathBuf,
}

/// A folder into which CSV files are dropped.
pub struct CsvFolder {
    settings: CsvSettings,
    columns: Arc<[String]>,
    seen: HashMap<String, Seen>,
    finished: Option<PathBuf>,
    tidied: bool,
}

/// What was seen of a file at the last look.
struct Seen {
    size: u64,
    modified: Option<i64>,
    since_ms: i64,
    settled: Option<Settled>,
}

#[derive(Clone, PartialEq, Eq)]
enum Settled {
    Taken,
    SetAside(String),
}

/// A file that is being read: which, and from where on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    name: String,
    hash: [u8; 32],
    /// Offset of the next record in our copy.
    offset: u64,
    /// Line of the next record.
    line: u64,
    /// Records read.
    rows: u64,
}

impl CsvFolder {
    /// A source that looks into the folder at its first page.
    pub fn new(settings: CsvSettings) -> Self {
        Self {
            columns: settings.columns.clone().into(),
            settings,
            seen: HashMap::new(),
            finished: None,
            tidied: false,
        }
    }

    /// The page after `position`: the next rows of the file that is being read, or of the next one that is ready.
    pub async fn read_page(
        &mut self,
        position: &[u8],
        context: &ReadContext<'_>,
    ) -> Result<Page, ReadError> {
        let mut position = Position::read(position).map_err(|_| ReadError::Position {
            source_name: self.settings.name.clone(),
        })?;
        self.tidy(position.as_ref());
        let mut notes = Vec::new();
        if let Some(running) = &position
            && !self.spool_path(&running.hash).exists()
        {
            // our copy is gone (somebody cleared our folder): the same content is taken again, from where we stood
            notes.push(format!("文件 {} 的本地副本不见了，重新取得", running.name));
            self.restage(running).await?;
        }
        if position.is_none() {
            position = self.next_file(context, &mut notes).await?;
        }
        let Some(position) = position else {
            return Ok(Page {
                columns: self.columns.clone(),
                rows: Vec::new(),
                position: Vec::new(),
                more: false,
                clock: None,
                file: None,
                note: note(notes),
            });
        };
        let mut page = self.page(position, context.rows_max)?;
        page.note = note(notes);
        Ok(page)
    }

    /// Removes our copy of a file whose last page is committed.
    pub fn committed(&mut self) {
        if let Some(path) = self.finished.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove the copy of a file that was taken");
        }
    }

    /// Files of the folder with their headers.
    pub fn probe(&mut self) -> Result<Probe, ReadError> {
        let mut tables = Vec::new();
        for (name, _, _) in self.listing()?.into_iter().take(PROBE_FILES_MAX) {
            let path = self.settings.folder.join(&name);
            let mut head = Vec::new();
            File::open(&path)
                .and_then(|f| f.take(64 << 10).read_to_end(&mut head))
                .map_err(|e| self.failed(&path, &e))?;
            let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
            let line = match super::decode_text(line) {
                Value::Text(line) => line,
                _ => String::new(),
            };
            let columns = line
                .trim_start_matches('\u{feff}')
                .split(char::from(self.settings.delimiter))
                .map(|name| ColumnProbe {
                    name: stage::plain_name(name.trim().trim_matches('"')),
                    ..ColumnProbe::default()
                })
                .collect();
            tables.push(TableProbe {
                name,
                columns,
                ..TableProbe::default()
            });
        }
        Ok(Probe { tables })
    }

    async fn next_file(
        &mut self,
        context: &ReadContext<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Position>, ReadError> {
        let listing = self.listing()?;
        self.seen
            .retain(|name, _| listing.iter().any(|(listed, ..)| listed == name));
        for (name, size, modified) in listing {
            if !self.ready(&name, size, modified, context.now_ms, notes) {
                continue;
            }
            let path = self.settings.folder.join(&name);
            let staged = self.stage(path).await;
            let settled = match staged {
                Err(e) => {
                    // not ours to judge: somebody holds it, or may not be read; it stays where it is
                    notes.push(format!("文件 {name} {NOT_READABLE}（{e}），稍后再试"));
                    continue;
                }
                Ok(Err(Refused { hash, reason })) => {
                    let file = FileRow {
                        name: name.clone(),
                        hash: hash.0,
                        rows: 0,
                        trouble: Some(reason.clone()),
                    };
                    let known = context.memory.file(context.source, &name, &hash.0).await?;
                    if known.is_none() {
                        context
                            .memory
                            .put_file(context.source, &file, context.now_ms)
                            .await?;
                    }
                    notes.push(format!("文件 {name} {NOT_TAKEN}：{reason}"));
                    Settled::SetAside(reason)
                }
                Ok(Ok(staged)) => {
                    let known = context
                        .memory
                        .file(context.source, &name, &staged.hash.0)
                        .await?;
                    if known.is_none_or(|mark| mark.trouble.is_some()) {
                        return Ok(Some(Position {
                            name,
                            hash: staged.hash.0,
                            offset: 0,
                            line: 1,
                            rows: 0,
                        }));
                    }
                    let copy = self.spool_path(&staged.hash.0);
                    fs::remove_file(&copy).map_err(|e| self.failed(&copy, &e))?;
                    Settled::Taken
                }
            };
            if let Some(seen) = self.seen.get_mut(&name) {
                seen.settled = Some(settled);
            }
        }
        Ok(None)
    }

    /// Whether a file has stood still long enough, or is vouched for.
    fn ready(
        &mut self,
        name: &str,
        size: u64,
        modified: Option<i64>,
        now_ms: i64,
        notes: &mut Vec<String>,
    ) -> bool {
        let folder = &self.settings.folder;
        let vouched = folder.join(format!("{name}.ok")).exists()
            || folder
                .join(name)
                .with_extension("ok")
                .try_exists()
                .unwrap_or(false);
        let seen = self.seen.entry(name.to_owned()).or_insert(Seen {
            size,
            modified,
            since_ms: now_ms,
            settled: None,
        });
        if (seen.size, seen.modified) != (size, modified) {
            *seen = Seen {
                size,
                modified,
                since_ms: now_ms,
                settled: None,
            };
        }
        match &seen.settled {
            Some(Settled::Taken) => return false,
            Some(Settled::SetAside(reason)) => {
                notes.push(format!("文件 {name} {NOT_TAKEN}：{reason}"));
                return false;
            }
            None => {}
        }
        if size == 0 {
            notes.push(format!("文件 {name} 是空的，等待写入"));
            return false;
        }
        if vouched {
            return true;
        }
        if self.settings.ok_required {
            notes.push(format!("文件 {name} 旁边还没有 {name}.ok，等待"));
            return false;
        }
        let still = now_ms.saturating_sub(seen.since_ms) >= self.settings.stable_ms;
        if !still {
            notes.push(format!("文件 {name} 刚有变化，等待写完"));
        }
        still
    }

    async fn stage(&self, path: PathBuf) -> std::io::Result<Result<Staged, Refused>> {
        let settings = self.settings.clone();
        // a large file must not hold up the links
        tokio::task::spawn_blocking(move || stage(&settings, &path))
            .await
            .unwrap_or_else(|e| Err(std::io::Error::other(e)))
    }

    async fn restage(&self, running: &Position) -> Result<(), ReadError> {
        let path = self.settings.folder.join(&running.name);
        let staged = self
            .stage(path.clone())
            .await
            .map_err(|e| self.failed(&path, &e))?;
        match staged {
            Ok(staged) if staged.hash.0 == running.hash => Ok(()),
            _ => Err(ReadError::Failed {
                path,
                detail:
                    "文件读到一半后内容变了，本地副本也已不在；请把原文件放回，或改名后重新投放"
                        .to_owned(),
            }),
        }
    }

    fn page(&mut self, mut position: Position, rows_max: usize) -> Result<Page, ReadError> {
        let path = self.spool_path(&position.hash);
        let failed = |e: std::io::Error| ReadError::Failed {
            path: path.clone(),
            detail: e.to_string(),
        };
        let mut file = File::open(&path).map_err(failed)?;
        let front = stage::read_header(&mut file, self.settings.delimiter).map_err(failed)?;
        if position.offset < front.offset {
            (position.offset, position.line) = (front.offset, front.line);
        }
        let header = &front.names;
        let from = position.offset;
        file.seek(SeekFrom::Start(from)).map_err(failed)?;
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.settings.delimiter)
            .buffer_capacity(64 << 10)
            .from_reader(file);
        let place = |name: &String| header.iter().position(|h| h.eq_ignore_ascii_case(name));
        let wanted: Vec<Option<usize>> = self.settings.columns.iter().map(place).collect();
        let keys: Vec<Option<usize>> = self.settings.key.iter().map(place).collect();
        let mut record = ByteRecord::new();
        let mut rows = Vec::new();
        let mut bytes = 0;
        let mut more = false;
        loop {
            let before = reader.position().clone();
            if rows.len() == rows_max || bytes >= PAGE_BYTES_MAX {
                position.offset = from + before.byte();
                position.line += before.line() - 1;
                more = true;
                break;
            }
            if !reader
                .read_byte_record(&mut record)
                .map_err(|e| failed(std::io::Error::other(e)))?
            {
                break;
            }
            let line =
                position.line + front.line_end_open + record.position().map_or(0, |p| p.line() - 1);
            bytes += record.as_slice().len() + 128;
            rows.push(self.row(&position.name, line, &record, header.len(), &wanted, &keys));
        }
        position.rows += rows.len() as u64;
        let file = (!more).then(|| FileRow {
            name: position.name.clone(),
            hash: position.hash,
            rows: position.rows,
            trouble: None,
        });
        if file.is_some() {
            self.finished = Some(path);
            if let Some(seen) = self.seen.get_mut(&position.name) {
                seen.settled = Some(Settled::Taken);
            }
        }
        Ok(Page {
            columns: self.columns.clone(),
            rows,
            position: if more {
                position.to_bytes()
            } else {
                Vec::new()
            },
            // there may be a further file
            more: true,
            clock: None,
            file,
            note: None,
        })
    }

    fn row(
        &self,
        name: &str,
        line: u64,
        record: &ByteRecord,
        fields: usize,
        wanted: &[Option<usize>],
        keys: &[Option<usize>],
    ) -> LegacyRow {
        let value = |at: &Option<usize>| -> Value {
            match at.and_then(|at| record.get(at)) {
                None => Value::Null,
                Some(bytes) => match std::str::from_utf8(bytes) {
                    Ok(s) => Value::from_text(s),
                    Err(_) => Value::Raw(bytes.to_vec()),
                },
            }
        };
        let mut defect = None;
        if record.len() != fields {
            defect = Some(RowDefect::FieldCount);
        } else if record.iter().any(|f| f.len() > VALUE_BYTES_MAX) {
            defect = Some(RowDefect::Oversized);
        }
        let columns = match defect {
            Some(RowDefect::Oversized) => wanted.iter().map(|_| Value::Null).collect(),
            _ => wanted.iter().map(value).collect(),
        };
        let key: Vec<Value> = keys.iter().map(value).map(trimmed).collect();
        let position = format!("{name} 第 {line} 行");
        // a row that lacks its key is told apart by its place; it will be refused anyway
        let identity = if defect.is_none() && key.iter().any(Value::is_present) {
            identity(&key)
        } else {
            let mut out = vec![4];
            out.extend_from_slice(&sha256(&[position.as_bytes()]).0[..16]);
            out
        };
        LegacyRow {
            position,
            key: None,
            identity,
            columns,
            defect,
        }
    }

    /// Names, sizes and times of the files that are meant, by name.
    fn listing(&self) -> Result<Vec<(String, u64, Option<i64>)>, ReadError> {
        let folder = &self.settings.folder;
        let mut out = Vec::new();
        for entry in fs::read_dir(folder).map_err(|e| self.failed(folder, &e))? {
            let entry = entry.map_err(|e| self.failed(folder, &e))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let meant = Path::new(&name)
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case(&self.settings.extension));
            if !meant || name.starts_with('.') || name.starts_with("~$") {
                continue;
            }
            // a file that vanishes between listing and looking is none of this cycle's
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_file() {
                let modified = meta
                    .modified()
                    .ok()
                    .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
                    .and_then(|d| i64::try_from(d.as_nanos()).ok());
                out.push((name, meta.len(), modified));
            }
        }
        out.sort();
        Ok(out)
    }

    /// Once per start: removes copies that a crash left behind.
    fn tidy(&mut self, running: Option<&Position>) {
        if std::mem::replace(&mut self.tidied, true) {
            return;
        }
        let keep = running.map(|p| self.spool_path(&p.hash));
        let Ok(entries) = fs::read_dir(&self.settings.spool) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if Some(&path) != keep.as_ref()
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %error, "cannot remove a stale copy");
            }
        }
    }

    fn spool_path(&self, hash: &[u8; 32]) -> PathBuf {
        stage::spool_path(&self.settings.spool, &Hash(*hash))
    }

    fn failed(&self, path: &Path, error: &std::io::Error) -> ReadError {
        let path = path.to_owned();
        match error.kind() {
            std::io::ErrorKind::NotFound => ReadError::Absent { path },
            std::io::ErrorKind::PermissionDenied => ReadError::Denied { path },
            _ => ReadError::Failed {
                path,
                detail: error.to_string(),
            },
        }
    }
}

impl Position {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![1];
        out.put_medium(self.name.as_bytes());
        out.put(&self.hash);
        out.put_u64(self.offset);
        out.put_u64(self.line);
        out.put_u64(self.rows);
        out
    }

    fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut r = Reader::new(bytes, "drop folder position");
        if r.u8()? != 1 {
            return Err(r.malformed());
        }
        let position = Self {
            name: text(r.medium()?).ok_or(r.malformed())?.to_owned(),
            hash: r.array()?,
            offset: r.u64()?,
            line: r.u64()?,
            rows: r.u64()?,
        };
        r.finish()?;
        Ok(Some(position))
    }
}

fn trimmed(value: Value) -> Value {
    match value {
        Value::Text(s) => Value::from_text(s.trim()),
        other => other,
    }
}

fn note(notes: Vec<String>) -> Option<String> {
    (!notes.is_empty()).then(|| {
        // what a person has to do something about comes first
        let mut notes = notes;
        notes.sort_by_key(|note| !note.contains(NOT_TAKEN) && !note.contains(NOT_READABLE));
        let shown = notes.len().min(NOTES_MAX);
        let mut text = notes[..shown].join("；");
        if notes.len() > shown {
            text.push_str(&format!(
                "；另有 {} 个文件同样等待处理",
                notes.len() - shown
            ));
        }
        text
    })
}

/// Stands in a note about a file that was set aside.
pub(crate) const NOT_TAKEN: &str = "未采用";
/// Stands in a note about a file that cannot be read.
pub(crate) const NOT_READABLE: &str = "暂不能读取";
const NOTES_MAX: usize = 5;
const PROBE_FILES_MAX: usize = 20;
