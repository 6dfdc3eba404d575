//! What a server refuses, and how it says so.

use super::*;

/// Says this after what was said before, and hears the answer.
async fn ask(exchange: &mut Exchange, word: FromNewcomer) -> FromServer {
    exchange.send(&word.to_bytes()).await.expect("said");
    let heard = exchange.receive().await.expect("heard");
    FromServer::from_bytes(&heard).expect("a word")
}

#[track_caller]
fn refused_with(word: FromServer) -> Refused {
    match word {
        FromServer::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_of_another_kind_is_told_before_anything_is_used_up() {
    let mut world = World::new(Office::new());
    world.code.kind = SeatKind::District;
    let Ok(Joined::Refused(told)) = world.join().await else {
        panic!("not refused");
    };
    assert_eq!(told.code, refused::KIND);
    assert_eq!(world.office.asked(), ["proof", "offer"]);
    // who has it right gets in with the same code
    assert!(!world.office.is_used());
    world.code.kind = SeatKind::Department;
    assert!(matches!(world.join().await, Ok(Joined::Approved(..))));
}

#[tokio::test]
async fn codes_that_are_unknown_expired_or_called_back_are_told_apart() {
    let check = async |what: &str, change: fn(&mut Invitation), expected: u8| {
        let world = World::new(Office::new());
        change(&mut world.office.invitation.lock().expect("lock"));
        let Ok(Joined::Refused(told)) = world.join().await else {
            panic!("{what}: not refused");
        };
        assert_eq!(told.code, expected, "{what}");
        assert_eq!(world.office.asked(), ["proof", "offer"], "{what}");
    };
    let unknown = |i: &mut Invitation| i.secret_hash = secret_hash(&[1; SECRET_BYTES]);
    check("unknown", unknown, refused::UNKNOWN).await;
    check("expired", |i| i.expires_s -= 1, refused::EXPIRED).await;
    check("called back", |i| i.revoked = true, refused::REVOKED).await;
}

#[tokio::test]
async fn a_code_that_another_key_has_used_lets_nobody_else_in() {
    let mut world = World::new(Office::new());
    assert!(matches!(world.join().await, Ok(Joined::Approved(..))));
    (world.keys, world.key) = (keys(66), key(66));
    let Ok(Joined::Refused(told)) = world.join().await else {
        panic!("not refused");
    };
    assert_eq!(told.code, refused::ANOTHER_KEY);
    // what would colour a terminal is gone
    assert_eq!(told.reason, "申请不予受理[31m");
    assert_eq!(told.contact, "0000-1234");
    (world.keys, world.key) = (keys(NEW.0[0]), key(NEW.0[0]));
    assert!(matches!(world.join().await, Ok(Joined::Approved(..))));
}

#[tokio::test]
async fn keys_that_are_not_held_are_refused_and_use_nothing_up() {
    let mut world = World::new(Office::new());
    world.keys = keys(66);
    let Ok(Joined::Refused(told)) = world.join().await else {
        panic!("not refused");
    };
    assert_eq!(told.code, refused::PROOF);
    assert!(!world.office.is_used());
}

#[tokio::test]
async fn another_version_is_told_whatever_else_its_greeting_says() {
    let world = World::new(Office::new());
    for greeting in [vec![1, 1], vec![1, 3], vec![1, 200, 7, 7, 7]] {
        let mut exchange = world.exchange().await;
        exchange.send(&greeting).await.expect("said");
        let heard = exchange.receive().await.expect("heard");
        let told = refused_with(FromServer::from_bytes(&heard).expect("a word"));
        assert_eq!(told.code, refused::VERSION);
        let theirs = format!("申请方为 {}", greeting[1]);
        assert!(told.reason.contains(&theirs), "{}", told.reason);
        let ours = format!("本平台为 {VERSION}");
        assert!(told.reason.contains(&ours), "{}", told.reason);
        assert!(exchange.receive().await.is_err(), "and no more");
    }
    assert!(world.office.asked().is_empty());
}

/// Attempts are counted where secrets are asked about, so no other is looked at afterwards.
#[tokio::test]
async fn a_request_with_another_secret_than_was_asked_about_is_not_judged() {
    let world = World::new(Office::new());
    let mut exchange = world.exchange().await;
    let proof = ask(&mut exchange, FromNewcomer::Greeting(VERSION)).await;
    assert!(matches!(proof, FromServer::Proof(_)));
    let offer = ask(&mut exchange, FromNewcomer::Ask(world.code.ask())).await;
    let FromServer::Offer(offer) = offer else {
        panic!("{offer:?}");
    };
    let mut request = protocol::admission::newcomer::request(
        &world.code,
        &offer,
        &world.office.directory,
        &exchange.exporter,
        &world.keys,
        &world.key,
        None,
        &Wishes::default(),
    );
    request.secret = [9; SECRET_BYTES];
    let told = refused_with(ask(&mut exchange, FromNewcomer::Request(request)).await);
    assert_eq!(told.code, refused::UNKNOWN);
    assert_eq!(world.office.asked(), ["proof", "offer"]);
    assert!(!world.office.is_used());
}

#[tokio::test]
async fn malformed_and_oversize_words_end_only_their_exchange() {
    let world = World::new(Office::new());
    let ask = FromNewcomer::Ask(world.code.ask()).to_bytes();
    for words in [vec![9, 9], vec![], vec![1], ask.clone()] {
        let mut exchange = world.exchange().await;
        exchange.send(&words).await.expect("said");
        assert!(exchange.receive().await.is_err(), "{words:?}");
    }
    // out of turn: a second greeting instead of the ask, a second ask instead of the request
    let mut exchange = world.exchange().await;
    let greeting = FromNewcomer::Greeting(VERSION).to_bytes();
    exchange.send(&greeting).await.expect("said");
    exchange.receive().await.expect("a proof");
    exchange.send(&greeting).await.expect("said");
    assert!(exchange.receive().await.is_err());
    let mut exchange = world.exchange().await;
    for word in [&greeting, &ask] {
        exchange.send(word).await.expect("said");
        exchange.receive().await.expect("an answer");
    }
    exchange.send(&ask).await.expect("said");
    assert!(exchange.receive().await.is_err());
    assert!(!world.office.is_used());
    // what does not fit is ours and is not sent
    let mut exchange = world.exchange().await;
    let too_long = exchange.send(&vec![0; EXCHANGE_BYTES_MAX + 1]).await;
    assert_eq!(
        too_long,
        Err(ExchangeError::NotSent(EXCHANGE_BYTES_MAX + 1))
    );
    assert!(matches!(world.join().await, Ok(Joined::Approved(..))));
}
