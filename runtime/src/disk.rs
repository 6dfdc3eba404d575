//! Room on the disk that holds a data folder: looked at before it is gone, so that people hear of it and an agent stops
//! reading before a write fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::say::size;

/// The bound below which people are told, unless configured: this much, or the share below, whichever is less.
pub const LOW_BYTES: u64 = 1 << 30;
/// One part in so many of the whole.
const LOW_PART: u64 = 20;
/// But never less: a few pages written at once and the log of the database need some room.
const LOW_BYTES_MIN: u64 = 64 << 20;

/// The disk of a folder. Clones watch the same folder.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Watched>);

#[derive(Debug)]
struct Watched {
    folder: PathBuf,
    low: Option<u64>,
}

/// Room on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What an ordinary user may still write.
    pub free: u64,
    /// The whole.
    pub total: u64,
    /// Below this people are told.
    pub low: u64,
}

impl Disk {
    /// The disk on which a folder lies. `low` is the configured bound.
    pub fn of(folder: &Path, low: Option<u64>) -> Self {
        Self(Arc::new(Watched {
            folder: folder.to_owned(),
            low,
        }))
    }

    /// How much room there is now.
    pub fn room(&self) -> io::Result<Room> {
        let of = rustix::fs::statvfs(&self.0.folder)?;
        Ok(Room::new(
            of.f_bavail.saturating_mul(of.f_frsize),
            of.f_blocks.saturating_mul(of.f_frsize),
            self.0.low,
        ))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }
}

impl Room {
    /// Room of so many bytes; `low` is the configured bound.
    pub fn new(free: u64, total: u64, low: Option<u64>) -> Self {
        let usual = || LOW_BYTES.min(total / LOW_PART).max(LOW_BYTES_MIN);
        Self {
            free,
            total,
            low: low.unwrap_or_else(usual),
        }
    }

    /// Whether people should make room.
    pub fn is_low(&self) -> bool {
        self.free < self.low
    }

    /// Whether nothing that can wait should be written any more: half of the bound is gone, too.
    pub fn is_short(&self) -> bool {
        self.free < self.low / 2
    }

    /// What people are told when there is little room.
    pub fn warning(&self, folder: &Path) -> Option<String> {
        self.is_low().then(|| {
            format!(
                "数据目录 {} 所在磁盘剩余 {}（共 {}），低于 {}；请清理或扩容，以免写满",
                folder.display(),
                size(self.free),
                size(self.total),
                size(self.low)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_and_less_stops_what_can_wait() {
        const G: u64 = 1 << 30;
        let check = |free, total, low, expected: (bool, bool)| {
            let room = Room::new(free, total, low);
            assert_eq!((room.is_low(), room.is_short()), expected, "{room:?}");
            assert_eq!(room.warning(Path::new("/d")).is_some(), expected.0);
        };
        // a large disk: one GiB
        check(2 * G, 500 * G, None, (false, false));
        check(G - 1, 500 * G, None, (true, false));
        check(G / 2 - 1, 500 * G, None, (true, true));
        // a small one: one part in twenty
        check(G / 4, 4 * G, None, (false, false));
        check(G / 6, 4 * G, None, (true, false));
        // a tiny one: some room at least
        check(60 << 20, 100 << 20, None, (true, false));
        check(10 << 20, 100 << 20, Some(8 << 20), (false, false));
        check(3 << 20, 100 << 20, Some(8 << 20), (true, true));
        check(0, 0, Some(0), (false, false));
    }

    #[test]
    fn a_folder_has_a_disk_and_a_missing_one_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let room = Disk::of(folder.path(), None).room().expect("a disk");
        assert!(room.total > 0 && room.free <= room.total);
        let missing = Disk::of(&folder.path().join("missing"), None).room();
        assert_eq!(
            missing.expect_err("missing").kind(),
            io::ErrorKind::NotFound
        );
    }
}
