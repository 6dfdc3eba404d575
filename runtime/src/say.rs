//! What a program says to whoever started it: results on standard output, complaints on standard error. A reader who has
//! heard enough (`… | head -1`) is no failure: what follows is not written, and nothing panics.
//!
//! What others wrote (names of files, of firms, of departments) cannot steer the terminal that it is shown on: every character
//! that would is said as its number. The log is [`crate::telemetry`]'s; what is said is the program's business.

use std::fmt::{self, Display, Write as _};
use std::io::{self, Write as _};

/// Says a line on standard output.
///
/// Fails when the line is lost although somebody wants it: a file on a full disk. A closed pipe is not that.
pub fn line(what: impl Display) -> io::Result<()> {
    heard(writeln!(io::stdout(), "{}", Plain(what)))
}

/// Says a text that brings its own line ends, as [`line`](fn@line).
pub fn text(what: impl Display) -> io::Result<()> {
    let mut out = io::stdout();
    heard(write!(out, "{}", Plain(what)).and_then(|()| out.flush()))
}

/// Says a line on standard output that nothing depends on: how far something is, where a server listens.
pub fn remark(what: impl Display) {
    let _ = line(what);
}

/// Says a line on standard error. There is nowhere else to go if that fails: the exit code stands.
pub fn complaint(what: impl Display) {
    let _ = writeln!(io::stderr(), "{}", Plain(what));
}

/// Whether a character is nothing to be read but steers how the rest is shown: a control character, an override of the
/// direction of writing, a separator of lines.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What somebody else wrote, for one line: characters that steer are written as `\u001b`, line ends and tabs among them.
pub fn foreign(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A page, in which characters that steer are signs that can be seen, as `［U+202E］`. Line ends and tabs stay.
pub fn visible(page: String) -> String {
    let shows_wrong = |c| steers(c) && !matches!(c, '\n' | '\t' | '\r');
    if !page.contains(shows_wrong) {
        return page;
    }
    let mut out = String::with_capacity(page.len() + 64);
    for c in page.chars() {
        if shows_wrong(c) {
            let _ = write!(out, "［U+{:04X}］", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Everything that is said passes through here. Line ends and tabs may be our own; the rest nobody of ours writes. The
/// numbers are those of JSON, so that what is said as JSON stays the same document.
struct Plain<T>(T);

impl<T: Display> Display for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Filter<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Filter<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for part in text.split_inclusive(|c| steers(c) && c != '\n' && c != '\t') {
                    match part.char_indices().next_back() {
                        Some((at, last)) if steers(last) && last != '\n' && last != '\t' => {
                            write!(self.0, "{}\\u{:04x}", &part[..at], u32::from(last))?;
                        }
                        _ => self.0.write_str(part)?,
                    }
                }
                Ok(())
            }
        }
        write!(Filter(f), "{}", self.0)
    }
}

/// A number of bytes.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// A length of time, as long as it is worth saying.
pub fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds} 秒"),
        seconds @ 60..3_600 => format!("{} 分钟", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} 小时", seconds / 3_600),
        seconds => format!("{} 天", seconds / 86_400),
    }
}

/// What the system refused, with its number for those who look it up.
pub fn refused(error: &io::Error) -> String {
    use io::ErrorKind as K;
    let words = match error.kind() {
        K::NotFound => "文件或目录不存在",
        K::PermissionDenied => "没有权限",
        K::AlreadyExists => "已存在同名文件",
        K::StorageFull | K::QuotaExceeded => "磁盘空间不足",
        K::FileTooLarge => "文件过大",
        K::ReadOnlyFilesystem => "文件系统为只读",
        K::NotADirectory => "路径中有一段不是目录",
        K::IsADirectory => "这是一个目录，不是文件",
        K::AddrInUse => "地址或端口已被占用",
        K::AddrNotAvailable => "本机没有这个地址",
        K::ConnectionRefused => "对方拒绝连接",
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => "连接中断",
        K::NotConnected => "尚未连接",
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => "网络不通",
        K::TimedOut => "等待超时",
        K::InvalidData => "内容不合格式",
        K::InvalidInput => "参数无效",
        K::OutOfMemory => "内存不足",
        K::ResourceBusy | K::ExecutableFileBusy => "正被占用",
        K::Interrupted => "被中断",
        _ => match error.raw_os_error() {
            Some(5) => "磁盘读写出错",
            Some(23 | 24) => "打开的文件过多",
            Some(_) => "系统拒绝",
            // said by a program and not by the system
            None => return error.to_string(),
        },
    };
    match error.raw_os_error() {
        Some(number) => format!("{words}（系统错误 {number}）"),
        None => words.to_owned(),
    }
}

fn heard(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use io::ErrorKind;

    use super::*;

    #[test]
    fn figures_are_said_in_few_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (8 << 20, "8.0 MiB"),
            (u64::MAX, "17179869184.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (seconds, text) in [
            (-5, "0 秒"),
            (59, "59 秒"),
            (60, "1 分钟"),
            (7_200, "2 小时"),
            (200_000, "2 天"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn what_the_system_refuses_is_said_in_chinese() {
        for number in [
            1, 2, 5, 13, 17, 20, 21, 24, 27, 28, 30, 98, 99, 104, 110, 111, 113, 122,
        ] {
            let error = io::Error::from_raw_os_error(number);
            let text = refused(&error);
            assert!(text.ends_with(&format!("（系统错误 {number}）")), "{text}");
            assert!(!text.contains("os error"), "{text}");
            assert!(!text.starts_with("系统拒绝"), "{number} has no words");
        }
        assert_eq!(refused(&io::Error::other("磁带断了")), "磁带断了");
    }

    #[test]
    fn what_others_wrote_does_not_steer_the_terminal() {
        let check = |text: &str, line: &str, said: &str| {
            assert_eq!(foreign(text), line, "{text:?}");
            assert_eq!(Plain(text).to_string(), said, "{text:?}");
        };
        check(
            "济南泉一有限公司 a.csv",
            "济南泉一有限公司 a.csv",
            "济南泉一有限公司 a.csv",
        );
        check(
            "a\u{1b}[2Jb\u{7}",
            "a\\u001b[2Jb\\u0007",
            "a\\u001b[2Jb\\u0007",
        );
        check("a\nb\tc", "a\\u000ab\\u0009c", "a\nb\tc");
        check("\rok", "\\u000dok", "\\u000dok");
        check(
            "\u{202e}vsc.x\u{2069}",
            "\\u202evsc.x\\u2069",
            "\\u202evsc.x\\u2069",
        );
        check("\u{9b}31m\u{7f}", "\\u009b31m\\u007f", "\\u009b31m\\u007f");
        check("\u{2028}", "\\u2028", "\\u2028");
    }

    #[test]
    fn what_others_wrote_is_visible_on_pages() {
        let check = |page: &str, expected: &str| {
            assert_eq!(visible(page.to_owned()), expected);
        };
        check("<b>甲</b>\n\t", "<b>甲</b>\n\t");
        check("甲\u{202e}乙\u{1b}[31m\n", "甲［U+202E］乙［U+001B］[31m\n");
    }

    #[test]
    fn only_a_reader_who_left_is_no_failure() {
        let check = |kind: ErrorKind, lost: bool| {
            assert_eq!(heard(Err(kind.into())).is_err(), lost, "{kind}");
        };
        check(ErrorKind::BrokenPipe, false);
        check(ErrorKind::StorageFull, true);
        check(ErrorKind::PermissionDenied, true);
    }
}
