//! Single steps of the conversation, where the order or the moment is what matters.

use super::pair::{Entry, Pair, Task, Weather, everything, hello, item};
use crate::codec;
use crate::frame::{Ack, CLASSES, Frame, Resume, Want, WantPage, reason};
use crate::session::{Config, Event, Page, Session};

/// A session whose peer has accepted and grants this much; no reads answered yet.
fn sender(window: u64, retransmit: Option<u64>) -> Session {
    let config = Config {
        hello: hello(1),
        window,
        retransmit,
    };
    let mut session = Session::new(config, 0);
    put(&mut session, &Frame::Hello(hello(2)));
    session.accept(0, None, everything());
    let resume = Resume {
        feed: [1; 16],
        cursors: [0; CLASSES],
        interest: everything(),
        window,
    };
    put(&mut session, &Frame::Resume(resume));
    session
}

fn put(session: &mut Session, frame: &Frame) {
    let result = session.handle_frame(0, &codec::encode(frame));
    result.expect("allowed");
}

/// The next frame that is no greeting.
fn said(session: &mut Session, now: u64) -> Option<Frame> {
    std::iter::from_fn(|| session.poll_transmit(now))
        .map(|t| codec::decode(&t.bytes).expect("our own frame"))
        .find(|f| !matches!(f, Frame::Hello(_) | Frame::Resume(_)))
}

/// Answers every open read from a feed that holds these (offset, class), up to `head`.
fn read(session: &mut Session, feed: &[(u64, u8)], head: u64, size: usize) {
    while let Some(event) = session.poll_event() {
        let Event::ReadFeed {
            class,
            after,
            upto,
            token,
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
            items: items.map(|(o, c)| (*o, item(*o, *c, size))).collect(),
            through: end.max(after),
            more: false,
        };
        session.handle_page(0, class, token, page);
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
    let opened: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
    assert!(matches!(
        opened.last(),
        Some(Event::ReadFeed { class: 0, .. })
    ));
    // the page was read before the growth and arrives after it
    session.handle_grown();
    session.handle_page(0, 0, 0, Page::default());
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
    let page = |through| Page {
        through,
        ..Page::default()
    };
    session.handle_page(0, 0, 0, page(5));
    // lanes read up to 5; meanwhile the directory grows to 8
    session.handle_grown();
    session.handle_page(0, 0, 0, page(8));
    session.handle_page(0, 1, 0, page(5));
    let reads: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
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
    let Some(Event::ReadFeed { token, .. }) = session.poll_event() else {
        panic!("the directory is read again");
    };
    let page = |more| Page {
        through: 1,
        more,
        ..Page::default()
    };
    session.handle_page(100, 0, token, page(true));
    let reads: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
    let late = Ack {
        class: 0,
        offset: 2,
        window: 100_000,
    };
    put(&mut session, &Frame::Ack(late));
    for event in reads {
        if let Event::ReadFeed {
            class: 1, token, ..
        } = event
        {
            session.handle_page(100, 1, token, page(false));
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
    let Some(Event::ReadFeed {
        class: 0, token, ..
    }) = session.poll_event()
    else {
        panic!("the directory is read first");
    };
    let page = Page {
        items: vec![(2, item(2, 0, 10))],
        through: 3,
        more: false,
    };
    session.handle_page(0, 0, token, page);
    let reads: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
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
    for event in reads {
        if let Event::ReadFeed {
            class: 1, token, ..
        } = event
        {
            let page = Page {
                items: vec![(3, item(3, 1, 10))],
                through: 3,
                more: false,
            };
            session.handle_page(100, 1, token, page);
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

#[test]
fn a_lost_acknowledgement_is_said_again() {
    let mut session = sender(1_000, None);
    let step = Frame::Feed(crate::frame::Feed {
        class: 1,
        after: 0,
        offset: 1,
        directory: 0,
        item: Some(item(1, 1, 10)),
    });
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
    let page = Page {
        items: vec![(1, item(1, 0, 10))],
        through: 1,
        more: false,
    };
    session.handle_page(0, 0, 0, page.clone());
    session.handle_page(0, 0, 0, page);
    assert_eq!(offset_of(said(&mut session, 0)), (0, 1));
    assert_eq!(said(&mut session, 0), None);
}

#[test]
fn cursors_count_for_the_feed_that_they_name() {
    for (feed, from) in [(1, 7), (9, 0)] {
        let config = Config {
            hello: hello(1),
            window: 1_000,
            retransmit: None,
        };
        let mut session = Session::new(config, 0);
        put(&mut session, &Frame::Hello(hello(2)));
        session.accept(0, None, everything());
        let resume = Resume {
            feed: [feed; 16],
            cursors: [7; CLASSES],
            interest: everything(),
            window: 1_000,
        };
        put(&mut session, &Frame::Resume(resume));
        let after = std::iter::from_fn(|| session.poll_event()).find_map(|e| match e {
            Event::ReadFeed { after, .. } => Some(after),
            _ => None,
        });
        assert_eq!(after, Some(from), "feed {feed}");
    }
}

#[test]
fn a_lost_page_is_asked_for_again_however_many_others_arrive() {
    let mut session = sender(1_000, Some(100));
    while session.poll_transmit(0).is_some() {}
    session.want(0, 1, Want::Subject("lost".into()), Vec::new());
    for id in 2..20 {
        let now = id * 50;
        while session.poll_transmit(now).is_some() {}
        session.want(now, id, Want::Subject("other".into()), Vec::new());
        put(
            &mut session,
            &Frame::WantPage(WantPage {
                id,
                resumed: Vec::new(),
                items: Vec::new(),
                next: None,
            }),
        );
        session.handle_timeout(now);
        let again = std::iter::from_fn(|| said(&mut session, now))
            .any(|f| matches!(f, Frame::Want(w) if w.id == 1));
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
        let entry = Entry {
            class: 1,
            size: 500,
            region: 0,
        };
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
        let entry = Entry {
            class,
            size: 10,
            region: 0,
        };
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
    pair.sides[0].session.close(reason::SHUTDOWN, "停机");
    pair.run();
    for side in &pair.sides {
        let goodbye = side.closed.as_ref().expect("closed");
        assert_eq!(
            (goodbye.code, goodbye.text.as_str()),
            (reason::SHUTDOWN, "停机")
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
