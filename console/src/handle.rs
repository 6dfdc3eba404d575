//! Handlers: extract, ask `node`, present, render. Pages and JSON documents are made from the same views.

pub(crate) mod accounts;
pub(crate) mod admissions;
pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod dossier;
pub(crate) mod entities;
pub(crate) mod nodes;
pub(crate) mod other;
pub(crate) mod password;
pub(crate) mod refusals;
pub(crate) mod sign;
pub(crate) mod unsettled;

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::hash;
use serde::Serialize;

use crate::fault::Fault;
use crate::text;

/// A view as JSON with an entity tag over it; 304 if the asker has it already. The time of the figures is a header, so that
/// figures that did not change have the same tag. Nobody on the way may keep it, as with pages: there are people in it.
fn document(view: &impl Serialize, headers: &HeaderMap, now_us: i64) -> Result<Response, Fault> {
    let body = serde_json::to_vec(view).map_err(|error| Fault::Here {
        what: error.to_string(),
    })?;
    let tag = format!("\"{}\"", &hash::sha256(&[&body]).to_string()[..24]);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|k| k.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (
            [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
            body,
        )
            .into_response()
    };
    let all = response.headers_mut();
    all.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        (header::ETAG, tag),
        (
            HeaderName::from_static("zongheng-as-of"),
            text::clock(now_us),
        ),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            all.insert(name, value);
        }
    }
    Ok(response)
}

impl From<QueryRejection> for Fault {
    fn from(_: QueryRejection) -> Self {
        Self::Malformed {
            what: "地址中的查询条件无法识别".to_owned(),
        }
    }
}

impl From<PathRejection> for Fault {
    fn from(_: PathRejection) -> Self {
        Self::Malformed {
            what: "地址无法识别".to_owned(),
        }
    }
}

impl From<FormRejection> for Fault {
    fn from(_: FormRejection) -> Self {
        Self::Malformed {
            what: "表单内容无法识别或过长".to_owned(),
        }
    }
}

/// The number of a page as typed; the first for anything else.
fn page_number(text: Option<&String>) -> u32 {
    text.and_then(|t| t.parse().ok())
        .filter(|n| *n > 0)
        .unwrap_or(1)
}
