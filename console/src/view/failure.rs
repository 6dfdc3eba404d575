//! A page that says what went wrong, who is at fault and what to do.

use serde::Serialize;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// What happened.
    pub title: String,
    /// Whose fault, and why.
    pub why: String,
    /// What to do.
    pub next: Vec<String>,
    /// Number to give when asking for help.
    pub reference: String,
}
