//! Receipts: our own signed word on logs that we owe in full, and the words of nodes above us on their way down (D17, D18, D60).

use std::collections::HashMap;

use protocol::envelope::{Envelope, kind};
use protocol::feed_head::{self, FeedHead};
use protocol::name::{Lane, LogName, Position, SeatId};
use protocol::receipt::{self, Receipt};
use protocol::statement::SeatKind;
use protocol::words;
use store::{FeedHeadRow, ReceiptRow, Store, StoreError};

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
    /// Latest receipts per (log, node): the receipt, its bytes and the generation it came in.
    latest: HashMap<(LogName, SeatId), (u64, Receipt, Vec<u8>)>,
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
            ledger.logs.entry(log).or_default().durable = Position {
                sequence: row.sequence,
                header: row.last,
            };
        }
        for row in store.receipts(None).await? {
            let Some(receipt) = Envelope::from_bytes(&row.bytes)
                .ok()
                .and_then(|e| Receipt::from_bytes(&e.bytes).ok())
            else {
                continue;
            };
            ledger.generation += 1;
            ledger.latest.insert(
                (receipt.log, receipt.holder),
                (ledger.generation, receipt, row.bytes),
            );
        }
        Ok(ledger)
    }

    /// Notes how far logs are durable. Never goes back: a want and the feed may bring one log at once.
    pub(crate) fn note_durable(&mut self, positions: &[(LogName, Position)], now_us: i64) {
        for (log, position) in positions {
            let entry = self.logs.entry(*log).or_default();
            if position.sequence > entry.durable.sequence {
                entry.durable = *position;
                entry.changed_at = now_us;
            }
        }
    }
}

impl Node {
    /// Signs the receipts that are due and stores them. Returns after how long to look again, if something is pending.
    pub async fn write_receipts(&self, now_us: i64) -> Result<Option<i64>, StepError> {
        let mut due = Vec::new();
        let mut wait: Option<i64> = None;
        {
            let directory = self.directory();
            let mut ledger = self.ledger();
            let parent_holds = self.parent_positions(&ledger);
            let tier = self.tier();
            for (log, entry) in &mut ledger.logs {
                // the city's own second failure domain is a verified off-machine backup; a district's is the city
                if tier == Tier::District
                    && let Some(position) = parent_holds.get(log)
                    && position.sequence > entry.safeguarded.sequence
                {
                    entry.safeguarded = *position;
                    entry.changed_at = now_us;
                }
                // what is held elsewhere and not yet here is no promise of ours
                let safeguarded = match entry.safeguarded.sequence <= entry.durable.sequence {
                    true => entry.safeguarded,
                    false => entry.durable,
                };
                let say = (entry.durable, safeguarded);
                if entry.said == Some(say)
                    || say.0.sequence == 0
                    || !words::owes_in_full(&directory, &self.seat(), &log.seat)
                {
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
        let mut kept = Vec::with_capacity(due.len());
        for (log, (durable, safeguarded)) in due {
            let receipt = Receipt {
                holder: self.seat(),
                identity: self.identity_ref(),
                incarnation: self.incarnation(),
                log,
                durable,
                // no entry of this release names an attachment that it could lack
                attached: durable,
                safeguarded,
                at: now_us,
            };
            let bytes = receipt.sign(self.key()).to_bytes();
            kept.push((receipt, bytes));
        }
        self.keep_receipts(&self.seat(), kept).await?;
        Ok(wait)
    }

    /// How far the city holds logs, by its own receipts.
    fn parent_positions(&self, ledger: &Ledger) -> HashMap<LogName, Position> {
        let directory = self.directory();
        let is_city = |node: &SeatId| {
            *node != self.seat()
                && directory
                    .newest_identity(node)
                    .is_some_and(|i| i.identity().kind == SeatKind::City)
        };
        ledger
            .latest
            .iter()
            .filter(|((_, node), _)| is_city(node))
            .map(|((log, _), (_, receipt, _))| (*log, receipt.durable))
            .collect()
    }

    /// Receipts and feed heads that came: checked, kept, passed on to whom they concern. One that does not verify is told in
    /// the log and otherwise ignored: it lets nobody forget anything. Returns how many were ignored.
    pub async fn take_receipts(
        &self,
        from: &SeatId,
        words: Vec<Vec<u8>>,
    ) -> Result<usize, StepError> {
        let (mut kept, mut ignored) = (Vec::new(), 0);
        for bytes in words {
            let envelope = Envelope::from_bytes(&bytes);
            let of_feed = envelope.as_ref().is_ok_and(|e| e.kind == kind::FEED_HEAD);
            if of_feed {
                ignored += usize::from(!self.take_feed_head(envelope.ok()).await?);
                continue;
            }
            let verified = envelope
                .map_err(Into::into)
                .and_then(|envelope| receipt::verify(&self.directory(), &envelope));
            match verified {
                Ok(verified) => {
                    kept.push((verified.receipt().clone(), verified.envelope().to_bytes()))
                }
                Err(fault) => {
                    tracing::warn!(%fault, "receipt ignored");
                    ignored += 1;
                }
            }
        }
        self.keep_receipts(from, kept).await?;
        self.receipting().ring();
        Ok(ignored)
    }

    async fn take_feed_head(&self, envelope: Option<Envelope>) -> Result<bool, StepError> {
        let Some(envelope) = envelope else {
            return Ok(false);
        };
        let verified = feed_head::verify(&self.directory(), &envelope);
        match verified {
            Ok(verified) => {
                let head = verified.head();
                let row = FeedHeadRow {
                    node: head.node,
                    incarnation: head.incarnation,
                    head: head.head,
                    bytes: verified.envelope().to_bytes(),
                    at_us: head.at,
                };
                self.store().feed_head_put(row).await?;
                Ok(true)
            }
            Err(fault) => {
                tracing::warn!(%fault, "feed head ignored");
                Ok(false)
            }
        }
    }

    /// Our signed word to a peer on the head of our feed.
    pub fn feed_head_for(&self, peer: SeatId, now_us: i64) -> Vec<u8> {
        let head = FeedHead {
            node: self.seat(),
            identity: self.identity_ref(),
            incarnation: self.incarnation(),
            head: self.store().feed_heads().head,
            peer,
            at: now_us,
        };
        head.sign(self.key()).to_bytes()
    }

    async fn keep_receipts(
        &self,
        from: &SeatId,
        kept: Vec<(Receipt, Vec<u8>)>,
    ) -> Result<(), StepError> {
        if kept.is_empty() {
            return Ok(());
        }
        let rows = kept
            .iter()
            .map(|(receipt, bytes)| row(receipt, bytes.clone()))
            .collect();
        self.store().receipt_put(rows).await?;
        {
            // the same rule as in the table, in memory: no clock, and nothing goes back within an incarnation
            let mut ledger = self.ledger();
            for (receipt, bytes) in kept {
                let place = (receipt.log, receipt.holder);
                let newer = ledger.latest.get(&place).is_none_or(|(_, known, _)| {
                    receipt.replaces(known, receipt.holder == *from, |_, _| false)
                });
                if newer {
                    ledger.generation += 1;
                    let generation = ledger.generation;
                    ledger.latest.insert(place, (generation, receipt, bytes));
                }
            }
        }
        self.ring_sessions();
        Ok(())
    }

    /// Receipts newer than `since` for what a peer sent us, and the generation to ask from next time. A department hears
    /// of its own seats; a district of every log that it owes in full; the city hears none.
    pub fn receipts_for(&self, peer: &Peer, since: u64) -> (Vec<Vec<u8>>, u64) {
        let directory = self.directory();
        let ledger = self.ledger();
        let concerns = |log: &LogName| match peer.identity.kind {
            SeatKind::City => false,
            SeatKind::District => {
                words::owes_in_full(&directory, &peer.identity.seat, &log.seat)
                    || log.seat == peer.identity.seat
            }
            SeatKind::Department => peer.seats.contains(&log.seat),
        };
        let fresh = ledger
            .latest
            .iter()
            .filter(|((log, node), (generation, ..))| {
                *generation > since && *node != peer.identity.seat && concerns(log)
            })
            .map(|(_, (_, _, bytes))| bytes.clone())
            .collect();
        (fresh, ledger.generation)
    }

    /// The latest receipt of a node for a log.
    pub fn receipt_of(&self, log: &LogName, node: &SeatId) -> Option<Receipt> {
        self.ledger()
            .latest
            .get(&(*log, *node))
            .map(|(_, receipt, _)| receipt.clone())
    }

    /// How far a log is held here.
    pub fn durable(&self, log: &LogName) -> Position {
        self.ledger()
            .logs
            .get(log)
            .map_or(Position::START, |e| e.durable)
    }
}

fn row(receipt: &Receipt, bytes: Vec<u8>) -> ReceiptRow {
    ReceiptRow {
        seat: receipt.log.seat,
        lane: receipt.log.lane as u8,
        opening: receipt.log.opening,
        node: receipt.holder,
        incarnation: receipt.incarnation,
        durable_sequence: receipt.durable.sequence,
        attached_sequence: receipt.attached.sequence,
        safeguarded_sequence: receipt.safeguarded.sequence,
        bytes,
        at_us: receipt.at,
    }
}
