//! Erasures: what they name is gone from what is stored, and comes back with no copy (D65).

use protocol::batch::Header;
use protocol::envelope::{Envelope, kind};
use protocol::frame::Item;
use protocol::opening::Opening;
use protocol::slice;
use protocol::statement::{Erasure, ErasureItem, erasure_code};

use crate::kit::*;
use crate::{CODE_A, CODE_B, World, company, found};

/// The city's word that one section of the first entry of a batch is over.
fn erasure_of(item: &Item, section: u8) -> Envelope {
    let Item::Slice { header, body } = item else {
        panic!("a slice");
    };
    let header = Envelope::from_bytes(header).expect("a header");
    let header = Header::from_bytes(&header.bytes).expect("a header");
    let body = slice::unpack(body).expect("a body");
    let opened = slice::opened(&header, &body).expect("entries");
    let first = &opened[0];
    let opening = Opening::from_bytes(&body[first.at.clone()]).expect("an entry");
    let authority = authority();
    let statement = Erasure {
        seat: header.seat,
        items: vec![ErasureItem {
            lane: header.lane as u8,
            opening: header.opening,
            sequence: header.sequence,
            index: first.index,
            leaf: opening.leaf(),
            mask: 1 << section,
        }],
        code: erasure_code::PERSON,
        text: "依当事人申请".into(),
        issuer: reference(&authority.city.2),
    };
    Envelope::signed(kind::ERASURE, 1, statement.to_bytes(), &key(2))
}

/// Whether any stored block still holds these words.
async fn holds(node: &node::Node, words: &str) -> bool {
    let items = node.store().unapplied(0, usize::MAX, 1_000).await;
    let items = items.expect("items").into_iter();
    let bodies = items.filter_map(|item| slice::unpack(&item.bytes).ok());
    let mut bodies = bodies.collect::<Vec<_>>().into_iter();
    bodies.any(|body| body.windows(words.len()).any(|w| w == words.as_bytes()))
}

#[tokio::test]
async fn what_is_erased_is_gone_everywhere_and_stays_gone() {
    const SECTION_OF_NAMES: u8 = 1;
    let name = "消失有限公司";
    for erased_first in [false, true] {
        let mut w = World::new().await;
        let item = w.source.state(&company("1", CODE_A, name, "历下区"));
        let erasure = erasure_of(&item, SECTION_OF_NAMES);
        if !erased_first {
            w.say(item.clone()).await;
            let other = w
                .source
                .state(&company("2", CODE_B, "存续有限公司", "历下区"));
            w.say(other).await;
            w.spread().await;
            assert_eq!(found(&w.city, "消失").await, [name]);
            assert!(holds(&w.city, name).await && holds(&w.east, name).await);
        }
        // only the city may say so
        let forged = Envelope::signed(kind::ERASURE, 1, erasure.bytes.clone(), &key(30));
        hand_over(
            &w.east,
            &w.source.peer(),
            vec![Item::Envelope(forged.to_bytes())],
            0,
            7,
        )
        .await
        .expect_err("not its to say");
        // at the city by its own word, at the district by the feed
        let statements = w.source.directory();
        hand_over(&w.city, &as_peer(&w.east), statements, 0, 50)
            .await
            .expect("directory");
        w.city.publish(&[erasure], 5).await.expect("stated");
        w.spread().await;
        if erased_first {
            w.say(item.clone()).await;
            w.spread().await;
        }
        for node in [&w.city, &w.east] {
            assert!(!holds(node, name).await, "{erased_first}");
            assert_eq!(found(node, "消失").await, [""; 0], "{erased_first}");
        }
        // a copy from before brings nothing back
        hand_over(&w.city, &as_peer(&w.east), vec![item.clone()], 2, 900)
            .await
            .expect("nothing new");
        hand_over(&w.east, &w.source.peer(), vec![item], 2, 900)
            .await
            .expect("nothing new");
        w.spread().await;
        for node in [&w.city, &w.east] {
            assert!(!holds(node, name).await, "{erased_first}");
            // an erased section is no gap
            assert!(node.gaps().is_empty());
            let logs = node.store().log_frontiers().await.expect("logs");
            let expected = if erased_first { 1 } else { 2 };
            assert_eq!(logs.iter().map(|l| l.sequence).max(), Some(expected));
            let report = node.verify(true, 9).await.expect("verify");
            assert!(report.is_good(), "{}", report.text());
        }
    }
}
