//! The command `verify`: done by the process that runs, or, if none does, here on its folder. How far it is stands on standard
//! error; Ctrl-C ends it without a result.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use node::command::control::verified;
use node::config::Config;
use node::home::Home;
use runtime::control::{self, ControlError};
use runtime::files::FolderLock;
use runtime::say;
use serde_json::{Value, json};

use crate::{Failure, Program, app};

/// Between two words on how far it is.
const TELLS: Duration = Duration::from_secs(3);

/// What was found.
pub(crate) async fn verify<P: Program>(config: &Config, deep: bool) -> Result<Value, Failure> {
    match by_the_process(&config.node.folder, deep).await {
        Err(ControlError::NotRunning { .. }) => on_the_folder::<P>(config, deep).await,
        answer => read(&answer?),
    }
}

/// Ends what the running process is at.
pub(crate) async fn stop(config: &Config) -> Result<(), Failure> {
    let request = json!({ "command": "verify.stop" }).to_string();
    read(&control::ask(&config.node.folder, &request).await?).map(drop)
}

fn read(answer: &str) -> Result<Value, Failure> {
    let answer: Value = serde_json::from_str(answer).map_err(|_| answer.to_owned())?;
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned().into()),
        None => Ok(answer),
    }
}

async fn by_the_process(folder: &Path, deep: bool) -> Result<String, ControlError> {
    let request = json!({ "command": "verify", "deep": deep }).to_string();
    let side = async |command: &str| {
        let request = json!({ "command": command }).to_string();
        // what cannot be asked now is asked again
        let answer = control::ask(folder, &request).await.ok()?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        answer["text"].as_str().map(str::to_owned)
    };
    watched(
        control::ask(folder, &request),
        async || side("verify.progress").await,
        async || drop(side("verify.stop").await),
    )
    .await
}

async fn on_the_folder<P: Program>(config: &Config, deep: bool) -> Result<Value, Failure> {
    let home = Home::at(&config.node.folder)?;
    let _lock = FolderLock::take(home.folder())?;
    let clock = app::clock(config);
    say::complaint("节点没有在运行，直接核对其数据目录");
    let node = app::open_to_look::<P>(config, &home).await?;
    let found = watched(
        node.verify(deep, clock.now_us()),
        async || node.verify_progress(),
        async || {
            node.stop_verify();
        },
    )
    .await;
    node.store().close().await;
    Ok(verified(&found?))
}

/// Waits for a run, tells how far it is, and ends it when the user has had enough.
async fn watched<T>(
    run: impl Future<Output = T>,
    progress: impl AsyncFn() -> Option<String>,
    stop: impl AsyncFn(),
) -> T {
    let mut run = std::pin::pin!(run);
    let mut enough = false;
    loop {
        tokio::select! {
            done = &mut run => return done,
            signal = tokio::signal::ctrl_c(), if !enough => {
                if signal.is_ok() {
                    stop().await;
                }
                enough = true;
            }
            () = tokio::time::sleep(TELLS) => {
                if let Some(text) = progress().await {
                    say::complaint(text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use node::home::{Founding, Seeds};
    use protocol::name::SeatId;
    use store::testing::edit;

    use super::*;
    use crate::cli::tests::Toy;

    /// A city that was founded.
    fn founded(folder: &Path) -> Config {
        let home = Home::at(&folder.join("data")).expect("a folder");
        home.found_city(&Founding {
            title: "示范市",
            city: "370100",
            organisation: "370100.zx",
            root_seed: [1; 32],
            seeds: Seeds {
                sign: [2; 32],
                seal: [3; 32],
            },
            seat: SeatId([10; 16]),
        })
        .expect("founded");
        let text = format!(
            "[node]\nfolder = {:?}\n[link]\nlisten = \"127.0.0.1:0\"\n[console]\nlisten = \"127.0.0.1:0\"\n\
             [status]\nlisten = \"127.0.0.1:0\"\n",
            home.folder()
        );
        let file = folder.join("city.toml");
        std::fs::write(&file, text).expect("written");
        Config::load(&file).expect("a configuration")
    }

    #[tokio::test]
    async fn a_stopped_node_is_verified_on_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = founded(folder.path());
        let home = Home::at(&config.node.folder).expect("a folder");
        let node = crate::open::<Toy>(&config, &home, &app::clock(&config)).await;
        node.expect("opens").store().close().await;
        let found = verify::<Toy>(&config, true).await.expect("a result");
        assert_eq!(found["ok"], true, "{found}");
        assert_eq!(found["views"]["ok"], true, "{found}");
        let statement = "DELETE FROM envelope WHERE rowid = (SELECT MAX(rowid) FROM envelope)";
        edit(&home.database(), &[statement]).await;
        let found = verify::<Toy>(&config, false).await.expect("a result");
        assert_eq!(found["ok"], false, "{found}");
        assert_eq!(found["bytes"]["ok"], false, "{found}");
        let text = found["text"].as_str().expect("a text");
        assert!(text.contains("内容字节  有 1 处问题"), "{text}");
        // who has the folder is not disturbed
        let _lock = FolderLock::take(home.folder()).expect("nobody has it");
        let refused = verify::<Toy>(&config, false).await.expect_err("taken");
        assert!(refused.to_string().contains("正在"), "{refused}");
    }
}
