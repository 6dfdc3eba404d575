//! How often somebody may try to sign in. Whoever tries is delayed, no account is ever closed.
//!
//! A *known* client of an account has a place of its own there: a browser from which it was signed in to before, which nobody
//! else can use up, or an address of which the same holds, which only that address can. Everybody else tries under three paces at once: of the account from this address, of
//! the account from all strangers, and of this address at all accounts. So ten wrong passwords from one place lead to
//! waiting there, many places together get a few thousand tries a day at an account, and whoever makes names up uses up only
//! what is his. Accounts that do not exist are treated alike.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use runtime::listener::prefix::party;

use super::device::Device;

/// So many at once, then one in each interval.
#[derive(Debug, Clone, Copy)]
struct Pace {
    burst: i64,
    interval_us: i64,
}

const SECOND_US: i64 = 1_000_000;
/// One client at one account.
const ONE: Pace = Pace {
    burst: 5,
    interval_us: 60 * SECOND_US,
};
/// All strangers together at one account.
const STRANGERS: Pace = Pace {
    burst: 60,
    interval_us: 10 * SECOND_US,
};
/// One address at all accounts.
const ADDRESS: Pace = Pace {
    burst: 30,
    interval_us: 2 * SECOND_US,
};
/// Entries of each table; beyond that those go that are nearest to being as if they were not there.
const ENTRIES_MAX: usize = 10_000;

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// The account, as it is compared.
    pub(crate) account: &'a str,
    /// Whether there is one.
    pub(crate) exists: bool,
    /// From where.
    pub(crate) from: IpAddr,
    /// The browser, if it shows that the account was signed in to from it.
    pub(crate) device: Option<Device>,
}

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody from where the account was signed in to before.
    Known,
    /// Anybody.
    Stranger,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Device(Device),
    Address(IpAddr),
}

/// Attempts so far.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    known: Table<(String, Place)>,
    ones: Table<(String, IpAddr)>,
    strangers: Table<String>,
    /// The same for names that are no accounts, which shall not push those out that are.
    nobodies: Table<String>,
    addresses: Table<IpAddr>,
    /// Where accounts were signed in to from, and when last.
    good: HashMap<(String, IpAddr), i64>,
}

/// For each key, until when its past attempts count: one interval each.
#[derive(Debug)]
struct Table<K>(HashMap<K, i64>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Table<K> {
    /// How long to wait for the next attempt.
    fn wait_us(&self, key: &K, pace: Pace, now_us: i64) -> i64 {
        let until = self
            .0
            .get(key)
            .map_or(now_us, |until| pace.within(*until, now_us));
        (until - now_us - (pace.burst - 1) * pace.interval_us).max(0)
    }

    fn count(&mut self, key: K, pace: Pace, now_us: i64) {
        if self.0.len() >= ENTRIES_MAX && !self.0.contains_key(&key) {
            prune(&mut self.0, now_us);
        }
        let until = self.0.entry(key).or_insert(now_us);
        *until = pace.within(*until, now_us) + pace.interval_us;
    }

    /// Takes one attempt back.
    fn forgive(&mut self, key: &K, pace: Pace) {
        if let Some(until) = self.0.get_mut(key) {
            *until = until.saturating_sub(pace.interval_us);
        }
    }
}

impl Pace {
    /// Not before now, and after a clock that went back no more than all attempts at once.
    fn within(self, until_us: i64, now_us: i64) -> i64 {
        let most = now_us.saturating_add(self.burst * self.interval_us);
        until_us.clamp(now_us, most)
    }
}

/// Lets those go that are over, and the half that is nearest to that if this was not enough.
fn prune<K: Eq + Hash + Clone>(all: &mut HashMap<K, i64>, now_us: i64) {
    all.retain(|_, until| *until > now_us);
    if all.len() < ENTRIES_MAX {
        return;
    }
    let mut times: Vec<i64> = all.values().copied().collect();
    times.sort_unstable();
    let middle = times[times.len() / 2];
    all.retain(|_, until| *until > middle);
}

impl Attempts {
    /// Counts an attempt. If it comes too early, says after how many seconds it may come, and counts nothing.
    pub(crate) fn take(&self, attempt: Attempt<'_>, now_us: i64) -> Result<Standing, u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = attempt.account.to_owned();
        let from = party(attempt.from);
        let (standing, wait) = match all.place(&attempt) {
            Some(place) => {
                let by_address = matches!(place, Place::Address(_));
                let key = (account.clone(), place);
                let mut wait = all.known.wait_us(&key, ONE, now_us);
                if by_address {
                    wait = wait.max(all.addresses.wait_us(&from, ADDRESS, now_us));
                }
                (Some((key, by_address)), wait)
            }
            None => {
                let one = all.ones.wait_us(&(account.clone(), from), ONE, now_us);
                let address = all.addresses.wait_us(&from, ADDRESS, now_us);
                let strangers = all.of_strangers(attempt.exists);
                let of_account = strangers.wait_us(&account, STRANGERS, now_us);
                (None, one.max(address).max(of_account))
            }
        };
        if wait > 0 {
            return Err((wait as u64).div_ceil(SECOND_US as u64));
        }
        match standing {
            Some((key, by_address)) => {
                all.known.count(key, ONE, now_us);
                if by_address {
                    all.addresses.count(from, ADDRESS, now_us);
                }
                Ok(Standing::Known)
            }
            None => {
                all.ones.count((account.clone(), from), ONE, now_us);
                all.addresses.count(from, ADDRESS, now_us);
                all.of_strangers(attempt.exists)
                    .count(account, STRANGERS, now_us);
                Ok(Standing::Stranger)
            }
        }
    }

    /// Notes that an attempt was right: it does not count, and its client is known from now on.
    pub(crate) fn succeeded(&self, attempt: Attempt<'_>, now_us: i64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = attempt.account.to_owned();
        let from = party(attempt.from);
        match all.place(&attempt) {
            Some(place) => {
                if matches!(place, Place::Address(_)) {
                    all.addresses.forgive(&from, ADDRESS);
                }
                all.known.0.remove(&(account.clone(), place));
            }
            None => {
                all.ones.0.remove(&(account.clone(), from));
                all.addresses.forgive(&from, ADDRESS);
                all.of_strangers(true).forgive(&account, STRANGERS);
            }
        }
        if all.good.len() >= ENTRIES_MAX {
            let oldest = all
                .good
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(key, _)| key.clone());
            oldest.and_then(|key| all.good.remove(&key));
        }
        all.good.insert((account, from), now_us);
    }
}

impl Tables {
    /// The place of its own that a known client has.
    fn place(&self, attempt: &Attempt<'_>) -> Option<Place> {
        let from = party(attempt.from);
        match attempt.device {
            _ if !attempt.exists => None,
            Some(device) => Some(Place::Device(device)),
            None => self
                .good
                .contains_key(&(attempt.account.to_owned(), from))
                .then_some(Place::Address(from)),
        }
    }

    fn of_strangers(&mut self, exists: bool) -> &mut Table<String> {
        if exists {
            &mut self.strangers
        } else {
            &mut self.nobodies
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(account: &str, from: IpAddr) -> Attempt<'_> {
        Attempt {
            account,
            exists: true,
            from,
            device: None,
        }
    }

    fn address(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn five_at_once_then_one_a_minute() {
        let attempts = Attempts::default();
        for exists in [true, false] {
            // long after the former round
            let began = if exists { 0 } else { 10_000 * SECOND_US };
            let try_it = |account, from, now| {
                let attempt = Attempt {
                    exists,
                    ..at(account, from)
                };
                attempts.take(attempt, began + now).map(|_| ())
            };
            let name = if exists { "w" } else { "nobody" };
            for _ in 0..5 {
                assert_eq!(try_it(name, HERE, 0), Ok(()));
            }
            assert_eq!(try_it(name, HERE, 0), Err(60));
            assert_eq!(try_it(name, HERE, 0), Err(60), "asking costs nothing");
            assert_eq!(try_it("other", HERE, 0), Ok(()));
            assert_eq!(try_it(name, THERE, 0), Ok(()));
            assert_eq!(try_it(name, HERE, 61 * SECOND_US), Ok(()));
            assert_eq!(try_it(name, HERE, 61 * SECOND_US), Err(59));
        }
    }

    #[test]
    fn whoever_signed_in_here_before_is_held_up_by_nobody() {
        let attempts = Attempts::default();
        let device = Attempt {
            device: Some([7; 16]),
            ..at("w", HERE)
        };
        attempts.succeeded(at("w", THERE), 0);
        // strangers from everywhere, this very address among them, use up what strangers have
        for n in 0..40 {
            for _ in 0..5 {
                let _ = attempts.take(at("w", address(n)), 0);
                let _ = attempts.take(at("w", HERE), 0);
            }
        }
        assert_eq!(
            attempts.take(at("w", address(50)), 0),
            Err(10),
            "a new place waits"
        );
        assert!(attempts.take(at("w", HERE), 0).is_err());
        assert_eq!(attempts.take(device, 0), Ok(Standing::Known));
        assert_eq!(attempts.take(at("w", THERE), 0), Ok(Standing::Known));
        // and what is known is slowed down as well
        for _ in 0..4 {
            assert_eq!(attempts.take(device, 0), Ok(Standing::Known));
        }
        assert_eq!(attempts.take(device, 0), Err(60));
        // elsewhere the browser is nobody
        let elsewhere = Attempt {
            account: "other",
            device: None,
            ..device
        };
        assert_eq!(attempts.take(elsewhere, 0), Ok(Standing::Stranger));
    }

    #[test]
    fn a_flood_of_names_stays_with_whoever_makes_it() {
        let attempts = Attempts::default();
        let made_up = |n: usize, from| {
            let name = format!("ghost{n}");
            let attempt = Attempt {
                exists: false,
                ..at(&name, from)
            };
            attempts.take(attempt, 0).is_ok()
        };
        let taken = (0..10_050).filter(|n| made_up(*n, HERE)).count();
        assert_eq!(taken, 30);
        assert_eq!(attempts.take(at("admin", THERE), 0), Ok(Standing::Stranger));
        // from many addresses at once, more than are remembered
        for n in 0..3 * ENTRIES_MAX {
            made_up(n, address(n as u32));
        }
        let all = attempts.0.lock().expect("no panic");
        assert!(all.ones.0.len() <= ENTRIES_MAX && all.nobodies.0.len() <= ENTRIES_MAX);
        assert!(all.addresses.0.len() <= ENTRIES_MAX && all.strangers.0.len() == 1);
        drop(all);
        assert_eq!(attempts.take(at("admin", THERE), 0), Ok(Standing::Stranger));
    }

    #[test]
    fn a_right_password_takes_the_wrong_ones_at_the_account_back() {
        let attempts = Attempts::default();
        let check = |attempt: Attempt<'_>, rounds: u32| {
            for round in 0..rounds {
                for _ in 0..4 {
                    assert!(attempts.take(attempt, 0).is_ok(), "{attempt:?} {round}");
                }
                attempts.succeeded(attempt, 0);
            }
        };
        let device = Attempt {
            device: Some([7; 16]),
            ..at("w", THERE)
        };
        check(device, 50);
        check(at("w", HERE), 8);
        // what the address has tried stays: who has an account of his own shall not try others without end
        assert!(attempts.take(at("other", HERE), 0).is_ok());
        let more = (0..40).filter(|n| attempts.take(at(&n.to_string(), HERE), 0).is_ok());
        assert!(more.count() < 10);
    }

    #[test]
    fn a_clock_that_goes_back_makes_nobody_wait_for_it() {
        let attempts = Attempts::default();
        let late = 1_000_000 * SECOND_US;
        for _ in 0..5 {
            assert!(attempts.take(at("w", HERE), late).is_ok());
        }
        assert_eq!(attempts.take(at("w", HERE), 0), Err(60));
        assert!(attempts.take(at("w", HERE), 61 * SECOND_US).is_err());
        assert!(attempts.take(at("w", HERE), 10 * 60 * SECOND_US).is_err());
    }
}
