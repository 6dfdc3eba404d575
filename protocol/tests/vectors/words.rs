//! Vectors of what counts: who may say what, who may speak, which openings stand, what waits and whose fault it is.
//!
//! Long because each rule has its case.

use protocol::directory::{HeldLane, LanePlace, OpeningPlace, opening_place};
use protocol::envelope::{Envelope, Signature, kind};
use protocol::feed_head::{self, FeedHead};
use protocol::hash::{Hash, Ref, object as object_hash};
use protocol::name::{FeedId, Incarnation, Lane, LogName, Position, SeatId};
use protocol::receipt::{self, Receipt, ReceiptFault};
use protocol::statement::{
    Activation, BindsFrom, Closing, EpochOpening, Erasure, ErasureItem, ForkDecision, Forked,
    Identity, Lost, Revocation, RevokedLog, SeatKind,
};
use protocol::words::owes_in_full;

use crate::json::{Json, flag, list, number, text};
use crate::scene::{Base, Scene};
use crate::world::{
    self, BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER,
    OTHER_KEY, ROOT, THIEF, World, at, issue, open, opening, possessed, reference, revocation,
    revoke, signed, stray,
};

pub fn base(world: &World) -> Base {
    Base::of(
        &[
            ("city", CITY),
            ("district", DISTRICT),
            ("other", OTHER),
            ("bureau", BUREAU),
            ("nobody", NOBODY),
            ("stranger", SeatId([0x77; 16])),
            ("zero", SeatId::default()),
        ],
        &[
            ("root", &world.root),
            ("city", &world.city),
            ("district", &world.district),
            ("other", &world.other),
            ("bureau", &world.bureau),
            ("opening 1", &world.opening),
        ],
    )
}

const ROOTS: &[u8] = &[ROOT[0], ROOT[1]];

pub fn words() -> Json {
    let world = world::city_world();
    let base = base(&world);
    let cases = vec![
        who_admits(&base, &world),
        who_admits_departments(&base, &world),
        what_waits(&base, &world),
        known_copies(&base, &world),
        malformed(&base, &world),
        rotations(&base, &world),
        rotations_without_consent(&base, &world),
        two_contents(&base, &world),
        binding(&base, &world),
        roots(&base, &world),
        two_roots(&base, &world),
        revoked_bureau(&base, &world),
        who_revokes(&base, &world),
        revoked_district(&base, &world),
        revoked_city(&base, &world),
        openings(&base, &world),
        two_openings(&base, &world),
        a_run_of_two_openings(&base, &world),
        revoked_openings(&base, &world),
        places(&base, &world),
        closings(&base, &world),
        closings_of_a_revoked_seat(&base, &world),
        decisions(&base, &world),
        erasures(&base, &world),
        activations(&base, &world),
        who_owes(&base, &world),
        receipts(&base, &world),
        receipts_of_revoked(&base, &world),
        chains(&base, &world),
    ];
    base.file(cases)
}

fn new_seat(world: &World, kind: SeatKind, seed: u8, issuer: Ref) -> Identity {
    let mut identity = world::first_identity(NOBODY, kind, seed, issuer);
    identity.permitted.clear();
    possessed(&identity, world.authority(), seed)
}

fn repossessed(world: &World, mut identity: Identity, edit: impl Fn(&mut Identity)) -> Identity {
    edit(&mut identity);
    possessed(&identity, world.authority(), THIEF)
}

fn who_admits(base: &Base, world: &World) -> Scene {
    let mut s = base.case("who admits cities and districts");
    let (root, city) = (world.authority(), reference(&world.city));
    let (district, bureau) = (reference(&world.district), reference(&world.bureau));
    let of = |kind, issuer| new_seat(world, kind, THIEF, issuer);
    s.say(
        "a district by the root",
        &issue(&of(SeatKind::District, root), ROOTS),
    );
    s.say(
        "a city by the city",
        &issue(&of(SeatKind::City, city), &[CITY_KEY]),
    );
    s.say(
        "a district by a district",
        &issue(&of(SeatKind::District, district), &[DISTRICT_KEY]),
    );
    s.say(
        "a district by a bureau",
        &issue(&of(SeatKind::District, bureau), &[BUREAU_KEY]),
    );
    s.say(
        "by one of two keys of the root",
        &issue(&of(SeatKind::City, root), &ROOTS[..1]),
    );
    s.say(
        "signed by another district",
        &issue(&of(SeatKind::District, city), &[OTHER_KEY]),
    );
    let unpossessed = Identity {
        possession: world::sigs(&[]),
        ..of(SeatKind::District, city)
    };
    s.say("without possession", &issue(&unpossessed, &[CITY_KEY]));
    let of_other = possessed(&of(SeatKind::District, city), world.authority(), NEW_KEY);
    s.say("possession by another key", &issue(&of_other, &[CITY_KEY]));
    let elsewhere = possessed(&of(SeatKind::District, city), stray(1), THIEF);
    s.say(
        "possession under another authority",
        &issue(&elsewhere, &[CITY_KEY]),
    );
    s.ask_seat(&NOBODY);
    let second_city = issue(&of(SeatKind::City, root), ROOTS);
    s.say("a second city", &second_city);
    s.ask_seat(&NOBODY);
    let department = Identity {
        serial: 2,
        binds_from: [BindsFrom {
            counter: 1,
            sequence: 1,
        }; 3],
        ..of(SeatKind::Department, city)
    };
    s.say("as a department", &issue(&department, &[CITY_KEY]));
    s
}

fn who_admits_departments(base: &Base, world: &World) -> Scene {
    let mut s = base.case("who admits departments");
    let city = reference(&world.city);
    let (district, other) = (reference(&world.district), reference(&world.other));
    let good = new_seat(world, SeatKind::Department, THIEF, district);
    let with = |edit: &dyn Fn(&mut Identity)| {
        issue(&repossessed(world, good.clone(), edit), &[DISTRICT_KEY])
    };
    s.say(
        "of another district's region",
        &with(&|i| i.jurisdiction = "370103".into()),
    );
    s.say(
        "of the whole city",
        &with(&|i| i.jurisdiction = "370100".into()),
    );
    s.say(
        "of an own region",
        &with(&|i| i.jurisdiction = "pilot".into()),
    );
    s.say("with another node", &with(&|i| i.node = OTHER));
    s.say("by another district", &{
        let of_other = repossessed(world, good.clone(), |i| {
            i.issuer = other;
            i.jurisdiction = "370103".into();
            i.node = OTHER;
            i.seat = BUREAU;
        });
        issue(&of_other, &[OTHER_KEY])
    });
    let by_city = |name: &str, s: &mut Scene, edit: &dyn Fn(&mut Identity)| {
        let identity = repossessed(world, good.clone(), |i| {
            i.issuer = city;
            edit(i);
        });
        s.say(name, &issue(&identity, &[CITY_KEY]));
    };
    by_city("whose node is a department", &mut s, &|i| i.node = BUREAU);
    by_city("whose node nobody knows", &mut s, &|i| {
        i.node = SeatId([0x77; 16])
    });
    s.ask_seat(&NOBODY);
    s.say("of a town", &with(&|i| i.jurisdiction = "370102001".into()));
    s.ask_seat(&NOBODY);
    by_city("another content by the city", &mut s, &|i| {
        i.jurisdiction = "pilot".into();
        i.node = OTHER;
    });
    s.ask_seat(&NOBODY);
    s
}

fn what_waits(base: &Base, world: &World) -> Scene {
    let mut s = base.case("what waits");
    let next = world.next(&world.bureau);
    let third = Identity {
        serial: 3,
        ..next.clone()
    };
    s.say("serial 3", &issue(&third, &[DISTRICT_KEY]));
    s.ask_seat(&BUREAU);
    s.say("serial 2", &issue(&next, &[DISTRICT_KEY]));
    s.say("serial 3 again", &issue(&third, &[DISTRICT_KEY]));
    s.ask_seat(&BUREAU);
    let under_third = opening(2, reference(&issue(&third, &[DISTRICT_KEY])));
    s.say("an opening under serial 3", &open(&under_third, BUREAU_KEY));
    let unknown = opening(2, stray(5));
    s.say(
        "an opening under an unknown identity",
        &open(&unknown, BUREAU_KEY),
    );
    let under_root = opening(2, world.authority());
    s.say(
        "an opening under a root version",
        &open(&under_root, BUREAU_KEY),
    );
    let of_district = EpochOpening {
        seat: DISTRICT,
        ..opening(1, reference(&world.bureau))
    };
    s.say(
        "an opening of another seat",
        &open(&of_district, BUREAU_KEY),
    );
    s.say(
        "an opening by another key",
        &open(&opening(3, reference(&world.bureau)), THIEF),
    );
    s
}

fn known_copies(base: &Base, world: &World) -> Scene {
    let mut s = base.case("what is known is judged by the copy that is presented");
    s.say("the same again", &world.bureau);
    let mut bent = world.bureau.clone();
    bent.signatures[0].bytes[3] ^= 1;
    s.say("with a bent signature", &bent);
    let mut none = world.bureau.clone();
    none.signatures[0].key = world::key(THIEF).public().0.to_vec();
    s.say("with another key", &none);
    let twice = world::signed(
        kind::IDENTITY,
        world.bureau.bytes.clone(),
        &[DISTRICT_KEY, THIEF],
    );
    s.say("with a stranger's signature besides", &twice);
    s
}

fn malformed(base: &Base, world: &World) -> Scene {
    let mut s = base.case("what is malformed, and what is no statement");
    let mut bytes = world.opening.bytes.clone();
    bytes.push(0);
    s.say(
        "by the seat",
        &signed(kind::OPENING, bytes.clone(), &[BUREAU_KEY]),
    );
    s.say(
        "by its district",
        &signed(kind::OPENING, bytes.clone(), &[DISTRICT_KEY]),
    );
    s.say(
        "by the city",
        &signed(kind::OPENING, bytes.clone(), &[CITY_KEY]),
    );
    s.say(
        "by the root",
        &signed(kind::OPENING, bytes.clone(), &[ROOT[2]]),
    );
    s.say(
        "by another district",
        &signed(kind::OPENING, bytes.clone(), &[OTHER_KEY]),
    );
    s.say("by a stranger", &signed(kind::OPENING, bytes, &[THIEF]));
    s.say(
        "shorter than a seat",
        &signed(kind::OPENING, BUREAU.0[..15].to_vec(), &[BUREAU_KEY]),
    );
    for (name, kind) in [
        ("a possession", kind::POSSESSION),
        ("a header", kind::HEADER),
        ("a receipt", kind::RECEIPT),
        ("a presence", kind::PRESENCE),
        ("a feed head", kind::FEED_HEAD),
    ] {
        s.say(name, &signed(kind, BUREAU.0.to_vec(), &[BUREAU_KEY]));
    }
    s
}

fn rotations(base: &Base, world: &World) -> Scene {
    let mut s = base.case("new keys with the consent of the former");
    let consented = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    let with_reason = Identity {
        reason: "更换".into(),
        ..consented.clone()
    };
    s.say(
        "with a reason besides",
        &issue(&with_reason, &[DISTRICT_KEY]),
    );
    let by_thief = world.rekeyed(&world.bureau, NEW_KEY, Some(THIEF));
    s.say("consent by another key", &issue(&by_thief, &[DISTRICT_KEY]));
    let of_both = Identity {
        consent: world::sigs(&[(1, consented.consent.all()[0].1.clone()), (2, vec![7; 64])]),
        ..consented.clone()
    };
    s.say(
        "consent of a suite that does not sign",
        &issue(&of_both, &[DISTRICT_KEY]),
    );
    let same = Identity {
        consent: consented.consent.clone(),
        ..world.next(&world.bureau)
    };
    s.say("the same keys with consent", &issue(&same, &[DISTRICT_KEY]));
    let same = Identity {
        reason: "更换".into(),
        ..world.next(&world.bureau)
    };
    s.say(
        "the same keys with a reason",
        &issue(&same, &[DISTRICT_KEY]),
    );
    s.say("by another district", &{
        let by_other = Identity {
            issuer: reference(&world.other),
            jurisdiction: "370103".into(),
            node: OTHER,
            ..consented.clone()
        };
        issue(&by_other, &[OTHER_KEY])
    });
    s.ask_seat(&BUREAU);
    s.say("bureau 2", &issue(&consented, &[DISTRICT_KEY]));
    s.ask_seat(&BUREAU);
    s
}

fn rotations_without_consent(base: &Base, world: &World) -> Scene {
    let mut s = base.case("new keys without the consent of the former");
    let silent = world.rekeyed(&world.bureau, NEW_KEY, None);
    let reasoned = Identity {
        reason: "密钥遗失".into(),
        ..silent.clone()
    };
    let city = reference(&world.city);
    let by_city = |i: &Identity| Identity {
        issuer: city,
        ..i.clone()
    };
    s.say("without a reason", &issue(&silent, &[DISTRICT_KEY]));
    s.say(
        "with a reason, by its district",
        &issue(&reasoned, &[DISTRICT_KEY]),
    );
    s.say(
        "without a reason, by the city",
        &issue(&by_city(&silent), &[CITY_KEY]),
    );
    s.ask_seat(&BUREAU);
    s.say("bureau 2", &issue(&by_city(&reasoned), &[CITY_KEY]));
    s.ask_seat(&BUREAU);
    let of_city = Identity {
        reason: "密钥遗失".into(),
        ..world.rekeyed(&world.city, THIEF, None)
    };
    s.say("city 2", &issue(&of_city, ROOTS));
    s.ask_seat(&CITY);
    s
}

fn decision(
    seat: SeatId,
    place: Forked,
    survivor: Ref,
    others: &[Ref],
    issuer: Ref,
) -> ForkDecision {
    let mut others = others.to_vec();
    others.sort();
    ForkDecision {
        seat,
        serial: 1,
        place,
        survivor,
        others,
        reason: "市级裁定".into(),
        issuer,
    }
}

fn decide(decision: &ForkDecision, seeds: &[u8]) -> Envelope {
    signed(kind::FORK_DECISION, decision.to_bytes(), seeds)
}

fn two_contents(base: &Base, world: &World) -> Scene {
    let mut s = base.case("two contents of one serial");
    let first = issue(&world.next(&world.bureau), &[DISTRICT_KEY]);
    let other = Identity {
        title: "东区市场监管局 许可库".into(),
        ..world.next(&world.bureau)
    };
    let other = issue(&other, &[DISTRICT_KEY]);
    s.say("bureau 2a", &first);
    s.ask_seat(&BUREAU);
    s.say("bureau 2b", &other);
    s.ask_seat(&BUREAU);
    let third = Identity {
        serial: 3,
        title: "东区市场监管局".into(),
        ..world.next(&world.bureau)
    };
    s.say("bureau 3", &issue(&third, &[DISTRICT_KEY]));
    s.ask_seat(&BUREAU);
    let fourth = Identity {
        serial: 4,
        ..third.clone()
    };
    let fourth_other = Identity {
        title: "另一单位".into(),
        ..fourth.clone()
    };
    s.say("bureau 4a", &issue(&fourth, &[DISTRICT_KEY]));
    s.say("bureau 4b", &issue(&fourth_other, &[DISTRICT_KEY]));
    s.ask_seat(&BUREAU);
    let (a, b) = (
        reference(&issue(&fourth, &[DISTRICT_KEY])),
        reference(&issue(&fourth_other, &[DISTRICT_KEY])),
    );
    let decided = decision(BUREAU, Forked::Identity(4), b, &[a], reference(&world.city));
    s.say("for 4b", &decide(&decided, &[CITY_KEY]));
    s.ask_seat(&BUREAU);
    let again = ForkDecision {
        serial: 2,
        survivor: a,
        others: vec![b],
        ..decided
    };
    s.say("for 4a, later", &decide(&again, &[CITY_KEY]));
    s.ask_seat(&BUREAU);
    s
}

fn ask_binds(s: &mut Scene, seat: &SeatId, lane: Lane, counter: u32, sequence: u64) {
    let found = s.directory.identity_at(seat, lane, counter, sequence);
    let answer = s.named(found.map(|i| i.reference()));
    let members = vec![
        ("seat", text(s.seat(seat))),
        ("lane", number(lane as u8)),
        ("counter", number(counter)),
        ("sequence", Json::Number(sequence)),
    ];
    s.ask("binds", members, answer);
}

fn binding(base: &Base, world: &World) -> Scene {
    let mut s = base.case("which identity binds at a position");
    let next = Identity {
        binds_from: [
            BindsFrom {
                counter: 1,
                sequence: 1,
            },
            BindsFrom {
                counter: 1,
                sequence: 8,
            },
            BindsFrom {
                counter: 2,
                sequence: 1,
            },
        ],
        ..world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY))
    };
    s.say("bureau 2", &issue(&next, &[DISTRICT_KEY]));
    for (lane, counter, sequence) in [
        (Lane::Directory, 1, 1),
        (Lane::Cases, 1, 7),
        (Lane::Cases, 1, 8),
        (Lane::Cases, 2, 1),
        (Lane::Records, 1, 1_000_000),
        (Lane::Records, 2, 1),
    ] {
        ask_binds(&mut s, &BUREAU, lane, counter, sequence);
    }
    ask_binds(&mut s, &NOBODY, Lane::Records, 1, 1);
    let called_back = revocation(BUREAU, 2, reference(&world.city));
    s.say("called back", &revoke(&called_back, &[CITY_KEY]));
    // who may speak is one question, who binds another
    ask_binds(&mut s, &BUREAU, Lane::Cases, 1, 8);
    s
}

fn ask_roots(s: &mut Scene) {
    let answer = s.named(Some(s.directory.root().reference()));
    s.ask("root in force", vec![], answer);
    let contested: Vec<String> = s
        .directory
        .contested_roots()
        .map(|r| s.name(&r.reference()))
        .collect();
    s.ask("contested roots", vec![], list(contested, text));
}

fn roots(base: &Base, world: &World) -> Scene {
    let mut s = base.case("later root versions");
    let second = world::root(2, world.authority(), 1, &[3, 7]);
    let second_signed = world::signed_root(&second, &[1, 2, 7]);
    let third = world::root(3, world.authority(), 1, &[7]);
    s.say("signed by itself alone", &world::signed_root(&second, &[7]));
    s.say(
        "signed by its former alone",
        &world::signed_root(&second, &[1, 2]),
    );
    s.say(
        "a version that skips one",
        &world::signed_root(&third, &[1, 2, 7]),
    );
    let of_unknown = world::root(3, reference(&second_signed), 1, &[7]);
    s.say(
        "of a former that is not known",
        &world::signed_root(&of_unknown, &[3, 7]),
    );
    let first = world::root(1, Ref::ZERO, 1, &[9]);
    s.say("another first version", &world::signed_root(&first, &[9]));
    ask_roots(&mut s);
    s.say("root 2", &second_signed);
    ask_roots(&mut s);
    s.say("root 3", &world::signed_root(&of_unknown, &[3, 7]));
    ask_roots(&mut s);
    let city = Identity {
        issuer: reference(&second_signed),
        ..world.next(&world.city)
    };
    s.say("city 2 under root 2", &issue(&city, &[3]));
    s.ask_seat(&CITY);
    s
}

fn two_roots(base: &Base, world: &World) -> Scene {
    let mut s = base.case("two root versions of one number: the first to come stays");
    let (a, b) = (
        world::signed_root(&world::root(2, world.authority(), 1, &[7]), &[1, 2, 7]),
        world::signed_root(&world::root(2, world.authority(), 1, &[8]), &[1, 2, 8]),
    );
    s.say("root 2a", &a);
    s.say("root 2b", &b);
    ask_roots(&mut s);
    let under = |root: &Envelope, seed: u8| {
        let mut identity = new_seat(world, SeatKind::City, THIEF, reference(root));
        identity.organisation = "370100.zx".into();
        issue(&identity, &[seed])
    };
    s.say("a city under 2b", &under(&b, 8));
    s.ask_seat(&NOBODY);
    s.say("a city under 2a", &under(&a, 7));
    s.ask_seat(&NOBODY);
    s
}

fn revoked_bureau(base: &Base, world: &World) -> Scene {
    let mut s = base.case("a department is called back, and comes again with new keys");
    let called_back = Revocation {
        logs: vec![
            RevokedLog {
                lane: 0,
                opening: reference(&world.opening),
                last: at(3),
            },
            RevokedLog {
                lane: 2,
                opening: reference(&world.opening),
                last: at(7),
            },
        ],
        ..revocation(BUREAU, 1, reference(&world.district))
    };
    s.say("by its district", &revoke(&called_back, &[DISTRICT_KEY]));
    s.ask_seat(&BUREAU);
    s.ask_opening(&reference(&world.opening));
    let silent = Identity {
        reason: "密钥被盗".into(),
        issuer: reference(&world.city),
        ..world.rekeyed(&world.bureau, NEW_KEY, None)
    };
    s.say("bureau 2", &issue(&silent, &[CITY_KEY]));
    s.ask_seat(&BUREAU);
    let again = Revocation {
        serial: 2,
        through: 2,
        logs: Vec::new(),
        issuer: reference(&world.city),
        ..called_back
    };
    s.say("by the city, through 2", &revoke(&again, &[CITY_KEY]));
    s.ask_seat(&BUREAU);
    s.ask_opening(&reference(&world.opening));
    s
}

fn who_revokes(base: &Base, world: &World) -> Scene {
    let mut s = base.case("who calls back");
    let by = |seat, through, issuer: &Envelope| revocation(seat, through, reference(issuer));
    s.say(
        "a bureau by another district",
        &revoke(&by(BUREAU, 1, &world.other), &[OTHER_KEY]),
    );
    s.say(
        "a bureau by the root",
        &revoke(&by(BUREAU, 1, &world.root), ROOTS),
    );
    s.say(
        "a bureau by itself",
        &revoke(&by(BUREAU, 1, &world.bureau), &[BUREAU_KEY]),
    );
    s.say(
        "a city by the city",
        &revoke(&by(CITY, 1, &world.city), &[CITY_KEY]),
    );
    s.say(
        "a district by a district",
        &revoke(&by(OTHER, 1, &world.district), &[DISTRICT_KEY]),
    );
    s.say(
        "nobody by a district",
        &revoke(&by(NOBODY, 1, &world.district), &[DISTRICT_KEY]),
    );
    s.say(
        "nobody by the root",
        &revoke(&by(NOBODY, 1, &world.root), ROOTS),
    );
    s.say(
        "nobody by the city",
        &revoke(&by(NOBODY, 1, &world.city), &[CITY_KEY]),
    );
    let stands = Revocation {
        standing: vec![reference(&world.opening)],
        ..by(BUREAU, 1, &world.city)
    };
    s.say(
        "a list of what a bureau has issued",
        &revoke(&stands, &[CITY_KEY]),
    );
    let later = Revocation {
        standing: vec![reference(&world.bureau)],
        ..by(DISTRICT, 2, &world.city)
    };
    s.say(
        "a list through a serial that is not known",
        &revoke(&later, &[CITY_KEY]),
    );
    s.ask_seat(&BUREAU);
    s.ask_seat(&DISTRICT);
    s.say(
        "a district by the city",
        &revoke(&by(OTHER, 1, &world.city), &[CITY_KEY]),
    );
    s.say(
        "a city by the root",
        &revoke(&by(CITY, 1, &world.root), ROOTS),
    );
    for seat in [OTHER, CITY] {
        s.ask_seat(&seat);
    }
    s
}

fn revoked_district(base: &Base, world: &World) -> Scene {
    let mut s = base.case("a district is called back, and what it had issued");
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    s.say("without a list", &revoke(&called_back, &[CITY_KEY]));
    for seat in [DISTRICT, BUREAU] {
        s.ask_seat(&seat);
    }
    s.ask_opening(&reference(&world.opening));
    let stands = Revocation {
        serial: 2,
        standing: vec![reference(&world.bureau)],
        ..called_back
    };
    s.say("its bureau stands", &revoke(&stands, &[CITY_KEY]));
    for seat in [DISTRICT, BUREAU] {
        s.ask_seat(&seat);
    }
    s.ask_opening(&reference(&world.opening));
    let later = Identity {
        title: "事后签发".into(),
        ..world.next(&world.bureau)
    };
    s.say("signed by it afterwards", &issue(&later, &[DISTRICT_KEY]));
    s.ask_seat(&BUREAU);
    s
}

fn revoked_city(base: &Base, world: &World) -> Scene {
    let mut s = base.case(
        "a city is called back: its revocations do not lapse, those of who stands come before",
    );
    let by_city = revocation(BUREAU, 1, reference(&world.city));
    s.say("a bureau by the city", &revoke(&by_city, &[CITY_KEY]));
    let called_back = Revocation {
        standing: {
            let mut all = vec![reference(&world.district)];
            all.sort();
            all
        },
        ..revocation(CITY, 1, world.authority())
    };
    s.say("the city by the root", &revoke(&called_back, ROOTS));
    for seat in [CITY, DISTRICT, OTHER, BUREAU] {
        s.ask_seat(&seat);
    }
    let by_district = Revocation {
        through: 0,
        ..revocation(BUREAU, 0, reference(&world.district))
    };
    s.say(
        "lifted by its district",
        &revoke(&by_district, &[DISTRICT_KEY]),
    );
    s.ask_seat(&BUREAU);
    s
}

fn openings(base: &Base, world: &World) -> Scene {
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

fn two_openings(base: &Base, world: &World) -> Scene {
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

fn a_run_of_two_openings(base: &Base, world: &World) -> Scene {
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

fn revoked_openings(base: &Base, world: &World) -> Scene {
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

fn places(base: &Base, world: &World) -> Scene {
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

fn closings(base: &Base, world: &World) -> Scene {
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

fn closings_of_a_revoked_seat(base: &Base, world: &World) -> Scene {
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

fn decisions(base: &Base, world: &World) -> Scene {
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

fn erasures(base: &Base, world: &World) -> Scene {
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

fn activations(base: &Base, world: &World) -> Scene {
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

fn ask_owes(s: &mut Scene, holder: &SeatId, origin: &SeatId) {
    let answer = flag(owes_in_full(&s.directory, holder, origin));
    let members = vec![
        ("holder", text(s.seat(holder))),
        ("origin", text(s.seat(origin))),
    ];
    s.ask("owes in full", members, answer);
}

fn who_owes(base: &Base, world: &World) -> Scene {
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

fn receipts(base: &Base, world: &World) -> Scene {
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

fn receipts_of_revoked(base: &Base, world: &World) -> Scene {
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

fn chains(base: &Base, world: &World) -> Scene {
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

/// An object of a later release, about a seat.
fn later(kind: u8, format: u16, name_suite: u8, seat: SeatId, signer: u8) -> Envelope {
    let mut bytes = seat.0.to_vec();
    bytes.extend_from_slice(&[0; 24]);
    let key = world::key(signer);
    let hash = object_hash(name_suite, kind, format, &bytes);
    Envelope {
        name_suite,
        kind,
        format,
        bytes,
        signatures: vec![Signature {
            suite: 1,
            key: key.public().0.to_vec(),
            bytes: key.sign(&hash).to_vec(),
        }],
    }
}

pub fn unread() -> Json {
    let world = world::city_world();
    let base = base(&world);
    let cases = vec![
        unread_of_a_seat(&base),
        unread_of_others(&base),
        unread_seats(&base),
        unread_after_rotation(&base, &world),
        unread_in_what_is_read(&base, &world),
    ];
    base.file(cases)
}

fn unread_of_a_seat(base: &Base) -> Scene {
    let mut s = base.case("kinds, formats and suites that are not read, of a department");
    for (name, kind, format, suite) in [
        ("an identity of format 2", kind::IDENTITY, 2u16, 1u8),
        ("an opening of format 2", kind::OPENING, 2, 1),
        ("a header of format 2", kind::HEADER, 2, 1),
        ("a possession of format 2", kind::POSSESSION, 2, 1),
        ("a receipt of format 65535", kind::RECEIPT, u16::MAX, 1),
        ("an opening of format 0", kind::OPENING, 0, 1),
        ("an opening of name suite 2", kind::OPENING, 1, 2),
        ("a header of name suite 2", kind::HEADER, 1, 2),
        ("a closing of name suite 255", kind::CLOSING, 1, 255),
        ("kind 0", 0, 1, 1),
        ("kind 14", 14, 1, 1),
        ("kind 255", 255, 1, 1),
    ] {
        s.say(name, &later(kind, format, suite, BUREAU, BUREAU_KEY));
    }
    let mut lane_4 = later(kind::HEADER, 1, 1, BUREAU, BUREAU_KEY);
    lane_4.bytes[16] = 4;
    let signer = world::key(BUREAU_KEY);
    lane_4.signatures[0].bytes = signer.sign(&lane_4.hash()).to_vec();
    s.say("a header of lane 4", &lane_4);
    s
}

fn unread_of_others(base: &Base) -> Scene {
    let mut s = base.case("who answers for a seat");
    let zero = SeatId::default();
    for (name, seat, signer) in [
        ("by its district", BUREAU, DISTRICT_KEY),
        ("by the city", BUREAU, CITY_KEY),
        ("by the root", BUREAU, ROOT[2]),
        ("by another district", BUREAU, OTHER_KEY),
        ("by a stranger", BUREAU, THIEF),
        ("a district by its bureau", DISTRICT, BUREAU_KEY),
        ("the city by a district", CITY, DISTRICT_KEY),
        ("the city by the root", CITY, ROOT[0]),
        ("the authority by the root", zero, ROOT[1]),
        ("the authority by the city", zero, CITY_KEY),
        ("the authority by a district", zero, DISTRICT_KEY),
        ("a new seat by a district", NOBODY, DISTRICT_KEY),
        ("a new seat by the city", NOBODY, CITY_KEY),
        ("a new seat by the root", NOBODY, ROOT[0]),
        ("a new seat by a bureau", NOBODY, BUREAU_KEY),
    ] {
        s.say(name, &later(14, 1, 1, seat, signer));
    }
    let mut short = later(14, 1, 1, BUREAU, BUREAU_KEY);
    short.bytes.truncate(15);
    s.say("shorter than a seat", &short);
    let mut turned = later(14, 1, 1, BUREAU, BUREAU_KEY);
    turned.name_suite = 2;
    s.say("a name suite turned by a relay", &turned);
    s
}

fn unread_seats(base: &Base) -> Scene {
    let mut s = base.case("a seat whose only identity is not read");
    s.say("before", &later(kind::OPENING, 2, 1, NOBODY, THIEF));
    s.say(
        "its identity",
        &later(kind::IDENTITY, 2, 1, NOBODY, DISTRICT_KEY),
    );
    s.say("after", &later(kind::OPENING, 2, 1, NOBODY, THIEF));
    s.say(
        "by who brought it",
        &later(kind::OPENING, 2, 1, NOBODY, DISTRICT_KEY),
    );
    s.ask_seat(&NOBODY);
    s
}

fn unread_after_rotation(base: &Base, world: &World) -> Scene {
    let mut s = base.case("only keys in force answer for a seat");
    let rekeyed = world.rekeyed(&world.bureau, NEW_KEY, Some(BUREAU_KEY));
    s.say("bureau 2", &issue(&rekeyed, &[DISTRICT_KEY]));
    s.say("by the new key", &later(14, 1, 1, BUREAU, NEW_KEY));
    s.say("by the former key", &later(14, 1, 1, BUREAU, BUREAU_KEY));
    let called_back = revocation(BUREAU, 2, reference(&world.city));
    s.say("called back", &revoke(&called_back, &[CITY_KEY]));
    s.say(
        "by the key that is called back",
        &later(15, 1, 1, BUREAU, NEW_KEY),
    );
    s.say("by its district", &later(15, 1, 1, BUREAU, DISTRICT_KEY));
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    s.say(
        "its district is called back",
        &revoke(&called_back, &[CITY_KEY]),
    );
    s.say(
        "by a district that is called back",
        &later(16, 1, 1, BUREAU, DISTRICT_KEY),
    );
    s
}

/// Keys, lanes and codes of later releases within what is read.
fn unread_in_what_is_read(base: &Base, world: &World) -> Scene {
    let mut s = base.case("suites, lanes and codes that are not read, within statements that are");
    let mut two = world::first_identity(
        NOBODY,
        SeatKind::Department,
        NEW_KEY,
        reference(&world.district),
    );
    two.permitted.clear();
    two.keys = world::keys_of_two_suites(NEW_KEY);
    let one_sig = possessed(&two, world.authority(), NEW_KEY);
    s.say(
        "keys of two suites, possession of one",
        &issue(&one_sig, &[DISTRICT_KEY]),
    );
    let both = Identity {
        possession: world::sigs(&[(1, one_sig.possession.all()[0].1.clone()), (2, vec![9; 64])]),
        ..one_sig
    };
    let identity = issue(&both, &[DISTRICT_KEY]);
    s.say("keys of two suites", &identity);
    s.ask_seat(&NOBODY);
    let opened = EpochOpening {
        seat: NOBODY,
        ..opening(1, reference(&identity))
    };
    let alone = open(&opened, NEW_KEY);
    s.say("an opening with one of two signatures", &alone);
    let mut cosigned = alone.clone();
    world::cosign(&mut cosigned, THIEF);
    s.say("with a co-signature by another key", &cosigned);
    let mut cosigned = alone;
    world::cosign(&mut cosigned, NEW_KEY);
    s.say("with both", &cosigned);
    let called_back = Revocation {
        code: 77,
        logs: vec![RevokedLog {
            lane: 200,
            opening: Ref {
                suite: 2,
                hash: Hash([2; 32]),
            },
            last: at(1),
        }],
        ..revocation(BUREAU, 1, reference(&world.city))
    };
    s.say(
        "a revocation of a later code and lane",
        &revoke(&called_back, &[CITY_KEY]),
    );
    s
}
