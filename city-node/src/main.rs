//! The program `zongheng-city`.

use std::process::ExitCode;

fn main() -> ExitCode {
    city_node::main_with(std::env::args().skip(1).collect())
}
