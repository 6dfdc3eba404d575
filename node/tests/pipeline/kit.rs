//! Two nodes and a department's source in one process, without links: what a session would carry is handed over directly.

use std::path::Path;

use node::intake::{Arrival, Peer, TakeInFault};
use node::node::Parts;
use node::{Node, Tier};
use protocol::batch::{Draft, LogState, seal};
use protocol::directory::Directory;
use protocol::entry::{Head, Hint, PLATFORM, Provenance};
use protocol::envelope::{Envelope, kind};
use protocol::frame::{Cursor, Interest, Item, Token};
use protocol::hash::Ref;
use protocol::name::{FeedId, HybridTime, Incarnation, InstanceId, Lane, Position, SeatId};
use protocol::sign::{Keys, SigningKey, Sigs};
use protocol::slice;
use protocol::statement::{BindsFrom, EpochOpening, Identity, Root, SeatKind, possession_hash};
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
pub const CITY_SEAT: SeatId = SeatId([10; 16]);

/// The authority of a sample city: root, city, two districts.
pub struct Authority {
    pub root: Envelope,
    pub city: (SeatId, [u8; 32], Envelope),
    pub districts: Vec<(SeatId, [u8; 32], Envelope, String)>,
}

pub fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub fn reference(envelope: &Envelope) -> Ref {
    envelope.reference().expect("of the suite that is read")
}

/// The first identity of a seat under a key: what it is and where, and by whom it is issued.
pub fn identity(
    (seat, kind_): (SeatId, SeatKind),
    region: &str,
    node: SeatId,
    key_: &SigningKey,
    issuer: Ref,
) -> Identity {
    let is_node = kind_.is_node();
    Identity {
        seat,
        serial: 1,
        kind: kind_,
        organisation: match is_node {
            true => format!("{region}.zx"),
            false => format!("{region}.scjg"),
        },
        title: format!("seat {seat}"),
        jurisdiction: region.into(),
        node,
        keys: Keys::of(key_.public(), Some(key_.public().0)),
        possession: Sigs::default(),
        consent: Sigs::default(),
        reason: String::new(),
        permitted: match is_node {
            true => Vec::new(),
            false => vec!["refusal".into(), "registration".into()],
        },
        admits: is_node,
        binds_from: [BindsFrom::default(); 3],
        issuer,
    }
}

/// The identity with its possession, signed by its issuer.
pub fn issued(identity: Identity, authority: Ref, own: &SigningKey, by: &SigningKey) -> Envelope {
    let hash = possession_hash(&identity.seat, &authority, &identity.keys);
    let identity = Identity {
        possession: Sigs::of(own.sign(&hash)),
        ..identity
    };
    Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), by)
}

pub fn authority() -> Authority {
    let root_key = key(1);
    let root = Root::of(1, Ref::ZERO, 1, &[root_key.public()]);
    let root = Envelope::signed(kind::ROOT, 1, root.to_bytes(), &root_key);
    let authority = reference(&root);
    let city = identity(
        (CITY_SEAT, SeatKind::City),
        CITY,
        CITY_SEAT,
        &key(2),
        authority,
    );
    let city = issued(city, authority, &key(2), &root_key);
    let districts = [(11u8, 3u8, EAST), (12, 4, WEST)]
        .map(|(s, k, region)| {
            let seat = SeatId([s; 16]);
            let own = key(k);
            let of = (seat, SeatKind::District);
            let identity = identity(of, region, seat, &own, reference(&city));
            let envelope = issued(identity, authority, &own, &key(2));
            (seat, [k; 32], envelope, region.to_owned())
        })
        .to_vec();
    Authority {
        root,
        city: (CITY_SEAT, [2; 32], city),
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

    /// The identity statement of a node.
    pub fn of(&self, seat: SeatId) -> &Envelope {
        match seat == self.city.0 {
            true => &self.city.2,
            false => self
                .districts
                .iter()
                .find(|(district, ..)| *district == seat)
                .map(|(.., envelope, _)| envelope)
                .expect("a node of the sample city"),
        }
    }
}

async fn open(
    folder: &Path,
    tier: Tier,
    seat: SeatId,
    seed: &[u8; 32],
    chain: Vec<Envelope>,
) -> Node {
    let authority = reference(&chain[0]);
    let mut directory = Directory::trusting(&chain[0], &authority.hash.0).expect("root");
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
        incarnation: Incarnation {
            counter: 1,
            feed: FeedId([seed[0]; 16]),
        },
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
    identity_ref: Ref,
    standards: Standards,
}

impl Source {
    /// A source that a node of the sample city has admitted.
    pub fn new(n: u8, region: &str, issuer: SeatId, issuer_key: &SigningKey) -> Self {
        let authority = authority();
        let seat = SeatId([n; 16]);
        let key_ = key(n);
        let of = (seat, SeatKind::Department);
        let by = reference(authority.of(issuer));
        let identity = identity(of, region, issuer, &key_, by);
        let identity = issued(identity, reference(&authority.root), &key_, issuer_key);
        let statement = EpochOpening {
            seat,
            counter: 1,
            nonce: [n; 16],
            identity: reference(&identity),
            instance: InstanceId([n; 16]),
            last_known: Vec::new(),
            void: Vec::new(),
        };
        let opening = Envelope::signed(kind::OPENING, 1, statement.to_bytes(), &key_);
        let log = LogState::start(&statement, reference(&opening), Lane::Records);
        Self {
            seat,
            identity_ref: reference(&identity),
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
            incarnation: Incarnation {
                counter: 1,
                feed: FeedId(self.seat.0),
            },
            release: String::new(),
        }
    }

    pub fn directory(&self) -> Vec<Item> {
        vec![
            Item::Envelope(self.identity.to_bytes()),
            Item::Envelope(self.opening.to_bytes()),
        ]
    }

    /// Its next epoch, with what it last knew of the former.
    pub fn reopened(&self, counter: u32, last_known: Vec<(u8, Position)>) -> Envelope {
        let statement = EpochOpening {
            seat: self.seat,
            counter,
            nonce: [counter as u8; 16],
            identity: self.identity_ref,
            instance: InstanceId([counter as u8; 16]),
            last_known,
            void: Vec::new(),
        };
        self.sign(kind::OPENING, statement.to_bytes())
    }

    /// Something that it says, signed.
    pub fn sign(&self, kind_: u8, bytes: Vec<u8>) -> Envelope {
        Envelope::signed(kind_, 1, bytes, &self.key)
    }

    /// How far it has sealed.
    pub fn log(&self) -> &LogState {
        &self.log
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
        let head = Head { hint, ..entry.head };
        let mut sections = vec![(0, head.to_bytes())];
        sections.extend(entry.sections);
        let whence = Provenance::at(b"QYJBXX:rowid=1").to_section();
        sections.extend(whence.expect("fits").map(|bytes| (PLATFORM, bytes)));
        Draft::new(&sections)
    }

    /// Seals the next batch as the item that a feed carries.
    pub fn batch(&mut self, drafts: &[Draft]) -> Item {
        let sealed = seal(
            &self.log,
            drafts,
            HybridTime(1),
            &[7; 32],
            self.identity_ref,
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
    let first = (through + 1).saturating_sub(items.len() as u64);
    let items = (first..).zip(items).collect();
    take_in(node, peer, items, class, through).await
}

/// Hands over items of a feed at their offsets.
pub async fn take_in(
    node: &Node,
    peer: &Peer,
    items: Vec<(u64, Item)>,
    class: u8,
    through: u64,
) -> Result<(), TakeInFault> {
    let through = Cursor {
        offset: through,
        token: Token([through as u8; 16]),
    };
    let arrival = Arrival::Feed {
        class,
        through,
        interest: 1,
    };
    node.take_in(peer, items, arrival, 2).await.map(|_| ())
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
        organisation: identity.organisation.clone(),
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
        incarnation: node.incarnation(),
        release: String::new(),
    }
}

/// Moves everything that `from` has for `to` since the cursors, as a session would; opens and answers wants.
pub async fn sync(from: &Node, to: &Node, cursors: &mut [u64; 3]) {
    let down = from.tier() == Tier::City;
    let interest = Interest {
        version: 1,
        full: !down,
        city_wide: down,
        regions: if down {
            vec![to.region().to_owned()]
        } else {
            vec![]
        },
        organisations: vec![],
        seats: vec![],
    };
    let (reader, sender) = (as_peer(to), as_peer(from));
    for (class, cursor) in cursors.iter_mut().enumerate() {
        loop {
            let page = from
                .feed_page(&reader, &interest, class as u8, *cursor, None, 1 << 20)
                .await
                .expect("page");
            if page.through > *cursor {
                let items = page.items.into_iter();
                let items = items.map(|(offset, _, item)| (offset, item)).collect();
                take_in(to, &sender, items, class as u8, page.through)
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
            let answer = from
                .want_page(&reader, &want, &resume)
                .await
                .expect("want page");
            let items = answer.items.into_iter().map(|item| (0, item)).collect();
            to.take_in(&sender, items, Arrival::Want, 4)
                .await
                .expect("want taken in");
            match answer.next {
                Some(next) => resume = next,
                None => break,
            }
        }
        to.store().want_done(row.id).await.expect("want done");
    }
    settle(to).await;
}
