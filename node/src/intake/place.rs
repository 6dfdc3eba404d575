//! What verified slices mean for their logs: the next of one, a repetition, a part of something, a second history. One at a
//! time, under the intake's turn: what is compared here is what is stored.
//!
//! Only of a log that this node owes in full does it know gaps: such a log advances over a batch when the batch is whole
//! (D48). Of every other log it has parts, which are never a gap. A part that adds nothing changes nothing (D52).

use protocol::batch::{Header, LogState};
use protocol::envelope::Envelope;
use protocol::frame::Want;
use protocol::hash::{Hash, Ref};
use protocol::name::LogName;
use protocol::slice::{self, Parts, VerifiedSlice};
use protocol::words::{self, reason};
use store::{BlockRow, HeaderRow, LogAdvance, LogRow};

use super::check::{Brought, stop};
use super::{Scope, TakeInFault, Work, damaged, want_row};
use crate::error::StepError;
use crate::node::{LogKey, Node};

impl Node {
    /// Places what a group brought, in its order.
    pub(super) async fn place(
        &self,
        brought: Vec<Brought>,
        work: &mut Work,
        now_us: i64,
    ) -> Result<(), TakeInFault> {
        let off_path: Vec<Ref> = brought
            .iter()
            .filter(|b| !self.is_next(&b.slice, work))
            .map(|b| b.slice.header().reference())
            .collect();
        for (reference, parts) in self
            .store()
            .parts(&off_path)
            .await
            .map_err(StepError::Store)?
        {
            let parts = parts
                .map(|bytes| Parts::from_bytes(&bytes))
                .transpose()
                .map_err(damaged)?;
            work.parts.insert(reference, parts);
        }
        for one in brought {
            self.place_one(one, work, now_us).await?;
        }
        Ok(())
    }

    /// Whether a slice is the next of its log, as far as the state before the group tells.
    fn is_next(&self, slice: &VerifiedSlice, work: &Work) -> bool {
        let header = slice.header().header();
        let log = header.log();
        let before = self.logs().get(&log).map_or(0, |state| state.sequence);
        words::owes_in_full(&work.directory, &self.seat(), &log.seat)
            && header.sequence > before
            && !self.has_ahead(&log)
    }

    /// Where a log stands with this group.
    fn state_of(&self, log: &LogName, work: &Work) -> Option<LogState> {
        if let Some(state) = work.logs.get(log) {
            return Some(state.clone());
        }
        if let Some(state) = self.logs().get(log) {
            return Some(state.clone());
        }
        let opening = work.directory.opening(&log.opening)?;
        Some(LogState::start(
            opening.opening(),
            opening.reference(),
            log.lane,
        ))
    }

    async fn place_one(
        &self,
        brought: Brought,
        work: &mut Work,
        now_us: i64,
    ) -> Result<(), TakeInFault> {
        let header = brought.slice.header().header().clone();
        let log = header.log();
        // an earlier item of the group may have stopped it
        if self.is_stopped(&LogKey::of(&log)) || work.stops(&LogKey::of(&log)) {
            return Ok(());
        }
        if !words::owes_in_full(&work.directory, &self.seat(), &log.seat) {
            self.keep_part(&brought, None, work).await?;
            return Ok(());
        }
        let Some(mut state) = self.state_of(&log, work) else {
            return Ok(());
        };
        let reference = brought.slice.header().reference();
        if header.sequence <= state.sequence {
            // held already, if it is the same; another one in its place is a second history under the origin's key
            if !self.is_held(&header, reference, work).await? {
                let envelope = brought.slice.header().envelope();
                stop_forked(&header, envelope, now_us, work);
            }
            return Ok(());
        }
        if header.sequence == state.sequence + 1 && !state.expects(&header) {
            let envelope = brought.slice.header().envelope();
            stop_forked(&header, envelope, now_us, work);
            return Ok(());
        }
        let erased = erased_in(&work.directory, &log, header.sequence);
        let mut whole = brought.slice.is_whole(&erased);
        if !whole && let Some(Some(held)) = work.parts.get(&reference) {
            let mut all = held.clone();
            all.add(&brought.slice.parts().map_err(damaged)?);
            whole = all.is_whole(&header, &erased);
        }
        drop(erased);
        let next = header.sequence == state.sequence + 1;
        if next && whole {
            state.advance(reference);
            let advance = LogAdvance {
                last: state.last,
                history: state.history.to_bytes(),
            };
            if !self
                .keep_part(&brought, Some(advance.clone()), work)
                .await?
            {
                // all of it was here ahead of the gap, or came in parts
                work.group.advances.push(log_row(&state, advance));
            }
            self.walk_ahead(&mut state, work).await?;
            work.logs.insert(log, state);
            return Ok(());
        }
        self.keep_part(&brought, None, work).await?;
        work.ahead.push(log);
        // kept, but only the whole log is acknowledged: what is missing is asked for, once
        let want = Want::Range {
            seat: log.seat,
            lane: log.lane as u8,
            opening: log.opening,
            from: state.sequence + 1,
            to: 0,
        };
        work.group
            .wants
            .push(want_row(Scope::Log(&log), &want, now_us));
        Ok(())
    }

    /// Whether this very header is held at its place.
    async fn is_held(
        &self,
        header: &Header,
        reference: Ref,
        work: &Work,
    ) -> Result<bool, TakeInFault> {
        let of_group = |b: &BlockRow| b.header.reference == reference;
        if work.group.blocks.iter().any(of_group) {
            return Ok(true);
        }
        let held = self
            .store()
            .headers_at(
                header.seat,
                header.lane as u8,
                header.opening,
                header.sequence,
            )
            .await
            .map_err(StepError::Store)?;
        Ok(held.is_empty() || held.contains(&reference))
    }

    /// Goes on over headers that are held whole ahead of a gap which has closed.
    async fn walk_ahead(&self, state: &mut LogState, work: &mut Work) -> Result<(), TakeInFault> {
        if !self.has_ahead(&state.log) && !work.ahead.contains(&state.log) {
            return Ok(());
        }
        loop {
            let log = state.log;
            let rows = self
                .store()
                .whole_headers_at(log.seat, log.lane as u8, log.opening, state.sequence + 1)
                .await
                .map_err(StepError::Store)?;
            let mut next = None;
            for (reference, bytes) in rows {
                let envelope = Envelope::from_bytes(&bytes).map_err(damaged)?;
                let header = Header::from_bytes(&envelope.bytes).map_err(damaged)?;
                if state.expects(&header) {
                    next = Some(reference);
                }
            }
            let Some(next) = next else {
                return Ok(());
            };
            state.advance(next);
            let advance = LogAdvance {
                last: state.last,
                history: state.history.to_bytes(),
            };
            work.group.advances.push(log_row(state, advance));
        }
    }
}

/// Whether an erasure that counts names a section of a leaf of this batch.
fn erased_in<'d>(
    directory: &'d protocol::directory::Directory,
    log: &LogName,
    sequence: u64,
) -> impl Fn(u32, &Hash, u8) -> bool + use<'d> {
    let (log, any) = (*log, directory.erasures(&log.seat).next().is_some());
    move |index, leaf, section| any && directory.is_erased(&log, sequence, index, leaf, section)
}

/// What of a batch is new, and what is held with it.
struct Addition {
    /// The packed body to be stored.
    body: Vec<u8>,
    /// Entries in it.
    entries: usize,
    /// What is held with it; `None` if nothing is missing.
    parts: Option<Parts>,
    /// Whether the header was held before.
    adds: bool,
}

impl Node {
    /// Adds a block for what a slice brings beyond what is held; `false` if that is nothing. An entry of which something else
    /// is held already is stored with all that is known of it, so that one place of one block always has all of an image.
    async fn keep_part(
        &self,
        brought: &Brought,
        log: Option<LogAdvance>,
        work: &mut Work,
    ) -> Result<bool, TakeInFault> {
        let Some(addition) = self.addition(brought, work).await? else {
            return Ok(false);
        };
        let header = brought.slice.header().header();
        let reference = brought.slice.header().reference();
        let bytes = addition.parts.as_ref().map(Parts::to_bytes);
        work.parts.insert(reference, addition.parts);
        work.group.blocks.push(BlockRow {
            header: HeaderRow {
                reference,
                seat: header.seat,
                lane: header.lane as u8,
                epoch: header.counter,
                opening: header.opening,
                identity: header.identity,
                sequence: header.sequence,
                count: header.count,
                bytes: brought.slice.header().envelope().to_bytes(),
            },
            body: addition.body,
            entries: addition.entries as u32,
            log,
            parts: bytes,
            adds: addition.adds,
        });
        Ok(true)
    }

    async fn addition(
        &self,
        brought: &Brought,
        work: &Work,
    ) -> Result<Option<Addition>, TakeInFault> {
        let slice = &brought.slice;
        let header = slice.header().header();
        let reference = slice.header().reference();
        let erased = erased_in(&work.directory, &header.log(), header.sequence);
        let held = match work.parts.get(&reference) {
            Some(None) => return Ok(None),
            Some(Some(parts)) => Some(parts.clone()),
            None => None,
        };
        let any_erased = work.directory.erasures(&header.seat).next().is_some();
        if held.is_none() && slice.closed().is_empty() && !any_erased {
            let parts = match slice.has_every_leaf() {
                true => None,
                false => Some(slice.parts().map_err(damaged)?),
            };
            return Ok(Some(Addition {
                body: brought.packed.clone(),
                entries: slice.opened().len(),
                parts,
                adds: false,
            }));
        }
        let known = held.clone().unwrap_or_default();
        let Some(mut body) = slice.adding(&known, &erased).map_err(damaged)? else {
            return Ok(None);
        };
        let positions = slice::opened(header, &body).map_err(damaged)?;
        let overlaps = positions.iter().any(|opened| known.has(opened.index));
        if overlaps {
            // what other blocks hold of these entries comes with them
            for stored in self.stored_bodies(header, reference, work).await? {
                body = slice::merge(header, &body, &stored, &erased)
                    .map_err(|fault| TakeInFault::Peer(fault.to_string()))?;
            }
            let wanted: Vec<u32> = positions.iter().map(|opened| opened.index).collect();
            let merged = slice::opened(header, &body).map_err(damaged)?;
            let keep: Vec<u32> = (0..)
                .zip(&merged)
                .filter(|(_, opened)| wanted.contains(&opened.index))
                .map(|(at, _)| at)
                .collect();
            body = slice::cut(header, &body, &keep, |_| u16::MAX).map_err(damaged)?;
        }
        let entries = slice::opened(header, &body).map_err(damaged)?.len();
        let adds = held.is_some();
        let mut all = held.unwrap_or_default();
        all.add(&slice.parts().map_err(damaged)?);
        let parts = (!all.is_whole(header, &erased)).then_some(all);
        Ok(Some(Addition {
            body: slice::pack(&body),
            entries,
            parts,
            adds,
        }))
    }

    /// The bodies that are held under a header, of this group or before.
    async fn stored_bodies(
        &self,
        header: &Header,
        reference: Ref,
        work: &Work,
    ) -> Result<Vec<Vec<u8>>, TakeInFault> {
        let rows = self
            .store()
            .log_page(
                header.seat,
                header.lane as u8,
                header.opening,
                header.sequence - 1,
                header.sequence,
                usize::MAX,
            )
            .await
            .map_err(StepError::Store)?;
        let stored = rows
            .iter()
            .filter(|(_, item)| item.reference == Some(reference))
            .map(|(_, item)| item.bytes.as_slice());
        let of_group = work
            .group
            .blocks
            .iter()
            .filter(|block| block.header.reference == reference)
            .map(|block| block.body.as_slice());
        stored
            .chain(of_group)
            .map(|packed| slice::unpack(packed).map_err(damaged))
            .collect()
    }
}

fn log_row(state: &LogState, advance: LogAdvance) -> LogRow {
    LogRow {
        seat: state.log.seat,
        lane: state.log.lane as u8,
        opening: state.log.opening,
        epoch: state.counter,
        sequence: state.sequence,
        last: advance.last,
        history: advance.history,
    }
}

fn stop_forked(header: &Header, envelope: &Envelope, now_us: i64, work: &mut Work) {
    let front = slice::HeaderPlace::of(header);
    let what = "与此前收下的批次互相矛盾";
    stop(front, reason::TWO_HEADERS, what, envelope, now_us, work);
}
