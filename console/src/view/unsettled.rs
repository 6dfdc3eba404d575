//! Entities that the rules left to a person, with reasons, what to do, and which other entity each may be.

use serde::Serialize;

use super::Pages;
use super::entity::{Code, Empty};
use super::refusal::{Chip, Choice, Reason};

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnsettledList {
    /// Department filter as asked.
    pub department: String,
    /// Reason filter as asked.
    pub reason: String,
    /// Departments to choose from, with the number of entities.
    pub departments: Vec<Choice>,
    /// Reasons to choose from, with the number of entities.
    pub reasons: Vec<Choice>,
    /// Filters in force, each with the address without it.
    pub chips: Vec<Chip>,
    /// Rows of this page.
    pub rows: Vec<Unsettled>,
    /// Where this page stands in the whole list.
    pub pages: Pages,
    /// Why there are no rows.
    pub empty: Option<Empty>,
}

/// An entity for a person to settle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsettled {
    /// Subject with its tag.
    pub subject: String,
    /// Address of the dossier.
    pub href: String,
    /// Name.
    pub name: String,
    /// By what kind of number it is known, in words.
    pub known_by: &'static str,
    /// That number; empty if by its name only.
    pub number: String,
    /// Region that has it meanwhile.
    pub region: String,
    /// Department that stated it.
    pub department: String,
    /// Title of the source system.
    pub source: String,
    /// Reasons.
    pub reasons: Vec<Reason>,
    /// Address of the list of those with the same first reason.
    pub list: String,
    /// What comparing has found, in words; empty if there was nothing to compare.
    pub compared: String,
    /// Entities that it may be.
    pub likely: Vec<Likely>,
}

/// An entity that another may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Likely {
    /// Address of the dossier.
    pub href: String,
    /// Name.
    pub name: String,
    /// Credit code.
    pub code: Code,
    /// Region that has it.
    pub region: String,
    /// By what it was found; empty if with others alike.
    pub method: &'static str,
    /// How sure that is, 0 to 100; none if with others alike.
    pub score: Option<u8>,
}
