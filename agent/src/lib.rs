//! The only room that knows a legacy database: reads a department's own system, maps, checks, signs and ships what changed.
//!
//! Nothing at the source is ever written. What a record means is supervision's business, what is signed is protocol's,
//! how it travels is runtime's.

pub mod app;
pub mod capture;
pub mod check;
pub mod cli;
pub mod config;
pub mod connector;
pub mod dry_run;
pub mod home;
pub mod join;
pub mod mapping;
pub mod rejects;
pub mod schedule;
pub mod seal;
pub mod status;
pub mod told;
pub mod uplink;
pub mod watch;

pub use app::run;
pub use cli::main_with;
