//! Migrations of the two engines stand side by side: the same numbers with the same names, counted from 1 without a gap.

use std::collections::BTreeMap;

use crate::tree::{files, hold};

#[test]
fn engines_migrate_in_step() {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files(".sql") {
        if let Some((folder, name)) = file.path.rsplit_once('/')
            && folder.contains("/migrations")
        {
            folders
                .entry(folder.to_owned())
                .or_default()
                .push(name.to_owned());
        }
    }
    hold(
        "migrations are numbered 0001, 0002 … and the same on both engines",
        judge(&folders),
    );
}

#[test]
fn the_rule_sees_what_it_should() {
    let check = |folders: &[(&str, &[&str])], expected: usize| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let folders = folders
            .iter()
            .map(|(folder, held)| ((*folder).to_owned(), names(held)))
            .collect();
        assert_eq!(judge(&folders).len(), expected, "{folders:?}");
    };
    let one: &[&str] = &["0001_feed.sql"];
    check(
        &[
            ("store/migrations/sqlite", one),
            ("store/migrations/postgres", one),
            ("store/migrations/seat", one),
        ],
        0,
    );
    check(&[("store/migrations/sqlite", one)], 1);
    check(
        &[
            ("store/migrations/sqlite", &["0001_feed.sql", "0003_x.sql"]),
            ("store/migrations/postgres", one),
        ],
        2,
    );
    check(&[("store/migrations/seat", &["1_feed.sql"])], 1);
}

fn judge(folders: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, names) in folders {
        let mut names = names.clone();
        names.sort();
        for (index, name) in names.iter().enumerate() {
            if !name.starts_with(&format!("{:04}_", index + 1)) {
                complaints.push(format!("{folder}/{name}: expected number {:04}", index + 1));
            }
        }
        let twin = match folder.rsplit_once('/') {
            Some((parent, "sqlite")) => format!("{parent}/postgres"),
            Some((parent, "postgres")) => format!("{parent}/sqlite"),
            _ => continue,
        };
        let mut others = folders.get(&twin).cloned().unwrap_or_default();
        others.sort();
        if folder < &twin && names != others || others.is_empty() {
            complaints.push(format!("{folder} has {names:?}, {twin} has {others:?}"));
        }
    }
    complaints
}
