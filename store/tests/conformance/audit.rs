//! The record of acts: no act without its row, and nothing taken out of it unseen.
//! Long because every way in which a chain can be broken is tried on one chain.

use std::pin::Pin;

use protocol::hash::Hash;
use sqlx::{Connection as _, Executor as _};
use store::testing::{Cluster, sqlite};
use store::{
    AccountChange, AccountOutcome, AccountRow, ApprovalRow, AuditCheck, AuditFault, AuditFilter,
    AuditRow, Decision, DecisionRow, Engine, IntakeGroup, InvitationPut, InvitationRow,
    LoginSessionRow, OrganisationRow, PeerRow, PeerState, RequestPut, RequestRow, RevokedRow,
    Store, StoreConfig, StoreError,
};

use crate::make::{act, envelope, seat};

/// How many acts are written down.
pub async fn acts(store: &Store) -> u64 {
    let newest = store.audit_page(&AuditFilter::default(), None, 1).await;
    newest.unwrap().first().map_or(0, |row| row.seq)
}

/// The role that must not die out.
pub const KEEPER: &str = "administrator";

/// Changes an account, with an act.
pub async fn alter(store: &Store, name: &str, change: &AccountChange) -> AccountOutcome {
    let act = act("change");
    let changed = store.account_change(name, change, KEEPER, &act).await;
    changed.unwrap()
}

type Doing<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;

/// Everything that the store does for a person, by name.
const DOINGS: [&str; 20] = [
    "open",
    "put",
    "role",
    "disable",
    "enable",
    "password",
    "own",
    "sign-in",
    "sign-out",
    "invite",
    "request",
    "another key",
    "refuse",
    "revoke",
    "revoke all",
    "peer",
    "renewed",
    "peer revoked",
    "decide",
    "append",
];

fn invitation(n: u8) -> InvitationRow {
    InvitationRow {
        secret_hash: [n; 32],
        seat: seat(n),
        kind: 3,
        organisation: "310115.swj".into(),
        title: "代理".into(),
        jurisdiction: "310115".into(),
        node: seat(200),
        renews: false,
        types: Vec::new(),
        preapproved: false,
        reason: String::new(),
        expires_at_us: 9,
        by: "王芳".into(),
        at_us: 1,
        revoked: None,
        request: None,
        others: None,
    }
}

fn organisation() -> OrganisationRow {
    OrganisationRow {
        code: "310115.swj".into(),
        title: "浦东新区税务局".into(),
        by: "王芳".into(),
        at_us: 1,
    }
}

fn request(n: u8) -> RequestRow {
    RequestRow {
        key_hash: [n; 32],
        keys: vec![n],
        possession: vec![n],
        consent: vec![0],
        title: String::new(),
        types: Vec::new(),
        tls_key: [n; 32],
        address: "10.0.0.1".into(),
        at_us: 5,
        decision: Decision::Pending,
        by: String::new(),
        reason: String::new(),
        decided_at_us: 0,
    }
}

fn doing<'a>(store: &'a Store, name: &'a str, act: &'a AuditRow) -> Doing<'a> {
    let account = |name: &str| AccountRow {
        name: name.into(),
        title: "李明".into(),
        role: "clerk".into(),
        password_hash: "h".into(),
        disabled: false,
        at_us: 3,
    };
    let peer = PeerRow {
        seat: seat(1),
        kind: 3,
        title: "代理".into(),
        organisation: "310115.swj".into(),
        jurisdiction: "310115".into(),
        tls_key: [1; 32],
        state: PeerState::Approved,
        reason: String::new(),
        fingerprint: "ab:cd".into(),
        by: "王芳".into(),
        at_us: 5,
        last_contact_us: 0,
    };
    Box::pin(async move {
        let nothing = super::make::act("nothing");
        let (whose, change) = match name {
            "open" => ("li", AccountChange::Open(account("li"))),
            "put" => ("zhao", AccountChange::Put(account("zhao"))),
            "role" => (
                "there",
                AccountChange::Role {
                    title: "李明".into(),
                    role: "auditor".into(),
                },
            ),
            "disable" => ("there", AccountChange::Disable),
            "enable" => ("disabled", AccountChange::Enable),
            "password" => (
                "there",
                AccountChange::Password {
                    password_hash: "new".into(),
                },
            ),
            "own" => (
                "there",
                AccountChange::OwnPassword {
                    former_hash: "h".into(),
                    password_hash: "new".into(),
                    token_hash: [1; 32],
                },
            ),
            "sign-in" => {
                let session = LoginSessionRow {
                    token_hash: [2; 32],
                    account: "there".into(),
                    begun_us: 1,
                    idle_until_us: 90,
                    until_us: 90,
                };
                return store.sign_in(&session, "h", 20, act).await.map(drop);
            }
            "sign-out" => return store.sign_out([1; 32], act).await,
            "invite" => {
                return store
                    .invitation_put(&invitation(1), &organisation(), act)
                    .await
                    .map(drop);
            }
            "request" => {
                return store
                    .request_put([5; 32], &request(1), act, &nothing, 5)
                    .await
                    .map(drop);
            }
            "another key" => {
                return store
                    .request_put([6; 32], &request(2), &nothing, act, 5)
                    .await
                    .map(drop);
            }
            "refuse" => {
                return store
                    .request_refuse([6; 32], "王芳", "不认识", act, 5)
                    .await
                    .map(drop);
            }
            "revoke" => {
                return store
                    .invitation_revoke([5; 32], "王芳", act, 5)
                    .await
                    .map(drop);
            }
            "revoke all" => {
                return store
                    .invitations_revoke(seat(7), "王芳", act, 5)
                    .await
                    .map(drop);
            }
            "peer" => return store.peer_put(&peer, act).await,
            "renewed" => {
                return store
                    .peer_renewed(seat(8), "ef:01", [2; 32], act)
                    .await
                    .map(drop);
            }
            "peer revoked" => {
                let row = RevokedRow {
                    seat: seat(8),
                    reason: "失窃".into(),
                    by: "王芳".into(),
                    at_us: 5,
                };
                return store.peer_revoked(&row, act).await.map(drop);
            }
            "decide" => {
                let group = IntakeGroup {
                    envelopes: vec![envelope(1)],
                    decision: Some(DecisionRow {
                        peer: Some(peer),
                        approves: Some(ApprovalRow {
                            secret_hash: [9; 32],
                            key_hash: [1; 32],
                            by: "王芳".into(),
                            at_us: 5,
                        }),
                        revokes: None,
                        act: act.clone(),
                    }),
                    ..IntakeGroup::default()
                };
                return store.intake(group).await.map(drop);
            }
            "append" => return store.audit_append(act).await,
            other => panic!("{other} is not known"),
        };
        let changed = store.account_change(whose, &change, KEEPER, act);
        changed.await.map(drop)
    })
}

/// An account that may sign in, with a session, and one that may not.
async fn people(store: &Store) {
    for name in ["there", "disabled"] {
        let row = AccountRow {
            name: name.into(),
            title: "李明".into(),
            role: "clerk".into(),
            password_hash: "h".into(),
            disabled: name == "disabled",
            at_us: 1,
        };
        let open = AccountChange::Open(row);
        assert_eq!(alter(store, name, &open).await, AccountOutcome::Done);
    }
    let session = LoginSessionRow {
        token_hash: [1; 32],
        account: "there".into(),
        begun_us: 1,
        idle_until_us: 90,
        until_us: 90,
    };
    assert!(
        store
            .sign_in(&session, "h", 20, &act("sign-in"))
            .await
            .unwrap()
    );
    for n in [5, 6, 7, 9] {
        let row = invitation(n);
        let put = store
            .invitation_put(&row, &organisation(), &act("invite"))
            .await
            .unwrap();
        assert_eq!(put, InvitationPut::Issued);
    }
    let (used, act) = (request(1), act("request"));
    for n in [6, 9] {
        let put = store.request_put([n; 32], &used, &act, &act, 5).await;
        assert_eq!(put.unwrap().0, RequestPut::Bound);
    }
    let known = PeerRow {
        seat: seat(8),
        kind: 3,
        title: "代理".into(),
        organisation: "310115.swj".into(),
        jurisdiction: "310115".into(),
        tls_key: [1; 32],
        state: PeerState::Approved,
        reason: String::new(),
        fingerprint: "ab:cd".into(),
        by: "王芳".into(),
        at_us: 5,
        last_contact_us: 0,
    };
    store.peer_put(&known, &act).await.unwrap();
}

/// All that acts of people change.
async fn state(store: &Store) -> String {
    let sessions = [
        store.login_session_get([1; 32], 5).await.unwrap(),
        store.login_session_get([2; 32], 5).await.unwrap(),
    ];
    format!(
        "{:?} {sessions:?} {:?} {:?} {:?} {}",
        store.accounts().await.unwrap(),
        store.invitations().await.unwrap(),
        store.peers().await.unwrap(),
        store.directory().await.unwrap(),
        acts(store).await,
    )
}

pub async fn no_act_is_done_without_its_row(store: Store) {
    people(&store).await;
    for name in DOINGS {
        let before = state(&store).await;
        // a row that no store keeps
        let unkept = AuditRow {
            detail: "\0".into(),
            ..act(name)
        };
        let refused = doing(&store, name, &unkept).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{name}");
        assert_eq!(state(&store).await, before, "{name}: nothing is done");

        let count = acts(&store).await;
        let written = AuditRow {
            detail: format!("detail of {name}"),
            ..act(name)
        };
        doing(&store, name, &written).await.unwrap();
        assert_ne!(state(&store).await, before, "{name} is done");
        assert_eq!(acts(&store).await, count + 1, "{name} has one row");
        let newest = store.audit_page(&AuditFilter::default(), None, 1).await;
        let newest = newest.unwrap().remove(0);
        let expected = AuditRow {
            seq: count + 1,
            hash: newest.hash,
            ..written
        };
        assert_eq!(newest, expected, "{name}");
        // what the next one needs is there again
        if name == "disable" || name == "password" || name == "own" {
            for row in ["there", "disabled"] {
                let back = AccountChange::Password {
                    password_hash: "h".into(),
                };
                alter(&store, row, &back).await;
            }
            alter(&store, "there", &AccountChange::Enable).await;
            let session = LoginSessionRow {
                token_hash: [1; 32],
                account: "there".into(),
                begun_us: 1,
                idle_until_us: 90,
                until_us: 90,
            };
            assert!(
                store
                    .sign_in(&session, "h", 20, &act("back"))
                    .await
                    .unwrap()
            );
        }
    }
    assert_eq!(store.audit_check().await.unwrap().fault, None);
}

pub async fn acts_are_found_by_what_they_are(store: Store) {
    for n in 1..=6_i64 {
        let row = AuditRow {
            at_us: n * 10,
            account: if n % 2 == 0 { "li" } else { "wang" }.into(),
            object: format!("object {}", n % 3),
            ..act(if n < 4 { "approve" } else { "refuse" })
        };
        store.audit_append(&row).await.unwrap();
    }
    let some = |text: &str| Some(text.to_owned());
    let all = AuditFilter::default();
    let check = async |filter: &AuditFilter, before, limit, expected: &[u64]| {
        let page = store.audit_page(filter, before, limit).await.unwrap();
        let found: Vec<u64> = page.iter().map(|a| a.seq).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    check(&all, None, 9, &[6, 5, 4, 3, 2, 1]).await;
    check(&all, None, 2, &[6, 5]).await;
    check(&all, Some(5), 2, &[4, 3]).await;
    check(&all, Some(1), 2, &[]).await;
    let of = |account: Option<String>, action: Option<String>, objects: &[&str]| AuditFilter {
        account,
        action,
        objects: objects.iter().map(|o| (*o).to_owned()).collect(),
        ..AuditFilter::default()
    };
    check(&of(some("li"), None, &[]), None, 9, &[6, 4, 2]).await;
    check(&of(None, some("refuse"), &[]), None, 9, &[6, 5, 4]).await;
    check(&of(None, None, &["object 0"]), None, 9, &[6, 3]).await;
    let two = of(None, None, &["object 0", "object 1"]);
    check(&two, None, 9, &[6, 4, 3, 1]).await;
    let li = of(some("li"), some("refuse"), &["object 1", "nothing"]);
    check(&li, None, 9, &[4]).await;
    check(&of(some("li\0"), None, &[]), None, 9, &[]).await;
    check(&of(None, None, &["'; --"]), None, 9, &[]).await;
    let days = AuditFilter {
        from_us: Some(20),
        until_us: Some(50),
        ..AuditFilter::default()
    };
    check(&days, None, 9, &[4, 3, 2]).await;
    check(&days, Some(4), 1, &[3]).await;
    let acts = store.audit_of("approve", "object 1", 9).await.unwrap();
    assert_eq!(acts.iter().map(|a| a.seq).collect::<Vec<_>>(), [1]);
    assert!(store.audit_of("approve", "\0", 9).await.unwrap().is_empty());
}

pub async fn the_same_act_again_is_not_written_again(store: Store) {
    let at = |at_us: i64| AuditRow {
        at_us,
        object: "q".into(),
        ..act("search")
    };
    let once = async |row: &AuditRow, since| store.audit_append_once(row, since).await.unwrap();
    assert!(once(&at(10), 0).await);
    assert!(!once(&at(11), 10).await);
    assert!(once(&at(20), 11).await, "the one before is too old");
    type Change = fn(&mut AuditRow);
    let changes: [Change; 6] = [
        |row| row.account = "li".into(),
        |row| row.action = "other".into(),
        |row| row.object = "other".into(),
        |row| row.detail = "2".into(),
        |row| row.way = "api".into(),
        |row| row.client = "10.0.0.1".into(),
    ];
    for change in changes {
        let mut row = at(21);
        change(&mut row);
        assert!(once(&row, 0).await, "{row:?} is another act");
        assert!(!once(&row, 0).await, "{row:?}");
    }
    assert_eq!(acts(&store).await, 8);
}

pub async fn an_untouched_chain_fits(store: Store) {
    let none = AuditCheck {
        rows: 0,
        before_chain: 0,
        last: Hash::ZERO,
        fault: None,
    };
    assert_eq!(store.audit_check().await.unwrap(), none);
    // more than a page of the walk, by several at once
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..4 {
        let store = store.clone();
        tasks.spawn(async move {
            for at_us in 0..300 {
                let row = AuditRow {
                    at_us,
                    ..act(&format!("of {n}"))
                };
                store.audit_append(&row).await.unwrap();
            }
        });
    }
    // looked at while it grows
    while !tasks.is_empty() {
        assert_eq!(store.audit_check().await.unwrap().fault, None);
        tasks.join_next().await.unwrap().unwrap();
    }
    let check = store.audit_check().await.unwrap();
    assert_eq!((check.rows, check.fault), (1_200, None));
    let newest = store.audit_page(&AuditFilter::default(), None, 1).await;
    assert_eq!(newest.unwrap()[0].hash, Some(check.last));
}

/// What somebody with the database does, and what is found then. Five acts were written before.
fn deeds() -> Vec<(Vec<String>, AuditFault)> {
    let one = |statement: &str, fault| (vec![statement.to_owned()], fault);
    let two = |first: &str, second: &str, fault| (vec![first.to_owned(), second.to_owned()], fault);
    let columns = [
        "account", "name", "way", "client", "action", "object", "detail",
    ];
    let mut all: Vec<_> = columns
        .into_iter()
        .map(|column| {
            let deed = format!("UPDATE audit SET {column} = 'changed' WHERE seq = 3");
            (vec![deed], AuditFault::Changed { seq: 3 })
        })
        .collect();
    let foreign = |seq: u64| {
        format!(
            "INSERT INTO audit (seq, at_us, account, action, object, detail) VALUES ({seq}, 1, '', '', '', '')"
        )
    };
    let cut = |last| AuditFault::Cut { last, expected: 5 };
    all.extend([
        one(
            "UPDATE audit SET at_us = at_us + 1 WHERE seq = 5",
            AuditFault::Changed { seq: 5 },
        ),
        // a word moved from one field to the next
        one(
            "UPDATE audit SET action = 'a', object = 'ct 2' WHERE seq = 2",
            AuditFault::Changed { seq: 2 },
        ),
        one(
            "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 2) WHERE seq = 3",
            AuditFault::Changed { seq: 3 },
        ),
        one(
            "DELETE FROM audit WHERE seq = 1",
            AuditFault::Missing { seq: 1 },
        ),
        one(
            "DELETE FROM audit WHERE seq IN (3, 4)",
            AuditFault::Missing { seq: 3 },
        ),
        // the gap is closed by hand
        two(
            "DELETE FROM audit WHERE seq = 3",
            "UPDATE audit SET seq = 3 WHERE seq = 4",
            AuditFault::Changed { seq: 3 },
        ),
        one("DELETE FROM audit WHERE seq = 5", cut(4)),
        one("DELETE FROM audit", cut(0)),
        two(
            "DELETE FROM audit WHERE seq = 5",
            "UPDATE audit_head SET last_seq = 4",
            AuditFault::End { seq: 4 },
        ),
        two(
            "DELETE FROM audit",
            "UPDATE audit_head SET last_seq = 0",
            AuditFault::End { seq: 0 },
        ),
        one("DELETE FROM audit_head", AuditFault::NoEnd),
        (vec![foreign(6)], AuditFault::Foreign { seq: 6 }),
        (
            vec![foreign(0)],
            AuditFault::BeforeChain {
                found: 1,
                expected: 0,
            },
        ),
    ]);
    all
}

async fn five(store: &Store) {
    for n in 1..=5 {
        let row = AuditRow {
            object: format!("{n}"),
            ..act("act")
        };
        store.audit_append(&row).await.unwrap();
    }
    let check = store.audit_check().await.unwrap();
    assert_eq!((check.rows, check.fault), (5, None));
}

async fn found(store: &Store, deed: &[String], fault: AuditFault) {
    let check = store.audit_check().await.unwrap();
    assert_eq!(check.fault, Some(fault), "{deed:?}");
}

pub async fn what_was_done_to_the_record_is_found() {
    for (deed, fault) in deeds() {
        let (store, folder) = sqlite().await;
        five(&store).await;
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
        for statement in deed.clone() {
            other.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        }
        other.close().await.unwrap();
        found(&store, &deed, fault).await;
        store.close().await;
    }
}

pub async fn what_was_done_to_the_record_of_a_server_is_found(cluster: &Cluster) {
    for (deed, fault) in deeds() {
        let url = cluster.database();
        let engine = Engine::Postgres { url: url.clone() };
        let store = Store::open(&StoreConfig { engine }).await.unwrap();
        five(&store).await;
        let mut other = sqlx::PgConnection::connect(&url).await.unwrap();
        for statement in deed.clone() {
            other.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        }
        other.close().await.unwrap();
        found(&store, &deed, fault).await;
        store.close().await;
    }
}

/// A record from before there was a chain is kept, and the chain begins behind it.
pub async fn an_older_record_is_kept_beside_the_chain() {
    let (store, folder) = sqlite().await;
    store.close().await;
    drop(store);
    let url = format!("sqlite://{}", folder.path().join("store.db").display());
    let mut older = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for statement in [
        "DROP TABLE audit_head",
        "DROP TABLE audit",
        "CREATE TABLE audit (seq INTEGER NOT NULL PRIMARY KEY, at_us INTEGER NOT NULL, account TEXT NOT NULL, \
         action TEXT NOT NULL, object TEXT NOT NULL, detail TEXT NOT NULL)",
        "INSERT INTO audit VALUES (1, 1, 'li', 'dossier.view', 'uscc:1', 'api'), (2, 2, 'li', 'sign-out', '', '')",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
    ] {
        older.execute(statement).await.unwrap();
    }
    older.close().await.unwrap();
    let engine = Engine::Sqlite {
        folder: folder.path().to_owned(),
        cache_mib: 8,
    };
    let store = Store::open(&StoreConfig { engine }).await.unwrap();
    store.audit_append(&act("new")).await.unwrap();
    let page = store.audit_page(&AuditFilter::default(), None, 9).await;
    let page = page.unwrap();
    let told: Vec<_> = page
        .iter()
        .map(|a| (a.seq, a.action.as_str(), a.way.as_str(), a.hash.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "new", "page", true),
            (2, "sign-out", "", false),
            (1, "dossier.view", "api", false)
        ]
    );
    let check = store.audit_check().await.unwrap();
    assert_eq!((check.rows, check.before_chain, check.fault), (1, 2, None));
}
