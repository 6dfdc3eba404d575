//! What an erasure ends is taken out of what is stored, ahead of the erasure's own commit: once it is durable, nothing of
//! what it names is left in blocks, feeds or pages (D65). Doing it twice changes nothing.

use std::collections::BTreeSet;

use protocol::batch::Header;
use protocol::bytes::Malformed;
use protocol::envelope::{Envelope, kind};
use protocol::hash::Hash;
use protocol::opening::Opening;
use protocol::slice::{self, MergeFault};
use protocol::statement::Erasure;
use store::{FeedItem, RewrittenRow};

use super::{TakeInFault, Work};
use crate::error::StepError;
use crate::node::{Node, subject_key};

/// Bytes of rewritten blocks in one transaction, about.
const REWRITE_BYTES: usize = 4 << 20;

/// A block as it is kept from now on, with the subjects whose pages change.
struct Rewritten {
    row: RewrittenRow,
    subjects: Vec<u64>,
}

impl Node {
    /// Rewrites the stored copies of what this group's erasures name.
    pub(super) async fn rewrite_erased(&self, work: &Work) -> Result<(), TakeInFault> {
        let mut places = BTreeSet::new();
        for row in &work.group.envelopes {
            if row.kind != kind::ERASURE || !work.statements.contains(&row.reference) {
                continue;
            }
            let erasure = Envelope::from_bytes(&row.bytes)
                .and_then(|envelope| Erasure::from_bytes(&envelope.bytes))
                .map_err(super::damaged)?;
            places.extend(
                erasure
                    .items
                    .iter()
                    .map(|item| (erasure.seat, item.lane, item.opening, item.sequence)),
            );
        }
        let (mut rows, mut subjects, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (seat, lane, opening, sequence) in places {
            let stored = self
                .store()
                .log_page(seat, lane, opening, sequence - 1, sequence, usize::MAX)
                .await
                .map_err(StepError::Store)?;
            for (_, item) in stored {
                match rewritten(&item, &work.directory) {
                    Ok(None) => {}
                    Ok(Some(done)) => {
                        bytes += done.row.body.len();
                        rows.push(done.row);
                        subjects.extend(done.subjects);
                    }
                    // `verify` names it; what cannot be read shows nothing either
                    Err(fault) => {
                        tracing::error!(%seat, lane, sequence, offset = item.offset, %fault, "stored block is damaged");
                    }
                }
                if bytes >= REWRITE_BYTES {
                    bytes = 0;
                    let (rows, subjects) =
                        (std::mem::take(&mut rows), std::mem::take(&mut subjects));
                    self.store()
                        .rewrite(rows, subjects)
                        .await
                        .map_err(StepError::Store)?;
                }
            }
        }
        if !rows.is_empty() {
            self.store()
                .rewrite(rows, subjects)
                .await
                .map_err(StepError::Store)?;
        }
        Ok(())
    }
}

fn rewritten(
    item: &FeedItem,
    directory: &protocol::directory::Directory,
) -> Result<Option<Rewritten>, MergeFault> {
    let header = Header::from_bytes(&Envelope::from_bytes(&item.header)?.bytes)?;
    let body = slice::unpack(&item.bytes)?;
    let log = header.log();
    let erased = |index: u32, leaf: &Hash, section: u8| {
        directory.is_erased(&log, header.sequence, index, leaf, section)
    };
    let Some(body) = slice::settled(&header, &body, &erased)? else {
        return Ok(None);
    };
    Ok(Some(Rewritten {
        subjects: subjects_of(&header, &body)?,
        row: RewrittenRow {
            offset: item.offset,
            body: slice::pack(&body),
        },
    }))
}

fn subjects_of(header: &Header, body: &[u8]) -> Result<Vec<u64>, Malformed> {
    let mut subjects = Vec::new();
    for opened in slice::opened(header, body)? {
        let opening = Opening::from_bytes(&body[opened.at.clone()])?;
        let Ok(head) = opening.head() else {
            continue;
        };
        let text = head
            .subject
            .text(&header.seat, &head.record_type, &head.key);
        subjects.push(subject_key(&text));
    }
    Ok(subjects)
}
