//! The data folder of a node: its keys and the directory statements that it was admitted with. They lie beside the database
//! and outside of its backups.
//!
//! A seat's chain of statements starts with the root version, so that anybody who trusts that can check the rest.

use std::io;
use std::path::{Path, PathBuf};

use protocol::bytes::{Put, Reader};
use protocol::directory::{Directory, DirectoryError, EpochOpening, Identity, Root, SeatKind};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Hash;
use protocol::limits;
use protocol::name::{self, SeatId};
use protocol::sign::{SigningKey, Suite};
use runtime::files::{self, Access};
use supervision::division::{DivisionFault, DivisionTable, FILE_BYTES_MAX};

/// Bytes that the chain may have.
const CHAIN_BYTES_MAX: usize = 4 << 20;

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
    /// There is no node here yet.
    #[error("目录 {} 中还没有节点，请先执行 init", folder.display())]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// There is one already.
    #[error("目录 {} 中已有节点，不再重复建立", folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
    },
    /// A file of divisions that cannot be used.
    #[error("区划文件 {} 不可用", path.display())]
    Divisions {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line and column.
        source: DivisionFault,
    },
    /// The stored chain does not verify.
    #[error("本节点的身份链未通过校验：{0}")]
    Chain(#[from] DirectoryError),
}

/// The data folder of a node.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

/// A new city, before its first start.
#[derive(Debug)]
pub struct Founding<'a> {
    /// Name for people.
    pub title: &'a str,
    /// The city's own division code.
    pub city: &'a str,
    /// 32 random bytes for the root key.
    pub root_seed: [u8; 32],
    /// 32 random bytes for the city's signing key.
    pub seed: [u8; 32],
    /// 16 random bytes for the seat.
    pub seat: SeatId,
    /// Record types that the city's own console may state.
    pub permitted_types: Vec<String>,
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
    /// Where the database lies.
    pub fn database(&self) -> PathBuf {
        self.folder.join("data")
    }
    /// Certificate and key of the installation.
    pub fn instance_file(&self) -> PathBuf {
        self.folder.join("instance.pem")
    }
    /// Key and certificate of the local authority for HTTPS.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }
    fn key_file(&self) -> PathBuf {
        self.folder.join("signing.key")
    }
    fn root_key_file(&self) -> PathBuf {
        self.folder.join("root.key")
    }
    fn chain_file(&self) -> PathBuf {
        self.folder.join("statements")
    }

    fn parent_file(&self) -> PathBuf {
        self.folder.join("parent")
    }

    /// Keeps the address of the node that this one dials.
    pub fn write_parent(&self, address: &str) -> Result<(), HomeError> {
        let path = self.parent_file();
        files::write_atomic(&path, address.as_bytes(), Access::Group)
            .map_err(|source| HomeError::Io { path, source })
    }

    /// Address of the node that this one dials.
    pub fn parent(&self) -> Result<String, HomeError> {
        let path = self.parent_file();
        let bytes = files::read_bounded(&path, 512).map_err(|source| HomeError::Io {
            path: path.clone(),
            source,
        })?;
        String::from_utf8(bytes)
            .map(|s| s.trim().to_owned())
            .map_err(|_| HomeError::Damaged { path })
    }

    fn divisions_file(&self) -> PathBuf {
        self.folder.join("divisions.csv")
    }

    /// The division table: the built-in one with the rows that this installation was given, if any.
    pub fn divisions(&self) -> Result<DivisionTable, HomeError> {
        let path = self.divisions_file();
        if path.exists() {
            read_divisions(&path).map(|(_, table)| table)
        } else {
            Ok(DivisionTable::builtin())
        }
    }

    /// Keeps the rows that this installation adds to the built-in division table, as [`read_divisions`] gave them; without
    /// any, the built-in table is all there is.
    pub fn write_divisions(&self, rows: Option<&[u8]>) -> Result<(), HomeError> {
        let path = self.divisions_file();
        let done = match rows {
            Some(rows) => files::write_atomic(&path, rows, Access::Group),
            None if path.exists() => std::fs::remove_file(&path),
            None => Ok(()),
        };
        done.map_err(|source| HomeError::Io { path, source })
    }

    /// Whether a node was made here.
    pub fn is_taken(&self) -> bool {
        self.chain_file().exists()
    }

    /// Founds a city: root version 1, the city's identity, both keys. The root key can be taken offline afterwards.
    pub fn found_city(&self, founding: &Founding<'_>) -> Result<Hash, HomeError> {
        if self.is_taken() {
            return Err(HomeError::Taken {
                folder: self.folder.clone(),
            });
        }
        let root_key = SigningKey::from_seed(&founding.root_seed);
        let key = SigningKey::from_seed(&founding.seed);
        let root = Root {
            version: 1,
            former: Hash::ZERO,
            threshold: 1,
            keys: vec![root_key.public()],
        };
        let root = Envelope::signed(kind::ROOT, 1, root.to_bytes(), &root_key);
        let identity = Identity {
            seat: founding.seat,
            serial: 1,
            kind: SeatKind::City,
            title: founding.title.to_owned(),
            department: String::new(),
            jurisdiction: founding.city.to_owned(),
            key: key.public(),
            suite: Suite::Sha256Ed25519,
            permitted_types: founding.permitted_types.clone(),
            admits: true,
            issuer: SeatId::default(),
        };
        let identity = Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), &root_key);
        let hash = root.hash();
        self.write_key(&self.root_key_file(), &founding.root_seed)?;
        self.write_key(&self.key_file(), &founding.seed)?;
        self.write_chain(&[root, identity])?;
        Ok(hash)
    }

    /// The seed of the signing key, made from `fresh` random bytes if there is none yet. Survives a refused join.
    pub fn signing_seed(&self, fresh: [u8; 32]) -> Result<[u8; 32], HomeError> {
        if self.key_file().exists() {
            return self.read_key(&self.key_file());
        }
        self.write_key(&self.key_file(), &fresh)?;
        Ok(fresh)
    }

    /// The signing key.
    pub fn signing_key(&self) -> Result<SigningKey, HomeError> {
        Ok(SigningKey::from_seed(&self.read_key(&self.key_file())?))
    }

    fn write_key(&self, path: &Path, seed: &[u8; 32]) -> Result<(), HomeError> {
        files::write_atomic(path, Hash(*seed).to_string().as_bytes(), Access::Private).map_err(
            |source| HomeError::Io {
                path: path.to_owned(),
                source,
            },
        )
    }

    fn read_key(&self, path: &Path) -> Result<[u8; 32], HomeError> {
        let bytes = files::read_bounded(path, 256).map_err(|source| HomeError::Io {
            path: path.to_owned(),
            source,
        })?;
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| name::from_hex(text.trim()))
            .ok_or_else(|| HomeError::Damaged {
                path: path.to_owned(),
            })
    }

    /// Keeps the chain that this node was admitted with: root version first, its own identity among the rest.
    pub fn write_chain(&self, chain: &[Envelope]) -> Result<(), HomeError> {
        let mut out = Vec::new();
        chain.iter().for_each(|e| out.put_long(&e.to_bytes()));
        let path = self.chain_file();
        files::write_atomic(&path, &out, Access::Group)
            .map_err(|source| HomeError::Io { path, source })
    }

    /// The chain.
    pub fn chain(&self) -> Result<Vec<Envelope>, HomeError> {
        let path = self.chain_file();
        let bytes = match files::read_bounded(&path, CHAIN_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(HomeError::Empty {
                    folder: self.folder.clone(),
                });
            }
            Err(source) => return Err(HomeError::Io { path, source }),
        };
        let mut r = Reader::new(&bytes, "chain");
        let mut chain = Vec::new();
        while !r.rest().is_empty() && chain.len() < limits::HELLO_ENVELOPES_MAX {
            let envelope = r
                .long()
                .and_then(Envelope::from_bytes)
                .map_err(|_| HomeError::Damaged { path: path.clone() })?;
            chain.push(envelope);
        }
        Ok(chain)
    }

    /// The directory that the chain gives, the seat of this node's own identity, and the chain's bytes.
    pub fn directory(&self, key: &SigningKey) -> Result<(Directory, SeatId), HomeError> {
        let chain = self.chain()?;
        let damaged = || HomeError::Damaged {
            path: self.chain_file(),
        };
        let root = chain.first().ok_or_else(damaged)?;
        let mut directory = Directory::trusting(root, &root.hash().0)?;
        for envelope in &chain[1..] {
            directory.admit(envelope)?;
        }
        let seat = directory
            .identities()
            .find(|i| i.identity().key == key.public())
            .map(|i| i.identity().seat);
        Ok((directory, seat.ok_or_else(damaged)?))
    }
}

/// A file of divisions: its bytes, and the built-in table with its rows.
pub fn read_divisions(path: &Path) -> Result<(Vec<u8>, DivisionTable), HomeError> {
    let path = path.to_owned();
    let bytes = match files::read_bounded(&path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(source) => return Err(HomeError::Io { path, source }),
    };
    match DivisionTable::builtin().with_csv(&bytes) {
        Ok(table) => Ok((bytes, table)),
        Err(source) => Err(HomeError::Divisions { path, source }),
    }
}

/// Opens the first epoch of a seat.
pub fn first_opening(
    seat: SeatId,
    identity: Hash,
    nonce: [u8; 16],
    instance: protocol::name::InstanceId,
    key: &SigningKey,
) -> Envelope {
    let opening = EpochOpening {
        seat,
        epoch: protocol::name::Epoch { counter: 1, nonce },
        identity,
        instance,
        last_known: [(0, Hash::ZERO); 3],
    };
    Envelope::signed(kind::OPENING, 1, opening.to_bytes(), key)
}
