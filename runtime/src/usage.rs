//! What a command line answers in Chinese: help texts, and what is wrong with arguments.

use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::say;

/// Reads the arguments of a program, the program's own name not among them. Otherwise says what there is to say, help or
/// complaint, and gives the exit code: 0 for help, 2 for wrong arguments.
pub fn parse<C: clap::Parser + CommandFactory>(
    name: &str,
    args: Vec<String>,
) -> Result<C, ExitCode> {
    C::try_parse_from(std::iter::once(name.to_owned()).chain(args)).map_err(|error| {
        if error.use_stderr() {
            say::complaint(explain(&error));
            ExitCode::from(2)
        } else {
            // a closed terminal is nobody's fault
            let _ = say::text(translated(&error.to_string()));
            ExitCode::SUCCESS
        }
    })
}

/// What is wrong with the arguments, and how the command is used.
pub fn explain(error: &clap::Error) -> String {
    let one = |kind| error.get(kind).map(words).unwrap_or_default();
    let arg = one(ContextKind::InvalidArg);
    let mut text = match error.kind() {
        ErrorKind::UnknownArgument => format!("没有参数「{arg}」"),
        ErrorKind::InvalidSubcommand => {
            format!("没有命令「{}」", one(ContextKind::InvalidSubcommand))
        }
        ErrorKind::InvalidValue => {
            let value = one(ContextKind::InvalidValue);
            let known = one(ContextKind::ValidValue);
            let mut text = if value.is_empty() {
                format!("参数 {arg} 缺少取值")
            } else {
                format!("参数 {arg} 的取值「{value}」无效")
            };
            if !known.is_empty() {
                text += &format!("；可用：{known}");
            }
            text
        }
        ErrorKind::ValueValidation => {
            let value = one(ContextKind::InvalidValue);
            let why = std::error::Error::source(error).map(ToString::to_string);
            // what is not said in Chinese comes from the standard library, which knows numbers only
            let why = why
                .filter(|why| !why.is_ascii())
                .unwrap_or_else(|| "应为整数，且不超出范围".to_owned());
            format!("参数 {arg} 的取值「{value}」无效：{why}")
        }
        ErrorKind::MissingRequiredArgument => format!("缺少必填参数：{arg}"),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return translated(&error.to_string());
        }
        ErrorKind::ArgumentConflict => {
            format!(
                "参数 {arg} 不能与 {} 同时使用，或写了两次",
                one(ContextKind::PriorArg)
            )
        }
        ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::NoEquals => format!("参数 {arg} 的取值个数不对"),
        ErrorKind::InvalidUtf8 => "参数不是合法的 UTF-8 文本".to_owned(),
        _ => "参数有误".to_owned(),
    };
    let near = [
        one(ContextKind::SuggestedArg),
        one(ContextKind::SuggestedSubcommand),
        one(ContextKind::SuggestedValue),
    ];
    if let Some(near) = near.iter().find(|near| !near.is_empty()) {
        text += &format!("，是否指 {near}？");
    }
    let usage = one(ContextKind::Usage);
    let mut out = format!("错误：{text}");
    if !usage.is_empty() {
        out += &format!("\n{}", translated(&usage));
    }
    out += "\n用 --help 查看全部命令和参数";
    out
}

fn words(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join("、"),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::StyledStrs(texts) => {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            texts.join("、")
        }
        ContextValue::Number(number) => number.to_string(),
        ContextValue::Bool(yes) => yes.to_string(),
        _ => String::new(),
    }
}

/// The framework's own words; what commands and arguments are for is written in Chinese where they are declared.
fn translated(text: &str) -> String {
    const WORDS: [(&str, &str); 14] = [
        (
            "Print this message or the help of the given subcommand(s)",
            "显示本说明，或某个命令的说明",
        ),
        ("Print help (see more with '--help')", "显示说明"),
        ("Print help (see a summary with '-h')", "显示说明"),
        ("Print help", "显示说明"),
        ("Print version", "显示版本"),
        ("Usage: ", "用法："),
        ("Commands:", "命令："),
        ("Arguments:", "参数："),
        ("Options:", "选项："),
        ("[default: ", "[默认："),
        ("[possible values: ", "[可用："),
        ("Possible values:", "可用："),
        ("[OPTIONS]", "[选项]"),
        ("<COMMAND>", "<命令>"),
    ];
    WORDS
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(name = "toy", version = "1")]
    struct Toy {
        #[command(subcommand)]
        _command: Command,
    }

    #[derive(clap::Subcommand)]
    enum Command {
        /// 玩
        Play {
            /// 颜色
            #[arg(long, value_parser = ["red", "blue"])]
            colour: String,
            /// 次数
            #[arg(long, default_value_t = 1)]
            times: u8,
            /// 小时
            #[arg(long, default_value_t = 1, value_parser = hours)]
            hours: u32,
        },
    }

    fn hours(text: &str) -> Result<u32, String> {
        let hours = text.parse().ok().filter(|hours| (1..=2).contains(hours));
        hours.ok_or_else(|| "应为 1 至 2".to_owned())
    }

    #[test]
    fn nothing_that_people_read_is_english() {
        let check = |line: &str, parts: &[&str]| {
            let error = match Toy::try_parse_from(line.split(' ')) {
                Ok(_) => panic!("{line} is right"),
                Err(error) => error,
            };
            let text = match error.use_stderr() {
                true => explain(&error),
                false => translated(&error.to_string()),
            };
            for part in parts {
                assert!(text.contains(part), "{line}: {text}");
            }
            for english in [
                "error",
                "Usage",
                "Options",
                "Commands",
                "required",
                "invalid",
                "unexpected",
                "Print",
                "possible",
                "default",
                "tip",
                "argument",
            ] {
                assert!(!text.contains(english), "{line}: {text}");
            }
        };
        check("toy", &["用法：toy <命令>"]);
        check("toy --help", &["命令：", "玩", "显示说明"]);
        check("toy play --help", &["[默认：1]", "[可用：red, blue]"]);
        check("toy pla", &["没有命令「pla」", "是否指 play？"]);
        check("toy play", &["缺少必填参数：--colour"]);
        check(
            "toy play --colour red --tims 2",
            &["没有参数「--tims」", "是否指 --times？"],
        );
        check(
            "toy play --colour green",
            &["的取值「green」无效；可用：red、blue"],
        );
        check("toy play --colour", &["--colour", "缺少取值"]);
        check(
            "toy play --colour red --times x",
            &["的取值「x」无效：应为整数"],
        );
        check(
            "toy play --colour red --times 300",
            &["应为整数，且不超出范围"],
        );
        check(
            "toy play --colour red --hours 9",
            &["的取值「9」无效：应为 1 至 2"],
        );
        check(
            "toy play --colour red --colour red",
            &["同时使用，或写了两次"],
        );
    }
}
