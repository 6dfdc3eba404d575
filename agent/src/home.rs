//! The agent's data folder: keys, the statements it was admitted with, the mark, and the folder of its database. Keys and
//! mark lie beside the database, outside of what a backup of it copies.

#[cfg(test)]
pub(crate) mod testing;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bytes::{Put, Reader};
use protocol::directory::{Directory, StatementFault, VerifiedIdentity};
use protocol::envelope::Envelope;
use protocol::hash::Hash;
use protocol::limits;
use protocol::name;
use protocol::sign::SigningKey;
use protocol::statement::{Identity, SeatKind};
use runtime::files::{self, Access};

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// A file cannot be read or written.
    #[error("文件 {} 无法读写，请检查路径、权限与磁盘", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("文件 {} 已损坏，请从备份恢复", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Not admitted yet.
    #[error("本代理尚未入网。下一步：zongheng-agent join，按提示输入接入码")]
    NotJoined,
    /// The stored chain does not verify.
    #[error("本代理的入网声明未通过校验：{0}")]
    Chain(#[from] StatementFault),
}

/// The data folder of an agent.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// What an admitted agent is.
pub struct Admission {
    /// Its signing key.
    pub key: Arc<SigningKey>,
    /// Its own identity.
    pub identity: VerifiedIdentity,
    /// Everything that its chain of statements verifies.
    pub directory: Directory,
    /// The chain, root version first.
    pub chain: Vec<Envelope>,
}

impl Admission {
    /// The city that the agent belongs to, by its own division code; empty if the chain does not say.
    pub fn city(&self) -> String {
        self.directory
            .identities()
            .find(|i| i.identity().kind == SeatKind::City)
            .map_or_else(String::new, |i| i.identity().jurisdiction.clone())
    }

    /// The statement about this seat.
    pub fn own(&self) -> &Identity {
        self.identity.identity()
    }
}

impl Home {
    /// The folder; made if it is not there.
    pub fn at(folder: &Path) -> Result<Self, HomeError> {
        files::make_folder(folder).map_err(|source| HomeError::Io {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Folder of the database.
    pub fn database(&self) -> PathBuf {
        self.folder.join("database")
    }

    /// Folder for copies of dropped files that are being read.
    pub fn spool(&self, source: i64) -> PathBuf {
        self.folder.join("spool").join(source.to_string())
    }

    /// Certificate and key of the installation.
    pub fn instance_file(&self) -> PathBuf {
        self.folder.join("instance.pem")
    }

    /// The mark (D14).
    pub fn mark_file(&self) -> PathBuf {
        self.folder.join("mark")
    }

    /// Whether the agent was admitted.
    pub fn is_joined(&self) -> bool {
        self.chain_file().exists()
    }

    /// The seed of the signing key, made from `fresh` random bytes if there is none yet. Survives a refused join.
    pub fn signing_seed(&self, fresh: [u8; 32]) -> Result<[u8; 32], HomeError> {
        let path = self.folder.join("signing.key");
        match files::read_bounded(&path, 256) {
            Ok(bytes) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| name::from_hex(text.trim()))
                .ok_or(HomeError::Damaged { path }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.write(
                    "signing.key",
                    Hash(fresh).to_string().as_bytes(),
                    Access::Private,
                )?;
                Ok(fresh)
            }
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    /// Keeps what the agent was admitted with: the chain, root version 1 first and issuers before those they issued, and
    /// where its node is.
    pub fn write_admission(&self, chain: &[Envelope], parent: &str) -> Result<(), HomeError> {
        let mut out = Vec::new();
        chain.iter().for_each(|e| out.put_long(&e.to_bytes()));
        // the chain says that the agent is admitted, so it comes last
        self.write("parent", parent.as_bytes(), Access::Group)?;
        self.write("statements", &out, Access::Group)
    }

    /// Address of the node that the agent dials.
    pub fn parent(&self) -> Result<String, HomeError> {
        let path = self.folder.join("parent");
        let bytes = files::read_bounded(&path, 512).map_err(|source| HomeError::Io {
            path: path.clone(),
            source,
        })?;
        String::from_utf8(bytes)
            .map(|s| s.trim().to_owned())
            .map_err(|_| HomeError::Damaged { path })
    }

    /// What the agent is, checked anew.
    pub fn admission(&self) -> Result<Admission, HomeError> {
        if !self.is_joined() {
            return Err(HomeError::NotJoined);
        }
        let seed = self.signing_seed([0; 32])?;
        let key = Arc::new(SigningKey::from_seed(&seed));
        let path = self.chain_file();
        let bytes =
            files::read_bounded(&path, CHAIN_BYTES_MAX).map_err(|source| HomeError::Io {
                path: path.clone(),
                source,
            })?;
        let damaged = || HomeError::Damaged { path: path.clone() };
        let mut r = Reader::new(&bytes, "chain");
        let mut chain = Vec::new();
        while !r.rest().is_empty() && chain.len() < limits::HELLO_ENVELOPES_MAX {
            chain.push(
                r.long()
                    .and_then(Envelope::from_bytes)
                    .map_err(|_| damaged())?,
            );
        }
        let root = chain.first().ok_or_else(damaged)?;
        let mut directory = Directory::trusting(root, &root.hash().0)?;
        for envelope in &chain[1..] {
            directory.admit(envelope)?;
        }
        let own = |identity: &Identity| {
            identity.kind == SeatKind::Department && identity.keys.sign() == key.public()
        };
        let identity = directory
            .identities()
            .find(|i| own(i.identity()))
            .cloned()
            .ok_or_else(damaged)?;
        Ok(Admission {
            key,
            identity,
            directory,
            chain,
        })
    }

    fn chain_file(&self) -> PathBuf {
        self.folder.join("statements")
    }

    fn write(&self, name: &str, bytes: &[u8], access: Access) -> Result<(), HomeError> {
        let path = self.folder.join(name);
        files::write_atomic(&path, bytes, access).map_err(|source| HomeError::Io { path, source })
    }
}

const CHAIN_BYTES_MAX: usize = 4 << 20;
