//! Who is shown what: sections of a dossier, and the trace that a look at it leaves; other districts' seats.

use std::collections::HashSet;

use node::Node;
use node::command::account::Role;
use node::command::actor::{Actor, Way};
use node::query::health::PartyKind;

use super::kit::{Source, WEST, authority, hand_over, key, settle};
use super::{CODE_A, World, company};

/// Labels of sensitive fields: one for the source and the city, one for all of government.
const PERSONAL: &str = "证件号码";
const INTERNAL: &str = "联系电话";

async fn check(node: &Node, role: &Role, expected: &[&str], what: &str) {
    let page = node.dossier(&format!("uscc:{CODE_A}"), role).await;
    let page = page.expect("read").expect("known");
    let facts = page.facts.groups.iter().flat_map(|g| &g.records);
    let labels: Vec<&str> = facts
        .flat_map(|r| &r.facts)
        .map(|f| f.label.as_str())
        .filter(|label| [PERSONAL, INTERNAL].contains(label))
        .collect();
    assert_eq!(labels, expected, "{what}");
    let sections = &page.statements[0].sections;
    let of_source = sections.iter().find(|s| s.number == 3).expect("section 3");
    assert_eq!(
        of_source.for_others || of_source.closed.is_some(),
        !expected.contains(&PERSONAL),
        "{what}: it is said that something is not shown"
    );
}

#[tokio::test]
async fn what_is_for_source_and_city_is_shown_to_nobody_else() {
    let mut world = World::new().await;
    let mut fields = company("1", CODE_A, "泉城餐饮有限公司", "历下区");
    fields.extend([
        ("id_type", "居民身份证"),
        ("id_no", "310115198001010018"),
        ("tel", "021-1234"),
    ]);
    let item = world.source.state(&fields);
    world.say(item).await;
    world.spread().await;
    let page = world
        .east
        .dossier(&format!("uscc:{CODE_A}"), &Role::Clerk)
        .await;
    let own = page.expect("read").expect("known").statements[0]
        .origin
        .department
        .clone();
    let (own, other) = (Role::Department(own), Role::Department("他局".to_owned()));
    for (node, name) in [
        (&world.east, "the source's node"),
        (&world.city, "the city"),
    ] {
        for role in [&Role::Clerk, &Role::Administrator, &Role::Auditor, &own] {
            check(
                node,
                role,
                &[PERSONAL, INTERNAL],
                &format!("{name}: {role:?}"),
            )
            .await;
        }
        check(node, &other, &[INTERNAL], &format!("{name}: {other:?}")).await;
    }
    // another district gets what is for all of government, and such sections as commitments only
    for field in &mut fields {
        if field.0 == "area" {
            field.1 = "槐荫区";
        }
    }
    let item = world.source.state(&fields);
    world.say(item).await;
    for _ in 0..2 {
        world.spread().await;
    }
    for role in [&Role::Clerk, &Role::Administrator, &own] {
        let what = format!("another district: {role:?}");
        check(&world.west, role, &[INTERNAL], &what).await;
    }
    world.assert_converged().await;
}

#[tokio::test]
async fn a_district_that_holds_a_section_of_somebody_elses_source_does_not_show_it() {
    let world = World::new().await;
    let authority = authority();
    let mut source = Source::new(32, WEST, authority.city.0, &key(2));
    let peer = source.peer();
    let mut fields = company("1", CODE_A, "槐荫餐饮有限公司", "槐荫区");
    fields.extend([("id_no", "310115198001010018"), ("tel", "021-1234")]);
    let items = [(0, source.directory()), (2, vec![source.state(&fields)])];
    for (class, items) in items {
        hand_over(&world.west, &peer, items, class, 2)
            .await
            .expect("taken in");
    }
    settle(&world.west).await;
    check(&world.west, &Role::Clerk, &[INTERNAL], "held, not its own").await;
}

#[tokio::test]
async fn a_look_at_a_dossier_leaves_a_trace() {
    let mut world = World::new().await;
    let item = world
        .source
        .state(&company("1", CODE_A, "泉城餐饮有限公司", "历下区"));
    world.say(item).await;
    settle(&world.east).await;
    let subject = format!("uscc:{CODE_A}");
    for (n, way) in [(1, Way::Page), (2, Way::Api), (3, Way::Page)] {
        let actor = Actor {
            way,
            ..Actor::stranger("li", "127.0.0.1")
        };
        for (subject, known) in [(subject.as_str(), true), ("uscc:another", false)] {
            let viewed = world.east.view_dossier(subject, &Role::Clerk, &actor, n);
            assert_eq!(viewed.await.expect("answered").is_some(), known);
        }
    }
    let views = world.east.dossier_views("uscc:another", 2).await;
    assert!(views.expect("read").is_empty(), "nothing was looked at");
    let views = world.east.dossier_views(&subject, 2).await.expect("read");
    let seen: Vec<(i64, &str, &str)> = views
        .iter()
        .map(|v| (v.at_us, v.account.as_str(), v.way.as_str()))
        .collect();
    assert_eq!(seen, [(3, "li", "page"), (2, "li", "api")]);
}

#[tokio::test]
async fn a_district_lists_of_others_only_those_whose_records_it_holds() {
    let mut world = World::new().await;
    let lines = async |world: &World| {
        let tree = world.west.health_tree(&HashSet::new(), 1).await;
        let mut lines = Vec::new();
        let mut open = vec![tree.expect("a tree").top];
        while let Some(party) = open.pop() {
            if party.seat.is_some() {
                lines.push((party.kind, party.own, party.state.is_some(), party.records));
            }
            open.extend(party.children.into_iter().rev());
        }
        lines
    };
    let item = world
        .source
        .state(&company("1", CODE_A, "泉城餐饮有限公司", "历下区"));
    world.say(item).await;
    world.spread().await;
    let (city, own) = (PartyKind::City, PartyKind::District);
    assert_eq!(
        lines(&world).await,
        [(city, false, true, 0), (own, true, true, 0)]
    );
    let item = world
        .source
        .state(&company("1", CODE_A, "泉城餐饮有限公司", "槐荫区"));
    world.say(item).await;
    for _ in 0..2 {
        world.spread().await;
    }
    assert_eq!(
        lines(&world).await,
        [
            (city, false, true, 1),
            (own, true, true, 0),
            // how the others are the city knows, not this district
            (PartyKind::District, false, false, 1),
            (PartyKind::Source, false, false, 1),
        ]
    );
}
