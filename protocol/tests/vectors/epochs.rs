//! Cases of epochs and what is decided about them: openings, places, closings, decisions, erasures.

use protocol::directory::{HeldLane, LanePlace, OpeningPlace, opening_place};
use protocol::envelope::{Envelope, kind};
use protocol::hash::{Hash, Ref};
use protocol::name::{Lane, LogName, Position, SeatId};
use protocol::statement::{
    Activation, Closing, EpochOpening, Erasure, ErasureItem, ForkDecision, Forked, Lost,
    Revocation, RevokedLog,
};

use crate::json::{Json, flag, list, number, text};
use crate::scene::{Base, Scene};
use crate::words::{ROOTS, decide, decision};
use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT_KEY, World, at, open, opening, reference,
    revocation, revoke, signed, stray,
};

pub fn openings(base: &Base, world: &World) -> Scene {
    let mut s = base.case("openings wait for the counters before them");
    let bureau = reference(&world.bureau);
    let (second, third) = (
        open(&opening(2, bureau), BUREAU_KEY),
        open(&opening(3, bureau), BUREAU_KEY),
    );
    s.say("opening 3", &third);
    s.ask_opening(&reference(&third));
    s.ask_opening(&reference(&second));
    s.say("opening 2", &second);
    for envelope in [&world.opening, &second, &third] {
        s.ask_opening(&reference(envelope));
    }
    s
}

fn another(counter: u32, nonce: u8, identity: Ref) -> EpochOpening {
    EpochOpening {
        nonce: [nonce; 16],
        ..opening(counter, identity)
    }
}

pub fn two_openings(base: &Base, world: &World) -> Scene {
    let mut s = base.case("two openings of one counter, decided by the seat, then by the city");
    let bureau = reference(&world.bureau);
    let (a, b) = (
        open(&another(2, 0xa, bureau), BUREAU_KEY),
        open(&another(2, 0xb, bureau), BUREAU_KEY),
    );
    s.say("opening 2a", &a);
    s.say("opening 2b", &b);
    for envelope in [&a, &b] {
        s.ask_opening(&reference(envelope));
    }
    let next = EpochOpening {
        void: vec![reference(&a)],
        ..opening(3, bureau)
    };
    let next = open(&next, BUREAU_KEY);
    s.say("opening 3", &next);
    for envelope in [&a, &b, &next] {
        s.ask_opening(&reference(envelope));
    }
    let decided = decision(
        BUREAU,
        Forked::Opening(2),
        reference(&a),
        &[reference(&b)],
        reference(&world.city),
    );
    s.say("for 2a", &decide(&decided, &[CITY_KEY]));
    for envelope in [&a, &b, &next] {
        s.ask_opening(&reference(envelope));
    }
    s
}

pub fn a_run_of_two_openings(base: &Base, world: &World) -> Scene {
    let mut s = base.case("two openings of two counters: the run is worked off from its end");
    let bureau = reference(&world.bureau);
    let (a, b) = (
        open(&another(2, 0xa, bureau), BUREAU_KEY),
        open(&another(2, 0xb, bureau), BUREAU_KEY),
    );
    let third = |nonce: u8, void: &Envelope| {
        let third = EpochOpening {
            void: vec![reference(void)],
            ..another(3, nonce, bureau)
        };
        open(&third, BUREAU_KEY)
    };
    let (c, d) = (third(0xc, &a), third(0xd, &b));
    for (name, envelope) in [
        ("2a", &a),
        ("2b", &b),
        ("3c, without 2a", &c),
        ("3d, without 2b", &d),
    ] {
        s.say(name, envelope);
    }
    for envelope in [&a, &b, &c, &d] {
        s.ask_opening(&reference(envelope));
    }
    let fourth = EpochOpening {
        void: vec![reference(&d)],
        ..opening(4, bureau)
    };
    s.say("4, without 3d", &open(&fourth, BUREAU_KEY));
    for envelope in [&a, &b, &c, &d] {
        s.ask_opening(&reference(envelope));
    }
    s
}

pub fn revoked_openings(base: &Base, world: &World) -> Scene {
    let mut s = base.case("openings of a seat that is called back");
    let bureau = reference(&world.bureau);
    let second = open(&opening(2, bureau), BUREAU_KEY);
    s.say("opening 2", &second);
    let called_back = Revocation {
        logs: vec![RevokedLog {
            lane: 2,
            opening: reference(&world.opening),
            last: at(7),
        }],
        ..revocation(BUREAU, 1, reference(&world.city))
    };
    s.say("called back", &revoke(&called_back, &[CITY_KEY]));
    for envelope in [&world.opening, &second] {
        s.ask_opening(&reference(envelope));
    }
    let other = open(&another(2, 0xb, bureau), BUREAU_KEY);
    s.say("another opening 2", &other);
    for envelope in [&second, &other] {
        s.ask_opening(&reference(envelope));
    }
    s
}

/// What is held at a lane: the last sequence, and which header at the sequence that the opening calls last known.
type Held = (u8, u64, &'static str);

fn ask_place(s: &mut Scene, envelope: &Envelope, held: &[Held], owes: bool, forks: usize) {
    let opening = EpochOpening::from_bytes(&envelope.bytes).expect("an opening");
    let known = s.directory.known_openings(&opening.seat, opening.counter);
    let place = |(lane, last, header): &Held| {
        let at_last_known = match *header {
            "same" => Some(opening.last_known(*lane).header),
            "other" => Some(stray(0xee)),
            _ => None,
        };
        let last = Position {
            sequence: *last,
            header: if *last == 0 { Ref::ZERO } else { stray(0xdd) },
        };
        let held = HeldLane {
            last,
            at_last_known,
        };
        (*lane, held)
    };
    let lanes: Vec<_> = held.iter().map(place).collect();
    let kind = s
        .directory
        .newest_identity(&opening.seat)
        .map(|i| i.identity().kind);
    let place = opening_place(
        &opening,
        &reference(envelope),
        kind.expect("a seat that is known"),
        &known,
        &lanes,
        owes,
        forks,
    );
    let reason = place.reason().unwrap_or(0);
    let (word, lanes) = match place {
        OpeningPlace::Known => ("known", Vec::new()),
        OpeningPlace::Beside => ("beside another", Vec::new()),
        OpeningPlace::Skips => ("skips", Vec::new()),
        OpeningPlace::ForksTooOften => ("forks too often", Vec::new()),
        OpeningPlace::TakenIn(lanes) => ("taken in", lanes),
    };
    let lane = |place: &LanePlace| match *place {
        LanePlace::Agrees { lane } => Json::List(vec![number(lane), text("agrees")]),
        LanePlace::Voids { lane, .. } => Json::List(vec![number(lane), text("voids")]),
        LanePlace::Beyond {
            lane,
            from,
            to,
            waits,
        } => Json::List(vec![
            number(lane),
            text(if waits { "waits for" } else { "lacks" }),
            Json::Number(from),
            Json::Number(to),
        ]),
        LanePlace::Surplus { lane, from } => {
            Json::List(vec![number(lane), text("surplus"), Json::Number(from)])
        }
    };
    let members = vec![
        ("opening", text(s.name(&reference(envelope)))),
        (
            "held",
            list(held, |(lane, last, header)| {
                Json::List(vec![number(*lane), Json::Number(*last), text(*header)])
            }),
        ),
        ("owes", flag(owes)),
        ("forks", number(forks as u64)),
        ("reason", number(reason)),
        ("lanes", list(&lanes, lane)),
    ];
    s.ask("place", members, text(word));
}

pub fn places(base: &Base, world: &World) -> Scene {
    let mut s = base.case("what an opening does at a holder, before it is taken up");
    let bureau = reference(&world.bureau);
    let next = |counter: u32, last: &[(u8, u64)]| {
        let next = EpochOpening {
            last_known: last.iter().map(|(lane, n)| (*lane, at(*n))).collect(),
            ..opening(counter, bureau)
        };
        open(&next, BUREAU_KEY)
    };
    let second = next(2, &[(0, 3), (2, 9)]);
    // its name stands in the list of statements, so it is told to a copy first
    let mut told = s.clone();
    told.say("opening 2", &second);
    let third = next(3, &[]);
    told.say("opening 3", &third);
    let beside = open(&another(1, 0xb, bureau), BUREAU_KEY);
    told.say("another opening 1", &beside);
    std::mem::swap(&mut told.directory, &mut s.directory);
    s = told;
    for (held, owes, forks) in [
        (vec![(0u8, 3u64, "same"), (2, 9, "same")], true, 0usize),
        (vec![(0, 3, "same"), (2, 7, "none")], true, 0),
        (vec![(0, 3, "same"), (2, 7, "none")], false, 0),
        (vec![], true, 0),
        (
            vec![(0, 4, "same"), (1, 2, "none"), (2, 12, "same")],
            true,
            0,
        ),
        (vec![(0, 3, "same"), (2, 12, "other")], true, 2),
        (vec![(0, 3, "same"), (2, 12, "other")], true, 3),
    ] {
        ask_place(&mut s, &second, &held, owes, forks);
    }
    ask_place(&mut s, &third, &[], true, 0);
    ask_place(&mut s, &beside, &[], true, 0);
    ask_place(&mut s, &world.opening, &[], true, 0);
    s
}

fn closing(world: &World, opening: &Envelope, serial: u32, lost: &[(u8, u64, u64)]) -> Closing {
    Closing {
        seat: BUREAU,
        opening: reference(opening),
        serial,
        identity: reference(&world.bureau),
        ends: vec![(2, at(9))],
        lost: lost
            .iter()
            .map(|(lane, from, to)| Lost {
                lane: *lane,
                from: *from,
                to: *to,
                header: Ref::ZERO,
            })
            .collect(),
        asked: true,
        note: String::new(),
    }
}

fn close(closing: &Closing, seed: u8) -> Envelope {
    signed(kind::CLOSING, closing.to_bytes(), &[seed])
}

fn ask_lost(s: &mut Scene, opening: &Envelope, lane: Lane, sequence: u64, safeguarded: u64) {
    let log = LogName {
        seat: BUREAU,
        lane,
        opening: reference(opening),
    };
    let answer = flag(s.directory.is_declared_lost(&log, sequence, safeguarded));
    let members = vec![
        ("opening", text(s.name(&log.opening))),
        ("lane", number(lane as u8)),
        ("sequence", Json::Number(sequence)),
        ("safeguarded", Json::Number(safeguarded)),
    ];
    s.ask("declared lost", members, answer);
}

pub fn closings(base: &Base, world: &World) -> Scene {
    let mut s = base.case("a seat closes its epoch");
    let first = closing(world, &world.opening, 1, &[(2, 5, 6)]);
    s.say("before there is a later one", &close(&first, BUREAU_KEY));
    let second = open(&opening(2, reference(&world.bureau)), BUREAU_KEY);
    s.say("opening 2", &second);
    let of_unknown = closing(world, &open(&another(3, 1, stray(1)), BUREAU_KEY), 1, &[]);
    s.say(
        "of an epoch that is not known",
        &close(&of_unknown, BUREAU_KEY),
    );
    let by_district = Closing {
        identity: reference(&world.district),
        ..first.clone()
    };
    s.say("by its district", &close(&by_district, DISTRICT_KEY));
    let unasked = Closing {
        asked: false,
        ..first.clone()
    };
    ask_lost(&mut s, &world.opening, Lane::Records, 5, 0);
    s.say("closing 1", &close(&unasked, BUREAU_KEY));
    for (lane, sequence, safeguarded) in [
        (Lane::Records, 4, 0),
        (Lane::Records, 5, 0),
        (Lane::Records, 6, 5),
        (Lane::Records, 6, 6),
        (Lane::Records, 7, 0),
        (Lane::Cases, 5, 0),
    ] {
        ask_lost(&mut s, &world.opening, lane, sequence, safeguarded);
    }
    s.say(
        "the same serial with other content",
        &close(&first, BUREAU_KEY),
    );
    let less = closing(world, &world.opening, 2, &[(2, 5, 5)]);
    s.say("a later one that takes back", &close(&less, BUREAU_KEY));
    let more = closing(world, &world.opening, 3, &[(0, 1, 1), (2, 4, 8)]);
    s.say("closing 3", &close(&more, BUREAU_KEY));
    ask_lost(&mut s, &world.opening, Lane::Records, 6, 6);
    ask_lost(&mut s, &world.opening, Lane::Directory, 1, 0);
    let lower = closing(world, &world.opening, 2, &[(2, 5, 8)]);
    s.say("closing 2, late", &close(&lower, BUREAU_KEY));
    s
}

pub fn closings_of_a_revoked_seat(base: &Base, world: &World) -> Scene {
    let mut s = base.case("the city closes the epoch of a seat that is called back");
    let mut by_city = Closing {
        identity: reference(&world.city),
        ..closing(world, &world.opening, 1, &[(2, 5, 6)])
    };
    s.say("before it is called back", &close(&by_city, CITY_KEY));
    let called_back = Revocation {
        logs: vec![RevokedLog {
            lane: 2,
            opening: reference(&world.opening),
            last: at(9),
        }],
        ..revocation(BUREAU, 1, reference(&world.city))
    };
    s.say("called back", &revoke(&called_back, &[CITY_KEY]));
    by_city.ends = vec![(2, at(8))];
    s.say("with other ends", &close(&by_city, CITY_KEY));
    by_city.ends = vec![(2, at(9))];
    s.say("closing by the city", &close(&by_city, CITY_KEY));
    ask_lost(&mut s, &world.opening, Lane::Records, 5, 0);
    let second = open(&opening(2, reference(&world.bureau)), BUREAU_KEY);
    s.say("opening 2", &second);
    let own = closing(world, &world.opening, 1, &[(2, 1, 2)]);
    s.say("by the seat itself", &close(&own, BUREAU_KEY));
    // its own word counts no more
    ask_lost(&mut s, &world.opening, Lane::Records, 1, 0);
    s
}

pub fn decisions(base: &Base, world: &World) -> Scene {
    let mut s = base.case("who decides forks");
    let place = Forked::Header {
        lane: 2,
        opening: reference(&world.opening),
        sequence: 7,
    };
    let by =
        |issuer: &Envelope, seat| decision(seat, place, stray(5), &[stray(6)], reference(issuer));
    s.say(
        "by the district",
        &decide(&by(&world.district, BUREAU), &[DISTRICT_KEY]),
    );
    s.say("by the root", &decide(&by(&world.root, BUREAU), ROOTS));
    s.say(
        "of the city's, by the city",
        &decide(&by(&world.city, CITY), &[CITY_KEY]),
    );
    let ask = |s: &mut Scene| {
        let found = s.directory.decision(&BUREAU, place);
        let answer = s.named(found.map(|d| d.reference()));
        let members = vec![
            ("seat", text("bureau")),
            ("what", number(1u8)),
            ("lane", number(2u8)),
            ("opening", text("opening 1")),
            ("place", number(7u8)),
        ];
        s.ask("decision", members, answer);
    };
    ask(&mut s);
    s.say("decision 1", &decide(&by(&world.city, BUREAU), &[CITY_KEY]));
    ask(&mut s);
    let second = ForkDecision {
        serial: 2,
        survivor: stray(6),
        others: vec![stray(5)],
        ..by(&world.city, BUREAU)
    };
    s.say("decision 2", &decide(&second, &[CITY_KEY]));
    ask(&mut s);
    let stands = Revocation {
        standing: vec![reference(&decide(&by(&world.city, BUREAU), &[CITY_KEY]))],
        ..revocation(CITY, 1, world.authority())
    };
    // of one issuer the greater serial is kept, though only the lower is let stand
    s.say(
        "the city is called back, decision 1 stands",
        &revoke(&stands, ROOTS),
    );
    ask(&mut s);
    s.say(
        "of the city's, by the root",
        &decide(&by(&world.root, CITY), ROOTS),
    );
    s
}

pub fn erasures(base: &Base, world: &World) -> Scene {
    let mut s = base.case("who erases, and what is erased");
    let leaf = Hash([7; 32]);
    let erasure = |seat, issuer: &Envelope, mask: u16| Erasure {
        seat,
        items: vec![ErasureItem {
            lane: 2,
            opening: reference(&world.opening),
            sequence: 3,
            index: 1,
            leaf,
            mask,
        }],
        code: 2,
        text: String::new(),
        issuer: reference(issuer),
    };
    let erase = |e: &Erasure, seeds: &[u8]| signed(kind::ERASURE, e.to_bytes(), seeds);
    s.say(
        "by the district",
        &erase(&erasure(BUREAU, &world.district, 2), &[DISTRICT_KEY]),
    );
    s.say(
        "by the seat",
        &erase(&erasure(BUREAU, &world.bureau, 2), &[BUREAU_KEY]),
    );
    s.say(
        "of the city's, by the city",
        &erase(&erasure(CITY, &world.city, 2), &[CITY_KEY]),
    );
    let ask = |s: &mut Scene, index: u32, leaf: u8| {
        let log = LogName {
            seat: BUREAU,
            lane: Lane::Records,
            opening: reference(&world.opening),
        };
        let mask = s.directory.erased_mask(&log, 3, index, &Hash([leaf; 32]));
        let members = vec![
            ("seat", text("bureau")),
            ("lane", number(2u8)),
            ("opening", text("opening 1")),
            ("sequence", number(3u8)),
            ("index", number(index)),
            ("leaf_text", text(Hash([leaf; 32]).to_string())),
        ];
        s.ask("erased", members, number(mask));
    };
    ask(&mut s, 1, 7);
    s.say(
        "erasure 1",
        &erase(&erasure(BUREAU, &world.city, 0b10), &[CITY_KEY]),
    );
    s.say(
        "erasure 2",
        &erase(&erasure(BUREAU, &world.city, 0b1000), &[CITY_KEY]),
    );
    ask(&mut s, 1, 7);
    ask(&mut s, 2, 7);
    ask(&mut s, 1, 8);
    let called_back = Revocation {
        standing: vec![reference(&erase(
            &erasure(BUREAU, &world.city, 0b10),
            &[CITY_KEY],
        ))],
        ..revocation(CITY, 1, world.authority())
    };
    s.say(
        "the city is called back, erasure 1 stands",
        &revoke(&called_back, ROOTS),
    );
    ask(&mut s, 1, 7);
    s
}

pub fn activations(base: &Base, world: &World) -> Scene {
    let mut s = base.case("activations");
    let by = |issuer: &Envelope| Activation {
        seat: SeatId::default(),
        serial: 1,
        suite: 2,
        kind: 9,
        format: 1,
        from: Vec::new(),
        issuer: reference(issuer),
    };
    let activate = |a: &Activation, seeds: &[u8]| signed(kind::ACTIVATION, a.to_bytes(), seeds);
    s.say(
        "by a district",
        &activate(&by(&world.district), &[DISTRICT_KEY]),
    );
    s.say("by the root", &activate(&by(&world.root), ROOTS));
    s.say("by the city", &activate(&by(&world.city), &[CITY_KEY]));
    s
}
