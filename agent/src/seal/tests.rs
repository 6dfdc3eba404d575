//! Sealing: what waits goes out in order, once, under one sync, and never from a database that is behind.

use std::path::Path;

use protocol::directory::Directory;
use protocol::entry::{Hint, Key, Subject};
use protocol::slice::{unpack, verify, verify_header};
use protocol::standard_hash::StandardHash;
use protocol::value::Value;

use super::testing::{capture, entry, of_head};
use super::*;
use crate::home::Home;
use crate::home::testing as admitted;

struct World {
    folder: tempfile::TempDir,
    home: Home,
    admission: Admission,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let home = Home::at(folder.path()).expect("home");
        let admission = admitted::admit(&home);
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
            || [5; 32],
        )
        .await
    }
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
                .or_insert_with(|| LogState::start(opening.opening(), opening.reference(), lane));
            assert!(state.expects(header.header()), "the log has no gap");
            state.advance(header.reference());
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
                        head.was.subject.as_ref().map_or(String::new(), |s| format!(
                            "<{}",
                            s.text(&admission.own().seat, &head.record_type, &head.key)
                        ))
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

/// A record that reads again as others know it has not changed: neither subject nor audience was another one.
#[tokio::test]
async fn a_subject_that_came_back_was_never_another() {
    let w = World::new();
    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("sealer");
    let entries = [entry("a", "Y", Some("X")), entry("b", "B", None)];
    capture(&store, Lane::Records, &entries, 0).await;
    capture(&store, Lane::Records, &[entry("a", "X", Some("Y"))], 0).await;
    let step = sealer.step(0, || [1; 32]).await.expect("one");
    assert_eq!(step, SealStep::Sealed(1));
    assert_eq!(sent(&store, &w.admission).await[0].2, ["a", "b"]);
}

/// What is together over the bounds of a batch goes as several, in order; nothing is left behind and nothing sent twice.
#[tokio::test]
async fn entries_that_are_too_much_for_a_batch_go_as_several() {
    let w = World::new();
    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("sealer");
    // a thousand audiences of their own are more than a header holds
    let entries: Vec<Vec<u8>> = (0..1_000)
        .map(|n: u64| {
            let key = Key::columns(&[Value::Integer(n as i64)]);
            let mut head = Head::state(
                "registration",
                key,
                "cn.registration",
                1,
                StandardHash::default(),
            );
            let seats = (0..16).map(|m| {
                let mut seat = [m; 16];
                seat[1..9].copy_from_slice(&n.to_be_bytes());
                protocol::name::SeatId(seat)
            });
            head.hint = Hint::Seats(seats.collect());
            head.subject = Subject::Unidentified;
            of_head(&head, &[])
        })
        .collect();
    capture(&store, Lane::Records, &entries[..500], 0).await;
    capture(&store, Lane::Records, &entries[500..], 0).await;
    let step = sealer.step(0, || [1; 32]).await.expect("several");
    assert_eq!(step, SealStep::Sealed(2));
    let sent = sent(&store, &w.admission).await;
    let counts: Vec<usize> = sent.iter().map(|(_, _, keys)| keys.len()).collect();
    assert_eq!(counts, [500, 500]);
    let keys: std::collections::BTreeSet<&String> =
        sent.iter().flat_map(|(_, _, keys)| keys).collect();
    assert_eq!(keys.len(), 1_000);
    assert_eq!(
        store.queue_state().await.expect("state").unsealed_entries,
        0
    );
}

#[tokio::test]
async fn the_opening_is_the_first_epoch_and_names_no_former_one() {
    let w = World::new();
    let store = w.store().await;
    let sealer = w.sealer(&store).await.expect("sealer");
    let envelope = sealer.opening().clone();
    let opening = EpochOpening::from_bytes(&envelope.bytes).expect("an opening");
    assert_eq!(
        (opening.counter, opening.identity),
        (1, w.admission.identity.reference())
    );
    assert!(opening.last_known.is_empty() && opening.void.is_empty());
    drop(sealer);
    let again = w.sealer(&store).await.expect("again");
    assert_eq!(*again.opening(), envelope, "opened once");
    let mark = Mark::read(&w.home.mark_file())
        .expect("read")
        .expect("a mark");
    assert_eq!(mark.sealed, [None; 3]);
}

#[tokio::test]
async fn what_was_halted_seals_nothing_and_keeps_what_waits() {
    let w = World::new();
    let store = w.store().await;
    let mut sealer = w.sealer(&store).await.expect("sealer");
    capture(&store, Lane::Records, &[entry("a", "X", None)], 0).await;
    sealer.progress().halt("第一个原因");
    sealer.progress().halt("第二个原因");
    for _ in 0..2 {
        let refused = sealer.step(0, || [1; 32]).await.expect_err("halted");
        assert_eq!(refused.to_string(), "第一个原因");
    }
    let state = store.queue_state().await.expect("state");
    assert_eq!((state.unsealed_entries, state.sealed_batches), (1, 0));
}
