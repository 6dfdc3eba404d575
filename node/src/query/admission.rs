//! Admissions as people look at them: who waits, what was decided, what codes are out.

use protocol::hash::Hash;
use store::Decision;
pub use store::{InvitationRow, OthersRow, PeerRow, PeerState};

use super::QueryError;
use crate::command::admission::{Organisations, Replaces, code_id};
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
    /// It was called back before anybody was let in with it.
    CalledBack,
}

impl CodeState {
    /// The state for programs.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Expired => "expired",
            Self::Waiting => "waiting",
            Self::Joined => "joined",
            Self::Refused => "refused",
            Self::CalledBack => "called-back",
        }
    }
}

/// A code that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCode {
    /// Its number.
    pub id: String,
    /// The invitation.
    pub invitation: InvitationRow,
    /// Where it stands.
    pub state: CodeState,
    /// Who decided or called it back, and why.
    pub decision: Option<(String, String)>,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Number of its code.
    pub id: String,
    /// The invitation with the request.
    pub invitation: InvitationRow,
    /// Whether it takes the place of other keys.
    pub replaces: Replaces,
}

/// The lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdmissionList {
    /// Those who wait, longest first.
    pub pending: Vec<Waiting>,
    /// Codes, newest first.
    pub codes: Vec<IssuedCode>,
    /// Who was let in, those that still are first.
    pub peers: Vec<PeerRow>,
    /// Names of organisations.
    pub organisations: Organisations,
}

impl Node {
    /// Who waits, what codes are out, who was let in.
    pub async fn admission_list(&self, now_us: i64) -> Result<AdmissionList, QueryError> {
        let invitations = self.store().invitations().await?;
        let mut pending: Vec<Waiting> = invitations
            .iter()
            .filter(|row| state(row, now_us) == CodeState::Waiting)
            .map(|row| Waiting {
                id: code_id(&row.secret_hash),
                replaces: self.replaces(row),
                invitation: row.clone(),
            })
            .collect();
        pending.sort_by_key(|waiting| waiting.invitation.request.as_ref().map(|r| r.at_us));
        let codes = invitations
            .into_iter()
            .take(LISTED_MAX)
            .map(|invitation| IssuedCode {
                id: code_id(&invitation.secret_hash),
                state: state(&invitation, now_us),
                decision: decision(&invitation),
                invitation,
            })
            .collect();
        let mut peers = self.store().peers().await?;
        peers.sort_by_key(|peer| peer.state != PeerState::Approved);
        Ok(AdmissionList {
            pending,
            codes,
            peers,
            organisations: self.organisations(),
        })
    }
}

/// So long after the last time an exposed code is an alarm.
const EXPOSED_US: i64 = 7 * 24 * 3_600 * 1_000_000;

impl Node {
    /// Codes that one party has used and that another has shown since under other keys, unless they were called back or the
    /// request was refused: each in words, with what to do.
    pub async fn exposed_codes(&self, now_us: i64) -> Result<Vec<String>, QueryError> {
        let mut alarms = Vec::new();
        for row in self.store().invitations().await? {
            let counts = matches!(state(&row, now_us), CodeState::Waiting | CodeState::Joined);
            let Some(others) = row
                .others
                .filter(|o| counts && o.at_us + EXPOSED_US > now_us)
            else {
                continue;
            };
            let Some(used) = &row.request else {
                continue;
            };
            alarms.push(format!(
                "接入码 {}（{}）已由指纹 {} 的一方使用，又有另一把密钥（指纹 {}，来自 {}）出示同一接入码 {} 次；请核实接入的是否为本单位，如不是请立即驳回或撤销席位",
                code_id(&row.secret_hash),
                row.title,
                &Hash(used.key_hash).to_string()[..20],
                &Hash(others.key_hash).to_string()[..20],
                others.address,
                others.times,
            ));
        }
        Ok(alarms)
    }
}

fn state(row: &InvitationRow, now_us: i64) -> CodeState {
    match row.request.as_ref().map(|request| request.decision) {
        Some(Decision::Approved) => CodeState::Joined,
        Some(Decision::Refused) => CodeState::Refused,
        _ if row.revoked.is_some() => CodeState::CalledBack,
        Some(Decision::Pending) => CodeState::Waiting,
        None if row.expires_at_us <= now_us => CodeState::Expired,
        None => CodeState::Unused,
    }
}

fn decision(row: &InvitationRow) -> Option<(String, String)> {
    match (&row.request, &row.revoked) {
        (Some(request), _) if request.decision != Decision::Pending => {
            Some((request.by.clone(), request.reason.clone()))
        }
        (_, Some((by, _))) => Some((by.clone(), String::new())),
        _ => None,
    }
}
