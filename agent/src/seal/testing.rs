//! Entries to be sealed, for tests.

use protocol::batch::Draft;
use protocol::entry::{HEAD, Head, Hint, Key, Subject};
use protocol::name::Lane;
use protocol::standard_hash::StandardHash;
use protocol::value::Value;
use store::seat::{Capture, Chunk, SeatStore};

/// A registration as capture lays it out.
pub(crate) fn entry(key: &str, subject: &str, was: Option<&str>) -> Vec<u8> {
    let mut head = Head::state(
        "registration",
        Key::columns(&[Value::from_text(key)]),
        "cn.registration",
        1,
        StandardHash::default(),
    );
    head.hint = Hint::Division("310101".to_owned());
    head.subject = Subject::Uscc(subject.to_owned());
    head.was.subject = was.map(|s| Subject::Uscc(s.to_owned()));
    of_head(&head, &[])
}

/// An entry of a head and further sections.
pub(crate) fn of_head(head: &Head, sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut all = vec![(HEAD, head.to_bytes())];
    all.extend_from_slice(sections);
    let draft = Draft::new(&all);
    let mut out = (draft.as_bytes().len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(draft.as_bytes());
    out
}

/// Lets entries of a lane wait to be sealed.
pub(crate) async fn capture(store: &SeatStore, lane: Lane, entries: &[Vec<u8>], now_ms: i64) {
    let capture = Capture {
        source: 1,
        chunks: vec![Chunk {
            lane,
            entries: entries.len() as u32,
            body: entries.concat(),
        }],
        now_ms,
        ..Capture::default()
    };
    store.commit_capture(&capture).await.expect("captured");
}
