//! Refused reports.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use node::query::refusal::RefusalFilter;
use protocol::name::SeatId;
use serde::Deserialize;

use super::{document, page_number};
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::RefusalsPage;
use crate::present;
use crate::view::PAGE_ROWS;
use crate::view::refusal::Refusals;
use crate::view::shell::Here;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    department: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    seat: String,
    #[serde(default)]
    node: String,
    #[serde(default)]
    subject: String,
    page: Option<String>,
}

type Given = Result<Query<Asked>, QueryRejection>;

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    asked: Given,
) -> Result<Response, Fault> {
    let list = look(&console, &session, asked?.0).await?;
    let shell = frame.shell(Here::Refusals);
    frame.html(&RefusalsPage {
        shell: &shell,
        list: &list,
    })
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    asked: Given,
) -> Result<Response, Fault> {
    let list = look(&console, &session, asked?.0).await?;
    document(&list, &headers, console.now_us())
}

async fn look(console: &Console, session: &Session, asked: Asked) -> Result<Refusals, Fault> {
    let seat = |hex: &str, what: &str| match hex {
        "" => Ok(None),
        hex => SeatId::from_hex(hex)
            .map(Some)
            .ok_or_else(|| Fault::unknown_filter(what)),
    };
    let some = |text: String| Some(text).filter(|t| !t.is_empty());
    let filter = RefusalFilter {
        department: session.refusals_of(&asked.department)?,
        seat: seat(&asked.seat, "来源")?,
        node: seat(&asked.node, "节点")?,
        reason: some(asked.reason),
        subject: some(asked.subject),
        open: match asked.state.as_str() {
            "" | "open" => Some(true),
            "closed" => Some(false),
            "all" => None,
            _ => return Err(Fault::unknown_filter("状态")),
        },
    };
    let page = page_number(asked.page.as_ref());
    let found = console
        .node
        .view_refusals(&filter, (page, PAGE_ROWS), &session.actor, console.now_us())
        .await?;
    let only = session.account.role.department();
    Ok(present::refusal::view(
        &console.node,
        &filter,
        only,
        page,
        found,
    ))
}
