//! From the node's answers to what people read: words, times, addresses.

pub(crate) mod admission;
pub(crate) mod dossier;
pub(crate) mod entity;
pub(crate) mod health;
pub(crate) mod refusal;
pub(crate) mod unsettled;

use node::Node;

use crate::text;

/// A region for people; its code when the city does not know it, 市级 for what belongs to no district.
fn region(node: &Node, code: &str) -> String {
    if code.is_empty() {
        return "未确定".to_owned();
    }
    node.city()
        .region_name(code)
        .map_or_else(|| code.to_owned(), str::to_owned)
}

/// Address of a dossier.
fn dossier_address(subject: &str) -> String {
    format!("/entities/{}", text::percent(subject))
}
