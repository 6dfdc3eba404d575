//! The own password. The former must be shown, and may be tried as rarely as at signing in; a session has a place of its own
//! there, which strangers cannot use up.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use node::command::account::{AccountError, NewPassword};
use serde::Deserialize;

use super::accounts::wrong;
use crate::Console;
use crate::auth::{Session, limit};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::PasswordPage;
use crate::view::shell::Here;

const ADDRESS: &str = "/password";

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    done: Option<String>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    former: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

pub(crate) async fn page(
    session: Session,
    frame: Frame,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Fault> {
    show(&frame, &session, None, asked?.0.done.is_some())
}

pub(crate) async fn change(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    given: Result<Form<Given>, FormRejection>,
) -> Result<Response, Fault> {
    let Form(given) = given?;
    session.check_form(ADDRESS, &given.csrf)?;
    let again = |wrong: &str, status: StatusCode| {
        let page = show(&frame, &session, Some(wrong), false);
        page.map(|mut page| {
            *page.status_mut() = status;
            page
        })
    };
    if given.password != given.again {
        let wrong = "两次输入的新口令不一致。";
        return again(wrong, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let (own, now) = (&session.account.account, console.now_us());
    let tries = limit::Attempt {
        account: own,
        exists: true,
        from: frame.client().address,
        device: Some(session.device()),
    };
    if let Err(seconds) = console.attempts.take(tries, now) {
        let wrong = format!("尝试过于频繁，请 {seconds} 秒后再试。");
        return again(&wrong, StatusCode::TOO_MANY_REQUESTS);
    }
    let attempt = console.node.attempt(own).await?;
    let account = own.clone();
    let salt = runtime::door::random();
    let both = console
        .beside(move || {
            let shown = attempt.check(&given.former).ok()?;
            Some((shown, NewPassword::hash(&account, &given.password, &salt)))
        })
        .await?;
    let Some((shown, password)) = both else {
        console
            .node
            .own_password_failed(&session.actor, now)
            .await?;
        return again("原口令不正确。", StatusCode::UNPROCESSABLE_ENTITY);
    };
    console.attempts.succeeded(tries, now);
    let done = async {
        let (token, actor) = (&session.token, &session.actor);
        console
            .node
            .change_own_password(shown, password?, token, actor, now)
            .await
    };
    match done.await {
        Ok(()) => Ok(Redirect::to("/password?done=1").into_response()),
        Err(error @ AccountError::Changed) => Err(error.into()),
        Err(error) => again(&wrong(error)?, StatusCode::UNPROCESSABLE_ENTITY),
    }
}

fn show(
    frame: &Frame,
    session: &Session,
    wrong: Option<&str>,
    done: bool,
) -> Result<Response, Fault> {
    let shell = frame.shell(Here::Elsewhere);
    frame.html(&PasswordPage {
        shell: &shell,
        token: &session.form_token(ADDRESS),
        wrong,
        done,
    })
}
