//! Nodes and agents.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::document;
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::NodesPage;
use crate::present;
use crate::view::health::Health;
use crate::view::shell::Here;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    state: String,
}

type Given = Result<Query<Asked>, QueryRejection>;

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    asked: Given,
) -> Result<Response, Fault> {
    let health = look(&console, &session, asked?.0).await?;
    let shell = frame.shell(Here::Nodes);
    frame.html(&NodesPage {
        shell: &shell,
        health: &health,
    })
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    asked: Given,
) -> Result<Response, Fault> {
    let health = look(&console, &session, asked?.0).await?;
    document(&health, &headers, console.now_us())
}

async fn look(console: &Console, session: &Session, asked: Asked) -> Result<Health, Fault> {
    let only = match asked.state.as_str() {
        "" => None,
        key => Some(present::health::state(key).ok_or_else(|| Fault::unknown_filter("状态"))?),
    };
    let connected: HashSet<_> = console
        .options
        .links
        .all()
        .into_iter()
        .map(|(seat, _)| seat)
        .collect();
    let tree = console
        .node
        .health_tree(&connected, console.now_us())
        .await?;
    Ok(present::health::view(
        &console.node,
        &tree,
        only,
        session.account.role.department(),
    ))
}
