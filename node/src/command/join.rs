//! Joining: a district, with a code from its city, becomes part of the city's authority.

use std::path::PathBuf;

use protocol::directory::Directory;
use protocol::envelope::Envelope;
use protocol::name::SeatId;
use protocol::sign::SigningKey;
use runtime::admission::code::Code;
use runtime::admission::{self, Answer, JoinError, Proof, Request};
use runtime::link::endpoint::{Dialer, EndpointError, Settings};
use runtime::tls::{IdentityError, InstanceIdentity};
use runtime::worker::Shutdown;

/// What a newcomer brings.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// File of the installation's certificate and key.
    pub instance_file: PathBuf,
    /// Seed of the signing key. It never leaves the machine.
    pub seed: [u8; 32],
}

/// Why a newcomer was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
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
    #[error("入网申请被驳回：{reason}。如有疑问请联系 {contact}")]
    Refused {
        /// Its reason.
        reason: String,
        /// Whom to ask.
        contact: String,
    },
    /// What it sent as our admission does not verify.
    #[error("平台发来的入网声明未通过校验（{0}），未保存。请联系签发接入码的单位")]
    Chain(String),
    /// Interrupted.
    #[error("尚未获准，已停止等待；可稍后用同一接入码重新执行")]
    Interrupted,
}

/// Checks that a server belongs to the authority that the code names, on this very connection.
pub fn check_server(code: &Code, proof: &Proof, exporter: &[u8; 32]) -> Result<(), String> {
    let chain = read(&proof.envelopes)?;
    let directory = trust(&chain, &code.authority)?;
    let identity = directory.identity(&proof.seat).ok_or("未出示身份")?;
    if proof.is_by(&identity.identity().key, exporter) {
        Ok(())
    } else {
        Err("对端的签名不符".to_owned())
    }
}

fn read(envelopes: &[Vec<u8>]) -> Result<Vec<Envelope>, String> {
    envelopes
        .iter()
        .map(|b| Envelope::from_bytes(b).map_err(|e| e.to_string()))
        .collect()
}

fn trust(chain: &[Envelope], authority: &[u8]) -> Result<Directory, String> {
    let root = chain.first().ok_or("声明链为空")?;
    let mut directory =
        Directory::trusting(root, authority).map_err(|_| "指纹与接入码不一致".to_owned())?;
    for envelope in &chain[1..] {
        directory.admit(envelope).map_err(|e| e.to_string())?;
    }
    Ok(directory)
}

/// Joins with a code; waits for a person's approval until `shutdown`. Returns the chain of statements, root first.
pub async fn join(
    code: &Code,
    newcomer: &Newcomer,
    told: impl FnMut(&str),
    shutdown: &Shutdown,
) -> Result<Vec<Envelope>, NotAdmitted> {
    let instance = InstanceIdentity::load_or_generate(&newcomer.instance_file)?;
    let dialer = Dialer::new(&instance, Settings::default())?;
    let key = SigningKey::from_seed(&newcomer.seed);
    let request = Request {
        secret: code.secret,
        // the seat is the invitation's; the newcomer does not know it yet
        seat: SeatId::default(),
        key: key.public(),
        title: code.scope.clone(),
        department: String::new(),
        types: Vec::new(),
    };
    let verify = |proof: &Proof, exporter: &[u8; 32]| check_server(code, proof, exporter);
    let answer = admission::join_until_decided(
        &dialer,
        &code.address,
        &request,
        &key,
        verify,
        told,
        shutdown,
    )
    .await;
    dialer.close().await;
    match answer? {
        None | Some(Answer::Pending(_)) => Err(NotAdmitted::Interrupted),
        Some(Answer::Refused { reason, contact }) => Err(NotAdmitted::Refused { reason, contact }),
        Some(Answer::Approved(envelopes)) => {
            let chain = read(&envelopes).map_err(NotAdmitted::Chain)?;
            let directory = trust(&chain, &code.authority).map_err(NotAdmitted::Chain)?;
            let own = directory
                .identities()
                .any(|i| i.identity().key == key.public());
            if own {
                Ok(chain)
            } else {
                Err(NotAdmitted::Chain("其中没有本机的身份".to_owned()))
            }
        }
    }
}
