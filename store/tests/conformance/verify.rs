//! What a verification reads: every row once, in its order, whatever the page.

use store::verify::{BlockPlace, LogRef};
use store::{ApplyGroup, EventRow, FoldGroup, IntakeGroup, ItemKind, Store, UnsettledRow};

use crate::make::{block, entity, envelope, opening, part, record, refusal, seat};

const LAST: [u8; 16] = [255; 16];

fn log(origin: u8, lane: u8) -> LogRef {
    LogRef {
        seat: seat(origin),
        lane,
        opening: opening(),
    }
}

pub async fn the_log_is_read_row_by_row(store: Store) {
    let group = IntakeGroup {
        envelopes: vec![envelope(1), envelope(2)],
        blocks: vec![
            block(7, 2, 2),
            block(7, 2, 1),
            part(7, 2, 3, b"some"),
            block(8, 1, 1),
        ],
        events: vec![EventRow {
            class: 2,
            bytes: b"event".to_vec(),
            regions: Vec::new(),
        }],
        token: [5; 16],
        at_us: 1,
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap();
    // a second block of the same header
    let more = IntakeGroup {
        blocks: vec![part(7, 2, 3, b"more")],
        from_peer: Some(seat(9)),
        at_us: 2,
        ..IntakeGroup::default()
    };
    store.intake(more).await.unwrap();

    let mut kinds = Vec::new();
    let mut after = 0;
    loop {
        let page = store.feed_outline(after, u64::MAX, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.offset;
        for row in page {
            assert!(row.there && row.token, "{row:?}");
            kinds.push((row.offset, row.kind));
        }
    }
    let (e, b, r) = (
        Some(ItemKind::Envelope),
        Some(ItemKind::Block),
        Some(ItemKind::Event),
    );
    let expected = [
        (1, e),
        (2, e),
        (3, b),
        (4, b),
        (5, b),
        (6, b),
        (7, r),
        (8, b),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(store.feed_outline(6, 7, 9).await.unwrap().len(), 1);
    assert_eq!(
        store.own_events(0, 9).await.unwrap(),
        [(7, b"event".to_vec())]
    );
    assert_eq!(store.own_events(7, 9).await.unwrap(), []);

    let mut read = Vec::new();
    let mut after = None;
    loop {
        let page = store.stored_envelopes(after.take(), 1).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.arrival, last.reference_bytes.clone()));
        read.extend(
            page.into_iter()
                .map(|row| (row.reference, row.read, row.kind)),
        );
    }
    assert_eq!(read.len(), 4, "with those that blocks stand on");
    let arrived: Vec<_> = [envelope(1), envelope(2)]
        .map(|row| (Some(row.reference), true, 1))
        .into();
    assert_eq!(read[2..], arrived);

    let (logs, unreadable) = store.stored_logs().await.unwrap();
    assert_eq!((logs, unreadable), (vec![log(7, 2), log(8, 1)], 0));
    let mut headers = Vec::new();
    let mut after = (0, Vec::new());
    loop {
        let page = store
            .stored_headers(log(7, 2), (after.0, &after.1), 1)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = (last.sequence, last.reference_bytes.clone());
        headers.extend(page);
    }
    let told: Vec<_> = headers
        .iter()
        .map(|h| (h.sequence, h.parts.as_deref(), h.blocks, h.entries))
        .collect();
    let more: Option<&[u8]> = Some(b"more");
    assert_eq!(told, [(1, None, 1, 10), (2, None, 1, 10), (3, more, 2, 10)]);

    let end = |at: usize| BlockPlace {
        sequence: headers[at].sequence,
        reference: headers[at].reference_bytes.clone(),
        offset: 0,
    };
    let mut blocks = Vec::new();
    let mut after = BlockPlace::default();
    loop {
        let page = store
            .stored_blocks(log(7, 2), &after, &end(2), 1)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        assert_eq!(page.len(), 1, "at least one, whatever its size");
        after = last.place.clone();
        blocks.extend(
            page.into_iter()
                .map(|b| (b.place.sequence, b.place.offset, b.body)),
        );
    }
    let body = vec![7; 100];
    assert_eq!(
        blocks,
        [
            (1, 4, body.clone()),
            (2, 3, body.clone()),
            (3, 5, body.clone()),
            (3, 8, body)
        ]
    );
    let some = store
        .stored_blocks(log(7, 2), &BlockPlace::default(), &end(1), 1 << 20)
        .await
        .unwrap();
    assert_eq!(some.len(), 2, "up to those of the second header");
}

pub async fn views_are_read_row_by_row(store: Store) {
    let rows: Vec<_> = (1..=9).map(|n| record(n, n)).collect();
    let group = ApplyGroup {
        through: 1,
        records: rows.clone(),
        refusals: (1..=3).map(|n| refusal(n, 1)).collect(),
        closed_refusals: vec![[2; 16]],
        dirty: vec![rows[4].subject, 4_711],
        ..ApplyGroup::default()
    };
    store.apply(group).await.unwrap();
    assert_eq!(store.records_count().await.unwrap(), 9);
    let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    let mut read = Vec::new();
    let mut after = None;
    loop {
        let page = store.record_page(after, ids[7], 2).await.unwrap();
        let Some((id, _)) = page.last() else { break };
        after = Some(*id);
        read.extend(page);
    }
    assert_eq!(read.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids[..8]);
    assert!(
        read.iter()
            .all(|(_, row)| rows.iter().any(|r| row.as_ref() == Some(r)))
    );

    let mut open = Vec::new();
    let mut after = None;
    while let Some(row) = store
        .open_refusals_page(after, LAST, 1)
        .await
        .unwrap()
        .pop()
    {
        after = Some(row.id);
        open.push(row.id);
    }
    assert_eq!(
        open,
        [[1; 16], [2; 16], [3; 16]],
        "opened in the same group"
    );
    let close = ApplyGroup {
        through: 2,
        closed_refusals: vec![[2; 16]],
        ..ApplyGroup::default()
    };
    store.apply(close).await.unwrap();
    let open = store.open_refusals_page(None, LAST, 9).await.unwrap();
    assert_eq!(open.len(), 2);

    let mut subjects: Vec<u64> = rows.iter().map(|row| row.subject).collect();
    subjects.sort_unstable();
    let mut read = Vec::new();
    while let Some(subject) = store
        .subjects_page(read.last().copied(), 1)
        .await
        .unwrap()
        .pop()
    {
        read.push(subject);
    }
    assert_eq!(read, subjects);
    let mut dirty = store.dirty_among(&subjects).await.unwrap();
    dirty.sort_unstable();
    assert_eq!(dirty, [rows[4].subject]);

    let mut named = entity(rows[0].subject, "示范 Food 有限公司");
    named.former_names = "旧名有限公司".into();
    named.uscc = "91a".into();
    let unsettled = UnsettledRow {
        subject: rows[1].subject,
        origin: seat(1),
        reasons: 4,
        ..UnsettledRow::default()
    };
    let fold = FoldGroup {
        through: Some(1),
        entities: vec![named.clone(), entity(rows[1].subject, "")],
        unsettled: vec![unsettled.clone()],
        ..FoldGroup::default()
    };
    store.fold(fold).await.unwrap();
    let stored = store.stored_entities(&subjects).await.unwrap();
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|e| e.found), "{stored:?}");
    let kept = stored.iter().find(|e| e.row.subject == named.subject);
    let kept = &kept.expect("the named one").row;
    assert_eq!(
        (kept.name.as_str(), kept.uscc.as_str()),
        (named.name.as_str(), "91A")
    );
    let listed = store.unsettled_among(&subjects).await.unwrap();
    assert_eq!(listed, [unsettled]);
    let mut read = Vec::new();
    while let Some(subject) = store
        .entity_subjects_page(read.last().copied(), 1)
        .await
        .unwrap()
        .pop()
    {
        read.push(subject);
    }
    let mut expected = vec![rows[0].subject, rows[1].subject];
    expected.sort_unstable_by_key(|s| s.cast_signed());
    assert_eq!(read, expected);
    assert_eq!(store.engine_faults().await.unwrap(), Vec::<String>::new());
}
