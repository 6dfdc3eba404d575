//! Which bytes are no header and no draft, each bound at both of its sides.

use super::*;
use crate::entry::{Head, Key};
use crate::standard_hash::StandardHash;
use crate::value::Value;

fn hash_of(n: u8) -> Hash {
    Hash([n; 32])
}

fn group(hint: &[u8], count: u32) -> Group {
    Group {
        hint: hint.to_vec(),
        count,
        root: hash_of(count as u8),
    }
}

/// A header of these groups; count and root follow from them.
fn header(groups: Vec<Group>) -> Header {
    Header {
        seat: SeatId([1; 16]),
        lane: Lane::Records,
        counter: 1,
        opening: Ref::of(hash_of(2)),
        sequence: 7,
        previous: Ref::of(hash_of(3)),
        history: hash_of(4),
        time: HybridTime(5),
        identity: Ref::of(hash_of(6)),
        count: groups.iter().map(|g| g.count).sum(),
        root: table_root(&groups),
        groups,
    }
}

fn two_groups() -> Header {
    header(vec![group(&[0], 3), group(&[4], 997)])
}

#[track_caller]
fn check(what: &str, header: &Header, there: bool) {
    let bytes = header.to_bytes();
    let read = Header::from_bytes(&bytes);
    assert_eq!(read.is_ok(), there, "{what}: {read:?}");
    if there {
        assert_eq!(read.as_ref(), Ok(header), "{what}");
    }
}

fn changed(change: impl FnOnce(&mut Header)) -> Header {
    let mut header = two_groups();
    change(&mut header);
    header
}

#[test]
fn positions_at_their_bounds() {
    check("as it is", &two_groups(), true);
    for (sequence, there) in [
        (0, false),
        (1, true),
        (limits::POSITION_MAX, true),
        (limits::POSITION_MAX + 1, false),
    ] {
        check("sequence", &changed(|h| h.sequence = sequence), there);
    }
    for (counter, there) in [(0, false), (1, true), (u32::MAX, true)] {
        check("counter", &changed(|h| h.counter = counter), there);
    }
    check("opening", &changed(|h| h.opening = Ref::ZERO), false);
    check("previous", &changed(|h| h.previous = Ref::ZERO), false);
    check("identity", &changed(|h| h.identity = Ref::ZERO), false);
    check("history", &changed(|h| h.history = Hash::ZERO), true);
    let suite_2 = Ref {
        suite: 2,
        hash: hash_of(3),
    };
    check(
        "a reference of suite 2",
        &changed(|h| h.identity = suite_2),
        true,
    );
}

#[test]
fn lanes_of_headers() {
    for lane in 0..=255 {
        let mut bytes = two_groups().to_bytes();
        bytes[16] = lane;
        let read = Header::from_bytes(&bytes).map(|h| h.lane as u8);
        assert_eq!(read.ok(), (lane < 3).then_some(lane), "lane {lane}");
    }
}

#[test]
fn the_table_ascends_and_adds_up() {
    let many = |n: usize| {
        let hint = |i: usize| format!("\x02\x04{i:04}").into_bytes();
        header((0..n).map(|i| group(&hint(i), 1)).collect())
    };
    check("one group", &header(vec![group(&[0], 1)]), true);
    check("a thousand groups", &many(1_000), true);
    check("a thousand and one groups", &many(1_001), false);
    check("no group", &header(vec![]), false);
    check("a thousand leaves", &header(vec![group(&[0], 1_000)]), true);
    check("one leaf more", &header(vec![group(&[0], 1_001)]), false);
    check(
        "one leaf more in two",
        &header(vec![group(&[0], 4), group(&[4], 997)]),
        false,
    );
    check("no leaf", &header(vec![group(&[0], 0)]), false);
    check(
        "no leaf in the second",
        &header(vec![group(&[0], 1), group(&[4], 0)]),
        false,
    );
    check(
        "another order",
        &header(vec![group(&[4], 1), group(&[0], 1)]),
        false,
    );
    check(
        "one hint twice",
        &header(vec![group(&[0], 1), group(&[0], 1)]),
        false,
    );
    check(
        "more leaves than counted",
        &changed(|h| h.count = 999),
        false,
    );
    check(
        "fewer leaves than counted",
        &changed(|h| h.count = 1_001),
        false,
    );
    check(
        "counts that overflow",
        &changed(|h| {
            h.groups = vec![group(&[0], u32::MAX), group(&[4], 2)];
            h.count = 1;
            h.root = table_root(&h.groups);
        }),
        false,
    );
    check("another root", &changed(|h| h.root = hash_of(9)), false);
    check(
        "another root of a group",
        &changed(|h| h.groups[1].root = hash_of(9)),
        false,
    );
    check(
        "another count of a group",
        &changed(|h| {
            h.groups[0].count = 4;
            h.groups[1].count = 996;
        }),
        false,
    );
}

/// A hint that is none makes the header a bad one; so nothing can be addressed by it.
#[test]
fn hints_that_are_none() {
    let seats = |n: u8, order: fn(u8) -> u8| {
        let seats = (0..n).flat_map(|i| [order(i); 16]);
        [3, n].into_iter().chain(seats).collect::<Vec<u8>>()
    };
    let own = |id: &str| [&[2, id.len() as u8], id.as_bytes()].concat();
    let division = |code: &str| [&[1, code.len() as u8], code.as_bytes()].concat();
    for (what, hint, there) in [
        ("unknown", vec![0], true),
        ("division", division("310115"), true),
        ("town", division("310115001"), true),
        ("own region", own("pilot-zone"), true),
        ("own region of one", own("a"), true),
        ("own region of 64", own(&"a".repeat(64)), true),
        ("a seat", seats(1, |i| i), true),
        ("sixteen seats", seats(16, |i| i), true),
        ("city-wide", vec![4], true),
        ("nothing", vec![], false),
        ("kind 5", vec![5], false),
        ("kind 6", vec![6], false),
        ("kind 255", vec![255], false),
        ("bytes behind", vec![0, 0], false),
        ("five digits", division("31011"), false),
        ("seven digits", division("3101150"), false),
        ("eight digits", division("31011500"), false),
        ("twelve digits", division("310115001001"), false),
        ("letters", division("31011a"), false),
        ("star", own("*"), false),
        ("capitals", own("Pilot"), false),
        ("a line first", own("-a"), false),
        ("own region of none", own(""), false),
        ("own region of 65", own(&"a".repeat(65)), false),
        ("no seat", seats(0, |i| i), false),
        ("seventeen seats", seats(17, |i| i), false),
        ("seats falling", seats(2, |i| 9 - i), false),
        ("a seat twice", seats(2, |_| 9), false),
        (
            "fewer seats than said",
            seats(2, |i| i)[..20].to_vec(),
            false,
        ),
    ] {
        check(what, &header(vec![group(&hint, 1)]), there);
        assert_eq!(Hint::from_bytes(&hint).is_ok(), there, "{what}");
        if let Ok(read) = Hint::from_bytes(&hint) {
            assert_eq!(read.to_bytes(), hint, "{what}");
        }
    }
}

#[test]
fn a_header_is_read_to_its_end() {
    let bytes = two_groups().to_bytes();
    for end in 0..bytes.len() {
        assert!(Header::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(Header::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

/// Hints, ascending, whose table of one leaf each makes a header of exactly so many bytes.
fn hints_of(header_bytes: usize) -> Vec<Hint> {
    // per group: length of the hint, count, root
    const GROUP: usize = 2 + 4 + 32;
    let room = header_bytes - header(vec![]).to_bytes().len();
    let wide = GROUP + 2 + 16 * limits::HINT_SEATS_MAX;
    let seats = |at: usize| {
        let seat = |i: u8| {
            let mut seat = [i; 16];
            seat[8..].copy_from_slice(&(at as u64).to_be_bytes());
            SeatId(seat)
        };
        Hint::Seats((0..limits::HINT_SEATS_MAX as u8).map(seat).collect())
    };
    let many = (room - 250) / wide;
    // what is left is for regions of whatever length makes it up
    let left = room - many * wide;
    let regions = left.div_ceil(GROUP + 2 + limits::NAME_BYTES_MAX);
    let length = |at: usize| left / regions + usize::from(at < left % regions) - GROUP - 2;
    let region = |at: usize| Hint::Region(format!("{at}{}", "a".repeat(length(at) - 1)));
    let mut hints: Vec<Hint> = (0..many)
        .map(seats)
        .chain((0..regions).map(region))
        .collect();
    hints.sort_by_key(Hint::to_bytes);
    hints
}

#[test]
fn headers_at_their_bound() {
    for (bytes, there) in [
        (limits::HEADER_BYTES_MAX, true),
        (limits::HEADER_BYTES_MAX + 1, false),
    ] {
        let hints = hints_of(bytes);
        let groups = hints.iter().map(|h| group(&h.to_bytes(), 1)).collect();
        let header = header(groups);
        assert_eq!(header.to_bytes().len(), bytes);
        check("at the bound", &header, there);
        let drafts: Vec<Draft> = (0..)
            .zip(hints)
            .map(|(key, hint)| entry(key, hint, 0))
            .collect();
        let over = SealError::Full(limits::HEADER_BYTES_MAX + 1);
        assert_eq!(
            sealed(&drafts).map(|_| ()),
            if there { Ok(()) } else { Err(over) }
        );
    }
}

#[test]
fn the_front_is_read_whatever_is_behind_it() {
    let header = two_groups();
    let bytes = header.to_bytes();
    let front = HeaderFront {
        seat: header.seat,
        lane: 2,
        opening: header.opening,
        sequence: 7,
        identity: header.identity,
    };
    assert_eq!(HeaderFront::read(&bytes), Ok(front));
    let end = 16 + 1 + 4 + 33 + 8 + 33 + 32 + 8 + 33;
    assert_eq!(HeaderFront::read(&bytes[..end]), Ok(front));
    assert!(HeaderFront::read(&bytes[..end - 1]).is_err());
    let nobody = changed(|h| h.identity = Ref::ZERO).to_bytes();
    assert!(HeaderFront::read(&nobody).is_err());
    let mut without_opening = bytes;
    without_opening[21] = 0;
    let read = HeaderFront::read(&without_opening).map(|f| f.opening);
    assert_eq!(read, Ok(Ref::ZERO));
}

#[test]
fn a_log_expects_one_header() {
    let opening = EpochOpening {
        seat: SeatId([1; 16]),
        counter: 1,
        nonce: [0; 16],
        identity: Ref::of(hash_of(6)),
        instance: crate::name::InstanceId([0; 16]),
        last_known: Vec::new(),
        void: Vec::new(),
    };
    let reference = Ref::of(hash_of(2));
    let mut log = LogState::start(&opening, reference, Lane::Records);
    let first = Header {
        sequence: 1,
        previous: reference,
        history: log.history.root(),
        ..two_groups()
    };
    assert!(log.expects(&first));
    let other = |change: fn(&mut Header)| {
        let mut other = first.clone();
        change(&mut other);
        other
    };
    for (what, header) in [
        ("seat", other(|h| h.seat = SeatId([2; 16]))),
        ("lane", other(|h| h.lane = Lane::Cases)),
        ("counter", other(|h| h.counter = 2)),
        ("opening", other(|h| h.opening = Ref::of(hash_of(9)))),
        ("sequence", other(|h| h.sequence = 2)),
        ("previous", other(|h| h.previous = Ref::of(hash_of(9)))),
        ("suite of previous", other(|h| h.previous.suite = 2)),
        ("history", other(|h| h.history = hash_of(9))),
    ] {
        assert!(!log.expects(&header), "{what}");
    }
    let first_reference = Ref::of(hash_of(0x11));
    log.advance(first_reference);
    assert!(!log.expects(&first));
    let second = Header {
        sequence: 2,
        previous: first_reference,
        history: first_reference.hash,
        ..first
    };
    assert!(log.expects(&second));
    assert_eq!((log.sequence, log.last), (1, first_reference));
}

#[test]
fn bytes_that_are_no_draft() {
    let section = |n: u8| [n, 0, 0, 0, 1, 0xaa];
    let draft = |n: u8, sections: &[[u8; 6]]| [&[n], sections.concat().as_slice()].concat();
    let all: Vec<[u8; 6]> = (0..16).map(section).collect();
    for (what, bytes, there) in [
        ("a head alone", draft(1, &[section(0)]), true),
        ("all sections", draft(16, &all), true),
        ("section 15", draft(2, &[section(0), section(15)]), true),
        ("nothing", vec![], false),
        ("no section", draft(0, &[]), false),
        ("no head", draft(1, &[section(1)]), false),
        ("section 16", draft(2, &[section(0), section(16)]), false),
        (
            "a section twice",
            draft(3, &[section(0), section(2), section(2)]),
            false,
        ),
        (
            "not ascending",
            draft(3, &[section(0), section(2), section(1)]),
            false,
        ),
        ("two heads", draft(2, &[section(0), section(0)]), false),
        (
            "seventeen",
            draft(17, &[&all[..], &[section(16)]].concat()),
            false,
        ),
        ("fewer than said", draft(2, &[section(0)]), false),
        ("more than said", draft(1, &[section(0), section(1)]), false),
    ] {
        let read = Draft::from_bytes(bytes.clone());
        assert_eq!(read.is_ok(), there, "{what}");
        if let Ok(read) = read {
            assert_eq!(read.as_bytes(), bytes, "{what}");
        }
    }
}

fn entry(key: i64, hint: Hint, bytes: usize) -> Draft {
    let key = Key::columns(&[Value::Integer(key)]);
    let mut head = Head::state("x", key, "cn.x", 1, StandardHash::default());
    head.hint = hint;
    let head = head.to_bytes();
    match bytes {
        0 => Draft::new(&[(HEAD, head)]),
        bytes => Draft::new(&[(HEAD, head), (1, vec![0; bytes])]),
    }
}

fn sealed(drafts: &[Draft]) -> Result<Sealed, SealError> {
    let header = two_groups();
    let log = LogState {
        log: header.log(),
        counter: 1,
        sequence: 0,
        last: header.opening,
        history: History::default(),
    };
    let key = SigningKey::from_seed(&[1; 32]);
    seal(&log, drafts, HybridTime(1), &[7; 32], header.identity, &key)
}

#[test]
fn what_is_sealed_reads_back() {
    let drafts: Vec<Draft> = [5, 3, 9, 1]
        .into_iter()
        .zip([Hint::CityWide, Hint::Unknown, Hint::CityWide, Hint::Unknown])
        .map(|(key, hint)| entry(key, hint, 20))
        .collect();
    let sealed = sealed(&drafts).expect("within every bound");
    let header = Header::from_bytes(&sealed.header.bytes).expect("our own");
    assert_eq!(sealed.indexes, [2, 1, 3, 0]);
    assert_eq!((header.sequence, header.count), (1, 4));
    let table: Vec<_> = header
        .groups
        .iter()
        .map(|g| (g.hint.clone(), g.count))
        .collect();
    assert_eq!(table, [(vec![0], 2), (vec![4], 2)]);
    assert_eq!(sealed.header.reference(), Some(sealed.reference));
    assert_eq!(
        (sealed.log.sequence, sealed.log.last),
        (1, sealed.reference)
    );
}

#[test]
fn what_cannot_be_sealed() {
    let many = |n: i64| {
        (0..n)
            .map(|k| entry(k, Hint::Unknown, 0))
            .collect::<Vec<_>>()
    };
    let fault = |drafts: &[Draft]| sealed(drafts).map(|_| ()).err();
    assert_eq!(fault(&[]), Some(SealError::Count(0)));
    assert_eq!(fault(&many(1_000)), None);
    assert_eq!(fault(&many(1_001)), Some(SealError::Count(1_001)));
    let twice = [entry(1, Hint::Unknown, 0), entry(1, Hint::CityWide, 0)];
    assert_eq!(fault(&twice), Some(SealError::Repeated));

    // one entry at its bound and over it
    let used = {
        let sealed = sealed(&[entry(1, Hint::Unknown, 1)]).expect("small");
        let header = Header::from_bytes(&sealed.header.bytes).expect("our own");
        crate::slice::opened(&header, &sealed.body).expect("our own")[0]
            .at
            .len()
            - 1
    };
    let room = limits::SEALED_OPENING_BYTES_MAX - used;
    assert_eq!(fault(&[entry(1, Hint::Unknown, room)]), None);
    let over = SealError::TooLarge(limits::SEALED_OPENING_BYTES_MAX + 1);
    assert_eq!(fault(&[entry(1, Hint::Unknown, room + 1)]), Some(over));

    // all entries together at their bound and over it
    let fill = |last: usize| {
        let full = limits::SEALED_SLICE_BYTES_MAX / 100_000;
        (0..full as i64)
            .map(|k| entry(k, Hint::Unknown, 100_000 - 5 * used))
            .chain([entry(999_999, Hint::Unknown, last)])
            .collect::<Vec<_>>()
    };
    let body = sealed(&fill(1)).expect("within the bound").body.len();
    let room = limits::SEALED_SLICE_BYTES_MAX - body + 1;
    assert!(room < limits::SEALED_OPENING_BYTES_MAX - used);
    assert_eq!(fault(&fill(room)), None);
    let over = SealError::Full(limits::SEALED_SLICE_BYTES_MAX + 1);
    assert_eq!(fault(&fill(room + 1)), Some(over));

    let broken = Draft {
        bytes: vec![1, 1, 0, 0, 0, 0],
    };
    assert!(matches!(fault(&[broken]), Some(SealError::Malformed(_))));
    let no_head = Draft::new(&[(HEAD, vec![9])]);
    assert!(matches!(fault(&[no_head]), Some(SealError::Malformed(_))));
}

#[test]
fn every_entry_has_a_salt_of_its_own() {
    let salts: std::collections::BTreeSet<_> = (0..100).map(|i| leaf_salt(&[7; 32], i)).collect();
    assert_eq!(salts.len(), 100);
    assert_ne!(leaf_salt(&[8; 32], 0), leaf_salt(&[7; 32], 0));
    let full = hash::sha256(&[&[7; 32], &3u32.to_be_bytes()]);
    assert_eq!(leaf_salt(&[7; 32], 3), full.0[..16]);
}
