//! Standards, mapping and checking, as data.

use proptest::prelude::*;
use protocol::entry::{Head, Key, Operation, Subject, SubjectName, read_fields};
use protocol::value::{CivilDate, Value};

use super::map::{MappedEntry, Refused};
use super::parse::StandardFault;
use super::*;

mod values;

const CODE: &str = "91310115MA1K3BTP2B";

fn registration() -> Arc<RecordStandard> {
    Standards::builtin()
        .by_type("registration")
        .expect("built in")
        .clone()
}

fn context() -> Context {
    Context {
        today: CivilDate::new(2025, 9, 18).expect("a day"),
    }
}

fn map(row: &[(&str, &str)]) -> Result<MappedEntry, Box<Refused>> {
    let standard = registration();
    let fields = row
        .iter()
        .map(|(name, text)| {
            let field = standard.field_named(name).expect("a field of the standard");
            (field.number, Value::from_text(*text))
        })
        .collect();
    standard.map(fields, &context())
}

fn codes(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|f| f.code)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The subject in words: `own` if nothing names it but its record.
fn tagged(subject: &Subject) -> String {
    match subject {
        Subject::Unidentified => "own".to_owned(),
        other => SubjectName::Identified(other.clone()).to_string(),
    }
}

/// Maps a row and compares subject and reason codes: `ok` or `refused`, tagged subject, codes.
fn check(row: &[(&str, &str)], expected: &str) {
    let actual = match map(row) {
        Ok(entry) => format!(
            "ok {} {}",
            tagged(&entry.head.subject),
            codes(&entry.warnings)
        ),
        Err(refused) => format!(
            "refused {} {}",
            tagged(&refused.subject),
            codes(&refused.findings)
        ),
    };
    assert_eq!(actual.trim_end(), expected, "{row:?}");
}

const NAME: (&str, &str) = ("name", "上海某某有限公司");

#[test]
fn codes_decide_on_acceptance() {
    let uscc = format!("ok uscc:{CODE}");
    check(&[NAME, ("uscc", CODE)], &uscc);
    check(&[NAME, ("uscc", "91310115ma1k3btp2b（1/1）")], &uscc);
    // present and wrong refuses, with the fault's own reason
    check(
        &[NAME, ("uscc", "91310115MA1K3BTP2C")],
        "refused own R-USCC-02",
    );
    check(&[NAME, ("uscc", "9131011")], "refused own R-USCC-01");
    check(
        &[NAME, ("uscc", "91310115MA1K3BTPIB")],
        "refused own R-USCC-03",
    );
    for code in [
        "B1310115MA1K3BTP2B",
        "90310115MA1K3BTP2B",
        "9131A115MA1K3BTP2B",
    ] {
        check(&[NAME, ("uscc", code)], "refused own R-USCC-08");
    }
    check(
        &[NAME, ("uscc", "000000000000000000")],
        "refused own R-USCC-04",
    );
    check(
        &[
            NAME,
            ("uscc", "91310115MA1K3BTP2C"),
            ("reg_no", "310141000157096"),
        ],
        "refused reg:310141000157096 R-USCC-02",
    );
    // absent goes down the order
    check(
        &[NAME, ("uscc", "N/A"), ("reg_no", "310141000157096")],
        "ok reg:310141000157096",
    );
    check(&[NAME, ("org_code", "MA1K3BTP-2")], "ok org:MA1K3BTP2");
    check(
        &[NAME, ("tax_no", "310115MA1K3BTP2")],
        "ok tax:310115MA1K3BTP2",
    );
    check(
        &[NAME, ("entity_id", "P001"), ("org_code", "MA1K3BTP-3")],
        "ok own R-ORG-01",
    );
    check(&[NAME, ("entity_id", "P001")], "ok own");
    check(&[NAME], "refused own R-KEY-01");
    check(&[("uscc", CODE)], &format!("refused uscc:{CODE} R-REQ-01"));
    check(
        &[("uscc", CODE), ("name", "N/A")],
        &format!("refused uscc:{CODE} R-REQ-01"),
    );
}

#[test]
fn other_numbers_in_the_code_column_are_placed_not_lost() {
    check(
        &[NAME, ("uscc", "321084000032743")],
        "ok reg:321084000032743 R-USCC-07",
    );
    // a wrong check digit, an older number: kept, for a person
    check(
        &[NAME, ("uscc", "330100000001101")],
        "ok reg:330100000001101 R-USCC-07 R-REGNO-01",
    );
    check(
        &[NAME, ("uscc", "3301002001234")],
        "ok reg:3301002001234 R-USCC-07 R-REGNO-01",
    );
    check(
        &[NAME, ("uscc", "MA1K3BTP-2")],
        "ok org:MA1K3BTP2 R-USCC-07",
    );
    check(
        &[NAME, ("uscc", "310115MA1K3BTP2")],
        "ok tax:310115MA1K3BTP2 R-USCC-07",
    );
    check(
        &[
            NAME,
            ("uscc", "321084000032743"),
            ("reg_no", "310141000157096"),
        ],
        "ok reg:310141000157096 R-REGNO-02 R-USCC-07",
    );
}

#[test]
fn unusual_codes_are_warnings() {
    // category outside the published table; a valid outer over an invalid inner check
    let standard = registration();
    let warned = |code: &str| {
        let fields = vec![
            (2, Value::from_text(code)),
            (4, Value::from_text("某某村委会")),
        ];
        codes(&standard.map(fields, &context()).expect("accepted").warnings)
    };
    let valid = |seventeen: &str| {
        "0123456789ABCDEFGHJKLMNPQRTUWXY"
            .chars()
            .map(|c| format!("{seventeen}{c}"))
            .find(|code| crate::identifier::uscc::Uscc::parse(code).is_ok())
            .expect("one character fits")
    };
    assert_eq!(warned(&valid("55310115MA1K3BTP2")), "R-USCC-06");
    assert_eq!(warned(&valid("91310115MA1K3BTP3")), "R-USCC-05");
}

#[test]
fn a_node_holds_the_head_s_subject_against_the_fields() {
    let standard = registration();
    for (field, text, subject) in [
        ("uscc", CODE, Subject::Uscc(CODE.to_owned())),
        (
            "reg_no",
            "310141000157097",
            Subject::RegistrationNumber("310141000157097".to_owned()),
        ),
        (
            "org_code",
            "MA1K3BTP2",
            Subject::OrganisationCode("MA1K3BTP2".to_owned()),
        ),
        (
            "tax_no",
            "310115MA1K3BTP2",
            Subject::TaxNumber("310115MA1K3BTP2".to_owned()),
        ),
        ("entity_id", "P001", Subject::Unidentified),
    ] {
        let entry = map(&[NAME, (field, text)]).expect("accepted");
        assert_eq!(entry.head.subject, subject);
        let fields = read_fields(&entry.sections[0].1).expect("decodes");
        let says = |subject: Subject| {
            let mut head = entry.head.clone();
            head.subject = subject;
            !codes(&standard.check(&head, &fields)).contains("R-SUBJ-01")
        };
        assert!(says(subject), "{field}");
        assert_eq!(says(Subject::Unidentified), field == "entity_id", "{field}");
        assert!(!says(Subject::Uscc("91110000600037341L".to_owned())));
        assert!(!says(Subject::None), "{field}");
    }
    // what is no valid tax number, or too long for a subject, names nobody
    check(
        &[NAME, ("entity_id", "P001"), ("tax_no", "310115MA1K3BTP3")],
        "ok own R-TAX-01",
    );
    let subject_of = |bytes: usize| {
        let name = "x".repeat(bytes);
        let entry = map(&[("name", &name), ("entity_id", "P001")]).expect("accepted");
        entry.head.subject
    };
    assert_eq!(subject_of(513), Subject::Unidentified);
}

#[test]
fn what_is_missing_is_named() {
    let messages = |row: &[(&str, &str)]| {
        let refused = map(row).expect_err("refused");
        let of = |f: &Finding| format!("{} {} {}", f.field, f.label, f.message);
        refused
            .findings
            .iter()
            .map(of)
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(
        messages(&[NAME]),
        "0 市场主体登记信息 主体身份代码、统一社会信用代码、注册号、组织机构代码、税务登记号均未填写"
    );
    assert_eq!(messages(&[("uscc", CODE)]), "4 企业（机构）名称 未填写");
    // the highest number that a field may have, and a kind that registrations do not use
    let text = include_str!("../../standards/refusal.toml");
    let text = text
        .replace("number = 4,", "number = 511,")
        .replace("number = 7,", "number = 64,")
        .replace("type = \"integer\"", "type = \"decimal\"");
    let standard = RecordStandard::from_toml(&text).expect("sound");
    let found = |fields: &[(u16, Value)]| codes(&standard.check_fields(fields, None));
    let one = Value::from_text("1");
    let mut fields: Vec<(u16, Value)> = [1, 2, 6].map(|n| (n, one.clone())).to_vec();
    assert_eq!(found(&fields), "R-REQ-01 R-REQ-01");
    fields.push((64, Value::Decimal("1.5".into())));
    assert_eq!(found(&fields), "R-REQ-01");
    fields.push((511, one.clone()));
    assert_eq!(found(&fields), "");
    fields[3].1 = Value::Integer(1);
    assert_eq!(found(&fields), "");
    fields[3].1 = one;
    assert_eq!(found(&fields), "R-NUM-01");
}

#[test]
fn sections_are_cut_by_audience() {
    let entry = map(&[
        NAME,
        ("uscc", CODE),
        ("tel", "021-12345678"),
        ("id_no", "11010519491231002X"),
        ("staff", "12"),
    ])
    .expect("accepted");
    let cut: Vec<(u8, Vec<u16>)> = entry
        .sections
        .iter()
        .map(|(n, bytes)| {
            let fields = read_fields(bytes).expect("decodes");
            (*n, fields.into_iter().map(|(f, _)| f).collect())
        })
        .collect();
    assert_eq!(
        cut,
        vec![(1, vec![2, 4]), (2, vec![32]), (3, vec![10]), (4, vec![33])]
    );
    let standard = registration();
    assert_eq!(standard.audience(1), Audience::Public);
    assert_eq!(standard.audience(3), Audience::SourceAndCity);
    assert_eq!(standard.audience(4), Audience::Government);
}

#[test]
fn keys_are_the_first_complete_alternative() {
    let key = |row: &[(&str, &str)]| map(row).expect("accepted").head.key;
    let one = |text: &str| Key::columns(&[Value::from_text(text)]);
    assert_eq!(key(&[NAME, ("uscc", CODE), ("entity_id", "P1")]), one("P1"));
    assert_eq!(key(&[NAME, ("uscc", CODE)]), one(CODE));
    assert_eq!(
        key(&[NAME, ("uscc", "321084000032743")]),
        one("321084000032743")
    );
    let refused = map(&[NAME, ("uscc", "91310115MA1K3BTP2C")]).expect_err("wrong code");
    assert_eq!(refused.key, Some(one("91310115MA1K3BTP2C")));
    assert!(refused.findings[0].message.contains("末位应为 B"));
    // of two values for one field the first that says something counts
    let standard = registration();
    let twice = vec![
        (2, Value::Null),
        (2, Value::from_text(CODE)),
        (4, Value::from_text("甲乙丙丁")),
    ];
    let entry = standard.map(twice, &context()).expect("accepted");
    assert_eq!(entry.head.key, one(CODE));
}

#[test]
fn oversized_and_unreadable_records_are_refused() {
    let long = "字".repeat(100_000);
    check(
        &[NAME, ("uscc", CODE), ("scope", &long)],
        &format!("refused uscc:{CODE} R-SIZE-01"),
    );
    let standard = registration();
    let raw = |number| {
        let mut fields = vec![
            (2, Value::from_text(CODE)),
            (4, Value::from_text("甲乙丙丁")),
        ];
        fields.push((number, Value::Raw(vec![0xff])));
        fields.retain(|(n, v)| *n != number || matches!(v, Value::Raw(_)));
        match standard.map(fields, &context()) {
            Ok(entry) => format!("ok {}", codes(&entry.warnings)),
            Err(refused) => format!("refused {}", codes(&refused.findings)),
        }
    };
    assert_eq!(raw(2), "refused R-RAW-01");
    assert_eq!(raw(4), "refused R-RAW-01");
    assert_eq!(raw(19), "ok R-RAW-01");
    assert_eq!(raw(400), "ok R-FIELD-01");
}

#[test]
fn a_node_checks_by_the_same_rules() {
    let standard = registration();
    let entry = map(&[NAME, ("uscc", "321084000032743"), ("est_date", "x")]).expect("accepted");
    let fields = read_fields(&entry.sections[0].1).expect("decodes");
    assert_eq!(codes(&standard.check(&entry.head, &fields)), "R-DATE-02");
    let mut other = entry.head.clone();
    other.subject = Subject::Uscc(CODE.to_owned());
    let findings = standard.check(&other, &fields);
    assert!(codes(&findings).contains("R-SUBJ-01"));
    other.operation = Operation::Retract;
    assert!(standard.check(&other, &[]).is_empty());
}

#[test]
fn a_refusal_carries_no_values() {
    let standards = Standards::builtin();
    let refused = map(&[
        ("name", "机密名称有限公司"),
        ("entity_id", "P001"),
        ("uscc", "91310115MA1K3BTP2C"),
        ("est_date", "2201-01-01"),
    ])
    .expect_err("wrong code");
    let key = refused.key.clone().expect("it has one");
    let entry = refusal::refusal_entry(&standards, &refused, &key, &context());
    assert_eq!(entry.head.record_type, "refusal");
    assert_eq!(entry.head.subject, Subject::None);
    assert_eq!(entry.sections.len(), 1);
    assert_eq!(entry.sections[0].0, 3);
    let fields = read_fields(&entry.sections[0].1).expect("decodes");
    let text = |n| text_of(&fields, Some(n)).unwrap_or("").to_owned();
    assert_eq!(text(refusal::field::RECORD_TYPE), "registration");
    assert_eq!(text(refusal::field::KEY_TEXT), "P001");
    assert_eq!(text(refusal::field::REASONS), "R-DATE-01 R-USCC-02");
    assert_eq!(text(refusal::field::FIELDS), "est_date uscc");
    let mut all = entry.sections[0].1.clone();
    entry.head.put(&mut all);
    for secret in ["机密名称", "91310115MA1K3BTP2C", "2201"] {
        let found = all.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!found, "{secret} does not travel");
    }
    let standard = standards.by_type("refusal").expect("built in");
    assert!(standard.check(&entry.head, &fields).is_empty());
    let closing = refusal::closes("registration", &key, refused.subject.clone());
    assert_eq!(closing.head.key, entry.head.key);
    assert_eq!(closing.head.operation, Operation::Retract);
    assert!(closing.sections.is_empty());

    let stated = refusal::read(&entry.head, &[(3, entry.sections[0].1.as_slice())]).expect("reads");
    assert_eq!(stated.record_type, "registration");
    assert_eq!(stated.codes, ["R-DATE-01", "R-USCC-02"]);
    assert_eq!(stated.labels(&standards), ["成立日期", "统一社会信用代码"]);
    assert!(stated.message.starts_with("日期晚于今天："));
    assert!(refusal::read(&entry.head, &[]).is_none(), "withheld");
    let closed = refusal::read(&closing.head, &[]).expect("reads");
    assert_eq!((closed.key, closed.codes.len()), (stated.key, 0));
    assert_eq!(closed.key_text, "P001");
    let long = Key::columns(&[Value::from_text("长".repeat(80))]);
    assert!(
        refusal::refusal_key(&"t".repeat(64), &long)
            .values()
            .is_some()
    );
}

#[test]
fn columns_are_recognised_by_convention() {
    let standard = registration();
    for (column, field) in [
        ("UNISCID", "uscc"),
        ("tyshxydm", "uscc"),
        ("TYSHXYDM", "uscc"),
        ("统一社会信用代码", "uscc"),
        ("企业名称", "name"),
        ("qymc", "name"),
        ("DOMDISTRICT", "division"),
        ("地区", "area"),
        ("est_date", "est_date"),
    ] {
        assert_eq!(
            standard.field_of_column(column).map(|f| f.name.as_str()),
            Some(field),
            "{column}"
        );
    }
    assert!(standard.field_of_column("xyz").is_none());
}

#[test]
fn every_reason_is_listed_once() {
    let mut codes: Vec<&str> = reason::ALL.iter().map(|r| r.code).collect();
    assert!(reason::reason("R-USCC-02").is_some());
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), reason::ALL.len());
}

#[test]
fn unsound_standards_are_refused() {
    let sound = include_str!("../../standards/refusal.toml");
    for (from, to, what) in [
        ("number = 2,", "number = 1,", "字段编号重复"),
        ("number = 2,", "number = 512,", "字段编号须为"),
        ("name = \"key\"", "name = \"key_text\"", "字段名重复"),
        ("number = 3\n", "number = 16\n", "分节编号须为"),
        ("number = 3\n", "number = 2\n", "所在分节不存在"),
        ("lane = 2", "lane = 3", "没有这条通道"),
        ("\"key\"]]", "\"nokey\"]]", "不存在的字段"),
        (
            "key = [[\"record_type\", \"key\"]]",
            "key = []",
            "为空或字段过多",
        ),
        ("\"required\"", "\"must\"", "约束应为"),
        (
            "publicity = \"source_and_city\"",
            "publicity = \"addressees\"",
            "受众宽于",
        ),
        ("lane = 2", "lain = 2", "格式有误"),
    ] {
        let text = sound.replacen(from, to, 1);
        assert_ne!(text, sound, "{from}");
        let error: StandardFault = RecordStandard::from_toml(&text).expect_err(what);
        assert!(error.to_string().contains(what), "{error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_mapped_or_refused(texts in prop::collection::vec(".{0,30}", 51)) {
        let standard = registration();
        let fields: Vec<(u16, Value)> = (1..).zip(texts).map(|(n, t)| (n, Value::from_text(t))).collect();
        if let Ok(entry) = standard.map(fields, &context()) {
            let mut bytes = Vec::new();
            entry.head.put(&mut bytes);
            prop_assert_eq!(&Head::from_bytes(&bytes).expect("reads back"), &entry.head);
        }
    }
}
