//! What a session asks of the room that runs it: node and agent implement [`Host`].

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use protocol::frame::{
    Cursor, Digest, GoodbyeCode, Health, Hello, Interest, Item, LogEntry, LogsEnd, PageCode,
    Resume, Scope, Want,
};
use protocol::hash::Ref;
use protocol::name::SeatId;
use protocol::session::{Acceptance, Answer, Page};

use super::driver::SessionEnd;
use super::registry::{Ask, Handle};

/// The connection that a hello belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// What both sides' presence signatures are over.
    pub exporter: [u8; 32],
    /// SHA-256 of the peer's TLS key.
    pub peer_key: [u8; 32],
}

/// How our feed begins for a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Beginning {
    /// Whether it begins anew, since a cursor of the peer or its token is not one of our feed (D85).
    pub anew: bool,
    /// Items that the peer has refused for their bytes, by class and offset: left out (D51).
    pub skip: BTreeSet<(u8, u64)>,
}

/// A group of the peer's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Class.
    pub class: u8,
    /// Items in order, each with its offset.
    pub items: Vec<(u64, Item)>,
    /// The cursor behind them.
    pub through: Cursor,
    /// Version of our interest by which they were chosen.
    pub interest: u32,
}

/// A page of what we wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// What it comes to.
    pub code: PageCode,
    /// Offset of the peer's feed at which it was built.
    pub built_at: u64,
    /// Items.
    pub items: Vec<Item>,
    /// Where to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// What to read from our feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRequest {
    /// Class.
    pub class: u8,
    /// Behind this cursor.
    pub after: u64,
    /// Not further than this.
    pub upto: Option<u64>,
    /// About so many bytes.
    pub bytes_max: u64,
    /// What the peer stated that it takes. It comes with each request, because it may change while the session stands.
    pub interest: Arc<Interest>,
}

/// Why the host ends a session. What a text says the peer's people read, but for [`HostFault::Here`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// The peer is at fault; it is told.
    #[error("{text}")]
    Peer {
        /// Why.
        code: GoodbyeCode,
        /// What it did, for people.
        text: String,
    },
    /// One item of the peer's feed is refused for its bytes; the peer is told which, skips it and comes again.
    #[error("{text}")]
    Item {
        /// Class.
        class: u8,
        /// Offset.
        offset: u64,
        /// What is wrong, for people.
        text: String,
    },
    /// We are at fault (the store does not answer, the disk is full); the peer may come back later. Why, our own people read.
    #[error("{0}")]
    Here(String),
}

/// Answers a session's questions. Futures are run beside each other, so they must not rely on being polled in turn. But what
/// the peer gives and asks is handed over only after [`Host::established`] has ended; calls of [`Host::take_in`] for one class
/// are made one after the other, in order, and so are those for the peer's words: [`Host::receipts`], [`Host::logs`],
/// [`Host::health`], [`Host::digest`], [`Host::statements`], [`Host::want_page`].
pub trait Host: Send + Sync + 'static {
    /// What the host knows about an authenticated peer.
    type Peer: Clone + Send + Sync + 'static;

    /// Our hello on this connection, with our presence signed over its exporter.
    fn introduce(&self, channel: Channel) -> impl Future<Output = Result<Hello, HostFault>> + Send;

    /// Whether to believe the peer's hello; and as whom: its own seat, by which an older session is fenced. What the hello
    /// needed to be believed has been taken in durably when this returns.
    fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> impl Future<Output = Result<(SeatId, Self::Peer), HostFault>> + Send;

    /// From where to go on, and what we say at the greeting. Called when no older session of this peer is storing any more.
    fn accept(
        &self,
        peer: &Self::Peer,
    ) -> impl Future<Output = Result<Acceptance, HostFault>> + Send;

    /// Both sides have accepted; the peer resumes from here and wants this. The handle speaks to the session until it ends.
    /// Our feed is read from when this returns.
    fn established(
        &self,
        peer: &Self::Peer,
        resume: Resume,
        handle: Handle,
    ) -> impl Future<Output = Result<Beginning, HostFault>> + Send;

    /// The peer has begun its feed of a class anew, since our cursor is not one of it: what is stored of that cursor is
    /// forgotten. Called before the first group of that feed is given to [`Host::take_in`].
    fn feed_anew(
        &self,
        _peer: &Self::Peer,
        _class: u8,
    ) -> impl Future<Output = Result<(), HostFault>> + Send {
        std::future::ready(Ok(()))
    }

    /// The peer has refused an item of our feed for its bytes; the session ends. It is noted durably when this returns: the
    /// next session begins after that and names it in [`Beginning::skip`].
    fn refused(
        &self,
        peer: &Self::Peer,
        class: u8,
        offset: u64,
        text: String,
    ) -> impl Future<Output = ()> + Send;

    /// A page of our feed for this peer's interest.
    fn read_feed(
        &self,
        peer: &Self::Peer,
        request: FeedRequest,
    ) -> impl Future<Output = Result<Page, HostFault>> + Send;

    /// The peer has stored our feed of this class up to here, and says so by its cursor.
    fn acknowledged(
        &self,
        _peer: &Self::Peer,
        _class: u8,
        _through: u64,
    ) -> impl Future<Output = Result<(), HostFault>> + Send {
        std::future::ready(Ok(()))
    }

    /// Verify and store a group together with the cursor behind it, durably.
    fn take_in(
        &self,
        peer: &Self::Peer,
        group: Group,
    ) -> impl Future<Output = Result<(), HostFault>> + Send;

    /// Receipts and feed heads of the peer and of those above it.
    fn receipts(
        &self,
        peer: &Self::Peer,
        receipts: Vec<Vec<u8>>,
    ) -> impl Future<Output = Result<(), HostFault>> + Send;

    /// The peer's word on the state of logs: after the greeting the complete list, in one or several calls of which the last
    /// says that it is complete; later news of one log or several.
    fn logs(
        &self,
        peer: &Self::Peer,
        entries: Vec<LogEntry>,
        end: LogsEnd,
    ) -> impl Future<Output = Result<(), HostFault>> + Send;

    /// The peer's word on how seats are.
    fn health(
        &self,
        peer: &Self::Peer,
        health: Vec<Health>,
    ) -> impl Future<Output = Result<(), HostFault>> + Send;

    /// What the peer holds of statements, as a sum. `true`: ask it which ones.
    fn digest(
        &self,
        _peer: &Self::Peer,
        _digest: Digest,
    ) -> impl Future<Output = Result<bool, HostFault>> + Send {
        std::future::ready(Ok(false))
    }

    /// References of our statements of a scope behind this one, ascending, and whether these are the last.
    fn serve_statements(
        &self,
        _peer: &Self::Peer,
        _scope: Scope,
        _after: Ref,
    ) -> impl Future<Output = Result<(Vec<Ref>, bool), HostFault>> + Send {
        std::future::ready(Ok((Vec::new(), true)))
    }

    /// References of the peer's statements: what we lack is wanted.
    fn statements(
        &self,
        _peer: &Self::Peer,
        _scope: Scope,
        _references: Vec<Ref>,
        _last: bool,
    ) -> impl Future<Output = Result<(), HostFault>> + Send {
        std::future::ready(Ok(()))
    }

    /// A page of what the peer wants.
    fn serve_want(
        &self,
        peer: &Self::Peer,
        want: Want,
        place: Vec<u8>,
    ) -> impl Future<Output = Result<Answer, HostFault>> + Send;

    /// Store a page of what we wanted; the answer is what to ask next under this number, if there is more.
    fn want_page(
        &self,
        peer: &Self::Peer,
        number: u64,
        given: Given,
    ) -> impl Future<Output = Result<Option<Ask>, HostFault>> + Send;

    /// The session is over. Called once for every session that was authenticated.
    fn closed(&self, peer: &Self::Peer, end: &SessionEnd) -> impl Future<Output = ()> + Send;
}
