//! Entity search.

use serde::Serialize;

use super::Pages;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Search {
    /// What was asked, as typed.
    pub q: String,
    /// Rows of this page.
    pub rows: Vec<Row>,
    /// Where this page stands in the whole list.
    pub pages: Pages,
    /// Whether the number of hits is a floor: counting stopped at a bound.
    pub more: bool,
    /// Rows that are listed at most.
    pub hits_max: u64,
    /// Why there are no rows, and what to do.
    pub empty: Option<Empty>,
}

/// Why a list is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Empty {
    /// The reason.
    pub why: String,
    /// What to do next.
    pub next: String,
}

/// A hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Subject with its tag.
    pub subject: String,
    /// Address of the dossier.
    pub href: String,
    /// Name.
    pub name: String,
    /// The name cut where the query matched: before, match, after; all in the first when it did not match there.
    #[serde(skip)]
    pub name_cut: [String; 3],
    /// Code, if any.
    pub code: Option<Code>,
    /// Registration number, if any.
    pub registration_number: String,
    /// District that has it.
    pub region: String,
    /// Registration status.
    pub status: String,
    /// Why it is in the list.
    pub why: String,
}

/// A code of 18 characters in its groups 2-6-9-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(pub [String; 4]);

impl Code {
    /// The code's groups; a code of another length stays whole.
    pub fn new(code: &str) -> Self {
        if code.len() == 18 && code.is_ascii() {
            let cut = |from: usize, to: usize| code[from..to].to_owned();
            return Self([cut(0, 2), cut(2, 8), cut(8, 17), cut(17, 18)]);
        }
        Self([code.to_owned(), String::new(), String::new(), String::new()])
    }

    /// The whole code.
    pub fn whole(&self) -> String {
        self.0.concat()
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.whole())
    }
}
