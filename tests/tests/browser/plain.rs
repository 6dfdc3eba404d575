//! Over plain HTTP: who may see what, security headers, figures that agree with their lists.

use store::AuditFilter;
use tests::http::Request;

use crate::world::{
    BUREAU, BUREAU_CODE, CITY_TITLE, CODE, ID_NUMBER, OTHERS, SUBJECT, TAX, TAX_CODE, World, cookie,
};

const PAGES: [&str; 10] = [
    "/accounts",
    "/accounts/clerk",
    "/audit",
    "/password",
    "/nodes",
    "/entities",
    "/entities?q=%E8%BF%9C%E4%B8%9C",
    "/refusals",
    "/admissions",
    "/keys",
];

fn dossier() -> String {
    format!("/entities/{}", tests::http::percent(SUBJECT))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_shown_before_signing_in() {
    let world = World::new().await;
    for path in [
        "/",
        "/nodes",
        "/entities?q=1",
        "/refusals",
        "/admissions",
        "/accounts",
        "/audit",
        "/audit/export",
        "/password",
        &dossier(),
    ] {
        let answer = world.ask(Request::get(path)).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(
            answer
                .header("location")
                .is_some_and(|l| l.starts_with("/sign-in")),
            "{path}"
        );
    }
    let answer = world.ask(Request::get("/api/v1/nodes")).await;
    assert_eq!(
        (answer.status, answer.json().expect("json")["title"].clone()),
        (401, "尚未登录".into())
    );
    let answer = world
        .ask(Request::post_form("/admissions/00/approve", &[]))
        .await;
    assert_eq!(answer.status, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_headers() {
    let world = World::new().await;
    let cookie = world.sign_in("admin").await;
    let html = world.get(&cookie, "/nodes").await.text();
    let at = html.find("/static/console.").expect("a style sheet");
    let style = html[at..].split('"').next().unwrap_or_default().to_owned();
    let mut paths: Vec<String> = PAGES.iter().map(|p| (*p).to_owned()).collect();
    paths.extend([
        style.clone(),
        "/sign-in".into(),
        "/no-such".into(),
        "/api/v1/nodes".into(),
        dossier(),
    ]);
    for path in paths {
        let answer = world.get(&cookie, &path).await;
        let policy = answer
            .header("content-security-policy")
            .unwrap_or_default()
            .to_owned();
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        if answer
            .header("content-type")
            .is_some_and(|t| t.starts_with("text/html"))
        {
            let html = answer.text();
            assert!(
                !html.contains(" style=") && !html.contains("<script>"),
                "{path}: inline"
            );
            assert!(html.len() < 200 * 1024, "{path}: {} bytes", html.len());
            assert!(html.contains("lang=\"zh-CN\""), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
    }
    let answer = world.get(&cookie, &style).await;
    assert!(
        answer
            .header("cache-control")
            .is_some_and(|c| c.contains("immutable"))
    );
    let foreign = world
        .ask(Request::get("/sign-in").header("host", "evil.example"))
        .await;
    assert_eq!(foreign.status, 421);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_say_whose_they_are() {
    let world = World::new().await;
    let cookie = world.sign_in("clerk").await;
    for (path, status, words) in [
        ("/no-such", 404, "没有这个页面"),
        ("/entities/uscc%3A00", 404, "本节点没有这个主体的档案"),
        ("/entities/%FF", 400, "请求有误"),
        ("/refusals?seat=zz", 400, "来源"),
        ("/refusals?state=both", 400, "状态"),
        ("/nodes?state=both", 400, "状态"),
        ("/admissions", 403, "接入审批只对本节点的管理员开放"),
        ("/entities?q=%00%00", 200, "查询内容过长"),
    ] {
        let answer = world.get(&cookie, path).await;
        let text = answer.text();
        assert_eq!(answer.status, status, "{path}");
        assert!(text.contains(words), "{path}: {words}");
        assert!(status == 200 || text.contains("编号"), "{path}");
    }
    let answer = world
        .ask(Request::post_form("/nodes", &[]).header("cookie", &cookie))
        .await;
    assert_eq!(answer.status, 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_a_department_stays_with_it() {
    let world = World::new().await;
    let cookie = world.sign_in("taxman").await;
    let other = world
        .get(&cookie, &format!("/refusals?department={BUREAU_CODE}"))
        .await;
    assert_eq!(other.status, 403);
    assert!(other.text().contains("只能查看本部门的拒收记录"));
    let own = world
        .get(&cookie, "/api/v1/refusals")
        .await
        .json()
        .expect("json");
    assert_eq!(
        (own["department"].as_str(), own["pages"]["total"].as_u64()),
        (Some(TAX_CODE), Some(0))
    );
    for path in [dossier(), format!("/api/v1{}", dossier())] {
        let text = world.get(&cookie, &path).await.text();
        assert!(
            text.contains("远东𠮷祥") && text.contains("不向您的账号显示"),
            "{path}"
        );
        assert!(!text.contains(ID_NUMBER), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tree_counts_what_its_lists_hold() {
    let world = World::new().await;
    let cookie = world.sign_in("clerk").await;
    let answer = world.get(&cookie, "/api/v1/nodes").await;
    let health = answer.json().expect("json");
    let parties = health["parties"].as_array().expect("parties");
    let line = |title: &str| {
        parties
            .iter()
            .find(|p| p["title"] == title)
            .expect("a line")
    };
    assert_eq!(line(CITY_TITLE)["depth"], 0);
    assert_eq!(line("历下区监管平台")["state"]["word"], "正常");
    assert_eq!(line("历下区市场监管局 登记库")["depth"], 3);
    assert_eq!(line("市税务局 征管库")["state"]["word"], "正常");
    let away = line("市生态环境局 监测库");
    assert_eq!(away["state"]["word"], "失联");
    assert!(
        away["note"].as_str().is_some_and(|n| n.contains("起失联")),
        "{away}"
    );
    for party in parties {
        let refused = party["refused"].as_str().unwrap_or_default();
        let href = party["refused_href"].as_str().unwrap_or_default();
        let list = world
            .get(&cookie, &format!("/api/v1{href}"))
            .await
            .json()
            .expect("json");
        assert_eq!(
            list["pages"]["total"].to_string(),
            refused,
            "{}: {href}",
            party["title"]
        );
        assert_eq!(
            list["rows"]
                .as_array()
                .map(|r| r.len().to_string())
                .as_deref(),
            Some(refused)
        );
    }
    assert_eq!(line(BUREAU)["refused"], "3");
    for tally in health["tallies"].as_array().expect("tallies") {
        let href = tally["href"].as_str().unwrap_or_default();
        let list = world.get(&cookie, &format!("/api/v1{href}")).await;
        let list = list.json().expect("json");
        let lines = list["parties"].as_array().expect("lines");
        assert_eq!(tally["count"], lines.len(), "{href}");
        assert!(lines.iter().all(|l| l["state"] == tally["state"]), "{list}");
        assert_eq!(list["tallies"], health["tallies"], "{href}");
    }
    // an account of a department is given no figure whose list it may not see
    let own = world.sign_in("taxman").await;
    let seen = world.get(&own, "/api/v1/nodes").await.json();
    for party in seen.expect("json")["parties"].as_array().expect("lines") {
        let refused = party["refused"].as_str().unwrap_or_default();
        let href = party["refused_href"].as_str().unwrap_or_default();
        let of_tax = party["title"].as_str().is_some_and(|t| t.starts_with(TAX));
        assert_eq!(!refused.is_empty(), of_tax, "{party}");
        if of_tax {
            let list = world.get(&own, &format!("/api/v1{href}")).await;
            let list = list.json().expect("json");
            assert_eq!(list["pages"]["total"].to_string(), refused, "{href}");
        }
    }
    let html = world.get(&cookie, "/nodes").await.text();
    for words in ["正常", "失联", "历下区监管平台", BUREAU, "本节点处理进度"] {
        assert!(html.contains(words), "{words}");
    }
    // unchanged figures are not sent again
    let tag = answer.header("etag").expect("a tag").to_owned();
    let again = Request::get("/api/v1/nodes")
        .header("cookie", &cookie)
        .header("if-none-match", &tag);
    let again = world.ask(again).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert!(again.header("zongheng-as-of").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_is_away_hides_the_alarms_below_it() {
    let world = World::with_silent_district().await;
    let cookie = world.sign_in("clerk").await;
    let health = world
        .get(&cookie, "/api/v1/nodes")
        .await
        .json()
        .expect("json");
    let parties = health["parties"].as_array().expect("parties");
    let line = |title: &str| {
        let found = parties.iter().find(|p| p["title"] == title);
        found.expect("a line").clone()
    };
    assert_eq!(line("历下区监管平台")["state"]["word"], "失联");
    let below = line("历下区市场监管局 登记库");
    assert_eq!(below["state"]["word"], "未验证");
    assert!(
        below["note"]
            .as_str()
            .is_some_and(|n| n.contains("上级失联")),
        "{below}"
    );
    // the district itself and the one source that is attached to the city
    assert_eq!(health["tallies"][0]["count"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_are_found_and_it_is_said_why() {
    let world = World::new().await;
    let cookie = world.sign_in("clerk").await;
    for (q, why) in [
        (CODE, "统一社会信用代码相符"),
        ("91110000", "统一社会信用代码以此开头"),
        ("𠮷祥", "名称含「𠮷祥」"),
        ("小吃", "曾用名「泉城小吃店」含「小吃」"),
    ] {
        let path = format!("/api/v1/entities?q={}", tests::http::percent(q));
        let found = world.get(&cookie, &path).await.json().expect("json");
        assert_eq!(found["rows"][0]["subject"], SUBJECT, "{q}: {found}");
        assert_eq!(found["rows"][0]["why"], why, "{q}");
    }
    let all = world
        .get(&cookie, "/api/v1/entities?q=%E8%BF%9C%E4%B8%9C")
        .await
        .json()
        .expect("json");
    let total = all["pages"]["total"].as_u64().expect("a number");
    assert_eq!(total, OTHERS as u64 + 1);
    let next = all["pages"]["next"].as_str().expect("a second page");
    let second = world
        .get(&cookie, &format!("/api/v1{next}"))
        .await
        .json()
        .expect("json");
    assert_eq!(
        second["rows"].as_array().map(|r| r.len() as u64),
        Some(total - 50)
    );
    for (q, words) in [
        ("", "请输入查询内容"),
        ("%E8%BF%9C", "至少要 2 个字"),
        ("nothing-like-it", "请核对用字"),
    ] {
        let page = world.get(&cookie, &format!("/entities?q={q}")).await;
        assert!(page.text().contains(words), "{q}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dossier_leads_down_to_the_departments_row() {
    let world = World::new().await;
    let cookie = world.sign_in("clerk").await;
    let page = world.get(&cookie, &dossier()).await;
    assert_eq!(page.status, 200);
    let html = page.text();
    for words in [
        "远东𠮷祥餐饮管理有限公司",
        "<span>91</span><span>110000</span><span>600037341</span><span>L</span>",
        "历下区（370102）",
        "泉城小吃店",
        "djxx.QY_JBXX rowid=0001",
        "远东餐饮有限公司",
        "验签通过",
        "已落盘",
        "已异地保全",
        "&#60;b&#62;二层",
    ] {
        assert!(html.contains(words), "{words}");
    }
    let dossier = world
        .get(&cookie, &format!("/api/v1{}", dossier()))
        .await
        .json()
        .expect("json");
    let topic = &dossier["categories"][0]["topics"][0];
    let field = |name: &str| {
        let fields = topic["fields"].as_array().expect("fields");
        fields
            .iter()
            .find(|f| f["label"] == name)
            .expect("a field")
            .clone()
    };
    let name = field("企业（机构）名称");
    assert_eq!(name["department"], BUREAU);
    assert_eq!(
        (
            name["others"][0]["department"].as_str(),
            name["others"][0]["same"].as_bool()
        ),
        (Some(TAX), Some(false))
    );
    assert_eq!(
        field("法定代表人（负责人、经营者）")["others"][0]["same"],
        true
    );
    for statement in topic["statements"].as_array().expect("statements") {
        assert_eq!(statement["signature"]["verified"], true, "{statement}");
        let chain = statement["signature"]["admitted_by"]
            .as_array()
            .expect("chain");
        assert_eq!(chain.last().and_then(|c| c.as_str()), Some("市根声明"));
        assert!(chain.iter().any(|c| c == CITY_TITLE), "{chain:?}");
        assert_eq!(
            statement["batch"]["header"].as_str().map(str::len),
            Some(66)
        );
    }
    let first = &topic["statements"][0];
    let list = dossier["refusals_href"].as_str().unwrap_or_default();
    let list = world.get(&cookie, &format!("/api/v1{list}")).await;
    assert_eq!(
        list.json().expect("json")["pages"]["total"],
        dossier["refusals"].as_array().map_or(0, Vec::len),
    );
    let receipts: Vec<&str> = first["receipts"]
        .as_array()
        .expect("receipts")
        .iter()
        .filter_map(|r| r["node"].as_str())
        .collect();
    assert_eq!(receipts, ["历下区监管平台", CITY_TITLE]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_filtered_and_counted() {
    let world = World::new().await;
    let cookie = world.sign_in("clerk").await;
    let list = world
        .get(&cookie, "/api/v1/refusals")
        .await
        .json()
        .expect("json");
    assert_eq!(list["pages"]["total"], 3);
    for reason in list["reasons"].as_array().expect("reasons") {
        let path = format!(
            "/api/v1/refusals?reason={}",
            reason["value"].as_str().unwrap_or_default()
        );
        let only = world.get(&cookie, &path).await.json().expect("json");
        assert_eq!(only["pages"]["total"], reason["count"], "{reason}");
    }
    let row = &list["rows"][0]["reasons"][0];
    assert!(
        row["code"].as_str().is_some_and(|c| c.starts_with("R-")),
        "{row}"
    );
    assert!(row["mend"].as_str().is_some_and(|m| !m.is_empty()), "{row}");
    let html = world.get(&cookie, "/refusals?state=closed").await.text();
    assert!(html.contains("还没有更正过的拒收"));
    let html = world.get(&cookie, "/refusals?reason=R-NONE").await.text();
    assert!(html.contains("没有符合当前筛选的拒收记录"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_join_is_decided_by_an_administrator() {
    let world = World::new().await;
    let cookie = world.sign_in("admin").await;
    let page = world.get(&cookie, "/admissions").await.text();
    assert!(page.contains("市城管局 执法系统") && page.contains("待批准（1）"));
    let list = world
        .get(&cookie, "/api/v1/admissions")
        .await
        .json()
        .expect("json");
    let pending = &list["pending"][0];
    let peer = pending["peer"].as_str().expect("a number").to_owned();
    let approve = format!("/admissions/{peer}/approve");
    let refuse = format!("/admissions/{peer}/refuse");
    let post = |path: &str, fields: &[(&str, &str)]| {
        Request::post_form(path, fields).header("cookie", &cookie)
    };
    assert_eq!(
        world.ask(post(&approve, &[("csrf", "no")])).await.status,
        403
    );
    let token = pending["refuse_token"].as_str().expect("a token");
    let empty = world
        .ask(post(&refuse, &[("csrf", token), ("reason", " ")]))
        .await;
    assert_eq!(empty.status, 422);
    assert!(empty.text().contains("请填写驳回理由"));
    let token = pending["approve_token"].as_str().expect("a token");
    let done = world.ask(post(&approve, &[("csrf", token)])).await;
    assert_eq!(
        done.header("location"),
        Some("/admissions?done=approved"),
        "{}",
        done.text()
    );
    let page = world.get(&cookie, "/admissions?done=approved").await.text();
    assert!(page.contains("已批准") && page.contains("待批准（0）") && page.contains("已入网"));
    let audit = world
        .node
        .store()
        .audit_page(&AuditFilter::default(), None, 5)
        .await
        .expect("audit");
    assert_eq!(
        (audit[0].action.as_str(), audit[0].account.as_str()),
        ("admission.approve", "admin")
    );
    let again = world.ask(post(&approve, &[("csrf", token)])).await;
    assert_eq!(again.status, 400, "decided once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_type_is_remembered() {
    let world = World::new().await;
    let answer = world
        .ask(Request::get(
            "/text-size/150?back=%2Fsign-in%3Fnext%3D%252F",
        ))
        .await;
    assert_eq!(answer.header("location"), Some("/sign-in?next=%2F"));
    let page = world.get(&cookie(&answer), "/sign-in").await.text();
    assert!(page.contains("<html lang=\"zh-CN\" class=\"text-150\">"));
    let foreign = world
        .ask(Request::get("/text-size/150?back=%2F%2Fevil.example"))
        .await;
    assert_eq!(foreign.header("location"), Some("/"));
}
