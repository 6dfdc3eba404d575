//! Signing in and out.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use node::command::account::{AccountError, Attempt, Checked};
use protocol::hash::Hash;
use serde::Deserialize;

use crate::Console;
use crate::auth::failures::Note;
use crate::auth::limit::{self, Standing};
use crate::auth::{Session, Visitor, cookie, device, same};
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::SignInPage;
use crate::view::shell::Here;

/// Bytes of an address to go on to.
const NEXT_BYTES_MAX: usize = 1_000;
/// Seconds that the cookie of an open sign-in form lasts.
const FORM_SECONDS: u32 = 3_600;
/// How the audit names the account of attempts at names that are none.
const NO_ACCOUNT: &str = "（无此账号）";

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
    let from = frame.client().address;
    let attempt = console.node.attempt(&given.account).await?;
    let account = attempt.account().to_owned();
    let key = &console.options.device_key;
    let tries = limit::Attempt {
        account: &account,
        exists: attempt.is_known(),
        from,
        device: device::of(&headers, &console.cookie, key, &account),
    };
    let standing = match console.attempts.take(tries, now) {
        Ok(standing) => standing,
        Err(seconds) => {
            // nothing is written down here: the attempts before are, and a flood must not fill the store
            let error = format!("登录尝试过于频繁，请 {seconds} 秒后再试。");
            return again(&error, StatusCode::TOO_MANY_REQUESTS);
        }
    };
    let Some(checked) = check(
        &console,
        standing,
        attempt,
        given.password.clone(),
        from,
        now,
    )
    .await?
    else {
        return again("账号或口令不正确，或账号已停用。", StatusCode::UNAUTHORIZED);
    };
    let token = runtime::door::random();
    let address = from.to_string();
    console.node.sign_in(checked, &token, &address, now).await?;
    console.attempts.succeeded(tries, now);
    let mut response = Redirect::to(&next).into_response();
    let session = frame.cookie(&console.cookie, &Hash(token).to_string(), "/", None);
    set_cookie(&mut response, &session);
    let browser = tries.device.unwrap_or_else(runtime::door::random);
    let (name, value) = device::cookie_of(&console.cookie, key, &account, browser);
    let remembered = frame.cookie(&name, &value, "/sign-in", Some(device::REMEMBERED_SECONDS));
    set_cookie(&mut response, &remembered);
    Ok(response)
}

/// Looks at a password beside other work, few at once. What has begun is finished and written down although its client has
/// gone: the place among the few belongs to the work, not to who waits for it.
async fn check(
    console: &Arc<Console>,
    standing: Standing,
    attempt: Attempt,
    password: String,
    from: IpAddr,
    now_us: i64,
) -> Result<Option<Checked>, Fault> {
    let places = match standing {
        Standing::Known => &console.known_hashing,
        Standing::Stranger => &console.strangers_hashing,
    };
    let place = places.clone().acquire_owned().await;
    let place = place.map_err(|_| Fault::Slow)?;
    let (tell, told) = tokio::sync::oneshot::channel();
    let console = console.clone();
    tokio::spawn(async move {
        let hashed = tokio::task::spawn_blocking(move || {
            let checked = attempt.check(&password);
            drop(place);
            checked
        });
        let failed = match hashed.await {
            Ok(Ok(checked)) => {
                // if nobody waits any more, nobody is signed in
                let _ = tell.send(Ok(Some(checked)));
                return;
            }
            Ok(Err(attempt)) => attempt,
            Err(error) => {
                let _ = tell.send(Err(error.to_string()));
                return;
            }
        };
        console.node.count_sign_in_failure();
        // told before it is written down, so that the time tells nothing about the account
        let _ = tell.send(Ok(None));
        let account = failed.is_known().then(|| failed.account());
        let notes = console.failures.note(account, from, now_us);
        if let Err(error) = console.write_failures(notes).await {
            tracing::error!(error = %crate::fault::chain(&error), "failed sign-in not written down");
        }
    });
    let told = told.await.map_err(|_| Fault::Here {
        what: "password was not checked".to_owned(),
    })?;
    told.map_err(|what| Fault::Here { what })
}

impl Console {
    /// Writes wrong passwords down.
    pub(crate) async fn write_failures(&self, notes: Vec<Note>) -> Result<(), AccountError> {
        for note in notes {
            let account = note.account.as_deref().unwrap_or(NO_ACCOUNT);
            let from = note.from.to_string();
            self.node
                .sign_in_failed(account, &from, &note.detail, self.now_us())
                .await?;
        }
        Ok(())
    }
}

pub(crate) async fn sign_out(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
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
        &frame.cookie(&console.cookie, "", "/", Some(0)),
    );
    Ok(response)
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
    let cookie = frame.cookie(&name, &visitor, "/sign-in", Some(FORM_SECONDS));
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
