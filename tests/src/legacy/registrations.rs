//! Registration files: CSV in UTF-8 with a Chinese header, as public registers are published, compressed or not, read one
//! row at a time. Cells are given as they stand in the file: judging them is the programs' work.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The columns, in the order in which they are written. Read in any order.
pub const HEADER: [&str; 10] = [
    "企业名称",
    "统一社会信用代码",
    "注册日期",
    "企业类型",
    "法人代表",
    "注册资金",
    "经营范围",
    "所在省份",
    "地区",
    "注册地址",
];

/// The largest window that a compressed file may ask for (128 MiB), so that a hostile file cannot ask for more.
const WINDOW_LOG_MAX: u32 = 27;

/// One row of a file, cells as they stand there; `None` only where the row has no such cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// 企业名称
    pub name: Option<String>,
    /// 统一社会信用代码
    pub code: Option<String>,
    /// 注册日期
    pub founded: Option<String>,
    /// 企业类型
    pub kind: Option<String>,
    /// 法人代表
    pub representative: Option<String>,
    /// 注册资金
    pub capital: Option<String>,
    /// 经营范围
    pub scope: Option<String>,
    /// 所在省份
    pub province: Option<String>,
    /// 地区
    pub area: Option<String>,
    /// 注册地址
    pub address: Option<String>,
}

/// Why a file cannot be read. The file is at fault; the message names it.
#[derive(Debug, Error)]
pub enum RegistrationsError {
    /// It cannot be opened or read.
    #[error("{path}: 无法读取: {source}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not CSV in UTF-8.
    #[error("{path}: 不是 UTF-8 编码的 CSV 文件: {source}", path = path.display())]
    Csv {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: csv::Error,
    },
    /// A column is missing.
    #[error("{path}: 缺少列「{column}」。需要的列: {}", HEADER.join(","), path = path.display())]
    Column {
        /// Which file.
        path: PathBuf,
        /// Which column.
        column: &'static str,
    },
}

/// The rows of a file, in order.
pub struct Registrations {
    path: PathBuf,
    rows: csv::StringRecordsIntoIter<Box<dyn Read>>,
    at: [usize; HEADER.len()],
}

impl Registrations {
    /// Opens a file; one whose name ends in `.zst` is decompressed while it is read.
    pub fn open(path: &Path) -> Result<Self, RegistrationsError> {
        let io = |source| RegistrationsError::Io {
            path: path.to_owned(),
            source,
        };
        let file = BufReader::new(File::open(path).map_err(io)?);
        let reader: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "zst")
        {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(file).map_err(io)?;
            decoder.window_log_max(WINDOW_LOG_MAX).map_err(io)?;
            Box::new(decoder)
        } else {
            Box::new(file)
        };
        Self::read(path, reader)
    }

    fn read(path: &Path, reader: Box<dyn Read>) -> Result<Self, RegistrationsError> {
        // A comma that nobody quoted shifts the cells behind it: such rows exist and must be carried, not refused here.
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
        let path = path.to_owned();
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(source) => return Err(RegistrationsError::Csv { path, source }),
        };
        let mut at = [0; HEADER.len()];
        for (place, column) in at.iter_mut().zip(HEADER) {
            let found = header
                .iter()
                .position(|name| name.trim_start_matches('\u{feff}').trim() == column);
            match found {
                Some(index) => *place = index,
                None => return Err(RegistrationsError::Column { path, column }),
            }
        }
        Ok(Self {
            path,
            rows: reader.into_records(),
            at,
        })
    }
}

impl Iterator for Registrations {
    type Item = Result<Registration, RegistrationsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(source) => {
                return Some(Err(RegistrationsError::Csv {
                    path: self.path.clone(),
                    source,
                }));
            }
        };
        let [
            name,
            code,
            founded,
            kind,
            representative,
            capital,
            scope,
            province,
            area,
            address,
        ] = self.at.map(|index| row.get(index).map(str::to_owned));
        let cells = Registration {
            name,
            code,
            founded,
            kind,
            representative,
            capital,
            scope,
            province,
            area,
            address,
        };
        Some(Ok(cells))
    }
}

/// Writes a file of the same form.
pub struct Writer<W: Write>(csv::Writer<W>);

impl<W: Write> Writer<W> {
    /// Begins with the header.
    pub fn new(into: W) -> csv::Result<Self> {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(into);
        writer.write_record(HEADER)?;
        Ok(Self(writer))
    }

    /// Writes one row; cells that the row does not have are left out at its end and empty before.
    pub fn write(&mut self, row: &Registration) -> csv::Result<()> {
        let cells = [
            &row.name,
            &row.code,
            &row.founded,
            &row.kind,
            &row.representative,
        ];
        let cells = cells.into_iter().chain([
            &row.capital,
            &row.scope,
            &row.province,
            &row.area,
            &row.address,
        ]);
        self.write_cells(cells.map(|cell| cell.as_deref().unwrap_or_default()))
    }

    /// Writes a row with any number of cells.
    pub fn write_cells<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> csv::Result<()> {
        self.0.write_record(cells)
    }

    /// Writes what is still buffered.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
