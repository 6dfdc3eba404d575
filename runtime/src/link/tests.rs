//! Links over real QUIC on loopback, and the memory carrier beside it: who is admitted, bounds, back-pressure, drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::{codec, limits};
use quinn::VarInt;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::carrier::{
    Carrier, CloseCode, Closed, FRAME_BYTES_MAX, Frame, QUEUE_FRAMES_MAX, SendError,
};
use super::endpoint::{ALPN_SESSION, Arrival, Dialer, Listener, Role, Settings};
use super::*;
use crate::tls::InstanceIdentity;

mod strangers;

const AT_MOST: Duration = Duration::from_secs(20);

struct World {
    listener: Listener,
    listens: InstanceIdentity,
    dials: InstanceIdentity,
}

impl World {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let listens = InstanceIdentity::generate().expect("identity");
        let local = "127.0.0.1:0".parse().expect("address");
        Self {
            listener: Listener::listen(local, &listens, settings).expect("listening"),
            listens,
            dials: InstanceIdentity::generate().expect("identity"),
        }
    }

    fn address(&self) -> String {
        self.listener.address().to_string()
    }

    async fn connect(&mut self, settings: Settings) -> (Carrier, Carrier, Dialer) {
        let dialer = Dialer::new(&self.dials, settings).expect("dialling");
        let address = self.address();
        let (dialled, accepted) =
            tokio::join!(dialer.session(&address), within(self.listener.accept()));
        let Some(Arrival::Session(accepted)) = accepted else {
            panic!("not a session");
        };
        (dialled.expect("dialled"), accepted, dialer)
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(AT_MOST, future)
        .await
        .expect("in time")
}

/// A frame with a body of so many bytes.
fn frame(priority: u8, byte: u8, len: usize) -> Frame {
    let mut bytes = vec![byte; codec::HEADER_BYTES + len];
    bytes[1..codec::HEADER_BYTES].copy_from_slice(&(len as u32).to_be_bytes());
    Frame { priority, bytes }
}

#[tokio::test]
async fn both_sides_see_key_and_exporter_of_each_other() {
    let mut world = World::new();
    let (dialled, accepted, _dialer) = world.connect(Settings::default()).await;
    assert_eq!(dialled.peer_key, world.listens.key_hash());
    assert_eq!(accepted.peer_key, world.dials.key_hash());
    assert_eq!(dialled.exporter, accepted.exporter);
    assert_eq!(
        (dialled.role, accepted.role),
        (Role::Dialled, Role::Accepted)
    );
    let (second, _, _dialer) = world.connect(Settings::default()).await;
    assert_ne!(second.exporter, dialled.exporter);
}

#[tokio::test]
async fn frames_arrive_whole_and_in_order_per_priority() {
    let mut world = World::new();
    let (dialled, accepted, _dialer) = world.connect(Settings::default()).await;
    exercise(dialled, accepted).await;
    let (one, other) = Carrier::pair(9);
    assert_eq!(one.exporter, other.exporter);
    assert_ne!(one.peer_key, other.peer_key);
    exercise(one, other).await;
}

const LENGTHS: [usize; 4] = [0, 1, 70_000, 1_200_000];

/// Sends the same in both directions, drains both ends at once, and checks that everything arrived.
async fn exercise(one: Carrier, other: Carrier) {
    async fn side(carrier: Carrier) -> Vec<Frame> {
        carrier.control().trust();
        let (outgoing, mut incoming, control) = carrier.split();
        let send = async {
            for n in 0..20u8 {
                for priority in 0..4 {
                    let len = LENGTHS[usize::from(n % 4)];
                    outgoing
                        .send(priority, frame(priority, n, len).bytes)
                        .await
                        .expect("sending");
                }
            }
            outgoing.finish();
        };
        let receive = async {
            let mut got = Vec::new();
            while let Some(frame) = incoming.receive().await.expect("receiving") {
                got.push(frame);
            }
            got
        };
        let ((), got) = tokio::join!(send, receive);
        control.conclude().await.expect("drained");
        got
    }
    let (a, b) = within(async { tokio::join!(side(one), side(other)) }).await;
    for got in [a, b] {
        assert_eq!(got.len(), 80);
        for priority in 0..4 {
            let of_it = got.iter().filter(|frame| frame.priority == priority);
            for (n, got) in (0..20u8).zip(of_it) {
                let expected = frame(priority, n, LENGTHS[usize::from(n % 4)]);
                assert!(*got == expected, "frame {n} of priority {priority}");
            }
        }
    }
}

#[tokio::test]
async fn a_drain_delivers_everything_to_a_slow_reader() {
    let mut world = World::new();
    let (dialled, mut accepted, _dialer) = world.connect(Settings::default()).await;
    dialled.control().trust();
    accepted.control().trust();
    for n in 0..QUEUE_FRAMES_MAX as u8 {
        let large = frame(2, n, 100_000).bytes;
        dialled.send(2, large).await.expect("sending");
    }
    let drained = tokio::spawn(dialled.drain(AT_MOST, |_| {}));
    let mut got = 0;
    while let Some(frame) = within(accepted.receive()).await.expect("receiving") {
        assert!(frame == self::frame(2, got as u8, 100_000), "frame {got}");
        got += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(got, QUEUE_FRAMES_MAX);
    assert!(!drained.is_finished(), "closed before the reader was done");
    within(accepted.drain(AT_MOST, |_| {}))
        .await
        .expect("the accepting side is done");
    within(drained)
        .await
        .expect("no panic")
        .expect("the dialling side is done");
}

#[tokio::test]
async fn a_slow_reader_holds_its_sender_back() {
    let mut world = World::new();
    let settings = Settings {
        send_window: 1 << 20,
        stream_window: 1 << 20,
        connection_window: 2 << 20,
        ..Settings::default()
    };
    let (dialled, mut accepted, _dialer) = world.connect(settings).await;
    accepted.control().trust();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let (outgoing, _incoming, _control) = dialled.split();
    let outgoing = Arc::new(outgoing);
    let sender = outgoing.clone();
    let sending = tokio::spawn(async move {
        while sender.send(3, frame(3, 3, 500_000).bytes).await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    // until it stands still
    let mut last = usize::MAX;
    while last != sent.load(Ordering::Relaxed) {
        last = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // both queues, both windows, and a frame in each task's hands
    let bound = 2 * QUEUE_FRAMES_MAX + (1 << 20) / 500_000 + (8 << 20) / 500_000 + 4;
    assert!(last <= bound, "{last} frames under way");
    // what waits at one priority does not stop another
    within(outgoing.send(0, frame(0, 0, 6).bytes))
        .await
        .expect("sending");
    let first = within(accepted.receive()).await.expect("receiving");
    // the urgent one may still be in the kernel when the first is taken; then it comes very soon
    let mut found = first.as_ref().is_some_and(|frame| frame.priority == 0);
    for _ in 0..bound {
        if found {
            break;
        }
        let next = within(accepted.receive()).await.expect("receiving");
        found = next.is_some_and(|frame| frame.priority == 0);
    }
    assert!(found);
    drop(accepted);
    within(sending).await.expect("the sender noticed the end");
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_is_sent() {
    let (one, _other) = Carrier::pair(1);
    let error = one.send(0, vec![0; FRAME_BYTES_MAX + 1]).await;
    assert_eq!(error, Err(SendError::TooLong(FRAME_BYTES_MAX + 1)));
}

#[tokio::test]
async fn the_longest_frame_that_a_session_says_gets_through() {
    let mut world = World::new();
    let (dialled, mut accepted, _dialer) = world.connect(Settings::default()).await;
    // of a stranger, and of whom we trust
    for (longest, trusted) in [
        (limits::GREETING_FRAME_BYTES_MAX, false),
        (limits::FRAME_BYTES_MAX, true),
    ] {
        if trusted {
            accepted.control().trust();
        }
        let longest = frame(0, 4, longest);
        let sent = dialled.send(0, longest.bytes.clone());
        sent.await.expect("no longer than allowed");
        let got = within(accepted.receive()).await.expect("receiving");
        assert!(got == Some(longest));
    }
}

#[tokio::test]
async fn closing_tells_the_reason_to_the_other_side() {
    let mut world = World::new();
    let (dialled, accepted, _dialer) = world.connect(Settings::default()).await;
    let (one, other) = Carrier::pair(1);
    for (closes, mut learns) in [(dialled, accepted), (one, other)] {
        let reason = "该实例已被更新的会话取代".to_owned() + &"长".repeat(200);
        let ours = closes.control().close(CloseCode::Superseded, &reason);
        assert!(!ours.by_peer);
        let theirs = within(learns.receive()).await.expect_err("closed");
        assert!(theirs.by_peer);
        assert_eq!(theirs.code, CloseCode::Superseded);
        assert!(theirs.reason.starts_with("该实例已被更新的会话取代"));
        assert!(theirs.reason.len() <= 300);
        let refused = within(learns.send(0, frame(0, 1, 0).bytes)).await;
        assert_eq!(refused, Err(SendError::Closed(theirs)));
        assert_eq!(within(closes.control().closed()).await, ours);
    }
}

#[tokio::test]
async fn a_carrier_dropped_in_the_middle_is_no_clean_end() {
    let mut world = World::new();
    let (dialled, mut accepted, _dialer) = world.connect(Settings::default()).await;
    let word = frame(0, 1, 1).bytes;
    dialled.send(0, word).await.expect("sending");
    drop(dialled);
    loop {
        match within(accepted.receive()).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                // its streams ended by themselves; the drain must still fail
                let error = within(accepted.drain(AT_MOST, |_| {})).await;
                assert_eq!(error.expect_err("not clean").code, CloseCode::Internal);
                return;
            }
            Err(closed) => {
                assert_eq!(closed.code, CloseCode::Internal);
                return;
            }
        }
    }
}

/// A client of our TLS with streams of its own, to send what our software does not.
async fn raw(world: &World, dials: &InstanceIdentity) -> (quinn::Endpoint, quinn::Connection) {
    let from = "127.0.0.1:0".parse().expect("address");
    let endpoint = quinn::Endpoint::client(from).expect("endpoint");
    let connecting = begin(&endpoint, dials, world.listener.address(), ALPN_SESSION);
    let connection = connecting.await.expect("connected");
    (endpoint, connection)
}

fn begin(
    endpoint: &quinn::Endpoint,
    dials: &InstanceIdentity,
    to: std::net::SocketAddr,
    alpn: &[u8],
) -> quinn::Connecting {
    let tls = dials.client_config(&[alpn]).expect("tls");
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("quic")));
    endpoint.connect_with(config, to, "x").expect("connecting")
}

async fn check_violation(streams: &[&[u8]], expected: &str) {
    let mut world = World::new();
    let (good, mut good_accepted, _dialer) = world.connect(Settings::default()).await;
    let (_endpoint, connection) = raw(&world, &world.dials).await;
    let Some(Arrival::Session(mut accepted)) = within(world.listener.accept()).await else {
        panic!("not a session");
    };
    accepted.control().trust();
    let mut open = Vec::new();
    for bytes in streams {
        let mut stream = connection.open_uni().await.expect("stream");
        stream.write_all(bytes).await.expect("writing");
        open.push(stream);
    }
    let closed: Closed = within(async {
        loop {
            match accepted.receive().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no clean end"),
                Err(closed) => return closed,
            }
        }
    })
    .await;
    assert_eq!(closed.code, CloseCode::Violation);
    assert!(closed.reason.contains(expected), "{closed}");
    // the offender is told, and nobody else notices anything
    let told = within(connection.closed()).await.to_string();
    assert!(told.contains(expected), "{told}");
    let word = frame(1, 5, 1);
    good.send(1, word.bytes.clone()).await.expect("sending");
    good_accepted.control().trust();
    let got = within(good_accepted.receive()).await.expect("receiving");
    assert_eq!(got, Some(word));
}

#[tokio::test]
async fn an_oversize_frame_ends_only_its_own_connection() {
    check_violation(&[&[2, 3, 0xff, 0xff, 0xff, 0xff]], "超过上限").await;
    let one_more = (limits::FRAME_BYTES_MAX as u32 + 1).to_be_bytes();
    check_violation(&[&[&[2, 3][..], &one_more].concat()], "超过上限").await;
}

#[tokio::test]
async fn unknown_or_doubled_streams_end_only_their_own_connection() {
    check_violation(&[&[4]], "多余").await;
    check_violation(&[&[1], &[1]], "多余").await;
}

#[tokio::test]
async fn a_stranger_is_heard_only_in_what_introductions_need() {
    let mut world = World::new();
    let (dialled, mut accepted, _dialer) = world.connect(Settings::default()).await;
    let (word, urgent, large) = (frame(1, 1, 1), frame(0, 0, 1), frame(0, 7, 2 << 20));
    for word in [&word, &urgent] {
        let sent = dialled.send(word.priority, word.bytes.clone());
        sent.await.expect("sending");
    }
    let first = within(accepted.receive()).await.expect("receiving");
    assert_eq!(first, Some(urgent));
    // a large frame waits for trust instead of being held
    let sent = dialled.send(0, large.bytes.clone());
    sent.await.expect("sending");
    let early = tokio::time::timeout(Duration::from_millis(300), accepted.receive()).await;
    assert!(early.is_err(), "{early:?}");
    accepted.control().trust();
    let mut got = vec![
        within(accepted.receive()).await.expect("receiving"),
        within(accepted.receive()).await.expect("receiving"),
    ];
    got.sort_by_key(|frame| frame.as_ref().map(|frame| frame.priority));
    assert!(got == [Some(large), Some(word)]);
}

#[tokio::test]
async fn dates_of_a_certificate_lock_nobody_out() {
    for (from, to) in [(1990, 1991), (4000, 4001), (2000, 1999)] {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
        let mut params = rcgen::CertificateParams::new(vec!["x".to_owned()]).expect("params");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let certificate = params.self_signed(&key).expect("certificate");
        let identity = InstanceIdentity::of(
            certificate.der().clone(),
            PrivateKeyDer::try_from(key.serialize_der()).expect("key"),
        )
        .expect("identity");
        let mut world = World::new();
        world.dials = identity;
        let (_, accepted, _dialer) = world.connect(Settings::default()).await;
        assert_eq!(accepted.peer_key, world.dials.key_hash());
    }
}

#[tokio::test]
async fn who_does_not_hold_the_key_of_the_certificate_is_refused() {
    /// Signs with its own key under somebody else's certificate.
    #[derive(Debug)]
    struct Impostor(Arc<rustls::sign::CertifiedKey>);
    impl rustls::client::ResolvesClientCert for Impostor {
        fn resolve(
            &self,
            _: &[&[u8]],
            _: &[rustls::SignatureScheme],
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(self.0.clone())
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let mut world = World::new();
    let own = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
    let params = rcgen::CertificateParams::new(vec!["x".to_owned()]).expect("params");
    let stolen = params.self_signed(&other).expect("certificate");
    let der = PrivateKeyDer::try_from(own.serialize_der()).expect("key");
    let key = rustls::crypto::ring::sign::any_supported_type(&der).expect("key");
    let certified = rustls::sign::CertifiedKey::new(vec![stolen.der().clone()], key);
    let mut tls = world.dials.client_config(&[ALPN_SESSION]).expect("tls");
    tls.client_auth_cert_resolver = Arc::new(Impostor(Arc::new(certified)));
    refused(&mut world, tls).await;
}

#[tokio::test]
async fn no_certificate_a_broken_one_or_another_protocol_is_refused() {
    let mut world = World::new();
    let mut tls = world.dials.client_config(&[ALPN_SESSION]).expect("tls");
    tls.client_auth_cert_resolver = Arc::new(Nobody);
    refused(&mut world, tls).await;
    let tls = world.dials.client_config(&[b"h3"]).expect("tls");
    refused(&mut world, tls).await;
    assert!(crate::tls::key_hash(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])).is_err());
    assert!(crate::tls::key_hash(&CertificateDer::from(vec![0; 9_000])).is_err());
    // bytes that are no QUIC at all
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
    for len in [1, 20, 1200] {
        let sent = socket.send_to(&vec![0xc3; len], world.listener.address());
        assert_eq!(sent.expect("sent"), len);
    }
    let (_, accepted, _dialer) = world.connect(Settings::default()).await;
    assert_eq!(accepted.peer_key, world.dials.key_hash());
}

#[derive(Debug)]
struct Nobody;

impl rustls::client::ResolvesClientCert for Nobody {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }
    fn has_certs(&self) -> bool {
        false
    }
}

/// The client may believe for a moment that it is connected; the server never hands it up, and others come through.
async fn refused(world: &mut World, tls: rustls::ClientConfig) {
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("quic")));
    let endpoint =
        quinn::Endpoint::client("127.0.0.1:0".parse().expect("address")).expect("endpoint");
    let connecting = endpoint
        .connect_with(config, world.listener.address(), "x")
        .expect("connecting");
    if let Ok(connection) = within(connecting).await {
        within(connection.closed()).await;
    }
    let (_, accepted, _dialer) = world.connect(Settings::default()).await;
    assert_eq!(accepted.peer_key, world.dials.key_hash());
    endpoint.close(VarInt::from_u32(0), b"");
}

#[tokio::test]
async fn who_cannot_be_reached_is_said_clearly() {
    let dials = InstanceIdentity::generate().expect("identity");
    let settings = Settings {
        handshake_time_max: Duration::from_millis(300),
        ..Settings::default()
    };
    let dialer = Dialer::new(&dials, settings).expect("dialling");
    // a socket that never answers
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
    let address = silent.local_addr().expect("address").to_string();
    for (address, expected) in [
        (address.as_str(), "NET-03"),
        ("no port", "NET-01"),
        ("127.0.0.1", "NET-01"),
    ] {
        let error = within(dialer.session(address))
            .await
            .err()
            .expect("unreachable");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn backoff_is_quick_at_first_and_bounded() {
    let check = |random: u64, expected: &[u64]| {
        let mut backoff = Backoff::new();
        for ms in expected {
            assert_eq!(backoff.next(random), Duration::from_millis(*ms));
        }
    };
    check(
        0,
        &[
            50, 200, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
        ],
    );
    let mut backoff = Backoff::new();
    for attempt in 0..200 {
        let wait = backoff.next(u64::MAX - attempt);
        assert!(wait <= Duration::from_millis(BACKOFF_MS_MAX));
        assert!(wait >= Duration::from_millis(50));
    }
    backoff.reset();
    assert!(backoff.next(7) <= Duration::from_millis(100));
}

#[test]
fn what_ended_so_that_the_next_goes_on_otherwise_is_tried_again_soon_but_not_in_a_loop() {
    let mut backoff = Backoff::new();
    let short = Duration::from_millis(30);
    let waits: Vec<u128> = (0..8).map(|_| backoff.soon(short, 0).as_millis()).collect();
    assert_eq!(waits, [200, 400, 800, 1_600, 2_500, 2_500, 2_500, 2_500]);
    for attempt in 0..200 {
        let wait = backoff.soon(short, u64::MAX - attempt);
        assert!(wait <= Duration::from_millis(SOON_MS_MAX));
    }
    // it is no failure of the line, and a link that lasted makes all good
    assert!(backoff.next(0) <= Duration::from_millis(100));
    assert!(backoff.soon(LASTING, 0) <= Duration::from_millis(400));
    assert_eq!(backoff.attempts(), 0);
}

#[test]
fn a_link_that_breaks_often_is_up_half_of_the_time() {
    let seconds = Duration::from_secs;
    let mut backoff = Backoff::new();
    for _ in 0..40 {
        assert!(backoff.after(seconds(20), u64::MAX) <= seconds(20));
        assert!(backoff.after(seconds(1), u64::MAX) <= seconds(1));
    }
    // who ends it at once, or lets nobody in, is left alone for longer and longer
    assert!(backoff.after(Duration::from_millis(50), 0) >= seconds(30));
    assert!(backoff.after(Duration::ZERO, 0) >= seconds(30));
    assert!(backoff.after(seconds(30), u64::MAX) < seconds(1));
    assert_eq!(backoff.attempts(), 1);
}

#[tokio::test]
async fn a_link_is_kept_up_until_a_person_must_act() {
    let shutdown = Shutdown::new();
    let mut count = 0;
    let mut heard = Vec::new();
    keep_connected(
        &shutdown,
        || {
            count += 1;
            let end = match count {
                1 => LinkEnd::Broken("x".to_owned()),
                2 => LinkEnd::Later(Duration::from_millis(300), "busy".to_owned()),
                3 => LinkEnd::Soon("skipped".to_owned()),
                _ => LinkEnd::Final("revoked".to_owned()),
            };
            async move { (end, Duration::ZERO) }
        },
        |end, wait| heard.push((end.clone(), wait)),
    )
    .await;
    assert_eq!(heard.len(), 4);
    assert!(heard[1].1 >= Some(Duration::from_millis(300)));
    let soon = heard[2].1.expect("a further attempt");
    assert!((200..=400).contains(&soon.as_millis()), "{soon:?}");
    assert_eq!(heard[3], (LinkEnd::Final("revoked".to_owned()), None));
}
