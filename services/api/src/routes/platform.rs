//! Paths about the platform itself.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, JSON, Route};
use crate::{health, openapi, welcome};

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/",
        operation: "welcome",
        summary: "What this is, and where to go.",
        parameters: &[],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page for people",
            content: &[("text/html", None)],
            positioned: false,
            problems: &[],
        },
        needs: Action::Open,
        handler: |_, _| Box::pin(welcome::page()),
    },
    Route {
        method: Method::GET,
        path: "/healthz",
        operation: "health",
        summary: "Whether the process is alive.",
        parameters: &[],
        body: None,
        answer: Answer {
            status: 200,
            summary: "it is alive",
            content: &[(JSON, Some("Health"))],
            positioned: false,
            problems: &[],
        },
        needs: Action::Open,
        handler: |_, _| Box::pin(health::alive()),
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        operation: "readiness",
        summary: "Whether every service is ready, and why not; 503 with the same shape while one is not.",
        parameters: &[],
        body: None,
        answer: Answer {
            status: 200,
            summary: "every service is ready",
            content: &[(JSON, Some("Readiness"))],
            positioned: false,
            problems: &[],
        },
        needs: Action::Open,
        handler: |api, _| Box::pin(health::ready(api)),
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        operation: "contract",
        summary: "This contract.",
        parameters: &[],
        body: None,
        answer: Answer {
            status: 200,
            summary: "OpenAPI 3.1",
            content: &[(JSON, None)],
            positioned: false,
            problems: &[],
        },
        needs: Action::Open,
        handler: |_, _| Box::pin(openapi::serve()),
    },
];
