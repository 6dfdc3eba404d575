//! Who asks: the client's address and whether its connection is encrypted, also through reverse proxies. Only a proxy that the
//! configuration names is believed, since anybody can write a header.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use runtime::listener::prefix::Prefix;

/// The other end of a connection, put beside each request by whoever serves it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived {
    pub(crate) peer: IpAddr,
    pub(crate) secure: bool,
}

/// Who asks, put there by `frame::headers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Whether the client itself came by HTTPS.
    pub(crate) secure: bool,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Client {
    /// The client of a request: the other end of the connection, or what trusted proxies say of theirs, up to the first
    /// that is none. What is said in two ways that differ is believed in neither.
    pub(crate) fn of(arrived: Arrived, headers: &HeaderMap, trusted: &[Prefix]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|prefix| prefix.holds(address));
        let peer = arrived.peer.to_canonical();
        let direct = Self {
            address: peer,
            secure: arrived.secure,
        };
        if !is_trusted(peer) {
            return direct;
        }
        let walk = |hops: &[Option<IpAddr>]| {
            let mut at = peer;
            for hop in hops.iter().rev() {
                match hop {
                    Some(address) if is_trusted(at) => at = *address,
                    _ => break,
                }
            }
            at
        };
        let plain = list(headers, &FORWARDED_FOR)
            .map(|all| all.iter().map(|hop| address(hop)).collect::<Vec<_>>());
        let standard = list(headers, &header::FORWARDED);
        let hops = standard.as_ref().map(|all| {
            let said = |hop: &String| parameter(hop, "for").and_then(|text| address(&text));
            all.iter().map(said).collect::<Vec<_>>()
        });
        let address = match (plain.as_deref().map(walk), hops.as_deref().map(walk)) {
            (Some(one), Some(other)) if one != other => peer,
            (Some(one), _) | (None, Some(one)) => one,
            (None, None) => peer,
        };
        let scheme = list(headers, &FORWARDED_PROTO)
            .and_then(|all| all.last().cloned())
            .or_else(|| parameter(standard?.last()?, "proto"));
        Self {
            address,
            secure: arrived.secure || scheme.is_some_and(|s| s.eq_ignore_ascii_case("https")),
        }
    }
}

impl Arrived {
    /// What stands beside a request; for one that nobody served over a connection, nobody.
    pub(crate) fn beside(extensions: &axum::http::Extensions) -> Self {
        let nobody = Self {
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            secure: false,
        };
        extensions.get::<Self>().copied().unwrap_or(nobody)
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().copied();
        Ok(known
            .unwrap_or_else(|| Self::of(Arrived::beside(&parts.extensions), &parts.headers, &[])))
    }
}

/// The elements of a header that is a list, over all its lines; nothing if there is none.
fn list(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    let mut all = Vec::new();
    for line in lines {
        // what is no text is an element that says nothing
        let line = line.to_str().unwrap_or("");
        let (mut element, mut quoted) = (String::new(), false);
        for c in line.chars() {
            quoted ^= c == '"';
            if c == ',' && !quoted {
                all.push(std::mem::take(&mut element).trim().to_owned());
            } else {
                element.push(c);
            }
        }
        all.push(element.trim().to_owned());
    }
    Some(all)
}

/// A parameter of an element of `Forwarded`.
fn parameter(element: &str, name: &str) -> Option<String> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let wanted = key.trim().eq_ignore_ascii_case(name);
        wanted.then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// An address, its port left out.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|a| a.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client that a connection from `peer` with these headers is of, behind proxies in 10.0.0.0/8 and on loopback.
    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "127.0.0.1"].map(|t| Prefix::parse(t).expect("a prefix"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                value.parse().expect("a value"),
            );
        }
        let arrived = Arrived {
            peer: peer.parse().expect("an address"),
            secure: false,
        };
        let client = Client::of(arrived, &map, &trusted);
        let scheme = if client.secure { " https" } else { "" };
        format!("{}{scheme}", client.address)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        const XFF: &str = "x-forwarded-for";
        const FWD: &str = "forwarded";
        const XFP: &str = "x-forwarded-proto";
        let check = |peer: &str, headers: &[(&'static str, &str)], expected: &str| {
            assert_eq!(client(peer, headers), expected, "{peer} {headers:?}");
        };
        check("192.0.2.1", &[], "192.0.2.1");
        check(
            "192.0.2.1",
            &[(XFF, "198.51.100.7"), (XFP, "https")],
            "192.0.2.1",
        );
        check("127.0.0.1", &[], "127.0.0.1");
        check(
            "127.0.0.1",
            &[(XFF, "198.51.100.7"), (XFP, "https")],
            "198.51.100.7 https",
        );
        check("::ffff:127.0.0.1", &[(XFF, "198.51.100.7")], "198.51.100.7");
        // the rightmost that is no proxy of ours; what stands before it was written by anybody
        check(
            "127.0.0.1",
            &[(XFF, "1.1.1.1, 198.51.100.7, 10.0.0.3")],
            "198.51.100.7",
        );
        check(
            "127.0.0.1",
            &[(XFF, "1.1.1.1"), (XFF, "198.51.100.7")],
            "198.51.100.7",
        );
        check(
            "127.0.0.1",
            &[(XFF, "1.1.1.1, nonsense, 10.0.0.3")],
            "10.0.0.3",
        );
        check("127.0.0.1", &[(XFF, "nonsense")], "127.0.0.1");
        check("127.0.0.1", &[(XFF, "")], "127.0.0.1");
        check("127.0.0.1", &[(XFF, "198.51.100.7:4711")], "198.51.100.7");
        check("127.0.0.1", &[(XFF, "[2001:db8::1]:4711")], "2001:db8::1");
        check("127.0.0.1", &[(XFF, "10.0.0.9")], "10.0.0.9");
        check(
            "127.0.0.1",
            &[(FWD, "for=198.51.100.7;proto=https")],
            "198.51.100.7 https",
        );
        check(
            "127.0.0.1",
            &[(
                FWD,
                "for=1.1.1.1, For=\"[2001:db8::1]:47\"; Proto=\"https\"",
            )],
            "2001:db8::1 https",
        );
        check("127.0.0.1", &[(FWD, "for=unknown")], "127.0.0.1");
        check(
            "127.0.0.1",
            &[(FWD, "by=\"a,b\";for=198.51.100.7")],
            "198.51.100.7",
        );
        // a proxy writes one of the two, and the other may be the client's own invention
        check(
            "127.0.0.1",
            &[(XFF, "198.51.100.7"), (FWD, "for=1.1.1.1")],
            "127.0.0.1",
        );
        check(
            "127.0.0.1",
            &[(XFF, "198.51.100.7"), (FWD, "for=198.51.100.7")],
            "198.51.100.7",
        );
        check("127.0.0.1", &[(XFP, "https, http")], "127.0.0.1");
    }
}
