//! The organisation code (GB 11714-1997): eight characters and a check character.
//!
//! It is characters 9 to 17 of a unified social credit code and the end of an old tax number.

use std::fmt;

use super::normalise;
use super::uscc::Uscc;

/// A valid organisation code: nine characters without hyphen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationCode([u8; LENGTH]);

/// What is wrong with a text that was meant as an organisation code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationFault {
    /// There is nothing.
    #[error("未填写")]
    Absent,
    /// Not nine characters.
    #[error("长度应为 9 位（不计连字符），实为 {found} 位")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// Neither digit nor letter.
    #[error("第 {position} 位「{found}」不是数字或大写字母")]
    Character {
        /// Position from 1.
        position: usize,
        /// The character.
        found: char,
    },
    /// A placeholder.
    #[error("是占位数字，不是真实代码")]
    Placeholder,
    /// The check character does not fit.
    #[error("校验位不符，如前 8 位无误，末位应为 {expected}")]
    CheckCharacter {
        /// The one that would.
        expected: char,
    },
}

impl OrganisationCode {
    /// Cleans (hyphen, lower case) and checks.
    pub fn parse(text: &str) -> Result<Self, OrganisationFault> {
        Self::parse_clean(&normalise(text))
    }

    /// Checks text that [`normalise`] gave.
    pub fn parse_clean(text: &str) -> Result<Self, OrganisationFault> {
        if text.is_empty() {
            return Err(OrganisationFault::Absent);
        }
        let Ok(code) = <[u8; LENGTH]>::try_from(text.as_bytes()) else {
            return Err(OrganisationFault::Length {
                found: text.chars().count(),
            });
        };
        let odd = |(at, c): &(usize, char)| {
            let digit = c.is_ascii_digit();
            !(digit || c.is_ascii_uppercase() && (*at < LENGTH - 1 || *c == 'X'))
        };
        if let Some((at, found)) = text.char_indices().find(odd) {
            return Err(OrganisationFault::Character {
                position: text[..at].chars().count() + 1,
                found,
            });
        }
        if code[1..8].iter().all(|c| *c == code[0]) {
            return Err(OrganisationFault::Placeholder);
        }
        let expected = check_character(&code[..8]);
        if expected != code[LENGTH - 1] {
            return Err(OrganisationFault::CheckCharacter {
                expected: char::from(expected),
            });
        }
        Ok(Self(code))
    }

    /// The nine characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a code is ASCII")
    }

    /// Characters 9 to 17 of a credit code, whose own check may fail.
    pub(super) fn inner(code: Uscc) -> Self {
        let mut out = [0; LENGTH];
        out.copy_from_slice(code.organisation_code().as_bytes());
        Self(out)
    }
}

impl fmt::Display for OrganisationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for OrganisationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether nine characters end in their own check character.
pub(super) fn fits(code: &[u8]) -> bool {
    code[..8]
        .iter()
        .all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        && check_character(&code[..8]) == code[8]
}

fn check_character(body: &[u8]) -> u8 {
    let sum: u32 = body
        .iter()
        .zip(WEIGHTS)
        .map(|(c, w)| {
            let value = match c {
                b'0'..=b'9' => c - b'0',
                _ => c - b'A' + 10,
            };
            u32::from(value) * w
        })
        .sum();
    match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + digit as u8,
    }
}

const LENGTH: usize = 9;
const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
