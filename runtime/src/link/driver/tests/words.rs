//! What is said beside the feed: states of logs, health, comparison of statements, pages of wants.

use super::*;

async fn established() -> (Side, Side, [JoinHandle<SessionEnd>; 2]) {
    let (dialled, accepted) = Carrier::pair(1);
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let runs = [a.run(dialled), b.run(accepted)];
    a.host.is_established().await;
    b.host.is_established().await;
    (a, b, runs)
}

#[tokio::test]
async fn the_list_of_the_greeting_comes_first_and_news_and_health_follow() {
    let (dialled, accepted) = Carrier::pair(1);
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let list: Vec<LogEntry> = (1..=3).map(|n| entry(n, 5)).collect();
    *a.host.list.lock().expect("lock") = list.clone();
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    a.host.is_established().await;
    let to_b = a.host.handle();
    assert!(to_b.logs(vec![entry(1, 6)]).await);
    assert!(
        to_b.health(vec![health(seat(1), 1), health(seat(5), 1)])
            .await
    );
    assert!(until(AT_MOST, || b.host.heard().len() == 4).await);
    let heard = b.host.heard();
    assert_eq!(heard[0], Heard::Logs(list, LogsEnd::Complete));
    for expected in [
        Heard::Logs(vec![entry(1, 6)], LogsEnd::More),
        Heard::Health(health(seat(1), 1)),
        Heard::Health(health(seat(5), 1)),
    ] {
        assert!(heard.contains(&expected), "{expected:?} of {heard:?}");
    }
    // the other side has said a list, too, of which the end alone was to be heard
    assert_eq!(a.host.heard(), [Heard::Logs(Vec::new(), LogsEnd::Complete)]);
}

#[tokio::test]
async fn of_the_words_about_a_seat_that_wait_the_newest_is_said() {
    let (a, b, _runs) = established().await;
    for since in 1..=50 {
        assert!(a.host.handle().health(vec![health(seat(1), since)]).await);
    }
    let heard = || {
        let heard = b.host.heard();
        let since = heard.iter().filter_map(|heard| match heard {
            Heard::Health(health) => Some(health.since),
            _ => None,
        });
        since.collect::<Vec<i64>>()
    };
    assert!(until(AT_MOST, || heard().last() == Some(&50)).await);
    assert!(heard().is_sorted() && heard().len() < 10, "{:?}", heard());
}

/// Seats whose numbers have two bytes.
fn seats() -> impl Iterator<Item = SeatId> {
    (0..=u16::MAX).map(|n| {
        let mut seat = SeatId([7; 16]);
        seat.0[..2].copy_from_slice(&n.to_be_bytes());
        seat
    })
}

#[tokio::test]
async fn who_says_more_than_can_wait_is_told_and_says_it_later() {
    let (carrier, mut offending) = Carrier::pair(5);
    let ours = Side::new(Party::new(1));
    let running = ours.run(carrier);
    offender(&offending).await;
    ours.host.is_established().await;
    let handle = ours.host.handle();
    // the other side hears nothing
    let (mut health_refused, mut news_refused) = (None, None);
    for (n, seat) in seats().enumerate() {
        let said = health(seat, n as i64);
        if health_refused.is_none() && !handle.health(vec![said.clone()]).await {
            health_refused = Some(said);
        }
        let news = LogEntry {
            seat,
            ..entry(1, n as u64)
        };
        if news_refused.is_none() && !handle.logs(vec![news.clone()]).await {
            news_refused = Some(news);
        }
        if health_refused.is_some() && news_refused.is_some() {
            break;
        }
    }
    let (health, news) = (
        health_refused.expect("health is bounded"),
        news_refused.expect("news are bounded"),
    );
    // when it hears again there is room, with the next burst
    let hears = async { while let Ok(Some(_)) = offending.receive().await {} };
    let again = async {
        while !handle.health(vec![health.clone()]).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let again = tokio::time::timeout(AT_MOST, again);
    tokio::select! {
        () = hears => panic!("the session has ended"),
        again = again => again.expect("in time"),
    }
    handle.close(GoodbyeCode::Shutdown, "").await;
    offending.control().close(CloseCode::Done, "");
    ended(running).await;
    assert!(!handle.health(vec![health]).await, "nobody says it");
    assert!(!handle.logs(vec![news]).await, "nobody says it");
}

#[tokio::test]
async fn where_sums_of_statements_differ_each_side_learns_what_the_other_has() {
    let (dialled, accepted) = Carrier::pair(1);
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let of_a: BTreeSet<Ref> = (1..=10).map(reference).collect();
    let of_b: BTreeSet<Ref> = (8..=9).map(reference).collect();
    *a.host.statements.lock().expect("lock") = of_a.clone();
    *b.host.statements.lock().expect("lock") = of_b.clone();
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    let learnt = |side: &Side, all: &BTreeSet<Ref>| *side.host.theirs.lock().expect("lock") == *all;
    assert!(until(AT_MOST, || learnt(&b, &of_a) && learnt(&a, &of_b)).await);
}

#[tokio::test]
async fn nothing_is_asked_where_sums_of_statements_agree() {
    let (dialled, accepted) = Carrier::pair(1);
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    for side in [&a, &b] {
        let mut statements = side.host.statements.lock().expect("lock");
        statements.extend((1..=10).map(reference));
    }
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    a.host.is_established().await;
    a.host.handle().digest(a.host.digest()).await;
    a.host.handle().receipts(vec![receipt(1)]).await;
    let heard = || !b.host.receipts.lock().expect("lock").is_empty();
    assert!(until(AT_MOST, heard).await);
    assert_eq!(a.host.served.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_statement_that_comes_while_others_are_compared_is_found_afterwards() {
    let (dialled, accepted) = Carrier::pair(1);
    let slow = Party {
        hears: Duration::from_millis(50),
        ..Party::new(1)
    };
    let (a, b) = (Side::new(slow), Side::new(Party::new(2)));
    *a.host.statements.lock().expect("lock") = (10..=30).map(reference).collect();
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    let theirs = || b.host.theirs.lock().expect("lock").len();
    assert!(until(AT_MOST, || theirs() > 0).await);
    // its place in the order has been passed
    a.host.statements.lock().expect("lock").insert(reference(1));
    a.host.handle().digest(a.host.digest()).await;
    assert!(until(AT_MOST, || theirs() == 22).await);
}

#[tokio::test]
async fn the_entry_that_answers_a_want_of_a_header_is_heard_before_its_page() {
    let (dialled, accepted) = Carrier::pair(1);
    let slow = Party {
        hears: Duration::from_millis(30),
        ..Party::new(1)
    };
    let (a, b) = (Side::new(slow), Side::new(Party::new(2)));
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    a.host.is_established().await;
    let ask = Ask {
        id: 3,
        want: Want::Header {
            seat: seat(5),
            lane: 2,
            opening: reference(5),
            sequence: 7,
        },
        resume: Vec::new(),
    };
    assert!(a.host.handle().want(ask).await);
    assert!(until(AT_MOST, || a.host.heard().len() == 3).await);
    assert_eq!(
        a.host.heard(),
        [
            Heard::Logs(Vec::new(), LogsEnd::Complete),
            Heard::Logs(vec![entry(5, 7)], LogsEnd::More),
            Heard::Page(3, PageCode::Given),
        ]
    );
}

#[tokio::test]
async fn every_want_is_answered_to_its_last_page() {
    let (a, b, runs) = established().await;
    let wants = 3 * limits::WANTS_OPEN_MAX as u64;
    for id in 0..wants {
        assert!(a.host.handle().want(subject(id)).await, "want {id}");
    }
    let answered = || {
        let wanted = a.host.wanted.lock().expect("lock");
        wanted.len() as u64 == wants && wanted.values().all(|items| items.len() == 3)
    };
    assert!(until(AT_MOST, answered).await);
    assert_eq!(b.host.served.load(Ordering::Relaxed) as u64, 3 * wants);
    assert!(runs.iter().all(|run| !run.is_finished()));
}

/// Who has more open than is allowed is at fault: a page that is being stored counts, for its next page is asked for under
/// the same number.
#[tokio::test]
async fn no_more_wants_are_open_than_a_peer_allows_however_slowly_pages_are_stored() {
    let (a, b, runs) = established().await;
    a.host.stores_no_pages.store(true, Ordering::Relaxed);
    let handle = a.host.handle();
    let asks = tokio::spawn(async move {
        for id in 0..2 * limits::WANTS_OPEN_MAX as u64 {
            handle.want(subject(id)).await;
        }
    });
    // several pages have come and wait to be stored; then none comes any more, and they are stored
    let served = || b.host.served.load(Ordering::Relaxed);
    assert!(until(AT_MOST, || served() >= 8).await);
    b.host.serves_nothing.store(true, Ordering::Relaxed);
    a.host.stores_no_pages.store(false, Ordering::Relaxed);
    let stored = || {
        let pages = |h: &Heard| matches!(h, Heard::Page(..));
        a.host.heard().into_iter().filter(pages).count()
    };
    assert!(until(AT_MOST, || stored() >= 8).await);
    // what is said in one conversation is heard in its order
    a.host.handle().receipts(vec![receipt(1)]).await;
    let heard = || !b.host.receipts.lock().expect("lock").is_empty();
    assert!(until(AT_MOST, heard).await, "the session has ended");
    assert!(runs.iter().all(|run| !run.is_finished()));
    asks.abort();
}
