//! Every frame and item: there and back, longer, shorter, and each of its refusals.
//!
//! Long because every frame and item is made once, and every bound has its refusal.

use super::*;
use crate::bytes::Malformed;
use crate::codec::{decode, encode};
use crate::hash::{Hash, Ref};
use crate::name::{FeedId, InstanceId, SeatId};
use crate::sign::Sigs;

fn reference(n: u8) -> Ref {
    Ref::of(Hash([n; 32]))
}

fn incarnation(counter: u64) -> Incarnation {
    Incarnation {
        counter,
        feed: FeedId([0xfd; 16]),
    }
}

/// Bytes that look like the envelope of this kind.
fn envelope(kind: u8) -> Vec<u8> {
    vec![1, kind, 0, 1, 0, 0, 0, 0]
}

pub(crate) fn health(seat: u8) -> Health {
    Health {
        seat: SeatId([seat; 16]),
        since: -5,
        state: State::Held,
        reasons: vec![Reason::Disk, Reason::Other(400)],
        figures: vec![(Figure::Gaps, 3), (Figure::ClockOffsetMs, -70_000)],
        release: "1.2.3".into(),
        relayed: true,
    }
}

pub(crate) fn log_entry(seat: u8) -> LogEntry {
    LogEntry {
        seat: SeatId([seat; 16]),
        lane: 2,
        opening: reference(4),
        state: State::Gap,
        reason: Reason::TwoHeaders,
        since: 1_700_000_000_000_000,
        taken_in: 10,
        applied: 9,
        header: envelope(9),
        opening_envelope: envelope(5),
    }
}

pub(crate) fn hello() -> Hello {
    Hello {
        frames: FRAME_HIGHEST,
        items: ITEM_HIGHEST,
        instance: InstanceId([0x1a; 16]),
        incarnation: incarnation(3),
        release: "zongheng 1.0".into(),
        seats: vec![
            Presence {
                seat: SeatId([1; 16]),
                signatures: Sigs::of([7; 64]),
            },
            Presence {
                seat: SeatId([2; 16]),
                signatures: Sigs::default(),
            },
        ],
        statements: vec![envelope(2), envelope(5)],
    }
}

fn interest() -> Interest {
    Interest {
        version: 3,
        full: false,
        city_wide: true,
        regions: vec!["310115".into(), "pilot-zone".into()],
        organisations: vec!["310115.market".into()],
        seats: vec![SeatId([8; 16])],
    }
}

fn resume() -> Resume {
    let cursor = |offset, token| Cursor {
        offset,
        token: Token([token; 16]),
    };
    Resume {
        incarnation: incarnation(2),
        cursors: [cursor(250, 1), cursor(0, 0), cursor(1 << 40, 3)],
        interest: interest(),
        window: 1 << 32,
        words: vec![envelope(13), envelope(10)],
    }
}

fn feed(item: Option<Item>) -> Feed {
    Feed {
        class: 0,
        interest: 3,
        after: 70_000,
        offset: 70_002,
        directory: 69_999,
        token: Token([9; 16]),
        item,
    }
}

/// One of every item of this release, and one of a later one.
pub(crate) fn every_item() -> Vec<Item> {
    vec![
        Item::Envelope(envelope(2)),
        Item::Slice {
            header: envelope(9),
            body: vec![0xb0; 300],
        },
        Item::Routed(Routed {
            subjects: vec!["uscc:91310115MA1K000001".into(), "reg:310115".into()],
            from: String::new(),
            to: "310115".into(),
            by: SeatId([5; 16]),
        }),
        Item::Checkpoint(Checkpoint {
            cursors: [1, 2, 3],
            region: "310115".into(),
            count: 1 << 33,
            sum: [0xee; 32],
        }),
        Item::Sums(Sums {
            region: "310115".into(),
            buckets: (0..256u32).map(|n| (n, [n as u8; 32])).collect(),
        }),
        Item::Piece(Piece {
            root: Hash([6; 32]),
            suite: 1,
            index: 2,
            bytes: vec![1, 2, 3],
            proof: vec![Hash([7; 32]); 6],
        }),
        Item::Unread {
            number: 200,
            body: vec![1; 9],
        },
    ]
}

fn every_want() -> Vec<Want> {
    let seat = SeatId([3; 16]);
    vec![
        Want::Subject("case:00".into()),
        Want::Range {
            seat,
            lane: 2,
            opening: reference(1),
            from: 1,
            to: 0,
        },
        Want::Statements(vec![reference(1), reference(2)]),
        Want::Attachment {
            suite: 1,
            root: Hash([4; 32]),
            from: 0,
            to: 64,
        },
        Want::Bucket {
            region: "310115".into(),
            bucket: 257,
        },
        Want::Header {
            seat,
            lane: 0,
            opening: reference(1),
            sequence: 5,
        },
        Want::Unread {
            kind: 7,
            body: vec![1, 2],
        },
    ]
}

fn page(items: Vec<Item>) -> WantPage {
    WantPage {
        number: 2,
        place: vec![1],
        code: PageCode::Given,
        built_at: 44,
        items,
        next: Some(vec![1, 2, 3]),
    }
}

/// Every frame of this release, each with every part that it can carry.
pub(crate) fn every_frame() -> Vec<Frame> {
    let mut all = vec![
        Frame::Hello(hello()),
        Frame::Resume(resume()),
        Frame::Feed(feed(None)),
        Frame::Ack(Ack {
            class: 2,
            offset: 70_002,
            window: 8 << 20,
        }),
        Frame::Receipts(vec![envelope(10), envelope(13)]),
        Frame::WantPage(WantPage {
            next: None,
            ..page(Vec::new())
        }),
        Frame::WantPage(WantPage {
            code: PageCode::NotHeld,
            next: None,
            ..page(Vec::new())
        }),
        Frame::Goodbye(Goodbye::new(GoodbyeCode::Shutdown, "停机维护")),
        Frame::Goodbye(Goodbye {
            code: GoodbyeCode::ItemRefused,
            item: Some((1, 70_002)),
            text: String::new(),
        }),
        Frame::Logs(Logs {
            end: LogsEnd::Complete,
            entries: vec![log_entry(1), log_entry(2)],
        }),
        Frame::Health(vec![health(1), health(2)]),
        Frame::Statements(Statements::Digest(Digest {
            cursor: 7,
            scope: Scope::Chain,
            count: 12,
            sum: [3; 32],
        })),
        Frame::Statements(Statements::Ask {
            scope: Scope::All,
            after: Ref::ZERO,
        }),
        Frame::Statements(Statements::Page {
            scope: Scope::All,
            last: false,
            references: vec![reference(1), reference(2)],
        }),
    ];
    let in_feed = every_item().into_iter().filter(|i| i.may_stand_in_feed(0));
    all.extend(in_feed.map(|item| Frame::Feed(feed(Some(item)))));
    let in_page = every_item().into_iter().filter(Item::may_stand_in_page);
    all.push(Frame::WantPage(page(in_page.collect())));
    all.extend(every_want().into_iter().map(|want| {
        Frame::Want(WantFrame {
            number: 1,
            want,
            place: vec![4],
        })
    }));
    all
}

fn framed(number: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[number], &length[..], body].concat()
}

#[test]
fn every_frame_comes_back_as_it_went() {
    let mut numbers: Vec<u8> = every_frame().iter().map(Frame::number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=FRAME_HIGHEST).collect::<Vec<_>>());
    for frame in every_frame() {
        let bytes = encode(&frame);
        assert_eq!(decode(&bytes), Ok(frame));
    }
}

/// A later release appends members: what is known of a body is read, the rest is ignored.
#[test]
fn a_longer_body_is_read_up_to_what_is_known() {
    for frame in every_frame() {
        let bytes = encode(&frame);
        let longer = [&bytes[5..], &[0xab; 40]].concat();
        assert_eq!(decode(&framed(frame.number(), &longer)), Ok(frame));
    }
    for item in every_item() {
        let bytes = item.to_bytes();
        let longer = [&bytes[5..], &[0xab; 40]].concat();
        let read = Item::from_parts(item.number(), &longer);
        match item {
            Item::Unread { number, .. } => {
                assert_eq!(
                    read,
                    Ok(Item::Unread {
                        number,
                        body: longer
                    })
                );
            }
            item => assert_eq!(read, Ok(item)),
        }
    }
    for want in every_want() {
        let longer = [&want.to_bytes()[..], &[0xab; 40]].concat();
        match want {
            Want::Unread { kind, .. } => {
                let body = longer[1..].to_vec();
                assert_eq!(Want::from_bytes(&longer), Ok(Want::Unread { kind, body }));
            }
            want => assert_eq!(Want::from_bytes(&longer), Ok(want)),
        }
    }
}

#[test]
fn a_shorter_body_is_broken_wherever_it_ends() {
    for frame in every_frame() {
        let bytes = encode(&frame);
        for end in 5..bytes.len() {
            let cut = framed(frame.number(), &bytes[5..end]);
            assert!(decode(&cut).is_err(), "{frame:?} cut at {end}");
        }
        // the length says more than there is, or less
        for bytes in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
            assert!(decode(bytes).is_err(), "{frame:?}");
        }
    }
    for item in every_item()
        .into_iter()
        .filter(|i| i.number() <= ITEM_HIGHEST)
    {
        let bytes = item.to_bytes();
        for end in 5..bytes.len() {
            let cut = Item::from_parts(item.number(), &bytes[5..end]);
            assert!(cut.is_err(), "{item:?} cut at {end}");
        }
    }
}

#[test]
fn a_frame_of_a_later_release_is_known_by_its_number() {
    for number in [0, FRAME_HIGHEST + 1, 255] {
        for body in [&[][..], &[0; 100]] {
            assert_eq!(decode(&framed(number, body)), Ok(Frame::Unread(number)));
        }
    }
    let later = framed(11, &[9, 1, 2]);
    let unread = Frame::Statements(Statements::Unread(9));
    assert_eq!(decode(&later), Ok(unread));
}

#[test]
fn an_item_weighs_its_body_and_its_step() {
    for item in every_item() {
        let body = item.to_bytes().len() as u64 - 5;
        assert_eq!(item.weight(), 64 + body, "{item:?}");
        assert_eq!(Item::from_bytes(&item.to_bytes()), Ok(item));
    }
}

/// What may stand in a feed of each class, and what in a page, by item number.
#[test]
fn items_stand_where_they_belong() {
    for (number, classes, in_page) in [
        (1, vec![0], true),
        (2, vec![0, 1, 2], true),
        (3, vec![0, 1, 2], false),
        (4, vec![0, 1, 2], false),
        (5, vec![], true),
        (6, vec![], true),
        (200, vec![0, 1, 2], true),
    ] {
        let items = every_item();
        let item = items.iter().find(|i| i.number() == number);
        let item = item.expect("one of every item").clone();
        for class in 0..3 {
            let said = encode(&Frame::Feed(Feed {
                class,
                ..feed(Some(item.clone()))
            }));
            let fault = match decode(&said) {
                Ok(_) => None,
                Err(FrameFault::Item { class, offset, .. }) => Some((class, offset)),
                Err(fault) => panic!("{fault}"),
            };
            let expected = (!classes.contains(&class)).then_some((class, 70_002));
            assert_eq!(fault, expected, "item {number} in class {class}");
        }
        let said = encode(&Frame::WantPage(page(vec![item])));
        assert_eq!(decode(&said).is_ok(), in_page, "item {number} in a page");
    }
}

/// Who refuses an item for its bytes can name it.
#[test]
fn a_broken_item_leaves_its_step_readable() {
    for kind in [3, 9, 10, 11, 13] {
        let said = encode(&Frame::Feed(feed(Some(Item::Envelope(envelope(kind))))));
        let fault = decode(&said).expect_err("does not travel as a statement");
        assert!(
            matches!(
                fault,
                FrameFault::Item {
                    class: 0,
                    offset: 70_002,
                    ..
                }
            ),
            "kind {kind}: {fault}"
        );
    }
    let mut said = encode(&Frame::Feed(feed(Some(Item::Envelope(envelope(2))))));
    let at = said.len() - 16;
    said[at..at + 8].copy_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(decode(&said), Err(FrameFault::Item { .. })));
}

fn check_refused(what: &str, frame: Frame) {
    let bytes = encode(&frame);
    match decode(&bytes) {
        Err(FrameFault::Frame(Malformed { .. })) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_hello_within_its_bounds() {
    let seat = |n: usize| Presence {
        seat: SeatId([n as u8; 16]),
        signatures: Sigs::default(),
    };
    let hello_of = |seats: Vec<Presence>| Frame::Hello(Hello { seats, ..hello() });
    check_refused("no seat", hello_of(Vec::new()));
    check_refused("one seat twice", hello_of(vec![seat(1), seat(1)]));
    check_refused("65 seats", hello_of((0..65).map(seat).collect()));
    let most = hello_of((0..64).map(seat).collect());
    assert_eq!(decode(&encode(&most)), Ok(most));
    let statements = vec![envelope(2); 257];
    check_refused(
        "257 statements",
        Frame::Hello(Hello {
            statements,
            ..hello()
        }),
    );
    let release = "x".repeat(256);
    check_refused("a long release", Frame::Hello(Hello { release, ..hello() }));
    let release = "1\0".into();
    check_refused(
        "a release with U+0000",
        Frame::Hello(Hello { release, ..hello() }),
    );
    let incarnation = incarnation(1 << 63);
    check_refused(
        "a counter",
        Frame::Hello(Hello {
            incarnation,
            ..hello()
        }),
    );
    // signatures: order, suite 0, length in suite 1
    let one = encode(&hello_of(vec![Presence {
        seat: SeatId([1; 16]),
        signatures: Sigs::of([7; 64]),
    }]));
    let suite = 5 + 2 + 16 + 24 + 8 + "zongheng 1.0".len() + 8 + 16 + 8;
    for (at, value) in [(suite, 0), (suite + 8, 63)] {
        let mut broken = one.clone();
        assert_ne!(broken[at], value);
        broken[at] = value;
        assert!(decode(&broken).is_err(), "byte {at}");
    }
}

#[test]
fn a_resume_within_its_bounds() {
    let with = |change: &dyn Fn(&mut Resume)| {
        let mut said = resume();
        change(&mut said);
        Frame::Resume(said)
    };
    let most = limits::POSITION_MAX;
    check_refused("a cursor", with(&|r| r.cursors[2].offset = most + 1));
    check_refused(
        "a token at 0",
        with(&|r| r.cursors[1].token = Token([1; 16])),
    );
    check_refused("nine words", with(&|r| r.words = vec![envelope(13); 9]));
    for kind in [1, 2, 9, 11, 12, 14] {
        check_refused("a word", with(&|r| r.words = vec![envelope(kind)]));
    }
    check_refused("an empty word", with(&|r| r.words = vec![Vec::new()]));
    check_refused(
        "a long word",
        with(&|r| {
            r.words = vec![[envelope(10), vec![0; limits::WORD_BYTES_MAX]].concat()];
        }),
    );
    check_refused(
        "terms together",
        with(&|r| {
            r.interest.regions = vec!["1".into(); 512];
            r.interest.organisations = vec!["1".into(); 512];
            r.interest.seats = vec![SeatId::default()];
        }),
    );
    check_refused(
        "a region",
        with(&|r| r.interest.regions = vec!["x".repeat(65)]),
    );
    check_refused(
        "a code",
        with(&|r| r.interest.organisations = vec!["x".repeat(82)]),
    );
    let mut flag = encode(&Frame::Resume(resume()));
    flag[5 + 24 + 3 * 24 + 4] = 2;
    assert!(decode(&flag).is_err(), "a flag that is neither 0 nor 1");
}

#[test]
fn a_step_and_an_ack_within_their_bounds() {
    let most = limits::POSITION_MAX;
    let with = |change: &dyn Fn(&mut Feed)| {
        let mut said = feed(None);
        change(&mut said);
        Frame::Feed(said)
    };
    check_refused("a class", with(&|f| f.class = 3));
    check_refused("after", with(&|f| f.after = most + 1));
    check_refused("offset", with(&|f| f.offset = u64::MAX));
    check_refused("directory", with(&|f| f.directory = u64::MAX));
    let mut named_nothing = encode(&Frame::Feed(feed(None)));
    let end = named_nothing.len();
    named_nothing[end - 1] = 1;
    named_nothing.push(0);
    let body = named_nothing[5..].to_vec();
    assert!(decode(&framed(3, &body)).is_err(), "item 0 with a body");
    let ack = |class, offset| {
        Frame::Ack(Ack {
            class,
            offset,
            window: 0,
        })
    };
    check_refused("class of an ack", ack(3, 1));
    check_refused("offset of an ack", ack(0, most + 1));
}

#[test]
fn receipts_and_health_within_their_bounds() {
    check_refused("no receipt", Frame::Receipts(Vec::new()));
    check_refused("257 receipts", Frame::Receipts(vec![envelope(10); 257]));
    for kind in [0, 1, 2, 9, 11, 12, 14] {
        let said = vec![envelope(10), envelope(kind)];
        check_refused("another kind", Frame::Receipts(said));
    }
    check_refused("257 seats", Frame::Health(vec![health(1); 257]));
    let with = |change: &dyn Fn(&mut Health)| {
        let mut said = health(1);
        change(&mut said);
        Frame::Health(vec![said])
    };
    check_refused("reasons", with(&|h| h.reasons = vec![Reason::Disk; 256]));
    check_refused(
        "figures",
        with(&|h| h.figures = vec![(Figure::Held, 1); 256]),
    );
    check_refused("release", with(&|h| h.release = "x".repeat(256)));
}

#[test]
fn wants_within_their_bounds() {
    let want = |want| {
        Frame::Want(WantFrame {
            number: 1,
            want,
            place: Vec::new(),
        })
    };
    let seat = SeatId([3; 16]);
    let most = limits::POSITION_MAX;
    let range = |opening, from, to| {
        want(Want::Range {
            seat,
            lane: 1,
            opening,
            from,
            to,
        })
    };
    let subject = "x".repeat(limits::SUBJECT_TEXT_BYTES_MAX + 1);
    check_refused("a subject", want(Want::Subject(subject)));
    check_refused("no subject", want(Want::Subject(String::new())));
    check_refused("no opening", range(Ref::ZERO, 1, 2));
    check_refused("a range backwards", range(reference(1), 3, 2));
    check_refused("from", range(reference(1), most + 1, 0));
    check_refused("to", range(reference(1), 1, most + 1));
    check_refused("no statement", want(Want::Statements(Vec::new())));
    let many = vec![reference(1); 257];
    check_refused("257 statements", want(Want::Statements(many)));
    check_refused(
        "the zero reference",
        want(Want::Statements(vec![Ref::ZERO])),
    );
    let pieces = |suite, from, to| {
        let root = Hash([1; 32]);
        want(Want::Attachment {
            suite,
            root,
            from,
            to,
        })
    };
    check_refused("no piece", pieces(1, 3, 3));
    check_refused("65 pieces", pieces(1, 0, 65));
    check_refused("suite 0", pieces(0, 0, 1));
    let region = "x".repeat(65);
    check_refused("a region", want(Want::Bucket { region, bucket: 0 }));
    let header = |opening, sequence| {
        want(Want::Header {
            seat,
            lane: 1,
            opening,
            sequence,
        })
    };
    check_refused("sequence 0", header(reference(1), 0));
    check_refused("a sequence", header(reference(1), most + 1));
    check_refused("a header of no log", header(Ref::ZERO, 1));
    check_refused(
        "a long body",
        want(Want::Unread {
            kind: 9,
            body: vec![0; 65_536],
        }),
    );
    check_refused(
        "a long place",
        Frame::Want(WantFrame {
            number: 1,
            want: Want::Subject("x".into()),
            place: vec![0; 1_025],
        }),
    );
}

#[test]
fn pages_within_their_bounds() {
    let with = |change: &dyn Fn(&mut WantPage)| {
        let mut said = page(Vec::new());
        change(&mut said);
        Frame::WantPage(said)
    };
    check_refused("place", with(&|p| p.place = vec![0; 1_025]));
    check_refused("next", with(&|p| p.next = Some(vec![0; 1_025])));
    check_refused("built at", with(&|p| p.built_at = u64::MAX));
    let item = Item::Unread {
        number: 9,
        body: Vec::new(),
    };
    check_refused("items", with(&|p| p.items = vec![item.clone(); 65_536]));
    for code in [
        PageCode::NotHeld,
        PageCode::NotForYou,
        PageCode::NotUnderstood,
    ] {
        check_refused("no, and a place", with(&|p| p.code = code));
        check_refused(
            "no, and an item",
            with(&|p| {
                p.code = code;
                p.next = None;
                p.items = vec![item.clone()];
            }),
        );
    }
}

#[test]
fn items_within_their_bounds() {
    let check = |what: &str, item: Item| {
        let read = Item::from_bytes(&item.to_bytes());
        assert!(read.is_err(), "{what}: {read:?}");
    };
    let long = limits::ENVELOPE_WIRE_BYTES_MAX + 1;
    check("no envelope", Item::Envelope(vec![1]));
    check("a long envelope", Item::Envelope(vec![2; long]));
    check(
        "a long header",
        Item::Slice {
            header: vec![0; long],
            body: Vec::new(),
        },
    );
    let routed = |change: &dyn Fn(&mut Routed)| {
        let mut routed = Routed {
            subjects: vec!["x".into()],
            from: String::new(),
            to: String::new(),
            by: SeatId::default(),
        };
        change(&mut routed);
        Item::Routed(routed)
    };
    check("no subject", routed(&|r| r.subjects.clear()));
    check(
        "257 subjects",
        routed(&|r| r.subjects = vec!["x".into(); 257]),
    );
    check("a subject", routed(&|r| r.subjects = vec!["x".repeat(521)]));
    check("from", routed(&|r| r.from = "x".repeat(65)));
    check("to", routed(&|r| r.to = "x".repeat(65)));
    let checkpoint = |cursor: u64, region: usize| {
        Item::Checkpoint(Checkpoint {
            cursors: [0, cursor, 0],
            region: "x".repeat(region),
            count: 0,
            sum: [0; 32],
        })
    };
    check("a cursor", checkpoint(u64::MAX, 6));
    check("a region", checkpoint(0, 65));
    let sums = |buckets: usize, region: usize| {
        Item::Sums(Sums {
            region: "x".repeat(region),
            buckets: vec![(0, [0; 32]); buckets],
        })
    };
    check("255 buckets", sums(255, 6));
    check("a region of sums", sums(256, 65));
    let piece = |bytes: usize, suite: u8, proof: usize| {
        Item::Piece(Piece {
            root: Hash([1; 32]),
            suite,
            index: 0,
            bytes: vec![0; bytes],
            proof: vec![Hash::ZERO; proof],
        })
    };
    check("an empty piece", piece(0, 1, 0));
    check("a long piece", piece((1 << 20) + 1, 1, 0));
    check("suite 0", piece(1, 0, 0));
    check("seven hashes", piece(1, 1, 7));
    assert!(Item::from_parts(0, &[]).is_err(), "number 0");
}

#[test]
fn logs_and_statements_within_their_bounds() {
    let with = |change: &dyn Fn(&mut LogEntry)| {
        let mut entry = log_entry(1);
        change(&mut entry);
        Frame::Logs(Logs {
            end: LogsEnd::More,
            entries: vec![entry],
        })
    };
    let long = vec![0; limits::ENVELOPE_WIRE_BYTES_MAX + 1];
    check_refused("taken in", with(&|e| e.taken_in = u64::MAX));
    check_refused("applied", with(&|e| e.applied = u64::MAX));
    check_refused("a header", with(&|e| e.header = long.clone()));
    check_refused("an opening", with(&|e| e.opening_envelope = long.clone()));
    check_refused("half a reference", with(&|e| e.opening.suite = 0));
    let page = |last, references| {
        Frame::Statements(Statements::Page {
            scope: Scope::All,
            last,
            references,
        })
    };
    check_refused("empty, and not the last", page(false, Vec::new()));
    check_refused("unordered", page(true, vec![reference(2), reference(1)]));
    check_refused("one twice", page(true, vec![reference(2); 2]));
    check_refused("the zero reference", page(true, vec![Ref::ZERO]));
    let many = (0..4_097u32).map(|n| {
        let mut hash = [1; 32];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        Ref::of(Hash(hash))
    });
    check_refused("4,097 references", page(true, many.collect()));
    check_refused(
        "a cursor",
        Frame::Statements(Statements::Digest(Digest {
            cursor: u64::MAX,
            ..Digest::default()
        })),
    );
    let half = Ref {
        suite: 0,
        hash: Hash([1; 32]),
    };
    let ask = Statements::Ask {
        scope: Scope::All,
        after: half,
    };
    check_refused("half a reference", Frame::Statements(ask));
}

/// A state, reason, figure or code of a later release is shown as its number and refuses nothing.
#[test]
fn numbers_of_a_later_release_pass_through() {
    let mut entry = log_entry(1);
    (entry.state, entry.reason) = (State::Other(77), Reason::Other(7_777));
    let said = [
        Frame::Logs(Logs {
            end: LogsEnd::Other(9),
            entries: vec![entry],
        }),
        Frame::Health(vec![Health {
            state: State::Other(78),
            reasons: vec![Reason::Other(500)],
            figures: vec![(Figure::Other(99), -1)],
            ..health(1)
        }]),
        Frame::Goodbye(Goodbye::new(GoodbyeCode::Other(33), "")),
        Frame::WantPage(WantPage {
            code: PageCode::Other(4),
            ..page(vec![Item::Envelope(envelope(2))])
        }),
        Frame::Statements(Statements::Ask {
            scope: Scope::Other(2),
            after: Ref::ZERO,
        }),
    ];
    for frame in said {
        assert_eq!(decode(&encode(&frame)), Ok(frame));
    }
}
