//! The blocks under headers, in a deep run: each body up to its header's root, and what they hold together against what is
//! written down of it.

use std::collections::HashMap;

use protocol::directory::Directory;
use protocol::hash::Hash;
use protocol::slice::{self, Parts, SliceFault, VerifiedHeader};
use store::verify::{BlockPlace, LogRef, StoredBlock};

use super::{Ended, Part, RESTORE, Run};

/// Bytes of bodies read at once, about: between two pages others get the processor.
const PAGE_BYTES: usize = 1 << 20;

/// A header of the page at hand.
pub(super) struct Under {
    /// The header.
    pub(super) header: VerifiedHeader,
    /// What is written down of what is held; `None`: the batch is whole.
    pub(super) parts: Option<Vec<u8>>,
    /// Where it stands, for people.
    pub(super) place: String,
}

/// What the blocks of one header have together.
struct Together {
    reference: Vec<u8>,
    parts: Parts,
    good: bool,
}

impl Run<'_> {
    /// Checks the blocks behind one place up to those of the last header of a page.
    pub(super) async fn blocks(
        &self,
        directory: &Directory,
        log: LogRef,
        (mut after, last): (BlockPlace, BlockPlace),
        headers: &HashMap<Vec<u8>, Under>,
        bytes: &mut Part,
        completeness: &mut Part,
    ) -> Result<u64, Ended> {
        let mut entries = 0;
        let mut at: Option<Together> = None;
        loop {
            let blocks = self
                .node
                .store()
                .stored_blocks(log, &after, &last, PAGE_BYTES)
                .await?;
            let Some(end) = blocks.last() else { break };
            after = end.place.clone();
            self.went(blocks.len() as u64)?;
            for block in blocks {
                if at
                    .as_ref()
                    .is_none_or(|t| t.reference != block.place.reference)
                {
                    let next = Together {
                        reference: block.place.reference.clone(),
                        parts: Parts::default(),
                        good: true,
                    };
                    if let Some(before) = at.replace(next) {
                        compare(directory, &before, headers, completeness);
                    }
                }
                let (Some(under), Some(together)) =
                    (headers.get(&block.place.reference), at.as_mut())
                else {
                    // a header that does not verify has been named
                    continue;
                };
                bytes.checked(1);
                match body(under, &block) {
                    Ok((parts, opened)) => {
                        entries += opened;
                        together.parts.add(&parts);
                    }
                    Err(what) => {
                        together.good = false;
                        let place = format!("{}（接收序号 {}）", under.place, block.place.offset);
                        bytes.fault(place, what, RESTORE);
                    }
                }
            }
        }
        if let Some(before) = at {
            compare(directory, &before, headers, completeness);
        }
        Ok(entries)
    }
}

/// A body hashed up to its header: what it has, and how many entries.
fn body(under: &Under, block: &StoredBlock) -> Result<(Parts, u64), String> {
    let damaged = |what: &dyn std::fmt::Display| format!("内容已损坏（{what}）");
    let body = slice::unpack(&block.body).map_err(|what| damaged(&what))?;
    let slice = slice::verify(under.header.clone(), body).map_err(|fault| match fault {
        // it was verified when it came: whoever brought it is not to blame
        SliceFault::Relay(what) => format!("内容与批头不符，已损坏（{what}）"),
        fault @ SliceFault::Origin(_) => fault.to_string(),
    })?;
    let opened = slice.opened().len();
    if block.entries != opened as i64 {
        return Err(format!("登记为 {} 条，实有 {opened} 条", block.entries));
    }
    let parts = slice.parts().map_err(|what| damaged(&what))?;
    Ok((parts, opened as u64))
}

/// Compares what the blocks of a header hold with what is written down.
fn compare(
    directory: &Directory,
    held: &Together,
    headers: &HashMap<Vec<u8>, Under>,
    part: &mut Part,
) {
    let Some(under) = headers.get(&held.reference).filter(|_| held.good) else {
        return;
    };
    let header = under.header.header();
    let log = header.log();
    let erased = |index: u32, leaf: &Hash, section: u8| {
        directory.is_erased(&log, header.sequence, index, leaf, section)
    };
    let Some(written) = &under.parts else {
        if !held.parts.is_whole(header, &erased) {
            let (leaves, closed) = lacking(&held.parts, header.count);
            let what = format!("登记为完整，实际缺 {leaves} 条，另有 {closed} 条的部分内容未公开");
            part.fault(&under.place, what, RESTORE);
        }
        return;
    };
    let Ok(written) = Parts::from_bytes(written) else {
        part.fault(&under.place, "所持部分的登记已损坏", RESTORE);
        return;
    };
    let (mut lost, mut beyond) = (0, 0);
    for index in 0..header.count {
        match (written.get(index), held.parts.get(index)) {
            (None, None) => {}
            (Some(_), None) => lost += 1,
            (None, Some(_)) => beyond += 1,
            (Some(written), Some(held)) => {
                let same = (written.leaf, written.present) == (held.leaf, held.present);
                let gone = sections(written.open & !held.open);
                let gone = gone.filter(|n| !erased(index, &written.leaf, *n)).count();
                lost += u64::from(!same || gone > 0);
                beyond += u64::from(held.open & !written.open != 0);
            }
        }
    }
    if lost > 0 {
        let what = format!("曾收下的内容有 {lost} 条现已不在或不全");
        part.fault(&under.place, what, RESTORE);
    }
    if beyond > 0 {
        let what = format!("所持内容比登记多 {beyond} 条：登记被改动");
        part.fault(&under.place, what, RESTORE);
    }
}

/// Leaves of which nothing is held, and leaves of which a section is closed.
pub(super) fn lacking(parts: &Parts, count: u32) -> (u64, u64) {
    let (mut leaves, mut closed) = (0, 0);
    for index in 0..count {
        match parts.get(index) {
            None => leaves += 1,
            Some(part) => closed += u64::from(part.open != part.present),
        }
    }
    (leaves, closed)
}

fn sections(mask: u16) -> impl Iterator<Item = u8> {
    (0..16).filter(move |n| mask & (1 << n) != 0)
}
