//! What a city node and a district node share: the pipeline (intake, apply, fold), feeds and wants for peers, receipts, and
//! the use cases behind console and command line.
//!
//! Async steps over a [`store::Store`]: nothing here spawns a task, opens a socket or reads a clock. `now` is an argument;
//! `runtime` drives.

pub mod apply;
pub mod command;
pub mod config;
pub mod error;
pub mod feed;
pub mod fold;
pub mod home;
pub mod host;
pub mod intake;
pub mod node;
pub mod pour;
pub mod query;
pub mod receipts;
pub mod reporter;
pub mod service;
pub mod sums;
pub mod verify;

pub use node::{Node, Tier, subject_key};
