//! Peers with valid certificates that say what they may not: they lose their session, and nothing of anybody else changes.

use node::intake::TakeInFault;
use protocol::directory::Identity;
use protocol::envelope::{Envelope, kind};
use protocol::frame::{Item, Routed, Want};
use protocol::name::SeatId;
use tempfile::TempDir;

use crate::kit::*;
use crate::{CODE_A, CODE_B, World, company, found};

fn said_by_peer(fault: &TakeInFault) -> bool {
    matches!(
        fault,
        TakeInFault::Peer(_) | TakeInFault::Jurisdiction { .. }
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
            subject: format!("uscc:{CODE_A}"),
            from: EAST.into(),
            to: to.into(),
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
    let answer = w
        .east
        .take_in(&city, vec![routed(WEST)], node::intake::Arrival::Want, 5);
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
    assert_eq!(served.expect("served"), (vec![], None));
    // a district is served its own region only
    let far = w.city.want_page(&as_peer(&w.west), &subject, &[]).await;
    assert_eq!(far.expect("served").0, vec![]);
    let own = w.city.want_page(&as_peer(&w.east), &subject, &[]).await;
    assert_eq!(own.expect("served").0.len(), 1);
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
    // a district that brings ever more logs of nobody
    let mut refused = None;
    for n in 0..=255u8 {
        let mut items = Vec::new();
        for m in 0..=7u8 {
            let mut other = Source::new(n, EAST, SeatId([m; 16]), &key(m));
            items.push(other.state(&company("1", CODE_A, "无名有限公司", "历下区")));
        }
        if let Err(fault) = hand_over(&w.city, &as_peer(&w.east), items, 2, u64::from(n) + 1).await
        {
            refused = Some(fault);
            break;
        }
    }
    let fault = refused.expect("bounded");
    assert!(said_by_peer(&fault), "{fault}");
    let held = w.city.store().held().await.expect("held").len();
    assert!(held <= node::intake::HELD_MAX, "{held}");
    // nobody else is disturbed
    let item = w
        .source
        .state(&company("2", CODE_B, "照常有限公司", "历下区"));
    w.say(item).await;
    settle(&w.east).await;
    assert_eq!(found(&w.east, "照常").await, ["照常有限公司"]);
}

#[tokio::test]
async fn what_nobody_reads_is_kept_only_if_its_sender_signed_it() {
    let mut w = World::new().await;
    let head = w.east.store().feed_heads().head;
    let peer = w.source.peer();
    let unsigned = Envelope {
        kind: 77,
        format: 1,
        bytes: vec![1; 1 << 10],
        signatures: Vec::new(),
    };
    let by_nobody = Envelope::signed(77, 1, vec![2; 1 << 10], &key(99));
    let receipt = Envelope::signed(kind::RECEIPT, 1, vec![3; 9], &key(30));
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
    // a later release's statement travels
    let of_later = Envelope::signed(kind::ROTATION, 1, vec![4; 64], &key(30));
    hand_over(
        &w.east,
        &peer,
        vec![Item::Envelope(of_later.to_bytes())],
        0,
        9,
    )
    .await
    .expect("kept and forwarded");
    sync(&w.east, &w.city, &mut w.up_east).await;
    let all = w.city.store().directory().await.expect("directory");
    assert!(all.iter().any(|e| e.hash == of_later.hash()));
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
        matches!(want, Want::Range { seat, from: 2, .. } if seat == w.source.seat.0),
        "{want:?}"
    );
    assert!(w.east.stopped().is_empty());
    // from above comes what concerns a district: that something lies between is no gap
    sync(&w.east, &w.city, &mut w.up_east).await;
    let from_above = as_peer(&w.city);
    for envelope in w.source.directory() {
        hand_over(&w.west, &from_above, vec![envelope], 0, 9)
            .await
            .expect("directory");
    }
    hand_over(&w.west, &from_above, vec![items[2].clone()], 2, 9)
        .await
        .expect("taken");
    assert!(w.west.store().wants_open().await.expect("wants").is_empty());
    w.east
        .take_in(
            &w.source.peer(),
            items[1..].to_vec(),
            node::intake::Arrival::Want,
            5,
        )
        .await
        .expect("the answer");
    let logs = w.east.store().log_frontiers().await.expect("logs");
    let log = logs.iter().find(|l| l.seat == w.source.seat).expect("log");
    assert_eq!(log.sequence, 3, "receipts go on");
    w.spread().await;
    assert_eq!(w.city.sum(None).await.expect("sum").records, 3);
    w.assert_converged().await;
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
        let why = w.east.stopped().into_values().next().expect("why");
        assert!(why.contains("来源") && why.contains("请"), "{why}");
        let held = w.east.store().held().await.expect("held");
        assert_eq!(held[0].0.seat, w.source.seat);
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
    use protocol::directory::presence;
    use protocol::frame::{Hello, Presence, VERSIONS};
    use runtime::link::driver::{Channel, Host};
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let sources = [30, 31].map(|n| Source::new(n, EAST, authority.districts[0].0, &key(3)));
    for source in &sources {
        east.publish(std::slice::from_ref(&source.identity), 1)
            .await
            .expect("admitted");
    }
    let row = |source: &Source, state| {
        let identity = Identity::from_bytes(&source.identity.bytes).expect("identity");
        peer_row(&identity, state)
    };
    for (source, state) in [
        (&sources[0], store::PeerState::Approved),
        (&sources[1], store::PeerState::Revoked),
    ] {
        east.store()
            .peer_put(&row(source, state), &store::AuditRow::default())
            .await
            .expect("put");
    }
    let channel = Channel {
        exporter: [3; 32],
        peer_key: [0; 32],
    };
    let host = node::host::NodeHost::new(
        east,
        runtime::link::registry::Links::new(),
        runtime::door::Clock::manual(5).0,
    );
    let hello = |of: &[u8]| Hello {
        frame_min: VERSIONS.0,
        frame_max: VERSIONS.1,
        instance: [1; 16],
        feed: [1; 16],
        seats: of
            .iter()
            .map(|n| {
                let seat = SeatId([*n; 16]);
                Presence {
                    seat: seat.0,
                    signature: key(*n).sign(&presence(&channel.exporter, &seat)),
                }
            })
            .collect(),
        directory: Vec::new(),
    };
    assert!(host.authenticate(channel, hello(&[30])).await.is_ok());
    assert!(host.authenticate(channel, hello(&[31])).await.is_err());
    assert!(host.authenticate(channel, hello(&[30, 31])).await.is_err());
}

/// What was changed on the way stops the log with an alarm; once the way is mended and the node started again, what is
/// missing is asked for and nothing is lost.
#[tokio::test]
async fn a_stopped_log_goes_on_after_a_restart() {
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
    let Item::Slice { mut header, body } = items[0].clone() else {
        panic!("a slice");
    };
    let last = header.len() - 1;
    header[last] ^= 1;
    hand_over(&east, &peer, vec![Item::Slice { header, body }], 2, 1)
        .await
        .expect("stopped");
    hand_over(&east, &peer, vec![items[1].clone()], 2, 2)
        .await
        .expect("passed over");
    let why = east.stopped().into_values().next().expect("stopped");
    assert!(why.contains("重启本节点"), "{why}");
    drop(east);

    let east = authority.district_node(folder.path(), 0).await;
    hand_over(&east, &peer, vec![items[2].clone()], 2, 3)
        .await
        .expect("kept");
    let wants = east.store().wants_open().await.expect("wants");
    let want = protocol::codec::decode_want(&wants[0].want).expect("a want");
    assert!(
        matches!(want, Want::Range { from: 1, to: 0, .. }),
        "{want:?}"
    );
    east.take_in(&peer, items, node::intake::Arrival::Want, 5)
        .await
        .expect("the answer");
    settle(&east).await;
    assert_eq!(east.sum(None).await.expect("sum").records, 3);
    let logs = east.store().log_frontiers().await.expect("logs");
    assert_eq!(logs.iter().map(|l| l.sequence).max(), Some(3));
    assert!(
        east.store().held().await.expect("held").is_empty(),
        "nothing is held any more"
    );
}
