//! `GET /healthz` and `GET /readyz`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::{Api, Look, reply};

/// The process is alive: it answers.
pub(crate) async fn alive() -> Result<Response, Problem> {
    reply::json(StatusCode::OK, &json!({ "status": "alive" }))
}

/// Ready only where every service is.
pub(crate) async fn ready(api: Api) -> Result<Response, Problem> {
    looked(&api.services)
}

/// What a look at each of them shows.
pub(crate) fn looked(services: &[(&'static str, Look)]) -> Result<Response, Problem> {
    let looks = services.iter().map(|(name, look)| (*name, look()));
    let services: BTreeMap<_, _> = looks.collect();
    let ready = services.values().all(Option::is_none);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply::json(status, &readiness(ready, &services))
}

/// The shape of `/readyz`.
pub(crate) fn readiness(ready: bool, services: &BTreeMap<&'static str, Option<String>>) -> Value {
    let shown: BTreeMap<_, _> =
        services.iter().map(|(name, why)| (name, json!({ "ready": why.is_none(), "reason": why }))).collect();
    json!({ "ready": ready, "version": env!("CARGO_PKG_VERSION"), "services": shown })
}
