//! Paths about what would be.

use axum::http::Method;
use schemas::access::Action;

use super::{Answer, FLEET, JSON, MIN_POSITION, OWNER, Route};
use crate::plan;

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::POST,
    path: "/v1/fleets/{owner}/{fleet}/plan",
    operation: "plan",
    summary: "What a pushed commit, or a tree of descriptors, would change; changes nothing.",
    parameters: &[OWNER, FLEET, MIN_POSITION],
    body: Some("PlanRequest"),
    answer: Answer {
        status: 200,
        summary: "what would be done, and the same in a push's words; 422 with all `faults` where a push were refused",
        content: &[(JSON, Some("Plan"))],
        positioned: true,
        problems: &[400, 404, 409, 422, 503, 504],
    },
    needs: Action::Plan,
    handler: |api, call| Box::pin(plan::make(api, call)),
}];
