//! The registration number of market regulation (GS 15-2006): 15 digits, ISO 7064 MOD 11,10.
//!
//! Older numbers of 13 digits or with characters are texts, not of this type.

use std::fmt;

use super::normalise;

/// A valid 15-digit registration number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationNumber([u8; LENGTH]);

/// What is wrong with a text that was meant as a registration number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationNumberFault {
    /// There is nothing.
    #[error("未填写")]
    Absent,
    /// Not 15 digits.
    #[error("长度应为 15 位，实为 {found} 位")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// Not a digit.
    #[error("第 {position} 位「{found}」不是数字")]
    Character {
        /// Position from 1.
        position: usize,
        /// The character.
        found: char,
    },
    /// A placeholder.
    #[error("是占位数字，不是真实注册号")]
    Placeholder,
    /// The check digit does not fit.
    #[error("校验位不符，如前 14 位无误，末位应为 {expected}")]
    CheckDigit {
        /// The one that would.
        expected: char,
    },
}

impl RegistrationNumber {
    /// Cleans and checks.
    pub fn parse(text: &str) -> Result<Self, RegistrationNumberFault> {
        Self::parse_clean(&normalise(text))
    }

    /// Checks text that [`normalise`] gave.
    pub fn parse_clean(text: &str) -> Result<Self, RegistrationNumberFault> {
        if text.is_empty() {
            return Err(RegistrationNumberFault::Absent);
        }
        let Ok(number) = <[u8; LENGTH]>::try_from(text.as_bytes()) else {
            return Err(RegistrationNumberFault::Length {
                found: text.chars().count(),
            });
        };
        if let Some((at, found)) = text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
            return Err(RegistrationNumberFault::Character {
                position: text[..at].chars().count() + 1,
                found,
            });
        }
        if number[1..14].iter().all(|c| *c == number[0]) || &number == b"123456789012345" {
            return Err(RegistrationNumberFault::Placeholder);
        }
        let expected = check_digit(&number);
        if expected != number[LENGTH - 1] {
            return Err(RegistrationNumberFault::CheckDigit {
                expected: char::from(expected),
            });
        }
        Ok(Self(number))
    }

    /// The 15 digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a number is ASCII")
    }

    /// The first six digits: the registering division.
    pub fn division(&self) -> &str {
        &self.as_str()[..6]
    }
}

impl fmt::Display for RegistrationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RegistrationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn check_digit(number: &[u8; LENGTH]) -> u8 {
    let p = number[..LENGTH - 1].iter().fold(10u32, |p, d| {
        let s = (p + u32::from(d - b'0')) % 10;
        (if s == 0 { 10 } else { s }) * 2 % 11
    });
    b'0' + ((11 - p) % 10) as u8
}

const LENGTH: usize = 15;
