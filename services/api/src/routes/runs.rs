//! Paths about tasks and their runs.

use axum::http::Method;
use schemas::access::Action;

use super::{
    Answer, CURSOR, FLEET, IDEMPOTENCY_KEY, JSON, LIMIT, MIN_POSITION, OWNER, Parameter, Place, Route, Shape, path,
    query,
};
use crate::runs;

const ID: Parameter = Parameter { name: "id", place: Place::Path, shape: Shape::Id, help: "the run's id" };

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/tasks",
        operation: "tasks",
        summary: "A fleet's tasks, when each runs next, and what came of its last run.",
        parameters: &[OWNER, FLEET, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "every task; there is only one page",
            content: &[(JSON, Some("Tasks"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(runs::tasks(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/tasks/{name}/runs",
        operation: "start_run",
        summary: "Run a task as the deploy branch defines it now.",
        parameters: &[OWNER, FLEET, path("name", "the task's name"), IDEMPOTENCY_KEY],
        body: None,
        answer: Answer {
            status: 202,
            summary: "the run, which will end one way",
            content: &[(JSON, Some("Run"))],
            positioned: true,
            problems: &[400, 404, 409, 503, 507],
        },
        needs: Action::Operate,
        handler: |api, call| Box::pin(runs::start(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/runs",
        operation: "runs",
        summary: "A fleet's newest runs, the newest first.",
        parameters: &[OWNER, FLEET, query("task", Shape::Label, "only of this task"), LIMIT, CURSOR, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page of runs",
            content: &[(JSON, Some("Runs"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(runs::list(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/runs/{id}",
        operation: "run",
        summary: "One run with its steps.",
        parameters: &[OWNER, FLEET, ID, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "the run",
            content: &[(JSON, Some("Run"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(runs::one(api, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/fleets/{owner}/{fleet}/runs/{id}",
        operation: "cancel_run",
        summary: "Cancel a run: its step is asked to end, and killed after its grace. One that has ended stays as it is.",
        parameters: &[OWNER, FLEET, ID],
        body: None,
        answer: Answer {
            status: 202,
            summary: "the run as it stands; it ends soon",
            content: &[(JSON, Some("Run"))],
            positioned: true,
            problems: &[400, 404, 503],
        },
        needs: Action::Operate,
        handler: |api, call| Box::pin(runs::cancel(api, call)),
    },
];
