//! Bodies have the form that bincode gives to structures, and no bytes at all make anything fall or grow.

use bincode::Encode;
use bincode::config;
use proptest::prelude::*;

use super::*;
use crate::frame::tests::{every_frame, every_item, health, hello, log_entry};

/// What bincode 2 makes of a structure with fixed-width, big-endian integers.
fn bincode_of(value: &impl Encode) -> Vec<u8> {
    let config = config::standard()
        .with_big_endian()
        .with_fixed_int_encoding();
    bincode::encode_to_vec(value, config).expect("memory takes it")
}

/// Suite and bytes of each.
type Signatures = Vec<(u8, Vec<u8>)>;

#[derive(Encode)]
struct HelloBody {
    frames: u8,
    items: u8,
    instance: [u8; 16],
    incarnation: (u64, [u8; 16]),
    release: String,
    seats: Vec<([u8; 16], Signatures)>,
    statements: Vec<Vec<u8>>,
}

#[derive(Encode)]
struct HealthBody {
    seat: [u8; 16],
    since: i64,
    state: u8,
    reasons: Vec<u16>,
    figures: Vec<(u8, i64)>,
    release: String,
    relayed: bool,
}

#[derive(Encode)]
struct LogsBody {
    last: u8,
    entries: Vec<LogBody>,
}

#[derive(Encode)]
struct LogBody {
    seat: [u8; 16],
    lane: u8,
    opening: (u8, [u8; 32]),
    state: u8,
    reason: u16,
    since: i64,
    taken_in: u64,
    applied: u64,
    header: Vec<u8>,
    opening_envelope: Vec<u8>,
}

#[test]
fn bodies_are_those_of_bincode() {
    let said = hello();
    let seats = said.seats.iter();
    let body = HelloBody {
        frames: said.frames,
        items: said.items,
        instance: said.instance.0,
        incarnation: (said.incarnation.counter, said.incarnation.feed.0),
        release: said.release.clone(),
        seats: seats
            .map(|p| (p.seat.0, p.signatures.all().to_vec()))
            .collect(),
        statements: said.statements.clone(),
    };
    assert_eq!(encode(&Frame::Hello(said))[5..], bincode_of(&body));

    let said = [health(1), health(2)];
    let body = said.clone().map(|h| HealthBody {
        seat: h.seat.0,
        since: h.since,
        state: h.state.number(),
        reasons: h.reasons.iter().map(|r| r.number()).collect(),
        figures: h.figures.iter().map(|(f, v)| (f.number(), *v)).collect(),
        release: h.release,
        relayed: h.relayed,
    });
    let body = Vec::from(body);
    assert_eq!(
        encode(&Frame::Health(said.to_vec()))[5..],
        bincode_of(&body)
    );

    let said = crate::frame::Logs {
        end: crate::frame::LogsEnd::Complete,
        entries: vec![log_entry(1)],
    };
    let entries = said.entries.iter().map(|e| LogBody {
        seat: e.seat.0,
        lane: e.lane,
        opening: (e.opening.suite, e.opening.hash.0),
        state: e.state.number(),
        reason: e.reason.number(),
        since: e.since,
        taken_in: e.taken_in,
        applied: e.applied,
        header: e.header.clone(),
        opening_envelope: e.opening_envelope.clone(),
    });
    let body = LogsBody {
        last: 1,
        entries: entries.collect(),
    };
    assert_eq!(encode(&Frame::Logs(said))[5..], bincode_of(&body));

    let routed = every_item().into_iter().find_map(|item| match item {
        crate::frame::Item::Routed(routed) => Some(routed),
        _ => None,
    });
    let routed = routed.expect("one of every item");
    let body = (
        routed.subjects.clone(),
        routed.from.clone(),
        routed.to.clone(),
        routed.by.0,
    );
    assert_eq!(encode_routed(&routed), bincode_of(&body));
    assert_eq!(decode_routed(&encode_routed(&routed)), Ok(routed));
}

#[test]
fn a_frame_announces_no_more_than_may_come() {
    let header = |n: usize| {
        let [a, b, c, d] = (n as u32).to_be_bytes();
        [3, a, b, c, d]
    };
    for most in [limits::GREETING_FRAME_BYTES_MAX, limits::FRAME_BYTES_MAX] {
        assert_eq!(length(header(0), most), Ok(0));
        assert_eq!(length(header(most), most), Ok(most));
        assert!(length(header(most + 1), most).is_err());
        assert!(length([3, 0xff, 0xff, 0xff, 0xff], most).is_err());
    }
}

/// Reads whatever it is; what is read says the same again.
fn check_reads(bytes: &[u8]) {
    if let Ok(frame) = decode(bytes) {
        let again = encode(&frame);
        assert_eq!(decode(&again), Ok(frame));
    }
    let _ = decode_want(bytes);
    let _ = decode_routed(bytes);
    let _ = crate::frame::Item::from_bytes(bytes);
}

/// A count or length in the place of every eight bytes promises more than is there: nothing is read, nothing is reserved.
#[test]
fn promises_are_not_believed() {
    for frame in every_frame() {
        let bytes = encode(&frame);
        for at in 5..bytes.len() {
            for promise in [u64::MAX, 1 << 40, 1 << 16, 255] {
                let mut bytes = bytes.clone();
                for (byte, value) in bytes[at..].iter_mut().zip(promise.to_be_bytes()) {
                    *byte = value;
                }
                check_reads(&bytes);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_survived(number in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..400)) {
        let length = (body.len() as u32).to_be_bytes();
        check_reads(&[&[number], &length[..], &body].concat());
        check_reads(&body);
    }

    #[test]
    fn any_mutation_is_survived(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let all = every_frame();
        let mut bytes = encode(which.get(&all));
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        check_reads(&bytes);
        bytes.truncate(cut.index(bytes.len() + 1));
        check_reads(&bytes);
    }
}
