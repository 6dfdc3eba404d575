//! Parties as separate processes: started out of this very binary, their words kept in log files, ended with us.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::reexec::{self, Program};

/// Why a party did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The system would not start it.
    #[error("无法启动 {name}")]
    Start {
        /// Which party.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command failed.
    #[error("{name} 执行 {command} 失败：{said}")]
    Failed {
        /// Which party.
        name: String,
        /// The command.
        command: String,
        /// What it said.
        said: String,
    },
    /// It does not answer.
    #[error("{name} 没有在 {seconds} 秒内就绪，日志 {}", log.display())]
    NotReady {
        /// Which party.
        name: String,
        /// How long we waited.
        seconds: u64,
        /// Where to look.
        log: PathBuf,
    },
}

/// Starts parties.
#[derive(Debug, Clone)]
pub struct Launcher {
    executable: PathBuf,
    logs: PathBuf,
}

impl Launcher {
    /// Parties run out of the binary that runs now; what they say goes to files in `logs`.
    pub fn new(logs: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&logs)?;
        Ok(Self {
            executable: std::env::current_exe()?,
            logs,
        })
    }

    fn command(&self, program: Program, args: &[String]) -> Command {
        let mut command = Command::from(reexec::command(&self.executable, program));
        command.args(args).kill_on_drop(true);
        command
    }

    /// Runs a command to its end and gives what it printed.
    pub async fn run(
        &self,
        program: Program,
        name: &str,
        args: &[String],
    ) -> Result<String, ProcessError> {
        let start = |source| ProcessError::Start {
            name: name.to_owned(),
            source,
        };
        let mut command = self.command(program, args);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        // as long as this stands the child knows that we live
        let _standing = child.stdin.take();
        let output = child.wait_with_output().await.map_err(start)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(ProcessError::Failed {
            name: name.to_owned(),
            command: args.first().cloned().unwrap_or_default(),
            said: format!("{}{}", said, complaint).trim().to_owned(),
        })
    }

    /// Starts a party that goes on running.
    pub fn start(
        &self,
        program: Program,
        name: &str,
        args: &[String],
    ) -> Result<Party, ProcessError> {
        let failed = |source| ProcessError::Start {
            name: name.to_owned(),
            source,
        };
        let log = self.logs.join(format!("{name}.log"));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(failed)?;
        let again = |file: &File| file.try_clone().map_err(failed);
        let mut command = self.command(program, args);
        let child = command
            .stdout(again(&file)?)
            .stderr(again(&file)?)
            .spawn()
            .map_err(failed)?;
        Ok(Party {
            name: name.to_owned(),
            child,
            log,
        })
    }
}

/// A running party. Dropped, it is killed.
#[derive(Debug)]
pub struct Party {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Party {
    /// Waits until the process answers at the control socket in `data`.
    pub async fn ready(&mut self, data: &Path) -> Result<(), ProcessError> {
        for _ in 0..READY_SECONDS * 20 {
            if ask(data, STATUS).await.is_some() {
                return Ok(());
            }
            if let Ok(Some(_)) = self.child.try_wait() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(ProcessError::NotReady {
            name: self.name.clone(),
            seconds: READY_SECONDS,
            log: self.log.clone(),
        })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to end in order, and insists after a while.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id() {
            // the standard library sends no signal but SIGKILL
            let asked = Command::new("sh")
                .args(["-c", "kill -s TERM \"$1\"", "sh", &pid.to_string()])
                .status()
                .await;
            let patience = if asked.is_ok_and(|s| s.success()) {
                STOP_PATIENCE
            } else {
                Duration::ZERO
            };
            if tokio::time::timeout(patience, self.child.wait())
                .await
                .is_ok()
            {
                return;
            }
        }
        // it may be gone already
        let _ = self.child.kill().await;
    }
}

/// Asks the process whose data lie in `data`; nothing if it does not answer or refuses.
pub async fn ask(data: &Path, request: &str) -> Option<Value> {
    let asked = runtime::control::ask(data, request);
    let answer = tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .ok()?
        .ok()?;
    let answer: Value = serde_json::from_str(&answer).ok()?;
    answer.get("error").is_none().then_some(answer)
}

/// Asks for cursors, counts and sums.
pub const STATUS: &str = r#"{"command":"status"}"#;
const READY_SECONDS: u64 = 60;
const STOP_PATIENCE: Duration = Duration::from_secs(15);
