//! `dry-run`: reads, maps and checks rows as `run` would, in a temporary database, and tells what would be refused and
//! why. Nothing leaves the machine and nothing is remembered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use runtime::say;
use serde_json::{Value, json};
use store::seat::{OpenSeatError, SeatError, SeatStore};
use supervision::standard::Standards;

use crate::capture::{CaptureError, Capturer, Now};
use crate::config::SourceConfig;
use crate::mapping::Mapping;
use crate::watch::{SetUpError, connector};

/// Why a dry run failed.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The source cannot be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    /// The source cannot be read.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The temporary database.
    #[error(transparent)]
    Open(#[from] OpenSeatError),
    /// The temporary database, later.
    #[error(transparent)]
    Store(#[from] SeatError),
    /// No folder for it.
    #[error("无法建立临时目录 {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a dry run found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The source.
    pub source: String,
    /// Rows read.
    pub read: u64,
    /// Rows that would be refused.
    pub refused: u64,
    /// Per reason code: title, rows, an example's place and text, what to do.
    pub reasons: BTreeMap<String, Reason>,
    /// What people should know about the source.
    pub note: Option<String>,
}

/// One reason for which rows would be refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason {
    /// Title.
    pub title: String,
    /// Rows.
    pub rows: u64,
    /// Where an example stands.
    pub example: String,
    /// What is wrong there.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// Runs a source dry over at most about `limit` rows.
pub async fn dry_run(
    config: &SourceConfig,
    standards: &Arc<Standards>,
    limit: u64,
    now_ms: i64,
) -> Result<Report, DryRunError> {
    let mapping = Mapping::load(&config.mapping, standards).map_err(SetUpError::Mapping)?;
    let folder = TemporaryFolder::new()?;
    let store = SeatStore::open(&folder.0.join("database")).await?;
    let state = store.source(&config.name).await?;
    let mut config = config.clone();
    // nobody waits for a file to stand still in a dry run
    config.stable.0 = std::time::Duration::ZERO;
    config.ok_required = false;
    let mut source = connector(&config, &mapping, &folder.0.join("spool"))?;
    let capturer = Capturer::new(state.id, 1, mapping, standards.clone(), None);
    let mut report = Report {
        source: config.name.clone(),
        ..Report::default()
    };
    let mut position = state.position;
    loop {
        let left = limit.saturating_sub(report.read);
        let rows_max = config
            .page_rows
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        if rows_max == 0 {
            break;
        }
        let now = Now::from_ms(now_ms);
        let taken = capturer
            .take_page(&mut source, &store, &mut position, rows_max, now)
            .await?;
        report.read += taken.read;
        report.note = taken.note.or(report.note);
        if !taken.more {
            break;
        }
    }
    let mut after = 0;
    loop {
        let rows = store.rejects(None, after, 500).await?;
        for row in &rows {
            report.refused += 1;
            let reasons: Vec<Value> = serde_json::from_str(&row.reasons).unwrap_or_default();
            for reason in reasons {
                let word = |key: &str| reason[key].as_str().unwrap_or_default().to_owned();
                let entry = report
                    .reasons
                    .entry(word("code"))
                    .or_insert_with(|| Reason {
                        title: word("title"),
                        rows: 0,
                        example: row.position.clone(),
                        message: word("message"),
                        fix: word("fix"),
                    });
                entry.rows += 1;
            }
        }
        after += rows.len() as u64;
        if rows.len() < 500 {
            break;
        }
    }
    store.close().await;
    Ok(report)
}

impl Report {
    /// As text for a terminal.
    pub fn text(&self) -> String {
        let good = self.read - self.refused.min(self.read);
        let percent = if self.read == 0 {
            0.0
        } else {
            good as f64 * 100.0 / self.read as f64
        };
        let mut out = format!(
            "来源「{}」：读取 {} 行 → 可上送 {good} 行（{percent:.1}%），拒收 {} 行\n",
            self.source, self.read, self.refused
        );
        if let Some(note) = &self.note {
            out.push_str(&format!("  … {}\n", say::foreign(note)));
        }
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(code, r)| (std::cmp::Reverse(r.rows), code.as_str()));
        for (code, r) in reasons {
            out.push_str(&format!(
                "  {code} {}：{} 行，例 {}（{}）。{}\n",
                r.title,
                r.rows,
                say::foreign(&r.example),
                say::foreign(&r.message),
                r.fix
            ));
        }
        out
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let reasons: Vec<Value> = self
            .reasons
            .iter()
            .map(|(code, r)| {
                json!({
                    "code": code, "title": r.title, "rows": r.rows, "example": r.example,
                    "message": r.message, "fix": r.fix,
                })
            })
            .collect();
        json!({
            "source": self.source, "read": self.read, "refused": self.refused, "reasons": reasons,
            "note": self.note,
        })
    }
}

/// A folder that is removed when it is dropped.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> Result<Self, DryRunError> {
        let name = format!(
            "zongheng-dry-run-{}-{:016x}",
            std::process::id(),
            runtime::door::random_u64()
        );
        let path = std::env::temp_dir().join(name);
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(DryRunError::Folder { path, source }),
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // a folder left in the system's place for temporary things is cleared by the system
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
