//! Answering newcomers on the join protocol. What each side checks is the protocol's; that a code is bound to the first keys
//! and to no others is the store's, in one transaction.

use std::time::Duration;

use protocol::admission::exchange::{Ask, Offer, Proof, Refused, Request, refused};
use protocol::admission::newcomer::fingerprint;
use protocol::admission::server::{FormerKeys, Invitation, judge_ask, judge_request};
use protocol::admission::{SECRET_BYTES, secret_hash};
use protocol::directory::VerifiedIdentity;
use protocol::envelope::{Envelope, kind};
use protocol::hash::Hash;
use protocol::limits;
use protocol::name::SeatId;
use protocol::presence;
use protocol::sign::Sigs;
use protocol::statement::SeatKind;
use runtime::admission::{self, Answer, Applicant, refusal};
use runtime::door::Clock;
use store::{Decision, InvitationRow, RequestPut, RequestRow, StoreError};

use super::super::actor::{Action, Actor};
use super::decide::offer;
use super::{AdmissionError, code_id};
use crate::node::{Node, Tier};

/// After so long a newcomer that waits asks again.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// Statements of a chain that are no identities or root versions go along up to this many bytes: an exchange's frame is
/// bounded, and they are told by the feed, too.
const CHAIN_BYTES_MAX: usize = limits::EXCHANGE_BYTES_MAX - 4_096;

/// Answers newcomers on the join protocol.
pub struct Desk {
    node: Node,
    clock: Clock,
}

impl Desk {
    /// A desk for a node.
    pub fn new(node: Node, clock: Clock) -> Self {
        Self { node, clock }
    }
}

impl admission::Desk for Desk {
    async fn prove(&self, exporter: &[u8; 32]) -> Result<Proof, String> {
        let seat = self.node.seat();
        let envelopes = self.node.chain_of(&seat).await;
        Ok(Proof {
            seat,
            presence: presence::sign(&seat, exporter, self.node.key()),
            envelopes: envelopes.map_err(|e| e.to_string())?,
        })
    }

    async fn offer(&self, _from: Applicant, ask: Ask) -> Result<Offer, Refused> {
        match self.node.offer(&ask, self.clock.now_us()).await {
            Ok(offer) => offer,
            Err(error) => {
                tracing::error!(%error, "newcomer could not be made an offer");
                Err(self
                    .node
                    .refused(refused::TOO_MANY, "平台暂时无法受理，请稍后重试"))
            }
        }
    }

    async fn judge(&self, from: Applicant, offer: Offer, request: Request) -> Answer {
        let now_us = self.clock.now_us();
        match self
            .node
            .judge_newcomer(from, &offer, &request, now_us)
            .await
        {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "newcomer could not be judged");
                pending("平台暂时无法受理，稍后自动重试".to_owned())
            }
        }
    }
}

fn pending(text: String) -> Answer {
    Answer::Pending {
        again_after: AGAIN_AFTER,
        text,
    }
}

fn invitation(row: &InvitationRow) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        secret_hash: Hash(row.secret_hash),
        kind: SeatKind::from_u8(row.kind).ok_or(StoreError::Corrupt { what: "invitation" })?,
        expires_s: (row.expires_at_us / 1_000_000).clamp(0, i64::from(u32::MAX)) as u32,
        revoked: row.revoked.is_some(),
        key_hash: row.request.as_ref().map(|request| Hash(request.key_hash)),
    })
}

const fn kind_text(kind: Option<SeatKind>) -> &'static str {
    match kind {
        Some(SeatKind::City) => "市级节点",
        Some(SeatKind::District) => "区县节点",
        Some(SeatKind::Department) => "部门代理",
        None => "其他种类的席位",
    }
}

impl Node {
    fn refused(&self, code: u8, reason: impl Into<String>) -> Refused {
        Refused {
            contact: self.identity().title.clone(),
            ..refusal(code, reason)
        }
    }

    /// A refusal of the desk, with what to do.
    fn refused_with(&self, code: u8, row: Option<&InvitationRow>, asked: u8) -> Refused {
        let text = match code {
            refused::EXPIRED => "接入码已过有效期，请签发方重新签发".to_owned(),
            refused::REVOKED => "接入码已被签发方撤回，请联系签发方重新签发".to_owned(),
            refused::ANOTHER_KEY => {
                "接入码已由另一把密钥使用，每个接入码只接入一方。若不是您用过，请立即告知签发方；否则请签发方重新签发".to_owned()
            }
            refused::KIND => format!(
                "接入码用于{}，不能用于{}；接入码未被使用，请核对是否拿错",
                kind_text(row.and_then(|row| SeatKind::from_u8(row.kind))),
                kind_text(SeatKind::from_u8(asked)),
            ),
            refused::PROOF => "密钥或持有证明不成立，接入码未被使用；请升级本机程序后重试".to_owned(),
            _ => "接入码无效：本节点没有签发过，请核对是否抄写有误".to_owned(),
        };
        self.refused(code, text)
    }

    async fn invitation_of(
        &self,
        secret: &[u8; SECRET_BYTES],
    ) -> Result<Option<InvitationRow>, StoreError> {
        self.store().invitation_get(secret_hash(secret).0).await
    }

    /// The identity that an invitation renews. One for a new seat renews none, also when somebody was let in with it.
    fn former(&self, row: &InvitationRow) -> Option<VerifiedIdentity> {
        if !row.renews {
            return None;
        }
        let directory = self.directory();
        directory.newest_identity(&row.seat).cloned()
    }

    /// As whom the holder of a secret may come. Uses nothing up.
    async fn offer(
        &self,
        ask: &Ask,
        now_us: i64,
    ) -> Result<Result<Offer, Refused>, AdmissionError> {
        let row = self.invitation_of(&ask.secret).await?;
        let found = row.as_ref().map(invitation).transpose()?;
        if let Err(code) = judge_ask(found.as_ref(), ask, now_us / 1_000_000) {
            return Ok(Err(self.refused_with(code, row.as_ref(), ask.kind)));
        }
        let Some(row) = row else {
            return Ok(Err(self.refused_with(refused::UNKNOWN, None, ask.kind)));
        };
        Ok(Ok(offer(&row, self.former(&row).as_ref())?))
    }

    pub(super) async fn judge_newcomer(
        &self,
        from: Applicant,
        offered: &Offer,
        request: &Request,
        now_us: i64,
    ) -> Result<Answer, AdmissionError> {
        let ask = Ask {
            secret: request.secret,
            kind: offered.kind as u8,
        };
        let row = self.invitation_of(&request.secret).await?;
        let found = row.as_ref().map(invitation).transpose()?;
        let refuse = |code: u8| {
            let refused = self.refused_with(code, row.as_ref(), ask.kind);
            Ok(Answer::Refused(refused))
        };
        if let Err(code) = judge_ask(found.as_ref(), &ask, now_us / 1_000_000) {
            return refuse(code);
        }
        let (Some(row), Some(mut found)) = (&row, found) else {
            return refuse(refused::UNKNOWN);
        };
        // which keys are bound is asked by the transaction alone: it writes others down
        found.key_hash = None;
        let former = self.former(row);
        let terms = offer(row, former.as_ref())?;
        if terms.seat != offered.seat {
            // with the secret of one code it was made the offer of another
            return refuse(refused::PROOF);
        }
        // whoever was let in comes again for its answer: it replaces nothing any more
        let was_let_in = |known: &RequestRow| {
            known.decision == Decision::Approved && known.key_hash == request.keys.fingerprint().0
        };
        let mut asked = request.clone();
        let mut former = former.as_ref();
        if row.request.as_ref().is_some_and(was_let_in) {
            former = None;
            asked.consent = Sigs::default();
        }
        let judged = {
            let directory = self.directory();
            judge_request(&directory, &found, &terms, former, &asked, &from.exporter)
        };
        let former_keys = match judged {
            Ok(former_keys) => former_keys,
            Err(code) => return refuse(code),
        };
        let bound = row.request.as_ref();
        let is_bound_to_another =
            bound.is_some_and(|known| known.key_hash != request.keys.fingerprint().0);
        if former_keys == FormerKeys::Silent && self.tier() != Tier::City && !is_bound_to_another {
            let text = "更换密钥需要原密钥的同意签名，接入码未被使用。若原密钥已丢失或失窃，请联系市级为该席位签发续期接入码";
            return Ok(Answer::Refused(self.refused(refused::PROOF, text)));
        }
        self.bind(from, row, request, former_keys, now_us).await
    }

    /// Binds the keys to the code, and answers by what was decided about them.
    async fn bind(
        &self,
        from: Applicant,
        row: &InvitationRow,
        request: &Request,
        former: FormerKeys,
        now_us: i64,
    ) -> Result<Answer, AdmissionError> {
        let actor = Actor::newcomer(&row.by, &from.remote.ip().to_string());
        let shown = fingerprint(&request.keys);
        let seat = row.seat.to_string();
        let known = row.request.as_ref().map(|known| Hash(known.key_hash));
        let asks = format!("{}，指纹 {shown}", row.title);
        let bound = actor.act(Action::AdmissionRequest, &seat, &asks, now_us);
        let other = format!(
            "接入码 {}（{}）已由另一把密钥使用，又有指纹 {shown} 出示同一接入码",
            code_id(&row.secret_hash),
            row.title
        );
        let other = actor.act(Action::AnotherKey, &seat, &other, now_us);
        let asked = request_row(from, request, now_us);
        let store = self.store();
        let (put, row) = store
            .request_put(row.secret_hash, &asked, &bound, &other, now_us)
            .await?;
        let code = match put {
            RequestPut::Bound | RequestPut::Known => {
                let Some(row) = row else {
                    return Err(StoreError::Corrupt { what: "invitation" }.into());
                };
                return self.answer(row, request, former, &actor, now_us).await;
            }
            RequestPut::AnotherKey => {
                let used = row.as_ref().and_then(|row| row.request.as_ref());
                tracing::error!(
                    code = row.as_ref().map(|row| code_id(&row.secret_hash)),
                    used = ?used.map(|used| Hash(used.key_hash)).or(known),
                    shown = ?request.keys.fingerprint(),
                    remote = %from.remote,
                    "a code that was used is shown under another key"
                );
                refused::ANOTHER_KEY
            }
            RequestPut::Expired => refused::EXPIRED,
            RequestPut::Revoked => refused::REVOKED,
            RequestPut::Unknown => refused::UNKNOWN,
        };
        let kind = row.as_ref().map_or(0, |row| row.kind);
        Ok(Answer::Refused(self.refused_with(code, row.as_ref(), kind)))
    }

    /// What is said to whoever asks with the keys that are bound to a code.
    async fn answer(
        &self,
        mut row: InvitationRow,
        request: &Request,
        former: FormerKeys,
        actor: &Actor,
        now_us: i64,
    ) -> Result<Answer, AdmissionError> {
        let decided = |row: &InvitationRow| row.request.clone();
        let agreed = former != FormerKeys::Silent || !row.reason.is_empty();
        let waits = decided(&row).is_some_and(|r| r.decision == Decision::Pending);
        if waits && row.preapproved && agreed {
            let by = row.by.clone();
            match self.admit(&row, "", &by, actor, now_us).await {
                Ok(()) => {}
                // the same request on another connection, or a person, was first
                Err(error) if error.is_decided() => {}
                Err(error) => return Err(error),
            }
            let again = self.store().invitation_get(row.secret_hash).await?;
            row = again.ok_or(StoreError::Corrupt { what: "invitation" })?;
        }
        let Some(known) = decided(&row) else {
            return Err(StoreError::Corrupt { what: "invitation" }.into());
        };
        Ok(match known.decision {
            _ if row.revoked.is_some() => {
                Answer::Refused(self.refused_with(refused::REVOKED, Some(&row), row.kind))
            }
            Decision::Refused => Answer::Refused(self.refused(refused::BY_PERSON, known.reason)),
            Decision::Pending => pending(format!(
                "申请已送达「{}」，等待管理员核对指纹 {} 后批准",
                self.identity().title,
                fingerprint(&request.keys)
            )),
            Decision::Approved => {
                let stands = {
                    let directory = self.directory();
                    let identity = directory.identity(&row.seat);
                    identity.is_some_and(|i| i.identity().keys == request.keys)
                };
                match stands {
                    true => Answer::Approved(self.chain_of(&row.seat).await?),
                    false => Answer::Refused(self.refused(
                        refused::REVOKED,
                        "以此接入码取得的身份已被撤销或已换发，请联系签发方",
                    )),
                }
            }
        })
    }

    /// The statements that prove a seat which this node admitted: root first.
    pub(in crate::command) async fn chain_of(
        &self,
        seat: &SeatId,
    ) -> Result<Vec<Envelope>, StoreError> {
        let needed = self.directory().chain(&[*seat]);
        let stored: Vec<Envelope> = (self.store().envelopes(&needed).await?.iter())
            .filter_map(|row| Envelope::from_bytes(&row.bytes).ok())
            .collect();
        let all: Vec<&Envelope> = self.chain().iter().chain(&stored).collect();
        let (mut chain, mut bytes) = (Vec::new(), 0);
        for reference in needed {
            let Some(envelope) = all.iter().find(|e| e.reference() == Some(reference)) else {
                continue;
            };
            let length = envelope.to_bytes().len();
            let may_lack = !matches!(envelope.kind, kind::ROOT | kind::IDENTITY);
            if may_lack && bytes + length > CHAIN_BYTES_MAX {
                continue;
            }
            bytes += length;
            chain.push((*envelope).clone());
        }
        Ok(chain)
    }
}

/// The request as it is kept.
fn request_row(from: Applicant, request: &Request, now_us: i64) -> RequestRow {
    let put = |put: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        put(&mut out);
        out
    };
    let good = |name: &&String| !name.chars().any(char::is_control);
    RequestRow {
        key_hash: request.keys.fingerprint().0,
        keys: put(&|out| request.keys.put(out)),
        possession: put(&|out| request.possession.put(out)),
        consent: put(&|out| request.consent.put(out)),
        title: request.title.chars().filter(|c| !c.is_control()).collect(),
        types: request.types.iter().filter(good).cloned().collect(),
        tls_key: from.peer_key,
        address: from.remote.ip().to_string(),
        at_us: now_us,
        decision: Decision::Pending,
        by: String::new(),
        reason: String::new(),
        decided_at_us: 0,
    }
}
