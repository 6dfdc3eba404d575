//! Frames, items and wants that are refused.
//! Long because every frame has its bounds.

use protocol::codec;
use protocol::frame::{
    Ack, Checkpoint, Digest, Feed, Frame, Goodbye, GoodbyeCode, Health, Hello, Item, LogEntry,
    Logs, LogsEnd, PageCode, Piece, Presence, Resume, Routed, Scope, State, Statements, Token,
    Want, WantFrame, WantPage,
};
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::SeatId;

use crate::conversation::{Parts, checkpoint, feed, piece, routed, sums};
use crate::refused::{self, Refused};
use crate::sample::{DEPARTMENT, DISTRICT};
use crate::world::stray;

fn bytes_of(frame: Frame) -> Vec<u8> {
    codec::encode(&frame)
}

/// A frame of this number around a body.
fn framed(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number];
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
    out
}

/// A frame without its last bytes, under its new length.
fn cut(frame: Frame, by: usize) -> Vec<u8> {
    let bytes = bytes_of(frame);
    framed(bytes[0], &bytes[5..bytes.len() - by])
}

fn edited(frame: Frame, at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes_of(frame);
    bytes[5 + at..5 + at + with.len()].copy_from_slice(with);
    bytes
}

/// Everything of this file.
pub fn all(parts: &Parts) -> Vec<Refused> {
    let mut out = refused_greetings(parts);
    out.extend(refused_steps(parts));
    out.extend(refused_questions(parts));
    out.extend(refused_wants());
    out.extend(refused_items(parts));
    out
}

fn refused_greetings(parts: &Parts) -> Vec<Refused> {
    let hello = |edit: fn(&mut Hello)| {
        let mut hello = parts.hello.clone();
        edit(&mut hello);
        bytes_of(Frame::Hello(hello))
    };
    let resume = |edit: fn(&mut Resume)| {
        let mut resume = parts.resume();
        edit(&mut resume);
        bytes_of(Frame::Resume(resume))
    };
    let too_far = limits::POSITION_MAX + 1;
    let whole = bytes_of(Frame::Hello(parts.hello.clone()));
    let mut longer = whole.clone();
    longer.push(0);
    refused::of(
        "frame",
        vec![
            ("nothing", "end", vec![]),
            ("shorter than its framing", "end", vec![1, 0, 0, 0]),
            (
                "a length beyond the bytes",
                "end",
                whole[..whole.len() - 1].to_vec(),
            ),
            ("bytes behind its length", "more", longer),
            (
                "a length above the greatest",
                "bound",
                vec![1, 0xff, 0xff, 0xff, 0xff],
            ),
            (
                "a hello without its last byte",
                "end",
                cut(Frame::Hello(parts.hello.clone()), 1),
            ),
            ("an empty hello", "end", framed(1, &[])),
            ("a hello of no seat", "bound", hello(|h| h.seats.clear())),
            (
                "a hello of 65 seats",
                "bound",
                hello(|h| {
                    let one = h.seats[0].clone();
                    h.seats = (0..65)
                        .map(|n| Presence {
                            seat: SeatId([n + 1; 16]),
                            ..one.clone()
                        })
                        .collect();
                }),
            ),
            (
                "a seat twice",
                "order",
                hello(|h| h.seats.push(h.seats[0].clone())),
            ),
            (
                "a release of 256 bytes",
                "bound",
                hello(|h| h.release = "x".repeat(256)),
            ),
            (
                "a release with U+0000",
                "text",
                hello(|h| h.release = "\0".into()),
            ),
            (
                "an incarnation too great",
                "bound",
                hello(|h| h.incarnation.counter = u64::MAX),
            ),
            ("a signature of suite 0", "form", {
                // behind numbers, instance, incarnation, release, counts and the seat
                let at = 2 + 16 + 24 + 8 + parts.hello.release.len() + 8 + 16 + 8;
                edited(Frame::Hello(parts.hello.clone()), at, &[0])
            }),
            ("signatures of one suite twice", "order", {
                let hello = parts.hello.clone();
                let bytes = bytes_of(Frame::Hello(hello.clone()));
                let at = 5 + 2 + 16 + 24 + 8 + hello.release.len() + 8 + 16;
                let one = &bytes[at + 8..at + 8 + 9 + 64];
                let body = [
                    &bytes[5..at],
                    &2u64.to_be_bytes(),
                    one,
                    one,
                    &bytes[at + 8 + 9 + 64..],
                ]
                .concat();
                framed(1, &body)
            }),
            (
                "a token at cursor 0",
                "contradiction",
                resume(|r| r.cursors[0].token = Token([1; 16])),
            ),
            (
                "a cursor too great",
                "bound",
                resume(|r| {
                    r.cursors[1].offset = limits::POSITION_MAX + 1;
                }),
            ),
            (
                "nine words",
                "bound",
                resume(|r| r.words = vec![r.words[0].clone(); 9]),
            ),
            (
                "a word that is a statement",
                "form",
                resume(|r| {
                    r.words[0] = vec![1, 2, 0, 1];
                }),
            ),
            ("an empty word", "form", resume(|r| r.words[0].clear())),
            (
                "1,025 terms",
                "bound",
                resume(|r| {
                    r.interest.regions = vec!["a".into(); 1_023];
                }),
            ),
            (
                "a region of 65 bytes",
                "bound",
                resume(|r| {
                    r.interest.regions[0] = "x".repeat(65);
                }),
            ),
            (
                "an organisation of 82 bytes",
                "bound",
                resume(|r| {
                    r.interest.organisations[0] = "x".repeat(82);
                }),
            ),
            ("a flag 2", "form", {
                // behind incarnation, cursors and the interest's version
                edited(Frame::Resume(parts.resume()), 24 + 72 + 4, &[2])
            }),
            (
                "an ack of class 3",
                "bound",
                bytes_of(Frame::Ack(Ack {
                    class: 3,
                    offset: 1,
                    window: 1,
                })),
            ),
            (
                "an ack too far",
                "bound",
                bytes_of(Frame::Ack(Ack {
                    class: 0,
                    offset: too_far,
                    window: 1,
                })),
            ),
            ("no receipt", "bound", bytes_of(Frame::Receipts(vec![]))),
            ("257 receipts", "bound", {
                let mut body = 257u64.to_be_bytes().to_vec();
                body.extend([0; 8]);
                framed(5, &body)
            }),
            (
                "a receipt that is a header",
                "form",
                bytes_of(Frame::Receipts(vec![vec![1, 9, 0, 1]])),
            ),
            (
                "a count beyond the bytes",
                "end",
                framed(5, &2u64.to_be_bytes()),
            ),
        ],
    )
}

fn refused_steps(parts: &Parts) -> Vec<Refused> {
    let step = |edit: fn(&mut Feed)| {
        let mut step = feed(1, 7, None);
        edit(&mut step);
        bytes_of(Frame::Feed(step))
    };
    let with = |class: u8, item: Item| bytes_of(Frame::Feed(feed(class, 7, Some(item))));
    let kind = |kind: u8| {
        let mut bytes = parts.opening.to_bytes();
        bytes[1] = kind;
        with(0, Item::Envelope(bytes))
    };
    let mut out = refused::of(
        "frame",
        vec![
            ("a step of class 3", "bound", step(|f| f.class = 3)),
            (
                "a step that follows too far",
                "bound",
                step(|f| f.after = limits::POSITION_MAX + 1),
            ),
            (
                "a step too far",
                "bound",
                step(|f| f.offset = limits::POSITION_MAX + 1),
            ),
            (
                "a directory too far",
                "bound",
                step(|f| f.directory = limits::POSITION_MAX + 1),
            ),
            ("no item with a body", "contradiction", {
                let mut body = bytes_of(Frame::Feed(feed(1, 7, None)))[5..].to_vec();
                let at = body.len() - 1;
                body[at] = 1;
                body.push(9);
                framed(3, &body)
            }),
            ("a step without its item's last byte", "end", {
                cut(Frame::Feed(feed(2, 7, Some(parts.slice.clone()))), 1)
            }),
        ],
    );
    // the step is whole, its item is not: refused alone
    out.extend(refused::of(
        "frame",
        vec![
            (
                "an envelope in class 1",
                "form",
                with(1, parts.envelope.clone()),
            ),
            ("a possession", "form", kind(3)),
            ("a header as an envelope", "form", kind(9)),
            ("a receipt as an envelope", "form", kind(10)),
            ("a presence as an envelope", "form", kind(11)),
            ("a feed head as an envelope", "form", kind(13)),
            ("an empty envelope", "form", with(0, Item::Envelope(vec![]))),
            ("sums in a feed", "form", with(2, Item::Sums(sums()))),
            ("a piece in a feed", "form", with(2, Item::Piece(piece()))),
            (
                "a routing event of nobody",
                "bound",
                with(
                    2,
                    Item::Routed(Routed {
                        subjects: vec![],
                        ..routed()
                    }),
                ),
            ),
            (
                "a subject of 521 bytes",
                "bound",
                with(
                    2,
                    Item::Routed(Routed {
                        subjects: vec!["x".repeat(521)],
                        ..routed()
                    }),
                ),
            ),
            ("a slice that is cut", "end", {
                let mut body = bytes_of(Frame::Feed(feed(2, 7, None)))[5..].to_vec();
                body.truncate(body.len() - 5);
                body.extend([2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9, 1]);
                framed(3, &body)
            }),
        ],
    ));
    out
}

fn refused_questions(parts: &Parts) -> Vec<Refused> {
    let page = |edit: fn(&mut WantPage)| {
        let mut page = WantPage {
            number: 2,
            place: vec![7],
            code: PageCode::Given,
            built_at: 7,
            items: vec![],
            next: None,
        };
        edit(&mut page);
        bytes_of(Frame::WantPage(page))
    };
    let page_of = |item: Item| {
        bytes_of(Frame::WantPage(WantPage {
            number: 2,
            place: vec![],
            code: PageCode::Given,
            built_at: 7,
            items: vec![item],
            next: None,
        }))
    };
    let want = |place: usize| {
        bytes_of(Frame::Want(WantFrame {
            number: 1,
            want: Want::Subject("a".into()),
            place: vec![1; place],
        }))
    };
    let entry = |edit: fn(&mut LogEntry)| {
        let mut entry = Parts::never_seen();
        edit(&mut entry);
        bytes_of(Frame::Logs(Logs {
            end: LogsEnd::Complete,
            entries: vec![entry],
        }))
    };
    let references = |last: bool, references: Vec<Ref>| {
        bytes_of(Frame::Statements(Statements::Page {
            scope: Scope::All,
            last,
            references,
        }))
    };
    let health = Health {
        seat: DISTRICT,
        since: 0,
        state: State::Running,
        reasons: vec![],
        figures: vec![],
        release: String::new(),
        relayed: false,
    };
    let healths = bytes_of(Frame::Health(vec![health]));
    let mut relayed = healths.clone();
    *relayed.last_mut().expect("bytes") = 2;
    refused::of(
        "frame",
        vec![
            ("a place of 1,025 bytes", "bound", want(1_025)),
            (
                "a page built too far",
                "bound",
                page(|p| p.built_at = limits::POSITION_MAX + 1),
            ),
            (
                "a page that gives nothing and goes on",
                "contradiction",
                page(|p| {
                    p.code = PageCode::NotHeld;
                    p.next = Some(vec![1]);
                }),
            ),
            (
                "a page that gives nothing with an item",
                "contradiction",
                page(|p| {
                    p.code = PageCode::NotUnderstood;
                    p.items = vec![Item::Unread {
                        number: 9,
                        body: vec![],
                    }];
                }),
            ),
            (
                "a routing event in a page",
                "form",
                page_of(Item::Routed(routed())),
            ),
            (
                "a checkpoint in a page",
                "form",
                page_of(Item::Checkpoint(checkpoint())),
            ),
            ("no item in a page", "form", {
                let mut body = bytes_of(Frame::WantPage(WantPage {
                    number: 2,
                    place: vec![],
                    code: PageCode::Given,
                    built_at: 7,
                    items: vec![],
                    next: None,
                }))[5..]
                    .to_vec();
                let at = body.len() - 16;
                body[at..at + 8].copy_from_slice(&1u64.to_be_bytes());
                body.splice(at + 8..at + 8, [0, 0, 0, 0, 0]);
                framed(7, &body)
            }),
            ("a goodbye of no text", "text", {
                let bytes = bytes_of(Frame::Goodbye(Goodbye::new(GoodbyeCode::Shutdown, "x")));
                let mut body = bytes[5..].to_vec();
                *body.last_mut().expect("bytes") = 0xff;
                framed(8, &body)
            }),
            ("a goodbye that is cut", "end", {
                cut(Frame::Goodbye(Goodbye::new(GoodbyeCode::Shutdown, "x")), 1)
            }),
            (
                "logs taken in too far",
                "bound",
                entry(|e| e.taken_in = limits::POSITION_MAX + 1),
            ),
            (
                "logs applied too far",
                "bound",
                entry(|e| e.applied = limits::POSITION_MAX + 1),
            ),
            (
                "logs of half an opening",
                "zero",
                entry(|e| e.opening.suite = 1),
            ),
            (
                "logs that are cut",
                "end",
                cut(
                    Frame::Logs(Logs {
                        end: LogsEnd::Complete,
                        entries: vec![parts.entry()],
                    }),
                    1,
                ),
            ),
            (
                "health of 257 seats",
                "bound",
                framed(10, &257u64.to_be_bytes()),
            ),
            ("health relayed 2", "form", relayed),
            (
                "a digest too far",
                "bound",
                bytes_of(Frame::Statements(Statements::Digest(Digest {
                    cursor: limits::POSITION_MAX + 1,
                    ..Digest::default()
                }))),
            ),
            (
                "references out of order",
                "order",
                references(true, vec![stray(2), stray(1)]),
            ),
            (
                "a reference twice",
                "order",
                references(true, vec![stray(1), stray(1)]),
            ),
            (
                "a reference to nothing",
                "zero",
                references(true, vec![Ref::ZERO]),
            ),
            (
                "a page of nothing that is not the last",
                "contradiction",
                references(false, vec![]),
            ),
            ("4,097 references", "bound", {
                let body = [&[3, 0, 1][..], &4_097u64.to_be_bytes()].concat();
                framed(11, &body)
            }),
        ],
    )
}

fn refused_wants() -> Vec<Refused> {
    let bytes = |want: Want| want.to_bytes();
    let range = |from: u64, to: u64| {
        bytes(Want::Range {
            seat: DEPARTMENT,
            lane: 2,
            opening: stray(3),
            from,
            to,
        })
    };
    let attachment = |suite: u8, from: u32, to: u32| {
        bytes(Want::Attachment {
            suite,
            root: Hash([1; 32]),
            from,
            to,
        })
    };
    let header = |sequence: u64| {
        bytes(Want::Header {
            seat: DEPARTMENT,
            lane: 2,
            opening: stray(3),
            sequence,
        })
    };
    refused::of(
        "want",
        vec![
            ("nothing", "end", vec![]),
            (
                "of no subject",
                "bound",
                bytes(Want::Subject(String::new())),
            ),
            (
                "of a subject of 521 bytes",
                "bound",
                bytes(Want::Subject("x".repeat(521))),
            ),
            (
                "of a subject with U+0000",
                "text",
                bytes(Want::Subject("\0".into())),
            ),
            ("a range backwards", "bound", range(9, 3)),
            (
                "a range from too far",
                "bound",
                range(limits::POSITION_MAX + 1, 0),
            ),
            (
                "a range too far",
                "bound",
                range(1, limits::POSITION_MAX + 1),
            ),
            (
                "a range of no log",
                "zero",
                bytes(Want::Range {
                    seat: DEPARTMENT,
                    lane: 2,
                    opening: Ref::ZERO,
                    from: 1,
                    to: 0,
                }),
            ),
            ("of no statement", "bound", bytes(Want::Statements(vec![]))),
            (
                "of 257 statements",
                "bound",
                [&[3][..], &257u64.to_be_bytes()].concat(),
            ),
            (
                "of a statement that is none",
                "zero",
                bytes(Want::Statements(vec![Ref::ZERO])),
            ),
            ("of an attachment of suite 0", "form", attachment(0, 0, 1)),
            ("of no piece", "bound", attachment(1, 3, 3)),
            ("of 65 pieces", "bound", attachment(1, 0, 65)),
            (
                "of a bucket of a long region",
                "bound",
                bytes(Want::Bucket {
                    region: "x".repeat(65),
                    bucket: 1,
                }),
            ),
            ("of header 0", "bound", header(0)),
            (
                "of a header too far",
                "bound",
                header(limits::POSITION_MAX + 1),
            ),
            ("a header that is cut", "end", header(1)[..30].to_vec()),
        ],
    )
}

fn refused_items(parts: &Parts) -> Vec<Refused> {
    let piece = |edit: fn(&mut Piece)| {
        let mut piece = piece();
        edit(&mut piece);
        Item::Piece(piece).to_bytes()
    };
    let whole = parts.slice.to_bytes();
    refused::of(
        "item",
        vec![
            ("nothing", "end", vec![]),
            ("number 0", "form", vec![0, 0, 0, 0, 0]),
            (
                "a length beyond the bytes",
                "end",
                whole[..whole.len() - 1].to_vec(),
            ),
            (
                "bytes behind its length",
                "more",
                [&whole[..], &[0]].concat(),
            ),
            ("a piece of suite 0", "form", piece(|p| p.suite = 0)),
            ("an empty piece", "bound", piece(|p| p.bytes.clear())),
            (
                "a piece with seven hashes",
                "bound",
                piece(|p| p.proof = vec![Hash([1; 32]); 7]),
            ),
            ("a checkpoint too far", "bound", {
                Item::Checkpoint(Checkpoint {
                    cursors: [0, limits::POSITION_MAX + 1, 0],
                    ..checkpoint()
                })
                .to_bytes()
            }),
            ("sums of 255 buckets", "end", {
                let mut sums = sums();
                sums.buckets.pop();
                Item::Sums(sums).to_bytes()
            }),
            ("a region of 65 bytes", "bound", {
                Item::Checkpoint(Checkpoint {
                    region: "x".repeat(65),
                    ..checkpoint()
                })
                .to_bytes()
            }),
        ],
    )
}
