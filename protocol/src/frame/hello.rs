//! The first frame of both sides: who is here; and how it is believed.

use std::collections::BTreeSet;

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::directory::Directory;
use crate::envelope::Envelope;
use crate::frame::number::GoodbyeCode;
use crate::hash::Ref;
use crate::limits;
use crate::name::{FeedId, Incarnation, InstanceId, SeatId};
use crate::presence;
use crate::sign::Sigs;
use crate::statement::Identity;

/// Who is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Highest frame number understood.
    pub frames: u8,
    /// Highest item number understood: what is above is kept back until a hello names more.
    pub items: u8,
    /// Drawn at start of the process.
    pub instance: InstanceId,
    /// Which life of the sender's store speaks; its second half is the id of the feed. Provisional until *resume*.
    pub incarnation: Incarnation,
    /// Release of the sender's program, for people.
    pub release: String,
    /// Seats that speak through this connection, each with proof. The first is the party's own.
    pub seats: Vec<Presence>,
    /// Statements that let the other side check the seats, issuers before those they issued.
    pub statements: Vec<Vec<u8>>,
}

/// Proof that a seat's keys are present on this TLS connection (D31).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The seat.
    pub seat: SeatId,
    /// Its signatures over the presence of this connection, one per signing suite; see [`presence::sign`].
    pub signatures: Sigs,
}

/// A hello that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed {
    /// The seats' identities, the party's own first.
    pub identities: Vec<Identity>,
    /// Canonical envelopes that were not known here and that stand on the chain of a seat, issuers first. The caller takes
    /// them in durably, in one transaction, before it accepts the hello (D50).
    pub needed: Vec<Envelope>,
}

/// Why a hello was not believed. Told to people at both ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloFault {
    /// A seat that nobody here has admitted.
    #[error("席位 {0} 未获准入网")]
    NotAdmitted(SeatId),
    /// A seat whose keys are not there.
    #[error("席位 {0} 未能证明持有其密钥")]
    NotProven(SeatId),
    /// A seat that was revoked.
    #[error("席位 {0} 已被吊销")]
    Revoked(SeatId),
    /// A statement in the hello is broken.
    #[error("出示的名录声明已损坏：{0}")]
    Statement(Malformed),
}

impl HelloFault {
    /// What the peer is told.
    pub const fn code(&self) -> GoodbyeCode {
        match self {
            Self::NotAdmitted(_) | Self::NotProven(_) => GoodbyeCode::NotAdmitted,
            Self::Revoked(_) => GoodbyeCode::Revoked,
            Self::Statement(_) => GoodbyeCode::Misbehaved,
        }
    }
}

impl Hello {
    /// Checks that every seat is admitted, not revoked and proves its keys on this connection. `scratch` is a copy of the
    /// directory that the caller throws away: what the hello showed counts only once [`Believed::needed`] has been taken in.
    ///
    /// That the TLS key is the one pinned for the seat, and that the seat may speak here at all, the caller checks.
    pub fn verify(
        &self,
        scratch: &mut Directory,
        exporter: &[u8; 32],
    ) -> Result<Believed, HelloFault> {
        let mut admitted = Vec::new();
        for bytes in &self.statements {
            let envelope = Envelope::from_bytes(bytes).map_err(HelloFault::Statement)?;
            // what does not verify is not believed; whether it matters shows at the seats below
            if let Ok(new) = scratch.admit(&envelope)
                && !new.known
            {
                admitted.push(new);
            }
        }
        let mut identities = Vec::new();
        for Presence { seat, signatures } in &self.seats {
            let Some(found) = scratch.identity(seat) else {
                return Err(match scratch.newest_identity(seat) {
                    Some(_) => HelloFault::Revoked(*seat),
                    None => HelloFault::NotAdmitted(*seat),
                });
            };
            let identity = found.identity();
            if !presence::verify(&identity.keys, seat, exporter, signatures) {
                return Err(HelloFault::NotProven(*seat));
            }
            identities.push(identity.clone());
        }
        let seats: Vec<SeatId> = self.seats.iter().map(|p| p.seat).collect();
        let chain: BTreeSet<Ref> = scratch.chain(&seats).into_iter().collect();
        // the chain says who speaks; openings and closings of who speaks say where his logs are
        admitted.retain(|new| {
            chain.contains(&new.reference)
                || new
                    .envelope
                    .seat()
                    .is_some_and(|seat| seats.contains(&seat))
        });
        Ok(Believed {
            identities,
            needed: admitted.into_iter().map(|new| new.envelope).collect(),
        })
    }

    /// The sender's feed.
    pub const fn feed(&self) -> FeedId {
        self.incarnation.feed
    }
}

impl Body for Hello {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u8(self.frames);
        out.put_u8(self.items);
        out.put(&self.instance.0);
        self.incarnation.put(out);
        out.put_bytes(self.release.as_bytes());
        out.put_list(&self.seats, |out, p| {
            out.put(&p.seat.0);
            out.put_list(p.signatures.all(), |out, (suite, signature)| {
                out.put_u8(*suite);
                out.put_bytes(signature);
            });
        });
        out.put_list(&self.statements, |out, s| out.put_bytes(s));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let read = Self {
            frames: r.u8()?,
            items: r.u8()?,
            instance: InstanceId(r.array()?),
            incarnation: Incarnation::read(r)?,
            release: codec::text(r, limits::RELEASE_BYTES_MAX)?,
            seats: codec::list(r, limits::HELLO_SEATS_MAX, read_presence)?,
            statements: codec::list(r, limits::HELLO_ENVELOPES_MAX, |r| {
                Ok(codec::bytes(r, limits::ENVELOPE_WIRE_BYTES_MAX)?.to_vec())
            })?,
        };
        let seats: BTreeSet<SeatId> = read.seats.iter().map(|p| p.seat).collect();
        if seats.is_empty() || seats.len() < read.seats.len() {
            return Err(r.malformed());
        }
        Ok(read)
    }
}

/// The signatures have lengths of their own kind here; their rules are those of [`Sigs`].
fn read_presence(r: &mut Reader<'_>) -> Result<Presence, Malformed> {
    let seat = SeatId(r.array()?);
    let mut sigs = vec![0];
    let signatures = codec::list(r, limits::KEYS_MAX, |r| {
        sigs.put_u8(r.u8()?);
        sigs.put_short(codec::bytes(r, usize::from(u8::MAX))?);
        Ok(())
    })?;
    sigs[0] = signatures.len() as u8;
    let signatures = Sigs::read(&mut Reader::new(&sigs, "presence"))?;
    Ok(Presence { seat, signatures })
}
