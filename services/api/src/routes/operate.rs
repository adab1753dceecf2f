//! Paths of operators' hands: what is done to a container beside every push, and what is left alone.

use axum::http::Method;
use schemas::access::Action;
use schemas::operate::Operation;

use super::{Answer, FLEET, IDEMPOTENCY_KEY, JSON, MIN_POSITION, OWNER, Parameter, Route, path};
use crate::operate;

const NAME: Parameter = path("name", "the container's name");

/// What an operation answers, whichever it is.
const OPERATED: Answer = Answer {
    status: 200,
    summary: "what came of it: also that it failed, or that nobody knows",
    content: &[(JSON, Some("Operated"))],
    positioned: true,
    problems: &[400, 404, 503],
};

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/containers/{name}/restart",
        operation: "restart_container",
        summary: "Stop a container in its own way and start it again; the log says who and why.",
        parameters: &[OWNER, FLEET, NAME, IDEMPOTENCY_KEY],
        body: Some("Operation"),
        answer: OPERATED,
        needs: Action::Operate,
        handler: |api, call| Box::pin(operate::operate(api, call, Operation::Restart)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/containers/{name}/stop",
        operation: "stop_container",
        summary: "Stop a container, and hold it until it is started.",
        parameters: &[OWNER, FLEET, NAME, IDEMPOTENCY_KEY],
        body: Some("Operation"),
        answer: OPERATED,
        needs: Action::Operate,
        handler: |api, call| Box::pin(operate::operate(api, call, Operation::Stop)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/containers/{name}/start",
        operation: "start_container",
        summary: "Start a container, and end the hold of its stop: what that kept from being done is rolled out.",
        parameters: &[OWNER, FLEET, NAME, IDEMPOTENCY_KEY],
        body: Some("Operation"),
        answer: OPERATED,
        needs: Action::Operate,
        handler: |api, call| Box::pin(operate::operate(api, call, Operation::Start)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/containers/{name}/exec",
        operation: "exec_in_container",
        summary: "Run a command in a container, without input, and answer what it wrote once it has ended.",
        parameters: &[OWNER, FLEET, NAME, IDEMPOTENCY_KEY],
        body: Some("Exec"),
        answer: OPERATED,
        // It sees and changes whatever the container can, its environment included.
        needs: Action::Push,
        handler: |api, call| Box::pin(operate::operate(api, call, Operation::Exec)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/holds",
        operation: "holds",
        summary: "What is left alone: until when, by whom and why.",
        parameters: &[OWNER, FLEET, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "every hold; there is only one page",
            content: &[(JSON, Some("Holds"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(operate::holds(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/holds",
        operation: "place_hold",
        summary: "Leave a container alone: no rollout touches it and no drift of it is told, until the hold ends.",
        parameters: &[OWNER, FLEET, IDEMPOTENCY_KEY],
        body: Some("HoldWanted"),
        answer: Answer {
            status: 201,
            summary: "the hold, in place of one that was there",
            content: &[(JSON, Some("Hold"))],
            positioned: true,
            problems: &[400, 404, 503],
        },
        needs: Action::Operate,
        handler: |api, call| Box::pin(operate::place(api, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/fleets/{owner}/{fleet}/holds/containers/{name}",
        operation: "end_hold",
        summary: "End a hold before its time: what it kept from being done is rolled out.",
        parameters: &[OWNER, FLEET, NAME, IDEMPOTENCY_KEY],
        body: None,
        answer: Answer {
            status: 200,
            summary: "the hold that is over",
            content: &[(JSON, Some("Hold"))],
            positioned: true,
            problems: &[400, 404, 409, 503],
        },
        needs: Action::Operate,
        handler: |api, call| Box::pin(operate::end(api, call)),
    },
];
