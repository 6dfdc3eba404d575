//! How the link, the receipts and the agent's own logs at its node are, for people.

use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::frame::{Reason, State};
use protocol::name::{Lane, SeatId};
use protocol::receipt::{self, Receipt};
use protocol::statement::SeatKind;
use store::seat::{SeatError, SeatStore};

/// How the link is, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinkState {
    /// Whether a session stands.
    pub up: bool,
    /// Title of the node.
    pub peer: String,
    /// Since when it is as it is, milliseconds since 1970.
    pub since_ms: i64,
    /// Why it is down.
    pub trouble: String,
    /// Whether the node said that this seat is revoked.
    pub revoked: bool,
}

/// A node's last receipt, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptView {
    /// What kind of node.
    pub kind: SeatKind,
    /// Its title.
    pub title: String,
    /// The lane.
    pub lane: Lane,
    /// Durable there up to this sequence.
    pub durable: u64,
    /// Durable with every attachment up to this sequence.
    pub attached: u64,
    /// In a second failure domain up to this sequence.
    pub safeguarded: u64,
    /// When it arrived, milliseconds since 1970.
    pub heard_ms: i64,
}

/// What the node says of one of the agent's logs. Its word and nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// The lane.
    pub lane: Lane,
    /// How the log is there.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Since when, milliseconds since 1970 by the node's clock.
    pub since_ms: i64,
    /// Taken in up to this sequence.
    pub taken_in: u64,
    /// Applied up to this sequence.
    pub applied: u64,
    /// When it was heard, milliseconds since 1970.
    pub heard_ms: i64,
}

/// What the node at the other end says in this session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeWord {
    /// Whether its list of logs was complete.
    pub complete: bool,
    /// Whether it was not in session with the city when it said so.
    pub without_city: bool,
    /// The agent's logs, by lane.
    pub logs: Vec<LogView>,
    /// Why the node itself is not well, by its own word; `None` if it is, or has said nothing.
    pub unwell: Option<Vec<Reason>>,
}

/// How far the agent's batches have come at the city, which is not its own node: a word of its own, neither fault nor health
/// of the agent (D55).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CityWord {
    /// Nothing has been sealed.
    Nothing,
    /// The city has what the node has.
    Reached,
    /// On its way.
    OnTheWay,
    /// The city has not been heard of since then, milliseconds since 1970, though something waits for it.
    Apart(i64),
    /// The node is not there to be asked.
    Unknown,
}

/// Batches that have left and do not come to where they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// The lane.
    pub lane: Lane,
    /// The first batch that should have come.
    pub from: u64,
    /// For how long nothing moved, milliseconds.
    pub for_ms: i64,
    /// Whether it was taken in and is only not applied.
    pub taken_in: bool,
}

/// The receipts that were kept, as a status shows them; for when the agent is not running. Those that do not verify any
/// more are left out.
pub async fn kept_receipts(
    store: &SeatStore,
    directory: &Directory,
) -> Result<Vec<ReceiptView>, SeatError> {
    let mut directory = directory.clone();
    let own = store.meta("opening").await?;
    if let Some(opening) = own.and_then(|bytes| Envelope::from_bytes(&bytes).ok()) {
        // without it no receipt counts, and so it is told
        let _ = directory.admit(&opening);
    }
    for bytes in store.statements().await? {
        if let Ok(envelope) = Envelope::from_bytes(&bytes) {
            let _ = directory.admit(&envelope);
        }
    }
    let rows = store.receipts().await?;
    let read = rows.iter().filter_map(|row| {
        let envelope = Envelope::from_bytes(&row.envelope).ok()?;
        let verified = receipt::verify(&directory, &envelope).ok()?;
        Some((
            (row.node, row.lane),
            verified.receipt().clone(),
            row.heard_ms,
        ))
    });
    let read: Vec<_> = read.collect();
    Ok(views(
        &directory,
        read.iter()
            .map(|(place, receipt, heard)| (*place, receipt, *heard)),
    ))
}

pub(super) fn views<'r>(
    directory: &Directory,
    receipts: impl Iterator<Item = ((SeatId, Lane), &'r Receipt, i64)>,
) -> Vec<ReceiptView> {
    let mut views: Vec<ReceiptView> = receipts
        .map(|((node, lane), receipt, heard_ms)| {
            let identity = directory.newest_identity(&node).map(|i| i.identity());
            ReceiptView {
                kind: identity.map_or(SeatKind::District, |i| i.kind),
                title: identity.map_or_else(|| node.to_string(), |i| i.title.clone()),
                lane,
                durable: receipt.durable.sequence,
                attached: receipt.attached.sequence,
                safeguarded: receipt.safeguarded.sequence,
                heard_ms,
            }
        })
        .collect();
    views.sort_by_key(|v| (std::cmp::Reverse(v.kind), v.title.clone(), v.lane));
    views
}
