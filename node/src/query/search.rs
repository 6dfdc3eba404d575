//! Finding entities: by code, registration number, part of a name, former name.

use store::{EntityRow, SearchQuery};
use supervision::identifier::normalise_name;

use super::QueryError;
use crate::node::Node;

/// Characters of a name that are needed at least: two is the commonest query and the least that the index serves.
pub const NAME_CHARACTERS_MIN: usize = 2;
/// Bytes of a query that are looked at.
pub const QUERY_BYTES_MAX: usize = 300;
/// Hits that are counted and listed at most.
pub const HITS_MAX: u32 = 1_000;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing yet.
    Nothing,
    /// A single character of a name.
    TooShort,
    /// Longer than a name can be.
    TooLong,
    /// Something to look for.
    Words(String),
}

/// What made an entity a hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matched {
    /// Its credit code.
    Code,
    /// Its registration number.
    RegistrationNumber,
    /// Its organisation code.
    OrganisationCode,
    /// Part of its name.
    Name,
    /// Part of this former name.
    FormerName(String),
}

/// A hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Subject with its tag.
    pub subject: String,
    /// Name.
    pub name: String,
    /// Credit code; empty when there is none.
    pub uscc: String,
    /// Registration number; empty when there is none.
    pub registration_number: String,
    /// Region that has it.
    pub region: String,
    /// State of registration as the source has it.
    pub state: String,
    /// Why it is a hit.
    pub matched: Matched,
}

/// Answer to a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPage {
    /// What was asked.
    pub asked: Asked,
    /// Hits of the page.
    pub hits: Vec<Hit>,
    /// All hits, at most [`HITS_MAX`].
    pub total: u64,
    /// Whether there are more than `total`.
    pub more: bool,
    /// Whether this node has any entity at all.
    pub any: bool,
}

impl Node {
    /// Entities that match, page by page (1 is the first).
    pub async fn search(&self, q: &str, page: u32, rows: u32) -> Result<SearchPage, QueryError> {
        let words = q.trim();
        let mut answer = SearchPage {
            asked: Asked::Nothing,
            hits: Vec::new(),
            total: 0,
            more: false,
            any: true,
        };
        if words.is_empty() {
            return Ok(answer);
        }
        if words.len() > QUERY_BYTES_MAX || words.contains('\0') {
            answer.asked = Asked::TooLong;
            return Ok(answer);
        }
        if normalise_name(words).chars().count() < NAME_CHARACTERS_MIN {
            answer.asked = Asked::TooShort;
            return Ok(answer);
        }
        answer.asked = Asked::Words(words.to_owned());
        let query = SearchQuery {
            text: words.to_owned(),
            region: None,
            limit: HITS_MAX + 1,
            offset: 0,
        };
        let found = self.store().search(&query).await?;
        answer.more = found.len() > HITS_MAX as usize;
        answer.total = found.len().min(HITS_MAX as usize) as u64;
        let from = (page.max(1) - 1) as usize * rows as usize;
        answer.hits = found
            .into_iter()
            .take(HITS_MAX as usize)
            .skip(from)
            .take(rows as usize)
            .map(|row| hit(words, row))
            .collect();
        if answer.total == 0 {
            answer.any = self.store().stats().await?.entities > 0;
        }
        Ok(answer)
    }
}

fn hit(words: &str, row: EntityRow) -> Hit {
    let same = |value: &str| !value.is_empty() && value.eq_ignore_ascii_case(words);
    let part = normalise_name(words);
    let contains = |name: &str| normalise_name(name).contains(&part);
    let matched = if same(&row.uscc) {
        Matched::Code
    } else if same(&row.reg_no) {
        Matched::RegistrationNumber
    } else if same(&row.org_code) {
        Matched::OrganisationCode
    } else if contains(&row.name) {
        Matched::Name
    } else {
        match row.former_names.lines().find(|name| contains(name)) {
            Some(name) => Matched::FormerName(name.to_owned()),
            None => Matched::Name,
        }
    };
    Hit {
        subject: row.subject_text,
        name: row.name,
        uscc: row.uscc,
        registration_number: row.reg_no,
        region: row.region,
        state: row.state,
        matched,
    }
}
