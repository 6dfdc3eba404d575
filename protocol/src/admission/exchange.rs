//! The admission exchange: its frames as bytes. One bidirectional stream, frames after their length as u32, no deadline but
//! the carrier's.
//!
//! ```text
//! 1 greeting  newcomer  01 version
//! 2 proof     server    02 seat sigs(presence) n u16 (1-256) n times envelope long
//! 3 ask       newcomer  03 secret[10] kind u8
//! 4 offer     server    04 seat kind u8 organisation short title medium jurisdiction short node[16] former ref
//! 5 request   newcomer  05 secret[10] seat keys sigs(possession) sigs(presence) sigs(consent) title medium n u8 n times type short
//! 6 approved  server    06 n u16 (1-256) n times envelope long
//! 7 pending   server    07 again after u16 (1-60) text medium
//! 8 refused   server    08 code u8 reason medium contact medium
//! ```

use crate::bytes::{Malformed, Put, Reader};
use crate::code;
use crate::envelope::Envelope;
use crate::hash::Ref;
use crate::limits;
use crate::name::SeatId;
use crate::sign::{Keys, Sigs};
use crate::statement::{SeatKind, is_permitted_name};

use super::SECRET_BYTES;

/// Version of the exchange that this release speaks.
pub const VERSION: u8 = 2;

const GREETING: u8 = 1;
const PROOF: u8 = 2;
const ASK: u8 = 3;
const OFFER: u8 = 4;
const REQUEST: u8 = 5;
const APPROVED: u8 = 6;
const PENDING: u8 = 7;
const REFUSED: u8 = 8;

/// What the newcomer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromNewcomer {
    /// First of all: the version that it speaks. Another than [`VERSION`] is refused with [`refused::VERSION`].
    Greeting(u8),
    /// What the code is for.
    Ask(Ask),
    /// Who wants to get in.
    Request(Request),
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// That it is who the code names.
    Proof(Proof),
    /// As whom the newcomer may come.
    Offer(Offer),
    /// Let in: the identity and its chain.
    Approved(Vec<Envelope>),
    /// A person has to decide.
    Pending(Pending),
    /// Not let in.
    Refused(Refused),
}

/// What the server shows before it learns anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The server's own seat.
    pub seat: SeatId,
    /// Its signatures of presence on this connection.
    pub presence: Sigs,
    /// Root versions, the chain of identities, revocations on the chain.
    pub envelopes: Vec<Envelope>,
}

/// The code's secret and what it should be for.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The code's one-time secret.
    pub secret: [u8; SECRET_BYTES],
    /// Kind of seat that the code is for, as a number.
    pub kind: u8,
}

/// As whom the newcomer may come; nothing has been used up by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The seat that was minted with the invitation, or the one that is renewed.
    pub seat: SeatId,
    /// Its kind.
    pub kind: SeatKind,
    /// Its organisation code.
    pub organisation: String,
    /// Its name for people.
    pub title: String,
    /// Its jurisdiction.
    pub jurisdiction: String,
    /// Its node.
    pub node: SeatId,
    /// The seat's identity up to now; zero if it has none.
    pub former: Ref,
}

/// Who wants to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The code's one-time secret.
    pub secret: [u8; SECRET_BYTES],
    /// The seat of the offer.
    pub seat: SeatId,
    /// Its keys.
    pub keys: Keys,
    /// Their signatures over seat, authority and keys.
    pub possession: Sigs,
    /// Their signatures of presence on this connection.
    pub presence: Sigs,
    /// The former keys' signatures over seat, authority and keys, if there are former keys and they are others.
    pub consent: Sigs,
    /// Name for people; empty: as offered.
    pub title: String,
    /// Record types that it wants to state: names, or `prefix.*`.
    pub types: Vec<String>,
}

/// A person has to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Seconds after which to come again with the same request: 1 to [`AGAIN_AFTER_S_MAX`].
    pub again_after_s: u16,
    /// For people.
    pub text: String,
}

/// Not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why; see [`refused`]. Others are shown as numbers.
    pub code: u8,
    /// The same for people.
    pub reason: String,
    /// Whom to ask.
    pub contact: String,
}

/// Codes of [`Refused`]. Numbers are permanent.
pub mod refused {
    /// No invitation has this secret.
    pub const UNKNOWN: u8 = 1;
    /// The invitation has expired.
    pub const EXPIRED: u8 = 2;
    /// The invitation was used by another key.
    pub const ANOTHER_KEY: u8 = 3;
    /// The invitation is for another kind of seat.
    pub const KIND: u8 = 4;
    /// Keys or proofs are bad.
    pub const PROOF: u8 = 5;
    /// A person has refused.
    pub const BY_PERSON: u8 = 6;
    /// The invitation was called back.
    pub const REVOKED: u8 = 7;
    /// The exchange's version is not spoken here.
    pub const VERSION: u8 = 8;
    /// Too many attempts.
    pub const TOO_MANY: u8 = 9;
}

/// Greatest pause before a newcomer asks again, in seconds.
pub const AGAIN_AFTER_S_MAX: u16 = 60;
/// Bytes of a text to people in an answer.
pub const TEXT_BYTES_MAX: usize = 1_000;
/// Envelopes of a proof or an approval.
pub const ENVELOPES_MAX: usize = 256;

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ask({})", self.kind)
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fingerprint = self.keys.fingerprint();
        write!(f, "Request({} {fingerprint:?} {})", self.seat, self.title)
    }
}

impl FromNewcomer {
    /// Bytes of the frame, without its length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Greeting(version) => out.put(&[GREETING, *version]),
            Self::Ask(ask) => {
                out.put_u8(ASK);
                out.put(&ask.secret);
                out.put_u8(ask.kind);
            }
            Self::Request(request) => {
                out.put_u8(REQUEST);
                out.put(&request.secret);
                out.put(&request.seat.0);
                request.keys.put(&mut out);
                request.possession.put(&mut out);
                request.presence.put(&mut out);
                request.consent.put(&mut out);
                out.put_medium(cut(&request.title, limits::TITLE_BYTES_MAX));
                let types = request.types.iter().take(limits::PERMITTED_TYPES_MAX);
                out.put_u8(types.len() as u8);
                types.for_each(|name| out.put_short(cut(name, limits::NAME_BYTES_MAX)));
            }
        }
        out
    }

    /// Reads a frame, without its length. Of a greeting of another version nothing but the version is read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = frame(bytes, "admission: from a newcomer")?;
        let read = match r.u8()? {
            GREETING => match r.u8()? {
                VERSION => Self::Greeting(VERSION),
                other => return Ok(Self::Greeting(other)),
            },
            ASK => Self::Ask(Ask {
                secret: r.array()?,
                kind: r.u8()?,
            }),
            REQUEST => Self::Request(read_request(&mut r)?),
            _ => return Err(r.malformed()),
        };
        r.finish()?;
        Ok(read)
    }
}

fn read_request(r: &mut Reader<'_>) -> Result<Request, Malformed> {
    let (secret, seat) = (r.array()?, SeatId(r.array()?));
    let keys = Keys::read(r)?;
    let (possession, presence) = (Sigs::read(r)?, Sigs::read(r)?);
    let (consent, title) = (Sigs::read(r)?, r.medium_text()?);
    let n = usize::from(r.u8()?);
    if title.len() > limits::TITLE_BYTES_MAX || n > limits::PERMITTED_TYPES_MAX {
        return Err(r.malformed());
    }
    let mut types = Vec::new();
    for _ in 0..n {
        let name = r.short_text()?;
        if !is_permitted_name(name) {
            return Err(r.malformed());
        }
        types.push(name.to_owned());
    }
    Ok(Request {
        secret,
        seat,
        keys,
        possession,
        presence,
        consent,
        title: title.to_owned(),
        types,
    })
}

impl FromServer {
    /// Bytes of the frame, without its length. Texts over their bound are cut.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Proof(proof) => {
                out.put_u8(PROOF);
                out.put(&proof.seat.0);
                proof.presence.put(&mut out);
                put_envelopes(&proof.envelopes, &mut out);
            }
            Self::Offer(offer) => {
                out.put_u8(OFFER);
                out.put(&offer.seat.0);
                out.put_u8(offer.kind as u8);
                out.put_short(offer.organisation.as_bytes());
                out.put_medium(offer.title.as_bytes());
                out.put_short(offer.jurisdiction.as_bytes());
                out.put(&offer.node.0);
                offer.former.put(&mut out);
            }
            Self::Approved(envelopes) => {
                out.put_u8(APPROVED);
                put_envelopes(envelopes, &mut out);
            }
            Self::Pending(pending) => {
                out.put_u8(PENDING);
                out.put_u16(pending.again_after_s);
                out.put_medium(cut(&pending.text, TEXT_BYTES_MAX));
            }
            Self::Refused(refused) => {
                out.put_u8(REFUSED);
                out.put_u8(refused.code);
                out.put_medium(cut(&refused.reason, TEXT_BYTES_MAX));
                out.put_medium(cut(&refused.contact, TEXT_BYTES_MAX));
            }
        }
        out
    }

    /// Reads a frame, without its length. Control characters are taken out of texts to people, since these will stand in
    /// somebody's terminal.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = frame(bytes, "admission: from a server")?;
        let read = match r.u8()? {
            PROOF => Self::Proof(Proof {
                seat: SeatId(r.array()?),
                presence: Sigs::read(&mut r)?,
                envelopes: read_envelopes(&mut r)?,
            }),
            OFFER => Self::Offer(read_offer(&mut r)?),
            APPROVED => Self::Approved(read_envelopes(&mut r)?),
            PENDING => Self::Pending(Pending {
                again_after_s: match r.u16()? {
                    seconds @ 1..=AGAIN_AFTER_S_MAX => seconds,
                    _ => return Err(r.malformed()),
                },
                text: read_text(&mut r)?,
            }),
            REFUSED => Self::Refused(Refused {
                code: r.u8()?,
                reason: read_text(&mut r)?,
                contact: read_text(&mut r)?,
            }),
            _ => return Err(r.malformed()),
        };
        r.finish()?;
        Ok(read)
    }
}

fn read_offer(r: &mut Reader<'_>) -> Result<Offer, Malformed> {
    let seat = SeatId(r.array()?);
    let kind = SeatKind::from_u8(r.u8()?).ok_or(r.malformed())?;
    let (organisation, title) = (code::read_organisation(r)?, r.medium_text()?);
    let (jurisdiction, node) = (code::read_region(r)?, SeatId(r.array()?));
    let former = Ref::read(r)?;
    let nobody = SeatId::default();
    if title.is_empty() || title.len() > limits::TITLE_BYTES_MAX || [seat, node].contains(&nobody) {
        return Err(r.malformed());
    }
    Ok(Offer {
        seat,
        kind,
        organisation: organisation.to_owned(),
        title: without_controls(title),
        jurisdiction: jurisdiction.to_owned(),
        node,
        former,
    })
}

fn frame<'a>(bytes: &'a [u8], what: &'static str) -> Result<Reader<'a>, Malformed> {
    match bytes.len() <= limits::EXCHANGE_BYTES_MAX {
        true => Ok(Reader::new(bytes, what)),
        false => Err(Malformed::of(what)),
    }
}

fn read_text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    match r.medium_text()? {
        text if text.len() > TEXT_BYTES_MAX => Err(r.malformed()),
        text => Ok(without_controls(text)),
    }
}

fn without_controls(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn put_envelopes(envelopes: &[Envelope], out: &mut Vec<u8>) {
    out.put_u16(envelopes.len() as u16);
    envelopes.iter().for_each(|e| out.put_long(&e.to_bytes()));
}

fn read_envelopes(r: &mut Reader<'_>) -> Result<Vec<Envelope>, Malformed> {
    let n = usize::from(r.u16()?);
    if n == 0 || n > ENVELOPES_MAX {
        return Err(r.malformed());
    }
    let mut envelopes = Vec::new();
    for _ in 0..n {
        envelopes.push(Envelope::from_bytes(r.long()?)?);
    }
    Ok(envelopes)
}

/// The text without what is over the bound.
fn cut(text: &str, bytes_max: usize) -> &[u8] {
    &text.as_bytes()[..text.floor_char_boundary(bytes_max)]
}

const _: () = assert!(
    limits::EXCHANGE_BYTES_MAX
        > 4_096 + 2 * TEXT_BYTES_MAX + limits::PERMITTED_TYPES_MAX * (1 + limits::NAME_BYTES_MAX),
    "a frame holds the longest request and every text"
);
