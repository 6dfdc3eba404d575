//! Whatever the weather: everything arrives once, in order, behind its directory, within the window.

use super::pair::{Entry, Pair, Start, Task, Weather, everything};
use crate::frame::Interest;

/// What the two sides go through.
#[derive(Debug, Clone)]
struct Course {
    weather: Weather,
    /// Items that each side takes into its feed at most.
    items: u64,
    /// Bytes of an item at most.
    size: u64,
    /// Ends of a process at most, and how it may start again.
    restarts: (u64, &'static [Start]),
    /// Side 1 wants two regions only.
    filtered: bool,
    /// Side 1 changes its mind so often at most.
    changes: u32,
    /// Of a hundred items so many are refused for their bytes.
    poison: u64,
    /// Wants of each side at most.
    wants: u64,
}

impl Course {
    fn over(weather: Weather) -> Self {
        Self {
            weather,
            items: 40,
            size: 1_500,
            restarts: (0, &[Start::Same]),
            filtered: false,
            changes: 0,
            poison: 0,
            wants: 0,
        }
    }
}

fn check(seeds: u64, course: &Course) {
    for seed in 0..seeds {
        let filtered = Interest {
            regions: vec!["1".into(), "3".into()],
            version: 1,
            ..Interest::default()
        };
        let second = if course.filtered {
            filtered
        } else {
            everything()
        };
        let mut pair = Pair::new(seed, course.weather.clone(), [everything(), second]);
        for me in 0..2 {
            for _ in 0..pair.rng.below(course.items + 1) {
                let class = [0, 1, 1, 2, 2, 2][pair.rng.below(6) as usize];
                let size = pair.rng.below(course.size) as usize;
                let entry = Entry {
                    region: pair.rng.below(5) as u8,
                    poison: pair.rng.chance(course.poison),
                    ..Entry::new(class, size)
                };
                // in bursts, some of them before the greeting
                let when = pair.rng.below(8) * 170;
                pair.at(when, Task::Append(me, entry));
            }
            for id in 0..pair.rng.below(course.wants + 1) {
                let when = pair.rng.below(1_000);
                pair.at(when, Task::Want(me, id));
            }
        }
        let (restarts, starts) = course.restarts;
        for _ in 0..pair.rng.below(restarts + 1) {
            let when = pair.rng.below(2_500);
            let me = pair.rng.below(2) as usize;
            let start = starts[pair.rng.below(starts.len() as u64) as usize];
            pair.at(when, Task::Restart(me, start));
        }
        let mut when = 0;
        for version in 2..2 + course.changes {
            when += pair.rng.below(500);
            let regions = (0..5).filter(|_| pair.rng.chance(50));
            let interest = Interest {
                version,
                regions: regions
                    .collect::<Vec<u8>>()
                    .iter()
                    .map(u8::to_string)
                    .collect(),
                ..Interest::default()
            };
            pair.at(when, Task::Interest(1, interest));
        }
        pair.run();
        pair.check_all_arrived();
    }
}

#[test]
fn over_a_carrier_that_loses_nothing() {
    check(300, &Course::over(Weather::fair()));
}

#[test]
fn over_a_carrier_that_loses_repeats_and_reorders() {
    check(300, &Course::over(Weather::foul()));
}

#[test]
fn over_a_carrier_that_loses_most() {
    let weather = Weather {
        loss: 60,
        twice: 40,
        ..Weather::foul()
    };
    check(
        100,
        &Course {
            items: 12,
            ..Course::over(weather)
        },
    );
}

#[test]
fn when_patience_is_shorter_than_the_way() {
    let weather = Weather {
        delay: 400,
        retransmit: Some(50),
        ..Weather::foul()
    };
    check(
        100,
        &Course {
            items: 15,
            ..Course::over(weather)
        },
    );
}

#[test]
fn through_restarts() {
    for weather in [Weather::fair(), Weather::foul()] {
        let course = Course {
            restarts: (5, &[Start::Same]),
            wants: 5,
            ..Course::over(weather)
        };
        check(200, &course);
    }
}

#[test]
fn through_restarts_with_another_feed() {
    for weather in [Weather::fair(), Weather::foul()] {
        let course = Course {
            restarts: (5, &[Start::Same, Start::Renewed]),
            ..Course::over(weather)
        };
        check(200, &course);
    }
}

/// A store that was put back without knowing it: what the other side has of it is found to be of another life, and everything
/// comes again.
#[test]
fn of_a_feed_that_was_put_back() {
    for weather in [Weather::fair(), Weather::foul()] {
        let course = Course {
            restarts: (4, &[Start::PutBack, Start::Same]),
            ..Course::over(weather)
        };
        check(300, &course);
    }
}

/// Every step says by which interest it was chosen; none is chosen by an older one than the step before it.
#[test]
fn of_a_feed_whose_reader_changes_its_mind() {
    for weather in [Weather::fair(), Weather::foul()] {
        let course = Course {
            filtered: true,
            changes: 6,
            items: 80,
            restarts: (1, &[Start::Same]),
            ..Course::over(weather)
        };
        check(300, &course);
    }
}

/// One bad item stops nothing but itself: it is refused once, and left out from then on.
#[test]
fn of_a_feed_with_items_that_are_refused() {
    for weather in [Weather::fair(), Weather::foul()] {
        let course = Course {
            poison: 10,
            ..Course::over(weather)
        };
        check(150, &course);
    }
}

#[test]
fn of_a_filtered_feed() {
    for weather in [Weather::fair(), Weather::foul()] {
        let course = Course {
            filtered: true,
            items: 80,
            restarts: (2, &[Start::Same, Start::Renewed]),
            ..Course::over(weather)
        };
        check(200, &course);
    }
}

#[test]
fn to_a_slow_receiver() {
    for weather in [Weather::fair(), Weather::foul()] {
        let weather = Weather {
            store: 1_500,
            window: 2_000,
            ..weather
        };
        check(
            150,
            &Course {
                items: 60,
                ..Course::over(weather)
            },
        );
    }
}

#[test]
fn with_items_larger_than_the_window() {
    for weather in [Weather::fair(), Weather::foul()] {
        let weather = Weather {
            window: 500,
            ..weather
        };
        check(
            150,
            &Course {
                items: 25,
                ..Course::over(weather)
            },
        );
    }
}

#[test]
fn with_a_window_that_steps_without_items_fill() {
    for weather in [Weather::fair(), Weather::foul()] {
        let weather = Weather {
            window: 300,
            store: 400,
            ..weather
        };
        let course = Course {
            size: 60,
            items: 80,
            filtered: true,
            ..Course::over(weather)
        };
        check(200, &course);
    }
}

#[test]
fn of_wants_page_by_page() {
    for weather in [Weather::fair(), Weather::foul()] {
        let course = Course {
            items: 5,
            wants: 30,
            restarts: (2, &[Start::Same]),
            ..Course::over(weather)
        };
        check(200, &course);
    }
}

#[test]
fn of_more_wants_than_may_be_open() {
    for weather in [Weather::fair(), Weather::foul()] {
        let weather = Weather {
            read: 600,
            ..weather
        };
        check(
            60,
            &Course {
                items: 3,
                wants: 200,
                ..Course::over(weather)
            },
        );
    }
}

#[test]
fn of_receipts() {
    for seed in 0..200 {
        let mut pair = Pair::new(seed, Weather::fair(), [everything(), everything()]);
        let mut expected = Vec::new();
        for n in 0..1 + pair.rng.below(6) {
            let count = pair.rng.below(600);
            let receipts: Vec<_> = (0..count).map(|i| vec![1, 10, n as u8, i as u8]).collect();
            expected.extend(receipts.clone());
            // the first are there before the greeting
            pair.at(n * 40, Task::Receipts(0, receipts));
        }
        pair.run();
        pair.check_all_arrived();
        assert_eq!(pair.sides[1].receipts, expected, "seed {seed}");
    }
}
