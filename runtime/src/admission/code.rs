//! The code by which a newcomer is invited: one line that survives paper, telephone and paste.
//!
//! `ZH1-` and groups of five letters of Crockford's base 32 (no I, L, O, U; small letters and the usual confusions are
//! read as meant). The last two groups are check groups: they find every mistake within one group and name the group.
//! The bytes inside: length, expiry, secret, authority, address, scope.

use std::fmt;

use protocol::bytes::{Put, Reader};
use protocol::hash::Hash;

/// Bytes of the one-time secret.
pub const SECRET_BYTES: usize = 10;
/// Bytes of the authority's hash that the code carries.
pub const AUTHORITY_BYTES: usize = 20;
/// Bytes of the address.
pub const ADDRESS_BYTES_MAX: usize = 64;
/// Bytes of the scope.
pub const SCOPE_BYTES_MAX: usize = 120;

/// An invitation.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// Where to go: `host:port`.
    pub address: String,
    /// First bytes of the hash of the authority's first root version.
    pub authority: [u8; AUTHORITY_BYTES],
    /// What it is for, as 「区文旅局/许可库」.
    pub scope: String,
    /// Used once.
    pub secret: [u8; SECRET_BYTES],
    /// Not used after this, in seconds since 1970.
    pub expires_s: u32,
}

/// Why a text is no code. Groups are counted from 1 behind `ZH1-`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It does not begin as a code does.
    #[error("这不是接入码：应以 ZH1- 开头")]
    Prefix,
    /// A later release made it.
    #[error("接入码由更新的版本签发（{0}），请先升级本程序")]
    Version(String),
    /// A character that does not occur.
    #[error("第 {group} 组有不该出现的字符「{letter}」，请核对该组")]
    Letter {
        /// The group.
        group: usize,
        /// The character.
        letter: char,
    },
    /// A group of another length.
    #[error("第 {group} 组有 {letters} 个字符，每组应为 5 个，请核对该组")]
    Group {
        /// The group.
        group: usize,
        /// Its length.
        letters: usize,
    },
    /// Groups are missing or too many.
    #[error("接入码应有 {expected} 组，现有 {found} 组，请核对是否漏抄或多抄")]
    Groups {
        /// As many as the code says itself.
        expected: usize,
        /// As many as there are.
        found: usize,
    },
    /// One group is wrong.
    #[error("第 {group} 组「{text}」抄写有误，请核对该组")]
    Mistyped {
        /// The group.
        group: usize,
        /// As it was read.
        text: String,
    },
    /// Two groups stand in each other's place.
    #[error("第 {first} 组与第 {second} 组次序颠倒，请核对")]
    Swapped {
        /// One.
        first: usize,
        /// The other.
        second: usize,
    },
    /// More than one group is wrong.
    #[error("接入码有两处以上抄写错误，请整段核对")]
    MistypedMore,
    /// The check holds, the content does not.
    #[error("接入码内容无效，请联系签发单位重新签发")]
    Content,
}

/// Why an invitation cannot be written as a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The address is empty or too long.
    #[error("接入地址为空或超过 {ADDRESS_BYTES_MAX} 字节，应为 `主机:端口`")]
    Address,
    /// The scope is empty or too long.
    #[error("接入用途为空或超过 {SCOPE_BYTES_MAX} 字节（约 40 个汉字）")]
    Scope,
}

impl Code {
    /// The code as text.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let (address, scope) = (self.address.as_bytes(), self.scope.as_bytes());
        if address.is_empty() || address.len() > ADDRESS_BYTES_MAX {
            return Err(EncodeError::Address);
        }
        if scope.is_empty() || scope.len() > SCOPE_BYTES_MAX {
            return Err(EncodeError::Scope);
        }
        let mut bytes = vec![0];
        bytes.put_u32(self.expires_s);
        bytes.put(&self.secret);
        bytes.put(&self.authority);
        bytes.put_short(address);
        bytes.put_short(scope);
        bytes[0] = u8::try_from(bytes.len()).map_err(|_| EncodeError::Scope)?;
        let mut groups = groups_of(&bytes);
        groups.extend(checks(&groups));
        let mut text = PREFIX.to_owned();
        for group in groups {
            text.push('-');
            (0..LETTERS)
                .rev()
                .for_each(|at| text.push(char::from(ALPHABET[(group >> (5 * at)) as usize & 31])));
        }
        Ok(text)
    }

    /// Reads a code as people type it.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let groups = read_groups(text)?;
        let first = groups.first().ok_or(CodeError::Groups {
            expected: 3,
            found: 0,
        })?;
        let expected = count_of_groups(usize::from((first >> 17) as u8)) + CHECKS;
        let data = examine(&groups, expected)?;
        Self::read(data).ok_or(CodeError::Content)
    }

    /// Whether the time is over.
    pub fn has_expired(&self, now_s: i64) -> bool {
        now_s > i64::from(self.expires_s)
    }

    /// Whether a root version's hash is the one that the code names.
    pub fn names(&self, root: &Hash) -> bool {
        root.0.starts_with(&self.authority)
    }

    fn read(groups: &[u32]) -> Option<Self> {
        let mut bytes = Vec::with_capacity(groups.len() * LETTERS * 5 / 8);
        let (mut bits, mut held) = (0u64, 0);
        for group in groups {
            bits = bits << 25 | u64::from(*group);
            held += 25;
            while held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
            }
            bits &= (1 << held) - 1;
        }
        let length = usize::from(*bytes.first()?);
        let (content, padding) = bytes.split_at_checked(length)?;
        // one text per code: what fills the last group is zero
        (bits == 0 && padding.iter().all(|byte| *byte == 0)).then_some(())?;
        let mut r = Reader::new(content.get(1..)?, "code");
        let mut read = || -> Result<Self, protocol::bytes::Malformed> {
            let expires_s = r.u32()?;
            let (secret, authority) = (r.array()?, r.array()?);
            let (address, scope) = (r.short_text()?.to_owned(), r.short_text()?.to_owned());
            Ok(Self {
                address,
                authority,
                scope,
                secret,
                expires_s,
            })
        };
        let code = read().ok()?;
        let printable = |text: &str| !text.is_empty() && !text.contains(char::is_control);
        (r.rest().is_empty() && printable(&code.address) && printable(&code.scope)).then_some(code)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} {})", self.address, self.scope)
    }
}

fn read_groups(text: &str) -> Result<Vec<u32>, CodeError> {
    let text: String = text.trim().chars().map(narrow).collect();
    let mut parts = text
        .split(|c: char| c == '-' || c.is_whitespace())
        .filter(|part| !part.is_empty());
    let prefix = parts.next().unwrap_or_default().to_ascii_uppercase();
    if prefix != PREFIX {
        // read aloud, the digit may have become a letter, and the letters cannot be confused
        return match prefix.strip_prefix("ZH") {
            Some(version) if version.bytes().all(|b| b.is_ascii_digit()) && !version.is_empty() => {
                Err(CodeError::Version(prefix))
            }
            _ => Err(CodeError::Prefix),
        };
    }
    let parts: Vec<&str> = parts.collect();
    // pasted from somewhere that ate the hyphens
    let joined: Vec<char>;
    let pieces: Vec<Vec<char>> = match parts.as_slice() {
        [one] if one.chars().count() > LETTERS => {
            joined = one.chars().collect();
            joined.chunks(LETTERS).map(<[char]>::to_vec).collect()
        }
        parts => parts.iter().map(|part| part.chars().collect()).collect(),
    };
    if pieces.len() > GROUPS_MAX {
        return Err(CodeError::Groups {
            expected: GROUPS_MAX,
            found: pieces.len(),
        });
    }
    let mut groups = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.iter().enumerate() {
        let group = at + 1;
        let mut value = 0;
        for letter in piece {
            let digit = digit(*letter).ok_or(CodeError::Letter {
                group,
                letter: *letter,
            })?;
            value = (value << 5 | digit) & GROUP_MASK;
        }
        if piece.len() != LETTERS {
            return Err(CodeError::Group {
                group,
                letters: piece.len(),
            });
        }
        groups.push(value);
    }
    Ok(groups)
}

/// Full-width forms and the many dashes, as Chinese input methods produce them.
fn narrow(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '－' | '一' => '-',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}

fn digit(letter: char) -> Option<u32> {
    let upper = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        upper => upper,
    };
    let at = ALPHABET
        .iter()
        .position(|known| char::from(*known) == upper);
    at.and_then(|at| u32::try_from(at).ok())
}

fn groups_of(bytes: &[u8]) -> Vec<u32> {
    let mut groups = Vec::with_capacity(count_of_groups(bytes.len()));
    let (mut bits, mut held) = (0u64, 0);
    for byte in bytes {
        bits = bits << 8 | u64::from(*byte);
        held += 8;
        if held >= 25 {
            held -= 25;
            groups.push((bits >> held) as u32 & GROUP_MASK);
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        groups.push((bits << (25 - held)) as u32 & GROUP_MASK);
    }
    groups
}

const fn count_of_groups(bytes: usize) -> usize {
    (bytes * 8).div_ceil(25)
}

/// Two sums modulo a prime: of the groups, and of the groups times their numbers. One wrong group changes the first by
/// what is wrong and the second by that times its number, so the quotient names it.
fn checks(data: &[u32]) -> [u32; CHECKS] {
    let (mut plain, mut weighted) = (0, 0);
    for (at, group) in data.iter().enumerate() {
        plain = (plain + u64::from(*group)) % PRIME;
        weighted = (weighted + u64::from(*group) * (at as u64 + 1)) % PRIME;
    }
    // offset by the length, so that zeros are not a code
    let length = data.len() as u64;
    [
        ((plain + length) % PRIME) as u32,
        ((weighted + length) % PRIME) as u32,
    ]
}

/// Finds the mistakes in groups whose last ones are checks, and gives the others if there is none. `expected` is how many
/// groups there are to be according to the groups themselves: it counts only if no single mistake explains the checks, since
/// that number may be what was mistyped.
fn examine(groups: &[u32], expected: usize) -> Result<&[u32], CodeError> {
    let found = groups.len();
    let counted = CodeError::Groups { expected, found };
    let Some(data) = found.checked_sub(CHECKS).filter(|data| *data > 0) else {
        return Err(counted);
    };
    let (data, check) = groups.split_at(data);
    if check != checks(data) {
        return Err(match blame(groups) {
            CodeError::MistypedMore if found != expected => counted,
            one => one,
        });
    }
    // sound, and yet of another length: nobody mistypes that
    (found == expected)
        .then_some(data)
        .ok_or(CodeError::Content)
}

/// Which group is wrong, if it is only one.
fn blame(groups: &[u32]) -> CodeError {
    let data = &groups[..groups.len() - CHECKS];
    let should = checks(data);
    let read = &groups[data.len()..];
    let off = |at: usize| (PRIME + u64::from(should[at]) - u64::from(read[at]) % PRIME) % PRIME;
    let (plain, weighted) = (off(0), off(1));
    if plain == 0
        && let Some((first, second)) = swapped(data, read)
    {
        return CodeError::Swapped { first, second };
    }
    let group = match (plain, weighted) {
        (0, _) => groups.len(),
        (_, 0) => groups.len() - 1,
        _ => match (1..=data.len() as u64).find(|n| plain * n % PRIME == weighted) {
            Some(n) => n as usize,
            None => return CodeError::MistypedMore,
        },
    };
    let value = groups[group - 1];
    let text = (0..LETTERS)
        .rev()
        .map(|at| char::from(ALPHABET[(value >> (5 * at)) as usize & 31]))
        .collect();
    CodeError::Mistyped { group, text }
}

/// The two groups whose exchange makes the check hold.
fn swapped(data: &[u32], read: &[u32]) -> Option<(usize, usize)> {
    let mut data = data.to_vec();
    for first in 0..data.len() {
        for second in first + 1..data.len() {
            data.swap(first, second);
            if checks(&data) == read {
                return Some((first + 1, second + 1));
            }
            data.swap(first, second);
        }
    }
    None
}

const PREFIX: &str = "ZH1";
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 5;
const CHECKS: usize = 2;
const GROUP_MASK: u32 = (1 << 25) - 1;
/// The greatest prime below 2^25.
const PRIME: u64 = 33_554_393;
const GROUPS_MAX: usize = count_of_groups(255) + CHECKS;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Code {
        Code {
            address: "10.8.0.12:4433".to_owned(),
            authority: std::array::from_fn(|n| n as u8 * 7),
            scope: "区文旅局/许可库".to_owned(),
            secret: std::array::from_fn(|n| 255 - n as u8),
            expires_s: 1_800_000_000,
        }
    }

    fn letters(text: &str, change: impl Fn(usize, char) -> char) -> String {
        text.char_indices().map(|(at, c)| change(at, c)).collect()
    }

    #[test]
    fn a_code_reads_back_however_it_is_typed() {
        let code = sample();
        let text = code.encode().expect("encoding");
        assert!(text.starts_with("ZH1-") && text.len() < 200, "{text}");
        let wide = letters(&text, |_, c| {
            char::from_u32(u32::from(c) + 0xfee0).expect("full width")
        });
        let confused = text[4..].replace('0', "o").replace('1', "l");
        for typed in [
            text.clone(),
            text.to_lowercase(),
            format!("  {} \n", text.replace('-', " ")),
            format!("ZH1-{}", text[4..].replace('-', "")),
            text.replace('-', "—"),
            wide,
            format!("zh1-{confused}"),
        ] {
            assert_eq!(Code::parse(&typed), Ok(code.clone()), "{typed}");
        }
        assert!(!format!("{code:?}").contains("255"));
        assert!(code.has_expired(1_800_000_001) && !code.has_expired(1_800_000_000));
        assert!(!code.has_expired(-5));
    }

    #[test]
    fn every_single_mistake_is_found_and_its_group_named() {
        let text = sample().encode().expect("encoding");
        for at in 4..text.len() {
            if text.as_bytes()[at] == b'-' {
                continue;
            }
            let group = 1 + (at - 4) / 6;
            let wrong = letters(&text, |here, c| match c {
                c if here != at => c,
                'Z' => '2',
                _ => 'Z',
            });
            match Code::parse(&wrong) {
                Err(CodeError::Mistyped { group: named, .. }) => {
                    assert_eq!(named, group, "{wrong}")
                }
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_mistakes_are_named_as_far_as_can_be_known() {
        let text = sample().encode().expect("encoding");
        let parts: Vec<&str> = text.split('-').collect();
        let groups = parts.len() - 1;
        let join = |parts: &[&str]| parts.join("-");
        let check = |typed: String, expected: CodeError| {
            assert_eq!(Code::parse(&typed), Err(expected), "{typed}");
        };
        check("你好".to_owned(), CodeError::Prefix);
        check(String::new(), CodeError::Prefix);
        check(
            text.replacen('1', "2", 1),
            CodeError::Version("ZH2".to_owned()),
        );
        check(
            "ZH1-".to_owned(),
            CodeError::Groups {
                expected: 3,
                found: 0,
            },
        );
        let mut short = parts.clone();
        short[3] = &short[3][1..];
        check(
            join(&short),
            CodeError::Group {
                group: 3,
                letters: 4,
            },
        );
        let mut odd = parts.clone();
        odd[2] = "AB*DE";
        check(
            join(&odd),
            CodeError::Letter {
                group: 2,
                letter: '*',
            },
        );
        let missing = [&parts[..5], &parts[6..]].concat();
        check(
            join(&missing),
            CodeError::Groups {
                expected: groups,
                found: groups - 1,
            },
        );
        let mut swapped = parts.clone();
        swapped.swap(5, 6);
        check(
            join(&swapped),
            CodeError::Swapped {
                first: 5,
                second: 6,
            },
        );
        // the first group holds the length, and is no less one group for that
        for (at, letter) in (0..5).flat_map(|at| (0..32).map(move |letter| (at, letter))) {
            let mut first: Vec<u8> = parts[1].bytes().collect();
            let wrong = ALPHABET[letter];
            if first[at] == wrong {
                continue;
            }
            first[at] = wrong;
            let first = String::from_utf8(first).expect("letters");
            let mut typed = parts.clone();
            typed[1] = &first;
            check(
                join(&typed),
                CodeError::Mistyped {
                    group: 1,
                    text: first.clone(),
                },
            );
        }
        let mut swapped = parts.clone();
        swapped.swap(1, 2);
        check(
            join(&swapped),
            CodeError::Swapped {
                first: 1,
                second: 2,
            },
        );
        let more = [&parts[..], &["00000"]].concat();
        check(
            join(&more),
            CodeError::Groups {
                expected: groups,
                found: groups + 1,
            },
        );
        let mut two = parts.clone();
        (two[4], two[9]) = ("ZZZZZ", "00001");
        check(join(&two), CodeError::MistypedMore);
        let zeros = format!("ZH1{}", "-00000".repeat(2));
        assert!(Code::parse(&zeros).is_err());
        let mut long = sample();
        long.scope = "长".repeat(41);
        assert_eq!(long.encode(), Err(EncodeError::Scope));
        long.scope = "长".repeat(40);
        long.address = "a".repeat(64);
        assert_eq!(Code::parse(&long.encode().expect("fits")), Ok(long.clone()));
        long.address.push('a');
        assert_eq!(long.encode(), Err(EncodeError::Address));
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic() {
        let mut state = 1u64;
        for length in 0..400 {
            let mut typed = "ZH1-".to_owned();
            for _ in 0..length {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (state >> 33) as usize % 34;
                typed.push(ALPHABET.get(at).map_or('-', |letter| char::from(*letter)));
            }
            assert!(Code::parse(&typed).is_err());
        }
    }
}
