//! The record of acts, as whoever audits reads it.

use protocol::entry::Subject;
use store::{AuditFilter, AuditRow};

use super::QueryError;
use crate::command::actor::Action;
use crate::node::Node;

/// Which acts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActFilter {
    /// Of this account.
    pub account: Option<String>,
    /// Of this kind.
    pub action: Option<Action>,
    /// About this object, or the entity with this number; empty for all.
    pub object: String,
    /// From this instant on.
    pub from_us: Option<i64>,
    /// Before this instant.
    pub until_us: Option<i64>,
    /// Both in words, as the look itself is written down; empty for all.
    pub period: String,
}

/// An act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Number.
    pub seq: u64,
    /// When.
    pub at_us: i64,
    /// Account.
    pub account: String,
    /// Real name at that time.
    pub name: String,
    /// Key of the way; see [`crate::command::actor::Way::from_key`].
    pub way: String,
    /// From where.
    pub client: String,
    /// Key of the action; see [`Action::from_key`].
    pub action: String,
    /// To what.
    pub object: String,
    /// Further words.
    pub detail: String,
    /// What binds the row to the one before it, in hexadecimal digits; empty for acts from before there was a chain.
    pub hash: String,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActPage {
    /// Newest first.
    pub rows: Vec<Act>,
    /// The number below which the next page begins; none if this is the last.
    pub next: Option<u64>,
}

impl Node {
    /// Acts that match, newest first; those with a number below `before`, if given. At most `rows`, and 999.
    pub async fn acts(
        &self,
        filter: &ActFilter,
        before: Option<u64>,
        rows: usize,
    ) -> Result<ActPage, QueryError> {
        let rows = rows.clamp(1, 999);
        let filter = AuditFilter {
            account: filter.account.clone(),
            action: filter.action.map(|action| action.key().to_owned()),
            objects: objects(&filter.object),
            from_us: filter.from_us,
            until_us: filter.until_us,
        };
        let mut found = self.store().audit_page(&filter, before, rows + 1).await?;
        let more = found.len() > rows;
        found.truncate(rows);
        Ok(ActPage {
            next: found.last().filter(|_| more).map(|row| row.seq),
            rows: found.into_iter().map(act).collect(),
        })
    }
}

/// What a typed object may stand for: itself, or the number of an entity.
fn objects(typed: &str) -> Vec<String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Vec::new();
    }
    let number = typed.to_ascii_uppercase();
    let subjects = [
        Subject::Uscc(number.clone()),
        Subject::RegistrationNumber(number.clone()),
        Subject::OrganisationCode(number.clone()),
        Subject::TaxNumber(number),
        Subject::NameOnly(typed.to_owned()),
    ];
    let tagged = subjects.iter().map(Subject::tagged);
    std::iter::once(typed.to_owned()).chain(tagged).collect()
}

fn act(row: AuditRow) -> Act {
    Act {
        seq: row.seq,
        at_us: row.at_us,
        account: row.account,
        name: row.name,
        way: row.way,
        client: row.client,
        action: row.action,
        object: row.object,
        detail: row.detail,
        hash: row.hash.map(|hash| hash.to_string()).unwrap_or_default(),
    }
}
