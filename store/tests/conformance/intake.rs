//! Intake: whole groups, dense offsets, nothing twice.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use store::{HeldRow, IntakeGroup, ItemKind, Store, WantRow};

use crate::make::{block, blocks, cursor, envelope, opening, seat};

pub async fn offsets_are_dense_and_known_items_are_passed_over(store: Store) {
    let group = IntakeGroup {
        envelopes: vec![envelope(1), envelope(2), envelope(1)],
        blocks: vec![block(1, 2, 1), block(1, 2, 2), block(1, 2, 1)],
        from_peer: Some(seat(9)),
        at_us: 7,
        ..IntakeGroup::default()
    };
    let done = store.intake(group.clone()).await.unwrap();
    assert_eq!((done.first_offset, done.head), (1, 4));
    let again = store.intake(group).await.unwrap();
    assert_eq!((again.first_offset, again.head), (5, 4));
    let items = store.unapplied(0, usize::MAX, 100).await.unwrap();
    assert_eq!(
        items.iter().map(|i| i.offset).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert_eq!(items[1].kind, ItemKind::Envelope);
    assert_eq!(items[1].bytes, envelope(2).bytes);
    assert_eq!(
        (
            items[2].kind,
            items[2].class,
            items[2].entries,
            items[2].at_us
        ),
        (ItemKind::Block, 2, 10, 7)
    );
    assert_eq!(items[2].header, block(1, 2, 1).header.bytes);
    assert_eq!(items[2].bytes, block(1, 2, 1).body);
    assert_eq!(items[2].hash, Some(block(1, 2, 1).header.hash));
    assert_eq!(items[2].from_peer, Some(seat(9)));
    assert_eq!(store.directory().await.unwrap(), [envelope(1), envelope(2)]);
    let logs = store.log_frontiers().await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(
        (logs[0].sequence, logs[0].last_hash),
        (2, block(1, 2, 2).header.hash)
    );
    assert_eq!(logs[0].history, 2u64.to_be_bytes());

    let mut refill = block(1, 2, 1);
    refill.refill = true;
    refill.log = None;
    refill.body = vec![7; 9];
    assert_eq!(
        store
            .intake(blocks(vec![refill.clone()]))
            .await
            .unwrap()
            .head,
        5
    );
    assert_eq!(store.blocks(&[5, 99]).await.unwrap()[0].bytes, refill.body);
    assert_eq!(store.log_frontiers().await.unwrap(), logs);
}

pub async fn a_header_known_in_part_is_taken_again_when_it_comes_whole(store: Store) {
    let mut part = block(1, 2, 1);
    part.refill = true;
    part.log = None;
    store.intake(blocks(vec![part])).await.unwrap();
    assert!(store.log_frontiers().await.unwrap().is_empty());
    assert_eq!(
        store
            .intake(blocks(vec![block(1, 2, 1)]))
            .await
            .unwrap()
            .head,
        2
    );
    assert_eq!(store.log_frontiers().await.unwrap()[0].sequence, 1);
    assert_eq!(
        store
            .intake(blocks(vec![block(1, 2, 1)]))
            .await
            .unwrap()
            .head,
        2
    );
}

pub async fn cursors_move_on_only(store: Store) {
    let steps = [
        (10, 1, 10),
        (5, 1, 10),
        (11, 1, 11),
        (3, 2, 3),
        (99, 1, 3),
        (4, 2, 4),
    ];
    for (offset, version, expected) in steps {
        let group = IntakeGroup {
            cursors: vec![cursor(offset, version)],
            ..IntakeGroup::default()
        };
        store.intake(group).await.unwrap();
        let kept = store.cursors(seat(9)).await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(
            kept[0].offset, expected,
            "after {offset} of version {version}"
        );
    }
    assert!(store.cursors(seat(8)).await.unwrap().is_empty());
}

pub async fn wants_are_put_once(store: Store) {
    let want = |n: u8| WantRow {
        id: 0,
        want: vec![n],
        resume: Vec::new(),
        at_us: 1,
    };
    let group = IntakeGroup {
        wants: vec![want(1), want(2), want(1)],
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap();
    let first = store.want_put(want(1)).await.unwrap();
    let third = store.want_put(want(3)).await.unwrap();
    let open = store.wants_open().await.unwrap();
    assert_eq!(
        open.iter().map(|w| w.want[0]).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!((open[0].id, open[2].id), (first, third));
    store.want_progress(first, b"half").await.unwrap();
    assert_eq!(store.wants_open().await.unwrap()[0].resume, b"half");
    store.want_done(first).await.unwrap();
    assert_eq!(store.wants_open().await.unwrap().len(), 2);
    store.want_put(want(1)).await.unwrap();
    assert_eq!(store.wants_open().await.unwrap().len(), 3);
}

pub async fn a_hold_keeps_its_first_sequence(store: Store) {
    for (from_sequence, why) in [(5, "identity"), (7, "stopped"), (3, "origin")] {
        let held = HeldRow {
            seat: seat(1),
            lane: 2,
            opening: opening(),
            from_sequence,
            why: why.into(),
        };
        store
            .intake(IntakeGroup {
                held: vec![held],
                at_us: 4,
                ..IntakeGroup::default()
            })
            .await
            .unwrap();
    }
    let held = store.held().await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(
        (held[0].0.from_sequence, held[0].0.why.as_str(), held[0].1),
        (3, "origin", 4)
    );
    store.held_done(seat(1), 2, opening()).await.unwrap();
    assert!(store.held().await.unwrap().is_empty());
}

pub async fn concurrent_groups_stay_whole_and_dense(store: Store) {
    let mut tasks = tokio::task::JoinSet::new();
    for origin in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            for step in 0..6u64 {
                let group = (1..=3).map(|n| block(origin, 2, step * 3 + n)).collect();
                let done = store.intake(blocks(group)).await.unwrap();
                assert_eq!(done.head, done.first_offset + 2, "a group is together");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let items = store.unapplied(0, usize::MAX, 1_000).await.unwrap();
    assert_eq!(items.len(), 8 * 6 * 3);
    assert!(
        items
            .iter()
            .zip(1..)
            .all(|(item, offset)| item.offset == offset)
    );
    assert!(
        store
            .log_frontiers()
            .await
            .unwrap()
            .iter()
            .all(|log| log.sequence == 18)
    );
}

/// What a closed connection or a stopped process does to a group that is being written.
pub async fn a_dropped_group_leaves_all_or_nothing(store: Store) {
    for polls in 0..30 {
        let origin = 100 + polls;
        let group = blocks((1..=3).map(|n| block(origin, 2, n)).collect());
        {
            let mut left = polls;
            let mut taking = pin!(store.intake(group));
            poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                taking.as_mut().poll(context).map(|done| {
                    done.unwrap();
                })
            })
            .await;
        }
        let items = store.unapplied(0, usize::MAX, 1_000).await.unwrap();
        assert!(
            items
                .iter()
                .zip(1..)
                .all(|(item, offset)| item.offset == offset),
            "dense after {polls} polls"
        );
        let own = items.iter().filter(|i| i.bytes[0] == origin).count();
        assert!(own == 0 || own == 3, "{own} of 3 items after {polls} polls");
    }
    // what went in although nobody was told is known as soon as one looks again
    let items = store.unapplied(0, usize::MAX, 1_000).await.unwrap().len() as u64;
    store.refresh_heads().await.unwrap();
    assert!(store.feed_heads().head >= items);
    // and the store still takes in
    let before = store.feed_heads().head;
    let done = store.intake(blocks(vec![block(1, 2, 1)])).await.unwrap();
    assert!(done.head > before);
}
