//! `verify` over real stores, as a program of its own.
#![allow(dead_code, reason = "the kit serves more than this program")]

#[path = "pipeline/kit.rs"]
mod kit;
#[path = "pipeline/verify.rs"]
mod verify;
