//! Signed objects that are refused by themselves, whoever signs them.
//! Long because it is one table for each kind.

use protocol::envelope::{Envelope, Signature, kind};
use protocol::feed_head::FeedHead;
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::{Position, SeatId};
use protocol::receipt::Receipt;
use protocol::sign::Keys;
use protocol::statement::{
    Activation, ActiveFrom, BindsFrom, Closing, EpochOpening, Erasure, ErasureItem, ForkDecision,
    Forked, Identity, Revocation, RevokedLog, Root, SeatKind,
};

use crate::refused::{self, Edit, Refused};
use crate::sample::{CITY, DEPARTMENT, DISTRICT};
use crate::statements::{
    sample_activation, sample_closing, sample_decision, sample_erasure, sample_head,
    sample_opening, sample_receipt, sample_revocation, sample_root,
};
use crate::world::{self, BUREAU, World, at, sigs, stray};

/// Everything of this file.
pub fn all(world: &World) -> Vec<Refused> {
    let mut out = refused_envelopes(world);
    out.extend(refused_roots());
    out.extend(refused_identities());
    out.extend(refused_revocations());
    out.extend(refused_openings());
    out.extend(refused_closings());
    out.extend(refused_decisions());
    out.extend(refused_activations());
    out.extend(refused_erasures());
    out.extend(refused_words());
    out
}

fn refused_envelopes(world: &World) -> Vec<Refused> {
    let good = world::signed(
        kind::OPENING,
        world.opening.bytes.clone(),
        &[world::BUREAU_KEY, 99],
    );
    fn signature(suite: u8, key: usize, length: usize) -> Signature {
        Signature {
            suite,
            key: vec![0xfe; key],
            bytes: vec![7; length],
        }
    }
    let edits: [Edit<Envelope>; 11] = [
        ("name suite 0", "form", |e| e.name_suite = 0),
        ("no signature", "bound", |e| e.signatures.clear()),
        ("nine signatures", "bound", |e| {
            e.signatures = (0..9).map(|n| signature(2, 1 + n, 4)).collect();
        }),
        ("signatures out of order of keys", "order", |e| {
            e.signatures.swap(0, 1)
        }),
        ("a signature twice", "order", |e| {
            e.signatures[1] = e.signatures[0].clone();
        }),
        ("signatures out of order of suites", "order", |e| {
            e.signatures.insert(0, signature(2, 1, 1));
        }),
        ("signature suite 0", "form", |e| {
            e.signatures.insert(0, signature(0, 32, 64));
        }),
        ("a key of 31 bytes in suite 1", "key", |e| {
            e.signatures[1].key.pop();
        }),
        ("a key of 33 bytes in suite 1", "key", |e| {
            e.signatures[1].key.push(0)
        }),
        ("a signature of 63 bytes in suite 1", "key", |e| {
            e.signatures[1].bytes.pop();
        }),
        ("a signature of 65 bytes in suite 1", "key", |e| {
            e.signatures[1].bytes.push(0);
        }),
    ];
    refused::edits("envelope", &good, Envelope::to_bytes, &edits)
}

fn refused_roots() -> Vec<Refused> {
    fn key(suite: u8, bytes: &[u8]) -> protocol::sign::Key {
        protocol::sign::Key {
            suite,
            key_use: 1,
            bytes: bytes.to_vec(),
        }
    }
    let edits: [Edit<Root>; 17] = [
        ("version 0", "bound", |r| {
            (r.version, r.former) = (0, stray(1));
        }),
        ("a first version with a former", "contradiction", |r| {
            r.former = stray(1)
        }),
        ("a later version without", "contradiction", |r| {
            r.version = 2
        }),
        ("a former that is half a reference", "zero", |r| {
            r.former.hash = Hash([1; 32]);
        }),
        ("threshold 0", "bound", |r| r.threshold = 0),
        ("a threshold over the keys", "bound", |r| r.threshold = 4),
        ("a threshold over the keys of a suite", "bound", |r| {
            r.keys.push(key(2, &[1]))
        }),
        ("no key", "bound", |r| r.keys.clear()),
        ("no key of suite 1", "key", |r| {
            r.keys = vec![key(2, &[1]), key(2, &[2])];
        }),
        ("suite 0", "form", |r| {
            r.threshold = 1;
            r.keys.insert(0, key(0, &[1]));
        }),
        ("an empty key of another suite", "key", |r| {
            r.threshold = 1;
            r.keys.push(key(2, &[]));
        }),
        ("a key of small order", "key", |r| {
            r.keys[0].bytes = vec![0; 32]
        }),
        ("a short key", "key", |r| {
            r.keys[0].bytes.pop();
        }),
        ("keys out of order", "order", |r| r.keys.swap(0, 1)),
        ("a key twice", "order", |r| r.keys[1] = r.keys[0].clone()),
        ("five keys of one suite", "bound", |r| {
            *r = world::root(1, Ref::ZERO, 1, &[1, 2, 3, 4, 5]);
        }),
        ("nine keys", "bound", |r| {
            r.threshold = 1;
            r.keys.extend((1..=3).map(|n| key(2, &[n])));
            r.keys.extend((1..=3).map(|n| key(3, &[n])));
        }),
    ];
    let mut out = refused::edits("root version", &sample_root(1), Root::to_bytes, &edits);
    let mut bytes = sample_root(1).to_bytes();
    bytes[15] = 1;
    out.extend(refused::of(
        "root version",
        vec![("of a seat", "zero", bytes)],
    ));
    out
}

fn sample_identity() -> Identity {
    Identity {
        seat: DEPARTMENT,
        node: DISTRICT,
        serial: 2,
        possession: sigs(&[(1, vec![1; 64])]),
        binds_from: [BindsFrom {
            counter: 1,
            sequence: 1,
        }; 3],
        ..world::first_identity(BUREAU, SeatKind::Department, 13, stray(1))
    }
}

fn refused_identities() -> Vec<Refused> {
    fn node(i: &mut Identity) {
        i.kind = SeatKind::District;
        i.node = i.seat;
        i.permitted.clear();
    }
    fn first(i: &mut Identity) {
        i.serial = 1;
        i.binds_from = [BindsFrom::default(); 3];
    }
    let edits: [Edit<Identity>; 35] = [
        ("the zero seat", "zero", |i| i.seat = SeatId::default()),
        ("serial 0", "bound", |i| {
            first(i);
            i.serial = 0;
        }),
        ("no organisation", "form", |i| i.organisation.clear()),
        ("a region as organisation", "form", |i| {
            i.organisation = "310115".into()
        }),
        ("no title", "bound", |i| i.title.clear()),
        ("a title of 201 bytes", "bound", |i| {
            i.title = "x".repeat(201)
        }),
        ("a title with U+0000", "text", |i| i.title = "a\0b".into()),
        ("no jurisdiction", "form", |i| i.jurisdiction.clear()),
        ("everywhere as jurisdiction", "form", |i| {
            i.jurisdiction = "*".into()
        }),
        ("a department as its own node", "contradiction", |i| {
            i.node = i.seat
        }),
        ("nobody as node", "zero", |i| i.node = SeatId::default()),
        ("another seat as a node's node", "contradiction", |i| {
            node(i);
            i.node = CITY;
        }),
        ("a node without a seal key", "contradiction", |i| {
            node(i);
            i.keys = Keys::of(world::key(13).public(), None);
        }),
        ("a first serial with consent", "contradiction", |i| {
            first(i);
            i.consent = sigs(&[(1, vec![2; 64])]);
        }),
        ("a first serial with a reason", "contradiction", |i| {
            first(i);
            i.reason = "x".into();
        }),
        ("a reason of 201 bytes", "bound", |i| {
            i.reason = "x".repeat(201)
        }),
        ("a reason with U+0000", "text", |i| i.reason = "\0".into()),
        ("a node with types", "contradiction", |i| {
            node(i);
            i.permitted = vec!["registration".into()];
        }),
        ("types out of order", "order", |i| i.permitted.swap(0, 1)),
        ("a type twice", "order", |i| {
            i.permitted = vec!["a".into(), "a".into()]
        }),
        ("an empty type", "form", |i| {
            i.permitted = vec![String::new()]
        }),
        ("a type of 65 bytes", "form", |i| {
            i.permitted = vec!["x".repeat(65)]
        }),
        ("every type", "form", |i| i.permitted = vec!["*".into()]),
        ("a prefix without a dot", "form", |i| {
            i.permitted = vec!["370102*".into()]
        }),
        ("an empty prefix", "form", |i| {
            i.permitted = vec![".*".into()]
        }),
        ("a star inside", "form", |i| {
            i.permitted = vec!["a*.*".into()]
        }),
        ("65 types", "bound", |i| {
            i.permitted = (0..65).map(|n| format!("t{n:02}")).collect();
        }),
        ("a department that admits", "contradiction", |i| {
            i.admits = true
        }),
        ("a first serial that binds", "contradiction", |i| {
            i.serial = 1
        }),
        (
            "a first serial that binds in an epoch",
            "contradiction",
            |i| {
                first(i);
                i.binds_from[2].counter = 1;
            },
        ),
        ("counter 0", "bound", |i| i.binds_from[0].counter = 0),
        ("sequence 0", "bound", |i| i.binds_from[2].sequence = 0),
        ("a sequence too great", "bound", |i| {
            i.binds_from[1].sequence = limits::POSITION_MAX + 1;
        }),
        ("no issuer", "zero", |i| i.issuer = Ref::ZERO),
        ("an issuer that is half a reference", "zero", |i| {
            i.issuer.suite = 0
        }),
    ];
    let identity = sample_identity();
    let mut out = refused::edits("identity", &identity, Identity::to_bytes, &edits);
    let bytes = identity.to_bytes();
    let edited = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        bytes
    };
    let mut keys = Vec::new();
    identity.keys.put(&mut keys);
    let keys = bytes.windows(keys.len()).position(|w| w == keys);
    let keys = keys.expect("the keys");
    let admits = bytes.len() - 33 - 36 - 1;
    out.extend(refused::of(
        "identity",
        vec![
            ("kind 0", "form", edited(20, 0)),
            ("kind 4", "form", edited(20, 4)),
            ("no key", "bound", edited(keys, 0)),
            ("five keys", "bound", edited(keys, 5)),
            ("key use 3", "form", edited(keys + 2, 3)),
            ("admits 2", "form", edited(admits, 2)),
        ],
    ));
    out
}

fn refused_revocations() -> Vec<Refused> {
    let edits: [Edit<Revocation>; 15] = [
        ("the zero seat", "zero", |r| r.seat = SeatId::default()),
        ("49 logs", "bound", |r| {
            r.logs = (1..=49)
                .map(|n| world::revoked_log(2, stray(n), 1))
                .collect();
        }),
        ("lane 3", "form", |r| r.logs[2].lane = 3),
        ("logs out of order of lanes", "order", |r| r.logs.swap(0, 1)),
        ("logs out of order of openings", "order", |r| {
            r.logs = vec![
                world::revoked_log(2, stray(2), 1),
                world::revoked_log(2, stray(1), 1),
            ];
        }),
        ("a log twice", "order", |r| {
            r.logs[1] = RevokedLog {
                last: at(9),
                ..r.logs[0]
            }
        }),
        ("no opening", "zero", |r| r.logs[1].opening = Ref::ZERO),
        ("before the first header", "bound", |r| {
            r.logs[1].last = Position::START
        }),
        ("a sequence without a header", "zero", |r| {
            r.logs[1].last.header = Ref::ZERO
        }),
        ("a sequence too great", "bound", |r| {
            r.logs[1].last.sequence = limits::POSITION_MAX + 1;
        }),
        ("what stands out of order", "order", |r| {
            r.standing.swap(0, 1)
        }),
        ("what stands twice", "order", |r| {
            r.standing[1] = r.standing[0]
        }),
        ("nothing among what stands", "zero", |r| {
            r.standing[0] = Ref::ZERO
        }),
        ("a reason with U+0000", "text", |r| r.reason = "\0".into()),
        ("no issuer", "zero", |r| r.issuer = Ref::ZERO),
    ];
    let good = Revocation {
        seat: DEPARTMENT,
        ..sample_revocation()
    };
    refused::edits("revocation", &good, Revocation::to_bytes, &edits)
}

fn lanes(lanes: &[u8]) -> Vec<(u8, Position)> {
    lanes.iter().map(|lane| (*lane, at(1))).collect()
}

fn refused_openings() -> Vec<Refused> {
    let edits: [Edit<EpochOpening>; 15] = [
        ("the zero seat", "zero", |o| o.seat = SeatId::default()),
        ("counter 0", "bound", |o| {
            o.counter = 0;
            o.last_known.clear();
            o.void.clear();
        }),
        ("a first epoch after another", "contradiction", |o| {
            o.counter = 1;
            o.void.clear();
        }),
        ("a first epoch that declares void", "contradiction", |o| {
            o.counter = 1;
            o.last_known.clear();
        }),
        ("no identity", "zero", |o| o.identity = Ref::ZERO),
        ("17 lanes", "bound", |o| {
            o.last_known = lanes(&[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
        }),
        ("lane 3", "form", |o| o.last_known = lanes(&[0, 3])),
        ("lanes out of order", "order", |o| {
            o.last_known = lanes(&[2, 0])
        }),
        ("a lane twice", "order", |o| o.last_known = lanes(&[0, 0])),
        ("a lane without headers", "bound", |o| {
            o.last_known[0].1 = Position::START
        }),
        ("a position too great", "bound", |o| {
            o.last_known[0].1.sequence = limits::POSITION_MAX + 1;
        }),
        ("17 void openings", "bound", |o| {
            o.void = (1..=17).map(stray).collect()
        }),
        ("void openings out of order", "order", |o| o.void.swap(0, 1)),
        ("a void opening twice", "order", |o| o.void[1] = o.void[0]),
        ("nothing void", "zero", |o| o.void[0] = Ref::ZERO),
    ];
    let good = EpochOpening {
        seat: DEPARTMENT,
        ..sample_opening()
    };
    refused::edits("opening of an epoch", &good, EpochOpening::to_bytes, &edits)
}

fn refused_closings() -> Vec<Refused> {
    let edits: [Edit<Closing>; 14] = [
        ("the zero seat", "zero", |c| c.seat = SeatId::default()),
        ("no opening", "zero", |c| c.opening = Ref::ZERO),
        ("no identity", "zero", |c| c.identity = Ref::ZERO),
        ("an end in lane 3", "form", |c| c.ends = lanes(&[3])),
        ("ends out of order", "order", |c| c.ends.swap(0, 1)),
        ("an end before the first header", "bound", |c| {
            c.ends[0].1 = Position::START
        }),
        ("a range in lane 3", "form", |c| c.lost[2].lane = 3),
        ("a range from 0", "bound", |c| c.lost[0].from = 0),
        ("a range too far", "bound", |c| {
            c.lost[2].to = limits::POSITION_MAX + 1
        }),
        ("a range backwards", "bound", |c| c.lost[2].to = 4),
        ("ranges out of order", "order", |c| c.lost.swap(0, 1)),
        ("ranges that overlap", "order", |c| c.lost[1].to = 5),
        ("a note of 201 bytes", "bound", |c| c.note = "x".repeat(201)),
        ("a note with U+0000", "text", |c| c.note = "\0".into()),
    ];
    let good = Closing {
        seat: DEPARTMENT,
        ..sample_closing()
    };
    let mut out = refused::edits("closing", &good, Closing::to_bytes, &edits);
    let mut bytes = good.to_bytes();
    let asked = bytes.len() - 1 - good.note.len() - 1;
    bytes[asked] = 2;
    out.extend(refused::of("closing", vec![("asked 2", "form", bytes)]));
    out
}

fn refused_decisions() -> Vec<Refused> {
    fn header(lane: u8, opening: Ref, sequence: u64) -> Forked {
        Forked::Header {
            lane,
            opening,
            sequence,
        }
    }
    let edits: [Edit<ForkDecision>; 14] = [
        ("the zero seat", "zero", |d| d.seat = SeatId::default()),
        ("lane 3", "form", |d| d.place = header(3, stray(1), 7)),
        ("headers of no log", "contradiction", |d| {
            d.place = header(2, Ref::ZERO, 7)
        }),
        ("sequence 0", "bound", |d| d.place = header(2, stray(1), 0)),
        ("a sequence too great", "bound", |d| {
            d.place = header(2, stray(1), limits::POSITION_MAX + 1);
        }),
        ("counter 0", "bound", |d| d.place = Forked::Opening(0)),
        ("serial 0", "bound", |d| d.place = Forked::Identity(0)),
        ("no survivor", "zero", |d| d.survivor = Ref::ZERO),
        ("no other", "bound", |d| d.others.clear()),
        ("17 others", "bound", |d| {
            d.survivor = stray(99);
            d.others = (1..=17).map(stray).collect();
        }),
        ("others out of order", "order", |d| d.others.swap(0, 1)),
        ("the survivor among the others", "contradiction", |d| {
            d.survivor = stray(4)
        }),
        ("a reason with U+0000", "text", |d| d.reason = "\0".into()),
        ("no issuer", "zero", |d| d.issuer = Ref::ZERO),
    ];
    let good = ForkDecision {
        seat: DEPARTMENT,
        ..sample_decision()
    };
    let mut out = refused::edits("fork decision", &good, ForkDecision::to_bytes, &edits);
    let bytes = |what: u8, lane: u8, place: u64| {
        let mut bytes = ForkDecision {
            place: Forked::Opening(3),
            ..good.clone()
        }
        .to_bytes();
        (bytes[20], bytes[21]) = (what, lane);
        bytes[55..63].copy_from_slice(&place.to_be_bytes());
        bytes
    };
    out.extend(refused::of(
        "fork decision",
        vec![
            ("of nothing", "form", bytes(0, 0, 3)),
            ("of what is not known", "form", bytes(4, 0, 3)),
            ("openings of a lane", "contradiction", bytes(2, 1, 3)),
            ("identities of a lane", "contradiction", bytes(3, 2, 3)),
            (
                "a counter of more than 32 bits",
                "bound",
                bytes(2, 0, 1 << 32),
            ),
        ],
    ));
    out
}

fn refused_activations() -> Vec<Refused> {
    let edits: [Edit<Activation>; 8] = [
        ("positions for all", "contradiction", |a| {
            a.seat = SeatId::default()
        }),
        ("17 lanes", "bound", |a| {
            let one = a.from[0];
            a.from = (4..21).map(|lane| ActiveFrom { lane, ..one }).collect();
        }),
        ("lane 3", "form", |a| a.from[0].lane = 3),
        ("lanes out of order", "order", |a| a.from.swap(0, 1)),
        ("counter 0", "bound", |a| a.from[0].counter = 0),
        ("sequence 0", "bound", |a| a.from[0].sequence = 0),
        ("a sequence too great", "bound", |a| {
            a.from[0].sequence = limits::POSITION_MAX + 1;
        }),
        ("no issuer", "zero", |a| a.issuer = Ref::ZERO),
    ];
    let good = Activation {
        seat: DEPARTMENT,
        ..sample_activation()
    };
    refused::edits("activation", &good, Activation::to_bytes, &edits)
}

fn refused_erasures() -> Vec<Refused> {
    let edits: [Edit<Erasure>; 12] = [
        ("the zero seat", "zero", |e| e.seat = SeatId::default()),
        ("no item", "bound", |e| e.items.clear()),
        ("lane 3", "form", |e| e.items[2].lane = 3),
        ("no opening", "zero", |e| e.items[0].opening = Ref::ZERO),
        ("sequence 0", "bound", |e| e.items[0].sequence = 0),
        ("the head", "form", |e| e.items[1].mask = 0b11),
        ("an empty mask", "form", |e| e.items[1].mask = 0),
        ("items out of order", "order", |e| e.items.swap(0, 1)),
        ("an item twice", "order", |e| {
            e.items[1] = ErasureItem {
                mask: 2,
                ..e.items[0]
            };
        }),
        ("leaves out of order", "order", |e| {
            e.items[1] = ErasureItem {
                leaf: Hash([1; 32]),
                ..e.items[0]
            };
        }),
        ("a text with U+0000", "text", |e| e.text = "\0".into()),
        ("no issuer", "zero", |e| e.issuer = Ref::ZERO),
    ];
    let good = Erasure {
        seat: DEPARTMENT,
        ..sample_erasure()
    };
    refused::edits("erasure", &good, Erasure::to_bytes, &edits)
}

fn refused_words() -> Vec<Refused> {
    let edits: [Edit<Receipt>; 9] = [
        ("no identity", "zero", |r| r.identity = Ref::ZERO),
        ("no opening", "zero", |r| r.log.opening = Ref::ZERO),
        ("safeguarded above attached", "order", |r| {
            r.safeguarded = at(8)
        }),
        ("attached above durable", "order", |r| {
            (r.attached, r.safeguarded) = (at(10), at(10));
        }),
        ("two headers at one sequence", "order", |r| {
            r.safeguarded.header = stray(99)
        }),
        ("a sequence without header", "zero", |r| {
            r.durable.header = Ref::ZERO
        }),
        ("a header without sequence", "zero", |r| {
            r.safeguarded.sequence = 0
        }),
        ("a sequence too great", "bound", |r| {
            r.durable.sequence = limits::POSITION_MAX + 1;
        }),
        ("an incarnation too great", "bound", |r| {
            r.incarnation.counter = limits::POSITION_MAX + 1;
        }),
    ];
    let mut out = refused::edits("receipt", &sample_receipt(), Receipt::to_bytes, &edits);
    let lane = |lane: u8| {
        let mut bytes = sample_receipt().to_bytes();
        bytes[16 + 33 + 24 + 16] = lane;
        bytes
    };
    out.extend(refused::of(
        "receipt",
        vec![("lane 3", "form", lane(3)), ("lane 4", "form", lane(4))],
    ));
    let edits: [Edit<FeedHead>; 3] = [
        ("no identity", "zero", |h| h.identity = Ref::ZERO),
        ("a head too great", "bound", |h| {
            h.head = limits::POSITION_MAX + 1
        }),
        ("an incarnation too great", "bound", |h| {
            h.incarnation.counter = limits::POSITION_MAX + 1;
        }),
    ];
    out.extend(refused::edits(
        "feed head",
        &sample_head(),
        FeedHead::to_bytes,
        &edits,
    ));
    out
}
