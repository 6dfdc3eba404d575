//! The data folder of a node: its keys and the directory statements that it was admitted with. They lie beside the database
//! and outside of its backups.
//!
//! A seat's chain of statements starts with the root version, so that anybody who trusts that can check the rest.

use std::io;
use std::path::{Path, PathBuf};

use protocol::bytes::{Malformed, Put, Reader};
use protocol::directory::{Directory, StatementFault};
use protocol::envelope::{Envelope, kind};
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::{self, SeatId};
use protocol::seal::SealKey;
use protocol::sign::{Keys, SigningKey, Sigs};
use protocol::statement::{Identity, Root, SeatKind, possession_hash};
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
    Chain(#[from] StatementFault),
    /// The keys are not those of the node's identity.
    #[error(
        "目录 {} 中的密钥与本节点的身份不符：密钥文件被替换，或恢复自更换密钥之前的备份。请放回与身份一致的密钥文件，或重新入网",
        folder.display()
    )]
    Keys {
        /// The folder.
        folder: PathBuf,
    },
    /// What a city was to be founded with cannot stand in its identity.
    #[error("不能以此建立市级节点（{}）：请核对名称、区划代码与机构代码", .0.what)]
    Founding(#[from] Malformed),
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
    /// Organisation code of the centre that runs it.
    pub organisation: &'a str,
    /// 32 random bytes for the root key.
    pub root_seed: [u8; 32],
    /// Random bytes for the city's keys.
    pub seeds: Seeds,
    /// 16 random bytes for the seat.
    pub seat: SeatId,
}

/// What the keys of a node are made of: random bytes that the caller draws.
#[derive(Clone, Copy)]
pub struct Seeds {
    /// For the signing key.
    pub sign: [u8; 32],
    /// For the seal key.
    pub seal: [u8; 32],
}

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seeds")
    }
}

/// The keys of a node. They never leave the machine.
#[derive(Debug)]
pub struct NodeKeys {
    /// Signs what the node states.
    pub sign: SigningKey,
    /// What is for this node alone will be sealed to it.
    pub seal: SealKey,
}

impl NodeKeys {
    fn of(seeds: &Seeds) -> Self {
        Self {
            sign: SigningKey::from_seed(&seeds.sign),
            seal: SealKey::from_secret(&seeds.seal),
        }
    }

    /// Their public halves, as they stand in the node's identity.
    pub fn public(&self) -> Keys {
        Keys::of(self.sign.public(), Some(self.seal.public()))
    }
}

/// What a node is started with: its keys, its seat, and what proves it.
#[derive(Debug)]
pub struct Credentials {
    /// Its keys.
    pub keys: NodeKeys,
    /// Its seat.
    pub seat: SeatId,
    /// What it trusts.
    pub directory: Directory,
    /// The statements that prove it, root version first.
    pub chain: Vec<Envelope>,
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
    fn seal_file(&self) -> PathBuf {
        self.folder.join("seal.key")
    }
    fn next_file(&self) -> PathBuf {
        self.folder.join("next.key")
    }
    /// Where the authority's root key lies until a person takes it away.
    pub fn root_key_file(&self) -> PathBuf {
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

    /// Founds a city: root version 1 with one key, and the city's identity under it. Returns the authority's name. The root
    /// key lies in the folder until a person takes it away.
    pub fn found_city(&self, founding: &Founding<'_>) -> Result<Ref, HomeError> {
        if self.is_taken() {
            return Err(HomeError::Taken {
                folder: self.folder.clone(),
            });
        }
        let root_key = SigningKey::from_seed(&founding.root_seed);
        let root = Root::of(1, Ref::ZERO, 1, &[root_key.public()]);
        let root = Envelope::signed(kind::ROOT, 1, root.to_bytes(), &root_key);
        let authority = Ref::of(root.hash());
        let keys = NodeKeys::of(&founding.seeds);
        let possession = possession_hash(&founding.seat, &authority, &keys.public());
        let identity = Identity {
            seat: founding.seat,
            serial: 1,
            kind: SeatKind::City,
            organisation: founding.organisation.to_owned(),
            title: founding.title.to_owned(),
            jurisdiction: founding.city.to_owned(),
            node: founding.seat,
            keys: keys.public(),
            possession: Sigs::of(keys.sign.sign(&possession)),
            consent: Sigs::default(),
            reason: String::new(),
            permitted: Vec::new(),
            admits: true,
            binds_from: Default::default(),
            issuer: authority,
        };
        identity.check()?;
        let identity = Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), &root_key);
        write_key(&self.root_key_file(), &[founding.root_seed])?;
        self.write_seeds(&founding.seeds)?;
        self.write_chain(&[root, identity])?;
        Ok(authority)
    }

    /// The node's keys, made from `fresh` random bytes if there are none yet. Survive a refused join.
    pub fn keys_or(&self, fresh: &Seeds) -> Result<NodeKeys, HomeError> {
        if !self.key_file().exists() {
            self.write_seeds(fresh)?;
        }
        self.keys()
    }

    /// The node's keys.
    pub fn keys(&self) -> Result<NodeKeys, HomeError> {
        let [sign] = read_key(&self.key_file())?;
        let [seal] = read_key(&self.seal_file())?;
        Ok(NodeKeys::of(&Seeds { sign, seal }))
    }

    /// The keys that are to take the place of the node's, made from `fresh` random bytes if there are none yet. They stay
    /// until [`Home::replace_keys`], since a code is bound to the first keys that are shown with it.
    pub fn next_keys_or(&self, fresh: &Seeds) -> Result<NodeKeys, HomeError> {
        if !self.next_file().exists() {
            write_key(&self.next_file(), &[fresh.sign, fresh.seal])?;
        }
        self.next_keys()
    }

    fn next_keys(&self) -> Result<NodeKeys, HomeError> {
        let [sign, seal] = read_key(&self.next_file())?;
        Ok(NodeKeys::of(&Seeds { sign, seal }))
    }

    /// Puts the next keys in the place of the node's, with the chain that its identity with them stands in. Whenever this is
    /// interrupted, [`Home::credentials`] finishes it.
    pub fn replace_keys(&self, chain: &[Envelope]) -> Result<(), HomeError> {
        self.write_chain(chain)?;
        self.finish_replacing()
    }

    fn finish_replacing(&self) -> Result<(), HomeError> {
        let [sign, seal] = read_key(&self.next_file())?;
        self.write_seeds(&Seeds { sign, seal })?;
        let path = self.next_file();
        std::fs::remove_file(&path).map_err(|source| HomeError::Io { path, source })
    }

    fn write_seeds(&self, seeds: &Seeds) -> Result<(), HomeError> {
        write_key(&self.seal_file(), &[seeds.seal])?;
        write_key(&self.key_file(), &[seeds.sign])
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

    /// Keys, seat and directory of the node, as its chain and key files give them.
    pub fn credentials(&self) -> Result<Credentials, HomeError> {
        let chain = self.chain()?;
        let damaged = || HomeError::Damaged {
            path: self.chain_file(),
        };
        let root = chain.first().ok_or_else(damaged)?;
        let mut directory = Directory::trusting(root, &root.hash().0)?;
        for envelope in &chain[1..] {
            directory.admit(envelope)?;
        }
        // whose keys these are, by the newest identity of each seat
        let owner = |keys: &Keys| {
            let mut all = directory.identities().map(|i| i.identity());
            all.find(|i| i.keys == *keys).map(|i| i.seat)
        };
        if self.next_file().exists() && owner(&self.next_keys()?.public()).is_some() {
            self.finish_replacing()?;
        }
        let keys = self.keys()?;
        let seat = owner(&keys.public()).ok_or_else(|| HomeError::Keys {
            folder: self.folder.clone(),
        })?;
        Ok(Credentials {
            keys,
            seat,
            directory,
            chain,
        })
    }
}

/// The authority's root key, in a file as [`Home::found_city`] leaves it.
pub fn read_root_key(path: &Path) -> Result<SigningKey, HomeError> {
    let [seed] = read_key(path)?;
    Ok(SigningKey::from_seed(&seed))
}

/// Keeps secrets in a file that nobody else may read, one a line.
fn write_key(path: &Path, secrets: &[[u8; 32]]) -> Result<(), HomeError> {
    let text: String = secrets
        .iter()
        .map(|secret| format!("{}\n", Hash(*secret)))
        .collect();
    files::write_atomic(path, text.as_bytes(), Access::Private).map_err(|source| HomeError::Io {
        path: path.to_owned(),
        source,
    })
}

fn read_key<const N: usize>(path: &Path) -> Result<[[u8; 32]; N], HomeError> {
    let bytes = files::read_bounded(path, 256).map_err(|source| HomeError::Io {
        path: path.to_owned(),
        source,
    })?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let secrets: Option<Vec<[u8; 32]>> = text.split_whitespace().map(name::from_hex).collect();
    secrets
        .and_then(|secrets| secrets.try_into().ok())
        .ok_or_else(|| HomeError::Damaged {
            path: path.to_owned(),
        })
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
