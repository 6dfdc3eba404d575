//! Receipts: a node's signed word how far it holds a log, durable and safeguarded (I9, D17, D18).

use crate::bytes::{Malformed, Put, Reader};
use crate::directory::{Directory, LogName, SeatKind};
use crate::envelope::{Envelope, kind};
use crate::hash::Hash;
use crate::limits;
use crate::name::{FeedId, Lane, SeatId};
use crate::sign::SigningKey;

/// A position in a log: sequence (0 for none) and hash of that header.
pub type Position = (u64, Hash);

/// Cumulative per log. Durable stops retransmission; only safeguarded lets the origin forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The log.
    pub log: LogName,
    /// Synced at the node up to here.
    pub durable: Position,
    /// Held in a second failure domain up to here.
    pub safeguarded: Position,
    /// The node.
    pub node: SeatId,
    /// Its incarnation: a new one replaces the old, and what lies above its durable position counts as unsent again.
    pub incarnation: FeedId,
    /// When, microseconds since 1970 UTC by the node's clock.
    pub at: i64,
}

impl Receipt {
    /// Bytes of the receipt.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(169);
        out.put(&self.log.seat.0);
        out.put_u8(self.log.lane as u8);
        out.put(&self.log.opening.0);
        for (sequence, hash) in [self.durable, self.safeguarded] {
            out.put_u64(sequence);
            out.put(&hash.0);
        }
        out.put(&self.node.0);
        out.put(&self.incarnation.0);
        out.put_i64(self.at);
        out
    }

    /// Reads a receipt.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "receipt");
        let seat = SeatId(r.array()?);
        let lane = Lane::from_u8(r.u8()?).ok_or(r.malformed())?;
        let log = LogName {
            seat,
            lane,
            opening: Hash(r.array()?),
        };
        let durable = (r.u64()?, Hash(r.array()?));
        let safeguarded = (r.u64()?, Hash(r.array()?));
        let receipt = Self {
            log,
            durable,
            safeguarded,
            node: SeatId(r.array()?),
            incarnation: FeedId(r.array()?),
            at: r.i64()?,
        };
        r.finish()?;
        if receipt.durable.0.max(receipt.safeguarded.0) > limits::POSITION_MAX {
            return Err(r.malformed());
        }
        Ok(receipt)
    }

    /// Signs the receipt with the node's key.
    pub fn sign(&self, key: &SigningKey) -> Envelope {
        Envelope::signed(kind::RECEIPT, 1, self.to_bytes(), key)
    }
}

/// A receipt whose signature is its node's; made only by [`verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt(Receipt);

impl VerifiedReceipt {
    /// The receipt.
    pub const fn receipt(&self) -> &Receipt {
        &self.0
    }
}

/// Why a receipt was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Laid out wrongly: the sender is at fault.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The node is not known here.
    #[error("receipt of an unknown node {0}")]
    UnknownNode(SeatId),
    /// The node does not hold the log in full: only the city, and the district that the seat belongs to, do.
    #[error("receipt of node {0}, which does not hold the log of {1} in full")]
    NotAHolder(SeatId, SeatId),
    /// Not signed by the node that it names.
    #[error("receipt does not verify")]
    BadSignature,
}

/// Checks a receipt's envelope against the directory.
pub fn verify(directory: &Directory, envelope: &Envelope) -> Result<VerifiedReceipt, ReceiptFault> {
    if envelope.kind != kind::RECEIPT || envelope.format != 1 {
        return Err(Malformed::of("receipt: kind or format").into());
    }
    let receipt = Receipt::from_bytes(&envelope.bytes)?;
    let node = directory
        .identity(&receipt.node)
        .ok_or(ReceiptFault::UnknownNode(receipt.node))?;
    // another district's word, however well signed, must let nobody forget anything
    let holds = match node.identity().kind {
        SeatKind::City => true,
        SeatKind::District => directory
            .identity(&receipt.log.seat)
            .is_some_and(|i| i.identity().jurisdiction == node.identity().jurisdiction),
        SeatKind::Department => false,
    };
    if !holds {
        return Err(ReceiptFault::NotAHolder(receipt.node, receipt.log.seat));
    }
    if !envelope.is_signed_by(&node.identity().key) {
        return Err(ReceiptFault::BadSignature);
    }
    Ok(VerifiedReceipt(receipt))
}
