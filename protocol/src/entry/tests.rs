//! What no head is, part by part; who may use which hint; what an entry's bytes decide.

mod parts;

use super::*;
use crate::hash::{Hash, Ref};
use crate::name::{SeatId, Version};
use crate::opening;
use crate::sign::{Keys, SigningKey, Sigs};
use crate::standard_hash::StandardHash;
use crate::statement::{BindsFrom, SeatKind};
use crate::value::{CivilDate, Value};

fn key() -> Key {
    Key::columns(&[Value::from_text("K1")])
}

fn full_head() -> Head {
    let mut head = Head::state(
        "registration",
        key(),
        "cn.registration",
        3,
        StandardHash([0x5a; 16]),
    );
    head.hint = Hint::Division("310115".into());
    head.generation = 2;
    head.subject = Subject::Uscc("91310115MA1K000001".into());
    head.further = vec![FurtherSubject {
        role: "debtor".into(),
        subject: Subject::TaxNumber("t1".into()),
    }];
    head.was = Former {
        subject: Some(Subject::Unidentified),
        hint: Some(Hint::Unknown),
    };
    head.event_date = CivilDate::new(2026, 1, 5);
    head.author = Some(Author {
        organisation: "310115.scjg".into(),
        person: "0417".into(),
    });
    head.cause = vec![Cause {
        kind: cause::ACT,
        reference: Ref::of(Hash([7; 32])),
    }];
    head.base = Some(Version {
        epoch: 1,
        sequence: 2,
        index: 3,
    });
    head
}

/// The parts of [`full_head`] in their order, each under its name.
fn parts() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("hint", b"\x01\x06310115".to_vec()),
        ("type", b"\x0cregistration".to_vec()),
        ("key", [b"\x00\x09".as_slice(), key().as_bytes()].concat()),
        ("standard", b"\x0fcn.registration".to_vec()),
        ("version", vec![0, 3]),
        ("hash", vec![0x5a; 16]),
        ("flags", vec![0x1f]),
        ("operation", vec![1]),
        ("generation", vec![0, 0, 0, 2]),
        ("subject", b"\x01\x00\x1291310115MA1K000001".to_vec()),
        ("further", b"\x01\x06debtor\x04\x00\x02t1".to_vec()),
        ("former subject", vec![5]),
        ("former hint", vec![0]),
        ("date", vec![0x07, 0xea, 1, 5]),
        ("author", b"\x0b310115.scjg\x040417".to_vec()),
        ("causes", [&[1, 2, 1], [7; 32].as_slice()].concat()),
        (
            "base",
            [&[0, 0, 0, 1], [0; 7].as_slice(), &[2, 0, 0, 0, 3]].concat(),
        ),
    ]
}

#[test]
fn the_layout_of_a_head() {
    let bytes: Vec<u8> = parts().into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert_eq!(full_head().to_bytes(), bytes);
    assert_eq!(Head::from_bytes(&bytes), Ok(full_head()));
    for end in 0..bytes.len() {
        assert!(Head::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(Head::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let plain = Head::state("x", key(), "cn.x", 1, StandardHash::default());
    let bytes = [
        b"\x00\x01x\x00\x09".as_slice(),
        key().as_bytes(),
        b"\x04cn.x\x00\x01",
        &[0; 16],
        // flags, operation, generation, subject, further, causes
        &[0, 1, 0, 0, 0, 1, 0, 0, 0],
    ]
    .concat();
    assert_eq!(plain.to_bytes(), bytes);
}

/// The full head with other bytes in the place of one part.
#[track_caller]
fn check_part(part: &str, bytes: &[u8], there: bool) {
    let parts = parts();
    assert!(
        parts.iter().any(|(name, _)| *name == part),
        "no part {part}"
    );
    let head: Vec<u8> = parts
        .into_iter()
        .flat_map(|(name, own)| if name == part { bytes.to_vec() } else { own })
        .collect();
    let read = Head::from_bytes(&head);
    assert_eq!(read.is_ok(), there, "{part} {bytes:02x?}: {read:?}");
    if let Ok(read) = read {
        assert_eq!(read.to_bytes(), head, "{part}");
    }
}

fn short(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

#[test]
fn parts_of_a_head_that_are_none() {
    for part in ["type", "standard"] {
        check_part(part, &short(""), false);
        check_part(part, &short("a"), true);
        check_part(part, &short(&"a".repeat(64)), true);
        check_part(part, &short(&"a".repeat(65)), false);
        check_part(part, &short("a\0"), false);
        check_part(part, &[1, 0xff], false);
    }
    check_part("hint", &[4], true);
    check_part("hint", &[5], false);
    check_part("key", &[0, 1, 1], false);
    check_part("key", &[0, 2, 1, 0], true);
    for (flags, there) in [(0x1f, true), (0x3f, false), (0x5f, false), (0x9f, false)] {
        check_part("flags", &[flags], there);
    }
    for bit in 0..5 {
        check_part("flags", &[0x1f ^ 1 << bit], false);
    }
    for (operation, there) in [(0, false), (1, true), (2, true), (4, false), (255, false)] {
        check_part("operation", &[operation], there);
    }
    // a marker has a count, and the key without columns
    let count = [0, 0, 0, 0, 0, 0, 0, 9];
    check_part("operation", &[&[3], count.as_slice()].concat(), false);
    let one = |n: u8| {
        let one = [&short("r")[..], &[4, 0, 1, b't']].concat();
        [vec![n], one.repeat(usize::from(n))].concat()
    };
    check_part("further", &[0], true);
    check_part("further", &one(8), true);
    check_part("further", &one(9), false);
    check_part("further", &[1, 0, 4, 0, 1, b't'], false);
    check_part(
        "further",
        &[&[1], &short(&"r".repeat(65))[..], &[4, 0, 1, b't']].concat(),
        false,
    );
    // nobody further is nobody, and nobody can be unidentified beside the record
    check_part("further", &[1, 1, b'r', 0], false);
    check_part("further", &[1, 1, b'r', 5], false);
    check_part("former subject", &[0], true);
    check_part("former subject", b"\x01\x00\x1291310115MA1K000001", false);
    check_part("former subject", b"\x01\x00\x1291310115MA1K000002", true);
    check_part("former subject", b"\x02\x00\x1291310115MA1K000001", true);
    check_part("former hint", &[5], false);
    check_part("date", &[0x07, 0xea, 2, 29], false);
    let author = |code: &str, person: &str| [short(code), short(person)].concat();
    check_part("author", &author("310115.scjg", &"1".repeat(32)), true);
    check_part("author", &author("310115.scjg", &"1".repeat(33)), false);
    check_part("author", &author("310115.scjg", ""), false);
    check_part("author", &author("310115.scjg", "a\0"), false);
    check_part("author", &author("310115", "1"), false);
    check_part("author", &author("", "1"), false);
    let causes = |n: u8| {
        let one = [&[2, 1], [7; 32].as_slice()].concat();
        [vec![n], one.repeat(usize::from(n))].concat()
    };
    check_part("causes", &[0], true);
    check_part("causes", &causes(4), true);
    check_part("causes", &causes(5), false);
    // kinds of a later release are kept
    for kind in [0, 5, 255] {
        check_part(
            "causes",
            &[&[1, kind, 1], [7; 32].as_slice()].concat(),
            true,
        );
    }
    check_part("causes", &[&[1, 2, 0], [7; 32].as_slice()].concat(), false);
    check_part("causes", &[&[1, 2, 1], [0; 32].as_slice()].concat(), false);
}

#[test]
fn an_unidentified_subject_that_was_unidentified_has_not_changed() {
    check_part("subject", &[5], false);
    check_part("subject", &[0], true);
    check_part("subject", &[6, 1], false);
}

#[test]
fn a_marker_is_a_head_without_key_columns() {
    let mut head = Head::state("x", Key::marker(), "cn.x", 1, StandardHash::default());
    head.operation = Operation::Restated { count: 1_000_000 };
    head.generation = 7;
    let bytes = head.to_bytes();
    assert_eq!(Head::from_bytes(&bytes), Ok(head.clone()));
    head.key = key();
    assert!(Head::from_bytes(&head.to_bytes()).is_err());
    // a record of which a source has one only may have that key, too
    let single = Head::state("x", Key::marker(), "cn.x", 1, StandardHash::default());
    assert!(Head::from_bytes(&single.to_bytes()).is_ok());
}

#[test]
fn the_front_of_a_head_is_what_orders_a_batch() {
    let bytes = full_head().to_bytes();
    let front = head_front(&bytes).expect("a head");
    assert_eq!(front.hint, b"\x01\x06310115");
    assert_eq!(front.record_type, b"registration");
    assert_eq!(front.key, key().as_bytes());
    let end = 8 + 13 + 2 + key().as_bytes().len();
    assert!(
        head_front(&bytes[..end]).is_ok(),
        "nothing behind is asked for"
    );
    assert!(head_front(&bytes[..end - 1]).is_err());
    for (what, bytes) in [
        ("hint", b"\x05\x01x\x00\x02\x01\x00".as_slice()),
        ("type", b"\x00\x00\x00\x02\x01\x00"),
        ("type", b"\x00\x01\xff\x00\x02\x01\x00"),
        ("key", b"\x00\x01x\x00\x02\x01\x01"),
        ("key", b"\x00\x01x\x00\x00"),
    ] {
        assert!(head_front(bytes).is_err(), "{what}");
    }
}

fn identity(kind: SeatKind, node: u8) -> Identity {
    Identity {
        seat: SeatId([1; 16]),
        serial: 1,
        kind,
        organisation: "310115.scjg".into(),
        title: "t".into(),
        jurisdiction: "310115".into(),
        node: SeatId([node; 16]),
        keys: Keys::of(SigningKey::from_seed(&[1; 32]).public(), None),
        possession: Sigs::default(),
        consent: Sigs::default(),
        reason: String::new(),
        permitted: Vec::new(),
        admits: false,
        binds_from: [BindsFrom::default(); 3],
        issuer: Ref::of(Hash([1; 32])),
    }
}

#[test]
fn who_may_use_which_hint() {
    use SeatKind::{City, Department, District};
    let seats = |all: &[u8]| Hint::Seats(all.iter().map(|n| SeatId([*n; 16])).collect());
    let check = |kind: SeatKind, hint: &Hint, by_lane: [bool; 3]| {
        for lane in Lane::ALL {
            // its own seat is 1, its node 2
            let allowed = hint_allowed(&identity(kind, 2), hint, lane);
            assert_eq!(allowed, by_lane[lane.index()], "{kind:?} {hint:?} {lane:?}");
        }
    };
    for kind in [City, District, Department] {
        for hint in [
            Hint::Unknown,
            Hint::Division("310115".into()),
            Hint::Region("pilot".into()),
        ] {
            check(kind, &hint, [true; 3]);
        }
    }
    for kind in [City, District] {
        check(kind, &Hint::CityWide, [true; 3]);
        check(kind, &seats(&[2]), [true, true, false]);
        check(kind, &seats(&[2, 9]), [true, true, false]);
    }
    check(Department, &Hint::CityWide, [false; 3]);
    check(Department, &seats(&[2]), [true, true, false]);
    check(Department, &seats(&[9]), [false; 3]);
    check(Department, &seats(&[2, 9]), [false; 3]);
    check(Department, &seats(&[1]), [false; 3]);
}

#[test]
fn lanes_and_authors_of_record_types() {
    use builtin::StatedBy;
    for (record_type, lane, stated_by) in [
        ("standard", 0, StatedBy::CityAndDistricts),
        ("organisation", 0, StatedBy::CityAndDistricts),
        ("region", 0, StatedBy::City),
        ("route", 0, StatedBy::CityAndDistricts),
        ("authority", 0, StatedBy::City),
        ("person_key", 0, StatedBy::City),
        ("link", 1, StatedBy::Nodes),
        ("assignment", 1, StatedBy::Nodes),
        ("docket", 1, StatedBy::Nodes),
        ("act.notice", 1, StatedBy::Nodes),
        ("act.310115.x", 1, StatedBy::Nodes),
        ("grant", 1, StatedBy::Nodes),
        ("intent", 1, StatedBy::Nodes),
        ("refusal", 2, StatedBy::Nodes),
        ("audit_seal", 2, StatedBy::Nodes),
        ("registration", 2, StatedBy::Seats),
        ("act.", 2, StatedBy::Seats),
        ("act", 2, StatedBy::Seats),
        ("standards", 2, StatedBy::Seats),
        ("", 2, StatedBy::Seats),
    ] {
        let rule = builtin::rule_of(record_type);
        assert_eq!(rule.lane as u8, lane, "{record_type}");
        assert_eq!(rule.stated_by, stated_by, "{record_type}");
        assert_eq!(builtin::lane_of(record_type) as u8, lane, "{record_type}");
    }
    assert!(builtin::DOCKET_REQUIRED.is_sorted());
}

/// An entry with this head and these sections, read as one of an origin in a lane.
fn entry_of(
    head: &Head,
    sections: &[(u8, &[u8])],
    kind: SeatKind,
    lane: Lane,
) -> Result<Entry, EntryFault> {
    let head = head.to_bytes();
    let mut bytes = Vec::new();
    let all: Vec<(u8, &[u8])> = std::iter::once((HEAD, head.as_slice()))
        .chain(sections.iter().copied())
        .collect();
    opening::put_whole(&[0; 16], all.into_iter(), &mut bytes);
    let opening = Opening::from_bytes(&bytes).expect("an opening");
    read(&opening, &identity(kind, 2), lane)
}

#[test]
fn an_entry_is_refused_alone() {
    let mut plain = full_head();
    plain.author = None;
    let fields = {
        let mut out = Vec::new();
        put_fields(&[(1, Value::Integer(5))], &mut out);
        out
    };
    let department = |head: &Head, sections: &[(u8, &[u8])], lane| {
        entry_of(head, sections, SeatKind::Department, lane)
    };
    let position = Provenance::at(b"t:1")
        .to_section()
        .expect("short")
        .expect("one");
    let all: [(u8, &[u8]); 2] = [(1, &fields), (15, &position)];
    let (head, sections, provenance) = department(&plain, &all, Lane::Records).expect("an entry");
    assert_eq!(head, plain);
    assert_eq!(sections, [(1, vec![(1, Value::Integer(5))])]);
    assert_eq!(provenance, Provenance::at(b"t:1"));

    let fault = |result: Result<Entry, EntryFault>| result.err();
    let lane = EntryFault::Lane(Lane::Records);
    assert_eq!(fault(department(&plain, &all, Lane::Cases)), Some(lane));
    assert_eq!(lane.code(), "R-LANE-01");
    let mut broken = plain.clone();
    broken.further = vec![FurtherSubject {
        role: "r".into(),
        subject: Subject::None,
    }];
    for (result, expected) in [
        (department(&broken, &all, Lane::Records), EntryFault::Head),
        (
            department(&plain, &[(1, &[0, 0])], Lane::Records),
            EntryFault::Section(1),
        ),
        (
            department(&plain, &[(15, &[0, 0])], Lane::Records),
            EntryFault::Section(15),
        ),
        (
            department(&plain, &[(15, &[0, 1, 0, 1, 1])], Lane::Records),
            EntryFault::Section(15),
        ),
        (
            department(&full_head(), &all, Lane::Records),
            EntryFault::Author,
        ),
    ] {
        assert_eq!(fault(result), Some(expected));
        assert_eq!(expected.code(), "R-HEAD-01");
    }
    for kind in [SeatKind::City, SeatKind::District] {
        let (head, ..) =
            entry_of(&full_head(), &all, kind, Lane::Records).expect("a person at a node");
        assert_eq!(head, full_head());
    }
}
