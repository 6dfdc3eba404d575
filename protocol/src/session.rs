//! The conversation between two parties as a state machine: inputs `handle_*`, outputs `poll_*`, time as an argument.
//!
//! Order of use: make one with [`Session::new`] on each side; pass on every frame that [`Session::poll_transmit`] gives;
//! put every frame that arrives into [`Session::handle_frame`]; answer every [`Event`]; call [`Session::handle_timeout`]
//! when [`Session::poll_timeout`] says so. After the events of a call are answered, poll again.
//!
//! The sender keeps no state per peer beyond the session: the receiver says where to go on, in [`Resume`]. A frame may be
//! lost, repeated or overtake others; every step of a feed names the cursor that it follows, so a receiver takes steps in
//! order and at most once, and a sender goes back to the last acknowledged cursor when nothing is acknowledged for long.
//!
//! Long because it is one state machine whose invariants span all its inputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::bytes::Malformed;
use crate::codec;
use crate::frame::{
    Ack, CLASSES, Feed, Frame, Goodbye, Hello, Interest, Item, Resume, VERSIONS, Want, WantFrame,
    WantPage, reason,
};
use crate::limits;
use crate::name::{FeedId, InstanceId};

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

/// A want of ours whose next page has not arrived.
#[derive(Debug)]
struct Asked {
    frame: WantFrame,
    /// When it was said last; `None` while it waits to be said.
    said: Option<Millis>,
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    peer: (InstanceId, FeedId),
    /// Ours, once we have accepted.
    resume: Option<Resume>,
    /// The peer's, if it came before our own word.
    early: Option<Resume>,
    established: bool,
    outgoing: [Outgoing; CLASSES],
    incoming: [Incoming; CLASSES],
    wants: BTreeMap<u64, Asked>,
    /// Places of the peer's wants whose pages are with the caller or wait to be sent.
    serving: BTreeSet<(u64, Vec<u8>)>,
    events: VecDeque<Event>,
    // what waits to be said; states, not queues, wherever a peer could make us say the same again and again
    say_hello: bool,
    say_resume: bool,
    say_acks: [bool; CLASSES],
    receipts: VecDeque<Vec<Vec<u8>>>,
    pages: VecDeque<WantPage>,
    goodbye: Option<Goodbye>,
    /// When we last greeted.
    greeted: Millis,
}

impl Session {
    /// A session that says hello at once.
    pub fn new(config: Config, now: Millis) -> Self {
        Self {
            incoming: std::array::from_fn(|class| Incoming::new(class as u8)),
            outgoing: std::array::from_fn(|class| Outgoing::new(class as u8)),
            config,
            phase: Phase::Greeting,
            peer: Default::default(),
            resume: None,
            early: None,
            established: false,
            wants: BTreeMap::new(),
            serving: BTreeSet::new(),
            events: VecDeque::new(),
            say_hello: true,
            say_resume: false,
            say_acks: [false; CLASSES],
            receipts: VecDeque::new(),
            pages: VecDeque::new(),
            goodbye: None,
            greeted: now,
        }
    }

    /// The peer's feed, once it has said hello.
    pub const fn peer_feed(&self) -> FeedId {
        self.peer.1
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
            // the sender's people read it
            let text = format!(
                "收到的报文不符合协议约定（{fault}），会话结束；请发送方核对程序版本，反复出现时联系其运维人员"
            );
            self.close(reason::MISBEHAVED, text);
        }
        result
    }

    fn take_frame(&mut self, now: Millis, frame: Frame) -> Result<(), PeerMisbehaved> {
        match frame {
            Frame::Hello(hello) => self.take_hello(hello)?,
            Frame::Resume(resume) => self.take_resume(now, resume)?,
            Frame::Goodbye(Goodbye { code, text }) => {
                self.end();
                // it will stand in logs and terminals
                let mut text: String = text.chars().filter(|c| !c.is_control()).collect();
                text.truncate(text.floor_char_boundary(limits::GOODBYE_TEXT_BYTES_MAX));
                self.events.push_back(Event::Closed(Goodbye { code, text }));
            }
            // what overtook the greeting is said again by its sender
            _ if self.phase != Phase::Accepted => {}
            Frame::Feed(feed) => self.take_feed(feed)?,
            Frame::Ack(ack) => {
                let out = self.outgoing.get_mut(usize::from(ack.class));
                out.ok_or(PeerMisbehaved::Conversation("class of an ack"))?
                    .handle_ack(now, ack)?;
                self.read_on();
            }
            Frame::Receipts(receipts) => {
                if receipts.len() > limits::RECEIPTS_PER_FRAME_MAX {
                    return Err(PeerMisbehaved::Conversation("receipts in one frame"));
                }
                self.events.push_back(Event::Receipts(receipts));
            }
            Frame::Want(want) => self.take_want(want)?,
            Frame::WantPage(page) => self.take_want_page(page)?,
        }
        Ok(())
    }

    fn take_hello(&mut self, hello: Hello) -> Result<(), PeerMisbehaved> {
        let peer = (hello.instance_id(), hello.feed_id());
        match self.phase {
            Phase::Greeting if hello.frame_min > VERSIONS.1 || hello.frame_max < VERSIONS.0 => {
                let text = format!(
                    "帧版本不兼容：对端 {} 至 {}，本机 {} 至 {}",
                    hello.frame_min, hello.frame_max, VERSIONS.0, VERSIONS.1
                );
                self.close(reason::VERSION, text);
            }
            // our own proof said back to us, on the connection that it is good for, would pass every later check
            Phase::Greeting if shares_a_seat(&hello, &self.config.hello) => {
                return Err(PeerMisbehaved::Conversation("hello with a seat of ours"));
            }
            Phase::Greeting => {
                self.phase = Phase::Judging;
                self.peer = peer;
                self.events.push_back(Event::Hello(hello));
            }
            // who was judged is who goes on speaking: a process that started again needs a new session on both sides
            Phase::Judging | Phase::Accepted if peer != self.peer => {
                return Err(PeerMisbehaved::Conversation("hello of another party"));
            }
            // the peer has not heard us yet
            Phase::Accepted => self.say_resume = true,
            Phase::Judging | Phase::Closed => {}
        }
        Ok(())
    }

    fn take_want(&mut self, want: WantFrame) -> Result<(), PeerMisbehaved> {
        if want.resume.len() > limits::WANT_RESUME_BYTES_MAX {
            return Err(PeerMisbehaved::Conversation("place of a want"));
        }
        if matches!(&want.want, Want::Subject(s) if s.len() > limits::SUBJECT_BYTES_MAX) {
            return Err(PeerMisbehaved::Conversation("subject of a want"));
        }
        let place = (want.id, want.resume.clone());
        if self.serving.contains(&place) {
            return Ok(());
        }
        if self.serving.len() >= limits::WANTS_OPEN_MAX {
            // late repetitions can be among those that are being served; what is passed over here is said again
            return match self.config.retransmit {
                Some(_) => Ok(()),
                None => Err(PeerMisbehaved::Conversation("wants open at once")),
            };
        }
        self.serving.insert(place);
        self.events.push_back(Event::ServeWant {
            id: want.id,
            want: want.want,
            resume: want.resume,
        });
        Ok(())
    }

    fn take_want_page(&mut self, page: WantPage) -> Result<(), PeerMisbehaved> {
        // a page nobody waits for is a repetition
        let asked = self.wants.get(&page.id);
        if asked.is_none_or(|a| a.frame.resume != page.resumed) {
            return Ok(());
        }
        if page.next.as_ref() == Some(&page.resumed) {
            return Err(PeerMisbehaved::Conversation("a page that does not advance"));
        }
        if page
            .next
            .as_ref()
            .is_some_and(|n| n.len() > limits::WANT_RESUME_BYTES_MAX)
        {
            return Err(PeerMisbehaved::Conversation("next place of a want"));
        }
        self.wants.remove(&page.id);
        self.events.push_back(Event::WantPage {
            id: page.id,
            items: page.items,
            next: page.next,
        });
        Ok(())
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
            feed: self.peer.1.0,
            cursors,
            interest,
            window: self.config.window,
        };
        self.say_resume = true;
        self.resume = Some(resume);
        self.greeted = now;
        if let Some(early) = self.early.take() {
            self.establish(now, early);
        }
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
        if resume.cursors.iter().any(|c| *c > limits::POSITION_MAX) {
            return Err(PeerMisbehaved::Conversation("cursor of a resume"));
        }
        match self.phase {
            // nothing of ours is for a peer that was not judged; but nobody may say this again, so it is kept
            Phase::Greeting | Phase::Judging => self.early = Some(resume),
            Phase::Accepted if !self.established => self.establish(now, resume),
            Phase::Accepted | Phase::Closed => {}
        }
        Ok(())
    }

    fn establish(&mut self, now: Millis, resume: Resume) {
        self.established = true;
        let known = resume.feed == self.config.hello.feed;
        for (out, cursor) in self.outgoing.iter_mut().zip(resume.cursors) {
            out.start(now, if known { cursor } else { 0 }, resume.window);
        }
        self.events.push_back(Event::Established(resume.interest));
        self.read_on();
    }

    fn take_feed(&mut self, feed: Feed) -> Result<(), PeerMisbehaved> {
        let class = usize::from(feed.class);
        let incoming = self
            .incoming
            .get_mut(class)
            .ok_or(PeerMisbehaved::Conversation("class of a feed"))?;
        // the sender goes back when it has not heard our ack: we say it again
        self.say_acks[class] |= incoming.handle_feed(feed)?;
        self.deliver();
        Ok(())
    }

    /// How far the peer has stored our feed, by class.
    pub fn acknowledged(&self) -> [u64; CLASSES] {
        std::array::from_fn(|class| self.outgoing[class].acked())
    }

    /// Our feed has grown (or, for a filtered one, its applied cursor).
    pub fn handle_grown(&mut self) {
        self.outgoing.iter_mut().for_each(Outgoing::handle_grown);
        self.read_on();
    }

    /// A page that [`Event::ReadFeed`] asked for.
    pub fn handle_page(&mut self, _now: Millis, class: u8, token: u32, page: Page) {
        if let Some(out) = self.outgoing.get_mut(usize::from(class)) {
            out.handle_page(token, page);
        }
        self.read_on();
    }

    /// What [`Event::TakeIn`] asked for is stored, durably, up to `through`.
    pub fn handle_taken(&mut self, class: u8, through: u64) {
        if self.phase != Phase::Accepted {
            return;
        }
        if let Some(incoming) = self.incoming.get_mut(usize::from(class)) {
            incoming.handle_taken(through);
            self.say_acks[usize::from(class)] = true;
        }
        self.deliver();
    }

    /// Signed receipts for the peer, sent once both sides have accepted. They are not repeated: a receipt is cumulative, and
    /// on a carrier that loses frames the caller says the newest again from time to time.
    pub fn send_receipts(&mut self, receipts: Vec<Vec<u8>>) {
        if self.phase == Phase::Closed {
            return;
        }
        let chunks = receipts.chunks(limits::RECEIPTS_PER_FRAME_MAX);
        self.receipts.extend(chunks.map(<[_]>::to_vec));
        if self.receipts.len() > limits::RECEIPTS_WAITING_MAX {
            // what is not said here is said in the next conversation
            self.receipts.clear();
            self.close(reason::MISBEHAVED, "对端长时间不接收回执，会话结束");
        }
    }

    /// Whether another want may be opened now.
    pub fn may_want(&self) -> bool {
        self.is_established() && self.wants.len() < limits::WANTS_OPEN_MAX
    }

    /// Asks for a page of a want.
    pub fn want(&mut self, _now: Millis, id: u64, want: Want, resume: Vec<u8>) {
        if self.phase == Phase::Closed {
            return;
        }
        let frame = WantFrame { id, want, resume };
        self.wants.insert(id, Asked { frame, said: None });
    }

    /// The page that [`Event::ServeWant`] asked for.
    pub fn handle_want_page(
        &mut self,
        id: u64,
        resumed: Vec<u8>,
        items: Vec<Item>,
        next: Option<Vec<u8>>,
    ) {
        if self.phase == Phase::Closed {
            return;
        }
        self.pages.push_back(WantPage {
            id,
            resumed,
            items,
            next,
        });
    }

    /// Ends the conversation in good order.
    pub fn close(&mut self, code: u8, text: impl Into<String>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.end();
        let goodbye = Goodbye {
            code,
            text: text.into(),
        };
        self.goodbye = Some(goodbye.clone());
        self.events.push_back(Event::Closed(goodbye));
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.wants.clear();
        self.pages.clear();
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Millis) {
        let Some(patience) = self.config.retransmit else {
            return;
        };
        if self.phase == Phase::Closed {
            return;
        }
        if !self.established {
            if now >= self.greeted + patience {
                // the peer may have lost our hello as well as our resume
                self.say_hello = true;
                self.say_resume = self.resume.is_some();
                self.greeted = now;
            }
            return;
        }
        for asked in self.wants.values_mut() {
            asked.said = asked.said.filter(|said| now < said + patience);
        }
        self.outgoing
            .iter_mut()
            .for_each(|out| out.handle_timeout(now, patience));
        self.read_on();
    }

    // ---- outputs ------------------------------------------------------------------------------------------------

    /// The next frame to send, most urgent first.
    pub fn poll_transmit(&mut self, now: Millis) -> Option<Transmit> {
        self.poll_transmit_where(now, |_| true)
    }

    /// The next frame to send of those priorities for which there is room. What is not polled is kept as a state, not as
    /// frames, so that a peer that does not listen makes nothing pile up.
    pub fn poll_transmit_where(
        &mut self,
        now: Millis,
        room: impl Fn(u8) -> bool,
    ) -> Option<Transmit> {
        let (priority, frame) = self.next_frame(now, room)?;
        Some(Transmit {
            priority,
            bytes: codec::encode(&frame),
        })
    }

    /// Pages of the peer's wants that wait to be said.
    pub fn pages_waiting(&self) -> usize {
        self.pages.len()
    }

    fn next_frame(&mut self, now: Millis, room: impl Fn(u8) -> bool) -> Option<(u8, Frame)> {
        if room(0)
            && let Some(frame) = self.next_control(now)
        {
            return Some((0, frame));
        }
        if self.phase == Phase::Closed {
            return None;
        }
        for (class, out) in (0..).zip(&mut self.outgoing) {
            if room(class)
                && let Some(feed) = out.poll(now)
            {
                return Some((class, Frame::Feed(feed)));
            }
        }
        if !room(3) {
            return None;
        }
        let page = self.pages.pop_front()?;
        self.serving.remove(&(page.id, page.resumed.clone()));
        Some((3, Frame::WantPage(page)))
    }

    fn next_control(&mut self, now: Millis) -> Option<Frame> {
        if std::mem::take(&mut self.say_hello) {
            return Some(Frame::Hello(self.config.hello.clone()));
        }
        if std::mem::take(&mut self.say_resume) {
            return self.resume.clone().map(Frame::Resume);
        }
        let due = self.say_acks.iter_mut().zip(0..).find(|(due, _)| **due);
        if let Some((due, class)) = due {
            *due = false;
            return Some(Frame::Ack(Ack {
                class,
                offset: self.incoming[usize::from(class)].stored(),
                window: self.config.window,
            }));
        }
        if self.established {
            if let Some(receipts) = self.receipts.pop_front() {
                return Some(Frame::Receipts(receipts));
            }
            if let Some(asked) = self.wants.values_mut().find(|a| a.said.is_none()) {
                asked.said = Some(now);
                return Some(Frame::Want(asked.frame.clone()));
            }
        }
        self.goodbye.take().map(Frame::Goodbye)
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
        if !self.established {
            return Some(self.greeted + patience);
        }
        let wants = self.wants.values().filter_map(|a| a.said);
        let feeds = self.outgoing.iter().filter_map(|out| out.timeout(patience));
        feeds.chain(wants.map(|said| said + patience)).min()
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

fn shares_a_seat(a: &Hello, b: &Hello) -> bool {
    a.seats
        .iter()
        .any(|p| b.seats.iter().any(|q| q.seat == p.seat))
}
