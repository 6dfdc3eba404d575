//! What a newcomer checks before it goes on: the server's proof, the offer, the approval; and the request that it makes.

use crate::directory::{Directory, StatementFault, VerifiedIdentity};
use crate::envelope::{Envelope, kind};
use crate::name::SeatId;
use crate::presence;
use crate::sign::{Keys, SigningKey, Sigs};
use crate::statement::possession_hash;

use super::code::Code;
use super::exchange::{Ask, Offer, Proof, Request};

/// Why a server is not believed to be the one of the code. Nothing is said to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotProven {
    /// It does not show the root version that the code names.
    #[error("其根声明不是接入码所指的根声明")]
    Authority,
    /// Another seat has issued the code.
    #[error("应答的席位不是签发接入码的席位")]
    AnotherSeat,
    /// Its identity does not verify up to the root, or was called back.
    #[error("其身份声明未通过校验或已被撤销")]
    Identity,
    /// It may not let anybody in.
    #[error("其身份没有准入其他席位的权限")]
    AdmitsNobody,
    /// It does not hold its keys on this connection.
    #[error("未能证明持有其密钥")]
    Presence,
}

/// Checks the server's proof against the code. Gives the directory that it has shown, and the server's identity; only then
/// may the [`Ask`] be sent.
pub fn check_proof(
    code: &Code,
    proof: &Proof,
    exporter: &[u8; 32],
) -> Result<(Directory, VerifiedIdentity), NotProven> {
    let mut envelopes = proof.envelopes.iter();
    let root = envelopes
        .find(|e| {
            e.kind == kind::ROOT
                && e.reference()
                    .is_some_and(|root| code.names_authority(&root))
        })
        .ok_or(NotProven::Authority)?;
    let mut directory =
        Directory::trusting(root, &code.authority).map_err(|_| NotProven::Authority)?;
    admit_all(&mut directory, &proof.envelopes);
    if !code.names_issuer(&proof.seat) {
        return Err(NotProven::AnotherSeat);
    }
    let server = directory
        .identity(&proof.seat)
        .ok_or(NotProven::Identity)?
        .clone();
    if !server.identity().admits {
        return Err(NotProven::AdmitsNobody);
    }
    let keys = &server.identity().keys;
    match presence::verify(keys, &proof.seat, exporter, &proof.presence) {
        true => Ok((directory, server)),
        false => Err(NotProven::Presence),
    }
}

/// Takes up what verifies, in whatever order it was sent. What does not is not believed; whether it matters shows at whose
/// identity is asked for.
fn admit_all(directory: &mut Directory, envelopes: &[Envelope]) {
    let mut waiting: Vec<&Envelope> = envelopes.iter().collect();
    loop {
        let before = waiting.len();
        // what waits for something has not cost a signature yet
        waiting.retain(|envelope| {
            matches!(directory.admit(envelope), Err(StatementFault::Unknown(_)))
        });
        if waiting.len() == before {
            break;
        }
    }
}

impl Code {
    /// What to ask the server once it has proven itself.
    pub fn ask(&self) -> Ask {
        Ask {
            secret: self.secret,
            kind: self.kind as u8,
        }
    }
}

/// Why an offer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OfferFault {
    /// For another kind of seat than the code.
    #[error("对端提供的席位种类与接入码不一致，请联系签发接入码的单位")]
    Kind,
    /// For another seat than the one that is here.
    #[error(
        "本机已是席位 {own}，接入码却用于席位 {offered}：请使用为本席位签发的接入码，或改用新的数据目录"
    )]
    AnotherSeat {
        /// The seat that is here.
        own: SeatId,
        /// The seat that is offered.
        offered: SeatId,
    },
}

/// Checks an offer: `own` is the seat that this party has had, if it has one. A person sees organisation and title before
/// the request is sent.
pub fn check_offer(code: &Code, own: Option<SeatId>, offer: &Offer) -> Result<(), OfferFault> {
    if offer.kind != code.kind {
        return Err(OfferFault::Kind);
    }
    match own {
        Some(own) if own != offer.seat => Err(OfferFault::AnotherSeat {
            own,
            offered: offer.seat,
        }),
        _ => Ok(()),
    }
}

/// What a newcomer wants beside what it is offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Name for people; empty: as offered.
    pub title: String,
    /// Record types that it wants to state.
    pub types: Vec<String>,
}

/// The request for an offer. `key` and `keys` are the seat's new ones; `former` is the key that the seat has had, if that is
/// another and still here.
#[expect(clippy::too_many_arguments, reason = "each is another party's word")]
pub fn request(
    code: &Code,
    offer: &Offer,
    directory: &Directory,
    exporter: &[u8; 32],
    keys: &Keys,
    key: &SigningKey,
    former: Option<&SigningKey>,
    wishes: &Wishes,
) -> Request {
    let possession = possession_hash(&offer.seat, &directory.authority(), keys);
    Request {
        secret: code.secret,
        seat: offer.seat,
        keys: keys.clone(),
        possession: Sigs::of(key.sign(&possession)),
        presence: presence::sign(&offer.seat, exporter, key),
        consent: former.map_or(Sigs::default(), |f| Sigs::of(f.sign(&possession))),
        title: wishes.title.clone(),
        types: wishes.types.clone(),
    }
}

/// Why an approval is not taken; nothing of it is stored, and it is an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotApproved {
    /// No identity of this seat among what verifies.
    #[error("平台发来的入网声明中没有本席位的有效身份")]
    Identity,
    /// It names other keys.
    #[error("平台发来的身份声明所载密钥不是本机的密钥")]
    Keys,
    /// It is of another kind than the code.
    #[error("平台发来的身份声明的席位种类与接入码不一致")]
    Kind,
    /// It names another organisation, jurisdiction or node than the offer.
    #[error("平台发来的身份声明的机构、辖区或所属节点与先前出示的不一致")]
    Terms,
}

/// What an approval amounts to.
#[derive(Debug, Clone)]
pub struct Approved {
    /// The directory with everything that verifies.
    pub directory: Directory,
    /// This party's identity.
    pub identity: VerifiedIdentity,
}

/// Checks an approval against what was offered and asked. `directory` is what the proof has shown.
pub fn check_approved(
    directory: &Directory,
    code: &Code,
    offer: &Offer,
    keys: &Keys,
    envelopes: &[Envelope],
) -> Result<Approved, NotApproved> {
    let mut directory = directory.clone();
    admit_all(&mut directory, envelopes);
    let identity = directory
        .identity(&offer.seat)
        .ok_or(NotApproved::Identity)?
        .clone();
    let stated = identity.identity();
    if stated.keys != *keys {
        return Err(NotApproved::Keys);
    }
    if stated.kind != code.kind {
        return Err(NotApproved::Kind);
    }
    let as_offered = stated.organisation == offer.organisation
        && stated.jurisdiction == offer.jurisdiction
        && stated.node == offer.node;
    if !as_offered {
        return Err(NotApproved::Terms);
    }
    Ok(Approved {
        directory,
        identity,
    })
}

/// The keys' fingerprint as both ends show it to people: the first 20 hexadecimal digits in groups of four.
pub fn fingerprint(keys: &Keys) -> String {
    let digits = keys.fingerprint().to_string();
    let groups: Vec<&str> = (0..5).map(|at| &digits[4 * at..4 * at + 4]).collect();
    groups.join(" ")
}
