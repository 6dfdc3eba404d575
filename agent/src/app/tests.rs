//! The whole agent against a node in the test's hands, over real QUIC on loopback: what arrives there, what the agent makes of
//! the node's words, and what it tells of itself.

use std::collections::BTreeMap;
use std::future::Future;

use protocol::batch::Header;
use protocol::envelope::Envelope;
use protocol::frame::{
    Digest, FRAME_HIGHEST, Figure, GoodbyeCode, Health, Hello, ITEM_HIGHEST, Interest, Item,
    LogEntry, LogsEnd, PageCode, Presence, Reason, Resume, State, Want,
};
use protocol::name::{Incarnation, Lane, LogName, Position, SeatId};
use protocol::presence;
use protocol::receipt::Receipt;
use protocol::session::{Acceptance, Answer, Page as FeedPage};
use runtime::link::driver::{self, SessionEnd};
use runtime::link::endpoint::{Arrival, Listener};
use runtime::link::host::{Beginning, Channel, FeedRequest, Given, Group, Host, HostFault};
use runtime::link::registry::{Ask, Handle};

use super::*;
use crate::home::testing;
use runtime::worker::Shutdown;

const LIFE: Incarnation = Incarnation {
    counter: 1,
    feed: FeedId([0xd1; 16]),
};

/// A district that takes everything and says what the test wants.
#[derive(Default)]
struct Node {
    items: Mutex<BTreeMap<u64, Item>>,
    health: Mutex<Vec<Health>>,
    handle: Mutex<Option<Handle>>,
}

impl Node {
    fn opening(&self) -> Option<Envelope> {
        match lock(&self.items).get(&1)? {
            Item::Envelope(bytes) => Envelope::from_bytes(bytes).ok(),
            _ => None,
        }
    }

    /// Headers of records that have come, by sequence.
    fn headers(&self) -> Vec<Envelope> {
        let items = lock(&self.items);
        let slices = items.values().filter_map(|item| match item {
            Item::Slice { header, .. } => Envelope::from_bytes(header).ok(),
            _ => None,
        });
        slices.collect()
    }

    fn said(&self, what: impl Fn(&Health) -> bool) -> bool {
        lock(&self.health).last().is_some_and(what)
    }

    fn handle(&self) -> Handle {
        lock(&self.handle).clone().expect("a session")
    }

    /// A receipt for all records that have come.
    fn receipt(&self, holder: SeatId, statement: &Envelope) -> Receipt {
        let last = self.headers().pop().expect("a header");
        let header = Header::from_bytes(&last.bytes).expect("a header");
        let durable = Position {
            sequence: header.sequence,
            header: testing::reference(&last),
        };
        Receipt {
            holder,
            identity: testing::reference(statement),
            incarnation: LIFE,
            log: LogName {
                seat: testing::DEPARTMENT,
                lane: Lane::Records,
                opening: header.opening,
            },
            durable,
            attached: durable,
            safeguarded: Position::START,
            at: Clock::system().now_us(),
        }
    }

    /// The node's word on the log of records.
    fn word(&self, state: State, reason: Reason, taken_in: u64) -> LogEntry {
        LogEntry {
            seat: testing::DEPARTMENT,
            lane: Lane::Records as u8,
            opening: testing::reference(&self.opening().expect("an opening")),
            state,
            reason,
            since: 0,
            taken_in,
            applied: taken_in,
            header: Vec::new(),
            opening_envelope: Vec::new(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host for Node {
    type Peer = ();

    async fn introduce(&self, channel: Channel) -> Result<Hello, HostFault> {
        let seat = testing::DISTRICT;
        let key = testing::key(testing::DISTRICT_KEY);
        Ok(Hello {
            frames: FRAME_HIGHEST,
            items: ITEM_HIGHEST,
            instance: InstanceId([7; 16]),
            incarnation: LIFE,
            release: "1".to_owned(),
            seats: vec![Presence {
                seat,
                signatures: presence::sign(&seat, &channel.exporter, &key),
            }],
            statements: Vec::new(),
        })
    }

    async fn authenticate(
        &self,
        channel: Channel,
        hello: Hello,
    ) -> Result<(SeatId, ()), HostFault> {
        let district = testing::district(testing::DISTRICT, testing::DISTRICT_KEY);
        let mut scratch = testing::directory(&[testing::city(), district]);
        match hello.verify(&mut scratch, &channel.exporter) {
            Ok(believed) => Ok((believed.identities[0].seat, ())),
            Err(fault) => Err(HostFault::Peer {
                code: fault.code(),
                text: fault.to_string(),
            }),
        }
    }

    async fn accept(&self, _: &()) -> Result<Acceptance, HostFault> {
        Ok(Acceptance {
            cursors: None,
            interest: Interest {
                version: 1,
                full: true,
                ..Interest::default()
            },
            words: Vec::new(),
            logs: Vec::new(),
            without_city: false,
            digest: Digest::default(),
        })
    }

    async fn established(&self, _: &(), _: Resume, handle: Handle) -> Result<Beginning, HostFault> {
        *lock(&self.handle) = Some(handle);
        Ok(Beginning::default())
    }

    async fn refused(&self, _: &(), _: u8, _: u64, _: String) {}

    async fn read_feed(&self, _: &(), request: FeedRequest) -> Result<FeedPage, HostFault> {
        Ok(FeedPage {
            through: request.after,
            ..FeedPage::default()
        })
    }

    async fn take_in(&self, _: &(), group: Group) -> Result<(), HostFault> {
        lock(&self.items).extend(group.items);
        Ok(())
    }

    async fn receipts(&self, _: &(), _: Vec<Vec<u8>>) -> Result<(), HostFault> {
        Ok(())
    }

    async fn logs(&self, _: &(), _: Vec<LogEntry>, _: LogsEnd) -> Result<(), HostFault> {
        Ok(())
    }

    async fn health(&self, _: &(), health: Vec<Health>) -> Result<(), HostFault> {
        lock(&self.health).extend(health);
        Ok(())
    }

    async fn serve_want(&self, _: &(), _: Want, _: Vec<u8>) -> Result<Answer, HostFault> {
        Ok(Answer::none(PageCode::NotHeld))
    }

    async fn want_page(&self, _: &(), _: u64, _: Given) -> Result<Option<Ask>, HostFault> {
        Ok(None)
    }

    async fn closed(&self, _: &(), _: &SessionEnd) {
        *lock(&self.handle) = None;
    }
}

/// Waits until something holds; what it is waited for is said if it never does.
async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let within = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(within.is_ok(), "waited in vain: {what}");
}

async fn steps(running: &Running) -> Vec<String> {
    let report = running.teller().report().await.expect("a report");
    report.next_steps()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_seals_tells_how_it_is_and_believes_its_node_no_further_than_it_may() {
    let folder = tempfile::tempdir().expect("folder");
    let identity = InstanceIdentity::generate().expect("identity");
    let local = "127.0.0.1:0".parse().expect("address");
    let mut listener = Listener::listen(local, &identity, Settings::default()).expect("listening");
    let address = listener.address().to_string();
    let node = Arc::new(Node::default());
    let (host, ending) = (node.clone(), Shutdown::new());
    let shutdown = ending.clone();
    tokio::spawn(async move {
        while let Some(arrival) = listener.accept().await {
            if let Arrival::Session(carrier) = arrival {
                let (host, shutdown) = (host.clone(), shutdown.clone());
                tokio::spawn(async move {
                    let (links, clock) = (Links::new(), Clock::system());
                    driver::run(carrier, host, links, clock, shutdown).await
                });
            }
        }
    });

    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir(place("drop")).expect("folder");
    std::fs::write(
        place("mapping.toml"),
        "standard = \"cn.registration\"\n[fields.entity_id]\ncolumn = \"ID\"\n\
         [fields.uscc]\ncolumn = \"CODE\"\n[fields.name]\ncolumn = \"NAME\"\n",
    )
    .expect("mapping");
    let text = "[agent]\nfolder = \"data\"\ndisk_low = \"1KiB\"\n[status]\nlisten = \"127.0.0.1:0\"\n\
        [[source]]\nname = \"登记\"\nkind = \"csv\"\npath = \"drop\"\nmapping = \"mapping.toml\"\n\
        key = [\"ID\"]\nevery = \"100ms\"\nstable = \"0s\"\n";
    let config = Config::parse(&place("agent.toml"), text).expect("a configuration");
    let home = Home::at(&config.agent.folder).expect("home");
    let admission = testing::admit(&home);
    home.write_admission(&admission.chain, &address)
        .expect("written");
    let running = start(&config).await.expect("started");

    let rows = "ID,CODE,NAME\nP1,91110000600037341L,甲\nP2,91460100MA5RCF3N4C,乙\n";
    std::fs::write(place("drop").join("a.csv"), rows).expect("dropped");
    until("the batch", || async { !node.headers().is_empty() }).await;
    assert!(node.opening().is_some(), "the opening goes ahead of it");
    until("well", || async {
        steps(&running).await == ["一切正常，无需操作"]
    })
    .await;
    until("well, as told to the node", || async {
        node.said(|h| h.state == State::Running && h.reasons.is_empty() && !h.relayed)
    })
    .await;
    let batches = || async {
        let report = running.teller().report().await.expect("a report");
        report.queue.sealed_batches
    };

    // the district's word lets nobody forget, the city's beside it does
    let district = testing::district(testing::DISTRICT, testing::DISTRICT_KEY);
    let of_district = node.receipt(testing::DISTRICT, &district);
    let of_city = node.receipt(testing::CITY, &testing::city());
    let sign = |receipt: &Receipt, key| receipt.sign(&testing::key(key)).to_bytes();
    let bytes = sign(&of_district, testing::DISTRICT_KEY);
    node.handle().receipts(vec![bytes]).await;
    until("the district's receipt", || async {
        let report = running.teller().report().await.expect("a report");
        report.receipts.len() == 1
    })
    .await;
    assert_eq!(batches().await, 1);
    let bytes = sign(&of_city, testing::CITY_KEY);
    node.handle().receipts(vec![bytes]).await;
    until("what two hold is forgotten", || async {
        batches().await == 0
    })
    .await;

    // a log that is stopped there is told here
    let stopped = node.word(State::Stopped, Reason::SealedWrongly, 0);
    assert!(node.handle().logs(vec![stopped]).await);
    until("the stopped log", || async {
        steps(&running).await[0].contains("平台已停止接收本代理第 1 批起的数据")
    })
    .await;

    // a file that cannot be taken is told here and there
    std::fs::write(place("drop").join("b.csv"), "X,Y\n1,2\n").expect("dropped");
    until("the file, at the node", || async {
        node.said(|h| h.state == State::Held && h.reasons == [Reason::Source])
    })
    .await;
    assert!(
        steps(&running)
            .await
            .iter()
            .any(|s| s.contains("b.csv 未采用"))
    );

    // the node has a batch that the agent does not have
    let mut ahead = of_district;
    ahead.durable.sequence = 9;
    let bytes = sign(&ahead, testing::DISTRICT_KEY);
    node.handle().receipts(vec![bytes]).await;
    until("it stops sealing", || async {
        steps(&running).await[0].contains("平台已有本席位第 9 批，而本机只到第 1 批")
    })
    .await;
    until("it stops sealing, at the node", || async {
        node.said(|h| h.state == State::Stopped)
    })
    .await;
    assert!(node.said(|h| h.figures.contains(&(Figure::RefusedRows, 0))));
    let rows = "ID,CODE,NAME\nP3,91110000600037341L,丙\n";
    std::fs::write(place("drop").join("c.csv"), rows).expect("dropped");
    until("what is read waits", || async {
        let report = running.teller().report().await.expect("a report");
        report.queue.unsealed_entries == 1
    })
    .await;
    assert_eq!(node.headers().len(), 1);

    // and it is called back
    node.handle()
        .close(GoodbyeCode::Revoked, "本节点已停止其接入")
        .await;
    until("it is called back", || async {
        let steps = steps(&running).await;
        steps
            .iter()
            .any(|s| s.contains("重新办理入网") && s.contains("本节点已停止其接入"))
    })
    .await;
    running.stop().await;
    ending.begin();
}
