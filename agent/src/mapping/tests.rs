//! Mapping steps as data, and mistakes in a mapping with what was probably meant.

use super::*;
use protocol::value::CivilDate;

fn mapping(text: &str) -> Result<Mapping, MappingError> {
    Mapping::parse(Path::new("m.toml"), text, &Standards::builtin())
}

#[test]
fn steps_do_what_they_say() {
    let text = |s: &str| Value::Text(s.to_owned());
    let date = |y, m, d| Value::Date(CivilDate::new(y, m, d).expect("a date"));
    let cases = [
        (r#""trim""#, text("\t 甲　"), text("甲")),
        (r#""trim""#, text("  "), Value::Empty),
        (r#""upper""#, text("91a甲"), text("91A甲")),
        (r#""half_width""#, text("９１（Ａ）"), text("91(A)")),
        (r#"{ map = { "1" = "存续" } }"#, text("1 "), text("存续")),
        (
            r#"{ map = { "1" = "存续" } }"#,
            Value::Integer(1),
            text("存续"),
        ),
        (r#"{ map = { "1" = "存续" } }"#, text("2"), text("2")),
        (
            r#"{ map = { "1" = "存续" }, otherwise = "empty" }"#,
            text("2"),
            Value::Empty,
        ),
        (r#"{ map = { "1" = "存续" } }"#, Value::Null, Value::Null),
        (
            r#"{ date = ["%d/%m/%Y"] }"#,
            text("27/07/2018"),
            date(2018, 7, 27),
        ),
        (
            r#"{ date = ["%Y%m%d"] }"#,
            Value::Integer(20_180_727),
            date(2018, 7, 27),
        ),
        (
            r#"{ date = ["%Y-%m-%d"] }"#,
            text("2025-00-15"),
            text("2025-00-15"),
        ),
        (
            r#"{ epoch = "s" }"#,
            Value::Integer(1_532_620_800),
            date(2018, 7, 27),
        ),
        (
            r#"{ epoch = "ms" }"#,
            text("1532620800000"),
            date(2018, 7, 27),
        ),
        (
            r#"{ epoch = "julian" }"#,
            Value::Decimal("2458326.5".into()),
            date(2018, 7, 27),
        ),
        (r#"{ epoch = "s" }"#, text("9e99"), text("9e99")),
        (r#"{ default = "上海" }"#, Value::Empty, text("上海")),
        (r#"{ default = "上海" }"#, text("北京"), text("北京")),
        (r#"{ null_if = ["-", "0"] }"#, text(" - "), Value::Empty),
        (
            r#"{ null_if = ["-", "0"] }"#,
            Value::Integer(0),
            Value::Empty,
        ),
        (r#""trim""#, Value::Raw(vec![0xFF]), Value::Raw(vec![0xFF])),
    ];
    for (step, input, expected) in cases {
        let m = mapping(&format!(
            "standard = \"cn.registration\"\n[fields.name]\ncolumn = \"C\"\nsteps = [{step}]"
        ))
        .unwrap_or_else(|e| panic!("{step}: {e}"));
        assert_eq!(
            m.apply(vec![input.clone()]),
            vec![(4, expected)],
            "{step} on {input:?}"
        );
    }
}

#[test]
fn several_columns_make_one_field_and_one_column_several() {
    let m = mapping(
        "standard = \"cn.registration\"\n[fields.address]\ncolumns = [\"Q\", \"L\"]\nsteps = [{ concat = \" \" }, \"trim\"]\n\
         [fields.area]\ncolumn = \"q\"\n[fields.province]\nsteps = [{ default = \"上海市\" }]",
    )
    .expect("a mapping");
    assert_eq!(
        m.columns,
        ["Q", "L"],
        "a column is read once, whatever its case"
    );
    let text = |s: &str| Value::Text(s.to_owned());
    assert_eq!(
        m.apply(vec![text("黄浦"), text("一号 ")]),
        vec![
            (21, text("黄浦 一号")),
            (48, text("黄浦")),
            (49, text("上海市"))
        ]
    );
    assert_eq!(m.apply(vec![Value::Null, text("一号")])[0].1, text("一号"));
}

#[test]
fn mistakes_are_named_with_what_was_probably_meant() {
    let cases = [
        ("standard = \"cn.registratio\"\nfields = {}", "可用的标准"),
        (
            "standard = \"cn.registration\"\nversion = 9\nfields = {}",
            "第 9 版",
        ),
        (
            "standard = \"cn.registration\"\n[fields.nam]\ncolumn = \"C\"",
            "是否指 name",
        ),
        (
            "standard = \"cn.registration\"\n[fields.name]\ncolum = \"C\"",
            "是否应为 fields.name.column",
        ),
        (
            "standard = \"cn.registration\"\n[fields.name]\ncolumn = \"C\"\nsteps = [\"trm\"]",
            "是否指 trim",
        ),
        (
            "standard = \"cn.registration\"\n[fields.name]\ncolumns = [\"A\", \"B\"]",
            "concat",
        ),
        (
            "standard = \"cn.registration\"\n[fields.name]\nsteps = [\"trim\"]",
            "没有写 column",
        ),
        (
            "standard = \"cn.registration\"\n[fields.name]\ncolumn = \"C\"\nsteps = [{ default = \"a\", concat = \"b\" }]",
            "只写一个步骤",
        ),
    ];
    for (text, expected) in cases {
        let error = mapping(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_mapping_under_which_no_row_could_pass_says_what_is_missing() {
    let check = |fields: &[&str], parts: &[&str]| {
        let fields: Vec<String> = fields
            .iter()
            .map(|name| format!("[fields.{name}]\ncolumn = \"{name}\"\n"))
            .collect();
        let text = format!("standard = \"cn.registration\"\n{}", fields.concat());
        let wants = mapping(&text).expect("it loads").wants();
        assert_eq!(wants.len(), parts.len(), "{wants:?}");
        for (want, part) in wants.iter().zip(parts) {
            assert!(
                want.contains(part) && want.contains("每一行都会被拒收"),
                "{wants:?}"
            );
        }
    };
    check(&["name", "uscc"], &[]);
    check(&["name", "entity_id", "est_date"], &[]);
    check(&["name", "reg_no"], &[]);
    check(&["uscc"], &["请加 [fields.name]"]);
    check(&["name", "area"], &["统一社会信用代码"]);
    check(&["area"], &["[fields.name]", "主体身份代码"]);
    let given = "standard = \"cn.registration\"\n[fields.uscc]\ncolumn = \"C\"\n[fields.name]\nsteps = [{ default = \"甲\" }]\n";
    assert_eq!(
        mapping(given).expect("it loads").wants(),
        Vec::<String>::new()
    );
}
