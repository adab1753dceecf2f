//! Turns what agents report about runs into events. A report that says nothing new, such as one that was delivered twice,
//! changes nothing.

use schemas::event::{
    Data, DeadWork, Draft, RunCancelled, RunFailed, RunStep, RunSucceeded, Scope, StepStatus, WorkDead,
};
use schemas::names::FleetId;
use schemas::runs::{Run, RunNews, RunReport};
use schemas::work::Report;
use streams::{Expected, clock};
use uuid::Uuid;

use super::{ACTOR, Decider, elapsed_ms};
use crate::error::CoordinatorError;

impl Decider {
    /// Takes one report of an agent.
    pub(super) async fn observe(&mut self, obs: u64, report: Report) -> Result<(), CoordinatorError> {
        let Report::Run(RunReport { fleet, run: id, news }) = report else { return Ok(()) };
        // Should somebody else's event come first, look again whether it is still news.
        loop {
            let run = self.view.read(|tasks, _| tasks.fleets.get(&fleet)?.run(id).cloned());
            let Some(run) = run else { return Ok(()) };
            let Some(data) = event(&run, obs, &news) else { return Ok(()) };
            if let RunNews::Failed { gave_up_after: Some(deliveries), .. } = news {
                self.given_up(&fleet, &run, deliveries).await?;
            }
            if self.say(&fleet, id, data).await? || self.shutdown.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Says that an order is tried no more. Its id is made of the run's: said again, it is there once.
    async fn given_up(&mut self, fleet: &FleetId, run: &Run, deliveries: u64) -> Result<(), CoordinatorError> {
        let work = DeadWork::Run { run: run.id };
        let dead = WorkDead { node: run.node.clone(), fleet: fleet.clone(), work, deliveries };
        let draft = Draft {
            id: Uuid::new_v5(&run.id, b"work.dead"),
            scope: Scope::Platform,
            subject: format!("runs/{}", run.id),
            time: clock::now(),
            actor: ACTOR.to_owned(),
            cause: Some(run.id),
            data: Data::WorkDead(dead),
        };
        self.store(&draft, Expected::Any).await.map(drop)
    }
}

/// The event that a report becomes; none where it says nothing new.
fn event(run: &Run, obs: u64, news: &RunNews) -> Option<Data> {
    if run.status.is_over() {
        return None;
    }
    let status = |step: u32| run.steps.get(step as usize).map(|it| it.status);
    let duration_ms = elapsed_ms(run.queued, clock::now());
    match news {
        RunNews::StepStarted { step } if status(*step)? == StepStatus::Waiting => Some(Data::RunStep(RunStep {
            run: run.id,
            step: *step,
            status: StepStatus::Started,
            exit_code: None,
            error: None,
            duration_ms: None,
            obs: Some(obs),
        })),
        RunNews::StepStarted { .. } => None,
        RunNews::StepEnded { step, exit_code, error, duration_ms } => {
            let ended = if error.is_none() { StepStatus::Succeeded } else { StepStatus::Failed };
            matches!(status(*step)?, StepStatus::Waiting | StepStatus::Started).then(|| {
                Data::RunStep(RunStep {
                    run: run.id,
                    step: *step,
                    status: ended,
                    exit_code: *exit_code,
                    error: error.clone(),
                    duration_ms: Some(*duration_ms),
                    obs: Some(obs),
                })
            })
        }
        RunNews::Succeeded { outputs } => {
            Some(Data::RunSucceeded(RunSucceeded { run: run.id, outputs: outputs.clone(), duration_ms }))
        }
        RunNews::Failed { step, exit_code, error, .. } => Some(Data::RunFailed(RunFailed {
            run: run.id,
            step: *step,
            exit_code: *exit_code,
            error: error.clone(),
            duration_ms,
        })),
        RunNews::Cancelled { by } => {
            Some(Data::RunCancelled(RunCancelled { run: run.id, by: by.clone(), duration_ms }))
        }
    }
}
