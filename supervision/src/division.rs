//! Administrative divisions: the table with validity and successors. Reading it, and one city's view of it, lie beside it.
//!
//! The table is data: a built-in one has the whole country with what is known of its history (docs/divisions.md says from
//! where), and an installation may bring rows of its own. Which district an entity belongs to is concluded elsewhere.

mod city;
mod read;

use std::sync::{Arc, OnceLock};

use protocol::value::CivilDate;

pub use city::{City, District, Place};
pub use read::{DivisionFault, FILE_BYTES_MAX};

/// A division as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// Six digits.
    pub code: String,
    /// Name.
    pub name: String,
    /// The division above, if the table has one.
    pub parent: Option<String>,
    /// First day, if known.
    pub from: Option<CivilDate>,
    /// Last day, if it has ended.
    pub until: Option<CivilDate>,
    /// What took its place; several if it was split, none if that is not known. A group such as 市辖区 names the city that
    /// it stands for.
    pub successors: Vec<String>,
    /// Names that it had before under the same code.
    pub former_names: Vec<String>,
}

/// What a code means today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution<'t> {
    /// It is in force.
    Current(&'t Division),
    /// It has ended; all of it went over to one division.
    Succeeded {
        /// The division of the code.
        was: &'t Division,
        /// What it has become.
        now: &'t Division,
    },
    /// It has ended; what became of it cannot be told from the code: it went over to several divisions, or nobody knows.
    Split(&'t Division),
    /// It had already ended on the date asked for.
    Ended(&'t Division),
    /// The table does not have it.
    Unknown,
}

/// The division table. Clones share their rows.
#[derive(Debug, Clone)]
pub struct DivisionTable {
    /// By code.
    rows: Arc<[Division]>,
}

/// Why a code does not name a city that a platform can be founded for. Whoever chose it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CityFault {
    /// The table does not have it.
    #[error(
        "区划表中没有城市 {code}：请填写城市的六位区划代码；确属现行区划而表中没有的，请用 --divisions 补充"
    )]
    Unknown {
        /// The code.
        code: String,
    },
    /// It has ended, or is a group of divisions.
    #[error("{code}（{name}）不是现行区划{now}，请填写城市的现行区划代码")]
    Ended {
        /// The code.
        code: String,
        /// Its name.
        name: String,
        /// What is in its place, in words; empty if that is not known.
        now: String,
    },
    /// A province, district or county.
    #[error(
        "{code}（{name}）是{level}，不是城市：请填写地级市（州、盟、地区）、直辖市或单独设立平台的县级市的区划代码{city}"
    )]
    Level {
        /// The code.
        code: String,
        /// Its name.
        name: String,
        /// What it is.
        level: &'static str,
        /// The city that it lies in, in words; empty for a province.
        city: String,
    },
}

impl DivisionTable {
    /// The table that is built in. It is read once in a process.
    pub fn builtin() -> Self {
        static TABLE: OnceLock<DivisionTable> = OnceLock::new();
        TABLE
            .get_or_init(|| {
                Self::from_csv(include_str!("division/divisions.csv"))
                    .expect("a test reads the built-in table")
            })
            .clone()
    }

    /// The row of a code.
    pub fn get(&self, code: &str) -> Option<&Division> {
        let at = self
            .rows
            .binary_search_by(|row| row.code.as_str().cmp(code))
            .ok()?;
        Some(&self.rows[at])
    }

    /// What `code` means today. With a date, a code that had ended before that date counts as wrong; one that came into
    /// force later does not, because what a source states today about an old fact uses today's codes.
    pub fn resolve(&self, code: &str, at: Option<CivilDate>) -> Resolution<'_> {
        let Some(row) = self.get(code) else {
            return Resolution::Unknown;
        };
        if let (Some(at), Some(until)) = (at, row.until)
            && at > until
        {
            return Resolution::Ended(row);
        }
        if row.is_current() {
            return Resolution::Current(row);
        }
        match self.ends(row).as_slice() {
            [now] if now.is_current() => Resolution::Succeeded { was: row, now },
            _ => Resolution::Split(row),
        }
    }

    /// A city's view, if the code is that of a city in force: a municipality, a prefecture, or a county-level city that has a
    /// platform of its own.
    pub fn city(&self, code: &str) -> Result<City, CityFault> {
        let Some(row) = self.get(code) else {
            return Err(CityFault::Unknown {
                code: code.to_owned(),
            });
        };
        let named = |code: &String| {
            self.get(code)
                .map(|r| format!("{code}（{}）", r.name))
                .unwrap_or_default()
        };
        if !row.is_current() {
            let now: Vec<String> = row.successors.iter().map(named).collect();
            let now = match now.as_slice() {
                [] => String::new(),
                _ => format!("，其后为 {}", now.join("、")),
            };
            return Err(CityFault::Ended {
                code: row.code.clone(),
                name: row.name.clone(),
                now,
            });
        }
        let level = match row.level() {
            Level::Province if !row.is_municipality() => "省级区划",
            Level::County if !row.name.ends_with('市') => "区县",
            _ => return Ok(City::of(self, row)),
        };
        let above = row.parent.as_ref().filter(|p| self.city(p).is_ok());
        Err(CityFault::Level {
            code: row.code.clone(),
            name: row.name.clone(),
            level,
            city: above
                .map(|p| format!("，如 {}", named(p)))
                .unwrap_or_default(),
        })
    }

    /// What a division has become, step by step to the end, each once: itself if nothing is in its place.
    fn ends<'t>(&'t self, row: &'t Division) -> Vec<&'t Division> {
        let mut ends: Vec<&Division> = Vec::new();
        let mut open = vec![row];
        for _ in 0..ENDS_STEPS_MAX {
            let Some(row) = open.pop() else { break };
            if row.successors.is_empty() && ends.iter().all(|end| end.code != row.code) {
                ends.push(row);
            }
            open.extend(row.successors.iter().filter_map(|code| self.get(code)));
        }
        ends
    }
}

/// How high a division stands, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Province,
    Prefecture,
    County,
}

impl Level {
    fn of(code: &str) -> Self {
        if code.ends_with("0000") {
            Self::Province
        } else if code.ends_with("00") {
            Self::Prefecture
        } else {
            Self::County
        }
    }
}

impl Division {
    /// Whether it is in force; what has a successor is not, a group such as 市辖区 included.
    fn is_current(&self) -> bool {
        self.successors.is_empty() && self.until.is_none()
    }

    fn level(&self) -> Level {
        Level::of(&self.code)
    }

    /// 北京、天津、上海、重庆: their districts lie directly under them.
    fn is_municipality(&self) -> bool {
        matches!(
            self.code.as_str(),
            "110000" | "120000" | "310000" | "500000"
        )
    }
}

pub(crate) fn is_code(code: &str) -> bool {
    code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())
}

/// Steps from a code of the past to the present.
const CHAIN_MAX: usize = 8;
/// Divisions looked at from one of the past to all that it has become.
const ENDS_STEPS_MAX: usize = 256;

#[cfg(test)]
mod tests;
