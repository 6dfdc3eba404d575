//! Every action that there is, done once: each leaves exactly one row, which says who did it.

use node::Node;
use node::command::account::{NewAccount, Role};
use node::command::actor::{Action, Actor, Way};
use node::command::admission::code_id;
use node::command::revoke::Reason;
use node::query::audit::ActFilter;
use node::query::refusal::RefusalFilter;
use node::query::unsettled::UnsettledFilter;
use runtime::admission::Answer;

use crate::kit::settle;
use crate::people::{
    BUREAU, NOW, PASSWORD, account, actor, come, come_with, issue, join, newest, password,
    setter_up, shown, sign_in,
};
use crate::{CODE_A, World, company};

/// How the row of an action tells who acted.
fn expected(action: Action) -> Actor {
    match action {
        Action::SignIn => Actor {
            account: "li".to_owned(),
            name: "李明".to_owned(),
            way: Way::Page,
            client: "10.1.2.3".to_owned(),
        },
        Action::SignInFailed => Actor::stranger("li", "10.1.2.3"),
        Action::AdmissionRequest | Action::AnotherKey => Actor::newcomer("", "192.0.2.7"),
        _ => actor(),
    }
}

/// What must be there before an action.
async fn prepare(action: Action, world: &mut World) {
    let node = &world.east;
    account(node, "li", Role::Clerk).await;
    account(node, "admin", Role::Administrator).await;
    match action {
        Action::SignOut => sign_in(node, "li", 1).await,
        Action::AccountEnable => {
            let disabled = node.disable_account("li", &setter_up(), NOW).await;
            disabled.expect("disabled");
        }
        Action::Approve | Action::Refuse | Action::AnotherKey => {
            join(node, false).await;
        }
        Action::AdmissionRequest | Action::InviteRevoke => {
            issue(node, false, &setter_up()).await;
        }
        Action::Revoke => {
            join(node, true).await;
        }
        Action::DossierView => {
            let row = company("1", CODE_A, "泉城餐饮有限公司", "历下区");
            let item = world.source.state(&row);
            world.say(item).await;
            settle(&world.east).await;
        }
        _ => {}
    }
}

/// Does it; gives the object that the row must name. Every action is here: there is no other way to add one.
async fn carry_out(action: Action, node: &Node) -> String {
    let actor = &actor();
    let li = || "li".to_owned();
    let seat = || protocol::name::SeatId([40; 16]).to_string();
    match action {
        Action::SignIn => {
            sign_in(node, "li", 1).await;
            String::new()
        }
        Action::SignInFailed => {
            let failed = node.sign_in_failed("li", "10.1.2.3", "", NOW).await;
            failed.expect("written down");
            String::new()
        }
        Action::SignOut => {
            let out = node.sign_out(&[1; 32], actor, NOW).await;
            out.expect("signed out");
            String::new()
        }
        Action::DossierView => {
            let subject = format!("uscc:{CODE_A}");
            let seen = node.view_dossier(&subject, &Role::Clerk, actor, NOW).await;
            assert!(seen.expect("answered").is_some());
            subject
        }
        Action::Search => {
            let found = node.view_search(" 泉城 ", (1, 50), actor, NOW).await;
            found.expect("answered");
            "泉城".to_owned()
        }
        Action::RefusalList => {
            let filter = RefusalFilter {
                department: Some(BUREAU.to_owned()),
                open: Some(true),
                ..RefusalFilter::default()
            };
            let list = node.view_refusals(&filter, (1, 50), actor, NOW).await;
            list.expect("answered");
            format!("部门：{BUREAU}，状态：待更正")
        }
        Action::UnsettledList => {
            let filter = UnsettledFilter::default();
            let list = node.view_unsettled(&filter, (1, 50), actor, NOW).await;
            list.expect("answered");
            String::new()
        }
        Action::AuditList => {
            let filter = ActFilter {
                account: Some(li()),
                action: Some(Action::SignIn),
                ..ActFilter::default()
            };
            let list = node.view_acts(&filter, None, 50, actor, NOW).await;
            list.expect("answered");
            "账号：li，操作：登录".to_owned()
        }
        Action::AuditExport => {
            let filter = ActFilter::default();
            let table = node.export_acts(&filter, 100, actor, NOW).await;
            table.expect("answered");
            String::new()
        }
        Action::Forbidden => {
            let noted = node.note_forbidden("/audit", "没有权限", actor, NOW).await;
            noted.expect("written down");
            "/audit".to_owned()
        }
        Action::Invite => {
            issue(node, false, actor).await;
            seat()
        }
        Action::AdmissionRequest => {
            assert!(matches!(come(node).await, Answer::Pending { .. }));
            seat()
        }
        Action::Approve => {
            let approved = node.approve(&seat(), "", actor, NOW).await;
            approved.expect("approved");
            seat()
        }
        Action::Refuse => {
            let refused = node.refuse(&seat(), "指纹不符", actor, NOW).await;
            refused.expect("refused");
            seat()
        }
        Action::InviteRevoke => {
            let codes = node.store().invitations().await.expect("codes");
            let number = code_id(&codes[0].secret_hash);
            let revoked = node.revoke_code(&number, actor, NOW).await;
            assert_eq!(revoked.expect("called back"), 1);
            seat()
        }
        Action::AnotherKey => {
            assert!(matches!(come_with(node, 41).await, Answer::Refused(_)));
            seat()
        }
        Action::Revoke => {
            let seat = seat();
            let revoked = node.revoke_seat(&seat, Reason::Stolen, "密钥外泄", actor, NOW);
            revoked.await.expect("called back");
            seat
        }
        Action::AccountOpen => {
            let (new, role) = (password("sun"), Role::Department(BUREAU.to_owned()));
            let opened = node.open_account(new, "孙丽", &role, actor, NOW).await;
            opened.expect("opened");
            "sun".to_owned()
        }
        Action::AccountPut => {
            let new = NewAccount {
                account: "sun",
                name: "孙丽",
                role: Role::Auditor,
                password: PASSWORD,
                salt: [1; 16],
            };
            let put = node.put_account(&new, actor, NOW).await;
            put.expect("opened");
            "sun".to_owned()
        }
        Action::AccountRole => {
            let changed = node.change_account("li", "李明", &Role::Auditor, actor, NOW);
            changed.await.expect("changed");
            li()
        }
        Action::AccountDisable => {
            let disabled = node.disable_account("li", actor, NOW).await;
            disabled.expect("disabled");
            li()
        }
        Action::AccountEnable => {
            let enabled = node.enable_account("li", actor, NOW).await;
            enabled.expect("enabled");
            li()
        }
        Action::AccountPassword => {
            let reset = node.reset_password(password("li"), actor, NOW).await;
            reset.expect("reset");
            li()
        }
        Action::OwnPassword => {
            let Ok(checked) = shown(node, "li", PASSWORD).await else {
                panic!("the password is not right");
            };
            let changed = node.change_own_password(checked, password("li"), &[1; 32], actor, NOW);
            changed.await.expect("changed");
            li()
        }
        Action::OwnPasswordFailed => {
            let noted = node.own_password_failed(actor, NOW).await;
            noted.expect("written down");
            actor.account.clone()
        }
        Action::PeerRevoked | Action::PeerRenewed | Action::Rotate => {
            unreachable!("needs another node's word or the root: the tests of admission do it")
        }
        Action::LinkCut | Action::LinkConnect => {
            let noted = node.note_act(action, actor, NOW).await;
            noted.expect("written down");
            String::new()
        }
    }
}

#[tokio::test]
async fn no_act_without_its_row() {
    // another node's word, or the root's key, does these: the tests of admission look at their rows
    let elsewhere = [Action::PeerRevoked, Action::PeerRenewed, Action::Rotate];
    let here = Action::ALL
        .iter()
        .filter(|action| !elsewhere.contains(action));
    for action in here.copied() {
        let mut world = World::new().await;
        prepare(action, &mut world).await;
        let before = newest(&world.east).await.seq;
        let object = carry_out(action, &world.east).await;
        let row = newest(&world.east).await;
        assert_eq!(row.seq, before + 1, "{action:?}");
        let who = expected(action);
        assert_eq!(
            (row.action.as_str(), row.object.as_str(), row.at_us),
            (action.key(), object.as_str(), NOW),
        );
        assert_eq!(
            (row.account, row.way.as_str(), row.client),
            (who.account, who.way.key(), who.client),
            "{action:?}"
        );
        if matches!(action, Action::AdmissionRequest | Action::AnotherKey) {
            assert!(row.name.starts_with("持码方（接入码由"), "{}", row.name);
        } else {
            assert_eq!(row.name, who.name, "{action:?}");
        }
        let check = world.east.store().audit_check().await.expect("walked");
        assert_eq!((check.rows, check.fault), (row.seq, None), "{action:?}");
    }
}
