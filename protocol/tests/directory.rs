//! Who may say what about whom: statements that the directory must not take up, receipts and hellos that nobody may
//! believe.

mod sample;

use protocol::codec;
use protocol::directory::presence;
use protocol::directory::{
    Admitted, Directory, DirectoryError, EpochOpening, Identity, LogName, Root, SeatKind,
};
use protocol::envelope::{Envelope, Signature, kind};
use protocol::frame::{Frame, Hello, Presence};
use protocol::hash::Hash;
use protocol::name::{Epoch, FeedId, InstanceId, Lane, SeatId};
use protocol::receipt::{self, Receipt, ReceiptFault};
use protocol::session::{Config, Session};
use protocol::sign::SigningKey;

use sample::{CITY, City, DEPARTMENT, DISTRICT};

fn read(envelope: &Envelope) -> Identity {
    Identity::from_bytes(&envelope.bytes).expect("an identity of the sample")
}

fn stated(identity: &Identity, key: &SigningKey) -> Envelope {
    Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), key)
}

/// Whether the directory takes a statement up; one that it does not take changes nothing.
#[track_caller]
fn check(what: &str, city: &City, envelope: &Envelope, taken: bool) {
    let mut directory = city.directory.clone();
    let admitted = directory.admit(envelope);
    assert_eq!(admitted.is_ok(), taken, "{what}: {admitted:?}");
    for seat in [CITY, DISTRICT, DEPARTMENT] {
        let (before, after) = (city.directory.identity(&seat), directory.identity(&seat));
        assert_eq!(
            before == after,
            !taken || read(envelope).seat != seat,
            "{what}: {seat}"
        );
    }
}

#[test]
fn a_seat_is_restated_only_by_who_admitted_it() {
    let city = sample::city();
    let other_key = SigningKey::from_seed(&[9; 32]);
    let other = Identity {
        seat: SeatId([0xd2; 16]),
        jurisdiction: "310101".into(),
        key: other_key.public(),
        ..read(&city.district)
    };
    let mut with_other = sample::city();
    with_other
        .directory
        .admit(&stated(&other, &city.city_key))
        .expect("the city admits a second district");
    let department = read(&city.department);
    let next = Identity {
        serial: 2,
        key: other_key.public(),
        ..department.clone()
    };
    check(
        "the next serial by its district",
        &with_other,
        &stated(&next, &city.district_key),
        true,
    );
    let by_city = Identity {
        issuer: CITY,
        ..next.clone()
    };
    check(
        "the next serial by the city",
        &with_other,
        &stated(&by_city, &city.city_key),
        true,
    );
    let by_other = |seat| Identity {
        seat,
        serial: 7,
        jurisdiction: "310101".into(),
        issuer: other.seat,
        ..next.clone()
    };
    for seat in [DEPARTMENT, DISTRICT, CITY, other.seat] {
        check(
            "a seat of others",
            &with_other,
            &stated(&by_other(seat), &other_key),
            false,
        );
    }
    let fresh = by_other(SeatId([0xe9; 16]));
    check(
        "a new seat of its own",
        &with_other,
        &stated(&fresh, &other_key),
        true,
    );
    check(
        "not signed by its issuer",
        &with_other,
        &stated(&fresh, &city.district_key),
        false,
    );
    let elsewhere = Identity {
        jurisdiction: "310115".into(),
        ..fresh.clone()
    };
    check(
        "outside of its jurisdiction",
        &with_other,
        &stated(&elsewhere, &other_key),
        false,
    );
    let admitting = Identity {
        admits: true,
        ..fresh
    };
    check(
        "a department that admits",
        &with_other,
        &stated(&admitting, &other_key),
        false,
    );
    let nobody = by_other(SeatId::default());
    check(
        "the zero seat",
        &with_other,
        &stated(&nobody, &other_key),
        false,
    );
    let of_another_kind = Identity {
        kind: SeatKind::District,
        issuer: CITY,
        ..next.clone()
    };
    check(
        "of another kind",
        &with_other,
        &stated(&of_another_kind, &city.city_key),
        false,
    );
    let again = Identity {
        title: "另一名称".into(),
        ..department
    };
    check(
        "the same serial with other content",
        &with_other,
        &stated(&again, &city.district_key),
        false,
    );
    let by_department = Identity {
        seat: SeatId([0xe8; 16]),
        issuer: DEPARTMENT,
        ..next
    };
    check(
        "by a department",
        &with_other,
        &stated(&by_department, &city.department_key),
        false,
    );
}

#[test]
fn a_root_needs_its_threshold_of_different_keys() {
    let keys: Vec<SigningKey> = (1..=2).map(|n| SigningKey::from_seed(&[n; 32])).collect();
    let root = |threshold, public: &[usize], signers: &[usize]| {
        let root = Root {
            version: 1,
            former: Hash::ZERO,
            threshold,
            keys: public.iter().map(|k| keys[*k].public()).collect(),
        };
        let mut envelope = Envelope::signed(kind::ROOT, 1, root.to_bytes(), &keys[signers[0]]);
        for signer in &signers[1..] {
            envelope.signatures.push(Signature {
                suite: 1,
                key: keys[*signer].public().0.to_vec(),
                bytes: keys[*signer].sign(&envelope.hash()).to_vec(),
            });
        }
        let hash = envelope.hash();
        Directory::trusting(&envelope, &hash.0).is_ok()
    };
    assert!(root(1, &[0], &[0]));
    assert!(root(2, &[0, 1], &[0, 1]));
    assert!(!root(2, &[0, 1], &[0]));
    assert!(!root(2, &[0, 1], &[0, 0]), "one key signs once");
    assert!(!root(2, &[0, 0], &[0, 0]), "one key counts once");
    assert!(!root(1, &[0], &[1]));
    let city = sample::city();
    let mut wrong = city.root.hash().0;
    wrong[19] ^= 1;
    assert!(Directory::trusting(&city.root, &wrong[..20]).is_err());
    assert!(Directory::trusting(&city.root, &city.root.hash().0[..15]).is_err());
}

#[test]
fn an_epoch_is_opened_once_and_by_its_seat() {
    let mut city = sample::city();
    assert_eq!(
        city.directory.admit(&city.opening_envelope),
        Ok(Admitted::Known)
    );
    let opened = |opening: &EpochOpening, key: &SigningKey| {
        Envelope::signed(kind::OPENING, 1, opening.to_bytes(), key)
    };
    let twin = EpochOpening {
        instance: InstanceId([7; 16]),
        ..city.opening.clone()
    };
    assert_eq!(
        city.directory.admit(&opened(&twin, &city.department_key)),
        Err(DirectoryError::Fork(city.opening_envelope.hash()))
    );
    let next = EpochOpening {
        epoch: Epoch {
            counter: 2,
            nonce: [8; 16],
        },
        ..city.opening.clone()
    };
    assert_eq!(
        city.directory.admit(&opened(&next, &city.district_key)),
        Err(DirectoryError::BadSignature)
    );
    let others = EpochOpening {
        seat: DISTRICT,
        ..next.clone()
    };
    assert!(matches!(
        city.directory.admit(&opened(&others, &city.department_key)),
        Err(DirectoryError::NotPermitted(_))
    ));
    assert_eq!(
        city.directory.admit(&opened(&next, &city.department_key)),
        Ok(Admitted::Opening(DEPARTMENT))
    );
}

#[test]
fn receipts_come_from_nodes() {
    let city = sample::city();
    let receipt = |node| Receipt {
        log: LogName {
            seat: DEPARTMENT,
            lane: Lane::Records,
            opening: city.opening_envelope.hash(),
        },
        durable: (0, Hash::ZERO),
        safeguarded: (0, Hash::ZERO),
        node,
        incarnation: FeedId([1; 16]),
        at: sample::INSTANT,
    };
    let verifies =
        |node, key: &SigningKey| receipt::verify(&city.directory, &receipt(node).sign(key)).is_ok();
    assert!(verifies(DISTRICT, &city.district_key));
    assert!(verifies(CITY, &city.city_key));
    assert!(!verifies(CITY, &city.district_key), "signed by another");
    assert!(
        !verifies(DEPARTMENT, &city.department_key),
        "a department holds nothing for others"
    );
    assert!(
        !verifies(SeatId([0xee; 16]), &city.district_key),
        "of nobody known"
    );
    let of_log = |seat, node, key: &SigningKey| {
        let mut receipt = receipt(node);
        receipt.log.seat = seat;
        receipt::verify(&city.directory, &receipt.sign(key))
    };
    assert_eq!(
        of_log(CITY, DISTRICT, &city.district_key),
        Err(ReceiptFault::NotAHolder(DISTRICT, CITY)),
        "a district does not hold in full what lies outside of its jurisdiction"
    );
    assert!(of_log(DISTRICT, DISTRICT, &city.district_key).is_ok());
    let mut far = receipt(CITY);
    far.safeguarded.0 = u64::MAX;
    assert!(
        matches!(
            receipt::verify(&city.directory, &far.sign(&city.city_key)),
            Err(ReceiptFault::Malformed(_))
        ),
        "a position that no store keeps"
    );
}

/// A proof of presence is good for its connection, so a peer could say ours back to us: it is not taken for us.
#[test]
fn our_own_hello_said_back_is_refused() {
    let city = sample::city();
    let exporter = [3; 32];
    let hello = |seat: SeatId, key: &SigningKey| Hello {
        frame_min: 1,
        frame_max: 1,
        instance: seat.0,
        feed: seat.0,
        seats: vec![Presence {
            seat: seat.0,
            signature: key.sign(&presence(&exporter, &seat)),
        }],
        directory: Vec::new(),
    };
    let session = || {
        let config = Config {
            hello: hello(CITY, &city.city_key),
            window: 1 << 20,
            retransmit: None,
        };
        Session::new(config, 0)
    };
    let mut ours = session();
    let said = ours.poll_transmit(0).expect("it greets").bytes;
    assert!(ours.handle_frame(0, &said).is_err());
    let mut ours = session();
    let theirs = hello(DISTRICT, &city.district_key);
    let frame = codec::encode(&Frame::Hello(theirs.clone()));
    assert!(ours.handle_frame(0, &frame).is_ok());
    let mut directory = city.directory.clone();
    assert!(theirs.verify(&mut directory, &exporter).is_ok());
    assert!(theirs.verify(&mut directory, &[4; 32]).is_err());
    let stranger = hello(CITY, &city.district_key);
    assert!(stranger.verify(&mut directory, &exporter).is_err());
}
