//! Worker loops: named, restarted with backoff when they fail or panic, told to stop by one token, awaited until a deadline.
//!
//! What a worker does is its owner's business; this file only keeps it going and says how it fares.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::Clock;
use crate::link::Backoff;
use crate::recurring::Recurring;
use crate::telemetry::Metrics;

/// The word to stop. Clones are the same word; once said it stays said.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A word not said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says it.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether it has been said.
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is said.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// A word that is said with this one, and can be said without it.
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Waits, but not beyond the word to stop. `false`: stop now.
    pub async fn pause(&self, how_long: Duration) -> bool {
        timeout(how_long, self.begun()).await.is_err()
    }
}

/// A bell between stages: rung when there is work. Rings between two waits count as one.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// A silent bell.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rings; wakes the one worker that waits for it, or the next that will.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits for a ring, at most this long.
    pub async fn heard_within(&self, how_long: Duration) {
        // which of the two it was makes no difference to a worker: it looks for work either way
        let _ = timeout(how_long, self.0.notified()).await;
    }
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more: step again at once.
    Again,
    /// Nothing to do until the bell rings.
    Idle,
    /// This worker has nothing to do ever again.
    Done,
}

/// How a worker fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It runs.
    Running,
    /// It failed and will try again; with the failure's text.
    Failing(String),
    /// It has ended.
    Ended,
}

/// The workers of a process.
#[derive(Clone)]
pub struct Workers {
    shutdown: Shutdown,
    tracker: TaskTracker,
    metrics: Metrics,
    health: Arc<Mutex<BTreeMap<String, Health>>>,
}

impl Workers {
    /// No workers yet.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            shutdown: Shutdown::new(),
            tracker: TaskTracker::new(),
            metrics,
            health: Arc::default(),
        }
    }

    /// The word that stops them all.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// How each worker fares, by name.
    pub fn health(&self) -> BTreeMap<String, Health> {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The failures now standing in one text, for a readiness check.
    pub fn check(&self) -> Result<(), String> {
        let failing: Vec<String> = self
            .health()
            .into_iter()
            .filter_map(|(name, health)| match health {
                Health::Failing(why) => Some(format!("{name}：{why}")),
                _ => None,
            })
            .collect();
        if failing.is_empty() {
            Ok(())
        } else {
            Err(failing.join("；"))
        }
    }

    /// Keeps a loop going. `run` makes the loop's future; when it fails or panics, it is made anew after a backoff.
    /// `Ok` ends the worker. It must watch the shutdown it is given.
    pub fn keep<F, Fut, E>(&self, name: impl Into<String>, mut run: F)
    where
        F: FnMut(Shutdown) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let name = name.into();
        let this = self.clone();
        self.tracker.spawn(async move {
            let mut backoff = Backoff::new();
            let clock = Clock::system();
            let mut faults = Recurring::default();
            while !this.shutdown.has_begun() {
                this.note(&name, Health::Running);
                let began = clock.since_start();
                let future = AssertUnwindSafe(run(this.shutdown.clone()));
                // a task of its own, so that a panic comes back as a value
                let mut task = tokio::spawn(future);
                let ended = AbortOnDrop(&mut task).joined().await;
                match ended {
                    Ended::Well => break,
                    Ended::Failed(why) => {
                        if this.shutdown.has_begun() {
                            tracing::warn!(worker = %name, error = %why, "worker {name} failed while stopping");
                            break;
                        }
                        if clock.since_start() - began > SETTLED {
                            backoff.reset();
                        }
                        let wait = backoff.next(crate::door::random_u64());
                        if let Some(times) = faults.note(&why, clock.since_start()) {
                            tracing::error!(worker = %name, error = %why, times, wait_ms = wait.as_millis() as u64,
                                "worker {name} failed, will be restarted");
                        }
                        this.failed(&name, why);
                        if !this.shutdown.pause(wait).await {
                            break;
                        }
                    }
                }
            }
            this.note(&name, Health::Ended);
        });
    }

    /// Keeps stepping: again at once, or when the bell rings, and at least every `at_least`. A step that fails or panics is
    /// taken again after a backoff; a step that has begun is never cut off by shutdown.
    pub fn step<F, Fut, E>(
        &self,
        name: impl Into<String>,
        bell: Bell,
        at_least: Duration,
        mut step: F,
    ) where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Step, E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let name = name.into();
        let this = self.clone();
        self.tracker.spawn(async move {
            let mut backoff = Backoff::new();
            let clock = Clock::system();
            let mut faults = Recurring::default();
            this.note(&name, Health::Running);
            let mut healthy = true;
            while !this.shutdown.has_begun() {
                match caught(async { step().await }).await {
                    Ok(Ok(found)) => {
                        if !healthy {
                            healthy = true;
                            backoff.reset();
                            let untold = faults.over();
                            tracing::info!(worker = %name, untold, "worker {name} works again");
                            this.note(&name, Health::Running);
                        }
                        match found {
                            Step::Again => tokio::task::yield_now().await,
                            Step::Idle => {
                                tokio::select! {
                                    () = bell.heard_within(at_least) => {}
                                    () = this.shutdown.begun() => {}
                                }
                            }
                            Step::Done => break,
                        }
                        continue;
                    }
                    Ok(Err(error)) => {
                        let why = chain(&error);
                        if let Some(times) = faults.note(&why, clock.since_start()) {
                            tracing::error!(worker = %name, error = %why, times, "step of worker {name} failed");
                        }
                        this.failed(&name, why);
                    }
                    Err(panic) => {
                        if let Some(times) = faults.note(&panic, clock.since_start()) {
                            tracing::error!(worker = %name, error = %panic, times, "step of worker {name} panicked");
                        }
                        this.failed(&name, panic);
                    }
                }
                healthy = false;
                let wait = backoff.next(crate::door::random_u64());
                if !this.shutdown.pause(wait).await {
                    break;
                }
            }
            this.note(&name, Health::Ended);
        });
    }

    /// Runs one task to its end, awaited by [`Workers::stop`]. For what ends by itself: a session, a request.
    pub fn once(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(future);
    }

    /// Says the word to stop and waits for everybody; returns the names of those not done by the deadline.
    pub async fn stop(&self, deadline: Duration) -> Vec<String> {
        self.shutdown.begin();
        self.tracker.close();
        if timeout(deadline, self.tracker.wait()).await.is_ok() {
            return Vec::new();
        }
        let running = |health: &Health| *health != Health::Ended;
        let mut left: Vec<String> = self
            .health()
            .into_iter()
            .filter_map(|(name, health)| running(&health).then_some(name))
            .collect();
        if left.is_empty() {
            left.push(format!("{} 个任务", self.tracker.len()));
        }
        left
    }

    fn note(&self, name: &str, health: Health) {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), health);
    }

    fn failed(&self, name: &str, why: String) {
        self.metrics
            .counter(
                "zongheng_worker_failures_total",
                "Failures and panics of worker loops.",
                &[("worker", name)],
            )
            .add(1);
        self.note(name, Health::Failing(why));
    }
}

/// Waits for a future, but not beyond the word to stop: then `None`.
pub async fn unless<T>(shutdown: &Shutdown, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = future => Some(done),
        () = shutdown.begun() => None,
    }
}

/// Waits for a future at most `how_long`, and once the word to stop is said at most `grace` more. `None`: time is up.
pub async fn within<T>(
    shutdown: &Shutdown,
    how_long: Duration,
    grace: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let stopping = async {
        shutdown.begun().await;
        sleep(grace).await;
    };
    tokio::select! {
        biased;
        done = future => Some(done),
        () = stopping => None,
        () = sleep(how_long) => None,
    }
}

/// Runs a future and gives back a panic as its text.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(move |context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(std::task::Poll::Ready(value)) => std::task::Poll::Ready(Ok(value)),
            Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
            Err(panic) => std::task::Poll::Ready(Err(panic_text(&*panic))),
        }
    })
    .await
}

/// An error and all its sources in one line, in words for people.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let words = |error: &(dyn std::error::Error + 'static)| match error.downcast_ref() {
        Some(error) => crate::say::refused(error),
        None => error.to_string(),
    };
    let mut out = words(error);
    let mut next = error.source();
    while let Some(source) = next {
        let text = words(source);
        if !out.ends_with(&text) {
            out += "：";
            out += &text;
        }
        next = source.source();
    }
    out
}

/// A signal that asks the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The service manager's request.
    Terminate,
}

/// Waits for SIGINT or SIGTERM. A second one, while the process is draining, ends it at once with status 130.
pub async fn signal() -> std::io::Result<Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let first = tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::warn!("second signal: ending without drain");
        // log lines go out unbuffered; what is not durable yet is not acknowledged either
        std::process::exit(130);
    });
    Ok(first)
}

/// Waits until `at_most` has passed or `ready` says yes, looking every 10 ms. For tests and start-up.
pub async fn until(at_most: Duration, mut ready: impl FnMut() -> bool) -> bool {
    timeout(at_most, async {
        while !ready() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .is_ok()
}

enum Ended {
    Well,
    Failed(String),
}

struct AbortOnDrop<'a, E>(&'a mut tokio::task::JoinHandle<Result<(), E>>);

impl<E: std::error::Error + 'static> AbortOnDrop<'_, E> {
    async fn joined(&mut self) -> Ended {
        match (&mut *self.0).await {
            Ok(Ok(())) => Ended::Well,
            Ok(Err(error)) => Ended::Failed(chain(&error)),
            Err(error) if error.is_panic() => Ended::Failed(panic_text(&*error.into_panic())),
            Err(_) => Ended::Failed("cancelled".to_owned()),
        }
    }
}

impl<E> Drop for AbortOnDrop<'_, E> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a text".to_owned());
    format!("panic: {text}")
}

/// A loop that ran this long before it failed starts its backoff anew.
const SETTLED: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("broken")]
    struct Broken(#[source] std::io::Error);

    fn broken() -> Broken {
        Broken(std::io::Error::other("disk gone"))
    }

    #[tokio::test]
    async fn a_step_that_fails_or_panics_is_taken_again() {
        let metrics = Metrics::new();
        let workers = Workers::new(metrics.clone());
        let count = Arc::new(AtomicU32::new(0));
        let bell = Bell::new();
        let counted = count.clone();
        workers.step("apply", bell.clone(), Duration::from_secs(60), move || {
            let n = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                match n {
                    0 => Err(broken()),
                    1 => panic!("number {n}"),
                    2 => Ok(Step::Again),
                    _ => Ok(Step::Idle),
                }
            }
        });
        let first_failure = Err("apply：broken：disk gone".to_owned());
        assert!(until(Duration::from_secs(5), || workers.check() == first_failure).await);
        assert!(
            until(Duration::from_secs(20), || count.load(Ordering::Relaxed)
                == 4)
            .await
        );
        assert_eq!(workers.check(), Ok(()));
        bell.ring();
        assert!(
            until(Duration::from_secs(1), || count.load(Ordering::Relaxed)
                == 5)
            .await
        );
        assert!(workers.stop(Duration::from_secs(1)).await.is_empty());
        assert!(
            metrics
                .render()
                .contains("zongheng_worker_failures_total{worker=\"apply\"} 2")
        );
    }

    #[tokio::test]
    async fn a_loop_that_fails_or_panics_is_started_again() {
        let workers = Workers::new(Metrics::new());
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        workers.keep("link", move |_shutdown| {
            let n = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                match n {
                    0 => Err(broken()),
                    1 => panic!("number {n}"),
                    _ => Ok(()),
                }
            }
        });
        assert!(
            until(Duration::from_secs(20), || workers.health().get("link")
                == Some(&Health::Ended))
            .await
        );
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn who_does_not_stop_in_time_is_named() {
        let workers = Workers::new(Metrics::new());
        workers.keep("deaf", |_shutdown| {
            std::future::pending::<Result<(), Broken>>()
        });
        workers.keep("good", |shutdown| async move {
            shutdown.begun().await;
            Ok::<(), Broken>(())
        });
        assert!(until(Duration::from_secs(5), || workers.health().len() == 2).await);
        assert_eq!(workers.stop(Duration::from_millis(300)).await, ["deaf"]);
    }
}
