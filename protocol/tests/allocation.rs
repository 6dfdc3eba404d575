//! Length prefixes that promise more than is there make nobody reserve memory. One test in a program of its own, since it
//! looks at the address space of the whole process.

mod sample;

use protocol::admission::exchange::{FromNewcomer, FromServer};
use protocol::batch::{Draft, Header};
use protocol::bytes::Reader;
use protocol::codec;
use protocol::entry::{Head, Hint, Key, Provenance, Subject, read_fields};
use protocol::envelope::Envelope;
use protocol::feed_head::FeedHead;
use protocol::frame::Frame;
use protocol::hash::Hash;
use protocol::limits;
use protocol::merkle::History;
use protocol::opening::Opening;
use protocol::receipt::Receipt;
use protocol::sign::{Keys, Sigs};
use protocol::slice;
use protocol::statement::{
    Activation, Closing, EpochOpening, Erasure, ForkDecision, Identity, Revocation, Root,
};
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
    let _ = Keys::read(&mut Reader::new(bytes, "test"));
    let _ = Sigs::read(&mut Reader::new(bytes, "test"));
    let _ = Root::from_bytes(bytes);
    let _ = Identity::from_bytes(bytes);
    let _ = Revocation::from_bytes(bytes);
    let _ = EpochOpening::from_bytes(bytes);
    let _ = Closing::from_bytes(bytes);
    let _ = ForkDecision::from_bytes(bytes);
    let _ = Activation::from_bytes(bytes);
    let _ = Erasure::from_bytes(bytes);
    let _ = Receipt::from_bytes(bytes);
    let _ = FeedHead::from_bytes(bytes);
    let _ = FromNewcomer::from_bytes(bytes);
    let _ = FromServer::from_bytes(bytes);
    let _ = Provenance::from_section(bytes);
    let _ = History::from_bytes(bytes);
    let _ = slice::opened(header, bytes);
    let _ = slice::Parts::of(header, bytes);
    let _ = slice::merge(header, bytes, bytes, &|_: u32, _: &Hash, _: u8| false);
    let _ = slice::unpack(bytes);
    let _ = codec::decode(bytes);
    let _ = codec::decode_want(bytes);
    let _ = codec::decode_routed(bytes);
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
        codec::encode(&Frame::Receipts(vec![sealed.header.to_bytes(); 3])),
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
    // counts and lengths behind every frame number, at every place that a body can have one, in every width
    for number in 0..=12u8 {
        for zeros in 0..64usize {
            for promise in [[0xff; 8], [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [0x3f; 8]] {
                let body = [vec![0; zeros], promise.to_vec(), vec![1; 16]].concat();
                let length = (body.len() as u32).to_be_bytes();
                let frame = [&[number], length.as_slice(), &body].concat();
                decode_as_everything(&frame, &header);
                decode_as_everything(&body, &header);
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
