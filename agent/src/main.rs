//! The program `zongheng-agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::main_with(std::env::args().skip(1).collect())
}
