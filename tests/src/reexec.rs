//! The hidden name under which a binary of this crate becomes one of the three programs, so that what runs as a separate
//! process is always what was just compiled. `src/bin/programs.rs` and every binary that starts processes call
//! [`dispatch`] first.

use std::io::Read;
use std::process::ExitCode;

use crate::process::Program;

/// The first argument that turns a binary into a program.
pub const AS: &str = "--as";
/// When this variable is set, the process ends as soon as its standard input does, that is with whoever started it.
pub const WITH_PARENT: &str = "ZONGHENG_TEST_WITH_PARENT";

/// Runs the program that the arguments ask for, or gives `None` when this process was started under its own name.
pub fn dispatch() -> Option<ExitCode> {
    let mut args = std::env::args();
    let own = args.next()?;
    if args.next()? != AS {
        return None;
    }
    let name = args.next().unwrap_or_default();
    let Some(program) = Program::named(&name) else {
        eprintln!("{own}: {AS} must be followed by city, district or agent, not {name:?}");
        return Some(ExitCode::from(2));
    };
    if std::env::var_os(WITH_PARENT).is_some() {
        std::thread::spawn(end_with_parent);
    }
    Some(run(
        program,
        std::iter::once(program.file_name().to_owned())
            .chain(args)
            .collect(),
    ))
}

/// Waits for the end of standard input, which the starting process keeps open as long as it lives.
fn end_with_parent() {
    let mut sink = [0; 64];
    while matches!(std::io::stdin().read(&mut sink), Ok(read) if read > 0) {}
    std::process::exit(3);
}

fn run(program: Program, _args: Vec<String>) -> ExitCode {
    eprintln!("{} is not linked in yet", program.file_name());
    ExitCode::from(2)
}
