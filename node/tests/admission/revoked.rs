//! Seats that are called back: what they had said stands, what comes after is kept apart, their sessions end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node::command::actor::{Action, Way};
use node::command::admission::Invite;
use node::command::revoke::Reason;
use node::host::NodeHost;
use node::{Node, service};
use protocol::batch::LogState;
use protocol::envelope::{Envelope, kind};
use protocol::frame::{GoodbyeCode, Hello, Item};
use protocol::name::{InstanceId, Lane, LogName, Position, SeatId};
use protocol::statement::{EpochOpening, Revocation};
use protocol::words::reason;
use runtime::door::Clock;
use runtime::link;
use runtime::link::endpoint::{Dialer, Listener, Settings};
use runtime::link::host::{Channel, Host as _, HostFault};
use runtime::link::registry::Links;
use runtime::telemetry::Metrics;
use runtime::tls::InstanceIdentity;
use runtime::worker::{Shutdown, Workers};
use store::{AuditFilter, PeerState};
use tempfile::TempDir;

use crate::desk::*;
use crate::kit::*;

const CODE: &str = "91110000600037341L";

fn company(name: &str) -> Vec<(&str, &str)> {
    vec![
        ("entity_id", "1"),
        ("uscc", CODE),
        ("name", name),
        ("area", "历下区"),
        ("est_date", "2018-07-27"),
    ]
}

struct World {
    _folders: [TempDir; 2],
    city: Node,
    east: Node,
    source: Source,
    up: [u64; 3],
    down: [u64; 3],
}

impl World {
    /// A city, a district, and a source of the district that has said one batch.
    async fn new() -> Self {
        let folders = [0; 2].map(|_| tempfile::tempdir().expect("a folder"));
        let authority = authority();
        let city = authority.city_node(folders[0].path()).await;
        let east = authority.district_node(folders[1].path(), 0).await;
        let mut source = Source::new(21, EAST, east.seat(), &key(3));
        let peer = source.peer();
        hand_over(&east, &peer, source.directory(), 0, 2)
            .await
            .expect("known");
        let first = source.state(&company("泉城示范食品有限公司"));
        hand_over(&east, &peer, vec![first], 2, 1)
            .await
            .expect("taken in");
        let mut world = Self {
            _folders: folders,
            city,
            east,
            source,
            up: [0; 3],
            down: [0; 3],
        };
        world.sync().await;
        world
    }

    async fn sync(&mut self) {
        sync(&self.east, &self.city, &mut self.up).await;
        sync(&self.city, &self.east, &mut self.down).await;
    }

    fn log(&self) -> LogName {
        self.source.log().log
    }

    async fn revoke(&self, node: &Node) -> node::command::revoke::Revoked {
        let seat = self.source.seat.to_string();
        node.revoke_seat(&seat, Reason::Stolen, "前置机失窃", &actor(), now())
            .await
            .expect("called back")
    }
}

/// Names of the entities that a node shows.
async fn shown(node: &Node) -> Vec<String> {
    settle(node).await;
    let found = node.search("泉城", 1, 50).await.expect("answered");
    found.hits.into_iter().map(|hit| hit.name).collect()
}

#[tokio::test]
async fn what_a_stolen_key_says_after_it_was_called_back_counts_for_nothing() {
    let mut world = World::new().await;
    assert_eq!(shown(&world.east).await, ["泉城示范食品有限公司"]);
    let revoked = world.revoke(&world.east).await;
    assert_eq!(
        (revoked.logs, revoked.standing, revoked.left_out),
        (1, 0, 0)
    );
    let seat = world.source.seat;
    let log = world.log();
    {
        let directory = world.east.directory();
        let revocation = directory.revocation(&seat).expect("called back");
        let revocation: &Revocation = revocation.statement();
        let held = world.source.log();
        let last = Position {
            sequence: 1,
            header: held.last,
        };
        assert_eq!(revocation.last(&log), Some(last));
        assert_eq!(revocation.through, 1);
    }
    let again = world
        .east
        .revoke_seat(&seat.to_string(), Reason::Stolen, "x", &actor(), now())
        .await;
    assert!(again.expect_err("over").to_string().contains("已被撤销"));
    // the thief goes on: an error of nobody's, so that whoever relays it is not cut off
    let peer = world.source.peer();
    let stolen = world.source.state(&company("泉城冒名有限公司"));
    for (node, peer) in [(&world.east, peer), (&world.city, as_peer(&world.east))] {
        if node.seat() == world.city.seat() {
            sync(&world.east, &world.city, &mut world.up).await;
        }
        let through = if node.seat() == world.city.seat() {
            900
        } else {
            2
        };
        hand_over(node, &peer, vec![stolen.clone()], 2, through)
            .await
            .expect("kept apart");
        assert_eq!(node.position(&log).sequence, 1);
        let evidence = node.store().evidence().await.expect("read");
        let of_seat = evidence.iter().filter(|e| e.seat == seat);
        let reasons: Vec<u16> = of_seat.map(|e| e.reason).collect();
        assert_eq!(reasons, [reason::REVOKED]);
        assert_eq!(shown(node).await, ["泉城示范食品有限公司"]);
    }
}

#[tokio::test]
async fn a_new_key_goes_on_for_a_seat_that_was_called_back() {
    let mut world = World::new().await;
    world.revoke(&world.east).await;
    world.sync().await;
    let seat = world.source.seat;
    let invite = Invite {
        renews: seat.to_string(),
        reason: "前置机失窃，密钥已撤销".to_owned(),
        pre_approved: true,
        ..bureau()
    };
    let invite = Invite {
        title: String::new(),
        organisation: String::new(),
        ..invite
    };
    let (code, _) = issue(&world.city, &invite).await;
    let newcomer = Newcomer::fresh();
    let approved = newcomer.ask(&world.city, &code).await.approved();
    let identity = approved.identity.clone();
    assert_eq!(identity.identity().serial, 2);
    world.sync().await;
    let former = world.source.log().clone();
    let opening = EpochOpening {
        seat,
        counter: 2,
        nonce: [5; 16],
        identity: identity.reference(),
        instance: InstanceId([5; 16]),
        last_known: vec![(
            Lane::Records as u8,
            Position {
                sequence: former.sequence,
                header: former.last,
            },
        )],
        void: Vec::new(),
    };
    let envelope = Envelope::signed(kind::OPENING, 1, opening.to_bytes(), &newcomer.key);
    let reference = envelope.reference().expect("named");
    let log = LogState::start(&opening, reference, Lane::Records);
    let name = log.log;
    let mut peer = world.source.peer();
    peer.identity = identity.identity().clone();
    hand_over(
        &world.east,
        &peer,
        vec![Item::Envelope(envelope.to_bytes())],
        0,
        3,
    )
    .await
    .expect("known");
    let entry = world
        .source
        .registration(&company("泉城新钥有限公司"))
        .expect("accepted");
    let draft = world.source.draft(entry, protocol::entry::Hint::Unknown);
    let sealed = protocol::batch::seal(
        &log,
        &[draft],
        protocol::name::HybridTime(9),
        &[7; 32],
        identity.reference(),
        &newcomer.key,
    )
    .expect("sealed");
    let item = Item::Slice {
        header: sealed.header.to_bytes(),
        body: protocol::slice::pack(&sealed.body),
    };
    hand_over(&world.east, &peer, vec![item], 2, 3)
        .await
        .expect("taken in");
    assert_eq!(world.east.position(&name).sequence, 1);
    assert_eq!(shown(&world.east).await, ["泉城新钥有限公司"]);
    world.sync().await;
    assert_eq!(world.city.position(&name).sequence, 1);
}

#[tokio::test]
async fn a_seat_is_called_back_by_who_is_over_it() {
    let mut world = World::new().await;
    let tax = Invite {
        organisation: format!("{EAST}.swj"),
        ..bureau()
    };
    let (_, of_city, _) = let_in(&world.city, &tax).await;
    world.sync().await;
    let revoke = async |node: &Node, seat: SeatId, text: &str| {
        node.revoke_seat(&seat.to_string(), Reason::Other, text, &actor(), now())
            .await
            .map_err(|e| e.to_string())
    };
    let check = async |node: &Node, seat: SeatId, text: &str, part: &str| {
        let refused = revoke(node, seat, text).await.expect_err(part);
        assert!(refused.contains(part), "{refused}");
    };
    let (city, east) = (&world.city, &world.east);
    check(east, of_city, "x", "不是由本节点准入的").await;
    check(east, east.seat(), "x", "自己的席位").await;
    check(east, city.seat(), "x", "根密钥").await;
    check(city, city.seat(), "x", "自己的席位").await;
    check(city, SeatId([99; 16]), "x", "没有这个席位").await;
    check(city, of_city, " ", "--text").await;
    check(city, of_city, &"长".repeat(100), "60 个汉字").await;
    // the city over what a district has let in; and over the district, whose word stands
    revoke(city, world.source.seat, "x")
        .await
        .expect("called back");
    let done = revoke(city, east.seat(), "x").await.expect("called back");
    assert_eq!(done.standing, 1, "the source that it has let in");
    let directory = city.directory();
    assert!(directory.identity(&east.seat()).is_none());
    let source = directory.newest_identity(&world.source.seat);
    assert!(source.is_some_and(|i| directory.is_issued(i)));
}

#[tokio::test]
async fn who_is_called_back_elsewhere_is_not_let_in_here() {
    let mut world = World::new().await;
    let tax = Invite {
        organisation: format!("{EAST}.swj"),
        ..bureau()
    };
    let (newcomer, seat, _) = let_in(&world.east, &tax).await;
    world.sync().await;
    let host = NodeHost::new(world.east.clone(), Links::new(), Clock::system());
    let channel = Channel {
        exporter: [1; 32],
        peer_key: newcomer.tls_key,
    };
    let hello = Hello {
        seats: vec![protocol::frame::Presence {
            seat,
            signatures: protocol::presence::sign(&seat, &channel.exporter, &newcomer.key),
        }],
        statements: Vec::new(),
        ..host.introduce(channel).await.expect("a hello")
    };
    let comes = async |peer_key: [u8; 32]| {
        let channel = Channel {
            peer_key,
            ..channel
        };
        match host.authenticate(channel, hello.clone()).await {
            Ok(_) => None,
            Err(HostFault::Peer { code, text }) => Some((code, text)),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(comes(newcomer.tls_key).await, None);
    // the key of the connection is the one of its admission
    let (code, text) = comes([9; 32]).await.expect("another machine");
    assert_eq!(code, GoodbyeCode::NotAdmitted);
    assert!(text.contains("续期接入码"), "{text}");
    let revoked = world
        .city
        .revoke_seat(&seat.to_string(), Reason::Left, "不再报送", &actor(), now())
        .await;
    revoked.expect("called back");
    world.sync().await;
    let (code, _) = comes(newcomer.tls_key).await.expect("called back");
    assert_eq!(code, GoodbyeCode::Revoked);
    host.part_with_revoked().await.expect("noted");
    let row = world.east.store().peer(seat).await.expect("read");
    let row = row.expect("a row");
    assert_eq!(row.state, PeerState::Revoked);
    assert!(row.reason.contains("不再报送"), "{}", row.reason);
    written_down(&world.east, Action::PeerRevoked, seat).await;
    // with keys that the city has given it, it comes in on the machine that it has now
    let invite = Invite {
        renews: seat.to_string(),
        title: String::new(),
        organisation: String::new(),
        reason: "重新接入".to_owned(),
        pre_approved: true,
        ..bureau()
    };
    let (code, _) = issue(&world.city, &invite).await;
    let other = Newcomer::fresh();
    other.ask(&world.city, &code).await.approved();
    world.sync().await;
    let hello = Hello {
        seats: vec![protocol::frame::Presence {
            seat,
            signatures: protocol::presence::sign(&seat, &channel.exporter, &other.key),
        }],
        ..hello.clone()
    };
    let channel = Channel {
        peer_key: other.tls_key,
        ..channel
    };
    let came = host.authenticate(channel, hello).await;
    assert!(came.is_ok(), "{:?}", came.err());
    let row = world.east.store().peer(seat).await.expect("read");
    let row = row.expect("a row");
    assert_eq!(
        (row.state, row.tls_key),
        (PeerState::Approved, other.tls_key)
    );
    assert_eq!(row.fingerprint, other.keys.fingerprint().to_string());
    written_down(&world.east, Action::PeerRenewed, seat).await;
}

/// The newest act is this one, by the city's word.
async fn written_down(node: &Node, action: Action, seat: SeatId) {
    let newest = node
        .store()
        .audit_page(&AuditFilter::default(), None, 1)
        .await;
    let row = newest.expect("read").remove(0);
    let city = format!("seat {CITY_SEAT}");
    assert_eq!(
        (row.action.as_str(), row.object, row.way.as_str(), row.name),
        (action.key(), seat.to_string(), Way::Statement.key(), city)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_at_once_when_its_seat_is_called_back() {
    let world = World::new().await;
    let clock = Clock::system();
    let workers = Workers::new(Metrics::new());
    let instance = InstanceIdentity::generate().expect("identity");
    let local = "127.0.0.1:0".parse().expect("address");
    let listener = Listener::listen(local, &instance, Settings::default()).expect("listening");
    let (address, known) = (listener.address().to_string(), listener.known_keys());
    let city = NodeHost::new(world.city.clone(), Links::new(), clock.clone());
    service::keep_stages(&city, &workers, &clock);
    workers.once(service::listen(
        city.clone(),
        listener,
        workers.clone(),
        clock.clone(),
    ));
    let dials = InstanceIdentity::generate().expect("identity");
    let (newcomer_key, seat) = (dials.key_hash(), world.east.seat());
    let mut row = peer_row(world.east.identity(), PeerState::Approved);
    row.tls_key = newcomer_key;
    row.fingerprint = world.east.identity().keys.fingerprint().to_string();
    let act = store::AuditRow::default();
    world.city.store().peer_put(&row, &act).await.expect("put");
    let east = Arc::new(NodeHost::new(
        world.east.clone(),
        Links::new(),
        clock.clone(),
    ));
    let ends = Arc::new(Mutex::new(Vec::new()));
    let (said, stop) = (ends.clone(), Shutdown::new());
    let until = stop.clone();
    let links = east.links().clone();
    let dialling = tokio::spawn(async move {
        let dialer = Dialer::new(&dials, Settings::default()).expect("dialling");
        let told = |end: &link::LinkEnd, _: Option<Duration>| {
            said.lock().expect("lock").push(format!("{end:?}"));
        };
        link::keep_session(&dialer, &address, east, links, clock, &until, told).await;
    });
    let in_time = async |what: &str, holds: &dyn Fn() -> bool| {
        for _ in 0..400 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what}: {:?}", ends.lock().expect("lock"));
    };
    in_time("in session", &|| city.links().with(&seat).is_some()).await;
    assert!(known.knows(&newcomer_key));
    let revoked = world
        .city
        .revoke_seat(
            &seat.to_string(),
            Reason::Stolen,
            "机房被盗",
            &actor(),
            now(),
        )
        .await;
    revoked.expect("called back");
    in_time("told", &|| !ends.lock().expect("lock").is_empty()).await;
    let first = ends.lock().expect("lock")[0].clone();
    assert!(first.contains("机房被盗"), "{first}");
    in_time("over", &|| city.links().with(&seat).is_none()).await;
    in_time("forgotten", &|| !known.knows(&newcomer_key)).await;
    stop.begin();
    dialling.await.expect("ended");
    assert!(workers.stop(Duration::from_secs(20)).await.is_empty());
    let row = world.city.store().peer(seat).await.expect("read");
    assert_eq!(row.expect("a row").state, PeerState::Revoked);
}
