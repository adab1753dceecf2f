//! Paths about pull requests and forks.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, CURSOR, FLEET, IDEMPOTENCY_KEY, JSON, LIMIT, OWNER, Parameter, Place, Route, Shape, query};
use crate::{forks, pulls};

const NUMBER: Parameter =
    Parameter { name: "number", place: Place::Path, shape: Shape::Position, help: "the pull request's number" };
const DIFF: &str = "text/x-diff";

const fn one(status: u16, summary: &'static str) -> Answer {
    Answer {
        status,
        summary,
        content: &[(JSON, Some("Pull"))],
        positioned: true,
        problems: &[400, 404, 409, 503, 504, 507],
    }
}

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/pulls",
        operation: "pulls",
        summary: "A fleet's pull requests, the newest first, as the log has them.",
        parameters: &[
            OWNER,
            FLEET,
            query("status", Shape::Text, "only those that are `open`, `merged` or `closed`"),
            LIMIT,
            CURSOR,
        ],
        body: None,
        answer: Answer {
            status: 200,
            summary: "a page of pull requests",
            content: &[(JSON, Some("Pulls"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(pulls::list(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/pulls",
        operation: "open_pull",
        summary: "Ask to take a branch, of this fleet or of a fork, into a branch of this one.",
        parameters: &[OWNER, FLEET, IDEMPOTENCY_KEY],
        body: Some("PullWanted"),
        answer: one(201, "the pull request, checked and planned"),
        needs: Action::See,
        handler: |api, call| Box::pin(pulls::open(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/pulls/{number}",
        operation: "pull",
        summary: "One pull request, with its check and plan as they are now.",
        parameters: &[OWNER, FLEET, NUMBER],
        body: None,
        answer: one(200, "the pull request"),
        needs: Action::See,
        handler: |api, call| Box::pin(pulls::show(api, call)),
    },
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/pulls/{number}/diff",
        operation: "pull_diff",
        summary: "What it changes since both branches parted, as `git diff` shows it; at most 4 MiB.",
        parameters: &[OWNER, FLEET, NUMBER],
        body: None,
        answer: Answer {
            status: 200,
            summary: "the difference",
            content: &[(DIFF, None)],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(pulls::diff(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/pulls/{number}/approve",
        operation: "approve_pull",
        summary: "Say that it is good: this commit with this plan. Not for its author.",
        parameters: &[OWNER, FLEET, NUMBER, IDEMPOTENCY_KEY],
        body: Some("PullSeen"),
        answer: one(200, "the pull request with the approval"),
        needs: Action::Push,
        handler: |api, call| Box::pin(pulls::approve(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/pulls/{number}/merge",
        operation: "merge_pull",
        summary: "Take it in: by moving on where that is possible, else by a merge commit. 409 where it conflicts, has \
                  faults, lacks approvals, or has another plan than the one that was approved.",
        parameters: &[OWNER, FLEET, NUMBER, IDEMPOTENCY_KEY],
        body: Some("PullSeen"),
        answer: one(200, "the pull request, merged; its rollout follows as after a push"),
        needs: Action::Push,
        handler: |api, call| Box::pin(pulls::merge(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/pulls/{number}/close",
        operation: "close_pull",
        summary: "Leave it. For its author, and for who may push.",
        parameters: &[OWNER, FLEET, NUMBER, IDEMPOTENCY_KEY],
        body: None,
        answer: one(200, "the pull request, closed"),
        needs: Action::See,
        handler: |api, call| Box::pin(pulls::close(api, call)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/forks",
        operation: "fork",
        summary: "Begin a fleet as a copy of this one, with its history. Nothing of it is applied before its first push.",
        parameters: &[OWNER, FLEET, IDEMPOTENCY_KEY],
        body: Some("ForkWanted"),
        answer: Answer {
            status: 201,
            summary: "the fork",
            content: &[(JSON, Some("Fork"))],
            positioned: true,
            problems: &[400, 404, 409, 503, 504, 507],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(forks::fork(api, call)),
    },
];
