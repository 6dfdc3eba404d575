//! Command line: arguments to calls. What a command does is done by the running process, asked over its control socket.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use node::config::Config;
use runtime::config::{ConfigError, SecretFile};
use runtime::{control, say, telemetry, worker};
use serde_json::{Value, json};

use crate::init::Administrator;
use crate::{Failure, Program, app, init};

#[derive(Parser)]
#[command(name = P::NAME, about = P::ABOUT, version)]
struct Cli<P: Program> {
    #[command(subcommand)]
    command: Command<P>,
}

/// What every command takes.
#[derive(Args)]
pub struct Common<P: Program> {
    /// 配置文件
    #[arg(long, default_value = P::CONFIG)]
    config: PathBuf,
    #[arg(skip)]
    program: PhantomData<fn() -> P>,
}

/// A command that is one request to the running process.
pub struct Errand<P: Program> {
    /// What every command takes.
    pub common: Common<P>,
    /// The request.
    pub request: Value,
    /// What people are told when it is done.
    pub done: String,
}

#[derive(Subcommand)]
enum Command<P: Program> {
    /// 建立节点：生成密钥与身份，设置第一个管理员账号
    Init {
        #[command(flatten)]
        common: Common<P>,
        #[command(flatten)]
        founding: P::Founding,
        /// 管理员账号
        #[arg(long, default_value = "admin")]
        admin: String,
        /// 管理员真实姓名
        #[arg(long)]
        admin_name: String,
        /// 存放管理员口令的文件（只读第一行）
        #[arg(long)]
        password_file: PathBuf,
    },
    /// 运行节点
    Run {
        #[command(flatten)]
        common: Common<P>,
    },
    /// 检查配置文件
    CheckConfig {
        #[command(flatten)]
        common: Common<P>,
    },
    /// 开设控制台账号，或为已有账号重设口令、姓名与角色
    Account {
        #[command(flatten)]
        common: Common<P>,
        /// 账号名：小写字母、数字、点、下划线、短横线
        account: String,
        /// 使用人真实姓名
        #[arg(long)]
        name: String,
        /// 角色：administrator 管理员、clerk 业务员、auditor 审计员、`department:部门名称`
        #[arg(long, default_value = "clerk")]
        role: String,
        /// 存放口令的文件（只读第一行）
        #[arg(long)]
        password_file: PathBuf,
    },
    /// 签发接入码
    Invite {
        #[command(flatten)]
        common: Common<P>,
        #[command(flatten)]
        guest: P::Guest,
        /// 接入方名称，如「示范区平台」「区市场监管局 登记库」
        #[arg(long)]
        title: String,
        /// 所属部门（部门代理必填）
        #[arg(long, default_value = "")]
        department: String,
        /// 允许报送的记录类型，可重复
        #[arg(long = "type", default_values_t = ["registration".to_owned(), "refusal".to_owned()])]
        types: Vec<String>,
        /// 预先批准：对方持码即可入网，不再等人批准
        #[arg(long)]
        pre_approved: bool,
        /// 有效小时数
        #[arg(long, default_value_t = 24)]
        hours: u32,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 批准入网申请
    Approve {
        #[command(flatten)]
        common: Common<P>,
        /// 申请编号（见 peers）
        seat: String,
    },
    /// 驳回入网申请
    Refuse {
        #[command(flatten)]
        common: Common<P>,
        /// 申请编号（见 peers）
        seat: String,
        /// 理由，会告知申请方
        #[arg(long)]
        reason: String,
    },
    /// 列出下级节点、代理和入网申请
    Peers {
        #[command(flatten)]
        common: Common<P>,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 数据量、各阶段进度与对账和
    Status {
        #[command(flatten)]
        common: Common<P>,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 校验本节点保存的全部批次：签名、哈希链、根
    Verify {
        #[command(flatten)]
        common: Common<P>,
        /// 逐条校验到部门的原始行
        #[arg(long)]
        deep: bool,
    },
    #[command(flatten)]
    Own(P::Command),
}

/// Runs the program with these arguments (without the program's name) to its end.
///
/// Exit codes: 0 done, 1 failed with the reason on standard error, 2 wrong arguments, 78 configuration refused.
pub fn main_with<P: Program>(args: Vec<String>) -> ExitCode {
    let cli = match Cli::<P>::try_parse_from(std::iter::once(P::NAME.to_owned()).chain(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // what clap has to say goes to where it belongs; a closed terminal is nobody's fault
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    runtime::descriptors::raise();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            say::complaint(format_args!("无法启动：{error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::complaint(format_args!("错误：{}", worker::chain(error.as_ref())));
            if error.downcast_ref::<ConfigError>().is_some() {
                ExitCode::from(78)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

async fn run<P: Program>(command: Command<P>) -> Result<(), Failure> {
    match command {
        Command::Init {
            common,
            founding,
            admin,
            admin_name,
            password_file,
        } => {
            let config = Config::load(&common.config)?;
            let administrator = Administrator {
                account: admin,
                name: admin_name,
                password: password(&password_file)?,
            };
            let founded = init::init::<P>(&config, &founding, &administrator).await?;
            say::line(format_args!(
                "{founded}下一步：{} run --config {}",
                P::NAME,
                common.config.display()
            ))?;
            Ok(())
        }
        Command::Run { common } => {
            let config = Config::load(&common.config)?;
            telemetry::init(config.log.form, &config.log.level)?;
            let running = app::start::<P>(&config).await?;
            say::remark(format_args!(
                "控制台 {}  链路 {}",
                running.origin, running.link
            ));
            if let Some(authority) = &running.authority {
                say::remark(authority);
            }
            running.until_signal().await?;
            Ok(())
        }
        Command::CheckConfig { common } => {
            Config::load(&common.config)?;
            say::line(format_args!("配置 {} 检查通过", common.config.display()))?;
            Ok(())
        }
        Command::Invite {
            common,
            guest,
            title,
            department,
            types,
            pre_approved,
            hours,
            json,
        } => {
            let (kind, jurisdiction) = P::guest(&guest);
            let request = json!({
                "command": "invite", "kind": kind, "title": title, "department": department,
                "jurisdiction": jurisdiction, "types": types, "pre_approved": pre_approved, "hours": hours,
            });
            let answer = ask(&common, request).await?;
            if json {
                say::line(answer)?;
            } else {
                say::line(format_args!(
                    "接入码（请当面或书面交给对方，{hours} 小时内有效，只能使用一次）："
                ))?;
                say::line(answer["code"].as_str().unwrap_or_default())?;
            }
            Ok(())
        }
        Command::Account {
            common,
            account,
            name,
            role,
            password_file,
        } => {
            let request = json!({
                "command": "account", "account": account, "name": name, "role": role,
                "password": password(&password_file)?,
            });
            ask(&common, request).await?;
            say::line(format_args!("账号 {account} 已可登录"))?;
            Ok(())
        }
        Command::Approve { common, seat } => {
            ask(&common, json!({"command": "approve", "seat": seat})).await?;
            say::line(format_args!("已批准 {seat}"))?;
            Ok(())
        }
        Command::Refuse {
            common,
            seat,
            reason,
        } => {
            ask(
                &common,
                json!({"command": "refuse", "seat": seat, "reason": reason}),
            )
            .await?;
            say::line(format_args!("已驳回 {seat}"))?;
            Ok(())
        }
        Command::Peers { common, json } => {
            let answer = ask(&common, json!({"command": "peers"})).await?;
            if json {
                say::line(answer)?;
                return Ok(());
            }
            for peer in answer["peers"].as_array().into_iter().flatten() {
                let text = |key: &str| say::foreign(peer[key].as_str().unwrap_or_default());
                say::line(format_args!(
                    "{}  {}  {}  {}  {}",
                    text("seat"),
                    text("state"),
                    text("jurisdiction"),
                    text("title"),
                    text("fingerprint")
                ))?;
            }
            Ok(())
        }
        Command::Status { common, json } => {
            let answer = ask(&common, json!({"command": "status"})).await?;
            if json {
                say::line(answer)?;
            } else {
                say::line(format_args!("{answer:#}"))?;
            }
            Ok(())
        }
        Command::Verify { common, deep } => {
            let answer = ask(&common, json!({"command": "verify", "deep": deep})).await?;
            say::line(format_args!("{answer:#}"))?;
            if answer["faults"].as_array().is_some_and(|f| !f.is_empty()) {
                return Err("校验发现问题，详见上文".into());
            }
            Ok(())
        }
        Command::Own(command) => {
            let errand = P::errand(command);
            ask(&errand.common, errand.request).await?;
            say::line(errand.done)?;
            Ok(())
        }
    }
}

async fn ask<P: Program>(common: &Common<P>, request: Value) -> Result<Value, Failure> {
    let config = Config::load(&common.config)?;
    let answer = control::ask(&config.node.folder, &request.to_string()).await?;
    let answer: Value = serde_json::from_str(&answer).map_err(|_| answer)?;
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned().into()),
        None => Ok(answer),
    }
}

fn password(file: &Path) -> Result<String, Failure> {
    let secret = SecretFile(file.to_owned()).read()?;
    Ok(secret
        .expose()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use node::home::Home;

    use super::*;
    use crate::Ground;

    /// A tier with something of its own at each place.
    struct Toy;

    #[derive(Args)]
    struct Toys {
        #[arg(long)]
        colour: String,
    }

    #[derive(Subcommand)]
    enum Play {
        Play {
            #[command(flatten)]
            common: Common<Toy>,
        },
    }

    impl Program for Toy {
        const TIER: node::Tier = node::Tier::City;
        const NAME: &'static str = "toy";
        const ABOUT: &'static str = "a toy";
        const CONFIG: &'static str = "/toy.toml";
        type Founding = Toys;
        type Guest = Toys;
        type Command = Play;

        async fn found(_founding: &Toys, _home: &Home) -> Result<String, Failure> {
            Ok(String::new())
        }

        fn guest(guest: &Toys) -> (&str, &str) {
            (&guest.colour, "")
        }

        fn errand(command: Play) -> Errand<Self> {
            let Play::Play { common } = command;
            let (request, done) = (json!({ "command": "play" }), "played".to_owned());
            Errand {
                common,
                request,
                done,
            }
        }

        fn start(_ground: &Ground<'_>) -> Result<Self, Failure> {
            Ok(Self)
        }

        fn answer(&self, _request: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn a_tier_has_all_common_commands_and_its_own() {
        Cli::<Toy>::command().debug_assert();
        let check = |line: &str, good: bool| {
            let parsed = Cli::<Toy>::try_parse_from(line.split(' '));
            assert_eq!(parsed.is_ok(), good, "{line}");
        };
        let init = "--admin-name a --password-file p";
        check(&format!("toy init {init} --colour red"), true);
        check(&format!("toy init {init}"), false);
        check("toy invite --title t --colour red", true);
        check("toy invite --title t", false);
        check("toy account a --name n --password-file p", true);
        check("toy refuse s --reason r", true);
        for word in ["run", "check-config", "peers", "status", "verify", "play"] {
            check(&format!("toy {word}"), true);
            check(&format!("toy {word} --colour red"), false);
        }
        check("toy cut", false);
        check("toy", false);
    }

    #[test]
    fn a_configuration_is_where_the_tier_says_unless_told() {
        let check = |line: &str, expected: &str| {
            let Ok(Cli {
                command: Command::Own(play),
            }) = Cli::<Toy>::try_parse_from(line.split(' '))
            else {
                panic!("{line} is no errand");
            };
            assert_eq!(Toy::errand(play).common.config, Path::new(expected));
        };
        check("toy play", "/toy.toml");
        check("toy play --config other.toml", "other.toml");
    }
}
