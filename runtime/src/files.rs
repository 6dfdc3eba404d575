//! Files that must survive a crash: written whole or not at all, private where they hold keys, and the two files that
//! guard a data folder: its lock (I7) and its mark (D14).
//!
//! Databases are store's business, logs are telemetry's; nothing here knows what the bytes mean.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::hash::{self, Hash};
use protocol::name::{Epoch, Lane, SeatId, from_hex};

mod private;

pub use private::{make_folder, private_by_default, write_new};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only the owner: keys and secrets.
    Private,
    /// Owner and group, unless the process is [`private_by_default`], as our programs are.
    Group,
}

/// Writes a file so that after a crash either the old or the new content is there: temporary file, sync, rename, sync of
/// the folder.
pub fn write_atomic(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let folder = folder_of(path);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name"))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{:016x}.tmp", crate::door::random_u64()));
    let temporary = folder.join(temporary);
    let mode = match access {
        Access::Private => 0o600,
        Access::Group => 0o640,
    };
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // the attempt's leftover; that it may not be there at all is no second error
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Reads a file that must not be longer than `bytes_max`.
pub fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("文件超过 {bytes_max} 字节"),
        ));
    }
    Ok(bytes)
}

/// Whether people other than owner and group can read the file.
pub fn readable_by_all(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o004 != 0)
}

/// Why a process could not keep its data in a folder, with what to do; `None` if it could. A folder that is missing is made
/// when it is needed, so the nearest one above counts. Leaves nothing behind.
pub fn unusable(folder: &Path) -> Option<String> {
    let shown = folder.display();
    let refused = |error: &io::Error| crate::say::refused(error);
    let mut there = folder;
    loop {
        match fs::metadata(there) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => {
                return Some(format!(
                    "{} 是一个文件，不是目录；请改用其他路径",
                    there.display()
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => match there.parent() {
                Some(above) if above.as_os_str().is_empty() => {
                    there = Path::new(".");
                }
                Some(above) => there = above,
                None => return Some(format!("{shown} 无法使用：{}", refused(&error))),
            },
            Err(error) => return Some(format!("{shown} 无法使用：{}", refused(&error))),
        }
    }
    let probe = there.join(format!(".writable-{}", std::process::id()));
    let tried = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|_| fs::remove_file(&probe));
    tried.err().map(|error| {
        format!(
            "{} 不可写：{}；请检查目录权限、运行账号与磁盘",
            there.display(),
            refused(&error)
        )
    })
}

/// File name of a folder's lock.
const LOCK: &str = "lock";
/// How often a held lock is tried again, for somebody may only have looked at it.
const LOCK_TRIES: u32 = 5;
/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// What the process that holds a folder's lock wrote about itself, ready to be shown; `None` if nobody holds it.
pub fn holder(folder: &Path) -> Option<String> {
    let file = File::open(folder.join(LOCK)).ok()?;
    // given back at once with the file
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| holder_in(&file))
}

fn holder_in(file: &File) -> String {
    let mut pid = String::new();
    // who holds it is a courtesy; the answer stands without it
    let _ = file.take(20).read_to_string(&mut pid);
    match pid.trim().parse::<u32>() {
        Ok(pid) => format!("（进程号 {pid}）"),
        Err(_) => String::new(),
    }
}

/// A data folder held by this process; given up when dropped or when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Why a data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on the folder.
    #[error(
        "数据目录 {} 正被另一个进程使用{holder}，本进程不再启动。请先停止那个进程，或检查是否误把两套配置指向了同一目录",
        folder.display()
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// What the holder wrote about itself, ready to be shown.
        holder: String,
    },
    /// The folder cannot be used at all.
    #[error("数据目录 {} 无法使用，请检查目录是否存在及权限", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FolderLock {
    /// Takes the folder for this process, or says who has it.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io {
            folder: folder.to_owned(),
            source,
        };
        make_folder(folder).map_err(io)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join(LOCK))
            .map_err(io)?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::Held {
                        folder: folder.to_owned(),
                        holder: holder_in(&file),
                    });
                }
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// The mark of a seat: which machine and folder last sealed for it, and how far. It lies outside what backups copy and is
/// synced before the first frame of a header leaves (D14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The machine, as the system names it.
    pub machine: String,
    /// The data folder.
    pub folder: String,
    /// The seat.
    pub seat: SeatId,
    /// Highest sealed header per lane.
    pub sealed: [Option<Sealed>; 3],
}

/// A sealed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its sequence.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Why a mark could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The file is there but does not read as a mark.
    #[error("标记文件 {} 已损坏，不能据此证明连续性；请勿手工修改，按恢复手册处理", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("标记文件 {} 无法读写，请检查权限与磁盘", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a mark says about going on in the same epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// Same machine and folder, and the database is at the mark or ahead of it: go on.
    Proven,
    /// There is no mark.
    NoMark,
    /// The mark was made on another machine.
    OtherMachine,
    /// The mark was made for another folder.
    OtherFolder,
    /// The database is behind the mark: an old copy was put back.
    DatabaseBehind,
}

impl Mark {
    /// An empty mark for a seat at this machine and folder.
    pub fn here(folder: &Path, seat: SeatId) -> Self {
        Self {
            machine: machine(),
            folder: fs::canonicalize(folder)
                .unwrap_or_else(|_| folder.to_owned())
                .to_string_lossy()
                .into_owned(),
            seat,
            sealed: [None; 3],
        }
    }

    /// The mark in a file; `None` if there is no file.
    pub fn read(path: &Path) -> Result<Option<Self>, MarkError> {
        Ok(Self::newest(path)?.map(|(_, mark)| mark))
    }

    /// The newest of the file's two slots with its number. A slot whose writing was cut off does not read, and then the
    /// other one counts: what was to be marked has not left.
    fn newest(path: &Path) -> Result<Option<(u64, Self)>, MarkError> {
        let bytes = match read_bounded(path, SLOTS * SLOT_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(MarkError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let slots = bytes.chunks(SLOT_BYTES).filter_map(Self::parse);
        let newest = slots.max_by_key(|(number, _)| *number);
        newest.map(Some).ok_or_else(|| MarkError::Damaged {
            path: path.to_owned(),
        })
    }

    /// Writes the mark, synced. Of a file that is there the older slot is overwritten in place: one sync of data and none
    /// of folders, for every group of batches waits for it.
    pub fn write(&self, path: &Path) -> Result<(), MarkError> {
        let number = Self::newest(path)?.map_or(0, |(number, _)| number) + 1;
        let mut slot = self.text(number).into_bytes();
        if slot.len() > SLOT_BYTES {
            return Err(MarkError::Damaged {
                path: path.to_owned(),
            });
        }
        slot.resize(SLOT_BYTES, 0);
        let at = number as usize % SLOTS * SLOT_BYTES;
        let written = if number == 1 {
            let mut whole = vec![0; SLOTS * SLOT_BYTES];
            whole[at..at + SLOT_BYTES].copy_from_slice(&slot);
            write_atomic(path, &whole, Access::Group)
        } else {
            let file = OpenOptions::new().write(true).open(path);
            file.and_then(|file| {
                file.write_all_at(&slot, at as u64)?;
                file.sync_data()
            })
        };
        written.map_err(|source| MarkError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Whether a process at `here` whose database holds `here.sealed` may go on in the epoch that the mark shows.
    pub fn continuity(mark: Option<&Self>, here: &Self) -> Continuity {
        let Some(mark) = mark else {
            return Continuity::NoMark;
        };
        if mark.machine != here.machine {
            return Continuity::OtherMachine;
        }
        if mark.folder != here.folder {
            return Continuity::OtherFolder;
        }
        for (marked, held) in mark.sealed.iter().zip(&here.sealed) {
            let behind = match (marked, held) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(marked), Some(held)) => {
                    let (m, h) = (marked.epoch.counter, held.epoch.counter);
                    h < m
                        || h == m && held.sequence < marked.sequence
                        || h == m && held.sequence == marked.sequence && held.hash != marked.hash
                }
            };
            if behind {
                return Continuity::DatabaseBehind;
            }
        }
        Continuity::Proven
    }

    fn text(&self, number: u64) -> String {
        let mut text = format!(
            "zongheng-mark 1\nnumber {number}\nmachine {}\nfolder {}\nseat {}\n",
            self.machine, self.folder, self.seat
        );
        for lane in Lane::ALL {
            if let Some(sealed) = &self.sealed[lane.index()] {
                let nonce = Hash(widen(sealed.epoch.nonce)).to_string();
                text += &format!(
                    "lane {} {} {} {} {}\n",
                    lane.index(),
                    sealed.epoch.counter,
                    &nonce[..32],
                    sealed.sequence,
                    sealed.hash
                );
            }
        }
        let check = check_of(&text);
        text + &format!("end {check}\n")
    }

    fn parse(slot: &[u8]) -> Option<(u64, Self)> {
        let end = slot.iter().position(|b| *b == 0).unwrap_or(slot.len());
        let text = std::str::from_utf8(&slot[..end]).ok()?;
        let (text, check) = text.strip_suffix('\n')?.rsplit_once("end ")?;
        (check == check_of(text)).then_some(())?;
        let mut lines = text.lines();
        (lines.next()? == "zongheng-mark 1").then_some(())?;
        let number = lines.next()?.strip_prefix("number ")?.parse().ok()?;
        let machine = lines.next()?.strip_prefix("machine ")?.to_owned();
        let folder = lines.next()?.strip_prefix("folder ")?.to_owned();
        let seat = SeatId::from_hex(lines.next()?.strip_prefix("seat ")?)?;
        let mut sealed = [None; 3];
        for line in lines {
            let mut words = line.strip_prefix("lane ")?.split(' ');
            let lane = Lane::from_u8(words.next()?.parse().ok()?)?;
            let counter = words.next()?.parse().ok()?;
            let nonce = from_hex(words.next()?)?;
            let sequence = words.next()?.parse().ok()?;
            let hash = Hash(from_hex(words.next()?)?);
            words.next().is_none().then_some(())?;
            sealed[lane.index()] = Some(Sealed {
                epoch: Epoch { counter, nonce },
                sequence,
                hash,
            });
        }
        let mark = Self {
            machine,
            folder,
            seat,
            sealed,
        };
        Some((number, mark))
    }
}

/// Marks in a file: the newest and the one before.
const SLOTS: usize = 2;
/// Bytes of one of them: a path of the greatest length fits.
const SLOT_BYTES: usize = 8 << 10;

/// Tells a slot that was written to its end from one that was cut off.
fn check_of(text: &str) -> String {
    hash::sha256(&[text.as_bytes()]).short()
}

fn machine() -> String {
    fs::read_to_string("/etc/machine-id")
        .or_else(|_| fs::read_to_string("/proc/sys/kernel/hostname"))
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn widen(nonce: [u8; 16]) -> [u8; 32] {
    let mut out = [0; 32];
    out[..16].copy_from_slice(&nonce);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(counter: u32, sequence: u64, hash: u8) -> Option<Sealed> {
        Some(Sealed {
            epoch: Epoch {
                counter,
                nonce: [7; 16],
            },
            sequence,
            hash: Hash([hash; 32]),
        })
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key");
        write_atomic(&path, b"one", Access::Private).expect("first");
        write_atomic(&path, b"two", Access::Private).expect("second");
        assert_eq!(read_bounded(&path, 3).expect("reading"), b"two");
        assert!(read_bounded(&path, 2).is_err());
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("listing").count(), 1);
    }

    #[test]
    fn the_second_process_on_a_folder_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = FolderLock::take(folder.path()).expect("free");
        let second = FolderLock::take(folder.path()).expect_err("held");
        assert!(second.to_string().contains(&std::process::id().to_string()));
        drop(first);
        FolderLock::take(folder.path()).expect("free again");
    }

    #[test]
    fn whoever_holds_a_folder_can_be_named_without_disturbing_him() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(holder(folder.path()), None);
        let lock = FolderLock::take(folder.path()).expect("free");
        let expected = format!("（进程号 {}）", std::process::id());
        assert_eq!(holder(folder.path()), Some(expected));
        drop(lock);
        assert_eq!(holder(folder.path()), None);
    }

    #[test]
    fn a_mark_reads_back_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mark");
        assert!(Mark::read(&path).expect("none yet").is_none());
        let mut mark = Mark::here(folder.path(), SeatId([3; 16]));
        mark.sealed = [sealed(1, 9, 1), None, sealed(2, 1_000_000, 2)];
        mark.write(&path).expect("writing");
        assert_eq!(Mark::read(&path).expect("reading"), Some(mark.clone()));
        let text = mark.text(7);
        for cut in 0..=text.len() {
            let read = Mark::parse(&text.as_bytes()[..cut]);
            assert_eq!(read.is_some(), cut == text.len(), "cut at {cut}");
        }
    }

    #[test]
    fn a_mark_that_was_cut_off_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mark");
        let mut mark = Mark::here(folder.path(), SeatId([3; 16]));
        for sequence in 1..=5 {
            mark.sealed[2] = sealed(1, sequence, 1);
            mark.write(&path).expect("writing");
        }
        let read = || Mark::read(&path).map(|m| m.and_then(|m| m.sealed[2]).map(|s| s.sequence));
        assert_eq!(read().expect("reading"), Some(5));
        let damage = |slot: usize| {
            let mut bytes = fs::read(&path).expect("bytes");
            bytes[slot * SLOT_BYTES + 40] ^= 1;
            fs::write(&path, bytes).expect("written");
        };
        damage(5 % SLOTS);
        assert_eq!(read().expect("reading"), Some(4));
        mark.write(&path).expect("over the damaged one");
        assert_eq!(read().expect("reading"), Some(5));
        damage(0);
        damage(1);
        assert!(matches!(read(), Err(MarkError::Damaged { .. })));
        assert!(matches!(mark.write(&path), Err(MarkError::Damaged { .. })));
    }

    #[test]
    fn continuity_is_proven_or_the_reason_named() {
        let base = Mark {
            machine: "m".into(),
            folder: "/a".into(),
            seat: SeatId([1; 16]),
            sealed: [None, None, sealed(1, 5, 1)],
        };
        let check = |change: &dyn Fn(&mut Mark), expected| {
            let mut here = base.clone();
            change(&mut here);
            assert_eq!(Mark::continuity(Some(&base), &here), expected);
        };
        check(&|_| {}, Continuity::Proven);
        check(&|h| h.sealed[2] = sealed(1, 6, 9), Continuity::Proven);
        check(&|h| h.sealed[0] = sealed(1, 1, 9), Continuity::Proven);
        check(&|h| h.sealed[2] = sealed(2, 1, 9), Continuity::Proven);
        check(&|h| h.machine = "n".into(), Continuity::OtherMachine);
        check(&|h| h.folder = "/b".into(), Continuity::OtherFolder);
        check(&|h| h.sealed[2] = None, Continuity::DatabaseBehind);
        check(
            &|h| h.sealed[2] = sealed(1, 4, 1),
            Continuity::DatabaseBehind,
        );
        check(
            &|h| h.sealed[2] = sealed(1, 5, 2),
            Continuity::DatabaseBehind,
        );
        assert_eq!(Mark::continuity(None, &base), Continuity::NoMark);
    }
}
