//! A fleet: what is desired and what was observed, at a position. [`Fleet::apply`] is the only way that it changes.

mod apply;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::descriptors::{Desired, is_default};
use crate::event::StepStatus;
use crate::images::Images;
use crate::names::{FleetId, Key, Name, NodeName, Oid};
use crate::operate::{Hold, Operated};
use crate::plan::{Action, Reason, Step};
use crate::spec::{Placed, Updatable};
use crate::units::Span;
use crate::work::Change;

/// A fleet at a position. Never validates and never fails on an accepted event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// Its name.
    pub id: FleetId,
    /// Position of the last event that it took.
    pub position: u64,
    /// Position of the last event on each of its subjects: what an append expects.
    pub lines: Lines,
    /// Every ref.
    pub refs: BTreeMap<String, Oid>,
    /// The branch that is applied.
    pub deploy: String,
    /// What it began as a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<FleetId>,
    /// The commit that is desired; none before the deploy branch's first push.
    pub commit: Option<Oid>,
    /// Position of the `git.pushed` or `desired.rolled_back` that made it so; 0 before.
    pub desired_at: u64,
    /// Who pushed it, or rolled back to it.
    pub desired_by: Option<String>,
    /// What should be.
    pub desired: Desired,
    /// Ephemeral volumes that a push removed and allowed to be destroyed, until they are gone or wanted again.
    #[serde(default)]
    pub doomed: BTreeSet<Name>,
    /// What was seen.
    pub observed: Observed,
    /// Containers that are not as they should be although their rollout made them so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drift: BTreeMap<Name, Drifted>,
    /// Containers whose descriptor is gone and which are kept for a while, by their name in Docker.
    #[serde(default)]
    pub archived: BTreeMap<String, Archived>,
    /// Containers that are left alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<Name, Hold>,
    /// Id of the last `hold.ended` since the newest rollout was planned: what was left out may have to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Uuid>,
    /// Snapshots of volumes that are whole, by their name in Docker, and the position of the event that said so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, u64>,
    /// The newest operations, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operated: Vec<Operated>,
    /// Which images its containers have, and had.
    #[serde(default)]
    pub images: Images,
    /// The newest rollouts, oldest first.
    pub rollouts: Vec<Rollout>,
    /// Runs that have not ended, and of which task.
    #[serde(default)]
    pub runs_under_way: BTreeMap<Uuid, Name>,
}

/// Position of the last event on each of a fleet's subjects; 0: none yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// `evt.<owner>.<fleet>.git`
    pub git: u64,
    /// `evt.<owner>.<fleet>.rollout`
    pub rollout: u64,
    /// `evt.<owner>.<fleet>.run`
    #[serde(default)]
    pub run: u64,
    /// `evt.<owner>.<fleet>.hold`
    #[serde(default)]
    pub hold: u64,
}

/// What was seen in Docker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Containers by their descriptor's name; those that are gone are kept as [`State::Removed`].
    pub containers: BTreeMap<Name, ObservedContainer>,
    /// Volumes by their name in Docker.
    pub volumes: BTreeMap<String, ObservedThing>,
    /// Networks by their name in Docker.
    pub networks: BTreeMap<String, ObservedThing>,
    /// What came of the last run of each task that ever ran.
    #[serde(default)]
    pub tasks: BTreeMap<Name, ObservedTask>,
}

/// So many runs in a row that ended soon are a crash loop.
pub const CRASH_LOOP: u64 = 3;

/// A run that lasts so long is none of a crash loop: twice what Docker waits at most between two.
pub const LASTING: Span = Span::seconds(120);

/// A container, as it was last seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedContainer {
    /// Docker's word.
    pub state: State,
    /// Docker's word, or the agent's where it asks for an HTTP path; none: there is no check.
    pub health: Option<HealthState>,
    /// Where.
    pub node: NodeName,
    /// Docker's id.
    pub docker_id: String,
    /// The image's id.
    pub image: Option<String>,
    /// The label `fleetlog.spec`.
    pub spec: Option<String>,
    /// The label `fleetlog.commit`.
    pub commit: Option<Oid>,
    /// What Docker shows of what can be changed while it runs; none: an older fleetlog saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Updatable>,
    /// What was put into it: path in the container → what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Placed>,
    /// How it ended.
    pub exit_code: Option<i64>,
    /// Docker's own time when it was made; 0: nobody saw that.
    #[serde(default)]
    pub created_ns: i64,
    /// Docker's own time when it was started last; 0: nobody saw that.
    #[serde(default)]
    pub started_ns: i64,
    /// How often Docker had started it again by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restarts: u64,
    /// How many runs in a row ended by themselves soon after they began: from [`CRASH_LOOP`] on it is a crash loop.
    #[serde(default, skip_serializing_if = "is_default")]
    pub crashes: u64,
    /// Docker's own time of the newest change that counted, and which it was.
    pub newest: (i64, Change),
    /// Position of the event that said so.
    pub since: u64,
}

/// A container whose descriptor is gone, and which is kept for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The descriptor's name.
    pub container: Name,
    /// Docker's id.
    pub docker_id: String,
    /// Where.
    pub node: NodeName,
    /// Until when.
    pub until: Timestamp,
    /// Position of the event that said so.
    pub since: u64,
}

/// A container that is not as it should be any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drifted {
    /// What would make it what it should be.
    pub action: Action,
    /// What differs.
    pub reasons: Vec<Reason>,
    /// Id of the `drift.found` that said so.
    pub found: Uuid,
    /// Its position.
    pub since: u64,
}

/// A container's state, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Runs, but is frozen.
    Paused,
    /// Ended.
    Exited,
    /// Gone.
    Removed,
}

/// A container's health, in Docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// Not known yet.
    Starting,
    /// Its check passes.
    Healthy,
    /// Its check fails.
    Unhealthy,
}

/// A volume or a network, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedThing {
    /// Where.
    pub node: NodeName,
    /// Whether it is there.
    pub exists: bool,
    /// Docker's own time of the newest change that counted.
    pub at_ns: i64,
}

/// What came of a task's last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedTask {
    /// Which run.
    pub run: Uuid,
    /// How it ended.
    pub status: RunStatus,
    /// How its last container ended.
    pub exit_code: Option<i64>,
    /// What the last run that succeeded wrote to `$FLEETLOG_OUTPUT`.
    pub outputs: BTreeMap<Key, String>,
    /// Position of the event that said so.
    pub since: u64,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It waits for its node.
    Queued,
    /// A step is under way.
    Running,
    /// Every step succeeded.
    Succeeded,
    /// A step failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// A rollout, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Id of its `rollout.planned`.
    pub id: Uuid,
    /// How it stands.
    pub status: RolloutStatus,
    /// The commit that it applies.
    pub commit: Oid,
    /// Position of the `git.pushed` or `desired.rolled_back` that it applies.
    pub desired: u64,
    /// Position of its `rollout.planned`.
    pub planned_at: u64,
    /// When it was planned.
    pub planned: Timestamp,
    /// Its coordinator's epoch.
    pub epoch: u64,
    /// Where.
    pub node: NodeName,
    /// Its steps.
    pub steps: Vec<RolloutStepState>,
    /// Why it failed.
    pub error: Option<String>,
    /// From planned to its end.
    pub duration_ms: Option<u64>,
    /// The failed rollout of the same push that this one tries again.
    #[serde(default)]
    pub retries: Option<Uuid>,
    /// Id of the `rollout.retried` that asked for this one, which has failed, to be tried again.
    #[serde(default)]
    pub retried: Option<Uuid>,
    /// It heals: nothing new was desired.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heals: bool,
}

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RolloutStatus {
    /// Nothing has been sent yet.
    Planned,
    /// Steps are under way.
    Running,
    /// Docker is as it should be.
    Succeeded,
    /// A step failed.
    Failed,
    /// A newer push or a rollback took over.
    Superseded,
}

impl RolloutStatus {
    /// Whether it has ended.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Superseded)
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// A step, as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutStepState {
    /// What was planned.
    #[serde(flatten)]
    pub step: Step,
    /// How it stands.
    pub status: StepStatus,
    /// Id of the event that sent it.
    pub sent: Option<Uuid>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: Option<u64>,
}
