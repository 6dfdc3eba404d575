//! The data folder: keys that are made, kept and replaced, whenever that is interrupted.

use node::home::{Founding, Home, HomeError, Seeds};
use protocol::envelope::{Envelope, kind};
use protocol::name::SeatId;
use protocol::sign::{SigningKey, Sigs};
use protocol::statement::{BindsFrom, Identity, possession_hash};

use crate::kit::CITY;

fn seeds(n: u8) -> Seeds {
    Seeds {
        sign: [n; 32],
        seal: [n + 1; 32],
    }
}

#[test]
fn keys_are_replaced_whole_whenever_it_is_interrupted() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path()).expect("a home");
    let founding = Founding {
        title: "测试市平台",
        city: CITY,
        organisation: "370100.zx",
        root_seed: [1; 32],
        seeds: seeds(2),
        seat: SeatId([10; 16]),
    };
    let authority = home.found_city(&founding).expect("founded");
    assert!(matches!(
        home.found_city(&founding),
        Err(HomeError::Taken { .. })
    ));
    let former = home.credentials().expect("credentials");
    assert_eq!(former.directory.authority(), authority);
    for file in ["root.key", "signing.key", "seal.key"] {
        let mode = std::fs::metadata(folder.path().join(file)).expect(file);
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{file}");
    }
    // keys that nobody has admitted change nothing; those that were made first stay
    let keys = home.next_keys_or(&seeds(4)).expect("keys").public();
    assert_eq!(home.next_keys_or(&seeds(6)).expect("keys").public(), keys);
    let credentials = home.credentials().expect("credentials");
    assert_eq!(credentials.keys.public(), former.keys.public());
    // the chain says the new keys, and the process ends before they are in their place
    let old = former.directory.identity(&former.seat).expect("in force");
    let next = SigningKey::from_seed(&[4; 32]);
    let hash = possession_hash(&former.seat, &authority, &keys);
    let root = SigningKey::from_seed(&[1; 32]);
    let identity = Identity {
        serial: 2,
        keys: keys.clone(),
        possession: Sigs::of(next.sign(&hash)),
        consent: Sigs::of(former.keys.sign.sign(&hash)),
        binds_from: [BindsFrom {
            counter: 1,
            sequence: 1,
        }; 3],
        ..old.identity().clone()
    };
    let mut chain = former.chain.clone();
    chain.push(Envelope::signed(
        kind::IDENTITY,
        1,
        identity.to_bytes(),
        &root,
    ));
    home.write_chain(&chain).expect("written");
    for seal_only in [true, false] {
        if seal_only {
            // half of it was done
            let seal = std::fs::read_to_string(folder.path().join("next.key")).expect("read");
            let seal = seal.lines().nth(1).expect("two lines").to_owned();
            std::fs::write(folder.path().join("seal.key"), seal).expect("written");
        }
        let credentials = home.credentials().expect("finished");
        assert_eq!(credentials.keys.public(), keys);
        assert!(!folder.path().join("next.key").exists());
    }
    // the former keys put back are not taken for the node's
    std::fs::write(folder.path().join("signing.key"), "02".repeat(32)).expect("written");
    let error = home.credentials().expect_err("other keys");
    assert!(matches!(error, HomeError::Keys { .. }), "{error}");
    std::fs::write(folder.path().join("signing.key"), "none").expect("written");
    let error = home.credentials().expect_err("damaged");
    assert!(matches!(error, HomeError::Damaged { .. }), "{error}");
}

#[test]
fn a_city_is_not_founded_with_what_cannot_be_stated() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path()).expect("a home");
    let long = "长".repeat(100);
    for (title, city, organisation) in [
        ("", CITY, "370100.zx"),
        (long.as_str(), CITY, "370100.zx"),
        ("x", "*", "370100.zx"),
        ("x", CITY, "370100"),
    ] {
        let founding = Founding {
            title,
            city,
            organisation,
            root_seed: [1; 32],
            seeds: seeds(2),
            seat: SeatId([10; 16]),
        };
        let error = home.found_city(&founding).expect_err("refused");
        assert!(matches!(error, HomeError::Founding(_)), "{error}");
        assert!(!home.is_taken());
        assert!(
            !folder.path().join("root.key").exists(),
            "nothing is left behind"
        );
    }
}
