//! Refused reports: which row of which source, for what reasons, mended or not. No values: those stay at the agent (D42).

use protocol::directory::SeatKind;
use protocol::name::SeatId;
use store::{RefusalFilter as RowFilter, RefusalRow};
use supervision::standard::reason::reason;

use super::QueryError;
use crate::node::{Node, subject_key};

/// Which refusals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalFilter {
    /// Of this department.
    pub department: Option<String>,
    /// Of this seat.
    pub seat: Option<SeatId>,
    /// With this reason among theirs.
    pub reason: Option<String>,
    /// About this subject, given with its tag.
    pub subject: Option<String>,
    /// Open ones, closed ones, or both.
    pub open: Option<bool>,
}

/// A refused report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether the row is still not accepted.
    pub open: bool,
    /// The seat.
    pub seat: SeatId,
    /// Department; the seat's title when it has none.
    pub department: String,
    /// Title of the source.
    pub source: String,
    /// Record type.
    pub record_type: String,
    /// Title of its standard, if it is known here.
    pub record_title: String,
    /// Key of the row.
    pub key: String,
    /// Subject, if the report named one.
    pub subject: Option<String>,
    /// Reasons.
    pub reasons: Vec<RefusalReason>,
    /// When it was refused or last stated.
    pub at_us: i64,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalReason {
    /// Code.
    pub code: String,
    /// Label of the field, empty when it is about the whole row.
    pub field: String,
    /// What is wrong.
    pub title: String,
    /// What to do.
    pub fix: String,
}

/// A page of refusals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefusalPage {
    /// Rows of the page.
    pub rows: Vec<Refusal>,
    /// All that match.
    pub total: u64,
    /// Departments with the number of refusals that match everything but the department.
    pub departments: Vec<(String, u64)>,
    /// Reason codes with the number of refusals that match everything but the reason.
    pub reasons: Vec<(String, u64)>,
}
