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

/// Says a text that brings its own line ends, as [`line`].
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
