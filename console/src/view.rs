//! What pages show and the JSON API gives: one plain structure per page, already in the words and times that people read.
//!
//! Made in `present` from what `node` answers; rendered by `page`, serialised by `handle`. No node types here, so that pages
//! can be tried with made-up figures.

pub mod account;
pub mod admission;
pub mod audit;
pub mod dossier;
pub mod entity;
pub mod failure;
pub mod health;
pub mod refusal;
pub mod shell;
pub mod unsettled;

use serde::Serialize;

/// A word with a shape and a class: never colour alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Stable key, also the CSS class behind its prefix.
    pub code: &'static str,
    /// The word.
    pub word: &'static str,
    /// The shape before it.
    pub shape: &'static str,
}

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Pages {
    /// 1 for the first.
    pub page: u32,
    /// How many there are; at least 1.
    pub pages: u32,
    /// Rows in the whole list.
    pub total: u64,
    /// Number of the first row shown; 0 when there is none.
    pub first: u64,
    /// Number of the last row shown.
    pub last: u64,
    /// Address of the previous page.
    pub previous: Option<String>,
    /// Address of the next page.
    pub next: Option<String>,
}

/// Rows on one page of a list.
pub const PAGE_ROWS: u32 = 50;

impl Pages {
    /// The page of a list, with addresses made from `address`, which ends where the page number belongs.
    pub fn of(page: u32, total: u64, address: &str) -> Self {
        let rows = u64::from(PAGE_ROWS);
        let pages = u32::try_from(total.div_ceil(rows).max(1)).unwrap_or(u32::MAX);
        let page = page.clamp(1, pages);
        let before = u64::from(page - 1) * rows;
        let to = |page: u32| format!("{address}{page}");
        Self {
            page,
            pages,
            total,
            first: if total == 0 { 0 } else { before + 1 },
            last: (before + rows).min(total),
            previous: (page > 1).then(|| to(page - 1)),
            next: (page < pages).then(|| to(page + 1)),
        }
    }
}
