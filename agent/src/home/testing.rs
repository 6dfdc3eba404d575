//! A small authority for tests: a root, a city, two districts and a department that was admitted by the first of them, or by
//! the city.

use protocol::directory::Directory;
use protocol::envelope::{Envelope, kind};
use protocol::hash::Ref;
use protocol::name::SeatId;
use protocol::sign::{Keys, SigningKey, Sigs};
use protocol::statement::{Identity, Revocation, RevokedLog, Root, SeatKind, possession_hash};

use super::{Admission, Home};

pub(crate) const CITY: SeatId = SeatId([1; 16]);
pub(crate) const DISTRICT: SeatId = SeatId([2; 16]);
pub(crate) const DEPARTMENT: SeatId = SeatId([3; 16]);
/// A district that has nothing to do with the department.
pub(crate) const OTHER: SeatId = SeatId([4; 16]);
/// Seeds of keys.
pub(crate) const CITY_KEY: u8 = 1;
pub(crate) const DISTRICT_KEY: u8 = 2;
pub(crate) const OTHER_KEY: u8 = 4;
const ROOT_KEY: u8 = 7;

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub(crate) fn reference(envelope: &Envelope) -> Ref {
    envelope.reference().expect("of a suite that is read")
}

pub(crate) fn root() -> Envelope {
    let root = Root::of(1, Ref::ZERO, 1, &[key(ROOT_KEY).public()]);
    Envelope::signed(kind::ROOT, 1, root.to_bytes(), &key(ROOT_KEY))
}

/// An identity of the first serial, signed by its issuer.
pub(crate) fn identity(
    seat: SeatId,
    seat_kind: SeatKind,
    node: SeatId,
    own: &SigningKey,
    issuer: &Envelope,
    by: &SigningKey,
) -> Envelope {
    let is_node = seat_kind.is_node();
    let (organisation, title, jurisdiction) = match (seat, seat_kind) {
        (_, SeatKind::City) => ("310000.zx", "示范市", "310000"),
        (OTHER, _) => ("310104.zx", "徐汇区", "310104"),
        (_, SeatKind::District) => ("310101.zx", "黄浦区", "310101"),
        (_, SeatKind::Department) => ("310101.scjg", "黄浦区市场监管局 登记科", "310101"),
    };
    let mut identity = Identity {
        seat,
        serial: 1,
        kind: seat_kind,
        organisation: organisation.to_owned(),
        title: title.to_owned(),
        jurisdiction: jurisdiction.to_owned(),
        node,
        keys: Keys::of(own.public(), is_node.then_some([seat.0[0]; 32])),
        possession: Sigs::default(),
        consent: Sigs::default(),
        reason: String::new(),
        permitted: match is_node {
            true => Vec::new(),
            false => vec!["refusal".to_owned(), "registration".to_owned()],
        },
        admits: is_node,
        binds_from: Default::default(),
        issuer: reference(issuer),
    };
    let possession = possession_hash(&seat, &reference(&root()), &identity.keys);
    identity.possession = Sigs::of(own.sign(&possession));
    Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), by)
}

pub(crate) fn city() -> Envelope {
    let root_key = key(ROOT_KEY);
    identity(
        CITY,
        SeatKind::City,
        CITY,
        &key(CITY_KEY),
        &root(),
        &root_key,
    )
}

/// A district of the city.
pub(crate) fn district(seat: SeatId, own: u8) -> Envelope {
    let city_key = key(CITY_KEY);
    identity(
        seat,
        SeatKind::District,
        seat,
        &key(own),
        &city(),
        &city_key,
    )
}

/// The city calls the department back, with nothing of it standing.
pub(crate) fn revocation(admission: &Admission) -> Envelope {
    let revocation = Revocation {
        seat: DEPARTMENT,
        serial: 1,
        through: admission.own().serial,
        logs: Vec::<RevokedLog>::new(),
        standing: Vec::new(),
        code: 1,
        reason: "钥匙丢失".to_owned(),
        issuer: reference(&city()),
    };
    Envelope::signed(kind::REVOCATION, 1, revocation.to_bytes(), &key(CITY_KEY))
}

/// Admits the agent in `home` to the district.
pub(crate) fn admit(home: &Home) -> Admission {
    admit_to(home, DISTRICT)
}

/// Admits the agent in `home` to a node.
pub(crate) fn admit_to(home: &Home, node: SeatId) -> Admission {
    let seed = home.signing_seed([9; 32]).expect("seed");
    let own = SigningKey::from_seed(&seed);
    let (issuer, by) = match node {
        CITY => (city(), CITY_KEY),
        _ => (district(DISTRICT, DISTRICT_KEY), DISTRICT_KEY),
    };
    let department = identity(
        DEPARTMENT,
        SeatKind::Department,
        node,
        &own,
        &issuer,
        &key(by),
    );
    let mut chain = vec![root(), city()];
    chain.extend((node == DISTRICT).then_some(issuer));
    chain.push(department);
    home.write_admission(&chain, "127.0.0.1:1")
        .expect("written");
    home.admission().expect("admitted")
}

/// A directory that knows these beside the root.
pub(crate) fn directory(of: &[Envelope]) -> Directory {
    let mut directory = Directory::trusting(&root(), &root().hash().0).expect("the root");
    for envelope in of {
        directory.admit(envelope).expect("a statement");
    }
    directory
}
