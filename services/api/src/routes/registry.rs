//! Paths about values through time, and about making projections anew.

use axum::http::Method;
use schemas::access::Action;

use super::{AT, Answer, CURSOR, FLEET, JSON, LIMIT, MIN_POSITION, OWNER, Parameter, Place, Route, Shape};
use crate::{replay, variables};

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/variables",
        operation: "variables",
        summary: "Every variable and every observed fact of a fleet, now or then, with since when it is so.",
        parameters: &[OWNER, FLEET, AT, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "every value, by path",
            content: &[(JSON, Some("Variables"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(variables::list(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/variables/{path}",
        operation: "variable",
        summary: "One variable or observed fact through time: the newest range first.",
        parameters: &[
            OWNER,
            FLEET,
            Parameter {
                name: "path",
                place: Place::Path,
                shape: Shape::Text,
                help: "such as `variables.app.region` or `containers.api.state`",
            },
            AT,
            LIMIT,
            CURSOR,
            MIN_POSITION,
        ],
        body: None,
        answer: Answer {
            status: 200,
            summary: "what it is at the position, and a page of what it was",
            content: &[(JSON, Some("Variable"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(variables::one(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/replay",
        operation: "replay",
        summary: "Make a projection anew from the log beside the one that grew, compare both, and swap them.",
        parameters: &[],
        body: Some("ReplayRequest"),
        answer: Answer {
            status: 200,
            summary: "both digests at one position, and how long it took; with `verify` nothing is swapped",
            content: &[(JSON, Some("Replay"))],
            positioned: true,
            problems: &[400, 503, 504],
        },
        needs: Action::Administer,
        handler: |api, call| Box::pin(replay::make(api, call)),
    },
];
