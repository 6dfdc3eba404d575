//! Joining: a district, with a code from its city, becomes part of the city's authority; and comes again with other keys.
//!
//! What both sides check is the protocol's. The keys are made here and never leave the machine.

use std::path::PathBuf;

use protocol::admission::code::{Code, CodeError};
use protocol::admission::exchange::Offer;
use protocol::admission::newcomer::Wishes;
use protocol::envelope::Envelope;
use protocol::name::SeatId;
use protocol::sign::SigningKey;
use protocol::statement::SeatKind;
use runtime::admission::{self, JoinError, Joined, Joining};
use runtime::link::endpoint::{Dialer, EndpointError, Settings};
use runtime::tls::{IdentityError, InstanceIdentity};
use runtime::worker::Shutdown;

use crate::home::NodeKeys;

/// What a newcomer brings.
#[derive(Debug)]
pub struct Newcomer<'a> {
    /// File of the installation's certificate and key.
    pub instance_file: PathBuf,
    /// Its keys from now on.
    pub keys: &'a NodeKeys,
    /// The seat that it has had, if it has one.
    pub own: Option<SeatId>,
    /// The signing key that it has had, if that is another: consents to the new ones.
    pub former: Option<&'a SigningKey>,
}

/// Why a newcomer was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// What was given is no code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The code lets in another kind of seat.
    #[error("接入码用于部门代理，不能用于区县节点；请核对是否拿错了接入码，该接入码尚未使用")]
    Kind,
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
    #[error("尚未获准，已停止等待；可稍后用同一接入码重新执行")]
    Interrupted,
}

fn ask(contact: &str) -> String {
    match contact {
        "" => String::new(),
        contact => format!("。如有疑问请联系：{contact}"),
    }
}

/// Reads a code that a district can join with.
pub fn district_code(text: &str) -> Result<Code, NotAdmitted> {
    let code = Code::parse(text)?;
    match code.kind {
        SeatKind::District => Ok(code),
        _ => Err(NotAdmitted::Kind),
    }
}

/// Joins with a code; waits for a person's approval until `shutdown`. `offered` is shown as whom before anything about this
/// party is sent, `told` hears what it waits for. Returns the chain of statements, root version 1 first.
pub async fn join(
    code: &Code,
    newcomer: &Newcomer<'_>,
    offered: impl FnMut(&Offer),
    told: impl FnMut(&str),
    shutdown: &Shutdown,
) -> Result<Vec<Envelope>, NotAdmitted> {
    let instance = InstanceIdentity::load_or_generate(&newcomer.instance_file)?;
    let dialer = Dialer::new(&instance, Settings::default())?;
    let keys = newcomer.keys.public();
    let joining = Joining {
        code,
        own: newcomer.own,
        keys: &keys,
        key: &newcomer.keys.sign,
        former: newcomer.former,
        wishes: Wishes::default(),
    };
    let answer = admission::join_until_decided(&dialer, &joining, offered, told, shutdown).await;
    dialer.close().await;
    match answer? {
        None | Some(Joined::Pending { .. }) => Err(NotAdmitted::Interrupted),
        Some(Joined::Refused(refused)) => Err(NotAdmitted::Refused {
            reason: refused.reason,
            contact: refused.contact,
        }),
        Some(Joined::Approved(approved, shown)) => {
            let needed = approved
                .directory
                .chain(&[approved.identity.identity().seat]);
            let of = |reference| {
                let mut shown = shown.iter();
                shown.find(|envelope| envelope.reference() == Some(reference))
            };
            Ok(needed.into_iter().filter_map(of).cloned().collect())
        }
    }
}
