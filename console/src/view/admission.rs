//! Admissions: who asks to join, what codes are out, who was let in.

use serde::Serialize;

use super::Mark;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Admissions {
    /// Requests that wait for a person.
    pub pending: Vec<Pending>,
    /// Issued codes.
    pub codes: Vec<IssuedCode>,
    /// Who was let in.
    pub peers: Vec<Peer>,
    /// What has just been done, if anything.
    pub done: Option<String>,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Id of the request: the number of its code.
    pub peer: String,
    /// The seat that it is for.
    pub seat: String,
    /// Who it says it is.
    pub title: String,
    /// 区级节点 or 代理.
    pub kind: &'static str,
    /// Organisation with its code.
    pub organisation: String,
    /// District.
    pub jurisdiction: String,
    /// The part of its keys' fingerprint that people compare, in groups of four.
    pub fingerprint: Vec<String>,
    /// Who issued the code.
    pub invited_by: String,
    /// When.
    pub asked: String,
    /// That it takes the place of other keys, in words; empty if it does not.
    pub replaces: &'static str,
    /// Whether a reason must be given to approve it.
    pub needs_reason: bool,
    /// Token of the approve form.
    pub approve_token: String,
    /// Token of the refuse form.
    pub refuse_token: String,
    /// What was wrong with the last try to decide.
    #[serde(skip)]
    pub wrong: Option<String>,
}

/// A code that was issued. The code itself is shown once, when it is issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuedCode {
    /// Its number.
    pub id: String,
    /// For whom.
    pub title: String,
    /// 区级节点 or 代理, and whether it renews one.
    pub kind: &'static str,
    /// Organisation with its code.
    pub organisation: String,
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
    /// That others have shown it under other keys, in words; empty if nobody has.
    pub alarm: String,
    /// Token of the form that calls it back; empty if there is nothing to call back.
    pub revoke_token: String,
}

/// Who was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its seat.
    pub seat: String,
    /// Its name.
    pub title: String,
    /// 区级节点 or 代理.
    pub kind: &'static str,
    /// Organisation with its code.
    pub organisation: String,
    /// District.
    pub jurisdiction: String,
    /// The part of its keys' fingerprint that people compare, in groups of four.
    pub fingerprint: Vec<String>,
    /// Where it stands.
    pub state: Mark,
    /// Who decided, and why.
    pub decision: String,
    /// When.
    pub since: String,
    /// Token of the form that calls it back; empty if it was called back.
    pub revoke_token: String,
    /// What was wrong with the last try to call it back.
    #[serde(skip)]
    pub wrong: Option<String>,
}

/// Why a seat can be called back: as forms say it, and in words.
pub type ReasonChoice = (&'static str, &'static str);

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
/// A code that was called back before anybody was let in with it.
pub const CALLED_BACK: Mark = Mark {
    code: "plain",
    word: "已撤回",
    shape: "－",
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
