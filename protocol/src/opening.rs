//! Openings: an entry as it is stored and relayed, whole or with some sections replaced by their commitments (D3, D4).
//!
//! Section bytes are kept verbatim. Withholding, compacting or erasing changes which bytes are there and never the leaf,
//! so everything still verifies. Openings of one leaf only ever merge, but for what a verified erasure names (D65).

use crate::bytes::{Malformed, Put, Reader};
use crate::entry::{self, HEAD, Head};
use crate::hash::{self, Hash, Salt};
use crate::limits;

/// Why a section is not open. The word of whoever holds it, bound by nothing: [`Closed::Erased`] counts only beside a verified
/// erasure that names the section.
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

    /// The reason as it reads where no erasure names the section.
    const fn without_erasure(self) -> Self {
        match self {
            Self::Erased => Self::Withheld,
            other => other,
        }
    }
}

/// One section of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section<'a> {
    /// The section's bytes are there, verbatim, with the salt of their commitment: see [`Opening::salt`].
    Open(&'a [u8]),
    /// Only the commitment is there.
    Closed {
        /// The commitment.
        commitment: Hash,
        /// Why.
        why: Closed,
    },
}

/// Salts of the open sections: derived from the leaf's salt, or as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives as long as its opening is looked at, on the stack; one per row must allocate nothing"
)]
enum Salts {
    OfLeaf(Salt),
    Each([Salt; limits::SECTIONS_MAX]),
}

/// An opening read from its bytes; borrows them. Reading hashes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<'a> {
    salts: Salts,
    count: u8,
    sections: [(u8, Section<'a>); limits::SECTIONS_MAX],
}

const WHOLE: u8 = 0;
const PARTIAL: u8 = 1;
const OPEN: u8 = 0;

impl<'a> Opening<'a> {
    /// Reads an opening; all bytes must be consumed, 1 to 16 sections ascend, the head is present and open. A partial one may
    /// have everything open, too: two partial copies merge to it.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "opening");
        let (bound, mut salts) = match r.u8()? {
            // what is whole leaves room for withholding
            WHOLE => (
                limits::SEALED_OPENING_BYTES_MAX,
                Salts::OfLeaf(r.array::<16>()?),
            ),
            PARTIAL => (
                limits::OPENING_BYTES_MAX,
                Salts::Each([[0; 16]; limits::SECTIONS_MAX]),
            ),
            _ => return Err(r.malformed()),
        };
        let count = r.u8()?;
        if bytes.len() > bound || count == 0 || usize::from(count) > limits::SECTIONS_MAX {
            return Err(r.malformed());
        }
        let mut sections = [(0, Section::Open(&bytes[..0])); limits::SECTIONS_MAX];
        let mut next = HEAD;
        for (at, slot) in sections[..usize::from(count)].iter_mut().enumerate() {
            let number = r.u8()?;
            let fits = match at {
                0 => number == HEAD,
                _ => number >= next && usize::from(number) < limits::SECTIONS_MAX,
            };
            if !fits {
                return Err(r.malformed());
            }
            next = number + 1;
            let section = match &mut salts {
                Salts::OfLeaf(_) => Section::Open(r.long()?),
                Salts::Each(salts) => match r.u8()? {
                    OPEN => {
                        salts[at] = r.array()?;
                        Section::Open(r.long()?)
                    }
                    _ if at == 0 => return Err(r.malformed()),
                    why => Section::Closed {
                        why: Closed::from_u8(why).ok_or(r.malformed())?,
                        commitment: Hash(r.array()?),
                    },
                },
            };
            *slot = (number, section);
        }
        r.finish()?;
        Ok(Self {
            salts,
            count,
            sections,
        })
    }

    /// Whether every section is open.
    pub fn is_open(&self) -> bool {
        self.closed().next().is_none()
    }

    /// The sections with their numbers, ascending, head first.
    pub fn sections(&self) -> &[(u8, Section<'a>)] {
        &self.sections[..usize::from(self.count)]
    }

    /// Bytes of an open section.
    pub fn section(&self, number: u8) -> Option<&'a [u8]> {
        self.sections().iter().find_map(|(n, s)| match s {
            Section::Open(bytes) if *n == number => Some(*bytes),
            _ => None,
        })
    }

    /// The open sections other than the head.
    pub fn open_fields(&self) -> impl Iterator<Item = (u8, &'a [u8])> + '_ {
        self.sections()[1..].iter().filter_map(|(n, s)| match s {
            Section::Open(bytes) => Some((*n, *bytes)),
            Section::Closed { .. } => None,
        })
    }

    /// The closed sections and why.
    pub fn closed(&self) -> impl Iterator<Item = (u8, Closed)> + '_ {
        self.sections()
            .iter()
            .filter_map(|(n, s)| why(s).map(|why| (*n, why)))
    }

    /// Bit i is set when section i is there, open or closed.
    pub fn present(&self) -> u16 {
        self.sections().iter().map(|(n, _)| bit(*n)).sum()
    }

    /// Bit i is set when section i is open.
    pub fn mask(&self) -> u16 {
        self.sections()
            .iter()
            .filter(|(_, s)| matches!(s, Section::Open(_)))
            .map(|(n, _)| bit(*n))
            .sum()
    }

    /// The head's bytes.
    pub fn head_bytes(&self) -> &'a [u8] {
        self.section(HEAD).unwrap_or_default()
    }

    /// Record type and key of the entry. They can be read of every entry of a batch that verified, since its order rests on
    /// them, whatever stands behind them in the head.
    pub fn record(&self) -> Result<(&'a [u8], &'a [u8]), Malformed> {
        let front = entry::head_front(self.head_bytes())?;
        Ok((front.record_type, front.key))
    }

    /// Reads the head.
    pub fn head(&self) -> Result<Head, Malformed> {
        Head::from_bytes(self.head_bytes())
    }

    /// Salt and commitment of each section, ascending; no salt where it is closed.
    pub fn commitments(&self) -> impl Iterator<Item = (u8, Option<Salt>, Hash)> + '_ {
        (0..usize::from(self.count)).map(|at| {
            let (number, salt) = (self.sections[at].0, self.salt_at(at));
            (number, salt, self.commitment_at(at))
        })
    }

    fn salt_at(&self, at: usize) -> Option<Salt> {
        match (&self.sections[at], &self.salts) {
            ((_, Section::Closed { .. }), _) => None,
            ((number, _), Salts::OfLeaf(salt)) => Some(hash::section_salt(salt, *number)),
            (_, Salts::Each(salts)) => Some(salts[at]),
        }
    }

    fn commitment_at(&self, at: usize) -> Hash {
        match &self.sections[at] {
            (_, Section::Closed { commitment, .. }) => *commitment,
            (number, Section::Open(bytes)) => {
                hash::section(*number, &self.salt_at(at).unwrap_or_default(), bytes)
            }
        }
    }

    /// The leaf that this opening opens.
    pub fn leaf(&self) -> Hash {
        let places = 0..usize::from(self.count);
        hash::leaf(places.map(|at| (self.sections[at].0, self.commitment_at(at))))
    }

    /// The same leaf with only the sections of `keep` (bit per number) open; the head always stays open. Destroys the leaf
    /// salt, since it would give the withheld sections away.
    pub fn narrowed(&self, keep: u16, why: Closed) -> Vec<u8> {
        self.rewritten(|number, was| match was {
            None if number != HEAD && keep & bit(number) == 0 => Some(why),
            was => was,
        })
    }

    /// The same leaf as it is to be stored beside the erasures that are known: the sections that `erased` names are closed for
    /// that reason, and that reason stands nowhere else. `None` if it is so already.
    pub fn settled(&self, erased: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
        let settled = |number: u8, was: Option<Closed>| match was {
            _ if number != HEAD && erased(number) => Some(Closed::Erased),
            was => was.map(Closed::without_erasure),
        };
        let is_so = |(number, section): &(u8, Section<'_>)| {
            let was = why(section);
            settled(*number, was) == was
        };
        match self.sections().iter().all(is_so) {
            true => None,
            false => Some(self.rewritten(settled)),
        }
    }

    /// The opening with other sections closed: `closes` says for each, given why it is closed so far, why it is to be. What is
    /// closed stays so.
    fn rewritten(&self, closes: impl Fn(u8, Option<Closed>) -> Option<Closed>) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let closed = |at: usize| {
            let (number, section) = &self.sections[at];
            closes(*number, why(section))
        };
        let places = 0..usize::from(self.count);
        if matches!(self.salts, Salts::OfLeaf(_)) && places.clone().all(|at| closed(at).is_none()) {
            self.put(&mut out);
            return out;
        }
        put_partial(
            places.map(|at| {
                let (number, section) = self.sections[at];
                let part = match (closed(at), section) {
                    (Some(why), _) | (None, Section::Closed { why, .. }) => {
                        Part::Closed(why, self.commitment_at(at))
                    }
                    (None, Section::Open(bytes)) => self.open_part(at, bytes),
                };
                (number, part)
            }),
            &mut out,
        );
        out
    }

    /// Both openings of one leaf together: open wherever one of them is, but for the sections that `erased` names, which are
    /// closed for that reason whatever anybody has. Of two other reasons the graver stands. `None` if they are not of one leaf.
    ///
    /// Of what an origin sealed within its bounds every merge is within [`limits::OPENING_BYTES_MAX`]; of what a hostile one made it
    /// need not be, and then does not read back.
    pub fn merged(&self, other: &Opening<'_>, erased: impl Fn(u8) -> bool) -> Option<Vec<u8>> {
        if self.leaf() != other.leaf() {
            return None;
        }
        let parts: Vec<(u8, Part<'_>)> = (0..usize::from(self.count))
            .map(|at| {
                let (number, mine) = self.sections[at];
                let theirs = other.sections[at].1;
                let part = match (mine, theirs) {
                    _ if number != HEAD && erased(number) => {
                        Part::Closed(Closed::Erased, self.commitment_at(at))
                    }
                    (Section::Open(bytes), _) => self.open_part(at, bytes),
                    (_, Section::Open(bytes)) => other.open_part(at, bytes),
                    (
                        Section::Closed { commitment, why },
                        Section::Closed { why: other_why, .. },
                    ) => {
                        let graver = why.without_erasure().max(other_why.without_erasure());
                        Part::Closed(graver, commitment)
                    }
                };
                (number, part)
            })
            .collect();
        let mut out = Vec::with_capacity(256);
        let all_open = parts.iter().all(|(_, p)| matches!(p, Part::Open(..)));
        match (&self.salts, &other.salts) {
            // a leaf's salt is held only beside everything open
            (Salts::OfLeaf(_), _) if all_open => self.put(&mut out),
            (_, Salts::OfLeaf(_)) if all_open => other.put(&mut out),
            _ => put_partial(parts.into_iter(), &mut out),
        }
        Some(out)
    }

    fn open_part(&self, at: usize, bytes: &'a [u8]) -> Part<'a> {
        Part::Open(self.salt_at(at).unwrap_or_default(), bytes)
    }

    /// Appends the opening's bytes.
    pub fn put(&self, out: &mut Vec<u8>) {
        match &self.salts {
            Salts::OfLeaf(salt) => {
                let open = self.sections().iter().map(|(n, s)| match s {
                    Section::Open(bytes) => (*n, *bytes),
                    // not in an opening that has the leaf's salt
                    Section::Closed { .. } => (*n, &[][..]),
                });
                put_whole(salt, open, out);
            }
            Salts::Each(salts) => put_partial(
                self.sections().iter().zip(salts).map(|((n, s), salt)| {
                    let part = match s {
                        Section::Open(bytes) => Part::Open(*salt, bytes),
                        Section::Closed { commitment, why } => Part::Closed(*why, *commitment),
                    };
                    (*n, part)
                }),
                out,
            ),
        }
    }
}

const fn why(section: &Section<'_>) -> Option<Closed> {
    match section {
        Section::Open(_) => None,
        Section::Closed { why, .. } => Some(*why),
    }
}

/// A section's bit in a mask. Numbers are below [`limits::SECTIONS_MAX`], so that every section has one.
pub(crate) fn bit(number: u8) -> u16 {
    1u16.checked_shl(u32::from(number)).unwrap_or(0)
}

/// A section as it is laid out in a partial opening.
enum Part<'s> {
    Open(Salt, &'s [u8]),
    Closed(Closed, Hash),
}

fn put_partial<'s>(sections: impl ExactSizeIterator<Item = (u8, Part<'s>)>, out: &mut Vec<u8>) {
    out.put_u8(PARTIAL);
    out.put_u8(sections.len() as u8);
    for (number, part) in sections {
        out.put_u8(number);
        match part {
            Part::Open(salt, bytes) => {
                out.put_u8(OPEN);
                out.put(&salt);
                out.put_long(bytes);
            }
            Part::Closed(why, commitment) => {
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

#[cfg(test)]
mod tests;
