//! What things are called between parties: seats, lanes, epochs, versions.

use std::fmt;

use crate::bytes::{Malformed, Put, Reader};

/// A seat: the origin of statements. A department's source system, or a node. 16 random bytes minted at invitation (D13);
/// a re-installation continues the seat.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SeatId(pub [u8; 16]);

/// Renewed whenever a node's arrival order starts anew; names a feed.
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

/// An epoch of a seat: counter and 16 random bytes (I6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// 1 at the first start.
    pub counter: u32,
    /// Tells apart two epochs that claim one counter.
    pub nonce: [u8; 16],
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
