//! Erasures: whose word ends content, and of which leaf.

use protocol::directory::{Missing, Refusal, StatementFault, What};
use protocol::envelope::{Envelope, kind};
use protocol::hash::Hash;
use protocol::statement::{Erasure, ErasureItem};

use crate::world::{
    BUREAU, BUREAU_KEY, CITY, CITY_KEY, DISTRICT_KEY, NOBODY, ROOT, World, city_world, reference,
    revocation, revoke, signed, stray,
};

fn erasure(world: &World) -> Erasure {
    let item = |index, mask| ErasureItem {
        lane: 2,
        opening: reference(&world.opening),
        sequence: 3,
        index,
        leaf: Hash([9; 32]),
        mask,
    };
    Erasure {
        seat: BUREAU,
        items: vec![item(4, 0b110), item(5, 0x8000)],
        code: 1,
        text: String::new(),
        issuer: reference(&world.city),
    }
}

fn erase(erasure: &Erasure, signers: &[u8]) -> Envelope {
    signed(kind::ERASURE, erasure.to_bytes(), signers)
}

#[test]
fn content_is_ended_by_the_city_and_its_own_by_the_root() {
    let mut world = city_world();
    let base = erasure(&world);
    let with = |seat, issuer| Erasure {
        seat,
        issuer,
        ..base.clone()
    };
    let (city, root) = (reference(&world.city), world.authority());
    let refused = || Err(Refusal::NotOverThisSeat.into());
    let check = |what, erasure: &Erasure, signers: &[u8], expected| {
        world.check(what, &erase(erasure, signers), expected);
    };
    check("by the city", &base, &[CITY_KEY], Ok(()));
    check(
        "of the city by itself",
        &with(CITY, city),
        &[CITY_KEY],
        refused(),
    );
    check(
        "of the city by the root",
        &with(CITY, root),
        &ROOT[..2],
        Ok(()),
    );
    check(
        "of a bureau by the root",
        &with(BUREAU, root),
        &ROOT[..2],
        refused(),
    );
    let unknown = || Err(StatementFault::Unknown(Missing::Seat(NOBODY)));
    check(
        "by the root of a seat not known",
        &with(NOBODY, root),
        &ROOT[..2],
        unknown(),
    );
    let (district, bureau) = (reference(&world.district), reference(&world.bureau));
    check(
        "by its district",
        &with(BUREAU, district),
        &[DISTRICT_KEY],
        refused(),
    );
    check(
        "by its origin",
        &with(BUREAU, bureau),
        &[BUREAU_KEY],
        refused(),
    );
    let bad = || Err(StatementFault::BadSignature);
    check("signed by a relay", &base, &[DISTRICT_KEY], bad());
    let admitted = world.take(&erase(&base, &[CITY_KEY]));
    assert_eq!(admitted.what, What::Erasure(BUREAU));
}

#[test]
fn an_erasure_ends_the_sections_of_the_leaf_that_it_names() {
    let mut world = city_world();
    let log = world.log(reference(&world.opening));
    let leaf = Hash([9; 32]);
    assert_eq!(world.directory.erased_mask(&log, 3, 4, &leaf), 0);
    let admitted = erase(&erasure(&world), &[CITY_KEY]);
    world.take(&admitted);
    let erased = |section| world.directory.is_erased(&log, 3, 4, &leaf, section);
    assert!(!erased(0) && erased(1) && erased(2) && !erased(3));
    assert!(!erased(15) && !erased(16) && !erased(17) && !erased(255));
    assert!(world.directory.is_erased(&log, 3, 5, &leaf, 15));
    let mask = |world: &World, log, sequence, index, leaf: &Hash| {
        world.directory.erased_mask(log, sequence, index, leaf)
    };
    assert_eq!(mask(&world, &log, 3, 4, &leaf), 0b110);
    assert_eq!(mask(&world, &log, 4, 4, &leaf), 0);
    assert_eq!(mask(&world, &log, 3, 6, &leaf), 0);
    assert_eq!(mask(&world, &log, 3, 4, &Hash([8; 32])), 0);
    let other = protocol::name::LogName {
        seat: NOBODY,
        ..log
    };
    assert_eq!(mask(&world, &other, 3, 4, &leaf), 0);
    let other = protocol::name::LogName {
        opening: stray(1),
        ..log
    };
    assert_eq!(mask(&world, &other, 3, 4, &leaf), 0);
    let other = protocol::name::LogName {
        lane: protocol::name::Lane::Cases,
        ..log
    };
    assert_eq!(mask(&world, &other, 3, 4, &leaf), 0);
    // another erasure of the same leaf adds its sections
    let mut more = erasure(&world);
    more.items.truncate(1);
    more.items[0].mask = 0b1010;
    world.take(&erase(&more, &[CITY_KEY]));
    assert_eq!(mask(&world, &log, 3, 4, &leaf), 0b1110);
    assert_eq!(world.directory.erasures(&BUREAU).count(), 2);
    // a city whose keys were called back has erased what the root lets stand
    let mut of_city = revocation(CITY, 1, world.authority());
    of_city.standing = vec![reference(&admitted)];
    world.take(&revoke(&of_city, &ROOT[..2]));
    assert_eq!(mask(&world, &log, 3, 4, &leaf), 0b110);
}
