//! Places for connections whose other side has not proven who it is: bounded pools with a share per address, and the keys
//! of parties that have proven it before, for whom places are kept.
//!
//! Whoever comes gets a place; when there is none, the oldest connection of whoever holds most loses its own. So a flood
//! displaces itself, and one more address is let in at any time. What a connection does with its place, and for how long,
//! is the endpoint's business.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::listener::prefix::party;

#[cfg(test)]
mod tests;

/// Keys, and addresses, of known parties that are remembered; those seen least recently are forgotten first.
pub const KNOWN_MAX: usize = 8_192;

/// Where a connection comes from, as far as shares go: the party that an address counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// The origin of an address; see [`party`].
    pub fn of(address: IpAddr) -> Self {
        Self(party(address))
    }
}

/// How many places a pool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once.
    pub places: usize,
    /// Of these, from one origin or with one key.
    pub share: usize,
}

/// What a place is for. Each kind has a pool of its own, so that none keeps another out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The handshake is under way.
    Handshake,
    /// The same, from an address of a known party.
    KnownAddress,
    /// A newcomer's exchange.
    Join,
    /// A session of which nothing is known yet.
    Session,
    /// A session with the key of a known party.
    KnownKey,
}

const KINDS: usize = 5;

/// Who holds a place, as far as shares go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Holder {
    Origin(Origin),
    Key([u8; 32]),
}

/// One pool: who holds which place, by age. Knows nothing of time or connections.
#[derive(Debug)]
struct Pool<W, T> {
    bounds: Bounds,
    held: BTreeMap<u64, (W, T)>,
}

impl<W: Copy + Ord, T> Pool<W, T> {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            held: BTreeMap::new(),
        }
    }

    /// Gives a place; tickets grow with age. Returns who lost one for it.
    fn enter(&mut self, ticket: u64, who: W, tag: T) -> Option<T> {
        let loses = self.loser(who);
        let lost = loses.and_then(|ticket| self.held.remove(&ticket));
        self.held.insert(ticket, (who, tag));
        lost.map(|(_, tag)| tag)
    }

    fn leave(&mut self, ticket: u64) -> Option<(W, T)> {
        self.held.remove(&ticket)
    }

    fn loser(&self, who: W) -> Option<u64> {
        // per holder: how many, and minus the oldest, so that of equals the one that came first is found
        let mut holders: BTreeMap<W, (usize, std::cmp::Reverse<u64>)> = BTreeMap::new();
        for (ticket, (holder, _)) in &self.held {
            let holds = holders
                .entry(*holder)
                .or_insert((0, std::cmp::Reverse(*ticket)));
            holds.0 += 1;
        }
        if let Some((count, oldest)) = holders.get(&who)
            && *count >= self.bounds.share
        {
            return Some(oldest.0);
        }
        if self.held.len() < self.bounds.places {
            return None;
        }
        holders.values().max().map(|(_, oldest)| oldest.0)
    }
}

/// The pools of a listener. Clones are the same pools.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<Pools>>);

struct Pools {
    last_ticket: u64,
    pools: [Pool<Holder, CancellationToken>; KINDS],
}

impl Places {
    /// Pools with these bounds, in the order of [`Kind`].
    pub(super) fn new(bounds: [Bounds; KINDS]) -> Self {
        Self(Arc::new(Mutex::new(Pools {
            last_ticket: 0,
            pools: bounds.map(Pool::new),
        })))
    }

    /// A place for a connection that has just come.
    pub(super) fn enter(&self, kind: Kind, holder: Holder) -> Place {
        let mut pools = self.lock();
        pools.last_ticket += 1;
        let place = Place {
            places: self.clone(),
            kind,
            ticket: pools.last_ticket,
            lost: CancellationToken::new(),
        };
        pools.put(&place, holder);
        place
    }

    /// Whether more than half of a pool is taken.
    pub(super) fn is_pressed(&self, kind: Kind) -> bool {
        let pools = self.lock();
        let pool = &pools.pools[kind as usize];
        pool.held.len() > pool.bounds.places / 2
    }

    fn lock(&self) -> MutexGuard<'_, Pools> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pools {
    fn put(&mut self, place: &Place, holder: Holder) {
        let pool = &mut self.pools[place.kind as usize];
        if let Some(lost) = pool.enter(place.ticket, holder, place.lost.clone()) {
            lost.cancel();
        }
    }
}

/// A place in a pool; it lives in what holds the connection, and is given back when dropped.
pub(super) struct Place {
    places: Places,
    kind: Kind,
    ticket: u64,
    lost: CancellationToken,
}

impl Place {
    /// Goes over to another pool, once it is known what the connection is for. Its age stays.
    pub(super) fn move_to(&mut self, kind: Kind, holder: Holder) {
        let places = self.places.clone();
        let mut pools = places.lock();
        // a place that was lost in between stays lost
        if pools.pools[self.kind as usize].leave(self.ticket).is_some() {
            self.kind = kind;
            pools.put(self, holder);
        }
    }

    /// Said when the place has gone to somebody else.
    pub(super) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().pools[self.kind as usize].leave(self.ticket);
    }
}

/// A place together with what has to happen before it may be given back: the other side proves who it is by the deadline.
pub(super) struct Probation {
    pub(super) place: Place,
    pub(super) deadline: Instant,
    pub(super) key: [u8; 32],
    pub(super) origin: Origin,
    pub(super) known: KnownKeys,
}

impl Probation {
    /// The other side has proven it.
    pub(super) fn passed(self) {
        self.known.note(self.key, self.origin);
    }
}

/// The TLS keys of parties that have proven themselves in sessions: theirs are places of which strangers have none.
/// Clones are the same keys. A key alone gives nobody any right.
#[derive(Debug, Clone, Default)]
pub struct KnownKeys(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    keys: Recent<[u8; 32]>,
    origins: Recent<Origin>,
}

impl KnownKeys {
    /// No keys yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over keys that were seen in former runs: SHA-256 of each TLS key.
    pub fn extend(&self, keys: impl IntoIterator<Item = [u8; 32]>) {
        let mut known = self.lock();
        keys.into_iter().for_each(|key| known.keys.note(key));
    }

    /// Whoever has this key is not known any more: its seat was revoked.
    pub fn forget(&self, key: &[u8; 32]) {
        self.lock().keys.seen.remove(key);
    }

    /// Whether a key is known.
    pub fn knows(&self, key: &[u8; 32]) -> bool {
        self.lock().keys.seen.contains_key(key)
    }

    /// A party has proven itself.
    pub(super) fn note(&self, key: [u8; 32], origin: Origin) {
        let mut known = self.lock();
        known.keys.note(key);
        known.origins.note(origin);
    }

    /// Whether known parties come from there.
    pub(super) fn knows_origin(&self, origin: &Origin) -> bool {
        self.lock().origins.seen.contains_key(origin)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last so many distinct values.
#[derive(Debug)]
struct Recent<T> {
    turn: u64,
    seen: HashMap<T, u64>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            turn: 0,
            seen: HashMap::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Recent<T> {
    fn note(&mut self, value: T) {
        self.turn += 1;
        if self.seen.len() >= KNOWN_MAX && !self.seen.contains_key(&value) {
            let oldest = self.seen.iter().min_by_key(|(_, turn)| **turn);
            if let Some(oldest) = oldest.map(|(value, _)| *value) {
                self.seen.remove(&oldest);
            }
        }
        self.seen.insert(value, self.turn);
    }
}
