//! Paths about fleets: what should be, what is, and how one became the other.

use axum::http::Method;
use schemas::access::Action;

use super::{
    AT, Answer, CURSOR, FLEET, IDEMPOTENCY_KEY, JSON, LIMIT, MIN_POSITION, OWNER, Parameter, Place, Route, Shape,
};
use crate::{fleets, rollback, rollouts, update};

const ID: Parameter = Parameter { name: "id", place: Place::Path, shape: Shape::Id, help: "the rollout's id" };

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/fleets",
        operation: "fleets",
        summary: "Every fleet that one may see, in the order of their names.",
        parameters: &[LIMIT, CURSOR, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page of fleets",
            content: &[(JSON, Some("Fleets"))],
            positioned: true,
            problems: &[400, 503, 504],
        },
        needs: Action::Enter,
        handler: |api, call| Box::pin(fleets::list(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}",
        operation: "state",
        summary: "A fleet's desired and observed state, now or then.",
        parameters: &[OWNER, FLEET, AT, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "the fleet's state",
            content: &[(JSON, Some("State"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(fleets::state(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/rollouts",
        operation: "rollouts",
        summary: "A fleet's newest rollouts, the newest first.",
        parameters: &[OWNER, FLEET, LIMIT, CURSOR, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page of rollouts",
            content: &[(JSON, Some("Rollouts"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(rollouts::list(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/rollouts/{id}",
        operation: "rollout",
        summary: "One rollout with its steps.",
        parameters: &[OWNER, FLEET, ID, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "the rollout",
            content: &[(JSON, Some("Rollout"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(rollouts::one(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/rollouts/{id}/retry",
        operation: "retry_rollout",
        summary: "Try the newest rollout again, which has failed: planned anew against what is observed now.",
        parameters: &[OWNER, FLEET, ID, IDEMPOTENCY_KEY],
        body: None,
        answer: Answer {
            status: 202,
            summary: "the rollout that tries it again",
            content: &[(JSON, Some("Rollout"))],
            positioned: true,
            problems: &[400, 404, 409, 503],
        },
        needs: Action::Operate,
        handler: |api, call| Box::pin(rollouts::retry(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/rollback",
        operation: "rollback",
        summary: "What was desired before is desired again, and gets its rollout; the branch stays where it is.",
        parameters: &[OWNER, FLEET, IDEMPOTENCY_KEY],
        body: Some("RollbackWanted"),
        answer: Answer {
            status: 200,
            summary: "what it goes back to, and the plan",
            content: &[(JSON, Some("Rollback"))],
            positioned: true,
            problems: &[400, 404, 409, 503, 504],
        },
        needs: Action::Push,
        handler: |api, call| Box::pin(rollback::make(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/update",
        operation: "update",
        summary: "Resolve the tags of images anew, and roll out what they lead to now.",
        parameters: &[OWNER, FLEET, IDEMPOTENCY_KEY],
        body: Some("UpdateWanted"),
        answer: Answer {
            status: 200,
            summary: "which images change",
            content: &[(JSON, Some("Update"))],
            positioned: true,
            problems: &[400, 404, 409, 503],
        },
        needs: Action::Operate,
        handler: |api, call| Box::pin(update::make(api, call)),
    },
];
