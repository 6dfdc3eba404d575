//! For whom files are: what our programs make is for their own account only, and data folders that others can enter are
//! closed to them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::LOCK;

/// From here on whatever this process makes is for its own account only: files, folders, sockets, and what libraries make
/// for it. To be called at the start of every program.
pub fn private_by_default() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// Writes a file that is not there yet, for the owner only: an export that may hold whatever the data folder holds. What
/// stands in its place, be it a link, is left alone.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a data folder and its parents, for the owner only. One that is there and open to others is closed to them, if it
/// is empty or holds what a program of ours has made; a folder of something else is refused.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => close_to_others(path, found.permissions().mode()),
        Ok(_) => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path),
        Err(error) => Err(error),
    }
}

fn close_to_others(folder: &Path, mode: u32) -> io::Result<()> {
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let mode = mode & 0o7777;
    let refused = |why| {
        let text = format!(
            "数据目录的权限为 {mode:04o}，其他账号也能进入，{why}；请另选目录，或改为由运行本程序的账号所有、权限 0700"
        );
        io::Error::new(io::ErrorKind::PermissionDenied, text)
    };
    let ours = OWN_FILES.iter().any(|name| folder.join(name).exists());
    if !ours && fs::read_dir(folder)?.next().is_some() {
        return Err(refused("且其中有不属于本系统的文件"));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .map_err(|_| refused("且不能由本账号收紧"))?;
    tracing::warn!(folder = %folder.display(), was = format!("{mode:04o}"),
        "data folder was open to others, now it is not");
    Ok(())
}

/// What lies in a data folder that a program of ours has used: some of it in every one.
const OWN_FILES: [&str; 5] = [
    LOCK,
    crate::control::SOCKET,
    "instance.pem",
    "signing.key",
    "statements",
];
#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let metadata = fs::metadata(path).expect("metadata");
        metadata.permissions().mode() & 0o777
    }

    #[test]
    fn a_data_folder_is_closed_to_others_or_refused() {
        let check = |given: u32, holds: &[&str], expected: Result<(), ()>| {
            let top = tempfile::tempdir().expect("a temporary folder");
            let folder = top.path().join("data");
            fs::create_dir(&folder).expect("made");
            for name in holds {
                fs::write(folder.join(name), b"").expect("written");
            }
            fs::set_permissions(&folder, fs::Permissions::from_mode(given)).expect("mode");
            let made = make_folder(&folder);
            if let Err(error) = &made {
                assert!(error.to_string().contains("0700"), "{error}");
            }
            assert_eq!(made.map_err(drop), expected, "{given:o} {holds:?}");
            let left = if expected.is_ok() { 0o700 } else { given };
            assert_eq!(mode(&folder), left, "{given:o} {holds:?}");
        };
        check(0o755, &[], Ok(()));
        check(0o700, &[], Ok(()));
        check(0o700, &["something"], Ok(()));
        check(0o750, &["lock", "something"], Ok(()));
        check(0o777, &["signing.key"], Ok(()));
        // nobody wants his home or the system's folders closed
        check(0o755, &["something"], Err(()));
        let top = tempfile::tempdir().expect("a temporary folder");
        let deep = top.path().join("a/b");
        make_folder(&deep).expect("made");
        assert_eq!((mode(&deep), mode(&top.path().join("a"))), (0o700, 0o700));
        fs::write(top.path().join("file"), b"").expect("written");
        assert!(make_folder(&top.path().join("file")).is_err());
    }

    #[test]
    fn an_export_is_private_and_replaces_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        write_new(&at("rows.csv"), b"rows").expect("written");
        assert_eq!(mode(&at("rows.csv")), 0o600);
        assert!(write_new(&at("rows.csv"), b"others").is_err());
        assert_eq!(fs::read(at("rows.csv")).expect("there"), b"rows");
        // neither a link to something nor one to nothing is followed
        std::os::unix::fs::symlink(at("rows.csv"), at("link")).expect("linked");
        std::os::unix::fs::symlink(at("nothing"), at("dangling")).expect("linked");
        assert!(write_new(&at("link"), b"others").is_err());
        assert!(write_new(&at("dangling"), b"others").is_err());
        assert!(!at("nothing").exists());
        assert_eq!(fs::read(at("rows.csv")).expect("there"), b"rows");
    }
}
