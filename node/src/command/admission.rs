//! Who is let in: issuing codes, judging newcomers, approving and refusing. What is decided becomes an identity statement
//! that this node signs and puts on its feed.
//!
//! - here: invitations, and the organisation codes that they mint.
//! - `decide`: approving and refusing what waits.
//! - `desk`: answering newcomers on the join protocol.
//! - `standing`: whether a seat that was let in may come in now.

use std::collections::BTreeMap;

use protocol::admission::SECRET_BYTES;
use protocol::admission::code::Code;
use protocol::code;
use protocol::directory::Directory;
use protocol::hash::{self, Hash};
use protocol::limits;
use protocol::name::{Lane, SeatId};
use protocol::statement::{BindsFrom, Identity, SeatKind};
use store::{InvitationPut, InvitationRow, OrganisationRow, StoreError};

use super::actor::{Action, Actor};
use crate::intake::TakeInFault;
use crate::node::{Node, Tier};

mod decide;
mod desk;
mod standing;

pub use decide::{Replaces, decision_text};
pub use desk::Desk;

/// What an invitation is for.
#[derive(Debug, Clone, Default)]
pub struct Invite {
    /// `district` or `department`; not read for a renewal.
    pub kind: String,
    /// Name for people; of a renewal: the former, if empty.
    pub title: String,
    /// Organisation code; of a renewal: the former, if empty.
    pub organisation: String,
    /// Name of the organisation; if empty, what stands before the first space of the title.
    pub organisation_title: String,
    /// Region; the inviting node's own if empty; of a renewal: the former.
    pub jurisdiction: String,
    /// Record types that the seat may state; if empty, [`TYPES`], and of a renewal the former.
    pub types: Vec<String>,
    /// No further approval by a person.
    pub pre_approved: bool,
    /// Hours that it is valid.
    pub hours: u32,
    /// Address that the code carries.
    pub address: String,
    /// The seat that is renewed; empty for a new one.
    pub renews: String,
    /// Why a renewed seat's keys may be replaced without the consent of the former.
    pub reason: String,
}

/// What a department may state unless it is said otherwise.
pub const TYPES: [&str; 2] = ["refusal", "registration"];

/// An invitation that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The code: shown once, kept nowhere.
    pub code: String,
    /// Its number for people.
    pub id: String,
    /// The seat that it lets in.
    pub seat: SeatId,
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

pub(super) fn request_error(text: impl Into<String>) -> AdmissionError {
    AdmissionError::Request(text.into())
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

/// Bytes of the number of a code.
const ID_BYTES: usize = 6;

/// The number by which people name a code. It tells nothing of the code.
pub fn code_id(secret_hash: &[u8; 32]) -> String {
    let digits = Hash(*secret_hash).to_string();
    digits[..2 * ID_BYTES].to_owned()
}

/// Organisation codes that are known here, with the names of whose they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Organisations(BTreeMap<String, Known>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    title: String,
    minted: bool,
}

impl Organisations {
    /// Name of the organisation of a code: as it was minted here, else as the seats that were let in elsewhere are called.
    pub fn title(&self, code: &str) -> Option<&str> {
        self.0.get(code).map(|known| known.title.as_str())
    }

    /// All of them by code.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(code, known)| (code.as_str(), known.title.as_str()))
    }

    fn minted(&self, code: &str) -> Option<&str> {
        let known = self.0.get(code)?;
        known.minted.then_some(known.title.as_str())
    }
}

/// What stands before the first space of a title: the organisation, as in 「区市场监管局 登记库」.
fn organisation_part(title: &str) -> &str {
    title.split_whitespace().next().unwrap_or(title)
}

fn is_good_text(text: &str, bytes_max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// What an invitation offers.
struct Terms {
    seat: SeatId,
    kind: SeatKind,
    organisation: String,
    title: String,
    jurisdiction: String,
    node: SeatId,
    types: Vec<String>,
}

impl Node {
    /// Issues a code. `seat` (for a new one) and `secret` are random.
    pub async fn invite(
        &self,
        invite: &Invite,
        seat: [u8; 16],
        secret: [u8; SECRET_BYTES],
        actor: &Actor,
        now_us: i64,
    ) -> Result<Issued, AdmissionError> {
        let renews = !invite.renews.trim().is_empty();
        let terms = match renews {
            true => self.renewal(invite)?,
            false => self.new_seat(invite, SeatId(seat))?,
        };
        if !is_good_text(&terms.title, limits::TITLE_BYTES_MAX) {
            return Err(request_error(
                "请填写接入方名称（不超过 60 个汉字，不含换行等控制字符）",
            ));
        }
        if !HOURS.contains(&invite.hours) {
            return Err(request_error(hours_text()));
        }
        if invite.reason.len() > limits::REASON_BYTES_MAX {
            return Err(request_error("更换密钥的原因不超过 60 个汉字"));
        }
        self.check_types(&terms.types)?;
        let organisation = self.organisation_of(invite, &terms, actor, now_us)?;
        let expires_at_us = now_us + i64::from(invite.hours) * 3_600_000_000;
        let expires_s = (expires_at_us / 1_000_000).clamp(0, i64::from(u32::MAX)) as u32;
        let authority = self.directory().authority();
        let code = Code::new(
            terms.kind,
            expires_s,
            secret,
            &authority,
            &self.seat(),
            &invite.address,
        );
        let text = code.encode().map_err(|e| request_error(e.to_string()))?;
        let secret_hash = hash::sha256(&[&secret]).0;
        let id = code_id(&secret_hash);
        let detail = format!(
            "接入码 {id}，{}（{}），{}{}{}",
            terms.title,
            terms.organisation,
            terms.jurisdiction,
            if renews { "，续期" } else { "" },
            if invite.pre_approved {
                "，预先批准"
            } else {
                ""
            },
        );
        let act = actor.act(Action::Invite, &terms.seat.to_string(), &detail, now_us);
        let row = InvitationRow {
            secret_hash,
            seat: terms.seat,
            kind: terms.kind as u8,
            organisation: terms.organisation,
            title: terms.title,
            jurisdiction: terms.jurisdiction,
            node: terms.node,
            renews,
            types: terms.types,
            preapproved: invite.pre_approved,
            reason: invite.reason.trim().to_owned(),
            // what the code itself says
            expires_at_us: i64::from(expires_s) * 1_000_000,
            by: actor.signature(),
            at_us: now_us,
            revoked: None,
            request: None,
            others: None,
        };
        match self
            .store()
            .invitation_put(&row, &organisation, &act)
            .await?
        {
            InvitationPut::Issued => {
                self.note_minted(organisation.code, organisation.title);
                Ok(Issued {
                    code: text,
                    id,
                    seat: row.seat,
                })
            }
            InvitationPut::SameSecret => Err(request_error("随机数重复，接入码没有签发，请重试")),
            InvitationPut::OthersCode(title) => Err(others_code(&row.organisation, &title)),
        }
    }

    fn new_seat(&self, invite: &Invite, seat: SeatId) -> Result<Terms, AdmissionError> {
        let kind = match (invite.kind.as_str(), self.tier()) {
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
        let jurisdiction = match invite.jurisdiction.trim() {
            "" if kind == SeatKind::District => {
                return Err(request_error("请填写区县的六位区划代码"));
            }
            "" => self.region().to_owned(),
            given => given.to_owned(),
        };
        match self.tier() {
            Tier::District if !code::is_within(&jurisdiction, self.region()) => {
                return Err(request_error(format!(
                    "区县节点只能为本区县（{}）及其下的乡镇街道签发接入码，{jurisdiction} 不在其中",
                    self.region()
                )));
            }
            _ if !self.is_of_the_city(&jurisdiction) => {
                return Err(request_error(format!(
                    "{jurisdiction} 不是本市现行的区划代码"
                )));
            }
            _ => {}
        }
        let types = match (kind, invite.types.is_empty()) {
            (SeatKind::Department, true) => TYPES.map(str::to_owned).into(),
            (SeatKind::Department, false) => invite.types.clone(),
            // nodes state by their kind
            _ => Vec::new(),
        };
        Ok(Terms {
            seat,
            kind,
            organisation: invite.organisation.trim().to_owned(),
            title: invite.title.trim().to_owned(),
            jurisdiction,
            node: match kind {
                SeatKind::Department => self.seat(),
                _ => seat,
            },
            types,
        })
    }

    /// A renewal offers what the seat's identity says, as far as nothing else is given.
    fn renewal(&self, invite: &Invite) -> Result<Terms, AdmissionError> {
        let directory = self.directory();
        let former = self.renewable(&directory, &invite.renews)?;
        let given = |given: &str, former: &str| match given.trim() {
            "" => former.to_owned(),
            given => given.to_owned(),
        };
        if !matches!(invite.jurisdiction.trim(), "" | "*")
            && invite.jurisdiction.trim() != former.jurisdiction
        {
            return Err(request_error(
                "续期不改变辖区；需要改变辖区的，请另行签发新席位的接入码",
            ));
        }
        let types = match (former.kind, invite.types.is_empty()) {
            (SeatKind::Department, false) => invite.types.clone(),
            _ => former.permitted.clone(),
        };
        Ok(Terms {
            seat: former.seat,
            kind: former.kind,
            organisation: given(&invite.organisation, &former.organisation),
            title: given(&invite.title, &former.title),
            jurisdiction: former.jurisdiction.clone(),
            node: former.node,
            types,
        })
    }

    /// The identity of a seat that this node may issue another one for.
    fn renewable(&self, directory: &Directory, seat: &str) -> Result<Identity, AdmissionError> {
        let seat = read_seat(seat)?;
        let former = directory
            .newest_identity(&seat)
            .ok_or_else(|| request_error("没有这个席位，请核对席位编号（见 peers）"))?;
        if former.identity().kind == SeatKind::City {
            return Err(request_error(
                "市级节点更换密钥不用接入码：请停止市级节点后执行 rotate",
            ));
        }
        if self.tier() != Tier::City && !was_admitted_by(directory, &seat, &self.seat()) {
            return Err(request_error(
                "该席位不是由本节点准入的，请联系准入它的节点或市级",
            ));
        }
        Ok(former.identity().clone())
    }

    fn check_types(&self, types: &[String]) -> Result<(), AdmissionError> {
        if types.len() > limits::PERMITTED_TYPES_MAX {
            return Err(request_error(format!(
                "记录类型不超过 {} 个，可用「前缀.*」合并",
                limits::PERMITTED_TYPES_MAX
            )));
        }
        let known = |name: &&String| match name.strip_suffix('*') {
            None => self.standards().by_type(name).is_some(),
            Some(prefix) => {
                let mut all = self.standards().iter();
                prefix.len() > 1
                    && prefix.ends_with('.')
                    && all.any(|s| s.record_type.starts_with(prefix))
            }
        };
        match types.iter().find(|name| !known(name)) {
            Some(unknown) => Err(request_error(format!("没有记录类型「{unknown}」的标准"))),
            None => Ok(()),
        }
    }

    /// The organisation of an invitation: known under this name, or minted by it.
    fn organisation_of(
        &self,
        invite: &Invite,
        terms: &Terms,
        actor: &Actor,
        now_us: i64,
    ) -> Result<OrganisationRow, AdmissionError> {
        let code = terms.organisation.as_str();
        let Some((region, _)) = code::organisation_parts(code) else {
            return Err(request_error(match code {
                "" => "请填写机构代码（--organisation），形如 370102.scjg：区划代码、点、机构简称（小写字母或数字，2 至 16 位）".to_owned(),
                wrong => format!("机构代码「{wrong}」有误：应为区划代码、点、机构简称（小写字母或数字，2 至 16 位），如 370102.scjg"),
            }));
        };
        let known = self.organisations();
        let may_mint = match self.tier() {
            Tier::City => self.is_of_the_city(region),
            Tier::District => code::is_within(region, self.region()),
        };
        if !may_mint && known.title(code).is_none() {
            return Err(request_error(format!(
                "机构代码「{code}」的区划 {region} 不在本节点的辖区之内，须由市级赋码"
            )));
        }
        let said = invite.organisation_title.trim();
        let title = match (said, known.minted(code)) {
            ("", Some(minted)) if terms.title.starts_with(minted) => minted.to_owned(),
            ("", Some(minted)) => return Err(others_code(code, minted)),
            ("", None) => match known.title(code) {
                // whose it is was said elsewhere; whoever invites here has to say that it is the same
                Some(elsewhere) if elsewhere != organisation_part(&terms.title) => {
                    return Err(others_code(code, elsewhere));
                }
                _ => organisation_part(&terms.title).to_owned(),
            },
            (said, _) => said.to_owned(),
        };
        if !is_good_text(&title, limits::TITLE_BYTES_MAX) {
            return Err(request_error(
                "请填写机构名称（--organisation-title，不超过 60 个汉字）",
            ));
        }
        Ok(OrganisationRow {
            code: code.to_owned(),
            title,
            by: actor.signature(),
            at_us: now_us,
        })
    }

    /// Organisation codes that were minted here, and those of seats that were let in elsewhere.
    pub fn organisations(&self) -> Organisations {
        let mut all = Organisations::default();
        {
            let directory = self.directory();
            for identity in directory.identities() {
                let identity = identity.identity();
                let known = Known {
                    title: organisation_part(&identity.title).to_owned(),
                    minted: false,
                };
                all.0.entry(identity.organisation.clone()).or_insert(known);
            }
        }
        for (code, title) in &*self.minted() {
            let known = Known {
                title: title.clone(),
                minted: true,
            };
            all.0.insert(code.clone(), known);
        }
        all
    }

    /// Name of the organisation of a code, as [`Organisations::title`] has it; the code itself where none is known.
    pub fn organisation_title(&self, code: &str) -> String {
        if let Some(title) = self.minted().get(code) {
            return title.clone();
        }
        let directory = self.directory();
        let mut seats = directory.identities().map(|i| i.identity());
        seats.find(|i| i.organisation == code).map_or_else(
            || code.to_owned(),
            |i| organisation_part(&i.title).to_owned(),
        )
    }

    /// Whether a region is the city's own, a district of it or a town below one of these.
    fn is_of_the_city(&self, region: &str) -> bool {
        let own = match self.tier() {
            Tier::City => self.region(),
            Tier::District => self.city().code.as_str(),
        };
        region == own || (self.city().districts.iter()).any(|d| code::is_within(region, &d.code))
    }

    /// From where in its lanes a seat's next identity binds. Other keys bind from the seat's next epoch on, so that what it
    /// has sealed and not yet sent stays good; the same keys at once.
    pub(super) fn binds_from(
        &self,
        directory: &Directory,
        seat: &SeatId,
        same_keys: bool,
    ) -> [BindsFrom; Lane::ALL.len()] {
        let greatest = directory.known_openings(seat, u32::MAX).greatest;
        if !same_keys {
            let counter = match greatest {
                0 => 1,
                known => known.saturating_add(1),
            };
            return [BindsFrom {
                counter,
                sequence: 1,
            }; Lane::ALL.len()];
        }
        let logs = self.logs();
        Lane::ALL.map(|lane| {
            let mut of_lane = logs.values().filter(|state| {
                state.log.seat == *seat
                    && state.log.lane == lane
                    && state.counter == greatest
                    && directory.opening_stands(&state.log.opening)
            });
            BindsFrom {
                counter: greatest.max(1),
                sequence: of_lane.next().map_or(0, |state| state.sequence) + 1,
            }
        })
    }
}

/// Whether a seat's first identity was issued by another.
pub(super) fn was_admitted_by(directory: &Directory, seat: &SeatId, issuer: &SeatId) -> bool {
    let mut first = directory
        .of_seat(seat)
        .filter(|i| i.identity().serial == 1)
        .filter_map(|i| directory.identity_by_ref(&i.identity().issuer));
    first.any(|by| by.identity().seat == *issuer)
}

pub(super) fn read_seat(text: &str) -> Result<SeatId, AdmissionError> {
    SeatId::from_hex(text.trim())
        .ok_or_else(|| request_error("席位编号应为 32 位十六进制数（见 peers）"))
}

fn others_code(code: &str, title: &str) -> AdmissionError {
    request_error(format!(
        "机构代码 {code} 已属于「{title}」，不能用于其他机构。如接入的正是该机构，请加 --organisation-title {title}；否则请换一个代码"
    ))
}
