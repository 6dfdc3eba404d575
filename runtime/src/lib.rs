//! What every process needs and no business word: clock, configuration, telemetry, workers, status port, links.
//!
//! This room alone spawns tasks, opens network sockets, reads the operating system's clock and draws randomness (the last
//! two in [`door`] only). It knows the protocol's frames and sessions, but not what the records in them mean.

pub mod admission;
pub mod code;
pub mod config;
pub mod control;
pub mod descriptors;
pub mod disk;
pub mod door;
pub mod files;
pub mod link;
pub mod listener;
pub mod memory;
pub mod recurring;
pub mod release;
pub mod say;
pub mod status;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod usage;
pub mod worker;
