//! Feed, wants, hello, statements.

use protocol::envelope::kind;
use protocol::id;

use super::*;

const CHANNEL: Channel = Channel {
    exporter: [3; 32],
    peer_key: [0; 32],
};

/// A hello of a node, with these statements.
fn hello(seat: SeatId, key: u8, statements: &[Envelope]) -> Hello {
    Hello {
        frames: FRAME_HIGHEST,
        items: ITEM_HIGHEST,
        instance: InstanceId([key; 16]),
        incarnation: life(1, key),
        release: "1".to_owned(),
        seats: vec![Presence {
            seat,
            signatures: presence::sign(&seat, &CHANNEL.exporter, &testing::key(key)),
        }],
        statements: statements.iter().map(Envelope::to_bytes).collect(),
    }
}

#[tokio::test]
async fn the_feed_gives_each_class_its_items_and_nothing_before_its_mark() {
    let w = World::new().await;
    w.progress.sendable.store(3, Ordering::Relaxed);
    let opening = w.page(0, 0, None, 1_000).await;
    let envelope = w.sealer.opening().to_bytes();
    assert_eq!((opening.items.len(), opening.items[0].0), (1, 1));
    assert_eq!(opening.items[0].2, Item::Envelope(envelope));
    assert_eq!((opening.through, opening.more), (3, false));
    let records = w.page(2, 0, Some(3), 1_000).await;
    assert_eq!(
        records.items.len(),
        1,
        "the second is sealed but not marked"
    );
    assert_eq!((records.items[0].0, records.through), (2, 3));
    w.progress.sendable.store(4, Ordering::Relaxed);
    let first = w.page(2, 0, None, 10).await;
    assert_eq!((first.items.len(), first.through, first.more), (1, 2, true));
    let rest = w.page(2, 2, None, 10).await;
    assert_eq!((rest.items[0].0, rest.through, rest.more), (4, 4, false));
    let none = w.page(2, 4, None, 10).await;
    assert_eq!((none.items.len(), none.through), (0, 4));
    // each step carries the token of its transaction, and so does the end of a page
    assert_ne!(first.items[0].1, rest.items[0].1);
    assert_eq!(
        (first.items[0].1, rest.items[0].1),
        (first.token, rest.token)
    );
    assert_eq!(records.token, w.page(1, 0, Some(3), 10).await.token);
}

/// A cursor that is not one of our feed, by its token or since it lies ahead, makes the feed begin anew (D85).
#[tokio::test]
async fn a_cursor_of_another_feed_makes_ours_begin_anew() {
    let w = World::new().await;
    let token = |offset| w.store.token_at(offset);
    let second = Token(token(2).await.expect("token").expect("known"));
    let check = async |what: &str, offset: u64, token: Token, anew: bool| {
        let mut cursors = [Cursor::default(); CLASSES];
        cursors[2] = Cursor { offset, token };
        let begun = w.established(&district(), cursors).await;
        assert_eq!(begun.anew, anew, "{what}");
    };
    check("nothing stored", 0, Token::default(), false).await;
    check("ours", 2, second, false).await;
    check("the token of another offset", 3, second, true).await;
    check("no token", 2, Token::default(), true).await;
    check("ahead of our head", 9, second, true).await;
    check("ahead of all heads", u64::MAX, second, true).await;
}

#[tokio::test]
async fn a_range_is_served_from_our_own_log_only() {
    let w = World::new().await;
    let opening = w.log(Lane::Records).opening;
    let want = |seat: SeatId, opening: Ref, from, to| Want::Range {
        seat,
        lane: 2,
        opening,
        from,
        to,
    };
    let serve = async |want, place: Vec<u8>| {
        w.uplink
            .serve_want(&district(), want, place)
            .await
            .expect("served")
    };
    let ours = |from, to| want(testing::DEPARTMENT, opening, from, to);
    // a place that is none costs nothing
    let beyond = u64::MAX.to_be_bytes().to_vec();
    let none = serve(ours(u64::MAX, 0), beyond).await;
    assert_eq!((none.items.len(), none.code), (0, PageCode::NotHeld));
    let all = serve(ours(1, 0), Vec::new()).await;
    assert_eq!((all.items.len(), all.next), (2, None));
    assert_eq!((all.code, all.built_at), (PageCode::Given, 4));
    let after_first = serve(ours(1, 0), 1_u64.to_be_bytes().to_vec()).await;
    assert_eq!(after_first.items.len(), 1);
    for other in [
        want(testing::CITY, opening, 1, 0),
        want(testing::DEPARTMENT, Ref::of(Hash([7; 32])), 1, 0),
    ] {
        assert_eq!(serve(other, Vec::new()).await.code, PageCode::NotHeld);
    }
    let unread = Want::Unread {
        kind: 9,
        body: Vec::new(),
    };
    assert_eq!(
        serve(unread, Vec::new()).await.code,
        PageCode::NotUnderstood
    );
    // a header alone comes as an entry of logs
    let header = |sequence| Want::Header {
        seat: testing::DEPARTMENT,
        lane: 2,
        opening,
        sequence,
    };
    let answer = serve(header(1), Vec::new()).await;
    let entry = answer.header.expect("an entry");
    assert_eq!((entry.seat, entry.taken_in), (testing::DEPARTMENT, 1));
    assert!(!entry.header.is_empty() && !entry.opening_envelope.is_empty());
    assert_eq!(serve(header(3), Vec::new()).await.code, PageCode::NotHeld);
    // what is sealed and not marked may not leave
    w.progress.sendable.store(3, Ordering::Relaxed);
    assert_eq!(serve(ours(1, 0), Vec::new()).await.items.len(), 1);
    assert_eq!(serve(header(2), Vec::new()).await.code, PageCode::NotHeld);
}

#[tokio::test]
async fn statements_that_the_agent_holds_are_shown_to_whoever_asks() {
    let w = World::new().await;
    let of = |envelopes: &[Envelope]| {
        Want::Statements(envelopes.iter().map(testing::reference).collect())
    };
    let serve = async |want| {
        let served = w.uplink.serve_want(&district(), want, Vec::new()).await;
        served.expect("served")
    };
    let both = [testing::city(), w.sealer.opening().clone()];
    let answer = serve(of(&both)).await;
    let items: Vec<Item> = both.iter().map(|e| Item::Envelope(e.to_bytes())).collect();
    assert_eq!(answer.items, items);
    let other = testing::district(testing::OTHER, testing::OTHER_KEY);
    assert_eq!(serve(of(&[other])).await.code, PageCode::NotHeld);
}

/// Between agent and node the statements of the other's chain are compared; what is missing is asked for and kept.
#[tokio::test]
async fn a_chain_that_differs_is_asked_for() {
    let w = World::new().await;
    let revocation = testing::revocation(&w.admission);
    let digest = |references: &[Ref], scope| {
        let mut sum = id::Sum::ZERO;
        for reference in references {
            sum.add(&id::statement_term(reference));
        }
        Digest {
            cursor: 0,
            scope,
            count: references.len() as u64,
            sum: sum.0,
        }
    };
    let mut chain: Vec<Ref> = w.admission.chain.iter().map(testing::reference).collect();
    let differs = async |digest| {
        let told = w.uplink.digest(&district(), digest).await;
        told.expect("compared")
    };
    assert!(!differs(digest(&chain, Scope::Chain)).await);
    assert!(
        !differs(digest(&[], Scope::All)).await,
        "an agent holds its chain only"
    );
    chain.push(testing::reference(&revocation));
    assert!(differs(digest(&chain, Scope::Chain)).await);
    assert_eq!(
        w.uplink.missing(chain.clone()),
        [[testing::reference(&revocation)]]
    );
    // ours of the node's chain, as a digest and as a page
    let accepted = w.uplink.accept(&district()).await.expect("accepted");
    let node = [
        testing::root(),
        testing::city(),
        testing::district(testing::DISTRICT, testing::DISTRICT_KEY),
    ];
    let mut references: Vec<Ref> = node.iter().map(testing::reference).collect();
    references.sort_unstable();
    assert_eq!(accepted.digest, digest(&references, Scope::Chain));
    let page = async |after| {
        let served = w
            .uplink
            .serve_statements(&district(), Scope::Chain, after)
            .await;
        served.expect("served")
    };
    assert_eq!(page(Ref::ZERO).await, (references.clone(), true));
    assert_eq!(page(references[1]).await, (references[2..].to_vec(), true));
}

/// An address that leads to another district, with a certificate that is as good as ours: nothing is sent there.
#[tokio::test]
async fn another_district_is_no_place_to_send_to() {
    let w = World::new().await;
    let authenticate = async |hello| w.uplink.authenticate(CHANNEL, hello).await;
    let other = testing::district(testing::OTHER, testing::OTHER_KEY);
    let refused = authenticate(hello(
        testing::OTHER,
        testing::OTHER_KEY,
        std::slice::from_ref(&other),
    ))
    .await;
    let Err(HostFault::Peer { code, text }) = refused else {
        panic!("not refused");
    };
    assert_eq!(code, GoodbyeCode::NotAdmitted);
    assert!(text.contains("不向其发送任何数据"), "{text}");
    // nothing that it has shown is believed, here or after a start
    assert!(!w.uplink.lock().directory.knows(&testing::reference(&other)));
    assert!(w.store.statements().await.expect("statements").is_empty());
    for (seat, key) in [
        (testing::DISTRICT, testing::DISTRICT_KEY),
        (testing::CITY, testing::CITY_KEY),
    ] {
        let (as_whom, peer) = authenticate(hello(seat, key, &[])).await.expect("ours");
        assert_eq!(
            (as_whom, peer.identity.seat, peer.incarnation),
            (seat, seat, life(1, key))
        );
    }
    let own = hello(testing::DEPARTMENT, 9, &[]);
    assert!(authenticate(own).await.is_err(), "an agent is no node");
    let forged = hello(testing::DISTRICT, testing::OTHER_KEY, &[]);
    assert!(authenticate(forged).await.is_err(), "not its key");
}

/// What a hello needed to be believed is there after a start (D50).
#[tokio::test]
async fn a_node_that_replaced_ours_is_believed_by_our_own_newer_identity() {
    let w = World::new().await;
    let other = testing::district(testing::OTHER, testing::OTHER_KEY);
    let mut moved = w.admission.own().clone();
    moved.serial = 2;
    moved.node = testing::OTHER;
    moved.issuer = testing::reference(&testing::city());
    let binds = protocol::statement::BindsFrom {
        counter: 1,
        sequence: 1,
    };
    moved.binds_from = [binds; 3];
    let by_city = testing::key(testing::CITY_KEY);
    let moved = Envelope::signed(kind::IDENTITY, 1, moved.to_bytes(), &by_city);
    let statements = [other.clone(), moved.clone()];
    let shown = hello(testing::OTHER, testing::OTHER_KEY, &statements);
    let (seat, _) = w
        .uplink
        .authenticate(CHANNEL, shown)
        .await
        .expect("ours now");
    assert_eq!(seat, testing::OTHER);
    let w = w.restart().await;
    let state = w.uplink.lock();
    assert_eq!(state.own_node(&testing::DEPARTMENT), Some(testing::OTHER));
    assert!(state.directory.knows(&testing::reference(&other)));
}

#[tokio::test]
async fn the_hello_shows_the_chain_and_not_the_first_root() {
    let w = World::new().await;
    let hello = w.uplink.introduce(CHANNEL).await.expect("a hello");
    let expected: Vec<Vec<u8>> = w.admission.chain[1..]
        .iter()
        .map(Envelope::to_bytes)
        .collect();
    assert_eq!(hello.statements, expected);
    let chain = &w.admission.chain[1..3];
    let believed = hello
        .verify(&mut testing::directory(chain), &CHANNEL.exporter)
        .expect("believed");
    assert_eq!(believed.identities[0].seat, testing::DEPARTMENT);
    assert_eq!(hello.incarnation.feed, FEED);
}

/// Statements of other departments are nobody's business here; one that comes before what it builds on waits for it.
#[tokio::test]
async fn of_statements_the_agent_keeps_what_it_goes_by() {
    let w = World::new().await;
    let by_other = testing::key(testing::OTHER_KEY);
    let other = testing::district(testing::OTHER, testing::OTHER_KEY);
    let stranger = testing::identity(
        SeatId([9; 16]),
        SeatKind::Department,
        testing::OTHER,
        &testing::key(9),
        &other,
        &by_other,
    );
    let take = async |envelopes: &[&Envelope], offset| {
        let group = Group {
            class: 0,
            items: envelopes
                .iter()
                .map(|e| (offset, Item::Envelope(e.to_bytes())))
                .collect(),
            through: Cursor {
                offset,
                token: Token([1; 16]),
            },
            interest: 0,
        };
        w.uplink.take_in(&district(), group).await.expect("taken");
    };
    let mut forged = other.clone();
    forged.signatures[0].bytes[0] ^= 1;
    take(&[&stranger, &forged], 1).await;
    assert!(w.store.statements().await.expect("statements").is_empty());
    take(&[&other, &other], 2).await;
    let kept = w.store.statements().await.expect("statements");
    assert_eq!(kept, [other.to_bytes()]);
    let known = |envelope: &Envelope| {
        let state = w.uplink.lock();
        state.directory.knows(&testing::reference(envelope))
    };
    assert!(known(&other) && !known(&stranger));
    // where the node's feed stands is told to the same life of its store only
    let accepted = async |peer: &NodePeer| w.uplink.accept(peer).await.expect("accepted").cursors;
    let cursors = accepted(&district()).await.expect("cursors");
    assert_eq!((cursors[0].offset, cursors[0].token), (2, Token([1; 16])));
    assert_eq!(accepted(&city()).await, None);
    let mut put_back = district();
    put_back.incarnation = life(2, 9);
    assert_eq!(accepted(&put_back).await, None);
    w.uplink.feed_anew(&district(), 0).await.expect("told");
    let cursors = accepted(&district()).await.expect("cursors");
    assert_eq!(cursors[0], Cursor::default());
}

/// Called back: nothing more is sealed, and what to do is said, after a start too.
#[tokio::test]
async fn a_seat_that_was_called_back_stops_sealing_and_says_so() {
    let w = World::new().await;
    assert_eq!(w.progress.halted(), None);
    let revocation = testing::revocation(&w.admission);
    w.uplink
        .take_statements(vec![revocation])
        .await
        .expect("taken");
    let why = w.progress.halted().expect("halted");
    assert!(
        why.contains("已被撤销（钥匙丢失）") && why.contains("重新办理入网"),
        "{why}"
    );
    let w = w.restart().await;
    assert_eq!(w.progress.halted(), Some(why));
}

/// A goodbye because of a revocation is the node's word: told with what to do, and sealing goes on until the word itself comes.
#[tokio::test]
async fn a_goodbye_for_a_revoked_seat_is_told() {
    let w = World::new().await;
    w.established(&district(), Default::default()).await;
    assert!(w.uplink.link().up && !w.uplink.link().revoked);
    let end = |code, by_peer| SessionEnd {
        party: Some(testing::DISTRICT),
        by_peer,
        code: Some(code),
        text: "本节点已停止其接入".to_owned(),
        stood: std::time::Duration::ZERO,
    };
    for (code, by_peer, revoked) in [
        (GoodbyeCode::Revoked, true, true),
        (GoodbyeCode::Shutdown, true, false),
        (GoodbyeCode::Revoked, false, false),
    ] {
        w.uplink.closed(&district(), &end(code, by_peer)).await;
        let link = w.uplink.link();
        assert_eq!((link.up, link.revoked), (false, revoked), "{code:?}");
    }
    assert_eq!(w.progress.halted(), None);
    w.uplink
        .closed(&district(), &end(GoodbyeCode::Revoked, true))
        .await;
    w.established(&district(), Default::default()).await;
    assert!(!w.uplink.link().revoked);
}

/// An item that the node refuses for its bytes is skipped for it from now on, and told; another release is offered it again.
#[tokio::test]
async fn a_refused_item_is_skipped_and_told_until_another_release_is_there() {
    let w = World::new().await;
    let refuse = async |offset| {
        let text = "批头的字节不合规定".to_owned();
        w.uplink.refused(&district(), 2, offset, text).await;
    };
    refuse(4).await;
    refuse(4).await;
    assert_eq!(w.uplink.skipped().len(), 1);
    let w = w.restart().await;
    assert_eq!(w.uplink.skipped()[0].reason, "批头的字节不合规定");
    let begun = w.established(&city(), Default::default()).await;
    assert!(begun.skip.is_empty(), "another party reads it");
    let begun = w.established(&district(), Default::default()).await;
    assert_eq!(begun.skip, BTreeSet::from([(2, 4)]));
    let mut newer = district();
    newer.release = "2".to_owned();
    assert!(
        w.established(&newer, Default::default())
            .await
            .skip
            .is_empty()
    );
    assert!(w.uplink.skipped().is_empty());
}

#[tokio::test]
async fn a_cursor_acknowledges_and_lets_nobody_forget() {
    let w = World::new().await;
    let acknowledged = async |class, through| {
        let told = w.uplink.acknowledged(&district(), class, through).await;
        told.expect("told");
        w.progress.acknowledged[2].load(Ordering::Relaxed)
    };
    // offsets of lane 2 are 2 and 4; between them lies another lane's
    assert_eq!(acknowledged(2, 1).await, 0);
    assert_eq!(acknowledged(2, 3).await, 1);
    assert_eq!(acknowledged(1, 4).await, 1);
    assert_eq!(acknowledged(2, 4).await, 2);
    assert_eq!(acknowledged(2, 2).await, 2);
    w.uplink.settle().await.expect("settled");
    assert_eq!(w.kept().await, 3);
}
