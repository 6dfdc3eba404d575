//! The district node as a library: command line, set-up, composition. What both tiers do lives in `node`.

mod app;
mod cli;
mod init;
mod uplink;

use std::process::ExitCode;

pub use app::{Running, start};
pub use node::config::Config;

/// Runs the program with these arguments (without the program's name) to its end.
///
/// Exit codes: 0 done, 1 failed with the reason on standard error, 2 wrong arguments, 78 configuration refused.
pub fn main_with(args: Vec<String>) -> ExitCode {
    cli::main_with(args)
}
