//! Makes every vector file from the sample city: inputs, intermediate values and final bytes. Compares nothing.

use protocol::directory::{self, LogName};
use protocol::envelope::Envelope;
use protocol::hash::{self, Hash};
use protocol::merkle;
use protocol::name::{FeedId, Lane, SeatId};
use protocol::receipt::Receipt;
use protocol::sign::SigningKey;
use protocol::slice;

use crate::json::{Json, hex, list, text};
use crate::sample::{self, City};
use crate::{entries, frames};

/// Every vector file: name and content.
pub fn files() -> Vec<(&'static str, Json)> {
    let city = sample::city();
    vec![
        ("keys", keys()),
        ("values", entries::values()),
        ("record_keys", entries::record_keys()),
        ("heads", entries::heads()),
        ("openings", entries::openings()),
        ("builtin", entries::builtin_entries()),
        ("trees", trees()),
        ("directory", directory(&city)),
        ("batches", batches(&city)),
        ("receipts", receipts(&city)),
        ("frames", frames::frames(&city)),
    ]
}

fn keys() -> Json {
    let names = ["root 1", "city", "district", "department", "root 2"];
    list(names.iter().zip(1u8..), |(name, n)| {
        let key = SigningKey::from_seed(&[n; 32]);
        Json::Object(vec![
            ("whose", text(*name)),
            ("seed", hex([n; 32])),
            ("public", hex(key.public().0)),
            ("fingerprint", hex(key.public().fingerprint().0)),
        ])
    })
}

fn trees() -> Json {
    let leaf = |n: u32| hash::sha256(&[&n.to_be_bytes()]);
    let leaves = |count: u32| (0..count).map(leaf).collect::<Vec<_>>();
    let hashes = |h: &[Hash]| list(h, |h| hex(h.0));
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
    Json::Object(vec![
        (
            "roots",
            list(0..=17, |count| hex(merkle::root(&leaves(count)).0)),
        ),
        (
            "proofs",
            list(proofs, |(count, members)| {
                Json::Object(vec![
                    ("count", Json::Number(count.into())),
                    ("members", list(members, |m| Json::Number((*m).into()))),
                    ("proof", hashes(&merkle::prove(&leaves(count), members))),
                    ("root", hex(merkle::root(&leaves(count)).0)),
                ])
            }),
        ),
        ("subset_of_subset", {
            let all = leaves(13);
            let members = [1, 2, 5, 11, 12];
            let held: Vec<Hash> = members.iter().map(|m| all[*m as usize]).collect();
            let proof = merkle::prove(&all, &members);
            let wanted = [2, 12];
            let again = merkle::prove_from(13, &members, &held, &proof, &wanted);
            Json::Object(vec![
                ("count", Json::Number(13)),
                ("members", list(wanted, |m| Json::Number(m.into()))),
                (
                    "proof",
                    hashes(&again.expect("wanted are among the members")),
                ),
                ("root", hex(merkle::root(&all).0)),
            ])
        }),
    ])
}

fn envelope(envelope: &Envelope) -> Vec<(&'static str, Json)> {
    vec![
        ("envelope", hex(envelope.to_bytes())),
        ("object_hash", hex(envelope.hash().0)),
    ]
}

fn directory(city: &City) -> Json {
    let identity = |e: &Envelope| {
        let i = directory::Identity::from_bytes(&e.bytes).expect("an identity of our own");
        let mut members = envelope(e);
        members.push((
            "reads",
            Json::Object(vec![
                ("seat", hex(i.seat.0)),
                ("serial", Json::Number(i.serial.into())),
                ("kind", Json::Number(i.kind as u64)),
                ("title", text(i.title)),
                ("department", text(i.department)),
                ("jurisdiction", text(i.jurisdiction)),
                ("key", hex(i.key.0)),
                ("suite", Json::Number(i.suite as u64)),
                ("permitted_types", list(i.permitted_types, text)),
                ("admits", Json::Number(i.admits.into())),
                ("issuer", hex(i.issuer.0)),
            ]),
        ));
        Json::Object(members)
    };
    let exporter = [0x33; 32];
    let presence = directory::presence(&exporter, &sample::DISTRICT);
    Json::Object(vec![
        ("root", Json::Object(envelope(&city.root))),
        (
            "identities",
            list([&city.city, &city.district, &city.department], identity),
        ),
        ("opening", Json::Object(envelope(&city.opening_envelope))),
        (
            "presence",
            Json::Object(vec![
                ("exporter", hex(exporter)),
                ("seat", hex(sample::DISTRICT.0)),
                ("object_hash", hex(presence.0)),
                ("signature", hex(city.district_key.sign(&presence))),
            ]),
        ),
    ])
}

fn batches(city: &City) -> Json {
    let all = sample::batches(city);
    let cuts: [(&str, &[u32], u16); 3] = [
        ("entries 1, 3 and 6, everything open", &[1, 3, 6], 0xffff),
        (
            "a whole group and a part, section 3 withheld",
            &[0, 1, 2, 7],
            0b0111,
        ),
        ("one entry, only its head", &[4], 1),
    ];
    let hashes = |list_: &[Hash]| list(list_, |h| hex(h.0));
    list(all.iter().enumerate(), |(at, (before, sealed))| {
        let header = slice::verify_header(&city.directory, &sealed.header)
            .expect("the sample's headers verify");
        let verified =
            slice::verify(header.clone(), sealed.body.clone()).expect("the sample's bodies verify");
        let leaves: Vec<(u16, Hash)> = verified
            .opened()
            .iter()
            .map(|o| (o.group, verified.opening(o).expect("verified").leaf()))
            .collect();
        let mut members = vec![
            ("sequence", Json::Number(header.header().sequence)),
            ("secret", hex([0x50 + before.sequence as u8; 32])),
            ("previous", hex(before.last.0)),
            ("history", hex(before.history.root().0)),
        ];
        members.extend(envelope(&sealed.header));
        members.push((
            "groups",
            list(header.header().groups.iter().zip(0u16..), |(g, n)| {
                let of_group: Vec<Hash> = leaves.iter().filter(|l| l.0 == n).map(|l| l.1).collect();
                Json::Object(vec![
                    ("hint", hex(&g.hint)),
                    ("leaves", hashes(&of_group)),
                    ("root", hex(g.root.0)),
                    ("table_leaf", hex(hash::group(&g.hint, g.count, &g.root).0)),
                ])
            }),
        ));
        members.push(("root", hex(header.header().root.0)));
        members.push(("body", hex(&sealed.body)));
        if at == 0 {
            members.push((
                "cuts",
                list(cuts, |(what, positions, keep)| {
                    let cut = slice::cut(header.header(), &sealed.body, positions, |_| keep)
                        .expect("the sample's bodies can be cut");
                    Json::Object(vec![
                        ("what", text(what)),
                        ("indexes", list(positions, |p| Json::Number((*p).into()))),
                        ("body", hex(cut)),
                    ])
                }),
            ));
        }
        Json::Object(members)
    })
}

fn receipts(city: &City) -> Json {
    let all = sample::batches(city);
    let log = LogName {
        seat: sample::DEPARTMENT,
        lane: Lane::Records,
        opening: city.opening_envelope.hash(),
    };
    let receipt = Receipt {
        log,
        durable: (3, all[2].1.header.hash()),
        safeguarded: (2, all[1].1.header.hash()),
        node: sample::DISTRICT,
        incarnation: FeedId([0xfd; 16]),
        at: sample::INSTANT,
    };
    let fresh = Receipt {
        durable: (0, Hash::ZERO),
        safeguarded: (0, Hash::ZERO),
        node: SeatId([0xc1; 16]),
        ..receipt.clone()
    };
    let one = |receipt: &Receipt, key: &SigningKey| {
        let mut members = envelope(&receipt.sign(key));
        members.push((
            "reads",
            Json::Object(vec![
                ("seat", hex(receipt.log.seat.0)),
                ("lane", Json::Number(receipt.log.lane as u64)),
                ("opening", hex(receipt.log.opening.0)),
                ("durable", Json::Number(receipt.durable.0)),
                ("durable_hash", hex(receipt.durable.1.0)),
                ("safeguarded", Json::Number(receipt.safeguarded.0)),
                ("safeguarded_hash", hex(receipt.safeguarded.1.0)),
                ("node", hex(receipt.node.0)),
                ("incarnation", hex(receipt.incarnation.0)),
                ("at", text(receipt.at.to_string())),
            ]),
        ));
        Json::Object(members)
    };
    Json::List(vec![
        one(&receipt, &city.district_key),
        one(&fresh, &city.city_key),
    ])
}
