//! What a district's program has of its own: joining the city with a code, and the link to the city, which people can cut.

use std::sync::Arc;

use clap::{Args, Subcommand};
use node::Node;
use node::command::actor::{Action, Actor};
use node::command::join::{self, Newcomer};
use node::home::Home;
use runtime::admission::code::Code;
use runtime::control::Caller;
use runtime::door::Clock;
use runtime::link::endpoint::{Dialer, Settings};
use runtime::worker::{Shutdown, chain};
use runtime::{door, say};
use serde_json::{Value, json};
use tier::{Common, Errand, Failure, Ground, Program};

use crate::uplink::Uplink;

/// The district's program: beside the node runs the link to the city.
pub struct District {
    uplink: Uplink,
    node: Node,
    clock: Clock,
}

/// What a new district brings.
#[derive(Args)]
pub struct NewDistrict {
    /// 市级签发的接入码
    #[arg(long)]
    pub code: String,
}

/// Whom a district invites: departments of its own division, so there is nothing to say.
#[derive(Args)]
pub struct Guest {}

/// Commands of a district alone.
#[derive(Subcommand)]
pub enum Link {
    /// 断开与市级的链路（演练用），本区继续独立工作
    Cut {
        #[command(flatten)]
        common: Common<District>,
    },
    /// 恢复与市级的链路
    Connect {
        #[command(flatten)]
        common: Common<District>,
    },
}

impl Program for District {
    const TIER: node::Tier = node::Tier::District;
    const NAME: &'static str = "zongheng-district";
    const ABOUT: &'static str = "纵横 · 区县节点";
    const CONFIG: &'static str = "/etc/zongheng/district.toml";

    type Founding = NewDistrict;
    type Guest = Guest;
    type Command = Link;

    /// Waits for a person's approval; can be interrupted and called again.
    async fn found(new: &NewDistrict, home: &Home) -> Result<String, Failure> {
        if !home.is_taken() {
            let code = Code::parse(&new.code)?;
            let newcomer = Newcomer {
                instance_file: home.instance_file(),
                seed: home.signing_seed(door::random())?,
            };
            let told = |text: &str| say::remark(text);
            let chain = join::join(&code, &newcomer, told, &Shutdown::new()).await?;
            home.write_chain(&chain)?;
            home.write_parent(&code.address)?;
        }
        Ok("区县节点已建立。".to_owned())
    }

    fn guest(_guest: &Guest) -> (&str, &str) {
        ("department", "")
    }

    fn errand(command: Link) -> Errand<Self> {
        let (common, word, done) = match command {
            Link::Cut { common } => (common, "cut", "链路已断开；恢复请执行 connect"),
            Link::Connect { common } => (common, "connect", "正在恢复链路"),
        };
        Errand {
            common,
            request: json!({ "command": word }),
            done: done.to_owned(),
        }
    }

    fn start(ground: &Ground<'_>) -> Result<Self, Failure> {
        let parent = ground.home.parent()?;
        let dialer = Arc::new(Dialer::new(ground.instance, Settings::default())?);
        let (clock, workers) = (ground.clock.clone(), ground.workers.clone());
        let node = ground.host.node().clone();
        let uplink = Uplink::new(ground.host.clone(), dialer, parent, clock.clone(), workers);
        uplink.connect();
        Ok(Self {
            uplink,
            node,
            clock,
        })
    }

    async fn answer(&self, caller: &Caller, request: &str) -> Option<String> {
        let request: Value = serde_json::from_str(request).ok()?;
        let action = match request["command"].as_str()? {
            "cut" => Action::LinkCut,
            "connect" => Action::LinkConnect,
            _ => return None,
        };
        let (actor, now) = (Actor::operator(caller), self.clock.now_us());
        if let Err(error) = self.node.note_act(action, &actor, now).await {
            let error = format!("未能写入审计记录，没有执行：{}", chain(&error));
            return Some(json!({ "error": error }).to_string());
        }
        Some(match action {
            Action::LinkCut => self.uplink.cut(),
            _ => self.uplink.connect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_code_joins_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path()).expect("a home");
        let new = NewDistrict {
            code: "不是接入码".to_owned(),
        };
        assert!(District::found(&new, &home).await.is_err());
        assert!(!home.is_taken(), "nothing is left behind");
    }
}
