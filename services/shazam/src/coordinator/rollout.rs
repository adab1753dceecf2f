//! Carries out what was decided about a fleet: plans, sends, ends.

use jiff::Timestamp;
use schemas::event::{
    Data, ImageUpdated, RolloutFailed, RolloutPlanned, RolloutRetried, RolloutStarted, RolloutStep, RolloutSucceeded,
    RolloutSuperseded, Scope, StepStatus,
};
use schemas::fleet::Rollout;
use schemas::names::FleetId;
use schemas::work::Command;
use streams::{Bus, Expected, clock};
use uuid::Uuid;

use super::Coordinator;
use super::command::command;
use super::decide::{Act, decide};
use crate::error::CoordinatorError;

impl Coordinator {
    /// Does everything that can be done about one fleet now.
    pub(super) async fn advance(&mut self, id: &FleetId) -> Result<(), CoordinatorError> {
        loop {
            let Some(fleet) = self.fleets.get(id) else { return Ok(()) };
            let acts = decide(fleet);
            if acts.is_empty() {
                return Ok(());
            }
            for act in acts {
                if !self.act(id, act).await? {
                    return Ok(());
                }
            }
        }
    }

    /// False: it has to wait, or to be decided anew.
    async fn act(&mut self, id: &FleetId, act: Act) -> Result<bool, CoordinatorError> {
        let data = match act {
            Act::Plan => return self.plan(id, None, false).await,
            Act::Release { ended } => return self.plan(id, Some(ended), false).await,
            Act::LeaveOut { rollout, step } => (rollout, left_out(rollout, step)),
            Act::Send { rollout, step } => return self.send(id, rollout, step).await,
            Act::Supersede { rollout, by } => (rollout, Data::RolloutSuperseded(RolloutSuperseded { rollout, by })),
            Act::Start { rollout } => (rollout, Data::RolloutStarted(RolloutStarted { rollout })),
            Act::Succeed { rollout } => {
                let duration_ms = self.duration_ms(id, rollout);
                (rollout, Data::RolloutSucceeded(RolloutSucceeded { rollout, duration_ms }))
            }
            Act::Fail { rollout, step, error } => {
                let duration_ms = self.duration_ms(id, rollout);
                (rollout, Data::RolloutFailed(RolloutFailed { rollout, step: Some(step), error, duration_ms }))
            }
        };
        self.append_rollout(id, data.0, None, data.1).await
    }

    /// Plans what the newest push or rollback asks for against what is observed now: for the first time, because
    /// somebody asked for another try, `because` of a `hold.ended`, of an `image.updated`, or of a `drift.found`, which it
    /// `heals`.
    pub(super) async fn plan(
        &mut self,
        id: &FleetId,
        because: Option<Uuid>,
        heals: bool,
    ) -> Result<bool, CoordinatorError> {
        let Some(fleet) = self.fleets.get(id) else { return Ok(false) };
        let overtaken = self.overtaken.get(id).and_then(|it| it.front().cloned());
        // One that was overtaken before its turn is planned without steps, so that it has an end of its own.
        let (desired, commit) = overtaken.clone().unwrap_or((fleet.desired_at, fleet.commit.clone()));
        let (Some(commit), Some(node)) = (commit, self.nodes.of(fleet.desired.agent())) else {
            // Without its node there is nothing to plan for; that one's first sign of life comes back here.
            return Ok(false);
        };
        let before = self.before.get(id).unwrap_or(&fleet.desired);
        let planned = schemas::plan::plan_after(fleet, before, &fleet.desired, &self.key);
        let (steps, observed, error) = match planned {
            _ if overtaken.is_some() => (Vec::new(), fleet.position, None),
            Ok(plan) => (plan.steps, plan.observed, None),
            Err(error) => (Vec::new(), fleet.position, Some(error.to_string())),
        };
        let earlier = fleet.rollouts.last().filter(|it| it.desired == desired && overtaken.is_none());
        let retry = earlier.and_then(|it| Some((it.id, it.retried?)));
        // Where the push itself has no rollout yet, this is it, and takes the updated images along.
        let update =
            fleet.images.versions.updating.filter(|_| earlier.is_some() && retry.is_none() && because.is_none());
        let (epoch, retries) = (self.fence.epoch, retry.map(|(failed, _)| failed));
        let data = RolloutPlanned { commit, desired, observed, epoch, node, steps, retries, heals };
        let data = Data::RolloutPlanned(data);
        let cause = match retry.map(|(_, asked)| asked).or(because).or(update) {
            Some(cause) => cause,
            None => match desired_by(self.bus.clone(), desired).await? {
                Some(event) => event,
                None => return Ok(false),
            },
        };
        let mut draft = self.draft(Scope::Fleet(id.clone()), String::new(), Some(cause), data);
        if retry.is_some() {
            draft.id = RolloutRetried::leads_to(cause);
        } else if update.is_some() {
            draft.id = ImageUpdated::leads_to(cause);
        }
        draft.subject = format!("rollouts/{}", draft.id);
        let rollout = draft.id;
        match self.append(&draft, Expected::At(self.line(id))).await? {
            Ok(position) => self.catch_up(position).await?,
            Err(last) => {
                self.catch_up(last).await?;
                self.dirty.insert(id.clone());
                return Ok(false);
            }
        }
        match error {
            None => Ok(true),
            Some(error) => {
                let failed = RolloutFailed { rollout, step: None, error, duration_ms: 0 };
                self.append_rollout(id, rollout, None, Data::RolloutFailed(failed)).await
            }
        }
    }

    /// Says that a step is under way, then sends it. Should we die in between, the next coordinator sends it again.
    pub(super) async fn send(&mut self, id: &FleetId, rollout: Uuid, index: u32) -> Result<bool, CoordinatorError> {
        let cause = clock::new_id();
        let it = |status, error| RolloutStep {
            rollout,
            step: index,
            status,
            error,
            duration_ms: None,
            obs: None,
            image: None,
        };
        let rendered = self.rollout(id, rollout).and_then(|(fleet, rollout)| {
            let step = rollout.steps.get(index as usize)?.step.clone();
            let rendered = command(&self.fence, fleet, rollout, index, &step, cause, &self.key);
            Some((rollout.node.clone(), rendered))
        });
        let Some((node, rendered)) = rendered else { return Ok(false) };
        if !self.append_rollout(id, rollout, Some(cause), Data::RolloutStep(it(StepStatus::Started, None))).await? {
            return Ok(false);
        }
        let position = self.line(id);
        let error = match rendered.map(|command| Command { position, ..command }) {
            Ok(command) => match self.bus.send_work(&node, &command).await {
                Ok(()) => return Ok(true),
                // It may have arrived: a second delivery is harmless, a lost one is not.
                Err(error @ (streams::SendError::Unknown { .. } | streams::SendError::Unavailable { .. })) => {
                    tracing::warn!(%error, fleet = %id, step = index, "a step was not sent for sure, trying again");
                    return self.send_again(&node, &command).await;
                }
                Err(error) => error.to_string(),
            },
            Err(fault) => fault.message,
        };
        self.append_rollout(id, rollout, None, Data::RolloutStep(it(StepStatus::Failed, Some(error)))).await
    }

    /// Sends until the answer is definite.
    async fn send_again(
        &mut self,
        node: &schemas::names::NodeName,
        command: &Command,
    ) -> Result<bool, CoordinatorError> {
        let mut pause = std::time::Duration::from_millis(50);
        loop {
            tokio::select! {
                // The next start resumes the rollout and sends the step again.
                () = self.shutdown.cancelled() => return Ok(false),
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(std::time::Duration::from_secs(2)),
            }
            match self.bus.send_work(node, command).await {
                Ok(()) => return Ok(true),
                Err(error) => tracing::warn!(%error, step = command.step, "a step is still not sent"),
            }
        }
    }

    fn rollout(&self, id: &FleetId, rollout: Uuid) -> Option<(&schemas::fleet::Fleet, &Rollout)> {
        let fleet = self.fleets.get(id)?;
        Some((fleet, fleet.rollouts.iter().rev().find(|it| it.id == rollout)?))
    }

    fn duration_ms(&self, id: &FleetId, rollout: Uuid) -> u64 {
        self.rollout(id, rollout).map_or(0, |(_, it)| elapsed_ms(it.planned, clock::now()))
    }
}

/// What is said of a step whose container is on hold.
fn left_out(rollout: Uuid, step: u32) -> Data {
    let (status, error, duration_ms, obs) = (StepStatus::Held, None, None, None);
    Data::RolloutStep(RolloutStep { rollout, step, status, error, duration_ms, obs, image: None })
}

/// Clocks may step back: then no time has passed.
fn elapsed_ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
}

/// Id of the `git.pushed` or `desired.rolled_back` at a position: the plan's cause.
async fn desired_by(bus: Bus, at: u64) -> Result<Option<Uuid>, CoordinatorError> {
    let page = bus.page(at.saturating_sub(1), 1).await?;
    Ok(page.events.first().filter(|event| event.position == at).map(|event| event.id))
}
