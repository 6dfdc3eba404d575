//! Vectors of the frames of admission, and of what each side makes of the other's.

use protocol::admission::code::Code;
use protocol::admission::exchange::{
    Ask, FromNewcomer, FromServer, Offer, Pending, Proof, Request, VERSION, refused as codes,
};
use protocol::admission::{newcomer, secret_hash};
use protocol::envelope::Envelope;
use protocol::hash::{Hash, Ref};
use protocol::name::SeatId;
use protocol::presence;
use protocol::sign::{Keys, Sigs};
use protocol::statement::{SeatKind, possession_hash};

use crate::json::{Json, hex, list, number, object, text};
use crate::refused::{self, Edit, Refused};
use crate::sample::{self, City, DEPARTMENT, DISTRICT};

const EXPORTER: [u8; 32] = [0x33; 32];

fn keys_shown(keys: &Keys) -> Json {
    list(keys.all(), |k| {
        Json::List(vec![number(k.suite), number(k.key_use), hex(&k.bytes)])
    })
}

fn sigs_shown(sigs: &Sigs) -> Json {
    list(sigs.all(), |(suite, b)| {
        Json::List(vec![number(*suite), hex(b)])
    })
}

fn envelopes(all: &[Envelope]) -> Json {
    list(all, |e| hex(e.to_bytes()))
}

fn proof(city: &City) -> Proof {
    Proof {
        seat: DISTRICT,
        presence: presence::sign(&DISTRICT, &EXPORTER, &city.district_key),
        envelopes: vec![city.root.clone(), city.city.clone(), city.district.clone()],
    }
}

fn offer() -> Offer {
    Offer {
        seat: DEPARTMENT,
        kind: SeatKind::Department,
        organisation: "310115.scjg".into(),
        title: "东区市场监管局 登记库".into(),
        jurisdiction: "310115".into(),
        node: DISTRICT,
        former: Ref::ZERO,
    }
}

fn request(city: &City) -> Request {
    let keys = Keys::of(city.department_key.public(), None);
    let authority = city.directory.authority();
    let possession = possession_hash(&DEPARTMENT, &authority, &keys);
    Request {
        secret: std::array::from_fn(|n| 255 - n as u8),
        seat: DEPARTMENT,
        possession: Sigs::of(city.department_key.sign(&possession)),
        presence: presence::sign(&DEPARTMENT, &EXPORTER, &city.department_key),
        consent: Sigs::default(),
        title: String::new(),
        types: vec!["registration".into(), "310115.*".into()],
        keys,
    }
}

fn renewal(city: &City) -> Request {
    let keys = Keys::of(sample::key(20).public(), None);
    let authority = city.directory.authority();
    let possession = possession_hash(&DEPARTMENT, &authority, &keys);
    Request {
        possession: Sigs::of(sample::key(20).sign(&possession)),
        presence: presence::sign(&DEPARTMENT, &EXPORTER, &sample::key(20)),
        consent: Sigs::of(city.department_key.sign(&possession)),
        title: "登记库".into(),
        types: Vec::new(),
        keys,
        ..request(city)
    }
}

type Members = Vec<(&'static str, Json)>;

fn request_shown(r: &Request) -> Members {
    vec![
        ("secret", hex(r.secret)),
        ("seat", hex(r.seat.0)),
        ("keys", keys_shown(&r.keys)),
        ("possession", sigs_shown(&r.possession)),
        ("presence", sigs_shown(&r.presence)),
        ("consent", sigs_shown(&r.consent)),
        ("title", text(&r.title)),
        ("types", list(&r.types, text)),
    ]
}

fn from_newcomer(frame: &FromNewcomer) -> Members {
    match frame {
        FromNewcomer::Greeting(version) => vec![("version", number(*version))],
        FromNewcomer::Ask(a) => vec![("secret", hex(a.secret)), ("kind", number(a.kind))],
        FromNewcomer::Request(r) => request_shown(r),
    }
}

fn from_server(frame: &FromServer) -> Members {
    match frame {
        FromServer::Proof(p) => vec![
            ("seat", hex(p.seat.0)),
            ("presence", sigs_shown(&p.presence)),
            ("envelopes", envelopes(&p.envelopes)),
        ],
        FromServer::Offer(o) => vec![
            ("seat", hex(o.seat.0)),
            ("kind", number(o.kind as u8)),
            ("organisation", text(&o.organisation)),
            ("title", text(&o.title)),
            ("jurisdiction", text(&o.jurisdiction)),
            ("node", hex(o.node.0)),
            ("former", hex(o.former.to_bytes())),
        ],
        FromServer::Approved(all) => vec![("envelopes", envelopes(all))],
        FromServer::Pending(p) => vec![
            ("again_after", number(p.again_after_s)),
            ("words", text(&p.text)),
        ],
        FromServer::Refused(r) => vec![
            ("code", number(r.code)),
            ("reason", text(&r.reason)),
            ("contact", text(&r.contact)),
        ],
    }
}

fn frame(what: &str, from: &'static str, bytes: Vec<u8>, reads: Members) -> Json {
    let mut members = vec![("number", number(bytes[0]))];
    members.extend(reads);
    object([
        ("what", text(what)),
        ("from", text(from)),
        ("reads", Json::Object(members)),
        ("bytes", hex(bytes)),
    ])
}

pub fn exchange_file() -> Json {
    let city = sample::city();
    let newcomer = |what, f: FromNewcomer| {
        let bytes = f.to_bytes();
        assert_eq!(FromNewcomer::from_bytes(&bytes).as_ref(), Ok(&f), "{what}");
        frame(what, "newcomer", bytes, from_newcomer(&f))
    };
    let server = |what, f: FromServer| {
        let bytes = f.to_bytes();
        assert_eq!(FromServer::from_bytes(&bytes).as_ref(), Ok(&f), "{what}");
        frame(what, "server", bytes, from_server(&f))
    };
    let ask = Ask {
        secret: std::array::from_fn(|n| 255 - n as u8),
        kind: 3,
    };
    let pending = Pending {
        again_after_s: 60,
        text: "等待东区市场监管局审核".into(),
    };
    let refusal = protocol::admission::exchange::Refused {
        code: codes::ANOTHER_KEY,
        reason: "接入码已被另一密钥使用".into(),
        contact: "信息中心 12345".into(),
    };
    let renewed = Offer {
        former: sample::reference(&city.department),
        ..offer()
    };
    let approved = vec![
        city.root.clone(),
        city.city.clone(),
        city.district.clone(),
        city.department.clone(),
    ];
    let mut later = FromNewcomer::Greeting(3).to_bytes();
    later.extend([1, 2, 3]);
    assert_eq!(
        FromNewcomer::from_bytes(&later),
        Ok(FromNewcomer::Greeting(3))
    );
    let frames = vec![
        newcomer("greeting", FromNewcomer::Greeting(VERSION)),
        server("proof", FromServer::Proof(proof(&city))),
        newcomer("ask", FromNewcomer::Ask(ask)),
        server("offer", FromServer::Offer(offer())),
        server("offer to a seat that is known", FromServer::Offer(renewed)),
        newcomer("request", FromNewcomer::Request(request(&city))),
        newcomer(
            "request with new keys",
            FromNewcomer::Request(renewal(&city)),
        ),
        server("approved", FromServer::Approved(approved)),
        server("pending", FromServer::Pending(pending)),
        server("refused", FromServer::Refused(refusal)),
    ];
    Json::Object(vec![
        ("frames", Json::List(frames)),
        (
            "later_greetings",
            list([later], |bytes| {
                object([
                    ("unjudged_envelope", hex(&bytes[2..])),
                    ("bytes", hex(&bytes[..2])),
                    ("version", number(3u8)),
                ])
            }),
        ),
        ("proofs", Json::List(proofs(&city))),
        ("requests", Json::List(requests(&city))),
        refused::listed(refused(&city)),
    ])
}

/// What a newcomer says to a proof: the words for why it does not hold.
fn proofs(city: &City) -> Vec<Json> {
    let authority = city.directory.authority();
    let code = |authority: &Ref, issuer: &SeatId| {
        Code::new(SeatKind::Department, 0, [1; 10], authority, issuer, "a:1")
    };
    let good = code(&authority, &DISTRICT);
    let bent = {
        let mut proof = proof(city);
        proof.presence = presence::sign(&DISTRICT, &[0x34; 32], &city.district_key);
        proof
    };
    let without = |at: usize| {
        let mut proof = proof(city);
        proof.envelopes.remove(at);
        proof
    };
    let department = Proof {
        seat: DEPARTMENT,
        presence: presence::sign(&DEPARTMENT, &EXPORTER, &city.department_key),
        envelopes: vec![
            city.department.clone(),
            city.district.clone(),
            city.city.clone(),
            city.root.clone(),
        ],
    };
    let mut backwards = proof(city);
    backwards.envelopes.reverse();
    let cases = [
        ("it holds", proof(city), good.clone()),
        ("in another order it holds, too", backwards, good.clone()),
        (
            "another authority",
            proof(city),
            code(&Ref::of(Hash([9; 32])), &DISTRICT),
        ),
        ("no root version", without(0), good.clone()),
        (
            "another seat than the issuer's",
            proof(city),
            code(&authority, &SeatId([7; 16])),
        ),
        ("its chain is not whole", without(1), good.clone()),
        ("no identity", without(2), good.clone()),
        (
            "it admits nobody",
            department,
            code(&authority, &DEPARTMENT),
        ),
        ("presence on another connection", bent, good),
    ];
    cases
        .into_iter()
        .map(|(what, proof, code)| {
            let word = match newcomer::check_proof(&code, &proof, &EXPORTER) {
                Ok(_) => "holds",
                Err(newcomer::NotProven::Authority) => "authority",
                Err(newcomer::NotProven::AnotherSeat) => "another seat",
                Err(newcomer::NotProven::Identity) => "identity",
                Err(newcomer::NotProven::AdmitsNobody) => "admits nobody",
                Err(newcomer::NotProven::Presence) => "presence",
            };
            let bytes = FromServer::Proof(proof).to_bytes();
            let member = if word == "holds" {
                "proof"
            } else {
                "unjudged_envelope"
            };
            object([
                ("what", text(what)),
                ("authority_text", text(hex_text(&code.authority))),
                ("issuer_text", text(hex_text(&code.issuer))),
                ("exporter_text", text(hex_text(&EXPORTER))),
                (member, hex(bytes)),
                ("answer", text(word)),
            ])
        })
        .collect()
}

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a server says to a request: 0 if it holds, else the code of its refusal.
fn requests(city: &City) -> Vec<Json> {
    use protocol::admission::server::{FormerKeys, Invitation, judge_request};
    let good = request(city);
    let former = city
        .directory
        .identity(&DEPARTMENT)
        .expect("of our own")
        .clone();
    let fresh = Invitation {
        secret_hash: secret_hash(&good.secret),
        kind: SeatKind::Department,
        expires_s: 0,
        revoked: false,
        key_hash: None,
    };
    let bound = |keys: &Keys| Invitation {
        key_hash: Some(keys.fingerprint()),
        ..fresh.clone()
    };
    let changed = |edit: &dyn Fn(&mut Request)| {
        let mut request = renewal(city);
        edit(&mut request);
        request
    };
    let renewed = renewal(city);
    let cases: Vec<(&str, Request, Invitation, bool)> = vec![
        ("a new seat", good.clone(), fresh.clone(), false),
        ("the same keys again", good.clone(), bound(&good.keys), true),
        (
            "used by another key",
            good.clone(),
            bound(&renewed.keys),
            false,
        ),
        (
            "new keys with consent",
            renewed.clone(),
            fresh.clone(),
            true,
        ),
        (
            "new keys without consent",
            changed(&|r| r.consent = Sigs::default()),
            fresh.clone(),
            true,
        ),
        ("consent of nobody", renewed.clone(), fresh.clone(), false),
        (
            "consent by another key",
            changed(&|r| r.consent = r.possession.clone()),
            fresh.clone(),
            true,
        ),
        (
            "another secret",
            changed(&|r| r.secret[0] ^= 1),
            fresh.clone(),
            true,
        ),
        (
            "another seat",
            changed(&|r| r.seat = DISTRICT),
            fresh.clone(),
            true,
        ),
        (
            "no possession",
            changed(&|r| r.possession = Sigs::default()),
            fresh.clone(),
            true,
        ),
        (
            "possession by another key",
            changed(&|r| r.possession = r.consent.clone()),
            fresh.clone(),
            true,
        ),
        (
            "presence on another connection",
            changed(&|r| {
                r.presence = presence::sign(&DEPARTMENT, &[0x34; 32], &sample::key(20));
            }),
            fresh.clone(),
            true,
        ),
        (
            "a node without a seal key",
            good,
            Invitation {
                kind: SeatKind::District,
                ..fresh
            },
            false,
        ),
    ];
    cases
        .into_iter()
        .map(|(what, request, invitation, known)| {
            let judged = judge_request(
                &city.directory,
                &invitation,
                &offer(),
                known.then_some(&former),
                &request,
                &EXPORTER,
            );
            let (code, consent) = match judged {
                Ok(FormerKeys::Same) => (0, "same keys"),
                Ok(FormerKeys::Agree) => (0, "agreed"),
                Ok(FormerKeys::Silent) => (0, "not agreed"),
                Err(code) => (code, "none"),
            };
            let used_by = invitation
                .key_hash
                .map_or("nobody".to_owned(), |h| h.to_string());
            let former = known.then(|| hex_of_keys(&former.identity().keys));
            let wishes = (text(&request.title), list(&request.types, text));
            object([
                ("what", text(what)),
                (
                    "authority_text",
                    text(hex_text(&city.directory.authority().to_bytes())),
                ),
                ("exporter_text", text(hex_text(&EXPORTER))),
                ("secret_hash_text", text(invitation.secret_hash.to_string())),
                ("kind", number(invitation.kind as u8)),
                ("seat_text", text(DEPARTMENT.to_string())),
                ("used_by_text", text(used_by)),
                ("former_text", text(former.unwrap_or_default())),
                (
                    if code == 0 {
                        "request"
                    } else {
                        "unjudged_envelope"
                    },
                    hex(FromNewcomer::Request(request).to_bytes()),
                ),
                ("title", wishes.0),
                ("types", wishes.1),
                ("code", number(code)),
                ("consent", text(consent)),
            ])
        })
        .collect()
}

fn hex_of_keys(keys: &Keys) -> String {
    let mut bytes = Vec::new();
    keys.put(&mut bytes);
    hex_text(&bytes)
}

fn refused(city: &City) -> Vec<Refused> {
    let mut out = refused_newcomers(city);
    out.extend(refused_servers(city));
    out
}

fn refused_newcomers(city: &City) -> Vec<Refused> {
    let edits: [Edit<Request>; 3] = [
        ("a type that is none", "form", |r| r.types[0] = "*".into()),
        ("an empty type", "form", |r| r.types[0].clear()),
        ("a title with U+0000", "text", |r| r.title = "a\0".into()),
    ];
    let write = |r: &Request| FromNewcomer::Request(r.clone()).to_bytes();
    let mut out = refused::edits("from a newcomer", &request(city), write, &edits);
    let bytes = write(&request(city));
    let edited = |at: usize, with: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    // number, secret, seat, then keys
    let keys = 1 + 10 + 16;
    let long_title = {
        let mut request = request(city);
        request.title = "x".repeat(200);
        let mut bytes = write(&request);
        let at = bytes
            .windows(4)
            .position(|w| w == b"xxxx")
            .expect("the title");
        bytes[at - 1] = 201;
        bytes.insert(at, b'x');
        bytes
    };
    out.extend(refused::of(
        "from a newcomer",
        vec![
            ("nothing", "end", vec![]),
            ("number 0", "form", vec![0, 2]),
            ("a server's number", "form", vec![8, 1, 0, 0, 0, 0]),
            ("a greeting with a byte more", "more", vec![1, 2, 0]),
            ("a greeting without version", "end", vec![1]),
            ("an ask without kind", "end", [&[3][..], &[1; 10]].concat()),
            (
                "an ask with a byte more",
                "more",
                [&[3][..], &[1; 12]].concat(),
            ),
            ("no key", "bound", edited(keys, &[0])),
            ("a key of use 3", "form", edited(keys + 2, &[3])),
            ("a key of small order", "key", edited(keys + 4, &[0; 32])),
            ("a title of 201 bytes", "bound", long_title),
            ("65 types", "bound", {
                let at = bytes.len() - 1 - 9 - 13;
                assert_eq!(bytes[at], 2, "the number of types");
                edited(at, &[65])
            }),
        ],
    ));
    out
}

fn refused_servers(city: &City) -> Vec<Refused> {
    let edits: [Edit<Offer>; 8] = [
        ("an offer of the zero seat", "zero", |o| {
            o.seat = SeatId::default()
        }),
        ("an offer of the zero node", "zero", |o| {
            o.node = SeatId::default()
        }),
        ("an offer without organisation", "form", |o| {
            o.organisation.clear()
        }),
        ("an offer without title", "bound", |o| o.title.clear()),
        ("an offer of a title of 201 bytes", "bound", |o| {
            o.title = "x".repeat(201)
        }),
        ("an offer without jurisdiction", "form", |o| {
            o.jurisdiction.clear()
        }),
        ("an offer of half a former identity", "zero", |o| {
            o.former.suite = 1
        }),
        ("an offer of a title with U+0000", "text", |o| {
            o.title = "a\0".into()
        }),
    ];
    let write = |o: &Offer| FromServer::Offer(o.clone()).to_bytes();
    let mut out = refused::edits("from a server", &offer(), write, &edits);
    let mut kind = write(&offer());
    kind[17] = 4;
    let pending = |seconds: u16| [&[7][..], &seconds.to_be_bytes(), &[0, 0]].concat();
    let long = [&[8, 1, 3, 0xe9][..], &[b'x'; 1001], &[0, 0]].concat();
    let proof = FromServer::Proof(proof(city)).to_bytes();
    // number, seat, one signature of suite 1
    let count = 1 + 16 + 1 + 2 + 64;
    let mut none = proof[..count].to_vec();
    none.extend([0, 0]);
    let mut many = proof[..count].to_vec();
    many.extend([1, 1]);
    let mut broken = proof.clone();
    // the first envelope's name suite
    broken[count + 2 + 4] = 0;
    out.extend(refused::of(
        "from a server",
        vec![
            ("a newcomer's number", "form", vec![1, 2]),
            ("number 9", "form", vec![9]),
            ("an offer of kind 4", "form", kind),
            ("again after 0 s", "bound", pending(0)),
            ("again after 61 s", "bound", pending(61)),
            ("a reason of 1,001 bytes", "bound", long),
            ("a reason with U+0000", "text", vec![8, 1, 0, 1, 0, 0, 0]),
            ("refused without contact", "end", vec![8, 1, 0, 0]),
            ("a proof of nothing", "bound", none),
            ("a proof of 257 envelopes", "bound", many),
            ("a proof with a broken envelope", "form", broken),
            ("an approval of nothing", "bound", vec![6, 0, 0]),
        ],
    ));
    out
}
