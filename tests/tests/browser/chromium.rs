//! In headless Chromium: no error in the console, no request elsewhere, keyboard, narrow screens, scripts off.
//! `ZONGHENG_PICTURES=folder` writes pictures of all pages.

use std::path::PathBuf;
use std::time::Duration;

use fantoccini::Locator;
use fantoccini::key::Key;
use tests::browser::{Browser, Look};

use crate::world::{CODE, PASSWORD, SUBJECT, World};

fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("nodes", "/nodes".to_owned()),
        ("entities", "/entities?q=%E8%BF%9C%E4%B8%9C".to_owned()),
        ("entities-empty", "/entities?q=%E8%BF%9C".to_owned()),
        (
            "dossier",
            format!("/entities/{}", tests::http::percent(SUBJECT)),
        ),
        ("unsettled", "/unsettled".to_owned()),
        ("refusals", "/refusals".to_owned()),
        ("admissions", "/admissions".to_owned()),
        ("keys", "/keys".to_owned()),
    ]
}

async fn sign_in(browser: &Browser, world: &World) {
    browser
        .open(&format!("{}/sign-in", world.origin()))
        .await
        .expect("opened");
    let client = browser.client();
    let field = |id: &'static str| client.find(Locator::Id(id));
    field("account")
        .await
        .expect("a field")
        .send_keys("admin")
        .await
        .expect("typed");
    field("password")
        .await
        .expect("a field")
        .send_keys(PASSWORD)
        .await
        .expect("typed");
    let button = client
        .find(Locator::Css("main button[type=submit]"))
        .await
        .expect("a button");
    button.click().await.expect("clicked");
    let wait = client.wait().at_most(Duration::from_secs(20));
    wait.for_element(Locator::Css(".who"))
        .await
        .expect("signed in");
}

async fn text(browser: &Browser, script: &str) -> String {
    let value = browser.evaluate(script).await.expect("evaluated");
    value.as_str().unwrap_or_default().to_owned()
}

/// Waits until a script gives true.
async fn until(browser: &Browser, what: &str, script: &str) {
    for _ in 0..200 {
        if browser.evaluate(script).await.ok() == Some(true.into()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}");
}

async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("ZONGHENG_PICTURES") {
        let path = PathBuf::from(folder).join(format!("{name}.png"));
        browser.screenshot(&path).await.expect("a picture");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_quiet_and_stay_at_home() {
    let world = World::new().await;
    let mut browser = Browser::start().await.expect("a browser");
    sign_in(&browser, &world).await;
    for (name, path) in pages() {
        browser
            .open(&format!("{}{path}", world.origin()))
            .await
            .expect("opened");
        picture(&browser, name).await;
    }
    assert_eq!(
        browser.console_errors().expect("the log"),
        Vec::<String>::new()
    );
    assert_eq!(
        browser.foreign_requests(&world.origin()).expect("the log"),
        Vec::<String>::new()
    );
    browser.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrow_screen_never_scrolls_sideways() {
    let world = World::new().await;
    let look = Look {
        width: 360,
        height: 800,
        scripts: true,
    };
    let browser = Browser::start_with(look).await.expect("a browser");
    sign_in(&browser, &world).await;

    for (name, path) in pages() {
        browser
            .open(&format!("{}{path}", world.origin()))
            .await
            .expect("opened");
        let width = browser
            .evaluate("return window.innerWidth")
            .await
            .expect("a number");
        assert_eq!(width, 360);
        let sideways = browser.scrolls_sideways().await.expect("a look");
        assert!(!sideways, "{name} at {width}");
        browser
            .evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            .await
            .expect("opened");
        assert!(
            !browser.scrolls_sideways().await.expect("a look"),
            "{name} unfolded at {width}"
        );
        picture(&browser, &format!("{name}-360")).await;
    }
    browser.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_goes_everywhere() {
    let world = World::new().await;
    let browser = Browser::start().await.expect("a browser");
    sign_in(&browser, &world).await;
    for (name, path) in pages() {
        browser
            .open(&format!("{}{path}", world.origin()))
            .await
            .expect("opened");
        let way = browser.tab_through(40).await.expect("tabbed");
        assert_eq!(
            way.first().map(|f| f.element.clone()).as_deref(),
            Some("a 跳到正文"),
            "{name}"
        );
        let unseen: Vec<_> = way.iter().filter(|f| !f.visible).collect();
        assert!(unseen.is_empty(), "{name}: {unseen:?}");
    }
    // from anywhere to the search box, to a row, into the dossier
    browser
        .open(&format!("{}/nodes", world.origin()))
        .await
        .expect("opened");
    let press = |c: char| browser.client().active_element_send(c);
    press('/').await;
    until(
        &browser,
        "`/` leads to the search",
        "return location.pathname === '/entities'",
    )
    .await;
    until(
        &browser,
        "scripts have run",
        "return document.readyState === 'complete'",
    )
    .await;
    press('/').await;
    assert_eq!(
        text(&browser, "return document.activeElement.id").await,
        "q"
    );
    let field = browser.client().active_element().await.expect("focus");
    field.send_keys(CODE).await.expect("typed");
    browser.press(Key::Enter).await.expect("pressed");
    until(&browser, "a row is there", "return document.querySelectorAll('tbody tr').length === 1 && document.readyState === 'complete'").await;
    press('?').await;
    assert_eq!(
        browser
            .evaluate("return document.getElementById('keys').open")
            .await
            .expect("a look"),
        true
    );
    browser.press(Key::Escape).await.expect("pressed");
    press('j').await;
    assert!(
        text(&browser, "return document.activeElement.textContent")
            .await
            .contains("远东")
    );
    browser.press(Key::Enter).await.expect("pressed");
    until(
        &browser,
        "the dossier opens",
        "return document.querySelector('.identity') !== null",
    )
    .await;
    // copying a code gives its 18 characters, whatever spaces are shown
    let copied = text(
        &browser,
        "const range = document.createRange(); range.selectNodeContents(document.querySelector('.code'));
         const s = getSelection(); s.removeAllRanges(); s.addRange(range); return s.toString();",
    )
    .await;
    assert_eq!(copied, CODE);
    browser.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_into_a_chain_unfold_it() {
    let world = World::new().await;
    let browser = Browser::start().await.expect("a browser");
    sign_in(&browser, &world).await;
    let path = format!(
        "{}/entities/{}#chain-1",
        world.origin(),
        tests::http::percent(SUBJECT)
    );
    browser.open(&path).await.expect("opened");
    until(
        &browser,
        "unfolded",
        "return document.getElementById('chain-1').closest('details').open",
    )
    .await;
    picture(&browser, "dossier-chain").await;
    browser.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_move_and_age_openly() {
    let mut world = World::new().await;
    let browser = Browser::start().await.expect("a browser");
    sign_in(&browser, &world).await;
    browser
        .open(&format!("{}/nodes", world.origin()))
        .await
        .expect("opened");
    let records = "return document.querySelector('tr.own [data-f=records]').textContent";
    let before = text(&browser, records).await;
    world.state_another("新设公司").await;
    until(
        &browser,
        "the figure has moved",
        &format!("{} !== '{before}'", records),
    )
    .await;
    world.stop_serving();
    let stale = "return document.getElementById('as-of').classList.contains('stale')";
    until(&browser, "the page says that it is old", stale).await;
    assert!(
        text(
            &browser,
            "return document.getElementById('as-of').textContent"
        )
        .await
        .contains("的数据")
    );
    picture(&browser, "nodes-stale").await;
    browser.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_without_scripts() {
    let world = World::new().await;
    let look = Look {
        scripts: false,
        ..Look::default()
    };
    let browser = Browser::start_with(look).await.expect("a browser");
    sign_in(&browser, &world).await;
    let client = browser.client();
    let open = |path: String| async move { browser_open(client, path).await };
    open(format!("{}/entities", world.origin())).await;
    let field = client.find(Locator::Id("q")).await.expect("a box");
    field.send_keys("小吃").await.expect("typed");
    client
        .find(Locator::Css("main button[type=submit]"))
        .await
        .expect("a button")
        .click()
        .await
        .expect("clicked");
    let row = client
        .wait()
        .for_element(Locator::Css("tbody a"))
        .await
        .expect("a row");
    row.click().await.expect("clicked");
    let chain = client
        .wait()
        .for_element(Locator::Css("details.chain > summary"))
        .await
        .expect("a chain");
    chain.click().await.expect("unfolded");
    let steps = client
        .find(Locator::Css("details.chain[open] .steps"))
        .await
        .expect("unfolded");
    assert!(steps.text().await.expect("text").contains("源库中的行"));
    open(format!("{}/admissions", world.origin())).await;
    client
        .find(Locator::Css(".acts button.button"))
        .await
        .expect("approve")
        .click()
        .await
        .expect("clicked");
    let done = client
        .wait()
        .for_element(Locator::Css(".done"))
        .await
        .expect("done");
    assert!(done.text().await.expect("text").contains("已批准"));
    browser.close().await.expect("closed");
}

async fn browser_open(client: &fantoccini::Client, address: String) {
    client.goto(&address).await.expect("opened");
}

/// Typing a character wherever the focus is.
trait Typing {
    async fn active_element_send(&self, c: char);
}

impl Typing for fantoccini::Client {
    async fn active_element_send(&self, c: char) {
        use fantoccini::actions::{InputSource, KeyAction, KeyActions};
        let keys = KeyActions::new("typing".to_owned());
        let keys = keys
            .then(KeyAction::Down { value: c })
            .then(KeyAction::Up { value: c });
        self.perform_actions(keys).await.expect("typed");
    }
}
