//! A bureau with a valid certificate whose program keeps to no rule, against real nodes: it is told why it loses its
//! session, and nobody else notices.

use std::time::Duration;

use agent::home::{Admission, Home};
use demo::process::{STATUS, ask};
use demo::site::NodeSite;
use protocol::batch::{Draft, LogState, seal};
use protocol::codec;
use protocol::entry::{Head, Key};
use protocol::envelope::{Envelope, kind};
use protocol::frame::{
    CLASSES, Cursor, FRAME_HIGHEST, Feed, Frame, Goodbye, GoodbyeCode, Hello, ITEM_HIGHEST,
    Interest, Item, Presence, Resume, Routed, Token,
};
use protocol::hash::Ref;
use protocol::name::{FeedId, HybridTime, Incarnation, InstanceId, Lane, SeatId};
use protocol::presence;
use protocol::slice;
use protocol::standard_hash::StandardHash;
use protocol::statement::EpochOpening;
use protocol::value::Value;
use runtime::link::carrier::{Carrier, CloseCode};
use runtime::link::endpoint::{Dialer, Settings};
use runtime::tls::InstanceIdentity;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tests::legacy::row_id;
use tests::process::Program;
use tokio::time::timeout;

use crate::desk::{Desk, field};
use crate::world::{World, code, row};

const LONG: Duration = Duration::from_secs(20);

struct Offender {
    admission: Admission,
    dialer: Dialer,
    node: String,
}

impl Offender {
    fn of(home: &Home) -> Self {
        let instance = InstanceIdentity::load_or_generate(&home.instance_file()).expect("identity");
        Self {
            admission: home.admission().expect("joined"),
            dialer: Dialer::new(&instance, Settings::default()).expect("dialling"),
            node: home.parent().expect("its node"),
        }
    }

    fn seat(&self) -> SeatId {
        self.admission.own().seat
    }

    /// A session that is introduced as `seat`, with a feed of its own; or the goodbye to it.
    async fn greet(&self, seat: SeatId, feed: u8) -> Result<Carrier, Goodbye> {
        let mut carrier = self.dialer.session(&self.node).await.expect("a session");
        let chain = self.admission.chain.iter().skip(1);
        let hello = Hello {
            frames: FRAME_HIGHEST,
            items: ITEM_HIGHEST,
            instance: InstanceId([9; 16]),
            incarnation: Incarnation {
                counter: u64::from(feed),
                feed: FeedId([feed; 16]),
            },
            release: String::new(),
            seats: vec![Presence {
                seat,
                signatures: presence::sign(&seat, &carrier.exporter, &self.admission.key),
            }],
            statements: chain.map(Envelope::to_bytes).collect(),
        };
        say(&carrier, &Frame::Hello(hello)).await;
        let resume = Resume {
            incarnation: Incarnation::default(),
            cursors: [Cursor::default(); CLASSES],
            interest: Interest::default(),
            window: 1 << 20,
            words: Vec::new(),
        };
        say(&carrier, &Frame::Resume(resume)).await;
        carrier.control().trust();
        // what is said before the node has made up its mind is passed over
        let accepted = timeout(LONG, async {
            while let Ok(Some(frame)) = carrier.receive().await {
                match codec::decode(&frame.bytes) {
                    Ok(Frame::Resume(_)) => return Ok(()),
                    Ok(Frame::Goodbye(goodbye)) => return Err(goodbye),
                    _ => {}
                }
            }
            panic!("closed without a word");
        });
        accepted.await.expect("in time").map(|()| carrier)
    }

    fn opening(&self, seat: SeatId, counter: u32) -> (EpochOpening, Envelope) {
        let statement = EpochOpening {
            seat,
            counter,
            nonce: [7; 16],
            identity: self.admission.identity.reference(),
            instance: InstanceId([9; 16]),
            last_known: Vec::new(),
            void: Vec::new(),
        };
        let envelope =
            Envelope::signed(kind::OPENING, 1, statement.to_bytes(), &self.admission.key);
        (statement, envelope)
    }

    /// A batch that this seat's key signs, in the name of whoever the opening names.
    fn batch(&self, opening: &EpochOpening, reference: Ref) -> (Vec<u8>, Vec<u8>) {
        let key = Key::columns(&[Value::Integer(1)]);
        let standard = StandardHash([0; 16]);
        let head = Head::state("registration", key, "cn.registration", 1, standard);
        let sealed = seal(
            &LogState::start(opening, reference, Lane::Records),
            &[Draft::new(&[(0, head.to_bytes())])],
            HybridTime(1),
            &[7; 32],
            self.admission.identity.reference(),
            &self.admission.key,
        )
        .expect("sealed");
        (sealed.header.to_bytes(), slice::pack(&sealed.body))
    }
}

async fn say(carrier: &Carrier, frame: &Frame) {
    // the other side may have had enough already
    let _ = carrier.send(0, codec::encode(frame)).await;
}

fn step(class: u8, after: u64, offset: u64, item: Option<Item>) -> Frame {
    Frame::Feed(Feed {
        class,
        interest: 1,
        after,
        offset,
        directory: 0,
        token: Token([1; 16]),
        item,
    })
}

/// What the node says last.
async fn goodbye(what: &str, mut carrier: Carrier) -> Goodbye {
    let told = timeout(LONG, async {
        while let Ok(Some(frame)) = carrier.receive().await {
            if let Ok(Frame::Goodbye(goodbye)) = codec::decode(&frame.bytes) {
                return Some(goodbye);
            }
        }
        None
    });
    told.await.expect(what).expect(what)
}

/// Header and body of a batch that a node has of a seat, as they travel.
async fn kept_batch(node: &NodeSite, seat: SeatId) -> (Vec<u8>, Vec<u8>) {
    let file = node.database().join("store.db");
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .expect("opened");
    sqlx::query_as("SELECT h.bytes, f.body FROM feed f JOIN header h ON h.ref = f.ref WHERE f.kind = 2 AND h.seat = $1")
        .bind(seat.0.to_vec())
        .fetch_one(&mut connection)
        .await
        .expect("a batch")
}

/// The node acknowledges what was sent up to here.
async fn stored(what: &str, mut carrier: Carrier, (class, offset): (u8, u64)) {
    let told = timeout(LONG, async {
        while let Ok(Some(frame)) = carrier.receive().await {
            match codec::decode(&frame.bytes) {
                Ok(Frame::Ack(ack)) if (ack.class, ack.offset) == (class, offset) => return,
                Ok(Frame::Goodbye(goodbye)) => panic!("{what}: {}", goodbye.text),
                _ => {}
            }
        }
        panic!("{what}: closed without a word");
    });
    told.await.expect(what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bureau_that_keeps_to_no_rule_disturbs_nobody() {
    let mut world = World::new().await;
    let (mut legacy, path) = world.legacy("honest", &[row(1, "济南𠮷泉有限公司")]).await;
    let honest = world.agent("honest", &path, Program::District, &[]);
    world.start("honest", &honest);
    let others = Home::at(&honest.data()).expect("home");
    let honest_seat = others.admission().expect("joined").own().seat;
    let (_none, path) = world.legacy("offender", &[]).await;
    let site = world.agent("offender", &path, Program::District, &[]);
    let offender = Offender::of(&Home::at(&site.data()).expect("home"));
    let here = Desk::sign_in(world.here.console);
    here.wait("the honest row", |d| !d.dossier(&code(1)).is_null());

    let (own, own_envelope) = offender.opening(offender.seat(), 1);
    let (stolen, stolen_envelope) = offender.opening(honest_seat, 1);
    let reference = |envelope: &Envelope| envelope.reference().expect("of a suite that is read");
    let (header, body) = offender.batch(&own, reference(&own_envelope));
    let (forged, forged_body) = offender.batch(&stolen, reference(&stolen_envelope));
    let theirs = kept_batch(&world.here, honest_seat).await;
    let mut bomb = vec![0x28, 0xB5, 0x2F, 0xFD, 0b1110_0000];
    bomb.extend_from_slice(&(512u64 << 20).to_le_bytes());
    bomb.extend_from_slice(&[0x03, 0x00, 0x40, 0x00]);
    let opened = || step(0, 0, 1, Some(Item::Envelope(own_envelope.to_bytes())));
    let slice = |header: &[u8], body: &[u8]| Item::Slice {
        header: header.to_vec(),
        body: body.to_vec(),
    };
    let routed = Item::Routed(Routed {
        subjects: vec![format!("uscc:{}", code(1))],
        from: crate::world::HERE.into(),
        to: crate::world::ELSEWHERE.into(),
        by: SeatId::default(),
    });
    let mut flipped = body.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let (misbehaved, refused) = (GoodbyeCode::Misbehaved, GoodbyeCode::ItemRefused);
    let envelope = |bytes: Vec<u8>| step(0, 0, 1, Some(Item::Envelope(bytes)));
    let cases: Vec<(&str, Vec<Frame>, GoodbyeCode)> = vec![
        (
            "a step that goes nowhere",
            vec![step(2, 0, 0, None)],
            misbehaved,
        ),
        (
            "an offset beyond all",
            vec![step(2, 0, u64::MAX, None)],
            misbehaved,
        ),
        (
            "where an entity belongs",
            vec![step(2, 0, 1, Some(routed))],
            misbehaved,
        ),
        (
            "a batch that another has stated",
            vec![step(2, 0, 1, Some(slice(&theirs.0, &theirs.1)))],
            GoodbyeCode::Jurisdiction,
        ),
        // of these an item is refused, and it is said which
        (
            "a statement that is none",
            vec![envelope(vec![77; 9])],
            refused,
        ),
        (
            "a batch in another's name",
            vec![step(2, 0, 1, Some(slice(&forged, &forged_body)))],
            refused,
        ),
        (
            "a bomb",
            vec![opened(), step(2, 0, 1, Some(slice(&header, &bomb)))],
            refused,
        ),
        (
            "a body that was changed",
            vec![opened(), step(2, 0, 1, Some(slice(&header, &flipped)))],
            refused,
        ),
    ];
    for (n, (what, frames, expected)) in (1..).zip(cases) {
        let carrier = offender.greet(offender.seat(), n).await.expect(what);
        for frame in &frames {
            say(&carrier, frame).await;
            // class 0 is stored before what depends on it is sent
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let told = goodbye(what, carrier).await;
        assert_eq!(told.code, expected, "{what}: {}", told.text);
        assert!(told.text.contains('请'), "{what}: {}", told.text);
        let item = match frames.last() {
            Some(Frame::Feed(feed)) if expected == refused => Some((feed.class, feed.offset)),
            _ => None,
        };
        assert_eq!(told.item, item, "{what}");
    }
    // its own signed word that may not be is kept as evidence, and its feed goes on
    let what = "an opening in another's name";
    let carrier = offender.greet(offender.seat(), 99).await.expect(what);
    say(&carrier, &envelope(stolen_envelope.to_bytes())).await;
    stored(what, carrier, (0, 1)).await;
    let carrier = offender
        .greet(offender.seat(), 100)
        .await
        .expect("a session");
    // a resume of three bytes
    let _ = carrier.send(0, b"\x02\0\0\0\x03ZHZ".to_vec()).await;
    let told = goodbye("garbage", carrier).await;
    assert_eq!(told.code, misbehaved, "{}", told.text);
    // what has not even the outline of a frame ends the link below the session
    let mut carrier = offender
        .greet(offender.seat(), 102)
        .await
        .expect("a session");
    let _ = carrier.send(0, b"not a frame".to_vec()).await;
    let ended = timeout(LONG, async {
        loop {
            if let Err(closed) = carrier.receive().await {
                return closed;
            }
        }
    });
    let ended = ended.await.expect("the link ends");
    assert_eq!(
        (ended.by_peer, ended.code),
        (true, CloseCode::Violation),
        "{ended}"
    );
    // in the name of the other, with a key that is not the other's
    let greeted = offender.greet(honest_seat, 101).await;
    let told = greeted.err().expect("nobody is taken for another");
    assert_eq!(told.code, GoodbyeCode::NotAdmitted, "{}", told.text);
    assert!(told.text.contains("身份验证未通过"), "{}", told.text);

    legacy
        .update(&row_id(1), "FDDBR", Some("李一"))
        .await
        .expect("changed");
    let city = Desk::sign_in(world.city.console);
    for desk in [&here, &city] {
        desk.wait("a change of the honest bureau", |d| {
            field(&d.dossier(&code(1)), "法定代表人").as_deref() == Some("李一")
        });
    }
    for site in [&world.here, &world.city] {
        let status = ask(&site.data(), STATUS).await.expect("an answer");
        for nothing in ["stopped", "held", "wants"] {
            assert_eq!(status[nothing], 0, "{nothing}");
        }
        assert_eq!(status["records"], 1);
    }
}
