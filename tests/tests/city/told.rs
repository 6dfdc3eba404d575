//! Accidents, and who is told of them: each is seen at the agent, at its node and at the city, with what to do; nobody calls
//! well meanwhile what is not; and when it is mended nothing is said of it any more.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use demo::agent_site::AgentSite;
use demo::process::{STATUS, ask};
use demo::site::NodeSite;
use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tests::http::Request;
use tests::legacy::Legacy;
use tests::process::Program;
use tests::real_city::party::run;

use crate::clock::set_clock;
use crate::desk::Desk;
use crate::host;
use crate::sources::{add_source, put, table};
use crate::world::{HERE, World, code, row};

/// How long an accident may take to be told everywhere: a silent link takes 20 seconds, a word that is not said again 60, and
/// machines that test are slow.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(200);
const BUREAU: &str = "bureau";

/// What nodes say of an agent whose source is not read.
const OF_SOURCE: [&str; 2] = ["来源数据无法读取", "请部门信息化人员查看代理状态"];

/// What an agent is to say of an accident.
struct AtAgent {
    /// Kind, as JSON and metrics name it.
    kind: &'static str,
    /// What it is and what to do.
    words: &'static [&'static str],
    /// Whether the agent does not do its work for it.
    stops: bool,
}

/// What a node is to say of a party.
struct AtNode<'a> {
    site: &'a NodeSite,
    desk: &'a Desk,
    /// The title of the party.
    party: &'a str,
    /// The states that it may be shown in.
    states: &'a [&'a str],
    /// What it is and what to do.
    words: &'a [&'a str],
    /// Whether the node itself is not ready for it.
    unready: bool,
}

fn page(address: SocketAddr, path: &str) -> (u16, String) {
    match Request::get(path).send(address) {
        Ok(answer) => (answer.status, answer.text()),
        Err(error) => (0, error.to_string()),
    }
}

fn so(is_so: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    is_so.then_some(()).ok_or_else(seen)
}

fn all(text: &str, words: &[&str]) -> bool {
    words.iter().all(|word| text.contains(word))
}

async fn until(what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let began = Instant::now();
    loop {
        match look().await {
            Ok(()) => return,
            Err(last) => assert!(began.elapsed() < PATIENCE, "{what}: {last}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn has_line(text: &str, head: &str, tail: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.starts_with(head) && line.ends_with(tail))
}

/// Everything that an agent says of itself, told of one accident.
async fn agent_tells(site: &AgentSite, expected: &AtAgent) -> Result<(), String> {
    let answer = ask(&site.data(), STATUS).await.unwrap_or_default();
    let text = answer["text"].as_str().unwrap_or_default();
    so(
        all(text, expected.words) && !text.contains("正常"),
        || format!("status: {text}"),
    )?;
    let troubles = &answer["status"]["troubles"];
    let found = troubles.as_array().into_iter().flatten().any(|t| {
        t["what"] == expected.kind
            && t["stops"] == expected.stops
            && all(t["text"].as_str().unwrap_or_default(), expected.words)
    });
    so(found, || format!("JSON: {troubles}"))?;
    let (status, text) = page(site.status, "/readyz");
    let ready = match expected.stops {
        true => status == 503 && all(&text, expected.words),
        false => status == 200,
    };
    so(ready, || format!("readyz: {status} {text}"))?;
    let (_, text) = page(site.status, "/metrics");
    let line = format!("zongheng_trouble{{what=\"{}\"}}", expected.kind);
    so(has_line(&text, &line, " 1"), || format!("metrics: {text}"))?;
    let (status, text) = page(site.status, "/");
    so(
        status == 200 && all(&text, expected.words) && !text.contains("正常"),
        || format!("page: {status} {text}"),
    )
}

async fn agent_is_well(site: &AgentSite) -> Result<(), String> {
    let answer = ask(&site.data(), STATUS).await.unwrap_or_default();
    let troubles = &answer["status"]["troubles"];
    so(troubles.as_array().is_some_and(Vec::is_empty), || {
        format!("JSON: {troubles}")
    })?;
    let text = answer["text"].as_str().unwrap_or_default();
    so(text.contains("一切正常"), || format!("status: {text}"))?;
    let (status, text) = page(site.status, "/readyz");
    so(status == 200, || format!("readyz: {status} {text}"))?;
    let (_, text) = page(site.status, "/metrics");
    so(!text.contains("zongheng_trouble{"), || {
        format!("metrics: {text}")
    })
}

/// The line of a party among the nodes.
fn line(desk: &Desk, title: &str) -> Value {
    let nodes = desk.json("/api/v1/nodes");
    let mut parties = nodes["parties"].as_array().into_iter().flatten();
    parties
        .find(|party| party["title"] == title && party["kind"] != "部门")
        .cloned()
        .unwrap_or_default()
}

impl AtNode<'_> {
    /// Everything that the node says, told of the party.
    async fn tells(&self) -> Result<(), String> {
        let line = line(self.desk, self.party);
        let state = line["state"]["code"].as_str().unwrap_or_default();
        let note = line["note"].as_str().unwrap_or_default();
        so(
            self.states.contains(&state) && all(note, self.words),
            || format!("nodes: {line}"),
        )?;
        let answer = ask(&self.site.data(), STATUS).await.unwrap_or_default();
        let text = answer["text"].as_str().unwrap_or_default();
        so(all(text, self.words) && !text.contains("正常"), || {
            format!("status: {text}")
        })?;
        let troubles = &answer["troubles"];
        let found = troubles.as_array().into_iter().flatten().any(|t| {
            t["unready"] == self.unready && all(t["text"].as_str().unwrap_or_default(), self.words)
        });
        so(found, || format!("JSON: {troubles}"))?;
        let (status, text) = page(self.site.status, "/readyz");
        let ready = match self.unready {
            true => status == 503 && all(&text, self.words),
            false => status == 200,
        };
        so(ready, || format!("readyz: {status} {text}"))?;
        let (_, text) = page(self.site.status, "/metrics");
        let own = line["own"] == true;
        let head = format!("zongheng_peer_ok{{peer=\"{}\",", self.party);
        so(own || has_line(&text, &head, " 0"), || {
            format!("metrics: {text}")
        })
    }
}

/// Whether a node says of itself and of everybody that they are well.
async fn node_is_well(site: &NodeSite, desk: &Desk, parties: &[&str]) -> Result<(), String> {
    for title in parties {
        let line = line(desk, title);
        so(line["state"]["code"] == "normal", || {
            format!("nodes: {line}")
        })?;
        let (_, text) = page(site.status, "/metrics");
        let head = format!("zongheng_peer_ok{{peer=\"{title}\",");
        so(line["own"] == true || has_line(&text, &head, " 1"), || {
            format!("metrics: {text}")
        })?;
    }
    let answer = ask(&site.data(), STATUS).await.unwrap_or_default();
    let text = answer["text"].as_str().unwrap_or_default();
    so(
        text.contains("状态      正常") && answer["troubles"].as_array().is_some_and(Vec::is_empty),
        || format!("status: {text}"),
    )?;
    let (status, text) = page(site.status, "/readyz");
    so(status == 200, || format!("readyz: {status} {text}"))
}

/// Bureau, district and city.
struct Place {
    world: World,
    agent: AgentSite,
    here: Desk,
    city: Desk,
}

impl Place {
    /// Everybody runs and is well: with the bureau's database and its folder of files.
    async fn new() -> (Self, Legacy, PathBuf, PathBuf) {
        let mut world = World::new().await;
        let (legacy, path) = world.legacy(BUREAU, &[row(1, "济南泉一有限公司")]).await;
        let drop = world.folder().join("drop");
        fs::create_dir(&drop).expect("a folder");
        put(&drop, "good.csv", table(&[4]).as_bytes());
        let agent = world.agent(BUREAU, &path, Program::District, &[]);
        add_source(&agent, "投放目录", &drop, false);
        world.start(BUREAU, &agent);
        let here = Desk::sign_in(world.here.console);
        let city = Desk::sign_in(world.city.console);
        let place = Self {
            world,
            agent,
            here,
            city,
        };
        place.all_well("the start").await;
        (place, legacy, path, drop)
    }

    /// Everybody says that everybody is well.
    async fn all_well(&self, after: &str) {
        until(&format!("the agent is well after {after}"), async || {
            agent_is_well(&self.agent).await
        })
        .await;
        let parties = ["测试市平台", HERE, BUREAU];
        for (site, desk) in [
            (&self.world.here, &self.here),
            (&self.world.city, &self.city),
        ] {
            until(
                &format!("{} is well after {after}", site.folder.display()),
                async || node_is_well(site, desk, &parties).await,
            )
            .await;
        }
    }

    /// An accident of the agent is told by it, by its node and, relayed, by the city; and stays told.
    async fn told_of_agent(&self, what: &str, at_agent: &AtAgent, words: &[&str]) {
        until(&format!("the agent tells: {what}"), async || {
            agent_tells(&self.agent, at_agent).await
        })
        .await;
        let states = ["lagging", "faulty"];
        let mut nodes = Vec::new();
        for (site, desk) in [
            (&self.world.here, &self.here),
            (&self.world.city, &self.city),
        ] {
            let node = AtNode {
                site,
                desk,
                party: BUREAU,
                states: &states,
                words,
                unready: false,
            };
            until(
                &format!("{} tells: {what}", site.folder.display()),
                async || node.tells().await,
            )
            .await;
            nodes.push(node);
        }
        // nobody has gone back on it meanwhile
        for node in &nodes {
            let line = line(node.desk, BUREAU);
            assert_ne!(line["state"]["code"], "normal", "{what}: {line}");
        }
        let answer = ask(&self.agent.data(), STATUS).await.unwrap_or_default();
        let text = answer["text"].as_str().unwrap_or_default();
        assert!(!text.is_empty() && !text.contains("正常"), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_read_or_does_not_arrive_is_told_to_everybody_with_what_to_do() {
    let (mut place, mut legacy, path, drop) = Place::new().await;
    // the source is locked by the bureau's own program
    let options = SqliteConnectOptions::new().filename(&path);
    let mut holder = SqliteConnection::connect_with(&options)
        .await
        .expect("opened");
    sqlx::raw_sql("BEGIN EXCLUSIVE")
        .execute(&mut holder)
        .await
        .expect("locked");
    let locked = AtAgent {
        kind: "source",
        words: &["来源「登记库」", "锁", "自动"],
        stops: true,
    };
    place
        .told_of_agent("a locked source", &locked, &OF_SOURCE)
        .await;
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut holder)
        .await
        .expect("let go");
    holder.close().await.expect("closed");
    place.all_well("a locked source").await;

    // a file that nobody can take
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(table(&[7]).encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    put(&drop, "utf16.csv", &utf16);
    let not_taken = AtAgent {
        kind: "file",
        words: &["来源「投放目录」", "utf16.csv", "UTF-16"],
        stops: true,
    };
    place
        .told_of_agent("a file that is not taken", &not_taken, &OF_SOURCE)
        .await;
    put(&drop, "utf16.csv", table(&[7]).as_bytes());
    place.all_well("a file that was not taken").await;

    // the link of the district to the city is cut
    let control = |command: &str| {
        run(
            &host(),
            Program::District,
            HERE,
            &place.world.here.command(command),
        )
        .expect("done")
    };
    control("cut");
    legacy
        .insert(&[row(2, "济南泉二有限公司")])
        .await
        .expect("a row");
    let cut = AtNode {
        site: &place.world.here,
        desk: &place.here,
        party: "测试市平台",
        states: &["lost"],
        words: &[],
        unready: true,
    };
    until("the district tells of the cut", async || {
        cut.tells().await?;
        let (_, text) = page(cut.site.status, "/readyz");
        so(all(&text, &["未连上上级", "请检查网络"]), || text)
    })
    .await;
    let away = AtNode {
        site: &place.world.city,
        desk: &place.city,
        party: HERE,
        states: &["lost"],
        words: &["失联", "请检查对方进程与网络"],
        unready: false,
    };
    until("the city tells of the cut", async || away.tells().await).await;
    // what is below is not known, and not called well
    let below = line(&place.city, BUREAU);
    assert_eq!(below["state"]["code"], "unverified", "{below}");
    until("the agent tells that the city has not got it", async || {
        let answer = ask(&place.agent.data(), STATUS).await.unwrap_or_default();
        let word = &answer["status"]["city"]["word"];
        so(word == "apart", || answer["status"].to_string())
    })
    .await;
    control("connect");
    place
        .city
        .wait("the row of meanwhile", |d| !d.dossier(&code(2)).is_null());
    place.all_well("the cut").await;

    // the agent is gone, and nobody knows how it is
    let ended = place.world.take(BUREAU).kill().expect("killed");
    assert!(!ended.status.success());
    for (site, desk, state) in [
        (&place.world.here, &place.here, "lost"),
        (&place.world.city, &place.city, "unverified"),
    ] {
        let gone = AtNode {
            site,
            desk,
            party: BUREAU,
            states: &[state],
            words: &["失联", "请检查对方进程与网络"],
            unready: false,
        };
        until(
            &format!("{} tells of a silent agent", site.folder.display()),
            async || gone.tells().await,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_an_agent_from_its_work_is_told_to_everybody_with_what_to_do() {
    let (mut place, _legacy, path, _drop) = Place::new().await;

    // the source is not where it should be
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).expect("moved");
    let missing = AtAgent {
        kind: "source",
        words: &["来源「登记库」", "找不到", "请检查路径"],
        stops: true,
    };
    place
        .told_of_agent("a missing source", &missing, &OF_SOURCE)
        .await;
    fs::rename(&aside, &path).expect("moved back");
    place.all_well("a missing source").await;

    // a clock that is an hour ahead, then a disk that is as good as full
    let config = fs::read_to_string(place.agent.config()).expect("a configuration");
    place.world.take(BUREAU).kill().expect("killed");
    set_clock(&place.agent.config(), 3_600);
    place.world.start(BUREAU, &place.agent);
    let clock = AtAgent {
        kind: "clock",
        words: &["校准时钟", "快", "请先核对本机"],
        stops: false,
    };
    place
        .told_of_agent("a wrong clock", &clock, &["时钟偏差过大", "请校准时钟"])
        .await;
    place.world.take(BUREAU).kill().expect("killed");
    let bound = "[agent]\ndisk_low = \"1000000GiB\"\n";
    let low = config.replacen("[agent]\n", bound, 1);
    fs::write(place.agent.config(), low).expect("written");
    place.world.start(BUREAU, &place.agent);
    let disk = AtAgent {
        kind: "disk",
        words: &["请清理或扩容", "腾出空间后自动恢复"],
        stops: true,
    };
    place
        .told_of_agent("little room", &disk, &["磁盘空间不足", "请清理或扩容"])
        .await;
    place.world.take(BUREAU).kill().expect("killed");
    fs::write(place.agent.config(), config).expect("written");
    place.world.start(BUREAU, &place.agent);
    place.all_well("clock and disk").await;
}
