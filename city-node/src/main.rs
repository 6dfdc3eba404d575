//! The program `zongheng-city`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::memory::confine();
    city_node::main_with(std::env::args().skip(1).collect())
}
