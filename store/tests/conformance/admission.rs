//! Peers and people.

use protocol::name::FeedId;
use store::{
    AccountChange, AccountOutcome, AccountRow, InvitationRow, InvitationUse, LoginSessionRow,
    PeerRow, PeerState, ReceiptRow, Store,
};

use crate::audit::{KEEPER, acts, alter};
use crate::make::{act, opening, seat};

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
    assert!(
        store
            .invitation_put(&invitation(1), &act("invite"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .invitation_put(
                &InvitationRow {
                    title: "冒名".into(),
                    ..invitation(1)
                },
                &act("invite")
            )
            .await
            .unwrap()
    );
    store
        .invitation_put(&invitation(2), &act("invite"))
        .await
        .unwrap();
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
        store
            .peer_put(&peer(n, PeerState::Pending), &act("request"))
            .await
            .unwrap();
    }
    store
        .peer_contact(&[seat(2), seat(3), seat(99)], 70)
        .await
        .unwrap();
    store.peer_contact(&[seat(2)], 60).await.unwrap();
    store
        .peer_put(&peer(2, PeerState::Approved), &act("approve"))
        .await
        .unwrap();
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

pub async fn accounts_are_found_by_their_name(store: Store) {
    let account = account("wang", "operator");
    let put = AccountChange::Put(account.clone());
    change(&store, "wang", &put, AccountOutcome::Done).await;
    assert_eq!(
        store.account_get("wang").await.unwrap(),
        Some(account.clone())
    );
    assert_eq!(store.account_get("wang\0").await.unwrap(), None);
    assert_eq!(store.accounts().await.unwrap(), [account]);
}

pub async fn the_oldest_sessions_go_first(store: Store) {
    for name in ["wang", "li"] {
        let put = AccountChange::Put(account(name, "operator"));
        change(&store, name, &put, AccountOutcome::Done).await;
    }
    for n in 1..=5 {
        for (n, name, most) in [(n, "wang", 2), (10 + n, "li", 9)] {
            let row = LoginSessionRow {
                begun_us: i64::from(n % 10),
                idle_until_us: 100 * i64::from(n % 10),
                until_us: 1_000,
                ..session(n, name, 0)
            };
            let opened = store.sign_in(&row, HASH, most, &act("sign-in")).await;
            assert!(opened.unwrap());
        }
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
    assert_eq!(held().await, [4, 5, 11, 12, 13, 14, 15]);
    assert_eq!(store.login_sessions(400).await.unwrap(), 2);
    store.login_sessions_expire(400).await.unwrap();
    assert_eq!(held().await, [5, 15]);
    store.login_sessions_expire(1_000).await.unwrap();
    assert_eq!(held().await, [0_u8; 0]);
}

pub async fn a_session_lasts_until_its_limits(store: Store) {
    let account = account("wang", "operator");
    let put = AccountChange::Put(account.clone());
    change(&store, "wang", &put, AccountOutcome::Done).await;
    let sign_in = async |row: &LoginSessionRow, hash: &str| {
        store
            .sign_in(row, hash, MANY, &act("sign-in"))
            .await
            .unwrap()
    };
    let hash = account.password_hash.as_str();
    assert!(sign_in(&session(1, "wang", 10), hash).await);
    assert!(!sign_in(&session(4, "wang", 10), "of another password").await);
    assert!(!sign_in(&session(4, "nobody", 10), hash).await);
    assert_eq!(store.login_session_get([4; 32], 0).await.unwrap(), None);
    let get = async |n: u8, now| store.login_session_get([n; 32], now).await.unwrap();
    assert_eq!(get(1, 9).await, Some(session(1, "wang", 10)));
    assert_eq!(get(1, 10).await, None);
    store.login_session_touch([1; 32], 500).await.unwrap();
    assert_eq!(get(1, 99).await, Some(session(1, "wang", 500)));
    assert_eq!(get(1, 100).await, None);
    // those that have run out go when a new one begins
    assert!(sign_in(&session(2, "wang", 20), hash).await);
    let later = LoginSessionRow {
        begun_us: 20,
        ..session(3, "wang", 90)
    };
    assert!(sign_in(&later, hash).await);
    assert_eq!(get(2, 0).await, None);
    assert!(get(3, 0).await.is_some());
    store.sign_out([3; 32], &act("sign-out")).await.unwrap();
    assert_eq!(get(3, 0).await, None);
    store.login_session_touch([3; 32], 500).await.unwrap();
    assert_eq!(get(3, 0).await, None, "use brings no ended session back");
}

pub async fn a_change_of_an_account_ends_the_sessions_that_it_should(store: Store) {
    let other = |hash: &str| AccountChange::OwnPassword {
        former_hash: hash.to_owned(),
        password_hash: "new".to_owned(),
        token_hash: [1; 32],
    };
    let role = AccountChange::Role {
        title: "王芳".into(),
        role: "auditor".into(),
    };
    let password = AccountChange::Password {
        password_hash: "given".into(),
    };
    let put = AccountChange::Put(account("wang", "clerk"));
    let (done, stale) = (AccountOutcome::Done, AccountOutcome::Stale);
    let cases = [
        (AccountChange::Disable, done, [false, false]),
        (AccountChange::Enable, done, [true, true]),
        (role, done, [true, true]),
        (password, done, [false, false]),
        (put.clone(), done, [false, false]),
        (other(HASH), done, [true, false]),
        (other("not the one"), stale, [true, true]),
    ];
    for (case, outcome, left) in cases {
        change(&store, "wang", &put, done).await;
        for n in [1, 2] {
            let row = session(n, "wang", 90);
            let opened = store.sign_in(&row, HASH, MANY, &act("sign-in")).await;
            assert!(opened.unwrap());
        }
        change(&store, "wang", &case, outcome).await;
        for (n, stands) in [(1, left[0]), (2, left[1])] {
            let found = store.login_session_get([n; 32], 1).await.unwrap();
            assert_eq!(found.is_some(), stands, "{case:?} session {n}");
        }
    }
    let changed = store.account_get("wang").await.unwrap().unwrap();
    assert_eq!(
        changed.password_hash, HASH,
        "a stale change changes nothing"
    );
    change(&store, "wang", &AccountChange::Disable, done).await;
    let row = session(5, "wang", 90);
    let signed_in = store
        .sign_in(&row, HASH, MANY, &act("sign-in"))
        .await
        .unwrap();
    assert!(!signed_in, "a disabled account opens no session");
}

pub async fn the_last_of_the_role_that_must_stay_stays(store: Store) {
    use AccountOutcome::{Done, Exists, Last, Unknown};
    let open = |name: &str, role: &str| AccountChange::Open(account(name, role));
    let role = |role: &str| AccountChange::Role {
        title: "王芳".into(),
        role: role.into(),
    };
    let put = |name: &str, role: &str| AccountChange::Put(account(name, role));
    let disable = AccountChange::Disable;
    let steps = [
        ("li", open("li", "clerk"), Done),
        ("li", disable.clone(), Done),
        ("wang", open("wang", KEEPER), Done),
        ("wang", open("wang", "clerk"), Exists),
        ("nobody", disable.clone(), Unknown),
        ("nobody", role(KEEPER), Unknown),
        ("wang", disable.clone(), Last),
        ("wang", role("clerk"), Last),
        ("wang", put("wang", "clerk"), Last),
        ("wang", role(KEEPER), Done),
        // one that is disabled does not count
        ("li", role(KEEPER), Done),
        ("wang", disable.clone(), Last),
        ("li", AccountChange::Enable, Done),
        ("wang", disable.clone(), Done),
        ("li", disable, Last),
    ];
    for (name, step, outcome) in steps {
        change(&store, name, &step, outcome).await;
    }
    // two that go at the same time
    change(&store, "wang", &AccountChange::Enable, Done).await;
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["wang", "li"] {
        let store = store.clone();
        tasks.spawn(async move { alter(&store, name, &AccountChange::Disable).await });
    }
    let outcomes = tasks.join_all().await;
    assert!(
        outcomes.contains(&Done) && outcomes.contains(&Last),
        "{outcomes:?}"
    );
}

const HASH: &str = "$argon2id$…";
const MANY: u32 = 20;

fn account(name: &str, role: &str) -> AccountRow {
    AccountRow {
        name: name.into(),
        title: "王某".into(),
        role: role.into(),
        password_hash: HASH.into(),
        disabled: false,
        at_us: 1,
    }
}

fn session(n: u8, account: &str, idle_until_us: i64) -> LoginSessionRow {
    LoginSessionRow {
        token_hash: [n; 32],
        account: account.into(),
        begun_us: 0,
        idle_until_us,
        until_us: 100,
    }
}

/// Changes an account; what is done is written down, what is not leaves nothing.
async fn change(store: &Store, name: &str, change: &AccountChange, outcome: AccountOutcome) {
    let before = acts(store).await;
    assert_eq!(
        alter(store, name, change).await,
        outcome,
        "{name} {change:?}"
    );
    let written = u64::from(outcome == AccountOutcome::Done);
    assert_eq!(acts(store).await, before + written, "{name} {change:?}");
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
