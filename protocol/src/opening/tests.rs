//! Which bytes are no opening, and what merging makes of every pair of states of a section.

use super::*;
use crate::entry::Key;
use crate::standard_hash::StandardHash;

const SALT: Salt = [9; 16];

fn head() -> Vec<u8> {
    Head::state("x", Key::marker(), "cn.x", 1, StandardHash::default()).to_bytes()
}

fn whole(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    put_whole(&SALT, sections.iter().copied(), &mut out);
    out
}

fn read(bytes: &[u8]) -> Opening<'_> {
    Opening::from_bytes(bytes).expect("an opening")
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

#[test]
fn bytes_that_are_no_opening() {
    let head = long(&head());
    let open = |n: u8| [&[n], head.as_slice()].concat();
    let part = |n: u8| [&[n, 0], [7; 16].as_slice(), head.as_slice()].concat();
    let closed = |n: u8, why: u8| [&[n, why], [5; 32].as_slice()].concat();
    let of_whole =
        |n: u8, sections: &[Vec<u8>]| [&[0], SALT.as_slice(), &[n], &sections.concat()].concat();
    let of_part = |n: u8, sections: &[Vec<u8>]| [&[1, n], sections.concat().as_slice()].concat();
    let all: Vec<Vec<u8>> = (0..16).map(open).collect();
    let all_parts: Vec<Vec<u8>> = (0..16).map(part).collect();
    for (what, bytes, there) in [
        ("whole", of_whole(2, &[open(0), open(1)]), true),
        ("whole, head alone", of_whole(1, &[open(0)]), true),
        ("whole, all sections", of_whole(16, &all), true),
        ("partial", of_part(2, &[part(0), closed(1, 1)]), true),
        (
            "partial, compacted",
            of_part(2, &[part(0), closed(15, 2)]),
            true,
        ),
        (
            "partial, erased",
            of_part(2, &[part(0), closed(1, 3)]),
            true,
        ),
        ("partial, all open", of_part(2, &[part(0), part(1)]), true),
        ("partial, all sections", of_part(16, &all_parts), true),
        ("nothing", vec![], false),
        (
            "another form",
            [&[2, 1], part(0).as_slice()].concat(),
            false,
        ),
        ("no section", of_whole(0, &[]), false),
        ("no section", of_part(0, &[]), false),
        (
            "seventeen sections",
            of_whole(17, &[&all[..], &[open(16)]].concat()),
            false,
        ),
        ("no head", of_whole(1, &[open(1)]), false),
        ("no head", of_part(1, &[part(1)]), false),
        ("closed head", of_part(1, &[closed(0, 1)]), false),
        ("closed head", of_part(2, &[closed(0, 3), part(1)]), false),
        ("two heads", of_whole(2, &[open(0), open(0)]), false),
        (
            "a section twice",
            of_whole(3, &[open(0), open(4), open(4)]),
            false,
        ),
        (
            "not ascending",
            of_part(3, &[part(0), part(4), part(3)]),
            false,
        ),
        ("section 16", of_whole(2, &[open(0), open(16)]), false),
        ("section 255", of_part(2, &[part(0), part(255)]), false),
        ("why 4", of_part(2, &[part(0), closed(1, 4)]), false),
        ("why 255", of_part(2, &[part(0), closed(1, 255)]), false),
        ("fewer than said", of_whole(2, &[open(0)]), false),
        ("more than said", of_whole(1, &[open(0), open(1)]), false),
    ] {
        assert_eq!(Opening::from_bytes(&bytes).is_ok(), there, "{what}");
        if there {
            let mut again = Vec::new();
            read(&bytes).put(&mut again);
            assert_eq!(again, bytes, "{what}");
        }
    }
}

#[test]
fn sizes_at_their_bounds() {
    let head = head();
    let whole_of = |length: usize| {
        let used = whole(&[(0, &head), (1, &[])]).len();
        whole(&[(0, &head), (1, &vec![0; length - used])])
    };
    let part_of = |length: usize| {
        let parts = |bytes: &[u8]| {
            let mut out = Vec::new();
            let sections = [(0, Part::Open(SALT, &head)), (1, Part::Open(SALT, bytes))];
            put_partial(sections.into_iter(), &mut out);
            out
        };
        let used = parts(&[]).len();
        parts(&vec![0; length - used])
    };
    let reads = |bytes: Vec<u8>| Opening::from_bytes(&bytes).is_ok();
    assert!(reads(whole_of(limits::SEALED_OPENING_BYTES_MAX)));
    assert!(!reads(whole_of(limits::SEALED_OPENING_BYTES_MAX + 1)));
    assert!(reads(part_of(limits::OPENING_BYTES_MAX)));
    assert!(!reads(part_of(limits::OPENING_BYTES_MAX + 1)));
}

/// What section 1 is in one copy, in the other, whether an erasure names it, and what it is in both together: `o` open, or
/// the reason why not.
#[track_caller]
fn check(one: char, other: char, erased: bool, together: char) {
    let head = head();
    let whole = whole(&[(0, &head), (1, b"one"), (2, b"two")]);
    let opening = read(&whole);
    let copy = |state: char| match state {
        // without the leaf's salt: another section is closed
        'o' => opening.narrowed(0b011, Closed::Withheld),
        '1' => opening.narrowed(0b001, Closed::Withheld),
        '2' => opening.narrowed(0b001, Closed::Compacted),
        _ => opening.narrowed(0b001, Closed::Erased),
    };
    let (one_bytes, other_bytes) = (copy(one), copy(other));
    let (one_copy, other_copy) = (read(&one_bytes), read(&other_bytes));
    let merged = one_copy.merged(&other_copy, |n| erased && n == 1);
    let merged = merged.expect("one leaf");
    let state = match read(&merged).sections()[1].1 {
        Section::Open(bytes) => {
            assert_eq!(bytes, b"one");
            'o'
        }
        Section::Closed { why, .. } => char::from(b'0' + why as u8),
    };
    let what = format!("{one} and {other}, erased: {erased}");
    assert_eq!(state, together, "{what}");
    assert_eq!(read(&merged).leaf(), opening.leaf(), "{what}");
    let back = other_copy.merged(&one_copy, |n| erased && n == 1);
    assert_eq!(back, Some(merged.clone()), "{what}: order");
    // what is merged is settled, and merging it again changes nothing
    let is_erased = |n: u8| erased && n == 1;
    assert_eq!(read(&merged).settled(is_erased), None, "{what}");
    let again = read(&merged).merged(&one_copy, is_erased);
    assert_eq!(again, Some(merged), "{what}: again");
}

#[test]
fn sections_of_two_copies() {
    check('o', 'o', false, 'o');
    check('o', '1', false, 'o');
    check('o', '2', false, 'o');
    check('o', '3', false, 'o');
    check('1', '1', false, '1');
    check('1', '2', false, '2');
    check('2', '2', false, '2');
    // erased by whom, if nobody has said so
    check('3', '3', false, '1');
    check('3', '1', false, '1');
    check('3', '2', false, '2');
    for one in ['o', '1', '2', '3'] {
        for other in ['o', '1', '2', '3'] {
            check(one, other, true, '3');
        }
    }
}

#[test]
fn the_head_is_never_erased() {
    let head = head();
    let whole = whole(&[(0, &head), (1, b"one")]);
    let opening = read(&whole);
    let merged = opening.merged(&opening, |_| true).expect("one leaf");
    assert_eq!(read(&merged).mask(), 1);
    assert_eq!(
        read(&merged).closed().collect::<Vec<_>>(),
        [(1, Closed::Erased)]
    );
    assert!(
        !merged.windows(16).any(|w| w == SALT),
        "the leaf's salt goes"
    );
    assert_eq!(opening.settled(|_| true), Some(merged));
    assert_eq!(opening.settled(|n| n == 0), None);
    assert_eq!(opening.settled(|_| false), None);
}

#[test]
fn settling_reads_what_nobody_has_erased_as_withheld() {
    let head = head();
    let whole = whole(&[(0, &head), (1, b"one"), (2, b"two")]);
    let opening = read(&whole);
    let said = opening.narrowed(0b011, Closed::Erased);
    let settled = read(&said).settled(|_| false).expect("it changes");
    assert_eq!(settled, opening.narrowed(0b011, Closed::Withheld));
    assert_eq!(read(&said).settled(|n| n == 2), None);
    let both = read(&said).settled(|n| n == 1).expect("it changes");
    let closed: Vec<_> = read(&both).closed().collect();
    assert_eq!(closed, [(1, Closed::Erased), (2, Closed::Withheld)]);
    for why in [Closed::Withheld, Closed::Compacted] {
        let bytes = opening.narrowed(0b011, why);
        assert_eq!(read(&bytes).settled(|_| false), None, "{why:?}");
    }
}

#[test]
fn two_partial_copies_with_everything_open_are_whole() {
    let head = head();
    let whole = whole(&[(0, &head), (1, b"one"), (2, b"two")]);
    let opening = read(&whole);
    let (one, other) = (
        opening.narrowed(0b011, Closed::Withheld),
        opening.narrowed(0b101, Closed::Withheld),
    );
    let merged = read(&one)
        .merged(&read(&other), |_| false)
        .expect("one leaf");
    assert!(read(&merged).is_open());
    assert!(!read(&one).is_open());
    assert_eq!(read(&merged).present(), 0b111);
    assert_eq!(read(&one).present(), 0b111);
    assert_eq!(read(&one).mask(), 0b011);
    assert_ne!(merged, whole, "the leaf's salt is not known from it");
    // whoever has it gives it on
    let with_whole = read(&merged).merged(&opening, |_| false);
    assert_eq!(with_whole.as_deref(), Some(whole.as_slice()));
    let with_whole = opening.merged(&read(&merged), |_| false);
    assert_eq!(with_whole.as_deref(), Some(whole.as_slice()));
}

#[test]
fn sections_are_found_by_number() {
    let head = head();
    let whole = whole(&[(0, &head), (3, b"three"), (15, b"fifteen")]);
    let opening = read(&whole);
    let narrowed = opening.narrowed(1 << 15, Closed::Compacted);
    let narrowed = read(&narrowed);
    for (number, in_whole, in_narrowed) in [
        (0, Some(head.as_slice()), Some(head.as_slice())),
        (1, None, None),
        (3, Some(b"three".as_slice()), None),
        (15, Some(b"fifteen".as_slice()), Some(b"fifteen".as_slice())),
        (16, None, None),
    ] {
        assert_eq!(opening.section(number), in_whole, "{number}");
        assert_eq!(narrowed.section(number), in_narrowed, "{number}");
    }
    assert_eq!(opening.open_fields().count(), 2);
    assert_eq!(
        narrowed.open_fields().collect::<Vec<_>>(),
        [(15, &b"fifteen"[..])]
    );
    assert_eq!(
        narrowed.closed().collect::<Vec<_>>(),
        [(3, Closed::Compacted)]
    );
    let salts: Vec<_> = opening.commitments().collect();
    let narrowed_salts: Vec<_> = narrowed.commitments().collect();
    assert_eq!(salts[2].1, Some(hash::section_salt(&SALT, 15)));
    assert_eq!(
        salts[1].2,
        hash::section(3, &hash::section_salt(&SALT, 3), b"three")
    );
    assert_eq!(narrowed_salts[1], (3, None, salts[1].2));
    assert_eq!(narrowed_salts[2], salts[2]);
    assert_eq!(opening.head().map(|h| h.record_type), Ok("x".to_owned()));
    assert_eq!(opening.record(), Ok((&b"x"[..], Key::marker().as_bytes())));
}
