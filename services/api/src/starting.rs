//! What is answered where there is no API: while the platform is on its way up, and by a process that serves another
//! service.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::Problem;
use crate::{Look, health, reply};

/// Alive, not ready, and nothing else.
pub fn starting() -> Router {
    Router::new()
        .route("/healthz", get(async || health::alive().await.unwrap_or_else(IntoResponse::into_response)))
        .route("/readyz", get(not_ready))
        .fallback(async || Problem::starting())
}

/// Whether the process is alive and its services are ready, and nothing else: for one that does not serve the API.
pub fn bare(services: Vec<(&'static str, Look)>) -> Router {
    let services: Arc<[_]> = services.into();
    Router::new()
        .route("/healthz", get(async || health::alive().await.unwrap_or_else(IntoResponse::into_response)))
        .route("/readyz", get(async move || health::looked(&services).unwrap_or_else(IntoResponse::into_response)))
        .fallback(async |uri: Uri| Problem::not_served_here(uri.path()))
}

async fn not_ready() -> Response {
    let shape = health::readiness(false, &BTreeMap::from([("platform", Some("starting".to_owned()))]));
    reply::json(StatusCode::SERVICE_UNAVAILABLE, &shape).unwrap_or_else(IntoResponse::into_response)
}
