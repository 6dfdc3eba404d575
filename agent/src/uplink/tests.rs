//! The agent's side of a session: what it feeds, what it answers, which receipts it believes.

use protocol::directory::LogName;
use protocol::receipt::Receipt;
use store::seat::{Frontier, Sealed, Sealing};

use super::*;
use crate::home::{Home, testing};

const OPENING: Hash = Hash([8; 32]);
const INSTANCE: InstanceId = InstanceId([4; 16]);
const FEED: FeedId = FeedId([6; 16]);

struct World {
    _folder: tempfile::TempDir,
    store: Arc<SeatStore>,
    uplink: Uplink,
    progress: Arc<Progress>,
}

impl World {
    /// An uplink with an opening and three batches on its feed, of which the last may not leave yet.
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let home = Home::at(folder.path()).expect("home");
        let admission = testing::admit(&home);
        let store = Arc::new(SeatStore::open(&home.database()).await.expect("store"));
        store
            .commit_opening(OPENING, b"opening")
            .await
            .expect("opening");
        for (lane, sequence) in [(Lane::Records, 1), (Lane::Cases, 1), (Lane::Records, 2)] {
            let hash = Hash([sequence as u8; 32]);
            store
                .commit_sealing(&[Sealing {
                    batch: Sealed {
                        lane,
                        sequence,
                        hash,
                        entries: 1,
                        captured_ms: 0,
                        header: vec![lane as u8],
                        body: vec![sequence as u8; 40],
                    },
                    consumed: Vec::new(),
                    frontier: Frontier {
                        sequence,
                        hash,
                        history: Vec::new(),
                        hybrid_time: Default::default(),
                    },
                }])
                .await
                .expect("sealed");
        }
        let progress = Arc::new(Progress::default());
        progress.sendable.store(3, Ordering::Relaxed);
        progress.sealed[2].store(2, Ordering::Relaxed);
        let uplink = Uplink::new(Parts {
            store: store.clone(),
            admission: &admission,
            opening: OPENING,
            instance: INSTANCE,
            feed: FEED,
            clock: Clock::manual(5_000_000).0,
            progress: progress.clone(),
            sealing: Bell::new(),
        })
        .await
        .expect("uplink");
        Self {
            _folder: folder,
            store,
            uplink,
            progress,
        }
    }

    async fn page(&self, class: u8, after: u64, upto: Option<u64>, bytes_max: u64) -> Page {
        let request = FeedRequest {
            class,
            after,
            upto,
            bytes_max,
            interest: Arc::default(),
        };
        self.uplink
            .read_feed(&peer(), request)
            .await
            .expect("a page")
    }
}

fn peer() -> NodePeer {
    let folder = tempfile::tempdir().expect("folder");
    let admission = testing::admit(&Home::at(folder.path()).expect("home"));
    NodePeer {
        identity: admission
            .directory
            .identity(&testing::DISTRICT)
            .expect("district")
            .identity()
            .clone(),
        feed: FeedId([1; 16]),
    }
}

fn receipt(node: SeatId, signer: u8, durable: u64, safeguarded: u64, at: i64) -> Vec<u8> {
    let position = |sequence: u64| (sequence, Hash([sequence as u8; 32]));
    Receipt {
        log: LogName {
            seat: testing::DEPARTMENT,
            lane: Lane::Records,
            opening: OPENING,
        },
        durable: position(durable),
        safeguarded: position(safeguarded),
        node,
        incarnation: FeedId([7; 16]),
        at,
    }
    .sign(&testing::key(signer))
    .to_bytes()
}

#[tokio::test]
async fn the_feed_gives_each_class_its_items_and_nothing_before_its_mark() {
    let w = World::new().await;
    let opening = w.page(0, 0, None, 1_000).await;
    assert_eq!(opening.items, [(1, Item::Envelope(b"opening".to_vec()))]);
    assert_eq!((opening.through, opening.more), (3, false));
    let records = w.page(2, 0, Some(3), 1_000).await;
    assert_eq!(
        records.items.len(),
        1,
        "the second is sealed but not marked"
    );
    assert_eq!((records.items[0].0, records.through), (2, 3));
    w.progress.sendable.store(4, Ordering::Relaxed);
    let first = w.page(2, 0, None, 10).await;
    assert_eq!((first.items.len(), first.through, first.more), (1, 2, true));
    let rest = w.page(2, 2, None, 10).await;
    assert_eq!((rest.items[0].0, rest.through, rest.more), (4, 4, false));
    let none = w.page(2, 4, None, 10).await;
    assert_eq!((none.items.len(), none.through), (0, 4));
}

#[tokio::test]
async fn a_range_is_served_from_our_own_log_only() {
    let w = World::new().await;
    w.progress.sendable.store(4, Ordering::Relaxed);
    let want = |seat: SeatId, from, to| Want::Range {
        seat: seat.0,
        lane: 2,
        opening: OPENING.0,
        from,
        to,
    };
    // a place that is none costs nothing
    let beyond = u64::MAX.to_be_bytes().to_vec();
    let answer = w
        .uplink
        .serve_want(&peer(), want(testing::DEPARTMENT, u64::MAX, 0), beyond)
        .await;
    assert_eq!(answer.expect("served").items.len(), 0);
    let serve = async |want, resume| {
        w.uplink
            .serve_want(&peer(), want, resume)
            .await
            .expect("served")
    };
    let all = serve(want(testing::DEPARTMENT, 1, 0), Vec::new()).await;
    assert_eq!((all.items.len(), all.next), (2, None));
    let after_first = serve(
        want(testing::DEPARTMENT, 1, 0),
        1_u64.to_be_bytes().to_vec(),
    )
    .await;
    assert_eq!(after_first.items.len(), 1);
    assert_eq!(
        serve(want(testing::CITY, 1, 0), Vec::new())
            .await
            .items
            .len(),
        0
    );
}

#[tokio::test]
async fn receipts_count_if_they_verify_and_safe_batches_are_let_go() {
    let w = World::new().await;
    let take = async |bytes| {
        w.uplink
            .receipts(&peer(), vec![bytes])
            .await
            .expect("taken")
    };
    // signed by somebody else, and bytes that are none
    take(receipt(testing::DISTRICT, 1, 2, 2, 10)).await;
    take(b"receipt".to_vec()).await;
    assert!(w.uplink.receipt_views().is_empty());
    take(receipt(testing::DISTRICT, 2, 2, 0, 10)).await;
    assert_eq!(w.progress.acknowledged[2].load(Ordering::Relaxed), 2);
    w.uplink.settle().await.expect("settled");
    let before = w.store.queued_bytes();
    // durable lets nobody forget
    assert_eq!(
        w.store.queue_state().await.expect("state").sealed_batches,
        3
    );
    take(receipt(testing::CITY, 1, 1, 1, 11)).await;
    // an older word of the district does not replace its newer one
    take(receipt(testing::DISTRICT, 2, 1, 0, 9)).await;
    w.uplink.settle().await.expect("settled");
    assert!(w.store.queued_bytes() < before);
    let views = w.uplink.receipt_views();
    assert_eq!(views.len(), 2);
    assert_eq!((views[0].kind, views[0].durable), (SeatKind::District, 2));
    assert_eq!(views[1].heard_ms, 5_000);
}

/// A node whose clock was years ahead, or is set back by years, is believed as before: its receipts count by what they say.
#[tokio::test]
async fn a_receipt_counts_whatever_the_clock_of_its_node() {
    let w = World::new().await;
    let take = async |at, durable, safeguarded| {
        let bytes = receipt(testing::CITY, 1, durable, safeguarded, at);
        w.uplink
            .receipts(&peer(), vec![bytes])
            .await
            .expect("taken");
        w.uplink.settle().await.expect("settled");
        let views = w.uplink.receipt_views();
        let kept = w.store.receipts().await.expect("receipts");
        assert_eq!(kept[0].durable, views[0].durable, "kept as it is shown");
        (views[0].durable, views[0].safeguarded)
    };
    let year = 365 * 86_400 * 1_000_000_i64;
    assert_eq!(w.uplink.clock_doubt(), None);
    assert_eq!(take(30 * year, 1, 0).await, (1, 0));
    let doubt = w.uplink.clock_doubt().expect("clocks differ");
    assert!(
        doubt.contains("慢 10949 天") && doubt.contains("校准"),
        "{doubt}"
    );
    assert_eq!(take(5_000_000, 2, 1).await, (2, 1));
    assert_eq!(w.uplink.clock_doubt(), None);
    assert_eq!(take(-year, 2, 2).await, (2, 2));
    assert_eq!(take(40 * year, 1, 1).await, (2, 2), "an older word");
}

/// An address that leads to another district, with a certificate that is as good as ours: nothing is sent there.
#[tokio::test]
async fn another_district_is_no_place_to_send_to() {
    let w = World::new().await;
    let channel = Channel {
        exporter: [3; 32],
        peer_key: [0; 32],
    };
    let hello = |jurisdiction: &str, n: u8| {
        let seat = SeatId([n; 16]);
        let identity = Identity {
            seat,
            jurisdiction: jurisdiction.into(),
            key: testing::key(n).public(),
            ..peer().identity
        };
        let statement = Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), &testing::key(1));
        Hello {
            frame_min: VERSIONS.0,
            frame_max: VERSIONS.1,
            instance: [n; 16],
            feed: [n; 16],
            seats: vec![Presence {
                seat: seat.0,
                signature: testing::key(n).sign(&presence(&channel.exporter, &seat)),
            }],
            directory: vec![statement.to_bytes()],
        }
    };
    let refused = w.uplink.authenticate(channel, hello("370199", 0x66)).await;
    let Err(HostFault::Peer { code, text }) = refused else {
        panic!("not refused");
    };
    assert_eq!(code, reason::NOT_ADMITTED);
    assert!(text.contains("不向其发送任何数据"), "{text}");
    let own = peer().identity.jurisdiction;
    assert!(
        w.uplink
            .authenticate(channel, hello(&own, 0x67))
            .await
            .is_ok()
    );
}

/// However well signed: only who holds the log in full lets us forget.
#[tokio::test]
async fn another_districts_receipt_lets_nobody_forget() {
    let w = World::new().await;
    let stranger = SeatId([0x77; 16]);
    let district = peer().identity;
    let other = Identity {
        seat: stranger,
        jurisdiction: "370199".into(),
        key: testing::key(9).public(),
        ..district
    };
    let statement = Envelope::signed(kind::IDENTITY, 1, other.to_bytes(), &testing::key(1));
    w.uplink
        .take_in(&peer(), 0, vec![Item::Envelope(statement.to_bytes())], 1)
        .await
        .expect("taken");
    assert!(w.uplink.lock().directory.identity(&stranger).is_some());
    let bytes = receipt(stranger, 9, 2, 2, 10);
    w.uplink
        .receipts(&peer(), vec![bytes])
        .await
        .expect("ignored");
    w.uplink.settle().await.expect("settled");
    assert!(w.uplink.receipt_views().is_empty());
    let kept = w.store.queue_state().await.expect("state").sealed_batches;
    assert_eq!(kept, 3, "nothing was let go");
    assert_eq!(w.progress.acknowledged[2].load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_cursor_acknowledges_and_lets_nobody_forget() {
    let w = World::new().await;
    let acknowledged = async |class, through| {
        let told = w.uplink.acknowledged(&peer(), class, through).await;
        told.expect("told");
        w.progress.acknowledged[2].load(Ordering::Relaxed)
    };
    // offsets of lane 2 are 2 and 4; between them lies another lane's
    assert_eq!(acknowledged(2, 1).await, 0);
    assert_eq!(acknowledged(2, 3).await, 1);
    assert_eq!(acknowledged(1, 4).await, 1);
    assert_eq!(acknowledged(2, 4).await, 2);
    assert_eq!(acknowledged(2, 2).await, 2);
    w.uplink.settle().await.expect("settled");
    let kept = w.store.queue_state().await.expect("state").sealed_batches;
    assert_eq!(kept, 3);
}
