//! Who is at fault when a session ends, and what each side is told.

use super::*;

#[tokio::test]
async fn a_refused_peer_is_told_why() {
    let (memory, memory_accepted) = Carrier::pair(1);
    let (dialled, accepted, _endpoints) = quic_pair().await;
    for (dialled, accepted) in [(memory, memory_accepted), (dialled, accepted)] {
        let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
        b.host.admits_nobody.store(true, Ordering::Relaxed);
        let (run_a, run_b) = (a.run(dialled), b.run(accepted));
        let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
        assert_eq!(end_a.code, Some(GoodbyeCode::NotAdmitted));
        assert_eq!(end_a.text, "尚未批准入网");
        assert!(end_a.by_peer && !end_b.by_peer);
        assert_eq!(end_b.party, None);
        assert!(matches!(end_a.link_end(), LinkEnd::Later(..)));
    }
}

/// Both ends of a session in which the second side fails to store what the first has sent.
async fn ends_of(fails: Fails) -> (SessionEnd, SessionEnd) {
    let (dialled, accepted, _endpoints) = quic_pair().await;
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    *b.host.fails.lock().expect("lock") = Some(fails);
    a.host.append(5);
    let (run_a, run_b) = (a.run(dialled), b.run(accepted));
    let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
    assert!(end_a.by_peer && !end_b.by_peer);
    assert_eq!(b.host.taken(), 0);
    (end_a, end_b)
}

#[tokio::test]
async fn a_peer_at_fault_is_told_and_the_session_ends() {
    let (end_a, end_b) = ends_of(Fails::Jurisdiction).await;
    assert_eq!(end_a.code, Some(GoodbyeCode::Jurisdiction));
    assert_eq!(end_a.text, "推送了辖区外的数据");
    assert_eq!(end_b.code, Some(GoodbyeCode::Jurisdiction));
    assert!(matches!(end_a.link_end(), LinkEnd::Later(..)));
}

#[tokio::test]
async fn a_fault_of_ours_is_ours_at_both_ends() {
    for (fails, own) in [(Fails::Disk, "磁盘已满"), (Fails::Panic, "本端程序异常")] {
        let (end_a, end_b) = ends_of(fails).await;
        let local = Some(GoodbyeCode::LocalFault);
        assert_eq!((end_a.code, end_b.code), (local, local));
        // the peer need not know what is wrong with our disk, our people must
        assert!(end_a.text.contains("对端节点"), "{}", end_a.text);
        assert!(!end_a.text.contains(own), "{}", end_a.text);
        assert!(end_b.text.contains(own), "{}", end_b.text);
        assert!(!end_b.text.contains("对端"), "{}", end_b.text);
        assert!(matches!(end_a.link_end(), LinkEnd::Broken(_)));
        assert!(matches!(end_b.link_end(), LinkEnd::Broken(_)));
    }
}

#[tokio::test]
async fn that_we_judge_a_hello_too_slowly_is_not_the_peers_fault() {
    let (mut carrier, accepted) = Carrier::pair(1);
    let slow = Party {
        judges: Duration::from_secs(3_600),
        ..Party::new(2)
    };
    let b = Side::new(slow);
    let running = b.run_greeting(accepted, Duration::from_millis(200));
    offender(&carrier).await;
    assert_eq!(goodbye(&mut carrier).await.code, GoodbyeCode::LocalFault);
    b.shutdown.begin();
    let end = ended(running).await;
    assert_eq!(end.code, Some(GoodbyeCode::LocalFault));
    assert!(end.text.contains("本端"), "{}", end.text);
}

#[tokio::test]
async fn a_peer_that_does_not_introduce_itself_is_let_go() {
    let (mut carrier, accepted) = Carrier::pair(1);
    let b = Side::new(Party::new(2));
    let running = b.run_greeting(accepted, Duration::from_millis(50));
    assert_eq!(goodbye(&mut carrier).await.code, GoodbyeCode::NotAdmitted);
    let end = ended(running).await;
    assert_eq!(
        (end.code, end.by_peer),
        (Some(GoodbyeCode::NotAdmitted), false)
    );
}

#[tokio::test]
async fn bytes_that_are_no_frame_end_the_session() {
    let (raw, accepted) = Carrier::pair(1);
    let b = Side::new(Party::new(2));
    let run_b = b.run(accepted);
    raw.send(0, vec![1, 250, 250, 250]).await.expect("sending");
    let end = ended(run_b).await;
    assert_eq!(end.code, Some(GoodbyeCode::Misbehaved));
    assert!(!end.by_peer);
}

#[tokio::test]
async fn who_breaks_the_rules_while_it_is_being_judged_is_told_so_afterwards() {
    let (mut carrier, accepted) = Carrier::pair(1);
    let slow = Party {
        judges: Duration::from_millis(100),
        ..Party::new(2)
    };
    let b = Side::new(slow);
    let running = b.run(accepted);
    let [hello, resume] = introduction(&carrier);
    for frame in [&hello, &resume, &resume] {
        say(&carrier, frame).await.expect("said");
    }
    assert_eq!(goodbye(&mut carrier).await.code, GoodbyeCode::Misbehaved);
    carrier.control().close(CloseCode::Done, "");
    let end = ended(running).await;
    assert_eq!(end.code, Some(GoodbyeCode::Misbehaved));
    assert!(!end.by_peer, "it is our word");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_named_in_the_goodbye() {
    let (mut carrier, accepted) = Carrier::pair(1);
    let b = Side::new(Party::new(2));
    let running = b.run(accepted);
    offender(&carrier).await;
    let step = protocol::frame::Feed {
        class: 2,
        interest: 1,
        after: 0,
        offset: 5,
        directory: 0,
        token: token(5),
        // no slice has one byte
        item: Some(Item::Unread {
            number: 2,
            body: vec![1],
        }),
    };
    say(&carrier, &Said::Feed(step)).await.expect("said");
    let told = goodbye(&mut carrier).await;
    assert_eq!(
        (told.code, told.item),
        (GoodbyeCode::ItemRefused, Some((2, 5)))
    );
    carrier.control().close(CloseCode::Done, "");
    assert_eq!(ended(running).await.code, Some(GoodbyeCode::ItemRefused));
}

#[tokio::test]
async fn a_revoked_peer_is_told_so_at_once_and_nothing_more_is_taken_from_it() {
    let (dialled, accepted, _endpoints) = quic_pair().await;
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    a.host.append(30);
    let (run_a, run_b) = (a.run(dialled), b.run(accepted));
    assert!(until(AT_MOST, || b.host.taken() == 30).await);
    let handle = b.links.with(&seat(1)).expect("standing");
    handle.close(GoodbyeCode::Revoked, "席位已被吊销").await;
    a.host.append(30);
    a.links.grown();
    let (end_a, end_b) = (ended(run_a).await, ended(run_b).await);
    let revoked = Some(GoodbyeCode::Revoked);
    assert_eq!((end_a.code, end_b.code), (revoked, revoked));
    assert_eq!(end_a.text, "席位已被吊销");
    assert!(end_a.by_peer && !end_b.by_peer);
    assert!(matches!(end_a.link_end(), LinkEnd::Later(..)));
    assert!(b.links.with(&seat(1)).is_none());
    assert!(b.host.places().iter().all(|(_, offset)| *offset <= 30));
}

#[test]
fn what_an_end_means_for_the_next_attempt_follows_from_its_reason() {
    let text = || "why".to_owned();
    let later = |seconds| LinkEnd::Later(Duration::from_secs(seconds), text());
    let check = |code: Option<GoodbyeCode>, expected: LinkEnd| {
        let end = SessionEnd {
            party: None,
            by_peer: true,
            code,
            text: text(),
            stood: Duration::ZERO,
        };
        assert_eq!(end.link_end(), expected, "{code:?}");
        assert_eq!(expected.text(), "why");
    };
    check(None, LinkEnd::Broken(text()));
    check(Some(GoodbyeCode::Shutdown), LinkEnd::Broken(text()));
    check(Some(GoodbyeCode::LocalFault), LinkEnd::Broken(text()));
    check(Some(GoodbyeCode::ItemRefused), LinkEnd::Soon(text()));
    check(Some(GoodbyeCode::NewerInstance), LinkEnd::Soon(text()));
    check(Some(GoodbyeCode::Fenced), later(10));
    check(Some(GoodbyeCode::NotAdmitted), later(15));
    check(Some(GoodbyeCode::Version), later(60));
    check(Some(GoodbyeCode::Misbehaved), later(60));
    check(Some(GoodbyeCode::Jurisdiction), later(60));
    check(Some(GoodbyeCode::Revoked), later(60));
    check(Some(GoodbyeCode::Other(200)), later(60));
}
