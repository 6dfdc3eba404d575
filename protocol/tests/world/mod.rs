//! A small city made from fixed seeds, for tests about who may say what: a root of two of three keys, a city, two districts,
//! a bureau with an open epoch. Asserts nothing.
#![allow(
    dead_code,
    reason = "each test program that takes this in uses another part of it"
)]

use protocol::directory::{Admitted, Directory, StatementFault};
use protocol::envelope::{Envelope, Signature, kind};
use protocol::hash::{Hash, Ref, object};
use protocol::name::{InstanceId, Lane, LogName, Position, SeatId};
use protocol::sign::{Key, Keys, SigningKey, Sigs, key_use};
use protocol::statement::{
    BindsFrom, EpochOpening, Identity, Revocation, RevokedLog, Root, SeatKind, possession_hash,
};

pub const CITY: SeatId = SeatId([0xc1; 16]);
pub const DISTRICT: SeatId = SeatId([0xd1; 16]);
pub const OTHER: SeatId = SeatId([0xd2; 16]);
pub const BUREAU: SeatId = SeatId([0xe1; 16]);
pub const NOBODY: SeatId = SeatId([0xee; 16]);

// seeds of keys
pub const ROOT: [u8; 3] = [1, 2, 3];
pub const CITY_KEY: u8 = 10;
pub const DISTRICT_KEY: u8 = 11;
pub const OTHER_KEY: u8 = 12;
pub const BUREAU_KEY: u8 = 13;
pub const NEW_KEY: u8 = 20;
pub const THIEF: u8 = 21;

pub struct World {
    pub root: Envelope,
    pub city: Envelope,
    pub district: Envelope,
    pub other: Envelope,
    pub bureau: Envelope,
    pub opening: Envelope,
    pub directory: Directory,
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn reference(envelope: &Envelope) -> Ref {
    envelope.reference().expect("of the suite that is read")
}

/// Some reference that nothing has.
pub fn stray(n: u8) -> Ref {
    Ref::of(Hash([n; 32]))
}

pub fn at(sequence: u64) -> Position {
    Position {
        sequence,
        header: stray(sequence as u8),
    }
}

pub fn keys(seed: u8) -> Keys {
    Keys::of(key(seed).public(), Some([seed; 32]))
}

/// Keys of two suites. Nobody here computes the second.
pub fn keys_of_two_suites(seed: u8) -> Keys {
    let key = |suite, bytes: &[u8]| Key {
        suite,
        key_use: key_use::SIGN,
        bytes: bytes.to_vec(),
    };
    let keys = vec![key(1, &key_of(seed)), key(2, &[seed; 65])];
    Keys::new(keys).expect("keys of two suites")
}

fn key_of(seed: u8) -> [u8; 32] {
    key(seed).public().0
}

/// Signatures as bytes say them.
pub fn sigs(all: &[(u8, Vec<u8>)]) -> Sigs {
    let mut bytes = vec![all.len() as u8];
    for (suite, signature) in all {
        bytes.push(*suite);
        bytes.push(signature.len() as u8);
        bytes.extend_from_slice(signature);
    }
    let mut r = protocol::bytes::Reader::new(&bytes, "signatures");
    Sigs::read(&mut r).expect("signatures")
}

pub fn signed(kind: u8, bytes: Vec<u8>, seeds: &[u8]) -> Envelope {
    let keys: Vec<SigningKey> = seeds.iter().map(|seed| key(*seed)).collect();
    Envelope::signed_by(kind, 1, bytes, &keys.iter().collect::<Vec<_>>())
}

pub fn root(version: u32, former: Ref, threshold: u8, seeds: &[u8]) -> Root {
    let keys: Vec<_> = seeds.iter().map(|seed| key(*seed).public()).collect();
    Root::of(version, former, threshold, &keys)
}

pub fn signed_root(root: &Root, seeds: &[u8]) -> Envelope {
    signed(kind::ROOT, root.to_bytes(), seeds)
}

/// Signs an envelope with a key of the suite that nobody here computes.
pub fn cosign(envelope: &mut Envelope, seed: u8) {
    envelope.signatures.push(Signature {
        suite: 2,
        key: vec![seed; 65],
        bytes: vec![seed; 64],
    });
}

pub fn first_identity(seat: SeatId, kind: SeatKind, seed: u8, issuer: Ref) -> Identity {
    let node = kind.is_node();
    let (organisation, title, jurisdiction) = match seat {
        CITY => ("370100.zx", "示范市", "370100"),
        DISTRICT => ("370102.zx", "东区", "370102"),
        OTHER => ("370103.zx", "西区", "370103"),
        _ => ("370102.scjg", "东区市场监管局 登记库", "370102"),
    };
    Identity {
        seat,
        serial: 1,
        kind,
        organisation: organisation.into(),
        title: title.into(),
        jurisdiction: jurisdiction.into(),
        node: if node { seat } else { DISTRICT },
        keys: keys(seed),
        possession: Sigs::default(),
        consent: Sigs::default(),
        reason: String::new(),
        permitted: match node {
            true => Vec::new(),
            false => vec!["370102.*".into(), "registration".into()],
        },
        admits: node,
        binds_from: [BindsFrom::default(); 3],
        issuer,
    }
}

pub fn city_world() -> World {
    let root = signed_root(&root(1, Ref::ZERO, 2, &ROOT), &ROOT[..2]);
    let authority = reference(&root);
    let mut directory =
        Directory::trusting(&root, &authority.hash.0[..20]).expect("root is signed");
    let mut admit = |identity: Identity, own: u8, by: &[u8]| {
        let envelope = issue(&possessed(&identity, authority, own), by);
        directory.admit(&envelope).expect("the chain verifies");
        envelope
    };
    let city = admit(
        first_identity(CITY, SeatKind::City, CITY_KEY, authority),
        CITY_KEY,
        &ROOT[..2],
    );
    let of_city = reference(&city);
    let district = admit(
        first_identity(DISTRICT, SeatKind::District, DISTRICT_KEY, of_city),
        DISTRICT_KEY,
        &[CITY_KEY],
    );
    let other = admit(
        first_identity(OTHER, SeatKind::District, OTHER_KEY, of_city),
        OTHER_KEY,
        &[CITY_KEY],
    );
    let bureau = admit(
        first_identity(
            BUREAU,
            SeatKind::Department,
            BUREAU_KEY,
            reference(&district),
        ),
        BUREAU_KEY,
        &[DISTRICT_KEY],
    );
    let opening = open(&opening(1, reference(&bureau)), BUREAU_KEY);
    directory.admit(&opening).expect("the epoch opens");
    World {
        root,
        city,
        district,
        other,
        bureau,
        opening,
        directory,
    }
}

/// The identity with its possession signed by a key.
pub fn possessed(identity: &Identity, authority: Ref, seed: u8) -> Identity {
    let hash = possession_hash(&identity.seat, &authority, &identity.keys);
    Identity {
        possession: Sigs::of(key(seed).sign(&hash)),
        ..identity.clone()
    }
}

pub fn issue(identity: &Identity, seeds: &[u8]) -> Envelope {
    signed(kind::IDENTITY, identity.to_bytes(), seeds)
}

pub fn read(envelope: &Envelope) -> Identity {
    Identity::from_bytes(&envelope.bytes).expect("an identity of the world")
}

/// An opening of the bureau.
pub fn opening(counter: u32, identity: Ref) -> EpochOpening {
    EpochOpening {
        seat: BUREAU,
        counter,
        nonce: [counter as u8; 16],
        identity,
        instance: InstanceId([7; 16]),
        last_known: Vec::new(),
        void: Vec::new(),
    }
}

pub fn open(opening: &EpochOpening, seed: u8) -> Envelope {
    signed(kind::OPENING, opening.to_bytes(), &[seed])
}

pub fn revocation(seat: SeatId, through: u32, issuer: Ref) -> Revocation {
    Revocation {
        seat,
        serial: 1,
        through,
        logs: Vec::new(),
        standing: Vec::new(),
        code: 1,
        reason: "密钥被盗".into(),
        issuer,
    }
}

pub fn revoke(revocation: &Revocation, seeds: &[u8]) -> Envelope {
    signed(kind::REVOCATION, revocation.to_bytes(), seeds)
}

pub fn revoked_log(lane: u8, opening: Ref, sequence: u64) -> RevokedLog {
    RevokedLog {
        lane,
        opening,
        last: at(sequence),
    }
}

impl World {
    pub fn authority(&self) -> Ref {
        self.directory.authority()
    }

    /// The bureau's log of records.
    pub fn log(&self, opening: Ref) -> LogName {
        LogName {
            seat: BUREAU,
            lane: Lane::Records,
            opening,
        }
    }

    /// The next serial of a seat of the world, with the same keys, by the same issuer.
    pub fn next(&self, envelope: &Envelope) -> Identity {
        let identity = read(envelope);
        Identity {
            serial: identity.serial + 1,
            consent: Sigs::default(),
            reason: String::new(),
            binds_from: [BindsFrom {
                counter: 1,
                sequence: 1,
            }; 3],
            ..identity
        }
    }

    /// The next serial with other keys, to which the former ones consent if `consents`.
    pub fn rekeyed(&self, envelope: &Envelope, seed: u8, former: Option<u8>) -> Identity {
        let mut next = self.next(envelope);
        next.keys = keys(seed);
        let mut next = possessed(&next, self.authority(), seed);
        if let Some(former) = former {
            let hash = possession_hash(&next.seat, &self.authority(), &next.keys);
            next.consent = Sigs::of(key(former).sign(&hash));
        }
        next
    }

    #[track_caller]
    pub fn take(&mut self, envelope: &Envelope) -> Admitted {
        self.directory.admit(envelope).expect("it is taken up")
    }

    /// Whether a statement is taken up; one that is not changes nothing. The world stays as it was.
    #[track_caller]
    pub fn check(&self, what: &str, envelope: &Envelope, expected: Result<(), StatementFault>) {
        let mut directory = self.directory.clone();
        let admitted = directory.admit(envelope);
        if let Ok(admitted) = &admitted {
            assert!(directory.knows(&admitted.reference), "{what}");
            let again = directory.admit(envelope).expect("again");
            assert!(again.known, "{what}: known the second time");
            assert_eq!(again.envelope, admitted.envelope, "{what}");
        } else {
            let before: Vec<_> = self.directory.references().collect();
            assert_eq!(before, directory.references().collect::<Vec<_>>(), "{what}");
        }
        assert_eq!(admitted.map(|_| ()), expected, "{what}");
    }
}

/// Bytes of an object hash of any suite's number.
pub fn hash_of(envelope: &Envelope) -> Hash {
    object(
        envelope.name_suite,
        envelope.kind,
        envelope.format,
        &envelope.bytes,
    )
}
