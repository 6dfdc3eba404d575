//! Vectors of frames: every kind, with integers of every width.

use protocol::codec;
use protocol::directory;
use protocol::frame::{
    Ack, Feed, Frame, Goodbye, Hello, Interest, Item, Presence, Resume, Routed, Want, WantFrame,
    WantPage, reason,
};

use crate::json::{Json, hex, list, text};
use crate::sample::{self, City};

pub fn frames(city: &City) -> Json {
    let exporter = [0x33; 32];
    let (_, sealed) = sample::batches(city).swap_remove(1);
    // packed bodies are not golden, since compressors may change; what carries them is
    let slice = Item::Slice {
        header: sealed.header.to_bytes(),
        body: vec![0xb0; 300],
    };
    let routed = Item::Routed(Routed {
        subject: "uscc:91310115MA1K000001".into(),
        from: "310119".into(),
        to: "310115".into(),
    });
    let envelope = Item::Envelope(city.opening_envelope.to_bytes());
    let feed = |class, after, item| {
        Frame::Feed(Feed {
            class,
            after,
            offset: after + 1,
            directory: after,
            item,
        })
    };
    let want = |id, want| {
        Frame::Want(WantFrame {
            id,
            want,
            resume: Vec::new(),
        })
    };
    let presence = directory::presence(&exporter, &sample::DISTRICT);
    let all = [
        (
            "hello",
            Frame::Hello(Hello {
                frame_min: 1,
                frame_max: 1,
                instance: [0x1a; 16],
                feed: [0xfd; 16],
                seats: vec![Presence {
                    seat: sample::DISTRICT.0,
                    signature: city.district_key.sign(&presence),
                }],
                directory: vec![city.district.to_bytes()],
            }),
        ),
        (
            "resume",
            Frame::Resume(Resume {
                feed: [0xfc; 16],
                cursors: [250, 251, 65_536],
                interest: Interest {
                    version: 3,
                    full: false,
                    regions: vec!["310115".into(), "pilot-zone".into()],
                    seats: vec![sample::DISTRICT.0],
                    city_wide: true,
                },
                window: 1 << 32,
            }),
        ),
        ("feed with an envelope", feed(0, 0, Some(envelope))),
        ("feed with a slice", feed(2, 70_000, Some(slice.clone()))),
        ("feed with a routing event", feed(2, 70_001, Some(routed))),
        ("feed without item", feed(1, 5_000_000_000, None)),
        (
            "ack",
            Frame::Ack(Ack {
                class: 2,
                offset: 70_002,
                window: 8 << 20,
            }),
        ),
        ("receipts", Frame::Receipts(vec![vec![0x0a; 3], vec![]])),
        (
            "want of a subject",
            want(1, Want::Subject("uscc:91310115MA1K000001".into())),
        ),
        (
            "want of a range",
            want(
                2,
                Want::Range {
                    seat: sample::DEPARTMENT.0,
                    lane: 2,
                    opening: city.opening_envelope.hash().0,
                    from: 1,
                    to: 0,
                },
            ),
        ),
        (
            "page",
            Frame::WantPage(WantPage {
                id: 2,
                resumed: Vec::new(),
                items: vec![slice],
                next: Some(vec![1, 2, 3]),
            }),
        ),
        (
            "goodbye",
            Frame::Goodbye(Goodbye {
                code: reason::SHUTDOWN,
                text: "停机维护".into(),
            }),
        ),
    ];
    list(all, |(what, frame)| {
        let bytes = codec::encode(&frame);
        assert_eq!(codec::decode(&bytes), Ok(frame), "{what}");
        Json::Object(vec![("what", text(what)), ("bytes", hex(bytes))])
    })
}
