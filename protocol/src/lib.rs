//! What is said between parties: entries, batches, proofs, receipts, identities, conversations. Sans-IO.
//!
//! Nothing in this room opens a socket, spawns a task, reads a clock or draws a random number: time and randomness are
//! arguments. `docs/protocol.md` specifies the bytes so that a stranger can implement them.

pub mod admission;
pub mod attachment;
pub mod batch;
pub mod blame;
pub mod bytes;
pub mod code;
pub mod codec;
pub mod directory;
pub mod entry;
pub mod envelope;
pub mod feed_head;
pub mod frame;
pub mod hash;
pub mod id;
pub mod limits;
pub mod merkle;
pub mod name;
pub mod opening;
pub mod presence;
pub mod receipt;
pub mod seal;
pub mod session;
pub mod sign;
pub mod slice;
pub mod standard_hash;
pub mod statement;
pub mod value;
pub mod words;
