//! I1: imports between rooms run one way. Read from the manifests, development dependencies included, and from `use` lines.

use crate::tree::{File, files, hold, root};

/// Each room with those that it may import.
const MAY_IMPORT: [(&str, &[&str]); 12] = [
    ("protocol", &[]),
    ("supervision", &["protocol"]),
    ("store", &["protocol"]),
    ("runtime", &["protocol"]),
    ("node", &["store", "runtime", "supervision", "protocol"]),
    ("console", &["node", "runtime", "supervision", "protocol"]),
    (
        "tier",
        &[
            "console",
            "node",
            "store",
            "runtime",
            "supervision",
            "protocol",
        ],
    ),
    (
        "city-node",
        &[
            "tier",
            "console",
            "node",
            "store",
            "runtime",
            "supervision",
            "protocol",
        ],
    ),
    (
        "district-node",
        &[
            "tier",
            "console",
            "node",
            "store",
            "runtime",
            "supervision",
            "protocol",
        ],
    ),
    ("agent", &["store", "runtime", "supervision", "protocol"]),
    (
        "deploy/demo",
        &[
            "city-node",
            "district-node",
            "tier",
            "agent",
            "console",
            "node",
            "store",
            "runtime",
            "supervision",
            "protocol",
        ],
    ),
    (
        "tests",
        &[
            "demo",
            "city-node",
            "district-node",
            "tier",
            "agent",
            "console",
            "node",
            "store",
            "runtime",
            "supervision",
            "protocol",
        ],
    ),
];

#[test]
fn manifests_import_one_way() {
    let mut complaints = Vec::new();
    for (room, _) in MAY_IMPORT {
        let path = format!("{room}/Cargo.toml");
        let text = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        complaints.extend(judge_manifest(&File::invented(&path, &text)));
    }
    hold("I1: a room imports a room that it may not know", complaints);
}

#[test]
fn every_room_is_judged() {
    let manifest =
        std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a manifest");
    let manifest: toml::Table = manifest.parse().expect("it is TOML");
    let members = manifest["workspace"]["members"]
        .as_array()
        .expect("it has members");
    let mut members: Vec<_> = members
        .iter()
        .filter_map(|member| member.as_str())
        .collect();
    let mut judged: Vec<_> = MAY_IMPORT.iter().map(|(room, _)| *room).collect();
    members.sort_unstable();
    judged.sort_unstable();
    assert_eq!(
        members, judged,
        "a new room needs its place among the import directions"
    );
}

#[test]
fn use_lines_import_one_way() {
    let complaints = files(".rs").iter().flat_map(judge_uses).collect();
    hold(
        "I1: a file uses a room that its room may not know",
        complaints,
    );
}

#[test]
fn protocol_is_without_input_and_output() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = std::process::Command::new(cargo);
    tree.current_dir(root()).args([
        "tree",
        "-p",
        "protocol",
        "-e",
        "normal",
        "--offline",
        "--prefix",
        "none",
    ]);
    let output = tree.output().expect("cargo runs");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        listed.contains("ring "),
        "an unexpected form of cargo tree:\n{listed}"
    );
    let denied = [
        "tokio",
        "mio",
        "socket2",
        "quinn",
        "quinn-proto",
        "sqlx",
        "sqlx-core",
        "rustls",
        "async-std",
    ];
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    let found: Vec<_> = names
        .filter(|name| denied.contains(name))
        .map(str::to_owned)
        .collect();
    hold("protocol's dependency tree holds input or output", found);
}

#[test]
fn the_rules_see_what_they_should() {
    let manifest = |path, text| judge_manifest(&File::invented(path, text)).len();
    assert_eq!(
        manifest(
            "store/Cargo.toml",
            "[dependencies]\nprotocol.workspace = true\n"
        ),
        0
    );
    assert_eq!(
        manifest(
            "store/Cargo.toml",
            "[dependencies]\nsupervision.workspace = true\n"
        ),
        1
    );
    assert_eq!(
        manifest(
            "store/Cargo.toml",
            "[dev-dependencies]\nnode = { path = \"../node\" }\n"
        ),
        1
    );
    assert_eq!(
        manifest(
            "city-node/Cargo.toml",
            "[dependencies]\ndistrict-node.workspace = true\n"
        ),
        1
    );
    assert_eq!(
        manifest(
            "node/Cargo.toml",
            "[dependencies]\ntests.workspace = true\n"
        ),
        1
    );
    assert_eq!(
        manifest(
            "node/Cargo.toml",
            "[dependencies]\nmine = { package = \"console\", path = \"x\" }\n"
        ),
        1
    );
    let uses = |path, text| judge_uses(&File::invented(path, text)).len();
    assert_eq!(uses("store/src/row.rs", "use protocol::entry::Entry;\n"), 0);
    assert_eq!(uses("store/src/row.rs", "use supervision::judge;\n"), 1);
    assert_eq!(
        uses("store/src/row.rs", "    pub use ::runtime::door;\n"),
        1
    );
    assert_eq!(
        uses("agent/src/app.rs", "use district_node::config::Config;\n"),
        1
    );
    assert_eq!(
        uses(
            "agent/src/app.rs",
            "use crate::node::Link;\nuse nodes::x;\n"
        ),
        0
    );
}

fn judge_manifest(file: &File) -> Vec<String> {
    let Ok(manifest) = file.text.parse::<toml::Table>() else {
        return vec![format!("{}: missing or not TOML", file.path)];
    };
    let mut complaints = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(named) = manifest.get(section).and_then(|section| section.as_table()) else {
            continue;
        };
        for (name, how) in named {
            let package = how
                .get("package")
                .and_then(|package| package.as_str())
                .unwrap_or(name);
            // A crate may list itself for its tests, to switch a feature on.
            if package != file.room() && !may_import(file.room(), package) {
                complaints.push(format!("{}: [{section}] {package}", file.path));
            }
        }
    }
    complaints
}

fn judge_uses(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let line = line.trim_start();
        let line = line
            .strip_prefix("pub ")
            .or_else(|| line.strip_prefix("pub(crate) "))
            .unwrap_or(line);
        let Some(path) = line.strip_prefix("use ") else {
            continue;
        };
        let path = path.strip_prefix("::").unwrap_or(path);
        let first = path
            .split([':', ';', ' '])
            .next()
            .unwrap_or_default()
            .replace('_', "-");
        if path.contains("::") && first != file.room() && !may_import(file.room(), &first) {
            complaints.push(format!("{}:{}: {}", file.path, number + 1, line));
        }
    }
    complaints
}

/// Anything but one of our rooms may be imported as far as this rule goes.
fn may_import(room: &str, other: &str) -> bool {
    let is_room = other == "demo" || MAY_IMPORT.iter().any(|(name, _)| *name == other);
    let known = MAY_IMPORT.iter().find(|(name, _)| *name == room);
    !is_room || known.is_some_and(|(_, allowed)| allowed.contains(&other))
}
