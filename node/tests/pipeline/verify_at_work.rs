//! `verify` at nodes at work: what came late, in parts or not at all, what moves and what waits.

use node::verify::PartName;
use protocol::batch::Header;
use protocol::entry::Hint;
use protocol::envelope::{Envelope, kind};
use protocol::frame::Item;
use protocol::hash::Ref;
use protocol::name::{Position, SeatId};
use protocol::slice;
use protocol::statement::{Closing, Lost};
use tempfile::TempDir;

use crate::kit::*;
use crate::verify::{CODES, SECOND, company, items, says, stated, texts, verified};

#[tokio::test]
async fn what_came_late_or_twice_is_in_order() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let mut source = Source::new(30, EAST, authority.districts[0].0, &key(3));
    hand_over(&east, &source.peer(), source.directory(), 0, 2)
        .await
        .expect("directory");
    let names = ["甲", "乙", "丙", "丁", "戊"];
    let items: Vec<Item> = (0..)
        .zip(names)
        .map(|(n, name)| {
            let id = n.to_string();
            stated(
                &mut source,
                &id,
                CODES[n % 4],
                &format!("{name}有限公司"),
                "历下区",
            )
        })
        .collect();
    let mut at = 0;
    for n in [0, 3, 2, 3] {
        at += 1;
        hand_over(&east, &source.peer(), vec![items[n].clone()], 2, at)
            .await
            .expect("taken in");
    }
    settle(&east).await;
    // what is missing is told as such, and what is held as held
    let gap = verified(&east, true).await;
    assert!(
        says(&gap, PartName::Completeness, "第 2 批：缺失：尚未收到"),
        "{}",
        gap.text()
    );
    assert!(gap.bytes.is_good() && gap.views.is_good(), "{}", gap.text());
    for n in [1, 1, 0, 4, 2] {
        at += 1;
        hand_over(&east, &source.peer(), vec![items[n].clone()], 2, at)
            .await
            .expect("taken in");
    }
    settle(&east).await;
    east.write_receipts(10 * SECOND).await.expect("receipts");
    let found = verified(&east, true).await;
    assert!(found.is_good(), "{}", found.text());
    assert_eq!(east.store().feed_heads().head, 9, "stored once each");
}

#[tokio::test]
async fn what_waits_to_be_shown_is_not_called_wrong() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let mut source = Source::new(30, EAST, authority.districts[0].0, &key(3));
    hand_over(&east, &source.peer(), source.directory(), 0, 2)
        .await
        .expect("directory");
    let item = stated(&mut source, "1", CODES[0], "先到有限公司", "历下区");
    hand_over(&east, &source.peer(), vec![item], 2, 1)
        .await
        .expect("taken in");
    assert!(verified(&east, true).await.is_good(), "stored alone");
    while east.apply_step(3).await.expect("apply").is_some() {}
    let applied = verified(&east, true).await;
    assert!(applied.is_good(), "{}", applied.text());
    assert!(applied.views.notes.iter().any(|n| n.contains("尚待更新")));
    while east.fold_step(3).await.expect("fold").is_some() {}
    let folded = verified(&east, true).await;
    assert!(
        folded.is_good() && folded.views.notes.is_empty(),
        "{}",
        folded.text()
    );
}

/// Moves by the city's word, what has left a district, wider copies: views that depend on more than one image.
#[tokio::test]
async fn views_that_routing_words_have_moved_are_in_order() {
    let authority = authority();
    let folders: Vec<TempDir> = (0..3).map(|_| TempDir::new().expect("folder")).collect();
    let city = authority.city_node(folders[0].path()).await;
    let east = authority.district_node(folders[1].path(), 0).await;
    let west = authority.district_node(folders[2].path(), 1).await;
    for (_, _, identity, _) in &authority.districts {
        city.publish(std::slice::from_ref(identity), 1)
            .await
            .expect("district published");
    }
    // two eastern sources speak of one company
    let mut one = Source::new(30, EAST, authority.districts[0].0, &key(3));
    let mut other = Source::new(31, EAST, authority.districts[0].0, &key(3));
    for source in [&one, &other] {
        hand_over(&east, &source.peer(), source.directory(), 0, 2)
            .await
            .expect("directory");
    }
    let (mut up, mut down) = ([0; 3], [[0; 3]; 2]);
    let mut sent: std::collections::HashMap<SeatId, u64> = Default::default();
    let moves = [
        (0, "历下区"),
        (1, "历下区"),
        (0, "槐荫区"),
        (1, "历下区"),
        (0, "槐荫区"),
        (0, "历下区"),
    ];
    for (step, (which, area)) in moves.into_iter().enumerate() {
        let source = if which == 0 { &mut one } else { &mut other };
        let name = format!("搬迁{step}有限公司");
        let item = stated(source, "1", CODES[0], &name, area);
        let at = sent.entry(source.seat).or_default();
        *at += 1;
        hand_over(&east, &source.peer(), vec![item], 2, *at)
            .await
            .expect("taken in");
        settle(&east).await;
        sync(&east, &city, &mut up).await;
        sync(&city, &east, &mut down[0]).await;
        sync(&city, &west, &mut down[1]).await;
        for node in [&city, &east, &west] {
            let found = verified(node, true).await;
            assert!(
                found.is_good(),
                "step {step}, {}:\n{}",
                node.region(),
                found.text()
            );
        }
    }
}

/// A relay that closes sections has not passed on the whole: what is held is told as a part, by how much.
#[tokio::test]
async fn sections_that_a_relay_has_closed_are_a_fault_of_completeness() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let mut source = Source::new(30, EAST, authority.districts[0].0, &key(3));
    hand_over(&east, &source.peer(), source.directory(), 0, 2)
        .await
        .expect("directory");
    let whole = stated(&mut source, "1", CODES[0], "一号有限公司", "历下区");
    let Item::Slice { header, body } = whole.clone() else {
        panic!("a slice");
    };
    let envelope = Envelope::from_bytes(&header).expect("a header");
    let read = Header::from_bytes(&envelope.bytes).expect("a header");
    let body = slice::unpack(&body).expect("a body");
    let narrowed = slice::cut(&read, &body, &[0], |_| 1).expect("the head alone");
    let narrowed = Item::Slice {
        header,
        body: slice::pack(&narrowed),
    };
    hand_over(&east, &source.peer(), vec![narrowed], 2, 1)
        .await
        .expect("a part");
    settle(&east).await;
    for deep in [false, true] {
        let found = verified(&east, deep).await;
        let told = "第 1 批：不完整：缺 0 条，另有 1 条的部分内容未公开";
        assert!(
            says(&found, PartName::Completeness, told),
            "{}",
            found.text()
        );
        assert!(
            found.bytes.is_good() && found.views.is_good(),
            "{}",
            found.text()
        );
    }
    hand_over(&east, &source.peer(), vec![whole], 2, 2)
        .await
        .expect("the rest");
    settle(&east).await;
    let found = verified(&east, true).await;
    assert!(found.is_good(), "{}", found.text());
}

/// What the seat has declared lost is listed as declared (D57, D90), and nothing else is excused by it.
#[tokio::test]
async fn what_is_declared_lost_is_no_fault() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let east = authority.district_node(folder.path(), 0).await;
    let mut source = Source::new(30, EAST, authority.districts[0].0, &key(3));
    hand_over(&east, &source.peer(), source.directory(), 0, 2)
        .await
        .expect("directory");
    let items = items(&mut source);
    for (at, n) in [(1, 0), (2, 3)] {
        hand_over(&east, &source.peer(), vec![items[n].clone()], 2, at)
            .await
            .expect("taken in");
    }
    settle(&east).await;
    let gap = verified(&east, true).await;
    let told = "第 2 至 3 批：缺失：尚未收到";
    assert!(says(&gap, PartName::Completeness, told), "{}", gap.text());
    // the next epoch, and what of this one nobody can give back
    let end = Position {
        sequence: 5,
        header: source.log().last,
    };
    let former = reference(&source.opening);
    let opening = source.reopened(2, vec![(2, end)]);
    let closing = Closing {
        seat: source.seat,
        opening: former,
        serial: 1,
        identity: reference(&source.identity),
        ends: vec![(2, end)],
        lost: vec![Lost {
            lane: 2,
            from: 2,
            to: 3,
            header: Ref::ZERO,
        }],
        asked: true,
        note: String::new(),
    };
    let closing = source.sign(kind::CLOSING, closing.to_bytes());
    let statements = [&opening, &closing].map(|e| Item::Envelope(e.to_bytes()));
    hand_over(&east, &source.peer(), statements.to_vec(), 0, 4)
        .await
        .expect("statements");
    let found = verified(&east, true).await;
    let declared = found.completeness.notes.iter();
    assert!(
        declared
            .clone()
            .any(|n| n.contains("第 2 至 3 批：已由来源或市级平台声明遗失")),
        "{}",
        found.text()
    );
    assert!(
        !says(&found, PartName::Completeness, told),
        "{}",
        found.text()
    );
    // the fifth batch is not declared, and by the next opening it was there
    assert!(
        says(&found, PartName::Completeness, "第 5 批：缺失"),
        "{}",
        found.text()
    );
}

/// What stands follows from the images in their order, not from how many of them apply took at once.
#[tokio::test]
async fn what_stands_does_not_depend_on_how_images_were_grouped() {
    let authority = authority();
    let mut stood = Vec::new();
    for at_once in [false, true] {
        let folder = TempDir::new().expect("folder");
        let east = authority.district_node(folder.path(), 0).await;
        let mut source = Source::new(30, EAST, authority.districts[0].0, &key(3));
        hand_over(&east, &source.peer(), source.directory(), 0, 2)
            .await
            .expect("directory");
        let good = |source: &mut Source, name: &str, code: &str, area: &str| {
            stated(source, "1", code, name, area)
        };
        // without its sections it lacks what it must have
        let bad = |source: &mut Source| {
            let fields = company("1", CODES[1], "无内容有限公司", "历下区");
            let mut entry = source.registration(&texts(&fields)).expect("accepted");
            entry.sections.clear();
            let draft = source.draft(entry, Hint::Unknown);
            source.batch(&[draft])
        };
        let items = [
            good(&mut source, "一名有限公司", CODES[0], "历下区"),
            bad(&mut source),
            bad(&mut source),
            good(&mut source, "二名有限公司", CODES[0], "槐荫区"),
            bad(&mut source),
        ];
        match at_once {
            true => {
                hand_over(&east, &source.peer(), items.to_vec(), 2, 5)
                    .await
                    .expect("taken in");
                settle(&east).await;
            }
            false => {
                for (n, item) in (1..).zip(items) {
                    hand_over(&east, &source.peer(), vec![item], 2, n)
                        .await
                        .expect("taken in");
                    settle(&east).await;
                }
            }
        }
        let found = verified(&east, true).await;
        assert!(found.is_good(), "{}", found.text());
        let store = east.store();
        let rows = store.record_page(None, [255; 16], 9).await.expect("rows");
        let row = rows[0].1.clone().expect("a record");
        assert_eq!((rows.len(), row.region.as_str()), (1, WEST));
        assert!(
            row.shown
                .is_some_and(|shown| shown.version < row.latest.version)
        );
        let open = store.open_refusals_page(None, [255; 16], 9).await;
        let open = open.expect("refusals");
        assert_eq!(open.len(), 1, "the last image is refused");
        let entity = node::subject_key(&format!("uscc:{}", CODES[0]));
        let entity = store.entity(entity).await.expect("entity");
        let entity = entity.expect("what is shown stays under its subject");
        assert_eq!(
            (entity.name.as_str(), entity.region.as_str()),
            ("二名有限公司", WEST)
        );
        stood.push((row, open[0].reasons.clone(), entity));
    }
    assert_eq!(stood[0], stood[1]);
}

/// A node that works meanwhile is not called wrong for what moves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_at_work_is_in_order_at_any_moment() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let city = authority.city_node(folder.path()).await;
    let peer = |n: usize| {
        let (seat, _, envelope, _) = &authority.districts[n];
        (*seat, envelope.clone())
    };
    let (seat, district) = peer(0);
    city.publish(&[district], 1).await.expect("published");
    let mut source = Source::new(30, EAST, seat, &key(3));
    let of_east = node::intake::Peer {
        identity: protocol::statement::Identity::from_bytes(&authority.of(seat).bytes)
            .expect("identity"),
        seats: vec![seat],
        ..source.peer()
    };
    hand_over(&city, &of_east, source.directory(), 0, 2)
        .await
        .expect("directory");
    let work = {
        let city = city.clone();
        tokio::spawn(async move {
            for n in 0..80u64 {
                let id = (n % 4).to_string();
                let area = ["历下区", "槐荫区"][n as usize / 3 % 2];
                let name = format!("第{n}有限公司");
                let item = stated(&mut source, &id, CODES[n as usize % 4], &name, area);
                hand_over(&city, &of_east, vec![item], 2, n + 1)
                    .await
                    .expect("taken in");
                city.apply_step(3).await.expect("apply");
                if n % 3 == 0 {
                    city.fold_step(3).await.expect("fold");
                }
                city.write_receipts(n as i64 * 30 * SECOND)
                    .await
                    .expect("receipts");
            }
        })
    };
    let mut runs = 0;
    while !work.is_finished() {
        let found = verified(&city, true).await;
        assert!(found.is_good(), "{}", found.text());
        runs += 1;
    }
    work.await.expect("worked");
    assert!(runs > 0);
    settle(&city).await;
    let found = verified(&city, true).await;
    assert!(
        found.is_good() && found.views.notes.is_empty(),
        "{}",
        found.text()
    );
}
