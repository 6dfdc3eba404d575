//! What a session asks of the room that runs it: node and agent implement [`Host`].

use std::future::Future;
use std::sync::Arc;

use protocol::frame::{CLASSES, Hello, Interest, Item, Want};
use protocol::name::SeatId;
use protocol::session::Page;

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

/// From where to go on with a peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resumption {
    /// How far we have stored the peer's feed, if we know it under the id that its hello names.
    pub cursors: Option<[u64; CLASSES]>,
    /// What we want from it.
    pub interest: Interest,
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
    /// What the peer stated that it takes. It comes with each request, because a read may well begin before
    /// [`Host::established`] has ended.
    pub interest: Arc<Interest>,
}

/// A page of what the peer wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantAnswer {
    /// Items.
    pub items: Vec<Item>,
    /// Where to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
}

/// Why the host ends a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// The peer is at fault; it is told.
    #[error("{text}")]
    Peer {
        /// One of [`protocol::frame::reason`].
        code: u8,
        /// What it did, for people.
        text: String,
    },
    /// We are at fault (the store does not answer, the disk is full); the peer may come back later.
    #[error("{0}")]
    Here(String),
}

/// Answers a session's questions. Futures are run beside each other, so they must not rely on being polled in turn; calls
/// of [`Host::take_in`] for one class are made one after the other, in order.
pub trait Host: Send + Sync + 'static {
    /// What the host knows about an authenticated peer.
    type Peer: Clone + Send + Sync + 'static;

    /// Our hello on this connection, with our presence signed over its exporter.
    fn introduce(&self, channel: Channel) -> impl Future<Output = Result<Hello, HostFault>> + Send;

    /// Whether to believe the peer's hello; and as whom: its own seat, by which an older session is fenced.
    fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> impl Future<Output = Result<(SeatId, Self::Peer), HostFault>> + Send;

    /// From where to go on. Called when no older session of this peer is storing any more.
    fn resume(
        &self,
        peer: &Self::Peer,
    ) -> impl Future<Output = Result<Resumption, HostFault>> + Send;

    /// Both sides have accepted; the peer wants this. The handle speaks to the session until it ends.
    fn established(
        &self,
        peer: &Self::Peer,
        interest: Interest,
        handle: Handle,
    ) -> impl Future<Output = Result<(), HostFault>> + Send;

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

    /// Verify and store these items together with the cursor behind them, durably.
    fn take_in(
        &self,
        peer: &Self::Peer,
        class: u8,
        items: Vec<Item>,
        through: u64,
    ) -> impl Future<Output = Result<(), HostFault>> + Send;

    /// Receipts of the peer and of those above it.
    fn receipts(
        &self,
        peer: &Self::Peer,
        receipts: Vec<Vec<u8>>,
    ) -> impl Future<Output = Result<(), HostFault>> + Send;

    /// A page of what the peer wants.
    fn serve_want(
        &self,
        peer: &Self::Peer,
        want: Want,
        resume: Vec<u8>,
    ) -> impl Future<Output = Result<WantAnswer, HostFault>> + Send;

    /// Store a page of what we wanted; the answer is what to ask next under this number, if there is more.
    fn want_page(
        &self,
        peer: &Self::Peer,
        id: u64,
        items: Vec<Item>,
        next: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<Option<Ask>, HostFault>> + Send;

    /// The session is over. Called once for every session that was authenticated.
    fn closed(&self, peer: &Self::Peer, end: &SessionEnd) -> impl Future<Output = ()> + Send;
}
