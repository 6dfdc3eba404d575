//! Admission: how a newcomer with a code gets in. The code itself is in [`code`]; here is the exchange, both sides of it.
//!
//! The newcomer says nothing about itself until the server has proven, on this very connection, that it belongs to the
//! authority whose hash the code carries. Whether a proof holds and who is let in are callbacks: statements are the
//! protocol's business, approval is a person's. Frames are laid out by hand:
//!
//! ```text
//! newcomer  01 version                                          greeting
//! server    02 seat[16] signature[64] n u16 (len u32 envelope)* proof: presence of the seat on the exporter value
//! newcomer  03 secret[10] seat[16] key[32] signature[64] title department (len u16) n u8 (len u8 type)*
//! server    04 n u16 (len u32 envelope)*                         approved
//!           05 text                                              pending: come again with the same request
//!           06 reason contact                                    refused
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::bytes::{Malformed, Put, Reader};
use protocol::directory::presence;
use protocol::limits;
use protocol::name::SeatId;
use protocol::sign::{PublicKey, SigningKey};

use crate::link::endpoint::{DialError, Dialer};
use crate::link::exchange::{EXCHANGE_BYTES_MAX, Exchange, ExchangeError};
use crate::worker::{Shutdown, unless};

pub mod code;
#[cfg(test)]
mod tests;

use code::SECRET_BYTES;

/// Version of the exchange.
pub const VERSION: u8 = 1;
/// Bytes of a text to people in an answer.
pub const TEXT_BYTES_MAX: usize = 1_000;
/// How long a newcomer waits before it asks again whether it has been approved.
pub const ASK_AGAIN: Duration = Duration::from_secs(3);

/// What the server shows before it learns anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The server's own seat.
    pub seat: SeatId,
    /// The seat's presence signature over the exporter value.
    pub signature: [u8; 64],
    /// Directory statements from the authority's first root version down to that seat.
    pub envelopes: Vec<Vec<u8>>,
}

impl Proof {
    /// Signs presence on a connection.
    pub fn sign(
        exporter: &[u8; 32],
        seat: SeatId,
        key: &SigningKey,
        envelopes: Vec<Vec<u8>>,
    ) -> Self {
        Self {
            seat,
            signature: key.sign(&presence(exporter, &seat)),
            envelopes,
        }
    }

    /// Whether `key` is present on the connection as the server's seat.
    pub fn is_by(&self, key: &PublicKey, exporter: &[u8; 32]) -> bool {
        key.verifies(&presence(exporter, &self.seat), &self.signature)
    }
}

/// What the newcomer asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The code's one-time secret.
    pub secret: [u8; SECRET_BYTES],
    /// The seat: the one it has had before, or the zero seat for the one that was minted with the invitation.
    pub seat: SeatId,
    /// Its public signing key. The exchange has checked that it holds it.
    pub key: PublicKey,
    /// Name for people.
    pub title: String,
    /// Its department; empty for nodes.
    pub department: String,
    /// Record types that it wants to state.
    pub types: Vec<String>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} {:?} {})", self.seat, self.key, self.title)
    }
}

/// What the newcomer hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Let in; with the directory statements that make it so.
    Approved(Vec<Vec<u8>>),
    /// A person has to decide; come again with the same request.
    Pending(String),
    /// Not let in.
    Refused {
        /// Why.
        reason: String,
        /// Whom to ask.
        contact: String,
    },
}

/// Who stands at the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applicant {
    /// Where it is; limits go by this.
    pub remote: SocketAddr,
    /// SHA-256 of its TLS key.
    pub peer_key: [u8; 32],
}

/// The server's decisions.
pub trait Desk: Send + Sync + 'static {
    /// Our proof on this connection. `Err` is logged and closes the exchange.
    fn prove(&self, exporter: &[u8; 32]) -> impl Future<Output = Result<Proof, String>> + Send;

    /// Decides. Called again with the same request by who is pending or has lost the answer, so it must be idempotent;
    /// the secret's single use is decided here. Exchanges and wrong secrets per address are limited before.
    fn judge(&self, from: Applicant, request: Request) -> impl Future<Output = Answer> + Send;
}

/// Why joining failed before there was an answer.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The server could not be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The exchange broke.
    #[error("入网过程中断，可直接重试：{0}")]
    Exchange(#[from] ExchangeError),
    /// The server did not prove that it is the one of the code. Nothing was said to it.
    #[error(
        "TLS-01 对端未能证明它是接入码所指的平台，未向其发送任何信息：{0}。请勿跳过，电话联系签发接入码的单位核对"
    )]
    NotProven(String),
    /// The server's words do not follow the exchange.
    #[error("对端的入网应答无法识别（{0}），双方版本可能不一致，请先升级")]
    Malformed(#[from] Malformed),
}

/// Asks once. `verify` decides, from the proof and the exporter value, whether this is the authority of the code; only
/// then is the request sent, with the key's presence on this connection.
pub async fn join(
    dialer: &Dialer,
    address: &str,
    request: &Request,
    key: &SigningKey,
    verify: impl FnOnce(&Proof, &[u8; 32]) -> Result<(), String>,
) -> Result<Answer, JoinError> {
    let mut exchange = dialer.join(address).await?;
    exchange.send(&[GREETING, VERSION]).await?;
    let proof = read_proof(&exchange.receive().await?)?;
    if let Err(why) = verify(&proof, &exchange.exporter) {
        exchange.finish().await;
        return Err(JoinError::NotProven(why));
    }
    let signature = key.sign(&presence(&exchange.exporter, &request.seat));
    exchange.send(&request_bytes(request, &signature)).await?;
    let answer = read_answer(&exchange.receive().await?)?;
    exchange.finish().await;
    Ok(answer)
}

/// Asks until there is a decision, an error other than a broken line, or shutdown (`None`). `told` hears every pending
/// answer's text.
pub async fn join_until_decided(
    dialer: &Dialer,
    address: &str,
    request: &Request,
    key: &SigningKey,
    verify: impl Fn(&Proof, &[u8; 32]) -> Result<(), String>,
    mut told: impl FnMut(&str),
    shutdown: &Shutdown,
) -> Result<Option<Answer>, JoinError> {
    let mut was_pending = false;
    loop {
        let asked = join(dialer, address, request, key, &verify);
        // an answer that is lost is given again
        let Some(asked) = unless(shutdown, asked).await else {
            return Ok(None);
        };
        match asked {
            Ok(Answer::Pending(text)) => {
                told(&text);
                was_pending = true;
            }
            Ok(decided) => return Ok(Some(decided)),
            // once the server has us on its list, a broken line is only a wait
            Err(JoinError::Dial(_) | JoinError::Exchange(_)) if was_pending => {}
            Err(error) => return Err(error),
        }
        if !shutdown.pause(ASK_AGAIN).await {
            return Ok(None);
        }
    }
}

/// Serves one newcomer to the end of its exchange.
pub async fn serve<D: Desk>(mut exchange: Exchange, desk: &D) {
    let remote = exchange.remote;
    match answer(&mut exchange, desk).await {
        Ok(()) => {}
        Err(ServeError::Exchange(error)) => {
            tracing::info!(%remote, %error, "admission exchange broke off");
        }
        Err(ServeError::Malformed(error)) => {
            tracing::warn!(%remote, %error, "newcomer does not follow the exchange");
        }
        Err(ServeError::NotProven) => {
            tracing::warn!(%remote, "newcomer does not hold the key that it names");
            let refused = Answer::Refused {
                reason: "所报公钥与签名不符".to_owned(),
                contact: String::new(),
            };
            // whether it hears that makes no difference to us
            let _ = exchange.send(&answer_bytes(&refused)).await;
        }
        Err(ServeError::Desk(error)) => {
            tracing::error!(%remote, %error, "cannot prove ourselves to a newcomer");
        }
    }
    exchange.finish().await;
}

enum ServeError {
    Exchange(ExchangeError),
    Malformed(Malformed),
    NotProven,
    Desk(String),
}

impl From<ExchangeError> for ServeError {
    fn from(error: ExchangeError) -> Self {
        Self::Exchange(error)
    }
}

impl From<Malformed> for ServeError {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

async fn answer<D: Desk>(exchange: &mut Exchange, desk: &D) -> Result<(), ServeError> {
    if exchange.receive().await? != [GREETING, VERSION] {
        return Err(Malformed::of("greeting").into());
    }
    let exporter = exchange.exporter;
    let proof = desk.prove(&exporter).await.map_err(ServeError::Desk)?;
    exchange.send(&proof_bytes(&proof)).await?;
    let (request, signature) = read_request(&exchange.receive().await?)?;
    if !request
        .key
        .verifies(&presence(&exporter, &request.seat), &signature)
    {
        return Err(ServeError::NotProven);
    }
    let from = Applicant {
        remote: exchange.remote,
        peer_key: exchange.peer_key,
    };
    let answer = desk.judge(from, request).await;
    Ok(exchange.send(&answer_bytes(&answer)).await?)
}

fn proof_bytes(proof: &Proof) -> Vec<u8> {
    let mut out = vec![PROOF];
    out.put(&proof.seat.0);
    out.put(&proof.signature);
    put_envelopes(&mut out, &proof.envelopes);
    out
}

fn read_proof(bytes: &[u8]) -> Result<Proof, Malformed> {
    let mut r = Reader::new(bytes, "proof");
    if r.u8()? != PROOF {
        return Err(r.malformed());
    }
    let (seat, signature) = (SeatId(r.array()?), r.array()?);
    let envelopes = read_envelopes(&mut r)?;
    r.finish()?;
    Ok(Proof {
        seat,
        signature,
        envelopes,
    })
}

fn request_bytes(request: &Request, signature: &[u8; 64]) -> Vec<u8> {
    let mut out = vec![REQUEST];
    out.put(&request.secret);
    out.put(&request.seat.0);
    out.put(&request.key.0);
    out.put(signature);
    out.put_medium(cut(&request.title, limits::TITLE_BYTES_MAX));
    out.put_medium(cut(&request.department, limits::TITLE_BYTES_MAX));
    let types = &request.types[..request.types.len().min(limits::PERMITTED_TYPES_MAX)];
    out.put_u8(types.len() as u8);
    for name in types {
        out.put_short(cut(name, limits::NAME_BYTES_MAX));
    }
    out
}

fn read_request(bytes: &[u8]) -> Result<(Request, [u8; 64]), Malformed> {
    let mut r = Reader::new(bytes, "request");
    if r.u8()? != REQUEST {
        return Err(r.malformed());
    }
    let (secret, seat) = (r.array()?, SeatId(r.array()?));
    let (key, signature) = (PublicKey(r.array()?), r.array()?);
    let (title, department) = (r.medium_text()?, r.medium_text()?);
    let count = usize::from(r.u8()?);
    if title.len() > limits::TITLE_BYTES_MAX
        || department.len() > limits::TITLE_BYTES_MAX
        || count > limits::PERMITTED_TYPES_MAX
    {
        return Err(r.malformed());
    }
    let types = (0..count)
        .map(|_| match r.short_text()? {
            name if name.is_empty() || name.len() > limits::NAME_BYTES_MAX => Err(r.malformed()),
            name => Ok(name.to_owned()),
        })
        .collect::<Result<_, _>>()?;
    r.finish()?;
    let request = Request {
        secret,
        seat,
        key,
        title: title.to_owned(),
        department: department.to_owned(),
        types,
    };
    Ok((request, signature))
}

fn answer_bytes(answer: &Answer) -> Vec<u8> {
    let mut out = Vec::new();
    match answer {
        Answer::Approved(envelopes) => {
            out.put_u8(APPROVED);
            put_envelopes(&mut out, envelopes);
        }
        Answer::Pending(text) => {
            out.put_u8(PENDING);
            out.put_medium(cut(text, TEXT_BYTES_MAX));
        }
        Answer::Refused { reason, contact } => {
            out.put_u8(REFUSED);
            out.put_medium(cut(reason, TEXT_BYTES_MAX));
            out.put_medium(cut(contact, TEXT_BYTES_MAX));
        }
    }
    out
}

fn read_answer(bytes: &[u8]) -> Result<Answer, Malformed> {
    let mut r = Reader::new(bytes, "answer");
    let answer = match r.u8()? {
        APPROVED => Answer::Approved(read_envelopes(&mut r)?),
        PENDING => Answer::Pending(read_text(&mut r)?),
        REFUSED => Answer::Refused {
            reason: read_text(&mut r)?,
            contact: read_text(&mut r)?,
        },
        _ => return Err(r.malformed()),
    };
    r.finish()?;
    Ok(answer)
}

/// A text that will stand in somebody's terminal: bounded, without control characters.
fn read_text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    match r.medium_text()? {
        text if text.len() > TEXT_BYTES_MAX => Err(r.malformed()),
        text => Ok(text.chars().filter(|c| !c.is_control()).collect()),
    }
}

fn put_envelopes(out: &mut Vec<u8>, envelopes: &[Vec<u8>]) {
    out.put_u16(envelopes.len().min(limits::HELLO_ENVELOPES_MAX) as u16);
    let all = envelopes.iter().take(limits::HELLO_ENVELOPES_MAX);
    all.for_each(|envelope| out.put_long(envelope));
}

fn read_envelopes(r: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let count = usize::from(r.u16()?);
    if count > limits::HELLO_ENVELOPES_MAX {
        return Err(r.malformed());
    }
    (0..count).map(|_| r.long().map(<[u8]>::to_vec)).collect()
}

fn cut(text: &str, bytes_max: usize) -> &[u8] {
    &text.as_bytes()[..text.floor_char_boundary(bytes_max)]
}

const GREETING: u8 = 1;
const PROOF: u8 = 2;
const REQUEST: u8 = 3;
const APPROVED: u8 = 4;
const PENDING: u8 = 5;
const REFUSED: u8 = 6;

const _: () = assert!(
    EXCHANGE_BYTES_MAX
        > 256 + 3 * TEXT_BYTES_MAX + limits::PERMITTED_TYPES_MAX * (1 + limits::NAME_BYTES_MAX),
    "a frame holds the longest request and every text"
);
