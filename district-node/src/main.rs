//! The program `zongheng-district`.

use std::process::ExitCode;

fn main() -> ExitCode {
    district_node::main_with(std::env::args().skip(1).collect())
}
