//! The table's rules, the cities' codes and names, and what an installation may add.

use super::*;

fn city(code: &str) -> City {
    match DivisionTable::builtin().city(code) {
        Ok(city) => city,
        Err(fault) => panic!("{fault}"),
    }
}

fn told(place: Place<'_>) -> String {
    match place {
        Place::District(code) => code.to_owned(),
        place => format!("{place:?}"),
    }
}

fn check(code: &str, codes: &[(&str, &str)]) {
    let city = city(code);
    for (code, expected) in codes {
        assert_eq!(told(city.place_of_code(code)), *expected, "{code}");
    }
}

fn check_names(code: &str, names: &[(&str, &str)]) {
    let city = city(code);
    for (name, expected) in names {
        let actual = city.place_of_name(name).map_or("None".to_owned(), told);
        assert_eq!(actual, *expected, "{name}");
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
            ("310200", "City"),
            ("310141", "Unknown"),
            ("370102", "Foreign"),
            ("990101", "Foreign"),
        ],
    );
    check(
        "370100",
        &[
            ("370181", "370114"),
            ("370122", "370114"),
            ("371202", "370116"),
            ("371203", "370117"),
            ("371200", "City"),
            ("370101", "City"),
            ("370000", "City"),
            ("370128", "Unknown"),
            ("371223", "Unknown"),
            ("370200", "Foreign"),
            ("371302", "Foreign"),
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
    check(
        "210200",
        &[
            ("210282", "210214"),
            ("210222", "210214"),
            ("210224", "210224"),
        ],
    );
    check(
        "330782",
        &[
            ("330782", "City"),
            ("330725", "City"),
            ("330700", "City"),
            ("330000", "City"),
            ("330702", "Foreign"),
        ],
    );
    // none of the five
    check(
        "330100",
        &[
            ("330102", "330102"),
            ("330104", "330102"),
            ("330103", "330105"),
            ("330125", "330110"),
            ("330184", "330110"),
            ("330782", "Foreign"),
        ],
    );
    // divisions that came from three provinces' lists and one that went to three cities
    check(
        "500000",
        &[
            ("510200", "City"),
            ("510224", "500157"),
            ("510203", "500104"),
        ],
    );
    for code in ["340100", "340200", "340500"] {
        check(code, &[("341400", "Split")]);
    }
    // a suburb that was dealt out among its neighbours
    check("330200", &[("330204", "330212"), ("330227", "330212")]);
    check("130900", &[("130904", "Split")]);
    // districts of one name lie in many cities: none goes to another one for its name
    check("130100", &[("130103", "Split"), ("130502", "Foreign")]);
    check("130500", &[("130502", "130502"), ("130103", "Foreign")]);
    check("230100", &[("230105", "230104")]);
}

#[test]
fn cities_have_their_districts() {
    for (code, name, districts) in [
        ("310000", "上海市", 16),
        ("370100", "济南市", 12),
        ("140200", "大同市", 10),
        ("210200", "大连市", 10),
        ("330782", "义乌市", 0),
        ("330100", "杭州市", 13),
        ("330700", "金华市", 9),
        ("110000", "北京市", 16),
        ("500000", "重庆市", 37),
        ("441900", "东莞市", 0),
        ("522300", "黔西南布依族苗族自治州", 8),
    ] {
        let city = city(code);
        assert_eq!(
            (city.name.as_str(), city.districts.len()),
            (name, districts)
        );
    }
}

#[test]
fn every_city_of_the_country_can_be_founded_and_knows_its_own() {
    let table = DivisionTable::builtin();
    let mut cities = 0;
    // by a prime: all kinds and most provinces come up, in little time
    for row in table.rows.iter().filter(|row| row.is_current()).step_by(31) {
        let Ok(city) = table.city(&row.code) else {
            continue;
        };
        cities += 1;
        assert_eq!(city.place_of_code(&row.code), Place::City, "{}", row.code);
        assert_eq!(city.region_name(&row.code), Some(row.name.as_str()));
        for district in &city.districts {
            let place = Place::District(&district.code);
            assert_eq!(city.place_of_code(&district.code), place);
            assert_eq!(
                city.place_of_name(&district.name),
                Some(place),
                "{}",
                district.name
            );
            assert_eq!(
                city.region_name(&district.code),
                Some(district.name.as_str())
            );
        }
    }
    assert!(cities > 20, "{cities}");
}

#[test]
fn what_is_no_city_in_force_is_none() {
    let check = |code: &str, expected: &str| {
        let fault = DivisionTable::builtin().city(code).expect_err(code);
        assert!(fault.to_string().starts_with(expected), "{fault}");
    };
    check(
        "371200",
        "371200（莱芜市）不是现行区划，其后为 370100（济南市），请填写",
    );
    check(
        "341400",
        "341400（巢湖市）不是现行区划，其后为 340100（合肥市）、",
    );
    check("130904", "130904（郊区）不是现行区划，请填写");
    check(
        "370101",
        "370101（市辖区）不是现行区划，其后为 370100（济南市）",
    );
    check("429000", "429000（省直辖县级行政区划）不是现行区划");
    check("990000", "区划表中没有城市 990000：");
    check("", "区划表中没有城市 ：");
    check("370000", "370000（山东省）是省级区划，不是城市");
    check("810000", "810000（香港特别行政区）是省级区划，不是城市");
    for (code, city) in [
        ("370102", "370102（历下区）是区县，不是城市"),
        ("310115", "310115（浦东新区）是区县，不是城市"),
        ("370124", "370124（平阴县）是区县，不是城市"),
    ] {
        check(code, city);
    }
    let fault = DivisionTable::builtin()
        .city("370124")
        .expect_err("a county");
    assert!(
        fault.to_string().ends_with("，如 370100（济南市）"),
        "{fault}"
    );
    // a county right under its province lies in no city
    let fault = DivisionTable::builtin()
        .city("469021")
        .expect_err("a county");
    assert!(fault.to_string().ends_with("区划代码"), "{fault}");
}

#[test]
fn names_lead_to_districts() {
    check_names(
        "310000",
        &[
            ("浦东", "310115"),
            ("浦东新区", "310115"),
            ("上海市浦东新区", "310115"),
            ("上海浦东", "310115"),
            ("闸北", "310106"),
            ("卢湾区", "310101"),
            ("崇明", "310151"),
            (" 崇明县 ", "310151"),
            ("自贸区", "None"),
            ("上海", "None"),
            ("上海市", "None"),
            ("N/A", "None"),
            ("", "None"),
            ("200(万美元)", "None"),
            ("济南", "None"),
        ],
    );
    check_names(
        "140200",
        &[("城区", "140213"), ("城", "None"), ("云州", "140215")],
    );
    check_names("210200", &[("新金县", "210214"), ("旅顺口", "210212")]);
    check_names(
        "370100",
        &[("章丘", "370114"), ("莱城区", "370116"), ("莱芜", "370116")],
    );
    check_names("330782", &[("义乌县", "None"), ("婺城区", "None")]);
    check_names(
        "330100",
        &[
            ("江干", "330102"),
            ("下城区", "330105"),
            ("余杭", "330110"),
            ("临平", "330113"),
        ],
    );
    // a name before, under the same code
    check_names("210100", &[("东陵区", "210112"), ("浑南", "210112")]);
    // 江东 of Ningbo's past is not Jinhua's
    check_names("330200", &[("江东", "330212"), ("鄞县", "330212")]);
}

#[test]
fn a_name_in_force_goes_before_one_of_the_past_and_a_name_of_two_leads_to_none() {
    let text = "code,name,parent,valid_from,valid_to,successors,former_names\n\
        990000,某省,,,,,\n\
        990100,某市,990000,,,,\n\
        990102,东城区,990100,,,,旧名区\n\
        990103,西城区,990100,,,,\n\
        990104,东城县,990100,,,,\n\
        990121,西城县,990100,,2000,990102,\n\
        990122,郊区,990100,,2000,990102,\n\
        990123,南郊县,990100,,2000,990103,\n\
        990124,南郊区,990100,,2000,990102,\n\
        990125,某县,990100,,2000,990103,\n\
        990126,北县,990100,,2000,990121 990124,\n";
    let city = DivisionTable::from_csv(text)
        .expect("sound")
        .city("990100")
        .expect("a city");
    for (name, expected) in [
        ("东城区", "990102"),
        ("东城县", "990104"),
        ("东城", "Split"),
        ("西城", "990103"),
        ("西城县", "990102"),
        ("旧名", "990102"),
        ("某市旧名区", "990102"),
        ("郊区", "990102"),
        ("南郊", "Split"),
        ("南郊县", "990103"),
        ("某市", "None"),
        ("某县", "990103"),
    ] {
        let actual = city.place_of_name(name).map_or("None".to_owned(), told);
        assert_eq!(actual, expected, "{name}");
    }
    // split, and both parts have become the same
    assert_eq!(city.place_of_code("990126"), Place::District("990102"));
}

#[test]
fn a_code_that_had_ended_is_wrong_on_that_date() {
    let table = DivisionTable::builtin();
    for (code, last) in [("370181", 2016), ("140227", 2018), ("310119", 2009)] {
        let on = |year, month, day| table.resolve(code, CivilDate::new(year, month, day));
        assert!(
            matches!(on(last, 12, 31), Resolution::Succeeded { .. }),
            "{code} {last}"
        );
        assert!(
            matches!(on(last + 1, 1, 1), Resolution::Ended(_)),
            "{code} after {last}"
        );
    }
    let early = table.resolve("310115", CivilDate::new(1980, 1, 1));
    assert!(matches!(early, Resolution::Current(_)));
    assert_eq!(table.resolve("990101", None), Resolution::Unknown);
    assert!(matches!(
        table.resolve("130904", None),
        Resolution::Split(_)
    ));
    assert!(matches!(
        table.resolve("140211", None),
        Resolution::Split(_)
    ));
    let Resolution::Succeeded { was, now } = table.resolve("510224", None) else {
        panic!("one district has it");
    };
    assert_eq!((was.code.as_str(), now.code.as_str()), ("510224", "500157"));
}

const HEAD: &str = "code,name,parent,valid_from,valid_to,successors,former_names\n";

#[test]
fn unusable_tables_are_refused_with_line_and_column() {
    let many = "1 ".repeat(17);
    let long = "长".repeat(33);
    let under = DivisionTable::from_csv(&format!("{HEAD}890000,甲,,,,,\n")).expect("sound");
    for (rows, fault) in [
        (
            "31000,短,,,,,",
            "第 2 行「code」列：代码应为六位数字（31000）",
        ),
        (
            "31000a,短,,,,,",
            "第 2 行「code」列：代码应为六位数字（31000a）",
        ),
        ("990000,,,,,,", "第 2 行「name」列：名称为空或过长"),
        (
            &format!("990000,{long},,,,,"),
            "第 2 行「name」列：名称为空或过长",
        ),
        (
            "990000,甲,,,,,\n990000,乙,,,,,",
            "第 3 行「code」列：代码重复（990000，已见于第 2 行）",
        ),
        (
            "990100,甲,980000,,,,",
            "第 2 行「parent」列：上级代码不在表内（980000）",
        ),
        (
            "990100,甲,99,,,,",
            "第 2 行「parent」列：上级应为更高一级区划的六位代码（99）",
        ),
        (
            "990100,甲,990100,,,,",
            "第 2 行「parent」列：上级应为更高一级",
        ),
        (
            "990100,甲,990201,,,,",
            "第 2 行「parent」列：上级应为更高一级",
        ),
        (
            "990000,甲,,,,990001,",
            "第 2 行「successors」列：后继代码不在表内（990001）",
        ),
        (
            "990000,甲,,,,990000,",
            "第 2 行「successors」列：后继应为其他区划",
        ),
        (
            "990000,甲,,,,乙,",
            "第 2 行「successors」列：后继应为其他区划",
        ),
        (
            &format!("990000,甲,,,,{many},"),
            "第 2 行「successors」列：后继应为其他区划",
        ),
        (
            &format!("990000,甲,,,,,{long}"),
            "第 2 行「former_names」列：曾用名过多或过长",
        ),
        (
            "990000,甲,,x,,,",
            "第 2 行「valid_from」列：启用日期无法识别（x）",
        ),
        (
            "990000,甲,,,2010-13-01,,",
            "第 2 行「valid_to」列：停用日期无法识别（2010-13-01）",
        ),
        (
            "990000,甲,,2010,2009,,",
            "第 2 行「valid_to」列：停用早于启用（2009）",
        ),
        (
            "990000,甲,,,2009,990001,\n990001,乙,,,2010,990000,",
            "第 2 行「successors」列：后继关系成环或过长（990000）",
        ),
        ("990000,甲,,,,,\n990001,乙", "第 3 行：有 2 列，首行为 7 列"),
    ] {
        let text = format!("{HEAD}{rows}\n");
        let error = DivisionTable::from_csv(&text).expect_err(rows).to_string();
        assert!(error.starts_with(&format!("区划表{fault}")), "{error}");
        // the same on top of another table
        let error = under.with_csv(text.as_bytes()).expect_err(rows);
        assert!(
            error.to_string().starts_with(&format!("区划表{fault}")),
            "{error}"
        );
    }
    let sound = format!("{HEAD}990000,甲,,2010,2010,,\n990001,乙,990000,2010-01-01,,,丙 丁\n");
    assert_eq!(
        DivisionTable::from_csv(&sound).map(|t| t.rows.len()).ok(),
        Some(2)
    );
    let check = |file: &[u8], expected: &str| {
        let error = DivisionTable::builtin().with_csv(file).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(
        b"a,b\n1,2\n",
        "第 1 行：缺少「code」列，应有列为 code、name、",
    );
    check(b"", "第 1 行：缺少「code」列");
    check(b"code,name\n\n\xff\xfe", "第 3 行：不是 UTF-8 编码");
    check(&vec![b'1'; FILE_BYTES_MAX + 1], "区划表超过 4 MB");
    let rows = |count: u32| -> String {
        (0..count).fold(HEAD.to_owned(), |all, n| {
            all + &format!("{:06},甲,,,,,\n", n + 1)
        })
    };
    assert!(DivisionTable::from_csv(&rows(50_000)).is_ok());
    let error = DivisionTable::from_csv(&rows(50_001)).expect_err("too many");
    assert_eq!(error.to_string(), "区划表超过 50000 行");
    // 43,000 rows fit, but not on top of the country
    let error = DivisionTable::builtin().with_csv(rows(49_999).as_bytes());
    assert!(matches!(error, Err(DivisionFault::TooLong)));
    // a byte order mark, columns in another order, and one that nobody knows
    let text = "\u{feff}name,code,valid_to,valid_from,successors,parent,note\n甲,990000,,,,,x\n";
    let table = DivisionTable::from_csv(text).expect("sound");
    assert_eq!(table.get("990000").map(|row| row.name.as_str()), Some("甲"));
}

#[test]
fn chains_of_successors_are_bounded() {
    let chain = |steps: u32| -> String {
        (1..=steps).fold(HEAD.to_owned(), |all, n| {
            let next = if n < steps {
                format!("99010{}", n + 1)
            } else {
                String::new()
            };
            all + &format!(
                "99010{n},甲,,,{},{next},\n",
                if n < steps { "2000" } else { "" }
            )
        })
    };
    let table = DivisionTable::from_csv(&chain(9)).expect("eight steps");
    assert!(
        matches!(table.resolve("990101", None), Resolution::Succeeded { now, .. } if now.code == "990109")
    );
    assert!(
        DivisionTable::from_csv(
            &chain(9).replace("990109,甲,,,,,", "990109,甲,,,,990110,\n990110,甲,,,,,")
        )
        .is_err()
    );
    // a web of splits that leads back into itself costs no more than its bound
    let web = (1..=9).fold(HEAD.to_owned(), |all, n| {
        let others: Vec<String> = (1..=9)
            .filter(|m| *m != n)
            .map(|m| format!("99010{m}"))
            .collect();
        all + &format!("99010{n},甲,,,2000,{},\n", others.join(" "))
    });
    let table = DivisionTable::from_csv(&web).expect("no chain");
    assert!(matches!(
        table.resolve("990101", None),
        Resolution::Split(_)
    ));
}

#[test]
fn rows_of_an_installation_are_added_or_put_in_place() {
    let own = format!(
        "{HEAD}370171,济南高新技术产业开发区,370100,,,370112,高新区\n370124,平阴区,370100,2027,,,平阴县\n990000,某省,,,,,\n990100,某市,990000,,,,\n990102,某区,990100,,,,\n"
    );
    let table = DivisionTable::builtin()
        .with_csv(own.as_bytes())
        .expect("sound");
    let city = table.city("370100").expect("a city");
    assert_eq!(told(city.place_of_code("370171")), "370112");
    assert_eq!(
        city.place_of_name("高新区").map(told),
        Some("370112".to_owned())
    );
    assert_eq!(city.region_name("370124"), Some("平阴区"));
    assert_eq!(city.districts.len(), 12);
    assert_eq!(
        city.place_of_name("平阴县").map(told),
        Some("370124".to_owned())
    );
    assert_eq!(table.city("990100").map(|city| city.districts.len()), Ok(1));
    assert_eq!(table.rows.len(), DivisionTable::builtin().rows.len() + 4);
    // what lies underneath must still fit
    let bad = format!("{HEAD}370114,章丘区,370100,,2030,370181,\n");
    let error = DivisionTable::builtin()
        .with_csv(bad.as_bytes())
        .expect_err("a circle");
    assert!(error.to_string().contains("后继关系成环或过长"), "{error}");
}
