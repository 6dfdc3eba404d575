//! From the node's answers to what people read: words, times, addresses.

pub(crate) mod account;
pub(crate) mod admission;
pub(crate) mod audit;
pub(crate) mod dossier;
pub(crate) mod entity;
pub(crate) mod health;
pub(crate) mod refusal;
pub(crate) mod unsettled;

use node::Node;

use crate::text;
use crate::view::refusal::Choice;

/// A region for people; its code when the city does not know it, 市级 for what belongs to no district.
fn region(node: &Node, code: &str) -> String {
    if code.is_empty() {
        return "未确定".to_owned();
    }
    node.city()
        .region_name(code)
        .map_or_else(|| code.to_owned(), str::to_owned)
}

/// What a filter offers: values with their counts, and what is chosen even when nothing matches it any more.
fn choices(
    counts: impl Iterator<Item = (String, u64)>,
    chosen: &str,
    word: impl Fn(&str) -> String,
) -> Vec<Choice> {
    let choice = |value: String, count| Choice {
        word: word(&value),
        chosen: value == chosen,
        count,
        value,
    };
    let mut all: Vec<Choice> = counts.map(|(value, count)| choice(value, count)).collect();
    if !chosen.is_empty() && !all.iter().any(|c| c.chosen) {
        all.push(choice(chosen.to_owned(), 0));
    }
    all
}

/// Address of a dossier.
fn dossier_address(subject: &str) -> String {
    format!("/entities/{}", text::percent(subject))
}
