//! Openings, batches and slices: whatever is withheld verifies, whatever is changed does not, and the right party is blamed.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::batch::{self, Draft, Group, Header, LogState, SealError, Sealed};
use protocol::entry::Hint;
use protocol::envelope::{Envelope, kind};
use protocol::hash::{self, Hash};
use protocol::limits;
use protocol::merkle;
use protocol::name::{HybridTime, Lane};
use protocol::opening::{self, Closed, Opening};
use protocol::sign::Suite;
use protocol::slice::{self, HeaderFault, SliceFault, VerifiedHeader, VerifiedSlice};

use crate::sample::{self, City};
use crate::values;

fn whole(salt: &[u8; 16], sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let sections = sections.iter().map(|(n, b)| (*n, b.as_slice()));
    opening::put_whole(salt, sections, &mut out);
    out
}

fn read(bytes: &[u8]) -> Opening<'_> {
    Opening::from_bytes(bytes).expect("an opening of our own")
}

fn header(city: &City, sealed: &Sealed) -> VerifiedHeader {
    slice::verify_header(&city.directory, &sealed.header).expect("a header of our own")
}

fn verified(city: &City, sealed: &Sealed, body: Vec<u8>) -> Result<VerifiedSlice, SliceFault> {
    slice::verify(header(city, sealed), body)
}

proptest! {
    #[test]
    fn narrowing_and_merging_keep_the_leaf(
        (salt, sections) in values::sections(),
        first in any::<u16>(),
        second in any::<u16>(),
    ) {
        let whole = whole(&salt, &sections);
        let opening = read(&whole);
        let one = opening.narrowed(first, Closed::Withheld);
        let other = opening.narrowed(second, Closed::Compacted);
        let present = opening.mask();
        for (bytes, keep) in [(&one, first), (&other, second)] {
            let narrowed = read(bytes);
            prop_assert_eq!(narrowed.leaf(), opening.leaf());
            prop_assert_eq!(narrowed.mask(), present & (keep | 1));
            prop_assert_eq!(narrowed.is_whole(), narrowed.mask() == present);
            prop_assert!(narrowed.is_whole() || !bytes.windows(16).any(|w| w == salt));
            prop_assert_eq!(narrowed.narrowed(u16::MAX, Closed::Withheld), bytes.clone());
            for (number, section) in &sections {
                let expected = (narrowed.mask() & 1 << number != 0).then_some(section.as_slice());
                prop_assert_eq!(narrowed.section(*number), expected);
            }
        }
        let merged = read(&one).merged(&read(&other)).expect("one leaf");
        prop_assert_eq!(&merged, &read(&other).merged(&read(&one)).expect("one leaf"));
        prop_assert_eq!(read(&merged).leaf(), opening.leaf());
        prop_assert_eq!(read(&merged).mask(), present & (first | second | 1));
        prop_assert_eq!(read(&merged).merged(&read(&one)).expect("one leaf"), merged.clone());
        prop_assert_eq!(read(&merged).merged(&opening).expect("one leaf"), whole.clone());
        // narrowed twice is narrowed by both
        let twice = read(&one).narrowed(second, Closed::Withheld);
        prop_assert_eq!(read(&twice).mask(), present & (first | 1) & (second | 1));
    }

    #[test]
    fn openings_of_two_leaves_do_not_merge((salt, sections) in values::sections(), bit in 0usize..128) {
        let mut other_salt = salt;
        other_salt[bit / 8] ^= 1 << (bit % 8);
        let (one, other) = (whole(&salt, &sections), whole(&other_salt, &sections));
        prop_assert_ne!(read(&one).leaf(), read(&other).leaf());
        prop_assert!(read(&one).merged(&read(&other)).is_none());
    }
}

/// Rows of one batch: which of them, under which hint.
fn rows() -> impl Strategy<Value = Vec<(u32, u8)>> {
    prop::collection::btree_map(0u32..5000, 0u8..5, 1..40)
        .prop_map(|rows| rows.into_iter().collect())
}

fn drafts(rows: &[(u32, u8)]) -> Vec<Draft> {
    rows.iter()
        .map(|(row, hint)| {
            let hint = match hint {
                0 => Hint::Unknown,
                1 => Hint::Division("310115".into()),
                2 => Hint::Division("310101".into()),
                3 => Hint::CityWide,
                _ => Hint::Seats(vec![sample::DISTRICT]),
            };
            sample::registration(*row, hint)
        })
        .collect()
}

fn positions(of: usize, bits: &[bool]) -> Vec<u32> {
    (0..of as u32)
        .zip(bits.iter().cycle())
        .filter(|(_, b)| **b)
        .map(|(p, _)| p)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cut_of_a_cut_verifies(
        rows in rows(),
        first in vec(any::<bool>(), 1..40),
        second in vec(any::<bool>(), 1..40),
        keep in any::<u16>(),
    ) {
        let city = sample::city();
        let drafts = drafts(&rows);
        let sealed = city.seal(&city.log(), &drafts);
        let all = verified(&city, &sealed, sealed.body.clone()).expect("as sealed");
        prop_assert!(all.is_complete());
        prop_assert_eq!(all.opened().len(), drafts.len());

        // every draft is where its index says, unchanged
        for (draft, index) in drafts.iter().zip(&sealed.indexes) {
            let opened = &all.opened()[*index as usize];
            prop_assert_eq!(opened.index, *index);
            let opening = all.opening(opened).expect("verified");
            let open: Vec<(u8, Vec<u8>)> = std::iter::once((0, opening.head_bytes().to_vec()))
                .chain(opening.open_fields().map(|(n, b)| (n, b.to_vec())))
                .collect();
            prop_assert_eq!(&Draft::new(&open), draft);
        }

        let head = header(&city, &sealed);
        let wanted = positions(drafts.len(), &first);
        let cut = slice::cut(head.header(), &sealed.body, &wanted, |_| keep).expect("our own body");
        let part = verified(&city, &sealed, cut.clone()).expect("a cut verifies");
        let indexes: Vec<u32> = part.opened().iter().map(|o| o.index).collect();
        prop_assert_eq!(&indexes, &wanted);
        prop_assert_eq!(part.is_complete(), wanted.len() == drafts.len());
        for opened in part.opened() {
            let opening = part.opening(opened).expect("verified");
            prop_assert_eq!(opening.mask(), 0b1111 & (keep | 1));
        }
        prop_assert_eq!(
            slice::cut(head.header(), &cut, &positions(wanted.len(), &[true]), |_| u16::MAX).expect("a cut"),
            cut.clone(),
            "taking all of a cut changes nothing"
        );

        let again = positions(wanted.len(), &second);
        let narrower = slice::cut(head.header(), &cut, &again, |_| 1).expect("a cut can be cut");
        let part = verified(&city, &sealed, narrower).expect("a cut of a cut verifies");
        let indexes: Vec<u32> = part.opened().iter().map(|o| o.index).collect();
        let expected: Vec<u32> = again.iter().map(|p| wanted[*p as usize]).collect();
        prop_assert_eq!(indexes, expected);
    }

    #[test]
    fn a_flipped_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0u8..8, keep in 0u16..16) {
        let city = sample::city();
        let (_, sealed) = sample::batches(&city).swap_remove(0);

        let mut bytes = sealed.header.to_bytes();
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok(envelope) = Envelope::from_bytes(&bytes) {
            prop_assert!(slice::verify_header(&city.directory, &envelope).is_err(), "header byte {}", place);
        }

        let mut body = sealed.body.clone();
        let place = at.index(body.len());
        body[place] ^= 1 << bit;
        let fault = verified(&city, &sealed, body).map(|_| ()).expect_err("the body was changed");
        prop_assert!(matches!(fault, SliceFault::Relay(_)), "the origin is blamed for a relay's byte {}: {}", place, fault);

        // of a narrowed cut, everything is bound but the reasons why sections are closed
        let head = header(&city, &sealed);
        let cut = slice::cut(head.header(), &sealed.body, &[1, 3, 6], |_| keep).expect("our own body");
        let mut changed = cut.clone();
        let place = at.index(cut.len());
        changed[place] ^= 1 << bit;
        let reason = (1..=3).contains(&cut[place]) && (1..=3).contains(&changed[place]);
        match verified(&city, &sealed, changed) {
            Ok(part) => {
                prop_assert!(reason, "byte {} of a cut is not bound", place);
                let before = verified(&city, &sealed, cut).expect("our own cut");
                for (a, b) in part.opened().iter().zip(before.opened()) {
                    let (a, b) = (part.opening(a).expect("verified"), before.opening(b).expect("verified"));
                    prop_assert_eq!((a.leaf(), a.mask()), (b.leaf(), b.mask()));
                }
            }
            Err(fault) => prop_assert!(matches!(fault, SliceFault::Relay(_)), "{}", fault),
        }
    }

    #[test]
    fn logs_chain(sizes in vec(1usize..4, 1..8), skip in any::<prop::sample::Index>()) {
        let city = sample::city();
        let mut log = city.log();
        let mut headers: Vec<Header> = Vec::new();
        for (n, size) in sizes.iter().enumerate() {
            let drafts: Vec<Draft> = (0..*size)
                .map(|i| sample::registration((n * 10 + i) as u32, Hint::Unknown))
                .collect();
            let sealed = city.seal(&log, &drafts);
            let header = header(&city, &sealed).header().clone();
            prop_assert_eq!(header.sequence, n as u64 + 1);
            prop_assert!(log.expects(&header));
            prop_assert!(!sealed.log.expects(&header), "a header is not expected twice");
            log = sealed.log;
            headers.push(header);
        }
        // replayed from the start the same; with one left out the next does not fit; in another lane none fits
        let mut replay = city.log();
        let mut other = LogState::start(&city.opening, city.opening_envelope.hash(), Lane::Cases);
        let mut gap = city.log();
        let skip = skip.index(headers.len());
        for (n, header) in headers.iter().enumerate() {
            let object = hash::object(kind::HEADER, 1, &header.to_bytes());
            prop_assert!(replay.expects(header));
            replay.advance(object);
            prop_assert!(!other.expects(header));
            other.advance(object);
            prop_assert_eq!(gap.expects(header), n <= skip);
            if n != skip {
                gap.advance(object);
            }
        }
        prop_assert_eq!(replay, log);
    }
}

#[test]
fn what_may_not_be_sealed() {
    let city = sample::city();
    let log = city.log();
    let seal = |drafts: &[Draft]| {
        let identity = city.department.hash();
        batch::seal(
            &log,
            drafts,
            HybridTime(1),
            &[1; 32],
            identity,
            &city.department_key,
        )
        .map(|_| ())
        .expect_err("refused")
    };
    let one = |hint| sample::registration(1, hint);
    assert_eq!(seal(&[]), SealError::Count(0));
    let many: Vec<Draft> = (0..1001)
        .map(|n| sample::registration(n, Hint::Unknown))
        .collect();
    assert_eq!(seal(&many), SealError::Count(1001));
    assert_eq!(
        seal(&[one(Hint::Unknown), one(Hint::Unknown)]),
        SealError::Repeated
    );
    assert_eq!(
        seal(&[one(Hint::Unknown), one(Hint::Local)]),
        SealError::Repeated
    );
    let head = sample::head_bytes(&sample::registration_head(1, Hint::Unknown));
    let large = |bytes: usize| Draft::new(&[(0, head.clone()), (1, vec![0; bytes])]);
    assert!(matches!(
        seal(&[large(limits::OPENING_BYTES_MAX)]),
        SealError::TooLarge(_)
    ));
    let fat: Vec<Draft> = (0..40)
        .map(|n| {
            let head = sample::head_bytes(&sample::registration_head(n, Hint::Unknown));
            Draft::new(&[(0, head), (1, vec![0; 200_000])])
        })
        .collect();
    assert!(matches!(seal(&fat), SealError::TooLarge(_)));
    for sections in [
        vec![],
        vec![(1u8, vec![0u8])],
        vec![(0, head.clone()), (16, vec![0])],
        vec![(0, head.clone()), (0, head.clone())],
    ] {
        let mut bytes = vec![sections.len() as u8];
        for (number, section) in &sections {
            bytes.push(*number);
            bytes.extend((section.len() as u32).to_be_bytes());
            bytes.extend(section);
        }
        assert!(Draft::from_bytes(bytes).is_err(), "{sections:?}");
    }
}

/// The largest opening that may be sealed stays readable however it is narrowed.
#[test]
fn the_largest_opening_can_be_narrowed() {
    let head = sample::head_bytes(&sample::registration_head(1, Hint::Unknown));
    let mut sections: Vec<(u8, Vec<u8>)> = (0..16u8).map(|n| (n, Vec::new())).collect();
    sections[0].1 = head;
    let used = whole(&[0; 16], &sections).len();
    sections[8].1 = vec![7; limits::SEALED_OPENING_BYTES_MAX - used];
    let bytes = whole(&[0; 16], &sections);
    let opening = read(&bytes);
    for keep in [0b1_0000_0001, 0x7fff, 0xaaaa, 1] {
        let narrowed = opening.narrowed(keep, Closed::Withheld);
        assert_eq!(read(&narrowed).leaf(), opening.leaf(), "{keep:b}");
    }
    sections[8].1.push(7);
    assert!(Opening::from_bytes(&whole(&[0; 16], &sections)).is_err());
}

/// A batch that no sealer of ours would make, well signed: groups of (hint, entries as sections).
fn forged(city: &City, groups: &[(Hint, Vec<Draft>)]) -> (Envelope, Vec<u8>) {
    let log = city.log();
    let mut body = vec![1];
    body.extend((groups.len() as u16).to_be_bytes());
    let mut table = Vec::new();
    for (n, (hint, drafts)) in groups.iter().enumerate() {
        body.extend((n as u16).to_be_bytes());
        body.push(0);
        let mut leaves = Vec::new();
        for draft in drafts {
            // a whole opening is a form byte, a salt and what a draft consists of
            let opening = [&[0], [9; 16].as_slice(), draft.as_bytes()].concat();
            leaves.push(read(&opening).leaf());
            body.extend((opening.len() as u32).to_be_bytes());
            body.extend(opening);
        }
        table.push(Group {
            hint: hint.to_bytes(),
            count: drafts.len() as u32,
            root: merkle::root(&leaves),
        });
    }
    let tops: Vec<Hash> = table
        .iter()
        .map(|g| hash::group(&g.hint, g.count, &g.root))
        .collect();
    let header = Header {
        suite: Suite::Sha256Ed25519,
        seat: log.log.seat,
        lane: log.log.lane,
        epoch: log.epoch,
        opening: log.log.opening,
        sequence: 1,
        previous: log.last,
        history: log.history.root(),
        time: HybridTime(1),
        identity: city.department.hash(),
        count: table.iter().map(|g| g.count).sum(),
        groups: table,
        root: merkle::root(&tops),
    };
    (
        Envelope::signed(kind::HEADER, 1, header.to_bytes(), &city.department_key),
        body,
    )
}

#[test]
fn the_origin_is_blamed_for_its_own() {
    let city = sample::city();
    let row = |n, hint| sample::registration(n, hint);
    let unreadable = Draft::new(&[(0, vec![0xff])]);
    let unknown = || Hint::Unknown;
    for (what, groups, stands) in [
        (
            "in order",
            vec![(unknown(), vec![row(1, unknown()), row(2, unknown())])],
            true,
        ),
        (
            "another hint than the group's",
            vec![(unknown(), vec![row(1, Hint::Local)])],
            false,
        ),
        (
            "out of order",
            vec![(unknown(), vec![row(2, unknown()), row(1, unknown())])],
            false,
        ),
        (
            "twice in a group",
            vec![(unknown(), vec![row(1, unknown()), row(1, unknown())])],
            false,
        ),
        (
            "twice in two groups",
            vec![
                (unknown(), vec![row(1, unknown())]),
                (Hint::Local, vec![row(1, Hint::Local)]),
            ],
            false,
        ),
        (
            "a head that cannot be read",
            vec![(unknown(), vec![unreadable])],
            false,
        ),
    ] {
        let (envelope, body) = forged(&city, &groups);
        let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
        match slice::verify(header, body) {
            Ok(_) => assert!(stands, "{what} was taken"),
            Err(SliceFault::Origin(_)) => assert!(!stands, "{what} was refused"),
            Err(SliceFault::Relay(e)) => panic!("{what}: the relay is blamed: {e}"),
        }
    }
}

/// A relay that changes the hint in a head must not stop the origin's log.
#[test]
fn a_relay_cannot_have_the_origin_blamed() {
    let city = sample::city();
    let (_, sealed) = sample::batches(&city).swap_remove(0);
    for (from, to) in [("310115", "310116"), ("registration", "registratioo")] {
        let mut body = sealed.body.clone();
        let at = body
            .windows(from.len())
            .position(|w| w == from.as_bytes())
            .expect("it is there");
        body[at..at + from.len()].copy_from_slice(to.as_bytes());
        let fault = verified(&city, &sealed, body)
            .map(|_| ())
            .expect_err("changed");
        assert!(matches!(fault, SliceFault::Relay(_)), "{from}: {fault}");
    }
}

#[test]
fn all_of_a_group_is_written_one_way() {
    let city = sample::city();
    let (envelope, body) = forged(
        &city,
        &[(Hint::Unknown, vec![sample::registration(1, Hint::Unknown)])],
    );
    let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
    // the same as "some": member 0 of 1, no proof
    let some = [
        &body[..5],
        &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &body[6..],
    ]
    .concat();
    assert!(slice::verify(header.clone(), some).is_err());
    assert!(slice::verify(header, body).is_ok());
}

#[test]
fn headers_are_held_until_their_chain_is_known() {
    let city = sample::city();
    let (_, sealed) = sample::batches(&city).swap_remove(0);
    let mut directory =
        protocol::directory::Directory::trusting(&city.root, &city.root.hash().0).expect("root");
    let fault = |d: &_| {
        slice::verify_header(d, &sealed.header)
            .map(|_| ())
            .expect_err("unknown")
    };
    for statement in [&city.city, &city.district] {
        assert_eq!(
            fault(&directory),
            HeaderFault::UnknownIdentity(city.department.hash())
        );
        directory.admit(statement).expect("the chain verifies");
    }
    directory
        .admit(&city.department)
        .expect("the chain verifies");
    assert_eq!(
        fault(&directory),
        HeaderFault::UnknownOpening(city.opening_envelope.hash())
    );
    directory
        .admit(&city.opening_envelope)
        .expect("the chain verifies");
    assert!(slice::verify_header(&directory, &sealed.header).is_ok());
}

#[test]
fn bombs_are_refused() {
    let bound = limits::SLICE_BYTES_MAX;
    let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 19).expect("into memory");
    let good = pack(&vec![0; bound]);
    assert!(good.len() < 4096);
    assert_eq!(slice::unpack(&good).map(|b| b.len()), Ok(bound));
    assert_eq!(slice::unpack(&slice::pack(&[])), Ok(vec![]));
    let nothing_said = zstd::stream::encode_all(&[0u8; 100][..], 1).expect("into memory");
    for (what, bytes) in [
        ("a byte over the bound", pack(&vec![0; bound + 1])),
        (
            "a thousand times the bound is not even tried",
            pack(&vec![0; 64 << 20]),
        ),
        ("no size named", nothing_said),
        ("a second frame", [pack(b"one"), pack(b"two")].concat()),
        ("an empty frame behind", [pack(b"one"), pack(b"")].concat()),
        ("bytes behind", [pack(b"one"), vec![0]].concat()),
        (
            "a skippable frame behind",
            [pack(b"one"), vec![0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat(),
        ),
        (
            "a skippable frame before",
            [vec![0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], pack(b"one")].concat(),
        ),
        ("cut off", good[..good.len() - 3].to_vec()),
        ("nothing", Vec::new()),
    ] {
        assert!(slice::unpack(&bytes).is_err(), "{what}");
    }
}

/// A section without a bit in the mask could be neither asked for nor withheld, so there is none.
#[test]
fn every_section_has_a_bit() {
    let head = sample::head_bytes(&sample::registration_head(1, Hint::Unknown));
    for (number, there) in [
        (1u8, true),
        (15, true),
        (16, false),
        (17, false),
        (255, false),
    ] {
        let bytes = whole(&[0; 16], &[(0, head.clone()), (number, vec![1])]);
        assert_eq!(
            Opening::from_bytes(&bytes).is_ok(),
            there,
            "section {number}"
        );
    }
}
