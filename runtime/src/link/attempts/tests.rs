//! Limits of attempts, with time in the test's hands.

use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::hash::Ref;
use protocol::name::SeatId;
use protocol::statement::SeatKind;

use super::*;

fn origin(n: u32) -> Origin {
    Origin::of(std::net::Ipv4Addr::from(n).into())
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_address_has_four_exchanges_at_a_time() {
    let mut table = Table::default();
    for _ in 0..EXCHANGES_MAX {
        assert!(table.begin(origin(1), at(0)));
    }
    assert!(!table.begin(origin(1), at(9_999)), "time frees none");
    assert!(table.begin(origin(2), at(0)), "others have their own");
    table.end(origin(1));
    assert!(table.begin(origin(1), at(0)));
    assert!(!table.begin(origin(1), at(0)));
}

#[test]
fn an_address_has_ten_wrong_secrets_a_minute() {
    let mut table = Table::default();
    for n in 0..WRONG_MAX as u64 {
        assert!(table.attempt(origin(1), at(n)));
    }
    assert!(!table.attempt(origin(1), at(59)));
    assert!(table.attempt(origin(2), at(59)), "others have their own");
    // the first is forgotten after a minute, and only the first
    assert!(table.attempt(origin(1), at(60)));
    assert!(!table.attempt(origin(1), at(60)));
    // what was not wrong does not count
    for _ in 0..100 {
        assert!(table.attempt(origin(3), at(0)));
        table.right(origin(3));
    }
}

#[test]
fn what_is_remembered_is_bounded_and_who_is_served_stays() {
    let mut table = Table::default();
    assert!(table.begin(origin(0), at(0)));
    for n in 1..3 * ORIGINS_MAX as u32 {
        assert!(table.attempt(origin(n), at(u64::from(n) / 1_000)));
        assert!(table.0.len() <= ORIGINS_MAX);
    }
    assert_eq!(table.0[&origin(0)].serving, 1);
    // who tried last is remembered, and a minute later nobody but who is served
    let last = 3 * ORIGINS_MAX as u32 - 1;
    assert_eq!(table.0[&origin(last)].wrong.len(), 1);
    assert!(table.attempt(origin(u32::MAX), at(1_000)));
    assert_eq!(table.0.len(), 2);
}

#[tokio::test]
async fn a_fifth_exchange_waits_for_its_turn() {
    let (clock, _hand) = Clock::manual(0);
    let attempts = Attempts::new(clock);
    let mut turns = Vec::new();
    for _ in 0..EXCHANGES_MAX {
        turns.push(attempts.turn(origin(1)).await);
    }
    let waiting = attempts.clone();
    let fifth = tokio::spawn(async move { waiting.turn(origin(1)).await });
    tokio::task::yield_now().await;
    assert!(!fifth.is_finished());
    turns.pop();
    drop(fifth.await.expect("its turn"));
    drop(turns);
    assert_eq!(attempts.lock().0[&origin(1)].serving, 0);
}

/// A desk that knows one secret; of others the first byte says why they are refused.
struct One(AtomicUsize);

const KNOWN: u8 = 200;

fn offer() -> Offer {
    Offer {
        seat: SeatId([1; 16]),
        kind: SeatKind::Department,
        organisation: "370102.scjg".to_owned(),
        title: "登记库".to_owned(),
        jurisdiction: "370102".to_owned(),
        node: SeatId([2; 16]),
        former: Ref::ZERO,
    }
}

impl Desk for One {
    async fn prove(&self, _: &[u8; 32]) -> Result<Proof, String> {
        Err("not asked".to_owned())
    }

    async fn offer(&self, _: Applicant, ask: Ask) -> Result<Offer, Refused> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match ask.secret[0] {
            KNOWN => Ok(offer()),
            code => Err(refusal(code, "不予受理")),
        }
    }

    async fn judge(&self, _: Applicant, _: Offer, _: Request) -> Answer {
        Answer::Refused(refusal(refused::UNKNOWN, "不予受理"))
    }
}

struct World {
    desk: Arc<One>,
    limited: LimitedDesk<One>,
    hand: crate::door::ManualHand,
}

impl World {
    fn new() -> Self {
        let (clock, hand) = Clock::manual(0);
        let desk = Arc::new(One(AtomicUsize::new(0)));
        Self {
            limited: LimitedDesk::new(desk.clone(), Attempts::new(clock)),
            desk,
            hand,
        }
    }

    fn from(remote: &str) -> Applicant {
        Applicant {
            remote: remote.parse().expect("address"),
            peer_key: [1; 32],
            exporter: [2; 32],
        }
    }

    /// The refusal of a secret that begins with this byte; `None` if it is good.
    async fn ask(&self, remote: &str, secret: u8) -> Option<Refused> {
        let ask = Ask {
            secret: [secret; 10],
            kind: SeatKind::Department as u8,
        };
        self.limited.offer(Self::from(remote), ask).await.err()
    }

    #[track_caller]
    fn check(refusal: Option<Refused>, expected: Option<u8>) {
        assert_eq!(refusal.map(|r| r.code), expected);
    }
}

#[tokio::test]
async fn who_tries_too_many_secrets_is_not_heard_until_a_minute_has_passed() {
    let world = World::new();
    for port in 1..=WRONG_MAX {
        // a right secret does not count, however often it is asked about
        World::check(world.ask("10.0.0.1:1", KNOWN).await, None);
        let from = format!("10.0.0.1:{port}");
        let wrong = world.ask(&from, refused::UNKNOWN).await;
        World::check(wrong, Some(refused::UNKNOWN));
    }
    let judged = world.desk.0.load(Ordering::Relaxed);
    // nor is the right one heard now, for who guesses must not learn which it is
    for secret in [refused::UNKNOWN, KNOWN] {
        let told = world.ask("10.0.0.1:99", secret).await.expect("refused");
        assert_eq!(told.code, refused::TOO_MANY);
        assert!(told.reason.contains("60 秒内已有 10 次"), "{}", told.reason);
    }
    assert_eq!(world.desk.0.load(Ordering::Relaxed), judged);
    World::check(world.ask("10.0.0.2:1", KNOWN).await, None);
    world.hand.advance(WRONG_WINDOW);
    World::check(world.ask("10.0.0.1:1", KNOWN).await, None);
}

#[tokio::test]
async fn only_a_secret_that_nobody_has_issued_counts_as_wrong() {
    let world = World::new();
    for code in [
        refused::EXPIRED,
        refused::ANOTHER_KEY,
        refused::KIND,
        refused::PROOF,
        refused::BY_PERSON,
        refused::REVOKED,
        77,
    ] {
        for _ in 0..2 * WRONG_MAX {
            World::check(world.ask("10.0.0.1:1", code).await, Some(code));
        }
    }
    // nor does what becomes of a request, whose secret was asked about before
    for _ in 0..2 * WRONG_MAX {
        let request = Request {
            secret: [9; 10],
            seat: SeatId([1; 16]),
            keys: protocol::sign::Keys::of(
                protocol::sign::SigningKey::from_seed(&[1; 32]).public(),
                None,
            ),
            possession: Default::default(),
            presence: Default::default(),
            consent: Default::default(),
            title: String::new(),
            types: Vec::new(),
        };
        let from = World::from("10.0.0.1:1");
        let answer = world.limited.judge(from, offer(), request).await;
        assert!(matches!(answer, Answer::Refused(r) if r.code == refused::UNKNOWN));
    }
    World::check(world.ask("10.0.0.1:1", KNOWN).await, None);
}

#[tokio::test]
async fn secrets_that_are_tried_at_the_same_time_count_before_they_are_judged() {
    /// Judges nothing before all have come.
    struct Slow(tokio::sync::Semaphore, AtomicUsize);

    impl Desk for Slow {
        async fn prove(&self, _: &[u8; 32]) -> Result<Proof, String> {
            Err("not asked".to_owned())
        }

        async fn offer(&self, _: Applicant, _: Ask) -> Result<Offer, Refused> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let _turn = self.0.acquire().await.expect("open");
            Err(refusal(refused::UNKNOWN, "接入码无效"))
        }

        async fn judge(&self, _: Applicant, _: Offer, _: Request) -> Answer {
            Answer::Refused(refusal(refused::UNKNOWN, "接入码无效"))
        }
    }

    let (clock, _hand) = Clock::manual(0);
    let attempts = Attempts::new(clock);
    let desk = Arc::new(Slow(tokio::sync::Semaphore::new(0), AtomicUsize::new(0)));
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..5 * WRONG_MAX {
        let limited = LimitedDesk::new(desk.clone(), attempts.clone());
        asks.spawn(async move {
            let ask = Ask {
                secret: [1; 10],
                kind: SeatKind::Department as u8,
            };
            let refused = limited.offer(World::from("10.0.0.1:1"), ask).await;
            refused.err().map(|r| r.code)
        });
    }
    for _ in 0..4 * WRONG_MAX {
        let first = asks.join_next().await.expect("some").expect("no panic");
        assert_eq!(first, Some(refused::TOO_MANY));
    }
    desk.0.add_permits(1);
    for _ in 0..WRONG_MAX {
        let judged = asks.join_next().await.expect("some").expect("no panic");
        assert_eq!(judged, Some(refused::UNKNOWN));
    }
    assert_eq!(desk.1.load(Ordering::Relaxed), WRONG_MAX);
}
