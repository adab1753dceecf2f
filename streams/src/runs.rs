//! Runs of tasks: what a node's agent is told about them waits in `RUNS` until it says that it is done.

use schemas::names::NodeName;
use schemas::query::{CancelRun, RunAnswer, RunRequest, RunsAnswer, RunsRequest, StartRun, TasksAnswer, TasksRequest};
use schemas::runs::{RunCommand, RunOrder};
use uuid::Uuid;

use crate::bus::Bus;
use crate::catalog::RUNS;
use crate::error::{ReadError, SendError};
use crate::publish::message_id;
use crate::reports::message;
use crate::request::Question;
use crate::work::WorkQueue;

impl Bus {
    /// Queues what an agent is to do about a run. The same order of the same run by the same `sender` is stored once
    /// within two minutes.
    pub async fn send_run(&self, node: &NodeName, command: &RunCommand, sender: Uuid) -> Result<(), SendError> {
        let message = message(subject(node), command)?;
        let word = match command.order {
            RunOrder::Start { .. } => "start",
            RunOrder::Cancel { .. } => "cancel",
        };
        let id = Uuid::new_v5(&command.run, format!("{word} {sender}").as_bytes());
        self.store(message, &message_id(id)).await.map(drop)
    }

    /// What is to be done about runs on `node`, at most `in_flight` orders at a time without an answer.
    pub async fn take_runs(&self, node: &NodeName, in_flight: usize) -> Result<WorkQueue<RunCommand>, ReadError> {
        self.take(RUNS, subject(node), node, in_flight).await
    }
}

fn subject(node: &NodeName) -> String {
    format!("runs.{node}")
}

impl Question for StartRun {
    type Answer = RunAnswer;
    const SUBJECT: &'static str = "req.tasker.start";
}

impl Question for CancelRun {
    type Answer = RunAnswer;
    const SUBJECT: &'static str = "req.tasker.cancel";
}

impl Question for RunRequest {
    type Answer = RunAnswer;
    const SUBJECT: &'static str = "req.tasker.run";
}

impl Question for RunsRequest {
    type Answer = RunsAnswer;
    const SUBJECT: &'static str = "req.tasker.runs";
}

impl Question for TasksRequest {
    type Answer = TasksAnswer;
    const SUBJECT: &'static str = "req.tasker.tasks";
}
