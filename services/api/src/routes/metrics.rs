//! Paths for Prometheus.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, JSON, Route};
use crate::metrics;

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/metrics",
        operation: "metrics",
        summary: "Figures of the platform and of every container that the token may scrape, in Prometheus' text format.",
        parameters: &[],
        body: None,
        answer: Answer {
            status: 200,
            summary: "text format 0.0.4",
            content: &[("text/plain", None)],
            positioned: false,
            problems: &[400, 503],
        },
        needs: Action::Scrape,
        handler: |api, call| Box::pin(metrics::scrape(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/sd/prometheus",
        operation: "targets",
        summary: "Running containers whose descriptor has `metrics`, for Prometheus' HTTP service discovery.",
        parameters: &[],
        body: None,
        answer: Answer {
            status: 200,
            summary: "the whole list; a target is a container's address in its fleet's network",
            content: &[(JSON, Some("Targets"))],
            positioned: false,
            problems: &[400, 503],
        },
        needs: Action::Scrape,
        handler: |api, call| Box::pin(metrics::targets(api, call)),
    },
];
