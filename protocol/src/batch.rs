//! Batches: how an origin seals entries under one header, and what the header says (D2, D5).

use crate::bytes::{Malformed, Put, Reader};
use crate::entry::{self, HEAD, Hint};
use crate::envelope::{Envelope, kind};
use crate::hash::{self, Hash, REF_BYTES, Ref};
use crate::limits;
use crate::merkle::{self, History};
use crate::name::{HybridTime, Lane, LogName, SeatId};
use crate::opening;
use crate::sign::SigningKey;
use crate::statement::EpochOpening;

/// Leaves of one audience hint within a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The hint's bytes, as in the heads of its leaves.
    pub hint: Vec<u8>,
    /// Number of leaves.
    pub count: u32,
    /// RFC 6962 root over them.
    pub root: Hash,
}

/// Header of a batch. Its trees are of the suite that names it, which is that of its epoch's opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Who states.
    pub seat: SeatId,
    /// In which of its logs.
    pub lane: Lane,
    /// Counter of the epoch.
    pub counter: u32,
    /// Reference of that epoch's opening.
    pub opening: Ref,
    /// 1 for the first of the epoch.
    pub sequence: u64,
    /// Reference of the previous header; of the opening for the first.
    pub previous: Ref,
    /// History root: tree over all earlier headers of this log.
    pub history: Hash,
    /// Hybrid time of sealing. For people only.
    pub time: HybridTime,
    /// Reference of the identity that it is signed under.
    pub identity: Ref,
    /// Audience table, ascending by hint bytes.
    pub groups: Vec<Group>,
    /// Leaves in all groups.
    pub count: u32,
    /// Tree over the groups in table order.
    pub root: Hash,
}

/// What a header's bytes say about where it stands and under which identity, read without judging the rest: whose word
/// the bytes are must be known before anybody is blamed for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderFront {
    pub(crate) seat: SeatId,
    pub(crate) lane: u8,
    /// Zero if the bytes name none.
    pub(crate) opening: Ref,
    pub(crate) sequence: u64,
    pub(crate) identity: Ref,
}

impl HeaderFront {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "header");
        let (seat, lane, _counter) = (SeatId(r.array()?), r.u8()?, r.u32()?);
        let opening = Ref::from_bytes(r.take(REF_BYTES)?).unwrap_or_default();
        let (sequence, _previous) = (r.u64()?, r.take(REF_BYTES)?);
        let (_history, _time) = (r.take(32)?, r.u64()?);
        Ok(Self {
            seat,
            lane,
            opening,
            sequence,
            identity: Ref::read_some(&mut r)?,
        })
    }
}

impl Header {
    /// The log that the header belongs to.
    pub const fn log(&self) -> LogName {
        LogName {
            seat: self.seat,
            lane: self.lane,
            opening: self.opening,
        }
    }

    /// Bytes of the header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.put(&self.seat.0);
        out.put_u8(self.lane as u8);
        out.put_u32(self.counter);
        self.opening.put(&mut out);
        out.put_u64(self.sequence);
        self.previous.put(&mut out);
        out.put(&self.history.0);
        out.put_u64(self.time.0);
        self.identity.put(&mut out);
        out.put_u16(self.groups.len() as u16);
        for g in &self.groups {
            out.put_medium(&g.hint);
            out.put_u32(g.count);
            out.put(&g.root.0);
        }
        out.put_u32(self.count);
        out.put(&self.root.0);
        out
    }

    /// Reads a header and checks what it says of itself: a lane that this release reads, positions within bounds, a table that
    /// ascends with hints that are some, counts that add up, a root over the table. If its signature is good, what fails here
    /// is the origin's fault.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > limits::HEADER_BYTES_MAX {
            return Err(Malformed::of("header: too long"));
        }
        let mut r = Reader::new(bytes, "header");
        let seat = SeatId(r.array()?);
        let lane = Lane::from_u8(r.u8()?).ok_or(Malformed::of("header: lane"))?;
        let counter = r.u32()?;
        let opening = Ref::read_some(&mut r)?;
        let sequence = r.u64()?;
        let (previous, history) = (Ref::read_some(&mut r)?, Hash(r.array()?));
        let time = HybridTime(r.u64()?);
        let identity = Ref::read_some(&mut r)?;
        if counter == 0 || sequence == 0 || sequence > limits::POSITION_MAX {
            return Err(Malformed::of("header: position"));
        }
        let groups = read_table(&mut r)?;
        let count = r.u32()?;
        let root = Hash(r.array()?);
        r.finish()?;
        let total: u64 = groups.iter().map(|g| u64::from(g.count)).sum();
        if total != u64::from(count) || count as usize > limits::BATCH_ENTRIES_MAX {
            return Err(Malformed::of("header: count"));
        }
        if table_root(&groups) != root {
            return Err(Malformed::of("header: root"));
        }
        Ok(Self {
            seat,
            lane,
            counter,
            opening,
            sequence,
            previous,
            history,
            time,
            identity,
            groups,
            count,
            root,
        })
    }
}

fn read_table(r: &mut Reader<'_>) -> Result<Vec<Group>, Malformed> {
    let n = usize::from(r.u16()?);
    if n == 0 || n > limits::GROUPS_MAX {
        return Err(r.malformed());
    }
    let mut groups: Vec<Group> = Vec::with_capacity(n);
    for _ in 0..n {
        let hint = r.medium()?;
        Hint::from_bytes(hint)?;
        if groups
            .last()
            .is_some_and(|last| last.hint.as_slice() >= hint)
        {
            return Err(Malformed::of("header: order of the table"));
        }
        let (count, root) = (r.u32()?, Hash(r.array()?));
        if count == 0 {
            return Err(Malformed::of("header: empty group"));
        }
        groups.push(Group {
            hint: hint.to_vec(),
            count,
            root,
        });
    }
    Ok(groups)
}

fn table_root(groups: &[Group]) -> Hash {
    let leaves: Vec<Hash> = groups
        .iter()
        .map(|g| hash::group(&g.hint, g.count, &g.root))
        .collect();
    merkle::root(&leaves)
}

/// Where a log stands: what its next header must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// The log.
    pub log: LogName,
    /// Counter of its epoch.
    pub counter: u32,
    /// Sequence of the last header, 0 before the first.
    pub sequence: u64,
    /// Reference of the last header; of the opening before the first.
    pub last: Ref,
    /// Tree over the headers so far.
    pub history: History,
}

impl LogState {
    /// A log at the start of its epoch. `reference` is the opening's.
    pub fn start(opening: &EpochOpening, reference: Ref, lane: Lane) -> Self {
        Self {
            log: LogName {
                seat: opening.seat,
                lane,
                opening: reference,
            },
            counter: opening.counter,
            sequence: 0,
            last: reference,
            history: History::default(),
        }
    }

    /// Whether `header` is the next of this log. Lane, seat, opening, counter, sequence, previous header and history must fit.
    pub fn expects(&self, header: &Header) -> bool {
        header.log() == self.log
            && header.counter == self.counter
            && header.sequence == self.sequence + 1
            && header.previous == self.last
            && header.history == self.history.root()
    }

    /// Moves past the header of this reference, which [`LogState::expects`] has accepted.
    pub fn advance(&mut self, header: Ref) {
        self.sequence += 1;
        self.last = header;
        self.history.push(header.hash);
    }
}

/// An entry before sealing: its sections' bytes, head first. The bytes of a draft are what an outbox keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    bytes: Vec<u8>,
}

impl Draft {
    /// A draft from sections, ascending by number, head (0) first; others make a draft that cannot be sealed.
    pub fn new(sections: &[(u8, Vec<u8>)]) -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.put_u8(sections.len() as u8);
        for (number, section) in sections {
            bytes.put_u8(*number);
            bytes.put_long(section);
        }
        Self { bytes }
    }

    /// The draft's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A draft from the bytes that [`Draft::as_bytes`] gave.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        sections_of(&bytes)?;
        Ok(Self { bytes })
    }
}

type Sections<'a> = Vec<(u8, &'a [u8])>;

fn sections_of(bytes: &[u8]) -> Result<Sections<'_>, Malformed> {
    let mut r = Reader::new(bytes, "draft");
    let n = r.u8()?;
    if n == 0 || usize::from(n) > limits::SECTIONS_MAX {
        return Err(r.malformed());
    }
    let sections = (0..n)
        .map(|_| Ok((r.u8()?, r.long()?)))
        .collect::<Result<Sections<'_>, Malformed>>()?;
    r.finish()?;
    let last = sections.last().map_or(0, |s| usize::from(s.0));
    if sections[0].0 != HEAD
        || last >= limits::SECTIONS_MAX
        || !sections.is_sorted_by(|a, b| a.0 < b.0)
    {
        return Err(Malformed::of("draft"));
    }
    Ok(sections)
}

/// Why entries could not be sealed: the caller is at fault, nothing was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// None or too many entries.
    #[error("{0} entries in a batch; 1 to 1000 are allowed")]
    Count(usize),
    /// Two entries of one (type, key): the caller cuts the batch (D12).
    #[error("two entries of one record in a batch")]
    Repeated,
    /// One entry is over the bound of an opening: it cannot be sealed at all.
    #[error("an entry over the size bound: {0} bytes")]
    TooLarge(usize),
    /// All of them together are over the bound of a slice or, by their hints, of a header: the caller cuts the batch.
    #[error("entries over the size bound of a batch: {0} bytes")]
    Full(usize),
    /// A draft is not laid out as one.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A sealed batch.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The signed header.
    pub header: Envelope,
    /// Its reference.
    pub reference: Ref,
    /// The slice body with everything open, not yet compressed.
    pub body: Vec<u8>,
    /// Where the log stands after it.
    pub log: LogState,
    /// For each draft, in the order given, its index in the batch.
    pub indexes: Vec<u32>,
}

/// Seals drafts as the next batch of a log. `secret` is 32 fresh random bytes that never travel; it is used for the leaf
/// salts and forgotten. `identity` is the one that binds at this position, `key` its signing key.
pub fn seal(
    log: &LogState,
    drafts: &[Draft],
    time: HybridTime,
    secret: &[u8; 32],
    identity: Ref,
    key: &SigningKey,
) -> Result<Sealed, SealError> {
    if drafts.is_empty() || drafts.len() > limits::BATCH_ENTRIES_MAX {
        return Err(SealError::Count(drafts.len()));
    }
    let mut entries = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        let sections = sections_of(&draft.bytes)?;
        let front = entry::head_front(sections[0].1)?;
        entries.push((front, sections, at));
    }
    entries.sort_by(|(a, ..), (b, ..)| {
        (a.hint, a.record_type, a.key).cmp(&(b.hint, b.record_type, b.key))
    });
    let mut records: Vec<_> = entries
        .iter()
        .map(|(f, ..)| (f.record_type, f.key))
        .collect();
    records.sort();
    if records.windows(2).any(|w| w[0] == w[1]) {
        return Err(SealError::Repeated);
    }

    let mut body = crate::slice::Writer::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut leaves: Vec<Hash> = Vec::with_capacity(drafts.len());
    let mut indexes = vec![0; drafts.len()];
    let mut opened = Vec::new();
    let mut index = 0;
    for group in entries.chunk_by(|(a, ..), (b, ..)| a.hint == b.hint) {
        body.whole_group(groups.len() as u16);
        leaves.clear();
        for (_, sections, draft) in group {
            let leaf_salt = leaf_salt(secret, index);
            leaves.push(hash::leaf(sections.iter().map(|(n, b)| {
                (
                    *n,
                    hash::section(*n, &hash::section_salt(&leaf_salt, *n), b),
                )
            })));
            opened.clear();
            opening::put_whole(&leaf_salt, sections.iter().copied(), &mut opened);
            if opened.len() > limits::SEALED_OPENING_BYTES_MAX {
                return Err(SealError::TooLarge(opened.len()));
            }
            body.opening(&opened);
            indexes[*draft] = index;
            index += 1;
        }
        groups.push(Group {
            hint: group[0].0.hint.to_vec(),
            count: group.len() as u32,
            root: merkle::root(&leaves),
        });
    }
    let body = body.finish();
    if body.len() > limits::SEALED_SLICE_BYTES_MAX {
        return Err(SealError::Full(body.len()));
    }
    let header = Header {
        seat: log.log.seat,
        lane: log.log.lane,
        counter: log.counter,
        opening: log.log.opening,
        sequence: log.sequence + 1,
        previous: log.last,
        history: log.history.root(),
        time,
        identity,
        count: drafts.len() as u32,
        root: table_root(&groups),
        groups,
    };
    let bytes = header.to_bytes();
    if bytes.len() > limits::HEADER_BYTES_MAX {
        return Err(SealError::Full(bytes.len()));
    }
    let header = Envelope::signed(kind::HEADER, 1, bytes, key);
    let reference = Ref::of(header.hash());
    let mut log = log.clone();
    log.advance(reference);
    Ok(Sealed {
        header,
        reference,
        body,
        log,
        indexes,
    })
}

fn leaf_salt(secret: &[u8; 32], index: u32) -> hash::Salt {
    let full = hash::sha256(&[secret, &index.to_be_bytes()]);
    let mut salt = [0; 16];
    salt.copy_from_slice(&full.0[..16]);
    salt
}

#[cfg(test)]
mod tests;
