//! Values: how they are cleaned, which dates there are, and what is said about those of another kind.

use proptest::prelude::*;
use protocol::value::CivilTime;

use super::super::clean::{clean, is_fake, is_open_ended, parse_date};
use super::*;

#[test]
fn dates_are_checked() {
    let uscc = format!("uscc:{CODE}");
    let with = |name: &'static str, text: &'static str, expected: &str| {
        check(&[NAME, ("uscc", CODE), (name, text)], expected.trim_end());
    };
    with("est_date", "2018年7月27日", &format!("ok {uscc}"));
    with(
        "est_date",
        "2201-03-05",
        &format!("refused {uscc} R-DATE-01"),
    );
    with("est_date", "1900-01-01", &format!("ok {uscc} R-DATE-03"));
    with("est_date", "2025-00-15", &format!("ok {uscc} R-DATE-02"));
    with("op_to", "长期", &format!("ok {uscc}"));
    with("op_to", "9999-09-09", &format!("ok {uscc}"));
    with("op_from", "长期", &format!("ok {uscc} R-DATE-02"));
    with("staff", "约30人", &format!("ok {uscc} R-NUM-01"));
    with("op_from", "2201-03-05", &format!("ok {uscc}"));
    with("est_date", "2025-09-18", &format!("ok {uscc}"));
    with(
        "est_date",
        "2025-09-19",
        &format!("refused {uscc} R-DATE-01"),
    );
    with("staff", "12", &format!("ok {uscc}"));
    with("division", "31011", &format!("ok {uscc} R-DIV-01"));
    with("division", "31011x", &format!("ok {uscc} R-DIV-01"));
    with("division", "310115", &format!("ok {uscc}"));
    with("division", "310115001", &format!("ok {uscc}"));
    with("division", "310115001002", &format!("ok {uscc}"));
    with("tax_no", "110108600037342", &format!("ok {uscc} R-TAX-01"));
    let entry = map(&[
        NAME,
        ("uscc", CODE),
        ("est_date", "1899-12-31"),
        ("appr_date", "20180727"),
    ])
    .expect("accepted");
    assert_eq!(entry.head.event_date, CivilDate::new(2018, 7, 27));
    let entry = map(&[NAME, ("uscc", CODE), ("est_date", "1899-12-31")]).expect("accepted");
    assert_eq!(entry.head.event_date, None, "a placeholder is no date");
}

/// The findings of a node on values that no agent of this release states: field name, value, then code and message.
fn check_at_node(field: &str, value: Value, expected: &str) {
    let standard = registration();
    let entry = map(&[NAME, ("uscc", CODE)]).expect("accepted");
    let mut fields = read_fields(&entry.sections[0].1).expect("decodes");
    let number = standard.field_named(field).expect("a field").number;
    fields.retain(|(n, _)| *n != number);
    fields.push((number, value.clone()));
    fields.sort_by_key(|(n, _)| *n);
    let actual: Vec<String> = standard
        .check(&entry.head, &fields)
        .iter()
        .map(|f| format!("{:?} {} {} {}", f.severity, f.code, f.label, f.message))
        .collect();
    assert_eq!(actual.join("; "), expected, "{field} {value:?}");
}

#[test]
fn a_node_says_what_is_wrong_with_a_value_of_another_kind() {
    let text = |text: &str| Value::from_text(text);
    let date = CivilDate::new(2018, 7, 27).expect("a day");
    check_at_node("op_to", text("长期"), "");
    check_at_node(
        "op_to",
        text("三年"),
        "Warning R-DATE-02 经营（驻在）期限至 「三年」不是日期",
    );
    check_at_node(
        "est_date",
        text("长期"),
        "Warning R-DATE-02 成立日期 「长期」不是日期",
    );
    check_at_node(
        "est_date",
        Value::Raw("二〇一八年".into()),
        "Warning R-DATE-02 成立日期 「二〇一八年」不是日期",
    );
    check_at_node(
        "est_date",
        Value::Raw(vec![b'x'; 41]),
        &format!("Warning R-DATE-02 成立日期 「{}」不是日期", "x".repeat(40)),
    );
    // a node has no today
    let far = CivilDate::new(2201, 3, 5).expect("a day");
    check_at_node("est_date", Value::Date(far), "");
    check_at_node("staff", Value::Integer(12), "");
    check_at_node(
        "staff",
        text("十二"),
        "Warning R-NUM-01 从业人数 「十二」不是数字",
    );
    check_at_node(
        "staff",
        text(&"九".repeat(21)),
        &format!("Warning R-NUM-01 从业人数 「{}」不是数字", "九".repeat(20)),
    );
    check_at_node(
        "reg_no",
        text("310141000157097"),
        "Warning R-REGNO-01 注册号 校验位不符，如前 14 位无误，末位应为 6",
    );
    check_at_node("reg_no", Value::Date(date), "");
    check_at_node("capital", text("50(万元人民币)"), "");
    check_at_node(
        "scope",
        Value::Raw(vec![0xff]),
        "Warning R-RAW-01 经营范围 内容无法识别",
    );
    check_at_node(
        "uscc",
        Value::Date(date),
        "Refuse R-RAW-01 统一社会信用代码 内容无法识别; Refuse R-SUBJ-01 市场主体登记信息 条目头所写主体与字段内容不一致",
    );
    check_at_node(
        "name",
        Value::Empty,
        "Refuse R-REQ-01 企业（机构）名称 未填写",
    );
}

#[test]
fn date_forms() {
    let day = CivilDate::new(2018, 7, 27);
    for text in [
        "20180727",
        "2018-07-27",
        "2018/07/27",
        "2018/7/27",
        "2018.7.27",
        "2018-7-27",
        "2018-07-27 00:00:00",
        "2018-07-27T08:30:00.123",
        "2018/7/27 0:00:00",
        "20180727093000",
        "2018年7月27日",
        "2018年07月27日 10:00",
        " 2018-07-27 ",
        &format!("2018-07-27 {}", "0".repeat(29)),
    ] {
        assert_eq!(parse_date(text), day, "{text}");
    }
    assert_eq!(parse_date("2018-7-2"), CivilDate::new(2018, 7, 2));
    for text in [
        &format!("2018-07-27 {}", "0".repeat(30)) as &str,
        "201-07-27",
        "20180-7-27",
        "2018-007-27",
        "2018-7-027",
        "2018--27",
        "2018-07-27x00:00",
        "2018-07-27 十点",
        "2018072",
        "2018x07x27",
        "",
        "2018",
        "201807",
        "2018-13-01",
        "2018-02-30",
        "2018-07/27",
        "2018年7月27",
        "27-07-2018",
        "18-07-27",
        "2018-07-27abc",
        "99999999",
        "二〇一八年七月",
        "2018-",
        "2018-07-",
    ] {
        assert_eq!(parse_date(text), None, "{text}");
    }
    for (y, m, d, open_ended, fake) in [
        (2099, 12, 31, true, false),
        (9999, 9, 9, true, false),
        (9999, 12, 31, true, false),
        (2099, 12, 30, false, false),
        (2098, 12, 31, false, false),
        (1900, 1, 1, false, true),
        (1899, 12, 30, false, true),
        (1899, 12, 31, false, true),
        (1, 1, 1, false, true),
        (1899, 12, 29, false, false),
        (1900, 1, 2, false, false),
    ] {
        let date = CivilDate::new(y, m, d).expect("a day");
        assert_eq!(is_open_ended(&Value::Date(date)), open_ended, "{date}");
        assert_eq!(is_fake(date), fake, "{date}");
    }
    assert!(is_open_ended(&Value::from_text("长期")));
    assert!(!is_open_ended(&Value::from_text("永久")));
    assert!(!is_open_ended(&Value::Integer(2099)));
}

#[test]
fn values_are_cleaned_by_kind() {
    let standard = registration();
    let date = |y, m, d| CivilDate::new(y, m, d).expect("a day");
    let text = |s: &str| Value::Text(s.to_owned());
    let midnight = CivilTime::new(date(2018, 7, 27), 0, 0, 0, 0).expect("a time");
    for (field, raw, expected) in [
        ("name", text(" 某某公司\t"), text("某某公司")),
        ("name", text("𠮷野家"), text("𠮷野家")),
        ("kind", text("N/A"), Value::Empty),
        ("kind", Value::Null, Value::Null),
        ("name", Value::Raw(vec![0]), Value::Raw(vec![0])),
        ("est_date", text("20180727"), Value::Date(date(2018, 7, 27))),
        (
            "est_date",
            Value::Integer(20_180_727),
            Value::Date(date(2018, 7, 27)),
        ),
        (
            "est_date",
            Value::Time(midnight),
            Value::Date(date(2018, 7, 27)),
        ),
        (
            "est_date",
            text("0000-00-00"),
            Value::Raw(b"0000-00-00".to_vec()),
        ),
        ("op_to", text("永久"), text("长期")),
        ("op_to", text("三年"), Value::Raw("三年".into())),
        ("op_from", text("永久"), Value::Raw("永久".into())),
        (
            "est_date",
            Value::Integer(99_999_999),
            Value::Raw(b"99999999".to_vec()),
        ),
        ("est_date", Value::Null, Value::Null),
        ("name", text("\u{feff}某某公司"), text("某某公司")),
        (
            "capital",
            text("-1,000.5"),
            Value::Decimal("-1000.5".into()),
        ),
        ("capital", text("1000,000"), text("1000,000")),
        ("staff", text("1,2000"), text("1,2000")),
        (
            "staff",
            Value::Decimal("1.5".into()),
            Value::Decimal("1.5".into()),
        ),
        (
            "staff",
            Value::Date(date(2018, 7, 27)),
            Value::Date(date(2018, 7, 27)),
        ),
        (
            "reg_no",
            Value::Decimal("310141000157096".into()),
            text("310141000157096"),
        ),
        (
            "reg_no",
            Value::Decimal("3.1".into()),
            Value::Decimal("3.1".into()),
        ),
        ("reg_no", Value::Null, Value::Null),
        ("capital", text("50(万元人民币)"), text("50(万元人民币)")),
        (
            "capital",
            text("1,000.50"),
            Value::Decimal("1000.50".into()),
        ),
        ("capital", text("1,00"), text("1,00")),
        ("capital", text(",(万美元)"), text(",(万美元)")),
        ("staff", text("1,200"), Value::Integer(1200)),
        ("staff", Value::Decimal("12".into()), Value::Integer(12)),
        (
            "reg_no",
            Value::Integer(310_141_000_157_096),
            text("310141000157096"),
        ),
        ("division", text("３１０１１５"), text("310115")),
        (
            "uscc",
            text("统一社会信用代码：91310115ma1k3btp2b"),
            text(CODE),
        ),
        ("uscc", text("暂无"), Value::Empty),
    ] {
        let field = standard.field_named(field).expect("a field");
        assert_eq!(
            clean(field, raw.clone()),
            expected,
            "{} {raw:?}",
            field.name
        );
    }
}

proptest! {
    #[test]
    fn any_text_may_be_a_date(text in "[0-9年月日/. T:-]{0,24}") {
        parse_date(&text);
    }
}
