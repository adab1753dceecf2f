//! What is asked of Git about the way back: `req.git.rollback`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::At;
use crate::access::Who;
use crate::check::Fault;
use crate::names::{FleetId, Oid};
use crate::plan::Plan;

/// `req.git.rollback`: what was desired before is desired again, or only a plan of that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RollbackRequest {
    /// Whose.
    pub fleet: FleetId,
    /// When it was desired; none: by the last rollout before the current one that succeeded.
    pub to: Option<At>,
    /// Why, for the log.
    pub reason: Option<String>,
    /// Only say what would be done.
    pub only_plan: bool,
    /// Id of the event `desired.rolled_back`: asked for again, it is the same rollback.
    pub id: Uuid,
    /// Who asks; heeded where nothing has `failed`.
    pub who: Who,
    /// The rollout because of which the platform itself asks, as the fleet's `on_failure` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedRollout>,
}

/// A rollout that has failed, and that nothing newer has left behind where what it applied is to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRollout {
    /// Which.
    pub rollout: Uuid,
    /// Id of its `rollout.failed`.
    pub event: Uuid,
    /// Position of that.
    pub position: u64,
}

/// The answer to [`RollbackRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RollbackAnswer {
    /// Position of the event; where it is only a plan, of the state that it was planned against.
    pub position: u64,
    /// Id of the event; none: it is only a plan.
    pub event: Option<Uuid>,
    /// The commit that is desired again.
    pub commit: Oid,
    /// The commit that was desired until then.
    pub from: Oid,
    /// A position at which `commit` was desired, whose state is taken up again.
    pub to: u64,
    /// Commits that are withdrawn, the newest first.
    pub withdrawn: Vec<Oid>,
    /// What is to be done; none: asked for again, it is done already.
    pub plan: Option<Plan>,
    /// The same as people read it, with what does not go back; empty where there is no plan.
    pub text: String,
    /// What a push of the same would be refused for, or warned of.
    pub warnings: Vec<Fault>,
}
