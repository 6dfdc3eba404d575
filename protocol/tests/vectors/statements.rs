//! Vectors of signed objects: each kind with what it reads as, and what is refused of each by itself.
//!
//! Long because it is one table for each kind.

use protocol::envelope::{Envelope, Signature, kind};
use protocol::feed_head::FeedHead;
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::{FeedId, Incarnation, Lane, LogName, Position, SeatId};
use protocol::presence;
use protocol::receipt::Receipt;
use protocol::sign::{Keys, Sigs};
use protocol::statement::{
    Activation, ActiveFrom, BindsFrom, Closing, EpochOpening, Erasure, ErasureItem, ForkDecision,
    Forked, Identity, Lost, Revocation, RevokedLog, Root, SeatKind, possession_bytes,
    possession_hash,
};

use crate::json::{Json, flag, hex, list, number, object, text};
use crate::refused::{self, Edit, Refused};
use crate::sample::{self, CITY, DEPARTMENT, DISTRICT};
use crate::world::{self, BUREAU, NEW_KEY, World, at, sigs, stray};

type Members = Vec<(&'static str, Json)>;

fn reference(r: &Ref) -> Json {
    hex(r.to_bytes())
}

fn position(p: &Position) -> Json {
    Json::List(vec![Json::Number(p.sequence), reference(&p.header)])
}

fn positions(all: &[(u8, Position)]) -> Json {
    list(all, |(lane, p)| {
        Json::List(vec![
            number(*lane),
            Json::Number(p.sequence),
            reference(&p.header),
        ])
    })
}

fn keys(keys: &Keys) -> Json {
    list(keys.all(), |k| {
        Json::List(vec![number(k.suite), number(k.key_use), hex(&k.bytes)])
    })
}

fn signatures(sigs: &Sigs) -> Json {
    list(sigs.all(), |(suite, b)| {
        Json::List(vec![number(*suite), hex(b)])
    })
}

fn incarnation(i: &Incarnation) -> Json {
    Json::List(vec![Json::Number(i.counter), hex(i.feed.0)])
}

fn root(r: &Root) -> Members {
    vec![
        ("version", number(r.version)),
        ("former", reference(&r.former)),
        ("threshold", number(r.threshold)),
        (
            "keys",
            list(&r.keys, |k| {
                Json::List(vec![number(k.suite), hex(&k.bytes)])
            }),
        ),
    ]
}

fn identity(i: &Identity) -> Members {
    vec![
        ("seat", hex(i.seat.0)),
        ("serial", number(i.serial)),
        ("kind", number(i.kind as u8)),
        ("organisation", text(&i.organisation)),
        ("title", text(&i.title)),
        ("jurisdiction", text(&i.jurisdiction)),
        ("node", hex(i.node.0)),
        ("keys", keys(&i.keys)),
        ("possession", signatures(&i.possession)),
        ("consent", signatures(&i.consent)),
        ("reason", text(&i.reason)),
        ("permitted", list(&i.permitted, text)),
        ("admits", flag(i.admits)),
        (
            "binds_from",
            list(&i.binds_from, |b| {
                Json::List(vec![number(b.counter), Json::Number(b.sequence)])
            }),
        ),
        ("issuer", reference(&i.issuer)),
    ]
}

fn revocation(r: &Revocation) -> Members {
    vec![
        ("seat", hex(r.seat.0)),
        ("serial", number(r.serial)),
        ("through", number(r.through)),
        (
            "logs",
            list(&r.logs, |l| {
                Json::List(vec![
                    number(l.lane),
                    reference(&l.opening),
                    Json::Number(l.last.sequence),
                    reference(&l.last.header),
                ])
            }),
        ),
        ("standing", list(&r.standing, reference)),
        ("code", number(r.code)),
        ("reason", text(&r.reason)),
        ("issuer", reference(&r.issuer)),
    ]
}

fn opening(o: &EpochOpening) -> Members {
    vec![
        ("seat", hex(o.seat.0)),
        ("counter", number(o.counter)),
        ("nonce", hex(o.nonce)),
        ("identity", reference(&o.identity)),
        ("instance", hex(o.instance.0)),
        ("last_known", positions(&o.last_known)),
        ("void", list(&o.void, reference)),
    ]
}

fn closing(c: &Closing) -> Members {
    vec![
        ("seat", hex(c.seat.0)),
        ("opening", reference(&c.opening)),
        ("serial", number(c.serial)),
        ("identity", reference(&c.identity)),
        ("ends", positions(&c.ends)),
        (
            "lost",
            list(&c.lost, |l| {
                Json::List(vec![
                    number(l.lane),
                    Json::Number(l.from),
                    Json::Number(l.to),
                    reference(&l.header),
                ])
            }),
        ),
        ("asked", flag(c.asked)),
        ("note", text(&c.note)),
    ]
}

fn fork_decision(d: &ForkDecision) -> Members {
    let (what, lane, opening, place) = match d.place {
        Forked::Header {
            lane,
            opening,
            sequence,
        } => (1u8, lane, opening, sequence),
        Forked::Opening(counter) => (2, 0, Ref::ZERO, counter.into()),
        Forked::Identity(serial) => (3, 0, Ref::ZERO, serial.into()),
    };
    vec![
        ("seat", hex(d.seat.0)),
        ("serial", number(d.serial)),
        ("what", number(what)),
        ("lane", number(lane)),
        ("opening", reference(&opening)),
        ("place", Json::Number(place)),
        ("survivor", reference(&d.survivor)),
        ("others", list(&d.others, reference)),
        ("reason", text(&d.reason)),
        ("issuer", reference(&d.issuer)),
    ]
}

fn activation(a: &Activation) -> Members {
    vec![
        ("seat", hex(a.seat.0)),
        ("serial", number(a.serial)),
        ("suite", number(a.suite)),
        ("kind", number(a.kind)),
        ("format", number(a.format)),
        (
            "from",
            list(&a.from, |f| {
                Json::List(vec![
                    number(f.lane),
                    number(f.counter),
                    Json::Number(f.sequence),
                ])
            }),
        ),
        ("issuer", reference(&a.issuer)),
    ]
}

fn erasure(e: &Erasure) -> Members {
    vec![
        ("seat", hex(e.seat.0)),
        (
            "items",
            list(&e.items, |i| {
                Json::List(vec![
                    number(i.lane),
                    reference(&i.opening),
                    Json::Number(i.sequence),
                    number(i.index),
                    hex(i.leaf.0),
                    number(i.mask),
                ])
            }),
        ),
        ("code", number(e.code)),
        ("reason", text(&e.text)),
        ("issuer", reference(&e.issuer)),
    ]
}

fn receipt(r: &Receipt) -> Members {
    vec![
        ("holder", hex(r.holder.0)),
        ("identity", reference(&r.identity)),
        ("incarnation", incarnation(&r.incarnation)),
        ("origin", hex(r.log.seat.0)),
        ("lane", number(r.log.lane as u8)),
        ("opening", reference(&r.log.opening)),
        ("durable", position(&r.durable)),
        ("attached", position(&r.attached)),
        ("safeguarded", position(&r.safeguarded)),
        ("instant", text(r.at.to_string())),
    ]
}

fn feed_head(h: &FeedHead) -> Members {
    vec![
        ("node", hex(h.node.0)),
        ("identity", reference(&h.identity)),
        ("incarnation", incarnation(&h.incarnation)),
        ("head", Json::Number(h.head)),
        ("peer", hex(h.peer.0)),
        ("instant", text(h.at.to_string())),
    ]
}

/// A signed object: whose keys are required of it, and what it reads as.
fn signed(what: &str, envelope: &Envelope, keys: &[u8], members: Members) -> Json {
    let required = |seed: &u8| hex(world::key(*seed).public().0);
    object([
        ("what", text(what)),
        ("envelope", hex(envelope.to_bytes())),
        ("reference", reference(&world::reference(envelope))),
        ("required", list(keys, required)),
        ("reads", Json::Object(members)),
    ])
}

fn bureau_log(lane: Lane, opening: Ref) -> LogName {
    LogName {
        seat: BUREAU,
        lane,
        opening,
    }
}

fn sample_root(version: u32) -> Root {
    let former = match version {
        1 => Ref::ZERO,
        _ => stray(1),
    };
    world::root(version, former, 2, &[1, 2, 3])
}

fn sample_revocation() -> Revocation {
    Revocation {
        logs: vec![
            world::revoked_log(0, stray(1), 3),
            world::revoked_log(2, stray(1), 7),
            world::revoked_log(5, stray(2), 1),
        ],
        standing: vec![stray(3), stray(4)],
        ..world::revocation(BUREAU, 2, stray(9))
    }
}

fn sample_opening() -> EpochOpening {
    EpochOpening {
        last_known: vec![(0, at(1)), (2, at(9)), (5, at(3))],
        void: vec![stray(1), stray(2)],
        ..world::opening(2, stray(9))
    }
}

fn lost(lane: u8, from: u64, to: u64) -> Lost {
    Lost {
        lane,
        from,
        to,
        header: Ref::ZERO,
    }
}

fn sample_closing() -> Closing {
    Closing {
        seat: BUREAU,
        opening: stray(1),
        serial: 3,
        identity: stray(2),
        ends: vec![(0, at(4)), (2, at(9))],
        lost: vec![
            Lost {
                header: stray(4),
                ..lost(0, 2, 4)
            },
            lost(2, 1, 1),
            lost(2, 5, 8),
        ],
        asked: true,
        note: "磁盘损坏".into(),
    }
}

fn sample_decision() -> ForkDecision {
    ForkDecision {
        seat: BUREAU,
        serial: 2,
        place: Forked::Header {
            lane: 2,
            opening: stray(1),
            sequence: 7,
        },
        survivor: stray(5),
        others: vec![stray(4), stray(6)],
        reason: "两机并行".into(),
        issuer: stray(9),
    }
}

fn sample_activation() -> Activation {
    Activation {
        seat: BUREAU,
        serial: 1,
        suite: 2,
        kind: 9,
        format: 2,
        from: vec![
            ActiveFrom {
                lane: 0,
                counter: 1,
                sequence: 9,
            },
            ActiveFrom {
                lane: 4,
                counter: 2,
                sequence: 1,
            },
        ],
        issuer: stray(9),
    }
}

fn item(lane: u8, sequence: u64, index: u32) -> ErasureItem {
    ErasureItem {
        lane,
        opening: stray(1),
        sequence,
        index,
        leaf: Hash([7; 32]),
        mask: 0b1010,
    }
}

fn sample_erasure() -> Erasure {
    Erasure {
        seat: BUREAU,
        items: vec![item(2, 1, 0), item(2, 1, 7), item(2, 3, 0)],
        code: 3,
        text: "依本人申请".into(),
        issuer: stray(9),
    }
}

fn sample_receipt() -> Receipt {
    Receipt {
        holder: DISTRICT,
        identity: stray(1),
        incarnation: Incarnation {
            counter: 2,
            feed: FeedId([0xfd; 16]),
        },
        log: bureau_log(Lane::Records, stray(2)),
        durable: at(9),
        attached: at(7),
        safeguarded: at(7),
        at: sample::INSTANT,
    }
}

fn sample_head() -> FeedHead {
    FeedHead {
        node: DISTRICT,
        identity: stray(1),
        incarnation: Incarnation {
            counter: 2,
            feed: FeedId([0xfd; 16]),
        },
        head: 70_000,
        peer: CITY,
        at: -1,
    }
}

fn next_bureau(world: &World) -> Identity {
    let mut next = world.rekeyed(&world.bureau, NEW_KEY, Some(world::BUREAU_KEY));
    next.binds_from = [
        BindsFrom {
            counter: 1,
            sequence: 1,
        },
        BindsFrom {
            counter: 1,
            sequence: 8,
        },
        BindsFrom {
            counter: 2,
            sequence: 1,
        },
    ];
    next
}

fn objects(world: &World) -> Vec<Json> {
    let read = |e: &Envelope| world::read(e);
    let root_of = |e: &Envelope| Root::from_bytes(&e.bytes).expect("a root of our own");
    let second = world::root(2, world.authority(), 1, &[3, 7]);
    let second_signed = world::signed_root(&second, &[1, 2, 3]);
    let next = next_bureau(world);
    let rekeyed = world::issue(&next, &[world::DISTRICT_KEY]);
    let statement = |kind: u8, bytes: Vec<u8>, seed: u8| world::signed(kind, bytes, &[seed]);
    let (revoked, opened) = (sample_revocation(), sample_opening());
    let (closed, decided) = (sample_closing(), sample_decision());
    let opening_decided = ForkDecision {
        place: Forked::Opening(3),
        ..decided.clone()
    };
    let identity_decided = ForkDecision {
        place: Forked::Identity(u32::MAX),
        ..decided.clone()
    };
    let (active, erased) = (sample_activation(), sample_erasure());
    let for_all = Activation {
        seat: SeatId::default(),
        from: Vec::new(),
        ..active.clone()
    };
    let (received, head) = (sample_receipt(), sample_head());
    let nothing = Receipt {
        durable: Position::START,
        attached: Position::START,
        safeguarded: Position::START,
        log: bureau_log(Lane::Directory, stray(2)),
        ..received.clone()
    };
    let first_opening = EpochOpening::from_bytes(&world.opening.bytes).expect("an opening");
    let by_city = |kind, bytes: Vec<u8>| statement(kind, bytes, world::CITY_KEY);
    let (c, d, b) = (world::CITY_KEY, world::DISTRICT_KEY, world::BUREAU_KEY);
    vec![
        signed(
            "root version 1",
            &world.root,
            &[1, 2],
            root(&root_of(&world.root)),
        ),
        signed("root version 2", &second_signed, &[1, 2, 3], root(&second)),
        signed("city", &world.city, &[1, 2], identity(&read(&world.city))),
        signed(
            "district",
            &world.district,
            &[c],
            identity(&read(&world.district)),
        ),
        signed(
            "department",
            &world.bureau,
            &[d],
            identity(&read(&world.bureau)),
        ),
        signed("department with new keys", &rekeyed, &[d], identity(&next)),
        signed(
            "revocation",
            &by_city(kind::REVOCATION, revoked.to_bytes()),
            &[c],
            revocation(&revoked),
        ),
        signed(
            "first opening",
            &world.opening,
            &[b],
            opening(&first_opening),
        ),
        signed(
            "second opening",
            &statement(kind::OPENING, opened.to_bytes(), b),
            &[b],
            opening(&opened),
        ),
        signed(
            "closing",
            &statement(kind::CLOSING, closed.to_bytes(), b),
            &[b],
            closing(&closed),
        ),
        signed(
            "decision between headers",
            &by_city(kind::FORK_DECISION, decided.to_bytes()),
            &[c],
            fork_decision(&decided),
        ),
        signed(
            "decision between openings",
            &by_city(kind::FORK_DECISION, opening_decided.to_bytes()),
            &[c],
            fork_decision(&opening_decided),
        ),
        signed(
            "decision between identities",
            &by_city(kind::FORK_DECISION, identity_decided.to_bytes()),
            &[c],
            fork_decision(&identity_decided),
        ),
        signed(
            "activation for one seat",
            &by_city(kind::ACTIVATION, active.to_bytes()),
            &[c],
            activation(&active),
        ),
        signed(
            "activation for all",
            &by_city(kind::ACTIVATION, for_all.to_bytes()),
            &[c],
            activation(&for_all),
        ),
        signed(
            "erasure",
            &by_city(kind::ERASURE, erased.to_bytes()),
            &[c],
            erasure(&erased),
        ),
        signed(
            "receipt",
            &statement(kind::RECEIPT, received.to_bytes(), d),
            &[d],
            receipt(&received),
        ),
        signed(
            "receipt of nothing yet",
            &statement(kind::RECEIPT, nothing.to_bytes(), d),
            &[d],
            receipt(&nothing),
        ),
        signed(
            "feed head",
            &statement(kind::FEED_HEAD, head.to_bytes(), d),
            &[d],
            feed_head(&head),
        ),
    ]
}

fn possessions(world: &World) -> Json {
    let next = next_bureau(world);
    let one = |what: &str, i: &Identity, former: &str| {
        let hash = possession_hash(&i.seat, &world.authority(), &i.keys);
        object([
            ("what", text(what)),
            ("seat", hex(i.seat.0)),
            ("authority", reference(&world.authority())),
            ("keys", keys(&i.keys)),
            (
                "bytes",
                hex(possession_bytes(&i.seat, &world.authority(), &i.keys)),
            ),
            ("object_hash", hex(hash.0)),
            ("possession", signatures(&i.possession)),
            ("consent", signatures(&i.consent)),
            ("former", text(former)),
        ])
    };
    let former = world::key(world::BUREAU_KEY).public();
    Json::List(vec![
        one("of a first identity", &world::read(&world.bureau), ""),
        one(
            "with consent of the former key",
            &next,
            &format!("{former:?}"),
        ),
    ])
}

fn presences() -> Json {
    let exporter = [0x33; 32];
    let key = sample::key(3);
    list([DISTRICT], |seat| {
        object([
            ("seat", hex(seat.0)),
            ("exporter", hex(exporter)),
            ("bytes", hex(presence::bytes(&seat, &exporter))),
            ("object_hash", hex(presence::hash(&seat, &exporter).0)),
            ("public", hex(key.public().0)),
            (
                "signatures",
                signatures(&presence::sign(&seat, &exporter, &key)),
            ),
        ])
    })
}

/// What something puts, as hexadecimal digits of a text that no change is looked for in.
fn digits(put: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    put(&mut bytes);
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn former_digits(root: &Root) -> String {
    digits(|out| out.extend(root.to_bytes()))
}

/// Envelopes with more signatures than are required, and what is kept of them.
fn canonical(world: &World) -> Json {
    let bytes = world.opening.bytes.clone();
    let with_stranger = world::signed(kind::OPENING, bytes.clone(), &[world::BUREAU_KEY, 99]);
    let two_suites = world::keys_of_two_suites(world::BUREAU_KEY);
    let mut cosigned = with_stranger.clone();
    world::cosign(&mut cosigned, world::BUREAU_KEY);
    let one_suite = Keys::of(world::key(world::BUREAU_KEY).public(), None);
    let mut bent = with_stranger.clone();
    let stranger = world::key(99).public().0;
    for s in &mut bent.signatures {
        s.bytes[3] ^= u8::from(s.key == stranger);
    }
    let mut bad = with_stranger.clone();
    for s in &mut bad.signatures {
        s.bytes[3] ^= u8::from(s.key != stranger);
    }
    let cases = [
        (
            "a stranger's signature is dropped",
            &with_stranger,
            &one_suite,
        ),
        (
            "a bad signature that is not required is dropped",
            &bent,
            &one_suite,
        ),
        (
            "one that is not required is dropped, of whatever suite",
            &cosigned,
            &one_suite,
        ),
        (
            "one of another suite that is required is kept",
            &cosigned,
            &two_suites,
        ),
        (
            "one of another suite is missing",
            &with_stranger,
            &two_suites,
        ),
        ("a required signature is bad", &bad, &one_suite),
    ];
    list(cases, |(what, envelope, required)| {
        let kept = envelope.canonical(required).map(|e| e.to_bytes());
        object([
            ("what", text(what)),
            ("unjudged_envelope", hex(envelope.to_bytes())),
            ("keys_text", text(digits(|out| required.put(out)))),
            ("kept", kept.map_or(text("none"), hex)),
        ])
    })
}

/// The same for root versions, of whose keys a threshold suffices.
fn canonical_roots(world: &World) -> Json {
    let three = world::signed_root(&sample_root(1), &[1, 2, 3]);
    let one = world::signed_root(&sample_root(1), &[2]);
    let next = world::root(2, world.authority(), 1, &[3, 7]);
    let by = |seeds: &[u8]| world::signed_root(&next, seeds);
    let former = world::root(1, Ref::ZERO, 2, &world::ROOT);
    let cases = [
        ("the first two of three by key", three, None),
        ("one of two", one, None),
        (
            "its own threshold and that of its former",
            by(&[1, 2, 3, 7]),
            Some(&former),
        ),
        ("one key for both", by(&[2, 3]), Some(&former)),
        ("its own threshold alone", by(&[3, 7]), Some(&former)),
        ("its former's alone", by(&[1, 2]), Some(&former)),
    ];
    list(cases, |(what, envelope, former)| {
        let root = Root::from_bytes(&envelope.bytes).expect("a root of our own");
        let kept = root.canonical(former, &envelope).map(|e| e.to_bytes());
        object([
            ("what", text(what)),
            ("unjudged_envelope", hex(envelope.to_bytes())),
            (
                "former_text",
                text(former.map_or("none".into(), former_digits)),
            ),
            ("kept", kept.map_or(text("none"), hex)),
        ])
    })
}

pub fn statements() -> Json {
    let world = world::city_world();
    let mut refused = refused_envelopes(&world);
    refused.extend(refused_roots());
    refused.extend(refused_identities());
    refused.extend(refused_revocations());
    refused.extend(refused_openings());
    refused.extend(refused_closings());
    refused.extend(refused_decisions());
    refused.extend(refused_activations());
    refused.extend(refused_erasures());
    refused.extend(refused_words());
    Json::Object(vec![
        ("objects", Json::List(objects(&world))),
        ("possessions", possessions(&world)),
        ("presences", presences()),
        ("canonical", canonical(&world)),
        ("canonical_roots", canonical_roots(&world)),
        refused::listed(refused),
    ])
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
