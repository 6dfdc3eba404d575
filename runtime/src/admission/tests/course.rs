//! The course of an exchange that ends well, or with a person's decision.

use super::*;

/// Asks until there is a decision; gives what was shown and told beside it.
async fn decided(world: &World) -> (Result<Option<Joined>, JoinError>, Vec<Offer>, Vec<String>) {
    let (mut offers, mut told) = (Vec::new(), Vec::new());
    let shutdown = Shutdown::new();
    let joining = world.joining();
    let decided = join_until_decided(
        &world.dialer,
        &joining,
        |offer| offers.push(offer.clone()),
        |text| told.push(text.to_owned()),
        &shutdown,
    );
    let decided = timeout(AT_MOST, decided).await.expect("in time");
    (decided, offers, told)
}

#[track_caller]
fn check_approved(world: &World, decided: Result<Option<Joined>, JoinError>) {
    let Ok(Some(Joined::Approved(approved, envelopes))) = decided else {
        panic!("{decided:?}");
    };
    let identity = approved.identity.identity();
    assert_eq!((identity.seat, &identity.keys), (NEW, &world.keys));
    assert_eq!(identity.title, "区市场监管局 登记库");
    assert_eq!(identity.permitted, ["registration"]);
    // whoever trusts the root can check it with nothing else
    let authority = world.office.authority.reference();
    let mut directory =
        Directory::trusting(&envelopes[0], &authority.hash.0).expect("the root first");
    for envelope in &envelopes[1..] {
        directory.admit(envelope).expect("in an order that checks");
    }
    assert!(directory.identity(&NEW).is_some());
    let mut seen = std::collections::BTreeSet::new();
    assert!(envelopes.iter().all(|e| seen.insert(reference(e))), "twice");
}

#[tokio::test]
async fn a_newcomer_is_shown_the_offer_waits_for_a_person_and_is_let_in() {
    let world = World::new(Office {
        pending: AtomicUsize::new(1),
        ..Office::new()
    });
    let (decided, offers, told) = decided(&world).await;
    check_approved(&world, decided);
    assert_eq!(offers, [world.office.offer.lock().expect("lock").clone()]);
    assert_eq!(told, ["等待区管理员确认"]);
    let round = ["proof", "offer", "judge"];
    assert_eq!(world.office.asked(), [round, round].concat());
    // the same request, signed for another connection
    let requests = world.office.requests.lock().expect("lock");
    let [first, second] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    assert_ne!(first.presence, second.presence);
    let second = Request {
        presence: first.presence.clone(),
        ..second.clone()
    };
    assert!(*first == second);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_is_the_same() {
    let world = World::new(Office {
        loses: AtomicUsize::new(1),
        ..Office::new()
    });
    let (decided, _, told) = decided(&world).await;
    check_approved(&world, decided);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("入网过程中断"), "{}", told[0]);
    assert_eq!(world.office.requests.lock().expect("lock").len(), 2);
}

#[tokio::test]
async fn another_offer_than_the_one_that_was_shown_is_shown_again() {
    let world = World::new(Office {
        pending: AtomicUsize::new(1),
        renames: Some("另一个名称"),
        ..Office::new()
    });
    let (decided, offers, _) = decided(&world).await;
    assert!(matches!(decided, Ok(Some(Joined::Approved(..)))));
    let titles: Vec<&str> = offers.iter().map(|o| o.title.as_str()).collect();
    assert_eq!(titles, ["登记库", "另一个名称"]);
}

#[tokio::test]
async fn who_waits_for_a_person_is_not_turned_away_by_the_limit_of_its_address() {
    let world = World::new(Office {
        pending: AtomicUsize::new(1),
        is_tired: true,
        ..Office::new()
    });
    let (told, shutdown) = (Mutex::new(Vec::new()), Shutdown::new());
    let joining = world.joining();
    let waits = join_until_decided(
        &world.dialer,
        &joining,
        |_| {},
        |text| told.lock().expect("lock").push(text.to_owned()),
        &shutdown,
    );
    let stops = async {
        let both = || told.lock().expect("lock").len() == 2;
        assert!(until(AT_MOST, both).await);
        shutdown.begin();
    };
    let (waited, ()) = timeout(AT_MOST, async { tokio::join!(waits, stops) })
        .await
        .expect("in time");
    assert!(matches!(waited, Ok(None)), "{waited:?}");
    assert_eq!(
        *told.lock().expect("lock"),
        ["等待区管理员确认", "稍候再试"]
    );
}

#[tokio::test]
async fn who_is_over_the_limit_before_anything_was_sent_is_told_so() {
    let office = Office {
        is_tired: true,
        ..Office::new()
    };
    office.invitation.lock().expect("lock").key_hash = Some(keys(NEW.0[0]).fingerprint());
    let (decided, offers, _) = decided(&World::new(office)).await;
    let Ok(Some(Joined::Refused(refused))) = decided else {
        panic!("{decided:?}");
    };
    assert_eq!(refused.code, refused::TOO_MANY);
    assert!(offers.is_empty());
}

/// A desk that cannot prove anything.
struct Mute;

impl Desk for Mute {
    async fn prove(&self, _: &[u8; 32]) -> Result<Proof, String> {
        Err("no key".to_owned())
    }

    async fn offer(&self, _: Applicant, _: Ask) -> Result<Offer, Refused> {
        Err(refusal(refused::UNKNOWN, ""))
    }

    async fn judge(&self, _: Applicant, _: Offer, _: Request) -> Answer {
        Answer::Refused(refusal(refused::UNKNOWN, ""))
    }
}

#[tokio::test]
async fn a_line_that_breaks_before_there_was_an_offer_is_told_at_once() {
    let mut world = World::new(Office::new());
    let (mut listener, address) = listening();
    tokio::spawn(async move {
        while let Some(Arrival::Join(exchange)) = listener.accept().await {
            serve(exchange, &Mute).await;
        }
    });
    world.code.address = address;
    let (ended, ..) = decided(&world).await;
    assert!(matches!(ended, Err(JoinError::Exchange(_))), "{ended:?}");
    // nor is a server looked for again that is not there
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
    world.code.address = silent.local_addr().expect("address").to_string();
    let dials = InstanceIdentity::generate().expect("identity");
    let settings = Settings {
        handshake_time_max: Duration::from_millis(200),
        ..Settings::default()
    };
    world.dialer = Dialer::new(&dials, settings).expect("dialling");
    let (ended, ..) = decided(&world).await;
    assert!(matches!(ended, Err(JoinError::Dial(_))), "{ended:?}");
}
