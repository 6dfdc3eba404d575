//! Command line: arguments to calls, results to text and exit codes.
//!
//! Exit codes: 0 done; 1 failed while running; 2 wrong arguments; 3 not admitted (not joined yet, refused, code expired);
//! 4 another process has the data folder; 5 `dry-run` found rows that would be refused; 78 configuration or mapping wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use runtime::code::{self, NoCode};
use runtime::config::ConfigError;
use runtime::door::Clock;
use runtime::worker::{Shutdown, chain};
use runtime::{control, files, release, say, telemetry, usage, worker};
use serde_json::{Value, json};
use store::seat::{OpenSeatError, SeatStore};
use supervision::standard::Standards;

use crate::config::{AgentConfigError, Config};
use crate::dry_run::{self, DryRunError};
use crate::home::{Home, HomeError};
use crate::join::{self, NotAdmitted};
use crate::mapping::MappingError;
use crate::rejects;
use crate::status::Report;
use crate::watch::{SetUpError, WatchError};
use crate::{app, check, uplink};

#[derive(Parser)]
#[command(name = "zongheng-agent", about = "纵横 · 部门代理", version = release::text())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// 配置文件
    #[arg(long, default_value = "/etc/zongheng/agent.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// 入网：先验对方身份，再报本机身份，等待批准
    Join {
        #[command(flatten)]
        common: Common,
        /// 存有平台签发的接入码的文件；不写时按提示输入，写 - 时从标准输入读取
        #[arg(long)]
        code_file: Option<PathBuf>,
        /// 接入码不能写在这里：其他用户可从进程列表中看到
        #[arg(hide = true)]
        code: Option<String>,
    },
    /// 检查配置、映射和各来源，不联网、不上送
    CheckConfig {
        #[command(flatten)]
        common: Common,
        /// 只检查文件，不打开源库
        #[arg(long)]
        files_only: bool,
    },
    /// 试运行：读取、映射、校验，全部在本机，不联网、不上送
    DryRun {
        #[command(flatten)]
        common: Common,
        /// 只试这个来源
        #[arg(long)]
        source: Option<String>,
        /// 最多读取的行数
        #[arg(long, default_value_t = 20_000)]
        limit: u64,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 运行代理
    Run {
        #[command(flatten)]
        common: Common,
    },
    /// 查看各来源、链路、队列、回执和下一步
    Status {
        #[command(flatten)]
        common: Common,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 被拒收的行及原因
    Rejects {
        #[command(subcommand)]
        command: Rejects,
    },
}

#[derive(Subcommand)]
enum Rejects {
    /// 列出
    List {
        #[command(flatten)]
        common: Common,
        /// 只列这个来源
        #[arg(long)]
        source: Option<String>,
        /// 最多列出的行数
        #[arg(long, default_value_t = 100)]
        limit: u64,
        /// 以 JSON 输出
        #[arg(long)]
        json: bool,
    },
    /// 导出为 CSV
    Export {
        #[command(flatten)]
        common: Common,
        /// 只导出这个来源
        #[arg(long)]
        source: Option<String>,
        /// 要写的文件
        file: PathBuf,
    },
}

/// Runs the program with its arguments, the program's own name not among them. Other binaries call this to become the
/// agent.
pub fn main_with(args: Vec<String>) -> ExitCode {
    let cli: Cli = match usage::parse("zongheng-agent", args) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    runtime::descriptors::raise();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
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
    // what must be finished is finished; a name that is being looked up or a copy on a slow share is not waited for
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => {
            say::complaint(format_args!("错误：{}", chain(error.as_ref())));
            ExitCode::from(code_of(error.as_ref()))
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The one place where a failure becomes an exit code.
fn code_of(error: &(dyn std::error::Error + Send + Sync + 'static)) -> u8 {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<NotAdmitted>() || matches!(error.downcast_ref(), Some(HomeError::NotJoined)) {
            return 3;
        }
        if matches!(
            error.downcast_ref(),
            Some(NoCode::Argument | NoCode::Stray(_))
        ) {
            return 2;
        }
        if matches!(error.downcast_ref(), Some(OpenSeatError::InUse { .. })) {
            return 4;
        }
        if error.is::<AgentConfigError>()
            || error.is::<ConfigError>()
            || error.is::<MappingError>()
            || error.is::<SetUpError>()
        {
            return 78;
        }
        // transparent errors hide what they wrap
        match error.downcast_ref::<app::StartError>() {
            Some(app::StartError::Home(e)) => next = Some(e),
            Some(app::StartError::Open(e)) => next = Some(e),
            Some(app::StartError::Config(e)) => next = Some(e),
            Some(app::StartError::Source(WatchError::SetUp(e))) => next = Some(e),
            _ => {
                next = match error.downcast_ref::<DryRunError>() {
                    Some(DryRunError::SetUp(e)) => Some(e),
                    _ => error.source(),
                }
            }
        }
    }
    1
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Join {
            common,
            code_file,
            code: argument,
        } => {
            code::refuse_argument(argument.as_deref())?;
            let config = Config::load(&common.config)?;
            let home = Home::at(&config.agent.folder)?;
            let code = match home.is_joined() {
                // nobody is asked for a code that is not used
                true => String::new(),
                false => code::read_code(code_file.as_deref(), |text| say::remark(text))?,
            };
            let shutdown = Shutdown::new();
            let word = shutdown.clone();
            tokio::spawn(async move {
                if worker::signal().await.is_ok() {
                    word.begin();
                }
            });
            let now_s = Clock::system().now_us() / 1_000_000;
            join::join(&home, &code, now_s, |step| say::remark(step), &shutdown).await?;
            say::line("下一步：zongheng-agent check-config，再 zongheng-agent dry-run")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::CheckConfig { common, files_only } => {
            let config = Config::load(&common.config)?;
            let now_ms = Clock::system().now_us() / 1_000;
            say::line(format_args!("配置 {} ✓", common.config.display()))?;
            let good = check::check(&config, files_only, now_ms, |line| {
                say::remark(say::foreign(line));
            })
            .await?;
            if good {
                say::line("下一步：zongheng-agent dry-run")?;
                Ok(ExitCode::SUCCESS)
            } else {
                say::line("下一步：按上面的提示改正后，再次执行 check-config")?;
                Ok(ExitCode::from(78))
            }
        }
        Command::DryRun {
            common,
            source,
            limit,
            json,
        } => dry_run(&common.config, source.as_deref(), limit, json).await,
        Command::Run { common } => {
            let config = Config::load(&common.config)?;
            let faults = config.faults();
            if !faults.is_empty() {
                return Err(ConfigError::Unfit { faults }.into());
            }
            telemetry::init(config.log.form, &config.log.level)?;
            let running = app::start(&config).await?;
            say::remark(format_args!(
                "代理已启动  状态页 http://{}/",
                running.status
            ));
            worker::signal().await?;
            running.stop().await;
            Ok(ExitCode::SUCCESS)
        }
        Command::Status { common, json } => status(&common.config, json).await,
        Command::Rejects { command } => {
            match command {
                Rejects::List {
                    common,
                    source,
                    limit,
                    json,
                } => {
                    let rows = refused(&common.config, source.as_deref(), limit).await?;
                    if json {
                        say::line(json!({ "rows": rows }))?;
                    } else if rows.is_empty() {
                        say::line("没有被拒收的行")?;
                    } else {
                        say::text(rejects::to_text(&rows))?;
                        say::line(
                            "下一步：在源库更正，更正后自动重送；或导出：zongheng-agent rejects export <文件>",
                        )?;
                    }
                }
                Rejects::Export {
                    common,
                    source,
                    file,
                } => {
                    let rows = refused(&common.config, source.as_deref(), u64::MAX).await?;
                    export(&file, &rejects::to_csv(&rows)?)?;
                    say::line(format_args!(
                        "已导出 {} 行到 {}",
                        rows.len(),
                        file.display()
                    ))?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whole rows of a department's database: for whoever exports them only, and over nothing that is there.
fn export(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write_new(file, bytes).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => format!(
            "{} 已存在，未覆盖；请换一个文件名，或先移走原文件",
            file.display()
        )
        .into(),
        _ => format!("{} 无法写入，请检查路径与权限：{error}", file.display()).into(),
    })
}

async fn dry_run(
    path: &Path,
    source: Option<&str>,
    limit: u64,
    json: bool,
) -> Result<ExitCode, Failure> {
    let config = Config::load(path)?;
    let standards = std::sync::Arc::new(Standards::builtin());
    let now_ms = Clock::system().now_us() / 1_000;
    let mut reports = Vec::new();
    for each in &config.sources {
        if source.is_some_and(|name| name != each.name) {
            continue;
        }
        reports.push(dry_run::dry_run(each, &standards, limit, now_ms).await?);
    }
    if reports.is_empty() {
        return Err(match source {
            Some(name) => format!("配置中没有来源「{name}」"),
            None => "配置中没有来源，请先写 [[source]]".to_owned(),
        }
        .into());
    }
    let refused: u64 = reports.iter().map(|r| r.refused).sum();
    if json {
        let reports: Vec<Value> = reports.iter().map(dry_run::Report::json).collect();
        say::line(json!({ "sources": reports }))?;
    } else {
        for report in &reports {
            for line in report.text().lines() {
                say::line(say::foreign(line))?;
            }
        }
        say::line("以上全部在本机完成，没有上送任何数据。下一步：zongheng-agent run")?;
    }
    Ok(if refused > 0 {
        ExitCode::from(5)
    } else {
        ExitCode::SUCCESS
    })
}

/// Asks the running process; `None` if there is none.
async fn ask(config: &Config, request: Value) -> Result<Option<Value>, Failure> {
    match control::ask(&config.agent.folder, &request.to_string()).await {
        Ok(answer) => {
            // what is no JSON is a complaint in words
            let answer: Value = serde_json::from_str(&answer).map_err(|_| answer)?;
            match answer["error"].as_str() {
                Some(error) => Err(error.to_owned().into()),
                None => Ok(Some(answer)),
            }
        }
        Err(control::ControlError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the database of an agent that does not answer. One that somebody holds nevertheless is being started or stopped.
async fn own_store(folder: &Path) -> Result<SeatStore, Failure> {
    SeatStore::open(folder).await.map_err(|error| match error {
        OpenSeatError::InUse { holder, .. } => control::ControlError::Starting {
            holder: format!("（{holder}）"),
        }
        .into(),
        error => error.into(),
    })
}

async fn status(path: &Path, json: bool) -> Result<ExitCode, Failure> {
    let config = Config::load(path)?;
    if let Some(answer) = ask(&config, json!({ "command": "status" })).await? {
        if json {
            say::line(&answer["status"])?;
        } else {
            say::text(answer["text"].as_str().unwrap_or_default())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let home = Home::at(&config.agent.folder)?;
    let admission = home.admission()?;
    let store = own_store(&home.database()).await?;
    let mut report = Report::read(&store, Clock::system().now_us() / 1_000).await?;
    report.receipts = uplink::kept_receipts(&store, &admission.directory).await?;
    report.title.clone_from(&admission.own().title);
    report.node = home.parent()?;
    report.outbox_max = config.agent.outbox_max.0;
    if json {
        say::line(report.json())?;
    } else {
        say::text(report.text())?;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn refused(path: &Path, source: Option<&str>, limit: u64) -> Result<Vec<Value>, Failure> {
    let config = Config::load(path)?;
    let mut store = None;
    let mut rows: Vec<Value> = Vec::new();
    while (rows.len() as u64) < limit {
        let page = app::REJECTS_MAX.min(limit - rows.len() as u64);
        let request = json!({
            "command": "rejects", "source": source, "after": rows.len(), "limit": page,
        });
        let answer = match ask(&config, request).await? {
            Some(answer) => answer,
            None => {
                if store.is_none() {
                    store = Some(own_store(&app::database(&config)).await?);
                }
                let Some(store) = &store else { break };
                let found = store
                    .rejects(source, rows.len() as u64, page as u32)
                    .await?;
                rejects::to_json(&found)
            }
        };
        let Some(found) = answer["rows"].as_array() else {
            break;
        };
        let last = (found.len() as u64) < page;
        rows.extend(found.iter().cloned());
        if last {
            break;
        }
    }
    Ok(rows)
}
