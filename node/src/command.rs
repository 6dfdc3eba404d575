//! What people and programs may do to a node: admissions, accounts, the requests of commands on the same machine.

pub mod account;
pub mod actor;
pub mod admission;
pub mod control;
pub mod join;
pub mod revoke;
pub mod rotate;
pub mod session;
pub mod view;
