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
    let found = console.node.dossier(&subject).await?;
    let Some(mut found) = found else {
        return Err(Fault::NoSuch {
            what: "本节点没有这个主体的档案".to_owned(),
            next: "它可能归其他区管辖，或还没有部门报送。请用名称、代码或注册号重新查询。"
                .to_owned(),
        });
    };
    if let Some(own) = session.account.role.department() {
        found.refusals.retain(|r| r.department == own);
    }
    Ok(present::dossier::view(&console.node, &subject, &found, now))
}
