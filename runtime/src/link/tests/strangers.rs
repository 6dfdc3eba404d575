//! Strangers who take places and say nothing, or little: known parties and newcomers get in beside them, and none of them
//! stays for long.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use super::super::attempts::EXCHANGES_MAX;
use super::super::endpoint::ALPN_JOIN;
use super::*;
use crate::admission::{Answer, Applicant, refusal};
use crate::telemetry::Metrics;
use crate::worker::until;
use protocol::admission::exchange::{Ask, FromNewcomer, Offer, Proof, Refused, Request, VERSION};

/// More than any pool has places for one address, and more than the pools of strangers have at all.
const MANY: u32 = 80;

/// A listener whose arrivals are kept as they come.
struct Kept {
    address: SocketAddr,
    known: places::KnownKeys,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Kept {
    fn new(settings: Settings) -> Self {
        let mut listener = World::with(settings).listener;
        let (address, known) = (listener.address(), listener.known_keys());
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let keeps = arrivals.clone();
        tokio::spawn(async move {
            while let Some(arrival) = listener.accept().await {
                keeps
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(arrival);
            }
        });
        Self {
            address,
            known,
            arrivals,
        }
    }

    /// Takes out the arrival of whoever has this key.
    async fn of(&self, key: [u8; 32]) -> Arrival {
        let is = |arrival: &Arrival| match arrival {
            Arrival::Session(carrier) => carrier.peer_key == key,
            Arrival::Join(exchange) => exchange.peer_key == key,
        };
        let find = || {
            let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
            arrivals.iter().position(is)
        };
        assert!(
            until(AT_MOST, || find().is_some()).await,
            "it does not get in"
        );
        let at = find().expect("found before");
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.remove(at)
    }
}

/// So many silent connections; from each address one after the other.
async fn strangers(
    to: SocketAddr,
    alpn: &[u8],
    from: impl Fn(u32) -> Ipv4Addr,
) -> Vec<(quinn::Endpoint, Option<quinn::Connection>)> {
    let own = InstanceIdentity::generate().expect("identity");
    let mut all = Vec::new();
    for n in 0..MANY {
        let endpoint = quinn::Endpoint::client((from(n), 0).into()).expect("endpoint");
        let connecting = begin(&endpoint, &own, to, alpn);
        all.push((endpoint, within(connecting).await.ok()));
    }
    all
}

async fn check_nobody_is_kept_out(from: impl Fn(u32) -> Ipv4Addr) {
    let kept = Kept::new(Settings {
        // nobody leaves because time is up
        greeting_time_max: Duration::from_secs(600),
        ..Settings::default()
    });
    let member = InstanceIdentity::generate().expect("identity");
    kept.known.extend([member.key_hash()]);
    let address = kept.address.to_string();
    let mut all = strangers(kept.address, ALPN_SESSION, &from).await;
    all.extend(strangers(kept.address, ALPN_JOIN, &from).await);

    let dialer = Dialer::new(&member, Settings::default()).expect("dialling");
    let dialled = within(dialer.session(&address)).await.expect("a session");
    let Arrival::Session(mut accepted) = kept.of(member.key_hash()).await else {
        panic!("not a session");
    };
    let newcomer = InstanceIdentity::generate().expect("identity");
    let joins = Dialer::new(&newcomer, Settings::default()).expect("dialling");
    let mut asks = within(joins.join(&address)).await.expect("an exchange");
    asks.send(b"greeting").await.expect("sent");
    let Arrival::Join(mut asked) = kept.of(newcomer.key_hash()).await else {
        panic!("not an exchange");
    };

    // they do not lose their places to those who come later either
    all.extend(strangers(kept.address, ALPN_SESSION, &from).await);
    if from(0) != Ipv4Addr::LOCALHOST {
        all.extend(strangers(kept.address, ALPN_JOIN, &from).await);
    }
    assert_eq!(accepted.control().ended(), None);
    let word = frame(0, 1, 1);
    let sent = dialled.send(0, word.bytes.clone());
    sent.await.expect("sent");
    let heard = within(accepted.receive()).await.expect("heard");
    assert_eq!(heard, Some(word));
    assert_eq!(within(asked.receive()).await.expect("heard"), b"greeting");

    // of the strangers themselves no more stay than have places
    let settings = Settings::default();
    let places = settings.handshakes.places + settings.joins.places + settings.strangers.places;
    let open = |all: &[(quinn::Endpoint, Option<quinn::Connection>)]| {
        let open = all.iter().filter(|(_, connection)| {
            let connection = connection.as_ref();
            connection.is_some_and(|connection| connection.close_reason().is_none())
        });
        open.count()
    };
    assert!(until(AT_MOST, || open(&all) <= places).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_from_one_address_keep_nobody_else_out() {
    check_nobody_is_kept_out(|_| Ipv4Addr::new(127, 9, 9, 9)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_from_many_addresses_keep_nobody_else_out() {
    check_nobody_is_kept_out(|n| Ipv4Addr::new(127, 1, (n / 8) as u8, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_behind_the_same_address_keep_nobody_out() {
    check_nobody_is_kept_out(|_| Ipv4Addr::LOCALHOST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_goes_on_keeps_nobody_out() {
    let kept = Kept::new(Settings::default());
    let member = InstanceIdentity::generate().expect("identity");
    kept.known.extend([member.key_hash()]);
    let to = kept.address;
    let floods: Vec<_> = (0..4u8)
        .map(|flood| {
            tokio::spawn(async move {
                loop {
                    let from = |n: u32| Ipv4Addr::new(127, 2, flood, n as u8);
                    let alpn = [ALPN_SESSION, ALPN_JOIN][usize::from(flood % 2)];
                    strangers(to, alpn, from).await;
                }
            })
        })
        .collect();
    let (address, dialer) = (
        kept.address.to_string(),
        Dialer::new(&member, Settings::default()).expect("dialling"),
    );
    let newcomer = InstanceIdentity::generate().expect("identity");
    let joins = Dialer::new(&newcomer, Settings::default()).expect("dialling");
    for n in 0..10 {
        let dialled = within(dialer.session(&address)).await.expect("a session");
        let Arrival::Session(mut accepted) = kept.of(member.key_hash()).await else {
            panic!("not a session");
        };
        let word = frame(0, n, 1);
        let sent = dialled.send(0, word.bytes.clone());
        sent.await.expect("sent");
        let heard = within(accepted.receive()).await.expect("heard");
        assert_eq!(heard, Some(word));
        let mut asks = within(joins.join(&address)).await.expect("an exchange");
        asks.send(b"greeting").await.expect("sent");
        let Arrival::Join(mut asked) = kept.of(newcomer.key_hash()).await else {
            panic!("not an exchange");
        };
        assert_eq!(within(asked.receive()).await.expect("heard"), b"greeting");
    }
    floods.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn who_proves_itself_is_known_from_then_on_and_takes_no_place() {
    let mut world = World::with(Settings {
        strangers: places::Bounds {
            places: 1,
            share: 1,
        },
        ..Settings::default()
    });
    let (_a, a_accepted, _dialer) = world.connect(Settings::default()).await;
    let known = world.listener.known_keys();
    assert!(!known.knows(&world.dials.key_hash()));
    a_accepted.control().trust();
    assert!(known.knows(&world.dials.key_hash()));
    // the next stranger displaces the one before, not the one that was trusted
    world.dials = InstanceIdentity::generate().expect("identity");
    let (_b, b_accepted, _dialer) = world.connect(Settings::default()).await;
    world.dials = InstanceIdentity::generate().expect("identity");
    let (_c, c_accepted, _dialer) = world.connect(Settings::default()).await;
    let displaced = within(b_accepted.control().closed()).await;
    assert_eq!(displaced.code, CloseCode::Busy);
    assert_eq!(a_accepted.control().ended(), None);
    assert_eq!(c_accepted.control().ended(), None);
}

/// Writes a byte now and then until the connection ends; gives the reason.
async fn trickle(mut stream: quinn::SendStream, connection: &quinn::Connection) -> String {
    let pause = Duration::from_millis(20);
    let writes = async {
        while stream.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    };
    within(writes).await;
    within(connection.closed()).await.to_string()
}

fn impatient() -> Settings {
    Settings {
        greeting_time_max: Duration::from_millis(300),
        ..Settings::default()
    }
}

#[tokio::test]
async fn what_a_stranger_sends_does_not_make_its_time_longer() {
    let mut world = World::with(impatient());
    let (_endpoint, connection) = raw(&world, &world.dials).await;
    let accepted = within(world.listener.accept()).await.expect("arrived");
    let mut stream = connection.open_uni().await.expect("stream");
    // priority 0, and a frame of 64 KiB that comes byte by byte
    let begins = [0, 1, 0, 1, 0, 0];
    stream.write_all(&begins).await.expect("written");
    let why = trickle(stream, &connection).await;
    assert!(why.contains("未能及时完成身份验证"), "{why}");
    drop(accepted);
    // a key that is known has more time, for the delay may be ours
    world.listener.known_keys().extend([world.dials.key_hash()]);
    let (_known, accepted, _dialer) = world.connect(Settings::default()).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(accepted.control().ended(), None);
}

/// A desk that proves nothing and lets nobody in; counts who has come so far.
#[derive(Default)]
struct Waiting(AtomicUsize);

impl Desk for Waiting {
    async fn prove(&self, _: &[u8; 32]) -> Result<Proof, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Proof {
            seat: protocol::name::SeatId([1; 16]),
            presence: Default::default(),
            envelopes: Vec::new(),
        })
    }

    async fn offer(&self, _: Applicant, _: Ask) -> Result<Offer, Refused> {
        Err(refusal(0, "closed"))
    }

    async fn judge(&self, _: Applicant, _: Offer, _: Request) -> Answer {
        Answer::Refused(refusal(0, "closed"))
    }
}

/// Serves newcomers. No session comes here.
fn serve_newcomers(settings: Settings) -> (SocketAddr, Workers, Arc<Waiting>) {
    let listener = World::with(settings).listener;
    let address = listener.address();
    let workers = Workers::new(Metrics::new());
    let desk = Arc::new(Waiting::default());
    let (serving, stands) = (workers.clone(), desk.clone());
    workers.once(async move {
        let mut listener = listener;
        let (clock, shutdown) = (Clock::system(), serving.shutdown());
        let attempts = Attempts::new(clock);
        while let Some(Some(arrival)) = unless(&shutdown, listener.accept()).await {
            let Arrival::Join(exchange) = arrival else {
                panic!("not a newcomer");
            };
            let (desk, attempts) = (stands.clone(), attempts.clone());
            serving.once(attend(exchange, desk, attempts, shutdown.clone()));
        }
        listener.close().await;
    });
    (address, workers, desk)
}

/// A newcomer that has said these bytes so far.
struct Newcomer {
    connection: quinn::Connection,
    says: quinn::SendStream,
    _hears: quinn::RecvStream,
    _endpoint: quinn::Endpoint,
}

async fn newcomer(to: SocketAddr, bytes: &[u8]) -> Newcomer {
    let own = InstanceIdentity::generate().expect("identity");
    let from = "127.0.0.1:0".parse().expect("address");
    let endpoint = quinn::Endpoint::client(from).expect("endpoint");
    let connection = within(begin(&endpoint, &own, to, ALPN_JOIN))
        .await
        .expect("connected");
    let (mut says, _hears) = connection.open_bi().await.expect("streams");
    says.write_all(bytes).await.expect("written");
    Newcomer {
        connection,
        says,
        _hears,
        _endpoint: endpoint,
    }
}

/// Length and bytes of a greeting.
fn greeting() -> Vec<u8> {
    let bytes = FromNewcomer::Greeting(VERSION).to_bytes();
    let mut frame = (bytes.len() as u32).to_be_bytes().to_vec();
    frame.extend(bytes);
    frame
}

#[tokio::test]
async fn a_newcomer_must_greet_in_time_however_much_it_sends() {
    let (address, _workers, desk) = serve_newcomers(impatient());
    // a first frame of 32 KiB that comes byte by byte
    let slow = newcomer(address, &[0, 0, 0x80, 0]).await;
    trickle(slow.says, &slow.connection).await;
    assert_eq!(desk.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn only_so_many_newcomers_of_an_address_are_served_at_a_time() {
    let (address, _workers, desk) = serve_newcomers(Settings::default());
    let mut all = Vec::new();
    for _ in 0..2 * EXCHANGES_MAX {
        all.push(newcomer(address, &greeting()).await);
    }
    let served = || desk.0.load(Ordering::Relaxed);
    assert!(until(AT_MOST, || served() == EXCHANGES_MAX).await);
    // who says nothing takes no turn, and who leaves gives his to the next
    let silent = newcomer(address, &greeting()[..5]).await;
    for left in all.drain(..2) {
        left.connection.close(VarInt::from_u32(0), b"");
    }
    assert!(until(AT_MOST, || served() == EXCHANGES_MAX + 2).await);
    drop(silent);
}

#[tokio::test]
async fn newcomers_in_the_middle_do_not_hold_up_a_stop() {
    let (address, workers, desk) = serve_newcomers(Settings::default());
    let _said_nothing = newcomer(address, &greeting()[..5]).await;
    let mut heard = Vec::new();
    for _ in 0..=EXCHANGES_MAX {
        heard.push(newcomer(address, &greeting()).await);
    }
    let served = || desk.0.load(Ordering::Relaxed) == EXCHANGES_MAX;
    assert!(until(AT_MOST, served).await);
    // by themselves they would stay for as long as an exchange may take
    assert_eq!(
        workers.stop(exchange::EXCHANGE_TIME_MAX / 2).await,
        Vec::<String>::new()
    );
}
