//! Receipts and feed heads: whose word counts, and which replaces which. And who owes which log.

use protocol::envelope::{Envelope, kind};
use protocol::feed_head::{self, FeedHead};
use protocol::hash::Ref;
use protocol::name::{FeedId, Incarnation, LogName, Position, SeatId};
use protocol::opening::Closed;
use protocol::receipt::{self, Receipt, ReceiptFault};
use protocol::sign::Keys;
use protocol::words::{is_there, owes_in_full};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER, OTHER_KEY,
    World, at, city_world, cosign, issue, key, open, reference, revocation, revoke, stray,
};

fn receipt(world: &World, holder: SeatId, identity: &Envelope) -> Receipt {
    Receipt {
        holder,
        identity: reference(identity),
        incarnation: Incarnation {
            counter: 1,
            feed: FeedId([1; 16]),
        },
        log: world.log(reference(&world.opening)),
        durable: at(9),
        attached: at(7),
        safeguarded: at(5),
        at: 0,
    }
}

#[test]
fn receipts_come_from_nodes_that_owe_the_log() {
    let mut world = city_world();
    // the district has an epoch, too
    let own = protocol::statement::EpochOpening {
        seat: DISTRICT,
        ..crate::world::opening(1, reference(&world.district))
    };
    let own = open(&own, DISTRICT_KEY);
    world.take(&own);
    let check = |what: &str, receipt: &Receipt, signer: u8, expected: Result<(), ReceiptFault>| {
        let verified = receipt::verify(&world.directory, &receipt.sign(&key(signer)));
        if let Ok(verified) = &verified {
            assert_eq!(verified.receipt(), receipt);
            assert_eq!(verified.envelope(), &receipt.sign(&key(signer)));
        }
        assert_eq!(verified.map(|_| ()), expected, "{what}");
    };
    let of_city = receipt(&world, CITY, &world.city);
    let of_district = receipt(&world, DISTRICT, &world.district);
    check("of the city", &of_city, CITY_KEY, Ok(()));
    check("of its node", &of_district, DISTRICT_KEY, Ok(()));
    let not = |holder, origin| Err(ReceiptFault::NotAHolder(holder, origin));
    let of_other = receipt(&world, OTHER, &world.other);
    check(
        "of another district",
        &of_other,
        OTHER_KEY,
        not(OTHER, BUREAU),
    );
    let of_itself = receipt(&world, BUREAU, &world.bureau);
    check(
        "of a bureau itself",
        &of_itself,
        BUREAU_KEY,
        not(BUREAU, BUREAU),
    );
    let own_log = LogName {
        seat: DISTRICT,
        opening: reference(&own),
        ..of_city.log
    };
    let of_own = Receipt {
        log: own_log,
        ..of_district.clone()
    };
    check("of a node about itself", &of_own, DISTRICT_KEY, Ok(()));
    let of_others = Receipt {
        log: own_log,
        ..of_other
    };
    check(
        "of a node about another",
        &of_others,
        OTHER_KEY,
        not(OTHER, DISTRICT),
    );
    let bad = || Err(ReceiptFault::BadSignature);
    check("signed by another", &of_city, DISTRICT_KEY, bad());
    let under_another = Receipt {
        holder: CITY,
        ..of_district.clone()
    };
    check(
        "under another's identity",
        &under_another,
        DISTRICT_KEY,
        bad(),
    );
    let unknown = Receipt {
        identity: stray(1),
        ..of_city.clone()
    };
    check(
        "under an identity that is not known",
        &unknown,
        CITY_KEY,
        Err(ReceiptFault::UnknownIdentity(stray(1))),
    );
    let of_epoch = |opening: Ref| Receipt {
        log: LogName {
            opening,
            ..of_city.log
        },
        ..of_city.clone()
    };
    let no_epoch = |opening| Err(ReceiptFault::UnknownOpening(opening));
    check(
        "of no epoch",
        &of_epoch(stray(2)),
        CITY_KEY,
        no_epoch(stray(2)),
    );
    let others = reference(&own);
    check(
        "of another's epoch",
        &of_epoch(others),
        CITY_KEY,
        no_epoch(others),
    );
}

/// What must be refused before the bytes are believed.
#[test]
fn a_receipt_of_another_kind_format_or_suite_is_not_read() {
    let world = city_world();
    let good = receipt(&world, CITY, &world.city).sign(&key(CITY_KEY));
    let verify = |envelope: &Envelope| receipt::verify(&world.directory, envelope).map(|_| ());
    assert_eq!(verify(&good), Ok(()));
    let edited = |edit: fn(&mut Envelope)| {
        let mut envelope = good.clone();
        edit(&mut envelope);
        verify(&envelope)
    };
    assert!(matches!(
        edited(|e| e.kind = kind::FEED_HEAD),
        Err(ReceiptFault::Malformed(_))
    ));
    assert_eq!(edited(|e| e.format = 2), Err(ReceiptFault::Unread));
    assert_eq!(edited(|e| e.name_suite = 2), Err(ReceiptFault::Unread));
    assert!(matches!(
        edited(|e| e.bytes.push(0)),
        Err(ReceiptFault::Malformed(_))
    ));
    // what is not required is not passed on
    let mut more = good.clone();
    cosign(&mut more, 1);
    let verified = receipt::verify(&world.directory, &more).expect("still good");
    assert_eq!(verified.envelope(), &good);
}

#[test]
fn a_receipt_counts_while_its_serial_is_not_called_back() {
    let mut world = city_world();
    let of_district = receipt(&world, DISTRICT, &world.district).sign(&key(DISTRICT_KEY));
    let verify = |world: &World| receipt::verify(&world.directory, &of_district).map(|_| ());
    assert_eq!(verify(&world), Ok(()));
    let rekeyed = world.rekeyed(&world.district, NEW_KEY, Some(DISTRICT_KEY));
    world.take(&issue(&rekeyed, &[CITY_KEY]));
    assert_eq!(verify(&world), Ok(()), "a rotation voids nothing");
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    world.take(&revoke(&called_back, &[CITY_KEY]));
    assert_eq!(verify(&world), Err(ReceiptFault::Revoked(DISTRICT)));
    // and of a node that was never rightly admitted
    let mut world = city_world();
    let of_city = revocation(CITY, 1, world.authority());
    world.take(&revoke(&of_city, &crate::world::ROOT[..2]));
    assert_eq!(verify(&world), Err(ReceiptFault::Revoked(DISTRICT)));
}

fn replaces(edit: fn(&mut Receipt), by_holder: bool, void: &[Position]) -> bool {
    let world = city_world();
    let stored = receipt(&world, CITY, &world.city);
    let mut new = stored.clone();
    edit(&mut new);
    new.replaces(&stored, by_holder, |log, position| {
        assert_eq!(*log, stored.log);
        assert_ne!(*position, Position::START);
        void.contains(position)
    })
}

#[test]
fn which_receipt_replaces_which() {
    #[track_caller]
    fn check(what: &str, edit: fn(&mut Receipt), expected: bool) {
        assert_eq!(replaces(edit, false, &[]), expected, "{what}");
    }
    check("the same", |_| {}, false);
    check("the same later", |r| r.at = i64::MAX, false);
    check("more durable", |r| r.durable = at(10), true);
    check("more attached", |r| r.attached = at(8), true);
    check("more safeguarded", |r| r.safeguarded = at(6), true);
    check("less durable", |r| r.durable = at(8), false);
    let mixed: fn(&mut Receipt) = |r| {
        r.durable = at(10);
        r.safeguarded = at(4);
    };
    check("more and less", mixed, false);
    check(
        "a later life with less",
        |r| {
            r.incarnation.counter = 2;
            r.durable = Position::START;
        },
        true,
    );
    check(
        "an earlier life with more",
        |r| {
            r.incarnation.counter = 0;
            r.durable = at(10);
        },
        false,
    );
    let twin: fn(&mut Receipt) = |r| {
        r.incarnation.feed = FeedId([2; 16]);
        r.durable = at(10);
    };
    check("another life of one counter, relayed", twin, false);
    assert!(replaces(twin, true, &[]), "from the holder itself");
    let earlier: fn(&mut Receipt) = |r| r.incarnation.counter = 0;
    assert!(
        !replaces(earlier, true, &[]),
        "an earlier life even from itself"
    );
    check(
        "of another log",
        |r| {
            r.log.seat = NOBODY;
            r.incarnation.counter = 2;
        },
        false,
    );
    check(
        "of another holder",
        |r| {
            r.holder = DISTRICT;
            r.incarnation.counter = 2;
        },
        false,
    );
}

#[test]
fn a_void_receipt_is_replaced_whatever_its_positions() {
    let less: fn(&mut Receipt) = |r| {
        (r.durable, r.attached, r.safeguarded) = (at(4), at(4), Position::START);
    };
    assert!(!replaces(less, false, &[]));
    assert!(replaces(less, false, &[at(9)]), "its durable header");
    assert!(replaces(less, false, &[at(5)]), "its safeguarded header");
    assert!(!replaces(less, false, &[at(9), at(4)]), "void itself");
    let more: fn(&mut Receipt) = |r| r.durable = at(10);
    assert!(
        !replaces(more, false, &[at(10)]),
        "a void header replaces nothing"
    );
    let earlier: fn(&mut Receipt) = |r| r.incarnation.counter = 0;
    assert!(
        !replaces(earlier, false, &[at(9)]),
        "nor does an earlier life"
    );
}

#[test]
fn feed_heads_are_their_nodes_word() {
    let mut world = city_world();
    let head = FeedHead {
        node: DISTRICT,
        identity: reference(&world.district),
        incarnation: Incarnation {
            counter: 3,
            feed: FeedId([1; 16]),
        },
        head: 70,
        peer: CITY,
        at: 0,
    };
    let verify = |world: &World, envelope: &Envelope| {
        feed_head::verify(&world.directory, envelope).map(|verified| {
            assert_eq!(verified.envelope(), envelope);
            verified.head().clone()
        })
    };
    let good = head.sign(&key(DISTRICT_KEY));
    assert_eq!(verify(&world, &good), Ok(head.clone()));
    let by_other = head.sign(&key(OTHER_KEY));
    assert_eq!(verify(&world, &by_other), Err(ReceiptFault::BadSignature));
    let of_other = FeedHead {
        node: OTHER,
        ..head.clone()
    };
    let of_other = of_other.sign(&key(DISTRICT_KEY));
    assert_eq!(verify(&world, &of_other), Err(ReceiptFault::BadSignature));
    let mut unread = good.clone();
    unread.format = 2;
    assert_eq!(verify(&world, &unread), Err(ReceiptFault::Unread));
    unread.kind = kind::RECEIPT;
    assert!(matches!(
        verify(&world, &unread),
        Err(ReceiptFault::Malformed(_))
    ));
    // an agent has a feed, too
    let of_agent = FeedHead {
        node: BUREAU,
        identity: reference(&world.bureau),
        ..head.clone()
    };
    let of_agent = of_agent.sign(&key(BUREAU_KEY));
    assert!(verify(&world, &of_agent).is_ok());
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    world.take(&revoke(&called_back, &[CITY_KEY]));
    assert_eq!(verify(&world, &good), Err(ReceiptFault::Revoked(DISTRICT)));
    let replaces = |edit: fn(&mut FeedHead), by_node| {
        let mut new = head.clone();
        edit(&mut new);
        new.replaces(&head, by_node)
    };
    assert!(!replaces(|_| {}, true));
    assert!(replaces(|h| h.head = 71, false));
    assert!(!replaces(|h| h.head = 69, true));
    assert!(replaces(
        |h| (h.incarnation.counter, h.head) = (4, 0),
        false
    ));
    assert!(!replaces(
        |h| (h.incarnation.counter, h.head) = (2, 99),
        true
    ));
    let twin: fn(&mut FeedHead) = |h| (h.incarnation.feed, h.head) = (FeedId([2; 16]), 0);
    assert!(replaces(twin, true) && !replaces(twin, false));
    assert!(!replaces(|h| (h.node, h.head) = (OTHER, 99), true));
}

#[test]
fn who_owes_which_log_in_full() {
    let mut world = city_world();
    for (holder, origin, owes) in [
        (CITY, CITY, true),
        (CITY, DISTRICT, true),
        (CITY, BUREAU, true),
        (DISTRICT, DISTRICT, true),
        (DISTRICT, BUREAU, true),
        (DISTRICT, CITY, false),
        (DISTRICT, OTHER, false),
        (OTHER, BUREAU, false),
        (BUREAU, BUREAU, true),
        (BUREAU, DISTRICT, false),
        (NOBODY, NOBODY, false),
        (DISTRICT, NOBODY, false),
    ] {
        let found = owes_in_full(&world.directory, &holder, &origin);
        assert_eq!(found, owes, "{holder} of {origin}");
    }
    // it goes by the node of the newest identity, not by the jurisdiction's text, also once the seat was called back
    let mut moved = world.next(&world.bureau);
    (moved.node, moved.issuer) = (OTHER, reference(&world.city));
    world.take(&issue(&moved, &[CITY_KEY]));
    let called_back = revocation(BUREAU, 2, reference(&world.city));
    world.take(&revoke(&called_back, &[CITY_KEY]));
    assert!(owes_in_full(&world.directory, &OTHER, &BUREAU));
    assert!(!owes_in_full(&world.directory, &DISTRICT, &BUREAU));
}

#[test]
fn a_section_is_there_if_it_is_open_or_rightly_erased() {
    for (closed, erasure, there) in [
        (None, false, true),
        (None, true, true),
        (Some(Closed::Withheld), true, false),
        (Some(Closed::Compacted), true, false),
        (Some(Closed::Erased), false, false),
        (Some(Closed::Erased), true, true),
    ] {
        assert_eq!(is_there(closed, erasure), there, "{closed:?} {erasure}");
    }
}

#[test]
fn presence_is_of_one_seat_on_one_connection() {
    use protocol::presence;
    let keys = crate::world::keys(BUREAU_KEY);
    let exporter = [3; 32];
    let signatures = presence::sign(&BUREAU, &exporter, &key(BUREAU_KEY));
    let verify = |keys: &Keys, seat: SeatId, exporter: [u8; 32]| {
        presence::verify(keys, &seat, &exporter, &signatures)
    };
    assert!(verify(&keys, BUREAU, exporter));
    assert!(!verify(&keys, DISTRICT, exporter));
    assert!(!verify(&keys, BUREAU, [4; 32]));
    assert!(!verify(&crate::world::keys(NEW_KEY), BUREAU, exporter));
    let two = crate::world::keys_of_two_suites(BUREAU_KEY);
    assert!(!verify(&two, BUREAU, exporter), "one signature per suite");
    let bytes = presence::bytes(&BUREAU, &exporter);
    assert_eq!(bytes[..16], BUREAU.0, "the seat first");
    assert_eq!(bytes[16..], exporter);
}
