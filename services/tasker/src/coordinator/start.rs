//! Starts runs, because somebody asked or a schedule says so, and cancels them.

use std::sync::Arc;
use std::time::Duration;

use schemas::descriptors::Desired;
use schemas::event::{Data, Draft, Event, RunCancelled, RunFailed, RunQueued, RunStarted, Scope, Trigger};
use schemas::fleet::RunStatus;
use schemas::names::{FleetId, Name, NodeName};
use schemas::query::{CancelRun, Fault, FaultCode, NodesRequest, RunAnswer, StartRun};
use schemas::runs::{Run, RunCommand, RunOrder, scheduled_id};
use schemas::spec::render_task;
use streams::{AppendError, Asked, Expected, SendError, clock};
use uuid::Uuid;

use super::agenda::Occurrence;
use super::{ACTOR, Decider, elapsed_ms};
use crate::error::CoordinatorError;

/// How long the answer about nodes may take.
const NODES: Duration = Duration::from_secs(2);

/// A run that is to be queued, and what defines it.
struct Wanted {
    draft: Draft,
    queued: RunQueued,
    desired: Arc<Desired>,
}

impl Decider {
    pub(super) async fn asked_to_start(&mut self, asked: Asked<StartRun>) -> Result<(), CoordinatorError> {
        let StartRun { fleet, task, id, actor } = asked.question.clone();
        let known = self.view.read(|tasks, position| Some((position, tasks.fleets.get(&fleet)?.run(id)?.clone())));
        if let Some((position, run)) = known {
            reply(asked, Ok(RunAnswer { position, run })).await;
            return Ok(());
        }
        if let Some(full) = self.view.read(|tasks, _| tasks.full.clone()) {
            let message = format!("nothing was started: {full}; runs are started again once there is room");
            reply(asked, Err(Fault { code: FaultCode::Full, message })).await;
            return Ok(());
        }
        let queued = match self.wanted(&fleet, &task, id, &actor, Trigger::Manual).await {
            Ok(wanted) => self.queue(&fleet, wanted).await,
            Err(fault) => Err(fault),
        };
        match queued {
            Ok((position, run, desired)) => {
                reply(asked, Ok(RunAnswer { position, run: run.clone() })).await;
                self.launch(&fleet, &run, Some(desired)).await?;
            }
            Err(fault) => reply(asked, Err(fault)).await,
        }
        Ok(())
    }

    /// Queues a scheduled run and starts it. False: it could not be done now.
    pub(super) async fn scheduled(&mut self, due: &Occurrence) -> Result<bool, CoordinatorError> {
        let id = scheduled_id(&due.fleet, &due.task, due.at);
        if self.view.read(|tasks, _| tasks.fleets.get(&due.fleet).is_some_and(|it| it.run(id).is_some())) {
            return Ok(true);
        }
        let wanted = self.wanted(&due.fleet, &due.task, id, ACTOR, Trigger::Cron { at: due.at }).await;
        let queued = match wanted {
            Ok(wanted) => self.queue(&due.fleet, wanted).await,
            Err(fault) => Err(fault),
        };
        match queued {
            Ok((_, run, desired)) => {
                self.launch(&due.fleet, &run, Some(desired)).await?;
                Ok(true)
            }
            // The task went in between: nothing to run.
            Err(fault) if fault.code == FaultCode::NotFound => Ok(true),
            Err(fault) => {
                tracing::warn!(fleet = %due.fleet, task = %due.task, at = %due.at, %fault, "a scheduled run waits");
                Ok(false)
            }
        }
    }

    async fn wanted(
        &mut self,
        fleet: &FleetId,
        task: &Name,
        id: Uuid,
        actor: &str,
        trigger: Trigger,
    ) -> Result<Wanted, Fault> {
        let known = self.view.read(|tasks, _| {
            let fleet = tasks.fleets.get(fleet)?;
            Some((fleet.commit.clone()?, fleet.desired_at, fleet.desired.clone()))
        });
        let not_found = |message| Fault { code: FaultCode::NotFound, message };
        let Some((commit, desired_at, desired)) = known else {
            return Err(not_found(format!("there is no fleet `{fleet}`: GET /v1/fleets lists them")));
        };
        let Some(described) = desired.tasks.get(task) else {
            let names: Vec<_> = desired.tasks.keys().take(8).map(|it| format!("`{it}`")).collect();
            let known =
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            return Err(not_found(format!("fleet `{fleet}` has no task `{task}`: {known}")));
        };
        let steps = u32::try_from(described.steps.len()).unwrap_or(u32::MAX);
        let node = self.node_of(&desired).await?;
        let queued = RunQueued { task: task.clone(), commit, desired: desired_at, node, trigger, steps };
        let draft = Draft {
            id,
            scope: Scope::Fleet(fleet.clone()),
            subject: format!("runs/{id}"),
            time: clock::now(),
            actor: actor.to_owned(),
            cause: None,
            data: Data::RunQueued(queued.clone()),
        };
        Ok(Wanted { draft, queued, desired })
    }

    /// The agent that the fleet names, else the platform's only one.
    async fn node_of(&mut self, desired: &Desired) -> Result<NodeName, Fault> {
        if let Some(agent) = desired.agent() {
            return Ok(agent.clone());
        }
        if let Some(node) = &self.node {
            return Ok(node.clone());
        }
        let answer = self.bus.ask(&NodesRequest {}, NODES).await.map_err(|error| unavailable(error.to_string()))?;
        self.node = answer.nodes.into_iter().next().map(|it| it.node);
        self.node.clone().ok_or_else(|| unavailable("no node has been heard of yet: is an agent running?".to_owned()))
    }

    /// Says in the log that a run is wanted. One attempt: who asked hears what came of it.
    async fn queue(&mut self, fleet: &FleetId, wanted: Wanted) -> Result<(u64, Run, Arc<Desired>), Fault> {
        let Wanted { draft, queued, desired } = wanted;
        loop {
            match self.bus.append(&draft, Expected::At(self.line(fleet))).await {
                Ok(position) => {
                    self.lines.insert(fleet.clone(), position);
                    let event = Event { position, draft };
                    return Ok((position, Run::queued(&event, &queued), desired));
                }
                Err(AppendError::Refused { last }) => {
                    if !self.reach(last).await {
                        return Err(unavailable("the tasker is stopping".to_owned()));
                    }
                }
                Err(error @ AppendError::Unknown { .. }) => return Err(unavailable(error.to_string())),
                Err(error) => return Err(unavailable(format!("nothing was started: {error}"))),
            }
        }
    }

    /// Says that a run starts, and hands it to its node. False: it has to wait.
    pub(super) async fn launch(
        &mut self,
        fleet: &FleetId,
        run: &Run,
        desired: Option<Arc<Desired>>,
    ) -> Result<bool, CoordinatorError> {
        let rendered = match &desired {
            None => Err("what defines it is not known any more, because of later pushes: start it again".to_owned()),
            Some(desired) => render_task(&run.task, desired).map_err(|faults| {
                faults
                    .first()
                    .map_or_else(String::new, |it| format!("tasks/{}.json{}: {}", run.task, it.pointer, it.message))
            }),
        };
        let spec = match rendered {
            Ok(spec) => spec,
            Err(error) => {
                let duration_ms = elapsed_ms(run.queued, clock::now());
                let failed = RunFailed { run: run.id, step: None, exit_code: None, error, duration_ms };
                return self.say(fleet, run.id, Data::RunFailed(failed)).await;
            }
        };
        let started = RunStarted { run: run.id, epoch: self.epoch };
        let draft = self.draft(fleet, run.id, Data::RunStarted(started));
        let Some(position) = self.append(fleet, &draft).await? else { return Ok(false) };
        let order = RunOrder::Start { spec: Box::new(spec), since: draft.time, position };
        self.send(fleet, run, order).await?;
        Ok(self.reach(position).await)
    }

    /// Hands every run that is under way to its node once more: nobody knows whether it got there, and an agent does a
    /// run once however often it gets it.
    pub(super) async fn send_again(&mut self) -> Result<(), CoordinatorError> {
        let under_way = self.view.read(|tasks, _| {
            let of_fleet = |(id, fleet): (&FleetId, &crate::state::FleetTasks)| {
                let runs = fleet.runs.values().filter(|run| run.status == RunStatus::Running);
                runs.map(|run| (id.clone(), run.clone(), fleet.definition(run.id))).collect::<Vec<_>>()
            };
            tasks.fleets.iter().flat_map(of_fleet).collect::<Vec<_>>()
        });
        for (fleet, run, desired) in under_way {
            let spec = desired.and_then(|desired| render_task(&run.task, &desired).ok());
            if let Some(spec) = spec {
                // No later than anything that the agent has seen: it asks before it begins.
                let order =
                    RunOrder::Start { spec: Box::new(spec), since: run.started.unwrap_or(run.queued), position: 0 };
                self.send(&fleet, &run, order).await?;
            }
        }
        Ok(())
    }

    /// Sends until the answer is definite: a second delivery is harmless, a lost one is not.
    async fn send(&mut self, fleet: &FleetId, run: &Run, order: RunOrder) -> Result<(), CoordinatorError> {
        let incarnation = self.bus.incarnation();
        let command = RunCommand { incarnation, fleet: fleet.clone(), task: run.task.clone(), run: run.id, order };
        let mut pause = Duration::from_millis(50);
        loop {
            match self.bus.send_run(&run.node, &command, self.instance).await {
                Ok(()) => return Ok(()),
                Err(error @ (SendError::Unknown { .. } | SendError::Unavailable { .. })) => {
                    tracing::warn!(%error, %fleet, run = %run.id, "a run was not sent for sure, trying again");
                }
                // The run goes on: who wants it to end asks again.
                Err(error) if matches!(command.order, RunOrder::Cancel { .. }) => {
                    tracing::error!(%error, %fleet, run = %run.id, "a run's cancel was not sent");
                    return Ok(());
                }
                Err(error) => {
                    let duration_ms = elapsed_ms(run.queued, clock::now());
                    let error = error.to_string();
                    let failed = RunFailed { run: run.id, step: None, exit_code: None, error, duration_ms };
                    self.say(fleet, run.id, Data::RunFailed(failed)).await?;
                    return Ok(());
                }
            }
            tokio::select! {
                // The next start sends it again.
                () = self.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
            }
        }
    }

    /// Appends an event of a run, and returns once the view shows it. False: somebody else was first.
    pub(super) async fn say(&mut self, fleet: &FleetId, run: Uuid, data: Data) -> Result<bool, CoordinatorError> {
        let draft = self.draft(fleet, run, data);
        match self.append(fleet, &draft).await? {
            Some(position) => Ok(self.reach(position).await),
            None => Ok(false),
        }
    }

    pub(super) async fn asked_to_cancel(&mut self, asked: Asked<CancelRun>) -> Result<(), CoordinatorError> {
        let CancelRun { fleet, run: id, actor } = asked.question.clone();
        loop {
            let known = self.view.read(|tasks, position| Some((position, tasks.fleets.get(&fleet)?.run(id)?.clone())));
            let Some((position, run)) = known else {
                reply(asked, Err(no_run(&fleet, id))).await;
                return Ok(());
            };
            match run.status {
                // It never began.
                RunStatus::Queued => {
                    let duration_ms = elapsed_ms(run.queued, clock::now());
                    let cancelled = RunCancelled { run: id, by: actor.clone(), duration_ms };
                    if !self.say(&fleet, id, Data::RunCancelled(cancelled)).await? && self.shutdown.is_cancelled() {
                        return Ok(());
                    }
                }
                RunStatus::Running => {
                    self.send(&fleet, &run, RunOrder::Cancel { by: actor }).await?;
                    reply(asked, Ok(RunAnswer { position, run })).await;
                    return Ok(());
                }
                RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled => {
                    reply(asked, Ok(RunAnswer { position, run })).await;
                    return Ok(());
                }
            }
        }
    }
}

/// What is said where there is no such run.
pub(super) fn no_run(fleet: &FleetId, run: Uuid) -> Fault {
    let message = format!("fleet `{fleet}` has no run `{run}` among its newest: GET …/runs lists them");
    Fault { code: FaultCode::NotFound, message }
}

fn unavailable(message: String) -> Fault {
    Fault { code: FaultCode::Unavailable, message }
}

async fn reply<Q: streams::Question>(asked: Asked<Q>, answer: Result<Q::Answer, Fault>) {
    if let Err(error) = asked.reply(answer).await {
        // Who asked has a deadline, and may ask again: the same id is the same run.
        tracing::warn!(%error, subject = Q::SUBJECT, "an answer was not delivered");
    }
}
