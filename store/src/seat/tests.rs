//! The seat's store: one process a folder, pages kept whole, the outbox consumed as it was sealed.

use protocol::hash::{Hash, Ref};
use protocol::name::{HybridTime, Lane, SeatId};

use super::*;

fn capture(source: i64, n: u8) -> Capture {
    Capture {
        source,
        fingerprint: vec![7],
        position: vec![n],
        chunks: vec![Chunk {
            lane: Lane::Records,
            entries: 2,
            body: vec![n; 10],
        }],
        images: (0..3)
            .map(|at| ImageRow {
                identity: vec![n, at],
                image: Image {
                    row_hash: [at; 16],
                    refused: (at == 2).then(|| Told {
                        key: vec![9],
                        subject: vec![0],
                    }),
                    stated: (at < 2).then(|| Stated {
                        key: vec![1, 2, 3],
                        subject: vec![0],
                        hint: vec![4],
                    }),
                },
            })
            .collect(),
        rejects: vec![RejectRow {
            identity: vec![n, 2],
            position: format!("T:ID={n}"),
            reasons: "[]".to_owned(),
            row: "{}".to_owned(),
        }],
        rows_read: 3,
        rows_stated: 2,
        now_ms: 1_000,
        ..Capture::default()
    }
}

fn sealing(sequence: u64, consumed: Vec<i64>) -> Sealing {
    Sealing {
        batch: Sealed {
            lane: Lane::Records,
            sequence,
            reference: Ref::of(Hash([sequence as u8; 32])),
            entries: 2,
            captured_ms: 1_000,
            header: vec![1; 20],
            body: vec![2; 30],
        },
        consumed,
        frontier: Frontier {
            sequence,
            header: Ref::of(Hash([sequence as u8; 32])),
            history: vec![9],
            hybrid_time: HybridTime(u64::MAX),
        },
    }
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("first");
    let second = SeatStore::open(folder.path()).await;
    let Err(OpenSeatError::InUse { holder, .. }) = second else {
        panic!("the second open must say that the folder is in use");
    };
    assert!(holder.contains(&std::process::id().to_string()));
    store.close().await;
    drop(store);
    SeatStore::open(folder.path())
        .await
        .expect("free again after the first has gone");
}

#[tokio::test]
async fn a_page_is_kept_whole_and_found_again() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let source = store.source("登记").await.expect("source");
    assert_eq!(source.generation, 1);
    assert!(source.position.is_empty());
    let first = capture(source.id, 1);
    store.commit_capture(&first).await.expect("commit");
    assert_eq!(store.queued_bytes(), 10);
    drop(store);

    let store = SeatStore::open(folder.path()).await.expect("open again");
    assert_eq!(store.queued_bytes(), 10);
    let again = store.source("登记").await.expect("source");
    assert_eq!((again.id, again.position.as_slice()), (source.id, &[1][..]));
    let images = store
        .images(source.id, &[&[1, 0], &[1, 2], &[9, 9]])
        .await
        .expect("images");
    assert_eq!(images.len(), 2);
    assert_eq!(images[&vec![1, 0]], first.images[0].image);
    assert_eq!(images[&vec![1, 2]], first.images[2].image);
    let rejects = store.rejects(Some("登记"), 0, 10).await.expect("rejects");
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].position, "T:ID=1");

    let mended = Capture {
        source: source.id,
        mended: vec![vec![1, 2]],
        ..Capture::default()
    };
    store.commit_capture(&mended).await.expect("mended");
    let report = store.source_reports().await.expect("report").remove(0);
    assert_eq!((report.rows_read, report.refused), (3, 0));
}

#[tokio::test]
async fn a_key_that_another_row_states_is_found() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let source = store.source("登记").await.expect("source");
    store
        .commit_capture(&capture(source.id, 1))
        .await
        .expect("commit");
    let keys = std::collections::HashSet::from([vec![1, 2, 3], vec![9]]);
    let check = async |except: &[&[u8]]| {
        let except = except.iter().map(|i| i.to_vec()).collect();
        store
            .stated_elsewhere(source.id, &keys, &except)
            .await
            .expect("scan")
            .len()
    };
    assert_eq!(check(&[&[1, 0]]).await, 1, "row 1 states it, too");
    assert_eq!(check(&[&[1, 0], &[1, 1]]).await, 0);
}

#[tokio::test]
async fn chunks_are_consumed_whole_by_the_sealing_that_holds_them() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let source = store.source("登记").await.expect("source");
    for n in 1..=5 {
        store
            .commit_capture(&capture(source.id, n))
            .await
            .expect("commit");
    }
    let taken = store
        .unsealed(Lane::Records, 5, 1_000)
        .await
        .expect("unsealed");
    assert_eq!(taken.iter().map(|c| c.entries).sum::<u32>(), 4);
    let one = store
        .unsealed(Lane::Records, 1, 1)
        .await
        .expect("at least one");
    assert_eq!(one.len(), 1);
    assert!(
        store
            .unsealed(Lane::Cases, 5, 5)
            .await
            .expect("other lane")
            .is_empty()
    );

    let offset = store
        .commit_sealing(
            &[
                sealing(1, taken.iter().map(|c| c.id).collect()),
                sealing(2, Vec::new()),
            ],
            [1; 16],
        )
        .await
        .expect("seal");
    assert_eq!(offset, 2);
    assert_eq!(store.queued_bytes(), 30 + 100);
    let (sent, all) = store
        .sealed_after(Lane::Records, 0, 9, 60)
        .await
        .expect("page");
    assert_eq!((sent.len(), all), (1, false), "a page is bounded in bytes");
    assert_eq!(sent[0].offset, 1);
    let (sent, all) = store
        .sealed_after(Lane::Records, 0, 1, 1_000)
        .await
        .expect("page");
    assert_eq!((sent.len(), all), (1, true), "and in offsets");
    let head = store
        .frontier(Lane::Records)
        .await
        .expect("frontier")
        .expect("some");
    assert_eq!((head.sequence, head.hybrid_time.0), (2, u64::MAX));

    let prune = async |hash| {
        store
            .prune(Lane::Records, 1, Ref::of(Hash([hash; 32])))
            .await
            .expect("prune")
    };
    assert_eq!(prune(9).await, 0, "another header is not ours to forget by");
    assert_eq!(prune(1).await, 1);
    assert_eq!(store.queued_bytes(), 30 + 50);
    assert_eq!(store.feed_head().await.expect("head"), 2);
    let offset = store
        .commit_sealing(&[sealing(3, Vec::new())], [2; 16])
        .await
        .expect("seal");
    assert_eq!(offset, 3, "offsets are not used twice after pruning");
    let state = store.queue_state().await.expect("state");
    assert_eq!((state.unsealed_entries, state.sealed_batches), (6, 2));
    assert_eq!(state.sealed_up_to, [0, 0, 3]);
    drop(store);
    let store = SeatStore::open(folder.path()).await.expect("open again");
    assert_eq!(store.queued_bytes(), 130);
}

/// A peer says where it stands by an offset and the token that came with it: both outlive the batches.
#[tokio::test]
async fn an_offset_of_the_feed_keeps_its_token_after_its_batch_is_forgotten() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let at = async |offset| store.token_at(offset).await.expect("token");
    assert_eq!((at(0).await, at(1).await), (Some([0; 16]), None));
    let opening = Ref::of(Hash([8; 32]));
    store
        .commit_opening(opening, b"opening", [1; 16])
        .await
        .expect("opening");
    store
        .commit_sealing(&[sealing(1, Vec::new()), sealing(2, Vec::new())], [2; 16])
        .await
        .expect("seal");
    let tokens = async || {
        let mut tokens = Vec::new();
        for offset in 0..=4 {
            tokens.push(at(offset).await.map(|token| token[0]));
        }
        tokens
    };
    let expected = [Some(0), Some(1), Some(2), Some(2), None];
    assert_eq!(tokens().await, expected, "one for each transaction");
    let (rows, _) = store
        .sealed_after(Lane::Records, 0, 9, 1_000)
        .await
        .expect("page");
    assert!(rows.iter().all(|row| row.token == [2; 16]));
    let header = Ref::of(Hash([2; 32]));
    let pruned = store.prune(Lane::Records, 2, header).await.expect("prune");
    assert_eq!((pruned, tokens().await), (2, expected.to_vec()));

    // they are not kept for ever, only for longer than anybody's cursor stands back
    let many: Vec<Sealing> = (3..=4_103).map(|n| sealing(n, Vec::new())).collect();
    store.commit_sealing(&many, [3; 16]).await.expect("seal");
    let header = Ref::of(Hash([4_103_u64 as u8; 32]));
    store
        .prune(Lane::Records, 4_103, header)
        .await
        .expect("prune");
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM feed_step")
        .fetch_one(&store.reader)
        .await
        .expect("count");
    assert_eq!(count, 2, "the newest and the opening's");
    assert_eq!(at(1).await, Some([1; 16]));
    assert_eq!(at(4_104).await, Some([3; 16]));
}

#[tokio::test]
async fn the_newest_header_is_known_after_its_batch_is_forgotten() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    assert!(store.tips().await.expect("tips").is_empty());
    let both = [sealing(1, Vec::new()), sealing(2, Vec::new())];
    store.commit_sealing(&both, [1; 16]).await.expect("seal");
    let header = |n: u8| Ref::of(Hash([n; 32]));
    let at = async |lane, sequence| store.header_at(lane, sequence).await.expect("header");
    assert_eq!(at(Lane::Records, 1).await, (2, Some(header(1))));
    assert_eq!(
        store.oldest_behind(Lane::Records, 1).await.expect("age"),
        Some(1_000)
    );
    assert_eq!(
        store.oldest_behind(Lane::Records, 2).await.expect("age"),
        None
    );
    store
        .prune(Lane::Records, 2, header(2))
        .await
        .expect("prune");
    assert_eq!(at(Lane::Records, 1).await, (2, None));
    assert_eq!(at(Lane::Records, 2).await, (2, Some(header(2))));
    assert_eq!(at(Lane::Records, 3).await, (2, None));
    assert_eq!(at(Lane::Cases, 0).await, (0, None));
    let tips = store.tips().await.expect("tips");
    assert_eq!(
        (tips.len(), tips[0].sequence, tips[0].header),
        (1, 2, header(2))
    );
    assert_eq!(tips[0].envelope, vec![1; 20]);
}

#[tokio::test]
async fn what_was_heard_is_there_again_after_a_start() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let receipt = |envelope: u8| ReceiptRow {
        node: SeatId([5; 16]),
        lane: Lane::Records,
        heard_ms: 1,
        envelope: vec![envelope],
    };
    // which one counts was judged before
    store
        .put_receipts(&[receipt(4), receipt(9)])
        .await
        .expect("put");
    let statement = |n: u8| (Ref::of(Hash([n; 32])), vec![n]);
    store
        .put_statements(&[statement(2), statement(1)])
        .await
        .expect("put");
    store
        .put_statements(&[statement(1), statement(3)])
        .await
        .expect("put");
    let item = |offset, release: &str| Skipped {
        peer: SeatId([5; 16]),
        class: 2,
        offset,
        reason: "不合规定".to_owned(),
        release: release.to_owned(),
        at_ms: offset as i64,
    };
    for skipped in [item(7, "1"), item(8, "1"), item(7, "2")] {
        store.skip(&skipped).await.expect("skipped");
    }
    store.put_meta("x", b"1").await.expect("put");
    store.put_meta("y", b"2").await.expect("put");
    store.drop_meta("x").await.expect("dropped");
    drop(store);

    let store = SeatStore::open(folder.path()).await.expect("open again");
    assert_eq!(store.receipts().await.expect("receipts"), [receipt(9)]);
    let statements = store.statements().await.expect("statements");
    assert_eq!(
        statements,
        [[2], [1], [3]],
        "in the order in which they came"
    );
    let skipped = store.skipped().await.expect("skipped");
    assert_eq!(skipped, [item(7, "2"), item(8, "1")]);
    let unskip = async |release| {
        let told = store.unskip(SeatId([5; 16]), release).await;
        told.expect("unskipped");
        store.skipped().await.expect("skipped").len()
    };
    assert_eq!(unskip("2").await, 1, "another release may read it");
    assert_eq!(unskip("2").await, 1);
    assert_eq!(unskip("3").await, 0);
    assert_eq!(store.meta("x").await.expect("meta"), None);
    assert_eq!(store.meta("y").await.expect("meta"), Some(b"2".to_vec()));
}

/// A database of the time before the bytes were final is not read as if it were one of today's.
#[tokio::test]
async fn a_database_of_a_trial_release_is_refused_in_words() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let mut tx = store.begin().await.expect("begin");
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1")
        .execute(&mut *tx)
        .await
        .expect("another text");
    tx.commit().await.expect("committed");
    store.close().await;
    drop(store);
    let Err(error) = SeatStore::open(folder.path()).await else {
        panic!("it was opened");
    };
    assert!(matches!(error, OpenSeatError::FormerCut { .. }), "{error}");
    assert!(error.to_string().contains("试用版"));
}

/// What the system does when the disk is full, SQLite does at a bound of its own: it ends the transaction by itself.
#[tokio::test]
async fn a_full_disk_loses_nothing_and_heals_by_itself() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let source = store.source("登记").await.expect("source").id;
    let page = |n: u32| {
        let mut page = capture(source, 1);
        page.position = n.to_be_bytes().to_vec();
        page.chunks[0].body = vec![1; 5_000];
        page.images[0].identity = n.to_be_bytes().to_vec();
        page
    };
    store.set_full(true).await.expect("a bound");
    let mut kept = 0;
    let failed = loop {
        match store.commit_capture(&page(kept)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1_000, "never full");
    };
    assert!(matches!(failed, SeatError::Full(_)), "{failed:?}");
    for _ in 0..3 {
        let again = store.commit_capture(&page(kept)).await;
        assert!(matches!(again, Err(SeatError::Full(_))), "{again:?}");
        let other = store.put_meta("x", &[0; 9_000]).await;
        assert!(matches!(other, Err(SeatError::Full(_))), "{other:?}");
    }
    let state = store.queue_state().await.expect("state");
    assert_eq!(state.unsealed_entries, u64::from(kept) * 2);
    assert_eq!(state.bytes, u64::from(kept) * 5_000);

    store.set_full(false).await.expect("no bound");
    store.commit_capture(&page(kept)).await.expect("at once");
    let state = store.queue_state().await.expect("state");
    assert_eq!(state.unsealed_entries, u64::from(kept + 1) * 2);
    let position = store.source("登记").await.expect("source").position;
    assert_eq!(position, kept.to_be_bytes());
    store.close().await;
}

/// A database of the first release counts what it holds when it is opened.
#[tokio::test]
async fn an_older_database_counts_what_it_holds() {
    let folder = tempfile::tempdir().expect("folder");
    let store = SeatStore::open(folder.path()).await.expect("open");
    let source = store.source("登记").await.expect("source");
    let mut page = capture(source.id, 1);
    (page.rows_new, page.records_more) = (3, 2);
    store.commit_capture(&page).await.expect("commit");
    let counted = |report: &SourceReport| (report.rows_known, report.records_stated);
    let before = store.source_reports().await.expect("reports");
    assert_eq!(counted(&before[0]), (3, 2));
    // as the first release left it
    let mut tx = store.begin().await.expect("begun");
    for sql in [
        "ALTER TABLE source DROP COLUMN rows_known",
        "ALTER TABLE source DROP COLUMN records_stated",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
    ] {
        sqlx::query(sql).execute(&mut *tx).await.expect(sql);
    }
    tx.commit().await.expect("committed");
    store.close().await;
    drop(store);
    let store = SeatStore::open(folder.path()).await.expect("open again");
    let after = store.source_reports().await.expect("reports");
    assert_eq!(counted(&after[0]), (3, 2));
}
