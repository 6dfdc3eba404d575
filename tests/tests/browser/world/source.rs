//! A department's source, and who is who in the sample city.

use node::intake::Peer;
use protocol::batch::{Draft, LogState, seal};
use protocol::entry::{Head, Hint, PLATFORM, Provenance};
use protocol::envelope::{Envelope, kind};
use protocol::frame::Item;
use protocol::hash::Ref;
use protocol::name::{FeedId, HybridTime, Incarnation, InstanceId, Lane, SeatId};
use protocol::sign::{Keys, SigningKey, Sigs};
use protocol::slice;
use protocol::statement::{EpochOpening, Identity, Root, SeatKind, possession_hash};
use protocol::value::{CivilDate, Value};
use supervision::standard::map::{MappedEntry, Refused};
use supervision::standard::{Context, Standards};

pub(super) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub(super) fn seat(n: u8) -> SeatId {
    SeatId([n; 16])
}

pub(super) fn reference(envelope: &Envelope) -> Ref {
    envelope.reference().expect("of a suite that is read")
}

/// The first root version: what everybody trusts.
pub(super) fn root() -> Envelope {
    let root = Root::of(1, Ref::ZERO, 1, &[key(1).public()]);
    Envelope::signed(kind::ROOT, 1, root.to_bytes(), &key(1))
}

/// The first life of a party's store.
pub(super) fn life(n: u8) -> Incarnation {
    Incarnation {
        counter: 1,
        feed: FeedId([n; 16]),
    }
}

#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) n: u8,
    pub(super) kind: SeatKind,
    pub(super) title: &'a str,
    pub(super) organisation: &'a str,
    pub(super) region: &'a str,
    /// Number of the node that it belongs to.
    pub(super) node: u8,
}

impl Who<'_> {
    /// The proof that the seat has its keys, as it asked with them.
    pub(super) fn possession(&self) -> Sigs {
        let hash = possession_hash(&seat(self.n), &reference(&root()), &self.keys());
        Sigs::of(key(self.n).sign(&hash))
    }

    pub(super) fn keys(&self) -> Keys {
        let seal = self.kind.is_node().then_some([self.n; 32]);
        Keys::of(key(self.n).public(), seal)
    }
}

/// An identity that `issuer` has given.
pub(super) fn identity(who: &Who<'_>, issuer: &Envelope, by: &SigningKey) -> Envelope {
    let is_node = who.kind.is_node();
    let identity = Identity {
        seat: seat(who.n),
        serial: 1,
        kind: who.kind,
        organisation: who.organisation.to_owned(),
        title: who.title.to_owned(),
        jurisdiction: who.region.to_owned(),
        node: seat(who.node),
        keys: who.keys(),
        possession: who.possession(),
        consent: Sigs::default(),
        reason: String::new(),
        permitted: match is_node {
            true => Vec::new(),
            false => vec!["refusal".to_owned(), "registration".to_owned()],
        },
        admits: is_node,
        binds_from: Default::default(),
        issuer: reference(issuer),
    };
    Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), by)
}

/// Whoever brings statements, as its identity says.
pub(super) fn peer(identity: &Envelope, others: &[SeatId]) -> Peer {
    let identity = Identity::from_bytes(&identity.bytes).expect("an identity");
    let mut seats = vec![identity.seat];
    seats.extend(others);
    Peer {
        incarnation: Incarnation {
            counter: 1,
            feed: FeedId(identity.seat.0),
        },
        identity,
        seats,
        release: String::new(),
    }
}

/// A department's source.
pub struct Source {
    pub(super) identity: Envelope,
    pub(super) opening: Envelope,
    pub(super) key: SigningKey,
    pub(super) log: LogState,
    pub(super) standards: Standards,
}

impl Source {
    /// A source with a log, admitted by the node of this number and identity.
    pub(super) fn new(who: &Who<'_>, issuer: &Envelope) -> Self {
        let n = who.n;
        let identity = identity(who, issuer, &key(who.node));
        let statement = EpochOpening {
            seat: seat(n),
            counter: 1,
            nonce: [n; 16],
            identity: reference(&identity),
            instance: InstanceId([n; 16]),
            last_known: Vec::new(),
            void: Vec::new(),
        };
        let opening = Envelope::signed(kind::OPENING, 1, statement.to_bytes(), &key(n));
        let log = LogState::start(&statement, reference(&opening), Lane::Records);
        Self {
            identity,
            opening,
            key: key(n),
            log,
            standards: Standards::builtin(),
        }
    }

    pub(super) fn directory(&self) -> Vec<Item> {
        vec![
            Item::Envelope(self.identity.to_bytes()),
            Item::Envelope(self.opening.to_bytes()),
        ]
    }

    pub(super) fn map(&self, fields: &[(&str, &str)]) -> Result<MappedEntry, Box<Refused>> {
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
        standard.map(values, &today())
    }

    pub(super) fn draft(&self, entry: MappedEntry) -> Draft {
        let position = format!("djxx.QY_JBXX rowid={}", entry.head.key);
        let provenance = Provenance::at(position.as_bytes()).to_section();
        let head = Head {
            hint: Hint::Unknown,
            ..entry.head
        };
        let mut sections = vec![(0, head.to_bytes())];
        sections.extend(entry.sections);
        let provenance = provenance.expect("within its bounds");
        sections.extend(provenance.map(|bytes| (PLATFORM, bytes)));
        Draft::new(&sections)
    }

    pub(super) fn batch(&mut self, drafts: &[Draft], now_ms: u64) -> Item {
        let time = HybridTime::default().tick(now_ms);
        let sealed = seal(
            &self.log,
            drafts,
            time,
            &[7; 32],
            reference(&self.identity),
            &self.key,
        )
        .expect("sealed");
        self.log = sealed.log;
        Item::Slice {
            header: sealed.header.to_bytes(),
            body: slice::pack(&sealed.body),
        }
    }
}

pub(super) fn today() -> Context {
    Context {
        today: CivilDate::new(2026, 11, 22).expect("date"),
    }
}
