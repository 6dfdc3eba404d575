//! One city's view of the division table: its districts, and every code and name that leads to one of them.

use std::collections::HashMap;

use super::{Division, DivisionTable};
use crate::identifier::normalise_name;

/// Where a code or a name lies, seen from one city.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'c> {
    /// In this district.
    District(&'c str),
    /// In the city as a whole, or registered above it.
    City,
    /// In a division of the city that was split up, or ended with nothing known to be in its place.
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
    pub(super) fn of(table: &DivisionTable, city: &Division) -> Self {
        let districts: Vec<District> = table
            .rows
            .iter()
            .filter(|row| row.parent.as_deref() == Some(&city.code) && row.is_current())
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
            // a parent is of a higher level, so this ends
            above = row.parent.as_deref().and_then(|code| table.get(code));
        }
        let index: HashMap<String, usize> = (0..)
            .zip(&this.districts)
            .map(|(at, d)| (d.code.clone(), at))
            .collect();
        let mut known = Vec::new();
        let mut lost = Vec::new();
        for row in table.rows.iter() {
            let itself = [row];
            let became;
            let ends = if row.is_current() {
                itself.as_slice()
            } else {
                became = table.ends(row);
                became.as_slice()
            };
            let here = |end: &&Division| match index.get(&end.code) {
                Some(at) => Some(Known::District(*at)),
                None => (end.code == city.code).then_some(Known::City),
            };
            let found = match ends {
                [end] if !end.is_current() => {
                    lost.push(row);
                    continue;
                }
                [end] => here(end),
                several => several.iter().find_map(here).map(|_| Known::Split),
            };
            let Some(found) = found else { continue };
            this.codes.insert(row.code.clone(), found);
            if row.code.ends_with("00") && !row.code.starts_with(&this.prefixes[0]) {
                this.prefixes.push(prefix(&row.code).to_owned());
            }
            if let Known::District(at) = found {
                known.push((row, at));
            }
        }
        // what ended under the city's own or a merged prefix, and nobody knows what became of it
        for row in lost {
            if this.prefixes.iter().any(|p| row.code.starts_with(p)) {
                this.codes.insert(row.code.clone(), Known::Split);
            }
        }
        this.name(&known);
        this
    }

    /// Gives the names of these divisions, each with the district that it leads to. A name in force goes before one of the
    /// past, a whole name before a short one; a name of several districts leads to none.
    fn name(&mut self, known: &[(&Division, usize)]) {
        let past = known.iter().flat_map(|(row, at)| {
            let own = (!row.is_current()).then_some(row.name.as_str());
            let former = row.former_names.iter().map(String::as_str);
            own.into_iter()
                .chain(former)
                .flat_map(|name| [name, short(name)])
                .map(|name| (name, *at))
        });
        let current = || known.iter().filter(|(row, _)| row.is_current());
        let shortened = current().map(|(row, at)| (short(&row.name), *at));
        let whole = current().map(|(row, at)| (row.name.as_str(), *at));
        let (city, city_short) = (self.name.clone(), short(&self.name).to_owned());
        let layers: [Vec<(&str, usize)>; 3] =
            [past.collect(), shortened.collect(), whole.collect()];
        for layer in layers {
            let mut names = HashMap::new();
            for (name, at) in layer {
                let found = Known::District(at);
                names
                    .entry(name)
                    .and_modify(|known| {
                        if *known != found {
                            *known = Known::Split;
                        }
                    })
                    .or_insert(found);
            }
            for (name, found) in names {
                for before in ["", &city, &city_short] {
                    self.names.insert(format!("{before}{name}"), found);
                }
            }
        }
        // a county that once bore the city's name does not take it from the city
        self.names.remove(&city);
        self.names.remove(&city_short);
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
