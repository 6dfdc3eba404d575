//! What waits: wants and their scopes, statements for others, logs for statements; and how each goes on when it has come.

use protocol::codec;
use protocol::directory::OpeningStanding;
use protocol::envelope::Envelope;
use protocol::frame::Want;
use protocol::hash::Ref;
use protocol::name::{Lane, LogName, Position};
use protocol::words::reason;
use store::{EnvelopeRow, WantRow};

use super::{TakeInFault, Work};
use crate::error::StepError;
use crate::node::Node;

/// What at most one want is open for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// A subject, by its tagged text.
    Subject(&'a str),
    /// What is missing of a log.
    Log(&'a LogName),
    /// A statement.
    Statement(Ref),
}

impl Scope<'_> {
    /// Bytes under which a store keeps the want.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Subject(text) => [&[1], text.as_bytes()].concat(),
            Self::Log(log) => [
                &[2],
                log.seat.0.as_slice(),
                &[log.lane as u8],
                &log.opening.to_bytes(),
            ]
            .concat(),
            Self::Statement(reference) => [&[3], reference.to_bytes().as_slice()].concat(),
        }
    }
}

/// A want that arises now.
pub(crate) fn want_row(scope: Scope<'_>, want: &Want, now_us: i64) -> WantRow {
    WantRow {
        id: 0,
        scope: scope.to_bytes(),
        want: codec::encode_want(want),
        resume: Vec::new(),
        tries: 0,
        next_us: 0,
        at_us: now_us,
    }
}

impl Node {
    /// Statements that waited for what this group has taken up: taken up in their turn, as far as that goes.
    pub(super) async fn release_statements(&self, work: &mut Work) -> Result<(), TakeInFault> {
        if work.statements.is_empty() {
            return Ok(());
        }
        let mut waiting = self
            .store()
            .held_statements()
            .await
            .map_err(StepError::Store)?;
        loop {
            let before = waiting.len();
            let mut still = Vec::new();
            for row in waiting {
                let Ok(envelope) = Envelope::from_bytes(&row.bytes) else {
                    work.group.released_statements.push(row.reference);
                    continue;
                };
                let Ok(admitted) = work.directory.admit(&envelope) else {
                    still.push(row);
                    continue;
                };
                work.group.released_statements.push(row.reference);
                work.statements.push(admitted.reference);
                work.group.envelopes.push(EnvelopeRow {
                    reference: admitted.reference,
                    kind: envelope.kind,
                    seat: envelope.seat().unwrap_or_default(),
                    class: 0,
                    read: true,
                    bytes: admitted.envelope.to_bytes(),
                });
            }
            if still.len() == before {
                return Ok(());
            }
            waiting = still;
        }
    }

    /// Logs that were held for want of a statement which is known by now: what was passed over is wanted (D22). Returns
    /// whether there were any.
    pub(super) async fn release_held(&self, now_us: i64) -> Result<bool, TakeInFault> {
        let mut released = false;
        for row in self.store().held().await.map_err(StepError::Store)? {
            let waits = matches!(
                row.reason,
                reason::IDENTITY_UNKNOWN
                    | reason::OPENING_UNKNOWN
                    | reason::TWO_OPENINGS
                    | reason::COUNTER_SKIPPED
            );
            let stands = self.directory().opening_standing(&row.opening) == OpeningStanding::Stands;
            let Some(lane) = Lane::from_u8(row.lane).filter(|_| waits && stands) else {
                continue;
            };
            let log = LogName {
                seat: row.seat,
                lane,
                opening: row.opening,
            };
            let want = Want::Range {
                seat: row.seat,
                lane: row.lane,
                opening: row.opening,
                from: row.from_sequence.max(1),
                to: 0,
            };
            self.store()
                .want_put(want_row(Scope::Log(&log), &want, now_us))
                .await
                .map_err(StepError::Store)?;
            self.store()
                .held_done(row.seat, row.lane, row.opening)
                .await
                .map_err(StepError::Store)?;
            released = true;
        }
        Ok(released)
    }

    /// Of logs that advanced, those that have nothing ahead of a gap any more.
    pub(super) async fn closed_gaps(
        &self,
        durable: &[(LogName, Position)],
        ahead: &[LogName],
    ) -> Result<Vec<LogName>, TakeInFault> {
        let mut closed = Vec::new();
        for (log, position) in durable {
            if !self.has_ahead(log) && !ahead.contains(log) {
                continue;
            }
            let greatest = self
                .store()
                .greatest_header(log.seat, log.lane as u8, log.opening)
                .await
                .map_err(StepError::Store)?;
            if greatest <= position.sequence {
                closed.push(*log);
            }
        }
        Ok(closed)
    }

    /// Logs that were held and have come meanwhile.
    pub(super) async fn held_logs_came(
        &self,
        durable: &[(LogName, Position)],
    ) -> Result<(), TakeInFault> {
        if !self.holds_logs() {
            return Ok(());
        }
        for row in self.store().held().await.map_err(StepError::Store)? {
            let come = durable.iter().any(|(log, position)| {
                (log.seat, log.lane as u8, log.opening) == (row.seat, row.lane, row.opening)
                    && position.sequence >= row.from_sequence
            });
            if come {
                self.store()
                    .held_done(row.seat, row.lane, row.opening)
                    .await
                    .map_err(StepError::Store)?;
            }
        }
        Ok(())
    }
}
