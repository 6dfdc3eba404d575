//! The program `zongheng-agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::memory::confine();
    runtime::files::private_by_default();
    agent::main_with(std::env::args().skip(1).collect())
}
