//! Names under which a listener may be asked: host names and addresses.

use std::fmt;
use std::net::IpAddr;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// A host name in lower case, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A host name, as in DNS; international ones in their ASCII form.
    Host(String),
    /// An address.
    Address(IpAddr),
}

impl Name {
    /// Reads a name without port: letters, digits, hyphens and dots, or an address. No wildcards.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last_is_number = |text: &str| {
            let last = text.rsplit('.').next().unwrap_or_default();
            last.bytes().all(|b| b.is_ascii_digit())
        };
        (text.len() <= 253 && text.split('.').all(label) && !last_is_number(text))
            .then(|| Self::Host(text.to_ascii_lowercase()))
    }

    /// The name in a `Host` header, its port left out.
    pub fn of_host_header(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return match Self::parse(address)? {
                name @ Self::Address(_) if port_fits && address.contains(':') => Some(name),
                _ => None,
            };
        }
        let name = match text.split_once(':') {
            Some((name, port)) => is_port(port).then_some(name)?,
            None => text,
        };
        // one dot at the end means the same name
        Self::parse(name.strip_suffix('.').unwrap_or(name))
    }

    /// Whether it means this machine itself.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Host(name) => name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::invalid_value(
                Unexpected::Str(&text),
                &"不带端口的主机名或 IP 地址，如 \"jianguan.example.gov.cn\"、\"10.0.0.10\"（中文域名请写其 ASCII 形式）",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hosts_and_addresses() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                Name::parse(text).map(|n| n.to_string()).as_deref(),
                expected,
                "{text}"
            );
        };
        check("Console.Example", Some("console.example"));
        check("zhjg", Some("zhjg"));
        check("10.0.0.10", Some("10.0.0.10"));
        check("fd00::1", Some("fd00::1"));
        check("*.example", None);
        check("a..b", None);
        check("-a.b", None);
        check("a.b:80", None);
        check("10.0.0", None);
        check("监管.example", None);
        check("", None);
        check(&"a.".repeat(140), None);
    }

    #[test]
    fn a_host_header_may_have_a_port() {
        let check = |text: &str, expected: Option<&str>| {
            let name = Name::of_host_header(text).map(|n| n.to_string());
            assert_eq!(name.as_deref(), expected, "{text}");
        };
        check("Console.example:8443", Some("console.example"));
        check("console.example.", Some("console.example"));
        check("127.0.0.1", Some("127.0.0.1"));
        check("[::1]:8080", Some("::1"));
        check("[::1]", Some("::1"));
        check("::1", None);
        check("[127.0.0.1]", None);
        check("[::1]x", None);
        check("a:b", None);
        check("a:80:80", None);
        check("", None);
        check("a b", None);
    }

    #[test]
    fn what_means_this_machine_is_local() {
        for (text, expected) in [
            ("localhost", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(
                Name::parse(text).expect(text).is_local(),
                expected,
                "{text}"
            );
        }
    }
}
