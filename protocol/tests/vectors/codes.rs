//! Vectors of the join code as it is written, typed and mistyped.

use protocol::admission::code::Code;
use protocol::admission::secret_hash;
use protocol::hash::{Hash, Ref};
use protocol::name::SeatId;
use protocol::statement::SeatKind;

use crate::json::{Json, hex, list, number, object, text};
use crate::refused::{self};

fn code(kind: SeatKind, address: &str) -> Code {
    let authority = Ref::of(Hash(std::array::from_fn(|n| n as u8 * 7)));
    let issuer = SeatId(std::array::from_fn(|n| n as u8 + 200));
    let secret = std::array::from_fn(|n| 255 - n as u8);
    Code::new(kind, 1_800_000_000, secret, &authority, &issuer, address)
}

fn content(code: &Code) -> Vec<u8> {
    let address = code.address.as_bytes();
    let mut out = vec![0, code.kind as u8];
    out.extend(code.expires_s.to_be_bytes());
    out.extend(code.secret);
    out.push(1);
    out.extend(code.authority);
    out.extend(code.issuer);
    out.push(address.len() as u8);
    out.extend(address);
    out[0] = out.len() as u8;
    out
}

fn code_shown(code: &Code) -> Json {
    object([
        ("kind", number(code.kind as u8)),
        ("expires", number(code.expires_s)),
        ("secret", hex(code.secret)),
        ("secret_hash", hex(secret_hash(&code.secret).0)),
        ("suite", number(1u8)),
        ("authority", hex(code.authority)),
        ("issuer", hex(code.issuer)),
        ("address", text(&code.address)),
    ])
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const PRIME: u64 = 33_554_393;

/// A code of other bytes than any that is issued; `padding` fills up the last group.
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
    let (mut plain, mut weighted) = (groups.len() as u64, groups.len() as u64);
    for (at, group) in groups.iter().enumerate() {
        plain += u64::from(*group);
        weighted += u64::from(*group) * (at as u64 + 1);
    }
    groups.extend([(plain % PRIME) as u32, (weighted % PRIME) as u32]);
    written(&groups)
}

fn written(groups: &[u32]) -> String {
    let mut text = "ZH2".to_owned();
    for group in groups {
        text.push('-');
        for at in (0..5).rev() {
            text.push(char::from(ALPHABET[(group >> (5 * at)) as usize & 31]));
        }
    }
    text
}

pub fn codes_file() -> Json {
    let all = [
        code(SeatKind::Department, "10.8.0.12:4433"),
        code(SeatKind::District, "a:1"),
        code(SeatKind::Department, "[2001:db8::1]:65535"),
        code(
            SeatKind::District,
            "node-0123456789-0123456789-0123456789-0123456789.gov.cn:14433",
        ),
    ];
    let shown = |code: &Code| {
        let written = code.encode().expect("can be written");
        assert_eq!(Code::parse(&written).as_ref(), Ok(code));
        assert_eq!(of_bytes(&content(code), 0), written, "the layout");
        object([
            ("reads", code_shown(code)),
            ("content", hex(content(code))),
            ("code", text(written)),
        ])
    };
    let good = all[0].encode().expect("can be written");
    let wide: String = good
        .chars()
        .map(|c| char::from_u32(u32::from(c) + 0xfee0).expect("full width"))
        .collect();
    let typed = [
        good.to_lowercase(),
        format!("  {} \n", good.replace('-', " ")),
        format!("ZH2-{}", good[4..].replace('-', "")),
        format!("ZH2 {}", good[4..].replace('-', "--")),
        good.replace('-', "—"),
        good.replace('-', "\u{2212}"),
        good.replace('-', "一"),
        wide,
        format!("zh2-{}", good[4..].replace('0', "o").replace('1', "l")),
        format!("zh2-{}", good[4..].replace('0', "O").replace('1', "I")),
    ];
    for typed in &typed {
        assert_eq!(Code::parse(typed).as_ref(), Ok(&all[0]), "{typed}");
    }
    Json::Object(vec![
        ("codes", list(&all, shown)),
        (
            "typed",
            list(&typed, |typed| {
                object([("typed", text(typed)), ("code", text(&good))])
            }),
        ),
        ("mistyped", Json::List(mistyped(&all[0], &good))),
    ])
}

/// Texts that are no code: what, text. The words and groups are the library's.
fn mistyped(code: &Code, good: &str) -> Vec<Json> {
    let groups: Vec<&str> = good.split('-').skip(1).collect();
    let n = groups.len();
    let with = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        edit(&mut groups);
        format!("ZH2-{}", groups.join("-"))
    };
    let other = |group: &str| {
        let letter = if group.starts_with('7') { "8" } else { "7" };
        format!("{letter}{}", &group[1..])
    };
    let of = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = content(code);
        edit(&mut bytes);
        of_bytes(&bytes, 0)
    };
    // the address begins behind its length
    let address = content(code).len() - code.address.len();
    let with_address = |text: &str| {
        of(&|b: &mut Vec<u8>| {
            b.truncate(address);
            b[address - 1] = text.len() as u8;
            b.extend(text.as_bytes());
            b[0] = b.len() as u8;
        })
    };
    let cases: Vec<(&str, String)> = vec![
        ("nothing", String::new()),
        ("another word", "hello".into()),
        ("another prefix", good.replace("ZH2", "ZHX")),
        ("an earlier version", good.replace("ZH2", "ZH1")),
        ("a later version", good.replace("ZH2", "zh3")),
        ("a much later version", good.replace("ZH2", "ZH17")),
        ("only the prefix", "ZH2-".into()),
        ("only the checks", "ZH2-00000-00000".into()),
        ("zeros", "ZH2-00000-00000-00000".into()),
        ("37 groups", format!("ZH2{}", "-00000".repeat(37))),
        ("the letter U", with(&|g| g[2].replace_range(1..2, "U"))),
        (
            "a letter that is none",
            with(&|g| g[4].replace_range(0..1, "*")),
        ),
        (
            "a group of four letters",
            with(&|g| {
                g[3].pop();
            }),
        ),
        ("a group of six letters", with(&|g| g[5].push('0'))),
        (
            "a group is missing",
            with(&|g| {
                g.remove(4);
            }),
        ),
        ("a group too many", with(&|g| g.insert(4, "00000".into()))),
        ("the first group", with(&|g| g[0] = other(&g[0]))),
        ("a group", with(&|g| g[6] = other(&g[6]))),
        (
            "the last group of the content",
            with(&|g| g[n - 3] = other(&g[n - 3])),
        ),
        ("the first check", with(&|g| g[n - 2] = other(&g[n - 2]))),
        ("the second check", with(&|g| g[n - 1] = other(&g[n - 1]))),
        ("two groups swapped", with(&|g| g.swap(2, 9))),
        (
            "two groups",
            with(&|g| {
                g[1] = other(&g[1]);
                g[6] = other(&g[6]);
            }),
        ),
        ("kind 1", of(&|b| b[1] = 1)),
        ("kind 0", of(&|b| b[1] = 0)),
        ("kind 4", of(&|b| b[1] = 4)),
        ("suite 2", of(&|b| b[16] = 2)),
        ("a length beyond the bytes", of(&|b| b[0] += 1)),
        ("filling that is not zero", of_bytes(&content(code), 1)),
        ("an address without port", with_address("node")),
        ("an address without host", with_address(":443")),
        ("port 0", with_address("node:0")),
        ("port 65,536", with_address("node:65536")),
        ("an address with a space", with_address("a b:1")),
        ("an address that is not ASCII", with_address("节点:1")),
        ("no address", with_address("")),
        (
            "an address of 65 bytes",
            with_address(&format!("{}:1", "a".repeat(63))),
        ),
    ];
    let mut texts = std::collections::BTreeSet::new();
    cases
        .into_iter()
        .map(|(what, typed)| {
            let (word, group) = refused::of_code(&typed).unwrap_or_else(|| panic!("{what} reads"));
            assert!(texts.insert(typed.clone()), "{what} is there twice");
            object([
                ("what", text(what)),
                ("typed", text(typed)),
                ("reason", text(word)),
                ("group", number(group.unwrap_or(0) as u64)),
            ])
        })
        .collect()
}
