//! What the rules leave to a person, from the row to the list: at the city and at the district, with suggestions, until the
//! department mends the row.

use node::query::unsettled::{Suggestion, UnsettledEntity, UnsettledFilter};
use protocol::name::SeatId;
use supervision::conclude::unsettled::Unsettled;

use crate::kit::*;
use crate::{CODE_B, World, company};

const NUMBER: &str = "370102000123453";

async fn listed(node: &node::Node, reason: Option<Unsettled>) -> Vec<UnsettledEntity> {
    let filter = UnsettledFilter {
        department: None,
        reason,
    };
    let page = node.unsettled(&filter, 1, 50).await.expect("list");
    assert_eq!(page.total, page.rows.len() as u64);
    let counted = node.unsettled_at_most(None, 1_000).await.expect("count");
    let all = page.departments.iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(all, page.total);
    if reason.is_none() {
        assert_eq!(counted, page.total);
    }
    page.rows
}

/// Each row as subject, reasons and suggestion, in words.
fn told(rows: &[UnsettledEntity]) -> Vec<String> {
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let codes: Vec<&str> = row.reasons.iter().map(|r| r.code()).collect();
            let likely = match &row.suggestion {
                Suggestion::NotAsked => "-".to_owned(),
                Suggestion::None => "none".to_owned(),
                Suggestion::One {
                    entity,
                    method,
                    score,
                    ..
                } => format!("{} {method:?} {score}", entity.uscc),
                Suggestion::Several(several) => format!("{} alike", several.len()),
            };
            format!("{} {} {likely}", row.subject, codes.join("+"))
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_number_in_the_code_column_is_listed_with_whom_it_may_be_until_it_is_mended() {
    let mut world = World::new().await;
    // a number of 15 digits where the credit code belongs
    let row = world
        .source
        .state(&company("1", NUMBER, "泉城酒家有限公司", "历下"));
    world.say(row).await;
    world.spread().await;
    let subject = format!("reg:{NUMBER}");
    for node in [&world.city, &world.east] {
        let rows = listed(node, None).await;
        assert_eq!(told(&rows), [format!("{subject} U-ID-01 none")]);
        let row = &rows[0];
        assert_eq!(row.department, "370102.scjg");
        assert_eq!(row.region, EAST);
        assert_eq!(row.registration_number, NUMBER);
        assert!(row.is_number_valid);
    }
    assert!(listed(&world.west, None).await.is_empty());

    // another department states the same number together with a credit code, and the name differently
    let mut other = Source::new(31, EAST, SeatId([11; 16]), &key(3));
    hand_over(&world.east, &other.peer(), other.directory(), 0, 2)
        .await
        .expect("directory");
    let mut fields = company("x-9", CODE_B, "济南泉城酒家", "历下");
    fields.push(("reg_no", NUMBER));
    let item = other.state(&fields);
    hand_over(&world.east, &other.peer(), vec![item], 2, 1)
        .await
        .expect("taken in");
    world.spread().await;
    for node in [&world.city, &world.east] {
        let rows = listed(node, None).await;
        let expected = format!("{subject} U-ID-01 {CODE_B} RegistrationNumber 95");
        assert_eq!(told(&rows), [expected]);
        let one = node.unsettled_of(&subject).await.expect("asked");
        assert_eq!(one.as_ref(), Some(&rows[0]));
        // a suggestion links nothing
        assert_eq!(node.store().stats().await.expect("stats").entities, 2);
        let settled = format!("uscc:{CODE_B}");
        assert_eq!(node.unsettled_of(&settled).await.expect("asked"), None);
    }

    // the department mends its row: settled everywhere
    let mended = world
        .source
        .state(&company("1", CODE_B, "泉城酒家有限公司", "历下"));
    world.say(mended).await;
    world.spread().await;
    for node in [&world.city, &world.east] {
        assert!(listed(node, None).await.is_empty());
        assert_eq!(node.store().stats().await.expect("stats").entities, 1);
    }
}

#[tokio::test]
async fn a_name_alone_suggests_nothing_and_a_flagged_division_is_listed_by_its_code() {
    let mut world = World::new().await;
    let full = [
        ("entity_id", "1"),
        ("uscc", CODE_B),
        ("name", "大明湖茶馆有限公司"),
        ("legal_rep", "李四"),
        ("address", "大明湖路1号"),
        ("division", EAST),
    ];
    let same_name = [
        ("entity_id", "2"),
        ("reg_no", NUMBER),
        ("name", "大明湖茶馆有限公司"),
        ("address", "千佛山路9号"),
        ("division", EAST),
    ];
    let agreeing = [
        ("entity_id", "3"),
        ("reg_no", "370104000123450"),
        ("name", "大明湖茶馆有限公司"),
        ("legal_rep", "李四"),
        ("division", EAST),
    ];
    let unknown_place = [
        ("entity_id", "4"),
        ("uscc", "91110000600037341L"),
        ("name", "趵突泉贸易有限公司"),
        ("division", "370199"),
    ];
    let rows: [&[(&str, &str)]; 4] = [&full, &same_name, &agreeing, &unknown_place];
    for fields in rows {
        if let Ok(entry) = world.source.registration(fields) {
            let draft = world.source.draft(entry, protocol::entry::Hint::Unknown);
            let item = world.source.batch(&[draft]);
            world.say(item).await;
        } else {
            panic!("refused: {fields:?}");
        }
    }
    world.spread().await;
    let rows = listed(&world.city, None).await;
    assert_eq!(
        told(&rows),
        [
            format!("reg:{NUMBER} U-ID-01 none"),
            format!("reg:370104000123450 U-ID-01 {CODE_B} NameAndFact 60"),
            "uscc:91110000600037341L U-DIV-01 -".to_owned(),
        ]
    );
    assert_eq!(rows.iter().filter(|r| r.division == "370199").count(), 1);
    let places = listed(&world.city, Some(Unsettled::DivisionUnknown)).await;
    assert_eq!(told(&places), ["uscc:91110000600037341L U-DIV-01 -"]);
    assert_eq!(
        listed(&world.city, Some(Unsettled::RegistrationNumber))
            .await
            .len(),
        2
    );
    // by department, and beyond the last page
    for (department, expected) in [("370102.scjg", 3), ("370102.swj", 0)] {
        let filter = UnsettledFilter {
            department: Some(department.to_owned()),
            reason: None,
        };
        let page = world.city.unsettled(&filter, 99, 2).await.expect("list");
        assert_eq!(page.total, expected, "{department}");
        assert_eq!(page.page, if expected == 0 { 1 } else { 2 });
        assert_eq!(page.rows.len() as u64, expected.min(1));
        let counted = world.city.unsettled_at_most(Some(department), 1_000).await;
        assert_eq!(counted.expect("count"), expected);
    }
}
