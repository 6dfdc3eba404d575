//! What an earlier release kept unread and this one reads: taken in at the start, by the same checks as if it came now (D54).

use protocol::envelope::Envelope;
use protocol::frame::Item;
use protocol::hash::Ref;
use protocol::name::Incarnation;
use protocol::slice::{self, HeaderFault};
use store::{EnvelopeRow, UnreadItemRow};

use super::{Arrival, Peer, TakeInFault};
use crate::error::StepError;
use crate::node::Node;

impl Node {
    /// Takes in slices and items that were kept unread and are read by this release. Returns how many; what is still unread stays
    /// as it is. What is read now and turns out to be bad is dealt with as if it came now.
    pub async fn read_again(&self, now_us: i64) -> Result<u64, StepError> {
        let mut taken_in = 0;
        let rows = self.store().directory().await?;
        let mut still = Vec::new();
        for row in rows.into_iter().filter(|row| !row.read) {
            let (Ok(Item::Slice { header, body }), seat) = (Item::from_bytes(&row.bytes), row.seat)
            else {
                continue;
            };
            let Ok(envelope) = Envelope::from_bytes(&header) else {
                continue;
            };
            let lane = envelope.lane().unwrap_or_default();
            let read = slice::verify_header(&self.directory(), &envelope);
            if matches!(read, Err(HeaderFault::Unread)) {
                still.push((seat, lane));
                continue;
            }
            let own = Peer {
                identity: self.identity().clone(),
                seats: Vec::new(),
                incarnation: Incarnation::default(),
                release: String::new(),
            };
            let from = Arrival::Kept {
                class: row.class,
                pushed: false,
            };
            let item = (0, Item::Slice { header, body });
            note(self.take_in(&own, vec![item], from, now_us).await)?;
            let read = EnvelopeRow {
                read: true,
                ..row.clone()
            };
            self.store().envelope_read(row.reference, read).await?;
            if !still.contains(&(seat, lane)) {
                self.store().held_done(seat, lane, Ref::ZERO).await?;
            }
            taken_in += 1;
        }
        for row in self.store().unread_items().await? {
            let Some(item) = read(&row) else {
                continue;
            };
            let identity = self.directory().newest_identity(&row.peer).cloned();
            let Some(identity) = identity.map(|i| i.identity().clone()) else {
                continue;
            };
            let peer = Peer {
                seats: vec![row.peer],
                identity,
                incarnation: Incarnation::default(),
                release: String::new(),
            };
            let from = Arrival::Kept {
                class: row.class,
                pushed: true,
            };
            let item = (row.offset, item);
            note(self.take_in(&peer, vec![item], from, now_us).await)?;
            self.store()
                .unread_item_done(row.peer, row.class, row.offset)
                .await?;
            taken_in += 1;
        }
        if taken_in > 0 {
            tracing::info!(taken_in, "read what an earlier release had kept unread");
        }
        Ok(taken_in)
    }
}

/// The item, if this release reads it.
fn read(row: &UnreadItemRow) -> Option<Item> {
    let length = u32::try_from(row.body.len()).ok()?;
    let bytes = [
        &[row.number],
        length.to_be_bytes().as_slice(),
        row.body.as_slice(),
    ]
    .concat();
    match Item::from_bytes(&bytes) {
        Ok(Item::Unread { .. }) => None,
        Ok(item) => Some(item),
        Err(what) => {
            tracing::error!(peer = %row.peer, offset = row.offset, %what, "kept item is not what its number says");
            None
        }
    }
}

/// A fault of what was kept is told and ends nothing; one of our own is.
fn note(done: Result<u64, TakeInFault>) -> Result<(), StepError> {
    match done {
        Ok(_) => Ok(()),
        Err(TakeInFault::Step(fault)) => Err(fault),
        Err(fault) => {
            tracing::error!(%fault, "what an earlier release had kept does not verify");
            Ok(())
        }
    }
}
