//! Which release this is. The commit is told when whoever built it set `ZONGHENG_COMMIT`; nothing is asked of git at a
//! build.

use std::sync::OnceLock;

/// Version of all programs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that was built, if the build knew.
pub const COMMIT: Option<&str> = option_env!("ZONGHENG_COMMIT");

/// Version and commit in one line.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| match COMMIT {
        Some(commit) if !commit.is_empty() => format!("{VERSION} ({commit})"),
        _ => VERSION.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_begins_with_the_version() {
        assert!(text().starts_with(VERSION));
        assert_eq!(text().contains('('), COMMIT.is_some_and(|c| !c.is_empty()));
    }
}
