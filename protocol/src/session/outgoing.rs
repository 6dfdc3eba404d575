//! The sending half of one class: what was read from our feed, what is under way, how far the peer has stored.

use std::collections::{BTreeSet, VecDeque};

use crate::frame::{Ack, Feed, Item, Token};
use crate::limits;
use crate::session::{Event, Millis, Page, PeerMisbehaved};

/// About so many bytes are asked for at once.
const PAGE_BYTES: u64 = 1 << 20;
/// What a step without an item counts for.
const EMPTY_WEIGHT: u64 = 32;

/// A read of the feed that is with the caller.
#[derive(Debug)]
struct Read {
    /// Its bound.
    upto: Option<u64>,
    /// The feed has grown since it was asked for.
    grown: bool,
    /// It was asked for from another place or for another interest than now: its page counts for nothing.
    stale: bool,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    class: u8,
    started: bool,
    /// Version of the peer's interest.
    interest: u32,
    /// The peer has stored up to here.
    acked: u64,
    /// Sent or queued up to here.
    read: u64,
    /// The furthest that was ever sent; going back does not lower it.
    sent: u64,
    /// The peer stands elsewhere and does not know yet that our feed begins anew: one step at a time until it has stored
    /// one, so that no later step can be taken for one behind its own cursor.
    anew: bool,
    /// Frames to send, with their weights.
    queue: VecDeque<(Feed, u64)>,
    queued: u64,
    /// Offsets sent and not acknowledged, with their weights.
    flying: VecDeque<(u64, u64)>,
    in_flight: u64,
    window: u64,
    /// The read that is open: never more than one, so that a peer cannot make them pile up.
    open: Option<Read>,
    /// Number of that read.
    number: u32,
    dry: bool,
    progress: Millis,
}

impl Outgoing {
    pub(super) fn new(class: u8) -> Self {
        Self {
            class,
            started: false,
            interest: 0,
            acked: 0,
            read: 0,
            sent: 0,
            anew: false,
            queue: VecDeque::new(),
            queued: 0,
            flying: VecDeque::new(),
            in_flight: 0,
            window: 0,
            open: None,
            number: 0,
            dry: false,
            progress: 0,
        }
    }

    /// Begins behind the peer's cursor; or, if that is not one of our feed, from the start.
    pub(super) fn start(
        &mut self,
        now: Millis,
        cursor: u64,
        anew: bool,
        window: u64,
        interest: u32,
    ) {
        let from = if anew { 0 } else { cursor };
        *self = Self {
            started: true,
            interest,
            acked: from,
            read: from,
            sent: from,
            anew: cursor != from,
            window: window.min(limits::CREDIT_BYTES),
            progress: now,
            ..Self::new(self.class)
        };
    }

    /// Up to where the peer has stored.
    pub(super) const fn acked(&self) -> u64 {
        self.acked
    }

    /// Up to where the feed has been read for this peer.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// Whether a step to this offset is under way.
    pub(super) const fn is_under_way(&self, offset: u64) -> bool {
        offset > self.acked && offset <= self.sent
    }

    pub(super) fn handle_grown(&mut self) {
        self.dry = false;
        // the page that is being read may be from before
        if let Some(open) = &mut self.open {
            open.grown = true;
        }
    }

    pub(super) fn wants_page(&mut self, upto: Option<u64>) -> Option<Event> {
        let bounded = upto.is_some_and(|u| self.read >= u);
        if !self.started
            || self.open.is_some()
            || self.dry
            || bounded
            || self.in_flight + self.queued >= self.window
        {
            return None;
        }
        self.number = self.number.wrapping_add(1);
        self.open = Some(Read {
            upto,
            grown: false,
            stale: false,
        });
        Some(Event::ReadFeed {
            class: self.class,
            after: self.read,
            upto,
            bytes_max: PAGE_BYTES.min(self.window - self.in_flight - self.queued),
            read: self.number,
        })
    }

    /// Takes a page, without the items at the offsets of `skip`. Says whether it was one that counts.
    pub(super) fn handle_page(&mut self, number: u32, page: Page, skip: &BTreeSet<(u8, u64)>) {
        if number != self.number {
            return;
        }
        let Some(open) = self.open.take() else {
            return;
        };
        if open.stale {
            return;
        }
        // a page that reached its bound says nothing about what is behind it: that is read when the bound has moved
        let bounded = open.upto.is_some_and(|upto| page.through >= upto);
        self.dry = !page.more && !open.grown && !bounded;
        for (offset, token, item) in page.items {
            if !skip.contains(&(self.class, offset)) {
                self.push(offset, token, Some(item));
            }
        }
        if page.through > self.read {
            self.push(page.through, page.token, None);
        }
    }

    /// Puts a step behind the last one. Class 0 must be stored up to its offset first, since what an item depends on arrived
    /// before it; class 0 itself waits for nothing. It has been read this far when a later class is, and comes here again
    /// after going back.
    fn push(&mut self, offset: u64, token: Token, item: Option<Item>) {
        let weight = item.as_ref().map_or(EMPTY_WEIGHT, Item::weight);
        let feed = Feed {
            class: self.class,
            interest: self.interest,
            after: self.read,
            offset,
            directory: if self.class == 0 { 0 } else { offset },
            token,
            item,
        };
        self.read = offset;
        self.queued += weight;
        self.queue.push_back((feed, weight));
    }

    pub(super) fn poll(&mut self, now: Millis) -> Option<Feed> {
        // one step may always be under way, or a step larger than the window would wait for ever
        let (_, weight) = self.queue.front()?;
        if !self.flying.is_empty() && (self.anew || self.in_flight + weight > self.window) {
            return None;
        }
        let (feed, weight) = self.queue.pop_front()?;
        if self.flying.is_empty() {
            self.progress = now;
        }
        self.sent = self.sent.max(feed.offset);
        self.queued -= weight;
        self.in_flight += weight;
        self.flying.push_back((feed.offset, weight));
        Some(feed)
    }

    pub(super) fn handle_ack(&mut self, now: Millis, ack: Ack) -> Result<(), PeerMisbehaved> {
        if ack.offset > self.sent {
            return Err(PeerMisbehaved::Conversation("an ack of what was not sent"));
        }
        // one that was overtaken says how much was granted beyond another offset
        if ack.offset < self.acked {
            return Ok(());
        }
        self.window = ack.window.min(limits::CREDIT_BYTES);
        if ack.offset == self.acked {
            return Ok(());
        }
        self.acked = ack.offset;
        self.anew = false;
        self.progress = now;
        while let Some((offset, weight)) = self.flying.front() {
            if *offset > ack.offset {
                break;
            }
            self.in_flight -= weight;
            self.flying.pop_front();
        }
        let next = self.queue.front().map_or(self.read, |(f, _)| f.after);
        if ack.offset > next {
            // an acknowledgement of what was sent before going back
            self.go_to(ack.offset);
        }
        Ok(())
    }

    /// What has not been sent yet is chosen anew, by this version of the peer's interest.
    pub(super) fn change_interest(&mut self, interest: u32) {
        self.interest = interest;
        if let Some((feed, _)) = self.queue.front() {
            self.read = feed.after;
        }
        self.forget_queue();
    }

    pub(super) fn handle_timeout(&mut self, now: Millis, patience: Millis) {
        if !self.flying.is_empty() && now >= self.progress + patience {
            self.progress = now;
            self.go_to(self.acked);
        }
    }

    pub(super) fn timeout(&self, patience: Millis) -> Option<Millis> {
        (!self.flying.is_empty()).then_some(self.progress + patience)
    }

    /// Bytes that are kept or accounted for.
    #[cfg(test)]
    pub(super) const fn held(&self) -> u64 {
        self.queued + self.in_flight
    }

    fn go_to(&mut self, cursor: u64) {
        self.read = cursor;
        self.flying.clear();
        self.in_flight = 0;
        self.forget_queue();
    }

    fn forget_queue(&mut self) {
        self.queue.clear();
        self.queued = 0;
        self.dry = false;
        if let Some(open) = &mut self.open {
            open.stale = true;
        }
    }
}
