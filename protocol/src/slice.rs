//! Slices: as much of a batch as a receiver may or wants to see, verifiable against the header alone (I10).
//!
//! The body of a slice is what is stored and relayed. It names the groups it opens; of a group it carries all leaves, or
//! some with a proof. Groups that are left out stand in the header's table by their roots.
//! [`Directory`](crate::directory::Directory)-checked headers and [`verify`] are the only way to a [`VerifiedSlice`].

mod header;
mod parts;

use std::ops::Range;

pub use header::{HeaderFault, HeaderPlace, VerifiedHeader, verify_header};
pub use parts::{MergeFault, Part, Parts, merge, settled};

use crate::batch::Header;
use crate::blame::Blame;
use crate::bytes::{Malformed, Put, Reader};
use crate::entry;
use crate::hash::Hash;
use crate::limits;
use crate::merkle::{self, Subset};
use crate::opening::{Closed, Opening};

const FORMAT: u8 = 1;
const ALL: u8 = 0;
const SOME: u8 = 1;

/// Lays out a body; groups ascend.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    groups: u16,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            bytes: vec![FORMAT, 0, 0],
            groups: 0,
        }
    }
}

impl Writer {
    pub(crate) fn whole_group(&mut self, group: u16) {
        self.groups += 1;
        self.bytes.put_u16(group);
        self.bytes.put_u8(ALL);
    }

    fn part_group(&mut self, group: u16, members: &[u32], proof: &[Hash]) {
        self.groups += 1;
        self.bytes.put_u16(group);
        self.bytes.put_u8(SOME);
        self.bytes.put_u32(members.len() as u32);
        members.iter().for_each(|m| self.bytes.put_u32(*m));
        self.bytes.put_u32(proof.len() as u32);
        proof.iter().for_each(|h| self.bytes.put(&h.0));
    }

    pub(crate) fn opening(&mut self, opening: &[u8]) {
        self.bytes.put_long(opening);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes[1..3].copy_from_slice(&self.groups.to_be_bytes());
        self.bytes
    }
}

/// One opened entry within a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Index of the leaf in the batch: the last part of its version.
    pub index: u32,
    /// Group in the header's table.
    pub group: u16,
    /// Where the opening's bytes lie in the body.
    pub at: Range<usize>,
}

/// A group as a body carries it.
struct GroupPart {
    group: u16,
    /// Index of the group's first leaf in the batch.
    base: u32,
    /// Members within the group and their proof; `None` for all.
    part: Option<(Vec<u32>, Vec<Hash>)>,
    opened: Range<usize>,
}

struct Layout {
    groups: Vec<GroupPart>,
    opened: Vec<Opened>,
}

/// Reads the outline of a body against its header; hashes nothing.
fn layout(header: &Header, body: &[u8]) -> Result<Layout, Malformed> {
    if body.len() > limits::SLICE_BYTES_MAX {
        return Err(Malformed::of("slice: too long"));
    }
    let mut r = Reader::new(body, "slice");
    if r.u8()? != FORMAT {
        return Err(r.malformed());
    }
    let n = r.u16()?;
    if n == 0 {
        return Err(Malformed::of("slice: says nothing"));
    }
    let mut layout = Layout {
        groups: Vec::new(),
        opened: Vec::new(),
    };
    let (mut base, mut next) = (0u32, 0usize);
    for _ in 0..n {
        let group = r.u16()?;
        let entry = header.groups.get(usize::from(group)).ok_or(r.malformed())?;
        if usize::from(group) < next {
            return Err(r.malformed());
        }
        base += header.groups[next..usize::from(group)]
            .iter()
            .map(|g| g.count)
            .sum::<u32>();
        next = usize::from(group) + 1;
        let part = match r.u8()? {
            ALL => None,
            SOME => {
                let members = r.u32()?;
                // all of a group is written as such
                if members == 0 || members >= entry.count {
                    return Err(r.malformed());
                }
                let members = (0..members)
                    .map(|_| r.u32())
                    .collect::<Result<Vec<_>, _>>()?;
                let proof = r.u32()?;
                if proof > entry.count
                    || !members.is_sorted_by(|a, b| a < b)
                    || members.last().is_none_or(|m| *m >= entry.count)
                {
                    return Err(r.malformed());
                }
                let proof = (0..proof)
                    .map(|_| r.array().map(Hash))
                    .collect::<Result<Vec<_>, _>>()?;
                Some((members, proof))
            }
            _ => return Err(r.malformed()),
        };
        let from = layout.opened.len();
        let count = part.as_ref().map_or(entry.count as usize, |(m, _)| m.len());
        for at in 0..count {
            let opening = r.long()?;
            let end = body.len() - r.rest().len();
            let within = part.as_ref().map_or(at as u32, |(m, _)| m[at]);
            layout.opened.push(Opened {
                index: base + within,
                group,
                at: end - opening.len()..end,
            });
        }
        layout.groups.push(GroupPart {
            group,
            base,
            part,
            opened: from..layout.opened.len(),
        });
        base += entry.count;
    }
    r.finish()?;
    Ok(layout)
}

/// The opened entries of a body that was verified when it was stored, in body order; their place in this list is the
/// *position* that records point to.
pub fn opened(header: &Header, body: &[u8]) -> Result<Vec<Opened>, Malformed> {
    Ok(layout(header, body)?.opened)
}

/// Why a slice under a valid header was not verified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SliceFault {
    /// The body does not belong to the header: the relay that sent it is at fault. It is told, and skips the item (D51).
    #[error("条目内容与批头不符，传送方有误（{0}）")]
    Relay(&'static str),
    /// The origin signed what may not be: a head that cannot be read as far as it orders the batch or whose hint is not its
    /// group's, leaves out of order, two entries of one record. Stops that log (D9).
    #[error("来源封装的批次不合规定（{0}）")]
    Origin(&'static str),
}

impl SliceFault {
    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Relay(_) => Blame::Relay,
            Self::Origin(_) => Blame::Origin,
        }
    }
}

impl From<Malformed> for SliceFault {
    fn from(m: Malformed) -> Self {
        Self::Relay(m.what)
    }
}

/// A section of a verified slice that is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedSection {
    /// Index of the leaf in the batch.
    pub index: u32,
    /// The leaf.
    pub leaf: Hash,
    /// Number of the section.
    pub section: u8,
    /// Why, as whoever sent it says.
    pub why: Closed,
}

/// A slice that verifies: the only maker is [`verify`].
#[derive(Debug, Clone)]
pub struct VerifiedSlice {
    header: VerifiedHeader,
    body: Vec<u8>,
    opened: Vec<Opened>,
    leaves: Vec<Hash>,
    closed: Vec<ClosedSection>,
}

impl VerifiedSlice {
    /// The header.
    pub const fn header(&self) -> &VerifiedHeader {
        &self.header
    }
    /// The body's bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
    /// The opened entries, in body order.
    pub fn opened(&self) -> &[Opened] {
        &self.opened
    }
    /// Their leaves, in body order.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }
    /// The sections that are not open, in body order.
    pub fn closed(&self) -> &[ClosedSection] {
        &self.closed
    }
    /// Whether every leaf of the batch is here, whatever of it is open.
    pub const fn has_every_leaf(&self) -> bool {
        self.opened.len() == self.header.header().count as usize
    }
    /// The opening at a position.
    pub fn opening(&self, opened: &Opened) -> Result<Opening<'_>, Malformed> {
        Opening::from_bytes(&self.body[opened.at.clone()])
    }
}

/// Checks a body against its verified header: leaves, groups, order, hints.
pub fn verify(header: VerifiedHeader, body: Vec<u8>) -> Result<VerifiedSlice, SliceFault> {
    let layout = layout(header.header(), &body)?;
    let mut leaves = Vec::with_capacity(layout.opened.len());
    let mut records = Vec::with_capacity(layout.opened.len());
    let mut closed = Vec::new();
    for part in &layout.groups {
        let entry = &header.header().groups[usize::from(part.group)];
        let first = leaves.len();
        let mut last: Option<(&[u8], &[u8])> = None;
        // The origin is blamed only for bytes that are its own: after the root has been found good.
        let mut fault = None;
        for opened in &layout.opened[part.opened.clone()] {
            let opening = Opening::from_bytes(&body[opened.at.clone()])?;
            let leaf = opening.leaf();
            leaves.push(leaf);
            closed.extend(opening.closed().map(|(section, why)| ClosedSection {
                index: opened.index,
                leaf,
                section,
                why,
            }));
            let Ok(front) = entry::head_front(opening.head_bytes()) else {
                fault = Some("a head that cannot be read");
                continue;
            };
            let record = (front.record_type, front.key);
            if front.hint != entry.hint {
                fault = Some("a head whose hint is not its group's");
            } else if last.is_some_and(|l| l >= record) {
                fault = Some("leaves of a group out of order");
            }
            last = Some(record);
            records.push(record);
        }
        let here = &leaves[first..];
        let root = match &part.part {
            None => Some(merkle::root(here)),
            Some((members, proof)) => merkle::root_from(entry.count, members, here, proof),
        };
        if root != Some(entry.root) {
            return Err(SliceFault::Relay(
                "leaves and proof do not give the group's root",
            ));
        }
        if let Some(fault) = fault {
            return Err(SliceFault::Origin(fault));
        }
    }
    // within a group they ascend; only several groups can repeat one
    records.sort();
    if records.windows(2).any(|w| w[0] == w[1]) {
        return Err(SliceFault::Origin("two entries of one record"));
    }
    Ok(VerifiedSlice {
        opened: layout.opened,
        leaves,
        closed,
        header,
        body,
    })
}

/// Cuts a stored body down to the entries at `positions` (ascending), each narrowed to the sections that `keep` names for
/// it (bit per number). The result verifies under the same header. Hashes whole groups only where a part of one is taken.
/// What [`crate::batch::seal`] made can always be cut; a hostile origin's body can grow beyond the bound and is refused, as is
/// the choice of nothing: a body has at least one entry.
pub fn cut(
    header: &Header,
    body: &[u8],
    positions: &[u32],
    keep: impl Fn(&Opening<'_>) -> u16,
) -> Result<Vec<u8>, Malformed> {
    choose(header, body, positions, |_, bytes| {
        let opening = Opening::from_bytes(bytes)?;
        Ok(Some(opening.narrowed(keep(&opening), Closed::Withheld)))
    })
}

/// Takes the entries at `positions` (ascending) out of a body, each as `rewrite`, given its position and bytes, has it; `None`
/// is as it is.
fn choose(
    header: &Header,
    body: &[u8],
    positions: &[u32],
    rewrite: impl Fn(usize, &[u8]) -> Result<Option<Vec<u8>>, Malformed>,
) -> Result<Vec<u8>, Malformed> {
    let layout = layout(header, body)?;
    let mut out = Writer::default();
    let mut wanted = positions.iter().map(|p| *p as usize).peekable();
    for part in &layout.groups {
        let within: Vec<usize> =
            std::iter::from_fn(|| wanted.next_if(|p| *p < part.opened.end)).collect();
        if within.is_empty() {
            continue;
        }
        let count = header.groups[usize::from(part.group)].count;
        if within.len() == count as usize {
            out.whole_group(part.group);
        } else {
            let held = part.subset(&layout, body)?;
            let members: Vec<u32> = within
                .iter()
                .map(|p| layout.opened[*p].index - part.base)
                .collect();
            let proof =
                merkle::prove_from(count, &held.members, &held.leaves, &held.proof, &members)
                    .ok_or(Malformed::of("slice: stored proof"))?;
            out.part_group(part.group, &members, &proof);
        }
        for position in within {
            let bytes = &body[layout.opened[position].at.clone()];
            match rewrite(position, bytes)? {
                None => out.opening(bytes),
                Some(rewritten) => out.opening(&rewritten),
            }
        }
    }
    if out.groups == 0 || wanted.next().is_some() {
        return Err(Malformed::of("slice: a choice that the body does not have"));
    }
    let chosen = out.finish();
    if chosen.len() > limits::SLICE_BYTES_MAX {
        return Err(Malformed::of("slice: a cut over the bound"));
    }
    Ok(chosen)
}

impl GroupPart {
    /// Its leaves, hashed anew, with their proof.
    fn subset(&self, layout: &Layout, body: &[u8]) -> Result<Subset, Malformed> {
        let opened = &layout.opened[self.opened.clone()];
        let leaves = opened
            .iter()
            .map(|o| Ok(Opening::from_bytes(&body[o.at.clone()])?.leaf()))
            .collect::<Result<Vec<_>, Malformed>>()?;
        let proof = self.part.as_ref().map(|(_, proof)| proof.clone());
        Ok(Subset {
            members: opened.iter().map(|o| o.index - self.base).collect(),
            leaves,
            proof: proof.unwrap_or_default(),
        })
    }
}

/// Compresses a body for the wire and the store.
pub fn pack(body: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(body, 1).expect("compressing into memory does not fail")
}

/// Decompresses a body; never produces more than [`limits::SLICE_BYTES_MAX`].
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>, Malformed> {
    let too_large = Malformed::of("slice: does not decompress within its bound");
    let size = zstd::zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten()
        .ok_or(too_large)?;
    let one_frame = zstd::zstd_safe::find_frame_compressed_size(packed) == Ok(packed.len());
    if size > limits::SLICE_BYTES_MAX as u64 || !one_frame {
        return Err(too_large);
    }
    zstd::bulk::decompress(packed, size as usize).map_err(|_| too_large)
}
