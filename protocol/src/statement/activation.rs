//! Activation (kind 8): from where on a suite, kind or format may be used. This release stores, relays and shows it, and
//! obeys nothing.

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::Ref;
use crate::limits;
use crate::name::SeatId;

use super::{read_lane, read_sequence};

/// Something newer may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The seat; zero for all.
    pub seat: SeatId,
    /// Counts activations.
    pub serial: u32,
    /// Suite.
    pub suite: u8,
    /// Kind.
    pub kind: u8,
    /// Format.
    pub format: u16,
    /// From where, by lane, ascending strictly; only for one seat. Empty: from the seat's next epoch on.
    pub from: Vec<ActiveFrom>,
    /// Identity of the city.
    pub issuer: Ref,
}

/// From where in a lane something may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActiveFrom {
    /// Lane.
    pub lane: u8,
    /// Counter of the epoch.
    pub counter: u32,
    /// Sequence in it.
    pub sequence: u64,
}

impl Activation {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.seat.0);
        out.put_u32(self.serial);
        out.put_u8(self.suite);
        out.put_u8(self.kind);
        out.put_u16(self.format);
        out.put_u8(self.from.len() as u8);
        for from in &self.from {
            out.put_u8(from.lane);
            out.put_u32(from.counter);
            out.put_u64(from.sequence);
        }
        self.issuer.put(&mut out);
        out
    }

    /// Reads an activation.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "activation");
        let (seat, serial) = (SeatId(r.array()?), r.u32()?);
        let (suite, kind, format) = (r.u8()?, r.u8()?, r.u16()?);
        let n = usize::from(r.u8()?);
        if n > limits::LANES_MAX || (n > 0 && seat == SeatId::default()) {
            return Err(r.malformed());
        }
        let mut from = Vec::new();
        for _ in 0..n {
            let active = ActiveFrom {
                lane: read_lane(&mut r)?,
                counter: r.u32()?,
                sequence: read_sequence(&mut r)?,
            };
            if active.counter == 0 {
                return Err(r.malformed());
            }
            from.push(active);
        }
        if !from.is_sorted_by(|a, b| a.lane < b.lane) {
            return Err(r.malformed());
        }
        let issuer = Ref::read_some(&mut r)?;
        r.finish()?;
        Ok(Self {
            seat,
            serial,
            suite,
            kind,
            format,
            from,
            issuer,
        })
    }
}
