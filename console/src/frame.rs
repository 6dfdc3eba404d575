//! What surrounds every answer: who asks, the frame of the page, faults as pages, security headers.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use node::command::actor::Way;
use runtime::listener::name::Name;
use runtime::say;
use runtime::worker::caught;

use crate::Console;
use crate::auth::{Session, Visitor, cookie};
use crate::client::{Arrived, Client};
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
    client: Client,
}

impl Frame {
    /// Who asks.
    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// A cookie for the whole answer, which scripts do not see: kept back from plain HTTP if it was set over HTTPS.
    pub(crate) fn cookie(
        &self,
        name: &str,
        value: &str,
        path: &str,
        seconds: Option<u32>,
    ) -> String {
        let age = seconds.map_or_else(String::new, |s| format!("; Max-Age={s}"));
        let secure = if self.client.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path={path}; HttpOnly; SameSite=Lax{age}{secure}")
    }

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

    /// Renders a page. Names that others state can carry overrides of the direction of writing, to look like other names: what
    /// would steer how the rest is shown becomes a sign that can be seen. Templates have nothing of the kind.
    pub(crate) fn html(&self, page: &impl Template) -> Result<Response, Fault> {
        let page = say::visible(page.render()?);
        let mut response = Html(page).into_response();
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
        client: known_client(&request, &console),
    };
    let way = if is_api { Way::Api } else { Way::Page };
    let address = frame.client.address.to_string();
    let answer = async {
        let session = console.session(request.headers(), way, &address).await?;
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

/// Finds out who asks and under which name, refuses names that are not ours (a page of the web could make a browser ask us
/// under its own), and gives every answer its headers.
pub(crate) async fn headers(
    State(console): State<Arc<Console>>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = known_client(&request, &console);
    let asked = host(request.headers(), request.uri());
    let named = asked.filter(|name| console.is_named(name));
    let https_name = client.secure
        && matches!(&named, Some(Name::Host(_)))
        && !named.as_ref().is_some_and(Name::is_local);
    let mut response = if named.is_some() {
        request.extensions_mut().insert(client);
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
    if https_name {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

/// The client of a request, as `headers` found it out or would.
fn known_client(request: &Request, console: &Console) -> Client {
    let known = request.extensions().get::<Client>().copied();
    known.unwrap_or_else(|| {
        let arrived = Arrived::beside(request.extensions());
        Client::of(arrived, request.headers(), &console.options.trusted_proxies)
    })
}

/// The name under which a request asks; nothing if it gives none, several, or one that cannot be one.
fn host(headers: &HeaderMap, uri: &Uri) -> Option<Name> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = match hosts.next() {
        Some(named) => Some(named.to_str().ok()?),
        None => None,
    };
    if hosts.next().is_some() {
        return None;
    }
    Name::of_host_header(named.or_else(|| uri.authority().map(|a| a.as_str()))?)
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&str], uri: &'static str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().expect("a header"));
        }
        let name = super::host(&headers, &Uri::from_static(uri)).map(|name| name.to_string());
        assert_eq!(name.as_deref(), expected, "{hosts:?} {uri}");
    }

    #[test]
    fn a_request_asks_under_one_name() {
        check(&["127.0.0.1:8080"], "/", Some("127.0.0.1"));
        check(&["LOCALHOST:1"], "/", Some("localhost"));
        check(&["[::1]:8080"], "/", Some("::1"));
        check(&["jg.example"], "/", Some("jg.example"));
        check(
            &["127.0.0.1.evil.example:80"],
            "/",
            Some("127.0.0.1.evil.example"),
        );
        check(&[], "http://jg.example/", Some("jg.example"));
        check(&["a.example"], "http://jg.example/", Some("a.example"));
        check(&[], "/", None);
        check(&["a", "a"], "/", None);
        check(&["a/b"], "/", None);
    }
}
