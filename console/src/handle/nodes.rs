//! Nodes and agents.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::document;
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::NodesPage;
use crate::present;
use crate::view::health::Health;
use crate::view::shell::Here;

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    _: Session,
    frame: Frame,
) -> Result<Response, Fault> {
    let health = look(&console).await?;
    let shell = frame.shell(Here::Nodes);
    frame.html(&NodesPage {
        shell: &shell,
        health: &health,
    })
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    _: Session,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let health = look(&console).await?;
    document(&health, &headers, console.now_us())
}

async fn look(console: &Console) -> Result<Health, Fault> {
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
    Ok(present::health::view(&tree))
}
