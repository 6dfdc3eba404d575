//! Statements: signed words about seats, their keys, epochs and logs. One file each; here is what they share.
//!
//! What is here reads and writes bytes and refuses what is wrong in itself. Whether a statement's signer may say it is the
//! [`crate::directory`]'s question.

use crate::bytes::{Malformed, Put, Reader};
use crate::envelope::{Envelope, kind};
use crate::hash::Ref;
use crate::limits;
use crate::name::{Position, SeatId};

mod activation;
mod closing;
mod erasure;
mod fork_decision;
mod identity;
mod opening;
mod revocation;
mod root;

pub use activation::{Activation, ActiveFrom};
pub use closing::{Closing, Lost};
pub use erasure::{Erasure, ErasureItem, code as erasure_code};
pub use fork_decision::{ForkDecision, Forked};
pub use identity::{BindsFrom, Identity, SeatKind, possession_bytes, possession_hash};
pub(crate) use identity::{Consent, consent, is_permitted_name};
pub use opening::EpochOpening;
pub use revocation::{Revocation, RevokedLog, code as revocation_code};
pub use root::Root;

/// The format of every statement that this release reads.
pub const FORMAT: u16 = 1;

/// A statement as it was read; nothing about its signatures is said by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Kind 1.
    Root(Root),
    /// Kind 2.
    Identity(Identity),
    /// Kind 4.
    Revocation(Revocation),
    /// Kind 5.
    Opening(EpochOpening),
    /// Kind 6.
    Closing(Closing),
    /// Kind 7.
    ForkDecision(ForkDecision),
    /// Kind 8.
    Activation(Activation),
    /// Kind 12.
    Erasure(Erasure),
}

impl Statement {
    /// Reads the object of an envelope of format 1. `None`: the kind is none of a statement that travels by itself.
    pub fn read(envelope: &Envelope) -> Option<Result<Self, Malformed>> {
        let bytes = &envelope.bytes;
        Some(match envelope.kind {
            kind::ROOT => Root::from_bytes(bytes).map(Self::Root),
            kind::IDENTITY => Identity::from_bytes(bytes).map(Self::Identity),
            kind::REVOCATION => Revocation::from_bytes(bytes).map(Self::Revocation),
            kind::OPENING => EpochOpening::from_bytes(bytes).map(Self::Opening),
            kind::CLOSING => Closing::from_bytes(bytes).map(Self::Closing),
            kind::FORK_DECISION => ForkDecision::from_bytes(bytes).map(Self::ForkDecision),
            kind::ACTIVATION => Activation::from_bytes(bytes).map(Self::Activation),
            kind::ERASURE => Erasure::from_bytes(bytes).map(Self::Erasure),
            _ => return None,
        })
    }
}

/// Reads a seat that must not be the zero seat.
fn read_seat(r: &mut Reader<'_>) -> Result<SeatId, Malformed> {
    match SeatId(r.array()?) {
        zero if zero == SeatId::default() => Err(r.malformed()),
        seat => Ok(seat),
    }
}

/// Reads a number of lane. Lane 3 is reserved and refused; lanes that this release does not read are carried.
fn read_lane(r: &mut Reader<'_>) -> Result<u8, Malformed> {
    match r.u8()? {
        3 => Err(r.malformed()),
        lane => Ok(lane),
    }
}

/// Reads a position that is not before the first header.
fn read_reached(r: &mut Reader<'_>) -> Result<Position, Malformed> {
    match Position::read(r)? {
        Position::START => Err(r.malformed()),
        position => Ok(position),
    }
}

/// Reads a sequence of a header: 1 to [`limits::POSITION_MAX`].
fn read_sequence(r: &mut Reader<'_>) -> Result<u64, Malformed> {
    match r.u64()? {
        sequence @ 1..=limits::POSITION_MAX => Ok(sequence),
        _ => Err(r.malformed()),
    }
}

/// Appends positions by lane: `n u8, n times (lane u8, position)`.
fn put_positions(positions: &[(u8, Position)], out: &mut Vec<u8>) {
    out.put_u8(positions.len() as u8);
    for (lane, position) in positions {
        out.put_u8(*lane);
        position.put(out);
    }
}

/// Reads positions by lane, lanes ascending strictly; a lane without headers is left out.
fn read_positions(r: &mut Reader<'_>) -> Result<Vec<(u8, Position)>, Malformed> {
    let n = usize::from(r.u8()?);
    if n > limits::LANES_MAX {
        return Err(r.malformed());
    }
    let mut positions = Vec::new();
    for _ in 0..n {
        positions.push((read_lane(r)?, read_reached(r)?));
    }
    let ascend = positions.is_sorted_by(|a, b| a.0 < b.0);
    ascend.then_some(positions).ok_or(r.malformed())
}

/// Reads `n` references that name something, ascending strictly.
fn read_references(r: &mut Reader<'_>, n: usize) -> Result<Vec<Ref>, Malformed> {
    let mut references = Vec::new();
    for _ in 0..n {
        references.push(Ref::read_some(r)?);
    }
    let ascend = references.is_sorted_by(|a, b| a < b);
    ascend.then_some(references).ok_or(r.malformed())
}

/// Whether a text can stand in a statement: at most `bytes_max` bytes, without U+0000.
fn fits(text: &str, bytes_max: usize) -> bool {
    text.len() <= bytes_max && !text.contains('\0')
}
