//! The program `zongheng-agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::memory::confine();
    agent::main_with(std::env::args().skip(1).collect())
}
