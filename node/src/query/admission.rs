//! Admissions as people look at them: who waits, what was decided, what codes are out.

use protocol::name::SeatId;
use store::{InvitationRow, PeerRow, PeerState};

use super::QueryError;
use crate::node::Node;

/// Codes and decisions that are listed, newest first.
const LISTED_MAX: usize = 500;

/// Where an issued code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    /// Nobody has used it.
    Unused,
    /// Nobody has used it in time.
    Expired,
    /// Used; waits for a person.
    Waiting,
    /// Used; whoever used it is in.
    Joined,
    /// Used; whoever used it was refused.
    Refused,
    /// Whoever used it was in and is not any more.
    Revoked,
}

/// A code that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCode {
    /// The invitation.
    pub invitation: InvitationRow,
    /// Where it stands.
    pub state: CodeState,
    /// Why it was refused or revoked, and by whom it was decided.
    pub decision: Option<(String, String)>,
}

/// The lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdmissionList {
    /// Those who wait, longest first.
    pub pending: Vec<PeerRow>,
    /// Codes, newest first.
    pub codes: Vec<IssuedCode>,
}

impl Node {
    /// Who waits and what codes are out.
    pub async fn admission_list(&self, now_us: i64) -> Result<AdmissionList, QueryError> {
        let peers = self.store().peers().await?;
        let of = |seat: &SeatId| peers.iter().find(|p| p.seat == *seat);
        let codes = self
            .store()
            .invitations()
            .await?
            .into_iter()
            .take(LISTED_MAX)
            .map(|invitation| {
                let peer = of(&invitation.seat);
                let state = match peer.map(|p| p.state) {
                    Some(PeerState::Pending) => CodeState::Waiting,
                    Some(PeerState::Approved) => CodeState::Joined,
                    Some(PeerState::Refused) => CodeState::Refused,
                    Some(PeerState::Revoked) => CodeState::Revoked,
                    None if invitation.used_at_us.is_some() => CodeState::Waiting,
                    None if invitation.expires_at_us <= now_us => CodeState::Expired,
                    None => CodeState::Unused,
                };
                let decision = peer
                    .filter(|p| p.state != PeerState::Pending)
                    .map(|p| (p.by.clone(), p.reason.clone()));
                IssuedCode {
                    invitation,
                    state,
                    decision,
                }
            })
            .collect();
        let mut pending: Vec<PeerRow> = peers
            .into_iter()
            .filter(|p| p.state == PeerState::Pending)
            .collect();
        pending.sort_by_key(|p| p.at_us);
        Ok(AdmissionList { pending, codes })
    }
}
