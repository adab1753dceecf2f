//! What is answered while the platform is on its way up: alive, not ready.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::Problem;
use crate::{health, reply};

/// Alive, not ready, and nothing else.
pub fn starting() -> Router {
    Router::new()
        .route("/healthz", get(async || health::alive().await.unwrap_or_else(IntoResponse::into_response)))
        .route("/readyz", get(not_ready))
        .fallback(async || Problem::starting())
}

async fn not_ready() -> Response {
    let shape = health::readiness(false, &BTreeMap::from([("platform", Some("starting".to_owned()))]));
    reply::json(StatusCode::SERVICE_UNAVAILABLE, &shape).unwrap_or_else(IntoResponse::into_response)
}
