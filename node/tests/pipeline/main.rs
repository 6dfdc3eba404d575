//! The pipeline of both tiers over real stores: what is taken in, applied, folded, routed, wanted and refused.

mod acts;
mod audience;
mod erase;
mod hostile;
mod kit;
mod people;
mod unread;
mod unsettled;
mod verify;
mod verify_at_work;

use kit::*;
use node::intake::TakeInFault;
use node::subject_key;
use protocol::entry::Hint;
use protocol::frame::Item;
use protocol::name::SeatId;
use store::{RefusalFilter, SearchQuery};
use tempfile::TempDir;

const CODE_A: &str = "91110000600037341L";
const CODE_B: &str = "91310115MA1K3BTP2B";

fn company<'a>(
    id: &'a str,
    code: &'a str,
    name: &'a str,
    area: &'a str,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("entity_id", id),
        ("uscc", code),
        ("name", name),
        ("area", area),
        ("est_date", "2018-07-27"),
    ]
}

struct World {
    _folders: Vec<TempDir>,
    city: node::Node,
    east: node::Node,
    west: node::Node,
    source: Source,
    down_east: [u64; 3],
    down_west: [u64; 3],
    up_east: [u64; 3],
    sent: u64,
}

impl World {
    /// A city, two districts, and a source of the eastern district attached to it.
    async fn new() -> Self {
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
        let source = Source::new(30, EAST, authority.districts[0].0, &key(3));
        let world = Self {
            _folders: folders,
            city,
            east,
            west,
            source,
            down_east: [0; 3],
            down_west: [0; 3],
            up_east: [0; 3],
            sent: 0,
        };
        let directory = world.source.directory();
        hand_over(&world.east, &world.source.peer(), directory, 0, 2)
            .await
            .expect("directory");
        world
    }

    async fn say(&mut self, item: Item) {
        self.sent += 1;
        hand_over(&self.east, &self.source.peer(), vec![item], 2, self.sent)
            .await
            .expect("taken in");
    }

    async fn spread(&mut self) {
        settle(&self.east).await;
        sync(&self.east, &self.city, &mut self.up_east).await;
        sync(&self.city, &self.east, &mut self.down_east).await;
        sync(&self.city, &self.west, &mut self.down_west).await;
    }

    async fn assert_converged(&self) {
        for node in [&self.east, &self.west] {
            let region = node.region();
            let (held, due) = (
                node.sum(Some(region)).await.expect("sum"),
                self.city.sum(Some(region)).await.expect("sum"),
            );
            assert_eq!(
                held, due,
                "district {region} holds what the city says it should"
            );
        }
    }
}

async fn found(node: &node::Node, text: &str) -> Vec<String> {
    let query = SearchQuery {
        text: text.into(),
        limit: 20,
        ..SearchQuery::default()
    };
    node.store()
        .search(&query)
        .await
        .expect("search")
        .rows
        .into_iter()
        .map(|r| r.name)
        .collect()
}

#[tokio::test]
async fn a_row_reaches_district_and_city_and_only_the_district_that_it_concerns() {
    let mut w = World::new().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "泉城示范食品有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    assert_eq!(found(&w.east, "示范").await, ["泉城示范食品有限公司"]);
    assert_eq!(found(&w.city, "示范").await, ["泉城示范食品有限公司"]);
    assert!(found(&w.west, "示范").await.is_empty());
    w.assert_converged().await;
    let report = w.city.verify(true, 9).await.expect("verify");
    assert!(report.is_good(), "{report:?}");
}

#[tokio::test]
async fn an_area_of_another_district_routes_the_entity_there() {
    let mut w = World::new().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "西去贸易有限公司", "槐荫区"));
    w.say(item).await;
    w.spread().await;
    assert_eq!(found(&w.west, "西去").await, ["西去贸易有限公司"]);
    assert_eq!(w.west.sum(Some(WEST)).await.expect("sum").records, 1);
    w.assert_converged().await;
}

#[tokio::test]
async fn an_entity_that_moves_is_taken_over_and_left() {
    let mut w = World::new().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "搬迁科技有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "搬迁科技有限公司", "槐荫区"));
    w.say(item).await;
    w.spread().await;
    w.spread().await;
    assert_eq!(found(&w.west, "搬迁").await, ["搬迁科技有限公司"]);
    w.assert_converged().await;
    // and back again
    let item = w
        .source
        .state(&company("1", CODE_A, "搬迁科技有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    w.spread().await;
    assert!(
        found(&w.west, "搬迁").await.is_empty(),
        "the former district does not list it any more"
    );
    assert_eq!(found(&w.east, "搬迁").await, ["搬迁科技有限公司"]);
    w.assert_converged().await;
}

#[tokio::test]
async fn the_newest_image_stands_whatever_the_order_of_groups() {
    let mut w = World::new().await;
    let first = w
        .source
        .state(&company("1", CODE_A, "旧名有限公司", "历下区"));
    let second = w
        .source
        .state(&company("1", CODE_A, "新名有限公司", "历下区"));
    w.say(first.clone()).await;
    w.say(second).await;
    // a repetition changes nothing
    w.say(first).await;
    w.spread().await;
    assert_eq!(found(&w.city, "有限公司").await, ["新名有限公司"]);
    assert_eq!(w.city.sum(None).await.expect("sum").records, 1);
    w.assert_converged().await;
}

#[tokio::test]
async fn two_images_of_a_key_in_one_group_leave_the_later() {
    let mut w = World::new().await;
    let first = w
        .source
        .state(&company("1", CODE_A, "一号有限公司", "历下区"));
    let second = w
        .source
        .state(&company("1", CODE_A, "二号有限公司", "历下区"));
    hand_over(&w.east, &w.source.peer(), vec![first, second], 2, 2)
        .await
        .expect("taken in");
    w.sent = 2;
    w.spread().await;
    assert_eq!(found(&w.east, "有限公司").await, ["二号有限公司"]);
}

#[tokio::test]
async fn a_corrected_code_moves_the_record_to_its_new_subject() {
    let mut w = World::new().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "更码有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    let item = w
        .source
        .state(&company("1", CODE_B, "更码有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    let entity = |node: &node::Node, code: &str| {
        let (store, key) = (node.store().clone(), subject_key(&format!("uscc:{code}")));
        async move { store.entity(key).await.expect("entity").map(|e| e.name) }
    };
    for node in [&w.city, &w.east] {
        assert_eq!(entity(node, CODE_A).await, None);
        assert_eq!(entity(node, CODE_B).await.as_deref(), Some("更码有限公司"));
    }
    w.assert_converged().await;
}

#[tokio::test]
async fn a_refusal_travels_and_closes_itself_when_the_row_is_mended() {
    use supervision::standard::refusal::{closes, refusal_entry};
    use supervision::standard::{Context, Standards};
    let mut w = World::new().await;
    let at = Context {
        today: protocol::value::CivilDate::new(2026, 11, 22).expect("date"),
    };
    let refused = w
        .source
        .registration(&company(
            "1",
            "91110000600037341N",
            "错码有限公司",
            "历下区",
        ))
        .expect_err("wrong code");
    let row_key = refused.key.clone().expect("a key of its own");
    let entry = refusal_entry(&Standards::builtin(), &refused, &row_key, &at);
    let draft = w.source.draft(entry, Hint::Unknown);
    let item = w.source.batch(&[draft]);
    w.say(item).await;
    w.spread().await;
    let open = |node: &node::Node| {
        let store = node.store().clone();
        async move {
            store
                .refusals(
                    &RefusalFilter {
                        open: Some(true),
                        origin: None,
                    },
                    None,
                    10,
                )
                .await
                .expect("refusals")
        }
    };
    for node in [&w.east, &w.city] {
        let rows = open(node).await;
        assert_eq!(rows.len(), 1);
        assert!(rows[0].reasons.contains("R-USCC"), "{:?}", rows[0]);
        assert!(
            !rows[0].message.contains("错码有限公司"),
            "no values travel"
        );
    }
    let mended = w
        .source
        .registration(&company("1", CODE_A, "错码有限公司", "历下区"))
        .expect("mended");
    let retraction = closes("registration", &row_key, refused.subject.clone());
    let drafts = [
        w.source.draft(mended, Hint::Unknown),
        w.source.draft(retraction, Hint::Unknown),
    ];
    let item = w.source.batch(&drafts);
    w.say(item).await;
    w.spread().await;
    for node in [&w.east, &w.city] {
        assert!(open(node).await.is_empty(), "closed at {}", node.region());
    }
    assert_eq!(found(&w.city, "错码").await, ["错码有限公司"]);
}

#[tokio::test]
async fn a_peer_may_push_only_what_lies_in_its_jurisdiction() {
    let mut w = World::new().await;
    let authority = authority();
    // the western district relays a batch of the eastern district's source
    hand_over(&w.city, &as_peer(&w.west), w.source.directory(), 0, 5)
        .await
        .expect("statements verify by themselves");
    let item = w
        .source
        .state(&company("1", CODE_A, "越界有限公司", "历下区"));
    let fault = hand_over(&w.city, &as_peer(&w.west), vec![item.clone()], 2, 1)
        .await
        .expect_err("outside");
    assert!(matches!(fault, TakeInFault::Jurisdiction { .. }), "{fault}");
    // the same from where it belongs, and as the answer to a want, is taken
    hand_over(&w.city, &as_peer(&w.east), vec![item], 2, 1)
        .await
        .expect("inside");
    // a source presents a seat that it did not show in its hello
    let other = Source::new(31, EAST, authority.districts[0].0, &key(3));
    let mut peer = w.source.peer();
    peer.seats = vec![other.seat];
    let item = w
        .source
        .state(&company("2", CODE_B, "冒名有限公司", "历下区"));
    hand_over(&w.east, &peer, vec![item], 2, 1)
        .await
        .expect_err("not its seat");
}

#[tokio::test]
async fn a_type_that_is_not_permitted_is_stored_relayed_and_refused() {
    let mut w = World::new().await;
    let entry = w
        .source
        .registration(&company("1", CODE_A, "超范围有限公司", "历下区"))
        .expect("mapped");
    let mut head = entry.head.clone();
    head.record_type = "permit".into();
    let other = supervision::standard::map::MappedEntry {
        head,
        sections: entry.sections.clone(),
        warnings: vec![],
    };
    let drafts = [
        w.source.draft(entry, Hint::Unknown),
        w.source.draft(other, Hint::Unknown),
    ];
    let item = w.source.batch(&drafts);
    w.say(item).await;
    w.spread().await;
    let rows = w
        .city
        .store()
        .refusals(
            &RefusalFilter {
                open: Some(true),
                origin: None,
            },
            None,
            10,
        )
        .await
        .expect("rows");
    assert_eq!(rows.len(), 1, "the other entry of the batch stands");
    assert_eq!(found(&w.city, "超范围").await, ["超范围有限公司"]);
    let report = w.city.verify(true, 9).await.expect("verify");
    assert!(report.is_good(), "{report:?}");
}

#[tokio::test]
async fn a_log_of_an_unknown_identity_is_held_and_a_forged_batch_refused() {
    let authority = authority();
    let folder = TempDir::new().expect("folder");
    let city = authority.city_node(folder.path()).await;
    let east = authority.districts[0].clone();
    let peer = node::intake::Peer {
        identity: protocol::statement::Identity::from_bytes(&east.2.bytes).expect("identity"),
        seats: vec![east.0],
        incarnation: protocol::name::Incarnation::default(),
        release: String::new(),
    };
    let mut source = Source::new(30, EAST, east.0, &key(3));
    let item = source.state(&company("1", CODE_A, "早到有限公司", "历下区"));
    hand_over(&city, &peer, vec![item.clone()], 2, 1)
        .await
        .expect("held, not refused");
    assert_eq!(city.store().held().await.expect("held").len(), 1);
    assert!(city.stopped().is_empty(), "held is not stopped");
    // a flipped byte in the signature of a known identity is the fault of who brings it
    city.publish(
        &[
            east.2.clone(),
            source.identity.clone(),
            source.opening.clone(),
        ],
        2,
    )
    .await
    .expect("known now");
    let Item::Slice { mut header, body } =
        source.state(&company("2", CODE_B, "伪造有限公司", "历下区"))
    else {
        panic!("a slice");
    };
    let last = header.len() - 1;
    header[last] ^= 1;
    let fault = hand_over(&city, &peer, vec![Item::Slice { header, body }], 2, 2)
        .await
        .expect_err("refused");
    assert!(
        matches!(
            fault,
            TakeInFault::Item {
                class: 2,
                offset: 2,
                ..
            }
        ),
        "{fault}"
    );
    assert!(city.stopped().is_empty());
}

#[tokio::test]
async fn broken_bytes_end_the_session_and_store_nothing() {
    let mut w = World::new().await;
    let head = w.east.store().feed_heads().head;
    let Item::Slice { header, body } =
        w.source
            .state(&company("1", CODE_A, "完好有限公司", "历下区"))
    else {
        panic!("a slice");
    };
    let mut cases: Vec<Item> = vec![
        Item::Envelope(vec![1, 2, 3]),
        Item::Slice {
            header: vec![],
            body: body.clone(),
        },
        Item::Slice {
            header: header.clone(),
            body: vec![],
        },
        Item::Slice {
            header: header.clone(),
            body: b"not zstd".to_vec(),
        },
        // a bomb: 512 MiB of zeros
        Item::Slice {
            header: header.clone(),
            body: slice_bomb(),
        },
    ];
    let mut cut = body.clone();
    cut.truncate(body.len() - 3);
    cases.push(Item::Slice { header, body: cut });
    for item in cases {
        let fault = hand_over(&w.east, &w.source.peer(), vec![item], 2, 1)
            .await
            .expect_err("refused");
        assert!(matches!(fault, TakeInFault::Item { .. }), "{fault}");
    }
    assert_eq!(w.east.store().feed_heads().head, head);
    assert!(
        w.east
            .store()
            .cursors(SeatId([30; 16]))
            .await
            .expect("cursors")
            .iter()
            .all(|c| c.class == 0)
    );
}

#[tokio::test]
async fn a_step_without_an_item_is_stored_with_the_next_group_or_at_the_end_of_the_session() {
    let mut w = World::new().await;
    let peer = w.source.peer();
    let seat = peer.identity.seat;
    let stored = async || {
        let rows = w.east.store().cursors(seat).await.expect("cursors");
        let mut rows: Vec<(u8, u64)> = rows.iter().map(|c| (c.class, c.offset)).collect();
        rows.sort_unstable();
        rows
    };
    let before = stored().await;
    hand_over(&w.east, &peer, Vec::new(), 0, 40)
        .await
        .expect("passed over");
    assert_eq!(stored().await, before, "no sync for nothing");
    let item = w
        .source
        .state(&company("1", CODE_A, "有步有限公司", "历下区"));
    hand_over(&w.east, &peer, vec![item], 2, 40)
        .await
        .expect("taken in");
    assert_eq!(stored().await, [(0, 40), (2, 40)]);
    hand_over(&w.east, &peer, Vec::new(), 2, 41)
        .await
        .expect("passed over");
    assert_eq!(stored().await, [(0, 40), (2, 40)]);
    w.east.keep_moves(&seat, 3).await.expect("stored");
    assert_eq!(stored().await, [(0, 40), (2, 41)]);
}

fn slice_bomb() -> Vec<u8> {
    // a zstd frame that declares its content: raw header, single segment, 8-byte size, one RLE block
    let mut out = vec![0x28, 0xB5, 0x2F, 0xFD, 0b1110_0000];
    out.extend_from_slice(&(512u64 << 20).to_le_bytes());
    out.extend_from_slice(&[0x03, 0x00, 0x40, 0x00]);
    out
}

#[tokio::test]
async fn receipts_close_the_chain_from_city_to_source() {
    let mut w = World::new().await;
    let item = w
        .source
        .state(&company("1", CODE_A, "回执有限公司", "历下区"));
    w.say(item).await;
    w.spread().await;
    let second = 1_000_000;
    w.city.write_receipts(10 * second).await.expect("receipts");
    let (from_city, generation) = w.city.receipts_for(&as_peer(&w.east), 0);
    assert_eq!(from_city.len(), 1);
    assert!(
        w.city
            .receipts_for(&as_peer(&w.east), generation)
            .0
            .is_empty(),
        "told once"
    );
    assert!(
        w.city.receipts_for(&as_peer(&w.west), 0).0.is_empty(),
        "not the western district's"
    );
    w.east
        .take_receipts(&w.city.seat(), from_city)
        .await
        .expect("taken");
    w.east.write_receipts(11 * second).await.expect("receipts");
    let (for_source, _) = w.east.receipts_for(&w.source.peer(), 0);
    let read: Vec<_> = for_source
        .iter()
        .map(|b| {
            let envelope = protocol::envelope::Envelope::from_bytes(b).expect("envelope");
            protocol::receipt::Receipt::from_bytes(&envelope.bytes).expect("receipt")
        })
        .collect();
    let of = |seat: SeatId| {
        read.iter()
            .find(|r| r.holder == seat)
            .expect("a receipt of that node")
    };
    assert_eq!(of(w.city.seat()).durable.sequence, 1);
    assert_eq!(
        of(w.city.seat()).safeguarded.sequence,
        0,
        "the city has no verified off-machine backup"
    );
    assert_eq!(
        of(w.east.seat()).safeguarded.sequence,
        1,
        "the district holds the city's durable receipt"
    );
}
