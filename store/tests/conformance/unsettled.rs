//! Unsettled entities: listed, counted and filtered as a scan would; and entities alike.

use protocol::name::SeatId;
use sqlx::Connection as _;
use store::testing::sqlite;
use store::{
    Alike, Engine, EntityRow, FoldGroup, Store, StoreConfig, StoreError, UnsettledFilter,
    UnsettledRow,
};

use crate::make::{Dice, entity, seat};

fn row(subject: u64, origin: u8, reasons: u32) -> UnsettledRow {
    UnsettledRow {
        subject,
        origin: seat(origin),
        reasons,
        detail: format!("3109{}", subject % 100),
        tax_no: String::new(),
        registry: "310115".into(),
    }
}

fn group(entities: Vec<EntityRow>, unsettled: Vec<UnsettledRow>) -> FoldGroup {
    FoldGroup {
        entities,
        unsettled,
        ..FoldGroup::default()
    }
}

async fn listed(store: &Store, filter: &UnsettledFilter, page: usize) -> Vec<UnsettledRow> {
    let mut all = Vec::new();
    loop {
        let rows = store
            .unsettled(filter, all.len() as u64, page)
            .await
            .unwrap();
        let last = rows.len() < page;
        for (row, entity) in rows {
            assert_eq!(row.subject, entity.subject);
            assert!(!entity.name.is_empty());
            all.push(row);
        }
        if last {
            return all;
        }
    }
}

pub async fn the_list_is_what_a_scan_finds(store: Store) {
    let mut dice = Dice(11);
    let subjects: Vec<u64> = (1..=300u64)
        .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    let entities = subjects.iter().map(|s| entity(*s, "某公司")).collect();
    let mut rows: Vec<UnsettledRow> = subjects
        .iter()
        .filter(|s| **s % 3 == 0)
        .map(|s| row(*s, dice.below(3) as u8, 1 + dice.below(7) as u32))
        .collect();
    store.fold(group(entities, rows.clone())).await.unwrap();
    rows.sort_by_key(|r| (r.origin, r.reasons, r.subject.cast_signed()));
    let check = async |origins: Option<&[u8]>, reasons: u32| {
        let filter = UnsettledFilter {
            origins: origins.map(|o| o.iter().map(|n| seat(*n)).collect()),
            reasons,
        };
        let expected: Vec<UnsettledRow> = rows
            .iter()
            .filter(|r| reasons == 0 || r.reasons & reasons != 0)
            .filter(|r| {
                filter
                    .origins
                    .as_ref()
                    .is_none_or(|o| o.contains(&r.origin))
            })
            .cloned()
            .collect();
        for page in [7, 200] {
            assert_eq!(listed(&store, &filter, page).await, expected, "{filter:?}");
        }
        for most in [5, 10_000] {
            let count = store.unsettled_at_most(&filter, most).await.unwrap();
            assert_eq!(count, most.min(expected.len() as u64), "{filter:?}");
        }
        expected.len()
    };
    assert_eq!(check(None, 0).await, rows.len());
    assert!(check(None, 4).await > 10);
    assert!(check(Some(&[1]), 0).await > 10);
    assert!(check(Some(&[0, 2]), 1 | 2).await > 10);
    assert_eq!(check(Some(&[]), 0).await, 0);
    assert_eq!(check(Some(&[9]), 0).await, 0);
    assert_eq!(check(None, 64).await, 0);
    let counts = store.unsettled_counts().await.unwrap();
    assert_eq!(
        counts.iter().map(|c| c.count).sum::<u64>(),
        rows.len() as u64
    );
    for count in counts {
        let same = |r: &&UnsettledRow| r.origin == count.origin && r.reasons == count.reasons;
        assert_eq!(count.count, rows.iter().filter(same).count() as u64);
    }
    let last = &rows[rows.len() - 1];
    assert_eq!(
        store.unsettled_of(last.subject).await.unwrap().as_ref(),
        Some(last)
    );
    assert_eq!(store.unsettled_of(1).await.unwrap(), None);
    let too_many = UnsettledFilter {
        origins: Some(vec![SeatId::default(); store::unsettled::ORIGINS_MAX + 1]),
        reasons: 0,
    };
    assert!(store.unsettled(&too_many, 0, 1).await.is_err());
}

pub async fn an_entity_is_settled_by_a_later_fold(store: Store) {
    let all = UnsettledFilter::default();
    let entities = || vec![entity(1, "甲公司"), entity(2, "乙公司")];
    let both = vec![row(1, 1, 1), row(2, 1, 16)];
    store.fold(group(entities(), both)).await.unwrap();
    assert_eq!(listed(&store, &all, 9).await.len(), 2);
    // stated again with another reason, and the other one settled
    let again = group(entities(), vec![row(2, 2, 8)]);
    store.fold(again).await.unwrap();
    assert_eq!(listed(&store, &all, 9).await, [row(2, 2, 8)]);
    // a group that does not touch it leaves it
    let other = group(vec![entity(3, "丙公司")], vec![]);
    store.fold(other).await.unwrap();
    assert_eq!(listed(&store, &all, 9).await, [row(2, 2, 8)]);
    store
        .fold(FoldGroup {
            gone: vec![2],
            ..FoldGroup::default()
        })
        .await
        .unwrap();
    assert!(listed(&store, &all, 9).await.is_empty());
    assert!(store.unsettled_counts().await.unwrap().is_empty());
}

pub async fn what_is_not_an_entity_of_the_group_is_not_taken(store: Store) {
    for wrong in [row(2, 1, 1), row(1, 1, 0)] {
        let refused = store.fold(group(vec![entity(1, "甲公司")], vec![wrong]));
        assert!(matches!(refused.await, Err(StoreError::Invalid { .. })));
    }
    assert_eq!(
        store.entity(1).await.unwrap(),
        None,
        "nothing of it was written"
    );
}

pub async fn alike_is_found_by_each_fact(store: Store) {
    let with = |subject: u64, name: &str, reg_no: &str, org_code: &str, former: &str| EntityRow {
        reg_no: reg_no.into(),
        org_code: org_code.into(),
        former_names: former.into(),
        ..entity(subject, name)
    };
    let mut entities = vec![
        with(1, "东方贸易公司", "310115000000001", "", ""),
        with(2, "西方贸易公司", "310115000000001", "12345678X", ""),
        with(3, "南方贸易公司", "3101150000000012", "", "东方贸易公司"),
        with(4, "北方贸易公司", "", "12345678X", ""),
    ];
    entities.extend((10..20).map(|n| with(n, "同名公司", "", "", "")));
    store.fold(group(entities, vec![])).await.unwrap();
    let check = async |reg_no: &str, org: &[&str], name: &str, expected: &[u64], more: bool| {
        let facts = Alike {
            reg_no: reg_no.into(),
            org_codes: org.iter().map(|o| (*o).to_owned()).collect(),
            name: name.into(),
        };
        let (rows, cut) = store.alike(&facts, 5).await.unwrap();
        let subjects: Vec<u64> = rows.iter().map(|r| r.subject).collect();
        assert_eq!((subjects.as_slice(), cut), (expected, more), "{facts:?}");
    };
    // whole numbers only, and what is empty is not compared
    check("310115000000001", &[], "", &[1, 2], false).await;
    check("31011500000000", &[], "", &[], false).await;
    check("", &["12345678x", ""], "", &[2, 4], false).await;
    check("", &[], "", &[], false).await;
    // a former name, too; each once
    check("", &[], "东方贸易公司", &[1, 3], false).await;
    check(
        "310115000000001",
        &["12345678X"],
        "东方 贸易公司",
        &[1, 2, 4, 3],
        false,
    )
    .await;
    check("", &[], "同名公司", &[10, 11, 12, 13, 14], true).await;
    check("", &[], "\"%", &[], false).await;
}

/// A database of a release without the list: fold begins again, and nothing else is touched.
pub async fn an_older_database_is_folded_anew() {
    let (store, folder) = sqlite().await;
    let intake = crate::make::blocks(vec![crate::make::block(1, 2, 1)]);
    store.intake(intake).await.unwrap();
    let group = FoldGroup {
        through: Some(1),
        ..group(vec![entity(1, "甲公司")], vec![row(1, 1, 1)])
    };
    store.fold(group).await.unwrap();
    assert_eq!(store.feed_heads().folded, 1);
    store.close().await;
    drop(store);
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let mut older = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for statement in [
        "DROP TABLE unsettled",
        "DELETE FROM _sqlx_migrations WHERE version = 3",
    ] {
        sqlx::query(statement).execute(&mut older).await.unwrap();
    }
    older.close().await.unwrap();
    let engine = Engine::Sqlite {
        folder: folder.path().to_owned(),
        cache_mib: 8,
    };
    let store = Store::open(&StoreConfig { engine }).await.unwrap();
    let heads = store.feed_heads();
    assert_eq!((heads.head, heads.folded), (1, 0));
    assert_eq!(store.stats().await.unwrap().entities, 1);
    assert_eq!(store.unsettled_of(1).await.unwrap(), None);
}
