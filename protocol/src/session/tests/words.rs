//! What two parties say beside feed and wants arrives, newest word first, and no more often than is agreed.

use super::pair::{Pair, Task, Weather, everything, health, log_entry, reference};
use crate::frame::LogsEnd;
use crate::session::{HEALTH_PAUSE_MS, LOGS_PAUSE_MS};

fn fair(seed: u64) -> Pair {
    Pair::new(seed, Weather::fair(), [everything(), everything()])
}

/// Words about one seat, by when they were heard: the last is the last that was said, and they keep their distance.
fn check_words<T: Copy + PartialEq + std::fmt::Debug>(
    heard: &[(u64, T)],
    last: T,
    pause: u64,
    delay: u64,
) {
    assert_eq!(heard.last().map(|(_, word)| *word), Some(last), "{heard:?}");
    for pair in heard.windows(2) {
        let distance = pair[1].0 - pair[0].0;
        // the first may have been under way for long, the second not at all
        assert!(distance + delay >= pause, "{distance} ms apart: {heard:?}");
    }
}

#[test]
fn the_complete_list_of_logs_comes_first_however_long_it_is() {
    for logs in [0, 1, 250, 3_000] {
        let mut pair = fair(logs);
        for n in 0..logs {
            let mut entry = log_entry((n % 200) as u8, n);
            entry.lane = (n / 200) as u8;
            entry.header = vec![0; 700];
            pair.sides[0].logs.push(entry);
        }
        pair.run();
        pair.check_all_arrived();
        let heard = &pair.sides[1].heard;
        assert_eq!(heard.logs_end, Some(LogsEnd::Complete));
        let count: usize = heard.logs.values().map(Vec::len).sum();
        assert_eq!(count as u64, logs);
        assert_eq!(pair.sides[0].heard.logs_end, Some(LogsEnd::Complete));
    }
}

#[test]
fn news_of_a_log_are_said_at_once_and_then_every_ten_seconds() {
    for seed in 0..50 {
        let mut pair = fair(seed);
        let mut last = [0; 3];
        let mut now = 0;
        for n in 1..60u64 {
            now += pair.rng.below(2_000);
            let seat = pair.rng.below(3) as usize;
            last[seat] = n;
            pair.at(now, Task::LogNews(0, log_entry(seat as u8, n)));
        }
        pair.run();
        for (seat, words) in &pair.sides[1].heard.logs {
            let last = last[usize::from(seat.0[0])];
            check_words(words, last, LOGS_PAUSE_MS, pair.weather.delay);
        }
    }
}

#[test]
fn health_is_said_and_heard_once_a_second_and_seat() {
    for seed in 0..50 {
        let mut pair = fair(seed);
        let mut last = [0; 3];
        let mut now = 0;
        for n in 1..200i64 {
            now += pair.rng.below(150);
            let seat = pair.rng.below(3) as usize;
            last[seat] = n;
            pair.at(now, Task::Health(0, health(seat as u8, n)));
        }
        pair.run();
        for (seat, words) in &pair.sides[1].heard.health {
            let last = last[usize::from(seat.0[0])];
            check_words(words, last, HEALTH_PAUSE_MS, 0);
        }
        let words: usize = pair.sides[1].heard.health.values().map(Vec::len).sum();
        let at_most = 3 * (now / HEALTH_PAUSE_MS + 2);
        assert!(words as u64 <= at_most, "{words} words in {now} ms");
    }
}

#[test]
fn sides_whose_digests_differ_learn_what_the_other_holds() {
    for weather in [Weather::fair(), Weather::foul()] {
        for seed in 0..60 {
            let mut pair = Pair::new(seed, weather.clone(), [everything(), everything()]);
            let count = pair.rng.below(20);
            let held: Vec<_> = (1..=count as u8).map(reference).collect();
            pair.sides[0].statements = held.clone();
            pair.run();
            let heard = &pair.sides[1].heard.statements;
            // on a carrier that loses, the digest itself may be lost
            if weather.loss == 0 {
                assert_eq!(heard.is_some(), count > 0);
            }
            if let Some(heard) = heard {
                assert_eq!(*heard, held, "seed {seed}");
            }
        }
    }
}

/// Whatever the carrier does to them, words hurt nobody and everything else arrives.
#[test]
fn words_on_a_carrier_that_loses_hurt_nothing() {
    for seed in 0..60 {
        let mut pair = Pair::new(seed, Weather::foul(), [everything(), everything()]);
        for n in 1..40 {
            let now = pair.rng.below(20_000);
            let me = pair.rng.below(2) as usize;
            pair.at(now, Task::Health(me, health(n, 1)));
            pair.at(now, Task::LogNews(me, log_entry(n, 1)));
            pair.sides[me].logs.push(log_entry(n, 2));
        }
        pair.run();
        pair.check_all_arrived();
    }
}
