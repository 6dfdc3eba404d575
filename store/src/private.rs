//! Files of a database are for the account that runs the program, whatever its mask of file modes says, and whoever made
//! them before.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What SQLite keeps beside a database file; made by it with the modes of the file itself.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Makes a database's folder if it is not there, and closes it to others.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => close(path, 0o700),
        _ => fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path),
    }
}

/// Makes an empty database file if there is none, and closes it, and what lies beside it, to others. To be called before
/// the file is opened by the engine.
pub(crate) fn database(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close(path, 0o600)?,
        Err(error) => return Err(error),
    }
    for suffix in BESIDE {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        match close(Path::new(&beside), 0o600) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn close(path: &Path, mode: u32) -> io::Result<()> {
    if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let metadata = fs::metadata(path).expect("metadata");
        metadata.permissions().mode() & 0o777
    }

    #[test]
    fn what_is_there_is_closed_and_what_is_not_is_made_closed() {
        let top = tempfile::tempdir().expect("a folder");
        let (wide, fresh) = (top.path().join("wide"), top.path().join("fresh"));
        fs::create_dir(&wide).expect("made");
        fs::set_permissions(&wide, Permissions::from_mode(0o755)).expect("mode");
        let file = |folder: &Path, name: &str| folder.join(format!("store.db{name}"));
        for name in ["", "-wal", "-shm"] {
            fs::write(file(&wide, name), b"kept").expect("written");
            let wide_open = Permissions::from_mode(0o644);
            fs::set_permissions(file(&wide, name), wide_open).expect("mode");
        }
        for path in [&wide, &fresh] {
            folder(path).expect("folder");
            assert_eq!(mode(path), 0o700);
            database(&file(path, "")).expect("database");
            assert_eq!(mode(&file(path, "")), 0o600);
        }
        for name in ["-wal", "-shm"] {
            assert_eq!(mode(&file(&wide, name)), 0o600);
            assert!(!file(&fresh, name).exists());
        }
        assert_eq!(fs::read(file(&wide, "")).expect("there"), b"kept");
    }
}
