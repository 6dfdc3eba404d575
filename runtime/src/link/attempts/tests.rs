//! Limits of attempts, with time in the test's hands.

use std::sync::atomic::{AtomicUsize, Ordering};

use protocol::name::SeatId;
use protocol::sign::SigningKey;

use super::*;

fn origin(n: u32) -> Origin {
    Origin::V4(n.into())
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

/// A desk that knows one secret.
struct One(AtomicUsize);

impl Desk for One {
    async fn prove(&self, _: &[u8; 32]) -> Result<Proof, String> {
        Err("not asked".to_owned())
    }

    async fn judge(&self, _: Applicant, request: Request) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        if request.secret == [7; 10] {
            Answer::Pending("请等待".to_owned())
        } else {
            Answer::Refused {
                reason: "接入码无效".to_owned(),
                contact: String::new(),
            }
        }
    }
}

#[tokio::test]
async fn who_tries_too_many_secrets_is_not_heard_until_a_minute_has_passed() {
    let (clock, hand) = Clock::manual(0);
    let attempts = Attempts::new(clock);
    let desk = Arc::new(One(AtomicUsize::new(0)));
    let limited = LimitedDesk::new(desk.clone(), attempts);
    let ask = async |remote: &str, secret: u8| {
        let from = Applicant {
            remote: remote.parse().expect("address"),
            peer_key: [1; 32],
        };
        let request = Request {
            secret: [secret; 10],
            seat: SeatId::default(),
            key: SigningKey::from_seed(&[1; 32]).public(),
            title: String::new(),
            department: String::new(),
            types: Vec::new(),
        };
        match limited.judge(from, request).await {
            Answer::Refused { reason, .. } => reason,
            _ => String::new(),
        }
    };
    for port in 1..=WRONG_MAX {
        // waiting for approval is not a wrong secret
        assert_eq!(ask("10.0.0.1:1", 7).await, "");
        assert_eq!(ask(&format!("10.0.0.1:{port}"), 1).await, "接入码无效");
    }
    let judged = desk.0.load(Ordering::Relaxed);
    // nor is the right one heard now, for who guesses must not learn which it is
    for secret in [1, 7] {
        let told = ask("10.0.0.1:99", secret).await;
        assert!(told.contains("60 秒内已有 10 次"), "{told}");
    }
    assert_eq!(desk.0.load(Ordering::Relaxed), judged);
    assert_eq!(ask("10.0.0.2:1", 7).await, "");
    hand.advance(WRONG_WINDOW);
    assert_eq!(ask("10.0.0.1:1", 7).await, "");
}
