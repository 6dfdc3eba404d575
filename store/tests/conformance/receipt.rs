//! Receipts and feed heads: what replaces what.

use protocol::name::{FeedId, Incarnation};
use store::{FeedHeadRow, ReceiptRow, Store};

use crate::make::{opening, seat};

fn life(counter: u64, feed: u8) -> Incarnation {
    Incarnation {
        counter,
        feed: FeedId([feed; 16]),
    }
}

pub async fn a_receipt_is_replaced_by_what_reaches_further_and_by_no_clock(store: Store) {
    let receipt = |incarnation, [durable, attached, safeguarded]: [u64; 3], at_us| ReceiptRow {
        seat: seat(1),
        lane: 2,
        opening: opening(),
        node: seat(5),
        incarnation,
        durable_sequence: durable,
        attached_sequence: attached,
        safeguarded_sequence: safeguarded,
        bytes: format!("{incarnation:?} {durable} {attached} {safeguarded}").into_bytes(),
        at_us,
    };
    let check = async |given: ReceiptRow, taken: bool, why: &str| {
        let before = store.receipts(Some(seat(1))).await.unwrap();
        store.receipt_put(vec![given.clone()]).await.unwrap();
        let after = store.receipts(Some(seat(1))).await.unwrap();
        assert_eq!(after == [given], taken, "{why}");
        assert!(taken || after == before, "{why}");
    };
    check(receipt(life(1, 1), [5, 4, 3], 100), true, "the first").await;
    check(receipt(life(1, 1), [6, 4, 3], 50), true, "an earlier clock").await;
    check(receipt(life(1, 1), [6, 4, 3], 900), false, "nothing new").await;
    check(
        receipt(life(1, 1), [7, 4, 2], 900),
        false,
        "one position smaller",
    )
    .await;
    check(receipt(life(1, 1), [6, 5, 3], 9), true, "attached further").await;
    check(
        receipt(life(1, 1), [6, 5, 5], 9),
        true,
        "safeguarded further",
    )
    .await;
    check(
        receipt(life(1, 2), [9, 9, 9], 999),
        false,
        "another life of the same counter",
    )
    .await;
    check(receipt(life(0, 1), [9, 9, 9], 999), false, "a former life").await;
    check(
        receipt(life(2, 7), [2, 1, 0], 1),
        true,
        "a later life knows less",
    )
    .await;
}

pub async fn a_feed_head_moves_on_only(store: Store) {
    let head = |incarnation, head| FeedHeadRow {
        node: seat(5),
        incarnation,
        head,
        bytes: vec![1],
        at_us: 1,
    };
    assert_eq!(store.feed_head_of(seat(5)).await.unwrap(), None);
    for (given, taken) in [
        (head(life(1, 1), 7), true),
        (head(life(1, 1), 6), false),
        (head(life(1, 2), 9), false),
        (head(life(1, 1), 8), true),
        (head(life(2, 2), 1), true),
    ] {
        assert_eq!(store.feed_head_put(given.clone()).await.unwrap(), taken);
        let kept = store.feed_head_of(seat(5)).await.unwrap();
        assert_eq!(kept == Some(given), taken);
    }
}
