//! Limits of what one address may try at the desk for newcomers: exchanges at a time, and secrets that turn out wrong per
//! minute.
//!
//! Whether a secret is wrong is the desk's to say; here it only counts. What else keeps a newcomer out (a code that was used,
//! called back or is for another kind of seat) does not count, for whoever knows the secret guesses nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::admission::exchange::{Ask, Offer, Proof, Refused, Request, refused};
use tokio::sync::Notify;

use super::places::Origin;
use crate::admission::{Answer, Applicant, Desk, refusal};
use crate::door::Clock;

#[cfg(test)]
mod tests;

/// Exchanges of one address that are served at the same time; more wait for their turn.
pub const EXCHANGES_MAX: usize = 4;
/// Wrong secrets of one address within [`WRONG_WINDOW`].
pub const WRONG_MAX: usize = 10;
/// The time in which they count.
pub const WRONG_WINDOW: Duration = Duration::from_secs(60);
/// Addresses of which something is remembered.
pub const ORIGINS_MAX: usize = 4_096;

/// What addresses have tried. Times are since the process began.
#[derive(Debug, Default)]
struct Table(HashMap<Origin, Entry>);

#[derive(Debug, Default)]
struct Entry {
    serving: usize,
    /// When secrets were tried that are wrong or not judged yet, oldest first.
    wrong: VecDeque<Duration>,
}

impl Entry {
    fn forget_old(&mut self, now: Duration) {
        let old = |at: &Duration| now.saturating_sub(*at) >= WRONG_WINDOW;
        while self.wrong.front().is_some_and(old) {
            self.wrong.pop_front();
        }
    }
}

impl Table {
    /// Begins an exchange if the address has a turn.
    fn begin(&mut self, origin: Origin, now: Duration) -> bool {
        let entry = self.entry(origin, now);
        let free = entry.serving < EXCHANGES_MAX;
        entry.serving += usize::from(free);
        free
    }

    fn end(&mut self, origin: Origin) {
        if let Some(entry) = self.0.get_mut(&origin) {
            entry.serving = entry.serving.saturating_sub(1);
        }
    }

    /// Counts a secret as wrong until [`Table::right`], if the address may try one now.
    fn attempt(&mut self, origin: Origin, now: Duration) -> bool {
        let entry = self.entry(origin, now);
        entry.forget_old(now);
        let may = entry.wrong.len() < WRONG_MAX;
        if may {
            entry.wrong.push_back(now);
        }
        may
    }

    /// A secret that was tried was not wrong.
    fn right(&mut self, origin: Origin) {
        if let Some(entry) = self.0.get_mut(&origin) {
            entry.wrong.pop_back();
        }
    }

    fn entry(&mut self, origin: Origin, now: Duration) -> &mut Entry {
        if self.0.len() >= ORIGINS_MAX && !self.0.contains_key(&origin) {
            self.0.retain(|_, entry| {
                entry.forget_old(now);
                entry.serving > 0 || !entry.wrong.is_empty()
            });
            // too many at it at once: the one that has been quiet longest is forgotten
            while self.0.len() >= ORIGINS_MAX {
                let idle = self.0.iter().filter(|(_, entry)| entry.serving == 0);
                let quiet = idle.min_by_key(|(_, entry)| entry.wrong.back().copied());
                let Some(quiet) = quiet.map(|(origin, _)| *origin) else {
                    break;
                };
                self.0.remove(&quiet);
            }
        }
        self.0.entry(origin).or_default()
    }
}

/// The limits at work. Clones are the same.
#[derive(Clone)]
pub(super) struct Attempts(Arc<Inner>);

struct Inner {
    table: Mutex<Table>,
    ended: Notify,
    clock: Clock,
}

impl Attempts {
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            table: Mutex::default(),
            ended: Notify::new(),
            clock,
        }))
    }

    /// Waits for the address's turn. The turn lives in what serves the exchange.
    pub(super) async fn turn(&self, origin: Origin) -> Turn {
        loop {
            let mut ended = std::pin::pin!(self.0.ended.notified());
            // registered before looking, so that no end is missed
            ended.as_mut().enable();
            if self.lock().begin(origin, self.0.clock.since_start()) {
                return Turn {
                    attempts: self.clone(),
                    origin,
                };
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the exchanges that an address may have at a time.
pub(super) struct Turn {
    attempts: Attempts,
    origin: Origin,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.attempts.lock().end(self.origin);
        self.attempts.0.ended.notify_waiters();
    }
}

/// A desk that hears an address's secrets only as often as it may try.
pub(super) struct LimitedDesk<D> {
    desk: Arc<D>,
    attempts: Attempts,
}

impl<D: Desk> LimitedDesk<D> {
    pub(super) fn new(desk: Arc<D>, attempts: Attempts) -> Self {
        Self { desk, attempts }
    }
}

impl<D: Desk> Desk for LimitedDesk<D> {
    async fn prove(&self, exporter: &[u8; 32]) -> Result<Proof, String> {
        self.desk.prove(exporter).await
    }

    async fn offer(&self, from: Applicant, ask: Ask) -> Result<Offer, Refused> {
        let origin = Origin::of(from.remote.ip());
        let now = self.attempts.0.clock.since_start();
        // counted before it is judged, so that many at a time are not more than one after the other
        if !self.attempts.lock().attempt(origin, now) {
            let text = format!(
                "本机地址在 {} 秒内已有 {WRONG_MAX} 次使用了无效的接入码，请核对接入码，稍候再试",
                WRONG_WINDOW.as_secs()
            );
            return Err(refusal(refused::TOO_MANY, text));
        }
        let offer = self.desk.offer(from, ask).await;
        if !matches!(&offer, Err(refused) if refused.code == refused::UNKNOWN) {
            self.attempts.lock().right(origin);
        }
        offer
    }

    async fn judge(&self, from: Applicant, offer: Offer, request: Request) -> Answer {
        self.desk.judge(from, offer, request).await
    }
}
