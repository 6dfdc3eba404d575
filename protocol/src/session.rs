//! The conversation between two parties as a state machine: inputs `handle_*`, outputs `poll_*`, time as an argument.
//!
//! Order of use: make one with [`Session::new`] on each side; pass on every frame that [`Session::poll_transmit`] gives;
//! put every frame that arrives into [`Session::handle_frame`]; answer every [`Event`]; call [`Session::handle_timeout`]
//! when [`Session::poll_timeout`] says so. After the events of a call are answered, poll again. The course is:
//!
//! 1. both say hello at once, and nothing else;
//! 2. [`Event::Hello`]: the caller checks it and takes in what it needed, then [`Session::accept`]: resume, the complete
//!    list of logs and a digest of statements are said;
//! 3. [`Event::Established`]: the caller judges what the peer's resume shows, then [`Session::begin`]: our feed is read;
//! 4. feed, acks, receipts, wants, news of logs, health, comparison of statements, until one side says goodbye.
//!
//! The sender keeps no state per peer beyond the session: the receiver says where to go on, in [`Resume`]. A frame may be
//! lost, repeated or overtake others if [`Config::retransmit`] is set; every step of a feed names the cursor that it follows,
//! so a receiver takes steps in order and at most once, and a sender goes back to the last acknowledged cursor when nothing
//! is acknowledged for long. On a carrier that loses nothing, what does not follow is the peer's fault.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::codec;
use crate::frame::{
    Ack, CLASSES, Feed, Frame, Goodbye, GoodbyeCode, Hello, Item, LogEntry, Resume, Token,
    WantFrame, WantPage,
};
use crate::limits;
use crate::name::{FeedId, Incarnation, InstanceId};

mod event;
mod greeting;
mod incoming;
mod outgoing;
mod paced;
#[cfg(test)]
mod tests;
mod wants;
mod words;

pub use event::{Acceptance, Answer, Event, Page, PeerMisbehaved, Transmit};
use incoming::{Heard, Incoming};
use outgoing::Outgoing;
use words::Words;
pub use words::{HEALTH_PAUSE_MS, LOGS_PAUSE_MS};

/// Milliseconds on a monotonic clock of the caller's.
pub type Millis = u64;

/// What a session is made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our hello.
    pub hello: Hello,
    /// Bytes that the peer may have under way to us, per class.
    pub window: u64,
    /// After how long without progress something is said again; `None` on carriers that lose nothing and keep the order of
    /// each priority.
    pub retransmit: Option<Millis>,
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

/// Who speaks at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Peer {
    instance: InstanceId,
    incarnation: Incarnation,
    items: u8,
}

/// A question of ours whose answer has not arrived.
#[derive(Debug)]
struct Asked<T> {
    what: T,
    /// When it was said last; `None` while it waits to be said.
    said: Option<Millis>,
}

/// One conversation.
#[derive(Debug)]
pub struct Session {
    config: Config,
    phase: Phase,
    peer: Peer,
    /// Ours, once we have accepted.
    resume: Option<Resume>,
    /// Bytes of what the peer said while its hello was being judged.
    early: Vec<Vec<u8>>,
    early_bytes: usize,
    /// The peer's, once both have accepted.
    established: Option<Resume>,
    begun: bool,
    /// Items of our feed that the peer has refused.
    skip: BTreeSet<(u8, u64)>,
    outgoing: [Outgoing; CLASSES],
    incoming: [Incoming; CLASSES],
    wants: BTreeMap<u64, Asked<WantFrame>>,
    /// Places of the peer's wants whose pages are with the caller or wait to be sent.
    serving: BTreeSet<(u64, Vec<u8>)>,
    pages: VecDeque<(WantPage, Option<LogEntry>)>,
    words: Words,
    unread: u64,
    events: VecDeque<Event>,
    // what waits to be said; states, not queues, wherever a peer could make us say the same again and again
    say_hello: bool,
    say_resume: bool,
    say_acks: [bool; CLASSES],
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
            peer: Peer::default(),
            resume: None,
            early: Vec::new(),
            early_bytes: 0,
            established: None,
            begun: false,
            skip: BTreeSet::new(),
            wants: BTreeMap::new(),
            serving: BTreeSet::new(),
            pages: VecDeque::new(),
            words: Words::new(),
            unread: 0,
            events: VecDeque::new(),
            say_hello: true,
            say_resume: false,
            say_acks: [false; CLASSES],
            goodbye: None,
            greeted: now,
        }
    }

    /// The peer's feed, once it has said hello.
    pub const fn peer_feed(&self) -> FeedId {
        self.peer.incarnation.feed
    }

    /// The peer's incarnation by its hello.
    pub const fn peer_incarnation(&self) -> Incarnation {
        self.peer.incarnation
    }

    /// The peer's instance.
    pub const fn peer_instance(&self) -> InstanceId {
        self.peer.instance
    }

    /// Highest item number that the peer reads. Whoever reads our feed for it keeps back what is above, durably, before it
    /// answers the read.
    pub const fn peer_items(&self) -> u8 {
        self.peer.items
    }

    /// Frames of later releases that were passed over.
    pub const fn unread_frames(&self) -> u64 {
        self.unread
    }

    /// Whether both sides have accepted and nobody has closed.
    pub fn is_established(&self) -> bool {
        self.established.is_some() && self.phase != Phase::Closed
    }

    /// Whether frames may be handed over. While this is false the caller leaves them on the carrier: the peer's hello is
    /// being judged, and no more of what follows it is kept.
    pub fn listens(&self) -> bool {
        self.phase != Phase::Judging || self.early_bytes < limits::EARLY_BYTES_MAX
    }

    /// Whether the carrier loses, repeats or reorders, so that frames out of turn are nobody's fault.
    const fn loses(&self) -> bool {
        self.config.retransmit.is_some()
    }

    /// What is out of turn: let pass on a carrier that loses and reorders, the peer's fault on another.
    const fn out_of_turn(&self, what: &'static str) -> Result<(), PeerMisbehaved> {
        match self.loses() {
            true => Ok(()),
            false => Err(PeerMisbehaved::Conversation(what)),
        }
    }

    // ---- inputs -------------------------------------------------------------------------------------------------

    /// A frame arrived: number, length and body.
    pub fn handle_frame(&mut self, now: Millis, bytes: &[u8]) -> Result<(), PeerMisbehaved> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        let result = self.read_frame(now, bytes);
        self.judge(result)
    }

    /// Ends the conversation for a fault of the peer's.
    fn judge(&mut self, result: Result<(), PeerMisbehaved>) -> Result<(), PeerMisbehaved> {
        // the sender's people read it
        match &result {
            Ok(()) => {}
            Err(PeerMisbehaved::Item {
                class,
                offset,
                what,
            }) => {
                let text = format!(
                    "第 {class} 类第 {offset} 条的内容无法读取（{what}），本端不接收此条，会话结束；请发送方跳过此条并核对程序版本和存储"
                );
                self.refuse_item(*class, *offset, text);
            }
            Err(fault) => {
                let text = format!(
                    "收到的报文不符合协议约定（{fault}），会话结束；请发送方核对程序版本，反复出现时联系其运维人员"
                );
                self.close(GoodbyeCode::Misbehaved, text);
            }
        }
        result
    }

    fn read_frame(&mut self, now: Millis, bytes: &[u8]) -> Result<(), PeerMisbehaved> {
        let believed = self.phase == Phase::Accepted;
        if !believed && bytes.len() > codec::HEADER_BYTES + limits::GREETING_FRAME_BYTES_MAX {
            return Err(PeerMisbehaved::Conversation(
                "a long frame before the hello is believed",
            ));
        }
        let frame = codec::decode(bytes)?;
        match (self.phase, &frame) {
            (_, Frame::Hello(_) | Frame::Goodbye(_)) | (Phase::Accepted, _) => {
                self.take_frame(now, frame)
            }
            (Phase::Judging, Frame::Unread(_)) => self.take_frame(now, frame),
            // these answer what we have not said yet
            (Phase::Judging, Frame::Feed(_) | Frame::Ack(_) | Frame::WantPage(_)) => {
                self.out_of_turn("a frame that answers what was not said")
            }
            // nothing of ours is for a peer that was not judged; but it may not say this again, so it is kept
            (Phase::Judging, _) => {
                if self.early_bytes >= limits::EARLY_BYTES_MAX {
                    return self.out_of_turn("too much before the hello is believed");
                }
                self.early_bytes += bytes.len();
                self.early.push(bytes.to_vec());
                Ok(())
            }
            // what overtook the hello is said again by its sender
            (Phase::Greeting | Phase::Closed, _) => self.out_of_turn("a frame before the hello"),
        }
    }

    fn take_frame(&mut self, now: Millis, frame: Frame) -> Result<(), PeerMisbehaved> {
        match frame {
            Frame::Hello(hello) => self.take_hello(hello)?,
            Frame::Resume(resume) => self.take_resume(resume)?,
            Frame::Feed(feed) => self.take_feed(feed)?,
            Frame::Ack(ack) => {
                self.outgoing[usize::from(ack.class)].handle_ack(now, ack)?;
                self.read_on();
            }
            Frame::Receipts(receipts) => self.events.push_back(Event::Receipts(receipts)),
            Frame::Want(want) => self.take_want(want)?,
            Frame::WantPage(page) => self.take_want_page(page)?,
            Frame::Goodbye(goodbye) => self.take_goodbye(goodbye),
            Frame::Logs(logs) => self.events.push_back(Event::Logs {
                entries: logs.entries,
                end: logs.end,
            }),
            Frame::Health(all) => self.take_health(now, all)?,
            Frame::Statements(statements) => self.take_statements(statements)?,
            Frame::Unread(_) => self.unread = self.unread.saturating_add(1),
        }
        Ok(())
    }

    fn take_goodbye(&mut self, goodbye: Goodbye) {
        self.end();
        // who has left hears nothing more
        self.say_acks = [false; CLASSES];
        if let (GoodbyeCode::ItemRefused, Some((class, offset))) = (goodbye.code, goodbye.item) {
            // whoever refuses what is not under way says nothing about our feed
            let sender = self.outgoing.get(usize::from(class));
            if sender.is_some_and(|out| out.is_under_way(offset)) {
                self.events.push_back(Event::Refused { class, offset });
            }
        }
        // it will stand in logs and terminals
        let mut text: String = goodbye.text.chars().filter(|c| !c.is_control()).collect();
        text.truncate(text.floor_char_boundary(limits::GOODBYE_TEXT_BYTES_MAX));
        self.events
            .push_back(Event::Closed(Goodbye { text, ..goodbye }));
    }

    fn take_feed(&mut self, feed: Feed) -> Result<(), PeerMisbehaved> {
        let class = feed.class;
        let interest = self.resume.as_ref().map_or(0, |r| r.interest.version);
        let incoming = &mut self.incoming[usize::from(class)];
        match incoming.handle_feed(feed, interest)? {
            Heard::Taken => {}
            Heard::Anew => {
                // it has begun anew in every class, so that nothing goes ahead of its directory
                for (other, incoming) in (0..).zip(&mut self.incoming) {
                    if other == class || incoming.forget() {
                        self.events.push_back(Event::FeedAnew { class: other });
                    }
                }
            }
            // the sender goes back when it has not heard our ack: we say it again
            Heard::Again => self.say_acks[usize::from(class)] = true,
            Heard::Elsewhere => return self.out_of_turn("a step that does not follow"),
            Heard::Beyond => return self.out_of_turn("more under way than was granted"),
        }
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

    /// A page that [`Event::ReadFeed`] asked for. One with an item that the peer does not read is our fault: it ends the
    /// session, so that nothing is lost.
    pub fn handle_page(&mut self, class: u8, read: u32, page: Page) {
        let known = |(_, _, item): &(u64, Token, Item)| item.number() <= self.peer.items;
        if !page.items.iter().all(known) {
            let text = "本端读取了对端尚不能读取的内容，会话结束；请本端运维人员核对程序版本";
            return self.close(GoodbyeCode::LocalFault, text);
        }
        if let Some(out) = self.outgoing.get_mut(usize::from(class)) {
            out.handle_page(read, page, &self.skip);
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

    /// An item of [`Event::TakeIn`] is refused for reasons that follow from its bytes: the session ends, and the sender skips
    /// the item in the next one. What came before it may be stored; its own cursor and later ones are not.
    pub fn refuse_item(&mut self, class: u8, offset: u64, text: impl Into<String>) {
        self.say_goodbye(Goodbye {
            item: Some((class, offset)),
            ..Goodbye::new(GoodbyeCode::ItemRefused, text)
        });
    }

    /// Ends the conversation.
    pub fn close(&mut self, code: GoodbyeCode, text: impl Into<String>) {
        self.say_goodbye(Goodbye::new(code, text));
    }

    fn say_goodbye(&mut self, goodbye: Goodbye) {
        if self.phase == Phase::Closed {
            return;
        }
        self.end();
        self.goodbye = Some(goodbye.clone());
        self.events.push_back(Event::Closed(goodbye));
    }

    fn end(&mut self) {
        self.phase = Phase::Closed;
        self.wants.clear();
        self.pages.clear();
        self.words = Words::new();
        self.early = Vec::new();
        self.say_resume = false;
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Millis) {
        if self.phase == Phase::Closed {
            return;
        }
        self.hear_health(now);
        if self.is_established() {
            self.words.handle_timeout(now, self.config.retransmit);
        }
        let Some(patience) = self.config.retransmit else {
            return;
        };
        if !self.is_established() {
            if now >= self.greeted + patience {
                // the peer may have lost our hello as well as our resume
                self.say_hello = true;
                self.say_resume = self.resume.is_some();
                self.greeted = now;
            }
            return;
        }
        self.ask_again(now, patience);
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
        loop {
            let (priority, frame) = self.next_frame(now, &room)?;
            let bytes = codec::encode(&frame);
            if bytes.len() <= codec::HEADER_BYTES + limits::FRAME_BYTES_MAX {
                return Some(Transmit { priority, bytes });
            }
            // the caller gave more than a frame holds
            let text = "本端要发送的报文超过上限，会话结束；请本端运维人员核对程序版本";
            self.close(GoodbyeCode::LocalFault, text);
        }
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
        self.next_page().map(|frame| (3, frame))
    }

    fn next_control(&mut self, now: Millis) -> Option<Frame> {
        if std::mem::take(&mut self.say_hello) {
            return Some(Frame::Hello(self.config.hello.clone()));
        }
        if std::mem::take(&mut self.say_resume) {
            return self.resume.clone().map(Frame::Resume);
        }
        if let Some(frame) = self.words.next_of_greeting() {
            return Some(frame);
        }
        // what was stored is acknowledged, whoever ends the conversation
        let due = self.say_acks.iter_mut().zip(0..).find(|(due, _)| **due);
        if let Some((due, class)) = due {
            *due = false;
            return Some(Frame::Ack(Ack {
                class,
                offset: self.incoming[usize::from(class)].stored().offset,
                window: self.config.window,
            }));
        }
        if let Some(goodbye) = self.goodbye.take() {
            return Some(Frame::Goodbye(goodbye));
        }
        if !self.is_established() {
            return None;
        }
        if let Some(frame) = self.words.next_question(now) {
            return Some(frame);
        }
        if let Some(asked) = self.wants.values_mut().find(|a| a.said.is_none()) {
            asked.said = Some(now);
            return Some(Frame::Want(asked.what.clone()));
        }
        self.words.next_report(now)
    }

    /// The next thing for the caller to do.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::handle_timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Millis> {
        if self.phase == Phase::Closed {
            return None;
        }
        let heard = self.words.heard.timeout();
        if !self.is_established() {
            let greeting = self.config.retransmit.map(|p| self.greeted + p);
            return [greeting, heard].into_iter().flatten().min();
        }
        let paced = [
            heard,
            self.words.news.timeout(),
            self.words.health.timeout(),
        ];
        let mut next: Option<Millis> = paced.into_iter().flatten().min();
        if let Some(patience) = self.config.retransmit {
            let asked = self.wants.values().filter_map(|a| a.said);
            let asked = asked.chain(self.words.said()).map(|said| said + patience);
            let feeds = self.outgoing.iter().filter_map(|out| out.timeout(patience));
            next = feeds.chain(asked).chain(next).min();
        }
        next
    }

    // ---- between ------------------------------------------------------------------------------------------------

    /// Asks for pages where credit allows. Class 0 bounds the others: nothing of a later class is read beyond the point up
    /// to which the directory has been read, so that a header never goes ahead of its opening.
    fn read_on(&mut self) {
        if !self.begun || self.phase == Phase::Closed {
            return;
        }
        let directory = self.outgoing[0].read();
        for (class, out) in self.outgoing.iter_mut().enumerate() {
            let upto = (class > 0).then_some(directory);
            self.events.extend(out.wants_page(upto));
        }
    }

    fn deliver(&mut self) {
        let directory = self.incoming[0].stored().offset;
        for incoming in &mut self.incoming {
            self.events.extend(incoming.poll(directory));
        }
    }
}
