//! Approving and refusing what waits. A request is let in once: what was looked at is looked at again in the transaction that
//! stores the identity, and the serial is taken in the turn of intake.

use protocol::admission::exchange::{Offer, Request};
use protocol::admission::server::{Terms, compose};
use protocol::bytes::Reader;
use protocol::directory::{Directory, VerifiedIdentity};
use protocol::envelope::{Envelope, kind};
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::SeatId;
use protocol::sign::{Keys, Sigs};
use protocol::statement::{FORMAT, SeatKind, possession_hash};
use store::{
    ApprovalRow, Decision, DecisionRow, InvitationRow, PeerRow, PeerState, RequestRow, StoreError,
};

use super::super::actor::{Action, Actor};
use super::{AdmissionError, code_id, request_error};
use crate::error::StepError;
use crate::intake::TakeInFault;
use crate::node::{Node, Tier};

/// What was decided, in words.
pub const fn decision_text(decision: Decision) -> &'static str {
    match decision {
        Decision::Pending => "待批准",
        Decision::Approved => "已批准",
        Decision::Refused => "已驳回",
    }
}

/// Whether the keys of a request take the place of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// The seat has none, or these.
    Nothing,
    /// The former keys agree.
    WithConsent,
    /// They do not: a reason is needed, and only the city may give one.
    WithoutConsent,
}

impl Node {
    /// Whether the keys of a request take the place of others, by the directory as it stands.
    pub fn replaces(&self, row: &InvitationRow) -> Replaces {
        let Some(request) = &row.request else {
            return Replaces::Nothing;
        };
        let directory = self.directory();
        let former = directory.newest_identity(&row.seat);
        match (former, read(request)) {
            (Some(former), Ok((keys, _, consent))) => {
                consents(&directory, &row.seat, former, &keys, &consent)
            }
            _ => Replaces::Nothing,
        }
    }

    /// The request that waits under a seat's or a code's number.
    async fn pending(&self, number: &str) -> Result<InvitationRow, AdmissionError> {
        let number = number.trim().to_ascii_lowercase();
        let mut of_number: Vec<InvitationRow> = self
            .store()
            .invitations()
            .await?
            .into_iter()
            .filter(|row| row.request.is_some())
            .filter(|row| row.seat.to_string() == number || code_id(&row.secret_hash) == number)
            .collect();
        if of_number.is_empty() {
            return Err(request_error("没有这个申请，请核对编号（见 peers）"));
        }
        let decided = of_number
            .iter()
            .find_map(|row| Some((row.request.as_ref()?.decision, row.revoked.is_some())));
        of_number.retain(|row| {
            let waits = |request: &RequestRow| request.decision == Decision::Pending;
            row.revoked.is_none() && row.request.as_ref().is_some_and(waits)
        });
        match (of_number.len(), decided) {
            (1, _) => Ok(of_number.remove(0)),
            (0, Some((_, true))) => Err(request_error("该申请所用的接入码已撤回，不再处理")),
            (0, decided) => Err(request_error(format!(
                "该申请{}，不再处理",
                decision_text(decided.map_or(Decision::Pending, |(decision, _)| decision))
            ))),
            _ => Err(request_error(
                "该席位有不止一项申请在等待：请以接入码编号指明其中一项（见 peers）",
            )),
        }
    }

    /// Approves a waiting newcomer, by the number of its seat or code: signs and publishes its identity. `reason` is why keys
    /// may be replaced without the consent of the former, and else not used.
    pub async fn approve(
        &self,
        number: &str,
        reason: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AdmissionError> {
        let row = self.pending(number).await?;
        self.admit(&row, reason, &actor.signature(), actor, now_us)
            .await
    }

    /// Lets in whoever asks with an invitation. Once only: a second time [`StoreError::Changed`] is the answer.
    pub(super) async fn admit(
        &self,
        row: &InvitationRow,
        reason: &str,
        by: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AdmissionError> {
        let request = row
            .request
            .as_ref()
            .ok_or_else(|| request_error("没有人用该接入码申请过"))?;
        let (keys, possession, consent) = read(request)?;
        self.publish_decided(
            |directory| {
                let former = directory.newest_identity(&row.seat);
                if row.renews != former.is_some() {
                    return Err(request_error(
                        "该席位在此期间已另有身份，请撤回此接入码并重新签发",
                    ));
                }
                let replaces = former.map_or(Replaces::Nothing, |former| {
                    consents(directory, &row.seat, former, &keys, &consent)
                });
                let reason = self.reason_for(replaces, row, reason)?;
                if replaces != Replaces::WithConsent && !consent.is_empty() {
                    return Err(request_error(
                        "该席位在申请之后已换发身份，原密钥的同意不再适用，请撤回此接入码并重新签发",
                    ));
                }
                let all = directory.of_seat(&row.seat).map(|i| i.identity().serial);
                let serial = all.max().unwrap_or_default() + 1;
                let terms = Terms {
                    serial,
                    permitted: permitted(row, request),
                    admits: row.kind == SeatKind::District as u8,
                    reason,
                    binds_from: match former {
                        None => Default::default(),
                        Some(_) => {
                            self.binds_from(directory, &row.seat, replaces == Replaces::Nothing)
                        }
                    },
                    issuer: self.identity_ref(),
                };
                let offer = offer(row, former)?;
                let asked = Request {
                    secret: Default::default(),
                    seat: row.seat,
                    keys: keys.clone(),
                    possession,
                    presence: Sigs::default(),
                    consent,
                    title: request.title.clone(),
                    types: Vec::new(),
                };
                let identity = compose(&offer, &asked, terms);
                identity
                    .check()
                    .map_err(|wrong| request_error(format!("申请内容不合规定（{}）", wrong.what)))?;
                let bytes = identity.to_bytes();
                let envelope = Envelope::signed(kind::IDENTITY, FORMAT, bytes, self.key());
                let peer = PeerRow {
                    seat: row.seat,
                    kind: row.kind,
                    title: identity.title.clone(),
                    organisation: identity.organisation.clone(),
                    jurisdiction: identity.jurisdiction.clone(),
                    tls_key: request.tls_key,
                    state: PeerState::Approved,
                    reason: String::new(),
                    fingerprint: keys.fingerprint().to_string(),
                    by: by.to_owned(),
                    at_us: now_us,
                    last_contact_us: 0,
                };
                let approves = ApprovalRow {
                    secret_hash: row.secret_hash,
                    key_hash: keys.fingerprint().0,
                    by: by.to_owned(),
                    at_us: now_us,
                };
                let detail = match replaces {
                    Replaces::Nothing => identity.title.clone(),
                    Replaces::WithConsent => format!("{}，更换密钥（原密钥同意）", identity.title),
                    Replaces::WithoutConsent => {
                        format!("{}，更换密钥，原因：{}", identity.title, identity.reason)
                    }
                };
                let act = actor.act(Action::Approve, &row.seat.to_string(), &detail, now_us);
                let decision = DecisionRow {
                    peer: Some(peer),
                    approves: Some(approves),
                    revokes: None,
                    act,
                };
                Ok((vec![envelope], decision))
            },
            now_us,
        )
        .await
    }

    /// Why keys are replaced: nothing where they are not, or with consent.
    fn reason_for(
        &self,
        replaces: Replaces,
        row: &InvitationRow,
        given: &str,
    ) -> Result<String, AdmissionError> {
        if replaces != Replaces::WithoutConsent {
            return Ok(String::new());
        }
        if self.tier() != Tier::City {
            return Err(request_error(
                "该申请更换密钥而没有原密钥的同意，只能由市级批准：请联系市级为该席位签发续期接入码",
            ));
        }
        let reason = match given.trim() {
            "" => row.reason.trim(),
            given => given,
        };
        match reason {
            "" => Err(request_error(
                "该申请更换密钥而没有原密钥的同意：请核实后填写原因再批准",
            )),
            long if long.len() > limits::REASON_BYTES_MAX => {
                Err(request_error("更换密钥的原因不超过 60 个汉字"))
            }
            reason => Ok(reason.to_owned()),
        }
    }

    /// Refuses a waiting newcomer, by the number of its seat or code; it is told the reason.
    pub async fn refuse(
        &self,
        number: &str,
        reason: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<(), AdmissionError> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(request_error("请填写驳回理由，会告知申请方"));
        }
        let row = self.pending(number).await?;
        let told = format!("{}，理由：{reason}", row.title);
        let act = actor.act(Action::Refuse, &row.seat.to_string(), &told, now_us);
        let by = actor.signature();
        let store = self.store();
        match store
            .request_refuse(row.secret_hash, &by, reason, &act, now_us)
            .await?
        {
            true => Ok(()),
            false => Err(StoreError::Changed.into()),
        }
    }
}

impl AdmissionError {
    /// Whether somebody else has decided meanwhile.
    pub(super) const fn is_decided(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Changed)
                | Self::Publish(TakeInFault::Step(StepError::Store(StoreError::Changed)))
        )
    }
}

/// Keys, possession and consent of a request, as they were kept.
fn read(request: &RequestRow) -> Result<(Keys, Sigs, Sigs), AdmissionError> {
    let all = || {
        let keys = Keys::read(&mut Reader::new(&request.keys, "keys"))?;
        let possession = Sigs::read(&mut Reader::new(&request.possession, "possession"))?;
        let consent = Sigs::read(&mut Reader::new(&request.consent, "consent"))?;
        Ok::<_, protocol::bytes::Malformed>((keys, possession, consent))
    };
    let damaged = || request_error("申请内容已损坏，请撤回此接入码并重新签发");
    match all() {
        // what a person has compared is what is signed
        Ok(all) if all.0.fingerprint() == Hash(request.key_hash) => Ok(all),
        _ => Err(damaged()),
    }
}

fn consents(
    directory: &Directory,
    seat: &SeatId,
    former: &VerifiedIdentity,
    keys: &Keys,
    consent: &Sigs,
) -> Replaces {
    let former = &former.identity().keys;
    let possession = possession_hash(seat, &directory.authority(), keys);
    match former == keys {
        true => Replaces::Nothing,
        false if consent.verify(former, &possession) => Replaces::WithConsent,
        false => Replaces::WithoutConsent,
    }
}

/// As whom an invitation lets somebody in.
pub(super) fn offer(
    row: &InvitationRow,
    former: Option<&VerifiedIdentity>,
) -> Result<Offer, AdmissionError> {
    Ok(Offer {
        seat: row.seat,
        kind: SeatKind::from_u8(row.kind).ok_or(StoreError::Corrupt { what: "invitation" })?,
        organisation: row.organisation.clone(),
        title: row.title.clone(),
        jurisdiction: row.jurisdiction.clone(),
        node: row.node,
        former: former.map_or(Ref::ZERO, VerifiedIdentity::reference),
    })
}

/// Record types that are asked for and invited; those invited if nothing is asked for.
fn permitted(row: &InvitationRow, request: &RequestRow) -> Vec<String> {
    let asked = |name: &&String| request.types.is_empty() || request.types.contains(name);
    row.types.iter().filter(asked).cloned().collect()
}
