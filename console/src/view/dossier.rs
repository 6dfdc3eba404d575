//! The dossier: one entity, its classifications, every field with its source, and the chain behind it.

use serde::Serialize;

use super::Mark;
use super::entity::Code;
use super::refusal;
use super::unsettled::Unsettled;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dossier {
    /// Subject with its tag.
    pub subject: String,
    /// Name.
    pub name: String,
    /// Code, if any.
    pub code: Option<Code>,
    /// Registration number, if any.
    pub registration_number: String,
    /// Registration status as the source has it.
    pub status: String,
    /// District that has it.
    pub region: String,
    /// By which rule it has it.
    pub region_basis: String,
    /// Former names.
    pub former_names: Vec<String>,
    /// When the dossier was read.
    pub as_of: String,
    /// What a reader should know about what is not shown.
    pub notes: Vec<String>,
    /// Why the entity is for a person to settle, if it is.
    pub unsettled: Option<Unsettled>,
    /// Classifications in their fixed order, empty ones included.
    pub categories: Vec<Category>,
    /// Refused reports about this entity.
    pub refusals: Vec<refusal::Row>,
    /// Where they are listed.
    pub refusals_href: String,
    /// Who has looked at this dossier before, newest first; only for those who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<Vec<Viewed>>,
}

/// Somebody has looked at the dossier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Viewed {
    /// When.
    pub at: String,
    /// Real name and account.
    pub who: String,
    /// 网页 or 接口.
    pub way: &'static str,
}

/// 基本、良好、提示警示 or 监督抽查.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Category {
    /// Anchor.
    pub id: &'static str,
    /// The word.
    pub title: &'static str,
    /// Groups of statements about one thing.
    pub topics: Vec<Topic>,
}

/// Statements of one record type: the shown one, and others beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// Title of the record standard.
    pub title: String,
    /// Name and version of the standard.
    pub standard: String,
    /// Fields of the shown statement, with what others say.
    pub fields: Vec<Field>,
    /// Sections that are not open here, in words.
    pub closed: Vec<String>,
    /// The statements: first the shown one, then the others.
    pub statements: Vec<Statement>,
}

impl Topic {
    /// Anchor of the first of its statements.
    pub fn first_chain(&self) -> &str {
        self.statements.first().map_or("", |s| s.id.as_str())
    }
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Permanent number.
    pub number: u16,
    /// Label.
    pub label: String,
    /// Value as shown.
    pub value: String,

    /// The value is a code of 18 characters.
    pub code: Option<Code>,
    /// Audience class of its section.
    pub audience: &'static str,
    /// Number of its section.
    pub section: u8,
    /// Commitment of its section.
    pub commitment: String,
    /// Which statement it is from, as index into the topic's statements.
    pub statement: usize,
    /// Source department.
    pub department: String,
    /// Short time of the statement, `2025-09-18 09:41`.
    pub time: String,
    /// Source row in short.
    pub row: String,
    /// Anchor of the chain.
    pub chain: String,
    /// What other sources say.
    pub others: Vec<Other>,
}

/// What another source says about a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    /// Its department.
    pub department: String,
    /// Its value.
    pub value: String,
    /// Whether it says the same.
    pub same: bool,
    /// Anchor of its chain.
    pub chain: String,
}

/// A statement and the chain behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Anchor.
    pub id: String,
    /// Whether its fields are the ones shown.
    pub shown: bool,
    /// Department.
    pub department: String,
    /// Title of the source system.
    pub source: String,
    /// District or city it belongs to.
    pub jurisdiction: String,
    /// The seat.
    pub seat: String,
    /// Where in the source it was read.
    pub row: String,
    /// Account and name of who typed it, for statements typed into a console.
    pub author: String,
    /// Record key.
    pub key: String,
    /// Date of the fact.
    pub event_date: String,
    /// Standing of the record: in force, retracted, newer image refused.
    pub standing: Mark,
    /// What the standing means here; empty when there is nothing to add.
    pub standing_note: String,
    /// When it was sealed, by the origin's clock.
    pub sealed: String,
    /// Lane, epoch, sequence, index in words.
    pub batch: Batch,
    /// The signature.
    pub signature: Signature,
    /// Receipts, nearest node first.
    pub receipts: Vec<Receipt>,
}

/// Where in which log the statement lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// The lane in words.
    pub lane: &'static str,
    /// Epoch counter.
    pub epoch: u32,
    /// Sequence of the header.
    pub sequence: u64,
    /// Index of the leaf.
    pub index: u32,
    /// Leaves in the batch.
    pub count: u32,
    /// Object hash of the header.
    pub header: String,
    /// Hash of the leaf.
    pub leaf: String,
    /// Root over all leaves.
    pub root: String,
    /// Feed offset at this node.
    pub offset: u64,
    /// When it arrived at this node.
    pub arrived: String,
}

/// Under which key the batch was signed, and what checking it now gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// Whether it verifies now.
    pub verified: bool,
    /// 已验证 or 验证不通过.
    pub mark: Mark,
    /// Why not, or what was checked.
    pub note: String,
    /// Suite.
    pub suite: &'static str,
    /// Fingerprint of the signing key.
    pub fingerprint: String,
    /// Hash of the identity statement.
    pub identity: String,
    /// Who admitted whom, from the seat up to the root.
    pub admitted_by: Vec<String>,
}

/// What a node has signed for this log, against this batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The node.
    pub node: String,
    /// Durable, or not up to here yet.
    pub durable: Mark,
    /// Safeguarded, or not up to here yet.
    pub safeguarded: Mark,
    /// When the receipt was signed.
    pub at: String,
    /// Up to which sequence.
    pub reach: String,
}

/// The record is in force.
pub const IN_FORCE: Mark = Mark {
    code: "good",
    word: "有效",
    shape: "✓",
};
/// The source has removed the record.
pub const RETRACTED: Mark = Mark {
    code: "plain",
    word: "源端已删除",
    shape: "－",
};
/// A newer image was refused; an older accepted one is shown.
pub const NEWER_REFUSED: Mark = Mark {
    code: "warn",
    word: "新报送被拒收",
    shape: "▲",
};
/// The signature verifies.
pub const VERIFIED: Mark = Mark {
    code: "good",
    word: "验签通过",
    shape: "✓",
};
/// The signature does not verify.
pub const BROKEN: Mark = Mark {
    code: "bad",
    word: "验签不通过",
    shape: "■",
};
/// A receipt covers this batch.
pub const DURABLE: Mark = Mark {
    code: "good",
    word: "已落盘",
    shape: "✓",
};
/// No receipt covers this batch yet.
pub const NOT_DURABLE: Mark = Mark {
    code: "warn",
    word: "落盘未确认",
    shape: "◔",
};
/// Held in a second failure domain.
pub const SAFEGUARDED: Mark = Mark {
    code: "good",
    word: "已异地保全",
    shape: "✓",
};
/// Not yet held in a second failure domain.
pub const NOT_SAFEGUARDED: Mark = Mark {
    code: "warn",
    word: "未异地保全",
    shape: "◔",
};
