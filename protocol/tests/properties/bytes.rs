//! Decoding arbitrary and mutated bytes: no panic, no bytes left over, and a decoded value gives back the same bytes.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::admission::exchange::{FromNewcomer, FromServer};
use protocol::batch::{Draft, Header};
use protocol::bytes::{Malformed, Reader};
use protocol::codec;
use protocol::entry::{Head, Hint, Key, Subject, SubjectName, read_fields};
use protocol::envelope::Envelope;
use protocol::feed_head::FeedHead;
use protocol::frame::{
    Cursor, Feed, Frame, Hello, Interest, Item, Presence, Resume, Routed, Token, Want, WantFrame,
};
use protocol::hash::Ref;
use protocol::merkle::History;
use protocol::name::{FeedId, Incarnation, InstanceId, Lane, LogName, Position, Version};
use protocol::opening::Opening;
use protocol::receipt::Receipt;
use protocol::sign::{Keys, Sigs};
use protocol::slice;
use protocol::statement::{
    Activation, Closing, EpochOpening, Erasure, ForkDecision, Identity, Revocation, Root,
};
use protocol::value::{Value, ValueRef};

use crate::sample;
use crate::values;

/// Reads bytes as one type and gives what that type writes back.
type Again = fn(&[u8]) -> Option<Vec<u8>>;

fn whole<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
    put: impl FnOnce(&T, &mut Vec<u8>),
) -> Option<Vec<u8>> {
    let mut r = Reader::new(bytes, "property");
    let value = read(&mut r).ok()?;
    r.finish().ok()?;
    let mut out = Vec::new();
    put(&value, &mut out);
    Some(out)
}

/// A statement's reading and writing by itself.
macro_rules! object {
    ($name:literal, $object:ty) => {
        ($name, |b| Some(<$object>::from_bytes(b).ok()?.to_bytes()))
    };
}

const TYPES: [(&str, Again); 28] = [
    ("value", |b| whole(b, Value::read, Value::put)),
    ("subject", |b| whole(b, Subject::read, Subject::put)),
    ("hint", |b| whole(b, Hint::read, Hint::put)),
    ("version", |b| whole(b, Version::read, |v, out| v.put(out))),
    ("key", |b| {
        Some(Key::from_bytes(b).ok()?.as_bytes().to_vec())
    }),
    ("head", |b| {
        Some(sample::head_bytes(&Head::from_bytes(b).ok()?))
    }),
    ("section", |b| Some(sample::section(&read_fields(b).ok()?))),
    ("opening", |b| {
        let mut out = Vec::new();
        Opening::from_bytes(b).ok()?.put(&mut out);
        Some(out)
    }),
    ("draft", |b| {
        Some(Draft::from_bytes(b.to_vec()).ok()?.as_bytes().to_vec())
    }),
    ("position", |b| whole(b, Position::read, Position::put)),
    ("incarnation", |b| {
        whole(b, Incarnation::read, |v, out| v.put(out))
    }),
    ("reference", |b| whole(b, Ref::read, Ref::put)),
    ("keys", |b| whole(b, Keys::read, Keys::put)),
    ("signatures", |b| whole(b, Sigs::read, Sigs::put)),
    object!("envelope", Envelope),
    object!("header", Header),
    object!("root", Root),
    object!("identity", Identity),
    object!("epoch opening", EpochOpening),
    object!("revocation", Revocation),
    object!("closing", Closing),
    object!("fork decision", ForkDecision),
    object!("activation", Activation),
    object!("erasure", Erasure),
    object!("receipt", Receipt),
    object!("feed head", FeedHead),
    ("word of a newcomer", |b| {
        match FromNewcomer::from_bytes(b).ok()? {
            // of a later version nothing is read but its number
            FromNewcomer::Greeting(version) if version != 2 => None,
            word => Some(word.to_bytes()),
        }
    }),
    object!("word of a server", FromServer),
];

/// Whatever is read is written back the same, and not read with a byte more.
#[track_caller]
fn check(what: &str, again: Again, bytes: &[u8]) -> bool {
    let Some(written) = again(bytes) else {
        return false;
    };
    assert_eq!(written, bytes, "{what} reads bytes that it does not write");
    for extra in [0, 1, 0xff] {
        let longer = [bytes, &[extra]].concat();
        assert!(again(&longer).is_none(), "{what} reads bytes left over");
    }
    true
}

fn check_all(bytes: &[u8]) {
    for (what, again) in TYPES {
        check(what, again, bytes);
    }
    if let Some(history) = History::from_bytes(bytes) {
        assert_eq!(history.to_bytes(), bytes);
        history.root();
    }
    // frames are not signed: what is behind the known part of one is passed over, so only what was read comes back
    if let Ok(frame) = codec::decode(bytes) {
        if !matches!(frame, Frame::Unread(_)) {
            assert_eq!(codec::decode(&codec::encode(&frame)), Ok(frame));
        }
        assert!(codec::decode(&[bytes, &[0]].concat()).is_err());
    }
    // a value is checked the same way whether it is copied or not
    let mut r = Reader::new(bytes, "property");
    let borrowed = ValueRef::read(&mut r).map(|v| (v.to_value(), r.rest().len()));
    let mut r = Reader::new(bytes, "property");
    assert_eq!(borrowed, Value::read(&mut r).map(|v| (v, r.rest().len())));
    let _ = slice::unpack(bytes);
}

/// One good byte string of every kind that comes from outside.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let city = sample::city();
    let batches = sample::batches(&city);
    let (_, sealed) = &batches[0];
    let header = Header::from_bytes(&sealed.header.bytes).expect("our own header");
    let cut = slice::cut(&header, &sealed.body, &[1, 3, 6], |_| 3).expect("our own body");
    let opened = slice::opened(&header, &cut).expect("our own cut");
    let incarnation = Incarnation {
        counter: 1,
        feed: FeedId([1; 16]),
    };
    let first = Position {
        sequence: 1,
        header: sealed.reference,
    };
    let receipt = Receipt {
        holder: sample::DISTRICT,
        identity: sample::reference(&city.district),
        incarnation,
        log: LogName {
            seat: sample::DEPARTMENT,
            lane: Lane::Records,
            opening: sample::reference(&city.opening_envelope),
        },
        durable: first,
        attached: first,
        safeguarded: Position::START,
        at: sample::INSTANT,
    };
    let receipt = receipt.sign(&city.district_key);
    let mut seeds = vec![
        sample::registration(1, Hint::Unknown).as_bytes().to_vec(),
        cut[opened[0].at.clone()].to_vec(),
        sealed.body[slice::opened(&header, &sealed.body).expect("our own body")[0]
            .at
            .clone()]
        .to_vec(),
        sealed.log.history.to_bytes(),
        slice::pack(&sealed.body),
        receipt.bytes.clone(),
    ];
    for envelope in [
        &city.root,
        &city.city,
        &city.department,
        &city.opening_envelope,
        &sealed.header,
    ] {
        seeds.push(envelope.to_bytes());
        seeds.push(envelope.bytes.clone());
    }
    let item = |header: &Envelope, body: &[u8]| Item::Slice {
        header: header.to_bytes(),
        body: slice::pack(body),
    };
    let hello = Hello {
        frames: 11,
        items: 6,
        instance: InstanceId([1; 16]),
        incarnation,
        release: "1.0".into(),
        seats: vec![Presence {
            seat: sample::CITY,
            signatures: Sigs::of([3; 64]),
        }],
        statements: vec![city.city.to_bytes()],
    };
    let step = Feed {
        class: 2,
        interest: 1,
        after: 1,
        offset: 2,
        directory: 1,
        token: Token([4; 16]),
        item: Some(item(&sealed.header, &cut)),
    };
    let routed = Routed {
        subjects: vec!["uscc:91310115MA1K000001".into()],
        from: String::new(),
        to: "310115".into(),
        by: sample::DEPARTMENT,
    };
    let cursor = Cursor {
        offset: 1,
        token: Token([4; 16]),
    };
    let frames = [
        Frame::Hello(hello),
        Frame::Resume(Resume {
            incarnation,
            cursors: [cursor; 3],
            interest: Interest {
                regions: vec!["310115".into()],
                seats: vec![sample::DISTRICT],
                ..Interest::default()
            },
            window: 8 << 20,
            words: vec![receipt.to_bytes()],
        }),
        Frame::Feed(step.clone()),
        Frame::Feed(Feed {
            after: 2,
            offset: 3,
            item: Some(Item::Routed(routed)),
            ..step
        }),
        Frame::Want(WantFrame {
            number: 1,
            want: Want::Subject("uscc:91310115MA1K000001".into()),
            place: vec![1, 2, 3],
        }),
        Frame::Receipts(vec![receipt.to_bytes(); 3]),
    ];
    seeds.extend(frames.iter().map(codec::encode));
    seeds
});

#[test]
fn every_seed_is_read_by_somebody() {
    for seed in SEEDS.iter() {
        let known = TYPES.iter().any(|(what, again)| check(what, *again, seed))
            || History::from_bytes(seed).is_some()
            || codec::decode(seed).is_ok()
            || slice::unpack(seed).is_ok();
        assert!(known, "{seed:02x?}");
    }
}

/// Cut anywhere, nothing is read as what it was before; no prefix means the same as the whole.
#[test]
fn every_prefix_is_refused() {
    for seed in SEEDS.iter() {
        for (what, again) in TYPES {
            if again(seed).is_none() {
                continue;
            }
            for end in 0..seed.len() {
                assert!(again(&seed[..end]).is_none(), "{what} cut at {end}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..400)) {
        check_all(&bytes);
        check_all(&[&[1], bytes.as_slice()].concat());
    }

    #[test]
    fn mutated_bytes(
        seed in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = seed.get(&SEEDS).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        check_all(&bytes);
    }

    #[test]
    fn values_come_back(value in values::value(), subject in values::subject(), hint in values::hint()) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        subject.put(&mut bytes);
        hint.put(&mut bytes);
        let mut r = Reader::new(&bytes, "property");
        prop_assert_eq!(Value::read(&mut r), Ok(value));
        prop_assert_eq!(Subject::read(&mut r), Ok(subject.clone()));
        prop_assert_eq!(Hint::read(&mut r), Ok(hint));
        prop_assert_eq!(r.finish(), Ok(()));
        let text = subject.text(&sample::DEPARTMENT, "registration", &Key::marker());
        match SubjectName::from_text(&text) {
            Some(SubjectName::Identified(read)) => prop_assert_eq!(read, subject),
            Some(SubjectName::Own { seat, .. }) => {
                prop_assert_eq!((seat, subject), (sample::DEPARTMENT, Subject::Unidentified));
            }
            None => prop_assert!(false, "{} names no subject", text),
        }
    }

    #[test]
    fn subjects_have_one_text(text in "(uscc|reg|org|tax|own|name|person|x)?:?[+0-9a-fA-F:]{0,70}") {
        if let Some(subject) = SubjectName::from_text(&text) {
            prop_assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn heads_and_sections_come_back(head in values::head(), fields in values::fields()) {
        let bytes = sample::head_bytes(&head);
        prop_assert!(check("head", TYPES[5].1, &bytes));
        prop_assert_eq!(Head::from_bytes(&bytes), Ok(head));
        let bytes = sample::section(&fields);
        prop_assert!(check("section", TYPES[6].1, &bytes));
        prop_assert_eq!(read_fields(&bytes), Ok(fields));
    }

    #[test]
    fn versions_are_ordered_as_their_bytes(a in values::version(), b in values::version()) {
        prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
    }
}
