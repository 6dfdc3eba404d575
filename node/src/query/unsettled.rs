//! Entities that the rules left to a person: why, whose statement it was, and which other entity each may be one with.
//!
//! Matching happens here, at reading time, and links nothing: what is found is a suggestion with its method and score.

use std::collections::{BTreeMap, HashMap};

use protocol::name::SeatId;
use store::{Alike, EntityRow, UnsettledFilter as RowFilter, UnsettledRow};
use supervision::conclude::matching::{
    Candidate, Clues, Match, Method, is_comparable_name, match_entity,
};
use supervision::conclude::unsettled::Unsettled;
use supervision::identifier::registration_number::RegistrationNumber;
use supervision::identifier::tax_number::TaxNumber;
use supervision::identifier::uscc::Uscc;

use super::QueryError;
use super::refusal::Source;
use crate::node::{Node, subject_key};

/// Entities that are compared with one at most, for each fact by which they are sought.
pub const CANDIDATES_MAX: usize = 20;

/// Which of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnsettledFilter {
    /// Stated by this department.
    pub department: Option<String>,
    /// With this reason among theirs.
    pub reason: Option<Unsettled>,
}

/// An entity that is for a person to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledEntity {
    /// Subject with its tag.
    pub subject: String,
    /// Name.
    pub name: String,
    /// Credit code; empty when there is none.
    pub uscc: String,
    /// Registration number; empty when there is none.
    pub registration_number: String,
    /// Whether that is a valid number of 15 digits: others are not compared.
    pub is_number_valid: bool,
    /// Region that has it meanwhile.
    pub region: String,
    /// Department that stated it; its source's title when it has none.
    pub department: String,
    /// Title of the source.
    pub source: String,
    /// Reasons; never none.
    pub reasons: Vec<Unsettled>,
    /// The division code that the reasons are about, if any.
    pub division: String,
    /// Which other entity it may be.
    pub suggestion: Suggestion,
}

/// Which other entity, one with a valid credit code, an entity may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suggestion {
    /// There is no question about which entity it is.
    NotAsked,
    /// None is held here that fits.
    None,
    /// One fits.
    One {
        /// It.
        entity: Likely,
        /// By what.
        method: Method,
        /// 0 to 100.
        score: u8,
        /// More were found than were compared, so that another may fit as well.
        more: bool,
    },
    /// Several fit equally.
    Several(Vec<Likely>),
}

/// An entity that another may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likely {
    /// Subject with its tag.
    pub subject: String,
    /// Name.
    pub name: String,
    /// Credit code.
    pub uscc: String,
    /// Region that has it.
    pub region: String,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnsettledPage {
    /// Rows of the page.
    pub rows: Vec<UnsettledEntity>,
    /// The page, not beyond the last.
    pub page: u32,
    /// All that match.
    pub total: u64,
    /// Departments with the number of entities that match everything but the department.
    pub departments: Vec<(String, u64)>,
    /// Reasons with the number of entities that match everything but the reason. One with several counts for each.
    pub reasons: Vec<(Unsettled, u64)>,
}

impl Node {
    /// Entities that a person must settle, page by page (1 is the first), department by department.
    pub async fn unsettled(
        &self,
        filter: &UnsettledFilter,
        page: u32,
        rows: u32,
    ) -> Result<UnsettledPage, QueryError> {
        let sources = self.sources();
        let mut answer = UnsettledPage::default();
        let mut departments: BTreeMap<String, u64> = BTreeMap::new();
        let mut reasons: BTreeMap<Unsettled, u64> = BTreeMap::new();
        let mut origins = Vec::new();
        for count in self.store().unsettled_counts().await? {
            let department = department(&sources, &count.origin);
            let of_department = filter.department.as_ref().is_none_or(|d| *d == department);
            let of_reason = filter.reason.is_none_or(|r| count.reasons & r.bit() != 0);
            if of_reason {
                *departments.entry(department).or_default() += count.count;
            }
            if of_department {
                for reason in Unsettled::of_bits(count.reasons) {
                    *reasons.entry(reason).or_default() += count.count;
                }
                if !origins.contains(&count.origin) {
                    origins.push(count.origin);
                }
            }
            if of_department && of_reason {
                answer.total += count.count;
            }
        }
        answer.departments = departments.into_iter().collect();
        answer.reasons = reasons.into_iter().collect();
        let last = answer.total.div_ceil(u64::from(rows.max(1))).max(1);
        answer.page = page.clamp(1, u32::try_from(last).unwrap_or(u32::MAX));
        let query = RowFilter {
            origins: filter.department.as_ref().map(|_| origins),
            reasons: filter.reason.map_or(0, Unsettled::bit),
        };
        let skip = u64::from(answer.page - 1) * u64::from(rows);
        for (row, entity) in self.store().unsettled(&query, skip, rows as usize).await? {
            let told = self.tell_unsettled(row, entity, &sources).await?;
            answer.rows.push(told);
        }
        Ok(answer)
    }

    /// How many entities a person must settle, of one department or of all; counting stops at `most`.
    pub async fn unsettled_at_most(
        &self,
        department: Option<&str>,
        most: u64,
    ) -> Result<u64, QueryError> {
        let origins = department.map(|wanted| {
            let sources = self.sources().into_iter();
            sources
                .filter(|(_, source)| source.department == wanted)
                .map(|(seat, _)| seat)
                .collect()
        });
        let filter = RowFilter {
            origins,
            reasons: 0,
        };
        Ok(self.store().unsettled_at_most(&filter, most).await?)
    }

    /// Why the entity of a subject, given with its tag, is for a person; `None` if it is settled or not known here.
    pub async fn unsettled_of(&self, tagged: &str) -> Result<Option<UnsettledEntity>, QueryError> {
        let key = subject_key(tagged);
        let Some(row) = self.store().unsettled_of(key).await? else {
            return Ok(None);
        };
        match self.store().entity(key).await? {
            // the stored hash is short: another subject with the same one is told apart here
            Some(entity) if entity.subject_text == tagged => self
                .tell_unsettled(row, entity, &self.sources())
                .await
                .map(Some),
            _ => Ok(None),
        }
    }

    async fn tell_unsettled(
        &self,
        row: UnsettledRow,
        entity: EntityRow,
        sources: &HashMap<SeatId, Source>,
    ) -> Result<UnsettledEntity, QueryError> {
        let reasons: Vec<Unsettled> = Unsettled::of_bits(row.reasons).collect();
        let suggestion = if reasons.iter().any(|r| r.is_about_identity()) {
            self.suggestion(&row, &entity).await?
        } else {
            Suggestion::NotAsked
        };
        let source = sources.get(&row.origin);
        Ok(UnsettledEntity {
            department: department(sources, &row.origin),
            source: source.map_or_else(|| row.origin.to_string(), |s| s.title.clone()),
            reasons,
            division: row.detail,
            suggestion,
            is_number_valid: RegistrationNumber::parse(&entity.reg_no).is_ok(),
            subject: entity.subject_text,
            name: entity.name,
            uscc: entity.uscc,
            registration_number: entity.reg_no,
            region: entity.region,
        })
    }

    /// Runs the matching order over what the store finds alike.
    async fn suggestion(
        &self,
        row: &UnsettledRow,
        entity: &EntityRow,
    ) -> Result<Suggestion, QueryError> {
        let within_tax_number = TaxNumber::parse(&row.tax_no)
            .ok()
            .map(|number| number.organisation_code().to_string());
        let facts = Alike {
            reg_no: entity.reg_no.clone(),
            org_codes: std::iter::once(entity.org_code.clone())
                .chain(within_tax_number)
                .collect(),
            // names that must not be compared are not sought either
            name: Some(entity.name.clone())
                .filter(|name| is_comparable_name(name))
                .unwrap_or_default(),
        };
        let (found, more) = self.store().alike(&facts, CANDIDATES_MAX).await?;
        let found: Vec<Compared> = found
            .into_iter()
            .filter(|other| other.subject != entity.subject)
            .filter_map(Compared::of)
            .collect();
        let candidates: Vec<Candidate<'_>> = found.iter().map(Compared::candidate).collect();
        let clues = Clues {
            registry: registry(row, entity),
            tax_no: Some(&row.tax_no),
            ..clues(entity)
        };
        let likely = |at: usize| found[at].likely();
        Ok(match match_entity(&clues, &candidates) {
            Match::Matched {
                candidate,
                method,
                score,
            } => Suggestion::One {
                entity: likely(candidate),
                method,
                score,
                more,
            },
            Match::Several(several) => {
                Suggestion::Several(several.into_iter().map(likely).collect())
            }
            Match::None => Suggestion::None,
        })
    }
}

/// An entity with a valid credit code, to be compared.
struct Compared {
    row: EntityRow,
    code: Uscc,
    former_names: Vec<String>,
}

impl Compared {
    fn of(row: EntityRow) -> Option<Self> {
        Some(Self {
            code: Uscc::parse(&row.uscc).ok()?,
            former_names: row.former_names.lines().map(str::to_owned).collect(),
            row,
        })
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            facts: Clues {
                registry: Some(self.code.division()),
                ..clues(&self.row)
            },
            former_names: &self.former_names,
            individual: self.code.is_individual(),
        }
    }

    fn likely(&self) -> Likely {
        Likely {
            subject: self.row.subject_text.clone(),
            name: self.row.name.clone(),
            uscc: self.row.uscc.clone(),
            region: self.row.region.clone(),
        }
    }
}

fn clues(entity: &EntityRow) -> Clues<'_> {
    Clues {
        uscc: Some(&entity.uscc),
        reg_no: Some(&entity.reg_no),
        org_code: Some(&entity.org_code),
        name: Some(&entity.name),
        legal_rep: Some(&entity.legal_rep),
        address: Some(&entity.address),
        tax_no: None,
        registry: None,
    }
}

/// The division of the registering body: as stated, else the one that a valid registration number begins with.
fn registry<'a>(row: &'a UnsettledRow, entity: &'a EntityRow) -> Option<&'a str> {
    let six = |text: &'a str| {
        text.get(..6)
            .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
    };
    six(&row.registry).or_else(|| {
        RegistrationNumber::parse(&entity.reg_no)
            .is_ok()
            .then(|| six(&entity.reg_no))?
    })
}

fn department(sources: &HashMap<SeatId, Source>, seat: &SeatId) -> String {
    sources
        .get(seat)
        .map_or_else(|| seat.to_string(), |source| source.department.clone())
}
