//! Admissions: who asks to join, approving and refusing; calling back codes and seats.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use node::command::admission::AdmissionError;
use node::command::revoke::Reason;
use serde::Deserialize;

use super::document;
use crate::Console;
use crate::auth::Session;
use crate::fault::{Fault, chain};
use crate::frame::Frame;
use crate::page::AdmissionsPage;
use crate::present;
use crate::view::admission::{Admissions, REVOKED};
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
    #[serde(default)]
    text: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct JsonDecision {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    text: String,
}

/// What is done: to a request, to a code, to a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Approve,
    Refuse,
    RevokeCode,
    RevokeSeat,
}

impl Way {
    fn address(self, whom: &str) -> String {
        match self {
            Self::Approve => format!("/admissions/{whom}/approve"),
            Self::Refuse => format!("/admissions/{whom}/refuse"),
            Self::RevokeCode => format!("/admissions/codes/{whom}/revoke"),
            Self::RevokeSeat => format!("/admissions/seats/{whom}/revoke"),
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Refuse => "refused",
            Self::RevokeCode => "code-revoked",
            Self::RevokeSeat => "seat-revoked",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Approve => "已批准。申请方会在几秒内继续入网。",
            Self::Refuse => "已驳回，理由会告知申请方。",
            Self::RevokeCode => "接入码已撤回，不能再用来入网。",
            Self::RevokeSeat => {
                "席位已撤销：已收到的内容继续有效，此后以其密钥签署的内容一律隔离，其连接已断开。再接入须用续期接入码。"
            }
        }
    }

    const ALL: [Self; 4] = [
        Self::Approve,
        Self::Refuse,
        Self::RevokeCode,
        Self::RevokeSeat,
    ];
}

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Fault> {
    session.must_admit()?;
    let mut list = look(&console, &session).await?;
    let done = asked?.0.done;
    list.done = Way::ALL
        .into_iter()
        .find(|way| done.as_deref() == Some(way.key()))
        .map(|way| way.done().to_owned());
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

pub(crate) async fn revoke_code(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    code: Result<Path<String>, PathRejection>,
    decision: Result<Form<Decision>, FormRejection>,
) -> Result<Response, Fault> {
    let (way, code, decision) = (Way::RevokeCode, code?.0, decision?.0);
    submitted(&console, &session, &frame, way, code, decision).await
}

pub(crate) async fn revoke_seat(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    seat: Result<Path<String>, PathRejection>,
    decision: Result<Form<Decision>, FormRejection>,
) -> Result<Response, Fault> {
    let (way, seat, decision) = (Way::RevokeSeat, seat?.0, decision?.0);
    submitted(&console, &session, &frame, way, seat, decision).await
}

type Body = Result<axum::Json<JsonDecision>, axum::extract::rejection::JsonRejection>;

pub(crate) async fn approve_json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    peer: Result<Path<String>, PathRejection>,
    body: axum::body::Bytes,
) -> Result<Response, Fault> {
    // a reason is needed only where keys are replaced without consent
    let body = match body.is_empty() {
        true => JsonDecision::default(),
        false => serde_json::from_slice(&body).map_err(|_| malformed())?,
    };
    called(&console, &session, &headers, Way::Approve, peer?.0, body).await
}

pub(crate) async fn refuse_json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    peer: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Response, Fault> {
    let body = body.map_err(|_| malformed())?.0;
    called(&console, &session, &headers, Way::Refuse, peer?.0, body).await
}

pub(crate) async fn revoke_code_json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    code: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let body = JsonDecision::default();
    called(&console, &session, &headers, Way::RevokeCode, code?.0, body).await
}

pub(crate) async fn revoke_seat_json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    seat: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Response, Fault> {
    let body = body.map_err(|_| malformed())?.0;
    called(&console, &session, &headers, Way::RevokeSeat, seat?.0, body).await
}

fn malformed() -> Fault {
    Fault::Malformed {
        what: "请求内容应为 JSON 对象，含 reason；撤销席位另含 text".to_owned(),
    }
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
    let wrong = match decide(
        console,
        session,
        way,
        &peer,
        &decision.reason,
        &decision.text,
    )
    .await?
    {
        Ok(()) => {
            let address = format!("/admissions?done={}", way.key());
            return Ok(Redirect::to(&address).into_response());
        }
        Err(wrong) => wrong,
    };
    let mut list = look(console, session).await?;
    let pending = list
        .pending
        .iter_mut()
        .find(|p| p.peer == peer || p.seat == peer);
    let seat = list.peers.iter_mut().find(|p| p.seat == peer);
    match (way, pending, seat) {
        (Way::Approve | Way::Refuse, Some(pending), _) => pending.wrong = Some(wrong),
        (Way::RevokeSeat, _, Some(seat)) => seat.wrong = Some(wrong),
        _ => return Err(Fault::Malformed { what: wrong }),
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
    body: JsonDecision,
) -> Result<Response, Fault> {
    session.must_admit()?;
    let token = headers
        .get(TOKEN_HEADER)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    session.check_form(&way.address(&peer), token)?;
    match decide(console, session, way, &peer, &body.reason, &body.text).await? {
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
    text: &str,
) -> Result<Result<(), String>, Fault> {
    for given in [reason, text].map(str::trim) {
        if given.chars().count() > REASON_CHARACTERS_MAX || given.contains('\0') {
            return Ok(Err(format!("理由不超过 {REASON_CHARACTERS_MAX} 个字")));
        }
    }
    let (node, actor, now) = (&console.node, &session.actor, console.now_us());
    let done = match way {
        Way::Approve => node.approve(peer, reason, actor, now).await,
        Way::Refuse => node.refuse(peer, reason, actor, now).await,
        Way::RevokeCode => node.revoke_code(peer, actor, now).await.map(drop),
        Way::RevokeSeat => {
            let Some(reason) = Reason::from_key(reason) else {
                return Ok(Err("请选择撤销的原因".to_owned()));
            };
            let revoked = node.revoke_seat(peer, reason, text, actor, now).await;
            revoked.map(drop)
        }
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
    for code in &mut list.codes {
        if present::admission::is_out(&code.state) {
            code.revoke_token = token(&code.id, Way::RevokeCode);
        }
    }
    for peer in &mut list.peers {
        if peer.state == REVOKED {
            continue;
        }
        peer.revoke_token = token(&peer.seat, Way::RevokeSeat);
    }
    Ok(list)
}

fn show(frame: &Frame, list: &Admissions) -> Result<Response, Fault> {
    let shell = frame.shell(Here::Admissions);
    frame.html(&AdmissionsPage {
        shell: &shell,
        list,
        reasons: &present::admission::reasons(),
    })
}
