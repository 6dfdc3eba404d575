//! Signing in and out.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{ConnectInfo, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use node::command::account::FAILURES_MAX;
use protocol::hash::Hash;
use serde::Deserialize;

use crate::Console;
use crate::auth::{Session, Visitor, cookie, same};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::SignInPage;
use crate::text;
use crate::view::shell::Here;

/// Bytes of an address to go on to.
const NEXT_BYTES_MAX: usize = 1_000;
/// Seconds that the cookie of an open sign-in form lasts.
const FORM_SECONDS: u32 = 3_600;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    next: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

pub(crate) async fn form(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    frame: Frame,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Fault> {
    let next = local(&asked?.0.next);
    if visitor.0.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    show(&console, &frame, &headers, None, "", &next)
}

pub(crate) async fn sign_in(
    State(console): State<Arc<Console>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    frame: Frame,
    headers: HeaderMap,
    given: Result<Form<Given>, FormRejection>,
) -> Result<Response, Fault> {
    let Form(given) = given?;
    let next = local(&given.next);
    let again = |error: &str, status: StatusCode| {
        let page = show(
            &console,
            &frame,
            &headers,
            Some(error),
            given.account.trim(),
            &next,
        );
        page.map(|mut page| {
            *page.status_mut() = status;
            page
        })
    };
    let visitor = cookie(&headers, &form_cookie(&console)).unwrap_or_default();
    if visitor.is_empty() || !same(&console.sign_in_token(visitor), &given.csrf) {
        return again("登录页已过期，请重新填写后提交。", StatusCode::FORBIDDEN);
    }
    let now = console.now_us();
    let attempt = console.node.attempt(&given.account).await?;
    if let Some(until) = attempt.locked_until(now) {
        return again(&locked(until), StatusCode::TOO_MANY_REQUESTS);
    }
    if let Err(seconds) = console.attempts.take(attempt.account(), from.ip(), now) {
        // nothing is written down here: the attempts before are, and a flood must not fill the store
        tracing::warn!(target: "audit", from = %from.ip(), "sign-in attempts too frequent");
        let error = format!("登录尝试过于频繁，请 {seconds} 秒后再试。");
        return again(&error, StatusCode::TOO_MANY_REQUESTS);
    }
    let place = console.hashing.acquire().await.map_err(|_| Fault::Slow)?;
    let password = given.password.clone();
    let checked = tokio::task::spawn_blocking(move || attempt.check(&password)).await;
    drop(place);
    match checked.map_err(|error| Fault::Here {
        what: error.to_string(),
    })? {
        Ok(checked) => {
            let token = runtime::door::random();
            let account = console
                .node
                .sign_in(checked, &token, &from.ip().to_string(), now)
                .await?;
            console.attempts.forget(&account.account, from.ip());
            let mut response = Redirect::to(&next).into_response();
            let cookie = format!(
                "{}={}; Path=/; HttpOnly; SameSite=Lax",
                console.cookie,
                Hash(token)
            );
            set_cookie(&mut response, &cookie);
            Ok(response)
        }
        Err(attempt) => {
            let lock = console
                .node
                .sign_in_failed(&attempt, &from.ip().to_string(), now)
                .await?;
            match lock {
                Some(until) => again(&locked(until), StatusCode::TOO_MANY_REQUESTS),
                None => again("账号或口令不正确，或账号已停用。", StatusCode::UNAUTHORIZED),
            }
        }
    }
}

pub(crate) async fn sign_out(
    State(console): State<Arc<Console>>,
    session: Session,
    given: Result<Form<Given>, FormRejection>,
) -> Result<Response, Fault> {
    session.check_form("/sign-out", &given?.0.csrf)?;
    console
        .node
        .sign_out(&session.token, &session.actor, console.now_us())
        .await?;
    let mut response = Redirect::to("/sign-in").into_response();
    set_cookie(
        &mut response,
        &format!(
            "{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0",
            console.cookie
        ),
    );
    Ok(response)
}

/// What is said of a locked account.
fn locked(until_us: i64) -> String {
    format!(
        "该账号因口令连续错误 {FAILURES_MAX} 次以上已被锁定，到 {} 自动解除。如是本人忘记口令，或您没有尝试过登录，请联系本节点管理员；管理员重设口令即可解锁。",
        text::second(until_us)
    )
}

fn show(
    console: &Console,
    frame: &Frame,
    headers: &HeaderMap,
    error: Option<&str>,
    account: &str,
    next: &str,
) -> Result<Response, Fault> {
    let name = form_cookie(console);
    let known = cookie(headers, &name)
        .filter(|v| v.len() == 64)
        .map(str::to_owned);
    let visitor = known.unwrap_or_else(|| Hash(runtime::door::random()).to_string());
    let token = console.sign_in_token(&visitor);
    let mut shell = frame.shell(Here::Elsewhere);
    // after a failed POST the address of the form is the one to come back to
    shell.path = format!("/sign-in?next={}", crate::text::percent(next));
    let page = SignInPage {
        shell: &shell,
        error,
        account,
        next,
        token: &token,
    };
    let mut response = frame.html(&page)?;
    let cookie =
        format!("{name}={visitor}; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age={FORM_SECONDS}");
    set_cookie(&mut response, &cookie);
    Ok(response)
}

fn form_cookie(console: &Console) -> String {
    format!("{}_form", console.cookie)
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// An address of this console to go on to; the home page for anything else.
pub(super) fn local(next: &str) -> String {
    let plain = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= NEXT_BYTES_MAX
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain {
        next.to_owned()
    } else {
        "/".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_stays_here() {
        for (next, expected) in [
            ("/entities?q=%E8%BF%9C", "/entities?q=%E8%BF%9C"),
            ("", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("/a b", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
        ] {
            assert_eq!(local(next), expected, "{next:?}");
        }
    }
}
