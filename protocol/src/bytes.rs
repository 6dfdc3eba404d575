//! Layout by hand: how integers, texts and byte strings are written in everything that is hashed or signed.
//!
//! Fixed order, big-endian, length prefixes. Nothing here knows what is being laid out. [`Reader`] never allocates and
//! never panics; a length prefix is believed only as far as the bytes that are really there.

/// Bytes that do not follow the layout. Whoever produced them is at fault; nothing was taken from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes: {what}")]
pub struct Malformed {
    /// Which part of which layout did not fit.
    pub what: &'static str,
}

impl Malformed {
    /// A malformation in the named part.
    pub const fn of(what: &'static str) -> Self {
        Self { what }
    }
}

/// Appending in the layout's integer and string forms.
pub trait Put {
    /// One byte.
    fn put_u8(&mut self, v: u8);
    /// Two bytes, big-endian.
    fn put_u16(&mut self, v: u16);
    /// Four bytes, big-endian.
    fn put_u32(&mut self, v: u32);
    /// Eight bytes, big-endian.
    fn put_u64(&mut self, v: u64);
    /// Eight bytes, big-endian, two's complement.
    fn put_i64(&mut self, v: i64);
    /// Bytes without a length (fixed-size parts).
    fn put(&mut self, v: &[u8]);
    /// A string of at most 255 bytes after a one-byte length. Longer input is a caller's mistake and is cut by `debug_assert`.
    fn put_short(&mut self, v: &[u8]);
    /// A string of at most 65,535 bytes after a two-byte length.
    fn put_medium(&mut self, v: &[u8]);
    /// A string after a four-byte length.
    fn put_long(&mut self, v: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, v: u8) {
        self.push(v);
    }
    fn put_u16(&mut self, v: u16) {
        self.extend_from_slice(&v.to_be_bytes());
    }
    fn put_u32(&mut self, v: u32) {
        self.extend_from_slice(&v.to_be_bytes());
    }
    fn put_u64(&mut self, v: u64) {
        self.extend_from_slice(&v.to_be_bytes());
    }
    fn put_i64(&mut self, v: i64) {
        self.extend_from_slice(&v.to_be_bytes());
    }
    fn put(&mut self, v: &[u8]) {
        self.extend_from_slice(v);
    }
    fn put_short(&mut self, v: &[u8]) {
        assert!(
            v.len() <= usize::from(u8::MAX),
            "short string over 255 bytes"
        );
        self.push(v.len() as u8);
        self.extend_from_slice(v);
    }
    fn put_medium(&mut self, v: &[u8]) {
        assert!(
            v.len() <= usize::from(u16::MAX),
            "medium string over 65535 bytes"
        );
        self.put_u16(v.len() as u16);
        self.extend_from_slice(v);
    }
    fn put_long(&mut self, v: &[u8]) {
        assert!(u32::try_from(v.len()).is_ok(), "long string over 4 GiB");
        self.put_u32(v.len() as u32);
        self.extend_from_slice(v);
    }
}

/// Reading the same forms back, borrowed from the input.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; `what` names the layout in errors.
    pub const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    /// The error that this reader reports.
    pub const fn malformed(&self) -> Malformed {
        Malformed { what: self.what }
    }

    /// Bytes not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends reading; bytes left over are a malformation, so that no two byte strings mean the same.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self
            .rest
            .split_at_checked(n)
            .ok_or(Malformed { what: self.what })?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Malformed { what: self.what })?;
        self.rest = rest;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }
    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }
    /// Eight bytes, big-endian, two's complement.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array()?))
    }
    /// Bytes after a one-byte length.
    pub fn short(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u8()?;
        self.take(usize::from(n))
    }
    /// Bytes after a two-byte length.
    pub fn medium(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }
    /// Bytes after a four-byte length.
    pub fn long(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u32()?;
        self.take(n as usize)
    }
    /// Text after a one-byte length: UTF-8 without U+0000.
    pub fn short_text(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.short()?;
        text(bytes).ok_or(Malformed { what: self.what })
    }
    /// Text after a two-byte length: UTF-8 without U+0000.
    pub fn medium_text(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.medium()?;
        text(bytes).ok_or(Malformed { what: self.what })
    }
    /// Text after a four-byte length: UTF-8 without U+0000.
    pub fn long_text(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.long()?;
        text(bytes).ok_or(Malformed { what: self.what })
    }
    /// A presence byte: 0 or 1, anything else is malformed.
    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed()),
        }
    }
}

/// Text as the protocol has it: UTF-8 as given, without U+0000.
pub fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.contains(&0) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}
