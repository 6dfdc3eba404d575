//! What a district's program has of its own: joining the city with a code, and the link to the city, which people can cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use node::Node;
use node::command::actor::{Action, Actor};
use node::command::join::{self, Newcomer};
use node::config::Config;
use node::home::{Home, Seeds};
use protocol::admission::code::Code;
use protocol::admission::exchange::Offer;
use protocol::admission::newcomer::fingerprint;
use protocol::envelope::Envelope;
use runtime::control::Caller;
use runtime::door::Clock;
use runtime::link::endpoint::{Dialer, Settings};
use runtime::worker::{Shutdown, chain};
use runtime::{code, door, say};
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
    /// 存放市级签发的接入码的文件（- 为标准输入）；不填则在终端输入
    #[arg(long)]
    pub code_file: Option<PathBuf>,
    /// Refused: everybody on the machine can read it.
    #[arg(long, hide = true)]
    pub code: Option<String>,
}

/// How a district gets other keys.
#[derive(Args)]
pub struct Rotation {
    /// 存放市级签发的续期接入码的文件（- 为标准输入）；不填则在终端输入
    #[arg(long)]
    pub code_file: Option<PathBuf>,
}

/// Whom a district invites: departments of its own division or of a town in it.
#[derive(Args)]
pub struct Guest {
    /// 所属区划代码：本区县（可不填），或其下乡镇街道的九位代码
    #[arg(long, default_value = "")]
    pub jurisdiction: String,
}

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

fn fresh() -> Seeds {
    Seeds {
        sign: door::random(),
        seal: door::random(),
    }
}

fn code_of(file: Option<&Path>) -> Result<Code, Failure> {
    let text = code::read_code(file, |told| say::remark(told))?;
    let code = join::district_code(&text)?;
    // whether it has is for who issued it to say, by the clock that it was issued by: ours may be the wrong one
    if code.has_expired(Clock::system().now_us() / 1_000_000) {
        say::remark(
            "[注意] 按本机时钟，接入码已过有效期；是否有效由市级平台判定，仍继续申请。如被驳回请联系市级重新签发",
        );
    }
    Ok(code)
}

/// Asks with a code until there is a decision, and shows people what they have to compare.
async fn ask_for(code: &Code, newcomer: &Newcomer<'_>) -> Result<Vec<Envelope>, Failure> {
    say::remark(format_args!(
        "平台地址 {}；本机密钥指纹 {}（请与市级平台上显示的核对）",
        code.address,
        fingerprint(&newcomer.keys.public())
    ));
    let offered = |offer: &Offer| {
        say::remark(format_args!(
            "平台身份已核对。接入名义：{}（机构代码 {}，辖区 {}）",
            offer.title, offer.organisation, offer.jurisdiction
        ));
    };
    let mut said = String::new();
    let told = |text: &str| {
        if said != text {
            say::remark(text);
            text.clone_into(&mut said);
        }
    };
    Ok(join::join(code, newcomer, offered, told, &Shutdown::new()).await?)
}

impl Program for District {
    const TIER: node::Tier = node::Tier::District;
    const NAME: &'static str = "zongheng-district";
    const ABOUT: &'static str = "纵横 · 区县节点";
    const CONFIG: &'static str = "/etc/zongheng/district.toml";

    type Founding = NewDistrict;
    type Guest = Guest;
    type Rotation = Rotation;
    type Command = Link;

    /// Waits for a person's approval; can be interrupted and called again.
    async fn found(new: &NewDistrict, home: &Home) -> Result<String, Failure> {
        code::refuse_argument(new.code.as_deref())?;
        if !home.is_taken() {
            let code = code_of(new.code_file.as_deref())?;
            let keys = home.keys_or(&fresh())?;
            let newcomer = Newcomer {
                instance_file: home.instance_file(),
                keys: &keys,
                own: None,
                former: None,
            };
            let chain = ask_for(&code, &newcomer).await?;
            home.write_parent(&code.address)?;
            home.write_chain(&chain)?;
        }
        Ok("区县节点已建立。".to_owned())
    }

    async fn rotate(
        rotation: &Rotation,
        home: &Home,
        config: &Config,
        actor: &Actor,
    ) -> Result<String, Failure> {
        let code = code_of(rotation.code_file.as_deref())?;
        let former = home.credentials()?;
        let keys = home.next_keys_or(&fresh())?;
        let newcomer = Newcomer {
            instance_file: home.instance_file(),
            keys: &keys,
            own: Some(former.seat),
            former: Some(&former.keys.sign),
        };
        let chain = ask_for(&code, &newcomer).await?;
        home.write_parent(&code.address)?;
        home.replace_keys(&chain)?;
        let clock = Clock::system();
        let node = tier::open::<Self>(config, home, &clock).await?;
        let noted = node.note_act(Action::Rotate, actor, clock.now_us()).await;
        node.store().close().await;
        noted?;
        Ok("区县节点的密钥已更换，请重新启动节点".to_owned())
    }

    fn guest(guest: &Guest) -> (&str, &str) {
        ("department", &guest.jurisdiction)
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
    use protocol::hash::Ref;
    use protocol::name::SeatId;
    use protocol::statement::SeatKind;

    use super::*;

    #[tokio::test]
    async fn what_is_no_code_of_a_district_joins_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path()).expect("a home");
        let code = |kind: SeatKind| {
            let code = Code::new(
                kind,
                u32::MAX,
                [1; 10],
                &Ref::ZERO,
                &SeatId([2; 16]),
                "127.0.0.1:1",
            );
            code.encode().expect("a code")
        };
        let check = async |text: &str, argument: Option<&str>, part: &str| {
            let file = folder.path().join("code");
            std::fs::write(&file, text).expect("written");
            let new = NewDistrict {
                code_file: Some(file),
                code: argument.map(str::to_owned),
            };
            let told = District::found(&new, &home)
                .await
                .expect_err(part)
                .to_string();
            assert!(told.contains(part), "{told}");
            assert!(!home.is_taken(), "nothing is left behind");
            assert!(
                !folder.path().join("signing.key").exists(),
                "no key is made"
            );
        };
        check("不是接入码", None, "应以 ZH2- 开头").await;
        check("", None, "没有读到接入码").await;
        let (district, department) = (code(SeatKind::District), code(SeatKind::Department));
        check(&department, None, "用于部门代理").await;
        check(&district, Some(&district), "不能写在命令行上").await;
    }
}
