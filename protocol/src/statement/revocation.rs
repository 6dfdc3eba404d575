//! Revocation (kind 4): from which positions on a seat's keys count for nothing.

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::Ref;
use crate::limits;
use crate::name::{LogName, Position, SeatId};

use super::{fits, read_lane, read_reached, read_references, read_seat};

/// Codes of a [`Revocation`]; others are shown as numbers.
pub mod code {
    /// The key was stolen.
    pub const STOLEN: u8 = 1;
    /// The key was lost.
    pub const LOST: u8 = 2;
    /// The seat has left.
    pub const LEFT: u8 = 3;
    /// Another seat has taken its place.
    pub const REPLACED: u8 = 4;
    /// Something else.
    pub const OTHER: u8 = 9;
}

/// A seat's keys are called back: what it said up to the listed positions stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The seat.
    pub seat: SeatId,
    /// Counts revocations of this seat; the greatest counts.
    pub serial: u32,
    /// Identities of the seat up to this serial are called back; a later one ends the revocation for its keys.
    pub through: u32,
    /// The last good header per log, ascending strictly by (lane, opening). A log that is not listed stands nowhere.
    pub logs: Vec<RevokedLog>,
    /// Statements issued under the seat's identities that stand, ascending strictly. Empty if the seat does not admit.
    pub standing: Vec<Ref>,
    /// Why; see [`code`].
    pub code: u8,
    /// The same for people, at most 255 bytes.
    pub reason: String,
    /// Identity of the issuer, or a root version.
    pub issuer: Ref,
}

/// How far a log of a revoked seat stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevokedLog {
    /// Lane.
    pub lane: u8,
    /// Opening of the epoch.
    pub opening: Ref,
    /// The last good header.
    pub last: Position,
}

impl Revocation {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.seat.0);
        out.put_u32(self.serial);
        out.put_u32(self.through);
        out.put_u8(self.logs.len() as u8);
        for log in &self.logs {
            out.put_u8(log.lane);
            log.opening.put(&mut out);
            log.last.put(&mut out);
        }
        out.put_u16(self.standing.len() as u16);
        self.standing.iter().for_each(|r| r.put(&mut out));
        out.put_u8(self.code);
        out.put_short(self.reason.as_bytes());
        self.issuer.put(&mut out);
        out
    }

    /// Reads a revocation.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "revocation");
        let (seat, serial, through) = (read_seat(&mut r)?, r.u32()?, r.u32()?);
        let n = usize::from(r.u8()?);
        if n > limits::REVOKED_LOGS_MAX {
            return Err(r.malformed());
        }
        let mut logs = Vec::new();
        for _ in 0..n {
            logs.push(RevokedLog {
                lane: read_lane(&mut r)?,
                opening: Ref::read_some(&mut r)?,
                last: read_reached(&mut r)?,
            });
        }
        let ascend = logs.is_sorted_by(|a, b| (a.lane, a.opening) < (b.lane, b.opening));
        let m = usize::from(r.u16()?);
        if !ascend || m > limits::STANDING_MAX {
            return Err(r.malformed());
        }
        let standing = read_references(&mut r, m)?;
        let revocation = Self {
            seat,
            serial,
            through,
            logs,
            standing,
            code: r.u8()?,
            reason: r.short_text()?.to_owned(),
            issuer: Ref::read_some(&mut r)?,
        };
        r.finish()?;
        Ok(revocation)
    }

    /// Whether the text of a reason can be stated.
    pub fn reason_fits(text: &str) -> bool {
        fits(text, usize::from(u8::MAX))
    }

    /// How far a log stands: its last good header, or nothing.
    pub fn last(&self, log: &LogName) -> Option<Position> {
        let of_log = |l: &&RevokedLog| l.lane == log.lane as u8 && l.opening == log.opening;
        self.logs.iter().find(of_log).map(|l| l.last)
    }

    /// Whether any log of an epoch stands.
    pub fn names_epoch(&self, opening: &Ref) -> bool {
        self.logs.iter().any(|log| log.opening == *opening)
    }

    /// Whether a statement that was issued under the seat's identities stands.
    pub fn lets_stand(&self, reference: &Ref) -> bool {
        self.standing.binary_search(reference).is_ok()
    }

    /// The last good headers of one epoch by lane: the true ends when it is closed.
    pub fn ends(&self, opening: &Ref) -> Vec<(u8, Position)> {
        self.logs
            .iter()
            .filter(|log| log.opening == *opening)
            .map(|log| (log.lane, log.last))
            .collect()
    }
}
