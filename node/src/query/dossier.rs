//! One entity's dossier: all its records folded into facts, and behind each fact the chain down to department, source row,
//! batch, signature and receipts. The chain is checked anew every time it is shown.

use std::collections::{BTreeSet, HashMap};

use protocol::batch::Header;
use protocol::directory::{Identity, SeatKind};
use protocol::entry::{Head, Operation, Subject};
use protocol::envelope::Envelope;
use protocol::hash::{self, Hash};
use protocol::name::{Lane, SeatId, Version};
use protocol::opening::Closed;
use protocol::slice::{self, HeaderFault};
use protocol::value::Value;
use store::{Pointer, RecordRow};
use supervision::conclude::Basis;
use supervision::dossier::{self, Dossier, Image};
use supervision::judge::{Verdict, read_sections};
use supervision::standard::Audience;

use super::QueryError;
use super::refusal::Refusal;
use crate::Tier;
use crate::apply::{flag, record_kind};
use crate::command::account::Role;
use crate::command::actor::Action;
use crate::fold::Block;
use crate::node::{Node, subject_key};

/// Records of one subject that a dossier takes into account; an entity with more is shown with the first of them.
pub const RECORDS_MAX: usize = 500;
/// Blocks unpacked at a time.
const BLOCKS_HELD: usize = 16;

/// A dossier with its lineage.
#[derive(Debug, Clone)]
pub struct DossierPage {
    /// The subject.
    pub subject: Subject,
    /// Facts by classification; sources are indices into `statements`.
    pub facts: Dossier,
    /// The statements that the facts are made from.
    pub statements: Vec<Statement>,
    /// Region that has the entity.
    pub region: String,
    /// What that conclusion rests on, if it is known here.
    pub basis: Option<Basis>,
    /// Refused reports about the entity that whoever asks may see, newest first.
    pub refusals: Vec<Refusal>,
    /// Whether there are more records than were taken into account.
    pub more: bool,
}

/// One statement and the chain behind it.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The head as stated.
    pub head: Head,
    /// Who stated it.
    pub origin: Origin,
    /// Its version.
    pub version: Version,
    /// Lane it travelled in.
    pub lane: Lane,
    /// Whether a newer image of the record was refused.
    pub newer_refused: bool,
    /// Whether the record is gone at its source.
    pub retracted: bool,
    /// Sections with their commitments.
    pub sections: Vec<SectionState>,
    /// The batch.
    pub batch: Batch,
    /// What checking signature, root and leaf gave just now.
    pub verification: Verification,
    /// What nodes have signed for the log, nearest first.
    pub receipts: Vec<ReceiptState>,
}

/// Who stated something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The seat.
    pub seat: SeatId,
    /// Its title.
    pub title: String,
    /// Its department; its title when it has none.
    pub department: String,
    /// Division or region.
    pub jurisdiction: String,
}

/// A section of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionState {
    /// Permanent number.
    pub number: u8,
    /// Its commitment, which the leaf is made of.
    pub commitment: Hash,
    /// Whom it is for; none for the head or when the standard is not known here.
    pub audience: Option<Audience>,
    /// Why it is not open here, if it is not.
    pub closed: Option<Closed>,
    /// Whether it is kept from whoever asks.
    pub for_others: bool,
}

/// Where a statement lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Hash of the epoch's opening.
    pub opening: Hash,
    /// Object hash of the header.
    pub header: Hash,
    /// Hash of the leaf.
    pub leaf: Hash,
    /// Root over all leaves.
    pub root: Hash,
    /// Leaves in the batch.
    pub count: u32,
    /// When it was sealed, milliseconds by the origin's clock.
    pub sealed_ms: u64,
    /// Feed offset here.
    pub offset: u64,
    /// When it arrived here.
    pub arrived_us: i64,
}

/// Signature of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Why it does not verify, if it does not.
    pub fault: Option<String>,
    /// Fingerprint of the signing key; zero when the identity is not known here.
    pub fingerprint: Hash,
    /// Hash of the identity statement.
    pub identity: Hash,
    /// Titles of who admitted whom, from the seat up; ends with the city when the chain is whole.
    pub admitted_by: Vec<String>,
}

/// A node's receipt against one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptState {
    /// Title of the node.
    pub node: String,
    /// What kind of node.
    pub kind: Option<SeatKind>,
    /// Durable up to here.
    pub durable: u64,
    /// Safeguarded up to here.
    pub safeguarded: u64,
    /// When it was signed.
    pub at_us: i64,
    /// Sequence of the batch in question.
    pub sequence: u64,
}

impl ReceiptState {
    /// Whether the batch is durable there.
    pub const fn is_durable(&self) -> bool {
        self.durable >= self.sequence
    }
    /// Whether the batch is safeguarded.
    pub const fn is_safeguarded(&self) -> bool {
        self.safeguarded >= self.sequence
    }
}

/// Somebody has looked at a dossier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// When.
    pub at_us: i64,
    /// Account.
    pub account: String,
    /// Real name; empty for an account that is no more.
    pub name: String,
    /// `page`, or `api` for the JSON document.
    pub way: String,
}

/// Where a statement is shown, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Showing {
    /// This is the city.
    city: bool,
    /// This node is the source, or admitted it.
    home: bool,
    /// For an account of one department: whether the statement is that department's own.
    own: Option<bool>,
}

impl Showing {
    /// Whether a section may be shown. What is for the source and the city is shown at the city and at the source's own
    /// node, there too to no other department; what is for its addressees at the source's own node only.
    fn allows(self, audience: Audience) -> bool {
        let place = match audience {
            Audience::Public | Audience::Government => return true,
            Audience::SourceAndCity => self.city || self.home,
            Audience::Addressees => self.home,
        };
        place && self.own.unwrap_or(true)
    }
}

/// What reading one record gave, before the fold.
struct Read {
    record: RecordRow,
    statement: Statement,
    fields: Vec<(u16, Value)>,
    accepted: bool,
    basis: Option<Basis>,
}

impl Node {
    /// The dossier of a subject given with its tag, as an account of this role may see it; `None` if nothing is known of it
    /// here.
    pub async fn dossier(
        &self,
        tagged: &str,
        role: &Role,
    ) -> Result<Option<DossierPage>, QueryError> {
        let Some(subject) = Subject::from_tagged(tagged).filter(|s| *s != Subject::None) else {
            return Ok(None);
        };
        let key = subject_key(tagged);
        let mut records = self
            .store()
            .records_of_subject(key, [0; 16], RECORDS_MAX + 1)
            .await?;
        let refused: Vec<[u8; 16]> = records
            .iter()
            .filter(|r| r.kind == record_kind::REFUSAL || r.flags & flag::REFUSED != 0)
            .map(|r| r.id)
            .collect();
        let mut refusals = self.refusals_of(&refused).await?;
        let known = !refusals.is_empty();
        refusals.retain(|r| role.department().is_none_or(|own| r.department == own));
        records.retain(|r| r.kind != record_kind::REFUSAL && r.flags & flag::LEFT == 0);
        let more = records.len() > RECORDS_MAX;
        records.truncate(RECORDS_MAX);
        let mut reads = self.read_records(records, tagged, role).await?;
        if reads.is_empty() && !known {
            return Ok(None);
        }
        self.attach_receipts(&mut reads).await?;
        let images: Vec<Image<'_>> = reads.iter().map(image).collect();
        let facts = dossier::fold(self.standards(), &images);
        let entity = self.store().entity(key).await?;
        let region = entity.map(|e| e.region).filter(|r| !r.is_empty());
        let stated = || {
            reads
                .iter()
                .map(|r| r.record.region.clone())
                .find(|r| !r.is_empty())
        };
        Ok(Some(DossierPage {
            subject,
            facts,
            region: region.or_else(stated).unwrap_or_default(),
            basis: reads.iter().find_map(|r| r.basis),
            refusals,
            more,
            statements: reads.into_iter().map(|r| r.statement).collect(),
        }))
    }

    /// Who has looked at a dossier, newest first.
    pub async fn dossier_views(&self, tagged: &str, limit: usize) -> Result<Vec<View>, QueryError> {
        let viewed = Action::DossierView.key();
        let acts = self.store().audit_of(viewed, tagged, limit).await?;
        let mut views = Vec::with_capacity(acts.len());
        for act in acts {
            let name = if act.name.is_empty() {
                // from before names were written down
                let account = self.store().account_get(&act.account).await?;
                account.map(|a| a.title).unwrap_or_default()
            } else {
                act.name
            };
            views.push(View {
                at_us: act.at_us,
                name,
                account: act.account,
                way: act.way,
            });
        }
        Ok(views)
    }

    async fn read_records(
        &self,
        records: Vec<RecordRow>,
        tagged: &str,
        role: &Role,
    ) -> Result<Vec<Read>, QueryError> {
        let mut pending: Vec<(Pointer, RecordRow)> = records
            .into_iter()
            .map(|r| (r.shown.unwrap_or(r.latest), r))
            .collect();
        pending.sort_by_key(|(p, _)| (p.block, p.position));
        let offsets: BTreeSet<u64> = pending.iter().map(|(p, _)| p.block).collect();
        let offsets: Vec<u64> = offsets.into_iter().collect();
        let mut pending = pending.into_iter().peekable();
        let mut reads = Vec::new();
        for offsets in offsets.chunks(BLOCKS_HELD) {
            let items = self.store().blocks(offsets).await?;
            let mut blocks = HashMap::new();
            for item in items {
                let offset = item.offset;
                let block =
                    Block::unpack(item).map_err(|what| QueryError::Damaged { offset, what })?;
                blocks.insert(offset, block);
            }
            let last = offsets.last().copied().unwrap_or_default();
            while let Some((pointer, record)) = pending.next_if(|(p, _)| p.block <= last) {
                let Some(block) = blocks.get(&pointer.block) else {
                    continue;
                };
                let damaged = |what| QueryError::Damaged {
                    offset: pointer.block,
                    what,
                };
                let read = self
                    .read_record(record, pointer, block, role)
                    .map_err(damaged)?;
                // the stored hash is short: another subject with the same one is told apart here
                if read.statement.head.subject.tagged() == tagged {
                    reads.push(read);
                }
            }
        }
        Ok(reads)
    }

    fn read_record(
        &self,
        record: RecordRow,
        pointer: Pointer,
        block: &Block,
        role: &Role,
    ) -> Result<Read, protocol::bytes::Malformed> {
        let opening = block.opening(&pointer)?;
        let head = opening.head()?;
        let open: Vec<(u8, &[u8])> = opening.open_fields().collect();
        let judgement = self.judge().judge(&head, &open);
        let standard = self.standards().get(&head.standard, head.standard_version);
        let (origin, issuer) = self.origin(&block.header);
        let showing = Showing {
            city: self.tier() == Tier::City,
            home: origin.seat == self.seat() || issuer == Some(self.seat()),
            own: role.department().map(|own| own == origin.department),
        };
        let shown_to =
            |number: u8| number == 0 || standard.is_none_or(|s| showing.allows(s.audience(number)));
        let visible: Vec<(u8, &[u8])> =
            open.iter().copied().filter(|(n, _)| shown_to(*n)).collect();
        let fields = standard
            .and_then(|s| read_sections(s, &head, &visible).ok())
            .unwrap_or_default();
        let sections = opening
            .sections()
            .iter()
            .map(|(number, section)| SectionState {
                number: *number,
                commitment: match section {
                    protocol::opening::Section::Open { salt, bytes } => {
                        hash::section(*number, salt, bytes)
                    }
                    protocol::opening::Section::Closed { commitment, .. } => *commitment,
                },
                audience: standard
                    .filter(|_| *number != 0)
                    .map(|s| s.audience(*number)),
                closed: match section {
                    protocol::opening::Section::Open { .. } => None,
                    protocol::opening::Section::Closed { why, .. } => Some(*why),
                },
                for_others: !shown_to(*number),
            });
        let sections = sections.collect();
        let index = block
            .opened
            .get(pointer.position as usize)
            .map_or(0, |o| o.index);
        let header = &block.header;
        let version = Version {
            epoch: header.epoch.counter,
            sequence: header.sequence,
            index,
        };
        let envelope = Envelope::from_bytes(&block.item.header)?;
        let shown = record.shown.is_some();
        let statement = Statement {
            origin,
            version,
            lane: header.lane,
            newer_refused: record.shown.is_some() && record.flags & flag::REFUSED != 0,
            retracted: head.operation == Operation::Retract,
            sections,
            batch: Batch {
                opening: header.opening,
                header: envelope.hash(),
                leaf: opening.leaf(),
                root: header.root,
                count: header.count,
                sealed_ms: header.time.millis(),
                offset: block.item.offset,
                arrived_us: block.item.at_us,
            },
            verification: self.verify_again(&envelope, header, &block.body),
            receipts: Vec::new(),
            head,
        };
        Ok(Read {
            record,
            statement,
            fields,
            // applying knows more than judging: a source that may not state such records is refused there
            accepted: shown && judgement.verdict == Verdict::Accepted,
            basis: judgement.conclusion.map(|c| c.basis),
        })
    }

    /// Who stated something, and which seat admitted it.
    fn origin(&self, header: &Header) -> (Origin, Option<SeatId>) {
        let directory = self.directory();
        let identity = directory
            .identity_by_hash(&header.identity)
            .map(|i| i.identity());
        let title = identity.map_or_else(|| header.seat.to_string(), |i| i.title.clone());
        let origin = Origin {
            seat: header.seat,
            department: identity
                .map(|i| i.department.clone())
                .filter(|d| !d.is_empty())
                .unwrap_or_else(|| title.clone()),
            title,
            jurisdiction: identity.map(|i| i.jurisdiction.clone()).unwrap_or_default(),
        };
        (origin, identity.map(|i| i.issuer))
    }

    /// Checks header signature, root and leaves of a stored block as if it had just arrived.
    fn verify_again(&self, envelope: &Envelope, header: &Header, body: &[u8]) -> Verification {
        let directory = self.directory();
        let fault = match slice::verify_header(&directory, envelope) {
            Ok(verified) => slice::verify(verified, body.to_vec())
                .err()
                .map(|f| f.to_string()),
            Err(HeaderFault::UnknownIdentity(_)) => Some("来源的身份声明尚未到达本节点".to_owned()),
            Err(HeaderFault::UnknownOpening(_)) => {
                Some("该纪元的开启声明尚未到达本节点".to_owned())
            }
            Err(HeaderFault::BadSignature { .. }) => {
                Some("批头签名与身份声明中的公钥不符".to_owned())
            }
            Err(HeaderFault::Malformed(m)) => Some(m.to_string()),
        };
        let identity = directory
            .identity_by_hash(&header.identity)
            .map(|i| i.identity());
        let mut admitted_by = Vec::new();
        let mut step: Option<&Identity> = identity;
        while let Some(identity) = step {
            admitted_by.push(identity.title.clone());
            if admitted_by.len() > 4 {
                break;
            }
            step = directory.identity(&identity.issuer).map(|i| i.identity());
        }
        Verification {
            fault,
            fingerprint: identity.map_or(Hash::ZERO, |i| i.key.fingerprint()),
            identity: header.identity,
            admitted_by,
        }
    }

    async fn attach_receipts(&self, reads: &mut [Read]) -> Result<(), QueryError> {
        let seats: BTreeSet<SeatId> = reads.iter().map(|r| r.statement.origin.seat).collect();
        let mut rows = Vec::new();
        for seat in seats {
            rows.extend(self.store().receipts(Some(seat)).await?);
        }
        let directory = self.directory();
        for read in reads {
            let statement = &mut read.statement;
            statement.receipts = rows
                .iter()
                .filter(|row| {
                    row.seat == statement.origin.seat
                        && row.lane == statement.lane as u8
                        && row.opening == statement.batch.opening
                })
                .map(|row| {
                    let node = directory.identity(&row.node).map(|i| i.identity());
                    ReceiptState {
                        node: node.map_or_else(|| row.node.to_string(), |i| i.title.clone()),
                        kind: node.map(|i| i.kind),
                        durable: row.durable_sequence,
                        safeguarded: row.safeguarded_sequence,
                        at_us: row.at_us,
                        sequence: statement.version.sequence,
                    }
                })
                .collect();
            // the district that took it in first, then the city
            statement
                .receipts
                .sort_by_key(|r| std::cmp::Reverse(r.kind));
        }
        Ok(())
    }
}

fn image(read: &Read) -> Image<'_> {
    let statement = &read.statement;
    Image {
        record_type: &statement.head.record_type,
        standard: &statement.head.standard,
        standard_version: statement.head.standard_version,
        key: &statement.head.key,
        origin: statement.origin.seat,
        origin_title: &statement.origin.title,
        // authority statements are directory data of a later cut: until then all sources rank alike
        rank: 0,
        version: statement.version,
        fields: &read.fields,
        retracted: statement.retracted,
        accepted: read.accepted,
    }
}
