//! Admissions: who asks to join, what codes are out.

use serde::Serialize;

use super::Mark;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Admissions {
    /// Requests that wait for a person.
    pub pending: Vec<Pending>,
    /// Issued codes.
    pub codes: Vec<IssuedCode>,
    /// What has just been done, if anything.
    pub done: Option<String>,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Id of the request.
    pub peer: String,
    /// Who it says it is.
    pub title: String,
    /// 区级节点 or 代理.
    pub kind: &'static str,
    /// Department.
    pub department: String,
    /// District.
    pub jurisdiction: String,
    /// Fingerprint of its key, in groups of four.
    pub fingerprint: Vec<String>,
    /// Who issued the code.
    pub invited_by: String,
    /// When.
    pub asked: String,
    /// Token of the approve form.
    pub approve_token: String,
    /// Token of the refuse form.
    pub refuse_token: String,
    /// What was wrong with the last try to refuse it.
    #[serde(skip)]
    pub wrong: Option<String>,
}

/// A code that was issued. The code itself is shown once, when it is issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuedCode {
    /// For whom.
    pub title: String,
    /// 区级节点 or 代理.
    pub kind: &'static str,
    /// District.
    pub jurisdiction: String,
    /// By whom.
    pub by: String,
    /// When it was issued.
    pub issued: String,
    /// When it expires.
    pub expires: String,
    /// Whether whoever uses it is approved at once.
    pub approved_beforehand: bool,
    /// Where it stands.
    pub state: Mark,
    /// Who decided, and why.
    pub decision: String,
}

/// Not used yet.
pub const UNUSED: Mark = Mark {
    code: "accent",
    word: "未使用",
    shape: "○",
};
/// Used, waits for a person.
pub const WAITING: Mark = Mark {
    code: "warn",
    word: "待批准",
    shape: "◔",
};
/// Joined.
pub const JOINED: Mark = Mark {
    code: "good",
    word: "已入网",
    shape: "✓",
};
/// Refused.
pub const REFUSED: Mark = Mark {
    code: "bad",
    word: "已驳回",
    shape: "■",
};
/// Was in and is not any more.
pub const REVOKED: Mark = Mark {
    code: "bad",
    word: "已撤销",
    shape: "■",
};
/// Expired unused.
pub const EXPIRED: Mark = Mark {
    code: "plain",
    word: "已过期",
    shape: "－",
};
