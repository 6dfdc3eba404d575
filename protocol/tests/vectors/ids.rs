//! Vectors of names that are computed, of sums, and of the hash of a standard.

use protocol::entry::Key;
use protocol::hash::{self, Hash, Ref};
use protocol::id::{self, About, Case, Counted, Sum};
use protocol::name::Version;
use protocol::standard_hash::{Check, FieldForm, Obligation, SectionForm, StandardForm};
use protocol::value::Value;

use crate::json::{Json, flag, hex, list, number, object, text};
use crate::sample;

pub fn ids() -> Json {
    let key = Key::columns(&[Value::from_text("JS-7")]);
    let cases = [
        Case {
            standard: "cn.case.notice",
            about: About::Entity("uscc:91310115MA1K000001"),
            item: "4601",
            organisation: "310115.scjg",
            ordinal: 1,
            opener: sample::DISTRICT,
        },
        Case {
            standard: "cn.case.mend",
            about: About::Record {
                record_type: "registration",
                key: &key,
                origin: sample::DEPARTMENT,
            },
            item: "",
            organisation: "",
            ordinal: 2,
            opener: sample::CITY,
        },
    ];
    let case = |case: &Case<'_>| {
        let mut members = vec![
            ("standard", text(case.standard)),
            ("about", number(case.about.number())),
        ];
        match case.about {
            About::Entity(subject) => members.push(("subject", text(subject))),
            About::Record {
                record_type,
                key,
                origin,
            } => members.extend([
                ("record_type", text(record_type)),
                ("key", hex(key.as_bytes())),
                ("origin", hex(origin.0)),
            ]),
        }
        members.extend([
            ("item", text(case.item)),
            ("organisation", text(case.organisation)),
            ("ordinal", number(case.ordinal)),
            ("opener", hex(case.opener.0)),
            ("id", hex(case.id().expect("short").0)),
        ]);
        Json::Object(members)
    };
    let of_case = cases[0].id().expect("short");
    let effect = |(term, n, k): (u32, u32, u16)| {
        object([
            ("case", hex(of_case.0)),
            ("term", number(term)),
            ("n", number(n)),
            ("k", number(k)),
            ("id", hex(id::effect(&of_case, term, n, k).0)),
        ])
    };
    let act = |token: &str| {
        let id = id::act(&of_case, token.as_bytes()).expect("short");
        object([
            ("case", hex(of_case.0)),
            ("token", text(token)),
            ("id", hex(id.0)),
        ])
    };
    let counted = Counted {
        record_type: "permit",
        key: &key,
        origin: sample::DEPARTMENT,
        version: Version {
            epoch: 1,
            sequence: 41,
            index: 999,
        },
        mask: 0x8003,
        region: "310115",
    };
    let records = [
        counted,
        Counted {
            region: "",
            mask: 1,
            ..counted
        },
    ];
    let record = |c: &Counted<'_>| {
        object([
            ("record_type", text(c.record_type)),
            ("key", hex(c.key.as_bytes())),
            ("origin", hex(c.origin.0)),
            ("version", hex(c.version.to_bytes())),
            ("mask", number(c.mask)),
            ("region", text(c.region)),
            ("bucket", number(c.bucket().expect("short"))),
            ("term", hex(c.term().expect("short").0)),
        ])
    };
    let references = [
        Ref::of(hash::sha256(&[b"statement"])),
        Ref {
            suite: 2,
            hash: Hash([9; 32]),
        },
    ];
    let statement = |r: &Ref| {
        object([
            ("reference", hex(r.to_bytes())),
            ("term", hex(id::statement_term(r).0)),
        ])
    };
    Json::Object(vec![
        ("cases", list(&cases, case)),
        ("effects", list([(1, 1, 0), (2, 7, 65_535)], effect)),
        ("acts", list(["0123456789abcdef", "left", ""], act)),
        ("records", list(&records, record)),
        ("statements", list(&references, statement)),
        ("sums", Json::List(vec![sum(&references), sum(&[])])),
        ("standards", list([form(), small_form()], |f| standard(&f))),
    ])
}

fn sum(references: &[Ref]) -> Json {
    let mut sum = Sum::ZERO;
    for reference in references {
        sum.add(&id::statement_term(reference));
    }
    // so that it wraps
    sum.add(&Hash([0xff; 32]));
    object([
        ("references", list(references, |r| hex(r.to_bytes()))),
        ("further_term", hex([0xff; 32])),
        ("sum", hex(sum.0)),
    ])
}

fn field(number: u16, name: &'static str, kind: &'static str) -> FieldForm<'static> {
    FieldForm {
        number,
        section: 1,
        name,
        kind,
        ..FieldForm::default()
    }
}

fn form() -> StandardForm<'static> {
    StandardForm {
        name: "cn.permit",
        version: 2,
        record_type: "permit",
        lane: 2,
        concludes: true,
        publicity: 1,
        key: vec![vec![2], vec![1, 3]],
        subject: vec![4, 1],
        event_date: vec![3],
        sections: vec![
            SectionForm {
                number: 3,
                audience: 3,
                personal: true,
            },
            SectionForm {
                number: 1,
                audience: 1,
                personal: false,
            },
        ],
        fields: vec![
            FieldForm {
                obligation: Obligation::OneOf,
                group: "number",
                codes: "permit-kinds",
                checks: vec![
                    (Check::Max, "18"),
                    (Check::When, "kind in 1 2"),
                    (Check::Form, "tel"),
                ],
                ..field(2, "permit_no", "text")
            },
            FieldForm {
                obligation: Obligation::Required,
                checks: vec![(Check::OpenEnded, ""), (Check::NotBefore, "issued_on")],
                ..field(3, "valid_to", "date")
            },
            field(1, "名称", "text"),
            FieldForm {
                section: 3,
                ..field(4, "holder", "id")
            },
        ],
    }
}

fn small_form() -> StandardForm<'static> {
    StandardForm {
        name: "x",
        version: 1,
        record_type: "x",
        ..StandardForm::default()
    }
}

fn standard(form: &StandardForm<'_>) -> Json {
    let numbers = |all: &Vec<u16>| list(all, |n| number(*n));
    let section =
        |s: &SectionForm| Json::List(vec![number(s.number), number(s.audience), flag(s.personal)]);
    let field = |f: &FieldForm<'_>| {
        let check = |(check, argument): &(Check, &str)| {
            Json::List(vec![number(*check as u8), text(*argument)])
        };
        object([
            ("number", number(f.number)),
            ("section", number(f.section)),
            ("name", text(f.name)),
            ("type", text(f.kind)),
            ("obligation", number(f.obligation as u8)),
            ("group", text(f.group)),
            ("codes", text(f.codes)),
            ("checks", list(&f.checks, check)),
        ])
    };
    object([
        ("name", text(form.name)),
        ("version", number(form.version)),
        ("record_type", text(form.record_type)),
        ("lane", number(form.lane)),
        ("concludes", flag(form.concludes)),
        ("publicity", number(form.publicity)),
        ("key", list(&form.key, numbers)),
        ("subject", numbers(&form.subject)),
        ("event_date", numbers(&form.event_date)),
        ("sections", list(&form.sections, section)),
        ("fields", list(&form.fields, field)),
        ("bytes", hex(form.to_bytes().expect("fits"))),
        ("hash", hex(form.hash().expect("fits").0)),
    ])
}
