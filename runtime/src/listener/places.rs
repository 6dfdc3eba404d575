//! Who holds a place at a listener, and who has to leave for another.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Bounds;
use super::prefix::party;

/// The places of a listener.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<Table>>);

struct Table {
    bounds: Bounds,
    held: HashMap<u64, Held>,
    /// Connections that wait for their client, by when they began to.
    waiting: BTreeMap<u64, u64>,
    parties: HashMap<IpAddr, usize>,
    /// Numbers connections and beginnings of waiting.
    next: u64,
}

struct Held {
    party: IpAddr,
    /// Since when it waits; nothing while it is being answered.
    waiting: Option<u64>,
    out: CancellationToken,
}

/// A place at a listener; it is free again when this is dropped.
pub struct Place {
    number: u64,
    places: Places,
    out: CancellationToken,
}

/// While this lives, the connection is being answered and keeps its place.
pub struct Answering(Arc<Place>);

impl Places {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Mutex::new(Table {
            bounds,
            held: HashMap::new(),
            waiting: BTreeMap::new(),
            parties: HashMap::new(),
            next: 0,
        })))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection, if need be that of the one that has waited longest: of the same party if this has its
    /// share, else of anybody. Nothing if all are being answered.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Place> {
        let mut table = self.table();
        let party = party(address);
        let own = table.parties.get(&party).copied().unwrap_or(0);
        let exempt = table.bounds.exempt.iter().any(|p| p.holds(address));
        if own >= table.bounds.per_party && !exempt {
            table.evict(|held| held.party == party)?;
        } else if table.held.len() >= table.bounds.connections {
            table.evict(|_| true)?;
        }
        let number = table.number();
        let out = CancellationToken::new();
        let held = Held {
            party,
            waiting: Some(number),
            out: out.clone(),
        };
        table.held.insert(number, held);
        table.waiting.insert(number, number);
        *table.parties.entry(party).or_insert(0) += 1;
        Some(Place {
            number,
            places: self.clone(),
            out,
        })
    }

    /// Takes their places from all that wait for their clients.
    pub(super) fn end_waiting(&self) {
        let mut table = self.table();
        while table.evict(|_| true).is_some() {}
    }

    #[cfg(test)]
    fn count(&self) -> (usize, usize) {
        let table = self.table();
        assert_eq!(table.parties.values().sum::<usize>(), table.held.len());
        (table.held.len(), table.waiting.len())
    }
}

impl Table {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn evict(&mut self, fits: impl Fn(&Held) -> bool) -> Option<()> {
        let oldest = self
            .waiting
            .values()
            .copied()
            .find(|number| self.held.get(number).is_some_and(&fits))?;
        self.remove(oldest);
        Some(())
    }

    fn remove(&mut self, number: u64) {
        let Some(held) = self.held.remove(&number) else {
            return;
        };
        held.out.cancel();
        if let Some(since) = held.waiting {
            self.waiting.remove(&since);
        }
        if let Some(count) = self.parties.get_mut(&held.party) {
            *count -= 1;
            if *count == 0 {
                self.parties.remove(&held.party);
            }
        }
    }
}

impl Place {
    /// Says that a whole request has arrived and is being answered, until what is returned is dropped.
    pub fn answering(self: &Arc<Self>) -> Answering {
        let mut table = self.places.table();
        if let Some(since) = table
            .held
            .get_mut(&self.number)
            .and_then(|held| held.waiting.take())
        {
            table.waiting.remove(&since);
        }
        Answering(self.clone())
    }

    /// Waits until the place has gone to another.
    pub async fn ended(&self) {
        self.out.cancelled().await;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut table = self.0.places.table();
        let since = table.number();
        let number = self.0.number;
        if let Some(held) = table.held.get_mut(&number)
            && held.waiting.is_none()
        {
            held.waiting = Some(since);
            table.waiting.insert(since, number);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::listener::prefix::Prefix;

    fn places(connections: usize, per_party: usize) -> Places {
        Places::new(Bounds {
            connections,
            per_party,
            exempt: vec![Prefix::parse("10.0.0.9").expect("a prefix")],
            life: Duration::from_secs(1),
        })
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn admit(places: &Places, last: u8) -> Option<Arc<Place>> {
        places.admit(ip(last)).map(Arc::new)
    }

    #[test]
    fn the_one_that_waited_longest_makes_room() {
        let places = places(3, 3);
        let first = admit(&places, 1).expect("a place");
        let second = admit(&places, 2).expect("a place");
        let third = admit(&places, 3).expect("a place");
        // answered in between: it waits anew
        drop(first.answering());
        let fourth = admit(&places, 4).expect("a place");
        assert!(second.out.is_cancelled());
        assert!(!first.out.is_cancelled() && !third.out.is_cancelled());
        assert_eq!(places.count(), (3, 3));
        drop(second);
        assert_eq!(places.count(), (3, 3), "it had gone to another already");
        drop((first, third, fourth));
        assert_eq!(places.count(), (0, 0));
    }

    #[test]
    fn who_is_being_answered_stays() {
        let places = places(2, 2);
        let first = admit(&places, 1).expect("a place");
        let answered = first.answering();
        let second = admit(&places, 2).expect("a place");
        let also = second.answering();
        assert!(admit(&places, 3).is_none());
        drop(answered);
        assert!(admit(&places, 3).is_some());
        assert!(first.out.is_cancelled() && !second.out.is_cancelled());
        drop(also);
        drop(first.answering());
        assert_eq!(places.count(), (1, 1), "who has left does not come back");
    }

    #[test]
    fn a_party_takes_no_more_than_its_share() {
        let places = places(10, 2);
        let other = admit(&places, 2).expect("a place");
        let flood: Vec<_> = (0..20).filter_map(|_| admit(&places, 1)).collect();
        assert_eq!(flood.len(), 20);
        assert_eq!(flood.iter().filter(|p| !p.out.is_cancelled()).count(), 2);
        assert!(!other.out.is_cancelled());
        // a proxy is many parties
        let proxy: Vec<_> = (0..7).filter_map(|_| admit(&places, 9)).collect();
        assert!(proxy.iter().all(|p| !p.out.is_cancelled()));
        assert_eq!(places.count(), (10, 10));
    }
}
