//! A whole city over a real registration file, every party a process of its own:
//! `real_city FILE.csv[.zst] --city 310000 [--kill] [--rows N]`. Exit status 0 only if every row is accounted for.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tests::process::{Host, temporary_folder};
use tests::real_city::{Plan, run};

#[derive(Parser)]
#[command(name = "real_city", about = "以真实登记数据运行全市各进程，并逐行核对")]
struct Cli {
    /// 登记数据文件（CSV，或以 zstd 压缩的 CSV）
    file: PathBuf,
    /// 城市的六位区划代码
    #[arg(long)]
    city: String,
    /// 运行中随机杀死并重启每个进程
    #[arg(long)]
    kill: bool,
    /// 杀进程的随机种子
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 只取前若干行
    #[arg(long)]
    rows: Option<u64>,
    /// 数据放在这个目录并保留；不填则用临时目录
    #[arg(long)]
    dir: Option<PathBuf>,
    /// 最多等待的秒数
    #[arg(long, default_value_t = 3_600)]
    timeout: u64,
}

fn main() -> ExitCode {
    if let Some(code) = tests::reexec::dispatch() {
        return code;
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("无法启动：{error}");
            return ExitCode::FAILURE;
        }
    };
    let (host, temporary) =
        match Host::this_binary().and_then(|host| Ok((host, temporary_folder()?))) {
            Ok(both) => both,
            Err(error) => {
                eprintln!("无法准备：{error}");
                return ExitCode::FAILURE;
            }
        };
    let plan = Plan {
        file: cli.file,
        city: cli.city,
        rows: cli.rows,
        kill: cli.kill.then_some(cli.seed),
        folder: cli.dir.unwrap_or_else(|| temporary.path().to_owned()),
        timeout: Duration::from_secs(cli.timeout),
    };
    let began = Instant::now();
    let told = |text: &str| println!("{:7.1}s {text}", began.elapsed().as_secs_f64());
    match runtime.block_on(run(&plan, &host, told)) {
        Ok(report) => {
            println!("\n{}", report.table());
            println!("{}", report.json());
            if report.faults.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("错误：{error}");
            ExitCode::FAILURE
        }
    }
}
