//! Sealing: what waits goes out in order, once, under one sync, and never from a database that is behind.

use std::path::Path;

use protocol::directory::Directory;
use protocol::entry::{Hint, Key, Subject};
use protocol::slice::{unpack, verify, verify_header};
use protocol::value::Value;
use store::seat::{Capture, Chunk};

use super::*;
use crate::home::{Home, testing};

struct World {
    folder: tempfile::TempDir,
    home: Home,
    admission: Admission,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let home = Home::at(folder.path()).expect("home");
        let admission = testing::admit(&home);
        Self {
            folder,
            home,
            admission,
        }
    }

    async fn store(&self) -> Arc<SeatStore> {
        Arc::new(SeatStore::open(&self.home.database()).await.expect("store"))
    }

    async fn sealer(&self, store: &Arc<SeatStore>) -> Result<Sealer, SealFault> {
        self.sealer_in(store, self.folder.path()).await
    }

    async fn sealer_in(&self, store: &Arc<SeatStore>, folder: &Path) -> Result<Sealer, SealFault> {
        Sealer::open(
            store.clone(),
            &self.admission,
            self.home.mark_file(),
            folder,
            InstanceId([4; 16]),
            [5; 16],
        )
        .await
    }
}

fn entry(key: &str, subject: &str, was: Option<&str>) -> Vec<u8> {
    let mut head = Head::state(
        "registration",
        Key::columns(&[Value::from_text(key)]),
        "cn.registration",
        1,
    );
    head.hint = Hint::Division("310101".to_owned());
    head.subject = Subject::Uscc(subject.to_owned());
    head.was.subject = was.map(|s| Subject::Uscc(s.to_owned()));
    let mut bytes = Vec::new();
    head.put(&mut bytes);
    let draft = Draft::new(&[(HEAD, bytes)]);
    let mut out = (draft.as_bytes().len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(draft.as_bytes());
    out
}

async fn capture(store: &SeatStore, lane: Lane, entries: &[Vec<u8>], now_ms: i64) {
    let capture = Capture {
        source: 1,
        chunks: vec![Chunk {
            lane,
            entries: entries.len() as u32,
            body: entries.concat(),
        }],
        now_ms,
        ..Capture::default()
    };
    store.commit_capture(&capture).await.expect("captured");
}

/// Everything on the feed, checked as a receiver would: (lane, sequence, keys).
async fn sent(store: &SeatStore, admission: &Admission) -> Vec<(u8, u64, Vec<String>)> {
    let mut directory: Directory = admission.directory.clone();
    let mut out = Vec::new();
    let mut states: HashMap<u8, LogState> = HashMap::new();
    for lane in Lane::ALL {
        let (mut rows, mut all) = (Vec::new(), false);
        while !all {
            let after = rows.last().map_or(0, |r: &store::seat::SealedRow| r.offset);
            let page = store
                .sealed_after(lane, after, u64::MAX >> 1, usize::MAX >> 1)
                .await
                .expect("feed");
            rows.extend(page.0);
            all = page.1;
        }
        for row in rows {
            let envelope = Envelope::from_bytes(&row.batch.header).expect("envelope");
            if row.batch.sequence == 0 {
                directory.admit(&envelope).expect("the opening");
                continue;
            }
            let header = verify_header(&directory, &envelope).expect("a good header");
            let opening = directory
                .opening(&header.header().opening)
                .expect("opening");
            let state = states
                .entry(lane as u8)
                .or_insert_with(|| LogState::start(opening.opening(), opening.hash(), lane));
            assert!(state.expects(header.header()), "the log has no gap");
            state.advance(header.hash());
            let slice =
                verify(header, unpack(&row.batch.body).expect("body")).expect("a good slice");
            let keys = slice
                .opened()
                .iter()
                .map(|o| {
                    let opening = slice.opening(o).expect("opening");
                    let head = opening.head().expect("head");
                    format!(
                        "{}{}",
                        head.key,
                        head.was
                            .subject
                            .map_or(String::new(), |s| format!("<{}", s.tagged()))
                    )
                })
                .collect();
            out.push((lane as u8, row.batch.sequence, keys));
        }
    }
    out
}

#[tokio::test]
async fn what_waits_is_sealed_verifies_and_goes_on_after_a_restart() {
    let w = World::new();
    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("sealer");
    assert_eq!(
        sealer.step(0, || [1; 32]).await.expect("idle"),
        SealStep::Idle
    );
    capture(
        &store,
        Lane::Records,
        &[entry("b", "X", None), entry("a", "X", None)],
        0,
    )
    .await;
    capture(&store, Lane::Cases, &[entry("c", "X", None)], 0).await;
    // the more urgent lane goes first
    assert_eq!(
        sealer.step(0, || [1; 32]).await.expect("one"),
        SealStep::Sealed(1)
    );
    assert_eq!(
        sealer.step(0, || [2; 32]).await.expect("two"),
        SealStep::Sealed(1)
    );
    assert_eq!(sealer.progress().sendable.load(Ordering::Relaxed), 3);
    drop((sealer, store));

    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("again");
    capture(&store, Lane::Records, &[entry("d", "X", None)], 0).await;
    // something of this lane is under way: a short wait for company, then it goes
    let step = sealer.step(1, || [3; 32]).await.expect("wait");
    assert_eq!(step, SealStep::Wait(Duration::from_millis(2)));
    assert_eq!(
        sealer.step(3, || [3; 32]).await.expect("go"),
        SealStep::Sealed(1)
    );
    let keys = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        sent(&store, &w.admission).await,
        [
            (1, 1, keys(&["c"])),
            (2, 1, keys(&["a", "b"])),
            (2, 2, keys(&["d"])),
        ]
    );
}

#[tokio::test]
async fn of_one_record_the_last_image_is_sealed_and_says_what_others_knew() {
    let w = World::new();
    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("sealer");
    capture(
        &store,
        Lane::Records,
        &[entry("a", "Y", Some("X")), entry("b", "B", None)],
        0,
    )
    .await;
    capture(&store, Lane::Records, &[entry("a", "Z", Some("Y"))], 0).await;
    assert_eq!(
        sealer.step(0, || [1; 32]).await.expect("one"),
        SealStep::Sealed(1)
    );
    let sent = sent(&store, &w.admission).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].2, ["a<uscc:X", "b"]);
}

#[tokio::test]
async fn sealing_stops_64_batches_ahead_and_goes_on_when_acknowledged() {
    let w = World::new();
    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("sealer");
    for n in 0..70 {
        capture(
            &store,
            Lane::Records,
            &[entry(&n.to_string(), "X", None)],
            0,
        )
        .await;
        sealer.step(1_000, || [n; 32]).await.expect("a step");
    }
    let progress = sealer.progress();
    assert_eq!(progress.sealed[2].load(Ordering::Relaxed), 64);
    assert_eq!(
        sealer.step(9_000, || [0; 32]).await.expect("full"),
        SealStep::Idle
    );
    progress.acknowledged[2].store(60, Ordering::Relaxed);
    // what gathered meanwhile goes as one batch
    assert_eq!(
        sealer.step(9_000, || [0; 32]).await.expect("on"),
        SealStep::Sealed(1)
    );
    let sent = sent(&store, &w.admission).await;
    assert_eq!(sent.last().expect("a batch").2.len(), 6);
}

#[tokio::test]
async fn a_bulk_goes_in_batches_of_a_thousand_under_one_sync() {
    let w = World::new();
    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("sealer");
    for part in 0..5 {
        let entries: Vec<_> = (0..500)
            .map(|n| entry(&format!("{part}-{n}"), "X", None))
            .collect();
        capture(&store, Lane::Records, &entries, 0).await;
    }
    assert_eq!(
        sealer.step(0, || [1; 32]).await.expect("bulk"),
        SealStep::Sealed(3)
    );
    let counts: Vec<usize> = sent(&store, &w.admission)
        .await
        .iter()
        .map(|(_, _, keys)| keys.len())
        .collect();
    assert_eq!(counts, [1000, 1000, 500]);
}

#[tokio::test]
async fn a_database_that_may_not_be_the_newest_seals_nothing() {
    type Spoil = fn(&World);
    let cases: [(&str, Spoil, Continuity); 3] = [
        (
            "an old copy of the database was put back",
            |w| {
                let database = w.home.database().join("seat.db");
                std::fs::remove_file(w.home.database().join("seat.db-wal")).ok();
                std::fs::rename(database.with_extension("old"), database).expect("put back");
            },
            Continuity::DatabaseBehind,
        ),
        (
            "the database is gone",
            |w| std::fs::remove_dir_all(w.home.database()).expect("removed"),
            Continuity::DatabaseBehind,
        ),
        (
            "the mark is gone",
            |w| std::fs::remove_file(w.home.mark_file()).expect("removed"),
            Continuity::NoMark,
        ),
    ];
    for (what, spoil, expected) in cases {
        let w = World::new();
        let store = w.store().await;
        let sealer = w.sealer(&store).await.expect("sealer");
        store.close().await;
        drop((sealer, store));
        let database = w.home.database().join("seat.db");
        std::fs::copy(&database, database.with_extension("old")).expect("copied");
        let store = w.store().await;
        let mut sealer = w.sealer(&store).await.expect("sealer");
        capture(&store, Lane::Records, &[entry("a", "X", None)], 0).await;
        sealer.step(0, || [1; 32]).await.expect("sealed");
        store.close().await;
        drop((sealer, store));
        spoil(&w);
        let store = w.store().await;
        match w.sealer(&store).await {
            Err(SealFault::NotContinuous(found)) => assert_eq!(found, expected, "{what}"),
            Err(other) => panic!("{what}: {other}"),
            Ok(_) => panic!("{what}: sealing went on"),
        }
    }
    // and the folder must be the one it was
    let w = World::new();
    let store = w.store().await;
    w.sealer(&store).await.expect("sealer");
    let moved = w.sealer_in(&store, Path::new("/")).await;
    assert!(matches!(
        moved,
        Err(SealFault::NotContinuous(Continuity::OtherFolder))
    ));
}
