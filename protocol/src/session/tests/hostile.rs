//! A peer that keeps to no rule: it loses its conversation, and nothing else happens.

use proptest::prelude::*;

use super::pair::{Rng, everything, hello, item};
use crate::codec;
use crate::frame::{
    Ack, CLASSES, Feed, Frame, Goodbye, Hello, Interest, Item, Resume, VERSIONS, Want, WantFrame,
    WantPage, reason,
};
use crate::limits;
use crate::session::{Config, Event, Page, PeerMisbehaved, Session};

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
        feed: [1; 16],
        cursors: [0; CLASSES],
        interest: everything(),
        window,
    }
}

/// A session that has greeted the peer with feed 2 and whose three first reads are open.
fn established(retransmit: Option<u64>, window: u64) -> Session {
    let mut session = fresh(retransmit);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    session.accept(0, None, everything());
    put(&mut session, &Frame::Resume(resume(window))).expect("a resume");
    assert!(session.is_established());
    events(&mut session);
    frames(&mut session);
    session
}

fn feed(class: u8, after: u64, offset: u64, size: usize) -> Frame {
    Frame::Feed(Feed {
        class,
        after,
        offset,
        directory: 0,
        item: Some(item(offset, class, size)),
    })
}

fn want(id: u64, resume: &[u8]) -> Frame {
    Frame::Want(WantFrame {
        id,
        want: Want::Subject("x".into()),
        resume: resume.to_vec(),
    })
}

fn ack(class: u8, offset: u64, window: u64) -> Frame {
    Frame::Ack(Ack {
        class,
        offset,
        window,
    })
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
    assert!(matches!(closed, Some(Event::Closed(g)) if g.code == reason::MISBEHAVED));
    let goodbye = frames(&mut session).pop();
    assert!(matches!(goodbye, Some(Frame::Goodbye(g)) if g.code == reason::MISBEHAVED));
    // over is over
    assert!(!session.is_established() && !session.may_want());
    put(&mut session, last).expect("is not looked at");
    session.handle_timeout(1_000_000);
    session.handle_grown();
    session.handle_taken(0, 5);
    session.send_receipts(vec![vec![1]]);
    session.want(0, 1, Want::Subject("x".into()), Vec::new());
    session.handle_want_page(1, Vec::new(), Vec::new(), None);
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
fn a_class_that_does_not_exist() {
    check_misbehaves(vec![feed(3, 0, 1, 1)]);
    check_misbehaves(vec![ack(3, 1, WINDOW)]);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent() {
    check_misbehaves(vec![ack(0, 1, WINDOW)]);
    check_misbehaves(vec![ack(2, u64::MAX, WINDOW)]);
}

#[test]
fn too_many_receipts_in_one_frame() {
    let receipts = |n| Frame::Receipts(vec![vec![1]; n]);
    let most = limits::RECEIPTS_PER_FRAME_MAX;
    check_misbehaves(vec![receipts(most), receipts(most + 1)]);
}

#[test]
fn too_many_wants() {
    let most = limits::WANTS_OPEN_MAX as u64;
    check_misbehaves((0..=most).map(|id| want(id, &[])).collect());
}

#[test]
fn a_want_whose_place_is_too_long() {
    check_misbehaves(vec![want(1, &vec![0; limits::WANT_RESUME_BYTES_MAX + 1])]);
}

#[test]
fn a_want_of_a_subject_that_is_none() {
    let long = Frame::Want(WantFrame {
        id: 1,
        want: Want::Subject("x".repeat(limits::SUBJECT_BYTES_MAX + 1)),
        resume: Vec::new(),
    });
    check_misbehaves(vec![long]);
}

#[test]
fn an_offset_that_no_store_keeps() {
    check_misbehaves(vec![feed(1, 0, limits::POSITION_MAX + 1, 1)]);
    check_misbehaves(vec![Frame::Feed(Feed {
        class: 1,
        after: 0,
        offset: u64::MAX,
        directory: 0,
        item: None,
    })]);
    let mut session = fresh(None);
    let said = Frame::Resume(Resume {
        cursors: [0, 0, u64::MAX],
        ..resume(WINDOW)
    });
    put(&mut session, &said).expect_err("further than any feed reaches");
}

/// What is kept for a want must not grow with the peer's mood.
#[test]
fn a_page_whose_next_place_is_too_long() {
    let mut session = established(None, WINDOW);
    session.want(0, 1, Want::Subject("x".into()), Vec::new());
    let page = Frame::WantPage(WantPage {
        id: 1,
        resumed: Vec::new(),
        items: Vec::new(),
        next: Some(vec![0; limits::WANT_RESUME_BYTES_MAX + 1]),
    });
    put(&mut session, &page).expect_err("too long");
}

/// A goodbye's text stands in logs and terminals: bounded, and without what moves a cursor.
#[test]
fn a_goodbye_that_is_no_text_for_people() {
    let mut session = established(None, WINDOW);
    let text = format!("\u{1b}[2J再见\n{}", "长".repeat(1 << 20));
    put(&mut session, &Frame::Goodbye(Goodbye { code: 0, text })).expect("a goodbye");
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
            if let Event::ServeWant { id, resume, .. } = event {
                session.handle_want_page(id, resume, Vec::new(), None);
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
        session.send_receipts(vec![vec![1]]);
    }
    assert!(!session.is_established());
}

#[test]
fn only_what_has_room_is_said() {
    let mut session = established(None, 1 << 20);
    session.send_receipts(vec![vec![1]]);
    put(&mut session, &want(1, &[])).expect("a want");
    events(&mut session);
    session.handle_want_page(1, Vec::new(), Vec::new(), None);
    let page = |class| Page {
        items: vec![(1, item(1, class, 10))],
        through: 1,
        more: false,
    };
    session.handle_page(0, 0, 0, page(0));
    session.handle_page(0, 2, 0, page(2));
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

#[test]
fn another_party_within_the_same_conversation() {
    check_misbehaves(vec![Frame::Hello(hello(2)), Frame::Hello(hello(3))]);
}

#[test]
fn an_interest_with_too_many_terms() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    session.accept(0, None, everything());
    let wide = Interest {
        regions: vec![String::new(); limits::INTEREST_TERMS_MAX + 1],
        ..Interest::default()
    };
    let said = Frame::Resume(Resume {
        interest: wide,
        ..resume(WINDOW)
    });
    put(&mut session, &said).expect_err("too wide");
}

#[test]
fn a_page_that_ends_where_it_began() {
    let mut session = established(None, WINDOW);
    session.want(0, 1, Want::Subject("x".into()), vec![1]);
    let page = Frame::WantPage(WantPage {
        id: 1,
        resumed: vec![1],
        items: Vec::new(),
        next: Some(vec![1]),
    });
    put(&mut session, &page).expect_err("would never end");
}

#[test]
fn garbage() {
    for bytes in [&[][..], &[0], &[1], &[2, 0], &[1, 99], &[1, 7, 0, 0, 0]] {
        let mut session = established(None, WINDOW);
        session.handle_frame(0, bytes).expect_err("garbage");
        assert!(!session.is_established());
    }
}

#[test]
fn frames_before_the_greeting_are_let_pass() {
    let page = Frame::WantPage(WantPage {
        id: 0,
        resumed: Vec::new(),
        items: Vec::new(),
        next: None,
    });
    let receipts = Frame::Receipts(vec![vec![1]]);
    let said = [feed(0, 0, 1, 1), ack(0, 9, 9), want(0, &[]), page, receipts];
    for frame in said {
        let mut session = fresh(None);
        put(&mut session, &frame).expect("may have overtaken the greeting");
        assert_eq!(events(&mut session), []);
        put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
        events(&mut session);
        put(&mut session, &frame).expect("may have overtaken our word");
        assert_eq!(events(&mut session), []);
    }
}

/// Nothing of our feed goes to a peer of whom we do not know yet who it is.
#[test]
fn a_peer_that_was_not_judged_gets_nothing() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Resume(resume(WINDOW))).expect("may have overtaken the hello");
    session.handle_grown();
    session.send_receipts(vec![vec![1]]);
    assert!(!session.is_established());
    assert_eq!(events(&mut session), []);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    put(&mut session, &Frame::Resume(resume(WINDOW))).expect("a resume");
    session.handle_grown();
    assert!(!session.is_established());
    assert_eq!(events(&mut session), [Event::Hello(hello(2))]);
    assert_eq!(frames(&mut session), [Frame::Hello(hello(1))]);

    // nobody says it again on a carrier that loses nothing: it counts from our word on
    session.accept(0, None, everything());
    assert!(session.is_established());
    let first = session.poll_event();
    assert_eq!(first, Some(Event::Established(everything())));
    let said = frames(&mut session);
    assert!(matches!(&said[..], [Frame::Resume(_), Frame::Receipts(_)]));
}

#[test]
fn a_peer_that_is_refused_gets_the_reason() {
    let mut session = fresh(None);
    put(&mut session, &Frame::Hello(hello(2))).expect("a hello");
    put(&mut session, &Frame::Resume(resume(WINDOW))).expect("a resume");
    session.refuse(reason::NOT_ADMITTED, "未登记");
    let goodbye = Goodbye {
        code: reason::NOT_ADMITTED,
        text: "未登记".into(),
    };
    session.accept(0, None, everything());
    assert!(!session.is_established());
    let said = frames(&mut session);
    assert_eq!(said, [Frame::Hello(hello(1)), Frame::Goodbye(goodbye)]);
}

#[test]
fn unequal_versions_are_refused() {
    let (low, high) = VERSIONS;
    for (min, max, fits) in [
        (low, high, true),
        (0, u8::MAX, true),
        (high + 1, high + 2, false),
        (0, low - 1, false),
    ] {
        let mut session = fresh(None);
        let said = Hello {
            frame_min: min,
            frame_max: max,
            ..hello(2)
        };
        put(&mut session, &Frame::Hello(said)).expect("well formed");
        let closed = events(&mut session).pop();
        let refused = matches!(closed, Some(Event::Closed(g)) if g.code == reason::VERSION);
        assert_eq!(refused, !fits, "{min} to {max}");
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
        let mut token = 0;
        for n in 0..40 {
            let page = Page {
                items: vec![(n + 1, item(n + 1, 0, 1 << 20))],
                through: n + 1,
                more: true,
            };
            session.handle_page(0, 0, token, page);
            match events(&mut session).first() {
                Some(Event::ReadFeed { token: t, .. }) => token = *t,
                _ => break,
            }
        }
        let held = session.outgoing[0].held();
        assert!(held <= limits::CREDIT_BYTES + (2 << 20), "{held}");
    }
}

/// Repeating oneself is no way to fill a memory.
#[test]
fn repetitions_do_not_pile_up() {
    let mut session = established(Some(100), WINDOW);
    put(&mut session, &feed(0, 0, 1, 1)).expect("a step");
    session.handle_taken(0, 1);
    session.want(0, 1, Want::Subject("x".into()), Vec::new());
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
            if let Event::ServeWant { id, resume, .. } = event {
                session.handle_want_page(id, resume, Vec::new(), None);
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

fn some_frame() -> impl Strategy<Value = Frame> {
    let cursors = [some_offset(), some_offset(), some_offset()];
    let bytes = || prop::collection::vec(any::<u8>(), 0..3);
    prop_oneof![
        1 => (2..4u8, 0..3u8).prop_map(|(id, min)| {
            Frame::Hello(Hello { frame_min: min, ..hello(id) })
        }),
        2 => (0..3u8, cursors, some_offset()).prop_map(|(feed, cursors, window)| {
            Frame::Resume(Resume { feed: [feed; 16], cursors, interest: everything(), window })
        }),
        8 => (0..4u8, some_offset(), some_offset(), some_offset(), prop::option::of(some_item()))
            .prop_map(|(class, after, offset, directory, item)| {
                Frame::Feed(Feed { class, after, offset, directory, item })
            }),
        4 => (0..4u8, some_offset(), some_offset()).prop_map(|(c, o, w)| ack(c, o, w)),
        1 => prop::collection::vec(bytes(), 0..4).prop_map(Frame::Receipts),
        2 => (0..5u64, bytes()).prop_map(|(id, resume)| want(id, &resume)),
        2 => (0..5u64, bytes(), prop::option::of(bytes())).prop_map(|(id, resumed, next)| {
            Frame::WantPage(WantPage { id, resumed, items: Vec::new(), next })
        }),
        1 => Just(Frame::Goodbye(Goodbye { code: 0, text: String::new() })),
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
            Event::Hello(_) => session.accept(now, None, everything()),
            Event::ReadFeed {
                class,
                after,
                upto,
                token,
                ..
            } => {
                let offset = after.saturating_add(1);
                let end = upto.unwrap_or(10).min(10);
                let items = (offset <= end).then(|| (offset, item(offset, class, 100)));
                let page = Page {
                    items: items.into_iter().collect(),
                    through: end.max(after),
                    more: false,
                };
                session.handle_page(now, class, token, page);
            }
            Event::TakeIn { class, through, .. } => {
                session.handle_taken(class, through);
            }
            Event::ServeWant { id, resume, .. } => {
                session.handle_want_page(id, resume, Vec::new(), None);
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
        session.want(now, rng.below(5), Want::Subject("x".into()), vec![0]);
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
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        check_survives(&[broken, bytes], 0, true, true);
    }
}
