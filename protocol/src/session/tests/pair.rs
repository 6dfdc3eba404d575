//! Two parties with small feeds and durable stores, and the weather between them. Everything follows from the seed.
//!
//! Long because two parties, their stores and the weather between them make one test world.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec;
use crate::frame::{
    CLASSES, Cursor, Digest, FRAME_HIGHEST, Feed, Frame, Goodbye, GoodbyeCode, Health, Hello,
    Interest, Item, LogEntry, LogsEnd, PageCode, Presence, Reason, Resume, Routed, Scope, State,
    Token, Want,
};
use crate::hash::{Hash, Ref};
use crate::name::{FeedId, Incarnation, InstanceId, SeatId};
use crate::session::{Acceptance, Answer, Config, Event, Millis, Page, Session};
use crate::sign::Sigs;

/// Steps after which a run counts as one that never ends.
const STEPS_MAX: u32 = 200_000;
/// Items of one page of a want.
const WANT_PAGE_ITEMS: u64 = 3;
/// References of one page of statements.
const STATEMENT_PAGE: usize = 3;
/// Highest item number that the parties read: more than this release knows, so that they send each other such items.
const ITEMS: u8 = 250;

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
    /// The receiver refuses it for its bytes.
    pub(super) poison: bool,
    /// Drawn when it is taken into the feed.
    pub(super) token: Token,
}

impl Entry {
    pub(super) fn new(class: u8, size: usize) -> Self {
        Self {
            class,
            size,
            region: 0,
            poison: false,
            token: Token::default(),
        }
    }
}

pub(super) fn item(number: u64, class: u8, size: usize) -> Item {
    let bytes = number.to_le_bytes().to_vec();
    match class {
        0 => Item::Envelope([bytes, vec![0; size]].concat()),
        1 if number.is_multiple_of(7) => Item::Unread {
            number: 9,
            body: [bytes, vec![9; size]].concat(),
        },
        2 if number.is_multiple_of(5) => Item::Routed(Routed {
            subjects: vec![number.to_string(); 1 + size / 50],
            from: String::new(),
            to: "R".into(),
            by: SeatId::default(),
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
        Item::Unread { body, .. } => head(body),
        Item::Routed(routed) => routed.subjects[0].parse().expect("made by item()"),
        other => panic!("not made by item(): {other:?}"),
    }
}

pub(super) fn hello(feed: u8) -> Hello {
    Hello {
        frames: FRAME_HIGHEST,
        items: ITEMS,
        instance: InstanceId([feed; 16]),
        incarnation: incarnation(feed),
        release: "test".into(),
        seats: vec![Presence {
            seat: SeatId([feed; 16]),
            signatures: Sigs::of([0; 64]),
        }],
        statements: Vec::new(),
    }
}

pub(super) fn incarnation(feed: u8) -> Incarnation {
    Incarnation {
        counter: u64::from(feed),
        feed: FeedId([feed; 16]),
    }
}

pub(super) fn everything() -> Interest {
    Interest {
        full: true,
        ..Interest::default()
    }
}

pub(super) fn acceptance(cursors: Option<[Cursor; CLASSES]>, interest: Interest) -> Acceptance {
    Acceptance {
        cursors,
        interest,
        words: Vec::new(),
        logs: Vec::new(),
        without_city: false,
        digest: Digest::default(),
    }
}

/// Word number `n` about a log of this seat.
pub(super) fn log_entry(seat: u8, n: u64) -> LogEntry {
    LogEntry {
        seat: SeatId([seat; 16]),
        lane: 1,
        opening: reference(1),
        state: State::Running,
        reason: Reason::None,
        since: 0,
        taken_in: n,
        applied: 0,
        header: vec![0; 100],
        opening_envelope: vec![0; 100],
    }
}

/// Word number `n` about this seat.
pub(super) fn health(seat: u8, n: i64) -> Health {
    Health {
        seat: SeatId([seat; 16]),
        since: n,
        state: State::Held,
        reasons: vec![Reason::Disk],
        figures: Vec::new(),
        release: "test".into(),
        relayed: false,
    }
}

pub(super) fn reference(n: u8) -> Ref {
    Ref::of(Hash([n; 32]))
}

/// What is held of a want, durably.
#[derive(Debug, Default)]
struct Wanted {
    place: Vec<u8>,
    got: Vec<u64>,
    done: bool,
    asked: bool,
}

/// What was heard within one session beside feed and wants.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// How the list of logs ended, if it did.
    pub(super) logs_end: Option<LogsEnd>,
    /// When and what of the logs of each seat.
    pub(super) logs: BTreeMap<SeatId, Vec<(Millis, u64)>>,
    /// When and what of the health of each seat.
    pub(super) health: BTreeMap<SeatId, Vec<(Millis, i64)>>,
    /// What the peer holds of statements, once asked.
    pub(super) statements: Option<Vec<Ref>>,
}

/// One party: a session, and what outlives it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) session: Session,
    pub(super) hello: Hello,
    pub(super) feed: Vec<Entry>,
    /// Items of the feed that the peer has refused.
    pub(super) skip: BTreeSet<(u8, u64)>,
    /// Weight of the largest item in the feed, at most.
    largest: u64,
    /// Every interest that was stated, by version; the last one counts.
    interests: BTreeMap<u32, Interest>,
    known: Option<Incarnation>,
    cursors: [Cursor; CLASSES],
    pub(super) stored: [Vec<u64>; CLASSES],
    wants: BTreeMap<u64, Wanted>,
    pub(super) receipts: Vec<Vec<u8>>,
    /// Logs and statements that are held.
    pub(super) logs: Vec<LogEntry>,
    pub(super) statements: Vec<Ref>,
    pub(super) heard: Heard,
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
    pub(super) fn interest(&self) -> Interest {
        let newest = self.interests.last_key_value();
        newest.expect("one was stated at first").1.clone()
    }

    /// Numbers of the items of a class behind `after` up to `through` that concern a peer with this interest.
    fn expected(&self, class: usize, after: u64, through: u64, interest: &Interest) -> Vec<u64> {
        let entries = self.feed.iter().zip(1..);
        entries
            .filter(|(_, offset)| *offset > after && *offset <= through)
            .filter(|(e, _)| usize::from(e.class) == class && matches(e, interest) && !e.poison)
            .map(|(_, offset)| offset)
            .collect()
    }

    fn token(&self, offset: u64) -> Option<Token> {
        match offset.checked_sub(1) {
            None => Some(Token::default()),
            Some(place) => self.feed.get(place as usize).map(|e| e.token),
        }
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
                page.items.push((offset, entry.token, item));
            }
            page.through = offset;
            if offset - after >= scan && offset < end {
                page.more = true;
                break;
            }
        }
        page.token = self.token(page.through).unwrap_or_default();
        page
    }
}

/// How a process starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With everything that it had stored.
    Same,
    /// With another incarnation: what it sends is another feed.
    Renewed,
    /// From a copy of its store, without knowing it: its feed lacks its last items and goes on otherwise.
    PutBack,
}

/// What happens at some moment. Those of a session die with it.
#[derive(Debug)]
pub(super) enum Task {
    Accept(usize),
    Begin(usize, Box<Resume>),
    Page(usize, u8, u32, Page),
    Taken(usize, Group),
    Serve(usize, u64, Want, Vec<u8>),
    ServeStatements(usize, Scope, Ref),
    Frame(usize, Vec<u8>),
    Append(usize, Entry),
    Want(usize, u64),
    Interest(usize, Interest),
    Receipts(usize, Vec<Vec<u8>>),
    Health(usize, Health),
    LogNews(usize, LogEntry),
    /// The process of a side ends without warning and starts again.
    Restart(usize, Start),
}

/// What is being stored.
#[derive(Debug)]
pub(super) struct Group {
    class: u8,
    items: Vec<(u64, Item)>,
    through: Cursor,
    interest: u32,
}

impl Group {
    fn weight(&self) -> u64 {
        self.items.iter().map(|(_, item)| item.weight()).sum()
    }
}

impl Task {
    const fn of_session(&self) -> bool {
        matches!(
            self,
            Self::Accept(..)
                | Self::Begin(..)
                | Self::Page(..)
                | Self::Taken(..)
                | Self::Serve(..)
                | Self::ServeStatements(..)
                | Self::Frame(..)
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
                skip: BTreeSet::new(),
                largest: 0,
                interests: BTreeMap::from([(interest.version, interest)]),
                known: None,
                cursors: Default::default(),
                stored: Default::default(),
                wants: BTreeMap::new(),
                receipts: Vec::new(),
                logs: Vec::new(),
                statements: Vec::new(),
                heard: Heard::default(),
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
        let now = self.now;
        match event {
            Event::Hello(_) => self.soon(read, Task::Accept(me)),
            Event::Established(resume) => {
                let said = &resume.interest;
                assert_eq!(self.sides[1 - me].interests.get(&said.version), Some(said));
                self.sides[me].peer_interest = Some(said.clone());
                self.soon(read, Task::Begin(me, Box::new(resume)));
                self.ask(me);
            }
            Event::InterestChanged(interest) => self.sides[me].peer_interest = Some(interest),
            Event::ReadFeed {
                class,
                after,
                upto,
                bytes_max,
                read: number,
            } => {
                let scan = 1 + self.rng.below(20);
                let page = self.sides[me].page(class, after, upto, bytes_max, scan);
                self.soon(read, Task::Page(me, class, number, page));
            }
            Event::FeedAnew { class } => {
                let class = usize::from(class);
                let side = &mut self.sides[me];
                assert!(side.cursors[class].offset > 0, "a feed anew for nothing");
                side.cursors[class] = Cursor::default();
                side.stored[class].clear();
            }
            Event::TakeIn {
                class,
                items,
                through,
                interest,
            } => {
                let group = Group {
                    class,
                    items,
                    through,
                    interest,
                };
                let feed = &self.sides[1 - me].feed;
                let poison = group.items.iter().find(|(offset, item)| {
                    assert_eq!(number(item), *offset);
                    feed[*offset as usize - 1].poison
                });
                if let Some((offset, _)) = poison {
                    let offset = *offset;
                    return self.sides[me].session.refuse_item(class, offset, "坏的");
                }
                self.check_dependencies(me, &group);
                let due = now + self.rng.below(store + 1);
                let storing = &mut self.sides[me].storing[usize::from(class)];
                storing.0 += group.weight();
                storing.1 += 1;
                storing.2 = storing.2.max(due);
                let due = storing.2;
                self.at(due, Task::Taken(me, group));
            }
            Event::Receipts(receipts) => self.sides[me].receipts.extend(receipts),
            Event::Logs { entries, end } => {
                let heard = &mut self.sides[me].heard;
                for entry in entries {
                    let words = heard.logs.entry(entry.seat).or_default();
                    words.push((now, entry.taken_in));
                }
                if end != LogsEnd::More {
                    heard.logs_end = Some(end);
                }
            }
            Event::Health(all) => {
                let heard = &mut self.sides[me].heard;
                for health in all {
                    let words = heard.health.entry(health.seat).or_default();
                    words.push((now, health.since));
                }
            }
            Event::Digest(digest) => {
                let side = &mut self.sides[me];
                if digest.count != side.statements.len() as u64 && side.heard.statements.is_none() {
                    side.heard.statements = Some(Vec::new());
                    side.session.ask_statements(digest.scope, Ref::ZERO);
                }
            }
            Event::ServeStatements { scope, after } => {
                self.soon(read, Task::ServeStatements(me, scope, after));
            }
            Event::Statements {
                scope,
                references,
                last,
            } => {
                let side = &mut self.sides[me];
                let heard = side.heard.statements.get_or_insert_default();
                heard.extend(references);
                if !last {
                    let after = *heard
                        .last()
                        .expect("a page that is not the last says something");
                    assert!(side.session.ask_statements(scope, after));
                }
            }
            Event::ServeWant {
                number,
                want,
                place,
            } => self.soon(read, Task::Serve(me, number, want, place)),
            Event::WantPage {
                number: id,
                code,
                items,
                next,
                ..
            } => {
                assert_eq!(code, PageCode::Given);
                let wanted = self.sides[me].wants.get_mut(&id).expect("was wanted");
                wanted.got.extend(items.iter().map(number));
                wanted.asked = false;
                match next {
                    Some(next) => wanted.place = next,
                    None => wanted.done = true,
                }
                self.ask(me);
            }
            Event::Refused { class, offset } => {
                let entry = &self.sides[me].feed[offset as usize - 1];
                assert!(entry.poison && entry.class == class, "{entry:?}");
                self.sides[me].skip.insert((class, offset));
            }
            Event::Closed(goodbye) => {
                if goodbye.code == GoodbyeCode::ItemRefused {
                    self.at(now + 200, Task::Restart(me, Start::Same));
                }
                self.sides[me].closed = Some(goodbye);
            }
        }
    }

    /// Opens the wants that are not open and not done.
    fn ask(&mut self, me: usize) {
        let side = &mut self.sides[me];
        for (id, wanted) in &mut side.wants {
            if !wanted.done && !wanted.asked && side.session.may_want() {
                let want = Want::Subject(id.to_string());
                let place = wanted.place.clone();
                side.session.want(*id, want, place);
                wanted.asked = true;
            }
        }
    }

    fn perform(&mut self, task: Task) {
        let now = self.now;
        match task {
            Task::Accept(me) => {
                let side = &mut self.sides[me];
                let known = Some(side.session.peer_incarnation());
                let mut cursors = Some(side.cursors);
                if side.known != known {
                    side.known = known;
                    side.cursors = Default::default();
                    side.stored = Default::default();
                    cursors = self.rng.chance(50).then_some(side.cursors);
                }
                let acceptance = Acceptance {
                    logs: side.logs.clone(),
                    digest: Digest {
                        count: side.statements.len() as u64,
                        ..Digest::default()
                    },
                    ..acceptance(cursors, side.interest())
                };
                side.session.accept(now, acceptance);
            }
            Task::Begin(me, resume) => {
                let side = &mut self.sides[me];
                let differs = |c: &Cursor| side.token(c.offset) != Some(c.token);
                let anew = resume.cursors.iter().any(differs);
                side.session.begin(now, anew, side.skip.clone());
            }
            Task::Page(me, class, number, page) => {
                self.sides[me].session.handle_page(class, number, page);
            }
            task @ Task::Taken(me, ..) if self.stall == Some(me) => self.stalled.push(task),
            Task::Taken(me, group) => {
                let (class, through) = (group.class, group.through.offset);
                self.store(me, group);
                self.sides[me].session.handle_taken(class, through);
            }
            Task::Serve(me, id, want, place) => {
                let answer = want_page(&want, &place);
                let session = &mut self.sides[me].session;
                session.handle_want_page(id, place, answer);
            }
            Task::ServeStatements(me, scope, after) => {
                let side = &mut self.sides[me];
                let held = side.statements.iter().filter(|r| **r > after);
                let rest: Vec<Ref> = held.copied().collect();
                let page: Vec<Ref> = rest.iter().copied().take(STATEMENT_PAGE).collect();
                let last = page.len() == rest.len();
                side.session.handle_statements(scope, page, last);
            }
            Task::Frame(to, bytes) => {
                let result = self.sides[to].session.handle_frame(now, &bytes);
                result.expect("nobody misbehaves here");
            }
            Task::Append(me, mut entry) => {
                let token = self.rng.next().to_be_bytes();
                entry.token = Token([token, [me as u8; 8]].concat().try_into().expect("16"));
                let side = &mut self.sides[me];
                side.largest = side.largest.max(2 * entry.size as u64 + 200);
                side.feed.push(entry);
                side.session.handle_grown();
            }
            Task::Want(me, id) => {
                self.sides[me].wants.insert(id, Wanted::default());
                self.ask(me);
            }
            Task::Interest(me, interest) => {
                let side = &mut self.sides[me];
                side.interests.insert(interest.version, interest.clone());
                side.session.change_interest(interest);
            }
            Task::Receipts(me, receipts) => self.sides[me].session.send_receipts(receipts),
            Task::Health(me, health) => {
                assert!(self.sides[me].session.send_health(now, health));
            }
            Task::LogNews(me, entry) => {
                assert!(self.sides[me].session.send_log_news(now, vec![entry]));
            }
            Task::Restart(me, start) => self.restart(me, start),
        }
    }

    fn store(&mut self, me: usize, group: Group) {
        let class = usize::from(group.class);
        let [side, peer] = self.both(me);
        let (after, through) = (side.cursors[class].offset, group.through.offset);
        let interest = &side.interests[&group.interest];
        let expected = peer.expected(class, after, through, interest);
        let stored: Vec<u64> = group.items.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(
            stored, expected,
            "class {class} behind {after} to {through}"
        );
        assert_eq!(peer.token(through), Some(group.through.token), "token");
        assert!(through > after, "a cursor that does not move");
        let storing = &mut side.storing[class];
        storing.0 -= group.weight();
        storing.1 -= 1;
        side.cursors[class] = group.through;
        side.stored[class].extend(stored);
    }

    fn both(&mut self, me: usize) -> [&mut Side; 2] {
        let [first, second] = &mut self.sides;
        match me {
            0 => [first, second],
            _ => [second, first],
        }
    }

    /// The connection ends with the process of one side; the other finishes what it is storing.
    fn restart(&mut self, me: usize, start: Start) {
        let tasks = std::mem::take(&mut self.tasks);
        for (when, task) in tasks {
            match task {
                Task::Taken(side, group) if side != me => self.store(side, group),
                task if task.of_session() => {}
                task => {
                    self.tasks.insert(when, task);
                }
            }
        }
        match start {
            Start::Same => {}
            Start::Renewed => {
                let id = self.sides[me].hello.instance.0[0] + 2;
                self.sides[me].hello = hello(id);
                self.sides[me].skip.clear();
            }
            Start::PutBack => {
                let length = self.rng.below(self.sides[me].feed.len() as u64 + 1);
                self.sides[me].feed.truncate(length as usize);
                self.sides[me].skip.retain(|(_, offset)| *offset <= length);
            }
        }
        self.last = [[self.now; 4]; 2];
        for side in &mut self.sides {
            side.session = session(side.hello.clone(), &self.weather, self.now);
            side.storing = Default::default();
            side.peer_interest = None;
            side.closed = None;
            side.heard = Heard::default();
            side.wants.values_mut().for_each(|w| w.asked = false);
        }
    }

    // ---- checks -------------------------------------------------------------------------------------------------

    fn check_dependencies(&self, me: usize, group: &Group) {
        let (Some((last, _)), true) = (group.items.last(), group.class > 0) else {
            return;
        };
        let needed = self.sides[1 - me].expected(0, 0, *last, &everything());
        assert!(
            self.sides[me].stored[0].len() >= needed.len(),
            "item {last} of class {} goes ahead of its directory",
            group.class
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
                "side {me} is not established: {:?}",
                side.closed
            );
            for class in 0..CLASSES {
                // what was stored was compared as it was stored
                let head = peer.feed.len() as u64;
                let cursor = side.cursors[class];
                if head == 0 {
                    // a feed that was put back before its first item begins anew with the next one
                    continue;
                }
                assert_eq!(cursor.offset, head, "side {me} class {class} cursor");
                assert_eq!(peer.token(head), Some(cursor.token));
                if side.interests.len() == 1 {
                    let expected = peer.expected(class, 0, head, &side.interest());
                    assert_eq!(side.stored[class], expected, "side {me} class {class}");
                }
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

fn want_page(want: &Want, place: &[u8]) -> Answer {
    let Want::Subject(subject) = want else {
        return Answer::none(PageCode::NotHeld);
    };
    let length = want_length(subject.parse().expect("made by ask()"));
    let from = place.try_into().map_or(0, u64::from_le_bytes);
    let to = (from + WANT_PAGE_ITEMS).min(length);
    Answer {
        code: PageCode::Given,
        built_at: 7,
        items: (from + 1..=to).map(|n| item(n, 1, 10)).collect(),
        next: (to < length).then(|| to.to_le_bytes().to_vec()),
        header: None,
    }
}
