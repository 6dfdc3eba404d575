//! Length prefixes that promise more than is there make nobody reserve memory. One test in a program of its own, since it
//! looks at the address space of the whole process.

mod sample;

use protocol::batch::{Draft, Header};
use protocol::bytes::Reader;
use protocol::codec;
use protocol::directory::{EpochOpening, Identity, Root};
use protocol::entry::{Head, Hint, Key, Subject, read_fields};
use protocol::envelope::Envelope;
use protocol::limits;
use protocol::merkle::History;
use protocol::opening::Opening;
use protocol::receipt::Receipt;
use protocol::slice;
use protocol::value::Value;

/// Peak of the process's address space in bytes, as the kernel counts it; nothing where there is no such file.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmPeak:"))?;
    let kilobytes: usize = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

fn decode_as_everything(bytes: &[u8], header: &Header) {
    let mut r = Reader::new(bytes, "test");
    let _ = Value::read(&mut r);
    let _ = Subject::read(&mut Reader::new(bytes, "test"));
    let _ = Hint::read(&mut Reader::new(bytes, "test"));
    let _ = Key::from_bytes(bytes);
    let _ = Head::from_bytes(bytes);
    let _ = read_fields(bytes);
    let _ = Opening::from_bytes(bytes);
    let _ = Draft::from_bytes(bytes.to_vec());
    let _ = Envelope::from_bytes(bytes);
    let _ = Header::from_bytes(bytes);
    let _ = Root::from_bytes(bytes);
    let _ = Identity::from_bytes(bytes);
    let _ = EpochOpening::from_bytes(bytes);
    let _ = Receipt::from_bytes(bytes);
    let _ = History::from_bytes(bytes);
    let _ = slice::opened(header, bytes);
    let _ = slice::unpack(bytes);
    let _ = codec::decode(bytes);
}

#[test]
fn promises_reserve_no_memory() {
    let city = sample::city();
    let (_, sealed) = sample::batches(&city).swap_remove(0);
    let header = Header::from_bytes(&sealed.header.bytes).expect("our own header");
    let seeds = [
        sample::registration(1, Hint::Unknown).as_bytes().to_vec(),
        sealed.header.to_bytes(),
        sealed.header.bytes.clone(),
        sealed.body.clone(),
        slice::pack(&sealed.body),
        city.department.to_bytes(),
        codec::encode(&protocol::frame::Frame::Receipts(vec![vec![1; 40]; 3])),
    ];
    decode_as_everything(&seeds[0], &header);
    let before = peak();
    for seed in &seeds {
        for at in 0..seed.len() {
            let mut bytes = seed.clone();
            let end = bytes.len().min(at + 8);
            bytes[at..end].fill(0xff);
            decode_as_everything(&bytes, &header);
            bytes.truncate(end);
            decode_as_everything(&bytes, &header);
        }
    }
    // counts and lengths of bincode's widest forms behind every frame and variant number
    for variant in 0..12u8 {
        for marker in [250, 251, 252, 253, 254, 255] {
            for inner in 0..4u8 {
                let promise = [&[1, variant, inner, marker], [0xff; 24].as_slice()].concat();
                decode_as_everything(&promise, &header);
                let promise = [&[1, variant, marker], [0x3f; 24].as_slice()].concat();
                decode_as_everything(&promise, &header);
            }
        }
    }
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(
            after - before < 8 * limits::FRAME_BYTES_MAX,
            "the address space grew from {before} to {after} bytes"
        );
    }
}
