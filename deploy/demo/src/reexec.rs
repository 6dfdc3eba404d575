//! The hidden name under which a binary becomes one of the programs, so that what runs as a separate process is always
//! what was just compiled. Every binary that starts parties calls [`dispatch`] first.
//!
//! How the process is waited for, read and ended is up to who starts it.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use runtime::{files, memory, say};

/// The first argument that turns a binary into a program.
pub const AS: &str = "--as";
/// When this variable is set, the process ends as soon as its standard input does, that is with whoever started it.
pub const WITH_PARENT: &str = "ZONGHENG_WITH_PARENT";

/// The word after [`AS`] for the demonstration itself.
const DEMO: &str = "demo";

/// One of the three programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    /// `zongheng-city`
    City,
    /// `zongheng-district`
    District,
    /// `zongheng-agent`
    Agent,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::City, Self::District, Self::Agent];

    /// The word that stands for the program after [`AS`].
    pub const fn word(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::District => "district",
            Self::Agent => "agent",
        }
    }

    /// The name of the installed program.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::City => "zongheng-city",
            Self::District => "zongheng-district",
            Self::Agent => "zongheng-agent",
        }
    }

    fn main(self) -> fn(Vec<String>) -> ExitCode {
        match self {
            Self::City => city_node::main_with,
            Self::District => district_node::main_with,
            Self::Agent => agent::main_with,
        }
    }
}

/// A command that makes `executable` this program. The process ends when its standard input does, which whoever starts
/// it holds open; it has a group of its own, so that Ctrl-C reaches only who started it.
pub fn command(executable: &Path, program: Program) -> Command {
    let mut command = Command::new(executable);
    command
        .arg(AS)
        .arg(program.word())
        .env(WITH_PARENT, "1")
        .stdin(Stdio::piped())
        .process_group(0);
    command
}

/// Runs the program that the arguments ask for, or gives `None` when this process was started under its own name.
pub fn dispatch() -> Option<ExitCode> {
    let mut args = std::env::args();
    let own = args.next()?;
    if args.next()? != AS {
        return None;
    }
    let word = args.next().unwrap_or_default();
    if word == DEMO {
        return Some(crate::main_with(args.collect()));
    }
    let Some(program) = Program::ALL.into_iter().find(|p| p.word() == word) else {
        let words = Program::ALL.map(Program::word).join(", ");
        say::complaint(format_args!(
            "{own}: {AS} must be followed by one of {words}, {DEMO}, not {word:?}"
        ));
        return Some(ExitCode::from(2));
    };
    memory::confine();
    files::private_by_default();
    // the demonstration itself reads what people type: it is no program of this kind
    if std::env::var_os(WITH_PARENT).is_some() {
        std::thread::spawn(end_with_parent);
    }
    Some(program.main()(args.collect()))
}

/// Waits for the end of standard input, which the starting process keeps open as long as it lives.
fn end_with_parent() {
    let mut sink = [0; 64];
    while matches!(std::io::stdin().read(&mut sink), Ok(read) if read > 0) {}
    std::process::exit(3);
}
