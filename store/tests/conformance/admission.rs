//! Peers and people.

use store::{
    AccountChange, AccountOutcome, AccountRow, ApprovalRow, Decision, DecisionRow, IntakeGroup,
    InvitationPut, InvitationRow, LoginSessionRow, OrganisationRow, PeerRow, PeerState, RequestPut,
    RequestRow, RevokedRow, Store, StoreError,
};

use crate::audit::{KEEPER, acts, alter};
use crate::make::{act, envelope, seat};

fn invitation(n: u8) -> InvitationRow {
    InvitationRow {
        secret_hash: [n; 32],
        seat: seat(n),
        kind: 3,
        organisation: "310115.scjg".into(),
        title: "浦东新区市场监管局 登记库".into(),
        jurisdiction: "310115".into(),
        node: seat(200),
        renews: n == 3,
        types: vec!["license".into(), "registration".into()],
        preapproved: n == 1,
        reason: String::new(),
        expires_at_us: 100,
        by: "admin".into(),
        at_us: i64::from(n),
        revoked: None,
        request: None,
        others: None,
    }
}

fn organisation(code: &str, title: &str) -> OrganisationRow {
    OrganisationRow {
        code: code.into(),
        title: title.into(),
        by: "admin".into(),
        at_us: 1,
    }
}

fn request(n: u8, at_us: i64) -> RequestRow {
    RequestRow {
        key_hash: [n; 32],
        keys: vec![1, n],
        possession: vec![2, n],
        consent: vec![0],
        title: String::new(),
        types: vec!["registration".into()],
        tls_key: [n; 32],
        address: format!("10.0.0.{n}"),
        at_us,
        decision: Decision::Pending,
        by: String::new(),
        reason: String::new(),
        decided_at_us: 0,
    }
}

async fn invite(store: &Store, n: u8) {
    let scjg = organisation("310115.scjg", "浦东新区市场监管局");
    let put = store
        .invitation_put(&invitation(n), &scjg, &act("invite"))
        .await
        .unwrap();
    assert_eq!(put, InvitationPut::Issued);
}

async fn ask(store: &Store, code: u8, keys: u8, now_us: i64) -> RequestPut {
    let (bound, other) = (act("bound"), act("other"));
    store
        .request_put([code; 32], &request(keys, now_us), &bound, &other, now_us)
        .await
        .unwrap()
        .0
}

async fn row(store: &Store, code: u8) -> InvitationRow {
    store.invitation_get([code; 32]).await.unwrap().unwrap()
}

pub async fn a_code_is_bound_to_the_first_keys_that_come(store: Store) {
    invite(&store, 1).await;
    let again = store
        .invitation_put(
            &InvitationRow {
                title: "冒名".into(),
                ..invitation(1)
            },
            &organisation("310115.scjg", "浦东新区市场监管局"),
            &act("invite"),
        )
        .await
        .unwrap();
    assert_eq!(again, InvitationPut::SameSecret);
    let before = acts(&store).await;
    let mut tasks = tokio::task::JoinSet::new();
    for keys in 1..=12 {
        let store = store.clone();
        tasks.spawn(async move { (keys, ask(&store, 1, keys, 50).await) });
    }
    let puts = tasks.join_all().await;
    let of = |put: RequestPut| puts.iter().filter(move |(_, p)| *p == put);
    assert_eq!(of(RequestPut::Bound).count(), 1);
    assert_eq!(of(RequestPut::AnotherKey).count(), 11);
    assert_eq!(acts(&store).await, before + 12, "each is written down");
    let first = of(RequestPut::Bound).next().unwrap().0;
    let bound = row(&store, 1).await;
    assert_eq!(bound.request, Some(request(first, 50)));
    let others = bound.others.unwrap();
    assert_eq!(others.times, 11);
    assert_ne!(others.key_hash, [first; 32]);
    // the same keys come again, even after the code has expired; others never
    assert_eq!(ask(&store, 1, first, 500).await, RequestPut::Known);
    assert_eq!(ask(&store, 1, 99, 60).await, RequestPut::AnotherKey);
    assert_eq!(
        row(&store, 1).await.request.unwrap().at_us,
        50,
        "the first time"
    );
    // whoever tries for ever fills no store
    for _ in 0..30 {
        ask(&store, 1, 99, 60).await;
    }
    assert_eq!(acts(&store).await, before + 21);
    assert_eq!(row(&store, 1).await.others.unwrap().times, 42);
}

pub async fn a_code_that_is_over_lets_nobody_in(store: Store) {
    for n in 1..=3 {
        invite(&store, n).await;
    }
    assert_eq!(ask(&store, 9, 1, 50).await, RequestPut::Unknown);
    assert_eq!(ask(&store, 1, 1, 100).await, RequestPut::Expired);
    assert_eq!(row(&store, 1).await, invitation(1), "nothing is left of it");
    let revoke = async |code: u8| {
        store
            .invitation_revoke([code; 32], "li", &act("revoke"), 40)
            .await
            .unwrap()
    };
    assert!(revoke(2).await);
    assert!(!revoke(2).await, "it is over already");
    assert!(!revoke(9).await, "there is none");
    assert_eq!(row(&store, 2).await.revoked, Some(("li".into(), 40)));
    assert_eq!(ask(&store, 2, 1, 50).await, RequestPut::Revoked);
    assert!(row(&store, 2).await.request.is_none());
    // also one that somebody waits with
    assert_eq!(ask(&store, 3, 1, 50).await, RequestPut::Bound);
    let before = acts(&store).await;
    let back = async || {
        store
            .invitations_revoke(seat(3), "li", &act("revoke"), 60)
            .await
            .unwrap()
    };
    assert_eq!(back().await, 1);
    assert_eq!(back().await, 0);
    assert_eq!(
        acts(&store).await,
        before + 1,
        "what is not done is not written down"
    );
    assert_eq!(ask(&store, 3, 1, 70).await, RequestPut::Revoked);
    assert!(!decide(&store, 3, 1).await, "nobody is let in with it");
}

/// Lets in whoever asked with a code under these keys.
async fn decide(store: &Store, code: u8, keys: u8) -> bool {
    let decision = DecisionRow {
        peer: Some(peer(code, PeerState::Approved)),
        approves: Some(ApprovalRow {
            secret_hash: [code; 32],
            key_hash: [keys; 32],
            by: "li".into(),
            at_us: 80,
        }),
        revokes: None,
        act: act("approve"),
    };
    let group = IntakeGroup {
        envelopes: vec![envelope(keys)],
        decision: Some(decision),
        at_us: 80,
        ..IntakeGroup::default()
    };
    match store.intake(group).await {
        Ok(_) => true,
        Err(StoreError::Changed) => false,
        Err(error) => panic!("{error}"),
    }
}

pub async fn a_request_is_decided_once(store: Store) {
    for n in 1..=3 {
        invite(&store, n).await;
    }
    assert!(!decide(&store, 1, 1).await, "nobody has asked");
    assert_eq!(ask(&store, 1, 1, 50).await, RequestPut::Bound);
    assert!(!decide(&store, 1, 2).await, "under other keys");
    let (before, head) = (acts(&store).await, store.feed_heads().head);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move { decide(&store, 1, 1).await });
    }
    let done = tasks.join_all().await;
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
    assert_eq!(acts(&store).await, before + 1);
    assert_eq!(store.feed_heads().head, head + 1, "one statement");
    let decided = row(&store, 1).await.request.unwrap();
    assert_eq!(
        (decided.decision, decided.by.as_str(), decided.decided_at_us),
        (Decision::Approved, "li", 80)
    );
    assert_eq!(ask(&store, 1, 1, 90).await, RequestPut::Known);
    assert_eq!(row(&store, 1).await.request.unwrap(), decided);
    let refuse = async |code: u8| {
        store
            .request_refuse([code; 32], "li", "不认识", &act("refuse"), 90)
            .await
            .unwrap()
    };
    assert!(!refuse(1).await, "it was let in");
    assert!(!refuse(2).await, "nobody has asked");
    assert_eq!(ask(&store, 2, 5, 50).await, RequestPut::Bound);
    assert!(refuse(2).await);
    assert!(!refuse(2).await);
    assert!(!decide(&store, 2, 5).await, "it was refused");
    let refused = row(&store, 2).await.request.unwrap();
    assert_eq!(
        (refused.decision, refused.reason.as_str()),
        (Decision::Refused, "不认识")
    );
    let codes: Vec<_> = store.invitations().await.unwrap();
    assert_eq!(codes.iter().map(|c| c.at_us).collect::<Vec<_>>(), [3, 2, 1]);
}

pub async fn an_organisation_code_is_given_to_one_only(store: Store) {
    invite(&store, 1).await;
    let (before, tax) = (
        acts(&store).await,
        organisation("310115.scjg", "浦东新区税务局"),
    );
    let put = store
        .invitation_put(&invitation(2), &tax, &act("invite"))
        .await
        .unwrap();
    let theirs = InvitationPut::OthersCode("浦东新区市场监管局".into());
    assert_eq!(put, theirs);
    assert_eq!(store.invitation_get([2; 32]).await.unwrap(), None);
    assert_eq!(acts(&store).await, before);
    invite(&store, 2).await;
    let minted = store.organisations().await.unwrap();
    let all = [("310115.scjg".to_owned(), "浦东新区市场监管局".to_owned())];
    assert_eq!(minted.into_iter().collect::<Vec<_>>(), all);
}

fn peer(n: u8, state: PeerState) -> PeerRow {
    PeerRow {
        seat: seat(n),
        kind: 3,
        title: "代理".into(),
        organisation: "310115.swj".into(),
        jurisdiction: "310115".into(),
        tls_key: [n / 2; 32],
        state,
        reason: String::new(),
        fingerprint: "ab:cd".into(),
        by: "admin".into(),
        at_us: 5,
        last_contact_us: 0,
    }
}

pub async fn peers_keep_their_last_contact(store: Store) {
    for n in 1..=3 {
        store
            .peer_put(&peer(n, PeerState::Revoked), &act("revoke"))
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

pub async fn a_seat_is_called_back_with_the_codes_for_it(store: Store) {
    let revoked = RevokedRow {
        seat: seat(3),
        reason: "失窃".into(),
        by: "li".into(),
        at_us: 60,
    };
    let group = || IntakeGroup {
        envelopes: vec![envelope(1)],
        decision: Some(DecisionRow {
            peer: None,
            approves: None,
            revokes: Some(revoked.clone()),
            act: act("revoke"),
        }),
        at_us: 60,
        ..IntakeGroup::default()
    };
    // also of a seat that has never been here
    store.intake(group()).await.unwrap();
    assert_eq!(store.peer(seat(3)).await.unwrap(), None);
    let approved = peer(3, PeerState::Approved);
    store.peer_put(&approved, &act("approve")).await.unwrap();
    store.peer_contact(&[seat(3)], 50).await.unwrap();
    invite(&store, 3).await;
    store.intake(group()).await.unwrap();
    let expected = PeerRow {
        state: PeerState::Revoked,
        reason: "失窃".into(),
        by: "li".into(),
        at_us: 60,
        last_contact_us: 50,
        ..approved
    };
    assert_eq!(store.peer(seat(3)).await.unwrap(), Some(expected));
    assert_eq!(ask(&store, 3, 1, 70).await, RequestPut::Revoked);
    let before = acts(&store).await;
    let again = store.peer_revoked(&revoked, &act("revoke")).await;
    assert!(!again.unwrap(), "it is called back already");
    assert_eq!(acts(&store).await, before);
}

pub async fn a_peer_with_renewed_keys_is_pinned_anew(store: Store) {
    store
        .peer_put(&peer(2, PeerState::Revoked), &act("revoke"))
        .await
        .unwrap();
    let renewed = async |n: u8, fingerprint: &str| {
        store
            .peer_renewed(seat(n), fingerprint, [9; 32], &act("renewed"))
            .await
            .unwrap()
    };
    assert!(!renewed(2, "ab:cd").await, "these are its keys");
    assert!(!renewed(3, "ef:01").await, "nobody knows it");
    let before = acts(&store).await;
    assert!(renewed(2, "ef:01").await);
    assert_eq!(acts(&store).await, before + 1);
    let expected = PeerRow {
        fingerprint: "ef:01".into(),
        tls_key: [9; 32],
        ..peer(2, PeerState::Approved)
    };
    assert_eq!(store.peer(seat(2)).await.unwrap(), Some(expected));
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
