//! Receipts: a node's signed word how far it holds a log, durable, attached and safeguarded (I9, D17, D18).

use crate::bytes::{Malformed, Put, Reader};
use crate::directory::{Directory, VerifiedIdentity};
use crate::envelope::{Envelope, kind};
use crate::hash::Ref;
use crate::name::{Incarnation, Lane, LogName, Position, SeatId};
use crate::sign::SigningKey;
use crate::statement::{FORMAT, SeatKind};
use crate::words::owes_in_full;

/// Cumulative per log. Durable stops retransmission; only safeguarded, or durable at every node that counts, lets the origin
/// forget batches; attached stands for durable where attachments are to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The node that signs.
    pub holder: SeatId,
    /// Identity that it is signed under.
    pub identity: Ref,
    /// Which life of the holder's store speaks.
    pub incarnation: Incarnation,
    /// The log.
    pub log: LogName,
    /// Whole and synced up to here.
    pub durable: Position,
    /// Durable, and every attachment named by an open section up to here is held.
    pub attached: Position,
    /// Held in a second failure domain up to here.
    pub safeguarded: Position,
    /// When, microseconds since 1970 UTC by the holder's clock; decides nothing.
    pub at: i64,
}

impl Receipt {
    /// Bytes of the receipt.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(254);
        out.put(&self.holder.0);
        self.identity.put(&mut out);
        self.incarnation.put(&mut out);
        out.put(&self.log.seat.0);
        out.put_u8(self.log.lane as u8);
        self.log.opening.put(&mut out);
        for position in [self.durable, self.attached, self.safeguarded] {
            position.put(&mut out);
        }
        out.put_i64(self.at);
        out
    }

    /// Reads a receipt.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "receipt");
        let (holder, identity) = (SeatId(r.array()?), Ref::read_some(&mut r)?);
        let incarnation = Incarnation::read(&mut r)?;
        let log = LogName {
            seat: SeatId(r.array()?),
            lane: Lane::from_u8(r.u8()?).ok_or(r.malformed())?,
            opening: Ref::read_some(&mut r)?,
        };
        let receipt = Self {
            holder,
            identity,
            incarnation,
            log,
            durable: Position::read(&mut r)?,
            attached: Position::read(&mut r)?,
            safeguarded: Position::read(&mut r)?,
            at: r.i64()?,
        };
        r.finish()?;
        let ordered = is_within(&receipt.safeguarded, &receipt.attached)
            && is_within(&receipt.attached, &receipt.durable);
        ordered.then_some(receipt).ok_or(r.malformed())
    }

    /// Signs the receipt with the holder's key.
    pub fn sign(&self, key: &SigningKey) -> Envelope {
        Envelope::signed(kind::RECEIPT, FORMAT, self.to_bytes(), key)
    }

    /// Whether this receipt replaces the stored one. It does with a greater incarnation; with the same one, if no position is
    /// smaller and one greater, or if a header that the stored one names is void and none that this one names is (D88). The
    /// same counter with other 16 bytes is another life: it counts only from the holder himself, who proves his presence on
    /// the session that it came by (`by_holder`), never by relay (D83). No clock decides.
    pub fn replaces(
        &self,
        stored: &Self,
        by_holder: bool,
        is_void: impl Fn(&LogName, &Position) -> bool,
    ) -> bool {
        if (self.holder, self.log) != (stored.holder, stored.log) {
            return false;
        }
        if self.incarnation != stored.incarnation {
            let (new, old) = (self.incarnation.counter, stored.incarnation.counter);
            return new > old || (new == old && by_holder);
        }
        let voided = |receipt: &Self| {
            let mut positions = receipt.positions().into_iter();
            positions.any(|p| p != Position::START && is_void(&receipt.log, &p))
        };
        if voided(stored) {
            return !voided(self);
        }
        let pairs = || self.positions().into_iter().zip(stored.positions());
        pairs().all(|(new, old)| new.sequence >= old.sequence)
            && pairs().any(|(new, old)| new.sequence > old.sequence)
            && !voided(self)
    }

    /// Durable, attached, safeguarded.
    pub const fn positions(&self) -> [Position; 3] {
        [self.durable, self.attached, self.safeguarded]
    }
}

/// At one sequence there is one header.
fn is_within(lower: &Position, upper: &Position) -> bool {
    lower.sequence < upper.sequence || lower == upper
}

/// A receipt that counts; made only by [`verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    receipt: Receipt,
    envelope: Envelope,
}

impl VerifiedReceipt {
    /// The receipt.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Its canonical envelope: what is stored and shown to others.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

/// Why a receipt, or a feed head, was not taken. A missing identity or opening comes with class 0, and the word is said again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Laid out wrongly: the sender is at fault.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Of a format or suite that this release does not read.
    #[error("receipt or feed head of a format or suite that is not read")]
    Unread,
    /// Signed under an identity that is not known here.
    #[error("signed under an identity that is not known here: {0}")]
    UnknownIdentity(Ref),
    /// Of an epoch that is not known here, or of another seat's.
    #[error("names an opening that is not known here: {0}")]
    UnknownOpening(Ref),
    /// The holder does not owe the log in full, so its word lets nobody forget anything.
    #[error("receipt of node {0}, which does not owe the log of {1} in full")]
    NotAHolder(SeatId, SeatId),
    /// Not signed by whom it names.
    #[error("receipt or feed head does not verify")]
    BadSignature,
    /// The signer's keys were called back, or were never his to use.
    #[error("signed under an identity of {0} that was called back")]
    Revoked(SeatId),
}

/// Checks an envelope of `kind` that a seat has signed about itself, under the identity that it names.
pub(crate) fn verify_signer<'a>(
    directory: &'a Directory,
    envelope: &Envelope,
    seat: &SeatId,
    identity: &Ref,
) -> Result<(&'a VerifiedIdentity, Envelope), ReceiptFault> {
    let identity = directory
        .identity_by_ref(identity)
        .ok_or(ReceiptFault::UnknownIdentity(*identity))?;
    let keys = &identity.identity().keys;
    let canonical = envelope.canonical(keys).ok_or(ReceiptFault::BadSignature)?;
    if identity.identity().seat != *seat {
        return Err(ReceiptFault::BadSignature);
    }
    // a rotation does not void what was said under the former serial
    if !directory.is_issued(identity) || directory.revoked(identity).is_some() {
        return Err(ReceiptFault::Revoked(*seat));
    }
    Ok((identity, canonical))
}

/// What must hold of an envelope before its bytes are read.
pub(crate) fn readable(envelope: &Envelope, kind: u8) -> Result<(), ReceiptFault> {
    if envelope.kind != kind {
        return Err(Malformed::of("receipt or feed head: kind").into());
    }
    match crate::blame::reads(envelope) {
        true => Ok(()),
        false => Err(ReceiptFault::Unread),
    }
}

/// Checks a receipt against the directory. One that was taken counts no longer when its holder is revoked or a header that
/// it names becomes void: ask again before forgetting anything.
pub fn verify(directory: &Directory, envelope: &Envelope) -> Result<VerifiedReceipt, ReceiptFault> {
    readable(envelope, kind::RECEIPT)?;
    let receipt = Receipt::from_bytes(&envelope.bytes)?;
    let (holder, log) = (receipt.holder, receipt.log);
    let (identity, envelope) = verify_signer(directory, envelope, &holder, &receipt.identity)?;
    let node = identity.identity().kind != SeatKind::Department;
    if !node || !owes_in_full(directory, &holder, &log.seat) {
        return Err(ReceiptFault::NotAHolder(holder, log.seat));
    }
    let opening = directory.opening(&log.opening);
    if opening.is_none_or(|opening| opening.opening().seat != log.seat) {
        return Err(ReceiptFault::UnknownOpening(log.opening));
    }
    Ok(VerifiedReceipt { receipt, envelope })
}
