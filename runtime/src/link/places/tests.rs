//! Pools of places, without connections: who gets one and who loses one.

use super::*;

const BOUNDS: Bounds = Bounds {
    places: 6,
    share: 3,
};

/// Lets holders enter one after the other; a digit of `expected` is the ticket lost at that step, `.` none.
fn check(enters: &str, expected: &str) {
    let mut pool = Pool::new(BOUNDS);
    let mut got = String::new();
    for (ticket, who) in (1..).zip(enters.chars()) {
        match pool.enter(ticket, who, ticket) {
            Some(lost) => got += &lost.to_string(),
            None => got.push('.'),
        }
        assert!(pool.held.len() <= BOUNDS.places);
        assert!(pool.held.contains_key(&ticket), "the newest always gets in");
        let own = pool.held.values().filter(|(holder, _)| *holder == who);
        assert!(own.count() <= BOUNDS.share);
    }
    assert_eq!(got, expected, "{enters}");
}

#[test]
fn who_holds_its_share_displaces_only_itself() {
    check("aaaaaa", "...123");
    check("abaabaab", ".....13.");
}

#[test]
fn in_a_full_pool_whoever_holds_most_loses_its_oldest() {
    // full with three of each of two: the newcomer takes from the one that came first
    check("aaabbbc", "......1");
    // then the other holds most
    check("aaabbbcd", "......14");
    // all hold one: the oldest goes
    check("abcdefg", "......1");
    // one who holds a single place is safe while another holds more
    check("zaaabbcdb", "......235");
}

#[test]
fn a_flood_from_some_addresses_never_displaces_another_one() {
    let mut pool = Pool::new(BOUNDS);
    pool.enter(0, 'k', "kept");
    for ticket in 1..10_000 {
        let who = if ticket % 3 == 0 { 'a' } else { 'b' };
        assert_ne!(pool.enter(ticket, who, "flood"), Some("kept"));
    }
    assert!(pool.leave(0).is_some());
}

#[test]
fn a_place_that_is_lost_is_told_and_moving_on_does_not_bring_it_back() {
    let bounds = Bounds {
        places: 2,
        share: 1,
    };
    let places = Places::new([bounds; KINDS]);
    let origin = |n: u8| Holder::Origin(Origin::of([10, 0, 0, n].into()));
    let mut first = places.enter(Kind::Handshake, origin(1));
    let second = places.enter(Kind::Handshake, origin(1));
    assert!(first.lost().is_cancelled() && !second.lost().is_cancelled());
    first.move_to(Kind::Session, origin(1));
    let third = places.enter(Kind::Session, origin(2));
    let fourth = places.enter(Kind::Session, origin(3));
    assert!(!third.lost().is_cancelled() && !fourth.lost().is_cancelled());
    drop(second);
    assert!(places.lock().pools.iter().all(|p| p.held.len() <= 2));
    drop((first, third, fourth));
    assert!(places.lock().pools.iter().all(|p| p.held.is_empty()));
}

#[test]
fn pools_do_not_take_from_each_other() {
    let bounds = Bounds {
        places: 2,
        share: 2,
    };
    let places = Places::new([bounds; KINDS]);
    let holder = Holder::Origin(Origin::of([10, 0, 0, 1].into()));
    let mut member = places.enter(Kind::Handshake, holder);
    member.move_to(Kind::KnownKey, Holder::Key([1; 32]));
    let mut held = Vec::new();
    for kind in [Kind::Handshake, Kind::Join, Kind::Session] {
        for _ in 0..100 {
            held.push(places.enter(kind, holder));
        }
    }
    assert!(!member.lost().is_cancelled());
    assert!(places.is_pressed(Kind::Join) && !places.is_pressed(Kind::KnownKey));
}

#[test]
fn shares_go_by_address_or_by_the_prefix_of_a_subscriber() {
    let same = |a: &str, b: &str| {
        let of = |text: &str| Origin::of(text.parse().expect("address"));
        of(a) == of(b)
    };
    assert!(!same("10.0.0.1", "10.0.0.2"));
    assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
    assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
    assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
}

#[test]
fn known_keys_are_bounded_and_the_ones_in_use_stay() {
    let known = KnownKeys::new();
    let key = |n: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    };
    let origin = Origin::of([10, 0, 0, 1].into());
    known.extend([key(0), key(1)]);
    for n in 2..KNOWN_MAX + 2 {
        known.note(key(0), origin);
        known.extend([key(n)]);
    }
    assert!(known.knows(&key(0)) && !known.knows(&key(1)));
    assert_eq!(known.lock().keys.seen.len(), KNOWN_MAX);
    assert!(known.knows_origin(&origin));
    known.forget(&key(0));
    assert!(!known.knows(&key(0)));
}
