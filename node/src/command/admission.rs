//! Who is let in: issuing codes, judging newcomers, approving and refusing. What is decided becomes an identity statement
//! that this node signs and puts on its feed.

use protocol::directory::{Identity, SeatKind};
use protocol::envelope::{Envelope, kind};
use protocol::hash;
use protocol::limits;
use protocol::name::SeatId;
use protocol::sign::{PublicKey, Suite};
use runtime::admission::code::{AUTHORITY_BYTES, Code, SECRET_BYTES};
use runtime::admission::{self, Answer, Applicant, Proof, Request};
use runtime::door::Clock;
use store::{InvitationRow, InvitationUse, PeerRow, PeerState, StoreError};

use super::actor::{Action, Actor};
use crate::intake::TakeInFault;
use crate::node::{Node, Tier};

/// What an invitation is for.
#[derive(Debug, Clone, Default)]
pub struct Invite {
    /// `district` or `department`.
    pub kind: String,
    /// Name for people.
    pub title: String,
    /// Department, for departments.
    pub department: String,
    /// Division code; the inviting node's own if empty.
    pub jurisdiction: String,
    /// Record types that the seat may state.
    pub types: Vec<String>,
    /// No further approval by a person.
    pub pre_approved: bool,
    /// Hours that it is valid.
    pub hours: u32,
    /// Address that the code carries.
    pub address: String,
}

/// Why an admission command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// What was asked for is not possible; the text says what to change.
    #[error("{0}")]
    Request(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The statement was not taken in.
    #[error(transparent)]
    Publish(#[from] TakeInFault),
}

/// An admission as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Seat, its number for people.
    pub seat: SeatId,
    /// State in words.
    pub state: &'static str,
    /// Whether it waits for a decision.
    pub pending: bool,
    /// Name.
    pub title: String,
    /// Department.
    pub department: String,
    /// Jurisdiction.
    pub jurisdiction: String,
    /// Fingerprint of its signing key.
    pub fingerprint: String,
    /// Reason of a refusal.
    pub reason: String,
    /// Who decided.
    pub by: String,
    /// When its state last changed.
    pub at_us: i64,
}

/// State of an admission in words.
pub const fn state_text(state: PeerState) -> &'static str {
    match state {
        PeerState::Pending => "待批准",
        PeerState::Approved => "已批准",
        PeerState::Refused => "已驳回",
        PeerState::Revoked => "已撤销",
    }
}

fn request_error(text: impl Into<String>) -> AdmissionError {
    AdmissionError::Request(text.into())
}

fn key_of(seat: &SeatId) -> String {
    format!("join/{seat}")
}

/// For how many hours an invitation may be valid: up to a year.
pub const HOURS: std::ops::RangeInclusive<u32> = 1..=24 * 365;

/// What is said of another number of hours.
pub fn hours_text() -> String {
    format!(
        "有效小时数应为 {} 至 {} 之间的整数",
        HOURS.start(),
        HOURS.end()
    )
}

impl Node {
    /// Issues a code. `seat` and `secret` are random.
    pub async fn invite(
        &self,
        invite: &Invite,
        seat: [u8; 16],
        secret: [u8; SECRET_BYTES],
        actor: &Actor,
        now_us: i64,
    ) -> Result<String, AdmissionError> {
        let seat_kind = match (invite.kind.as_str(), self.tier()) {
            ("district", Tier::City) => SeatKind::District,
            ("district", Tier::District) => {
                return Err(request_error("区县节点只能由市级签发接入码"));
            }
            ("department", _) => SeatKind::Department,
            _ => {
                return Err(request_error(
                    "接入方类型应为 district（区县节点）或 department（部门代理）",
                ));
            }
        };
        let jurisdiction = match invite.jurisdiction.as_str() {
            "" if seat_kind == SeatKind::District => {
                return Err(request_error("请填写区县的六位区划代码"));
            }
            "" => self.region().to_owned(),
            given => given.to_owned(),
        };
        let known = self.city().districts.iter().any(|d| d.code == jurisdiction)
            || jurisdiction == self.region();
        if !known {
            return Err(request_error(format!(
                "{jurisdiction} 不是本市现行的区划代码"
            )));
        }
        if self.tier() == Tier::District && jurisdiction != self.region() {
            return Err(request_error("区县节点只能为本区县的部门签发接入码"));
        }
        if invite.title.is_empty() || invite.title.len() > limits::TITLE_BYTES_MAX {
            return Err(request_error("请填写接入方名称（不超过 60 个汉字）"));
        }
        if seat_kind == SeatKind::Department && invite.department.is_empty() {
            return Err(request_error("请填写所属部门"));
        }
        if !HOURS.contains(&invite.hours) {
            return Err(request_error(hours_text()));
        }
        let unknown = invite
            .types
            .iter()
            .find(|t| self.standards().by_type(t).is_none());
        if let Some(unknown) = unknown {
            return Err(request_error(format!("没有记录类型「{unknown}」的标准")));
        }
        let expires_at_us = now_us + i64::from(invite.hours) * 3_600_000_000;
        let mut authority = [0; AUTHORITY_BYTES];
        authority.copy_from_slice(&self.directory().root_hash().0[..AUTHORITY_BYTES]);
        let code = Code {
            address: invite.address.clone(),
            authority,
            scope: cut(&invite.title, 120),
            secret,
            expires_s: (expires_at_us / 1_000_000).clamp(0, i64::from(u32::MAX)) as u32,
        };
        let text = code.encode().map_err(|e| request_error(e.to_string()))?;
        let detail = if invite.pre_approved {
            format!("{}，{jurisdiction}，预先批准", invite.title)
        } else {
            format!("{}，{jurisdiction}", invite.title)
        };
        let act = actor.act(Action::Invite, &SeatId(seat).to_string(), &detail, now_us);
        let row = InvitationRow {
            secret_hash: hash::sha256(&[&secret]).0,
            seat: SeatId(seat),
            kind: seat_kind as u8,
            title: invite.title.clone(),
            department: invite.department.clone(),
            jurisdiction,
            preapproved: invite.pre_approved,
            scope: invite.types.join("\n").into_bytes(),
            expires_at_us,
            by: actor.signature(),
            at_us: now_us,
            used_at_us: None,
        };
        if !self.store().invitation_put(&row, &act).await? {
            return Err(request_error("随机数重复，接入码没有签发，请重试"));
        }
        Ok(text)
    }

    /// All admissions, waiting ones first.
    pub async fn admissions(&self) -> Result<Vec<Admission>, AdmissionError> {
        let mut rows = self.store().peers().await?;
        rows.sort_by_key(|r| (r.state != PeerState::Pending, -r.at_us));
        Ok(rows
            .into_iter()
            .map(|r| Admission {
                seat: r.seat,
                state: state_text(r.state),
                pending: r.state == PeerState::Pending,
                title: r.title,
                department: r.department,
                jurisdiction: r.jurisdiction,
                fingerprint: r.fingerprint,
                reason: r.reason,
                by: r.by,
                at_us: r.at_us,
            })
            .collect())
    }

    async fn pending(&self, seat: &str) -> Result<PeerRow, AdmissionError> {
        let seat = SeatId::from_hex(seat.trim())
            .ok_or_else(|| request_error("申请编号应为 32 位十六进制数"))?;
        let row = self
            .store()
            .peer(seat)
            .await?
            .ok_or_else(|| request_error("没有这个申请，请核对编号"))?;
        match row.state {
            PeerState::Pending => Ok(row),
            other => Err(request_error(format!(
                "该申请{}，不再处理",
                state_text(other)
            ))),
        }
    }

    /// Approves a waiting newcomer: signs and publishes its identity.
    pub async fn approve(
        &self,
        seat: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AdmissionError> {
        let row = self.pending(seat).await?;
        self.admit(row, &actor.signature(), actor, now_us).await
    }

    async fn admit(
        &self,
        row: PeerRow,
        by: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AdmissionError> {
        let kept = self.store().meta_get(&key_of(&row.seat)).await?;
        let kept = kept.ok_or_else(|| request_error("申请内容不完整，请重新签发接入码"))?;
        let (key, types) = kept
            .split_first_chunk::<32>()
            .ok_or_else(|| request_error("申请内容已损坏，请重新签发接入码"))?;
        let types = String::from_utf8_lossy(types)
            .lines()
            .map(str::to_owned)
            .collect();
        let serial = self
            .directory()
            .identity(&row.seat)
            .map_or(1, |i| i.identity().serial + 1);
        let kind_ = if row.kind == SeatKind::District as u8 {
            SeatKind::District
        } else {
            SeatKind::Department
        };
        let identity = Identity {
            seat: row.seat,
            serial,
            kind: kind_,
            title: row.title.clone(),
            department: row.department.clone(),
            jurisdiction: row.jurisdiction.clone(),
            key: PublicKey(*key),
            suite: Suite::Sha256Ed25519,
            permitted_types: types,
            admits: kind_ == SeatKind::District,
            issuer: self.seat(),
        };
        let envelope = Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), self.key());
        let row = PeerRow {
            state: PeerState::Approved,
            by: by.to_owned(),
            at_us: now_us,
            ..row
        };
        let act = actor.act(Action::Approve, &row.seat.to_string(), &row.title, now_us);
        self.publish_decision(&[envelope], row, act, now_us).await?;
        Ok(())
    }

    /// Refuses a waiting newcomer; it is told the reason.
    pub async fn refuse(
        &self,
        seat: &str,
        reason: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AdmissionError> {
        if reason.trim().is_empty() {
            return Err(request_error("请填写驳回理由，会告知申请方"));
        }
        let row = self.pending(seat).await?;
        let row = PeerRow {
            state: PeerState::Refused,
            reason: reason.trim().to_owned(),
            by: actor.signature(),
            at_us: now_us,
            ..row
        };
        let told = format!("{}，理由：{}", row.title, row.reason);
        let act = actor.act(Action::Refuse, &row.seat.to_string(), &told, now_us);
        self.store().peer_put(&row, &act).await?;
        Ok(())
    }

    async fn judge_newcomer(
        &self,
        from: Applicant,
        request: Request,
        now_us: i64,
    ) -> Result<Answer, AdmissionError> {
        let refused = |reason: String| Answer::Refused {
            reason,
            contact: self.identity().title.clone(),
        };
        let secret_hash = hash::sha256(&[&request.secret]).0;
        let Some(invitation) = self.store().invitation_get(secret_hash).await? else {
            return Ok(refused(
                "接入码无效：本节点没有签发过，请核对是否抄写有误".to_owned(),
            ));
        };
        let fingerprint = request.key.fingerprint().to_string();
        let actor = Actor::newcomer(&invitation.by, &from.remote.ip().to_string());
        let known = self.store().peer(invitation.seat).await?;
        let row = match known {
            // the same newcomer comes again with the same request
            Some(row) if row.fingerprint == fingerprint => row,
            Some(_) => return Ok(refused("接入码已被使用过，请签发方重新签发".to_owned())),
            None => {
                match self
                    .store()
                    .invitation_use_once(secret_hash, now_us)
                    .await?
                {
                    InvitationUse::Used(_) => {}
                    InvitationUse::Expired(_) => {
                        return Ok(refused("接入码已过有效期，请签发方重新签发".to_owned()));
                    }
                    // used without a newcomer on the list: a process ended in between, go on
                    InvitationUse::UsedBefore(_) => {}
                    InvitationUse::Unknown => return Ok(refused("接入码无效".to_owned())),
                }
                let mut kept = request.key.0.to_vec();
                kept.extend_from_slice(&invitation.scope);
                self.store()
                    .meta_put(&key_of(&invitation.seat), &kept)
                    .await?;
                let row = PeerRow {
                    seat: invitation.seat,
                    kind: invitation.kind,
                    title: invitation.title.clone(),
                    department: invitation.department.clone(),
                    jurisdiction: invitation.jurisdiction.clone(),
                    tls_key: from.peer_key,
                    state: PeerState::Pending,
                    reason: String::new(),
                    fingerprint,
                    by: invitation.by.clone(),
                    at_us: now_us,
                    last_contact_us: 0,
                };
                let seat = row.seat.to_string();
                let act = actor.act(Action::AdmissionRequest, &seat, &row.title, now_us);
                self.store().peer_put(&row, &act).await?;
                row
            }
        };
        let row = if row.state == PeerState::Pending && invitation.preapproved {
            self.admit(row.clone(), &invitation.by, &actor, now_us)
                .await?;
            PeerRow {
                state: PeerState::Approved,
                ..row
            }
        } else {
            row
        };
        Ok(match row.state {
            PeerState::Pending => Answer::Pending(format!(
                "申请已送达「{}」，等待管理员核对指纹 {} 后批准",
                self.identity().title,
                &row.fingerprint[..16.min(row.fingerprint.len())]
            )),
            PeerState::Refused | PeerState::Revoked => refused(row.reason),
            PeerState::Approved => Answer::Approved(self.chain_of(&row.seat).await?),
        })
    }

    /// The statements that prove a seat which this node admitted: root first, the seat's own last.
    async fn chain_of(&self, seat: &SeatId) -> Result<Vec<Vec<u8>>, AdmissionError> {
        let mut chain: Vec<Vec<u8>> = self.chain().iter().map(Envelope::to_bytes).collect();
        let rows = self.store().directory().await?;
        let own = rows
            .into_iter()
            .rfind(|r| r.seat == Some(*seat) && r.kind == kind::IDENTITY);
        chain.extend(own.map(|r| r.bytes));
        Ok(chain)
    }
}

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
        let chain = self.node.chain().iter().map(Envelope::to_bytes).collect();
        Ok(Proof::sign(
            exporter,
            self.node.seat(),
            self.node.key(),
            chain,
        ))
    }

    async fn judge(&self, from: Applicant, request: Request) -> Answer {
        match self
            .node
            .judge_newcomer(from, request, self.clock.now_us())
            .await
        {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "newcomer could not be judged");
                Answer::Pending("平台暂时无法受理，稍后自动重试".to_owned())
            }
        }
    }
}

fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
