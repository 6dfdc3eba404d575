//! The sessions that stand now: one per party, the newest authenticated one; and the handles by which the rest of the
//! process speaks to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::frame::{Digest, GoodbyeCode, Health, Interest, LogEntry, Want};
use protocol::name::SeatId;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::carrier::{CarrierStats, Control};

/// Commands that wait for a session. Senders wait when there are more.
const COMMANDS_MAX: usize = 64;
/// An older session gets this long to finish what it is storing before the newer one goes on without it.
const HANDOVER_TIME_MAX: Duration = Duration::from_secs(10);

/// Speaks to one session from outside. Clones speak to the same session; one that is over takes words and does nothing.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Line>);

#[derive(Debug)]
struct Line {
    grown: Notify,
    commands: mpsc::Sender<Command>,
    wants: mpsc::Sender<Ask>,
    ended: watch::Sender<bool>,
}

/// What a session is asked to do at its next turn.
#[derive(Debug)]
pub(super) enum Command {
    Receipts(Vec<Vec<u8>>),
    /// The answer: whether they wait to be said now.
    Logs(Vec<LogEntry>, oneshot::Sender<bool>),
    /// The same.
    Health(Vec<Health>, oneshot::Sender<bool>),
    Digest(Digest),
    Interest(Interest),
    Close {
        code: GoodbyeCode,
        text: String,
    },
}

/// A want to be opened, or its next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Number under which the host keeps it.
    pub id: u64,
    /// What.
    pub want: Want,
    /// Where the last page ended; empty for the first.
    pub resume: Vec<u8>,
}

/// The receiving ends of a [`Handle`], held by the session's task.
pub(super) struct Inbox {
    pub(super) handle: Handle,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) wants: mpsc::Receiver<Ask>,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let (commands, commands_in) = mpsc::channel(COMMANDS_MAX);
        let (wants, wants_in) = mpsc::channel(1);
        Self {
            handle: Handle(Arc::new(Line {
                grown: Notify::new(),
                commands,
                wants,
                ended: watch::Sender::new(false),
            })),
            commands: commands_in,
            wants: wants_in,
        }
    }
}

impl Inbox {
    /// The session is over: whoever waits for an answer is told so.
    pub(super) fn close(&mut self) {
        self.commands.close();
        self.wants.close();
        while self.commands.try_recv().is_ok() {}
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.handle.0.ended.send_replace(true);
    }
}

impl Handle {
    /// Our feed, or its applied cursor, has grown.
    pub fn grown(&self) {
        self.0.grown.notify_one();
    }

    pub(super) async fn rung(&self) {
        self.0.grown.notified().await;
    }

    /// Sends signed receipts. They are cumulative: what a session that is over does not take is made good by the next.
    pub async fn receipts(&self, receipts: Vec<Vec<u8>>) {
        let _ = self.0.commands.send(Command::Receipts(receipts)).await;
    }

    /// Sends news of one log: all its tips, in place of news of it that wait. `false`: too much waits to be said, or the
    /// session is over. Say it again later; the complete list that every session begins with says it, too.
    #[must_use = "what was not taken must be said again later"]
    pub async fn logs(&self, tips: Vec<LogEntry>) -> bool {
        self.say(|taken| Command::Logs(tips, taken)).await
    }

    /// Sends how seats are. The newest word about a seat takes the place of an older one that waits. `false`: not all of it
    /// was taken, since words about too many seats wait, or the session is over. Say it again later.
    #[must_use = "what was not taken must be said again later"]
    pub async fn health(&self, health: Vec<Health>) -> bool {
        self.say(|taken| Command::Health(health, taken)).await
    }

    async fn say(&self, command: impl FnOnce(oneshot::Sender<bool>) -> Command) -> bool {
        let (answer, taken) = oneshot::channel();
        let sent = self.0.commands.send(command(answer)).await.is_ok();
        sent && taken.await.unwrap_or(false)
    }

    /// We want something else from the peer's feed from now on: the version is greater than that of the interest before.
    /// From which step on it holds the peer says, with each group.
    pub async fn interest(&self, interest: Interest) {
        let _ = self.0.commands.send(Command::Interest(interest)).await;
    }

    /// Sends what we hold of statements.
    pub async fn digest(&self, digest: Digest) {
        let _ = self.0.commands.send(Command::Digest(digest)).await;
    }

    /// Opens a want; waits while too many are open, so not from within a call of the host. `false`: the session is over, keep
    /// the want for the next.
    pub async fn want(&self, ask: Ask) -> bool {
        self.0.wants.send(ask).await.is_ok()
    }

    /// Ends the session in good order.
    pub async fn close(&self, code: GoodbyeCode, text: &str) {
        let text = text.to_owned();
        let _ = self.0.commands.send(Command::Close { code, text }).await;
    }

    /// Whether the session is over.
    pub fn has_ended(&self) -> bool {
        *self.0.ended.borrow()
    }

    /// Waits until the session is over.
    pub async fn ended(&self) {
        // an error would mean that the line is gone, but we hold it
        let _ = self.0.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// All sessions of a process. Clones are the same sessions.
#[derive(Clone, Default)]
pub struct Links(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    generation: u64,
    standing: BTreeMap<SeatId, Standing>,
}

struct Standing {
    generation: u64,
    handle: Handle,
    control: Control,
    remote: String,
    since_us: i64,
}

/// A session as the console shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// The party at the other end: its own seat.
    pub party: SeatId,
    /// Where it is.
    pub remote: String,
    /// Since when, in microseconds since 1970.
    pub since_us: i64,
    /// What the connection has moved.
    pub stats: CarrierStats,
}

impl Links {
    /// No sessions yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every session that our feed, or its applied cursor, has grown.
    pub fn grown(&self) {
        let state = self.lock();
        state.standing.values().for_each(|s| s.handle.grown());
    }

    /// The session with a party, if one stands.
    pub fn with(&self, party: &SeatId) -> Option<Handle> {
        self.lock().standing.get(party).map(|s| s.handle.clone())
    }

    /// All sessions that stand.
    pub fn all(&self) -> Vec<(SeatId, Handle)> {
        let state = self.lock();
        let pair = |(party, s): (&SeatId, &Standing)| (*party, s.handle.clone());
        state.standing.iter().map(pair).collect()
    }

    /// All sessions that stand, to be shown.
    pub fn views(&self) -> Vec<LinkView> {
        let state = self.lock();
        let view = |(party, s): (&SeatId, &Standing)| LinkView {
            party: *party,
            remote: s.remote.clone(),
            since_us: s.since_us,
            stats: s.control.stats(),
        };
        state.standing.iter().map(view).collect()
    }

    /// Makes this the party's session. An older one is told that it is fenced, and waited for, so that what it is storing
    /// is stored before the newer one says from where to go on.
    pub(super) async fn take_over(
        &self,
        party: SeatId,
        handle: &Handle,
        control: &Control,
        remote: &str,
        since_us: i64,
    ) -> Place {
        let (generation, older) = {
            let mut state = self.lock();
            state.generation += 1;
            let generation = state.generation;
            let standing = Standing {
                generation,
                handle: handle.clone(),
                control: control.clone(),
                remote: remote.to_owned(),
                since_us,
            };
            (generation, state.standing.insert(party, standing))
        };
        let place = Place {
            links: self.clone(),
            party,
            generation,
        };
        if let Some(older) = older {
            tracing::info!(peer = %party, remote = %older.remote, "older session of {party} fenced by a newer one");
            let fence = async {
                let code = GoodbyeCode::Fenced;
                older
                    .handle
                    .close(code, "同一实例建立了更新的会话，本会话结束")
                    .await;
                older.handle.ended().await;
            };
            if timeout(HANDOVER_TIME_MAX, fence).await.is_err() {
                tracing::warn!(peer = %party, "older session of {party} does not end");
            }
        }
        place
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's entry among the standing ones; removed when dropped, unless a newer one has taken it over.
pub(super) struct Place {
    links: Links,
    party: SeatId,
    generation: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.links.lock();
        let own = |s: &Standing| s.generation == self.generation;
        if state.standing.get(&self.party).is_some_and(own) {
            state.standing.remove(&self.party);
        }
    }
}
