//! A peer that keeps to no rule: it loses its conversation, and nothing else happens.
//!
//! Long because a peer can break each rule, and each breach is one test.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::pair::{
    Rng, acceptance, everything, health, hello, incarnation, item, log_entry, reference,
};
use crate::codec;
use crate::frame::{
    Ack, CLASSES, Cursor, Digest, Feed, Frame, Goodbye, GoodbyeCode, Hello, Interest, Item, Logs,
    LogsEnd, PageCode, Resume, Scope, Statements, Token, Want, WantFrame, WantPage,
};
use crate::hash::Ref;
use crate::limits;
use crate::session::{Answer, Config, Event, Page, PeerMisbehaved, Session};

const WINDOW: u64 = 1_000;

fn fresh(retransmit: Option<u64>) -> Session {
    let config = Config {
        hello: hello(1),
        window: WINDOW,
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

fn resume(window: u64) -> Resume {
    Resume {
        incarnation: incarnation(1),
        cursors: Default::default(),
        interest: everything(),
        window,
        words: Vec::new(),
    }
}

/// A session that has greeted the peer with feed 2 and whose three first reads are open, each with number 1.
fn established(retransmit: Option<u64>, window: u64) -> Session {
    let mut session = fresh(retransmit);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    session.accept(0, acceptance(None, everything()));
    put(&mut session, &Frame::Resume(resume(window))).expect("a resume");
    session.begin(0, false, BTreeSet::new());
    assert!(session.is_established());
    events(&mut session);
    frames(&mut session);
    session
}

fn step(class: u8, after: u64, offset: u64, interest: u32, item: Option<Item>) -> Frame {
    Frame::Feed(Feed {
        class,
        interest,
        after,
        offset,
        directory: 0,
        token: Token([offset as u8; 16]),
        item,
    })
}

fn feed(class: u8, after: u64, offset: u64, size: usize) -> Frame {
    step(class, after, offset, 0, Some(item(offset, class, size)))
}

fn subject() -> Want {
    Want::Subject("x".into())
}

fn want(number: u64, place: &[u8]) -> Frame {
    Frame::Want(WantFrame {
        number,
        want: subject(),
        place: place.to_vec(),
    })
}

fn want_page(number: u64, place: &[u8], next: Option<&[u8]>) -> Frame {
    Frame::WantPage(WantPage {
        number,
        place: place.to_vec(),
        code: PageCode::Given,
        built_at: 0,
        items: Vec::new(),
        next: next.map(<[u8]>::to_vec),
    })
}

fn ack(class: u8, offset: u64, window: u64) -> Frame {
    Frame::Ack(Ack {
        class,
        offset,
        window,
    })
}

fn answer() -> Answer {
    Answer::none(PageCode::NotHeld)
}

/// The last frame costs the peer its conversation, the ones before do not.
fn check_misbehaves(said: Vec<Frame>) {
    let mut session = established(None, WINDOW);
    let (last, before) = said.split_last().expect("at least one frame");
    for frame in before {
        put(&mut session, frame).expect("allowed");
    }
    put(&mut session, last).expect_err("not allowed");
    let closed = events(&mut session).pop();
    assert!(matches!(closed, Some(Event::Closed(g)) if g.code == GoodbyeCode::Misbehaved));
    let goodbye = frames(&mut session).pop();
    assert!(matches!(goodbye, Some(Frame::Goodbye(g)) if g.code == GoodbyeCode::Misbehaved));
    // over is over
    assert!(!session.is_established() && !session.may_want());
    put(&mut session, last).expect("is not looked at");
    session.handle_timeout(1_000_000);
    session.handle_grown();
    session.handle_taken(0, 5);
    session.send_receipts(vec![vec![1, 10]]);
    session.want(1, subject(), Vec::new());
    session.handle_want_page(1, Vec::new(), answer());
    session.send_logs(vec![log_entry(1, 1)], false);
    session.send_digest(Digest::default());
    assert!(!session.send_health(0, health(1, 1)));
    assert!(!session.send_log_news(0, vec![log_entry(1, 1)]));
    assert!(!session.ask_statements(Scope::All, Ref::ZERO));
    session.handle_statements(Scope::All, Vec::new(), true);
    session.begin(0, true, BTreeSet::new());
    assert_eq!(session.words.held(), 0);
    assert_eq!(events(&mut session), []);
    assert_eq!(frames(&mut session), []);
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn a_feed_that_does_not_advance() {
    check_misbehaves(vec![feed(1, 0, 0, 1)]);
    check_misbehaves(vec![feed(1, 0, 7, 1), feed(1, 7, 3, 1)]);
}

#[test]
fn more_than_was_granted() {
    check_misbehaves(vec![feed(2, 0, 1, 600), feed(2, 1, 2, 600)]);
}

#[test]
fn a_step_that_does_not_follow() {
    check_misbehaves(vec![feed(1, 3, 7, 1)]);
    check_misbehaves(vec![feed(1, 0, 7, 1), feed(1, 8, 9, 1)]);
}

#[test]
fn a_step_by_an_interest_that_was_not_stated() {
    check_misbehaves(vec![step(1, 0, 1, 1, None)]);
}

#[test]
fn a_step_by_an_older_interest_than_the_one_before() {
    let mut session = established(None, WINDOW);
    session.change_interest(Interest {
        version: 3,
        ..everything()
    });
    put(&mut session, &step(1, 0, 1, 0, None)).expect("the peer has not heard yet");
    put(&mut session, &step(1, 1, 2, 3, None)).expect("now it has");
    put(&mut session, &step(1, 2, 3, 0, None)).expect_err("it cannot forget");
}

#[test]
fn a_resume_that_changes_nothing() {
    let version = |version| {
        Frame::Resume(Resume {
            interest: Interest {
                version,
                ..everything()
            },
            ..resume(WINDOW)
        })
    };
    check_misbehaves(vec![version(0)]);
    check_misbehaves(vec![version(4), version(4)]);
    check_misbehaves(vec![version(4), version(3)]);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent() {
    check_misbehaves(vec![ack(0, 1, WINDOW)]);
    check_misbehaves(vec![ack(2, limits::POSITION_MAX, WINDOW)]);
}

#[test]
fn too_many_wants() {
    let most = limits::WANTS_OPEN_MAX as u64;
    check_misbehaves((0..=most).map(|id| want(id, &[])).collect());
}

#[test]
fn two_questions_about_statements_at_once() {
    let ask = |n| {
        Frame::Statements(Statements::Ask {
            scope: Scope::All,
            after: reference(n),
        })
    };
    check_misbehaves(vec![ask(1), ask(2)]);
    // as many as it likes, one after the other
    let mut session = established(None, WINDOW);
    for n in 1..50 {
        put(&mut session, &ask(n)).expect("one at a time");
        assert_eq!(events(&mut session).len(), 1);
        session.handle_statements(Scope::All, Vec::new(), true);
        session.handle_statements(Scope::All, Vec::new(), true);
        let said = frames(&mut session);
        let pages = said.iter().filter(|f| matches!(f, Frame::Statements(_)));
        assert!(pages.count() >= 1);
    }
}

/// What nobody asked for is not handed on: a page of statements, of a want, or one that goes back.
#[test]
fn answers_that_answer_nothing_are_let_pass() {
    let page = |references: Vec<Ref>, last| {
        Frame::Statements(Statements::Page {
            scope: Scope::All,
            last,
            references,
        })
    };
    let mut session = established(None, WINDOW);
    put(&mut session, &page(vec![reference(1)], true)).expect("let pass");
    put(&mut session, &want_page(9, &[], None)).expect("let pass");
    assert_eq!(events(&mut session), []);
    assert!(session.ask_statements(Scope::All, reference(5)));
    assert!(
        !session.ask_statements(Scope::All, reference(7)),
        "one is open"
    );
    put(&mut session, &page(vec![reference(6)], true)).expect("let pass");
    assert_eq!(events(&mut session), [], "it was not said yet");
    frames(&mut session);
    put(&mut session, &page(vec![reference(5), reference(6)], true)).expect("let pass");
    assert_eq!(events(&mut session), [], "it goes back");
    put(&mut session, &page(vec![reference(6)], false)).expect("the answer");
    assert!(matches!(
        events(&mut session)[..],
        [Event::Statements { last: false, .. }]
    ));
    assert!(session.ask_statements(Scope::All, reference(6)));
}

/// A refusal names what is under way, or it says nothing about our feed.
#[test]
fn a_refusal_of_what_was_not_sent_skips_nothing() {
    for (item, refused) in [
        (Some((0, 2)), true),
        (Some((0, 3)), false),
        (Some((0, 0)), false),
        (Some((1, 2)), false),
        (Some((3, 2)), false),
        (Some((255, 2)), false),
        (None, false),
    ] {
        for code in [GoodbyeCode::ItemRefused, GoodbyeCode::Misbehaved] {
            let mut session = established(None, WINDOW);
            let page = Page {
                items: vec![
                    (1, Token([1; 16]), super::pair::item(1, 0, 1)),
                    (2, Token([2; 16]), super::pair::item(2, 0, 1)),
                ],
                through: 2,
                ..Page::default()
            };
            session.handle_page(0, 1, page);
            frames(&mut session);
            let said = Goodbye {
                item,
                ..Goodbye::new(code, "")
            };
            put(&mut session, &Frame::Goodbye(said)).expect("a goodbye");
            let heard = events(&mut session);
            let expected = refused && code == GoodbyeCode::ItemRefused;
            let skipped = heard.iter().any(|e| {
                matches!(
                    e,
                    Event::Refused {
                        class: 0,
                        offset: 2
                    }
                )
            });
            assert_eq!(skipped, expected, "{item:?} {code:?}");
            assert!(matches!(heard.last(), Some(Event::Closed(_))));
        }
    }
}

/// An item that cannot be read costs itself and this conversation, not the link: its sender is told which one it is.
#[test]
fn an_item_that_cannot_be_read_is_named() {
    let mut session = established(None, WINDOW);
    put(&mut session, &feed(0, 0, 4, 1)).expect("a step");
    let bad = Item::Envelope(vec![1, 9, 0, 1]);
    let fault =
        put(&mut session, &step(0, 4, 6, 0, Some(bad))).expect_err("a header as a statement");
    assert!(matches!(
        fault,
        PeerMisbehaved::Item {
            class: 0,
            offset: 6,
            ..
        }
    ));
    let Some(Frame::Goodbye(goodbye)) = frames(&mut session).pop() else {
        panic!("a goodbye");
    };
    assert_eq!(goodbye.code, GoodbyeCode::ItemRefused);
    assert_eq!(goodbye.item, Some((0, 6)));
}

#[test]
fn an_item_that_is_refused_is_named_and_what_was_stored_before_it_counts() {
    let mut session = established(None, WINDOW);
    put(&mut session, &feed(0, 0, 4, 1)).expect("a step");
    put(&mut session, &feed(0, 4, 6, 1)).expect("a step");
    session.handle_taken(0, 4);
    session.refuse_item(0, 6, "签名不符");
    let said = frames(&mut session);
    let expected = Goodbye {
        item: Some((0, 6)),
        ..Goodbye::new(GoodbyeCode::ItemRefused, "签名不符")
    };
    assert_eq!(said, [ack(0, 4, WINDOW), Frame::Goodbye(expected)]);
}

/// A goodbye's text stands in logs and terminals: bounded, and without what moves a cursor.
#[test]
fn a_goodbye_that_is_no_text_for_people() {
    let mut session = established(None, WINDOW);
    let text = format!("\u{1b}[2J再见\n{}", "长".repeat(20_000));
    let said = Goodbye::new(GoodbyeCode::Shutdown, text);
    put(&mut session, &Frame::Goodbye(said)).expect("a goodbye");
    let Some(Event::Closed(goodbye)) = events(&mut session).pop() else {
        panic!("closed");
    };
    assert!(goodbye.text.len() <= limits::GOODBYE_TEXT_BYTES_MAX);
    assert!(goodbye.text.starts_with("[2J再见长"), "{}", goodbye.text);
    assert!(!goodbye.text.chars().any(char::is_control));
}

/// A peer that takes nothing from us makes nothing pile up: each priority is asked for by itself, and a receipt that
/// cannot be said ends the conversation sooner or later.
#[test]
fn a_peer_that_does_not_listen() {
    let mut session = established(None, 1 << 20);
    for n in 0..5_000 {
        put(&mut session, &feed(0, n, n + 1, 1)).expect("a step");
        session.handle_taken(0, n + 1);
        put(&mut session, &want(n, &[])).err();
        for event in events(&mut session) {
            if let Event::ServeWant { number, place, .. } = event {
                session.handle_want_page(number, place, answer());
            }
        }
        if !session.is_established() {
            break;
        }
    }
    // as many as may be open, then it was at fault
    assert!(!session.is_established());

    let mut session = established(None, 1 << 20);
    for n in 0..=limits::RECEIPTS_WAITING_MAX {
        assert!(session.is_established(), "closed after {n}");
        session.send_receipts(vec![vec![1, 10]]);
    }
    assert!(!session.is_established());

    // newer words take the place of older ones, and of further seats no more are kept than there is room for
    let mut session = established(None, 1 << 20);
    for n in 0..3 * limits::LOGS_WAITING_MAX {
        let mut entry = log_entry(n as u8, n as u64);
        entry.lane = (n >> 8) as u8;
        session.send_log_news(0, vec![entry]);
        let mut word = health(n as u8, 1);
        word.seat.0[1] = (n >> 8) as u8;
        session.send_health(0, word);
        session.send_digest(Digest::default());
    }
    let most = limits::LOGS_WAITING_MAX + limits::HEALTH_WAITING_MAX + 3;
    assert!(session.is_established());
    assert!(session.words.held() <= most, "{}", session.words.held());
}

#[test]
fn only_what_has_room_is_said() {
    let mut session = established(None, 1 << 20);
    session.send_receipts(vec![vec![1, 10]]);
    put(&mut session, &want(1, &[])).expect("a want");
    events(&mut session);
    session.handle_want_page(1, Vec::new(), answer());
    let page = |class| Page {
        items: vec![(1, Token([1; 16]), item(1, class, 10))],
        through: 1,
        ..Page::default()
    };
    session.handle_page(0, 1, page(0));
    session.handle_page(2, 1, page(2));
    let mut said = |open: &[u8]| {
        session
            .poll_transmit_where(0, |priority| open.contains(&priority))
            .map(|t| t.priority)
    };
    assert_eq!(said(&[]), None);
    assert_eq!(said(&[1]), None);
    assert_eq!(said(&[1, 3]), Some(3));
    assert_eq!(said(&[1, 3]), None);
    assert_eq!(said(&[2]), Some(2));
    assert_eq!(said(&[0, 2]), Some(0), "receipts");
    assert_eq!(said(&[0, 2]), Some(0), "lane 0");
    assert_eq!(said(&[0, 1, 2, 3]), None);
}

/// A page that no frame holds is our own fault and loses nothing; the peer is told so.
#[test]
fn more_than_a_frame_holds_is_our_own_fault() {
    let mut session = established(None, limits::CREDIT_BYTES);
    let page = Page {
        items: vec![(1, Token([1; 16]), item(1, 1, limits::FRAME_BYTES_MAX))],
        through: 1,
        ..Page::default()
    };
    session.handle_page(
        0,
        1,
        Page {
            through: 1,
            ..Page::default()
        },
    );
    events(&mut session);
    session.handle_page(1, 1, page);
    let said = frames(&mut session);
    let Some(Frame::Goodbye(goodbye)) = said.last() else {
        panic!("a goodbye: {said:?}");
    };
    assert_eq!(goodbye.code, GoodbyeCode::LocalFault);
    assert!(!session.is_established());
}

#[test]
fn a_page_that_ends_where_it_began() {
    let mut session = established(None, WINDOW);
    session.want(1, subject(), vec![1]);
    put(&mut session, &want_page(1, &[1], Some(&[1]))).expect_err("would never end");
}

#[test]
fn garbage() {
    for bytes in [
        &[][..],
        &[0],
        &[1],
        &[3, 0, 0, 0],
        &[3, 0, 0, 0, 0],
        &[4, 0, 0, 0, 1, 0],
        &[7, 255, 255, 255, 255],
    ] {
        let mut session = established(None, WINDOW);
        session.handle_frame(0, bytes).expect_err("garbage");
        assert!(!session.is_established());
    }
}

/// A peer may grant as much as it likes: what is kept for it has our bound.
#[test]
fn a_window_without_end_is_cut() {
    for early in [true, false] {
        let mut session = established(None, if early { u64::MAX } else { WINDOW });
        if !early {
            put(&mut session, &ack(0, 0, u64::MAX)).expect("an ack");
        }
        let mut read = 1;
        for n in 0..40 {
            let page = Page {
                items: vec![(n + 1, Token([1; 16]), item(n + 1, 0, 1 << 20))],
                through: n + 1,
                more: true,
                ..Page::default()
            };
            session.handle_page(0, read, page);
            match events(&mut session).first() {
                Some(Event::ReadFeed { read: number, .. }) => read = *number,
                _ => break,
            }
        }
        let held = session.outgoing[0].held();
        assert!(held <= limits::CREDIT_BYTES + (2 << 20), "{held}");
    }
}

/// A peer that changes its mind without end makes no reads pile up: one of each class is open at a time.
#[test]
fn a_peer_that_changes_its_mind_without_end() {
    let mut session = established(None, WINDOW);
    let mut reads = 0;
    for version in 1..2_000 {
        let interest = Interest {
            version,
            ..everything()
        };
        let said = Resume {
            interest,
            ..resume(WINDOW)
        };
        put(&mut session, &Frame::Resume(said)).expect("a newer interest");
        let read = |e: &&Event| matches!(e, Event::ReadFeed { .. });
        reads += events(&mut session).iter().filter(read).count();
    }
    assert_eq!(reads, 0, "the first ones are still open");
}

/// Steps without items, chosen by one interest after the other, do not pile up either: no more interests than were stated.
#[test]
fn steps_without_items_do_not_pile_up() {
    let mut session = established(None, WINDOW);
    // the directory is far behind: nothing can be handed over
    let step = |after, interest| {
        Frame::Feed(Feed {
            class: 1,
            interest,
            after,
            offset: after + 1,
            directory: 1 << 40,
            token: Token([1; 16]),
            item: None,
        })
    };
    session.change_interest(Interest {
        version: 1,
        ..everything()
    });
    for n in 0..5_000 {
        put(&mut session, &step(n, u32::from(n > 2_000))).expect("a step");
    }
    assert_eq!(session.incoming[1].steps(), 2);
}

/// Health that is said more often than agreed is looked at once a second, newest word per seat, and of so many seats only.
#[test]
fn health_without_end_is_looked_at_now_and_then() {
    let mut session = established(None, WINDOW);
    let mut heard = 0;
    for n in 0..5_000u64 {
        let all = (0..200).map(|seat| health(seat, n as i64)).collect();
        let said = codec::encode(&Frame::Health(all));
        session.handle_frame(n, &said).expect("health");
        if session.poll_timeout() == Some(n) {
            session.handle_timeout(n);
        }
        heard += events(&mut session).len();
    }
    assert!((5..=6).contains(&heard), "{heard} times in five seconds");
    assert!(session.words.held() <= 200);

    let mut refused = false;
    for n in 0..2 * limits::HEALTH_WAITING_MAX {
        let mut word = health(1, 1);
        word.seat.0[..8].copy_from_slice(&n.to_be_bytes());
        refused |= session
            .handle_frame(4_999, &codec::encode(&Frame::Health(vec![word])))
            .is_err();
    }
    assert!(refused && session.words.held() <= limits::HEALTH_WAITING_MAX);
}

/// Repeating oneself is no way to fill a memory.
#[test]
fn repetitions_do_not_pile_up() {
    let mut session = established(Some(100), WINDOW);
    put(&mut session, &feed(0, 0, 1, 1)).expect("a step");
    session.handle_taken(0, 1);
    session.want(1, subject(), Vec::new());
    let mut calls = 0;
    for n in 0..5_000 {
        put(&mut session, &Frame::Hello(hello(2))).expect("a hello again");
        put(&mut session, &feed(0, 0, 1, 1)).expect("a step again");
        put(&mut session, &want(n % 70, &[])).expect("a want again");
        session.handle_timeout(n * 1_000);
        calls += events(&mut session)
            .iter()
            .filter(|e| matches!(e, Event::ServeWant { .. }))
            .count();
    }
    assert!(calls <= limits::WANTS_OPEN_MAX, "{calls} wants served");
    let said = frames(&mut session).len();
    assert!(said < 100, "{said} frames wait");
}

/// Pages that were answered count until they have left.
#[test]
fn pages_do_not_pile_up() {
    let mut session = established(Some(100), WINDOW);
    for n in 0..1_000 {
        put(&mut session, &want(n, &[])).expect("a want");
        for event in events(&mut session) {
            if let Event::ServeWant { number, place, .. } = event {
                session.handle_want_page(number, place, answer());
            }
        }
    }
    let said = frames(&mut session).len();
    assert!(said <= limits::WANTS_OPEN_MAX, "{said} pages wait");
}

// ---- any frames at all --------------------------------------------------------------------------------------------------

fn some_offset() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..12u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn some_item() -> impl Strategy<Value = Item> {
    (0..12u64, 0..3u8, 0..700usize).prop_map(|(n, class, size)| item(n, class, size))
}

fn some_reference() -> impl Strategy<Value = Ref> {
    (0..5u8).prop_map(|n| if n == 0 { Ref::ZERO } else { reference(n) })
}

fn some_scope() -> impl Strategy<Value = Scope> {
    (0..3u8).prop_map(Scope::of)
}

fn some_statements() -> impl Strategy<Value = Statements> {
    prop_oneof![
        (some_scope(), some_offset()).prop_map(|(scope, cursor)| {
            Statements::Digest(Digest {
                cursor,
                scope,
                ..Digest::default()
            })
        }),
        (some_scope(), some_reference())
            .prop_map(|(scope, after)| Statements::Ask { scope, after }),
        (
            some_scope(),
            any::<bool>(),
            prop::collection::vec(some_reference(), 0..3)
        )
            .prop_map(|(scope, last, references)| Statements::Page {
                scope,
                last,
                references
            }),
        (4..9u8).prop_map(Statements::Unread),
    ]
}

fn some_frame() -> impl Strategy<Value = Frame> {
    let cursors = [some_offset(), some_offset(), some_offset()];
    let bytes = || prop::collection::vec(any::<u8>(), 0..3);
    let some_code = || (0..12u8).prop_map(GoodbyeCode::of);
    prop_oneof![
        1 => (2..4u8, 9..13u8, 0..9u8).prop_map(|(id, frames, items)| {
            Frame::Hello(Hello { frames, items, ..hello(id) })
        }),
        2 => (0..3u8, cursors, some_offset(), 0..4u32).prop_map(|(feed, cursors, window, version)| {
            Frame::Resume(Resume {
                incarnation: incarnation(feed),
                cursors: cursors.map(|offset| Cursor {
                    offset,
                    token: Token([u8::from(offset > 0); 16]),
                }),
                interest: Interest { version, ..everything() },
                window,
                words: Vec::new(),
            })
        }),
        8 => (0..4u8, some_offset(), some_offset(), some_offset(), 0..3u32, prop::option::of(some_item()))
            .prop_map(|(class, after, offset, directory, interest, item)| {
                let token = Token([offset as u8; 16]);
                Frame::Feed(Feed { class, interest, after, offset, directory, token, item })
            }),
        4 => (0..4u8, some_offset(), some_offset()).prop_map(|(c, o, w)| ack(c, o, w)),
        1 => prop::collection::vec(9..12u8, 0..4).prop_map(|kinds| {
            Frame::Receipts(kinds.into_iter().map(|kind| vec![1, kind]).collect())
        }),
        2 => (0..5u64, bytes()).prop_map(|(id, place)| want(id, &place)),
        2 => (0..5u64, bytes(), prop::option::of(bytes())).prop_map(|(id, place, next)| {
            want_page(id, &place, next.as_deref())
        }),
        1 => (some_code(), prop::option::of((0..5u8, some_offset()))).prop_map(|(code, item)| {
            Frame::Goodbye(Goodbye { code, item, text: String::new() })
        }),
        1 => (0..4u8, 0..3u64).prop_map(|(end, n)| Frame::Logs(Logs {
            end: LogsEnd::of(end),
            entries: (0..n).map(|n| log_entry(n as u8, n)).collect(),
        })),
        1 => (0..3u8).prop_map(|n| Frame::Health((0..n).map(|n| health(n, 1)).collect())),
        2 => some_statements().prop_map(Frame::Statements),
        1 => (11..20u8).prop_map(Frame::Unread),
    ]
}

/// A caller that does its duty now and then, in whatever order.
fn attend(session: &mut Session, rng: &mut Rng, now: u64, open: &mut Vec<Event>) {
    while let Some(event) = session.poll_event() {
        open.push(event);
    }
    while !open.is_empty() && rng.chance(70) {
        let at = rng.below(open.len() as u64) as usize;
        match open.remove(at) {
            Event::Hello(_) => {
                let cursor = Cursor {
                    offset: rng.below(3),
                    token: Token([1; 16]),
                };
                let cursors = rng.chance(50).then_some([cursor; CLASSES]);
                session.accept(now, acceptance(cursors, everything()));
            }
            Event::Established(_) => session.begin(now, rng.chance(50), BTreeSet::from([(0, 3)])),
            Event::ReadFeed {
                class,
                after,
                upto,
                read,
                ..
            } => {
                let offset = after.saturating_add(1);
                let end = upto.unwrap_or(10).min(10);
                let token = Token([1; 16]);
                let items = (offset <= end).then(|| (offset, token, item(offset, class, 100)));
                let page = Page {
                    items: items.into_iter().collect(),
                    through: end.max(after),
                    token,
                    more: false,
                };
                session.handle_page(class, read, page);
            }
            Event::TakeIn { class, items, .. } if rng.chance(3) && !items.is_empty() => {
                session.refuse_item(class, items[0].0, "");
            }
            Event::TakeIn { class, through, .. } => {
                session.handle_taken(class, through.offset);
            }
            Event::ServeWant { number, place, .. } => {
                session.handle_want_page(number, place, answer());
            }
            Event::ServeStatements { scope, after } => {
                session.handle_statements(scope, vec![after], true);
            }
            _ => {}
        }
        while let Some(event) = session.poll_event() {
            open.push(event);
        }
    }
    if rng.chance(30) {
        session.handle_grown();
    }
    if session.may_want() && rng.chance(20) {
        session.want(rng.below(5), subject(), vec![0]);
    }
    if rng.chance(10) {
        session.send_health(now, health(rng.below(5) as u8, 1));
        session.send_log_news(now, vec![log_entry(rng.below(5) as u8, 1)]);
        session.ask_statements(Scope::All, reference(rng.below(3) as u8 + 1));
        session.change_interest(Interest {
            version: rng.below(4) as u32,
            ..everything()
        });
    }
    if rng.chance(80) {
        while session.poll_transmit(now).is_some() {}
    }
    if rng.chance(30) {
        session.handle_timeout(now);
    }
}

fn check_survives(said: &[Vec<u8>], seed: u64, accepted: bool, lossy: bool) {
    let mut rng = Rng(seed);
    let retransmit = lossy.then_some(100);
    let mut session = if accepted {
        established(retransmit, WINDOW)
    } else {
        fresh(retransmit)
    };
    let mut open = Vec::new();
    for (n, bytes) in said.iter().enumerate() {
        let now = n as u64 * 60;
        let broken = session.handle_frame(now, bytes).is_err();
        assert!(!broken || !session.is_established());
        attend(&mut session, &mut rng, now, &mut open);
        for class in 0..CLASSES {
            let held = session.incoming[class].held();
            assert!(held <= WINDOW, "{held} bytes received");
            assert!(session.outgoing[class].held() <= limits::CREDIT_BYTES + 1_000);
        }
        assert!(session.pages.len() <= limits::WANTS_OPEN_MAX);
        assert!(session.early_bytes <= limits::EARLY_BYTES_MAX);
        assert!(
            session.words.held() <= 100,
            "{} words",
            session.words.held()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_frames_are_survived(
        said in prop::collection::vec(some_frame(), 0..80),
        seed in any::<u64>(),
        accepted in any::<bool>(),
        lossy in any::<bool>(),
    ) {
        let said: Vec<_> = said.iter().map(codec::encode).collect();
        check_survives(&said, seed, accepted, lossy);
    }

    #[test]
    fn any_bytes_are_survived(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        frame in some_frame(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let mut broken = codec::encode(&frame);
        let at = at.index(broken.len());
        broken[at] ^= flip;
        if let Some(body) = bytes.len().checked_sub(5) {
            bytes[1..5].copy_from_slice(&(body as u32).to_be_bytes());
        }
        check_survives(&[broken, bytes], 0, true, true);
    }
}
