//! The tax registration number before codes were unified: six digits of division and the organisation code.
//!
//! Since the unification the credit code is the tax number; forms built on a person's identity number are not taken as
//! identifiers of an entity.

use std::fmt;

use super::normalise;
use super::organisation::OrganisationCode;
use super::uscc::Uscc;

/// A valid tax number of an organisation, old form or credit code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaxNumber {
    /// The credit code serves as tax number.
    Uscc(Uscc),
    /// Division and organisation code.
    Old {
        /// Six digits of the tax division.
        division: [u8; 6],
        /// The organisation code.
        organisation: OrganisationCode,
    },
}

/// What is wrong with a text that was meant as a tax number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaxNumberFault {
    /// There is nothing.
    #[error("未填写")]
    Absent,
    /// Neither of the two forms of an organisation.
    #[error("应为 18 位统一社会信用代码或 15 位原税务登记号")]
    Form,
    /// Built on a person's identity number: personal data, not an entity's identifier.
    #[error("由公民身份号码构成，不作为主体标识")]
    Personal,
}

impl TaxNumber {
    /// Cleans and checks.
    pub fn parse(text: &str) -> Result<Self, TaxNumberFault> {
        Self::parse_clean(&normalise(text))
    }

    /// Checks text that [`normalise`] gave.
    pub fn parse_clean(text: &str) -> Result<Self, TaxNumberFault> {
        match text.len() {
            0 => Err(TaxNumberFault::Absent),
            18 => Uscc::parse_clean(text).map(Self::Uscc).map_err(|_| {
                if is_personal(text.as_bytes()) {
                    TaxNumberFault::Personal
                } else {
                    TaxNumberFault::Form
                }
            }),
            20 => Err(TaxNumberFault::Personal),
            15 if text.is_ascii() => {
                let (division, organisation) = text.split_at(6);
                if !division.bytes().all(|c| c.is_ascii_digit()) {
                    return Err(TaxNumberFault::Form);
                }
                let organisation = OrganisationCode::parse_clean(organisation)
                    .map_err(|_| TaxNumberFault::Form)?;
                let mut six = [0; 6];
                six.copy_from_slice(division.as_bytes());
                Ok(Self::Old {
                    division: six,
                    organisation,
                })
            }
            _ => Err(TaxNumberFault::Form),
        }
    }

    /// The organisation code within, by which generations of identifiers are joined.
    pub fn organisation_code(&self) -> OrganisationCode {
        match self {
            Self::Uscc(code) => OrganisationCode::from(*code),
            Self::Old { organisation, .. } => *organisation,
        }
    }
}

/// Whether 18 characters are built like a person's identity number: division, date of birth, order, check character.
fn is_personal(text: &[u8]) -> bool {
    let (digits, check) = text.split_at(17);
    let number = |range: std::ops::Range<usize>| {
        digits[range]
            .iter()
            .fold(0, |n, d| 10 * n + u32::from(d - b'0'))
    };
    digits.iter().all(u8::is_ascii_digit)
        && matches!(check, [b'0'..=b'9' | b'X'])
        && (1900..2100).contains(&number(6..10))
        && (1..=12).contains(&number(10..12))
        && (1..=31).contains(&number(12..14))
}

impl fmt::Display for TaxNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uscc(code) => write!(f, "{code}"),
            Self::Old {
                division,
                organisation,
            } => {
                f.write_str(std::str::from_utf8(division).expect("digits are ASCII"))?;
                write!(f, "{organisation}")
            }
        }
    }
}

impl fmt::Debug for TaxNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
