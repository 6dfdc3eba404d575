//! Jurisdiction, links and the matching order, as data.

use super::matching::{Candidate, Clues, Match, Method, match_entity};
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
