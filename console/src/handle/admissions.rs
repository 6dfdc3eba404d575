//! Admissions: who asks to join, approving and refusing.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use node::command::admission::AdmissionError;
use serde::Deserialize;

use super::document;
use crate::Console;
use crate::auth::Session;
use crate::fault::{Fault, chain};
use crate::frame::Frame;
use crate::page::AdmissionsPage;
use crate::present;
use crate::view::admission::Admissions;
use crate::view::shell::Here;

/// Characters of a reason for refusing.
const REASON_CHARACTERS_MAX: usize = 200;
/// Where a JSON request brings its token.
const TOKEN_HEADER: &str = "zongheng-csrf";

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    done: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Decision {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct JsonDecision {
    #[serde(default)]
    reason: String,
}

/// Which way a request is decided.
#[derive(Debug, Clone, Copy)]
enum Way {
    Approve,
    Refuse,
}

impl Way {
    fn address(self, peer: &str) -> String {
        match self {
            Self::Approve => format!("/admissions/{peer}/approve"),
            Self::Refuse => format!("/admissions/{peer}/refuse"),
        }
    }
}

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Fault> {
    session.must_admit()?;
    let mut list = look(&console, &session).await?;
    list.done = match asked?.0.done.as_deref() {
        Some("approved") => Some("已批准。申请方会在几秒内继续入网。".to_owned()),
        Some("refused") => Some("已驳回，理由会告知申请方。".to_owned()),
        _ => None,
    };
    show(&frame, &list)
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    session.must_admit()?;
    let list = look(&console, &session).await?;
    document(&list, &headers, console.now_us())
}

pub(crate) async fn approve(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    peer: Result<Path<String>, PathRejection>,
    decision: Result<Form<Decision>, FormRejection>,
) -> Result<Response, Fault> {
    submitted(
        &console,
        &session,
        &frame,
        Way::Approve,
        peer?.0,
        decision?.0,
    )
    .await
}

pub(crate) async fn refuse(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    peer: Result<Path<String>, PathRejection>,
    decision: Result<Form<Decision>, FormRejection>,
) -> Result<Response, Fault> {
    submitted(
        &console,
        &session,
        &frame,
        Way::Refuse,
        peer?.0,
        decision?.0,
    )
    .await
}

pub(crate) async fn approve_json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    peer: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    called(&console, &session, &headers, Way::Approve, peer?.0, "").await
}

pub(crate) async fn refuse_json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    peer: Result<Path<String>, PathRejection>,
    body: Result<axum::Json<JsonDecision>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Fault> {
    let body = body.map_err(|_| Fault::Malformed {
        what: "请求内容应为 JSON 对象，含 reason".to_owned(),
    })?;
    called(
        &console,
        &session,
        &headers,
        Way::Refuse,
        peer?.0,
        &body.reason,
    )
    .await
}

async fn submitted(
    console: &Console,
    session: &Session,
    frame: &Frame,
    way: Way,
    peer: String,
    decision: Decision,
) -> Result<Response, Fault> {
    session.must_admit()?;
    session.check_form(&way.address(&peer), &decision.csrf)?;
    let wrong = match decide(console, session, way, &peer, &decision.reason).await? {
        Ok(()) => {
            let done = match way {
                Way::Approve => "approved",
                Way::Refuse => "refused",
            };
            return Ok(Redirect::to(&format!("/admissions?done={done}")).into_response());
        }
        Err(wrong) => wrong,
    };
    let mut list = look(console, session).await?;
    match list.pending.iter_mut().find(|p| p.peer == peer) {
        Some(pending) => pending.wrong = Some(wrong),
        None => return Err(Fault::Malformed { what: wrong }),
    }
    let mut page = show(frame, &list)?;
    *page.status_mut() = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
    Ok(page)
}

async fn called(
    console: &Console,
    session: &Session,
    headers: &HeaderMap,
    way: Way,
    peer: String,
    reason: &str,
) -> Result<Response, Fault> {
    session.must_admit()?;
    let token = headers
        .get(TOKEN_HEADER)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    session.check_form(&way.address(&peer), token)?;
    match decide(console, session, way, &peer, reason).await? {
        Ok(()) => document(
            &look(console, session).await?,
            &HeaderMap::new(),
            console.now_us(),
        ),
        Err(what) => Err(Fault::Malformed { what }),
    }
}

/// Decides; the inner error is the asker's, in words.
async fn decide(
    console: &Console,
    session: &Session,
    way: Way,
    peer: &str,
    reason: &str,
) -> Result<Result<(), String>, Fault> {
    let reason = reason.trim();
    if reason.chars().count() > REASON_CHARACTERS_MAX || reason.contains('\0') {
        return Ok(Err(format!("驳回理由不超过 {REASON_CHARACTERS_MAX} 个字")));
    }
    let (actor, now) = (&session.actor, console.now_us());
    let done = match way {
        Way::Approve => console.node.approve(peer, actor, now).await,
        Way::Refuse => console.node.refuse(peer, reason, actor, now).await,
    };
    match done {
        Ok(()) => Ok(Ok(())),
        Err(AdmissionError::Request(wrong)) => Ok(Err(wrong)),
        Err(error) => Err(Fault::Here {
            what: chain(&error),
        }),
    }
}

async fn look(console: &Console, session: &Session) -> Result<Admissions, Fault> {
    let found = console.node.admission_list(console.now_us()).await?;
    let token = |peer: &str, way: Way| session.form_token(&way.address(peer));
    let mut list = present::admission::view(&console.node, found, console.now_us());
    for pending in &mut list.pending {
        pending.approve_token = token(&pending.peer, Way::Approve);
        pending.refuse_token = token(&pending.peer, Way::Refuse);
    }
    Ok(list)
}

fn show(frame: &Frame, list: &Admissions) -> Result<Response, Fault> {
    let shell = frame.shell(Here::Admissions);
    frame.html(&AdmissionsPage {
        shell: &shell,
        list,
    })
}
