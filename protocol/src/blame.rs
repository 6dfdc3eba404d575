//! Who is at fault when something signed cannot be taken: one ladder for statements, headers and slices (D50 to D54).
//!
//! Bytes under which no required signature holds are nobody's word: whoever sent them is at fault. What a seat has signed
//! and may not be is that seat's. What this release does not read, or cannot check yet, is nobody's fault.

use crate::directory::Directory;
use crate::envelope::{Envelope, kind};
use crate::hash::SUITE;
use crate::name::{Lane, SeatId};

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Whoever sent it: dropped, told by goodbye 6 with class and offset, skipped there with an alarm.
    Relay,
    /// The seat that signed it: kept as evidence; a log of its own is stopped there.
    Origin,
    /// Nobody: kept, held or dropped as its fault says; the cursor moves on.
    Nobody,
}

/// What to do with an envelope that this release does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unread {
    /// Keep it verbatim, forward it and hold its log, charged to this seat's quota
    /// ([`crate::limits::UNREAD_BYTES_PER_SEAT_MAX`]; beyond it is not stored, the cursor moves and it is counted).
    Keep(SeatId),
    /// It cannot be checked: the seat's identity itself is one that this release does not read. Dropped, counted and told.
    Uncheckable,
    /// Nobody who could have signed it has: dropped.
    Unsigned,
}

impl Unread {
    /// Whose fault it is.
    pub const fn blame(self) -> Blame {
        match self {
            Self::Keep(_) | Self::Uncheckable => Blame::Nobody,
            Self::Unsigned => Blame::Relay,
        }
    }
}

/// Whether this release reads an envelope of this name suite, kind and format, and of a header its lane. Says nothing about
/// the object's bytes: lane 3 counts as read, since it is refused by whoever reads the header.
pub fn reads(envelope: &Envelope) -> bool {
    let lane_read = envelope
        .lane()
        .is_none_or(|lane| usize::from(lane) <= Lane::ALL.len());
    envelope.name_suite == SUITE
        && (kind::ROOT..=kind::FEED_HEAD).contains(&envelope.kind)
        && envelope.format == 1
        && lane_read
}

/// What to do with an envelope that [`reads`] says is not read. A signature of the suite that this release reads must be by
/// a key in force of the seat in its first 16 bytes, or of anybody on that seat's chain of issuers up to the root; of a seat
/// that is not known yet, by anybody who may admit seats, and then it is charged to him.
pub fn judge_unread(directory: &Directory, envelope: &Envelope) -> Unread {
    let Some(seat) = envelope.seat() else {
        return Unread::Unsigned;
    };
    match directory.signer_for(&seat, envelope) {
        Some(charged) => Unread::Keep(charged),
        None if directory.is_seat_unread(&seat) => Unread::Uncheckable,
        None => Unread::Unsigned,
    }
}
