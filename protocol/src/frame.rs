//! Frames: what a session puts on a carrier. Frozen shapes; a later version stands beside, never instead.
//!
//! Frames are not signed. What is signed travels in them as envelopes and slice bodies, byte for byte.

use bincode::{Decode, Encode};

use crate::bytes::Malformed;
use crate::directory::{self, Directory, VerifiedIdentity};
use crate::envelope::Envelope;
use crate::limits;
use crate::name::{FeedId, InstanceId, SeatId};

/// Lowest and highest frame version of this release.
pub const VERSIONS: (u8, u8) = (1, 1);

/// Classes of a feed: lane 0, 1, 2, each with a cursor of its own (D19).
pub const CLASSES: usize = 3;

/// Everything that one party says to another.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Frame {
    /// First from both sides: who is here.
    Hello(Hello),
    /// After the other's hello was accepted: from where to go on.
    Resume(Resume),
    /// One item of the sender's feed.
    Feed(Feed),
    /// How far the receiver has stored, and how much may be under way.
    Ack(Ack),
    /// Signed receipts, newest per log.
    Receipts(Vec<Vec<u8>>),
    /// The receiver asks for something out of turn, one page at a time.
    Want(WantFrame),
    /// A page of what was wanted.
    WantPage(WantPage),
    /// Orderly end with its reason.
    Goodbye(Goodbye),
}

/// Who is here.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// Lowest frame version understood.
    pub frame_min: u8,
    /// Highest frame version understood.
    pub frame_max: u8,
    /// Drawn at start of the process.
    pub instance: [u8; 16],
    /// The sender's feed.
    pub feed: [u8; 16],
    /// Seats that speak through this connection, each with proof. The first is the party's own.
    pub seats: Vec<Presence>,
    /// Directory statements that let the other side check the seats.
    pub directory: Vec<Vec<u8>>,
}

/// Proof that a seat's key is present on this TLS connection (D31).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Presence {
    /// The seat.
    pub seat: [u8; 16],
    /// Its signature over the connection's exporter value.
    pub signature: [u8; 64],
}

/// From where to go on, and what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resume {
    /// The other side's feed that the cursors belong to; all zero when none is known.
    pub feed: [u8; 16],
    /// Stored up to here, per class.
    pub cursors: [u64; CLASSES],
    /// What is wanted from the feed.
    pub interest: Interest,
    /// Bytes that may be under way per class.
    pub window: u64,
}

/// What a receiver wants from a feed: numbered classes, never conditions (D24).
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Interest {
    /// Raised with every change.
    pub version: u32,
    /// Everything that is not marked local: upwards.
    pub full: bool,
    /// Regions whose entities are wanted.
    pub regions: Vec<String>,
    /// Seats whose addressed entries are wanted.
    pub seats: Vec<[u8; 16]>,
    /// Entries for every district.
    pub city_wide: bool,
}

/// One step of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Feed {
    /// Class.
    pub class: u8,
    /// The cursor that this follows; a receiver that is not there ignores it.
    pub after: u64,
    /// The cursor behind it.
    pub offset: u64,
    /// Class 0 must be stored up to here first.
    pub directory: u64,
    /// What it carries; nothing when the cursor moves over what does not concern the receiver.
    pub item: Option<Item>,
}

/// What a feed or a want page carries.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Item {
    /// A directory statement's envelope.
    Envelope(Vec<u8>),
    /// A slice.
    Slice {
        /// The header's envelope.
        header: Vec<u8>,
        /// The body, packed.
        body: Vec<u8>,
    },
    /// A routing event (D25).
    Routed(Routed),
}

/// An entity's conclusion changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Routed {
    /// Tagged subject.
    pub subject: String,
    /// Former region, empty if there was none.
    pub from: String,
    /// Region from now on.
    pub to: String,
}

/// How far the receiver has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Ack {
    /// Class.
    pub class: u8,
    /// Durable up to here.
    pub offset: u64,
    /// Bytes that may be under way.
    pub window: u64,
}

/// A want under its number.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WantFrame {
    /// Number that the receiver gave.
    pub id: u64,
    /// What is wanted.
    pub want: Want,
    /// Where the last page ended; empty for the first.
    pub resume: Vec<u8>,
}

/// What can be wanted (D21). Numbers of variants are permanent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Want {
    /// Everything held about a subject.
    Subject(String),
    /// A range of a log: seat, lane, opening, first and last sequence.
    Range {
        /// Seat.
        seat: [u8; 16],
        /// Lane.
        lane: u8,
        /// Opening of the epoch.
        opening: [u8; 32],
        /// First sequence.
        from: u64,
        /// Last sequence; 0 for "to the end".
        to: u64,
    },
}

/// A page of what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WantPage {
    /// The want's number.
    pub id: u64,
    /// The page's place: the `resume` that it answers.
    pub resumed: Vec<u8>,
    /// Its items.
    pub items: Vec<Item>,
    /// Where to go on; nothing when this was the last page.
    pub next: Option<Vec<u8>>,
}

/// Orderly end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Goodbye {
    /// Reason as a stable code.
    pub code: u8,
    /// The same for people.
    pub text: String,
}

/// Reasons of a [`Goodbye`].
pub mod reason {
    /// The process ends in good order.
    pub const SHUTDOWN: u8 = 0;
    /// No frame version in common.
    pub const VERSION: u8 = 1;
    /// The peer is not admitted, or its proof failed.
    pub const NOT_ADMITTED: u8 = 2;
    /// The peer broke the protocol.
    pub const MISBEHAVED: u8 = 3;
    /// A newer session of the same instance has taken over.
    pub const FENCED: u8 = 4;
    /// The peer pushed what lies outside of its jurisdiction (D23).
    pub const JURISDICTION: u8 = 5;
}

impl Item {
    /// Bytes that the item takes under way, about.
    pub fn weight(&self) -> u64 {
        64 + match self {
            Self::Envelope(b) => b.len() as u64,
            Self::Slice { header, body } => (header.len() + body.len()) as u64,
            Self::Routed(r) => (r.subject.len() + r.from.len() + r.to.len()) as u64,
        }
    }
}

/// Why a hello was not believed. Told to people at both ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloFault {
    /// No frame version in common.
    #[error("双方没有共同的协议版本，对端为 {0} 至 {1}")]
    Version(u8, u8),
    /// No or too many seats.
    #[error("出示了 {0} 个席位，数量不符合约定")]
    Seats(usize),
    /// A seat that nobody here has admitted.
    #[error("席位 {0} 未获准入网")]
    NotAdmitted(SeatId),
    /// A seat whose key is not there.
    #[error("席位 {0} 未能证明持有其密钥")]
    NotProven(SeatId),
    /// A directory statement in the hello is broken.
    #[error("出示的名录声明已损坏：{0}")]
    Directory(Malformed),
}

impl Hello {
    /// Takes up the hello's directory statements as far as they verify, then checks that every seat is admitted and proves
    /// its key on this connection. Returns the seats' identities, the party's own first.
    pub fn verify(
        &self,
        directory: &mut Directory,
        exporter: &[u8; 32],
    ) -> Result<Vec<VerifiedIdentity>, HelloFault> {
        if self.frame_min > VERSIONS.1 || self.frame_max < VERSIONS.0 {
            return Err(HelloFault::Version(self.frame_min, self.frame_max));
        }
        if self.seats.is_empty() || self.seats.len() > limits::HELLO_SEATS_MAX {
            return Err(HelloFault::Seats(self.seats.len()));
        }
        for bytes in self.directory.iter().take(limits::HELLO_ENVELOPES_MAX) {
            let envelope = Envelope::from_bytes(bytes).map_err(HelloFault::Directory)?;
            // what does not verify is not believed; whether it matters shows at the seats below
            let _ = directory.admit(&envelope);
        }
        self.seats
            .iter()
            .map(|p| {
                let seat = SeatId(p.seat);
                let identity = directory
                    .identity(&seat)
                    .ok_or(HelloFault::NotAdmitted(seat))?;
                let proof = directory::presence(exporter, &seat);
                if !identity.identity().key.verifies(&proof, &p.signature) {
                    return Err(HelloFault::NotProven(seat));
                }
                Ok(identity.clone())
            })
            .collect()
    }

    /// The instance.
    pub const fn instance_id(&self) -> InstanceId {
        InstanceId(self.instance)
    }

    /// The sender's feed.
    pub const fn feed_id(&self) -> FeedId {
        FeedId(self.feed)
    }
}
