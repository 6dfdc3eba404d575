//! What is said beside the feed: receipts, state of logs, health, comparison of statements. Newest words replace older ones
//! wherever they can, and everything that waits is bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::frame::{
    Digest, Frame, GoodbyeCode, Health, LogEntry, Logs, LogsEnd, Scope, Statements,
};
use crate::hash::Ref;
use crate::limits;
use crate::name::SeatId;
use crate::session::paced::Paced;
use crate::session::{Asked, Event, Millis, PeerMisbehaved, Phase, Session};

/// News of a log are said at most this often (D81).
pub const LOGS_PAUSE_MS: Millis = 10_000;
/// Health of a seat is said, and looked at, at most this often.
pub const HEALTH_PAUSE_MS: Millis = 1_000;

/// What waits.
#[derive(Debug)]
pub(super) struct Words {
    receipts: VecDeque<Vec<u8>>,
    /// A complete list of logs, with its end, as far as it was not said yet.
    list: VecDeque<LogEntry>,
    end: Option<LogsEnd>,
    pub(super) news: Paced<(SeatId, u8, Ref), Vec<LogEntry>>,
    /// Tips of the burst of news that is leaving.
    tips: VecDeque<LogEntry>,
    digests: BTreeMap<Scope, Digest>,
    /// Questions of ours about statements.
    asked: BTreeMap<Scope, Asked<Ref>>,
    /// Questions of the peer's that are with the caller.
    serving: BTreeSet<Scope>,
    pages: VecDeque<Statements>,
    pub(super) health: Paced<SeatId, Health>,
    pub(super) heard: Paced<SeatId, Health>,
}

impl Words {
    pub(super) const fn new() -> Self {
        Self {
            receipts: VecDeque::new(),
            list: VecDeque::new(),
            end: None,
            news: Paced::new(LOGS_PAUSE_MS, limits::LOGS_WAITING_MAX),
            tips: VecDeque::new(),
            digests: BTreeMap::new(),
            asked: BTreeMap::new(),
            serving: BTreeSet::new(),
            pages: VecDeque::new(),
            health: Paced::new(HEALTH_PAUSE_MS, limits::HEALTH_WAITING_MAX),
            heard: Paced::new(HEALTH_PAUSE_MS, limits::HEALTH_WAITING_MAX),
        }
    }

    /// A complete list, in place of everything about logs that waits.
    pub(super) fn put_list(&mut self, entries: Vec<LogEntry>, end: LogsEnd) {
        self.list = entries.into();
        self.end = Some(end);
        self.news.clear();
        self.tips.clear();
    }

    pub(super) fn put_digest(&mut self, digest: Digest) {
        self.digests.insert(digest.scope, digest);
    }

    /// The next frame that belongs to the greeting: the complete list of logs, then what we hold of statements.
    pub(super) fn next_of_greeting(&mut self) -> Option<Frame> {
        if let Some(end) = self.end {
            let entries = frame_of(&mut self.list);
            let end = match self.list.is_empty() {
                true => {
                    self.end = None;
                    end
                }
                false => LogsEnd::More,
            };
            return Some(Frame::Logs(Logs { end, entries }));
        }
        let (_, digest) = self.digests.pop_first()?;
        Some(Frame::Statements(Statements::Digest(digest)))
    }

    /// The next receipts, or question or answer about statements.
    pub(super) fn next_question(&mut self, now: Millis) -> Option<Frame> {
        if !self.receipts.is_empty() {
            let n = self.receipts.len().min(limits::RECEIPTS_PER_FRAME_MAX);
            return Some(Frame::Receipts(self.receipts.drain(..n).collect()));
        }
        if let Some(page) = self.pages.pop_front() {
            if let Statements::Page { scope, .. } = &page {
                self.serving.remove(scope);
            }
            return Some(Frame::Statements(page));
        }
        let mut asked = self.asked.iter_mut().filter(|(_, a)| a.said.is_none());
        let (scope, asked) = asked.next()?;
        asked.said = Some(now);
        Some(Frame::Statements(Statements::Ask {
            scope: *scope,
            after: asked.what,
        }))
    }

    /// The next news of logs, or health.
    pub(super) fn next_report(&mut self, now: Millis) -> Option<Frame> {
        while self.tips.len() < limits::LOGS_PER_FRAME_MAX
            && let Some(tips) = self.news.pop(now)
        {
            self.tips.extend(tips);
        }
        if !self.tips.is_empty() {
            return Some(Frame::Logs(Logs {
                end: LogsEnd::More,
                entries: frame_of(&mut self.tips),
            }));
        }
        let mut all = Vec::new();
        while all.len() < limits::HEALTH_SEATS_MAX
            && let Some(health) = self.health.pop(now)
        {
            all.push(health);
        }
        (!all.is_empty()).then_some(Frame::Health(all))
    }

    pub(super) fn handle_timeout(&mut self, now: Millis, patience: Option<Millis>) {
        self.news.begin(now);
        self.health.begin(now);
        if let Some(patience) = patience {
            for asked in self.asked.values_mut() {
                asked.said = asked.said.filter(|said| now < said + patience);
            }
        }
    }

    /// When our questions were said last.
    pub(super) fn said(&self) -> impl Iterator<Item = Millis> {
        self.asked.values().filter_map(|asked| asked.said)
    }

    /// Words that are kept, of every kind.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.receipts.len()
            + self.list.len()
            + self.tips.len()
            + self.news.held()
            + self.digests.len()
            + self.asked.len()
            + self.serving.len()
            + self.pages.len()
            + self.health.held()
            + self.heard.held()
    }
}

/// As many entries as go into one frame; at least one, if there is one.
fn frame_of(entries: &mut VecDeque<LogEntry>) -> Vec<LogEntry> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    while let Some(entry) = entries.front() {
        bytes += entry.weight();
        let full = bytes > limits::LOGS_FRAME_BYTES || taken.len() >= limits::LOGS_PER_FRAME_MAX;
        if full && !taken.is_empty() {
            break;
        }
        taken.extend(entries.pop_front());
    }
    taken
}

impl Session {
    pub(super) fn take_health(
        &mut self,
        now: Millis,
        all: Vec<Health>,
    ) -> Result<(), PeerMisbehaved> {
        for health in all {
            if !self.words.heard.put(now, health.seat, health) {
                return Err(PeerMisbehaved::Conversation("health of too many seats"));
            }
        }
        self.hear_health(now);
        Ok(())
    }

    /// Hands over what was heard of health, newest word per seat, if it is time.
    pub(super) fn hear_health(&mut self, now: Millis) {
        self.words.heard.begin(now);
        let mut all = Vec::new();
        while let Some(health) = self.words.heard.pop(now) {
            all.push(health);
        }
        if !all.is_empty() {
            self.events.push_back(Event::Health(all));
        }
    }

    pub(super) fn take_statements(&mut self, frame: Statements) -> Result<(), PeerMisbehaved> {
        match frame {
            Statements::Digest(digest) if is_known(digest.scope) => {
                self.events.push_back(Event::Digest(digest));
            }
            Statements::Ask { scope, after } if is_known(scope) => {
                if !self.words.serving.insert(scope) {
                    return self.out_of_turn("a second question about statements");
                }
                self.events
                    .push_back(Event::ServeStatements { scope, after });
            }
            Statements::Page {
                scope,
                last,
                references,
            } => {
                // one that nobody waits for, or that goes back, is a repetition
                let answers = |asked: &Asked<Ref>| {
                    asked.said.is_some() && references.first().is_none_or(|f| *f > asked.what)
                };
                if self.words.asked.get(&scope).is_some_and(answers) {
                    self.words.asked.remove(&scope);
                    self.events.push_back(Event::Statements {
                        scope,
                        references,
                        last,
                    });
                }
            }
            // of a later release
            Statements::Digest(_) | Statements::Ask { .. } | Statements::Unread(_) => {
                self.unread = self.unread.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Signed receipts and feed heads for the peer, sent once both sides have accepted. They are not repeated: a receipt is
    /// cumulative, and on a carrier that loses frames the caller says the newest again from time to time.
    pub fn send_receipts(&mut self, receipts: Vec<Vec<u8>>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.words.receipts.extend(receipts);
        if self.words.receipts.len() > limits::RECEIPTS_WAITING_MAX {
            // what is not said here is said in the next conversation
            self.close(
                GoodbyeCode::Misbehaved,
                "对端长时间不接收回执，会话结束；请对端运维人员检查其网络和程序",
            );
        }
    }

    /// A complete list of logs again, at once, in place of all news that wait.
    pub fn send_logs(&mut self, entries: Vec<LogEntry>, without_city: bool) {
        if self.phase == Phase::Accepted {
            let end = match without_city {
                true => LogsEnd::CompleteWithoutCity,
                false => LogsEnd::Complete,
            };
            self.words.put_list(entries, end);
        }
    }

    /// News of one log: all its tips that are not void, in place of news of it that wait. Said once both sides have
    /// accepted, at once or [`LOGS_PAUSE_MS`] after the last news. `false` if too much waits already: say it later. On a
    /// carrier that loses frames the caller says it again from time to time.
    pub fn send_log_news(&mut self, now: Millis, tips: Vec<LogEntry>) -> bool {
        let Some(log) = tips.first().map(LogEntry::log) else {
            return true;
        };
        self.phase != Phase::Closed && self.words.news.put(now, log, tips)
    }

    /// How a seat is, in place of an older word that waits. Said once both sides have accepted, at once or
    /// [`HEALTH_PAUSE_MS`] after the last words. `false` if words of too many seats wait: say it later.
    pub fn send_health(&mut self, now: Millis, health: Health) -> bool {
        self.phase != Phase::Closed && self.words.health.put(now, health.seat, health)
    }

    /// What we hold of statements, in place of an older word that waits.
    pub fn send_digest(&mut self, digest: Digest) {
        if self.phase == Phase::Accepted {
            self.words.put_digest(digest);
        }
    }

    /// Asks which statements of a scope the peer holds behind a reference, zero for the first. Answered by
    /// [`Event::Statements`]. `false` if a question about this scope is open already: ask after its answer.
    pub fn ask_statements(&mut self, scope: Scope, after: Ref) -> bool {
        if self.phase == Phase::Closed || self.words.asked.contains_key(&scope) {
            return false;
        }
        let asked = Asked {
            what: after,
            said: None,
        };
        self.words.asked.insert(scope, asked);
        true
    }

    /// The references that [`Event::ServeStatements`] asked for: ascending strictly, at most
    /// [`limits::STATEMENT_PAGE_MAX`]; `last` if there are no more.
    pub fn handle_statements(&mut self, scope: Scope, references: Vec<Ref>, last: bool) {
        if self.phase == Phase::Accepted && self.words.serving.contains(&scope) {
            self.words.pages.push_back(Statements::Page {
                scope,
                last,
                references,
            });
        }
    }
}

const fn is_known(scope: Scope) -> bool {
    matches!(scope, Scope::All | Scope::Chain)
}
