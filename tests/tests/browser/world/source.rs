//! A department's source, and who is who in the sample city.

use node::intake::Peer;
use protocol::batch::{Draft, LogState, seal};
use protocol::directory::{EpochOpening, Identity, SeatKind};
use protocol::entry::{Head, Hint};
use protocol::envelope::{Envelope, kind};
use protocol::frame::Item;
use protocol::hash::Hash;
use protocol::name::{Epoch, FeedId, HybridTime, InstanceId, Lane, SeatId};
use protocol::sign::{SigningKey, Suite};
use protocol::slice;
use protocol::value::{CivilDate, Value};
use supervision::standard::map::{MappedEntry, Refused};
use supervision::standard::{Context, Standards};

pub(super) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

pub(super) fn seat(n: u8) -> SeatId {
    SeatId([n; 16])
}

pub(super) struct Who<'a> {
    pub(super) n: u8,
    pub(super) kind: SeatKind,
    pub(super) title: &'a str,
    pub(super) department: &'a str,
    pub(super) region: &'a str,
    pub(super) issuer: SeatId,
}

pub(super) fn identity(who: &Who<'_>, by: &SigningKey) -> Envelope {
    let identity = Identity {
        seat: seat(who.n),
        serial: 1,
        kind: who.kind,
        title: who.title.to_owned(),
        department: who.department.to_owned(),
        jurisdiction: who.region.to_owned(),
        key: key(who.n).public(),
        suite: Suite::Sha256Ed25519,
        permitted_types: vec!["registration".to_owned(), "refusal".to_owned()],
        admits: who.kind != SeatKind::Department,
        issuer: who.issuer,
    };
    Envelope::signed(kind::IDENTITY, 1, identity.to_bytes(), by)
}

/// A department's source.
pub struct Source {
    pub(super) seat: SeatId,
    pub(super) identity: Envelope,
    pub(super) opening: Envelope,
    pub(super) key: SigningKey,
    pub(super) log: LogState,
    pub(super) standards: Standards,
}

impl Source {
    pub(super) fn new(
        n: u8,
        title: &str,
        department: &str,
        region: &str,
        (by, issuer): (u8, SeatId),
    ) -> Self {
        let who = Who {
            n,
            kind: SeatKind::Department,
            title,
            department,
            region,
            issuer,
        };
        let identity = identity(&who, &key(by));
        let statement = EpochOpening {
            seat: seat(n),
            epoch: Epoch {
                counter: 1,
                nonce: [n; 16],
            },
            identity: identity.hash(),
            instance: InstanceId([n; 16]),
            last_known: [(0, Hash::ZERO); 3],
        };
        let opening = Envelope::signed(kind::OPENING, 1, statement.to_bytes(), &key(n));
        let log = LogState::start(&statement, opening.hash(), Lane::Records);
        Self {
            seat: seat(n),
            identity,
            opening,
            key: key(n),
            log,
            standards: Standards::builtin(),
        }
    }

    /// Whoever brings the source's statements.
    pub(super) fn through(&self, node: SeatId, kind: SeatKind, region: &str) -> Peer {
        let mut identity = Identity::from_bytes(&self.identity.bytes).expect("own identity");
        (identity.seat, identity.kind, identity.jurisdiction) = (node, kind, region.to_owned());
        Peer {
            identity,
            seats: vec![node, self.seat],
            feed: FeedId(node.0),
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
        let head = Head {
            hint: Hint::Unknown,
            source_position: position.into_bytes(),
            ..entry.head
        };
        let mut bytes = Vec::new();
        head.put(&mut bytes);
        let mut sections = vec![(0, bytes)];
        sections.extend(entry.sections);
        Draft::new(&sections)
    }

    pub(super) fn batch(&mut self, drafts: &[Draft], now_ms: u64) -> Item {
        let time = HybridTime::default().tick(now_ms);
        let sealed = seal(
            &self.log,
            drafts,
            time,
            &[7; 32],
            self.identity.hash(),
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
