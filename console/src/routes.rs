//! The whole URL map.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::Console;
use crate::frame;
use crate::handle::{
    accounts, admissions, assets, audit, dossier, entities, nodes, other, password, refusals, sign,
    unsettled,
};

/// Bytes of a request's body: forms of a few fields.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 10;

pub(crate) fn router(console: Arc<Console>) -> Router {
    Router::new()
        .route("/", get(nodes::page))
        .route("/nodes", get(nodes::page))
        .route("/entities", get(entities::page))
        .route("/entities/{subject}", get(dossier::page))
        .route("/unsettled", get(unsettled::page))
        .route("/refusals", get(refusals::page))
        .route("/admissions", get(admissions::page))
        .route("/admissions/{peer}/approve", post(admissions::approve))
        .route("/admissions/{peer}/refuse", post(admissions::refuse))
        .route(
            "/admissions/codes/{code}/revoke",
            post(admissions::revoke_code),
        )
        .route(
            "/admissions/seats/{seat}/revoke",
            post(admissions::revoke_seat),
        )
        .route("/accounts", get(accounts::page).post(accounts::open))
        .route("/accounts/{account}", get(accounts::one))
        .route("/accounts/{account}/{change}", post(accounts::change))
        .route("/audit", get(audit::page))
        .route("/audit/export", get(audit::export))
        .route("/password", get(password::page).post(password::change))
        .route("/sign-in", get(sign::form).post(sign::sign_in))
        .route("/sign-out", post(sign::sign_out))
        .route("/text-size/{size}", get(other::text_size))
        .route("/keys", get(other::keys))
        .route("/api/v1/nodes", get(nodes::json))
        .route("/api/v1/entities", get(entities::json))
        .route("/api/v1/entities/{subject}", get(dossier::json))
        .route("/api/v1/unsettled", get(unsettled::json))
        .route("/api/v1/refusals", get(refusals::json))
        .route("/api/v1/accounts", get(accounts::json))
        .route("/api/v1/audit", get(audit::json))
        .route("/api/v1/audit/export", get(audit::export))
        .route("/api/v1/admissions", get(admissions::json))
        .route(
            "/api/v1/admissions/{peer}/approve",
            post(admissions::approve_json),
        )
        .route(
            "/api/v1/admissions/{peer}/refuse",
            post(admissions::refuse_json),
        )
        .route(
            "/api/v1/admissions/codes/{code}/revoke",
            post(admissions::revoke_code_json),
        )
        .route(
            "/api/v1/admissions/seats/{seat}/revoke",
            post(admissions::revoke_seat_json),
        )
        .fallback(other::not_found)
        .method_not_allowed_fallback(other::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            console.clone(),
            frame::visitor,
        ))
        // assets need no account and no look-up
        .route("/static/{name}", get(assets::file))
        .layer(middleware::from_fn_with_state(
            console.clone(),
            frame::headers,
        ))
        .with_state(console)
}
