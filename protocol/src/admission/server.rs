//! What a server decides about an ask and a request, over what it knows of the invitation. Binding the invitation to the
//! first keys, and admitting, are each one transaction of the server's store.

use crate::directory::{Directory, VerifiedIdentity};
use crate::hash::{Hash, Ref};
use crate::presence;
use crate::sign::Keys;
use crate::statement::{BindsFrom, Consent, Identity, SeatKind, possession_hash};

use super::exchange::{Ask, Offer, Request, refused};
use super::{same, secret_hash};

/// What a server keeps of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Hash of the secret.
    pub secret_hash: Hash,
    /// What it lets in.
    pub kind: SeatKind,
    /// Not used after this, in seconds since 1970.
    pub expires_s: u32,
    /// Whether it was called back.
    pub revoked: bool,
    /// Fingerprint of the keys that have used it, if any have.
    pub key_hash: Option<Hash>,
}

/// Judges an ask. `invitation` is what was found under the secret's hash. `Err` is a code of [`refused`]. An invitation that
/// was used in time may be asked about later, by whoever waits for a person or has lost the answer.
pub fn judge_ask(invitation: Option<&Invitation>, ask: &Ask, now_s: i64) -> Result<(), u8> {
    let hash = secret_hash(&ask.secret);
    let Some(invitation) = invitation.filter(|i| same(&i.secret_hash, &hash)) else {
        return Err(refused::UNKNOWN);
    };
    if invitation.revoked {
        return Err(refused::REVOKED);
    }
    if invitation.key_hash.is_none() && now_s > i64::from(invitation.expires_s) {
        return Err(refused::EXPIRED);
    }
    if ask.kind != invitation.kind as u8 {
        return Err(refused::KIND);
    }
    Ok(())
}

/// Whether the former keys agree to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormerKeys {
    /// There are none, or they are the same.
    Same,
    /// They have signed for the new ones.
    Agree,
    /// They have not signed: the person who decides is told, and only the city may let it in, with a reason.
    Silent,
}

/// Judges a request on this connection against the offer that was made on it. `former` is the seat's identity up to now.
/// `Err` is a code of [`refused`]. What is good is then bound to the invitation in one transaction, which refuses another
/// key with [`refused::ANOTHER_KEY`] whatever was found here.
pub fn judge_request(
    directory: &Directory,
    invitation: &Invitation,
    offer: &Offer,
    former: Option<&VerifiedIdentity>,
    request: &Request,
    exporter: &[u8; 32],
) -> Result<FormerKeys, u8> {
    if !same(&invitation.secret_hash, &secret_hash(&request.secret)) {
        return Err(refused::UNKNOWN);
    }
    let keys = &request.keys;
    let sealed = !invitation.kind.is_node() || keys.seal().is_some();
    let possession = possession_hash(&offer.seat, &directory.authority(), keys);
    let proven = request.seat == offer.seat
        && sealed
        && request.possession.verify(keys, &possession)
        && presence::verify(keys, &offer.seat, exporter, &request.presence);
    if !proven {
        return Err(refused::PROOF);
    }
    if invitation
        .key_hash
        .is_some_and(|used| used != keys.fingerprint())
    {
        return Err(refused::ANOTHER_KEY);
    }
    let former = former.map(|f| &f.identity().keys);
    match former {
        Some(former) if former != keys => match consent(directory, offer, request, former) {
            Consent::Full => Ok(FormerKeys::Agree),
            Consent::NotFull => Ok(FormerKeys::Silent),
            Consent::Bad => Err(refused::PROOF),
        },
        _ if request.consent.is_empty() => Ok(FormerKeys::Same),
        _ => Err(refused::PROOF),
    }
}

fn consent(directory: &Directory, offer: &Offer, request: &Request, former: &Keys) -> Consent {
    crate::statement::consent(
        &request.consent,
        former,
        &possession_hash(&offer.seat, &directory.authority(), &request.keys),
    )
}

/// What the server adds to a request to make an identity of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The serial: one more than the seat's last.
    pub serial: u32,
    /// Record types that it may state: those asked for that the person has let stand. Nodes have none.
    pub permitted: Vec<String>,
    /// Whether it may admit seats.
    pub admits: bool,
    /// Why keys are replaced without the full consent of the former; empty otherwise.
    pub reason: String,
    /// From where it binds.
    pub binds_from: [BindsFrom; 3],
    /// The issuer's identity.
    pub issuer: Ref,
}

/// Composes the identity that lets a request in; the issuer signs it. [`Identity::check`] says whether it can be stated.
pub fn compose(offer: &Offer, request: &Request, terms: Terms) -> Identity {
    let mut permitted = terms.permitted;
    permitted.sort();
    permitted.dedup();
    let title = match request.title.as_str() {
        "" => &offer.title,
        _ => &request.title,
    };
    Identity {
        seat: offer.seat,
        serial: terms.serial,
        kind: offer.kind,
        organisation: offer.organisation.clone(),
        title: title.clone(),
        jurisdiction: offer.jurisdiction.clone(),
        node: offer.node,
        keys: request.keys.clone(),
        possession: request.possession.clone(),
        consent: request.consent.clone(),
        reason: terms.reason,
        permitted,
        admits: terms.admits,
        binds_from: terms.binds_from,
        issuer: terms.issuer,
    }
}
