//! Rows for checks, made from small numbers.

use protocol::hash::{Hash, sha256};
use protocol::name::{FeedId, SeatId};
use store::{
    AuditRow, BlockRow, CursorRow, EntityRow, EnvelopeRow, HeaderRow, IntakeGroup, LogAdvance,
    Pointer, RecordRow, RefusalRow,
};

pub fn hash(text: &str) -> Hash {
    sha256(&[text.as_bytes()])
}

pub fn seat(n: u8) -> SeatId {
    SeatId([n; 16])
}

pub fn opening() -> Hash {
    hash("opening")
}

/// An act of this kind.
pub fn act(action: &str) -> AuditRow {
    AuditRow {
        at_us: 7,
        account: "wang".into(),
        name: "王芳".into(),
        way: "page".into(),
        client: "127.0.0.1".into(),
        action: action.into(),
        ..AuditRow::default()
    }
}

pub fn envelope(n: u8) -> EnvelopeRow {
    let bytes = format!("envelope {n}").into_bytes();
    EnvelopeRow {
        hash: sha256(&[&bytes]),
        kind: 1,
        seat: Some(seat(n)),
        bytes,
    }
}

/// Block `sequence` of lane `lane` of seat `origin`, the next of its log.
pub fn block(origin: u8, lane: u8, sequence: u64) -> BlockRow {
    let bytes = format!("header {origin} {lane} {sequence}").into_bytes();
    let hash = sha256(&[&bytes]);
    BlockRow {
        header: HeaderRow {
            hash,
            seat: seat(origin),
            lane,
            epoch: 1,
            opening: opening(),
            sequence,
            count: 10,
            bytes,
        },
        body: vec![origin; 100],
        entries: 10,
        log: Some(LogAdvance {
            last_hash: hash,
            history: sequence.to_be_bytes().to_vec(),
        }),
        refill: false,
    }
}

pub fn blocks(blocks: Vec<BlockRow>) -> IntakeGroup {
    IntakeGroup {
        blocks,
        at_us: 1,
        ..IntakeGroup::default()
    }
}

pub fn cursor(offset: u64, interest_version: u32) -> CursorRow {
    CursorRow {
        peer: seat(9),
        feed: FeedId([1; 16]),
        class: 2,
        offset,
        interest_version,
    }
}

pub fn version(n: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[8..].copy_from_slice(&n.to_be_bytes());
    out
}

pub fn pointer(n: u64) -> Pointer {
    Pointer {
        version: version(n),
        block: n,
        position: 3,
    }
}

pub fn record(n: u64, at: u64) -> RecordRow {
    let mut id = [0; 16];
    id.copy_from_slice(&hash(&format!("record {n}")).0[..16]);
    RecordRow {
        id,
        kind: 1,
        subject: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        region: "310115".into(),
        latest: pointer(at),
        shown: Some(pointer(at)),
        mask: 7,
        flags: 0,
    }
}

pub fn refusal(n: u8, at_us: i64) -> RefusalRow {
    RefusalRow {
        id: [n; 16],
        origin: seat(n % 2),
        record_type: "registration".into(),
        key_text: format!("第{n}号"),
        reasons: "code_check,date_future".into(),
        fields: "uscc".into(),
        message: "校验位不符".into(),
        at_us,
        open: true,
    }
}

pub fn entity(subject: u64, name: &str) -> EntityRow {
    EntityRow {
        subject,
        subject_text: format!("uscc:{subject}"),
        name: name.to_owned(),
        region: "310115".into(),
        updated_at_us: 1,
        ..EntityRow::default()
    }
}

/// A sequence of numbers that is the same at every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
