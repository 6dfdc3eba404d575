//! The local authority (D77): a certificate authority of this installation alone, which people import once, so that a
//! console without a bought certificate is reached over HTTPS all the same.
//!
//! Whoever imports it trusts nothing but the configured names: its certificate has critical constraints to exactly those and
//! may have no authority below it. Its key stays when names change; its certificate is made anew then and has to be imported
//! again. Certificates for the listener are made from it at every start and before two thirds of their time are over.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::hash::sha256;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::https::HttpsError;
use super::name::Name;
use crate::door;
use crate::files::{self, Access};

const DAY_S: i64 = 86_400;
/// Certificates begin so long before they were made: clocks of browsers are slow now and then.
const BACKDATED_S: i64 = 30 * DAY_S;
/// A listener's certificate is valid for so long in all, which is what browsers bear.
const LEAF_S: i64 = 397 * DAY_S;
/// After so long another one is made: two thirds of what is ahead of it.
const LEAF_RENEWED_S: i64 = (LEAF_S - BACKDATED_S) / 3 * 2;
/// The authority's own certificate is valid for so long in all.
const AUTHORITY_S: i64 = 3_653 * DAY_S;
/// It is made anew when less than a listener's certificate is left of it.
const AUTHORITY_RENEWED_S: i64 = AUTHORITY_S - BACKDATED_S - LEAF_S;
/// Bytes of the file.
const FILE_BYTES_MAX: usize = 64 << 10;
/// First words of the line that says since when and for which names the authority's certificate is.
const FOR: &str = "zongheng-authority 1";

/// The local authority of an installation.
pub struct Authority {
    key: KeyPair,
    certificate: CertificateDer<'static>,
    pem: String,
    names: Vec<Name>,
    made_s: i64,
}

/// A certificate for a listener with its key.
pub(super) struct Leaf {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Good to be shown from and until then; outside of that another one is needed.
    pub(super) from_s: i64,
    pub(super) until_s: i64,
}

impl Authority {
    /// The authority in `path`, a private file with key and certificate; made if there is none, its certificate made anew if
    /// it is for other names or near its end. Next to it, under the ending `crt`, lies what people import.
    pub fn load_or_make(path: &Path, names: &[Name], now_s: i64) -> Result<Self, HttpsError> {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        let io = |source| HttpsError::File {
            path: path.to_owned(),
            source,
        };
        let (stored, known) = stored(path)?.unzip();
        let authority = match known {
            Some(known) if known.names == names && known.is_current(now_s) => known,
            Some(known) => Self::make(known.key, names, now_s)?,
            None => Self::make(
                KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?,
                names,
                now_s,
            )?,
        };
        let text = authority.text();
        if stored.as_deref() != Some(text.as_str()) {
            files::write_atomic(path, text.as_bytes(), Access::Private).map_err(io)?;
        }
        let public = path.with_extension("crt");
        files::write_atomic(&public, authority.pem.as_bytes(), Access::Group).map_err(
            |source| HttpsError::File {
                path: public.clone(),
                source,
            },
        )?;
        Ok(authority)
    }

    /// Whether what lies in `path` can be used, if anything does. Makes nothing.
    pub fn check(path: &Path) -> Result<(), HttpsError> {
        stored(path).map(drop)
    }

    /// Where the certificate for import lies, of an authority at `path`.
    pub fn public_file(path: &Path) -> PathBuf {
        path.with_extension("crt")
    }

    /// The certificate to be imported, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of the certificate, as browsers show it.
    pub fn fingerprint(&self) -> String {
        let bytes = sha256(&[self.certificate.as_ref()]).0;
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    fn make(key: KeyPair, names: Vec<Name>, now_s: i64) -> Result<Self, HttpsError> {
        let made = params(&key, &names, now_s)?.self_signed(&key)?;
        Ok(Self {
            pem: made.pem(),
            certificate: made.der().clone(),
            key,
            names,
            made_s: now_s,
        })
    }

    /// A clock that went back makes it new as well: what is not valid yet is refused like what is not any more.
    fn is_current(&self, now_s: i64) -> bool {
        (self.made_s - BACKDATED_S..self.made_s + AUTHORITY_RENEWED_S).contains(&now_s)
    }

    /// A new key and its certificate for the names of the authority.
    pub(super) fn leaf(&self, now_s: i64) -> Result<Leaf, HttpsError> {
        let above = params(&self.key, &self.names, self.made_s)?;
        let issuer = Issuer::from_params(&above, &self.key);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        for name in &self.names {
            params.subject_alt_names.push(match name {
                Name::Host(host) => SanType::DnsName(host.as_str().try_into()?),
                Name::Address(address) => SanType::IpAddress(*address),
            });
        }
        params.distinguished_name = named(
            &self
                .names
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
        );
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial());
        date(&mut params, now_s - BACKDATED_S, LEAF_S);
        let made = params.signed_by(&key, &issuer)?;
        Ok(Leaf {
            certificate: made.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            from_s: now_s - BACKDATED_S,
            until_s: now_s + LEAF_RENEWED_S,
        })
    }

    fn text(&self) -> String {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        format!(
            "{FOR} {} {}\n{}{}",
            self.made_s,
            names.join(" "),
            self.key.serialize_pem(),
            self.pem
        )
    }
}

/// The text of the file in `path` and the authority that it holds; nothing if there is none.
fn stored(path: &Path) -> Result<Option<(String, Authority)>, HttpsError> {
    let damaged = || HttpsError::Damaged {
        path: path.to_owned(),
    };
    let bytes = match files::read_bounded(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(HttpsError::File { path, source });
        }
    };
    let text = String::from_utf8(bytes).map_err(|_| damaged())?;
    let authority = stored_in(&text).ok_or_else(damaged)?;
    Ok(Some((text, authority)))
}

fn stored_in(text: &str) -> Option<Authority> {
    let mut words = text
        .lines()
        .next()?
        .strip_prefix(FOR)?
        .split_ascii_whitespace();
    let made_s = words.next()?.parse().ok()?;
    let names = words.map(Name::parse).collect::<Option<Vec<_>>>()?;
    let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
    let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()? else {
        return None;
    };
    let key = KeyPair::try_from(&key).ok()?;
    let pem = text.get(text.find("-----BEGIN CERTIFICATE")?..)?.to_owned();
    Some(Authority {
        key,
        certificate,
        pem,
        names,
        made_s,
    })
}

fn params(key: &KeyPair, names: &[Name], now_s: i64) -> Result<CertificateParams, HttpsError> {
    let mut params = CertificateParams::default();
    let id = sha256(&[key.public_key_raw()]).to_string();
    params.distinguished_name = named(&format!("Zongheng local authority {}", &id[..8]));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(constraints(names));
    params.serial_number = Some(serial());
    date(&mut params, now_s - BACKDATED_S, AUTHORITY_S);
    Ok(params)
}

/// Exactly the names. A kind of name of which there is none is excluded as a whole, since what no constraint speaks of is free.
fn constraints(names: &[Name]) -> NameConstraints {
    let permitted_subtrees: Vec<_> = names
        .iter()
        .map(|name| match name {
            Name::Host(host) => GeneralSubtree::DnsName(host.clone()),
            Name::Address(address) => {
                let whole = if address.is_ipv4() { 32 } else { 128 };
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, whole))
            }
        })
        .collect();
    let mut excluded_subtrees = Vec::new();
    if !names.iter().any(|name| matches!(name, Name::Host(_))) {
        excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
    }
    let any = |v4: bool| {
        names
            .iter()
            .any(|name| matches!(name, Name::Address(a) if matches!(a, IpAddr::V4(_)) == v4))
    };
    if !any(true) {
        excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
    }
    if !any(false) {
        excluded_subtrees.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    NameConstraints {
        permitted_subtrees,
        excluded_subtrees,
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Random: the same key makes several certificates.
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = door::random();
    // positive, and as long as it looks
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Gives a certificate its dates, whatever the clock says.
fn date(params: &mut CertificateParams, from_s: i64, seconds: i64) {
    let day = |at_s: i64| {
        let within = u64::try_from(at_s).unwrap_or(0).min(250_000_000_000);
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(within)
    };
    params.not_before = day(from_s);
    params.not_after = day(from_s.saturating_add(seconds));
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_790_000_000;

    fn names(texts: &[&str]) -> Vec<Name> {
        let name = |text: &&str| Name::parse(text).expect("a name");
        texts.iter().map(name).collect()
    }

    #[test]
    fn the_authority_stays_until_names_change_or_its_time_is_near() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authority.pem");
        let at = |texts: &[&str], now_s| {
            Authority::load_or_make(&path, &names(texts), now_s).expect("an authority")
        };
        let first = at(&["b.example", "10.0.0.1"], NOW_S);
        let same = at(&["10.0.0.1", "b.example", "b.example"], NOW_S + 300 * DAY_S);
        assert_eq!(first.fingerprint(), same.fingerprint());
        let other = at(&["b.example"], NOW_S);
        assert_ne!(first.fingerprint(), other.fingerprint());
        assert_eq!(first.key.public_key_raw(), other.key.public_key_raw());
        let late = at(&["b.example"], NOW_S + AUTHORITY_RENEWED_S);
        assert_ne!(late.fingerprint(), other.fingerprint());
        let back = at(&["b.example"], NOW_S);
        assert_ne!(back.fingerprint(), late.fingerprint(), "not valid yet");
        let public = std::fs::read_to_string(Authority::public_file(&path)).expect("a file");
        assert_eq!(public, back.pem());
        assert!(!public.contains("PRIVATE"));
    }

    #[test]
    fn a_look_makes_nothing_and_sees_what_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authority.pem");
        assert!(Authority::check(&path).is_ok(), "none is there yet");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 0);
        Authority::load_or_make(&path, &names(&["a"]), NOW_S).expect("made");
        assert!(Authority::check(&path).is_ok());
        std::fs::write(&path, "no authority").expect("written");
        let damaged = Authority::check(&path);
        assert!(matches!(damaged, Err(HttpsError::Damaged { .. })));
    }

    #[test]
    fn a_damaged_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authority.pem");
        let good = Authority::make(
            KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key"),
            names(&["a"]),
            NOW_S,
        )
        .expect("made")
        .text();
        let no_key = good.replace("PRIVATE KEY", "OTHER KEY");
        let no_line = good.replace(FOR, "");
        for text in [
            "",
            "zongheng-authority 1 x a",
            &no_key,
            &no_line,
            &good[..80],
        ] {
            std::fs::write(&path, text).expect("written");
            let made = Authority::load_or_make(&path, &names(&["a"]), NOW_S);
            let error = made.err().expect("refused");
            assert!(matches!(error, HttpsError::Damaged { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
    }
}
