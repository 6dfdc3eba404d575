//! Stores for tests: in a temporary folder, or in a PostgreSQL cluster that the test starts for itself.
//!
//! Without an installed PostgreSQL the cluster fails with the name of the package: a suite that silently runs on one engine
//! proves nothing about the other.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::{Engine, EnvelopeRow, Store, StoreConfig};

/// User and group that the server runs as when the test is root, which PostgreSQL refuses to be.
const NOBODY: u32 = 65_534;
/// How long a start may take.
const START_TRIES: u32 = 600;
/// Between two looks whether the server answers.
const START_PAUSE: Duration = Duration::from_millis(50);

/// A SQLite store in a temporary folder, which lives as long as the guard.
pub async fn sqlite() -> (Store, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let engine = Engine::Sqlite {
        folder: folder.path().to_owned(),
        cache_mib: 16,
    };
    let store = Store::open(&StoreConfig { engine })
        .await
        .expect("a store opens in an empty folder");
    (store, folder)
}

/// Puts statements that headers stand on, without an item of the feed.
pub async fn stand_on(store: &Store, rows: Vec<EnvelopeRow>) {
    for row in rows {
        store
            .write(
                "INSERT INTO envelope (ref, kind, seat, class, is_read, bytes, arrival) VALUES ($1, $2, $3, 0, $4, $5, 0)",
                crate::engine::args![row.reference, row.kind, row.seat, row.read, row.bytes],
            )
            .await
            .expect("a fresh store takes statements");
    }
}

/// Lets the database file of an SQLite store grow no further, as on a full disk, or again.
///
/// # Panics
/// On PostgreSQL, which has no such switch: give it a [`SmallDisk`].
pub async fn set_full(store: &Store, full: bool) {
    let Store::Sqlite(store) = store else {
        panic!("only SQLite has a bound of its own");
    };
    store.writer.set_full(full).await.expect("a bound is set");
}

/// Edits the database file of a SQLite store that is closed, past its program: whoever may write to the folder can do this.
/// Returns how many rows were touched.
///
/// # Panics
/// If there is none, or a statement fails.
pub async fn edit(folder: &Path, statements: &[&str]) -> u64 {
    use sqlx::{Connection as _, Executor as _};
    let url = format!("sqlite://{}", folder.join("store.db").display());
    let mut other = sqlx::SqliteConnection::connect(&url)
        .await
        .expect("a closed store can be opened by anybody");
    let mut touched = 0;
    for statement in statements {
        let sql = sqlx::AssertSqlSafe((*statement).to_owned());
        let done = other.execute(sql).await.expect("a statement of the test's");
        touched += done.rows_affected();
    }
    other.close().await.expect("closes");
    touched
}

/// A file system of a few MiB, unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many MiB that everybody may write to. `None` if this process may not mount.
    pub fn mount(mib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let disk = Self { folder };
        disk.call(&format!("size={mib}m,mode=777"), true)
            .then_some(disk)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes it larger.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn grow(&self, mib: u32) {
        assert!(self.call(&format!("remount,size={mib}m"), true), "remount");
    }

    fn call(&self, options: &str, mount: bool) -> bool {
        let mut command = Command::new(if mount { "mount" } else { "umount" });
        if mount {
            command.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
        } else {
            command.arg("-l");
        }
        let done = command.arg(self.folder.path()).stderr(Stdio::null());
        done.status().is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.call("", false);
    }
}

/// A PostgreSQL server of one's own: data in a temporary folder, reached through a socket in it, gone when dropped or when
/// the thread that started it ends.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    server: Child,
    databases: AtomicU32,
}

impl Cluster {
    /// Starts a server. Start it from a thread that outlives its use.
    ///
    /// # Panics
    /// If no PostgreSQL is installed or it does not start; the text says what to do.
    pub fn start() -> Self {
        let programs = programs().expect(
            "未找到 PostgreSQL 服务端程序（/usr/lib/postgresql/*/bin/initdb）；本测试需要它，请安装 Debian 软件包 postgresql",
        );
        let folder = tempfile::Builder::new()
            .prefix("zh-pg-")
            .tempdir_in("/tmp")
            .expect("a folder in /tmp can be made");
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root can give a folder away");
        }
        let data = folder.path().join("data");
        let made = unprivileged(&programs.join("initdb"))
            .args([
                "-U",
                "zongheng",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-N",
                "-D",
            ])
            .arg(&data)
            .current_dir(folder.path())
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let log = File::create(folder.path().join("log")).expect("a log can be made");
        let server = unprivileged(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=60",
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres runs");
        let cluster = Self {
            folder,
            programs,
            server,
            databases: AtomicU32::new(0),
        };
        cluster.wait();
        cluster
    }

    /// Connection string of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("t{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(self.programs.join("createdb"))
            .args(["-U", "zongheng", "-h"])
            .arg(self.folder.path())
            .arg(&name)
            .output()
            .expect("createdb runs");
        assert!(
            made.status.success(),
            "createdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        format!(
            "postgres://zongheng@localhost/{name}?host={}",
            self.folder.path().display()
        )
    }

    /// Connection string of a new, empty database whose files lie in a folder: on a [`SmallDisk`], say.
    pub fn database_in(&self, folder: &Path) -> String {
        let data = folder.join("tables");
        std::fs::create_dir(&data).expect("a folder can be made");
        if is_root() {
            chown(&data, Some(NOBODY), Some(NOBODY)).expect("root can give a folder away");
        }
        let url = self.database();
        let name = format!("t{}", self.databases.load(Ordering::Relaxed) - 1);
        let place = data.display();
        self.psql(&format!(
            "CREATE TABLESPACE small_{name} LOCATION '{place}'"
        ));
        self.psql(&format!(
            "ALTER DATABASE {name} SET TABLESPACE small_{name}"
        ));
        url
    }

    /// Removes a database with its files, whoever is connected: before a [`SmallDisk`] goes, since the server would go on
    /// writing there.
    pub fn remove(&self, url: &str) {
        let name = url.rsplit('/').find_map(|part| part.split_once("?host="));
        let name = name.expect("one of this server's databases").0;
        self.psql(&format!("DROP DATABASE {name} WITH (FORCE)"));
    }

    /// Ends every connection to a store's database, as a restart of the server would.
    pub fn end_connections(&self) {
        self.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
    }

    /// A store in a new database.
    pub async fn store(&self) -> Store {
        let engine = Engine::Postgres {
            url: self.database(),
        };
        Store::open(&StoreConfig { engine })
            .await
            .expect("a store opens in an empty database")
    }

    /// Ends every connection that holds an advisory lock, as a fault of the network would, and waits until they are gone.
    pub async fn break_locks(&self) {
        let holders = "FROM pg_locks WHERE locktype = 'advisory' AND granted";
        self.psql(&format!("SELECT pg_terminate_backend(pid) {holders}"));
        for _ in 0..START_TRIES {
            if self.psql(&format!("SELECT count(*) {holders}")).trim() == "0" {
                return;
            }
            tokio::time::sleep(START_PAUSE).await;
        }
        panic!("locks are still held");
    }

    fn psql(&self, sql: &str) -> String {
        let answer = Command::new(self.programs.join("psql"))
            .args(["-U", "zongheng", "-d", "postgres", "-At", "-c", sql, "-h"])
            .arg(self.folder.path())
            .output()
            .expect("psql runs");
        assert!(
            answer.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&answer.stderr)
        );
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    fn wait(&self) {
        for _ in 0..START_TRIES {
            let answer = Command::new(self.programs.join("pg_isready"))
                .arg("-h")
                .arg(self.folder.path())
                .stdout(Stdio::null())
                .status()
                .expect("pg_isready runs");
            if answer.success() {
                return;
            }
            std::thread::sleep(START_PAUSE);
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("postgres did not start: {log}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = unprivileged(&self.programs.join("pg_ctl"))
            .args(["stop", "-m", "immediate", "-D"])
            .arg(self.folder.path().join("data"))
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !stopped.is_ok_and(|s| s.success()) {
            // the child process is setpriv turned into the server, so this ends the server itself
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// Newest installed server.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((version, programs))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, programs)| programs)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

/// A command that does not run as root and does not outlive the thread that starts it.
fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args([
            format!("--reuid={NOBODY}"),
            format!("--regid={NOBODY}"),
            "--clear-groups".to_owned(),
        ]);
    }
    command.args(["--pdeathsig", "QUIT"]).arg(program);
    command
}
