//! Finding entities: by code, registration number, part of a name, former name.

use std::borrow::Cow;

use store::search::{COUNT_MAX, PAGE_MAX};
use store::{EntityRow, SearchQuery};
use supervision::identifier::{Identifier, classify, normalise, normalise_name};

use super::QueryError;
use crate::node::Node;

/// Characters of a name that are needed at least: two is the commonest query and the least that the index serves.
pub const NAME_CHARACTERS_MIN: usize = 2;
/// Bytes of a query that are looked at.
pub const QUERY_BYTES_MAX: usize = 300;
/// Hits that are counted and listed at most.
pub const HITS_MAX: u64 = COUNT_MAX;

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
    /// Its credit code, or the beginning of it.
    Code,
    /// Its registration number, or the beginning of it.
    RegistrationNumber,
    /// Its organisation code, or the beginning of it.
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
        let words = &*sought(words);
        let mut query = SearchQuery {
            text: words.to_owned(),
            limit: PAGE_MAX,
            ..SearchQuery::default()
        };
        let from = u64::from(page.max(1) - 1) * u64::from(rows);
        let mut seen = 0;
        // pages are counted out from the beginning: the store goes on from a row, people from a number
        loop {
            let found = self.store().search(&query).await?;
            answer.total = found.total_at_most.min(HITS_MAX);
            answer.more = found.total_at_most >= HITS_MAX;
            for row in found.rows {
                if seen >= from && answer.hits.len() < rows as usize && seen < HITS_MAX {
                    answer.hits.push(hit(words, row));
                }
                seen += 1;
            }
            query.after = found.next;
            if query.after.is_none() || answer.hits.len() == rows as usize || seen >= HITS_MAX {
                break;
            }
        }
        if answer.total == 0 {
            answer.any = self.store().stats().await?.entities > 0;
        }
        Ok(answer)
    }
}

/// What is looked for: an identifier, however people copied it (full width, hyphens, spaces, a label in front), in the form
/// in which it is kept; everything else as it is.
fn sought(words: &str) -> Cow<'_, str> {
    match classify(words) {
        Identifier::Uscc(_)
        | Identifier::RegistrationNumber(_)
        | Identifier::OrganisationCode(_)
        | Identifier::TaxNumber(_) => normalise(words),
        Identifier::Absent | Identifier::OtherNumber(_) | Identifier::Faulty(_) => {
            Cow::Borrowed(words)
        }
    }
}

fn hit(words: &str, row: EntityRow) -> Hit {
    let part = normalise_name(words);
    let begins = |code: &str| !code.is_empty() && normalise_name(code).starts_with(part.as_ref());
    let contains = |name: &str| normalise_name(name).contains(part.as_ref());
    let matched = if begins(&row.uscc) {
        Matched::Code
    } else if begins(&row.reg_no) {
        Matched::RegistrationNumber
    } else if begins(&row.org_code) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_looked_for_in_the_form_in_which_it_is_kept() {
        let check = |words: &str, expected: &str| assert_eq!(sought(words), expected, "{words}");
        for words in [
            "91310115MA1K3BTP2B",
            "９１３１０１１５ＭＡ１Ｋ３ＢＴＰ２Ｂ",
            "91310115ma1k3btp2b",
            "9131 0115 MA1K 3BTP 2B",
            "统一社会信用代码：91310115MA1K3BTP2B",
        ] {
            check(words, "91310115MA1K3BTP2B");
        }
        check("ＭＡ１Ｋ３ＢＴＰ－２", "MA1K3BTP2");
        check("3101 4100 0157 096", "310141000157096");
        // beginnings of codes and names stay as they are, and the store looks for either width
        for words in ["９１３７", "9131-", "泉城 食品", "N/A", "A-1"] {
            check(words, words);
        }
    }
}
