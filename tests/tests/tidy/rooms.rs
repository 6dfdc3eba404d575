//! I2: what only some rooms may touch: SQL, QUIC and TLS, templates, signatures, the frame codec, the clock and randomness
//! of the operating system. Code for tests may touch what its manifest
//! lists; `deploy/demo` builds legacy databases.

use crate::tree::{File, files, hold};

/// A foreign crate and the paths below which it may be named.
const CRATES: [(&str, &[&str]); 12] = [
    ("sqlx", &["store/", "agent/src/connector", "deploy/demo/"]),
    ("quinn", &["runtime/"]),
    ("rustls", &["runtime/"]),
    ("tokio_rustls", &["runtime/"]),
    ("rcgen", &["runtime/"]),
    ("rustix", &["runtime/"]),
    ("askama", &["console/"]),
    ("axum", &["console/"]),
    ("hyper", &["console/"]),
    ("ring", &["protocol/", "runtime/"]),
    ("x25519_dalek", &["protocol/"]),
    // frames are written by hand; tests hold them against it
    ("bincode", &[]),
];

/// Manifests that may list a foreign crate, by room. What is not named here is free.
const MANIFESTS: [(&str, &[&str]); 13] = [
    ("sqlx", &["store", "agent", "tests", "deploy/demo"]),
    ("quinn", &["runtime"]),
    ("rustls", &["runtime", "tests"]),
    ("tokio-rustls", &["runtime"]),
    ("rcgen", &["runtime"]),
    ("rustix", &["runtime"]),
    ("askama", &["console"]),
    ("axum", &["console"]),
    ("hyper", &["console"]),
    ("ring", &["protocol", "runtime"]),
    ("x25519-dalek", &["protocol"]),
    ("bincode", &["protocol"]),
    (
        "tokio",
        &[
            "store",
            "runtime",
            "console",
            "tier",
            "agent",
            "tests",
            "deploy/demo",
        ],
    ),
];

/// What only tests may use, wherever it is listed.
const ONLY_TESTS: [&str; 1] = ["bincode"];

/// The one file through which time and randomness of the operating system enter.
const DOOR: &str = "runtime/src/door.rs";
/// What reads the clock or draws randomness.
const THROUGH_THE_DOOR: [&str; 10] = [
    "SystemTime::now",
    "Instant::now",
    "UNIX_EPOCH.elapsed",
    "Utc::now",
    "Local::now",
    "SystemRandom",
    "OsRng",
    "getrandom",
    "thread_rng",
    "rand::random",
];

#[test]
fn foreign_crates_stay_in_their_rooms() {
    let complaints = files(".rs").iter().flat_map(judge_crates).collect();
    hold(
        "I2: a file names a crate that its room may not touch",
        complaints,
    );
}

#[test]
fn manifests_list_foreign_crates_only_in_their_rooms() {
    let complaints = files("/Cargo.toml")
        .iter()
        .flat_map(judge_manifest)
        .collect();
    hold(
        "I2: a manifest lists a crate that its room may not touch",
        complaints,
    );
}

#[test]
fn clock_and_randomness_enter_through_the_door() {
    let complaints = files(".rs").iter().flat_map(judge_door).collect();
    hold(
        "I2: time and randomness enter through runtime's door and are passed down",
        complaints,
    );
}

#[test]
fn the_rules_see_what_they_should() {
    let crates = |path, text| judge_crates(&File::invented(path, text)).len();
    assert_eq!(crates("store/src/row.rs", "use sqlx::Row;\n"), 0);
    assert_eq!(
        crates("agent/src/connector/sqlite.rs", "use sqlx::Row;\n"),
        0
    );
    assert_eq!(crates("agent/src/outbox.rs", "use sqlx::Row;\n"), 1);
    assert_eq!(
        crates("node/src/feed.rs", "fn f(e: quinn::Connection) {}\n"),
        1
    );
    assert_eq!(
        crates("node/src/feed.rs", "use {ring as r};\nlet x = ring;\n"),
        0
    );
    assert_eq!(crates("node/src/feed.rs", "use ring;\n"), 1);
    assert_eq!(crates("node/src/feed.rs", "use ::ring::digest;\n"), 1);
    assert_eq!(crates("node/src/feed.rs", "use crate::ring::digest;\n"), 0);
    assert_eq!(
        crates(
            "node/src/feed.rs",
            "// sqlx::Row is not named here\nlet spring::x = 1;\n"
        ),
        0
    );
    assert_eq!(
        crates("protocol/src/session.rs", "#[derive(bincode::Encode)]\n"),
        1
    );
    let door = |path, text| judge_door(&File::invented(path, text)).len();
    assert_eq!(door("runtime/src/door.rs", "SystemTime::now()\n"), 0);
    assert_eq!(
        door("node/src/fold.rs", "let a = std::time::Instant::now();\n"),
        1
    );
    assert_eq!(door("deploy/demo/src/city.rs", "chrono::Local::now()\n"), 1);
    assert_eq!(
        door(
            "node/src/fold.rs",
            "//! No Instant::now here.\n#[cfg(test)]\nmod tests {\nInstant::now()\n}\n"
        ),
        0
    );
    assert_eq!(
        door("agent/src/connector/tests.rs", "SystemTime::now()\n"),
        0
    );
    let manifest = |path, text| judge_manifest(&File::invented(path, text)).len();
    assert_eq!(
        manifest(
            "node/Cargo.toml",
            "[dependencies]\ntokio.workspace = true\n"
        ),
        1
    );
    assert_eq!(
        manifest(
            "node/Cargo.toml",
            "[dev-dependencies]\ntokio.workspace = true\n"
        ),
        0
    );
    assert_eq!(
        manifest("protocol/Cargo.toml", "[dependencies]\nbincode = \"2\"\n"),
        1
    );
    assert_eq!(
        manifest(
            "protocol/Cargo.toml",
            "[dev-dependencies]\nbincode = \"2\"\n"
        ),
        0
    );
    assert_eq!(
        manifest(
            "console/Cargo.toml",
            "[dev-dependencies]\nsqlx.workspace = true\n"
        ),
        1
    );
}

fn judge_crates(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in code(file.production()) {
        for (name, homes) in CRATES {
            if names(line, name) && !homes.iter().any(|home| file.path.starts_with(home)) {
                complaints.push(format!("{}:{number}: {name}: {}", file.path, line.trim()));
            }
        }
    }
    complaints
}

fn judge_manifest(file: &File) -> Vec<String> {
    let Ok(manifest) = file.text.parse::<toml::Table>() else {
        return vec![format!("{}: not TOML", file.path)];
    };
    let mut complaints = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(named) = manifest.get(section).and_then(|section| section.as_table()) else {
            continue;
        };
        for name in named.keys() {
            // Tests may drive what the room itself leaves to others.
            let only_tests = section == "dev-dependencies" && name == "tokio";
            let rule = MANIFESTS.iter().find(|(listed, _)| listed == name);
            let elsewhere = rule.is_some_and(|(_, rooms)| !rooms.contains(&file.room()));
            let shipped = section != "dev-dependencies" && ONLY_TESTS.contains(&name.as_str());
            if elsewhere && !only_tests || shipped {
                complaints.push(format!("{}: [{section}] {name}", file.path));
            }
        }
    }
    complaints
}

fn judge_door(file: &File) -> Vec<String> {
    if file.path == DOOR {
        return Vec::new();
    }
    let found = code(file.production())
        .filter(|(_, line)| THROUGH_THE_DOOR.iter().any(|word| line.contains(word)));
    found
        .map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim()))
        .collect()
}

/// Lines of code with their numbers; lines of comment are left out.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether a line has `name::` or `use name;` as a whole word.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let whole = !before.is_some_and(is_word);
        let used = line[..at].trim_end().ends_with("use") && after.starts_with([';', ' ']);
        // `crate::ring::` would be a module of ours; `::ring::` is the crate.
        let ours = line[..at]
            .strip_suffix("::")
            .is_some_and(|path| path.ends_with(is_word));
        whole && !ours && (after.starts_with("::") || used)
    })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
