//! Rollouts: desired state applied to the world.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::images::Resolved;
use crate::names::{NodeName, Oid};
use crate::plan::Step;

/// What a rollout will do. Its event's id is the rollout's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutPlanned {
    /// The commit that it applies.
    pub commit: Oid,
    /// Position of the `git.pushed` or `desired.rolled_back` that it applies.
    pub desired: u64,
    /// Position of the observed state that it was planned against.
    pub observed: u64,
    /// The coordinator's epoch.
    pub epoch: u64,
    /// Where.
    pub node: NodeName,
    /// What; empty where the world already is as it should be.
    pub steps: Vec<Step>,
    /// The failed rollout of the same push that this one tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<Uuid>,
    /// It heals: nothing new is desired, and what another hand changed is put right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heals: bool,
}

/// Somebody asked for a rollout that had failed to be tried again. Its actor is who asked; the next rollout is planned
/// because of it, and has the id that [`RolloutRetried::leads_to`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutRetried {
    /// The rollout that had failed.
    pub rollout: Uuid,
    /// The commit that is applied again.
    pub commit: Oid,
    /// Position of its `git.pushed`.
    pub desired: u64,
}

impl RolloutRetried {
    /// Id of the rollout that follows from the event with this id: whoever plans it, it is one.
    pub fn leads_to(event: Uuid) -> Uuid {
        // A namespace of our own, so that our ids meet nobody else's.
        const RETRIES: Uuid = Uuid::from_u128(0x6c0d_11b7_2f86_4a52_8e0f_7f5a_90cd_33e4);
        Uuid::new_v5(&RETRIES, event.as_bytes())
    }
}

/// The first step is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStarted {
    /// Which rollout.
    pub rollout: Uuid,
}

/// A new coordinator carries on with an unfinished rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutResumed {
    /// Which rollout.
    pub rollout: Uuid,
    /// The new coordinator's epoch.
    pub epoch: u64,
}

/// A step moved on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStep {
    /// Which rollout.
    pub rollout: Uuid,
    /// Which of its steps, counted from 0.
    pub step: u32,
    /// How it stands.
    pub status: StepStatus,
    /// The cause of a failure, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Sequence in `OBS` of the agent's answer, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obs: Option<u64>,
    /// The image that its container has, once it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Resolved>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Not yet its turn. Never in an event.
    Waiting,
    /// Sent to its node.
    Started,
    /// Done: Docker shows it.
    Succeeded,
    /// It could not be done.
    Failed,
    /// Its turn came while its container was on hold: it was left out.
    Held,
}

impl StepStatus {
    /// Whether what comes after it need not wait for it any more.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Succeeded | Self::Held)
    }
}

/// Docker is as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutSucceeded {
    /// Which rollout.
    pub rollout: Uuid,
    /// From planned to here.
    pub duration_ms: u64,
}

/// A step failed; what was not started stays undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutFailed {
    /// Which rollout.
    pub rollout: Uuid,
    /// Which step, where it was a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Why, for people.
    pub error: String,
    /// From planned to here.
    pub duration_ms: u64,
}

impl RolloutFailed {
    /// Id of the `desired.rolled_back` that follows from the event with this id, where the fleet says `on_failure`: whoever
    /// asks for it, and however often, it is one.
    pub fn leads_to(event: Uuid) -> Uuid {
        // A namespace of our own, so that our ids meet nobody else's.
        const FAILURES: Uuid = Uuid::from_u128(0x41be_07d9_63a5_4c8e_b2f1_0d6a_95e7_c21b);
        Uuid::new_v5(&FAILURES, event.as_bytes())
    }
}

/// A newer push or a rollback took over before this one was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutSuperseded {
    /// Which rollout.
    pub rollout: Uuid,
    /// Position of the newer `git.pushed` or `desired.rolled_back`.
    pub by: u64,
}
