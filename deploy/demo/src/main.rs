//! The program `demo`: a sample city on one machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo::reexec::dispatch().unwrap_or_else(|| demo::main_with(std::env::args().skip(1).collect()))
}
