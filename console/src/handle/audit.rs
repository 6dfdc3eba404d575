//! The record of acts: looking through it, and taking it away as a table. Both are acts themselves.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use node::command::actor::Action;
use node::query::audit::ActFilter;
use serde::Deserialize;

use super::document;
use crate::Console;
use crate::auth::Session;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::page::AuditPage;
use crate::present::audit::{self, EXPORT_ROWS_MAX, Question};
use crate::text;
use crate::view::PAGE_ROWS;
use crate::view::audit::Acts;
use crate::view::shell::Here;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    account: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    before: Option<String>,
}

type Given = Result<Query<Asked>, QueryRejection>;

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    session: Session,
    frame: Frame,
    asked: Given,
) -> Result<Response, Fault> {
    let acts = look(&console, &session, asked).await?;
    let shell = frame.shell(Here::Audit);
    frame.html(&AuditPage {
        shell: &shell,
        acts: &acts,
    })
}

pub(crate) async fn json(
    State(console): State<Arc<Console>>,
    session: Session,
    headers: HeaderMap,
    asked: Given,
) -> Result<Response, Fault> {
    let acts = look(&console, &session, asked).await?;
    document(&acts, &headers, console.now_us())
}

pub(crate) async fn export(
    State(console): State<Arc<Console>>,
    session: Session,
    asked: Given,
) -> Result<Response, Fault> {
    session.must_audit()?;
    let (_, filter, _) = read(asked?.0)?;
    let now = console.now_us();
    let found = console
        .node
        .export_acts(&filter, EXPORT_ROWS_MAX, &session.actor, now)
        .await?;
    let mut response = audit::csv(found).into_response();
    let name = format!(
        "attachment; filename=\"audit-{}.csv\"",
        text::day(now).replace('-', "")
    );
    let all = response.headers_mut();
    for (key, value) in [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, &name),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            all.insert(key, value);
        }
    }
    Ok(response)
}

async fn look(console: &Console, session: &Session, asked: Given) -> Result<Acts, Fault> {
    session.must_audit()?;
    let (question, filter, before) = read(asked?.0)?;
    let found = console
        .node
        .view_acts(&filter, before, PAGE_ROWS, &session.actor, console.now_us())
        .await?;
    Ok(audit::view(&question, before, found))
}

fn read(asked: Asked) -> Result<(Question, ActFilter, Option<u64>), Fault> {
    let question = Question {
        account: asked.account.trim().to_owned(),
        action: asked.action,
        object: asked.object.trim().to_owned(),
        from: asked.from.trim().to_owned(),
        to: asked.to.trim().to_owned(),
    };
    let action = match question.action.as_str() {
        "" => None,
        key => Some(Action::from_key(key).ok_or_else(|| Fault::unknown_filter("操作"))?),
    };
    let day = |typed: &str, days: i64| match typed {
        "" => Ok(None),
        typed => text::day_begin(typed, days)
            .map(Some)
            .ok_or_else(|| Fault::Malformed {
                what: "日期应写成 2026-11-30 这样".to_owned(),
            }),
    };
    let filter = ActFilter {
        account: Some(question.account.clone()).filter(|a| !a.is_empty()),
        action,
        object: question.object.clone(),
        from_us: day(&question.from, 0)?,
        // the last day belongs to it
        until_us: day(&question.to, 1)?,
        period: match (question.from.as_str(), question.to.as_str()) {
            ("", "") => String::new(),
            (from, to) => format!("{from} 至 {to}"),
        },
    };
    let before = match asked.before.as_deref() {
        None | Some("") => None,
        Some(number) => Some(number.parse().map_err(|_| Fault::unknown_filter("序号"))?),
    };
    Ok((question, filter, before))
}
