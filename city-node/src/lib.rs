//! The city node as a library. What both tiers' programs do lives in `tier`, what both nodes do in `node`.

mod city;

use std::process::ExitCode;

pub use node::config::Config;

/// Runs the program with these arguments (without the program's name) to its end. Exit codes as [`tier::main_with`].
pub fn main_with(args: Vec<String>) -> ExitCode {
    tier::main_with::<city::City>(args)
}
