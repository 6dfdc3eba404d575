//! State of logs: what one party holds of the seats that the other speaks for and of the seats below them.

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::frame::number::{LogsEnd, Reason, State};
use crate::hash::Ref;
use crate::limits;
use crate::name::SeatId;

/// A frame of logs. Header and opening count by their own signatures; everything else is the peer's word, shown with its
/// name: it moves no cursor and lets nobody forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// Whether the list is complete with this frame.
    pub end: LogsEnd,
    /// The entries; several for a log that has several tips.
    pub entries: Vec<LogEntry>,
}

/// One tip of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The seat.
    pub seat: SeatId,
    /// The lane, as a number since later releases may know more.
    pub lane: u8,
    /// Opening of the epoch; zero if nothing of the lane was ever seen.
    pub opening: Ref,
    /// How the log is.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Since when, in microseconds since 1970 by the speaker's clock.
    pub since: i64,
    /// Sequence up to which it is taken in.
    pub taken_in: u64,
    /// Sequence up to which it is applied.
    pub applied: u64,
    /// Envelope of the highest header; empty if there is none.
    pub header: Vec<u8>,
    /// Envelope of the opening, since nobody's feed gives him his own statements back; empty if there is none.
    pub opening_envelope: Vec<u8>,
}

impl LogEntry {
    /// Bytes of the entry in a frame.
    pub fn weight(&self) -> usize {
        93 + self.header.len() + self.opening_envelope.len()
    }

    /// The log that it is about.
    pub const fn log(&self) -> (SeatId, u8, Ref) {
        (self.seat, self.lane, self.opening)
    }
}

impl Body for LogEntry {
    fn put(&self, out: &mut Vec<u8>) {
        out.put(&self.seat.0);
        out.put_u8(self.lane);
        self.opening.put(out);
        out.put_u8(self.state.number());
        out.put_u16(self.reason.number());
        out.put_i64(self.since);
        out.put_u64(self.taken_in);
        out.put_u64(self.applied);
        out.put_bytes(&self.header);
        out.put_bytes(&self.opening_envelope);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let read = Self {
            seat: SeatId(r.array()?),
            lane: r.u8()?,
            opening: Ref::read(r)?,
            state: State::of(r.u8()?),
            reason: Reason::of(r.u16()?),
            since: r.i64()?,
            taken_in: r.u64()?,
            applied: r.u64()?,
            header: codec::bytes(r, limits::ENVELOPE_WIRE_BYTES_MAX)?.to_vec(),
            opening_envelope: codec::bytes(r, limits::ENVELOPE_WIRE_BYTES_MAX)?.to_vec(),
        };
        if read.taken_in > limits::POSITION_MAX || read.applied > limits::POSITION_MAX {
            return Err(r.malformed());
        }
        Ok(read)
    }
}

impl Body for Logs {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.end.number());
        out.put_list(&self.entries, |out, entry| entry.put(out));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            end: LogsEnd::of(r.u8()?),
            entries: codec::list(r, limits::LOGS_PER_FRAME_MAX, LogEntry::read)?,
        })
    }
}
