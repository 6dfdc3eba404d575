//! The kit of everything that crosses rooms: processes, a browser, legacy databases with real dirt. Only tests and
//! benchmarks use it; no production code lives here, and what only one room's tests need lives in that room.

pub mod browser;
pub mod http;
pub mod legacy;
pub mod process;
pub mod reexec;
