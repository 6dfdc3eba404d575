//! Accounts: the list, one account, the own password.

use serde::Serialize;

use super::Mark;

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accounts {
    /// Accounts by name.
    pub rows: Vec<AccountLine>,
    /// The form for another one.
    #[serde(skip)]
    pub form: AccountForm,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountLine {
    /// Name to sign in with.
    pub account: String,
    /// Real name.
    pub name: String,
    /// Role in words.
    pub role: &'static str,
    /// Department; empty for an account of the whole node.
    pub department: String,
    /// Whether it may sign in.
    pub state: Mark,
    /// When it was last changed.
    pub changed: String,
    /// Address of its page.
    pub href: String,
}

/// What is asked of whoever opens an account or changes one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountForm {
    /// Token of the form.
    pub token: String,
    /// Account as typed.
    pub account: String,
    /// Real name as typed.
    pub name: String,
    /// Roles to choose from.
    pub roles: Vec<Choice>,
    /// Departments to choose from.
    pub departments: Vec<Choice>,
    /// What was wrong with the last try.
    pub wrong: Option<String>,
}

/// An entry of a selection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Value.
    pub value: String,
    /// Words.
    pub word: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// One account with what can be done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDetail {
    /// It.
    pub line: AccountLine,
    /// Whether it may not sign in.
    pub disabled: bool,
    /// The form for name and role.
    pub form: AccountForm,
    /// Token of the form that disables it, or enables it.
    pub switch_token: String,
    /// Token of the form for another password.
    pub password_token: String,
    /// What was wrong with the last try to do anything else than to change name or role.
    pub wrong: Option<String>,
    /// What has just been done.
    pub done: Option<&'static str>,
}

/// May sign in.
pub const USABLE: Mark = Mark {
    code: "good",
    word: "可登录",
    shape: "✓",
};
/// May not sign in.
pub const DISABLED: Mark = Mark {
    code: "bad",
    word: "已停用",
    shape: "■",
};
/// Has a role that this release does not know.
pub const UNKNOWN: Mark = Mark {
    code: "warn",
    word: "角色不详",
    shape: "▲",
};
