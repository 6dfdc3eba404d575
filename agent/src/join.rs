//! Joining: with a code, the agent becomes a seat of the department that the code was issued for.
//!
//! Nothing is said to the server before it has proven that it belongs to the authority of the code. The signing key is
//! made here and never leaves the machine.

use protocol::directory::{Directory, SeatKind};
use protocol::envelope::Envelope;
use protocol::hash::Hash;
use protocol::name::SeatId;
use protocol::sign::SigningKey;
use runtime::admission::code::{Code, CodeError};
use runtime::admission::{self, Answer, JoinError, Proof, Request};
use runtime::door;
use runtime::link::endpoint::{Dialer, EndpointError, Settings};
use runtime::tls::{IdentityError, InstanceIdentity};
use runtime::worker::Shutdown;

use crate::home::{Home, HomeError};

/// Why an agent was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    /// The code.
    #[error(transparent)]
    Code(#[from] CodeError),
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
    #[error("入网申请被驳回：{reason}。如有疑问请联系：{contact}")]
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
    #[error("尚未获准，已停止等待；稍后用同一接入码重新执行即可继续")]
    Interrupted,
}

/// Joins with a code as it was pasted; waits for a person's approval until `shutdown`. `told` hears every step.
pub async fn join(
    home: &Home,
    code: &str,
    now_s: i64,
    mut told: impl FnMut(&str) + Send,
    shutdown: &Shutdown,
) -> Result<(), NotAdmitted> {
    if home.is_joined() {
        let title = home.admission()?.own().title.clone();
        return Err(NotAdmitted::Already(title));
    }
    let code = Code::parse(code)?;
    // whether it has is for who issued it to say, by the clock that it was issued by: ours may be the wrong one
    if code.has_expired(now_s) {
        told(
            "[注意] 按本机时钟，接入码已过有效期；是否有效由签发平台判定，仍继续申请。如被驳回请联系签发单位重新签发；如刚刚签发，请校准本机或平台的时钟",
        );
    }
    told(&format!(
        "[1/4] 接入码     ✓ 校验字符正确；用途：{}；平台地址：{}",
        code.scope, code.address
    ));
    let seed = home.signing_seed(door::random())?;
    let key = SigningKey::from_seed(&seed);
    told(&format!(
        "[2/4] 本机密钥   ✓ 已在本机生成，私钥不离开本机（指纹 {}）",
        key.public().fingerprint().short()
    ));
    let instance = InstanceIdentity::load_or_generate(&home.instance_file())?;
    let dialer = Dialer::new(&instance, Settings::default())?;
    let request = Request {
        secret: code.secret,
        // the seat is the invitation's; the newcomer does not know it yet
        seat: SeatId::default(),
        key: key.public(),
        title: code.scope.clone(),
        department: String::new(),
        types: Vec::new(),
    };
    let verify = |proof: &Proof, exporter: &[u8; 32]| check_server(&code, proof, exporter);
    let mut waiting = false;
    let answer = admission::join_until_decided(
        &dialer,
        &code.address,
        &request,
        &key,
        verify,
        |text| {
            if !waiting {
                waiting = true;
                told("[3/4] 对端身份   ✓ 平台指纹与接入码一致");
                told(&format!("[4/4] 入网审批   … {text}"));
            }
        },
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
            let own = directory.identities().find(|i| {
                i.identity().key == key.public() && i.identity().kind == SeatKind::Department
            });
            let Some(own) = own else {
                return Err(NotAdmitted::Chain("其中没有本机的身份".to_owned()));
            };
            home.write_admission(&chain, &code.address)?;
            if !waiting {
                told("[3/4] 对端身份   ✓ 平台指纹与接入码一致");
            }
            told(&format!(
                "[4/4] 入网审批   ✓ 已批准：{}（{}），可报送：{}",
                own.identity().title,
                own.identity().department,
                own.identity().permitted_types.join("、")
            ));
            Ok(())
        }
    }
}

/// Checks that a server belongs to the authority that the code names, on this very connection.
fn check_server(code: &Code, proof: &Proof, exporter: &[u8; 32]) -> Result<(), String> {
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
    let mut directory = Directory::trusting(root, authority).map_err(|_| {
        let found: Hash = root.hash();
        format!("指纹与接入码不一致（对端 {}）", found.short())
    })?;
    for envelope in &chain[1..] {
        directory.admit(envelope).map_err(|e| e.to_string())?;
    }
    Ok(directory)
}
