//! A task, as a file describes it: steps, each in a container of its own, in a sandbox that single keys loosen.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Stop;
use super::is_default;
use crate::names::Name;
use crate::units::{Size, Span};

/// A task: `tasks/<name>.json`.
///
/// Its containers see no network, a read-only root with a `/tmp` in memory, no capabilities, and run as nobody. Each of
/// the keys from `network` on loosens one of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// The image that every step runs in.
    #[schemars(length(min = 1))]
    pub image: String,
    /// Environment of every step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::written::env")]
    #[schemars(with = "super::written::WrittenEnv")]
    pub env: BTreeMap<String, String>,
    /// What to run, in order; the first failure ends the run.
    #[schemars(length(min = 1))]
    pub steps: Vec<TaskStep>,
    /// How long the whole run may take.
    #[serde(default = "default_within")]
    pub within: Span,
    /// When it runs by itself; without it, only when somebody asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// How a step is stopped when its run is cancelled or takes too long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop: Stop,
    /// Whether steps are in the fleet's network; without it they are in none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network: bool,
    /// Who the steps run as, `uid` or `uid:gid`; nobody (`65534:65534`) where absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub user: User,
    /// Where volumes are mounted: path in the container → name of the volume.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Name>,
    /// Paths that are in memory, each with its size; `{ "/tmp": "64MiB" }` where absent.
    #[serde(default = "default_tmpfs", skip_serializing_if = "is_default_tmpfs")]
    pub tmpfs: BTreeMap<String, Size>,
    /// Whether the container's own root can be written to; it is gone with the run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub writable: bool,
    /// How much of the node a step may use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: TaskLimits,
}

fn default_within() -> Span {
    Span::seconds(3_600)
}

fn default_tmpfs() -> BTreeMap<String, Size> {
    BTreeMap::from([("/tmp".to_owned(), Size(64 << 20))])
}

fn is_default_tmpfs(value: &BTreeMap<String, Size>) -> bool {
    *value == default_tmpfs()
}

/// Who the steps of a task run as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct User(#[schemars(regex(pattern = r"^[0-9]{1,10}(:[0-9]{1,10})?$"))] pub String);

impl Default for User {
    fn default() -> Self {
        Self("65534:65534".to_owned())
    }
}

/// One command of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskStep {
    /// The command as an argv array.
    #[schemars(length(min = 1))]
    pub run: Vec<String>,
    /// How long it may take; as long as the run where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// How much of the node a step may use. There is always a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TaskLimits {
    /// Memory; the step is killed above it.
    pub memory: Size,
    /// Processors, in whole or in part.
    #[schemars(range(min = 0.01, max = 1024.0))]
    pub cpus: f64,
    /// Processes and threads.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub pids: u32,
}

impl Default for TaskLimits {
    fn default() -> Self {
        Self { memory: Size(256 << 20), cpus: 1.0, pids: 256 }
    }
}

/// When a task runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// Five fields: minute, hour, day of month, month, day of week.
    #[schemars(length(min = 1))]
    pub cron: String,
    /// Whose clock the fields are read by, such as `Europe/Berlin`.
    #[serde(default = "default_timezone")]
    #[schemars(length(min = 1))]
    pub timezone: String,
    /// What becomes of times that passed while the platform was down.
    #[serde(default)]
    pub missed: Missed,
}

fn default_timezone() -> String {
    "UTC".to_owned()
}

/// What becomes of scheduled times that passed while nobody could start a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// Nothing: the next time counts.
    #[default]
    Skip,
    /// However many they were, the newest of them is run once.
    Once,
}
