//! How many files and connections a process of ours may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More is never needed, and some systems know no end.
const WANTED: u64 = 1 << 16;

/// Raises the limit of open files as far as the system lets a process do so by itself, since the limit that it starts with
/// (1,024 on most systems) is meant for programs of another age, and a node serves links, people and a database. Gives the
/// limit then in force. To be called at the start of a program.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(u64::MAX);
    let wanted = limit.maximum.unwrap_or(WANTED).min(WANTED);
    if now >= wanted {
        return now;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        // it goes on with what it has; listeners keep within that
        Err(_) => now,
    }
}

/// So many connections a listener may hold: what is wanted, yet no more than a quarter of what the process may have open.
pub fn connections(wanted: usize) -> usize {
    let may = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    wanted.min(usize::try_from(may / 4).unwrap_or(usize::MAX).max(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_as_high_as_it_may_be() {
        let raised = raise();
        let limit = getrlimit(Resource::Nofile);
        assert!(raised >= limit.maximum.unwrap_or(WANTED).min(WANTED));
        assert_eq!(limit.current.unwrap_or(u64::MAX), raised);
        assert_eq!(raise(), raised);
        assert_eq!(connections(10), 10);
        assert!(connections(usize::MAX) as u64 <= raised.max(64) / 4);
    }
}
