//! Entity search.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::{document, page_number};
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::EntitiesPage;
use crate::present;
use crate::view::PAGE_ROWS;
use crate::view::entity::Search;
use crate::view::shell::Here;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    page: Option<String>,
}

type Given = Result<Query<Asked>, QueryRejection>;

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    asked: Given,
) -> Result<Response, Fault> {
    let search = look(&console, &session, asked?.0).await?;
    let shell = frame.shell(Here::Entities);
    frame.html(&EntitiesPage {
        shell: &shell,
        search: &search,
    })
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    asked: Given,
) -> Result<Response, Fault> {
    let search = look(&console, &session, asked?.0).await?;
    document(&search, &headers, console.now_us())
}

async fn look(console: &Console, session: &Session, asked: Asked) -> Result<Search, Fault> {
    let page = page_number(asked.page.as_ref());
    let found = console
        .node
        .view_search(
            &asked.q,
            (page, PAGE_ROWS),
            &session.actor,
            console.now_us(),
        )
        .await?;
    Ok(present::entity::view(&console.node, &asked.q, page, found))
}
