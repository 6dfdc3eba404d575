//! The link to the agent's node: serves the seat's feed, hears receipts, and lets go of what is safe elsewhere.
//!
//! The agent wants nothing from its node but directory statements of nodes (to check receipts by) and receipts. What it
//! hears of the node's feed is kept in memory only and asked for again after a restart.

#[cfg(test)]
mod tests;
mod view;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::directory::{Directory, Identity, SeatKind, presence};
use protocol::envelope::{Envelope, kind};
use protocol::frame::{CLASSES, Hello, Interest, Item, Presence, VERSIONS, Want, reason};
use protocol::hash::Hash;
use protocol::name::{FeedId, InstanceId, Lane, SeatId};
use protocol::receipt::{self, Receipt};
use protocol::session::Page;
use runtime::door::Clock;
use runtime::link::driver::SessionEnd;
use runtime::link::host::{Channel, FeedRequest, Host, HostFault, Resumption, WantAnswer};
use runtime::link::registry::{Ask, Handle};
use runtime::worker::Bell;
use store::seat::{ReceiptRow, SealedRow, SeatError, SeatStore};

use crate::home::Admission;
use crate::seal::Progress;
use view::views;
pub use view::{LinkState, ReceiptView, kept_receipts};

/// Hosts the session with the agent's node. Clones are the same host.
#[derive(Clone)]
pub struct Uplink(Arc<Inner>);

struct Inner {
    store: Arc<SeatStore>,
    seat: SeatId,
    jurisdiction: String,
    key: Arc<protocol::sign::SigningKey>,
    chain: Vec<Vec<u8>>,
    opening: Hash,
    instance: InstanceId,
    feed: FeedId,
    clock: Clock,
    progress: Arc<Progress>,
    /// Rung when an acknowledgement makes room.
    sealing: Bell,
    state: Mutex<State>,
    unkept: AtomicBool,
}

struct State {
    directory: Directory,
    cursors: HashMap<(SeatId, FeedId), [u64; CLASSES]>,
    receipts: HashMap<(SeatId, Lane), Receipt>,
    envelopes: HashMap<(SeatId, Lane), (Vec<u8>, i64)>,
    link: LinkState,
    /// Which node's clock and ours are far apart, and by how many milliseconds ours is behind.
    clocks_differ: Option<(SeatId, i64)>,
}

/// What an uplink is made of.
pub struct Parts<'a> {
    /// The seat's database.
    pub store: Arc<SeatStore>,
    /// What the agent is.
    pub admission: &'a Admission,
    /// Hash of the opening of its epoch.
    pub opening: Hash,
    /// Drawn at start.
    pub instance: InstanceId,
    /// The seat's feed.
    pub feed: FeedId,
    /// The clock.
    pub clock: Clock,
    /// How far sealing and acknowledgement are.
    pub progress: Arc<Progress>,
    /// Rung when an acknowledgement makes room.
    pub sealing: Bell,
}

/// The node at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePeer {
    identity: Identity,
    feed: FeedId,
}

impl Uplink {
    /// A host for the seat's sessions. Takes up the receipts that were kept.
    pub async fn new(parts: Parts<'_>) -> Result<Self, SeatError> {
        let Parts {
            store,
            admission,
            opening,
            instance,
            feed,
            clock,
            progress,
            sealing,
        } = parts;
        let mut state = State {
            directory: admission.directory.clone(),
            cursors: HashMap::new(),
            receipts: HashMap::new(),
            envelopes: HashMap::new(),
            link: LinkState::default(),
            clocks_differ: None,
        };
        for row in store.receipts().await? {
            let place = (SeatId(row.node), row.lane);
            let kept = Envelope::from_bytes(&row.envelope)
                .ok()
                .and_then(|e| Receipt::from_bytes(&e.bytes).ok());
            if let Some(receipt) = kept {
                state.receipts.insert(place, receipt);
                state.envelopes.insert(place, (row.envelope, row.heard_ms));
            }
        }
        Ok(Self(Arc::new(Inner {
            store,
            seat: admission.own().seat,
            jurisdiction: admission.own().jurisdiction.clone(),
            key: admission.key.clone(),
            // the root is not for the hello: each side has its own
            chain: admission
                .chain
                .iter()
                .skip(1)
                .map(Envelope::to_bytes)
                .collect(),
            opening,
            instance,
            feed,
            clock,
            progress,
            sealing,
            state: Mutex::new(state),
            unkept: AtomicBool::new(false),
        })))
    }

    /// How the link is.
    pub fn link(&self) -> LinkState {
        self.lock().link.clone()
    }

    /// What to do about clocks that are far apart, if they are. No clock decides what is valid, but what a row's dates
    /// say is judged by ours.
    pub fn clock_doubt(&self) -> Option<String> {
        let state = self.lock();
        let (node, behind_ms) = state.clocks_differ?;
        let title = state
            .directory
            .identity(&node)
            .map_or_else(|| node.to_string(), |i| i.identity().title.clone());
        Some(format!(
            "校准时钟：本机时钟比平台「{title}」{} {} 天；请先核对本机，无误再请平台核对。数据不会丢失，但按日期的检查会误判",
            if behind_ms > 0 { "慢" } else { "快" },
            behind_ms.abs() / DAY_MS,
        ))
    }

    /// Notes why an attempt to connect failed.
    pub fn note_trouble(&self, text: &str) {
        let now_ms = self.now_ms();
        let link = &mut self.lock().link;
        if link.up || link.trouble.is_empty() {
            link.since_ms = now_ms;
        }
        link.up = false;
        link.trouble = text.to_owned();
    }

    /// The last receipts of the nodes above, per lane.
    pub fn receipt_views(&self) -> Vec<ReceiptView> {
        let state = self.lock();
        let heard = |place| state.envelopes.get(place).map_or(0, |(_, heard)| *heard);
        let receipts = state.receipts.iter();
        views(
            &state.directory,
            receipts.map(|(place, receipt)| (*place, receipt, heard(place))),
        )
    }

    /// Keeps receipts that came in, and forgets the batches that they make safe.
    pub async fn settle(&self) -> Result<(), SeatError> {
        if !self.0.unkept.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let (rows, safe) = {
            let state = self.lock();
            let rows: Vec<ReceiptRow> = state
                .receipts
                .iter()
                .filter_map(|(place, receipt)| {
                    let (envelope, heard_ms) = state.envelopes.get(place)?.clone();
                    Some(ReceiptRow {
                        node: place.0.0,
                        lane: place.1,
                        durable: receipt.durable.0,
                        safeguarded: receipt.safeguarded.0,
                        issued_us: receipt.at,
                        heard_ms,
                        envelope,
                    })
                })
                .collect();
            let mut safe: HashMap<Lane, (u64, Hash)> = HashMap::new();
            for ((_, lane), receipt) in &state.receipts {
                let most = safe.entry(*lane).or_insert(receipt.safeguarded);
                if receipt.safeguarded.0 > most.0 {
                    *most = receipt.safeguarded;
                }
            }
            (rows, safe)
        };
        let kept = async {
            self.0.store.put_receipts(&rows).await?;
            for (lane, (sequence, hash)) in safe {
                if sequence > 0 {
                    self.0.store.prune(lane, sequence, hash).await?;
                }
            }
            Ok(())
        }
        .await;
        if kept.is_err() {
            self.0.unkept.store(true, Ordering::Release);
        }
        kept
    }

    fn take_receipt(&self, bytes: Vec<u8>) {
        let Ok(envelope) = Envelope::from_bytes(&bytes) else {
            tracing::warn!("a receipt cannot be read");
            return;
        };
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let verified = match receipt::verify(&state.directory, &envelope) {
            Ok(verified) => verified,
            Err(fault) => {
                tracing::warn!(%fault, "receipt ignored");
                return;
            }
        };
        let receipt = verified.receipt();
        // receipts of other seats and of other epochs say nothing about what waits here
        if receipt.log.seat != self.0.seat || receipt.log.opening != self.0.opening {
            return;
        }
        let place = (receipt.node, receipt.log.lane);
        // By position, not by time: a node whose clock was years ahead and has been set right must be heard. Of another
        // incarnation the last word counts (D17).
        let newer = state.receipts.get(&place).is_none_or(|known| {
            receipt.incarnation != known.incarnation
                || (receipt.durable.0 >= known.durable.0
                    && receipt.safeguarded.0 >= known.safeguarded.0)
        });
        if !newer {
            return;
        }
        // whoever above us holds a batch, the next node has passed it on
        let lane = receipt.log.lane.index();
        self.0.progress.acknowledged[lane].fetch_max(receipt.durable.0, Ordering::Relaxed);
        // one that says nothing new, or was on its way while we slept, may well be old
        let behind_ms = receipt.at / 1_000 - now_ms;
        let known = state.receipts.get(&place).map_or(0, |r| r.durable.0);
        let fresh = receipt.durable.0 > known;
        if behind_ms > DAY_MS || (fresh && behind_ms < -30 * DAY_MS) {
            state.clocks_differ = Some((receipt.node, behind_ms));
        } else if fresh
            && state
                .clocks_differ
                .is_some_and(|(node, _)| node == receipt.node)
        {
            state.clocks_differ = None;
        }
        state.receipts.insert(place, receipt.clone());
        state.envelopes.insert(place, (bytes, now_ms));
        self.0.unkept.store(true, Ordering::Release);
        drop(state);
        self.0.sealing.ring();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_us() / 1_000
    }
}

const DAY_MS: i64 = 86_400_000;

fn here(error: SeatError) -> HostFault {
    HostFault::Here(runtime::worker::chain(&error))
}

fn item(row: SealedRow) -> Item {
    if row.batch.sequence == 0 {
        return Item::Envelope(row.batch.header);
    }
    Item::Slice {
        header: row.batch.header,
        body: row.batch.body,
    }
}

impl Host for Uplink {
    type Peer = NodePeer;

    async fn introduce(&self, channel: Channel) -> Result<Hello, HostFault> {
        let seat = self.0.seat;
        Ok(Hello {
            frame_min: VERSIONS.0,
            frame_max: VERSIONS.1,
            instance: self.0.instance.0,
            feed: self.0.feed.0,
            seats: vec![Presence {
                seat: seat.0,
                signature: self.0.key.sign(&presence(&channel.exporter, &seat)),
            }],
            directory: self.0.chain.clone(),
        })
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, NodePeer), HostFault> {
        let refuse = |text: String| HostFault::Peer {
            code: reason::NOT_ADMITTED,
            text,
        };
        let identities = hello
            .verify(&mut self.lock().directory, &channel.exporter)
            .map_err(|fault| {
                refuse(format!(
                    "对端身份验证未通过（{fault}），不向其发送任何数据；请核对所连地址是否为签发接入码的平台"
                ))
            })?;
        let Some(first) = identities.first() else {
            return Err(refuse("对端未出示身份".to_owned()));
        };
        let identity = first.identity().clone();
        if identity.kind == SeatKind::Department {
            return Err(refuse("对端是部门代理，不是平台节点".to_owned()));
        }
        if identity.kind == SeatKind::District && identity.jurisdiction != self.0.jurisdiction {
            return Err(refuse(format!(
                "所连的「{}」不是本代理所属的平台，不向其发送任何数据；请核对配置中的地址与域名解析",
                identity.title
            )));
        }
        Ok((
            identity.seat,
            NodePeer {
                identity,
                feed: hello.feed_id(),
            },
        ))
    }

    async fn resume(&self, peer: &NodePeer) -> Result<Resumption, HostFault> {
        let cursors = self
            .lock()
            .cursors
            .get(&(peer.identity.seat, peer.feed))
            .copied();
        Ok(Resumption {
            cursors,
            interest: Interest::default(),
        })
    }

    async fn established(
        &self,
        peer: &NodePeer,
        _interest: Interest,
        handle: Handle,
    ) -> Result<(), HostFault> {
        tracing::info!(peer = %peer.identity.seat, title = peer.identity.title, "session established");
        self.lock().link = LinkState {
            up: true,
            peer: peer.identity.title.clone(),
            since_ms: self.now_ms(),
            trouble: String::new(),
        };
        handle.grown();
        Ok(())
    }

    async fn read_feed(&self, _peer: &NodePeer, request: FeedRequest) -> Result<Page, HostFault> {
        let Some(lane) = Lane::from_u8(request.class) else {
            return Ok(Page::default());
        };
        let head = self.0.progress.sendable.load(Ordering::Acquire);
        let upto = request.upto.map_or(head, |u| u.min(head));
        if upto <= request.after {
            return Ok(Page {
                items: Vec::new(),
                through: request.after,
                more: false,
            });
        }
        let bytes_max = usize::try_from(request.bytes_max).unwrap_or(usize::MAX);
        let (rows, all) = self
            .0
            .store
            .sealed_after(lane, request.after, upto, bytes_max)
            .await
            .map_err(here)?;
        let through = match rows.last() {
            Some(last) if !all => last.offset,
            _ => upto,
        };
        Ok(Page {
            items: rows
                .into_iter()
                .map(|row| (row.offset, item(row)))
                .collect(),
            through,
            more: !all,
        })
    }

    async fn acknowledged(
        &self,
        _peer: &NodePeer,
        class: u8,
        through: u64,
    ) -> Result<(), HostFault> {
        let Some(lane) = Lane::from_u8(class) else {
            return Ok(());
        };
        // it lets sealing go on and nothing be forgotten: for that a receipt is needed
        let sequence = self
            .0
            .store
            .sequence_at(lane, through)
            .await
            .map_err(here)?;
        let before =
            self.0.progress.acknowledged[lane.index()].fetch_max(sequence, Ordering::Relaxed);
        if sequence > before {
            self.0.sealing.ring();
        }
        Ok(())
    }

    async fn take_in(
        &self,
        peer: &NodePeer,
        class: u8,
        items: Vec<Item>,
        through: u64,
    ) -> Result<(), HostFault> {
        let mut state = self.lock();
        for item in items {
            // only who signs receipts is of interest here
            let Item::Envelope(bytes) = item else {
                continue;
            };
            let Ok(envelope) = Envelope::from_bytes(&bytes) else {
                continue;
            };
            let node = envelope.kind == kind::IDENTITY
                && Identity::from_bytes(&envelope.bytes)
                    .is_ok_and(|i| i.kind != SeatKind::Department);
            if node && let Err(fault) = state.directory.admit(&envelope) {
                tracing::warn!(%fault, "directory statement ignored");
            }
        }
        let cursors = state
            .cursors
            .entry((peer.identity.seat, peer.feed))
            .or_default();
        if let Some(cursor) = cursors.get_mut(usize::from(class)) {
            *cursor = through;
        }
        Ok(())
    }

    async fn receipts(&self, _peer: &NodePeer, receipts: Vec<Vec<u8>>) -> Result<(), HostFault> {
        for bytes in receipts {
            self.take_receipt(bytes);
        }
        Ok(())
    }

    async fn serve_want(
        &self,
        _peer: &NodePeer,
        want: Want,
        resume: Vec<u8>,
    ) -> Result<WantAnswer, HostFault> {
        let Want::Range {
            seat,
            lane,
            opening,
            from,
            to,
        } = want
        else {
            return Ok(WantAnswer::default());
        };
        let ours = seat == self.0.seat.0 && opening == self.0.opening.0;
        let (Some(lane), true) = (Lane::from_u8(lane), ours) else {
            return Ok(WantAnswer::default());
        };
        let newest = self.0.progress.sealed[lane.index()].load(Ordering::Relaxed);
        let last = if to == 0 { newest } else { to.min(newest) };
        let first = <[u8; 8]>::try_from(resume.as_slice())
            .map_or(from, |place| u64::from_be_bytes(place).saturating_add(1));
        if first > last {
            return Ok(WantAnswer::default());
        }
        let head = self.0.progress.sendable.load(Ordering::Acquire);
        let mut rows = self
            .0
            .store
            .sealed_range(lane, first, last)
            .await
            .map_err(here)?;
        rows.retain(|row| row.offset <= head);
        let next = rows
            .last()
            .map(|row| row.batch.sequence)
            .filter(|sequence| *sequence < last)
            .map(|sequence| sequence.to_be_bytes().to_vec());
        Ok(WantAnswer {
            items: rows.into_iter().map(item).collect(),
            next,
        })
    }

    async fn want_page(
        &self,
        _peer: &NodePeer,
        _id: u64,
        _items: Vec<Item>,
        _next: Option<Vec<u8>>,
    ) -> Result<Option<Ask>, HostFault> {
        // the agent wants nothing, so no page answers it
        Ok(None)
    }

    async fn closed(&self, peer: &NodePeer, end: &SessionEnd) {
        tracing::info!(peer = %peer.identity.seat, reason = end.text, "session ended");
        self.note_trouble(&end.text);
    }
}
