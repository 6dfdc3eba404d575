//! Receipts at an agent: which of them count, what they let it forget (D60), and what they tell about clocks.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use protocol::envelope::{Envelope, kind};
use protocol::feed_head;
use protocol::name::{Incarnation, Lane, Position, SeatId};
use protocol::receipt::{self, Receipt};
use protocol::statement::SeatKind;
use runtime::say::span;
use store::seat::{ReceiptRow, SeatError};

use super::{NodePeer, Uplink};

/// A receipt that counts.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) receipt: Receipt,
    pub(super) envelope: Envelope,
    pub(super) heard_ms: i64,
}

impl Uplink {
    /// Takes a receipt or a feed head that came from a peer. One that does not verify, or of an opening that is not known here,
    /// is ignored: it lets nobody forget anything.
    pub(super) async fn take_word(&self, peer: &NodePeer, bytes: &[u8]) -> Result<(), SeatError> {
        let Ok(envelope) = Envelope::from_bytes(bytes) else {
            tracing::warn!("a receipt cannot be read");
            return Ok(());
        };
        if envelope.kind == kind::FEED_HEAD {
            self.take_feed_head(peer, &envelope);
            return Ok(());
        }
        let verified = match receipt::verify(&self.lock().directory, &envelope) {
            Ok(verified) => verified,
            Err(fault) => {
                tracing::warn!(%fault, "receipt ignored");
                return Ok(());
            }
        };
        let receipt = verified.receipt();
        // receipts of other seats and of other epochs say nothing about what waits here
        if receipt.log.seat != self.0.seat || receipt.log.opening != self.0.opening {
            return Ok(());
        }
        // a header that is not ours lets nobody forget ours
        if self.is_beside(verified.envelope()).await? {
            return Ok(());
        }
        let now_ms = self.now_ms();
        let lane = receipt.log.lane;
        let mut state = self.lock();
        let place = (receipt.holder, lane);
        let by_holder = receipt.holder == peer.identity.seat;
        let known = state.receipts.get(&place);
        // no header of ours is void in this release: the log has one branch, or sealing stands still
        let newer =
            known.is_none_or(|known| receipt.replaces(&known.receipt, by_holder, |_, _| false));
        if !newer {
            return Ok(());
        }
        let before = known
            .filter(|known| known.receipt.incarnation == receipt.incarnation)
            .map_or(0, |known| known.receipt.durable.sequence);
        let fresh = receipt.durable.sequence > before;
        state.note_incarnation(receipt.holder, receipt.incarnation, by_holder);
        // whoever above us holds a batch, the next node has passed it on
        self.0.progress.acknowledged[lane.index()]
            .fetch_max(receipt.durable.sequence, Ordering::Relaxed);
        // one that says nothing new, or was on its way while we slept, may well be old
        let behind_ms = receipt.at / 1_000 - now_ms;
        if fresh {
            state.note_clock(receipt.holder, behind_ms, -30 * DAY_MS..=DAY_MS);
        } else if behind_ms > DAY_MS {
            state.clocks_differ = Some((receipt.holder, behind_ms));
        }
        state.receipts.insert(
            place,
            Held {
                receipt: receipt.clone(),
                envelope: verified.envelope().clone(),
                heard_ms: now_ms,
            },
        );
        drop(state);
        self.0.unkept.store(true, Ordering::Release);
        self.0.sealing.ring();
        Ok(())
    }

    /// A node's word how far its feed has come: of interest here is which life of its store speaks, and its clock.
    fn take_feed_head(&self, peer: &NodePeer, envelope: &Envelope) {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let verified = match feed_head::verify(&state.directory, envelope) {
            Ok(verified) => verified,
            Err(fault) => {
                tracing::warn!(%fault, "feed head ignored");
                return;
            }
        };
        let head = verified.head();
        if head.peer != self.0.seat {
            return;
        }
        let by_node = head.node == peer.identity.seat;
        state.note_incarnation(head.node, head.incarnation, by_node);
        if by_node {
            // said on this session, a moment ago
            let behind_ms = head.at / 1_000 - now_ms;
            state.clock_offset_ms = Some(behind_ms);
            state.note_clock(head.node, behind_ms, -APART_MS..=APART_MS);
        }
    }

    /// Keeps what came in, and forgets the batches that it makes safe.
    pub async fn settle(&self) -> Result<(), SeatError> {
        if !self.0.unkept.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let kept = self.keep_and_forget().await;
        if kept.is_err() {
            self.0.unkept.store(true, Ordering::Release);
        }
        kept
    }

    async fn keep_and_forget(&self) -> Result<(), SeatError> {
        let (rows, lives) = {
            let state = self.lock();
            let rows: Vec<ReceiptRow> = state
                .receipts
                .iter()
                .map(|((node, lane), held)| ReceiptRow {
                    node: *node,
                    lane: *lane,
                    heard_ms: held.heard_ms,
                    envelope: held.envelope.to_bytes(),
                })
                .collect();
            let lives = lives_to_bytes(&state.incarnations);
            (rows, (lives != state.lives_kept).then_some(lives))
        };
        // an earlier life of a node must not count again after a start
        if let Some(lives) = lives {
            self.0.store.put_meta(LIVES, &lives).await?;
            self.lock().lives_kept = lives;
        }
        self.0.store.put_receipts(&rows).await?;
        // what somebody has shown to be in doubt is not thrown away
        if self.0.progress.halted().is_some() {
            return Ok(());
        }
        let silent = self.district_silent().await?;
        for lane in Lane::ALL {
            let safe = self.safe(lane, silent);
            if safe != Position::START {
                self.0.store.prune(lane, safe.sequence, safe.header).await?;
            }
        }
        Ok(())
    }

    /// Up to where batches of a lane may be forgotten (D60): durable at the agent's district *and* the city, or safeguarded by
    /// the city. The district's word alone never counts. Of an agent of the city, and of one whose district has been silent for
    /// a week, the city's second failure domain alone.
    fn safe(&self, lane: Lane, district_silent: bool) -> Position {
        let state = self.lock();
        let node = state.own_node(&self.0.seat);
        let is_city = |seat: &SeatId| {
            let identity = state.directory.newest_identity(seat);
            identity.is_some_and(|i| i.identity().kind == SeatKind::City)
        };
        // asked again, since a holder may have been called back meanwhile
        let counts = |holder: &SeatId, held: &Held| {
            state.incarnations.get(holder) == Some(&held.receipt.incarnation)
                && receipt::verify(&state.directory, &held.envelope).is_ok()
        };
        let of_lane = state
            .receipts
            .iter()
            .filter(|((holder, of), held)| *of == lane && counts(holder, held));
        let (mut district, mut city, mut safeguarded) =
            (Position::START, Position::START, Position::START);
        for ((holder, _), Held { receipt, .. }) in of_lane {
            let at_least = |known: &mut Position, position: Position| {
                if position.sequence > known.sequence {
                    *known = position;
                }
            };
            if is_city(holder) {
                at_least(&mut city, receipt.durable);
                at_least(&mut safeguarded, receipt.safeguarded);
            } else if Some(*holder) == node {
                at_least(&mut district, receipt.durable);
            }
        }
        let both = match district.sequence <= city.sequence {
            true => district,
            false => city,
        };
        match !district_silent && both.sequence > safeguarded.sequence {
            true => both,
            false => safeguarded,
        }
    }

    /// Whether the agent's district has signed nothing for a week although something waits for it.
    pub async fn district_silent(&self) -> Result<bool, SeatError> {
        let now_ms = self.now_ms();
        for lane in Lane::ALL {
            let (durable, heard_ms) = {
                let state = self.lock();
                let Some(node) = state.own_node(&self.0.seat) else {
                    return Ok(false);
                };
                let identity = state.directory.newest_identity(&node);
                if identity.is_none_or(|i| i.identity().kind != SeatKind::District) {
                    return Ok(false);
                }
                let held = state.receipts.get(&(node, lane));
                held.map_or((0, i64::MIN), |held| {
                    (held.receipt.durable.sequence, held.heard_ms)
                })
            };
            let waits = self.0.store.oldest_behind(lane, durable).await?;
            let a_week_ago = now_ms - 7 * DAY_MS;
            if waits.is_some_and(|since| since < a_week_ago) && heard_ms < a_week_ago {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What to do about clocks that are far apart, if they are. No clock decides what is valid, but what a row's dates
    /// say is judged by ours.
    pub fn clock_doubt(&self) -> Option<String> {
        let state = self.lock();
        let (node, behind_ms) = state.clocks_differ?;
        let title = state
            .directory
            .newest_identity(&node)
            .map_or_else(|| node.to_string(), |i| i.identity().title.clone());
        Some(format!(
            "校准时钟：本机时钟比平台「{title}」{} {}；请先核对本机，无误再请平台核对。数据不会丢失，但按日期的检查会误判",
            if behind_ms > 0 { "慢" } else { "快" },
            span(behind_ms.abs() / 1_000),
        ))
    }
}

/// Incarnations as bytes: `n times (seat, incarnation)`.
fn lives_to_bytes(lives: &BTreeMap<SeatId, Incarnation>) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 * lives.len());
    for (seat, life) in lives {
        out.extend_from_slice(&seat.0);
        out.extend_from_slice(&life.to_bytes());
    }
    out
}

/// Reads what [`Uplink::settle`] has kept.
pub(super) fn lives_from_bytes(bytes: &[u8]) -> Option<BTreeMap<SeatId, Incarnation>> {
    let (rows, rest) = bytes.as_chunks::<40>();
    if !rest.is_empty() {
        return None;
    }
    let mut lives = BTreeMap::new();
    for row in rows {
        let (seat, life) = row.split_first_chunk::<16>()?;
        let mut life = protocol::bytes::Reader::new(life, "incarnation");
        lives.insert(SeatId(*seat), Incarnation::read(&mut life).ok()?);
    }
    Some(lives)
}

/// Name under which incarnations of nodes are kept.
pub(super) const LIVES: &str = "incarnations";
pub(super) const DAY_MS: i64 = 86_400_000;
/// From here on two clocks are far apart.
const APART_MS: i64 = 10 * 60_000;
