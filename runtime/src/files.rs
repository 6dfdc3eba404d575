//! Files that must survive a crash: written whole or not at all, private where they hold keys, and the two files that
//! guard a data folder: its lock (I7) and its mark (D14).
//!
//! Databases are store's business, logs are telemetry's; nothing here knows what the bytes mean.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod mark;
mod private;

pub use mark::{Continuity, Mark, MarkError, Sealed};
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

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
