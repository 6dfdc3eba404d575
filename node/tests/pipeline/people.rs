//! Accounts and what is written down of people: refusals of changes, sessions that end, looks that come again, newcomers,
//! commands on the same machine.

use node::Node;
use node::command::account::{AccountError, Attempt, Checked, NewAccount, NewPassword, Role};
use node::command::actor::{Action, Actor, Way};
use node::command::admission::{Desk, Invite};
use node::command::control;
use node::command::view::AGAIN_US;
use node::host::NodeHost;
use node::query::audit::{Act, ActFilter};
use node::reporter::Reporter;
use protocol::admission::code::{AUTHORITY_BYTES, Code, ISSUER_BYTES};
use protocol::admission::exchange::Ask;
use protocol::admission::newcomer::{Wishes, request};
use protocol::sign::Keys;
use protocol::statement::SeatKind;
use runtime::admission::{Answer, Applicant, Desk as _};
use runtime::control::Caller;
use runtime::disk::Disk;
use runtime::door::Clock;
use runtime::link::registry::Links;
use runtime::telemetry::Metrics;
use runtime::worker::Workers;
use serde_json::{Value, json};

use crate::World;
use crate::kit::*;

pub const NOW: i64 = 1_000_000;
pub const PASSWORD: &str = "correct horse battery";
const OTHER: &str = "another battery staple";
const SECRET: [u8; 10] = [5; 10];
pub const BUREAU: &str = "370102.scjg";

pub fn actor() -> Actor {
    Actor {
        account: "wang".to_owned(),
        name: "王芳".to_owned(),
        way: Way::Api,
        client: "10.1.2.3".to_owned(),
    }
}

pub fn setter_up() -> Actor {
    Actor::stranger("test", "")
}

pub async fn account(node: &Node, account: &str, role: Role) {
    let new = NewAccount {
        account,
        name: "李明",
        role,
        password: PASSWORD,
        salt: [1; 16],
    };
    let put = node.put_account(&new, &setter_up(), NOW).await;
    put.expect("an account");
}

pub async fn shown(node: &Node, account: &str, password: &str) -> Result<Checked, Attempt> {
    node.attempt(account)
        .await
        .expect("looked up")
        .check(password)
}

pub async fn sign_in(node: &Node, account: &str, token: u8) {
    let Ok(checked) = shown(node, account, PASSWORD).await else {
        panic!("{account} cannot sign in");
    };
    let signed_in = node.sign_in(checked, &[token; 32], "10.1.2.3", NOW).await;
    signed_in.expect("signed in");
}

async fn is_in(node: &Node, token: u8) -> bool {
    let login = node.login(&[token; 32], NOW).await;
    login.expect("looked up").is_some()
}

pub fn password(account: &str) -> NewPassword {
    NewPassword::hash(account, OTHER, &[2; 16]).expect("within the rules")
}

fn invite(pre_approved: bool) -> Invite {
    Invite {
        kind: "department".to_owned(),
        title: "区税务局 征管库".to_owned(),
        organisation: "370102.swj".to_owned(),
        types: vec!["refusal".to_owned(), "registration".to_owned()],
        pre_approved,
        hours: 1,
        address: "127.0.0.1:7000".to_owned(),
        ..Invite::default()
    }
}

pub async fn issue(node: &Node, pre_approved: bool, actor: &Actor) {
    let invite = invite(pre_approved);
    let code = node.invite(&invite, [40; 16], SECRET, actor, NOW).await;
    code.expect("a code");
}

/// A code is issued, and somebody uses it.
pub async fn join(node: &Node, pre_approved: bool) -> Answer {
    issue(node, pre_approved, &setter_up()).await;
    come(node).await
}

pub async fn come(node: &Node) -> Answer {
    come_with(node, 40).await
}

/// Somebody uses the code with keys of his own.
pub async fn come_with(node: &Node, own: u8) -> Answer {
    let from = Applicant {
        remote: "192.0.2.7:4433".parse().expect("an address"),
        peer_key: [own; 32],
        exporter: [9; 32],
    };
    let code = Code {
        kind: SeatKind::Department,
        expires_s: u32::MAX,
        secret: SECRET,
        authority: [0; AUTHORITY_BYTES],
        issuer: [0; ISSUER_BYTES],
        address: "127.0.0.1:7000".to_owned(),
    };
    let desk = Desk::new(node.clone(), Clock::manual(NOW).0);
    let ask = Ask {
        secret: SECRET,
        kind: SeatKind::Department as u8,
    };
    let offer = match desk.offer(from, ask).await {
        Ok(offer) => offer,
        Err(refused) => return Answer::Refused(refused),
    };
    let directory = node.directory().clone();
    let keys = Keys::of(key(own).public(), Some(key(own).public().0));
    let request = request(
        &code,
        &offer,
        &directory,
        &from.exporter,
        &keys,
        &key(own),
        None,
        &Wishes::default(),
    );
    desk.judge(from, offer, request).await
}

pub async fn newest(node: &Node) -> Act {
    let page = node.acts(&ActFilter::default(), None, 1).await;
    page.expect("acts").rows.remove(0)
}

#[tokio::test]
async fn what_is_refused_is_no_act() {
    let world = World::new().await;
    let node = &world.east;
    account(node, "admin", Role::Administrator).await;
    account(node, "li", Role::Clerk).await;
    sign_in(node, "admin", 1).await;
    let before = newest(node).await.seq;
    let actor = &actor();
    let check = |outcome: Result<(), AccountError>, part: &str| {
        let told = outcome.expect_err(part).to_string();
        assert!(told.contains(part), "{told} says {part}");
    };
    let last = "最后一个可用的管理员";
    check(node.disable_account("admin", actor, NOW).await, last);
    let clerk = node.change_account("admin", "王芳", &Role::Clerk, actor, NOW);
    check(clerk.await, last);
    let put = NewAccount {
        account: "admin",
        name: "王芳",
        role: Role::Auditor,
        password: PASSWORD,
        salt: [1; 16],
    };
    check(node.put_account(&put, actor, NOW).await, last);
    check(
        node.disable_account("sun", actor, NOW).await,
        "没有账号「sun」",
    );
    check(node.disable_account("s\0", actor, NOW).await, "没有账号");
    let opened = node.open_account(password("li"), "李明", &Role::Clerk, actor, NOW);
    check(opened.await, "已有账号「li」");
    let nowhere = Role::Department("不存在的局".to_owned());
    let opened = node.open_account(password("sun"), "孙丽", &nowhere, actor, NOW);
    check(
        opened.await,
        "没有机构代码「不存在的局」，请填写已接入或已签发接入码的机构",
    );
    let named = node.open_account(password("sun"), " ", &Role::Clerk, actor, NOW);
    check(named.await, "真实姓名");
    check(
        NewPassword::hash("sun", "short", &[0; 16]).map(drop),
        "口令至少",
    );
    check(
        NewPassword::hash("sun", "sunflower seeds", &[0; 16]).map(drop),
        "账号名",
    );
    check(
        NewPassword::hash("Sun", PASSWORD, &[0; 16]).map(drop),
        "小写字母",
    );
    // the password was given anew between being shown and being changed
    let Ok(checked) = shown(node, "li", PASSWORD).await else {
        panic!("the password is not right");
    };
    let reset = node.reset_password(password("li"), actor, NOW).await;
    reset.expect("reset");
    let own = node.change_own_password(checked, password("li"), &[1; 32], actor, NOW);
    check(own.await, "重新登录");
    assert_eq!(
        newest(node).await.seq,
        before + 1,
        "only the reset was done"
    );
    assert!(is_in(node, 1).await, "the administrator is still in");
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_and_who_changes_the_own_password_stays() {
    let world = World::new().await;
    let (node, actor) = (&world.east, &actor());
    account(node, "admin", Role::Administrator).await;
    account(node, "li", Role::Clerk).await;
    sign_in(node, "li", 1).await;
    sign_in(node, "li", 2).await;
    let Ok(checked) = shown(node, "li", PASSWORD).await else {
        panic!("the password is not right");
    };
    let changed = node.change_own_password(checked, password("li"), &[1; 32], actor, NOW);
    changed.await.expect("changed");
    assert!(is_in(node, 1).await && !is_in(node, 2).await);
    assert!(
        shown(node, "li", PASSWORD).await.is_err(),
        "the former is no more"
    );
    let Ok(before) = shown(node, "li", OTHER).await else {
        panic!("the new password is not right");
    };
    let disabled = node.disable_account("li", actor, NOW).await;
    disabled.expect("disabled");
    assert!(!is_in(node, 1).await);
    assert!(shown(node, "li", OTHER).await.is_err());
    // whoever showed it just before does not come in either
    let late = node.sign_in(before, &[3; 32], "10.1.2.3", NOW).await;
    assert!(matches!(late, Err(AccountError::Changed)), "{late:?}");
    let enabled = node.enable_account("li", actor, NOW).await;
    enabled.expect("enabled");
    assert!(!is_in(node, 1).await && !is_in(node, 3).await);
    assert!(shown(node, "li", OTHER).await.is_ok());
}

#[tokio::test]
async fn looking_again_leaves_one_row_an_hour() {
    let world = World::new().await;
    let (node, actor) = (&world.east, &actor());
    account(node, "admin", Role::Administrator).await;
    let begin = newest(node).await.seq;
    let search = async |q: &str, page: u32, now: i64, actor: &Actor| {
        let found = node.view_search(q, (page, 50), actor, now).await;
        found.expect("answered");
        newest(node).await.seq - begin
    };
    assert_eq!(search("泉城", 1, NOW, actor).await, 1);
    assert_eq!(search("泉城", 1, NOW + 1, actor).await, 1);
    assert_eq!(search("泉城", 2, NOW + 1, actor).await, 2, "another page");
    assert_eq!(search("历下", 1, NOW + 1, actor).await, 3, "another query");
    let other = Actor {
        account: "li".to_owned(),
        ..actor.clone()
    };
    assert_eq!(search("泉城", 1, NOW + 1, &other).await, 4, "somebody else");
    assert_eq!(search("泉城", 1, NOW + AGAIN_US + 1, actor).await, 5);
    // nothing was sought
    for q in ["", " ", "远", &"长".repeat(200), "a\0b"] {
        assert_eq!(search(q, 1, NOW, actor).await, 5, "{q:?}");
    }
}

#[tokio::test]
async fn a_newcomer_that_needs_no_approval_is_written_down_as_let_in() {
    let world = World::new().await;
    let node = &world.east;
    assert!(matches!(join(node, true).await, Answer::Approved(_)));
    // the same one again, because the answer was lost
    assert!(matches!(come(node).await, Answer::Approved(_)));
    let page = node.acts(&ActFilter::default(), None, 9).await;
    let told: Vec<(String, String)> = page
        .expect("acts")
        .rows
        .into_iter()
        .map(|a| (a.action, a.way))
        .collect();
    let row = |action: Action, way: Way| (action.key().to_owned(), way.key().to_owned());
    assert_eq!(
        told,
        [
            row(Action::Approve, Way::Code),
            row(Action::AdmissionRequest, Way::Code),
            row(Action::Invite, Way::Page),
        ]
    );
}

#[tokio::test]
async fn a_command_is_written_down_with_the_user_who_gave_it() {
    let world = World::new().await;
    let node = &world.east;
    let host = NodeHost::new(node.clone(), Links::new(), Clock::manual(NOW).0);
    let clock = Clock::manual(NOW).0;
    let folder = tempfile::TempDir::new().expect("folder");
    let disk = Disk::of(folder.path(), None);
    let workers = Workers::new(Metrics::new());
    let reporter = Reporter::new(host.clone(), disk, workers, clock.clone());
    let public = Ok("127.0.0.1:7000".to_owned());
    let desk = control::Desk::new(host, public, reporter, clock);
    let caller = Caller {
        uid: 1000,
        user: Some("ops".to_owned()),
    };
    let ask = async |request: Value| {
        let answer = desk.answer(&caller, &request.to_string()).await;
        serde_json::from_str::<Value>(&answer).expect("JSON")
    };
    join(node, false).await;
    let seat = protocol::name::SeatId([40; 16]).to_string();
    let put = |account: &str, role: &str| json!({ "command": "account", "account": account, "name": "王芳", "role": role, "password": PASSWORD });
    let of = |command: &str, account: &str| json!({ "command": command, "account": account });
    let steps = [
        (put("admin", "administrator"), Action::AccountPut),
        (put("li", "department:370102.scjg"), Action::AccountPut),
        (of("account.disable", "li"), Action::AccountDisable),
        (of("account.enable", "li"), Action::AccountEnable),
        (
            json!({ "command": "invite", "kind": "department", "title": "区税务局", "organisation": "370102.swj2" }),
            Action::Invite,
        ),
        (
            json!({ "command": "approve", "seat": seat }),
            Action::Approve,
        ),
    ];
    for (request, action) in steps {
        let before = newest(node).await.seq;
        let answer = ask(request.clone()).await;
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        let row = newest(node).await;
        assert_eq!(row.seq, before + 1, "{request}");
        assert_eq!(
            (row.action.as_str(), row.account.as_str(), row.name.as_str()),
            (action.key(), "os:ops", "ops"),
            "{request}"
        );
        assert_eq!(
            (row.way.as_str(), row.client.as_str()),
            ("command", "uid 1000")
        );
    }
    let before = newest(node).await.seq;
    let refused = [
        (of("account.disable", "admin"), "最后一个可用的管理员"),
        (
            put("sun", "department:没有的局"),
            "没有机构代码「没有的局」",
        ),
        (of("account.disable", "nobody"), "没有账号「nobody」"),
    ];
    for (request, part) in refused {
        let answer = ask(request).await;
        let told = answer["error"].as_str().unwrap_or_default();
        assert!(told.contains(part), "{answer}");
    }
    let list = ask(json!({ "command": "accounts" })).await;
    let names: Vec<_> = list["accounts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|a| {
            (
                a["account"].as_str(),
                a["role"].as_str(),
                a["disabled"].as_bool(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            (Some("admin"), Some("administrator"), Some(false)),
            (Some("li"), Some("department:370102.scjg"), Some(false)),
        ]
    );
    assert_eq!(newest(node).await.seq, before);
}

#[tokio::test]
async fn the_record_is_taken_away_whole_or_says_where_it_ends() {
    let world = World::new().await;
    let (node, actor) = (&world.east, &actor());
    for n in 1..=7 {
        let noted = node.note_act(Action::LinkCut, actor, n).await;
        noted.expect("written down");
    }
    let filter = ActFilter {
        action: Some(Action::LinkCut),
        ..ActFilter::default()
    };
    for (rows, count, next) in [(100, 7, None), (7, 7, None), (3, 3, Some(5))] {
        let table = node.export_acts(&filter, rows, actor, NOW).await;
        let table = table.expect("answered");
        let numbers: Vec<u64> = table.rows.iter().map(|a| a.seq).collect();
        let expected: Vec<u64> = (1..=7).rev().take(count).collect();
        assert_eq!((numbers, table.next), (expected, next));
        let row = newest(node).await;
        assert_eq!(row.detail, format!("{count} 条"));
        assert!(row.hash.len() == 64 && row.object == "操作：断开链路");
    }
}
