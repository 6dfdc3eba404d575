//! Two nodes and a department's source in one process, without links: what a session would carry is handed over directly.

use std::path::Path;

use node::intake::{Arrival, Peer, TakeInFault};
use node::node::Parts;
use node::{Node, Tier};
use protocol::batch::{Draft, LogState, seal};
use protocol::directory::{Directory, EpochOpening, Identity, Root, SeatKind};
use protocol::entry::{Head, Hint};
use protocol::envelope::{Envelope, kind};
use protocol::frame::{Interest, Item};
use protocol::hash::Hash;
use protocol::name::{Epoch, FeedId, HybridTime, InstanceId, Lane, SeatId};
use protocol::sign::{SigningKey, Suite};
use protocol::slice;
use protocol::value::{CivilDate, Value};
use runtime::link::registry::Links;
use store::{Engine, Store, StoreConfig};
use supervision::division::DivisionTable;
use supervision::judge::Judge;
use supervision::standard::map::MappedEntry;
use supervision::standard::{Context, Standards};

pub const CITY: &str = "370100";
pub const EAST: &str = "370102";
pub const WEST: &str = "370104";

/// The authority of a sample city: root, city, two districts.
pub struct Authority {
    pub root: Envelope,
    pub city: (SeatId, [u8; 32], Envelope),
    pub districts: Vec<(SeatId, [u8; 32], Envelope, String)>,
}

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn identity(
    seat: SeatId,
    kind_: SeatKind,
    region: &str,
    key_: &SigningKey,
    issuer: SeatId,
    by: &SigningKey,
) -> Envelope {
    let identity = Identity {
        seat,
        serial: 1,
        kind: kind_,
        title: format!("seat {seat}"),
        department: if kind_ == SeatKind::Department {
            "市场监管局".into()
        } else {
            String::new()
        },
        jurisdiction: region.into(),
        key: key_.public(),
        suite: Suite::Sha256Ed25519,
        permitted_types: vec!["registration".into(), "refusal".into()],
        admits: kind_ != SeatKind::Department,
        issuer,
    };
    Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), by)
}

pub fn authority() -> Authority {
    let root_key = key(1);
    let root = Root {
        version: 1,
        former: Hash::ZERO,
        threshold: 1,
        keys: vec![root_key.public()],
    };
    let root = Envelope::signed(kind::ROOT, 1, root.to_bytes(), &root_key);
    let seat = SeatId([10; 16]);
    let city = identity(
        seat,
        SeatKind::City,
        CITY,
        &key(2),
        SeatId::default(),
        &root_key,
    );
    let districts = [(11u8, 3u8, EAST), (12, 4, WEST)]
        .map(|(s, k, region)| {
            let id = identity(
                SeatId([s; 16]),
                SeatKind::District,
                region,
                &key(k),
                seat,
                &key(2),
            );
            (SeatId([s; 16]), [k; 32], id, region.to_owned())
        })
        .to_vec();
    Authority {
        root,
        city: (seat, [2; 32], city),
        districts,
    }
}

impl Authority {
    pub async fn city_node(&self, folder: &Path) -> Node {
        let chain = vec![self.root.clone(), self.city.2.clone()];
        open(folder, Tier::City, self.city.0, &self.city.1, chain).await
    }

    pub async fn district_node(&self, folder: &Path, n: usize) -> Node {
        let (seat, seed, own, _) = &self.districts[n];
        open(
            folder,
            Tier::District,
            *seat,
            seed,
            vec![self.root.clone(), self.city.2.clone(), own.clone()],
        )
        .await
    }
}

async fn open(
    folder: &Path,
    tier: Tier,
    seat: SeatId,
    seed: &[u8; 32],
    chain: Vec<Envelope>,
) -> Node {
    let mut directory = Directory::trusting(&chain[0], &chain[0].hash().0).expect("root");
    for envelope in &chain[1..] {
        directory.admit(envelope).expect("chain");
    }
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
    let node = Node::open(Parts {
        store,
        tier,
        seat,
        key: SigningKey::from_seed(seed),
        directory,
        instance: InstanceId([seed[0]; 16]),
        feed: FeedId([seed[0]; 16]),
        judge: Judge::new(standards.clone(), table, city.clone()),
        city,
        standards,
        links: Links::new(),
        chain: chain.clone(),
    })
    .await
    .expect("node");
    node.publish(&chain[1..], 1).await.expect("chain published");
    node
}

/// A department's source that states registrations.
pub struct Source {
    pub seat: SeatId,
    pub identity: Envelope,
    pub opening: Envelope,
    key: SigningKey,
    log: LogState,
    identity_hash: Hash,
    standards: Standards,
}

impl Source {
    pub fn new(n: u8, region: &str, issuer: SeatId, issuer_key: &SigningKey) -> Self {
        let seat = SeatId([n; 16]);
        let key_ = key(n);
        let identity = identity(
            seat,
            SeatKind::Department,
            region,
            &key_,
            issuer,
            issuer_key,
        );
        let statement = EpochOpening {
            seat,
            epoch: Epoch {
                counter: 1,
                nonce: [n; 16],
            },
            identity: identity.hash(),
            instance: InstanceId([n; 16]),
            last_known: [(0, Hash::ZERO); 3],
        };
        let opening = Envelope::signed(kind::OPENING, 1, statement.to_bytes(), &key_);
        let log = LogState::start(&statement, opening.hash(), Lane::Records);
        Self {
            seat,
            identity_hash: identity.hash(),
            identity,
            opening,
            key: key_,
            log,
            standards: Standards::builtin(),
        }
    }

    pub fn peer(&self) -> Peer {
        let identity = Identity::from_bytes(&self.identity.bytes).expect("own identity");
        Peer {
            identity,
            seats: vec![self.seat],
            feed: FeedId(self.seat.0),
        }
    }

    pub fn directory(&self) -> Vec<Item> {
        vec![
            Item::Envelope(self.identity.to_bytes()),
            Item::Envelope(self.opening.to_bytes()),
        ]
    }

    /// A registration by its canonical field names.
    pub fn registration(
        &self,
        fields: &[(&str, &str)],
    ) -> Result<MappedEntry, Box<supervision::standard::map::Refused>> {
        let standard = self.standards.by_type("registration").expect("standard");
        let mut values: Vec<(u16, Value)> = fields
            .iter()
            .map(|(name, text)| {
                (
                    standard.field_named(name).expect("field").number,
                    Value::from_text(*text),
                )
            })
            .collect();
        values.sort_by_key(|(n, _)| *n);
        standard.map(
            values,
            &Context {
                today: CivilDate::new(2026, 11, 22).expect("date"),
            },
        )
    }

    pub fn draft(&self, entry: MappedEntry, hint: Hint) -> Draft {
        let head = Head {
            hint,
            source_position: b"QYJBXX:rowid=1".to_vec(),
            ..entry.head
        };
        let mut bytes = Vec::new();
        head.put(&mut bytes);
        let mut sections = vec![(0, bytes)];
        sections.extend(entry.sections);
        Draft::new(&sections)
    }

    /// Seals the next batch as the item that a feed carries.
    pub fn batch(&mut self, drafts: &[Draft]) -> Item {
        let sealed = seal(
            &self.log,
            drafts,
            HybridTime(1),
            &[7; 32],
            self.identity_hash,
            &self.key,
        )
        .expect("sealed");
        self.log = sealed.log;
        Item::Slice {
            header: sealed.header.to_bytes(),
            body: slice::pack(&sealed.body),
        }
    }

    pub fn state(&mut self, fields: &[(&str, &str)]) -> Item {
        let entry = self.registration(fields).expect("accepted");
        let draft = self.draft(entry, Hint::Unknown);
        self.batch(&[draft])
    }
}

pub async fn hand_over(
    node: &Node,
    peer: &Peer,
    items: Vec<Item>,
    class: u8,
    through: u64,
) -> Result<(), TakeInFault> {
    node.take_in(
        peer,
        items,
        Arrival::Feed {
            class,
            through,
            interest_version: 1,
        },
        2,
    )
    .await
    .map(|_| ())
}

/// Applies and folds until nothing is left.
pub async fn settle(node: &Node) {
    while node.apply_step(3).await.expect("apply").is_some() {}
    while node.fold_step(3).await.expect("fold").is_some() {}
}

/// A row of the desk's list.
pub fn peer_row(identity: &Identity, state: store::PeerState) -> store::PeerRow {
    store::PeerRow {
        seat: identity.seat,
        kind: identity.kind as u8,
        title: identity.title.clone(),
        department: identity.department.clone(),
        jurisdiction: identity.jurisdiction.clone(),
        tls_key: [0; 32],
        state,
        reason: "已停用".into(),
        fingerprint: String::new(),
        by: String::new(),
        at_us: 1,
        last_contact_us: 0,
    }
}

pub fn as_peer(node: &Node) -> Peer {
    Peer {
        identity: node.identity().clone(),
        seats: vec![node.seat()],
        feed: node.feed(),
    }
}

/// Moves everything that `from` has for `to` since the cursors, as a session would; opens and answers wants.
pub async fn sync(from: &Node, to: &Node, cursors: &mut [u64; 3]) {
    let down = from.tier() == Tier::City;
    let interest = Interest {
        version: 1,
        full: !down,
        regions: if down {
            vec![to.region().to_owned()]
        } else {
            vec![]
        },
        seats: vec![],
        city_wide: down,
    };
    let (reader, sender) = (as_peer(to), as_peer(from));
    for (class, cursor) in cursors.iter_mut().enumerate() {
        loop {
            let page = from
                .feed_page(&reader, &interest, class as u8, *cursor, None, 1 << 20)
                .await
                .expect("page");
            if page.through > *cursor {
                let items = page.items.into_iter().map(|(_, item)| item).collect();
                hand_over(to, &sender, items, class as u8, page.through)
                    .await
                    .expect("taken in");
                *cursor = page.through;
            }
            if !page.more {
                break;
            }
        }
    }
    for row in to.store().wants_open().await.expect("wants") {
        let want = protocol::codec::decode_want(&row.want).expect("want");
        let mut resume = row.resume;
        loop {
            let (items, next) = from
                .want_page(&reader, &want, &resume)
                .await
                .expect("want page");
            to.take_in(&sender, items, Arrival::Want, 4)
                .await
                .expect("want taken in");
            match next {
                Some(next) => resume = next,
                None => break,
            }
        }
        to.store().want_done(row.id).await.expect("want done");
    }
    settle(to).await;
}
