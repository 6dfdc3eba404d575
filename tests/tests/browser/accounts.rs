//! Accounts over plain HTTP: signing in and out, what wrong passwords lead to, and the trace that a look at a dossier leaves.

use node::command::account::FAILURES_MAX;
use store::AuditFilter;
use tests::http::Request;

use crate::world::{CITY_TITLE, ID_NUMBER, PASSWORD, SUBJECT, World, cookie, hidden};

fn dossier() -> String {
    format!("/entities/{}", tests::http::percent(SUBJECT))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_in_and_out() {
    let world = World::new().await;
    let wrong = world.try_sign_in("clerk", "not the password").await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("账号或口令不正确") && wrong.text().contains("错误：登录"));
    let nobody = world.try_sign_in("nobody", PASSWORD).await;
    assert_eq!(nobody.status, 401);
    assert!(
        nobody.text().contains("账号或口令不正确"),
        "an unknown account is told no more"
    );
    // a form that was not ours
    let forged = [("csrf", "0"), ("account", "clerk"), ("password", PASSWORD)];
    assert_eq!(
        world
            .ask(Request::post_form("/sign-in", &forged))
            .await
            .status,
        403
    );

    let right = world.try_sign_in("clerk", PASSWORD).await;
    assert_eq!((right.status, right.header("location")), (303, Some("/")));
    let set = right.header("set-cookie").expect("a cookie");
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"),
        "{set}"
    );
    let cookie = cookie(&right);
    let home = world.get(&cookie, "/").await.text();
    assert!(home.contains("李明") && home.contains(CITY_TITLE));
    assert!(
        !home.contains("/admissions"),
        "a clerk's menu does not offer admissions"
    );

    let without = Request::post_form("/sign-out", &[]).header("cookie", &cookie);
    assert_eq!(world.ask(without).await.status, 403);
    let token = hidden(&home, "csrf");
    let with = Request::post_form("/sign-out", &[("csrf", &token)]).header("cookie", &cookie);
    assert_eq!(world.ask(with).await.header("location"), Some("/sign-in"));
    assert_eq!(
        world.get(&cookie, "/").await.status,
        303,
        "the session has ended"
    );
    let audit = world
        .node
        .store()
        .audit_page(&AuditFilter::default(), None, 20)
        .await
        .expect("audit");
    let acts: Vec<&str> = audit.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(
        &acts[..4],
        ["sign-out", "forbidden", "sign-in", "sign-in.failed"],
        "a form that was not made for the session is written down too"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_is_slowed_down() {
    let world = World::new().await;
    for _ in 0..5 {
        assert_eq!(world.try_sign_in("clerk", "guess").await.status, 401);
    }
    let limited = world.try_sign_in("clerk", PASSWORD).await;
    assert_eq!(limited.status, 429);
    assert!(limited.text().contains("过于频繁"));
    assert_eq!(
        world.try_sign_in("admin", PASSWORD).await.status,
        303,
        "others are not held up"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_wrong_passwords_lock_an_account_for_a_while() {
    let mut world = World::new().await;
    for n in 1..FAILURES_MAX {
        // what slows guessing down lives in memory
        if n % 5 == 0 {
            world.restart_serving().await;
        }
        assert_eq!(world.try_sign_in("clerk", "guess").await.status, 401, "{n}");
    }
    world.restart_serving().await;
    let locked = world.try_sign_in("clerk", "guess").await;
    assert_eq!(locked.status, 429);
    assert!(locked.text().contains("已被锁定，到 20"));
    world.restart_serving().await;
    let right = world.try_sign_in("clerk", PASSWORD).await;
    assert_eq!(right.status, 429, "a restart does not open it");
    assert!(right.text().contains("管理员重设口令即可解锁"));
    world.sign_in("admin").await;
    world.give_password("clerk").await;
    world.sign_in("clerk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_forgets_the_wrong_passwords_before() {
    let mut world = World::new().await;
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(world.try_sign_in("clerk", "guess").await.status, 401);
        }
        world.sign_in("clerk").await;
        world.restart_serving().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_tells_who_has_looked_at_it() {
    let world = World::new().await;
    let (clerk, admin) = (world.sign_in("clerk").await, world.sign_in("admin").await);
    let html = world.get(&clerk, &dossier()).await.text();
    assert!(!html.contains("最近查看"), "a clerk is not told");
    assert!(html.contains(ID_NUMBER), "the city may see it");
    let document = format!("/api/v1{}", dossier());
    let json = world.get(&clerk, &document).await.json().expect("json");
    assert!(json.get("views").is_none(), "{json}");
    let json = world.get(&admin, &document).await.json().expect("json");
    let views = json["views"].as_array().expect("views");
    let seen: Vec<_> = views.iter().map(|v| (&v["who"], &v["way"])).collect();
    assert_eq!(
        seen,
        [
            (&"李明（clerk）".into(), &"接口".into()),
            (&"李明（clerk）".into(), &"网页".into())
        ]
    );
    let html = world.get(&admin, &dossier()).await.text();
    assert!(html.contains("此前最近 3 次"));
    // what was not found was not looked at
    world.get(&clerk, "/entities/uscc%3A00").await;
    let acts = world
        .node
        .store()
        .audit_page(&AuditFilter::default(), None, 1)
        .await
        .expect("acts");
    assert_eq!(
        (acts[0].action.as_str(), acts[0].object.as_str()),
        ("dossier.view", SUBJECT)
    );
}
