//! Intake: whole groups, dense offsets, nothing twice.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use store::{
    BlockRow, EnvelopeRow, IntakeGroup, ItemKind, RewrittenRow, STATEMENT_WANTS_MAX, Store,
    StoreError, WantRow,
};

use crate::make::{block, blocks, cursor, envelope, identity, opening, part, reference, seat};

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
    assert_eq!(items[2].reference, Some(block(1, 2, 1).header.reference));
    assert_eq!(items[2].from_peer, Some(seat(9)));
    assert_eq!(
        store.directory().await.unwrap()[2..],
        [envelope(1), envelope(2)]
    );
    let logs = store.log_frontiers().await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(
        (logs[0].sequence, logs[0].last),
        (2, block(1, 2, 2).header.reference)
    );
    assert_eq!(logs[0].history, 2u64.to_be_bytes());

    let mut refill = block(1, 2, 1);
    refill.adds = true;
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
    store
        .intake(blocks(vec![part(1, 2, 1, &[0, 3, 0, 7])]))
        .await
        .unwrap();
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

pub async fn a_block_that_is_rewritten_keeps_its_place(store: Store) {
    store
        .intake(blocks(vec![block(1, 2, 1), block(1, 2, 2)]))
        .await
        .unwrap();
    let before = store.unapplied(0, usize::MAX, 100).await.unwrap();
    let rewritten = RewrittenRow {
        offset: 1,
        body: vec![9; 3],
    };
    store
        .rewrite(vec![rewritten.clone()], vec![7, 5, 7])
        .await
        .unwrap();
    let after = store.unapplied(0, usize::MAX, 100).await.unwrap();
    assert_eq!(after[0].bytes, rewritten.body);
    assert_eq!(after[0].header, before[0].header);
    assert_eq!(after[1], before[1]);
    let dirty = store.dirty_page(10).await.unwrap();
    assert_eq!(dirty.iter().map(|d| d.subject).collect::<Vec<_>>(), [5, 7]);
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

pub async fn wants_of_single_statements_are_bounded_and_counted(store: Store) {
    let want = |tag: u8, n: usize| WantRow {
        id: 0,
        scope: [&[tag], (n as u64).to_be_bytes().as_slice()].concat(),
        want: vec![tag],
        resume: Vec::new(),
        tries: 0,
        next_us: 0,
        at_us: 1,
    };
    let all = STATEMENT_WANTS_MAX;
    let of_statements = |from: usize, to: usize| (from..to).map(|n| want(3, n)).collect();
    assert_eq!(store.wants_put(of_statements(0, all)).await.unwrap(), 0);
    // one that is open already is not one more; what is beyond is counted, by either way
    assert_eq!(
        store
            .wants_put(of_statements(all - 2, all + 3))
            .await
            .unwrap(),
        3
    );
    let group = IntakeGroup {
        wants: vec![want(3, 0), want(3, all), want(1, 0)],
        ..IntakeGroup::default()
    };
    assert_eq!(store.intake(group).await.unwrap().over_quota, 1);
    // other wants have nothing to do with it
    store.want_put(want(2, 0)).await.unwrap();
    let open = store.wants_open().await.unwrap();
    store.want_done(open[0].id).await.unwrap();
    assert_eq!(
        store.wants_put(of_statements(all, all + 2)).await.unwrap(),
        1
    );
}

pub async fn wants_are_put_once(store: Store) {
    // one want is open per scope, whatever it asks for by now
    let want = |n: u8| WantRow {
        id: 0,
        scope: vec![n],
        want: vec![n],
        resume: Vec::new(),
        tries: 0,
        next_us: 0,
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
    store.want_in_vain(first, 77).await.unwrap();
    let asked = store.want(first).await.unwrap().unwrap();
    assert_eq!((asked.tries, asked.next_us, asked.resume), (1, 77, vec![]));
    assert_eq!(store.want(999).await.unwrap(), None);
    store.want_done(first).await.unwrap();
    assert_eq!(store.wants_open().await.unwrap().len(), 2);
    store.want_put(want(1)).await.unwrap();
    assert_eq!(store.wants_open().await.unwrap().len(), 3);
}

pub async fn a_header_needs_its_verified_identity_and_opening(store: Store) {
    let unread = EnvelopeRow {
        reference: reference("unread opening"),
        read: false,
        ..envelope(7)
    };
    let group = IntakeGroup {
        envelopes: vec![unread.clone()],
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap();
    let check = async |opening, identity, envelopes: Vec<EnvelopeRow>, fits: bool| {
        let mut block = block(1, 2, 1);
        block.header.opening = opening;
        block.header.identity = identity;
        let head = store.feed_heads().head;
        let done = store
            .intake(IntakeGroup {
                envelopes,
                ..blocks(vec![block])
            })
            .await;
        assert_eq!(done.is_ok(), fits, "{opening} {identity}");
        if !fits {
            assert!(matches!(done, Err(StoreError::Invalid { .. })));
            store.refresh_heads().await.unwrap();
            assert_eq!(store.feed_heads().head, head, "nothing of it stays");
            assert!(store.log_frontiers().await.unwrap().is_empty());
        }
    };
    check(reference("nowhere"), identity(), vec![], false).await;
    check(opening(), reference("nowhere"), vec![], false).await;
    check(unread.reference, identity(), vec![], false).await;
    check(opening(), reference("nowhere"), vec![envelope(1)], false).await;
    // in the same transaction is early enough
    let new = EnvelopeRow {
        reference: reference("new"),
        ..envelope(8)
    };
    check(new.reference, identity(), vec![new], true).await;
}

pub async fn unread_statements_stay_within_the_share_of_their_seat(store: Store) {
    let unread = |n: u8, name: &str| EnvelopeRow {
        reference: reference(name),
        seat: seat(n),
        class: 0,
        read: false,
        bytes: vec![0; 1 << 20],
        kind: 99,
    };
    let intake = async |envelopes| {
        let group = IntakeGroup {
            envelopes,
            ..IntakeGroup::default()
        };
        store.intake(group).await.unwrap().over_quota
    };
    assert_eq!(intake(vec![unread(1, "a"), unread(1, "b")]).await, 0);
    assert_eq!(intake(vec![unread(1, "a"), unread(1, "c")]).await, 0);
    let over = vec![
        unread(1, "d"),
        unread(1, "e"),
        unread(2, "f"),
        unread(1, "g"),
    ];
    assert_eq!(
        intake(over).await,
        2,
        "four of a mebibyte each are the share"
    );
    assert_eq!(store.unread_bytes(seat(1)).await.unwrap(), 4 << 20);
    assert_eq!(store.unread_bytes(seat(2)).await.unwrap(), 1 << 20);
    let read = EnvelopeRow {
        read: true,
        ..unread(1, "h")
    };
    assert_eq!(intake(vec![read]).await, 0, "what is read is no burden");
}

pub async fn an_unread_statement_is_read_later(store: Store) {
    let kept = EnvelopeRow {
        reference: reference("kept"),
        read: false,
        ..envelope(7)
    };
    let group = IntakeGroup {
        envelopes: vec![kept.clone()],
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap();
    let read = EnvelopeRow {
        reference: reference("read"),
        read: true,
        bytes: b"canonical".to_vec(),
        ..kept.clone()
    };
    store
        .envelope_read(kept.reference, read.clone())
        .await
        .unwrap();
    assert_eq!(store.directory().await.unwrap()[2..], [read]);
    assert_eq!(store.unread_bytes(seat(7)).await.unwrap(), 0);
}

pub async fn parts_of_a_batch_are_kept_until_it_is_whole(store: Store) {
    let header = block(1, 2, 1).header.reference;
    let other = block(1, 2, 9).header.reference;
    let parts = async || {
        let known = store.parts(&[header, other]).await.unwrap();
        assert!(!known.contains_key(&other));
        known.get(&header).cloned()
    };
    assert_eq!(parts().await, None);
    let steps: [(&[u8], Option<&[u8]>); 2] = [
        (&[0, 1, 0, 1], Some(&[0, 1, 0, 1])),
        (&[0, 1, 0, 3], Some(&[0, 1, 0, 3])),
    ];
    for (at, (given, kept)) in steps.into_iter().enumerate() {
        let done = store
            .intake(blocks(vec![part(1, 2, 1, given)]))
            .await
            .unwrap();
        assert_eq!(done.head, at as u64 + 1);
        assert_eq!(parts().await, Some(kept.map(<[u8]>::to_vec)));
    }
    let nothing_new = BlockRow {
        adds: false,
        ..part(1, 2, 1, &[0, 1, 0, 3])
    };
    assert_eq!(
        store.intake(blocks(vec![nothing_new])).await.unwrap().head,
        2,
        "what adds nothing is no item"
    );
    store.intake(blocks(vec![block(1, 2, 1)])).await.unwrap();
    assert_eq!(parts().await, Some(None));
    assert_eq!(store.log_frontiers().await.unwrap()[0].sequence, 1);
    let late = part(1, 2, 1, &[0, 1, 0, 1]);
    store.intake(blocks(vec![late])).await.unwrap();
    assert_eq!(parts().await, Some(None), "whole stays whole");
    assert_eq!(
        store.headers_at(seat(1), 2, opening(), 1).await.unwrap(),
        [header]
    );
    assert!(
        store
            .headers_at(seat(1), 2, opening(), 2)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn steps_of_one_transaction_have_its_token(store: Store) {
    for (token, sequences) in [(3, 1..=2), (4, 3..=3)] {
        store
            .intake(IntakeGroup {
                token: [token; 16],
                ..blocks(sequences.map(|n| block(1, 2, n)).collect())
            })
            .await
            .unwrap();
    }
    for (offset, token) in [(1, Some(3)), (2, Some(3)), (3, Some(4)), (4, None)] {
        let found = store.token_at(offset).await.unwrap();
        assert_eq!(found, token.map(|t: u8| [t; 16]), "offset {offset}");
    }
    assert_eq!(
        store.blocks(&[3]).await.unwrap()[0].token,
        [4; 16],
        "an item tells the token, too"
    );
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
