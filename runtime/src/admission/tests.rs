//! The exchange over real QUIC on loopback, between the two sides as they are: the server proves itself first, then people
//! decide.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use protocol::admission::server::{Invitation, Terms, compose, judge_ask, judge_request};
use protocol::admission::{SECRET_BYTES, secret_hash};
use protocol::directory::Directory;
use protocol::envelope::kind;
use protocol::hash::Ref;
use protocol::limits::EXCHANGE_BYTES_MAX;
use protocol::presence;
use protocol::sign::Sigs;
use protocol::statement::{BindsFrom, Identity, Root, SeatKind, possession_hash};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::link::endpoint::{Arrival, Listener, Settings};
use crate::tls::InstanceIdentity;
use crate::worker::until;

mod course;
mod newcomer;
mod server;

const AT_MOST: Duration = Duration::from_secs(20);
const CITY: SeatId = SeatId([0xc1; 16]);
const DISTRICT: SeatId = SeatId([0xd1; 16]);
const OTHER_DISTRICT: SeatId = SeatId([0xd2; 16]);
const NEW: SeatId = SeatId([0xe1; 16]);
const SECRET: [u8; SECRET_BYTES] = [8; SECRET_BYTES];
/// A time at which invitations hold, in seconds since 1970.
const NOW_S: i64 = 1_000;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn keys(seed: u8) -> Keys {
    Keys::of(key(seed).public(), None)
}

fn reference(envelope: &Envelope) -> Ref {
    envelope.reference().expect("of the suite that is read")
}

/// A node's identity, signed; its key has the first byte of its seat as seed.
fn node(seat: SeatId, kind_of: SeatKind, issuer: Ref, authority: Ref, by: &SigningKey) -> Envelope {
    let own = key(seat.0[0]);
    let keys = Keys::of(own.public(), Some([1; 32]));
    let possession = Sigs::of(own.sign(&possession_hash(&seat, &authority, &keys)));
    let region = ["370100", "370102"][usize::from(kind_of == SeatKind::District)];
    let identity = Identity {
        seat,
        serial: 1,
        kind: kind_of,
        organisation: format!("{region}.scjg"),
        title: "市场监管局".to_owned(),
        jurisdiction: region.to_owned(),
        node: seat,
        keys,
        possession,
        consent: Sigs::default(),
        reason: String::new(),
        permitted: Vec::new(),
        admits: true,
        binds_from: [BindsFrom::default(); 3],
        issuer,
    };
    Envelope::signed_by(kind::IDENTITY, 1, identity.to_bytes(), &[by])
}

/// An authority: a root, a city, two districts.
struct Authority {
    root: Envelope,
    city: Envelope,
    district: Envelope,
    other: Envelope,
}

impl Authority {
    fn new(seed: u8) -> Self {
        let root = Root::of(1, Ref::ZERO, 1, &[key(seed).public()]);
        let root = Envelope::signed_by(kind::ROOT, 1, root.to_bytes(), &[&key(seed)]);
        let authority = reference(&root);
        let city = node(CITY, SeatKind::City, authority, authority, &key(seed));
        let district = |seat| {
            let by = key(CITY.0[0]);
            node(seat, SeatKind::District, reference(&city), authority, &by)
        };
        Self {
            district: district(DISTRICT),
            other: district(OTHER_DISTRICT),
            root,
            city,
        }
    }

    fn reference(&self) -> Ref {
        reference(&self.root)
    }

    fn chain(&self) -> Vec<Envelope> {
        vec![self.root.clone(), self.city.clone(), self.district.clone()]
    }
}

/// What a desk issues once a person has agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Issues {
    WhatWasAsked,
    OtherKeys,
    OtherOrganisation,
    /// A node that its issuer may not name.
    OtherNode,
    /// The chain without the newcomer's identity.
    Nothing,
    /// Signed by who may admit nobody here.
    ByNobody,
}

/// A desk of a district that knows one invitation and decides by the protocol's rules.
struct Office {
    directory: Directory,
    authority: Authority,
    /// The key by which it proves its presence.
    key: SigningKey,
    /// Proofs are made for this connection instead of the one at hand.
    replays: Option<[u8; 32]>,
    offer: Mutex<Offer>,
    invitation: Mutex<Invitation>,
    /// So many answers say that a person decides.
    pending: AtomicUsize,
    /// After the first pending answer the offer has this title.
    renames: Option<&'static str>,
    /// So many answers are lost on their way.
    loses: AtomicUsize,
    lost: Notify,
    /// After the first pending answer, questions are refused as too many.
    is_tired: bool,
    issues: Issues,
    /// What it was asked.
    asked: Mutex<Vec<&'static str>>,
    requests: Mutex<Vec<Request>>,
}

impl Office {
    fn new() -> Self {
        let authority = Authority::new(1);
        let prefix = authority.reference().hash.0;
        let mut directory = Directory::trusting(&authority.root, &prefix).expect("a root");
        for envelope in [&authority.city, &authority.district, &authority.other] {
            directory.admit(envelope).expect("the chain verifies");
        }
        Self {
            directory,
            authority,
            key: key(DISTRICT.0[0]),
            replays: None,
            offer: Mutex::new(Offer {
                seat: NEW,
                kind: SeatKind::Department,
                organisation: "370102.scjg".to_owned(),
                title: "登记库".to_owned(),
                jurisdiction: "370102".to_owned(),
                node: DISTRICT,
                former: Ref::ZERO,
            }),
            invitation: Mutex::new(Invitation {
                secret_hash: secret_hash(&SECRET),
                kind: SeatKind::Department,
                expires_s: NOW_S as u32,
                revoked: false,
                key_hash: None,
            }),
            pending: AtomicUsize::new(0),
            renames: None,
            loses: AtomicUsize::new(0),
            lost: Notify::new(),
            is_tired: false,
            issues: Issues::WhatWasAsked,
            asked: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    fn note(&self, what: &'static str) {
        self.asked.lock().expect("lock").push(what);
    }

    fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().expect("lock").clone()
    }

    fn is_used(&self) -> bool {
        self.invitation.lock().expect("lock").key_hash.is_some()
    }

    fn decide(&self, from: &Applicant, offer: &Offer, request: &Request) -> Answer {
        {
            let mut invitation = self.invitation.lock().expect("lock");
            let judged = judge_request(
                &self.directory,
                &invitation,
                offer,
                None,
                request,
                &from.exporter,
            );
            if let Err(code) = judged {
                return Answer::Refused(Refused {
                    code,
                    reason: "申请不予受理\u{1b}[31m".to_owned(),
                    contact: "0000-1234".to_owned(),
                });
            }
            invitation.key_hash = Some(request.keys.fingerprint());
        }
        let one_less = |n: usize| n.checked_sub(1);
        let pending = &self.pending;
        if pending
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
        {
            if let Some(title) = self.renames {
                self.offer.lock().expect("lock").title = title.to_owned();
            }
            return Answer::Pending {
                again_after: Duration::from_millis(10),
                text: "等待区管理员确认".to_owned(),
            };
        }
        Answer::Approved(self.issue(offer, request))
    }

    fn issue(&self, offer: &Offer, request: &Request) -> Vec<Envelope> {
        let terms = Terms {
            serial: 1,
            permitted: request.types.clone(),
            admits: false,
            reason: String::new(),
            binds_from: [BindsFrom::default(); 3],
            issuer: reference(&self.authority.district),
        };
        let mut identity = compose(offer, request, terms);
        let mut by = key(DISTRICT.0[0]);
        match self.issues {
            Issues::WhatWasAsked => {}
            Issues::OtherKeys => {
                identity.keys = keys(77);
                let authority = self.authority.reference();
                let hash = possession_hash(&identity.seat, &authority, &identity.keys);
                identity.possession = Sigs::of(key(77).sign(&hash));
            }
            Issues::OtherOrganisation => identity.organisation = "370102.other".to_owned(),
            Issues::OtherNode => identity.node = OTHER_DISTRICT,
            Issues::Nothing => return self.authority.chain(),
            Issues::ByNobody => by = key(77),
        }
        let identity = Envelope::signed_by(kind::IDENTITY, 1, identity.to_bytes(), &[&by]);
        vec![self.authority.district.clone(), identity]
    }
}

impl Desk for Office {
    async fn prove(&self, exporter: &[u8; 32]) -> Result<Proof, String> {
        self.note("proof");
        let exporter = self.replays.as_ref().unwrap_or(exporter);
        Ok(Proof {
            seat: DISTRICT,
            presence: presence::sign(&DISTRICT, exporter, &self.key),
            envelopes: self.authority.chain(),
        })
    }

    async fn offer(&self, from: Applicant, ask: Ask) -> Result<Offer, Refused> {
        self.note("offer");
        assert!(from.remote.ip().is_loopback());
        let invitation = self.invitation.lock().expect("lock").clone();
        if self.is_tired && invitation.key_hash.is_some() {
            return Err(refusal(refused::TOO_MANY, "稍候再试"));
        }
        match judge_ask(Some(&invitation), &ask, NOW_S) {
            Ok(()) => Ok(self.offer.lock().expect("lock").clone()),
            Err(code) => Err(refusal(code, "接入码不可用")),
        }
    }

    async fn judge(&self, from: Applicant, offer: Offer, request: Request) -> Answer {
        self.note("judge");
        self.requests.lock().expect("lock").push(request.clone());
        let answer = self.decide(&from, &offer, &request);
        let one_less = |n: usize| n.checked_sub(1);
        let loses = &self.loses;
        if loses
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
        {
            self.lost.notify_one();
            std::future::pending::<()>().await;
        }
        answer
    }
}

fn listening() -> (Listener, String) {
    let identity = InstanceIdentity::generate().expect("identity");
    let local = "127.0.0.1:0".parse().expect("address");
    let listener = Listener::listen(local, &identity, Settings::default()).expect("listening");
    let address = listener.address().to_string();
    (listener, address)
}

fn dialling() -> Dialer {
    let identity = InstanceIdentity::generate().expect("identity");
    Dialer::new(&identity, Settings::default()).expect("dialling")
}

struct World {
    dialer: Dialer,
    office: Arc<Office>,
    code: Code,
    keys: Keys,
    key: SigningKey,
    own: Option<SeatId>,
}

impl World {
    fn new(office: Office) -> Self {
        let (mut listener, address) = listening();
        let office = Arc::new(office);
        let serving = office.clone();
        tokio::spawn(async move {
            while let Some(arrival) = listener.accept().await {
                if let Arrival::Join(exchange) = arrival {
                    let office = serving.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = serve(exchange, &*office) => {}
                            // the connection breaks before the answer has left
                            () = office.lost.notified() => {}
                        }
                    });
                }
            }
        });
        let code = Code::new(
            SeatKind::Department,
            NOW_S as u32,
            SECRET,
            &office.authority.reference(),
            &DISTRICT,
            &address,
        );
        Self {
            dialer: dialling(),
            office,
            code,
            keys: keys(NEW.0[0]),
            key: key(NEW.0[0]),
            own: None,
        }
    }

    fn joining(&self) -> Joining<'_> {
        Joining {
            code: &self.code,
            own: self.own,
            keys: &self.keys,
            key: &self.key,
            former: None,
            wishes: Wishes {
                title: "区市场监管局 登记库".to_owned(),
                types: vec!["registration".to_owned()],
            },
        }
    }

    /// Asks once.
    async fn join(&self) -> Result<Joined, JoinError> {
        let joining = self.joining();
        let asked = join(&self.dialer, &joining, |_| {});
        timeout(AT_MOST, asked).await.expect("in time")
    }

    /// An exchange whose words the test makes.
    async fn exchange(&self) -> Exchange {
        let dialled = self.dialer.join(&self.code.address).await;
        dialled.expect("dialled")
    }
}
