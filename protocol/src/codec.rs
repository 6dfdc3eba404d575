//! The only file that knows bincode: frames to bytes and back, under a limit and with every byte consumed.

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};

use crate::bytes::Malformed;
use crate::frame::{Frame, Routed, Want};
use crate::limits;

type Config = Configuration<LittleEndian, Varint, Limit<{ limits::FRAME_BYTES_MAX }>>;

const CONFIG: Config = config::standard().with_limit::<{ limits::FRAME_BYTES_MAX }>();
const VERSION: u8 = 1;

/// Bytes of a frame: a version byte, then the body.
pub fn encode(frame: &Frame) -> Vec<u8> {
    versioned(frame)
}

/// Reads a frame. Never panics, never allocates beyond the frame's bound; bytes left over are a malformation.
pub fn decode(bytes: &[u8]) -> Result<Frame, Malformed> {
    unversioned(bytes)
}

fn versioned<T: bincode::Encode>(value: &T) -> Vec<u8> {
    let mut out = vec![VERSION];
    bincode::encode_into_std_write(value, &mut out, CONFIG)
        .expect("writing into memory does not fail");
    out
}

fn unversioned<T: bincode::Decode<()>>(bytes: &[u8]) -> Result<T, Malformed> {
    let (version, body) = bytes.split_first().ok_or(Malformed::of("frame: empty"))?;
    if *version != VERSION {
        return Err(Malformed::of("frame: version"));
    }
    if bytes.len() > limits::FRAME_BYTES_MAX {
        return Err(Malformed::of("frame: too long"));
    }
    match bincode::decode_from_slice(body, CONFIG) {
        Ok((value, used)) if used == body.len() => Ok(value),
        Ok(_) => Err(Malformed::of("frame: bytes left over")),
        Err(_) => Err(Malformed::of("frame")),
    }
}

/// Bytes of a want, for a store: version byte and body.
pub fn encode_want(want: &Want) -> Vec<u8> {
    versioned(want)
}

/// Reads [`encode_want`].
pub fn decode_want(bytes: &[u8]) -> Result<Want, Malformed> {
    unversioned(bytes)
}

/// Bytes of a routing event, for a store: version byte and body.
pub fn encode_routed(routed: &Routed) -> Vec<u8> {
    versioned(routed)
}

/// Reads [`encode_routed`].
pub fn decode_routed(bytes: &[u8]) -> Result<Routed, Malformed> {
    unversioned(bytes)
}
