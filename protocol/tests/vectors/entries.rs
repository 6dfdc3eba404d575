//! Vectors of what an entry consists of: values, keys, heads, openings, entries of built-in standards.

use protocol::entry::{
    Author, Cause, FurtherSubject, Head, Hint, Key, Operation, Subject, builtin,
};
use protocol::hash;
use protocol::name::Version;
use protocol::opening::{self, Closed, Opening, Section};
use protocol::value::{Attachment, CivilDate, CivilTime, Value};

use crate::json::{Json, hex, list, text};
use crate::sample;

fn put(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

fn shown(value: &Value) -> Json {
    let parts = match value {
        Value::Null => vec![text("null")],
        Value::Empty => vec![text("empty")],
        Value::Raw(b) => vec![text("raw"), hex(b)],
        Value::Text(s) => vec![text("text"), text(s)],
        Value::Integer(v) => vec![text("integer"), text(v.to_string())],
        Value::Decimal(s) => vec![text("decimal"), text(s)],
        Value::Date(d) => vec![text("date"), text(d.to_string())],
        Value::Time(t) => {
            let (h, m, s, micro) = t.clock();
            let clock = format!("{} {h:02}:{m:02}:{s:02}.{micro:06}", t.date());
            vec![text("time"), text(clock)]
        }
        Value::Instant(v) => vec![text("instant"), text(v.to_string())],
        Value::Attachment(a) => vec![
            text("attachment"),
            hex(a.hash.0),
            text(a.size.to_string()),
            text(&a.media_type),
            text(&a.name),
        ],
    };
    Json::List(parts)
}

fn date(year: i16, month: u8, day: u8) -> CivilDate {
    CivilDate::new(year, month, day).expect("a day of the calendar")
}

pub fn values() -> Json {
    let time = CivilTime::new(date(2025, 12, 31), 23, 59, 59, 999_999).expect("a time of day");
    let accepted = [
        Value::Null,
        Value::Empty,
        Value::Raw(b"2025-00-15".to_vec()),
        Value::from_text("a\0b"),
        Value::from_text("上海𠮷企业"),
        Value::Integer(0),
        Value::Integer(i64::MAX),
        Value::Integer(i64::MIN),
        Value::Decimal("-0012.500".into()),
        Value::Decimal("18446744073709551616".into()),
        Value::Date(date(2024, 2, 29)),
        Value::Date(date(1, 1, 1)),
        Value::Date(date(9999, 12, 31)),
        Value::Time(time),
        Value::Instant(sample::INSTANT),
        Value::Instant(-1),
        Value::Attachment(Attachment {
            hash: hash::sha256(&[b"blob"]),
            size: 4,
            media_type: "application/pdf".into(),
            name: "营业执照.pdf".into(),
        }),
    ];
    let refused: [(&str, &[u8]); 18] = [
        ("no tag", &[]),
        ("unknown tag", &[0]),
        ("unknown tag", &[11]),
        ("text without content", &[4, 0, 0, 0, 0]),
        ("text with U+0000", &[4, 0, 0, 0, 1, 0]),
        ("text that is not UTF-8", &[4, 0, 0, 0, 2, 0xc4, 0xcf]),
        ("surrogate in UTF-8", &[4, 0, 0, 0, 3, 0xed, 0xa0, 0x80]),
        ("text shorter than its length", &[4, 0, 0, 0, 2, b'a']),
        ("length beyond the bytes", &[3, 0xff, 0xff, 0xff, 0xff, 1]),
        ("integer of seven bytes", &[5, 0, 0, 0, 0, 0, 0, 0]),
        ("decimal with sign +", &[6, 2, b'+', b'1']),
        ("decimal without whole part", &[6, 2, b'.', b'5']),
        ("decimal without fraction", &[6, 2, b'5', b'.']),
        ("decimal infinity", &[6, 3, b'I', b'n', b'f']),
        ("day 2025-00-15", &[7, 0x07, 0xe9, 0, 15]),
        ("day 2025-02-29", &[7, 0x07, 0xe9, 2, 29]),
        ("year 0", &[7, 0, 0, 1, 1]),
        (
            "sixtieth second",
            &[8, 0x07, 0xe9, 1, 1, 0, 0, 60, 0, 0, 0, 0],
        ),
    ];
    Json::Object(vec![
        (
            "accepted",
            list(&accepted, |v| {
                Json::Object(vec![("reads", shown(v)), ("bytes", hex(put(v)))])
            }),
        ),
        (
            "refused",
            list(refused, |(why, bytes)| {
                Json::Object(vec![("why", text(why)), ("refused_bytes", hex(bytes))])
            }),
        ),
    ])
}

pub fn record_keys() -> Json {
    let code = Value::from_text("91310115MA1K000001");
    let long = Value::from_text("长".repeat(100));
    let secret = [0x77; 32];
    let person = Value::from_text("110101199003070019");
    let columns = |values: &[Value]| list(values, |v| hex(put(v)));
    let plain = |values: &[Value]| {
        Json::Object(vec![
            ("columns", columns(values)),
            ("key", hex(Key::columns(values).as_bytes())),
        ])
    };
    let personal = Json::Object(vec![
        ("columns", columns(std::slice::from_ref(&person))),
        ("secret", hex(secret)),
        (
            "key",
            hex(Key::personal(std::slice::from_ref(&person), &secret).as_bytes()),
        ),
    ]);
    Json::List(vec![
        plain(std::slice::from_ref(&code)),
        plain(&[code, Value::Integer(7), Value::Null]),
        plain(&[long]),
        personal,
    ])
}

fn hint_text(hint: &Hint) -> String {
    match hint {
        Hint::Unknown => "unknown".into(),
        Hint::Division(code) => format!("division {code}"),
        Hint::Region(id) => format!("region {id}"),
        Hint::Seats(seats) => seats
            .iter()
            .fold("seats".into(), |out, seat| format!("{out} {seat}")),
        Hint::CityWide => "city-wide".into(),
        Hint::Local => "local".into(),
    }
}

fn head_shown(head: &Head) -> Json {
    let version = |v: &Version| {
        Json::List(vec![
            Json::Number(v.epoch.into()),
            Json::Number(v.sequence),
            Json::Number(v.index.into()),
        ])
    };
    let operation = match &head.operation {
        Operation::State => "state".into(),
        Operation::Retract => "retract".into(),
        Operation::Restated {
            record_type,
            generation,
            count,
        } => format!("restated {record_type} {generation} {count}"),
    };
    let mut members = vec![
        ("hint", text(hint_text(&head.hint))),
        ("record_type", text(&head.record_type)),
        ("key", hex(head.key.as_bytes())),
        ("standard", text(&head.standard)),
        (
            "standard_version",
            Json::Number(head.standard_version.into()),
        ),
        ("operation", text(operation)),
        ("generation", Json::Number(head.generation.into())),
        ("subject", text(head.subject.tagged())),
        (
            "further",
            list(&head.further, |f| {
                Json::List(vec![text(&f.role), text(f.subject.tagged())])
            }),
        ),
    ];
    if let Some(subject) = &head.was.subject {
        members.push(("was_subject", text(subject.tagged())));
    }
    if let Some(hint) = &head.was.hint {
        members.push(("was_hint", text(hint_text(hint))));
    }
    if let Some(date) = head.event_date {
        members.push(("event_date", text(date.to_string())));
    }
    members.push(("source_position", hex(&head.source_position)));
    if let Some(a) = &head.author {
        members.push((
            "author",
            Json::List(vec![text(&a.account), text(&a.name), text(&a.department)]),
        ));
    }
    members.push((
        "cause",
        list(&head.cause, |c| {
            Json::List(vec![text(c.kind.to_string()), hex(c.reference.0)])
        }),
    ));
    if let Some(base) = &head.base {
        members.push(("base", version(base)));
    }
    Json::Object(members)
}

fn full_head() -> Head {
    let mut head = sample::registration_head(1, Hint::Division("310115".into()));
    head.generation = 3;
    head.further = vec![
        FurtherSubject {
            role: "legal-representative".into(),
            subject: Subject::Person {
                key_version: 1,
                pseudonym: hash::hmac(&[0x99; 32], b"110101199003070019").0,
            },
        },
        FurtherSubject {
            role: "branch-of".into(),
            subject: Subject::RegistrationNumber("310115000000017".into()),
        },
    ];
    head.was.subject = Some(Subject::NameOnly("示范贸易有限公司".into()));
    head.was.hint = Some(Hint::Division("310119".into()));
    head.author = Some(Author {
        account: "wangfang".into(),
        name: "王芳".into(),
        department: "登记科".into(),
    });
    head.cause = vec![
        Cause {
            kind: 1,
            reference: hash::sha256(&[b"intent"]),
        },
        Cause {
            kind: 3,
            reference: hash::sha256(&[b"refusal"]),
        },
    ];
    head.base = Some(Version {
        epoch: 1,
        sequence: 41,
        index: 999,
    });
    head
}

pub fn heads() -> Json {
    let mut retract = sample::registration_head(2, Hint::Unknown);
    retract.operation = Operation::Retract;
    retract.subject = Subject::OrganisationCode("MA1K00001".into());
    retract.event_date = None;
    let mut restated = sample::registration_head(3, Hint::CityWide);
    restated.key = Key::columns(&[Value::from_text("restated")]);
    restated.subject = Subject::None;
    restated.operation = Operation::Restated {
        record_type: "registration".into(),
        generation: 2,
        count: 96_763,
    };
    let mut seats = sample::registration_head(4, Hint::Seats(vec![sample::CITY, sample::DISTRICT]));
    seats.subject = Subject::TaxNumber("91310115MA1K0000X1".into());
    let region = sample::registration_head(5, Hint::Region("pilot-zone".into()));
    let local = sample::registration_head(6, Hint::Local);
    list(
        [full_head(), retract, restated, seats, region, local],
        |head| {
            Json::Object(vec![
                ("reads", head_shown(&head)),
                ("bytes", hex(sample::head_bytes(&head))),
            ])
        },
    )
}

fn sections_shown(opening: &Opening<'_>) -> Json {
    list(opening.sections(), |(number, section)| {
        let mut members = vec![("number", Json::Number((*number).into()))];
        match section {
            Section::Open { salt, bytes } => members.extend([
                ("salt", hex(salt)),
                ("bytes", hex(bytes)),
                ("commitment", hex(hash::section(*number, salt, bytes).0)),
            ]),
            Section::Closed { commitment, why } => members.extend([
                ("why", text(format!("{why:?}").to_lowercase())),
                ("commitment", hex(commitment.0)),
            ]),
        }
        Json::Object(members)
    })
}

fn opening_shown(what: &str, bytes: &[u8]) -> Json {
    let opening = Opening::from_bytes(bytes).expect("an opening of our own");
    Json::Object(vec![
        ("what", text(what)),
        ("opening", hex(bytes)),
        ("sections", sections_shown(&opening)),
        ("leaf", hex(opening.leaf().0)),
    ])
}

pub fn openings() -> Json {
    let sections: Vec<(u8, Vec<u8>)> = vec![
        (0, sample::head_bytes(&full_head())),
        (
            1,
            sample::section(&[
                (1, Value::from_text("91310115MA1K000001")),
                (2, Value::Empty),
            ]),
        ),
        (3, sample::section(&[(40, Value::Null)])),
        (
            15,
            sample::section(&[(500, Value::Integer(-1)), (501, Value::Raw(vec![0xff]))]),
        ),
    ];
    let leaf_salt = [0x5a; 16];
    let mut whole = Vec::new();
    opening::put_whole(
        &leaf_salt,
        sections.iter().map(|(n, b)| (*n, b.as_slice())),
        &mut whole,
    );
    let narrowed = |bytes: &[u8], keep, why| {
        Opening::from_bytes(bytes)
            .expect("an opening of our own")
            .narrowed(keep, why)
    };
    let public = narrowed(&whole, 0b11, Closed::Withheld);
    let erased = narrowed(&whole, 0x8001, Closed::Erased);
    let compacted = narrowed(&whole, 1, Closed::Compacted);
    let merged = Opening::from_bytes(&public)
        .expect("an opening of our own")
        .merged(&Opening::from_bytes(&erased).expect("an opening of our own"))
        .expect("one leaf");
    Json::Object(vec![
        ("leaf_salt", hex(leaf_salt)),
        (
            "openings",
            Json::List(vec![
                opening_shown("whole", &whole),
                opening_shown("only head and section 1, the rest withheld", &public),
                opening_shown("only head and section 15, the rest erased", &erased),
                opening_shown("only the head, the rest compacted", &compacted),
                opening_shown("the second and the third merged", &merged),
            ]),
        ),
    ])
}

fn builtin_entry(
    record_type: &str,
    subject: &Subject,
    key: &[Value],
    number: u8,
    fields: &[(u16, Value)],
) -> Json {
    let standard = format!("cn.{record_type}");
    let mut head = Head::state(record_type, Key::columns(key), standard, 1);
    head.subject = subject.clone();
    head.event_date = Some(date(2026, 1, 1));
    let head_bytes = sample::head_bytes(&head);
    let bytes = sample::section(fields);
    let mut whole = Vec::new();
    let both = [(0, head_bytes.as_slice()), (number, bytes.as_slice())];
    opening::put_whole(&[0x6b; 16], both.into_iter(), &mut whole);
    let leaf = Opening::from_bytes(&whole)
        .expect("an opening of our own")
        .leaf();
    Json::Object(vec![
        ("record_type", text(record_type)),
        ("head", head_shown(&head)),
        ("section", Json::Number(number.into())),
        (
            "fields",
            list(fields, |(n, v)| {
                Json::List(vec![Json::Number((*n).into()), shown(v)])
            }),
        ),
        ("opening", hex(&whole)),
        ("leaf", hex(leaf.0)),
    ])
}

/// One entry of each built-in standard; their fields stand in `supervision/standards`.
pub fn builtin_entries() -> Json {
    let subject = Subject::Uscc("91310115MA1K000001".into());
    let entity = Value::from_text(subject.tagged());
    let name_only = Subject::NameOnly("示范贸易有限公司".into());
    let source = Value::from_text(name_only.tagged());
    let from = Value::Date(date(2026, 1, 1));
    let refused = Key::columns(&[Value::from_text("91310115MA1K000009")]);
    let refused_hex = refused
        .as_bytes()
        .iter()
        .fold(String::new(), |out, b| format!("{out}{b:02x}"));
    let (record_type, refused_key) = (
        Value::from_text("registration"),
        Value::from_text(refused_hex),
    );
    Json::List(vec![
        builtin_entry(
            builtin::ASSIGNMENT,
            &subject,
            &[entity.clone(), from.clone()],
            2,
            &[
                (1, entity.clone()),
                (2, Value::from_text("310115")),
                (3, from.clone()),
                (4, Value::from_text("person")),
                (5, Value::Integer(1000)),
                (6, Value::from_text("住所在东区示范路8号")),
            ],
        ),
        builtin_entry(
            builtin::LINK,
            &subject,
            &[source.clone(), entity.clone()],
            2,
            &[
                (1, source),
                (2, entity),
                (3, Value::from_text("person")),
                (4, Value::Integer(950)),
                (5, from.clone()),
                (6, Value::from_text("名称与法定代表人一致")),
            ],
        ),
        builtin_entry(
            builtin::REFUSAL,
            &Subject::Uscc("91310115MA1K000009".into()),
            &[record_type.clone(), refused_key.clone()],
            3,
            &[
                (1, record_type),
                (2, refused_key),
                (3, Value::from_text("91310115MA1K000009")),
                (4, Value::from_text("R-USCC-02")),
                (5, Value::from_text("uscc")),
                (6, Value::from_text("cn.registration")),
                (7, Value::Integer(1)),
                (8, from),
            ],
        ),
    ])
}

/// Checks of our own on what the vectors say: values that must be refused are, sections of the sample can be read.
pub fn refusals_hold() {
    if let Json::Object(members) = values() {
        for (name, list) in members {
            let Json::List(items) = list else { continue };
            for item in items {
                let Json::Object(fields) = item else { continue };
                let Some((_, Json::Text(hex))) = fields.last() else {
                    continue;
                };
                let bytes: Vec<u8> = (0..hex.len() / 2)
                    .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex"))
                    .collect();
                let mut reader = protocol::bytes::Reader::new(&bytes, "vector");
                let reads = Value::read(&mut reader).is_ok() && reader.finish().is_ok();
                assert_eq!(reads, name == "accepted", "{name}: {hex}");
            }
        }
    }
}
