//! Vectors of the conversation: every frame, item and want, and longer bodies.
//! Long because every frame and item is made once and laid out once.

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
use crate::misframed;
use crate::refused::{self};
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
pub struct Parts {
    pub slice: Item,
    pub envelope: Item,
    pub opening: Envelope,
    pub header: Vec<u8>,
    pub receipt: Vec<u8>,
    pub feed_head: Vec<u8>,
    pub hello: Hello,
}

impl Parts {
    pub fn of(city: &City) -> Self {
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

    pub fn resume(&self) -> Resume {
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

    pub fn entry(&self) -> LogEntry {
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

    pub fn never_seen() -> LogEntry {
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

pub fn routed() -> Routed {
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

pub fn checkpoint() -> Checkpoint {
    Checkpoint {
        cursors: [7, 70_000, 0],
        region: "310115".into(),
        count: 5_000_000_000,
        sum: [0x5c; 32],
    }
}

pub fn sums() -> Sums {
    Sums {
        region: "310115".into(),
        buckets: (0..=255u8).map(|n| (n.into(), [n; 32])).collect(),
    }
}

pub fn piece() -> Piece {
    Piece {
        root: Hash([0xa7; 32]),
        suite: 1,
        index: 63,
        bytes: vec![1, 2, 3],
        proof: vec![Hash([1; 32]), Hash([2; 32])],
    }
}

pub fn feed(class: u8, after: u64, item: Option<Item>) -> Feed {
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
        refused::listed(misframed::all(&parts)),
    ])
}
