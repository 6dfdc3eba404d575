//! The three programs in one executable, for tests that start them as processes: `programs --as city|district|agent …`.
//! Integration tests find it with `env!("CARGO_BIN_EXE_programs")`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::reexec::dispatch().unwrap_or_else(|| {
        eprintln!("usage: programs --as city|district|agent [ARGUMENTS]");
        ExitCode::from(2)
    })
}
