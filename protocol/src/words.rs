//! The words by which parties answer for a log, each defined once: stored, known, in force, whole, owed, held, stopped.
//!
//! - **stored**: verified, in one transaction with what it needs. Whoever stores a header has its opening and the chain of
//!   its identity verified and stored.
//! - **known**: a statement of this reference is stored *and* the presented copy verifies by itself. That is what
//!   [`crate::directory::Admitted::known`] says.
//! - **in force**: of a seat's identities at a position, the greatest uncontested serial whose binds-from is not behind it
//!   ([`crate::directory::Directory::identity_at`]); now, the greatest uncontested serial that no revocation covers
//!   ([`crate::directory::Directory::identity`]).
//! - **whole**: every leaf of a batch is there and every section counts as [`is_there`].
//! - **owes in full**: see [`owes_in_full`].
//! - **held**: a log verifies in part or is not readable yet: not acknowledged, not advanced; the cursor moves on.
//! - **stopped**: the seat's own signed word is bad. Never by an unsigned or unverifiable one ([`crate::blame`]).

use crate::directory::Directory;
use crate::name::SeatId;
use crate::opening::Closed;
use crate::statement::SeatKind;

/// Whether a section of a leaf is there, so that the batch can be whole: open (`None`), or closed as erased with a stored
/// erasure that names leaf and section. Withheld, compacted, and erased without such a statement are not there.
pub const fn is_there(closed: Option<Closed>, erasure_is_stored: bool) -> bool {
    match closed {
        None => true,
        Some(Closed::Erased) => erasure_is_stored,
        Some(Closed::Withheld | Closed::Compacted) => false,
    }
}

/// Whether `holder` owes the logs of `origin` in full: the city all; a district its own and those of the seats whose node it
/// is; an agent its own. Only such a holder says receipts, wants ranges and knows gaps; everybody else has parts (D48).
pub fn owes_in_full(directory: &Directory, holder: &SeatId, origin: &SeatId) -> bool {
    let Some(identity) = directory.newest_identity(holder) else {
        return false;
    };
    match identity.identity().kind {
        SeatKind::City => true,
        SeatKind::District => directory
            .newest_identity(origin)
            .is_some_and(|origin| origin.identity().node == *holder),
        SeatKind::Department => holder == origin,
    }
}

/// Reasons why a log is held, stopped or has a gap, and other states that parties tell each other. Numbers are permanent;
/// others are shown as numbers.
pub mod reason {
    /// Its identity is not known here.
    pub const IDENTITY_UNKNOWN: u16 = 1;
    /// Its opening is not known here.
    pub const OPENING_UNKNOWN: u16 = 2;
    /// It is not read by this release.
    pub const UNREAD: u16 = 3;
    /// Headers are missing.
    pub const GAP: u16 = 4;
    /// Two headers at one position.
    pub const TWO_HEADERS: u16 = 5;
    /// Two openings of one counter.
    pub const TWO_OPENINGS: u16 = 6;
    /// The counter of an epoch was skipped.
    pub const COUNTER_SKIPPED: u16 = 7;
    /// The origin sealed what may not be.
    pub const SEALED_WRONGLY: u16 = 8;
    /// The seat is revoked.
    pub const REVOKED: u16 = 9;
    /// Over a quota.
    pub const OVER_QUOTA: u16 = 10;
    /// Sections are closed that should be open.
    pub const SECTIONS_CLOSED: u16 = 11;
    /// The rest of the former epoch is not here yet.
    pub const WAITS_FOR_FORMER_EPOCH: u16 = 12;
    /// The key is not the one that binds at this position.
    pub const KEY_NO_LONGER_BINDS: u16 = 13;
    /// The disk.
    pub const DISK: u16 = 14;
    /// Two identities of one serial.
    pub const TWO_IDENTITIES: u16 = 15;
    /// The tail is being taken back (D92).
    pub const TAKING_TAIL_BACK: u16 = 16;
    /// The verified backup is being read (D82).
    pub const READING_BACKUP: u16 = 17;
    /// A source cannot be read, or something it shows is not taken.
    pub const SOURCE: u16 = 18;
    /// Clocks are far apart.
    pub const CLOCK: u16 = 19;
    /// A part of the program does not do its work.
    pub const WORKER: u16 = 20;
}
