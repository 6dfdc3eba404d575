//! Conclusions by published rule: which district an entity belongs to, and what links a record to an entity.
//!
//! The rules are deterministic and see only what is passed in. What rules cannot decide goes to a person; statements by
//! persons are not made here.

pub mod matching;
pub mod unsettled;

use std::fmt;

use protocol::entry::Subject;
use protocol::value::CivilDate;

use crate::division::{City, DivisionTable, Place, Resolution, is_code};
use crate::identifier::is_nothing;
use crate::identifier::registration_number::RegistrationNumber;
use crate::identifier::uscc::Uscc;

/// Where an entity belongs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jurisdiction {
    /// Six digits: a district in force, or the city's own code for what belongs to no district.
    pub region: String,
    /// What the rule went by.
    pub basis: Basis,
    /// Why a person should look at it, if so.
    pub flagged: Option<Flag>,
}

/// What a conclusion on jurisdiction rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Basis {
    /// The domicile's division field.
    Domicile = 1,
    /// The district named in the source's own area column.
    Area = 2,
    /// The division of the registering body in the code or number.
    Registry = 3,
    /// Nothing that says anything.
    Nothing = 4,
}

impl Basis {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Domicile => "住所行政区划",
            Self::Area => "来源地区栏",
            Self::Registry => "代码中的登记机关区划",
            Self::Nothing => "无依据",
        }
    }
}

/// Why a conclusion deserves a person's look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flag {
    /// A code under the city's own or a merged prefix that the table does not have.
    Unknown(String),
    /// A code of elsewhere.
    Foreign(String),
    /// A code whose division was split among several, or ended with nothing known to be in its place.
    Split(String),
    /// No clue at all.
    Nothing,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(code) => write!(f, "区划代码 {code} 不在区划表内"),
            Self::Foreign(code) => write!(f, "区划代码 {code} 不属本市"),
            Self::Split(code) => write!(f, "区划代码 {code} 已拆分或撤销，无法确定归属"),
            Self::Nothing => f.write_str("没有可用于确定归属的信息"),
        }
    }
}

/// Concludes the jurisdiction of an entity: the domicile's division unless it had ended before the event date, else a
/// district named in the area column, else the registering division in the code or number; each through the division
/// table. What none of them settles belongs to the city and is flagged.
pub fn jurisdiction(
    city: &City,
    table: &DivisionTable,
    domicile_division: Option<&str>,
    area: Option<&str>,
    uscc_or_regno: Option<&str>,
    event_date: Option<CivilDate>,
) -> Jurisdiction {
    let mut flagged = None;
    let domicile = domicile_division.and_then(six_digits);
    if let Some(code) = domicile
        && !matches!(table.resolve(code, event_date), Resolution::Ended(_))
    {
        match settle(city, code) {
            Ok(region) => return region.concluded(city, Basis::Domicile, None),
            Err(flag) => flagged = Some(flag),
        }
    }
    if let Some(area) = area {
        let place = match six_digits(area) {
            Some(code) => Some(city.place_of_code(code)),
            None => city.place_of_name(area),
        };
        if let Some(Place::District(code)) = place {
            return Settled::District(code).concluded(city, Basis::Area, flagged);
        }
    }
    if let Some(code) = uscc_or_regno.and_then(registering_division) {
        match settle(city, code) {
            Ok(region) => return region.concluded(city, Basis::Registry, flagged),
            Err(flag) => flagged = flagged.or(Some(flag)),
        }
    }
    let basis = match (&flagged, domicile) {
        (None, _) => Basis::Nothing,
        (Some(_), Some(_)) => Basis::Domicile,
        (Some(_), None) => Basis::Registry,
    };
    Settled::City.concluded(city, basis, flagged.or(Some(Flag::Nothing)))
}

enum Settled<'c> {
    District(&'c str),
    City,
}

impl Settled<'_> {
    fn concluded(self, city: &City, basis: Basis, flagged: Option<Flag>) -> Jurisdiction {
        let region = match self {
            Self::District(code) => code,
            Self::City => &city.code,
        };
        Jurisdiction {
            region: region.to_owned(),
            basis,
            flagged,
        }
    }
}

fn settle<'c>(city: &'c City, code: &str) -> Result<Settled<'c>, Flag> {
    match city.place_of_code(code) {
        Place::District(code) => Ok(Settled::District(code)),
        Place::City => Ok(Settled::City),
        Place::Split => Err(Flag::Split(code.to_owned())),
        Place::Unknown => Err(Flag::Unknown(code.to_owned())),
        Place::Foreign => Err(Flag::Foreign(code.to_owned())),
    }
}

/// The first six digits of a division code, which may go on to street (9) or committee (12).
fn six_digits(code: &str) -> Option<&str> {
    let code = code.trim();
    let digits = matches!(code.len(), 6 | 9 | 12) && code.bytes().all(|b| b.is_ascii_digit());
    (digits && !is_nothing(code)).then(|| &code[..6])
}

/// The registering body's division in a code or number as it stands in an entry.
fn registering_division(code: &str) -> Option<&str> {
    let division = match code.len() {
        18 => code.get(2..8)?,
        15 => code.get(..6)?,
        _ => return None,
    };
    is_code(division).then_some(division)
}

/// How a subject, as its source said it, is linked to an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A valid unified social credit code is the entity's own name: linked by itself.
    ByItself(Uscc),
    /// By the matching order, over candidates; see [`matching::match_entity`].
    ToMatch,
    /// A name and nothing else: matched only with further agreeing facts, and confirmed by a person before it counts.
    NameOnly,
    /// About no entity, or about a natural person.
    Not,
}

/// How `subject` is linked.
pub fn link(subject: &Subject) -> Link {
    match subject {
        Subject::Uscc(code) => match Uscc::parse(code) {
            Ok(code) => Link::ByItself(code),
            Err(_) => Link::ToMatch,
        },
        Subject::RegistrationNumber(_) | Subject::OrganisationCode(_) | Subject::TaxNumber(_) => {
            Link::ToMatch
        }
        Subject::NameOnly(_) => Link::NameOnly,
        Subject::None | Subject::Person { .. } => Link::Not,
    }
}

/// Whether a registration number may be compared at all: only valid ones are.
pub fn is_comparable_number(number: &str) -> bool {
    RegistrationNumber::parse(number).is_ok()
}

#[cfg(test)]
mod tests;
