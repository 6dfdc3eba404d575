//! Admissions.

use node::Node;
use node::query::admission::{AdmissionList, CodeState};
use protocol::directory::SeatKind;

use super::region;
use crate::text;
use crate::view::Mark;
use crate::view::admission::{self, Admissions, IssuedCode, Pending};

/// The page of the lists; tokens of the forms are added by whoever knows the session.
pub(crate) fn view(node: &Node, found: AdmissionList, now: i64) -> Admissions {
    let pending = found.pending.into_iter().map(|peer| Pending {
        peer: peer.seat.to_string(),
        kind: kind(peer.kind),
        jurisdiction: region(node, &peer.jurisdiction),
        fingerprint: text::fours(&peer.fingerprint),
        asked: text::near(peer.at_us, now),
        title: peer.title,
        department: peer.department,
        invited_by: peer.by,
        approve_token: String::new(),
        refuse_token: String::new(),
        wrong: None,
    });
    let codes = found.codes.into_iter().map(|code| IssuedCode {
        kind: kind(code.invitation.kind),
        jurisdiction: region(node, &code.invitation.jurisdiction),
        issued: text::minute(code.invitation.at_us),
        expires: text::minute(code.invitation.expires_at_us),
        approved_beforehand: code.invitation.preapproved,
        state: mark(code.state),
        decision: code
            .decision
            .map(|(by, reason)| decision(&by, &reason))
            .unwrap_or_default(),
        title: code.invitation.title,
        by: code.invitation.by,
    });
    Admissions {
        pending: pending.collect(),
        codes: codes.collect(),
        done: None,
    }
}

fn decision(by: &str, reason: &str) -> String {
    if reason.is_empty() {
        by.to_owned()
    } else {
        format!("{by}：{reason}")
    }
}

const fn kind(kind: u8) -> &'static str {
    if kind == SeatKind::District as u8 {
        "区级节点"
    } else {
        "代理"
    }
}

const fn mark(state: CodeState) -> Mark {
    match state {
        CodeState::Unused => admission::UNUSED,
        CodeState::Expired => admission::EXPIRED,
        CodeState::Waiting => admission::WAITING,
        CodeState::Joined => admission::JOINED,
        CodeState::Refused => admission::REFUSED,
        CodeState::Revoked => admission::REVOKED,
    }
}
