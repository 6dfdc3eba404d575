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
    let structure = |code: &str, expected: &str| {
        let fault = Uscc::parse(code).expect_err(code);
        assert!(matches!(fault, UsccFault::Structure { .. }), "{code}");
        assert_eq!(fault.to_string(), expected);
    };
    let authority = "不是登记管理部门代码（1 至 9、A、N、Y）";
    structure("B1110000600037341L", &format!("第 1 位「B」{authority}"));
    structure("01110000600037341L", &format!("第 1 位「0」{authority}"));
    let category = "不是机构类别代码（1 至 9）";
    structure("90110000600037341L", &format!("第 2 位「0」{category}"));
    structure("9A110000600037341L", &format!("第 2 位「A」{category}"));
    let division = "不是数字（第 3 至 8 位为登记机关行政区划）";
    structure("91A10000600037341L", &format!("第 3 位「A」{division}"));
    structure("9111000A600037341L", &format!("第 8 位「A」{division}"));
    for placeholder in [
        "11111111111111111X",
        "911111111111111111",
        "12345678901234567X",
        "91310115000000000Y",
    ] {
        check(placeholder, "是占位数字，不是真实代码");
    }
    check("91110000600037341中", "第 18 位「中」不是代码允许的字符");
    check("9111000060003734.L", "第 17 位「.」不是代码允许的字符");
    check("一二三四五六", "长度应为 18 位，实为 6 位");
    // fifteen bytes, five characters
    check("一二三四五", "长度应为 18 位，实为 5 位");
    check("ABCDEFGHJKLMN", "长度应为 18 位，实为 13 位");
    check("沪字号", "长度应为 18 位，实为 3 位");
    check("第一分局", "长度应为 18 位，实为 4 位");
    // three three-byte characters and nine letters: eighteen bytes, not eighteen characters
    check("无代码", "长度应为 18 位，实为 3 位");
    check("911100006中国人", "长度应为 18 位，实为 12 位");
}

#[test]
fn letters_that_a_code_leaves_out_are_reread_if_everything_then_fits() {
    let reread = |code: &str, position: usize, found: char, guess: Option<&str>| {
        let guess = guess.map_or(String::new(), |g| format!("，疑应为 {g}"));
        check(
            code,
            &format!("第 {position} 位「{found}」不是代码允许的字符{guess}"),
        );
    };
    let pudong = Some("91310115MA1K3BTP2B");
    reread("9131O115MA1K3BTP2B", 5, 'O', pudong);
    reread("913I0115MA1K3BTP2B", 4, 'I', pudong);
    reread("91310115MA1K3BTPZB", 17, 'Z', pudong);
    reread("9131011SMA1K3BTP2B", 8, 'S', pudong);
    reread("9I3IOIISMAIK3BTPZB", 2, 'I', pudong);
    reread("92340603MA2PBMCG0V", 18, 'V', Some("92340603MA2PBMCG0U"));
    // everything but the check character, everything but the inner one, letters where digits belong
    reread("9131O115MA1K3BTP2C", 5, 'O', None);
    reread("9131O115MA1K3BTP3B", 5, 'O', None);
    reread("91Y1O115MA1K3BTP2B", 5, 'O', None);
    reread("9131011.MA1K3BTPZB", 8, '.', None);
    // 39 is no province: right in every other respect
    let elsewhere = completed("91390100MA1K3BTP2");
    assert!(Uscc::parse(&elsewhere).is_ok());
    let at = elsewhere.find('0').expect("it has one");
    reread(&elsewhere.replacen('0', "O", 1), at + 1, 'O', None);
}

/// Seventeen characters with their check character, worked out without the code that is tested.
fn completed(seventeen: &str) -> String {
    ALPHABET
        .chars()
        .map(|last| format!("{seventeen}{last}"))
        .find(|code| outer_fits(code))
        .expect("one character fits")
}

const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

fn outer_fits(code: &str) -> bool {
    let values: Vec<usize> = code
        .chars()
        .map(|c| ALPHABET.find(c).expect("of the alphabet"))
        .collect();
    let mut weight = 1;
    let mut sum = 0;
    for value in &values[..17] {
        sum += value * weight;
        weight = weight * 3 % 31;
    }
    (sum + values[17]).is_multiple_of(31)
}

/// Whether a code that fits may be suggested: a valid one, of a known kind and province, whose inner check fits.
fn may_be_suggested(code: &str) -> bool {
    const PROVINCES: &str = "10 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82";
    outer_fits(code)
        && Uscc::parse(code).is_ok_and(|c| c.inner_check_fits() && c.category_is_known())
        && PROVINCES.split(' ').any(|p| code[2..4] == *p)
}

#[test]
fn one_correction_is_suggested_if_it_is_the_only_one() {
    let mut suggested = 0;
    for right in [
        "91310115MA1K3BTP2B",
        "9144030071526726XG",
        "51610700305332460K",
        "A1110000600037341K",
        &completed("91710000600037341"),
        &completed("91650100MA1K3BTP2"),
        // zeros for an organisation pass its own check: a placeholder is never suggested
        &completed("91310115000000000"),
    ] {
        for at in 0..18 {
            for step in [1, 7, 13] {
                let was = ALPHABET.find(&right[at..=at]).expect("of the alphabet");
                let wrong = &ALPHABET[(was + step) % 31..][..1];
                let wrong = format!("{}{wrong}{}", &right[..at], &right[at + 1..]);
                let guess = match Uscc::parse(&wrong) {
                    Err(UsccFault::CheckCharacter { guess, expected }) => {
                        assert_eq!(completed(&wrong[..17]).chars().last(), Some(expected));
                        guess
                    }
                    _ => continue,
                };
                let mut fitting = Vec::new();
                for (place, there) in wrong.char_indices() {
                    for character in ALPHABET.chars().filter(|c| *c != there) {
                        let kind = character.is_ascii_digit() == there.is_ascii_digit();
                        let candidate =
                            format!("{}{character}{}", &wrong[..place], &wrong[place + 1..]);
                        if (place >= 16 || kind) && may_be_suggested(&candidate) {
                            fitting.push((place + 1, character, candidate));
                        }
                    }
                }
                let expected = match fitting.as_slice() {
                    [one] => Some(one.clone()),
                    _ => None,
                };
                let guess = guess.map(|g| (g.position, g.character, g.code.to_string()));
                assert_eq!(guess, expected, "{wrong} of {right}: {fitting:?}");
                suggested += usize::from(guess.is_some());
            }
        }
    }
    assert!(suggested > 30, "{suggested}");
}

#[test]
fn categories_of_the_published_table() {
    let table = [
        ('1', "1239"),
        ('2', "19"),
        ('3', "123459"),
        ('4', "19"),
        ('5', "1239"),
        ('6', "129"),
        ('7', "129"),
        ('8', "19"),
        ('9', "123"),
        ('A', "19"),
        ('N', "1239"),
        ('Y', "1"),
    ];
    for (authority, known) in table {
        for category in '1'..='9' {
            let code = completed(&format!("{authority}{category}310115MA1K3BTP2"));
            let code = Uscc::parse(&code).expect("valid");
            assert_eq!(code.category_is_known(), known.contains(category), "{code}");
            let individual = (authority, category) == ('9', '2');
            assert_eq!(code.is_individual(), individual, "{code}");
        }
    }
}

#[test]
fn parts_of_identifiers() {
    let code = Uscc::parse("91310115MA1K3BTP2B").expect("valid");
    assert_eq!(
        (code.as_str(), code.division(), code.organisation_code()),
        ("91310115MA1K3BTP2B", "310115", "MA1K3BTP2")
    );
    assert_eq!(
        format!("{code} {code:?}"),
        "91310115MA1K3BTP2B 91310115MA1K3BTP2B"
    );
    let organisation = OrganisationCode::from(code);
    assert_eq!(
        format!("{organisation} {organisation:?}"),
        "MA1K3BTP2 MA1K3BTP2"
    );
    assert_eq!(organisation.as_str(), "MA1K3BTP2");
    let number = RegistrationNumber::parse("310141000157096").expect("valid");
    assert_eq!(
        (number.as_str(), number.division()),
        ("310141000157096", "310141")
    );
    assert_eq!(
        format!("{number} {number:?}"),
        "310141000157096 310141000157096"
    );
    for text in ["110108600037341", "91110000600037341L"] {
        let number = TaxNumber::parse(text).expect("valid");
        assert_eq!(format!("{number} {number:?}"), format!("{text} {text}"));
    }
    // an inner check that fails is no fault of the code
    let odd = Uscc::parse(&completed("91310115MA1K3BTP3")).expect("valid");
    assert!(!odd.inner_check_fits());
    assert_eq!(OrganisationCode::from(odd).as_str(), "MA1K3BTP3");
}

#[test]
fn other_numbers_name_their_fault() {
    let organisation = |text: &str, expected: &str| {
        let fault = OrganisationCode::parse_clean(text).expect_err(text);
        assert_eq!(fault.to_string(), expected, "{text}");
    };
    organisation("", "未填写");
    organisation("6000373", "长度应为 9 位（不计连字符），实为 7 位");
    organisation("60003734A", "第 9 位「A」不是数字或大写字母");
    organisation("6000a7341", "第 5 位「a」不是数字或大写字母");
    organisation("12中3456", "第 3 位「中」不是数字或大写字母");
    organisation("111111111", "是占位数字，不是真实代码");
    organisation("00000000X", "是占位数字，不是真实代码");
    organisation("600037342", "校验位不符，如前 8 位无误，末位应为 1");
    organisation("L07196370", "校验位不符，如前 8 位无误，末位应为 9");
    organisation("D21435690", "校验位不符，如前 8 位无误，末位应为 X");
    organisation("MB1573661", "校验位不符，如前 8 位无误，末位应为 0");
    let registration = |text: &str, expected: &str| {
        let fault = RegistrationNumber::parse_clean(text).expect_err(text);
        assert_eq!(fault.to_string(), expected, "{text}");
    };
    registration("", "未填写");
    registration("企独浙总字第001号", "长度应为 15 位，实为 10 位");
    registration("31014100015709X", "第 15 位「X」不是数字");
    registration("310A41000157096", "第 4 位「A」不是数字");
    registration("310中410001570", "第 4 位「中」不是数字");
    registration("000000000000000", "是占位数字，不是真实注册号");
    registration("111111111111112", "是占位数字，不是真实注册号");
    registration("123456789012345", "是占位数字，不是真实注册号");
    registration("310141000157097", "校验位不符，如前 14 位无误，末位应为 6");
    let form = "应为 18 位统一社会信用代码或 15 位原税务登记号";
    let personal = "由公民身份号码构成，不作为主体标识";
    let tax = |text: &str, expected: &str| {
        let fault = TaxNumber::parse_clean(text).expect_err(text);
        assert_eq!(fault.to_string(), expected, "{text}");
    };
    tax("", "未填写");
    tax("11010519491231002X", personal);
    tax("110105194912310021", personal);
    tax("110105190001010021", personal);
    tax("110105209912310021", personal);
    tax("1101051949123100201X", personal);
    // a credit code with one wrong character is none
    tax("91110000600037341N", form);
    tax("11010519491231002Y", form);
    tax("1101051949123100AX", form);
    for date in [
        "18991231", "21000101", "19490031", "19491331", "19491200", "19491232",
    ] {
        tax(&format!("110105{date}0021"), form);
    }
    tax("A10108600037341", form);
    tax("110108600037342", form);
    tax("1234中56789012", form);
    tax("1101086000373", form);
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
        "9146\u{200B}0100\u{3000}MA5RCF3N4\u{2013}C",
        "统一社会信用代码:社会信用代码:91460100MA5RCF3N4C()(1/1)",
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
    check("330100200123A", "长度应为 18 位，实为 13 位");
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
    for text in [
        "上海某店",
        "上海 某店",
        "上海\u{3000}某店",
        "上海\u{200B}某店",
        "\u{FEFF}上海某店 ",
    ] {
        assert_eq!(normalise_name(text), "上海某店", "{text:?}");
    }
    assert_eq!(normalise_name("ABC店"), normalise_name("ａｂｃ店"));
    assert!(matches!(normalise_name("ABC店"), Cow::Borrowed(_)));
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
