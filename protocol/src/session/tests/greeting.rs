//! The course of the greeting: what is said when, what is kept, and who is believed.

use std::collections::BTreeSet;

use super::pair::{acceptance, everything, health, hello, incarnation, item, log_entry, reference};
use crate::codec;
use crate::frame::{
    Ack, Cursor, Digest, FRAME_HIGHEST, Feed, Frame, Goodbye, GoodbyeCode, Hello, Logs, LogsEnd,
    PageCode, Resume, Scope, Statements, Token, Want, WantFrame, WantPage,
};
use crate::limits;
use crate::session::{Acceptance, Config, Event, Page, PeerMisbehaved, Session};

fn fresh(retransmit: Option<u64>) -> Session {
    let config = Config {
        hello: hello(1),
        window: 1_000,
        retransmit,
    };
    Session::new(config, 0)
}

fn put(session: &mut Session, frame: &Frame) -> Result<(), PeerMisbehaved> {
    session.handle_frame(0, &codec::encode(frame))
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

fn frames(session: &mut Session) -> Vec<Frame> {
    std::iter::from_fn(|| session.poll_transmit(0))
        .map(|t| codec::decode(&t.bytes).expect("our own frame"))
        .collect()
}

fn resume() -> Resume {
    Resume {
        incarnation: incarnation(1),
        cursors: Default::default(),
        interest: everything(),
        window: 1_000,
        words: vec![vec![1, 13, 0, 1]],
    }
}

fn feed() -> Frame {
    Frame::Feed(Feed {
        class: 0,
        interest: 0,
        after: 0,
        offset: 1,
        directory: 0,
        token: Token([1; 16]),
        item: Some(item(1, 0, 1)),
    })
}

fn ack() -> Frame {
    Frame::Ack(Ack {
        class: 0,
        offset: 0,
        window: 9,
    })
}

fn want() -> Frame {
    Frame::Want(WantFrame {
        number: 1,
        want: Want::Subject("x".into()),
        place: Vec::new(),
    })
}

fn page() -> Frame {
    Frame::WantPage(WantPage {
        number: 1,
        place: Vec::new(),
        code: PageCode::Given,
        built_at: 0,
        items: Vec::new(),
        next: None,
    })
}

fn logs(end: LogsEnd, seats: &[u8]) -> Frame {
    Frame::Logs(Logs {
        end,
        entries: seats.iter().map(|seat| log_entry(*seat, 1)).collect(),
    })
}

fn digest() -> Digest {
    Digest {
        cursor: 4,
        scope: Scope::Chain,
        count: 3,
        sum: [8; 32],
    }
}

#[test]
fn resume_logs_and_digest_are_said_when_the_hello_is_believed_and_not_before() {
    let mut session = fresh(None);
    session.send_health(0, health(9, 1));
    session.send_receipts(vec![vec![1, 10]]);
    assert_eq!(frames(&mut session), [Frame::Hello(hello(1))]);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    assert_eq!(frames(&mut session), []);
    let cursor = Cursor {
        offset: 7,
        token: Token([3; 16]),
    };
    let accepted = Acceptance {
        words: vec![vec![1, 10]],
        logs: vec![log_entry(1, 1), log_entry(2, 1)],
        without_city: true,
        digest: digest(),
        ..acceptance(Some([cursor; 3]), everything())
    };
    session.accept(0, accepted);
    let ours = Resume {
        incarnation: incarnation(2),
        cursors: [cursor; 3],
        interest: everything(),
        window: 1_000,
        words: vec![vec![1, 10]],
    };
    let expected = [
        Frame::Resume(ours),
        logs(LogsEnd::CompleteWithoutCity, &[1, 2]),
        Frame::Statements(Statements::Digest(digest())),
    ];
    assert_eq!(frames(&mut session), expected);
    // everything else waits until the peer has accepted, too
    session.send_log_news(0, vec![log_entry(9, 1)]);
    assert_eq!(frames(&mut session), []);
    put(&mut session, &Frame::Resume(resume())).expect("a resume");
    let said = frames(&mut session);
    assert!(
        matches!(
            said[..],
            [Frame::Receipts(_), Frame::Logs(_), Frame::Health(_)]
        ),
        "{said:?}"
    );
}

#[test]
fn an_unknown_feed_is_resumed_from_its_start() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    session.accept(0, acceptance(None, everything()));
    let said = frames(&mut session);
    let Some(Frame::Resume(said)) = said.get(1) else {
        panic!("hello, resume: {said:?}");
    };
    assert_eq!(said.incarnation, Default::default());
    assert_eq!(said.cursors, [Cursor::default(); 3]);
}

/// Who has believed us speaks before we have believed him; nobody says it again on a carrier that loses nothing.
#[test]
fn what_is_said_while_a_hello_is_judged_counts_when_it_is_believed() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    let receipts = Frame::Receipts(vec![vec![1, 10]]);
    let statements = Frame::Statements(Statements::Digest(digest()));
    let early = [
        Frame::Resume(resume()),
        logs(LogsEnd::More, &[1]),
        logs(LogsEnd::Complete, &[2]),
        statements,
        receipts,
        Frame::Health(vec![health(2, 1)]),
        want(),
    ];
    for frame in &early {
        put(&mut session, frame).expect("may be said now");
    }
    assert_eq!(events(&mut session), [Event::Hello(hello(2))]);
    assert!(!session.is_established());
    session.accept(0, acceptance(None, everything()));
    assert!(session.is_established());
    let heard = events(&mut session);
    assert_eq!(heard.len(), early.len(), "{heard:?}");
    assert_eq!(heard[0], Event::Established(resume()));
    assert!(
        matches!(&heard[2], Event::Logs { end: LogsEnd::Complete, entries } if entries.len() == 1)
    );
    assert_eq!(heard[3], Event::Digest(digest()));
    assert!(matches!(heard[6], Event::ServeWant { number: 1, .. }));
}

/// A fault in what was kept ends the conversation when it is looked at.
#[test]
fn what_was_kept_is_judged_like_everything_else() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    for _ in 0..=limits::WANTS_OPEN_MAX as u64 {
        let Frame::Want(want) = want() else {
            unreachable!()
        };
        let number = session.early.len() as u64;
        put(&mut session, &Frame::Want(WantFrame { number, ..want })).expect("kept");
    }
    put(&mut session, &Frame::Resume(resume())).expect("kept");
    session.accept(0, acceptance(None, everything()));
    assert!(!session.is_established());
    let closed = events(&mut session).pop();
    assert!(matches!(closed, Some(Event::Closed(g)) if g.code == GoodbyeCode::Misbehaved));
}

#[test]
fn no_more_is_kept_than_fits_while_a_hello_is_judged() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    let mut long = logs(LogsEnd::More, &[1; 100]);
    let Frame::Logs(all) = &mut long else {
        unreachable!()
    };
    all.entries
        .iter_mut()
        .for_each(|e| e.header = vec![0; 8_000]);
    while session.listens() {
        put(&mut session, &long).expect("there is room");
    }
    let held: usize = session.early.iter().map(Vec::len).sum();
    assert!(held <= limits::EARLY_BYTES_MAX + limits::GREETING_FRAME_BYTES_MAX);
    put(&mut session, &long).expect_err("was to wait on the carrier");
    assert!(!session.is_established() && session.early.is_empty());
}

#[test]
fn nothing_comes_before_the_hello() {
    let resume = Frame::Resume(resume());
    let receipts = Frame::Receipts(vec![vec![1, 10]]);
    let listed = logs(LogsEnd::Complete, &[]);
    let later = Frame::Unread(77);
    for frame in [
        resume,
        feed(),
        ack(),
        receipts,
        want(),
        page(),
        listed,
        later,
    ] {
        put(&mut fresh(None), &frame).expect_err("before the hello");
        // on a carrier that reorders it may have overtaken the hello
        let mut session = fresh(Some(100));
        put(&mut session, &frame).expect("is said again");
        assert_eq!(events(&mut session), []);
    }
}

#[test]
fn what_answers_us_does_not_come_before_we_have_spoken() {
    for frame in [feed(), ack(), page()] {
        let mut session = fresh(None);
        put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
        put(&mut session, &frame).expect_err("answers nothing");
        let mut session = fresh(Some(100));
        put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
        put(&mut session, &frame).expect("may have overtaken");
        assert_eq!(events(&mut session), [Event::Hello(hello(2))]);
    }
}

#[test]
fn frames_are_short_until_the_hello_is_believed() {
    let long = Frame::Hello(Hello {
        statements: vec![vec![0; 250 << 10]; 5],
        ..hello(2)
    });
    put(&mut fresh(None), &long).expect_err("1.25 MiB before the hello");
    let whole = Frame::Hello(Hello {
        statements: vec![vec![0; 250 << 10]; 4],
        ..hello(2)
    });
    put(&mut fresh(None), &whole).expect("1 MiB");
}

/// Nothing of our feed goes to a peer of whom we do not know yet who it is.
#[test]
fn a_peer_that_was_not_judged_gets_nothing() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    put(&mut session, &Frame::Resume(resume())).expect("a resume");
    session.handle_grown();
    session.begin(0, false, BTreeSet::new());
    session.send_receipts(vec![vec![1, 10]]);
    assert!(!session.is_established());
    assert_eq!(events(&mut session), [Event::Hello(hello(2))]);
    assert_eq!(frames(&mut session), [Frame::Hello(hello(1))]);
    session.accept(0, acceptance(None, everything()));
    assert!(session.is_established());
    assert_eq!(session.poll_event(), Some(Event::Established(resume())));
    assert_eq!(
        session.poll_event(),
        None,
        "the feed waits for the word to begin"
    );
}

#[test]
fn a_peer_that_is_refused_gets_the_reason() {
    for code in [
        GoodbyeCode::NotAdmitted,
        GoodbyeCode::Revoked,
        GoodbyeCode::NewerInstance,
    ] {
        let mut session = fresh(None);
        put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
        put(&mut session, &Frame::Resume(resume())).expect("a resume");
        session.refuse(code, "未登记");
        session.accept(0, acceptance(None, everything()));
        assert!(!session.is_established());
        let goodbye = Frame::Goodbye(Goodbye::new(code, "未登记"));
        assert_eq!(frames(&mut session), [Frame::Hello(hello(1)), goodbye]);
    }
}

/// Version 1 is all of its frames; later releases read more.
#[test]
fn who_reads_less_than_version_1_is_of_another_version() {
    for (frames, fits) in [
        (0, false),
        (FRAME_HIGHEST - 1, false),
        (FRAME_HIGHEST, true),
        (200, true),
    ] {
        let mut session = fresh(None);
        let said = Hello { frames, ..hello(2) };
        put(&mut session, &Frame::Hello(said)).expect("well formed");
        let closed = events(&mut session).pop();
        let refused = matches!(closed, Some(Event::Closed(g)) if g.code == GoodbyeCode::Version);
        assert_eq!(refused, !fits, "{frames}");
    }
}

#[test]
fn a_hello_with_a_seat_of_ours_is_our_own_said_back() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(1))).expect_err("our own hello");
}

#[test]
fn a_hello_is_said_once_and_by_one_party() {
    for (second, lossy, allowed) in [(2, false, false), (2, true, true), (3, true, false)] {
        for accepted in [false, true] {
            let mut session = fresh(lossy.then_some(100));
            put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
            if accepted {
                session.accept(0, acceptance(None, everything()));
            }
            let again = put(&mut session, &Frame::Hello(hello(second)));
            assert_eq!(again.is_ok(), allowed, "{second}, lossy {lossy}");
        }
    }
}

/// What the peer does not read is kept back by whoever reads our feed for it. If he does not, nothing is lost: the session
/// ends, and says whose fault it is.
#[test]
fn an_item_that_the_peer_does_not_read_is_not_sent() {
    for (items, sent) in [(0, false), (1, true), (6, true)] {
        let mut session = fresh(None);
        let said = Hello { items, ..hello(2) };
        put(&mut session, &Frame::Hello(said)).expect("a hello");
        session.accept(0, acceptance(None, everything()));
        put(&mut session, &Frame::Resume(resume())).expect("a resume");
        session.begin(0, false, BTreeSet::new());
        assert_eq!(session.peer_items(), items);
        let read = events(&mut session).into_iter().find_map(|e| match e {
            Event::ReadFeed { read, .. } => Some(read),
            _ => None,
        });
        let page = Page {
            items: vec![(1, Token([1; 16]), item(1, 0, 1))],
            through: 1,
            ..Page::default()
        };
        session.handle_page(0, read.expect("a read"), page);
        let goodbye = frames(&mut session).into_iter().find_map(|f| match f {
            Frame::Goodbye(goodbye) => Some(goodbye.code),
            _ => None,
        });
        assert_eq!(goodbye.is_none(), sent);
        assert!(goodbye.is_none_or(|code| code == GoodbyeCode::LocalFault));
    }
}

#[test]
fn frames_of_a_later_release_are_passed_over_and_counted() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    put(&mut session, &Frame::Unread(12)).expect("is passed over");
    session.accept(0, acceptance(None, everything()));
    put(&mut session, &Frame::Unread(255)).expect("is passed over");
    let later = Frame::Statements(Statements::Unread(4));
    put(&mut session, &later).expect("is passed over");
    let scope = Scope::Other(9);
    let asked = Statements::Ask {
        scope,
        after: reference(1),
    };
    put(&mut session, &Frame::Statements(asked)).expect("is passed over");
    assert_eq!(session.unread_frames(), 4);
    assert_eq!(events(&mut session), [Event::Hello(hello(2))]);
}
