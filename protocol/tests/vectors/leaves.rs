//! Vectors of leaves: openings, their merges, trees, pieces of attachments.

use protocol::attachment;
use protocol::hash::{self, Hash};
use protocol::merkle;
use protocol::opening::{self, Closed, Opening, Section};
use protocol::value::Value;

use crate::heads;
use crate::json::{Json, hex, list, number, object, text};
use crate::refused::{self, Refused};
use crate::sample;

fn read(bytes: &[u8]) -> Opening<'_> {
    Opening::from_bytes(bytes).expect("an opening of our own")
}

fn sections_shown(opening: &Opening<'_>) -> Json {
    let parts = opening.sections().iter().zip(opening.commitments());
    list(parts, |((number, section), (_, salt, commitment))| {
        let mut members = vec![("number", Json::Number((*number).into()))];
        match section {
            Section::Open(bytes) => members.extend([
                ("salt", hex(salt.expect("of an open section"))),
                ("bytes", hex(bytes)),
            ]),
            Section::Closed { why, .. } => {
                members.push(("why", text(format!("{why:?}").to_lowercase())));
            }
        }
        members.push(("commitment", hex(commitment.0)));
        Json::Object(members)
    })
}

fn opening_shown(what: &str, bytes: &[u8]) -> Json {
    let opening = read(bytes);
    object([
        ("what", text(what)),
        ("opening", hex(bytes)),
        ("sections", sections_shown(&opening)),
        ("leaf", hex(opening.leaf().0)),
    ])
}

pub fn openings() -> Json {
    let sections: Vec<(u8, Vec<u8>)> = vec![
        (0, heads::full_head().to_bytes()),
        (
            1,
            sample::section(&[
                (1, Value::from_text("91310115MA1K000001")),
                (2, Value::Empty),
            ]),
        ),
        (3, sample::section(&[(40, Value::Null)])),
        (
            15,
            sample::section(&[(1, Value::Raw(vec![0xff])), (500, Value::Integer(-1))]),
        ),
    ];
    let leaf_salt = [0x5a; 16];
    let mut whole = Vec::new();
    opening::put_whole(
        &leaf_salt,
        sections.iter().map(|(n, b)| (*n, b.as_slice())),
        &mut whole,
    );
    let narrowed = |bytes: &[u8], keep, why| read(bytes).narrowed(keep, why);
    let public = narrowed(&whole, 0b11, Closed::Withheld);
    let erased = narrowed(&whole, 0x8001, Closed::Erased);
    let compacted = narrowed(&whole, 1, Closed::Compacted);
    let government = narrowed(&whole, 0b1001, Closed::Withheld);
    let platform = narrowed(&whole, 0x8001, Closed::Withheld);
    let none = |_| false;
    let all_but_one = read(&public)
        .merged(&read(&government), none)
        .expect("one leaf");
    let together = read(&all_but_one)
        .merged(&read(&platform), none)
        .expect("one leaf");
    assert!(
        read(&together).is_open() && together[0] == 1,
        "partial, everything open"
    );
    let named = [
        ("whole", &whole),
        ("only head and section 1, the rest withheld", &public),
        ("only head and section 15, the rest erased", &erased),
        ("only the head, the rest compacted", &compacted),
        ("only head and section 3, the rest withheld", &government),
        ("in parts, with everything open", &together),
    ];
    let merges: [(&[u8], &[u8], u16); 9] = [
        (&public, &erased, 0),
        (&public, &compacted, 0),
        (&erased, &compacted, 0),
        (&erased, &erased, 0),
        (&whole, &public, 0),
        (&together, &public, 0),
        (&together, &whole, 0),
        (&whole, &public, 0b1000),
        (&public, &erased, 0x800a),
    ];
    Json::Object(vec![
        ("leaf_salt", hex(leaf_salt)),
        (
            "openings",
            list(named, |(what, bytes)| opening_shown(what, bytes)),
        ),
        (
            "merges",
            list(merges, |(one, other, mask)| {
                let erased = |n: u8| mask & (1 << n) != 0;
                let merged = read(one).merged(&read(other), erased).expect("one leaf");
                let again = read(other).merged(&read(one), erased).expect("one leaf");
                assert_eq!(merged, again, "order changes nothing");
                object([
                    ("one", hex(one)),
                    ("other", hex(other)),
                    ("erased", number(mask)),
                    ("merged", hex(merged)),
                ])
            }),
        ),
        refused::listed(refused_openings(&whole, &public)),
    ])
}

fn refused_openings(whole: &[u8], partial: &[u8]) -> Vec<Refused> {
    let edited = |bytes: &[u8], at: usize, value: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = value;
        bytes
    };
    let one = |number: u8| [&[0][..], &[7; 16], &[1, number, 0, 0, 0, 1, 9]].concat();
    let two = |number: u8| {
        let sections = [2, 0, 0, 0, 0, 1, 9, number, 0, 0, 0, 1, 9];
        [&[0][..], &[7; 16], &sections].concat()
    };
    let closed = |number: u8, why: u8| [&[1, 1, number, why][..], &[7; 32]].concat();
    refused::of(
        "opening",
        vec![
            ("nothing", "end", vec![]),
            ("form 2", "form", edited(whole, 0, 2)),
            ("no section", "bound", [&[0][..], &[7; 16], &[0]].concat()),
            ("no section, in parts", "bound", vec![1, 0]),
            ("17 sections", "bound", edited(partial, 1, 17)),
            ("no head", "order", one(1)),
            ("section 16", "bound", two(16)),
            ("a section twice", "order", two(0)),
            (
                "sections out of order",
                "order",
                edited(partial, partial.len() - 34, 2),
            ),
            ("a closed head", "contradiction", closed(0, 1)),
            ("why 4", "form", edited(partial, partial.len() - 33, 4)),
            ("why 255", "form", edited(partial, partial.len() - 33, 255)),
            ("a byte too few", "end", whole[..whole.len() - 1].to_vec()),
            ("a byte too many", "more", [whole, &[0]].concat()),
            (
                "a commitment cut",
                "end",
                partial[..partial.len() - 1].to_vec(),
            ),
        ],
    )
}

fn leaf(n: u32) -> Hash {
    hash::sha256(&[&n.to_be_bytes()])
}

fn leaves(count: u32) -> Vec<Hash> {
    (0..count).map(leaf).collect()
}

fn proof_shown(count: u32, members: &[u32], proof: &[Hash], root: &Hash) -> Json {
    object([
        ("count", number(count)),
        ("members", list(members, |m| number(*m))),
        ("proof", list(proof, |h| hex(h.0))),
        ("root", hex(root.0)),
    ])
}

pub fn trees() -> Json {
    let proofs: [(u32, &[u32]); 9] = [
        (1, &[0]),
        (2, &[1]),
        (5, &[]),
        (5, &[4]),
        (7, &[0, 3, 6]),
        (8, &[2, 3]),
        (9, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (13, &[5, 11, 12]),
        (1000, &[0, 499, 500, 999]),
    ];
    let proven = |(count, members): (u32, &[u32])| {
        let all = leaves(count);
        proof_shown(
            count,
            members,
            &merkle::prove(&all, members),
            &merkle::root(&all),
        )
    };
    let mut shown: Vec<Json> = proofs.into_iter().map(proven).collect();
    // the proof of a part, made from the proof of a larger part
    let all = leaves(13);
    let members = [1, 2, 5, 11, 12];
    let held: Vec<Hash> = members.iter().map(|m| all[*m as usize]).collect();
    let proof = merkle::prove(&all, &members);
    let again = merkle::prove_from(13, &members, &held, &proof, &[2, 12]);
    let again = again.expect("wanted are among the members");
    shown.push(proof_shown(13, &[2, 12], &again, &merkle::root(&all)));
    Json::Object(vec![
        (
            "roots",
            list(0..=17, |count| {
                object([
                    ("count", number(count)),
                    ("root", hex(merkle::root(&leaves(count)).0)),
                ])
            }),
        ),
        ("proofs", Json::List(shown)),
        ("bad_proofs", Json::List(bad_proofs())),
        ("pieces", Json::List(pieces())),
        ("bad_pieces", Json::List(bad_pieces())),
    ])
}

/// Proofs that give no root, or another.
fn bad_proofs() -> Vec<Json> {
    let all = leaves(7);
    let (members, root) = ([0, 3, 6], merkle::root(&all));
    let good = merkle::prove(&all, &members);
    let mut longer = good.clone();
    longer.push(Hash([1; 32]));
    let mut swapped = good.clone();
    swapped.swap(0, 1);
    type Bad = (&'static str, &'static str, u32, &'static [u32], Vec<Hash>);
    let cases: [Bad; 7] = [
        ("a hash too few", "tree", 7, &[0, 3, 6], good[1..].to_vec()),
        ("a hash too many", "tree", 7, &[0, 3, 6], longer),
        ("hashes in another order", "tree", 7, &[0, 3, 6], swapped),
        ("another member", "tree", 7, &[0, 2, 6], good.clone()),
        (
            "a member beyond the tree",
            "bound",
            7,
            &[0, 3, 7],
            good.clone(),
        ),
        ("members out of order", "order", 7, &[3, 0, 6], good.clone()),
        ("another count", "tree", 8, &[0, 3, 6], good),
    ];
    cases
        .into_iter()
        .map(|(what, reason, count, members, proof)| {
            let known: Vec<Hash> = members.iter().map(|m| leaf(*m)).collect();
            let given = merkle::root_from(count, members, &known, &proof);
            assert_ne!(given, Some(root), "{what}");
            let digits: Vec<String> = proof.iter().map(ToString::to_string).collect();
            object([
                ("what", text(what)),
                ("reason", text(reason)),
                ("count", number(count)),
                ("members", list(members, |m| number(*m))),
                ("refused_proof", text(digits.join(" "))),
                ("root", hex(root.0)),
            ])
        })
        .collect()
}

/// Contents of pieces: this byte, repeated.
fn piece(index: u32, length: usize) -> Vec<u8> {
    vec![index as u8 + 1; length]
}

fn pieces() -> Vec<Json> {
    let mib = 1usize << 20;
    [
        (1u64, 0u32),
        (mib as u64, 0),
        (mib as u64 + 5, 1),
        (3 * mib as u64 + 7, 2),
    ]
    .into_iter()
    .map(|(size, index)| {
        let count = attachment::pieces(size);
        let length = |i| attachment::piece_len(size, i).expect("a piece");
        let all: Vec<Hash> = (0..count)
            .map(|i| attachment::piece_hash(&piece(i, length(i))))
            .collect();
        let (root, bytes) = (attachment::root(&all), piece(index, length(index)));
        let proof = attachment::prove(&all, index).expect("a piece");
        assert!(attachment::verifies(size, &root, index, &bytes, &proof));
        object([
            ("size", Json::Number(size)),
            ("index", number(index)),
            ("fill", number(bytes[0])),
            ("length", number(bytes.len() as u64)),
            ("leaf", hex(all[index as usize].0)),
            ("proof", list(&proof, |h| hex(h.0))),
            ("root", hex(root.0)),
        ])
    })
    .collect()
}

/// Pieces that do not verify: size, index, length of the piece that is given.
fn bad_pieces() -> Vec<Json> {
    let bytes = piece(0, 10);
    let root = attachment::root(&[attachment::piece_hash(&bytes)]);
    [
        ("of a larger attachment", 11u64, 0u32),
        ("of a smaller attachment", 9, 0),
        ("of another place", 10, 1),
        ("of an attachment of nothing", 0, 0),
    ]
    .into_iter()
    .map(|(what, size, index)| {
        assert!(
            !attachment::verifies(size, &root, index, &bytes, &[]),
            "{what}"
        );
        object([
            ("what", text(what)),
            ("size", Json::Number(size)),
            ("index", number(index)),
            ("fill", number(1u8)),
            ("length", number(10u8)),
            ("refused_root", text(root.to_string())),
        ])
    })
    .collect()
}
