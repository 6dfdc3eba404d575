//! The receiving half of one class: steps in order and at most once, handed over in groups, bounded by the window.

use std::collections::VecDeque;

use crate::frame::{Feed, Item};
use crate::limits;
use crate::session::{Event, PeerMisbehaved};

/// Groups that may be with the caller at once: one being stored, one being checked.
const OPEN_GROUPS_MAX: usize = 4;
/// About so many bytes are handed over in one group.
const GROUP_BYTES: u64 = 2 << 20;

#[derive(Debug)]
pub(super) struct Incoming {
    class: u8,
    started: bool,
    window: u64,
    /// Durable up to here.
    stored: u64,
    /// Received in order up to here.
    received: u64,
    waiting: VecDeque<(Feed, u64)>,
    weight: u64,
    /// Ends and weights of the groups that are with the caller.
    open: VecDeque<(u64, u64)>,
}

impl Incoming {
    pub(super) fn new(class: u8) -> Self {
        Self {
            class,
            started: false,
            window: 0,
            stored: 0,
            received: 0,
            waiting: VecDeque::new(),
            weight: 0,
            open: VecDeque::new(),
        }
    }

    pub(super) fn start(&mut self, cursor: u64, window: u64) {
        *self = Self {
            started: true,
            window,
            stored: cursor,
            received: cursor,
            ..Self::new(self.class)
        };
    }

    pub(super) const fn stored(&self) -> u64 {
        self.stored
    }

    /// Takes a step. Returns whether it was taken before, so that its sender seems not to have heard how far we are.
    pub(super) fn handle_feed(&mut self, feed: Feed) -> Result<bool, PeerMisbehaved> {
        if !self.started || feed.after != self.received {
            // a repetition, or something before it was lost: the sender will come back to it
            return Ok(self.started && feed.after < self.received);
        }
        if feed.offset <= feed.after {
            return Err(PeerMisbehaved::Conversation("a feed that does not advance"));
        }
        if feed.offset > limits::POSITION_MAX {
            return Err(PeerMisbehaved::Conversation("offset of a feed"));
        }
        // A sender that reads its feed again may divide what does not concern us into fewer steps than before: steps without
        // item do not count, and those that follow each other are one.
        let weight = feed.item.as_ref().map_or(0, Item::weight);
        if self.weight != 0 && self.weight + weight > self.window {
            return Err(PeerMisbehaved::Conversation(
                "more under way than was granted",
            ));
        }
        self.received = feed.offset;
        self.weight += weight;
        match self.waiting.back_mut() {
            Some((last, _)) if last.item.is_none() && feed.item.is_none() => {
                last.offset = feed.offset;
                last.directory = last.directory.max(feed.directory);
            }
            _ => self.waiting.push_back((feed, weight)),
        }
        Ok(false)
    }

    /// The next group, if the directory is stored far enough and the caller has room.
    pub(super) fn poll(&mut self, directory: u64) -> Option<Event> {
        if self.open.len() >= OPEN_GROUPS_MAX {
            return None;
        }
        let ready = |f: &Feed| self.class == 0 || f.directory <= directory;
        let (mut items, mut through, mut weight) = (Vec::new(), None, 0);
        while let Some((feed, w)) = self.waiting.front() {
            if !ready(feed) || weight >= GROUP_BYTES || items.len() >= limits::WAITING_ITEMS_MAX {
                break;
            }
            weight += w;
            let (feed, _) = self.waiting.pop_front()?;
            through = Some(feed.offset);
            items.extend(feed.item);
        }
        let through = through?;
        self.open.push_back((through, weight));
        Some(Event::TakeIn {
            class: self.class,
            items,
            through,
        })
    }

    pub(super) fn handle_taken(&mut self, through: u64) {
        while let Some((end, weight)) = self.open.front() {
            if *end > through {
                break;
            }
            self.weight -= weight;
            self.open.pop_front();
        }
        self.stored = self.stored.max(through);
    }

    /// Bytes that were received and are not stored.
    #[cfg(test)]
    pub(super) const fn held(&self) -> u64 {
        self.weight
    }
}
