//! The program `zongheng-district`.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::memory::confine();
    runtime::files::private_by_default();
    district_node::main_with(std::env::args().skip(1).collect())
}
