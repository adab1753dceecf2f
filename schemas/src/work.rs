//! What the coordinator tells an agent (`WORK`), and what the agent answers and sees (`OBS`). No events: these are
//! consumed and gone, and a command may hold rendered values.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::descriptors::Condition;
use crate::event::ArchiveEnd;
use crate::images::Resolved;
use crate::names::{FleetId, Name, NodeName, Oid};
use crate::plan::Action;
use crate::runs::RunReport;
use crate::spec::{Placed, Placing, Readiness, Spec, Updatable};
use crate::units::Span;

/// One step for one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// The log that the epoch belongs to.
    pub incarnation: Uuid,
    /// The coordinator's epoch; agents keep the highest and refuse lower ones.
    pub epoch: u64,
    /// Whose container it is.
    pub fleet: FleetId,
    /// Which rollout.
    pub rollout: Uuid,
    /// Which of its steps.
    pub step: u32,
    /// Id of the event `rollout.step` that sent it: the cause of what follows.
    pub cause: Uuid,
    /// Position of that event: later commands have higher ones.
    pub position: u64,
    /// The commit that it applies.
    pub commit: Oid,
    /// Which container.
    pub container: Name,
    /// What to do to it.
    pub action: Action,
    /// The container as it should be; none for a removal.
    pub target: Option<Target>,
    /// How long a container that is removed is kept under another name; none: it is gone at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Span>,
}

/// A container as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// What Docker is asked for.
    pub spec: Spec,
    /// The keyed digest of `spec`, for its label.
    pub digest: String,
    /// The image that its reference was resolved to; none: it is resolved now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Resolved>,
    /// What an older fleetlog wrote there for the same container.
    #[serde(default)]
    pub digest_before: String,
    /// How to know that it is ready.
    pub readiness: Readiness,
    /// Volumes that have to exist: the descriptor's name → the name in Docker.
    pub volumes: BTreeMap<Name, String>,
    /// Containers that have to be there first.
    pub needs: Vec<Need>,
    /// How long one that is replaced and its successor go on together, once that is ready; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Span>,
    /// What is put into it: path in the container → what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Placing>,
    /// What was put into the one that is there; none: nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<PlacedIn>,
}

/// What was put into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedIn {
    /// Docker's id of it.
    pub docker_id: String,
    /// Path in the container → what.
    pub files: BTreeMap<String, Placed>,
}

/// A container that has to be there first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Which.
    pub container: Name,
    /// In which state.
    pub condition: Condition,
    /// How to know that it is.
    pub readiness: Readiness,
    /// Whether the container is started again once this one was made anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart_with: bool,
}

/// What an agent publishes on `obs.<node>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Report {
    /// A step ended.
    Step(StepReport),
    /// A container changed.
    Container(ContainerReport),
    /// A volume came or went.
    Volume(ThingReport),
    /// A network came or went.
    Network(ThingReport),
    /// A container whose descriptor is gone is kept for a while, or not any more.
    Archive(ArchiveReport),
    /// A run moved on.
    Run(RunReport),
    /// The agent watches: what happened in this time it has seen.
    Watched(Watched),
}

/// A time without a break in which an agent watched its Docker. Told again every few seconds, and so what lies between
/// two of them nobody has watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Since when.
    pub since: Timestamp,
    /// Until now.
    pub until: Timestamp,
    /// Why nobody watched before, for people, as far as this agent knows.
    pub before: String,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Whose container it was.
    pub fleet: FleetId,
    /// Which rollout.
    pub rollout: Uuid,
    /// Which of its steps.
    pub step: u32,
    /// None: it succeeded.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// The image that the container has, where the step made one or found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Resolved>,
    /// Set where the agent gave up on the command itself: how often it was delivered. Becomes a `work.dead`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_up_after: Option<u64>,
}

/// A container changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// Whose container it is.
    pub fleet: FleetId,
    /// The descriptor's name.
    pub container: Name,
    /// What changed.
    pub change: Change,
    /// Docker's own time of it, in nanoseconds since 1970.
    pub at_ns: i64,
    /// Docker's id.
    pub docker_id: String,
    /// The image's id.
    pub image: Option<String>,
    /// The label `fleetlog.spec`.
    pub spec: Option<String>,
    /// The label `fleetlog.commit`.
    pub commit: Option<Oid>,
    /// What Docker shows of what can be changed while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Updatable>,
    /// What the agent has put into it: path in the container → what; none: nothing since that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, Placed>>,
    /// Whether a health check watches it: Docker's, or an HTTP probe of the agent.
    pub checked: bool,
    /// How it ended.
    pub exit_code: Option<i64>,
    /// Whether it was killed for want of memory.
    pub out_of_memory: bool,
    /// How often Docker started it again by itself.
    #[serde(default)]
    pub restarts: u64,
    /// The event `rollout.step` whose work it is, where it is.
    pub cause: Option<Uuid>,
}

/// A container's change of state, in the order in which they count where Docker gives them the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was made.
    Created,
    /// It runs.
    Started,
    /// Docker was told other limits or another restart policy.
    Updated,
    /// Its processes are frozen.
    Paused,
    /// They go on.
    Unpaused,
    /// Its check passes.
    Healthy,
    /// Its check fails.
    Unhealthy,
    /// It ended because it was asked to.
    Stopped,
    /// It ended by itself.
    Died,
    /// It is gone.
    Removed,
}

/// A volume or a network came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThingReport {
    /// Whose it is.
    pub fleet: FleetId,
    /// Its name in Docker.
    pub name: String,
    /// Whether it is there now.
    pub exists: bool,
    /// Docker's own time of it, in nanoseconds since 1970.
    pub at_ns: i64,
    /// The event `rollout.step` whose work it is, where it is.
    pub cause: Option<Uuid>,
}

/// A container whose descriptor is gone is kept for a while, or not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveReport {
    /// Whose it is.
    pub fleet: FleetId,
    /// The descriptor's name.
    pub container: Name,
    /// Its name in Docker.
    pub name: String,
    /// Docker's id.
    pub docker_id: String,
    /// Until when.
    pub until: Timestamp,
    /// Why it is gone; none: it is there.
    pub end: Option<ArchiveEnd>,
    /// Docker's or our time of it, in nanoseconds since 1970.
    pub at_ns: i64,
    /// The event `rollout.step` whose work it is, where it is.
    pub cause: Option<Uuid>,
}

/// The id of an observation's event: the same sighting has the same id, however often it is reported.
pub fn observation_id(node: &NodeName, thing: &str, at_ns: i64, action: &str) -> Uuid {
    // A namespace of our own, so that our ids meet nobody else's.
    const OBSERVATIONS: Uuid = Uuid::from_u128(0x9d3c_5f6e_1b1a_4d3f_9a52_5f0e_66a1_7c01);
    Uuid::new_v5(&OBSERVATIONS, format!("{node}\n{thing}\n{at_ns}\n{action}").as_bytes())
}

/// An agent's sign of life, on the plain subject `beat.<node>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Which node.
    pub node: NodeName,
    /// None: its Docker answers.
    pub away: Option<String>,
}
