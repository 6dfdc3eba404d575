//! Ranges of IP addresses, and which addresses count as one party.

use std::net::{IpAddr, Ipv6Addr};

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// An address, or a range of them as `10.0.0.0/8`. IPv4 addresses that are written as IPv6 ones are IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Reads `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`. Nothing for anything else, bits beyond the length included.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(bits.parse::<u8>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let written: IpAddr = address.parse().ok()?;
        let address = written.to_canonical();
        let whole: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            // the length counts in the form that was written
            Some(bits) if written != address => bits.checked_sub(96)?,
            Some(bits) => bits,
            None => whole,
        };
        let prefix = Self { address, bits };
        (bits <= whole && masked(address, bits) == address).then_some(prefix)
    }

    /// Whether an address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::invalid_value(
                Unexpected::Str(&text),
                &"IP 地址或网段，如 \"10.0.0.1\"、\"10.0.0.0/8\"（网段的主机位须为 0）",
            )
        })
    }
}

/// Whom an address counts as: an IPv4 address is one party, and so is the /64 of an IPv6 address, out of which anybody may
/// take as many as he likes.
pub fn party(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => masked(IpAddr::V6(address), 64),
        address => address,
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(bits.min(32)))
                .unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(bits.min(128)))
                .unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: &str, address: &str, expected: bool) {
        let prefix = Prefix::parse(prefix).expect(prefix);
        let address = address.parse().expect(address);
        assert_eq!(prefix.holds(address), expected, "{prefix:?} {address}");
    }

    #[test]
    fn a_prefix_holds_its_addresses() {
        check("10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
        check("10.0.0.0/8", "10.255.1.2", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.1.1", true);
        check("::ffff:10.0.0.0/104", "10.1.1.1", true);
        check("0.0.0.0/0", "192.0.2.1", true);
        check("0.0.0.0/0", "::1", false);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "fe00::1", false);
        check("::/0", "2001:db8::1", true);
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "fd00::/129",
            "example",
            "10.0.0.0/8/8",
            "10.0.0.1:80",
            "::ffff:10.0.0.0/8",
        ] {
            assert_eq!(Prefix::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_party_is_an_address_or_a_network_of_them() {
        let check = |address: &str, expected: &str| {
            let address: IpAddr = address.parse().expect(address);
            assert_eq!(party(address).to_string(), expected);
        };
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
        check("::1", "::");
    }
}
