//! Newcomers at the real desk of a node, and what people decide about them.

use node::command::actor::{Actor, Way};
use node::command::admission::{Desk, Invite, Issued};
use node::home::Credentials;
use node::node::Parts;
use node::{Node, Tier};
use protocol::admission::code::Code;
use protocol::admission::exchange::{Offer, Refused, Request};
use protocol::admission::newcomer::{self, Approved, Wishes};
use protocol::name::{FeedId, Incarnation, InstanceId, SeatId};
use protocol::seal::SealKey;
use protocol::sign::{Keys, SigningKey};
use protocol::statement::SeatKind;
use runtime::admission::{Answer, Applicant, Desk as _};
use runtime::door::{Clock, random};
use runtime::link::registry::Links;
use store::{Engine, Store, StoreConfig};
use supervision::division::DivisionTable;
use supervision::judge::Judge;
use supervision::standard::Standards;

use crate::kit::{CITY, EAST};

/// Now, by the desk's clock.
pub fn now() -> i64 {
    Clock::system().now_us()
}

pub fn actor() -> Actor {
    Actor {
        account: "wang".to_owned(),
        name: "王芳".to_owned(),
        way: Way::Page,
        client: "10.1.2.3".to_owned(),
    }
}

/// An invitation of the bureau in the east, unless it is said otherwise.
pub fn bureau() -> Invite {
    Invite {
        kind: "department".to_owned(),
        title: "历下区市场监管局 登记库".to_owned(),
        organisation: format!("{EAST}.scjg"),
        jurisdiction: EAST.to_owned(),
        hours: 24,
        address: "127.0.0.1:4433".to_owned(),
        ..Invite::default()
    }
}

pub async fn issue(node: &Node, invite: &Invite) -> (Code, Issued) {
    let issued = node
        .invite(invite, random(), random(), &actor(), now())
        .await
        .expect("issued");
    (Code::parse(&issued.code).expect("a code"), issued)
}

/// What a person is told who invites in vain.
pub async fn not_issued(node: &Node, invite: &Invite) -> String {
    let actor = actor();
    let issued = node.invite(invite, random(), random(), &actor, now());
    issued.await.expect_err("not issued").to_string()
}

/// A party with keys, at the desk.
pub struct Newcomer {
    pub key: SigningKey,
    pub keys: Keys,
    pub former: Option<SigningKey>,
    pub tls_key: [u8; 32],
}

impl Newcomer {
    pub fn new(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_seed(&seed);
        Self {
            keys: Keys::of(key.public(), Some(SealKey::from_secret(&seed).public())),
            key,
            former: None,
            tls_key: seed,
        }
    }

    pub fn fresh() -> Self {
        Self::new(random())
    }

    pub fn applicant(&self, exporter: [u8; 32]) -> Applicant {
        Applicant {
            remote: "192.0.2.7:9".parse().expect("an address"),
            peer_key: self.tls_key,
            exporter,
        }
    }

    /// The exchange up to the request; the server is believed and the offer fits the code, or the test fails.
    pub async fn prepare(
        &self,
        desk: &Desk,
        code: &Code,
        exporter: [u8; 32],
    ) -> Result<(Offer, Request), Refused> {
        let proof = desk.prove(&exporter).await.expect("proves itself");
        let (directory, _) = newcomer::check_proof(code, &proof, &exporter).expect("believed");
        let offer = desk.offer(self.applicant(exporter), code.ask()).await?;
        newcomer::check_offer(code, None, &offer).expect("for this code");
        let request = newcomer::request(
            code,
            &offer,
            &directory,
            &exporter,
            &self.keys,
            &self.key,
            self.former.as_ref(),
            &Wishes::default(),
        );
        Ok((offer, request))
    }

    /// Asks once. What is approved holds for the newcomer.
    pub async fn ask(&self, node: &Node, code: &Code) -> Said {
        let desk = Desk::new(node.clone(), Clock::system());
        let exporter = random();
        let (offer, request) = match self.prepare(&desk, code, exporter).await {
            Ok(prepared) => prepared,
            Err(refused) => return Said::Refused(refused),
        };
        let answer = desk
            .judge(self.applicant(exporter), offer.clone(), request)
            .await;
        match answer {
            Answer::Pending { text, .. } => Said::Pending(text),
            Answer::Refused(refused) => Said::Refused(refused),
            Answer::Approved(envelopes) => {
                let proof = desk.prove(&exporter).await.expect("proves itself");
                let (directory, _) =
                    newcomer::check_proof(code, &proof, &exporter).expect("believed");
                let approved =
                    newcomer::check_approved(&directory, code, &offer, &self.keys, &envelopes);
                Said::Approved(Box::new(approved.expect("holds")))
            }
        }
    }
}

/// What a newcomer heard.
#[derive(Debug)]
pub enum Said {
    Approved(Box<Approved>),
    Pending(String),
    Refused(Refused),
}

impl Said {
    pub fn approved(self) -> Approved {
        match self {
            Self::Approved(approved) => *approved,
            other => panic!("not approved: {other:?}"),
        }
    }

    /// Whether it waits for a person, who is to compare its fingerprint.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(text) if text.contains("核对指纹"))
    }

    /// Code and words of a refusal.
    #[track_caller]
    pub fn refused(self, code: u8, part: &str) {
        match self {
            Self::Refused(refused) => {
                assert_eq!(refused.code, code, "{}", refused.reason);
                assert!(refused.reason.contains(part), "{}", refused.reason);
                assert!(!refused.contact.is_empty(), "whom to ask");
            }
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// How many identities of a seat a node knows.
pub fn identities(node: &Node, seat: &SeatId) -> usize {
    node.directory().of_seat(seat).count()
}

/// Lets a party in with a new code, at once.
pub async fn let_in(node: &Node, invite: &Invite) -> (Newcomer, SeatId, Code) {
    let invite = Invite {
        pre_approved: true,
        ..invite.clone()
    };
    let (code, issued) = issue(node, &invite).await;
    let newcomer = Newcomer::fresh();
    let approved = newcomer.ask(node, &code).await.approved();
    assert_eq!(approved.identity.identity().seat, issued.seat);
    (newcomer, issued.seat, code)
}

/// The invitation of a district.
pub fn district(code: &str) -> Invite {
    Invite {
        kind: "district".to_owned(),
        title: "天桥区平台".to_owned(),
        organisation: format!("{code}.zx"),
        jurisdiction: code.to_owned(),
        ..bureau()
    }
}

pub const DEPARTMENT: u8 = SeatKind::Department as u8;

/// A city node as its program opens it over its data folder.
pub async fn from_home(folder: &std::path::Path, credentials: Credentials) -> Node {
    let store = Store::open(&StoreConfig {
        engine: Engine::Sqlite {
            folder: folder.to_owned(),
            cache_mib: 16,
        },
    })
    .await
    .expect("store");
    let table = DivisionTable::builtin();
    let city = table.city(CITY).expect("city");
    let standards = Standards::builtin();
    let chain = credentials.chain;
    let node = Node::open(Parts {
        store,
        tier: Tier::City,
        seat: credentials.seat,
        key: credentials.keys.sign,
        directory: credentials.directory,
        instance: InstanceId([1; 16]),
        incarnation: Incarnation {
            counter: 1,
            feed: FeedId([1; 16]),
        },
        judge: Judge::new(standards.clone(), table, city.clone()),
        city,
        standards,
        links: Links::new(),
        chain: chain.clone(),
    })
    .await
    .expect("node");
    node.publish(&chain[1..], 1).await.expect("published");
    node
}
