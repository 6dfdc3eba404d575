//! Wants on their way: at whom each is asked, and when it is asked again (D52).

use std::sync::Arc;

use protocol::codec;
use protocol::frame::Want;
use protocol::name::{LogName, SeatId};
use protocol::statement::SeatKind;
use protocol::words;
use runtime::link::host::HostFault;
use runtime::link::registry::{Ask, Handle};
use store::WantRow;

use super::{Live, NodeHost, here};
use crate::error::StepError;

/// Pause after a want was answered in vain the first time; twice as long after each further time, up to
/// [`WANT_PAUSE_US_MAX`].
const WANT_PAUSE_US: i64 = 5_000_000;
/// The longest pause.
const WANT_PAUSE_US_MAX: i64 = 600_000_000;

impl NodeHost {
    /// Opens the wants that are due, each at who can answer it, in turn if nobody had it. Returns how many were opened.
    pub async fn open_wants(&self) -> Result<usize, StepError> {
        let now_us = self.clock.now_us();
        let mut opened = 0;
        for row in self.node.store().wants_open().await? {
            let Ok(want) = codec::decode_want(&row.want) else {
                continue;
            };
            if Self::lock(&self.asked).contains_key(&row.id) {
                continue;
            }
            if self.is_fulfilled(&want) {
                self.node.store().want_done(row.id).await?;
                continue;
            }
            if row.next_us > now_us {
                continue;
            }
            let Some((party, handle)) = self.answers(&want, &row) else {
                continue;
            };
            if Self::lock(&self.asked).insert(row.id, party).is_some() {
                continue;
            }
            let ask = Ask {
                id: row.id,
                want: self.as_it_stands(want),
                resume: row.resume,
            };
            if !handle.want(ask).await {
                Self::lock(&self.asked).remove(&row.id);
                break;
            }
            opened += 1;
        }
        Ok(opened)
    }

    /// Whether what a want was for has come. Only that ends it, never an empty answer (D52). A want of a subject ends with its
    /// last page.
    pub(super) fn is_fulfilled(&self, want: &Want) -> bool {
        match want {
            Want::Range {
                seat,
                lane,
                opening,
                from,
                ..
            } => {
                let Some(lane) = protocol::name::Lane::from_u8(*lane) else {
                    return false;
                };
                let log = LogName {
                    seat: *seat,
                    lane,
                    opening: *opening,
                };
                self.node.position(&log).sequence >= *from && !self.node.has_ahead(&log)
            }
            Want::Statements(references) => {
                let directory = self.node.directory();
                references.iter().all(|r| directory.knows(r))
            }
            _ => false,
        }
    }

    /// A range from where its log stands by now.
    fn as_it_stands(&self, want: Want) -> Want {
        match want {
            Want::Range {
                seat,
                lane,
                opening,
                from,
                to,
            } => {
                let log = protocol::name::Lane::from_u8(lane).map(|lane| LogName {
                    seat,
                    lane,
                    opening,
                });
                let stands = log.map_or(0, |log| self.node.position(&log).sequence);
                Want::Range {
                    seat,
                    lane,
                    opening,
                    from: from.max(stands + 1),
                    to,
                }
            }
            other => other,
        }
    }

    /// Who is asked: of all that may have it, the next after those that were asked in vain. A source that is attached here
    /// answers for itself first.
    fn answers(&self, want: &Want, row: &WantRow) -> Option<(SeatId, Handle)> {
        let mut parties: Vec<(u8, SeatId)> = {
            let directory = self.node.directory();
            let live = Self::lock(&self.live);
            let rank = |l: &Arc<Live>| match (want, l.peer.identity.kind) {
                (Want::Range { seat, .. } | Want::Header { seat, .. }, _)
                    if l.peer.seats.contains(seat) =>
                {
                    Some(0)
                }
                (Want::Range { seat, .. } | Want::Header { seat, .. }, _) => {
                    words::owes_in_full(&directory, &l.peer.identity.seat, seat).then_some(1)
                }
                (Want::Statements(_), _) => Some(1),
                (_, SeatKind::City) => Some(1),
                _ => None,
            };
            live.values()
                .filter_map(|l| Some((rank(l)?, l.peer.identity.seat)))
                .collect()
        };
        parties.sort();
        if parties.is_empty() {
            return None;
        }
        let (_, party) = parties[row.tries as usize % parties.len()];
        Some((party, self.links.with(&party)?))
    }

    /// A want was answered in vain: it is asked again of the next, later each time.
    pub(super) async fn asked_in_vain(&self, id: u64) -> Result<(), HostFault> {
        let store = self.node.store();
        let tries = store
            .want(id)
            .await
            .map_err(|e| here(e.into()))?
            .map_or(0, |row| row.tries);
        let pause = WANT_PAUSE_US.saturating_mul(1 << tries.min(10));
        let next_us = self.clock.now_us() + pause.min(WANT_PAUSE_US_MAX);
        store
            .want_in_vain(id, next_us)
            .await
            .map_err(|e| here(e.into()))
    }
}
