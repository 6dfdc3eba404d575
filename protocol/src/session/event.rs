//! What a session tells its caller, and what the caller answers.

use crate::bytes::Malformed;
use crate::frame::{
    CLASSES, Cursor, Digest, FrameFault, Goodbye, Health, Hello, Interest, Item, LogEntry, LogsEnd,
    PageCode, Resume, Scope, Token, Want,
};
use crate::hash::Ref;
#[cfg(doc)]
use crate::session::Session;

/// What the caller says when it believes the peer's hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// How far we have stored the peer's feed, if we know it under the incarnation that its hello names.
    pub cursors: Option<[Cursor; CLASSES]>,
    /// What we want from it.
    pub interest: Interest,
    /// Envelopes that the peer has signed and those of nodes above it; see [`Resume::words`].
    pub words: Vec<Vec<u8>>,
    /// All logs of the seats in the peer's hello and of the seats below them, a tip each.
    pub logs: Vec<LogEntry>,
    /// Whether that list lacks what only the city knows (D80).
    pub without_city: bool,
    /// What we hold of statements.
    pub digest: Digest,
}

/// What the caller is to do. Each event names the call that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer said hello. Check it with [`Hello::verify`], then [`Session::accept`] or [`Session::refuse`].
    Hello(Hello),
    /// Both sides have accepted. Judge what the resume shows, then [`Session::begin`]. Cursors are zero if they belong to
    /// another incarnation than ours.
    Established(Resume),
    /// The peer wants something else from our feed from now on. Pages that are read from here on are for this.
    InterestChanged(Interest),
    /// Read our feed: items of this class behind `after` and not behind `upto`, for the peer's interest, of at most about
    /// `bytes_max`. Answer with [`Session::handle_page`].
    ReadFeed {
        /// Class.
        class: u8,
        /// Cursor.
        after: u64,
        /// Do not go further than this; `None` for the class that bounds the others.
        upto: Option<u64>,
        /// About so many bytes.
        bytes_max: u64,
        /// Number of the read: give it back.
        read: u32,
    },
    /// The peer has begun its feed of this class anew, since our cursor is not one of it (D85): what comes next takes the
    /// place of our cursor, downwards too.
    FeedAnew {
        /// Class.
        class: u8,
    },
    /// Verify and store these items together with the cursor, durably. Answer with [`Session::handle_taken`]; several of
    /// one class may be open and are answered in order. An item that is refused for its bytes: [`Session::refuse_item`].
    TakeIn {
        /// Class.
        class: u8,
        /// Items in order, each with its offset.
        items: Vec<(u64, Item)>,
        /// The cursor behind them.
        through: Cursor,
        /// Version of our interest by which they were chosen.
        interest: u32,
    },
    /// Receipts and feed heads of the peer and of those above it.
    Receipts(Vec<Vec<u8>>),
    /// State of logs: after the greeting the complete list, in one or several of these, later news.
    Logs {
        /// Entries.
        entries: Vec<LogEntry>,
        /// Whether the list is complete with these.
        end: LogsEnd,
    },
    /// How seats are, by the peer's word.
    Health(Vec<Health>),
    /// What the peer holds of statements.
    Digest(Digest),
    /// The peer wants to know which statements we hold. Answer with [`Session::handle_statements`].
    ServeStatements {
        /// Of this scope.
        scope: Scope,
        /// Behind this one.
        after: Ref,
    },
    /// Which statements the peer holds: the answer to [`Session::ask_statements`].
    Statements {
        /// Of this scope.
        scope: Scope,
        /// Ascending.
        references: Vec<Ref>,
        /// Whether there are no more behind these.
        last: bool,
    },
    /// The peer wants a page. Answer with [`Session::handle_want_page`].
    ServeWant {
        /// The want's number.
        number: u64,
        /// What.
        want: Want,
        /// Where the last page ended.
        place: Vec<u8>,
    },
    /// A page of what we wanted. Store it; go on with [`Session::want`] at `next`, or be done.
    WantPage {
        /// The want's number.
        number: u64,
        /// What it comes to.
        code: PageCode,
        /// Offset of the peer's feed at which it was built.
        built_at: u64,
        /// Items.
        items: Vec<Item>,
        /// Where to go on; `None` at the end.
        next: Option<Vec<u8>>,
    },
    /// The peer has refused an item of our feed for its bytes; the session ends. Note it durably, raise an alarm, and name
    /// it to [`Session::begin`] from now on.
    Refused {
        /// Class.
        class: u8,
        /// Offset.
        offset: u64,
    },
    /// The conversation is over.
    Closed(Goodbye),
}

/// A page of our feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Items with their offsets, ascending, each with the token of its transaction.
    pub items: Vec<(u64, Token, Item)>,
    /// Everything of this class up to here is in `items` or does not concern the peer. Not below the last item.
    pub through: u64,
    /// The token of the transaction that made `through`.
    pub token: Token,
    /// Whether there was more than fitted.
    pub more: bool,
}

/// What a want of the peer comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it is given.
    pub code: PageCode,
    /// Offset of our feed at which it was built.
    pub built_at: u64,
    /// Items.
    pub items: Vec<Item>,
    /// Where to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
    /// The one entry of a [`Want::Header`]: it is said in front of the page.
    pub header: Option<LogEntry>,
}

impl Answer {
    /// An answer that gives nothing.
    pub const fn none(code: PageCode) -> Self {
        Self {
            code,
            built_at: 0,
            items: Vec::new(),
            next: None,
            header: None,
        }
    }
}

/// The peer broke the rules of the conversation: it is at fault and the session ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerMisbehaved {
    /// A frame that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A frame at a time or with a content that the conversation does not allow.
    #[error("peer broke the conversation: {0}")]
    Conversation(&'static str),
    /// An item of its feed that cannot be read: it is named in the goodbye, so that it is skipped.
    #[error("peer sent an item at offset {offset} of class {class} that cannot be read: {what}")]
    Item {
        /// Class.
        class: u8,
        /// Offset.
        offset: u64,
        /// What is wrong.
        what: Malformed,
    },
}

impl From<FrameFault> for PeerMisbehaved {
    fn from(fault: FrameFault) -> Self {
        match fault {
            FrameFault::Frame(what) => Self::Malformed(what),
            FrameFault::Item {
                class,
                offset,
                what,
            } => Self::Item {
                class,
                offset,
                what,
            },
        }
    }
}

/// Urgency of a frame on the carrier: 0 control and lane 0, 1 and 2 the lanes, 3 answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Urgency.
    pub priority: u8,
    /// The frame's bytes.
    pub bytes: Vec<u8>,
}
