//! The bytes of a standard against the layout written out, and what of it decides.

use super::*;

fn field(number: u16, checks: &[(Check, &'static str)]) -> FieldForm<'static> {
    FieldForm {
        number,
        section: 1,
        name: "f",
        kind: "text",
        obligation: Obligation::Required,
        group: "",
        codes: "",
        checks: checks.to_vec(),
    }
}

fn form() -> StandardForm<'static> {
    StandardForm {
        name: "cn.x",
        version: 2,
        record_type: "x",
        lane: 2,
        concludes: true,
        publicity: 1,
        key: vec![vec![2], vec![1, 3]],
        subject: vec![2, 1],
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
                group: "id",
                codes: "t",
                ..field(2, &[(Check::Max, "18"), (Check::When, "f in a b")])
            },
            field(1, &[]),
            FieldForm {
                obligation: Obligation::Optional,
                section: 3,
                ..field(3, &[(Check::Form, "tel")])
            },
        ],
    }
}

#[test]
fn the_layout() {
    let bytes = [
        b"\x04cn.x\x00\x02\x01x".as_slice(),
        // lane, concludes, publicity
        &[2, 1, 1],
        // key alternatives
        &[2, 1, 0, 2, 2, 0, 1, 0, 3],
        // subject, event date
        &[2, 0, 2, 0, 1, 1, 0, 3],
        // sections
        &[2, 1, 1, 0, 3, 3, 1],
        // fields
        &[0, 3],
        b"\x00\x01\x01\x01f\x04text\x01\x00\x00\x00",
        b"\x00\x02\x01\x01f\x04text\x02\x02id\x01t\x02\x01\x00\x08f in a b\x02\x00\x0218",
        b"\x00\x03\x03\x01f\x04text\x00\x00\x00\x01\x0a\x00\x03tel",
    ]
    .concat();
    assert_eq!(form().to_bytes().as_deref(), Ok(bytes.as_slice()));
    let full = hash::sha256(&[&[8], &bytes]);
    let hash = form().hash().expect("within its lengths");
    assert_eq!(hash.0, full.0[..16]);
    assert_eq!(hash.to_string(), full.to_string()[..32]);
    assert_eq!(format!("{hash:?}"), hash.to_string());
}

#[test]
fn order_of_sections_fields_and_checks_does_not_matter() {
    let mut other = form();
    other.sections.reverse();
    other.fields.reverse();
    other.fields[1].checks.reverse();
    assert_eq!(other.hash(), form().hash());
    let mut tried = form();
    tried.key.reverse();
    assert_ne!(
        tried.hash(),
        form().hash(),
        "alternatives are tried in order"
    );
}

#[test]
fn what_is_named_twice_or_too_long_has_no_hash() {
    let check = |what: &str, change: fn(&mut StandardForm<'static>)| {
        let mut form = form();
        change(&mut form);
        assert_eq!(form.hash(), Err(MALFORMED), "{what}");
    };
    check("a section twice", |f| f.sections[0].number = 1);
    check("a field twice", |f| f.fields[0].number = 1);
    check("a check twice", |f| {
        f.fields[0].checks = vec![(Check::Min, "1"), (Check::Min, "2")];
    });
    check("a name", |f| f.name = LONG);
    check("a type", |f| f.record_type = LONG);
    check("a field's name", |f| f.fields[0].name = LONG);
    check("a field's type", |f| f.fields[0].kind = LONG);
    check("a group", |f| f.fields[0].group = LONG);
    check("a code table", |f| f.fields[0].codes = LONG);
    check("alternatives", |f| f.key = vec![vec![1]; 256]);
    check("an alternative", |f| f.key = vec![vec![1; 256]]);
    check("subjects", |f| f.subject = vec![1; 256]);
    check("dates", |f| f.event_date = vec![1; 256]);
    let mut longest = form();
    longest.subject = vec![1; 255];
    assert!(longest.hash().is_ok());
    let argument = "a".repeat(65_536);
    let mut form = form();
    form.fields[0].checks = vec![(Check::Pattern, &argument)];
    assert_eq!(form.hash(), Err(MALFORMED));
    form.fields[0].checks = vec![(Check::Pattern, &argument[1..])];
    assert!(form.hash().is_ok());
}

const LONG: &str = {
    const BYTES: [u8; 256] = [b'a'; 256];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => panic!(),
    }
};

#[test]
fn more_fields_than_can_be_counted_have_no_hash() {
    let mut form = form();
    form.fields = (0..=u16::MAX).map(|n| field(n, &[])).collect();
    assert_eq!(form.hash(), Err(MALFORMED));
    form.fields.pop();
    assert!(form.hash().is_ok());
}
