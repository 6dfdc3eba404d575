//! Accounts.

use node::Node;
use node::command::account::{AccountView, Role};

use crate::text;
use crate::view::account::{self, AccountForm, AccountLine, Choice};

/// What the selection of a role says for accounts of a department.
pub(crate) const DEPARTMENT: &str = "department";

pub(crate) fn line(node: &Node, found: &AccountView) -> AccountLine {
    let role = found.role.as_ref();
    AccountLine {
        href: format!("/accounts/{}", text::percent(&found.account)),
        account: found.account.clone(),
        name: found.name.clone(),
        role: role.map_or("不详", Role::label),
        department: role
            .and_then(Role::department)
            .map(|code| node.organisation_title(code))
            .unwrap_or_default(),
        state: if found.disabled {
            account::DISABLED
        } else if role.is_none() {
            account::UNKNOWN
        } else {
            account::USABLE
        },
        changed: text::minute(found.at_us),
    }
}

/// A form with what can be chosen; `role` and `department` are what is chosen.
pub(crate) fn form(node: &Node, role: &str, department: &str) -> AccountForm {
    let fixed = [Role::Administrator, Role::Clerk, Role::Auditor];
    let of_department = Role::Department(String::new());
    let roles = fixed
        .iter()
        .map(|r| (r.key(), r.label()))
        .chain([(DEPARTMENT.to_owned(), of_department.label())]);
    let known = node.departments();
    let mut all: Vec<(String, String)> = known
        .all()
        .map(|(code, title)| (code.to_owned(), format!("{title}（{code}）")))
        .collect();
    if !department.is_empty() && known.title(department).is_none() {
        all.push((department.to_owned(), department.to_owned()));
    }
    AccountForm {
        roles: roles
            .map(|(value, word)| Choice {
                chosen: value == role,
                value,
                word: word.to_owned(),
            })
            .collect(),
        departments: all
            .into_iter()
            .map(|(value, word)| Choice {
                chosen: value == department,
                value,
                word,
            })
            .collect(),
        ..AccountForm::default()
    }
}

/// The role of a form; nothing for what no choice says.
pub(crate) fn role(role: &str, department: &str) -> Option<Role> {
    if role == DEPARTMENT {
        return Some(Role::Department(department.trim().to_owned()));
    }
    Role::from_key(role).filter(|role| role.department().is_none())
}

/// What a form chooses for a role.
pub(crate) fn chosen(role: Option<&Role>) -> (String, String) {
    match role {
        Some(Role::Department(name)) => (DEPARTMENT.to_owned(), name.clone()),
        Some(role) => (role.key(), String::new()),
        None => (String::new(), String::new()),
    }
}
