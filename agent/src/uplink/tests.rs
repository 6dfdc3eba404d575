//! The agent's side of a session: what it feeds, what it answers, whom it believes, which receipts count and what they let it
//! forget, what others may show of its own log.

mod beside;
mod receipts;
mod session;
mod word;

use std::collections::BTreeSet;

use protocol::frame::{
    Digest, FRAME_HIGHEST, GoodbyeCode, Health, Hello, ITEM_HIGHEST, Interest, Item, LogsEnd,
    PageCode, Presence, Resume, Scope, Token, Want,
};
use protocol::hash::Hash;
use protocol::name::{LogName, Position};
use protocol::presence;
use protocol::receipt::Receipt;
use protocol::session::Page;
use protocol::statement::SeatKind;
use runtime::door::{ManualHand, random};
use runtime::link::driver::SessionEnd;
use runtime::link::host::{Beginning, Channel, FeedRequest, Group, Host, HostFault};

use super::*;
use crate::home::{Home, testing};
use crate::seal::Sealer;
use crate::seal::testing::{capture, entry};

const INSTANCE: InstanceId = InstanceId([4; 16]);
const FEED: FeedId = FeedId([6; 16]);
/// Milliseconds since 1970 at which a world begins.
const NOW_MS: i64 = 5_000;

struct World {
    folder: tempfile::TempDir,
    home: Home,
    admission: Admission,
    node: SeatId,
    store: Arc<SeatStore>,
    sealer: Sealer,
    uplink: Uplink,
    progress: Arc<Progress>,
    hand: ManualHand,
}

impl World {
    /// An agent of the district with an opening and three batches on its feed: two of records, between them one of cases.
    async fn new() -> Self {
        Self::of(testing::DISTRICT).await
    }

    async fn of(node: SeatId) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let home = Home::at(folder.path()).expect("home");
        testing::admit_to(&home, node);
        let mut w = Self::open(folder, node).await;
        for lane in [Lane::Records, Lane::Cases, Lane::Records] {
            w.seal(lane).await;
        }
        w
    }

    /// The same folder after a start.
    async fn open(folder: tempfile::TempDir, node: SeatId) -> Self {
        let home = Home::at(folder.path()).expect("home");
        let admission = home.admission().expect("admitted");
        let store = Arc::new(SeatStore::open(&home.database()).await.expect("store"));
        let sealer = Sealer::open(
            store.clone(),
            &admission,
            home.mark_file(),
            folder.path(),
            INSTANCE,
            random,
        )
        .await
        .expect("sealer");
        let progress = sealer.progress();
        let (clock, hand) = Clock::manual(NOW_MS * 1_000);
        let uplink = Uplink::new(Parts {
            store: store.clone(),
            admission: &admission,
            opening: sealer.opening(),
            instance: INSTANCE,
            feed: FEED,
            clock,
            progress: progress.clone(),
            sealing: Bell::new(),
        })
        .await
        .expect("uplink");
        Self {
            folder,
            home,
            admission,
            node,
            store,
            sealer,
            uplink,
            progress,
            hand,
        }
    }

    async fn restart(self) -> Self {
        self.store.close().await;
        let (folder, node) = (self.folder, self.node);
        drop((self.uplink, self.sealer, self.store));
        Self::open(folder, node).await
    }

    /// One more batch in a lane.
    async fn seal(&mut self, lane: Lane) {
        let key = self.store.feed_head().await.expect("head").to_string();
        capture(&self.store, lane, &[entry(&key, "X", None)], NOW_MS).await;
        let sealed = self.sealer.step(NOW_MS + 9_000, random).await;
        sealed.expect("sealed");
    }

    /// Where a lane's log has its header of this sequence.
    async fn at(&self, lane: Lane, sequence: u64) -> Position {
        if sequence == 0 {
            return Position::START;
        }
        let (_, header) = self
            .store
            .header_at(lane, sequence)
            .await
            .expect("a header");
        Position {
            sequence,
            header: header.unwrap_or(Ref::of(Hash([sequence as u8; 32]))),
        }
    }

    fn log(&self, lane: Lane) -> LogName {
        LogName {
            seat: testing::DEPARTMENT,
            lane,
            opening: Ref::of(self.sealer.opening().hash()),
        }
    }

    /// A receipt for the log of records, as the holder signs it.
    async fn receipt(&self, by: By, durable: u64, safeguarded: u64) -> Receipt {
        Receipt {
            holder: by.holder,
            identity: by.identity(),
            incarnation: by.life,
            log: self.log(Lane::Records),
            durable: self.at(Lane::Records, durable).await,
            attached: self.at(Lane::Records, durable).await,
            safeguarded: self.at(Lane::Records, safeguarded).await,
            at: (NOW_MS + 10) * 1_000,
        }
    }

    /// Takes receipts that come from this peer, and forgets what they make safe. Returns how many batches are kept.
    async fn take(&self, from: &NodePeer, receipts: &[Vec<u8>]) -> u64 {
        let taken = self.uplink.receipts(from, receipts.to_vec()).await;
        taken.expect("taken");
        self.uplink.settle().await.expect("settled");
        self.kept().await
    }

    async fn kept(&self) -> u64 {
        let state = self.store.queue_state().await.expect("state");
        state.sealed_batches
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
            .read_feed(&district(), request)
            .await
            .expect("a page")
    }

    async fn established(&self, peer: &NodePeer, cursors: [Cursor; CLASSES]) -> Beginning {
        let resume = Resume {
            incarnation: Incarnation {
                counter: 1,
                feed: FEED,
            },
            cursors,
            interest: Interest::default(),
            window: 1_000,
            words: Vec::new(),
        };
        let begun = self.uplink.begin(peer, &resume, None).await;
        begun.expect("established")
    }
}

/// Who signs a receipt.
#[derive(Clone, Copy)]
struct By {
    holder: SeatId,
    key: u8,
    life: Incarnation,
}

impl By {
    fn identity(&self) -> Ref {
        testing::reference(&match self.holder {
            testing::CITY => testing::city(),
            holder => testing::district(holder, self.key),
        })
    }

    fn in_life(self, counter: u64, feed: u8) -> Self {
        let life = Incarnation {
            counter,
            feed: FeedId([feed; 16]),
        };
        Self { life, ..self }
    }

    fn sign(&self, receipt: &Receipt) -> Vec<u8> {
        receipt.sign(&testing::key(self.key)).to_bytes()
    }
}

const fn life(counter: u64, feed: u8) -> Incarnation {
    Incarnation {
        counter,
        feed: FeedId([feed; 16]),
    }
}

const THE_CITY: By = By {
    holder: testing::CITY,
    key: testing::CITY_KEY,
    life: life(1, 0xc1),
};
const THE_DISTRICT: By = By {
    holder: testing::DISTRICT,
    key: testing::DISTRICT_KEY,
    life: life(1, 0xd1),
};

fn peer(statement: &Envelope, life: Incarnation) -> NodePeer {
    NodePeer {
        identity: Identity::from_bytes(&statement.bytes).expect("an identity"),
        incarnation: life,
        release: "1".to_owned(),
    }
}

fn district() -> NodePeer {
    let statement = testing::district(testing::DISTRICT, testing::DISTRICT_KEY);
    peer(&statement, THE_DISTRICT.life)
}

fn city() -> NodePeer {
    peer(&testing::city(), THE_CITY.life)
}
