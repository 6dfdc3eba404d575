//! Prints how many microseconds of hashing a row costs each party: the origin that seals it, the receiver that verifies it,
//! a relay that cuts it down. Entries are like registrations: head, three sections and the platform's, batches of 1,000.
//!
//! `cargo run --release -p protocol --example hash_budget`. The budget is 3 µs per row and party; the exit status is 1
//! when sealing or verifying is over it. Whole operations are measured, so layout and parsing are in the figure too.

use std::process::ExitCode;
use std::time::Instant;

use protocol::batch::{self, Draft, LogState, Sealed};
use protocol::directory::Directory;
use protocol::entry::{Head, Hint, Key, PLATFORM, Provenance, Subject, put_fields};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::limits::BATCH_ENTRIES_MAX;
use protocol::name::{HybridTime, InstanceId, Lane, SeatId};
use protocol::sign::{Keys, SigningKey, Sigs};
use protocol::slice;
use protocol::standard_hash::StandardHash;
use protocol::statement::{BindsFrom, EpochOpening, Identity, Root, SeatKind, possession_hash};
use protocol::value::{CivilDate, Value};

const BUDGET_MICROS: f64 = 3.0;
const ROUNDS: usize = 41;

fn main() -> ExitCode {
    let (directory, log, identity, key) = origin();
    let drafts: Vec<Draft> = (0..BATCH_ENTRIES_MAX).map(registration).collect();
    let bytes: usize = drafts.iter().map(|d| d.as_bytes().len()).sum();
    println!(
        "{} entries of {} bytes each, median of {ROUNDS} rounds",
        drafts.len(),
        bytes / drafts.len()
    );

    let seal = || -> Sealed {
        batch::seal(&log, &drafts, HybridTime(1), &[7; 32], identity, &key)
            .expect("the sample batch is within every bound")
    };
    let sealed = seal();
    let verify_header = || {
        slice::verify_header(&directory, &sealed.header).expect("the sample header is well signed")
    };
    let header = verify_header();
    let every_other: Vec<u32> = (0..drafts.len() as u32).step_by(2).collect();

    let sealing = micros_per_row(|| drop(seal()));
    let header_only = micros_per_row(|| drop(verify_header()));
    let verifying = micros_per_row(|| {
        slice::verify(header.clone(), sealed.body.clone()).expect("the sample body verifies");
    });
    let cutting = micros_per_row(|| {
        slice::cut(header.header(), &sealed.body, &every_other, |_| 0b0111)
            .expect("the sample body can be cut");
    });
    println!("origin   seal, header signed   {sealing:6.2} µs per row");
    println!("receiver verify                {verifying:6.2} µs per row");
    println!("receiver header and signature  {header_only:6.2} µs per row");
    println!("relay    cut half, narrowed    {cutting:6.2} µs per row");
    println!("budget                         {BUDGET_MICROS:6.2} µs per row and party");
    if sealing > BUDGET_MICROS || verifying + header_only > BUDGET_MICROS {
        println!("over the budget");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn micros_per_row(run: impl Fn()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6 / BATCH_ENTRIES_MAX as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn registration(row: usize) -> Draft {
    let code = format!("91310115MA1K{row:06}");
    let key = Key::columns(&[Value::from_text(code.as_str())]);
    let hash = StandardHash([0x5a; 16]);
    let mut head = Head::state("registration", key, "cn.registration", 1, hash);
    head.hint = Hint::Division(format!("3101{:02}", row % 16 + 1));
    head.subject = Subject::Uscc(code.clone());
    head.event_date = CivilDate::new(2021, 4, 1);
    let section = |fields: &[(u16, &str)]| {
        let fields: Vec<(u16, Value)> = fields
            .iter()
            .map(|(n, v)| (*n, Value::from_text(*v)))
            .collect();
        let mut out = Vec::new();
        put_fields(&fields, &mut out);
        out
    };
    let name = format!("上海示范贸易有限公司第{row:06}号");
    let public = section(&[
        (1, &code),
        (2, &name),
        (3, "有限责任公司(自然人投资或控股)"),
        (4, "存续"),
        (5, "中国(上海)自由贸易试验区示范路100弄8号"),
    ]);
    let government = section(&[(6, "浦东新区市场监督管理局"), (7, "批发业"), (8, "500.00")]);
    let source_and_city = section(&[(9, "示范"), (10, "2021-04-01")]);
    let platform = Provenance::at(format!("QYJBXX:NBXH={row:010}").as_bytes())
        .to_section()
        .expect("a short position")
        .expect("a position");
    Draft::new(&[
        (0, head.to_bytes()),
        (1, public),
        (2, government),
        (3, source_and_city),
        (PLATFORM, platform),
    ])
}

fn origin() -> (Directory, LogState, Ref, SigningKey) {
    let (root_key, key) = (
        SigningKey::from_seed(&[1; 32]),
        SigningKey::from_seed(&[2; 32]),
    );
    let root = Root::of(1, Ref::ZERO, 1, &[root_key.public()]);
    let root = Envelope::signed(kind::ROOT, 1, root.to_bytes(), &root_key);
    let reference = |e: &Envelope| e.reference().expect("of the suite that is read");
    let authority = reference(&root);
    let seat = SeatId([3; 16]);
    let keys = Keys::of(key.public(), Some([9; 32]));
    let identity = Identity {
        seat,
        serial: 1,
        kind: SeatKind::City,
        organisation: "310000.scjg".into(),
        title: "示范市".into(),
        jurisdiction: "310000".into(),
        node: seat,
        possession: Sigs::of(key.sign(&possession_hash(&seat, &authority, &keys))),
        keys,
        consent: Sigs::default(),
        reason: String::new(),
        permitted: Vec::new(),
        admits: true,
        binds_from: [BindsFrom::default(); 3],
        issuer: authority,
    };
    let identity = Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), &root_key);
    let opening = EpochOpening {
        seat,
        counter: 1,
        nonce: [4; 16],
        identity: reference(&identity),
        instance: InstanceId([5; 16]),
        last_known: Vec::new(),
        void: Vec::new(),
    };
    let statement = Envelope::signed(kind::OPENING, 1, opening.to_bytes(), &key);
    let mut directory =
        Directory::trusting(&root, &authority.hash.0).expect("the sample root is self-signed");
    for envelope in [&identity, &statement] {
        directory
            .admit(envelope)
            .expect("the sample chain verifies");
    }
    let log = LogState::start(&opening, reference(&statement), Lane::Records);
    (directory, log, reference(&identity), key)
}
