//! What a peer that keeps to no rule can make us hold.

use super::*;

#[tokio::test]
async fn receipts_are_taken_no_faster_than_they_are_stored() {
    let (carrier, offending) = Carrier::pair(5);
    let ours = Side::new(Party::new(1));
    ours.host.stores_no_receipts.store(true, Ordering::Relaxed);
    let running = ours.run(carrier);
    offender(&offending).await;
    let mut large = receipt(1);
    large.resize(1 << 10, 0);
    let frame = Said::Receipts(vec![large; limits::RECEIPTS_PER_FRAME_MAX]);
    let mut taken = 0;
    while taken < 100 && say(&offending, &frame).await.is_some() {
        taken += 1;
    }
    assert!(taken > 0, "none is taken");
    assert!(taken < 20, "{taken} frames of receipts wait in memory");
    offending.control().close(CloseCode::Done, "");
    running.abort();
}

#[tokio::test]
async fn pages_are_made_no_faster_than_they_are_taken() {
    let (carrier, offending) = Carrier::pair(6);
    let ours = Side::new(Party::new(1));
    let running = ours.run(carrier);
    offender(&offending).await;
    for number in 0..limits::WANTS_OPEN_MAX as u64 {
        let want = protocol::frame::WantFrame {
            number,
            want: Want::Subject("s".to_owned()),
            place: Vec::new(),
        };
        say(&offending, &Said::Want(want)).await.expect("said");
    }
    // what was asked last is served last: by now everything was looked at
    assert!(until(AT_MOST, || ours.host.served.load(Ordering::Relaxed) > 2).await);
    sleep(Duration::from_millis(200)).await;
    let served = ours.host.served.load(Ordering::Relaxed);
    assert!(served <= 10, "{served} pages wait in memory");
    offending.control().close(CloseCode::Done, "");
    running.abort();
}

#[tokio::test]
async fn a_peer_is_not_heard_further_while_its_hello_is_being_judged() {
    let (carrier, offending) = Carrier::pair(7);
    let slow = Party {
        judges: Duration::from_secs(3_600),
        ..Party::new(1)
    };
    let ours = Side::new(slow);
    let running = ours.run(carrier);
    offender(&offending).await;
    let mut large = receipt(1);
    large.resize(3 << 10, 0);
    let frame = Said::Receipts(vec![large; limits::RECEIPTS_PER_FRAME_MAX]);
    let mut taken = 0;
    while taken < 100 && say(&offending, &frame).await.is_some() {
        taken += 1;
    }
    assert!(taken < 15, "{taken} frames wait in memory");
    assert!(!running.is_finished());
    offending.control().close(CloseCode::Done, "");
    running.abort();
}
