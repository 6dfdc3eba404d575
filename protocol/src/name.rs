//! What things are called between parties: seats, lanes, epochs, versions.

use std::fmt;

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::Ref;
use crate::limits;

/// A seat: the origin of statements. A department's source system, or a node. 16 random bytes minted at invitation (D13);
/// a re-installation continues the seat.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SeatId(pub [u8; 16]);

/// Renewed whenever a node's arrival order starts anew; names a feed. The 16 bytes of an [`Incarnation`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedId(pub [u8; 16]);

/// Drawn at every start of a process (D16).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct InstanceId(pub [u8; 16]);

macro_rules! hex_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
        impl $name {
            /// Reads the 32 hexadecimal digits that `Display` writes.
            pub fn from_hex(text: &str) -> Option<Self> {
                from_hex(text).map(Self)
            }
        }
    };
}
hex_name!(SeatId);
hex_name!(FeedId);
hex_name!(InstanceId);

/// Reads exactly `2 * N` hexadecimal digits, of either case since people type them; no sign, no space.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; N];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(out)
}

/// The three lanes of a seat, each a log of its own. Nothing is promised between lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Directory and identity.
    Directory = 0,
    /// Cases and what people wait for.
    Cases = 1,
    /// Records.
    Records = 2,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 3] = [Self::Directory, Self::Cases, Self::Records];

    /// The lane of a number.
    pub const fn from_u8(v: u8) -> Option<Self> {
        match v {
            0 => Some(Self::Directory),
            1 => Some(Self::Cases),
            2 => Some(Self::Records),
            _ => None,
        }
    }

    /// The lane as an index into per-lane arrays.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A log: a lane of a seat within one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    /// The seat.
    pub seat: SeatId,
    /// The lane.
    pub lane: Lane,
    /// Reference of the epoch's opening.
    pub opening: Ref,
}

/// A position in a log: sequence and reference of that header; 0 and the zero reference before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Sequence, 0 for none, at most [`limits::POSITION_MAX`].
    pub sequence: u64,
    /// Reference of the header; zero exactly if the sequence is 0.
    pub header: Ref,
}

impl Position {
    /// Before the first header.
    pub const START: Self = Self {
        sequence: 0,
        header: Ref::ZERO,
    };

    /// Appends the position: `sequence u64, ref`.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.put_u64(self.sequence);
        self.header.put(out);
    }

    /// Reads a position; sequence 0 goes exactly with the zero reference.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let read = Self {
            sequence: r.u64()?,
            header: Ref::read(r)?,
        };
        if (read.sequence == 0) != read.header.is_zero() || read.sequence > limits::POSITION_MAX {
            return Err(r.malformed());
        }
        Ok(read)
    }
}

/// Which life of a node's store speaks: a greater one replaces what a lesser one promised (D59). No clock decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Incarnation {
    /// Grows with every life, at most [`limits::POSITION_MAX`].
    pub counter: u64,
    /// Tells two lives of one counter apart; the id of the node's feed.
    pub feed: FeedId,
}

impl Incarnation {
    /// Bytes: `counter u64, [16]`.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..8].copy_from_slice(&self.counter.to_be_bytes());
        out[8..].copy_from_slice(&self.feed.0);
        out
    }

    /// Appends [`Incarnation::to_bytes`].
    pub fn put(self, out: &mut Vec<u8>) {
        out.put(&self.to_bytes());
    }

    /// Reads an incarnation.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let read = Self {
            counter: r.u64()?,
            feed: FeedId(r.array()?),
        };
        if read.counter > limits::POSITION_MAX {
            return Err(r.malformed());
        }
        Ok(read)
    }
}

/// Version of an image: epoch counter, sequence, index in the batch. Only a greater version is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version {
    /// Epoch counter of the origin.
    pub epoch: u32,
    /// Sequence of the header within lane and epoch.
    pub sequence: u64,
    /// Index of the leaf in the batch.
    pub index: u32,
}

impl Version {
    /// Bytes of a version; their bytewise order is the order of versions.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..4].copy_from_slice(&self.epoch.to_be_bytes());
        out[4..12].copy_from_slice(&self.sequence.to_be_bytes());
        out[12..].copy_from_slice(&self.index.to_be_bytes());
        out
    }

    /// Appends [`Version::to_bytes`].
    pub fn put(self, out: &mut Vec<u8>) {
        out.put(&self.to_bytes());
    }

    /// Reads what [`Version::put`] wrote.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            epoch: r.u32()?,
            sequence: r.u64()?,
            index: r.u32()?,
        })
    }
}

/// Hybrid logical time: 48 bits of milliseconds since 1970 and a 16-bit counter. For people and for tracing; nothing is
/// ordered, refused or expired by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HybridTime(pub u64);

impl HybridTime {
    /// A remote time further ahead than this is not merged: one wrong clock must not drag everybody's times with it.
    pub const AHEAD_MAX_MS: u64 = 10 * 60 * 1000;

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// The next time to stamp with, given the wall clock.
    pub fn tick(self, now_ms: u64) -> Self {
        let wall = now_ms << 16;
        Self(if wall > self.0 { wall } else { self.0 + 1 })
    }

    /// Takes a remote time into account, unless it is too far ahead of the wall clock; then returns `None` and the
    /// remote clock deserves a flag.
    pub fn merge(self, remote: Self, now_ms: u64) -> Option<Self> {
        (remote.millis() <= now_ms + Self::AHEAD_MAX_MS).then(|| Self(self.0.max(remote.0)))
    }
}
