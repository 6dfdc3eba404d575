//! Entities for a person to settle.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use node::query::unsettled::UnsettledFilter;
use serde::Deserialize;
use supervision::conclude::unsettled::Unsettled;

use super::{document, page_number};
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::UnsettledPage;
use crate::present;
use crate::view::PAGE_ROWS;
use crate::view::shell::Here;
use crate::view::unsettled::UnsettledList;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    department: String,
    #[serde(default)]
    reason: String,
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
    let shell = frame.shell(Here::Unsettled);
    frame.html(&UnsettledPage {
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

async fn look(console: &Console, session: &Session, asked: Asked) -> Result<UnsettledList, Fault> {
    let reason = match asked.reason.as_str() {
        "" => None,
        code => Some(Unsettled::from_code(code).ok_or_else(|| Fault::unknown_filter("原因"))?),
    };
    let filter = UnsettledFilter {
        department: session.unsettled_of(&asked.department)?,
        reason,
    };
    let page = page_number(asked.page.as_ref());
    let found = console
        .node
        .view_unsettled(&filter, (page, PAGE_ROWS), &session.actor, console.now_us())
        .await?;
    let only = session.account.role.department();
    Ok(present::unsettled::view(
        &console.node,
        &filter,
        only,
        found,
    ))
}
