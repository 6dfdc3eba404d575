//! The record of acts.

use serde::Serialize;

use super::account::Choice;
use super::entity::Empty;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acts {
    /// Account filter, as asked.
    pub account: String,
    /// Actions to choose from.
    #[serde(skip)]
    pub actions: Vec<Choice>,
    /// Object filter, as asked.
    pub object: String,
    /// First day, as asked.
    pub from: String,
    /// Last day, as asked.
    pub to: String,
    /// Newest first.
    pub rows: Vec<ActLine>,
    /// Address of the newest acts; none if this page shows them.
    pub newest: Option<String>,
    /// Address of the next older acts; none if there are none.
    pub older: Option<String>,
    /// Address of the export of all that match.
    pub export: String,
    /// Rows that an export holds at most.
    pub export_max: String,
    /// Why there are no rows.
    pub empty: Option<Empty>,
}

/// An act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActLine {
    /// Number.
    pub seq: u64,
    /// When, in microseconds since 1970.
    pub at_us: i64,
    /// When, for people.
    pub at: String,
    /// Account.
    pub account: String,
    /// Real name at that time.
    pub name: String,
    /// Way, as stored.
    pub way: String,
    /// Way, for people.
    pub way_word: String,
    /// From where.
    pub client: String,
    /// Action, as stored.
    pub action: String,
    /// Action, for people.
    pub action_word: String,
    /// To what.
    pub object: String,
    /// Further words.
    pub detail: String,
    /// What binds the row to the one before it.
    pub hash: String,
}
