//! Codes of invitations at a terminal: read from a file or typed, written to a file of one's own. Never from the command
//! line, where everybody on the machine could read them.

use std::io::{self, BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use crate::files::{self, Access};
use crate::say;

/// More than any code has, with all the spaces that paper brings.
const CODE_BYTES_MAX: usize = 4 << 10;

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum NoCode {
    /// It stood on the command line.
    #[error(
        "接入码不能写在命令行上：本机其他用户可以从进程列表中看到它。请把接入码存入只有本人可读的文件，用 --code-file <文件> 指明；或不写任何参数，按提示输入。如机器上还有其他用户，请联系签发单位作废该接入码并重新签发"
    )]
    Argument,
    /// Something else stood there.
    #[error("多余的参数「{0}」；接入码用 --code-file <文件> 指明，或不写任何参数，按提示输入")]
    Stray(String),
    /// The file cannot be read.
    #[error("接入码文件 {} 无法读取：{}", path.display(), say::refused(source))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard input cannot be read.
    #[error("无法从标准输入读取接入码：{}", say::refused(.0))]
    Input(io::Error),
    /// There is nothing.
    #[error("没有读到接入码；请用 --code-file <文件> 指明，或不写任何参数，按提示输入")]
    Empty,
}

/// Refuses what stood on the command line, where no code may stand.
pub fn refuse_argument(argument: Option<&str>) -> Result<(), NoCode> {
    let Some(argument) = argument else {
        return Ok(());
    };
    let start: String = argument.trim().chars().take(2).collect();
    Err(match start.eq_ignore_ascii_case("ZH") {
        true => NoCode::Argument,
        false => NoCode::Stray(argument.to_owned()),
    })
}

/// The code as it was given: in a file (`-`: standard input), or typed.
pub fn read_code(file: Option<&Path>, mut told: impl FnMut(&str)) -> Result<String, NoCode> {
    let text = match file {
        Some(path) if path != Path::new("-") => {
            let failed = |source| NoCode::File {
                path: path.to_owned(),
                source,
            };
            if files::readable_by_all(path).map_err(failed)? {
                told(&format!(
                    "[注意] 接入码文件 {} 对本机所有用户可读，入网后请删除，今后请设为只有本人可读",
                    path.display()
                ));
            }
            files::read_bounded(path, CODE_BYTES_MAX).map_err(failed)?
        }
        given => {
            let input = io::stdin();
            if given.is_none() && input.is_terminal() {
                told("请输入接入码，按回车结束：");
                let mut line = Vec::new();
                let mut bounded = input.lock().take(CODE_BYTES_MAX as u64);
                bounded
                    .read_until(b'\n', &mut line)
                    .map_err(NoCode::Input)?;
                line
            } else {
                let mut all = Vec::new();
                let mut bounded = input.lock().take(CODE_BYTES_MAX as u64);
                bounded.read_to_end(&mut all).map_err(NoCode::Input)?;
                all
            }
        }
    };
    // what is no text is no code, and is told so with the place where it goes wrong
    let text = String::from_utf8_lossy(&text);
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err(NoCode::Empty),
        code => Ok(code.to_owned()),
    }
}

/// Writes a code to a new file that only its owner may read.
pub fn write_code(file: &Path, code: &str) -> io::Result<()> {
    may_write_code(file)?;
    files::write_atomic(file, format!("{code}\n").as_bytes(), Access::Private)
}

/// Whether [`write_code`] could write this file: a code is shown once, so this is asked before there is one.
pub fn may_write_code(file: &Path) -> io::Result<()> {
    if file.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match std::fs::metadata(folder)?.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code on the command line stands in the list of processes for everybody of the machine.
    #[test]
    fn a_code_is_never_taken_from_the_command_line() {
        for argument in ["ZH2-ABCDE-FGHJK", "zh2-abcde", " ZH1-XXXXX", "ZH"] {
            let refused = refuse_argument(Some(argument)).expect_err(argument);
            let text = refused.to_string();
            assert!(matches!(refused, NoCode::Argument), "{argument}");
            assert!(text.contains("--code-file"), "{text}");
            assert!(
                !text.contains(argument.trim()) || argument == "ZH",
                "{text}"
            );
        }
        let refused = refuse_argument(Some("抓取")).expect_err("stray");
        assert!(refused.to_string().contains("「抓取」"), "{refused}");
        assert!(refuse_argument(None).is_ok());
    }

    #[test]
    fn a_code_is_read_from_a_file_and_says_who_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("code");
        let read = |mode: u32| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("mode");
            let mut told = Vec::new();
            let read = read_code(Some(&path), |text| told.push(text.to_owned()));
            (read, told)
        };
        std::fs::write(&path, "\u{feff} ZH2-ABCDE\n").expect("written");
        let (code, told) = read(0o600);
        assert_eq!((code.expect("code").as_str(), told.len()), ("ZH2-ABCDE", 0));
        let (code, told) = read(0o644);
        assert_eq!((code.expect("code").as_str(), told.len()), ("ZH2-ABCDE", 1));
        assert!(told[0].contains("所有用户可读"), "{told:?}");
        std::fs::write(&path, " \n").expect("written");
        assert!(matches!(read(0o600).0, Err(NoCode::Empty)));
        std::fs::write(&path, vec![b'A'; 5_000]).expect("written");
        assert!(matches!(read(0o600).0, Err(NoCode::File { .. })));
        std::fs::remove_file(&path).expect("removed");
        let missing = read_code(Some(&path), |_| {}).expect_err("missing");
        assert!(missing.to_string().contains("不存在"), "{missing}");
    }

    #[test]
    fn a_code_is_written_for_its_owner_only_and_over_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("code");
        write_code(&path, "ZH2-ABCDE").expect("written");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(read_code(Some(&path), |_| {}).expect("code"), "ZH2-ABCDE");
        let taken = write_code(&path, "ZH2-OTHER").expect_err("taken");
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_code(Some(&path), |_| {}).expect("code"), "ZH2-ABCDE");
        let nowhere = folder.path().join("nowhere").join("code");
        assert!(may_write_code(&nowhere).is_err());
    }
}
