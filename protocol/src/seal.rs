//! Seal keys (X25519, key use 2): what is for one seat alone is sealed to the public half, which stands in its identity.
//! This release makes and states them; nothing is sealed to them yet.

use x25519_dalek::{PublicKey, StaticSecret};

/// The secret half of a seal key: made from 32 random bytes that the caller draws and keeps beside the signing key, outside
/// of database backups.
#[derive(Clone)]
pub struct SealKey(StaticSecret);

impl SealKey {
    /// The key of a secret. Every 32 bytes are one.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(StaticSecret::from(*secret))
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7748: the second key pair of section 6.1, and the first iteration of section 5.2.
    #[test]
    fn the_public_half_is_that_of_the_standard() {
        let check = |secret: &str, public: &str| {
            let secret: [u8; 32] = crate::name::from_hex(secret).expect("32 bytes");
            let public: [u8; 32] = crate::name::from_hex(public).expect("32 bytes");
            assert_eq!(SealKey::from_secret(&secret).public(), public);
        };
        check(
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        );
        check(
            "0900000000000000000000000000000000000000000000000000000000000000",
            "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
        );
    }
}
