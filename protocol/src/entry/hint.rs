//! Audience hints: for whom an entry is meant as far as its origin knows, and who may use which.

use crate::bytes::{Malformed, Put, Reader};
use crate::code;
use crate::limits;
use crate::name::{Lane, SeatId};
use crate::statement::Identity;

/// For whom an entry is meant, as far as the origin knows (D9). A hint: routing follows applied conclusions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Hint {
    /// The origin does not know.
    #[default]
    Unknown,
    /// A division: six or nine digits.
    Division(String),
    /// A region of the city's own that has no such code.
    Region(String),
    /// Addressed to these seats, ascending, 1 to 16.
    Seats(Vec<SeatId>),
    /// For every district.
    CityWide,
}

/// A hint as it lies in its bytes, checked.
enum Walked<'a> {
    Unknown,
    Division(&'a str),
    Region(&'a str),
    Seats(&'a [[u8; 16]]),
    CityWide,
}

fn walk<'a>(r: &mut Reader<'a>) -> Result<Walked<'a>, Malformed> {
    Ok(match r.u8()? {
        0 => Walked::Unknown,
        1 => match r.short_text()? {
            code if code::is_division(code) => Walked::Division(code),
            _ => return Err(r.malformed()),
        },
        2 => match r.short_text()? {
            id if code::is_own_region(id) => Walked::Region(id),
            _ => return Err(r.malformed()),
        },
        3 => {
            let n = usize::from(r.u8()?);
            if n == 0 || n > limits::HINT_SEATS_MAX {
                return Err(r.malformed());
            }
            let (seats, _) = r.take(16 * n)?.as_chunks::<16>();
            if !seats.is_sorted_by(|a, b| a < b) {
                return Err(r.malformed());
            }
            Walked::Seats(seats)
        }
        4 => Walked::CityWide,
        _ => return Err(r.malformed()),
    })
}

impl Hint {
    /// Bytes of the hint; groups are ordered by them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12);
        self.put(&mut out);
        out
    }

    /// Appends kind and body.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unknown => out.put_u8(0),
            Self::Division(code) => {
                out.put_u8(1);
                out.put_short(code.as_bytes());
            }
            Self::Region(id) => {
                out.put_u8(2);
                out.put_short(id.as_bytes());
            }
            Self::Seats(seats) => {
                out.put_u8(3);
                out.put_u8(seats.len() as u8);
                seats.iter().for_each(|s| out.put(&s.0));
            }
            Self::CityWide => out.put_u8(4),
        }
    }

    /// Reads a hint.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match walk(r)? {
            Walked::Unknown => Self::Unknown,
            Walked::Division(code) => Self::Division(code.to_owned()),
            Walked::Region(id) => Self::Region(id.to_owned()),
            Walked::Seats(seats) => Self::Seats(seats.iter().map(|s| SeatId(*s)).collect()),
            Walked::CityWide => Self::CityWide,
        })
    }

    /// Reads exactly a hint's bytes, as an audience table has them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "hint");
        let hint = Self::read(&mut r)?;
        r.finish()?;
        Ok(hint)
    }

    /// Goes past a hint and gives its bytes, without copying anything.
    pub(crate) fn skip<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        let before = r.rest();
        walk(r)?;
        Ok(&before[..before.len() - r.rest().len()])
    }
}

/// Whether `origin` may use this hint in this lane: seats are addressed by nodes, and by departments toward the node that
/// they belong to and no other, in the lanes that people wait for; only nodes speak to every district. A hint that may not be
/// used counts as [`Hint::Unknown`], with reason [`super::reason::HINT`]; the log goes on.
pub fn hint_allowed(origin: &Identity, hint: &Hint, lane: Lane) -> bool {
    let is_node = origin.kind.is_node();
    match hint {
        Hint::Unknown | Hint::Division(_) | Hint::Region(_) => true,
        Hint::Seats(seats) => lane != Lane::Records && (is_node || *seats == [origin.node]),
        Hint::CityWide => is_node,
    }
}
