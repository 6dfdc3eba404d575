//! How the link and the receipts are, for people.

use protocol::directory::{Directory, SeatKind};
use protocol::envelope::Envelope;
use protocol::name::{Lane, SeatId};
use protocol::receipt::Receipt;
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
    /// In a second failure domain up to this sequence.
    pub safeguarded: u64,
    /// When it arrived, milliseconds since 1970.
    pub heard_ms: i64,
}

/// The receipts that were kept, as a status shows them; for when the agent is not running.
pub async fn kept_receipts(
    store: &SeatStore,
    directory: &Directory,
) -> Result<Vec<ReceiptView>, SeatError> {
    let rows = store.receipts().await?;
    let read = rows.iter().filter_map(|row| {
        let envelope = Envelope::from_bytes(&row.envelope).ok()?;
        let receipt = Receipt::from_bytes(&envelope.bytes).ok()?;
        Some(((SeatId(row.node), row.lane), receipt, row.heard_ms))
    });
    let read: Vec<_> = read.collect();
    Ok(views(
        directory,
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
            let identity = directory.identity(&node).map(|i| i.identity());
            ReceiptView {
                kind: identity.map_or(SeatKind::District, |i| i.kind),
                title: identity.map_or_else(|| node.to_string(), |i| i.title.clone()),
                lane,
                durable: receipt.durable.0,
                safeguarded: receipt.safeguarded.0,
                heard_ms,
            }
        })
        .collect();
    views.sort_by_key(|v| (std::cmp::Reverse(v.kind), v.title.clone(), v.lane));
    views
}
