//! Decision of a fork (kind 7): which of several signed words for one place counts.

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::Ref;
use crate::limits;
use crate::name::SeatId;

use super::{fits, read_lane, read_references, read_seat, read_sequence};

/// One place, one survivor. What hangs on the others is kept as evidence and counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkDecision {
    /// The seat that forked.
    pub seat: SeatId,
    /// Counts decisions about one place; the greatest counts.
    pub serial: u32,
    /// The place.
    pub place: Forked,
    /// What counts.
    pub survivor: Ref,
    /// What does not, ascending strictly.
    pub others: Vec<Ref>,
    /// For people, at most 255 bytes.
    pub reason: String,
    /// Identity of the issuer, or a root version.
    pub issuer: Ref,
}

/// A place at which a seat can have said two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forked {
    /// Headers at one sequence of a log.
    Header {
        /// Lane.
        lane: u8,
        /// Opening of the epoch.
        opening: Ref,
        /// Sequence.
        sequence: u64,
    },
    /// Openings of one counter.
    Opening(u32),
    /// Identities of one serial.
    Identity(u32),
}

const HEADER: u8 = 1;
const OPENING: u8 = 2;
const IDENTITY: u8 = 3;

impl ForkDecision {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.seat.0);
        out.put_u32(self.serial);
        let (what, lane, opening, place) = match self.place {
            Forked::Header {
                lane,
                opening,
                sequence,
            } => (HEADER, lane, opening, sequence),
            Forked::Opening(counter) => (OPENING, 0, Ref::ZERO, u64::from(counter)),
            Forked::Identity(serial) => (IDENTITY, 0, Ref::ZERO, u64::from(serial)),
        };
        out.put_u8(what);
        out.put_u8(lane);
        opening.put(&mut out);
        out.put_u64(place);
        self.survivor.put(&mut out);
        out.put_u8(self.others.len() as u8);
        self.others.iter().for_each(|r| r.put(&mut out));
        out.put_short(self.reason.as_bytes());
        self.issuer.put(&mut out);
        out
    }

    /// Reads a decision.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "fork decision");
        let (seat, serial) = (read_seat(&mut r)?, r.u32()?);
        let (what, lane, opening) = (r.u8()?, read_lane(&mut r)?, Ref::read(&mut r)?);
        let sequence = read_sequence(&mut r)?;
        let small = || match (lane, u32::try_from(sequence)) {
            (0, Ok(place)) if opening.is_zero() => Ok(place),
            _ => Err(r.malformed()),
        };
        let place = match what {
            HEADER if !opening.is_zero() => Forked::Header {
                lane,
                opening,
                sequence,
            },
            OPENING => Forked::Opening(small()?),
            IDENTITY => Forked::Identity(small()?),
            _ => return Err(r.malformed()),
        };
        let (survivor, n) = (Ref::read_some(&mut r)?, usize::from(r.u8()?));
        if n == 0 || n > limits::FORK_LOSERS_MAX {
            return Err(r.malformed());
        }
        let others = read_references(&mut r, n)?;
        if others.contains(&survivor) {
            return Err(r.malformed());
        }
        let decision = Self {
            seat,
            serial,
            place,
            survivor,
            others,
            reason: r.short_text()?.to_owned(),
            issuer: Ref::read_some(&mut r)?,
        };
        r.finish()?;
        Ok(decision)
    }

    /// Whether the text of a reason can be stated.
    pub fn reason_fits(text: &str) -> bool {
        fits(text, usize::from(u8::MAX))
    }
}
