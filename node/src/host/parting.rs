//! Parting with seats that were called back: their sessions end at once, whoever has called them back.

use std::sync::Arc;

use protocol::frame::GoodbyeCode;
use protocol::name::SeatId;
use runtime::link::places::KnownKeys;
use store::PeerState;

use super::{Live, NodeHost};
use crate::error::StepError;

impl NodeHost {
    /// The TLS keys for which the listener keeps places: those of peers that are let in, and none of who is called back.
    pub async fn know(&self, known: KnownKeys) -> Result<(), StepError> {
        let peers = self.node.store().peers().await?;
        let admitted = peers.iter().filter(|p| p.state == PeerState::Approved);
        known.extend(admitted.map(|p| p.tls_key));
        // a process listens once
        let _ = self.known.set(known);
        Ok(())
    }

    /// Ends the sessions in which a seat speaks that was called back, and writes down which peers were. Returns how many
    /// sessions.
    pub async fn part_with_revoked(&self) -> Result<usize, StepError> {
        let called_back = |live: &Arc<Live>| -> Option<(SeatId, SeatId)> {
            let mut seats = live.peer.seats.iter();
            let seat = seats.find(|seat| self.node.is_called_back(seat))?;
            Some((live.peer.identity.seat, *seat))
        };
        let over: Vec<(SeatId, SeatId)> = Self::lock(&self.live)
            .values()
            .filter_map(called_back)
            .collect();
        for (party, seat) in &over {
            let Some(session) = self.links.with(party) else {
                continue;
            };
            let text = self.node.called_back_text(seat);
            tracing::warn!(peer = %party, %seat, "session ends: its seat was called back");
            session.close(GoodbyeCode::Revoked, &text).await;
        }
        let forgotten = self.node.note_called_back(self.clock.now_us()).await?;
        if let Some(known) = self.known.get() {
            forgotten.iter().for_each(|key| known.forget(key));
        }
        Ok(over.len())
    }
}
