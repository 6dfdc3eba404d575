//! What a receiver wants from a feed.

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::limits;
use crate::name::SeatId;

/// What a receiver wants from a feed: numbered classes, never conditions (D24).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interest {
    /// Raised with every change; every step of the feed names the version by which it was chosen.
    pub version: u32,
    /// Everything: upwards.
    pub full: bool,
    /// Entries for every district.
    pub city_wide: bool,
    /// Regions whose entities are wanted.
    pub regions: Vec<String>,
    /// Codes of organisations whose addressed entries are wanted.
    pub organisations: Vec<String>,
    /// Seats whose addressed entries are wanted.
    pub seats: Vec<SeatId>,
}

impl Interest {
    /// Regions, organisations and seats together; at most [`limits::INTEREST_TERMS_MAX`].
    pub fn terms(&self) -> usize {
        self.regions.len() + self.organisations.len() + self.seats.len()
    }
}

impl Body for Interest {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u32(self.version);
        out.put_u8(u8::from(self.full));
        out.put_u8(u8::from(self.city_wide));
        out.put_list(&self.regions, |out, r| out.put_bytes(r.as_bytes()));
        out.put_list(&self.organisations, |out, o| out.put_bytes(o.as_bytes()));
        out.put_list(&self.seats, |out, s| out.put(&s.0));
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        const MOST: usize = limits::INTEREST_TERMS_MAX;
        let read = Self {
            version: r.u32()?,
            full: r.flag()?,
            city_wide: r.flag()?,
            regions: codec::list(r, MOST, |r| codec::text(r, limits::NAME_BYTES_MAX))?,
            organisations: codec::list(r, MOST, |r| {
                codec::text(r, limits::ORGANISATION_BYTES_MAX)
            })?,
            seats: codec::list(r, MOST, |r| r.array().map(SeatId))?,
        };
        if read.terms() > MOST {
            return Err(r.malformed());
        }
        Ok(read)
    }
}
