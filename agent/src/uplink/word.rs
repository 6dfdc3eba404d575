//! What the node says of the agent's logs, and what follows from it and from receipts: batches that do not come to where they
//! should, and the city's own word (D55).

use std::sync::atomic::Ordering;

use protocol::frame::{Health, LogEntry, LogsEnd, State};
use protocol::name::{Lane, SeatId};
use protocol::statement::SeatKind;
use store::seat::SeatError;

use super::view::{CityWord, LogView, NodeWord, Stuck};
use super::{NodePeer, Uplink};

impl Uplink {
    /// Notes what the node tells of logs: those of this seat and epoch, whatever else it may tell.
    pub(super) fn note_logs(&self, entries: &[LogEntry], end: LogsEnd) {
        let heard_ms = self.now_ms();
        let mut state = self.lock();
        for entry in entries {
            let Some(lane) = Lane::from_u8(entry.lane) else {
                continue;
            };
            // of a log that was never seen no opening is named
            let seen = entry.state != State::NeverSeen;
            if entry.seat != self.0.seat || (seen && entry.opening != self.0.opening) {
                continue;
            }
            let view = LogView {
                lane,
                state: entry.state,
                reason: entry.reason,
                since_ms: entry.since / 1_000,
                taken_in: entry.taken_in,
                applied: entry.applied,
                heard_ms,
            };
            let logs = &mut state.node.logs;
            // of several tips the worst counts, and of one log the newest word
            match logs.iter_mut().find(|known| known.lane == lane) {
                Some(known) if known.heard_ms == heard_ms && known.state != State::Running => {}
                Some(known) => *known = view,
                None => logs.push(view),
            }
            logs.sort_by_key(|log| log.lane);
        }
        if end != LogsEnd::More {
            state.node.complete = true;
            state.node.without_city = end == LogsEnd::CompleteWithoutCity;
        }
    }

    /// Notes how the node says that it is itself.
    pub(super) fn note_health(&self, peer: &NodePeer, health: &[Health]) {
        let own = |h: &&Health| h.seat == peer.identity.seat && !h.relayed;
        let Some(health) = health.iter().rfind(own) else {
            return;
        };
        let unwell = (health.state != State::Running).then(|| health.reasons.clone());
        self.lock().node.unwell = unwell;
    }

    /// What the node says in this session; nothing while there is none.
    pub fn node_word(&self) -> NodeWord {
        self.lock().node.clone()
    }

    /// Batches that have left and have not moved for a while although the link stands: not taken in, or taken in and not
    /// applied.
    pub async fn stuck(&self) -> Result<Option<Stuck>, SeatError> {
        let now_ms = self.now_ms();
        for lane in Lane::ALL {
            let (link, node, view, receipt) = {
                let state = self.lock();
                let node = state.peer;
                let receipt = node.and_then(|node| state.receipts.get(&(node, lane)).cloned());
                let view = state.node.logs.iter().find(|log| log.lane == lane).cloned();
                (state.link.clone(), node, view, receipt)
            };
            if !link.up || node.is_none() {
                return Ok(None);
            }
            let told = view.as_ref().map_or(0, |view| view.taken_in);
            let durable = receipt.as_ref().map_or(0, |r| r.receipt.durable.sequence);
            let taken = told.max(durable);
            let moved_ms = [
                link.since_ms,
                receipt.map_or(i64::MIN, |held| held.heard_ms),
                view.as_ref()
                    .filter(|view| view.taken_in == taken)
                    .map_or(i64::MIN, |view| view.heard_ms),
            ];
            let moved_ms = moved_ms.into_iter().max().unwrap_or(i64::MIN);
            if self.0.progress.sealed[lane.index()].load(Ordering::Relaxed) > taken
                && let Some(waits) = self.0.store.oldest_behind(lane, taken).await?
            {
                let for_ms = now_ms - waits.max(moved_ms);
                if for_ms > STUCK_MS {
                    return Ok(Some(Stuck {
                        lane,
                        from: taken + 1,
                        for_ms,
                        taken_in: false,
                    }));
                }
            }
            if let Some(view) = view
                && view.applied < view.taken_in
                && now_ms - view.heard_ms > STUCK_MS
            {
                return Ok(Some(Stuck {
                    lane,
                    from: view.applied + 1,
                    for_ms: now_ms - view.heard_ms,
                    taken_in: true,
                }));
            }
        }
        Ok(None)
    }

    /// How far the city is; `None` if the agent's own node is the city.
    pub async fn city_word(&self) -> Result<Option<CityWord>, SeatError> {
        let now_ms = self.now_ms();
        let (mut sealed, mut waits, mut heard_ms) = (false, None::<i64>, None::<i64>);
        for lane in Lane::ALL {
            let of_city = {
                let state = self.lock();
                let is_city = |seat: &SeatId| {
                    let identity = state.directory.newest_identity(seat);
                    identity.is_some_and(|i| i.identity().kind == SeatKind::City)
                };
                if state
                    .own_node(&self.0.seat)
                    .is_some_and(|node| is_city(&node))
                {
                    return Ok(None);
                }
                let receipts = state.receipts.iter();
                receipts
                    .filter(|((holder, of), _)| *of == lane && is_city(holder))
                    .map(|(_, held)| (held.receipt.durable.sequence, held.heard_ms))
                    .max()
            };
            let (durable, heard) = of_city.unwrap_or((0, i64::MIN));
            if of_city.is_some() {
                heard_ms = heard_ms.max(Some(heard));
            }
            if self.0.progress.sealed[lane.index()].load(Ordering::Relaxed) == 0 {
                continue;
            }
            sealed = true;
            if let Some(since) = self.0.store.oldest_behind(lane, durable).await? {
                waits = Some(waits.map_or(since, |known| known.min(since)));
            }
        }
        let state = self.lock();
        Ok(Some(match waits {
            _ if !sealed => CityWord::Nothing,
            None => CityWord::Reached,
            Some(_) if !state.link.up => CityWord::Unknown,
            Some(waits) => {
                let since = waits.max(heard_ms.unwrap_or(i64::MIN));
                let quiet_ms = now_ms - since.max(state.link.since_ms);
                match state.node.without_city || quiet_ms > STUCK_MS {
                    true => CityWord::Apart(since),
                    false => CityWord::OnTheWay,
                }
            }
        }))
    }
}

/// For so long nothing may move before it is called so.
const STUCK_MS: i64 = 60_000;
