//! Admission: how a newcomer with a code gets in, over one exchange on a connection; both sides of it.
//!
//! The bytes and what each side checks are the protocol's ([`protocol::admission`]). The newcomer says nothing about itself
//! until the server has proven, on this very connection, that it belongs to the authority and is the issuer that the code
//! names; the server uses nothing up by making an offer. Who is let in is a callback: approval is a person's.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::admission::code::Code;
use protocol::admission::exchange::{
    Ask, FromNewcomer, FromServer, Offer, Proof, Refused, Request, VERSION, refused,
};
use protocol::admission::newcomer::{
    self, Approved, NotApproved, NotProven, OfferFault, Wishes,
};
use protocol::bytes::Malformed;
use protocol::envelope::Envelope;
use protocol::name::SeatId;
use protocol::sign::{Keys, SigningKey};

use crate::link::endpoint::{DialError, Dialer};
use crate::link::exchange::{Exchange, ExchangeError};
use crate::worker::{Shutdown, unless};

#[cfg(test)]
mod tests;

/// What the newcomer hears in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Let in; with the identity and its chain.
    Approved(Vec<Envelope>),
    /// A person has to decide; come again with the same request.
    Pending {
        /// After so long.
        again_after: Duration,
        /// For people.
        text: String,
    },
    /// Not let in.
    Refused(Refused),
}

/// Who stands before the registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applicant {
    /// Where it is; limits go by this.
    pub remote: SocketAddr,
    /// SHA-256 of its TLS key.
    pub peer_key: [u8; 32],
    /// What both sides' presence signatures are over.
    pub exporter: [u8; 32],
}

/// The server's decisions.
pub trait Desk: Send + Sync + 'static {
    /// Our proof on this connection. `Err` is logged and closes the exchange.
    fn prove(&self, exporter: &[u8; 32]) -> impl Future<Output = Result<Proof, String>> + Send;

    /// As whom the holder of a secret may come; uses nothing up. Wrong secrets per address are limited before.
    fn offer(
        &self,
        from: Applicant,
        ask: Ask,
    ) -> impl Future<Output = Result<Offer, Refused>> + Send;

    /// Decides about a request for an offer that was made on the same connection. Called again with the same request by who
    /// is pending or has lost the answer, so it must be idempotent; the code's single use is decided here.
    fn judge(
        &self,
        from: Applicant,
        offer: Offer,
        request: Request,
    ) -> impl Future<Output = Answer> + Send;
}

/// A refusal in words.
pub fn refusal(code: u8, reason: impl Into<String>) -> Refused {
    Refused {
        code,
        reason: reason.into(),
        contact: String::new(),
    }
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
    NotProven(#[from] NotProven),
    /// The offer is not for this party.
    #[error("{0}")]
    Offer(#[from] OfferFault),
    /// The approval does not hold; nothing of it was stored.
    #[error("{0}。未保存其中任何内容，请立即联系签发接入码的单位核对")]
    NotApproved(#[from] NotApproved),
    /// The server's words do not follow the exchange.
    #[error("对端的入网应答无法识别（{0}），双方版本可能不一致，请先升级")]
    Malformed(#[from] Malformed),
}

/// What a newcomer joins with.
pub struct Joining<'a> {
    /// The code.
    pub code: &'a Code,
    /// The seat that this party has had, if it has one.
    pub own: Option<SeatId>,
    /// The seat's keys from now on.
    pub keys: &'a Keys,
    /// The signing key among them.
    pub key: &'a SigningKey,
    /// The signing key that the seat has had, if that is another and still here.
    pub former: Option<&'a SigningKey>,
    /// What it wants beside what it is offered.
    pub wishes: Wishes,
}

/// What came of asking once.
#[derive(Debug)]
pub enum Joined {
    /// Let in, and everything about it holds.
    Approved(Box<Approved>, Vec<Envelope>),
    /// A person has to decide.
    Pending {
        /// Ask again after so long.
        again_after: Duration,
        /// For people.
        text: String,
    },
    /// Not let in.
    Refused(Refused),
}

/// Asks once. `offered` is shown what the offer says before anything about this party is sent.
pub async fn join(
    dialer: &Dialer,
    joining: &Joining<'_>,
    mut offered: impl FnMut(&Offer),
) -> Result<Joined, JoinError> {
    let Joining { code, keys, .. } = joining;
    let mut exchange = dialer.join(&code.address).await?;
    let said = async {
        say(&mut exchange, &FromNewcomer::Greeting(VERSION)).await?;
        let proof = match hear(&mut exchange).await? {
            FromServer::Proof(proof) => proof,
            FromServer::Refused(refused) => return Ok(Joined::Refused(refused)),
            _ => return Err(Malformed::of("admission: no proof").into()),
        };
        let (directory, _) = newcomer::check_proof(code, &proof, &exchange.exporter)?;
        say(&mut exchange, &FromNewcomer::Ask(code.ask())).await?;
        let offer = match hear(&mut exchange).await? {
            FromServer::Offer(offer) => offer,
            FromServer::Refused(refused) => return Ok(Joined::Refused(refused)),
            _ => return Err(Malformed::of("admission: no offer").into()),
        };
        newcomer::check_offer(code, joining.own, &offer)?;
        offered(&offer);
        let request = newcomer::request(
            code,
            &offer,
            &directory,
            &exchange.exporter,
            keys,
            joining.key,
            joining.former,
            &joining.wishes,
        );
        say(&mut exchange, &FromNewcomer::Request(request)).await?;
        match hear(&mut exchange).await? {
            FromServer::Approved(envelopes) => {
                let approved =
                    newcomer::check_approved(&directory, code, &offer, keys, &envelopes)?;
                let mut all = proof.envelopes;
                all.extend(envelopes.into_iter().filter(|e| !all.contains(e)).collect::<Vec<_>>());
                Ok(Joined::Approved(Box::new(approved), all))
            }
            FromServer::Pending(pending) => Ok(Joined::Pending {
                again_after: Duration::from_secs(pending.again_after_s.into()),
                text: pending.text,
            }),
            FromServer::Refused(refused) => Ok(Joined::Refused(refused)),
            _ => Err(Malformed::of("admission: no answer").into()),
        }
    }
    .await;
    exchange.finish().await;
    said
}

/// Asks until there is a decision, an error other than a broken line, or shutdown (`None`). `offered` is shown the offer once,
/// `told` hears every pending answer's text.
pub async fn join_until_decided(
    dialer: &Dialer,
    joining: &Joining<'_>,
    mut offered: impl FnMut(&Offer),
    mut told: impl FnMut(&str),
    shutdown: &Shutdown,
) -> Result<Option<Joined>, JoinError> {
    let mut pause = ASK_AGAIN;
    let (mut was_pending, mut shown) = (false, false);
    loop {
        let show = |offer: &Offer| {
            if !std::mem::replace(&mut shown, true) {
                offered(offer);
            }
        };
        let asked = join(dialer, joining, show);
        // an answer that is lost is given again
        let Some(asked) = unless(shutdown, asked).await else {
            return Ok(None);
        };
        match asked {
            Ok(Joined::Pending { again_after, text }) => {
                told(&text);
                was_pending = true;
                pause = again_after;
            }
            Ok(decided) => return Ok(Some(decided)),
            // once the server has us on its list, a broken line is only a wait
            Err(JoinError::Dial(_) | JoinError::Exchange(_)) if was_pending => {}
            Err(error) => return Err(error),
        }
        if !shutdown.pause(pause).await {
            return Ok(None);
        }
    }
}

/// How long a newcomer waits before it tries again over a broken line.
pub const ASK_AGAIN: Duration = Duration::from_secs(3);

async fn say(exchange: &mut Exchange, word: &FromNewcomer) -> Result<(), JoinError> {
    Ok(exchange.send(&word.to_bytes()).await?)
}

async fn hear(exchange: &mut Exchange) -> Result<FromServer, JoinError> {
    Ok(FromServer::from_bytes(&exchange.receive().await?)?)
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
        Err(ServeError::Desk(error)) => {
            tracing::error!(%remote, %error, "cannot prove ourselves to a newcomer");
        }
    }
    exchange.finish().await;
}

enum ServeError {
    Exchange(ExchangeError),
    Malformed(Malformed),
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
    match FromNewcomer::from_bytes(&exchange.receive().await?)? {
        FromNewcomer::Greeting(VERSION) => {}
        FromNewcomer::Greeting(other) => {
            let text = format!("入网协议版本不一致：对端为 {other}，本平台为 {VERSION}。请先升级");
            let refused = FromServer::Refused(refusal(refused::VERSION, text));
            return Ok(exchange.send(&refused.to_bytes()).await?);
        }
        _ => return Err(Malformed::of("admission: no greeting").into()),
    }
    let from = Applicant {
        remote: exchange.remote,
        peer_key: exchange.peer_key,
        exporter: exchange.exporter,
    };
    let proof = desk
        .prove(&from.exporter)
        .await
        .map_err(ServeError::Desk)?;
    exchange
        .send(&FromServer::Proof(proof).to_bytes())
        .await?;
    let FromNewcomer::Ask(ask) = FromNewcomer::from_bytes(&exchange.receive().await?)? else {
        return Err(Malformed::of("admission: no ask").into());
    };
    let offer = match desk.offer(from, ask).await {
        Ok(offer) => offer,
        Err(refused) => {
            return Ok(exchange
                .send(&FromServer::Refused(refused).to_bytes())
                .await?);
        }
    };
    exchange
        .send(&FromServer::Offer(offer.clone()).to_bytes())
        .await?;
    let FromNewcomer::Request(request) = FromNewcomer::from_bytes(&exchange.receive().await?)?
    else {
        return Err(Malformed::of("admission: no request").into());
    };
    let answer = match desk.judge(from, offer, request).await {
        Answer::Approved(envelopes) => FromServer::Approved(envelopes),
        Answer::Pending { again_after, text } => {
            FromServer::Pending(protocol::admission::exchange::Pending {
                again_after_s: again_after.as_secs().clamp(1, 60) as u16,
                text,
            })
        }
        Answer::Refused(refused) => FromServer::Refused(refused),
    };
    Ok(exchange.send(&answer.to_bytes()).await?)
}
