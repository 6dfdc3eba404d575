//! Peers and people.

use protocol::name::FeedId;
use store::{
    AccountRow, AuditRow, InvitationRow, InvitationUse, LoginSessionRow, PeerRow, PeerState,
    ReceiptRow, Store,
};

use crate::make::{opening, seat};

fn invitation(n: u8) -> InvitationRow {
    InvitationRow {
        secret_hash: [n; 32],
        seat: seat(n),
        kind: 2,
        title: "浦东新区市场监管局".into(),
        department: "市场监管".into(),
        jurisdiction: "310115".into(),
        preapproved: n == 1,
        scope: vec![1, 2],
        expires_at_us: 100,
        by: "admin".into(),
        at_us: i64::from(n),
        used_at_us: None,
    }
}

pub async fn an_invitation_is_used_once(store: Store) {
    assert!(store.invitation_put(&invitation(1)).await.unwrap());
    assert!(
        !store
            .invitation_put(&InvitationRow {
                title: "冒名".into(),
                ..invitation(1)
            })
            .await
            .unwrap()
    );
    store.invitation_put(&invitation(2)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move { store.invitation_use_once([1; 32], 50).await.unwrap() });
    }
    let uses = tasks.join_all().await;
    let used = InvitationRow {
        used_at_us: Some(50),
        ..invitation(1)
    };
    assert_eq!(
        uses.iter()
            .filter(|u| **u == InvitationUse::Used(used.clone()))
            .count(),
        1
    );
    assert_eq!(
        uses.iter()
            .filter(|u| **u == InvitationUse::UsedBefore(50))
            .count(),
        7
    );
    assert_eq!(
        store.invitation_use_once([2; 32], 100).await.unwrap(),
        InvitationUse::Expired(100)
    );
    assert_eq!(
        store.invitation_use_once([3; 32], 50).await.unwrap(),
        InvitationUse::Unknown
    );
    assert_eq!(
        store.invitation_get([2; 32]).await.unwrap(),
        Some(invitation(2))
    );
    assert_eq!(store.invitations().await.unwrap(), [invitation(2), used]);
}

pub async fn peers_keep_their_last_contact(store: Store) {
    let peer = |n: u8, state| PeerRow {
        seat: seat(n),
        kind: 3,
        title: "代理".into(),
        department: "税务".into(),
        jurisdiction: "310115".into(),
        tls_key: [n / 2; 32],
        state,
        reason: String::new(),
        fingerprint: "ab:cd".into(),
        by: "admin".into(),
        at_us: 5,
        last_contact_us: 0,
    };
    for n in 1..=3 {
        store.peer_put(&peer(n, PeerState::Pending)).await.unwrap();
    }
    store
        .peer_contact(&[seat(2), seat(3), seat(99)], 70)
        .await
        .unwrap();
    store.peer_contact(&[seat(2)], 60).await.unwrap();
    store.peer_put(&peer(2, PeerState::Approved)).await.unwrap();
    let expected = PeerRow {
        last_contact_us: 70,
        ..peer(2, PeerState::Approved)
    };
    assert_eq!(store.peer(seat(2)).await.unwrap(), Some(expected.clone()));
    let under_key = store.peers_by_tls_key([1; 32]).await.unwrap();
    assert_eq!(
        under_key.iter().map(|p| p.seat).collect::<Vec<_>>(),
        [seat(2), seat(3)]
    );
    assert_eq!(store.peers().await.unwrap().len(), 3);
    assert!(store.peers_by_tls_key([9; 32]).await.unwrap().is_empty());
}

pub async fn accounts_sessions_and_acts(store: Store) {
    let account = AccountRow {
        name: "wang".into(),
        title: "王某".into(),
        role: "operator".into(),
        password_hash: "$argon2id$…".into(),
        disabled: false,
        failed: 0,
        locked_until_us: 0,
        at_us: 1,
    };
    store.account_put(&account).await.unwrap();
    for (failures, locked_until_us) in [(1, 0), (2, 30), (3, 40)] {
        let until = 20 + 10 * i64::from(failures) - 10;
        assert_eq!(
            store.account_failed("wang", 2, until).await.unwrap(),
            failures
        );
        let failed = AccountRow {
            failed: failures,
            locked_until_us,
            ..account.clone()
        };
        assert_eq!(store.account_get("wang").await.unwrap(), Some(failed));
    }
    assert_eq!(store.account_failed("nobody", 2, 40).await.unwrap(), 0);
    store.account_succeeded("wang").await.unwrap();
    assert_eq!(
        store.account_get("wang").await.unwrap(),
        Some(account.clone())
    );
    assert_eq!(store.account_get("wang\0").await.unwrap(), None);
    store.account_put(&account).await.unwrap();
    assert_eq!(store.accounts().await.unwrap(), [account]);

    let session = |n: u8, idle_until_us| LoginSessionRow {
        token_hash: [n; 32],
        account: "wang".into(),
        begun_us: 0,
        idle_until_us,
        until_us: 100,
    };
    store.login_session_put(&session(1, 10)).await.unwrap();
    assert_eq!(
        store.login_session_get([1; 32], 9).await.unwrap(),
        Some(session(1, 10))
    );
    assert_eq!(store.login_session_get([1; 32], 10).await.unwrap(), None);
    store.login_session_put(&session(1, 500)).await.unwrap();
    assert_eq!(
        store.login_session_get([1; 32], 99).await.unwrap(),
        Some(session(1, 500))
    );
    assert_eq!(store.login_session_get([1; 32], 100).await.unwrap(), None);
    store.login_session_put(&session(2, 20)).await.unwrap();
    store.login_session_put(&session(3, 90)).await.unwrap();
    store.login_session_delete([9; 32], 20).await.unwrap();
    assert_eq!(store.login_session_get([2; 32], 0).await.unwrap(), None);
    assert!(store.login_session_get([3; 32], 0).await.unwrap().is_some());
    store.login_sessions_end("wang").await.unwrap();
    assert_eq!(store.login_session_get([3; 32], 0).await.unwrap(), None);

    // several at once, the oldest first to go; what has run out goes altogether
    for n in 1..=5 {
        let at = |n: u8, account: &str| LoginSessionRow {
            token_hash: [n; 32],
            account: account.into(),
            begun_us: i64::from(n),
            idle_until_us: 100 * i64::from(n),
            until_us: 1_000,
        };
        store.login_session_put(&at(n, "wang")).await.unwrap();
        store.login_session_put(&at(10 + n, "li")).await.unwrap();
    }
    let held = async || {
        let mut held = Vec::new();
        for n in 1..=15 {
            if store.login_session_get([n; 32], 0).await.unwrap().is_some() {
                held.push(n);
            }
        }
        held
    };
    store.login_sessions_keep("wang", 2).await.unwrap();
    assert_eq!(held().await, [4, 5, 11, 12, 13, 14, 15]);
    store.login_sessions_expire(400).await.unwrap();
    assert_eq!(held().await, [5, 11, 12, 13, 14, 15]);
    store.login_sessions_expire(1_000).await.unwrap();
    assert_eq!(held().await, [0_u8; 0]);

    for n in 1..=3 {
        let act = AuditRow {
            seq: 0,
            at_us: n,
            account: "wang".into(),
            action: "approve".into(),
            object: format!("peer {n}"),
            detail: String::new(),
        };
        store.audit_append(&act).await.unwrap();
    }
    let page = store.audit_page(None, 2).await.unwrap();
    assert_eq!(
        page.iter().map(|a| (a.seq, a.at_us)).collect::<Vec<_>>(),
        [(3, 3), (2, 2)]
    );
    assert_eq!(store.audit_page(Some(2), 2).await.unwrap().len(), 1);
    let again = AuditRow {
        at_us: 4,
        object: "peer 2".into(),
        ..page[0].clone()
    };
    store.audit_append(&again).await.unwrap();
    let of = async |action: &str, object: &str, limit| {
        let acts = store.audit_of(action, object, limit).await.unwrap();
        acts.iter().map(|a| a.seq).collect::<Vec<_>>()
    };
    assert_eq!(of("approve", "peer 2", 9).await, [4, 2]);
    assert_eq!(of("approve", "peer 2", 1).await, [4]);
    assert!(of("refuse", "peer 2", 9).await.is_empty());
    assert!(of("approve", "peer", 9).await.is_empty());
}

pub async fn receipts_of_one_incarnation_only_grow(store: Store) {
    let receipt = |incarnation: u8, durable: u64, safeguarded: u64, at_us: i64| ReceiptRow {
        seat: seat(1),
        lane: 2,
        opening: opening(),
        node: seat(9),
        incarnation: FeedId([incarnation; 16]),
        durable_sequence: durable,
        safeguarded_sequence: safeguarded,
        bytes: vec![incarnation],
        at_us,
    };
    let steps = [
        (receipt(1, 5, 0, 10), receipt(1, 5, 0, 10)),
        (receipt(1, 4, 0, 11), receipt(1, 5, 0, 10)),
        (receipt(1, 5, 3, 12), receipt(1, 5, 3, 12)),
        (receipt(1, 5, 3, 13), receipt(1, 5, 3, 13)),
        // a clock that was ahead has been set back
        (receipt(1, 6, 3, -900), receipt(1, 6, 3, -900)),
        (receipt(1, 6, 3, 13), receipt(1, 6, 3, 13)),
        (receipt(2, 1, 0, 5), receipt(1, 6, 3, 13)),
        (receipt(2, 1, 0, 20), receipt(2, 1, 0, 20)),
    ];
    for (put, expected) in steps {
        store.receipt_put(vec![put.clone(), put]).await.unwrap();
        assert_eq!(store.receipts(None).await.unwrap(), [expected]);
    }
    let other = ReceiptRow {
        seat: seat(2),
        ..receipt(1, 1, 1, 1)
    };
    store.receipt_put(vec![other.clone()]).await.unwrap();
    assert_eq!(store.receipts(Some(seat(2))).await.unwrap(), [other]);
    assert_eq!(store.receipts(None).await.unwrap().len(), 2);
}
