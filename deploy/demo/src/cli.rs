//! The demonstration itself: what it prints, what people may type, when it ends.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use runtime::door::{self, Clock};
use runtime::{say, worker};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::city::{CityError, Plan, SampleCity, remove};
use crate::progress;
use crate::site::ADMIN;

#[derive(Parser)]
#[command(
    name = "demo",
    about = "纵横 · 一台机器上的示范城市：市级节点、三个区县节点、五个部门的业务库与代理"
)]
struct Cli {
    /// 数据放在这个目录（须为空），结束后保留；不填则用临时目录，结束后删除
    #[arg(long)]
    dir: Option<PathBuf>,
    /// 全部数据到齐并对账一致后即结束
    #[arg(long)]
    once: bool,
    /// 最后一行输出一个 JSON 对象
    #[arg(long)]
    json: bool,
    /// 少量数据，用于测试
    #[arg(long)]
    small: bool,
    /// --once 时最多等待的秒数
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

/// Runs the demonstration.
pub(crate) fn main_with(args: Vec<String>) -> ExitCode {
    let cli = match Cli::try_parse_from(std::iter::once("demo".to_owned()).chain(args)) {
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
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            say::complaint(format_args!("无法启动：{error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(&cli));
    // a read from the terminal may still stand; it must not keep us
    runtime.shutdown_timeout(Duration::ZERO);
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::complaint(format_args!("错误：{}", worker::chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn run(cli: &Cli) -> Result<bool, Failure> {
    let folder = match &cli.dir {
        Some(folder) => empty(folder)?,
        None => {
            std::env::temp_dir().join(format!("zongheng-demo-{:08x}", door::random_u64() as u32))
        }
    };
    let plan = Plan {
        folder: folder.clone(),
        rows: if cli.small { 150 } else { 3_000 },
        password: password(),
        seed: door::random_u64(),
    };
    let ended = show(cli, &plan).await;
    if cli.dir.is_none() {
        remove(&folder);
    }
    ended
}

/// The folder, made if missing; one that holds something is left alone.
fn empty(folder: &std::path::Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|e| format!("无法建立目录 {}：{e}", folder.display()))?;
    if std::fs::read_dir(folder)?.next().is_some() {
        return Err(format!(
            "目录 {} 不是空的；请另选一个，以免覆盖其中的内容",
            folder.display()
        )
        .into());
    }
    Ok(std::fs::canonicalize(folder)?)
}

/// A password that only this run has: 16 characters that nobody mistakes for one another.
fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";
    door::random::<16>()
        .iter()
        .map(|b| char::from(LETTERS[usize::from(b % 32)]))
        .collect()
}

async fn show(cli: &Cli, plan: &Plan) -> Result<bool, Failure> {
    let clock = Clock::system();
    let kept = if cli.dir.is_some() {
        "结束后保留"
    } else {
        "结束后删除"
    };
    say::remark(format_args!(
        "示范城市位于 {}（{kept}）",
        plan.folder.display()
    ));
    let mut interrupt = Box::pin(worker::signal());
    let told = |text: &str| {
        say::remark(format_args!(
            "{:7.1}s {text}",
            clock.since_start().as_secs_f64()
        ))
    };
    let mut city = tokio::select! {
        made = SampleCity::make(plan, told) => made?,
        _ = &mut interrupt => return Ok(false),
    };
    say::remark("");
    for node in std::iter::once(&city.city).chain(&city.districts) {
        say::remark(format_args!(
            "  {:<8} 控制台 http://{}",
            node.name, node.site.console
        ));
    }
    say::remark(format_args!(
        "  账号 {ADMIN}  口令 {}（本次运行随机生成）",
        plan.password
    ));
    say::remark("");
    if !cli.once {
        say::remark(
            "部门每秒都在办理业务。可输入：cut 区名、connect 区名、status、quit（Ctrl-C 亦可结束）",
        );
    }
    let done = tokio::select! {
        done = at_work(cli, &mut city, &clock) => done,
        // the city that goes on is meant to be ended so; the other has not converged
        _ = &mut interrupt => Ok(!cli.once),
    };
    city.stop().await;
    done
}

async fn at_work(cli: &Cli, city: &mut SampleCity, clock: &Clock) -> Result<bool, Failure> {
    if cli.once {
        return once(cli, city, clock).await;
    }
    go_on(city, clock).await.map(|()| true)
}

/// Waits until everything has converged.
async fn once(cli: &Cli, city: &mut SampleCity, clock: &Clock) -> Result<bool, Failure> {
    let deadline = clock.since_start() + Duration::from_secs(cli.timeout);
    let mut pause = Duration::from_millis(200);
    loop {
        let (hub, districts, agents) = city.look().await;
        let missing = progress::missing(&hub, &districts, &agents);
        let elapsed = clock.since_start();
        say::remark(format_args!(
            "{:7.1}s {}",
            elapsed.as_secs_f64(),
            progress::line(&hub, &districts)
        ));
        let ended = city.ended();
        if let Some(name) = &ended {
            say::remark(format_args!("{name} 的进程意外结束，详见日志"));
        }
        if missing.is_empty() || elapsed >= deadline || ended.is_some() {
            for text in &missing {
                say::line(format_args!("未达成：{text}"))?;
            }
            if cli.json {
                say::line(progress::closing(
                    &hub,
                    &districts,
                    elapsed.as_secs_f64(),
                    &missing,
                ))?;
            } else if missing.is_empty() {
                say::line(format_args!(
                    "全部到齐，各区与市级对账一致，用时 {:.1} 秒",
                    elapsed.as_secs_f64()
                ))?;
            }
            return Ok(missing.is_empty());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Lets departments work and does what people type, until they have enough.
async fn go_on(city: &mut SampleCity, clock: &Clock) -> Result<(), Failure> {
    let mut typed = BufReader::new(tokio::io::stdin()).lines();
    let mut listening = true;
    let mut work = tokio::time::interval(Duration::from_secs(1));
    let mut look = tokio::time::interval(Duration::from_secs(5));
    let mut turn = 0;
    loop {
        tokio::select! {
            _ = work.tick() => {
                turn += 1;
                let at = turn % city.bureaus.len();
                if let Err(error) = city.bureaus[at].office.work().await {
                    // a locked or full legacy system does not end the show
                    say::remark(worker::chain(&error));
                }
            }
            _ = look.tick() => {
                let (hub, districts, _) = city.look().await;
                say::remark(format_args!("{:7.1}s {}", clock.since_start().as_secs_f64(), progress::line(&hub, &districts)));
                if let Some(name) = city.ended() {
                    return Err(format!("{name} 的进程意外结束，详见日志").into());
                }
            }
            line = next(&mut typed), if listening => match line {
                Some(line) => {
                    if !obey(city, line.trim()).await? {
                        return Ok(());
                    }
                }
                // nobody types any more: go on until a signal
                None => listening = false,
            },
        }
    }
}

async fn next(typed: &mut Lines<BufReader<Stdin>>) -> Option<String> {
    typed.next_line().await.ok().flatten()
}

/// Does what was typed; no when it was the end.
async fn obey(city: &SampleCity, line: &str) -> Result<bool, Failure> {
    let (command, called) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let linked = async |command: &str, said: &str| -> Result<(), CityError> {
        let district = city.district(called.trim())?;
        district.link(command).await?;
        say::remark(format_args!("{}{said}", district.name));
        Ok(())
    };
    let done = match command {
        "" => Ok(()),
        "cut" => linked("cut", "与市级的链路已断开：本区照常工作，恢复后自动补齐").await,
        "connect" => linked("connect", "正在恢复与市级的链路").await,
        "status" => {
            let (hub, districts, agents) = city.look().await;
            say::remark(progress::line(&hub, &districts));
            match progress::missing(&hub, &districts, &agents).as_slice() {
                [] => say::remark("全部到齐，各区与市级对账一致"),
                missing => missing
                    .iter()
                    .for_each(|text| say::remark(format_args!("  {text}"))),
            }
            Ok(())
        }
        "quit" | "exit" => return Ok(false),
        other => {
            say::remark(format_args!(
                "不认识「{other}」。可输入：cut 区名、connect 区名、status、quit"
            ));
            Ok(())
        }
    };
    if let Err(error) = done {
        say::remark(worker::chain(&error));
    }
    Ok(true)
}
