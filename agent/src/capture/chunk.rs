//! Entries that wait to be sealed, laid out in chunks: a few hundred entries are one row of the local database.

use protocol::batch::Draft;
use protocol::bytes::{Malformed, Put, Reader};
use protocol::entry::Head;
use protocol::name::Lane;
use store::seat::Chunk;

/// An entry of a page, or the place of one that gave way to a later image of its record.
pub(super) struct Pending(Option<Entry>);

struct Entry {
    lane: Lane,
    head: Head,
    sections: Vec<(u8, Vec<u8>)>,
}

impl Pending {
    pub(super) fn new(lane: Lane, head: Head, sections: Vec<(u8, Vec<u8>)>) -> Self {
        Self(Some(Entry {
            lane,
            head,
            sections,
        }))
    }

    /// Takes the entry out of its place.
    pub(super) fn give_way(&mut self) -> Option<Head> {
        self.0.take().map(|e| e.head)
    }

    pub(super) fn counts(&self) -> bool {
        self.0.is_some()
    }
}

/// The entries in chunks per lane, in order.
pub(super) fn chunks(entries: &[Pending]) -> Vec<Chunk> {
    let mut out = Vec::new();
    for lane in Lane::ALL {
        let mut open: Option<Chunk> = None;
        for entry in entries.iter().filter_map(|e| e.0.as_ref()) {
            if entry.lane != lane {
                continue;
            }
            let chunk = open.get_or_insert_with(|| Chunk {
                lane,
                entries: 0,
                body: Vec::with_capacity(64 << 10),
            });
            put_entry(entry, &mut chunk.body);
            chunk.entries += 1;
            if chunk.entries == CHUNK_ENTRIES_MAX || chunk.body.len() >= CHUNK_BYTES {
                out.extend(open.take());
            }
        }
        out.extend(open);
    }
    out
}

fn put_entry(entry: &Entry, out: &mut Vec<u8>) {
    // the length is known only behind the entry
    let at = out.len();
    out.put_u32(0);
    out.put_u8(entry.sections.len() as u8 + 1);
    out.put_u8(protocol::entry::HEAD);
    let head_at = out.len();
    out.put_u32(0);
    entry.head.put(out);
    let head = (out.len() - head_at - 4) as u32;
    out[head_at..head_at + 4].copy_from_slice(&head.to_be_bytes());
    for (number, bytes) in &entry.sections {
        out.put_u8(*number);
        out.put_long(bytes);
    }
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Reads a chunk's entries back as drafts.
pub fn drafts(body: &[u8]) -> Result<Vec<Draft>, Malformed> {
    let mut r = Reader::new(body, "chunk");
    let mut out = Vec::new();
    while !r.rest().is_empty() {
        out.push(Draft::from_bytes(r.long()?.to_vec())?);
    }
    Ok(out)
}

/// Half of what a batch may have, so that chunks are consumed whole.
const CHUNK_ENTRIES_MAX: u32 = 500;
/// A chunk is closed when it has reached this.
const CHUNK_BYTES: usize = 512 << 10;
