//! Closing of an epoch (kind 6): where its logs truly end and what of them nobody can give back (D57).

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::Ref;
use crate::limits;
use crate::name::{Position, SeatId};

use super::{fits, put_positions, read_lane, read_positions, read_seat, read_sequence};

/// An epoch that has a later one, or that of a revoked seat, is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The seat.
    pub seat: SeatId,
    /// Opening of the epoch that is closed.
    pub opening: Ref,
    /// Counts closings of this epoch; a greater one contains the ranges of the lower.
    pub serial: u32,
    /// Identity that it is signed under: the seat's, or the city's for a revoked seat.
    pub identity: Ref,
    /// True end by lane, ascending strictly.
    pub ends: Vec<(u8, Position)>,
    /// What is lost, ascending and disjoint.
    pub lost: Vec<Lost>,
    /// Whether the newest verified backup was read before (D82). If not, nothing is closed at or below a position that a
    /// receipt calls safeguarded.
    pub asked: bool,
    /// For people, at most [`limits::REASON_BYTES_MAX`] bytes.
    pub note: String,
}

/// Headers of one lane that are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// Lane.
    pub lane: u8,
    /// First sequence.
    pub from: u64,
    /// Last sequence.
    pub to: u64,
    /// The last one's header, if it is known; else zero.
    pub header: Ref,
}

impl Closing {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.seat.0);
        self.opening.put(&mut out);
        out.put_u32(self.serial);
        self.identity.put(&mut out);
        put_positions(&self.ends, &mut out);
        out.put_u16(self.lost.len() as u16);
        for lost in &self.lost {
            out.put_u8(lost.lane);
            out.put_u64(lost.from);
            out.put_u64(lost.to);
            lost.header.put(&mut out);
        }
        out.put_u8(u8::from(self.asked));
        out.put_short(self.note.as_bytes());
        out
    }

    /// Reads a closing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "closing");
        let (seat, opening) = (read_seat(&mut r)?, Ref::read_some(&mut r)?);
        let (serial, identity) = (r.u32()?, Ref::read_some(&mut r)?);
        let ends = read_positions(&mut r)?;
        let m = usize::from(r.u16()?);
        if m > limits::LOST_RANGES_MAX {
            return Err(r.malformed());
        }
        let mut lost: Vec<Lost> = Vec::new();
        for _ in 0..m {
            let range = Lost {
                lane: read_lane(&mut r)?,
                from: read_sequence(&mut r)?,
                to: read_sequence(&mut r)?,
                header: Ref::read(&mut r)?,
            };
            let behind = lost
                .last()
                .is_none_or(|last| (last.lane, last.to) < (range.lane, range.from));
            if range.from > range.to || !behind {
                return Err(r.malformed());
            }
            lost.push(range);
        }
        let (asked, note) = (r.flag()?, r.short_text()?);
        if !Self::note_fits(note) {
            return Err(r.malformed());
        }
        r.finish()?;
        Ok(Self {
            seat,
            opening,
            serial,
            identity,
            ends,
            lost,
            asked,
            note: note.to_owned(),
        })
    }

    /// Whether the text of a note can be stated.
    pub fn note_fits(text: &str) -> bool {
        fits(text, limits::REASON_BYTES_MAX)
    }

    /// Whether every range that `lower` declares lies in one of this.
    pub(crate) fn contains(&self, lower: &Self) -> bool {
        let within = |inner: &Lost| {
            self.lost.iter().any(|outer| {
                outer.lane == inner.lane && outer.from <= inner.from && inner.to <= outer.to
            })
        };
        lower.lost.iter().all(within)
    }

    /// Whether a sequence is declared lost. `safeguarded` is the greatest position of the log that any receipt known here
    /// calls safeguarded: at or below it nothing is closed before the backup was asked.
    pub fn declares(&self, lane: u8, sequence: u64, safeguarded: u64) -> bool {
        let within = |lost: &Lost| lost.lane == lane && (lost.from..=lost.to).contains(&sequence);
        (self.asked || sequence > safeguarded) && self.lost.iter().any(within)
    }
}
