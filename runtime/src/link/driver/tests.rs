//! Sessions driven over memory and over real QUIC between two hosts that keep their feeds in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use protocol::frame::{Hello, Interest, Presence, Routed, VERSIONS, Want};

use super::*;
use crate::link::endpoint::{Arrival, Dialer, Listener, Settings};
use crate::link::registry::Handle;
use crate::tls::InstanceIdentity;
use crate::worker::until;

mod stop;

const AT_MOST: Duration = Duration::from_secs(20);

/// A party whose feed is a list of routing events per class.
#[derive(Default)]
struct Party {
    seat: u8,
    feed: Mutex<Vec<(u64, u8, Item)>>,
    taken: Mutex<Vec<(u8, Item)>>,
    cursors: Mutex<[u64; CLASSES]>,
    storing: AtomicUsize,
    storing_most: AtomicUsize,
    calls: AtomicUsize,
    slow: Duration,
    refuses: AtomicBool,
    blames: AtomicBool,
    receipts: Mutex<Vec<Vec<u8>>>,
    stores_no_receipts: AtomicBool,
    served: AtomicUsize,
    wanted: Mutex<BTreeMap<u64, Vec<Item>>>,
    ends: Mutex<Vec<SessionEnd>>,
    handles: Mutex<Vec<Handle>>,
}

fn item(n: u64) -> Item {
    Item::Routed(Routed {
        subject: format!("{n}{}", "x".repeat(1_000)),
        from: String::new(),
        to: "a".to_owned(),
    })
}

impl Party {
    fn new(seat: u8) -> Self {
        Self {
            seat,
            ..Self::default()
        }
    }

    fn append(&self, count: u64) {
        let mut feed = self.feed.lock().expect("lock");
        for _ in 0..count {
            let offset = feed.len() as u64 + 1;
            feed.push((offset, (offset % 3) as u8, item(offset)));
        }
    }

    fn taken(&self) -> usize {
        self.taken.lock().expect("lock").len()
    }

    fn handle(&self) -> Handle {
        let handles = self.handles.lock().expect("lock");
        handles.last().expect("established").clone()
    }
}

impl Host for Party {
    type Peer = u8;

    async fn introduce(&self, channel: Channel) -> Result<Hello, HostFault> {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&channel.exporter);
        Ok(Hello {
            frame_min: VERSIONS.0,
            frame_max: VERSIONS.1,
            instance: [self.seat; 16],
            feed: [self.seat; 16],
            seats: vec![Presence {
                seat: [self.seat; 16],
                signature,
            }],
            directory: Vec::new(),
        })
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, u8), HostFault> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(HostFault::Peer {
                code: reason::NOT_ADMITTED,
                text: "尚未批准入网".to_owned(),
            });
        }
        assert_eq!(hello.seats[0].signature[..32], channel.exporter);
        let seat = hello.seats[0].seat;
        Ok((SeatId(seat), seat[0]))
    }

    async fn resume(&self, _: &u8) -> Result<Resumption, HostFault> {
        assert_eq!(self.storing.load(Ordering::Relaxed), 0);
        Ok(Resumption {
            cursors: Some(*self.cursors.lock().expect("lock")),
            interest: Interest {
                full: true,
                ..Interest::default()
            },
        })
    }

    async fn established(
        &self,
        _: &u8,
        interest: Interest,
        handle: Handle,
    ) -> Result<(), HostFault> {
        assert!(interest.full);
        self.handles.lock().expect("lock").push(handle);
        Ok(())
    }

    async fn read_feed(&self, _: &u8, request: FeedRequest) -> Result<Page, HostFault> {
        // `established` may not have run yet; a read that did not know would leave things out for good
        assert!(request.interest.full);
        let feed = self.feed.lock().expect("lock");
        let end = request.upto.unwrap_or(feed.len() as u64);
        let mut page = Page {
            through: request.after,
            ..Page::default()
        };
        let mut bytes = 0;
        for (offset, class, item) in feed.iter() {
            if *offset <= request.after || *offset > end {
                continue;
            }
            if bytes >= request.bytes_max {
                page.more = true;
                break;
            }
            page.through = *offset;
            if *class == request.class {
                bytes += item.weight();
                page.items.push((*offset, item.clone()));
            }
        }
        Ok(page)
    }

    async fn take_in(
        &self,
        _: &u8,
        class: u8,
        items: Vec<Item>,
        through: u64,
    ) -> Result<(), HostFault> {
        if self.blames.load(Ordering::Relaxed) {
            return Err(HostFault::Peer {
                code: reason::JURISDICTION,
                text: "推送了辖区外的数据".to_owned(),
            });
        }
        let storing = self.storing.fetch_add(1, Ordering::Relaxed) + 1;
        self.storing_most.fetch_max(storing, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        sleep(self.slow).await;
        let mut taken = self.taken.lock().expect("lock");
        taken.extend(items.into_iter().map(|item| (class, item)));
        let cursor = &mut self.cursors.lock().expect("lock")[usize::from(class)];
        assert!(*cursor < through, "stored out of order");
        *cursor = through;
        self.storing.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    async fn receipts(&self, _: &u8, receipts: Vec<Vec<u8>>) -> Result<(), HostFault> {
        if self.stores_no_receipts.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.receipts.lock().expect("lock").extend(receipts);
        Ok(())
    }

    async fn serve_want(
        &self,
        _: &u8,
        want: Want,
        resume: Vec<u8>,
    ) -> Result<WantAnswer, HostFault> {
        assert!(matches!(want, Want::Subject(_)));
        self.served.fetch_add(1, Ordering::Relaxed);
        let n = resume.first().copied().unwrap_or(0);
        Ok(WantAnswer {
            items: vec![item(u64::from(n))],
            next: (n < 2).then(|| vec![n + 1]),
        })
    }

    async fn want_page(
        &self,
        _: &u8,
        id: u64,
        items: Vec<Item>,
        next: Option<Vec<u8>>,
    ) -> Result<Option<Ask>, HostFault> {
        let mut wanted = self.wanted.lock().expect("lock");
        wanted.entry(id).or_default().extend(items);
        Ok(next.map(|resume| Ask {
            id,
            want: Want::Subject("s".to_owned()),
            resume,
        }))
    }

    async fn closed(&self, _: &u8, end: &SessionEnd) {
        self.ends.lock().expect("lock").push(end.clone());
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

    fn run(&self, carrier: Carrier) -> tokio::task::JoinHandle<SessionEnd> {
        tokio::spawn(run(
            carrier,
            self.host.clone(),
            self.links.clone(),
            Clock::system(),
            self.shutdown.clone(),
        ))
    }
}

async fn ended(task: tokio::task::JoinHandle<SessionEnd>) -> SessionEnd {
    timeout(AT_MOST, task)
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

/// Both feeds get across, live growth too; then one side stops and both ends agree.
async fn converse(dialled: Carrier, accepted: Carrier) {
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    a.host.append(20_000);
    b.host.append(300);
    let (run_a, run_b) = (a.run(dialled), b.run(accepted));
    assert!(
        until(AT_MOST, || b.host.taken() == 20_000
            && a.host.taken() == 300)
        .await
    );
    a.host.append(10);
    a.links.grown();
    assert!(until(AT_MOST, || b.host.taken() == 20_010).await);
    let check = |side: &Side, expected: u64| {
        for class in 0..3u8 {
            let taken = side.host.taken.lock().expect("lock");
            let got: Vec<&Item> = taken
                .iter()
                .filter(|(c, _)| *c == class)
                .map(|(_, item)| item)
                .collect();
            let sent: Vec<Item> = (1..=expected)
                .filter(|n| n % 3 == u64::from(class))
                .map(item)
                .collect();
            assert_eq!(got, sent.iter().collect::<Vec<_>>());
        }
    };
    check(&b, 20_010);
    check(&a, 300);
    // receipts and wants
    let to_a = b.links.with(&SeatId([1; 16])).expect("standing");
    to_a.receipts(vec![vec![9]]).await;
    let ask = Ask {
        id: 7,
        want: Want::Subject("s".to_owned()),
        resume: Vec::new(),
    };
    assert!(to_a.want(ask).await);
    assert!(
        until(AT_MOST, || {
            let wanted = b.host.wanted.lock().expect("lock");
            wanted.get(&7).is_some_and(|items| items.len() == 3)
        })
        .await
    );
    assert!(
        until(AT_MOST, || *a.host.receipts.lock().expect("lock")
            == [vec![9]])
        .await
    );
    b.shutdown.begin();
    let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
    assert_eq!(
        (end_a.code, end_b.code),
        (Some(reason::SHUTDOWN), Some(reason::SHUTDOWN))
    );
    assert!(end_a.by_peer && !end_b.by_peer, "{end_a:?} {end_b:?}");
    assert_eq!(*a.host.ends.lock().expect("lock"), [end_a]);
    assert!(a.links.views().is_empty());
    assert!(to_a.has_ended());
}

#[tokio::test]
async fn two_parties_converse_in_memory() {
    let (dialled, accepted) = Carrier::pair(1);
    timeout(AT_MOST, converse(dialled, accepted))
        .await
        .expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_parties_converse_over_quic() {
    let (dialled, accepted, _endpoints) = quic_pair().await;
    timeout(AT_MOST, converse(dialled, accepted))
        .await
        .expect("in time");
}

#[tokio::test]
async fn storing_is_in_order_beside_sending_and_small_groups_share_a_call() {
    let (dialled, accepted) = Carrier::pair(1);
    let slow = Party {
        slow: Duration::from_millis(50),
        ..Party::new(2)
    };
    let (a, b) = (Side::new(Party::new(1)), Side::new(slow));
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    assert!(until(AT_MOST, || !a.host.handles.lock().expect("lock").is_empty()).await);
    for _ in 0..60 {
        a.host.append(1);
        a.host.handle().grown();
        sleep(Duration::from_millis(2)).await;
    }
    assert!(until(AT_MOST, || b.host.taken() == 60).await);
    // one call at a time in each of three classes, and far fewer calls than items
    assert!(b.host.storing_most.load(Ordering::Relaxed) <= 3);
    let calls = b.host.calls.load(Ordering::Relaxed);
    assert!(calls < 50, "{calls} calls");
    assert!(*b.host.cursors.lock().expect("lock") == [60, 60, 60]);
}

#[tokio::test]
async fn a_refused_peer_is_told_why() {
    let (memory, memory_accepted) = Carrier::pair(1);
    let (dialled, accepted, _endpoints) = quic_pair().await;
    for (dialled, accepted) in [(memory, memory_accepted), (dialled, accepted)] {
        let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
        b.host.refuses.store(true, Ordering::Relaxed);
        let (run_a, run_b) = (a.run(dialled), b.run(accepted));
        let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
        assert_eq!(end_a.code, Some(reason::NOT_ADMITTED));
        assert_eq!(end_a.text, "尚未批准入网");
        assert!(end_a.by_peer && !end_b.by_peer);
        assert_eq!(end_b.party, None);
        assert!(matches!(end_a.link_end(), LinkEnd::Later(..)));
    }
}

#[tokio::test]
async fn a_peer_at_fault_is_told_and_the_session_ends() {
    let (dialled, accepted, _endpoints) = quic_pair().await;
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    b.host.blames.store(true, Ordering::Relaxed);
    a.host.append(5);
    let (run_a, run_b) = (a.run(dialled), b.run(accepted));
    let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
    assert_eq!(end_a.code, Some(reason::JURISDICTION));
    assert_eq!(end_a.text, "推送了辖区外的数据");
    assert_eq!(end_b.code, Some(reason::JURISDICTION));
    assert!(end_a.by_peer && !end_b.by_peer);
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_session() {
    let (raw, accepted) = Carrier::pair(1);
    let b = Side::new(Party::new(2));
    let run_b = b.run(accepted);
    raw.send(0, vec![1, 250, 250, 250]).await.expect("sending");
    let end = ended(run_b).await;
    assert_eq!(end.code, Some(reason::MISBEHAVED));
    assert!(!end.by_peer);
}

#[tokio::test]
async fn a_newer_session_fences_the_older_and_nothing_is_stored_twice() {
    let slow = Party {
        slow: Duration::from_millis(100),
        ..Party::new(2)
    };
    let (a, b) = (Side::new(Party::new(1)), Side::new(slow));
    a.host.append(200);
    let (dialled, accepted) = Carrier::pair(1);
    let (first_a, first_b) = (a.run(dialled), b.run(accepted));
    // the older session is in the middle of storing
    assert!(until(AT_MOST, || b.host.storing.load(Ordering::Relaxed) > 0).await);
    let (dialled, accepted) = Carrier::pair(2);
    let (_second_a, _second_b) = (a.run(dialled), b.run(accepted));
    let old = ended(first_b).await;
    assert_eq!(old.code, Some(reason::FENCED));
    ended(first_a).await;
    assert!(until(AT_MOST, || b.host.taken() == 200).await);
    assert_eq!(b.links.views().len(), 1);
    assert!(
        !b.links
            .with(&SeatId([1; 16]))
            .expect("standing")
            .has_ended()
    );
}

#[tokio::test]
async fn a_broken_link_ends_the_session_without_a_word() {
    let (dialled, accepted, (dialer, _listener)) = quic_pair().await;
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let (run_a, run_b) = (a.run(dialled), b.run(accepted));
    assert!(until(AT_MOST, || !b.links.views().is_empty()).await);
    dialer.close().await;
    let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
    assert!(matches!(end_a.link_end(), LinkEnd::Broken(_)), "{end_a:?}");
    assert!(matches!(end_b.link_end(), LinkEnd::Broken(_)), "{end_b:?}");
}

/// A desk that nobody comes to.
struct Closed;

impl crate::admission::Desk for Closed {
    async fn prove(&self, _: &[u8; 32]) -> Result<crate::admission::Proof, String> {
        Err("closed".to_owned())
    }

    async fn judge(
        &self,
        _: crate::admission::Applicant,
        _: crate::admission::Request,
    ) -> crate::admission::Answer {
        crate::admission::Answer::Pending(String::new())
    }
}

#[tokio::test]
async fn a_restarted_node_is_found_again_and_nothing_is_lost() {
    let identity = InstanceIdentity::generate().expect("identity");
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let start = async |address| {
        let mut listener = Listener::listen(address, &identity, Settings::default());
        // the system frees the address a moment after the endpoint has closed
        while listener.is_err() {
            sleep(Duration::from_millis(20)).await;
            listener = Listener::listen(address, &identity, Settings::default());
        }
        let listener = listener.expect("listening");
        let (address, links) = (listener.address(), Links::new());
        let workers = crate::worker::Workers::new(crate::telemetry::Metrics::new());
        let (host, serving) = (b.host.clone(), workers.clone());
        workers.once(async move {
            let clock = Clock::system();
            crate::link::serve(listener, host, Arc::new(Closed), links, &serving, clock).await;
        });
        (workers, address)
    };
    let (workers, address) = start("127.0.0.1:0".parse().expect("address")).await;
    a.host.append(500);
    let (host, links, shutdown) = (a.host.clone(), a.links.clone(), a.shutdown.clone());
    let up = tokio::spawn(async move {
        let own = InstanceIdentity::generate().expect("identity");
        let dialer = Dialer::new(&own, Settings::default()).expect("dialling");
        let (address, clock) = (address.to_string(), Clock::system());
        let mut ends = Vec::new();
        let told = |end: &LinkEnd, _| ends.push(end.clone());
        crate::link::keep_session(&dialer, &address, host, links, clock, &shutdown, told).await;
        ends
    });
    assert!(until(AT_MOST, || b.host.taken() == 500).await);
    assert!(workers.stop(AT_MOST).await.is_empty());
    a.host.append(500);
    let (workers, _) = start(address).await;
    assert!(until(AT_MOST, || b.host.taken() == 1_000).await);
    a.shutdown.begin();
    let ends = timeout(AT_MOST, up).await.expect("in time").expect("ended");
    assert_eq!(
        ends.first(),
        Some(&LinkEnd::Broken("程序正在停止".to_owned()))
    );
    assert!(workers.stop(AT_MOST).await.is_empty());
}

/// A peer that has introduced itself and from here on keeps to no rule; it reads nothing.
async fn offender(carrier: &Carrier) {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&carrier.exporter);
    let hello = Hello {
        frame_min: VERSIONS.0,
        frame_max: VERSIONS.1,
        instance: [9; 16],
        feed: [9; 16],
        seats: vec![Presence {
            seat: [9; 16],
            signature,
        }],
        directory: Vec::new(),
    };
    let resume = protocol::frame::Resume {
        feed: [0; 16],
        cursors: [0; CLASSES],
        interest: Interest {
            full: true,
            ..Interest::default()
        },
        window: 1 << 20,
    };
    for frame in [
        protocol::frame::Frame::Hello(hello),
        protocol::frame::Frame::Resume(resume),
    ] {
        say(carrier, &frame).await.expect("introduced");
    }
}

/// Says a frame; `None` when the other side does not take it for a while.
async fn say(carrier: &Carrier, frame: &protocol::frame::Frame) -> Option<()> {
    let bytes = protocol::codec::encode(frame);
    let sent = timeout(Duration::from_millis(300), carrier.send(0, bytes)).await;
    sent.ok()?.ok()
}

#[tokio::test]
async fn receipts_are_taken_no_faster_than_they_are_stored() {
    let (carrier, offending) = Carrier::pair(5);
    let ours = Side::new(Party::new(1));
    ours.host.stores_no_receipts.store(true, Ordering::Relaxed);
    let running = ours.run(carrier);
    offender(&offending).await;
    let frame = protocol::frame::Frame::Receipts(vec![vec![0; 1 << 10]; 256]);
    let mut taken = 0;
    while taken < 100 && say(&offending, &frame).await.is_some() {
        taken += 1;
    }
    assert!(taken < 20, "{taken} frames of receipts wait in memory");
    offending.control().close(CloseCode::Done, "");
    running.abort();
}

#[tokio::test]
async fn pages_are_made_no_faster_than_they_are_taken() {
    let (carrier, offending) = Carrier::pair(6);
    let ours = Side::new(Party::new(1));
    let running = ours.run(carrier);
    offender(&offending).await;
    for id in 0..limits::WANTS_OPEN_MAX as u64 {
        let want = protocol::frame::WantFrame {
            id,
            want: Want::Subject("s".to_owned()),
            resume: Vec::new(),
        };
        say(&offending, &protocol::frame::Frame::Want(want)).await;
    }
    // what was asked last is served last: by now everything was looked at
    assert!(until(AT_MOST, || ours.host.served.load(Ordering::Relaxed) > 2).await);
    sleep(Duration::from_millis(200)).await;
    let served = ours.host.served.load(Ordering::Relaxed);
    assert!(served <= 10, "{served} pages wait in memory");
    offending.control().close(CloseCode::Done, "");
    running.abort();
}
