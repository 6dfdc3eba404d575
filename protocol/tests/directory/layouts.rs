//! Every statement's bytes: what reads back, and what is refused.
//! Long because it is one table for each kind of statement.

use std::fmt::Debug;

use protocol::bytes::Malformed;
use protocol::feed_head::FeedHead;
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::{FeedId, Incarnation, Lane, LogName, Position, SeatId};
use protocol::receipt::Receipt;
use protocol::sign::{Key, Keys, key_use};
use protocol::statement::{
    Activation, ActiveFrom, BindsFrom, Closing, EpochOpening, Erasure, ErasureItem, ForkDecision,
    Forked, Identity, Lost, Revocation, Root, SeatKind,
};

use crate::world::{self, BUREAU, CITY, DISTRICT, at, revoked_log, sigs, stray};

type Edit<T> = (&'static str, fn(&mut T));

/// What `base` and each of the good edits say reads back the same; what each of the bad ones says is refused; so is every
/// beginning of the bytes, and the bytes with one more.
#[track_caller]
fn check<T: Clone + PartialEq + Debug>(
    base: &T,
    write: fn(&T) -> Vec<u8>,
    read: fn(&[u8]) -> Result<T, Malformed>,
    good: &[Edit<T>],
    refused: &[Edit<T>],
) {
    let bytes = write(base);
    assert_eq!(read(&bytes).as_ref(), Ok(base));
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut to {length}");
    }
    assert!(read(&[&bytes[..], &[0]].concat()).is_err(), "one byte more");
    for (what, edit) in good {
        let mut edited = base.clone();
        edit(&mut edited);
        assert_ne!(&edited, base, "{what}: no edit");
        assert_eq!(read(&write(&edited)), Ok(edited), "{what}");
    }
    for (what, edit) in refused {
        let mut edited = base.clone();
        edit(&mut edited);
        assert_ne!(&edited, base, "{what}: no edit");
        let read = read(&write(&edited));
        assert!(read.is_err(), "{what} is read: {read:?}");
    }
}

/// A reference of bytes that no reference has.
fn bad_reference() -> Ref {
    Ref {
        suite: 0,
        hash: Hash([1; 32]),
    }
}

fn root_key(suite: u8, bytes: &[u8]) -> Key {
    Key {
        suite,
        key_use: key_use::SIGN,
        bytes: bytes.to_vec(),
    }
}

#[test]
fn root_versions() {
    let base = world::root(1, Ref::ZERO, 2, &[1, 2, 3]);
    check(
        &base,
        Root::to_bytes,
        Root::from_bytes,
        &[
            ("a later version", |r| {
                (r.version, r.former) = (2, stray(1));
            }),
            ("a former of another suite", |r| {
                r.version = u32::MAX;
                r.former = Ref {
                    suite: 2,
                    hash: Hash([1; 32]),
                };
            }),
            ("the least threshold", |r| r.threshold = 1),
            ("the greatest threshold", |r| r.threshold = 3),
            ("one key", |r| {
                r.threshold = 1;
                r.keys.truncate(1);
            }),
            ("two suites of four keys", |r| {
                *r = world::root(1, Ref::ZERO, 4, &[1, 2, 3, 4]);
                r.keys.extend((1..=4).map(|n| root_key(2, &[n])));
            }),
        ],
        &[
            ("version 0", |r| r.version = 0),
            ("version 0 of a former", |r| {
                (r.version, r.former) = (0, stray(1));
            }),
            ("a first version with a former", |r| r.former = stray(1)),
            ("a later version without", |r| r.version = 2),
            ("a former that is none", |r| {
                (r.version, r.former) = (2, bad_reference());
            }),
            ("threshold 0", |r| r.threshold = 0),
            ("a threshold over the keys", |r| r.threshold = 4),
            ("a threshold over the keys of a suite", |r| {
                r.keys.push(root_key(2, &[1]));
            }),
            ("no key", |r| r.keys.clear()),
            ("no key at all of threshold 0", |r| {
                r.threshold = 0;
                r.keys.clear();
            }),
            ("no key of suite 1", |r| {
                r.keys = vec![root_key(2, &[1]), root_key(2, &[2])];
            }),
            ("suite 0", |r| {
                r.threshold = 1;
                r.keys.insert(0, root_key(0, &[1]));
            }),
            ("an empty key", |r| {
                r.threshold = 1;
                r.keys.push(root_key(2, &[]));
            }),
            ("a key of small order", |r| {
                r.keys[0].bytes = vec![0; 32];
            }),
            ("a short key", |r| {
                r.keys[0].bytes.pop();
            }),
            ("keys out of order", |r| r.keys.swap(0, 1)),
            ("suites out of order", |r| {
                r.threshold = 1;
                r.keys.insert(0, root_key(2, &[1]));
            }),
            ("one key twice", |r| r.keys[1] = r.keys[0].clone()),
            ("five keys of one suite", |r| {
                *r = world::root(1, Ref::ZERO, 1, &[1, 2, 3, 4, 5]);
            }),
            ("nine keys", |r| {
                *r = world::root(1, Ref::ZERO, 1, &[1, 2, 3]);
                r.keys.extend((1..=3).map(|n| root_key(2, &[n])));
                r.keys.extend((1..=3).map(|n| root_key(3, &[n])));
            }),
        ],
    );
    // the first 16 bytes are the authority's
    for at in [0, 15] {
        let mut bytes = base.to_bytes();
        bytes[at] = 1;
        assert!(Root::from_bytes(&bytes).is_err());
    }
}

fn bureau() -> Identity {
    Identity {
        serial: 2,
        possession: sigs(&[(1, vec![1; 64])]),
        binds_from: [BindsFrom {
            counter: 1,
            sequence: 1,
        }; 3],
        ..world::first_identity(BUREAU, SeatKind::Department, 13, stray(1))
    }
}

#[test]
fn identities() {
    fn node(identity: &mut Identity) {
        identity.kind = SeatKind::District;
        identity.node = identity.seat;
        identity.permitted.clear();
    }
    fn first(identity: &mut Identity) {
        identity.serial = 1;
        identity.binds_from = [BindsFrom::default(); 3];
    }
    check(
        &bureau(),
        Identity::to_bytes,
        Identity::from_bytes,
        &[
            ("a first serial", first),
            ("the greatest serial", |i| i.serial = u32::MAX),
            ("a district", node),
            ("a city", |i| {
                node(i);
                i.kind = SeatKind::City;
            }),
            ("a node that admits", |i| {
                node(i);
                i.admits = true;
            }),
            ("another organisation", |i| {
                i.organisation = "370102001.a1".into();
            }),
            ("a region of its own", |i| i.jurisdiction = "pilot".into()),
            ("the shortest title", |i| i.title = "x".into()),
            ("the longest title", |i| i.title = "x".repeat(200)),
            ("a department without a seal key", |i| {
                i.keys = Keys::of(world::key(13).public(), None);
            }),
            ("keys of two suites", |i| {
                i.keys = world::keys_of_two_suites(13);
                i.possession = sigs(&[(1, vec![1; 64]), (2, vec![1])]);
            }),
            ("consent", |i| i.consent = sigs(&[(1, vec![2; 64])])),
            ("a reason", |i| i.reason = "更换".into()),
            ("the longest reason", |i| i.reason = "x".repeat(200)),
            ("nothing permitted", |i| i.permitted.clear()),
            ("64 types", |i| {
                i.permitted = (0..64).map(|n| format!("t{n:02}")).collect();
            }),
            ("the longest type", |i| i.permitted = vec!["x".repeat(64)]),
            ("the longest prefix", |i| {
                i.permitted = vec![format!("{}.*", "x".repeat(62))];
            }),
            ("the greatest positions", |i| {
                i.binds_from = [BindsFrom {
                    counter: u32::MAX,
                    sequence: limits::POSITION_MAX,
                }; 3];
            }),
        ],
        &[
            ("the zero seat", |i| i.seat = SeatId::default()),
            ("serial 0", |i| {
                first(i);
                i.serial = 0;
            }),
            ("serial 0 that binds", |i| i.serial = 0),
            ("no organisation", |i| i.organisation.clear()),
            ("a region as organisation", |i| {
                i.organisation = "370102".into();
            }),
            ("no title", |i| i.title.clear()),
            ("a title too long", |i| i.title = "x".repeat(201)),
            ("a title with a zero", |i| i.title = "a\0b".into()),
            ("no jurisdiction", |i| i.jurisdiction.clear()),
            ("everywhere as jurisdiction", |i| {
                i.jurisdiction = "*".into();
            }),
            ("a jurisdiction with a zero", |i| {
                i.jurisdiction = "a\0".into();
            }),
            ("a department as its own node", |i| i.node = i.seat),
            ("nobody as node", |i| i.node = SeatId::default()),
            ("another seat as a node's node", |i| {
                node(i);
                i.node = CITY;
            }),
            ("a node without a seal key", |i| {
                node(i);
                i.keys = Keys::of(world::key(13).public(), None);
            }),
            ("a first serial with consent", |i| {
                first(i);
                i.consent = sigs(&[(1, vec![2; 64])]);
            }),
            ("a first serial with a reason", |i| {
                first(i);
                i.reason = "x".into();
            }),
            ("a reason too long", |i| i.reason = "x".repeat(201)),
            ("a reason with a zero", |i| i.reason = "\0".into()),
            ("a node with types", |i| {
                node(i);
                i.permitted = vec!["registration".into()];
            }),
            ("types out of order", |i| i.permitted.swap(0, 1)),
            ("a type twice", |i| {
                i.permitted = vec!["a".into(), "a".into()];
            }),
            ("an empty type", |i| i.permitted = vec![String::new()]),
            ("a type too long", |i| i.permitted = vec!["x".repeat(65)]),
            ("a type with a zero", |i| i.permitted = vec!["a\0".into()]),
            ("every type", |i| i.permitted = vec!["*".into()]),
            ("a prefix without a dot", |i| {
                i.permitted = vec!["370102*".into()];
            }),
            ("an empty prefix", |i| i.permitted = vec![".*".into()]),
            ("a star inside", |i| i.permitted = vec!["a*.*".into()]),
            ("65 types", |i| {
                i.permitted = (0..65).map(|n| format!("t{n:02}")).collect();
            }),
            ("a department that admits", |i| i.admits = true),
            ("a first serial that binds", |i| i.serial = 1),
            ("a first serial that binds in an epoch", |i| {
                first(i);
                i.binds_from[2].counter = 1;
            }),
            ("a first serial that binds at a sequence", |i| {
                first(i);
                i.binds_from[0].sequence = 1;
            }),
            ("counter 0", |i| i.binds_from[0].counter = 0),
            ("sequence 0", |i| i.binds_from[2].sequence = 0),
            ("a sequence too great", |i| {
                i.binds_from[1].sequence = limits::POSITION_MAX + 1;
            }),
            ("no issuer", |i| i.issuer = Ref::ZERO),
            ("an issuer that is none", |i| i.issuer = bad_reference()),
        ],
    );
    // behind seat and serial: the kind; at a fixed place before the end: whether it admits
    let bytes = bureau().to_bytes();
    let admits = bytes.len() - 33 - 36 - 1;
    for (at, value) in [(20, 0), (20, 4), (admits, 2)] {
        let mut edited = bytes.clone();
        edited[at] = value;
        assert!(Identity::from_bytes(&edited).is_err(), "{at} is {value}");
    }
    // no key use but the two
    let mut keys = Vec::new();
    bureau().keys.put(&mut keys);
    let at = bytes.windows(keys.len()).position(|w| w == keys);
    let mut edited = bytes;
    edited[at.expect("the keys") + 2] = 3;
    assert!(Identity::from_bytes(&edited).is_err());
}

#[test]
fn what_cannot_be_stated_is_told_before_it_is_laid_out() {
    let mut long = bureau();
    long.reason = "x".repeat(300);
    assert!(long.check().is_err());
    assert!(bureau().check().is_ok());
    assert!(
        Revocation::reason_fits(&"x".repeat(255)) && !Revocation::reason_fits(&"x".repeat(256))
    );
    assert!(ForkDecision::reason_fits("因为") && !ForkDecision::reason_fits("\0"));
    assert!(Erasure::text_fits(&"x".repeat(255)) && !Erasure::text_fits(&"x".repeat(256)));
    assert!(Closing::note_fits(&"x".repeat(200)) && !Closing::note_fits(&"x".repeat(201)));
}

#[test]
fn a_list_of_types_names_them_or_their_prefix() {
    let bureau = bureau();
    for (record_type, listed) in [
        ("registration", true),
        ("registration2", false),
        ("370102.permit", true),
        ("370102.", false),
        ("370102", false),
        ("370103.permit", false),
        ("", false),
    ] {
        assert_eq!(bureau.lists(record_type), listed, "{record_type}");
    }
}

#[test]
fn revocations() {
    let base = Revocation {
        logs: vec![
            revoked_log(0, stray(1), 3),
            revoked_log(2, stray(1), 7),
            revoked_log(2, stray(2), 1),
        ],
        standing: vec![stray(3), stray(4)],
        ..world::revocation(BUREAU, 2, stray(9))
    };
    check(
        &base,
        Revocation::to_bytes,
        Revocation::from_bytes,
        &[
            ("no log", |r| r.logs.clear()),
            ("48 logs", |r| {
                r.logs = (1..=48).map(|n| revoked_log(2, stray(n), 1)).collect();
            }),
            ("a lane that is not read", |r| r.logs[2].lane = 4),
            ("nothing that stands", |r| r.standing.clear()),
            ("as much as can stand", |r| {
                r.standing = many_references(limits::STANDING_MAX);
            }),
            ("a code of a later release", |r| r.code = 77),
            ("the longest reason", |r| r.reason = "x".repeat(255)),
            ("no reason", |r| r.reason.clear()),
            ("the greatest serials", |r| {
                (r.serial, r.through) = (u32::MAX, u32::MAX);
            }),
        ],
        &[
            ("the zero seat", |r| r.seat = SeatId::default()),
            ("49 logs", |r| {
                r.logs = (1..=49).map(|n| revoked_log(2, stray(n), 1)).collect();
            }),
            ("lane 3", |r| r.logs[2].lane = 3),
            ("logs out of order of lanes", |r| r.logs.swap(0, 1)),
            ("logs out of order of openings", |r| r.logs.swap(1, 2)),
            ("a log twice", |r| r.logs[2].opening = stray(1)),
            ("no opening", |r| r.logs[1].opening = Ref::ZERO),
            ("no header", |r| r.logs[1].last = Position::START),
            ("a header without a sequence", |r| {
                r.logs[1].last.sequence = 0;
            }),
            ("a sequence without a header", |r| {
                r.logs[1].last.header = Ref::ZERO;
            }),
            ("a sequence too great", |r| {
                r.logs[1].last.sequence = limits::POSITION_MAX + 1;
            }),
            ("more than can stand", |r| {
                r.standing = many_references(limits::STANDING_MAX + 1);
            }),
            ("what stands out of order", |r| r.standing.swap(0, 1)),
            ("what stands twice", |r| r.standing[1] = r.standing[0]),
            ("nothing among what stands", |r| r.standing[0] = Ref::ZERO),
            ("a reason with a zero", |r| r.reason = "\0".into()),
            ("no issuer", |r| r.issuer = Ref::ZERO),
        ],
    );
    assert_eq!(base.last(&log(2, stray(2))), Some(at(1)));
    assert_eq!(base.last(&log(1, stray(2))), None);
    assert_eq!(base.last(&log(0, stray(2))), None);
    assert!(base.names_epoch(&stray(2)) && !base.names_epoch(&stray(3)));
    assert!(base.lets_stand(&stray(4)) && !base.lets_stand(&stray(5)));
    assert_eq!(base.ends(&stray(1)), [(0, at(3)), (2, at(7))]);
}

fn log(lane: u8, opening: Ref) -> LogName {
    LogName {
        seat: BUREAU,
        lane: Lane::from_u8(lane).expect("a lane"),
        opening,
    }
}

fn many_references(n: usize) -> Vec<Ref> {
    let reference = |n: usize| {
        let mut hash = [1; 32];
        hash[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Ref::of(Hash(hash))
    };
    (0..n).map(reference).collect()
}

#[test]
fn openings() {
    let base = EpochOpening {
        last_known: vec![(0, at(1)), (2, at(9)), (5, at(3))],
        void: vec![stray(1), stray(2)],
        ..world::opening(2, stray(9))
    };
    fn lanes(lanes: &[u8]) -> Vec<(u8, Position)> {
        lanes.iter().map(|lane| (*lane, at(1))).collect()
    }
    check(
        &base,
        EpochOpening::to_bytes,
        EpochOpening::from_bytes,
        &[
            ("a first epoch", |o| {
                o.counter = 1;
                o.last_known.clear();
                o.void.clear();
            }),
            ("the last epoch", |o| o.counter = u32::MAX),
            ("nothing known", |o| o.last_known.clear()),
            ("16 lanes", |o| {
                o.last_known = lanes(&[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
            }),
            ("16 void openings", |o| o.void = many_references(16)),
            ("the greatest position", |o| {
                o.last_known[0].1.sequence = limits::POSITION_MAX;
            }),
        ],
        &[
            ("the zero seat", |o| o.seat = SeatId::default()),
            ("counter 0", |o| {
                o.counter = 0;
                o.last_known.clear();
                o.void.clear();
            }),
            ("counter 0 with a former epoch", |o| o.counter = 0),
            ("a first epoch after another", |o| {
                o.counter = 1;
                o.void.clear();
            }),
            ("a first epoch that declares void", |o| {
                o.counter = 1;
                o.last_known.clear();
            }),
            ("no identity", |o| o.identity = Ref::ZERO),
            ("17 lanes", |o| {
                o.last_known = lanes(&[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]);
            }),
            ("lane 3", |o| o.last_known = lanes(&[0, 3])),
            ("lanes out of order", |o| o.last_known = lanes(&[2, 0])),
            ("a lane twice", |o| o.last_known = lanes(&[0, 0])),
            ("a lane without headers", |o| {
                o.last_known[0].1 = Position::START;
            }),
            ("a position too great", |o| {
                o.last_known[0].1.sequence = limits::POSITION_MAX + 1;
            }),
            ("17 void openings", |o| o.void = many_references(17)),
            ("void openings out of order", |o| o.void.swap(0, 1)),
            ("a void opening twice", |o| o.void[1] = o.void[0]),
            ("nothing void", |o| o.void[0] = Ref::ZERO),
        ],
    );
    assert_eq!(base.last_known(2), at(9));
    assert_eq!(base.last_known(1), Position::START);
}

#[test]
fn closings() {
    let lost = |lane, from, to| Lost {
        lane,
        from,
        to,
        header: Ref::ZERO,
    };
    let base = Closing {
        seat: BUREAU,
        opening: stray(1),
        serial: 1,
        identity: stray(2),
        ends: vec![(0, at(4)), (2, at(90))],
        lost: vec![lost(0, 2, 4), lost(2, 1, 1), lost(2, 5, 9), lost(2, 10, 12)],
        asked: false,
        note: "备份中没有".into(),
    };
    check(
        &base,
        Closing::to_bytes,
        Closing::from_bytes,
        &[
            ("nothing lost", |c| c.lost.clear()),
            ("no end", |c| c.ends.clear()),
            ("asked", |c| c.asked = true),
            ("a header", |c| c.lost[0].header = stray(4)),
            ("the longest note", |c| c.note = "x".repeat(200)),
            ("512 ranges", |c| {
                c.lost = (1..=512)
                    .map(|n| Lost {
                        lane: 2,
                        from: n,
                        to: n,
                        header: Ref::ZERO,
                    })
                    .collect();
            }),
            ("the greatest position", |c| {
                c.lost[3].to = limits::POSITION_MAX;
            }),
        ],
        &[
            ("the zero seat", |c| c.seat = SeatId::default()),
            ("no opening", |c| c.opening = Ref::ZERO),
            ("no identity", |c| c.identity = Ref::ZERO),
            ("ends out of order", |c| c.ends.swap(0, 1)),
            ("an end of lane 3", |c| c.ends[1].0 = 3),
            ("513 ranges", |c| {
                c.lost = (1..=513)
                    .map(|n| Lost {
                        lane: 2,
                        from: n,
                        to: n,
                        header: Ref::ZERO,
                    })
                    .collect();
            }),
            ("a range of lane 3", |c| c.lost[3].lane = 3),
            ("a range from 0", |c| c.lost[0].from = 0),
            ("a range to 0", |c| c.lost[0].to = 0),
            ("a range too far", |c| {
                c.lost[3].to = limits::POSITION_MAX + 1;
            }),
            ("a range backwards", |c| c.lost[1].from = 2),
            ("ranges out of order of lanes", |c| c.lost.swap(0, 1)),
            ("ranges out of order", |c| c.lost.swap(1, 2)),
            ("ranges that overlap", |c| c.lost[3].from = 9),
            ("a header that is none", |c| {
                c.lost[0].header = bad_reference();
            }),
            ("a note too long", |c| c.note = "x".repeat(201)),
            ("a note with a zero", |c| c.note = "\0".into()),
        ],
    );
    let asked = base.to_bytes().len() - 1 - base.note.len() - 1;
    let mut bytes = base.to_bytes();
    bytes[asked] = 2;
    assert!(Closing::from_bytes(&bytes).is_err(), "asked is a flag");
    for (lane, sequence, safeguarded, asked, declared) in [
        (2, 5, 0, false, true),
        (2, 9, 0, false, true),
        (2, 4, 0, false, false),
        (2, 13, 0, false, false),
        (1, 5, 0, false, false),
        (0, 5, 0, false, false),
        (2, 9, 8, false, true),
        (2, 9, 9, false, false),
        (2, 9, 9, true, true),
    ] {
        let closing = Closing {
            asked,
            ..base.clone()
        };
        let declares = closing.declares(lane, sequence, safeguarded);
        assert_eq!(
            declares, declared,
            "{lane} {sequence} {safeguarded} {asked}"
        );
    }
}

#[test]
fn fork_decisions() {
    let base = ForkDecision {
        seat: BUREAU,
        serial: 1,
        place: Forked::Header {
            lane: 2,
            opening: stray(1),
            sequence: 7,
        },
        survivor: stray(5),
        others: vec![stray(4), stray(6)],
        reason: "以先到者为准".into(),
        issuer: stray(9),
    };
    fn header(lane: u8, opening: Ref, sequence: u64) -> Forked {
        Forked::Header {
            lane,
            opening,
            sequence,
        }
    }
    check(
        &base,
        ForkDecision::to_bytes,
        ForkDecision::from_bytes,
        &[
            ("a lane that is not read", |d| {
                d.place = header(4, stray(1), 1);
            }),
            ("the greatest sequence", |d| {
                d.place = header(0, stray(1), limits::POSITION_MAX);
            }),
            ("openings", |d| d.place = Forked::Opening(1)),
            ("the last opening", |d| d.place = Forked::Opening(u32::MAX)),
            ("identities", |d| d.place = Forked::Identity(u32::MAX)),
            ("one other", |d| d.others.truncate(1)),
            ("16 others", |d| d.others = many_references(16)),
            ("the longest reason", |d| d.reason = "x".repeat(255)),
        ],
        &[
            ("the zero seat", |d| d.seat = SeatId::default()),
            ("lane 3", |d| d.place = header(3, stray(1), 1)),
            ("a header of no epoch", |d| {
                d.place = header(2, Ref::ZERO, 1)
            }),
            ("sequence 0", |d| d.place = header(2, stray(1), 0)),
            ("a sequence too great", |d| {
                d.place = header(2, stray(1), limits::POSITION_MAX + 1);
            }),
            ("counter 0", |d| d.place = Forked::Opening(0)),
            ("serial 0", |d| d.place = Forked::Identity(0)),
            ("no survivor", |d| d.survivor = Ref::ZERO),
            ("no other", |d| d.others.clear()),
            ("17 others", |d| d.others = many_references(17)),
            ("others out of order", |d| d.others.swap(0, 1)),
            ("another twice", |d| d.others[1] = d.others[0]),
            ("the survivor among the others", |d| d.survivor = stray(6)),
            ("nothing among the others", |d| d.others[0] = Ref::ZERO),
            ("a reason with a zero", |d| d.reason = "\0".into()),
            ("no issuer", |d| d.issuer = Ref::ZERO),
        ],
    );
    let of_opening = ForkDecision {
        place: Forked::Opening(7),
        ..base.clone()
    };
    // seat, serial, then what, lane, opening, place
    const WHAT: usize = 20;
    let refused = |decision: &ForkDecision, edit: fn(&mut Vec<u8>)| {
        let mut bytes = decision.to_bytes();
        edit(&mut bytes);
        assert!(ForkDecision::from_bytes(&bytes).is_err(), "{bytes:02x?}");
    };
    refused(&base, |bytes| bytes[WHAT] = 0);
    refused(&base, |bytes| bytes[WHAT] = 4);
    refused(&base, |bytes| bytes[WHAT] = 2);
    refused(&of_opening, |bytes| bytes[WHAT] = 1);
    refused(&of_opening, |bytes| bytes[WHAT + 1] = 1);
    refused(&of_opening, |bytes| {
        bytes[WHAT + 2..WHAT + 35].copy_from_slice(&stray(1).to_bytes());
    });
    // a counter of more than 32 bits
    refused(&of_opening, |bytes| bytes[WHAT + 35 + 3] = 1);
}

#[test]
fn activations() {
    let from = |lane, counter, sequence| ActiveFrom {
        lane,
        counter,
        sequence,
    };
    let base = Activation {
        seat: DISTRICT,
        serial: 1,
        suite: 2,
        kind: 9,
        format: 2,
        from: vec![from(0, 1, 1), from(2, 3, 8)],
        issuer: stray(1),
    };
    check(
        &base,
        Activation::to_bytes,
        Activation::from_bytes,
        &[
            ("from the next epoch", |a| a.from.clear()),
            ("for all", |a| {
                a.seat = SeatId::default();
                a.from.clear();
            }),
            ("anything", |a| {
                (a.suite, a.kind, a.format) = (255, 255, 65_535);
            }),
            ("16 lanes", |a| a.from = active(16)),
            ("the greatest position", |a| {
                a.from[1].sequence = limits::POSITION_MAX;
                a.from[1].counter = u32::MAX;
            }),
        ],
        &[
            ("positions for all", |a| a.seat = SeatId::default()),
            ("17 lanes", |a| a.from = active(17)),
            ("lane 3", |a| a.from[1].lane = 3),
            ("lanes out of order", |a| a.from.swap(0, 1)),
            ("a lane twice", |a| a.from[1].lane = 0),
            ("counter 0", |a| a.from[0].counter = 0),
            ("sequence 0", |a| a.from[0].sequence = 0),
            ("a sequence too great", |a| {
                a.from[0].sequence = limits::POSITION_MAX + 1;
            }),
            ("no issuer", |a| a.issuer = Ref::ZERO),
        ],
    );
}

/// Positions in so many lanes, without lane 3.
fn active(lanes: u8) -> Vec<ActiveFrom> {
    let lanes = (0..=lanes).filter(|lane| *lane != 3);
    let from = |lane| ActiveFrom {
        lane,
        counter: 1,
        sequence: 1,
    };
    lanes.map(from).collect()
}

fn item(sequence: u64, leaf: u8) -> ErasureItem {
    ErasureItem {
        lane: 2,
        opening: stray(1),
        sequence,
        index: 4,
        leaf: Hash([leaf; 32]),
        mask: 0b1010,
    }
}

#[test]
fn erasures() {
    let base = Erasure {
        seat: BUREAU,
        items: vec![item(1, 1), item(1, 2), item(2, 1)],
        code: 1,
        text: "依法删除".into(),
        issuer: stray(9),
    };
    check(
        &base,
        Erasure::to_bytes,
        Erasure::from_bytes,
        &[
            ("one place", |e| e.items.truncate(1)),
            ("3,000 places", |e| {
                e.items = (1..=3_000).map(|n| item(n, 1)).collect();
            }),
            ("every section but the head", |e| e.items[0].mask = 0xfffe),
            ("a code of a later release", |e| e.code = 0),
            ("the longest text", |e| e.text = "x".repeat(255)),
            ("the greatest position", |e| {
                e.items[2].sequence = limits::POSITION_MAX;
                e.items[2].index = u32::MAX;
            }),
            ("a lane that is not read", |e| e.items[2].lane = 4),
        ],
        &[
            ("the zero seat", |e| e.seat = SeatId::default()),
            ("no place", |e| e.items.clear()),
            ("3,001 places", |e| {
                e.items = (1..=3_001).map(|n| item(n, 1)).collect();
            }),
            ("the head", |e| e.items[0].mask = 0b11),
            ("no section", |e| e.items[0].mask = 0),
            ("lane 3", |e| e.items[2].lane = 3),
            ("no opening", |e| e.items[0].opening = Ref::ZERO),
            ("sequence 0", |e| e.items[0].sequence = 0),
            ("a sequence too great", |e| {
                e.items[2].sequence = limits::POSITION_MAX + 1;
            }),
            ("places out of order", |e| e.items.swap(0, 2)),
            ("leaves out of order", |e| e.items.swap(0, 1)),
            ("a place twice", |e| e.items[1] = e.items[0]),
            ("a place twice with two masks", |e| {
                e.items[1] = e.items[0];
                e.items[1].mask = 0b100_0000;
            }),
            ("indices out of order", |e| {
                e.items[1] = e.items[0];
                e.items[1].index = 3;
            }),
            ("openings out of order", |e| e.items[0].opening = stray(2)),
            ("lanes out of order", |e| e.items[0].lane = 4),
            ("a text with a zero", |e| e.text = "\0".into()),
            ("no issuer", |e| e.issuer = Ref::ZERO),
        ],
    );
}

fn receipt() -> Receipt {
    Receipt {
        holder: CITY,
        identity: stray(1),
        incarnation: Incarnation {
            counter: 3,
            feed: FeedId([4; 16]),
        },
        log: LogName {
            seat: BUREAU,
            lane: Lane::Records,
            opening: stray(2),
        },
        durable: at(9),
        attached: at(7),
        safeguarded: at(5),
        at: -1,
    }
}

#[test]
fn receipts() {
    assert_eq!(receipt().to_bytes().len(), 254);
    check(
        &receipt(),
        Receipt::to_bytes,
        Receipt::from_bytes,
        &[
            ("nothing", |r| {
                (r.durable, r.attached, r.safeguarded) =
                    (Position::START, Position::START, Position::START);
            }),
            ("all the same", |r| {
                (r.attached, r.safeguarded) = (r.durable, r.durable);
            }),
            ("the first incarnation", |r| r.incarnation.counter = 0),
            ("the last incarnation", |r| {
                r.incarnation.counter = limits::POSITION_MAX;
            }),
            ("the greatest position", |r| {
                r.durable.sequence = limits::POSITION_MAX;
            }),
        ],
        &[
            ("no identity", |r| r.identity = Ref::ZERO),
            ("no opening", |r| r.log.opening = Ref::ZERO),
            ("an incarnation too great", |r| {
                r.incarnation.counter = limits::POSITION_MAX + 1;
            }),
            ("a position too great", |r| {
                r.durable.sequence = limits::POSITION_MAX + 1;
            }),
            ("attached beyond durable", |r| r.attached = at(10)),
            ("safeguarded beyond attached", |r| r.safeguarded = at(8)),
            ("safeguarded alone", |r| r.attached = Position::START),
            ("two headers of one position", |r| {
                r.attached.sequence = 9;
            }),
            ("two headers of the safeguarded position", |r| {
                r.safeguarded.sequence = 7;
            }),
            ("a position without a header", |r| {
                r.safeguarded.header = Ref::ZERO;
            }),
        ],
    );
    let mut bytes = receipt().to_bytes();
    // holder, identity, incarnation, origin
    bytes[16 + 33 + 24 + 16] = 3;
    assert!(Receipt::from_bytes(&bytes).is_err(), "lane 3");
}

#[test]
fn feed_heads() {
    let base = FeedHead {
        node: CITY,
        identity: stray(1),
        incarnation: Incarnation {
            counter: 3,
            feed: FeedId([4; 16]),
        },
        head: 77,
        peer: DISTRICT,
        at: i64::MIN,
    };
    assert_eq!(base.to_bytes().len(), 105);
    check(
        &base,
        FeedHead::to_bytes,
        FeedHead::from_bytes,
        &[
            ("an empty feed", |h| h.head = 0),
            ("the greatest offset", |h| h.head = limits::POSITION_MAX),
        ],
        &[
            ("no identity", |h| h.identity = Ref::ZERO),
            ("an offset too great", |h| h.head = limits::POSITION_MAX + 1),
            ("an incarnation too great", |h| {
                h.incarnation.counter = limits::POSITION_MAX + 1;
            }),
        ],
    );
}
