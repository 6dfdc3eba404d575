//! Admission over real stores: one code lets one in, codes and seats are called back, keys are replaced.

mod codes;
mod desk;
mod home;
#[path = "../pipeline/kit.rs"]
#[allow(dead_code, reason = "what only the tests of the pipeline use")]
mod kit;
mod renewal;
mod revoked;
