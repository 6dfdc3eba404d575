//! Presence (kind 11): what a seat signs on a TLS connection to show that it holds its keys there (D31). Never stored.

use crate::bytes::Put;
use crate::envelope::kind;
use crate::hash::{self, Hash, SUITE};
use crate::name::SeatId;
use crate::sign::{Keys, SigningKey, Sigs};
use crate::statement::FORMAT;

/// Bytes of the object: seat, exporter value of the connection.
pub fn bytes(seat: &SeatId, exporter: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.put(&seat.0);
    out.put(exporter);
    out
}

/// What is signed.
pub fn hash(seat: &SeatId, exporter: &[u8; 32]) -> Hash {
    hash::object(SUITE, kind::PRESENCE, FORMAT, &bytes(seat, exporter))
}

/// Signs presence with the key of the suite that this release computes.
pub fn sign(seat: &SeatId, exporter: &[u8; 32], key: &SigningKey) -> Sigs {
    Sigs::of(key.sign(&hash(seat, exporter)))
}

/// Whether every signing key of the seat is present.
pub fn verify(keys: &Keys, seat: &SeatId, exporter: &[u8; 32], signatures: &Sigs) -> bool {
    signatures.verify(keys, &hash(seat, exporter))
}
