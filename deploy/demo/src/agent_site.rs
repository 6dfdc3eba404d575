//! An agent on disk: configuration and mapping files for its sources, the arguments of its commands, and reading what it
//! says of itself.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use runtime::files::{self, Access};
use serde_json::Value;

use crate::department::{Department, Kind};
use crate::process::{STATUS, ask};
use crate::progress::AgentState;
use crate::site::{Ports, quote, quoted};

/// A source as an agent is told of it.
#[derive(Debug, Clone)]
pub struct SourceSite<'a> {
    /// Name.
    pub name: &'a str,
    /// Database file or drop folder.
    pub path: &'a Path,
    /// Table of a database; none for a drop folder.
    pub table: Option<&'a str>,
    /// Columns that tell rows apart.
    pub key: &'a str,
    /// Column with the time of the last change.
    pub updated: Option<&'a str>,
    /// Column and the field of the registration standard that it holds.
    pub columns: &'a [(&'a str, &'a str)],
    /// Rows read at once.
    pub page_rows: usize,
}

/// An agent on disk.
#[derive(Debug, Clone)]
pub struct AgentSite {
    /// Its folder: configuration and mapping files, data.
    pub folder: PathBuf,
    /// Where its status port is.
    pub status: SocketAddr,
}

impl AgentSite {
    /// An agent in a folder, with ports of its own, for one source. Writes its files.
    pub fn write(folder: &Path, source: &SourceSite<'_>, ports: &Ports) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let site = Self {
            folder: folder.to_owned(),
            status: ports.next()?,
        };
        let mut text = format!(
            "[agent]\nfolder = \"data\"\n\n[status]\nlisten = \"{}\"\n\n[log]\nlevel = \"info\"\n\n\
             [[source]]\nname = {}\npath = {}\nmapping = \"mapping.toml\"\nevery = \"1s\"\nkey = [{}]\n\
             page_rows = {}\n",
            site.status,
            quote(source.name),
            quoted(source.path),
            quote(source.key),
            source.page_rows,
        );
        match source.table {
            Some(table) => text += &format!("kind = \"sqlite\"\ntable = {}\n", quote(table)),
            None => text += "kind = \"csv\"\nstable = \"2s\"\n",
        }
        if let Some(updated) = source.updated {
            text += &format!(
                "\n[source.watermark]\ncolumn = {}\nformat = \"datetime\"\noverlap = \"30s\"\nlag = \"1s\"\n\
                 utc_offset = \"+08:00\"\n",
                quote(updated),
            );
        }
        let mut mapping = "standard = \"cn.registration\"\nversion = 1\n".to_owned();
        for (column, field) in source.columns {
            mapping += &format!("\n[fields.{field}]\ncolumn = {}\n", quote(column));
        }
        files::write_atomic(&site.config(), text.as_bytes(), Access::Group)?;
        files::write_atomic(
            &folder.join("mapping.toml"),
            mapping.as_bytes(),
            Access::Group,
        )?;
        Ok(site)
    }

    pub(crate) fn of(
        department: &Department,
        folder: &Path,
        place: &Path,
        ports: &Ports,
    ) -> io::Result<Self> {
        let shape = &department.shape;
        let source = SourceSite {
            name: department.title,
            path: place,
            table: (shape.kind == Kind::Sqlite).then_some(shape.table),
            key: shape.columns[0].0,
            updated: shape.updated,
            columns: shape.columns,
            page_rows: PAGE_ROWS,
        };
        Self::write(folder, &source, ports)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The data folder; the running agent's control socket lies in it.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Arguments of a command that needs nothing but the configuration.
    pub fn command(&self, command: &str) -> Vec<String> {
        vec![
            command.to_owned(),
            "--config".to_owned(),
            self.config().display().to_string(),
        ]
    }

    /// Arguments that make the agent join with the code in a file.
    pub fn join(&self, code: &Path) -> Vec<String> {
        let mut args = self.command("join");
        args.extend(["--code-file".to_owned(), code.display().to_string()]);
        args
    }

    /// What the agent says of itself now, beside what its source holds.
    pub async fn state(&self, name: &str, source_rows: u64) -> AgentState {
        let answer = ask(&self.data(), STATUS).await;
        let status = answer.as_ref().map(|answer| &answer["status"]);
        AgentState {
            name: name.to_owned(),
            source_rows,
            rows: status.map(rows),
            queued: status.map_or(0, queued),
        }
    }
}

/// Rows of the source that the agent has stated or refused.
pub fn rows(status: &Value) -> u64 {
    let sources = status["sources"].as_array().map_or(&[][..], Vec::as_slice);
    let number = |source: &Value, key: &str| source[key].as_u64().unwrap_or(0);
    sources
        .iter()
        .map(|source| number(source, "rows_stated") + number(source, "refused"))
        .sum()
}

/// Entries not sealed yet, and sealed batches that no receipt of the city covers.
pub fn queued(status: &Value) -> u64 {
    let sealed = status["queue"]["sealed_up_to"][LANE_RECORDS]
        .as_u64()
        .unwrap_or(0);
    let durable = status["receipts"]["city"]["durable"].as_u64().unwrap_or(0);
    status["queue"]["unsealed_entries"].as_u64().unwrap_or(0) + sealed.saturating_sub(durable)
}

/// Registrations and refusals travel in this lane.
const LANE_RECORDS: usize = 2;
/// Rows that agents read at once unless said otherwise.
pub const PAGE_ROWS: usize = 2_000;
