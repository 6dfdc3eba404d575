//! Openings: an entry as it is stored and relayed, whole or with some sections replaced by their commitments (D3, D4).
//!
//! Section bytes are kept verbatim. Withholding, compacting or erasing changes which bytes are there and never the leaf,
//! so everything still verifies. Openings of one leaf only ever merge.

use crate::bytes::{Malformed, Put, Reader};
use crate::entry::{HEAD, Head};
use crate::hash::{self, Hash, Salt};
use crate::limits;

/// Why a section is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Closed {
    /// Not for this receiver.
    Withheld = 1,
    /// Superseded and compacted after its retention.
    Compacted = 2,
    /// Erased by a signed statement.
    Erased = 3,
}

impl Closed {
    const fn from_u8(v: u8) -> Option<Self> {
        match v {
            1 => Some(Self::Withheld),
            2 => Some(Self::Compacted),
            3 => Some(Self::Erased),
            _ => None,
        }
    }
}

/// One section of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section<'a> {
    /// Salt and bytes are there.
    Open {
        /// Salt of the commitment.
        salt: Salt,
        /// The section's bytes, verbatim.
        bytes: &'a [u8],
    },
    /// Only the commitment is there.
    Closed {
        /// The commitment.
        commitment: Hash,
        /// Why.
        why: Closed,
    },
}

impl Section<'_> {
    fn commitment(&self, number: u8) -> Hash {
        match self {
            Section::Open { salt, bytes } => hash::section(number, salt, bytes),
            Section::Closed { commitment, .. } => *commitment,
        }
    }
}

/// An opening read from its bytes; borrows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<'a> {
    leaf_salt: Option<Salt>,
    count: u8,
    sections: [(u8, Section<'a>); limits::SECTIONS_MAX],
}

const WHOLE: u8 = 0;
const PARTIAL: u8 = 1;
const NO_SECTION: (u8, Section<'static>) = (
    0,
    Section::Closed {
        commitment: Hash::ZERO,
        why: Closed::Withheld,
    },
);

impl<'a> Opening<'a> {
    /// Reads an opening; all bytes must be consumed, sections ascend, the head is present and open.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > limits::OPENING_BYTES_MAX {
            return Err(Malformed::of("opening: too long"));
        }
        let mut r = Reader::new(bytes, "opening");
        let leaf_salt = match r.u8()? {
            WHOLE => Some(r.array::<16>()?),
            PARTIAL => None,
            _ => return Err(r.malformed()),
        };
        let count = r.u8()?;
        if count == 0 || usize::from(count) > limits::SECTIONS_MAX {
            return Err(r.malformed());
        }
        let mut sections = [NO_SECTION; limits::SECTIONS_MAX];
        let mut last: Option<u8> = None;
        for slot in sections.iter_mut().take(usize::from(count)) {
            let number = r.u8()?;
            if last.is_some_and(|l| l >= number)
                || (last.is_none() && number != HEAD)
                || usize::from(number) >= limits::SECTIONS_MAX
            {
                return Err(r.malformed());
            }
            last = Some(number);
            let section = match leaf_salt {
                Some(leaf_salt) => Section::Open {
                    salt: hash::section_salt(&leaf_salt, number),
                    bytes: r.long()?,
                },
                None => match r.u8()? {
                    0 => Section::Open {
                        salt: r.array()?,
                        bytes: r.long()?,
                    },
                    why => Section::Closed {
                        why: Closed::from_u8(why).ok_or(r.malformed())?,
                        commitment: Hash(r.array()?),
                    },
                },
            };
            *slot = (number, section);
        }
        r.finish()?;
        let opening = Self {
            leaf_salt,
            count,
            sections,
        };
        if opening.section(HEAD).is_none() {
            return Err(Malformed::of("opening: closed head"));
        }
        if opening.is_whole() && bytes.len() > limits::SEALED_OPENING_BYTES_MAX {
            return Err(Malformed::of("opening: no room for withholding"));
        }
        Ok(opening)
    }

    /// Whether everything is open and the leaf salt is held.
    pub const fn is_whole(&self) -> bool {
        self.leaf_salt.is_some()
    }

    /// The sections with their numbers, ascending, head first.
    pub fn sections(&self) -> &[(u8, Section<'a>)] {
        &self.sections[..usize::from(self.count)]
    }

    /// Bytes of an open section.
    pub fn section(&self, number: u8) -> Option<&'a [u8]> {
        self.sections()
            .iter()
            .find(|(n, _)| *n == number)
            .and_then(|(_, s)| match s {
                Section::Open { bytes, .. } => Some(*bytes),
                Section::Closed { .. } => None,
            })
    }

    /// The open sections other than the head.
    pub fn open_fields(&self) -> impl Iterator<Item = (u8, &'a [u8])> + '_ {
        self.sections()[1..].iter().filter_map(|(n, s)| match s {
            Section::Open { bytes, .. } => Some((*n, *bytes)),
            Section::Closed { .. } => None,
        })
    }

    /// Bit i is set when section i is open; digests contain it.
    pub fn mask(&self) -> u16 {
        self.sections()
            .iter()
            .filter(|(_, s)| matches!(s, Section::Open { .. }))
            .fold(0, |mask, (n, _)| mask | bit(*n))
    }

    /// The head's bytes.
    pub fn head_bytes(&self) -> &'a [u8] {
        self.section(HEAD).unwrap_or_default()
    }

    /// Reads the head.
    pub fn head(&self) -> Result<Head, Malformed> {
        Head::from_bytes(self.head_bytes())
    }

    /// The leaf that this opening opens.
    pub fn leaf(&self) -> Hash {
        hash::leaf(self.sections().iter().map(|(n, s)| (*n, s.commitment(*n))))
    }

    /// The same leaf with only the sections of `keep` (bit per number) open; the head always stays open. Destroys the leaf
    /// salt, since it would give the withheld sections away.
    pub fn narrowed(&self, keep: u16, why: Closed) -> Vec<u8> {
        let keeps = |n: u8| n == HEAD || keep & bit(n) != 0;
        if self.is_whole() && self.sections().iter().all(|(n, _)| keeps(*n)) {
            let mut out = Vec::new();
            self.put(&mut out);
            return out;
        }
        let sections = self.sections().iter().map(|(n, s)| match s {
            Section::Open { .. } if !keeps(*n) => (
                *n,
                Section::Closed {
                    commitment: s.commitment(*n),
                    why,
                },
            ),
            _ => (*n, *s),
        });
        let mut out = Vec::new();
        put_partial(self.count, sections, &mut out);
        out
    }

    /// Both openings of one leaf together: open wherever one of them is; of two reasons the graver stands. `None` if they
    /// are not of one leaf.
    pub fn merged(&self, other: &Opening<'_>) -> Option<Vec<u8>> {
        if self.leaf() != other.leaf() {
            return None;
        }
        let mut out = Vec::new();
        if self.is_whole() {
            self.put(&mut out);
        } else if other.is_whole() {
            other.put(&mut out);
        } else {
            let both = self.sections().iter().zip(other.sections());
            let sections = both.map(|((n, mine), (_, theirs))| {
                let section = match (mine, theirs) {
                    (Section::Open { .. }, _) => *mine,
                    (_, Section::Open { .. }) => *theirs,
                    (
                        Section::Closed { commitment, why },
                        Section::Closed { why: other_why, .. },
                    ) => Section::Closed {
                        commitment: *commitment,
                        why: *why.max(other_why),
                    },
                };
                (*n, section)
            });
            put_partial(self.count, sections, &mut out);
        }
        Some(out)
    }

    /// Appends the opening's bytes.
    pub fn put(&self, out: &mut Vec<u8>) {
        match self.leaf_salt {
            Some(salt) => {
                out.put_u8(WHOLE);
                out.put(&salt);
                out.put_u8(self.count);
                for (n, s) in self.sections() {
                    if let Section::Open { bytes, .. } = s {
                        out.put_u8(*n);
                        out.put_long(bytes);
                    }
                }
            }
            None => put_partial(self.count, self.sections().iter().copied(), out),
        }
    }
}

/// A section's bit in a mask. Numbers are below [`limits::SECTIONS_MAX`], so that every section has one.
fn bit(number: u8) -> u16 {
    1u16.checked_shl(u32::from(number)).unwrap_or(0)
}

fn put_partial<'s>(
    count: u8,
    sections: impl Iterator<Item = (u8, Section<'s>)>,
    out: &mut Vec<u8>,
) {
    out.put_u8(PARTIAL);
    out.put_u8(count);
    for (number, section) in sections {
        out.put_u8(number);
        match section {
            Section::Open { salt, bytes } => {
                out.put_u8(0);
                out.put(&salt);
                out.put_long(bytes);
            }
            Section::Closed { commitment, why } => {
                out.put_u8(why as u8);
                out.put(&commitment.0);
            }
        }
    }
}

/// Appends a whole opening made from its parts: the leaf's salt and the sections' bytes, ascending, head first.
pub fn put_whole<'s>(
    leaf_salt: &Salt,
    sections: impl ExactSizeIterator<Item = (u8, &'s [u8])>,
    out: &mut Vec<u8>,
) {
    out.put_u8(WHOLE);
    out.put(leaf_salt);
    out.put_u8(sections.len() as u8);
    for (number, bytes) in sections {
        out.put_u8(number);
        out.put_long(bytes);
    }
}
