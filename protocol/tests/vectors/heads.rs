//! Vectors of heads and what they consist of: hints, subjects, section 15.

use protocol::entry::{
    Author, Cause, FurtherSubject, Head, Hint, Key, Operation, Provenance, Subject, SubjectName,
    hint_allowed,
};
use protocol::hash::{self, Hash, Ref};
use protocol::id;
use protocol::name::{Lane, Version};
use protocol::statement::Identity;
use protocol::value::Value;

use crate::entries::shown;
use crate::json::{Json, flag, hex, list, number, object, text};
use crate::refused::{self, Edit, Refused};
use crate::sample;

fn hint_text(hint: &Hint) -> String {
    match hint {
        Hint::Unknown => "unknown".into(),
        Hint::Division(code) => format!("division {code}"),
        Hint::Region(id) => format!("region {id}"),
        Hint::Seats(seats) => seats
            .iter()
            .fold("seats".into(), |out, seat| format!("{out} {seat}")),
        Hint::CityWide => "city-wide".into(),
    }
}

/// A subject as heads show it. The unidentified one gets its name only beside its record.
fn subject_text(subject: &Subject) -> String {
    match subject {
        Subject::Unidentified => "unidentified".into(),
        other => SubjectName::Identified(other.clone()).to_string(),
    }
}

pub fn head_shown(head: &Head) -> Json {
    let version = |v: &Version| {
        Json::List(vec![
            number(v.epoch),
            Json::Number(v.sequence),
            number(v.index),
        ])
    };
    let operation = match &head.operation {
        Operation::State => "state".into(),
        Operation::Retract => "retract".into(),
        Operation::Restated { count } => format!("restated {count}"),
    };
    let mut members = vec![
        ("hint", text(hint_text(&head.hint))),
        ("record_type", text(&head.record_type)),
        ("key", hex(head.key.as_bytes())),
        ("standard", text(&head.standard)),
        ("standard_version", number(head.standard_version)),
        ("standard_hash", hex(head.standard_hash.0)),
        ("operation", text(operation)),
        ("generation", number(head.generation)),
        ("subject", text(subject_text(&head.subject))),
        (
            "further",
            list(&head.further, |f| {
                Json::List(vec![text(&f.role), text(subject_text(&f.subject))])
            }),
        ),
    ];
    if let Some(subject) = &head.was.subject {
        members.push(("former_subject", text(subject_text(subject))));
    }
    if let Some(hint) = &head.was.hint {
        members.push(("former_hint", text(hint_text(hint))));
    }
    if let Some(date) = head.event_date {
        members.push(("event_date", text(date.to_string())));
    }
    if let Some(a) = &head.author {
        let author = vec![text(&a.organisation), text(&a.person)];
        members.push(("author", Json::List(author)));
    }
    members.push((
        "causes",
        list(&head.cause, |c| {
            Json::List(vec![number(c.kind), hex(c.reference.to_bytes())])
        }),
    ));
    if let Some(base) = &head.base {
        members.push(("base", version(base)));
    }
    Json::Object(members)
}

fn pseudonym() -> [u8; 32] {
    id::person(&[0x99; 32], "1", "110101199003070019").expect("short")
}

pub fn full_head() -> Head {
    let mut head = sample::registration_head(1, Hint::Division("310115".into()));
    head.generation = 3;
    head.further = vec![
        FurtherSubject {
            role: "legal-representative".into(),
            subject: Subject::Person {
                key_version: 1,
                pseudonym: pseudonym(),
            },
        },
        FurtherSubject {
            role: "branch-of".into(),
            subject: Subject::RegistrationNumber("310115000000017".into()),
        },
    ];
    head.was.subject = Some(Subject::Unidentified);
    head.was.hint = Some(Hint::Division("310119".into()));
    head.author = Some(Author {
        organisation: "310115.scjg".into(),
        person: "0107".into(),
    });
    head.cause = vec![
        Cause {
            kind: 1,
            reference: Ref::of(hash::sha256(&[b"intent"])),
        },
        Cause {
            kind: 77,
            reference: Ref {
                suite: 2,
                hash: Hash([5; 32]),
            },
        },
        Cause {
            kind: 4,
            reference: Ref::ZERO,
        },
    ];
    head.base = Some(Version {
        epoch: 1,
        sequence: 41,
        index: 999,
    });
    head
}

fn many_heads() -> Vec<Head> {
    let mut retract = sample::registration_head(2, Hint::Unknown);
    retract.operation = Operation::Retract;
    retract.subject = Subject::OrganisationCode("MA1K00001".into());
    retract.event_date = None;
    let mut restated = sample::registration_head(3, Hint::CityWide);
    restated.key = Key::marker();
    restated.subject = Subject::None;
    restated.operation = Operation::Restated { count: 96_763 };
    let mut seats = sample::registration_head(4, Hint::Seats(vec![sample::CITY, sample::DISTRICT]));
    seats.subject = Subject::TaxNumber("91310115MA1K0000X1".into());
    let mut region = sample::registration_head(5, Hint::Region("pilot-zone".into()));
    region.subject = Subject::Unidentified;
    let mut plain = sample::registration_head(6, Hint::Division("310115001".into()));
    // the key without columns may be stated, too
    plain.key = Key::marker();
    vec![full_head(), retract, restated, seats, region, plain]
}

pub fn heads() -> Json {
    let hints = [
        Hint::Unknown,
        Hint::Division("310115".into()),
        Hint::Division("310115001".into()),
        Hint::Region("pilot-zone".into()),
        Hint::Seats(vec![sample::DISTRICT]),
        Hint::Seats(vec![sample::CITY, sample::DISTRICT]),
        Hint::CityWide,
    ];
    let city = sample::city();
    let read = |e: &protocol::envelope::Envelope| {
        Identity::from_bytes(&e.bytes).expect("an identity of our own")
    };
    let origins = [
        ("city", read(&city.city)),
        ("district", read(&city.district)),
        ("department", read(&city.department)),
    ];
    let hint = |hint: &Hint| {
        let mut allowed = Vec::new();
        for (who, identity) in &origins {
            for lane in Lane::ALL {
                if hint_allowed(identity, hint, lane) {
                    allowed.push(text(format!("{who}, lane {}", lane.index())));
                }
            }
        }
        object([
            ("reads", text(hint_text(hint))),
            ("bytes", hex(hint.to_bytes())),
            ("node", hex(sample::DISTRICT.0)),
            ("allowed", Json::List(allowed)),
        ])
    };
    let code = || "91310115MA1K000001".to_owned();
    let subjects = [
        Subject::None,
        Subject::Uscc(code()),
        Subject::RegistrationNumber("310115000000017".into()),
        Subject::OrganisationCode("MA1K00001".into()),
        Subject::TaxNumber(code()),
        Subject::Unidentified,
        Subject::Person {
            key_version: 255,
            pseudonym: pseudonym(),
        },
    ];
    let key = Key::columns(&[Value::from_text("JS-7")]);
    let subject = |subject: &Subject| {
        let mut bytes = Vec::new();
        subject.put(&mut bytes);
        let named = subject.text(&sample::DEPARTMENT, "permit", &key);
        object([
            ("reads", text(subject_text(subject))),
            ("bytes", hex(bytes)),
            ("seat", hex(sample::DEPARTMENT.0)),
            ("record_type", text("permit")),
            ("key", hex(key.as_bytes())),
            ("named", text(named)),
        ])
    };
    let sections = [
        Provenance::at(b"dj_qyxx:1"),
        Provenance {
            position: Some(vec![0xff, 0]),
            account: Some("wangfang".into()),
            real_name: Some("王芳".into()),
        },
    ];
    let section = |p: &Provenance| {
        let bytes = p.to_section().expect("within bounds").expect("has fields");
        let fields = protocol::entry::read_fields(&bytes).expect("fields");
        object([("fields", fields_shown(&fields)), ("bytes", hex(bytes))])
    };
    let mut refused = refused_hints();
    refused.extend(refused_subjects());
    refused.extend(refused_heads());
    refused.extend(refused_sections());
    Json::Object(vec![
        ("hints", list(&hints, hint)),
        ("subjects", list(&subjects, subject)),
        (
            "names",
            list(subject_names(), |(s, reads)| {
                object([("text", text(s)), ("holds", flag(reads))])
            }),
        ),
        (
            "heads",
            list(many_heads(), |head| {
                object([
                    ("reads", head_shown(&head)),
                    ("bytes", hex(head.to_bytes())),
                ])
            }),
        ),
        ("sections_15", list(&sections, section)),
        refused::listed(refused),
    ])
}

pub fn fields_shown(fields: &[(u16, Value)]) -> Json {
    list(fields, |(n, v)| Json::List(vec![number(*n), shown(v)]))
}

/// Texts and whether they name a subject.
fn subject_names() -> Vec<(String, bool)> {
    let digits = "ab".repeat(32);
    let all = [
        String::new(),
        "uscc:91310115MA1K000001".into(),
        "reg:a:b".into(),
        "name:示范".into(),
        "uscc:".into(),
        "uscc".into(),
        "USCC:91310115MA1K000001".into(),
        format!("uscc:{}", "x".repeat(512)),
        format!("uscc:{}", "x".repeat(513)),
        format!("person:1:{digits}"),
        format!("person:01:{digits}"),
        format!("person:0:{digits}"),
        format!("person:256:{digits}"),
        format!("person:+1:{digits}"),
        format!("person:1:{}", digits.to_uppercase()),
        format!("person:1:{}", &digits[2..]),
        format!("own:{0}:{0}", &digits[..32]),
        format!("own:{0}:{1}", &digits[..32], &digits[..30]),
        format!("own:{0}:{0}", digits[..32].to_uppercase()),
        format!("own:{0}", &digits[..32]),
    ];
    all.into_iter()
        .map(|s| {
            let reads = SubjectName::from_text(&s).is_some();
            (s, reads)
        })
        .collect()
}

fn refused_hints() -> Vec<Refused> {
    let short = |kind: u8, s: &str| [&[kind, s.len() as u8], s.as_bytes()].concat();
    let seats = |n: u8, all: &[[u8; 16]]| [&[3, n][..], &all.concat()].concat();
    refused::of(
        "hint",
        vec![
            ("nothing", "end", vec![]),
            ("kind 5", "form", vec![5]),
            ("kind 6", "form", vec![6]),
            ("unknown with a byte more", "more", vec![0, 0]),
            ("division of five digits", "form", short(1, "31011")),
            ("division of seven digits", "form", short(1, "3101150")),
            ("division with a letter", "form", short(1, "31011x")),
            ("own region in capitals", "form", short(2, "Pilot")),
            ("own region *", "form", short(2, "*")),
            ("own region without a name", "form", short(2, "")),
            ("own region of 65 bytes", "form", short(2, &"a".repeat(65))),
            ("no seat", "bound", seats(0, &[])),
            (
                "17 seats",
                "bound",
                seats(17, &(0..17).map(|n| [n; 16]).collect::<Vec<_>>()),
            ),
            ("seats out of order", "order", seats(2, &[[2; 16], [1; 16]])),
            ("a seat twice", "order", seats(2, &[[2; 16], [2; 16]])),
            ("a seat too few", "end", seats(2, &[[2; 16]])),
        ],
    )
}

fn refused_subjects() -> Vec<Refused> {
    let tagged = |tag: u8, s: &[u8]| [&[tag, 0, s.len() as u8][..], s].concat();
    refused::of(
        "subject",
        vec![
            ("tag 7", "form", vec![7]),
            ("no code", "bound", tagged(1, b"")),
            ("a code that is no text", "text", tagged(2, &[0xff])),
            ("a code with U+0000", "text", tagged(3, b"a\0")),
            (
                "513 bytes",
                "bound",
                [&[4, 2, 1][..], &[b'x'; 513]].concat(),
            ),
            (
                "a person of version 0",
                "bound",
                [&[6, 0][..], &[1; 32]].concat(),
            ),
            ("a person cut", "end", [&[6, 1][..], &[1; 31]].concat()),
            ("unidentified with a name", "more", vec![5, 0, 1, b'x']),
        ],
    )
}

fn refused_heads() -> Vec<Refused> {
    let edits: [Edit<Head>; 21] = [
        ("no record type", "bound", |h| h.record_type.clear()),
        ("record type of 65 bytes", "bound", |h| {
            h.record_type = "x".repeat(65);
        }),
        ("record type with U+0000", "text", |h| {
            h.record_type = "a\0".into()
        }),
        ("no standard", "bound", |h| h.standard.clear()),
        ("restated under a record's key", "contradiction", |h| {
            h.operation = Operation::Restated { count: 1 };
        }),
        ("nine further subjects", "bound", |h| {
            h.further = vec![h.further[1].clone(); 9];
        }),
        ("a further subject that is none", "form", |h| {
            h.further[0].subject = Subject::None;
        }),
        ("a further subject without identity", "form", |h| {
            h.further[0].subject = Subject::Unidentified;
        }),
        ("a role without a name", "bound", |h| {
            h.further[0].role.clear()
        }),
        (
            "a former subject that is the present one",
            "contradiction",
            |h| {
                h.was.subject = Some(h.subject.clone());
            },
        ),
        ("a former hint that is none", "form", |h| {
            h.was.hint = Some(Hint::Region("*".into()));
        }),
        ("an author without organisation", "form", |h| {
            if let Some(a) = &mut h.author {
                a.organisation.clear();
            }
        }),
        ("an author of a region", "form", |h| {
            if let Some(a) = &mut h.author {
                a.organisation = "310115".into();
            }
        }),
        ("an author without number", "bound", |h| {
            if let Some(a) = &mut h.author {
                a.person.clear();
            }
        }),
        ("an author's number of 33 bytes", "bound", |h| {
            if let Some(a) = &mut h.author {
                a.person = "1".repeat(33);
            }
        }),
        ("five causes", "bound", |h| h.cause = vec![h.cause[0]; 5]),
        ("a cause of half a reference", "zero", |h| {
            h.cause[0].reference.suite = 0;
        }),
        ("a subject without code", "bound", |h| {
            h.subject = Subject::Uscc(String::new());
        }),
        ("a hint of no division", "form", |h| {
            h.hint = Hint::Division("31011".into());
        }),
        ("a person of version 0", "bound", |h| {
            h.further[0].subject = Subject::Person {
                key_version: 0,
                pseudonym: [1; 32],
            };
        }),
        ("a subject with U+0000", "text", |h| {
            h.subject = Subject::TaxNumber("\0".into());
        }),
    ];
    let head = full_head();
    let mut out = refused::edits("head", &head, Head::to_bytes, &edits);
    // behind hint, type, key, standard, version and hash stand flags and operation
    let front = 1 + 7 + 13 + 2 + head.key.as_bytes().len() + 16 + 2 + 16;
    let bytes = head.to_bytes();
    assert_eq!(
        (bytes[front], bytes[front + 1]),
        (31, 1),
        "flags, operation"
    );
    let edited = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        bytes
    };
    out.extend(refused::of(
        "head",
        vec![
            ("flag 5", "form", edited(front, 31 | 32)),
            ("flag 7", "form", edited(front, 31 | 128)),
            ("operation 0", "form", edited(front + 1, 0)),
            ("operation 4", "form", edited(front + 1, 4)),
            ("a key of no form", "form", edited(1 + 7 + 13 + 2, 9)),
            (
                "a base that is cut",
                "end",
                bytes[..bytes.len() - 16].to_vec(),
            ),
            ("a day that is none", "form", {
                let day = bytes
                    .windows(4)
                    .position(|w| w == [0x07, 0xe5, 4, 1])
                    .expect("the event date");
                edited(day + 3, 31)
            }),
        ],
    ));
    out
}

fn refused_sections() -> Vec<Refused> {
    let section = |n: u16, fields: &[(u16, &[u8])]| {
        let mut out = n.to_be_bytes().to_vec();
        for (number, value) in fields {
            out.extend(number.to_be_bytes());
            out.extend(*value);
        }
        out
    };
    let long = |tag: u8, n: usize| {
        let mut out = vec![tag];
        out.extend((n as u32).to_be_bytes());
        out.resize(5 + n, b'x');
        out
    };
    let mut out = refused::of(
        "section",
        vec![
            ("no field", "bound", section(0, &[])),
            ("513 fields", "bound", section(513, &[(1, &[1])])),
            ("a field too few", "end", section(2, &[(1, &[1])])),
            (
                "a field too many",
                "more",
                section(1, &[(1, &[1]), (2, &[1])]),
            ),
            (
                "fields out of order",
                "order",
                section(2, &[(2, &[1]), (1, &[1])]),
            ),
            (
                "a field twice",
                "order",
                section(2, &[(1, &[1]), (1, &[1])]),
            ),
            (
                "a field that is no value",
                "form",
                section(1, &[(1, &[99])]),
            ),
        ],
    );
    out.extend(refused::of(
        "section 15",
        vec![
            (
                "a position of 1,025 bytes",
                "bound",
                section(1, &[(1, &long(4, 1025))]),
            ),
            (
                "raw of 1,025 bytes",
                "bound",
                section(1, &[(1, &long(3, 1025))]),
            ),
            ("a position that is null", "form", section(1, &[(1, &[1])])),
            (
                "an account that is raw",
                "form",
                section(1, &[(2, &long(3, 1))]),
            ),
            (
                "an account of 65 bytes",
                "bound",
                section(1, &[(2, &long(4, 65))]),
            ),
            (
                "a name of 101 bytes",
                "bound",
                section(1, &[(3, &long(4, 101))]),
            ),
            ("no field", "bound", section(0, &[])),
        ],
    ));
    out
}
