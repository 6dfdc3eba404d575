//! Admissions.

use node::Node;
use node::command::admission::{Organisations, Replaces};
use node::command::revoke::Reason;
use node::query::admission::{AdmissionList, CodeState, OthersRow, PeerState};
use protocol::hash::Hash;
use protocol::statement::SeatKind;

use super::region;
use crate::text;
use crate::view::Mark;
use crate::view::admission::{self, Admissions, IssuedCode, Peer, Pending, ReasonChoice};

/// Digits of a fingerprint that people compare: what newcomers see, too.
const FINGERPRINT_DIGITS: usize = 20;

/// Why a seat can be called back.
pub(crate) fn reasons() -> Vec<ReasonChoice> {
    Reason::ALL.map(|r| (r.key(), r.label())).to_vec()
}

/// The page of the lists; tokens of the forms are added by whoever knows the session.
pub(crate) fn view(node: &Node, found: AdmissionList, now: i64) -> Admissions {
    let organisations = &found.organisations;
    let pending = found.pending.into_iter().filter_map(|waiting| {
        let row = waiting.invitation;
        let request = row.request?;
        Some(Pending {
            peer: waiting.id,
            seat: row.seat.to_string(),
            kind: kind(row.kind),
            organisation: organisation(organisations, &row.organisation),
            jurisdiction: region(node, &row.jurisdiction),
            fingerprint: fingerprint(&Hash(request.key_hash).to_string()),
            asked: text::near(request.at_us, now),
            title: match request.title.as_str() {
                "" => row.title,
                asked if asked == row.title => row.title,
                asked => format!("{asked}（邀请时：{}）", row.title),
            },
            invited_by: row.by,
            replaces: match waiting.replaces {
                Replaces::Nothing => "",
                Replaces::WithConsent => "更换该席位的密钥，原密钥已签名同意。",
                Replaces::WithoutConsent => {
                    "更换该席位的密钥，没有原密钥的同意：请确认原密钥确已丢失或失窃，并填写原因。"
                }
            },
            needs_reason: waiting.replaces == Replaces::WithoutConsent && row.reason.is_empty(),
            approve_token: String::new(),
            refuse_token: String::new(),
            wrong: None,
        })
    });
    let pending = pending.collect();
    let codes = found.codes.into_iter().map(|code| IssuedCode {
        id: code.id,
        kind: match code.invitation.renews {
            true => renewal(code.invitation.kind),
            false => kind(code.invitation.kind),
        },
        organisation: organisation(organisations, &code.invitation.organisation),
        jurisdiction: region(node, &code.invitation.jurisdiction),
        issued: text::minute(code.invitation.at_us),
        expires: text::minute(code.invitation.expires_at_us),
        approved_beforehand: code.invitation.preapproved,
        state: mark(code.state),
        decision: code
            .decision
            .map(|(by, reason)| decision(&by, &reason))
            .unwrap_or_default(),
        alarm: code
            .invitation
            .others
            .as_ref()
            .map(alarm)
            .unwrap_or_default(),
        title: code.invitation.title,
        by: code.invitation.by,
        revoke_token: String::new(),
    });
    let codes = codes.collect();
    let peers = found.peers.into_iter().map(|peer| Peer {
        seat: peer.seat.to_string(),
        kind: kind(peer.kind),
        organisation: organisation(organisations, &peer.organisation),
        jurisdiction: region(node, &peer.jurisdiction),
        fingerprint: fingerprint(&peer.fingerprint),
        state: match peer.state {
            PeerState::Approved => admission::JOINED,
            PeerState::Revoked => admission::REVOKED,
        },
        decision: decision(&peer.by, &peer.reason),
        since: text::minute(peer.at_us),
        title: peer.title,
        revoke_token: String::new(),
        wrong: None,
    });
    Admissions {
        pending,
        codes,
        peers: peers.collect(),
        done: None,
    }
}

/// Whether somebody may still be let in with a code.
pub(crate) fn is_out(state: &Mark) -> bool {
    [admission::UNUSED, admission::WAITING].contains(state)
}

fn organisation(organisations: &Organisations, code: &str) -> String {
    let title = organisations.title(code).unwrap_or("未登记");
    format!("{title}（{code}）")
}

fn fingerprint(digits: &str) -> Vec<String> {
    text::fours(digits.get(..FINGERPRINT_DIGITS).unwrap_or(digits))
}

fn alarm(others: &OthersRow) -> String {
    format!(
        "已有一方使用，又有另一把密钥出示 {} 次，最近一次 {} 来自 {}，指纹 {}；接入码可能外泄，请核实",
        others.times,
        text::minute(others.at_us),
        others.address,
        fingerprint(&Hash(others.key_hash).to_string()).join(" "),
    )
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

const fn renewal(kind: u8) -> &'static str {
    if kind == SeatKind::District as u8 {
        "区级节点续期"
    } else {
        "代理续期"
    }
}

const fn mark(state: CodeState) -> Mark {
    match state {
        CodeState::Unused => admission::UNUSED,
        CodeState::Expired => admission::EXPIRED,
        CodeState::Waiting => admission::WAITING,
        CodeState::Joined => admission::JOINED,
        CodeState::Refused => admission::REFUSED,
        CodeState::CalledBack => admission::CALLED_BACK,
    }
}
