//! The only room that knows a legacy database: reads a department's own system, maps, checks, signs and ships what changed.
//!
//! Nothing at the source is ever written. What a record means is supervision's business, what is signed is protocol's,
//! how it travels is runtime's.

pub mod capture;
pub mod config;
pub mod connector;
pub mod home;
pub mod join;
pub mod mapping;
pub mod schedule;
pub mod seal;
pub mod status;
pub mod uplink;
pub mod watch;
