//! What a feed or a page of a want carries: `number u8, length u32, body`.

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::envelope::kind;
use crate::frame::CLASSES;
use crate::hash::Hash;
use crate::limits;
use crate::name::SeatId;

/// Highest item number of this release.
pub const ITEM_HIGHEST: u8 = 6;

/// Regions or buckets of a sum: one per first byte of a record's bucket hash.
pub const BUCKETS: usize = 256;

/// Bytes that number and length take before an item's body.
const FRAMING: usize = 5;
/// What a step weighs beside its item's body.
const STEP_WEIGHT: u64 = 64;

/// What a feed or a page of a want carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// 1: the envelope of a statement; class 0. Never a possession, header, receipt, presence or feed head.
    Envelope(Vec<u8>),
    /// 2: a slice; class is the lane of its header.
    Slice {
        /// The header's envelope.
        header: Vec<u8>,
        /// The body, packed.
        body: Vec<u8>,
    },
    /// 3: a routing event (D25), in the feed only; class of what caused it.
    Routed(Routed),
    /// 4: sums over what has been sent so far, in the feed only.
    Checkpoint(Checkpoint),
    /// 5: sums of all buckets of a region, as an answer only.
    Sums(Sums),
    /// 6: a piece of an attachment, as an answer only.
    Piece(Piece),
    /// An item that this release does not read. It is stored verbatim, charged to the peer that sent it, before the cursor
    /// moves, and taken in when a release reads it.
    Unread {
        /// Its number.
        number: u8,
        /// Its body.
        body: Vec<u8>,
    },
}

/// An entity's conclusion changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Routed {
    /// Tagged subjects of the entity, 1 to [`limits::ROUTED_SUBJECTS_MAX`].
    pub subjects: Vec<String>,
    /// Former region, empty if there was none.
    pub from: String,
    /// Region from now on.
    pub to: String,
    /// Seat of the node that decided it; zero if nobody did.
    pub by: SeatId,
}

/// Sums over the records that the receiver is entitled to, at these cursors of the sender's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Cursor of each class.
    pub cursors: [u64; CLASSES],
    /// Region.
    pub region: String,
    /// Records.
    pub count: u64,
    /// Sum of their terms mod 2^256, big-endian.
    pub sum: [u8; 32],
}

/// Sums of all buckets of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// Region.
    pub region: String,
    /// Count and sum of each of the [`BUCKETS`] buckets.
    pub buckets: Vec<(u32, [u8; 32])>,
}

/// A piece of an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Root of the attachment.
    pub root: Hash,
    /// Suite of the root.
    pub suite: u8,
    /// Which piece.
    pub index: u32,
    /// Its bytes: 1 to [`limits::PIECE_BYTES`].
    pub bytes: Vec<u8>,
    /// Proof of the piece under the root.
    pub proof: Vec<Hash>,
}

impl Item {
    /// The item's number.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Envelope(_) => 1,
            Self::Slice { .. } => 2,
            Self::Routed(_) => 3,
            Self::Checkpoint(_) => 4,
            Self::Sums(_) => 5,
            Self::Piece(_) => 6,
            Self::Unread { number, .. } => *number,
        }
    }

    /// Bytes that the item counts for among what is under way: 64, and its body.
    pub fn weight(&self) -> u64 {
        let body = match self {
            Self::Envelope(bytes) => 8 + bytes.len(),
            Self::Slice { header, body } => 16 + header.len() + body.len(),
            Self::Routed(r) => {
                let subjects = r.subjects.iter().map(|s| 8 + s.len());
                40 + r.from.len() + r.to.len() + subjects.sum::<usize>()
            }
            Self::Checkpoint(c) => 72 + c.region.len(),
            Self::Sums(s) => 8 + s.region.len() + 36 * s.buckets.len(),
            Self::Piece(p) => 53 + p.bytes.len() + 32 * p.proof.len(),
            Self::Unread { body, .. } => body.len(),
        };
        STEP_WEIGHT + body as u64
    }

    /// Whether a step of this class of a feed may carry the item.
    pub const fn may_stand_in_feed(&self, class: u8) -> bool {
        match self {
            Self::Envelope(_) => class == 0,
            Self::Slice { .. } | Self::Routed(_) | Self::Checkpoint(_) | Self::Unread { .. } => {
                true
            }
            Self::Sums(_) | Self::Piece(_) => false,
        }
    }

    /// Whether a page of a want may carry the item.
    pub const fn may_stand_in_page(&self) -> bool {
        !matches!(self, Self::Routed(_) | Self::Checkpoint(_))
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Envelope(bytes) => out.put_bytes(bytes),
            Self::Slice { header, body } => {
                out.put_bytes(header);
                out.put_bytes(body);
            }
            Self::Routed(routed) => routed.put(out),
            Self::Checkpoint(c) => {
                c.cursors.iter().for_each(|cursor| out.put_u64(*cursor));
                out.put_bytes(c.region.as_bytes());
                out.put_u64(c.count);
                out.put(&c.sum);
            }
            Self::Sums(s) => {
                out.put_bytes(s.region.as_bytes());
                for (count, sum) in &s.buckets {
                    out.put_u32(*count);
                    out.put(sum);
                }
            }
            Self::Piece(p) => {
                out.put(&p.root.0);
                out.put_u8(p.suite);
                out.put_u32(p.index);
                out.put_bytes(&p.bytes);
                out.put_list(&p.proof, |out, hash| out.put(&hash.0));
            }
            Self::Unread { body, .. } => out.put(body),
        }
    }

    /// An item from its number and body; bytes behind what is known are ignored.
    pub fn from_parts(number: u8, body: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(body, "item");
        let r = &mut r;
        Ok(match number {
            0 => return Err(r.malformed()),
            1 => {
                let bytes = codec::bytes(r, limits::ENVELOPE_WIRE_BYTES_MAX)?;
                // the kind stands at the same place in every envelope to come
                let travels_otherwise = |k: &u8| {
                    [
                        kind::POSSESSION,
                        kind::HEADER,
                        kind::RECEIPT,
                        kind::PRESENCE,
                        kind::FEED_HEAD,
                    ]
                    .contains(k)
                };
                if bytes.get(1).is_none_or(travels_otherwise) {
                    return Err(Malformed::of("item: kind of an envelope"));
                }
                Self::Envelope(bytes.to_vec())
            }
            2 => Self::Slice {
                header: codec::bytes(r, limits::ENVELOPE_WIRE_BYTES_MAX)?.to_vec(),
                body: codec::bytes(r, limits::FRAME_BYTES_MAX)?.to_vec(),
            },
            3 => Self::Routed(Routed::read(r)?),
            4 => {
                let cursors = [r.u64()?, r.u64()?, r.u64()?];
                if cursors.iter().any(|c| *c > limits::POSITION_MAX) {
                    return Err(r.malformed());
                }
                Self::Checkpoint(Checkpoint {
                    cursors,
                    region: codec::text(r, limits::NAME_BYTES_MAX)?,
                    count: r.u64()?,
                    sum: r.array()?,
                })
            }
            5 => {
                let region = codec::text(r, limits::NAME_BYTES_MAX)?;
                let mut buckets = Vec::new();
                for _ in 0..BUCKETS {
                    buckets.push((r.u32()?, r.array()?));
                }
                Self::Sums(Sums { region, buckets })
            }
            6 => {
                let (root, suite, index) = (Hash(r.array()?), r.u8()?, r.u32()?);
                let bytes = codec::bytes(r, limits::PIECE_BYTES)?.to_vec();
                if suite == 0 || bytes.is_empty() {
                    return Err(r.malformed());
                }
                let proof = codec::list(r, limits::PIECE_PROOF_MAX, |r| r.array().map(Hash))?;
                Self::Piece(Piece {
                    root,
                    suite,
                    index,
                    bytes,
                    proof,
                })
            }
            number => Self::Unread {
                number,
                body: body.to_vec(),
            },
        })
    }

    /// Appends `number, length, body`.
    pub(crate) fn put_framed(&self, out: &mut Vec<u8>) {
        out.put_u8(self.number());
        let at = out.len();
        out.put_u32(0);
        self.put_body(out);
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Bytes of an item, for a store: `number u8, length u32, body`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRAMING + self.weight() as usize);
        self.put_framed(&mut out);
        out
    }

    /// Reads [`Item::to_bytes`]; every byte is consumed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "item");
        let (number, body) = read_framed(&mut r)?;
        r.finish()?;
        Self::from_parts(number, body)
    }
}

/// Number and body of the next item.
pub(crate) fn read_framed<'a>(r: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Malformed> {
    let number = r.u8()?;
    let body = r.long()?;
    if number == 0 && !body.is_empty() {
        return Err(r.malformed());
    }
    Ok((number, body))
}

impl Body for Routed {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_list(&self.subjects, |out, s| out.put_bytes(s.as_bytes()));
        out.put_bytes(self.from.as_bytes());
        out.put_bytes(self.to.as_bytes());
        out.put(&self.by.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let read = Self {
            subjects: codec::list(r, limits::ROUTED_SUBJECTS_MAX, |r| {
                codec::text(r, limits::SUBJECT_TEXT_BYTES_MAX)
            })?,
            from: codec::text(r, limits::NAME_BYTES_MAX)?,
            to: codec::text(r, limits::NAME_BYTES_MAX)?,
            by: SeatId(r.array()?),
        };
        if read.subjects.is_empty() {
            return Err(r.malformed());
        }
        Ok(read)
    }
}
