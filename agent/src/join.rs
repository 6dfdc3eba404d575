//! Joining: with a code, the agent becomes a seat of the organisation that the code was issued for.
//!
//! What both sides check is the protocol's. The signing key is made here and never leaves the machine. How a code
//! is read, [`runtime::code`] says.

use std::sync::{Mutex, PoisonError};

use protocol::admission::code::{Code, CodeError};
use protocol::admission::exchange::Offer;
use protocol::admission::newcomer::{Wishes, fingerprint};
use protocol::envelope::Envelope;
use protocol::sign::{Keys, SigningKey};
use protocol::statement::SeatKind;
use runtime::admission::{self, JoinError, Joined, Joining};
use runtime::door;
use runtime::link::endpoint::{Dialer, EndpointError, Settings};
use runtime::say;
use runtime::tls::{IdentityError, InstanceIdentity};
use runtime::worker::Shutdown;

use crate::home::{Home, HomeError};

/// Why an agent was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// The code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The code lets in another kind of seat.
    #[error("接入码用于区县节点，不能用于部门代理；请核对是否拿错了接入码，该接入码尚未使用")]
    Kind,
    /// There is an agent already.
    #[error("本代理已经入网（{0}），不重复入网；如需改接其他平台，请另配数据目录")]
    Already(String),
    /// The data folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The exchange failed.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The installation has no certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No endpoint could be opened.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The other side decided so.
    #[error("入网申请被驳回：{reason}{}", ask(contact))]
    Refused {
        /// Its reason.
        reason: String,
        /// Whom to ask; may be empty.
        contact: String,
    },
    /// Interrupted.
    #[error("尚未获准，已停止等待；稍后用同一接入码重新执行即可继续")]
    Interrupted,
}

fn ask(contact: &str) -> String {
    match contact {
        "" => String::new(),
        contact => format!("。如有疑问请联系：{contact}"),
    }
}

/// Joins with a code as it was typed; waits for a person's approval until `shutdown`. `told` hears every step.
pub async fn join(
    home: &Home,
    code: &str,
    now_s: i64,
    told: impl FnMut(&str) + Send,
    shutdown: &Shutdown,
) -> Result<(), NotAdmitted> {
    if home.is_joined() {
        let title = home.admission()?.own().title.clone();
        return Err(NotAdmitted::Already(title));
    }
    let told = Mutex::new(told);
    // titles and words of the other side are among it
    let say = |text: &str| {
        told.lock().unwrap_or_else(PoisonError::into_inner)(&say::foreign(text));
    };
    let code = Code::parse(code)?;
    if code.kind != SeatKind::Department {
        return Err(NotAdmitted::Kind);
    }
    // whether it has is for who issued it to say, by the clock that it was issued by: ours may be the wrong one
    if code.has_expired(now_s) {
        say(
            "[注意] 按本机时钟，接入码已过有效期；是否有效由签发平台判定，仍继续申请。如被驳回请联系签发单位重新签发；如刚刚签发，请校准本机或平台的时钟",
        );
    }
    say(&format!(
        "[1/4] 接入码     ✓ 校验字符正确；用途：部门代理；平台地址：{}",
        code.address
    ));
    let seed = home.signing_seed(door::random())?;
    let key = SigningKey::from_seed(&seed);
    let keys = Keys::of(key.public(), None);
    say(&format!(
        "[2/4] 本机密钥   ✓ 已在本机生成，私钥不离开本机（指纹 {}，请与平台上显示的核对）",
        fingerprint(&keys)
    ));
    let instance = InstanceIdentity::load_or_generate(&home.instance_file())?;
    let dialer = Dialer::new(&instance, Settings::default())?;
    let joining = Joining {
        code: &code,
        own: None,
        keys: &keys,
        key: &key,
        former: None,
        wishes: Wishes::default(),
    };
    let offered = |offer: &Offer| {
        say("[3/4] 对端身份   ✓ 平台指纹与接入码一致");
        say(&format!(
            "      接入名义   {}（机构代码 {}，辖区 {}）",
            offer.title, offer.organisation, offer.jurisdiction
        ));
    };
    let mut waiting = false;
    let pending = |text: &str| {
        if !std::mem::replace(&mut waiting, true) {
            say(&format!("[4/4] 入网审批   … {text}"));
        }
    };
    let joined = admission::join_until_decided(&dialer, &joining, offered, pending, shutdown).await;
    dialer.close().await;
    match joined? {
        None | Some(Joined::Pending { .. }) => Err(NotAdmitted::Interrupted),
        Some(Joined::Refused(refused)) => Err(NotAdmitted::Refused {
            reason: say::foreign(&refused.reason),
            contact: say::foreign(&refused.contact),
        }),
        Some(Joined::Approved(approved, shown)) => {
            let own = approved.identity.identity();
            let chain: Vec<Envelope> = approved
                .directory
                .chain(&[own.seat])
                .iter()
                .filter_map(|needed| {
                    shown
                        .iter()
                        .find(|envelope| envelope.reference().as_ref() == Some(needed))
                        .cloned()
                })
                .collect();
            home.write_admission(&chain, &code.address)?;
            say(&format!(
                "[4/4] 入网审批   ✓ 已批准：{}（{}），可报送：{}",
                own.title,
                own.organisation,
                own.permitted.join("、")
            ));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
