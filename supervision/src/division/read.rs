//! Reading a division table from CSV, alone or on top of another one, and the rules that every table keeps.

use std::collections::HashMap;

use csv::StringRecord;
use protocol::value::CivilDate;

use super::{CHAIN_MAX, Division, DivisionTable, Level, is_code};

/// Bytes of a file of divisions: the whole country with its history fits many times.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// A table that cannot be used. Whoever wrote it is at fault; messages say in which line and column.
#[derive(Debug, thiserror::Error)]
pub enum DivisionFault {
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("区划表超过 {} MB", FILE_BYTES_MAX >> 20)]
    TooLarge,
    /// More rows than a country has.
    #[error("区划表超过 {ROWS_MAX} 行")]
    TooLong,
    /// A column that every table has is not among those of the first line.
    #[error("区划表第 1 行：缺少「{column}」列，应有列为 {}", COLUMNS.join("、"))]
    Column {
        /// The column.
        column: &'static str,
    },
    /// A line that is not CSV, has other columns than the first, or is not UTF-8.
    #[error("区划表第 {line} 行：{what}")]
    Line {
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A value that breaks a rule.
    #[error("区划表第 {line} 行「{column}」列：{what}")]
    Value {
        /// Line, from 1.
        line: u64,
        /// The column.
        column: &'static str,
        /// Which rule, with the value.
        what: String,
    },
    /// A row of the table underneath that no longer fits.
    #[error("补充后，原有区划 {code} {what}")]
    Underneath {
        /// Code of the row.
        code: String,
        /// Which rule.
        what: &'static str,
    },
}

impl DivisionTable {
    /// Reads `code,name,parent,valid_from,valid_to,successors` and, if there is such a column, `former_names`: years or dates,
    /// both ends included; successors and former names separated by spaces. Columns are known by their names.
    pub fn from_csv(text: &str) -> Result<Self, DivisionFault> {
        Self::stacked(&[], text)
    }

    /// This table with the rows of a file in place of those of the same code, or added.
    pub fn with_csv(&self, file: &[u8]) -> Result<Self, DivisionFault> {
        if file.len() > FILE_BYTES_MAX {
            return Err(DivisionFault::TooLarge);
        }
        let text = std::str::from_utf8(file).map_err(|error| DivisionFault::Line {
            line: 1 + file[..error.valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count() as u64,
            what: "不是 UTF-8 编码，请另存为 UTF-8 编码的 CSV 文件".to_owned(),
        })?;
        Self::stacked(&self.rows, text)
    }

    fn stacked(under: &[Division], text: &str) -> Result<Self, DivisionFault> {
        let mut lines = HashMap::new();
        let mut rows = read(text, &mut lines)?;
        rows.extend(
            under
                .iter()
                .filter(|row| !lines.contains_key(&row.code))
                .cloned(),
        );
        if rows.len() > ROWS_MAX {
            return Err(DivisionFault::TooLong);
        }
        rows.sort_by(|a, b| a.code.cmp(&b.code));
        let table = Self { rows: rows.into() };
        table.check(&lines)?;
        Ok(table)
    }

    /// The rules between rows. `lines` says where a row stands in the text just read.
    fn check(&self, lines: &HashMap<String, u64>) -> Result<(), DivisionFault> {
        let fault =
            |row: &Division, column, what: &'static str, code: &str| match lines.get(&row.code) {
                Some(line) => value_fault(*line, column, format!("{what}（{code}）")),
                None => DivisionFault::Underneath {
                    code: row.code.clone(),
                    what,
                },
            };
        for row in self.rows.iter() {
            if let Some(parent) = row.parent.as_ref().filter(|code| self.get(code).is_none()) {
                return Err(fault(row, "parent", "上级代码不在表内", parent));
            }
            if let Some(code) = row.successors.iter().find(|code| self.get(code).is_none()) {
                return Err(fault(row, "successors", "后继代码不在表内", code));
            }
            if self.is_circular(row) {
                return Err(fault(row, "successors", "后继关系成环或过长", &row.code));
            }
        }
        Ok(())
    }

    fn is_circular<'t>(&'t self, mut row: &'t Division) -> bool {
        for _ in 0..=CHAIN_MAX {
            match row.successors.as_slice() {
                [one] => match self.get(one) {
                    Some(next) => row = next,
                    None => return false,
                },
                _ => return false,
            }
        }
        true
    }
}

/// The rows of a text, and where each stands in it.
fn read(text: &str, lines: &mut HashMap<String, u64>) -> Result<Vec<Division>, DivisionFault> {
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header = reader.headers().map_err(|e| line_fault(&e))?;
    let at = |column: &str| header.iter().position(|name| name.trim() == column);
    let mut columns = [0; COLUMNS.len()];
    for (place, column) in columns.iter_mut().zip(COLUMNS) {
        *place = at(column).ok_or(DivisionFault::Column { column })?;
    }
    let former = at(FORMER_NAMES);
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| line_fault(&e))?;
        if rows.len() == ROWS_MAX {
            return Err(DivisionFault::TooLong);
        }
        let line = record.position().map_or(0, csv::Position::line);
        let row = division(&record, line, &columns, former)?;
        if let Some(first) = lines.insert(row.code.clone(), line) {
            let what = format!("代码重复（{}，已见于第 {first} 行）", row.code);
            return Err(value_fault(line, "code", what));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn division(
    record: &StringRecord,
    line: u64,
    columns: &[usize; COLUMNS.len()],
    former: Option<usize>,
) -> Result<Division, DivisionFault> {
    let [code, name, parent, from, until, successors] =
        columns.map(|at| record.get(at).unwrap_or_default().trim());
    let fault = |column, what: String| Err(value_fault(line, column, what));
    if !is_code(code) {
        return fault("code", format!("代码应为六位数字（{}）", shown(code)));
    }
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return fault("name", "名称为空或过长".to_owned());
    }
    if !parent.is_empty() && (!is_code(parent) || Level::of(parent) >= Level::of(code)) {
        return fault(
            "parent",
            format!("上级应为更高一级区划的六位代码（{}）", shown(parent)),
        );
    }
    let Some(first) = day(from, 1, 1) else {
        return fault("valid_from", format!("启用日期无法识别（{}）", shown(from)));
    };
    let Some(last) = day(until, 12, 31) else {
        return fault("valid_to", format!("停用日期无法识别（{}）", shown(until)));
    };
    if let (Some(first), Some(last)) = (first, last)
        && first > last
    {
        return fault("valid_to", format!("停用早于启用（{until}）"));
    }
    let successors: Vec<String> = successors.split_whitespace().map(str::to_owned).collect();
    if successors.len() > LIST_MAX || successors.iter().any(|c| !is_code(c) || c == code) {
        return fault(
            "successors",
            format!("后继应为其他区划的六位代码，以空格分隔，至多 {LIST_MAX} 个"),
        );
    }
    let former_names: Vec<String> = former
        .and_then(|at| record.get(at))
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if former_names.len() > LIST_MAX || former_names.iter().any(|n| n.len() > NAME_BYTES_MAX) {
        return fault(FORMER_NAMES, "曾用名过多或过长".to_owned());
    }
    Ok(Division {
        code: code.to_owned(),
        name: name.to_owned(),
        parent: (!parent.is_empty()).then(|| parent.to_owned()),
        from: first,
        until: last,
        successors,
        former_names,
    })
}

fn value_fault(line: u64, column: &'static str, what: String) -> DivisionFault {
    DivisionFault::Value { line, column, what }
}

fn line_fault(error: &csv::Error) -> DivisionFault {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("有 {len} 列，首行为 {expected_len} 列"),
        _ => "不是 CSV 格式".to_owned(),
    };
    DivisionFault::Line { line, what }
}

/// The beginning of a value, for a message.
fn shown(text: &str) -> String {
    text.chars().take(20).collect()
}

/// A year or a date; outer `None` if it is neither.
#[allow(clippy::option_option, reason = "absent and unreadable differ")]
fn day(text: &str, month: u8, day: u8) -> Option<Option<CivilDate>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.len() == 4 {
        return CivilDate::new(text.parse().ok()?, month, day).map(Some);
    }
    CivilDate::parse_iso(text).map(Some)
}

/// Columns that every table has.
const COLUMNS: [&str; 6] = [
    "code",
    "name",
    "parent",
    "valid_from",
    "valid_to",
    "successors",
];
/// A column that it may have.
const FORMER_NAMES: &str = "former_names";
/// Rows of a table: all of the country with its history fits several times.
const ROWS_MAX: usize = 50_000;
const NAME_BYTES_MAX: usize = 96;
/// Successors, or former names, of one row.
const LIST_MAX: usize = 16;
