//! The conversation between two parties as a state machine: inputs `handle_*`, outputs `poll_*`, time as an argument.
//!
//! Order of use: make one with [`Session::new`] on each side; pass on every frame that [`Session::poll_transmit`] gives;
//! put every frame that arrives into [`Session::handle_frame`]; answer every [`Event`]; call [`Session::handle_timeout`]
//! when [`Session::poll_timeout`] says so. After the events of a call are answered, poll again.
//!
//! The sender keeps no state per peer beyond the session: the receiver says where to go on, in [`Resume`]. A frame may be
//! lost, repeated or overtake others; every step of a feed names the cursor that it follows, so a receiver takes steps in
//! order and at most once, and a sender goes back to the last acknowledged cursor when nothing is acknowledged for long.

use std::collections::{BTreeMap, VecDeque};

use crate::bytes::Malformed;
use crate::codec;
use crate::frame::{
    Ack, CLASSES, Feed, Frame, Goodbye, Hello, Interest, Item, Resume, VERSIONS, Want, WantFrame,
    WantPage, reason,
};
use crate::limits;
use crate::name::FeedId;

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use incoming::Incoming;
use outgoing::Outgoing;

/// Milliseconds on a monotonic clock of the caller's.
pub type Millis = u64;

/// What a session is made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our hello.
    pub hello: Hello,
    /// Bytes that the peer may have under way to us, per class.
    pub window: u64,
    /// After how long without progress something is said again; `None` on carriers that lose nothing.
    pub retransmit: Option<Millis>,
}

/// What the caller is to do. Each event names the call that answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer said hello. Check it with [`Hello::verify`], then [`Session::accept`] or [`Session::refuse`].
    Hello(Hello),
    /// Both sides have accepted; the peer wants this from our feed.
    Established(Interest),
    /// Read our feed: items of this class behind `after` and not behind `upto`, for the peer's interest, of at most about
    /// `bytes_max`. Answer with [`Session::handle_page`].
    ReadFeed {
        /// Class.
        class: u8,
        /// Cursor.
        after: u64,
        /// Do not go further than this; `None` for the class that bounds the others.
        upto: Option<u64>,
        /// About so many bytes.
        bytes_max: u64,
        /// Give it back.
        token: u32,
    },
    /// Verify and store these items together with the cursor, durably. Answer with [`Session::handle_taken`]; several of
    /// one class may be open and are answered in order.
    TakeIn {
        /// Class.
        class: u8,
        /// Items in order.
        items: Vec<Item>,
        /// The cursor behind them.
        through: u64,
    },
    /// Receipts of the peer and of those above it.
    Receipts(Vec<Vec<u8>>),
    /// The peer wants a page. Answer with [`Session::handle_want_page`].
    ServeWant {
        /// The want's number.
        id: u64,
        /// What.
        want: Want,
        /// Where the last page ended.
        resume: Vec<u8>,
    },
    /// A page of what we wanted. Store it; go on with [`Session::want`] at `next`, or be done.
    WantPage {
        /// The want's number.
        id: u64,
        /// Items.
        items: Vec<Item>,
        /// Where to go on; `None` at the end.
        next: Option<Vec<u8>>,
    },
    /// The conversation is over.
    Closed(Goodbye),
}

/// A page of our feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Items with their offsets, ascending.
    pub items: Vec<(u64, Item)>,
    /// Everything of this class up to here is in `items` or does not concern the peer.
    pub through: u64,
    /// Whether there was more than fitted.
    pub more: bool,
}

/// The peer broke the rules of the conversation: it is at fault and the session ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerMisbehaved {
    /// A frame that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A frame at a time or with a content that the conversation does not allow.
    #[error("peer broke the conversation: {0}")]
    Conversation(&'static str),
}

/// Urgency of a frame on the carrier: 0 control and lane 0, 1 and 2 the lanes, 3 wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Urgency.
    pub priority: u8,
    /// The frame's bytes.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing heard yet.
    Greeting,
    /// The peer's hello waits for the caller's word.
    Judging,
    /// We accepted; the peer's word may still be under way.
    Accepted,
    /// Over.
    Closed,
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    peer_feed: FeedId,
    resume: Option<Resume>,
    established: bool,
    outgoing: [Outgoing; CLASSES],
    incoming: [Incoming; CLASSES],
    wants: BTreeMap<u64, WantFrame>,
    serving: usize,
    control: VecDeque<Frame>,
    pages: VecDeque<Frame>,
    events: VecDeque<Event>,
    said: Millis,
}

impl Session {
    /// A session that says hello at once.
    pub fn new(config: Config, now: Millis) -> Self {
        let control = VecDeque::from([Frame::Hello(config.hello.clone())]);
        Self {
            incoming: std::array::from_fn(|class| Incoming::new(class as u8)),
            outgoing: std::array::from_fn(|class| Outgoing::new(class as u8)),
            config,
            phase: Phase::Greeting,
            peer_feed: FeedId::default(),
            resume: None,
            established: false,
            wants: BTreeMap::new(),
            serving: 0,
            control,
            pages: VecDeque::new(),
            events: VecDeque::new(),
            said: now,
        }
    }

    /// The peer's feed, once it has said hello.
    pub const fn peer_feed(&self) -> FeedId {
        self.peer_feed
    }

    /// Whether both sides have accepted and nobody has closed.
    pub fn is_established(&self) -> bool {
        self.established && self.phase != Phase::Closed
    }

    // ---- inputs -------------------------------------------------------------------------------------------------

    /// A frame arrived.
    pub fn handle_frame(&mut self, now: Millis, bytes: &[u8]) -> Result<(), PeerMisbehaved> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        let result = codec::decode(bytes)
            .map_err(Into::into)
            .and_then(|frame| self.take_frame(now, frame));
        if let Err(fault) = &result {
            self.close(reason::MISBEHAVED, fault.to_string());
        }
        result
    }

    fn take_frame(&mut self, now: Millis, frame: Frame) -> Result<(), PeerMisbehaved> {
        match frame {
            Frame::Hello(hello) => self.take_hello(hello),
            Frame::Resume(resume) => self.take_resume(now, resume)?,
            Frame::Goodbye(goodbye) => {
                self.phase = Phase::Closed;
                self.events.push_back(Event::Closed(goodbye));
            }
            // what overtook the greeting is said again by its sender
            _ if self.phase != Phase::Accepted => {}
            Frame::Feed(feed) => self.take_feed(feed)?,
            Frame::Ack(ack) => {
                let out = self.outgoing.get_mut(usize::from(ack.class));
                out.ok_or(PeerMisbehaved::Conversation("class of an ack"))?
                    .handle_ack(now, ack);
                self.read_on();
            }
            Frame::Receipts(receipts) => {
                if receipts.len() > limits::RECEIPTS_PER_FRAME_MAX {
                    return Err(PeerMisbehaved::Conversation("receipts in one frame"));
                }
                self.events.push_back(Event::Receipts(receipts));
            }
            Frame::Want(want) => {
                if self.serving >= limits::WANTS_OPEN_MAX {
                    return Err(PeerMisbehaved::Conversation("wants open at once"));
                }
                self.serving += 1;
                self.events.push_back(Event::ServeWant {
                    id: want.id,
                    want: want.want,
                    resume: want.resume,
                });
            }
            Frame::WantPage(page) => {
                // a page nobody waits for is a repetition
                if self
                    .wants
                    .get(&page.id)
                    .is_some_and(|w| w.resume == page.resumed)
                {
                    self.wants.remove(&page.id);
                    self.events.push_back(Event::WantPage {
                        id: page.id,
                        items: page.items,
                        next: page.next,
                    });
                }
            }
        }
        Ok(())
    }

    fn take_hello(&mut self, hello: Hello) {
        match self.phase {
            Phase::Greeting if hello.frame_min > VERSIONS.1 || hello.frame_max < VERSIONS.0 => {
                let text = format!(
                    "帧版本不兼容:对端 {} 至 {},本机 {} 至 {}",
                    hello.frame_min, hello.frame_max, VERSIONS.0, VERSIONS.1
                );
                self.close(reason::VERSION, text);
            }
            Phase::Greeting => {
                self.phase = Phase::Judging;
                self.peer_feed = hello.feed_id();
                self.events.push_back(Event::Hello(hello));
            }
            // the peer has not heard us yet
            Phase::Accepted => self.control.extend(self.resume.clone().map(Frame::Resume)),
            Phase::Judging | Phase::Closed => {}
        }
    }

    /// The peer's hello is believed. `cursors` is how far we have stored its feed, if we know it under the id that it names.
    pub fn accept(&mut self, now: Millis, cursors: Option<[u64; CLASSES]>, interest: Interest) {
        if self.phase != Phase::Judging {
            return;
        }
        self.phase = Phase::Accepted;
        let cursors = cursors.unwrap_or_default();
        for (incoming, cursor) in self.incoming.iter_mut().zip(cursors) {
            incoming.start(cursor, self.config.window);
        }
        let resume = Resume {
            feed: self.peer_feed.0,
            cursors,
            interest,
            window: self.config.window,
        };
        self.control.push_back(Frame::Resume(resume.clone()));
        self.resume = Some(resume);
        self.said = now;
    }

    /// The peer's hello is not believed.
    pub fn refuse(&mut self, code: u8, text: impl Into<String>) {
        self.close(code, text.into());
    }

    fn take_resume(&mut self, now: Millis, resume: Resume) -> Result<(), PeerMisbehaved> {
        let terms = resume.interest.regions.len() + resume.interest.seats.len();
        if terms > limits::INTEREST_TERMS_MAX {
            return Err(PeerMisbehaved::Conversation("interest with too many terms"));
        }
        if self.established {
            return Ok(());
        }
        self.established = true;
        let known = resume.feed == self.config.hello.feed;
        for (class, out) in self.outgoing.iter_mut().enumerate() {
            out.start(
                now,
                if known { resume.cursors[class] } else { 0 },
                resume.window,
            );
        }
        self.events.push_back(Event::Established(resume.interest));
        self.read_on();
        Ok(())
    }

    fn take_feed(&mut self, feed: Feed) -> Result<(), PeerMisbehaved> {
        let class = usize::from(feed.class);
        let incoming = self
            .incoming
            .get_mut(class)
            .ok_or(PeerMisbehaved::Conversation("class of a feed"))?;
        incoming.handle_feed(feed)?;
        self.deliver();
        Ok(())
    }

    /// Our feed has grown (or, for a filtered one, its applied cursor).
    pub fn handle_grown(&mut self) {
        self.outgoing.iter_mut().for_each(Outgoing::handle_grown);
        self.read_on();
    }

    /// A page that [`Event::ReadFeed`] asked for.
    pub fn handle_page(&mut self, now: Millis, class: u8, token: u32, page: Page) {
        let directory = self.outgoing[0].read();
        if let Some(out) = self.outgoing.get_mut(usize::from(class)) {
            out.handle_page(now, token, page, directory);
        }
        self.read_on();
    }

    /// What [`Event::TakeIn`] asked for is stored, durably, up to `through`.
    pub fn handle_taken(&mut self, class: u8, through: u64) {
        if let Some(incoming) = self.incoming.get_mut(usize::from(class)) {
            incoming.handle_taken(through);
            let ack = Ack {
                class,
                offset: through,
                window: self.config.window,
            };
            self.control.push_back(Frame::Ack(ack));
        }
        self.deliver();
    }

    /// Signed receipts for the peer.
    pub fn send_receipts(&mut self, receipts: Vec<Vec<u8>>) {
        let chunks = receipts.chunks(limits::RECEIPTS_PER_FRAME_MAX);
        self.control
            .extend(chunks.map(|c| Frame::Receipts(c.to_vec())));
    }

    /// Whether another want may be opened now.
    pub fn may_want(&self) -> bool {
        self.is_established() && self.wants.len() < limits::WANTS_OPEN_MAX
    }

    /// Asks for a page of a want.
    pub fn want(&mut self, now: Millis, id: u64, want: Want, resume: Vec<u8>) {
        let frame = WantFrame { id, want, resume };
        self.control.push_back(Frame::Want(frame.clone()));
        self.wants.insert(id, frame);
        self.said = now;
    }

    /// The page that [`Event::ServeWant`] asked for.
    pub fn handle_want_page(
        &mut self,
        id: u64,
        resumed: Vec<u8>,
        items: Vec<Item>,
        next: Option<Vec<u8>>,
    ) {
        self.serving = self.serving.saturating_sub(1);
        self.pages.push_back(Frame::WantPage(WantPage {
            id,
            resumed,
            items,
            next,
        }));
    }

    /// Ends the conversation in good order.
    pub fn close(&mut self, code: u8, text: impl Into<String>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        let goodbye = Goodbye {
            code,
            text: text.into(),
        };
        self.control.push_back(Frame::Goodbye(goodbye.clone()));
        self.events.push_back(Event::Closed(goodbye));
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Millis) {
        let Some(patience) = self.config.retransmit else {
            return;
        };
        if self.phase == Phase::Closed {
            return;
        }
        if now >= self.said + patience {
            if !self.established {
                match &self.resume {
                    Some(resume) => {
                        // the peer may have lost our hello as well as our resume
                        self.control
                            .push_back(Frame::Hello(self.config.hello.clone()));
                        self.control.push_back(Frame::Resume(resume.clone()));
                    }
                    None => self
                        .control
                        .push_back(Frame::Hello(self.config.hello.clone())),
                }
                self.said = now;
            } else if !self.wants.is_empty() {
                self.control
                    .extend(self.wants.values().cloned().map(Frame::Want));
                self.said = now;
            }
        }
        if self.established {
            self.outgoing
                .iter_mut()
                .for_each(|out| out.handle_timeout(now, patience));
            self.read_on();
        }
    }

    // ---- outputs ------------------------------------------------------------------------------------------------

    /// The next frame to send, most urgent first.
    pub fn poll_transmit(&mut self, now: Millis) -> Option<Transmit> {
        if let Some(frame) = self.control.pop_front() {
            return Some(Transmit {
                priority: 0,
                bytes: codec::encode(&frame),
            });
        }
        if self.phase == Phase::Closed {
            return None;
        }
        for (class, out) in self.outgoing.iter_mut().enumerate() {
            if let Some(feed) = out.poll(now) {
                return Some(Transmit {
                    priority: class as u8,
                    bytes: codec::encode(&Frame::Feed(feed)),
                });
            }
        }
        let page = self.pages.pop_front()?;
        Some(Transmit {
            priority: 3,
            bytes: codec::encode(&page),
        })
    }

    /// The next thing for the caller to do.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::handle_timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let patience = self.config.retransmit?;
        if self.phase == Phase::Closed {
            return None;
        }
        let waiting = !self.established || !self.wants.is_empty();
        let own = waiting.then_some(self.said + patience);
        let feeds = self.outgoing.iter().filter_map(|out| out.timeout(patience));
        feeds.chain(own).min()
    }

    // ---- between ------------------------------------------------------------------------------------------------

    /// Asks for pages where credit allows. Class 0 bounds the others: nothing of a later class is read beyond the point up
    /// to which the directory has been read, so that a header never goes ahead of its opening.
    fn read_on(&mut self) {
        if !self.established || self.phase == Phase::Closed {
            return;
        }
        let directory = self.outgoing[0].read();
        for (class, out) in self.outgoing.iter_mut().enumerate() {
            let upto = (class > 0).then_some(directory);
            self.events.extend(out.wants_page(upto));
        }
    }

    fn deliver(&mut self) {
        let directory = self.incoming[0].stored();
        for incoming in &mut self.incoming {
            self.events.extend(incoming.poll(directory));
        }
    }
}
