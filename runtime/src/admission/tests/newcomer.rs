//! What a newcomer refuses to go on with.

use super::*;

/// The exchange ends before the newcomer has said anything about itself.
async fn check_not_proven(what: &str, world: World, expected: NotProven) {
    let error = world.join().await.expect_err(what);
    let text = error.to_string();
    assert!(text.contains("未向其发送任何信息"), "{what}: {text}");
    let JoinError::NotProven(not_proven) = error else {
        panic!("{what}: {text}");
    };
    assert_eq!(not_proven, expected, "{what}");
    assert_eq!(world.office.asked(), ["proof"], "{what}");
    assert!(!world.office.is_used(), "{what}");
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_is_not_the_one_of_the_code() {
    let mut world = World::new(Office::new());
    let another = Authority::new(2).reference();
    world.code.authority.copy_from_slice(&another.hash.0[..20]);
    check_not_proven("another authority", world, NotProven::Authority).await;

    let mut world = World::new(Office::new());
    world.code.issuer.copy_from_slice(&OTHER_DISTRICT.0[..4]);
    let what = "a district of the same authority that has not issued the code";
    check_not_proven(what, world, NotProven::AnotherSeat).await;

    let world = World::new(Office {
        key: key(77),
        ..Office::new()
    });
    check_not_proven("another's chain", world, NotProven::Presence).await;

    let world = World::new(Office {
        replays: Some([5; 32]),
        ..Office::new()
    });
    let what = "a proof of another connection";
    check_not_proven(what, world, NotProven::Presence).await;
}

#[tokio::test]
async fn an_offer_for_another_seat_is_not_taken_and_uses_nothing_up() {
    let mut world = World::new(Office::new());
    let here = SeatId([0xe7; 16]);
    world.own = Some(here);
    let error = world.join().await.expect_err("another seat");
    assert!(
        matches!(
            error,
            JoinError::Offer(OfferFault::AnotherSeat { own, offered }) if (own, offered) == (here, NEW)
        ),
        "{error}"
    );
    assert_eq!(world.office.asked(), ["proof", "offer"]);
    assert!(!world.office.is_used());
    // its own it takes
    world.own = Some(NEW);
    assert!(matches!(world.join().await, Ok(Joined::Approved(..))));
}

#[tokio::test]
async fn an_offer_of_another_kind_is_not_taken_and_uses_nothing_up() {
    let office = Office::new();
    office.offer.lock().expect("lock").kind = SeatKind::District;
    let world = World::new(office);
    let error = world.join().await.expect_err("another kind");
    assert!(
        matches!(error, JoinError::Offer(OfferFault::Kind)),
        "{error}"
    );
    assert_eq!(world.office.asked(), ["proof", "offer"]);
    assert!(!world.office.is_used());
}

#[tokio::test]
async fn an_approval_that_is_not_what_was_offered_and_asked_is_not_taken() {
    for (issues, expected) in [
        (Issues::OtherKeys, NotApproved::Keys),
        (Issues::OtherOrganisation, NotApproved::Terms),
        (Issues::OtherNode, NotApproved::Identity),
        (Issues::Nothing, NotApproved::Identity),
        (Issues::ByNobody, NotApproved::Identity),
    ] {
        let world = World::new(Office {
            issues,
            ..Office::new()
        });
        let error = world.join().await.expect_err("not what was asked");
        let text = error.to_string();
        assert!(text.contains("未保存其中任何内容"), "{issues:?}: {text}");
        let JoinError::NotApproved(not_approved) = error else {
            panic!("{issues:?}: {text}");
        };
        assert_eq!(not_approved, expected, "{issues:?}");
    }
}

/// What a newcomer makes of a server that says one thing after the greeting.
async fn heard_from_a_server_that_says(word: FromServer) -> Result<Joined, JoinError> {
    let mut world = World::new(Office::new());
    let (mut listener, address) = listening();
    world.code.address = address;
    let says = async {
        let Some(Arrival::Join(mut exchange)) = listener.accept().await else {
            panic!("not an exchange");
        };
        let greeting = exchange.receive().await.expect("a greeting");
        assert_eq!(greeting, FromNewcomer::Greeting(VERSION).to_bytes());
        exchange.send(&word.to_bytes()).await.expect("said");
        assert!(exchange.receive().await.is_err(), "it hears no more");
    };
    tokio::join!(world.join(), says).0
}

#[tokio::test]
async fn of_a_server_that_has_proven_nothing_only_its_version_is_heard() {
    let refuses = |code| FromServer::Refused(refusal(code, "请先升级"));
    let version = heard_from_a_server_that_says(refuses(refused::VERSION)).await;
    let Ok(Joined::Refused(told)) = version else {
        panic!("{version:?}");
    };
    assert_eq!(
        (told.code, told.reason.as_str()),
        (refused::VERSION, "请先升级")
    );
    let offer = Office::new().offer.into_inner().expect("lock");
    for word in [
        refuses(refused::BY_PERSON),
        FromServer::Offer(offer),
        FromServer::Pending(Pending {
            again_after_s: 1,
            text: String::new(),
        }),
        FromServer::Approved(Authority::new(1).chain()),
    ] {
        let heard = heard_from_a_server_that_says(word.clone()).await;
        assert!(
            matches!(heard, Err(JoinError::Malformed(_))),
            "{word:?}: {heard:?}"
        );
    }
}
