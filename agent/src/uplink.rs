//! The link to the agent's node: serves the seat's feed, hears receipts and what is told of its logs, and lets go of what is
//! safe elsewhere.
//!
//! The agent wants nothing from its node but statements about nodes and itself (to check receipts by) and receipts. Its place
//! in the node's feed is kept in memory only and asked for again after a restart.

mod beside;
mod receipts;
mod statements;
#[cfg(test)]
mod tests;
mod view;
mod word;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::frame::{
    CLASSES, Cursor, Digest, FRAME_HIGHEST, GoodbyeCode, Health, Hello, ITEM_HIGHEST, Interest,
    Item, LogEntry, LogsEnd, PageCode, Presence, Reason, Resume, Scope, State as LogState, Token,
    Want,
};
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::{FeedId, Incarnation, InstanceId, Lane, SeatId};
use protocol::presence;
use protocol::receipt;
use protocol::session::{Acceptance, Answer, Page};
use protocol::statement::{Identity, SeatKind};
use runtime::door::Clock;
use runtime::link::driver::SessionEnd;
use runtime::link::host::{Beginning, Channel, FeedRequest, Given, Group, Host, HostFault};
use runtime::link::registry::{Ask, Handle};
use runtime::release;
use runtime::worker::Bell;
use store::seat::{SealedRow, SeatError, SeatStore, Skipped};

use crate::home::Admission;
use crate::seal::Progress;
use receipts::Held;
use view::views;
pub use view::{CityWord, LinkState, LogView, NodeWord, ReceiptView, Stuck, kept_receipts};

/// Hosts the session with the agent's node. Clones are the same host.
#[derive(Clone)]
pub struct Uplink(Arc<Inner>);

struct Inner {
    store: Arc<SeatStore>,
    seat: SeatId,
    key: Arc<protocol::sign::SigningKey>,
    opening: Ref,
    opening_bytes: Vec<u8>,
    instance: InstanceId,
    incarnation: Incarnation,
    clock: Clock,
    progress: Arc<Progress>,
    /// Rung when an acknowledgement makes room.
    sealing: Bell,
    state: Mutex<State>,
    unkept: AtomicBool,
    /// Whether a node has told of our logs since the start, or could not be reached.
    asked: AtomicBool,
}

struct State {
    directory: Directory,
    /// Statements that can be shown to others.
    statements: HashMap<Ref, Vec<u8>>,
    /// Statements that wait for another one.
    waiting: Vec<Envelope>,
    cursors: HashMap<SeatId, (Incarnation, [Cursor; CLASSES])>,
    receipts: HashMap<(SeatId, Lane), Held>,
    /// Which life of each node's store counts.
    incarnations: BTreeMap<SeatId, Incarnation>,
    /// The same as it is kept.
    lives_kept: Vec<u8>,
    link: LinkState,
    /// Who is at the other end of the session that stands.
    peer: Option<SeatId>,
    handle: Option<Handle>,
    /// Raised with every session.
    sessions: u64,
    node: NodeWord,
    /// Wants of ours for statements, by number.
    wants: HashMap<u64, Vec<Ref>>,
    wanted: u64,
    /// Items of our feed that a peer has refused.
    skipped: Vec<Skipped>,
    /// Which node's clock and ours are far apart, and by how many milliseconds ours is behind.
    clocks_differ: Option<(SeatId, i64)>,
    /// By how much our clock is behind that of the node at the other end.
    clock_offset_ms: Option<i64>,
}

impl State {
    /// The node that is home for this seat, by its newest identity.
    fn own_node(&self, seat: &SeatId) -> Option<SeatId> {
        own_node(&self.directory, seat)
    }

    /// Notes which life of a node's store speaks: a greater one, or another one of the same counter if the node itself says
    /// so on a session. What others say of an equal counter changes nothing.
    fn note_incarnation(&mut self, node: SeatId, said: Incarnation, by_node: bool) {
        let known = self.incarnations.entry(node).or_insert(said);
        if said.counter > known.counter || (said.counter == known.counter && by_node) {
            *known = said;
        }
    }

    /// Notes by how much our clock is behind that of a node: far apart, or within these bounds again.
    fn note_clock(&mut self, node: SeatId, behind_ms: i64, fine: RangeInclusive<i64>) {
        if !fine.contains(&behind_ms) {
            self.clocks_differ = Some((node, behind_ms));
        } else if self.clocks_differ.is_some_and(|(of, _)| of == node) {
            self.clocks_differ = None;
        }
    }
}

fn own_node(directory: &Directory, seat: &SeatId) -> Option<SeatId> {
    let identity = directory.newest_identity(seat)?;
    Some(identity.identity().node)
}

/// What an uplink is made of.
pub struct Parts<'a> {
    /// The seat's database.
    pub store: Arc<SeatStore>,
    /// What the agent is.
    pub admission: &'a Admission,
    /// The opening of its epoch.
    pub opening: &'a Envelope,
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
    incarnation: Incarnation,
    release: String,
}

impl Uplink {
    /// A host for the seat's sessions. Takes up the statements and receipts that were kept, and judges anew what stood in the
    /// way of sealing.
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
        let mut directory = admission.directory.clone();
        let mut statements = HashMap::new();
        let mut known = admission.chain.clone();
        for bytes in store.statements().await? {
            known.push(Envelope::from_bytes(&bytes).map_err(|_| SeatError::Corrupt("名录声明"))?);
        }
        known.push(opening.clone());
        for envelope in known {
            match directory.admit(&envelope) {
                Ok(admitted) => {
                    statements.insert(admitted.reference, admitted.envelope.to_bytes());
                }
                Err(fault) => tracing::warn!(%fault, "a statement that was kept is not believed"),
            }
        }
        let mut receipts = HashMap::new();
        for row in store.receipts().await? {
            let kept = Envelope::from_bytes(&row.envelope)
                .ok()
                .and_then(|envelope| receipt::verify(&directory, &envelope).ok());
            let Some(verified) = kept else {
                tracing::warn!(node = %row.node, "a receipt that was kept does not count any more");
                continue;
            };
            let receipt = verified.receipt();
            progress.acknowledged[row.lane.index()]
                .fetch_max(receipt.durable.sequence, Ordering::Relaxed);
            let held = Held {
                receipt: receipt.clone(),
                envelope: verified.envelope().clone(),
                heard_ms: row.heard_ms,
            };
            receipts.insert((row.node, row.lane), held);
        }
        let lives = store.meta(receipts::LIVES).await?.unwrap_or_default();
        let mut state = State {
            directory,
            statements,
            waiting: Vec::new(),
            cursors: HashMap::new(),
            incarnations: receipts::lives_from_bytes(&lives)
                .ok_or(SeatError::Corrupt("节点的运行代次"))?,
            lives_kept: lives,
            receipts: HashMap::new(),
            link: LinkState::default(),
            peer: None,
            handle: None,
            sessions: 0,
            node: NodeWord::default(),
            wants: HashMap::new(),
            wanted: 0,
            skipped: store.skipped().await?,
            clocks_differ: None,
            clock_offset_ms: None,
        };
        for ((node, _), held) in &receipts {
            state.note_incarnation(*node, held.receipt.incarnation, false);
        }
        state.receipts = receipts;
        let uplink = Self(Arc::new(Inner {
            store,
            seat: admission.own().seat,
            key: admission.key.clone(),
            opening: Ref::of(opening.hash()),
            opening_bytes: opening.to_bytes(),
            instance,
            // later lives come with what is done after an old copy was put back
            incarnation: Incarnation { counter: 1, feed },
            clock,
            progress,
            sealing,
            state: Mutex::new(state),
            unkept: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }));
        uplink.note_revocation();
        uplink.judge_evidence().await?;
        Ok(uplink)
    }

    /// How the link is.
    pub fn link(&self) -> LinkState {
        self.lock().link.clone()
    }

    /// Whether a node has been asked what it holds of this seat since the start, or cannot be reached: before that nothing is
    /// sealed, so that an old copy of the folder has no chance to.
    pub fn has_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Notes why an attempt to connect failed.
    pub fn note_trouble(&self, text: &str) {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let link = &mut state.link;
        if link.up || link.trouble.is_empty() {
            link.since_ms = now_ms;
        }
        link.up = false;
        link.trouble = text.to_owned();
        state.node = NodeWord::default();
        drop(state);
        self.note_asked();
    }

    /// The last receipts of the nodes above, per lane.
    pub fn receipt_views(&self) -> Vec<ReceiptView> {
        let state = self.lock();
        let receipts = state.receipts.iter();
        views(
            &state.directory,
            receipts.map(|(place, held)| (*place, &held.receipt, held.heard_ms)),
        )
    }

    /// Items of our feed that the node has refused for their bytes.
    pub fn skipped(&self) -> Vec<Skipped> {
        self.lock().skipped.clone()
    }

    /// By how many milliseconds our clock is behind that of the node, as far as it has said.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.lock().clock_offset_ms
    }

    /// The seat.
    pub fn seat(&self) -> SeatId {
        self.0.seat
    }

    /// The session that stands, if one does, and how many there have been.
    pub fn session(&self) -> (u64, Option<Handle>) {
        let state = self.lock();
        let handle = state.handle.clone().filter(|_| state.link.up);
        (state.sessions, handle)
    }

    fn note_asked(&self) {
        if !self.0.asked.swap(true, Ordering::AcqRel) {
            self.0.sealing.ring();
        }
    }

    /// The heads of our own logs, as they are shown to the node.
    async fn own_logs(&self) -> Result<Vec<LogEntry>, SeatError> {
        let tips = self.0.store.tips().await?;
        Ok(tips
            .into_iter()
            .map(|tip| self.entry(tip.lane, tip.sequence, tip.envelope))
            .collect())
    }

    fn entry(&self, lane: Lane, sequence: u64, header: Vec<u8>) -> LogEntry {
        let halted = self.0.progress.halted().is_some();
        LogEntry {
            seat: self.0.seat,
            lane: lane as u8,
            opening: self.0.opening,
            state: match halted {
                true => LogState::Stopped,
                false => LogState::Running,
            },
            reason: match halted {
                true => Reason::TwoHeaders,
                false => Reason::None,
            },
            since: 0,
            taken_in: sequence,
            applied: sequence,
            header,
            opening_envelope: self.0.opening_bytes.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_us() / 1_000
    }
}

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
        let (mut chain, authority) = {
            let state = self.lock();
            (state.directory.chain(&[seat]), state.directory.authority())
        };
        // the first root is not for the hello: each side has its own
        chain.retain(|reference| *reference != authority);
        let mut statements = self.shown(&chain);
        statements.truncate(limits::HELLO_ENVELOPES_MAX);
        Ok(Hello {
            frames: FRAME_HIGHEST,
            items: ITEM_HIGHEST,
            instance: self.0.instance,
            incarnation: self.0.incarnation,
            release: release::VERSION.to_owned(),
            seats: vec![Presence {
                seat,
                signatures: presence::sign(&seat, &channel.exporter, &self.0.key),
            }],
            statements,
        })
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, NodePeer), HostFault> {
        let refuse = |text: String| HostFault::Peer {
            code: GoodbyeCode::NotAdmitted,
            text,
        };
        // in a copy: what a hello shows counts only once it is kept (D50)
        let mut scratch = self.lock().directory.clone();
        let believed = hello
            .verify(&mut scratch, &channel.exporter)
            .map_err(|fault| HostFault::Peer {
                code: fault.code(),
                text: format!(
                    "对端身份验证未通过（{fault}），不向其发送任何数据；请核对所连地址是否为签发接入码的平台"
                ),
            })?;
        let Some(identity) = believed.identities.first().cloned() else {
            return Err(refuse("对端未出示身份".to_owned()));
        };
        if identity.kind == SeatKind::Department {
            return Err(refuse("对端是部门代理，不是平台节点".to_owned()));
        }
        // the hello may bring the word by which another node is ours now
        let is_ours = own_node(&scratch, &self.0.seat) == Some(identity.seat);
        if identity.kind == SeatKind::District && !is_ours {
            return Err(refuse(format!(
                "所连的「{}」不是本代理所属的平台，不向其发送任何数据；请核对配置中的地址与域名解析",
                identity.title
            )));
        }
        let shown = hello.statements.iter();
        let shown = shown.filter_map(|bytes| Envelope::from_bytes(bytes).ok());
        let needed = believed.needed.into_iter().chain(shown).collect();
        self.take_statements(needed).await.map_err(here)?;
        Ok((
            identity.seat,
            NodePeer {
                identity,
                incarnation: hello.incarnation,
                release: hello.release,
            },
        ))
    }

    async fn accept(&self, peer: &NodePeer) -> Result<Acceptance, HostFault> {
        let logs = self.own_logs().await.map_err(here)?;
        let seat = peer.identity.seat;
        let state = self.lock();
        let cursors = state
            .cursors
            .get(&seat)
            .filter(|(incarnation, _)| *incarnation == peer.incarnation)
            .map(|(_, cursors)| *cursors);
        // its own word first, then those of the nodes above it
        let mut held: Vec<(bool, &Held)> = state
            .receipts
            .iter()
            .map(|((holder, _), held)| (*holder != seat, held))
            .collect();
        held.sort_by_key(|(above, held)| (*above, held.receipt.log.lane));
        let words = held
            .into_iter()
            .take(limits::RESUME_WORDS_MAX)
            .map(|(_, held)| held.envelope.to_bytes())
            .collect();
        drop(state);
        Ok(Acceptance {
            cursors,
            interest: Interest::default(),
            words,
            logs,
            without_city: false,
            digest: self.digest_of(&seat),
        })
    }

    async fn established(
        &self,
        peer: &NodePeer,
        resume: Resume,
        handle: Handle,
    ) -> Result<Beginning, HostFault> {
        self.begin(peer, &resume, Some(handle)).await.map_err(here)
    }

    async fn feed_anew(&self, peer: &NodePeer, class: u8) -> Result<(), HostFault> {
        self.note_cursor(peer, class, Cursor::default());
        Ok(())
    }

    async fn refused(&self, peer: &NodePeer, class: u8, offset: u64, text: String) {
        let skipped = Skipped {
            peer: peer.identity.seat,
            class,
            offset,
            reason: text,
            release: peer.release.clone(),
            at_ms: self.now_ms(),
        };
        tracing::error!(peer = %skipped.peer, class, offset, reason = skipped.reason, "the node refused an item of our feed; it is skipped");
        if let Err(error) = self.0.store.skip(&skipped).await {
            tracing::error!(%error, "the refused item could not be noted; it will be refused again");
        }
        let mut state = self.lock();
        let same = |known: &Skipped| {
            (known.peer, known.class, known.offset) == (skipped.peer, skipped.class, skipped.offset)
        };
        state.skipped.retain(|known| !same(known));
        state.skipped.push(skipped);
    }

    async fn read_feed(&self, _peer: &NodePeer, request: FeedRequest) -> Result<Page, HostFault> {
        let Some(lane) = Lane::from_u8(request.class) else {
            return Ok(Page::default());
        };
        let head = self.0.progress.sendable.load(Ordering::Acquire);
        let upto = request.upto.map_or(head, |u| u.min(head));
        if upto <= request.after {
            return Ok(Page {
                through: request.after,
                ..Page::default()
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
        let token = self.0.store.token_at(through).await.map_err(here)?;
        Ok(Page {
            items: rows
                .into_iter()
                .map(|row| (row.offset, Token(row.token), item(row)))
                .collect(),
            through,
            token: Token(token.unwrap_or_default()),
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

    async fn take_in(&self, peer: &NodePeer, group: Group) -> Result<(), HostFault> {
        // only who signs receipts is of interest here, and what concerns ourselves
        let statements = group
            .items
            .iter()
            .filter_map(|(_, item)| match item {
                Item::Envelope(bytes) => Envelope::from_bytes(bytes).ok(),
                _ => None,
            })
            .collect();
        self.take_statements(statements).await.map_err(here)?;
        self.note_cursor(peer, group.class, group.through);
        Ok(())
    }

    async fn receipts(&self, peer: &NodePeer, receipts: Vec<Vec<u8>>) -> Result<(), HostFault> {
        for bytes in receipts {
            self.take_word(peer, &bytes).await.map_err(here)?;
        }
        Ok(())
    }

    async fn logs(
        &self,
        _peer: &NodePeer,
        entries: Vec<LogEntry>,
        end: LogsEnd,
    ) -> Result<(), HostFault> {
        for entry in entries.iter().filter(|entry| entry.seat == self.0.seat) {
            self.compare(entry).await.map_err(here)?;
        }
        self.note_logs(&entries, end);
        if end != LogsEnd::More {
            self.note_asked();
        }
        Ok(())
    }

    async fn health(&self, peer: &NodePeer, health: Vec<Health>) -> Result<(), HostFault> {
        self.note_health(peer, &health);
        Ok(())
    }

    async fn digest(&self, _peer: &NodePeer, theirs: Digest) -> Result<bool, HostFault> {
        // an agent holds its own chain only
        let ours = self.digest_of(&self.0.seat);
        Ok(theirs.scope == Scope::Chain && (theirs.count, theirs.sum) != (ours.count, ours.sum))
    }

    async fn serve_statements(
        &self,
        peer: &NodePeer,
        scope: Scope,
        after: Ref,
    ) -> Result<(Vec<Ref>, bool), HostFault> {
        if scope != Scope::Chain {
            return Ok((Vec::new(), true));
        }
        let mut page = self.chain_of(&[peer.identity.seat]);
        page.retain(|reference| *reference > after);
        let last = page.len() <= limits::STATEMENT_PAGE_MAX;
        page.truncate(limits::STATEMENT_PAGE_MAX);
        Ok((page, last))
    }

    async fn statements(
        &self,
        _peer: &NodePeer,
        scope: Scope,
        references: Vec<Ref>,
        _last: bool,
    ) -> Result<(), HostFault> {
        if scope != Scope::Chain {
            return Ok(());
        }
        for missing in self.missing(references) {
            let (id, handle) = {
                let mut state = self.lock();
                if state.wants.len() >= WANTS_MAX {
                    return Ok(());
                }
                let Some(handle) = state.handle.clone() else {
                    return Ok(());
                };
                state.wanted += 1;
                let id = state.wanted;
                state.wants.insert(id, missing.clone());
                (id, handle)
            };
            let ask = Ask {
                id,
                want: Want::Statements(missing),
                resume: Vec::new(),
            };
            if !handle.want(ask).await {
                break;
            }
        }
        Ok(())
    }

    async fn serve_want(
        &self,
        _peer: &NodePeer,
        want: Want,
        place: Vec<u8>,
    ) -> Result<Answer, HostFault> {
        let built_at = self.0.progress.sendable.load(Ordering::Acquire);
        let ours = |seat, opening| seat == self.0.seat && opening == self.0.opening;
        match want {
            Want::Range {
                seat,
                lane,
                opening,
                from,
                to,
            } if ours(seat, opening) => {
                let Some(lane) = Lane::from_u8(lane) else {
                    return Ok(Answer::none(PageCode::NotHeld));
                };
                self.range(lane, from, to, &place, built_at).await
            }
            Want::Header {
                seat,
                lane,
                opening,
                sequence,
            } if ours(seat, opening) => {
                let Some(lane) = Lane::from_u8(lane) else {
                    return Ok(Answer::none(PageCode::NotHeld));
                };
                let rows = self.0.store.sealed_range(lane, sequence, sequence).await;
                let kept = rows.map_err(here)?.pop();
                let kept = kept.filter(|row| row.offset <= built_at);
                let Some(row) = kept else {
                    return Ok(Answer::none(PageCode::NotHeld));
                };
                Ok(Answer {
                    built_at,
                    header: Some(self.entry(lane, sequence, row.batch.header)),
                    ..Answer::none(PageCode::Given)
                })
            }
            Want::Statements(references) => {
                let shown = self.shown(&references);
                if shown.is_empty() {
                    return Ok(Answer::none(PageCode::NotHeld));
                }
                Ok(Answer {
                    built_at,
                    items: shown.into_iter().map(Item::Envelope).collect(),
                    ..Answer::none(PageCode::Given)
                })
            }
            Want::Unread { .. } => Ok(Answer::none(PageCode::NotUnderstood)),
            _ => Ok(Answer::none(PageCode::NotHeld)),
        }
    }

    async fn want_page(
        &self,
        _peer: &NodePeer,
        number: u64,
        given: Given,
    ) -> Result<Option<Ask>, HostFault> {
        let Some(wanted) = self.lock().wants.get(&number).cloned() else {
            return Ok(None);
        };
        let statements = given
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Envelope(bytes) => Envelope::from_bytes(bytes).ok(),
                _ => None,
            })
            .collect();
        self.take_statements(statements).await.map_err(here)?;
        let Some(resume) = given.next else {
            self.lock().wants.remove(&number);
            return Ok(None);
        };
        Ok(Some(Ask {
            id: number,
            want: Want::Statements(wanted),
            resume,
        }))
    }

    async fn closed(&self, peer: &NodePeer, end: &SessionEnd) {
        tracing::info!(peer = %peer.identity.seat, reason = end.text, "session ended");
        self.note_trouble(&end.text);
        let mut state = self.lock();
        state.link.revoked = end.by_peer && end.code == Some(GoodbyeCode::Revoked);
        state.handle = None;
        state.wants.clear();
    }
}

impl Uplink {
    /// A session stands: from where our feed goes on for the peer, and without what.
    async fn begin(
        &self,
        peer: &NodePeer,
        resume: &Resume,
        handle: Option<Handle>,
    ) -> Result<Beginning, SeatError> {
        let seat = peer.identity.seat;
        tracing::info!(peer = %seat, title = peer.identity.title, "session established");
        let mut anew = false;
        for cursor in &resume.cursors {
            let ours = self.0.store.token_at(cursor.offset).await?;
            if ours != Some(cursor.token.0) {
                tracing::warn!(peer = %seat, offset = cursor.offset, "cursor is not one of our feed, it begins anew");
                anew = true;
            }
        }
        self.0.store.unskip(seat, &peer.release).await?;
        let skipped = self.0.store.skipped().await?;
        let skip: BTreeSet<(u8, u64)> = skipped
            .iter()
            .filter(|skipped| skipped.peer == seat)
            .map(|skipped| (skipped.class, skipped.offset))
            .collect();
        let now_ms = self.now_ms();
        {
            let mut state = self.lock();
            state.note_incarnation(seat, peer.incarnation, true);
            state.skipped = skipped;
            state.link = LinkState {
                up: true,
                peer: peer.identity.title.clone(),
                since_ms: now_ms,
                ..LinkState::default()
            };
            state.peer = Some(seat);
            state.handle.clone_from(&handle);
            state.sessions += 1;
            state.node = NodeWord::default();
            state.wants.clear();
        }
        self.0.unkept.store(true, Ordering::Release);
        if let Some(handle) = handle {
            handle.grown();
        }
        Ok(Beginning { anew, skip })
    }

    fn note_cursor(&self, peer: &NodePeer, class: u8, cursor: Cursor) {
        let mut state = self.lock();
        let start = (peer.incarnation, [Cursor::default(); CLASSES]);
        let known = state.cursors.entry(peer.identity.seat).or_insert(start);
        if known.0 != peer.incarnation {
            *known = start;
        }
        if let Some(slot) = known.1.get_mut(usize::from(class)) {
            *slot = cursor;
        }
    }

    /// A page of our own log.
    async fn range(
        &self,
        lane: Lane,
        from: u64,
        to: u64,
        place: &[u8],
        built_at: u64,
    ) -> Result<Answer, HostFault> {
        let newest = self.0.progress.sealed[lane.index()].load(Ordering::Relaxed);
        let last = if to == 0 { newest } else { to.min(newest) };
        let first = <[u8; 8]>::try_from(place)
            .map_or(from, |place| u64::from_be_bytes(place).saturating_add(1));
        if first > last {
            return Ok(Answer::none(PageCode::NotHeld));
        }
        let rows = self.0.store.sealed_range(lane, first, last).await;
        let mut rows = rows.map_err(here)?;
        // what is not marked may not leave
        rows.retain(|row| row.offset <= built_at);
        if rows.is_empty() {
            return Ok(Answer::none(PageCode::NotHeld));
        }
        let next = rows
            .last()
            .map(|row| row.batch.sequence)
            .filter(|sequence| *sequence < last)
            .map(|sequence| sequence.to_be_bytes().to_vec());
        Ok(Answer {
            built_at,
            items: rows.into_iter().map(item).collect(),
            next,
            ..Answer::none(PageCode::Given)
        })
    }
}

/// Wants for statements that are open at a time.
const WANTS_MAX: usize = 16;
