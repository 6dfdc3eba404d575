//! Vectors of signed objects: each kind with what it reads as, possessions, presences, canonical envelopes.
//! Long because it lays out every kind.

use protocol::envelope::{Envelope, kind};
use protocol::feed_head::FeedHead;
use protocol::hash::{Hash, Ref};
use protocol::name::{FeedId, Incarnation, Lane, LogName, Position, SeatId};
use protocol::presence;
use protocol::receipt::Receipt;
use protocol::sign::{Keys, Sigs};
use protocol::statement::{
    Activation, ActiveFrom, BindsFrom, Closing, EpochOpening, Erasure, ErasureItem, ForkDecision,
    Forked, Identity, Lost, Revocation, Root, possession_bytes, possession_hash,
};

use crate::json::{Json, flag, hex, list, number, object, text};
use crate::malformed;
use crate::refused::{self};
use crate::sample::{self, CITY, DISTRICT};
use crate::world::{self, BUREAU, NEW_KEY, World, at, stray};

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

pub fn sample_root(version: u32) -> Root {
    let former = match version {
        1 => Ref::ZERO,
        _ => stray(1),
    };
    world::root(version, former, 2, &[1, 2, 3])
}

pub fn sample_revocation() -> Revocation {
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

pub fn sample_opening() -> EpochOpening {
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

pub fn sample_closing() -> Closing {
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

pub fn sample_decision() -> ForkDecision {
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

pub fn sample_activation() -> Activation {
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

pub fn sample_erasure() -> Erasure {
    Erasure {
        seat: BUREAU,
        items: vec![item(2, 1, 0), item(2, 1, 7), item(2, 3, 0)],
        code: 3,
        text: "依本人申请".into(),
        issuer: stray(9),
    }
}

pub fn sample_receipt() -> Receipt {
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

pub fn sample_head() -> FeedHead {
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
    Json::Object(vec![
        ("objects", Json::List(objects(&world))),
        ("possessions", possessions(&world)),
        ("presences", presences()),
        ("canonical", canonical(&world)),
        ("canonical_roots", canonical_roots(&world)),
        refused::listed(malformed::all(&world)),
    ])
}
