//! Nodes and agents as a tree: who is in contact, how far behind, what the last receipt covers.
//!
//! A node sees its own links; of seats further away it knows what came through and when. While a parent is away, what lies
//! below it is not known and raises no alarm of its own.
//! Long because how a party is, is decided in one place for all that tell it.

use std::collections::{HashMap, HashSet};

use protocol::name::{Lane, SeatId};
use protocol::statement::{Identity, SeatKind};
use protocol::words::owes_in_full;

use store::PeerState;

use super::QueryError;
use crate::apply::record_kind;
use crate::node::{Node, Tier};
use crate::state::HeardHealth;
use crate::verify::{Last, PartName};

pub mod words;

/// A link is silent when nothing was heard for so long. Keep-alives are far closer together.
pub const SILENT_US: i64 = 20_000_000;
/// More feed items than this between two stages is being behind; fewer is ordinary work.
const BEHIND_ITEMS: u64 = 200;
/// More batches than this without the parent's receipt is being behind.
const UNCONFIRMED_BATCHES: u64 = 64;

/// How a party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// In contact or not, something of it stands still: a log of it was stopped, this node cannot write, or it says itself
    /// that it is not well.
    Faulty,
    /// No contact.
    Lost,
    /// In contact, but behind.
    Lagging,
    /// Nothing verified of it yet, or not to be known now.
    Unverified,
    /// As it should be.
    Normal,
}

/// Why a party is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing to add.
    Nothing,
    /// Silent since then.
    Silent {
        /// Last contact.
        since_us: i64,
    },
    /// Admitted and never heard of.
    NeverConnected,
    /// No session stands, and when it last stood is not known.
    NotConnected,
    /// Connected, and no batch has come yet.
    NoBatchYet,
    /// The parent is away: what is below it is not known.
    ParentAway,
    /// Stages or receipts are behind by so many.
    Behind {
        /// Feed items that wait to be applied or folded here.
        items: u64,
        /// Batches that the parent has not confirmed.
        batches: u64,
    },
    /// A log of it was stopped at a bad header.
    Stopped {
        /// The reason, for people.
        reason: String,
    },
    /// A log of it waits, or something is missing of it.
    Waiting {
        /// Why and what to do, for people.
        reason: String,
    },
    /// It says itself, or its node says, that it is not well.
    Unwell {
        /// What is wrong and what to do, for people.
        reason: String,
        /// Whether its node says so.
        relayed: bool,
    },
    /// This node cannot write.
    CannotWrite {
        /// Why, for people.
        reason: String,
    },
    /// Relayed by its parent, which is in order; or, at a district, by the city.
    Relayed,
}

/// What a line of the tree stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartyKind {
    /// The city hub.
    City,
    /// A district node.
    District,
    /// A department: a heading over its sources.
    Department,
    /// A department's source, stated through an agent.
    Source,
}

/// A receipt, as far as the tree shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReceipt {
    /// Title of the node that signed.
    pub node: String,
    /// When, by its clock.
    pub at_us: i64,
    /// Durable up to here.
    pub durable: u64,
    /// Safeguarded up to here.
    pub safeguarded: u64,
}

/// A line of the tree with those below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// The seat; none for a department.
    pub seat: Option<SeatId>,
    /// What it is.
    pub kind: PartyKind,
    /// Title.
    pub title: String,
    /// Division or region.
    pub jurisdiction: String,
    /// Whether it is the node that was asked.
    pub own: bool,
    /// How it is; none for a department, and for what a district has only through the city.
    pub state: Option<State>,
    /// Why.
    pub why: Why,
    /// Last sequence logged of it here, over its record lane.
    pub logged: Option<u64>,
    /// Its last receipt.
    pub last_receipt: Option<LastReceipt>,
    /// Whether a session with it stands; true for the node itself.
    pub connected: bool,
    /// Last contact, or last arrival for those further away.
    pub last_contact_us: Option<i64>,
    /// Current records, below included.
    pub records: u64,
    /// Open refusals, below included.
    pub refused: u64,
    /// What it said last of itself, or its node of it.
    pub heard: Option<HeardHealth>,
    /// Those below.
    pub children: Vec<Party>,
}

/// How far the node's stages have come, as feed offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Logged.
    pub head: u64,
    /// Applied.
    pub applied: u64,
    /// Folded.
    pub folded: u64,
}

/// The tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthTree {
    /// When it was asked.
    pub now_us: i64,
    /// The node's own stages.
    pub stages: Stages,
    /// What the last verifications of this node found.
    pub verified: Last,
    /// Batches held here that the node above has not confirmed; 0 at the city.
    pub unconfirmed: u64,
    /// The top: the city.
    pub top: Party,
}

impl HealthTree {
    /// Whether the node's own stages, or the receipts of the node above, are behind.
    pub fn is_behind(&self) -> bool {
        let items = waiting(self.stages);
        items > BEHIND_ITEMS || self.unconfirmed > UNCONFIRMED_BATCHES
    }
}

/// Feed items that wait for a stage.
fn waiting(stages: Stages) -> u64 {
    stages
        .head
        .saturating_sub(stages.folded.min(stages.applied))
}

/// What is known of one seat.
#[derive(Debug, Clone, Default)]
struct Known {
    contact_us: Option<i64>,
    is_peer: bool,
    connected: bool,
    arrival_us: Option<i64>,
    logged: Option<u64>,
    receipt: Option<LastReceipt>,
    stopped: Option<String>,
    waiting: Option<String>,
    heard: Option<HeardHealth>,
    records: u64,
    refused: u64,
}

impl Node {
    /// Nodes and agents that this node knows of, as a tree. `connected` are the seats whose sessions stand now.
    pub async fn health_tree(
        &self,
        connected: &HashSet<SeatId>,
        now_us: i64,
    ) -> Result<HealthTree, QueryError> {
        let heads = self.store().feed_heads();
        let stages = Stages {
            head: heads.head,
            applied: heads.applied,
            folded: heads.folded,
        };
        let unconfirmed = self.unconfirmed().await?;
        let known = self.known_seats(connected).await?;
        let identities: Vec<Identity> = self
            .directory()
            .identities()
            .map(|i| i.identity().clone())
            .collect();
        let verified = self.last_verified().await?;
        let city = identities.iter().find(|i| i.kind == SeatKind::City);
        let of = |kind: SeatKind| identities.iter().filter(move |i| i.kind == kind);
        let mut top = match city {
            Some(city) => self.party(city, &known, now_us),
            // a district that has not met its city yet stands alone
            None => self.party(self.identity(), &known, now_us),
        };
        if top.own {
            judge_own(&mut top, stages, 0, &verified);
        }
        let top_away = top.state == Some(State::Lost) && !top.own;
        let mut districts: Vec<Party> = Vec::new();
        for district in of(SeatKind::District).filter(|d| Some(d.seat) != top.seat) {
            let mut party = self.party(district, &known, now_us);
            if party.own {
                judge_own(&mut party, stages, unconfirmed, &verified);
            } else if self.is_elsewhere(district) {
                elsewhere(&mut party);
            } else if top_away {
                (party.state, party.why) = (Some(State::Unverified), Why::ParentAway);
            }
            districts.push(party);
        }
        let mut loose: Vec<Party> = Vec::new();
        for source in of(SeatKind::Department) {
            let mut party = self.party(source, &known, now_us);
            if self.is_elsewhere(source) {
                elsewhere(&mut party);
                // what says nothing about this district's entities is not this district's business
                if party.state.is_none() && party.records == 0 && party.refused == 0 {
                    continue;
                }
            }
            match districts.iter_mut().find(|d| d.seat == Some(source.node)) {
                Some(district) => {
                    if !district.own {
                        relayed(&mut party, district.state);
                    }
                    place(district, source, party);
                }
                None => {
                    if !top.own {
                        relayed(&mut party, top.state);
                    }
                    loose.push(department(source, party));
                }
            }
        }
        districts.retain(|d| d.state.is_some() || !d.children.is_empty());
        districts.sort_by(|a, b| {
            let place = |d: &Party| (d.state.is_none(), d.state);
            let by_state = place(a).cmp(&place(b));
            by_state.then_with(|| (&a.jurisdiction, &a.title).cmp(&(&b.jurisdiction, &b.title)))
        });
        for department in loose {
            match top
                .children
                .iter_mut()
                .find(|c| c.title == department.title)
            {
                Some(same) => same.children.extend(department.children),
                None => top.children.push(department),
            }
        }
        top.children.extend(districts);
        sum_up(&mut top);
        Ok(HealthTree {
            now_us,
            stages,
            verified,
            unconfirmed,
            top,
        })
    }

    async fn known_seats(
        &self,
        connected: &HashSet<SeatId>,
    ) -> Result<HashMap<SeatId, Known>, QueryError> {
        let mut known: HashMap<SeatId, Known> = HashMap::new();
        let peers: Vec<_> = self
            .store()
            .peers()
            .await?
            .into_iter()
            .filter(|p| p.state == PeerState::Approved)
            .collect();
        // an agent presents all its seats in one session, which stands under the first of them
        let processes: HashSet<[u8; 32]> = peers
            .iter()
            .filter(|p| connected.contains(&p.seat))
            .map(|p| p.tls_key)
            .collect();
        for peer in peers {
            let entry = known.entry(peer.seat).or_default();
            entry.is_peer = true;
            entry.connected = processes.contains(&peer.tls_key);
            entry.contact_us = (peer.last_contact_us > 0).then_some(peer.last_contact_us);
        }
        for seat in connected {
            let entry = known.entry(*seat).or_default();
            (entry.is_peer, entry.connected) = (true, true);
        }
        let stats = self.store().stats().await?;
        for origin in stats.origins {
            let entry = known.entry(origin.seat).or_default();
            entry.arrival_us = entry.arrival_us.max(Some(origin.last_at_us));
        }
        for count in stats
            .types
            .iter()
            .filter(|t| t.kind != record_kind::REFUSAL)
        {
            known.entry(count.origin).or_default().records +=
                u64::try_from(count.records).unwrap_or(0);
        }
        // the figure links to the list of open refusals, so it is counted where the list is
        for (origin, refused) in self.store().refusals_open().await? {
            known.entry(origin).or_default().refused = refused;
        }
        for row in self.store().log_frontiers().await? {
            let entry = known.entry(row.seat).or_default();
            if row.lane == Lane::Records as u8 {
                entry.logged = entry.logged.max(Some(row.sequence));
            }
        }
        for row in self.store().receipts(None).await? {
            if row.lane != Lane::Records as u8 {
                continue;
            }
            let node = self.title_of(&row.node);
            let receipt = LastReceipt {
                node,
                at_us: row.at_us,
                durable: row.durable_sequence,
                safeguarded: row.safeguarded_sequence,
            };
            let entry = known.entry(row.seat).or_default();
            if entry
                .receipt
                .as_ref()
                .is_none_or(|r| r.at_us < receipt.at_us)
            {
                entry.receipt = Some(receipt);
            }
        }
        for row in self.stopped() {
            known.entry(row.seat).or_default().stopped = Some(words::stopped(&row));
        }
        for (key, state) in self.log_states(|_| true).await? {
            let waits = !matches!(
                state.state,
                protocol::frame::State::Running | protocol::frame::State::Stopped
            );
            if waits {
                let entry = known.entry(key.seat).or_default();
                entry.waiting.get_or_insert(words::waiting(&state));
            }
        }
        for (seat, entry) in &mut known {
            entry.heard = self.heard_health(seat);
        }
        Ok(known)
    }

    /// Batches of logs held here that the node above has not confirmed; always 0 at the city.
    async fn unconfirmed(&self) -> Result<u64, QueryError> {
        if self.tier() == Tier::City {
            return Ok(0);
        }
        let mut confirmed: HashMap<(SeatId, u8), u64> = HashMap::new();
        for row in self.store().receipts(None).await? {
            if row.node != self.seat() {
                let at = confirmed.entry((row.seat, row.lane)).or_default();
                *at = (*at).max(row.durable_sequence);
            }
        }
        let own = self.seat();
        let directory = self.directory();
        let behind = |seat: &SeatId| owes_in_full(&directory, &own, seat);
        let mut batches = 0;
        for (log, state) in self.logs().iter() {
            if behind(&log.seat) {
                let at = confirmed
                    .get(&(log.seat, log.lane as u8))
                    .copied()
                    .unwrap_or(0);
                batches += state.sequence.saturating_sub(at);
            }
        }
        Ok(batches)
    }

    /// Title of a seat, its number when it is not known here.
    pub fn title_of(&self, seat: &SeatId) -> String {
        let directory = self.directory();
        directory
            .newest_identity(seat)
            .map_or_else(|| seat.to_string(), |i| i.identity().title.clone())
    }

    /// Whether this is a district that has to do with a seat through the city only, and so cannot tell how it is.
    fn is_elsewhere(&self, identity: &Identity) -> bool {
        self.tier() == Tier::District
            && identity.kind != SeatKind::City
            && identity.seat != self.seat()
            && identity.node != self.seat()
    }

    fn party(&self, identity: &Identity, known: &HashMap<SeatId, Known>, now_us: i64) -> Party {
        let mut known = known.get(&identity.seat).cloned().unwrap_or_default();
        let own = identity.seat == self.seat();
        if own {
            known.heard = self.heard_health(&identity.seat);
        }
        let contact = known.contact_us.max(known.arrival_us);
        // a district dials its city; whoever dials a node stands in its list of peers
        let is_parent = self.tier() == Tier::District && identity.kind == SeatKind::City;
        let direct = known.is_peer || is_parent;
        let (state, why) = match (&known.stopped, contact) {
            (Some(reason), _) => (
                State::Faulty,
                Why::Stopped {
                    reason: reason.clone(),
                },
            ),
            _ if own => match (
                self.write_trouble(),
                known.heard.as_ref().and_then(words::unwell),
            ) {
                (Some(reason), _) => (State::Faulty, Why::CannotWrite { reason }),
                (None, Some(reason)) => (
                    State::Faulty,
                    Why::Unwell {
                        reason,
                        relayed: false,
                    },
                ),
                (None, None) => (State::Normal, Why::Nothing),
            },
            (None, Some(at)) if direct && !known.connected && now_us - at > SILENT_US => {
                (State::Lost, Why::Silent { since_us: at })
            }
            (None, None) if is_parent && !known.connected => (State::Lost, Why::NotConnected),
            (None, None) if !known.connected => (State::Unverified, Why::NeverConnected),
            _ if identity.kind == SeatKind::Department && known.logged.is_none() => {
                (State::Unverified, Why::NoBatchYet)
            }
            _ => match (&known.waiting, known.heard.as_ref().and_then(words::unwell)) {
                (Some(reason), _) => (
                    State::Lagging,
                    Why::Waiting {
                        reason: reason.clone(),
                    },
                ),
                (None, Some(reason)) => (
                    State::Faulty,
                    Why::Unwell {
                        reason,
                        relayed: known.heard.as_ref().is_some_and(|h| h.health.relayed),
                    },
                ),
                (None, None) if known.heard.as_ref().is_some_and(|h| h.is_old(now_us)) => (
                    State::Unverified,
                    Why::Silent {
                        since_us: known.heard.as_ref().map_or(0, |h| h.heard_us),
                    },
                ),
                (None, None) => (State::Normal, Why::Nothing),
            },
        };
        Party {
            seat: Some(identity.seat),
            kind: match identity.kind {
                SeatKind::City => PartyKind::City,
                SeatKind::District => PartyKind::District,
                SeatKind::Department => PartyKind::Source,
            },
            title: identity.title.clone(),
            jurisdiction: identity.jurisdiction.clone(),
            own,
            state: Some(state),
            why,
            logged: known.logged,
            last_receipt: known.receipt,
            connected: own || known.connected,
            last_contact_us: contact,
            records: known.records,
            refused: known.refused,
            heard: known.heard,
            children: Vec::new(),
        }
    }
}

/// The node itself is behind when its stages are, or when the node above has not confirmed; and not to be relied upon when its
/// last verification found something wrong.
fn judge_own(party: &mut Party, stages: Stages, batches: u64, verified: &Last) {
    let wrong = PartName::ALL
        .iter()
        .any(|n| verified.is_good(*n) == Some(false));
    if wrong && matches!(party.state, Some(State::Normal | State::Lagging)) {
        let found = verified.words().unwrap_or_default();
        let reason = format!("最近核对发现{found}；请执行 verify 查看，并按其说明处理");
        (party.state, party.why) = (Some(State::Unverified), Why::Waiting { reason });
    }
    let items = waiting(stages);
    if party.state == Some(State::Normal) && (items > BEHIND_ITEMS || batches > UNCONFIRMED_BATCHES)
    {
        (party.state, party.why) = (Some(State::Lagging), Why::Behind { items, batches });
    }
}

/// A seat whose state nobody tells us; that we have stopped a log of it is ours to tell.
fn elsewhere(party: &mut Party) {
    if !matches!(party.why, Why::Stopped { .. }) {
        (party.state, party.why) = (None, Why::Relayed);
    }
}

/// A seat that reaches us through another node: known only as far as that node is.
fn relayed(party: &mut Party, parent: Option<State>) {
    let stopped = matches!(party.why, Why::Stopped { .. });
    // what is told of it is not what its own node sees
    match parent {
        _ if party.state.is_none() => {}
        Some(State::Lost) if !stopped => {
            (party.state, party.why) = (Some(State::Unverified), Why::ParentAway)
        }
        _ if party.state == Some(State::Normal) => party.why = Why::Relayed,
        _ => {}
    }
}

fn department(source: &Identity, party: Party) -> Party {
    Party {
        seat: None,
        kind: PartyKind::Department,
        title: source.organisation.clone(),
        jurisdiction: source.jurisdiction.clone(),
        own: false,
        state: None,
        why: Why::Nothing,
        logged: None,
        last_receipt: None,
        connected: false,
        last_contact_us: None,
        records: 0,
        refused: 0,
        heard: None,
        children: vec![party],
    }
}

fn place(district: &mut Party, source: &Identity, party: Party) {
    let made = department(source, party);
    match district.children.iter_mut().find(|d| d.title == made.title) {
        Some(same) => same.children.extend(made.children),
        None => district.children.push(made),
    }
}

/// Adds what lies below to each line, and puts departments and sources in the order of their titles before the districts,
/// which keep the order of their states.
fn sum_up(party: &mut Party) {
    for child in &mut party.children {
        sum_up(child);
        party.records += child.records;
        party.refused += child.refused;
    }
    party.children.sort_by(|a, b| match (a.kind, b.kind) {
        (PartyKind::District, PartyKind::District) => std::cmp::Ordering::Equal,
        (a, b) if a == PartyKind::District || b == PartyKind::District => {
            (a == PartyKind::District).cmp(&(b == PartyKind::District))
        }
        _ => a.title.cmp(&b.title),
    });
}
