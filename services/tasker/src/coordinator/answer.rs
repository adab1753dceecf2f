//! Answers what the others want to know about tasks and runs, each at the position that it asks for or later.

use std::time::Duration;

use jiff::Timestamp;
use schemas::query::{
    Fault, FaultCode, RunAnswer, RunRequest, RunsAnswer, RunsRequest, TaskLine, TasksAnswer, TasksRequest,
};
use streams::{AtEnd, Question, Questions, View};
use tokio_util::sync::CancellationToken;

use super::agenda::Agenda;
use super::clock::Clock;
use super::start::no_run;
use crate::error::CoordinatorError;
use crate::state::Tasks;

/// How long a question waits for the position that it names.
const WITHIN: Duration = Duration::from_secs(5);
/// Questions of one kind that are answered at the same time; the next waits until one of them is.
const AT_ONCE: usize = 256;
/// Runs in one answer.
const MAX_PAGE: u32 = 1_000;

/// A question about tasks and runs.
pub(super) trait AboutTasks: Question + Send + Sync + 'static {
    /// The position that it wants.
    fn min_position(&self) -> u64;
    /// The answer, at a position; `now` is what schedules are read by.
    fn look_up(&self, tasks: &Tasks, position: u64, now: Timestamp) -> Result<Self::Answer, Fault>;
}

impl AboutTasks for RunRequest {
    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, tasks: &Tasks, position: u64, _: Timestamp) -> Result<RunAnswer, Fault> {
        let run = tasks.fleets.get(&self.fleet).and_then(|it| it.run(self.run)).cloned();
        run.map(|run| RunAnswer { position, run }).ok_or_else(|| no_run(&self.fleet, self.run))
    }
}

impl AboutTasks for RunsRequest {
    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, tasks: &Tasks, position: u64, _: Timestamp) -> Result<RunsAnswer, Fault> {
        let fleet = tasks.fleets.get(&self.fleet).ok_or_else(|| no_fleet(&self.fleet))?;
        let limit = self.limit.clamp(1, MAX_PAGE) as usize;
        let older = fleet.runs.range(..self.before.unwrap_or(u64::MAX)).rev().map(|(_, run)| run);
        let mut of_task = older.filter(|run| self.task.as_ref().is_none_or(|task| run.task == *task));
        let runs = of_task.by_ref().take(limit).cloned().collect();
        Ok(RunsAnswer { position, runs, more: of_task.next().is_some() })
    }
}

impl AboutTasks for TasksRequest {
    fn min_position(&self) -> u64 {
        self.min_position
    }

    fn look_up(&self, tasks: &Tasks, position: u64, now: Timestamp) -> Result<TasksAnswer, Fault> {
        let fleet = tasks.fleets.get(&self.fleet).ok_or_else(|| no_fleet(&self.fleet))?;
        let lines = fleet.desired.tasks.iter().map(|(name, task)| TaskLine {
            task: name.clone(),
            descriptor: task.clone(),
            next: fleet.schedules.get(name).and_then(|it| Agenda::due(it, now)),
            last: fleet.last.get(name).cloned(),
        });
        Ok(TasksAnswer { position, tasks: lines.collect() })
    }
}

fn no_fleet(fleet: &schemas::names::FleetId) -> Fault {
    let message = format!("there is no fleet `{fleet}`: GET /v1/fleets lists them");
    Fault { code: FaultCode::NotFound, message }
}

/// Answers every question of one kind until it is told to stop. Nothing is answered before the log was read up to
/// `head`: whoever asks whether a run has ended must not hear of the past.
pub(super) async fn all<Q>(
    questions: Questions<Q>,
    view: &View<Tasks>,
    head: u64,
    clock: &Clock,
    shutdown: &CancellationToken,
) -> Result<(), CoordinatorError>
where
    Q: AboutTasks,
    Q::Answer: Send,
{
    let served = questions.serve(AT_ONCE, AtEnd::Drop, shutdown, |question| {
        let (view, clock) = (view.clone(), clock.clone());
        async move {
            let wanted = question.min_position().max(head);
            match view.at_least(wanted, WITHIN).await {
                Ok(()) => view.read(|tasks, position| question.look_up(tasks, position, clock.now())),
                Err(behind) => {
                    let code = if view.stopped().is_some() { FaultCode::Stopped } else { FaultCode::Behind };
                    Err(Fault { code, message: format!("the tasker: {behind}") })
                }
            }
        }
    });
    Ok(served.await?)
}
