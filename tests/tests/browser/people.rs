//! Accounts and the record of acts over plain HTTP: what administrators, auditors and everybody can do there, and that each
//! look at what is about somebody is written down.

use node::query::audit::{Act, ActFilter};
use runtime::listener::prefix::Prefix;
use tests::http::{Answer, Request, percent};

use crate::world::{CODE, PASSWORD, SUBJECT, TAX_CODE, World, cookie, hidden};

const OTHER: &str = "another battery staple";

/// Token of the form that is sent to this address.
fn token(html: &str, action: &str) -> String {
    let form = html.split_once(&format!("action=\"{action}\""));
    let (_, form) = form.unwrap_or_else(|| panic!("no form for {action}"));
    hidden(form, "csrf")
}

/// Sends the form of a page.
async fn submit(
    world: &World,
    cookie: &str,
    page: &str,
    action: &str,
    fields: &[(&str, &str)],
) -> Answer {
    let html = world.get(cookie, page).await.text();
    let token = token(&html, action);
    let mut all = vec![("csrf", token.as_str())];
    all.extend(fields);
    let request = Request::post_form(action, &all).header("cookie", cookie);
    world.ask(request).await
}

async fn newest(world: &World) -> Act {
    let page = world.node.acts(&ActFilter::default(), None, 1).await;
    page.expect("acts").rows.remove(0)
}

async fn sign_in(world: &World, account: &str, password: &str) -> String {
    let answer = world.try_sign_in(account, password).await;
    assert_eq!(answer.status, 303, "{account}: {}", answer.text());
    cookie(&answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_from_its_opening_to_its_end() {
    let world = World::new().await;
    let admin = world.sign_in("admin").await;
    let open = async |fields: &[(&str, &str)]| {
        submit(&world, &admin, "/accounts", "/accounts", fields).await
    };
    let given = |account, role, department, password| {
        [
            ("account", account),
            ("name", "孙丽"),
            ("role", role),
            ("department", department),
            ("password", password),
        ]
    };
    for (fields, part) in [
        (given("Sun", "clerk", "", PASSWORD), "小写字母"),
        (given("sun", "clerk", "", "short"), "口令至少 10 个字符"),
        (given("sun", "department", "", PASSWORD), "没有机构代码「」"),
        (
            given("sun", "department", "没有的局", PASSWORD),
            "没有机构代码「没有的局」",
        ),
        (given("sun", "nothing", "", PASSWORD), "请选择角色"),
        (given("clerk", "clerk", "", PASSWORD), "已有账号「clerk」"),
    ] {
        let answer = open(&fields).await;
        assert_eq!(answer.status, 422, "{fields:?}");
        let html = answer.text();
        assert!(html.contains(part) && html.contains("错误：账号"), "{part}");
        assert!(!html.contains(fields[4].1), "no password comes back");
    }
    let opened = open(&given("sun", "department", TAX_CODE, PASSWORD)).await;
    assert_eq!(opened.header("location"), Some("/accounts/sun?done=open"));
    let row = newest(&world).await;
    assert_eq!(
        (
            row.action.as_str(),
            row.object.as_str(),
            row.account.as_str()
        ),
        ("account.open", "sun", "admin")
    );
    assert_eq!(row.detail, format!("孙丽，部门人员，{TAX_CODE}"));

    let sun = sign_in(&world, "sun", PASSWORD).await;
    let list = world.get(&admin, "/api/v1/accounts").await.json();
    let list = list.expect("json");
    let rows = list["rows"].as_array().expect("rows");
    let listed: Vec<_> = rows.iter().map(|r| r["account"].as_str()).collect();
    let names = ["admin", "clerk", "sun", "taxman"].map(Some);
    assert_eq!(listed, names);

    // another role shows at once, in the session that stands
    let role = [("name", "孙丽"), ("role", "auditor"), ("department", "")];
    let changed = submit(&world, &admin, "/accounts/sun", "/accounts/sun/role", &role).await;
    assert_eq!(changed.header("location"), Some("/accounts/sun?done=role"));
    assert_eq!(world.get(&sun, "/audit").await.status, 200);

    let reset = [("password", OTHER)];
    let action = "/accounts/sun/password";
    let reset = submit(&world, &admin, "/accounts/sun", action, &reset).await;
    assert_eq!(reset.status, 303);
    assert_eq!(world.get(&sun, "/nodes").await.status, 303, "signed out");
    let sun = sign_in(&world, "sun", OTHER).await;

    let action = "/accounts/sun/disable";
    let disabled = submit(&world, &admin, "/accounts/sun", action, &[]).await;
    assert_eq!(disabled.status, 303);
    assert_eq!(world.get(&sun, "/nodes").await.status, 303, "signed out");
    assert_ne!(world.try_sign_in("sun", OTHER).await.status, 303);
    let page = world.get(&admin, "/accounts/sun").await.text();
    assert!(page.contains("已停用") && page.contains("恢复账号"));
    let action = "/accounts/sun/enable";
    let enabled = submit(&world, &admin, "/accounts/sun", action, &[]).await;
    assert_eq!(enabled.status, 303);
    sign_in(&world, "sun", OTHER).await;

    // the last administrator stays
    let action = "/accounts/admin/disable";
    let refused = submit(&world, &admin, "/accounts/admin", action, &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("最后一个可用的管理员"));
    let role = [("name", "王芳"), ("role", "clerk"), ("department", "")];
    let action = "/accounts/admin/role";
    let refused = submit(&world, &admin, "/accounts/admin", action, &role).await;
    assert_eq!(refused.status, 422);
    assert_eq!(world.get(&admin, "/accounts").await.status, 200);
    // a form that was not made for this session
    let forged = Request::post_form("/accounts/sun/disable", &[("csrf", "0")]);
    let forged = world.ask(forged.header("cookie", &admin)).await;
    assert_eq!(forged.status, 403);
    assert_eq!(world.get(&admin, "/accounts/nobody").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_changes_the_own_password() {
    let world = World::new().await;
    let (here, there) = (world.sign_in("clerk").await, world.sign_in("clerk").await);
    let change = async |former: &str, password: &str, again: &str| {
        let fields = [("former", former), ("password", password), ("again", again)];
        submit(&world, &here, "/password", "/password", &fields).await
    };
    for (former, password, again, part) in [
        (PASSWORD, OTHER, PASSWORD, "不一致"),
        ("not the password", OTHER, OTHER, "原口令不正确"),
        (PASSWORD, "short", "short", "口令至少 10 个字符"),
        (PASSWORD, "the clerk's own", "the clerk's own", "账号名"),
    ] {
        let answer = change(former, password, again).await;
        assert_eq!(answer.status, 422, "{part}");
        assert!(answer.text().contains(part), "{part}");
    }
    assert_eq!(world.get(&there, "/nodes").await.status, 200);
    let changed = change(PASSWORD, OTHER, OTHER).await;
    assert_eq!(changed.header("location"), Some("/password?done=1"));
    let page = world.get(&here, "/password?done=1").await.text();
    assert!(page.contains("口令已修改"));
    assert_eq!(world.get(&there, "/nodes").await.status, 303, "ended");
    sign_in(&world, "clerk", OTHER).await;
    // guessing the former is as slow as at signing in
    for _ in 0..5 {
        change("guess", OTHER, OTHER).await;
    }
    assert_eq!(change(OTHER, PASSWORD, PASSWORD).await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_keeps_others_from_changing_their_password() {
    let mut world = World::new().await;
    world.proxies = vec![Prefix::parse("127.0.0.1").expect("a prefix")];
    world.restart_serving().await;
    let clerk = world.sign_in("clerk").await;
    // nobody is known by an address after a restart
    world.restart_serving().await;
    for n in 1..=13 {
        let from = format!("192.0.2.{n}");
        for _ in 0..5 {
            world
                .try_sign_in_from("clerk", "guess", "", Some(&from))
                .await;
        }
    }
    let stranger = world
        .try_sign_in_from("clerk", PASSWORD, "", Some("192.0.2.99"))
        .await;
    assert_eq!(stranger.status, 429);
    let fields = [("former", PASSWORD), ("password", OTHER), ("again", OTHER)];
    let changed = submit(&world, &clerk, "/password", "/password", &fields).await;
    assert_eq!(changed.header("location"), Some("/password?done=1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_menu_offers_what_the_account_may_do_and_nothing_else_works() {
    let world = World::new().await;
    let all = ["/admissions", "/accounts", "/audit"];
    for (account, may) in [("admin", &all[..]), ("clerk", &[]), ("taxman", &[])] {
        let cookie = world.sign_in(account).await;
        let home = world.get(&cookie, "/nodes").await.text();
        for path in all {
            let offered = home.contains(&format!("<a href=\"{path}\""));
            assert_eq!(offered, may.contains(&path), "{account} {path}");
            for path in [path.to_owned(), format!("/api/v1{path}")] {
                let status = world.get(&cookie, &path).await.status;
                assert_eq!(status == 200, offered, "{account} {path}: {status}");
                if !offered {
                    let row = newest(&world).await;
                    assert_eq!(
                        (row.action.as_str(), row.object, row.account.as_str()),
                        ("forbidden", path.clone(), account)
                    );
                }
            }
        }
        let export = world.get(&cookie, "/audit/export").await.status;
        assert_eq!(export == 200, !may.is_empty(), "{account}: {export}");
        let others = world.get(&cookie, "/accounts/admin").await.status;
        assert_eq!(others == 200, !may.is_empty(), "{account}: {others}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_look_is_written_down_by_page_and_by_api() {
    let world = World::new().await;
    let admin = world.sign_in("admin").await;
    let dossier = format!("/entities/{}", percent(SUBJECT));
    let query = format!("/entities?q={}", percent("远东"));
    let looks = [
        (query.as_str(), "entity.search", "远东"),
        (dossier.as_str(), "dossier.view", SUBJECT),
        ("/refusals", "refusal.list", "状态：待更正"),
        ("/unsettled", "unsettled.list", ""),
        ("/audit", "audit.list", ""),
        ("/audit/export", "audit.export", ""),
    ];
    for (path, action, object) in looks {
        for (path, way) in [(path.to_owned(), "page"), (format!("/api/v1{path}"), "api")] {
            let before = newest(&world).await.seq;
            assert_eq!(world.get(&admin, &path).await.status, 200, "{path}");
            let row = newest(&world).await;
            assert_eq!(row.seq, before + 1, "{path}");
            assert_eq!(
                (row.action.as_str(), row.object.as_str(), row.way.as_str()),
                (action, object, way),
                "{path}"
            );
            assert_eq!(
                (row.account.as_str(), row.name.as_str(), row.client.as_str()),
                ("admin", "王芳", "127.0.0.1"),
                "{path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_is_looked_through_and_taken_away() {
    let world = World::new().await;
    let (admin, clerk) = (world.sign_in("admin").await, world.sign_in("clerk").await);
    for n in 0..60 {
        world
            .get(
                &clerk,
                &format!("/entities?q={}", percent(&format!("=远东{n}"))),
            )
            .await;
    }
    world
        .get(&clerk, &format!("/entities/{}", percent(SUBJECT)))
        .await;
    let read = async |question: &str| {
        let answer = world.get(&admin, &format!("/api/v1/audit{question}")).await;
        assert_eq!(answer.status, 200, "{question}");
        answer.json().expect("json")
    };
    // page by page, without a gap or a repetition
    let mut seen = Vec::new();
    let mut next = "?account=clerk".to_owned();
    loop {
        let page = read(&next).await;
        let rows = page["rows"].as_array().expect("rows");
        assert!(rows.iter().all(|r| r["account"] == "clerk"));
        seen.extend(rows.iter().filter_map(|r| r["seq"].as_u64()));
        match page["older"].as_str() {
            Some(older) => next = older.trim_start_matches("/audit").to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 62, "60 searches, a dossier, a sign-in");
    assert!(seen.is_sorted_by(|a, b| a > b));
    let count = async |question: &str| {
        let page = read(question).await;
        page["rows"].as_array().expect("rows").len()
    };
    assert_eq!(count("?account=clerk&action=dossier.view").await, 1);
    assert_eq!(count(&format!("?object={CODE}")).await, 1, "by its number");
    assert_eq!(count("?object=nothing").await, 0);
    assert_eq!(count("?account=clerk&to=2020-01-01").await, 0);
    assert_eq!(count("?account=clerk&from=2020-01-01").await, 50);
    let html = world.get(&admin, "/audit?account=nobody").await.text();
    assert!(html.contains("没有符合条件的审计记录"));
    for wrong in ["?from=yesterday", "?action=nothing", "?before=x"] {
        let answer = world.get(&admin, &format!("/audit{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    let table = world.get(&admin, "/audit/export?account=clerk").await;
    assert_eq!(
        table.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    let named = table.header("content-disposition").expect("a name");
    assert!(
        named.starts_with("attachment; filename=\"audit-"),
        "{named}"
    );
    let text = table.text();
    assert!(text.starts_with("\u{feff}\"序号\","));
    assert_eq!(text.lines().count(), 63);
    assert!(text.contains("\"'=远东7\"") && !text.contains("\"=远东"));
}
