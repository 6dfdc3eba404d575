//! Whether writing works, as far as the last attempts told: what a process says about itself before people notice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the last attempt to write met. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writing(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    failed: bool,
    failures: u64,
    why: String,
}

impl Writing {
    /// A transaction was committed.
    pub(crate) fn works(&self) {
        self.lock().failed = false;
    }

    /// A transaction failed. What is the statement's own fault, a violated rule of a table, says nothing about the disk.
    pub(crate) fn failed(&self, error: &sqlx::Error) {
        if hinders(error) {
            let mut last = self.lock();
            last.failed = true;
            last.failures += 1;
            last.why = if is_full(error) {
                FULL.to_owned()
            } else {
                error.to_string()
            };
        }
    }

    /// Why writing does not work, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        let last = self.lock();
        last.failed.then(|| last.why.clone())
    }

    /// How often writing failed since the start, and why it did last.
    pub(crate) fn failures(&self) -> (u64, String) {
        let last = self.lock();
        (last.failures, last.why.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a full disk is called.
const FULL: &str = "磁盘空间不足";

/// Whether an engine says that its disk is full: SQLite's 13, PostgreSQL's 53100.
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => code == "53100" || sqlite_code(&code) == Some(13),
            None => false,
        },
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

/// Whether the failure is the engine's and not the statement's.
fn hinders(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return true;
    };
    let Some(code) = error.code() else {
        return true;
    };
    match sqlite_code(&code) {
        // constraint, mismatch, range, misuse and plain errors are the statement's
        Some(code) => !matches!(code, 1 | 4 | 18 | 19 | 20 | 21 | 25),
        // data (22), integrity (23), syntax (42)
        None => !["22", "23", "42"]
            .iter()
            .any(|class| code.starts_with(class)),
    }
}

/// The primary code of SQLite's; PostgreSQL's codes have five characters.
fn sqlite_code(code: &str) -> Option<u32> {
    (code.len() < 5)
        .then(|| code.parse::<u32>().ok())
        .flatten()
        .map(|code| code & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_engines_are_told_apart() {
        for (code, primary) in [
            ("13", Some(13)),
            ("2067", Some(19)),
            ("3338", Some(10)),
            ("53100", None),
            ("57P01", None),
            ("", None),
        ] {
            assert_eq!(sqlite_code(code), primary, "{code}");
        }
    }

    #[test]
    fn a_broken_connection_hinders_until_a_commit() {
        let writing = Writing::default();
        writing.failed(&sqlx::Error::RowNotFound);
        writing.failed(&sqlx::Error::WorkerCrashed);
        assert!(writing.trouble().is_some());
        writing.works();
        assert_eq!(writing.trouble(), None);
        assert_eq!(writing.failures().0, 2);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        writing.failed(&sqlx::Error::Io(full));
        assert_eq!(writing.trouble().as_deref(), Some(FULL));
    }
}
