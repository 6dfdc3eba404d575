//! Receipts: our own signed word on logs that we hold, and the words of nodes above us on their way down (D17, D18).

use std::collections::HashMap;

use protocol::directory::{LogName, SeatKind};
use protocol::envelope::Envelope;
use protocol::hash::Hash;
use protocol::name::{Lane, SeatId};
use protocol::receipt::{self, Position, Receipt};
use store::{ReceiptRow, Store, StoreError};

use crate::error::StepError;
use crate::intake::Peer;
use crate::node::{Node, Tier};

/// At most one receipt per log in this time, one more when the log falls silent.
const SPACING_US: i64 = 1_000_000;
/// A log is silent when nothing came for so long.
const SILENCE_US: i64 = 20_000;

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    durable: Position,
    safeguarded: Position,
    said: Option<(Position, Position)>,
    said_at: i64,
    changed_at: i64,
}

/// How far each log is held here and what was said about it last.
#[derive(Debug, Default)]
pub struct Ledger {
    logs: HashMap<LogName, Entry>,
    /// Grows with every receipt that sessions may want to pass on.
    generation: u64,
    /// Latest receipts per (log, node): bytes and the generation they came in.
    latest: HashMap<(LogName, SeatId), (u64, Vec<u8>)>,
}

impl Ledger {
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut ledger = Self::default();
        for row in store.log_frontiers().await? {
            let Some(lane) = Lane::from_u8(row.lane) else {
                continue;
            };
            let log = LogName {
                seat: row.seat,
                lane,
                opening: row.opening,
            };
            ledger.logs.entry(log).or_default().durable = (row.sequence, row.last_hash);
        }
        for row in store.receipts(None).await? {
            let Some(receipt) = Envelope::from_bytes(&row.bytes)
                .ok()
                .and_then(|e| Receipt::from_bytes(&e.bytes).ok())
            else {
                continue;
            };
            ledger.generation += 1;
            ledger
                .latest
                .insert((receipt.log, receipt.node), (ledger.generation, row.bytes));
        }
        Ok(ledger)
    }

    pub(crate) fn note_durable(&mut self, positions: &[(LogName, Position)], now_us: i64) {
        for (log, position) in positions {
            let entry = self.logs.entry(*log).or_default();
            entry.durable = *position;
            entry.changed_at = now_us;
        }
    }
}

impl Node {
    /// Signs the receipts that are due and stores them. Returns after how long to look again, if something is pending.
    pub async fn write_receipts(&self, now_us: i64) -> Result<Option<i64>, StepError> {
        let mut due = Vec::new();
        let mut wait: Option<i64> = None;
        {
            let mut ledger = self.ledger();
            let parent_holds = self.parent_positions(&ledger);
            let tier = self.tier();
            let own: std::collections::HashSet<SeatId> = self.full_logs(&ledger);
            for (log, entry) in &mut ledger.logs {
                // the city's own second failure domain is a verified off-machine backup; a district's is the city
                if tier == Tier::District
                    && let Some(position) = parent_holds.get(log)
                    && position.0 > entry.safeguarded.0
                {
                    entry.safeguarded = *position;
                    entry.changed_at = now_us;
                }
                let say = (entry.durable, entry.safeguarded);
                if entry.said == Some(say) || say.0.0 == 0 || !own.contains(&log.seat) {
                    continue;
                }
                let ready = (entry.said_at + SPACING_US).min(entry.changed_at + SILENCE_US);
                if ready > now_us {
                    wait = Some(wait.map_or(ready - now_us, |w| w.min(ready - now_us)));
                    continue;
                }
                entry.said = Some(say);
                entry.said_at = now_us;
                due.push((*log, say));
            }
        }
        if due.is_empty() {
            return Ok(wait);
        }
        let mut rows = Vec::with_capacity(due.len());
        for (log, (durable, safeguarded)) in due {
            let receipt = Receipt {
                log,
                durable,
                safeguarded,
                node: self.seat(),
                incarnation: self.feed(),
                at: now_us,
            };
            rows.push(row(&receipt, receipt.sign(self.key()).to_bytes()));
        }
        self.keep_receipts(rows).await?;
        Ok(wait)
    }

    /// Seats whose logs this node holds in full and so signs for (D17): all at the city, those of its own at a district.
    fn full_logs(&self, ledger: &Ledger) -> std::collections::HashSet<SeatId> {
        let directory = self.directory();
        let is_own = |seat: &SeatId| {
            directory
                .identity(seat)
                .is_some_and(|i| i.identity().jurisdiction == self.region())
        };
        ledger
            .logs
            .keys()
            .map(|l| l.seat)
            .filter(|s| self.tier() == Tier::City || is_own(s))
            .collect()
    }

    fn parent_positions(&self, ledger: &Ledger) -> HashMap<LogName, Position> {
        let directory = self.directory();
        ledger
            .latest
            .iter()
            .filter(|((_, node), _)| {
                *node != self.seat()
                    && directory
                        .identity(node)
                        .is_some_and(|i| i.identity().kind == SeatKind::City)
            })
            .filter_map(|((log, _), (_, bytes))| {
                let receipt = Receipt::from_bytes(&Envelope::from_bytes(bytes).ok()?.bytes).ok()?;
                Some((*log, receipt.durable))
            })
            .collect()
    }

    /// Receipts that came from above: checked, kept, passed on to whom they concern. A receipt that does not verify is
    /// told in the log and otherwise ignored: it lets nobody forget anything.
    pub async fn take_receipts(&self, receipts: Vec<Vec<u8>>) -> Result<(), StepError> {
        let mut rows = Vec::new();
        for bytes in receipts {
            let verified = Envelope::from_bytes(&bytes)
                .map_err(Into::into)
                .and_then(|envelope| receipt::verify(&self.directory(), &envelope));
            match verified {
                Ok(verified) => rows.push(row(verified.receipt(), bytes)),
                Err(fault) => tracing::warn!(%fault, "receipt ignored"),
            }
        }
        self.keep_receipts(rows).await?;
        self.receipting().ring();
        Ok(())
    }

    async fn keep_receipts(&self, rows: Vec<ReceiptRow>) -> Result<(), StepError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.store().receipt_put(rows.clone()).await?;
        {
            let mut ledger = self.ledger();
            for row in rows {
                let Some(lane) = Lane::from_u8(row.lane) else {
                    continue;
                };
                let log = LogName {
                    seat: row.seat,
                    lane,
                    opening: row.opening,
                };
                ledger.generation += 1;
                let generation = ledger.generation;
                ledger
                    .latest
                    .insert((log, row.node), (generation, row.bytes));
            }
        }
        self.ring_sessions();
        Ok(())
    }

    /// Receipts newer than `since` for what a peer sent us, and the generation to ask from next time. A department hears
    /// of its own seats; a district of every log of its jurisdiction; the city hears none.
    pub fn receipts_for(&self, peer: &Peer, since: u64) -> (Vec<Vec<u8>>, u64) {
        let directory = self.directory();
        let ledger = self.ledger();
        let concerns = |log: &LogName| match peer.identity.kind {
            SeatKind::City => false,
            SeatKind::District => directory
                .identity(&log.seat)
                .is_some_and(|i| i.identity().jurisdiction == peer.identity.jurisdiction),
            SeatKind::Department => peer.seats.contains(&log.seat),
        };
        let fresh = ledger
            .latest
            .iter()
            .filter(|((log, node), (generation, _))| {
                *generation > since && *node != peer.identity.seat && concerns(log)
            })
            .map(|(_, (_, bytes))| bytes.clone())
            .collect();
        (fresh, ledger.generation)
    }

    /// How far a log is held here.
    pub fn durable(&self, log: &LogName) -> Position {
        self.ledger()
            .logs
            .get(log)
            .map_or((0, Hash::ZERO), |e| e.durable)
    }
}

fn row(receipt: &Receipt, bytes: Vec<u8>) -> ReceiptRow {
    ReceiptRow {
        seat: receipt.log.seat,
        lane: receipt.log.lane as u8,
        opening: receipt.log.opening,
        node: receipt.node,
        incarnation: receipt.incarnation,
        durable_sequence: receipt.durable.0,
        safeguarded_sequence: receipt.safeguarded.0,
        bytes,
        at_us: receipt.at,
    }
}
