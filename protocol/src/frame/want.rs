//! What is asked for out of turn, and its pages.

use crate::bytes::{Malformed, Put, Reader};
use crate::codec::{self, Body, PutBody};
use crate::frame::item::{self, Item};
use crate::frame::number::PageCode;
use crate::hash::{Hash, Ref};
use crate::limits;
use crate::name::SeatId;

/// [`Want::Bucket`] of this number asks for the sums of all buckets.
pub const ALL_SUMS: u16 = 256;
/// [`Want::Bucket`] of this number asks for the whole region in block order (D27).
pub const WHOLE_REGION: u16 = 257;

/// What can be wanted (D21). Numbers of kinds are permanent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Want {
    /// 1: everything held about a subject, by its tagged text.
    Subject(String),
    /// 2: a range of a log.
    Range {
        /// Seat.
        seat: SeatId,
        /// Lane, as a number since later releases may know more.
        lane: u8,
        /// Opening of the epoch.
        opening: Ref,
        /// First sequence.
        from: u64,
        /// Last sequence; 0 for "to the end".
        to: u64,
    },
    /// 3: statements by reference, 1 to [`limits::STATEMENTS_WANTED_MAX`].
    Statements(Vec<Ref>),
    /// 4: pieces of an attachment.
    Attachment {
        /// Suite of the root.
        suite: u8,
        /// Root of the attachment.
        root: Hash,
        /// First piece.
        from: u32,
        /// Piece behind the last.
        to: u32,
    },
    /// 5: records of a bucket of a region; [`ALL_SUMS`] and [`WHOLE_REGION`] ask for something else.
    Bucket {
        /// Region.
        region: String,
        /// First byte of the records' bucket hash.
        bucket: u16,
    },
    /// 6: one header, answered by a *logs* frame of one entry and a last page without items.
    Header {
        /// Seat.
        seat: SeatId,
        /// Lane.
        lane: u8,
        /// Opening of the epoch.
        opening: Ref,
        /// Sequence.
        sequence: u64,
    },
    /// A want that this release does not understand.
    Unread {
        /// Its kind.
        kind: u8,
        /// Its body.
        body: Vec<u8>,
    },
}

/// A want under its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantFrame {
    /// Number that the asker gave.
    pub number: u64,
    /// What is wanted.
    pub want: Want,
    /// Where the last page ended; empty for the first.
    pub place: Vec<u8>,
}

/// A page of what was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantPage {
    /// The want's number.
    pub number: u64,
    /// The page's place: that of the [`WantFrame`] which it answers.
    pub place: Vec<u8>,
    /// What it comes to.
    pub code: PageCode,
    /// Offset of the answerer's feed at which the page was built (D115).
    pub built_at: u64,
    /// Its items.
    pub items: Vec<Item>,
    /// Where to go on; nothing when this was the last page.
    pub next: Option<Vec<u8>>,
}

impl Want {
    /// The want's kind.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Subject(_) => 1,
            Self::Range { .. } => 2,
            Self::Statements(_) => 3,
            Self::Attachment { .. } => 4,
            Self::Bucket { .. } => 5,
            Self::Header { .. } => 6,
            Self::Unread { kind, .. } => *kind,
        }
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Subject(subject) => out.put_bytes(subject.as_bytes()),
            Self::Range {
                seat,
                lane,
                opening,
                from,
                to,
            } => {
                out.put(&seat.0);
                out.put_u8(*lane);
                opening.put(out);
                out.put_u64(*from);
                out.put_u64(*to);
            }
            Self::Statements(references) => out.put_list(references, |out, r| r.put(out)),
            Self::Attachment {
                suite,
                root,
                from,
                to,
            } => {
                out.put_u8(*suite);
                out.put(&root.0);
                out.put_u32(*from);
                out.put_u32(*to);
            }
            Self::Bucket { region, bucket } => {
                out.put_bytes(region.as_bytes());
                out.put_u16(*bucket);
            }
            Self::Header {
                seat,
                lane,
                opening,
                sequence,
            } => {
                out.put(&seat.0);
                out.put_u8(*lane);
                opening.put(out);
                out.put_u64(*sequence);
            }
            Self::Unread { body, .. } => out.put(body),
        }
    }

    fn from_parts(kind: u8, body: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(body, "want");
        let r = &mut r;
        let position = |n: u64| n <= limits::POSITION_MAX;
        let read = match kind {
            1 => Self::Subject(codec::text(r, limits::SUBJECT_TEXT_BYTES_MAX)?),
            2 => Self::Range {
                seat: SeatId(r.array()?),
                lane: r.u8()?,
                opening: Ref::read_some(r)?,
                from: r.u64()?,
                to: r.u64()?,
            },
            3 => Self::Statements(codec::list(
                r,
                limits::STATEMENTS_WANTED_MAX,
                Ref::read_some,
            )?),
            4 => Self::Attachment {
                suite: r.u8()?,
                root: Hash(r.array()?),
                from: r.u32()?,
                to: r.u32()?,
            },
            5 => Self::Bucket {
                region: codec::text(r, limits::NAME_BYTES_MAX)?,
                bucket: r.u16()?,
            },
            6 => Self::Header {
                seat: SeatId(r.array()?),
                lane: r.u8()?,
                opening: Ref::read_some(r)?,
                sequence: r.u64()?,
            },
            kind => Self::Unread {
                kind,
                body: body.to_vec(),
            },
        };
        let fits = match &read {
            Self::Subject(subject) => !subject.is_empty(),
            Self::Range { from, to, .. } => {
                position(*from) && position(*to) && (*to == 0 || from <= to)
            }
            Self::Statements(references) => !references.is_empty(),
            Self::Attachment {
                suite, from, to, ..
            } => *suite != 0 && from < to && *to <= limits::PIECES_MAX,
            Self::Header { sequence, .. } => *sequence != 0 && position(*sequence),
            // a number above those that have a meaning today may get one: the answerer says that it does not understand
            Self::Bucket { .. } | Self::Unread { .. } => true,
        };
        if !fits {
            return Err(r.malformed());
        }
        Ok(read)
    }

    /// Bytes of a want, for a store: `kind u8, body`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![self.kind()];
        self.put_body(&mut out);
        out
    }

    /// Reads [`Want::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let (kind, body) = bytes.split_first().ok_or(Malformed::of("want"))?;
        Self::from_parts(*kind, body)
    }

    /// Whether this release knows what is wanted.
    pub const fn is_understood(&self) -> bool {
        match self {
            Self::Unread { .. } => false,
            Self::Bucket { bucket, .. } => *bucket <= WHOLE_REGION,
            _ => true,
        }
    }
}

impl Body for WantFrame {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u64(self.number);
        out.put_u8(self.want.kind());
        let mut body = Vec::new();
        self.want.put_body(&mut body);
        out.put_bytes(&body);
        out.put_bytes(&self.place);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (number, kind) = (r.u64()?, r.u8()?);
        let body = codec::bytes(r, limits::WANT_BODY_BYTES_MAX)?;
        Ok(Self {
            number,
            want: Want::from_parts(kind, body)?,
            place: codec::bytes(r, limits::WANT_PLACE_BYTES_MAX)?.to_vec(),
        })
    }
}

impl Body for WantPage {
    fn put(&self, out: &mut Vec<u8>) {
        out.put_u64(self.number);
        out.put_bytes(&self.place);
        out.put_u8(self.code.number());
        out.put_u64(self.built_at);
        out.put_list(&self.items, |out, item| item.put_framed(out));
        out.put_bytes(self.next.as_deref().unwrap_or_default());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = r.u64()?;
        let place = codec::bytes(r, limits::WANT_PLACE_BYTES_MAX)?.to_vec();
        let code = PageCode::of(r.u8()?);
        let built_at = r.u64()?;
        let items = codec::list(r, limits::PAGE_ITEMS_MAX, |r| {
            let (number, body) = item::read_framed(r)?;
            let read = Item::from_parts(number, body)?;
            match read.may_stand_in_page() {
                true => Ok(read),
                false => Err(Malformed::of("page: an item of a feed")),
            }
        })?;
        let next = codec::bytes(r, limits::WANT_PLACE_BYTES_MAX)?.to_vec();
        let empty = items.is_empty() && next.is_empty();
        let says_no = matches!(
            code,
            PageCode::NotHeld | PageCode::NotForYou | PageCode::NotUnderstood
        );
        if built_at > limits::POSITION_MAX || (says_no && !empty) {
            return Err(r.malformed());
        }
        Ok(Self {
            number,
            place,
            code,
            built_at,
            items,
            next: (!next.is_empty()).then_some(next),
        })
    }
}
