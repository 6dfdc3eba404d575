//! A disk that is full and has room again: nothing lost, nothing half-written, no restart.
//!
//! SQLite's own bound on a file makes the fault without a privilege; a small file system shows it as the system does.

use store::testing::{Cluster, SmallDisk, set_full, sqlite, stand_on};
use store::{BlockRow, Engine, Store, StoreConfig, StoreError};

use crate::make::{Dice, block, blocks, ground, record};

/// More blocks than any disk of these tests holds.
const MANY: u64 = 4_000;

/// A block that nothing makes smaller.
fn large(sequence: u64) -> BlockRow {
    let mut dice = Dice(sequence);
    let mut block = block(1, 2, sequence);
    block.body = (0..40_000).map(|_| dice.below(256) as u8).collect();
    block
}

/// Takes in blocks until the disk is full; gives the number of the one that failed.
async fn fill(store: &Store, from: u64) -> u64 {
    for sequence in from..MANY {
        match store.intake(blocks(vec![large(sequence)])).await {
            Ok(done) => assert_eq!(done.head, sequence),
            Err(StoreError::Full(_)) => return sequence,
            Err(error) => panic!("block {sequence}: {error:?}"),
        }
    }
    panic!("{MANY} blocks and the disk is not full");
}

/// What must hold while the disk is full, after it was not, and for what was stored before.
async fn heals(store: &Store, make_room: impl AsyncFn()) {
    assert_eq!(store.write_trouble(), None);
    let failed = fill(store, 1).await;
    assert!(failed > 1, "something fits");
    // a writer that did not notice would fail otherwise now, or keep a part
    for _ in 0..3 {
        let again = store.intake(blocks(vec![large(failed)])).await;
        assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");
    }
    assert_eq!(store.write_trouble().as_deref(), Some("磁盘空间不足"));
    // what was stored can be read, and nothing of what failed
    let kept = store.unapplied(0, usize::MAX, 10_000).await.unwrap();
    assert_eq!(kept.len() as u64, failed - 1);

    make_room().await;
    let tried = store.try_write(7).await;
    assert!(tried.is_ok(), "at once, without a restart: {tried:?}");
    assert_eq!(store.write_trouble(), None);
    let done = store.intake(blocks(vec![large(failed)])).await.unwrap();
    assert_eq!((done.first_offset, done.head), (failed, failed));
    let kept = store.unapplied(0, usize::MAX, 10_000).await.unwrap();
    let offsets: Vec<u64> = kept.iter().map(|item| item.offset).collect();
    assert_eq!(offsets, (1..=failed).collect::<Vec<_>>());
    for item in &kept {
        assert_eq!(item.bytes, large(item.offset).body, "block {}", item.offset);
    }
    assert_eq!(store.log_frontiers().await.unwrap()[0].sequence, failed);
}

pub async fn a_full_file_loses_nothing_and_heals_by_itself() {
    let (store, _folder) = sqlite().await;
    stand_on(&store, ground()).await;
    store.intake(blocks(vec![large(1)])).await.unwrap();
    set_full(&store, true).await;
    let failed = fill(&store, 2).await;
    for _ in 0..3 {
        let again = store.intake(blocks(vec![large(failed)])).await;
        assert!(matches!(again, Err(StoreError::Full(_))), "{again:?}");
    }
    // every other writer says the same and nothing else
    let group = store::ApplyGroup {
        records: (100..2_000).map(|n| record(n, n)).collect(),
        ..Default::default()
    };
    let applied = store.apply(group.clone()).await;
    assert!(matches!(applied, Err(StoreError::Full(_))), "{applied:?}");
    let put = store.meta_put("large", &vec![1; 200_000]).await;
    assert!(matches!(put, Err(StoreError::Full(_))), "{put:?}");
    assert_eq!(store.write_trouble().as_deref(), Some("磁盘空间不足"));
    assert_eq!(store.meta_get("large").await.unwrap(), None);

    set_full(&store, false).await;
    store.apply(group).await.unwrap();
    store.meta_put("large", &[1]).await.unwrap();
    assert_eq!(store.write_trouble(), None);
    let done = store.intake(blocks(vec![large(failed)])).await.unwrap();
    assert_eq!((done.first_offset, done.head), (failed, failed));
    store.close().await;
}

pub async fn a_full_disk_under_sqlite_heals_by_itself() {
    let Some(disk) = SmallDisk::mount(12) else {
        println!("no right to mount a file system: only SQLite's own bound was tested");
        return;
    };
    let engine = Engine::Sqlite {
        folder: disk.path().to_owned(),
        cache_mib: 8,
    };
    let store = Store::open(&StoreConfig { engine }).await.unwrap();
    stand_on(&store, ground()).await;
    heals(&store, async || disk.grow(60)).await;
    store.close().await;
}

pub async fn a_full_disk_under_postgres_heals_by_itself(cluster: &Cluster) {
    let Some(disk) = SmallDisk::mount(24) else {
        println!("no right to mount a file system: PostgreSQL's full disk was not tested");
        return;
    };
    let engine = Engine::Postgres {
        url: cluster.database_in(disk.path()),
    };
    let store = Store::open(&StoreConfig { engine }).await.unwrap();
    stand_on(&store, ground()).await;
    heals(&store, async || disk.grow(90)).await;
    store.close().await;
    drop(store);
    // the server has files open there; it is gone before the disk is
    cluster.end_connections();
}

pub async fn connections_that_end_cost_no_writer_a_failure(cluster: &Cluster) {
    let store = cluster.store().await;
    stand_on(&store, ground()).await;
    // so that the pool holds several
    let several = (1..=4).map(|n| store.meta_put(["a", "b", "c", "d"][n - 1], &[1]));
    for put in several.collect::<Vec<_>>() {
        put.await.unwrap();
    }
    for sequence in 1..=5 {
        cluster.end_connections();
        let done = store.intake(blocks(vec![block(1, 2, sequence)])).await;
        assert_eq!(done.unwrap().head, sequence);
        assert_eq!(store.write_trouble(), None);
    }
    store.close().await;
}

/// A rule of a table that is violated is the caller's fault: it leaves nothing behind and does not look like a full disk.
pub async fn a_statement_that_fails_leaves_nothing_and_no_mark(store: Store) {
    store.intake(blocks(vec![block(1, 2, 1)])).await.unwrap();
    let nul = store.meta_put("a\0b", &[1]).await;
    assert!(matches!(nul, Err(StoreError::Invalid { .. })), "{nul:?}");
    assert_eq!(store.write_trouble(), None);
    let done = store.intake(blocks(vec![block(1, 2, 2)])).await.unwrap();
    assert_eq!(done.head, 2);
}
