//! How files begin, how long they are, and what they do not speak of.

use crate::tree::{File, files, hold};

/// Lines of a file before it has to say why it is longer.
const LINES_MAX: usize = 600;
/// How the head of a longer file says so.
const EXCUSE: &str = "//! Long because";

#[test]
fn files_say_what_lives_there() {
    let complaints = files(".rs").iter().filter_map(judge_head).collect();
    hold(
        "a file opens with //! and says what lives there",
        complaints,
    );
}

#[test]
fn files_are_short() {
    let complaints = files(".rs").iter().filter_map(judge_length).collect();
    hold(
        "a long file is split, or its head says: //! Long because …",
        complaints,
    );
}

#[test]
fn the_project_speaks_of_itself_only() {
    let complaints = files("").iter().flat_map(judge_words).collect();
    hold("the project speaks of how it was made", complaints);
}

#[test]
fn the_rules_see_what_they_should() {
    let head = |text| judge_head(&File::invented("a/src/a.rs", text)).is_some();
    assert!(!head("//! The clock.\n\nfn a() {}\n"));
    assert!(head("// The clock.\n"));
    assert!(head("//!\n"));
    assert!(head(""));
    let length = |text: String| judge_length(&File::invented("a/src/a.rs", &text)).is_some();
    assert!(!length("//! A.\n".repeat(600)));
    assert!(length("//! A.\n".repeat(601)));
    assert!(!length(format!(
        "//! A.\n//! Long because it is one table.\n\n{}",
        "a\n".repeat(700)
    )));
    assert!(length(format!(
        "//! A.\n\n{}//! Long because\n",
        "a\n".repeat(700)
    )));
    let words = |text: &str| judge_words(&File::invented("README.md", text)).len();
    assert_eq!(
        words("A session is shared by two parties; its issue is solved. Row 2 of issue date 3."),
        0
    );
    assert_eq!(words(&["see ../sha", "red/design"].concat()), 1);
    assert_eq!(words(&["as Iss", "ue 12 asks"].concat()), 1);
    assert_eq!(words(&["the helper's session", " limit"].concat()), 1);
}

fn judge_head(file: &File) -> Option<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first
        .strip_prefix("//! ")
        .is_some_and(|says| !says.trim().is_empty());
    (!says).then(|| format!("{}: {first:?}", file.path))
}

fn judge_length(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let mut head = file.text.lines().take_while(|line| line.starts_with("//!"));
    let excused = head.any(|line| line.starts_with(EXCUSE));
    (lines > LINES_MAX && !excused).then(|| format!("{}: {lines} lines", file.path))
}

/// Words are put together here, so that this file does not hold them.
fn judge_words(file: &File) -> Vec<String> {
    let banned: Vec<String> = [
        ["sha", "red/"],
        ["/wo", "rk/"],
        ["farm-", "bench"],
        ["farm-", "studio"],
        ["sub", "agent"],
        ["session", " limit"],
        ["earlier", " session"],
        ["previous", " session"],
        ["coding", " agent"],
        ["clau", "de"],
        ["anthro", "pic"],
        ["chat", "gpt"],
    ]
    .iter()
    .map(|halves| halves.concat())
    .collect();
    let numbered = ["iss", "ue "].concat();
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let low = line.to_lowercase();
        let with_number = low.match_indices(&numbered).any(|(at, _)| {
            let rest = low[at + numbered.len()..].trim_start_matches('#');
            rest.starts_with(|first: char| first.is_ascii_digit())
        });
        if with_number || banned.iter().any(|word| low.contains(word.as_str())) {
            let shown: String = line.trim().chars().take(120).collect();
            complaints.push(format!("{}:{}: {shown}", file.path, index + 1));
        }
    }
    complaints
}
