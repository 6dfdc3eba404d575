//! The door: the only file that touches the operating system's clock and its randomness.
//!
//! Everything else takes a [`Clock`] or an instant as an argument. Timers (sleeping, time limits) belong to tokio and are
//! used where they are needed; what they measure is never stored or compared with anything.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};

/// The time of a process. Cheap to clone; all clones show the same time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { offset_us: i64 },
    Manual(Arc<Hand>),
}

struct Hand {
    first_us: i64,
    now_us: AtomicI64,
}

impl Clock {
    /// The operating system's clock.
    pub fn system() -> Self {
        started();
        Self(Source::System { offset_us: 0 })
    }

    /// The operating system's clock, set off by `offset_us`. Only a configuration that carries the test marker can have
    /// one (D47); whoever shows pages shows [`Clock::offset_us`] in red.
    pub fn offset(offset_us: i64, _permission: TestMarker) -> Self {
        started();
        Self(Source::System { offset_us })
    }

    /// A clock that stands still until its hand is moved, for tests.
    pub fn manual(now_us: i64) -> (Self, ManualHand) {
        let hand = Arc::new(Hand {
            first_us: now_us,
            now_us: AtomicI64::new(now_us),
        });
        (Self(Source::Manual(hand.clone())), ManualHand(hand))
    }

    /// Microseconds since 1970, UTC.
    pub fn now_us(&self) -> i64 {
        match &self.0 {
            Source::System { offset_us } => {
                let since = match SystemTime::now().duration_since(UNIX_EPOCH) {
                    Ok(after) => micros(after),
                    Err(before) => -micros(before.duration()),
                };
                since.saturating_add(*offset_us)
            }
            Source::Manual(hand) => hand.now_us.load(Ordering::Relaxed),
        }
    }

    /// Milliseconds since 1970, UTC; zero for a clock that stands before 1970.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.now_us() / 1_000).unwrap_or(0)
    }

    /// Time since the process first made a clock. Never goes back, whatever happens to the wall clock.
    pub fn since_start(&self) -> Duration {
        match &self.0 {
            Source::System { .. } => started().elapsed(),
            Source::Manual(hand) => {
                let passed = hand.now_us.load(Ordering::Relaxed) - hand.first_us;
                Duration::from_micros(u64::try_from(passed).unwrap_or(0))
            }
        }
    }

    /// By how much this clock is set off for a test; zero in ordinary operation.
    pub fn offset_us(&self) -> i64 {
        match &self.0 {
            Source::System { offset_us } => *offset_us,
            Source::Manual(_) => 0,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_us())
    }
}

/// The hand of a [`Clock::manual`].
#[derive(Clone)]
pub struct ManualHand(Arc<Hand>);

impl ManualHand {
    /// Moves time on.
    pub fn advance(&self, by: Duration) {
        self.0.now_us.fetch_add(micros(by), Ordering::Relaxed);
    }

    /// Sets the time, backwards too.
    pub fn set(&self, now_us: i64) {
        self.0.now_us.store(now_us, Ordering::Relaxed);
    }
}

/// Proof that a configuration declares itself a test installation.
#[derive(Debug, Clone, Copy)]
pub struct TestMarker(());

impl TestMarker {
    /// What the setting `test_marker` must say, letter by letter.
    pub const TEXT: &str = "这是测试环境";

    /// The permission, if the setting says so.
    pub fn from_setting(setting: Option<&str>) -> Option<Self> {
        (setting == Some(Self::TEXT)).then_some(Self(()))
    }
}

/// Random bytes from the operating system, fit for keys.
pub fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    SystemRandom::new()
        .fill(&mut out)
        .expect("the operating system has randomness; without it nothing here is safe to run");
    out
}

/// A random number, for jitter and for picking.
pub fn random_u64() -> u64 {
    u64::from_be_bytes(random())
}

fn started() -> Instant {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    *STARTED.get_or_init(Instant::now)
}

fn micros(d: Duration) -> i64 {
    i64::try_from(d.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let (clock, hand) = Clock::manual(1_000_000);
        let same = clock.clone();
        hand.advance(Duration::from_millis(2));
        assert_eq!(same.now_us(), 1_002_000);
        assert_eq!(same.now_ms(), 1_002);
        assert_eq!(same.since_start(), Duration::from_millis(2));
        hand.set(0);
        assert_eq!(clock.since_start(), Duration::ZERO);
    }

    #[test]
    fn an_offset_needs_the_marker() {
        assert!(TestMarker::from_setting(None).is_none());
        assert!(TestMarker::from_setting(Some("true")).is_none());
        let marker = TestMarker::from_setting(Some(TestMarker::TEXT)).expect("the marker");
        let year_us = 365 * 86_400 * 1_000_000;
        let clock = Clock::offset(year_us, marker);
        assert!(clock.now_us() > Clock::system().now_us() + year_us / 2);
        assert_eq!(clock.offset_us(), year_us);
    }

    #[test]
    fn randomness_differs() {
        assert_ne!(random::<16>(), random::<16>());
    }
}
