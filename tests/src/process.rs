//! Real processes under test: starting the programs out of a binary of this crate, waiting for what they say, killing
//! them, and reading what they cost. Everything started here dies with its guard, and with the test that started it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::reexec;
pub use crate::reexec::Program;

/// How many lines of a process are kept for [`Running::wait_line`] and for messages.
const LINES_MAX: usize = 50_000;
/// How many of the last lines a failure shows.
const LINES_SHOWN: usize = 40;
/// How often a process is looked at while it is waited for.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Why a process is not where the test wants it. Every variant names the process.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// It could not be started, or the system refused a signal.
    #[error("{name}: {what}: {source}")]
    System {
        /// Which process.
        name: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended although it was expected to go on.
    #[error("{name} ended ({status}) before it said {needle:?}; its last lines:\n{tail}")]
    Ended {
        /// Which process.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What it was expected to say.
        needle: String,
        /// Its last lines.
        tail: String,
    },
    /// It did not do in time what was expected.
    #[error("{name}: no {awaited:?} after {waited:?}; its last lines:\n{tail}")]
    Timeout {
        /// Which process.
        name: String,
        /// What was waited for.
        awaited: String,
        /// How long.
        waited: Duration,
        /// Its last lines.
        tail: String,
    },
}

/// The executable that holds the programs.
#[derive(Debug, Clone)]
pub struct Host {
    executable: PathBuf,
    logs: Option<PathBuf>,
}

impl Host {
    /// The running binary itself; its `main` must call [`reexec::dispatch`] first.
    pub fn this_binary() -> std::io::Result<Self> {
        Ok(Self::at(std::env::current_exe()?))
    }

    /// A binary built by the same cargo run, for integration tests: `Host::at(env!("CARGO_BIN_EXE_programs"))`.
    pub fn at(executable: impl Into<PathBuf>) -> Self {
        Self {
            executable: executable.into(),
            logs: None,
        }
    }

    /// Also writes what the processes say to files `NAME.log` in `folder`, appending over restarts.
    #[must_use]
    pub fn logging_to(mut self, folder: impl Into<PathBuf>) -> Self {
        self.logs = Some(folder.into());
        self
    }

    /// Starts a program. `name` tells this process from its siblings in messages and log files.
    pub fn start<A: AsRef<OsStr>>(
        &self,
        program: Program,
        name: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Running, ProcessError> {
        let mut command = reexec::command(&self.executable, program);
        command.args(args);
        Running::start(name, command, self.logs.as_deref())
    }

    /// Runs a program to its end, as an operator would on the command line, and gives what it said.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: Program,
        name: &str,
        args: impl IntoIterator<Item = A>,
        timeout: Duration,
    ) -> Result<Finished, ProcessError> {
        self.start(program, name, args)?.wait(timeout)
    }
}

/// A process that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it said on standard output.
    pub stdout: Vec<String>,
    /// What it said on standard error.
    pub stderr: Vec<String>,
    /// The most memory that it was seen to hold, in bytes; absent when it ended before it was looked at.
    pub peak_memory_bytes: Option<u64>,
}

/// A process that runs in a process group of its own and is killed, group and all, when this is dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    said: Arc<Said>,
    peak: Option<u64>,
}

#[derive(Debug, Default)]
struct Said {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<(Stream, String)>,
    open: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

impl Running {
    /// Starts any command under the same guard.
    pub fn start(
        name: &str,
        mut command: Command,
        logs: Option<&Path>,
    ) -> Result<Self, ProcessError> {
        let failed = |what, source| ProcessError::System {
            name: name.to_owned(),
            what,
            source,
        };
        let log = match logs {
            Some(folder) => {
                let mut options = std::fs::OpenOptions::new();
                let path = folder.join(format!("{name}.log"));
                Some(
                    options
                        .create(true)
                        .append(true)
                        .open(path)
                        .map_err(|source| failed("open its log", source))?,
                )
            }
            None => None,
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().map_err(|source| failed("start", source))?;
        let said = Arc::new(Said::default());
        let streams = [
            (
                Stream::Out,
                child
                    .stdout
                    .take()
                    .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            ),
            (
                Stream::Err,
                child
                    .stderr
                    .take()
                    .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            ),
        ];
        for (stream, pipe) in streams {
            let Some(pipe) = pipe else { continue };
            let log = match &log {
                Some(log) => Some(
                    log.try_clone()
                        .map_err(|source| failed("share its log", source))?,
                ),
                None => None,
            };
            said.lock().open += 1;
            let said = Arc::clone(&said);
            std::thread::spawn(move || said.follow(stream, pipe, log));
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            said,
            peak: None,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Everything it has said so far, both streams in the order read.
    pub fn lines(&self) -> Vec<String> {
        self.said
            .lock()
            .kept
            .iter()
            .map(|(_, line)| line.clone())
            .collect()
    }

    /// The first line that contains `needle`, said already or within `timeout`.
    pub fn wait_line(&mut self, needle: &str, timeout: Duration) -> Result<String, ProcessError> {
        let deadline = Instant::now() + timeout;
        loop {
            let ended = self.child.try_wait().ok().flatten();
            let lines = self.said.lock();
            if let Some((_, line)) = lines.kept.iter().find(|(_, line)| line.contains(needle)) {
                return Ok(line.clone());
            }
            if let (Some(status), 0) = (ended, lines.open) {
                let (name, needle, tail) = (self.name.clone(), needle.to_owned(), lines.tail());
                return Err(ProcessError::Ended {
                    name,
                    status,
                    needle,
                    tail,
                });
            }
            if Instant::now() >= deadline {
                drop(lines);
                return Err(self.timeout(needle, timeout));
            }
            drop(self.said.more.wait_timeout(lines, LOOK_PAUSE));
        }
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self, timeout: Duration) -> Result<Finished, ProcessError> {
        let deadline = Instant::now() + timeout;
        loop {
            self.look_at_memory();
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(self.finish(status)),
                Ok(None) if Instant::now() >= deadline => {
                    return Err(self.timeout("its end", timeout));
                }
                Ok(None) => std::thread::sleep(LOOK_PAUSE),
                Err(source) => return Err(self.system("wait", source)),
            }
        }
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub fn terminate(self, timeout: Duration) -> Result<Finished, ProcessError> {
        self.signal("TERM")?;
        self.wait(timeout)
    }

    /// Kills it at once (SIGKILL), as a power cut would.
    pub fn kill(mut self) -> Result<Finished, ProcessError> {
        self.look_at_memory();
        self.child
            .kill()
            .map_err(|source| self.system("kill", source))?;
        let status = self
            .child
            .wait()
            .map_err(|source| self.system("wait", source))?;
        Ok(self.finish(status))
    }

    /// Stops it in its tracks (SIGSTOP) until [`Running::resume`].
    pub fn suspend(&self) -> Result<(), ProcessError> {
        self.signal("STOP")
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> Result<(), ProcessError> {
        self.signal("CONT")
    }

    /// Types a line into its standard input.
    pub fn type_line(&mut self, line: &str) -> Result<(), ProcessError> {
        let typed = match self.child.stdin.as_mut() {
            Some(stdin) => writeln!(stdin, "{line}").and_then(|()| stdin.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        typed.map_err(|source| self.system("type a line", source))
    }

    /// The most memory that it has held so far, in bytes, as the kernel counts it (VmHWM).
    pub fn peak_memory_bytes(&mut self) -> Option<u64> {
        self.look_at_memory();
        self.peak
    }

    fn look_at_memory(&mut self) {
        self.peak = peak_memory_bytes(self.pid()).max(self.peak);
    }

    fn signal(&self, signal: &str) -> Result<(), ProcessError> {
        signal_process(signal, &self.pid().to_string())
            .map_err(|source| self.system("send a signal", source))
    }

    fn finish(&mut self, status: ExitStatus) -> Finished {
        // The pipes may outlive the process for a moment, or for long if it left children behind.
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut lines = self.said.lock();
        while lines.open > 0 && Instant::now() < deadline {
            lines = match self.said.more.wait_timeout(lines, LOOK_PAUSE) {
                Ok((lines, _)) => lines,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        let of = |wanted: Stream| {
            lines
                .kept
                .iter()
                .filter(|(stream, _)| *stream == wanted)
                .map(|(_, line)| line.clone())
                .collect()
        };
        Finished {
            status,
            stdout: of(Stream::Out),
            stderr: of(Stream::Err),
            peak_memory_bytes: self.peak,
        }
    }

    fn timeout(&self, awaited: &str, waited: Duration) -> ProcessError {
        let tail = self.said.lock().tail();
        ProcessError::Timeout {
            name: self.name.clone(),
            awaited: awaited.to_owned(),
            waited,
            tail,
        }
    }

    fn system(&self, what: &'static str, source: std::io::Error) -> ProcessError {
        ProcessError::System {
            name: self.name.clone(),
            what,
            source,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The group first: a driver's browser must not outlive its driver. Errors mean that all of them are gone.
        let _ = signal_process("KILL", &format!("-{}", self.pid()));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, stream: Stream, pipe: Box<dyn Read + Send>, mut log: Option<std::fs::File>) {
        let mut reader = BufReader::new(pipe);
        let mut raw = Vec::new();
        while matches!(reader.read_until(b'\n', &mut raw), Ok(read) if read > 0) {
            if let Some(log) = &mut log {
                // A full disk must not stop the test: the lines are in memory too.
                let _ = log.write_all(&raw);
            }
            let line = String::from_utf8_lossy(&raw).trim_end().to_owned();
            raw.clear();
            let mut lines = self.lock();
            if lines.kept.len() == LINES_MAX {
                lines.kept.pop_front();
            }
            lines.kept.push_back((stream, line));
            drop(lines);
            self.more.notify_all();
        }
        self.lock().open -= 1;
        self.more.notify_all();
    }
}

impl Lines {
    fn tail(&self) -> String {
        let skipped = self.kept.len().saturating_sub(LINES_SHOWN);
        let shown: Vec<_> = self
            .kept
            .iter()
            .skip(skipped)
            .map(|(_, line)| format!("    {line}"))
            .collect();
        shown.join("\n")
    }
}

/// The most memory that a process has held (VmHWM), in bytes; `None` once it is gone.
pub fn peak_memory_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// A folder that is removed when it is dropped, unless `ZONGHENG_TEST_KEEP` is set, so that a failure can be looked at.
pub fn temporary_folder() -> std::io::Result<tempfile::TempDir> {
    let mut folder = tempfile::Builder::new()
        .prefix("zongheng-test-")
        .tempdir()?;
    if std::env::var_os("ZONGHENG_TEST_KEEP").is_some() {
        folder.disable_cleanup(true);
        eprintln!("kept: {}", folder.path().display());
    }
    Ok(folder)
}

/// The standard library sends no signal but SIGKILL; every shell does. `-PID` means the whole group.
fn signal_process(signal: &str, whom: &str) -> std::io::Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", signal, whom]);
    let status = shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests;
