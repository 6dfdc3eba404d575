//! A party on disk: its folder, its addresses, its configuration file, and the arguments of the commands that set it up.
//! Nothing is started here.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use runtime::door;
use runtime::files::{self, Access};

/// Hands out loopback ports that nobody else will take: they lie below the range from which the system gives ports to
/// those who dial, so that a party that is killed finds its own port free again.
#[derive(Debug)]
pub struct Ports(AtomicU32);

impl Default for Ports {
    fn default() -> Self {
        Self(AtomicU32::new((door::random_u64() % SPAN) as u32))
    }
}

impl Ports {
    /// The next port that is free for TCP and for UDP.
    pub fn next(&self) -> io::Result<SocketAddr> {
        for _ in 0..SPAN {
            let port = FIRST + (self.0.fetch_add(1, Ordering::Relaxed) % SPAN as u32) as u16;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
                return Ok(address);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

const FIRST: u16 = 12_000;
const SPAN: u64 = 18_000;

/// A city or district node on disk.
#[derive(Debug, Clone)]
pub struct NodeSite {
    /// Its folder: configuration file, password file, data.
    pub folder: PathBuf,
    /// Where it listens for links.
    pub link: SocketAddr,
    /// Where its console is.
    pub console: SocketAddr,
    /// Where its status port is.
    pub status: SocketAddr,
}

impl NodeSite {
    /// A node in a folder, with ports of its own.
    pub fn new(folder: PathBuf, ports: &Ports) -> io::Result<Self> {
        Ok(Self {
            folder,
            link: ports.next()?,
            console: ports.next()?,
            status: ports.next()?,
        })
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The data folder; the running node's control socket lies in it.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of the database.
    pub fn database(&self) -> PathBuf {
        self.data().join("data")
    }

    /// The file with the administrator's password.
    pub fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// Writes configuration and password file.
    pub fn write(&self, password: &str) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let text = format!(
            "[node]\nfolder = {}\n\n[link]\nlisten = \"{}\"\n\n[console]\nlisten = \"{}\"\n\n[status]\nlisten = \"{}\"\n\n\
             [log]\nlevel = \"info\"\n",
            quoted(&self.data()),
            self.link,
            self.console,
            self.status,
        );
        files::write_atomic(&self.config(), text.as_bytes(), Access::Group)?;
        files::write_atomic(&self.password_file(), password.as_bytes(), Access::Private)
    }

    /// Arguments that found a city.
    pub fn found(&self, title: &str, city: &str) -> Vec<String> {
        let mut args = self.command("init");
        args.extend(["--title", title, "--city", city].map(str::to_owned));
        args.extend(self.administrator());
        args
    }

    /// Where the node may write the code of its next invitation.
    pub fn next_code_file(&self) -> PathBuf {
        self.folder
            .join(format!("code-{:016x}", door::random_u64()))
    }

    /// Arguments that make a district join with the code in a file.
    pub fn join(&self, code: &Path) -> Vec<String> {
        let mut args = self.command("init");
        args.extend(["--code-file".to_owned(), code.display().to_string()]);
        args.extend(self.administrator());
        args
    }

    /// Arguments of a command that needs nothing but the configuration.
    pub fn command(&self, command: &str) -> Vec<String> {
        vec![
            command.to_owned(),
            "--config".to_owned(),
            self.config().display().to_string(),
        ]
    }

    fn administrator(&self) -> Vec<String> {
        let file = self.password_file().display().to_string();
        let words = [
            "--admin",
            ADMIN,
            "--admin-name",
            ADMIN_NAME,
            "--password-file",
            &file,
        ];
        words.map(str::to_owned).to_vec()
    }
}

/// Account of the administrator of every node.
pub const ADMIN: &str = "admin";
const ADMIN_NAME: &str = "张三";

/// A path as a TOML string.
pub fn quoted(path: &Path) -> String {
    quote(&path.display().to_string())
}

/// A text as a TOML string.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
