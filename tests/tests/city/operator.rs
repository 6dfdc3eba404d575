//! What an operator meets: a disk that is full and has room again, metrics and status that say the same, settings that are
//! refused before anything runs.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use demo::agent_site::{AgentSite, PAGE_ROWS, SourceSite};
use demo::process::{STATUS, ask};
use demo::site::{NodeSite, Ports};
use serde_json::Value;
use sqlx::Connection as _;
use tests::http::Request;
use tests::process::{Finished, Program, temporary_folder};
use tests::real_city::party::{node_site, run};
use tests::real_city::source::COLUMNS;

use crate::desk::Desk;
use crate::host;
use crate::world::{CITY, World, code, row};

const LONG: Duration = Duration::from_secs(60);

/// A file system of a few MiB on a folder; gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` if this process may not mount one.
    fn mount(folder: &Path, mib: u32) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]);
        let done = mount.arg(folder).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
            .then(|| Self(folder.to_owned()))
    }

    /// Takes all room but so many KiB, and gives the file that holds it.
    fn fill(&self, left_kib: u64) -> PathBuf {
        let filler = self.0.join("filler");
        let room = runtime::disk::Disk::of(&self.0, None)
            .room()
            .expect("a disk");
        let size = room.free.saturating_sub(left_kib << 10);
        fs::write(&filler, vec![1; size as usize]).expect("room for a filler");
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Adds lines to a table of a configuration.
fn set(config: &Path, table: &str, line: &str) {
    let text = fs::read_to_string(config).expect("a configuration");
    let head = format!("[{table}]\n");
    assert!(text.contains(&head), "{text}");
    fs::write(config, text.replacen(&head, &format!("{head}{line}\n"), 1)).expect("written");
}

fn page(address: SocketAddr, path: &str) -> (u16, String) {
    match Request::get(path).send(address) {
        Ok(answer) => (answer.status, answer.text()),
        Err(error) => (0, error.to_string()),
    }
}

async fn wait(what: &str, mut done: impl AsyncFnMut() -> Result<(), String>) {
    let began = Instant::now();
    loop {
        match done().await {
            Ok(()) => return,
            Err(last) => assert!(began.elapsed() < LONG, "{what}: {last}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until a readiness page answers with a status and says all this.
async fn readiness(address: SocketAddr, status: u16, parts: &[&str]) {
    wait(&format!("readiness {status} {parts:?}"), async || {
        let (now, text) = page(address, "/readyz");
        let said = now == status && parts.iter().all(|part| text.contains(part));
        said.then_some(()).ok_or(format!("{now} {text}"))
    })
    .await;
}

/// The value of a metric without labels.
fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn said(program: Program, args: &[String]) -> (Option<i32>, String) {
    let Finished {
        status,
        stdout,
        stderr,
        ..
    } = host().run(program, "command", args, LONG).expect("it ends");
    (status.code(), [stdout, stderr].concat().join("\n"))
}

fn with(mut args: Vec<String>, more: &[&str]) -> Vec<String> {
    args.extend(more.iter().map(|word| (*word).to_owned()));
    args
}

/// Rows that need room: thousands of characters of scope, in which nothing repeats.
fn large_rows(serials: std::ops::Range<u32>) -> Vec<tests::legacy::registrations::Registration> {
    serials
        .map(|serial| {
            let mut row = row(serial, &format!("济南泉{serial}有限公司"));
            let scope = (0..700u32).map(|n| {
                let mixed = (serial * 7_919 + n).wrapping_mul(2_654_435_761) >> 12;
                char::from_u32(0x4e00 + mixed % 20_000).unwrap_or('泉')
            });
            row.scope = Some(scope.collect());
            row
        })
        .collect()
}

async fn agent_status(site: &AgentSite) -> Value {
    let answer = ask(&site.data(), STATUS).await.unwrap_or_default();
    answer["status"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_a_node_is_seen_and_heals_without_a_restart() {
    let folder = temporary_folder().expect("a folder");
    let ports = Ports::default();
    let city = node_site(folder.path(), "city", &ports).expect("a node on disk");
    let Some(disk) = SmallDisk::mount(&city.data(), 40) else {
        println!(
            "no right to mount a file system: the stores' own suites test a full disk without one"
        );
        return;
    };
    set(&city.config(), "node", "disk_low = \"2MiB\"");
    let (mut world, agent, mut legacy) = world_of(city, folder, ports).await;
    let city = world.city.clone();
    let desk = Desk::sign_in(city.console);
    desk.wait("the first row", |d| !d.dossier(&code(1)).is_null());
    readiness(city.status, 200, &[]).await;
    let (_, words) = said(Program::City, &city.command("status"));
    assert!(words.contains("状态      正常"), "{words}");

    let filler = disk.fill(64);
    legacy.insert(&large_rows(100..1_600)).await.expect("rows");
    readiness(city.status, 503, &["磁盘空间不足", "恢复后自动继续"]).await;
    let (_, metrics) = page(city.status, "/metrics");
    assert_eq!(metric(&metrics, "zongheng_ready"), Some(0.0), "{metrics}");
    assert_eq!(metric(&metrics, "zongheng_writable"), Some(0.0));
    assert!(metric(&metrics, "zongheng_disk_free_bytes").is_some_and(|free| free < 2e6));
    let (_, words) = said(Program::City, &city.command("status"));
    assert!(
        words.contains("磁盘空间不足") && !words.contains("正常"),
        "{words}"
    );

    fs::remove_file(filler).expect("room again");
    readiness(city.status, 200, &[]).await;
    let all = code(1_599);
    desk.wait("every row", |d| !d.dossier(&all).is_null());
    wait("nothing waits", async || {
        let status = ask(&city.data(), STATUS).await.unwrap_or_default();
        let whole = status["records"] == 1_501 && status["write_trouble"].is_null();
        whole.then_some(()).ok_or(status.to_string())
    })
    .await;
    let (_, words) = said(Program::City, &city.command("status"));
    assert!(words.contains("状态      正常"), "{words}");
    let (code, words) = said(Program::City, &with(city.command("verify"), &["--deep"]));
    assert_eq!(code, Some(0), "{words}");
    assert!(
        agent_status(&agent).await["failing"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    world.stop();
    drop(disk);
}

/// A city on a small disk with one bureau of its own that runs.
async fn world_of(
    city: NodeSite,
    folder: tempfile::TempDir,
    ports: Ports,
) -> (World, AgentSite, tests::legacy::Legacy) {
    let mut world = World::alone(city, folder, ports).await;
    let (legacy, path) = world.legacy("bureau", &[row(1, "济南泉一有限公司")]).await;
    let agent = world.agent("bureau", &path, Program::City, &[]);
    world.start("bureau", &agent);
    (world, agent, legacy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_stops_reading_before_its_disk_is_full() {
    let folder = temporary_folder().expect("a folder");
    let ports = Ports::default();
    let city = node_site(folder.path(), "city", &ports).expect("a node on disk");
    let Some(disk) = SmallDisk::mount(&folder.path().join("bureau").join("data"), 24) else {
        println!(
            "no right to mount a file system: what an agent does by the room it is told is tested in its own room"
        );
        return;
    };
    let mut world = World::alone(city, folder, ports).await;
    let (mut legacy, path) = world.legacy("bureau", &[row(1, "济南泉一有限公司")]).await;
    let agent = world.agent("bureau", &path, Program::City, &[]);
    set(&agent.config(), "agent", "disk_low = \"6MiB\"");
    world.start("bureau", &agent);
    let desk = Desk::sign_in(world.city.console);
    desk.wait("the first row", |d| !d.dossier(&code(1)).is_null());
    readiness(agent.status, 200, &[]).await;

    // little room is told, and reading goes on
    let filler = disk.fill(5_000);
    wait("the warning", async || {
        let status = agent_status(&agent).await;
        let told = status["next_steps"].to_string().contains("请清理或扩容");
        let goes_on = status["sources"][0]["paused"] == false;
        (told && goes_on).then_some(()).ok_or(status.to_string())
    })
    .await;
    fs::remove_file(filler).expect("room again");
    let filler = disk.fill(2_000);
    legacy
        .insert(&[row(2, "济南泉二有限公司")])
        .await
        .expect("a row");
    readiness(agent.status, 503, &["请清理或扩容"]).await;
    wait("the pause", async || {
        let status = agent_status(&agent).await;
        let paused = status["sources"][0]["paused"] == true;
        paused.then_some(()).ok_or(status.to_string())
    })
    .await;
    let (_, words) = said(Program::Agent, &agent.command("status"));
    for part in ["磁盘空间不足，暂停读取", "读取已暂停", "腾出空间后自动恢复"]
    {
        assert!(words.contains(part), "{words}");
    }
    assert!(!words.contains("正常"), "{words}");
    let (_, metrics) = page(agent.status, "/metrics");
    assert!(
        metrics.contains("zongheng_source_paused{source=\"登记库\"} 1"),
        "{metrics}"
    );
    let status = agent_status(&agent).await;
    assert_eq!(
        status["failing"].as_array().map(Vec::len),
        Some(0),
        "{status}"
    );
    assert!(desk.dossier(&code(2)).is_null(), "it is not read meanwhile");

    fs::remove_file(filler).expect("room again");
    desk.wait("the second row", |d| !d.dossier(&code(2)).is_null());
    readiness(agent.status, 200, &[]).await;
    world.stop();
    drop(disk);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_metrics_and_readiness_tell_the_same() {
    let mut world = World::new().await;
    let (_legacy, path) = world
        .legacy(
            "bureau",
            &[row(1, "济南泉一有限公司"), row(2, "济南泉二有限公司")],
        )
        .await;
    let agent = world.agent("bureau", &path, Program::District, &[]);
    world.start("bureau", &agent);
    for site in [&world.here, &world.city] {
        let desk = Desk::sign_in(site.console);
        desk.wait("both rows", |d| {
            !d.dossier(&code(1)).is_null() && !d.dossier(&code(2)).is_null()
        });
    }
    for (program, site) in [
        (Program::District, world.here.clone()),
        (Program::City, world.city.clone()),
    ] {
        readiness(site.status, 200, &[]).await;
        // what is kept is at most two seconds old
        wait("metrics of both rows", async || {
            let (_, text) = page(site.status, "/metrics");
            let families = text
                .lines()
                .filter(|line| line.starts_with("# TYPE zongheng_"))
                .count();
            let records = text.contains("zongheng_records{type=\"registration\"} 2\n");
            (families >= 15 && records).then_some(()).ok_or(text)
        })
        .await;
        let (_, metrics) = page(site.status, "/metrics");
        let (code, json) = said(program, &with(site.command("status"), &["--json"]));
        assert_eq!(code, Some(0), "{json}");
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert!(json["sums"].is_object() && json["text"].is_null(), "{json}");
        for (name, key) in [
            ("zongheng_entities", "entities"),
            ("zongheng_refusals_open", "refusals"),
            ("zongheng_wants_open", "wants"),
            ("zongheng_logs_held", "held"),
            ("zongheng_logs_stopped", "stopped"),
            ("zongheng_peers_known", "peers_known"),
            ("zongheng_peers_connected", "peers_connected"),
        ] {
            assert_eq!(metric(&metrics, name), json[key].as_f64(), "{name}");
        }
        let (_, words) = said(program, &site.command("status"));
        for part in [
            "状态      正常",
            "现行记录 2 条",
            "主体 2 户",
            "磁盘",
            "一切正常，无需操作",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        let (_, words) = said(program, &site.command("peers"));
        assert!(
            words.contains("在线") && words.contains("已批准"),
            "{words}"
        );
        let (code, words) = said(program, &with(site.command("verify"), &["--deep"]));
        assert!(
            code == Some(0) && words.contains("查询视图  完好") && !words.contains("未核对"),
            "{words}"
        );
        let (code, version) = said(program, &["--version".to_owned()]);
        assert!(
            code == Some(0) && version.contains(env!("CARGO_PKG_VERSION")),
            "{version}"
        );
        for (hours, good) in [("0", false), ("99999999", false), ("8760", true)] {
            let mut words = vec!["--title", "某局", "--hours", hours, "--organisation"];
            words.extend(match program {
                Program::City => &["370100.mou", "--kind", "department"][..],
                _ => &["370102.mou"],
            });
            let (code, words) = said(program, &with(site.command("invite"), &words));
            assert_eq!(code, Some(if good { 0 } else { 2 }), "{words}");
            assert!(good || words.contains("1 至 8760"), "{words}");
        }
    }
    readiness(agent.status, 200, &[]).await;
    let (_, text) = page(agent.status, "/metrics");
    let families = text
        .lines()
        .filter(|line| line.starts_with("# TYPE zongheng_"))
        .count();
    assert!(families >= 15, "{text}");
    let status = agent_status(&agent).await;
    assert_eq!(status["sources"][0]["rows_known"], 2);
    assert_eq!(status["sources"][0]["records_stated"], 2);
    // the opening of the epoch is no batch that waits
    wait("nothing waits", async || {
        let queue = agent_status(&agent).await["queue"].clone();
        let empty = queue["sealed_batches"] == 0 && queue["bytes"] == 0;
        empty.then_some(()).ok_or(queue.to_string())
    })
    .await;

    // an end of the link is seen on both sides, and readiness with it
    world.stop();
    world.running_again(&agent).await;
    readiness(agent.status, 503, &["UDP 端口无响应"]).await;
    let (_, words) = said(Program::Agent, &agent.command("status"));
    assert!(
        words.contains("未连接") && !words.contains("正常"),
        "{words}"
    );
}

#[tokio::test]
async fn what_run_refuses_a_check_refuses_in_the_same_words() {
    let folder = temporary_folder().expect("a folder");
    let city = node_site(folder.path(), "city", &Ports::default()).expect("a node on disk");
    run(
        &host(),
        Program::City,
        "city",
        &city.found("测试市平台", CITY),
    )
    .expect("founded");
    let good = fs::read_to_string(city.config()).expect("a configuration");
    let console = city.console.to_string();
    let open = |address: &SocketAddr| format!("0.0.0.0:{}", address.port());
    let check = |change: &dyn Fn(&str) -> String, code: i32, part: &str| {
        fs::write(city.config(), change(&good)).expect("written");
        let run = said(Program::City, &city.command("run"));
        let checked = said(Program::City, &city.command("check-config"));
        assert_eq!(run, checked, "{part}");
        assert_eq!(run.0, Some(code), "{}", run.1);
        assert!(run.1.contains(part), "{}", run.1);
        let english = ["error:", "invalid", "expected", "os error"];
        assert!(
            !english.iter().any(|word| run.1.contains(word)),
            "{}",
            run.1
        );
    };
    let swap = |from: String, to: String| move |text: &str| text.replacen(&from, &to, 1);
    check(
        &swap("level = \"info\"".into(), "level = \"verbose\"".into()),
        78,
        "warn、info、debug、trace",
    );
    check(
        &swap(console.clone(), open(&city.console)),
        78,
        "必须启用 HTTPS",
    );
    check(
        &swap(
            format!("\"{console}\""),
            format!("\"{console}\"\ntls = {{ certificate = \"none.pem\", key = \"none.key\" }}"),
        ),
        1,
        "HTTPS 证书文件 none.key 无法读写",
    );
    check(
        &swap(city.status.to_string(), open(&city.status)),
        78,
        "status.listen 只能是本机回环地址",
    );
    check(
        &swap(city.link.to_string(), open(&city.link)),
        78,
        "必须填写 link.public",
    );
    check(
        &|text| format!("{text}\n[store]\nengine = \"postgres\"\n"),
        78,
        "store.url_file",
    );
    check(
        &swap(console.clone(), "127.0.0.1".into()),
        78,
        "应为 `IP:端口`",
    );
    check(
        &swap("listen".into(), "listne".into()),
        78,
        "是否应为 link.listen",
    );
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let quoted = format!("\"{}\"", city.data().display());
    check(
        &swap(quoted.clone(), format!("\"{}\"", file.display())),
        78,
        "是一个文件，不是目录",
    );
    let empty = format!("\"{}\"", folder.path().join("empty").display());
    check(&swap(quoted, empty), 1, "还没有节点，请先执行 init");
    assert!(
        !folder.path().join("empty").exists()
            || fs::read_dir(folder.path().join("empty"))
                .expect("a folder")
                .count()
                == 0
    );

    // a port that somebody else has
    let holder = std::net::TcpListener::bind(city.console).expect("a free port");
    fs::write(city.config(), &good).expect("written");
    let (code, words) = said(Program::City, &city.command("check-config"));
    assert_eq!(code, Some(78), "{words}");
    assert!(
        words.contains("console.listen") && words.contains("已被占用"),
        "{words}"
    );
    drop(holder);
    let (code, words) = said(Program::City, &city.command("check-config"));
    assert!(code == Some(0) && words.contains("检查通过"), "{words}");
}

#[tokio::test]
async fn what_an_agent_could_not_do_its_check_refuses() {
    let folder = temporary_folder().expect("a folder");
    let ports = Ports::default();
    let path = folder.path().join("bureau.db");
    let mut legacy = tests::legacy::Legacy::create(&path)
        .await
        .expect("a database");
    legacy
        .insert(&[row(1, "济南泉一有限公司")])
        .await
        .expect("a row");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut writer = sqlx::SqliteConnection::connect_with(&options)
        .await
        .expect("opened");
    for sql in [
        format!("CREATE VIEW V AS SELECT * FROM {}", tests::legacy::TABLE),
        // as the business system writes it
        format!(
            "UPDATE {} SET GXSJ = datetime('now', '+8 hours')",
            tests::legacy::TABLE
        ),
    ] {
        let done = sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut writer)
            .await;
        done.expect("a statement");
    }
    writer.close().await.expect("closed");
    let source = SourceSite {
        name: "登记库",
        path: &path,
        table: Some(tests::legacy::TABLE),
        key: "NBXH",
        updated: Some("GXSJ"),
        columns: &COLUMNS,
        page_rows: PAGE_ROWS,
    };
    let agent = AgentSite::write(&folder.path().join("agent"), &source, &ports).expect("on disk");
    let mapping = agent.folder.join("mapping.toml");
    let good = fs::read_to_string(agent.config()).expect("a configuration");
    let mapped = fs::read_to_string(&mapping).expect("a mapping");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let check = |from: &str, to: &str, part: &str| {
        assert!(
            from.is_empty() || good.contains(from) || mapped.contains(from),
            "{from}"
        );
        fs::write(agent.config(), good.replacen(from, to, 1)).expect("written");
        fs::write(&mapping, mapped.replacen(from, to, 1)).expect("written");
        let (code, words) = said(Program::Agent, &agent.command("check-config"));
        let expected = if part.contains("下一步：zongheng-agent dry-run") {
            0
        } else {
            78
        };
        assert_eq!(code, Some(expected), "{to}: {words}");
        assert!(words.contains(part), "{to}: {words}");
        (code, words)
    };
    check("", "", "下一步：zongheng-agent dry-run");
    let table = format!("table = \"{}\"", tests::legacy::TABLE);
    let key = "key = [\"NBXH\"]\n";
    assert!(good.contains(&table) && good.contains(key), "{good}");
    let viewed = good.replacen(&table, "table = \"V\"", 1);
    check(&good, &viewed.replacen(key, "", 1), "是视图");
    check(&good, &viewed, "下一步：zongheng-agent dry-run");
    check(
        "[fields.name]",
        "[fields.former_names]",
        "请加 [fields.name]",
    );
    check("\"datetime\"", "\"iso\"", "可用的 format");
    check("\"+08:00\"", "\"+00:00\"", "utc_offset");
    for (from, to, part) in [
        (
            "level = \"info\"",
            "level = \"verbose\"".to_owned(),
            "debug",
        ),
        ("127.0.0.1", "0.0.0.0".to_owned(), "回环地址"),
        (
            "folder = \"data\"",
            format!("folder = \"{}\"", file.display()),
            "是一个文件，不是目录",
        ),
        (
            "folder = \"data\"",
            "folder = \"/proc/here\"".to_owned(),
            "不可写",
        ),
    ] {
        check(from, &to, part);
        let (code, words) = said(Program::Agent, &agent.command("run"));
        assert_eq!(code, Some(78), "{words}");
        assert!(words.contains(part), "{words}");
    }
}
