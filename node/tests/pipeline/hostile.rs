//! Peers with valid certificates that say what they may not: they lose their session, and nothing of anybody else changes.

use node::intake::TakeInFault;
use protocol::envelope::{Envelope, kind};
use protocol::frame::{Item, Routed, Want};
use protocol::hash::Ref;
use protocol::name::{InstanceId, SeatId};
use protocol::statement::{EpochOpening, Identity};
use protocol::words::reason;
use tempfile::TempDir;

use crate::kit::*;
use crate::{CODE_A, CODE_B, World, company, found};

fn said_by_peer(fault: &TakeInFault) -> bool {
    matches!(
        fault,
        TakeInFault::Peer(_) | TakeInFault::Item { .. } | TakeInFault::Jurisdiction { .. }
    )
}

#[tokio::test]
async fn only_the_city_says_where_an_entity_belongs() {
    let mut w = World::new().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "留守有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    let routed = |to: &str| {
        Item::Routed(Routed {
            subjects: vec![format!("uscc:{CODE_A}")],
            from: EAST.into(),
            to: to.into(),
            by: SeatId::default(),
        })
    };
    for (node, peer) in [
        (&w.east, w.source.peer()),
        (&w.city, as_peer(&w.west)),
        (&w.city, as_peer(&w.east)),
    ] {
        let head = node.store().feed_heads().head;
        for to in [WEST, node.region()] {
            let fault = hand_over(node, &peer, vec![routed(to)], 2, 90)
                .await
                .expect_err("not theirs to say");
            assert!(said_by_peer(&fault), "{fault}");
            assert!(fault.to_string().contains("市级"), "{fault}");
        }
        settle(node).await;
        assert_eq!(node.store().feed_heads().head, head);
        assert!(node.store().wants_open().await.expect("wants").is_empty());
        assert_eq!(found(node, "留守").await, ["留守有限公司"]);
    }
    // nor is it an answer to a want
    let city = as_peer(&w.city);
    let answer = w.east.take_in(
        &city,
        vec![(0, routed(WEST))],
        node::intake::Arrival::Want,
        5,
    );
    assert!(said_by_peer(&answer.await.expect_err("no answer")));
    w.assert_converged().await;
}

#[tokio::test]
async fn a_source_is_served_nothing_of_others() {
    let mut w = World::new().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "他人有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    let authority = authority();
    let curious = Source::new(31, EAST, authority.districts[0].0, &key(3)).peer();
    let subject = Want::Subject(format!("uscc:{CODE_A}"));
    let served = w.east.want_page(&curious, &subject, &[]).await;
    let served = served.expect("served");
    assert_eq!((served.items, served.next), (vec![], None));
    // a district is served its own region only
    let far = w.city.want_page(&as_peer(&w.west), &subject, &[]).await;
    assert_eq!(far.expect("served").items, vec![]);
    let own = w.city.want_page(&as_peer(&w.east), &subject, &[]).await;
    assert_eq!(own.expect("served").items.len(), 1);
    let interest = protocol::frame::Interest {
        full: true,
        regions: vec![EAST.into()],
        city_wide: true,
        ..protocol::frame::Interest::default()
    };
    for class in [1, 2] {
        let page = w
            .east
            .feed_page(&curious, &interest, class, 0, None, 1 << 20)
            .await
            .expect("a page");
        assert!(page.items.is_empty(), "class {class}");
    }
}

#[tokio::test]
async fn what_cannot_be_verified_yet_does_not_pile_up() {
    let mut w = World::new().await;
    let authority = authority();
    // of a seat that the source did not present
    let mut other = Source::new(40, EAST, authority.districts[0].0, &key(3));
    let item = other.state(&company("1", CODE_A, "无名有限公司", "历下区"));
    let fault = hand_over(&w.east, &w.source.peer(), vec![item], 2, 1)
        .await
        .expect_err("not its seat");
    assert!(said_by_peer(&fault), "{fault}");
    assert!(w.east.store().held().await.expect("held").is_empty());
    // a district that brings ever more logs of nobody: of each log one row, of each statement one want, however often
    for round in 0..3u64 {
        for n in 50..=80u8 {
            let mut other = Source::new(n, EAST, authority.districts[0].0, &key(3));
            let item = other.state(&company("1", CODE_A, "无名有限公司", "历下区"));
            hand_over(
                &w.city,
                &as_peer(&w.east),
                vec![item],
                2,
                round * 100 + u64::from(n),
            )
            .await
            .expect("held");
        }
    }
    assert_eq!(w.city.store().held().await.expect("held").len(), 31);
    assert_eq!(w.city.store().wants_open().await.expect("wants").len(), 31);
    // nobody else is disturbed
    let item = w
        .source
        .state(&company("2", CODE_B, "照常有限公司", "历下区"));
    w.say(item).await;
    settle(&w.east).await;
    assert_eq!(found(&w.east, "照常").await, ["照常有限公司"]);
}

#[tokio::test]
async fn what_nobody_reads_is_kept_only_if_its_seat_or_an_issuer_signed_it() {
    let mut w = World::new().await;
    let head = w.east.store().feed_heads().head;
    let peer = w.source.peer();
    let of = |seat: SeatId, fill: u8| [seat.0.as_slice(), &[fill; 1 << 10]].concat();
    let unsigned = Envelope {
        signatures: Vec::new(),
        ..Envelope::signed(77, 1, of(w.source.seat, 1), &key(30))
    };
    let by_nobody = Envelope::signed(77, 1, of(w.source.seat, 2), &key(99));
    let receipt = Envelope::signed(kind::RECEIPT, 1, of(w.source.seat, 3), &key(30));
    for envelope in [&unsigned, &by_nobody, &receipt] {
        let fault = hand_over(
            &w.east,
            &peer,
            vec![Item::Envelope(envelope.to_bytes())],
            0,
            9,
        )
        .await
        .expect_err("whose is it?");
        assert!(said_by_peer(&fault), "{fault}");
    }
    assert_eq!(w.east.store().feed_heads().head, head);
    // a later release's statement travels, by its seat or by who admitted it
    for (n, signer) in [(4, key(30)), (5, key(3))] {
        let of_later = Envelope::signed(77, 1, of(w.source.seat, n), &signer);
        let item = Item::Envelope(of_later.to_bytes());
        hand_over(&w.east, &peer, vec![item], 0, 9 + u64::from(n))
            .await
            .expect("kept and forwarded");
        sync(&w.east, &w.city, &mut w.up_east).await;
        let all = w.city.store().directory().await.expect("directory");
        let kept = all.iter().find(|e| e.bytes == of_later.to_bytes());
        assert!(kept.is_some_and(|e| !e.read), "verbatim, and not read");
    }
}

#[tokio::test]
async fn a_batch_that_skips_is_kept_and_what_is_missing_is_wanted() {
    let mut w = World::new().await;
    let items: Vec<Item> = [CODE_A, CODE_B, CODE_A]
        .iter()
        .enumerate()
        .map(|(n, code)| {
            let name = format!("第{n}有限公司");
            w.source
                .state(&company(&n.to_string(), code, &name, "历下区"))
        })
        .collect();
    w.say(items[0].clone()).await;
    w.say(items[2].clone()).await;
    let wants = w.east.store().wants_open().await.expect("wants");
    let want = protocol::codec::decode_want(&wants[0].want).expect("a want");
    assert!(
        matches!(want, Want::Range { seat, from: 2, .. } if seat == w.source.seat),
        "{want:?}"
    );
    assert_eq!(w.east.gaps().len(), 1);
    assert!(w.east.stopped().is_empty());
    // from above comes what concerns a district: that something lies between is no gap
    sync(&w.east, &w.city, &mut w.up_east).await;
    let from_above = as_peer(&w.city);
    let east = Item::Envelope(authority().districts[0].2.to_bytes());
    for envelope in [vec![east], w.source.directory()].concat() {
        hand_over(&w.west, &from_above, vec![envelope], 0, 9)
            .await
            .expect("directory");
    }
    hand_over(&w.west, &from_above, vec![items[2].clone()], 2, 9)
        .await
        .expect("taken");
    let wants = w.west.store().wants_open().await.expect("wants");
    assert!(
        wants.is_empty(),
        "{:?}",
        protocol::codec::decode_want(&wants[0].want)
    );
    w.east
        .take_in(
            &w.source.peer(),
            (0..).zip(items[1..].to_vec()).collect(),
            node::intake::Arrival::Want,
            5,
        )
        .await
        .expect("the answer");
    let logs = w.east.store().log_frontiers().await.expect("logs");
    let log = logs.iter().find(|l| l.seat == w.source.seat).expect("log");
    assert_eq!(log.sequence, 3, "receipts go on");
    assert!(w.east.gaps().is_empty());
    w.spread().await;
    assert_eq!(w.city.sum(None).await.expect("sum").records, 3);
    let (held, due) = (w.east.sum(Some(EAST)).await, w.city.sum(Some(EAST)).await);
    assert_eq!(held.expect("sum"), due.expect("sum"));
}

/// Two histories under one key: an alarm, never a choice.
#[tokio::test]
async fn a_batch_that_does_not_continue_its_log_stops_it() {
    for (before, forged) in [(1, 2), (2, 2), (3, 1)] {
        let mut w = World::new().await;
        let authority = authority();
        let mut twin = Source::new(30, EAST, authority.districts[0].0, &key(3));
        for n in 0..before {
            let name = format!("原有{n}有限公司");
            let item = w
                .source
                .state(&company(&n.to_string(), CODE_A, &name, "历下区"));
            w.say(item).await;
        }
        let mut other = None;
        for n in 0..forged {
            let name = format!("另说{n}有限公司");
            other = Some(twin.state(&company(&n.to_string(), CODE_B, &name, "历下区")));
        }
        w.say(other.expect("one")).await;
        assert_eq!(w.east.stopped().len(), 1, "{before} {forged}");
        let stop = w.east.stopped().remove(0);
        assert_eq!(
            (stop.seat, stop.reason),
            (w.source.seat, reason::TWO_HEADERS)
        );
        let why = node::query::health::words::stopped(&stop);
        assert!(why.contains('请'), "{why}");
        let evidence = w.east.store().evidence().await.expect("evidence");
        assert!(evidence.iter().any(|row| row.seat == w.source.seat));
        settle(&w.east).await;
        assert!(
            found(&w.east, "另说").await.is_empty(),
            "nothing of it is believed"
        );
        assert!(
            !found(&w.east, "原有").await.is_empty(),
            "what stood stands"
        );
    }
}

#[tokio::test]
async fn a_revoked_seat_does_not_come_in_behind_another() {
    use protocol::frame::{FRAME_HIGHEST, Hello, ITEM_HIGHEST, Presence};
    use protocol::name::{Incarnation, InstanceId};
    use protocol::presence;
    use runtime::link::host::{Channel, Host};
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let sources = [30, 31].map(|n| Source::new(n, EAST, authority.districts[0].0, &key(3)));
    for source in &sources {
        east.publish(std::slice::from_ref(&source.identity), 1)
            .await
            .expect("admitted");
    }
    for (source, state) in [
        (&sources[0], store::PeerState::Approved),
        (&sources[1], store::PeerState::Revoked),
    ] {
        let identity = Identity::from_bytes(&source.identity.bytes).expect("identity");
        let row = store::PeerRow {
            tls_key: [4; 32],
            fingerprint: identity.keys.fingerprint().to_string(),
            ..peer_row(&identity, state)
        };
        east.store()
            .peer_put(&row, &store::AuditRow::default())
            .await
            .expect("put");
    }
    let host = node::host::NodeHost::new(
        east,
        runtime::link::registry::Links::new(),
        runtime::door::Clock::manual(5).0,
    );
    let hello = |of: &[u8]| Hello {
        frames: FRAME_HIGHEST,
        items: ITEM_HIGHEST,
        instance: InstanceId([1; 16]),
        incarnation: Incarnation::default(),
        release: String::new(),
        seats: of
            .iter()
            .map(|n| {
                let seat = SeatId([*n; 16]);
                Presence {
                    seat,
                    signatures: presence::sign(&seat, &[3; 32], &key(*n)),
                }
            })
            .collect(),
        statements: Vec::new(),
    };
    let channel = |peer_key| Channel {
        exporter: [3; 32],
        peer_key: [peer_key; 32],
    };
    let comes = async |key: u8, of: &[u8]| host.authenticate(channel(key), hello(of)).await.is_ok();
    assert!(comes(4, &[30]).await);
    assert!(!comes(5, &[30]).await, "by another TLS key than was pinned");
    assert!(!comes(4, &[31]).await);
    assert!(!comes(4, &[30, 31]).await);
}

/// What was changed on the way is the fault of who brought it: it is refused, nothing stops, and what is missing then is
/// asked for.
#[tokio::test]
async fn what_was_changed_on_the_way_stops_nothing() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let mut source = Source::new(30, EAST, authority.districts[0].0, &key(3));
    let peer = source.peer();
    hand_over(&east, &peer, source.directory(), 0, 2)
        .await
        .expect("directory");
    let items: Vec<Item> = (1..=3)
        .map(|n| {
            let name = format!("第{n}有限公司");
            source.state(&company(&n.to_string(), CODE_A, &name, "历下区"))
        })
        .collect();
    let Item::Slice { header, body } = items[0].clone() else {
        panic!("a slice");
    };
    for at in 0..header.len() {
        let mut header = header.clone();
        header[at] ^= 1;
        let body = body.clone();
        let done = hand_over(&east, &peer, vec![Item::Slice { header, body }], 2, 1).await;
        match done {
            Err(fault) => assert!(said_by_peer(&fault), "byte {at}: {fault}"),
            // another seat's or epoch's log, of which nothing is known: it waits, or is not kept
            Ok(()) => assert_eq!(east.store().log_frontiers().await.expect("logs"), []),
        }
        assert!(east.stopped().is_empty(), "byte {at}");
    }
    drop(east);

    let east = authority.district_node(folder.path(), 0).await;
    hand_over(&east, &peer, vec![items[2].clone()], 2, 3)
        .await
        .expect("kept");
    let wants = east.store().wants_open().await.expect("wants");
    let wants: Vec<Want> = wants
        .iter()
        .map(|row| protocol::codec::decode_want(&row.want).expect("a want"))
        .collect();
    let is_rest =
        |want: &Want| matches!(want, Want::Range { seat, from: 1, .. } if *seat == source.seat);
    assert!(wants.iter().any(is_rest), "{wants:?}");
    east.take_in(
        &peer,
        (0..).zip(items).collect(),
        node::intake::Arrival::Want,
        5,
    )
    .await
    .expect("the answer");
    settle(&east).await;
    assert_eq!(east.sum(None).await.expect("sum").records, 3);
    let logs = east.store().log_frontiers().await.expect("logs");
    assert_eq!(logs.iter().map(|l| l.sequence).max(), Some(3));
    assert!(east.gaps().is_empty());
}

/// A seat's own signed word that may not be stops its log there, whoever brings it; other logs and the node go on, and a
/// restart changes nothing about it.
#[tokio::test]
async fn a_stop_is_the_logs_own_and_outlives_a_restart() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let issuer = authority.districts[0].0;
    let (mut bad, mut good) = (
        Source::new(30, EAST, issuer, &key(3)),
        Source::new(31, EAST, issuer, &key(3)),
    );
    let mut twin = Source::new(30, EAST, issuer, &key(3));
    for source in [&bad, &good] {
        hand_over(&east, &source.peer(), source.directory(), 0, 2)
            .await
            .expect("directory");
    }
    for (name, source) in [("真有限公司", &mut bad), ("假有限公司", &mut twin)] {
        let item = source.state(&company("1", CODE_A, name, "历下区"));
        hand_over(&east, &source.peer(), vec![item], 2, 1)
            .await
            .expect("taken, or stopped");
    }
    let stopped = east.stopped();
    assert_eq!(stopped.len(), 1);
    drop(east);
    let east = authority.district_node(folder.path(), 0).await;
    assert_eq!(east.stopped(), stopped);
    let next = bad.state(&company("2", CODE_B, "续有限公司", "历下区"));
    hand_over(&east, &bad.peer(), vec![next], 2, 2)
        .await
        .expect("passed over");
    let other = good.state(&company("1", CODE_B, "好有限公司", "历下区"));
    hand_over(&east, &good.peer(), vec![other], 2, 1)
        .await
        .expect("taken in");
    settle(&east).await;
    assert_eq!(
        found(&east, "有限公司").await.len(),
        2,
        "真 and 好, not 假 nor 续"
    );
    let report = east.verify(true, 9).await.expect("verify");
    assert!(!report.completeness.is_good(), "a stop is said");
    assert!(report.bytes.is_good(), "{report:?}");
}

/// One unsigned or wrongly signed statement keeps nobody out and no node from starting.
#[tokio::test]
async fn a_statement_that_does_not_verify_leaves_no_trace() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let head = east.store().feed_heads().head;
    let from_city = node::intake::Peer {
        identity: Identity::from_bytes(&authority.city.2.bytes).expect("identity"),
        seats: vec![authority.city.0],
        incarnation: protocol::name::Incarnation::default(),
        release: String::new(),
    };
    let real = Source::new(30, EAST, authority.districts[0].0, &key(3));
    let bare = |envelope: &Envelope| Envelope {
        signatures: Vec::new(),
        ..envelope.clone()
    };
    let forged = |envelope: &Envelope| {
        Envelope::signed(
            envelope.kind,
            envelope.format,
            envelope.bytes.clone(),
            &key(66),
        )
    };
    let originals = [
        &authority.root,
        &authority.city.2,
        &authority.districts[1].2,
        &real.identity,
        &real.opening,
    ];
    for original in originals {
        for envelope in [bare(original), forged(original)] {
            let item = Item::Envelope(envelope.to_bytes());
            if let Err(fault) = hand_over(&east, &from_city, vec![item], 0, 5).await {
                assert!(said_by_peer(&fault), "{fault}");
            }
        }
    }
    assert_eq!(
        east.store().feed_heads().head,
        head,
        "nothing of it is stored"
    );
    let kept = east.store().directory().await.expect("directory");
    let known: Vec<Ref> = kept.iter().map(|row| row.reference).collect();
    assert!(!known.contains(&reference(&real.identity)));
    drop(east);
    let east = authority.district_node(folder.path(), 0).await;
    for envelope in real.directory() {
        hand_over(&east, &real.peer(), vec![envelope], 0, 9)
            .await
            .expect("the real one counts");
    }
}

/// Whoever signs in another's name accuses himself: nothing is held against the other, and his own feed goes on.
#[tokio::test]
async fn what_a_seat_says_in_anothers_name_is_evidence_against_itself() {
    let w = World::new().await;
    let authority = authority();
    let (seat, other) = (w.source.seat, authority.districts[0].0);
    let statement = EpochOpening {
        seat: other,
        counter: 1,
        nonce: [9; 16],
        identity: w.source.identity.reference().expect("read"),
        instance: InstanceId([9; 16]),
        last_known: Vec::new(),
        void: Vec::new(),
    };
    let opening = Envelope::signed(kind::OPENING, 1, statement.to_bytes(), &key(30));
    let item = Item::Envelope(opening.to_bytes());
    hand_over(&w.east, &w.source.peer(), vec![item], 0, 91)
        .await
        .expect("taken in");
    let evidence = w.east.store().evidence().await.expect("evidence");
    let against: Vec<SeatId> = evidence.iter().map(|row| row.seat).collect();
    assert_eq!(against, [seat]);
    assert!(w.east.stopped().is_empty());
}
