//! What is not taken in: bounded per origin and peer, and there after a restart.

use protocol::name::SeatId;
use store::{
    EVIDENCE_PER_SEAT_MAX, EvidenceRow, HELD_LOGS_PER_PEER_MAX, HeldRow, HeldStatementRow,
    IntakeGroup, SkippedRow, StoppedRow, Store, UnreadItemRow,
};

use crate::make::{opening, reference, seat};

fn held(origin: u8, log: &str, from_sequence: u64, reason: u16) -> HeldRow {
    HeldRow {
        seat: seat(origin),
        lane: 2,
        opening: reference(log),
        from_sequence,
        reason,
        from_peer: seat(9),
        at_us: 4,
    }
}

async fn hold(store: &Store, held: Vec<HeldRow>) -> u64 {
    let group = IntakeGroup {
        held,
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap().over_quota
}

pub async fn a_hold_keeps_its_first_sequence(store: Store) {
    for (from_sequence, reason) in [(5, 1), (7, 2), (3, 3)] {
        hold(&store, vec![held(1, "log", from_sequence, reason)]).await;
    }
    let kept = store.held().await.unwrap();
    assert_eq!(kept, [held(1, "log", 3, 3)]);
    store.held_done(seat(1), 2, reference("log")).await.unwrap();
    assert!(store.held().await.unwrap().is_empty());
}

pub async fn one_origin_has_so_many_logs_held_and_no_more(store: Store) {
    let many = (0..64).map(|n| held(1, &n.to_string(), 1, 2)).collect();
    assert_eq!(hold(&store, many).await, 0);
    assert_eq!(hold(&store, vec![held(1, "one more", 1, 2)]).await, 1);
    assert_eq!(
        hold(&store, vec![held(1, "3", 1, 2)]).await,
        0,
        "one that is held already stays"
    );
    assert_eq!(
        hold(&store, vec![held(2, "of another", 1, 2)]).await,
        0,
        "the share is the origin's"
    );
    assert_eq!(store.held().await.unwrap().len(), 65);
}

pub async fn one_peer_has_brought_so_many_held_logs_and_no_more(store: Store) {
    let origin = |n: usize| {
        let mut bytes = [7; 16];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        SeatId(bytes)
    };
    let of = |n: usize| HeldRow {
        seat: origin(n),
        ..held(1, "log", 1, 1)
    };
    let all = HELD_LOGS_PER_PEER_MAX;
    assert_eq!(hold(&store, (0..all).map(of).collect()).await, 0);
    assert_eq!(hold(&store, vec![of(all), of(all + 1)]).await, 2);
    let of_another = HeldRow {
        from_peer: seat(8),
        ..of(all)
    };
    assert_eq!(hold(&store, vec![of_another]).await, 0);
    assert_eq!(store.held().await.unwrap().len(), all + 1);
}

pub async fn a_stop_survives_and_keeps_its_first_reason(store: Store) {
    let stop = |sequence, reason| StoppedRow {
        seat: seat(1),
        lane: 2,
        opening: opening(),
        sequence,
        reason,
        detail: format!("第 {sequence} 批"),
        at_us: 7,
    };
    let group = IntakeGroup {
        stopped: vec![stop(5, 8)],
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap();
    store.stop(stop(9, 5)).await.unwrap();
    assert_eq!(store.stopped().await.unwrap(), [stop(5, 8)]);
    assert!(store.stopped_done(seat(1), 2, opening()).await.unwrap());
    assert!(!store.stopped_done(seat(1), 2, opening()).await.unwrap());
    assert!(store.stopped().await.unwrap().is_empty());
}

pub async fn statements_wait_within_the_share_of_their_peer(store: Store) {
    let row = |peer: u8, n: u32| HeldStatementRow {
        reference: reference(&format!("statement {peer} {n}")),
        missing: reference("issuer"),
        from_peer: seat(peer),
        bytes: vec![1],
        at_us: i64::from(n),
    };
    let put = async |held_statements| {
        let group = IntakeGroup {
            held_statements,
            ..IntakeGroup::default()
        };
        store.intake(group).await.unwrap().over_quota
    };
    assert_eq!(put((0..1_024).map(|n| row(1, n)).collect()).await, 0);
    assert_eq!(put(vec![row(1, 5), row(1, 2_000), row(2, 1)]).await, 1);
    let waiting = store.held_statements().await.unwrap();
    assert_eq!(waiting.len(), 1_025);
    assert_eq!(waiting[0], row(1, 0), "the oldest first");
    let group = IntakeGroup {
        released_statements: waiting.iter().map(|s| s.reference).collect(),
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap();
    assert!(store.held_statements().await.unwrap().is_empty());
}

pub async fn what_a_peer_refused_is_offered_again_under_another_release(store: Store) {
    let row = |peer: u8, offset, release: &str| SkippedRow {
        peer: seat(peer),
        class: 2,
        offset,
        reason: "不合约定".into(),
        release: release.into(),
        at_us: 1,
    };
    for one in [
        row(1, 5, "0.1"),
        row(1, 3, "0.2"),
        row(2, 3, "0.1"),
        row(1, 7, ""),
    ] {
        store.skip(one).await.unwrap();
    }
    store.skip(row(1, 5, "0.2")).await.unwrap();
    assert_eq!(store.skipped(Some(seat(1))).await.unwrap().len(), 3);
    assert_eq!(store.skipped(None).await.unwrap().len(), 4);
    assert_eq!(
        store.unskip(seat(1), Some("0.2")).await.unwrap(),
        [row(1, 7, "")],
        "what was refused by another release"
    );
    assert_eq!(
        store.unskip(seat(1), None).await.unwrap(),
        [row(1, 3, "0.2"), row(1, 5, "0.2")],
        "by command all of it"
    );
    assert_eq!(store.skipped(None).await.unwrap(), [row(2, 3, "0.1")]);
}

pub async fn items_that_are_not_read_wait_within_the_share_of_their_peer(store: Store) {
    let row = |peer: u8, offset| UnreadItemRow {
        peer: seat(peer),
        class: 0,
        offset,
        number: 77,
        body: vec![0; 4 << 20],
        at_us: 1,
    };
    let put = async |unread_items| {
        let group = IntakeGroup {
            unread_items,
            ..IntakeGroup::default()
        };
        store.intake(group).await.unwrap().over_quota
    };
    assert_eq!(put((1..=4).map(|n| row(1, n)).collect()).await, 0);
    assert_eq!(put(vec![row(1, 5), row(2, 1)]).await, 1);
    assert_eq!(store.unread_items().await.unwrap().len(), 5);
    store.unread_item_done(seat(1), 0, 2).await.unwrap();
    assert_eq!(
        put(vec![row(1, 5)]).await,
        0,
        "what was taken in makes room"
    );
}

pub async fn evidence_is_kept_once(store: Store) {
    let row = |name: &str, reason| EvidenceRow {
        reference: reference(name),
        kind: 9,
        seat: seat(1),
        reason,
        bytes: name.as_bytes().to_vec(),
        at_us: 1,
    };
    let group = IntakeGroup {
        evidence: vec![row("a", 5), row("a", 8)],
        ..IntakeGroup::default()
    };
    store.intake(group).await.unwrap();
    assert_eq!(store.evidence().await.unwrap(), [row("a", 5)]);
}

pub async fn so_much_evidence_against_one_seat_is_kept_and_no_more(store: Store) {
    let row = |of: u8, n: usize| EvidenceRow {
        reference: reference(&format!("{of} {n}")),
        kind: 5,
        seat: seat(of),
        reason: 8,
        bytes: vec![1],
        at_us: 1,
    };
    let put = async |rows: Vec<EvidenceRow>| {
        let group = IntakeGroup {
            evidence: rows,
            ..IntakeGroup::default()
        };
        store.intake(group).await.unwrap().over_quota
    };
    let most = EVIDENCE_PER_SEAT_MAX;
    let all = |n: usize| (0..n).map(|n| row(1, n)).collect();
    assert_eq!(put(all(most)).await, 0);
    assert_eq!(put(all(most + 2)).await, 2, "the first ones stay");
    assert_eq!(put(vec![row(2, 0)]).await, 0, "others have their own");
}
