//! Runs: executions of tasks. No output of a step is in them but the declared `key=value` lines.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StepStatus;
use crate::names::{Key, Name, NodeName, Oid};

/// A task is to be run. Its event's id is the run's id: one trigger has one id, so it is one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQueued {
    /// Which task.
    pub task: Name,
    /// The commit that defines it.
    pub commit: Oid,
    /// Position of the `git.pushed` that defines it: the definition is frozen there.
    pub desired: u64,
    /// Where it will run.
    pub node: NodeName,
    /// What started it.
    pub trigger: Trigger,
    /// How many steps it has.
    pub steps: u32,
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    /// Somebody asked for it.
    Manual,
    /// The task's schedule.
    Cron {
        /// The time that the schedule names, not the time at which it was noticed.
        at: Timestamp,
    },
}

/// The run was handed to its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Which run.
    pub run: Uuid,
    /// The epoch of the tasker that sent it.
    pub epoch: u64,
}

/// A step moved on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStep {
    /// Which run.
    pub run: Uuid,
    /// Which of its steps, counted from 0.
    pub step: u32,
    /// How it stands.
    pub status: StepStatus,
    /// How its container ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The cause of a failure, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Sequence in `OBS` of the agent's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obs: Option<u64>,
}

/// Every step succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSucceeded {
    /// Which run.
    pub run: Uuid,
    /// What its steps wrote to `$FLEETLOG_OUTPUT`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<Key, String>,
    /// From queued to here.
    pub duration_ms: u64,
}

/// A step failed, or the run could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailed {
    /// Which run.
    pub run: Uuid,
    /// Which step, where it was a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// How that step's container ended, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Why, for people.
    pub error: String,
    /// From queued to here.
    pub duration_ms: u64,
}

/// Somebody cancelled it: nothing of it runs any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCancelled {
    /// Which run.
    pub run: Uuid,
    /// Who asked for it.
    pub by: String,
    /// From queued to here.
    pub duration_ms: u64,
}
