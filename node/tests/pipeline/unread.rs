//! What a release does not read: kept as it came, forwarded, charged to its seat; and taken in by a release that reads it (D54).

use protocol::envelope::{Envelope, kind};
use protocol::frame::Item;
use protocol::hash::Ref;
use protocol::name::SeatId;
use protocol::words::reason;
use store::{EnvelopeRow, IntakeGroup, UnreadItemRow};

use crate::kit::*;
use crate::{CODE_A, CODE_B, World, company, found};

/// The envelope in another format, signed by the same key.
fn of_format(envelope: &Envelope, format: u16, n: u8) -> Envelope {
    Envelope::signed(envelope.kind, format, envelope.bytes.clone(), &key(n))
}

#[tokio::test]
async fn a_node_lives_with_what_a_later_release_says() {
    let mut w = World::new().await;
    let authority = authority();
    let (root, city) = (authority.root.clone(), authority.city.2.clone());
    let east = authority.districts[0].2.clone();
    let seat = w.source.seat;
    let of_source = |format: u16, kind: u8, rest: &[u8]| {
        let bytes = [seat.0.as_slice(), rest].concat();
        Envelope::signed(kind, format, bytes, &key(30))
    };
    // format 2 of every kind of statement, each by whom it is of; a kind to come; a second root version
    let mut later = vec![
        of_format(&root, 2, 1),
        of_format(&city, 2, 1),
        of_format(&east, 2, 2),
        of_format(&w.source.identity, 2, 3),
        of_format(&w.source.opening, 2, 30),
    ];
    for kind in [
        kind::REVOCATION,
        kind::CLOSING,
        kind::FORK_DECISION,
        kind::ACTIVATION,
        kind::ERASURE,
        99,
    ] {
        later.push(of_source(2, kind, &[kind; 40]));
    }
    // what is of nodes comes from above, the rest from the source
    const FROM_ABOVE: usize = 3;
    for (n, envelope) in (1..).zip(&later) {
        let item = Item::Envelope(envelope.to_bytes());
        let from = match n as usize <= FROM_ABOVE {
            true => as_peer(&w.city),
            false => w.source.peer(),
        };
        hand_over(&w.east, &from, vec![item], 0, 10 + n)
            .await
            .unwrap_or_else(|fault| panic!("kind {}: {fault}", envelope.kind));
    }
    // a batch in a lane to come and one of format 2: their logs wait, and nothing else
    let Item::Slice { header, body } =
        w.source
            .state(&company("1", CODE_A, "后来有限公司", "历下区"))
    else {
        panic!("a slice");
    };
    let envelope = Envelope::from_bytes(&header).expect("a header");
    let mut lane_4 = envelope.bytes.clone();
    lane_4[16] = 4;
    let headers = [
        of_format(&envelope, 2, 30),
        Envelope::signed(kind::HEADER, 1, lane_4, &key(30)),
    ];
    for (n, header) in (1..).zip(&headers) {
        let item = Item::Slice {
            header: header.to_bytes(),
            body: body.clone(),
        };
        hand_over(&w.east, &w.source.peer(), vec![item], 2, n)
            .await
            .expect("kept");
    }
    let held = w.east.store().held().await.expect("held");
    assert!(
        held.iter()
            .all(|row| row.reason == reason::UNREAD && row.seat == seat)
    );
    assert_eq!(held.len(), 2, "{held:?}");
    // an item to come
    let item = Item::Unread {
        number: 77,
        body: vec![5; 9],
    };
    hand_over(&w.east, &w.source.peer(), vec![item], 2, 3)
        .await
        .expect("kept");
    let items = w.east.store().unread_items().await.expect("items");
    assert_eq!(
        (items[0].number, items[0].body.as_slice()),
        (77, [5; 9].as_slice())
    );
    // all of it is there, as it came, and goes on as it came
    let unread = async |node: &node::Node| {
        let rows = node.store().directory().await.expect("rows");
        let rows = rows.into_iter().filter(|row| !row.read);
        rows.map(|row| row.bytes).collect::<Vec<_>>()
    };
    let kept = unread(&w.east).await;
    for envelope in &later {
        assert!(
            kept.contains(&envelope.to_bytes()),
            "kind {}",
            envelope.kind
        );
    }
    assert_eq!(kept.len(), later.len() + headers.len());
    sync(&w.east, &w.city, &mut w.up_east).await;
    let passed_on = unread(&w.city).await;
    assert_eq!(passed_on.len(), kept.len() - FROM_ABOVE);
    // and the node works
    w.sent = 3;
    let mut good = Source::new(31, EAST, authority.districts[0].0, &key(3));
    hand_over(&w.east, &good.peer(), good.directory(), 0, 2)
        .await
        .expect("directory");
    let row = good.state(&company("2", CODE_B, "照常有限公司", "历下区"));
    hand_over(&w.east, &good.peer(), vec![row], 2, 1)
        .await
        .expect("taken in");
    settle(&w.east).await;
    assert_eq!(found(&w.east, "照常").await, ["照常有限公司"]);
    assert!(w.east.stopped().is_empty());
    // a second look of the same release finds nothing new to read
    assert_eq!(w.east.read_again(9).await.expect("looked"), 0);
    assert_eq!(unread(&w.east).await, kept);
}

#[tokio::test]
async fn what_was_kept_is_taken_in_once_it_is_read() {
    let mut w = World::new().await;
    let seat = w.source.seat;
    let Item::Slice { header, body } =
        w.source
            .state(&company("1", CODE_A, "先存后读有限公司", "历下区"))
    else {
        panic!("a slice");
    };
    let second = w
        .source
        .state(&company("2", CODE_B, "其后有限公司", "历下区"));
    let Item::Slice {
        header: header_2,
        body: body_2,
    } = second
    else {
        panic!("a slice");
    };
    // as a release that reads neither the header's format nor the item's number would have kept them
    let bytes = Item::Slice { header, body }.to_bytes();
    let kept = Item::Slice {
        header: header_2,
        body: body_2,
    }
    .to_bytes();
    let group = IntakeGroup {
        envelopes: vec![EnvelopeRow {
            reference: Ref::of(protocol::hash::sha256(&[&bytes])),
            kind: kind::HEADER,
            seat,
            class: 2,
            read: false,
            bytes,
        }],
        held: vec![store::HeldRow {
            seat,
            lane: 2,
            opening: Ref::ZERO,
            from_sequence: 0,
            reason: reason::UNREAD,
            from_peer: seat,
            at_us: 1,
        }],
        unread_items: vec![UnreadItemRow {
            peer: seat,
            class: 2,
            offset: 7,
            number: kept[0],
            body: kept[5..].to_vec(),
            at_us: 1,
        }],
        ..IntakeGroup::default()
    };
    w.east.store().intake(group).await.expect("kept");
    assert_eq!(w.east.read_again(9).await.expect("read"), 2);
    settle(&w.east).await;
    let mut names = found(&w.east, "有限公司").await;
    names.sort();
    assert_eq!(names, ["先存后读有限公司", "其后有限公司"]);
    assert!(w.east.store().held().await.expect("held").is_empty());
    assert!(
        w.east
            .store()
            .unread_items()
            .await
            .expect("items")
            .is_empty()
    );
    assert_eq!(w.east.read_again(10).await.expect("read"), 0, "once");
    w.sent = 9;
    w.spread().await;
    assert_eq!(w.city.sum(None).await.expect("sum").records, 2);
    w.assert_converged().await;
}

#[tokio::test]
async fn what_an_unknown_seat_says_in_a_later_format_is_not_kept() {
    let w = World::new().await;
    let stranger = SeatId([77; 16]);
    let bytes = [stranger.0.as_slice(), &[1; 64]].concat();
    let head = w.east.store().feed_heads().head;
    let envelope = Envelope::signed(kind::IDENTITY, 2, bytes, &key(77));
    let item = Item::Envelope(envelope.to_bytes());
    hand_over(&w.east, &w.source.peer(), vec![item], 0, 9)
        .await
        .expect_err("nobody's word");
    assert_eq!(w.east.store().feed_heads().head, head);
}
