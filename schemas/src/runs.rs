//! Runs of tasks: what one is and how its events change it, what an agent is told about it (`RUNS`), and what the agent
//! answers (`OBS`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{Data, Event, RunQueued, RunStep, StepStatus, Trigger};
pub use crate::fleet::RunStatus;
use crate::names::{FleetId, Key, Name, NodeName, Oid};
use crate::spec::TaskSpec;

/// The label that says of which run a container is.
pub const RUN_LABEL: &str = "fleetlog.run";
/// The label that says of which task: `<owner>/<fleet>/<task>`.
pub const TASK_LABEL: &str = "fleetlog.task";
/// The label that says which step, counted from 0.
pub const STEP_LABEL: &str = "fleetlog.step";

impl RunStatus {
    /// Whether it has ended.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One execution of a task, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Id of its `run.queued`.
    pub id: Uuid,
    /// Which task.
    pub task: Name,
    /// How it stands.
    pub status: RunStatus,
    /// How its last container ended.
    pub exit_code: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What started it.
    pub trigger: Trigger,
    /// Who asked for it.
    pub by: String,
    /// The commit that defines it.
    pub commit: Oid,
    /// Position of the `git.pushed` that defines it.
    pub desired: u64,
    /// Where it runs.
    pub node: NodeName,
    /// Position of its `run.queued`.
    pub queued_at: u64,
    /// When it was queued.
    pub queued: Timestamp,
    /// When it was handed to its node.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// From queued to its end.
    pub duration_ms: Option<u64>,
    /// Its steps.
    pub steps: Vec<RunStepState>,
    /// What its steps wrote to `$FLEETLOG_OUTPUT`.
    pub outputs: BTreeMap<Key, String>,
}

/// A step of a run, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStepState {
    /// How it stands.
    pub status: StepStatus,
    /// How its container ended.
    pub exit_code: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took.
    pub duration_ms: Option<u64>,
}

impl Run {
    /// A run that was queued just now.
    pub fn queued(event: &Event, it: &RunQueued) -> Self {
        let waiting = RunStepState { status: StepStatus::Waiting, exit_code: None, error: None, duration_ms: None };
        Self {
            id: event.id,
            task: it.task.clone(),
            status: RunStatus::Queued,
            exit_code: None,
            error: None,
            trigger: it.trigger.clone(),
            by: event.actor.clone(),
            commit: it.commit.clone(),
            desired: it.desired,
            node: it.node.clone(),
            queued_at: event.position,
            queued: event.time,
            started: None,
            ended: None,
            duration_ms: None,
            steps: vec![waiting; it.steps as usize],
            outputs: BTreeMap::new(),
        }
    }

    /// Takes one event about this run. One that has ended stays as it ended.
    pub fn apply(&mut self, event: &Event) {
        if self.status.is_over() {
            return;
        }
        let mut end = |status, duration_ms| {
            self.status = status;
            self.ended = Some(event.time);
            self.duration_ms = Some(duration_ms);
        };
        match &event.data {
            Data::RunStarted(_) => {
                self.status = RunStatus::Running;
                self.started = Some(event.time);
            }
            Data::RunStep(it) => self.step(it),
            Data::RunSucceeded(it) => {
                end(RunStatus::Succeeded, it.duration_ms);
                self.exit_code = Some(0);
                self.outputs.clone_from(&it.outputs);
            }
            Data::RunFailed(it) => {
                end(RunStatus::Failed, it.duration_ms);
                self.exit_code = it.exit_code;
                self.error = Some(it.error.clone());
            }
            Data::RunCancelled(it) => {
                end(RunStatus::Cancelled, it.duration_ms);
                self.error = Some(format!("cancelled by `{}`", it.by));
            }
            _ => {}
        }
    }

    fn step(&mut self, it: &RunStep) {
        if let Some(step) = self.steps.get_mut(it.step as usize) {
            step.status = it.status;
            step.exit_code = it.exit_code;
            step.error.clone_from(&it.error);
            step.duration_ms = it.duration_ms;
        }
    }
}

/// The run that an event is about, but for `run.queued`, whose own id it is.
pub fn run_of(data: &Data) -> Option<Uuid> {
    match data {
        Data::RunStarted(it) => Some(it.run),
        Data::RunStep(it) => Some(it.run),
        Data::RunSucceeded(it) => Some(it.run),
        Data::RunFailed(it) => Some(it.run),
        Data::RunCancelled(it) => Some(it.run),
        _ => None,
    }
}

/// The id of the run that a schedule names: one occurrence, one run.
pub fn scheduled_id(fleet: &FleetId, task: &Name, at: Timestamp) -> Uuid {
    Uuid::new_v5(&RUNS, format!("scheduled\n{fleet}\n{task}\n{at}").as_bytes())
}

/// A namespace of our own, so that our ids meet nobody else's.
const RUNS: Uuid = Uuid::from_u128(0x1f0c_8e35_6c3f_4e0b_8d4c_7f0d_53c0_a902);

/// What an agent is told about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunCommand {
    /// The log that the run is in.
    pub incarnation: Uuid,
    /// Whose task it is.
    pub fleet: FleetId,
    /// Which task.
    pub task: Name,
    /// Which run.
    pub run: Uuid,
    /// What to do.
    pub order: RunOrder,
}

/// What to do about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum RunOrder {
    /// Do it.
    Start {
        /// What it is.
        spec: Box<TaskSpec>,
        /// Since when it runs: its time is limited.
        since: Timestamp,
        /// Position of its `run.started`: later runs have higher ones.
        position: u64,
    },
    /// End it.
    Cancel {
        /// Who asked for it.
        by: String,
    },
}

/// What an agent says about a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Whose task it is.
    pub fleet: FleetId,
    /// Which run.
    pub run: Uuid,
    /// What happened.
    pub news: RunNews,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum RunNews {
    /// A step's container is about to start.
    StepStarted {
        /// Which step.
        step: u32,
    },
    /// A step's container ended.
    StepEnded {
        /// Which step.
        step: u32,
        /// How; none where it never ran.
        exit_code: Option<i64>,
        /// None: it succeeded.
        error: Option<String>,
        /// How long it took.
        duration_ms: u64,
    },
    /// Every step succeeded.
    Succeeded {
        /// What they wrote to `$FLEETLOG_OUTPUT`.
        outputs: BTreeMap<Key, String>,
    },
    /// It failed, and nothing of it runs any more.
    Failed {
        /// Which step, where it was a step.
        step: Option<u32>,
        /// How that step's container ended, where it did.
        exit_code: Option<i64>,
        /// Why, for people.
        error: String,
        /// Set where the agent gave up on the order itself: how often it was delivered. Becomes a `work.dead`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gave_up_after: Option<u64>,
    },
    /// It was cancelled, and nothing of it runs any more.
    Cancelled {
        /// Who asked for it.
        by: String,
    },
}
