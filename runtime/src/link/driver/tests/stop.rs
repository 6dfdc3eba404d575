//! A stop waits for no other side.

use super::*;

/// Nobody answers here, as behind a firewall that drops what it does not like.
fn black_hole() -> (std::net::UdpSocket, String) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
    let address = socket.local_addr().expect("address").to_string();
    (socket, address)
}

#[tokio::test]
async fn a_dial_in_flight_does_not_hold_up_a_stop() {
    let (hole, address) = black_hole();
    let side = Side::new(Party::new(1));
    let (host, links, shutdown) = (side.host, side.links, side.shutdown.clone());
    let up = tokio::spawn(async move {
        let own = InstanceIdentity::generate().expect("identity");
        // it would wait for an hour
        let settings = Settings {
            handshake_time_max: Duration::from_secs(3_600),
            idle: Duration::from_secs(3_600),
            ..Settings::default()
        };
        let dialer = Dialer::new(&own, settings).expect("dialling");
        let clock = Clock::system();
        let told = |_: &LinkEnd, _| panic!("nothing has ended");
        crate::link::keep_session(&dialer, &address, host, links, clock, &shutdown, told).await;
        dialer.close().await;
    });
    let heard = tokio::task::spawn_blocking(move || hole.recv(&mut [0; 2_000]).map(|_| hole));
    let _hole = heard.await.expect("no panic").expect("it dials");
    side.shutdown.begin();
    tokio::time::timeout(AT_MOST, up)
        .await
        .expect("in time")
        .expect("ended");
}

/// A stop takes far less than what is allowed to a session that ends for another reason.
async fn check_stop(prepare: impl AsyncFnOnce(&Side, &Carrier)) {
    let (carrier, other) = Carrier::pair(7);
    let ours = Side::new(Party::new(1));
    ours.host.append(1_000);
    let running = ours.run(carrier);
    offender(&other).await;
    ours.host.is_established().await;
    prepare(&ours, &other).await;
    let clock = Clock::system();
    let began = clock.since_start();
    ours.shutdown.begin();
    let end = ended(running).await;
    assert_eq!(end.code, Some(GoodbyeCode::Shutdown));
    let took = clock.since_start() - began;
    assert!(took < DRAIN_TIME_MAX / 2, "{took:?}");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_does_not_hold_up_a_stop() {
    check_stop(async |_, _| {}).await;
}

#[tokio::test]
async fn what_the_store_does_not_finish_does_not_hold_up_a_stop() {
    check_stop(async |ours, other| {
        ours.host.stores_no_receipts.store(true, Ordering::Relaxed);
        let receipts = Said::Receipts(vec![receipt(1)]);
        say(other, &receipts).await.expect("said");
        // it is being stored when something that was said after it has been done
        let want = protocol::frame::WantFrame {
            number: 1,
            want: Want::Subject("s".to_owned()),
            place: Vec::new(),
        };
        say(other, &Said::Want(want)).await.expect("said");
        assert!(until(AT_MOST, || ours.host.served.load(Ordering::Relaxed) > 0).await);
    })
    .await;
}
