//! The unified social credit code (GB 32100-2015): structure, check character and what may be wrong with it.
//!
//! Division digits are those of the first registering body and may be codes that the division table has dropped or
//! never had, so they are not checked here.

use std::fmt;

use super::normalise;
use super::organisation::{self, OrganisationCode};

/// A valid unified social credit code: 18 characters, upper case, check character right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uscc([u8; LENGTH]);

/// What is wrong with a text that was meant as a unified social credit code. The source is at fault; the message says
/// what its clerk should look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsccFault {
    /// There is nothing.
    #[error("未填写")]
    Absent,
    /// Not 18 characters.
    #[error("长度应为 18 位，实为 {found} 位")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character that the code's alphabet does not have.
    #[error("第 {position} 位「{found}」不是代码允许的字符{}", Suggestion(.guess))]
    Character {
        /// Position from 1.
        position: usize,
        /// The character.
        found: char,
        /// The only reading that makes the whole code right, if there is one.
        guess: Option<Uscc>,
    },
    /// Registering authority, category or division digits cannot be.
    #[error("第 {position} 位「{found}」{}", place(*.position))]
    Structure {
        /// Position from 1.
        position: usize,
        /// The character.
        found: char,
    },
    /// A placeholder typed in to get past an input check.
    #[error("是占位数字，不是真实代码")]
    Placeholder,
    /// The check character does not fit.
    #[error("校验位不符，{}", CheckAdvice { expected: *.expected, guess: *.guess })]
    CheckCharacter {
        /// The last character that would fit the first 17.
        expected: char,
        /// The only one-character correction that also fits structure and inner check, if there is exactly one.
        guess: Option<Correction>,
    },
}

/// A correction of one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// Position from 1.
    pub position: usize,
    /// What should stand there.
    pub character: char,
    /// The whole code so corrected.
    pub code: Uscc,
}

impl Uscc {
    /// Cleans and checks.
    pub fn parse(text: &str) -> Result<Self, UsccFault> {
        Self::parse_clean(&normalise(text))
    }

    /// Checks text that [`normalise`] gave.
    pub fn parse_clean(text: &str) -> Result<Self, UsccFault> {
        if text.is_empty() {
            return Err(UsccFault::Absent);
        }
        let found = text.chars().count();
        if found != LENGTH {
            return Err(UsccFault::Length { found });
        }
        let code = <[u8; LENGTH]>::try_from(text.as_bytes()).ok();
        let odd = |(_, c): &(usize, char)| !c.is_ascii() || VALUES[*c as usize] == NONE;
        if let Some((at, found)) = text.chars().enumerate().find(odd) {
            return Err(UsccFault::Character {
                position: at + 1,
                found,
                guess: code.and_then(reread),
            });
        }
        let code = code.expect("eighteen ASCII characters are eighteen bytes");
        if is_placeholder(&code) {
            return Err(UsccFault::Placeholder);
        }
        if let Some(at) = misfit(&code) {
            return Err(UsccFault::Structure {
                position: at + 1,
                found: char::from(code[at]),
            });
        }
        let expected = check_character(&code);
        if expected != code[LENGTH - 1] {
            return Err(UsccFault::CheckCharacter {
                expected: char::from(expected),
                guess: only_correction(code),
            });
        }
        Ok(Self(code))
    }

    /// The 18 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a code is ASCII")
    }

    /// Characters 3 to 8: division of the first registering body.
    pub fn division(&self) -> &str {
        &self.as_str()[2..8]
    }

    /// Characters 9 to 17: the organisation code, hyphen left out. The join key between generations of identifiers.
    pub fn organisation_code(&self) -> &str {
        &self.as_str()[8..17]
    }

    /// Whether characters 9 to 17 pass their own check. Real codes exist that do not: a warning, never a refusal.
    pub fn inner_check_fits(&self) -> bool {
        organisation::fits(&self.0[8..17])
    }

    /// Whether authority and category stand in the published table. New categories appear, so this is only a warning.
    pub fn category_is_known(&self) -> bool {
        category_is_known(self.0[0], self.0[1])
    }

    /// Whether the code is one of an individual business (个体工商户).
    pub fn is_individual(&self) -> bool {
        self.0[0] == b'9' && self.0[1] == b'2'
    }
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Uscc> for OrganisationCode {
    fn from(code: Uscc) -> Self {
        Self::inner(code)
    }
}

/// What belongs at a place of the code that has a structure of its own.
fn place(position: usize) -> &'static str {
    match position {
        1 => "不是登记管理部门代码（1 至 9、A、N、Y）",
        2 => "不是机构类别代码（1 至 9）",
        _ => "不是数字（第 3 至 8 位为登记机关行政区划）",
    }
}

struct Suggestion<'a>(&'a Option<Uscc>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => write!(f, "，疑应为 {code}"),
            None => Ok(()),
        }
    }
}

struct CheckAdvice {
    expected: char,
    guess: Option<Correction>,
}

impl fmt::Display for CheckAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.guess {
            Some(c) if c.position == LENGTH => write!(f, "末位应为 {}", c.character),
            Some(c) => write!(f, "第 {} 位疑应为 {}", c.position, c.character),
            None => write!(f, "如前 17 位无误，末位应为 {}", self.expected),
        }
    }
}

fn check_character(code: &[u8; LENGTH]) -> u8 {
    // there is no weight for the check character itself
    let sum: u32 = code
        .iter()
        .zip(WEIGHTS)
        .map(|(c, w)| u32::from(VALUES[usize::from(*c)]) * w)
        .sum();
    ALPHABET[((31 - sum % 31) % 31) as usize]
}

/// Index of the first character that the structure does not allow.
fn misfit(code: &[u8; LENGTH]) -> Option<usize> {
    if !matches!(code[0], b'1'..=b'9' | b'A' | b'N' | b'Y') {
        return Some(0);
    }
    if !matches!(code[1], b'1'..=b'9') {
        return Some(1);
    }
    code[2..8]
        .iter()
        .position(|c| !c.is_ascii_digit())
        .map(|at| at + 2)
}

fn is_placeholder(code: &[u8; LENGTH]) -> bool {
    code[1..LENGTH - 1].iter().all(|c| *c == code[0])
        || code[8..17].iter().all(|c| *c == b'0')
        || PLACEHOLDERS.iter().any(|p| p.as_bytes() == code)
}

fn category_is_known(authority: u8, category: u8) -> bool {
    let known: &[u8] = match authority {
        b'1' => b"1239",
        b'2' | b'4' => b"19",
        b'3' => b"123459",
        b'5' => b"1239",
        b'6' => b"129",
        b'7' => b"129",
        b'8' => b"19",
        b'9' => b"123",
        b'A' => b"19",
        b'N' => b"1239",
        b'Y' => b"1",
        _ => b"",
    };
    known.contains(&category)
}

/// The only one-character correction after which structure, outer and inner check fit. For each position exactly one
/// character satisfies the outer check, so there are 18 candidates; the other rules thin them out.
fn only_correction(code: [u8; LENGTH]) -> Option<Correction> {
    let mut found = None;
    for at in 0..LENGTH {
        for &character in &ALPHABET {
            // people mistake digits for digits and letters for letters; only check characters are either
            let same_kind = character.is_ascii_digit() == code[at].is_ascii_digit();
            if character == code[at] || at < 16 && !same_kind {
                continue;
            }
            let mut candidate = code;
            candidate[at] = character;
            if check_character(&candidate) != candidate[LENGTH - 1] || !is_plausible(&candidate) {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(Correction {
                position: at + 1,
                character: char::from(character),
                code: Uscc(candidate),
            });
        }
    }
    found
}

fn is_plausible(code: &[u8; LENGTH]) -> bool {
    misfit(code).is_none()
        && !is_placeholder(code)
        && category_is_known(code[0], code[1])
        && PROVINCES.contains(&(10 * (code[2] - b'0') + code[3] - b'0'))
        && organisation::fits(&code[8..17])
}

/// Replaces letters that the alphabet leaves out by the digit or letter they are confused with; right only if
/// everything then fits.
fn reread(mut code: [u8; LENGTH]) -> Option<Uscc> {
    for c in &mut code {
        *c = match *c {
            b'O' => b'0',
            b'I' => b'1',
            b'Z' => b'2',
            b'S' => b'5',
            b'V' => b'U',
            // whatever else is no character of a code does not fit below
            other => other,
        };
    }
    (is_plausible(&code) && check_character(&code) == code[LENGTH - 1]).then_some(Uscc(code))
}

const LENGTH: usize = 18;
const ALPHABET: [u8; 31] = *b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const NONE: u8 = u8::MAX;
const VALUES: [u8; 128] = {
    let mut values = [NONE; 128];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};
/// 3^i mod 31.
const WEIGHTS: [u32; 17] = [
    1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
];
/// Placeholders that pass the arithmetic or were seen in live data and are not one repeated character.
const PLACEHOLDERS: [&str; 3] = [
    "123456789012345678",
    "12345678901234567X",
    "911111111111111111",
];
/// First two digits of division codes.
const PROVINCES: [u8; 35] = [
    10, 11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51,
    52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82,
];
