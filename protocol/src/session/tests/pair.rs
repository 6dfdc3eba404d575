//! Two parties with small feeds and durable stores, and the weather between them. Everything follows from the seed.
//!
//! Long because two parties, their stores and the weather between them make one test world.

use std::collections::BTreeMap;

use crate::codec;
use crate::frame::{
    CLASSES, Feed, Frame, Goodbye, Hello, Interest, Item, Presence, Routed, VERSIONS, Want,
};
use crate::session::{Config, Event, Millis, Page, Session};

/// Steps after which a run counts as one that never ends.
const STEPS_MAX: u32 = 200_000;
/// Items of one page of a want.
const WANT_PAGE_ITEMS: u64 = 3;

/// A small deterministic generator (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What the network does to frames, and how long the parties take for their answers.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    /// Of a hundred frames so many are lost.
    pub(super) loss: u64,
    /// Of a hundred frames so many arrive twice.
    pub(super) twice: u64,
    /// A frame is under way for at most so long.
    pub(super) delay: Millis,
    /// Frames of one priority keep their order, as on a stream.
    pub(super) ordered: bool,
    /// A read of the feed, a page of a want or the judgement of a hello takes at most so long.
    pub(super) read: Millis,
    /// Storing a group takes at most so long.
    pub(super) store: Millis,
    /// When to say again what was not answered.
    pub(super) retransmit: Option<Millis>,
    /// Window of both sides.
    pub(super) window: u64,
}

impl Weather {
    /// A carrier that loses nothing and keeps the order within a priority.
    pub(super) fn fair() -> Self {
        Self {
            loss: 0,
            twice: 0,
            delay: 40,
            ordered: true,
            read: 30,
            store: 60,
            retransmit: None,
            window: 4_000,
        }
    }

    /// A carrier that does everything that a carrier may do.
    pub(super) fn foul() -> Self {
        Self {
            loss: 20,
            twice: 20,
            delay: 90,
            ordered: false,
            retransmit: Some(200),
            ..Self::fair()
        }
    }
}

/// An item of a feed; its offset is its place, counted from one.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) class: u8,
    pub(super) size: usize,
    pub(super) region: u8,
}

pub(super) fn item(number: u64, class: u8, size: usize) -> Item {
    let bytes = number.to_le_bytes().to_vec();
    match class {
        0 => Item::Envelope([bytes, vec![0; size]].concat()),
        2 if number.is_multiple_of(5) => Item::Routed(Routed {
            subject: number.to_string(),
            from: String::new(),
            to: "R".repeat(size),
        }),
        _ => Item::Slice {
            header: bytes,
            body: vec![class; size],
        },
    }
}

pub(super) fn number(item: &Item) -> u64 {
    let head = |b: &[u8]| u64::from_le_bytes(b[..8].try_into().expect("made by item()"));
    match item {
        Item::Envelope(bytes) => head(bytes),
        Item::Slice { header, .. } => head(header),
        Item::Routed(routed) => routed.subject.parse().expect("made by item()"),
    }
}

pub(super) fn hello(feed: u8) -> Hello {
    Hello {
        frame_min: VERSIONS.0,
        frame_max: VERSIONS.1,
        instance: [feed; 16],
        feed: [feed; 16],
        seats: vec![Presence {
            seat: [feed; 16],
            signature: [0; 64],
        }],
        directory: Vec::new(),
    }
}

pub(super) fn everything() -> Interest {
    Interest {
        full: true,
        ..Interest::default()
    }
}

/// What is held of a want, durably.
#[derive(Debug, Default)]
struct Wanted {
    resume: Vec<u8>,
    got: Vec<u64>,
    done: bool,
    asked: bool,
}

/// One party: a session, and what outlives it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) session: Session,
    pub(super) hello: Hello,
    pub(super) feed: Vec<Entry>,
    /// Weight of the largest item in the feed, at most.
    largest: u64,
    pub(super) interest: Interest,
    known: Option<[u8; 16]>,
    cursors: [u64; CLASSES],
    pub(super) stored: [Vec<u64>; CLASSES],
    wants: BTreeMap<u64, Wanted>,
    pub(super) receipts: Vec<Vec<u8>>,
    peer_interest: Option<Interest>,
    pub(super) closed: Option<Goodbye>,
    /// Bytes of groups that are being stored, and when the last of them will be.
    storing: [(u64, usize, Millis); CLASSES],
}

fn matches(entry: &Entry, interest: &Interest) -> bool {
    interest.full
        || entry.class == 0
        || interest
            .regions
            .iter()
            .any(|r| *r == entry.region.to_string())
}

impl Side {
    /// Numbers of the items of a class that concern a peer with this interest.
    fn expected(&self, class: usize, interest: &Interest) -> Vec<u64> {
        let entries = self.feed.iter().zip(1..);
        entries
            .filter(|(e, _)| usize::from(e.class) == class && matches(e, interest))
            .map(|(_, offset)| offset)
            .collect()
    }

    /// Reads the feed as a node does: at most `scan` offsets, at least one item if there is one.
    fn page(&self, class: u8, after: u64, upto: Option<u64>, bytes_max: u64, scan: u64) -> Page {
        let interest = self.peer_interest.clone().unwrap_or_default();
        let head = self.feed.len() as u64;
        let end = upto.unwrap_or(head).min(head);
        let mut page = Page {
            through: after.min(end).max(after),
            ..Page::default()
        };
        let mut bytes = 0;
        while page.through < end {
            let entry = &self.feed[page.through as usize];
            let offset = page.through + 1;
            if entry.class == class && matches(entry, &interest) {
                let item = item(offset, class, entry.size);
                if !page.items.is_empty() && bytes + item.weight() > bytes_max {
                    page.more = true;
                    break;
                }
                bytes += item.weight();
                page.items.push((offset, item));
            }
            page.through = offset;
            if offset - after >= scan && offset < end {
                page.more = true;
                break;
            }
        }
        page
    }
}

/// What happens at some moment. Those of a session die with it.
#[derive(Debug)]
pub(super) enum Task {
    Accept(usize),
    Page(usize, u8, u32, Page),
    Taken(usize, u8, Vec<Item>, u64),
    Serve(usize, u64, Want, Vec<u8>),
    Frame(usize, Vec<u8>),
    Append(usize, Entry),
    Want(usize, u64),
    Receipts(usize, Vec<Vec<u8>>),
    /// The process of a side ends without warning and starts again; with a new feed or the same.
    Restart(usize, bool),
}

impl Task {
    const fn of_session(&self) -> bool {
        matches!(
            self,
            Self::Accept(..) | Self::Page(..) | Self::Taken(..) | Self::Serve(..) | Self::Frame(..)
        )
    }
}

/// Says which seed failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing seed: {}", self.0);
        }
    }
}

/// Two sides and what is under way.
pub(super) struct Pair {
    seed: Seed,
    pub(super) rng: Rng,
    pub(super) weather: Weather,
    pub(super) now: Millis,
    pub(super) sides: [Side; 2],
    tasks: BTreeMap<(Millis, u64), Task>,
    count: u64,
    last: [[Millis; 4]; 2],
    /// A side that stores nothing for now.
    pub(super) stall: Option<usize>,
    stalled: Vec<Task>,
    /// Feed bytes that were put on the carrier, per receiving side.
    pub(super) sent: [u64; 2],
}

impl Pair {
    pub(super) fn new(seed: u64, weather: Weather, interests: [Interest; 2]) -> Self {
        let mut id = 0;
        let sides = interests.map(|interest| {
            id += 1;
            Side {
                session: session(hello(id), &weather, 0),
                hello: hello(id),
                feed: Vec::new(),
                largest: 0,
                interest,
                known: None,
                cursors: [0; CLASSES],
                stored: Default::default(),
                wants: BTreeMap::new(),
                receipts: Vec::new(),
                peer_interest: None,
                closed: None,
                storing: Default::default(),
            }
        });
        Self {
            seed: Seed(seed),
            rng: Rng(seed),
            weather,
            now: 0,
            sides,
            tasks: BTreeMap::new(),
            count: 0,
            last: [[0; 4]; 2],
            stall: None,
            stalled: Vec::new(),
            sent: [0; 2],
        }
    }

    pub(super) fn at(&mut self, when: Millis, task: Task) {
        self.count += 1;
        self.tasks.insert((when, self.count), task);
    }

    fn soon(&mut self, within: Millis, task: Task) {
        let when = self.now + self.rng.below(within + 1);
        self.at(when, task);
    }

    /// Until nothing is to be done any more on either side.
    pub(super) fn run(&mut self) {
        if self.stall.is_none() {
            for task in std::mem::take(&mut self.stalled) {
                self.at(self.now, task);
            }
        }
        for _ in 0..STEPS_MAX {
            self.settle();
            let task = self.tasks.first_key_value().map(|((due, _), _)| *due);
            let timers = self.sides.iter().filter_map(|s| s.session.poll_timeout());
            let Some(next) = timers.chain(task).min() else {
                return;
            };
            self.now = self.now.max(next);
            self.step();
        }
        panic!("seed {} does not come to rest", self.seed.0);
    }

    fn step(&mut self) {
        while let Some(entry) = self.tasks.first_entry()
            && entry.key().0 <= self.now
        {
            let task = entry.remove();
            self.perform(task);
            self.settle();
        }
        for side in &mut self.sides {
            if side.session.poll_timeout().is_some_and(|t| t <= self.now) {
                side.session.handle_timeout(self.now);
                let next = side.session.poll_timeout();
                assert!(next.is_none_or(|t| t > self.now), "a timer that stays due");
            }
        }
    }

    /// Answers events and puts frames on the carrier until both sessions are quiet.
    pub(super) fn settle(&mut self) {
        for me in 0..2 {
            while let Some(event) = self.sides[me].session.poll_event() {
                self.answer(me, event);
            }
            while let Some(transmit) = self.sides[me].session.poll_transmit(self.now) {
                self.send(1 - me, transmit.priority, transmit.bytes);
            }
            self.check_bounds(me);
        }
    }

    fn send(&mut self, to: usize, priority: u8, bytes: Vec<u8>) {
        if let Ok(Frame::Feed(Feed {
            item: Some(item), ..
        })) = codec::decode(&bytes)
        {
            self.sent[to] += item.weight();
        }
        let copies = 1 + u64::from(self.rng.chance(self.weather.twice));
        for _ in 0..copies {
            if self.rng.chance(self.weather.loss) {
                continue;
            }
            let mut due = self.now + 1 + self.rng.below(self.weather.delay);
            if self.weather.ordered {
                let last = &mut self.last[to][usize::from(priority)];
                due = due.max(*last);
                *last = due;
            }
            self.at(due, Task::Frame(to, bytes.clone()));
        }
    }

    fn answer(&mut self, me: usize, event: Event) {
        let (read, store) = (self.weather.read, self.weather.store);
        match event {
            Event::Hello(_) => self.soon(read, Task::Accept(me)),
            Event::Established(interest) => {
                assert_eq!(interest, self.sides[1 - me].interest);
                self.sides[me].peer_interest = Some(interest);
                self.ask(me);
            }
            Event::ReadFeed {
                class,
                after,
                upto,
                bytes_max,
                token,
            } => {
                let scan = 1 + self.rng.below(20);
                let page = self.sides[me].page(class, after, upto, bytes_max, scan);
                self.soon(read, Task::Page(me, class, token, page));
            }
            Event::TakeIn {
                class,
                items,
                through,
            } => {
                self.check_dependencies(me, class, &items);
                let due = self.now + self.rng.below(store + 1);
                let storing = &mut self.sides[me].storing[usize::from(class)];
                storing.0 += items.iter().map(Item::weight).sum::<u64>();
                storing.1 += 1;
                storing.2 = storing.2.max(due);
                let due = storing.2;
                self.at(due, Task::Taken(me, class, items, through));
            }
            Event::Receipts(receipts) => self.sides[me].receipts.extend(receipts),
            Event::ServeWant { id, want, resume } => {
                self.soon(read, Task::Serve(me, id, want, resume));
            }
            Event::WantPage { id, items, next } => {
                let wanted = self.sides[me].wants.get_mut(&id).expect("was wanted");
                wanted.got.extend(items.iter().map(number));
                wanted.asked = false;
                match next {
                    Some(next) => wanted.resume = next,
                    None => wanted.done = true,
                }
                self.ask(me);
            }
            Event::Closed(goodbye) => self.sides[me].closed = Some(goodbye),
        }
    }

    /// Opens the wants that are not open and not done.
    fn ask(&mut self, me: usize) {
        let side = &mut self.sides[me];
        for (id, wanted) in &mut side.wants {
            if !wanted.done && !wanted.asked && side.session.may_want() {
                let want = Want::Subject(id.to_string());
                let resume = wanted.resume.clone();
                side.session.want(self.now, *id, want, resume);
                wanted.asked = true;
            }
        }
    }

    fn perform(&mut self, task: Task) {
        let now = self.now;
        match task {
            Task::Accept(me) => {
                let side = &mut self.sides[me];
                let feed = side.session.peer_feed().0;
                if side.known != Some(feed) {
                    side.known = Some(feed);
                    side.cursors = [0; CLASSES];
                    side.stored = Default::default();
                    let cursors = self.rng.chance(50).then_some(side.cursors);
                    side.session.accept(now, cursors, side.interest.clone());
                } else {
                    let cursors = Some(side.cursors);
                    side.session.accept(now, cursors, side.interest.clone());
                }
            }
            Task::Page(me, class, token, page) => {
                self.sides[me].session.handle_page(now, class, token, page);
            }
            task @ Task::Taken(me, ..) if self.stall == Some(me) => self.stalled.push(task),
            Task::Taken(me, class, items, through) => {
                self.store(me, class, &items, through);
                self.sides[me].session.handle_taken(class, through);
            }
            Task::Serve(me, id, want, resume) => {
                let (items, next) = want_page(&want, &resume);
                let session = &mut self.sides[me].session;
                session.handle_want_page(id, resume, items, next);
            }
            Task::Frame(to, bytes) => {
                let result = self.sides[to].session.handle_frame(now, &bytes);
                result.expect("nobody misbehaves here");
            }
            Task::Append(me, entry) => {
                let side = &mut self.sides[me];
                side.largest = side.largest.max(entry.size as u64 + 80);
                side.feed.push(entry);
                side.session.handle_grown();
            }
            Task::Want(me, id) => {
                self.sides[me].wants.insert(id, Wanted::default());
                self.ask(me);
            }
            Task::Receipts(me, receipts) => self.sides[me].session.send_receipts(receipts),
            Task::Restart(me, renew) => self.restart(me, renew),
        }
    }

    fn store(&mut self, me: usize, class: u8, items: &[Item], through: u64) {
        let interest = self.sides[me].interest.clone();
        let expected = self.sides[1 - me].expected(usize::from(class), &interest);
        let side = &mut self.sides[me];
        let class = usize::from(class);
        let storing = &mut side.storing[class];
        storing.0 -= items.iter().map(Item::weight).sum::<u64>();
        storing.1 -= 1;
        assert!(through > side.cursors[class], "a cursor that does not move");
        side.cursors[class] = through;
        side.stored[class].extend(items.iter().map(number));
        let stored = &side.stored[class];
        assert!(
            expected.starts_with(stored) && stored.last().is_none_or(|l| *l <= through),
            "class {class}: stored {stored:?} of {expected:?}"
        );
    }

    /// The connection ends with the process of one side; the other finishes what it is storing.
    fn restart(&mut self, me: usize, renew: bool) {
        let tasks = std::mem::take(&mut self.tasks);
        for (when, task) in tasks {
            match task {
                Task::Taken(side, class, items, through) if side != me => {
                    self.store(side, class, &items, through);
                }
                task if task.of_session() => {}
                task => {
                    self.tasks.insert(when, task);
                }
            }
        }
        if renew {
            let id = self.sides[me].hello.feed[0] + 2;
            self.sides[me].hello = hello(id);
        }
        self.last = [[self.now; 4]; 2];
        for side in &mut self.sides {
            side.session = session(side.hello.clone(), &self.weather, self.now);
            side.storing = Default::default();
            side.peer_interest = None;
            side.wants.values_mut().for_each(|w| w.asked = false);
        }
    }

    // ---- checks -------------------------------------------------------------------------------------------------

    fn check_dependencies(&self, me: usize, class: u8, items: &[Item]) {
        let (Some(last), true) = (items.last().map(number), class > 0) else {
            return;
        };
        let needed = self.sides[1 - me].expected(0, &self.sides[me].interest);
        let needed = needed.iter().take_while(|offset| **offset < last).count();
        assert!(
            self.sides[me].stored[0].len() >= needed,
            "item {last} of class {class} goes ahead of its directory"
        );
    }

    fn check_bounds(&self, me: usize) {
        let (side, window) = (&self.sides[me], self.weather.window);
        for class in 0..CLASSES {
            let (bytes, groups, _) = side.storing[class];
            let peers = self.sides[1 - me].largest;
            assert!(groups <= 4, "{groups} groups open");
            assert!(bytes <= window.max(peers), "{bytes} bytes being stored");
            let held = side.session.incoming[class].held();
            assert!(held <= window.max(peers), "{held} bytes received");
            // a page may go beyond its measure by one item, and ends with a step without item
            let held = side.session.outgoing[class].held();
            let bound = window + side.largest + 32;
            assert!(held <= bound, "{held} bytes kept for sending");
        }
        assert!(side.session.pages.len() <= 64, "pages pile up");
    }

    /// Everything that was to arrive has arrived, once and in order.
    pub(super) fn check_all_arrived(&self) {
        for (me, side) in self.sides.iter().enumerate() {
            let peer = &self.sides[1 - me];
            assert!(
                side.session.is_established(),
                "side {me} is not established"
            );
            for class in 0..CLASSES {
                let expected = peer.expected(class, &side.interest);
                assert_eq!(side.stored[class], expected, "side {me} class {class}");
                let head = peer.feed.len() as u64;
                assert_eq!(side.cursors[class], head, "side {me} class {class} cursor");
            }
            for (id, wanted) in &side.wants {
                let expected: Vec<u64> = (1..=want_length(*id)).collect();
                assert_eq!(wanted.got, expected, "side {me} want {id}");
                assert!(wanted.done, "side {me} want {id}");
            }
        }
    }
}

fn session(hello: Hello, weather: &Weather, now: Millis) -> Session {
    let config = Config {
        hello,
        window: weather.window,
        retransmit: weather.retransmit,
    };
    Session::new(config, now)
}

/// How many items are held about a subject.
const fn want_length(id: u64) -> u64 {
    id % 11
}

fn want_page(want: &Want, resume: &[u8]) -> (Vec<Item>, Option<Vec<u8>>) {
    let Want::Subject(subject) = want else {
        return (Vec::new(), None);
    };
    let length = want_length(subject.parse().expect("made by ask()"));
    let from = resume.try_into().map_or(0, u64::from_le_bytes);
    let to = (from + WANT_PAGE_ITEMS).min(length);
    let items = (from + 1..=to).map(|n| item(n, 1, 10)).collect();
    (items, (to < length).then(|| to.to_le_bytes().to_vec()))
}
