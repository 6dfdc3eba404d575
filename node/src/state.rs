//! What this node tells its peers of logs and seats, and what they tell it (D55). One statement, from which sessions, pages,
//! status, readiness and metrics derive; what a peer says is shown with its name and moves nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::frame::{Health, LogEntry, Reason, State};
use protocol::hash::Ref;
use protocol::name::{Lane, LogName, SeatId};
use protocol::statement::SeatKind;
use protocol::words::{self, reason};

use crate::error::StepError;
use crate::intake::Peer;
use crate::node::{LogKey, Node};

/// Seats of which a peer's word on their health is remembered.
const HEARD_MAX: usize = 16_384;
/// Logs of which a peer's word is remembered, per peer.
const LOGS_HEARD_MAX: usize = 16_384;

/// What peers have said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    health: Mutex<HashMap<SeatId, HeardHealth>>,
    logs: Mutex<HashMap<SeatId, HashMap<LogKey, HeardLog>>>,
}

/// How a seat is, by a peer's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardHealth {
    /// The word.
    pub health: Health,
    /// Who said it.
    pub from: SeatId,
    /// When it was heard.
    pub heard_us: i64,
}

/// How a log is at a peer, by its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardLog {
    /// How it is.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Since when, by the peer's clock.
    pub since_us: i64,
    /// Taken in up to here.
    pub taken_in: u64,
    /// Applied up to here.
    pub applied: u64,
}

/// How a log is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// How it is.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Since when; 0 if it is as it should be.
    pub since_us: i64,
    /// Taken in up to here.
    pub taken_in: u64,
    /// Applied up to here.
    pub applied: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    /// How every log of these seats is here that is or should be held here, by log. Seats without a log have none.
    pub async fn log_states(
        &self,
        concerns: impl Fn(&SeatId) -> bool,
    ) -> Result<HashMap<LogKey, LogState>, StepError> {
        let mut states = HashMap::new();
        let behind = self.unapplied() > 0;
        let logs: Vec<(LogName, u64)> = self
            .logs()
            .values()
            .filter(|state| concerns(&state.log.seat))
            .map(|state| (state.log, state.sequence))
            .collect();
        let revoked: Vec<SeatId> = {
            let directory = self.directory();
            let seats = logs.iter().map(|(log, _)| log.seat);
            seats
                .filter(|seat| directory.identity(seat).is_none())
                .collect()
        };
        for (log, sequence) in logs {
            let applied = match behind {
                false => sequence,
                true => self.applied_up_to(&log).min(sequence),
            };
            let gap = self.has_ahead(&log);
            let (state, reason) = match gap {
                true => (State::Gap, Reason::Gap),
                false if revoked.contains(&log.seat) => (State::Revoked, Reason::Revoked),
                false => (State::Running, Reason::None),
            };
            states.insert(
                LogKey::of(&log),
                LogState {
                    state,
                    reason,
                    since_us: if gap { self.gap_since(&log) } else { 0 },
                    taken_in: sequence,
                    applied,
                },
            );
        }
        for row in self.store().held().await? {
            if !concerns(&row.seat) {
                continue;
            }
            let key = LogKey {
                seat: row.seat,
                lane: row.lane,
                opening: row.opening,
            };
            let (taken_in, applied) = states
                .get(&key)
                .map_or((0, 0), |known| (known.taken_in, known.applied));
            let state = match row.reason {
                reason::REVOKED => State::Revoked,
                _ => State::Held,
            };
            states.insert(
                key,
                LogState {
                    state,
                    reason: Reason::of(row.reason),
                    since_us: row.at_us,
                    taken_in,
                    applied,
                },
            );
        }
        for row in self.stopped().iter().filter(|row| concerns(&row.seat)) {
            let key = LogKey::from(row);
            let (taken_in, applied) = states
                .get(&key)
                .map_or((0, 0), |known| (known.taken_in, known.applied));
            states.insert(
                key,
                LogState {
                    state: State::Stopped,
                    reason: Reason::of(row.reason),
                    since_us: row.at_us,
                    taken_in,
                    applied,
                },
            );
        }
        Ok(states)
    }

    /// Whether a peer is told of the logs of a seat: its own, and those below it.
    pub(crate) fn tells_of(&self, peer: &Peer, seat: &SeatId) -> bool {
        peer.seats.contains(seat)
            || (peer.identity.kind != SeatKind::Department
                && words::owes_in_full(&self.directory(), &peer.identity.seat, seat))
    }

    /// The state of logs that a peer is told at the greeting: complete, and possibly empty. A seat of its own of which
    /// nothing was ever seen has an entry that says so.
    pub async fn log_entries(&self, peer: &Peer) -> Result<Vec<LogEntry>, StepError> {
        let states = self.log_states(|seat| self.tells_of(peer, seat)).await?;
        let mut entries = Vec::with_capacity(states.len());
        for (key, state) in &states {
            entries.push(self.log_entry(key, state).await?);
        }
        for seat in &peer.seats {
            if !states.keys().any(|key| key.seat == *seat) {
                entries.push(LogEntry {
                    seat: *seat,
                    lane: Lane::Directory as u8,
                    opening: Ref::ZERO,
                    state: State::NeverSeen,
                    reason: Reason::None,
                    since: 0,
                    taken_in: 0,
                    applied: 0,
                    header: Vec::new(),
                    opening_envelope: Vec::new(),
                });
            }
        }
        entries.sort_by_key(LogEntry::log);
        Ok(entries)
    }

    /// One log as a peer is told of it: with the envelopes of its tip and of its opening, which count by their signatures.
    pub async fn log_entry(&self, key: &LogKey, state: &LogState) -> Result<LogEntry, StepError> {
        let tip = Lane::from_u8(key.lane).map(|lane| {
            self.position(&LogName {
                seat: key.seat,
                lane,
                opening: key.opening,
            })
        });
        let header = match tip.filter(|tip| tip.sequence > 0) {
            Some(tip) => self.store().header_bytes(tip.header).await?,
            None => None,
        };
        let opening = self
            .store()
            .envelopes(&[key.opening])
            .await?
            .into_iter()
            .next();
        Ok(LogEntry {
            seat: key.seat,
            lane: key.lane,
            opening: key.opening,
            state: state.state,
            reason: state.reason,
            since: state.since_us,
            taken_in: state.taken_in,
            applied: state.applied,
            header: header.unwrap_or_default(),
            opening_envelope: opening.map(|row| row.bytes).unwrap_or_default(),
        })
    }

    /// A peer's word on the state of logs.
    pub(crate) fn hear_logs(&self, peer: &Peer, entries: Vec<LogEntry>) {
        let mut all = lock(&self.heard().logs);
        let of_peer = all.entry(peer.identity.seat).or_default();
        for entry in entries {
            let key = LogKey {
                seat: entry.seat,
                lane: entry.lane,
                opening: entry.opening,
            };
            if of_peer.len() >= LOGS_HEARD_MAX && !of_peer.contains_key(&key) {
                continue;
            }
            of_peer.insert(
                key,
                HeardLog {
                    state: entry.state,
                    reason: entry.reason,
                    since_us: entry.since,
                    taken_in: entry.taken_in,
                    applied: entry.applied,
                },
            );
        }
    }

    /// How logs are at a peer, by its word.
    pub fn heard_logs(&self, peer: &SeatId) -> HashMap<LogKey, HeardLog> {
        lock(&self.heard().logs)
            .get(peer)
            .cloned()
            .unwrap_or_default()
    }

    /// A peer's word on how seats are: of its own seats, and of those below it. What it says of others is not heard.
    pub(crate) fn hear_health(&self, peer: &Peer, health: Vec<Health>, now_us: i64) {
        let from = peer.identity.seat;
        let mut changed = false;
        for one in health {
            // how this node is, nobody else says
            if one.seat == self.seat() || !self.tells_of(peer, &one.seat) {
                continue;
            }
            let mut all = lock(&self.heard().health);
            if all.len() >= HEARD_MAX && !all.contains_key(&one.seat) {
                continue;
            }
            let said = |h: &HeardHealth| (h.health.state, h.health.reasons.clone());
            let before = all.get(&one.seat).map(said);
            changed |= before != Some((one.state, one.reasons.clone()));
            let heard = HeardHealth {
                health: one,
                from,
                heard_us: now_us,
            };
            all.insert(heard.health.seat, heard);
        }
        if changed {
            self.telling().ring();
        }
    }

    /// Keeps this node's word about itself, so that its own line among the nodes says what its peers are told.
    pub(crate) fn note_own_health(&self, health: Health, now_us: i64) {
        let heard = HeardHealth {
            from: self.seat(),
            heard_us: now_us,
            health,
        };
        lock(&self.heard().health).insert(heard.health.seat, heard);
    }

    /// How a seat is, by the last word of whoever speaks for it.
    pub fn heard_health(&self, seat: &SeatId) -> Option<HeardHealth> {
        lock(&self.heard().health).get(seat).cloned()
    }

    /// What sources of this node have said of themselves, to be relayed, as far as the session of who said it stands: an old
    /// word does not say how a source is now, and the silence is to be seen.
    pub(crate) fn relayed_health(&self, stands: impl Fn(&SeatId) -> bool) -> Vec<Health> {
        let directory = self.directory();
        lock(&self.heard().health)
            .values()
            .filter(|heard| stands(&heard.from))
            .filter(|heard| {
                directory
                    .newest_identity(&heard.health.seat)
                    .is_some_and(|i| {
                        i.identity().node == self.seat() && heard.health.seat != self.seat()
                    })
            })
            .map(|heard| Health {
                relayed: true,
                ..heard.health.clone()
            })
            .collect()
    }
}
