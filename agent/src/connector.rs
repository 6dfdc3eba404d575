//! The seam to legacy systems: probing a source and reading it page by page, whatever stands behind.
//!
//! Only this folder knows how a department's system is read; sqlx is used here for nothing else. A source is opened
//! read only, read in short pages of bounded memory, and never waited for longer than a few seconds. What a row means
//! is the mapping's business.

pub mod csv_folder;
pub mod sqlite;
mod text;
pub mod watermark;

use std::path::PathBuf;
use std::sync::Arc;

use protocol::hash;
use protocol::value::Value;
use store::seat::{FileRow, SeatStore};

pub use text::decode_text;

/// A legacy source behind one of the connectors.
pub enum LegacySource {
    /// A table or view of an SQLite file.
    Sqlite(Box<sqlite::SqliteSource>),
    /// A folder into which CSV files are dropped.
    Csv(Box<csv_folder::CsvFolder>),
}

/// One row as the source has it. Column names stand once per page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyRow {
    /// Where it stands in the source, for people and for lineage: `QYJBXX:ID=12`.
    pub position: String,
    /// Identity within the source: equal for every image of the row, orders like a whole-number key.
    pub identity: Vec<u8>,
    /// Values in the order of [`Page::columns`].
    pub columns: Vec<Value>,
    /// What makes the row unreadable as a whole, if anything.
    pub defect: Option<RowDefect>,
}

/// What makes a row unreadable as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowDefect {
    /// A value is larger than an entry may be.
    Oversized,
    /// The line has more or fewer fields than the header.
    FieldCount,
}

impl RowDefect {
    /// The reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Oversized => "R-SIZE-01",
            Self::FieldCount => "R-CSV-01",
        }
    }

    /// What is wrong and what to do.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Oversized => "该行某一列超过 128 KiB，不能上送；请核对源库该列是否误存了附件",
            Self::FieldCount => {
                "该行的列数与表头不一致；请检查该行是否缺引号或多逗号，改正后重新投放文件"
            }
        }
    }
}

/// A page of rows and where reading goes on after it.
#[derive(Debug, Clone)]
pub struct Page {
    /// Column names.
    pub columns: Arc<[String]>,
    /// The rows, in the source's order.
    pub rows: Vec<LegacyRow>,
    /// Where reading goes on; to be stored together with what was made of the rows.
    pub position: Vec<u8>,
    /// Whether more can be read at once; otherwise this cycle is over.
    pub more: bool,
    /// The source's own clock when the page was read, as the source writes it.
    pub clock: Option<String>,
    /// A file that ended with this page.
    pub file: Option<FileRow>,
    /// What people should know about the source that is not a fault: files that wait and why.
    pub note: Option<String>,
}

/// What a connector needs besides the position.
pub struct ReadContext<'a> {
    /// Rows that the page may have at most.
    pub rows_max: usize,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Where files that were taken are remembered.
    pub memory: &'a SeatStore,
    /// Number of the source in that memory.
    pub source: i64,
}

/// Why a source could not be read. Nothing was taken; the next cycle tries again.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file or folder.
    #[error("找不到 {}；请检查路径，或确认共享目录已挂载", path.display())]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// The account may not read it.
    #[error("无权读取 {}；请为运行代理的账号授予只读权限", path.display())]
    Denied {
        /// The path.
        path: PathBuf,
    },
    /// Somebody else holds it for longer than we wait.
    #[error("{} 正被业务系统独占，已等待 5 秒；下一周期自动重试，若长期如此请与业务系统厂商确认锁的来源", path.display())]
    Locked {
        /// The path.
        path: PathBuf,
    },
    /// It is not a database, or is damaged.
    #[error("{} 不是完好的 SQLite 数据库（{detail}）；请让业务系统厂商检查文件，修复前不读取", path.display())]
    Corrupt {
        /// The path.
        path: PathBuf,
        /// What the engine says.
        detail: String,
    },
    /// There is no such table or view.
    #[error("{} 中没有表或视图 {table}{}", path.display(), suggestion(nearest))]
    NoTable {
        /// The database.
        path: PathBuf,
        /// The configured table.
        table: String,
        /// The table that looks most like it.
        nearest: Option<String>,
    },
    /// There is no such column.
    #[error("表 {table} 中没有列 {column}{}", suggestion(nearest))]
    NoColumn {
        /// The table or file.
        table: String,
        /// The wanted column.
        column: String,
        /// The column that looks most like it.
        nearest: Option<String>,
    },
    /// Rows cannot be told apart.
    #[error(
        "{table} 没有主键也没有行号，无法分辨各行；请在来源配置中用 key = [\"列名\"] 指明能唯一确定一行的列"
    )]
    NoKey {
        /// The table or view.
        table: String,
    },
    /// A stored position does not belong to this kind of source.
    #[error(
        "来源 {source_name} 的读取位置无法识别，可能换过来源类型；请为它改用新的名称，将从头核对"
    )]
    Position {
        /// The source.
        source_name: String,
    },
    /// Anything else that the engine says.
    #[error("读取 {} 失败：{detail}", path.display())]
    Failed {
        /// The path.
        path: PathBuf,
        /// What the engine or system says.
        detail: String,
    },
    /// Our own database failed.
    #[error(transparent)]
    Memory(#[from] store::seat::SeatError),
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("，是否指 {name}？"),
        None => String::new(),
    }
}

/// What a source looks like, for people who configure it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// Tables and views, or waiting files.
    pub tables: Vec<TableProbe>,
}

/// One table, view or file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableProbe {
    /// Its name.
    pub name: String,
    /// Whether it is a view, which has neither a key nor row numbers of its own.
    pub view: bool,
    /// Its columns.
    pub columns: Vec<ColumnProbe>,
    /// Its rows, where counting is cheap enough.
    pub rows: Option<u64>,
    /// How well its update column serves, if one is configured for it.
    pub watermark: Option<WatermarkProbe>,
}

/// One column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnProbe {
    /// Its name.
    pub name: String,
    /// Its declared type, as declared.
    pub declared: String,
    /// Whether it is part of the primary key.
    pub key: bool,
    /// Whether an index begins with it.
    pub indexed: bool,
}

/// How well an update column serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatermarkProbe {
    /// Its greatest value.
    pub greatest: String,
    /// The source's own clock, written the same way.
    pub clock: String,
    /// Rows without a value, or with one that is no time, or one ahead of the clock.
    pub irregular: u64,
    /// What keeps changes from being seen, in words with what to do.
    pub faults: Vec<String>,
    /// Findings in words, each with what to do.
    pub warnings: Vec<String>,
}

impl LegacySource {
    /// Reads the page after `position` (empty: from the start).
    pub async fn read_page(
        &mut self,
        position: &[u8],
        context: &ReadContext<'_>,
    ) -> Result<Page, ReadError> {
        match self {
            Self::Sqlite(source) => source.read_page(position, context).await,
            Self::Csv(source) => source.read_page(position, context).await,
        }
    }

    /// A position from which the whole source is read once more and then goes on as before.
    pub fn position_for_full_compare(&self, position: &[u8]) -> Result<Vec<u8>, ReadError> {
        match self {
            Self::Sqlite(source) => source.position_for_full_compare(position),
            Self::Csv(_) => Ok(position.to_vec()),
        }
    }

    /// What the source looks like.
    pub async fn probe(&mut self) -> Result<Probe, ReadError> {
        match self {
            Self::Sqlite(source) => source.probe().await,
            Self::Csv(source) => source.probe(),
        }
    }

    /// Tells the source that the pages up to the last one are committed, so that it may clear what it kept for them.
    pub fn committed(&mut self) {
        if let Self::Csv(source) = self {
            source.committed();
        }
    }
}

/// The identity of a row by its key values.
pub(crate) fn identity(key: &[Value]) -> Vec<u8> {
    match key {
        [Value::Integer(v)] => {
            let mut out = vec![1];
            out.extend_from_slice(&((*v as u64) ^ (1 << 63)).to_be_bytes());
            out
        }
        [Value::Text(s)] if s.len() <= 40 => {
            let mut out = vec![2];
            out.extend_from_slice(s.as_bytes());
            out
        }
        values => {
            let mut plain = Vec::with_capacity(64);
            values.iter().for_each(|v| v.put(&mut plain));
            let mut out = vec![3];
            out.extend_from_slice(&hash::sha256(&[&plain]).0[..16]);
            out
        }
    }
}

/// A key as it may be shown in a source position: what looks like a citizen's number never travels.
pub(crate) fn shown_key(names: &[String], key: &[Value]) -> String {
    let mut out = String::new();
    for (name, value) in names.iter().zip(key) {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(name);
        out.push('=');
        match value {
            Value::Integer(v) => out.push_str(&v.to_string()),
            Value::Text(s) if s.len() <= 64 && !looks_personal(s) => out.push_str(s),
            other => {
                let mut plain = Vec::new();
                other.put(&mut plain);
                out.push('#');
                out.push_str(&hash::sha256(&[&plain]).short());
            }
        }
    }
    out
}

/// Whether a text has the shape of a citizen's identity number: 17 digits with a plausible birth date and a check
/// character, or the older 15 digits.
fn looks_personal(s: &str) -> bool {
    let b = s.as_bytes();
    let digits = |r: std::ops::Range<usize>| b[r].iter().all(u8::is_ascii_digit);
    let two = |at: usize| u32::from(b[at] - b'0') * 10 + u32::from(b[at + 1] - b'0');
    let day = |at: usize| (1..=12).contains(&two(at)) && (1..=31).contains(&two(at + 2));
    match b.len() {
        18 => {
            digits(0..17)
                && (b[17].is_ascii_digit() || b[17].eq_ignore_ascii_case(&b'X'))
                && matches!(two(6), 19 | 20)
                && day(10)
        }
        _ => false,
    }
}

/// The known name that looks most like `wanted`, case and underscores aside.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |s: &str| -> Vec<char> {
        s.chars()
            .filter(|c| *c != '_')
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wanted = plain(wanted);
    known
        .into_iter()
        .map(|name| (edits(&wanted, &plain(name)), name))
        .filter(|(far, name)| *far <= 1 + wanted.len().max(name.chars().count()) / 3)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name.to_owned())
}

fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let swapped = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = swapped.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Bytes that one value may have; a row with a larger one is refused.
pub const VALUE_BYTES_MAX: usize = 128 << 10;
/// Bytes of values after which a page is cut, whatever its rows.
pub const PAGE_BYTES_MAX: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_number_identities_sort_like_the_numbers() {
        let of = |v: i64| identity(&[Value::Integer(v)]);
        assert!(of(-5) < of(-1) && of(-1) < of(0) && of(0) < of(7) && of(7) < of(i64::MAX));
        assert_ne!(
            identity(&[Value::Integer(1)]),
            identity(&[Value::Text("1".into())])
        );
        assert_ne!(
            identity(&[Value::Text("ab".into()), Value::Text("c".into())]),
            identity(&[Value::Text("a".into()), Value::Text("bc".into())])
        );
    }

    #[test]
    fn citizens_numbers_are_not_shown() {
        let names = ["SFZH".to_owned()];
        let shown = shown_key(&names, &[Value::Text("11010519491231002X".into())]);
        assert!(shown.starts_with("SFZH=#") && !shown.contains("1949"));
        let shown = shown_key(&names, &[Value::Text("913101011324142057".into())]);
        assert_eq!(shown, "SFZH=913101011324142057");
    }

    #[test]
    fn the_nearest_name_is_suggested_only_if_near() {
        let known = ["QYMC", "TYSHXYDM", "CLRQ"];
        assert_eq!(nearest("tyshxydm", known).as_deref(), Some("TYSHXYDM"));
        assert_eq!(nearest("TYSHXYD", known).as_deref(), Some("TYSHXYDM"));
        assert_eq!(nearest("ABCDEFG", known), None);
    }
}
