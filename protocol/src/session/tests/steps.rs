//! Single steps of the conversation, where the order or the moment is what matters.
//!
//! Long because each step of the conversation is one test.

use std::collections::BTreeSet;

use super::pair::{
    Entry, Pair, Task, Weather, acceptance, everything, hello, incarnation, item, log_entry,
};
use crate::codec;
use crate::frame::{
    Ack, CLASSES, Cursor, Feed, Frame, GoodbyeCode, Interest, Item, Logs, LogsEnd, PageCode,
    Resume, Token, Want, WantFrame, WantPage,
};
use crate::session::{Answer, Config, Event, Page, Session};

fn resume(window: u64) -> Resume {
    Resume {
        incarnation: incarnation(1),
        cursors: Default::default(),
        interest: everything(),
        window,
        words: Vec::new(),
    }
}

/// A session whose peer has accepted and said this; our feed has not begun.
fn greeted(resume: Resume, window: u64, retransmit: Option<u64>) -> Session {
    let config = Config {
        hello: hello(1),
        window,
        retransmit,
    };
    let mut session = Session::new(config, 0);
    put(&mut session, &Frame::Hello(hello(2)));
    session.accept(0, acceptance(None, everything()));
    put(&mut session, &Frame::Resume(resume));
    session
}

/// A session whose peer has accepted and grants this much; no reads answered yet.
fn sender(window: u64, retransmit: Option<u64>) -> Session {
    let mut session = greeted(resume(window), window, retransmit);
    session.begin(0, false, BTreeSet::new());
    session
}

fn put(session: &mut Session, frame: &Frame) {
    let result = session.handle_frame(0, &codec::encode(frame));
    result.expect("allowed");
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// Numbers of the open reads among events, by class.
fn reads(events: &[Event]) -> Vec<(u8, u32)> {
    let read = |e: &Event| match e {
        Event::ReadFeed { class, read, .. } => Some((*class, *read)),
        _ => None,
    };
    events.iter().filter_map(read).collect()
}

/// Number of the open read of a class.
fn open(session: &mut Session, class: u8) -> u32 {
    let all = reads(&events(session));
    let of_class = all.iter().find(|(c, _)| *c == class);
    of_class.expect("a read of this class is open").1
}

fn item_page(items: &[u64], class: u8, through: u64, more: bool) -> Page {
    Page {
        items: items
            .iter()
            .map(|o| (*o, Token([*o as u8; 16]), item(*o, class, 10)))
            .collect(),
        through,
        token: Token([through as u8; 16]),
        more,
    }
}

/// The next frame that is no greeting.
fn said(session: &mut Session, now: u64) -> Option<Frame> {
    std::iter::from_fn(|| session.poll_transmit(now))
        .map(|t| codec::decode(&t.bytes).expect("our own frame"))
        .find(|f| {
            !matches!(
                f,
                Frame::Hello(_) | Frame::Resume(_) | Frame::Logs(_) | Frame::Statements(_)
            )
        })
}

/// Answers every open read from a feed that holds these (offset, class), up to `head`.
fn read(session: &mut Session, feed: &[(u64, u8)], head: u64, size: usize) {
    while let Some(event) = session.poll_event() {
        let Event::ReadFeed {
            class,
            after,
            upto,
            read,
            ..
        } = event
        else {
            continue;
        };
        let end = upto.unwrap_or(head).min(head);
        let items = feed
            .iter()
            .filter(|(o, c)| *c == class && (after + 1..=end).contains(o));
        let page = Page {
            items: items
                .map(|(o, c)| (*o, Token([*o as u8; 16]), item(*o, *c, size)))
                .collect(),
            through: end.max(after),
            ..Page::default()
        };
        session.handle_page(class, read, page);
    }
}

fn offset_of(frame: Option<Frame>) -> (u8, u64) {
    match frame {
        Some(Frame::Feed(feed)) => (feed.class, feed.offset),
        other => panic!("no step of a feed: {other:?}"),
    }
}

#[test]
fn an_urgent_item_passes_a_backlog() {
    for urgent in 0..2 {
        let mut session = sender(100_000, None);
        let mut feed: Vec<(u64, u8)> = (1..=50).map(|o| (o, 2)).collect();
        read(&mut session, &feed, 50, 1_000);
        // directory and lane 1 have nothing to say, lane 2 has begun
        assert_eq!(offset_of(said(&mut session, 0)), (0, 50));
        assert_eq!(offset_of(said(&mut session, 0)), (1, 50));
        assert_eq!(offset_of(said(&mut session, 0)), (2, 1));
        feed.push((51, urgent));
        session.handle_grown();
        read(&mut session, &feed, 51, 1_000);
        assert_eq!(offset_of(said(&mut session, 0)), (0, 51));
        assert_eq!(offset_of(said(&mut session, 0)), (1, 51));
        assert_eq!(offset_of(said(&mut session, 0)), (2, 2));
    }
}

#[test]
fn growth_while_a_page_is_read_is_not_forgotten() {
    let mut session = sender(100_000, None);
    let read = open(&mut session, 0);
    // the page was read before the growth and arrives after it
    session.handle_grown();
    session.handle_page(0, read, Page::default());
    let again = session.poll_event();
    assert!(matches!(
        again,
        Some(Event::ReadFeed {
            class: 0,
            after: 0,
            ..
        })
    ));
}

#[test]
fn a_lane_reads_on_when_the_directory_has_been_read_further() {
    let mut session = sender(100_000, None);
    let page = |through| item_page(&[], 0, through, false);
    let read = open(&mut session, 0);
    session.handle_page(0, read, page(5));
    // lanes read up to 5; meanwhile the directory grows to 8
    let lanes = reads(&events(&mut session));
    session.handle_grown();
    let read = open(&mut session, 0);
    session.handle_page(0, read, page(8));
    for (class, read) in lanes {
        session.handle_page(class, read, page(5));
    }
    let reads = events(&mut session);
    let wanted = reads.iter().any(|e| {
        matches!(
            e,
            Event::ReadFeed {
                class: 1,
                after: 5,
                upto: Some(8),
                ..
            }
        )
    });
    assert!(wanted, "{reads:?}");
}

/// The directory goes back, a lane is read up to there, and a late acknowledgement brings the directory forward again.
#[test]
fn a_lane_reads_on_when_the_directory_jumps_forward() {
    let feed = [(1, 0), (2, 1)];
    let mut session = sender(100_000, Some(100));
    read(&mut session, &feed, 2, 10);
    while session.poll_transmit(0).is_some() {}
    session.handle_timeout(100);
    let directory = open(&mut session, 0);
    session.handle_page(0, directory, item_page(&[], 0, 1, true));
    let lanes = reads(&events(&mut session));
    let late = Ack {
        class: 0,
        offset: 2,
        window: 100_000,
    };
    put(&mut session, &Frame::Ack(late));
    for (class, read) in lanes {
        if class == 1 {
            session.handle_page(1, read, item_page(&[], 1, 1, false));
        }
    }
    read(&mut session, &feed, 2, 10);
    let arrives = std::iter::from_fn(|| said(&mut session, 100))
        .any(|f| matches!(f, Frame::Feed(f) if f.class == 1 && f.offset == 2));
    assert!(arrives);
}

#[test]
fn an_item_names_its_directory_even_when_the_directory_goes_back() {
    let mut session = sender(100_000, Some(100));
    read(&mut session, &[(1, 0)], 1, 10);
    while session.poll_transmit(0).is_some() {}
    session.handle_grown();
    let directory = open(&mut session, 0);
    session.handle_page(0, directory, item_page(&[2], 0, 3, false));
    let lanes = reads(&events(&mut session));
    // nothing was acknowledged: lane 0 goes back, and the page of lane 1 arrives after that
    put(
        &mut session,
        &Frame::Ack(Ack {
            class: 1,
            offset: 1,
            window: 100_000,
        }),
    );
    session.handle_timeout(100);
    for (class, read) in lanes {
        if class == 1 {
            session.handle_page(1, read, item_page(&[3], 1, 3, false));
        }
    }
    while let Some(frame) = said(&mut session, 100) {
        if let Frame::Feed(feed) = frame
            && feed.class == 1
            && feed.offset == 3
        {
            assert!(feed.directory >= 2, "item 2 is its directory: {feed:?}");
            return;
        }
    }
    panic!("item 3 was not sent");
}

fn step(class: u8, after: u64, offset: u64, item: Option<Item>) -> Frame {
    Frame::Feed(Feed {
        class,
        interest: 0,
        after,
        offset,
        directory: 0,
        token: Token([offset as u8; 16]),
        item,
    })
}

#[test]
fn a_lost_acknowledgement_is_said_again() {
    let mut session = sender(1_000, None);
    let step = step(1, 0, 1, Some(item(1, 1, 10)));
    put(&mut session, &step);
    session.handle_taken(1, 1);
    for _ in 0..2 {
        let ack = said(&mut session, 0);
        assert!(
            matches!(
                ack,
                Some(Frame::Ack(Ack {
                    class: 1,
                    offset: 1,
                    ..
                }))
            ),
            "{ack:?}"
        );
        // the sender has not heard it
        put(&mut session, &step);
    }
}

/// What was sent before going back and is acknowledged after it is not sent a second time.
#[test]
fn a_late_acknowledgement_spares_what_it_covers() {
    for read_again in [false, true] {
        let feed = [(1, 0), (2, 0), (3, 0)];
        let mut session = sender(100_000, Some(100));
        read(&mut session, &feed, 3, 10);
        while session.poll_transmit(0).is_some() {}
        session.handle_timeout(100);
        if read_again {
            read(&mut session, &feed, 3, 10);
        }
        let late = Ack {
            class: 0,
            offset: 2,
            window: 100_000,
        };
        put(&mut session, &Frame::Ack(late));
        read(&mut session, &feed, 3, 10);
        assert_eq!(offset_of(said(&mut session, 100)), (0, 3));
    }
}

#[test]
fn a_page_counts_once() {
    let mut session = sender(100_000, None);
    let page = item_page(&[1], 0, 1, false);
    let read = open(&mut session, 0);
    session.handle_page(0, read, page.clone());
    session.handle_page(0, read, page);
    assert_eq!(offset_of(said(&mut session, 0)), (0, 1));
    assert_eq!(said(&mut session, 0), None);
}

#[test]
fn cursors_count_for_the_incarnation_that_they_name() {
    for (feed, from) in [(1, 7), (9, 0)] {
        let resume = Resume {
            incarnation: incarnation(feed),
            cursors: [Cursor {
                offset: 7,
                token: Token([1; 16]),
            }; CLASSES],
            ..resume(1_000)
        };
        let mut session = greeted(resume, 1_000, None);
        let Some(Event::Established(heard)) =
            session.poll_event().and_then(|_| session.poll_event())
        else {
            panic!("established");
        };
        assert_eq!(heard.cursors[0].offset, from);
        session.begin(0, false, BTreeSet::new());
        let after = events(&mut session).into_iter().find_map(|e| match e {
            Event::ReadFeed { after, .. } => Some(after),
            _ => None,
        });
        assert_eq!(after, Some(from), "feed {feed}");
    }
}

/// Nothing of our feed is read before its caller has looked at what the peer's resume shows.
#[test]
fn the_feed_begins_once_and_when_it_is_told_to() {
    let mut session = greeted(resume(1_000), 1_000, None);
    session.handle_grown();
    let heard = events(&mut session);
    assert!(matches!(
        heard[..],
        [Event::Hello(_), Event::Established(_)]
    ));
    session.begin(0, false, BTreeSet::new());
    assert_eq!(reads(&events(&mut session)).len(), 1);
    session.begin(0, true, BTreeSet::from([(0, 1)]));
    assert_eq!(events(&mut session), []);
}

/// A peer that stands elsewhere gets one step, and the next when it has stored that one: before it knows, a later step could
/// look like one that follows its own cursor.
#[test]
fn a_feed_that_begins_anew_goes_step_by_step_until_it_is_heard() {
    let cursors = [Cursor {
        offset: 3,
        token: Token([9; 16]),
    }; CLASSES];
    let resume = Resume {
        cursors,
        ..resume(100_000)
    };
    let mut session = greeted(resume, 100_000, None);
    session.begin(0, true, BTreeSet::new());
    let feed = [(1, 0), (2, 0), (3, 0), (4, 0)];
    read(&mut session, &feed, 4, 10);
    let first = std::iter::from_fn(|| said(&mut session, 0)).filter_map(|frame| match frame {
        Frame::Feed(feed) if feed.class == 0 => Some((feed.after, feed.offset)),
        _ => None,
    });
    assert_eq!(first.collect::<Vec<_>>(), [(0, 1)]);
    put(
        &mut session,
        &Frame::Ack(Ack {
            class: 0,
            offset: 1,
            window: 100_000,
        }),
    );
    for offset in 2..=4 {
        assert_eq!(offset_of(said(&mut session, 0)), (0, offset));
    }
}

#[test]
fn a_refused_item_is_left_out() {
    let mut session = greeted(resume(100_000), 100_000, None);
    session.begin(0, false, BTreeSet::from([(0, 2), (1, 1)]));
    read(&mut session, &[(1, 0), (2, 0), (3, 0)], 4, 10);
    let steps: Vec<_> = std::iter::from_fn(|| said(&mut session, 0))
        .filter_map(|frame| match frame {
            Frame::Feed(feed) if feed.class == 0 => Some((
                feed.after,
                feed.offset,
                feed.token.0[0],
                feed.item.is_some(),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(steps, [(0, 1, 1, true), (1, 3, 3, true), (3, 4, 0, false)]);
}

/// A page that was read for the former interest counts for nothing, and no second read is opened beside it.
#[test]
fn what_was_not_sent_is_chosen_by_the_new_interest() {
    let mut session = sender(100_000, None);
    let read = open(&mut session, 0);
    session.handle_page(0, read, item_page(&[1, 2], 0, 3, true));
    let before = reads(&events(&mut session));
    assert_eq!(offset_of(said(&mut session, 0)), (0, 1));
    let newer = Interest {
        version: 5,
        ..everything()
    };
    let resume = Resume {
        interest: newer.clone(),
        ..resume(100_000)
    };
    put(&mut session, &Frame::Resume(resume));
    assert_eq!(events(&mut session), [Event::InterestChanged(newer)]);
    assert_eq!(said(&mut session, 0), None, "the queue is chosen again");
    for (class, read) in before {
        session.handle_page(class, read, item_page(&[3], class, 3, false));
    }
    let again = events(&mut session);
    let behind_what_was_sent = again.iter().any(|e| {
        matches!(
            e,
            Event::ReadFeed {
                class: 0,
                after: 1,
                ..
            }
        )
    });
    assert!(behind_what_was_sent, "{again:?}");
    for (class, read) in reads(&again) {
        session.handle_page(class, read, item_page(&[2], class, 3, false));
    }
    let Some(Frame::Feed(step)) = said(&mut session, 0) else {
        panic!("a step");
    };
    assert_eq!((step.after, step.offset, step.interest), (1, 2, 5));
}

/// What is granted counts from the offset that names it: an ack that was overtaken takes nothing back, and a lost one costs
/// nothing.
#[test]
fn a_window_counts_beyond_its_offset() {
    let mut session = sender(300, Some(1_000));
    let read = open(&mut session, 0);
    session.handle_page(0, read, item_page(&[1, 2, 3, 4, 5, 6], 0, 6, false));
    let ack = |session: &mut Session, offset, window| {
        let ack = Ack {
            class: 0,
            offset,
            window,
        };
        put(session, &Frame::Ack(ack));
    };
    let sent = |session: &mut Session| std::iter::from_fn(|| said(session, 0)).count();
    // 64 and a body of 26 bytes each
    assert_eq!(sent(&mut session), 3);
    // the acks of 1 and 2 are lost
    ack(&mut session, 3, 300);
    assert_eq!(sent(&mut session), 3);
    ack(&mut session, 2, 10_000);
    assert_eq!(sent(&mut session), 0);
    assert!(session.outgoing[0].held() <= 300);
}

/// The one header that was wanted goes in front of its page, at the same priority.
#[test]
fn a_wanted_header_arrives_before_its_page() {
    let mut session = sender(1_000, None);
    while session.poll_transmit(0).is_some() {}
    let want = Want::Header {
        seat: Default::default(),
        lane: 1,
        opening: log_entry(1, 1).opening,
        sequence: 3,
    };
    put(
        &mut session,
        &Frame::Want(WantFrame {
            number: 8,
            want,
            place: Vec::new(),
        }),
    );
    let answer = Answer {
        header: Some(log_entry(1, 3)),
        ..Answer::none(PageCode::Given)
    };
    session.handle_want_page(8, Vec::new(), answer);
    let all = std::iter::from_fn(|| session.poll_transmit(0)).map(|t| {
        assert_eq!(t.priority, 3);
        codec::decode(&t.bytes).expect("our own frame")
    });
    let [Frame::Logs(logs), Frame::WantPage(page)] = &all.collect::<Vec<_>>()[..] else {
        panic!("a header and a page");
    };
    let expected = Logs {
        end: LogsEnd::More,
        entries: vec![log_entry(1, 3)],
    };
    assert_eq!(*logs, expected);
    assert!(page.number == 8 && page.items.is_empty() && page.next.is_none());
}

/// The sender of a kind that a later release knows hears so, and nobody is asked.
#[test]
fn a_want_that_is_not_understood_is_answered_so() {
    for want in [
        Want::Unread {
            kind: 7,
            body: vec![1],
        },
        Want::Bucket {
            region: "310115".into(),
            bucket: 258,
        },
    ] {
        let mut session = sender(1_000, None);
        events(&mut session);
        put(
            &mut session,
            &Frame::Want(WantFrame {
                number: 1,
                want,
                place: Vec::new(),
            }),
        );
        assert_eq!(events(&mut session), []);
        let Some(Frame::WantPage(page)) = said(&mut session, 0) else {
            panic!("a page");
        };
        assert_eq!((page.number, page.code), (1, PageCode::NotUnderstood));
        assert_eq!(session.serving.len(), 0);
    }
}

#[test]
fn a_group_is_of_one_interest_and_names_every_offset_and_its_token() {
    let mut session = sender(100_000, None);
    for version in [1, 2] {
        session.change_interest(Interest {
            version,
            ..everything()
        });
    }
    events(&mut session);
    let steps = [(0, 1, 0), (1, 3, 0), (3, 4, 2), (4, 6, 2)];
    for (after, offset, interest) in steps {
        put(
            &mut session,
            &Frame::Feed(Feed {
                class: 0,
                interest,
                after,
                offset,
                directory: 0,
                token: Token([offset as u8; 16]),
                item: (offset != 6).then(|| item(offset, 0, 1)),
            }),
        );
    }
    let groups: Vec<_> = events(&mut session)
        .into_iter()
        .map(|event| match event {
            Event::TakeIn {
                items,
                through,
                interest,
                ..
            } => {
                let offsets: Vec<u64> = items.iter().map(|(offset, _)| *offset).collect();
                (offsets, through.offset, through.token.0[0], interest)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    // what arrives while a group can be handed over is handed over
    let offsets: Vec<u64> = groups.iter().flat_map(|g| g.0.clone()).collect();
    assert_eq!(offsets, [1, 3, 4]);
    for (offsets, through, token, interest) in &groups {
        assert_eq!(u64::from(*token), *through);
        let new = |offset: &u64| *offset > 3;
        assert!(offsets.iter().all(|o| new(o) == (*interest == 2)));
    }
}

#[test]
fn a_lost_page_is_asked_for_again_however_many_others_arrive() {
    let mut session = sender(1_000, Some(100));
    while session.poll_transmit(0).is_some() {}
    session.want(1, Want::Subject("lost".into()), Vec::new());
    for id in 2..20 {
        let now = id * 50;
        while session.poll_transmit(now).is_some() {}
        session.want(id, Want::Subject("other".into()), Vec::new());
        put(
            &mut session,
            &Frame::WantPage(WantPage {
                number: id,
                place: Vec::new(),
                code: PageCode::Given,
                built_at: 0,
                items: Vec::new(),
                next: None,
            }),
        );
        session.handle_timeout(now);
        let again = std::iter::from_fn(|| said(&mut session, now))
            .any(|f| matches!(f, Frame::Want(w) if w.number == 1));
        if again {
            return;
        }
    }
    panic!("the lost page is never asked for again");
}

#[test]
fn patience_counts_from_the_sending() {
    let mut session = sender(100_000, Some(100));
    read(&mut session, &[(1, 0)], 1, 10);
    // the carrier was busy for long
    assert_eq!(offset_of(said(&mut session, 5_000)), (0, 1));
    assert_eq!(session.poll_timeout(), Some(5_100));
}

#[test]
fn a_slow_receiver_stops_the_sender() {
    let weather = Weather {
        store: 0,
        window: 3_000,
        ..Weather::fair()
    };
    let mut pair = Pair::new(1, weather, [everything(), everything()]);
    for _ in 0..100 {
        let entry = Entry::new(1, 500);
        pair.at(0, Task::Append(0, entry));
    }
    pair.stall = Some(1);
    pair.run();
    assert!(pair.sent[1] <= 3_000, "{} bytes sent", pair.sent[1]);
    assert!(pair.sent[1] > 2_000, "{} bytes sent", pair.sent[1]);
    pair.stall = None;
    pair.run();
    pair.check_all_arrived();
}

#[test]
fn growth_wakes_a_session_at_rest() {
    let mut pair = Pair::new(2, Weather::fair(), [everything(), everything()]);
    pair.run();
    for class in [2, 1, 0, 1] {
        let entry = Entry::new(class, 10);
        let now = pair.now;
        pair.at(now, Task::Append(1, entry));
        pair.run();
        pair.check_all_arrived();
    }
}

#[test]
fn goodbye_ends_both_sides() {
    let mut pair = Pair::new(3, Weather::foul(), [everything(), everything()]);
    pair.weather.loss = 0;
    pair.run();
    pair.sides[0].session.close(GoodbyeCode::Shutdown, "停机");
    pair.run();
    for side in &pair.sides {
        let goodbye = side.closed.as_ref().expect("closed");
        assert_eq!(
            (goodbye.code, goodbye.text.as_str()),
            (GoodbyeCode::Shutdown, "停机")
        );
        assert!(!side.session.is_established());
    }
}

#[test]
fn nothing_is_under_way_when_there_is_nothing_to_say() {
    let mut pair = Pair::new(4, Weather::foul(), [everything(), everything()]);
    pair.run();
    for side in &mut pair.sides {
        assert_eq!(side.session.poll_timeout(), None);
        assert_eq!(side.session.poll_event(), None);
        assert_eq!(side.session.poll_transmit(1_000_000), None);
    }
}
