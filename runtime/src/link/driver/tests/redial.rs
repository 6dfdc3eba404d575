//! Links that are kept up: what is refused is skipped, a node that was restarted is found again.

use super::*;

use crate::admission::{Answer as Decision, Applicant, Desk};
use crate::telemetry::Metrics;
use crate::worker::Workers;
use protocol::admission::exchange::{Ask as Question, Offer, Proof, Refused, Request};

/// A desk that nobody comes to.
struct Nobody;

impl Desk for Nobody {
    async fn prove(&self, _: &[u8; 32]) -> Result<Proof, String> {
        Err("closed".to_owned())
    }

    async fn offer(&self, _: Applicant, _: Question) -> Result<Offer, Refused> {
        Err(crate::admission::refusal(0, "closed"))
    }

    async fn judge(&self, _: Applicant, _: Offer, _: Request) -> Decision {
        Decision::Refused(crate::admission::refusal(0, "closed"))
    }
}

/// Serves whoever dials.
async fn serve(
    address: std::net::SocketAddr,
    identity: &InstanceIdentity,
    side: &Side,
) -> (Workers, std::net::SocketAddr) {
    let mut listener = Listener::listen(address, identity, Settings::default());
    // the system frees the address a moment after the endpoint has closed
    while listener.is_err() {
        sleep(Duration::from_millis(20)).await;
        listener = Listener::listen(address, identity, Settings::default());
    }
    let listener = listener.expect("listening");
    let address = listener.address();
    let workers = Workers::new(Metrics::new());
    let (host, links, serving) = (side.host.clone(), side.links.clone(), workers.clone());
    workers.once(async move {
        let clock = Clock::system();
        crate::link::serve(listener, host, Arc::new(Nobody), links, &serving, clock).await;
    });
    (workers, address)
}

/// Keeps a link up until its side stops; gives how links ended.
fn keep(side: &Side, address: std::net::SocketAddr) -> JoinHandle<Vec<LinkEnd>> {
    let (host, links, shutdown) = (side.host.clone(), side.links.clone(), side.shutdown.clone());
    tokio::spawn(async move {
        let own = InstanceIdentity::generate().expect("identity");
        let dialer = Dialer::new(&own, Settings::default()).expect("dialling");
        let (address, clock) = (address.to_string(), Clock::system());
        let mut ends = Vec::new();
        let told = |end: &LinkEnd, _| ends.push(end.clone());
        crate::link::keep_session(&dialer, &address, host, links, clock, &shutdown, told).await;
        ends
    })
}

async fn kept(keeping: JoinHandle<Vec<LinkEnd>>) -> Vec<LinkEnd> {
    tokio::time::timeout(AT_MOST, keeping)
        .await
        .expect("in time")
        .expect("ended")
}

const ANY: &str = "127.0.0.1:0";

#[tokio::test]
async fn a_restarted_node_is_found_again_and_nothing_is_lost() {
    let identity = InstanceIdentity::generate().expect("identity");
    let (a, b) = (Side::new(Party::new(1)), Side::new(Party::new(2)));
    let (workers, address) = serve(ANY.parse().expect("address"), &identity, &b).await;
    a.host.append(500);
    let keeping = keep(&a, address);
    assert!(until(AT_MOST, || b.host.taken() == 500).await);
    assert!(workers.stop(AT_MOST).await.is_empty());
    a.host.append(500);
    let (workers, _) = serve(address, &identity, &b).await;
    assert!(until(AT_MOST, || b.host.taken() == 1_000).await);
    a.shutdown.begin();
    assert_eq!(
        kept(keeping).await.first(),
        Some(&LinkEnd::Broken("程序正在停止".to_owned()))
    );
    assert!(workers.stop(AT_MOST).await.is_empty());
}

/// The offsets that arrive when two of thirty are refused, each class in its order and nothing twice.
fn check_skipped(from: &Side, to: &Side) {
    let refused = to.host.refuses.lock().expect("lock").clone();
    assert_eq!(*from.host.skipped.lock().expect("lock"), refused);
    let expected: Vec<(u8, u64)> = (1..=30)
        .map(|offset| ((offset % 3) as u8, offset))
        .filter(|place| !refused.contains(place))
        .collect();
    assert_eq!(to.host.places(), expected);
}

/// A source whose peer refuses two of its thirty items, and takes its time to note that.
fn with_refusals() -> (Side, Side) {
    let slow = Party {
        notes: Duration::from_millis(100),
        ..Party::new(1)
    };
    let (a, b) = (Side::new(slow), Side::new(Party::new(2)));
    a.host.append(30);
    b.host
        .refuses
        .lock()
        .expect("lock")
        .extend([(1, 10), (2, 20)]);
    (a, b)
}

#[tokio::test]
async fn that_an_item_is_refused_is_noted_before_the_sessions_end_is_told() {
    let (a, b) = with_refusals();
    for n in 1..=2 {
        let (dialled, accepted) = Carrier::pair(n);
        let (run_a, run_b) = (a.run(dialled), b.run(accepted));
        let end = ended(run_a).await;
        assert_eq!(a.host.skipped.lock().expect("lock").len(), usize::from(n));
        assert_eq!(end.code, Some(GoodbyeCode::ItemRefused));
        assert_eq!(end.text, "内容无法通过校验");
        assert!(end.by_peer);
        let other = ended(run_b).await;
        assert_eq!(other.code, Some(GoodbyeCode::ItemRefused));
        assert!(!other.by_peer);
    }
    let (dialled, accepted) = Carrier::pair(3);
    let (_run_a, _run_b) = (a.run(dialled), b.run(accepted));
    assert!(until(AT_MOST, || b.host.taken() == 28).await);
    check_skipped(&a, &b);
}

/// Whoever dials, what stands behind a refused item waits for nothing.
async fn check_goes_on(dialling: &Side, listening: &Side, from: &Side, to: &Side) {
    let identity = InstanceIdentity::generate().expect("identity");
    let any = ANY.parse().expect("address");
    let (workers, address) = serve(any, &identity, listening).await;
    let keeping = keep(dialling, address);
    assert!(until(AT_MOST, || to.host.taken() == 28).await);
    check_skipped(from, to);
    dialling.shutdown.begin();
    let ends = kept(keeping).await;
    let soon = ends.iter().filter(|end| matches!(end, LinkEnd::Soon(_)));
    assert_eq!(soon.count(), 2, "{ends:?}");
    workers.stop(AT_MOST).await;
}

#[tokio::test]
async fn a_source_whose_item_is_refused_skips_it_in_the_next_session() {
    let (a, b) = with_refusals();
    check_goes_on(&a, &b, &a, &b).await;
}

#[tokio::test]
async fn who_refuses_an_item_comes_back_and_goes_on_behind_it() {
    let (a, b) = with_refusals();
    check_goes_on(&b, &a, &a, &b).await;
}
