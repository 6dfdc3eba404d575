//! The matching order for records without a valid credit code, with its guards. A pure function over candidates.
//!
//! A key is compared only if both sides have it and both are valid: over nullable columns anything else merges
//! strangers. Fetching candidates and keeping the result (method, score, person, time) is the caller's.

use crate::identifier::organisation::OrganisationCode;
use crate::identifier::registration_number::RegistrationNumber;
use crate::identifier::tax_number::TaxNumber;
use crate::identifier::uscc::Uscc;
use crate::identifier::{is_nothing, normalise_name};

/// What a record says about its entity. Empty and absent are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clues<'a> {
    /// Unified social credit code.
    pub uscc: Option<&'a str>,
    /// Registration number.
    pub reg_no: Option<&'a str>,
    /// Organisation code.
    pub org_code: Option<&'a str>,
    /// Tax number.
    pub tax_no: Option<&'a str>,
    /// Name.
    pub name: Option<&'a str>,
    /// Legal representative, person in charge or operator.
    pub legal_rep: Option<&'a str>,
    /// Address.
    pub address: Option<&'a str>,
    /// Registering body's division.
    pub registry: Option<&'a str>,
}

/// An entity that the record may be about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its own facts.
    pub facts: Clues<'a>,
    /// Names it had before.
    pub former_names: &'a [String],
    /// Whether it is an individual business (个体工商户), many of which share a name.
    pub individual: bool,
}

/// By what a match was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Method {
    /// Valid credit code, exactly.
    Uscc = 1,
    /// Valid registration number, exactly.
    RegistrationNumber = 2,
    /// Organisation code against characters 9 to 17 of the credit code.
    OrganisationCode = 3,
    /// End of the tax number, likewise.
    TaxNumber = 4,
    /// Name and at least one more agreeing fact.
    NameAndFact = 5,
}

impl Method {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Uscc => "统一社会信用代码一致",
            Self::RegistrationNumber => "注册号一致",
            Self::OrganisationCode => "组织机构代码一致",
            Self::TaxNumber => "税务登记号一致",
            Self::NameAndFact => "名称及其他事项一致",
        }
    }
}

/// What came of matching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// One entity.
    Matched {
        /// Index among the candidates.
        candidate: usize,
        /// By what.
        method: Method,
        /// 0 to 100; a match by name stays below what links without a person.
        score: u8,
    },
    /// Several fit equally: for a person.
    Several(Vec<usize>),
    /// None: for a person.
    None,
}

/// Scores from here on link without a person.
pub const SCORE_LINKS: u8 = 85;

/// Runs down the matching order. The first step at which candidates fit decides; a candidate whose stronger key
/// contradicts the record's never fits at a weaker one.
pub fn match_entity(clues: &Clues<'_>, candidates: &[Candidate<'_>]) -> Match {
    let wanted = Keys::of(clues);
    let keys: Vec<Keys> = candidates.iter().map(|c| Keys::of(&c.facts)).collect();
    let steps: [(Method, u8, Fits); 4] = [
        (Method::Uscc, 100, |w, c| both(w.uscc, c.uscc)),
        (Method::RegistrationNumber, 95, |w, c| {
            both(w.reg_no, c.reg_no)
        }),
        (Method::OrganisationCode, 90, |w, c| {
            both(w.org_code, c.organisation())
        }),
        (Method::TaxNumber, 85, |w, c| {
            both(w.tax_org, c.organisation())
        }),
    ];
    for (at, (method, score, fits)) in steps.iter().enumerate() {
        let contradicted = |keys: &Keys| {
            steps[..at]
                .iter()
                .any(|(_, _, stronger)| stronger(&wanted, keys) == Some(false))
        };
        let hits: Vec<usize> = (0..keys.len())
            .filter(|i| fits(&wanted, &keys[*i]) == Some(true) && !contradicted(&keys[*i]))
            .collect();
        match hits.as_slice() {
            [] => {}
            [one] => {
                return Match::Matched {
                    candidate: *one,
                    method: *method,
                    score: *score,
                };
            }
            _ => return Match::Several(hits),
        }
    }
    let contradicted = |keys: &Keys| {
        steps
            .iter()
            .any(|(_, _, fits)| fits(&wanted, keys) == Some(false))
    };
    let hits: Vec<(usize, u8)> = (0..keys.len())
        .filter(|i| !contradicted(&keys[*i]))
        .filter_map(|i| Some((i, by_name(clues, &candidates[i])?)))
        .collect();
    let best = hits.iter().map(|(_, facts)| *facts).max().unwrap_or(0);
    let mut best_of = hits
        .iter()
        .filter(|(_, facts)| *facts == best)
        .map(|(i, _)| *i);
    match (best_of.next(), best_of.next()) {
        (None, _) => Match::None,
        (Some(candidate), None) => Match::Matched {
            candidate,
            method: Method::NameAndFact,
            score: 50 + 10 * best,
        },
        _ => Match::Several(
            hits.iter()
                .filter(|(_, facts)| *facts == best)
                .map(|(i, _)| *i)
                .collect(),
        ),
    }
}

/// Whether a key agrees; `None` if one side does not have it.
type Fits = fn(&Keys, &Keys) -> Option<bool>;

/// The valid keys of one side.
struct Keys {
    uscc: Option<Uscc>,
    reg_no: Option<RegistrationNumber>,
    org_code: Option<OrganisationCode>,
    tax_org: Option<OrganisationCode>,
}

impl Keys {
    fn of(clues: &Clues<'_>) -> Self {
        Self {
            uscc: clues.uscc.and_then(|s| Uscc::parse(s).ok()),
            reg_no: clues.reg_no.and_then(|s| RegistrationNumber::parse(s).ok()),
            org_code: clues.org_code.and_then(|s| OrganisationCode::parse(s).ok()),
            tax_org: clues
                .tax_no
                .and_then(|s| TaxNumber::parse(s).ok())
                .map(|n| n.organisation_code()),
        }
    }

    /// The organisation code of a candidate: within its credit code, else its own.
    fn organisation(&self) -> Option<OrganisationCode> {
        self.uscc.map(OrganisationCode::from).or(self.org_code)
    }
}

fn both<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<bool> {
    Some(a? == b?)
}

/// Whether a name may be compared at all: masked and very short ones are not.
pub fn is_comparable_name(name: &str) -> bool {
    let clean = normalise_name(name);
    !is_nothing(name) && !clean.contains('*') && clean.chars().count() > NAME_CHARS_TOO_FEW
}

/// How many further facts agree beside the name; `None` if the name does not, or must not be compared.
fn by_name(clues: &Clues<'_>, candidate: &Candidate<'_>) -> Option<u8> {
    let name = normalise_name(clues.name.filter(|n| is_comparable_name(n))?);
    let current = candidate.facts.name.map(normalise_name);
    let former = candidate.former_names.iter().map(|n| normalise_name(n));
    if !current.into_iter().chain(former).any(|n| n == name) {
        return None;
    }
    let agrees = |a: Option<&str>, b: Option<&str>| match (a, b) {
        (Some(a), Some(b)) if !is_nothing(a) && !is_nothing(b) && !a.contains('*') => {
            normalise_name(a) == normalise_name(b)
        }
        _ => false,
    };
    let same_registry = agrees(clues.registry, candidate.facts.registry);
    if candidate.individual && !same_registry {
        return None;
    }
    let facts = u8::from(agrees(clues.legal_rep, candidate.facts.legal_rep))
        + u8::from(agrees(clues.address, candidate.facts.address))
        + u8::from(same_registry);
    let enough = if candidate.individual { 2 } else { 1 };
    (facts >= enough).then_some(facts)
}

/// Names of at most this many characters are not compared.
const NAME_CHARS_TOO_FEW: usize = 3;
