//! Nodes and agents as a tree with state, lag and last receipt.

use serde::Serialize;

use super::Mark;

/// In order: its receipts and figures come as they should.
pub const NORMAL: Mark = Mark {
    code: "normal",
    word: "正常",
    shape: "✓",
};
/// In contact, but behind.
pub const LAGGING: Mark = Mark {
    code: "lagging",
    word: "滞后",
    shape: "◔",
};
/// Something of it stands still.
pub const FAULTY: Mark = Mark {
    code: "faulty",
    word: "故障",
    shape: "!",
};
/// No contact.
pub const LOST: Mark = Mark {
    code: "lost",
    word: "失联",
    shape: "✕",
};
/// Admitted, and nothing verified of it yet; or not to be known while its parent is away.
pub const UNVERIFIED: Mark = Mark {
    code: "unverified",
    word: "未验证",
    shape: "○",
};

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// When these figures were taken, `09:41:07`.
    #[serde(skip)]
    pub as_of: String,
    /// How many are in which state, worst first.
    pub tallies: Vec<Tally>,
    /// The only state that is listed; none for the whole tree.
    pub only: Option<Mark>,
    /// The tree, flattened top down; or the lines of it that are in one state.
    pub parties: Vec<Party>,
    /// The node's own stages.
    pub stages: Stages,
    /// What the last verification of the node found, and when.
    pub verified: Verified,
}

/// What the last verification of the node itself found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Verified {
    /// What it found, in words, with when it ended.
    pub found: String,
    /// Whether something is wrong.
    pub wrong: bool,
}

/// Number of parties in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The state.
    pub state: Mark,
    /// How many.
    pub count: u64,
    /// Where they are listed.
    pub href: String,
}

impl Health {
    /// Whether a tally's state is the only one that is listed.
    pub fn lists_only(&self, tally: &Tally) -> bool {
        self.only.as_ref() == Some(&tally.state)
    }

    /// Address of these figures as JSON.
    pub fn document(&self) -> String {
        format!("/api/v1{}", address(self.only.as_ref()))
    }
}

/// Address of the tree, or of what is in one state.
pub fn address(only: Option<&Mark>) -> String {
    only.map_or_else(
        || "/nodes".to_owned(),
        |mark| format!("/nodes?state={}", mark.code),
    )
}

/// One line of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Party {
    /// Stable id of the line: the seat, or the department within its node.
    pub id: String,
    /// Depth: 0 city, 1 district, 2 department, 3 seat.
    pub depth: u8,
    /// 市级节点、区级节点、部门 or 代理.
    pub kind: &'static str,
    /// Title.
    pub title: String,
    /// Whether this is the node that shows the page.
    pub own: bool,
    /// State; none for a department, which is only a heading.
    pub state: Option<Mark>,
    /// Why the state is so, or since when.
    pub note: String,
    /// How far behind, in words.
    pub lag: String,
    /// Time of the last receipt, with what it covers.
    pub last_receipt: String,
    /// Time of the last contact.
    pub last_contact: String,
    /// Current records of this seat, or of all below.
    pub records: String,
    /// Open refusals of this seat, or of all below; empty for whoever may not see their list.
    pub refused: String,
    /// Where the refusals are listed.
    pub refused_href: String,
}

/// How far the stages of the node itself have come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Stages {
    /// Logged.
    pub logged: String,
    /// Applied.
    pub applied: String,
    /// Folded.
    pub folded: String,
    /// Whether applying and folding have caught up.
    pub caught_up: bool,
}
