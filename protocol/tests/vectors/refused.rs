//! Bytes that must be refused: each list is made by one change to something good, and the library is asked whose fault it is.

use protocol::admission::code::{Code, CodeError};
use protocol::admission::exchange::{FromNewcomer, FromServer};
use protocol::blame::Blame;
use protocol::bytes::{Malformed, Reader};
use protocol::codec;
use protocol::directory::StatementFault;
use protocol::entry::{Head, Hint, Key, Provenance, Subject, read_fields};
use protocol::envelope::{Envelope, kind};
use protocol::feed_head::FeedHead;
use protocol::frame::{FrameFault, Item, Want};
use protocol::hash::Ref;
use protocol::name::{Incarnation, Position};
use protocol::opening::{self, Opening};
use protocol::receipt::Receipt;
use protocol::sign::{Keys, PublicKey, Sigs};
use protocol::slice;
use protocol::value::Value;

use crate::json::{Json, hex, text};
use crate::sample::{self, City};

/// Bytes that must be refused, read as this layout.
pub struct Refused {
    pub layout: &'static str,
    pub what: String,
    /// Which kind of rule they break: one of the words that the specification lists.
    pub reason: &'static str,
    pub bytes: Vec<u8>,
}

/// Bytes of one layout that must be refused: what, reason, bytes.
pub fn of(layout: &'static str, all: Vec<(&str, &'static str, Vec<u8>)>) -> Vec<Refused> {
    all.into_iter()
        .map(|(what, reason, bytes)| Refused {
            layout,
            what: what.into(),
            reason,
            bytes,
        })
        .collect()
}

/// One change, what it is and the word for what it breaks.
pub type Edit<T> = (&'static str, &'static str, fn(&mut T));

/// Changes to something good, the bytes cut by one, and one byte more.
pub fn edits<T: Clone>(
    layout: &'static str,
    good: &T,
    write: fn(&T) -> Vec<u8>,
    all: &[Edit<T>],
) -> Vec<Refused> {
    let bytes = write(good);
    let mut out = of(
        layout,
        vec![
            ("a byte too few", "end", bytes[..bytes.len() - 1].to_vec()),
            ("a byte too many", "more", [&bytes[..], &[0]].concat()),
        ],
    );
    for (what, reason, edit) in all {
        let mut edited = good.clone();
        edit(&mut edited);
        let changed = write(&edited);
        assert_ne!(changed, bytes, "{layout}: {what} is no change");
        out.extend(of(layout, vec![(what, reason, changed)]));
    }
    out
}

/// The list as a member of a file. Each is refused by the library, which says whose fault it is.
pub fn listed(all: Vec<Refused>) -> (&'static str, Json) {
    let city = sample::city();
    let one = |refused: &Refused| {
        let blame = blame(&city, refused.layout, &refused.bytes);
        let blame =
            blame.unwrap_or_else(|| panic!("{} is taken: {}", refused.layout, refused.what));
        Json::Object(vec![
            ("what", text(&refused.what)),
            ("layout", text(refused.layout)),
            ("reason", text(refused.reason)),
            ("blame", text(blame)),
            ("refused_bytes", hex(&refused.bytes)),
        ])
    };
    ("refused", Json::List(all.iter().map(one).collect()))
}

/// Whose fault bytes are; `None` if they are taken.
fn blame(city: &City, layout: &str, bytes: &[u8]) -> Option<&'static str> {
    fn whole<'a, T>(
        bytes: &'a [u8],
        read: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> bool {
        let mut r = Reader::new(bytes, "vector");
        read(&mut r).is_ok() && r.finish().is_ok()
    }
    let no = |reads: bool, blame: &'static str| (!reads).then_some(blame);
    match layout {
        "signing key" => no(PublicKey::from_bytes(bytes).is_some(), "relay"),
        "ref" => no(whole(bytes, Ref::read), "relay"),
        "pos" => no(whole(bytes, Position::read), "relay"),
        "incarnation" => no(whole(bytes, Incarnation::read), "relay"),
        "keys" => no(whole(bytes, Keys::read), "relay"),
        "sigs" => no(whole(bytes, Sigs::read), "relay"),
        "envelope" => no(Envelope::from_bytes(bytes).is_ok(), "relay"),
        "value" => no(whole(bytes, Value::read), "entry"),
        "hint" => no(Hint::from_bytes(bytes).is_ok(), "origin"),
        "subject" => no(whole(bytes, Subject::read), "entry"),
        "key" => no(Key::from_bytes(bytes).is_ok(), "origin"),
        "section" => no(read_fields(bytes).is_ok(), "entry"),
        "section 15" => no(Provenance::from_section(bytes).is_ok(), "entry"),
        "head" => no(Head::from_bytes(bytes).is_ok(), "entry").map(|entry| {
            let mut whole = Vec::new();
            opening::put_whole(&[0; 16], [(0, bytes)].into_iter(), &mut whole);
            let front = Opening::from_bytes(&whole).expect("an opening").record();
            if front.is_ok() { entry } else { "origin" }
        }),
        "opening" => no(Opening::from_bytes(bytes).is_ok(), "relay"),
        "receipt" => no(Receipt::from_bytes(bytes).is_ok(), "relay"),
        "feed head" => no(FeedHead::from_bytes(bytes).is_ok(), "relay"),
        "root version" => statement(city, kind::ROOT, bytes),
        "identity" => statement(city, kind::IDENTITY, bytes),
        "revocation" => statement(city, kind::REVOCATION, bytes),
        "opening of an epoch" => statement(city, kind::OPENING, bytes),
        "closing" => statement(city, kind::CLOSING, bytes),
        "fork decision" => statement(city, kind::FORK_DECISION, bytes),
        "activation" => statement(city, kind::ACTIVATION, bytes),
        "erasure" => statement(city, kind::ERASURE, bytes),
        "header" => {
            let envelope = Envelope::signed(kind::HEADER, 1, bytes.to_vec(), &city.department_key);
            let fault = slice::verify_header(&city.directory, &envelope).err()?;
            Some(said(fault.blame()))
        }
        "first body" => {
            let (_, sealed) = sample::batches(city).swap_remove(0);
            let header =
                slice::verify_header(&city.directory, &sealed.header).expect("the sample's");
            let fault = slice::verify(header, bytes.to_vec()).err()?;
            Some(said(fault.blame()))
        }
        "frame" => match codec::decode(bytes).err()? {
            FrameFault::Frame(_) => Some("peer"),
            FrameFault::Item { .. } => Some("item"),
        },
        "item" => no(Item::from_bytes(bytes).is_ok(), "item"),
        "want" => no(Want::from_bytes(bytes).is_ok(), "peer"),
        "from a newcomer" => no(FromNewcomer::from_bytes(bytes).is_ok(), "peer"),
        "from a server" => no(FromServer::from_bytes(bytes).is_ok(), "peer"),
        other => panic!("no layout {other}"),
    }
}

const fn said(blame: Blame) -> &'static str {
    match blame {
        Blame::Relay => "relay",
        Blame::Origin => "origin",
        Blame::Nobody => "nobody",
    }
}

/// A statement's bytes, signed by everybody who could answer for them, and by a stranger.
fn statement(city: &City, kind: u8, bytes: &[u8]) -> Option<&'static str> {
    let judged = |keys: &[&protocol::sign::SigningKey]| {
        let envelope = Envelope::signed_by(kind, 1, bytes.to_vec(), keys);
        match city.directory.clone().admit(&envelope) {
            Err(StatementFault::SignedMalformed(_)) => Some("origin"),
            Err(StatementFault::Malformed(_)) => Some("relay"),
            _ => None,
        }
    };
    let stranger = judged(&[&sample::key(99)]);
    assert!(
        stranger != Some("origin"),
        "a stranger's bytes are nobody's"
    );
    judged(&[
        &city.root_key,
        &city.city_key,
        &city.district_key,
        &city.department_key,
    ])
}

/// The word for why a text is no code.
pub fn of_code(typed: &str) -> Option<(&'static str, Option<usize>)> {
    Some(match Code::parse(typed).err()? {
        CodeError::Prefix => ("prefix", None),
        CodeError::Outdated(_) => ("outdated", None),
        CodeError::Version(_) => ("later", None),
        CodeError::Letter { group, .. } => ("letter", Some(group)),
        CodeError::Group { group, .. } => ("group", Some(group)),
        CodeError::Groups { .. } => ("groups", None),
        CodeError::Mistyped { group, .. } => ("mistyped", Some(group)),
        CodeError::Swapped { first, .. } => ("swapped", Some(first)),
        CodeError::MistypedMore => ("more", None),
        CodeError::Suite(_) => ("suite", None),
        CodeError::City => ("city", None),
        CodeError::Content => ("content", None),
    })
}
