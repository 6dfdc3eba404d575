//! A node put together from what its store holds. One damaged log stops that log, and never keeps the node from starting (D51).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use protocol::batch::LogState;
use protocol::envelope::Envelope;
use protocol::merkle::History;
use protocol::name::{Lane, LogName};
use protocol::words::{self, reason};
use runtime::worker::{Bell, Turns};
use store::StoppedRow;

use super::{Dropped, Inner, LogKey, Node, OpenError, Parts};
use crate::state::Heard;

impl Node {
    /// Puts a node together: reads directory statements and log positions from its store.
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let mut directory = parts.directory.clone();
        // what is no envelope is a slice that an earlier release could not read; or damage, which `verify` names
        let mut waiting: Vec<_> = parts
            .store
            .directory()
            .await?
            .into_iter()
            .filter_map(|row| Some((Envelope::from_bytes(&row.bytes).ok()?, row)))
            .collect();
        // what was read late may come before what it stands on
        loop {
            let before = waiting.len();
            let mut still = Vec::new();
            for (envelope, row) in waiting {
                match directory.admit(&envelope) {
                    Ok(admitted) if !row.read => {
                        // what an earlier release kept is read by this one
                        let read = store::EnvelopeRow {
                            reference: admitted.reference,
                            read: true,
                            bytes: admitted.envelope.to_bytes(),
                            ..row
                        };
                        parts.store.envelope_read(row.reference, read).await?;
                    }
                    Ok(_) => {}
                    Err(_) => still.push((envelope, row)),
                }
            }
            waiting = still;
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        let identity = directory
            .newest_identity(&parts.seat)
            .ok_or(OpenError::NoIdentity)?
            .clone();
        let mut stopped: HashMap<LogKey, StoppedRow> = parts
            .store
            .stopped()
            .await?
            .into_iter()
            .map(|row| (LogKey::from(&row), row))
            .collect();
        let mut logs = HashMap::new();
        for row in parts.store.log_frontiers().await? {
            let state = Lane::from_u8(row.lane).and_then(|lane| {
                let log = LogName {
                    seat: row.seat,
                    lane,
                    opening: row.opening,
                };
                directory.opening(&row.opening)?;
                Some(LogState {
                    log,
                    counter: row.epoch,
                    sequence: row.sequence,
                    last: row.last,
                    history: History::from_bytes(&row.history)?,
                })
            });
            if let Some(state) = state {
                logs.insert(state.log, state);
                continue;
            }
            // one damaged log stops that log, never the node (D51)
            let damaged = StoppedRow {
                seat: row.seat,
                lane: row.lane,
                opening: row.opening,
                sequence: row.sequence,
                reason: reason::OPENING_UNKNOWN,
                detail: "数据库中该日志的位置或其开启声明已损坏，请用 verify 检查并从备份恢复"
                    .into(),
                at_us: 0,
            };
            tracing::error!(seat = %row.seat, lane = row.lane, "stored position of a log is damaged");
            parts.store.stop(damaged.clone()).await?;
            stopped.entry(LogKey::from(&damaged)).or_insert(damaged);
        }
        let ahead = parts
            .store
            .logs_ahead()
            .await?
            .into_iter()
            .filter_map(|(seat, lane, opening)| {
                Some(LogName {
                    seat,
                    lane: Lane::from_u8(lane)?,
                    opening,
                })
            })
            .filter(|log| words::owes_in_full(&directory, &parts.seat, &log.seat))
            .map(|log| (log, 0))
            .collect();
        let minted = parts.store.organisations().await?;
        let holds = !parts.store.held().await?.is_empty();
        let ledger = crate::receipts::Ledger::load(&parts.store).await?;
        Ok(Self(Arc::new(Inner {
            identity,
            directory: RwLock::new(directory),
            logs: Mutex::new(logs),
            stopped: Mutex::new(stopped),
            ahead: Mutex::new(ahead),
            applied: Mutex::default(),
            heard: Heard::default(),
            holds: AtomicBool::new(holds),
            dropped: Dropped::default(),
            intake: Turns::default(),
            other_texts: Mutex::default(),
            telling: Bell::new(),
            parting: Bell::new(),
            minted: RwLock::new(minted),
            moves: Mutex::default(),
            warnings: Mutex::default(),
            applying: Bell::new(),
            folding: Bell::new(),
            receipting: Bell::new(),
            wanting: Bell::new(),
            receipts: Mutex::new(ledger),
            applied_sequence: AtomicU64::new(0),
            sign_in_failures: AtomicU64::new(0),
            write_trouble: Mutex::default(),
            apply_turns: Turns::default(),
            fold_turns: Turns::default(),
            verifying: crate::verify::Verifying::default(),
            parts,
        })))
    }
}
