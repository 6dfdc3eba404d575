//! Which receipts count, and what they let an agent forget.

use std::time::Duration;

use protocol::feed_head::FeedHead;

use super::*;

const DAY: u64 = 86_400;

/// The district's word alone never lets an agent forget, whatever it calls it: a district that closes what it passes on, or
/// whose key was stolen, would make rows vanish that nobody else has (D60).
#[tokio::test]
async fn the_districts_word_alone_lets_nobody_forget() {
    let w = World::new().await;
    let both = THE_DISTRICT.sign(&w.receipt(THE_DISTRICT, 2, 2).await);
    assert_eq!(w.take(&district(), &[both]).await, 3);
    assert_eq!(w.progress.acknowledged[2].load(Ordering::Relaxed), 2);
    // the city's durable word beside it does, up to where both are
    let city = THE_CITY.sign(&w.receipt(THE_CITY, 1, 0).await);
    assert_eq!(w.take(&district(), &[city]).await, 2);
    let city = THE_CITY.sign(&w.receipt(THE_CITY, 2, 0).await);
    assert_eq!(w.take(&district(), &[city]).await, 1, "all but the case");
    let views = w.uplink.receipt_views();
    assert_eq!(views.len(), 2);
    assert_eq!((views[0].kind, views[0].durable), (SeatKind::District, 2));
    assert_eq!((views[1].attached, views[1].heard_ms), (2, NOW_MS));
}

/// By data: what the district and the city say durable, what the city says safeguarded, how much is kept of two batches.
#[tokio::test]
async fn an_agent_forgets_what_two_hold_or_the_city_has_safe() {
    let check =
        async |node: SeatId, district_has: u64, city_has: u64, city_safe: u64, kept: u64| {
            let w = World::of(node).await;
            let mut receipts = Vec::new();
            if district_has > 0 {
                receipts.push(
                    THE_DISTRICT.sign(&w.receipt(THE_DISTRICT, district_has, district_has).await),
                );
            }
            if city_has > 0 {
                receipts.push(THE_CITY.sign(&w.receipt(THE_CITY, city_has, city_safe).await));
            }
            let of_records = w.take(&city(), &receipts).await - 1;
            assert_eq!(
                of_records, kept,
                "{node} {district_has} {city_has} {city_safe}"
            );
        };
    let d = testing::DISTRICT;
    check(d, 0, 0, 0, 2).await;
    check(d, 2, 0, 0, 2).await;
    check(d, 0, 2, 0, 2).await;
    check(d, 1, 2, 0, 1).await;
    check(d, 2, 1, 0, 1).await;
    check(d, 2, 2, 0, 0).await;
    check(d, 0, 2, 1, 1).await;
    check(d, 0, 2, 2, 0).await;
    check(d, 1, 2, 2, 0).await;
    // an agent of the city: only what the city has in a second place; a district has nothing to say
    let c = testing::CITY;
    check(c, 0, 2, 0, 2).await;
    check(c, 0, 2, 1, 1).await;
    check(c, 2, 2, 0, 2).await;
}

#[tokio::test]
async fn a_receipt_that_does_not_verify_lets_nobody_forget() {
    let w = World::new().await;
    let good = w.receipt(THE_CITY, 2, 2).await;
    let change = |change: &dyn Fn(&mut Receipt)| {
        let mut receipt = good.clone();
        change(&mut receipt);
        receipt
    };
    let check = async |what: &str, bytes: Vec<u8>| {
        assert_eq!(w.take(&district(), &[bytes]).await, 3, "{what}");
        assert!(w.uplink.receipt_views().is_empty(), "{what}");
        assert_eq!(
            w.progress.acknowledged[2].load(Ordering::Relaxed),
            0,
            "{what}"
        );
        assert_eq!(w.progress.halted(), None, "{what}");
    };
    check("no envelope", b"receipt".to_vec()).await;
    check("signed by another", THE_DISTRICT.sign(&good)).await;
    let invented = change(&|r| r.log.opening = Ref::of(Hash([7; 32])));
    check("of an invented epoch", THE_CITY.sign(&invented)).await;
    let other = change(&|r| r.log.seat = SeatId([9; 16]));
    check("of another seat", THE_CITY.sign(&other)).await;
    let unknown = change(&|r| r.identity = Ref::of(Hash([7; 32])));
    check("under an unknown identity", THE_CITY.sign(&unknown)).await;
    // as well signed as can be, by a district that has nothing to do with us
    let stranger = By {
        holder: testing::OTHER,
        key: testing::OTHER_KEY,
        ..THE_DISTRICT
    };
    let statement = testing::district(testing::OTHER, testing::OTHER_KEY);
    w.uplink
        .take_statements(vec![statement])
        .await
        .expect("taken");
    let theirs = w.receipt(stranger, 2, 2).await;
    check("of another district", stranger.sign(&theirs)).await;
}

/// Receipts are ordered by which life of the node speaks and by what it says: older ones change nothing, whoever brings
/// them, and no clock decides.
#[tokio::test]
async fn of_receipts_the_newer_counts_by_what_it_says() {
    let w = World::new().await;
    let receive = async |from: &NodePeer, by: By, durable: u64| {
        let receipt = w.receipt(by, durable, 0).await;
        w.take(from, &[by.sign(&receipt)]).await;
        let views = w.uplink.receipt_views();
        let kept = w.store.receipts().await.expect("receipts");
        assert_eq!(kept.len(), 1);
        views[0].durable
    };
    let district_ = district();
    assert_eq!(receive(&district_, THE_CITY, 2).await, 2);
    assert_eq!(receive(&district_, THE_CITY, 1).await, 2, "an older word");
    // a city that was put back speaks in a greater life: less is held, and said so
    let second = THE_CITY.in_life(2, 0xc2);
    assert_eq!(receive(&district_, second, 1).await, 1);
    assert_eq!(receive(&district_, THE_CITY, 2).await, 1, "a former life");
    // another life of the same counter counts only from the city itself
    let other = THE_CITY.in_life(2, 0xc3);
    assert_eq!(receive(&district_, other, 2).await, 1, "relayed");
    assert_eq!(receive(&city(), other, 2).await, 2, "by itself");
    assert_eq!(receive(&district_, second, 1).await, 2, "relayed");
}

/// What a node said in a former life of its store lets nobody forget once a later one is known: it may have lost it.
#[tokio::test]
async fn the_word_of_a_former_life_of_a_node_lets_nobody_forget() {
    let w = World::new().await;
    let district_word = THE_DISTRICT.sign(&w.receipt(THE_DISTRICT, 2, 2).await);
    assert_eq!(w.take(&district(), &[district_word]).await, 3);
    // the district was put back: it says so by its hello, and by its feed head
    let mut put_back = district();
    put_back.incarnation = life(2, 0xd2);
    w.established(&put_back, Default::default()).await;
    let city_word = THE_CITY.sign(&w.receipt(THE_CITY, 2, 0).await);
    assert_eq!(w.take(&put_back, std::slice::from_ref(&city_word)).await, 3);
    let w = w.restart().await;
    w.uplink.0.unkept.store(true, Ordering::Relaxed);
    assert_eq!(w.take(&put_back, &[]).await, 3, "nor after a start");
    let again = THE_DISTRICT.in_life(2, 0xd2);
    let again = again.sign(&w.receipt(again, 1, 0).await);
    assert_eq!(
        w.take(&put_back, &[again]).await,
        2,
        "what it has taken in since"
    );
}

#[tokio::test]
async fn a_feed_head_tells_which_life_of_a_node_speaks() {
    let w = World::new().await;
    let head = |by: By, peer: SeatId| {
        let head = FeedHead {
            node: by.holder,
            identity: by.identity(),
            incarnation: by.life,
            head: 7,
            peer,
            at: NOW_MS * 1_000,
        };
        head.sign(&testing::key(by.key)).to_bytes()
    };
    let current = |node: SeatId| w.uplink.lock().incarnations.get(&node).copied();
    let own = testing::DEPARTMENT;
    w.take(&district(), &[head(THE_DISTRICT, own)]).await;
    assert_eq!(current(testing::DISTRICT), Some(THE_DISTRICT.life));
    let later = THE_DISTRICT.in_life(3, 9);
    w.take(&district(), &[head(later, testing::OTHER)]).await;
    assert_eq!(
        current(testing::DISTRICT),
        Some(THE_DISTRICT.life),
        "said to another"
    );
    w.take(&city(), &[head(later, own)]).await;
    assert_eq!(current(testing::DISTRICT), Some(later.life));
    w.take(&city(), &[head(THE_DISTRICT.in_life(3, 8), own)])
        .await;
    assert_eq!(current(testing::DISTRICT), Some(later.life), "relayed");
    w.take(&district(), &[head(THE_DISTRICT.in_life(3, 8), own)])
        .await;
    assert_eq!(current(testing::DISTRICT), Some(life(3, 8)), "by itself");
}

/// A district that has said nothing for a week although something waits for it: only the city's second place counts, and it
/// is told. One that has nothing to say, since nothing waits, is not silent.
#[tokio::test]
async fn a_district_that_is_silent_for_a_week_is_told_and_holds_up_nothing() {
    let w = World::new().await;
    let silent = async || w.uplink.district_silent().await.expect("read");
    let word = THE_DISTRICT.sign(&w.receipt(THE_DISTRICT, 1, 1).await);
    w.take(&district(), &[word]).await;
    assert!(!silent().await);
    w.hand.advance(Duration::from_secs(8 * DAY));
    assert!(silent().await);
    // the old word of the district counts no more
    let city = THE_CITY.sign(&w.receipt(THE_CITY, 2, 0).await);
    assert_eq!(w.take(&district(), &[city]).await, 3);
    let city = THE_CITY.sign(&w.receipt(THE_CITY, 2, 2).await);
    assert_eq!(
        w.take(&district(), &[city]).await,
        1,
        "safe in a second place"
    );
    // of the case nobody has said anything, and it waits
    assert!(silent().await);
    let at = w.at(Lane::Cases, 1).await;
    w.store
        .prune(Lane::Cases, 1, at.header)
        .await
        .expect("pruned");
    assert!(!silent().await, "nothing waits");
    let w = World::of(testing::CITY).await;
    w.hand.advance(Duration::from_secs(8 * DAY));
    assert!(
        !w.uplink.district_silent().await.expect("read"),
        "there is none"
    );
}

/// A holder whose keys were called back lets nobody forget, though its word was taken before.
#[tokio::test]
async fn a_holder_that_was_called_back_lets_nobody_forget() {
    let w = World::new().await;
    let word = THE_DISTRICT.sign(&w.receipt(THE_DISTRICT, 2, 2).await);
    w.take(&district(), &[word]).await;
    let mut revocation =
        protocol::statement::Revocation::from_bytes(&testing::revocation(&w.admission).bytes)
            .expect("a revocation");
    revocation.seat = testing::DISTRICT;
    revocation.standing = vec![w.admission.identity.reference()];
    let revocation = Envelope::signed(
        protocol::envelope::kind::REVOCATION,
        1,
        revocation.to_bytes(),
        &testing::key(testing::CITY_KEY),
    );
    w.uplink
        .take_statements(vec![revocation])
        .await
        .expect("taken");
    assert_eq!(
        w.progress.halted(),
        None,
        "it is not we who were called back"
    );
    let city = THE_CITY.sign(&w.receipt(THE_CITY, 2, 0).await);
    assert_eq!(w.take(&city_peer(), &[city]).await, 3);
}

fn city_peer() -> NodePeer {
    super::city()
}

/// The resume shows the hearer's own words first, then those of nodes above it.
#[tokio::test]
async fn the_resume_shows_what_the_hearer_and_those_above_it_have_signed() {
    let w = World::new().await;
    let of_city = THE_CITY.sign(&w.receipt(THE_CITY, 1, 0).await);
    let of_district = THE_DISTRICT.sign(&w.receipt(THE_DISTRICT, 2, 0).await);
    w.take(&district(), &[of_city.clone(), of_district.clone()])
        .await;
    let words = async |peer: &NodePeer| w.uplink.accept(peer).await.expect("accepted").words;
    let both = [of_district.clone(), of_city.clone()];
    assert_eq!(words(&district()).await, both);
    let both = [of_city, of_district];
    assert_eq!(words(&city_peer()).await, both);
    // they are there after a start, too
    let w = w.restart().await;
    assert_eq!(
        w.uplink.accept(&city_peer()).await.expect("accepted").words,
        both
    );
    assert_eq!(w.progress.acknowledged[2].load(Ordering::Relaxed), 2);
}

/// A node whose clock was years ahead, or is set back by years, is believed as before: its receipts count by what they say.
#[tokio::test]
async fn a_receipt_counts_whatever_the_clock_of_its_node() {
    let w = World::new().await;
    let take = async |at, durable, safeguarded| {
        let mut receipt = w.receipt(THE_CITY, durable, safeguarded).await;
        receipt.at = at;
        w.take(&district(), &[THE_CITY.sign(&receipt)]).await;
        let views = w.uplink.receipt_views();
        (views[0].durable, views[0].safeguarded)
    };
    let year = 365 * 86_400 * 1_000_000_i64;
    assert_eq!(w.uplink.clock_doubt(), None);
    assert_eq!(take(30 * year, 1, 0).await, (1, 0));
    let doubt = w.uplink.clock_doubt().expect("clocks differ");
    assert!(
        doubt.contains("慢 10949 天") && doubt.contains("校准"),
        "{doubt}"
    );
    assert_eq!(take(5_000_000, 2, 1).await, (2, 1));
    assert_eq!(w.uplink.clock_doubt(), None);
    assert_eq!(take(-year, 2, 2).await, (2, 2));
    assert_eq!(take(40 * year, 1, 1).await, (2, 2), "an older word");
}

/// The node says what time it has when a session begins: minutes count there, since nothing was on its way for long.
#[tokio::test]
async fn clocks_that_are_minutes_apart_are_told_when_a_session_begins() {
    let w = World::new().await;
    let head = async |minutes: i64| {
        let head = FeedHead {
            node: testing::DISTRICT,
            identity: THE_DISTRICT.identity(),
            incarnation: THE_DISTRICT.life,
            head: 7,
            peer: testing::DEPARTMENT,
            at: (NOW_MS + minutes * 60_000) * 1_000,
        };
        let bytes = head.sign(&testing::key(testing::DISTRICT_KEY)).to_bytes();
        w.take(&district(), &[bytes]).await;
        (w.uplink.clock_doubt(), w.uplink.clock_offset_ms())
    };
    assert_eq!(head(9).await, (None, Some(540_000)));
    let (doubt, offset) = head(-11).await;
    let doubt = doubt.expect("clocks differ");
    assert!(doubt.contains("快 11 分钟"), "{doubt}");
    assert_eq!(offset, Some(-660_000));
    assert_eq!(head(0).await, (None, Some(0)));
}
