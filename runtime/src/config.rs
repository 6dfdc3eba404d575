//! Reading a configuration file: TOML into a program's own `Config`, unknown keys refused with the nearest known one,
//! secrets from files, durations and sizes with their units.
//!
//! What the settings mean is each program's business. Nothing but this file turns configuration text into values.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer};
use toml::de::{DeTable, DeValue};

use crate::{files, say};

#[cfg(test)]
mod tests;

/// Bytes that a configuration file may have.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;
/// Bytes that a secret file may have.
pub const SECRET_BYTES_MAX: usize = 16 << 10;

/// Why a configuration was not taken. Nothing of it is in force then.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("配置文件 {} 无法读取，请检查路径与权限：{}", path.display(), say::refused(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("配置文件 {} 第 {line} 行不是合法的 TOML：{detail}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        detail: String,
    },
    /// A key that the program does not know.
    #[error("配置文件 {} 第 {line} 行：不认识的配置项 {key}{}", path.display(), suggestion(nearest))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value is missing or does not fit.
    #[error("配置文件 {} 第 {line} 行：{detail}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What does not fit.
        detail: String,
    },
    /// Values that cannot be used together, or not on this machine.
    #[error("配置有 {} 处须改正：{}", faults.len(), faults.join("；"))]
    Unfit {
        /// What is wrong and what to do, one sentence each.
        faults: Vec<String>,
    },
    /// A secret file cannot be used.
    #[error("密钥文件 {} 不可用：{detail}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("，是否应为 {nearest}？"),
        None => "，请对照示例配置删除或改正".to_owned(),
    }
}

/// Reads the file into `T`. `known` lists every key with its tables (`link.listen`); in it `*` stands for any one name
/// (`source.*.path`) and a final `**` for anything below. Arrays of tables are written like tables.
pub fn load<T: DeserializeOwned>(path: &Path, known: &[&str]) -> Result<T, ConfigError> {
    let bytes =
        files::read_bounded(path, CONFIG_BYTES_MAX).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        ConfigError::Syntax {
            path: path.to_owned(),
            line: line_of(error.as_bytes(), good),
            detail: "文件不是 UTF-8 编码，请另存为 UTF-8".to_owned(),
        }
    })?;
    parse(path, &text, known)
}

/// [`load`] for text that is at hand already; `path` is only named in errors.
pub fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    known: &[&str],
) -> Result<T, ConfigError> {
    let at = |span: Option<std::ops::Range<usize>>| {
        line_of(text.as_bytes(), span.map_or(0, |span| span.start))
    };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: at(error.span()),
        detail: syntax(error.message()),
    })?;
    let known: Vec<Vec<&str>> = known.iter().map(|key| key.split('.').collect()).collect();
    if let Some(unknown) = first_unknown(table.get_ref(), &mut Vec::new(), &known) {
        return Err(ConfigError::UnknownKey {
            path: path.to_owned(),
            line: at(Some(unknown.at..unknown.at)),
            nearest: nearest(&unknown.key, &known),
            key: unknown.key.join("."),
        });
    }
    toml::from_str(text).map_err(|error| ConfigError::Value {
        path: path.to_owned(),
        line: at(error.span()),
        detail: in_chinese(error.message()),
    })
}

struct Unknown {
    key: Vec<String>,
    at: usize,
}

fn first_unknown(
    table: &DeTable<'_>,
    above: &mut Vec<String>,
    known: &[Vec<&str>],
) -> Option<Unknown> {
    let mut first: Option<Unknown> = None;
    for (key, value) in table.iter() {
        above.push(key.get_ref().to_string());
        let found = match reach(above, known) {
            Reach::Unknown => Some(Unknown {
                key: above.clone(),
                at: key.span().start,
            }),
            Reach::Anything => None,
            Reach::Known => below(value.get_ref(), above, known),
        };
        above.pop();
        // the first in the file, not in the alphabet
        if let Some(found) = found
            && first.as_ref().is_none_or(|first| found.at < first.at)
        {
            first = Some(found);
        }
    }
    first
}

fn below(value: &DeValue<'_>, above: &mut Vec<String>, known: &[Vec<&str>]) -> Option<Unknown> {
    match value {
        DeValue::Table(table) => first_unknown(table, above, known),
        DeValue::Array(array) => array
            .iter()
            .find_map(|value| below(value.get_ref(), above, known)),
        _ => None,
    }
}

enum Reach {
    Unknown,
    Known,
    Anything,
}

fn reach(key: &[String], known: &[Vec<&str>]) -> Reach {
    let mut best = Reach::Unknown;
    for pattern in known {
        let open = pattern.last() == Some(&"**");
        let fixed = pattern.len() - usize::from(open);
        let fits = key
            .iter()
            .zip(&pattern[..fixed])
            .all(|(word, pattern)| *pattern == "*" || word == pattern);
        if fits && key.len() <= fixed {
            best = Reach::Known;
        } else if fits && open {
            return Reach::Anything;
        }
    }
    best
}

fn nearest(key: &[String], known: &[Vec<&str>]) -> Option<String> {
    let wanted = key.join(".");
    let mut best: Option<(usize, String)> = None;
    for pattern in known {
        // a table that does not exist is compared with tables, a key with keys
        let cut = pattern.len().min(key.len());
        let candidate: Vec<&str> = pattern[..cut]
            .iter()
            .zip(key)
            .map(|(pattern, word)| if *pattern == "*" { word } else { *pattern })
            .collect();
        let last_only = distance(candidate[cut - 1], &key[cut - 1]);
        let full = pattern.join(".");
        // the right name in the wrong table counts as near, too
        let moved = pattern.last() == key.last().map(String::as_str).as_ref();
        let far = if moved {
            1
        } else {
            distance(&candidate.join("."), &wanted)
        };
        let allowed = 1 + key[key.len() - 1].chars().count() / 3;
        if (moved || last_only <= allowed && far <= allowed + 1)
            && best.as_ref().is_none_or(|(least, _)| far < *least)
        {
            best = Some((far, if moved { full } else { candidate.join(".") }));
        }
    }
    best.map(|(_, key)| key)
}

/// Edits between two names; `-` and `_` are the same.
fn distance(a: &str, b: &str) -> usize {
    let letters = |s: &str| -> Vec<char> {
        s.chars()
            .map(|c| {
                if c == '-' {
                    '_'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect()
    };
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}

/// What the parser complains of. What has no words of its own is told to look at the line.
fn syntax(message: &str) -> String {
    const WORDS: [(&str, &str); 21] = [
        ("duplicate key", "配置项重复，请保留一处"),
        ("string values must be quoted", "文字须用半角双引号括起"),
        ("missing opening quote", "缺少开头的引号"),
        ("missing assignment", "配置项与取值之间缺少 ="),
        ("missing value", "= 后面缺少取值"),
        ("key with no value", "缺少 = 和取值"),
        ("unclosed table", "表名缺少右方括号 ]"),
        ("unclosed array table", "表名缺少右方括号 ]]"),
        ("unclosed array", "数组缺少右方括号 ]"),
        ("unclosed inline table", "缺少右花括号 }"),
        ("missing comma", "两项之间缺少半角逗号"),
        ("extra comma", "多了一个逗号"),
        ("extra `=`", "多了一个 ="),
        ("extra assignment", "多了一个 ="),
        (
            "invalid unquoted key",
            "配置项名称含有不允许的字符；名称只能用字母、数字、_ 和 -，标点须为半角",
        ),
        ("unquoted keys cannot be empty", "= 前面缺少配置项名称"),
        (
            "invalid basic string",
            "引号没有成对，或反斜杠后的字符不对（路径请用 / 或写成 \\\\）",
        ),
        (
            "missing escaped value",
            "反斜杠后的字符不对（路径请用 / 或写成 \\\\）",
        ),
        ("carriage return must", "换行符不对，请另存为普通文本"),
        ("unexpected key or value", "一行只能写一项"),
        ("unexpected leading zero", "数字不能以 0 开头"),
    ];
    WORDS
        .iter()
        .find(|(english, _)| message.starts_with(english))
        .map_or(
            "写法有误；请检查该行的引号、等号与方括号是否成对，标点是否为半角",
            |(_, words)| words,
        )
        .to_owned()
}

/// What the deserialiser complains of. Our own types speak Chinese already.
fn in_chinese(message: &str) -> String {
    let quoted = |text: &str| text.trim_matches('`').to_owned();
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("缺少必填项 {}", quoted(name));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return match rest.split_once(", expected ") {
            Some((given, expected)) => {
                let expected = expected
                    .replace("one of ", "")
                    .replace(" or ", "、")
                    .replace(", ", "、");
                format!(
                    "取值 {} 无效，可用：{}",
                    quoted(given),
                    expected.replace('`', "")
                )
            }
            None => format!("取值 {} 无效", quoted(rest)),
        };
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let given = rest.split_once(',').map_or(rest, |(given, _)| given);
        return format!("不认识的配置项 {}", quoted(given));
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return format!("配置项 {} 重复，请保留一处", quoted(name));
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((given, expected)) = message
            .strip_prefix(prefix)
            .and_then(|rest| rest.split_once(", expected "))
        {
            return format!(
                "取值不符合要求：写的是{}，应为{}",
                was(given),
                meant(expected)
            );
        }
    }
    if message.contains("socket address") || message.contains("IP address") {
        return format!("地址写法有误，应为{ADDRESS}");
    }
    if message.is_ascii() {
        "取值不符合要求，请对照示例配置改正".to_owned()
    } else {
        message.to_owned()
    }
}

/// A value as the deserialiser names it.
fn was(given: &str) -> String {
    const KINDS: [(&str, &str); 6] = [
        ("string ", "文字"),
        ("integer ", "整数"),
        ("floating point ", "小数"),
        ("boolean ", "真假值"),
        ("sequence", "数组"),
        ("map", "表"),
    ];
    KINDS
        .iter()
        .find_map(|(kind, words)| {
            let value = given.strip_prefix(kind)?;
            Some(
                format!("{words} {}", value.replace('`', ""))
                    .trim_end()
                    .to_owned(),
            )
        })
        .unwrap_or_else(|| "其他类型的值".to_owned())
}

/// What the deserialiser expects. Our own types say it in Chinese.
fn meant(expected: &str) -> String {
    if !expected.is_ascii() {
        return format!(" {expected}");
    }
    let words = match expected {
        "socket address" => return ADDRESS.to_owned(),
        "a boolean" => " true 或 false",
        "path string" | "a path" => "用引号括起的路径",
        "a string" | "a borrowed string" => "用引号括起的文字",
        "a sequence" => "数组，如 `[\"a\", \"b\"]`",
        "a map" => "表",
        _ if expected.starts_with("struct ") => "表",
        _ if [
            "u8",
            "u16",
            "u32",
            "u64",
            "usize",
            "i64",
            "i32",
            "an integer",
        ]
        .contains(&expected) =>
        {
            "范围之内的整数"
        }
        _ => "另一种类型的值，请对照示例配置",
    };
    words.to_owned()
}

const ADDRESS: &str = " `IP:端口`，如 `127.0.0.1:9090`";

/// A length of time as written in a configuration: `500ms`, `30s`, `5m`, `2h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// A number of bytes as written in a configuration: `512B`, `64KiB`, `8MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Period {
    /// Reads `500ms`, `30s`, `5m`, `2h`, `7d`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let ms = number.checked_mul(unit_ms)?;
        // a century is enough, and keeps every sum below in range
        (ms <= 36_525 * 86_400_000).then_some(Self(Duration::from_millis(ms)))
    }
}

impl Size {
    /// Reads `512B`, `64KiB`, `8MiB`, `2GiB`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let shift = match unit {
            "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return None,
        };
        number
            .checked_mul(1 << shift)
            .filter(|bytes| *bytes <= 1 << 50)
            .map(Self)
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

struct UnitVisitor<T> {
    parse: fn(&str) -> Option<T>,
    expecting: &'static str,
}

impl<T> Visitor<'_> for UnitVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self.expecting))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(UnitVisitor {
            parse: Self::parse,
            expecting: "带单位的时长，如 \"500ms\"、\"30s\"、\"5m\"、\"2h\"、\"7d\"",
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(UnitVisitor {
            parse: Self::parse,
            expecting: "带单位的大小，如 \"64KiB\"、\"8MiB\"、\"2GiB\"",
        })
    }
}

/// Where a secret lies. In a configuration a secret is never written itself, only its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(pub PathBuf);

impl<'de> Deserialize<'de> for SecretFile {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(d)?;
        if path.as_os_str().is_empty() {
            return Err(D::Error::custom("密钥文件路径为空"));
        }
        Ok(Self(path))
    }
}

impl SecretFile {
    /// Reads the secret: one line, its line end left out. A file that everybody may read is refused.
    pub fn read(&self) -> Result<Secret, ConfigError> {
        let wrong = |detail: String| ConfigError::Secret {
            path: self.0.clone(),
            detail,
        };
        let io = |error: io::Error| wrong(format!("无法读取：{}", say::refused(&error)));
        if files::readable_by_all(&self.0).map_err(io)? {
            return Err(wrong("所有用户均可读取，请先执行 chmod o-r".to_owned()));
        }
        let bytes = files::read_bounded(&self.0, SECRET_BYTES_MAX).map_err(io)?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("不是 UTF-8 文本".to_owned()))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() || text.contains('\n') {
            return Err(wrong("应当恰好有一行内容".to_owned()));
        }
        Ok(Secret(text.to_owned()))
    }
}

/// A secret in memory. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
