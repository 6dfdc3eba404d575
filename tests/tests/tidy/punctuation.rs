//! Chinese that people read is punctuated as Chinese: full-width marks and 「」 wherever Chinese stands beside them, in string
//! literals and help texts of programs, in templates, in documents and sample configuration. Code spans are left alone.

use crate::tree::{File, files, hold};

/// Marks and what stands for them in Chinese.
const MARKS: [(char, char); 11] = [
    (',', '，'),
    (':', '：'),
    (';', '；'),
    ('(', '（'),
    (')', '）'),
    ('!', '！'),
    ('?', '？'),
    ('\u{201c}', '「'),
    ('\u{201d}', '」'),
    ('\u{2018}', '『'),
    ('\u{2019}', '』'),
];
/// Stands for what is skipped: a placeholder, a tag, a code span.
const SKIPPED: char = '\0';

#[test]
fn chinese_is_punctuated_as_chinese() {
    let complaints = ["rs", "html", "md", "toml"]
        .iter()
        .flat_map(|ending| files(&format!(".{ending}")))
        .flat_map(|file| judge(&file))
        .collect();
    hold("half-width punctuation in Chinese", complaints);
}

#[test]
fn the_rule_sees_what_it_should() {
    let check = |path: &str, text: &str, expected: usize| {
        let found = judge(&File::invented(path, text));
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    };
    let rs = |text, expected| check("node/src/a.rs", text, expected);
    rs(
        r#"let a = "文件 {} 无法读写，请检查（{what}）：{e}"; // 中文,注释"#,
        0,
    );
    rs(r#"let a = "文件无法读写,请检查";"#, 1);
    rs(r#"let a = "无法启动: {error}";"#, 1);
    rs(r#"let a = "接收序号 {}:{fault}";"#, 1);
    rs(
        r#"f("甲", ',', "乙"); g("a, b", '"', "甲"); h("\"", "甲");"#,
        0,
    );
    rs("let a = r#\"来源\"甲\",乙\"#;", 1);
    rs("/// 账号名:小写字母\nstruct A;", 1);
    rs(
        "/// Zongheng (纵横): a platform, in two tiers.\nstruct A;",
        0,
    );
    rs("let a = \"格式为 `主机:端口`\";", 0);
    rs("let a = \"名称含\u{201c}{q}\u{201d}\";", 1);
    rs(
        "let a = \"a\";\n#[cfg(test)]\nmod tests {\n    const A: &str = \"甲,乙\";\n}\n",
        0,
    );
    rs("#[cfg(test)]\nmod tests;\nconst A: &str = \"甲,乙\";\n", 1);
    check("node/tests/a.rs", "const A: &str = \"甲,乙\";\n", 0);
    let html = |text, expected| check("console/templates/a.html", text, expected);
    html(
        "<p>{% if a.len() > 1 %}{{ f(a, b) }} 户，见 <kbd>?</kbd>{% endif %}</p>",
        0,
    );
    html("<p>共 {{ n }} 户,见下</p>", 1);
    let md = |text, expected| check("README.md", text, expected);
    md("# 甲，乙\n```\n甲,乙\n```\n见 [甲](a.md)：`甲,乙`", 0);
    md("**甲**:乙", 1);
    check("deploy/config/a.toml", "# 数据目录:甲\na = \"甲:乙\"\n", 1);
}

fn judge(file: &File) -> Vec<String> {
    let segments = match file.path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("rs") => literals(spoken(file)),
        Some("html") if !file.path.contains("/golden/") => lines(&file.text, mask_html),
        Some("md") => lines(&unfenced(&file.text), mask_text),
        Some("toml") if file.room() == "deploy" => lines(&comments(&file.text), mask_text),
        _ => Vec::new(),
    };
    segments
        .into_iter()
        .filter(|(_, text)| is_wrong(text))
        .map(|(line, text)| {
            format!(
                "{}:{line}: {}",
                file.path,
                text.replace(SKIPPED, "…").trim()
            )
        })
        .collect()
}

fn is_chinese(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{3ffff}')
        || "，。：；（）！？「」『』、《》…【】".contains(c)
}

/// Whether Chinese stands beside a mark that is not Chinese. A text that is mostly Latin may name something in Chinese.
fn is_wrong(text: &str) -> bool {
    let chinese = text.chars().filter(|c| is_chinese(*c)).count();
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    if chinese == 0 || latin > chinese * 2 {
        return false;
    }
    let all: Vec<char> = text.chars().collect();
    let skipped = |c: &&char| [' ', '*', SKIPPED].contains(*c);
    all.iter().enumerate().any(|(at, c)| {
        let before = all[..at].iter().rev();
        let after = all[at + 1..].iter();
        let beside = |c: Option<&char>| c.is_some_and(|c| is_chinese(*c));
        match c {
            '\u{2018}'..='\u{201d}' => true,
            '!' | '?' => beside(before.clone().next()) || beside(after.clone().next()),
            c if MARKS.iter().any(|(mark, _)| mark == c) => {
                beside(before.clone().find(|c| !skipped(c)))
                    || beside(after.clone().find(|c| !skipped(c)))
            }
            _ => false,
        }
    })
}

/// What a program of ours says: the file without its tests.
fn spoken(file: &File) -> &str {
    let path = &file.path;
    let of_tests =
        path.contains("/tests/") || path.ends_with("/tests.rs") || file.room() == "tests";
    if of_tests || path.contains("/examples/") {
        return "";
    }
    let tests = "\n#[cfg(test)]\nmod tests {";
    file.text.split(tests).next().unwrap_or_default()
}

/// String literals and doc comments of Rust, each with its line.
fn literals(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    let line = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    while let Some(c) = rest.chars().next() {
        let at = rest;
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            if let Some(doc) = rest[..end].strip_prefix("///") {
                found.push((line(at), mask_text(doc)));
            }
            rest = &rest[end..];
        } else if let Some((fence, body)) = raw(rest) {
            let end = body.find(&fence).unwrap_or(body.len());
            found.push((line(at), mask_text(&body[..end])));
            rest = &body[(end + fence.len()).min(body.len())..];
        } else if let Some(body) = rest.strip_prefix('"') {
            let end = closing(body);
            found.push((line(at), mask_text(&body[..end])));
            rest = body.get(end + 1..).unwrap_or_default();
        } else if let Some(length) = character(rest) {
            rest = &rest[length..];
        } else if c.is_alphanumeric() || c == '_' {
            // a whole word, so that an `r` at its end opens no raw literal
            rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

/// What ends a raw literal that begins here, and the text behind its opening.
fn raw(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let body = rest.trim_start_matches('#');
    let fence = &rest[..rest.len() - body.len()];
    Some((format!("\"{fence}"), body.strip_prefix('"')?))
}

/// Where the quotation mark stands that ends a literal.
fn closing(body: &str) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    body.len()
}

/// Bytes of a character literal that begins here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    let length = match body.strip_prefix('\\') {
        Some(escape) => 1 + 1 + escape.get(1..)?.find('\'')?,
        None => body.chars().next()?.len_utf8(),
    };
    body.get(length..)?.starts_with('\'').then_some(length + 2)
}

fn lines(text: &str, mask: impl Fn(&str) -> String) -> Vec<(usize, String)> {
    let masked = text.lines().enumerate();
    masked.map(|(n, line)| (n + 1, mask(line))).collect()
}

/// A document with its blocks of code left empty.
fn unfenced(text: &str) -> String {
    let mut fenced = false;
    let keep = |line: &str| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fenced || fence {
            "\n".to_owned()
        } else {
            format!("{line}\n")
        }
    };
    text.lines().map(keep).collect()
}

/// A configuration with nothing but its comments.
fn comments(text: &str) -> String {
    let comment = |line: &str| match line.split_once('#') {
        Some((before, comment)) if before.matches('"').count().is_multiple_of(2) => {
            format!("{comment}\n")
        }
        _ => "\n".to_owned(),
    };
    text.lines().map(comment).collect()
}

fn mask_text(text: &str) -> String {
    let text = without(text, "`", "`");
    let text = without(&text, "](", ")");
    let text = without(&text, "{", "}");
    let text = without(&text, "\\\n", " ");
    text.replace("\\n", "\0").replace("\\\"", "\0")
}

fn mask_html(text: &str) -> String {
    let mut text = text.to_owned();
    for (open, close) in [
        ("{%", "%}"),
        ("{{", "}}"),
        ("<code>", "</code>"),
        ("<kbd>", "</kbd>"),
        ("<", ">"),
    ] {
        text = without(&text, open, close);
    }
    text
}

/// The text with everything between these marks skipped.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once(open) {
        let Some((_, after)) = inside.split_once(close) else {
            break;
        };
        out.push_str(before);
        out.push(SKIPPED);
        rest = after;
    }
    out + rest
}
