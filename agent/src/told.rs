//! How the agent is, as it tells its node: the same report as its status, as state, reasons and figures (D55). Said on change
//! and from time to time; the newest word counts.

use std::time::Duration;

use protocol::frame::{Figure, Health, Reason, State};
use protocol::name::SeatId;
use protocol::statement::SeatKind;

use crate::status::{Report, What};
use crate::uplink::Uplink;

/// Tells the node at the other end how the agent is.
#[derive(Debug, Default)]
pub struct Telling {
    /// What was told last: in which session, when, and what matters of it.
    last: Option<(u64, Duration, Said)>,
    /// State and reasons as they are, and since when, microseconds since 1970.
    since: Option<(State, Vec<Reason>, i64)>,
}

/// What is told again as soon as it changes; ages and room change all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    state: State,
    reasons: Vec<Reason>,
    counts: Vec<(Figure, i64)>,
}

impl Telling {
    /// Tells the report if something has changed, a new session stands, or [`AGAIN`] has passed. `since_start` is a clock that
    /// never goes back.
    pub async fn tell(&mut self, uplink: &Uplink, report: &Report, since_start: Duration) {
        let (session, handle) = uplink.session();
        let health = self.health(report, uplink.seat(), uplink.clock_offset_ms());
        let Some(handle) = handle else {
            return;
        };
        let said = Said {
            state: health.state,
            reasons: health.reasons.clone(),
            counts: health
                .figures
                .iter()
                .filter(|(figure, _)| matches!(figure, Figure::OutboxBatches | Figure::RefusedRows))
                .copied()
                .collect(),
        };
        let due = self.last.as_ref().is_none_or(|(told_in, at, known)| {
            *told_in != session || since_start >= *at + AGAIN || *known != said
        });
        if due {
            // what is not taken is said again the next time
            if handle.health(vec![health]).await {
                self.last = Some((session, since_start, said));
            }
        }
    }

    /// The agent's health as its report has it.
    fn health(&mut self, report: &Report, seat: SeatId, clock_offset_ms: Option<i64>) -> Health {
        let (state, reasons) = state(report);
        let now_us = report.now_ms.saturating_mul(1_000);
        let same = self
            .since
            .as_ref()
            .filter(|(was, why, _)| (*was, why) == (state, &reasons))
            .map(|(_, _, since)| *since);
        let since = same.unwrap_or(now_us);
        self.since = Some((state, reasons.clone(), since));
        Health {
            seat,
            since,
            state,
            reasons,
            figures: figures(report, clock_offset_ms),
            release: runtime::release::VERSION.to_owned(),
            relayed: false,
        }
    }
}

/// What is not well with the agent itself. What the node has told the agent, and that there is no link, is not told back.
fn state(report: &Report) -> (State, Vec<Reason>) {
    let (mut state, mut reasons) = (State::Running, Vec::new());
    for trouble in report.troubles() {
        let worse = match trouble.what {
            What::Link
            | What::Log(..)
            | What::Unheard
            | What::Stuck
            | What::Node
            | What::Silent
            | What::Process => continue,
            What::Revoked => State::Revoked,
            What::Sealing => State::Stopped,
            _ if trouble.stops => State::Held,
            _ => State::Running,
        };
        reasons.extend(match trouble.what {
            What::Disk => Some(Reason::Disk),
            What::Source | What::File => Some(Reason::Source),
            What::Clock => Some(Reason::Clock),
            What::Worker | What::Sealing => Some(Reason::Worker),
            What::Outbox if trouble.stops => Some(Reason::OverQuota),
            What::Refused => Some(Reason::SealedWrongly),
            What::Revoked => Some(Reason::Revoked),
            _ => None,
        });
        let rank = |state: State| match state {
            State::Revoked => 3,
            State::Stopped => 2,
            State::Held => 1,
            _ => 0,
        };
        if rank(worse) > rank(state) {
            state = worse;
        }
    }
    reasons.sort_unstable();
    reasons.dedup();
    (state, reasons)
}

fn figures(report: &Report, clock_offset_ms: Option<i64>) -> Vec<(Figure, i64)> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let refused = report.sources.iter().map(|(source, _)| source.refused);
    let city = report
        .receipts
        .iter()
        .filter(|receipt| receipt.kind == SeatKind::City)
        .map(|receipt| receipt.heard_ms)
        .max();
    let all = [
        (
            Figure::OutboxBatches,
            Some(count(report.queue.sealed_batches)),
        ),
        (Figure::OutboxBytes, Some(count(report.queue.bytes))),
        (Figure::SourceLagSeconds, report.source_lag_s()),
        (
            Figure::CityReceiptAgeSeconds,
            city.map(|heard_ms| (report.now_ms - heard_ms).max(0) / 1_000),
        ),
        (Figure::RefusedRows, Some(count(refused.sum()))),
        (
            Figure::FreeBytes,
            report
                .disk
                .as_ref()
                .and_then(|disk| disk.room.as_ref().ok())
                .map(|room| count(room.free)),
        ),
        (Figure::ClockOffsetMs, clock_offset_ms),
    ];
    let known = all.into_iter().filter_map(|(figure, n)| Some((figure, n?)));
    known.collect()
}

/// It is said again after so long, changed or not.
pub const AGAIN: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::testing::report;

    #[test]
    fn health_says_what_is_not_well_here_and_not_what_the_node_has_said() {
        let check = |state: State, reasons: &[Reason], change: &dyn Fn(&mut Report)| {
            let mut report = report();
            change(&mut report);
            let mut telling = Telling::default();
            let health = telling.health(&report, SeatId([3; 16]), None);
            assert_eq!((health.state, health.reasons.as_slice()), (state, reasons));
        };
        use crate::status::testing::{room, trouble_of_source};
        check(State::Running, &[], &|_| {});
        check(State::Held, &[Reason::Source], &|r| {
            trouble_of_source(r, "读不了");
        });
        check(State::Running, &[Reason::Disk], &|r| {
            r.disk = room(80 << 20)
        });
        check(State::Held, &[Reason::Disk], &|r| r.disk = room(40 << 20));
        check(State::Stopped, &[Reason::Worker], &|r| {
            r.sealing_trouble = Some("封装不了".to_owned());
        });
        check(State::Running, &[Reason::Clock], &|r| {
            r.clock_doubt = Some("慢".to_owned());
        });
        check(State::Revoked, &[Reason::Revoked], &|r| {
            (r.link.up, r.link.revoked) = (false, true);
        });
        check(State::Running, &[], &|r| {
            r.node_word.unwell = Some(Vec::new())
        });
        check(State::Running, &[], &|r| {
            r.node_word.logs[0].state = State::Gap
        });
    }

    #[test]
    fn health_keeps_since_when_and_counts_what_waits() {
        let mut report = report();
        report.now_ms = 5_000;
        report.queue.sealed_batches = 7;
        report.sources[0].0.refused = 2;
        let mut telling = Telling::default();
        let seat = SeatId([3; 16]);
        let first = telling.health(&report, seat, Some(-40));
        assert_eq!(first.since, 5_000_000);
        let figure = |of| {
            let found = first.figures.iter().find(|(figure, _)| *figure == of);
            found.map(|(_, n)| *n)
        };
        assert_eq!(figure(Figure::OutboxBatches), Some(7));
        assert_eq!(figure(Figure::RefusedRows), Some(2));
        assert_eq!(figure(Figure::ClockOffsetMs), Some(-40));
        assert_eq!(figure(Figure::SourceLagSeconds), Some(0));
        report.now_ms = 9_000;
        assert_eq!(telling.health(&report, seat, None).since, 5_000_000);
        report.sealing_trouble = Some("x".to_owned());
        assert_eq!(telling.health(&report, seat, None).since, 9_000_000);
    }
}
