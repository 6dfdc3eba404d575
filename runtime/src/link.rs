//! Links to other installations: endpoints and carriers ([`carrier`]), the driver of sessions over them, and the loop
//! that keeps a link up.
//!
//! What is said over a link is the protocol's; who may say it is decided by the host of the session.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Desk};
use crate::door::{Clock, random_u64};
use crate::recurring::Recurring;
use crate::worker::{Shutdown, Workers, unless};
use attempts::{Attempts, LimitedDesk};
use carrier::CloseCode;
use endpoint::{Arrival, Dialer, Listener};
use exchange::Exchange;
use host::Host;
use places::Origin;
use registry::Links;

mod attempts;
pub mod carrier;
pub mod driver;
pub mod endpoint;
pub mod exchange;
pub mod host;
pub mod places;
pub mod registry;

pub use attempts::WRONG_WINDOW;

#[cfg(test)]
mod tests;

/// Waiting times between attempts: quick at first, doubling to a minute, each drawn between half and whole, so that a
/// city's agents do not come back in one instant.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    attempts: u32,
    /// Links that ended so that the next one goes on otherwise.
    soon: u32,
}

impl Backoff {
    /// No attempt failed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long to wait after one more failure, of a link that had stood for so long: a link that stood half a minute
    /// starts anew, and one that stood a second or more is tried again after no longer than it stood, so that a line that
    /// breaks often is up for half of the time at least.
    pub fn after(&mut self, stood: Duration, random: u64) -> Duration {
        if stood >= LASTING {
            self.reset();
        }
        let wait = self.next(random);
        if stood >= WORTH_HAVING {
            wait.min(stood)
        } else {
            wait
        }
    }

    /// How long to wait after a link that ended so that the next one goes on otherwise: not long, a few times a second at
    /// first and longer each time, for what ended this one may end the next as well. Anew after a link that stood half a
    /// minute.
    pub fn soon(&mut self, stood: Duration, random: u64) -> Duration {
        if stood >= LASTING {
            self.reset();
        }
        let whole_ms = (SOON_MS << self.soon.min(16)).min(SOON_MS_MAX);
        self.soon = self.soon.saturating_add(1);
        between_half_and(whole_ms, random)
    }

    /// How long to wait after one more failure.
    pub fn next(&mut self, random: u64) -> Duration {
        let whole_ms = match self.attempts {
            0 => 100,
            1 => 400,
            n => 1_000u64
                .saturating_mul(1 << (n - 2).min(16))
                .min(BACKOFF_MS_MAX),
        };
        self.attempts = self.attempts.saturating_add(1);
        between_half_and(whole_ms, random)
    }

    /// Failures since the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// An attempt went well.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

fn between_half_and(whole_ms: u64, random: u64) -> Duration {
    Duration::from_millis(whole_ms / 2 + random % (whole_ms / 2 + 1))
}

/// Longest wait between two attempts.
pub const BACKOFF_MS_MAX: u64 = 60_000;
/// First wait after a link that ended so that the next one goes on otherwise.
const SOON_MS: u64 = 400;
/// Longest such wait.
pub const SOON_MS_MAX: u64 = 5_000;

/// How a link ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEnd {
    /// It could not be made or broke; try again.
    Broken(String),
    /// It was ended so that the next one goes on otherwise (an item is skipped, a new instance speaks): what stands behind
    /// it is not to wait.
    Soon(String),
    /// The other side asks to be left alone for a while (busy, fenced, not yet approved).
    Later(Duration, String),
    /// Trying again is of no use before a person acts.
    Final(String),
}

impl LinkEnd {
    /// Why, for people.
    pub fn text(&self) -> &str {
        let (Self::Broken(text) | Self::Soon(text) | Self::Later(_, text) | Self::Final(text)) =
            self;
        text
    }
}

/// Keeps one link up until shutdown: runs `connect` (dial, authenticate, session to its end) again and again with
/// [`Backoff`]. It returns how the link ended and for how long it stood; time spent on trying is none of it. `told` hears of
/// every end and of the wait that follows it; `None` as wait means there is no further attempt.
pub async fn keep_connected<F, Fut>(
    shutdown: &Shutdown,
    mut connect: F,
    mut told: impl FnMut(&LinkEnd, Option<Duration>),
) where
    F: FnMut() -> Fut,
    Fut: Future<Output = (LinkEnd, Duration)>,
{
    let mut backoff = Backoff::new();
    while !shutdown.has_begun() {
        let (end, stood) = connect().await;
        if shutdown.has_begun() {
            return;
        }
        let wait = match &end {
            LinkEnd::Broken(_) => backoff.after(stood, random_u64()),
            LinkEnd::Soon(_) => backoff.soon(stood, random_u64()),
            LinkEnd::Later(at_least, _) => backoff.after(stood, random_u64()).max(*at_least),
            LinkEnd::Final(_) => {
                told(&end, None);
                return;
            }
        };
        told(&end, Some(wait));
        if !shutdown.pause(wait).await {
            return;
        }
    }
}

/// Serves everybody who dials, until shutdown: sessions with `host`, newcomers with `desk`. Each is one task of `workers`.
pub async fn serve<H: Host, D: Desk>(
    mut listener: Listener,
    host: Arc<H>,
    desk: Arc<D>,
    links: Links,
    workers: &Workers,
    clock: Clock,
) {
    let shutdown = workers.shutdown();
    let attempts = Attempts::new(clock.clone());
    let strangers = Arc::new(Mutex::new(Recurring::default()));
    let served = TaskTracker::new();
    while let Some(Some(arrival)) = unless(&shutdown, listener.accept()).await {
        match arrival {
            Arrival::Session(carrier) => {
                let (host, links) = (host.clone(), links.clone());
                let (clock, shutdown) = (clock.clone(), shutdown.clone());
                let strangers = strangers.clone();
                workers.once(served.track_future(async move {
                    let remote = carrier.remote.clone();
                    let end = driver::run(carrier, host, links, clock.clone(), shutdown).await;
                    if end.party.is_some() {
                        tracing::info!(%remote, peer = ?end.party, by_peer = end.by_peer, code = ?end.code,
                            text = %end.text, "session ended");
                        return;
                    }
                    // anybody can cause this as often as he likes
                    let told = strangers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .note("session", clock.since_start());
                    if let Some(times) = told {
                        tracing::info!(%remote, by_peer = end.by_peer, code = ?end.code, text = %end.text, times,
                            "sessions ended before it was known with whom, this is the last of them");
                    }
                }));
            }
            Arrival::Join(exchange) => {
                let (desk, attempts, shutdown) = (desk.clone(), attempts.clone(), shutdown.clone());
                workers.once(served.track_future(attend(exchange, desk, attempts, shutdown)));
            }
        }
    }
    listener.refuse_new();
    // sessions that stand hear the same word and say goodbye first
    served.close();
    let _ = timeout(LEAVE_TIME_MAX, served.wait()).await;
    listener.close().await;
}

/// Serves one newcomer, in its address's turn, until its exchange is over, its place is lost, or shutdown.
async fn attend<D: Desk>(
    mut exchange: Exchange,
    desk: Arc<D>,
    attempts: Attempts,
    shutdown: Shutdown,
) {
    let closer = exchange.closer();
    let exchange = async {
        let origin = Origin::of(exchange.remote.ip());
        // who says nothing takes no turn
        if let Err(error) = exchange.await_first().await {
            tracing::debug!(remote = %exchange.remote, %error, "newcomer said nothing");
            return;
        }
        let _turn = tokio::select! {
            turn = attempts.turn(origin) => turn,
            () = closer.closed() => return,
        };
        admission::serve(exchange, &LimitedDesk::new(desk, attempts)).await;
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        () = &mut exchange => return,
        () = shutdown.begun() => closer.close(CloseCode::Stopping),
        () = closer.displaced() => closer.close(CloseCode::Busy),
    }
    // it cannot wait for the newcomer any more; what is being stored is stored
    exchange.await;
}

/// Keeps the session with the upper tier up, until shutdown. `told` as in [`keep_connected`].
pub async fn keep_session<H: Host>(
    dialer: &Dialer,
    address: &str,
    host: Arc<H>,
    links: Links,
    clock: Clock,
    shutdown: &Shutdown,
    told: impl FnMut(&LinkEnd, Option<Duration>),
) {
    let connect = || async {
        let Some(dialled) = unless(shutdown, dialer.session(address)).await else {
            return (LinkEnd::Broken("正在停止".to_owned()), Duration::ZERO);
        };
        match dialled {
            Ok(carrier) => {
                let (host, links) = (host.clone(), links.clone());
                let end = driver::run(carrier, host, links, clock.clone(), shutdown.clone()).await;
                (end.link_end(), end.stood)
            }
            Err(error) => (
                LinkEnd::Broken(crate::worker::chain(&error)),
                Duration::ZERO,
            ),
        }
    };
    keep_connected(shutdown, connect, told).await;
}

/// When the listener closes, sessions get this long to say goodbye; what they themselves allow for it.
const LEAVE_TIME_MAX: Duration =
    Duration::from_millis(3 * driver::STOP_TIME_MAX.as_millis() as u64);
const LASTING: Duration = Duration::from_secs(30);
/// Less than this is no link: a peer that ends every session at once is not asked more often for it.
const WORTH_HAVING: Duration = Duration::from_secs(1);
