//! The departments of the sample city: what each one's legacy system looks like, filling it, and the clerks who go on
//! working in it. Zongheng never writes here; only this file, in place of the vendors' software, does.

use std::io;
use std::path::{Path, PathBuf};

use encoding_rs::GB18030;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::sample::{Draw, Row, Sample, person};

/// What a legacy system looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Table, or beginning of the names of files.
    pub table: &'static str,
    /// Column and the standard's field that it holds; the first is the key.
    pub columns: &'static [(&'static str, &'static str)],
    /// Column with the time of the last change, if there is one.
    pub updated: Option<&'static str>,
    /// How text is kept.
    pub text: Text,
    /// Database or files.
    pub kind: Kind,
}

/// How a legacy system keeps text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// UTF-8.
    Utf8,
    /// GBK, as systems from before 2005 do.
    Gbk,
}

/// Database or files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A table of an SQLite file.
    Sqlite,
    /// Files dropped into a folder.
    CsvFolder,
}

/// A department of the sample city.
#[derive(Debug, Clone, Copy)]
pub struct Department {
    /// Short name in Latin letters: folder and log file.
    pub name: &'static str,
    /// Name of the source.
    pub title: &'static str,
    /// The department.
    pub department: &'static str,
    /// Its organisation code.
    pub organisation: &'static str,
    /// District whose node it is attached to; none for the city.
    pub district: Option<&'static str>,
    /// Whether its admission was approved when the code was issued.
    pub pre_approved: bool,
    /// What its system looks like.
    pub shape: Shape,
    /// Where its entities begin to be counted: departments with overlapping counts speak about the same entities.
    pub first: u64,
}

/// The districts of the sample city with nodes of their own: code and whether admission was approved beforehand.
pub const DISTRICTS: [(&str, bool); 3] = [("370102", true), ("370103", true), ("370112", false)];
/// The sample city.
pub const CITY: &str = "370100";

const REGISTRY: &[(&str, &str)] = &[
    ("NBXH", "entity_id"),
    ("TYSHXYDM", "uscc"),
    ("QYMC", "name"),
    ("CLRQ", "est_date"),
    ("FDDBR", "legal_rep"),
    ("ZCZB", "capital"),
    ("JYFW", "scope"),
    ("ZS", "address"),
    ("SSQY", "area"),
];
const OLD: &[(&str, &str)] = &[
    ("ZTID", "entity_id"),
    ("SHXYDM", "uscc"),
    ("ZTMC", "name"),
    ("CLSJ", "est_date"),
    ("FZR", "legal_rep"),
    ("ZCZJ", "capital"),
    ("DZ", "address"),
    ("QX", "area"),
];
const DAILY: &[(&str, &str)] = &[
    ("BJBH", "entity_id"),
    ("TYSHXYDM", "uscc"),
    ("SQDW", "name"),
    ("FRDB", "legal_rep"),
    ("JYFW", "scope"),
    ("JYDZ", "address"),
    ("SZQ", "area"),
];

/// The departments.
pub const DEPARTMENTS: [Department; 5] = [
    Department {
        name: "city-registry",
        title: "市市场监督管理局 企业登记库",
        department: "市市场监督管理局",
        organisation: "370100.scjg",
        district: None,
        pre_approved: true,
        shape: Shape {
            table: "QYJBXX",
            columns: REGISTRY,
            updated: Some("GXSJ"),
            text: Text::Utf8,
            kind: Kind::Sqlite,
        },
        first: 0,
    },
    Department {
        name: "city-approval",
        title: "市行政审批服务局 每日办结",
        department: "市行政审批服务局",
        organisation: "370100.xzsp",
        district: None,
        pre_approved: true,
        shape: Shape {
            table: "BJXX",
            columns: DAILY,
            updated: None,
            text: Text::Gbk,
            kind: Kind::CsvFolder,
        },
        first: 40,
    },
    Department {
        name: "lixia-registry",
        title: "历下区市场监督管理局 登记库",
        department: "历下区市场监督管理局",
        organisation: "370102.scjg",
        district: Some("370102"),
        pre_approved: true,
        shape: Shape {
            table: "QYJBXX",
            columns: REGISTRY,
            updated: Some("GXSJ"),
            text: Text::Utf8,
            kind: Kind::Sqlite,
        },
        first: 1_000_000,
    },
    Department {
        name: "shizhong-registry",
        title: "市中区市场监督管理局 主体库",
        department: "市中区市场监督管理局",
        organisation: "370103.scjg",
        district: Some("370103"),
        pre_approved: false,
        shape: Shape {
            table: "T_ZTXX",
            columns: OLD,
            updated: Some("XGSJ"),
            text: Text::Gbk,
            kind: Kind::Sqlite,
        },
        first: 2_000_000,
    },
    Department {
        name: "licheng-registry",
        title: "历城区市场监督管理局 登记库",
        department: "历城区市场监督管理局",
        organisation: "370112.scjg",
        district: Some("370112"),
        pre_approved: true,
        shape: Shape {
            table: "QYJBXX",
            columns: REGISTRY,
            updated: None,
            text: Text::Utf8,
            kind: Kind::Sqlite,
        },
        first: 3_000_000,
    },
];

/// Why a legacy system could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum DepartmentError {
    /// Its database.
    #[error("示例部门数据库 {} 无法读写", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// Its folder of files.
    #[error("示例部门目录 {} 无法写入", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A department's legacy system, with clerks at work.
#[derive(Debug)]
pub struct Office {
    /// Which department.
    pub department: &'static Department,
    place: PathBuf,
    connection: Option<SqliteConnection>,
    rows: Vec<Row>,
    sample: Sample,
    draw: Draw,
    files: u32,
}

impl Office {
    /// Makes the legacy system in `folder` and fills it with `rows` rows.
    pub async fn open(
        department: &'static Department,
        folder: &Path,
        rows: u64,
        sample: Sample,
    ) -> Result<Self, DepartmentError> {
        let place = match department.shape.kind {
            Kind::Sqlite => folder.join("yewu.db"),
            Kind::CsvFolder => folder.join("drop"),
        };
        let made = match department.shape.kind {
            Kind::Sqlite => folder.to_owned(),
            Kind::CsvFolder => place.clone(),
        };
        std::fs::create_dir_all(&made).map_err(|source| DepartmentError::Folder {
            path: made.clone(),
            source,
        })?;
        let mut office = Self {
            department,
            connection: None,
            rows: Vec::new(),
            draw: Draw(department.first ^ 0x5eed),
            sample,
            place,
            files: 0,
        };
        for at in 0..rows {
            let row = office.made_up(at);
            office.rows.push(row);
        }
        // the same entity entered twice, as it happens when two clerks work
        for at in (0..rows as usize).step_by(60) {
            let mut twin = office.rows[at].clone();
            twin.entity_id = format!("{:09}", 900_000_000 + at);
            office.rows.push(twin);
        }
        match department.shape.kind {
            Kind::Sqlite => office.create_table().await?,
            Kind::CsvFolder => office.drop_file(0..office.rows.len())?,
        }
        Ok(office)
    }

    /// Where the agent finds it.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Rows that the system holds.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    fn made_up(&self, at: u64) -> Row {
        let number = self.department.first + at;
        let districts = &self.sample.city().districts;
        let district = match self.department.district {
            Some(district) => district.to_owned(),
            // the city's own bureaus have entities of all districts, most of them of those with nodes
            None => match number % 8 {
                0..=5 => DISTRICTS[(number % 3) as usize].0.to_owned(),
                6 => CITY.to_owned(),
                _ => districts[number as usize % districts.len()].code.clone(),
            },
        };
        let mut row = self.sample.dirty(number, &district);
        row.entity_id = format!("{:09}", number + 1);
        row
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, DepartmentError> {
        if self.connection.is_none() {
            let options = SqliteConnectOptions::new()
                .filename(&self.place)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Delete)
                .synchronous(SqliteSynchronous::Off);
            let opened = SqliteConnection::connect_with(&options).await;
            self.connection = Some(opened.map_err(|source| DepartmentError::Database {
                path: self.place.clone(),
                source,
            })?);
        }
        Ok(self.connection.as_mut().expect("opened above"))
    }

    async fn create_table(&mut self) -> Result<(), DepartmentError> {
        let shape = self.department.shape;
        let mut columns: Vec<String> = shape
            .columns
            .iter()
            .map(|(name, _)| format!("{name} TEXT"))
            .collect();
        columns[0].push_str(" PRIMARY KEY");
        columns.extend(shape.updated.map(|name| format!("{name} TEXT NOT NULL")));
        self.execute(
            format!("CREATE TABLE {} ({})", shape.table, columns.join(", ")),
            Vec::new(),
        )
        .await?;
        if let Some(updated) = shape.updated {
            self.execute(
                format!("CREATE INDEX IX_1 ON {} ({updated})", shape.table),
                Vec::new(),
            )
            .await?;
        }
        self.execute("BEGIN".to_owned(), Vec::new()).await?;
        for at in 0..self.rows.len() {
            let row = self.rows[at].clone();
            self.write(&row, "datetime('now', '+8 hours', '-1 day')")
                .await?;
        }
        self.execute("COMMIT".to_owned(), Vec::new()).await
    }

    /// Writes a row, new or changed.
    async fn write(&mut self, row: &Row, now: &str) -> Result<(), DepartmentError> {
        let shape = self.department.shape;
        let mut names: Vec<&str> = shape.columns.iter().map(|(name, _)| *name).collect();
        // bytes of an old system's text are kept as they are, whatever the engine believes
        let mut values = vec!["CAST(? AS TEXT)".to_owned(); names.len()];
        if let Some(updated) = shape.updated {
            names.push(updated);
            values.push(now.to_owned());
        }
        let sql = format!(
            "INSERT OR REPLACE INTO {} ({}) VALUES ({})",
            shape.table,
            names.join(", "),
            values.join(", ")
        );
        let cells = shape
            .columns
            .iter()
            .map(|(_, field)| encoded(shape.text, row.field(field)));
        self.execute(sql, cells.collect()).await
    }

    async fn execute(&mut self, sql: String, values: Vec<Vec<u8>>) -> Result<(), DepartmentError> {
        let path = self.place.clone();
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values {
            query = query.bind(value);
        }
        match query.execute(self.connection().await?).await {
            Ok(_) => Ok(()),
            Err(source) => Err(DepartmentError::Database { path, source }),
        }
    }

    /// Drops rows as a file, the way exports do: written beside, then renamed.
    fn drop_file(&mut self, rows: std::ops::Range<usize>) -> Result<(), DepartmentError> {
        let shape = self.department.shape;
        self.files += 1;
        let names: Vec<&str> = shape.columns.iter().map(|(name, _)| *name).collect();
        let mut text = names.join(",") + "\r\n";
        for row in &self.rows[rows] {
            let cells: Vec<String> = shape
                .columns
                .iter()
                .map(|(_, field)| cell(row.field(field)))
                .collect();
            text += &(cells.join(",") + "\r\n");
        }
        let bytes = encoded(shape.text, &text);
        let name = format!("{}{:04}.csv", shape.table, self.files);
        let written = std::fs::write(self.place.join(format!("{name}.tmp")), bytes)
            .and_then(|()| {
                std::fs::rename(
                    self.place.join(format!("{name}.tmp")),
                    self.place.join(&name),
                )
            })
            .and_then(|()| std::fs::write(self.place.join(format!("{name}.ok")), b""));
        written.map_err(|source| DepartmentError::Folder {
            path: self.place.clone(),
            source,
        })
    }

    /// A clerk does something: a new row, a changed one, a mended one, an entity that moves. Says what, for people.
    pub async fn work(&mut self) -> Result<String, DepartmentError> {
        let at = self.draw.below(self.rows.len());
        let said = match self.draw.below(8) {
            0 | 1 => {
                let row = self.made_up(self.rows.len() as u64 + 500_000);
                self.rows.push(row);
                return self.keep(self.rows.len() - 1, "新登记").await;
            }
            2 if self.mendable().is_some() => {
                let at = self.mendable().unwrap_or(at);
                let number = self.rows[at].entity_id.parse::<u64>().unwrap_or(1) - 1;
                let right = self.sample.entity(number, &self.rows[at].uscc[2..8]);
                self.rows[at].uscc = right.uscc;
                return self.keep(at, "更正代码").await;
            }
            3 => {
                let district = *self.draw.one(&DISTRICTS);
                let name = self
                    .sample
                    .city()
                    .region_name(district.0)
                    .unwrap_or_default()
                    .to_owned();
                self.rows[at].area.clone_from(&name);
                self.rows[at].address = format!(
                    "{}{name}迁址路{}号",
                    self.sample.city().name,
                    self.draw.below(99)
                );
                "迁移住所"
            }
            4 | 5 => {
                self.rows[at].address =
                    format!("{}新址路{}号", self.rows[at].area, self.draw.below(999));
                "变更住所"
            }
            _ => {
                self.rows[at].legal_rep = person(&mut self.draw);
                "变更负责人"
            }
        };
        self.keep(at, said).await
    }

    /// A row whose code has a wrong check character.
    fn mendable(&self) -> Option<usize> {
        let of_ours = |row: &Row| {
            row.entity_id
                .parse::<u64>()
                .is_ok_and(|id| id < 900_000_000 && (id - 1) % 50 == 3)
        };
        let wrong = |row: &Row| {
            row.uscc.len() == 18 && supervision::identifier::uscc::Uscc::parse(&row.uscc).is_err()
        };
        self.rows.iter().position(|row| of_ours(row) && wrong(row))
    }

    async fn keep(&mut self, at: usize, what: &str) -> Result<String, DepartmentError> {
        let row = self.rows[at].clone();
        match self.department.shape.kind {
            Kind::Sqlite => self.write(&row, "datetime('now', '+8 hours')").await?,
            Kind::CsvFolder => self.drop_file(at..at + 1)?,
        }
        Ok(format!(
            "{}：{what} {}",
            self.department.department, row.name
        ))
    }
}

fn encoded(text: Text, value: &str) -> Vec<u8> {
    match text {
        Text::Utf8 => value.as_bytes().to_vec(),
        Text::Gbk => GB18030.encode(value).0.into_owned(),
    }
}

/// A cell of a CSV file.
fn cell(value: &str) -> String {
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}
