//! The fold, as data.

use super::*;

struct Stated {
    key: Key,
    fields: Vec<(u16, Value)>,
    origin: u8,
    rank: u32,
    sequence: u64,
    retracted: bool,
    accepted: bool,
    version: u16,
}

fn stated(origin: u8, rank: u32, fields: &[(u16, &str)]) -> Stated {
    Stated {
        key: Key::columns(&[Value::from_text(format!("K{origin}"))]),
        fields: fields
            .iter()
            .map(|(n, t)| (*n, Value::from_text(*t)))
            .collect(),
        origin,
        rank,
        sequence: 1,
        retracted: false,
        accepted: true,
        version: 1,
    }
}

fn images(stated: &[Stated]) -> Vec<Image<'_>> {
    stated
        .iter()
        .map(|s| Image {
            record_type: "registration",
            standard: "cn.registration",
            standard_version: s.version,
            key: &s.key,
            origin: SeatId([s.origin; 16]),
            origin_title: "市场监管局",
            rank: s.rank,
            version: Version {
                epoch: 1,
                sequence: s.sequence,
                index: 0,
            },
            fields: &s.fields,
            retracted: s.retracted,
            accepted: s.accepted,
        })
        .collect()
}

/// Folds and writes out facts as `label=value@source`, what differs beside as `!value@source`, agreement as `~@source`.
fn check(stated: &[Stated], expected: &str) {
    let dossier = fold(&Standards::builtin(), &images(stated));
    let mut out: Vec<String> = Vec::new();
    for record in dossier.groups.iter().flat_map(|g| &g.records) {
        if record.retracted {
            out.push("(gone)".to_owned());
        }
        for f in &record.facts {
            out.push(format!("{}={}@{}", f.name, f.value, f.source));
            for b in &f.beside {
                out.push(if b.differs {
                    format!("!{}@{}", b.value, b.source)
                } else {
                    format!("~@{}", b.source)
                });
            }
        }
    }
    for (what, list) in [
        ("refused", &dossier.refused),
        ("unknown", &dossier.unknown),
        ("retracted", &dossier.retracted),
    ] {
        if !list.is_empty() {
            out.push(format!("{what}{list:?}"));
        }
    }
    assert_eq!(out.join(" "), expected);
}

#[test]
fn the_greatest_rank_is_authoritative_and_others_stand_beside() {
    check(
        &[
            stated(1, 1, &[(4, "甲公司（上海）"), (8, "张三"), (33, "123")]),
            stated(2, 9, &[(4, "甲公司(上海)"), (8, "李四"), (21, "")]),
        ],
        "name=甲公司(上海)@1 ~@0 legal_rep=李四@1 !张三@0 tel=123@0",
    );
}

#[test]
fn gone_refused_and_unknown_images_are_set_apart() {
    let mut gone = stated(3, 9, &[(4, "旧"), (8, "王五")]);
    gone.retracted = true;
    let mut refused = stated(4, 9, &[(4, "错")]);
    refused.accepted = false;
    let mut newer = stated(5, 9, &[(4, "新")]);
    newer.version = 7;
    check(
        &[gone, refused, newer, stated(1, 1, &[(4, "甲")])],
        "name=甲@3 refused[1] unknown[2] retracted[0]",
    );
    let mut gone = stated(3, 9, &[(4, "旧")]);
    gone.retracted = true;
    check(&[gone], "(gone) name=旧@0 retracted[0]");
    check(&[], "");
}

#[test]
fn the_order_of_images_does_not_matter() {
    let mut second = stated(1, 1, &[(4, "甲"), (8, "二")]);
    second.sequence = 2;
    second.key = Key::columns(&[Value::from_text("K9")]);
    let all = [
        stated(1, 1, &[(4, "甲"), (8, "一")]),
        second,
        stated(2, 1, &[(4, "乙")]),
        stated(3, 4, &[(8, "三")]),
    ];
    let images = images(&all);
    let plain = |order: &[usize]| {
        let permuted: Vec<Image<'_>> = order.iter().map(|at| images[*at]).collect();
        let dossier = fold(&Standards::builtin(), &permuted);
        let facts = &dossier.groups[0].records[0].facts;
        facts
            .iter()
            .map(|f| (f.value.clone(), order[f.source], f.beside.len()))
            .collect::<Vec<_>>()
    };
    let expected = plain(&[0, 1, 2, 3]);
    for order in [[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
        assert_eq!(plain(&order), expected);
    }
}

#[test]
fn the_bar_leads_to_its_sources() {
    let all = [stated(1, 1, &[(2, "91310115MA1K3BTP2B"), (4, "甲")])];
    let dossier = fold(&Standards::builtin(), &images(&all));
    let uscc = dossier.bar.uscc.expect("stated");
    assert_eq!(
        (uscc.value.as_str(), uscc.source),
        ("91310115MA1K3BTP2B", 0)
    );
    assert_eq!(uscc.audience, Audience::Public);
    assert!(dossier.bar.state.is_none());
}
