//! Openings, batches and slices: whatever is withheld verifies, whatever is changed does not, and the right party is blamed.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::batch::{Draft, Header, LogState, Sealed};
use protocol::entry::Hint;
use protocol::envelope::Envelope;
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::Lane;
use protocol::opening::{self, Closed, Opening};
use protocol::slice::{self, Parts, SliceFault, VerifiedHeader, VerifiedSlice};

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

/// No erasure is known.
fn none(_: u8) -> bool {
    false
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
            prop_assert_eq!(narrowed.is_open(), narrowed.mask() == present);
            prop_assert_eq!(narrowed.present(), present);
            prop_assert!(narrowed.is_open() || !bytes.windows(16).any(|w| w == salt));
            prop_assert_eq!(narrowed.narrowed(u16::MAX, Closed::Withheld), bytes.clone());
            for (number, section) in &sections {
                let expected = (narrowed.mask() & 1 << number != 0).then_some(section.as_slice());
                prop_assert_eq!(narrowed.section(*number), expected);
            }
        }
        let merged = read(&one).merged(&read(&other), none).expect("one leaf");
        prop_assert_eq!(&merged, &read(&other).merged(&read(&one), none).expect("one leaf"));
        prop_assert_eq!(read(&merged).leaf(), opening.leaf());
        prop_assert_eq!(read(&merged).mask(), present & (first | second | 1));
        prop_assert_eq!(read(&merged).merged(&read(&one), none).expect("one leaf"), merged.clone());
        prop_assert_eq!(read(&merged).merged(&opening, none).expect("one leaf"), whole.clone());
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
        prop_assert!(read(&one).merged(&read(&other), none).is_none());
    }
}

/// Sections of a registration of the sample.
const ALL: u16 = 1 << 15 | 0b1111;

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
        prop_assert!(all.has_every_leaf());
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
        let cut = slice::cut(head.header(), &sealed.body, &wanted, |_| keep);
        if wanted.is_empty() {
            prop_assert!(cut.is_err(), "a body says something");
            return Ok(());
        }
        let cut = cut.expect("our own body");
        let part = verified(&city, &sealed, cut.clone()).expect("a cut verifies");
        let indexes: Vec<u32> = part.opened().iter().map(|o| o.index).collect();
        prop_assert_eq!(&indexes, &wanted);
        prop_assert_eq!(part.has_every_leaf(), wanted.len() == drafts.len());
        for opened in part.opened() {
            let opening = part.opening(opened).expect("verified");
            prop_assert_eq!(opening.mask(), ALL & (keep | 1));
        }
        prop_assert_eq!(
            slice::cut(head.header(), &cut, &positions(wanted.len(), &[true]), |_| u16::MAX).expect("a cut"),
            cut.clone(),
            "taking all of a cut changes nothing"
        );

        let again = positions(wanted.len(), &second);
        if again.is_empty() {
            return Ok(());
        }
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
        let mut references: Vec<Ref> = Vec::new();
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
            references.push(sealed.reference);
        }
        // replayed from the start the same; with one left out the next does not fit; in another lane none fits
        let mut replay = city.log();
        let mut other = LogState::start(&city.opening, sample::reference(&city.opening_envelope), Lane::Cases);
        let mut gap = city.log();
        let skip = skip.index(headers.len());
        for (n, header) in headers.iter().enumerate() {
            let object = references[n];
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

/// What a holder gets of a batch: leaves by bits, sections open, the reason why others are not.
#[derive(Debug, Clone)]
struct Got {
    leaves: Vec<bool>,
    keep: u16,
    why: u8,
}

fn got() -> impl Strategy<Value = Got> {
    (vec(any::<bool>(), 1..12), any::<u16>(), 1u8..=3).prop_map(|(leaves, keep, why)| Got {
        leaves,
        keep,
        why,
    })
}

/// The body of what a holder gets; nothing if no leaf is chosen.
fn body_of(header: &Header, sealed: &Sealed, got: &Got) -> Option<Vec<u8>> {
    let chosen = positions(header.count as usize, &got.leaves);
    let mut body = slice::cut(header, &sealed.body, &chosen, |_| got.keep).ok()?;
    // the reason is the sender's word: it may be any
    for opened in slice::opened(header, &body).expect("our own") {
        let bytes = body[opened.at.clone()].to_vec();
        let reason = match got.why {
            1 => Closed::Withheld,
            2 => Closed::Compacted,
            _ => Closed::Erased,
        };
        let open = read(&bytes).mask();
        let other = read(&bytes);
        // narrowing by the sections that are open anyway changes nothing; closing goes by the whole leaf
        let again = match other.is_open() {
            true => bytes.clone(),
            false => {
                read(&sealed.body[whole_of(header, sealed, opened.index)]).narrowed(open, reason)
            }
        };
        assert_eq!(again.len(), bytes.len());
        body[opened.at].copy_from_slice(&again);
    }
    Some(body)
}

fn whole_of(header: &Header, sealed: &Sealed, index: u32) -> std::ops::Range<usize> {
    let opened = slice::opened(header, &sealed.body).expect("our own");
    opened[index as usize].at.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// However parts of a batch come, in whatever order, however often, and whenever erasures become known: holders that have
    /// the same parts and know the same erasures have the same bytes, and what is held is what was given less what is erased.
    #[test]
    fn holders_come_to_the_same(
        parts in vec(got(), 1..5),
        order in vec(any::<prop::sample::Index>(), 1..12),
        late in any::<prop::sample::Index>(),
        erased in vec((0u32..8, 1u8..16), 0..6),
    ) {
        let city = sample::city();
        let (_, sealed) = sample::batches(&city).swap_remove(0);
        let head = header(&city, &sealed);
        let header = head.header();
        let bodies: Vec<Vec<u8>> = parts.iter().filter_map(|g| body_of(header, &sealed, g)).collect();
        prop_assume!(!bodies.is_empty());
        let is_erased = |index: u32, _: &Hash, section: u8| erased.contains(&(index, section));
        let nothing_yet = |_: u32, _: &Hash, _: u8| false;

        // in the order given, everything known from the first
        let mut one = slice::merge(header, &bodies[0], &bodies[0], &is_erased).expect("our own");
        for body in &bodies[1..] {
            one = slice::merge(header, &one, body, &is_erased).expect("our own");
        }
        // in another order, some of them again, the erasures late
        let mut again: Vec<usize> = order.iter().map(|i| i.index(bodies.len())).collect();
        again.extend((0..bodies.len()).rev());
        let late = late.index(again.len());
        let mut other: Option<Vec<u8>> = None;
        for (step, at) in again.iter().enumerate() {
            let held = other.as_ref().unwrap_or(&bodies[*at]);
            other = Some(match step < late {
                true => slice::merge(header, held, &bodies[*at], &nothing_yet),
                false => slice::merge(header, held, &bodies[*at], &is_erased),
            }.expect("our own"));
        }
        let other = other.expect("there is a part");
        let settled = slice::settled(header, &other, &is_erased).expect("our own").unwrap_or(other);
        prop_assert_eq!(&settled, &one);
        prop_assert_eq!(slice::settled(header, &one, &is_erased), Ok(None));

        // it verifies, and has what was given less what is erased
        let slice = slice::verify(head.clone(), one.clone()).expect("a merge verifies");
        let mut given = Parts::default();
        for body in &bodies {
            given.add(&Parts::of(header, body).expect("our own"));
        }
        let held = slice.parts().expect("verified");
        for index in 0..header.count {
            let gone = (1..16).filter(|n| erased.contains(&(index, *n))).fold(0, |m, n| m | 1 << n);
            let expected = given.get(index).map(|p| p.open & !gone);
            prop_assert_eq!(held.get(index).map(|p| p.open), expected);
        }

        // taken in part by part, each adding what is missing: the same is held, and nothing twice
        let mut parts = Parts::default();
        let mut stored: Option<Vec<u8>> = None;
        for at in &again {
            let slice = slice::verify(head.clone(), bodies[*at].clone()).expect("it verifies");
            let Some(added) = slice.adding(&parts, &is_erased).expect("within the bounds") else {
                continue;
            };
            let added_slice = slice::verify(head.clone(), added.clone()).expect("an addition verifies");
            parts.add(&added_slice.parts().expect("verified"));
            prop_assert_eq!(slice.adding(&parts, &is_erased), Ok(None));
            let held = stored.take().unwrap_or_else(|| added.clone());
            stored = Some(slice::merge(header, &held, &added, &is_erased).expect("our own"));
        }
        let stored = stored.expect("the first part is news");
        let stored = Parts::of(header, &stored).expect("our own");
        for index in 0..header.count {
            prop_assert_eq!(stored.get(index).map(|p| p.open), held.get(index).map(|p| p.open));
        }
        prop_assert_eq!(stored.is_whole(header, &is_erased), held.is_whole(header, &is_erased));
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
