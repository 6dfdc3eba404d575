//! Style sheet, modules and icon: never changing under their names.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(crate) async fn file(Path(name): Path<String>) -> Response {
    match crate::assets::file(&name) {
        Some((content_type, bytes)) => {
            let headers = [
                (header::CONTENT_TYPE, content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, "没有这个文件\n").into_response(),
    }
}
