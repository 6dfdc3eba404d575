//! Judging a header: whose word it is, and whether that seat may say it. Only then is anybody blamed.

use crate::batch::{Header, HeaderFront};
use crate::blame::{self, Blame};
use crate::bytes::Malformed;
use crate::directory::{Directory, HeaderStanding, VerifiedIdentity};
use crate::envelope::{Envelope, kind};
use crate::hash::Ref;
use crate::name::{Position, SeatId};
use crate::words::reason;

/// A header whose identity, opening and signatures have been checked; made only by [`verify_header`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHeader {
    header: Header,
    reference: Ref,
    envelope: Envelope,
    identity: VerifiedIdentity,
}

impl VerifiedHeader {
    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }
    /// Its reference.
    pub const fn reference(&self) -> Ref {
        self.reference
    }
    /// The canonical envelope: with exactly the signatures that the identity demands. This one is stored and relayed.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }
    /// The identity that it is signed under.
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }
}

/// Where a header says that it stands. Nobody's word until the header is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderPlace {
    /// Seat.
    pub seat: SeatId,
    /// Lane, also one that this release does not read.
    pub lane: u8,
    /// Opening of its epoch; zero if the bytes name none.
    pub opening: Ref,
    /// Sequence.
    pub sequence: u64,
}

impl HeaderPlace {
    /// Where an envelope's header says that it stands, whoever has signed it.
    pub fn read(envelope: &Envelope) -> Result<Self, Malformed> {
        Ok(HeaderFront::read(&envelope.bytes)?.into())
    }

    /// Where a header stands.
    pub const fn of(header: &Header) -> Self {
        Self {
            seat: header.seat,
            lane: header.lane as u8,
            opening: header.opening,
            sequence: header.sequence,
        }
    }
}

impl From<HeaderFront> for HeaderPlace {
    fn from(front: HeaderFront) -> Self {
        Self {
            seat: front.seat,
            lane: front.lane,
            opening: front.opening,
            sequence: front.sequence,
        }
    }
}

/// Why a header was not verified, and whose fault that is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Not a header at all, or too short to say whose it is: the relay is at fault.
    #[error("批头的字节不合规定（{}）", .0.what)]
    Malformed(#[from] Malformed),
    /// A format, name suite or lane that this release does not read. What to do with it, [`crate::blame::judge_unread`] says.
    #[error("本版本不能识别这一批头，升级后可识别")]
    Unread,
    /// Signed under an identity that is not known here yet: hold it (D22).
    #[error("批头所依据的身份声明 {0} 尚未收到，暂存等待")]
    UnknownIdentity(Ref),
    /// In an epoch whose opening is not known here yet: hold it.
    #[error("批头所属时期的启用声明 {0} 尚未收到，暂存等待")]
    UnknownOpening(Ref),
    /// The signatures are not those that the named identity demands, or not of the seat that the header speaks for: nobody's
    /// word. The relay is at fault, no log stops.
    #[error("席位 {} 第 {} 批的批头签名未通过校验", .0.seat, .0.sequence)]
    BadSignature(HeaderPlace),
    /// The seat has signed what may not be. Kept as evidence; its log stops there.
    #[error("席位 {} 签署的第 {} 批批头不合规定（{what}）", place.seat, place.sequence)]
    Origin {
        /// Where.
        place: HeaderPlace,
        /// What is wrong.
        what: &'static str,
    },
    /// What is signed may not be, and the identity that it is signed under was called back or is contested: no word of the
    /// seat's. Dropped and counted; no log stops.
    #[error("席位 {} 第 {} 批的批头不合规定，且其身份声明不作数", .place.seat, .place.sequence)]
    Disowned {
        /// Where.
        place: HeaderPlace,
        /// Why it is no word of the seat's.
        standing: HeaderStanding,
    },
    /// It verifies, and does not count where it stands: its key is not the one that binds there
    /// ([`HeaderStanding::KeyNoLongerBinds`]), its seat was called back, its epoch or its place is contested or void. Kept as
    /// history; the log stops or is held there and is shown so.
    #[error("席位 {} 第 {} 批的批头签名有效，但不作数", header.header.seat, header.header.sequence)]
    DoesNotCount {
        /// The header, all that is its own found good.
        header: Box<VerifiedHeader>,
        /// Why it does not count; never [`HeaderStanding::Stands`].
        standing: HeaderStanding,
    },
}

impl HeaderFault {
    /// Whose fault it is; of what is unread, see [`crate::blame::judge_unread`].
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Malformed(_) | Self::BadSignature(_) => Blame::Relay,
            Self::Origin { .. } => Blame::Origin,
            Self::DoesNotCount { standing, .. } => match standing {
                HeaderStanding::KeyNoLongerBinds | HeaderStanding::Void => Blame::Origin,
                _ => Blame::Nobody,
            },
            Self::Unread
            | Self::UnknownIdentity(_)
            | Self::UnknownOpening(_)
            | Self::Disowned { .. } => Blame::Nobody,
        }
    }

    /// The reason under which its log is held or stopped, as parties tell each other; `None` if no log is concerned.
    pub const fn reason(&self) -> Option<u16> {
        match self {
            Self::Malformed(_) | Self::BadSignature(_) | Self::Disowned { .. } => None,
            Self::Unread => Some(reason::UNREAD),
            Self::UnknownIdentity(_) => Some(reason::IDENTITY_UNKNOWN),
            Self::UnknownOpening(_) => Some(reason::OPENING_UNKNOWN),
            Self::Origin { .. } => Some(reason::SEALED_WRONGLY),
            Self::DoesNotCount { standing, .. } => standing.reason(),
        }
    }
}

/// Checks a header's envelope against the directory, in this order: it is one that this release reads; its identity is known;
/// its signatures are those that the identity demands, and that is one of the seat that it speaks for; it reads; it is in the epoch
/// that it names; it counts where it stands.
pub fn verify_header(
    directory: &Directory,
    envelope: &Envelope,
) -> Result<VerifiedHeader, HeaderFault> {
    if envelope.kind != kind::HEADER {
        return Err(Malformed::of("header: kind").into());
    }
    if !blame::reads(envelope) {
        return Err(HeaderFault::Unread);
    }
    let front = HeaderFront::read(&envelope.bytes)?;
    let place = HeaderPlace::from(front);
    let named = directory
        .identity_by_ref(&front.identity)
        .ok_or(HeaderFault::UnknownIdentity(front.identity))?;
    let canonical = envelope
        .canonical(&named.identity().keys)
        .ok_or(HeaderFault::BadSignature(place))?;
    if named.identity().seat != front.seat {
        // only what the seat itself has signed can be its fault
        let own = directory.identity(&front.seat);
        let signed = own.is_some_and(|i| envelope.canonical(&i.identity().keys).is_some());
        let what = "it names the identity of another seat";
        return Err(match signed {
            true => HeaderFault::Origin { place, what },
            false => HeaderFault::BadSignature(place),
        });
    }
    let wrong = |what| match disowned(directory, named) {
        Some(standing) => HeaderFault::Disowned { place, standing },
        None => HeaderFault::Origin { place, what },
    };
    let header = Header::from_bytes(&envelope.bytes).map_err(|m| wrong(m.what))?;
    if header.opening.suite != envelope.name_suite {
        return Err(wrong("its suite is not that of its epoch"));
    }
    let opening = directory
        .opening(&header.opening)
        .ok_or(HeaderFault::UnknownOpening(header.opening))?
        .opening();
    if (opening.seat, opening.counter) != (header.seat, header.counter) {
        return Err(wrong("it is not in the epoch that it names"));
    }
    let reference = Ref::of(envelope.hash());
    let position = Position {
        sequence: header.sequence,
        header: reference,
    };
    let standing = directory.header_standing(named, &header.log(), header.counter, &position);
    let verified = VerifiedHeader {
        header,
        reference,
        envelope: canonical,
        identity: named.clone(),
    };
    match standing {
        HeaderStanding::Stands => Ok(verified),
        standing => Err(HeaderFault::DoesNotCount {
            header: Box::new(verified),
            standing,
        }),
    }
}

/// Why nothing that is signed under an identity can be blamed on its seat: whoever holds a key that was called back, or has
/// brought a second identity of the seat about, must not stop its log.
fn disowned(directory: &Directory, identity: &VerifiedIdentity) -> Option<HeaderStanding> {
    if !directory.is_issued(identity) || directory.revoked(identity).is_some() {
        return Some(HeaderStanding::Revoked);
    }
    let of_serial = directory.uncontested(&identity.identity().seat, identity.identity().serial);
    match of_serial.is_some_and(|i| i.reference() == identity.reference()) {
        true => None,
        false => Some(HeaderStanding::IdentityContested),
    }
}
