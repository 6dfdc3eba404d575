//! Checking a dropped file as a whole and copying it as UTF-8 into our own folder.
//!
//! Encoding: strict UTF-8 (with or without byte order mark), else strict GB18030, else refused. Structure: every quote is
//! closed, the header names the wanted columns, the last record is whole. The file must not change while it is copied.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use encoding_rs::{DecoderResult, Encoding, GB18030, UTF_8};
use protocol::hash::{Hash, sha256};

use super::CsvSettings;
use crate::connector::nearest;

/// A file that was found whole and good, and lies in our folder.
#[derive(Debug)]
pub(super) struct Staged {
    /// Hash of its content.
    pub(super) hash: Hash,
}

/// A file that cannot be taken as it is.
#[derive(Debug)]
pub(super) struct Refused {
    /// Hash of its content.
    pub(super) hash: Hash,
    /// What is wrong and what to do.
    pub(super) reason: String,
}

/// Checks and copies. An `Err` outside says that the file cannot be read now; inside, that its content is not good.
pub(super) fn stage(settings: &CsvSettings, path: &Path) -> io::Result<Result<Staged, Refused>> {
    let mut file = File::open(path)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(io::Error::other("另一个程序正锁着它"));
        }
        Err(fs::TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {}
        Err(fs::TryLockError::Error(e)) => return Err(e),
    }
    let before = file.metadata()?;
    fs::create_dir_all(&settings.spool)?;
    let part = settings.spool.join("incoming.part");
    let copied = copy(settings, &mut file, &part)?;
    let after = fs::metadata(path)?;
    if before.len() != after.len() || before.modified().ok() != after.modified().ok() {
        return Err(io::Error::other("读取期间它又变了"));
    }
    match copied {
        Ok(hash) => {
            fs::rename(&part, spool_path(&settings.spool, &hash))?;
            Ok(Ok(Staged { hash }))
        }
        Err(reason) => {
            fs::remove_file(&part)?;
            file.seek(SeekFrom::Start(0))?;
            Ok(Err(Refused {
                hash: hash_of(&mut file)?,
                reason,
            }))
        }
    }
}

fn copy(settings: &CsvSettings, file: &mut File, part: &Path) -> io::Result<Result<Hash, String>> {
    let mut head = [0; 2];
    let n = file.read(&mut head)?;
    if n == 2 && (head == [0xFF, 0xFE] || head == [0xFE, 0xFF]) {
        File::create(part)?;
        return Ok(Err(
            "文件是 UTF-16 编码；请用「另存为 CSV UTF-8（逗号分隔）」重新导出".to_owned(),
        ));
    }
    let mut first_bad = 0;
    for encoding in [UTF_8, GB18030] {
        file.seek(SeekFrom::Start(0))?;
        match transcode(settings, file, part, encoding)? {
            Transcoded::Good(hash) => return Ok(Ok(hash)),
            Transcoded::BadStructure(reason) => return Ok(Err(reason)),
            Transcoded::NotThisEncoding { at } => first_bad = at,
        }
    }
    Ok(Err(format!(
        "文件既不是 UTF-8 也不是 GB18030（GBK）编码（第 {first_bad} 字节附近不能解码），可能传输中损坏；请重新导出为 UTF-8"
    )))
}

enum Transcoded {
    Good(Hash),
    BadStructure(String),
    NotThisEncoding { at: u64 },
}

fn transcode(
    settings: &CsvSettings,
    file: &mut File,
    part: &Path,
    encoding: &'static Encoding,
) -> io::Result<Transcoded> {
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut out = BufWriter::new(File::create(part)?);
    let mut structure = Structure::new(settings.delimiter);
    let mut running = RunningHash::default();
    let mut source = vec![0; CHUNK_BYTES];
    let mut decoded = vec![0; 4 * CHUNK_BYTES];
    let mut offset = 0_u64;
    let mut last_byte = 0;
    loop {
        let n = file.read(&mut source)?;
        let last = n == 0;
        if let Some(byte) = source[..n].last() {
            last_byte = *byte;
        }
        running.update(&source[..n]);
        let mut rest = &source[..n];
        loop {
            let (result, read, written) =
                decoder.decode_to_utf8_without_replacement(rest, &mut decoded, last);
            structure.feed(&decoded[..written]);
            out.write_all(&decoded[..written])?;
            rest = &rest[read..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let at = offset + (n - rest.len()) as u64;
                    return Ok(Transcoded::NotThisEncoding { at });
                }
            }
        }
        offset += n as u64;
        if last {
            break;
        }
    }
    if last_byte == 0 {
        return Ok(Transcoded::BadStructure(
            "文件末尾是空字节，多半没有写完或磁盘曾满；写完后会自动再看，也可重新导出".to_owned(),
        ));
    }
    if let Err(reason) = structure.finish(settings) {
        return Ok(Transcoded::BadStructure(reason));
    }
    out.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    Ok(Transcoded::Good(running.finish()))
}

/// The front of our copy.
pub(super) struct Front {
    /// Column names.
    pub(super) names: Vec<String>,
    /// Offset behind the header.
    pub(super) offset: u64,
    /// Line at that offset.
    pub(super) line: u64,
    /// 1 if lines end with two characters: the reader ends a record behind the first of them and so counts the line
    /// of the next one from before the second.
    pub(super) line_end_open: u64,
}

/// Reads the front of our copy.
pub(super) fn read_header(file: &mut File, delimiter: u8) -> io::Result<Front> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(&mut *file);
    let mut record = csv::ByteRecord::new();
    reader
        .read_byte_record(&mut record)
        .map_err(io::Error::other)?;
    let body = reader.position().clone();
    let mut next = [0];
    file.seek(SeekFrom::Start(body.byte()))?;
    let crlf = file.read(&mut next)? == 1 && next[0] == b'\n';
    Ok(Front {
        names: header_names(&record),
        offset: body.byte(),
        line: body.line(),
        line_end_open: u64::from(crlf),
    })
}

fn header_names(record: &csv::ByteRecord) -> Vec<String> {
    record
        .iter()
        .map(|f| plain_name(&String::from_utf8_lossy(f)))
        .collect()
}

/// A column name without the blanks, tabs and marks that spreadsheets leave on it.
pub(super) fn plain_name(name: &str) -> String {
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}')
        .to_owned()
}

/// Where the copy of a file with this content lies.
pub(super) fn spool_path(spool: &Path, hash: &Hash) -> PathBuf {
    spool.join(format!("{hash}.csv"))
}

/// Follows quotes and fields over the bytes as the CSV reader will, without keeping them.
struct Structure {
    delimiter: u8,
    state: State,
    /// Fields of the running record so far, beside the running one.
    fields: usize,
    record_bytes: usize,
    line: u64,
    opened_at: u64,
    records: u64,
    header: Vec<u8>,
    header_fields: usize,
    last_fields: usize,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Bare,
    Quoted,
    AfterQuote,
}

impl Structure {
    const fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: State::FieldStart,
            fields: 0,
            record_bytes: 0,
            line: 1,
            opened_at: 0,
            records: 0,
            header: Vec::new(),
            header_fields: 0,
            last_fields: 0,
            ended: true,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        for &b in bytes {
            if self.records == 0 && self.header.len() < HEADER_BYTES_MAX {
                self.header.push(b);
            }
            if b == b'\n' {
                self.line += 1;
            }
            let ends = b == b'\n' || b == b'\r';
            self.state = match self.state {
                State::Quoted => match b {
                    b'"' => State::AfterQuote,
                    _ => State::Quoted,
                },
                State::AfterQuote if b == b'"' => State::Quoted,
                State::FieldStart if b == b'"' => {
                    self.opened_at = self.line;
                    State::Quoted
                }
                _ if ends => {
                    self.end_record();
                    continue;
                }
                _ if b == self.delimiter => {
                    self.fields += 1;
                    State::FieldStart
                }
                _ => State::Bare,
            };
            self.record_bytes += 1;
            self.ended = false;
        }
    }

    fn end_record(&mut self) {
        self.state = State::FieldStart;
        self.ended = true;
        // an empty line is no record
        if self.record_bytes > 0 {
            self.records += 1;
            self.last_fields = self.fields + 1;
            if self.records == 1 {
                self.header_fields = self.last_fields;
            }
        }
        self.fields = 0;
        self.record_bytes = 0;
    }

    fn finish(mut self, settings: &CsvSettings) -> Result<(), String> {
        if self.state == State::Quoted {
            return Err(format!(
                "第 {} 行起的引号没有闭合，文件可能被截断；请重新导出完整文件",
                self.opened_at
            ));
        }
        let open_end = !self.ended;
        if open_end {
            self.end_record();
        }
        if self.records == 0 {
            return Err("文件没有表头；请导出带表头的 CSV".to_owned());
        }
        if open_end && self.records > 1 && self.last_fields < self.header_fields {
            return Err(format!(
                "最后一行只有 {} 列（表头 {} 列）且没有换行，文件可能被截断；请重新导出完整文件",
                self.last_fields, self.header_fields
            ));
        }
        if self.header.len() >= HEADER_BYTES_MAX {
            return Err("表头超过 64 KiB，可能不是 CSV 文件；请检查分隔符和换行".to_owned());
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(self.header.as_slice());
        let mut record = csv::ByteRecord::new();
        reader
            .read_byte_record(&mut record)
            .map_err(|e| format!("表头无法读出（{e}）"))?;
        let names = header_names(&record);
        for (at, name) in names.iter().enumerate() {
            if !name.is_empty() && names[..at].iter().any(|n| n.eq_ignore_ascii_case(name)) {
                return Err(format!("表头中列名 {name} 重复；请改名后重新导出"));
            }
        }
        for wanted in settings.columns.iter().chain(&settings.key) {
            if !names.iter().any(|n| n.eq_ignore_ascii_case(wanted)) {
                let near = nearest(wanted, names.iter().map(String::as_str))
                    .map_or_else(String::new, |n| format!("，是否指 {n}"));
                return Err(format!(
                    "表头中没有列 {wanted}{near}；请检查分隔符、映射文件或导出模板"
                ));
            }
        }
        Ok(())
    }
}

/// Hash of a content that is not held in memory: the hash over the hashes of its blocks.
#[derive(Default)]
struct RunningHash {
    block: Vec<u8>,
    hashes: Hash,
    length: u64,
}

impl RunningHash {
    fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = CHUNK_BYTES - self.block.len();
            let (head, tail) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(head);
            bytes = tail;
            if self.block.len() == CHUNK_BYTES {
                self.hashes = sha256(&[&self.hashes.0, &self.block]);
                self.block.clear();
            }
        }
    }

    fn finish(self) -> Hash {
        sha256(&[&self.hashes.0, &self.block, &self.length.to_be_bytes()])
    }
}

fn hash_of(file: &mut File) -> io::Result<Hash> {
    let mut running = RunningHash::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(running.finish());
        }
        running.update(&chunk[..n]);
    }
}

const CHUNK_BYTES: usize = 64 << 10;
const HEADER_BYTES_MAX: usize = 64 << 10;
