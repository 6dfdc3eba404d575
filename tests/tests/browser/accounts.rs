//! Accounts over plain HTTP: signing in and out, what wrong passwords lead to, and the trace that a look at a dossier leaves.

use node::command::session::SESSIONS_MAX;
use runtime::listener::prefix::Prefix;
use store::AuditFilter;
use tests::http::{Answer, Request};

use crate::world::{CITY_TITLE, ID_NUMBER, NAME, PASSWORD, SUBJECT, World, cookie, hidden};

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
async fn an_account_cannot_be_closed_from_outside() {
    let mut world = World::new().await;
    world.proxies = vec![Prefix::parse("127.0.0.1").expect("a prefix")];
    world.restart_serving().await;
    let from = |n: u32| format!("192.0.2.{n}");
    let own = world
        .try_sign_in_from("clerk", PASSWORD, "", Some(&from(1)))
        .await;
    assert_eq!(own.status, 303);
    let browser = cookie(&own);
    // what is known by its cookie is known after a restart too
    world.restart_serving().await;
    let mut refused = 0;
    for n in 100..113 {
        for _ in 0..6 {
            let guess = world
                .try_sign_in_from("clerk", "guess", "", Some(&from(n)))
                .await;
            refused += u32::from(guess.status == 429);
            assert!([401, 429].contains(&guess.status));
        }
    }
    assert!(refused >= 18, "guessing is slowed down: {refused}");
    let stranger = world
        .try_sign_in_from("clerk", PASSWORD, "", Some(&from(2)))
        .await;
    assert_eq!(stranger.status, 429, "sixty wrong ones from elsewhere");
    for address in [from(1), from(100), from(3)] {
        let own = world
            .try_sign_in_from("clerk", PASSWORD, &browser, Some(&address))
            .await;
        assert_eq!(own.status, 303, "{address}");
    }
    let admin = world
        .try_sign_in_from("admin", PASSWORD, "", Some(&from(2)))
        .await;
    assert_eq!(admin.status, 303, "others are not held up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_no_accounts_hear_the_same_and_fill_nothing() {
    let world = World::new().await;
    let mut heard = Vec::new();
    for account in ["clerk", "ghost"] {
        let mut words = Vec::new();
        for _ in 0..8 {
            let answer = world.try_sign_in(account, "guess").await;
            let text = answer.text();
            let said = text.split("role=\"alert\"").nth(1).unwrap_or_default();
            let said: String = said
                .chars()
                .take(80)
                .filter(|c| !c.is_ascii_digit())
                .collect();
            words.push((answer.status, said));
        }
        heard.push(words);
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0][7].0, 429);
    for n in 0..15 {
        world.try_sign_in(&format!("ghost{n}"), "guess").await;
    }
    world.site().close().await.expect("written down");
    let acts = world
        .node
        .store()
        .audit_page(&AuditFilter::default(), None, 100)
        .await
        .expect("acts");
    let failed: Vec<_> = acts
        .iter()
        .filter(|a| a.action == "sign-in.failed")
        .collect();
    let of = |account: &str| {
        let rows = failed.iter().filter(|a| a.account == account);
        rows.map(|a| a.detail.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("clerk"), ["此后又有 4 次，来自 1 个地址", ""]);
    assert_eq!(of("（无此账号）"), ["此后又有 19 次，来自 1 个地址", ""]);
    assert_eq!(failed.len(), 4, "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_of_many_sessions_ends() {
    let world = World::new().await;
    let first = world.sign_in("clerk").await;
    let second = world.sign_in("clerk").await;
    for _ in 1..SESSIONS_MAX {
        world.sign_in("clerk").await;
    }
    assert_eq!(world.get(&first, "/").await.status, 303, "it has ended");
    assert_eq!(world.get(&second, "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_addresses_and_encryption_are_believed_of_trusted_proxies_only() {
    let mut world = World::new().await;
    let ask = async |world: &World, host: &str| {
        let request = Request::get("/sign-in")
            .header("host", host)
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", "192.0.2.7");
        world.ask(request).await
    };
    let secure = |answer: &Answer| {
        let set = answer.header("set-cookie").expect("a cookie");
        let hsts = answer.header("strict-transport-security");
        (set.contains("; Secure"), hsts.is_some())
    };
    for believed in [false, true] {
        if believed {
            world.proxies = vec![Prefix::parse("127.0.0.0/8").expect("a prefix")];
            world.restart_serving().await;
        }
        let named = ask(&world, &format!("{NAME}:443")).await;
        assert_eq!((named.status, secure(&named)), (200, (believed, believed)));
        let local = ask(&world, "localhost").await;
        assert_eq!((local.status, secure(&local)), (200, (believed, false)));
        for foreign in ["evil.example", "x.jg.example", "10.0.0.1"] {
            assert_eq!(ask(&world, foreign).await.status, 421, "{foreign}");
        }
    }
    let answer = world
        .try_sign_in_from("clerk", PASSWORD, "", Some("1.1.1.1, 192.0.2.7"))
        .await;
    assert_eq!(answer.status, 303);
    let all = AuditFilter::default();
    let acts = world.node.store().audit_page(&all, None, 1).await;
    assert_eq!(acts.expect("acts")[0].client, "192.0.2.7");
    let cookie = cookie(&answer);
    for path in [
        "/api/v1/entities?q=%E5%85%AC%E5%8F%B8",
        "/api/v1/nodes",
        &format!("/api/v1{}", dossier()),
    ] {
        let answer = world.get(&cookie, path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_long_is_refused() {
    let world = World::new().await;
    let long = "x".repeat(20_000);
    let answer = world
        .ask(Request::post_form("/sign-in", &[("account", &long)]))
        .await;
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("未作任何改动"));
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
