//! Feed heads (kind 13): a party's signed word how far its feed had come, said to one peer (D58).
//!
//! Shown back to its signer, it proves that he has been put back; an unsigned number proves nothing.

use crate::bytes::{Malformed, Put, Reader};
use crate::directory::Directory;
use crate::envelope::{Envelope, kind};
use crate::hash::Ref;
use crate::limits;
use crate::name::{Incarnation, SeatId};
use crate::receipt::{ReceiptFault, readable, verify_signer};
use crate::sign::SigningKey;
use crate::statement::FORMAT;

/// The head of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedHead {
    /// The party whose feed it is.
    pub node: SeatId,
    /// Identity that it is signed under.
    pub identity: Ref,
    /// Which life of the party's store speaks; its 16 bytes name the feed.
    pub incarnation: Incarnation,
    /// Greatest offset of the feed.
    pub head: u64,
    /// To whom it was said.
    pub peer: SeatId,
    /// When, microseconds since 1970 UTC by the party's clock; decides nothing.
    pub at: i64,
}

impl FeedHead {
    /// Bytes of the feed head.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(105);
        out.put(&self.node.0);
        self.identity.put(&mut out);
        self.incarnation.put(&mut out);
        out.put_u64(self.head);
        out.put(&self.peer.0);
        out.put_i64(self.at);
        out
    }

    /// Reads a feed head.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "feed head");
        let read = Self {
            node: SeatId(r.array()?),
            identity: Ref::read_some(&mut r)?,
            incarnation: Incarnation::read(&mut r)?,
            head: r.u64()?,
            peer: SeatId(r.array()?),
            at: r.i64()?,
        };
        r.finish()?;
        if read.head > limits::POSITION_MAX {
            return Err(r.malformed());
        }
        Ok(read)
    }

    /// Signs the feed head with the party's key.
    pub fn sign(&self, key: &SigningKey) -> Envelope {
        Envelope::signed(kind::FEED_HEAD, FORMAT, self.to_bytes(), key)
    }

    /// Whether this feed head replaces the stored one: a greater incarnation; in the same one a greater head; another life of
    /// the same counter only from the party itself (`by_node`).
    pub fn replaces(&self, stored: &Self, by_node: bool) -> bool {
        if self.node != stored.node {
            return false;
        }
        let (new, old) = (self.incarnation.counter, stored.incarnation.counter);
        match self.incarnation == stored.incarnation {
            true => self.head > stored.head,
            false => new > old || (new == old && by_node),
        }
    }
}

/// A feed head that counts; made only by [`verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFeedHead {
    head: FeedHead,
    envelope: Envelope,
}

impl VerifiedFeedHead {
    /// The feed head.
    pub const fn head(&self) -> &FeedHead {
        &self.head
    }

    /// Its canonical envelope: what is stored and shown to its signer.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

/// Checks a feed head against the directory.
pub fn verify(
    directory: &Directory,
    envelope: &Envelope,
) -> Result<VerifiedFeedHead, ReceiptFault> {
    readable(envelope, kind::FEED_HEAD)?;
    let head = FeedHead::from_bytes(&envelope.bytes)?;
    let (_, envelope) = verify_signer(directory, envelope, &head.node, &head.identity)?;
    Ok(VerifiedFeedHead { head, envelope })
}
