//! Keys of records within (type, origin).

use std::fmt;

use crate::bytes::{Malformed, Put, Reader};
use crate::hash;
use crate::limits;
use crate::value::{Value, ValueRef};

const CLEAR: u8 = 1;
const HASHED: u8 = 2;
const PERSONAL: u8 = 3;

/// A record's key within (type, origin). Never personal data in the clear (D11).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// Key columns as tagged values in the standard's order; over 256 bytes their hash stands for them.
    pub fn columns(values: &[Value]) -> Self {
        let clear = clear(values);
        if clear.len() <= limits::KEY_BYTES_MAX {
            return Self(clear);
        }
        let mut short = vec![HASHED];
        short.put(&hash::sha256(&[&clear]).0);
        Self(short)
    }

    /// A key with a personal column: HMAC under the seat's key secret.
    pub fn personal(values: &[Value], secret: &[u8; 32]) -> Self {
        let mut out = vec![PERSONAL];
        out.put(&hash::hmac(secret, &clear(values)).0);
        Self(out)
    }

    /// The key of a marker that a generation is complete: no columns.
    pub fn marker() -> Self {
        Self(vec![CLEAR, 0])
    }

    /// Whether this is the key without columns.
    pub fn is_marker(&self) -> bool {
        self.0 == [CLEAR, 0]
    }

    /// A key from the bytes that [`Key::as_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::check(bytes)?;
        Ok(Self(bytes.to_vec()))
    }

    /// Whether the bytes are a key's; copies nothing.
    pub(crate) fn check(bytes: &[u8]) -> Result<(), Malformed> {
        let mut r = Reader::new(bytes, "key");
        match r.u8()? {
            CLEAR if bytes.len() <= limits::KEY_BYTES_MAX => {
                for _ in 0..r.u8()? {
                    ValueRef::read(&mut r)?;
                }
            }
            HASHED | PERSONAL => {
                r.array::<32>()?;
            }
            _ => return Err(r.malformed()),
        }
        r.finish()
    }

    /// Bytes of the key; keys are equal when these are.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key columns, if they are in the clear.
    pub fn values(&self) -> Option<Vec<Value>> {
        let mut r = Reader::new(self.0.strip_prefix(&[CLEAR])?, "key");
        let n = r.u8().ok()?;
        (0..n).map(|_| Value::read(&mut r).ok()).collect()
    }
}

fn clear(values: &[Value]) -> Vec<u8> {
    let mut out = vec![CLEAR, values.len() as u8];
    values.iter().for_each(|v| v.put(&mut out));
    out
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.values() {
            Some(values) => {
                for (at, v) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" / ")?;
                    }
                    write!(f, "{v}")?;
                }
                Ok(())
            }
            None => self.0[1..]
                .iter()
                .take(8)
                .try_for_each(|b| write!(f, "{b:02x}")),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
