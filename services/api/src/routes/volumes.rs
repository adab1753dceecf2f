//! Paths of volumes: what there is, and what is done to one by hand.

use axum::http::Method;
use schemas::access::Action;
use schemas::operate::Operation;

use super::{Answer, FLEET, IDEMPOTENCY_KEY, JSON, MIN_POSITION, OWNER, Parameter, Route, Shape, path, query};
use crate::volumes;

const NAME: Parameter = path("name", "the volume's name");

/// What is answered to something that is done to a volume.
const TOUCHED: Answer = Answer {
    status: 200,
    summary: "what came of it: also that it failed, or that nobody knows",
    content: &[(JSON, Some("VolumeOperated"))],
    positioned: true,
    problems: &[400, 404, 409, 503],
};

/// The paths, in the order in which the contract shows them.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/v1/fleets/{owner}/{fleet}/volumes",
        operation: "volumes",
        summary: "The volumes that are there, who mounts them, and their snapshots.",
        parameters: &[OWNER, FLEET, MIN_POSITION],
        body: None,
        answer: Answer {
            status: 200,
            summary: "every volume; there is only one page",
            content: &[(JSON, Some("Volumes"))],
            positioned: true,
            problems: &[400, 404, 503, 504],
        },
        needs: Action::See,
        handler: |api, call| Box::pin(volumes::list(api, call)),
    },
    Route {
        method: Method::DELETE,
        path: "/v1/fleets/{owner}/{fleet}/volumes/{name}",
        operation: "remove_volume",
        summary: "Remove a volume that nothing mounts, with its data; or one of its snapshots.",
        parameters: &[
            OWNER,
            FLEET,
            NAME,
            query("snapshot", Shape::Label, "only this snapshot of it"),
            query("reason", Shape::Label, "why, for the log"),
            IDEMPOTENCY_KEY,
        ],
        body: None,
        answer: TOUCHED,
        needs: Action::Push,
        handler: |api, call| Box::pin(volumes::touch(api, call, Operation::RemoveVolume)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/volumes/{name}/snapshots",
        operation: "snapshot_volume",
        summary: "Copy what a volume holds beside it; nothing that has it may run meanwhile.",
        parameters: &[OWNER, FLEET, NAME, IDEMPOTENCY_KEY],
        body: Some("Operation"),
        answer: TOUCHED,
        needs: Action::Operate,
        handler: |api, call| Box::pin(volumes::touch(api, call, Operation::SnapshotVolume)),
    },
    Route {
        method: Method::POST,
        path: "/v1/fleets/{owner}/{fleet}/volumes/{name}/restore",
        operation: "restore_volume",
        summary: "Let a volume hold again what one of its snapshots has; what it holds now is copied first.",
        parameters: &[OWNER, FLEET, NAME, IDEMPOTENCY_KEY],
        body: Some("VolumeRestore"),
        answer: TOUCHED,
        needs: Action::Push,
        handler: |api, call| Box::pin(volumes::touch(api, call, Operation::RestoreVolume)),
    },
];
