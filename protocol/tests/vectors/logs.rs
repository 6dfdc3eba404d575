//! Vectors of logs: judging headers, what is next, what is whole, what a body adds to what is held.
//! Long because each rule has its case.

use protocol::batch::{Header, LogState};
use protocol::blame::{Blame, judge_unread};
use protocol::envelope::{Envelope, kind};
use protocol::hash::{Hash, Ref};
use protocol::name::{Lane, SeatId};
use protocol::sign::SigningKey;
use protocol::slice::{self, HeaderFault, Parts};
use protocol::statement::{
    BindsFrom, EpochOpening, Erasure, ErasureItem, ForkDecision, Forked, Identity, Revocation,
    RevokedLog,
};

use crate::batches;
use crate::json::{Json, flag, hex, number, text};
use crate::sample::{self, CITY, City, DEPARTMENT, DISTRICT, reference};
use crate::scene::{Base, Scene, header_word};

fn base(city: &City) -> Base {
    Base::of(
        &[
            ("city", CITY),
            ("district", DISTRICT),
            ("department", DEPARTMENT),
            ("nobody", SeatId([0xee; 16])),
            ("zero", SeatId::default()),
        ],
        &[
            ("root", &city.root),
            ("city", &city.city),
            ("district", &city.district),
            ("department", &city.department),
            ("opening 1", &city.opening_envelope),
        ],
    )
}

pub fn logs() -> Json {
    let city = sample::city();
    let base = base(&city);
    let cases = vec![
        headers(&base, &city),
        malformed_headers(&base, &city),
        rotated(&base, &city),
        called_back(&base, &city),
        decided(&base, &city),
        contested(&base, &city),
        identities_contested(&base, &city),
        next(&base, &city),
        bodies(&base, &city),
        whole(&base, &city),
        additions(&base, &city),
    ];
    base.file(cases)
}

fn sign(header: &Header, key: &SigningKey) -> Envelope {
    Envelope::signed(kind::HEADER, 1, header.to_bytes(), key)
}

/// The first header of the department's log.
fn first(city: &City) -> Header {
    let (_, sealed) = sample::batches(city).swap_remove(0);
    Header::from_bytes(&sealed.header.bytes).expect("a header of our own")
}

fn ask_header(s: &mut Scene, what: &str, envelope: &Envelope) {
    let (answer, blame, reason) = match slice::verify_header(&s.directory, envelope) {
        Ok(_) => ("stands".to_owned(), "nobody", 0),
        Err(fault) => {
            let answer = match &fault {
                HeaderFault::Malformed(_) => "malformed".to_owned(),
                HeaderFault::Unread => s.unread(judge_unread(&s.directory, envelope)),
                HeaderFault::UnknownIdentity(_) => "identity unknown".into(),
                HeaderFault::UnknownOpening(_) => "opening unknown".into(),
                HeaderFault::BadSignature(_) => "signature".into(),
                HeaderFault::Origin { .. } => "may not be".into(),
                HeaderFault::Disowned { .. } => "no word of the seat's".into(),
                HeaderFault::DoesNotCount { standing, .. } => header_word(*standing),
            };
            let blame = match (&fault, fault.blame()) {
                (HeaderFault::Unread, _) if answer.starts_with("relay") => "relay",
                (_, Blame::Relay) => "relay",
                (_, Blame::Origin) => "origin",
                (_, Blame::Nobody) => "nobody",
            };
            (answer, blame, fault.reason().unwrap_or(0))
        }
    };
    let unjudged = blame == "relay"
        || ["identity unknown", "nobody: cannot be checked"].contains(&answer.as_str());
    let member = if unjudged {
        "unjudged_envelope"
    } else {
        "envelope"
    };
    let members = vec![
        ("what", text(what)),
        (member, hex(envelope.to_bytes())),
        ("blame", text(blame)),
        ("reason", number(reason)),
    ];
    s.ask("header", members, text(answer));
}

fn headers(base: &Base, city: &City) -> Scene {
    let mut s = base.case("whose word a header is");
    let good = first(city);
    let key = &city.department_key;
    ask_header(&mut s, "of its seat", &sign(&good, key));
    ask_header(&mut s, "by another key", &sign(&good, &city.district_key));
    let both = Envelope::signed_by(kind::HEADER, 1, good.to_bytes(), &[key, &sample::key(99)]);
    let dropped = slice::verify_header(&s.directory, &both).expect("stands");
    assert_eq!(dropped.envelope(), &sign(&good, key));
    let mut bent = sign(&good, key);
    bent.signatures[0].bytes[3] ^= 1;
    ask_header(&mut s, "with a bent signature", &bent);
    let with = |edit: fn(&mut Header)| {
        let mut header = good.clone();
        edit(&mut header);
        header
    };
    let unknown = with(|h| h.identity = Ref::of(Hash([7; 32])));
    ask_header(&mut s, "under an unknown identity", &sign(&unknown, key));
    let under_root = Header {
        identity: reference(&city.root),
        ..good.clone()
    };
    ask_header(
        &mut s,
        "under a root version",
        &sign(&under_root, &city.root_key),
    );
    let elsewhere = with(|h| h.opening = Ref::of(Hash([7; 32])));
    ask_header(&mut s, "in an unknown epoch", &sign(&elsewhere, key));
    let under_district = Header {
        identity: reference(&city.district),
        ..good.clone()
    };
    ask_header(
        &mut s,
        "under another seat's identity, by that seat",
        &sign(&under_district, &city.district_key),
    );
    let both = Envelope::signed_by(
        kind::HEADER,
        1,
        under_district.to_bytes(),
        &[key, &city.district_key],
    );
    ask_header(&mut s, "under another seat's identity, by both", &both);
    let opening = Envelope::signed(kind::OPENING, 1, good.to_bytes(), key);
    ask_header(&mut s, "as another kind", &opening);
    let format_2 = Envelope::signed(kind::HEADER, 2, good.to_bytes(), key);
    ask_header(&mut s, "of format 2", &format_2);
    let format_2 = Envelope::signed(kind::HEADER, 2, good.to_bytes(), &sample::key(99));
    ask_header(&mut s, "of format 2, by a stranger", &format_2);
    let mut lane_4 = good.to_bytes();
    lane_4[16] = 4;
    ask_header(
        &mut s,
        "of lane 4",
        &Envelope::signed(kind::HEADER, 1, lane_4, key),
    );
    s
}

fn malformed_headers(base: &Base, city: &City) -> Scene {
    let mut s = base.case("headers that may not be");
    let good = first(city);
    let key = &city.department_key;
    let mut ask = |what: &str, edit: fn(&mut Header)| {
        let mut header = good.clone();
        edit(&mut header);
        ask_header(&mut s, what, &sign(&header, key));
        ask_header(
            &mut s,
            &format!("{what}, by a stranger"),
            &sign(&header, &sample::key(99)),
        );
    };
    ask("another counter", |h| h.counter = 2);
    ask("an opening of another suite", |h| h.opening.suite = 2);
    ask("another root", |h| h.root = Hash([7; 32]));
    let mut lane_3 = good.to_bytes();
    lane_3[16] = 3;
    ask_header(
        &mut s,
        "lane 3",
        &Envelope::signed(kind::HEADER, 1, lane_3, key),
    );
    let mut longer = good.to_bytes();
    longer.push(0);
    ask_header(
        &mut s,
        "a byte too many",
        &Envelope::signed(kind::HEADER, 1, longer, key),
    );
    let short = good.to_bytes()[..120].to_vec();
    ask_header(
        &mut s,
        "too short to say whose",
        &Envelope::signed(kind::HEADER, 1, short, key),
    );
    let own = EpochOpening {
        seat: DISTRICT,
        identity: reference(&city.district),
        ..city.opening.clone()
    };
    let own = Envelope::signed(kind::OPENING, 1, own.to_bytes(), &city.district_key);
    s.say("the district's opening", &own);
    let of_district = Header {
        opening: reference(&own),
        ..good
    };
    ask_header(&mut s, "in another seat's epoch", &sign(&of_district, key));
    s
}

fn rekeyed(city: &City) -> Identity {
    let mut next = Identity::from_bytes(&city.department.bytes).expect("of our own");
    next.serial = 2;
    next.binds_from = [BindsFrom {
        counter: 1,
        sequence: 2,
    }; 3];
    sample::with_keys(&mut next, &sample::key(20), &city.directory.authority());
    next.consent = {
        let hash = protocol::statement::possession_hash(
            &next.seat,
            &city.directory.authority(),
            &next.keys,
        );
        protocol::sign::Sigs::of(city.department_key.sign(&hash))
    };
    next
}

fn issue(identity: &Identity, city: &City) -> Envelope {
    Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), &city.district_key)
}

fn rotated(base: &Base, city: &City) -> Scene {
    let mut s = base.case("after a change of keys");
    let identity = issue(&rekeyed(city), city);
    s.say("department 2", &identity);
    let (header, key) = (first(city), &city.department_key);
    let second = Header {
        sequence: 2,
        ..header.clone()
    };
    let under = |header: &Header| Header {
        identity: reference(&identity),
        ..header.clone()
    };
    ask_header(&mut s, "1 under the former serial", &sign(&header, key));
    ask_header(
        &mut s,
        "1 under the new serial",
        &sign(&under(&header), &sample::key(20)),
    );
    ask_header(&mut s, "2 under the former serial", &sign(&second, key));
    ask_header(
        &mut s,
        "2 under the new serial",
        &sign(&under(&second), &sample::key(20)),
    );
    ask_header(
        &mut s,
        "2 under the new serial by the former key",
        &sign(&under(&second), key),
    );
    s
}

fn revocation(city: &City, logs: Vec<RevokedLog>) -> Envelope {
    let called_back = Revocation {
        seat: DEPARTMENT,
        serial: 1,
        through: 1,
        logs,
        standing: Vec::new(),
        code: 1,
        reason: String::new(),
        issuer: reference(&city.city),
    };
    Envelope::signed(kind::REVOCATION, 1, called_back.to_bytes(), &city.city_key)
}

fn called_back(base: &Base, city: &City) -> Scene {
    let mut s = base.case("of a seat that is called back at its second header");
    let all = sample::batches(city);
    let second = Header::from_bytes(&all[1].1.header.bytes).expect("of our own");
    let last = protocol::name::Position {
        sequence: 2,
        header: all[1].1.reference,
    };
    s.say(
        "called back",
        &revocation(
            city,
            vec![RevokedLog {
                lane: 2,
                opening: reference(&city.opening_envelope),
                last,
            }],
        ),
    );
    let key = &city.department_key;
    for (n, (_, sealed)) in all.iter().enumerate() {
        ask_header(&mut s, &format!("header {}", n + 1), &sealed.header);
    }
    let beside = Header {
        history: Hash([9; 32]),
        ..second
    };
    ask_header(&mut s, "another second header", &sign(&beside, key));
    let below = Header {
        history: Hash([9; 32]),
        ..first(city)
    };
    ask_header(&mut s, "another first header", &sign(&below, key));
    let other_lane = Header {
        lane: Lane::Cases,
        ..first(city)
    };
    ask_header(
        &mut s,
        "of a log that is not listed",
        &sign(&other_lane, key),
    );
    let bad = Header {
        root: Hash([7; 32]),
        ..first(city)
    };
    ask_header(&mut s, "one that may not be", &sign(&bad, key));
    s
}

fn decided(base: &Base, city: &City) -> Scene {
    let mut s = base.case("two headers at one position, of which one was decided for");
    let (header, key) = (first(city), &city.department_key);
    let other = Header {
        history: Hash([9; 32]),
        ..header.clone()
    };
    let (a, b) = (sign(&header, key), sign(&other, key));
    ask_header(&mut s, "one, before", &a);
    ask_header(&mut s, "the other, before", &b);
    let decision = ForkDecision {
        seat: DEPARTMENT,
        serial: 1,
        place: Forked::Header {
            lane: 2,
            opening: reference(&city.opening_envelope),
            sequence: 1,
        },
        survivor: reference(&b),
        others: vec![reference(&a)],
        reason: String::new(),
        issuer: reference(&city.city),
    };
    let decision = Envelope::signed(kind::FORK_DECISION, 1, decision.to_bytes(), &city.city_key);
    s.say("for the other", &decision);
    ask_header(&mut s, "one, after", &a);
    ask_header(&mut s, "the other, after", &b);
    s
}

fn contested(base: &Base, city: &City) -> Scene {
    let mut s = base.case("under two openings of one counter");
    let other = EpochOpening {
        nonce: [0xb; 16],
        ..city.opening.clone()
    };
    let other = Envelope::signed(kind::OPENING, 1, other.to_bytes(), &city.department_key);
    s.say("another opening 1", &other);
    let (header, key) = (first(city), &city.department_key);
    ask_header(&mut s, "under the one", &sign(&header, key));
    let under_other = Header {
        opening: reference(&other),
        previous: reference(&other),
        ..header.clone()
    };
    ask_header(&mut s, "under the other", &sign(&under_other, key));
    let next = EpochOpening {
        counter: 2,
        void: vec![reference(&other)],
        ..city.opening.clone()
    };
    let next = Envelope::signed(kind::OPENING, 1, next.to_bytes(), key);
    s.say("opening 2, without the other", &next);
    ask_header(&mut s, "under the one, afterwards", &sign(&header, key));
    ask_header(
        &mut s,
        "under the other, afterwards",
        &sign(&under_other, key),
    );
    let far = EpochOpening {
        counter: 4,
        ..city.opening.clone()
    };
    let far = Envelope::signed(kind::OPENING, 1, far.to_bytes(), key);
    s.say("opening 4", &far);
    let under_far = Header {
        counter: 4,
        opening: reference(&far),
        previous: reference(&far),
        ..header
    };
    ask_header(&mut s, "under a counter too far", &sign(&under_far, key));
    s
}

fn identities_contested(base: &Base, city: &City) -> Scene {
    let mut s = base.case("under one of two identities of one serial");
    let next = rekeyed(city);
    let other = Identity {
        title: "另一单位".into(),
        ..next.clone()
    };
    let (a, b) = (issue(&next, city), issue(&other, city));
    s.say("department 2a", &a);
    s.say("department 2b", &b);
    let second = Header {
        sequence: 2,
        identity: reference(&a),
        ..first(city)
    };
    ask_header(&mut s, "by the new key", &sign(&second, &sample::key(20)));
    let wrong = Header {
        root: Hash([7; 32]),
        ..second.clone()
    };
    ask_header(
        &mut s,
        "one that may not be, by the new key",
        &sign(&wrong, &sample::key(20)),
    );
    let under_first = Header {
        identity: reference(&city.department),
        ..second
    };
    ask_header(
        &mut s,
        "by the former key",
        &sign(&under_first, &city.department_key),
    );
    s
}

/// What comes next in a log, given the headers before.
fn next(base: &Base, city: &City) -> Scene {
    let mut s = base.case("what is next in a log");
    let all = sample::batches(city);
    let headers: Vec<Header> = all
        .iter()
        .map(|(_, sealed)| Header::from_bytes(&sealed.header.bytes).expect("of our own"))
        .collect();
    let state = |n: usize| {
        let opening = reference(&city.opening_envelope);
        let mut state = LogState::start(&city.opening, opening, Lane::Records);
        for (_, sealed) in &all[..n] {
            state.advance(sealed.reference);
        }
        state
    };
    let mut ask = |what: &str, before: usize, header: &Header| {
        let answer = flag(state(before).expects(header));
        let held: Vec<String> = all[..before]
            .iter()
            .map(|(_, sealed)| digits(&sealed.reference.to_bytes()))
            .collect();
        let members = vec![
            ("what", text(what)),
            ("held_text", text(held.join(" "))),
            ("opening", text("opening 1")),
            ("header_text", text(digits(&header.to_bytes()))),
        ];
        s.ask("next", members, answer);
    };
    ask("the first", 0, &headers[0]);
    ask("the second", 1, &headers[1]);
    ask("the third", 2, &headers[2]);
    ask("the third after the first", 1, &headers[2]);
    ask("the first again", 1, &headers[0]);
    let with = |edit: fn(&mut Header)| {
        let mut header = headers[1].clone();
        edit(&mut header);
        header
    };
    ask(
        "another previous",
        1,
        &with(|h| h.previous = Ref::of(Hash([9; 32]))),
    );
    ask("another history", 1, &with(|h| h.history = Hash([9; 32])));
    ask("another lane", 1, &with(|h| h.lane = Lane::Cases));
    ask("another counter", 1, &with(|h| h.counter = 2));
    s
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Bodies whose groups give their roots, and what of them is the origin's fault.
fn bodies(base: &Base, city: &City) -> Scene {
    let mut s = base.case("bodies of headers that were sealed wrongly");
    for what in batches::FORGED {
        let (envelope, body) = batches::forged(city, what);
        let header = slice::verify_header(&s.directory, &envelope).expect("well signed");
        let answer = match slice::verify(header, body.clone()) {
            Ok(_) => "verifies",
            Err(fault) => match fault.blame() {
                Blame::Origin => "origin",
                _ => "relay",
            },
        };
        let members = vec![
            ("what", text(what)),
            ("envelope", hex(envelope.to_bytes())),
            ("body", hex(&body)),
        ];
        s.ask("body", members, text(answer));
    }
    s
}

fn erase(city: &City, items: Vec<ErasureItem>) -> Envelope {
    let erasure = Erasure {
        seat: DEPARTMENT,
        items,
        code: 3,
        text: String::new(),
        issuer: reference(&city.city),
    };
    Envelope::signed(kind::ERASURE, 1, erasure.to_bytes(), &city.city_key)
}

fn ask_whole(s: &mut Scene, what: &str, envelope: &Envelope, body: &[u8]) {
    let header = slice::verify_header(&s.directory, envelope).expect("well signed");
    let (log, sequence) = (header.header().log(), header.header().sequence);
    let verified = slice::verify(header, body.to_vec()).expect("verifies");
    let directory = s.directory.clone();
    let erased = |index: u32, leaf: &Hash, section: u8| {
        directory.is_erased(&log, sequence, index, leaf, section)
    };
    let whole = verified.is_whole(&erased);
    let members = vec![
        ("what", text(what)),
        ("envelope", hex(envelope.to_bytes())),
        ("body", hex(body)),
        ("every_leaf", flag(verified.has_every_leaf())),
    ];
    s.ask("whole", members, flag(whole));
}

fn whole(base: &Base, city: &City) -> Scene {
    let mut s = base.case("what is whole");
    let (_, sealed) = sample::batches(city).swap_remove(2);
    let (envelope, body) = (&sealed.header, &sealed.body);
    let header = slice::verify_header(&s.directory, envelope).expect("well signed");
    let leaves = {
        let verified = slice::verify(header.clone(), body.clone()).expect("verifies");
        verified.leaves().to_vec()
    };
    let cut = |positions: &[u32], keep: u16| {
        slice::cut(header.header(), body, positions, |_| keep).expect("can be cut")
    };
    // section 3 of both entries closed, and the word for why
    let withheld = cut(&[0, 1], 0xfff7);
    let said = |why: u8| {
        let mut said = withheld.clone();
        for at in 0..said.len() - 1 {
            if said[at] == 3 && said[at + 1] == 1 {
                said[at + 1] = why;
            }
        }
        said
    };
    ask_whole(&mut s, "everything open", envelope, body);
    ask_whole(&mut s, "a leaf is missing", envelope, &cut(&[0], 0xffff));
    ask_whole(&mut s, "withheld", envelope, &withheld);
    ask_whole(&mut s, "compacted", envelope, &said(2));
    ask_whole(&mut s, "erased, says the sender", envelope, &said(3));
    let item = |index: u32, leaf: Hash| ErasureItem {
        lane: 2,
        opening: reference(&city.opening_envelope),
        sequence: 3,
        index,
        leaf,
        mask: 0b1000,
    };
    s.say("of one of the two", &erase(city, vec![item(0, leaves[0])]));
    ask_whole(&mut s, "one of two is erased", envelope, &said(3));
    s.say(
        "of another leaf",
        &erase(city, vec![item(1, Hash([9; 32]))]),
    );
    ask_whole(&mut s, "an erasure names another leaf", envelope, &said(3));
    s.say(
        "of both",
        &erase(city, vec![item(0, leaves[0]), item(1, leaves[1])]),
    );
    ask_whole(&mut s, "both are erased", envelope, &said(3));
    ask_whole(
        &mut s,
        "both are erased, says an erasure, withheld says the sender",
        envelope,
        &withheld,
    );
    ask_whole(&mut s, "open, though erased", envelope, body);
    s
}

/// What a body adds to what is held.
fn additions(base: &Base, city: &City) -> Scene {
    let mut s = base.case("what a body adds");
    let (_, sealed) = sample::batches(city).swap_remove(2);
    let header = slice::verify_header(&s.directory, &sealed.header).expect("well signed");
    let body = sealed.body.clone();
    let cut = |positions: &[u32], keep: u16| {
        slice::cut(header.header(), &body, positions, |_| keep).expect("can be cut")
    };
    type Addition = (&'static str, Option<Vec<u8>>, Vec<u8>, u16);
    let cases: Vec<Addition> = vec![
        ("to nothing", None, body.clone(), 0),
        ("the same again", Some(body.clone()), body.clone(), 0),
        ("less than is held", Some(body.clone()), cut(&[1], 1), 0),
        ("another leaf", Some(cut(&[0], 0xffff)), body.clone(), 0),
        ("sections", Some(cut(&[0, 1], 0b11)), body.clone(), 0),
        (
            "other sections",
            Some(cut(&[0, 1], 0b11)),
            cut(&[0], 0b1101),
            0,
        ),
        (
            "sections that are erased",
            Some(cut(&[0, 1], 0b0111_1111_1111_0111)),
            cut(&[0, 1], 0b1000_0000_0000_1001),
            0x8008,
        ),
        (
            "to nothing, with a section that is erased",
            None,
            body.clone(),
            0b1000,
        ),
    ];
    for (what, held, new, mask) in cases {
        let erased = |_: u32, _: &Hash, section: u8| mask & (1 << section) != 0;
        let parts = held.as_ref().map_or(Parts::default(), |held| {
            Parts::of(header.header(), held).expect("a body of ours")
        });
        let verified = slice::verify(header.clone(), new.clone()).expect("verifies");
        let adds = verified.adding(&parts, &erased).expect("can be chosen");
        let members = vec![
            ("what", text(what)),
            ("envelope", hex(sealed.header.to_bytes())),
            ("held", held.map_or(text("nothing"), hex)),
            ("body", hex(new)),
            ("erased", number(mask)),
        ];
        s.ask("adds", members, adds.map_or(text("nothing"), hex));
    }
    s
}
