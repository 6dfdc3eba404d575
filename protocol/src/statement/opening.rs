//! Opening of an epoch (kind 5): one for all lanes of a seat (D6).

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::Ref;
use crate::limits;
use crate::name::{InstanceId, Position, SeatId};

use super::{put_positions, read_positions, read_references, read_seat};

/// An epoch begins. The first header of each lane has its reference as previous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochOpening {
    /// The seat.
    pub seat: SeatId,
    /// Counts the seat's epochs, from 1.
    pub counter: u32,
    /// Drawn at random, so that no two openings are alike.
    pub nonce: [u8; 16],
    /// Identity that it is signed under.
    pub identity: Ref,
    /// Instance that opened it (D16).
    pub instance: InstanceId,
    /// Last header known of the epoch before, by lane, ascending strictly; a lane that had none is left out. At these
    /// positions and below, the chain that ends there stands and every other header is void (D80).
    pub last_known: Vec<(u8, Position)>,
    /// Openings of the counter before that the seat itself declares void (D84), ascending strictly.
    pub void: Vec<Ref>,
}

impl EpochOpening {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.put(&self.seat.0);
        out.put_u32(self.counter);
        out.put(&self.nonce);
        self.identity.put(&mut out);
        out.put(&self.instance.0);
        put_positions(&self.last_known, &mut out);
        out.put_u8(self.void.len() as u8);
        self.void.iter().for_each(|r| r.put(&mut out));
        out
    }

    /// Reads an opening.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "opening of an epoch");
        let (seat, counter, nonce) = (read_seat(&mut r)?, r.u32()?, r.array()?);
        let (identity, instance) = (Ref::read_some(&mut r)?, InstanceId(r.array()?));
        let last_known = read_positions(&mut r)?;
        let m = usize::from(r.u8()?);
        if m > limits::VOID_OPENINGS_MAX {
            return Err(r.malformed());
        }
        let void = read_references(&mut r, m)?;
        let fits = match counter {
            0 => false,
            1 => last_known.is_empty() && void.is_empty(),
            _ => true,
        };
        if !fits {
            return Err(r.malformed());
        }
        r.finish()?;
        Ok(Self {
            seat,
            counter,
            nonce,
            identity,
            instance,
            last_known,
            void,
        })
    }

    /// The last known header of a lane of the epoch before.
    pub fn last_known(&self, lane: u8) -> Position {
        let of_lane = |(number, _): &&(u8, Position)| *number == lane;
        let found = self.last_known.iter().find(of_lane);
        found.map_or(Position::START, |(_, position)| *position)
    }
}
