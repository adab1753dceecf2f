//! What the tasker is asked.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::descriptors::Task;
use crate::fleet::ObservedTask;
use crate::names::{FleetId, Name};
use crate::runs::Run;

/// `req.tasker.start`: run a task now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StartRun {
    /// Whose task.
    pub fleet: FleetId,
    /// Which task.
    pub task: Name,
    /// The run's id: asked for again, it is the same run.
    pub id: Uuid,
    /// Who asks.
    pub actor: String,
}

/// `req.tasker.cancel`: end a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelRun {
    /// Whose run.
    pub fleet: FleetId,
    /// Which run.
    pub run: Uuid,
    /// Who asks.
    pub actor: String,
}

/// `req.tasker.run`: one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRequest {
    /// Whose run.
    pub fleet: FleetId,
    /// Which run.
    pub run: Uuid,
    /// Wait until the tasker is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`StartRun`], [`CancelRun`] and [`RunRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunAnswer {
    /// Position of the tasker when it answered.
    pub position: u64,
    /// The run.
    pub run: Run,
}

/// `req.tasker.runs`: a page of a fleet's newest runs, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunsRequest {
    /// Whose runs.
    pub fleet: FleetId,
    /// Only of this task.
    #[serde(default)]
    pub task: Option<Name>,
    /// Only those that were queued before this position.
    #[serde(default)]
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
    /// Wait until the tasker is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`RunsRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunsAnswer {
    /// Position of the tasker when it answered.
    pub position: u64,
    /// The page.
    pub runs: Vec<Run>,
    /// Whether there are more.
    pub more: bool,
}

/// `req.tasker.tasks`: a fleet's tasks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TasksRequest {
    /// Whose tasks.
    pub fleet: FleetId,
    /// Wait until the tasker is there.
    #[serde(default)]
    pub min_position: u64,
}

/// The answer to [`TasksRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TasksAnswer {
    /// Position of the tasker when it answered.
    pub position: u64,
    /// In the order of their names.
    pub tasks: Vec<TaskLine>,
}

/// One task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskLine {
    /// Its name.
    pub task: Name,
    /// What it is.
    pub descriptor: Task,
    /// When its schedule starts it next.
    pub next: Option<Timestamp>,
    /// What came of its last run.
    pub last: Option<ObservedTask>,
}
