//! Text size, the list of keys, and addresses that do not exist.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::sign::local;
use crate::fault::Fault;
use crate::frame::{Frame, TEXT_COOKIE};
use crate::page::KeysPage;
use crate::view::shell::{Here, TextSize};

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    back: String,
}

/// Remembers the size for a year and goes back.
pub(crate) async fn text_size(
    frame: Frame,
    size: Result<Path<String>, PathRejection>,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Response, Fault> {
    let size = TextSize::from_key(&size?.0);
    let mut response = Redirect::to(&local(&back?.0.back)).into_response();
    let cookie = frame.cookie(TEXT_COOKIE, size.key(), "/", Some(31_536_000));
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

pub(crate) async fn keys(frame: Frame) -> Result<Response, Fault> {
    let shell = frame.shell(Here::Elsewhere);
    frame.html(&KeysPage { shell: &shell })
}

pub(crate) async fn not_found() -> Fault {
    Fault::NoPage
}

pub(crate) async fn wrong_method() -> Fault {
    Fault::WrongMethod
}
