//! Parts of batches: what is whole, what a further part adds, two bodies as one.

use protocol::batch::{Draft, Sealed};
use protocol::entry::Hint;
use protocol::hash::Hash;
use protocol::limits;
use protocol::opening::{Closed, Opening};
use protocol::slice::{self, MergeFault, Parts, VerifiedHeader, VerifiedSlice};

use crate::sample;

/// Sections of a registration of the sample.
const ALL: u16 = 1 << 15 | 0b1111;

/// No erasure is known.
fn none(_: u32, _: &Hash, _: u8) -> bool {
    false
}

/// A batch of one group of four and one of two.
struct Batch {
    sealed: Sealed,
    header: VerifiedHeader,
}

impl Batch {
    fn new() -> Self {
        let city = sample::city();
        let drafts: Vec<Draft> = (0..6)
            .map(|n| match n {
                0..4 => sample::registration(n, Hint::Unknown),
                _ => sample::registration(n, Hint::CityWide),
            })
            .collect();
        let sealed = city.seal(&city.log(), &drafts);
        let header = slice::verify_header(&city.directory, &sealed.header).expect("our own");
        Self { sealed, header }
    }

    fn verified(&self, body: &[u8]) -> VerifiedSlice {
        slice::verify(self.header.clone(), body.to_vec()).expect("it verifies")
    }

    /// The leaves at `positions` with the sections of `keep`, closed for this reason.
    fn part(&self, positions: &[u32], keep: u16) -> Vec<u8> {
        let header = self.header.header();
        slice::cut(header, &self.sealed.body, positions, |_| keep).expect("our own body")
    }

    /// The whole body with a section of every entry closed for this reason, as a relay may write it.
    fn closed(&self, section: u8, why: Closed) -> Vec<u8> {
        let mut body = self.part(&[0, 1, 2, 3, 4, 5], ALL & !(1 << section));
        let header = self.header.header();
        for opened in slice::opened(header, &body).expect("our own body") {
            let bytes = &mut body[opened.at];
            let at = bytes.len();
            let position = (0..at)
                .find(|at| bytes[*at] == section && bytes[at + 1] == Closed::Withheld as u8)
                .filter(|at| Opening::from_bytes(bytes).is_ok() && bytes.len() > at + 33)
                .expect("the section is closed");
            bytes[position + 1] = why as u8;
        }
        body
    }

    fn merge(&self, one: &[u8], other: &[u8]) -> Vec<u8> {
        slice::merge(self.header.header(), one, other, &none).expect("both verified")
    }
}

#[test]
fn a_batch_is_whole_when_everything_is_open_or_erased() {
    let batch = Batch::new();
    let leaves = batch.verified(&batch.sealed.body).leaves().to_vec();
    let all = [0, 1, 2, 3, 4, 5];
    let without_15 = batch.part(&all, ALL & !(1 << 15));
    let leaf = leaves[2];
    let fifteen = |_: u32, _: &Hash, section: u8| section == 15;
    let three = |_: u32, _: &Hash, section: u8| section == 3;
    let of_one = |index: u32, leaf_: &Hash, section: u8| (index, *leaf_, section) == (2, leaf, 15);
    let of_another =
        |index: u32, leaf_: &Hash, section: u8| (index, *leaf_, section) == (1, leaf, 15);
    type Erased<'a> = &'a dyn Fn(u32, &Hash, u8) -> bool;
    let one_closed = {
        let narrowed = batch.part(&[2], ALL & !(1 << 15));
        let rest = batch.part(&[0, 1, 3, 4, 5], ALL);
        batch.merge(&narrowed, &rest)
    };
    for (what, body, erased, whole) in [
        (
            "as sealed",
            batch.sealed.body.clone(),
            &none as Erased<'_>,
            true,
        ),
        (
            "a leaf missing",
            batch.part(&[0, 1, 2, 3, 4], ALL),
            &none,
            false,
        ),
        ("a group missing", batch.part(&[4, 5], ALL), &none, false),
        ("withheld", without_15.clone(), &none, false),
        (
            "withheld, and erased as is known here",
            without_15.clone(),
            &fifteen,
            true,
        ),
        (
            "withheld, and another section erased",
            without_15.clone(),
            &three,
            false,
        ),
        (
            "erased, as a relay says",
            batch.closed(15, Closed::Erased),
            &none,
            false,
        ),
        ("erased", batch.closed(15, Closed::Erased), &fifteen, true),
        (
            "compacted",
            batch.closed(15, Closed::Compacted),
            &none,
            false,
        ),
        ("one closed", one_closed.clone(), &none, false),
        ("one closed and erased", one_closed.clone(), &of_one, true),
        ("another erased", one_closed.clone(), &of_another, false),
        ("every leaf closed, one erased", without_15, &of_one, false),
        (
            "a leaf missing, all erased",
            batch.part(&[0, 1, 2, 3, 4], ALL),
            &fifteen,
            false,
        ),
    ] {
        let slice = batch.verified(&body);
        assert_eq!(slice.is_whole(&erased), whole, "{what}");
        let header = batch.header.header();
        let parts = Parts::of(header, &body).expect("verified");
        assert_eq!(slice.parts(), Ok(parts.clone()), "{what}");
        assert_eq!(parts.is_whole(header, &erased), whole, "{what}");
        assert_eq!(
            parts.has_every_leaf(header),
            slice.has_every_leaf(),
            "{what}"
        );
    }
}

#[test]
fn parts_know_leaf_by_leaf_and_section_by_section() {
    let batch = Batch::new();
    let header = batch.header.header();
    let of = |body: &[u8]| Parts::of(header, body).expect("verified");
    let leaves = batch.verified(&batch.sealed.body).leaves().to_vec();
    let mut parts = of(&batch.part(&[1, 4], 0b0110));
    let part = parts.get(1).expect("held");
    assert_eq!(
        (part.leaf, part.present, part.open),
        (leaves[1], ALL, 0b0111)
    );
    assert_eq!(parts.get(0), None);
    parts.add(&of(&batch.part(&[1, 2], 0b1000)));
    let open = |parts: &Parts, index| parts.get(index).map(|p| p.open);
    assert_eq!(open(&parts, 1), Some(0b1111));
    assert_eq!(open(&parts, 2), Some(0b1001));
    assert_eq!(open(&parts, 4), Some(0b0111));
    assert!(!parts.has_every_leaf(header));
    parts.add(&of(&batch.sealed.body));
    assert!(parts.is_whole(header, &none));
}

/// What a part adds to what is held: the indexes and open sections of the body to be stored, nothing if there is none.
#[track_caller]
fn check_adds(held: &[(&[u32], u16)], part: (&[u32], u16), adds: &[(u32, u16)]) {
    let batch = Batch::new();
    let header = batch.header.header();
    let mut parts = Parts::default();
    for (positions, keep) in held {
        let body = batch.part(positions, *keep);
        parts.add(&Parts::of(header, &body).expect("our own"));
    }
    let slice = batch.verified(&batch.part(part.0, part.1));
    let body = slice.adding(&parts, &none).expect("within the bounds");
    let what = format!("{held:?} and {part:?}");
    let Some(body) = body else {
        assert!(adds.is_empty(), "{what}: adds nothing");
        return;
    };
    let added = batch.verified(&body);
    let found: Vec<(u32, u16)> = added
        .opened()
        .iter()
        .map(|o| (o.index, added.opening(o).expect("verified").mask()))
        .collect();
    assert_eq!(found, adds, "{what}");
    // with it, it is no news any more
    parts.add(&added.parts().expect("verified"));
    assert_eq!(slice.adding(&parts, &none), Ok(None), "{what}: again");
}

#[test]
fn a_part_adds_what_is_missing_or_nothing() {
    check_adds(&[], (&[0, 4], ALL), &[(0, ALL), (4, ALL)]);
    check_adds(&[], (&[0, 4], 0b11), &[(0, 0b11), (4, 0b11)]);
    // a leaf with nothing but its head is news, if it is not held
    check_adds(&[], (&[3], 1), &[(3, 1)]);
    check_adds(&[(&[3], 1)], (&[3], 1), &[]);
    check_adds(&[(&[0, 1, 2, 3, 4, 5], ALL)], (&[0, 5], ALL), &[]);
    check_adds(&[(&[0], 0b11)], (&[0], 0b11), &[]);
    check_adds(&[(&[0], 0b111)], (&[0], 0b11), &[]);
    check_adds(&[(&[0], 0b11)], (&[0], 0b111), &[(0, 0b101)]);
    check_adds(&[(&[0], 0b11)], (&[0], 0b101), &[(0, 0b101)]);
    check_adds(&[(&[0], 0b11)], (&[0, 1], 0b11), &[(1, 0b11)]);
    check_adds(
        &[(&[0], 0b11), (&[0], 0b101)],
        (&[0], ALL),
        &[(0, ALL & !0b110)],
    );
    check_adds(
        &[(&[0, 4], 0b11)],
        (&[0, 1, 4, 5], 0b111),
        &[(0, 0b101), (1, 0b111), (4, 0b101), (5, 0b111)],
    );
}

/// The salt of a leaf gives its closed sections away: what is narrowed to what is missing has it no longer.
#[test]
fn a_body_that_is_all_news_is_kept_verbatim() {
    let batch = Batch::new();
    let slice = batch.verified(&batch.sealed.body);
    let nothing = Parts::default();
    assert_eq!(
        slice.adding(&nothing, &none),
        Ok(Some(batch.sealed.body.clone()))
    );
    let cut = batch.part(&[1, 2, 5], 0b101);
    let slice = batch.verified(&cut);
    assert_eq!(slice.adding(&nothing, &none), Ok(Some(cut)));
}

#[test]
fn what_is_erased_is_not_taken_in_again() {
    let batch = Batch::new();
    let header = batch.header.header();
    let erased = |index: u32, _: &Hash, section: u8| index == 2 && section == 3;
    let slice = batch.verified(&batch.sealed.body);
    let body = slice
        .adding(&Parts::default(), &erased)
        .expect("within the bounds");
    let stored = batch.verified(&body.expect("everything is news"));
    let closed: Vec<_> = stored
        .closed()
        .iter()
        .map(|c| (c.index, c.section, c.why))
        .collect();
    assert_eq!(closed, [(2, 3, Closed::Erased)]);
    assert!(stored.is_whole(&erased) && !stored.is_whole(&none));
    // the same again, or the erased section alone, is no news
    let held = stored.parts().expect("verified");
    assert_eq!(slice.adding(&held, &erased), Ok(None));
    let section = batch.verified(&batch.part(&[2], 0b1001));
    assert_eq!(section.adding(&held, &erased), Ok(None));
    assert_ne!(
        section.adding(&held, &none),
        Ok(None),
        "without the erasure it would be"
    );
    // news of other sections comes without it
    let thin = Parts::of(header, &batch.part(&[2], 0b11)).expect("our own");
    let added = slice
        .adding(&thin, &erased)
        .expect("within the bounds")
        .expect("news");
    let added = batch.verified(&added);
    let of_leaf = added
        .opened()
        .iter()
        .find(|o| o.index == 2)
        .expect("it is there");
    assert_eq!(added.opening(of_leaf).map(|o| o.mask()), Ok(ALL & !0b1010));
}

#[test]
fn a_relays_word_about_erasure_is_not_kept() {
    let batch = Batch::new();
    let said = batch.closed(15, Closed::Erased);
    let slice = batch.verified(&said);
    let stored = slice
        .adding(&Parts::default(), &none)
        .expect("within the bounds");
    assert_eq!(stored, Some(batch.closed(15, Closed::Withheld)));
    let fifteen = |_: u32, _: &Hash, section: u8| section == 15;
    let stored = slice
        .adding(&Parts::default(), &fifteen)
        .expect("within the bounds");
    assert_eq!(stored, Some(said));
}

#[test]
fn two_bodies_as_one() {
    let batch = Batch::new();
    let whole = batch.sealed.body.clone();
    for (one, other, together) in [
        (
            batch.part(&[0, 1], ALL),
            batch.part(&[2, 3], ALL),
            batch.part(&[0, 1, 2, 3], ALL),
        ),
        (
            batch.part(&[0], ALL),
            batch.part(&[5], ALL),
            batch.part(&[0, 5], ALL),
        ),
        (
            batch.part(&[1], ALL),
            batch.part(&[3], ALL),
            batch.part(&[1, 3], ALL),
        ),
        (
            batch.part(&[0, 2], ALL),
            batch.part(&[2, 4], ALL),
            batch.part(&[0, 2, 4], ALL),
        ),
        (
            batch.part(&[0, 1, 2, 3], ALL),
            batch.part(&[4, 5], ALL),
            whole.clone(),
        ),
        (
            batch.part(&[0, 2, 4], ALL),
            batch.part(&[1, 3, 5], ALL),
            whole.clone(),
        ),
        (whole.clone(), batch.part(&[3], 1), whole.clone()),
        (
            batch.part(&[3], 0b11),
            batch.part(&[3], ALL),
            batch.part(&[3], ALL),
        ),
        (
            batch.part(&[3], 0b11),
            batch.part(&[3], 0b11),
            batch.part(&[3], 0b11),
        ),
        (
            batch.part(&[0, 3], 0b11),
            batch.part(&[3], 1),
            batch.part(&[0, 3], 0b11),
        ),
    ] {
        let merged = batch.merge(&one, &other);
        assert_eq!(merged, together);
        assert_eq!(batch.merge(&other, &one), together);
        batch.verified(&merged);
    }
    let sections = batch.merge(&batch.part(&[3], 0b11), &batch.part(&[3], 0b101));
    let slice = batch.verified(&sections);
    assert_eq!(
        slice.opening(&slice.opened()[0]).map(|o| o.mask()),
        Ok(0b111)
    );
}

#[test]
fn stored_copies_are_settled_when_an_erasure_comes() {
    let batch = Batch::new();
    let header = batch.header.header();
    let erased = |index: u32, _: &Hash, section: u8| index == 1 && section == 2;
    assert_eq!(slice::settled(header, &batch.sealed.body, &none), Ok(None));
    let settled = slice::settled(header, &batch.sealed.body, &erased).expect("our own");
    let settled = settled.expect("it changes");
    let slice = batch.verified(&settled);
    let closed: Vec<_> = slice
        .closed()
        .iter()
        .map(|c| (c.index, c.section, c.why))
        .collect();
    assert_eq!(closed, [(1, 2, Closed::Erased)]);
    assert_eq!(slice::settled(header, &settled, &erased), Ok(None));
    let elsewhere = batch.part(&[0, 2, 5], ALL);
    assert_eq!(slice::settled(header, &elsewhere, &erased), Ok(None));
    // whatever comes later, it stays so
    let again = slice::merge(header, &settled, &batch.sealed.body, &erased);
    assert_eq!(again, Ok(settled));
}

#[test]
fn bodies_of_two_batches_do_not_merge() {
    let city = sample::city();
    let batch = Batch::new();
    let other = city.seal(&batch.sealed.log, &[sample::registration(1, Hint::Unknown)]);
    let header = batch.header.header();
    let merged = slice::merge(header, &batch.sealed.body, &other.body, &none);
    assert!(
        matches!(merged, Err(MergeFault::Malformed(_))),
        "{merged:?}"
    );
    assert!(slice::settled(header, &other.body, &none).is_err());
    assert!(Parts::of(header, &other.body).is_err());
}

/// An entry with sections 1 and on of these lengths.
fn long_entry(n: u32, sections: &[usize]) -> Draft {
    let head = sample::head_bytes(&sample::registration_head(n, Hint::Unknown));
    let mut all = vec![(0, head)];
    for (at, length) in sections.iter().enumerate() {
        all.push((at as u8 + 1, vec![n as u8; *length]));
    }
    Draft::new(&all)
}

/// A leaf of two sections of these lengths, signed by its hash alone, and two bodies, each with one of the sections open.
fn parted(lengths: [usize; 2]) -> (VerifiedHeader, [Vec<u8>; 2]) {
    let city = sample::city();
    let draft = long_entry(1, &lengths);
    let opening = |open: u8| {
        let mut out = vec![1, 3];
        let mut rest = &draft.as_bytes()[1..];
        while let [number, a, b, c, d, tail @ ..] = rest {
            let n = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (bytes, tail) = tail.split_at(n);
            out.push(*number);
            if *number == 0 || *number == open {
                out.push(0);
                out.extend([*number; 16]);
                out.extend((n as u32).to_be_bytes());
                out.extend(bytes);
            } else {
                out.push(1);
                out.extend(protocol::hash::section(*number, &[*number; 16], bytes).0);
            }
            rest = tail;
        }
        out
    };
    let leaf = Opening::from_bytes(&opening(1)).expect("an opening").leaf();
    assert_eq!(Opening::from_bytes(&opening(2)).map(|o| o.leaf()), Ok(leaf));
    let group = protocol::batch::Group {
        hint: vec![0],
        count: 1,
        root: leaf,
    };
    let identity = sample::reference(&city.department);
    let header = sample::header_over(&city.log(), vec![group], identity);
    let envelope = protocol::envelope::Envelope::signed(
        protocol::envelope::kind::HEADER,
        1,
        header.to_bytes(),
        &city.department_key,
    );
    let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
    let bodies = [1, 2].map(|open| {
        let opening = opening(open);
        let length = (opening.len() as u32).to_be_bytes();
        [&[1, 0, 1, 0, 0, 0], length.as_slice(), &opening].concat()
    });
    for body in &bodies {
        assert!(slice::verify(header.clone(), body.clone()).is_ok());
    }
    (header, bodies)
}

/// What a hostile origin sealed may fit in parts and not together: nobody who relayed a part is at fault, and nothing breaks.
#[test]
fn sections_that_do_not_fit_together_stay_apart() {
    let merged = |lengths, erased: &dyn Fn(u32, &Hash, u8) -> bool| {
        let (header, [one, other]) = parted(lengths);
        slice::merge(header.header(), &one, &other, &erased)
    };
    let used = merged([0, 0], &none).expect("small").len() - 10;
    let half = limits::OPENING_BYTES_MAX / 2;
    let rest = limits::OPENING_BYTES_MAX - half - used;
    let at_the_bound = merged([half, rest], &none).expect("at the bound");
    assert_eq!(at_the_bound.len(), limits::OPENING_BYTES_MAX + 10);
    let over = MergeFault::OverBound(limits::OPENING_BYTES_MAX + 1);
    assert_eq!(merged([half, rest + 1], &none), Err(over));
    let erased = |_: u32, _: &Hash, section: u8| section == 2;
    assert!(merged([half, rest + 1], &erased).is_ok());
}

#[test]
fn leaves_that_do_not_fit_together_stay_apart() {
    let city = sample::city();
    let merged = |lengths: &[usize]| {
        let drafts: Vec<Draft> = (0..)
            .zip(lengths)
            .map(|(n, length)| long_entry(n, &[*length]))
            .collect();
        let (envelope, body) = sample::forged(&city, &[(Hint::Unknown, drafts)]);
        let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
        let [one, other] = halves_of(header.header(), &body);
        for half in [&one, &other] {
            assert!(slice::verify(header.clone(), half.clone()).is_ok());
        }
        (slice::merge(header.header(), &one, &other, &none), body)
    };
    let used = merged(&[0; 40]).1.len();
    let mut lengths = [(limits::SLICE_BYTES_MAX - used) / 40; 40];
    lengths[0] += (limits::SLICE_BYTES_MAX - used) % 40;
    let (at_the_bound, body) = merged(&lengths);
    assert_eq!(body.len(), limits::SLICE_BYTES_MAX);
    assert_eq!(at_the_bound, Ok(body));
    lengths[7] += 1;
    let over = MergeFault::OverBound(limits::SLICE_BYTES_MAX + 1);
    assert_eq!(merged(&lengths).0, Err(over));
}

/// The first and the second half of a body of one group that may itself be too long to be read.
fn halves_of(header: &protocol::batch::Header, body: &[u8]) -> [Vec<u8>; 2] {
    let mut openings = Vec::new();
    let mut rest = &body[6..];
    while let [a, b, c, d, tail @ ..] = rest {
        let (opening, tail) = tail.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        openings.push(opening);
        rest = tail;
    }
    assert_eq!(openings.len(), header.count as usize);
    let leaves: Vec<Hash> = openings
        .iter()
        .map(|o| Opening::from_bytes(o).expect("an opening").leaf())
        .collect();
    [0, 1].map(|half| {
        let count = header.count / 2;
        let members: Vec<u32> = (half * count..(half + 1) * count).collect();
        let proof = protocol::merkle::prove(&leaves, &members);
        let mut out = vec![1, 0, 1, 0, 0, 1];
        out.extend(count.to_be_bytes());
        members.iter().for_each(|m| out.extend(m.to_be_bytes()));
        out.extend((proof.len() as u32).to_be_bytes());
        proof.iter().for_each(|h| out.extend(h.0));
        for member in members {
            let opening = openings[member as usize];
            out.extend((opening.len() as u32).to_be_bytes());
            out.extend(opening);
        }
        out
    })
}

#[test]
fn parts_come_back_from_a_store() {
    let batch = Batch::new();
    let header = batch.header.header();
    let leaves = batch.verified(&batch.sealed.body).leaves().to_vec();
    let parts = Parts::of(header, &batch.part(&[1, 4], 0b0110)).expect("our own");
    let of = |index: u32, present: u16, open: u16| {
        let leaf = leaves[index as usize].0;
        let (present, open) = (present.to_be_bytes(), open.to_be_bytes());
        [&index.to_be_bytes()[..], &leaf, &present, &open].concat()
    };
    let bytes = [of(1, ALL, 0b0111), of(4, ALL, 0b0111)].concat();
    assert_eq!(parts.to_bytes(), bytes);
    assert_eq!(Parts::from_bytes(&bytes), Ok(parts.clone()));
    assert_eq!(Parts::from_bytes(&[]), Ok(Parts::default()));
    assert!(parts.has(4) && !parts.has(2));
    for (what, bytes) in [
        ("falling", [of(4, 1, 1), of(1, 1, 1)].concat()),
        ("twice", [of(4, 1, 1), of(4, 1, 1)].concat()),
        ("open and not there", of(1, 0b01, 0b11)),
        ("cut off", of(1, 1, 1)[..39].to_vec()),
        ("bytes behind", [of(1, 1, 1), vec![0]].concat()),
    ] {
        assert!(Parts::from_bytes(&bytes).is_err(), "{what}");
    }
}
