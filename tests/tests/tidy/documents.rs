//! Documents point at what is there: links in Markdown to files and to headings resolve. Addresses on the web are not asked.

use std::collections::HashSet;

use crate::tree::{File, files, hold, root};

#[test]
fn links_resolve() {
    let root = root();
    let exists = |path: &str| root.join(path).exists();
    let documents = files(".md");
    let text = |path: &str| {
        documents
            .iter()
            .find(|file| file.path == path)
            .map(|file| file.text.clone())
    };
    let complaints = documents
        .iter()
        .flat_map(|file| judge(file, &exists, &text))
        .collect();
    hold(
        "a document points at something that is not there",
        complaints,
    );
}

#[test]
fn the_rule_sees_what_it_should() {
    let check = |text: &str, expected: usize| {
        let file = File::invented("docs/a.md", text);
        let exists = |path: &str| ["docs/b.md", "docs/a.md", "README.md", "store"].contains(&path);
        let other = |path: &str| {
            (path == "docs/b.md").then(|| "# 两级 Hub, and more\n## Twice\n## Twice\n".to_owned())
        };
        assert_eq!(judge(&file, &exists, &other).len(), expected, "{text}");
    };
    check(
        "[b](b.md) [readme](../README.md) [room](../store/) <https://a.b> [web](https://a.b/c)",
        0,
    );
    check("[b](c.md)", 1);
    check("[b](../../etc)", 1);
    check("[b](b.md#两级-hub-and-more) [b](b.md#twice-1)", 0);
    check("[b](b.md#nowhere)", 1);
    check("# Own heading\n[b](#own-heading) [b](#other)", 1);
    check("```\n[b](c.md)\n```\n`[b](c.md)`", 0);
    check("![picture](c.png \"with a title\")", 1);
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn judge(file: &File, exists: &dyn Fn(&str) -> bool, text: Lookup) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, target) in links(&file.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
        let whole = if path.is_empty() {
            Some(file.path.clone())
        } else {
            join(&file.path, path)
        };
        let found = whole
            .as_deref()
            .is_some_and(|whole| path.is_empty() || exists(whole));
        let held = whole.filter(|_| !heading.is_empty()).and_then(|whole| {
            if whole == file.path {
                Some(file.text.clone())
            } else {
                text(&whole)
            }
        });
        if !found || held.is_some_and(|held| !headings(&held).contains(heading)) {
            complaints.push(format!("{}:{number}: {target}", file.path));
        }
    }
    complaints
}

/// Targets of `[…](target)` outside of code, with their line numbers.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        // Every second piece between backticks is code.
        for piece in line.split('`').step_by(2) {
            for rest in piece.split("](").skip(1) {
                let target = rest.split([')', ' ']).next().unwrap_or_default();
                found.push((index + 1, target.trim_matches(['<', '>']).to_owned()));
            }
        }
    }
    found
}

/// A path as seen from the root; `None` if it leads out of the project.
fn join(from: &str, to: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in to
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

/// Headings as the usual renderers name them in links.
fn headings(text: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for line in text.lines() {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().to_lowercase();
        let kept = kept
            .chars()
            .filter(|kept| kept.is_alphanumeric() || *kept == ' ' || *kept == '-' || *kept == '_');
        let name: String = kept
            .map(|kept| if kept == ' ' { '-' } else { kept })
            .collect();
        let again = (1..).map(|count| format!("{name}-{count}"));
        let free = std::iter::once(name.clone())
            .chain(again)
            .find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}
