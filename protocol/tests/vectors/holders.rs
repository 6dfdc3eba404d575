//! Cases of holders: who owes a log, which receipts count, what a chain consists of.

use protocol::envelope::{Envelope, kind};
use protocol::feed_head::{self, FeedHead};
use protocol::name::{FeedId, Incarnation, Lane, LogName, Position, SeatId};
use protocol::receipt::{self, Receipt, ReceiptFault};
use protocol::statement::Identity;
use protocol::words::owes_in_full;

use crate::json::{Json, flag, list, number, text};
use crate::scene::{Base, Scene};
use crate::world::{
    self, BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER,
    OTHER_KEY, World, at, issue, reference, revocation, revoke, signed, stray,
};

fn ask_owes(s: &mut Scene, holder: &SeatId, origin: &SeatId) {
    let answer = flag(owes_in_full(&s.directory, holder, origin));
    let members = vec![
        ("holder", text(s.seat(holder))),
        ("origin", text(s.seat(origin))),
    ];
    s.ask("owes in full", members, answer);
}

pub fn who_owes(base: &Base, world: &World) -> Scene {
    let mut s = base.case("who owes a log in full");
    for (holder, origin) in [
        (CITY, BUREAU),
        (CITY, NOBODY),
        (DISTRICT, BUREAU),
        (DISTRICT, DISTRICT),
        (DISTRICT, OTHER),
        (OTHER, BUREAU),
        (BUREAU, BUREAU),
        (BUREAU, DISTRICT),
        (NOBODY, NOBODY),
    ] {
        ask_owes(&mut s, &holder, &origin);
    }
    let moved = Identity {
        node: OTHER,
        issuer: reference(&world.city),
        ..world.next(&world.bureau)
    };
    s.say(
        "bureau 2, whose node is another",
        &issue(&moved, &[CITY_KEY]),
    );
    for holder in [DISTRICT, OTHER] {
        ask_owes(&mut s, &holder, &BUREAU);
    }
    let called_back = revocation(OTHER, 1, reference(&world.city));
    s.say(
        "its node is called back",
        &revoke(&called_back, &[CITY_KEY]),
    );
    ask_owes(&mut s, &OTHER, &BUREAU);
    s
}

fn receipt_of(world: &World, holder: SeatId, identity: &Envelope) -> Receipt {
    Receipt {
        holder,
        identity: reference(identity),
        incarnation: Incarnation {
            counter: 1,
            feed: FeedId([1; 16]),
        },
        log: LogName {
            seat: BUREAU,
            lane: Lane::Records,
            opening: reference(&world.opening),
        },
        durable: at(9),
        attached: at(9),
        safeguarded: at(3),
        at: 0,
    }
}

fn ask_receipt(s: &mut Scene, what: &'static str, envelope: &Envelope) {
    let fault = match envelope.kind {
        kind::FEED_HEAD => feed_head::verify(&s.directory, envelope).err(),
        _ => receipt::verify(&s.directory, envelope).err(),
    };
    let word = match fault {
        None => "counts",
        Some(ReceiptFault::Malformed(_)) => "malformed",
        Some(ReceiptFault::Unread) => "unread",
        Some(ReceiptFault::UnknownIdentity(_)) => "identity unknown",
        Some(ReceiptFault::UnknownOpening(_)) => "opening unknown",
        Some(ReceiptFault::NotAHolder(..)) => "not a holder",
        Some(ReceiptFault::BadSignature) => "signature",
        Some(ReceiptFault::Revoked(_)) => "revoked",
    };
    let judged = ["counts", "not a holder", "revoked", "opening unknown"].contains(&word);
    let member = if judged {
        "envelope"
    } else {
        "unjudged_envelope"
    };
    let members = vec![
        ("what", text(what)),
        (member, crate::json::hex(envelope.to_bytes())),
    ];
    s.ask("receipt", members, text(word));
}

fn signed_receipt(receipt: &Receipt, seed: u8) -> Envelope {
    receipt.sign(&world::key(seed))
}

pub fn receipts(base: &Base, world: &World) -> Scene {
    let mut s = base.case("which receipts and feed heads count");
    let good = receipt_of(world, DISTRICT, &world.district);
    let by_city = receipt_of(world, CITY, &world.city);
    ask_receipt(&mut s, "of its node", &signed_receipt(&good, DISTRICT_KEY));
    ask_receipt(&mut s, "of the city", &signed_receipt(&by_city, CITY_KEY));
    let other = receipt_of(world, OTHER, &world.other);
    ask_receipt(
        &mut s,
        "of another district",
        &signed_receipt(&other, OTHER_KEY),
    );
    let own = receipt_of(world, BUREAU, &world.bureau);
    ask_receipt(
        &mut s,
        "of the seat itself",
        &signed_receipt(&own, BUREAU_KEY),
    );
    ask_receipt(&mut s, "by another key", &signed_receipt(&good, OTHER_KEY));
    let of_other = receipt_of(world, DISTRICT, &world.other);
    ask_receipt(
        &mut s,
        "under another's identity",
        &signed_receipt(&of_other, OTHER_KEY),
    );
    let unknown = Receipt {
        identity: stray(1),
        ..good.clone()
    };
    ask_receipt(
        &mut s,
        "under an unknown identity",
        &signed_receipt(&unknown, DISTRICT_KEY),
    );
    let mut elsewhere = good.clone();
    elsewhere.log.opening = stray(1);
    ask_receipt(
        &mut s,
        "of an unknown epoch",
        &signed_receipt(&elsewhere, DISTRICT_KEY),
    );
    let mut of_district = good.clone();
    of_district.log.seat = DISTRICT;
    ask_receipt(
        &mut s,
        "of another seat's epoch",
        &signed_receipt(&of_district, DISTRICT_KEY),
    );
    let head = FeedHead {
        node: BUREAU,
        identity: reference(&world.bureau),
        incarnation: good.incarnation,
        head: 7,
        peer: DISTRICT,
        at: 0,
    };
    ask_receipt(&mut s, "a feed head", &head.sign(&world::key(BUREAU_KEY)));
    ask_receipt(
        &mut s,
        "a feed head by another key",
        &head.sign(&world::key(DISTRICT_KEY)),
    );
    let mut later = signed_receipt(&good, DISTRICT_KEY);
    later.format = 2;
    ask_receipt(&mut s, "of a later format", &later);
    ask_receipt(
        &mut s,
        "malformed",
        &signed(kind::RECEIPT, vec![7; 40], &[DISTRICT_KEY]),
    );
    replacements(&mut s);
    s
}

/// Positions of a receipt: durable, attached, safeguarded, in one incarnation.
fn replacement(counter: u64, life: u8, positions: [u64; 3]) -> Receipt {
    let position = |n: u64| if n == 0 { Position::START } else { at(n) };
    Receipt {
        holder: DISTRICT,
        identity: stray(1),
        incarnation: Incarnation {
            counter,
            feed: FeedId([life; 16]),
        },
        log: LogName {
            seat: BUREAU,
            lane: Lane::Records,
            opening: stray(2),
        },
        durable: position(positions[0]),
        attached: position(positions[1]),
        safeguarded: position(positions[2]),
        at: 0,
    }
}

fn replacements(s: &mut Scene) {
    type Side = (u64, u8, [u64; 3]);
    let cases: [(Side, Side, bool, &[u64]); 13] = [
        ((1, 1, [9, 9, 3]), (1, 1, [9, 9, 3]), false, &[]),
        ((1, 1, [9, 9, 4]), (1, 1, [9, 9, 3]), false, &[]),
        ((1, 1, [10, 8, 3]), (1, 1, [9, 9, 3]), false, &[]),
        ((1, 1, [8, 8, 3]), (1, 1, [9, 9, 3]), false, &[]),
        ((2, 2, [1, 0, 0]), (1, 1, [9, 9, 3]), false, &[]),
        ((1, 2, [10, 10, 9]), (2, 1, [1, 0, 0]), true, &[]),
        ((1, 2, [10, 10, 9]), (1, 1, [9, 9, 3]), false, &[]),
        ((1, 2, [1, 1, 1]), (1, 1, [9, 9, 3]), true, &[]),
        ((1, 1, [7, 7, 3]), (1, 1, [9, 9, 3]), false, &[9]),
        ((1, 1, [8, 8, 3]), (1, 1, [9, 9, 3]), false, &[8, 9]),
        ((1, 1, [10, 9, 3]), (1, 1, [9, 9, 3]), false, &[10]),
        ((1, 1, [0, 0, 0]), (1, 1, [9, 9, 3]), false, &[9]),
        ((1, 1, [9, 9, 3]), (1, 1, [0, 0, 0]), false, &[]),
    ];
    for ((nc, nl, np), (sc, sl, sp), by_holder, void) in cases {
        let (new, stored) = (replacement(nc, nl, np), replacement(sc, sl, sp));
        let is_void = |_: &LogName, p: &Position| void.contains(&p.sequence);
        let answer = flag(new.replaces(&stored, by_holder, is_void));
        let side = |counter: u64, life: u8, positions: [u64; 3]| {
            let mut all = vec![Json::Number(counter), number(life)];
            all.extend(positions.map(Json::Number));
            Json::List(all)
        };
        let members = vec![
            ("new", side(nc, nl, np)),
            ("stored", side(sc, sl, sp)),
            ("by_holder", flag(by_holder)),
            ("void", list(void, |n| Json::Number(*n))),
        ];
        s.ask("replaces", members, answer);
    }
}

pub fn receipts_of_revoked(base: &Base, world: &World) -> Scene {
    let mut s = base.case("receipts of a holder that is called back, or that has new keys");
    let good = signed_receipt(&receipt_of(world, DISTRICT, &world.district), DISTRICT_KEY);
    let rekeyed = world.rekeyed(&world.district, NEW_KEY, Some(DISTRICT_KEY));
    s.say("district 2", &issue(&rekeyed, &[CITY_KEY]));
    // a rotation does not void what was said under the former serial
    ask_receipt(&mut s, "under the former serial", &good);
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    s.say("called back", &revoke(&called_back, &[CITY_KEY]));
    ask_receipt(&mut s, "under the serial that is called back", &good);
    let under_new = receipt_of(world, DISTRICT, &issue(&rekeyed, &[CITY_KEY]));
    ask_receipt(
        &mut s,
        "under the new serial",
        &signed_receipt(&under_new, NEW_KEY),
    );
    s
}

pub fn chains(base: &Base, world: &World) -> Scene {
    let mut s = base.case("what somebody needs who knows only the authority");
    let ask = |s: &mut Scene, seats: &[SeatId]| {
        let chain: Vec<String> = s.directory.chain(seats).iter().map(|r| s.name(r)).collect();
        let mut sorted = chain;
        sorted.sort();
        let members = vec![("seats", list(seats, |seat| text(s.seat(seat))))];
        s.ask("chain", members, list(sorted, text));
    };
    ask(&mut s, &[CITY]);
    ask(&mut s, &[BUREAU]);
    ask(&mut s, &[DISTRICT, OTHER]);
    ask(&mut s, &[NOBODY]);
    let rekeyed = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    s.say("bureau 2", &issue(&rekeyed, &[DISTRICT_KEY]));
    let called_back = revocation(BUREAU, 1, reference(&world.city));
    s.say("called back", &revoke(&called_back, &[CITY_KEY]));
    ask(&mut s, &[BUREAU]);
    s
}
