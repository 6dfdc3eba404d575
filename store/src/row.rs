//! Plain rows that go into and come out of the store. Bytes of the protocol are opaque here: the store keeps them next to
//! the few fields that it orders and looks up by.
//!
//! Long because it is a list of plain shapes without logic.

use protocol::hash::Hash;
use protocol::name::{FeedId, SeatId};

use crate::AuditRow;

/// Identity of a record: hash of (type, key, origin), cut to 16 bytes by whoever computes it.
pub type RecordId = [u8; 16];

/// A signed object outside of the logs: identity, opening and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeRow {
    /// Object hash.
    pub hash: Hash,
    /// Kind of the object.
    pub kind: u8,
    /// Seat that it is about.
    pub seat: Option<SeatId>,
    /// The bytes that travelled.
    pub bytes: Vec<u8>,
}

/// A signed batch header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRow {
    /// Object hash.
    pub hash: Hash,
    /// Origin.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Epoch counter.
    pub epoch: u32,
    /// Hash of the epoch's opening.
    pub opening: Hash,
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
    /// Whether the block is kept even if its header is known: it brings parts that an earlier block left out.
    pub refill: bool,
}

/// Position of a log behind a block. Its sequence is the block's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAdvance {
    /// Hash of the last header.
    pub last_hash: Hash,
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
    /// Hash of the epoch's opening.
    pub opening: Hash,
    /// Epoch counter.
    pub epoch: u32,
    /// Last sequence held.
    pub sequence: u64,
    /// Hash of its header.
    pub last_hash: Hash,
    /// Peaks of the history tree.
    pub history: Vec<u8>,
}

/// A log that cannot be taken in yet, or is stopped (D22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    /// Origin.
    pub seat: SeatId,
    /// Lane number.
    pub lane: u8,
    /// Hash of the epoch's opening.
    pub opening: Hash,
    /// First sequence that was not stored.
    pub from_sequence: u64,
    /// Why, as a word for programs.
    pub why: String,
}

/// Something this node lacks and asks peers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantRow {
    /// Number given by the store; ignored when a want is put.
    pub id: u64,
    /// What is wanted, encoded. A want that is open already is not put twice.
    pub want: Vec<u8>,
    /// Where to go on; empty at the beginning.
    pub resume: Vec<u8>,
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

/// What intake stores in one transaction.
#[derive(Debug, Clone, Default)]
pub struct IntakeGroup {
    /// Objects outside of the logs, in order of arrival, ahead of the blocks.
    pub envelopes: Vec<EnvelopeRow>,
    /// Blocks in order of arrival.
    pub blocks: Vec<BlockRow>,
    /// Logs that are not taken in.
    pub held: Vec<HeldRow>,
    /// Wants that arose.
    pub wants: Vec<WantRow>,
    /// Routing events, behind the blocks.
    pub events: Vec<EventRow>,
    /// The sender's cursors behind the group.
    pub cursors: Vec<CursorRow>,
    /// Who sent; a feed leaves out what came from its reader.
    pub from_peer: Option<SeatId>,
    /// Now.
    pub at_us: i64,
    /// A decision about a peer that the envelopes state, with its act.
    pub decision: Option<(PeerRow, AuditRow)>,
}

/// What intake did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeDone {
    /// Offset of the group's first new item; greater than `head` if all was known.
    pub first_offset: u64,
    /// Last offset of the feed.
    pub head: u64,
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
    /// Hash of the envelope or of the block's header.
    pub hash: Option<Hash>,
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
    /// Hash of the epoch's opening.
    pub opening: Hash,
    /// The node that signed.
    pub node: SeatId,
    /// Its incarnation.
    pub incarnation: FeedId,
    /// Durable up to here.
    pub durable_sequence: u64,
    /// Safeguarded up to here.
    pub safeguarded_sequence: u64,
    /// The bytes that travelled.
    pub bytes: Vec<u8>,
    /// When it was signed.
    pub at_us: i64,
}

/// An invitation to join. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRow {
    /// Hash of the one-time secret.
    pub secret_hash: [u8; 32],
    /// Seat minted for the joiner.
    pub seat: SeatId,
    /// Kind of seat.
    pub kind: u8,
    /// Title.
    pub title: String,
    /// Department.
    pub department: String,
    /// Jurisdiction.
    pub jurisdiction: String,
    /// Whether joining needs no further approval.
    pub preapproved: bool,
    /// Further scope, encoded by the caller.
    pub scope: Vec<u8>,
    /// Not valid from then on.
    pub expires_at_us: i64,
    /// Account that issued it.
    pub by: String,
    /// When it was issued.
    pub at_us: i64,
    /// When it was used.
    pub used_at_us: Option<i64>,
}

/// What became of the attempt to use an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvitationUse {
    /// It was valid and is used up now.
    Used(InvitationRow),
    /// There is none with this secret.
    Unknown,
    /// It had been used at that time.
    UsedBefore(i64),
    /// It had expired at that time.
    Expired(i64),
}

/// State of a peer's admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PeerState {
    /// Waits for a person.
    Pending = 0,
    /// May connect.
    Approved = 1,
    /// Was turned down.
    Refused = 2,
    /// Was approved and is not any more.
    Revoked = 3,
}

impl PeerState {
    pub(crate) const fn from_u8(v: u8) -> Option<Self> {
        match v {
            0 => Some(Self::Pending),
            1 => Some(Self::Approved),
            2 => Some(Self::Refused),
            3 => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// A peer: a node or an agent that asked to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRow {
    /// Its seat.
    pub seat: SeatId,
    /// Kind of seat.
    pub kind: u8,
    /// Title.
    pub title: String,
    /// Department.
    pub department: String,
    /// Jurisdiction.
    pub jurisdiction: String,
    /// Hash of the key of its certificate. One process may present several seats under one key.
    pub tls_key: [u8; 32],
    /// Where its admission stands.
    pub state: PeerState,
    /// Why it was refused or revoked.
    pub reason: String,
    /// Fingerprint of its signing key, as people compare it.
    pub fingerprint: String,
    /// Account that decided.
    pub by: String,
    /// When its state last changed.
    pub at_us: i64,
    /// When it was last connected; 0 for never.
    pub last_contact_us: i64,
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
