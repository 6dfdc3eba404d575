//! What it means: identifiers, divisions, record standards, conclusions, judging, the dossier. Pure.
//!
//! Nothing in this room does input or output, reads a clock or draws a random number. It knows the protocol's values and
//! entries and nothing of stores, links or pages.

pub mod conclude;
pub mod division;
pub mod dossier;
pub mod identifier;
pub mod judge;
pub mod standard;
