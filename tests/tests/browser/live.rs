//! The console of a running district, in a browser: its link to the city is cut and connected again, while its bureau goes
//! on working.

use std::path::Path;
use std::time::Duration;

use demo::agent_site::{AgentSite, PAGE_ROWS, SourceSite};
use demo::process::ask;
use demo::site::{ADMIN, NodeSite, Ports};
use fantoccini::Locator;
use tests::browser::Browser;
use tests::legacy::registrations::Registration;
use tests::legacy::{Legacy, TABLE};
use tests::process::{Host, Program, Running, temporary_folder};
use tests::real_city::party::{PASSWORD, invite, node_site, ready, run};
use tests::real_city::source::COLUMNS;

const CITY_TITLE: &str = "测试市平台";
const DISTRICT_TITLE: &str = "历下区平台";
const DISTRICT: &str = "370102";
const BUREAU: &str = "历下区市场监管局";

/// City, district and agent as processes of their own.
struct Live {
    city: NodeSite,
    district: NodeSite,
    legacy: Legacy,
    _running: Vec<Running>,
}

impl Live {
    async fn new(folder: &Path) -> Self {
        let host = Host::at(env!("CARGO_BIN_EXE_programs"));
        let ports = Ports::default();
        let site = |name| node_site(folder, name, &ports).expect("a node on disk");
        let (city, district) = (site("city"), site("district"));
        let found = city.found(CITY_TITLE, "370100");
        run(&host, Program::City, "city", &found).expect("founded");
        let mut running = Vec::new();
        let mut start = |program, name, args: Vec<String>| {
            running.push(host.start(program, name, args).expect("started"));
        };
        start(Program::City, "city", city.command("run"));
        ready(&city.data(), "city").await.expect("the city is up");
        let words = ["--kind", "district", "--title", DISTRICT_TITLE];
        let organisation = format!("{DISTRICT}.zx");
        let place = ["--jurisdiction", DISTRICT, "--organisation", &organisation];
        let words = [&words[..], &place].concat();
        let code = invite(&host, Program::City, &city, &words).expect("a code");
        run(&host, Program::District, "district", &district.join(&code)).expect("joined");
        start(Program::District, "district", district.command("run"));
        ready(&district.data(), "district").await.expect("it is up");

        let path = folder.join("bureau.db");
        let mut legacy = Legacy::create(&path).await.expect("a database");
        legacy.insert(&[row(1), row(2)]).await.expect("rows");
        let source = SourceSite {
            name: "登记库",
            path: &path,
            table: Some(TABLE),
            key: "NBXH",
            updated: Some("GXSJ"),
            columns: &COLUMNS,
            page_rows: PAGE_ROWS,
        };
        let agent = AgentSite::write(&folder.join("agent"), &source, &ports).expect("an agent");
        let title = format!("{BUREAU} 登记库");
        let organisation = format!("{DISTRICT}.scjg");
        let words = ["--title", &title, "--organisation", &organisation];
        let code = invite(&host, Program::District, &district, &words).expect("a code");
        run(&host, Program::Agent, "agent", &agent.join(&code)).expect("joined");
        start(Program::Agent, "agent", agent.command("run"));
        Self {
            city,
            district,
            legacy,
            _running: running,
        }
    }

    /// Tells the district to cut its link, or to connect again.
    async fn link(&self, command: &str) {
        let request = format!(r#"{{"command":"{command}"}}"#);
        let answer = ask(&self.district.data(), &request).await;
        answer.expect("the district does it");
    }
}

const CODES: [&str; 3] = [
    "91110000600037341L",
    "91310115MA1K3BTP2B",
    "91460100MA5RCF3N4C",
];

/// A row of the bureau's, the first being 1.
fn row(n: usize) -> Registration {
    Registration {
        name: Some(format!("济南泉{n}有限公司")),
        code: Some(CODES[n - 1].to_owned()),
        founded: Some("2015-06-01".to_owned()),
        area: Some("历下".to_owned()),
        ..Registration::default()
    }
}

async fn sign_in(browser: &Browser, site: &NodeSite) {
    let address = format!("http://{}/sign-in", site.console);
    browser.open(&address).await.expect("opened");
    for (field, text) in [("account", ADMIN), ("password", PASSWORD)] {
        let field = browser.client().find(Locator::Id(field)).await;
        field
            .expect("a field")
            .send_keys(text)
            .await
            .expect("typed");
    }
    let button = Locator::Css("main button[type=submit]");
    let button = browser.client().find(button).await.expect("a button");
    button.click().await.expect("clicked");
    until(
        browser,
        "signed in",
        "return document.querySelector('.who') !== null",
    )
    .await;
}

/// Waits until a script gives true.
async fn until(browser: &Browser, what: &str, script: &str) {
    for _ in 0..600 {
        if browser.evaluate(script).await.ok() == Some(true.into()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let page = browser
        .evaluate("return document.querySelector('main').innerText")
        .await;
    panic!("never: {what}\n{page:?}");
}

/// A script that looks at one cell of a line of the tree.
fn cell(title: &str, selector: &str, condition: &str) -> String {
    format!(
        "const row = [...document.querySelectorAll('tr[data-id]')]
           .find((r) => r.querySelector('.name').textContent.includes('{title}'));
         const cell = row?.querySelector('{selector}')?.textContent ?? '';
         return cell {condition};"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_link_shows_and_so_does_its_return() {
    let folder = temporary_folder().expect("a folder");
    let mut live = Live::new(folder.path()).await;
    let mut browser = Browser::start().await.expect("a browser");
    sign_in(&browser, &live.district).await;
    let nodes = format!("http://{}/nodes", live.district.console);
    let records = |n: u32| cell(DISTRICT_TITLE, "[data-f=records]", &format!("=== '{n}'"));
    let contact = |condition: &str| cell(CITY_TITLE, "[data-f=last_contact]", condition);
    let state = |condition: &str| cell(CITY_TITLE, ".word", condition);
    let lost = |n: u32| {
        format!("return document.querySelector('[data-tally=lost]').textContent === '{n}'")
    };
    // lines that come later are offered, not slipped in: so open the page anew until the bureau stands there
    for _ in 0..100 {
        browser.open(&nodes).await.expect("opened");
        if browser
            .evaluate(&cell(BUREAU, ".name", "!== ''"))
            .await
            .ok()
            == Some(true.into())
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    until(&browser, "both rows have arrived", &records(2)).await;
    until(&browser, "the city is in contact", &contact("=== '在线'")).await;
    until(&browser, "nobody is lost", &lost(0)).await;

    live.link("cut").await;
    until(&browser, "the cut shows", &contact("!== '在线'")).await;
    live.legacy.insert(&[row(3)]).await.expect("one more row");
    until(&browser, "the district goes on working", &records(3)).await;
    until(&browser, "the city is called lost", &state("=== '失联'")).await;
    until(&browser, "and counted so", &lost(1)).await;
    let calm = "return document.querySelector('[data-tally=unverified]').textContent === '0'";
    until(&browser, "nobody else is in doubt for it", calm).await;
    let tally = Locator::Css("a[href='/nodes?state=lost']");
    let tally = browser.client().find(tally).await.expect("a link");
    tally.click().await.expect("clicked");
    until(
        &browser,
        "the count leads to what it counts",
        "return location.search === '?state=lost' && document.querySelectorAll('tr[data-id]').length === 1",
    )
    .await;

    browser.open(&nodes).await.expect("opened");
    live.link("connect").await;
    until(&browser, "the city is back", &contact("=== '在线'")).await;
    until(&browser, "and in order", &state("=== '正常'")).await;
    until(&browser, "nobody is lost", &lost(0)).await;
    assert_eq!(
        browser.console_errors().expect("the log"),
        Vec::<String>::new()
    );

    sign_in(&browser, &live.city).await;
    let nodes = format!("http://{}/nodes", live.city.console);
    browser.open(&nodes).await.expect("opened");
    let caught_up = cell(CITY_TITLE, "[data-f=records]", "=== '3'");
    until(&browser, "the city has caught up", &caught_up).await;
    browser.close().await.expect("closed");
}
