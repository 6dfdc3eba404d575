//! What each side refuses before it goes on.

use protocol::admission::code::Code;
use protocol::admission::exchange::{Ask, Offer, Proof, Request, refused};
use protocol::admission::newcomer::{
    self, NotApproved, NotProven, OfferFault, Wishes, check_approved, check_offer, check_proof,
};
use protocol::admission::secret_hash;
use protocol::admission::server::{
    FormerKeys, Invitation, Terms, compose, judge_ask, judge_request,
};
use protocol::directory::VerifiedIdentity;
use protocol::envelope::Envelope;
use protocol::hash::{Hash, Ref};
use protocol::name::SeatId;
use protocol::presence;
use protocol::sign::{Keys, Sigs};
use protocol::statement::{BindsFrom, Identity, SeatKind};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT, DISTRICT_KEY, NEW_KEY, OTHER, THIEF, World,
    city_world, issue, key, keys, reference, revocation, revoke, root, signed_root,
};

const EXPORTER: [u8; 32] = [5; 32];
const SECRET: [u8; 10] = [8; 10];
/// The seat that is invited.
const NEW: SeatId = SeatId([0xe9; 16]);

fn code(world: &World, issuer: &SeatId) -> Code {
    let authority = world.authority();
    Code::new(
        SeatKind::Department,
        1_000,
        SECRET,
        &authority,
        issuer,
        "a:1",
    )
}

fn proof(world: &World, seat: SeatId, signer: u8, envelopes: &[&Envelope]) -> Proof {
    assert!(world.directory.identity(&CITY).is_some());
    Proof {
        seat,
        presence: presence::sign(&seat, &EXPORTER, &key(signer)),
        envelopes: envelopes.iter().map(|e| (*e).clone()).collect(),
    }
}

fn outcome(code: &Code, proof: &Proof) -> Result<Ref, NotProven> {
    check_proof(code, proof, &EXPORTER).map(|(directory, server)| {
        let known = directory.identity(&proof.seat).expect("it speaks");
        assert_eq!(known.reference(), server.reference());
        server.reference()
    })
}

#[test]
fn nothing_is_said_to_a_server_that_is_not_the_one_of_the_code() {
    let world = city_world();
    let chain = [&world.root, &world.city, &world.district];
    let code_ = code(&world, &DISTRICT);
    let check = |what: &str, proof: &Proof, expected| {
        assert_eq!(outcome(&code_, proof), expected, "{what}");
    };
    let good = proof(&world, DISTRICT, DISTRICT_KEY, &chain);
    let district = reference(&world.district);
    check("the chain", &good, Ok(district));
    let backwards = [&world.district, &world.city, &world.root];
    let backwards = proof(&world, DISTRICT, DISTRICT_KEY, &backwards);
    check("in another order", &backwards, Ok(district));
    let beside = [
        &world.other,
        &world.bureau,
        &world.root,
        &world.city,
        &world.district,
    ];
    let beside = proof(&world, DISTRICT, DISTRICT_KEY, &beside);
    check("with more", &beside, Ok(district));
    let authority = Err(NotProven::Authority);
    let no_root = proof(&world, DISTRICT, DISTRICT_KEY, &chain[1..]);
    check("no root", &no_root, authority);
    let other_root = signed_root(&root(1, Ref::ZERO, 1, &[1]), &[1]);
    let of_other = [&other_root, &world.city, &world.district];
    let of_other = proof(&world, DISTRICT, DISTRICT_KEY, &of_other);
    check("another root", &of_other, authority);
    let mut unsigned = world.root.clone();
    unsigned.signatures.truncate(1);
    let unsigned = [&unsigned, &world.city, &world.district];
    let unsigned = proof(&world, DISTRICT, DISTRICT_KEY, &unsigned);
    check("a root below its threshold", &unsigned, authority);
    let with_other = [&other_root, &world.root, &world.city, &world.district];
    let with_other = proof(&world, DISTRICT, DISTRICT_KEY, &with_other);
    check("the root behind another", &with_other, Ok(district));
    let by_other = proof(&world, OTHER, 12, &[&world.root, &world.city, &world.other]);
    check(
        "another admitted district",
        &by_other,
        Err(NotProven::AnotherSeat),
    );
    let identity = Err(NotProven::Identity);
    let gap = proof(
        &world,
        DISTRICT,
        DISTRICT_KEY,
        &[&world.root, &world.district],
    );
    check("a chain with a gap", &gap, identity);
    let mut forged = world.district.clone();
    forged.bytes.push(0);
    let forged = proof(
        &world,
        DISTRICT,
        DISTRICT_KEY,
        &[&world.root, &world.city, &forged],
    );
    check("a forged identity", &forged, identity);
    let called_back = revocation(DISTRICT, 1, reference(&world.city));
    let called_back = revoke(&called_back, &[CITY_KEY]);
    let called_back = [&world.root, &world.city, &world.district, &called_back];
    let called_back = proof(&world, DISTRICT, DISTRICT_KEY, &called_back);
    check("one that was called back", &called_back, identity);
    let thief = proof(&world, DISTRICT, THIEF, &chain);
    check("a server without the key", &thief, Err(NotProven::Presence));
    let mut elsewhere = good.clone();
    elsewhere.presence = presence::sign(&DISTRICT, &[6; 32], &key(DISTRICT_KEY));
    check(
        "of another connection",
        &elsewhere,
        Err(NotProven::Presence),
    );
    let bureau = [&world.root, &world.city, &world.district, &world.bureau];
    let bureau = proof(&world, BUREAU, BUREAU_KEY, &bureau);
    assert_eq!(
        outcome(&code(&world, &BUREAU), &bureau),
        Err(NotProven::AdmitsNobody)
    );
    let mut retired = world.next(&world.district);
    retired.admits = false;
    let retired = issue(&retired, &[CITY_KEY]);
    let retired = [&world.root, &world.city, &world.district, &retired];
    let retired = proof(&world, DISTRICT, DISTRICT_KEY, &retired);
    check(
        "one that admits no more",
        &retired,
        Err(NotProven::AdmitsNobody),
    );
    let city = proof(&world, CITY, CITY_KEY, &[&world.root, &world.city]);
    assert!(outcome(&code(&world, &CITY), &city).is_ok());
    // later root versions come along
    let next = signed_root(&root(2, reference(&world.root), 1, &[31]), &[1, 2, 31]);
    let later = [&next, &world.root, &world.city, &world.district];
    let later = proof(&world, DISTRICT, DISTRICT_KEY, &later);
    let (directory, _) = check_proof(&code_, &later, &EXPORTER).expect("it proves itself");
    assert_eq!(directory.root().reference(), reference(&next));
    let ask = code_.ask();
    assert_eq!((ask.secret, ask.kind), (SECRET, 3));
}

fn offer() -> Offer {
    Offer {
        seat: NEW,
        kind: SeatKind::Department,
        organisation: "370102.scjg".into(),
        title: "东区市场监管局".into(),
        jurisdiction: "370102".into(),
        node: DISTRICT,
        former: Ref::ZERO,
    }
}

#[test]
fn an_offer_is_for_the_kind_and_the_seat_that_are_here() {
    let world = city_world();
    let code = code(&world, &DISTRICT);
    assert_eq!(check_offer(&code, None, &offer()), Ok(()));
    assert_eq!(check_offer(&code, Some(NEW), &offer()), Ok(()));
    let another = OfferFault::AnotherSeat {
        own: BUREAU,
        offered: NEW,
    };
    assert_eq!(check_offer(&code, Some(BUREAU), &offer()), Err(another));
    let district = Offer {
        kind: SeatKind::District,
        ..offer()
    };
    assert_eq!(check_offer(&code, None, &district), Err(OfferFault::Kind));
}

fn invitation() -> Invitation {
    Invitation {
        secret_hash: secret_hash(&SECRET),
        kind: SeatKind::Department,
        expires_s: 1_000,
        revoked: false,
        key_hash: None,
    }
}

#[test]
fn an_ask_is_judged_before_anything_is_used_up() {
    #[track_caller]
    fn check(
        what: &str,
        edit: fn(&mut Invitation, &mut Ask),
        now_s: i64,
        expected: Result<(), u8>,
    ) {
        let mut invitation = invitation();
        let mut ask = Ask {
            secret: SECRET,
            kind: 3,
        };
        edit(&mut invitation, &mut ask);
        assert_eq!(
            judge_ask(Some(&invitation), &ask, now_s),
            expected,
            "{what}"
        );
    }
    check("in time", |_, _| {}, 1_000, Ok(()));
    check("too late", |_, _| {}, 1_001, Err(refused::EXPIRED));
    check(
        "called back",
        |i, _| i.revoked = true,
        0,
        Err(refused::REVOKED),
    );
    check("of another kind", |_, a| a.kind = 2, 0, Err(refused::KIND));
    check("of no kind", |_, a| a.kind = 0, 0, Err(refused::KIND));
    check(
        "of another secret",
        |_, a| a.secret = [9; 10],
        0,
        Err(refused::UNKNOWN),
    );
    let used: fn(&mut Invitation, &mut Ask) = |i, _| i.key_hash = Some(Hash([1; 32]));
    check("by who waits for a person", used, 1_001, Ok(()));
    let ask = Ask {
        secret: SECRET,
        kind: 3,
    };
    assert_eq!(judge_ask(None, &ask, 0), Err(refused::UNKNOWN));
}

fn good_request(world: &World, offer: &Offer, former: Option<u8>) -> Request {
    let former = former.map(key);
    newcomer::request(
        &code(world, &DISTRICT),
        offer,
        &world.directory,
        &EXPORTER,
        &keys(NEW_KEY),
        &key(NEW_KEY),
        former.as_ref(),
        &Wishes {
            title: String::new(),
            types: vec!["registration".into(), "permit".into()],
        },
    )
}

#[test]
fn a_request_proves_its_keys() {
    let world = city_world();
    let judge = |invitation: &Invitation, request: &Request| {
        let directory = &world.directory;
        judge_request(directory, invitation, &offer(), None, request, &EXPORTER)
    };
    let good = good_request(&world, &offer(), None);
    let check = |what: &str, edit: fn(&mut Request), expected| {
        let mut request = good.clone();
        edit(&mut request);
        assert_eq!(judge(&invitation(), &request), expected, "{what}");
    };
    check("good", |_| {}, Ok(FormerKeys::Same));
    check(
        "another secret",
        |r| r.secret[9] ^= 1,
        Err(refused::UNKNOWN),
    );
    let bad = Err(refused::PROOF);
    check("another seat", |r| r.seat = BUREAU, bad);
    check("no possession", |r| r.possession = Sigs::default(), bad);
    check(
        "possession for presence",
        |r| r.possession = r.presence.clone(),
        bad,
    );
    check("no presence", |r| r.presence = Sigs::default(), bad);
    check(
        "presence of another connection",
        |r| {
            r.presence = presence::sign(&NEW, &[6; 32], &key(NEW_KEY));
        },
        bad,
    );
    check(
        "presence by another key",
        |r| {
            r.presence = presence::sign(&NEW, &EXPORTER, &key(THIEF));
        },
        bad,
    );
    check("other keys", |r| r.keys = keys(THIEF), bad);
    check(
        "another seal key",
        |r| {
            r.keys = Keys::of(key(NEW_KEY).public(), Some([1; 32]));
        },
        bad,
    );
    check(
        "consent of nobody",
        |r| r.consent = r.possession.clone(),
        bad,
    );
    let used = |hash| Invitation {
        key_hash: Some(hash),
        ..invitation()
    };
    assert_eq!(
        judge(&used(good.keys.fingerprint()), &good),
        Ok(FormerKeys::Same),
        "again"
    );
    let another = Err(refused::ANOTHER_KEY);
    assert_eq!(judge(&used(keys(THIEF).fingerprint()), &good), another);
}

#[test]
fn a_node_must_have_a_seal_key() {
    let world = city_world();
    let plain = Keys::of(key(NEW_KEY).public(), None);
    let judged = |kind| {
        let request = newcomer::request(
            &code(&world, &CITY),
            &offer(),
            &world.directory,
            &EXPORTER,
            &plain,
            &key(NEW_KEY),
            None,
            &Wishes::default(),
        );
        let invitation = Invitation {
            kind,
            ..invitation()
        };
        let directory = &world.directory;
        judge_request(directory, &invitation, &offer(), None, &request, &EXPORTER)
    };
    assert_eq!(judged(SeatKind::Department), Ok(FormerKeys::Same));
    assert_eq!(judged(SeatKind::District), Err(refused::PROOF));
}

#[test]
fn former_keys_agree_are_silent_or_are_forged() {
    let world = city_world();
    let offer = Offer {
        seat: BUREAU,
        former: reference(&world.bureau),
        ..offer()
    };
    let bureau = world.directory.identity(&BUREAU).expect("it speaks");
    let judge = |former: Option<&VerifiedIdentity>, request: &Request| {
        let directory = &world.directory;
        judge_request(directory, &invitation(), &offer, former, request, &EXPORTER)
    };
    let of = |former: Option<u8>| good_request(&world, &offer, former);
    assert_eq!(
        judge(Some(bureau), &of(Some(BUREAU_KEY))),
        Ok(FormerKeys::Agree)
    );
    assert_eq!(judge(Some(bureau), &of(None)), Ok(FormerKeys::Silent));
    assert_eq!(judge(Some(bureau), &of(Some(THIEF))), Err(refused::PROOF));
    assert_eq!(judge(None, &of(Some(BUREAU_KEY))), Err(refused::PROOF));
    // the same keys again
    let same = |former: Option<u8>| {
        let former = former.map(key);
        newcomer::request(
            &code(&world, &DISTRICT),
            &offer,
            &world.directory,
            &EXPORTER,
            &keys(BUREAU_KEY),
            &key(BUREAU_KEY),
            former.as_ref(),
            &Wishes::default(),
        )
    };
    assert_eq!(judge(Some(bureau), &same(None)), Ok(FormerKeys::Same));
    assert_eq!(
        judge(Some(bureau), &same(Some(BUREAU_KEY))),
        Err(refused::PROOF)
    );
}

fn terms(world: &World) -> Terms {
    Terms {
        serial: 1,
        permitted: vec!["registration".into(), "permit".into(), "permit".into()],
        admits: false,
        reason: String::new(),
        binds_from: [BindsFrom::default(); 3],
        issuer: reference(&world.district),
    }
}

#[test]
fn what_was_offered_and_asked_becomes_an_identity() {
    let mut world = city_world();
    let request = good_request(&world, &offer(), None);
    let identity = compose(&offer(), &request, terms(&world));
    assert_eq!(identity.check(), Ok(()));
    assert_eq!(identity.permitted, ["permit", "registration"]);
    assert_eq!(identity.title, offer().title, "as offered");
    let named = Request {
        title: "登记库".into(),
        ..request
    };
    assert_eq!(compose(&offer(), &named, terms(&world)).title, "登记库");
    let admitted = world.take(&issue(&identity, &[DISTRICT_KEY]));
    assert!(!admitted.known);
    assert!(world.directory.identity(&NEW).is_some());
}

#[test]
fn an_approval_is_for_what_was_offered_and_asked() {
    let world = city_world();
    let chain = [&world.root, &world.city, &world.district];
    let code = code(&world, &DISTRICT);
    let proof = proof(&world, DISTRICT, DISTRICT_KEY, &chain);
    let (directory, _) = check_proof(&code, &proof, &EXPORTER).expect("it proves itself");
    let request = good_request(&world, &offer(), None);
    let base = compose(&offer(), &request, terms(&world));
    let approved = |code: &Code, offer: &Offer, keys: &Keys, envelopes: &[Envelope]| {
        check_approved(&directory, code, offer, keys, envelopes).map(|approved| {
            assert_eq!(approved.identity.identity().seat, offer.seat);
            let known = approved.directory.identity(&offer.seat).expect("it speaks");
            assert_eq!(known.reference(), approved.identity.reference());
        })
    };
    let good = issue(&base, &[DISTRICT_KEY]);
    let own = keys(NEW_KEY);
    assert_eq!(
        approved(&code, &offer(), &own, std::slice::from_ref(&good)),
        Ok(())
    );
    let whole = [good.clone(), world.district.clone(), world.root.clone()];
    assert_eq!(
        approved(&code, &offer(), &own, &whole),
        Ok(()),
        "with its chain"
    );
    let refused = |what: &str, identity: &Identity, signer: u8, expected| {
        let envelopes = [issue(identity, &[signer])];
        let found = approved(&code, &offer(), &own, &envelopes);
        assert_eq!(found, Err(expected), "{what}");
    };
    refused("signed by a thief", &base, THIEF, NotApproved::Identity);
    let of_another = Identity {
        seat: SeatId([0xe7; 16]),
        ..base.clone()
    };
    let of_another = crate::world::possessed(&of_another, world.authority(), NEW_KEY);
    refused(
        "of another seat",
        &of_another,
        DISTRICT_KEY,
        NotApproved::Identity,
    );
    let edited = |edit: fn(&mut Identity)| {
        let mut identity = base.clone();
        edit(&mut identity);
        identity
    };
    let organisation = edited(|i| i.organisation = "370102.wl".into());
    refused(
        "another organisation",
        &organisation,
        DISTRICT_KEY,
        NotApproved::Terms,
    );
    let town = edited(|i| i.jurisdiction = "370102001".into());
    refused(
        "another jurisdiction",
        &town,
        DISTRICT_KEY,
        NotApproved::Terms,
    );
    let rekeyed = Identity {
        keys: keys(THIEF),
        ..base.clone()
    };
    let rekeyed = crate::world::possessed(&rekeyed, world.authority(), THIEF);
    refused("other keys", &rekeyed, DISTRICT_KEY, NotApproved::Keys);
    let elsewhere = Offer {
        node: CITY,
        ..offer()
    };
    let found = approved(&code, &elsewhere, &own, std::slice::from_ref(&good));
    assert_eq!(found, Err(NotApproved::Terms), "another node");
    let for_district = Code {
        kind: SeatKind::District,
        ..code.clone()
    };
    let found = approved(&for_district, &offer(), &own, &[good]);
    assert_eq!(found, Err(NotApproved::Kind));
    assert_eq!(
        approved(&code, &offer(), &own, &[]),
        Err(NotApproved::Identity)
    );
}

#[test]
fn a_fingerprint_is_shown_in_groups() {
    let own = keys(NEW_KEY);
    let shown = newcomer::fingerprint(&own);
    assert_eq!(shown.len(), 24);
    let digits: String = shown.split(' ').collect();
    assert_eq!(digits, own.fingerprint().to_string()[..20]);
    assert!(shown.split(' ').all(|group| group.len() == 4));
}
