//! A node as the host of sessions: answers what `runtime` asks on behalf of a peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::directory::{Identity, SeatKind, presence};
use protocol::envelope::Envelope;
use protocol::frame::{CLASSES, Hello, Interest, Item, Presence, VERSIONS, Want, reason};
use protocol::name::SeatId;
use protocol::session::Page;
use runtime::door::Clock;
use runtime::link::driver::{
    Channel, FeedRequest, Host, HostFault, Resumption, SessionEnd, WantAnswer,
};
use runtime::link::registry::{Ask, Handle, Links};
use runtime::trace::Trace;
use store::PeerState;

use crate::error::StepError;
use crate::intake::{Arrival, Peer, TakeInFault};
use crate::node::{Node, Tier};
use crate::pour::Pour;

/// Version of the interest that this release states; raised when what it asks for changes.
const INTEREST_VERSION: u32 = 1;

/// A peer with a session.
#[derive(Debug)]
pub struct Live {
    /// Who it is.
    pub peer: Peer,
    /// Generation of receipts that it was told of.
    told: Mutex<u64>,
}

/// Hosts the sessions of a node.
#[derive(Clone)]
pub struct NodeHost {
    node: Node,
    links: Links,
    clock: Clock,
    live: Arc<Mutex<HashMap<SeatId, Arc<Live>>>>,
    asked: Arc<Mutex<HashMap<u64, SeatId>>>,
    trace: Trace,
    pour: Pour,
}

impl NodeHost {
    /// A host for the node's sessions.
    pub fn new(node: Node, links: Links, clock: Clock) -> Self {
        Self {
            node,
            links,
            clock,
            live: Arc::default(),
            asked: Arc::default(),
            trace: Trace::default(),
            pour: Pour::default(),
        }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The sessions that stand.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// When the feed last passed each stage.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What arrives in large groups.
    pub fn pour(&self) -> &Pour {
        &self.pour
    }

    fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends receipts that sessions have not been told of yet.
    pub async fn distribute_receipts(&self) {
        for (seat, handle) in self.links.all() {
            let Some(live) = Self::lock(&self.live).get(&seat).cloned() else {
                continue;
            };
            self.tell(&live, &handle).await;
        }
    }

    async fn tell(&self, live: &Live, handle: &Handle) {
        let since = *Self::lock(&live.told);
        let (receipts, generation) = self.node.receipts_for(&live.peer, since);
        if !receipts.is_empty() {
            handle.receipts(receipts).await;
        }
        *Self::lock(&live.told) = generation;
    }

    /// Opens the wants that the store holds, each at who can answer it. Returns how many were opened.
    pub async fn open_wants(&self) -> Result<usize, StepError> {
        let mut opened = 0;
        for row in self.node.store().wants_open().await? {
            let Ok(want) = protocol::codec::decode_want(&row.want) else {
                continue;
            };
            let Some((party, handle)) = self.answers(&want) else {
                continue;
            };
            if Self::lock(&self.asked).insert(row.id, party).is_some() {
                continue;
            }
            if !handle
                .want(Ask {
                    id: row.id,
                    want,
                    resume: row.resume,
                })
                .await
            {
                Self::lock(&self.asked).remove(&row.id);
                break;
            }
            opened += 1;
        }
        Ok(opened)
    }

    /// Who answers a want: the city; at the city, for a log, whoever brings that log.
    fn answers(&self, want: &Want) -> Option<(SeatId, Handle)> {
        let origin = match want {
            Want::Range { seat, .. } => Some(SeatId(*seat)),
            Want::Subject(_) => None,
        };
        let jurisdiction = origin.and_then(|o| {
            Some(
                self.node
                    .directory()
                    .identity(&o)?
                    .identity()
                    .jurisdiction
                    .clone(),
            )
        });
        let live = Self::lock(&self.live);
        let fits = |l: &&Arc<Live>| match l.peer.identity.kind {
            SeatKind::City => true,
            SeatKind::District => jurisdiction.as_ref() == Some(&l.peer.identity.jurisdiction),
            SeatKind::Department => origin.is_some_and(|o| l.peer.seats.contains(&o)),
        };
        // a source that is attached here answers for itself
        let party = live
            .values()
            .filter(fits)
            .max_by_key(|l| l.peer.identity.kind)?
            .peer
            .identity
            .seat;
        Some((party, self.links.with(&party)?))
    }

    fn may_speak(&self, identity: &Identity) -> Result<(), String> {
        match (self.node.tier(), identity.kind) {
            (Tier::City, SeatKind::District | SeatKind::Department)
            | (Tier::District, SeatKind::City) => Ok(()),
            (Tier::District, SeatKind::Department)
                if identity.jurisdiction == self.node.region() =>
            {
                Ok(())
            }
            _ => Err(format!(
                "「{}」不属于本节点接入的范围，请核对其接入码由谁签发",
                identity.title
            )),
        }
    }
}

fn here(error: StepError) -> HostFault {
    HostFault::Here(error.to_string())
}

impl Host for NodeHost {
    type Peer = Arc<Live>;

    async fn introduce(&self, channel: Channel) -> Result<Hello, HostFault> {
        let seat = self.node.seat();
        let signature = self.node.key().sign(&presence(&channel.exporter, &seat));
        Ok(Hello {
            frame_min: VERSIONS.0,
            frame_max: VERSIONS.1,
            instance: self.node.instance().0,
            feed: self.node.feed().0,
            seats: vec![Presence {
                seat: seat.0,
                signature,
            }],
            // the root is not for the hello: each side has its own
            directory: self
                .node
                .chain()
                .iter()
                .skip(1)
                .map(Envelope::to_bytes)
                .collect(),
        })
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, Self::Peer), HostFault> {
        let refuse = |text: String| HostFault::Peer {
            code: reason::NOT_ADMITTED,
            text,
        };
        let identities = hello
            .verify(&mut self.node.directory_mut(), &channel.exporter)
            .map_err(|fault| refuse(format!("身份验证未通过：{fault}。请确认已获准入网")))?;
        let seats = identities.iter().map(|i| i.identity().seat).collect();
        let Some(first) = identities.first() else {
            return Err(refuse("未出示身份".to_owned()));
        };
        let identity = first.identity().clone();
        for other in &identities {
            self.may_speak(other.identity()).map_err(refuse)?;
        }
        // of several seats under one roof each must be welcome
        for other in &identities {
            let row = self
                .node
                .store()
                .peer(other.identity().seat)
                .await
                .map_err(|e| here(e.into()))?;
            if let Some(row) = row
                && matches!(row.state, PeerState::Refused | PeerState::Revoked)
            {
                return Err(refuse(format!(
                    "本节点已停止「{}」的接入：{}",
                    other.identity().title,
                    row.reason
                )));
            }
        }
        let seat = identity.seat;
        let peer = Peer {
            identity,
            seats,
            feed: hello.feed_id(),
        };
        let live = Live {
            peer,
            told: Mutex::default(),
        };
        Ok((seat, Arc::new(live)))
    }

    async fn resume(&self, live: &Self::Peer) -> Result<Resumption, HostFault> {
        let rows = self
            .node
            .store()
            .cursors(live.peer.identity.seat)
            .await
            .map_err(|e| here(e.into()))?;
        let mut cursors = None;
        for row in rows.into_iter().filter(|r| r.feed == live.peer.feed) {
            if let Some(slot) = cursors
                .get_or_insert([0; CLASSES])
                .get_mut(usize::from(row.class))
            {
                *slot = row.offset;
            }
        }
        let downward = live.peer.identity.kind == SeatKind::City;
        let interest = Interest {
            version: INTEREST_VERSION,
            full: !downward,
            regions: if downward {
                vec![self.node.region().to_owned()]
            } else {
                Vec::new()
            },
            seats: Vec::new(),
            city_wide: downward,
        };
        Ok(Resumption { cursors, interest })
    }

    async fn established(
        &self,
        live: &Self::Peer,
        _: Interest,
        handle: Handle,
    ) -> Result<(), HostFault> {
        let seat = live.peer.identity.seat;
        Self::lock(&self.live).insert(seat, live.clone());
        Self::lock(&self.asked).retain(|_, at| *at != seat);
        self.node
            .store()
            .peer_contact(&[seat], self.clock.now_us())
            .await
            .map_err(|e| here(e.into()))?;
        self.tell(live, &handle).await;
        self.node.wanting().ring();
        tracing::info!(peer = %seat, title = live.peer.identity.title, "session established");
        Ok(())
    }

    async fn read_feed(&self, live: &Self::Peer, request: FeedRequest) -> Result<Page, HostFault> {
        self.node
            .feed_page(
                &live.peer,
                &request.interest,
                request.class,
                request.after,
                request.upto,
                request.bytes_max,
            )
            .await
            .map_err(here)
    }

    async fn take_in(
        &self,
        live: &Self::Peer,
        class: u8,
        items: Vec<Item>,
        through: u64,
    ) -> Result<(), HostFault> {
        let arrival = Arrival::Feed {
            class,
            through,
            interest_version: INTEREST_VERSION,
        };
        let storing = self.pour.storing(&items);
        let head = self
            .node
            .take_in(&live.peer, items, arrival, self.clock.now_us())
            .await
            .map_err(fault)?;
        let now_us = self.clock.now_us();
        storing.stored(now_us);
        self.trace.note("durable", head, now_us);
        Ok(())
    }

    async fn receipts(&self, _live: &Self::Peer, receipts: Vec<Vec<u8>>) -> Result<(), HostFault> {
        self.node.take_receipts(receipts).await.map_err(here)
    }

    async fn serve_want(
        &self,
        live: &Self::Peer,
        want: Want,
        resume: Vec<u8>,
    ) -> Result<WantAnswer, HostFault> {
        let (items, next) = self
            .node
            .want_page(&live.peer, &want, &resume)
            .await
            .map_err(here)?;
        Ok(WantAnswer { items, next })
    }

    async fn want_page(
        &self,
        live: &Self::Peer,
        id: u64,
        items: Vec<Item>,
        next: Option<Vec<u8>>,
    ) -> Result<Option<Ask>, HostFault> {
        if !items.is_empty() {
            let now = self.clock.now_us();
            self.node
                .take_in(&live.peer, items, Arrival::Want, now)
                .await
                .map_err(fault)?;
        }
        let store = self.node.store();
        let Some(next) = next else {
            store.want_done(id).await.map_err(|e| here(e.into()))?;
            Self::lock(&self.asked).remove(&id);
            return Ok(None);
        };
        store
            .want_progress(id, &next)
            .await
            .map_err(|e| here(e.into()))?;
        let row = store
            .wants_open()
            .await
            .map_err(|e| here(e.into()))?
            .into_iter()
            .find(|w| w.id == id);
        let want = row.and_then(|w| protocol::codec::decode_want(&w.want).ok());
        Ok(want.map(|want| Ask {
            id,
            want,
            resume: next,
        }))
    }

    async fn closed(&self, live: &Self::Peer, end: &SessionEnd) {
        let seat = live.peer.identity.seat;
        {
            let mut all = Self::lock(&self.live);
            // a newer session of the same party may stand already
            if all.get(&seat).is_some_and(|other| Arc::ptr_eq(other, live)) {
                all.remove(&seat);
            }
        }
        let now = self.clock.now_us();
        if let Err(error) = self.node.keep_moves(&seat, now).await {
            tracing::warn!(%error, peer = %seat, "cursors not stored: the peer will send some steps again");
        }
        // the page of nodes says since when a party is away: since its session ended, not since it began
        if let Err(error) = self.node.store().peer_contact(&[seat], now).await {
            tracing::warn!(%error, peer = %seat, "last contact of {seat} not noted");
        }
        tracing::info!(peer = %seat, why = end.text, "session ended");
    }
}

fn fault(fault: TakeInFault) -> HostFault {
    match fault {
        TakeInFault::Peer(_) => HostFault::Peer {
            code: reason::MISBEHAVED,
            text: fault.to_string(),
        },
        TakeInFault::Jurisdiction { .. } => HostFault::Peer {
            code: reason::JURISDICTION,
            text: fault.to_string(),
        },
        TakeInFault::Step(error) => here(error),
    }
}
