//! README.md and README.zh-CN.md are twins: as many headings of the same levels in the same order, the same commands, and
//! in each section the same figures. Wording is each language's own.

use std::collections::BTreeMap;

use crate::tree::{files, hold};

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";

#[test]
fn both_readmes_say_the_same() {
    let documents = files(".md");
    let text = |path: &str| {
        let found = documents.iter().find(|file| file.path == path);
        found.map_or_else(|| panic!("{path} is missing"), |file| file.text.as_str())
    };
    hold(
        "README.md and README.zh-CN.md differ in more than their language",
        judge(text(ENGLISH), text(CHINESE)),
    );
}

#[test]
fn the_rule_sees_what_it_should() {
    let check = |english: &str, chinese: &str, expected: usize| {
        let complaints = judge(english, chinese);
        assert_eq!(complaints.len(), expected, "{complaints:?}");
    };
    check(
        "# A\n\n1,000 rows in 2.5 s.\n",
        "# 甲\n\n2.5 秒 1,000 行。\n",
        0,
    );
    check("# A\n\n1,000 rows.\n", "# 甲\n\n1,001 行。\n", 1);
    check("# A\n\n3 and 3\n", "# 甲\n\n3 次\n", 1);
    check("# A\n\n## B\n", "# 甲\n\n### 乙\n", 1);
    check("# A\n\n## B\n7\n", "# 甲\n7\n", 1);
    // figures may not move to another section
    check("# A\n7\n# B\n", "# 甲\n# 乙\n7\n", 2);
    // commands are the same; what is said beside them need not be
    check(
        "# A\n```\n./test   # all 3\n```\n",
        "# 甲\n```\n./test # 全部 3 项\n```\n",
        0,
    );
    check("# A\n```\n./test\n```\n", "# 甲\n```\n./tests\n```\n", 1);
    // a hash in a command block is no heading, nor are figures within links to files counted twice
    check("# A\n```\n# one\nrun\n```\n", "# 甲\n```\nrun\n```\n", 0);
}

/// A heading and what stands below it, up to the next.
#[derive(Default)]
struct Section {
    level: usize,
    title: String,
    commands: Vec<String>,
    figures: BTreeMap<String, usize>,
}

fn judge(english: &str, chinese: &str) -> Vec<String> {
    let (english, chinese) = (sections(english), sections(chinese));
    let levels = |all: &[Section]| all.iter().map(|s| s.level).collect::<Vec<_>>();
    if levels(&english) != levels(&chinese) {
        let outline = |all: &[Section]| {
            let lines = all
                .iter()
                .map(|s| format!("{} {}", "#".repeat(s.level), s.title));
            lines.collect::<Vec<_>>().join(" | ")
        };
        return vec![format!(
            "headings: {} / {}",
            outline(&english),
            outline(&chinese)
        )];
    }
    let mut complaints = Vec::new();
    for (a, b) in english.iter().zip(&chinese) {
        let place = format!("{} / {}", a.title, b.title);
        if a.commands != b.commands {
            complaints.push(format!(
                "{place}: commands: {:?} / {:?}",
                a.commands, b.commands
            ));
        }
        let beyond = |of: &Section, other: &Section| {
            let more = |(figure, count): (&String, &usize)| {
                let theirs = other.figures.get(figure).copied().unwrap_or_default();
                (*count > theirs).then(|| figure.clone())
            };
            of.figures.iter().filter_map(more).collect::<Vec<_>>()
        };
        let (only_a, only_b) = (beyond(a, b), beyond(b, a));
        if !only_a.is_empty() || !only_b.is_empty() {
            complaints.push(format!(
                "{place}: figures only in one: {only_a:?} / {only_b:?}"
            ));
        }
    }
    complaints
}

fn sections(text: &str) -> Vec<Section> {
    let mut all = vec![Section::default()];
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if !fenced && level > 0 && title.starts_with(' ') {
            all.push(Section {
                level,
                title: title.trim().to_owned(),
                ..Section::default()
            });
        }
        let section = all.last_mut().expect("one at least");
        if fenced {
            let command = line.split(" #").next().unwrap_or_default().trim();
            if !command.is_empty() && !command.starts_with('#') {
                section.commands.push(command.to_owned());
            }
        } else {
            for figure in figures(line) {
                *section.figures.entry(figure).or_default() += 1;
            }
        }
    }
    all
}

/// Numbers in a line, with what belongs to them: `96,764`, `2.1`, `0`. What follows a number as punctuation is none of it.
fn figures(line: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    line.split(|c: char| !is_part(c))
        .map(|piece| piece.trim_matches(['.', ',']))
        .filter(|piece| !piece.is_empty())
        .map(str::to_owned)
        .collect()
}
