//! Wrong passwords as they are written down: the first at an account at once, those that follow as a number. Names that are
//! no accounts count as one, and are not kept: they are made up, or a password in the wrong field.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// So long failures are gathered before they are written down.
const WINDOW_US: i64 = 10 * 60 * 1_000_000;
/// Addresses told apart in that time.
const ADDRESSES_MAX: usize = 1_000;

/// Something to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// The account; none for names that are no accounts.
    pub(crate) account: Option<String>,
    /// The last address.
    pub(crate) from: IpAddr,
    /// What there is to say beyond that.
    pub(crate) detail: String,
}

/// Failures that are not written down yet. Bounded by the number of accounts.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<Option<String>, Window>>);

#[derive(Debug)]
struct Window {
    until_us: i64,
    more: u64,
    addresses: HashSet<IpAddr>,
    last: IpAddr,
}

impl Failures {
    /// Counts a failure; gives what is to be written down now.
    pub(crate) fn note(&self, account: Option<&str>, from: IpAddr, now_us: i64) -> Vec<Note> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = account.map(str::to_owned);
        if let Some(window) = all.get_mut(&key)
            && window.is_open(now_us)
        {
            window.more += 1;
            window.last = from;
            if window.addresses.len() < ADDRESSES_MAX {
                window.addresses.insert(from);
            }
            return Vec::new();
        }
        let window = Window {
            until_us: now_us + WINDOW_US,
            more: 0,
            addresses: HashSet::new(),
            last: from,
        };
        let former = all.insert(key.clone(), window);
        let mut notes: Vec<Note> = former
            .and_then(|w| w.note(key.clone()))
            .into_iter()
            .collect();
        notes.push(Note {
            account: key,
            from,
            detail: String::new(),
        });
        notes
    }

    /// What is to be written down of those that are over, or of all.
    pub(crate) fn due(&self, now_us: i64, all_of_them: bool) -> Vec<Note> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |window: &Window| all_of_them || !window.is_open(now_us);
        all.extract_if(|_, window| over(window))
            .filter_map(|(account, window)| window.note(account))
            .collect()
    }
}

impl Window {
    /// Also after a clock that went back it is not open for ever.
    fn is_open(&self, now_us: i64) -> bool {
        (self.until_us - WINDOW_US..self.until_us).contains(&now_us)
    }

    fn note(self, account: Option<String>) -> Option<Note> {
        let addresses = match self.addresses.len() {
            ADDRESSES_MAX => format!("{ADDRESSES_MAX} 个以上"),
            count => format!("{count} 个"),
        };
        (self.more > 0).then(|| Note {
            account,
            from: self.last,
            detail: format!("此后又有 {} 次，来自 {addresses}地址", self.more),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_at_once_and_then_as_a_number() {
        let failures = Failures::default();
        let ip = |n: u32| IpAddr::V4(n.into());
        let note = |account: Option<&str>, from, detail: &str| Note {
            account: account.map(str::to_owned),
            from: ip(from),
            detail: detail.to_owned(),
        };
        assert_eq!(failures.note(Some("w"), ip(1), 0), [note(Some("w"), 1, "")]);
        assert_eq!(failures.note(None, ip(1), 0), [note(None, 1, "")]);
        for n in 1..=5_000 {
            assert_eq!(failures.note(None, ip(n), 1), []);
        }
        assert_eq!(failures.note(Some("w"), ip(2), 1), []);
        assert_eq!(failures.note(Some("w"), ip(3), 2), []);
        assert_eq!(failures.due(WINDOW_US - 1, false), []);
        let of_w = note(Some("w"), 3, "此后又有 2 次，来自 2 个地址");
        let of_nobody = note(None, 5_000, "此后又有 5000 次，来自 1000 个以上地址");
        // the next one tells of those before it
        let first = note(Some("w"), 4, "");
        assert_eq!(failures.note(Some("w"), ip(4), WINDOW_US), [of_w, first]);
        assert_eq!(failures.due(WINDOW_US, false), [of_nobody]);
        assert_eq!(failures.due(WINDOW_US, false), []);
        failures.note(Some("w"), ip(4), WINDOW_US);
        assert_eq!(failures.due(WINDOW_US, true).len(), 1, "a stop loses none");
        failures.note(Some("w"), ip(4), WINDOW_US);
        assert_eq!(
            failures.note(Some("w"), ip(4), 0).len(),
            1,
            "a clock went back"
        );
    }
}
