//! A node as the host of sessions: answers what `runtime` asks on behalf of a peer.
//! Long because it answers one trait, question by question.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use protocol::codec;
use protocol::frame::{
    CLASSES, Cursor, Digest, FRAME_HIGHEST, GoodbyeCode, Health, Hello, ITEM_HIGHEST, Interest,
    LogEntry, LogsEnd, PageCode, Presence, Resume, Scope, Token, Want,
};
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::SeatId;
use protocol::presence;
use protocol::session::{Acceptance, Answer, Page};
use protocol::statement::{Identity, SeatKind};
use runtime::door::Clock;
use runtime::link::driver::SessionEnd;
use runtime::link::host::{Beginning, Channel, FeedRequest, Given, Group, Host, HostFault};
use runtime::link::places::KnownKeys;
use runtime::link::registry::{Ask, Handle, Links};
use runtime::trace::Trace;
use store::SkippedRow;

use crate::error::StepError;
use crate::intake::{Arrival, Peer, Scope as WantScope, TakeInFault, want_row};
use crate::node::{LogKey, Node, Tier};
use crate::pour::Pour;
use crate::state::LogState;

mod parting;
mod wants;

/// Version of the interest that this release states; raised when what it asks for changes.
const INTEREST_VERSION: u32 = 1;
/// How a seat is, is said again after so long, so that who hears nothing knows that something is wrong.
const HEALTH_AGAIN_US: i64 = 10_000_000;
/// Release of this program, for people at the other end.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// A peer with a session.
#[derive(Debug)]
pub struct Live {
    /// Who it is.
    pub peer: Peer,
    /// Generation of receipts that it was told of.
    told: Mutex<u64>,
    /// How logs were when it was told.
    states: Mutex<HashMap<LogKey, LogState>>,
    /// What it was told of how seats are, and when.
    health: Mutex<HashMap<SeatId, (Health, i64)>>,
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
    known: Arc<OnceLock<KnownKeys>>,
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
            known: Arc::default(),
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

    /// Tells sessions how logs are that concern their peers, as far as this changed since they were told; and, at a district,
    /// tells the city how its sources are.
    pub async fn tell_states(&self) -> Result<(), StepError> {
        for (seat, handle) in self.links.all() {
            let Some(live) = Self::lock(&self.live).get(&seat).cloned() else {
                continue;
            };
            let states = self
                .node
                .log_states(|origin| self.node.tells_of(&live.peer, origin))
                .await?;
            for (key, state) in states {
                if Self::lock(&live.states).get(&key) == Some(&state) {
                    continue;
                }
                let entry = self.node.log_entry(&key, &state).await?;
                // what is not taken is said again the next time
                if handle.logs(vec![entry]).await {
                    Self::lock(&live.states).insert(key, state);
                }
            }
            if live.peer.identity.kind == SeatKind::City {
                let relayed = self
                    .node
                    .relayed_health(|from| self.links.all().iter().any(|(seat, _)| seat == from));
                self.tell_health(&live, &handle, relayed).await;
            }
        }
        Ok(())
    }

    /// Tells every peer how this node is.
    pub async fn tell_own_health(&self, own: Health) {
        for (seat, handle) in self.links.all() {
            let Some(live) = Self::lock(&self.live).get(&seat).cloned() else {
                continue;
            };
            self.tell_health(&live, &handle, vec![own.clone()]).await;
        }
    }

    /// Says what changed, or was said long ago.
    async fn tell_health(&self, live: &Live, handle: &Handle, all: Vec<Health>) {
        let now_us = self.clock.now_us();
        let due: Vec<Health> = {
            let mut said = Self::lock(&live.health);
            all.into_iter()
                .filter(|health| {
                    let fresh = said.get(&health.seat).is_some_and(|(before, at)| {
                        let same =
                            (&before.state, &before.reasons) == (&health.state, &health.reasons);
                        same && (0..HEALTH_AGAIN_US).contains(&(now_us - at))
                    });
                    if !fresh {
                        said.insert(health.seat, (health.clone(), now_us));
                    }
                    !fresh
                })
                .collect()
        };
        for part in due.chunks(limits::HEALTH_SEATS_MAX) {
            if !handle.health(part.to_vec()).await {
                // said again the next time
                let mut said = Self::lock(&live.health);
                part.iter().for_each(|health| {
                    said.remove(&health.seat);
                });
            }
        }
    }

    /// What this node holds of statements, as far as the peer holds the same: a source goes by its own chain only.
    fn references_for(&self, peer: &Peer) -> (Scope, Vec<Ref>) {
        let directory = self.node.directory();
        match peer.identity.kind {
            SeatKind::Department => {
                let mut chain = directory.chain(&peer.seats);
                chain.sort_unstable();
                chain.dedup();
                (Scope::Chain, chain)
            }
            _ => (Scope::All, directory.references().copied().collect()),
        }
    }

    /// The same, as a sum.
    fn digest_for(&self, peer: &Peer) -> Digest {
        let (scope, references) = self.references_for(peer);
        Digest::of(self.node.store().feed_heads().head, scope, &references)
    }

    /// Whether the city is in session with this node.
    pub fn city_is_here(&self) -> bool {
        Self::lock(&self.live)
            .values()
            .any(|l| l.peer.identity.kind == SeatKind::City)
    }

    fn may_speak(&self, identity: &Identity) -> Result<(), String> {
        match (self.node.tier(), identity.kind) {
            (Tier::City, SeatKind::District | SeatKind::Department)
            | (Tier::District, SeatKind::City) => Ok(()),
            (Tier::District, SeatKind::Department) if identity.node == self.node.seat() => Ok(()),
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
        let signatures = presence::sign(&seat, &channel.exporter, self.node.key());
        Ok(Hello {
            frames: FRAME_HIGHEST,
            items: ITEM_HIGHEST,
            instance: self.node.instance(),
            incarnation: self.node.incarnation(),
            release: RELEASE.to_owned(),
            seats: vec![Presence { seat, signatures }],
            // the first root is not for the hello: each side has its own
            statements: self
                .node
                .chain()
                .iter()
                .skip(1)
                .map(protocol::envelope::Envelope::to_bytes)
                .collect(),
        })
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, Self::Peer), HostFault> {
        let refuse = |code: GoodbyeCode, text: String| HostFault::Peer { code, text };
        let outside = |text| refuse(GoodbyeCode::NotAdmitted, text);
        // a scratch copy: what a hello shows counts only once it has been taken in durably (D50)
        let mut scratch = self.node.directory().clone();
        let believed = hello
            .verify(&mut scratch, &channel.exporter)
            .map_err(|fault| {
                let text = format!("身份验证未通过：{fault}。请确认已获准入网");
                refuse(fault.code(), text)
            })?;
        let Some(identity) = believed.identities.first().cloned() else {
            return Err(outside("未出示身份".to_owned()));
        };
        for other in &believed.identities {
            self.may_speak(other).map_err(outside)?;
        }
        // of several seats under one roof each must be welcome
        for other in &believed.identities {
            let welcome = self
                .node
                .may_come_in(other, channel.peer_key, self.clock.now_us())
                .await
                .map_err(|e| here(e.into()))?;
            welcome.map_err(|(code, text)| refuse(code, text))?;
        }
        self.node
            .publish(&believed.needed, self.clock.now_us())
            .await
            .map_err(fault)?;
        let seat = identity.seat;
        let seats = believed.identities.iter().map(|i| i.seat).collect();
        let peer = Peer {
            identity,
            seats,
            incarnation: hello.incarnation,
            release: hello.release,
        };
        let live = Live {
            peer,
            told: Mutex::default(),
            states: Mutex::default(),
            health: Mutex::default(),
        };
        Ok((seat, Arc::new(live)))
    }

    async fn accept(&self, live: &Self::Peer) -> Result<Acceptance, HostFault> {
        let store = self.node.store();
        let seat = live.peer.identity.seat;
        let rows = store.cursors(seat).await.map_err(|e| here(e.into()))?;
        let mut cursors = None;
        let feed = live.peer.incarnation.feed;
        for row in rows.into_iter().filter(|r| r.feed == feed) {
            if let Some(slot) = cursors
                .get_or_insert([Cursor::default(); CLASSES])
                .get_mut(usize::from(row.class))
            {
                *slot = Cursor {
                    offset: row.offset,
                    token: Token(row.token),
                };
            }
        }
        let downward = live.peer.identity.kind == SeatKind::City;
        let interest = Interest {
            version: INTEREST_VERSION,
            full: !downward,
            city_wide: downward,
            regions: if downward {
                vec![self.node.region().to_owned()]
            } else {
                Vec::new()
            },
            ..Interest::default()
        };
        let words = store
            .feed_head_of(seat)
            .await
            .map_err(|e| here(e.into()))?
            .map(|row| row.bytes)
            .into_iter()
            .collect();
        let logs = self.node.log_entries(&live.peer).await.map_err(here)?;
        Ok(Acceptance {
            cursors,
            interest,
            words,
            logs,
            without_city: self.node.tier() == Tier::District && !self.city_is_here(),
            digest: self.digest_for(&live.peer),
        })
    }

    async fn established(
        &self,
        live: &Self::Peer,
        resume: Resume,
        handle: Handle,
    ) -> Result<Beginning, HostFault> {
        let seat = live.peer.identity.seat;
        Self::lock(&self.live).insert(seat, live.clone());
        Self::lock(&self.asked).retain(|_, at| *at != seat);
        let store = self.node.store();
        store
            .peer_contact(&[seat], self.clock.now_us())
            .await
            .map_err(|e| here(e.into()))?;
        let head = store.feed_heads().head;
        let mut anew = false;
        for cursor in &resume.cursors {
            let known = cursor.offset <= head
                && self.node.token_at(cursor.offset).await.map_err(here)? == cursor.token;
            if !known {
                // our feed is not the one that the peer has read: it begins anew, and what is held changes nothing
                tracing::warn!(peer = %seat, offset = cursor.offset, head, "cursor is not one of our feed");
                anew = true;
            }
        }
        // what was refused is offered again to another release
        store
            .unskip(seat, Some(&live.peer.release))
            .await
            .map_err(|e| here(e.into()))?;
        let skipped = store
            .skipped(Some(seat))
            .await
            .map_err(|e| here(e.into()))?;
        let skip: BTreeSet<(u8, u64)> = skipped.iter().map(|s| (s.class, s.offset)).collect();
        handle
            .receipts(vec![self.node.feed_head_for(seat, self.clock.now_us())])
            .await;
        self.tell(live, &handle).await;
        self.node.wanting().ring();
        self.node.telling().ring();
        tracing::info!(peer = %seat, title = live.peer.identity.title, "session established");
        Ok(Beginning { anew, skip })
    }

    async fn refused(&self, live: &Self::Peer, class: u8, offset: u64, text: String) {
        let row = SkippedRow {
            peer: live.peer.identity.seat,
            class,
            offset,
            reason: text.clone(),
            release: live.peer.release.clone(),
            at_us: self.clock.now_us(),
        };
        tracing::error!(peer = %row.peer, class, offset, text, "the peer refused an item of our feed; it is skipped");
        if let Err(error) = self.node.store().skip(row).await {
            tracing::error!(%error, "the refused item could not be noted; it will be refused again");
        }
        self.node.telling().ring();
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

    async fn take_in(&self, live: &Self::Peer, group: Group) -> Result<(), HostFault> {
        let arrival = Arrival::Feed {
            class: group.class,
            through: group.through,
            interest: group.interest,
        };
        let storing = self.pour.storing(&group.items);
        let head = self
            .node
            .take_in(&live.peer, group.items, arrival, self.clock.now_us())
            .await
            .map_err(fault)?;
        let now_us = self.clock.now_us();
        storing.stored(now_us);
        self.trace.note("durable", head, now_us);
        Ok(())
    }

    async fn receipts(&self, live: &Self::Peer, receipts: Vec<Vec<u8>>) -> Result<(), HostFault> {
        let from = live.peer.identity.seat;
        self.node
            .take_receipts(&from, receipts)
            .await
            .map(|_| ())
            .map_err(here)
    }

    async fn logs(
        &self,
        live: &Self::Peer,
        entries: Vec<LogEntry>,
        _end: LogsEnd,
    ) -> Result<(), HostFault> {
        self.node.hear_logs(&live.peer, entries);
        Ok(())
    }

    async fn health(&self, live: &Self::Peer, health: Vec<Health>) -> Result<(), HostFault> {
        self.node
            .hear_health(&live.peer, health, self.clock.now_us());
        Ok(())
    }

    async fn digest(&self, live: &Self::Peer, theirs: Digest) -> Result<bool, HostFault> {
        let ours = self.digest_for(&live.peer);
        Ok(theirs.scope == ours.scope && (theirs.count, theirs.sum) != (ours.count, ours.sum))
    }

    async fn serve_statements(
        &self,
        live: &Self::Peer,
        scope: Scope,
        after: Ref,
    ) -> Result<(Vec<Ref>, bool), HostFault> {
        let (ours, mut page) = self.references_for(&live.peer);
        if scope != ours {
            return Ok((Vec::new(), true));
        }
        page.sort_unstable();
        page.retain(|reference| *reference > after);
        let last = page.len() <= limits::STATEMENT_PAGE_MAX;
        page.truncate(limits::STATEMENT_PAGE_MAX);
        Ok((page, last))
    }

    async fn statements(
        &self,
        _live: &Self::Peer,
        _scope: Scope,
        references: Vec<Ref>,
        _last: bool,
    ) -> Result<(), HostFault> {
        let now_us = self.clock.now_us();
        let missing: Vec<_> = {
            let directory = self.node.directory();
            let unknown = references.into_iter().filter(|r| !directory.knows(r));
            unknown
                .map(|reference| {
                    let want = Want::Statements(vec![reference]);
                    want_row(WantScope::Statement(reference), &want, now_us)
                })
                .collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let over = self
            .node
            .store()
            .wants_put(missing)
            .await
            .map_err(|e| here(e.into()))?;
        self.node.count_dropped(over, 0);
        self.node.wanting().ring();
        Ok(())
    }

    async fn serve_want(
        &self,
        live: &Self::Peer,
        want: Want,
        place: Vec<u8>,
    ) -> Result<Answer, HostFault> {
        self.node
            .want_page(&live.peer, &want, &place)
            .await
            .map_err(here)
    }

    async fn want_page(
        &self,
        live: &Self::Peer,
        number: u64,
        given: Given,
    ) -> Result<Option<Ask>, HostFault> {
        let gave = !given.items.is_empty();
        if gave {
            let now = self.clock.now_us();
            let items = given.items.into_iter().map(|item| (0, item)).collect();
            let taken = self
                .node
                .take_in(&live.peer, items, Arrival::Want, now)
                .await;
            if let Err(error) = taken {
                // somebody else may have it
                Self::lock(&self.asked).remove(&number);
                self.asked_in_vain(number).await?;
                return Err(fault(error));
            }
        }
        let store = self.node.store();
        let row = store.want(number).await.map_err(|e| here(e.into()))?;
        let want = row.and_then(|w| codec::decode_want(&w.want).ok());
        let (Some(want), Some(next)) = (&want, given.next) else {
            let answered = given.code == PageCode::Given;
            let done = match &want {
                None => true,
                Some(Want::Subject(_)) => answered,
                Some(want) => self.is_fulfilled(want),
            };
            if done {
                store.want_done(number).await.map_err(|e| here(e.into()))?;
            } else {
                self.asked_in_vain(number).await?;
            }
            Self::lock(&self.asked).remove(&number);
            self.node.wanting().ring();
            return Ok(None);
        };
        store
            .want_progress(number, &next)
            .await
            .map_err(|e| here(e.into()))?;
        Ok(Some(Ask {
            id: number,
            want: want.clone(),
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
    let text = fault.to_string();
    match fault {
        TakeInFault::Item { class, offset, .. } => HostFault::Item {
            class,
            offset,
            text,
        },
        TakeInFault::Peer(_) => HostFault::Peer {
            code: GoodbyeCode::Misbehaved,
            text,
        },
        TakeInFault::Jurisdiction { .. } => HostFault::Peer {
            code: GoodbyeCode::Jurisdiction,
            text,
        },
        TakeInFault::Step(error) => here(error),
    }
}
