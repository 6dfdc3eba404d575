//! Entities for a person to settle, over plain HTTP: the menu's number is that of the list, each filter's number that of
//! the list behind it, and each row opens a dossier that says so.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{BUREAU_CODE, World};

async fn list(world: &World, cookie: &str, query: &str) -> Value {
    let path = format!("/api/v1/unsettled{query}");
    world.get(cookie, &path).await.json().expect("json")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_and_lists_agree_and_rows_open() {
    let world = World::new().await;
    let cookie = world.sign_in("clerk").await;
    let first = list(&world, &cookie, "").await;
    let total = first["pages"]["total"].as_u64().expect("a total");
    assert!(total > 50, "more than a page: {total}");
    let html = world.get(&cookie, "/unsettled").await.text();
    assert!(html.contains(&format!("待核实主体（{total}）")));
    assert!(html.contains(&format!("共 {total} 户")));
    for (choices, key) in [("reasons", "reason"), ("departments", "department")] {
        let choices = first[choices].as_array().expect("choices");
        assert!(!choices.is_empty(), "{key}");
        for choice in choices {
            let value = choice["value"].as_str().expect("a value");
            let query = format!("?{key}={}", tests::http::percent(value));
            let only = list(&world, &cookie, &query).await;
            assert_eq!(only["pages"]["total"], choice["count"], "{choice}");
        }
    }
    let mut subjects = BTreeSet::new();
    let mut page = Some(first);
    while let Some(held) = page {
        let rows = held["rows"].as_array().expect("rows");
        for row in rows {
            subjects.insert(row["subject"].as_str().expect("a subject").to_owned());
            let mend = row["reasons"][0]["mend"].as_str();
            assert!(mend.is_some_and(|m| !m.is_empty()), "{row}");
        }
        page = match held["pages"]["next"].as_str() {
            Some(next) => {
                let next = format!("/api/v1{next}");
                world.get(&cookie, &next).await.json().ok()
            }
            None => None,
        };
    }
    assert_eq!(subjects.len() as u64, total);
    let subject = subjects.first().expect("a row");
    let dossier = format!("/entities/{}", tests::http::percent(subject));
    let html = world.get(&cookie, &dossier).await.text();
    assert!(html.contains("id=\"unsettled-title\""), "{subject}");
    assert!(html.contains("href=\"/unsettled?reason="), "{subject}");
    let unknown = world.get(&cookie, "/unsettled?reason=U-NONE").await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_a_department_works_through_its_own() {
    let world = World::new().await;
    let cookie = world.sign_in("taxman").await;
    let query = format!("?department={BUREAU_CODE}");
    let other = world.get(&cookie, &format!("/unsettled{query}")).await;
    assert_eq!(other.status, 403);
    assert!(other.text().contains("只能查看本部门的待核实主体"));
    let own = list(&world, &cookie, "").await;
    assert_eq!(own["pages"]["total"], 0);
    let html = world.get(&cookie, "/unsettled").await.text();
    assert!(html.contains("没有待核实的主体") && !html.contains("待核实主体（"));
}
