//! A sample city on one machine: hub, districts, departments with made-up legacy systems, every party a process of its own,
//! with real admission and real links. Also what tests of whole cities share with it: parties on disk, and when numbers
//! have converged.
//!
//! Nothing here is part of an installation, and no made-up row is taken from a real register.

pub mod agent_site;
mod city;
mod cli;
mod department;
pub mod process;
pub mod progress;
pub mod reexec;
mod sample;
pub mod site;

use std::process::ExitCode;

/// Runs the demonstration with these arguments (without the program's name) to its end.
///
/// Exit codes: 0 ended as asked (with `--once`: converged), 1 failed or not converged in time, 2 wrong arguments.
pub fn main_with(args: Vec<String>) -> ExitCode {
    cli::main_with(args)
}
