//! Directory statements at an agent: what it needs to check its node and the nodes above, and what concerns itself.
//!
//! A statement is verified in a copy, kept durably, and only then believed. What concerns other departments is passed over.

use std::collections::HashSet;

use protocol::directory::{Directory, StatementFault};
use protocol::envelope::{Envelope, kind};
use protocol::frame::{Digest, Scope};
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::SeatId;
use protocol::statement::Identity;
use store::seat::SeatError;

use super::Uplink;

impl Uplink {
    /// Takes in what concerns this agent of the statements given, in whatever order they are. What does not verify is not
    /// believed; what waits for another statement waits.
    pub(super) async fn take_statements(&self, statements: Vec<Envelope>) -> Result<(), SeatError> {
        let (mut scratch, mut waiting, room) = {
            let mut state = self.lock();
            let waiting = std::mem::take(&mut state.waiting);
            let room = STATEMENTS_MAX.saturating_sub(state.statements.len());
            (state.directory.clone(), waiting, room)
        };
        waiting.extend(statements);
        let mut fresh: Vec<(Ref, Envelope)> = Vec::new();
        loop {
            let before = waiting.len();
            let mut left = Vec::new();
            for envelope in waiting {
                if !concerns(&scratch, &self.0.seat, &envelope) {
                    continue;
                }
                match scratch.admit(&envelope) {
                    Ok(admitted) if admitted.known => {}
                    Ok(admitted) => fresh.push((admitted.reference, admitted.envelope)),
                    Err(StatementFault::Unknown(_)) => left.push(envelope),
                    Err(fault) => {
                        tracing::warn!(%fault, kind = envelope.kind, "directory statement ignored");
                    }
                }
            }
            waiting = left;
            // one may have waited for another that came behind it
            if waiting.len() == before || waiting.is_empty() {
                break;
            }
        }
        if fresh.len() > room {
            tracing::warn!(
                left_out = fresh.len() - room,
                "more directory statements than are kept"
            );
            fresh.truncate(room);
        }
        if !fresh.is_empty() {
            let rows: Vec<(Ref, Vec<u8>)> = fresh
                .iter()
                .map(|(reference, envelope)| (*reference, envelope.to_bytes()))
                .collect();
            if let Err(error) = self.0.store.put_statements(&rows).await {
                self.lock()
                    .waiting
                    .extend(waiting.into_iter().take(WAITING_MAX));
                return Err(error);
            }
        }
        let mut state = self.lock();
        for (reference, envelope) in fresh {
            match state.directory.admit(&envelope) {
                Ok(_) => {
                    state.statements.insert(reference, envelope.to_bytes());
                }
                Err(fault) => tracing::warn!(%fault, "directory statement ignored"),
            }
        }
        state.waiting.extend(waiting);
        state.waiting.truncate(WAITING_MAX);
        drop(state);
        self.note_revocation();
        Ok(())
    }

    /// Stops sealing once the seat was called back: what is sealed from then on would stand nowhere.
    pub(super) fn note_revocation(&self) {
        let reason = {
            let state = self.lock();
            if state.directory.identity(&self.0.seat).is_some() {
                return;
            }
            let revocation = state.directory.revocation(&self.0.seat);
            revocation.map_or_else(String::new, |r| r.statement().reason.clone())
        };
        self.0.progress.halt(revoked(&reason));
    }

    /// Statements that are on the chain of these seats, as they are known here.
    pub(super) fn chain_of(&self, seats: &[SeatId]) -> Vec<Ref> {
        let mut chain = self.lock().directory.chain(seats);
        chain.sort_unstable();
        chain.dedup();
        chain
    }

    /// What is held here of the chain of a seat, as a sum.
    pub(super) fn digest_of(&self, seat: &SeatId) -> Digest {
        Digest::of(0, Scope::Chain, &self.chain_of(&[*seat]))
    }

    /// Bytes of the statements of these references that are held here.
    pub(super) fn shown(&self, references: &[Ref]) -> Vec<Vec<u8>> {
        let state = self.lock();
        references
            .iter()
            .filter_map(|reference| state.statements.get(reference).cloned())
            .collect()
    }

    /// Those of these references that are not known here, in groups that one want may ask for.
    pub(super) fn missing(&self, references: Vec<Ref>) -> Vec<Vec<Ref>> {
        let state = self.lock();
        let missing: HashSet<Ref> = references
            .into_iter()
            .filter(|reference| !state.directory.knows(reference))
            .collect();
        let missing: Vec<Ref> = missing.into_iter().collect();
        missing
            .chunks(limits::STATEMENTS_WANTED_MAX)
            .map(<[Ref]>::to_vec)
            .collect()
    }
}

/// What a seat whose keys were called back is told.
pub(super) fn revoked(reason: &str) -> String {
    let reason = match reason {
        "" => String::new(),
        reason => format!("（{reason}）"),
    };
    format!(
        "本席位已被撤销{reason}，已停止封装，已读取的数据保留在本机；如仍需报送，请联系签发接入码的平台重新办理入网"
    )
}

/// Whether a statement is one that this agent goes by: roots, nodes, itself; who of them was called back, and decisions
/// between their identities.
fn concerns(directory: &Directory, own: &SeatId, envelope: &Envelope) -> bool {
    match envelope.kind {
        kind::ROOT => true,
        kind::IDENTITY => Identity::from_bytes(&envelope.bytes)
            .is_ok_and(|identity| identity.kind.is_node() || identity.seat == *own),
        kind::REVOCATION | kind::FORK_DECISION => envelope
            .seat()
            .is_some_and(|seat| directory.newest_identity(&seat).is_some()),
        _ => false,
    }
}

/// Statements that are kept: of a city with all its nodes over many years. What is beyond is not kept.
const STATEMENTS_MAX: usize = 4_096;
/// Statements that wait for another one.
const WAITING_MAX: usize = 64;
