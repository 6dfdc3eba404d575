//! Calling back: codes that nobody was let in with, and seats. A seat is called back by position (D62): what it has said up
//! to what this node holds stands, what comes after is kept apart and counts for nothing, its sessions end at once.

use std::collections::BTreeSet;

use protocol::directory::Directory;
use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::{Position, SeatId};
use protocol::statement::{FORMAT, Revocation, RevokedLog, SeatKind, revocation_code};
use store::{DecisionRow, InvitationRow, RevokedRow, StoreError};

use super::actor::{Action, Actor};
use super::admission::{AdmissionError, code_id, read_seat, request_error, was_admitted_by};
use crate::node::{Node, Tier};

/// Bytes of the text of a reason.
const TEXT_BYTES_MAX: usize = 200;

/// Why a seat is called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Its key was stolen.
    Stolen,
    /// Its key was lost.
    Lost,
    /// It has left.
    Left,
    /// Another seat has taken its place.
    Replaced,
    /// Something else.
    Other,
}

impl Reason {
    /// All of them, in the order in which people choose.
    pub const ALL: [Self; 5] = [
        Self::Stolen,
        Self::Lost,
        Self::Left,
        Self::Replaced,
        Self::Other,
    ];

    /// The reason as commands name it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Stolen => "stolen",
            Self::Lost => "lost",
            Self::Left => "left",
            Self::Replaced => "replaced",
            Self::Other => "other",
        }
    }

    /// The reason for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stolen => "密钥失窃",
            Self::Lost => "密钥丢失",
            Self::Left => "不再接入",
            Self::Replaced => "由其他席位接替",
            Self::Other => "其他",
        }
    }

    /// The number in the statement.
    const fn code(self) -> u8 {
        match self {
            Self::Stolen => revocation_code::STOLEN,
            Self::Lost => revocation_code::LOST,
            Self::Left => revocation_code::LEFT,
            Self::Replaced => revocation_code::REPLACED,
            Self::Other => revocation_code::OTHER,
        }
    }

    /// The reason of a text.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.key() == key)
    }
}

/// A seat that was called back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its name.
    pub title: String,
    /// Logs that stand, each up to what is held here.
    pub logs: usize,
    /// Logs that had to be left out, since a statement names only so many: the oldest.
    pub left_out: usize,
    /// Statements issued under it that stand.
    pub standing: usize,
}

impl Revoked {
    /// What was done, for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "已撤销「{}」：已收到的 {} 个日志至今的内容继续有效，此后以其密钥签署的内容一律隔离，其连接立即断开",
            self.title, self.logs
        );
        if self.standing > 0 {
            text += &format!("；由其准入的席位等 {} 项声明继续有效", self.standing);
        }
        if self.left_out > 0 {
            text += &format!(
                "。注意：日志超过 {} 个，最早的 {} 个未能列入，其内容不再有效，请联系市级处理",
                limits::REVOKED_LOGS_MAX,
                self.left_out
            );
        }
        text
    }
}

/// What is called back and what is left standing.
pub(super) struct CallBack {
    pub(super) revocation: Revocation,
    left_out: usize,
}

impl Node {
    /// Calls a code back, by its number, or all codes for a seat that nobody was let in with. Returns how many.
    pub async fn revoke_code(
        &self,
        number: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<u64, AdmissionError> {
        let number = number.trim().to_ascii_lowercase();
        let all = self.store().invitations().await?;
        let by = actor.signature();
        if let Some(row) = all.iter().find(|r| code_id(&r.secret_hash) == number) {
            let told = format!("接入码 {number}，{}", row.title);
            let act = actor.act(Action::InviteRevoke, &row.seat.to_string(), &told, now_us);
            let done = self
                .store()
                .invitation_revoke(row.secret_hash, &by, &act, now_us)
                .await?;
            return match done {
                true => Ok(1),
                false => Err(over(row)),
            };
        }
        let Some(row) = all.iter().find(|r| r.seat.to_string() == number) else {
            return Err(request_error(
                "没有这个接入码，请核对编号（12 位，见控制台「接入审批」或 peers）；也可填席位编号撤回其全部接入码",
            ));
        };
        let told = format!("全部接入码，{}", row.title);
        let act = actor.act(Action::InviteRevoke, &number, &told, now_us);
        let done = self
            .store()
            .invitations_revoke(row.seat, &by, &act, now_us)
            .await?;
        match done {
            0 => Err(request_error("该席位没有可以撤回的接入码")),
            done => Ok(done),
        }
    }

    /// Calls a seat back: a district for what it let in, the city for all but itself, which the root is over.
    pub async fn revoke_seat(
        &self,
        seat: &str,
        reason: Reason,
        text: &str,
        actor: &Actor,
        now_us: i64,
    ) -> Result<Revoked, AdmissionError> {
        let seat = read_seat(seat)?;
        let text = read_text(text)?;
        let mut revoked = None;
        let by = actor.signature();
        self.publish_decided(
            |directory| {
                let title = self.revocable(directory, &seat)?;
                let called = self.call_back(directory, &seat, reason, text, self.identity_ref())?;
                let bytes = called.revocation.to_bytes();
                let envelope = Envelope::signed(kind::REVOCATION, FORMAT, bytes, self.key());
                let told = format!("{title}，{}：{text}", reason.label());
                let decision = DecisionRow {
                    peer: None,
                    approves: None,
                    revokes: Some(RevokedRow {
                        seat,
                        reason: format!("{}：{text}", reason.label()),
                        by,
                        at_us: now_us,
                    }),
                    act: actor.act(Action::Revoke, &seat.to_string(), &told, now_us),
                };
                revoked = Some(Revoked {
                    title,
                    logs: called.revocation.logs.len(),
                    left_out: called.left_out,
                    standing: called.revocation.standing.len(),
                });
                Ok::<_, AdmissionError>((vec![envelope], decision))
            },
            now_us,
        )
        .await?;
        revoked.ok_or_else(|| StoreError::Changed.into())
    }

    /// Name of a seat that this node may call back now.
    fn revocable(&self, directory: &Directory, seat: &SeatId) -> Result<String, AdmissionError> {
        if *seat == self.seat() {
            return Err(request_error("不能撤销本节点自己的席位"));
        }
        let newest = directory
            .newest_identity(seat)
            .ok_or_else(|| request_error("没有这个席位，请核对席位编号（见 peers）"))?
            .identity();
        if newest.kind == SeatKind::City {
            return Err(request_error("市级席位只能以根密钥撤销，请联系市级"));
        }
        if self.tier() != Tier::City && !was_admitted_by(directory, seat, &self.seat()) {
            return Err(request_error(
                "该席位不是由本节点准入的，请联系准入它的节点或市级",
            ));
        }
        if directory.identity(seat).is_none() {
            return Err(request_error(format!("「{}」已被撤销", newest.title)));
        }
        Ok(newest.title.clone())
    }

    /// What is said to call a seat back with all its identities so far: each log up to what is held here, and what was issued
    /// under it and stands here.
    pub(super) fn call_back(
        &self,
        directory: &Directory,
        seat: &SeatId,
        reason: Reason,
        text: &str,
        issuer: Ref,
    ) -> Result<CallBack, AdmissionError> {
        let through = directory.of_seat(seat).map(|i| i.identity().serial).max();
        let mut logs: Vec<(u32, RevokedLog)> = self
            .logs()
            .values()
            .filter(|state| state.log.seat == *seat && state.sequence > 0)
            .map(|state| {
                let log = RevokedLog {
                    lane: state.log.lane as u8,
                    opening: state.log.opening,
                    last: Position {
                        sequence: state.sequence,
                        header: state.last,
                    },
                };
                (state.counter, log)
            })
            .collect();
        logs.sort_by_key(|(counter, log)| (std::cmp::Reverse(*counter), *log));
        let left_out = logs.len().saturating_sub(limits::REVOKED_LOGS_MAX);
        logs.truncate(limits::REVOKED_LOGS_MAX);
        let mut logs: Vec<RevokedLog> = logs.into_iter().map(|(_, log)| log).collect();
        logs.sort();
        let standing = issued_under(directory, seat);
        if standing.len() > limits::STANDING_MAX {
            return Err(request_error(format!(
                "该席位签发的声明超过 {} 项，无法在一份撤销声明中列明，请联系程序提供方",
                limits::STANDING_MAX
            )));
        }
        let former = directory.revocation(seat).map(|r| r.statement().serial);
        Ok(CallBack {
            revocation: Revocation {
                seat: *seat,
                serial: former.unwrap_or_default() + 1,
                through: through.unwrap_or_default(),
                logs,
                standing: standing.into_iter().collect(),
                code: reason.code(),
                reason: text.to_owned(),
                issuer,
            },
            left_out,
        })
    }
}

pub(super) fn read_text(text: &str) -> Result<&str, AdmissionError> {
    match text.trim() {
        "" => Err(request_error(
            "请用文字说明原因（--text），会写入声明并告知对方",
        )),
        long if long.len() > TEXT_BYTES_MAX || long.chars().any(char::is_control) => Err(
            request_error("原因的说明不超过 60 个汉字，不含换行等控制字符"),
        ),
        text => Ok(text),
    }
}

/// Statements that were issued under a seat's identities and count here: identities, and words that call back.
fn issued_under(directory: &Directory, seat: &SeatId) -> BTreeSet<Ref> {
    let by_seat = |issuer: &Ref| {
        directory
            .identity_by_ref(issuer)
            .is_some_and(|by| by.identity().seat == *seat)
    };
    let mut standing = BTreeSet::new();
    let identities = directory
        .references()
        .filter_map(|reference| directory.identity_by_ref(reference));
    for identity in identities {
        if by_seat(&identity.identity().issuer) && directory.is_issued(identity) {
            standing.insert(identity.reference());
        }
        if let Some(revocation) = directory.revocation(&identity.identity().seat)
            && by_seat(&revocation.statement().issuer)
        {
            standing.insert(revocation.reference());
        }
        for erasure in directory.erasures(&identity.identity().seat) {
            if by_seat(&erasure.statement().issuer) {
                standing.insert(erasure.reference());
            }
        }
    }
    standing
}

/// Why there is nothing to call back of a code.
fn over(row: &InvitationRow) -> AdmissionError {
    request_error(match (&row.revoked, &row.request) {
        (Some(_), _) => "该接入码已经撤回".to_owned(),
        (None, Some(request)) => format!(
            "该接入码已用过（{}），没有可以撤回的；要停止该席位的接入请撤销席位",
            super::admission::decision_text(request.decision)
        ),
        (None, None) => "该接入码刚刚被另行处理，请刷新后再看".to_owned(),
    })
}
