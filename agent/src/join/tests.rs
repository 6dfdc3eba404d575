//! Joining over real QUIC on loopback, against an office that decides by the protocol's rules; and where a code is read from.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use protocol::admission::exchange::{Ask, Proof, Refused, Request, refused};
use protocol::admission::server::{Terms, compose};
use protocol::envelope::kind;
use protocol::hash::Ref;
use protocol::presence;
use runtime::admission::{Answer, Applicant, Desk, refusal, serve};
use runtime::link::endpoint::{Arrival, Listener};

use super::*;
use crate::home::testing;

const SECRET: [u8; 10] = [8; 10];

/// A district that issues what it is asked for, after so many times that a person has to decide.
struct Office {
    pending: AtomicUsize,
    refuses: bool,
    /// Signs its presence with this key.
    key: u8,
    judged: AtomicUsize,
}

impl Office {
    fn new() -> Self {
        Self {
            pending: AtomicUsize::new(0),
            refuses: false,
            key: testing::DISTRICT_KEY,
            judged: AtomicUsize::new(0),
        }
    }

    /// Opens the office; a code for it.
    fn open(self, kind: SeatKind) -> (Arc<Self>, String) {
        let identity = InstanceIdentity::generate().expect("identity");
        let local = "127.0.0.1:0".parse().expect("address");
        let mut listener =
            Listener::listen(local, &identity, Settings::default()).expect("listening");
        let code = Code::new(
            kind,
            1_000,
            SECRET,
            &testing::reference(&testing::root()),
            &testing::DISTRICT,
            &listener.address().to_string(),
        );
        let office = Arc::new(self);
        let serving = office.clone();
        tokio::spawn(async move {
            while let Some(arrival) = listener.accept().await {
                if let Arrival::Join(exchange) = arrival {
                    let office = serving.clone();
                    tokio::spawn(async move { serve(exchange, &*office).await });
                }
            }
        });
        (office, code.encode().expect("a code"))
    }
}

impl Desk for Office {
    async fn prove(&self, exporter: &[u8; 32]) -> Result<Proof, String> {
        let key = testing::key(self.key);
        Ok(Proof {
            seat: testing::DISTRICT,
            presence: presence::sign(&testing::DISTRICT, exporter, &key),
            envelopes: vec![
                testing::root(),
                testing::city(),
                testing::district(testing::DISTRICT, testing::DISTRICT_KEY),
            ],
        })
    }

    async fn offer(&self, _: Applicant, ask: Ask) -> Result<Offer, Refused> {
        if ask.secret != SECRET {
            return Err(refusal(refused::UNKNOWN, "接入码不可用"));
        }
        Ok(Offer {
            seat: testing::DEPARTMENT,
            kind: SeatKind::Department,
            organisation: "310101.scjg".to_owned(),
            title: "登记科\u{1b}[31m".to_owned(),
            jurisdiction: "310101".to_owned(),
            node: testing::DISTRICT,
            former: Ref::ZERO,
        })
    }

    async fn judge(&self, _: Applicant, offer: Offer, request: Request) -> Answer {
        self.judged.fetch_add(1, Ordering::Relaxed);
        if self.refuses {
            return Answer::Refused(Refused {
                code: refused::BY_PERSON,
                reason: "不是本区单位".to_owned(),
                contact: "0000-1234".to_owned(),
            });
        }
        let one_less = |n: usize| n.checked_sub(1);
        let waits = self
            .pending
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if waits.is_ok() {
            return Answer::Pending {
                again_after: Duration::from_millis(10),
                text: "等待区管理员确认".to_owned(),
            };
        }
        let issuer = testing::district(testing::DISTRICT, testing::DISTRICT_KEY);
        let terms = Terms {
            serial: 1,
            permitted: vec!["registration".to_owned()],
            admits: false,
            reason: String::new(),
            binds_from: Default::default(),
            issuer: testing::reference(&issuer),
        };
        let identity = compose(&offer, &request, terms);
        let by = testing::key(testing::DISTRICT_KEY);
        // with something that has nothing to do with the newcomer
        let other = testing::district(testing::OTHER, testing::OTHER_KEY);
        Answer::Approved(vec![
            other,
            Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), &by),
        ])
    }
}

/// Joins with this code, and what was told.
async fn join_with(folder: &Path, code: &str) -> (Result<(), NotAdmitted>, Vec<String>) {
    let home = Home::at(folder).expect("home");
    let mut told = Vec::new();
    let joined = join(
        &home,
        code,
        900,
        |line| told.push(line.to_owned()),
        &Shutdown::new(),
    )
    .await;
    (joined, told)
}

#[tokio::test]
async fn the_newcomer_is_shown_as_whom_it_comes_and_is_that_afterwards() {
    let folder = tempfile::tempdir().expect("folder");
    let mut office = Office::new();
    office.pending = AtomicUsize::new(2);
    let (office, code) = office.open(SeatKind::Department);
    let (joined, told) = join_with(folder.path(), &code).await;
    joined.expect("admitted");
    let place = |text: &str| {
        told.iter()
            .position(|line| line.contains(text))
            .expect(text)
    };
    let offered = place("接入名义");
    for part in ["登记科", "机构代码 310101.scjg，辖区 310101"] {
        assert!(told[offered].contains(part), "{told:?}");
    }
    assert!(!told.iter().any(|line| line.contains('\u{1b}')), "{told:?}");
    assert!(place("对端身份   ✓") < offered && offered < place("等待区管理员确认"));
    assert!(place("等待区管理员确认") < place("已批准"));
    assert_eq!(told.len(), 6, "each is told once: {told:?}");
    assert_eq!(office.judged.load(Ordering::Relaxed), 3);

    let home = Home::at(folder.path()).expect("home");
    let admission = home.admission().expect("admitted");
    let own = admission.own();
    assert_eq!(
        (own.seat, own.node),
        (testing::DEPARTMENT, testing::DISTRICT)
    );
    assert_eq!(own.keys, Keys::of(admission.key.public(), None));
    assert_eq!(admission.chain.len(), 4, "nothing but the chain");
    assert_eq!(admission.city(), "310000");
    // the code's fingerprint is the one that both ends show
    assert!(told[1].contains(&fingerprint(&own.keys)), "{told:?}");
    let again = join_with(folder.path(), &code).await.0;
    assert!(matches!(again, Err(NotAdmitted::Already(_))), "{again:?}");
}

#[tokio::test]
async fn nothing_is_kept_of_an_admission_that_fails() {
    type Spoil = fn(&mut Office, &mut SeatKind);
    let cases: [(&str, Spoil, usize); 3] = [
        (
            "驳回：不是本区单位。如有疑问请联系：0000-1234",
            |o, _| o.refuses = true,
            1,
        ),
        ("TLS-01", |o, _| o.key = testing::OTHER_KEY, 0),
        ("不能用于部门代理", |_, kind| *kind = SeatKind::District, 0),
    ];
    for (words, spoil, judged) in cases {
        let folder = tempfile::tempdir().expect("folder");
        let (mut office, mut kind) = (Office::new(), SeatKind::Department);
        spoil(&mut office, &mut kind);
        let (office, code) = office.open(kind);
        let (joined, told) = join_with(folder.path(), &code).await;
        let text = joined.expect_err(words).to_string();
        assert!(text.contains(words), "{words}: {text}");
        assert_eq!(office.judged.load(Ordering::Relaxed), judged, "{words}");
        assert!(!told.iter().any(|line| line.contains("已批准")), "{told:?}");
        assert!(
            !Home::at(folder.path()).expect("home").is_joined(),
            "{words}"
        );
    }
}

#[tokio::test]
async fn who_is_not_decided_about_in_time_can_go_on_later() {
    let folder = tempfile::tempdir().expect("folder");
    let mut office = Office::new();
    office.pending = AtomicUsize::new(usize::MAX);
    let (_, code) = office.open(SeatKind::Department);
    let home = Home::at(folder.path()).expect("home");
    let shutdown = Shutdown::new();
    let word = shutdown.clone();
    let told = |line: &str| {
        if line.contains("等待区管理员确认") {
            word.begin();
        }
    };
    let joined = join(&home, &code, 900, told, &shutdown).await;
    assert!(
        matches!(joined, Err(NotAdmitted::Interrupted)),
        "{joined:?}"
    );
    assert!(!home.is_joined());
}
