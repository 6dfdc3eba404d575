//! Admission: how a newcomer with a code gets in, as bytes and checks. Who carries them and who decides is elsewhere.
//!
//! The newcomer says nothing until the server has proven, on this very connection, that it belongs to the authority that the
//! code names and is the seat that issued it. The server uses nothing up before the newcomer's keys are proven.

pub mod code;
pub mod exchange;
pub mod newcomer;
pub mod server;

use crate::hash::{self, Hash};

/// Bytes of the one-time secret.
pub const SECRET_BYTES: usize = 10;

/// What a server keeps of a secret; never the secret itself.
pub fn secret_hash(secret: &[u8; SECRET_BYTES]) -> Hash {
    hash::sha256(&[secret])
}

/// Whether two hashes are the same, in a time that does not tell how far they agree.
pub fn same(a: &Hash, b: &Hash) -> bool {
    a.0.iter().zip(b.0).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
}
