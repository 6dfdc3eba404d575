//! Bodies of slices: which bytes are none, which are a relay's fault and which the origin's, what can be cut out of them.

use protocol::batch::{Draft, Header, Sealed};
use protocol::blame::Blame;
use protocol::entry::{Hint, Key, Subject};
use protocol::hash::Hash;
use protocol::limits;
use protocol::merkle;
use protocol::opening::{Closed, Opening};
use protocol::slice::{self, SliceFault, VerifiedHeader, VerifiedSlice};

use crate::sample::{self, City};

fn header(city: &City, sealed: &Sealed) -> VerifiedHeader {
    slice::verify_header(&city.directory, &sealed.header).expect("a header of our own")
}

fn verified(header: &VerifiedHeader, body: &[u8]) -> Result<VerifiedSlice, SliceFault> {
    slice::verify(header.clone(), body.to_vec())
}

/// A batch of two groups: two entries for everybody who does not know, five city-wide.
fn batch(city: &City) -> (Sealed, VerifiedHeader) {
    let drafts: Vec<Draft> = (0..7)
        .map(|n| match n {
            0 | 1 => sample::registration(n, Hint::Unknown),
            _ => sample::registration(n, Hint::CityWide),
        })
        .collect();
    let sealed = city.seal(&city.log(), &drafts);
    let header = header(city, &sealed);
    (sealed, header)
}

/// A body laid out by hand: groups as (number, form, members, proof, openings).
struct Laid {
    group: u16,
    part: Option<(Vec<u32>, Vec<Hash>)>,
    openings: Vec<Vec<u8>>,
}

fn body(groups: &[Laid]) -> Vec<u8> {
    let mut out = vec![1];
    out.extend((groups.len() as u16).to_be_bytes());
    for g in groups {
        out.extend(g.group.to_be_bytes());
        match &g.part {
            None => out.push(0),
            Some((members, proof)) => {
                out.push(1);
                out.extend((members.len() as u32).to_be_bytes());
                members.iter().for_each(|m| out.extend(m.to_be_bytes()));
                out.extend((proof.len() as u32).to_be_bytes());
                proof.iter().for_each(|h| out.extend(h.0));
            }
        }
        for opening in &g.openings {
            out.extend((opening.len() as u32).to_be_bytes());
            out.extend(opening);
        }
    }
    out
}

/// Openings of the batch's leaves by index.
fn openings(sealed: &Sealed, header: &Header) -> Vec<Vec<u8>> {
    let opened = slice::opened(header, &sealed.body).expect("our own body");
    opened
        .iter()
        .map(|o| sealed.body[o.at.clone()].to_vec())
        .collect()
}

#[test]
fn bodies_laid_out_by_hand() {
    let city = sample::city();
    let (sealed, header) = batch(&city);
    let all = openings(&sealed, header.header());
    let leaves: Vec<Hash> = all
        .iter()
        .map(|o| Opening::from_bytes(o).expect("an opening").leaf())
        .collect();
    let group = |group: u16| Laid {
        group,
        part: None,
        openings: match group {
            0 => all[..2].to_vec(),
            _ => all[2..].to_vec(),
        },
    };
    // members of the second group
    let some = |members: &[u32]| Laid {
        group: 1,
        part: Some((members.to_vec(), merkle::prove(&leaves[2..], members))),
        openings: members
            .iter()
            .map(|m| all[2 + *m as usize].clone())
            .collect(),
    };
    let with_proof = |mut laid: Laid, change: &dyn Fn(&mut Vec<Hash>)| {
        if let Some((_, proof)) = &mut laid.part {
            change(proof);
        }
        laid
    };
    assert_eq!(body(&[group(0), group(1)]), sealed.body);
    let raw = |bytes: &[u8]| bytes.to_vec();
    let whole = sealed.body.clone();
    let bytes_behind = [&whole[..], &[0]].concat();
    let mut another_format = whole.clone();
    another_format[0] = 2;
    let mut another_form = whole.clone();
    another_form[5] = 2;
    let unordered = Laid {
        openings: vec![all[3].clone(), all[2].clone()],
        ..some(&[1, 0])
    };
    let twice = Laid {
        part: Some((vec![0, 0], merkle::prove(&leaves[2..], &[0]))),
        openings: vec![all[2].clone(), all[2].clone()],
        ..some(&[0])
    };
    let as_some = Laid {
        part: Some((vec![0, 1, 2, 3, 4], vec![])),
        ..group(1)
    };
    let beyond = Laid {
        part: Some((vec![5], merkle::prove(&leaves[2..], &[4]))),
        openings: vec![all[6].clone()],
        ..some(&[4])
    };
    let nobody = Laid {
        part: Some((vec![], vec![header.header().groups[1].root])),
        openings: vec![],
        ..some(&[0])
    };
    let misplaced = Laid {
        part: Some((vec![1], merkle::prove(&leaves[2..], &[1]))),
        ..some(&[0])
    };
    let swapped = Laid {
        openings: vec![all[1].clone(), all[0].clone()],
        ..group(0)
    };
    let of_other_group = Laid {
        openings: vec![all[0].clone(), all[2].clone()],
        ..group(0)
    };
    for (what, bytes, indexes) in [
        (
            "whole",
            body(&[group(0), group(1)]),
            Some(vec![0, 1, 2, 3, 4, 5, 6]),
        ),
        ("the first group", body(&[group(0)]), Some(vec![0, 1])),
        (
            "the second group",
            body(&[group(1)]),
            Some(vec![2, 3, 4, 5, 6]),
        ),
        ("some", body(&[some(&[0, 3])]), Some(vec![2, 5])),
        (
            "some beside all",
            body(&[group(0), some(&[4])]),
            Some(vec![0, 1, 6]),
        ),
        ("says nothing", body(&[]), None),
        ("nothing", raw(&[]), None),
        ("another format", another_format, None),
        ("another form of a group", another_form, None),
        ("groups falling", body(&[group(1), group(0)]), None),
        ("a group twice", body(&[group(0), group(0)]), None),
        (
            "a group that is not there",
            body(&[Laid {
                group: 2,
                ..group(0)
            }]),
            None,
        ),
        ("bytes behind", bytes_behind, None),
        ("all of a group as some", body(&[as_some]), None),
        ("none of a group", body(&[nobody]), None),
        ("members falling", body(&[unordered]), None),
        ("a member twice", body(&[twice]), None),
        ("a member beyond the group", body(&[beyond]), None),
        ("another member's proof", body(&[misplaced]), None),
        (
            "a hash less",
            body(&[with_proof(some(&[0, 3]), &|p| {
                p.pop();
            })]),
            None,
        ),
        (
            "a hash more",
            body(&[with_proof(some(&[0, 3]), &|p| p.push(Hash::ZERO))]),
            None,
        ),
        (
            "another hash",
            body(&[with_proof(some(&[0, 3]), &|p| p[0] = Hash::ZERO)]),
            None,
        ),
        ("openings changed about", body(&[swapped]), None),
        ("an opening of another group", body(&[of_other_group]), None),
        (
            "an opening less",
            body(&[Laid {
                openings: all[..1].to_vec(),
                ..group(0)
            }]),
            None,
        ),
    ] {
        // what is stored was verified, and is read by its outline alone: that refuses all but what only hashes tell
        let hashes_tell = [
            "another member's proof",
            "a hash less",
            "a hash more",
            "another hash",
            "openings changed about",
            "an opening of another group",
        ];
        let outlined = slice::opened(header.header(), &bytes).is_ok();
        assert_eq!(
            outlined,
            indexes.is_some() || hashes_tell.contains(&what),
            "{what}"
        );
        let result = verified(&header, &bytes);
        match (result, indexes) {
            (Ok(slice), Some(indexes)) => {
                let found: Vec<u32> = slice.opened().iter().map(|o| o.index).collect();
                assert_eq!(found, indexes, "{what}");
                assert_eq!(slice.has_every_leaf(), indexes.len() == 7, "{what}");
                assert_eq!(slice.body(), bytes, "{what}");
                for (opened, leaf) in slice.opened().iter().zip(slice.leaves()) {
                    assert_eq!(leaves[opened.index as usize], *leaf, "{what}");
                    assert_eq!(
                        slice.opening(opened).expect("verified").leaf(),
                        *leaf,
                        "{what}"
                    );
                    assert_eq!(opened.group, u16::from(opened.index > 1), "{what}");
                }
            }
            (Err(fault), None) => {
                assert_eq!(fault.blame(), Blame::Relay, "{what}: {fault}");
            }
            (Ok(_), None) => panic!("{what} was taken"),
            (Err(fault), Some(_)) => panic!("{what}: {fault}"),
        }
    }
}

/// A proof longer than its group can need is not read, however many hashes are really there.
#[test]
fn a_proof_has_at_most_a_hash_per_leaf() {
    let city = sample::city();
    let (sealed, header) = batch(&city);
    let all = openings(&sealed, header.header());
    let laid = |hashes: usize| {
        body(&[Laid {
            group: 1,
            part: Some((vec![0], vec![Hash::ZERO; hashes])),
            openings: vec![all[2].clone()],
        }])
    };
    let reads = |hashes: usize| slice::opened(header.header(), &laid(hashes)).is_ok();
    assert!(reads(5));
    assert!(!reads(6));
}

#[test]
fn every_prefix_of_a_body_is_a_relays_fault() {
    let city = sample::city();
    let (sealed, header) = batch(&city);
    for end in 0..sealed.body.len() {
        let fault = verified(&header, &sealed.body[..end])
            .map(|_| ())
            .expect_err("cut off");
        assert_eq!(fault.blame(), Blame::Relay, "cut at {end}");
    }
}

/// A body whose origin has signed this: what is wrong with it, if anything.
#[track_caller]
fn check_sealed(what: &str, groups: &[(Hint, Vec<Draft>)], stands: bool) {
    let city = sample::city();
    let (envelope, body) = sample::forged(&city, groups);
    let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
    match slice::verify(header, body) {
        Ok(_) => assert!(stands, "{what} was taken"),
        Err(fault) => {
            assert!(!stands, "{what}: {fault}");
            assert!(matches!(fault, SliceFault::Origin(_)), "{what}: {fault}");
            assert_eq!(fault.blame(), Blame::Origin, "{what}");
        }
    }
}

#[test]
fn the_origin_is_blamed_for_its_own() {
    let row = |n, hint: &Hint| sample::registration(n, hint.clone());
    let (unknown, city_wide) = (Hint::Unknown, Hint::CityWide);
    let raw = |head: &[u8]| Draft::new(&[(0, head.to_vec())]);
    let group = |hint: &Hint, drafts: Vec<Draft>| (hint.clone(), drafts);
    let in_order = vec![row(1, &unknown), row(2, &unknown)];
    check_sealed("in order", &[group(&unknown, in_order.clone())], true);
    check_sealed(
        "in order in two groups",
        &[
            group(&unknown, in_order),
            group(&city_wide, vec![row(0, &city_wide)]),
        ],
        true,
    );
    check_sealed(
        "another hint than the group's",
        &[group(&unknown, vec![row(1, &city_wide)])],
        false,
    );
    check_sealed(
        "another hint than the second group's",
        &[
            group(&unknown, vec![row(1, &unknown)]),
            group(&city_wide, vec![row(2, &unknown)]),
        ],
        false,
    );
    check_sealed(
        "out of order",
        &[group(&unknown, vec![row(2, &unknown), row(1, &unknown)])],
        false,
    );
    check_sealed(
        "twice in a group",
        &[group(&unknown, vec![row(1, &unknown), row(1, &unknown)])],
        false,
    );
    check_sealed(
        "twice in two groups",
        &[
            group(&unknown, vec![row(1, &unknown)]),
            group(&city_wide, vec![row(1, &city_wide)]),
        ],
        false,
    );
    check_sealed("no head at all", &[group(&unknown, vec![raw(&[])])], false);
    check_sealed("no hint", &[group(&unknown, vec![raw(&[0xff])])], false);
    check_sealed(
        "no type",
        &[group(&unknown, vec![raw(&[0, 0, 0, 2, 1, 0])])],
        false,
    );
    check_sealed(
        "no key",
        &[group(&unknown, vec![raw(&[0, 1, b'x', 0, 0])])],
        false,
    );
    check_sealed(
        "no head after a good one",
        &[group(&unknown, vec![row(1, &unknown), raw(&[])])],
        false,
    );
    // behind type and key it is a fault of that entry only, and no reason to stop a log
    check_sealed(
        "a head that ends behind its key",
        &[group(&unknown, vec![raw(&[0, 1, b'x', 0, 2, 1, 0])])],
        true,
    );
    let mut strange = sample::registration_head(1, Hint::Unknown);
    strange.subject = Subject::Uscc("9".repeat(600));
    let section = Draft::new(&[(0, strange.to_bytes()), (1, vec![0xff; 9]), (15, vec![])]);
    check_sealed(
        "sections that are none",
        &[group(&unknown, vec![section])],
        true,
    );
}

/// Order within a group goes by type, then key: both count.
#[test]
fn leaves_ascend_by_type_and_key() {
    let draft = |record_type: &str, key: i64| {
        let key = Key::columns(&[protocol::value::Value::Integer(key)]);
        let head = protocol::entry::Head::state(record_type, key, "cn.x", 1, sample::STANDARD_HASH);
        Draft::new(&[(0, head.to_bytes())])
    };
    for (first, second, stands) in [
        (("a", 1), ("a", 2), true),
        (("a", 2), ("b", 1), true),
        (("b", 1), ("a", 2), false),
        (("a", 2), ("a", 1), false),
        // the length before the type is not compared
        (("ab", 1), ("b", 1), true),
        (("b", 1), ("ab", 1), false),
    ] {
        let drafts = vec![draft(first.0, first.1), draft(second.0, second.1)];
        check_sealed(
            &format!("{first:?} {second:?}"),
            &[(Hint::Unknown, drafts)],
            stands,
        );
    }
}

/// A relay that changes what a head says must not stop the origin's log.
#[test]
fn a_relay_cannot_have_the_origin_blamed() {
    let city = sample::city();
    let (_, sealed) = sample::batches(&city).swap_remove(0);
    let header = header(&city, &sealed);
    for (from, to) in [("310115", "310116"), ("registration", "registratioo")] {
        let mut body = sealed.body.clone();
        let at = body
            .windows(from.len())
            .position(|w| w == from.as_bytes())
            .expect("it is there");
        body[at..at + from.len()].copy_from_slice(to.as_bytes());
        let fault = verified(&header, &body).map(|_| ()).expect_err("changed");
        assert!(matches!(fault, SliceFault::Relay(_)), "{from}: {fault}");
    }
}

/// A fault of the origin's in one group does not excuse a relay that has changed another.
#[test]
fn a_good_root_comes_before_blame() {
    let city = sample::city();
    let row = |n| sample::registration(n, Hint::Unknown);
    let (envelope, body) = sample::forged(&city, &[(Hint::Unknown, vec![row(2), row(1)])]);
    let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
    let fault = |body: &[u8]| verified(&header, body).map(|_| ()).expect_err("wrong");
    assert_eq!(fault(&body).blame(), Blame::Origin);
    let mut changed = body;
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_eq!(fault(&changed).blame(), Blame::Relay);
}

#[test]
fn what_can_be_cut_out_of_a_body() {
    let city = sample::city();
    let (sealed, header) = batch(&city);
    let cut =
        |positions: &[u32]| slice::cut(header.header(), &sealed.body, positions, |_| u16::MAX);
    for (positions, there) in [
        (vec![0, 1, 2, 3, 4, 5, 6], true),
        (vec![6], true),
        (vec![0, 6], true),
        (vec![], false),
        (vec![7], false),
        (vec![0, 7], false),
        (vec![6, 7], false),
    ] {
        let result = cut(&positions);
        assert_eq!(result.is_ok(), there, "{positions:?}");
        if let Ok(cut) = result {
            let slice = verified(&header, &cut).expect("a cut verifies");
            let indexes: Vec<u32> = slice.opened().iter().map(|o| o.index).collect();
            assert_eq!(indexes, positions);
        }
    }
    assert_eq!(cut(&[0, 1, 2, 3, 4, 5, 6]).as_deref(), Ok(&sealed.body[..]));
    let narrowed = slice::cut(header.header(), &sealed.body, &[3], |_| 0b10).expect("a cut");
    let slice = verified(&header, &narrowed).expect("a cut verifies");
    let closed: Vec<_> = slice
        .closed()
        .iter()
        .map(|c| (c.index, c.section, c.why))
        .collect();
    let withheld = |section| (3, section, Closed::Withheld);
    assert_eq!(closed, [withheld(2), withheld(3), withheld(15)]);
    assert!(slice.closed().iter().all(|c| c.leaf == slice.leaves()[0]));
    // of what is closed already, nothing is rewritten
    let same = slice::cut(header.header(), &narrowed, &[0], |_| 0b10);
    assert_eq!(same.as_deref(), Ok(&narrowed[..]));
}

/// A hostile origin's openings leave no room for withholding: each fits, together they do not once they are narrowed.
#[test]
fn a_cut_over_the_bound_is_refused() {
    let city = sample::city();
    let bytes = |n: usize| vec![0; n];
    let entry = |n: u32, length: usize| {
        let head = sample::head_bytes(&sample::registration_head(n, Hint::Unknown));
        let mut sections = vec![(0, head), (1, bytes(length))];
        sections.extend((2..16).map(|s| (s, Vec::new())));
        Draft::new(&sections)
    };
    let body_of = |lengths: &[usize]| {
        let drafts: Vec<Draft> = lengths
            .iter()
            .enumerate()
            .map(|(n, l)| entry(n as u32, *l))
            .collect();
        sample::forged(&city, &[(Hint::Unknown, drafts)])
    };
    let used = body_of(&[0; 20]).1.len();
    let mut lengths = [(limits::SLICE_BYTES_MAX - used) / 20; 20];
    lengths[0] += (limits::SLICE_BYTES_MAX - used) % 20;
    let (envelope, body) = body_of(&lengths);
    assert_eq!(body.len(), limits::SLICE_BYTES_MAX);
    let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
    assert!(verified(&header, &body).is_ok(), "at the bound");
    let all: Vec<u32> = (0..20).collect();
    let cut = |keep: u16| slice::cut(header.header(), &body, &all, |_| keep);
    assert!(cut(u16::MAX).is_ok());
    assert!(
        cut(0b11).is_err(),
        "each closed section takes more than an empty one"
    );
    lengths[1] += 1;
    let (envelope, body) = body_of(&lengths);
    let header = slice::verify_header(&city.directory, &envelope).expect("well signed");
    let fault = verified(&header, &body)
        .map(|_| ())
        .expect_err("over the bound");
    assert_eq!(fault.blame(), Blame::Relay);
}

#[test]
fn bombs_are_refused() {
    let bound = limits::SLICE_BYTES_MAX;
    let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 19).expect("into memory");
    let good = pack(&vec![0; bound]);
    assert!(good.len() < 4096);
    assert_eq!(slice::unpack(&good).map(|b| b.len()), Ok(bound));
    assert_eq!(slice::unpack(&slice::pack(&[])), Ok(vec![]));
    assert_eq!(slice::unpack(&slice::pack(&[7; 1000])), Ok(vec![7; 1000]));
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
