//! Opening, locking, small values, text.

use sqlx::Connection as _;
use store::testing::{Cluster, sqlite, stand_on};
use store::{
    ApplyGroup, Engine, IntakeGroup, OpenError, Store, StoreConfig, StoreError, TypeCount,
};

use crate::make::{block, blocks, entity, envelope, ground, refusal, seat};

pub async fn small_values_are_kept(store: Store) {
    assert_eq!(store.meta_get("feed").await.unwrap(), None);
    store.meta_put("feed", b"one").await.unwrap();
    store.meta_put("feed", b"").await.unwrap();
    assert_eq!(store.meta_get("feed").await.unwrap(), Some(Vec::new()));
}

pub async fn text_keeps_four_byte_characters_and_refuses_nul(store: Store) {
    let mut row = entity(u64::MAX, "𠮷野家(上海)餐饮🍜");
    row.address = "路\"'\\;--%_\n\t\u{10ffff}".into();
    store
        .fold(store::FoldGroup {
            entities: vec![row.clone()],
            ..Default::default()
        })
        .await
        .unwrap();
    assert_eq!(store.entity(u64::MAX).await.unwrap(), Some(row.clone()));
    row.address = "a\0b".into();
    let fold = store::FoldGroup {
        entities: vec![row],
        through: Some(9),
        ..Default::default()
    };
    assert!(matches!(
        store.fold(fold).await,
        Err(StoreError::Invalid { .. })
    ));
    let mut refused = refusal(1, 1);
    refused.message = "\0".into();
    let group = ApplyGroup {
        through: 9,
        refusals: vec![refused],
        ..ApplyGroup::default()
    };
    assert!(matches!(
        store.apply(group).await,
        Err(StoreError::Invalid { .. })
    ));
    let heads = store.feed_heads();
    assert_eq!(
        (heads.applied, heads.folded),
        (0, 0),
        "nothing of a refused group stays"
    );
}

pub async fn figures_add_up(store: Store) {
    store
        .intake(blocks(vec![block(1, 2, 1), block(1, 2, 2), block(2, 1, 1)]))
        .await
        .unwrap();
    let count = |records, refused| TypeCount {
        origin: seat(1),
        kind: 1,
        records,
        refused,
    };
    let group = ApplyGroup {
        through: 3,
        counts: vec![count(5, 1), count(3, 0)],
        refusals: vec![refusal(1, 1)],
        dirty: vec![1, 2],
        ..ApplyGroup::default()
    };
    store.apply(group).await.unwrap();
    store
        .apply(ApplyGroup {
            through: 2,
            counts: vec![count(-1, -1)],
            ..ApplyGroup::default()
        })
        .await
        .unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!(
        (stats.heads.head, stats.heads.applied, stats.heads.folded),
        (3, 3, 0)
    );
    let origins: Vec<_> = stats
        .origins
        .iter()
        .map(|o| (o.seat, o.lane, o.blocks, o.entries))
        .collect();
    assert_eq!(origins, [(seat(1), 2, 2, 20), (seat(2), 1, 1, 10)]);
    assert_eq!(stats.types, [count(7, 0)]);
    assert_eq!(
        (stats.refusals_open, stats.dirty, stats.wants_open),
        (1, 2, 0)
    );
    assert!(stats.bytes > 0);
}

pub async fn a_second_process_is_kept_out_of_the_folder() {
    let (store, folder) = sqlite().await;
    let engine = Engine::Sqlite {
        folder: folder.path().to_owned(),
        cache_mib: 8,
    };
    let config = StoreConfig { engine };
    let second = Store::open(&config).await;
    let Err(error @ OpenError::FolderLocked { .. }) = second else {
        panic!("{second:?}")
    };
    let text = error.to_string();
    assert!(
        text.contains(&folder.path().display().to_string()) && text.contains("停止"),
        "{text}"
    );
    store.close().await;
    drop(store);
    Store::open(&config)
        .await
        .expect("free after the first has gone");
}

pub async fn a_store_survives_its_process() {
    let (store, folder) = sqlite().await;
    stand_on(&store, ground()).await;
    let group = IntakeGroup {
        envelopes: vec![envelope(1)],
        ..blocks(vec![block(1, 2, 1)])
    };
    store.intake(group).await.unwrap();
    drop(store);
    let engine = Engine::Sqlite {
        folder: folder.path().to_owned(),
        cache_mib: 8,
    };
    let store = Store::open(&StoreConfig { engine }).await.unwrap();
    assert_eq!(store.feed_heads().head, 2);
    assert_eq!(
        store
            .intake(blocks(vec![block(1, 2, 2)]))
            .await
            .unwrap()
            .head,
        3
    );
}

pub async fn a_second_process_is_kept_out_of_the_database(cluster: &Cluster) {
    let config = StoreConfig {
        engine: Engine::Postgres {
            url: cluster.database(),
        },
    };
    let store = Store::open(&config).await.unwrap();
    let second = Store::open(&config).await;
    let Err(error @ OpenError::DatabaseLocked { .. }) = second else {
        panic!("{second:?}")
    };
    assert!(error.to_string().contains("停止"), "{error}");
    store.close().await;
    Store::open(&config)
        .await
        .expect("free after the first has closed");
}

/// The server drops the connection that holds the lock, a second process takes over: the first must not write any more.
pub async fn a_process_that_lost_its_lock_cannot_write(cluster: &Cluster) {
    let config = StoreConfig {
        engine: Engine::Postgres {
            url: cluster.database(),
        },
    };
    let first = Store::open(&config).await.unwrap();
    stand_on(&first, ground()).await;
    first.intake(blocks(vec![block(1, 2, 1)])).await.unwrap();
    cluster.break_locks().await;
    let second = Store::open(&config)
        .await
        .expect("the lock went with its connection");
    let written = first.intake(blocks(vec![block(1, 2, 2)])).await;
    assert!(matches!(written, Err(StoreError::Fenced)), "{written:?}");
    second.intake(blocks(vec![block(1, 2, 2)])).await.unwrap();
    assert_eq!(second.feed_heads().head, 2);
}

/// A database of before the bytes were final is told as such, whatever is in it.
pub async fn a_database_of_the_former_cut_is_told() {
    let (store, folder) = sqlite().await;
    store.close().await;
    drop(store);
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let mut former = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1")
        .execute(&mut former)
        .await
        .unwrap();
    former.close().await.unwrap();
    let engine = Engine::Sqlite {
        folder: folder.path().to_owned(),
        cache_mib: 8,
    };
    let opened = Store::open(&StoreConfig { engine }).await;
    let Err(error @ OpenError::FormerCut) = opened else {
        panic!("{opened:?}")
    };
    assert!(error.to_string().contains("init"), "{error}");
}
