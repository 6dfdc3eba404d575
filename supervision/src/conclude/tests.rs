//! Jurisdiction, links and the matching order, as data.

use super::matching::{Candidate, Clues, Match, Method, is_comparable_name, match_entity};
use super::*;

fn check(city: &str, inputs: [Option<&str>; 3], year: Option<i16>, expected: &str) {
    let table = DivisionTable::builtin();
    let city = table.city(city).expect("the table has the city");
    let event = year.and_then(|y| CivilDate::new(y, 6, 1));
    let [domicile, area, code] = inputs;
    let j = jurisdiction(&city, &table, domicile, area, code, event);
    let mut actual = format!("{} {:?}", j.region, j.basis);
    if let Some(flag) = j.flagged {
        actual.push_str(&format!(" {flag:?}"));
    }
    assert_eq!(actual, expected, "{inputs:?} {year:?}");
}

const PUDONG: &str = "91310115MA1K3BTP2B";

#[test]
fn jurisdiction_follows_domicile_then_area_then_code() {
    let sh = "310000";
    check(
        sh,
        [Some("310104"), Some("嘉定"), Some(PUDONG)],
        None,
        "310104 Domicile",
    );
    check(
        sh,
        [Some("310104001002"), None, None],
        None,
        "310104 Domicile",
    );
    check(sh, [None, Some("嘉定"), Some(PUDONG)], None, "310114 Area");
    check(sh, [Some("N/A"), Some("310114"), None], None, "310114 Area");
    check(sh, [None, None, Some(PUDONG)], None, "310115 Registry");
    for nothing in ["自贸区", "N/A", "上海", ""] {
        check(
            sh,
            [None, Some(nothing), Some(PUDONG)],
            None,
            "310115 Registry",
        );
    }
    check(sh, [None, Some("闸北"), None], None, "310106 Area");
    check(
        sh,
        [None, None, Some("913102306308437")],
        None,
        "310000 Registry Foreign(\"913102\")",
    );
    check(
        sh,
        [None, None, Some("310141000157096")],
        None,
        "310000 Registry Unknown(\"310141\")",
    );
    check(
        sh,
        [None, None, Some("310000400311804")],
        None,
        "310000 Registry",
    );
    check(
        sh,
        [None, None, Some("321084000032743")],
        None,
        "310000 Registry Foreign(\"321084\")",
    );
    // no codes: a letter among six, nine bytes of which three are one character
    for text in ["31010x", "310104中", "31010", "3101040"] {
        check(sh, [Some(text), None, None], None, "310000 Nothing Nothing");
    }
    check(sh, [None, None, None], None, "310000 Nothing Nothing");
    check(
        sh,
        [None, None, Some("MA1K3BTP2")],
        None,
        "310000 Nothing Nothing",
    );
}

#[test]
fn ended_and_foreign_domiciles_go_to_the_next_step() {
    let jn = "370100";
    let code = Some("91370102MA3C0000XX");
    check(
        jn,
        [Some("370181"), None, code],
        Some(2015),
        "370114 Domicile",
    );
    check(
        jn,
        [Some("370181"), None, code],
        Some(2018),
        "370102 Registry",
    );
    check(
        jn,
        [Some("370181"), Some("历城"), code],
        Some(2018),
        "370112 Area",
    );
    check(
        jn,
        [Some("320100"), Some("历城"), None],
        None,
        "370112 Area Foreign(\"320100\")",
    );
    check(
        jn,
        [Some("320100"), None, None],
        None,
        "370100 Domicile Foreign(\"320100\")",
    );
    check(
        jn,
        [None, Some("济南"), Some("913712020000000000")],
        None,
        "370116 Registry",
    );
    check(
        "140200",
        [Some("140211"), None, None],
        Some(2010),
        "140200 Domicile Split(\"140211\")",
    );
    check(
        "330782",
        [None, None, Some("91330782MA00000000")],
        None,
        "330782 Registry",
    );
}

#[test]
fn the_five_cities_and_another_one_conclude_by_code_and_by_name() {
    for (city, district, name, other) in [
        ("140200", "140213", "平城区", "140302"),
        ("210200", "210214", "普兰店", "210302"),
        ("310000", "310115", "浦东新区", "320102"),
        ("370100", "370114", "章丘", "370202"),
        ("330100", "330110", "余杭区", "330205"),
    ] {
        let code = format!("91{district}MA00000000");
        let foreign = format!("91{other}MA00000000");
        check(
            city,
            [Some(district), None, None],
            None,
            &format!("{district} Domicile"),
        );
        check(
            city,
            [None, Some(name), None],
            None,
            &format!("{district} Area"),
        );
        check(
            city,
            [None, None, Some(&code)],
            None,
            &format!("{district} Registry"),
        );
        check(
            city,
            [None, None, Some(&foreign)],
            None,
            &format!("{city} Registry Foreign(\"{other}\")"),
        );
    }
    // a city without districts of its own has everything itself
    let yiwu = "330782";
    check(yiwu, [Some(yiwu), None, None], None, "330782 Domicile");
    check(
        yiwu,
        [None, Some("义乌"), None],
        None,
        "330782 Nothing Nothing",
    );
    check(
        yiwu,
        [None, None, Some("330725000012345")],
        None,
        "330782 Registry",
    );
    check(
        yiwu,
        [Some("330702"), None, None],
        None,
        "330782 Domicile Foreign(\"330702\")",
    );
    // ended, and nobody knows what became of it
    check(
        "130900",
        [None, None, Some("130904000012345")],
        None,
        "130900 Registry Split(\"130904\")",
    );
}

#[test]
fn flags_and_labels_are_plain_words() {
    for (flag, text) in [
        (Flag::Unknown("1".into()), "区划代码 1 不在区划表内"),
        (Flag::Foreign("2".into()), "区划代码 2 不属本市"),
        (
            Flag::Split("3".into()),
            "区划代码 3 已拆分或撤销，无法确定归属",
        ),
        (Flag::Nothing, "没有可用于确定归属的信息"),
    ] {
        assert_eq!(flag.to_string(), text);
    }
    for (basis, label) in [
        (Basis::Domicile, "住所行政区划"),
        (Basis::Area, "来源地区栏"),
        (Basis::Registry, "代码中的登记机关区划"),
        (Basis::Nothing, "无依据"),
    ] {
        assert_eq!(basis.label(), label);
    }
    for (method, label) in [
        (Method::Uscc, "统一社会信用代码一致"),
        (Method::RegistrationNumber, "注册号一致"),
        (Method::OrganisationCode, "组织机构代码一致"),
        (Method::TaxNumber, "税务登记号一致"),
        (Method::NameAndFact, "名称及其他事项一致"),
    ] {
        assert_eq!(method.label(), label);
    }
}

#[test]
fn what_may_be_compared() {
    for (name, comparable) in [
        ("阿三小店", true),
        ("阿三店", false),
        ("阿 三 店", false),
        ("上海*某有限公司", false),
        ("UNDEFINED", false),
        ("", false),
    ] {
        assert_eq!(is_comparable_name(name), comparable, "{name:?}");
    }
    assert!(is_comparable_number("310141000157096"));
    assert!(!is_comparable_number("310141000157097"));
}

#[test]
fn only_a_valid_code_links_by_itself() {
    let of = |s: Subject| link(&s);
    assert!(matches!(
        of(Subject::Uscc(PUDONG.into())),
        Link::ByItself(_)
    ));
    assert_eq!(
        of(Subject::Uscc("91310115MA1K3BTP2C".into())),
        Link::ToMatch
    );
    assert_eq!(
        of(Subject::RegistrationNumber("310141000157096".into())),
        Link::ToMatch
    );
    assert_eq!(
        of(Subject::NameOnly("上海某某有限公司".into())),
        Link::NameOnly
    );
    assert_eq!(of(Subject::None), Link::Not);
}

fn pudong<'a>() -> Candidate<'a> {
    Candidate {
        facts: Clues {
            uscc: Some(PUDONG),
            reg_no: Some("310141000157096"),
            name: Some("上海某某（集团）有限公司"),
            legal_rep: Some("张三"),
            address: Some("浦东大道1号"),
            registry: Some("310115"),
            ..Clues::default()
        },
        ..Candidate::default()
    }
}

fn check_match(clues: Clues<'_>, candidates: &[Candidate<'_>], expected: Match) {
    assert_eq!(match_entity(&clues, candidates), expected, "{clues:?}");
}

fn matched(method: Method, score: u8) -> Match {
    Match::Matched {
        candidate: 0,
        method,
        score,
    }
}

#[test]
fn the_matching_order() {
    let one = [pudong()];
    let none = Clues::default();
    let uscc = Clues {
        uscc: Some("91310115ma1k3btp2b"),
        ..none
    };
    check_match(uscc, &one, matched(Method::Uscc, 100));
    let reg_no = Clues {
        reg_no: Some("310141000157096"),
        ..none
    };
    check_match(reg_no, &one, matched(Method::RegistrationNumber, 95));
    let org_code = Clues {
        org_code: Some("MA1K3BTP-2"),
        ..none
    };
    check_match(org_code, &one, matched(Method::OrganisationCode, 90));
    let tax_no = Clues {
        tax_no: Some("310115MA1K3BTP2"),
        ..none
    };
    check_match(tax_no, &one, matched(Method::TaxNumber, 85));
    let named = Clues {
        name: Some("上海某某(集团)有限公司"),
        ..none
    };
    check_match(named, &one, Match::None);
    let with_person = Clues {
        legal_rep: Some("张三"),
        ..named
    };
    check_match(with_person, &one, matched(Method::NameAndFact, 60));
    check_match(
        with_person,
        &[pudong(), pudong()],
        Match::Several(vec![0, 1]),
    );
}

#[test]
fn guards_of_the_matching_order() {
    let none = Clues::default();
    // nothing equals nothing
    let bare = Candidate::default();
    check_match(none, &[bare], Match::None);
    let empty = Clues {
        reg_no: Some("N/A"),
        name: Some(""),
        ..none
    };
    let empty_too = Candidate {
        facts: empty,
        ..bare
    };
    check_match(empty, &[empty_too], Match::None);
    // an invalid number is no key
    let invalid = Clues {
        reg_no: Some("330100000001101"),
        ..none
    };
    check_match(
        invalid,
        &[Candidate {
            facts: invalid,
            ..bare
        }],
        Match::None,
    );
    // a contradicting code is stronger than an equal number
    let other = Clues {
        uscc: Some("91110000600037341L"),
        reg_no: Some("310141000157096"),
        ..none
    };
    check_match(other, &[pudong()], Match::None);
    // masked and short names
    for name in ["上海*某有限公司", "阿三店"] {
        let clues = Clues {
            name: Some(name),
            legal_rep: Some("张三"),
            ..none
        };
        check_match(
            clues,
            &[Candidate {
                facts: clues,
                ..bare
            }],
            Match::None,
        );
    }
    // a former name counts
    let former = ["上海旧名有限公司".to_owned()];
    let renamed = Candidate {
        former_names: &former,
        ..pudong()
    };
    let clues = Clues {
        name: Some("上海旧名有限公司"),
        legal_rep: Some("张三"),
        ..none
    };
    check_match(clues, &[renamed], matched(Method::NameAndFact, 60));
    // individual businesses of one name stay in their county
    let shop = Clues {
        name: Some("兴隆小吃店"),
        legal_rep: Some("李四"),
        registry: Some("310104"),
        ..none
    };
    let elsewhere = Candidate {
        facts: Clues {
            registry: Some("310115"),
            ..shop
        },
        individual: true,
        ..bare
    };
    check_match(shop, &[elsewhere], Match::None);
    let here = Candidate {
        facts: shop,
        individual: true,
        ..bare
    };
    check_match(shop, &[here, elsewhere], matched(Method::NameAndFact, 70));
}

#[test]
fn each_agreeing_fact_beside_the_name_counts() {
    let none = Clues::default();
    let named = Clues {
        name: Some("上海某某有限公司"),
        ..none
    };
    let facts = |legal_rep, address, registry| Clues {
        legal_rep,
        address,
        registry,
        ..named
    };
    let whole = facts(Some("张三"), Some("浦东大道1号"), Some("310115"));
    let entity = Candidate {
        facts: whole,
        ..Candidate::default()
    };
    let (legal_rep, address, registry) = (whole.legal_rep, whole.address, whole.registry);
    for (clues, score) in [
        (facts(None, None, None), None),
        (
            facts(Some("李四"), Some("浦东大道2号"), Some("310114")),
            None,
        ),
        (facts(legal_rep, None, None), Some(60)),
        (facts(None, address, None), Some(60)),
        (facts(None, None, registry), Some(60)),
        (facts(legal_rep, address, None), Some(70)),
        (facts(None, address, registry), Some(70)),
        (whole, Some(80)),
    ] {
        let expected = score.map_or(Match::None, |score| matched(Method::NameAndFact, score));
        check_match(clues, &[entity], expected);
    }
    // of an individual business the registry must agree, and one fact beside it
    let individual = Candidate {
        individual: true,
        ..entity
    };
    for (clues, score) in [
        (facts(None, None, registry), None),
        (facts(legal_rep, address, None), None),
        (facts(legal_rep, None, registry), Some(70)),
        (whole, Some(80)),
    ] {
        let expected = score.map_or(Match::None, |score| matched(Method::NameAndFact, score));
        check_match(clues, &[individual], expected);
    }
    // nothing and masked text agree with nothing, whoever has it
    for (a, b) in [
        ("N/A", "Ｎ/A"),
        ("Ｎ/A", "N/A"),
        ("张*", "张*"),
        ("N/A", "N/A"),
    ] {
        let candidate = Candidate {
            facts: facts(Some(b), None, None),
            ..Candidate::default()
        };
        check_match(facts(Some(a), None, None), &[candidate], Match::None);
    }
    // the name must be the same
    let other = Candidate {
        facts: Clues {
            name: Some("上海别的有限公司"),
            ..whole
        },
        ..Candidate::default()
    };
    check_match(whole, &[other], Match::None);
}

#[test]
fn the_best_match_counts_and_equals_go_to_a_person() {
    let clues = Clues {
        name: Some("上海某某有限公司"),
        legal_rep: Some("张三"),
        address: Some("浦东大道1号"),
        ..Clues::default()
    };
    let of = |facts| Candidate {
        facts,
        ..Candidate::default()
    };
    let (both, one) = (
        of(clues),
        of(Clues {
            address: None,
            ..clues
        }),
    );
    let at = |candidate, score| Match::Matched {
        candidate,
        method: Method::NameAndFact,
        score,
    };
    check_match(clues, &[one, both], at(1, 70));
    check_match(clues, &[both, one], at(0, 70));
    check_match(clues, &[one, both, both], Match::Several(vec![1, 2]));
    check_match(clues, &[one, one], Match::Several(vec![0, 1]));
    check_match(clues, &[], Match::None);
    // an equal name and fact do not outweigh another code, whichever number it is
    let code = Clues {
        uscc: Some(PUDONG),
        ..clues
    };
    let other = of(Clues {
        uscc: Some("91110000600037341L"),
        ..clues
    });
    check_match(code, &[other], Match::None);
    check_match(code, &[other, both], at(1, 70));
    let tax = Clues {
        tax_no: Some("110108600037341"),
        ..clues
    };
    check_match(tax, &[of(code)], Match::None);
    // an organisation code by itself, and several that fit a number
    let organisation = Clues {
        org_code: Some("MA1K3BTP2"),
        ..Clues::default()
    };
    check_match(
        organisation,
        &[of(organisation)],
        matched(Method::OrganisationCode, 90),
    );
    check_match(
        code,
        &[of(code), other, of(code)],
        Match::Several(vec![0, 2]),
    );
}
