//! Configuration of `zongheng-agent`: text to values in one place. Every key is explained in `deploy/config/agent.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use runtime::config::{self, ConfigError, Period, Size};
use runtime::files;
use runtime::telemetry::{self, LogForm};
use serde::Deserialize;

use crate::connector::watermark::{Format, Watermark};
use crate::schedule::{Schedule, ScheduleError};

const KNOWN: &[&str] = &[
    "agent.folder",
    "agent.outbox_max",
    "agent.disk_low",
    "status.listen",
    "log.form",
    "log.level",
    "source.name",
    "source.kind",
    "source.path",
    "source.table",
    "source.key",
    "source.mapping",
    "source.every",
    "source.cron",
    "source.full_compare",
    "source.page_rows",
    "source.watermark.column",
    "source.watermark.format",
    "source.watermark.overlap",
    "source.watermark.lag",
    "source.watermark.utc_offset",
    "source.extension",
    "source.delimiter",
    "source.stable",
    "source.ok_required",
    "test.clock_offset_s",
    "test.marker",
];

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Config {
    /// The agent itself.
    pub agent: AgentConfig,
    /// Health, metrics and the agent's page.
    #[serde(default)]
    pub status: StatusConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
    /// What is read.
    #[serde(default, rename = "source")]
    pub sources: Vec<SourceConfig>,
    /// For tests only.
    pub test: Option<TestConfig>,
}

/// The agent itself.
#[derive(Debug, Clone, Deserialize)]
pub struct AgentConfig {
    /// Data folder: keys, statements, database.
    pub folder: PathBuf,
    /// Bytes that may wait to be sent and made safe; capture pauses there.
    #[serde(default = "outbox_max")]
    pub outbox_max: Size,
    /// Room on its disk below which people are told; capture pauses at half of it.
    pub disk_low: Option<Size>,
}

/// Health, metrics and the agent's page.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct StatusConfig {
    /// TCP address on loopback.
    pub listen: SocketAddr,
}

impl Default for StatusConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9092)),
        }
    }
}

/// Logging.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// Form of the lines.
    pub form: LogForm,
    /// Filter.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            form: LogForm::default(),
            level: "info".to_owned(),
        }
    }
}

/// For tests only.
#[derive(Debug, Clone, Deserialize)]
pub struct TestConfig {
    /// Seconds by which the clock is set off.
    #[serde(default)]
    pub clock_offset_s: i64,
    /// Must say that this is a test.
    pub marker: Option<String>,
}

/// One source.
#[derive(Debug, Clone, Deserialize)]
pub struct SourceConfig {
    /// Name for people; positions and images are kept under it.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// Database file or drop folder.
    pub path: PathBuf,
    /// Table or view.
    pub table: Option<String>,
    /// Columns that tell rows apart.
    #[serde(default)]
    pub key: Vec<String>,
    /// Mapping file.
    pub mapping: PathBuf,
    /// Interval.
    pub every: Option<String>,
    /// Cron expression.
    pub cron: Option<String>,
    /// Cron expression of full compares.
    pub full_compare: Option<String>,
    /// Rows of one page.
    #[serde(default = "page_rows")]
    pub page_rows: usize,
    /// The update column.
    pub watermark: Option<WatermarkConfig>,
    /// Ending of the files that are meant.
    #[serde(default = "extension")]
    pub extension: String,
    /// Separator of fields.
    #[serde(default = "delimiter")]
    pub delimiter: String,
    /// For how long a file must stand still.
    #[serde(default = "stable")]
    pub stable: Period,
    /// Whether only files with an `.ok` file beside them are taken.
    #[serde(default)]
    pub ok_required: bool,
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A table or view of an SQLite file.
    Sqlite,
    /// A folder into which CSV files are dropped.
    Csv,
}

/// The update column.
#[derive(Debug, Clone, Deserialize)]
pub struct WatermarkConfig {
    /// The column.
    pub column: String,
    /// How it is written.
    #[serde(default = "format")]
    pub format: String,
    /// How far back is read again.
    #[serde(default = "overlap")]
    pub overlap: Period,
    /// How far below the source's clock is read.
    #[serde(default = "lag")]
    pub lag: Period,
    /// Offset of its times from UTC.
    #[serde(default = "utc_offset")]
    pub utc_offset: String,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AgentConfigError {
    /// The file.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// A source's schedule.
    #[error("来源「{source_name}」的周期有误：{error}")]
    Schedule {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: ScheduleError,
    },
    /// A source's settings do not fit together.
    #[error("来源「{source_name}」的配置有误：{detail}")]
    Source {
        /// The source.
        source_name: String,
        /// What is wrong and what to do.
        detail: String,
    },
}

impl Config {
    /// Reads the file. Relative paths in it are meant from its folder.
    pub fn load(path: &Path) -> Result<Self, AgentConfigError> {
        Self::settle(config::load(path, KNOWN)?, path)
    }

    /// [`Config::load`] for text that is at hand already.
    pub fn parse(path: &Path, text: &str) -> Result<Self, AgentConfigError> {
        Self::settle(config::parse(path, text, KNOWN)?, path)
    }

    /// What keeps an agent from starting with these values, each with what to do; empty if nothing does. Looks at the data
    /// folder and changes nothing.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Err(error) = telemetry::check_filter(&self.log.level) {
            faults.push(format!("log.level：{error}"));
        }
        let status = self.status.listen;
        if !status.ip().is_loopback() {
            faults.push(format!(
                "status.listen 只能是本机回环地址（如 `127.0.0.1:{}`），配置的是 {status}",
                status.port()
            ));
        }
        if let Some(fault) = files::unusable(&self.agent.folder) {
            faults.push(format!("agent.folder：{fault}"));
        }
        faults
    }

    fn settle(mut config: Self, path: &Path) -> Result<Self, AgentConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        config.agent.folder = folder.join(&config.agent.folder);
        for at in 0..config.sources.len() {
            let (before, rest) = config.sources.split_at_mut(at);
            let source = &mut rest[0];
            source.path = folder.join(&source.path);
            source.mapping = folder.join(&source.mapping);
            if before.iter().any(|s| s.name == source.name) {
                return Err(source.wrong("名称重复，每个来源须有自己的名称"));
            }
            source.check()?;
        }
        Ok(config)
    }
}

impl SourceConfig {
    fn wrong(&self, detail: impl Into<String>) -> AgentConfigError {
        AgentConfigError::Source {
            source_name: self.name.clone(),
            detail: detail.into(),
        }
    }

    fn check(&self) -> Result<(), AgentConfigError> {
        match self.kind {
            SourceKind::Sqlite if self.table.is_none() => {
                return Err(self.wrong("缺少 table（要读取的表或视图）"));
            }
            SourceKind::Csv if self.key.is_empty() => {
                return Err(self
                    .wrong("缺少 key；CSV 没有主键，请写能唯一确定一行的列，如 key = [\"NBXH\"]"));
            }
            SourceKind::Csv if self.watermark.is_some() || self.table.is_some() => {
                return Err(self.wrong("table 和 watermark 只用于 sqlite，请删除"));
            }
            _ => {}
        }
        if self.page_rows == 0 || self.page_rows > PAGE_ROWS_MAX {
            return Err(self.wrong(format!("page_rows 须在 1 至 {PAGE_ROWS_MAX} 之间")));
        }
        self.delimiter_byte()?;
        self.watermark()?;
        self.schedule(0)?;
        self.full_compare(0)?;
        Ok(())
    }

    /// When it is read.
    pub fn schedule(&self, now_ms: i64) -> Result<Schedule, AgentConfigError> {
        let schedule = match (&self.every, &self.cron) {
            (Some(every), None) => Schedule::every(every),
            (None, Some(cron)) => Schedule::cron(cron, now_ms),
            (None, None) => return Err(self.wrong("缺少周期：写 every 或 cron 其中一个")),
            (Some(_), Some(_)) => return Err(self.wrong("every 和 cron 只能写一个")),
        };
        schedule.map_err(|error| AgentConfigError::Schedule {
            source_name: self.name.clone(),
            error,
        })
    }

    /// When it is compared as a whole.
    pub fn full_compare(&self, now_ms: i64) -> Result<Option<Schedule>, AgentConfigError> {
        self.full_compare
            .as_ref()
            .map(|text| Schedule::cron(text, now_ms))
            .transpose()
            .map_err(|error| AgentConfigError::Schedule {
                source_name: self.name.clone(),
                error,
            })
    }

    /// The update column.
    pub fn watermark(&self) -> Result<Option<Watermark>, AgentConfigError> {
        let Some(w) = &self.watermark else {
            return Ok(None);
        };
        let Some(format) = Format::from_name(&w.format) else {
            let known: Vec<_> = Format::names().collect();
            return Err(self.wrong(format!(
                "watermark.format 不能是 {}；可用：{}",
                w.format,
                known.join("、")
            )));
        };
        let Some(utc_offset_s) = offset_seconds(&w.utc_offset) else {
            return Err(self.wrong(format!(
                "watermark.utc_offset 不能是 {}；请写成 \"+08:00\" 这样的形式",
                w.utc_offset
            )));
        };
        let seconds = |p: Period| i64::try_from(p.0.as_secs()).unwrap_or(i64::MAX);
        Ok(Some(Watermark {
            column: w.column.clone(),
            format,
            overlap_s: seconds(w.overlap),
            lag_s: seconds(w.lag),
            utc_offset_s,
        }))
    }

    /// The separator of fields.
    pub fn delimiter_byte(&self) -> Result<u8, AgentConfigError> {
        match self.delimiter.as_bytes() {
            [byte] if !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
            _ => Err(self.wrong("delimiter 须是一个半角字符，如 `,`、`;` 或 `\\t`")),
        }
    }
}

fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes))
        .then_some(sign * (hours * 3600 + minutes * 60))
}

fn outbox_max() -> Size {
    Size(4 << 30)
}
fn page_rows() -> usize {
    2_000
}
fn extension() -> String {
    "csv".to_owned()
}
fn delimiter() -> String {
    ",".to_owned()
}
fn stable() -> Period {
    Period(std::time::Duration::from_secs(10))
}
fn format() -> String {
    "datetime".to_owned()
}
fn overlap() -> Period {
    Period(std::time::Duration::from_secs(600))
}
fn lag() -> Period {
    Period(std::time::Duration::from_secs(2))
}
fn utc_offset() -> String {
    "+08:00".to_owned()
}

const PAGE_ROWS_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../deploy/config/agent.toml");

    #[test]
    fn the_sample_is_valid_and_so_are_its_mappings() {
        let path = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../deploy/config/agent.toml"
        ));
        let config = Config::load(path).expect("the sample");
        assert_eq!(config.sources.len(), 2);
        let standards = supervision::standard::Standards::builtin();
        for source in &config.sources {
            let mapping = crate::mapping::Mapping::load(&source.mapping, &standards)
                .unwrap_or_else(|e| panic!("{}: {e}", source.name));
            assert_eq!(mapping.standard.name, "cn.registration");
        }
    }

    #[test]
    fn mistakes_are_told_with_what_was_probably_meant() {
        let cases = [
            ("every = \"2s\"", "evry = \"2s\"", "是否应为 source.every"),
            ("table = \"QYJBXX\"", "tabel = \"QYJBXX\"", "source.table"),
            ("kind = \"sqlite\"", "kind = \"oracle\"", "可用"),
            ("every = \"2s\"", "", "缺少周期"),
            ("every = \"2s\"", "cron = \"0 9 * * 1\"", "MON"),
            ("format = \"datetime\"", "format = \"date time\"", "可用"),
            ("folder = ", "foldr = ", "agent.folder"),
        ];
        for (from, to, expected) in cases {
            let (from, to) = (format!("\n{from}"), format!("\n{to}"));
            assert!(SAMPLE.contains(&from), "{from}");
            let text = SAMPLE.replacen(&from, &to, 1);
            let error = Config::parse(Path::new("agent.toml"), &text)
                .expect_err(&to)
                .to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("written");
        let data = folder.path().join("data");
        for (from, to, expected) in [
            ("", "".to_owned(), None),
            (
                "level = \"info\"",
                "level = \"verbose\"".to_owned(),
                Some("debug"),
            ),
            (
                "listen = \"127.0.0.1:9092\"",
                "listen = \"0.0.0.0:9092\"".to_owned(),
                Some("回环地址"),
            ),
            (
                "data",
                file.display().to_string(),
                Some("是一个文件，不是目录"),
            ),
            (
                "data",
                file.join("x").display().to_string(),
                Some("agent.folder"),
            ),
            ("data", "/proc/x".to_owned(), Some("不可写")),
        ] {
            let mut text = SAMPLE.replace("/var/lib/zongheng-agent", &data.display().to_string());
            match from {
                "data" => text = text.replace(&data.display().to_string(), &to),
                from => text = text.replace(from, &to),
            }
            let config = Config::parse(Path::new("agent.toml"), &text).expect("it parses");
            let faults = config.faults();
            match expected {
                None => assert_eq!(faults, Vec::<String>::new()),
                Some(part) => assert!(faults.len() == 1 && faults[0].contains(part), "{faults:?}"),
            }
        }
        assert!(!data.exists(), "looking changes nothing");
        for text in ["+08:00", "-03:30", "+00:00"] {
            assert!(offset_seconds(text).is_some());
        }
        for text in ["8", "+8", "+15:00", "+08:60", "东八区"] {
            assert!(offset_seconds(text).is_none());
        }
    }
}
