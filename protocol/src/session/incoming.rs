//! The receiving half of one class: steps in order and at most once, handed over in groups, bounded by the window.

use std::collections::VecDeque;

use crate::frame::{Cursor, Feed, Item};
use crate::limits;
use crate::session::{Event, PeerMisbehaved};

/// Groups that may be with the caller at once: one being stored, one being checked.
const OPEN_GROUPS_MAX: usize = 4;
/// About so many bytes are handed over in one group.
const GROUP_BYTES: u64 = 2 << 20;

/// What a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The next one.
    Taken,
    /// The next one, and the first of a feed that its sender has begun anew.
    Anew,
    /// One that was taken before: its sender seems not to have heard how far we are.
    Again,
    /// One that does not follow: something before it was lost, or it was overtaken.
    Elsewhere,
    /// One for which nothing was granted: its sender may have gone back and counts what is under way otherwise than we do.
    Beyond,
}

#[derive(Debug)]
pub(super) struct Incoming {
    class: u8,
    started: bool,
    window: u64,
    /// Where the conversation began.
    base: u64,
    /// Durable up to here.
    stored: Cursor,
    /// Received in order up to here.
    received: u64,
    /// Interest of the last step.
    interest: u32,
    waiting: VecDeque<(Feed, u64)>,
    weight: u64,
    /// Ends and weights of the groups that are with the caller.
    open: VecDeque<(Cursor, u64)>,
}

impl Incoming {
    pub(super) fn new(class: u8) -> Self {
        Self {
            class,
            started: false,
            window: 0,
            base: 0,
            stored: Cursor::default(),
            received: 0,
            interest: 0,
            waiting: VecDeque::new(),
            weight: 0,
            open: VecDeque::new(),
        }
    }

    pub(super) fn start(&mut self, cursor: Cursor, window: u64) {
        *self = Self {
            started: true,
            window,
            base: cursor.offset,
            stored: cursor,
            received: cursor.offset,
            ..Self::new(self.class)
        };
    }

    /// The sender has begun its feed anew: unless it has gone on from our cursor, we stand at its start too.
    pub(super) fn forget(&mut self) -> bool {
        let stands_elsewhere = self.started && self.base > 0 && self.received == self.base;
        if stands_elsewhere {
            self.start(Cursor::default(), self.window);
        }
        stands_elsewhere
    }

    pub(super) const fn stored(&self) -> Cursor {
        self.stored
    }

    /// Takes a step. `interest` is the version that we have stated last.
    pub(super) fn handle_feed(
        &mut self,
        feed: Feed,
        interest: u32,
    ) -> Result<Heard, PeerMisbehaved> {
        if !self.started {
            return Ok(Heard::Elsewhere);
        }
        if feed.interest > interest {
            return Err(PeerMisbehaved::Conversation(
                "a step by an interest that was not stated",
            ));
        }
        if feed.offset <= feed.after {
            return Err(PeerMisbehaved::Conversation("a feed that does not advance"));
        }
        let mut heard = Heard::Taken;
        // our cursor is not one of the feed that the sender has now (D85)
        if feed.after == 0 && self.forget() {
            heard = Heard::Anew;
        }
        if feed.after != self.received || feed.interest < self.interest {
            let again = feed.after < self.received && feed.after >= self.base;
            return Ok(match again {
                true => Heard::Again,
                false => Heard::Elsewhere,
            });
        }
        // A sender that reads its feed again may divide what does not concern us into fewer steps than before: steps without
        // item do not count, and those that follow each other are one.
        let weight = feed.item.as_ref().map_or(0, Item::weight);
        if self.weight != 0 && self.weight + weight > self.window {
            return Ok(Heard::Beyond);
        }
        self.received = feed.offset;
        self.interest = feed.interest;
        self.weight += weight;
        match self.waiting.back_mut() {
            Some((last, _))
                if last.item.is_none() && feed.item.is_none() && last.interest == feed.interest =>
            {
                last.offset = feed.offset;
                last.token = feed.token;
                last.directory = last.directory.max(feed.directory);
            }
            _ => self.waiting.push_back((feed, weight)),
        }
        Ok(heard)
    }

    /// The next group, if the directory is stored far enough and the caller has room. All of a group was chosen by one
    /// version of our interest.
    pub(super) fn poll(&mut self, directory: u64) -> Option<Event> {
        if self.open.len() >= OPEN_GROUPS_MAX {
            return None;
        }
        let interest = self.waiting.front()?.0.interest;
        let (mut items, mut through, mut weight) = (Vec::new(), None, 0);
        while let Some((feed, w)) = self.waiting.front() {
            let ready = self.class == 0 || feed.directory <= directory;
            let full = weight >= GROUP_BYTES || items.len() >= limits::WAITING_ITEMS_MAX;
            if !ready || full || feed.interest != interest {
                break;
            }
            weight += w;
            let (feed, _) = self.waiting.pop_front()?;
            through = Some(Cursor {
                offset: feed.offset,
                token: feed.token,
            });
            items.extend(feed.item.map(|item| (feed.offset, item)));
        }
        let through = through?;
        self.open.push_back((through, weight));
        Some(Event::TakeIn {
            class: self.class,
            items,
            through,
            interest,
        })
    }

    pub(super) fn handle_taken(&mut self, through: u64) {
        while let Some((end, weight)) = self.open.front() {
            if end.offset > through {
                break;
            }
            self.weight -= weight;
            self.stored = *end;
            self.open.pop_front();
        }
    }

    /// Bytes that were received and are not stored.
    #[cfg(test)]
    pub(super) const fn held(&self) -> u64 {
        self.weight
    }

    /// Steps that were received and are with nobody yet.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.waiting.len()
    }
}
