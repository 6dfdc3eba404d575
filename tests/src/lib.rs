//! The kit of everything that crosses rooms: processes, a browser, legacy databases with real dirt. Only tests and
//! benchmarks use it; no production code lives here, and what only one room's tests need lives in that room.

pub mod bench;
pub mod browser;
pub mod http;
pub mod legacy;
pub mod process;
pub mod real_city;

/// The hidden name under which a binary becomes one of the programs.
pub use demo::reexec;
