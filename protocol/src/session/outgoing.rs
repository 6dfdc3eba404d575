//! The sending half of one class: what was read from our feed, what is under way, how far the peer has stored.

use std::collections::VecDeque;

use crate::frame::{Ack, Feed};
use crate::limits;
use crate::session::{Event, Millis, Page, PeerMisbehaved};

/// About so many bytes are asked for at once.
const PAGE_BYTES: u64 = 1 << 20;
/// What a step without an item counts for.
const EMPTY_WEIGHT: u64 = 32;

#[derive(Debug)]
pub(super) struct Outgoing {
    class: u8,
    started: bool,
    /// The peer has stored up to here.
    acked: u64,
    /// Sent or queued up to here.
    read: u64,
    /// The furthest that was ever sent; going back does not lower it.
    sent: u64,
    /// Frames to send, with their weights.
    queue: VecDeque<(Feed, u64)>,
    queued: u64,
    /// Offsets sent and not acknowledged, with their weights.
    flying: VecDeque<(u64, u64)>,
    in_flight: u64,
    window: u64,
    reading: bool,
    /// The bound of the read that is open.
    upto: Option<u64>,
    /// The feed has grown since the open read was asked for.
    grown: bool,
    dry: bool,
    token: u32,
    progress: Millis,
}

impl Outgoing {
    pub(super) fn new(class: u8) -> Self {
        Self {
            class,
            started: false,
            acked: 0,
            read: 0,
            sent: 0,
            queue: VecDeque::new(),
            queued: 0,
            flying: VecDeque::new(),
            in_flight: 0,
            window: 0,
            reading: false,
            upto: None,
            grown: false,
            dry: false,
            token: 0,
            progress: 0,
        }
    }

    pub(super) fn start(&mut self, now: Millis, cursor: u64, window: u64) {
        *self = Self {
            started: true,
            acked: cursor,
            read: cursor,
            sent: cursor,
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

    pub(super) fn handle_grown(&mut self) {
        self.dry = false;
        // the page that is being read may be from before
        self.grown = self.reading;
    }

    pub(super) fn wants_page(&mut self, upto: Option<u64>) -> Option<Event> {
        let bounded = upto.is_some_and(|u| self.read >= u);
        if !self.started
            || self.reading
            || self.dry
            || bounded
            || self.in_flight + self.queued >= self.window
        {
            return None;
        }
        self.reading = true;
        self.upto = upto;
        let bytes_max = PAGE_BYTES.min(self.window - self.in_flight - self.queued);
        Some(Event::ReadFeed {
            class: self.class,
            after: self.read,
            upto,
            bytes_max,
            token: self.token,
        })
    }

    pub(super) fn handle_page(&mut self, token: u32, page: Page) {
        if token != self.token || !self.reading {
            return;
        }
        self.reading = false;
        // a page that reached its bound says nothing about what is behind it: that is read when the bound has moved
        let bounded = self.upto.is_some_and(|upto| page.through >= upto);
        self.dry = !page.more && !self.grown && !bounded;
        self.grown = false;
        for (offset, item) in page.items {
            let weight = item.weight();
            self.push(
                Feed {
                    class: self.class,
                    after: self.read,
                    offset,
                    directory: self.directory(offset),
                    item: Some(item),
                },
                weight,
            );
        }
        if page.through > self.read {
            self.push(
                Feed {
                    class: self.class,
                    after: self.read,
                    offset: page.through,
                    directory: self.directory(page.through),
                    item: None,
                },
                EMPTY_WEIGHT,
            );
        }
    }

    /// Up to where class 0 must be stored before a step to this offset: what an item depends on arrived before it. Class 0
    /// itself waits for nothing. It has been read this far when a later class is, and comes here again after going back.
    const fn directory(&self, offset: u64) -> u64 {
        if self.class == 0 { 0 } else { offset }
    }

    fn push(&mut self, feed: Feed, weight: u64) {
        self.read = feed.offset;
        self.queued += weight;
        self.queue.push_back((feed, weight));
    }

    pub(super) fn poll(&mut self, now: Millis) -> Option<Feed> {
        // one step may always be under way, or a step larger than the window would wait for ever
        let (_, weight) = self.queue.front()?;
        if self.in_flight != 0 && self.in_flight + weight > self.window {
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
        self.window = ack.window.min(limits::CREDIT_BYTES);
        if ack.offset <= self.acked {
            return Ok(());
        }
        self.acked = ack.offset;
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
        self.queue.clear();
        self.flying.clear();
        (self.queued, self.in_flight) = (0, 0);
        (self.reading, self.grown, self.dry) = (false, false, false);
        self.token = self.token.wrapping_add(1);
    }
}
