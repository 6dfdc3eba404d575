//! Plain rows that go into and come out of the store. Bytes of the protocol are opaque here: the store keeps them next to
//! the few fields that it orders and looks up by.
//!
//! Long because it is a list of plain shapes without logic.

use protocol::hash::Ref;
use protocol::name::{FeedId, Incarnation, SeatId};

use crate::AuditRow;

/// Identity of a record: hash of (type, key, origin), cut to 16 bytes by whoever computes it.
pub type RecordId = [u8; 16];

/// A signed object outside of the logs: identity, opening and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeRow {
    /// Reference of the object; for a name suite that this release does not read, that suite with our hash of the bytes.
    pub reference: Ref,
    /// Kind of the object.
    pub kind: u8,
    /// Seat that it is about, or that it is charged to if it is not read; zero for the authority.
    pub seat: SeatId,
    /// Class of the feed that it travels in; 0 for every statement.
    pub class: u8,
    /// Whether this release has read and verified it. What it does not read is kept verbatim.
    pub read: bool,
    /// The bytes that travelled, with exactly the signatures that its signer owes.
    pub bytes: Vec<u8>,
}

/// A signed batch header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRow {
    /// Reference of the object.
    pub reference: Ref,
    /// Origin.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Epoch counter.
    pub epoch: u32,
    /// Reference of the epoch's opening.
    pub opening: Ref,
    /// Reference of the identity that it is signed under.
    pub identity: Ref,
    /// Sequence in the epoch.
    pub sequence: u64,
    /// Entries of the whole batch.
    pub count: u32,
    /// The bytes that travelled.
    pub bytes: Vec<u8>,
}

/// A slice of a batch as it travelled, under its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRow {
    /// The header.
    pub header: HeaderRow,
    /// The slice's packed body.
    pub body: Vec<u8>,
    /// Opened entries in the body.
    pub entries: u32,
    /// Set when this block is the next of its log.
    pub log: Option<LogAdvance>,
    /// What is held of the batch with this block; `None` when nothing is missing.
    pub parts: Option<Vec<u8>>,
    /// Whether the block is kept even if its header is known: it brings what earlier blocks of it left out.
    pub adds: bool,
}

/// Position of a log behind a block. Its sequence is the block's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAdvance {
    /// Reference of the last header.
    pub last: Ref,
    /// Peaks of the history tree.
    pub history: Vec<u8>,
}

/// How far a log is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Origin.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Reference of the epoch's opening.
    pub opening: Ref,
    /// Epoch counter.
    pub epoch: u32,
    /// Last sequence held.
    pub sequence: u64,
    /// Reference of its header.
    pub last: Ref,
    /// Peaks of the history tree.
    pub history: Vec<u8>,
}

/// A log that cannot be taken in yet (D22, D54).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    /// Origin.
    pub seat: SeatId,
    /// Lane number, also of lanes that this release does not read.
    pub lane: u8,
    /// Reference of the epoch's opening, as far as it could be read; zero otherwise.
    pub opening: Ref,
    /// First sequence that was not stored; 0 if it could not be read.
    pub from_sequence: u64,
    /// Reason, a number of the protocol.
    pub reason: u16,
    /// Who brought it.
    pub from_peer: SeatId,
    /// Since when.
    pub at_us: i64,
}

/// A log in which its seat has signed what may not be (D51).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedRow {
    /// Origin.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Reference of the epoch's opening.
    pub opening: Ref,
    /// First sequence that was not taken in.
    pub sequence: u64,
    /// Reason, a number of the protocol.
    pub reason: u16,
    /// What exactly, for people.
    pub detail: String,
    /// Since when.
    pub at_us: i64,
}

/// A signed header or statement that contradicts another or may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRow {
    /// Reference of the object.
    pub reference: Ref,
    /// Its kind.
    pub kind: u8,
    /// Seat that signed it.
    pub seat: SeatId,
    /// Reason, a number of the protocol.
    pub reason: u16,
    /// The envelope.
    pub bytes: Vec<u8>,
    /// Since when.
    pub at_us: i64,
}

/// A statement that waits for the one that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldStatementRow {
    /// Reference of the object.
    pub reference: Ref,
    /// What it waits for.
    pub missing: Ref,
    /// Who brought it.
    pub from_peer: SeatId,
    /// The envelope.
    pub bytes: Vec<u8>,
    /// Since when.
    pub at_us: i64,
}

/// An item of our feed that a peer has refused for its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRow {
    /// The peer.
    pub peer: SeatId,
    /// Class of the feed.
    pub class: u8,
    /// Offset in our feed.
    pub offset: u64,
    /// What the peer said.
    pub reason: String,
    /// Release of the peer: offered again when it changes.
    pub release: String,
    /// Since when.
    pub at_us: i64,
}

/// An item that this release does not read, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadItemRow {
    /// Who sent it: charged to it.
    pub peer: SeatId,
    /// Class of its feed.
    pub class: u8,
    /// Offset in its feed.
    pub offset: u64,
    /// Number of the item.
    pub number: u8,
    /// Its body.
    pub body: Vec<u8>,
    /// When it came.
    pub at_us: i64,
}

/// Something this node lacks and asks peers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantRow {
    /// Number given by the store; ignored when a want is put.
    pub id: u64,
    /// At most one want is open per scope, such as the log of a gap.
    pub scope: Vec<u8>,
    /// What is wanted, encoded.
    pub want: Vec<u8>,
    /// Where to go on; empty at the beginning.
    pub resume: Vec<u8>,
    /// How often it was asked in vain.
    pub tries: u32,
    /// Not asked again before.
    pub next_us: i64,
    /// When it arose.
    pub at_us: i64,
}

/// How far a peer's feed has been taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorRow {
    /// The sender.
    pub peer: SeatId,
    /// Its feed.
    pub feed: FeedId,
    /// Class.
    pub class: u8,
    /// Everything of the class up to here has been taken in.
    pub offset: u64,
    /// Version of the interest that it was filtered by.
    pub interest_version: u32,
    /// What the sender gave with that step.
    pub token: [u8; 16],
}

/// A routing event: a feed item without a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Class of the feed.
    pub class: u8,
    /// The event, encoded.
    pub bytes: Vec<u8>,
    /// Regions that it is passed on to.
    pub regions: Vec<String>,
}

/// A block that is kept with another body from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrittenRow {
    /// Offset in the feed.
    pub offset: u64,
    /// Its packed body.
    pub body: Vec<u8>,
}

/// What intake stores in one transaction.
#[derive(Debug, Clone, Default)]
pub struct IntakeGroup {
    /// Objects outside of the logs, in order of arrival, ahead of the blocks.
    pub envelopes: Vec<EnvelopeRow>,
    /// Blocks in order of arrival.
    pub blocks: Vec<BlockRow>,
    /// Logs that advance over what is held already; of several rows of a log the last counts.
    pub advances: Vec<LogRow>,
    /// Logs that are not taken in.
    pub held: Vec<HeldRow>,
    /// Logs that stop here.
    pub stopped: Vec<StoppedRow>,
    /// What contradicts or may not be.
    pub evidence: Vec<EvidenceRow>,
    /// Statements that wait for others.
    pub held_statements: Vec<HeldStatementRow>,
    /// Items that are not read.
    pub unread_items: Vec<UnreadItemRow>,
    /// Held statements that have been taken up.
    pub released_statements: Vec<Ref>,
    /// Wants that arose.
    pub wants: Vec<WantRow>,
    /// Routing events, behind the blocks.
    pub events: Vec<EventRow>,
    /// The sender's cursors behind the group.
    pub cursors: Vec<CursorRow>,
    /// Who sent; a feed leaves out what came from its reader.
    pub from_peer: Option<SeatId>,
    /// Drawn for this transaction: goes with every step of the feed that it makes.
    pub token: [u8; 16],
    /// Now.
    pub at_us: i64,
    /// A decision about a seat that the envelopes state, with its act.
    pub decision: Option<DecisionRow>,
}

/// What intake did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeDone {
    /// Offset of the group's first new item; greater than `head` if all was known.
    pub first_offset: u64,
    /// Last offset of the feed.
    pub head: u64,
    /// What was not kept since a share or bound is used up: counted, and told by the caller.
    pub over_quota: u64,
}

/// What a feed item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// An object outside of the logs.
    Envelope,
    /// A header and a slice body.
    Block,
    /// A routing event.
    Event,
}

/// An item of this node's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedItem {
    /// Place in the arrival order.
    pub offset: u64,
    /// Class.
    pub class: u8,
    /// What it is.
    pub kind: ItemKind,
    /// From whom it was first taken in; `None` if made here.
    pub from_peer: Option<SeatId>,
    /// When it was taken in.
    pub at_us: i64,
    /// Opened entries in a block.
    pub entries: u32,
    /// Drawn for the transaction that wrote it.
    pub token: [u8; 16],
    /// Reference of the envelope or of the block's header.
    pub reference: Option<Ref>,
    /// Header of a block, else empty.
    pub header: Vec<u8>,
    /// The envelope, the block's body or the event.
    pub bytes: Vec<u8>,
    /// On filtered pages the positions that were routed to the reader, ascending, 2 bytes big-endian each; `None` for the
    /// whole item.
    pub positions: Option<Vec<u8>>,
}

/// Which items a page of the feed holds.
#[derive(Debug, Clone, Default)]
pub struct FeedQuery {
    /// The reader's cursor.
    pub after: u64,
    /// Class.
    pub class: u8,
    /// Leaves out what was first taken in from this peer.
    pub exclude_peer: Option<SeatId>,
    /// Only what was routed to one of these regions; `None` for everything.
    pub regions: Option<Vec<String>>,
    /// Not beyond this offset.
    pub upto: u64,
    /// Bytes of the page, exceeded only by a single item.
    pub bytes_max: usize,
    /// Items of the page.
    pub items_max: usize,
}

/// A page of the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// Items in order.
    pub items: Vec<FeedItem>,
    /// The reader's cursor behind this page, even if nothing matched.
    pub through: u64,
}

/// The three cursors of a node (I3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heads {
    /// Last offset of the feed: durable.
    pub head: u64,
    /// Applied up to here.
    pub applied: u64,
    /// Folded up to here.
    pub folded: u64,
}

/// Where an image is: version and place in a stored block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pointer {
    /// Version of the image; its bytewise order is the order of versions.
    pub version: [u8; 16],
    /// Feed offset of the block.
    pub block: u64,
    /// Position among the block's opened entries.
    pub position: u32,
}

/// A current record, narrow: everything else is read from its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Identity.
    pub id: RecordId,
    /// Number of the record type.
    pub kind: u16,
    /// Hash of the tagged subject.
    pub subject: u64,
    /// Region that it is routed to: at most six bytes, or empty.
    pub region: String,
    /// The newest image.
    pub latest: Pointer,
    /// The newest accepted image.
    pub shown: Option<Pointer>,
    /// Opened sections of the newest image.
    pub mask: u16,
    /// Flags of the caller; [`RecordRow::LEFT`] is known to the store.
    pub flags: u8,
}

impl RecordRow {
    /// Flag: left our jurisdiction. Kept, but out of [`crate::Store::digest_rows`].
    pub const LEFT: u8 = 4;
}

/// Entries of a block that concern a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedRow {
    /// The region.
    pub region: String,
    /// Class of the item.
    pub class: u8,
    /// The item.
    pub offset: u64,
    /// Positions, ascending, 2 bytes big-endian each; `None` for the whole item.
    pub positions: Option<Vec<u8>>,
}

/// A record that did not satisfy its standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRow {
    /// The record.
    pub id: RecordId,
    /// Its origin.
    pub origin: SeatId,
    /// Record type.
    pub record_type: String,
    /// Key as people read it.
    pub key_text: String,
    /// Reason codes, joined by commas.
    pub reasons: String,
    /// Field names, joined by commas.
    pub fields: String,
    /// What is wrong and what to do.
    pub message: String,
    /// When it was judged; as stored, when it was judged first since it stands open.
    pub at_us: i64,
    /// Whether it still stands.
    pub open: bool,
}

/// Change of how many records of an origin and type there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeCount {
    /// Origin.
    pub origin: SeatId,
    /// Number of the record type.
    pub kind: u16,
    /// Records more or fewer.
    pub records: i64,
    /// Refused ones more or fewer.
    pub refused: i64,
}

/// What apply writes in one transaction.
#[derive(Debug, Clone, Default)]
pub struct ApplyGroup {
    /// The applied cursor behind the group.
    pub through: u64,
    /// Current records. Of several rows of a record the greatest version counts; an older version than the stored one is
    /// not taken. The stored subject stays, see `subject_changed`.
    pub records: Vec<RecordRow>,
    /// Records whose subject is another one than stored. Rare, and the only way to change an indexed column.
    pub subject_changed: Vec<(RecordId, u64)>,
    /// Entities that went to another region: all records of the subject are in that region now.
    pub moved: Vec<(u64, String)>,
    /// (offset of the event, subject, region left): records of the subject from blocks before the event that are still in
    /// that region get [`RecordRow::LEFT`]. What the holder's own sources have moved on by themselves stays theirs.
    pub left: Vec<(u64, u64, String)>,
    /// Routes of blocks.
    pub routed: Vec<RoutedRow>,
    /// Routing events made here: each becomes a feed item with routes to its regions.
    pub events: Vec<EventRow>,
    /// Refusals; a row that is not open closes a stored one and is otherwise ignored.
    pub refusals: Vec<RefusalRow>,
    /// Records whose refusals are closed.
    pub closed_refusals: Vec<RecordId>,
    /// Subjects to fold again although no new block of theirs arrived.
    pub dirty: Vec<u64>,
    /// Changes of counts.
    pub counts: Vec<TypeCount>,
    /// Drawn for this transaction: goes with every step of the feed that it makes.
    pub token: [u8; 16],
    /// Now.
    pub at_us: i64,
}

/// A record as sums see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestRow {
    /// Identity.
    pub id: RecordId,
    /// Number of its type.
    pub kind: u16,
    /// Version of the newest image.
    pub version: [u8; 16],
    /// Its opened sections.
    pub mask: u16,
    /// Region that it is routed to.
    pub region: String,
}

/// A subject to fold again, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirtyRow {
    /// Hash of the tagged subject.
    pub subject: u64,
    /// Grows when the subject is made dirty again.
    pub mark: u64,
}

/// An entity as lists and searches show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntityRow {
    /// Hash of the tagged subject.
    pub subject: u64,
    /// The tagged subject.
    pub subject_text: String,
    /// Name.
    pub name: String,
    /// Former names, one per line.
    pub former_names: String,
    /// Unified social credit code, or empty.
    pub uscc: String,
    /// Registration number, or empty.
    pub reg_no: String,
    /// Organisation code, or empty.
    pub org_code: String,
    /// Region.
    pub region: String,
    /// Kind, as people read it.
    pub kind_text: String,
    /// State, as people read it.
    pub state: String,
    /// Address.
    pub address: String,
    /// Legal representative.
    pub legal_rep: String,
    /// When this row was folded.
    pub updated_at_us: i64,
    /// Event date of the shown statement, ISO, or empty.
    pub event_date: String,
}

/// What a fold writes in one transaction.
#[derive(Debug, Clone, Default)]
pub struct FoldGroup {
    /// The folded cursor behind the group.
    pub through: Option<u64>,
    /// Entities, new or changed. Of several rows of a subject the last counts.
    pub entities: Vec<EntityRow>,
    /// Subjects without an entity any more.
    pub gone: Vec<u64>,
    /// Dirty subjects that this group has dealt with.
    pub dirty_done: Vec<DirtyRow>,
    /// Which of `entities` are for a person to settle; all others are settled. At most one row of a subject.
    pub unsettled: Vec<UnsettledRow>,
}

/// Why an entity is for a person to settle, and what helps in doing so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnsettledRow {
    /// Hash of the tagged subject.
    pub subject: u64,
    /// Origin of the statement that the entity is shown by.
    pub origin: SeatId,
    /// Reasons, as bits of the caller's own; never none.
    pub reasons: u32,
    /// What the reasons are about, such as a division code, or empty.
    pub detail: String,
    /// Tax number, or empty.
    pub tax_no: String,
    /// Division of the registering body, or empty.
    pub registry: String,
}

/// Which entities are listed for a person to settle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnsettledFilter {
    /// Only those shown by statements of these origins.
    pub origins: Option<Vec<SeatId>>,
    /// Only those with at least one of these reasons; 0 is no filter.
    pub reasons: u32,
}

/// How many entities of an origin are unsettled for the very same reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsettledCount {
    /// The origin.
    pub origin: SeatId,
    /// The reasons, as bits.
    pub reasons: u32,
    /// How many.
    pub count: u64,
}

/// What entities have in common that may be one and the same. What is empty is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alike {
    /// Registration number.
    pub reg_no: String,
    /// Organisation codes.
    pub org_codes: Vec<String>,
    /// Name, present or former.
    pub name: String,
}

/// What is searched for.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery {
    /// A code or its beginning, or a part of a name from two characters upward.
    pub text: String,
    /// Only entities of this region.
    pub region: Option<String>,
    /// Rows of the page, at most [`crate::search::PAGE_MAX`].
    pub limit: usize,
    /// [`SearchPage::next`] of the page before.
    pub after: Option<String>,
}

/// A page of search results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchPage {
    /// Entities, the same ones in the same order on every engine.
    pub rows: Vec<EntityRow>,
    /// How many there are; counting stops at [`crate::search::COUNT_MAX`].
    pub total_at_most: u64,
    /// Where to go on, if there may be more.
    pub next: Option<String>,
}

/// Which refusals are listed.
#[derive(Debug, Clone, Default)]
pub struct RefusalFilter {
    /// Only of this origin.
    pub origin: Option<SeatId>,
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
}

/// A receipt: a node's signed word on how far it holds a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Origin of the log.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Reference of the epoch's opening.
    pub opening: Ref,
    /// The node that signed.
    pub node: SeatId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Durable up to here.
    pub durable_sequence: u64,
    /// Durable with all attachments up to here.
    pub attached_sequence: u64,
    /// Safeguarded up to here.
    pub safeguarded_sequence: u64,
    /// The bytes that travelled.
    pub bytes: Vec<u8>,
    /// When it was signed, by the node's clock; orders nothing.
    pub at_us: i64,
}

/// A node's signed word on the head of its feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedHeadRow {
    /// The node that signed.
    pub node: SeatId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The head.
    pub head: u64,
    /// The bytes that travelled.
    pub bytes: Vec<u8>,
    /// When it was signed, by the node's clock; orders nothing.
    pub at_us: i64,
}

/// An invitation to join, with the request that has used it. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRow {
    /// Hash of the one-time secret.
    pub secret_hash: [u8; 32],
    /// Seat: minted for the joiner, or the one that is renewed.
    pub seat: SeatId,
    /// Kind of seat.
    pub kind: u8,
    /// Organisation code.
    pub organisation: String,
    /// Title.
    pub title: String,
    /// Jurisdiction.
    pub jurisdiction: String,
    /// Node of the seat.
    pub node: SeatId,
    /// Whether it renews a seat that has an identity.
    pub renews: bool,
    /// Record types that the seat may state.
    pub types: Vec<String>,
    /// Whether joining needs no further approval.
    pub preapproved: bool,
    /// Why keys may be replaced without the consent of the former; empty: nobody has said.
    pub reason: String,
    /// Not valid from then on.
    pub expires_at_us: i64,
    /// Who issued it.
    pub by: String,
    /// When it was issued.
    pub at_us: i64,
    /// Who called it back, and when.
    pub revoked: Option<(String, i64)>,
    /// The request that has used it.
    pub request: Option<RequestRow>,
    /// Others who have shown the same code under other keys.
    pub others: Option<OthersRow>,
}

/// The request that has used an invitation. Its keys are the only ones that the invitation ever lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Fingerprint of the keys: what is bound to the code.
    pub key_hash: [u8; 32],
    /// The keys, encoded.
    pub keys: Vec<u8>,
    /// Their signatures over seat, authority and keys, encoded.
    pub possession: Vec<u8>,
    /// The former keys' signatures over the same, encoded.
    pub consent: Vec<u8>,
    /// Name that it wants; empty: as invited.
    pub title: String,
    /// Record types that it wants; empty: as invited.
    pub types: Vec<String>,
    /// Hash of the key of its certificate.
    pub tls_key: [u8; 32],
    /// Where it asked from.
    pub address: String,
    /// When it asked first.
    pub at_us: i64,
    /// What was decided.
    pub decision: Decision,
    /// Who decided.
    pub by: String,
    /// Why it was refused.
    pub reason: String,
    /// When it was decided; 0 while it is not.
    pub decided_at_us: i64,
}

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Decision {
    /// Nothing yet: it waits for a person.
    Pending = 0,
    /// Let in.
    Approved = 1,
    /// Turned down.
    Refused = 2,
}

impl Decision {
    pub(crate) const fn from_u8(v: u8) -> Option<Self> {
        match v {
            0 => Some(Self::Pending),
            1 => Some(Self::Approved),
            2 => Some(Self::Refused),
            _ => None,
        }
    }
}

/// Others who have shown a code that was used: somebody has seen it who should not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OthersRow {
    /// How often it was.
    pub times: u64,
    /// Fingerprint of the last one's keys.
    pub key_hash: [u8; 32],
    /// Where the last one came from.
    pub address: String,
    /// When.
    pub at_us: i64,
}

/// Whose an organisation code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganisationRow {
    /// The code.
    pub code: String,
    /// Name of the organisation.
    pub title: String,
    /// Who minted it.
    pub by: String,
    /// When.
    pub at_us: i64,
}

/// What became of keeping an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvitationPut {
    /// It is kept.
    Issued,
    /// There is one with this secret; nothing was kept.
    SameSecret,
    /// Its organisation code is another organisation's, of this name; nothing was kept.
    OthersCode(String),
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPut {
    /// Its keys are bound to the code from now on.
    Bound,
    /// They had been before.
    Known,
    /// Other keys are; it is written down that these were shown.
    AnotherKey,
    /// The invitation has expired, and nobody had used it.
    Expired,
    /// The invitation was called back.
    Revoked,
    /// There is no such invitation.
    Unknown,
}

/// State of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PeerState {
    /// May connect.
    Approved = 1,
    /// Was let in and is not any more.
    Revoked = 3,
}

impl PeerState {
    pub(crate) const fn from_u8(v: u8) -> Option<Self> {
        match v {
            1 => Some(Self::Approved),
            3 => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// A peer: a node or an agent's seat that was let in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Its seat.
    pub seat: SeatId,
    /// Kind of seat.
    pub kind: u8,
    /// Title.
    pub title: String,
    /// Organisation code.
    pub organisation: String,
    /// Jurisdiction.
    pub jurisdiction: String,
    /// Hash of the key of its certificate. One process may present several seats under one key. All zero: the next one that
    /// it proves itself with.
    pub tls_key: [u8; 32],
    /// Whether it is still let in.
    pub state: PeerState,
    /// Why it was revoked.
    pub reason: String,
    /// Fingerprint of its keys, as people compare it.
    pub fingerprint: String,
    /// Who decided.
    pub by: String,
    /// When its state last changed.
    pub at_us: i64,
    /// When it was last connected; 0 for never.
    pub last_contact_us: i64,
}

/// What was decided about a seat: goes with the statements that say so, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// The seat's row from now on, if it is let in.
    pub peer: Option<PeerRow>,
    /// The request that is let in by it; if it is not pending any more, nothing is stored ([`crate::StoreError::Changed`]).
    pub approves: Option<ApprovalRow>,
    /// The seat that is called back by it, with all codes for it that are out.
    pub revokes: Option<RevokedRow>,
    /// The act.
    pub act: AuditRow,
}

/// Which request is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRow {
    /// Of this invitation.
    pub secret_hash: [u8; 32],
    /// Under these keys, by their fingerprint.
    pub key_hash: [u8; 32],
    /// Who decided.
    pub by: String,
    /// When.
    pub at_us: i64,
}

/// A seat that is called back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedRow {
    /// The seat.
    pub seat: SeatId,
    /// Why.
    pub reason: String,
    /// Who does it.
    pub by: String,
    /// When.
    pub at_us: i64,
}

/// A named account of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Name to sign in with.
    pub name: String,
    /// Name to be shown.
    pub title: String,
    /// Role.
    pub role: String,
    /// Hash of the password with its parameters.
    pub password_hash: String,
    /// Whether it may not sign in.
    pub disabled: bool,
    /// When it was last changed.
    pub at_us: i64,
}

/// A signed-in session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSessionRow {
    /// Hash of the token; the token itself is not kept.
    pub token_hash: [u8; 32],
    /// Account.
    pub account: String,
    /// When it began.
    pub begun_us: i64,
    /// Ends then unless used before.
    pub idle_until_us: i64,
    /// Ends then in any case.
    pub until_us: i64,
}

/// What was taken in of an origin's lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginStats {
    /// Origin.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Blocks.
    pub blocks: u64,
    /// Entries in them.
    pub entries: u64,
    /// Bytes of headers and bodies.
    pub bytes: u64,
    /// When the last one came.
    pub last_at_us: i64,
}

/// Figures about a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// The three cursors.
    pub heads: Heads,
    /// Per origin and lane.
    pub origins: Vec<OriginStats>,
    /// Per origin and record type, as [`ApplyGroup::counts`] added up.
    pub types: Vec<TypeCount>,
    /// Entities.
    pub entities: u64,
    /// Open refusals.
    pub refusals_open: u64,
    /// Open wants.
    pub wants_open: u64,
    /// Subjects that wait to be folded again.
    pub dirty: u64,
    /// Bytes on disk.
    pub bytes: u64,
}
