//! The exchange's frames: what reads back, what is cut, what is refused.

use protocol::admission::exchange::{
    Ask, FromNewcomer, FromServer, Offer, Pending, Proof, Refused, Request,
};
use protocol::bytes::Malformed;
use protocol::envelope::Envelope;
use protocol::hash::Ref;
use protocol::limits;
use protocol::name::SeatId;
use protocol::sign::Sigs;
use protocol::statement::SeatKind;

use crate::world::{BUREAU, DISTRICT, city_world, keys, sigs, stray};

fn request() -> Request {
    Request {
        secret: [1; 10],
        seat: BUREAU,
        keys: keys(20),
        possession: sigs(&[(1, vec![1; 64])]),
        presence: sigs(&[(1, vec![2; 64])]),
        consent: Sigs::default(),
        title: "登记库".into(),
        types: vec!["registration".into(), "370102.*".into()],
    }
}

fn offer() -> Offer {
    Offer {
        seat: BUREAU,
        kind: SeatKind::Department,
        organisation: "370102.scjg".into(),
        title: "东区市场监管局".into(),
        jurisdiction: "370102".into(),
        node: DISTRICT,
        former: Ref::ZERO,
    }
}

fn envelope() -> Envelope {
    city_world().bureau
}

/// A frame reads back; no beginning of it does, and not with one byte more.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    frame: &T,
    bytes: &[u8],
    read: fn(&[u8]) -> Result<T, Malformed>,
) {
    assert_eq!(read(bytes).as_ref(), Ok(frame));
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "cut to {length}");
    }
    assert!(read(&[bytes, &[0]].concat()).is_err(), "one byte more");
}

fn newcomer(frame: &FromNewcomer) {
    check(frame, &frame.to_bytes(), FromNewcomer::from_bytes);
}

fn server(frame: &FromServer) {
    check(frame, &frame.to_bytes(), FromServer::from_bytes);
}

#[test]
fn what_a_newcomer_says_reads_back() {
    newcomer(&FromNewcomer::Greeting(2));
    newcomer(&FromNewcomer::Ask(Ask {
        secret: [9; 10],
        kind: 77,
    }));
    newcomer(&FromNewcomer::Request(request()));
    newcomer(&FromNewcomer::Request(Request {
        consent: sigs(&[(1, vec![3; 64]), (2, vec![1])]),
        title: String::new(),
        types: Vec::new(),
        ..request()
    }));
    newcomer(&FromNewcomer::Request(Request {
        title: "x".repeat(200),
        types: (0..64).map(|n| format!("{n:064}")).collect(),
        ..request()
    }));
    assert_eq!(FromNewcomer::Greeting(2).to_bytes(), [1, 2]);
    for frame in [vec![], vec![0], vec![4], vec![9, 9], vec![255]] {
        assert!(FromNewcomer::from_bytes(&frame).is_err(), "{frame:?}");
    }
}

/// A later version may say more in its greeting; it is answered that it is not spoken here.
#[test]
fn a_greeting_of_another_version_is_understood_as_such() {
    for bytes in [&[1, 1][..], &[1, 3], &[1, 3, 7, 7, 7]] {
        let read = FromNewcomer::from_bytes(bytes);
        assert_eq!(read, Ok(FromNewcomer::Greeting(bytes[1])));
    }
}

#[test]
fn a_request_has_bounds() {
    let refused = |edit: fn(&mut Request)| {
        let mut edited = request();
        edit(&mut edited);
        let bytes = FromNewcomer::Request(edited).to_bytes();
        assert!(FromNewcomer::from_bytes(&bytes).is_err());
    };
    refused(|r| r.types = vec![String::new()]);
    refused(|r| r.types = vec!["*".into()]);
    refused(|r| r.types = vec!["a\0".into()]);
    refused(|r| r.title = "a\0".into());
    // what is too long is cut by who says it, and refused by who reads it
    let long = FromNewcomer::Request(Request {
        title: "长".repeat(100),
        types: vec!["x".repeat(70); 70],
        ..request()
    });
    let Ok(FromNewcomer::Request(read)) = FromNewcomer::from_bytes(&long.to_bytes()) else {
        panic!("it was cut");
    };
    assert_eq!(read.title, "长".repeat(66));
    assert_eq!(read.types, vec!["x".repeat(64); 64]);
    let base = FromNewcomer::Request(Request {
        title: String::new(),
        types: Vec::new(),
        ..request()
    });
    let base = base.to_bytes();
    let behind = base.len() - 3;
    let with = |tail: &[u8]| FromNewcomer::from_bytes(&[&base[..behind], tail].concat()).is_ok();
    assert!(with(&[0, 0, 0]));
    assert!(with(&[&[0, 200][..], &[b'x'; 200], &[0]].concat()));
    assert!(
        !with(&[&[0, 201][..], &[b'x'; 201], &[0]].concat()),
        "title"
    );
    let types = |n: u8| {
        let mut tail = vec![0, 0, n];
        (0..n).for_each(|_| tail.extend_from_slice(&[1, b'x']));
        tail
    };
    assert!(with(&types(64)));
    assert!(!with(&types(65)), "types");
    assert!(!with(&[&[0, 0, 1, 65][..], &[b'x'; 65]].concat()), "a type");
}

#[test]
fn what_a_server_says_reads_back() {
    let proof = |n: usize| {
        FromServer::Proof(Proof {
            seat: DISTRICT,
            presence: sigs(&[(1, vec![2; 64])]),
            envelopes: vec![envelope(); n],
        })
    };
    server(&proof(1));
    server(&proof(3));
    server(&FromServer::Offer(offer()));
    server(&FromServer::Offer(Offer {
        kind: SeatKind::City,
        title: "x".repeat(200),
        former: stray(1),
        ..offer()
    }));
    server(&FromServer::Approved(vec![envelope(), envelope()]));
    for again_after_s in [1, 60] {
        server(&FromServer::Pending(Pending {
            again_after_s,
            text: "等待区管理员确认".into(),
        }));
    }
    for code in [0, 1, 9, 255] {
        server(&FromServer::Refused(Refused {
            code,
            reason: "接入码已使用".into(),
            contact: "x".repeat(1_000),
        }));
    }
    for frame in [
        vec![],
        vec![0],
        vec![1, 2],
        vec![3],
        vec![5],
        vec![9],
        vec![255],
    ] {
        assert!(FromServer::from_bytes(&frame).is_err(), "{frame:?}");
    }
}

#[test]
fn a_proof_and_an_approval_carry_1_to_256_good_envelopes() {
    // the least envelope
    let least = Envelope::signed(1, 1, Vec::new(), &crate::world::key(1));
    let of = |n: usize| FromServer::Approved(vec![least.clone(); n]).to_bytes();
    assert!(FromServer::from_bytes(&of(1)).is_ok());
    assert!(FromServer::from_bytes(&of(256)).is_ok());
    assert!(FromServer::from_bytes(&of(257)).is_err());
    assert!(FromServer::from_bytes(&of(0)).is_err());
    let mut damaged = of(1);
    // code, count, length, name suite
    damaged[1 + 2 + 4] = 0;
    assert!(FromServer::from_bytes(&damaged).is_err());
}

#[test]
fn an_offer_has_bounds() {
    let refused = |edit: fn(&mut Offer)| {
        let mut edited = offer();
        edit(&mut edited);
        let bytes = FromServer::Offer(edited.clone()).to_bytes();
        assert!(FromServer::from_bytes(&bytes).is_err(), "{edited:?}");
    };
    refused(|o| o.seat = SeatId::default());
    refused(|o| o.node = SeatId::default());
    refused(|o| o.organisation = "370102".into());
    refused(|o| o.title.clear());
    refused(|o| o.title = "x".repeat(201));
    refused(|o| o.title = "\0".into());
    refused(|o| o.jurisdiction = "*".into());
    refused(|o| o.former.suite = 1);
    let mut kind = FromServer::Offer(offer()).to_bytes();
    kind[17] = 4;
    assert!(FromServer::from_bytes(&kind).is_err());
}

#[test]
fn answers_have_bounds() {
    for seconds in [0u16, 61, u16::MAX] {
        let pending = FromServer::Pending(Pending {
            again_after_s: seconds,
            text: String::new(),
        });
        assert!(
            FromServer::from_bytes(&pending.to_bytes()).is_err(),
            "{seconds}"
        );
    }
    let text = |n: u16| {
        let mut bytes = vec![7, 0, 1];
        bytes.extend_from_slice(&n.to_be_bytes());
        bytes.extend(std::iter::repeat_n(b'x', usize::from(n)));
        FromServer::from_bytes(&bytes).is_ok()
    };
    assert!(text(1_000) && !text(1_001));
    let long = FromServer::Refused(Refused {
        code: 1,
        reason: "长".repeat(400),
        contact: String::new(),
    });
    let Ok(FromServer::Refused(read)) = FromServer::from_bytes(&long.to_bytes()) else {
        panic!("it was cut");
    };
    assert_eq!(read.reason, "长".repeat(333));
}

/// What would colour or move about in a terminal is gone.
#[test]
fn texts_to_people_carry_no_control_characters() {
    let refused = FromServer::Refused(Refused {
        code: 1,
        reason: "接入码已使用\u{1b}[31m".into(),
        contact: "0000\r\n1234\u{9b}".into(),
    });
    let expected = FromServer::Refused(Refused {
        code: 1,
        reason: "接入码已使用[31m".into(),
        contact: "00001234".into(),
    });
    assert_eq!(FromServer::from_bytes(&refused.to_bytes()), Ok(expected));
    let offered = Offer {
        title: "登\u{7}记库".into(),
        ..offer()
    };
    let read = FromServer::from_bytes(&FromServer::Offer(offered).to_bytes());
    let expected = Offer {
        title: "登记库".into(),
        ..offer()
    };
    assert_eq!(read, Ok(FromServer::Offer(expected)));
}

#[test]
fn a_frame_over_the_bound_is_not_read() {
    let greeting = |length: usize| {
        let mut bytes = vec![0; length];
        (bytes[0], bytes[1]) = (1, 3);
        FromNewcomer::from_bytes(&bytes).is_ok()
    };
    assert!(greeting(limits::EXCHANGE_BYTES_MAX));
    assert!(!greeting(limits::EXCHANGE_BYTES_MAX + 1));
    let big = Envelope::signed(1, 1, vec![0; 65_000], &crate::world::key(1));
    let approved =
        |n| FromServer::from_bytes(&FromServer::Approved(vec![big.clone(); n]).to_bytes());
    assert!(approved(1).is_ok());
    assert!(approved(2).is_err());
}

#[test]
fn secrets_stand_in_no_log() {
    let ask = Ask {
        secret: [213; 10],
        kind: 3,
    };
    let secret = Request {
        secret: [213; 10],
        ..request()
    };
    for shown in [format!("{ask:?}"), format!("{secret:?}")] {
        assert!(!shown.contains("213"), "{shown}");
        assert!(shown.contains('3') || shown.contains("登记库"), "{shown}");
    }
    assert!(format!("{secret:?}").contains("登记库"));
}
