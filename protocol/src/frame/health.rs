//! Health: how a seat is, by its own word or as its node relays it. The latest counts; it is never an entry.

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::frame::number::{Figure, Reason, State};
use crate::limits;
use crate::name::SeatId;

/// How a seat is. The speaker's word and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The seat.
    pub seat: SeatId,
    /// Since when, in microseconds since 1970 by the clock of whom it is about.
    pub since: i64,
    /// How it is as a whole.
    pub state: State,
    /// Why it is not well; empty if nothing is wrong.
    pub reasons: Vec<Reason>,
    /// Figures, in any order.
    pub figures: Vec<(Figure, i64)>,
    /// Release of its program.
    pub release: String,
    /// Whether the speaker says it on behalf of another.
    pub relayed: bool,
}

impl Body for Health {
    fn put(&self, out: &mut Vec<u8>) {
        out.put(&self.seat.0);
        out.put_i64(self.since);
        out.put_u8(self.state.number());
        out.put_list(&self.reasons, |out, r| out.put_u16(r.number()));
        out.put_list(&self.figures, |out, (figure, value)| {
            out.put_u8(figure.number());
            out.put_i64(*value);
        });
        out.put_bytes(self.release.as_bytes());
        out.put_u8(u8::from(self.relayed));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            seat: SeatId(r.array()?),
            since: r.i64()?,
            state: State::of(r.u8()?),
            reasons: codec::list(r, limits::HEALTH_REASONS_MAX, |r| Ok(Reason::of(r.u16()?)))?,
            figures: codec::list(r, limits::HEALTH_FIGURES_MAX, |r| {
                Ok((Figure::of(r.u8()?), r.i64()?))
            })?,
            release: codec::text(r, limits::RELEASE_BYTES_MAX)?,
            relayed: r.flag()?,
        })
    }
}

/// Body of a frame of health: at most [`limits::HEALTH_SEATS_MAX`] seats.
pub(super) fn put_all(all: &[Health], out: &mut Vec<u8>) {
    out.put_list(all, |out, health| health.put(out));
}

pub(super) fn read_all(r: &mut Reader<'_>) -> Result<Vec<Health>, Malformed> {
    codec::list(r, limits::HEALTH_SEATS_MAX, Health::read)
}
