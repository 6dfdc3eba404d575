//! Refused reports with their reasons.

use serde::Serialize;

use super::entity::Empty;
use super::{Mark, Pages};

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusals {
    /// Department filter as asked.
    pub department: String,
    /// Reason filter as asked.
    pub reason: String,
    /// State filter: `open`, `closed`, `all`.
    pub state: &'static str,
    /// Source filter (a seat), as asked.
    pub seat: String,
    /// Its title.
    pub seat_title: String,
    /// Entity filter (a tagged subject), as asked.
    pub subject: String,
    /// Departments to choose from, with the number of open refusals.
    pub departments: Vec<Choice>,
    /// Reasons to choose from, with the number of open refusals.
    pub reasons: Vec<Choice>,
    /// Filters in force, each with the address without it.
    pub chips: Vec<Chip>,
    /// Rows of this page.
    pub rows: Vec<Row>,
    /// Where this page stands in the whole list.
    pub pages: Pages,
    /// Node filter (a seat), as asked.
    pub node: String,
    /// Whether older rows were not looked through.
    pub more: bool,
    /// Why there are no rows.
    pub empty: Option<Empty>,
}

/// An entry of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Value.
    pub value: String,
    /// Words.
    pub word: String,
    /// Whether it is chosen.
    pub chosen: bool,
    /// How many rows it has, in the chosen state.
    pub count: u64,
}

/// A filter in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chip {
    /// What it says.
    pub word: String,
    /// Address of the list without it.
    pub without: String,
}

/// A refused report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Open or closed.
    pub state: Mark,
    /// Department.
    pub department: String,
    /// Title of the source system.
    pub source: String,
    /// Record type in words.
    pub record_type: String,
    /// Key of the refused row.
    pub key: String,
    /// Address of the dossier, if the entity is known here.
    pub dossier: Option<String>,
    /// Reasons.
    pub reasons: Vec<Reason>,
    /// Fields concerned.
    pub fields: Vec<String>,
    /// When it was refused.
    pub time: String,
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Reason code.
    pub code: String,

    /// What is wrong.
    pub wrong: String,
    /// What to do about it, and who.
    pub mend: String,
}

/// Not mended yet.
pub const OPEN: Mark = Mark {
    code: "warn",
    word: "待更正",
    shape: "▲",
};
/// The row has been accepted since.
pub const CLOSED: Mark = Mark {
    code: "good",
    word: "已更正",
    shape: "✓",
};
