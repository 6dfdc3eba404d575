//! A whole city over one registration file: the file's rows in legacy databases of the bureaus that would have them, every
//! party a process of its own, and at the end each row accounted for. What is expected is computed from the file by
//! supervision's rules alone; what arrived is read from the stores.

pub mod check;
pub mod party;
pub mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thiserror::Error;

use crate::legacy::LegacyError;
use crate::legacy::registrations::RegistrationsError;
use crate::process::{Host, ProcessError};
use party::Parties;
use source::Expected;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The registration file.
    pub file: PathBuf,
    /// The city, six digits.
    pub city: String,
    /// Only the first so many rows.
    pub rows: Option<u64>,
    /// Kill each program at random moments, in an order that this seed fixes.
    pub kill: Option<u64>,
    /// Where everything lies; must be empty.
    pub folder: PathBuf,
    /// How long the data may take to arrive.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the file holds, by the rules.
    pub expected: source::Summary,
    /// Seconds from the start of the agents until everything was applied, folded and equal everywhere.
    pub elapsed: Duration,
    /// Peak memory of each process, in bytes; over all its starts.
    pub memory: BTreeMap<String, u64>,
    /// How often each process was killed.
    pub kills: BTreeMap<String, u32>,
    /// What `verify --deep` said at the city.
    pub verified: Value,
    /// What was found wrong; empty if everything holds.
    pub faults: Vec<String>,
}

/// Why a run came to no result.
#[derive(Debug, Error)]
pub enum RealCityError {
    /// The file is at fault.
    #[error(transparent)]
    File(#[from] RegistrationsError),
    /// A legacy database could not be made.
    #[error(transparent)]
    Legacy(#[from] LegacyError),
    /// A process is not where it should be.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What it said.
        source: std::io::Error,
    },
    /// The division table has no such city, or one without districts.
    #[error("区划表中没有城市 {0}，或该市没有下辖区县")]
    NoCity(String),
    /// A party said something unexpected.
    #[error("{party}: {said}")]
    Said {
        /// Which.
        party: String,
        /// What.
        said: String,
    },
    /// The numbers did not converge in time.
    #[error("在 {seconds} 秒内没有到齐：{}", missing.join("；"))]
    Unfinished {
        /// How long it was waited.
        seconds: u64,
        /// What is missing.
        missing: Vec<String>,
    },
    /// A store could not be read.
    #[error("无法读取 {party} 的库：{said}")]
    Store {
        /// Whose.
        party: String,
        /// What it said.
        said: String,
    },
}

/// Runs the plan with the programs in `host`.
pub async fn run(plan: &Plan, host: &Host, told: impl Fn(&str)) -> Result<Report, RealCityError> {
    let system = |what: &Path, source| RealCityError::System {
        what: what.display().to_string(),
        source,
    };
    std::fs::create_dir_all(&plan.folder).map_err(|e| system(&plan.folder, e))?;
    told("按代码中的区划把各行分到各局的业务库");
    let expected = Expected::read(plan, &plan.folder.join("bureaus")).await?;
    told(&format!(
        "{} 行，{} 个业务库，{} 个区",
        expected.rows.len(),
        expected.bureaus.len(),
        expected.districts.len()
    ));
    let logs = plan.folder.join("logs");
    std::fs::create_dir_all(&logs).map_err(|e| system(&logs, e))?;
    let host = host.clone().logging_to(&logs);
    let mut parties = Parties::admit(&host, plan, &expected, &told).await?;
    told("启动各局代理");
    let began = Instant::now();
    parties.start_agents()?;
    if let Some(seed) = plan.kill {
        parties.kill_each(seed).await?;
    }
    parties
        .converge(&expected, began, plan.timeout, &told)
        .await?;
    let elapsed = began.elapsed();
    told("到齐；在市级逐条校验签名");
    let verified = parties.verify()?;
    parties.remember_memory();
    let memory = parties.memory.clone();
    let kills = parties.kills.clone();
    told("停止各进程，与文件逐行核对");
    let ended = parties.stop()?;
    let mut faults = check::check(&expected, &ended).await?;
    faults.extend(check::check_verified(&expected, &verified));
    Ok(Report {
        expected: expected.summary(),
        elapsed,
        memory,
        kills,
        verified,
        faults,
    })
}

impl Report {
    /// Rows per second from the start of the agents until everything had converged.
    pub fn rows_per_second(&self) -> f64 {
        self.expected.rows as f64 / self.elapsed.as_secs_f64().max(0.001)
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        json!({
            "rows": self.expected.rows,
            "accepted": self.expected.accepted,
            "refused": self.expected.refused,
            "valid_code": self.expected.valid_code,
            "registration_number": self.expected.registration_number,
            "past_divisions": self.expected.past_divisions,
            "regions": self.expected.regions,
            "basis": self.expected.basis,
            "flagged": self.expected.flagged,
            "reasons": self.expected.reasons,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "rows_per_s": self.rows_per_second(),
            "peak_memory_mb": self.memory.iter().map(|(name, bytes)| (name.clone(), mib(*bytes)))
                .collect::<BTreeMap<_, _>>(),
            "kills": self.kills,
            "verified": self.verified,
            "faults": self.faults,
            "ok": self.faults.is_empty(),
        })
    }

    /// As tables for people.
    pub fn table(&self) -> String {
        let expected = &self.expected;
        let mut out = format!(
            "{} 行：收下 {}，拒收 {}（代码有效 {}，注册号 {}）\n",
            expected.rows,
            expected.accepted,
            expected.refused,
            expected.valid_code,
            expected.registration_number
        );
        for (title, counts) in [
            ("代码中不是现行区的区划", &expected.past_divisions),
            ("归属", &expected.regions),
            ("依据", &expected.basis),
            ("拒收原因", &expected.reasons),
        ] {
            out += &format!("\n{title}\n");
            for (what, count) in counts {
                out += &format!("  {count:>9}  {what}\n");
            }
        }
        out += &format!(
            "\n用时 {:.1} 秒，每秒 {:.0} 行\n\n",
            self.elapsed.as_secs_f64(),
            self.rows_per_second()
        );
        out += "   峰值内存 MB  被杀次数  进程\n";
        for (name, bytes) in &self.memory {
            let kills = self.kills.get(name).copied().unwrap_or(0);
            out += &format!("  {:>12.1}  {kills:>8}  {name}\n", mib(*bytes));
        }
        match self.faults.as_slice() {
            [] => out += "\n每一行都有着落，各区与市级一致，签名全部通过\n",
            faults => {
                out += "\n发现问题：\n";
                faults
                    .iter()
                    .for_each(|fault| out += &format!("  {fault}\n"));
            }
        }
        out
    }
}

fn mib(bytes: u64) -> f64 {
    (bytes as f64 / 1024.0 / 1024.0 * 10.0).round() / 10.0
}
