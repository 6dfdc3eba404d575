//! What the node says of our logs and of itself, what we show of them, and what follows for people.

use protocol::frame::Figure;

use super::*;

fn told(w: &World, lane: u8, state: LogState, taken_in: u64, applied: u64) -> LogEntry {
    LogEntry {
        seat: testing::DEPARTMENT,
        lane,
        opening: w.log(Lane::Records).opening,
        state,
        reason: Reason::None,
        since: 1_000,
        taken_in,
        applied,
        header: Vec::new(),
        opening_envelope: Vec::new(),
    }
}

/// What the node says of our logs, of this session only: nothing of other seats, and nothing sealed before it was asked.
#[tokio::test]
async fn the_nodes_word_on_our_logs_is_kept_and_shown() {
    let w = World::new().await;
    w.established(&district(), Default::default()).await;
    assert_eq!(w.uplink.node_word(), NodeWord::default());
    assert!(!w.uplink.has_asked());
    let hear = async |entries: Vec<LogEntry>, end| {
        let heard = w.uplink.logs(&district(), entries, end).await;
        heard.expect("heard");
        w.uplink.node_word()
    };
    let mut foreign = told(&w, 2, LogState::Stopped, 9, 9);
    foreign.seat = SeatId([9; 16]);
    let mut former = told(&w, 2, LogState::Stopped, 9, 9);
    former.opening = Ref::of(Hash([9; 32]));
    let later = told(&w, 77, LogState::Stopped, 9, 9);
    let mut never = told(&w, 0, LogState::NeverSeen, 0, 0);
    never.opening = Ref::ZERO;
    let word = hear(vec![foreign, former, later, never], LogsEnd::More).await;
    assert_eq!(word.logs.len(), 1);
    assert_eq!(
        (word.complete, word.logs[0].state),
        (false, LogState::NeverSeen)
    );
    assert!(!w.uplink.has_asked());
    let word = hear(
        vec![told(&w, 2, LogState::Gap, 1, 1)],
        LogsEnd::CompleteWithoutCity,
    )
    .await;
    assert!(word.complete && word.without_city && w.uplink.has_asked());
    assert_eq!(
        (word.logs[1].state, word.logs[1].taken_in),
        (LogState::Gap, 1)
    );
    w.hand.advance(std::time::Duration::from_secs(1));
    let word = hear(vec![told(&w, 2, LogState::Running, 2, 1)], LogsEnd::More).await;
    assert!(word.complete, "news beside a list that was complete");
    assert_eq!(
        (word.logs[1].state, word.logs[1].applied),
        (LogState::Running, 1)
    );
    assert_eq!(word.logs[1].heard_ms, NOW_MS + 1_000);
    w.uplink.note_trouble("断开");
    assert_eq!(w.uplink.node_word(), NodeWord::default());
}

/// A node that cannot be reached cannot be asked: what waits is sealed all the same.
#[tokio::test]
async fn a_node_that_cannot_be_reached_holds_up_no_sealing() {
    let w = World::new().await;
    assert!(!w.uplink.has_asked());
    w.uplink.note_trouble("对方拒绝连接");
    assert!(w.uplink.has_asked());
}

#[tokio::test]
async fn the_nodes_word_on_itself_is_told_and_of_others_it_is_not() {
    let w = World::new().await;
    w.established(&district(), Default::default()).await;
    let health = |seat, state, relayed| Health {
        seat,
        since: 0,
        state,
        reasons: vec![Reason::Disk],
        figures: vec![(Figure::FreeBytes, 3)],
        release: "1".to_owned(),
        relayed,
    };
    let hear = async |all: Vec<Health>| {
        w.uplink.health(&district(), all).await.expect("heard");
        w.uplink.node_word().unwell
    };
    let held = LogState::Held;
    assert_eq!(hear(vec![health(testing::CITY, held, true)]).await, None);
    assert_eq!(
        hear(vec![health(testing::DISTRICT, held, true)]).await,
        None
    );
    let unwell = hear(vec![health(testing::DISTRICT, held, false)]).await;
    assert_eq!(unwell, Some(vec![Reason::Disk]));
    let well = hear(vec![health(testing::DISTRICT, LogState::Running, false)]).await;
    assert_eq!(well, None);
}

/// The heads of our logs are shown, after their batches were forgotten too.
#[tokio::test]
async fn our_own_heads_are_shown_with_the_header_and_the_opening() {
    let w = World::new().await;
    let check = async |w: &World| {
        let logs = w.uplink.accept(&district()).await.expect("accepted").logs;
        let heads: Vec<(u8, u64)> = logs.iter().map(|e| (e.lane, e.taken_in)).collect();
        assert_eq!(heads, [(1, 1), (2, 2)]);
        let opening = w.sealer.opening().to_bytes();
        for entry in logs {
            assert_eq!(entry.opening_envelope, opening);
            let header = Envelope::from_bytes(&entry.header).expect("a header");
            let lane = Lane::from_u8(entry.lane).expect("a lane");
            let position = w.at(lane, entry.taken_in).await;
            assert_eq!(testing::reference(&header), position.header);
        }
    };
    check(&w).await;
    let at = w.at(Lane::Records, 2).await;
    w.store
        .prune(Lane::Records, 2, at.header)
        .await
        .expect("pruned");
    check(&w).await;
}

/// Batches that left and do not come to where they should are told; how far the city is, is another word.
#[tokio::test]
async fn what_does_not_move_is_told_and_where_it_stands() {
    let w = World::new().await;
    let minutes = |n: u64| w.hand.advance(std::time::Duration::from_secs(60 * n));
    let stuck = async || w.uplink.stuck().await.expect("read");
    let city_word = async || w.uplink.city_word().await.expect("read");
    assert_eq!(
        stuck().await,
        None,
        "without a session it is the link that is down"
    );
    assert_eq!(city_word().await, Some(CityWord::Unknown));
    w.established(&district(), Default::default()).await;
    assert_eq!(
        (stuck().await, city_word().await),
        (None, Some(CityWord::OnTheWay))
    );
    minutes(2);
    let first = stuck().await.expect("stuck");
    assert_eq!(
        (first.lane, first.from, first.taken_in),
        (Lane::Cases, 1, false)
    );
    assert_eq!(city_word().await, Some(CityWord::Apart(NOW_MS)));
    // taken in and applied
    let hear = async |applied| {
        let entries = vec![
            told(&w, 1, LogState::Running, 1, 1),
            told(&w, 2, LogState::Running, 2, applied),
        ];
        let heard = w.uplink.logs(&district(), entries, LogsEnd::Complete).await;
        heard.expect("heard");
    };
    hear(1).await;
    assert_eq!(stuck().await, None, "applied in a moment");
    minutes(2);
    let stage = stuck().await.expect("stuck");
    assert_eq!(
        (stage.lane, stage.from, stage.taken_in),
        (Lane::Records, 2, true)
    );
    hear(2).await;
    minutes(9);
    assert_eq!(stuck().await, None);
    // the city has its own word, and its own receipts
    let receipt = w.receipt(THE_CITY, 2, 0).await;
    w.take(&district(), &[THE_CITY.sign(&receipt)]).await;
    assert!(
        matches!(city_word().await, Some(CityWord::OnTheWay)),
        "of cases it has said nothing"
    );
    let mut cases = w.receipt(THE_CITY, 0, 0).await;
    cases.log = w.log(Lane::Cases);
    cases.durable = w.at(Lane::Cases, 1).await;
    cases.attached = cases.durable;
    w.take(&district(), &[THE_CITY.sign(&cases)]).await;
    assert_eq!(city_word().await, Some(CityWord::Reached));
    // a district that says that it has no city at hand is believed at once
    let w = World::new().await;
    w.established(&district(), Default::default()).await;
    let heard = w
        .uplink
        .logs(&district(), Vec::new(), LogsEnd::CompleteWithoutCity)
        .await;
    heard.expect("heard");
    let word = w.uplink.city_word().await.expect("read");
    assert_eq!(word, Some(CityWord::Apart(NOW_MS)));
    // of the city's own agent there is no such word
    let w = World::of(testing::CITY).await;
    assert_eq!(w.uplink.city_word().await.expect("read"), None);
}
