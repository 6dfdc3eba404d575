//! How often somebody may try to sign in: a few attempts at once per account and address, then one a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Attempts at once.
const BURST: f64 = 5.0;
/// After that one attempt in this time.
const REFILL_US: f64 = 60_000_000.0;
/// Pairs remembered; beyond that those that are full again are forgotten, then everybody waits together.
const PAIRS_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at_us: i64,
}

/// Attempts so far.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<(String, IpAddr), Bucket>>);

impl Attempts {
    /// Takes one attempt. If there is none left, says after how many seconds there will be.
    pub(crate) fn take(&self, account: &str, address: IpAddr, now_us: i64) -> Result<(), u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= PAIRS_MAX {
            all.retain(|_, bucket| filled(*bucket, now_us) < BURST);
        }
        let full = all.len() >= PAIRS_MAX;
        let key = if full {
            String::new()
        } else {
            account.to_owned()
        };
        let bucket = all.entry((key, address)).or_insert(Bucket {
            left: BURST,
            at_us: now_us,
        });
        let left = filled(*bucket, now_us);
        if left < 1.0 {
            return Err(((1.0 - left) * REFILL_US / 1_000_000.0).ceil() as u64);
        }
        *bucket = Bucket {
            left: left - 1.0,
            at_us: now_us,
        };
        Ok(())
    }

    /// Forgets the attempts of somebody who has signed in.
    pub(crate) fn forget(&self, account: &str, address: IpAddr) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(account.to_owned(), address));
    }
}

fn filled(bucket: Bucket, now_us: i64) -> f64 {
    let passed = now_us.saturating_sub(bucket.at_us).max(0) as f64;
    (bucket.left + passed / REFILL_US).min(BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_at_once_then_one_a_minute() {
        let attempts = Attempts::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..5 {
            assert_eq!(attempts.take("w", here, 0), Ok(()));
        }
        assert_eq!(attempts.take("w", here, 0), Err(60));
        assert_eq!(attempts.take("other", here, 0), Ok(()));
        assert_eq!(attempts.take("w", IpAddr::from([127, 0, 0, 2]), 0), Ok(()));
        assert_eq!(attempts.take("w", here, 61_000_000), Ok(()));
        assert!(attempts.take("w", here, 61_000_000).is_err());
        attempts.forget("w", here);
        assert_eq!(attempts.take("w", here, 61_000_000), Ok(()));
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let attempts = Attempts::default();
        let here = IpAddr::from([127, 0, 0, 1]);
        for n in 0..PAIRS_MAX + 5 {
            let _ = attempts.take(&n.to_string(), here, 0);
        }
        assert!(attempts.take("anybody", here, 0).is_err());
    }
}
