//! Apply: current records, routes, refusals.

use std::collections::HashMap;

use store::{
    ApplyGroup, EventRow, FeedQuery, FoldGroup, ItemKind, RecordRow, RefusalFilter, RefusalRow,
    Store,
};

use crate::make::{block, blocks, pointer, record, refusal, seat};

fn records(records: Vec<RecordRow>) -> ApplyGroup {
    ApplyGroup {
        through: 1,
        records,
        ..ApplyGroup::default()
    }
}

async fn one(store: &Store, n: u64) -> RecordRow {
    let rows = store.records(&[record(n, 0).id]).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.into_iter().next().unwrap()
}

pub async fn the_greatest_version_stays(store: Store) {
    store
        .apply(records(vec![record(1, 5), record(1, 9), record(1, 7)]))
        .await
        .unwrap();
    assert_eq!(one(&store, 1).await, record(1, 9));
    store.apply(records(vec![record(1, 8)])).await.unwrap();
    assert_eq!(one(&store, 1).await, record(1, 9));
    let refused = RecordRow {
        shown: Some(pointer(9)),
        flags: 2,
        ..record(1, 10)
    };
    store
        .apply(records(vec![
            refused.clone(),
            RecordRow {
                shown: None,
                ..record(2, 1)
            },
        ]))
        .await
        .unwrap();
    assert_eq!(one(&store, 1).await, refused);
    assert_eq!(one(&store, 2).await.shown, None);
    let wider = RecordRow {
        mask: 15,
        ..refused
    };
    store.apply(records(vec![wider.clone()])).await.unwrap();
    assert_eq!(
        one(&store, 1).await,
        wider,
        "the same image with more sections"
    );
    assert!(store.records(&[[0; 16]]).await.unwrap().is_empty());
    assert_eq!(store.feed_heads().applied, 1);
}

pub async fn thousands_of_records_go_in_and_come_out(store: Store) {
    let rows: Vec<_> = (0..6_000).map(|n| record(n, 1 + n % 3)).collect();
    store.apply(records(rows.clone())).await.unwrap();
    let newer: Vec<_> = (0..6_000).step_by(7).map(|n| record(n, 2)).collect();
    store.apply(records(newer)).await.unwrap();
    let expected: HashMap<_, _> = (0..6_000u64)
        .map(|n| {
            record(
                n,
                if n % 7 == 0 {
                    (1 + n % 3).max(2)
                } else {
                    1 + n % 3
                },
            )
        })
        .map(|r| (r.id, r))
        .collect();
    let ids: Vec<_> = rows.iter().map(|r| r.id).collect();
    let got: HashMap<_, _> = store
        .records(&ids)
        .await
        .unwrap()
        .into_iter()
        .map(|r| (r.id, r))
        .collect();
    assert!(got == expected);
    let subjects: Vec<_> = rows.iter().map(|r| r.subject).collect();
    assert_eq!(
        store.records_of_subjects(&subjects).await.unwrap().len(),
        6_000
    );
}

pub async fn a_subject_changes_only_when_told(store: Store) {
    store.apply(records(vec![record(1, 1)])).await.unwrap();
    let moved = RecordRow {
        subject: 77,
        ..record(1, 2)
    };
    store.apply(records(vec![moved.clone()])).await.unwrap();
    assert_eq!(one(&store, 1).await.subject, record(1, 1).subject);
    let group = ApplyGroup {
        subject_changed: vec![(moved.id, u64::MAX)],
        ..ApplyGroup::default()
    };
    store.apply(group).await.unwrap();
    assert_eq!(one(&store, 1).await.subject, u64::MAX);
    assert_eq!(
        store
            .records_of_subject(u64::MAX, [0; 16], 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(
        store
            .records_of_subject(u64::MAX, moved.id, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn entities_move_and_leave(store: Store) {
    let of = |n: u64, at: u64| RecordRow {
        subject: 5,
        ..record(n, at)
    };
    store
        .apply(records(vec![of(1, 3), of(2, 8), record(3, 3)]))
        .await
        .unwrap();
    let group = ApplyGroup {
        moved: vec![(5, "310116".into())],
        left: vec![(8, 5, "310116".into())],
        ..ApplyGroup::default()
    };
    store.apply(group).await.unwrap();
    let (first, second) = (one(&store, 1).await, one(&store, 2).await);
    assert_eq!(
        (first.region.as_str(), first.flags),
        ("310116", RecordRow::LEFT)
    );
    assert_eq!(
        (second.region.as_str(), second.flags),
        ("310116", 0),
        "from a block behind the event"
    );
    assert_eq!(one(&store, 3).await, record(3, 3));
}

pub async fn only_what_lies_in_the_region_leaves_it(store: Store) {
    let of = |n: u64, subject: u64, region: &str| RecordRow {
        subject,
        region: region.into(),
        ..record(n, 1)
    };
    let rows = [
        of(1, 5, "310116"),
        of(2, 5, "310115"),
        of(3, 5, ""),
        of(4, 6, "310116"),
    ];
    store.apply(records(rows.to_vec())).await.unwrap();
    let leave = |region: &str| ApplyGroup {
        left: vec![(8, 5, region.into())],
        ..ApplyGroup::default()
    };
    let flags = async || {
        let mut flags = Vec::new();
        for n in 1..=4 {
            flags.push(one(&store, n).await.flags);
        }
        flags
    };
    store.apply(leave("310120")).await.unwrap();
    assert_eq!(flags().await, [0, 0, 0, 0], "a region that nothing is in");
    // told twice, it has left once
    for _ in 0..2 {
        store.apply(leave("310116")).await.unwrap();
        assert_eq!(flags().await, [RecordRow::LEFT, 0, 0, 0]);
    }
    for (n, row) in (1..).zip(&rows) {
        assert_eq!(one(&store, n).await.region, row.region, "nothing moves");
    }
}

pub async fn digests_hold_what_has_not_left(store: Store) {
    let mut rows: Vec<_> = (0..50).map(|n| record(n, 1)).collect();
    rows[3].flags = RecordRow::LEFT;
    rows[4].region = "310116".into();
    rows[5].region = String::new();
    store.apply(records(rows.clone())).await.unwrap();
    let read = async |region: Option<&str>| {
        let (mut ids, mut after) = (Vec::new(), [0; 16]);
        loop {
            let page = store.digest_rows(region, after, 7).await.unwrap();
            let Some(last) = page.last() else { return ids };
            after = last.id;
            ids.extend(page.iter().map(|r| r.id));
        }
    };
    let mut expected: Vec<_> = rows.iter().filter(|r| r.flags == 0).map(|r| r.id).collect();
    expected.sort_unstable();
    assert_eq!(read(None).await, expected);
    assert_eq!(read(Some("310116")).await, [rows[4].id]);
    assert_eq!(read(Some("")).await, [rows[5].id]);
    assert!(read(Some("310120")).await.is_empty());
}

pub async fn events_become_routed_items(store: Store) {
    store.intake(blocks(vec![block(1, 2, 1)])).await.unwrap();
    let event = |bytes: &[u8], regions: &[&str]| EventRow {
        class: 2,
        bytes: bytes.to_vec(),
        regions: regions.iter().map(|r| (*r).to_owned()).collect(),
    };
    let events = vec![
        event(b"moved", &["310115", "310116"]),
        event(b"other", &["310116"]),
    ];
    store
        .apply(ApplyGroup {
            through: 1,
            events,
            at_us: 5,
            ..ApplyGroup::default()
        })
        .await
        .unwrap();
    let heads = store.feed_heads();
    assert_eq!((heads.head, heads.applied), (3, 1));
    let query = |region: &str| FeedQuery {
        class: 2,
        upto: 9,
        bytes_max: 1_000,
        items_max: 9,
        regions: Some(vec![region.to_owned()]),
        ..FeedQuery::default()
    };
    let page = store.feed_page(query("310115")).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(
        (page.items[0].kind, page.items[0].bytes.as_slice()),
        (ItemKind::Event, &b"moved"[..])
    );
    assert_eq!(
        (page.items[0].from_peer, page.items[0].reference),
        (None, None)
    );
    assert_eq!(
        store.feed_page(query("310116")).await.unwrap().items.len(),
        2
    );
}

pub async fn refusals_open_and_close(store: Store) {
    let open = |rows: Vec<RefusalRow>| ApplyGroup {
        refusals: rows,
        at_us: 50,
        ..ApplyGroup::default()
    };
    store
        .apply(open(
            (1..=5).map(|n| refusal(n, 10 + i64::from(n))).collect(),
        ))
        .await
        .unwrap();
    let all = RefusalFilter::default();
    let list = async |filter: &RefusalFilter, after, limit| {
        let rows = store.refusals(filter, after, limit).await.unwrap();
        rows.into_iter().map(|r| r.id[0]).collect::<Vec<_>>()
    };
    assert_eq!(list(&all, None, 10).await, [5, 4, 3, 2, 1]);
    assert_eq!(list(&all, Some((14, [4; 16])), 2).await, [3, 2]);
    let closed = RefusalRow {
        open: false,
        ..refusal(2, 60)
    };
    let unknown = RefusalRow {
        open: false,
        ..refusal(99, 60)
    };
    let group = ApplyGroup {
        closed_refusals: vec![[3; 16]],
        ..open(vec![closed, unknown])
    };
    store.apply(group).await.unwrap();
    // the same bad row read again is no new refusal: it has been open since the first time, with what is wrong now
    let again = RefusalRow {
        message: "日期在将来".into(),
        ..refusal(4, 900)
    };
    store.apply(open(vec![again])).await.unwrap();
    let kept = store.refusal([4; 16]).await.unwrap().unwrap();
    assert_eq!((kept.at_us, kept.message.as_str()), (14, "日期在将来"));
    assert_eq!(
        list(
            &RefusalFilter {
                open: Some(true),
                ..all
            },
            None,
            10
        )
        .await,
        [5, 4, 1]
    );
    assert_eq!(
        list(
            &RefusalFilter {
                open: Some(false),
                ..all
            },
            None,
            10
        )
        .await,
        [3, 2]
    );
    assert_eq!(
        list(
            &RefusalFilter {
                origin: Some(seat(1)),
                open: Some(true)
            },
            None,
            10
        )
        .await,
        [5, 1]
    );
    store.apply(open(vec![refusal(2, 70)])).await.unwrap();
    assert_eq!(store.refusal([2; 16]).await.unwrap(), Some(refusal(2, 70)));
    let counts = store
        .refusal_counts(&RefusalFilter {
            open: Some(true),
            ..all
        })
        .await
        .unwrap();
    assert_eq!(
        counts,
        [("code_check".to_owned(), 4), ("date_future".to_owned(), 4)]
    );
    assert_eq!(
        store.refusals_open().await.unwrap(),
        [(seat(0), 2), (seat(1), 2)]
    );
    // one that was mended and is refused anew begins anew
    store.apply(open(vec![refusal(3, 700)])).await.unwrap();
    let anew = store.refusal([3; 16]).await.unwrap().unwrap();
    assert_eq!((anew.at_us, anew.open), (700, true));
}

pub async fn a_subject_made_dirty_again_is_folded_again(store: Store) {
    let dirty = |subjects: &[u64]| ApplyGroup {
        dirty: subjects.to_vec(),
        ..ApplyGroup::default()
    };
    store.apply(dirty(&[7, u64::MAX, 7])).await.unwrap();
    let read = store.dirty_page(10).await.unwrap();
    assert_eq!(read.iter().map(|d| d.subject).collect::<Vec<_>>().len(), 2);
    store.apply(dirty(&[7])).await.unwrap();
    store
        .fold(FoldGroup {
            dirty_done: read,
            ..FoldGroup::default()
        })
        .await
        .unwrap();
    let left = store.dirty_page(10).await.unwrap();
    assert_eq!(left.iter().map(|d| d.subject).collect::<Vec<_>>(), [7]);
    store
        .fold(FoldGroup {
            dirty_done: left,
            through: Some(3),
            ..FoldGroup::default()
        })
        .await
        .unwrap();
    assert!(store.dirty_page(10).await.unwrap().is_empty());
    assert_eq!(store.feed_heads().folded, 3);
}
