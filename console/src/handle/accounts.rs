//! Accounts, for administrators: the list, opening one, changing one.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use node::command::account::{AccountError, NewPassword};
use serde::Deserialize;

use super::document;
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::{AccountPage, AccountsPage};
use crate::present::account::{self, chosen};
use crate::text;
use crate::view::account::{AccountDetail, AccountForm, Accounts};
use crate::view::shell::Here;

/// Where accounts are opened.
const ADDRESS: &str = "/accounts";

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    done: Option<String>,
}

/// What the forms send; each form has some of it.
#[derive(Default, Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    department: String,
    #[serde(default)]
    password: String,
}

/// What is done to one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Role,
    Disable,
    Enable,
    Password,
}

impl Change {
    const ALL: [Self; 4] = [Self::Role, Self::Disable, Self::Enable, Self::Password];

    const fn key(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Password => "password",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Role => "姓名与角色已更改，即时生效。",
            Self::Disable => "账号已停用，已有的登录即时失效。",
            Self::Enable => "账号已恢复，可用原口令登录。",
            Self::Password => {
                "口令已重设，已有的登录即时失效；请当面告知本人，并请其登录后自行修改。"
            }
        }
    }

    fn address(self, account: &str) -> String {
        format!("/accounts/{}/{}", text::percent(account), self.key())
    }
}

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
) -> Result<Response, Fault> {
    let list = look(&console, &session, "clerk", "").await?;
    show(&frame, &list)
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let list = look(&console, &session, "", "").await?;
    document(&list, &headers, console.now_us())
}

pub(crate) async fn open(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    given: Result<Form<Given>, FormRejection>,
) -> Result<Response, Fault> {
    session.must_manage()?;
    let Form(given) = given?;
    session.check_form(ADDRESS, &given.csrf)?;
    let wrong = match opened(&console, &session, &given).await {
        Ok(account) => {
            let address = format!("/accounts/{}?done=open", text::percent(&account));
            return Ok(Redirect::to(&address).into_response());
        }
        Err(error) => wrong(error)?,
    };
    let mut list = look(&console, &session, &given.role, &given.department).await?;
    list.form.account = given.account;
    list.form.name = given.name;
    list.form.wrong = Some(wrong);
    let mut page = show(&frame, &list)?;
    *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(page)
}

async fn opened(
    console: &Console,
    session: &Session,
    given: &Given,
) -> Result<String, AccountError> {
    let role = account::role(&given.role, &given.department).ok_or(AccountError::Role)?;
    let password = hashed(console, given.account.trim(), &given.password).await?;
    let account = password.account().to_owned();
    let now = console.now_us();
    console
        .node
        .open_account(password, &given.name, &role, &session.actor, now)
        .await?;
    Ok(account)
}

pub(crate) async fn one(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    whose: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Fault> {
    let mut detail = look_at(&console, &session, &whose?.0).await?;
    detail.done = match asked?.0.done.as_deref() {
        Some("open") => Some("账号已开设，可以登录。"),
        Some(key) => Change::ALL
            .into_iter()
            .find(|c| c.key() == key)
            .map(Change::done),
        None => None,
    };
    show_one(&frame, &detail)
}

pub(crate) async fn change(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    what: Result<Path<(String, String)>, PathRejection>,
    given: Result<Form<Given>, FormRejection>,
) -> Result<Response, Fault> {
    session.must_manage()?;
    let Path((whose, key)) = what?;
    let change = Change::ALL.into_iter().find(|change| change.key() == key);
    let change = change.ok_or(Fault::NoPage)?;
    let Form(given) = given?;
    session.check_form(&change.address(&whose), &given.csrf)?;
    let wrong = match changed(&console, &session, change, &whose, &given).await {
        // whoever has just put an end to the own session, or to the own right to be here, begins anew
        Ok(()) if whose == session.account.account && !stays(change, &given) => {
            return Ok(Redirect::to("/").into_response());
        }
        Ok(()) => {
            let address = format!("/accounts/{}?done={key}", text::percent(&whose));
            return Ok(Redirect::to(&address).into_response());
        }
        Err(error) => wrong(error)?,
    };
    let mut detail = look_at(&console, &session, &whose).await?;
    if change == Change::Role {
        detail.form = AccountForm {
            token: detail.form.token,
            account: detail.form.account,
            name: given.name,
            wrong: Some(wrong),
            ..account::form(&console.node, &given.role, &given.department)
        };
    } else {
        detail.wrong = Some(wrong);
    }
    let mut page = show_one(&frame, &detail)?;
    *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(page)
}

/// Whether an administrator who does this to the own account can go on here.
fn stays(change: Change, given: &Given) -> bool {
    let role = account::role(&given.role, &given.department);
    change == Change::Role && role.is_some_and(|role| role.manages())
}

async fn changed(
    console: &Console,
    session: &Session,
    change: Change,
    whose: &str,
    given: &Given,
) -> Result<(), AccountError> {
    let (node, actor, now) = (&console.node, &session.actor, console.now_us());
    match change {
        Change::Role => {
            let role = account::role(&given.role, &given.department).ok_or(AccountError::Role)?;
            node.change_account(whose, &given.name, &role, actor, now)
                .await
        }
        Change::Disable => node.disable_account(whose, actor, now).await,
        Change::Enable => node.enable_account(whose, actor, now).await,
        Change::Password => {
            let password = hashed(console, whose, &given.password).await?;
            node.reset_password(password, actor, now).await
        }
    }
}

/// A password, hashed beside other work, few at once.
async fn hashed(
    console: &Console,
    account: &str,
    password: &str,
) -> Result<NewPassword, AccountError> {
    let (account, password) = (account.to_owned(), password.to_owned());
    let salt = runtime::door::random();
    let hashed = console
        .beside(move || NewPassword::hash(&account, &password, &salt))
        .await;
    hashed.unwrap_or(Err(AccountError::Hashing))
}

/// What the asker did wrong, in words; what is not the asker's fault is passed on.
pub(super) fn wrong(error: AccountError) -> Result<String, Fault> {
    if error.is_askers() {
        Ok(error.to_string())
    } else {
        Err(error.into())
    }
}

async fn look(
    console: &Console,
    session: &Session,
    role: &str,
    department: &str,
) -> Result<Accounts, Fault> {
    session.must_manage()?;
    let found = console.node.accounts().await?;
    Ok(Accounts {
        rows: found
            .iter()
            .map(|a| account::line(&console.node, a))
            .collect(),
        form: AccountForm {
            token: session.form_token(ADDRESS),
            ..account::form(&console.node, role, department)
        },
    })
}

async fn look_at(
    console: &Console,
    session: &Session,
    whose: &str,
) -> Result<AccountDetail, Fault> {
    session.must_manage()?;
    let found = console.node.accounts().await?;
    let Some(found) = found.into_iter().find(|a| a.account == whose) else {
        return Err(Fault::NoSuch {
            what: "没有这个账号".to_owned(),
            next: "请从账号列表进入。".to_owned(),
        });
    };
    let (role, department) = chosen(found.role.as_ref());
    let token = |change: Change| session.form_token(&change.address(whose));
    Ok(AccountDetail {
        line: account::line(&console.node, &found),
        disabled: found.disabled,
        form: AccountForm {
            token: token(Change::Role),
            account: found.account.clone(),
            name: found.name.clone(),
            ..account::form(&console.node, &role, &department)
        },
        switch_token: token(if found.disabled {
            Change::Enable
        } else {
            Change::Disable
        }),
        password_token: token(Change::Password),
        wrong: None,
        done: None,
    })
}

fn show(frame: &Frame, list: &Accounts) -> Result<Response, Fault> {
    let shell = frame.shell(Here::Accounts);
    frame.html(&AccountsPage {
        shell: &shell,
        list,
    })
}

fn show_one(frame: &Frame, detail: &AccountDetail) -> Result<Response, Fault> {
    let shell = frame.shell(Here::Accounts);
    frame.html(&AccountPage {
        shell: &shell,
        detail,
    })
}
