//! Published and constructed examples of every identifier, through one `check` per kind.

use proptest::prelude::*;

use super::organisation::{OrganisationCode, OrganisationFault};
use super::registration_number::RegistrationNumber;
use super::tax_number::TaxNumber;
use super::uscc::{Uscc, UsccFault};
use super::*;

fn check(text: &str, expected: &str) {
    let actual = match classify(text) {
        Identifier::Absent => "absent".to_owned(),
        Identifier::Uscc(c) => format!("uscc {c}"),
        Identifier::RegistrationNumber(n) => format!("reg {n}"),
        Identifier::OrganisationCode(c) => format!("org {c}"),
        Identifier::TaxNumber(n) => format!("tax {n}"),
        Identifier::OtherNumber(n) => format!("other {n}"),
        Identifier::Faulty(f) => f.to_string(),
    };
    assert_eq!(actual, expected, "{text:?}");
}

#[test]
fn valid_credit_codes() {
    for code in [
        "91110000600037341L",
        "121200004013590816",
        "9144030071526726XG",
        "91310115MA1K3BTP2B",
        "91340600MA2PBM9HXD",
        "92340603MA2PBMCG0U",
        "92510100MA61WJ3204",
        "91350100M000100Y43",
        "9152000071430580XT",
        "91310000741627329A",
        "91330203674737244W",
        "91620105L015101280",
        "51610700305332460K",
        "51100000500019541K",
        "52610500MJU60350X1",
        "11330283002982634F",
        "11991000010647510A",
        "121526004609138637",
        "52440111MJK9980480",
        "11330600MB1573660P",
        // authorities outside the digits
        "A1110000600037341K",
        "N2330782MA1B3N1N2Y",
        "Y1310000D2143569XY",
    ] {
        check(code, &format!("uscc {code}"));
        let parsed = Uscc::parse(code).expect("valid");
        assert!(parsed.category_is_known(), "{code}");
        assert!(
            matches!(normalise(code), Cow::Borrowed(_)),
            "clean text is not copied"
        );
    }
}

#[test]
fn faulty_credit_codes_name_the_fault() {
    check(
        "91110000600037341N",
        "校验位不符，如前 17 位无误，末位应为 L",
    );
    check("9111000060003IOZSV", "第 14 位「I」不是代码允许的字符");
    check("91110000600037341", "长度应为 18 位，实为 17 位");
    check(
        "91330424691289527K",
        "校验位不符，如前 17 位无误，末位应为 N",
    );
    check("A1110000600037341L", "校验位不符，末位应为 K");
    check("91310000132221035Y", "校验位不符，第 17 位疑应为 2");
    check("00000000000000000X", "是占位数字，不是真实代码");
    check("000000000000000000", "是占位数字，不是真实代码");
    check("123456789012345678", "是占位数字，不是真实代码");
    check("111111111111111111", "是占位数字，不是真实代码");
    check("B1110000600037341L", "第 1 位「B」不符合代码结构");
    check("9111000A600037341L", "第 8 位「A」不符合代码结构");
    check("一二三四五六", "长度应为 18 位，实为 6 位");
    // three three-byte characters and nine letters: eighteen bytes, not eighteen characters
    check("无代码", "长度应为 18 位，实为 3 位");
    check("911100006中国人", "长度应为 18 位，实为 12 位");
    check(
        "9131O115MA1K3BTP2B",
        "第 5 位「O」不是代码允许的字符，疑应为 91310115MA1K3BTP2B",
    );
}

#[test]
fn early_pilot_codes_fail_the_check() {
    for code in ["91350200M000000510", "91350128M00000019A"] {
        assert!(
            matches!(Uscc::parse(code), Err(UsccFault::CheckCharacter { .. })),
            "{code}"
        );
    }
}

#[test]
fn noise_is_stripped() {
    let clean = "uscc 91460100MA5RCF3N4C";
    for text in [
        "91460100ma5rcf3n4c",
        " 91460100MA5RCF3N4C\t",
        "9146 0100 MA5RCF3N 4C",
        "91460100-MA5RCF3N4-C",
        "９１４６０１００ＭＡ５ＲＣＦ３Ｎ４Ｃ",
        "统一社会信用代码：91460100MA5RCF3N4C",
        "91460100MA5RCF3N4C（1/1）",
        "91460100MA5RCF3N4C(1/1)",
        "91460100MA5RCF3N4C()",
        "\u{feff}91460100MA5RCF3N4C",
        "统一社会信用代码: 91460100MA5RCF3N4C （1/1）",
    ] {
        check(text, clean);
    }
    for nothing in [
        "",
        " ",
        "undefined",
        "\\N",
        "N/A",
        "n/a",
        "-",
        "暂无",
        "NULL",
        "null",
        "()",
    ] {
        check(nothing, "absent");
    }
}

#[test]
fn organisation_codes() {
    for (text, code) in [
        ("D2143569-X", "D2143569X"),
        ("60003734-1", "600037341"),
        ("40135908-1", "401359081"),
        ("67473724-4", "674737244"),
        ("L0719637-9", "L07196379"),
        ("MA1K3BTP-2", "MA1K3BTP2"),
        ("MA2PBM9H-X", "MA2PBM9HX"),
        ("MB157366-0", "MB1573660"),
        ("71093123-x", "71093123X"),
        ("742183213", "742183213"),
        ("74162732-9", "741627329"),
        ("34205044-6", "342050446"),
        ("MJK99804-8", "MJK998048"),
    ] {
        check(text, &format!("org {code}"));
    }
    for text in ["D2143569-1", "05825277-1", "60003734-2"] {
        assert!(
            matches!(
                OrganisationCode::parse(text),
                Err(OrganisationFault::CheckCharacter { .. })
            ),
            "{text}"
        );
    }
    let code = Uscc::parse("91110000600037341L").expect("valid");
    assert_eq!(code.organisation_code(), "600037341");
    assert!(code.inner_check_fits());
}

#[test]
fn registration_numbers() {
    for number in [
        "310141000157096",
        "310000400311804",
        "340000000056535",
        "330203000030639",
        "331000000033855",
        "330000000063296",
        "330200600002522",
        "330200400070010",
        "110108000000016",
        "330100000001102",
    ] {
        check(number, &format!("reg {number}"));
    }
    check("330100000001101", "other 330100000001101");
    check("330203000030638", "other 330203000030638");
    check("33021200019832", "长度应为 18 位，实为 14 位");
    check("企独浙总字第001234号", "other 企独浙总字第001234号");
    check("3301002001234", "other 3301002001234");
    assert_eq!(
        RegistrationNumber::parse("33021200019832")
            .expect_err("too short")
            .to_string(),
        "长度应为 15 位，实为 14 位"
    );
    assert!(RegistrationNumber::parse("000000000000000").is_err());
}

#[test]
fn tax_numbers() {
    let number = TaxNumber::parse("110108 60003734-1").expect("valid");
    assert_eq!(number.organisation_code().as_str(), "600037341");
    assert_eq!(number.to_string(), "110108600037341");
    let number = TaxNumber::parse("91110000600037341L").expect("valid");
    assert_eq!(number.organisation_code().as_str(), "600037341");
    assert!(TaxNumber::parse("110108600037342").is_err());
    assert!(TaxNumber::parse("11010519491231002X").is_err());
    check("11010860003734X", "长度应为 18 位，实为 15 位");
}

#[test]
fn names_are_compared_in_half_width() {
    assert_eq!(
        normalise_name("上海ａbc（中国） 有限公司"),
        "上海ABC(中国)有限公司"
    );
    assert!(matches!(normalise_name("𠮷野家"), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn any_text_is_classified(text in ".{0,40}") {
        classify(&text);
    }

    #[test]
    fn every_single_error_is_caught(at in 0usize..18, with in 0usize..31) {
        let code = "91310115MA1K3BTP2B";
        let mut wrong = code.as_bytes().to_vec();
        wrong[at] = b"0123456789ABCDEFGHJKLMNPQRTUWXY"[with];
        let wrong = String::from_utf8(wrong).expect("ASCII");
        prop_assert_eq!(Uscc::parse(&wrong).is_ok(), wrong == code);
    }
}
