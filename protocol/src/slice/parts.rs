//! Parts: what a holder has of a batch, leaf by leaf and section by section; what a further body adds; two bodies as one.
//!
//! A part adds what is missing or nothing at all (D52). Merging goes to the same end in any order and however often: open beats
//! closed, and what a stored erasure names is closed whatever anybody has (D65).

use std::collections::BTreeMap;

use super::{GroupPart, Layout, VerifiedSlice, Writer, choose, layout};
use crate::batch::Header;
use crate::bytes::{Malformed, Put, Reader};
use crate::entry::HEAD;
use crate::hash::Hash;
use crate::limits;
use crate::merkle;
use crate::opening::{Closed, Opening, bit};
use crate::words;

/// What of one leaf is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The leaf.
    pub leaf: Hash,
    /// Sections that the leaf has, bit per number.
    pub present: u16,
    /// Sections that are open, bit per number.
    pub open: u16,
}

/// What of one batch is held, by index of the leaf.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts(BTreeMap<u32, Part>);

impl Parts {
    /// What a body has that was verified when it was stored. Hashes every leaf.
    pub fn of(header: &Header, body: &[u8]) -> Result<Self, Malformed> {
        let mut parts = Self::default();
        for opened in layout(header, body)?.opened {
            let opening = Opening::from_bytes(&body[opened.at])?;
            parts
                .0
                .insert(opened.index, part_of(&opening, opening.leaf()));
        }
        Ok(parts)
    }

    /// Adds what another body of the same batch has.
    pub fn add(&mut self, other: &Self) {
        for (index, theirs) in &other.0 {
            let mine = self.0.entry(*index).or_insert(*theirs);
            mine.open |= theirs.open;
        }
    }

    /// What is held of the leaf at an index.
    pub fn get(&self, index: u32) -> Option<&Part> {
        self.0.get(&index)
    }

    /// Whether every leaf of the batch is held, whatever of it is open.
    pub fn has_every_leaf(&self, header: &Header) -> bool {
        self.0.len() == header.count as usize
    }

    /// Whether the batch is whole (D48): every leaf is here, and every section is open, or `erased`, given index, leaf and
    /// section, says that a stored erasure names it.
    pub fn is_whole(&self, header: &Header, erased: &impl Fn(u32, &Hash, u8) -> bool) -> bool {
        let is_whole = |(index, part): (&u32, &Part)| {
            numbers(part.present & !part.open).all(|n| erased(*index, &part.leaf, n))
        };
        self.has_every_leaf(header) && self.0.iter().all(is_whole)
    }
}

impl Parts {
    /// Bytes for a store: per leaf, ascending, `index u32, leaf [32], present u16, open u16`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * PART_BYTES);
        for (index, part) in &self.0 {
            out.put_u32(*index);
            out.put(&part.leaf.0);
            out.put_u16(part.present);
            out.put_u16(part.open);
        }
        out
    }

    /// Reads [`Parts::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "parts");
        let mut parts = Self::default();
        while !r.rest().is_empty() {
            let index = r.u32()?;
            let part = Part {
                leaf: Hash(r.array()?),
                present: r.u16()?,
                open: r.u16()?,
            };
            let ascends = parts
                .0
                .last_key_value()
                .is_none_or(|(last, _)| *last < index);
            if !ascends || part.open & !part.present != 0 {
                return Err(r.malformed());
            }
            parts.0.insert(index, part);
        }
        Ok(parts)
    }

    /// Whether anything of the leaf at an index is held.
    pub fn has(&self, index: u32) -> bool {
        self.0.contains_key(&index)
    }
}

/// Bytes of one leaf in [`Parts::to_bytes`].
const PART_BYTES: usize = 40;

fn part_of(opening: &Opening<'_>, leaf: Hash) -> Part {
    Part {
        leaf,
        present: opening.present(),
        open: opening.mask(),
    }
}

/// The numbers of the sections in a mask.
fn numbers(mask: u16) -> impl Iterator<Item = u8> {
    (0..limits::SECTIONS_MAX as u8).filter(move |n| mask & bit(*n) != 0)
}

impl VerifiedSlice {
    /// What this slice has of its batch.
    pub fn parts(&self) -> Result<Parts, Malformed> {
        let mut parts = Parts::default();
        for (opened, leaf) in self.opened().iter().zip(self.leaves()) {
            let opening = self.opening(opened)?;
            parts.0.insert(opened.index, part_of(&opening, *leaf));
        }
        Ok(parts)
    }

    /// Whether the batch is whole here (D48): every leaf is here, and every section is open, or `erased`, given index, leaf and
    /// section, says that a stored erasure names it; then it reads as erased, whatever the sender says about why it is closed.
    pub fn is_whole(&self, erased: &impl Fn(u32, &Hash, u8) -> bool) -> bool {
        self.has_every_leaf()
            && self.closed().iter().all(|c| {
                let is_erased = erased(c.index, &c.leaf, c.section);
                let why = if is_erased { Closed::Erased } else { c.why };
                words::is_there(Some(why), is_erased)
            })
    }

    /// The body to be stored beside what is `held` of the batch: the entries of which something is new, each with the
    /// sections that are missing, settled with the stored erasures. `None` if it adds nothing: then nothing is stored, no feed
    /// step made, nothing applied.
    pub fn adding(
        &self,
        held: &Parts,
        erased: &impl Fn(u32, &Hash, u8) -> bool,
    ) -> Result<Option<Vec<u8>>, Malformed> {
        let mut positions = Vec::with_capacity(self.opened().len());
        let mut verbatim = true;
        for (at, (opened, leaf)) in self.opened().iter().zip(self.leaves()).enumerate() {
            let opening = self.opening(opened)?;
            let is_erased = |n: u8| erased(opened.index, leaf, n);
            let Some(part) = held.get(opened.index) else {
                verbatim &= opening.settled(is_erased).is_none();
                positions.push(at as u32);
                continue;
            };
            verbatim = false;
            if numbers(opening.mask() & !part.open).any(|n| !is_erased(n)) {
                positions.push(at as u32);
            }
        }
        if positions.is_empty() {
            return Ok(None);
        }
        if verbatim {
            return Ok(Some(self.body().to_vec()));
        }
        let header = self.header().header();
        choose(header, self.body(), &positions, |at, bytes| {
            let (opened, leaf) = (&self.opened()[at], &self.leaves()[at]);
            let opening = Opening::from_bytes(bytes)?;
            let narrowed = held
                .get(opened.index)
                .map(|part| opening.narrowed(!part.open, Closed::Withheld));
            let opening = match &narrowed {
                Some(bytes) => Opening::from_bytes(bytes)?,
                None => opening,
            };
            Ok(opening
                .settled(|n| erased(opened.index, leaf, n))
                .or(narrowed))
        })
        .map(Some)
    }
}

/// Why two bodies could not become one. Neither is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MergeFault {
    /// One of them is no body of this header: a damaged store, for what is stored was verified.
    #[error("条目内容与批头不符（{}）", .0.what)]
    Malformed(#[from] Malformed),
    /// Together they are over the bound of a body or an opening: the origin has sealed more than it may, in parts that each fit.
    /// They stay apart.
    #[error("合并后超过大小上限（{0} 字节），系来源封装超限")]
    OverBound(usize),
}

/// Two verified bodies of one header as one: every leaf of either, every section open that is open in either, settled with
/// the stored erasures. The same in any order and however often.
pub fn merge(
    header: &Header,
    one: &[u8],
    other: &[u8],
    erased: &impl Fn(u32, &Hash, u8) -> bool,
) -> Result<Vec<u8>, MergeFault> {
    let bodies = [(one, layout(header, one)?), (other, layout(header, other)?)];
    let mut out = Writer::default();
    let mut base = 0;
    for (group, entry) in header.groups.iter().enumerate() {
        let group = group as u16;
        let here = bodies.each_ref().map(|(body, layout)| {
            let at = layout.groups.binary_search_by_key(&group, |p| p.group);
            Some((*body, layout, &layout.groups[at.ok()?]))
        });
        if here.iter().any(Option::is_some) {
            merge_group(base, entry.count, here, &mut out, erased)?;
        }
        base += entry.count;
    }
    let merged = out.finish();
    match merged.len() {
        length if length > limits::SLICE_BYTES_MAX => Err(MergeFault::OverBound(length)),
        _ => Ok(merged),
    }
}

/// A group as one body has it: the body, its outline, the group in it.
type Here<'a> = Option<(&'a [u8], &'a Layout, &'a GroupPart)>;

fn merge_group(
    base: u32,
    count: u32,
    here: [Here<'_>; 2],
    out: &mut Writer,
    erased: &impl Fn(u32, &Hash, u8) -> bool,
) -> Result<(), MergeFault> {
    let group = here.iter().flatten().map(|(.., part)| part.group).min();
    let mut subsets = Vec::with_capacity(2);
    for (body, layout, part) in here.iter().flatten() {
        subsets.push(part.subset(layout, body)?);
    }
    let joined = match subsets.as_slice() {
        [one, other] => merkle::join(count, one, other),
        _ => subsets.pop(),
    };
    let stored = Malformed::of("slice: stored proof");
    let (Some(group), Some(joined)) = (group, joined) else {
        return Err(stored.into());
    };
    match joined.members.len() == count as usize {
        true => out.whole_group(group),
        false => out.part_group(group, &joined.members, &joined.proof),
    }
    for (member, leaf) in joined.members.iter().zip(&joined.leaves) {
        let index = base + member;
        let openings = here.map(|here| {
            let (body, layout, part) = here?;
            let opened = &layout.opened[part.opened.clone()];
            let at = opened.binary_search_by_key(&index, |o| o.index).ok()?;
            Some(&body[opened[at].at.clone()])
        });
        let mut openings = openings.into_iter().flatten();
        let one = Opening::from_bytes(openings.next().ok_or(stored)?)?;
        let other = match openings.next() {
            Some(bytes) => Opening::from_bytes(bytes)?,
            None => one.clone(),
        };
        let merged = one
            .merged(&other, |n| n != HEAD && erased(index, leaf, n))
            .ok_or(stored)?;
        if merged.len() > limits::OPENING_BYTES_MAX {
            return Err(MergeFault::OverBound(merged.len()));
        }
        out.opening(&merged);
    }
    Ok(())
}

/// A stored body as it is to be kept beside the erasures that are known; `None` if it is so already. For the rewriting of
/// stored copies when an erasure comes.
pub fn settled(
    header: &Header,
    body: &[u8],
    erased: &impl Fn(u32, &Hash, u8) -> bool,
) -> Result<Option<Vec<u8>>, MergeFault> {
    match merge(header, body, body, erased)? {
        same if same == body => Ok(None),
        changed => Ok(Some(changed)),
    }
}
