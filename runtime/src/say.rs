//! What a program says to whoever started it: results on standard output, complaints on standard error. A reader who has
//! heard enough (`… | head -1`) is no failure: what follows is not written, and nothing panics.
//!
//! The log is [`crate::telemetry`]'s; what is said is the program's business.

use std::fmt::Display;
use std::io::{self, Write};

/// Says a line on standard output.
///
/// Fails when the line is lost although somebody wants it: a file on a full disk. A closed pipe is not that.
pub fn line(what: impl Display) -> io::Result<()> {
    heard(writeln!(io::stdout(), "{what}"))
}

/// Says a text that brings its own line ends, as [`line`].
pub fn text(what: impl Display) -> io::Result<()> {
    let mut out = io::stdout();
    heard(write!(out, "{what}").and_then(|()| out.flush()))
}

/// Says a line on standard output that nothing depends on: how far something is, where a server listens.
pub fn remark(what: impl Display) {
    let _ = line(what);
}

/// Says a line on standard error. There is nowhere else to go if that fails: the exit code stands.
pub fn complaint(what: impl Display) {
    let _ = writeln!(io::stderr(), "{what}");
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
    fn only_a_reader_who_left_is_no_failure() {
        let check = |kind: ErrorKind, lost: bool| {
            assert_eq!(heard(Err(kind.into())).is_err(), lost, "{kind}");
        };
        check(ErrorKind::BrokenPipe, false);
        check(ErrorKind::StorageFull, true);
        check(ErrorKind::PermissionDenied, true);
    }
}
