//! Vectors of what counts: who may say what, who may speak, who calls back; and the list of all cases.
//! Long because each rule has its case.

use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::name::{Lane, SeatId};
use protocol::statement::{
    BindsFrom, EpochOpening, ForkDecision, Forked, Identity, Revocation, RevokedLog, SeatKind,
};

use crate::json::{Json, list, number, text};
use crate::scene::{Base, Scene};
use crate::world::{
    self, BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, NOBODY, OTHER,
    OTHER_KEY, ROOT, THIEF, World, at, issue, open, opening, possessed, reference, revocation,
    revoke, signed, stray,
};
use crate::{epochs, holders};

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

pub const ROOTS: &[u8] = &[ROOT[0], ROOT[1]];

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
        epochs::openings(&base, &world),
        epochs::two_openings(&base, &world),
        epochs::a_run_of_two_openings(&base, &world),
        epochs::revoked_openings(&base, &world),
        epochs::places(&base, &world),
        epochs::closings(&base, &world),
        epochs::closings_of_a_revoked_seat(&base, &world),
        epochs::decisions(&base, &world),
        epochs::erasures(&base, &world),
        epochs::activations(&base, &world),
        holders::who_owes(&base, &world),
        holders::receipts(&base, &world),
        holders::receipts_of_revoked(&base, &world),
        holders::chains(&base, &world),
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

pub fn decision(
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

pub fn decide(decision: &ForkDecision, seeds: &[u8]) -> Envelope {
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
