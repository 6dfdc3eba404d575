//! What this room may rest on: no transport, no runtime, no SQL in its dependency tree, no clock and no randomness in its
//! sources. Reads manifests and sources, runs nothing of the room.

use std::path::{Path, PathBuf};
use std::process::Command;

const NOT_IN_THE_TREE: [&str; 9] = [
    "tokio",
    "mio",
    "socket2",
    "quinn",
    "quinn-udp",
    "rustls",
    "sqlx",
    "sqlx-core",
    "async-std",
];

/// Ways to a clock or to randomness, as they stand in code.
const NOT_IN_THE_SOURCES: [&str; 14] = [
    "Instant",
    "SystemTime",
    "std::time",
    "UNIX_EPOCH",
    "SystemRandom",
    "SecureRandom",
    "ring::rand",
    "rand::",
    "getrandom",
    // the standard maps seed themselves from the system; an ordered map also says things in the same order every time
    "RandomState",
    "HashMap",
    "HashSet",
    "std::net",
    "std::thread",
];

#[test]
fn the_tree_holds_no_transport_and_no_runtime() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--offline", "--locked", "--package", "protocol"])
        .args([
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .output()
        .expect("cargo runs this test, so it can be started");
    assert!(
        out.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let tree = String::from_utf8_lossy(&out.stdout);
    let names: Vec<&str> = tree.lines().filter_map(|l| l.split(' ').next()).collect();
    for expected in ["protocol", "ring", "zstd"] {
        assert!(
            names.contains(&expected),
            "cargo tree names no {expected}: {tree}"
        );
    }
    for name in NOT_IN_THE_TREE {
        assert!(!names.contains(&name), "protocol depends on {name}");
    }
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("sources are there") {
        let path = entry.expect("sources are there").path();
        // tests may do what the room may not
        if path.file_stem().is_some_and(|s| s == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Code without line comments; a name counts only as a whole word, so that `Value::Instant` is no clock.
fn names(code: &str, word: &str) -> bool {
    let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    code.lines()
        .map(|l| l.split("//").next().unwrap_or_default())
        .any(|line| {
            line.match_indices(word).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + word.len()..].chars().next();
                let own_variant = ["Value::", "Self::"]
                    .iter()
                    .any(|p| line[..at].ends_with(p));
                let declared = line.trim_start() == format!("{word}(i64),");
                !own_variant
                    && !declared
                    && !before.is_some_and(part_of_a_name)
                    && (word.ends_with(':') || !after.is_some_and(part_of_a_name))
            })
        })
}

#[test]
fn the_sources_read_no_clock_and_draw_no_randomness() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let code = std::fs::read_to_string(&file).expect("sources are text");
        for word in NOT_IN_THE_SOURCES {
            assert!(!names(&code, word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn the_search_finds_what_it_is_for() {
    for (code, word, found) in [
        ("let now = Instant::now();", "Instant", true),
        ("use std::time::{Duration, Instant};", "Instant", true),
        ("use std::time::Duration;", "std::time", true),
        ("let n = rand::random();", "rand::", true),
        ("let n = operand::new();", "rand::", false),
        ("Value::Instant(5)", "Instant", false),
        ("    Instant(i64),", "Instant", false),
        ("// Instant is not used", "Instant", false),
        ("ring::rand::SystemRandom::new()", "SystemRandom", true),
    ] {
        assert_eq!(names(code, word), found, "{code}");
    }
}
