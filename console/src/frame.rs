//! What surrounds every answer: who asks, the frame of the page, faults as pages, security headers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use node::command::actor::Way;
use runtime::worker::caught;

use crate::Console;
use crate::auth::{Session, Visitor, client, cookie};
use crate::fault::{Fault, chain};
use crate::page::FailurePage;
use crate::text;
use crate::view::shell::{Here, Shell, TextSize, User};

/// Within this an answer must be ready.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// The menu counts entities for a person to settle up to here; the list counts all.
const UNSETTLED_MAX: u64 = 1_000;
/// Cookie of the text size.
pub(crate) const TEXT_COOKIE: &str = "zongheng_text";

const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// Everything that a page of this request is framed with.
#[derive(Clone)]
pub(crate) struct Frame {
    console: Arc<Console>,
    session: Option<Session>,
    /// Entities for a person to settle, as the menu counts them.
    unsettled: u64,
    path: String,
    text: TextSize,
}

impl Frame {
    /// The frame for one entry of the menu.
    pub(crate) fn shell(&self, here: Here) -> Shell {
        let node = &self.console.node;
        let user = self.session.as_ref().map(|session| User {
            account: session.account.account.clone(),
            name: session.account.name.clone(),
            department: session
                .account
                .role
                .department()
                .unwrap_or_default()
                .to_owned(),
            role: session.account.role.label(),
            unsettled: match self.unsettled {
                0 => String::new(),
                UNSETTLED_MAX => format!("{} 以上", UNSETTLED_MAX - 1),
                count => count.to_string(),
            },
            admits: session.account.role.admits(),
            manages: session.account.role.manages(),
            audits: session.account.role.audits(),
            sign_out_token: session.form_token("/sign-out"),
        });
        Shell {
            assets: crate::assets::assets(),
            node: node.identity().title.clone(),
            tier: match node.tier() {
                node::Tier::City => "市级平台",
                node::Tier::District => "区级平台",
            },
            user,
            warnings: node.warnings(),
            here,
            path: self.path.clone(),
            text: self.text,
        }
    }

    /// Renders a page.
    pub(crate) fn html(&self, page: &impl Template) -> Result<Response, Fault> {
        let mut response = Html(page.render()?).into_response();
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Frame {
    type Rejection = Fault;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Fault> {
        let missing = || Fault::Here {
            what: "request outside of frame::visitor".to_owned(),
        };
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// Finds out who asks, answers within bounds, and turns faults into pages or JSON documents.
pub(crate) async fn visitor(
    State(console): State<Arc<Console>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let text = cookie(request.headers(), TEXT_COOKIE)
        .map(TextSize::from_key)
        .unwrap_or_default();
    let mut frame = Frame {
        console: console.clone(),
        session: None,
        unsettled: 0,
        path: path_of(request.uri()),
        text,
    };
    let way = if is_api { Way::Api } else { Way::Page };
    let client = client(&request);
    let answer = async {
        let session = console.session(request.headers(), way, &client).await?;
        frame.session.clone_from(&session);
        if let Some(session) = session.as_ref().filter(|_| !is_api) {
            let department = session.account.role.department();
            let node = &console.node;
            frame.unsettled = node.unsettled_at_most(department, UNSETTLED_MAX).await?;
        }
        request.extensions_mut().insert(Visitor(session));
        request.extensions_mut().insert(frame.clone());
        Ok::<_, Fault>(next.run(request).await)
    };
    let response = match tokio::time::timeout(ANSWER_TIME_MAX, caught(answer)).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(fault))) => fault.into_response(),
        Ok(Err(panic)) => Fault::Here { what: panic }.into_response(),
        Err(_) => Fault::Slow.into_response(),
    };
    match response.extensions().get::<Fault>().cloned() {
        Some(fault) => {
            note_forbidden(&console, &frame, &fault).await;
            failed(&frame, &fault, is_api)
        }
        None => response,
    }
}

/// Writes down that somebody who is signed in asked for what the account may not do. It was not done either way.
async fn note_forbidden(console: &Console, frame: &Frame, fault: &Fault) {
    let why = match fault {
        Fault::Forbidden { title, .. } => title,
        Fault::StaleForm => "表单不是本次登录后打开的",
        _ => return,
    };
    let Some(session) = &frame.session else {
        return;
    };
    let node = &console.node;
    let noting = node.note_forbidden(&frame.path, why, &session.actor, console.now_us());
    let error = match tokio::time::timeout(ANSWER_TIME_MAX, noting).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => chain(&error),
        Err(_) => "the store took too long".to_owned(),
    };
    tracing::error!(error, path = frame.path, "forbidden act not written down");
}

/// The page, or the document, of a fault.
fn failed(frame: &Frame, fault: &Fault, is_api: bool) -> Response {
    let status = fault.clone().into_response().status();
    if let (Fault::SignedOut { next }, false) = (fault, is_api) {
        let next = if next == "/" {
            String::new()
        } else {
            format!("?next={}", text::percent(next))
        };
        return Redirect::to(&format!("/sign-in{next}")).into_response();
    }
    let drawn = runtime::door::random::<4>();
    let reference = format!(
        "{:02x}{:02x}-{:02x}{:02x}",
        drawn[0], drawn[1], drawn[2], drawn[3]
    );
    match fault {
        Fault::Here { what } => {
            tracing::error!(reference, path = frame.path, error = what, "request failed")
        }
        Fault::Slow => tracing::error!(reference, path = frame.path, "request took too long"),
        _ => tracing::info!(
            reference,
            path = frame.path,
            status = status.as_u16(),
            "request refused"
        ),
    }
    let failure = fault.failure(reference);
    if is_api {
        return (status, Json(failure)).into_response();
    }
    let shell = frame.shell(Here::Elsewhere);
    match frame.html(&FailurePage {
        shell: &shell,
        failure: &failure,
    }) {
        Ok(mut page) => {
            *page.status_mut() = status;
            page
        }
        Err(_) => (status, failure.title).into_response(),
    }
}

/// Headers of every answer, and the refusal of foreign host names: a page of the web could make a browser ask us under its
/// own name.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = if is_local(request.headers(), request.uri()) {
        next.run(request).await
    } else {
        let failure = Fault::ForeignHost.failure(String::new());
        let status = Fault::ForeignHost.into_response().status();
        (
            status,
            format!("{}。{}\n", failure.title, failure.next.join("")),
        )
            .into_response()
    };
    let all = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        all.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    response
}

fn is_local(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = hosts.next().and_then(|h| h.to_str().ok());
    if hosts.next().is_some() {
        return false;
    }
    let Some(host) = named.or_else(|| uri.authority().map(|a| a.as_str())) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header"));
        assert_eq!(
            is_local(&headers, &Uri::from_static("/")),
            expected,
            "{host}"
        );
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        check("127.0.0.1:8080", true);
        check("localhost", true);
        check("LOCALHOST:1", true);
        check("[::1]:8080", true);
        check("evil.example", false);
        check("127.0.0.1.evil.example:80", false);
        check("10.0.0.1:8080", false);
        assert!(!is_local(&HeaderMap::new(), &Uri::from_static("/")));
    }
}
