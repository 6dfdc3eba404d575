//! A node at work: its stages as workers, its listener, its link upwards. `runtime` spawns and stops them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::door::Clock;
use runtime::link::endpoint::{Dialer, Listener};
use runtime::link::{self, LinkEnd};
use runtime::recurring::Recurring;
use runtime::worker::{Bell, Shutdown, Step, Workers, unless};
use store::StoreError;

use crate::command::admission;
use crate::error::StepError;
use crate::host::NodeHost;
use crate::node::Tier;

/// Each stage looks for work at least this often, bell or not.
const AT_LEAST: Duration = Duration::from_millis(500);

/// At a district, what arrived gets so long on its way up before apply takes processors and the writer.
const APPLY_LETS_PASS: Duration = Duration::from_millis(3);
/// Fold waits so long for company: pages are read by people.
const FOLD_GATHERS: Duration = Duration::from_millis(30);
/// With more feed items than this waiting for apply, fold leaves it the way.
const FOLD_YIELDS_ITEMS: u64 = 4;
/// But not wholly: for each unit of time that it worked it rests so many.
const FOLD_RESTS: i64 = 9;
/// And never longer than this.
const FOLD_RESTS_US_MAX: i64 = 10_000_000;

/// Peers are told how logs are at least so often, as far as it changed.
const TELLS_AT_LEAST: Duration = Duration::from_secs(2);
/// And not more often than this.
const TELLING_GATHERS: Duration = Duration::from_millis(500);

/// Sessions of seats that were called back are looked for at least this often; at once when a statement comes.
const PARTING: Duration = Duration::from_secs(60);

/// Between two times that the store's log is brought home.
const CHECKPOINT: Duration = Duration::from_secs(2);

/// Starts the stages behind intake: apply, fold, receipts, wants; and the keeping of the store's log.
pub fn keep_stages(host: &NodeHost, workers: &Workers, clock: &Clock) {
    let node = host.node().clone();
    let (at, bell, trace) = (clock.clone(), node.applying().clone(), host.trace().clone());
    let pour = host.pour().clone();
    let stop = workers.shutdown();
    let again = Arc::new(AtomicBool::new(false));
    workers.step("apply", bell.clone(), AT_LEAST, move || {
        let (node, at, trace) = (node.clone(), at.clone(), trace.clone());
        let (pour, bell, again) = (pour.clone(), bell.clone(), again.clone());
        let stop = stop.clone();
        async move {
            // what arrived here is to be durable above, too, before it is understood here
            if !again.swap(false, Ordering::Relaxed) && node.tier() == Tier::District {
                pause(APPLY_LETS_PASS).await;
            }
            if let Some(wait) = pour.stands_back(at.now_us()) {
                unless(&stop, bell.heard_within(wait)).await;
                return Ok(Step::Again);
            }
            let applied = node.apply_step(at.now_us()).await?;
            if let Some(applied) = applied {
                trace.note("applied", applied.through, at.now_us());
            }
            Ok::<_, StepError>(if applied.is_some_and(|a| a.more) {
                again.store(true, Ordering::Relaxed);
                Step::Again
            } else {
                pour.caught_up();
                Step::Idle
            })
        }
    });
    let node = host.node().clone();
    let (at, bell, trace) = (clock.clone(), node.folding().clone(), host.trace().clone());
    // when fold last ended a step, and for how long it is to rest from then
    let rest = Arc::new(Mutex::new((0, 0)));
    let again = Arc::new(AtomicBool::new(false));
    workers.step("fold", bell, AT_LEAST, move || {
        let (node, at, trace, rest) = (node.clone(), at.clone(), trace.clone(), rest.clone());
        let again = again.clone();
        async move {
            if !again.swap(false, Ordering::Relaxed) {
                pause(FOLD_GATHERS).await;
            }
            // during bulk, processors and the writer belong to apply; a page may be some seconds behind, and says so
            let now_us = at.now_us();
            let (ended_us, rest_us) = *rest.lock().unwrap_or_else(PoisonError::into_inner);
            // a clock that was set back makes a time long ago of it
            let resting = (0..rest_us).contains(&(now_us - ended_us));
            if resting && node.unapplied() > FOLD_YIELDS_ITEMS {
                return Ok(Step::Idle);
            }
            let folded = node.fold_step(now_us).await?;
            let ended_us = at.now_us();
            *rest.lock().unwrap_or_else(PoisonError::into_inner) = (
                ended_us,
                FOLD_RESTS_US_MAX.min(FOLD_RESTS * (ended_us - now_us)),
            );
            if let Some(folded) = folded {
                trace.note("folded", folded.through, at.now_us());
            }
            Ok::<_, StepError>(if folded.is_some_and(|f| f.more) {
                again.store(true, Ordering::Relaxed);
                Step::Again
            } else {
                Step::Idle
            })
        }
    });
    let (host_, at, bell) = (
        host.clone(),
        clock.clone(),
        host.node().receipting().clone(),
    );
    let stop = workers.shutdown();
    workers.step("receipts", bell.clone(), AT_LEAST, move || {
        let (host, now, bell) = (host_.clone(), at.now_us(), bell.clone());
        let stop = stop.clone();
        async move {
            let wait = host.node().write_receipts(now).await?;
            host.distribute_receipts().await;
            if let Some(wait) = wait {
                let wait = Duration::from_micros(wait.clamp(0, 1_000_000) as u64);
                unless(&stop, bell.heard_within(wait)).await;
                return Ok::<_, StepError>(Step::Again);
            }
            Ok(Step::Idle)
        }
    });
    let node = host.node().clone();
    workers.step("checkpoint", Bell::new(), CHECKPOINT, move || {
        let node = node.clone();
        async move {
            node.store().checkpoint().await?;
            if node.store().refresh_heads().await? {
                node.applying().ring();
                node.folding().ring();
                node.ring_sessions();
            }
            Ok::<_, StoreError>(Step::Idle)
        }
    });
    let (host_, bell) = (host.clone(), host.node().telling().clone());
    workers.step("telling", bell, TELLS_AT_LEAST, move || {
        let host = host_.clone();
        async move {
            // several changes are told in one look
            pause(TELLING_GATHERS).await;
            host.tell_states().await?;
            Ok::<_, StepError>(Step::Idle)
        }
    });
    let (node, at) = (host.node().clone(), clock.clone());
    workers.step("unread", Bell::new(), AT_LEAST, move || {
        let (node, now) = (node.clone(), at.now_us());
        async move {
            node.read_again(now).await?;
            // no other release comes while this process runs
            Ok::<_, StepError>(Step::Done)
        }
    });
    let (host_, bell) = (host.clone(), host.node().parting().clone());
    workers.step("parting", bell, PARTING, move || {
        let host = host_.clone();
        async move {
            host.part_with_revoked().await?;
            Ok::<_, StepError>(Step::Idle)
        }
    });
    let (host_, bell) = (host.clone(), host.node().wanting().clone());
    workers.step("wants", bell, AT_LEAST, move || {
        let host = host_.clone();
        async move {
            let opened = host.open_wants().await?;
            Ok::<_, StepError>(if opened > 0 { Step::Again } else { Step::Idle })
        }
    });
}

/// Lets this time pass, whatever rings meanwhile.
async fn pause(how_long: Duration) {
    Bell::new().heard_within(how_long).await;
}

/// Serves whoever arrives at the listener until shutdown. Peers that were let in before are known to it, so that strangers
/// do not keep them out.
pub async fn listen(host: NodeHost, listener: Listener, workers: Workers, clock: Clock) {
    if let Err(error) = host.know(listener.known_keys()).await {
        // they get in as anybody does, and are known from then on
        tracing::warn!(%error, "keys of peers could not be read");
    }
    let desk = Arc::new(admission::Desk::new(host.node().clone(), clock.clone()));
    let links = host.links().clone();
    link::serve(listener, Arc::new(host), desk, links, &workers, clock).await;
}

/// Keeps the link to the parent up until shutdown.
pub async fn dial(
    host: NodeHost,
    dialer: Arc<Dialer>,
    address: String,
    clock: Clock,
    shutdown: Shutdown,
) {
    let links = host.links().clone();
    let mut faults = Recurring::default();
    let since = clock.clone();
    let told = |end: &LinkEnd, wait: Option<Duration>| {
        let text = end.text();
        if let Some(times) = faults.note(text, since.since_start()) {
            tracing::warn!(address, reason = text, times, ?wait, "link to parent ended");
        }
    };
    let host = Arc::new(host);
    link::keep_session(&dialer, &address, host, links, clock, &shutdown, told).await;
}
