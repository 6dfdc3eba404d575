//! Identifiers of market entities: how they are cleaned, told apart and checked.
//!
//! Each kind has a file and a type of its own; a value of such a type has passed every check that refuses. Which entity
//! an identifier belongs to is not decided here.

pub mod organisation;
pub mod registration_number;
pub mod tax_number;
pub mod uscc;

use std::borrow::Cow;

use organisation::OrganisationCode;
use registration_number::RegistrationNumber;
use tax_number::TaxNumber;
use uscc::{Uscc, UsccFault};

/// What a text in an identifier column turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// Nothing, or one of the markers by which legacy systems say nothing.
    Absent,
    /// A valid unified social credit code.
    Uscc(Uscc),
    /// A valid 15-digit registration number.
    RegistrationNumber(RegistrationNumber),
    /// A valid organisation code.
    OrganisationCode(OrganisationCode),
    /// A valid tax number of the old form: division and organisation code.
    TaxNumber(TaxNumber),
    /// A number of an older kind (13 digits, 企独浙总字…) or a 15-digit number whose check digit fails: kept as text,
    /// never matched by itself.
    OtherNumber(String),
    /// Meant as a unified social credit code and wrong.
    Faulty(UsccFault),
}

/// Tells what `text` is, after cleaning. A 15-digit number is a registration number (if its check digit fails and it
/// ends in a valid organisation code, a tax number); what is neither clean nor of a known length is a faulty credit
/// code, because that is what columns of this kind are meant to hold.
pub fn classify(text: &str) -> Identifier {
    let clean = normalise(text);
    match clean.len() {
        9 if clean.is_ascii() => match OrganisationCode::parse_clean(&clean) {
            Ok(code) => Identifier::OrganisationCode(code),
            Err(_) => Identifier::Faulty(UsccFault::Length { found: 9 }),
        },
        15 if clean.is_ascii() => {
            if let Ok(number) = RegistrationNumber::parse_clean(&clean) {
                return Identifier::RegistrationNumber(number);
            }
            match TaxNumber::parse_clean(&clean) {
                Ok(number) => Identifier::TaxNumber(number),
                Err(_) if all_digits(&clean) => Identifier::OtherNumber(clean.into_owned()),
                Err(_) => Identifier::Faulty(UsccFault::Length { found: 15 }),
            }
        }
        13 if all_digits(&clean) => Identifier::OtherNumber(clean.into_owned()),
        _ if clean.contains('字') && clean.contains('第') => {
            Identifier::OtherNumber(clean.into_owned())
        }
        _ => match Uscc::parse_clean(&clean) {
            Ok(code) => Identifier::Uscc(code),
            Err(UsccFault::Absent) => Identifier::Absent,
            Err(fault) => Identifier::Faulty(fault),
        },
    }
}

/// Cleans the text of an identifier: full width to half width, upper case, no spaces, hyphens or invisible characters,
/// no label in front, no page mark behind; markers for "nothing" become empty. Text that is clean already is borrowed.
pub fn normalise(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    {
        return if is_nothing(text) {
            Cow::Borrowed("")
        } else {
            Cow::Borrowed(text)
        };
    }
    if is_nothing(text.trim()) {
        return Cow::Borrowed("");
    }
    let mut out: String = text
        .chars()
        .map(half_width)
        .filter(|c| !is_ignorable(*c))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    loop {
        let before = out.len();
        for label in LABELS {
            if let Some(rest) = out.strip_prefix(label) {
                out = rest.trim_start_matches(':').to_owned();
            }
        }
        for mark in PAGE_MARKS {
            if let Some(rest) = out.strip_suffix(mark) {
                out.truncate(rest.len());
            }
        }
        if out.len() == before {
            break;
        }
    }
    if is_nothing(&out) {
        out.clear();
    }
    Cow::Owned(out)
}

/// A name as it is compared: half-width brackets and letters, upper case, no spaces. Names are shown as given.
pub fn normalise_name(text: &str) -> Cow<'_, str> {
    let same = |c: char| half_width(c).to_ascii_uppercase() == c && !is_blank(c);
    if text.chars().all(same) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(half_width)
            .filter(|c| !is_blank(*c))
            .map(|c| c.to_ascii_uppercase())
            .collect(),
    )
}

/// Whether a text is one of the markers by which legacy systems say nothing.
pub fn is_nothing(text: &str) -> bool {
    text.len() <= NOTHING_BYTES_MAX && NOTHING.iter().any(|m| text.eq_ignore_ascii_case(m))
}

fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(u32::from(c) - 0xFEE0).expect("full-width forms map into ASCII")
        }
        _ => c,
    }
}

fn is_ignorable(c: char) -> bool {
    is_blank(c) || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Whitespace of any width, and what shows nothing at all.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{00AD}'
        )
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Labels that were copied into the value, already in half width.
const LABELS: [&str; 5] = [
    "统一社会信用代码",
    "社会信用代码",
    "信用代码",
    "组织机构代码",
    "注册号",
];
/// Page marks and empty brackets that exports leave behind.
const PAGE_MARKS: [&str; 2] = ["(1/1)", "()"];
/// Markers for "nothing" seen in live data.
const NOTHING: [&str; 14] = [
    "",
    "N/A",
    "NA",
    "NULL",
    "(NULL)",
    "NONE",
    "UNDEFINED",
    "\\N",
    "-",
    "--",
    "/",
    "无",
    "暂无",
    "不详",
];
const NOTHING_BYTES_MAX: usize = 9;

#[cfg(test)]
mod tests;
