//! The dossier of an entity.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::document;
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::DossierPage;
use crate::present;
use crate::view::dossier::Dossier;
use crate::view::shell::Here;

/// Former looks that are shown to whoever may see them.
const VIEWS_SHOWN: usize = 20;

type Given = Result<Path<String>, PathRejection>;

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    subject: Given,
) -> Result<Response, Fault> {
    let dossier = look(&console, &session, subject?.0).await?;
    let shell = frame.shell(Here::Entities);
    frame.html(&DossierPage {
        shell: &shell,
        dossier: &dossier,
    })
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    subject: Given,
) -> Result<Response, Fault> {
    let dossier = look(&console, &session, subject?.0).await?;
    document(&dossier, &headers, console.now_us())
}

async fn look(console: &Console, session: &Session, subject: String) -> Result<Dossier, Fault> {
    let now = console.now_us();
    let (node, role) = (&console.node, &session.account.role);
    // those before this one
    let views = if role.audits() {
        Some(node.dossier_views(&subject, VIEWS_SHOWN).await?)
    } else {
        None
    };
    let found = node
        .view_dossier(&subject, role, &session.actor, now)
        .await?;
    let Some(found) = found else {
        return Err(Fault::NoSuch {
            what: "本节点没有这个主体的档案".to_owned(),
            next: "它可能归其他区管辖，或还没有部门报送。请用名称、代码或注册号重新查询。"
                .to_owned(),
        });
    };
    let mut dossier = present::dossier::view(node, &subject, &found, now);
    let unsettled = node.unsettled_of(&subject).await?;
    dossier.unsettled = unsettled.map(|found| present::unsettled::entity(node, &found));
    dossier.views = views.map(|views| present::dossier::views(&views));
    Ok(dossier)
}
