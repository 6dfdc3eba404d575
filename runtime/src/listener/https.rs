//! HTTPS at a listener: with a certificate that was given, or with one of the local authority. Certificates are exchanged
//! while the listener goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use protocol::hash::sha256;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::authority::Authority;
use super::name::Name;
use crate::files;

/// Bytes of a file with certificates or a key.
const PEM_BYTES_MAX: usize = 256 << 10;

/// Why a listener has no HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// A file cannot be read or written.
    #[error("HTTPS 证书文件 {} 无法读写，请检查路径与权限", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The local authority's file holds something else.
    #[error(
        "本地证书机构文件 {} 已损坏，请从备份恢复；删除后会新建证书机构，各浏览器须重新导入",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A private key that everybody on the machine may read.
    #[error("HTTPS 私钥文件 {} 所有用户均可读取，请先执行 chmod o-r", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The given certificate cannot be used.
    #[error("HTTPS 证书 {} 不可用：{detail}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The library could not make a certificate.
    #[error("生成 HTTPS 证书失败：{0}")]
    Make(#[from] rcgen::Error),
    /// The library refuses its settings.
    #[error("HTTPS 无法启用：{0}")]
    Tls(#[from] rustls::Error),
}

/// HTTPS at a listener. Clones are the same.
#[derive(Clone)]
pub struct Https {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    source: Arc<Source>,
}

enum Source {
    Local(Box<Authority>),
    Given {
        certificate: PathBuf,
        key: PathBuf,
        names: Vec<Name>,
    },
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Shown(RwLock<Current>);

#[derive(Debug, Clone)]
struct Current {
    key: Arc<CertifiedKey>,
    /// When another one is needed: outside of these times, or when the files say something else than this.
    from_s: i64,
    until_s: i64,
    files: [u8; 32],
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().key)
    }
}

impl Shown {
    fn now(&self) -> Current {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Https {
    /// With certificates of the local authority.
    pub fn local(authority: Authority, now_s: i64) -> Result<Self, HttpsError> {
        Self::of(Source::Local(Box::new(authority)), now_s)
    }

    /// With a certificate (and those above it) and its key in PEM files. It must be good for all names.
    pub fn given(
        certificate: &Path,
        key: &Path,
        names: &[Name],
        now_s: i64,
    ) -> Result<Self, HttpsError> {
        Self::of(
            Source::Given {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
                names: names.to_vec(),
            },
            now_s,
        )
    }

    fn of(source: Source, now_s: i64) -> Result<Self, HttpsError> {
        let shown = Arc::new(Shown(RwLock::new(source.current(now_s)?)));
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            shown,
            source: Arc::new(source),
        })
    }

    /// Looks whether another certificate is needed, or there, and shows it from then on; whether it did. To be called every
    /// minute or so. What fails leaves the former one.
    pub fn renew(&self, now_s: i64) -> Result<bool, HttpsError> {
        let shown = self.shown.now();
        let stale = match &*self.source {
            Source::Local(_) => !(shown.from_s..shown.until_s).contains(&now_s),
            Source::Given {
                certificate, key, ..
            } => read_both(certificate, key)?.hash != shown.files,
        };
        if stale {
            let new = self.source.current(now_s)?;
            *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
        Ok(stale)
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

impl Source {
    fn current(&self, now_s: i64) -> Result<Current, HttpsError> {
        match self {
            Self::Local(authority) => {
                let leaf = authority.leaf(now_s)?;
                let key = CertifiedKey::from_der(vec![leaf.certificate], leaf.key, &provider())?;
                Ok(Current {
                    key: Arc::new(key),
                    from_s: leaf.from_s,
                    until_s: leaf.until_s,
                    files: [0; 32],
                })
            }
            Self::Given {
                certificate,
                key,
                names,
            } => given(certificate, key, names),
        }
    }
}

fn given(path: &Path, key_path: &Path, names: &[Name]) -> Result<Current, HttpsError> {
    let unfit = |detail: String| HttpsError::Unfit {
        path: path.to_owned(),
        detail,
    };
    let files = read_both(path, key_path)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&files.certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| unfit("不是 PEM 格式".to_owned()))?;
    let first = chain
        .first()
        .ok_or_else(|| unfit("文件中没有证书".to_owned()))?;
    let parsed =
        ParsedCertificate::try_from(first).map_err(|_| unfit("证书无法解析".to_owned()))?;
    for name in names {
        let asked = match name {
            Name::Host(host) => ServerName::try_from(host.clone()),
            Name::Address(address) => Ok(ServerName::from(*address)),
        };
        let asked = asked.map_err(|_| unfit(format!("名称 {name} 不能用于 HTTPS")))?;
        rustls::client::verify_server_name(&parsed, &asked).map_err(|_| {
            unfit(format!(
                "其中没有配置的名称 {name}。请换用包含它的证书，或从 console.names 中去掉它"
            ))
        })?;
    }
    let key = PrivateKeyDer::from_pem_slice(&files.key)
        .map_err(|_| unfit(format!("{} 中没有私钥", key_path.display())))?;
    let key = CertifiedKey::from_der(chain, key, &provider())
        .map_err(|_| unfit("证书与私钥不匹配，或算法不受支持".to_owned()))?;
    Ok(Current {
        key: Arc::new(key),
        from_s: i64::MIN,
        until_s: i64::MAX,
        files: files.hash,
    })
}

/// What the files of a given certificate hold.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    /// Over both.
    hash: [u8; 32],
}

fn read_both(certificate: &Path, key: &Path) -> Result<Files, HttpsError> {
    let read = |path: &Path| {
        files::read_bounded(path, PEM_BYTES_MAX).map_err(|source| HttpsError::File {
            path: path.to_owned(),
            source,
        })
    };
    match files::readable_by_all(key) {
        Ok(true) => {
            return Err(HttpsError::Open {
                path: key.to_owned(),
            });
        }
        Ok(false) => {}
        Err(source) => {
            return Err(HttpsError::File {
                path: key.to_owned(),
                source,
            });
        }
    }
    let (certificate, key) = (read(certificate)?, read(key)?);
    let hash = sha256(&[&sha256(&[&certificate]).0, &sha256(&[&key]).0]).0;
    Ok(Files {
        certificate,
        key,
        hash,
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
