//! The table's rules and the cities' codes.

use super::*;

fn check(city: &str, codes: &[(&str, &str)]) {
    let table = DivisionTable::builtin();
    let city = table.city(city).expect("the table has the city");
    for (code, expected) in codes {
        let actual = match city.place_of_code(code) {
            Place::District(code) => code.to_owned(),
            place => format!("{place:?}"),
        };
        assert_eq!(actual, *expected, "{code}");
    }
}

#[test]
fn codes_lead_to_districts() {
    check(
        "310000",
        &[
            ("310115", "310115"),
            ("310230", "310151"),
            ("310108", "310106"),
            ("310119", "310115"),
            ("310225", "310115"),
            ("310000", "City"),
            ("310100", "City"),
            ("310141", "Unknown"),
            ("370102", "Foreign"),
            ("990101", "Foreign"),
        ],
    );
    check(
        "370100",
        &[
            ("370181", "370114"),
            ("371202", "370116"),
            ("371203", "370117"),
            ("371200", "City"),
            ("370101", "City"),
            ("370000", "City"),
            ("370128", "Unknown"),
            ("371223", "Unknown"),
            ("370200", "Foreign"),
        ],
    );
    check(
        "140200",
        &[
            ("140227", "140215"),
            ("140202", "140213"),
            ("140211", "Split"),
        ],
    );
    check("210200", &[("210282", "210214"), ("210224", "210224")]);
    check(
        "330782",
        &[
            ("330782", "City"),
            ("330725", "City"),
            ("330700", "City"),
            ("330702", "Foreign"),
        ],
    );
}

#[test]
fn cities_have_their_districts() {
    let table = DivisionTable::builtin();
    for (code, districts) in [
        ("310000", 16),
        ("370100", 12),
        ("140200", 10),
        ("210200", 10),
        ("330782", 0),
    ] {
        let city = table.city(code).expect("the table has the city");
        assert_eq!(city.districts.len(), districts, "{code}");
    }
    assert!(table.city("371200").is_none(), "merged into another");
    assert!(table.city("990000").is_none());
}

#[test]
fn names_lead_to_districts() {
    let table = DivisionTable::builtin();
    let shanghai = table.city("310000").expect("the table has the city");
    for (name, code) in [
        ("浦东", "310115"),
        ("浦东新区", "310115"),
        ("上海市浦东新区", "310115"),
        ("闸北", "310106"),
        ("卢湾区", "310101"),
        ("崇明", "310151"),
        (" 崇明县 ", "310151"),
    ] {
        assert_eq!(
            shanghai.place_of_name(name),
            Some(Place::District(code)),
            "{name}"
        );
    }
    for name in ["自贸区", "上海", "上海市", "N/A", "", "200(万美元)", "济南"] {
        assert_eq!(shanghai.place_of_name(name), None, "{name}");
    }
    let datong = table.city("140200").expect("the table has the city");
    assert_eq!(
        datong.place_of_name("城区"),
        Some(Place::District("140213"))
    );
    assert_eq!(datong.place_of_name("城"), None);
}

#[test]
fn a_code_that_had_ended_is_wrong_on_that_date() {
    let table = DivisionTable::builtin();
    for (code, last) in [("370181", 2016), ("140227", 2018), ("310119", 2009)] {
        let on = |year| table.resolve(code, CivilDate::new(year, 6, 1));
        assert!(
            matches!(on(last), Resolution::Succeeded { .. }),
            "{code} {last}"
        );
        assert!(
            matches!(on(last + 1), Resolution::Ended(_)),
            "{code} after {last}"
        );
    }
    let early = table.resolve("310115", CivilDate::new(1980, 1, 1));
    assert!(matches!(early, Resolution::Current(_)));
    assert_eq!(table.resolve("990101", None), Resolution::Unknown);
}

#[test]
fn unusable_tables_are_refused() {
    let head = "code,name,parent,valid_from,valid_to,successors\n";
    for (rows, fault) in [
        ("31000,短,,,,", "区划表 31000 行：代码应为六位数字"),
        ("310000,,,,,", "区划表 310000 行：名称为空或过长"),
        ("310000,甲,,,,\n310000,乙,,,,", "区划表 310000 行：代码重复"),
        (
            "310000,甲,999999,,,",
            "区划表 310000 行：上级或后继代码不在表内",
        ),
        ("310000,甲,,x,,", "区划表 310000 行：启用日期无法识别"),
        ("310000,甲,,2010,2009,", "区划表 310000 行：停用早于启用"),
        (
            "310000,甲,,,2009,310001\n310001,乙,,,2010,310000",
            "区划表 310000 行：后继关系成环或过长",
        ),
    ] {
        let error = DivisionTable::from_csv(&format!("{head}{rows}\n")).expect_err(rows);
        assert_eq!(error.to_string(), fault);
    }
    assert!(DivisionTable::from_csv("a,b\n1,2\n").is_err());
}
