//! Command line: arguments to calls. What a command does is done by the running process, asked over its control socket.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use node::command::admission::{HOURS, hours_text};
use node::config::Config;
use runtime::config::{ConfigError, SecretFile};
use runtime::{code, control, release, say, telemetry, usage, worker};
use serde_json::{Value, json};

use crate::init::Administrator;
use crate::{Failure, Program, app, init, verify};

#[derive(Parser)]
#[command(name = P::NAME, about = P::ABOUT, version = release::text())]
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
        /// 区划补充文件（UTF-8 编码的 CSV，列为 code、name、parent、valid_from、valid_to、successors），其中的行补充或替换内置区划表
        #[arg(long)]
        divisions: Option<PathBuf>,
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
    /// 检查 run 能否启动：配置、数据目录、密钥、端口与数据库；不运行，也不改动数据
    CheckConfig {
        #[command(flatten)]
        common: Common<P>,
    },
    /// 开设控制台账号，或为已有账号重设口令、姓名与角色；停用、恢复、列出账号
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Account {
        #[command(subcommand)]
        change: Option<AccountCommand<P>>,
        #[command(flatten)]
        common: Common<P>,
        /// 账号名：小写字母、数字、点、下划线、短横线
        #[arg(required = true)]
        account: Option<String>,
        /// 使用人真实姓名
        #[arg(long, required = true)]
        name: Option<String>,
        /// 角色：administrator 管理员、clerk 业务员、auditor 审计员、`department:机构代码`
        #[arg(long, default_value = "clerk")]
        role: String,
        /// 存放口令的文件（只读第一行）
        #[arg(long, required = true)]
        password_file: Option<PathBuf>,
    },
    /// 签发接入码
    Invite {
        #[command(flatten)]
        common: Common<P>,
        #[command(flatten)]
        guest: P::Guest,
        /// 接入方名称，如「示范区平台」「区市场监管局 登记库」；续期时不填则不变
        #[arg(long, required_unless_present = "renew", default_value = "")]
        title: String,
        /// 机构代码：区划代码、点、机构简称（小写字母或数字），如 370102.scjg；首次使用即赋予该机构，不得再用于其他机构
        #[arg(long, required_unless_present = "renew", default_value = "")]
        organisation: String,
        /// 机构名称；不填时取接入方名称中第一个空格之前的部分
        #[arg(long, default_value = "")]
        organisation_title: String,
        /// 允许报送的记录类型（或「前缀.*」），可重复；不填时部门代理为 registration 和 refusal，续期时不变
        #[arg(long = "type")]
        types: Vec<String>,
        /// 续期：为已有席位换发身份（更换密钥、机器或允许报送的类型），填席位编号（见 peers）
        #[arg(long, default_value = "")]
        renew: String,
        /// 续期时原密钥不能同意更换（丢失、失窃）的原因；只有市级可以批准，也可在批准时填写
        #[arg(long, default_value = "", requires = "renew")]
        reason: String,
        /// 预先批准：对方持码即可入网，不再等人批准
        #[arg(long)]
        pre_approved: bool,
        /// 有效小时数
        #[arg(long, default_value_t = 24, value_parser = hours)]
        hours: u32,
        /// 把接入码写入这个新文件（只有本人可读），不显示在屏幕上
        #[arg(long)]
        code_file: Option<PathBuf>,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 批准入网申请
    Approve {
        #[command(flatten)]
        common: Common<P>,
        /// 申请编号（席位编号或接入码编号，见 peers）
        seat: String,
        /// 更换密钥而没有原密钥同意时，说明原因
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// 驳回入网申请
    Refuse {
        #[command(flatten)]
        common: Common<P>,
        /// 申请编号（席位编号或接入码编号，见 peers）
        seat: String,
        /// 理由，会告知申请方
        #[arg(long)]
        reason: String,
    },
    /// 撤回接入码，或撤销席位
    #[command(subcommand)]
    Revoke(RevokeCommand<P>),
    /// 更换本节点的密钥（须先停止节点）
    Rotate {
        #[command(flatten)]
        common: Common<P>,
        #[command(flatten)]
        rotation: P::Rotation,
    },
    /// 列出下级节点、代理和入网申请
    Peers {
        #[command(flatten)]
        common: Common<P>,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 数据量、进度、链路、磁盘和下一步（以 JSON 输出时另有对账和）
    Status {
        #[command(flatten)]
        common: Common<P>,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 核对本节点所存：内容字节、完整性、查询视图、审计记录；节点停止时直接核对其数据目录
    Verify {
        #[command(flatten)]
        common: Common<P>,
        /// 逐条验签到部门的原始行，并由日志重新得出查询视图；数据多时用时较长
        #[arg(long)]
        deep: bool,
        /// 中止正在运行的节点上的核对
        #[arg(long, conflicts_with_all = ["deep", "json"])]
        stop: bool,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    #[command(flatten)]
    Own(P::Command),
}

/// What is called back.
#[derive(Subcommand)]
enum RevokeCommand<P: Program> {
    /// 撤回尚无人凭以入网的接入码；正在等待批准的申请一并作罢
    Code {
        #[command(flatten)]
        common: Common<P>,
        /// 接入码编号（12 位，签发时显示，也见 peers），或席位编号（撤回该席位的全部接入码）
        code: String,
    },
    /// 撤销席位：已收到的内容继续有效，此后以其密钥签署的内容一律隔离，连接立即断开；不能恢复，再接入须用续期接入码
    Seat {
        #[command(flatten)]
        common: Common<P>,
        /// 席位编号（见 peers）
        seat: String,
        /// 原因：stolen 密钥失窃、lost 密钥丢失、left 不再接入、replaced 由其他席位接替、other 其他
        #[arg(long, value_parser = ["stolen", "lost", "left", "replaced", "other"])]
        reason: String,
        /// 说明，写入撤销声明并告知对方
        #[arg(long)]
        text: String,
    },
}

/// What else can be done with accounts.
#[derive(Subcommand)]
enum AccountCommand<P: Program> {
    /// 停用账号：不能再登录，已有的登录立即失效
    Disable {
        #[command(flatten)]
        common: Common<P>,
        /// 账号名
        account: String,
    },
    /// 恢复已停用的账号
    Enable {
        #[command(flatten)]
        common: Common<P>,
        /// 账号名
        account: String,
    },
    /// 列出全部账号
    List {
        #[command(flatten)]
        common: Common<P>,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
}

/// Runs the program with these arguments (without the program's name) to its end.
///
/// Exit codes: 0 done, 1 failed with the reason on standard error, 2 wrong arguments, 78 configuration refused.
pub fn main_with<P: Program>(args: Vec<String>) -> ExitCode {
    let cli: Cli<P> = match usage::parse(P::NAME, args) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    runtime::descriptors::raise();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            say::complaint(format_args!("无法启动：{}", say::refused(&error)));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(cli.command));
    // what must be finished is finished; a name that is being looked up is not waited for
    runtime.shutdown_background();
    match ended {
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
            divisions,
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
            let founded =
                init::init::<P>(&config, &founding, &administrator, divisions.as_deref()).await?;
            say::line(format_args!(
                "{founded}下一步：{} run --config {}",
                P::NAME,
                common.config.display()
            ))?;
            Ok(())
        }
        Command::Run { common } => {
            let config = Config::load(&common.config)?;
            app::Ready::to_start::<P>(&config)?;
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
            let config = Config::load(&common.config)?;
            let said = app::check::<P>(&config).await?;
            say::line(format_args!("配置 {} {said}", common.config.display()))?;
            Ok(())
        }
        Command::Invite {
            common,
            guest,
            title,
            organisation,
            organisation_title,
            types,
            renew,
            reason,
            pre_approved,
            hours,
            code_file,
            json,
        } => {
            // a code is shown once: whether it can be written is asked before there is one
            let unwritable = |file: &Path, error: &std::io::Error| -> Failure {
                format!(
                    "接入码文件 {} 不能写入：{}",
                    file.display(),
                    say::refused(error)
                )
                .into()
            };
            if let Some(file) = &code_file {
                code::may_write_code(file).map_err(|error| unwritable(file, &error))?;
            }
            let (kind, jurisdiction) = P::guest(&guest);
            let request = json!({
                "command": "invite", "kind": kind, "title": title, "organisation": organisation,
                "organisation_title": organisation_title, "jurisdiction": jurisdiction, "types": types,
                "renew": renew, "reason": reason, "pre_approved": pre_approved, "hours": hours,
            });
            let mut answer = ask(&common, request).await?;
            let text = answer["code"].as_str().unwrap_or_default().to_owned();
            let id = answer["id"].as_str().unwrap_or_default().to_owned();
            if let Some(file) = &code_file {
                code::write_code(file, &text).map_err(|error| unwritable(file, &error))?;
                if let Some(answer) = answer.as_object_mut() {
                    answer.remove("code");
                }
            }
            match (json, &code_file) {
                (true, _) => say::line(answer)?,
                (false, Some(file)) => say::line(format_args!(
                    "接入码 {id} 已写入 {}（只有本人可读），{hours} 小时内有效，只能使用一次；请当面或以安全方式交给对方，用后删除",
                    file.display()
                ))?,
                (false, None) => {
                    say::line(format_args!(
                        "接入码 {id}（请当面或书面交给对方，{hours} 小时内有效，只能使用一次）："
                    ))?;
                    say::line(text)?;
                }
            }
            Ok(())
        }
        Command::Account {
            change: Some(change),
            ..
        } => account(change).await,
        Command::Account {
            change: None,
            common,
            account,
            name,
            role,
            password_file,
        } => {
            let account = account.unwrap_or_default();
            let request = json!({
                "command": "account", "account": account, "name": name, "role": role,
                "password": password(&password_file.unwrap_or_default())?,
            });
            ask(&common, request).await?;
            say::line(format_args!("账号 {account} 已可登录"))?;
            Ok(())
        }
        Command::Approve {
            common,
            seat,
            reason,
        } => {
            let request = json!({"command": "approve", "seat": seat, "reason": reason});
            ask(&common, request).await?;
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
        Command::Revoke(RevokeCommand::Code { common, code }) => {
            let request = json!({"command": "revoke.code", "code": code});
            let answer = ask(&common, request).await?;
            say::line(format_args!("已撤回 {} 个接入码", answer["codes"]))?;
            Ok(())
        }
        Command::Revoke(RevokeCommand::Seat {
            common,
            seat,
            reason,
            text,
        }) => {
            let request =
                json!({"command": "revoke.seat", "seat": seat, "reason": reason, "text": text});
            let answer = ask(&common, request).await?;
            say::line(answer["text"].as_str().unwrap_or_default())?;
            Ok(())
        }
        Command::Rotate { common, rotation } => {
            let config = Config::load(&common.config)?;
            say::line(init::rotate::<P>(&config, &rotation).await?)?;
            Ok(())
        }
        Command::Peers { common, json } => {
            tell(ask(&common, json!({"command": "peers"})).await?, json)
        }
        Command::Status { common, json } => {
            // sums walk all records, and people do not compare them by eye
            let request = json!({"command": "status", "sums": json});
            tell(ask(&common, request).await?, json)
        }
        Command::Verify {
            common, stop: true, ..
        } => verify::stop(&Config::load(&common.config)?).await,
        Command::Verify {
            common, deep, json, ..
        } => {
            let answer = verify::verify::<P>(&Config::load(&common.config)?, deep).await?;
            let wrong = answer["ok"] == false;
            tell(answer, json)?;
            if wrong {
                return Err("核对发现问题，详见上文".into());
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

/// Shows an answer: its text, or everything else.
fn tell(mut answer: Value, json: bool) -> Result<(), Failure> {
    if json {
        if let Some(answer) = answer.as_object_mut() {
            answer.remove("text");
        }
        say::line(answer)?;
    } else {
        say::text(answer["text"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// The hours of an invitation.
fn hours(text: &str) -> Result<u32, String> {
    let hours = text.parse().ok().filter(|hours| HOURS.contains(hours));
    hours.ok_or_else(hours_text)
}

async fn account<P: Program>(change: AccountCommand<P>) -> Result<(), Failure> {
    let (common, command, account, done) = match change {
        AccountCommand::Disable { common, account } => (
            common,
            "account.disable",
            account,
            "已停用，已有的登录即时失效",
        ),
        AccountCommand::Enable { common, account } => {
            (common, "account.enable", account, "已恢复，可用原口令登录")
        }
        AccountCommand::List { common, json } => {
            let answer = ask(&common, json!({ "command": "accounts" })).await?;
            if json {
                say::line(answer)?;
                return Ok(());
            }
            for row in answer["accounts"].as_array().into_iter().flatten() {
                let text = |key: &str| say::foreign(row[key].as_str().unwrap_or_default());
                let state = match row["disabled"].as_bool() {
                    Some(true) => "已停用",
                    _ => "可登录",
                };
                say::line(format_args!(
                    "{}  {state}  {}  {}  {} {}",
                    text("account"),
                    text("name"),
                    text("role_label"),
                    text("department"),
                    text("department_title"),
                ))?;
            }
            return Ok(());
        }
    };
    ask(&common, json!({ "command": command, "account": account })).await?;
    say::line(format_args!("账号 {account} {done}"))?;
    Ok(())
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
pub(crate) mod tests;
