//! Vectors of batches: headers, groups, bodies, cuts and merges, and what is refused of them.

use protocol::batch::{Draft, Group, Header};
use protocol::entry::Hint;
use protocol::envelope::Envelope;
use protocol::hash::{self, Hash, Ref};
use protocol::limits;
use protocol::opening::Opening;
use protocol::slice::{self, VerifiedHeader};

use crate::json::{Json, hex, list, number, object, text};
use crate::refused::{self, Edit, Refused};
use crate::sample::{self, City};

fn verified(city: &City, envelope: &Envelope) -> VerifiedHeader {
    slice::verify_header(&city.directory, envelope).expect("the sample's headers verify")
}

pub fn header_shown(h: &Header) -> Json {
    let group = |g: &Group| Json::List(vec![hex(&g.hint), number(g.count), hex(g.root.0)]);
    object([
        ("seat", hex(h.seat.0)),
        ("lane", number(h.lane as u8)),
        ("counter", number(h.counter)),
        ("opening", hex(h.opening.to_bytes())),
        ("sequence", Json::Number(h.sequence)),
        ("previous", hex(h.previous.to_bytes())),
        ("history", hex(h.history.0)),
        ("time", Json::Number(h.time.0)),
        ("identity", hex(h.identity.to_bytes())),
        ("groups", list(&h.groups, group)),
        ("count", number(h.count)),
        ("root", hex(h.root.0)),
    ])
}

/// Cuts of the first body: what, indexes, sections that are kept.
const CUTS: [(&str, &[u32], u16); 4] = [
    ("entries 1, 3 and 6, everything open", &[1, 3, 6], 0xffff),
    (
        "a whole group and a part, sections 3 and 15 withheld",
        &[0, 1, 2, 7],
        0b0111,
    ),
    ("one entry, only its head", &[4], 1),
    (
        "every entry, section 1 withheld",
        &[0, 1, 2, 3, 4, 5, 6, 7],
        0xfffd,
    ),
];

pub fn batches() -> Json {
    let city = sample::city();
    let all = sample::batches(&city);
    let hashes = |list_: &[Hash]| list(list_, |h| hex(h.0));
    let one = |(before, sealed): &(protocol::batch::LogState, protocol::batch::Sealed)| {
        let header = verified(&city, &sealed.header);
        let body = slice::verify(header.clone(), sealed.body.clone()).expect("verifies");
        let leaves: Vec<(u16, Hash)> = body
            .opened()
            .iter()
            .zip(body.leaves())
            .map(|(o, leaf)| (o.group, *leaf))
            .collect();
        let group = |(g, n): (&Group, u16)| {
            let of_group: Vec<Hash> = leaves.iter().filter(|l| l.0 == n).map(|l| l.1).collect();
            object([
                ("leaves", hashes(&of_group)),
                ("root", hex(g.root.0)),
                ("table_leaf", hex(hash::group(&g.hint, g.count, &g.root).0)),
            ])
        };
        object([
            ("secret", hex([0x50 + before.sequence as u8; 32])),
            ("envelope", hex(sealed.header.to_bytes())),
            ("reference", hex(sealed.reference.to_bytes())),
            ("reads", header_shown(header.header())),
            (
                "groups",
                list(header.header().groups.iter().zip(0u16..), group),
            ),
            ("body", hex(&sealed.body)),
        ])
    };
    Json::Object(vec![
        ("opening", hex(city.opening_envelope.to_bytes())),
        ("key", hex(city.department_key.public().0)),
        ("batches", list(&all, one)),
        ("cuts", cuts(&city)),
        ("merges", merges(&city)),
        refused::listed(refused(&city)),
    ])
}

fn first(city: &City) -> (Header, Vec<u8>) {
    let (_, sealed) = sample::batches(city).swap_remove(0);
    (verified(city, &sealed.header).header().clone(), sealed.body)
}

fn cut(city: &City, at: usize) -> Vec<u8> {
    let (header, body) = first(city);
    let (_, positions, keep) = CUTS[at];
    slice::cut(&header, &body, positions, |_| keep).expect("the sample's bodies can be cut")
}

fn cuts(city: &City) -> Json {
    list(0..CUTS.len(), |at| {
        let (what, indexes, keep) = CUTS[at];
        object([
            ("what", text(what)),
            ("indexes", list(indexes, |p| number(*p))),
            ("keep", number(keep)),
            ("body", hex(cut(city, at))),
        ])
    })
}

/// Two cuts as one, with sections that erasures name: index, mask.
fn merges(city: &City) -> Json {
    let (header, whole) = first(city);
    let bodies = |at: usize| match at {
        4 => whole.clone(),
        at => cut(city, at),
    };
    type Merge = (usize, usize, &'static [(u32, u16)]);
    let cases: [Merge; 6] = [
        (0, 1, &[]),
        (1, 2, &[]),
        (0, 2, &[(3, 0b10), (4, 0b1000)]),
        (3, 0, &[]),
        (3, 4, &[]),
        (4, 4, &[(0, 0x800a), (7, 0b100)]),
    ];
    list(cases, |(one, other, erased)| {
        let is_erased = |index: u32, _: &Hash, section: u8| {
            let named = erased.iter().find(|(i, _)| *i == index);
            named.is_some_and(|(_, mask)| mask & (1 << section) != 0)
        };
        let (a, b) = (bodies(one), bodies(other));
        let merged = slice::merge(&header, &a, &b, &is_erased).expect("of one header");
        let again = slice::merge(&header, &b, &a, &is_erased).expect("of one header");
        assert_eq!(merged, again, "order changes nothing");
        object([
            ("one", hex(a)),
            ("other", hex(b)),
            (
                "erased",
                list(erased, |(i, mask)| {
                    Json::List(vec![number(*i), number(*mask)])
                }),
            ),
            ("merged", hex(merged)),
        ])
    })
}

fn refused(city: &City) -> Vec<Refused> {
    let mut out = refused_headers(city);
    out.extend(refused_bodies(city));
    out
}

/// Table leaves and root follow the table, so that only one thing is wrong.
fn rooted(h: &mut Header) {
    h.root = sample::table_root(&h.groups);
}

fn refused_headers(city: &City) -> Vec<Refused> {
    let edits: [Edit<Header>; 22] = [
        ("counter 0", "bound", |h| h.counter = 0),
        ("sequence 0", "bound", |h| h.sequence = 0),
        ("a sequence too great", "bound", |h| {
            h.sequence = limits::POSITION_MAX + 1
        }),
        ("no opening", "zero", |h| h.opening = Ref::ZERO),
        ("no previous", "zero", |h| h.previous = Ref::ZERO),
        ("no identity", "zero", |h| h.identity = Ref::ZERO),
        ("no group", "bound", |h| {
            h.groups.clear();
            h.count = 0;
            rooted(h);
        }),
        ("groups out of order", "order", |h| {
            h.groups.swap(0, 1);
            rooted(h);
        }),
        ("a group twice", "order", |h| {
            h.groups[1].hint = h.groups[0].hint.clone();
            rooted(h);
        }),
        ("an empty group", "bound", |h| {
            h.count -= h.groups[0].count;
            h.groups[0].count = 0;
            rooted(h);
        }),
        ("a count too few", "contradiction", |h| h.count -= 1),
        ("a count too many", "contradiction", |h| h.count += 1),
        ("1,001 entries", "bound", |h| {
            h.groups[0].count = 1001 - (h.count - h.groups[0].count);
            h.count = 1001;
            rooted(h);
        }),
        ("a hint of kind 5", "form", |h| {
            h.groups[2].hint = vec![5];
            rooted(h);
        }),
        ("a hint of kind 6", "form", |h| {
            h.groups[2].hint = vec![6];
            rooted(h);
        }),
        ("an empty hint", "end", |h| {
            h.groups[0].hint = vec![];
            rooted(h);
        }),
        ("a hint with a byte more", "more", |h| {
            h.groups[0].hint = vec![0, 0];
            rooted(h);
        }),
        ("a hint of a division of five digits", "form", |h| {
            h.groups[1].hint = [&[1, 5][..], b"31011"].concat();
            rooted(h);
        }),
        ("seats out of order in a hint", "order", |h| {
            h.groups[2].hint = [&[3, 2][..], &[2; 16], &[1; 16]].concat();
            rooted(h);
        }),
        ("another root", "tree", |h| h.root = Hash([7; 32])),
        ("another root of a group", "tree", |h| {
            h.groups[1].root = Hash([7; 32])
        }),
        ("another count of a group", "contradiction", |h| {
            h.groups[1].count += 1
        }),
    ];
    let (header, _) = first(city);
    let mut out = refused::edits("header", &header, Header::to_bytes, &edits);
    let mut lane = header.to_bytes();
    lane[16] = 3;
    let mut half = header.to_bytes();
    // the opening behind seat, lane and counter
    half[21] = 0;
    out.extend(refused::of(
        "header",
        vec![
            ("lane 3", "form", lane),
            ("an opening that is half a reference", "zero", half),
            (
                "cut before its identity is named",
                "end",
                header.to_bytes()[..150].to_vec(),
            ),
        ],
    ));
    out
}

fn registration(row: u32) -> Draft {
    sample::registration(row, Hint::Unknown)
}

/// A body whose groups give their roots, of a header that no sealer of ours would make.
pub fn forged(city: &City, what: &str) -> (Envelope, Vec<u8>) {
    let division = || Hint::Division("310115".into());
    let mut broken = sample::registration_head(1, Hint::Unknown).to_bytes();
    // the form of the key, behind hint, type and the key's length
    broken[1 + 13 + 2] = 9;
    let groups: Vec<(Hint, Vec<Draft>)> = match what {
        "a head of another group" => vec![(division(), vec![registration(1)])],
        "entries out of order" => vec![(Hint::Unknown, vec![registration(2), registration(1)])],
        "an entry twice in a group" => {
            vec![(Hint::Unknown, vec![registration(1), registration(1)])]
        }
        "an entry twice in the batch" => vec![
            (Hint::Unknown, vec![registration(1)]),
            (division(), vec![sample::registration(1, division())]),
        ],
        "a head that cannot be read" => vec![(Hint::Unknown, vec![Draft::new(&[(0, broken)])])],
        _ => vec![(Hint::Unknown, vec![malformed_behind()])],
    };
    sample::forged(city, &groups)
}

/// An entry whose head is malformed behind type and key: its own fault, not the batch's.
fn malformed_behind() -> Draft {
    let mut head = sample::registration_head(1, Hint::Unknown).to_bytes();
    head.push(0);
    Draft::new(&[(0, head)])
}

pub const FORGED: [&str; 6] = [
    "a head of another group",
    "entries out of order",
    "an entry twice in a group",
    "an entry twice in the batch",
    "a head that cannot be read",
    "a head that is malformed behind type and key",
];

/// Bodies of the first batch: everything that its sender is at fault for.
fn refused_bodies(city: &City) -> Vec<Refused> {
    let (header, body) = first(city);
    let edited = |body: &[u8], at: usize, bytes: &[u8]| {
        let mut body = body.to_vec();
        body[at..at + bytes.len()].copy_from_slice(bytes);
        body
    };
    let part = cut(city, 0);
    // format, number of groups, position, form; then members and proof of a part
    let (count, members) = (part[6..10].to_vec(), &part[10..]);
    assert_eq!(&part[..6], [1, 0, 2, 0, 0, 1], "a part of the first group");
    assert_eq!(
        (count.as_slice(), &members[..4]),
        (&[0, 0, 0, 1][..], &[0, 0, 0, 1][..])
    );
    let opening_at = 6 + 4;
    let other_salt = {
        let mut at = edited(&body, opening_at, &[]);
        at[opening_at + 1] ^= 1;
        at
    };
    let swapped = {
        let mut out = vec![1, 0, 1, 0, 0, 0];
        let opened = slice::opened(&header, &body).expect("the sample's");
        for o in [&opened[1], &opened[0]] {
            let bytes = &body[o.at.clone()];
            out.extend((bytes.len() as u32).to_be_bytes());
            out.extend(bytes);
        }
        out
    };
    let lied = {
        // another content under the right salt
        let opened = slice::opened(&header, &body).expect("the sample's");
        let bytes = &body[opened[0].at.clone()];
        let opening = Opening::from_bytes(bytes).expect("an opening");
        assert!(opening.is_open());
        let end = opened[0].at.end;
        edited(&body, end - 1, &[body[end - 1] ^ 1])
    };
    let groups = |all: &[&[u32]]| {
        let mut out = vec![1, 0, all.len() as u8];
        for positions in all {
            let one = slice::cut(&header, &body, positions, |_| 1).expect("can be cut");
            out.extend(&one[3..]);
        }
        out
    };
    let all_as_part = {
        let opened = slice::opened(&header, &body).expect("the sample's");
        let mut out = vec![
            1, 0, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
        ];
        for o in &opened[..2] {
            let bytes = &body[o.at.clone()];
            out.extend((bytes.len() as u32).to_be_bytes());
            out.extend(bytes);
        }
        out
    };
    refused::of(
        "first body",
        vec![
            ("nothing", "end", vec![]),
            ("format 2", "form", edited(&body, 0, &[2])),
            ("no group", "bound", vec![1, 0, 0]),
            ("a group too few", "end", edited(&body, 1, &[0, 4])),
            ("a group too many", "more", edited(&body, 1, &[0, 2])),
            (
                "a group that is not in the table",
                "bound",
                edited(&body, 3, &[0, 9]),
            ),
            ("groups out of order", "order", groups(&[&[3, 6], &[1]])),
            ("a group twice", "order", groups(&[&[1], &[1]])),
            (
                "a form of groups that is none",
                "form",
                edited(&body, 5, &[2]),
            ),
            (
                "a part of nothing",
                "bound",
                edited(&part, 6, &[0, 0, 0, 0]),
            ),
            ("all of a group as a part", "bound", all_as_part),
            (
                "a member beyond the group",
                "bound",
                edited(&part, 10, &[0, 0, 0, 2]),
            ),
            (
                "more hashes than leaves",
                "bound",
                edited(&part, 14, &[0, 0, 0, 3]),
            ),
            ("another member", "tree", edited(&part, 10, &[0, 0, 0, 0])),
            (
                "another hash in the proof",
                "tree",
                edited(&part, 18, &[7; 32]),
            ),
            ("another leaf salt", "tree", other_salt),
            ("other content", "tree", lied),
            ("entries in each other's place", "tree", swapped),
            (
                "an opening of another form",
                "form",
                edited(&body, opening_at, &[2]),
            ),
            ("a byte too few", "end", body[..body.len() - 1].to_vec()),
            ("a byte too many", "more", [&body[..], &[0]].concat()),
        ],
    )
}
