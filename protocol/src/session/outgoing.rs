//! The sending half of one class: what was read from our feed, what is under way, how far the peer has stored.

use std::collections::VecDeque;

use crate::frame::{Ack, Feed};
use crate::session::{Event, Millis, Page};

/// About so many bytes are asked for at once.
const PAGE_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Outgoing {
    class: u8,
    started: bool,
    /// The peer has stored up to here.
    acked: u64,
    /// Sent or queued up to here.
    read: u64,
    /// Frames to send, with their weights.
    queue: VecDeque<(Feed, u64)>,
    queued: u64,
    /// Offsets sent and not acknowledged, with their weights.
    flying: VecDeque<(u64, u64)>,
    in_flight: u64,
    window: u64,
    reading: bool,
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
            queue: VecDeque::new(),
            queued: 0,
            flying: VecDeque::new(),
            in_flight: 0,
            window: 0,
            reading: false,
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
            window,
            progress: now,
            ..Self::new(self.class)
        };
    }

    /// Up to where the feed has been read for this peer.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    pub(super) fn handle_grown(&mut self) {
        self.dry = false;
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
        let bytes_max = PAGE_BYTES.min(self.window - self.in_flight - self.queued);
        Some(Event::ReadFeed {
            class: self.class,
            after: self.read,
            upto,
            bytes_max,
            token: self.token,
        })
    }

    pub(super) fn handle_page(&mut self, now: Millis, token: u32, page: Page, directory: u64) {
        if token != self.token {
            return;
        }
        self.reading = false;
        self.dry = !page.more;
        let directory = if self.class == 0 { 0 } else { directory };
        if self.flying.is_empty() && self.queue.is_empty() {
            self.progress = now;
        }
        for (offset, item) in page.items {
            let weight = item.weight();
            self.push(
                Feed {
                    class: self.class,
                    after: self.read,
                    offset,
                    directory,
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
                    directory,
                    item: None,
                },
                32,
            );
        }
    }

    fn push(&mut self, feed: Feed, weight: u64) {
        self.read = feed.offset;
        self.queued += weight;
        self.queue.push_back((feed, weight));
    }

    pub(super) fn poll(&mut self, _now: Millis) -> Option<Feed> {
        // one step may always be under way, or a step larger than the window would wait for ever
        let (_, weight) = self.queue.front()?;
        if self.in_flight != 0 && self.in_flight + weight > self.window {
            return None;
        }
        let (feed, weight) = self.queue.pop_front()?;
        self.queued -= weight;
        self.in_flight += weight;
        self.flying.push_back((feed.offset, weight));
        Some(feed)
    }

    pub(super) fn handle_ack(&mut self, now: Millis, ack: Ack) {
        self.window = ack.window;
        if ack.offset <= self.acked {
            return;
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
        if ack.offset > self.read {
            // an acknowledgement of what was sent before going back
            self.go_to(ack.offset);
        } else if self
            .queue
            .front()
            .is_some_and(|(f, _)| f.after < ack.offset)
        {
            self.go_to(ack.offset);
        }
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

    fn go_to(&mut self, cursor: u64) {
        self.read = cursor;
        self.queue.clear();
        self.flying.clear();
        (self.queued, self.in_flight) = (0, 0);
        (self.reading, self.dry) = (false, false);
        self.token = self.token.wrapping_add(1);
    }
}
