//! The code by which a newcomer is invited: one line that survives paper, telephone and paste.
//!
//! `ZH2-` and groups of five letters of Crockford's base 32 (no I, L, O, U; small letters and the usual confusions are
//! read as meant). The last two groups are check groups: they find every mistake within one group and name the group.
//! The bytes inside: length, kind, expiry, secret, suite, authority, issuing seat, address.

use std::fmt;

use crate::bytes::{Malformed, Put, Reader};
use crate::hash::{Ref, SUITE};
use crate::name::SeatId;
use crate::statement::SeatKind;

use super::SECRET_BYTES;

/// Bytes of the authority's hash that the code carries.
pub const AUTHORITY_BYTES: usize = 20;
/// Bytes of the issuing seat that the code carries: with them, no other admitted node that somebody has redirected the
/// address to can harvest the secret.
pub const ISSUER_BYTES: usize = 4;
/// Bytes of the address.
pub const ADDRESS_BYTES_MAX: usize = 64;

/// An invitation.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// What it lets in: a district or a department.
    pub kind: SeatKind,
    /// Not used after this, in seconds since 1970. The server judges it, the newcomer only warns.
    pub expires_s: u32,
    /// Used once.
    pub secret: [u8; SECRET_BYTES],
    /// First bytes of the hash of the authority's first root version.
    pub authority: [u8; AUTHORITY_BYTES],
    /// First bytes of the seat that issued it.
    pub issuer: [u8; ISSUER_BYTES],
    /// Where to go: `host:port`.
    pub address: String,
}

/// Why a text is no code. Groups are counted from 1 behind `ZH2-`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It does not begin as a code does.
    #[error("这不是接入码：应以 ZH2- 开头")]
    Prefix,
    /// An earlier release made it.
    #[error("接入码由旧版本签发（{0}），请联系签发单位重新签发")]
    Outdated(String),
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
    /// The authority is named in a suite that this release does not read.
    #[error("接入码所用的密码套件（{0}）本版本不能识别，请先升级本程序")]
    Suite(u8),
    /// A code for a city seat, which this release does not let in by code.
    #[error("市级节点不以接入码入网，请核对接入码的用途")]
    City,
    /// The check holds, the content does not.
    #[error("接入码内容无效，请联系签发单位重新签发")]
    Content,
}

/// Why an invitation cannot be written as a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The address is no address.
    #[error("接入地址应为 `主机:端口`，不超过 {ADDRESS_BYTES_MAX} 字节，不含空格和汉字")]
    Address,
    /// The city is founded, never invited.
    #[error("市级节点不以接入码入网")]
    City,
}

impl Code {
    /// An invitation to `issuer` of `authority`. Only the first bytes of both are kept.
    pub fn new(
        kind: SeatKind,
        expires_s: u32,
        secret: [u8; SECRET_BYTES],
        authority: &Ref,
        issuer: &SeatId,
        address: &str,
    ) -> Self {
        let mut code = Self {
            kind,
            expires_s,
            secret,
            authority: [0; AUTHORITY_BYTES],
            issuer: [0; ISSUER_BYTES],
            address: address.to_owned(),
        };
        code.authority
            .copy_from_slice(&authority.hash.0[..AUTHORITY_BYTES]);
        code.issuer.copy_from_slice(&issuer.0[..ISSUER_BYTES]);
        code
    }

    /// The code as text.
    pub fn encode(&self) -> Result<String, EncodeError> {
        if !is_address(&self.address) {
            return Err(EncodeError::Address);
        }
        if self.kind == SeatKind::City {
            return Err(EncodeError::City);
        }
        let mut bytes = vec![0, self.kind as u8];
        bytes.put_u32(self.expires_s);
        bytes.put(&self.secret);
        bytes.put_u8(SUITE);
        bytes.put(&self.authority);
        bytes.put(&self.issuer);
        bytes.put_short(self.address.as_bytes());
        bytes[0] = bytes.len() as u8;
        Ok(write_groups(&bytes))
    }

    /// Reads a code as people type it.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let groups = read_groups(text)?;
        let found = groups.len();
        let length = groups.first().map_or(1, |first| first >> 17);
        let expected = count_of_groups(length as usize) + CHECKS;
        let count = CodeError::Groups { expected, found };
        if found <= CHECKS {
            return Err(count);
        }
        let (data, check) = groups.split_at(found - CHECKS);
        if check != checks(data) {
            // the length stands in the first group: a mistake in it must not be told as missing groups
            return Err(match blame(&groups) {
                CodeError::MistypedMore if found != expected => count,
                blame => blame,
            });
        }
        if found != expected {
            return Err(count);
        }
        Self::read(data)
    }

    /// Whether the time is over.
    pub fn has_expired(&self, now_s: i64) -> bool {
        now_s > i64::from(self.expires_s)
    }

    /// Whether a reference to the first root version is the one that the code names.
    pub fn names_authority(&self, root: &Ref) -> bool {
        root.suite == SUITE && root.hash.0.starts_with(&self.authority)
    }

    /// Whether a seat is the one that the code says has issued it.
    pub fn names_issuer(&self, seat: &SeatId) -> bool {
        seat.0.starts_with(&self.issuer)
    }

    fn read(groups: &[u32]) -> Result<Self, CodeError> {
        let mut bytes = Vec::new();
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
        // one text per code: what fills the last group is zero
        let length = bytes.first().map_or(0, |length| usize::from(*length));
        let content = match bytes.split_at_checked(length) {
            Some((content, padding)) if bits == 0 && padding.iter().all(|byte| *byte == 0) => {
                content
            }
            _ => return Err(CodeError::Content),
        };
        let (kind, suite, code) = read_content(content).map_err(|_| CodeError::Content)?;
        match (kind, suite) {
            (SeatKind::City, _) => Err(CodeError::City),
            (_, SUITE) => Ok(code),
            (_, suite) => Err(CodeError::Suite(suite)),
        }
    }
}

fn read_content(content: &[u8]) -> Result<(SeatKind, u8, Code), Malformed> {
    let mut r = Reader::new(content, "code");
    r.u8()?;
    let kind = SeatKind::from_u8(r.u8()?).ok_or(r.malformed())?;
    let (expires_s, secret, suite) = (r.u32()?, r.array()?, r.u8()?);
    let (authority, issuer, address) = (r.array()?, r.array()?, r.short_text()?);
    if !is_address(address) {
        return Err(r.malformed());
    }
    r.finish()?;
    let code = Code {
        kind,
        expires_s,
        secret,
        authority,
        issuer,
        address: address.to_owned(),
    };
    Ok((kind, suite, code))
}

/// Whether the text is `host:port` in printable ASCII.
fn is_address(text: &str) -> bool {
    let port = |port: &str| {
        port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    text.len() <= ADDRESS_BYTES_MAX
        && text.bytes().all(|c| c.is_ascii_graphic())
        && text
            .rsplit_once(':')
            .is_some_and(|(host, number)| !host.is_empty() && port(number))
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({:?} {})", self.kind, self.address)
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
        let number = prefix
            .strip_prefix("ZH")
            .filter(|version| version.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|version| version.parse::<u32>().ok());
        return Err(match number {
            Some(number) if number < VERSION => CodeError::Outdated(prefix),
            Some(number) if number > VERSION => CodeError::Version(prefix),
            _ => CodeError::Prefix,
        });
    }
    let parts: Vec<&str> = parts.collect();
    // pasted from somewhere that ate the hyphens
    let joined: Vec<char>;
    let pieces: Vec<Vec<char>> = match parts.as_slice() {
        [one] => {
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

fn write_groups(bytes: &[u8]) -> String {
    let mut groups = groups_of(bytes);
    groups.extend(checks(&groups));
    let mut text = PREFIX.to_owned();
    for group in groups {
        text.push('-');
        text.push_str(&letters(group));
    }
    text
}

/// A group's letters.
fn letters(group: u32) -> String {
    let letter = |at: usize| char::from(ALPHABET[(group >> (5 * at)) as usize & 31]);
    (0..LETTERS).rev().map(letter).collect()
}

fn groups_of(bytes: &[u8]) -> Vec<u32> {
    let mut groups = Vec::new();
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
        plain += u64::from(*group);
        weighted += u64::from(*group) * (at as u64 + 1);
    }
    // offset by the length, so that zeros are not a code
    let length = data.len() as u64;
    [
        ((plain + length) % PRIME) as u32,
        ((weighted + length) % PRIME) as u32,
    ]
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
    CodeError::Mistyped {
        group,
        text: letters(groups[group - 1]),
    }
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

const PREFIX: &str = "ZH2";
/// The number in [`PREFIX`].
const VERSION: u32 = 2;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTERS: usize = 5;
const CHECKS: usize = 2;
const GROUP_MASK: u32 = (1 << 25) - 1;
/// The greatest prime below 2^25.
const PRIME: u64 = 33_554_393;
/// Groups of a code with the longest address: 106 bytes.
const GROUPS_MAX: usize = 36;
