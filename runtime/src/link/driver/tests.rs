//! Sessions driven over memory and over real QUIC between two hosts that keep their feeds in memory.
//! Long because one scene serves all tests of the driver.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use protocol::envelope::kind;
use protocol::frame::{
    Cursor, Digest, FRAME_HIGHEST, Frame as Said, Health, Hello, ITEM_HIGHEST, Item, LogEntry,
    LogsEnd, PageCode, Presence, Reason, Resume, Routed, State, Token,
};
use protocol::hash::Hash;
use protocol::name::{FeedId, Incarnation, InstanceId};
use protocol::presence;
use protocol::sign::{Keys, SigningKey};

use super::*;
use crate::link::LinkEnd;
use crate::link::endpoint::{Arrival, Dialer, Listener, Settings};
use crate::link::registry::Handle;
use crate::tls::InstanceIdentity;
use crate::worker::until;

mod bounds;
mod course;
mod faults;
mod redial;
mod stop;
mod words;

const AT_MOST: Duration = Duration::from_secs(20);

/// A party whose feed is a list of items, each of one class.
#[derive(Default)]
struct Party {
    seat: u8,
    feed: Mutex<Vec<(u8, Item)>>,
    /// What it has taken of the peer's feed: class, offset, version of the interest.
    taken: Mutex<Vec<(u8, u64, u32)>>,
    cursors: Mutex<[Cursor; CLASSES]>,
    interest: Mutex<Interest>,
    /// Classes whose cursor was forgotten.
    forgotten: Mutex<Vec<u8>>,
    /// Items of the peer that it refuses for their bytes.
    refuses: Mutex<BTreeSet<(u8, u64)>>,
    /// Items of its own that the peer has refused.
    skipped: Mutex<BTreeSet<(u8, u64)>>,
    storing: AtomicUsize,
    storing_most: AtomicUsize,
    calls: AtomicUsize,
    /// How it fails when it is to store.
    fails: Mutex<Option<Fails>>,
    /// Whether it knows that the session is established; asked before everything that comes of the peer.
    knows: AtomicBool,
    admits_nobody: AtomicBool,
    judges: Duration,
    establishes: Duration,
    stores: Duration,
    forgets: Duration,
    hears: Duration,
    notes: Duration,
    receipts: Mutex<Vec<Vec<u8>>>,
    stores_no_receipts: AtomicBool,
    stores_no_pages: AtomicBool,
    serves_nothing: AtomicBool,
    /// Logs of the list of the greeting.
    list: Mutex<Vec<LogEntry>>,
    /// What was heard of logs, health, and pages, in order.
    heard: Mutex<Vec<Heard>>,
    statements: Mutex<BTreeSet<Ref>>,
    /// References of the peer's statements.
    theirs: Mutex<BTreeSet<Ref>>,
    served: AtomicUsize,
    wanted: Mutex<BTreeMap<u64, Vec<Item>>>,
    ends: Mutex<Vec<SessionEnd>>,
    handles: Mutex<Vec<Handle>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    Jurisdiction,
    Disk,
    Panic,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Logs(Vec<LogEntry>, LogsEnd),
    Health(Health),
    Page(u64, PageCode),
}

fn item(n: u64, region: &str) -> Item {
    Item::Routed(Routed {
        subjects: vec![format!("{n}{}", "x".repeat(500))],
        from: String::new(),
        to: region.to_owned(),
        by: SeatId::default(),
    })
}

fn seat(n: u8) -> SeatId {
    SeatId([n; 16])
}

fn key(seat: u8) -> SigningKey {
    SigningKey::from_seed(&[seat; 32])
}

fn reference(n: u8) -> Ref {
    Ref::of(Hash([n; 32]))
}

/// An envelope of a receipt, as far as the conversation looks into it.
fn receipt(n: u8) -> Vec<u8> {
    vec![1, kind::RECEIPT, n]
}

fn entry(n: u8, taken_in: u64) -> LogEntry {
    LogEntry {
        seat: seat(n),
        lane: 2,
        opening: reference(n),
        state: State::Running,
        reason: Reason::None,
        since: 0,
        taken_in,
        applied: taken_in,
        header: Vec::new(),
        opening_envelope: Vec::new(),
    }
}

fn health(of: SeatId, since: i64) -> Health {
    Health {
        seat: of,
        since,
        state: State::Running,
        reasons: Vec::new(),
        figures: Vec::new(),
        release: "test".to_owned(),
        relayed: false,
    }
}

fn hello(seat_number: u8, exporter: &[u8; 32]) -> Hello {
    let seat = seat(seat_number);
    Hello {
        frames: FRAME_HIGHEST,
        items: ITEM_HIGHEST,
        instance: InstanceId([seat_number; 16]),
        incarnation: Incarnation {
            counter: 1,
            feed: FeedId([seat_number; 16]),
        },
        release: "test".to_owned(),
        seats: vec![Presence {
            seat,
            signatures: presence::sign(&seat, exporter, &key(seat_number)),
        }],
        statements: Vec::new(),
    }
}

fn token(offset: u64) -> Token {
    match offset {
        0 => Token::default(),
        n => Token([n as u8 | 1; 16]),
    }
}

impl Party {
    fn new(seat: u8) -> Self {
        Self {
            seat,
            interest: Mutex::new(Interest {
                version: 1,
                full: true,
                ..Interest::default()
            }),
            ..Self::default()
        }
    }

    /// Further items of the feed, in classes by turns: offset 1 is of class 1.
    fn append(&self, count: u64) {
        self.append_for(count, "a");
    }

    fn append_for(&self, count: u64, region: &str) {
        let mut feed = self.feed.lock().expect("lock");
        for _ in 0..count {
            let offset = feed.len() as u64 + 1;
            feed.push(((offset % 3) as u8, item(offset, region)));
        }
    }

    fn taken(&self) -> usize {
        self.taken.lock().expect("lock").len()
    }

    /// What it has taken, by class and offset.
    fn places(&self) -> Vec<(u8, u64)> {
        let taken = self.taken.lock().expect("lock");
        let mut places: Vec<_> = taken.iter().map(|(class, at, _)| (*class, *at)).collect();
        places.sort_by_key(|(_, at)| *at);
        places
    }

    fn handle(&self) -> Handle {
        let handles = self.handles.lock().expect("lock");
        handles.last().expect("established").clone()
    }

    async fn is_established(&self) {
        let established = until(AT_MOST, || !self.handles.lock().expect("lock").is_empty()).await;
        assert!(established, "no session");
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("lock").clone()
    }

    fn hear(&self, heard: Heard) {
        self.heard.lock().expect("lock").push(heard);
    }

    fn digest(&self) -> Digest {
        let statements = self.statements.lock().expect("lock");
        let mut sum = [0u8; 32];
        for reference in statements.iter() {
            sum.iter_mut()
                .zip(reference.hash.0)
                .for_each(|(sum, byte)| *sum = sum.wrapping_add(byte));
        }
        Digest {
            count: statements.len() as u64,
            sum,
            ..Digest::default()
        }
    }

    #[track_caller]
    fn knows_of_the_session(&self) {
        assert!(
            self.knows.load(Ordering::Relaxed),
            "not established yet, as far as the host knows"
        );
    }
}

impl Host for Party {
    type Peer = u8;

    async fn introduce(&self, channel: Channel) -> Result<Hello, HostFault> {
        Ok(hello(self.seat, &channel.exporter))
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, u8), HostFault> {
        sleep(self.judges).await;
        if self.admits_nobody.load(Ordering::Relaxed) {
            return Err(HostFault::Peer {
                code: GoodbyeCode::NotAdmitted,
                text: "尚未批准入网".to_owned(),
            });
        }
        let Presence { seat, signatures } = &hello.seats[0];
        let keys = Keys::of(key(seat.0[0]).public(), None);
        assert!(presence::verify(&keys, seat, &channel.exporter, signatures));
        Ok((*seat, seat.0[0]))
    }

    async fn accept(&self, _: &u8) -> Result<Acceptance, HostFault> {
        assert_eq!(self.storing.load(Ordering::Relaxed), 0);
        self.knows.store(false, Ordering::Relaxed);
        Ok(Acceptance {
            cursors: Some(*self.cursors.lock().expect("lock")),
            interest: self.interest.lock().expect("lock").clone(),
            words: Vec::new(),
            logs: self.list.lock().expect("lock").clone(),
            without_city: false,
            digest: self.digest(),
        })
    }

    async fn established(
        &self,
        _: &u8,
        resume: Resume,
        handle: Handle,
    ) -> Result<Beginning, HostFault> {
        sleep(self.establishes).await;
        let anew = resume.cursors.iter().any(|c| c.token != token(c.offset));
        self.handles.lock().expect("lock").push(handle);
        self.knows.store(true, Ordering::Relaxed);
        Ok(Beginning {
            anew,
            skip: self.skipped.lock().expect("lock").clone(),
        })
    }

    async fn feed_anew(&self, _: &u8, class: u8) -> Result<(), HostFault> {
        self.knows_of_the_session();
        sleep(self.forgets).await;
        self.forgotten.lock().expect("lock").push(class);
        self.cursors.lock().expect("lock")[usize::from(class)] = Cursor::default();
        Ok(())
    }

    async fn refused(&self, _: &u8, class: u8, offset: u64, _: String) {
        sleep(self.notes).await;
        self.skipped.lock().expect("lock").insert((class, offset));
    }

    async fn read_feed(&self, _: &u8, request: FeedRequest) -> Result<Page, HostFault> {
        self.knows_of_the_session();
        let feed = self.feed.lock().expect("lock");
        let end = request.upto.unwrap_or(feed.len() as u64);
        let mut page = Page {
            through: request.after,
            ..Page::default()
        };
        let mut bytes = 0;
        for (offset, (class, item)) in (1..).zip(feed.iter()) {
            if offset <= request.after || offset > end {
                continue;
            }
            if bytes >= request.bytes_max {
                page.more = true;
                break;
            }
            page.through = offset;
            let Item::Routed(routed) = item else {
                panic!("of another kind");
            };
            let wanted = request.interest.full || request.interest.regions.contains(&routed.to);
            if *class == request.class && wanted {
                bytes += item.weight();
                page.items.push((offset, token(offset), item.clone()));
            }
        }
        page.token = token(page.through);
        Ok(page)
    }

    async fn take_in(&self, _: &u8, group: Group) -> Result<(), HostFault> {
        self.knows_of_the_session();
        let fails = *self.fails.lock().expect("lock");
        match fails {
            Some(Fails::Jurisdiction) => {
                return Err(HostFault::Peer {
                    code: GoodbyeCode::Jurisdiction,
                    text: "推送了辖区外的数据".to_owned(),
                });
            }
            Some(Fails::Disk) => return Err(HostFault::Here("磁盘已满".to_owned())),
            Some(Fails::Panic) => panic!("told to"),
            None => {}
        }
        let storing = self.storing.fetch_add(1, Ordering::Relaxed) + 1;
        self.storing_most.fetch_max(storing, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        sleep(self.stores).await;
        self.storing.fetch_sub(1, Ordering::Relaxed);
        let refuses = self.refuses.lock().expect("lock");
        let refused = |offset: u64| refuses.contains(&(group.class, offset));
        if let Some((offset, _)) = group.items.iter().find(|(offset, _)| refused(*offset)) {
            return Err(HostFault::Item {
                class: group.class,
                offset: *offset,
                text: "内容无法通过校验".to_owned(),
            });
        }
        let mut taken = self.taken.lock().expect("lock");
        let place = |(offset, _): &(u64, Item)| (group.class, *offset, group.interest);
        taken.extend(group.items.iter().map(place));
        let cursor = &mut self.cursors.lock().expect("lock")[usize::from(group.class)];
        assert!(
            cursor.offset < group.through.offset,
            "stored out of order: {} of class {} behind {}",
            group.through.offset,
            group.class,
            cursor.offset
        );
        assert_eq!(group.through.token, token(group.through.offset));
        *cursor = group.through;
        Ok(())
    }

    async fn receipts(&self, _: &u8, receipts: Vec<Vec<u8>>) -> Result<(), HostFault> {
        self.knows_of_the_session();
        if self.stores_no_receipts.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.receipts.lock().expect("lock").extend(receipts);
        Ok(())
    }

    async fn logs(&self, _: &u8, entries: Vec<LogEntry>, end: LogsEnd) -> Result<(), HostFault> {
        self.knows_of_the_session();
        sleep(self.hears).await;
        self.hear(Heard::Logs(entries, end));
        Ok(())
    }

    async fn health(&self, _: &u8, health: Vec<Health>) -> Result<(), HostFault> {
        self.knows_of_the_session();
        health.into_iter().for_each(|h| self.hear(Heard::Health(h)));
        Ok(())
    }

    async fn digest(&self, _: &u8, theirs: Digest) -> Result<bool, HostFault> {
        self.knows_of_the_session();
        let ours = self.digest();
        Ok((ours.count, ours.sum) != (theirs.count, theirs.sum))
    }

    /// Three at a time.
    async fn serve_statements(
        &self,
        _: &u8,
        _: Scope,
        after: Ref,
    ) -> Result<(Vec<Ref>, bool), HostFault> {
        self.knows_of_the_session();
        let behind: Vec<Ref> = {
            let statements = self.statements.lock().expect("lock");
            statements.iter().filter(|r| **r > after).copied().collect()
        };
        sleep(self.hears).await;
        self.served.fetch_add(1, Ordering::Relaxed);
        let page = behind.iter().take(3).copied().collect();
        Ok((page, behind.len() <= 3))
    }

    async fn statements(
        &self,
        _: &u8,
        _: Scope,
        references: Vec<Ref>,
        _: bool,
    ) -> Result<(), HostFault> {
        self.knows_of_the_session();
        self.theirs.lock().expect("lock").extend(references);
        Ok(())
    }

    /// Three pages; of a header one without items.
    async fn serve_want(&self, _: &u8, want: Want, place: Vec<u8>) -> Result<Answer, HostFault> {
        self.knows_of_the_session();
        self.served.fetch_add(1, Ordering::Relaxed);
        if self.serves_nothing.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if let Want::Header { seat, .. } = want {
            return Ok(Answer {
                header: Some(entry(seat.0[0], 7)),
                ..Answer::none(PageCode::Given)
            });
        }
        let n = place.first().copied().unwrap_or(0);
        Ok(Answer {
            code: PageCode::Given,
            built_at: 1,
            items: vec![Item::Envelope(vec![1, kind::IDENTITY, n])],
            next: (n < 2).then(|| vec![n + 1]),
            header: None,
        })
    }

    async fn want_page(
        &self,
        _: &u8,
        number: u64,
        given: super::Given,
    ) -> Result<Option<Ask>, HostFault> {
        self.knows_of_the_session();
        sleep(self.hears).await;
        let stores = || !self.stores_no_pages.load(Ordering::Relaxed);
        assert!(until(AT_MOST, stores).await);
        self.hear(Heard::Page(number, given.code));
        let mut wanted = self.wanted.lock().expect("lock");
        wanted.entry(number).or_default().extend(given.items);
        Ok(given.next.map(|resume| Ask {
            resume,
            ..subject(number)
        }))
    }

    async fn closed(&self, _: &u8, end: &SessionEnd) {
        self.ends.lock().expect("lock").push(end.clone());
    }
}

/// A want under this number.
fn subject(id: u64) -> Ask {
    Ask {
        id,
        want: Want::Subject("s".to_owned()),
        resume: Vec::new(),
    }
}

struct Side {
    host: Arc<Party>,
    links: Links,
    shutdown: Shutdown,
}

impl Side {
    fn new(host: Party) -> Self {
        Self {
            host: Arc::new(host),
            links: Links::new(),
            shutdown: Shutdown::new(),
        }
    }

    fn run(&self, carrier: Carrier) -> JoinHandle<SessionEnd> {
        self.run_greeting(carrier, GREETING_TIME_MAX)
    }

    fn run_greeting(&self, carrier: Carrier, greeting_max: Duration) -> JoinHandle<SessionEnd> {
        tokio::spawn(run_greeting(
            carrier,
            self.host.clone(),
            self.links.clone(),
            Clock::system(),
            self.shutdown.clone(),
            greeting_max,
        ))
    }
}

async fn ended(task: JoinHandle<SessionEnd>) -> SessionEnd {
    tokio::time::timeout(AT_MOST, task)
        .await
        .expect("in time")
        .expect("no panic")
}

async fn quic_pair() -> (Carrier, Carrier, (Dialer, Listener)) {
    let (a, b) = (InstanceIdentity::generate(), InstanceIdentity::generate());
    let local = "127.0.0.1:0".parse().expect("address");
    let mut listener =
        Listener::listen(local, &a.expect("identity"), Settings::default()).expect("listening");
    let dialer = Dialer::new(&b.expect("identity"), Settings::default()).expect("dialling");
    let address = listener.address().to_string();
    let (dialled, accepted) = tokio::join!(dialer.session(&address), listener.accept());
    let Some(Arrival::Session(accepted)) = accepted else {
        panic!("not a session");
    };
    (dialled.expect("dialled"), accepted, (dialer, listener))
}

/// Says a frame; `None` when the other side does not take it for a while.
async fn say(carrier: &Carrier, frame: &Said) -> Option<()> {
    let bytes = protocol::codec::encode(frame);
    let sent = tokio::time::timeout(Duration::from_millis(300), carrier.send(0, bytes)).await;
    sent.ok()?.ok()
}

/// What a peer says of itself that keeps to the rules until here.
fn introduction(carrier: &Carrier) -> [Said; 2] {
    let resume = Resume {
        incarnation: Incarnation::default(),
        cursors: Default::default(),
        interest: Interest {
            version: 1,
            full: true,
            ..Interest::default()
        },
        window: 1 << 20,
        words: Vec::new(),
    };
    [
        Said::Hello(hello(9, &carrier.exporter)),
        Said::Resume(resume),
    ]
}

/// A peer that has introduced itself and from here on keeps to no rule; it reads nothing.
async fn offender(carrier: &Carrier) {
    for frame in introduction(carrier) {
        say(carrier, &frame).await.expect("introduced");
    }
}

/// Reads what we say until our goodbye.
async fn goodbye(carrier: &mut Carrier) -> Goodbye {
    let heard = async {
        loop {
            let frame = carrier.receive().await.expect("heard").expect("a word");
            if let Ok(Said::Goodbye(goodbye)) = protocol::codec::decode(&frame.bytes) {
                return goodbye;
            }
        }
    };
    tokio::time::timeout(AT_MOST, heard).await.expect("in time")
}
