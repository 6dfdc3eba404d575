//! A small city made from fixed seeds, for vectors and property tests: a root, a city, a district, a department and
//! entries of its log. Asserts nothing.
#![allow(
    dead_code,
    reason = "each test program that takes this in uses another part of it"
)]

use protocol::batch::{self, Draft, Group, Header, LogState, Sealed};
use protocol::directory::Directory;
use protocol::entry::{Head, Hint, Key, Provenance, Subject, put_fields};
use protocol::envelope::{Envelope, kind};
use protocol::hash::{self, Hash, Ref};
use protocol::merkle;
use protocol::name::{HybridTime, InstanceId, Lane, SeatId};
use protocol::opening::Opening;
use protocol::sign::{Keys, SigningKey, Sigs};
use protocol::standard_hash::StandardHash;
use protocol::statement::{BindsFrom, EpochOpening, Identity, Root, SeatKind, possession_hash};
use protocol::value::{CivilDate, Value};

pub const CITY: SeatId = SeatId([0xc1; 16]);
pub const DISTRICT: SeatId = SeatId([0xd1; 16]);
pub const DEPARTMENT: SeatId = SeatId([0xe1; 16]);
/// Microseconds of 2026-01-05 01:30:00 UTC.
pub const INSTANT: i64 = 1_767_576_600_000_000;

/// Hash that the sample's heads name for their standard.
pub const STANDARD_HASH: StandardHash = StandardHash([0x5a; 16]);

pub struct City {
    pub root_key: SigningKey,
    pub city_key: SigningKey,
    pub district_key: SigningKey,
    pub department_key: SigningKey,
    pub root: Envelope,
    pub city: Envelope,
    pub district: Envelope,
    pub department: Envelope,
    pub opening: EpochOpening,
    pub opening_envelope: Envelope,
    pub directory: Directory,
}

/// Signing key of a seed that is one byte repeated.
pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// Reference of an envelope of our own.
pub fn reference(envelope: &Envelope) -> Ref {
    envelope.reference().expect("of the suite that is read")
}

/// First identity of a seat; nodes and departments alike have a seal key.
pub fn identity(
    seat: SeatId,
    kind: SeatKind,
    (title, jurisdiction, organisation): (&str, &str, &str),
    key: &SigningKey,
    authority: &Ref,
    issuer: Ref,
) -> Identity {
    let seal = kind.is_node().then_some([seat.0[0]; 32]);
    let keys = Keys::of(key.public(), seal);
    let possession = key.sign(&possession_hash(&seat, authority, &keys));
    Identity {
        seat,
        serial: 1,
        kind,
        organisation: organisation.into(),
        title: title.into(),
        jurisdiction: jurisdiction.into(),
        node: seat,
        keys,
        possession: Sigs::of(possession),
        consent: Sigs::default(),
        reason: String::new(),
        permitted: Vec::new(),
        admits: kind.is_node(),
        binds_from: [BindsFrom::default(); 3],
        issuer,
    }
}

/// Gives an identity these keys, with the possession that goes with them.
pub fn with_keys(identity: &mut Identity, key: &SigningKey, authority: &Ref) {
    identity.keys = Keys::of(key.public(), identity.keys.seal());
    let hash = possession_hash(&identity.seat, authority, &identity.keys);
    identity.possession = Sigs::of(key.sign(&hash));
}

pub fn city() -> City {
    let (root_key, city_key, district_key, department_key) = (key(1), key(2), key(3), key(4));
    let root = Root::of(1, Ref::ZERO, 1, &[root_key.public(), key(5).public()]);
    let root = Envelope::signed(kind::ROOT, 1, root.to_bytes(), &root_key);
    let authority = reference(&root);
    let city = identity(
        CITY,
        SeatKind::City,
        ("示范市", "310000", "310000.scjg"),
        &city_key,
        &authority,
        authority,
    );
    let city = Envelope::signed(kind::IDENTITY, 1, city.to_bytes(), &root_key);
    let district = identity(
        DISTRICT,
        SeatKind::District,
        ("示范市东区", "310115", "310115.scjg"),
        &district_key,
        &authority,
        reference(&city),
    );
    let district = Envelope::signed(kind::IDENTITY, 1, district.to_bytes(), &city_key);
    let department = Identity {
        node: DISTRICT,
        permitted: vec!["refusal".into(), "registration".into()],
        ..identity(
            DEPARTMENT,
            SeatKind::Department,
            ("东区市场监管局 登记库", "310115", "310115.scjg"),
            &department_key,
            &authority,
            reference(&district),
        )
    };
    let department = Envelope::signed(kind::IDENTITY, 1, department.to_bytes(), &district_key);
    let opening = EpochOpening {
        seat: DEPARTMENT,
        counter: 1,
        nonce: [0x0e; 16],
        identity: reference(&department),
        instance: InstanceId([0x1a; 16]),
        last_known: Vec::new(),
        void: Vec::new(),
    };
    let opening_envelope = Envelope::signed(kind::OPENING, 1, opening.to_bytes(), &department_key);
    let mut directory =
        Directory::trusting(&root, &authority.hash.0[..20]).expect("root is signed");
    for envelope in [&city, &district, &department, &opening_envelope] {
        directory.admit(envelope).expect("the chain verifies");
    }
    City {
        root_key,
        city_key,
        district_key,
        department_key,
        root,
        city,
        district,
        department,
        opening,
        opening_envelope,
        directory,
    }
}

impl City {
    /// The department's log of records, before its first header.
    pub fn log(&self) -> LogState {
        LogState::start(
            &self.opening,
            reference(&self.opening_envelope),
            Lane::Records,
        )
    }

    /// Seals drafts with a secret and a time that follow from the sequence.
    pub fn seal(&self, log: &LogState, drafts: &[Draft]) -> Sealed {
        let time = HybridTime((INSTANT as u64 / 1000 + log.sequence) << 16);
        let secret = [0x50 + log.sequence as u8; 32];
        batch::seal(
            log,
            drafts,
            time,
            &secret,
            reference(&self.department),
            &self.department_key,
        )
        .expect("the sample's batches are within every bound")
    }
}

/// Bytes of a head.
pub fn head_bytes(head: &Head) -> Vec<u8> {
    head.to_bytes()
}

/// Bytes of a section.
pub fn section(fields: &[(u16, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_fields(fields, &mut out);
    out
}

/// Head of a registration.
pub fn registration_head(row: u32, hint: Hint) -> Head {
    let code = format!("91310115MA1K{row:06}");
    let key = Key::columns(&[Value::from_text(code.as_str())]);
    let mut head = Head::state("registration", key, "cn.registration", 1, STANDARD_HASH);
    head.hint = hint;
    head.subject = Subject::Uscc(code);
    head.event_date = CivilDate::new(2021, 4, 1);
    head
}

/// An entry like a registration: head and four sections, 1 public, 2 government, 3 source and city, 15 the platform's.
pub fn registration(row: u32, hint: Hint) -> Draft {
    let public = section(&[
        (1, Value::from_text(format!("91310115MA1K{row:06}"))),
        (2, Value::from_text(format!("示范贸易有限公司第{row}号𠮷"))),
        (5, Value::Date(CivilDate::new(2021, 4, 1).expect("a day"))),
    ]);
    let government = section(&[
        (11, Value::decimal("500.00").expect("decimal")),
        (12, Value::Null),
        (13, Value::Empty),
    ]);
    let source_and_city = section(&[
        (21, Value::Raw(b"2025-00-15".to_vec())),
        (22, Value::Integer(i64::from(row))),
    ]);
    let platform = Provenance::at(format!("dj_qyxx:{row}").as_bytes());
    let platform = platform.to_section().expect("within its bounds");
    Draft::new(&[
        (0, head_bytes(&registration_head(row, hint))),
        (1, public),
        (2, government),
        (3, source_and_city),
        (15, platform.expect("a position")),
    ])
}

/// Three batches of the department's log: eight entries in three groups, one entry, two entries.
pub fn batches(city: &City) -> Vec<(LogState, Sealed)> {
    let division = |code: &str| Hint::Division(code.into());
    let first: Vec<Draft> = [
        (7, division("310115")),
        (2, Hint::Unknown),
        (1, division("310115")),
        (5, division("310115")),
        (4, Hint::Seats(vec![DISTRICT, SeatId([0xe2; 16])])),
        (3, division("310115")),
        (6, division("310115")),
        (8, Hint::Unknown),
    ]
    .into_iter()
    .map(|(row, hint)| registration(row, hint))
    .collect();
    let second = vec![registration(9, Hint::CityWide)];
    let third = vec![
        registration(10, Hint::Division("310115001".into())),
        registration(11, Hint::Region("pilot-zone".into())),
    ];
    let mut log = city.log();
    let mut out = Vec::new();
    for drafts in [first, second, third] {
        let before = log.clone();
        let sealed = city.seal(&log, &drafts);
        log = sealed.log.clone();
        out.push((before, sealed));
    }
    out
}

/// A batch that no sealer of ours would make, well signed: groups of (hint, entries). The body has everything open.
pub fn forged(city: &City, groups: &[(Hint, Vec<Draft>)]) -> (Envelope, Vec<u8>) {
    let log = city.log();
    let mut body = vec![1];
    body.extend((groups.len() as u16).to_be_bytes());
    let mut table = Vec::new();
    for (n, (hint, drafts)) in groups.iter().enumerate() {
        body.extend((n as u16).to_be_bytes());
        body.push(0);
        let mut leaves = Vec::new();
        for draft in drafts {
            // a whole opening is a form byte, a salt and what a draft consists of
            let opening = [&[0], [9; 16].as_slice(), draft.as_bytes()].concat();
            leaves.push(Opening::from_bytes(&opening).expect("an opening").leaf());
            body.extend((opening.len() as u32).to_be_bytes());
            body.extend(opening);
        }
        table.push(Group {
            hint: hint.to_bytes(),
            count: drafts.len() as u32,
            root: merkle::root(&leaves),
        });
    }
    let header = header_over(&log, table, reference(&city.department));
    let envelope = Envelope::signed(kind::HEADER, 1, header.to_bytes(), &city.department_key);
    (envelope, body)
}

/// The next header of a log over a table; count and root follow from it.
pub fn header_over(log: &LogState, groups: Vec<Group>, identity: Ref) -> Header {
    Header {
        seat: log.log.seat,
        lane: log.log.lane,
        counter: log.counter,
        opening: log.log.opening,
        sequence: log.sequence + 1,
        previous: log.last,
        history: log.history.root(),
        time: HybridTime(1),
        identity,
        count: groups.iter().map(|g| g.count).sum(),
        root: table_root(&groups),
        groups,
    }
}

/// Root over an audience table.
pub fn table_root(groups: &[Group]) -> Hash {
    let tops: Vec<Hash> = groups
        .iter()
        .map(|g| hash::group(&g.hint, g.count, &g.root))
        .collect();
    merkle::root(&tops)
}
