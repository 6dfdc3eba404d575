//! Vectors of the conversation: every frame, item and want, longer bodies, and what is refused.

use protocol::codec;
use protocol::envelope::Envelope;
use protocol::feed_head::FeedHead;
use protocol::frame::{
    ALL_SUMS, Ack, Checkpoint, Cursor, Digest, FRAME_HIGHEST, Feed, Figure, Frame, Goodbye,
    GoodbyeCode, Health, Hello, ITEM_HIGHEST, Interest, Item, LogEntry, Logs, LogsEnd, PageCode,
    Piece, Presence, Reason, Resume, Routed, Scope, State, Statements, Sums, Token, WHOLE_REGION,
    Want, WantFrame, WantPage,
};
use protocol::hash::{Hash, Ref};
use protocol::limits;
use protocol::name::{FeedId, Incarnation, InstanceId, Lane, LogName, Position, SeatId};
use protocol::presence;
use protocol::receipt::Receipt;

use crate::json::{Json, flag, hex, list, number, object, text};
use crate::refused::{self, Refused};
use crate::sample::{self, City, DEPARTMENT, DISTRICT};
use crate::world::{at, stray};

const INCARNATION: Incarnation = Incarnation {
    counter: 3,
    feed: FeedId([0xfd; 16]),
};

fn reference(r: &Ref) -> Json {
    hex(r.to_bytes())
}

fn incarnation(i: &Incarnation) -> Json {
    Json::List(vec![Json::Number(i.counter), hex(i.feed.0)])
}

fn envelopes(all: &[Vec<u8>]) -> Json {
    list(all, hex)
}

fn item_shown(item: &Item) -> Json {
    let members = match item {
        Item::Envelope(bytes) => vec![("envelope", hex(bytes))],
        Item::Slice { header, body } => vec![("header", hex(header)), ("packed", hex(body))],
        Item::Routed(r) => vec![
            ("subjects", list(&r.subjects, text)),
            ("from", text(&r.from)),
            ("to", text(&r.to)),
            ("by", hex(r.by.0)),
        ],
        Item::Checkpoint(c) => vec![
            ("cursors", list(c.cursors, Json::Number)),
            ("region", text(&c.region)),
            ("count", Json::Number(c.count)),
            ("sum", hex(c.sum)),
        ],
        Item::Sums(s) => vec![
            ("region", text(&s.region)),
            (
                "buckets",
                list(&s.buckets, |(count, sum)| {
                    Json::List(vec![number(*count), hex(sum)])
                }),
            ),
        ],
        Item::Piece(p) => vec![
            ("root", hex(p.root.0)),
            ("suite", number(p.suite)),
            ("index", number(p.index)),
            ("bytes", hex(&p.bytes)),
            ("proof", list(&p.proof, |h| hex(h.0))),
        ],
        Item::Unread { body, .. } => vec![("unread", hex(body))],
    };
    let mut all = vec![("item", number(item.number()))];
    all.extend(members);
    Json::Object(all)
}

fn want_shown(want: &Want) -> Json {
    let log = |seat: &SeatId, lane: u8, opening: &Ref| {
        vec![
            ("seat", hex(seat.0)),
            ("lane", number(lane)),
            ("opening", reference(opening)),
        ]
    };
    let members = match want {
        Want::Subject(s) => vec![("subject", text(s))],
        Want::Range {
            seat,
            lane,
            opening,
            from,
            to,
        } => {
            let mut all = log(seat, *lane, opening);
            all.extend([("from", Json::Number(*from)), ("to", Json::Number(*to))]);
            all
        }
        Want::Statements(all) => vec![("references", list(all, reference))],
        Want::Attachment {
            suite,
            root,
            from,
            to,
        } => vec![
            ("suite", number(*suite)),
            ("root", hex(root.0)),
            ("from", number(*from)),
            ("to", number(*to)),
        ],
        Want::Bucket { region, bucket } => {
            vec![("region", text(region)), ("bucket", number(*bucket))]
        }
        Want::Header {
            seat,
            lane,
            opening,
            sequence,
        } => {
            let mut all = log(seat, *lane, opening);
            all.push(("sequence", Json::Number(*sequence)));
            all
        }
        Want::Unread { body, .. } => vec![("unread", hex(body))],
    };
    let mut all = vec![("want", number(want.kind()))];
    all.extend(members);
    Json::Object(all)
}

fn interest(i: &Interest) -> Json {
    object([
        ("version", number(i.version)),
        ("full", flag(i.full)),
        ("city_wide", flag(i.city_wide)),
        ("regions", list(&i.regions, text)),
        ("organisations", list(&i.organisations, text)),
        ("seats", list(&i.seats, |s| hex(s.0))),
    ])
}

fn log_entry(e: &LogEntry) -> Json {
    object([
        ("seat", hex(e.seat.0)),
        ("lane", number(e.lane)),
        ("opening", reference(&e.opening)),
        ("state", number(e.state.number())),
        ("reason", number(e.reason.number())),
        ("since", text(e.since.to_string())),
        ("taken_in", Json::Number(e.taken_in)),
        ("applied", Json::Number(e.applied)),
        ("header", hex(&e.header)),
        ("opening_envelope", hex(&e.opening_envelope)),
    ])
}

fn health(h: &Health) -> Json {
    object([
        ("seat", hex(h.seat.0)),
        ("since", text(h.since.to_string())),
        ("state", number(h.state.number())),
        ("reasons", list(&h.reasons, |r| number(r.number()))),
        (
            "figures",
            list(&h.figures, |(figure, value)| {
                Json::List(vec![number(figure.number()), text(value.to_string())])
            }),
        ),
        ("release", text(&h.release)),
        ("relayed", flag(h.relayed)),
    ])
}

fn hello_shown(h: &Hello) -> Vec<(&'static str, Json)> {
    let seat = |p: &Presence| {
        let each = |(suite, b): &(u8, Vec<u8>)| Json::List(vec![number(*suite), hex(b)]);
        Json::List(vec![hex(p.seat.0), list(p.signatures.all(), each)])
    };
    vec![
        ("frames", number(h.frames)),
        ("items", number(h.items)),
        ("instance", hex(h.instance.0)),
        ("incarnation", incarnation(&h.incarnation)),
        ("release", text(&h.release)),
        ("seats", list(&h.seats, seat)),
        ("statements", envelopes(&h.statements)),
    ]
}

fn frame_shown(frame: &Frame) -> Json {
    let members = match frame {
        Frame::Hello(h) => hello_shown(h),
        Frame::Resume(r) => vec![
            ("incarnation", incarnation(&r.incarnation)),
            (
                "cursors",
                list(r.cursors, |c| {
                    Json::List(vec![Json::Number(c.offset), hex(c.token.0)])
                }),
            ),
            ("interest", interest(&r.interest)),
            ("window", Json::Number(r.window)),
            ("words", envelopes(&r.words)),
        ],
        Frame::Feed(f) => vec![
            ("class", number(f.class)),
            ("interest", number(f.interest)),
            ("after", Json::Number(f.after)),
            ("offset", Json::Number(f.offset)),
            ("directory", Json::Number(f.directory)),
            ("token", hex(f.token.0)),
            ("item", f.item.as_ref().map_or(text("none"), item_shown)),
        ],
        Frame::Ack(a) => vec![
            ("class", number(a.class)),
            ("offset", Json::Number(a.offset)),
            ("window", Json::Number(a.window)),
        ],
        Frame::Receipts(all) => vec![("envelopes", envelopes(all))],
        Frame::Want(w) => vec![
            ("number", Json::Number(w.number)),
            ("want", want_shown(&w.want)),
            ("place", hex(&w.place)),
        ],
        Frame::WantPage(p) => vec![
            ("number", Json::Number(p.number)),
            ("place", hex(&p.place)),
            ("code", number(p.code.number())),
            ("built_at", Json::Number(p.built_at)),
            ("items", list(&p.items, item_shown)),
            ("next", hex(p.next.as_deref().unwrap_or_default())),
        ],
        Frame::Goodbye(g) => {
            let (class, offset) = g.item.unwrap_or((255, 0));
            vec![
                ("code", number(g.code.number())),
                ("class", number(class)),
                ("offset", Json::Number(offset)),
                ("words", text(&g.text)),
            ]
        }
        Frame::Logs(l) => vec![
            ("end", number(l.end.number())),
            ("entries", list(&l.entries, log_entry)),
        ],
        Frame::Health(all) => vec![("seats", list(all, health))],
        Frame::Statements(s) => statements_shown(s),
        Frame::Unread(_) => vec![],
    };
    let mut all = vec![("frame", number(frame.number()))];
    all.extend(members);
    Json::Object(all)
}

fn statements_shown(statements: &Statements) -> Vec<(&'static str, Json)> {
    match statements {
        Statements::Digest(d) => vec![
            ("what", number(1u8)),
            ("cursor", Json::Number(d.cursor)),
            ("scope", number(d.scope.number())),
            ("count", Json::Number(d.count)),
            ("sum", hex(d.sum)),
        ],
        Statements::Ask { scope, after } => vec![
            ("what", number(2u8)),
            ("scope", number(scope.number())),
            ("after", reference(after)),
        ],
        Statements::Page {
            scope,
            last,
            references,
        } => vec![
            ("what", number(3u8)),
            ("scope", number(scope.number())),
            ("last", flag(*last)),
            ("references", list(references, reference)),
        ],
        Statements::Unread(what) => vec![("what", number(*what))],
    }
}

/// What the frames of the vectors are made of.
struct Parts {
    slice: Item,
    envelope: Item,
    opening: Envelope,
    header: Vec<u8>,
    receipt: Vec<u8>,
    feed_head: Vec<u8>,
    hello: Hello,
}

impl Parts {
    fn of(city: &City) -> Self {
        let (_, sealed) = sample::batches(city).swap_remove(1);
        let district = sample::reference(&city.district);
        let receipt = Receipt {
            holder: DISTRICT,
            identity: district,
            incarnation: INCARNATION,
            log: LogName {
                seat: DEPARTMENT,
                lane: Lane::Records,
                opening: sample::reference(&city.opening_envelope),
            },
            durable: at(2),
            attached: at(2),
            safeguarded: Position::START,
            at: sample::INSTANT,
        };
        let feed_head = FeedHead {
            node: DISTRICT,
            identity: district,
            incarnation: INCARNATION,
            head: 70_000,
            peer: sample::CITY,
            at: sample::INSTANT,
        };
        let exporter = [0x33; 32];
        Self {
            // packed bodies are not golden, since compressors may change; what carries them is
            slice: Item::Slice {
                header: sealed.header.to_bytes(),
                body: vec![0xb0; 40],
            },
            envelope: Item::Envelope(city.opening_envelope.to_bytes()),
            opening: city.opening_envelope.clone(),
            header: sealed.header.to_bytes(),
            receipt: receipt.sign(&city.district_key).to_bytes(),
            feed_head: feed_head.sign(&city.district_key).to_bytes(),
            hello: Hello {
                frames: FRAME_HIGHEST,
                items: ITEM_HIGHEST,
                instance: InstanceId([0x1a; 16]),
                incarnation: INCARNATION,
                release: "1.0.0 示范".into(),
                seats: vec![Presence {
                    seat: DISTRICT,
                    signatures: presence::sign(&DISTRICT, &exporter, &city.district_key),
                }],
                statements: vec![city.district.to_bytes()],
            },
        }
    }

    fn resume(&self) -> Resume {
        let cursor = |offset, n| Cursor {
            offset,
            token: Token([n; 16]),
        };
        Resume {
            incarnation: INCARNATION,
            cursors: [
                Cursor::default(),
                cursor(251, 2),
                cursor(limits::POSITION_MAX, 3),
            ],
            interest: Interest {
                version: 3,
                full: false,
                city_wide: true,
                regions: vec!["310115".into(), "pilot-zone".into()],
                organisations: vec!["310115.scjg".into()],
                seats: vec![DISTRICT],
            },
            window: 8 << 20,
            words: vec![self.feed_head.clone(), self.receipt.clone()],
        }
    }

    fn entry(&self) -> LogEntry {
        LogEntry {
            seat: DEPARTMENT,
            lane: 2,
            opening: sample::reference(&self.opening),
            state: State::Gap,
            reason: Reason::Gap,
            since: sample::INSTANT,
            taken_in: 1,
            applied: 1,
            header: self.header.clone(),
            opening_envelope: self.opening.to_bytes(),
        }
    }

    fn never_seen() -> LogEntry {
        LogEntry {
            seat: DEPARTMENT,
            lane: 0,
            opening: Ref::ZERO,
            state: State::NeverSeen,
            reason: Reason::None,
            since: -1,
            taken_in: 0,
            applied: 0,
            header: Vec::new(),
            opening_envelope: Vec::new(),
        }
    }
}

fn routed() -> Routed {
    Routed {
        subjects: vec![
            "uscc:91310115MA1K000001".into(),
            format!("case:{}", Hash([0xca; 32])),
        ],
        from: String::new(),
        to: "310115".into(),
        by: DISTRICT,
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        cursors: [7, 70_000, 0],
        region: "310115".into(),
        count: 5_000_000_000,
        sum: [0x5c; 32],
    }
}

fn sums() -> Sums {
    Sums {
        region: "310115".into(),
        buckets: (0..=255u8).map(|n| (n.into(), [n; 32])).collect(),
    }
}

fn piece() -> Piece {
    Piece {
        root: Hash([0xa7; 32]),
        suite: 1,
        index: 63,
        bytes: vec![1, 2, 3],
        proof: vec![Hash([1; 32]), Hash([2; 32])],
    }
}

fn feed(class: u8, after: u64, item: Option<Item>) -> Feed {
    Feed {
        class,
        interest: 3,
        after,
        offset: after + 1,
        directory: if class == 0 { 0 } else { after + 1 },
        token: Token([9; 16]),
        item,
    }
}

fn frames(parts: &Parts) -> Vec<(&'static str, Frame)> {
    let step = |class, after, item| Frame::Feed(feed(class, after, item));
    let page = |code, items, next: &[u8]| {
        Frame::WantPage(WantPage {
            number: 2,
            place: vec![7],
            code,
            built_at: 70_000,
            items,
            next: (!next.is_empty()).then(|| next.to_vec()),
        })
    };
    let unread = Item::Unread {
        number: 77,
        body: vec![1, 2],
    };
    let district = Health {
        seat: DISTRICT,
        since: sample::INSTANT,
        state: State::Held,
        reasons: vec![Reason::OverQuota, Reason::Other(400)],
        figures: vec![(Figure::Gaps, 3), (Figure::ClockOffsetMs, -70_000)],
        release: "1.0.0".into(),
        relayed: true,
    };
    vec![
        ("hello", Frame::Hello(parts.hello.clone())),
        ("resume", Frame::Resume(parts.resume())),
        (
            "feed with an envelope",
            step(0, 0, Some(parts.envelope.clone())),
        ),
        (
            "feed with a slice",
            step(2, 70_000, Some(parts.slice.clone())),
        ),
        (
            "feed with a routing event",
            step(2, 70_001, Some(Item::Routed(routed()))),
        ),
        (
            "feed with a checkpoint",
            step(1, 70_002, Some(Item::Checkpoint(checkpoint()))),
        ),
        (
            "feed with an unread item",
            step(0, 70_003, Some(unread.clone())),
        ),
        ("feed without item", step(1, 5_000_000_000, None)),
        (
            "ack",
            Frame::Ack(Ack {
                class: 2,
                offset: 70_002,
                window: 8 << 20,
            }),
        ),
        (
            "receipts",
            Frame::Receipts(vec![parts.receipt.clone(), parts.feed_head.clone()]),
        ),
        (
            "want",
            Frame::Want(WantFrame {
                number: 2,
                want: Want::Subject("uscc:91310115MA1K000001".into()),
                place: vec![7],
            }),
        ),
        (
            "want of an unread kind",
            Frame::Want(WantFrame {
                number: u64::MAX,
                want: Want::Unread {
                    kind: 99,
                    body: vec![1, 2, 3],
                },
                place: Vec::new(),
            }),
        ),
        (
            "page",
            page(PageCode::Given, vec![parts.slice.clone(), unread], &[8]),
        ),
        (
            "last page",
            page(PageCode::Given, vec![Item::Piece(piece())], &[]),
        ),
        (
            "page of what is not held",
            page(PageCode::NotHeld, vec![], &[]),
        ),
        (
            "page of a later code",
            page(PageCode::Other(9), vec![parts.envelope.clone()], &[]),
        ),
        (
            "goodbye",
            Frame::Goodbye(Goodbye::new(GoodbyeCode::Shutdown, "停机维护")),
        ),
        (
            "goodbye about an item",
            Frame::Goodbye(Goodbye {
                item: Some((2, 70_000)),
                ..Goodbye::new(GoodbyeCode::ItemRefused, "")
            }),
        ),
        (
            "goodbye of a later code",
            Frame::Goodbye(Goodbye::new(GoodbyeCode::Other(200), "x")),
        ),
        (
            "logs",
            Frame::Logs(Logs {
                end: LogsEnd::CompleteWithoutCity,
                entries: vec![parts.entry(), Parts::never_seen()],
            }),
        ),
        (
            "no log",
            Frame::Logs(Logs {
                end: LogsEnd::Complete,
                entries: vec![],
            }),
        ),
        ("health", Frame::Health(vec![district])),
        (
            "digest of statements",
            Frame::Statements(Statements::Digest(Digest {
                cursor: 7,
                scope: Scope::Chain,
                count: 12,
                sum: [0x5d; 32],
            })),
        ),
        (
            "ask for statements",
            Frame::Statements(Statements::Ask {
                scope: Scope::All,
                after: Ref::ZERO,
            }),
        ),
        (
            "page of statements",
            Frame::Statements(Statements::Page {
                scope: Scope::All,
                last: false,
                references: vec![stray(1), stray(2)],
            }),
        ),
        (
            "last page of statements",
            Frame::Statements(Statements::Page {
                scope: Scope::All,
                last: true,
                references: vec![],
            }),
        ),
        ("frame of a later release", Frame::Unread(12)),
    ]
}

fn wants() -> Vec<(&'static str, Want)> {
    let bucket = |bucket| Want::Bucket {
        region: "310115".into(),
        bucket,
    };
    let opening = stray(3);
    vec![
        ("subject", Want::Subject("uscc:91310115MA1K000001".into())),
        (
            "range",
            Want::Range {
                seat: DEPARTMENT,
                lane: 2,
                opening,
                from: 3,
                to: 9,
            },
        ),
        (
            "range to the end",
            Want::Range {
                seat: DEPARTMENT,
                lane: 4,
                opening,
                from: 3,
                to: 0,
            },
        ),
        ("statements", Want::Statements(vec![stray(2), stray(1)])),
        (
            "attachment",
            Want::Attachment {
                suite: 1,
                root: Hash([0xa7; 32]),
                from: 0,
                to: limits::PIECES_MAX,
            },
        ),
        ("bucket", bucket(255)),
        ("sums of all buckets", bucket(ALL_SUMS)),
        ("the whole region", bucket(WHOLE_REGION)),
        ("a bucket that nobody understands", bucket(WHOLE_REGION + 1)),
        (
            "header",
            Want::Header {
                seat: DEPARTMENT,
                lane: 2,
                opening,
                sequence: 7,
            },
        ),
    ]
}

fn items(parts: &Parts) -> Vec<(&'static str, Item)> {
    vec![
        ("envelope", parts.envelope.clone()),
        ("slice", parts.slice.clone()),
        ("routed", Item::Routed(routed())),
        ("checkpoint", Item::Checkpoint(checkpoint())),
        ("sums", Item::Sums(sums())),
        ("piece", Item::Piece(piece())),
        (
            "unread",
            Item::Unread {
                number: 255,
                body: vec![],
            },
        ),
    ]
}

pub fn frames_file() -> Json {
    let city = sample::city();
    let parts = Parts::of(&city);
    let frame = |(what, frame): (&str, Frame)| {
        let bytes = codec::encode(&frame);
        assert_eq!(codec::decode(&bytes), Ok(frame.clone()), "{what}");
        object([
            ("what", text(what)),
            ("reads", frame_shown(&frame)),
            ("bytes", hex(bytes)),
        ])
    };
    let longer = |(what, frame): (&str, Frame)| {
        let mut bytes = codec::encode(&frame);
        let length = bytes.len() as u32 - 5 + 3;
        bytes[1..5].copy_from_slice(&length.to_be_bytes());
        bytes.extend([1, 2, 3]);
        assert_eq!(codec::decode(&bytes), Ok(frame.clone()), "{what}");
        object([
            (
                "what",
                text(format!("{what}, with members of a later release")),
            ),
            ("reads", frame_shown(&frame)),
            ("bytes", hex(&bytes[..bytes.len() - 3])),
            ("later", hex([1, 2, 3])),
        ])
    };
    let want = |(what, want): (&str, Want)| {
        object([
            ("what", text(what)),
            ("reads", want_shown(&want)),
            ("understood", flag(want.is_understood())),
            ("bytes", hex(want.to_bytes())),
        ])
    };
    let item = |(what, item): (&str, Item)| {
        let classes: Vec<Json> = (0..3u8)
            .filter(|class| item.may_stand_in_feed(*class))
            .map(number)
            .collect();
        object([
            ("what", text(what)),
            ("reads", item_shown(&item)),
            ("weight", Json::Number(item.weight())),
            ("classes", Json::List(classes)),
            ("page", flag(item.may_stand_in_page())),
            ("bytes", hex(item.to_bytes())),
        ])
    };
    let later: Vec<_> = frames(&parts).into_iter().take(10).collect();
    Json::Object(vec![
        ("frames", list(frames(&parts), frame)),
        ("longer", list(later, longer)),
        ("wants", list(wants(), want)),
        ("items", list(items(&parts), item)),
        refused::listed(refused(&parts)),
    ])
}

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

fn refused(parts: &Parts) -> Vec<Refused> {
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
