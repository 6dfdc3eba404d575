//! Judging, as data.

use protocol::entry::put_fields;

use super::*;
use crate::standard::Context;
use crate::standard::map::MappedEntry;
use crate::standard::refusal;

fn judge() -> Judge {
    let table = DivisionTable::builtin();
    let city = table.city("310000").expect("the table has the city");
    Judge::new(Standards::builtin(), table, city)
}

fn context() -> Context {
    Context {
        today: CivilDate::new(2025, 9, 18).expect("a day"),
    }
}

fn entry(row: &[(u16, &str)]) -> MappedEntry {
    let standards = Standards::builtin();
    let standard = standards.by_type("registration").expect("built in");
    let fields = row
        .iter()
        .map(|(n, t)| (*n, Value::from_text(*t)))
        .collect();
    standard.map(fields, &context()).expect("accepted")
}

fn pudong() -> MappedEntry {
    entry(&[
        (2, "91310115MA1K3BTP2B"),
        (4, "上海某某有限公司"),
        (5, "旧名有限公司;旧旧名有限公司、 "),
        (8, "张三"),
        (10, "11010519491231002X"),
        (15, "2015-03-01"),
        (21, "浦东大道1号"),
        (26, "310115"),
        (48, "嘉定"),
    ])
}

fn judged(entry: &MappedEntry) -> Judgement {
    let sections: Vec<(u8, &[u8])> = entry
        .sections
        .iter()
        .map(|(n, b)| (*n, b.as_slice()))
        .collect();
    judge().judge(&entry.head, &sections)
}

/// Verdict in one word, reason codes behind it.
fn verdict(judgement: &Judgement) -> String {
    match &judgement.verdict {
        Verdict::Accepted => "accepted".to_owned(),
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Refused(findings) => findings
            .iter()
            .fold("refused".to_owned(), |out, f| out + " " + f.code),
    }
}

#[test]
fn a_registration_concludes_and_is_found() {
    let j = judged(&pudong());
    assert_eq!(verdict(&j), "accepted");
    assert_eq!(j.event_date, CivilDate::new(2015, 3, 1));
    let conclusion = j.conclusion.expect("a registration concludes");
    assert_eq!(conclusion.region, "310114");
    assert_eq!(
        j.search.expect("a registration is found"),
        SearchFacts {
            name: "上海某某有限公司".into(),
            former_names: vec!["旧名有限公司".into(), "旧旧名有限公司".into()],
            uscc: Some("91310115MA1K3BTP2B".into()),
            reg_no: None,
            org_code: None,
            tax_no: None,
            registry: Some("310115".into()),
            address: Some("浦东大道1号".into()),
            legal_rep: Some("张三".into()),
            state: None,
        }
    );
}

#[test]
fn what_is_withheld_does_not_refuse() {
    let mut withheld = pudong();
    withheld.sections.retain(|(n, _)| *n == 1);
    assert_eq!(verdict(&judged(&withheld)), "accepted");
    // without the public section there is no registration
    withheld.sections.clear();
    assert_eq!(verdict(&judged(&withheld)), "refused R-REQ-01 R-KEY-01");
}

#[test]
fn what_is_not_understood_is_not_judged() {
    let mut newer = pudong();
    newer.head.standard_version = 2;
    assert_eq!(verdict(&judged(&newer)), "unknown");
    newer.head.standard = "sh.other".into();
    assert_eq!(verdict(&judged(&newer)), "unknown");
}

#[test]
fn malformed_sections_are_refused() {
    let mut entry = pudong();
    entry.sections[0].1.push(0);
    assert_eq!(verdict(&judged(&entry)), "refused R-FORM-01");
    // an identity number moved into the public section
    let mut entry = pudong();
    let mut bytes = Vec::new();
    put_fields(&[(10, Value::from_text("11010519491231002X"))], &mut bytes);
    entry.sections = vec![(1, bytes)];
    assert_eq!(verdict(&judged(&entry)), "refused R-FORM-01");
    let mut entry = pudong();
    entry.head.record_type = "permit".into();
    assert_eq!(verdict(&judged(&entry)), "refused R-FORM-01");
    let mut entry = pudong();
    entry.sections.push(entry.sections[0].clone());
    assert_eq!(verdict(&judged(&entry)), "refused R-FORM-01");
    // one field twice, beside each other
    let mut entry = pudong();
    let mut bytes = Vec::new();
    put_fields(&[(51, Value::from_text("Some Ltd"))], &mut bytes);
    entry.sections.extend([(1, bytes.clone()), (1, bytes)]);
    let j = judged(&entry);
    let Verdict::Refused(findings) = &j.verdict else {
        panic!("{:?}", j.verdict);
    };
    assert_eq!(findings[0].message, "字段 51 重复");
    assert_eq!(findings.len(), 1);
}

#[test]
fn a_judge_says_what_it_goes_by() {
    let judge = judge();
    assert!(judge.standards().by_type("registration").is_some());
    assert_eq!(judge.city().code, "310000");
}

#[test]
fn only_what_is_about_an_entity_concludes() {
    // a name too long for a subject leaves a registration about nobody
    let long = "某".repeat(200);
    let entry = entry(&[(1, "P1"), (4, &long), (26, "310115")]);
    assert_eq!(entry.head.subject, Subject::None);
    let j = judged(&entry);
    assert_eq!(verdict(&j), "accepted");
    assert_eq!((j.conclusion, j.search), (None, None));
    // a refusal names an entity and concludes nothing about it
    let standards = Standards::builtin();
    let standard = standards.by_type("registration").expect("built in");
    let refused = standard
        .map(
            vec![(2, Value::from_text("91310115MA1K3BTP2B"))],
            &context(),
        )
        .expect_err("no name");
    let key = refused.key.clone().expect("it has one");
    let j = judged(&refusal::refusal_entry(
        &standards,
        &refused,
        &key,
        &context(),
    ));
    assert_eq!(verdict(&j), "accepted");
    assert_eq!(j.subject, Subject::Uscc("91310115MA1K3BTP2B".into()));
    assert_eq!((j.conclusion, j.search), (None, None));
}

#[test]
fn retractions_and_refusals_conclude_nothing() {
    let mut gone = pudong();
    gone.head.operation = Operation::Retract;
    gone.sections.clear();
    let j = judged(&gone);
    assert_eq!(verdict(&j), "accepted");
    assert_eq!((j.conclusion, j.search), (None, None));

    let standards = Standards::builtin();
    let standard = standards.by_type("registration").expect("built in");
    let refused = standard
        .map(vec![(1, Value::from_text("P1"))], &context())
        .expect_err("no name");
    let key = refused.key.clone().expect("it has one");
    let mut entry = refusal::refusal_entry(&standards, &refused, &key, &context());
    let j = judged(&entry);
    assert_eq!(verdict(&j), "accepted");
    assert_eq!((j.conclusion, j.search), (None, None));
    // a district that is given the refusal without its section cannot judge it
    entry.sections.clear();
    assert_eq!(verdict(&judged(&entry)), "unknown");
}
