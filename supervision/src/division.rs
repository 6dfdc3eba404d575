//! Administrative divisions: the table with validity and successors, and one city's view of it.
//!
//! The table is data (CSV, published by the city); a built-in one covers the cities the product was made for. Which
//! district an entity belongs to is concluded elsewhere.

use std::collections::HashMap;

use protocol::value::CivilDate;

use crate::identifier::normalise_name;

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
    /// What took its place; several if it was split. A group such as 市辖区 names the city that it stands for.
    pub successors: Vec<String>,
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
    /// It has ended and went over to several divisions: which one cannot be told from the code.
    Split(&'t Division),
    /// It had already ended on the date asked for.
    Ended(&'t Division),
    /// The table does not have it.
    Unknown,
}

/// A table that cannot be used. Whoever published it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum DivisionFault {
    /// Not CSV with the columns expected.
    #[error("区划表不是预期的 CSV(列:code,name,parent,valid_from,valid_to,successors):{0}")]
    Csv(#[from] csv::Error),
    /// More rows than a country has.
    #[error("区划表超过 {ROWS_MAX} 行")]
    TooLong,
    /// A row that breaks a rule.
    #[error("区划表 {code} 行：{what}")]
    Row {
        /// Code of the row.
        code: String,
        /// Which rule.
        what: &'static str,
    },
}

/// The division table.
#[derive(Debug, Clone)]
pub struct DivisionTable {
    /// By code.
    rows: Vec<Division>,
}

impl DivisionTable {
    /// The table that is built in.
    pub fn builtin() -> Self {
        Self::from_csv(include_str!("division/divisions.csv"))
            .expect("a test reads the built-in table")
    }

    /// Reads `code,name,parent,valid_from,valid_to,successors`: years or dates, both ends included; successors separated
    /// by spaces.
    pub fn from_csv(text: &str) -> Result<Self, DivisionFault> {
        let mut rows = Vec::new();
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        for record in reader.deserialize() {
            if rows.len() == ROWS_MAX {
                return Err(DivisionFault::TooLong);
            }
            let row: Row = record?;
            rows.push(row.check()?);
        }
        rows.sort_by(|a: &Division, b| a.code.cmp(&b.code));
        let table = Self { rows };
        table.check()?;
        Ok(table)
    }

    fn check(&self) -> Result<(), DivisionFault> {
        let fault = |code: &str, what| DivisionFault::Row {
            code: code.to_owned(),
            what,
        };
        for pair in self.rows.windows(2) {
            if pair[0].code == pair[1].code {
                return Err(fault(&pair[0].code, "代码重复"));
            }
        }
        for row in &self.rows {
            let named = row.successors.iter().chain(&row.parent);
            if named.into_iter().any(|code| self.get(code).is_none()) {
                return Err(fault(&row.code, "上级或后继代码不在表内"));
            }
            if self.follow(row).is_none() && row.successors.len() == 1 && self.is_circular(row) {
                return Err(fault(&row.code, "后继关系成环或过长"));
            }
        }
        Ok(())
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
        if row.successors.is_empty() {
            return Resolution::Current(row);
        }
        match self.follow(row) {
            Some(now) => Resolution::Succeeded { was: row, now },
            None => Resolution::Split(row),
        }
    }

    /// A city's view, if the table has the code.
    pub fn city(&self, code: &str) -> Option<City> {
        let row = self.get(code)?;
        (row.successors.is_empty() && row.until.is_none()).then(|| City::of(self, row))
    }

    /// The end of the chain of successors; `None` if it forks.
    fn follow<'t>(&'t self, mut row: &'t Division) -> Option<&'t Division> {
        for _ in 0..CHAIN_MAX {
            match row.successors.as_slice() {
                [] => return Some(row),
                [one] => row = self.get(one)?,
                _ => return None,
            }
        }
        None
    }

    fn is_circular<'t>(&'t self, mut row: &'t Division) -> bool {
        for _ in 0..CHAIN_MAX {
            match row.successors.first().and_then(|code| self.get(code)) {
                Some(next) => row = next,
                None => return false,
            }
        }
        true
    }
}

/// Where a code or a name lies, seen from one city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'c> {
    /// In this district.
    District(&'c str),
    /// In the city as a whole, or registered above it.
    City,
    /// In a division of the city that was split up.
    Split,
    /// Under the city's prefix, or one merged into it, but not in the table.
    Unknown,
    /// Elsewhere.
    Foreign,
}

/// A district of a city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct District {
    /// Six digits.
    pub code: String,
    /// Name, such as 浦东新区.
    pub name: String,
}

/// One city's view of the table: its districts, and every code and name that leads to one of them.
#[derive(Debug, Clone)]
pub struct City {
    /// Six digits; also the region of what belongs to no district.
    pub code: String,
    /// Name, such as 上海市.
    pub name: String,
    /// Districts in force, by code. Empty for a city that has none with codes of their own.
    pub districts: Vec<District>,
    codes: HashMap<String, Known>,
    names: HashMap<String, Known>,
    prefixes: Vec<String>,
}

/// Index into the districts, or the city as a whole, or split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    District(usize),
    City,
    Split,
}

impl City {
    fn of(table: &DivisionTable, city: &Division) -> Self {
        let districts: Vec<District> = table
            .rows
            .iter()
            .filter(|row| row.parent.as_deref() == Some(&city.code))
            .filter(|row| row.successors.is_empty() && row.until.is_none())
            .map(|row| District {
                code: row.code.clone(),
                name: row.name.clone(),
            })
            .collect();
        let mut this = Self {
            code: city.code.clone(),
            name: city.name.clone(),
            prefixes: vec![prefix(&city.code).to_owned()],
            districts,
            codes: HashMap::new(),
            names: HashMap::new(),
        };
        let mut above = Some(city);
        while let Some(row) = above {
            this.codes.insert(row.code.clone(), Known::City);
            above = row.parent.as_deref().and_then(|code| table.get(code));
            if this.codes.len() > CHAIN_MAX {
                break;
            }
        }
        let index = |code: &str| this.districts.iter().position(|d| d.code == code);
        let mut known = Vec::new();
        for row in &table.rows {
            let found = match table.follow(row) {
                Some(end) if end.code == city.code => Known::City,
                Some(end) => match index(&end.code) {
                    Some(at) => Known::District(at),
                    None => continue,
                },
                None if row.successors.iter().any(|code| index(code).is_some()) => Known::Split,
                None => continue,
            };
            known.push((row, found));
        }
        // names in force come last, so that they win over those of the past
        known.sort_by_key(|(row, _)| row.until.is_none());
        for (row, found) in known {
            this.codes.insert(row.code.clone(), found);
            if row.code.ends_with("00") && !row.code.starts_with(&this.prefixes[0]) {
                this.prefixes.push(prefix(&row.code).to_owned());
            }
            if let Known::District(_) = found {
                for own in [row.name.as_str(), short(&row.name)] {
                    for before in ["", &city.name, short(&city.name)] {
                        this.names.insert(format!("{before}{own}"), found);
                    }
                }
            }
        }
        // a county that once bore the city's name does not take it from the city
        this.names.remove(&city.name);
        this.names.remove(short(&city.name));
        this
    }

    /// The district of a code, if it is one in force.
    pub fn district(&self, code: &str) -> Option<&District> {
        self.districts.iter().find(|d| d.code == code)
    }

    /// Name of a region of this city: a district's, or the city's own.
    pub fn region_name(&self, region: &str) -> Option<&str> {
        if region == self.code {
            return Some(&self.name);
        }
        self.district(region).map(|d| d.name.as_str())
    }

    /// Where a six-digit code lies.
    pub fn place_of_code(&self, code: &str) -> Place<'_> {
        match self.codes.get(code) {
            Some(known) => self.place(*known),
            None if self.prefixes.iter().any(|p| code.starts_with(p)) => Place::Unknown,
            None => Place::Foreign,
        }
    }

    /// Where a name from a source's area column lies; names of districts that were merged count. `None` for everything
    /// that is not a district's name: the city's own, a free-trade zone, nothing.
    pub fn place_of_name(&self, area: &str) -> Option<Place<'_>> {
        let name = normalise_name(area);
        self.names
            .get(name.as_ref())
            .map(|known| self.place(*known))
    }

    fn place(&self, known: Known) -> Place<'_> {
        match known {
            Known::District(at) => Place::District(&self.districts[at].code),
            Known::City => Place::City,
            Known::Split => Place::Split,
        }
    }
}

/// The digits by which codes below a division begin.
fn prefix(code: &str) -> &str {
    code.strip_suffix("0000")
        .or_else(|| code.strip_suffix("00"))
        .unwrap_or(code)
}

/// A name without its kind, if that leaves at least two characters.
fn short(name: &str) -> &str {
    ["新区", "区", "县", "市"]
        .iter()
        .find_map(|kind| name.strip_suffix(kind))
        .filter(|rest| rest.chars().count() >= 2)
        .unwrap_or(name)
}

#[derive(serde::Deserialize)]
struct Row {
    code: String,
    name: String,
    parent: String,
    valid_from: String,
    valid_to: String,
    successors: String,
}

impl Row {
    fn check(self) -> Result<Division, DivisionFault> {
        let fault = |what| DivisionFault::Row {
            code: self.code.clone(),
            what,
        };
        if !is_code(&self.code) {
            return Err(fault("代码应为六位数字"));
        }
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX {
            return Err(fault("名称为空或过长"));
        }
        let from = day(&self.valid_from, 1, 1).ok_or_else(|| fault("启用日期无法识别"))?;
        let until = day(&self.valid_to, 12, 31).ok_or_else(|| fault("停用日期无法识别"))?;
        if let (Some(from), Some(until)) = (from, until)
            && from > until
        {
            return Err(fault("停用早于启用"));
        }
        Ok(Division {
            from,
            until,
            parent: (!self.parent.is_empty()).then_some(self.parent),
            successors: self
                .successors
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            code: self.code,
            name: self.name,
        })
    }
}

/// A year or a date; outer `None` if it is neither.
#[allow(clippy::option_option, reason = "absent and unreadable differ")]
fn day(text: &str, month: u8, day: u8) -> Option<Option<CivilDate>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.len() == 4 {
        return CivilDate::new(text.parse().ok()?, month, day).map(Some);
    }
    CivilDate::parse_iso(text).map(Some)
}

pub(crate) fn is_code(code: &str) -> bool {
    code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())
}

/// Rows of a table: all of the country with its history fits several times.
const ROWS_MAX: usize = 50_000;
const NAME_BYTES_MAX: usize = 96;
/// Steps from a code of the past to the present.
const CHAIN_MAX: usize = 8;

#[cfg(test)]
mod tests;
