//! Departments' files as they really are, read by a real agent: a truncated and a locked database, drop files that are
//! empty, cut off or in no known encoding, rare characters and text with NUL. Each is told by name with what to do; the
//! others go on; when it is mended everything arrives.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use demo::agent_site::AgentSite;
use demo::process::{STATUS, ask};
use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tests::process::Program;
use tests::real_city::source::COLUMNS;

use crate::desk::{Desk, field};
use crate::host;
use crate::world::{World, code, row};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_read_are_told_and_stop_nobody() {
    let mut world = World::new().await;
    let mut rare = row(1, "济南𠮷泉𪚥有限公司");
    rare.representative = Some("王\0一".to_owned());
    let (_legacy, good) = world.legacy("good", std::slice::from_ref(&rare)).await;
    // sources of one seat share its keys, so what stands at one place says the same everywhere
    let (_cut, cut) = world
        .legacy("cut", &[rare.clone(), row(2, "济南泉二有限公司")])
        .await;
    let whole = fs::read(&cut).expect("a database");
    fs::write(&cut, &whole[..whole.len() / 2]).expect("cut off");
    let (_locked, locked) = world
        .legacy(
            "locked",
            &[rare, row(2, "济南泉二有限公司"), row(3, "济南泉三有限公司")],
        )
        .await;
    let mut holder = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&locked))
        .await
        .expect("opened");
    sqlx::raw_sql("BEGIN EXCLUSIVE")
        .execute(&mut holder)
        .await
        .expect("locked");
    let drop = world.folder().join("drop");
    fs::create_dir(&drop).expect("a folder");
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(table(&[5]).encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    put(&drop, "empty.csv", b"");
    put(&drop, "utf16.csv", &utf16);
    let mut broken = table(&[6]).into_bytes();
    broken.truncate(broken.len() - 9);
    put(&drop, "broken.csv", &broken);
    put(&drop, "good.csv", table(&[4]).as_bytes());

    let site = world.agent("bureau", &good, Program::District, &[]);
    add_source(&site, "截断库", &cut, true);
    add_source(&site, "锁定库", &locked, true);
    add_source(&site, "投放目录", &drop, false);
    // what collides is told before it does
    let checked = host()
        .run(Program::Agent, "check", site.command("check-config"), LONG)
        .expect("it ends");
    let said = [checked.stdout, checked.stderr].concat().join("\n");
    assert_eq!(checked.status.code(), Some(78), "{said}");
    for part in ["同一编号视为同一条", "不是完好的 SQLite 数据库", "锁"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    world.start("bureau", &site);
    let desks = [&world.here, &world.city].map(|site| Desk::sign_in(site.console));
    for desk in &desks {
        desk.wait("what can be read", |d| {
            !d.dossier(&code(1)).is_null() && !d.dossier(&code(4)).is_null()
        });
        let dossier = desk.dossier(&code(1));
        assert_eq!(
            dossier["name"].as_str(),
            Some("济南𠮷泉𪚥有限公司"),
            "{dossier}"
        );
        assert!(!dossier.to_string().contains("\\u0000"), "{dossier}");
        assert_ne!(field(&dossier, "法定代表人").as_deref(), Some("王一"));
    }
    for (source, said) in [
        ("截断库", &["不是完好的", "请"][..]),
        ("锁定库", &["锁", "自动"]),
        ("投放目录", &["empty.csv", "空的"]),
        ("投放目录", &["utf16.csv", "UTF-16"]),
        ("投放目录", &["broken.csv", "最后一行"]),
    ] {
        wait(&site, source, said).await;
    }

    fs::write(&cut, &whole).expect("mended");
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut holder)
        .await
        .expect("let go");
    put(&drop, "empty.csv", table(&[7]).as_bytes());
    put(&drop, "utf16.csv", table(&[5]).as_bytes());
    put(&drop, "broken.csv", table(&[6]).as_bytes());
    for desk in &desks {
        for n in 2..=7 {
            desk.wait(&format!("what was mended: {n}"), |d| {
                !d.dossier(&code(n)).is_null()
            });
        }
        assert_eq!(desk.open_refusals(), 0);
    }
}

/// A drop file with these rows.
pub fn table(serials: &[u32]) -> String {
    let mut text = COLUMNS.map(|(column, _)| column).join(",") + "\n";
    for serial in serials {
        let cells = COLUMNS.map(|(_, field)| match field {
            "entity_id" => format!("F{serial}"),
            "uscc" => code(*serial),
            "name" => format!("济南投放{serial}有限公司"),
            "est_date" => "2015-06-01".to_owned(),
            "area" => "历下".to_owned(),
            _ => String::new(),
        });
        text += &(cells.join(",") + "\n");
    }
    text
}

/// A drop file whose writer says that it is done.
pub fn put(folder: &Path, name: &str, content: &[u8]) {
    fs::write(folder.join(name), content).expect("written");
    fs::write(folder.join(format!("{name}.ok")), b"").expect("written");
}

pub fn add_source(site: &AgentSite, name: &str, path: &Path, database: bool) {
    let mut text = fs::read_to_string(site.config()).expect("a configuration");
    text += &format!(
        "\n[[source]]\nname = \"{name}\"\npath = \"{}\"\nmapping = \"mapping.toml\"\nevery = \"1s\"\nkey = [\"NBXH\"]\n",
        path.display()
    );
    text += &if database {
        format!("kind = \"sqlite\"\ntable = \"{}\"\n", tests::legacy::TABLE)
    } else {
        "kind = \"csv\"\nstable = \"2s\"\n".to_owned()
    };
    fs::write(site.config(), text).expect("written");
}

/// Waits until the agent's status says all this of a source.
async fn wait(site: &AgentSite, source: &str, said: &[&str]) {
    let began = Instant::now();
    loop {
        let status = ask(&site.data(), STATUS).await.unwrap_or_default();
        let sources = status["status"]["sources"].as_array().cloned();
        let all: String = sources
            .unwrap_or_default()
            .iter()
            .filter(|s| s["name"] == source)
            .flat_map(|s| [&s["trouble"], &s["note"]])
            .filter_map(Value::as_str)
            .collect();
        if said.iter().all(|s| all.contains(s)) {
            return;
        }
        assert!(
            began.elapsed() < LONG,
            "{source} never says {said:?}: {all}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
