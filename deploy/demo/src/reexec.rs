//! The hidden name under which a binary becomes one of the programs, so that what runs as a separate process is always
//! what was just compiled. Every binary that starts parties calls [`dispatch`] first.

use std::io::Read;
use std::process::ExitCode;

/// The first argument that turns a binary into a program.
pub const AS: &str = "--as";
/// When this variable is set, the process ends as soon as its standard input does, that is with whoever started it.
pub const WITH_PARENT: &str = "ZONGHENG_WITH_PARENT";

/// Words that may follow [`AS`].
const WORDS: &str = "city, district, agent, demo";

/// Runs the program that the arguments ask for, or gives `None` when this process was started under its own name.
pub fn dispatch() -> Option<ExitCode> {
    let mut args = std::env::args();
    let own = args.next()?;
    if args.next()? != AS {
        return None;
    }
    let word = args.next().unwrap_or_default();
    let run: fn(Vec<String>) -> ExitCode = match word.as_str() {
        "city" => city_node::main_with,
        "district" => district_node::main_with,
        "agent" => agent::main_with,
        "demo" => crate::main_with,
        _ => {
            eprintln!("{own}: {AS} must be followed by one of {WORDS}, not {word:?}");
            return Some(ExitCode::from(2));
        }
    };
    // the demonstration itself reads what people type
    if word != "demo" && std::env::var_os(WITH_PARENT).is_some() {
        std::thread::spawn(end_with_parent);
    }
    Some(run(args.collect()))
}

/// Waits for the end of standard input, which the starting process keeps open as long as it lives.
fn end_with_parent() {
    let mut sink = [0; 64];
    while matches!(std::io::stdin().read(&mut sink), Ok(read) if read > 0) {}
    std::process::exit(3);
}
