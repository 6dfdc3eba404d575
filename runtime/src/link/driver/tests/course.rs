//! The course of a session that goes well, and of those that follow it.

use super::*;

/// Both feeds get across, live growth too; then one side stops and both ends agree.
async fn converse(dialled: Carrier, accepted: Carrier) {
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    a.host.append(20_000);
    b.host.append(300);
    let (run_a, run_b) = (a.run(dialled), b.run(accepted));
    assert!(
        until(AT_MOST, || b.host.taken() == 20_000
            && a.host.taken() == 300)
        .await
    );
    a.host.append(10);
    a.links.grown();
    assert!(until(AT_MOST, || b.host.taken() == 20_010).await);
    let check = |side: &Side, expected: u64| {
        let taken = side.host.taken.lock().expect("lock");
        for class in 0..3u8 {
            let got: Vec<u64> = taken
                .iter()
                .filter(|(c, ..)| *c == class)
                .map(|(_, offset, _)| *offset)
                .collect();
            let sent = (1..=expected).filter(|n| n % 3 == u64::from(class));
            assert_eq!(got, sent.collect::<Vec<_>>());
        }
    };
    check(&b, 20_010);
    check(&a, 300);
    // receipts and wants
    let to_a = b.links.with(&seat(1)).expect("standing");
    to_a.receipts(vec![receipt(9)]).await;
    assert!(to_a.want(subject(7)).await);
    assert!(
        until(AT_MOST, || {
            let wanted = b.host.wanted.lock().expect("lock");
            wanted.get(&7).is_some_and(|items| items.len() == 3)
        })
        .await
    );
    assert!(
        until(AT_MOST, || *a.host.receipts.lock().expect("lock")
            == [receipt(9)])
        .await
    );
    b.shutdown.begin();
    let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
    assert_eq!(
        (end_a.code, end_b.code),
        (Some(GoodbyeCode::Shutdown), Some(GoodbyeCode::Shutdown))
    );
    assert!(end_a.by_peer && !end_b.by_peer, "{end_a:?} {end_b:?}");
    assert_eq!(*a.host.ends.lock().expect("lock"), [end_a]);
    assert!(a.links.views().is_empty());
    assert!(to_a.has_ended());
}

#[tokio::test]
async fn two_parties_converse_in_memory() {
    let (dialled, accepted) = Carrier::pair(1);
    converse(dialled, accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_parties_converse_over_quic() {
    let (dialled, accepted, _endpoints) = quic_pair().await;
    converse(dialled, accepted).await;
}

#[tokio::test]
async fn storing_is_in_order_beside_sending_and_small_groups_share_a_call() {
    let (dialled, accepted) = Carrier::pair(1);
    let slow = Party {
        stores: Duration::from_millis(50),
        ..Party::new(2)
    };
    let (a, b) = (Side::new(Party::new(1)), Side::new(slow));
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    a.host.is_established().await;
    for _ in 0..60 {
        a.host.append(1);
        a.host.handle().grown();
        sleep(Duration::from_millis(2)).await;
    }
    assert!(until(AT_MOST, || b.host.taken() == 60).await);
    // one call at a time in each of three classes, and far fewer calls than items
    assert!(b.host.storing_most.load(Ordering::Relaxed) <= 3);
    let calls = b.host.calls.load(Ordering::Relaxed);
    assert!(calls < 50, "{calls} calls");
    let ends = || b.host.cursors.lock().expect("lock").map(|c| c.offset);
    assert!(until(AT_MOST, || ends() == [60; 3]).await);
}

/// The hosts of these tests refuse to be given anything before `established` has ended.
#[tokio::test]
async fn a_host_is_given_nothing_before_it_knows_that_the_session_is_established() {
    let (dialled, accepted) = Carrier::pair(1);
    let slow = Party {
        establishes: Duration::from_millis(200),
        ..Party::new(2)
    };
    let (a, b) = (Side::new(Party::new(1)), Side::new(slow));
    a.host.append(300);
    a.host.list.lock().expect("lock").push(entry(1, 5));
    a.host.statements.lock().expect("lock").insert(reference(1));
    let (_run_a, run_b) = (a.run(dialled), b.run(accepted));
    a.host.is_established().await;
    a.host.handle().receipts(vec![receipt(1)]).await;
    assert!(a.host.handle().want(subject(1)).await);
    assert!(until(AT_MOST, || b.host.taken() == 300).await);
    assert!(
        until(AT_MOST, || {
            let wanted = a.host.wanted.lock().expect("lock");
            wanted.get(&1).is_some_and(|items| items.len() == 3)
        })
        .await
    );
    let theirs = || b.host.theirs.lock().expect("lock").contains(&reference(1));
    assert!(until(AT_MOST, theirs).await);
    assert_eq!(*b.host.receipts.lock().expect("lock"), [receipt(1)]);
    assert_eq!(
        b.host.heard(),
        [Heard::Logs(vec![entry(1, 5)], LogsEnd::Complete)]
    );
    assert!(!run_b.is_finished());
}

#[tokio::test]
async fn a_feed_that_begins_anew_is_stored_from_its_start_after_the_old_cursor_is_forgotten() {
    let (dialled, accepted) = Carrier::pair(1);
    let slow = Party {
        forgets: Duration::from_millis(50),
        ..Party::new(2)
    };
    let (a, b) = (Side::new(Party::new(1)), Side::new(slow));
    a.host.append(30);
    // it has read another feed, and further
    let of_another = Cursor {
        offset: 90,
        token: Token([0xee; 16]),
    };
    *b.host.cursors.lock().expect("lock") = [of_another; CLASSES];
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    assert!(until(AT_MOST, || b.host.taken() == 30).await);
    let mut forgotten = b.host.forgotten.lock().expect("lock").clone();
    forgotten.sort_unstable();
    assert_eq!(forgotten, [0, 1, 2]);
    let ends = || b.host.cursors.lock().expect("lock").map(|c| c.offset);
    assert!(until(AT_MOST, || ends() == [30; 3]).await);
}

#[tokio::test]
async fn a_cursor_of_the_same_feed_goes_on_where_it_stands() {
    let (dialled, accepted) = Carrier::pair(1);
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    a.host.append(30);
    let stands = Cursor {
        offset: 21,
        token: token(21),
    };
    *b.host.cursors.lock().expect("lock") = [stands; CLASSES];
    // of the peer's incarnation, or they would count for nothing
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    assert!(until(AT_MOST, || b.host.taken() == 9).await);
    assert_eq!(b.host.places().first(), Some(&(1, 22)));
    assert!(b.host.forgotten.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_changed_interest_holds_from_a_step_that_names_it() {
    let (dialled, accepted) = Carrier::pair(1);
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let of = |version, region: &str| Interest {
        version,
        regions: vec![region.to_owned()],
        ..Interest::default()
    };
    *b.host.interest.lock().expect("lock") = of(1, "a");
    a.host.append_for(12, "a");
    a.host.append_for(12, "b");
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    let through = |end: u64| {
        let cursors = b.host.cursors.lock().expect("lock");
        cursors.iter().all(|c| c.offset == end)
    };
    assert!(until(AT_MOST, || through(24)).await);
    assert_eq!(b.host.taken(), 12);
    b.host.handle().interest(of(2, "b")).await;
    // what is said in one conversation is heard in its order
    b.host.handle().receipts(vec![receipt(1)]).await;
    let heard = || !a.host.receipts.lock().expect("lock").is_empty();
    assert!(until(AT_MOST, heard).await);
    a.host.append_for(12, "a");
    a.host.append_for(12, "b");
    a.links.grown();
    assert!(until(AT_MOST, || through(48)).await);
    let taken = b.host.taken.lock().expect("lock").clone();
    let first: Vec<_> = taken.iter().filter(|(.., v)| *v == 1).collect();
    let second: Vec<_> = taken.iter().filter(|(.., v)| *v == 2).collect();
    assert_eq!((first.len(), second.len()), (12, 12));
    assert!(first.iter().all(|(_, at, _)| (1..=12).contains(at)));
    assert!(second.iter().all(|(_, at, _)| (37..=48).contains(at)));
}

#[tokio::test]
async fn a_newer_session_fences_the_older_and_nothing_is_stored_twice() {
    let slow = Party {
        stores: Duration::from_millis(100),
        ..Party::new(2)
    };
    let (a, b) = (Side::new(Party::new(1)), Side::new(slow));
    a.host.append(200);
    let (dialled, accepted) = Carrier::pair(1);
    let (first_a, first_b) = (a.run(dialled), b.run(accepted));
    // the older session is in the middle of storing
    assert!(until(AT_MOST, || b.host.storing.load(Ordering::Relaxed) > 0).await);
    let (dialled, accepted) = Carrier::pair(2);
    let (_second_a, _second_b) = (a.run(dialled), b.run(accepted));
    let old = ended(first_b).await;
    assert_eq!(old.code, Some(GoodbyeCode::Fenced));
    ended(first_a).await;
    assert!(until(AT_MOST, || b.host.taken() == 200).await);
    assert_eq!(b.links.views().len(), 1);
    assert!(!b.links.with(&seat(1)).expect("standing").has_ended());
}

#[tokio::test]
async fn a_broken_link_ends_the_session_without_a_word() {
    let (dialled, accepted, (dialer, _listener)) = quic_pair().await;
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let (run_a, run_b) = (a.run(dialled), b.run(accepted));
    assert!(until(AT_MOST, || !b.links.views().is_empty()).await);
    dialer.close().await;
    let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
    assert!(matches!(end_a.link_end(), LinkEnd::Broken(_)), "{end_a:?}");
    assert!(matches!(end_b.link_end(), LinkEnd::Broken(_)), "{end_b:?}");
}
