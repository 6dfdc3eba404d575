//! Fold and search: a scan over all rows is the measure.

use store::{EntityRow, FoldGroup, SearchQuery, Store};

use crate::make::{Dice, entity};

async fn found(store: &Store, text: &str, region: Option<&str>, limit: usize) -> Vec<u64> {
    let mut subjects = Vec::new();
    let mut query = SearchQuery {
        text: text.into(),
        region: region.map(str::to_owned),
        limit,
        after: None,
    };
    loop {
        let page = store.search(&query).await.unwrap();
        subjects.extend(page.rows.iter().map(|r| r.subject));
        query.after = page.next;
        if query.after.is_none() {
            assert_eq!(page.total_at_most, subjects.len() as u64, "{text}");
            return subjects;
        }
    }
}

/// The order that both engines must give, by looking at every row.
fn scan(rows: &[EntityRow], text: &str, region: Option<&str>) -> Vec<u64> {
    let mut left: Vec<&EntityRow> = rows
        .iter()
        .filter(|r| region.is_none_or(|g| g == r.region))
        .collect();
    left.sort_by_key(|r| r.subject.cast_signed());
    let mut out = Vec::new();
    let mut stage = |matches: &dyn Fn(&EntityRow) -> Option<String>| {
        let mut taken: Vec<(String, &EntityRow)> = left
            .iter()
            .filter_map(|r| Some((matches(r)?, *r)))
            .collect();
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        left.retain(|r| matches(r).is_none());
        out.extend(taken.iter().map(|(_, r)| r.subject));
    };
    stage(&|r| (r.name == text).then(String::new));
    if text.is_ascii() {
        let begins =
            |code: &str| (!code.is_empty() && code.starts_with(text)).then(|| code.to_owned());
        stage(&|r| begins(&r.uscc));
        stage(&|r| begins(&r.reg_no));
        stage(&|r| begins(&r.org_code));
    }
    if text.chars().count() >= 2 {
        stage(&|r| {
            (r.name.contains(text) || r.former_names.lines().any(|n| n.contains(text)))
                .then(String::new)
        });
    }
    out
}

pub async fn search_finds_what_a_scan_finds_in_its_order(store: Store) {
    let mut dice = Dice(7);
    let signs = ['上', '海', '公', '司', '𠮷', '1', '2'];
    let word = |dice: &mut Dice, longest: u64| {
        let length = 1 + dice.below(longest);
        (0..length)
            .map(|_| signs[dice.below(signs.len() as u64) as usize])
            .collect::<String>()
    };
    let code = |dice: &mut Dice| {
        let length = dice.below(4);
        (0..length)
            .map(|_| ['1', '2'][dice.below(2) as usize])
            .collect::<String>()
    };
    let mut rows = Vec::new();
    for n in 1..=400u64 {
        let mut row = entity(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), &word(&mut dice, 8));
        row.former_names = format!("{}\n{}", word(&mut dice, 4), word(&mut dice, 3));
        (row.uscc, row.reg_no, row.org_code) = (code(&mut dice), code(&mut dice), code(&mut dice));
        row.region = ["310115", "310116"][dice.below(2) as usize].into();
        rows.push(row);
    }
    // in two groups, the second of which states some of the first again
    let fold = |entities: &[EntityRow]| FoldGroup {
        entities: entities.to_vec(),
        ..FoldGroup::default()
    };
    store.fold(fold(&rows[..250])).await.unwrap();
    store.fold(fold(&rows[200..])).await.unwrap();
    let mut hits = 0;
    for n in 0..60u64 {
        let text = word(&mut dice, 4);
        let region = [None, Some("310115")][(n % 2) as usize];
        let expected = scan(&rows, &text, region);
        hits += expected.len();
        let limit = 1 + dice.below(20) as usize;
        assert_eq!(
            found(&store, &text, region, limit).await,
            expected,
            "{text} in {region:?} by {limit}"
        );
    }
    assert!(hits > 500, "the texts find something");
    assert_eq!(
        store.entity(rows[3].subject).await.unwrap().as_ref(),
        Some(&rows[3])
    );
}

pub async fn nothing_in_a_search_text_is_special(store: Store) {
    let names = [
        "100%股份\"有限\"公司",
        "甲'乙_丙",
        "A*B OR NEAR(c)",
        "上海(集团)有限公司",
        "X{1,2}Y",
    ];
    let mut rows: Vec<_> = (1..).zip(names).map(|(n, name)| entity(n, name)).collect();
    rows[4].uscc = "91370102MA3C000011".into();
    store
        .fold(FoldGroup {
            entities: rows,
            ..FoldGroup::default()
        })
        .await
        .unwrap();
    let check = [
        ("%股", vec![1]),
        ("\"有", vec![1]),
        ("'乙", vec![2]),
        ("乙_", vec![2]),
        ("_丙", vec![2]),
        ("%%", vec![]),
        ("__", vec![]),
        ("a*", vec![3]),
        ("b or near", vec![3]),
        ("(集 团)", vec![4]),
        ("{1,2}", vec![5]),
        ("\"", vec![]),
        ("\\", vec![]),
        ("\0", vec![]),
        ("", vec![]),
        ("有限", vec![1, 4]),
        ("上海(集团)有限公司", vec![4]),
        ("９１３７０１０２ＭＡ３Ｃ００００１１", vec![5]),
        ("９１３７", vec![5]),
        ("9137 0102ma", vec![5]),
    ];
    for (text, expected) in check {
        assert_eq!(found(&store, text, None, 50).await, expected, "{text:?}");
    }
    for after in ["", "9", "x.y.z", "4.1.\0", "' OR 1=1"] {
        let query = SearchQuery {
            text: "有限".into(),
            limit: 9,
            after: Some(after.into()),
            ..SearchQuery::default()
        };
        assert_eq!(
            store.search(&query).await.unwrap().rows.len(),
            2,
            "{after:?}"
        );
    }
}

pub async fn a_renamed_entity_is_found_by_its_new_name_only(store: Store) {
    let put = async |row: EntityRow| {
        store
            .fold(FoldGroup {
                entities: vec![row],
                ..FoldGroup::default()
            })
            .await
            .unwrap();
    };
    put(entity(1, "东方贸易")).await;
    put(entity(1, "西部物流")).await;
    assert!(found(&store, "东方", None, 9).await.is_empty());
    assert_eq!(found(&store, "西部", None, 9).await, [1]);
    put(EntityRow {
        former_names: "东方贸易".into(),
        state: "存续".into(),
        ..entity(1, "西部物流")
    })
    .await;
    assert_eq!(found(&store, "东方", None, 9).await, [1]);
    put(EntityRow {
        former_names: "东方贸易".into(),
        state: "注销".into(),
        ..entity(1, "西部物流")
    })
    .await;
    assert_eq!(found(&store, "方贸", None, 9).await, [1]);
    assert_eq!(store.entity(1).await.unwrap().unwrap().state, "注销");
    store
        .fold(FoldGroup {
            gone: vec![1, 2],
            ..FoldGroup::default()
        })
        .await
        .unwrap();
    assert!(found(&store, "西部", None, 9).await.is_empty());
    put(entity(1, "南北货行")).await;
    assert_eq!(found(&store, "北货", None, 9).await, [1]);
}

pub async fn entities_are_counted(store: Store) {
    let put = |subjects: &[u64], gone: &[u64]| FoldGroup {
        entities: subjects.iter().map(|s| entity(*s, "某公司")).collect(),
        gone: gone.to_vec(),
        ..FoldGroup::default()
    };
    for (subjects, gone, expected) in [
        (&[1, 2, 2][..], &[][..], 2),
        (&[2, 3], &[1, 9], 2),
        (&[], &[2], 1),
        (&[5], &[5], 2),
    ] {
        store.fold(put(subjects, gone)).await.unwrap();
        assert_eq!(store.stats().await.unwrap().entities, expected);
    }
}
