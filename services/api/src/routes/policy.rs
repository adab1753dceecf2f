//! Paths about an owner's policy.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, IDEMPOTENCY_KEY, JSON, MIN_POSITION, Parameter, Route, path};
use crate::policy;

const OWNER: Parameter = path("owner", "whose");

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/owners/{owner}/policy",
        operation: "policy",
        summary: "What no push to a deploy branch of an owner's fleets may bring.",
        parameters: &[OWNER, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "the policy; one that guards nothing where none was ever set",
            content: &[(JSON, Some("Policy"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(policy::show(api, call)),
    },
    Route {
        method: Method::PUT,
        path: "/v1/owners/{owner}/policy",
        operation: "set_policy",
        summary: "Give an owner another policy, all of it: what is left out is not guarded any more.",
        parameters: &[OWNER, IDEMPOTENCY_KEY],
        body: Some("Policy"),
        answer: Answer {
            status: 200,
            summary: "the policy; pushes that begin after this are held to it",
            content: &[(JSON, Some("Policy"))],
            positioned: true,
            problems: &[400, 404, 409, 422, 503],
        },
        needs: Action::Govern,
        handler: |api, call| Box::pin(policy::set(api, call)),
    },
];
