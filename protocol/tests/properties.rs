//! What holds for all inputs: bytes have one meaning and a meaning has one byte string; proofs, openings and slices verify
//! however they are cut, and nothing verifies that was changed.

mod sample;

#[path = "properties/bytes.rs"]
mod bytes;
#[path = "properties/slices.rs"]
mod slices;
#[path = "properties/trees.rs"]
mod trees;
#[path = "properties/values.rs"]
mod values;
