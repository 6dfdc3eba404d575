//! Erasure (kind 12): sections whose content the authority has ended. It beats open in every merge (D65).

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::{Hash, Ref};
use crate::limits;
use crate::name::SeatId;

use super::{fits, read_lane, read_seat, read_sequence};

/// Codes of an [`Erasure`]; others are shown as numbers.
pub mod code {
    /// A law or rule asks for it.
    pub const LAW: u8 = 1;
    /// A court asks for it.
    pub const COURT: u8 = 2;
    /// The person concerned asks for it.
    pub const PERSON: u8 = 3;
    /// It should never have been stated.
    pub const MISTAKE: u8 = 4;
}

/// Sections of an origin's entries are erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The origin whose entries go.
    pub seat: SeatId,
    /// Places, ascending strictly by all but the mask.
    pub items: Vec<ErasureItem>,
    /// Why; see [`code`].
    pub code: u8,
    /// For people, without personal data, at most 255 bytes.
    pub text: String,
    /// Identity of the city, or a root version for the city's own entries.
    pub issuer: Ref,
}

/// Sections of one entry. It counts only if `leaf` is the leaf at that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasureItem {
    /// Lane.
    pub lane: u8,
    /// Opening of the epoch.
    pub opening: Ref,
    /// Sequence of the header.
    pub sequence: u64,
    /// Index of the leaf in the batch.
    pub index: u32,
    /// The leaf.
    pub leaf: Hash,
    /// Sections, bit per number; never the head, never none.
    pub mask: u16,
}

impl ErasureItem {
    fn order(&self) -> (u8, Ref, u64, u32, Hash) {
        (
            self.lane,
            self.opening,
            self.sequence,
            self.index,
            self.leaf,
        )
    }
}

impl Erasure {
    /// Bytes of the statement.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put(&self.seat.0);
        out.put_u16(self.items.len() as u16);
        for item in &self.items {
            out.put_u8(item.lane);
            item.opening.put(&mut out);
            out.put_u64(item.sequence);
            out.put_u32(item.index);
            out.put(&item.leaf.0);
            out.put_u16(item.mask);
        }
        out.put_u8(self.code);
        out.put_short(self.text.as_bytes());
        self.issuer.put(&mut out);
        out
    }

    /// Reads an erasure.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "erasure");
        let (seat, n) = (read_seat(&mut r)?, usize::from(r.u16()?));
        if n == 0 || n > limits::ERASURE_ITEMS_MAX {
            return Err(r.malformed());
        }
        let mut items = Vec::new();
        for _ in 0..n {
            let item = ErasureItem {
                lane: read_lane(&mut r)?,
                opening: Ref::read_some(&mut r)?,
                sequence: read_sequence(&mut r)?,
                index: r.u32()?,
                leaf: Hash(r.array()?),
                mask: r.u16()?,
            };
            if item.mask == 0 || item.mask & 1 != 0 {
                return Err(r.malformed());
            }
            items.push(item);
        }
        if !items.is_sorted_by(|a, b| a.order() < b.order()) {
            return Err(r.malformed());
        }
        let erasure = Self {
            seat,
            items,
            code: r.u8()?,
            text: r.short_text()?.to_owned(),
            issuer: Ref::read_some(&mut r)?,
        };
        r.finish()?;
        Ok(erasure)
    }

    /// Whether the text can be stated.
    pub fn text_fits(text: &str) -> bool {
        fits(text, usize::from(u8::MAX))
    }

    /// Sections, bit per number, that are erased of the leaf at a place.
    pub fn mask(&self, lane: u8, opening: &Ref, sequence: u64, index: u32, leaf: &Hash) -> u16 {
        let place = (lane, *opening, sequence, index, *leaf);
        self.items
            .binary_search_by_key(&place, ErasureItem::order)
            .map_or(0, |at| self.items[at].mask)
    }
}
