//! Frames to bytes and back: framing, and the forms of bodies.
//!
//! A frame is `number u8, length u32, body`. In bodies integers are big-endian and of fixed width, every count and every
//! length is a `u64`, a flag is one byte 0 or 1, and members follow each other in their order: the form that bincode 2 gives
//! to such structures. It is laid out by hand, so that every count and length is checked against its bound and against the
//! bytes that are really there before anything is reserved for it. A longer body is read up to what is known.

use crate::bytes::{self, Malformed, Put, Reader};
use crate::frame::{Frame, FrameFault, Routed, Want};
use crate::limits;

#[cfg(test)]
mod tests;

/// Bytes before a frame's body: number and length.
pub const HEADER_BYTES: usize = 5;

/// Length of the body that a frame's first bytes announce, if it is at most `most`: [`limits::GREETING_FRAME_BYTES_MAX`]
/// before the peer's hello is believed, [`limits::FRAME_BYTES_MAX`] afterwards.
pub fn length(header: [u8; HEADER_BYTES], most: usize) -> Result<usize, Malformed> {
    let [_, length @ ..] = header;
    match u32::from_be_bytes(length) as usize {
        length if length > most => Err(Malformed::of("frame: too long")),
        length => Ok(length),
    }
}

/// Bytes of a frame.
pub fn encode(frame: &Frame) -> Vec<u8> {
    let mut out = vec![frame.number(), 0, 0, 0, 0];
    frame.put_body(&mut out);
    let length = (out.len() - HEADER_BYTES) as u32;
    out[1..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    out
}

/// Reads exactly one frame. Never panics, never reserves more than the bytes justify.
pub fn decode(bytes: &[u8]) -> Result<Frame, FrameFault> {
    let (header, body) = bytes
        .split_first_chunk::<HEADER_BYTES>()
        .ok_or(Malformed::of("frame: shorter than its header"))?;
    if length(*header, limits::FRAME_BYTES_MAX)? != body.len() {
        return Err(Malformed::of("frame: length").into());
    }
    Frame::from_parts(header[0], body)
}

/// Bytes of a want, for a store.
pub fn encode_want(want: &Want) -> Vec<u8> {
    want.to_bytes()
}

/// Reads [`encode_want`].
pub fn decode_want(bytes: &[u8]) -> Result<Want, Malformed> {
    Want::from_bytes(bytes)
}

/// Bytes of a routing event, for a store: the body of its item.
pub fn encode_routed(routed: &Routed) -> Vec<u8> {
    let mut out = Vec::new();
    routed.put(&mut out);
    out
}

/// Reads [`encode_routed`].
pub fn decode_routed(bytes: &[u8]) -> Result<Routed, Malformed> {
    Routed::read(&mut Reader::new(bytes, "routing event"))
}

/// A part of a body: written and read in the order of its members.
pub(crate) trait Body: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it; whether bytes are left is the caller's matter.
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// Appending in the forms of bodies that [`Put`] does not have.
pub(crate) trait PutBody {
    /// Bytes, or the bytes of a text, behind their length.
    fn put_bytes(&mut self, bytes: &[u8]);
    /// Elements behind their count.
    fn put_list<T>(&mut self, all: &[T], put: impl FnMut(&mut Vec<u8>, &T));
}

impl PutBody for Vec<u8> {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_u64(bytes.len() as u64);
        self.put(bytes);
    }

    fn put_list<T>(&mut self, all: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
        self.put_u64(all.len() as u64);
        for one in all {
            put(self, one);
        }
    }
}

fn count(r: &mut Reader<'_>, most: usize) -> Result<usize, Malformed> {
    match r.u64()? {
        n if n > most as u64 => Err(r.malformed()),
        n => Ok(n as usize),
    }
}

/// At most `most` bytes.
pub(crate) fn bytes<'a>(r: &mut Reader<'a>, most: usize) -> Result<&'a [u8], Malformed> {
    let n = count(r, most)?;
    r.take(n)
}

/// Text of at most `most` bytes: UTF-8 without U+0000.
pub(crate) fn text(r: &mut Reader<'_>, most: usize) -> Result<String, Malformed> {
    let bytes = bytes(r, most)?;
    bytes::text(bytes).map(str::to_owned).ok_or(r.malformed())
}

/// At most `most` elements. Nothing is reserved for those that are only promised.
pub(crate) fn list<T>(
    r: &mut Reader<'_>,
    most: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let n = count(r, most)?;
    let mut all = Vec::new();
    for _ in 0..n {
        all.push(read(r)?);
    }
    Ok(all)
}
