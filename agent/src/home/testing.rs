//! A small authority for tests: a root, a city, a district and a department that was admitted.

use protocol::directory::{Identity, Root, SeatKind};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Hash;
use protocol::name::SeatId;
use protocol::sign::{SigningKey, Suite};

use super::{Admission, Home};

pub(crate) const CITY: SeatId = SeatId([1; 16]);
pub(crate) const DISTRICT: SeatId = SeatId([2; 16]);
pub(crate) const DEPARTMENT: SeatId = SeatId([3; 16]);

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn identity(seat: SeatId, kind: SeatKind, issuer: SeatId, key: &SigningKey) -> Identity {
    Identity {
        seat,
        serial: 1,
        kind,
        title: format!("{kind:?}"),
        department: if kind == SeatKind::Department {
            "登记科"
        } else {
            ""
        }
        .to_owned(),
        jurisdiction: if kind == SeatKind::City {
            "310000"
        } else {
            "310101"
        }
        .to_owned(),
        key: key.public(),
        suite: Suite::Sha256Ed25519,
        permitted_types: vec!["registration".to_owned(), "refusal".to_owned()],
        admits: kind != SeatKind::Department,
        issuer,
    }
}

/// Admits the agent in `home`.
pub(crate) fn admit(home: &Home) -> Admission {
    let seed = home.signing_seed([9; 32]).expect("seed");
    let own = SigningKey::from_seed(&seed);
    let root_key = key(7);
    let root = Root {
        version: 1,
        former: Hash::ZERO,
        threshold: 1,
        keys: vec![root_key.public()],
    };
    let sign = |i: Identity, by: &SigningKey| Envelope::signed(kind::IDENTITY, 1, i.to_bytes(), by);
    let chain = [
        Envelope::signed(kind::ROOT, 1, root.to_bytes(), &root_key),
        sign(
            identity(CITY, SeatKind::City, SeatId::default(), &key(1)),
            &root_key,
        ),
        sign(
            identity(DISTRICT, SeatKind::District, CITY, &key(2)),
            &key(1),
        ),
        sign(
            identity(DEPARTMENT, SeatKind::Department, DISTRICT, &own),
            &key(2),
        ),
    ];
    home.write_admission(&chain, "127.0.0.1:1")
        .expect("written");
    home.admission().expect("admitted")
}
