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
    AGAIN_AFTER_S_MAX, Ask, FromNewcomer, FromServer, Offer, Pending, Proof, Refused, Request,
    VERSION, refused,
};
use protocol::admission::newcomer::{self, Approved, NotApproved, NotProven, OfferFault, Wishes};
use protocol::bytes::Malformed;
use protocol::envelope::Envelope;
use protocol::name::SeatId;
use protocol::sign::{Keys, SigningKey};

use crate::link::WRONG_WINDOW;
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
        /// After so long; a minute at most.
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

    /// Decides about a request for an offer that was made on the same connection, with the secret that was asked about there.
    /// Called again with the same request by who
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
            // who has not proven anything is heard about nothing else
            FromServer::Refused(refused) if refused.code == refused::VERSION => {
                return Ok(Joined::Refused(refused));
            }
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
                for envelope in envelopes {
                    if !all.contains(&envelope) {
                        all.push(envelope);
                    }
                }
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

/// Asks until there is a decision, an error that more asking does not mend, or shutdown (`None`). `offered` is shown the offer,
/// again only if it is another than before. `told` hears the text of every pending answer, and why it is asked again
/// otherwise: once an offer was made the request may have arrived, so a broken line is only a wait, for the same request is
/// given the same answer; and so is, while a person decides, that the address is over its limit.
pub async fn join_until_decided(
    dialer: &Dialer,
    joining: &Joining<'_>,
    mut offered: impl FnMut(&Offer),
    mut told: impl FnMut(&str),
    shutdown: &Shutdown,
) -> Result<Option<Joined>, JoinError> {
    let mut shown: Option<Offer> = None;
    let mut pending = false;
    loop {
        let show = |offer: &Offer| {
            if shown.as_ref() != Some(offer) {
                offered(offer);
                shown = Some(offer.clone());
            }
        };
        let Some(asked) = unless(shutdown, join(dialer, joining, show)).await else {
            return Ok(None);
        };
        let pause = match asked {
            Ok(Joined::Pending { again_after, text }) => {
                pending = true;
                told(&text);
                again_after
            }
            Ok(Joined::Refused(refused)) if pending && refused.code == refused::TOO_MANY => {
                told(&refused.reason);
                WRONG_WINDOW
            }
            Ok(decided) => return Ok(Some(decided)),
            Err(error @ (JoinError::Dial(_) | JoinError::Exchange(_))) if shown.is_some() => {
                told(&error.to_string());
                ASK_AGAIN
            }
            Err(error) => return Err(error),
        };
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
        Err(ServeError::Exchange(error @ ExchangeError::NotSent(_))) => {
            tracing::error!(%remote, %error, "what a newcomer is to be told does not fit the exchange");
        }
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
    match listen(exchange).await? {
        FromNewcomer::Greeting(VERSION) => {}
        FromNewcomer::Greeting(other) => {
            let text = format!(
                "入网协议版本不一致：申请方为 {other}，本平台为 {VERSION}。请将版本较低的一方升级后重试"
            );
            return tell(
                exchange,
                FromServer::Refused(refusal(refused::VERSION, text)),
            )
            .await;
        }
        _ => return Err(Malformed::of("admission: no greeting").into()),
    }
    let from = Applicant {
        remote: exchange.remote,
        peer_key: exchange.peer_key,
        exporter: exchange.exporter,
    };
    let proof = desk.prove(&from.exporter).await.map_err(ServeError::Desk)?;
    tell(exchange, FromServer::Proof(proof)).await?;
    let FromNewcomer::Ask(ask) = listen(exchange).await? else {
        return Err(Malformed::of("admission: no ask").into());
    };
    let secret = ask.secret;
    let offer = match desk.offer(from, ask).await {
        Ok(offer) => offer,
        Err(refused) => return tell(exchange, FromServer::Refused(refused)).await,
    };
    tell(exchange, FromServer::Offer(offer.clone())).await?;
    let FromNewcomer::Request(request) = listen(exchange).await? else {
        return Err(Malformed::of("admission: no request").into());
    };
    // secrets are tried by asking, where attempts are counted
    if request.secret != secret {
        let text = "申请所用的接入码与先前询问的不是同一个，请重新申请";
        return tell(
            exchange,
            FromServer::Refused(refusal(refused::UNKNOWN, text)),
        )
        .await;
    }
    let answer = match desk.judge(from, offer, request).await {
        Answer::Approved(envelopes) => FromServer::Approved(envelopes),
        Answer::Pending { again_after, text } => {
            let most = u64::from(AGAIN_AFTER_S_MAX);
            FromServer::Pending(Pending {
                again_after_s: again_after.as_secs().clamp(1, most) as u16,
                text,
            })
        }
        Answer::Refused(refused) => FromServer::Refused(refused),
    };
    tell(exchange, answer).await
}

async fn listen(exchange: &mut Exchange) -> Result<FromNewcomer, ServeError> {
    Ok(FromNewcomer::from_bytes(&exchange.receive().await?)?)
}

async fn tell(exchange: &mut Exchange, word: FromServer) -> Result<(), ServeError> {
    Ok(exchange.send(&word.to_bytes()).await?)
}
