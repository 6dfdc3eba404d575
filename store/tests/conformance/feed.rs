//! Pages of the feed.

use store::{ApplyGroup, FeedQuery, IntakeGroup, RoutedRow, Store};

use crate::make::{block, blocks, envelope, opening, seat};

fn query(class: u8) -> FeedQuery {
    FeedQuery {
        class,
        upto: u64::MAX,
        bytes_max: usize::MAX,
        items_max: 100,
        ..FeedQuery::default()
    }
}

async fn offsets(store: &Store, query: FeedQuery) -> (Vec<u64>, u64) {
    let page = store.feed_page(query).await.unwrap();
    (page.items.iter().map(|i| i.offset).collect(), page.through)
}

pub async fn a_page_holds_one_class_without_the_reader_s_own(store: Store) {
    store
        .intake(IntakeGroup {
            envelopes: vec![envelope(1)],
            blocks: vec![block(1, 2, 1), block(1, 1, 1)],
            from_peer: Some(seat(9)),
            ..IntakeGroup::default()
        })
        .await
        .unwrap();
    store
        .intake(blocks(vec![block(2, 2, 1), block(2, 2, 2)]))
        .await
        .unwrap();
    assert_eq!(offsets(&store, query(0)).await, (vec![1], 5));
    assert_eq!(offsets(&store, query(1)).await, (vec![3], 5));
    assert_eq!(offsets(&store, query(2)).await, (vec![2, 4, 5], 5));
    let own = FeedQuery {
        exclude_peer: Some(seat(9)),
        ..query(2)
    };
    assert_eq!(offsets(&store, own).await, (vec![4, 5], 5));
    let late = FeedQuery {
        after: 5,
        ..query(2)
    };
    assert_eq!(offsets(&store, late).await, (vec![], 5));
    let ahead = FeedQuery {
        after: 50,
        ..query(2)
    };
    assert_eq!(offsets(&store, ahead).await, (vec![], 50));
}

pub async fn a_page_ends_by_bytes_and_items_and_tells_where(store: Store) {
    store
        .intake(blocks((1..=5).map(|n| block(1, 2, n)).collect()))
        .await
        .unwrap();
    let size = 100 + block(1, 2, 1).header.bytes.len();
    let check = |bytes_max, items_max, upto| FeedQuery {
        bytes_max,
        items_max,
        upto,
        ..query(2)
    };
    assert_eq!(
        offsets(&store, check(2 * size, 100, 9)).await,
        (vec![1, 2], 2)
    );
    assert_eq!(offsets(&store, check(1, 100, 9)).await, (vec![1], 1));
    assert_eq!(
        offsets(&store, check(usize::MAX, 3, 9)).await,
        (vec![1, 2, 3], 3)
    );
    assert_eq!(
        offsets(&store, check(usize::MAX, 100, 4)).await,
        (vec![1, 2, 3, 4], 4)
    );
    assert_eq!(store.unapplied(3, 1, 100).await.unwrap().len(), 1);
    assert_eq!(store.unapplied(0, usize::MAX, 2).await.unwrap().len(), 2);
    assert_eq!(store.verify_walk(0, 100).await.unwrap().len(), 5);
}

pub async fn a_filtered_page_unites_the_positions_of_its_regions(store: Store) {
    store
        .intake(blocks((1..=4).map(|n| block(1, 2, n)).collect()))
        .await
        .unwrap();
    let route = |region: &str, offset, positions: Option<&[u8]>| RoutedRow {
        region: region.into(),
        class: 2,
        offset,
        positions: positions.map(<[u8]>::to_vec),
    };
    let routed = vec![
        route("310115", 1, Some(&[0, 1, 0, 5])),
        route("*", 1, Some(&[0, 2, 0, 5])),
        route("310116", 2, Some(&[0, 1])),
        route("*", 3, None),
        route("310115", 3, Some(&[0, 1])),
    ];
    store
        .apply(ApplyGroup {
            through: 4,
            routed,
            ..ApplyGroup::default()
        })
        .await
        .unwrap();
    let regions = |names: &[&str]| Some(names.iter().map(|n| (*n).to_owned()).collect());
    let page = store
        .feed_page(FeedQuery {
            regions: regions(&["310115", "*"]),
            ..query(2)
        })
        .await
        .unwrap();
    let got: Vec<_> = page
        .items
        .iter()
        .map(|i| (i.offset, i.positions.as_deref()))
        .collect();
    assert_eq!(got, [(1, Some(&[0, 1, 0, 2, 0, 5][..])), (3, None)]);
    assert_eq!(page.through, 4);
    let page = store
        .feed_page(FeedQuery {
            regions: regions(&[]),
            ..query(2)
        })
        .await
        .unwrap();
    assert_eq!((page.items.len(), page.through), (0, 4));
    let one = FeedQuery {
        regions: regions(&["310115", "*"]),
        items_max: 1,
        ..query(2)
    };
    assert_eq!(offsets(&store, one).await, (vec![1], 1));
    assert_eq!(
        offsets(
            &store,
            FeedQuery {
                regions: regions(&["' OR 1=1"]),
                ..query(2)
            }
        )
        .await,
        (vec![], 4)
    );
}

pub async fn a_log_is_read_in_order_of_sequence(store: Store) {
    store
        .intake(blocks(vec![block(1, 2, 1), block(2, 2, 1), block(1, 2, 2)]))
        .await
        .unwrap();
    let mut refill = block(1, 2, 1);
    refill.adds = true;
    store
        .intake(blocks(vec![refill, block(1, 2, 3)]))
        .await
        .unwrap();
    let page = async |after, to, bytes| {
        let rows = store
            .log_page(seat(1), 2, opening(), after, to, bytes)
            .await
            .unwrap();
        rows.into_iter()
            .map(|(sequence, item)| (sequence, item.offset))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        page(0, 9, usize::MAX).await,
        [(1, 1), (1, 4), (2, 3), (3, 5)]
    );
    assert_eq!(page(1, 2, usize::MAX).await, [(2, 3)]);
    assert_eq!(
        page(0, 9, 1).await,
        [(1, 1), (1, 4)],
        "a page ends between two sequences"
    );
    assert_eq!(page(2, u64::MAX, usize::MAX).await, [(3, 5)]);
    assert!(page(3, 9, usize::MAX).await.is_empty());
    assert!(page(u64::MAX, u64::MAX, usize::MAX).await.is_empty());
    assert!(
        store
            .unapplied(u64::MAX, usize::MAX, 9)
            .await
            .unwrap()
            .is_empty()
    );
}
