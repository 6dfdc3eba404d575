//! Vectors of record types that the platform itself states: one entry of each.

use protocol::entry::{Author, Head, Hint, Key, Provenance, Subject, builtin};
use protocol::hash;
use protocol::id::{self, About, Case};
use protocol::opening::{self, Opening};
use protocol::value::Value;

use crate::entries::date;
use crate::heads::{fields_shown, head_shown};
use crate::json::{Json, hex, list, number, object, text};
use crate::sample;

type Fields = Vec<(u16, Value)>;

/// An entry: type, subject, key columns, sections.
struct Entry {
    record_type: &'static str,
    subject: Subject,
    key: Vec<Value>,
    hint: Hint,
    sections: Vec<(u8, Fields)>,
}

fn words(s: &str) -> Value {
    Value::from_text(s)
}

fn entry(record_type: &'static str, key: Vec<Value>, sections: Vec<(u8, Fields)>) -> Entry {
    Entry {
        record_type,
        subject: Subject::None,
        key,
        hint: Hint::CityWide,
        sections,
    }
}

pub fn builtin_entries() -> Json {
    Json::Object(vec![
        (
            "types",
            list(builtin::TYPES, |rule| {
                object([
                    ("record_type", text(rule.record_type)),
                    ("lane", number(rule.lane as u8)),
                    (
                        "stated_by",
                        text(format!("{:?}", rule.stated_by).to_lowercase()),
                    ),
                ])
            }),
        ),
        ("entries", list(all(), |e| shown(&e))),
    ])
}

fn shown(entry: &Entry) -> Json {
    let standard = match entry.record_type.strip_prefix(builtin::ACT_PREFIX) {
        Some(_) => "cn.case.notice".to_owned(),
        None => format!("cn.{}", entry.record_type),
    };
    let key = Key::columns(&entry.key);
    let mut head = Head::state(entry.record_type, key, standard, 1, sample::STANDARD_HASH);
    head.subject = entry.subject.clone();
    head.hint = entry.hint.clone();
    head.event_date = Some(date(2026, 1, 1));
    if entry.record_type.starts_with(builtin::ACT_PREFIX) {
        head.author = Some(Author {
            organisation: "310115.scjg".into(),
            person: "0107".into(),
        });
    }
    let mut sections = vec![(0, head.to_bytes())];
    sections.extend(
        entry
            .sections
            .iter()
            .map(|(n, fields)| (*n, sample::section(fields))),
    );
    if head.author.is_some() {
        let typed = Provenance {
            account: Some("wangfang".into()),
            real_name: Some("王芳".into()),
            ..Provenance::default()
        };
        let bytes = typed.to_section().expect("within bounds");
        sections.push((15, bytes.expect("has fields")));
    }
    let mut whole = Vec::new();
    opening::put_whole(
        &[0x6b; 16],
        sections.iter().map(|(n, b)| (*n, b.as_slice())),
        &mut whole,
    );
    let leaf = Opening::from_bytes(&whole).expect("an opening").leaf();
    let section = |(n, fields): &(u8, Fields)| {
        object([("number", number(*n)), ("fields", fields_shown(fields))])
    };
    object([
        ("record_type", text(entry.record_type)),
        ("lane", number(builtin::lane_of(entry.record_type) as u8)),
        ("head", head_shown(&head)),
        ("key_columns", list(&entry.key, crate::entries::shown)),
        ("sections", list(&entry.sections, section)),
        ("opening", hex(&whole)),
        ("leaf", hex(leaf.0)),
    ])
}

fn all() -> Vec<Entry> {
    let mut out = directory_entries();
    out.extend(case_entries());
    out.extend(record_entries());
    out
}

fn directory_entries() -> Vec<Entry> {
    let from = Value::Date(date(2026, 1, 1));
    let until = Value::Date(date(2027, 1, 1));
    let seat = |s: protocol::name::SeatId| words(&s.to_string());
    vec![
        entry(
            builtin::STANDARD,
            vec![words("cn.permit"), Value::Integer(2)],
            vec![(
                1,
                vec![
                    (1, words("cn.permit")),
                    (2, Value::Integer(2)),
                    (3, words("record")),
                    (4, words("name = \"cn.permit\"\n")),
                    (5, from.clone()),
                    (6, until.clone()),
                    (7, words(&"5a".repeat(16))),
                ],
            )],
        ),
        entry(
            builtin::ORGANISATION,
            vec![words("310115.scjg")],
            vec![
                (
                    1,
                    vec![
                        (1, words("310115.scjg")),
                        (2, words("示范市东区市场监督管理局")),
                        (3, words("东区市场监管局")),
                        (4, words("scjg")),
                        (5, Value::Integer(2)),
                        (6, words("310115")),
                        (7, seat(sample::DISTRICT)),
                        (8, words("310000.scjg")),
                        (9, from.clone()),
                        (11, words("310115.sj 310115001.scjg")),
                    ],
                ),
                (2, vec![(12, words("0001")), (13, words("综合科"))]),
            ],
        ),
        entry(
            builtin::REGION,
            vec![words("310115"), from.clone()],
            vec![(
                1,
                vec![
                    (1, words("310115")),
                    (2, words("东区")),
                    (3, from.clone()),
                    (5, words("310000")),
                    (6, words("310115001 310115002")),
                    (8, words("310115 310119")),
                ],
            )],
        ),
        entry(
            builtin::ROUTE,
            vec![seat(sample::DEPARTMENT), words("permit"), from.clone()],
            vec![(
                2,
                vec![
                    (1, seat(sample::DEPARTMENT)),
                    (2, words("permit")),
                    (3, from.clone()),
                    (4, words("310115.scjg")),
                    (6, words("direct")),
                    (7, until.clone()),
                    (8, from.clone()),
                    (9, Value::Integer(1)),
                ],
            )],
        ),
        entry(
            builtin::AUTHORITY,
            vec![words("permit"), words("310115"), from.clone()],
            vec![(
                2,
                vec![
                    (1, words("permit")),
                    (2, words("310115")),
                    (3, from.clone()),
                    (4, words("310115.scjg")),
                    (6, Value::Integer(1)),
                ],
            )],
        ),
        Entry {
            hint: Hint::Seats(vec![sample::DISTRICT]),
            ..entry(
                builtin::PERSON_KEY,
                vec![Value::Integer(1), seat(sample::DISTRICT)],
                vec![(
                    14,
                    vec![
                        (1, Value::Integer(1)),
                        (2, seat(sample::DISTRICT)),
                        (3, Value::Raw(vec![0x5e; 80])),
                        (4, from),
                    ],
                )],
            )
        },
    ]
}

fn case_entries() -> Vec<Entry> {
    let subject = Subject::Uscc("91310115MA1K000001".into());
    let entity = words("uscc:91310115MA1K000001");
    let own = Subject::Unidentified.text(
        &sample::DEPARTMENT,
        "permit",
        &Key::columns(&[words("JS-7")]),
    );
    let source = words(&own);
    let from = Value::Date(date(2026, 1, 1));
    let case = Case {
        standard: "cn.case.notice",
        about: About::Entity("uscc:91310115MA1K000001"),
        item: "4601",
        organisation: "310115.scjg",
        ordinal: 1,
        opener: sample::DISTRICT,
    };
    let case = case.id().expect("short");
    let act = id::act(&case, b"0123456789abcdef").expect("short");
    let about = |e: Entry| Entry {
        subject: subject.clone(),
        hint: Hint::Division("310115".into()),
        ..e
    };
    let trigger = Key::columns(&[words("91310115MA1K000001")]);
    let trigger: String = trigger
        .as_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    vec![
        about(entry(
            builtin::LINK,
            vec![source.clone(), entity.clone()],
            vec![(
                2,
                vec![
                    (1, source),
                    (2, entity.clone()),
                    (3, words("person")),
                    (4, Value::Integer(950)),
                    (5, from.clone()),
                    (6, words("名称与法定代表人一致")),
                ],
            )],
        )),
        about(entry(
            builtin::ASSIGNMENT,
            vec![entity.clone(), from.clone()],
            vec![(
                2,
                vec![
                    (1, entity),
                    (2, words("310115")),
                    (3, from),
                    (4, words("person")),
                    (5, Value::Integer(1000)),
                    (6, words("住所在东区示范路8号")),
                    (7, words("310119")),
                ],
            )],
        )),
        about(entry(
            builtin::DOCKET,
            vec![
                words(&case.to_string()),
                Value::Integer(1),
                Value::Integer(1),
                Value::Integer(1),
            ],
            vec![(
                2,
                vec![
                    (1, words(&case.to_string())),
                    (2, Value::Integer(1)),
                    (3, Value::Integer(1)),
                    (4, words("open")),
                    (6, words("done")),
                    (8, words("waiting")),
                    (9, words("310115.scjg")),
                    (10, words("310115.scjg 310115.sj")),
                    (11, words("310115")),
                    (
                        12,
                        words("claim due=2026-03-02 calendar=3 state=running left=5"),
                    ),
                    (14, words("cn.case.notice")),
                    (15, Value::Integer(1)),
                    (16, words(&hash::sha256(&[b"rules"]).to_string())),
                    (17, words("1.0.0")),
                    (18, Value::Instant(sample::INSTANT)),
                    (22, words("registration")),
                    (23, words(&trigger)),
                    (24, words(&sample::DEPARTMENT.to_string())),
                    (25, words("4601")),
                    (26, words("1 41 999 2026-01-01")),
                    (27, words("name=示范\\\n贸易\nscope=a\\\\b")),
                    (28, words("310115.scjg")),
                    (29, Value::Integer(1)),
                    (30, Value::Integer(1)),
                    (31, Value::Integer(1)),
                ],
            )],
        )),
        about(entry(
            "act.notice",
            vec![words(&act.to_string())],
            vec![(
                1,
                vec![
                    (1, words(&case.to_string())),
                    (2, words("claim")),
                    (3, Value::Integer(1)),
                    (4, Value::Integer(1)),
                    (5, words("310115.scjg")),
                    (16, words("已核查")),
                ],
            )],
        )),
    ]
}

fn record_entries() -> Vec<Entry> {
    let key = Key::columns(&[words("91310115MA1K000009")]);
    let key: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let refusal = entry(
        builtin::REFUSAL,
        vec![words("registration"), words(&key)],
        vec![(
            3,
            vec![
                (1, words("registration")),
                (2, words(&key)),
                (3, words("91310115MA1K000009")),
                (4, words("R-USCC-02")),
                (5, words("uscc")),
                (6, words("cn.registration")),
                (7, Value::Integer(1)),
                (8, Value::Date(date(2026, 1, 1))),
            ],
        )],
    );
    vec![
        Entry {
            subject: Subject::Uscc("91310115MA1K000009".into()),
            hint: Hint::Unknown,
            ..refusal
        },
        Entry {
            hint: Hint::Unknown,
            ..entry(
                builtin::AUDIT_SEAL,
                vec![Value::Integer(1)],
                vec![(
                    3,
                    vec![
                        (1, Value::Integer(1)),
                        (2, Value::Integer(1000)),
                        (3, Value::Integer(1000)),
                        (4, words(&hash::sha256(&[b"last"]).to_string())),
                        (5, words(&hash::sha256(&[b"before"]).to_string())),
                    ],
                )],
            )
        },
    ]
}
