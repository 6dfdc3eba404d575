//! The code as people type it.

use protocol::admission::code::{Code, CodeError, EncodeError};
use protocol::admission::{same, secret_hash};
use protocol::hash::{Hash, Ref};
use protocol::name::SeatId;
use protocol::statement::SeatKind;

fn sample() -> Code {
    let authority = Ref::of(Hash(std::array::from_fn(|n| n as u8 * 7)));
    let issuer = SeatId(std::array::from_fn(|n| n as u8 + 200));
    let secret = std::array::from_fn(|n| 255 - n as u8);
    Code::new(
        SeatKind::Department,
        1_800_000_000,
        secret,
        &authority,
        &issuer,
        "10.8.0.12:4433",
    )
}

fn text() -> String {
    sample().encode().expect("encoding")
}

/// A code of other content than any that is encoded, by its bytes behind the length.
fn of_content(content: &[u8], padding: u32) -> String {
    let length = content.len() as u8 + 1;
    of_bytes(&[&[length], content].concat(), padding)
}

fn of_bytes(bytes: &[u8], padding: u32) -> String {
    let (mut groups, mut bits, mut held) = (Vec::new(), 0u64, 0);
    for byte in bytes {
        (bits, held) = (bits << 8 | u64::from(*byte), held + 8);
        if held >= 25 {
            held -= 25;
            groups.push((bits >> held) as u32);
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        groups.push((bits << (25 - held)) as u32 | padding);
    }
    const PRIME: u64 = 33_554_393;
    let (mut plain, mut weighted) = (groups.len() as u64, groups.len() as u64);
    for (at, group) in groups.iter().enumerate() {
        plain += u64::from(*group);
        weighted += u64::from(*group) * (at as u64 + 1);
    }
    groups.extend([(plain % PRIME) as u32, (weighted % PRIME) as u32]);
    let alphabet = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut text = "ZH2".to_owned();
    for group in groups {
        text.push('-');
        for at in (0..5).rev() {
            text.push(char::from(alphabet[(group >> (5 * at)) as usize & 31]));
        }
    }
    text
}

/// The sample's bytes behind the length.
fn content() -> Vec<u8> {
    let code = sample();
    let mut bytes = vec![3];
    bytes.extend_from_slice(&code.expires_s.to_be_bytes());
    bytes.extend_from_slice(&code.secret);
    bytes.push(1);
    bytes.extend_from_slice(&code.authority);
    bytes.extend_from_slice(&code.issuer);
    bytes.push(code.address.len() as u8);
    bytes.extend_from_slice(code.address.as_bytes());
    bytes
}

#[track_caller]
fn check(typed: &str, expected: Result<Code, CodeError>) {
    assert_eq!(Code::parse(typed), expected, "{typed}");
}

#[test]
fn a_code_reads_back_however_it_is_typed() {
    let (code, text) = (sample(), text());
    assert_eq!(text, of_content(&content(), 0), "the layout");
    assert!(text.starts_with("ZH2-"));
    assert_eq!(text.matches('-').count(), 20, "{text}");
    let wide: String = text
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xfee0).expect("full width"))
        .collect();
    let confused = text[4..].replace('0', "o").replace('1', "l");
    let capital = text[4..].replace('0', "O").replace('1', "I");
    for typed in [
        text.clone(),
        text.to_lowercase(),
        format!("  {} \n", text.replace('-', " ")),
        format!("ZH2-{}", text[4..].replace('-', "")),
        format!("ZH2 {}", text[4..].replace('-', "--")),
        text.replace('-', "—"),
        text.replace('-', "\u{2010}"),
        text.replace('-', "\u{2212}"),
        text.replace('-', "－"),
        text.replace('-', "一"),
        wide,
        format!("zh2-{confused}"),
        format!("zh2-{capital}"),
    ] {
        check(&typed, Ok(code.clone()));
    }
    let district = Code {
        kind: SeatKind::District,
        address: "a:1".into(),
        expires_s: 0,
        ..code
    };
    check(&district.encode().expect("encoding"), Ok(district));
}

#[test]
fn the_greatest_code_and_the_least_read_back() {
    for (address, groups) in [
        ("a:1".to_owned(), 17),
        // whose bytes fill the last group
        ("abcdef:1".to_owned(), 18),
        (format!("{}:65535", "a".repeat(58)), 36),
        ("[2001:db8::1]:4433".to_owned(), 22),
    ] {
        let code = Code {
            address,
            ..sample()
        };
        let text = code.encode().expect("encoding");
        assert_eq!(text.matches('-').count(), groups, "{text}");
        check(&text, Ok(code));
    }
}

#[test]
fn a_code_tells_nothing_to_a_log() {
    let shown = format!("{:?}", sample());
    assert!(
        shown.contains("10.8.0.12:4433") && shown.contains("Department"),
        "{shown}"
    );
    assert!(!shown.contains("255") && !shown.contains("254"), "{shown}");
}

#[test]
fn a_code_names_its_authority_its_issuer_and_its_end() {
    let code = sample();
    let mut hash: [u8; 32] = std::array::from_fn(|n| n as u8 * 7);
    assert!(code.names_authority(&Ref::of(Hash(hash))));
    hash[31] ^= 1;
    assert!(code.names_authority(&Ref::of(Hash(hash))), "20 bytes of it");
    hash[19] ^= 1;
    assert!(!code.names_authority(&Ref::of(Hash(hash))));
    hash[19] ^= 1;
    let of_another_suite = Ref {
        suite: 2,
        hash: Hash(hash),
    };
    assert!(!code.names_authority(&of_another_suite));
    let mut seat = [200, 201, 202, 203, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    assert!(code.names_issuer(&SeatId(seat)));
    seat[3] ^= 1;
    assert!(!code.names_issuer(&SeatId(seat)));
    assert!(code.has_expired(1_800_000_001) && !code.has_expired(1_800_000_000));
    assert!(!code.has_expired(-5));
}

#[test]
fn what_no_code_can_say_is_not_encoded() {
    for (address, good) in [
        ("", false),
        ("host", false),
        ("host:", false),
        (":4433", false),
        ("host:0", false),
        ("host:65536", false),
        ("host:+1", false),
        ("host:44x", false),
        ("ho st:4433", false),
        ("主机:4433", false),
        ("host:4433\n", false),
        (&format!("{}:4433", "a".repeat(59)), true),
        (&format!("{}:4433", "a".repeat(60)), false),
    ] {
        let code = Code {
            address: address.into(),
            ..sample()
        };
        let expected = match good {
            true => Ok(()),
            false => Err(EncodeError::Address),
        };
        assert_eq!(code.encode().map(|_| ()), expected, "{address}");
    }
    let of_city = Code {
        kind: SeatKind::City,
        ..sample()
    };
    assert_eq!(of_city.encode(), Err(EncodeError::City));
}

#[test]
fn content_that_means_nothing_is_told_as_such() {
    let edited = |edit: fn(&mut Vec<u8>)| {
        let mut content = content();
        edit(&mut content);
        of_content(&content, 0)
    };
    let refused = |edit, expected| check(&edited(edit), Err(expected));
    check(&edited(|_| {}), Ok(sample()));
    refused(|c| c[0] = 0, CodeError::Content);
    refused(|c| c[0] = 4, CodeError::Content);
    refused(|c| c[0] = 1, CodeError::City);
    refused(|c| c[15] = 2, CodeError::Suite(2));
    refused(|c| c[15] = 0, CodeError::Suite(0));
    refused(
        |c| {
            c.pop();
        },
        CodeError::Content,
    );
    refused(|c| c.push(b'1'), CodeError::Content);
    refused(|c| c[40] -= 1, CodeError::Content);
    refused(|c| c[41] = b' ', CodeError::Content);
    refused(
        |c| *c.last_mut().expect("a port") = b'x',
        CodeError::Content,
    );
    refused(Vec::clear, CodeError::Content);
    // what fills the last group is zero
    let mut longer = content();
    longer[40] += 1;
    longer.insert(41, b'1');
    check(
        &of_content(&longer, 0),
        Ok(Code {
            address: "110.8.0.12:4433".into(),
            ..sample()
        }),
    );
    for padding in [1, 1 << 5, 1 << 18] {
        check(&of_content(&longer, padding), Err(CodeError::Content));
    }
}

#[test]
fn every_single_mistake_is_found_and_its_group_named() {
    let text = text();
    for at in 4..text.len() {
        if text.as_bytes()[at] == b'-' {
            continue;
        }
        let group = 1 + (at - 4) / 6;
        for other in ['Z', '2', 'X'] {
            let wrong: String = text
                .char_indices()
                .map(|(here, c)| if here == at { other } else { c })
                .collect();
            if wrong == text {
                continue;
            }
            let typed = wrong[4 + 6 * (group - 1)..][..5].to_owned();
            check(&wrong, Err(CodeError::Mistyped { group, text: typed }));
        }
    }
}

#[test]
fn two_groups_that_are_swapped_are_named() {
    let text = text();
    let parts: Vec<&str> = text.split('-').collect();
    let data = parts.len() - 1 - 2;
    for first in 1..=data {
        for second in first + 1..=data {
            let mut swapped = parts.clone();
            swapped.swap(first, second);
            if swapped == parts {
                continue;
            }
            check(
                &swapped.join("-"),
                Err(CodeError::Swapped { first, second }),
            );
        }
    }
}

#[test]
fn other_mistakes_are_named_as_far_as_can_be_known() {
    let text = text();
    let parts: Vec<&str> = text.split('-').collect();
    let expected = parts.len() - 1;
    let join = |parts: &[&str]| parts.join("-");
    check("你好", Err(CodeError::Prefix));
    check("", Err(CodeError::Prefix));
    check("ZH", Err(CodeError::Prefix));
    check("ZHX-00000", Err(CodeError::Prefix));
    check("ZH+3-00000", Err(CodeError::Prefix));
    check("ZH02-00000", Err(CodeError::Prefix));
    check("ZH99999999999-00000", Err(CodeError::Prefix));
    let other = |number: &str| text.replacen("ZH2", number, 1);
    check(&other("ZH3"), Err(CodeError::Version("ZH3".into())));
    check(&other("zh12"), Err(CodeError::Version("ZH12".into())));
    check(&other("ZH1"), Err(CodeError::Outdated("ZH1".into())));
    check(&other("ZH0"), Err(CodeError::Outdated("ZH0".into())));
    for typed in ["ZH2", "ZH2-"] {
        let none = CodeError::Groups {
            expected: 3,
            found: 0,
        };
        check(typed, Err(none));
    }
    for found in 1..expected {
        let cut = CodeError::Groups { expected, found };
        check(&join(&parts[..=found]), Err(cut));
    }
    for missing in 2..=expected {
        let mut fewer = parts.clone();
        fewer.remove(missing);
        let count = CodeError::Groups {
            expected,
            found: expected - 1,
        };
        check(&join(&fewer), Err(count));
    }
    let mut more = parts.clone();
    more.insert(3, "7X7X7");
    let count = CodeError::Groups {
        expected,
        found: expected + 1,
    };
    check(&join(&more), Err(count));
    // right by itself, and of another length than it says
    for (length, expected) in [(0, 2), (40, 15), (62, 22), (255, 84)] {
        let bytes = [&[length], &content()[..]].concat();
        let count = CodeError::Groups {
            expected,
            found: 20,
        };
        check(&of_bytes(&bytes, 0), Err(count));
    }
    let mut letters = parts.clone();
    letters[3] = &parts[3][1..];
    check(
        &join(&letters),
        Err(CodeError::Group {
            group: 3,
            letters: 4,
        }),
    );
    let longer = format!("{}A", parts[3]);
    letters[3] = &longer;
    check(
        &join(&letters),
        Err(CodeError::Group {
            group: 3,
            letters: 6,
        }),
    );
    for letter in ['*', 'U', 'é'] {
        let odd = format!("AB{letter}DE");
        let mut letters = parts.clone();
        letters[2] = &odd;
        check(&join(&letters), Err(CodeError::Letter { group: 2, letter }));
    }
    let mut two = parts.clone();
    (two[4], two[9]) = ("ZZZZZ", "00001");
    check(&join(&two), Err(CodeError::MistypedMore));
    // more groups than any code has: nothing is worked out
    let endless = format!("ZH2{}", "-00000".repeat(37));
    check(
        &endless,
        Err(CodeError::Groups {
            expected: 36,
            found: 37,
        }),
    );
    for zeros in 1..=36 {
        let zeros = format!("ZH2{}", "-00000".repeat(zeros));
        assert!(Code::parse(&zeros).is_err());
    }
}

/// A mistake in the first group, which says how long the code is, is told as what it is.
#[test]
fn a_mistake_in_the_length_is_not_told_as_missing_groups() {
    let text = text();
    for letter in ['0', '8', 'Z'] {
        let wrong = format!("ZH2-{letter}{}", &text[5..]);
        let typed = wrong[4..9].to_owned();
        let mistyped = CodeError::Mistyped {
            group: 1,
            text: typed,
        };
        check(&wrong, Err(mistyped));
    }
}

#[test]
fn every_fault_has_words() {
    for fault in [
        CodeError::Prefix,
        CodeError::Suite(2),
        CodeError::City,
        CodeError::Content,
    ] {
        assert!(!fault.to_string().is_ascii(), "{fault}");
    }
}

#[test]
fn secrets_are_kept_as_hashes_and_compared_whole() {
    let hash = secret_hash(&[7; 10]);
    assert_eq!(hash, protocol::hash::sha256(&[&[7; 10]]));
    assert!(same(&hash, &hash));
    for edit in [
        |h: &mut Hash| h.0[0] ^= 1,
        |h: &mut Hash| h.0[31] ^= 0x80,
        // two that cancel each other out
        |h: &mut Hash| {
            h.0[3] ^= 1;
            h.0[4] ^= 1;
        },
    ] {
        let mut other = hash;
        edit(&mut other);
        assert!(!same(&hash, &other) && !same(&other, &hash));
    }
}
