//! Tests of the kit itself that need something from outside Rust: the browser against a tiny page, the
//! legacy databases, the programs in one executable.

mod browser;
mod legacy;
mod programs;
