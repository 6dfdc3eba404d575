//! The certificate of an installation and how the other side's is checked: possession of the key, nothing else.
//!
//! Trust does not come from certificate chains, names or dates (D32): TLS proves that the peer holds the key of the
//! certificate it shows, and hands up the SHA-256 of that key. *Who* holds it is decided above, from statements that are
//! signed over the connection's exporter value (D31). TLS 1.3 only, both sides show a certificate, nothing is resumed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::hash::sha256;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

use crate::files::{self, Access};

/// Bytes of a peer's certificate. Ours have about 300.
pub const CERTIFICATE_BYTES_MAX: usize = 8 << 10;

/// The certificate and key of this installation.
pub struct InstanceIdentity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    key_hash: [u8; 32],
}

/// Why the installation has no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("实例证书文件 {} 无法读写，请检查权限与磁盘", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("实例证书文件 {} 已损坏：{detail}。可从备份恢复；删除后会生成新证书，但须重新入网", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The library could not make a certificate.
    #[error("生成实例证书失败：{detail}")]
    Generate {
        /// What the library said.
        detail: String,
    },
}

impl InstanceIdentity {
    /// A new key and its self-signed certificate.
    pub fn generate() -> Result<Self, IdentityError> {
        Self::from_pem(&Self::generate_pem()?).map_err(|detail| IdentityError::Generate { detail })
    }

    /// The identity in `path`, generated at the first start. The file holds key and certificate and is private.
    pub fn load_or_generate(path: &Path) -> Result<Self, IdentityError> {
        let io = |source| IdentityError::Io {
            path: path.to_owned(),
            source,
        };
        let pem = match files::read_bounded(path, 64 << 10) {
            Ok(pem) => pem,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = Self::generate_pem()?;
                files::write_atomic(path, &pem, Access::Private).map_err(io)?;
                pem
            }
            Err(error) => return Err(io(error)),
        };
        Self::from_pem(&pem).map_err(|detail| IdentityError::Damaged {
            path: path.to_owned(),
            detail,
        })
    }

    /// SHA-256 of the certificate's public key as the certificate has it (SubjectPublicKeyInfo).
    pub fn key_hash(&self) -> [u8; 32] {
        self.key_hash
    }

    /// Seed of the key by which an endpoint of this installation, started anew, tells peers that it has forgotten their
    /// connections. The same at every start; says nothing about the private key.
    pub(crate) fn reset_seed(&self) -> [u8; 32] {
        sha256(&[b"zongheng stateless reset\0", self.key.secret_der()]).0
    }

    /// A certificate made elsewhere, for tests of what peers may show.
    #[cfg(test)]
    pub(crate) fn of(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let key_hash = key_hash(&certificate)?;
        Ok(Self {
            certificate,
            key,
            key_hash,
        })
    }

    fn generate_pem() -> Result<Vec<u8>, IdentityError> {
        let generate = || -> Result<Vec<u8>, rcgen::Error> {
            let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
            let mut params = rcgen::CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, "zongheng instance");
            let certificate = params.self_signed(&key)?;
            Ok((key.serialize_pem() + &certificate.pem()).into_bytes())
        };
        generate().map_err(|error| IdentityError::Generate {
            detail: error.to_string(),
        })
    }

    fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| "没有证书".to_owned())?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "没有私钥".to_owned())?;
        let key_hash = key_hash(&certificate).map_err(|_| "证书无法解析".to_owned())?;
        let identity = Self {
            certificate,
            key,
            key_hash,
        };
        // the configuration checks that key and certificate belong together
        identity
            .client_config(&[b"check"])
            .map_err(|_| "证书与私钥不匹配".to_owned())?;
        Ok(identity)
    }

    /// The dialling side's TLS settings.
    pub(crate) fn client_config(&self, alpn: &[&[u8]]) -> Result<rustls::ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(KeyOnly(provider)))
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    /// The listening side's TLS settings.
    pub(crate) fn server_config(&self, alpn: &[&[u8]]) -> Result<rustls::ServerConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(KeyOnly(provider)))
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// SHA-256 of the public key in a certificate.
pub(crate) fn key_hash(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Error> {
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::BadEncoding.into());
    }
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(sha256(&[parsed.subject_public_key_info().as_ref()]).0)
}

/// The name that the dialling side sends: always the same, it says nothing about anybody.
pub(crate) const SERVER_NAME: &str = "zongheng";

/// Accepts a certificate that parses; the handshake's signature is what proves something.
#[derive(Debug)]
struct KeyOnly(Arc<CryptoProvider>);

impl KeyOnly {
    fn well_formed(
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
    ) -> Result<(), Error> {
        if !more.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        key_hash(certificate).map(|_| ())
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::Tls13RequiredForQuic.into())
}

impl ServerCertVerifier for KeyOnly {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::well_formed(certificate, more).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for KeyOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::well_formed(certificate, more).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_identity_is_generated_once_and_private() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("instance.pem");
        let first = InstanceIdentity::load_or_generate(&path).expect("generated");
        let second = InstanceIdentity::load_or_generate(&path).expect("loaded");
        assert_eq!(first.key_hash(), second.key_hash());
        let mode = std::fs::metadata(&path).expect("metadata").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let other = InstanceIdentity::generate().expect("generated");
        assert_ne!(other.key_hash(), first.key_hash());
    }

    #[test]
    fn a_damaged_identity_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("instance.pem");
        let a = String::from_utf8(InstanceIdentity::generate_pem().expect("pem")).expect("text");
        let b = String::from_utf8(InstanceIdentity::generate_pem().expect("pem")).expect("text");
        let at = |pem: &str| pem.find("-----BEGIN CERTIFICATE").expect("a certificate");
        let mixed = format!("{}{}", &a[..at(&a)], &b[at(&b)..]);
        for (content, expected) in [
            ("", "没有证书"),
            (&a[..at(&a)], "没有证书"),
            (&a[at(&a)..], "没有私钥"),
            (mixed.as_str(), "不匹配"),
        ] {
            std::fs::write(&path, content).expect("writing");
            let error = InstanceIdentity::load_or_generate(&path)
                .err()
                .expect("damaged");
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(std::fs::read_to_string(&path).expect("reading"), content);
        }
    }
}
